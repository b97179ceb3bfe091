#!/bin/sh
# vim -es, ed, and sed -i edit files; swap files and backups are gone afterwards
. "$T/lib.sh"
seq 1 20 >a
ed -s a <<'END'
3d
1i
inserted by ed
.
g/5/s//five/
w
q
END
cat a
printf '%%p\nQ\n' | ed -s a | head -n 2; echo 'bad' | ed -s a; echo "ed $?"; printf ',s/no such text/x/\n' | ed -s a; echo "ed $?"; ed -s a <<'END'
!echo from ed
r !echo read from a command
w !wc -l
wq
END
if command -v vim >/dev/null; then
	vim -u NONE -es -c '%s/1/one/g' -c '5,7d' -c 'wq' a; echo "vim $?"; cat a
	vim -u NONE -es -c 'r !echo from vim' -c 'w b' -c 'q!' a; cat b | tail -n 2
	vim -u NONE -N -es -c 'set backup' -c 'normal Gochanged' -c 'wq' b; tail -n 1 b; echo "exe 'cquit 7'" >q.vim; vim -u NONE -es -S q.vim; echo "vim $?"
	seq 1 50000 >long; vim -u NONE -es -c 'g/7/d' -c 'wq' long; sha256sum long
else
	seq 1 20 | ex -s a 2>/dev/null
fi
ls -A

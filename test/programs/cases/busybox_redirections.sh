#!/bin/busybox sh
# Every form of redirection, and what is left in the files.
. "$T/lib.sh"
echo first >a; echo second >>a; cat <a
cat <a >b 2>c; echo both >d 2>&1
ls /nonexistent 2>err >out; echo "status $?"; [ -s err ] && echo 'err has text'
exec 3>three; echo to three >&3; echo again >&3; exec 3>&-; cat three
exec 4<a; read -r line <&4; echo "$line"; read -r line <&4; echo "$line"; exec 4<&-
exec 5<>both; echo abcdef >&5; exec 5>&-; exec 5<>both; printf XY >&5; cat <&5; exec 5>&-; cat both
{ echo 1; echo 2 >&2; } >o 2>e; cat o e
{ echo swapped >&2; } 3>&1 1>&2 2>&3 | cat
cat <<END
expanded $((1 + 2)) $(echo here)
END
cat <<'END'
literal $x $(y)
END
cat <<-END
	tabs removed
	END
cat <<A; cat <<B
first document
A
second document
B
set -C; echo x >a 2>/dev/null || echo 'noclobber refused'; echo x >|a; set +C; cat a
: >empty; [ -s empty ] || echo 'empty is empty'
echo n >/dev/null; cat </dev/null
(echo closed >&-) 2>/dev/null || echo 'write to a closed descriptor fails'
echo x >/nonexistent/y 2>/dev/null || echo 'no such folder'
for i in 1 2 3; do echo $i; done >loop; cat loop
while read -r n; do echo "from loop $n"; done <loop
busybox seq 1 30000 >long; busybox wc -c <long
i=0; while [ $i -lt 200 ]; do echo $i >>grow; i=$((i + 1)); done; busybox md5sum grow
show_tree

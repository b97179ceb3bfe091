#!/bin/sh
# deep folders beyond PATH_MAX, names of 255 bytes and more, strange names, links that go in circles
. "$T/lib.sh"
name=$(printf '%0100d' 0)
i=0; while [ $i -lt 60 ]; do mkdir "$name" && cd "$name" || break; i=$((i + 1)); done
echo "depth $i"; echo bottom >file; cat file; /bin/pwd 2>/dev/null | wc -c; cd "$W"; find . -name file | wc -c; rm -rf "$name"; ls
n=$(printf '%0255d' 0); echo x >"$n"; ls | wc -c; echo x >"${n}1"; echo "256: $?"; mkdir "$n$n"; echo "$?"
p=$(printf '%02000d' 0 | sed 's/00/.\//g'); ls "$p$p$p" >/dev/null; echo "long path: $?"; ls "$p" | wc -l
mkdir s && cd s; touch -- 'a b' '
' '*' '?' '\' '-n' "'" '"' '$x' é $(printf '\377\376') ' ' ...; ls -1b -- * ; ls | wc -l; find . -type f -print0 | LC_ALL=C sort -z | od -An -tx1 | sha256sum; rm -- * ...
ln -s loop loop; cat loop; echo "loop $?"; ln -s b a; ln -s a b; ls -L a; cd "$W"; mkdir d; ln -s ../d d/up; ls d/up/up/up/up/up
ln -s "$(printf '%04000d' 0)" long && readlink long | wc -c; i=0; echo t >l0; while [ $i -lt 39 ]; do ln -s l$i l$((i + 1)); i=$((i + 1)); done; cat l39; ln -s l39 l40; ln -s l40 l41; cat l41; echo "41 links: $?"; ls .//.///./d/../d/. ; cat l0/; echo $?; mkdir e/; rmdir e/; ls nonexistent/..; echo $?

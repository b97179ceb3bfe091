#!/bin/busybox sh
# What else busybox brings: its own awk, sed, find, tar, gzip, sort, vi-less editing, dc, ...
. "$T/lib.sh"
b=busybox
mkdir -p t/u/v; $b seq 1 100 >t/n; echo text >t/u/text; ln -s ../n t/u/link; echo v >t/u/v/v
$b awk '{ s += $1 } END { print s }' t/n
$b sed -n '5,7s/$/!/p' t/n
$b find t -type f | $b sort
$b tar cf t.tar t && mkdir x && $b tar xf t.tar -C x && $b diff -r t x/t && echo 'tar is true'
$b gzip -c t/n | $b gunzip | $b cmp - t/n && echo 'gzip is true'
$b bzip2 -c t/n | $b bunzip2 | $b cmp - t/n && echo 'bzip2 is true'
$b grep -c 1 t/n; $b grep -rn text t
$b sort -k1,1r t/n | $b head -n 3; $b uniq -c t/n | $b tail -n 1; $b cut -c1-2 t/n | $b tail -n 1
echo '2 3 + p' | $b dc 2>/dev/null; $b expr 6 \* 7; $b printf '%05d %s\n' 42 x; $b basename /a/b.c .c
$b sha256sum t/n; $b md5sum t/n; $b od -c t/u/text | $b head -n 1; $b hexdump -C t/u/text | $b head -n 1
$b cp -a t y; $b rm -r y/u; $b ls -R y; $b du -a y >/dev/null && echo du
$b touch -d '2020-01-02 03:04:05' y/n; $b stat -c '%n %s %a %Y' y/n; $b chmod 640 y/n; $b stat -c %a y/n
$b readlink t/u/link; $b realpath t/u/link | $b sed "s#$W##"; $b test -L t/u/link && echo link
$b env -i A=1 $b env; $b id -u; $b uname -s; $b true; $b false || echo false
$b timeout 1 $b sleep 0.05; echo "timeout $?"; $b timeout 0.2 $b sleep 5; echo "timeout $?"
$b mkfifo p; $b cat p & echo through >p; wait
$b which sh; $b seq 3 | $b tac; $b rev t/u/text; $b tr a-z A-Z <t/u/text; $b head -c 5 /dev/zero | $b wc -c
rm t.tar
$b mktemp -d m.XXXXXX >/dev/null && $b rmdir m.* && echo mktemp
show_tree

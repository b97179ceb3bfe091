#!/bin/busybox sh
# Pipelines of many kinds.
. "$T/lib.sh"
echo one | cat
busybox seq 1 1000 | busybox sort -rn | busybox head -n 5 | busybox tr '\n' ' '; echo
busybox seq 1 20000 | busybox wc -l
busybox yes | busybox head -n 3
false | true; echo "last of a pipeline: $?"
true | false; echo "last of a pipeline: $?"
echo a | busybox cat | busybox cat | busybox cat | busybox cat | busybox cat | busybox cat | busybox cat
echo 'x y z' | { read -r a b; echo "a=$a b=$b"; }
busybox seq 1 5 | while read -r n; do echo "line $n"; (exit "$n"); done; echo "loop $?"
{ echo out; echo err >&2; } 2>&1 | busybox sed 's/^/got /'
(busybox seq 1 50000; echo end) | busybox tail -n 2
busybox dd if=/dev/zero bs=1000 count=300 2>/dev/null | busybox md5sum
echo "$(busybox seq 1 3 | busybox tee copy | busybox wc -c) $(busybox cat copy | busybox tr '\n' ,)"
(sleep 0.1; echo late) | cat
busybox seq 1 9 | busybox xargs -n 3 echo row

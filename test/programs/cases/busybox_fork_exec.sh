#!/bin/busybox sh
# needs: busybox
# fork, exec, wait and exit statuses, from a shell that is a static program.
. "$T/lib.sh"
for status in 0 1 2 42 126 127 128 255; do
	sh -c "exit $status"
	echo "exit $status -> $?"
done
for i in 1 2 3 4 5 6 7 8 9 10; do
	(exit $i) || echo "subshell $i -> $?"
done
true && echo and
false || echo or
! false && echo not
sleep 0.05 & p=$!
wait $p; echo "waited $?"
(exit 7) & wait $!; echo "background $?"
for i in 1 2 3; do (echo "child $i"; exit $i) & wait $!; echo "status $?"; done
x=$(echo $(echo $(echo nested)))
echo "$x"
busybox sh -c 'busybox sh -c "busybox sh -c \"echo three deep\""'
exec_it() { exec busybox echo "exec in a subshell: $*"; }
(exec_it a b c)
/no/such/program 2>/dev/null; echo "missing -> $?"
echo data >plain; ./plain 2>/dev/null; echo "not executable -> $?"
mkdir folder; ./folder 2>/dev/null; echo "folder -> $?"
printf 'echo no interpreter line: $1\n' >script; chmod +x script; ./script here; echo "script -> $?"
i=0; while [ $i -lt 100 ]; do busybox true; i=$((i + 1)); done; echo "ran $i"

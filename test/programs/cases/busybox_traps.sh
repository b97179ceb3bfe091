#!/bin/busybox sh
# traps and signals in busybox sh
. "$T/lib.sh"
trap 'echo got USR1' USR1
kill -USR1 $$; echo after USR1
trap 'echo got TERM; exit 3' TERM
(trap 'echo sub EXIT' EXIT; echo in subshell)
trap '' INT; kill -INT $$; echo 'INT is ignored'
trap - INT
sh -c 'kill -TERM $$'; echo "killed by TERM: $?"
sh -c 'kill -KILL $$'; echo "killed by KILL: $?"
sh -c 'kill -INT $$'; echo "killed by INT: $?"
sh -c 'kill -ABRT $$' 2>/dev/null; echo "killed by ABRT: $?"
sleep 60 & p=$!
sleep 0.1; kill $p; wait $p 2>/dev/null; echo "sleep ended: $?" # it says Terminated, or not: a race of the shell
(trap 'echo child got HUP; exit 9' HUP; echo ready >ready; while :; do sleep 0.02; done) & p=$!
while ! [ -s ready ]; do sleep 0.02; done
kill -HUP $p; wait $p; echo "child: $?"
trap 'echo USR2 in wait' USR2
(sleep 0.2; kill -USR2 $$) & p=$!
sleep 0.6 & q=$!
wait $q; [ $? -gt 128 ] && echo 'wait was interrupted'
wait
kill -0 $$ && echo alive
kill -0 $p 2>/dev/null || echo gone
trap 'echo goodbye; rm -f ready' EXIT
kill -TERM $$
echo not reached

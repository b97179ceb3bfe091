#!/bin/bash
# EXIT, ERR, DEBUG, RETURN, CHLD and signal traps of bash; killed children.
. "$T/lib.sh"
trap 'echo ERR' ERR; false; trap - ERR
count=0; trap 'count=$((count + 1))' DEBUG; true; true; trap - DEBUG; echo "DEBUG $((count >= 2))"
f() { trap 'echo RETURN' RETURN; true; }; f; trap - RETURN
chld=0; trap 'chld=$((chld + 1))' CHLD; for i in 1 2 3; do /bin/true; done; trap - CHLD; echo "CHLD $chld"
trap 'echo USR1' USR1; for i in 1 2 3; do kill -USR1 $$; done; (kill -USR1 $$); trap - USR1
{ (kill -SEGV $BASHPID); echo "SEGV $?"; (kill -9 $BASHPID); echo "KILL $?"; } 2>/dev/null
(trap 'echo inner; exit 4' TERM; kill $BASHPID; echo no); echo "TERM trapped $?"
sleep 100 & p=$!; kill -STOP $p; sleep 0.05; kill -CONT $p; kill $p; wait $p 2>/dev/null; echo "stopped, continued, killed $?"
{ sleep 100 & } ; disown; kill %% 2>/dev/null || kill $!; echo disowned
trap 'echo ALRM' ALRM; (sleep 0.1; kill -ALRM $$) & sleep 0.3; wait
trap 'echo "exit with $?"' EXIT
exit 12

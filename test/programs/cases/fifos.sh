#!/bin/sh
# fifos between processes, in both orders of opening; many writers; a reader that leaves
. "$T/lib.sh"
mkfifo f g
cat f & echo hello >f; wait
(sleep 0.1; echo late >f) & cat f; wait
# The shell holds the other end open: else the reader may see the end between two writers.
sort f & exec 3>f; for i in 1 2 3 4 5; do (exec 3>&-; echo "writer $i" >f) & w="$w $!"; done
wait $w; exec 3>&-; wait
(seq 1 100000 >f) & wc -l <f; wait
(cat f >g) & (sed 's/^/> /' g) & echo chained >f; wait
(seq 1 100000 2>/dev/null >f; echo "writer ended" >ended) & head -n 1 f; wait; ls ended
stat -c '%F %a' f; [ -p f ] && echo 'is a fifo'; timeout 0.2 sh -c 'echo x >f'; echo "no reader: $?"; timeout 0.2 cat f; echo "no writer: $?"
exec 3<>f; echo both >&3; read -r x <&3; echo "$x"; exec 3>&-; rm f g; ls

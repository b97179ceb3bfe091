#!/bin/sh
# stdin: tty
# on size?: resize 50 132
# on again?: type typed line\n
# on hidden?: type secret\n
# on one key?: type k
# the run's terminal: isatty, its size, a change of size, echo off, raw mode, the foreground group
. "$T/lib.sh"
for n in 0 1 2; do [ -t $n ] && echo "$n is a terminal"; done; tty >/dev/null && echo 'has a name'; stty size
trap 'echo WINCH' WINCH; echo 'size?'; sleep 0.5; stty size; stty -a | grep -c intr
echo 'again?'; read -r line; echo "read: $line"; stty -echo; echo 'hidden?'; read -r line; stty echo; echo "read: $line"
stty -icanon -echo min 1; echo 'one key?'; dd bs=1 count=1 2>/dev/null; stty icanon echo; echo
python3 -c 'import os, sys; print(os.isatty(0), os.get_terminal_size(), os.tcgetpgrp(0) == os.getpgrp(), os.getsid(0) > 0)'
echo to the terminal >/dev/tty; python3 -c 'print(open("/dev/tty").isatty())'; ls --color=auto -d /; ls -C /usr/include/rpc /usr/include/net; test -c /dev/tty && echo device; exec </dev/null; [ -t 0 ] || echo 'no more'

#!/bin/sh
# standard input is /dev/null
. "$T/lib.sh"
cat; echo "cat $?"; read -r x; echo "read $?"; stat -L -c '%F %t:%T' /dev/stdin; [ -t 0 ]; echo "terminal $?"; [ -c /dev/stdin ] && echo character device; wc -c; python3 -c 'import sys; print(repr(sys.stdin.read()))'

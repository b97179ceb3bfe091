#!/bin/sh
# stdin: pipe
# on first: type four\n
# on second: close-stdin
# standard input of the whole run is a pipe from outside that stays open for a while
. "$T/lib.sh"
read -r x; echo "$x"; sh -c 'read -r y; echo "child read $y"'; read -r z; echo "$z"
echo first; read -r w; echo "$w"; echo second; cat; echo "end of input"; [ -p /dev/stdin ] && echo pipe; stat -L -c %F /dev/fd/0

#!/bin/sh
# stdin: file
# standard input of the whole run is a file outside: offset shared with children, lseek works
. "$T/lib.sh"
read -r x; echo "$x"; sh -c 'read -r y; echo "$y"'; wc -l; cat; stat -L -c %F /dev/stdin; [ -f /dev/stdin ] && echo file
python3 -c 'import os; print(os.lseek(0, 0, 1) > 0, os.lseek(0, 3, 0), os.read(0, 4), os.isatty(0))'; head -n 1; tail -n 1 /dev/stdin | wc -l

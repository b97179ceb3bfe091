#!/bin/sh
# needs: script
# gap: pseudo-terminals made inside
# script(1) gives a program a terminal of its own: a pseudo terminal made inside
. "$T/lib.sh"
script -qec 'tty >/dev/null && echo terminal; stty size >/dev/null && echo sized; exit 3' log </dev/null | tr -d '\r'; sed 1d log >/dev/null; grep -c terminal log
script -qec 'cat' /dev/null </dev/null | wc -c
script -qec 'sh -c "kill -INT \$\$"' /dev/null </dev/null >/dev/null; echo "status $?"

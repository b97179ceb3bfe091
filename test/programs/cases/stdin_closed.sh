#!/bin/sh
# stdin: closed
# same: status stdout
# standard input is closed
. "$T/lib.sh"
cat; echo "cat $?"; [ -e /proc/self/fd/0 ] || true; echo here | cat; cat </etc/hostname | wc -l; python3 -c 'print("python starts")'; exec 5</etc/passwd; read -r x <&5; echo "${x%%:*}"

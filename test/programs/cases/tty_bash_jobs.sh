#!/bin/bash
# stdin: tty
# on $ ready: type sleep 20\n
# an interactive shell on the terminal: prompt, a command stopped by Ctrl-C, exit
# on sleep 20: type \x03
# on ^C: type echo st=$?; exit 5\n
# same: status
cd /; PS1='$ ready ' exec bash --norc --noediting -i

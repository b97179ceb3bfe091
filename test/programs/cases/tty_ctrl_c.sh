#!/bin/sh
# stdin: tty
# on ready: type \x03
# Ctrl-C at the terminal ends a program that does not catch SIGINT: status 130
echo ready
exec sleep 30

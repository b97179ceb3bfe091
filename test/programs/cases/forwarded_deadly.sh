#!/bin/sh
# on ready: signal TERM
# SIGTERM from outside ends a program that does not catch it: status 143, nothing left behind
echo ready
exec sleep 30

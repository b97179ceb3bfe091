#!/bin/sh
# on ready: signal TERM
# SIGTERM sent from outside to the run reaches the program
trap 'echo got TERM; exit 7' TERM
echo ready
i=0; while [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done
echo 'no signal came'

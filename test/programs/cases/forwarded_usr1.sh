#!/bin/sh
# on ready: signal USR1
# SIGUSR1 sent from outside to the run reaches the program
trap 'echo got USR1; exit 7' USR1
echo ready
i=0; while [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done
echo 'no signal came'

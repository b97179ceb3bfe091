#!/bin/sh
# on ready: signal HUP
# SIGHUP sent from outside to the run reaches the program
trap 'echo got HUP; exit 7' HUP
echo ready
i=0; while [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done
echo 'no signal came'

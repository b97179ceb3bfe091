#!/bin/sh
# stdin: tty
# on ready: type \x03
# on next: type \x03
# on quit?: type \x1c
# on end?: type \x04
# Ctrl-C reaches the whole foreground group; trapped here; then Ctrl-\ and Ctrl-D
trap 'echo shell got INT' INT
echo ready; sleep 10; echo "sleep: $?"
python3 -c 'import time
try:
    print("next", flush=True)
    time.sleep(20)
except KeyboardInterrupt:
    print("python got INT")'
trap 'echo shell got QUIT' QUIT; (ulimit -c 0; echo 'quit?'; sleep 10); echo "child: $?"
echo 'end?'; cat; echo "cat: $?"

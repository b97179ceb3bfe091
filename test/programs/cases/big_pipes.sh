#!/bin/sh
# large amounts of data through pipes, with readers and writers of different sizes of block
. "$T/lib.sh"
head -c 30000000 /dev/zero | sha256sum
seq 1 500000 | sha256sum
dd if=/dev/zero bs=1 count=20000 2>/dev/null | dd bs=4096 2>/dev/null | wc -c
dd if=/dev/zero bs=1M count=8 2>/dev/null | dd bs=100 2>/dev/null | dd bs=64k 2>/dev/null | wc -c
seq 1 200000 | cat | cat | cat | cat | tail -n 1
(seq 1 100000; sleep 0.1; seq 1 100000) | wc -l
sh -c 'seq 1 1000000' | head -n 1; echo "status $?"; { seq 1 1000000; echo "seq $?" >&2; } 2>err | head -n 1 >/dev/null; cat err
python3 -c 'import os; r, w = os.pipe(); os.set_blocking(w, False); n = 0
try:
    while True: n += os.write(w, b"x" * 4096)
except BlockingIOError: print("capacity", n)'

#!/bin/sh
# limit: 120
# 10 000 files in one folder and in many: made, listed, read, renamed, removed
. "$T/lib.sh"
mkdir many && cd many; seq 1 10000 | xargs touch; ls | wc -l; ls | LC_ALL=C sort | sha256sum; ls -l | awk '{ s += $5 } END { print s }'
seq 1 10000 | xargs -n 500 sh -c 'for n; do echo "content $n" >$n; done' sh; cat $(seq 1 1000) | sha256sum; cat * | LC_ALL=C sort | sha256sum
python3 -c 'import os
for n in range(1, 10001, 2): os.rename(str(n), f"odd.{n}")
print(len(os.listdir(".")), sum(e.stat().st_size for e in os.scandir(".")))
seen = 0
with os.scandir(".") as it:
    for e in it:
        seen += 1
        if seen % 3 == 0: os.unlink(e.name)
print(seen, len(os.listdir(".")))'
find . -name 'odd*' | wc -l >/dev/null; cp -r . ../copy; diff -r . ../copy && echo equal; cd ..; rm -rf many; ls; du -a copy | wc -l; mkdir -p dirs; cd dirs; seq 1 1000 | xargs -I{} mkdir -p {}/sub; find . -type d | wc -l; rm -r ../copy ../dirs; ls ..

#!/bin/sh
# limit: 120
# a copy of a part of the host is made inside and worked on by several programs at once
. "$T/lib.sh"
cp -a /usr/include/linux copy & tar cf a.tar -C /usr/include asm-generic & grep -rl EINVAL /usr/include/linux >list & wait
(cd copy && for f in *.h; do sed -i 's/struct/STRUCT/' "$f"; done) & (tar xf a.tar; rm a.tar) & sort list | sha256sum & wait
cat copy/*.h | sha256sum; find . -type f | wc -l; diff -rq copy /usr/include/linux | wc -l; rm -r copy; ls

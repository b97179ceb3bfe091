#!/bin/sh
# limit: 120
# tar of a tree of the host; unpacked, compared, packed with compressors, updated
. "$T/lib.sh"
tar cf linux.tar -C /usr/include linux asm-generic; tar tvf linux.tar | LC_ALL=C sort | sha256sum
mkdir out; tar xpf linux.tar -C out; diff -r out/linux /usr/include/linux && echo 'equal'
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - -C out . | sha256sum
tar czf l.tgz linux.tar; tar tzf l.tgz; tar xzOf l.tgz linux.tar | cmp - linux.tar && echo gzip
tar cJf small.txz -C out asm-generic; tar tJf small.txz | LC_ALL=C sort | sha256sum; tar --zstd -cf small.tzst -C out asm-generic && tar --zstd -tf small.tzst | wc -l
echo new >out/new; tar rf linux.tar -C out new; tar xOf linux.tar new; tar df linux.tar -C out && echo 'no differences'; tar --delete -f linux.tar new; tar tf linux.tar | wc -l
ln out/new out/hard; ln -s new out/soft; mkfifo out/fifo; truncate -s 1M out/sparse; tar cSf special.tar -C out new hard soft fifo sparse; mkdir again; tar xpf special.tar -C again; stat -c '%F %h %s %n' again/*
tar cf - -C out linux | (mkdir piped && cd piped && tar xf -); find piped | wc -l; echo | tar xf - 2>/dev/null; echo "not a tar: $?"; tar cf /nonexistent/x out 2>/dev/null; echo "no folder: $?"
cd out && find linux -depth -print | cpio -o 2>/dev/null | sha256sum | wc -c

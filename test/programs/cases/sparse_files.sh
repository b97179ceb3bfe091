#!/bin/sh
# sparse files: holes read as zeroes, SEEK_DATA and SEEK_HOLE, punch holes, large offsets
. "$T/lib.sh"
truncate -s 10G big; stat -c %s big; dd if=/dev/zero of=big bs=1 seek=8G count=1 conv=notrunc 2>/dev/null; printf X | dd of=big bs=1 seek=9G conv=notrunc 2>/dev/null; stat -c %s big
dd if=big bs=1 skip=9G count=1 2>/dev/null; echo; [ $(stat -c %b big) -lt 10000 ] && echo sparse; dd if=/dev/zero bs=1 count=1 2>/dev/null | dd of=end bs=1 seek=1M 2>/dev/null; cmp -n 1000000 end /dev/zero && echo zeroes
echo data >hole; truncate -s 100000 hole; echo more >>hole; sha256sum hole; truncate -s 3 hole; truncate -s 6 hole; od -c hole; cp --sparse=always end copy; cmp end copy && echo same; rm big
python3 -c 'import os, errno
fd = os.open("f", os.O_RDWR | os.O_CREAT)
os.pwrite(fd, b"a" * 4096, 0); os.pwrite(fd, b"b" * 4096, 1 << 20)
print(os.fstat(fd).st_size, os.lseek(fd, 0, os.SEEK_DATA), os.pread(fd, 4, 8192))
hole = os.lseek(fd, 0, os.SEEK_HOLE); print(hole >= 4096, os.lseek(fd, 1 << 20, os.SEEK_DATA) == 1 << 20)
try: os.lseek(fd, 1 << 30, os.SEEK_DATA)
except OSError as e: print(e.errno == errno.ENXIO)
os.posix_fallocate(fd, 0, 2 << 20); print(os.fstat(fd).st_size)
os.ftruncate(fd, 10); print(os.read(fd, 100), os.fstat(fd).st_size)
try: os.pwrite(fd, b"x", (1 << 63) - 1)
except OSError as e: print("refused")
try: os.ftruncate(fd, -1)
except OSError as e: print(errno.errorcode[e.errno])'

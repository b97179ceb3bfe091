#!/bin/sh
# limit: 120
# find over /usr/include in several ways
. "$T/lib.sh"
find /usr/include | LC_ALL=C sort | sha256sum
find /usr/include -type f -name '*.h' | wc -l
find /usr/include -type d -printf '%M %p\n' | LC_ALL=C sort | sha256sum
find /usr/include -type f -printf '%s %T@ %U %G %m %n %i %p\n' | LC_ALL=C sort | cut -d' ' -f1-6,8 | sha256sum
find /usr/include -type l -printf '%p -> %l\n' | LC_ALL=C sort
find /usr/include/linux -size +40k | LC_ALL=C sort
find /usr/include/linux -name 'f*.h' -exec head -c 20 {} \; | sha256sum
find /usr/include/linux -name '*.h' -print0 | xargs -0 cat | sha256sum
find /usr/include -newer /usr/include/stdio.h | wc -l
find -L /usr/include/x86_64-linux-gnu -maxdepth 1 | LC_ALL=C sort | sha256sum
find /usr/include/linux -empty; find /usr/include -perm /u+x -type f | wc -l
ls -lR /usr/include | sha256sum; ls -laRi --time-style=full-iso /usr/include/linux | sed 's/^ *[0-9]* //' | grep -v ' \.\.$' | sha256sum

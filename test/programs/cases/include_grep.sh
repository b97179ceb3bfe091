#!/bin/sh
# limit: 120
# grep -r over /usr/include
. "$T/lib.sh"
grep -r 'define' /usr/include/linux | wc -l
grep -rl 'EINVAL' /usr/include | LC_ALL=C sort
grep -rn 'struct stat' /usr/include --include='*.h' | LC_ALL=C sort | sha256sum
grep -rc 'int' /usr/include/asm-generic | LC_ALL=C sort
grep -R -w -i 'posix' /usr/include/x86_64-linux-gnu | LC_ALL=C sort | sha256sum
grep -rE '^#define [A-Z]+_MAX' /usr/include/linux -h | LC_ALL=C sort -u | tail -n 20
grep -r 'no such text anywhere in there' /usr/include/linux; echo "grep $?"

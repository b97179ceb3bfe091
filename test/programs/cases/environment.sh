#!/bin/sh
# the environment and arguments arrive whole, also long ones; the working folder is kept
. "$T/lib.sh"
env | LC_ALL=C sort | grep -Ev '^(_|OLDPWD|SHLVL|PWD)='
A='with space' B='new
line' C= env | LC_ALL=C sort | grep -A1 -E '^[ABC]='
env -i sh -c 'env | grep -v ^_ | sort'; unset USER; printenv USER; echo $?
LONG=$(head -c 100000 /dev/zero | tr '\0' l) sh -c 'echo ${#LONG}'
set -- $(seq 1 5000); sh -c 'echo $# $0 ${5000}' "$@" last; /bin/echo "$@" | wc
sh -c 'echo "[$1][$2][$3]"' name '' ' ' "'quoted\""; python3 -c 'import sys; print(sys.argv[1:])' a '' 'é' "$(printf '\001\377')"
(head -c 3000000 /dev/zero | tr '\0' x | xargs -s 2000000 -n 1 true) 2>/dev/null; echo "too long: $?"
x=$(head -c 140000 /dev/zero | tr '\0' x); /bin/true "$x" 2>/dev/null; echo "one argument of 140 kB: $?"
pwd | sed "s#^$W#W#"; cd /usr/include && pwd; cd linux/../.. && pwd; (cd / && pwd); mkdir "$W/a" && ln -s a "$W/b" && cd "$W/b" && pwd | sed "s#^$W#W#"; /bin/pwd | sed "s#^$W#W#"; cd .. && pwd | sed "s#^$W#W#"
readlink /proc/self/cwd | sed "s#^$W#W#"; cd a; mv ../a ../c; /bin/pwd | sed "s#^$W#W#"; rmdir ../c; /bin/pwd 2>/dev/null; echo "gone: $?"; ls; echo x >y; echo "in a removed folder: $?"
cd "$W" && chmod 000 . && ls >/dev/null; chmod 755 .; HOME=/ sh -c 'cd; pwd'; TZ=Asia/Tokyo date -d @0 +%H; LANG=C sort --version | head -n 1; ulimit -s; ulimit -c; ulimit -Hn >/dev/null; umask

#!/bin/sh
# env, nice, nohup, timeout, xargs, stdbuf, id, date, expr, ...
. "$T/lib.sh"
env -i A=1 B='x y' env | sort; env -u HOME sh -c 'echo ${HOME-unset}'; env -C / pwd; printenv USER; nice -n 5 sh -c 'nice'
timeout 0.2 sleep 10; echo "timeout $?"; timeout -s KILL 0.2 sleep 10; echo "timeout $?"; timeout 5 sh -c 'exit 9'; echo "timeout $?"; timeout -k 0.1 0.1 sh -c 'trap "" TERM; sleep 2' ; echo "timeout -k $?"
nohup sh -c 'echo from nohup' >nohup.log 2>/dev/null; cat nohup.log; stdbuf -oL echo buffered; seq 1 10 | xargs -n 4 -P 2 echo | sort; seq 1 20 | xargs -P 4 -I{} sh -c 'exit 0'; echo "xargs $?"
printf 'a\0b c\0' | xargs -0 -n1 echo item; seq 5 | xargs -n 1 sh -c 'exit 255' 2>/dev/null; echo "xargs $?"; id -u; id -un; id -g; whoami; groups | tr ' ' '\n' | head -n 1; logname 2>/dev/null || echo 'no logname'
date -u -d @86400 +%F; date -d '2020-02-30' 2>/dev/null || echo 'no such day'; expr 3 + 4; expr length abc; expr abc : 'a\(.\)c'; test 1 -lt 2 && echo lt; [ -e /dev/null ] && echo -e; sleep 0.01; hostname >/dev/null && echo hostname; uname -m; arch; nproc >/dev/null && echo nproc; tty || true
basename /x/y.z .z; dirname /x/y/z; pwd -P | sed "s#$W#W#"; cd / && pwd; cd - >/dev/null; factor 360; true; false || echo false; yes | head -n 1; seq 3 | tac; who >/dev/null; users >/dev/null; uptime >/dev/null 2>&1; stty 2>/dev/null || echo 'no terminal'
chroot / /bin/echo in chroot; setsid sh -c 'echo in a session of its own'; setsid -w sh -c 'exit 4'; echo $?; flock lockfile echo locked; flock -n lockfile sh -c 'flock -n lockfile echo twice || echo refused'; mkdir r && cd r && rmdir ../r && (pwd -P 2>/dev/null || echo 'no cwd'); cd "$W"; getconf PAGESIZE; which ls; tee </dev/null; install -d q/w; /bin/kill -l TERM; /bin/kill -l | wc -w; [ "$(cat /proc/self/comm)" = cat ] && echo comm
/bin/echo -n; /bin/printf '\101\n'; /usr/bin/test -d /; echo $?; /usr/bin/[ 1 = 2 ]; echo $?; sh -c 'echo $0 $# "$@"' name a 'b c'; sh -s x y <<'END'
echo stdin script $1 $2
END
runcon 2>/dev/null; pinky >/dev/null 2>&1; vdir -d / >/dev/null; dir -d /; ionice true 2>/dev/null && echo ionice; chrt -m >/dev/null && echo chrt; sh -c 'renice -n 19 $$ >/dev/null' && echo renice; taskset -p $$ >/dev/null && echo taskset; prlimit --nofile=50:60 sh -c 'ulimit -n; ulimit -Hn'

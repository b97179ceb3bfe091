#!/bin/bash
# Process substitution, coprocesses, here-strings, job control, wait -n, globs, read with a timeout.
. "$T/lib.sh"
diff <(seq 1 5) <(seq 1 6); echo "diff $?"
seq 1 3 | tee >(cat >copy) >/dev/null; while [ "$(cat copy 2>/dev/null | wc -l)" -lt 3 ]; do sleep 0.02; done; cat copy
coproc C { while read -r x; do echo "co $x"; done; }
echo hello >&"${C[1]}"; read -r answer <&"${C[0]}"; echo "$answer"
eval "exec ${C[1]}>&-"; wait $C_PID 2>/dev/null; echo "coproc $?"
cat <<<"here string $((6 * 7))"
set -o pipefail; false | true; echo "pipefail $?"; set +o pipefail
true | false | (exit 3); echo "PIPESTATUS ${PIPESTATUS[*]}"
read -r -t 0.1 x < <(sleep 1); echo "read timed out: $(($? > 128))"
mkfifo late; (read -r x <late; exit 5) & (sleep 0.05; exit 6) & wait -n; echo "first to end: $?"; echo go >late; wait; rm late
declare -A map=([a]=1 [b]=2); for k in a b; do echo "$k ${map[$k]}"; done
touch f{1..5}.txt g.txt; echo *.txt; shopt -s extglob
echo !(g).txt; shopt -s globstar; mkdir -p x/y; touch x/y/z.txt; echo **/*.txt
mapfile -t lines < <(seq 1 4); echo "${lines[@]}" "${#lines[@]}"
printf '%s|' "a b" c; echo; printf -v v '%x' 255; echo $v
[[ abc =~ ^a(.)c$ ]] && echo "${BASH_REMATCH[1]}"
[ -t 0 ] || echo 'stdin is no terminal'
set -m; sleep 0.1 & jobs | sed 's/ *&$//'; wait; set +m
exec {fd}>numbered; echo text >&$fd; exec {fd}>&-; cat numbered
ulimit -n >/dev/null && echo ulimit; umask 027; umask; echo >masked; stat -c %a masked
( ulimit -f 1; head -c 5000 /dev/zero >big ) 2>/dev/null; echo "file size limit: $?"
echo $(( $(date +%s) > 1500000000 )) $((RANDOM >= 0)) $((BASHPID == $$)) $(( $(echo $BASHPID) == $$ ))
bash -c 'echo "$0 $1"' zero one; bash -c 'exit 77'; echo $?
exec 2>&1; command_that_is_not_there; echo "not found: $?"
time_out=$( { time true; } 2>&1 ); [[ $time_out == *real* ]] && echo timed

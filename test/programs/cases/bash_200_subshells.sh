#!/bin/bash
# 200 subshells one after another, 200 command substitutions, and 40 at a time.
. "$T/lib.sh"
sum=0
for i in {1..200}; do (exit $((i % 7))); sum=$((sum + $?)); done
echo "sum $sum"
text=
for i in {1..200}; do text+=$(echo $((i * i)));  done
echo "${#text} $(sha256sum <<<"$text")"
for round in 1 2 3; do
	pids=()
	for i in {1..40}; do (exit $i) & pids+=($!); done
	sum=0
	for p in "${pids[@]}"; do wait "$p"; sum=$((sum + $?)); done
	echo "round $round: $sum"
done
for i in {1..200}; do (echo "$i" >>lines) & done; wait
sort -n lines | sha256sum
deep() { if [ "$1" -gt 0 ]; then (deep $(($1 - 1))); else echo "bottom at $BASH_SUBSHELL"; fi; }
deep 50

#!/bin/sh
# run.sh - check the models of the entry protocol with spin. Prints TAP.
#
# Each model must hold, and each of its BROKEN_ variants must be rejected: a check
# that cannot fail proves nothing. Needs spin and a C compiler.
# Usage: run.sh [model.pml ...]    (default: all beside this script)

cd "$(dirname "$0")" || exit 2
here=$PWD
if ! command -v spin >/dev/null; then
	echo "1..0 # SKIP spin is not installed"
	exit 0
fi
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
number=0
failed=0

# check MODEL FLAG: the verdict of spin: "holds", "rejected", or "broken run"
check() {
	rm -rf "$work/run"
	mkdir "$work/run"
	cd "$work/run" || exit 2
	if spin ${2:+-D"$2"} -a "$here/$1" >spin.log 2>&1 &&
	   ${CC:-cc} -O1 -DSAFETY -o pan pan.c >cc.log 2>&1 &&
	   ./pan -m100000 >pan.log 2>&1; then
		if ! grep -q 'errors: ' pan.log || grep -q 'max search depth' pan.log; then
			echo "broken run"
		elif grep -q 'errors: 0' pan.log; then
			echo "holds"
		else
			echo "rejected"
		fi
	else
		echo "broken run"
	fi
	cd "$here" || exit 2
}

# expect MODEL FLAG VERDICT
expect() {
	number=$((number + 1))
	got=$(check "$1" "$2")
	name="${1%.pml}${2:+ with $2}: $3"
	if [ "$got" = "$3" ]; then
		states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$work/run/pan.log")
		why=$(sed -n 's/^pan:1: \(.*\) (at depth.*/, \1/p' "$work/run/pan.log")
		echo "ok $number - $name # $states states$why"
	else
		echo "not ok $number - $name # spin says: $got"
		sed 's/^/# /' "$work"/run/*.log
		failed=1
	fi
}

[ $# -gt 0 ] || set -- claim_recall.pml sleep_post.pml pool.pml pool_full.pml chain.pml cancel.pml
for model in "$@"; do
	expect "$model" "" holds
	# shellcheck disable=SC2013 # words are wanted
	for flag in $(grep -o -- '-DBROKEN_[A-Z_]*' "$model" | sed 's/^-D//'); do
		expect "$model" "$flag" rejected
	done
done
echo "1..$number"
exit $failed

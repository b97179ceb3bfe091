#!/bin/sh
# builds: signals signals+static signals+nopie signals+staticpie
# limit: 120
# Handlers, masks, nesting, SA_RESTART, alternate stacks, jumps out of handlers; in the four kinds of program.
. "$T/lib.sh"
for kind in '' .static .nopie .staticpie; do
	echo "signals$kind"; "$B/signals$kind"; echo "status $?"
done

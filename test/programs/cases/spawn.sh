#!/bin/sh
# builds: spawn spawn+static
# vfork, posix_spawn, failing exec, exec from a thread, many children, orphans, process groups
. "$T/lib.sh"
"$B/spawn"; echo "status $?"
"$B/spawn.static"; echo "status $?"

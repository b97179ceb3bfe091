#!/bin/sh
# builds: memory memory+static
# mmap of files, shared and private, between processes; anonymous shared memory; truncation; mprotect; mremap
. "$T/lib.sh"
"$B/memory" "$H"; echo "status $?"; show_tree
"$B/memory.static" "$H"; echo "status $?"

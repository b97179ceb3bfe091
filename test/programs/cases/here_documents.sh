#!/bin/bash
# here-documents: long ones (through a file or a pipe), nested ones, as input of loops and functions
. "$T/lib.sh"
long=$(seq 1 20000)
wc -c <<<"$long"; wc -l <<END
$long
END
f() { cat <<END
in a function: $1
$(cat <<INNER
nested $1
INNER
)
END
}
f x; while read -r a b; do echo "$b $a"; done <<END
1 2
3 4
END
python3 - <<'END'
import sys
print("python from a here-document", sys.stdin.readline() == "")
END
sh <<'END'
echo from sh; read -r line
this line is read
echo "$line"
END
for i in {1..50}; do cat <<<"$i"; done | sha256sum
cat <<A - <<B
first is replaced
A
second
B
{ echo 'cat <<E'; seq 1 30000; echo E; } >script; dash script | sha256sum; busybox sh script | sha256sum

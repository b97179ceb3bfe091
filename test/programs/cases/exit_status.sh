#!/bin/sh
# builds: memory
# exit statuses of programs that cannot start: absent, no permission, a folder, cut short, for another machine, a script of nothing
. "$T/lib.sh"
./absent; echo "absent $?"; echo 'echo x' >noexec; ./noexec; echo "no permission $?"; ./; echo "folder $?"
head -c 1000 "$B/memory" >cut; chmod +x cut; ./cut 2>/dev/null; [ $? -ge 126 ] && echo "cut at 1000"; head -c 63 "$B/memory" >cut; chmod +x cut; ./cut 2>/dev/null; echo "cut at 63: $?"
python3 -c 'import sys
good = bytearray(open(sys.argv[1], "rb").read())
def write(name, at, value):
    data = bytearray(good); data[at:at + len(value)] = value
    open(name, "wb").write(data)
write("arm", 18, b"\xb7\x00"); write("object", 16, b"\x01\x00"); write("phnum0", 56, b"\x00\x00"); write("phentsize", 54, b"\x07\x00"); write("phoff", 32, b"\xff" * 8); write("badinterp", good.index(b"/lib64/ld-linux"), b"/lib64/ld-nowhere"[:15])' "$B/memory"
for f in arm object phnum0 phentsize phoff badinterp; do chmod +x $f; python3 -c 'import os, sys
try: os.execv("./" + sys.argv[1], ["x"])
except OSError as e: print(sys.argv[1], e.errno)' $f; done
: >empty; chmod +x empty; ./empty; echo "empty $?"; printf '#!/no/such/interpreter\n' >script; chmod +x script; ./script; echo "$?"; printf '#!\n' >script2; chmod +x script2; ./script2; echo $?; printf '#! /bin/sh -e\nfalse\necho no\n' >script3; chmod +x script3; ./script3; echo $?; printf '#!./script3\n' >nest; chmod +x nest; ./nest; echo "nested $?"
printf '#!./self\n' >self; chmod +x self; python3 -c 'import os
try: os.execv("./self", ["x"])
except OSError as e: print("self", e.errno)'
printf '\177ELF' >magic; chmod +x magic; python3 -c 'import os
try: os.execv("./magic", ["x"])
except OSError as e: print("magic", e.errno)'
sh -c 'kill -SEGV $$'; echo $?; (ulimit -t 1; while :; do :; done) 2>/dev/null; echo "processor time: $?"; exit 200

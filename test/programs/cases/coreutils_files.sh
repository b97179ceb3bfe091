#!/bin/sh
# cp, mv, ln, rm, install, chmod, touch, mkdir, du, stat, ... over a tree
. "$T/lib.sh"
mkdir -p tree/a/b/c tree/d
for n in 1 2 3 4 5; do seq 1 ${n}00 >tree/a/f$n; done
echo deep >tree/a/b/c/deep; ln tree/a/f1 tree/hard; ln -s a/f2 tree/soft; ln -s /nonexistent tree/broken; mkfifo tree/fifo
cp -a tree copy; cp -r tree/a plain; cp -l tree/a/f3 linked; cp -s "$W/tree/a/f3" symbolic; cp --sparse=always tree/a/f5 sparse
diff -r --no-dereference tree/a copy/a && echo 'copy is equal'
mv copy/a/f1 copy/moved; mv copy/d copy/a; mv -n copy/moved copy/a/f2; mv -T copy/a/b renamed; mv tree/a/f4 tree/a/f5 copy
rm copy/a/f3; rm -r plain/b; rm -f nothing; rmdir copy/a/d; rmdir copy 2>/dev/null || echo 'rmdir refuses'
install -m 640 -D tree/a/f1 inst/x/y; chmod -R u=rwX,go=rX tree; chmod 4755 inst/x/y; chmod +t inst
chmod a-w tree/a/f2; chmod g+s tree/d; stat -c '%A %a %F %h %s %n' tree/a/f2 inst/x/y; stat -c '%A %a %F %n' tree/d inst
touch -d '2001-02-03 04:05:06' tree/a/f2; stat -c '%Y %y' tree/a/f2; touch -r tree/a/f2 tree/a/f1; stat -c %Y tree/a/f1; touch -c nope; ls nope 2>/dev/null
touch -h -d @5 tree/soft; stat -c %Y tree/soft
truncate -s 1M big; truncate -s +10 big; truncate -s 7 sparse; stat -c '%s %n' big sparse; fallocate -l 5000 space && stat -c %s space
link tree/a/f1 l2; unlink l2; readlink tree/soft; readlink -f tree/soft | sed "s#^$W##"; realpath --relative-to=. tree/soft
ls -1 tree; ls -A tree/a; ls -p tree; ls -ld --time-style=+%s tree/a/f2 | awk '{ print $1, $2, $5, $6, $7 }'; ls -R renamed; ls -Sp tree/a | grep -v / | head -n 2; ls -tp tree/a | grep -v / | tail -n 2
du -ab --apparent-size tree/a | sort -k2 | awk '$2 ~ /f/'; mktemp -u x.XXX >/dev/null && echo mktemp; d=$(mktemp -d) && rmdir "$d" && echo mktemp -d
dd if=tree/a/f1 of=dd1 bs=7 count=10 skip=2 seek=3 2>/dev/null; dd if=/dev/zero of=dd1 bs=1 seek=100 count=1 conv=notrunc 2>/dev/null; sha256sum dd1
split -l 50 tree/a/f1 part.; ls part.*; cat part.* | cmp - tree/a/f1 && echo joined; csplit -s tree/a/f1 20 40; ls xx*
shred -n 1 -u big && ls big 2>/dev/null; sync tree/a/f1; df . >/dev/null && echo df; tail -c 20 tree/a/f1 | head -n 2
mkdir -m 700 private; mkdir -p private/p/q; stat -c %a private private/p; mknod n p; stat -c %F n; chown 12:34 tree/a/f3 && stat -c '%u:%g' tree/a/f3
cp -r "$H" fromhost && rm fromhost/folder/file0*; pathchk ok; test tree/a/f1 -ef tree/hard && echo same; test tree/a/f1 -nt tree/a/f2 || echo 'not newer'
show_tree

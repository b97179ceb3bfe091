#!/bin/sh
# needs: python3
# unlink while open, rename over, hard links, xattrs, umask, permissions, times, locks
. "$T/lib.sh"
exec 3>open 4<open; rm open; echo "still there" >&3; cat <&4; exec 3>&- 4<&-; ls
echo old >t; exec 5<t; echo new >n; mv n t; cat <&5; cat t; exec 5<&-
mkdir d1 d2; echo in >d2/x; mv -T d1 d2 2>/dev/null; echo "over a full folder: $?"; rm d2/x; mv -T d1 d2; echo "over an empty one: $?"; mv t d2 && ls d2; mv -T d2/t d2 2>/dev/null; echo "file over folder: $?"
echo h >h1; ln h1 h2; ln h2 d2/h3; stat -c %h h1; echo more >>d2/h3; cat h2; rm h1; stat -c %h h2; [ h2 -ef d2/h3 ] && echo same; mv h2 d2/h3; ls . d2; ln d2 d3 2>/dev/null; echo "link of a folder: $?"; ln -s nowhere s; ln s s2; readlink s2
for m in 000 022 077 0777; do umask $m; touch u$m; mkdir v$m; stat -c '%a %n' u$m v$m; done; umask 022
chmod 4711 u000; echo change >>u000; stat -c %a u000; chmod g=u,o= u022; stat -c %a u022; chmod 0 u077; cat u077; touch -d @1234567890.5 u022; stat -c '%y' u022; sleep 0.02; a=$(stat -c %z u022); chmod 600 u022; [ "$a" != "$(stat -c %z u022)" ] && echo 'ctime moves'
python3 -c 'import os, errno
open("x", "w").close()
try:
    os.setxattr("x", "user.one", b"1"); os.setxattr("x", "user.two", b"22" * 100)
    print(sorted(os.listxattr("x")), os.getxattr("x", "user.one"), len(os.getxattr("x", "user.two")))
    os.removexattr("x", "user.one"); print(os.listxattr("x"))
    for f in (lambda: os.getxattr("x", "user.none"), lambda: os.setxattr("x", "user.two", b"", os.XATTR_CREATE), lambda: os.setxattr("x", "nodot", b"")):
        try: f()
        except OSError as e: print(errno.errorcode[e.errno])
except OSError as e: print("xattr", errno.errorcode[e.errno])
fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(fd, b"temporary"); os.link(f"/proc/self/fd/{fd}", "linked", follow_symlinks=True); print(open("linked").read(), os.fstat(fd).st_nlink)
a, b = os.stat("x"), os.stat("x"); print(a.st_ino == b.st_ino, a.st_dev == os.stat(".").st_dev, a.st_blksize > 0)
os.rename("x", "y"); print(os.stat("y").st_ino == a.st_ino)
os.replace("y", "y"); os.symlink("y", "z"); os.rename("z", "y"); print(os.path.islink("y"))'
show_tree

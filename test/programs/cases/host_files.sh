#!/bin/sh
# files of the host are changed, moved, linked and removed inside: seen so inside, untouched outside
. "$T/lib.sh"
cd "$H" || exit
echo appended >>text; tail -n 1 text; tail -n 1 text.again; echo new >folder/new; rm folder/file00; ls folder; sed -i 's/file 1/FILE 1/' folder/file01; cat folder/file01
chmod 600 folder/file02; stat -c '%a' folder/file02; touch -d @77 folder/file04; stat -c %Y folder/file04; mv folder/file05 moved; cat moved; mv folder renamed; ls; ls renamed; cat renamed/below/deep; mv renamed/below here; ls here
./script with arguments; truncate -s 5 zeroes; wc -c zeroes; ln link hardlink; readlink hardlink; cat link; rm link; ln -s renamed/file03 link; cat link; rmdir empty; mkdir empty; touch empty/file; ls -A empty; rm -r renamed; ls
mkdir renamed; ls -A renamed; echo x >renamed/file06; ls renamed; cp text copy; cmp text copy && echo equal; mv -f copy text; wc -l text; : >text; wc -c text; find . -printf '%M %s %p %l\n' | grep -v ^d | LC_ALL=C sort
dd if=/dev/zero of=zeroes bs=4096 seek=3 count=1 conv=notrunc 2>/dev/null; sha256sum zeroes; python3 -c 'import mmap, os
f = open("text.again", "r+b"); m = mmap.mmap(f.fileno(), 0); m[0:4] = b"MMAP"; m.flush(); print(open("text.again").readline())'
rm -rf "$H"; ls "$H"; echo $?; mkdir "$H"; ls -A "$H"; rm /etc/hostname.none 2>/dev/null; echo 'tester:x:4242:' >>/dev/null

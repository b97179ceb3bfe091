#!/bin/sh
# the text tools: sort, uniq, join, cut, paste, tr, fmt, od, ...
. "$T/lib.sh"
seq 1 2000 >n; seq 2000 -1 1 | sort -n | cmp - n && echo sorted; sort -R n | sort -n | cmp - n && echo shuffled; shuf n | sort -n | sha256sum
sort -S 100k -n -r n | head -n 3; seq 1 200000 | sort -S 500k -T . | sha256sum; sort -c n 2>/dev/null || echo unsorted; sort -u -k1.1,1.1 n | wc -l
printf 'a 1\nb 2\nc 3\n' >l; printf 'a x\nc z\nd w\n' >r; join l r; join -a1 -e- -o0,1.2,2.2 l r; comm l r; paste l r; cut -d' ' -f2 l; uniq -c l
printf 'x\nx\ny\n' | uniq -d; tr a-c A-C <l; tr -d '\n' <l; echo; expand l | unexpand; fold -w 3 l | head -n 2; fmt -w 20 l; nl l; tac l; rev l; pr -t -3 n | head -n 2
head -n 2 n; tail -n 2 n; head -c 10 n | od -c; od -An -tx1 -N 16 n; wc n; cksum n; sum n; md5sum n; sha1sum n; sha512sum n; b2sum n; sha256sum n >sums; sha256sum -c sums
base64 l; base64 l | base64 -d | cmp - l && echo base64; base32 l; basenc --base16 l; tsort l; ptx l 2>/dev/null | wc -l; factor 1234567 97; seq -s, 1 5; seq -w 8 11
numfmt --to=iec 123456789; printf '%5.2f|%-5s|%o\n' 3.14159 ab 8; echo -e 'a\tb'; echo | tee t1 t2 | wc -c; yes no | head -n 2; cat -A l | head -n 1; cat -n l
grep -c 7 n; grep -E '^(1|20)0+$' n; grep -v 1 n | tail -n 1; grep -o '99.' n | head -n 3; grep -q nothing n; echo $?; sed -n '$p;10q' n; sed 's/\(.\)\(.\)/\2\1/;20!d' n
sed -i 's/^5$/five/' n; sed -n 5p n; awk 'NR % 500 == 0 { print NR, $1 }' n; awk 'BEGIN { while (("echo one; echo two" | getline x) > 0) print "got", x; print "to sort" | "sort" }'; awk -F: '$3 == 0 { print $1 }' /etc/passwd
diff l r; diff -u l r | tail -n +3; cmp l r; dircolors -b >/dev/null && echo dircolors; tail -f -n 1 --pid=$$ l & p=$!; sleep 0.2; kill $p; wait $p 2>/dev/null; echo "tail -f $?"

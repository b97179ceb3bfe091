#!/bin/sh
# limit: 120
# sort, awk and sed over all of /usr/include/linux
. "$T/lib.sh"
cat /usr/include/linux/*.h >all; wc all
sort all | uniq -c | sort -rn | head -n 5; sort -S 200k -T . all | sha256sum; sort --parallel=2 -u all | wc -l
awk '/^#define/ { count[substr($2, 1, 3)]++ } END { for (k in count) print count[k], k }' all | sort -rn | head -n 5
awk '{ words += NF; if (length > max) max = length } END { print words, max, NR }' all
awk '{ print > ("letter." substr(FILENAME, length(FILENAME) - 2, 1)) }' /usr/include/linux/[a-f]*.h; cat letter.* | sha256sum
sed -E 's/[0-9]+/N/g; /^$/d; s/[ \t]+/ /g' all | sha256sum; sed -n '/struct/,/};/p' all | wc -l
tr -cs 'A-Za-z_' '\n' <all | sort | uniq -c | sort -rn | head -n 10
cut -c1-10 all | sort | sha256sum; comm -12 /dev/null all | wc -l; split -b 100k all piece.; cat piece.* | cmp all - && echo whole; paste -d'|' all all | head -c 300000 | md5sum

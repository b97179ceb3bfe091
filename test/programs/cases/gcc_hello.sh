#!/bin/sh
# needs: gcc
# limit: 120
# gcc inside: hello in every form (dynamic, static, PIE, not), its errors, objects, archives, shared libraries
. "$T/lib.sh"
printf '#include <stdio.h>\nint main(int c, char **v) { printf("hello %%d %%s\\n", c, v[c - 1]); return c; }\n' >hello.c
gcc hello.c && ./a.out; echo "status $?"
for flags in '-no-pie -fno-pie' '-pie -fPIE' '-static' '-static-pie -fPIE' '-O2 -g' '-m64 -Os' '-Wl,-z,now' '-Wl,-z,noseparate-code' '-Wl,--hash-style=sysv -Wl,-z,max-page-size=65536'; do
	gcc $flags -o hello hello.c && ./hello with arguments; echo "$flags: $?"
done
echo 'int main(void) { return undeclared; }' >bad.c; gcc bad.c; echo "status $?"
echo 'int missing(void); int main(void) { return missing(); }' >link.c; gcc link.c 2>/dev/null; echo "status $?"
printf 'int answer(void) { return 42; }\n' >lib.c; printf '#include <stdio.h>\nint answer(void);\nint main(void) { printf("%%d\\n", answer()); return 0; }\n' >use.c
gcc -c lib.c use.c && gcc lib.o use.o -o both && ./both; ar rcs libanswer.a lib.o && gcc use.c -L. -lanswer -o archive && ./archive; ar t libanswer.a; nm lib.o | cut -c18-
gcc -shared -fPIC lib.c -o libanswer.so && gcc use.c -L. -l:libanswer.so -o shared -Wl,-rpath,'$ORIGIN' && ./shared; LD_LIBRARY_PATH=. ./shared
printf '#include <dlfcn.h>\n#include <stdio.h>\nint main(void) { void *h = dlopen("./libanswer.so", RTLD_NOW); int (*f)(void) = dlsym(h, "answer"); printf("dlopen %%d\\n", f()); return dlclose(h); }\n' >dl.c
gcc dl.c -o dl && ./dl; gcc -E hello.c | grep -c printf; gcc -S hello.c && grep -c main hello.s; as hello.s -o s.o && file s.o | cut -c1-40; objdump -d lib.o | grep -c ret; strip -o stripped hello; ./stripped x; size hello | wc -l
gcc -pipe hello.c -o piped && ./piped; gcc -flto -O2 lib.c use.c -o lto && ./lto; echo 'int main(){}' | gcc -x c - -o stdin && ./stdin; echo $?; ldd shared | grep -c answer; readelf -h hello | grep Type
[ $(LD_SHOW_AUXV=1 ./both | grep -c AT_) -gt 12 ] && echo auxv; ./both | cat; (ulimit -s 1024; ./both); env -i ./both; ./hello "$(head -c 100000 /dev/zero | tr '\0' x)" | wc -c

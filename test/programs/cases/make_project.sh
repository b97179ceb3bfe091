#!/bin/sh
# needs: make gcc
# limit: 120
# make -j2 of a small C project of twelve files; nothing to do; touched; failing; clean
. "$T/lib.sh"
mkdir src
for n in 01 02 03 04 05 06 07 08 09 10 11; do
	printf '#include "all.h"\nint f%s(int x) { return x + %d; }\n' $n ${n#0} >src/f$n.c; echo "int f$n(int);" >>src/all.h
done
{ echo '#include <stdio.h>'; echo '#include "all.h"'; echo 'int main(void) {'; echo 'int x = 0;'
  for n in 01 02 03 04 05 06 07 08 09 10 11; do echo "x = f$n(x);"; done; printf '%s\n' 'printf("%d\n", x); return 0; }'; } >src/main.c
cat >Makefile <<'END'
objects = $(patsubst src/%.c,obj/%.o,$(wildcard src/*.c))
prog: $(objects)
	@gcc -o $@ $^
obj/%.o: src/%.c src/all.h | obj
	@gcc -O1 -c -o $@ $<
obj:
	@mkdir $@
fail: ; @exit 3
shell: ; @echo $(shell echo from the shell) $(words $(objects))
sub: ; @$(MAKE) --no-print-directory -C . shell
clean: ; rm -rf obj prog
.PHONY: fail shell sub clean
END
make -j2; echo "status $?"; ./prog; make -j2; touch src/f05.c; make -j2 -n | wc -l; make -j2; ./prog
make fail; echo "status $?"; make -k fail shell; make sub; make missing; echo "status $?"; make -j2 clean; make -j4 -s && ./prog; make -q; echo "up to date: $?"
ls obj

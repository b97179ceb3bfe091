/* memory.c - mappings of files and anonymous ones, brk, mremap, mprotect, msync, madvise. */
#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

static long failed(void *p)
{
	return p == MAP_FAILED ? -1 : 0;
}

static sigjmp_buf back;

static void on_fault(int number)
{
	siglongjmp(back, number);
}

static int touch(volatile char *p, int write)
{
	int number = sigsetjmp(back, 1);

	if (number == 0) {
		if (write)
			*p = *p;
		else
			(void)*p;
	}
	return number;
}

static void case_file_mappings(void)
{
	int ro, rw, wo;

	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	make_file("f", "0123456789");
	ro = open("f", O_RDONLY);
	rw = open("f", O_RDWR);
	wo = open("f", O_WRONLY);
	T(failed(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, wo, 0)));
	T(failed(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0)));
	T(failed(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, ro, 1)));
	T(failed(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, ro, 0)));
	T(failed(mmap(NULL, PAGE, PROT_READ, 0, ro, 0)));
	T(failed(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 777, 0)));
	T(failed(mmap(NULL, ~0ul, PROT_READ, MAP_PRIVATE, ro, 0)));
	T(failed(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0)));
	int p[2];
	pipe(p);
	T(failed(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, p[0], 0)));
	char *private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0);
	char *shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, rw, 0);
	char *reader = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
	say("%.10s %.10s %.10s and zero %d", private, shared, reader, private[10]);
	shared[0] = 'S';
	say("%.10s %.10s", shared, reader);
	show_text("f");
	private[1] = 'P';
	say("%.3s %.3s", private, shared);
	T(pwrite(rw, "W", 1, 2));
	say("%.3s %.3s", shared, reader);
	T(ftruncate(rw, 5));
	say("after truncation: %d %d", shared[4], shared[5]);
	say("second page: signal %d", touch(shared + PAGE, 0));
	T(ftruncate(rw, 6000));
	say("second page: signal %d", touch(shared + PAGE, 0));
	shared[5999] = 'E';
	T(msync(shared, 2 * PAGE, MS_SYNC));
	T(msync(shared + 1, PAGE, MS_SYNC));
	T(mprotect(reader, PAGE, PROT_READ | PROT_WRITE));
	T(close(rw));
	T(close(ro));
	shared[100] = 'x';
	T(unlink("f"));
	say("%c %c", shared[100], reader[100]);
	fflush(stdout);
	if (fork() == 0) {
		shared[7] = 'C';
		private[7] = 'C';
		_exit(0);
	}
	wait(NULL);
	say("from a child: %c, private still %d", reader[7], private[7] == 'C');
	T(munmap(shared, 2 * PAGE));
	T(munmap(shared, 2 * PAGE));
	T(munmap(shared + 1, PAGE));
	T(munmap(shared, 0));
}

static void case_anonymous(void)
{
	char *a = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	signal(SIGSEGV, on_fault);
	a[0] = a[3 * PAGE] = 'a';
	T(mprotect(a + PAGE, PAGE, PROT_NONE));
	say("%d %d", touch(a + PAGE, 0), touch(a + 2 * PAGE, 1));
	T(mprotect(a + PAGE, PAGE, PROT_READ));
	say("%d %d", touch(a + PAGE, 0), touch(a + PAGE, 1));
	T(mprotect(a + 1, PAGE, PROT_READ));
	T(munmap(a + PAGE, PAGE));
	say("%d %d", touch(a + PAGE, 0), touch(a + 2 * PAGE, 0));
	T(mprotect(a, 4 * PAGE, PROT_READ));
	T(mmap(a + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	  a + PAGE);
	T(failed(mmap(a, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		      0)));
	T(failed(mmap(a + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)));
	T(failed(mremap(a + 2 * PAGE, 2 * PAGE, 100 * PAGE, 0)) <= 0);
	char *b = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	b[0] = 'b';
	b = mremap(b, PAGE, 50 * PAGE, MREMAP_MAYMOVE);
	say("%c %d", b[0], b[49 * PAGE]);
	T(failed(mremap(b, 50 * PAGE, 0, 0)));
	T(failed(mremap((void *)PAGE, PAGE, 2 * PAGE, 0)));
	T(madvise(b, PAGE, MADV_DONTNEED));
	say("%d", b[0]);
	T(madvise(b, PAGE, 9999));
	T(madvise(b + 1, PAGE, MADV_DONTNEED));
	unsigned char seen[4];
	T(mincore(b, PAGE, seen));
	T(mlock(b, PAGE) == 0 || errno == ENOMEM || errno == EPERM);
	char *top = sbrk(0);
	T(brk(top + 10 * PAGE));
	top[10 * PAGE - 1] = 1;
	T(sbrk(0) == top + 10 * PAGE);
	T(brk(top));
	T((long)sbrk(-(1l << 46)) == -1 ? -1 : 0);
	char *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fflush(stdout);
	if (fork() == 0) {
		s[0] = 's';
		_exit(0);
	}
	wait(NULL);
	say("%c", s[0]);
	T(failed(mmap((void *)0x1000, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
	T(failed(mmap(NULL, 1ul << 46, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) <= 0);
}

const struct conform_case memory_cases[] = { CASE(file_mappings), CASE(anonymous), { NULL, NULL } };

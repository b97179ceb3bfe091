/* memory.c - mappings of files and of memory, between processes; prints the same at every run. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tell.h"

#define PAGE 4096
static sigjmp_buf back;
static volatile uintptr_t nowhere = 16;

static void on_fault(int number)
{
	siglongjmp(back, number);
}

static int touch(volatile char *p)
{
	int number = sigsetjmp(back, 1);

	if (number == 0)
		(void)*p;
	return number;
}

static void shared_file(void)
{
	int fd = open("shared", O_RDWR | O_CREAT | O_TRUNC, 0644), other = open("shared", O_RDWR);
	char text[6] = "";

	if (ftruncate(fd, 3 * PAGE) < 0)
		exit(1);
	char *a = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *b = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, other, PAGE);
	memcpy(a + PAGE, "hello", 5);
	printf("two mappings: %.5s\n", b);
	printf("pread sees it: %zd", pread(other, text, 5, PAGE));
	printf(" %s\n", text);
	printf("pwrite: %zd", pwrite(other, "WORLD", 5, PAGE));
	printf(" mapping sees %.5s\n", a + PAGE);
	if (fork() == 0) {
		memcpy(a, "child", 5);
		_exit(0);
	}
	wait(NULL);
	printf("child wrote: %.5s msync %d\n", a, msync(a, PAGE, MS_SYNC));
	close(fd);
	memcpy(a + 2 * PAGE, "after close", 11);
	munmap(a, 3 * PAGE);
	printf("read after munmap: %zd", pread(other, text, 5, 2 * PAGE));
	printf(" %s\n", text);
	if (ftruncate(other, PAGE) < 0)
		exit(1);
	printf("past the end: %d\n", touch(b) == SIGBUS);
	if (ftruncate(other, 2 * PAGE) < 0)
		exit(1);
	printf("grown again: %d %d\n", touch(b), b[0]);
	munmap(b, PAGE);
	close(other);
}

static void private_file(const char *host)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/text", host);
	int fd = open(path, O_RDONLY);
	char *a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	printf("private: %.6s", a);
	a[0] = 'X';
	char c;
	printf(" changed %c", a[0]);
	printf(" read %zd %c\n", pread(fd, &c, 1, 0), c);
	errno = 0;
	tell("shared writable of a read-only",
	     (long)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	char *s = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	printf("shared read-only: %.6s", s);
	tell(" mprotect", mprotect(s, PAGE, PROT_READ | PROT_WRITE));
	int rw = open(path, O_RDWR);
	char *w = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, rw, 0);
	w[0] = 'L';
	w[1] = 'I';
	printf("host file, written inside: %zd", pread(rw, path, 6, 0));
	printf(" %.6s\n", path);
	munmap(w, PAGE);
	munmap(s, PAGE);
	munmap(a, PAGE);
	close(fd);
	close(rw);
	errno = 0;
	tell("directory",
	     (long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd = open("/", O_RDONLY), 0));
	close(fd);
	errno = 0;
	tell("closed", (long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 999, 0));
	tell("length 0", (long)mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	fd = open("/dev/zero", O_RDWR);
	a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	printf("/dev/zero: %d\n", a != MAP_FAILED && a[5] == 0);
	close(fd);
}

static void anonymous(void)
{
	char *a = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(a, 'a', 8 * PAGE);
	char *moved = mremap(a, 8 * PAGE, 1024 * PAGE, MREMAP_MAYMOVE);
	printf("mremap: %c %c %d\n", moved[0], moved[8 * PAGE - 1], moved[8 * PAGE]);
	printf("mprotect: %d", mprotect(moved, PAGE, PROT_NONE));
	printf(" touched %d", touch(moved) == SIGSEGV);
	printf(" %d", mprotect(moved, PAGE, PROT_READ));
	printf(" touched %d\n", touch(moved));
	printf("madvise: %d", madvise(moved + PAGE, PAGE, MADV_DONTNEED));
	printf(" %d\n", moved[PAGE]);
	munmap(moved, 1024 * PAGE);
	printf("unmapped: %d\n", touch(moved) == SIGSEGV);
	char *fixed = mmap((void *)0x600000000000, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	printf("fixed: %d\n", fixed == (void *)0x600000000000);
	errno = 0;
	tell("again", (long)mmap(fixed, PAGE, PROT_READ,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	char *before = sbrk(0), *data = sbrk(100000);
	memset(data, 1, 100000);
	printf("brk: %d %d\n", before == data, (char *)sbrk(0) == data + 100000);
	char *big = malloc(300 << 20);
	memset(big, 1, 1 << 20);
	printf("big malloc: %d\n", big != NULL);
	free(big);
	unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov $42, %eax; ret */
	char *run = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(run, code, sizeof(code));
	printf("code made at run time: %d\n", ((int (*)(void))(void *)run)());
	int memfd = memfd_create("m", MFD_CLOEXEC);
	printf("memfd: %d\n", memfd >= 0 && ftruncate(memfd, PAGE) == 0);
	char *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (fork() == 0) {
		strcpy(m, "through memfd");
		_exit(0);
	}
	wait(NULL);
	printf("%s\n", m);
	close(memfd);
}

/* Calls with pointers that cannot be: an answer, never a death. */
static void bad_pointers(void)
{
	char *hole = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	int fd = open("/etc/passwd", O_RDONLY),
	    out = open("pointers", O_CREAT | O_RDWR | O_TRUNC, 0600);
	struct stat st;

	errno = 0;
	munmap(hole + PAGE, PAGE);
	tell("read to nowhere", (long)read(fd, (void *)nowhere, 10));
	tell("write from nowhere", (long)write(out, (void *)nowhere, 10));
	strcpy(hole + PAGE - 5, "/etc");
	printf("path up to the edge: %d\n", stat(hole + PAGE - 5, &st));
	memset(hole + PAGE - 5, 'a', 5);
	tell("path over the edge", (long)stat(hole + PAGE - 5, &st));
	tell("stat to nowhere", (long)stat("/etc", (void *)-8));
	printf("write over the edge: %d\n", write(out, hole + PAGE - 5, 10) <= 5);
	struct iovec v[2] = { { hole, 10 }, { (void *)nowhere, 10 } };
	printf("writev: %d\n", writev(out, v, 2) <= 10);
	errno = 0;
	tell("pipe", (long)pipe((int *)nowhere));
	char *argv[] = { (char *)nowhere, NULL };
	tell("execve", (long)execve("/bin/true", argv, NULL));
	printf("huge read: %d\n", read(fd, hole, 1ul << 62) <= 2 * PAGE);
	close(fd);
	close(out);
	unlink("pointers");
}

int main(int argc, char **argv)
{
	struct sigaction a = { .sa_handler = on_fault };

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGSEGV, &a, NULL);
	sigaction(SIGBUS, &a, NULL);
	shared_file();
	if (argc > 1)
		private_file(argv[1]);
	anonymous();
	bad_pointers();
	return 5;
}

/* fuzz.c - every call with wild arguments: huge, unaligned, nowhere, half good. Only inside. */
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_NUMBER 470
#define TURNS 6

static uint64_t seed;
static char *good, *edge;

static uint64_t random_word(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static long odd(void)
{
	const long values[] = { 0,
				1,
				2,
				3,
				4,
				5,
				7,
				8,
				16,
				31,
				64,
				100,
				255,
				256,
				1000,
				4096,
				65536,
				1 << 20,
				0x7fffffff,
				0x80000000l,
				0xffffffffl,
				-1,
				-2,
				-100,
				-4096,
				(long)good,
				(long)good + 1,
				(long)good + 4095,
				(long)good + 65536 - 1,
				(long)edge - 1,
				(long)edge - 4,
				(long)edge - 8,
				(long)edge - 100,
				(long)edge,
				4096,
				1l << 46,
				(1l << 47) - 1,
				(1l << 47) - 4096,
				1l << 47,
				1l << 62,
				1l << 63,
				(long)RUN_TEXT,
				(long)RUN_AREA,
				(long)RUN_AREA + 4096,
				(long)RUN_PROCESS,
				(long)RUN_SERVER_PAGE };

	return random_word() % 10 ? values[random_word() % (sizeof(values) / sizeof(values[0]))]
				  : (long)random_word();
}

static int left_out(long number)
{
	/* ends or stops the caller, which is no news: exit, pause, vfork, sleeps */
	static const short numbers[] = { 15, 34, 35, 58, 60, 127, 128, 130, 230, 231 };

	if (is_dangerous(number))
		return 1;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i] == number)
			return 1;
	return 0;
}

static void wild(void *arg)
{
	const long *number = arg;

	for (int turn = 0; turn < TURNS; turn++) {
		long a[6];
		for (int i = 0; i < 6; i++)
			a[i] = odd();
		if (turn == 0) /* a path that can be had, and wild for the rest */
			a[0] = (long)good;
		if (turn == 1) {
			a[0] = AT_FDCWD;
			a[1] = (long)good;
		}
		if (turn == 2)
			a[0] = 5;
		(void)syscall(*number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
}

static void attack_wild_arguments(void)
{
	if (!readable((void *)RUN_TEXT) || !readable((void *)RUN_AREA))
		not_here("there is no shim at its place");
	for (uint64_t round = 1; round <= 3; round++) {
		good = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
		edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(edge + 4096, 4096);
		edge += 4096;
		strcpy(good, "/tmp/wild");
		memcpy(edge - 4, "/tmp", 4);
		(void)dup2(open("/tmp/five", O_CREAT | O_RDWR, 0600), 5);
		for (long number = 0; number <= LAST_NUMBER; number++) {
			if (left_out(number))
				continue;
			seed = round * 1000003 + (uint64_t)number * 7919 + 1;
			in_child(wild, &number, 250);
		}
	}
}

/* The same pointer for everything: each buffer of each call lies half in a hole. */
static void attack_buffers_over_the_edge(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/tmp/edge", O_CREAT | O_RDWR, 0600);

	if (!readable((void *)RUN_TEXT))
		not_here("there is no shim at its place");
	munmap(page + 4096, 4096);
	memset(page, 'x', 4096);
	for (long number = 0; number <= LAST_NUMBER; number++) {
		if (left_out(number) || number == 59 || number == 322)
			continue;
		for (int left = 0; left < 24; left += 5) {
			pid_t pid = fork();
			if (pid == 0) {
				long p = (long)page + 4096 - left;
				alarm(1);
				(void)syscall(number, p, p, p, p, p, p);
				(void)syscall(number, fd, p, 64, 0, p, p);
				(void)syscall(number, AT_FDCWD, p, p, 0, p, p);
				_exit(0);
			}
			if (left == 20)
				while (wait(NULL) > 0)
					;
		}
	}
}

/* Memory that is mapped and unmapped by another thread while calls copy from it. */
static void attack_buffers_that_vanish(void)
{
	char *page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	int fd = open("/tmp/vanish", O_CREAT | O_RDWR, 0600), bad = 0;

	for (int i = 0; i < 3000; i++) {
		if (i % 3 == 0)
			(void)mprotect(page + 4096 * (i % 200), 4096, PROT_NONE);
		if (i % 3 == 1)
			(void)mprotect(page, 1 << 20, PROT_READ | PROT_WRITE);
		ssize_t n = pwrite(fd, page, 1 << 20, 0);
		if (n < 0 && errno != EFAULT)
			bad++;
		n = pread(fd, page, 1 << 19, 0);
		if (n < 0 && errno != EFAULT)
			bad++;
		if (i > 200 && i % 100)
			i += 50;
	}
	note("%d odd errors", bad);
}

const struct attack fuzz_attacks[] = {
	ATTACK(wild_arguments),
	ATTACK(buffers_over_the_edge),
	ATTACK(buffers_that_vanish),
	{ NULL, NULL },
};

/* area.c - the memory shared with the manager, written by an enemy while calls run. */
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SCRIBBLE_MS 2000

static uint64_t seed = 88172645463325252ull;

static uint64_t random_word(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void need_area(void)
{
	if (!readable((void *)RUN_AREA))
		not_here("there is no area at its place");
}

struct target {
	uintptr_t at;
	size_t size;
	int mode; /* 0 random words, 1 zeroes, 2 ones, 3 states */
};
static volatile int stop;

static void *scribble(void *arg)
{
	const struct target *t = arg;

	while (!stop) {
		volatile uint64_t *word =
			(volatile uint64_t *)(t->at + random_word() % t->size / 8 * 8);
		switch (t->mode) {
		case 0:
			*word = random_word();
			break;
		case 1:
			*word = 0;
			break;
		case 2:
			*word = ~0ull;
			break;
		default:
			*(volatile uint32_t *)(t->at + random_word() % (t->size / 64) * 64) =
				(uint32_t)(random_word() % 8);
		}
	}
	return NULL;
}

/* Many kinds of calls, results ignored. */
static void ordinary_calls(long until)
{
	char text[4096];
	struct stat st;
	int p[2];

	while (now_ms() < until) {
		int fd = open("/etc/passwd", O_RDONLY);
		(void)!read(fd, text, sizeof(text));
		close(fd);
		stat("/usr/bin", &st);
		if (pipe(p) == 0) {
			(void)!write(p[1], text, 100);
			(void)!read(p[0], text, 100);
			close(p[0]);
			close(p[1]);
		}
		(void)!readlink("/proc/self/exe", text, sizeof(text));
		(void)!getcwd(text, sizeof(text));
		fd = open("/tmp/scribbled", O_CREAT | O_RDWR, 0600);
		(void)!pwrite(fd, text, sizeof(text), 0);
		close(fd);
		getppid();
	}
}

static void scribble_and_call(void *arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, scribble, arg) != 0)
		_exit(1);
	ordinary_calls(now_ms() + SCRIBBLE_MS);
	_exit(0);
}

static void scribble_over(uintptr_t at, size_t size)
{
	need_area();
	for (int mode = 0; mode < 4; mode++) {
		struct target t = { at, size, mode };
		in_child(scribble_and_call, &t, SCRIBBLE_MS + 2000);
	}
}

static void attack_scribbling_over_entries(void)
{
	scribble_over(RUN_AREA + RUN_ENTRIES_OFFSET, RUN_ENTRY_COUNT * 64);
}

static void attack_scribbling_over_own_entry(void)
{
	scribble_over(RUN_AREA + RUN_ENTRIES_OFFSET, 128);
}

static void attack_scribbling_over_control(void)
{
	scribble_over(RUN_AREA, 4096);
}

static void attack_scribbling_over_bounce(void)
{
	scribble_over(RUN_AREA + RUN_BOUNCE_OFFSET, 2 * RUN_BOUNCE_SIZE);
}

static void attack_scribbling_over_bell(void)
{
	scribble_over(RUN_BELL_PAGE, 64);
}

static void attack_scribbling_over_shim_data(void)
{
	scribble_over(RUN_PROCESS, RUN_PROCESS_SIZE);
	scribble_over(RUN_THREADS, RUN_THREAD_SIZE);
}

struct entry {
	uint32_t state, num;
	int64_t ret;
	uint64_t arg[6];
};

static volatile struct entry *entry(unsigned int i)
{
	return (volatile struct entry *)(RUN_AREA + RUN_ENTRIES_OFFSET) + i;
}

static uint64_t odd_argument(void)
{
	static const uint64_t odd[] = { 0,
					1,
					2,
					3,
					10,
					16,
					4095,
					4096,
					65536,
					RUN_BOUNCE_SIZE - 1,
					RUN_BOUNCE_SIZE,
					RUN_BOUNCE_SIZE + 1,
					RUN_NULL,
					RUN_NULL - 1,
					1ull << 31,
					1ull << 32,
					1ull << 63,
					~0ull,
					(1ull << 63) - 1,
					0xffffffff,
					(uint64_t)-100,
					511,
					0x7fffffff };

	return random_word() % 4 ? odd[random_word() % (sizeof(odd) / sizeof(odd[0]))]
				 : random_word();
}

/* Calls posted past the shim: every number, odd arguments, no terminator in the strings. */
static void post_wild(void *arg)
{
	volatile struct run_control *control = (void *)RUN_AREA;
	long until = now_ms() + SCRIBBLE_MS;
	const long *what = arg;

	memset((void *)(RUN_AREA + RUN_BOUNCE_OFFSET + RUN_BOUNCE_SIZE), what[0] ? 0x2f : 'a',
	       RUN_BOUNCE_SIZE);
	for (unsigned int round = 0; now_ms() < until; round++) {
		for (unsigned int i = 1; i < RUN_ENTRY_COUNT; i++) {
			volatile struct entry *e = entry(i);
			uint32_t number = what[1]     ? (uint32_t)what[1]
					  : round % 3 ? (uint32_t)(random_word() % 470)
						      : RUN_FORK + (uint32_t)(random_word() % 16);
			/* a kill of all inside would be legal, and end the witness */
			if (number == 62 || number == 200 || number == 234)
				number = 0;
			e->num = number;
			for (int k = 0; k < 6; k++)
				e->arg[k] = odd_argument();
			__atomic_store_n(&e->state, 1 /* SYSCALL_HASCALL */, __ATOMIC_RELEASE);
			__atomic_fetch_or(&control->hint.posted[i / 64], 1ull << (i % 64),
					  __ATOMIC_RELEASE);
		}
		getppid();
		int fd = open("/etc/passwd", O_RDONLY); /* rings the bell */
		if (fd >= 0)
			close(fd);
	}
	_exit(0);
}

static void attack_posting_wild_calls(void)
{
	long what[2] = { 0, 0 };

	need_area();
	in_child(post_wild, what, SCRIBBLE_MS + 2000);
	what[0] = 1;
	seed = 42;
	in_child(post_wild, what, SCRIBBLE_MS + 2000);
}

static void attack_posting_wild_execs_and_forks(void)
{
	static const uint32_t numbers[] = { 59,
					    60,
					    231,
					    RUN_FORK,
					    RUN_FORKED,
					    RUN_THREAD,
					    RUN_THREAD_FAILED,
					    RUN_MAP,
					    RUN_SIGCHLD,
					    RUN_START,
					    RUN_CALL_END,
					    0xffffffff };

	need_area();
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		long what[2] = { 1, (long)numbers[i] };
		in_child(post_wild, what, SCRIBBLE_MS + 2000);
	}
}

/* All entries, as fast as it goes, with a call that is cheap to post and dear to serve. */
static void flood(void *arg)
{
	volatile struct run_control *control = (void *)RUN_AREA;
	long until = now_ms() + SCRIBBLE_MS;
	const long *number = arg;

	for (unsigned int i = 1; i < RUN_ENTRY_COUNT; i++)
		strcpy((char *)(RUN_AREA + RUN_BOUNCE_OFFSET + (uint64_t)i * RUN_BOUNCE_SIZE),
		       "/usr/include/linux/../../../usr/include/linux");
	while (now_ms() < until) {
		for (unsigned int i = 1; i < RUN_ENTRY_COUNT; i++) {
			volatile struct entry *e = entry(i);
			uint32_t state = e->state & 0xff;
			if (state == 1 || state == 2)
				continue;
			e->num = (uint32_t)*number;
			e->arg[0] = 0;
			e->arg[1] = *number == 4 ? 4096 : 0;
			e->arg[2] = *number == 1 ? 0x10000 : 0;
			__atomic_store_n(&e->state, 1, __ATOMIC_RELEASE);
			__atomic_fetch_or(&control->hint.posted[i / 64], 1ull << (i % 64),
					  __ATOMIC_RELEASE);
		}
		getppid();
	}
	_exit(0);
}

static void attack_flooding_the_area(void)
{
	static const long numbers[] = { 4 /* stat */, 2 /* open */, 110 /* getppid */,
					22 /* pipe */ };

	need_area();
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		in_child(flood, (void *)(uintptr_t)&numbers[i], SCRIBBLE_MS + 3000);
}

static void *ring(void *arg)
{
	volatile uint32_t *rings = (void *)RUN_BELL_PAGE;

	(void)arg;
	while (!stop) {
		++*rings;
		syscall(SYS_futex, rings, 1, 1 << 30, NULL, NULL, 0);
	}
	return NULL;
}

static void ring_for_nothing(void *arg)
{
	pthread_t t;

	(void)arg;
	for (int i = 0; i < 3; i++)
		if (pthread_create(&t, NULL, ring, NULL) != 0)
			_exit(1);
	ordinary_calls(now_ms() + SCRIBBLE_MS);
	_exit(0);
}

static void attack_ringing_for_nothing(void)
{
	need_area();
	in_child(ring_for_nothing, NULL, SCRIBBLE_MS + 3000);
}

const struct attack area_attacks[] = {
	ATTACK(scribbling_over_entries),
	ATTACK(scribbling_over_own_entry),
	ATTACK(scribbling_over_control),
	ATTACK(scribbling_over_bounce),
	ATTACK(scribbling_over_bell),
	ATTACK(scribbling_over_shim_data),
	ATTACK(posting_wild_calls),
	ATTACK(posting_wild_execs_and_forks),
	ATTACK(flooding_the_area),
	ATTACK(ringing_for_nothing),
	{ NULL, NULL },
};

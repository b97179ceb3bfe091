/*
 * bench_device.c - what host calls cost a task, in ns, beside the same system call
 * made directly. One task, so a trip to an executor is seen at its dearest: nothing
 * else runs meanwhile.
 *
 * Each figure is taken ROUNDS times; shown are the fastest, the middle and the
 * slowest. --json prints one object instead of the table.
 */
#include "device/host.h"
#include "task/sched.h"
#include "task/task.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS 31u
#define BLOCK 4096u

static int file_fd, dir_fd;
static bool quick;
static char block[BLOCK];
static bool json;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_device: %s failed\n", what);
	exit(1);
}

/* The bell that executors ring and the idle hook sleeps on. */
static uint32_t bell, heard;

static void ring(void *ctx)
{
	(void)ctx;
	__atomic_fetch_add(&bell, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool poll_host(void *ctx)
{
	(void)ctx;
	heard = __atomic_load_n(&bell, __ATOMIC_ACQUIRE);
	return host_poll();
}

static void idle(void *ctx, uint64_t deadline_ns)
{
	(void)ctx, (void)deadline_ns; /* no timers here */
	syscall(SYS_futex, &bell, FUTEX_WAIT_PRIVATE, heard, NULL, NULL, 0);
}

static void pread_direct(void) MAY_YIELD;
static void pread_direct(void)
{
	must(pread(file_fd, block, BLOCK, 0) == BLOCK, "pread");
}

static void pread_host(void) MAY_YIELD;
static void pread_host(void)
{
	must(host_pread(file_fd, block, BLOCK, 0) == BLOCK, "host_pread");
}

static void open_direct(void) MAY_YIELD;
static void open_direct(void)
{
	close(openat(dir_fd, "passwd", O_RDONLY | O_CLOEXEC));
}

static void open_host(void) MAY_YIELD;
static void open_host(void)
{
	int fd = host_openat(dir_fd, "passwd", O_RDONLY, 0);

	must(fd >= 0, "host_openat");
	host_close(fd);
}

static void statx_direct(void) MAY_YIELD;
static void statx_direct(void)
{
	struct statx a;

	must(statx(dir_fd, "passwd", 0, STATX_BASIC_STATS, &a) == 0, "statx");
}

static void statx_quick(void) MAY_YIELD;
static void statx_quick(void)
{
	struct statx a;

	must(host_statx_at(dir_fd, "passwd", 0, STATX_BASIC_STATS, quick, &a) == 0, "statx");
}

static void statx_trip(void) MAY_YIELD;
static void statx_trip(void)
{
	struct statx a;

	must(host_statx_at(dir_fd, "passwd", 0, STATX_BASIC_STATS, false, &a) == 0, "statx");
}

struct figure {
	const char *name;
	void (*fn)(void); /* may yield */
	unsigned int count;
	double ns[ROUNDS];
};

static struct figure figures[] = {
	{ .name = "pread 4 KiB, direct", .fn = pread_direct, .count = 5000 },
	{ .name = "pread 4 KiB, host_pread", .fn = pread_host, .count = 5000 },
	{ .name = "open + close, direct", .fn = open_direct, .count = 2000 },
	{ .name = "open + close, host_openat", .fn = open_host, .count = 2000 },
	{ .name = "statx, direct", .fn = statx_direct, .count = 5000 },
	{ .name = "statx, quick", .fn = statx_quick, .count = 5000 },
	{ .name = "statx, by an executor", .fn = statx_trip, .count = 200 },
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const struct figure *f, bool is_first)
{
	double min = f->ns[0], median = f->ns[ROUNDS / 2], max = f->ns[ROUNDS - 1];

	if (!json) {
		printf("%-28s %10.1f %10.1f %10.1f\n", f->name, min, median, max);
		return;
	}
	fputs(is_first ? "{\"unit\": \"ns\", \"figures\": [\n" : ",\n", stdout);
	printf("{\"name\": \"%s\", \"min\": %.1f, \"median\": %.1f, \"max\": %.1f}", f->name, min,
	       median, max);
}

static void measure_all(void *arg) MAY_YIELD;
static void measure_all(void *arg)
{
	(void)arg;
	quick = host_is_quick(dir_fd);
	for (size_t i = 0; i < ARRAY_COUNT(figures); i++) {
		struct figure *f = &figures[i];

		for (unsigned int round = 0; round < ROUNDS; round++) {
			uint64_t from = clock_now_ns();

			for (unsigned int k = 0; k < f->count; k++)
				f->fn();
			f->ns[round] = (double)(clock_now_ns() - from) / f->count;
		}
		qsort(f->ns, ROUNDS, sizeof(f->ns[0]), compare);
		print(f, i == 0);
	}
	if (json)
		puts("\n]}");
	sched_stop();
}

int main(int argc, char **argv)
{
	const struct sched_hooks hooks = { .poll = poll_host, .idle = idle };

	json = argc == 2 && strcmp(argv[1], "--json") == 0;
	if (argc > 1 && !json) {
		fprintf(stderr, "usage: %s [--json]\n", argv[0]);
		return 2;
	}
	file_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	dir_fd = open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(file_fd >= 0 && dir_fd >= 0, "open");
	must(sched_init(&(struct sched_options){ .seeded = false }, &hooks) == 0, "sched_init");
	must(host_init(&(struct host_options){ .notify = ring }) == 0, "host_init");
	must(task_start(NULL, "bench", measure_all, NULL) == 0, "task_start");
	if (!json)
		printf("%-28s %10s %10s %10s   ns each\n", "", "min", "median", "max");
	sched_run();
	host_fini();
	sched_fini();
	return 0;
}

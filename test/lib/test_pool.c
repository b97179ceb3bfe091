/*
 * test_pool.c - what pool.h promises: workers come when the others are blocked, go
 * when idle, and no call is forgotten, whatever waits. Numbers of threads are
 * checked, not seconds (the harness has the time limit).
 */
#include "hascall/hascall.h"
#include "test/harness.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CALLS 64u

static struct hascall *open_with(const struct hascall_options *wanted)
{
	struct hascall_options options = *wanted;
	struct hascall *h = NULL;

	options.size = sizeof(options);
	CHECK_INT(hascall_open(&h, &options), 0);
	return h;
}

static void must_be_zero(void *ctx, uint64_t user_data, int64_t ret)
{
	(void)ctx;
	(void)user_data;
	CHECK_INT(ret, 0);
}

static void any_result(void *ctx, uint64_t user_data, int64_t ret)
{
	(void)ctx;
	(void)user_data;
	(void)ret;
}

static void post_sleeps(struct hascall *h, unsigned int count, const struct timespec *t)
{
	for (unsigned int i = 0; i < count; i++)
		CHECK_INT(hascall_post(h, SYS_nanosleep, (uint64_t[6]){ (uintptr_t)t }, 0,
				       HASCALL_MORE, NULL),
			  0);
	hascall_kick(h);
}

static void reap_until_none_is_left(struct hascall *h)
{
	while (hascall_in_flight(h) > 0) {
		CHECK_INT(hascall_wait_any(h, -1, 0), 0);
		hascall_reap(h, must_be_zero, NULL);
	}
}

static uint32_t workers(struct hascall *h)
{
	struct hascall_stats stats;

	hascall_get_stats(h, &stats);
	return stats.workers;
}

static uint32_t workers_peak(struct hascall *h)
{
	struct hascall_stats stats;

	hascall_get_stats(h, &stats);
	return stats.workers_peak;
}

/* Calls known to wait, until end_polls(): the pool grows to `limit` workers for them. */
struct polls {
	struct pollfd p;
	int in;
};

static void begin_polls(struct hascall *h, struct polls *polls, uint32_t limit)
{
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	polls->p = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	polls->in = fds[1];
	for (unsigned int i = 0; i < CALLS; i++)
		CHECK_INT(hascall_post(h, SYS_poll,
				       (uint64_t[6]){ (uintptr_t)&polls->p, 1, UINT64_MAX }, 0, 0,
				       NULL),
			  0);
	while (workers(h) < limit)
		usleep(1000);
	CHECK_INT(hascall_in_flight(h), CALLS);
}

static void end_polls(struct hascall *h, const struct polls *polls)
{
	CHECK_INT(write(polls->in, "x", 1), 1);
	while (hascall_in_flight(h) > 0) {
		CHECK_INT(hascall_wait_any(h, -1, 0), 0);
		hascall_reap(h, any_result, NULL);
	}
	close(polls->p.fd);
	close(polls->in);
}

static void pool_grows_until_every_waiting_call_is_begun(void)
{
	struct hascall *h = open_with(&(struct hascall_options){ 0 });
	struct polls polls;

	begin_polls(h, &polls, CALLS);
	end_polls(h, &polls);
	hascall_close(h);
}

static void pool_does_not_grow_over_its_limit(void)
{
	struct hascall *h = open_with(&(struct hascall_options){ .workers_max = 3 });
	struct polls polls;

	begin_polls(h, &polls, 3);
	usleep(20000); /* for a fourth to come */
	end_polls(h, &polls);
	CHECK_INT(workers_peak(h), 3);
	hascall_close(h);
}

/* read() is not known to wait: the watcher must find out. */
static void pool_grows_when_workers_are_found_blocked(void)
{
	struct hascall *h = open_with(&(struct hascall_options){ .parallel = 2 });
	struct hascall_stats stats;
	char bytes[CALLS];
	uint64_t ticket;
	int64_t ret = 0;
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	for (unsigned int i = 0; i < 16; i++)
		CHECK_INT(hascall_post(h, SYS_read,
				       (uint64_t[6]){ (uint64_t)fds[0], (uintptr_t)&bytes[i], 1 },
				       0, 0, NULL),
			  0);
	/* All 16 block; this one gets through all the same. */
	CHECK_INT(hascall_post(h, SYS_getppid, (uint64_t[6]){ 0 }, 0, 0, &ticket), 0);
	CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
	CHECK_INT(ret, getppid());
	hascall_get_stats(h, &stats);
	CHECK(stats.blocked > 0 || hascall_in_kernel(h)); /* which knows by itself */
	CHECK(stats.workers_peak > 2);
	close(fds[1]); /* end of file for all */
	reap_until_none_is_left(h);
	close(fds[0]);
	hascall_close(h);
}

/* How often the thread of this process with this name has given up its processor. */
static unsigned long times_slept(const char *name)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned long count = 0;
	const struct dirent *d;

	CHECK(tasks != NULL);
	while ((d = readdir(tasks))) {
		char path[64], line[128];
		bool is_meant = false;
		FILE *status;

		snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", d->d_name);
		status = d->d_name[0] == '.' ? NULL : fopen(path, "r");
		while (status && fgets(line, sizeof(line), status)) {
			line[strcspn(line, "\n")] = '\0';
			if (strncmp(line, "Name:\t", 6) == 0)
				is_meant = strcmp(line + 6, name) == 0;
			else if (is_meant && strncmp(line, "voluntary_ctxt_switches:", 24) == 0)
				count = strtoul(line + 24, NULL, 10);
		}
		if (status)
			fclose(status);
	}
	closedir(tasks);
	CHECK(count > 0);
	return count;
}

/* Calls wait, and nobody is to be had for them: the watcher must not look for ever. */
static void watcher_rests_while_the_full_pool_is_blocked(void)
{
	struct hascall *h = open_with(&(struct hascall_options){ .workers_max = 2, .parallel = 1 });
	unsigned long before, after;
	uint64_t ticket;
	char bytes[2];
	int64_t ret;
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	for (unsigned int i = 0; i < 2; i++)
		CHECK_INT(hascall_post(h, SYS_read,
				       (uint64_t[6]){ (uint64_t)fds[0], (uintptr_t)&bytes[i], 1 },
				       0, 0, NULL),
			  0);
	while (workers(h) < 2)
		usleep(1000);
	CHECK_INT(hascall_post(h, SYS_getppid, (uint64_t[6]){ 0 }, 0, 0, &ticket), 0);
	do {
		before = times_slept("hascall-watch");
		usleep(50000);
		after = times_slept("hascall-watch");
	} while (after != before);
	/* A worker that is done with its call needs no watcher to find the next. */
	CHECK_INT(write(fds[1], "x", 1), 1);
	CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
	CHECK_INT(ret, getppid());
	/* It wakes again when it is of use: this one is idle, the other counts as running. */
	for (unsigned int i = 0; i < 20; i++) {
		CHECK_INT(hascall_post(h, SYS_getppid, (uint64_t[6]){ 0 }, 0, 0, &ticket), 0);
		CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
		usleep(i * 100);
	}
	close(fds[1]); /* end of file for the other */
	while (hascall_in_flight(h) > 0) {
		CHECK_INT(hascall_wait_any(h, -1, 0), 0);
		hascall_reap(h, any_result, NULL);
	}
	close(fds[0]);
	hascall_close(h);
}

/* Short calls one after the other must not be taken for a blocked pool. */
static void pool_does_not_grow_for_calls_that_run(void)
{
	struct hascall *h = open_with(&(struct hascall_options){ .parallel = 1 });

	for (unsigned int i = 0; i < 5000; i++) {
		int64_t ret;
		uint64_t ticket;

		CHECK_INT(hascall_post(h, SYS_getppid, (uint64_t[6]){ 0 }, 0, 0, &ticket), 0);
		CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
	}
	/* One; where the kernel executes, one to spare; on a busy machine any may look late. */
	CHECK(workers_peak(h) < 16);
	hascall_close(h);
}

/* Idle workers will do, however many may run at a time. */
static void calls_one_by_one_need_few_workers(void)
{
	struct hascall *h = open_with(&(struct hascall_options){ .parallel = 64 });

	for (unsigned int i = 0; i < 500; i++) {
		int64_t ret;
		uint64_t ticket;

		CHECK_INT(hascall_post(h, SYS_getppid, (uint64_t[6]){ 0 }, 0, 0, &ticket), 0);
		CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
		usleep(i % 8 ? 0 : 1000);
	}
	CHECK(workers_peak(h) < 16);
	hascall_close(h);
}

static void idle_workers_end_but_for_one(void)
{
	const struct timespec t = { .tv_nsec = 20000000 };
	struct hascall *h = open_with(&(struct hascall_options){ .idle_ms = 20, .parallel = 1 });
	const uint32_t last = hascall_in_kernel(h) ? 2 : 1; /* one to spare */
	int64_t ret;
	uint64_t ticket;

	for (unsigned int round = 0; round < 2; round++) {
		post_sleeps(h, 8, &t);
		reap_until_none_is_left(h);
		CHECK(workers_peak(h) > last);
		while (workers(h) > last)
			usleep(5000);
		usleep(50000);
		CHECK_INT(workers(h), last);
		CHECK_INT(hascall_post(h, SYS_getppid, (uint64_t[6]){ 0 }, 0, 0, &ticket), 0);
		CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
	}
	hascall_close(h);
}

static volatile sig_atomic_t signals_taken_elsewhere;
static pid_t main_thread;

static void on_signal(int number)
{
	(void)number;
	if (gettid() != main_thread)
		signals_taken_elsewhere = 1;
}

static void workers_take_no_signals_of_the_application(void)
{
	const struct timespec t = { .tv_nsec = 5000000 };
	struct hascall *h = open_with(&(struct hascall_options){ 0 });
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	main_thread = gettid();
	CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
	for (unsigned int i = 0; i < 20; i++) {
		post_sleeps(h, 8, &t);
		CHECK_INT(kill(getpid(), SIGUSR1), 0);
		reap_until_none_is_left(h); /* no sleep gives -EINTR: must_be_zero() checks */
	}
	CHECK(!signals_taken_elsewhere);
	hascall_close(h);
}

/* glibc makes setuid() of one thread that of all, by a signal of its own. */
static void setuid_reaches_idle_and_running_workers(void)
{
	const struct timespec t = { .tv_nsec = 30000000 };
	struct hascall *h = open_with(&(struct hascall_options){ 0 });

	post_sleeps(h, 4, &t);
	usleep(5000);
	CHECK_INT(setuid(getuid()), 0); /* hangs if a worker blocks that signal */
	while (hascall_in_flight(h) > 0)
		hascall_reap(h, any_result, NULL);
	hascall_close(h);
}

/* What one area sees: results in any order, all of them, for all ways to wait. */
static void drive(struct hascall *h, uint32_t seed, unsigned int calls)
{
	const struct timespec t = { .tv_nsec = 100000 };
	unsigned int posted = 0;

	while (posted < calls || hascall_in_flight(h) > 0) {
		uint64_t ticket;
		int64_t ret;

		seed = seed * 1664525u + 1013904223u;
		if (posted < calls) {
			uint32_t num = seed >> 28 == 0 ? SYS_nanosleep : SYS_sync_file_range;
			int r = hascall_post(h, num, (uint64_t[6]){ (uintptr_t)&t }, num,
					     seed >> 9 & HASCALL_MORE, &ticket);

			CHECK(r == 0 || r == -EAGAIN);
			posted += r == 0;
			if (r == 0 && (seed >> 12) % 4 == 0) {
				r = hascall_wait(h, ticket, -1, seed >> 16 & HASCALL_HELP, &ret);
				CHECK_INT(r, 0);
				continue;
			}
			if (r == 0 && (seed >> 12) % 16 == 1) {
				r = hascall_recall(h, ticket);
				CHECK(r == 0 || r == -EAGAIN);
			}
			if (r == 0)
				continue;
		}
		if (hascall_in_flight(h) > 0) {
			CHECK_INT(hascall_wait_any(h, -1, 0), 0);
			hascall_reap(h, any_result, NULL);
		}
	}
}

static void *drive_own_area(void *arg)
{
	struct hascall *h = open_with(
		&(struct hascall_options){ .entries = 16, .workers_max = 6, .idle_ms = 1 });

	drive(h, *(const uint32_t *)arg, test_sanitized ? 3000 : 30000);
	hascall_close(h);
	return NULL;
}

static void two_callers_with_an_area_each_lose_no_call(void)
{
	uint32_t seeds[2] = { 1, 77 };
	pthread_t thread[2];

	for (unsigned int i = 0; i < 2; i++)
		CHECK_INT(pthread_create(&thread[i], NULL, drive_own_area, &seeds[i]), 0);
	for (unsigned int i = 0; i < 2; i++)
		CHECK_INT(pthread_join(thread[i], NULL), 0);
}

/* One area used by two threads in turn, under a lock of theirs. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void *drive_in_turn(void *arg)
{
	for (unsigned int i = 0; i < 20; i++) {
		pthread_mutex_lock(&turn);
		drive(arg, i, test_sanitized ? 50 : 500);
		pthread_mutex_unlock(&turn);
	}
	return NULL;
}

static void area_can_pass_from_thread_to_thread(void)
{
	struct hascall *h = open_with(&(struct hascall_options){ .entries = 8 });
	pthread_t thread;

	CHECK_INT(pthread_create(&thread, NULL, drive_in_turn, h), 0);
	drive_in_turn(h);
	CHECK_INT(pthread_join(thread, NULL), 0);
	hascall_close(h);
}

static void areas_open_and_close_many_times(void)
{
	const struct timespec t = { .tv_nsec = 100000 };

	for (unsigned int i = 0; i < 200; i++) {
		struct hascall *h = open_with(&(struct hascall_options){ .entries = 8 });

		post_sleeps(h, i % 9, &t);
		hascall_close(h);
	}
}

static const struct test tests[] = {
	TEST(pool_grows_until_every_waiting_call_is_begun),
	TEST(pool_does_not_grow_over_its_limit),
	TEST(pool_grows_when_workers_are_found_blocked),
	TEST(watcher_rests_while_the_full_pool_is_blocked),
	TEST(pool_does_not_grow_for_calls_that_run),
	TEST(calls_one_by_one_need_few_workers),
	TEST(idle_workers_end_but_for_one),
	TEST(workers_take_no_signals_of_the_application),
	TEST(setuid_reaches_idle_and_running_workers),
	TEST_LONG(two_callers_with_an_area_each_lose_no_call, 30),
	TEST_LONG(area_can_pass_from_thread_to_thread, 30),
	TEST(areas_open_and_close_many_times),
};
TEST_MAIN(tests)

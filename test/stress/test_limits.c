/*
 * test_limits.c - areas where something is short: processors, threads, memory, workers
 * that are not blocked; and what areas leave behind.
 */
#include "test/harness.h"
#include "test/stress/stress.h"

#include <errno.h>
#include <fcntl.h>
#include <hascall/calls.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534u

static void one_processor_is_enough(void)
{
	static const uint32_t flags[] = { 0, HASCALL_NO_SPIN, HASCALL_POLLING };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	CHECK_INT(sched_setaffinity(0, sizeof(set), &set), 0);
	for (unsigned int i = 0; i < ARRAY_COUNT(flags); i++) {
		struct hascall *h = stress_open(&(struct hascall_options){ .flags = flags[i] });

		for (unsigned int k = 0; k < STRESS_COUNT(30, 5); k++)
			stress_use_everything(h);
		hascall_close(h);
	}
}

static void post_sleeps(struct hascall *h, unsigned int count)
{
	static const struct timespec t = { .tv_nsec = 1000000 };

	for (unsigned int i = 0; i < count; i++)
		CHECK_INT(hascall_post(h, SYS_nanosleep, (uint64_t[6]){ (uintptr_t)&t }, 0,
				       HASCALL_MORE, NULL),
			  0);
}

static void must_be_zero(void *ctx, uint64_t user_data, int64_t ret)
{
	(void)ctx;
	(void)user_data;
	CHECK_INT(ret, 0);
}

static uint32_t workers_peak(struct hascall *h)
{
	struct hascall_stats stats;

	hascall_get_stats(h, &stats);
	return stats.workers_peak;
}

static void limit_threads(rlim_t threads)
{
	struct rlimit limit;

	CHECK_INT(getrlimit(RLIMIT_NPROC, &limit), 0);
	limit.rlim_cur = threads < limit.rlim_max ? threads : limit.rlim_max;
	CHECK_INT(setrlimit(RLIMIT_NPROC, &limit), 0);
}

/* Could a thread be started that watches deadlines? */
static bool has_timeouts(struct hascall *h)
{
	struct hascall_call call = hascall_call_getppid();
	uint64_t ticket;
	int64_t result;
	int r;

	call.timeout_ns = 1000000000;
	r = hascall_submit(h, &call, 1, 0, &ticket);
	CHECK(r == 0 || r == -EAGAIN);
	if (r == 0)
		CHECK_INT(hascall_wait(h, ticket, -1, 0, &result), 0);
	return r == 0;
}

/* The limit counts the threads of a user, and does not bind root. */
static void with_few_threads(void *arg)
{
	const struct hascall_options polling = { .size = sizeof(polling),
						 .flags = HASCALL_POLLING };
	struct census before = census_take();
	struct hascall *h = NULL;
	struct hascall *grown;

	(void)arg;
	CHECK(getuid() != 0 || setuid(NOBODY) == 0);
	limit_threads(1);
	CHECK_INT(hascall_open(&h, &polling), -EAGAIN);
	CHECK(h == NULL);
	/* The others do without threads, but for timeouts. */
	CHECK_INT(hascall_open(&h, NULL), 0);
	post_sleeps(h, 3);
	CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
	CHECK_INT(hascall_reap(h, must_be_zero, NULL), 3);
	CHECK(!has_timeouts(h));
	hascall_close(h);
	census_check(&before);

	limit_threads(RLIM_INFINITY);
	grown = stress_open(&(struct hascall_options){ 0 });
	stress_use_everything(grown); /* its first threads */
	limit_threads(1);
	for (unsigned int i = 0; i < 10; i++) {
		post_sleeps(grown, 20);
		CHECK_INT(hascall_wait_all(grown, HASCALL_ALL_GROUPS, -1, 0), 0);
		CHECK_INT(hascall_reap(grown, must_be_zero, NULL), 20);
		stress_use_everything(grown);
	}
	limit_threads(RLIM_INFINITY);
	while (workers_peak(grown) < 3) {
		post_sleeps(grown, 20);
		CHECK_INT(hascall_wait_all(grown, HASCALL_ALL_GROUPS, -1, 0), 0);
		CHECK_INT(hascall_reap(grown, must_be_zero, NULL), 20);
	}
	hascall_close(grown);
	census_check(&before);
}

static void calls_are_served_by_as_many_threads_as_there_may_be(void)
{
	int status = stress_in_child(with_few_threads, NULL);

	CHECK(!WIFSIGNALED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

static size_t pages_of_this_process(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	size_t pages = 0;

	CHECK(f);
	CHECK_INT(fscanf(f, "%zu", &pages), 1);
	fclose(f);
	return pages;
}

/* From no room at all to enough for some workers, in steps. */
static void with_little_memory(void *arg)
{
	struct census before = census_take();
	size_t size = pages_of_this_process() * 4096;
	unsigned int *opened = arg;

	for (size_t more = 0; more < 4096 * 1024; more += 20 * 1024) {
		struct rlimit limit = { .rlim_cur = size + more, .rlim_max = RLIM_INFINITY };
		struct hascall_options options = { .size = sizeof(options), .entries = 1024 };
		struct hascall *h = NULL;
		int r;

		CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
		r = hascall_open(&h, &options);
		if (r == 0) {
			(*opened)++;
			post_sleeps(h, 20);
			CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
			CHECK_INT(hascall_reap(h, must_be_zero, NULL), 20);
			if (has_timeouts(h))
				stress_use_everything(h);
			hascall_close(h);
		} else {
			CHECK(r == -ENOMEM || r == -EAGAIN);
			opened[1]++;
		}
		limit.rlim_cur = RLIM_INFINITY;
		CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
		census_check(&before);
	}
}

static void open_fails_or_the_area_works_however_little_memory_there_is(void)
{
	unsigned int *opened = stress_share(2 * sizeof(*opened));
	int status;

	if (test_sanitized)
		SKIP("a sanitizer needs more memory than any limit");
	status = stress_in_child(with_little_memory, opened);
	CHECK(!WIFSIGNALED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
	fprintf(stderr, "# %u areas opened, %u not\n", opened[0], opened[1]);
	CHECK(opened[0] > 0 && opened[1] > 0);
}

static void count_one_byte(void *ctx, uint64_t user_data, int64_t ret)
{
	(void)user_data;
	CHECK_INT(ret, 1);
	(*(unsigned int *)ctx)++;
}

/* Reads from a pipe: no table says that they wait, it must be found out, 512 times. */
static void hundreds_of_blocked_calls_leave_the_others_a_worker(void)
{
	const unsigned int blocked = STRESS_COUNT(512, 100);
	struct hascall *h = stress_open(
		&(struct hascall_options){ .entries = blocked + 8, .workers_max = blocked + 8 });
	char *bytes = calloc(blocked, 1);
	unsigned int count = 0;
	struct statx st;
	int fds[2];

	CHECK(bytes);
	CHECK_INT(pipe(fds), 0);
	for (unsigned int i = 0; i < blocked; i++)
		CHECK_INT(hascall_post(h, SYS_read,
				       (uint64_t[6]){ (uint64_t)fds[0], (uintptr_t)&bytes[i], 1 },
				       i, HASCALL_MORE, NULL),
			  0);
	for (unsigned int i = 0; i < 300; i++)
		CHECK_INT(stress_call(h, SYS_statx,
				      (uint64_t[6]){ (uint64_t)AT_FDCWD, (uintptr_t) "/", 0,
						     STATX_BASIC_STATS, (uintptr_t)&st },
				      0),
			  0);
	CHECK_INT(hascall_in_flight(h), blocked);
	while (workers_peak(h) <= blocked)
		CHECK_INT(stress_call(h, SYS_getppid, (uint64_t[6]){ 0 }, 0), getppid());
	memset(bytes, 'x', blocked);
	CHECK_INT(write(fds[1], bytes, blocked), blocked);
	while (hascall_in_flight(h) > 0) {
		CHECK_INT(hascall_wait_any(h, -1, 0), 0);
		hascall_reap(h, count_one_byte, &count);
	}
	CHECK_INT(count, blocked);
	hascall_close(h);
	free(bytes);
	close(fds[0]);
	close(fds[1]);
}

/* Sleeps are known to wait: each has a worker of its own at once. */
static void hundreds_of_sleeps_leave_the_others_a_worker(void)
{
	const unsigned int blocked = STRESS_COUNT(512, 100);
	const struct timespec t = { .tv_sec = 100 };
	struct hascall *h = stress_open(
		&(struct hascall_options){ .entries = blocked + 8, .workers_max = blocked + 8 });

	for (unsigned int i = 0; i < blocked; i++)
		CHECK_INT(hascall_post(h, SYS_nanosleep, (uint64_t[6]){ (uintptr_t)&t }, i,
				       HASCALL_MORE, NULL),
			  0);
	for (unsigned int i = 0; i < 300; i++)
		CHECK_INT(stress_call(h, SYS_getppid, (uint64_t[6]){ 0 }, 0), getppid());
	CHECK_INT(hascall_in_flight(h), blocked);
	CHECK_INT(hascall_cancel_all(h, HASCALL_ALL_GROUPS), blocked);
	CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
	CHECK_INT(hascall_reap(h, stress_drop_result, NULL), blocked);
	hascall_close(h);
}

/* No file is free for anything the library might want to open. */
static void no_descriptor_is_needed(void)
{
	struct rlimit limit, none;
	struct hascall *h;

	CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &none), 0);
	h = stress_open(&(struct hascall_options){ 0 });
	stress_use_everything(h);
	hascall_close(h);
	CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void open_use_close(unsigned int i)
{
	static const uint32_t flags[] = { 0, HASCALL_NO_SPIN, HASCALL_USE_EVENTFD };
	int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct hascall *h = stress_open(&(struct hascall_options){
		.flags = flags[i % ARRAY_COUNT(flags)],
		.eventfd = bell,
		.entries = 32 + i % 64,
		.idle_ms = i % 2,
	});

	if (i % 4)
		stress_use_everything(h);
	post_sleeps(h, i % 5);
	hascall_close(h);
	close(bell);
}

static void areas_leave_no_thread_descriptor_or_memory(void)
{
	const unsigned int rounds = STRESS_COUNT(400, 60);
	struct census before = census_take();
	unsigned int mappings;
	size_t heap;

	for (unsigned int i = 0; i < rounds; i++) /* the C library's own caches fill */
		open_use_close(i);
	census_check(&before);
	mappings = census_mappings();
	heap = mallinfo2().uordblks;
	for (unsigned int i = 0; i < rounds; i++)
		open_use_close(i);
	census_check(&before);
	if (test_sanitized)
		return;
	fprintf(stderr, "# mappings %u, then %u; heap %zu, then %zu bytes\n", mappings,
		census_mappings(), heap, mallinfo2().uordblks);
	CHECK(mallinfo2().uordblks < heap + (size_t)rounds * 32);
	CHECK(census_mappings() < mappings + rounds / 8);
}

static const struct test tests[] = {
	TEST_LONG(one_processor_is_enough, 20),
	TEST_LONG(calls_are_served_by_as_many_threads_as_there_may_be, 20),
	TEST_LONG(open_fails_or_the_area_works_however_little_memory_there_is, 20),
	TEST_LONG(hundreds_of_blocked_calls_leave_the_others_a_worker, 20),
	TEST_LONG(hundreds_of_sleeps_leave_the_others_a_worker, 20),
	TEST(no_descriptor_is_needed),
	TEST_LONG(areas_leave_no_thread_descriptor_or_memory, 20),
};
TEST_MAIN(tests)

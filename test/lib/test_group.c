/*
 * test_group.c - what hascall.h promises of waiting for many: hascall_wait_all() and
 * groups, helping in hascall_wait_any() and hascall_wait_all(); of HASCALL_POLLING,
 * hascall_check() and hascall_version().
 */
#include "test/lib/area.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

static struct hascall_call getpid_call(uint32_t group)
{
	return (struct hascall_call){ .num = SYS_getpid, .group = group, .user_data = 1 };
}

struct tally {
	unsigned int count;
	uint64_t data;
};

static void tally(void *ctx, uint64_t user_data, int64_t ret)
{
	struct tally *t = ctx;

	CHECK_INT(ret, getpid());
	t->count++;
	t->data += user_data;
}

static void wait_all_returns_when_the_group_is_completed(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .entries = 200 });
	struct test_pipe p = pipe_open();
	struct tally t = { 0 };
	char byte = 0;
	struct hascall_call held = read_call(p.out, &byte, 1);
	uint64_t ticket;

	held.group = 9;
	ticket = submit_one(h, &held);
	for (unsigned int round = 0; round < 200; round++) {
		const struct hascall_call call = getpid_call(round % 3);

		for (unsigned int i = 0; i < 100; i++)
			CHECK_INT(hascall_submit(h, &call, 1, i < 99 ? HASCALL_MORE : 0, NULL), 0);
		CHECK_INT(hascall_wait_all(h, round % 3, -1, round % 2 ? HASCALL_HELP : 0), 0);
		/* All of them can be reaped now. */
		t = (struct tally){ 0 };
		CHECK_INT(hascall_reap(h, tally, &t), 100);
		CHECK_INT(t.data, 100);
	}
	CHECK_INT(hascall_wait_all(h, 9, 0, 0), -ETIMEDOUT);
	CHECK_INT(hascall_wait_all(h, 9, 2000000, HASCALL_HELP), -ETIMEDOUT);
	CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, 2000000, 0), -ETIMEDOUT);
	pipe_feed(&p);
	CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
	CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0); /* completed, not taken */
	CHECK_INT(result_of(h, ticket), 1);
	CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0); /* none */
	hascall_close(h);
	pipe_close(&p);
}

static void posted_calls_are_of_group_0(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	char byte = 0;
	const struct hascall_call call = read_call(p.out, &byte, 1);
	uint64_t ticket = 0;

	CHECK_INT(hascall_post(h, SYS_read, call.arg, 0, 0, &ticket), 0);
	CHECK_INT(hascall_wait_all(h, 1, -1, 0), 0);
	CHECK_INT(hascall_wait_all(h, 0, 0, 0), -ETIMEDOUT);
	CHECK_INT(hascall_cancel_all(h, 1), 0);
	CHECK_INT(hascall_cancel_all(h, 0), 1);
	CHECK_INT(result_of(h, ticket), -ECANCELED);
	hascall_close(h);
	pipe_close(&p);
}

static void wrong_flags_of_waits_are_refused(void)
{
	struct hascall *h = area_open(NULL);
	const struct hascall_call call = getpid_call(0);
	uint64_t ticket = submit_one(h, &call);
	int64_t result;

	CHECK_INT(hascall_wait(h, ticket, -1, 1u << 31, &result), -EINVAL);
	CHECK_INT(hascall_wait_any(h, -1, 1u << 31), -EINVAL);
	CHECK_INT(hascall_wait_all(h, 0, -1, 1u << 31), -EINVAL);
	CHECK_INT(result_of(h, ticket), getpid());
	hascall_close(h);
}

/* The only worker is in the pipe: what is completed, this thread has executed. */
static void helping_waits_execute_what_nobody_has_begun(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	struct test_pipe p = pipe_open();
	struct tally t = { 0 };
	char byte = 0;
	uint64_t running = occupy(h, &p, &byte);
	const struct hascall_call call = getpid_call(1);

	for (unsigned int round = 0; round < 50; round++) {
		for (unsigned int i = 0; i < 40; i++)
			submit_one(h, &call);
		if (round % 2)
			CHECK_INT(hascall_wait_all(h, 1, -1, HASCALL_HELP), 0);
		while (hascall_in_flight(h) > 1) {
			CHECK_INT(hascall_wait_any(h, -1, HASCALL_HELP), 0);
			CHECK(hascall_reap(h, tally, &t) > 0);
		}
	}
	CHECK_INT(t.count, 50 * 40);
	pipe_feed(&p);
	CHECK_INT(result_of(h, running), 1);
	hascall_close(h);
	pipe_close(&p);
}

/* Else this test would never end: the pipe is filled after the wait. */
static void helping_waits_leave_calls_that_wait_and_timed_ones(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	const struct timespec hour = { .tv_sec = 3600 };
	struct test_pipe p = pipe_open();
	char byte = 0;
	uint64_t running = occupy(h, &p, &byte);
	struct hascall_call call[] = {
		{ .num = SYS_nanosleep, .arg = { ADDRESS(&hour) } },
		read_call(p.out, &byte, 1),
		{ .num = SYS_getpid, .flags = HASCALL_CHAIN },
		{ .num = SYS_nanosleep, .arg = { ADDRESS(&hour) } },
	};

	call[1].timeout_ns = UINT64_C(3600000000000);
	CHECK_INT(hascall_submit(h, call, ARRAY_COUNT(call), 0, NULL), 0);
	CHECK_INT(hascall_wait_any(h, 1000000, HASCALL_HELP), -ETIMEDOUT);
	CHECK_INT(hascall_wait_all(h, 0, 1000000, HASCALL_HELP), -ETIMEDOUT);
	CHECK_INT(hascall_reap(h, ignore_result, NULL), 0);
	CHECK_INT(hascall_cancel_all(h, 0), 5);
	CHECK_INT(result_of(h, running), -ECANCELED);
	hascall_close(h);
	pipe_close(&p);
}

/* Nothing of the group is open, or no time is left: other calls are not its business. */
static void helping_wait_for_all_executes_no_more_than_it_waits_for(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	struct test_pipe p = pipe_open();
	char byte = 0;
	uint64_t running = occupy(h, &p, &byte);
	const struct hascall_call call = getpid_call(1);
	uint64_t ticket = submit_one(h, &call);
	int64_t result;

	CHECK_INT(hascall_wait_all(h, 2, -1, HASCALL_HELP), 0);
	CHECK_INT(hascall_poll(h, ticket, &result), -EAGAIN);
	CHECK_INT(hascall_wait_all(h, 1, 0, HASCALL_HELP), -ETIMEDOUT);
	CHECK_INT(hascall_poll(h, ticket, &result), -EAGAIN);
	CHECK_INT(hascall_wait_all(h, 1, -1, HASCALL_HELP), 0);
	CHECK_INT(hascall_poll(h, ticket, &result), 0);
	pipe_feed(&p);
	CHECK_INT(result_of(h, running), 1);
	hascall_close(h);
	pipe_close(&p);
}

static void count_one(void *ctx)
{
	__atomic_fetch_add((unsigned int *)ctx, 1, __ATOMIC_RELEASE);
}

/* Who waits for one group must hear of the results of the others it executed meanwhile. */
static void helped_calls_notify_and_ring_too(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	unsigned int notified = 0;
	struct hascall *h = area_open(&(struct hascall_options){
		.workers_max = 1,
		.flags = HASCALL_USE_EVENTFD,
		.eventfd = fd,
		.notify = count_one,
		.notify_ctx = &notified,
	});
	struct test_pipe p = pipe_open();
	struct tally t = { 0 };
	uint64_t count = 0;
	char byte = 0;
	uint64_t running = occupy(h, &p, &byte);
	const struct hascall_call call = getpid_call(1);

	for (unsigned int i = 0; i < 10; i++)
		submit_one(h, &call);
	CHECK_INT(hascall_wait_all(h, 2, -1, HASCALL_HELP), 0);
	CHECK_INT(hascall_wait_all(h, 1, -1, HASCALL_HELP), 0);
	CHECK_INT(__atomic_load_n(&notified, __ATOMIC_ACQUIRE), 10);
	CHECK_INT(read(fd, &count, sizeof(count)), sizeof(count));
	CHECK_INT(hascall_reap(h, tally, &t), 10);
	pipe_feed(&p);
	CHECK_INT(result_of(h, running), 1);
	hascall_close(h);
	pipe_close(&p);
	close(fd);
}

/* How often a worker had to be woken for 20 calls. */
static uint64_t wakes_for_20_calls(struct hascall *h)
{
	const struct hascall_call call = getpid_call(0);
	struct hascall_stats before, after;

	hascall_get_stats(h, &before);
	for (unsigned int i = 0; i < 20; i++) {
		CHECK_INT(result_of(h, submit_one(h, &call)), getpid());
		usleep(1000);
	}
	hascall_get_stats(h, &after);
	return after.wakes - before.wakes;
}

static void polling_worker_needs_no_wake(void)
{
	struct hascall *h = area_open(&(struct hascall_options){
		.flags = HASCALL_POLLING, .workers_max = 2, .idle_ms = 1 });
	const struct hascall_call call = getpid_call(0);
	unsigned int tries = 5;

	/* Past its idle time, past the time that others spin. */
	usleep(20000);
	CHECK_INT(result_of(h, submit_one(h, &call)), getpid());
	usleep(20000);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP("polling is for more than one processor");
	/* Without polling: 20, each time. One that has lost its processor in a call needs some. */
	while (wakes_for_20_calls(h) >= 10)
		CHECK(--tries > 0);
	hascall_close(h);
}

/* A poller that is blocked in a call is not the only one. */
static void polling_area_grows_like_others(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .flags = HASCALL_POLLING });
	struct test_pipe p = pipe_open();
	const struct hascall_call quick = getpid_call(1);
	char bytes[16];

	for (unsigned int i = 0; i < 16; i++) {
		const struct hascall_call call = read_call(p.out, &bytes[i], 1);

		submit_one(h, &call);
	}
	CHECK_INT(result_of(h, submit_one(h, &quick)), getpid());
	CHECK_INT(hascall_cancel_all(h, 0), 16);
	CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
	hascall_close(h);
	pipe_close(&p);
}

static void check_tells_what_may_be_posted_and_why_not(void)
{
	const char *reason = NULL;
	const uint64_t self[6] = { 0 };
	const uint64_t other[6] = { 1 };

	CHECK_INT(hascall_check(SYS_openat, NULL, &reason), 0);
	CHECK_INT(hascall_check(SYS_nanosleep, NULL, NULL), 0);
	CHECK_INT(hascall_check(SYS_fork, NULL, &reason), -EOPNOTSUPP);
	CHECK(reason && strlen(reason) > 5);
	CHECK_INT(hascall_check(SYS_sched_getscheduler, other, &reason), 0);
	CHECK_INT(hascall_check(SYS_sched_getscheduler, self, &reason), -EOPNOTSUPP);
	CHECK(strstr(reason, "pid 0"));
	CHECK_INT(hascall_check(UINT32_C(0x40000000) | 1, NULL, &reason), -EOPNOTSUPP);
	CHECK(strstr(reason, "x32"));
	CHECK_INT(hascall_check(511, NULL, &reason), -ENOSYS);
	CHECK(reason && *reason);
	CHECK_INT(hascall_check(UINT32_MAX & ~UINT32_C(0x40000000), NULL, NULL), -ENOSYS);
}

/* Each refused number says why; each call's answer is that of hascall_check(). */
static void every_refusal_has_a_reason(void)
{
	struct hascall *h = area_open(NULL);
	unsigned int refused = 0;

	for (uint32_t num = 0; num < 600; num++) {
		const struct hascall_call call = { .num = num };
		const char *reason = NULL;
		int r = hascall_check(num, NULL, &reason);

		CHECK(r == 0 || r == -EOPNOTSUPP || r == -ENOSYS);
		if (r == 0)
			continue;
		CHECK(reason && *reason);
		CHECK_INT(result_of(h, submit_one(h, &call)), r);
		refused++;
	}
	CHECK(refused > 50);
	hascall_close(h);
}

static void version_is_three_numbers(void)
{
	const char *version = hascall_version();
	unsigned int points = 0;

	for (; *version; version++) {
		points += *version == '.';
		CHECK(*version == '.' || (*version >= '0' && *version <= '9'));
	}
	CHECK_INT(points, 2);
}

static const struct test tests[] = {
	TEST(wait_all_returns_when_the_group_is_completed),
	TEST(posted_calls_are_of_group_0),
	TEST(wrong_flags_of_waits_are_refused),
	TEST(helping_waits_execute_what_nobody_has_begun),
	TEST(helping_waits_leave_calls_that_wait_and_timed_ones),
	TEST(helping_wait_for_all_executes_no_more_than_it_waits_for),
	TEST(helped_calls_notify_and_ring_too),
	TEST(polling_worker_needs_no_wake),
	TEST(polling_area_grows_like_others),
	TEST(check_tells_what_may_be_posted_and_why_not),
	TEST(every_refusal_has_a_reason),
	TEST(version_is_three_numbers),
};
TEST_MAIN(tests)

/*
 * test_wake.c - the moment when somebody goes to sleep: what is posted, completed,
 * cancelled or over just then is not missed. Each test tries the moments around it many
 * times, one call after the other, so that no later call can make up for a lost one:
 * then its wait, which has no time limit, never ends.
 */
#include "slot/slot.h"
#include "test/harness.h"
#include "test/stress/stress.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Idle threads look around for 10 us, then sleep; falling asleep takes some more. */
#define MOMENTS_NS 25000
#define EACH_MS STRESS_COUNT(1000, 500)

static bool time_is_over(int64_t end)
{
	return stress_now_ns() >= end;
}

static int64_t end_of_test(void)
{
	return stress_now_ns() + EACH_MS * NS_PER_MS;
}

/* Stay awake, so that the moment is met as exactly as can be. */
static void pause_for(uint32_t ns)
{
	int64_t end = stress_now_ns() + ns;

	while (!time_is_over(end))
		__builtin_ia32_pause();
}

static void executor_that_falls_asleep_misses_no_ring(void)
{
	static struct syscall_info entry[2];
	uint64_t random = stress_seed();
	struct executors executors;
	int64_t end = end_of_test();
	int area = async_syscall_init(entry, 2, ASYNC_SYSCALL_RINGS);

	executors_start(&executors, area, 1);
	while (!time_is_over(end)) {
		int64_t ret = 0;

		pause_for(stress_below(&random, MOMENTS_NS));
		entry_post(&entry[0], SYS_getppid, (uint64_t[6]){ 0 }, 0, 0);
		CHECK_INT(async_syscall_ring(area, 1), 0);
		CHECK_INT(entry_wait(&entry[0], -1, &ret), 0);
		CHECK_INT(ret, getppid());
	}
	CHECK_INT(slot_end(&entry[1]), 0);
	CHECK_INT(async_syscall_ring(area, 1), 0);
	executors_join(&executors, 0);
	CHECK_INT(async_syscall_exit(area), 0);
}

static void wait_in_turn(struct hascall *h, uint64_t ticket, unsigned int way)
{
	int64_t ret = 0;

	switch (way % 3) {
	case 0:
		CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
		return;
	case 1:
		CHECK_INT(hascall_wait_any(h, -1, 0), 0);
		break;
	default:
		CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
		break;
	}
	CHECK_INT(hascall_reap(h, stress_drop_result, NULL), 1);
}

static void post_at_any_moment(const struct hascall_options *options)
{
	struct hascall *h = stress_open(options);
	uint64_t random = stress_seed();
	int64_t end = end_of_test();

	for (unsigned int i = 0; !time_is_over(end); i++) {
		uint64_t ticket;

		pause_for(stress_below(&random, MOMENTS_NS));
		CHECK_INT(hascall_post(h, SYS_getppid, (uint64_t[6]){ 0 }, 0, 0, &ticket), 0);
		wait_in_turn(h, ticket, i);
	}
	hascall_close(h);
}

static void worker_that_falls_asleep_misses_no_post(void)
{
	post_at_any_moment(&(struct hascall_options){ 0 });
}

static void worker_that_sleeps_at_once_misses_no_post(void)
{
	post_at_any_moment(&(struct hascall_options){ .flags = HASCALL_NO_SPIN });
}

static void worker_that_ends_misses_no_post(void)
{
	struct hascall *h = stress_open(&(struct hascall_options){ .idle_ms = 1 });
	const struct timespec t = { .tv_nsec = 10000 };
	uint64_t random = stress_seed();
	int64_t end = end_of_test();

	for (unsigned int i = 0; !time_is_over(end); i++) {
		uint64_t ticket;

		for (unsigned int k = 0; k < 3; k++)
			CHECK_INT(hascall_post(h, SYS_nanosleep, (uint64_t[6]){ (uintptr_t)&t }, 0,
					       0, NULL),
				  0);
		CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
		CHECK_INT(hascall_reap(h, stress_drop_result, NULL), 3);
		pause_for(900000 + stress_below(&random, 300000));
		CHECK_INT(hascall_post(h, SYS_getppid, (uint64_t[6]){ 0 }, 0, 0, &ticket), 0);
		wait_in_turn(h, ticket, i);
	}
	hascall_close(h);
}

/* The caller looks for 10 us, too, then sleeps: calls that take about as long. */
static void caller_that_falls_asleep_misses_no_result(void)
{
	struct hascall *h = stress_open(&(struct hascall_options){ 0 });
	uint64_t random = stress_seed();
	int64_t end = end_of_test();

	for (unsigned int i = 0; !time_is_over(end); i++) {
		struct timespec t = { .tv_nsec = 1 + stress_below(&random, MOMENTS_NS) };
		uint64_t ticket;

		CHECK_INT(hascall_post(h, SYS_nanosleep, (uint64_t[6]){ (uintptr_t)&t }, 0, 0,
				       &ticket),
			  0);
		wait_in_turn(h, ticket, i);
	}
	hascall_close(h);
}

/* Calls that would wait for ever, cancelled while they are found, begun, and waited in. */
static void call_is_cancelled_at_whatever_moment(void)
{
	static const uint32_t workers[] = { 1, 2, 8 };
	uint64_t random = stress_seed();

	for (unsigned int i = 0; i < ARRAY_COUNT(workers); i++) {
		struct hascall *h =
			stress_open(&(struct hascall_options){ .workers_max = workers[i] });
		int64_t end = end_of_test();

		while (!time_is_over(end)) {
			uint64_t ticket;
			int64_t ret = 0;

			CHECK_INT(hascall_post(h, SYS_poll, (uint64_t[6]){ 0, 0, UINT64_MAX }, 0, 0,
					       &ticket),
				  0);
			pause_for(stress_below(&random,
					       stress_chance(&random, 4) ? MOMENTS_NS : 6000));
			CHECK_INT(hascall_cancel(h, ticket), 0);
			CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
			CHECK_INT(ret, -ECANCELED);
		}
		hascall_close(h);
	}
}

static void call_is_over_at_whatever_moment(void)
{
	struct hascall *h = stress_open(&(struct hascall_options){ 0 });
	uint64_t random = stress_seed();
	int64_t end = end_of_test();

	while (!time_is_over(end)) {
		struct hascall_call call = { .num = SYS_poll, .arg = { 0, 0, UINT64_MAX } };
		uint64_t ticket;
		int64_t ret = 0;

		call.timeout_ns = 1 + stress_below(&random, MOMENTS_NS);
		CHECK_INT(hascall_submit(h, &call, 1, 0, &ticket), 0);
		CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
		CHECK_INT(ret, -ETIMEDOUT);
	}
	hascall_close(h);
}

static const struct test tests[] = {
	TEST_LONG(executor_that_falls_asleep_misses_no_ring, 20),
	TEST_LONG(worker_that_falls_asleep_misses_no_post, 20),
	TEST_LONG(worker_that_sleeps_at_once_misses_no_post, 20),
	TEST_LONG(worker_that_ends_misses_no_post, 20),
	TEST_LONG(caller_that_falls_asleep_misses_no_result, 20),
	TEST_LONG(call_is_cancelled_at_whatever_moment, 20),
	TEST_LONG(call_is_over_at_whatever_moment, 20),
};
TEST_MAIN(tests)

/* SPDX-License-Identifier: MIT */
/*
 * test_lent.c - what lent.h promises: workers are lent to the kernel, do what its answers ask
 * for, and go on by themselves when it will not have them. The kernel is an imitation; that
 * the other promises hold with it is what the other tests see, which are built with it too.
 */
#include "test/lib/area.h"
#include "test/lib/fake_kernel.h"

#include "lib/pool.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

static const struct hascall_call quick = { .num = SYS_getppid };

static void call_and_check(struct hascall *h, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		CHECK_INT(result_of(h, submit_one(h, &quick)), getppid());
}

static uint32_t workers(struct hascall *h)
{
	struct hascall_stats stats;

	hascall_get_stats(h, &stats);
	return stats.workers;
}

static void an_area_is_lent_to_the_kernel_that_can(void)
{
	struct hascall *h = area_open(NULL);

	CHECK_INT(hascall_in_kernel(h), 1);
	/* Not the first ones, while the second worker comes. */
	while (fake_get(&fake_kernel.executed) < 100)
		call_and_check(h, 10);
	CHECK_INT(hascall_in_kernel(h), 1);
	hascall_close(h);
	CHECK_INT(fake_get(&fake_kernel.refused), 0);
}

static void without_such_a_kernel_workers_execute(void)
{
	struct hascall *h;

	fake_set(&fake_kernel.is_missing, 1);
	h = area_open(NULL);
	CHECK_INT(hascall_in_kernel(h), 0);
	call_and_check(h, 100);
	CHECK_INT(fake_get(&fake_kernel.executed), 0);
	hascall_close(h);
}

static void a_polling_worker_is_not_lent(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .flags = HASCALL_POLLING });

	CHECK_INT(hascall_in_kernel(h), sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 0 : 1);
	call_and_check(h, 100);
	hascall_close(h);
}

static void whatever_the_kernel_says_calls_are_executed(void)
{
	const long answers[] = { -EPERM, -EFAULT, -EBADF, -ENOTTY, -EINVAL, -ENOSYS, 77 };

	for (unsigned int i = 0; i < ARRAY_COUNT(answers); i++)
		for (unsigned int before = 0; before < 2; before++) {
			struct hascall *h;

			fake_set(&fake_kernel.refuse, before ? answers[i] : 0);
			h = area_open(NULL);
			CHECK_INT(hascall_in_kernel(h), 1);
			if (!before)
				call_and_check(h, 10);
			fake_set(&fake_kernel.refuse, answers[i]);
			call_and_check(h, 100);
			/* The only worker executes by itself until another, on its way, arrives. */
			while (hascall_in_kernel(h))
				call_and_check(h, 1);
			hascall_close(h);
		}
}

static void damage_that_the_kernel_finds_ends_the_area(void)
{
	struct hascall *h = area_open(NULL);

	call_and_check(h, 10);
	fake_set(&fake_kernel.refuse, -EPROTO);
	call_and_check(h, 1);
	while (hascall_in_kernel(h))
		usleep(1000);
	CHECK_INT(hascall_submit(h, &quick, 1, 0, NULL), -EPROTO);
	hascall_close(h);
}

/* Once, each of them, and in order. */
static void a_chain_the_kernel_has_left_is_gone_on_with(void)
{
	struct test_pipe p = pipe_open();
	struct hascall_call call[4];
	char bytes[8] = "";

	for (unsigned int begun = 0; begun < 3; begun++) {
		uint64_t ticket[ARRAY_COUNT(call)];
		struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
		struct test_pipe gate = pipe_open();
		uint64_t running = occupy(h, &gate, bytes);

		for (unsigned int i = 0; i < ARRAY_COUNT(call); i++) {
			call[i] = write_call(p.in, &"abcd"[i], 1);
			call[i].flags = i < 3 ? HASCALL_CHAIN : 0;
		}
		/* One of the later ones takes the result of the first for its length. */
		call[2].from[2] = 2;
		CHECK_INT(hascall_submit(h, call, ARRAY_COUNT(call), 0, ticket), 0);
		fake_set(&fake_kernel.refuse_begun, begun > 0);
		fake_set(&fake_kernel.refuse, begun == 2 ? -EPERM : -EFAULT);
		pipe_feed(&gate);
		CHECK_INT(result_of(h, running), 1);
		for (unsigned int i = 0; i < ARRAY_COUNT(call); i++)
			CHECK_INT(result_of(h, ticket[i]), 1);
		CHECK_INT(read(p.out, bytes, sizeof(bytes)), 4);
		CHECK(memcmp(bytes, "abcd", 4) == 0);
		CHECK_INT(hascall_in_kernel(h), 0);
		hascall_close(h);
		pipe_close(&gate);
		fake_kernel = (struct fake_kernel){ 0 };
	}
	pipe_close(&p);
}

static void another_worker_comes_when_none_is_left(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .parallel = 1, .idle_ms = 20 });
	struct test_pipe p = pipe_open();
	char bytes[5];

	for (unsigned int i = 0; i < ARRAY_COUNT(bytes); i++)
		occupy(h, &p, &bytes[i]);
	call_and_check(h, 10);
	CHECK(fake_get(&fake_kernel.grow) > 0);
	CHECK(workers(h) > ARRAY_COUNT(bytes));
	for (unsigned int i = 0; i < ARRAY_COUNT(bytes); i++)
		pipe_feed(&p);
	CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
	/* It goes when it is not needed. */
	while (workers(h) > 2)
		usleep(5000);
	CHECK(fake_get(&fake_kernel.idle) > 0);
	call_and_check(h, 10);
	hascall_close(h);
	pipe_close(&p);
}

static void who_sleeps_is_told(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .flags = HASCALL_NO_SPIN });
	const struct timespec moment = { .tv_nsec = 2000000 };
	const struct hascall_call sleep = { .num = SYS_nanosleep, .arg = { ADDRESS(&moment) } };

	/* On a busy machine the call may be over before this thread sleeps, some times. */
	while (!fake_get(&fake_kernel.tell)) {
		submit_one(h, &sleep);
		CHECK_INT(hascall_wait_any(h, -1, 0), 0);
		CHECK_INT(hascall_reap(h, ignore_result, NULL), 1);
	}
	hascall_close(h);
}

/* The kernel's error stands for what it would have asked for, too. */
static void who_sleeps_is_told_by_a_worker_that_falls(void)
{
	const int eventfd_of_ours = eventfd(0, EFD_NONBLOCK);
	struct hascall *h;
	uint64_t rings;

	h = area_open(&(struct hascall_options){ .flags = HASCALL_USE_EVENTFD,
						 .eventfd = eventfd_of_ours });
	while (!fake_get(&fake_kernel.executed))
		call_and_check(h, 1);
	CHECK_INT(hascall_reap(h, ignore_result, NULL), 0);
	(void)!read(eventfd_of_ours, &rings, sizeof(rings));
	fake_set(&fake_kernel.refuse_told, -EFAULT);
	while (hascall_in_kernel(h)) {
		int count = 0;

		submit_one(h, &quick);
		while (count == 0) { /* the first ring may be a late one, for an earlier call */
			while (read(eventfd_of_ours, &rings, sizeof(rings)) < 0)
				usleep(1000);
			count = hascall_reap(h, ignore_result, NULL);
		}
		CHECK_INT(count, 1);
	}
	hascall_close(h);
	close(eventfd_of_ours);
}

/* Whether it can be begun again, or says -EINTR itself. */
static void a_call_that_is_called_back_says_why(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	char byte;
	struct hascall_call call = read_call(p.out, &byte, 1);

	while (!fake_get(&fake_kernel.executed))
		call_and_check(h, 1);
	for (unsigned int i = 0; i < 40 || !fake_get(&fake_kernel.interrupted); i++) {
		uint64_t ticket;

		call.timeout_ns = i % 4 / 2 ? 1000000 : 0;
		ticket = submit_one(h, &call);
		if (!call.timeout_ns) {
			usleep(1000);
			CHECK_INT(hascall_cancel(h, ticket), 0);
		}
		CHECK_INT(result_of(h, ticket), call.timeout_ns ? -ETIMEDOUT : -ECANCELED);
	}
	call_and_check(h, 10);
	CHECK_INT(hascall_in_kernel(h), 1);
	/* Nobody is called back any more, once the last one has come out. */
	for (unsigned int i = 0; i < 10000 && __atomic_load_n(&h->attention, __ATOMIC_RELAXED); i++)
		usleep(1000);
	CHECK_INT(__atomic_load_n(&h->attention, __ATOMIC_RELAXED), 0);
	hascall_close(h);
	pipe_close(&p);
}

/* From now on, no thread of this process can start another. */
/* The executor has lost its processor between the claim and what it shows. */
static void who_shows_a_call_late_is_waited_for(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	struct test_pipe p = pipe_open();
	uint64_t running;
	char byte = 0;

	fake_set(&fake_kernel.late_ms, 20);
	running = occupy(h, &p, &byte);
	CHECK_INT(hascall_cancel(h, running), 0);
	CHECK_INT(result_of(h, running), -ECANCELED);
	fake_set(&fake_kernel.late_ms, 0);
	hascall_close(h);
	pipe_close(&p);
}

static void forbid_threads(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { ARRAY_COUNT(code), code };

	CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_INT(
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program),
		0);
}

static void where_none_can_be_started_the_one_that_is_there_executes(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .parallel = 1 });
	struct test_pipe p = pipe_open();
	uint64_t running = 0, waiting;
	uint32_t there;
	char bytes[64];

	call_and_check(h, 1);
	forbid_threads();
	there = workers(h);
	for (uint32_t i = 0; i < there; i++)
		running = occupy(h, &p, &bytes[i]);
	waiting = submit_one(h, &quick);
	usleep(20000);
	CHECK_INT(workers(h), there);
	for (uint32_t i = 0; i < there; i++)
		pipe_feed(&p);
	CHECK_INT(result_of(h, running), 1);
	CHECK_INT(result_of(h, waiting), getppid());
	hascall_close(h);
	pipe_close(&p);
}

static const struct test tests[] = {
	TEST(an_area_is_lent_to_the_kernel_that_can),
	TEST(without_such_a_kernel_workers_execute),
	TEST(a_polling_worker_is_not_lent),
	TEST(whatever_the_kernel_says_calls_are_executed),
	TEST(damage_that_the_kernel_finds_ends_the_area),
	TEST(a_chain_the_kernel_has_left_is_gone_on_with),
	TEST(another_worker_comes_when_none_is_left),
	TEST(who_sleeps_is_told),
	TEST(who_sleeps_is_told_by_a_worker_that_falls),
	TEST(a_call_that_is_called_back_says_why),
	TEST(who_shows_a_call_late_is_waited_for),
	TEST(where_none_can_be_started_the_one_that_is_there_executes),
};
TEST_MAIN(tests)

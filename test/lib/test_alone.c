/* SPDX-License-Identifier: MIT */
/*
 * test_alone.c - what hascall.h promises of areas without threads: there are none until a
 * call needs one, and where none can be started, who waits executes the calls.
 */
#include "test/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <hascall/calls.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static unsigned int threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *d;
	unsigned int count = 0;

	CHECK(tasks != NULL);
	while ((d = readdir(tasks)))
		count += d->d_name[0] != '.';
	closedir(tasks);
	return count;
}

/* From now on, the C library cannot start threads here; a leak sanitizer's clone() works. */
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
	CHECK_INT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static uint64_t post(struct hascall *h, struct hascall_call call, uint32_t flags)
{
	uint64_t ticket;

	CHECK_INT(hascall_submit(h, &call, 1, flags, &ticket), 0);
	return ticket;
}

static void calls_that_waiters_execute_need_no_thread(void)
{
	unsigned int before = threads();
	struct hascall *h;
	int64_t result;

	CHECK_INT(hascall_open(&h, NULL), 0);
	for (unsigned int i = 0; i < 100; i++) {
		uint64_t ticket = post(h, hascall_call_getppid(), HASCALL_MORE);

		CHECK_INT(hascall_wait(h, ticket, -1, HASCALL_HELP, &result), 0);
		CHECK_INT(result, getppid());
	}
	CHECK_INT(threads(), before);
	CHECK_INT(hascall_wait(h, post(h, hascall_call_getppid(), 0), -1, 0, &result), 0);
	CHECK(threads() > before);
	hascall_close(h);
	/* Joined, and still on its way out of the kernel. A sanitizer keeps one of its own. */
	while (!test_sanitized && threads() > before)
		usleep(1000);
}

static void count_results(void *ctx, uint64_t user_data, int64_t ret)
{
	unsigned int *count = ctx;

	(void)user_data;
	CHECK_INT(ret, getppid());
	++*count;
}

static void without_threads_each_wait_executes(void)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	unsigned int count = 0;
	struct hascall *h;
	uint64_t ticket;
	int64_t result;

	CHECK_INT(hascall_open(&h, NULL), 0);
	forbid_threads();
	CHECK_INT(hascall_wait(h, post(h, hascall_call_getppid(), 0), -1, 0, &result), 0);
	CHECK_INT(result, getppid());
	/* Even one that is known to wait. */
	ticket = post(h, hascall_call_clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL), 0);
	CHECK_INT(hascall_wait(h, ticket, -1, 0, &result), 0);
	CHECK_INT(result, 0);
	for (unsigned int i = 0; i < 3; i++)
		post(h, hascall_call_getppid(), 0);
	CHECK_INT(hascall_wait_any(h, -1, 0), 0);
	CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
	CHECK_INT(hascall_reap(h, count_results, &count), 3);
	CHECK_INT(count, 3);
	ticket = post(h, hascall_call_getppid(), 0);
	CHECK_INT(hascall_poll(h, ticket, &result), 0);
	post(h, hascall_call_getppid(), 0);
	CHECK_INT(hascall_reap(h, count_results, &count), 1);
	hascall_close(h);
}

static void without_threads_a_chain_runs_in_order(void)
{
	struct hascall_call call[3];
	uint64_t ticket[3];
	char buffer[4] = "";
	struct hascall *h;
	int64_t result;
	int pipes[2];

	CHECK_INT(hascall_open(&h, NULL), 0);
	forbid_threads();
	CHECK_INT(pipe2(pipes, O_CLOEXEC), 0);
	call[0] = hascall_call_write(pipes[1], "abc", 3);
	call[1] = hascall_call_read(pipes[0], buffer, 0);
	call[2] = hascall_call_close(pipes[0]);
	hascall_from(&call[1], 2, 1);
	hascall_chain_all(call, 3);
	CHECK_INT(hascall_submit(h, call, 3, 0, ticket), 0);
	for (unsigned int i = 3; i-- > 0;)
		CHECK_INT(hascall_wait(h, ticket[i], -1, 0, &result), 0);
	CHECK_STR(buffer, "abc");
	close(pipes[1]);
	hascall_close(h);
}

/* What is left of it begins with its second call, which a wait for that one must find. */
static void without_threads_the_rest_of_a_cancelled_chain_runs(void)
{
	for (unsigned int is_waited_for = 0; is_waited_for < 2; is_waited_for++) {
		struct hascall_call call[2] = { hascall_call_getppid() };
		uint64_t ticket[2];
		char bytes[2] = "";
		struct hascall *h;
		int64_t result;
		int pipes[2];

		CHECK_INT(hascall_open(&h, NULL), 0);
		if (!is_waited_for)
			forbid_threads();
		CHECK_INT(pipe2(pipes, O_CLOEXEC), 0);
		call[0].flags = HASCALL_CHAIN;
		call[1] = hascall_call_write(pipes[1], "a", 1);
		call[1].flags = HASCALL_ALWAYS;
		CHECK_INT(hascall_submit(h, call, 2, HASCALL_MORE, ticket), 0);
		CHECK_INT(hascall_cancel(h, ticket[0]), 0);
		if (is_waited_for) {
			CHECK_INT(hascall_wait(h, ticket[1], -1, 0, &result), 0);
			CHECK_INT(result, 1);
		}
		hascall_close(h);
		CHECK_INT(read(pipes[0], bytes, sizeof(bytes)), 1);
		close(pipes[0]);
		close(pipes[1]);
	}
}

static void without_threads_nobody_promises_a_timeout(void)
{
	struct hascall_call call = hascall_call_getppid();
	const struct hascall_options polling = { .size = sizeof(polling),
						 .flags = HASCALL_POLLING };
	struct hascall *h;

	CHECK_INT(hascall_open(&h, NULL), 0);
	forbid_threads();
	call.timeout_ns = 1000000000;
	CHECK_INT(hascall_submit(h, &call, 1, 0, NULL), -EAGAIN);
	CHECK_INT(hascall_in_flight(h), 0);
	hascall_close(h);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		CHECK_INT(hascall_open(&h, &polling), -EAGAIN);
}

static const struct test tests[] = {
	TEST(calls_that_waiters_execute_need_no_thread),
	TEST(without_threads_each_wait_executes),
	TEST(without_threads_a_chain_runs_in_order),
	TEST(without_threads_the_rest_of_a_cancelled_chain_runs),
	TEST(without_threads_nobody_promises_a_timeout),
};
TEST_MAIN(tests)

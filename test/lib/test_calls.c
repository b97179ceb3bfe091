/*
 * test_calls.c - what calls.h and do_syscall.h promise: which numbers are
 * executed, which refused, for the whole range; and that a call does what it says.
 */
#include "lib/do_syscall.h"
#include "test/harness.h"

#include <linux/futex.h>
#include <linux/wait.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int check(uint32_t num, uint64_t first, uint64_t second)
{
	const struct slot_call call = { .num = num, .arg = { first, second } };

	return call_check(&call);
}

static void calls_about_the_thread_or_process_are_refused(void)
{
	static const uint32_t refused[] = {
		SYS_exit,
		SYS_exit_group,
		SYS_fork,
		SYS_vfork,
		SYS_clone,
		SYS_clone3,
		SYS_execve,
		SYS_execveat,
		SYS_rt_sigreturn,
		SYS_sigaltstack,
		SYS_rt_sigprocmask,
		SYS_gettid,
		SYS_set_tid_address,
		SYS_set_robust_list,
		SYS_rseq,
		SYS_arch_prctl,
		SYS_prctl,
		SYS_seccomp,
		SYS_unshare,
		SYS_setns,
		SYS_setuid,
		SYS_setresgid,
		SYS_capset,
		SYS_ptrace,
		SYS_pause,
		SYS_restart_syscall,
		SYS_pkey_alloc,
		SYS_landlock_restrict_self,
	};

	for (size_t i = 0; i < ARRAY_COUNT(refused); i++)
		CHECK_INT(check(refused[i], 0, 0), -EOPNOTSUPP);
}

static void numbers_without_a_call_are_enosys(void)
{
	CHECK_INT(check(SYS_uselib, 0, 0), -ENOSYS);
	CHECK_INT(check(337, 0, 0), -ENOSYS);
	CHECK_INT(check(423, 0, 0), -ENOSYS);
	CHECK_INT(check(CALL_NUMBERS - 1, 0, 0), -ENOSYS);
	CHECK_INT(check(CALL_NUMBERS, 0, 0), -ENOSYS);
	CHECK_INT(check(UINT32_MAX & ~CALL_X32_BIT, 0, 0), -ENOSYS);
}

static void x32_numbers_are_refused(void)
{
	CHECK_INT(check(CALL_X32_BIT | SYS_getppid, 0, 0), -EOPNOTSUPP);
	CHECK_INT(check(CALL_X32_BIT | 512, 0, 0), -EOPNOTSUPP);
}

static void every_number_of_the_kernel_headers_is_in_the_table(void)
{
	unsigned int known = 0;

	/* 0..334 and 424..462 are without a gap since Linux 6.10 */
	for (uint32_t num = 0; num < CALL_NUMBERS; num++) {
		bool listed = call_classes[num] != CALL_UNKNOWN;

		if (num <= 334 || (num >= 424 && num <= 462))
			CHECK(listed);
		known += listed;
	}
	CHECK_INT(known, 383);
}

static void arguments_decide_where_the_table_says_so(void)
{
	const struct slot_call unshare = { .num = SYS_close_range, .arg = { 3, 9, 1 << 1 } };
	const struct slot_call wait_own = { .num = SYS_wait4, .arg = { 0, 0, __WNOTHREAD } };
	const struct slot_call wait_id_own = { .num = SYS_waitid, .arg = { 0, 0, 0, __WNOTHREAD } };

	CHECK_INT(check(SYS_futex, 0, FUTEX_WAKE), CALL_MAY_RUN);
	CHECK_INT(check(SYS_futex, 0, FUTEX_WAIT | FUTEX_PRIVATE_FLAG), CALL_MAY_WAIT);
	CHECK_INT(check(SYS_futex, 0, FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG), -EOPNOTSUPP);
	CHECK_INT(check(SYS_futex, 0, UINT64_C(1) << 32 | FUTEX_UNLOCK_PI), -EOPNOTSUPP);
	CHECK_INT(check(SYS_sched_getaffinity, 0, 0), -EOPNOTSUPP);
	CHECK_INT(check(SYS_sched_getaffinity, UINT64_C(1) << 32, 0), -EOPNOTSUPP);
	CHECK_INT(check(SYS_sched_getaffinity, 1, 0), CALL_MAY_RUN);
	CHECK_INT(check(SYS_clock_gettime, CLOCK_MONOTONIC, 0), CALL_MAY_RUN);
	CHECK_INT(check(SYS_clock_gettime, CLOCK_THREAD_CPUTIME_ID, 0), -EOPNOTSUPP);
	CHECK_INT(check(SYS_getrusage, RUSAGE_SELF, 0), CALL_MAY_RUN);
	CHECK_INT(check(SYS_getrusage, RUSAGE_THREAD, 0), -EOPNOTSUPP);
	CHECK_INT(check(SYS_setpriority, PRIO_PROCESS, 0), -EOPNOTSUPP);
	CHECK_INT(check(SYS_setpriority, PRIO_PGRP, 0), CALL_MAY_RUN);
	CHECK_INT(check(SYS_perf_event_open, 0, 0), -EOPNOTSUPP);
	CHECK_INT(check(SYS_timer_create, CLOCK_MONOTONIC, 0), CALL_MAY_RUN);
	CHECK_INT(check(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, 0), -EOPNOTSUPP);
	/* Thread 0's times by number; the process's. */
	CHECK_INT(check(SYS_clock_gettime, UINT32_MAX - 1, 0), -EOPNOTSUPP);
	CHECK_INT(check(SYS_clock_gettime, UINT64_MAX - 3, 0), -EOPNOTSUPP);
	CHECK_INT(check(SYS_clock_gettime, UINT64_MAX - 5, 0), CALL_MAY_RUN);
	CHECK_INT(check(SYS_close_range, 3, 9), CALL_MAY_RUN);
	CHECK_INT(call_check(&wait_own), -EOPNOTSUPP);
	CHECK_INT(call_check(&wait_id_own), -EOPNOTSUPP);
	CHECK_INT(check(SYS_wait4, 0, 0), CALL_MAY_WAIT);
	CHECK_INT(check(SYS_waitid, 0, 0), CALL_MAY_WAIT);
	CHECK_INT(call_check(&unshare), -EOPNOTSUPP);
	CHECK_INT(check(SYS_fcntl, 0, 7 /* F_SETLKW */), CALL_MAY_WAIT);
	CHECK_INT(check(SYS_fcntl, 0, 1 /* F_GETFD */), CALL_MAY_RUN);
	CHECK_INT(check(SYS_nanosleep, 0, 0), CALL_MAY_WAIT);
}

static void allowed_call_is_executed_with_its_six_arguments(void)
{
	char text[] = "0123456789";
	char got[8] = "";
	int fds[2];
	struct slot_call call = { .num = SYS_getpid };

	CHECK_INT(do_syscall(&call), getpid());
	CHECK_INT(pipe(fds), 0);
	call = (struct slot_call){ .num = SYS_write,
				   .arg = { (uint64_t)fds[1], (uintptr_t)text, 4 } };
	CHECK_INT(do_syscall(&call), 4);
	call = (struct slot_call){ .num = SYS_read,
				   .arg = { (uint64_t)fds[0], (uintptr_t)got, sizeof(got) } };
	CHECK_INT(do_syscall(&call), 4);
	CHECK_STR(got, "0123");
	call = (struct slot_call){ .num = SYS_mmap, .arg = { 0, 4096, 3, 0x22, UINT64_MAX, 1 } };
	CHECK_INT(do_syscall(&call), -EINVAL); /* the sixth, an offset that is not of a page */
	close(fds[0]);
	close(fds[1]);
	call = (struct slot_call){ .num = SYS_close, .arg = { (uint64_t)fds[0] } };
	CHECK_INT(do_syscall(&call), -EBADF);
}

static void refused_call_does_not_happen(void)
{
	struct slot_call call = { .num = SYS_exit_group, .arg = { 9 } };

	CHECK_INT(do_syscall(&call), -EOPNOTSUPP); /* or the test would end here */
	call.num = CALL_X32_BIT | SYS_getpid;
	CHECK_INT(do_syscall(&call), -EOPNOTSUPP);
}

static const struct test tests[] = {
	TEST(calls_about_the_thread_or_process_are_refused),
	TEST(numbers_without_a_call_are_enosys),
	TEST(x32_numbers_are_refused),
	TEST(every_number_of_the_kernel_headers_is_in_the_table),
	TEST(arguments_decide_where_the_table_says_so),
	TEST(allowed_call_is_executed_with_its_six_arguments),
	TEST(refused_call_does_not_happen),
};
TEST_MAIN(tests)

// SPDX-License-Identifier: GPL-2.0-only
/*
 * selftest.c - the system calls of a patched kernel, in short:
 * tools/testing/selftests/async_syscall/ there. The project's own tests say more.
 */
#include <errno.h>
#include <linux/async_syscall.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../kselftest_harness.h"

#define ENTRIES 8
#define EXECUTORS 3

FIXTURE(area)
{
	int number;
	pthread_t thread[EXECUTORS];
};

static struct syscall_info entry[ENTRIES];
static int number;

static void *lend(void *record)
{
	return (void *)syscall(ASYNC_SYSCALL_EXEC_NUMBER, number, record);
}

static void post(struct syscall_info *e, __u32 call, __u64 first, __u64 second, __u64 third)
{
	e->num = call;
	e->arg[0] = first;
	e->arg[1] = second;
	e->arg[2] = third;
	__atomic_store_n(&e->state, SYSCALL_HASCALL, __ATOMIC_RELEASE);
}

static __s64 take(struct syscall_info *e)
{
	while (__atomic_load_n(&e->state, __ATOMIC_ACQUIRE) != SYSCALL_COMPLETED)
		usleep(100);
	__atomic_store_n(&e->state, SYSCALL_NONE, __ATOMIC_RELEASE);
	return e->ret;
}

static __s64 call(__u32 call_number, __u64 first, __u64 second, __u64 third)
{
	post(&entry[1], call_number, first, second, third);
	return take(&entry[1]);
}

FIXTURE_SETUP(area)
{
	static struct async_syscall_executor record[EXECUTORS];
	struct async_syscall_setup setup = { .size = sizeof(setup),
					     .array = (unsigned long)entry,
					     .count = ENTRIES };

	number = syscall(ASYNC_SYSCALL_INIT_NUMBER, &setup, 0);
	if (number < 0 && errno == ENOSYS)
		SKIP(return, "CONFIG_ASYNC_SYSCALL is not set");
	ASSERT_GE(number, 0);
	for (int i = 0; i < EXECUTORS; i++)
		ASSERT_EQ(0, pthread_create(&self->thread[i], NULL, lend, &record[i]));
}

FIXTURE_TEARDOWN(area)
{
	entry[0].state = SYSCALL_END;
	for (int i = 0; i < EXECUTORS; i++) {
		void *why = NULL;

		EXPECT_EQ(0, pthread_join(self->thread[i], &why));
		EXPECT_EQ(ASYNC_SYSCALL_ENDED, (long)why);
	}
	EXPECT_EQ(0, syscall(ASYNC_SYSCALL_INIT_NUMBER, NULL, number));
}

TEST_F(area, calls_are_executed_as_the_process)
{
	EXPECT_EQ(getpid(), call(SYS_getpid, 0, 0, 0));
	EXPECT_EQ(-EBADF, call(SYS_close, -1, 0, 0));
	EXPECT_EQ(-EOPNOTSUPP, call(SYS_fork, 0, 0, 0));
	EXPECT_EQ(-ENOSYS, call(ASYNC_SYSCALL_EXEC_NUMBER, 0, 0, 0));
}

TEST_F(area, an_executor_that_sleeps_is_replaced)
{
	char byte = 0;
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	post(&entry[2], SYS_read, fds[0], (unsigned long)&byte, 1);
	EXPECT_EQ(1, call(SYS_write, fds[1], (unsigned long)"x", 1));
	EXPECT_EQ(1, take(&entry[2]));
	EXPECT_EQ('x', byte);
}

TEST_F(area, a_filter_is_asked_about_each_call)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = code };

	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ASSERT_EQ(0, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
			     &program));
	EXPECT_EQ(-EACCES, call(SYS_getppid, 0, 0, 0));
	EXPECT_EQ(getpid(), call(SYS_getpid, 0, 0, 0));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * selftest.c - what async_syscall.rst promises, in short: tools/testing/selftests/async_syscall
 * of a patched kernel. Speaks TAP; ends with 0, 1 (a test failed) or 4 (nothing to test).
 */
#include <hascall/kernel.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES 8
#define EXECUTORS 3
#define SKIPPED 4 /* KSFT_SKIP */

static struct syscall_info entry[ENTRIES];
static struct async_syscall_executor record[EXECUTORS];
static pthread_t thread[EXECUTORS];
static int number;

#define EXPECT(condition)                                                                \
	do {                                                                             \
		if (!(condition)) {                                                      \
			printf("# %s:%d: not so: %s\n", __func__, __LINE__, #condition); \
			fflush(stdout);                                                  \
			_exit(1);                                                        \
		}                                                                        \
	} while (0)

static struct async_syscall_setup make_setup(void)
{
	return (struct async_syscall_setup){
		.size = sizeof(struct async_syscall_setup),
		.array = (unsigned long)entry,
		.count = ENTRIES,
	};
}

static long init(const struct async_syscall_setup *setup, int area)
{
	return syscall(ASYNC_SYSCALL_INIT_NUMBER, setup, area);
}

static void *lend(void *own_record)
{
	return (void *)syscall(ASYNC_SYSCALL_EXEC_NUMBER, number, own_record);
}

static void begin(void)
{
	struct async_syscall_setup setup = make_setup();

	number = (int)init(&setup, 0);
	EXPECT(number >= 0);
	for (int i = 0; i < EXECUTORS; i++)
		EXPECT(pthread_create(&thread[i], NULL, lend, &record[i]) == 0);
}

static void end(void)
{
	__atomic_store_n(&entry[0].state, SYSCALL_END, __ATOMIC_RELEASE);
	for (int i = 0; i < EXECUTORS; i++) {
		void *why = NULL;

		EXPECT(pthread_join(thread[i], &why) == 0);
		EXPECT((long)why == ASYNC_SYSCALL_ENDED);
	}
	EXPECT(init(NULL, number) == 0);
}

static void post(struct syscall_info *e, unsigned int num, unsigned long first,
		 unsigned long second, unsigned long third)
{
	e->num = num;
	e->arg[0] = first;
	e->arg[1] = second;
	e->arg[2] = third;
	__atomic_store_n(&e->state, SYSCALL_HASCALL, __ATOMIC_RELEASE);
}

static long take(struct syscall_info *e)
{
	while (__atomic_load_n(&e->state, __ATOMIC_ACQUIRE) != SYSCALL_COMPLETED)
		usleep(100);
	__atomic_store_n(&e->state, SYSCALL_NONE, __ATOMIC_RELEASE);
	return (long)e->ret;
}

static long call(unsigned int num, unsigned long first, unsigned long second, unsigned long third)
{
	post(&entry[1], num, first, second, third);
	return take(&entry[1]);
}

static void the_auxiliary_vector_tells(void)
{
	EXPECT(getauxval(AT_ASYNC_SYSCALL) == ASYNC_SYSCALL_INIT_NUMBER);
}

static void a_wrong_setup_is_refused(void)
{
	struct async_syscall_setup setup = make_setup();

	setup.array++;
	EXPECT(init(&setup, 0) == -1 && errno == EINVAL);
	setup = make_setup();
	setup.flags = 1;
	EXPECT(init(&setup, 0) == -1 && errno == EINVAL);
	EXPECT(init((const void *)8, 0) == -1 && errno == EFAULT);
	EXPECT(init(NULL, 0) == -1 && errno == EBADF);
	EXPECT((long)lend(&record[0]) == -1 && errno == EBADF);
}

static void calls_are_executed_as_the_process(void)
{
	begin();
	EXPECT(call(SYS_getpid, 0, 0, 0) == getpid());
	EXPECT(call(SYS_close, -1ul, 0, 0) == -EBADF);
	EXPECT(call(SYS_fork, 0, 0, 0) == -EOPNOTSUPP);
	EXPECT(call(ASYNC_SYSCALL_EXEC_NUMBER, 0, 0, 0) == -ENOSYS);
	EXPECT(init(NULL, number) == -1 && errno == EBUSY);
	end();
}

static void an_executor_that_sleeps_is_replaced(void)
{
	char byte = 0;
	int fds[2];

	EXPECT(pipe(fds) == 0);
	begin();
	post(&entry[2], SYS_read, fds[0], (unsigned long)&byte, 1);
	EXPECT(call(SYS_write, fds[1], (unsigned long)"x", 1) == 1);
	EXPECT(take(&entry[2]) == 1);
	EXPECT(byte == 'x');
	end();
}

static void a_filter_is_asked_about_each_call(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = code };

	begin();
	EXPECT(call(SYS_getppid, 0, 0, 0) == getppid());
	EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	EXPECT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) ==
	       0);
	EXPECT(call(SYS_getppid, 0, 0, 0) == -EACCES);
	EXPECT(call(SYS_getpid, 0, 0, 0) == getpid());
	end();
}

static void a_child_has_no_areas(void)
{
	int status = -1;
	pid_t child;

	begin();
	child = fork();
	EXPECT(child >= 0);
	if (child == 0) {
		EXPECT((long)lend(&record[0]) == -1 && errno == EBADF);
		_exit(0);
	}
	EXPECT(waitpid(child, &status, 0) == child && status == 0);
	end();
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "the auxiliary vector tells", the_auxiliary_vector_tells },
	{ "a wrong setup is refused", a_wrong_setup_is_refused },
	{ "calls are executed as the process", calls_are_executed_as_the_process },
	{ "an executor that sleeps is replaced", an_executor_that_sleeps_is_replaced },
	{ "a filter is asked about each call", a_filter_is_asked_about_each_call },
	{ "a child has no areas", a_child_has_no_areas },
};

/* In a process of its own, which a filter does not outlive: did it pass? */
static int passes(void (*run)(void))
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		run();
		_exit(0);
	}
	return waitpid(child, &status, 0) == child && status == 0;
}

int main(void)
{
	unsigned int count = sizeof(tests) / sizeof(tests[0]);
	int failed = 0;

	/* Not asked of the auxiliary vector, which is to be tested. */
	if (init(NULL, -1) == -1 && errno == ENOSYS) {
		printf("TAP version 13\n1..0 # SKIP CONFIG_ASYNC_SYSCALL is not set\n");
		return SKIPPED;
	}
	printf("TAP version 13\n1..%u\n", count);
	for (unsigned int i = 0; i < count; i++) {
		int passed;

		fflush(stdout);
		passed = passes(tests[i].run);
		printf("%sok %u %s\n", passed ? "" : "not ", i + 1, tests[i].name);
		failed |= !passed;
	}
	return failed;
}

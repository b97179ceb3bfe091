/*
 * test_patched.c - what only a patched kernel does for posted calls: seccomp, as if the thread had
 * made them by itself.
 */
#include "test/harness.h"
#include "test/kernel/filter.h"
#include "test/kernel/lent.h"
#include "test/kernel/trace.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#define ENTRIES 64u
#define END_ENTRY (ENTRIES - 1)

static struct syscall_info entry[ENTRIES];
static struct lent_area area;

static void begin(uint32_t threads)
{
	if (!lent_is_there() || !lent_is_patched())
		SKIP("this kernel is not patched");
	CHECK_INT(lent_begin(&area, entry, ENTRIES), 0);
	lent_start(&area, threads);
}

static void a_filter_is_asked_about_each_call(void)
{
	begin(2);
	CHECK_INT(lent_call(&area, 1, SYS_getppid, NO_ARGS), getppid());
	forbid_getppid(SECCOMP_RET_ERRNO | EACCES, SECCOMP_FILTER_FLAG_TSYNC);
	CHECK_INT(lent_call(&area, 1, SYS_getppid, NO_ARGS), -EACCES);
	CHECK_INT(lent_call(&area, 1, SYS_getpid, NO_ARGS), getpid());
	lent_end(&area, END_ENTRY);
}

/* By these the kernel tells itself that a call is to begin again: here nothing has begun. */
static void a_filter_cannot_make_a_call_begin_again_for_ever(void)
{
	static const uint32_t again[] = { 512, 513, 514, 516 };
	static const uint32_t num[] = { SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid };

	begin(2);
	for (uint32_t i = 0; i < ARRAY_COUNT(again); i++) {
		forbid(num[i], SECCOMP_RET_ERRNO | again[i], SECCOMP_FILTER_FLAG_TSYNC);
		CHECK_INT(lent_call(&area, 1, num[i], NO_ARGS), -EINTR);
	}
	lent_end(&area, END_ENTRY);
}

/* A filter that kills: the thread that executes dies; the others go on with the place it had. */
static void a_filter_may_kill_the_executor(void)
{
	begin(3);
	forbid_getppid(SECCOMP_RET_KILL_THREAD, SECCOMP_FILTER_FLAG_TSYNC);
	lent_post(&area, 1, SYS_getppid, NO_ARGS);
	lent_await(&area, 1, SYSCALL_EXECUTING);
	CHECK_INT(lent_call(&area, 2, SYS_getpid, NO_ARGS), getpid());
	CHECK_INT(slot_state(&entry[1]), SYSCALL_EXECUTING);
	_exit(0); /* one of the threads cannot be joined */
}

static void a_filter_may_kill_the_process(void)
{
	int status = 0;
	pid_t child;

	begin(0);
	CHECK_INT(lent_forget(&area), 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		begin(2);
		forbid_getppid(SECCOMP_RET_KILL_PROCESS, SECCOMP_FILTER_FLAG_TSYNC);
		lent_post(&area, 1, SYS_getppid, NO_ARGS);
		pause();
	}
	CHECK_INT(waitpid(child, &status, 0), child);
	CHECK_INT(WTERMSIG(status), SIGSYS);
}

static void tracing_sees_posted_calls(void)
{
	begin(1);
	trace_begin(SYS_getppid);
	for (uint32_t i = 0; i < 5; i++)
		CHECK_INT(lent_call(&area, 1, SYS_getppid, NO_ARGS), getppid());
	CHECK_INT(trace_end(), 10); /* five plain ones */
	lent_end(&area, END_ENTRY);
}

/* A trap is a signal to the thread that executes; its handler runs, then it goes on. */
static uint32_t trapped;

static void on_trap(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	__atomic_store_n(&trapped, (uint32_t)info->si_syscall, __ATOMIC_RELAXED);
}

static void a_filter_may_trap(void)
{
	struct sigaction action = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO };

	CHECK_INT(sigaction(SIGSYS, &action, NULL), 0);
	begin(1);
	forbid_getppid(SECCOMP_RET_TRAP, SECCOMP_FILTER_FLAG_TSYNC);
	CHECK_INT(lent_call(&area, 1, SYS_getppid, NO_ARGS), -ENOSYS);
	while (__atomic_load_n(&trapped, __ATOMIC_RELAXED) != SYS_getppid)
		usleep(200);
	CHECK_INT(lent_call(&area, 1, SYS_getpid, NO_ARGS), getpid());
	lent_end(&area, END_ENTRY);
}

static const struct test tests[] = {
	TEST(a_filter_is_asked_about_each_call),
	TEST(a_filter_cannot_make_a_call_begin_again_for_ever),
	TEST(a_filter_may_kill_the_executor),
	TEST(a_filter_may_kill_the_process),
	TEST(a_filter_may_trap),
	TEST(tracing_sees_posted_calls),
};
TEST_MAIN(tests)

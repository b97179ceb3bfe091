/*
 * test_module.c - what is so with the module only: threads it may not serve, its descriptor.
 */
#include "test/harness.h"
#include "test/kernel/filter.h"
#include "test/kernel/lent.h"
#include "test/kernel/trace.h"

#include <errno.h>
#include <fcntl.h>

#define ENTRIES 64u
#define END_ENTRY (ENTRIES - 1)

static struct syscall_info entry[ENTRIES];
static struct lent_area area;

static void begin(uint32_t threads)
{
	if (!lent_is_there() || lent_is_patched())
		SKIP("this kernel has not the module");
	CHECK_INT(lent_begin(&area, entry, ENTRIES), 0);
	lent_start(&area, threads);
}

static void a_posted_call_cannot_lend_its_executor(void)
{
	static struct async_syscall_executor record;

	begin(2);
	CHECK_INT(lent_call(&area, 0, SYS_ioctl,
			    ARGS((uint64_t)area.handle, HASCALL_EXEC, (uintptr_t)&record)),
		  -EDEADLK);
	lent_end(&area, 63);
}

static void a_filtered_thread_is_refused(void)
{
	static struct async_syscall_executor record;

	begin(0);
	forbid_getppid(SECCOMP_RET_ERRNO | EACCES, 0);
	CHECK_INT(slot_post(&entry[1], SYS_getppid, NO_ARGS), 0);
	CHECK_INT(lent_exec(&area, &record), -EPERM);
	CHECK_INT(slot_state(&entry[1]), SYSCALL_HASCALL); /* somebody else may execute it */
	CHECK_INT(lent_forget(&area), 0);
}

static void a_filter_put_on_all_threads_stops_the_executors(void)
{
	begin(2);
	CHECK_INT(lent_call(&area, 1, SYS_getppid, NO_ARGS), getppid());
	forbid_getppid(SECCOMP_RET_ERRNO | EACCES, SECCOMP_FILTER_FLAG_TSYNC);
	lent_post(&area, 1, SYS_getppid, NO_ARGS);
	lent_ring_all(&area);
	lent_join(&area, -EPERM);
	CHECK_INT(slot_state(&entry[1]), SYSCALL_HASCALL);
	CHECK_INT(lent_forget(&area), 0);
}

/* Who stays has the area; who makes a trip through user mode meanwhile finds no descriptor. */
static void a_descriptor_closed_under_its_executors_frees_nothing(void)
{
	begin(3);
	CHECK_INT(lent_call(&area, 1, SYS_getpid, NO_ARGS), getpid());
	lent_post(&area, 2, SYS_close, ARGS((uint64_t)area.handle));
	while (fcntl(area.handle, F_GETFD) >= 0)
		usleep(200);
	usleep(20 * 1000);
	CHECK_INT(slot_end(&entry[END_ENTRY]), 0);
	lent_ring(&area);
	for (uint32_t i = 0; i < area.count; i++) {
		CHECK_INT(pthread_join(area.thread[i].thread, NULL), 0);
		CHECK(area.thread[i].answer == ASYNC_SYSCALL_ENDED ||
		      area.thread[i].answer == -EBADF);
	}
}

/* Tracing sees all calls or the thread is not served. */
static void a_traced_system_serves_nobody(void)
{
	static struct async_syscall_executor record;

	begin(0);
	trace_begin(SYS_getppid);
	CHECK_INT(slot_post(&entry[1], SYS_getppid, NO_ARGS), 0);
	CHECK_INT(lent_exec(&area, &record), -EPERM);
	CHECK_INT(trace_end(), 0);
	CHECK_INT(slot_end(&entry[2]), 0);
	CHECK_INT(lent_exec(&area, &record), ASYNC_SYSCALL_ENDED);
	CHECK_INT(lent_take(&area, 1), getppid());
	CHECK_INT(lent_forget(&area), 0);
}

static const struct test tests[] = {
	TEST(a_posted_call_cannot_lend_its_executor),
	TEST(a_filtered_thread_is_refused),
	TEST(a_filter_put_on_all_threads_stops_the_executors),
	TEST(a_traced_system_serves_nobody),
	TEST(a_descriptor_closed_under_its_executors_frees_nothing),
};
TEST_MAIN(tests)

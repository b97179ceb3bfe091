/*
 * test_module.c - what is so with the module only: threads it may not serve, its descriptor.
 */
#include "hascall/hascall.h"
#include "lib/pool.h"
#include "test/harness.h"
#include "test/kernel/filter.h"
#include "test/kernel/lent.h"
#include "test/kernel/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

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

/* The library. */

static struct hascall *open_area(void)
{
	struct hascall *h = NULL;

	if (!lent_is_there() || lent_is_patched())
		SKIP("this kernel has not the module");
	CHECK_INT(hascall_open(&h, NULL), 0);
	return h;
}

static uint64_t post(struct hascall *h, uint32_t num, const uint64_t arg[6])
{
	uint64_t ticket;

	CHECK_INT(hascall_post(h, num, arg, 0, 0, &ticket), 0);
	hascall_kick(h);
	return ticket;
}

static int64_t result_of(struct hascall *h, uint64_t ticket)
{
	int64_t result = 0;

	CHECK_INT(hascall_wait(h, ticket, -1, 0, &result), 0);
	return result;
}

static void stop_and_continue(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		kill(getppid(), SIGSTOP);
		usleep(100 * 1000);
		kill(getppid(), SIGCONT);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, NULL, 0), pid);
}

/* The worker at this call: its thread, if it is in the kernel; -1: it is outside. */
static int thread_at(struct hascall *h, uint64_t ticket)
{
	const uint32_t at = (uint32_t)ticket;
	int tid = 0;

	while (tid == 0) {
		usleep(200);
		pthread_mutex_lock(&h->lock);
		LIST_EACH(node, &h->workers) {
			const struct worker *w = LIST_ENTRY(node, struct worker, node);

			if (__atomic_load_n(&w->record->entry, __ATOMIC_SEQ_CST) == at + 1)
				tid = (int)__atomic_load_n(&w->tid, __ATOMIC_RELAXED);
			else if ((__atomic_load_n(&w->phase, __ATOMIC_ACQUIRE) & PHASE_BUSY) &&
				 __atomic_load_n(&w->entry, __ATOMIC_RELAXED) == at)
				tid = -1;
		}
		pthread_mutex_unlock(&h->lock);
	}
	return tid;
}

/* Its worker may not come back to the kernel; to begin the wait anew would make it longer. */
static void a_wait_that_is_handed_back_goes_on(void)
{
	const struct timespec length = { .tv_sec = 2 };
	struct hascall *h = open_area();
	uint64_t ticket;
	int tid;

	CHECK_INT(hascall_in_kernel(h), 1);
	/* The first ones are executed outside, until a second worker is there. */
	for (;;) {
		ticket = post(h, SYS_nanosleep, ARGS((uintptr_t)&length));
		tid = thread_at(h, ticket);
		if (tid > 0)
			break;
		CHECK_INT(hascall_cancel(h, ticket), 0);
		CHECK_INT(result_of(h, ticket), -ECANCELED);
	}
	lent_await_asleep(tid);
	forbid(SYS_nanosleep, SECCOMP_RET_ERRNO | EACCES, SECCOMP_FILTER_FLAG_TSYNC);
	stop_and_continue();
	CHECK_INT(result_of(h, ticket), 0);
	CHECK_INT(hascall_in_kernel(h), 0);
	hascall_close(h);
}

/* It is of no use to it, and a filter may kill for it. */
static void who_is_filtered_does_not_look_for_the_device(void)
{
	struct hascall *h;

	if (!lent_is_there() || lent_is_patched())
		SKIP("this kernel has not the module");
	forbid(SYS_ioctl, SECCOMP_RET_KILL_PROCESS, 0);
	h = open_area();
	CHECK_INT(hascall_in_kernel(h), 0);
	CHECK_INT(result_of(h, post(h, SYS_getppid, NO_ARGS)), getppid());
	hascall_close(h);
}

/* Who opens a file as lib/kernel.c opens the device is killed. */
static void forbid_device(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_NOCTTY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_COUNT(code), .filter = code };

	CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_INT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), 0);
}

/* A static program has opened nothing before. */
static void a_static_program_does_not_look_for_the_device_at_its_start(void)
{
	int status = -1;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		forbid_device();
		execl("/proc/self/exe", "test_module", "-l", NULL);
		_exit(1);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
}

/* The application has closed the descriptor, and opened something else. */
static void a_number_that_is_another_files_is_left_alone(void)
{
	static struct async_syscall_executor record;
	const struct async_syscall_setup setup = {
		.size = sizeof(setup),
		.array = (uintptr_t)entry,
		.count = ENTRIES,
	};
	const uint32_t never = 0;
	struct kernel_area device;
	int fds[2];

	if (!lent_is_there() || lent_is_patched())
		SKIP("this kernel has not the module");
	CHECK_INT(kernel_begin(&setup, &device), 0);
	CHECK_INT(pipe(fds), 0);
	CHECK_INT(dup2(fds[0], device.handle), device.handle);
	close(fds[0]);
	CHECK_INT(kernel_lend(&device, &record, &never), -EBADF);
	fds[0] = device.handle;
	kernel_forget(&device);
	CHECK_INT(write(fds[1], "x", 1), 1);
	close(fds[0]);
	close(fds[1]);
}

/* A fifo, which nobody ever opens for writing. */
static void a_device_that_is_none_holds_nobody_up(void)
{
	int status = -1;
	struct hascall *h;
	pid_t pid;

	if (!lent_is_there() || lent_is_patched())
		SKIP("this kernel has not the module");
	CHECK_INT(rename(HASCALL_DEVICE, HASCALL_DEVICE ".kept"), 0);
	CHECK_INT(mkfifo(HASCALL_DEVICE, 0666), 0);
	pid = fork();
	if (pid == 0) {
		alarm(5);
		h = open_area();
		CHECK_INT(hascall_in_kernel(h), 0);
		hascall_close(h);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(unlink(HASCALL_DEVICE), 0);
	CHECK_INT(rename(HASCALL_DEVICE ".kept", HASCALL_DEVICE), 0);
	CHECK_INT(status, 0);
}

static const struct test tests[] = {
	TEST(a_posted_call_cannot_lend_its_executor),
	TEST(a_filtered_thread_is_refused),
	TEST(a_filter_put_on_all_threads_stops_the_executors),
	TEST(a_traced_system_serves_nobody),
	TEST(a_descriptor_closed_under_its_executors_frees_nothing),
	TEST(a_wait_that_is_handed_back_goes_on),
	TEST(who_is_filtered_does_not_look_for_the_device),
	TEST(a_static_program_does_not_look_for_the_device_at_its_start),
	TEST(a_number_that_is_another_files_is_left_alone),
	TEST(a_device_that_is_none_holds_nobody_up),
};
TEST_MAIN(tests)

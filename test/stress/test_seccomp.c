/*
 * test_seccomp.c - libhascall under seccomp filters: it needs few calls, io_uring's are
 * not among them, and a posted call never passes a filter of the thread that executes it.
 *
 * Filters are inherited by threads that start later, so they go in before
 * hascall_open(), or for all threads at once (SECCOMP_FILTER_FLAG_TSYNC).
 */
#include "hascall/kernel.h"
#include "slot/slot.h"
#include "test/harness.h"
#include "test/stress/filter.h"
#include "test/stress/stress.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FORBIDDEN 77 /* an errno that no call gives by itself */

static void must_pass(int status)
{
	if (WIFSIGNALED(status))
		test_fail(__FILE__, __LINE__, "ended by signal %d", WTERMSIG(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

/* From open to close, growing and shrinking between, with an eventfd. */
static void use_an_area(void)
{
	const struct timespec t = { .tv_nsec = 5000000 };
	int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct hascall *h = stress_open(&(struct hascall_options){
		.flags = HASCALL_USE_EVENTFD, .eventfd = bell, .idle_ms = 1 });

	stress_use_everything(h);
	for (unsigned int i = 0; i < 8; i++)
		CHECK_INT(
			hascall_post(h, SYS_nanosleep, (uint64_t[6]){ (uintptr_t)&t }, 0, 0, NULL),
			0);
	while (hascall_in_flight(h) > 0) {
		CHECK_INT(hascall_wait_any(h, -1, 0), 0);
		hascall_reap(h, stress_drop_result, NULL);
	}
	stress_use_everything(h);
	hascall_close(h);
	close(bell);
}

static void use_an_array(void)
{
	static struct syscall_info entry[4];
	struct executors executors;
	int area = async_syscall_init(entry, 4, ASYNC_SYSCALL_RINGS);

	executors_start(&executors, area, 2);
	for (unsigned int i = 0; i < 100; i++) {
		int64_t ret = 0;

		entry_post(&entry[i % 4], SYS_getppid, (uint64_t[6]){ 0 }, 0, 0);
		CHECK_INT(async_syscall_ring(area, 1), 0);
		CHECK_INT(entry_wait(&entry[i % 4], -1, &ret), 0);
		CHECK_INT(ret, getppid());
	}
	CHECK_INT(slot_end(&entry[0]), 0);
	CHECK_INT(async_syscall_ring(area, 2), 0);
	executors_join(&executors, 0);
	CHECK_INT(async_syscall_exit(area), 0);
	entry[0].state = SYSCALL_NONE;
}

static const uint32_t io_uring[] = { SYS_io_uring_setup, SYS_io_uring_enter,
				     SYS_io_uring_register };

static void without_io_uring(void *arg)
{
	const struct filter f = { .number = io_uring,
				  .count = ARRAY_COUNT(io_uring),
				  .listed = SECCOMP_RET_ERRNO | EPERM,
				  .others = SECCOMP_RET_ALLOW };

	(void)arg;
	CHECK_INT(filter_install(&f, 0), 0);
	CHECK_INT(syscall(SYS_io_uring_setup, 0, NULL), -1);
	CHECK_INT(errno, EPERM);
	use_an_area();
	use_an_array();
}

static void filter_that_forbids_io_uring_changes_nothing(void)
{
	must_pass(stress_in_child(without_io_uring, NULL));
}

/* What this test itself does beside the library. */
static const uint32_t posted[] = { SYS_getppid, SYS_nanosleep, SYS_poll, SYS_lseek };
static const uint32_t own[] = { SYS_eventfd2, SYS_close, SYS_exit_group };
/* Where the kernel is patched, and executes. */
static const uint32_t of_kernel[] = { ASYNC_SYSCALL_INIT_NUMBER, ASYNC_SYSCALL_EXEC_NUMBER };

/* arg: what becomes of all calls that are not listed. */
static void behind_an_allow_list(void *arg)
{
	uint32_t more[ARRAY_COUNT(posted) + ARRAY_COUNT(own) + ARRAY_COUNT(of_kernel)];
	uint32_t others = *(const uint32_t *)arg;
	size_t count = ARRAY_COUNT(more);

	memcpy(more, posted, sizeof(posted));
	memcpy(more + ARRAY_COUNT(posted), own, sizeof(own));
	memcpy(more + count - ARRAY_COUNT(of_kernel), of_kernel, sizeof(of_kernel));
	if (others != SECCOMP_RET_KILL_PROCESS) /* nobody dies of being refused */
		count -= ARRAY_COUNT(of_kernel);
	CHECK_INT(filter_library_only(more, count, others), 0);
	for (unsigned int i = 0; i < 20; i++) {
		use_an_area();
		use_an_array();
	}
}

static void a_few_calls_are_all_the_library_needs(void)
{
	uint32_t others = SECCOMP_RET_KILL_PROCESS;

	if (test_sanitized)
		SKIP("a sanitizer makes calls of its own");
	must_pass(stress_in_child(behind_an_allow_list, &others));
}

/* As container profiles refuse: no answer tells that there is no such call. */
static void kernel_executors_that_a_filter_refuses_are_done_without(void)
{
	uint32_t others = SECCOMP_RET_ERRNO | EPERM;

	if (test_sanitized)
		SKIP("a sanitizer makes calls of its own");
	CHECK_INT(setenv("HASCALL_KERNEL", "1", 1), 0);
	must_pass(stress_in_child(behind_an_allow_list, &others));
}

/* Every call of the child asks its parent first: the parent notes it and lets it go on. */
struct watched {
	int listener; /* number of the child's descriptor; 0: not there yet */
	uint32_t recording;
	bool seen[1024];
};

static void use_while_watched(void *arg)
{
	struct watched *w = arg;
	const struct filter f = { .listed = SECCOMP_RET_ALLOW, .others = SECCOMP_RET_USER_NOTIF };
	int listener = filter_install(&f, SECCOMP_FILTER_FLAG_NEW_LISTENER);

	/* From here on each call waits for the parent, so there is none before this store. */
	__atomic_store_n(&w->listener, listener, __ATOMIC_RELEASE);
	if (listener < 0)
		_exit(0);
	use_an_area(); /* what the C library does only once is not counted */
	use_an_array();
	__atomic_store_n(&w->recording, 1, __ATOMIC_SEQ_CST);
	use_an_area();
	use_an_array();
	__atomic_store_n(&w->recording, 0, __ATOMIC_SEQ_CST);
}

/*
 * Answer all of the child's calls until it is gone. In Linux 6.1, for one, the listener tells of
 * that only when somebody has waited for the child.
 */
static void watch(struct watched *w, int listener, int pidfd)
{
	struct pollfd p[2] = { { .fd = listener, .events = POLLIN },
			       { .fd = pidfd, .events = POLLIN } };

	while (poll(p, 2, -1) > 0 && (p[0].revents & POLLIN)) {
		struct seccomp_notif request;
		struct seccomp_notif_resp response = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

		memset(&request, 0, sizeof(request));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) < 0)
			continue; /* a signal took the call back */
		if (__atomic_load_n(&w->recording, __ATOMIC_SEQ_CST))
			w->seen[request.data.nr % (int)ARRAY_COUNT(w->seen)] = true;
		response.id = request.id;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
}

static bool listed(const uint32_t *numbers, size_t count, uint32_t number)
{
	for (size_t i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

static void calls_of_the_library_are_those_listed(void)
{
	struct watched *w = stress_share(sizeof(*w));
	int status, pidfd, listener;
	pid_t pid;

	if (test_sanitized)
		SKIP("a sanitizer makes calls of its own");
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		use_while_watched(w);
		_exit(0);
	}
	while (__atomic_load_n(&w->listener, __ATOMIC_ACQUIRE) == 0)
		stress_sleep_us(100);
	if (w->listener > 0) {
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		listener = (int)syscall(SYS_pidfd_getfd, pidfd, w->listener, 0);
		if (listener < 0)
			kill(pid, SIGKILL);
		else
			watch(w, listener, pidfd);
		close(listener);
		close(pidfd);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	if (w->listener < 0 || WIFSIGNALED(status))
		SKIP("this system does not let a parent watch the calls of its child");
	CHECK_INT(status, 0);
	CHECK(w->seen[SYS_futex] && w->seen[SYS_clone3]);
	for (uint32_t i = 0; i < ARRAY_COUNT(w->seen); i++) {
		if (!w->seen[i] || listed(own, ARRAY_COUNT(own), i) ||
		    listed(posted, ARRAY_COUNT(posted), i) ||
		    listed(of_kernel, ARRAY_COUNT(of_kernel), i))
			continue;
		fprintf(stderr, "# call %u%s\n", i,
			listed(library_calls, library_calls_count, i) ? "" : ": not listed");
		CHECK(listed(library_calls, library_calls_count, i));
	}
}

static const struct filter no_umask = { .number = (const uint32_t[]){ SYS_umask },
					.count = 1,
					.listed = SECCOMP_RET_ERRNO | FORBIDDEN,
					.others = SECCOMP_RET_ALLOW };

/* In every way a call can be executed: by a worker, by help, in a chain. */
static void umask_gives(struct hascall *h, int64_t worker, int64_t helper)
{
	const struct hascall_call chain[] = {
		{ .num = SYS_getppid, .flags = HASCALL_CHAIN },
		{ .num = SYS_umask, .arg = { 022 } },
	};
	const uint64_t arg[6] = { 022 };
	uint64_t tickets[2];
	int64_t ret = 0;

	for (unsigned int i = 0; i < 50; i++)
		CHECK_INT(stress_call(h, SYS_umask, arg, 0), worker);
	CHECK_INT(hascall_submit(h, chain, 2, 0, tickets), 0);
	CHECK_INT(hascall_wait(h, tickets[1], -1, 0, &ret), 0);
	CHECK_INT(ret, worker);
	hascall_reap(h, stress_drop_result, NULL);
	for (unsigned int i = 0; i < 50; i++) {
		ret = stress_call(h, SYS_umask, arg, HASCALL_HELP);
		CHECK(ret == worker || ret == helper); /* a worker may be faster */
	}
}

static void filter_before_open(void *arg)
{
	static struct syscall_info entry[1];
	struct executors executors;
	struct hascall *h;
	int64_t ret = 0;
	int area;

	(void)arg;
	CHECK_INT(filter_install(&no_umask, 0), 0);
	h = stress_open(&(struct hascall_options){ 0 });
	umask_gives(h, -FORBIDDEN, -FORBIDDEN);
	hascall_close(h);

	area = async_syscall_init(entry, 1, 0);
	executors_start(&executors, area, 1);
	entry_post(&entry[0], SYS_umask, (uint64_t[6]){ 022 }, 0, 0);
	CHECK_INT(entry_wait(&entry[0], -1, &ret), 0);
	CHECK_INT(ret, -FORBIDDEN);
	CHECK_INT(slot_end(&entry[0]), 0);
	executors_join(&executors, 0);
}

static void posted_call_does_not_pass_a_filter_installed_before(void)
{
	must_pass(stress_in_child(filter_before_open, NULL));
}

static void filter_for_all_threads(void *arg)
{
	struct hascall *h = stress_open(&(struct hascall_options){ 0 });

	(void)arg;
	umask(022);
	umask_gives(h, 022, 022);
	CHECK_INT(filter_install(&no_umask, SECCOMP_FILTER_FLAG_TSYNC), 0);
	umask_gives(h, -FORBIDDEN, -FORBIDDEN);
	hascall_close(h);
}

static void posted_call_does_not_pass_a_filter_installed_for_all_threads(void)
{
	must_pass(stress_in_child(filter_for_all_threads, NULL));
}

/* The documented truth: a filter binds the threads it was installed for. */
static void filter_for_one_thread(void *arg)
{
	struct hascall *h = stress_open(&(struct hascall_options){ 0 });

	(void)arg;
	umask(022);
	CHECK_INT(stress_call(h, SYS_umask, (uint64_t[6]){ 022 }, 0), 022);
	CHECK_INT(filter_install(&no_umask, 0), 0);
	CHECK_INT(syscall(SYS_umask, 022), -1);
	CHECK_INT(errno, FORBIDDEN);
	umask_gives(h, 022, -FORBIDDEN);
	hascall_close(h);
}

static void filter_installed_later_for_one_thread_does_not_bind_workers(void)
{
	must_pass(stress_in_child(filter_for_one_thread, NULL));
}

static const struct test tests[] = {
	TEST(filter_that_forbids_io_uring_changes_nothing),
	TEST(a_few_calls_are_all_the_library_needs),
	TEST(kernel_executors_that_a_filter_refuses_are_done_without),
	TEST(calls_of_the_library_are_those_listed),
	TEST(posted_call_does_not_pass_a_filter_installed_before),
	TEST(posted_call_does_not_pass_a_filter_installed_for_all_threads),
	TEST(filter_installed_later_for_one_thread_does_not_bind_workers),
};
TEST_MAIN(tests)

/*
 * test_life.c - what becomes of areas when their process forks, starts programs, turns into
 * another program, ends, is stopped, changes its user, gets signals; and when a thread that
 * waits is cancelled.
 */
#include "test/harness.h"
#include "test/stress/stress.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLEEPS 4
#define BLOCKED 4

/* Calls in all states: some sleep a little, some for ever, some are not begun. */
struct load {
	struct hascall *h;
	uint64_t sleep[SLEEPS];
	uint64_t blocked[BLOCKED];
};

static const struct timespec two_ms = { .tv_nsec = 2000000 };

static void load_sleeps(struct load *l)
{
	for (unsigned int i = 0; i < SLEEPS; i++)
		CHECK_INT(hascall_post(l->h, SYS_nanosleep, (uint64_t[6]){ (uintptr_t)&two_ms }, 0,
				       0, &l->sleep[i]),
			  0);
}

static void load_open(struct load *l)
{
	l->h = stress_open(&(struct hascall_options){ .workers_max = 7 });
	for (unsigned int i = 0; i < BLOCKED; i++)
		CHECK_INT(hascall_post(l->h, SYS_poll, (uint64_t[6]){ 0, 0, UINT64_MAX }, 0, 0,
				       &l->blocked[i]),
			  0);
	load_sleeps(l);
}

/* The sleeps end as they should, and new ones begin. */
static void load_turn(struct load *l)
{
	for (unsigned int i = 0; i < SLEEPS; i++) {
		int64_t ret = -1;

		CHECK_INT(hascall_wait(l->h, l->sleep[i], -1, 0, &ret), 0);
		CHECK_INT(ret, 0);
	}
	load_sleeps(l);
}

static void load_close(struct load *l)
{
	int64_t ret = 0;

	load_turn(l);
	for (unsigned int i = 0; i < BLOCKED; i++) {
		CHECK_INT(hascall_poll(l->h, l->blocked[i], &ret), -EAGAIN);
		CHECK_INT(hascall_cancel(l->h, l->blocked[i]), 0);
	}
	for (unsigned int i = 0; i < BLOCKED; i++) {
		CHECK_INT(hascall_wait(l->h, l->blocked[i], -1, 0, &ret), 0);
		CHECK_INT(ret, -ECANCELED);
	}
	hascall_close(l->h);
}

static void check_child(pid_t pid, int wanted)
{
	int status = 0;

	CHECK_INT(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		test_fail(__FILE__, __LINE__, "ended by signal %d", WTERMSIG(status));
	CHECK_INT(WEXITSTATUS(status), wanted);
}

/* All of the library's functions in a child that has no workers. */
static void use_in_child(void *arg)
{
	struct load *l = arg;
	const struct hascall_call call = { .num = SYS_getppid };
	struct hascall_stats stats;
	int64_t ret;

	CHECK_INT(hascall_post(l->h, SYS_getppid, call.arg, 0, 0, NULL), -ESHUTDOWN);
	CHECK_INT(hascall_submit(l->h, &call, 1, 0, NULL), -ESHUTDOWN);
	CHECK_INT(hascall_wait(l->h, l->sleep[0], -1, HASCALL_HELP, &ret), -ESHUTDOWN);
	CHECK_INT(hascall_wait_any(l->h, -1, 0), -ESHUTDOWN);
	CHECK_INT(hascall_wait_all(l->h, HASCALL_ALL_GROUPS, -1, 0), -ESHUTDOWN);
	CHECK_INT(hascall_poll(l->h, l->blocked[0], &ret), -ESHUTDOWN);
	CHECK_INT(hascall_recall(l->h, l->blocked[0]), -ESHUTDOWN);
	CHECK_INT(hascall_cancel(l->h, l->blocked[0]), -ESHUTDOWN);
	CHECK(hascall_cancel_all(l->h, HASCALL_ALL_GROUPS) <= 0);
	CHECK_INT(hascall_reap(l->h, stress_drop_result, NULL), 0);
	hascall_kick(l->h);
	hascall_get_stats(l->h, &stats);
	CHECK_INT(stats.workers, 0);
	hascall_close(l->h);
}

static void forked_children_have_no_workers_and_the_parent_goes_on(void)
{
	struct load l;

	load_open(&l);
	for (unsigned int i = 0; i < STRESS_COUNT(100, 20); i++) {
		int status = stress_in_child(use_in_child, &l);

		CHECK(!WIFSIGNALED(status));
		CHECK_INT(WEXITSTATUS(status), 0);
		load_turn(&l);
	}
	load_close(&l);
}

/* Also the child of a child, and one that opens an area of its own beside the dead one. */
static void open_in_child(void *arg)
{
	struct load *l = arg;
	struct hascall *h = stress_open(&(struct hascall_options){ 0 });

	stress_use_everything(h);
	CHECK_INT(stress_in_child(use_in_child, l), 0);
	stress_use_everything(h);
	hascall_close(h);
	hascall_close(l->h);
}

static void forked_children_have_areas_of_their_own(void)
{
	struct load l;

	if (test_sanitized)
		SKIP("a sanitizer's locks do not survive a fork beside other threads");
	load_open(&l);
	for (unsigned int i = 0; i < 20; i++) {
		CHECK_INT(stress_in_child(open_in_child, &l), 0);
		load_turn(&l);
	}
	load_close(&l);
}

static void programs_start_while_calls_run(void)
{
	static char program[] = "/bin/true";
	static char *const argv[] = { program, NULL };
	struct load l;

	load_open(&l);
	for (unsigned int i = 0; i < STRESS_COUNT(60, 10); i++) {
		pid_t pid;

		CHECK_INT(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ), 0);
		load_turn(&l);
		check_child(pid, 0);
		pid = vfork();
		if (pid == 0) {
			execve(argv[0], argv, environ);
			_exit(1);
		}
		check_child(pid, 0);
		load_turn(&l);
	}
	load_close(&l);
}

static void end_as_another_program(void *arg)
{
	struct load l;

	(void)arg;
	load_open(&l);
	execl("/bin/sh", "sh", "-c", "exit 3", (char *)NULL);
}

static void end_by_exit(void *arg)
{
	struct load l;

	(void)arg;
	load_open(&l);
	exit(3);
}

static void end_by_exit_group(void *arg)
{
	struct load l;

	(void)arg;
	load_open(&l);
	_exit(3);
}

static void calls_end_with_their_process(void)
{
	static void (*const ends[])(void *) = { end_as_another_program, end_by_exit,
						end_by_exit_group };

	for (unsigned int i = 0; i < STRESS_COUNT(60, 9); i++) {
		int status = stress_in_child(ends[i % ARRAY_COUNT(ends)], NULL);

		CHECK(WIFEXITED(status));
		CHECK_INT(WEXITSTATUS(status), 3);
	}
}

/* The first thread is gone, the process is not. */
static void *go_on_alone(void *arg)
{
	struct load *l = arg;

	for (unsigned int i = 0; i < 5; i++)
		load_turn(l);
	load_close(l);
	_exit(4);
}

static void end_first_thread(void *arg)
{
	static struct load l;
	pthread_t thread;

	(void)arg;
	load_open(&l);
	CHECK_INT(pthread_create(&thread, NULL, go_on_alone, &l), 0);
	pthread_exit(NULL);
}

static void area_survives_the_thread_that_opened_it(void)
{
	int status = stress_in_child(end_first_thread, NULL);

	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 4);
}

/* AddressSanitizer takes the way off a cancelled thread's stack for an error. */
static void end_if_cancelled(void)
{
	int old;

	if (!test_sanitized)
		pthread_testcancel();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
}

struct waiter {
	struct hascall *h;
	uint64_t ticket;
	int (*wait)(struct waiter *);
	int answer;
	int64_t ret;
	uint32_t waiting;
};

static int wait_for_one(struct waiter *w)
{
	return hascall_wait(w->h, w->ticket, -1, 0, &w->ret);
}

static int wait_for_any(struct waiter *w)
{
	return hascall_wait_any(w->h, -1, 0);
}

static int wait_for_all(struct waiter *w)
{
	return hascall_wait_all(w->h, HASCALL_ALL_GROUPS, -1, 0);
}

static void *wait_to_be_cancelled(void *arg)
{
	struct waiter *w = arg;

	__atomic_store_n(&w->waiting, 1, __ATOMIC_RELEASE);
	w->answer = w->wait(w);
	end_if_cancelled();
	return NULL;
}

/* Waits are no cancellation points: the thread ends at the next one after the wait. */
static void cancelled_thread_first_ends_its_wait(void)
{
	static int (*const waits[])(struct waiter *) = { wait_for_one, wait_for_any, wait_for_all };

	for (unsigned int i = 0; i < ARRAY_COUNT(waits); i++) {
		struct waiter w = { .wait = waits[i], .answer = 1 };
		pthread_t thread;
		void *result;
		int fds[2];
		char byte;

		CHECK_INT(pipe(fds), 0);
		w.h = stress_open(&(struct hascall_options){ 0 });
		CHECK_INT(hascall_post(w.h, SYS_read,
				       (uint64_t[6]){ (uint64_t)fds[0], (uintptr_t)&byte, 1 }, 0, 0,
				       &w.ticket),
			  0);
		CHECK_INT(pthread_create(&thread, NULL, wait_to_be_cancelled, &w), 0);
		while (!__atomic_load_n(&w.waiting, __ATOMIC_ACQUIRE))
			stress_sleep_us(100);
		stress_sleep_us(5000);
		CHECK_INT(pthread_cancel(thread), 0);
		stress_sleep_us(5000);
		CHECK_INT(write(fds[1], "x", 1), 1);
		CHECK_INT(pthread_join(thread, &result), 0);
		CHECK(result == PTHREAD_CANCELED || test_sanitized);
		CHECK_INT(w.answer, 0);
		hascall_close(w.h);
		close(fds[0]);
		close(fds[1]);
	}
}

/* A thread that is to be cancelled leaves its area whole, whatever it does with it. */
static void *use_with_cancellation_pending(void *arg)
{
	struct hascall **h = arg;
	int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int old;

	CHECK(bell >= 0);
	CHECK_INT(pthread_cancel(pthread_self()), 0);
	*h = stress_open(
		&(struct hascall_options){ .flags = HASCALL_USE_EVENTFD, .eventfd = bell });
	stress_use_everything(*h);
	hascall_close(*h);
	*h = NULL;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	close(bell);
	return arg;
}

static void functions_are_no_cancellation_points(void)
{
	struct hascall *h = NULL;
	pthread_t thread;
	void *result;

	CHECK_INT(pthread_create(&thread, NULL, use_with_cancellation_pending, &h), 0);
	CHECK_INT(pthread_join(thread, &result), 0);
	CHECK(result == &h);
	CHECK(h == NULL);
}

static void *execute_array(void *arg)
{
	static struct syscall_info entry[2];
	int *answer = arg;
	int area;

	CHECK_INT(setenv("HASCALL_KERNEL", "1", 1), 0); /* it looks for a device, too */
	CHECK_INT(pthread_cancel(pthread_self()), 0);
	area = async_syscall_init(entry, 2, 0);
	CHECK(area >= 0);
	entry_post(&entry[0], SYS_getppid, (uint64_t[6]){ 0 }, 0, 0);
	entry[1].state = SYSCALL_END;
	*answer = async_syscall_exec(area);
	*answer += async_syscall_exit(area);
	end_if_cancelled();
	return NULL;
}

static void cancelled_executor_goes_on_until_end(void)
{
	pthread_t thread;
	void *result;
	int answer = 1;

	if (test_sanitized)
		SKIP("AddressSanitizer takes what a cancelled thread's frames leave for damage");
	CHECK_INT(pthread_create(&thread, NULL, execute_array, &answer), 0);
	CHECK_INT(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED || test_sanitized);
	CHECK_INT(answer, 0);
}

static void *change_user_often(void *arg)
{
	for (unsigned int i = 0; i < STRESS_COUNT(1000, 100); i++) {
		CHECK_INT(setgid(getgid()), 0);
		CHECK_INT(setuid(getuid()), 0);
	}
	__atomic_store_n((uint32_t *)arg, 1, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * The C library tells every thread by a signal of its own, which must reach the workers.
 * It interrupts their calls: those the kernel begins again by itself go on, as read()
 * does; the others (poll, nanosleep) may give -EINTR.
 */
static void user_changes_in_all_workers_while_calls_run(void)
{
	struct hascall *blocked = stress_open(&(struct hascall_options){ 0 });
	uint64_t tickets[BLOCKED];
	uint32_t done = 0;
	pthread_t thread;
	char byte = 0;
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	for (unsigned int i = 0; i < BLOCKED; i++)
		CHECK_INT(hascall_post(blocked, SYS_read,
				       (uint64_t[6]){ (uint64_t)fds[0], (uintptr_t)&byte, 1 }, 0, 0,
				       &tickets[i]),
			  0);
	CHECK_INT(pthread_create(&thread, NULL, change_user_often, &done), 0);
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		struct hascall *h = stress_open(&(struct hascall_options){ .idle_ms = 1 });

		stress_use_most(h);
		hascall_close(h);
	}
	CHECK_INT(pthread_join(thread, NULL), 0);
	for (unsigned int i = 0; i < BLOCKED; i++) {
		int64_t ret = 0;

		CHECK_INT(hascall_poll(blocked, tickets[i], &ret), -EAGAIN);
	}
	CHECK_INT(write(fds[1], "xxxx", BLOCKED), BLOCKED);
	CHECK_INT(hascall_wait_all(blocked, HASCALL_ALL_GROUPS, -1, 0), 0);
	hascall_close(blocked);
	close(fds[0]);
	close(fds[1]);
}

static void run_until_told(void *arg)
{
	const uint32_t *stop = arg;
	struct hascall *h = stress_open(&(struct hascall_options){ 0 });
	struct load l;

	load_open(&l);
	while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
		load_turn(&l);
		stress_use_everything(h);
	}
	load_close(&l);
	hascall_close(h);
}

static void calls_sleep_on_after_their_process_was_stopped(void)
{
	uint32_t *stop = stress_share(sizeof(*stop));
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		run_until_told(stop);
		_exit(0);
	}
	for (unsigned int i = 0; i < 100; i++) {
		stress_sleep_us(5000);
		CHECK_INT(kill(pid, SIGSTOP), 0);
		CHECK_INT(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status));
		stress_sleep_us(i % 2 ? 3000 : 100);
		CHECK_INT(kill(pid, SIGCONT), 0);
	}
	__atomic_store_n(stop, 1, __ATOMIC_RELAXED);
	check_child(pid, 0);
}

static pid_t first_thread;
static volatile sig_atomic_t alarms, alarms_elsewhere;

static void on_alarm(int number)
{
	(void)number;
	if (gettid() == first_thread)
		alarms = alarms + 1;
	else
		alarms_elsewhere = 1;
}

static void storm_of_signals_meets_no_worker(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval often = { { 0, 300 }, { 0, 300 } };
	const struct itimerval never = { 0 };
	struct hascall *h = stress_open(&(struct hascall_options){ 0 });
	struct load l;

	first_thread = gettid();
	CHECK_INT(sigaction(SIGALRM, &action, NULL), 0);
	load_open(&l);
	CHECK_INT(setitimer(ITIMER_REAL, &often, NULL), 0);
	while (alarms < (sig_atomic_t)STRESS_COUNT(2000, 200)) {
		load_turn(&l);
		stress_use_everything(h);
	}
	CHECK_INT(setitimer(ITIMER_REAL, &never, NULL), 0);
	load_close(&l);
	hascall_close(h);
	CHECK(!alarms_elsewhere);
}

static const struct test tests[] = {
	TEST_LONG(forked_children_have_no_workers_and_the_parent_goes_on, 20),
	TEST_LONG(forked_children_have_areas_of_their_own, 20),
	TEST_LONG(programs_start_while_calls_run, 20),
	TEST_LONG(calls_end_with_their_process, 20),
	TEST(area_survives_the_thread_that_opened_it),
	TEST(cancelled_thread_first_ends_its_wait),
	TEST(functions_are_no_cancellation_points),
	TEST(cancelled_executor_goes_on_until_end),
	TEST_LONG(user_changes_in_all_workers_while_calls_run, 20),
	TEST_LONG(calls_sleep_on_after_their_process_was_stopped, 20),
	TEST_LONG(storm_of_signals_meets_no_worker, 20),
};
TEST_MAIN(tests)

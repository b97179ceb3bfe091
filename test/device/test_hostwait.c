/*
 * test_hostwait.c - what hostwait.h promises: readiness is told and never lost, waits
 * end by deadline and cancel, removal is safe, one thread does for all.
 */
#include "device/hostwait.h"

#include "test/device/device_test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MANY 50u

struct watched {
	struct hostwait wait;
	int in, out; /* in is watched */
	unsigned int changes;
};

static void count_change(struct hostwait *w)
{
	CHECK(task_self() == NULL);
	CONTAINER_OF(w, struct watched, wait)->changes++;
}

static void open_watched(struct watched *w)
{
	int fds[2];

	CHECK_INT(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
	*w = (struct watched){ .in = fds[0], .out = fds[1], .wait.changed = count_change };
	CHECK_INT(hostwait_add(&w->wait, w->in, EPOLLIN), 0);
	CHECK_INT(w->wait.ready, 0);
}

static void close_watched(struct watched *w)
{
	hostwait_remove(&w->wait);
	hostwait_remove(&w->wait);
	close(w->in);
	if (w->out >= 0)
		close(w->out);
}

static void put(const struct watched *w)
{
	CHECK_INT(write(w->out, "x", 1), 1);
}

/* A blocking read of one byte, as the users of hostwait.h write it. */
static int read_byte(struct watched *w, uint64_t deadline_ns) MAY_YIELD;
static int read_byte(struct watched *w, uint64_t deadline_ns)
{
	char byte;
	int r;

	for (;;) {
		ssize_t size = read(w->in, &byte, 1);

		if (size >= 0)
			return (int)size;
		CHECK_INT(errno, EAGAIN);
		hostwait_spent(&w->wait, EPOLLIN);
		r = hostwait_wait(&w->wait, EPOLLIN, deadline_ns, WAIT_CANCELLABLE);
		if (r < 0)
			return r;
	}
}

static void write_later(void *arg) MAY_YIELD;
static void write_later(void *arg)
{
	struct watched *w = arg;

	for (int i = 0; i < 5; i++) {
		sleep_ms(2);
		put(w);
	}
	sleep_ms(2);
	close(w->out);
	w->out = -1;
}

static void read_all(void *arg) MAY_YIELD;
static void read_all(void *arg)
{
	struct watched *w = arg;

	for (int i = 0; i < 5; i++)
		CHECK_INT(read_byte(w, TASK_FOREVER), 1);
	CHECK_INT(read_byte(w, TASK_FOREVER), 0); /* the other end was closed */
	CHECK(hostwait_look(&w->wait) & EPOLLHUP);
}

static void a_task_waits_until_the_descriptor_is_readable(void)
{
	struct watched w;

	begin_device(NULL);
	open_watched(&w);
	spawn("writer", write_later, &w);
	run_task(read_all, &w);
	CHECK(w.changes > 0);
	close_watched(&w);
	end_device();
}

static void look(void *arg) MAY_YIELD;
static void look(void *arg)
{
	struct watched *w = arg;
	char byte;

	CHECK_INT(hostwait_look(&w->wait), 0);
	put(w);
	CHECK_INT(hostwait_look(&w->wait), EPOLLIN);
	CHECK_INT(w->wait.ready, EPOLLIN);
	CHECK_INT(hostwait_wait(&w->wait, EPOLLIN, TASK_FOREVER, WAIT_CANCELLABLE), 0);
	CHECK_INT(read(w->in, &byte, 1), 1);
	CHECK_INT(hostwait_look(&w->wait), 0);
}

static void a_look_is_exact(void)
{
	struct watched w;

	begin_device(NULL);
	open_watched(&w);
	run_task(look, &w);
	close_watched(&w);
	end_device();
}

static void ready_at_once(void *arg) MAY_YIELD;
static void ready_at_once(void *arg)
{
	struct watched *w = arg;

	hostwait_remove(&w->wait);
	put(w);
	CHECK_INT(hostwait_add(&w->wait, w->in, EPOLLIN), 0);
	CHECK_INT(w->wait.ready, EPOLLIN);
	CHECK_INT(read_byte(w, TASK_FOREVER), 1);
}

static void what_is_ready_when_added_is_known_at_once(void)
{
	struct watched w;

	begin_device(NULL);
	open_watched(&w);
	run_task(ready_at_once, &w);
	close_watched(&w);
	end_device();
}

static bool time_is_over;

static void wait_in_vain(void *arg) MAY_YIELD;
static void wait_in_vain(void *arg)
{
	struct watched *w = arg;

	CHECK_INT(read_byte(w, clock_now_ns() + 2 * MILLISECOND_NS), -ETIMEDOUT);
	time_is_over = true;
	CHECK_INT(read_byte(w, TASK_FOREVER), -ECANCELED);
	CHECK(waitq_empty(&w->wait.waiters));
}

static void wait_and_be_cancelled(void *arg) MAY_YIELD;
static void wait_and_be_cancelled(void *arg)
{
	struct task *t = spawn("waiter", wait_in_vain, arg);

	do
		sleep_ms(1);
	while (!time_is_over);
	task_cancel(t);
}

static void deadline_and_cancel_end_a_wait(void)
{
	struct watched w;

	begin_device(NULL);
	open_watched(&w);
	run_task(wait_and_be_cancelled, &w);
	close_watched(&w);
	end_device();
}

static void read_one(void *arg) MAY_YIELD;
static void read_one(void *arg)
{
	CHECK_INT(read_byte(arg, TASK_FOREVER), 1);
}

static void write_all_in_turn(void *arg) MAY_YIELD;
static void write_all_in_turn(void *arg)
{
	struct watched *w = arg;

	sleep_ms(5);
	if (!test_sanitized)
		CHECK(threads() <= 3); /* this one, the watcher's, perhaps one idle */
	for (unsigned int i = 0; i < MANY; i++) {
		put(&w[i]);
		put(&w[i]);
		if (i % 7 == 0)
			task_yield();
	}
}

static void one_thread_watches_all(void)
{
	static struct watched w[MANY];

	begin_device(NULL);
	for (unsigned int i = 0; i < MANY; i++) {
		open_watched(&w[i]);
		spawn("one", read_one, &w[i]);
		spawn("two", read_one, &w[i]);
	}
	run_task(write_all_in_turn, w);
	for (unsigned int i = 0; i < MANY; i++)
		close_watched(&w[i]);
	end_device();
}

static void nothing_is_lost_with_every_seed(void)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		static struct watched w[5];

		begin_seeded_device(seed);
		for (unsigned int i = 0; i < ARRAY_COUNT(w); i++) {
			open_watched(&w[i]);
			spawn("reader", read_all, &w[i]);
			spawn("writer", write_later, &w[i]);
		}
		run_all();
		for (unsigned int i = 0; i < ARRAY_COUNT(w); i++)
			close_watched(&w[i]);
		end_device();
	}
}

/* An event on its way when its descriptor is removed is nobody's. */
static void remove_and_reuse(void *arg) MAY_YIELD;
static void remove_and_reuse(void *arg)
{
	struct watched *w = arg;
	const struct timespec t = { .tv_nsec = (long)MILLISECOND_NS };
	const unsigned int before = replies();

	put(&w[0]);
	while (replies() == before) /* no task runs meanwhile: the reply comes, and is not taken */
		nanosleep(&t, NULL);
	hostwait_remove(&w[0].wait);
	/* All places are taken in turn: come round to the same one. */
	for (unsigned int i = 0; i < HOSTWAIT_MAX; i++) {
		struct watched *next = &w[1];

		hostwait_remove(&next->wait);
		CHECK_INT(hostwait_add(&next->wait, next->in, EPOLLIN), 0);
	}
	sleep_ms(5);
	CHECK_INT(w[0].changes, 0);
	CHECK_INT(w[1].changes, 0);
	CHECK_INT(w[1].wait.ready, 0);
}

static void a_late_event_hits_nobody(void)
{
	struct watched w[2];

	begin_device(NULL);
	open_watched(&w[0]);
	open_watched(&w[1]);
	run_task(remove_and_reuse, w);
	close_watched(&w[0]);
	close_watched(&w[1]);
	end_device();
}

static void watch_file(void *arg) MAY_YIELD;
static void watch_file(void *arg)
{
	struct hostwait w = { .changed = NULL };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)arg;
	CHECK(fd >= 0);
	CHECK_INT(hostwait_add(&w, fd, EPOLLIN | EPOLLOUT), 0);
	CHECK_INT(w.ready, EPOLLIN | EPOLLOUT);
	hostwait_spent(&w, EPOLLIN);
	CHECK_INT(hostwait_wait(&w, EPOLLIN, TASK_FOREVER, WAIT_CANCELLABLE), 0);
	CHECK_INT(hostwait_look(&w), EPOLLIN | EPOLLOUT);
	hostwait_remove(&w);
	close(fd);
}

static void a_regular_file_is_always_ready(void)
{
	begin_device(NULL);
	run_task(watch_file, NULL);
	end_device();
}

static void watch_child(void *arg) MAY_YIELD;
static void watch_child(void *arg)
{
	struct hostwait w = { .changed = NULL };
	int status, fd;
	pid_t pid = fork();

	(void)arg;
	CHECK(pid >= 0);
	if (pid == 0) {
		const struct timespec t = { .tv_nsec = 5 * (long)MILLISECOND_NS };

		nanosleep(&t, NULL);
		_exit(7);
	}
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK(fd >= 0);
	CHECK_INT(hostwait_add(&w, fd, EPOLLIN), 0);
	CHECK_INT(hostwait_wait(&w, EPOLLIN, TASK_FOREVER, WAIT_CANCELLABLE), 0);
	CHECK_INT(waitpid(pid, &status, WNOHANG), pid);
	CHECK_INT(WEXITSTATUS(status), 7);
	hostwait_remove(&w);
	close(fd);
}

static void the_end_of_a_process_can_be_waited_for(void)
{
	begin_device(NULL);
	run_task(watch_child, NULL);
	end_device();
}

static void the_limit_and_wrong_descriptors_are_answers(void)
{
	static struct hostwait w[HOSTWAIT_MAX + 1];
	struct rlimit files = { 4096, 4096 };
	static int copy[HOSTWAIT_MAX];
	int fds[2];

	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		SKIP("needs %u descriptors", HOSTWAIT_MAX);
	begin_device(NULL);
	CHECK_INT(hostwait_add(&w[0], 4000, EPOLLIN), -EBADF);
	CHECK_INT(pipe(fds), 0);
	for (unsigned int i = 0; i < HOSTWAIT_MAX; i++) {
		copy[i] = dup(fds[0]);
		CHECK_INT(hostwait_add(&w[i], copy[i], EPOLLIN), 0);
		if (i == 0)
			CHECK_INT(hostwait_add(&w[1], copy[0], EPOLLIN), -EEXIST);
	}
	CHECK_INT(hostwait_add(&w[HOSTWAIT_MAX], fds[0], EPOLLIN), -ENOSPC);
	for (unsigned int i = 0; i < HOSTWAIT_MAX; i++) {
		hostwait_remove(&w[i]);
		close(copy[i]);
	}
	CHECK_INT(hostwait_add(&w[HOSTWAIT_MAX], fds[0], EPOLLIN), 0);
	hostwait_remove(&w[HOSTWAIT_MAX]);
	close(fds[0]);
	close(fds[1]);
	end_device();
}

static const struct test tests[] = {
	TEST(a_task_waits_until_the_descriptor_is_readable),
	TEST(a_look_is_exact),
	TEST(what_is_ready_when_added_is_known_at_once),
	TEST(deadline_and_cancel_end_a_wait),
	TEST(one_thread_watches_all),
	TEST(nothing_is_lost_with_every_seed),
	TEST(a_late_event_hits_nobody),
	TEST(a_regular_file_is_always_ready),
	TEST(the_end_of_a_process_can_be_waited_for),
	TEST(the_limit_and_wrong_descriptors_are_answers),
};
TEST_MAIN(tests)

/*
 * test_host.c - what host.h promises of calls: where each is made, who waits, what
 * cancel does, how many at a time.
 */
#include "test/device/device_test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NO_ARGS ((uint64_t[6]){ 0 })

static uint64_t word(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

/* gettid is refused by executors: so it tells where a call was made. */

static void calls_from_a_task(void *arg) MAY_YIELD;
static void calls_from_a_task(void *arg)
{
	(void)arg;
	CHECK_INT(host_call(SYS_getppid, NO_ARGS), getppid());
	CHECK_INT(host_call(SYS_close, (uint64_t[6]){ 9999 }), -EBADF);
	CHECK_INT(host_call(SYS_gettid, NO_ARGS), -EOPNOTSUPP);
	CHECK_INT(host_call_cancellable(SYS_gettid, NO_ARGS), -EOPNOTSUPP);
	CHECK_INT(host_call_brief(SYS_gettid, NO_ARGS), gettid());
	CHECK_INT(host_call_now(SYS_gettid, NO_ARGS), gettid());
}

static void the_answer_is_the_hosts(void)
{
	begin_device(NULL);
	run_task(calls_from_a_task, NULL);
	end_device();
}

static void outside_any_task_a_call_is_made_at_once(void) MAY_YIELD;
static void outside_any_task_a_call_is_made_at_once(void)
{
	CHECK_INT(host_call(SYS_gettid, NO_ARGS), gettid());
	begin_device(NULL);
	CHECK_INT(host_call(SYS_gettid, NO_ARGS), gettid());
	CHECK_INT(host_call_cancellable(SYS_gettid, NO_ARGS), gettid());
	CHECK_INT(host_call_brief(SYS_close, (uint64_t[6]){ 9999 }), -EBADF);
	end_device();
}

static void calls_made_here(void *arg) MAY_YIELD;
static void calls_made_here(void *arg)
{
	struct statx attributes;

	(void)arg;
	CHECK_INT(host_call_now(SYS_getppid, NO_ARGS), getppid());
	CHECK_INT(host_call_brief(SYS_getppid, NO_ARGS), getppid());
	CHECK_INT(host_statx(STDIN_FILENO, STATX_TYPE, &attributes), 0);
	CHECK_INT(threads(), 1);
	CHECK_INT(host_call(SYS_getppid, NO_ARGS), getppid());
	CHECK(threads() > 1);
}

static void threads_are_made_for_the_first_call_that_needs_one(void)
{
	if (test_sanitized)
		SKIP("a sanitizer may have a thread of its own");
	begin_device(NULL);
	CHECK_INT(threads(), 1);
	run_task(calls_made_here, NULL);
	end_device();
	CHECK_INT(threads(), 1);
}

static void call_sleep(void *arg) MAY_YIELD;
static void call_sleep(void *arg)
{
	const struct timespec t = { .tv_nsec = 20 * (long)MILLISECOND_NS };

	(void)arg;
	SAY("sleeper begins");
	CHECK_INT(host_call(SYS_nanosleep, (uint64_t[6]){ word(&t) }), 0);
	SAY("sleeper ends");
}

static void say_other(void *arg) MAY_YIELD;
static void say_other(void *arg)
{
	(void)arg;
	SAY("another runs");
}

static void other_tasks_run_while_a_call_blocks(void)
{
	begin_device(NULL);
	CHECK_INT(trace_start(TRACE_USER, 4096), 0);
	spawn("sleeper", call_sleep, NULL);
	spawn("other", say_other, NULL);
	run_all();
	CHECK_STR(seen_trace(), "sleeper begins\nanother runs\nsleeper ends\n");
	end_device();
}

#define CALLERS 20u

/* Callers that want a byte each from one pipe. */
struct crowd {
	int pipe[2];
	unsigned int begun, served;
};

static void want_a_byte(void *arg) MAY_YIELD;
static void want_a_byte(void *arg)
{
	struct crowd *c = arg;
	char byte;

	c->begun++;
	CHECK_INT(host_call(SYS_read, (uint64_t[6]){ (uint64_t)c->pipe[0], word(&byte), 1 }), 1);
	CHECK(host_calls_in_flight() <= 3);
	c->served++;
}

static void serve_the_crowd(void *arg) MAY_YIELD;
static void serve_the_crowd(void *arg)
{
	const struct crowd *c = arg;

	for (unsigned int i = 0; i < CALLERS; i++)
		spawn("caller", want_a_byte, arg);
	while (c->begun < CALLERS || host_calls_in_flight() < 3)
		sleep_ms(1);
	sleep_ms(5); /* for a fourth to show */
	CHECK_INT(host_calls_in_flight(), 3);
	CHECK_INT(c->served, 0);
	for (unsigned int i = 0; i < CALLERS; i++)
		CHECK_INT(write(c->pipe[1], "x", 1), 1);
}

static void no_more_calls_at_a_time_than_allowed(void)
{
	struct crowd c = { .begun = 0 };

	CHECK_INT(pipe(c.pipe), 0);
	begin_device(&(struct host_options){ .calls_max = 3 });
	run_task(serve_the_crowd, &c);
	CHECK_INT(c.served, CALLERS);
	end_device();
	close(c.pipe[0]);
	close(c.pipe[1]);
}

static void impossible_numbers_are_refused(void)
{
	CHECK_INT(host_init(&(struct host_options){ .calls_max = 4096 }), -EINVAL);
	CHECK_INT(host_init(&(struct host_options){ .workers_max = 5000 }), -EINVAL);
}

static void many_calls(void *arg) MAY_YIELD;
static void many_calls(void *arg)
{
	for (int i = 0; i < 20; i++) {
		CHECK_INT(host_call(SYS_getppid, NO_ARGS), getppid());
		CHECK_INT(host_call(SYS_close, (uint64_t[6]){ 9999 }), -EBADF);
	}
	++*(unsigned int *)arg;
}

static void every_task_gets_its_own_answer_with_every_seed(void)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		unsigned int ended = 0;

		begin_seeded_device(seed);
		for (int i = 0; i < 10; i++)
			spawn("t", many_calls, &ended);
		run_all();
		CHECK_INT(ended, 10);
		end_device();
	}
}

/* Cancel. A read of an empty pipe blocks an executor until somebody writes. */

struct reader {
	int pipe[2];
	int64_t ret;
	char byte;
};

static void open_reader(struct reader *r)
{
	CHECK_INT(pipe(r->pipe), 0);
	r->ret = 1000;
	r->byte = 0;
}

static void feed(const struct reader *r)
{
	CHECK_INT(write(r->pipe[1], "x", 1), 1);
}

static void close_reader(struct reader *r)
{
	close(r->pipe[0]);
	close(r->pipe[1]);
}

static void read_for_sure(void *arg) MAY_YIELD;
static void read_for_sure(void *arg)
{
	struct reader *r = arg;

	r->ret = host_call(SYS_read, (uint64_t[6]){ (uint64_t)r->pipe[0], word(&r->byte), 1 });
}

static void read_cancellably(void *arg) MAY_YIELD;
static void read_cancellably(void *arg)
{
	struct reader *r = arg;

	r->ret = host_call_cancellable(SYS_read,
				       (uint64_t[6]){ (uint64_t)r->pipe[0], word(&r->byte), 1 });
}

static void cancel_sure_reader(void *arg) MAY_YIELD;
static void cancel_sure_reader(void *arg)
{
	struct reader *r = arg;
	struct task *t = spawn("reader", read_for_sure, r);

	sleep_ms(2);
	task_cancel(t);
	sleep_ms(2);
	CHECK_INT(r->ret, 1000);
	feed(r);
}

static void a_cancelled_task_waits_for_its_buffer(void)
{
	struct reader r;

	open_reader(&r);
	begin_device(NULL);
	run_task(cancel_sure_reader, &r);
	CHECK_INT(r.ret, 1);
	CHECK_INT(r.byte, 'x');
	end_device();
	close_reader(&r);
}

static char more_than_a_pipe_takes[128u * 1024u];

static void write_cancellably(void *arg) MAY_YIELD;
static void write_cancellably(void *arg)
{
	struct reader *r = arg;

	r->ret = host_call_cancellable(SYS_write, (uint64_t[6]){ (uint64_t)r->pipe[1],
								 word(more_than_a_pipe_takes),
								 sizeof(more_than_a_pipe_takes) });
}

/* Let the writer end; an executor goes on with it meanwhile. */
static void drain(const struct reader *r)
{
	static char bytes[sizeof(more_than_a_pipe_takes)];
	size_t left = sizeof(bytes);

	while (left > 0) {
		ssize_t size = read(r->pipe[0], bytes, left);

		CHECK(size > 0);
		left -= (size_t)size;
	}
}

static void cancel_both(void *arg) MAY_YIELD;
static void cancel_both(void *arg)
{
	struct reader *r = arg;
	struct task *begun = spawn("begun", write_cancellably, &r[0]);
	struct task *queued;
	int written = 0;

	do {
		sleep_ms(1);
		CHECK_INT(ioctl(r[0].pipe[0], FIONREAD, &written), 0);
	} while (written == 0);
	queued = spawn("queued", read_cancellably, &r[1]);
	while (host_calls_in_flight() < 2)
		sleep_ms(1);
	task_cancel(queued);
	task_cancel(begun);
	sleep_ms(2);
	CHECK_INT(r[1].ret, -ECANCELED);
	CHECK_INT(r[0].ret, 1000); /* begun: an executor is reading its buffer */
	drain(&r[0]);
}

static void a_call_not_begun_is_taken_back_by_cancel(void)
{
	struct reader r[2];

	open_reader(&r[0]);
	open_reader(&r[1]);
	feed(&r[1]);
	begin_device(&(struct host_options){ .workers_max = 1 });
	run_task(cancel_both, r);
	CHECK_INT(r[0].ret, sizeof(more_than_a_pipe_takes));
	/* It was never made: the byte is still there. */
	CHECK_INT(read(r[1].pipe[0], &r[1].byte, 1), 1);
	end_device();
	close_reader(&r[0]);
	close_reader(&r[1]);
}

static void cancel_while_waiting_for_room(void *arg) MAY_YIELD;
static void cancel_while_waiting_for_room(void *arg)
{
	struct reader *r = arg;
	struct task *t;

	spawn("first", read_for_sure, &r[0]);
	t = spawn("second", read_cancellably, &r[1]);
	sleep_ms(2);
	CHECK_INT(host_calls_in_flight(), 1);
	task_cancel(t);
	sleep_ms(2);
	CHECK_INT(r[1].ret, -ECANCELED);
	feed(&r[0]);
}

static void cancel_ends_the_wait_for_room(void)
{
	struct reader r[2];

	open_reader(&r[0]);
	open_reader(&r[1]);
	begin_device(&(struct host_options){ .calls_max = 1 });
	run_task(cancel_while_waiting_for_room, r);
	CHECK_INT(r[0].ret, 1);
	end_device();
	close_reader(&r[0]);
	close_reader(&r[1]);
}

/* Brief calls. */

static void one_slow_among_brief(void *arg) MAY_YIELD;
static void one_slow_among_brief(void *arg)
{
	const struct timespec t = { .tv_nsec = 2 * (long)MILLISECOND_NS };
	unsigned int elsewhere = 0;

	(void)arg;
	CHECK_INT(host_call_brief(SYS_gettid, NO_ARGS), gettid());
	CHECK_INT(host_call_brief(SYS_nanosleep, (uint64_t[6]){ word(&t) }), 0);
	CHECK_INT(host_call_brief(SYS_gettid, NO_ARGS), -EOPNOTSUPP);
	for (int i = 0; i < 100; i++)
		elsewhere += host_call_brief(SYS_gettid, NO_ARGS) != gettid();
	/* A call that another process pushed off the processor looks slow too. */
	CHECK(elsewhere >= 15 && elsewhere < 100);
}

static void a_slow_brief_call_sends_the_next_ones_to_executors(void)
{
	begin_device(NULL);
	run_task(one_slow_among_brief, NULL);
	end_device();
}

static const struct test tests[] = {
	TEST(the_answer_is_the_hosts),
	TEST(outside_any_task_a_call_is_made_at_once),
	TEST(threads_are_made_for_the_first_call_that_needs_one),
	TEST(other_tasks_run_while_a_call_blocks),
	TEST(no_more_calls_at_a_time_than_allowed),
	TEST(impossible_numbers_are_refused),
	TEST(every_task_gets_its_own_answer_with_every_seed),
	TEST(a_cancelled_task_waits_for_its_buffer),
	TEST(a_call_not_begun_is_taken_back_by_cancel),
	TEST(cancel_ends_the_wait_for_room),
	TEST(a_slow_brief_call_sends_the_next_ones_to_executors),
};
TEST_MAIN(tests)

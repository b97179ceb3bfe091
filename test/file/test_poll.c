/* SPDX-License-Identifier: MIT */
/*
 * test_poll.c - what file.h promises of waiting for many files: poll, epoll, and the
 * files made to be polled (eventfd, timerfd).
 */
#include "test/file/file_test.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#define MANY 64u

static struct file *ends[2];

static int poll_one(struct file *f, unsigned int events, uint64_t deadline_ns,
		    unsigned int *ret_events) MAY_YIELD
{
	struct poll_item item = { .file = f, .events = events };
	int r = file_poll_many(&item, 1, deadline_ns);

	*ret_events = item.ret_events;
	return r;
}

static void write_byte(struct file *f) MAY_YIELD
{
	CHECK_INT(file_write(f, "x", 1), 1);
}

static void read_byte(struct file *f) MAY_YIELD
{
	char byte;

	CHECK_INT(file_read(f, &byte, 1), 1);
}

static void wait_for_the_pipe(void *arg) MAY_YIELD;
static void wait_for_the_pipe(void *arg)
{
	unsigned int seen;
	int r = poll_one(ends[0], POLLIN, *(uint64_t *)arg, &seen);

	SAY("poll: %d events 0x%x at %d ms", r, seen, (int)(clock_now_ns() / MILLISECOND_NS));
}

static void poll_ends_by_an_event_a_deadline_or_a_cancel(void)
{
	uint64_t never = TASK_FOREVER, soon;
	struct task *t;

	begin_files();
	CHECK_INT(pipe_new(0, ends), 0);
	spawn("p1", wait_for_the_pipe, &never);
	t = spawn("p2", wait_for_the_pipe, &never);
	CHECK_INT(sched_run_until_idle(), 2);
	task_cancel(t);
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("poll: -4 events 0x0 at 0 ms\n");
	file_put(ends[1]);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("poll: 1 events 0x10 at 0 ms\n");
	file_put(ends[0]);
	CHECK_INT(pipe_new(0, ends), 0);
	soon = clock_now_ns() + 20 * MILLISECOND_NS;
	spawn("p3", wait_for_the_pipe, &soon);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("poll: 0 events 0x0 at 20 ms\n");
	file_put(ends[0]);
	file_put(ends[1]);
	end_files();
}

struct many {
	struct file *reader[MANY + 8], *writer[MANY + 8];
	unsigned int count;
};
static struct many many;

static void make_many(unsigned int count)
{
	many.count = count;
	for (unsigned int i = 0; i < count; i++) {
		CHECK_INT(pipe_new(0, ends), 0);
		many.reader[i] = ends[0];
		many.writer[i] = ends[1];
	}
}

static void close_many(void)
{
	for (unsigned int i = 0; i < many.count; i++) {
		file_put(many.reader[i]);
		file_put(many.writer[i]);
	}
}

static void poll_them_all(void *arg) MAY_YIELD;
static void poll_them_all(void *arg)
{
	static struct poll_item items[MANY + 9];

	(void)arg;
	memset(items, 0, sizeof(items));
	for (unsigned int i = 0; i < many.count; i++)
		items[i] = (struct poll_item){ .file = many.reader[i], .events = POLLIN };
	/* The last one is no file: it is passed over. */
	CHECK_INT(file_poll_many(items, many.count + 1, TASK_FOREVER), 1);
	for (unsigned int i = 0; i <= many.count; i++)
		if (items[i].ret_events)
			SAY("ready %u: 0x%x", i, items[i].ret_events);
}

static void write_to_the_last(void *arg) MAY_YIELD;
static void write_to_the_last(void *arg)
{
	(void)arg;
	write_byte(many.writer[many.count - 1]);
}

static void poll_finds_the_one_of_many(void)
{
	begin_files();
	make_many(MANY - 1);
	spawn("poll", poll_them_all, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	run_task(write_to_the_last, NULL);
	EXPECT_TRACE("ready 62: 0x1\n");
	close_many();
	make_many(MANY + 8);
	spawn("poll", poll_them_all, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	run_task(write_to_the_last, NULL);
	EXPECT_TRACE("ready 71: 0x1\n");
	close_many();
	end_files();
}

static void events_counted(void *arg) MAY_YIELD;
static void events_counted(void *arg)
{
	uint64_t value;
	struct file *f;

	(void)arg;
	CHECK_INT(eventfd_new(3, EFD_NONBLOCK, &f), 0);
	CHECK_INT(file_read(f, &value, 4), -EINVAL);
	CHECK_INT(file_read(f, &value, 8), 8);
	CHECK_INT(value, 3);
	CHECK_INT(file_read(f, &value, 8), -EAGAIN);
	CHECK_INT(file_write(f, &(uint64_t){ UINT64_MAX }, 8), -EINVAL);
	CHECK_INT(file_write(f, &(uint64_t){ UINT64_MAX - 1 }, 8), 8);
	CHECK_INT(file_poll(f, NULL) & (POLLIN | POLLOUT), POLLIN);
	CHECK_INT(file_write(f, &(uint64_t){ 1 }, 8), -EAGAIN);
	file_put(f);
	CHECK_INT(eventfd_new(2, EFD_SEMAPHORE | EFD_NONBLOCK, &f), 0);
	for (unsigned int i = 0; i < 2; i++) {
		CHECK_INT(file_read(f, &value, 8), 8);
		CHECK_INT(value, 1);
	}
	CHECK_INT(file_read(f, &value, 8), -EAGAIN);
	file_put(f);
}

static void an_eventfd_counts(void)
{
	begin_files();
	run_task(events_counted, NULL);
	end_files();
}

static void read_ticks(struct file *f) MAY_YIELD
{
	uint64_t ticks;

	CHECK_INT(file_read(f, &ticks, sizeof(ticks)), 8);
	SAY("%d ticks at %d ms", (int)ticks, (int)(clock_now_ns() / MILLISECOND_NS));
}

static struct itimerspec times(long first_ms, long interval_ms)
{
	return (struct itimerspec){ { 0, interval_ms * 1000000 }, { 0, first_ms * 1000000 } };
}

static void timers(void *arg) MAY_YIELD;
static void timers(void *arg)
{
	struct itimerspec t = times(10, 5), old;
	unsigned int seen;
	struct file *f;

	(void)arg;
	CHECK_INT(timerfd_new(CLOCK_MONOTONIC, 0, &f), 0);
	CHECK_INT(timerfd_set(f, 0, &t, NULL), 0);
	read_ticks(f);
	CHECK_INT(task_sleep_until(clock_now_ns() + 12 * MILLISECOND_NS), 0);
	read_ticks(f);
	CHECK_INT(timerfd_get(f, &old), 0);
	CHECK_INT(old.it_value.tv_nsec, 3000000);
	t = times(40, 0);
	CHECK_INT(timerfd_set(f, 0, &t, &old), 0);
	CHECK_INT(old.it_interval.tv_nsec, 5000000);
	CHECK_INT(poll_one(f, POLLIN, clock_now_ns() + 100 * MILLISECOND_NS, &seen), 1);
	SAY("due at %d ms", (int)(clock_now_ns() / MILLISECOND_NS));
	t = times(0, 0); /* disarmed, and what was due is forgotten */
	CHECK_INT(timerfd_set(f, 0, &t, NULL), 0);
	CHECK_INT(poll_one(f, POLLIN, clock_now_ns() + 100 * MILLISECOND_NS, &seen), 0);
	t.it_value.tv_nsec = 1000000000;
	CHECK_INT(timerfd_set(f, 0, &t, NULL), -EINVAL);
	t = times(7, 7);
	CHECK_INT(timerfd_set(f, TFD_TIMER_ABSTIME, &t, NULL), 0); /* long ago */
	CHECK_INT(poll_one(f, POLLIN, clock_now_ns() + MILLISECOND_NS, &seen), 1);
	file_put(f);
}

static void a_timerfd_ticks_on_the_clock(void)
{
	begin_files();
	run_task(timers, NULL);
	EXPECT_TRACE("1 ticks at 10 ms\n2 ticks at 22 ms\ndue at 62 ms\n");
	end_files();
}

/* ---- epoll. */

static struct file *ep;

static void watch(int fd, struct file *f, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u64 = (uint64_t)fd };

	CHECK_INT(epoll_control(ep, EPOLL_CTL_ADD, fd, f, &event), 0);
}

static int wait_now(struct epoll_event *events, unsigned int max) MAY_YIELD
{
	return epoll_wait_events(ep, events, max, 0);
}

static void level_and_edge(void *arg) MAY_YIELD;
static void level_and_edge(void *arg)
{
	struct epoll_event e[4];

	(void)arg;
	CHECK_INT(epoll_new(0, &ep), 0);
	CHECK_INT(pipe_new(0, ends), 0);
	watch(10, ends[0], EPOLLIN);
	CHECK_INT(wait_now(e, 4), 0);
	write_byte(ends[1]);
	for (unsigned int i = 0; i < 3; i++) {
		CHECK_INT(wait_now(e, 4), 1); /* level: as long as it holds */
		CHECK_INT(e[0].data.u64, 10);
		CHECK_INT(e[0].events, EPOLLIN);
	}
	read_byte(ends[0]);
	CHECK_INT(wait_now(e, 4), 0);

	e[0] = (struct epoll_event){ .events = EPOLLIN | EPOLLET, .data.u64 = 11 };
	write_byte(ends[1]);
	CHECK_INT(epoll_control(ep, EPOLL_CTL_MOD, 10, ends[0], &e[0]), 0);
	CHECK_INT(wait_now(e, 4), 1);
	CHECK_INT(wait_now(e, 4), 0); /* edge: once */
	write_byte(ends[1]);
	CHECK_INT(wait_now(e, 4), 1); /* more came, though it was readable before */
	CHECK_INT(wait_now(e, 4), 0);

	e[0] = (struct epoll_event){ .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 12 };
	CHECK_INT(epoll_control(ep, EPOLL_CTL_MOD, 10, ends[0], &e[0]), 0);
	CHECK_INT(wait_now(e, 4), 1);
	write_byte(ends[1]);
	CHECK_INT(wait_now(e, 4), 0); /* one-shot: until it is armed again */
	e[0] = (struct epoll_event){ .events = EPOLLIN | EPOLLONESHOT, .data.u64 = 12 };
	CHECK_INT(epoll_control(ep, EPOLL_CTL_MOD, 10, ends[0], &e[0]), 0);
	CHECK_INT(wait_now(e, 4), 1);
	CHECK_INT(epoll_control(ep, EPOLL_CTL_DEL, 10, ends[0], NULL), 0);
	CHECK_INT(wait_now(e, 4), 0);
	file_put(ep);
	file_put(ends[0]);
	file_put(ends[1]);
}

static void epoll_tells_by_level_by_edge_and_once(void)
{
	begin_files();
	run_task(level_and_edge, NULL);
	end_files();
}

static void refused(void *arg) MAY_YIELD;
static void refused(void *arg)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct file *f = open_path("/plain", O_RDWR | O_CREAT);

	(void)arg;
	CHECK_INT(epoll_new(0, &ep), 0);
	CHECK_INT(pipe_new(0, ends), 0);
	CHECK_INT(epoll_control(ep, EPOLL_CTL_ADD, 3, f, &e), -EPERM);
	CHECK_INT(epoll_control(ep, EPOLL_CTL_ADD, 3, ep, &e), -EINVAL);
	CHECK_INT(epoll_control(f, EPOLL_CTL_ADD, 3, ends[0], &e), -EINVAL);
	CHECK_INT(epoll_control(ep, EPOLL_CTL_MOD, 3, ends[0], &e), -ENOENT);
	CHECK_INT(epoll_control(ep, EPOLL_CTL_DEL, 3, ends[0], NULL), -ENOENT);
	watch(3, ends[0], EPOLLIN);
	CHECK_INT(epoll_control(ep, EPOLL_CTL_ADD, 3, ends[0], &e), -EEXIST);
	watch(4, ends[0], EPOLLIN); /* the same file by another number */
	CHECK_INT(epoll_wait_events(ep, &e, 0, 0), -EINVAL);
	CHECK_INT(epoll_wait_events(f, &e, 1, 0), -EINVAL);
	file_put(f);
	file_put(ends[0]); /* closing takes the entries away */
	file_put(ends[1]);
	CHECK_INT(wait_now(&e, 1), 0);
	file_put(ep);
}

static void epoll_refuses_what_linux_refuses(void)
{
	begin_files();
	run_task(refused, NULL);
	end_files();
}

static void a_few_at_a_time(void *arg) MAY_YIELD;
static void a_few_at_a_time(void *arg)
{
	unsigned int seen[40] = { 0 };
	struct epoll_event e[3];

	(void)arg;
	CHECK_INT(epoll_new(0, &ep), 0);
	for (unsigned int i = 0; i < 40; i++) {
		watch((int)i, many.reader[i], EPOLLIN);
		write_byte(many.writer[i]);
	}
	for (unsigned int round = 0; round < 40; round++) {
		int count = wait_now(e, 3);

		CHECK_INT(count, 3);
		for (int i = 0; i < count; i++)
			seen[e[i].data.u64]++;
	}
	for (unsigned int i = 0; i < 40; i++)
		CHECK_INT(seen[i], 3); /* nobody is passed over, however few are asked for */
	file_put(ep);
}

static void epoll_serves_all_in_turn(void)
{
	begin_files();
	make_many(40);
	run_task(a_few_at_a_time, NULL);
	close_many();
	end_files();
}

static void nested(void *arg) MAY_YIELD;
static void nested(void *arg)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct file *level[7];

	(void)arg;
	for (unsigned int i = 0; i < 7; i++)
		CHECK_INT(epoll_new(0, &level[i]), 0);
	for (unsigned int i = 0; i < 4; i++)
		CHECK_INT(epoll_control(level[i], EPOLL_CTL_ADD, 1, level[i + 1], &e), 0);
	CHECK_INT(epoll_control(level[4], EPOLL_CTL_ADD, 1, level[5], &e), -ELOOP);
	CHECK_INT(epoll_control(level[3], EPOLL_CTL_ADD, 1, level[0], &e), -ELOOP);
	CHECK_INT(epoll_control(level[5], EPOLL_CTL_ADD, 1, level[0], &e), -ELOOP);
	CHECK_INT(epoll_control(level[4], EPOLL_CTL_ADD, 2, ends[0], &e), 0);
	ep = level[0];
	CHECK_INT(wait_now(&e, 1), 0);
	write_byte(ends[1]);
	CHECK_INT(wait_now(&e, 1), 1);
	CHECK_INT(file_poll(level[2], NULL) & POLLIN, POLLIN);
	read_byte(ends[0]);
	CHECK_INT(wait_now(&e, 1), 0);
	CHECK_INT(file_poll(level[2], NULL) & POLLIN, 0);
	for (unsigned int i = 0; i < 7; i++)
		file_put(level[i]);
}

static void epolls_nest_a_few_levels_and_never_in_a_circle(void)
{
	begin_files();
	CHECK_INT(pipe_new(0, ends), 0);
	run_task(nested, NULL);
	file_put(ends[0]);
	file_put(ends[1]);
	end_files();
}

static void wait_in_epoll(void *arg) MAY_YIELD;
static void wait_in_epoll(void *arg)
{
	struct epoll_event e;
	int r = epoll_wait_events(ep, &e, 1, *(uint64_t *)arg);

	SAY("%s: %d at %d ms", task_name(task_self()), r, (int)(clock_now_ns() / MILLISECOND_NS));
}

static void write_one(void *arg) MAY_YIELD;
static void write_one(void *arg)
{
	(void)arg;
	write_byte(ends[1]);
}

static void epoll_wait_ends_by_an_event_a_deadline_or_a_cancel(void)
{
	uint64_t never = TASK_FOREVER, soon = 30 * MILLISECOND_NS;
	struct task *t;

	begin_files();
	CHECK_INT(epoll_new(0, &ep), 0);
	CHECK_INT(pipe_new(0, ends), 0);
	watch(1, ends[0], EPOLLIN | EPOLLET);
	spawn("first", wait_in_epoll, &never);
	t = spawn("second", wait_in_epoll, &never);
	spawn("third", wait_in_epoll, &soon);
	CHECK_INT(sched_run_until_idle(), 2);
	EXPECT_TRACE("third: 0 at 30 ms\n");
	spawn("write", write_one, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("first: 1 at 30 ms\n"); /* an edge wakes one */
	task_cancel(t);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("second: -4 at 30 ms\n");
	file_put(ep);
	file_put(ends[0]);
	file_put(ends[1]);
	end_files();
}

static const struct test tests[] = {
	TEST(poll_ends_by_an_event_a_deadline_or_a_cancel),
	TEST(poll_finds_the_one_of_many),
	TEST(an_eventfd_counts),
	TEST(a_timerfd_ticks_on_the_clock),
	TEST(epoll_tells_by_level_by_edge_and_once),
	TEST(epoll_refuses_what_linux_refuses),
	TEST(epoll_serves_all_in_turn),
	TEST(epolls_nest_a_few_levels_and_never_in_a_circle),
	TEST(epoll_wait_ends_by_an_event_a_deadline_or_a_cancel),
};
TEST_MAIN(tests)

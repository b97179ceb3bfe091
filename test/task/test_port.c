/*
 * test_port.c - what port.h promises (Order, Limit, Owner), one test a promise.
 */
#include "task/port.h"

#include "test/task/task_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct port *p;

static void say_outcome(const char *what, int r)
{
	const char *text = r == PORT_OK	      ? "ok"
			   : r == PORT_CLOSED ? "closed"
			   : r == PORT_FULL   ? "full"
					      : strerrorname_np(-r);

	SAY("%s: %s %s", task_name(task_self()), what, text);
}

static void produce(void *arg) MAY_YIELD;
static void produce(void *arg)
{
	uint64_t count = *(uint64_t *)arg;

	for (uint64_t i = 1; i <= count; i++) {
		int r = port_send(p, i);

		if (r != PORT_OK) {
			say_outcome("send", r);
			return;
		}
	}
}

static void consume(void *arg) MAY_YIELD;
static void consume(void *arg)
{
	uint64_t count = *(uint64_t *)arg;
	uint64_t msg;

	for (uint64_t i = 1; i <= count; i++) {
		int r = port_recv(p, &msg);

		if (r != PORT_OK) {
			say_outcome("recv", r);
			return;
		}
	}
}

static void full_port_makes_the_sender_wait(void)
{
	begin_world();
	CHECK_INT(port_open(&p, "p", 2), 0);

	spawn("a", produce, &(uint64_t){ 3 });
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("a sent p 1\n"
		     "a sent p 2\n"
		     "a waits on p\n");

	spawn("b", consume, &(uint64_t){ 3 });
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("b got  p 1\n"
		     "a sent p 3\n"
		     "b got  p 2\n"
		     "b got  p 3\n");
	port_free(p);
	end_world();
}

static void empty_port_makes_the_receiver_wait(void)
{
	begin_world();
	CHECK_INT(port_open(&p, "p", 2), 0);
	spawn("b", consume, &(uint64_t){ 2 });
	CHECK_INT(sched_run_until_idle(), 1);
	CHECK_INT(port_waiting(p), 1);
	EXPECT_TRACE("b waits on p\n");
	spawn("a", produce, &(uint64_t){ 2 });
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a sent p 1\n"
		     "a sent p 2\n"
		     "b got  p 2\n");
	CHECK_INT(port_waiting(p), 0);
	port_free(p);
	end_world();
}

static void receive_one(void *arg) MAY_YIELD;
static void receive_one(void *arg)
{
	uint64_t msg = 0;
	int r = port_recv(p, &msg);

	(void)arg;
	if (r == PORT_OK)
		SAY("%s: %llu", task_name(task_self()), (unsigned long long)msg);
	else
		say_outcome("recv", r);
}

static void send_one(void *arg) MAY_YIELD;
static void send_one(void *arg)
{
	say_outcome("send", port_send(p, *(uint64_t *)arg));
}

static void only_user_lines(void)
{
	CHECK_INT(trace_start(TRACE_USER, 65536), 0);
}

static void receivers_are_served_in_turn_and_nobody_overtakes(void)
{
	begin_world();
	only_user_lines();
	CHECK_INT(port_open(&p, "p", 4), 0);
	spawn("a", receive_one, NULL);
	spawn("b", receive_one, NULL);
	CHECK_INT(sched_run_until_idle(), 2);
	/* c is ready before the messages come, and runs before a and b do. */
	spawn("c", receive_one, NULL);
	CHECK_INT(port_try_send(p, 1), PORT_OK);
	CHECK_INT(port_try_send(p, 2), PORT_OK);
	CHECK_INT(port_waiting(p), 0);
	CHECK_INT(port_try_send(p, 3), PORT_OK);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("c: 3\na: 1\nb: 2\n");
	port_free(p);
	end_world();
}

static void senders_are_served_in_turn(void)
{
	uint64_t one = 1, two = 2, three = 3;

	begin_world();
	only_user_lines();
	CHECK_INT(port_open(&p, "p", 1), 0);
	spawn("a", send_one, &one);
	spawn("b", send_one, &two);
	spawn("c", send_one, &three);
	CHECK_INT(sched_run_until_idle(), 2);
	for (int i = 0; i < 3; i++) {
		spawn("r", receive_one, NULL);
		(void)sched_run_until_idle();
	}
	EXPECT_TRACE("a: send ok\nr: 1\nb: send ok\nr: 2\nc: send ok\nr: 3\n");
	port_free(p);
	end_world();
}

static void try_send_never_waits(void)
{
	begin_world();
	CHECK_INT(port_open(&p, "p", 1), 0);
	CHECK_INT(port_try_send(p, 1), PORT_OK);
	CHECK_INT(port_try_send(p, 2), PORT_FULL);
	port_close(p);
	CHECK_INT(port_try_send(p, 3), PORT_CLOSED);
	EXPECT_TRACE("(outside) sent p 1\n(outside) closed p\n");
	port_free(p);
	end_world();
}

static void close_ends_every_wait_and_the_port_may_go(void)
{
	uint64_t one = 1, two = 2;

	begin_world();
	CHECK_INT(port_open(&p, "p", 1), 0);
	spawn("a", receive_one, NULL);
	spawn("b", receive_one, NULL);
	CHECK_INT(sched_run_until_idle(), 2);
	port_close(p);
	port_free(p);
	CHECK_INT(port_open(&p, "p", 1), 0);
	spawn("c", send_one, &one);
	spawn("d", send_one, &two);
	only_user_lines();
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("a: recv closed\nb: recv closed\nc: send ok\n");
	port_close(p);
	port_free(p);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("d: send closed\n");
	port_free(NULL);
	end_world();
}

static void messages_outlive_the_close(void)
{
	begin_world();
	only_user_lines();
	CHECK_INT(port_open(&p, "p", 2), 0);
	CHECK_INT(port_try_send(p, 7), PORT_OK);
	port_close(p);
	spawn("a", receive_one, NULL);
	spawn("b", receive_one, NULL);
	spawn("c", send_one, &(uint64_t){ 1 });
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a: 7\nb: recv closed\nc: send closed\n");
	port_free(p);
	end_world();
}

static void cancel_ends_a_wait_and_loses_no_message(void)
{
	uint64_t one = 1, two = 2, three = 3;
	struct task *t;

	begin_world();
	only_user_lines();
	CHECK_INT(port_open(&p, "p", 1), 0);
	t = spawn("a", receive_one, NULL);
	spawn("b", receive_one, NULL);
	CHECK_INT(sched_run_until_idle(), 2);
	task_cancel(t);
	CHECK_INT(port_waiting(p), 1);
	CHECK_INT(port_try_send(p, 5), PORT_OK);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a: recv ECANCELED\nb: 5\n");

	spawn("c", send_one, &one);
	t = spawn("d", send_one, &two);
	spawn("e", send_one, &three);
	CHECK_INT(sched_run_until_idle(), 2);
	task_cancel(t);
	spawn("r", receive_one, NULL);
	spawn("r", receive_one, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("c: send ok\nd: send ECANCELED\nr: 1\nr: 3\ne: send ok\n");
	port_free(p);
	end_world();
}

static void cancelled_then_receives(void *arg) MAY_YIELD
{
	uint64_t *got = arg;

	task_cancel(task_self()); /* before it waits */
	CHECK_INT(port_recv(p, got), -ECANCELED);
	task_cancel_clear(task_self());
	CHECK_INT(port_recv(p, got), PORT_OK);
}

static void who_was_cancelled_before_its_wait_may_wait_again(void)
{
	uint64_t got = 0;

	begin_world();
	CHECK_INT(port_open(&p, "p", 1), 0);
	spawn("t", cancelled_then_receives, &got);
	CHECK_INT(sched_run_until_idle(), 1);
	CHECK_INT(port_try_send(p, 7), PORT_OK);
	CHECK_INT(sched_run_until_idle(), 0);
	CHECK_INT(got, 7);
	port_free(p);
	end_world();
}

static void a_cancelled_receiver_may_run_after_the_port_is_gone(void)
{
	struct task *t;

	begin_world();
	only_user_lines();
	CHECK_INT(port_open(&p, "p", 1), 0);
	t = spawn("a", receive_one, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	task_cancel(t);
	port_close(p);
	port_free(p);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a: recv ECANCELED\n");
	end_world();
}

/* Many senders and receivers, any order of running: nothing lost, nothing doubled, order kept. */

#define SENDERS 8u
#define EACH 50u

static uint64_t next_wanted[SENDERS];
static unsigned int received;

static void send_numbered(void *arg) MAY_YIELD;
static void send_numbered(void *arg)
{
	uint64_t sender = (uint64_t)(uintptr_t)arg;

	for (uint64_t i = 0; i < EACH; i++)
		CHECK_INT(port_send(p, sender << 32 | i), PORT_OK);
}

static void receive_numbered(void *arg) MAY_YIELD;
static void receive_numbered(void *arg)
{
	uint64_t msg;

	(void)arg;
	while (port_recv(p, &msg) == PORT_OK) {
		/* One receiver only: so the order of each sender can be seen. */
		CHECK_INT(msg & 0xffffffff, next_wanted[msg >> 32]++);
		if (++received == SENDERS * EACH)
			port_close(p);
		if (msg % 3 == 0)
			task_yield();
	}
}

static void every_message_arrives_once_with_every_seed(void)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		begin_seeded_world(seed);
		memset(next_wanted, 0, sizeof(next_wanted));
		received = 0;
		CHECK_INT(port_open(&p, "p", 1 + (unsigned int)seed), 0);
		for (uintptr_t i = 0; i < SENDERS; i++) {
			char name[8];

			snprintf(name, sizeof(name), "s%u", (unsigned int)i);
			spawn(name, send_numbered, (void *)i);
		}
		spawn("r", receive_numbered, NULL);
		CHECK_INT(sched_run_until_idle(), 0);
		CHECK_INT(received, SENDERS * EACH);
		port_free(p);
		end_world();
	}
}

static const struct test tests[] = {
	TEST(full_port_makes_the_sender_wait),
	TEST(empty_port_makes_the_receiver_wait),
	TEST(receivers_are_served_in_turn_and_nobody_overtakes),
	TEST(senders_are_served_in_turn),
	TEST(try_send_never_waits),
	TEST(close_ends_every_wait_and_the_port_may_go),
	TEST(messages_outlive_the_close),
	TEST(cancel_ends_a_wait_and_loses_no_message),
	TEST(who_was_cancelled_before_its_wait_may_wait_again),
	TEST(a_cancelled_receiver_may_run_after_the_port_is_gone),
	TEST(every_message_arrives_once_with_every_seed),
};
TEST_MAIN(tests)

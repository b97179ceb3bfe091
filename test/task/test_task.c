/*
 * test_task.c - what task.h promises of tasks and waits: Order, Limit, Owner, the
 * hint of a wake, several queues at once, cancel, deadlines.
 */
#include "test/task/task_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void say_name_twice(void *arg) MAY_YIELD;
static void say_name_twice(void *arg)
{
	(void)arg;
	SAY("%s first", task_name(task_self()));
	task_yield();
	SAY("%s second", task_name(task_self()));
}

static void tasks_run_in_the_order_in_which_they_became_ready(void)
{
	begin_world();
	spawn("a", say_name_twice, NULL);
	spawn("b", say_name_twice, NULL);
	spawn("c", say_name_twice, NULL);
	EXPECT_TRACE("");
	CHECK_INT(task_count(), 3);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a first\nb first\nc first\na second\nb second\nc second\n");
	end_world();
}

static void carry_and_yield(void *arg) MAY_YIELD;
static void carry_and_yield(void *arg)
{
	CHECK(task_carried() == NULL);
	task_carry(arg);
	task_yield();
	CHECK(task_carried() == arg);
}

static void what_a_task_carries_is_its_own(void)
{
	static int one, other;

	begin_world();
	task_carry(&one);
	CHECK(task_carried() == NULL); /* nobody is there to carry it */
	spawn("a", carry_and_yield, &one);
	spawn("b", carry_and_yield, &other);
	CHECK_INT(sched_run_until_idle(), 0);
	end_world();
}

static void start_another(void *arg) MAY_YIELD;
static void start_another(void *arg)
{
	spawn("child", say_name_twice, arg);
	SAY("parent goes on");
	task_yield();
	SAY("parent again");
}

static void a_task_started_by_a_task_runs_when_that_one_yields(void)
{
	begin_world();
	spawn("parent", start_another, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("parent goes on\nchild first\nparent again\nchild second\n");
	end_world();
}

static void work_in_the_background(void *arg) MAY_YIELD;
static void work_in_the_background(void *arg)
{
	task_background();
	task_background(); /* twice is once */
	CHECK_INT(waitq_wait(arg, TASK_FOREVER, WAIT_CANCELLABLE), 0);
}

static void who_works_in_the_background_is_not_waited_for(void)
{
	struct waitq stop;

	begin_world();
	waitq_init(&stop);
	spawn("house", work_in_the_background, &stop);
	spawn("a", say_name_twice, NULL);
	CHECK_INT(task_foreground_count(), 2);
	CHECK_INT(sched_run_until_idle(), 1);
	CHECK_INT(task_count(), 1);
	CHECK_INT(task_foreground_count(), 0);
	waitq_wake_all(&stop);
	CHECK_INT(sched_run_until_idle(), 0);
	CHECK_INT(task_foreground_count(), 0);
	end_world();
}

static void outside_any_task_there_is_no_self(void)
{
	begin_world();
	CHECK(task_self() == NULL);
	end_world();
}

static void a_long_name_is_cut_and_copied(void)
{
	char name[64];
	struct task *t;

	begin_world();
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	t = spawn(name, say_name_twice, NULL);
	name[0] = 'y';
	CHECK_INT(strlen(task_name(t)), TASK_NAME_SIZE - 1);
	CHECK_INT(task_name(t)[0], 'x');
	CHECK_INT(sched_run_until_idle(), 0);
	end_world();
}

static void every_change_of_state_is_an_edge_of_the_table(void)
{
	begin_world();
	CHECK_INT(trace_start(TRACE_TASK, 4096), 0);
	spawn("a", say_name_twice, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a starts\na RUNNING\na READY\na RUNNING\na GONE\n");
	end_world();
}

/* One queue. */

static struct waitq queue, other_queue;

static void wait_and_say(void *arg) MAY_YIELD;
static void wait_and_say(void *arg)
{
	int r = waitq_wait(&queue, arg ? *(uint64_t *)arg : TASK_FOREVER, WAIT_CANCELLABLE);

	SAY("%s: %s", task_name(task_self()), r == 0 ? "woken" : strerrorname_np(-r));
}

static void wake_one_wakes_the_first_and_wake_all_the_rest(void)
{
	begin_world();
	waitq_init(&queue);
	CHECK(waitq_empty(&queue));
	spawn("a", wait_and_say, NULL);
	spawn("b", wait_and_say, NULL);
	spawn("c", wait_and_say, NULL);
	CHECK_INT(sched_run_until_idle(), 3);
	CHECK(!waitq_empty(&queue));
	waitq_wake_one(&queue);
	CHECK_INT(sched_run_until_idle(), 2);
	EXPECT_TRACE("a: woken\n");
	waitq_wake_all(&queue);
	CHECK(waitq_empty(&queue));
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("b: woken\nc: woken\n");
	waitq_wake_one(&queue);
	waitq_wake_all(&queue);
	end_world();
}

static void two_wakes_before_anyone_runs_wake_two(void)
{
	begin_world();
	waitq_init(&queue);
	spawn("a", wait_and_say, NULL);
	spawn("b", wait_and_say, NULL);
	spawn("c", wait_and_say, NULL);
	CHECK_INT(sched_run_until_idle(), 3);
	waitq_wake_one(&queue);
	waitq_wake_one(&queue);
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("a: woken\nb: woken\n");
	waitq_wake_all(&queue);
	CHECK_INT(sched_run_until_idle(), 0);
	end_world();
}

/* The queue may be gone when the woken task runs. */
static void a_queue_may_go_away_after_wake_all(void)
{
	begin_world();
	waitq_init(&queue);
	spawn("a", wait_and_say, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	waitq_wake_all(&queue);
	memset(&queue, 0xff, sizeof(queue));
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a: woken\n");
	end_world();
}

/* Cancel. */

static void cancel_ends_a_wait_and_passes_no_wake_to_a_task_that_left(void)
{
	struct task *a;

	begin_world();
	waitq_init(&queue);
	a = spawn("a", wait_and_say, NULL);
	spawn("b", wait_and_say, NULL);
	CHECK_INT(sched_run_until_idle(), 2);
	task_cancel(a);
	CHECK(task_cancelled(a));
	waitq_wake_one(&queue); /* for b: a does not wait any more */
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a: ECANCELED\nb: woken\n");
	end_world();
}

static void a_task_woken_before_it_is_cancelled_was_woken(void)
{
	struct task *a;

	begin_world();
	waitq_init(&queue);
	a = spawn("a", wait_and_say, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	waitq_wake_one(&queue);
	task_cancel(a);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a: woken\n");
	end_world();
}

static void wait_cancelled_and_clear(void *arg) MAY_YIELD;
static void wait_cancelled_and_clear(void *arg)
{
	struct task *self = task_self();

	(void)arg;
	CHECK_INT(waitq_wait(&queue, TASK_FOREVER, WAIT_CANCELLABLE), -ECANCELED);
	CHECK_INT(waitq_wait(&queue, TASK_FOREVER, WAIT_CANCELLABLE), -ECANCELED);
	CHECK_INT(task_sleep_until(clock_now_ns() + 5), -ECANCELED);
	CHECK(waitq_empty(&queue));
	CHECK(task_cancelled(self));
	SAY("waits for sure");
	CHECK_INT(waitq_wait(&queue, TASK_FOREVER, WAIT_SURE), 0);
	task_cancel_clear(self);
	CHECK(!task_cancelled(self));
	SAY("waits again");
	CHECK_INT(waitq_wait(&queue, TASK_FOREVER, WAIT_CANCELLABLE), 0);
}

static void cancel_holds_until_cleared_and_spares_sure_waits(void)
{
	struct task *a;

	begin_world();
	waitq_init(&queue);
	a = spawn("a", wait_cancelled_and_clear, NULL);
	task_cancel(a); /* before it ever ran */
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("waits for sure\n");
	task_cancel(a);
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("");
	waitq_wake_one(&queue);
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("waits again\n");
	waitq_wake_one(&queue);
	CHECK_INT(sched_run_until_idle(), 0);
	end_world();
}

/* Deadlines. */

static void a_deadline_ends_a_wait_and_a_wake_disarms_it(void)
{
	uint64_t early = 100, late = 200;

	begin_world();
	waitq_init(&queue);
	spawn("late", wait_and_say, &late);
	spawn("early", wait_and_say, &early);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("early: ETIMEDOUT\nlate: ETIMEDOUT\n");
	CHECK_INT(clock_now_ns(), 200);
	CHECK(waitq_empty(&queue));

	early = 300;
	spawn("a", wait_and_say, &early);
	spawn("waker", wait_and_say, NULL);
	CHECK_INT(sched_run_until_idle(), 1); /* a's deadline has passed */
	EXPECT_TRACE("a: ETIMEDOUT\n");
	waitq_wake_one(&queue);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("waker: woken\n");
	CHECK_INT(clock_now_ns(), 300);
	end_world();
}

static void wake_queue(void *arg)
{
	(void)arg;
	waitq_wake_one(&queue);
}

static void a_woken_task_leaves_no_timer_behind(void)
{
	uint64_t deadline = 1000;

	begin_world();
	waitq_init(&queue);
	spawn("a", wait_and_say, &deadline);
	spawn("b", wake_queue, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a: woken\n");
	CHECK_INT(clock_now_ns(), 0);
	end_world();
}

static void a_deadline_of_zero_does_not_wait(void)
{
	uint64_t zero = 0;

	begin_world();
	waitq_init(&queue);
	spawn("a", wait_and_say, &zero);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a: ETIMEDOUT\n");
	CHECK(waitq_empty(&queue));
	end_world();
}

static void sleep_and_say(void *arg) MAY_YIELD;
static void sleep_and_say(void *arg)
{
	uint64_t until = *(uint64_t *)arg;

	CHECK_INT(task_sleep_until(until), 0);
	CHECK_INT(clock_now_ns(), until);
	SAY("%llu", (unsigned long long)until);
}

static void sleepers_wake_in_the_order_of_their_deadlines(void)
{
	static uint64_t deadline[200];
	static char wanted[4096];
	size_t length = 0;

	begin_world();
	for (unsigned int i = 0; i < ARRAY_COUNT(deadline); i++) {
		/* 7919 is prime: each of 1..200 once, far out of order */
		deadline[i] = 1 + (i * 7919u) % ARRAY_COUNT(deadline);
		spawn("s", sleep_and_say, &deadline[i]);
		length += (size_t)snprintf(wanted + length, sizeof(wanted) - length, "%u\n", i + 1);
	}
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE(wanted);
	end_world();
}

static void equal_deadlines_pass_in_the_order_in_which_they_were_set(void)
{
	uint64_t same = 50;

	begin_world();
	waitq_init(&queue);
	spawn("a", wait_and_say, &same);
	spawn("b", wait_and_say, &same);
	spawn("c", wait_and_say, &same);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a: ETIMEDOUT\nb: ETIMEDOUT\nc: ETIMEDOUT\n");
	end_world();
}

/* Several queues. */

static void look_at_two(void *arg) MAY_YIELD;
static void look_at_two(void *arg)
{
	struct waiter one = { 0 }, two = { 0 };
	int r;

	waitq_remove(&one); /* harmless: it is in no queue */
	waitq_add(&queue, &one);
	waitq_add(&other_queue, &two);
	r = task_wait(arg ? *(uint64_t *)arg : TASK_FOREVER, WAIT_CANCELLABLE);
	waitq_remove(&one);
	waitq_remove(&two);
	waitq_remove(&two);
	SAY("%s: %s", task_name(task_self()), r == 0 ? "woken" : strerrorname_np(-r));
}

static void a_task_in_two_queues_is_woken_by_either(void)
{
	uint64_t deadline = 10;
	struct task *t;

	begin_world();
	waitq_init(&queue);
	waitq_init(&other_queue);
	for (int i = 0; i < 4; i++) {
		t = spawn("p", look_at_two, i == 2 ? &deadline : NULL);
		CHECK_INT(sched_run_until_idle(), i != 2);
		if (i == 0)
			waitq_wake_one(&queue);
		if (i == 1)
			waitq_wake_all(&other_queue);
		if (i == 3)
			task_cancel(t);
		CHECK_INT(sched_run_until_idle(), 0);
		CHECK(waitq_empty(&queue) && waitq_empty(&other_queue));
	}
	EXPECT_TRACE("p: woken\np: woken\np: ETIMEDOUT\np: ECANCELED\n");
	end_world();
}

/* If a look took the wake, the task that waits for the thing would sleep on. */
static void an_onlooker_does_not_take_a_takers_wake(void)
{
	begin_world();
	waitq_init(&queue);
	waitq_init(&other_queue);
	spawn("taker 1", wait_and_say, NULL);
	spawn("onlooker", look_at_two, NULL);
	spawn("taker 2", wait_and_say, NULL);
	CHECK_INT(sched_run_until_idle(), 3);
	waitq_wake_one(&queue);
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("onlooker: woken\ntaker 1: woken\n");
	waitq_wake_one(&queue);
	CHECK_INT(sched_run_until_idle(), 0);
	end_world();
}

static void woken_before_it_waits(void *arg) MAY_YIELD;
static void woken_before_it_waits(void *arg)
{
	struct waiter w = { 0 };

	waitq_add(&queue, &w);
	spawn("waker", wake_queue, arg);
	task_yield();
	CHECK_INT(task_wait(TASK_FOREVER, WAIT_CANCELLABLE), 0);
	/* Again a wake before the wait, but this time the task loses interest: */
	waitq_wake_one(&queue);
	waitq_remove(&w);
	/* then the wake is not kept for another wait. */
	CHECK_INT(waitq_wait(&other_queue, clock_now_ns() + 1, WAIT_CANCELLABLE), -ETIMEDOUT);
}

static void a_wake_between_add_and_wait_is_not_lost(void)
{
	begin_world();
	waitq_init(&queue);
	waitq_init(&other_queue);
	spawn("a", woken_before_it_waits, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	end_world();
}

/* The lock and the semaphore. */

static struct task_lock lock;
static unsigned int inside;

static void hold_lock(void *arg) MAY_YIELD;
static void hold_lock(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		task_lock_take(&lock);
		CHECK_INT(++inside, 1);
		SAY("%s in", task_name(task_self()));
		task_yield();
		inside--;
		task_lock_drop(&lock);
	}
}

static void the_lock_is_handed_over_in_turn(void)
{
	begin_world();
	task_lock_init(&lock);
	CHECK_INT(trace_start(TRACE_USER, 4096), 0);
	spawn("a", hold_lock, NULL);
	spawn("b", hold_lock, NULL);
	spawn("c", hold_lock, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a in\nb in\nc in\na in\nb in\nc in\na in\nb in\nc in\n");
	end_world();
}

static void a_lock_keeps_others_out_with_every_seed(void)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		begin_seeded_world(seed);
		task_lock_init(&lock);
		for (int i = 0; i < 5; i++)
			spawn("t", hold_lock, NULL);
		CHECK_INT(sched_run_until_idle(), 0);
		CHECK(lock.owner == NULL && waitq_empty(&lock.waiters));
		end_world();
	}
}

static void cancel_does_not_end_the_wait_for_a_lock(void)
{
	struct task *b;

	begin_world();
	task_lock_init(&lock);
	spawn("a", hold_lock, NULL);
	b = spawn("b", hold_lock, NULL);
	task_cancel(b);
	CHECK_INT(sched_run_until_idle(), 0);
	end_world();
}

static struct task_sem sem;

static void take_unit(void *arg) MAY_YIELD;
static void take_unit(void *arg)
{
	int r = task_sem_wait(&sem, arg ? *(uint64_t *)arg : TASK_FOREVER);

	SAY("%s: %s", task_name(task_self()), r == 0 ? "got one" : strerrorname_np(-r));
}

static void a_semaphore_counts_and_serves_in_turn(void)
{
	uint64_t deadline = 10;
	struct task *t;

	begin_world();
	CHECK_INT(trace_start(TRACE_USER, 4096), 0);
	task_sem_init(&sem, 2);
	spawn("a", take_unit, NULL);
	spawn("b", take_unit, NULL);
	spawn("c", take_unit, NULL);
	t = spawn("d", take_unit, NULL);
	spawn("e", take_unit, &deadline);
	spawn("f", take_unit, NULL);
	CHECK_INT(sched_run_until_idle(), 3);
	EXPECT_TRACE("a: got one\nb: got one\ne: ETIMEDOUT\n");
	task_cancel(t);
	task_sem_post(&sem);
	task_sem_post(&sem);
	task_sem_post(&sem);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("d: ECANCELED\nc: got one\nf: got one\n");
	CHECK_INT(sem.count, 1);
	end_world();
}

static const struct test tests[] = {
	TEST(tasks_run_in_the_order_in_which_they_became_ready),
	TEST(what_a_task_carries_is_its_own),
	TEST(a_task_started_by_a_task_runs_when_that_one_yields),
	TEST(who_works_in_the_background_is_not_waited_for),
	TEST(outside_any_task_there_is_no_self),
	TEST(a_long_name_is_cut_and_copied),
	TEST(every_change_of_state_is_an_edge_of_the_table),
	TEST(wake_one_wakes_the_first_and_wake_all_the_rest),
	TEST(two_wakes_before_anyone_runs_wake_two),
	TEST(a_queue_may_go_away_after_wake_all),
	TEST(cancel_ends_a_wait_and_passes_no_wake_to_a_task_that_left),
	TEST(a_task_woken_before_it_is_cancelled_was_woken),
	TEST(cancel_holds_until_cleared_and_spares_sure_waits),
	TEST(a_deadline_ends_a_wait_and_a_wake_disarms_it),
	TEST(a_woken_task_leaves_no_timer_behind),
	TEST(a_deadline_of_zero_does_not_wait),
	TEST(sleepers_wake_in_the_order_of_their_deadlines),
	TEST(equal_deadlines_pass_in_the_order_in_which_they_were_set),
	TEST(a_task_in_two_queues_is_woken_by_either),
	TEST(an_onlooker_does_not_take_a_takers_wake),
	TEST(a_wake_between_add_and_wait_is_not_lost),
	TEST(the_lock_is_handed_over_in_turn),
	TEST(a_lock_keeps_others_out_with_every_seed),
	TEST(cancel_does_not_end_the_wait_for_a_lock),
	TEST(a_semaphore_counts_and_serves_in_turn),
};
TEST_MAIN(tests)

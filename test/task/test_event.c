/*
 * test_event.c - what event.h promises: soon, at a time, once, replaced, cleared.
 */
#include "task/event.h"

#include "test/task/task_test.h"

#define SECOND_NS UINT64_C(1000000000)

struct named {
	struct event event;
	const char *name;
	unsigned int again; /* set itself so often */
};

static void say_name(struct event *e)
{
	struct named *n = CONTAINER_OF(e, struct named, event);

	CHECK(!task_self());
	SAY("%s at %u s", n->name, (unsigned int)(clock_now_ns() / SECOND_NS));
	if (n->again > 0) {
		n->again--;
		event_soon(e);
	}
}

static struct named a = { .name = "a" }, b = { .name = "b" };

static void begin(void)
{
	begin_world();
	CHECK_INT(event_init(&a.event, say_name), 0);
	CHECK_INT(event_init(&b.event, say_name), 0);
}

static void end(void)
{
	event_fini(&a.event);
	event_fini(&b.event);
	end_world();
}

static void set_two_and_wait(void *arg) MAY_YIELD;
static void set_two_and_wait(void *arg)
{
	(void)arg;
	event_soon(&b.event);
	event_soon(&a.event);
	event_soon(&b.event);
	SAY("task waits");
	CHECK_INT(task_sleep_until(clock_now_ns() + SECOND_NS), 0);
	SAY("task ends");
}

static void soon_is_before_the_clock_moves(void)
{
	begin();
	spawn("t", set_two_and_wait, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("task waits\nb at 0 s\na at 0 s\ntask ends\n");
	end();
}

static void an_event_happens_when_its_time_has_come(void)
{
	begin();
	event_at(&a.event, 3 * SECOND_NS);
	event_at(&b.event, 2 * SECOND_NS);
	CHECK(event_is_set(&a.event));
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("b at 2 s\na at 3 s\n");
	CHECK(!event_is_set(&a.event));
	end();
}

static void setting_it_again_replaces_what_was_set(void)
{
	begin();
	event_at(&a.event, 3 * SECOND_NS);
	event_at(&a.event, 2 * SECOND_NS);
	event_soon(&b.event);
	event_at(&b.event, SECOND_NS);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("b at 1 s\na at 2 s\n");
	event_at(&a.event, 9 * SECOND_NS);
	event_soon(&a.event);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("a at 2 s\n");
	end();
}

static void a_cleared_event_does_not_happen(void)
{
	begin();
	event_soon(&a.event);
	event_at(&b.event, SECOND_NS);
	event_clear(&a.event);
	event_clear(&b.event);
	event_clear(&b.event);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("");
	end();
}

static void clear_the_other(struct event *e)
{
	SAY("first");
	event_clear(e == &a.event ? &b.event : &a.event);
}

static void an_event_may_clear_the_next_one(void)
{
	begin();
	a.event.fn = clear_the_other;
	event_soon(&a.event);
	event_soon(&b.event);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("first\n");
	end();
}

static void yield_twice(void *arg) MAY_YIELD;
static void yield_twice(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < 2; i++) {
		SAY("task");
		task_yield();
	}
}

static void an_event_that_sets_itself_lets_tasks_run_between(void)
{
	begin();
	a.again = 2;
	event_soon(&a.event);
	spawn("t", yield_twice, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("task\na at 0 s\ntask\na at 0 s\na at 0 s\n");
	end();
}

static struct event many[300];
static unsigned int happened;

static void count_it(struct event *e)
{
	CHECK(e >= many && e < many + ARRAY_COUNT(many));
	happened++;
}

static void there_is_room_for_every_event_and_task_at_once(void)
{
	begin();
	for (size_t i = 0; i < ARRAY_COUNT(many); i++) {
		CHECK_INT(event_init(&many[i], count_it), 0);
		event_at(&many[i], SECOND_NS + i);
		if (i % 3 == 0)
			spawn("t", set_two_and_wait, NULL);
	}
	CHECK_INT(sched_run_until_idle(), 0);
	CHECK_INT(happened, ARRAY_COUNT(many));
	for (size_t i = 0; i < ARRAY_COUNT(many); i++)
		event_fini(&many[i]);
	end();
}

static const struct test tests[] = {
	TEST(soon_is_before_the_clock_moves),
	TEST(an_event_happens_when_its_time_has_come),
	TEST(setting_it_again_replaces_what_was_set),
	TEST(a_cleared_event_does_not_happen),
	TEST(an_event_may_clear_the_next_one),
	TEST(an_event_that_sets_itself_lets_tasks_run_between),
	TEST(there_is_room_for_every_event_and_task_at_once),
};
TEST_MAIN(tests)

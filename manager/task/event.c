#include "task/event.h"

#include "task/inside.h"

static void on_time(struct timer *t)
{
	struct event *e = CONTAINER_OF(t, struct event, timer);

	e->fn(e);
}

int event_init(struct event *e, void (*fn)(struct event *e))
{
	int r;

	assert(sched.started);
	r = timer_reserve(sched.task_count + sched.event_count + 1);
	if (r < 0)
		return r;
	*e = (struct event){ .fn = fn, .timer = { .fired = on_time } };
	list_init(&e->soon);
	sched.event_count++;
	return 0;
}

void event_fini(struct event *e)
{
	event_clear(e);
	assert(sched.event_count > 0);
	sched.event_count--;
}

void event_soon(struct event *e)
{
	if (!list_empty(&e->soon))
		return;
	timer_disarm(&e->timer);
	list_push_back(&sched.soon, &e->soon);
}

void event_at(struct event *e, uint64_t deadline_ns)
{
	event_clear(e);
	timer_arm(&e->timer, deadline_ns);
}

void event_clear(struct event *e)
{
	list_del(&e->soon);
	timer_disarm(&e->timer);
}

bool event_is_set(const struct event *e)
{
	return e->timer.place > 0 || !list_empty(&e->soon);
}

#ifndef TASK_EVENT_H
#define TASK_EVENT_H
/*
 * event.h - something to be done outside any task, soon or at a time. Layer: task.
 *
 * For devices: what they do between a request and its reply needs no stack of its own.
 *
 * Order    events that are due soon run in the order in which they were set, when the
 *          tasks that are ready now have had a turn, 32 of them at most.
 * Owner    an event is embedded in its owner, who ends it before it goes away.
 * Thread   scheduler thread only. `fn` must not yield; it may set this event or others.
 *
 * Way down: sched_run -> run_events (sched.c) -> fn.
 */
#include "base/cc.h"
#include "base/list.h"
#include "task/timer.h"

#include <stdint.h>

struct event {
	void (*fn)(struct event *e);
	/* sched.c's */
	struct timer timer;
	struct list soon;
};

/* After sched_init(). 0 or -ENOMEM. */
MUST_USE int event_init(struct event *e, void (*fn)(struct event *e));
void event_fini(struct event *e); /* it does not happen any more */

/* Happen once, soon: what was set before, by either of these, is replaced. */
void event_soon(struct event *e);
/* Happen once when the clock reaches deadline_ns. */
void event_at(struct event *e, uint64_t deadline_ns);
void event_clear(struct event *e); /* harmless when it is not set */
bool event_is_set(const struct event *e);

#endif /* TASK_EVENT_H */

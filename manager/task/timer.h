#ifndef TASK_TIMER_H
#define TASK_TIMER_H
/*
 * timer.h - deadlines in order: a binary heap. Layer: task, inside only (event.h embeds one).
 *
 * Order    earlier deadlines first; equal ones in the order in which they were armed.
 * Limit    room is made by timer_reserve() before, so that arming cannot fail.
 * Owner    a timer is embedded in its owner, who disarms it before it goes away.
 * Thread   scheduler thread only.
 */
#include "base/cc.h"

#include <stdint.h>

struct timer {
	unsigned int place;		/* in the heap, from 1; 0: not armed */
	void (*fired)(struct timer *t); /* NULL: a task's own, that wakes it */
};

/* Make room for `count` armed timers. 0 or -ENOMEM. */
MUST_USE int timer_reserve(unsigned int count);
void timer_fini(void); /* none may be armed */

void timer_arm(struct timer *t, uint64_t deadline_ns); /* not armed yet */
void timer_disarm(struct timer *t);		       /* harmless when not armed */
uint64_t timer_next(void);			       /* the earliest deadline; UINT64_MAX: none */
/* The first timer, disarmed, if its deadline is not after now_ns; else NULL. */
struct timer *timer_pop_due(uint64_t now_ns);

#endif /* TASK_TIMER_H */

#ifndef TASK_SCHED_H
#define TASK_SCHED_H
/*
 * sched.h - the loop that runs tasks, and the only place where the manager's
 * thread sleeps. Layer: task.
 *
 * Thread   one scheduler a process, used by the thread that called sched_init().
 *
 * Way down: sched_run -> run ready tasks -> hooks.poll -> hooks.idle.
 */
#include "base/cc.h"

#include <stdint.h>

struct sched_hooks {
	/* Look for new work without blocking; true if some task became ready. */
	bool (*poll)(void *ctx);
	/* Nothing to do: spin or sleep until work may have come or deadline_ns passes. */
	void (*idle)(void *ctx, uint64_t deadline_ns);
	void *ctx;
};

struct sched_options {
	bool virtual_clock; /* the clock stands still while a task runs and jumps when all wait */
	bool seeded;	    /* pick the next ready task by `seed`, not in turn */
	uint64_t seed;
	unsigned int task_limit; /* 0: a default */
};

MUST_USE int sched_init(const struct sched_options *options, const struct sched_hooks *hooks);
void sched_fini(void); /* no task may be left: asserted */
void sched_run(void);  /* until sched_stop() */
void sched_stop(void);

/*
 * Run until every task waits and poll() finds nothing; with a virtual clock,
 * timers are then let pass one by one. Returns the number of tasks left. Tests use it.
 */
unsigned int sched_run_until_idle(void);

/* CLOCK_MONOTONIC, or the virtual clock. */
uint64_t clock_now_ns(void);

/* Trace: one line an event, kept in a ring; tests compare it. See task/trace.h. */

#endif /* TASK_SCHED_H */

#ifndef TASK_INSIDE_H
#define TASK_INSIDE_H
/*
 * inside.h - what task.c, sched.c, port.c and lock.c share. Layer: task, inside only.
 *
 *           task_start      picked         returns
 *   (none) ------------> READY -----> RUNNING -----> GONE
 *                        ^   ^          |  | task_wait
 *                        |   +----------+  v
 *             task_wake  |   task_yield  WAITING
 *                        +------------------+
 *
 *     state    owner               leaves by                    what holds
 *     READY    the ready list      sched.c picks it             S1 in the ready list, no timer
 *     RUNNING  itself              task_wait, yield, return     S2 sched.current, and only one
 *     WAITING  who may wake it     task_wake (also a timer,     S3 in no ready list
 *                                  task_cancel)
 *     GONE     the scheduler       freed at the next switch     S4 in no queue, no timer
 */
#include "base/cc.h"
#include "base/list.h"
#include "task/event.h"
#include "task/sched.h"
#include "task/stack.h"
#include "task/task.h"
#include "task/timer.h"
#include "task/trace.h"

#include <stdint.h>

enum task_state { TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_GONE, TASK_STATE_NR };

struct task {
	/* owned by who moves the task; always valid */
	struct context context;
	enum task_state state;
	bool cancelled;
	bool background;
	bool woken_early; /* a queue it stands in was woken while it did not wait */
	/* READY */
	struct list ready;
	/* WAITING */
	struct waiter *taking; /* its place as a taker, or NULL */
	/* WAITING; wake_result also while READY after it */
	struct timer timer;
	enum wait_kind wait_kind;
	int wake_result;
	/* while not GONE */
	task_fn *fn;
	void *arg;
	const void *carried;
	struct list all;
	/* always */
	struct stack stack;
	char name[TASK_NAME_SIZE];
};

struct sched {
	struct task *current; /* NULL: the loop itself, or a hook, runs */
	struct list ready;
	unsigned int runs_left; /* until the loop looks at poll() again */
	unsigned int ready_count;
	struct task *gone;	/* returned; freed by whoever runs next */
	struct context context; /* of the loop */

	unsigned int task_count, background_count;
	struct list all;
	unsigned int event_count;
	struct list soon; /* events */
	struct sched_options options;
	struct sched_hooks hooks;
	uint64_t random;     /* state of the seeded choice */
	uint64_t virtual_ns; /* the virtual clock */
	bool stopping;
	bool started; /* between sched_init() and sched_fini() */
};
extern struct sched sched;

#define TASK_TO(state) (1u << (state))
struct task_state_row {
	const char *name;
	uint32_t next;
};
extern const struct task_state_row task_states[TASK_STATE_NR];

static inline void task_move(struct task *t, enum task_state to)
{
	assert(task_states[t->state].next & TASK_TO(to));
	t->state = to;
	TRACE(TRACE_TASK, "%s %s", t->name, task_states[to].name);
}

/* A task in state READY joins the ready list. */
static inline void sched_add_ready(struct task *t)
{
	list_push_back(&sched.ready, &t->ready);
	sched.ready_count++;
}

/*
 * WAITING -> READY; task_wait() returns `result`. Whatever the reason, the task
 * leaves the queue where it stands as a taker: only tasks that wait are in there.
 */
void task_wake(struct task *t, int result);

/* Name of who acts, for trace lines. */
static inline const char *task_actor(void)
{
	return sched.current ? sched.current->name : "(outside)";
}

/*
 * The current task has moved on from RUNNING: run somebody else, and return when
 * it is RUNNING again.
 */
void sched_give_up(void);
/* The same for a task that is GONE. */
_Noreturn void sched_give_up_for_good(void);
/* First act on a new stack, and after each switch. */
void sched_arrived(void);
/* task.c's half of it: the memory of a task that is GONE. */
void task_free(struct task *t);

/* Stand in q as a taker. task_wait() must follow before anything that yields. */
void waitq_add_taker(struct waitq *q, struct waiter *w);
/* The first taker, taken out but not yet woken; NULL: none. */
struct waiter *waitq_pop_taker(struct waitq *q);

/* Overflow of a stack ends the process with a message. 0 or -errno. */
MUST_USE int overflow_watch(void);
void overflow_unwatch(void);

#endif /* TASK_INSIDE_H */

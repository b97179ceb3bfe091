#ifndef TASK_TASK_H
#define TASK_TASK_H
/*
 * task.h - tasks: functions with their own stacks, sharing one memory image
 * and one thread (Naniwa 2002, section IV-1). Layer: task.
 *
 * Order    ready tasks run in the order in which they became ready (or in the
 *          order a seed gives, sched_init()).
 * Limit    a stack has TASK_STACK_SIZE bytes above a guard page; overflow ends
 *          the process with a message that names the task.
 * Owner    the scheduler frees a task when its function returns.
 * Thread   scheduler thread only.
 *
 * A task gives up the processor only in functions marked MAY_YIELD. Between two
 * of them it owns all manager data.
 *
 * Way down: waitq_wait -> task_wait (task.c) -> sched_give_up (sched.c) ->
 * context_switch (stack.c) -> task_switch_stack (switch.S).
 */
#include "base/cc.h"
#include "base/list.h"

#include <stdint.h>

#define TASK_STACK_SIZE (64u * 1024u)
#define TASK_NAME_SIZE 32u	/* longer names are cut */
#define TASK_FOREVER UINT64_MAX /* a deadline that never comes */

struct task;
typedef void task_fn(void *arg);

/*
 * Start a task; it runs for the first time when the caller next yields. The name
 * is copied. *ret (ret may be NULL) is valid until fn returns. 0, -ENOMEM, or
 * -EAGAIN when as many tasks exist as sched_init() allowed.
 */
MUST_USE int task_start(struct task **ret, const char *name, task_fn *fn, void *arg);
struct task *task_self(void); /* NULL outside any task */
const char *task_name(const struct task *t);
/*
 * What the calling task has with it for those below whom it calls, and who may not know more
 * of it: as the one it works for. NULL at first. Nothing is done outside any task.
 */
void task_carry(const void *what);
const void *task_carried(void);
unsigned int task_count(void); /* tasks that have not returned */
/*
 * The calling task works for the house until somebody stops it, as one that writes back what is
 * dirty: who waits for all work to end does not wait for it (task_foreground_count()).
 */
void task_background(void);
unsigned int task_foreground_count(void);

/* Let every other ready task run once, and look for new work (hooks.poll). */
void task_yield(void) MAY_YIELD;

/*
 * Cancel: the task's present cancellable wait, and each one after it, returns
 * -ECANCELED until task_cancel_clear(). Waits that say WAIT_SURE are not cut
 * short (a device is writing into memory the task owns). A call that finds what
 * it wants without waiting (a message, a unit of a semaphore) takes it all the
 * same; and a task already woken when it is cancelled was woken.
 */
void task_cancel(struct task *t);
void task_cancel_clear(struct task *t);
bool task_cancelled(const struct task *t);

/* Tasks that wait for one thing. Embed it; waitq_init() before use. */
struct waitq {
	struct list waiters; /* onlookers, then takers */
	unsigned int taker_count;
};

/*
 * One task's place in one waitq. waitq_wait() makes a taker: it came for the one
 * thing the queue is about. waitq_add() makes an onlooker: it stands in several
 * queues at once (poll) and may not take this one. Zeroed, it stands in none.
 */
struct waiter {
	struct list node;
	struct waitq *queue; /* NULL: in none */
	struct task *task;
	bool taker;
};

enum wait_kind { WAIT_CANCELLABLE, WAIT_SURE };

void waitq_init(struct waitq *q);
bool waitq_empty(const struct waitq *q);
/*
 * Wait until woken. 0, -ETIMEDOUT (deadline_ns on clock_now_ns()), or -ECANCELED.
 * Being woken is a hint: look at what you waited for again.
 */
MUST_USE int waitq_wait(struct waitq *q, uint64_t deadline_ns, enum wait_kind kind) MAY_YIELD;
/* Wake the first taker and every onlooker; or everybody. Takers leave the queue. */
void waitq_wake_one(struct waitq *q);
void waitq_wake_all(struct waitq *q);

/*
 * Stand in several queues: add to each, task_wait(), then remove from each. A
 * wake that comes after waitq_add() and before task_wait() is not lost: task_wait()
 * then returns 0 at once.
 */
void waitq_add(struct waitq *q, struct waiter *w);
void waitq_remove(struct waiter *w); /* harmless when not in any queue */
MUST_USE int task_wait(uint64_t deadline_ns, enum wait_kind kind) MAY_YIELD;

/* Sleep until the clock reaches deadline_ns. 0 or -ECANCELED. */
MUST_USE int task_sleep_until(uint64_t deadline_ns) MAY_YIELD;

/* A sleep-lock: counts 0 or 1 with waiters served in turn. Not cancellable. */
struct task_lock {
	struct waitq waiters;
	struct task *owner;
};
void task_lock_init(struct task_lock *l);
void task_lock_take(struct task_lock *l) MAY_YIELD;
void task_lock_drop(struct task_lock *l);

/* A counting semaphore, waiters served in turn. task_sem_wait(): 0, -ETIMEDOUT or -ECANCELED. */
struct task_sem {
	struct waitq waiters;
	unsigned int count;
};
void task_sem_init(struct task_sem *s, unsigned int count);
MUST_USE int task_sem_wait(struct task_sem *s, uint64_t deadline_ns) MAY_YIELD;
void task_sem_take(struct task_sem *s) MAY_YIELD; /* the same for ever, not cancellable */
void task_sem_post(struct task_sem *s);

#endif /* TASK_TASK_H */

/*
 * lock.c - the sleep-lock and the semaphore of task.h.
 *
 * What is waited for is handed to the first waiter when it becomes free, before
 * that task runs: nobody who comes later can take it first.
 *
 *   L1  a free lock has no waiter.      M1  a semaphore with waiters has count 0.
 */
#include "task/inside.h"

#include <errno.h>
#include <limits.h>

void task_lock_init(struct task_lock *l)
{
	waitq_init(&l->waiters);
	l->owner = NULL;
}

void task_lock_take(struct task_lock *l)
{
	struct task *self = sched.current;
	struct waiter w;

	assert(self);
	assert(l->owner != self);
	if (!l->owner) {
		assert(waitq_empty(&l->waiters)); /* L1 */
		l->owner = self;
		return;
	}
	TRACE(TRACE_LOCK, "%s waits for %s", self->name, l->owner->name);
	waitq_add_taker(&l->waiters, &w);
	while (l->owner != self) {
		int r = task_wait(TASK_FOREVER, WAIT_SURE);

		assert(r == 0);
	}
}

void task_lock_drop(struct task_lock *l)
{
	struct waiter *w;

	assert(l->owner && l->owner == sched.current);
	w = waitq_pop_taker(&l->waiters);
	l->owner = w ? w->task : NULL;
	if (w)
		task_wake(w->task, 0);
}

struct sem_wait {
	struct waiter waiter;
	bool granted;
};

void task_sem_init(struct task_sem *s, unsigned int count)
{
	waitq_init(&s->waiters);
	s->count = count;
}

static int sem_wait(struct task_sem *s, uint64_t deadline_ns, enum wait_kind kind) MAY_YIELD
{
	struct sem_wait wait = { .granted = false };
	int r;

	if (s->count > 0) {
		s->count--;
		return 0;
	}
	TRACE(TRACE_LOCK, "%s waits for a semaphore", task_actor());
	waitq_add_taker(&s->waiters, &wait.waiter);
	do
		r = task_wait(deadline_ns, kind);
	while (r == 0 && !wait.granted);
	waitq_remove(&wait.waiter);
	return r;
}

int task_sem_wait(struct task_sem *s, uint64_t deadline_ns)
{
	return sem_wait(s, deadline_ns, WAIT_CANCELLABLE);
}

void task_sem_take(struct task_sem *s)
{
	int r = sem_wait(s, TASK_FOREVER, WAIT_SURE);

	assert(r == 0);
}

void task_sem_post(struct task_sem *s)
{
	struct waiter *w = waitq_pop_taker(&s->waiters);

	if (w) {
		assert(s->count == 0); /* M1 */
		CONTAINER_OF(w, struct sem_wait, waiter)->granted = true;
		task_wake(w->task, 0);
		return;
	}
	assert(s->count < UINT_MAX);
	s->count++;
}

#include "task/task.h"

#include "task/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct role in_task;

const struct task_state_row task_states[TASK_STATE_NR] = {
	[TASK_READY] = { "READY", TASK_TO(TASK_RUNNING) },
	[TASK_RUNNING] = { "RUNNING",
			   TASK_TO(TASK_READY) | TASK_TO(TASK_WAITING) | TASK_TO(TASK_GONE) },
	[TASK_WAITING] = { "WAITING", TASK_TO(TASK_READY) },
	[TASK_GONE] = { "GONE", 0 },
};

void task_wake(struct task *t, int result)
{
	timer_disarm(&t->timer);
	if (t->taking)
		waitq_remove(t->taking);
	t->wake_result = result;
	task_move(t, TASK_READY);
	sched_add_ready(t);
}

static void task_body(void *arg)
{
	struct task *t = arg;

	context_arrived();
	sched_arrived();
	t->fn(t->arg);
	assert(!t->timer.place && !t->taking); /* S4 */
	list_del(&t->all);
	sched.task_count--;
	sched.background_count -= t->background;
	task_move(t, TASK_GONE);
	sched_give_up_for_good();
}

int task_start(struct task **ret, const char *name, task_fn *fn, void *arg)
{
	struct task *t;
	int r;

	assert(sched.started);
	if (sched.task_count >= sched.options.task_limit)
		return -EAGAIN;
	r = timer_reserve(sched.task_count + sched.event_count + 1);
	if (r < 0)
		return r;
	t = malloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	*t = (struct task){ .state = TASK_READY, .fn = fn, .arg = arg };
	r = stack_get(&t->stack);
	if (r < 0) {
		free(t);
		return r;
	}
	memcpy(t->name, name, strnlen(name, sizeof(t->name) - 1));
	context_make(&t->context, &t->stack, task_body, t);
	list_push_back(&sched.all, &t->all);
	sched.task_count++;
	sched_add_ready(t);
	TRACE(TRACE_TASK, "%s starts", t->name);
	if (ret)
		*ret = t;
	return 0;
}

void task_free(struct task *t)
{
	assert(t->state == TASK_GONE);
	context_end(&t->context);
	stack_put(&t->stack);
	free(t);
}

struct task *task_self(void)
{
	return sched.current;
}

void task_carry(const void *what)
{
	if (sched.current)
		sched.current->carried = what;
}

const void *task_carried(void)
{
	return sched.current ? sched.current->carried : NULL;
}

const char *task_name(const struct task *t)
{
	return t->name;
}

unsigned int task_count(void)
{
	return sched.task_count;
}

void task_background(void)
{
	assert(sched.current);
	sched.background_count += !sched.current->background;
	sched.current->background = true;
}

unsigned int task_foreground_count(void)
{
	return sched.task_count - sched.background_count;
}

void task_yield(void)
{
	struct task *self = sched.current;

	assert(self);
	/* Who yields has worked for a while: after those who wait now, poll() is asked. */
	if (sched.runs_left > sched.ready_count)
		sched.runs_left = sched.ready_count;
	task_move(self, TASK_READY);
	sched_add_ready(self);
	sched_give_up();
}

void task_cancel(struct task *t)
{
	t->cancelled = true;
	if (t->state == TASK_WAITING && t->wait_kind == WAIT_CANCELLABLE)
		task_wake(t, -ECANCELED);
}

void task_cancel_clear(struct task *t)
{
	t->cancelled = false;
}

bool task_cancelled(const struct task *t)
{
	return t->cancelled;
}

int task_wait(uint64_t deadline_ns, enum wait_kind kind)
{
	struct task *self = sched.current;

	assert(self);
	if (self->woken_early) {
		self->woken_early = false;
		return 0;
	}
	if (self->cancelled && kind == WAIT_CANCELLABLE)
		return -ECANCELED;
	if (deadline_ns == 0)
		return -ETIMEDOUT;
	if (deadline_ns != TASK_FOREVER)
		timer_arm(&self->timer, deadline_ns);
	self->wait_kind = kind;
	task_move(self, TASK_WAITING);
	sched_give_up();
	return self->wake_result;
}

int task_sleep_until(uint64_t deadline_ns)
{
	int r;

	do
		r = task_wait(deadline_ns, WAIT_CANCELLABLE);
	while (r == 0);
	return r == -ETIMEDOUT ? 0 : r;
}

void waitq_init(struct waitq *q)
{
	list_init(&q->waiters);
	q->taker_count = 0;
}

bool waitq_empty(const struct waitq *q)
{
	return list_empty(&q->waiters);
}

/*
 * Onlookers stand before the takers, so that waitq_wake_one() meets all of them
 * before it finds the one taker it is looking for.
 */
void waitq_add(struct waitq *q, struct waiter *w)
{
	assert(sched.current);
	*w = (struct waiter){ .queue = q, .task = sched.current };
	list_push_front(&q->waiters, &w->node);
}

void waitq_add_taker(struct waitq *q, struct waiter *w)
{
	struct task *self = sched.current;

	assert(self && !self->taking);
	*w = (struct waiter){ .queue = q, .task = self, .taker = true };
	list_push_back(&q->waiters, &w->node);
	q->taker_count++;
	self->taking = w;
}

void waitq_remove(struct waiter *w)
{
	if (!w->queue)
		return;
	list_del(&w->node);
	if (w->taker) {
		w->queue->taker_count--;
		w->task->taking = NULL;
	} else {
		w->task->woken_early = false;
	}
	w->queue = NULL;
}

static void wake_onlookers(struct waitq *q)
{
	LIST_EACH(node, &q->waiters) {
		struct waiter *w = LIST_ENTRY(node, struct waiter, node);

		if (w->taker)
			return;
		if (w->task->state == TASK_WAITING)
			task_wake(w->task, 0);
		else
			w->task->woken_early = true;
	}
}

struct waiter *waitq_pop_taker(struct waitq *q)
{
	LIST_EACH(node, &q->waiters) {
		struct waiter *w = LIST_ENTRY(node, struct waiter, node);

		if (!w->taker)
			continue;
		waitq_remove(w);
		return w;
	}
	return NULL;
}

void waitq_wake_one(struct waitq *q)
{
	struct waiter *w;

	wake_onlookers(q);
	w = waitq_pop_taker(q);
	if (w)
		task_wake(w->task, 0);
}

void waitq_wake_all(struct waitq *q)
{
	struct waiter *w;

	wake_onlookers(q);
	while ((w = waitq_pop_taker(q)))
		task_wake(w->task, 0);
}

int waitq_wait(struct waitq *q, uint64_t deadline_ns, enum wait_kind kind)
{
	struct waiter w;
	int r;

	waitq_add_taker(q, &w);
	r = task_wait(deadline_ns, kind);
	/* task_wake() took it out of the queue, which may be gone; no wait, no wake. */
	waitq_remove(&w);
	return r;
}

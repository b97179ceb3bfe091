/* SPDX-License-Identifier: MIT */
/*
 * poll.c - poll queues, and poll(2) over many files.
 *
 * Up to POLL_SMALL files need no memory at the time of the call: the places in
 * the queues come from a store that only ever grows to the number of tasks that
 * poll at once. They are not on the stack: a task's stack is small.
 */
#include "file/inside.h"
#include "task/sched.h"

#include <stdlib.h>
#include <string.h>

#define POLL_SMALL 64u

struct poll_places {
	struct poll_places *next; /* while in the store */
	struct waiter waiters[];
};

static struct poll_places *store;

void poll_queue_init(struct poll_queue *q)
{
	waitq_init(&q->tasks);
	list_init(&q->watches);
}

bool poll_queue_empty(const struct poll_queue *q)
{
	return waitq_empty(&q->tasks) && list_empty(&q->watches);
}

void poll_queue_wake(struct poll_queue *q)
{
	if (!waitq_empty(&q->tasks))
		waitq_wake_all(&q->tasks);
	LIST_EACH_SAFE(node, &q->watches) {
		struct poll_watch *watch = LIST_ENTRY(node, struct poll_watch, node);

		watch->changed(watch);
	}
}

int poll_queue_wait(struct poll_queue *q, uint64_t deadline_ns)
{
	return file_wait_result(waitq_wait(&q->tasks, deadline_ns, WAIT_CANCELLABLE));
}

void poll_table_add(struct poll_table *pt, struct poll_queue *q)
{
	if (!pt)
		return;
	if (pt->watch) {
		assert(list_empty(&pt->watch->node)); /* one queue a file */
		list_push_back(&q->watches, &pt->watch->node);
		return;
	}
	assert(pt->used < pt->capacity); /* one queue a file */
	waitq_add(&q->tasks, &pt->waiters[pt->used++]);
}

static int places_get(unsigned int count, struct poll_places **ret)
{
	struct poll_places *p = store;

	if (count <= POLL_SMALL && p) {
		store = p->next;
		memset(p->waiters, 0, count * sizeof(p->waiters[0]));
		*ret = p;
		return 0;
	}
	if (count < POLL_SMALL)
		count = POLL_SMALL;
	p = calloc(1, sizeof(*p) + count * sizeof(p->waiters[0]));
	if (!p)
		return -ENOMEM;
	*ret = p;
	return 0;
}

static void places_put(struct poll_places *p, unsigned int count)
{
	if (count > POLL_SMALL) {
		free(p);
		return;
	}
	p->next = store;
	store = p;
}

void poll_fini(void)
{
	while (store) {
		struct poll_places *p = store;

		store = p->next;
		free(p);
	}
}

/* Ask every file; `pt` NULL: without standing in a queue. Count of those with something to tell. */
static int look(struct poll_item *items, unsigned int count, struct poll_table *pt)
{
	int ready = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct poll_item *item = &items[i];
		unsigned int wanted = item->events | POLLERR | POLLHUP | POLLNVAL;

		item->ret_events = 0;
		if (!item->file)
			continue;
		item->ret_events = file_poll(item->file, pt) & wanted;
		ready += item->ret_events != 0;
	}
	return ready;
}

/* Stand in all queues, sleep once, leave them: count of ready ones, 0, or the wait's -errno. */
static int stand_and_wait(struct poll_item *items, unsigned int count, uint64_t deadline_ns,
			  struct poll_places *places) MAY_YIELD
{
	struct poll_table pt = { .waiters = places->waiters, .capacity = count };
	int r = look(items, count, &pt);

	if (r == 0)
		r = task_wait(deadline_ns, WAIT_CANCELLABLE);
	for (unsigned int i = 0; i < pt.used; i++)
		waitq_remove(&pt.waiters[i]);
	return r;
}

int file_poll_many(struct poll_item *items, unsigned int count, uint64_t deadline_ns)
{
	struct poll_places *places;
	int r = look(items, count, NULL);

	if (r > 0 || (deadline_ns != TASK_FOREVER && deadline_ns <= clock_now_ns()))
		return r;
	r = places_get(count, &places);
	if (r < 0)
		return r;
	do
		r = stand_and_wait(items, count, deadline_ns, places);
	while (r == 0);
	places_put(places, count);
	if (r == -ETIMEDOUT)
		return look(items, count, NULL);
	return r == -ECANCELED ? -EINTR : r;
}

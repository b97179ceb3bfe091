/* SPDX-License-Identifier: MIT */
#include "proc/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SERVER_BUCKETS 64u

/* Server tasks by their task: who asks thread_current() is rarely in a hurry. */
static struct list servers[SERVER_BUCKETS];

static unsigned int waiting; /* threads that are QUEUED or SERVED */

static struct list *server_bucket(const struct task *task)
{
	return &servers[((uintptr_t)task >> 6) % SERVER_BUCKETS];
}

void thread_server_add(struct thread_server *s)
{
	struct list *bucket;

	s->task = task_self();
	s->thread = NULL;
	bucket = server_bucket(s->task);
	if (!bucket->next)
		list_init(bucket);
	list_push_back(bucket, &s->node);
}

void thread_server_remove(struct thread_server *s)
{
	list_del(&s->node);
}

struct thread *thread_current(void)
{
	struct task *self = task_self();
	struct list *bucket = server_bucket(self);

	if (!self || !bucket->next)
		return NULL;
	LIST_EACH(it, bucket) {
		struct thread_server *s = LIST_ENTRY(it, struct thread_server, node);

		if (s->task == self)
			return s->thread;
	}
	return NULL;
}

/*
 * An entry is free for another thread once its last one has taken its last reply; one
 * that was told to end takes nothing, and is gone before exec is over.
 */
static bool entry_usable(const struct client *c, uint32_t entry)
{
	if (c->thread[entry])
		return false;
	return (c->stale[entry / 64] >> (entry % 64) & 1) || proc_host->entry_is_free(c, entry);
}

int thread_new(struct process *p, int entry, struct thread **ret)
{
	struct client *c = p->client;
	struct thread *t;
	int i = entry >= 0 ? entry : 0;

	if (!c || p->ending_threads)
		return -EAGAIN;
	while (entry < 0 && i < (int)PROC_ENTRIES && !entry_usable(c, (uint32_t)i))
		i++;
	if (i >= (int)PROC_ENTRIES || !entry_usable(c, (uint32_t)i))
		return -EAGAIN;
	if (!threads_take())
		return -EAGAIN;
	t = calloc(1, sizeof(*t));
	if (!t) {
		threads_give_back();
		return -ENOMEM;
	}
	t->process = process_get(p);
	t->client = c;
	t->entry = (uint32_t)i;
	t->state = THREAD_IDLE;
	list_push_back(&p->threads, &t->node);
	if (c->stale[i / 64] >> (i % 64) & 1)
		proc_host->entry_reset(c, (uint32_t)i);
	c->stale[i / 64] &= ~(UINT64_C(1) << (i % 64));
	c->thread[i] = t;
	c->thread_count++;
	*ret = t;
	return 0;
}

static void thread_free(struct thread *t)
{
	struct process *p = t->process;

	assert(t->client->thread[t->entry] == t);
	t->client->thread[t->entry] = NULL;
	if (t->told_to_end)
		t->client->stale[t->entry / 64] |= UINT64_C(1) << (t->entry % 64);
	t->client->thread_count--;
	list_del(&t->node);
	waitq_wake_all(&p->threads_wait);
	process_put(t->forking);
	free(t);
	threads_give_back();
	process_settle(p);
	process_put(p);
}

void thread_end(struct thread *t)
{
	t->ended = true;
	if (t->state == THREAD_IDLE)
		thread_free(t);
}

void thread_queued(struct thread *t)
{
	assert(t->state == THREAD_IDLE);
	t->state = THREAD_QUEUED;
	waiting++;
}

bool threads_all_wait(void)
{
	return waiting == threads_count();
}

void thread_idle(struct thread *t)
{
	if (t->state != THREAD_IDLE)
		waiting--;
	t->state = THREAD_IDLE;
	t->task = NULL;
	t->cancelled = false;
	if (t->ended)
		thread_free(t);
}

void thread_cancel(struct thread *t)
{
	if (t->state == THREAD_IDLE)
		return;
	t->cancelled = true;
	if (t->task)
		task_cancel(t->task);
}

/* ---- the client's descriptor slots. */

uint32_t client_slot(struct client *c, uint64_t key, bool *ret_fresh)
{
	uint32_t oldest = 0;

	assert(key != 0);
	c->slot_stamp++;
	for (uint32_t i = 0; i < PROC_SLOTS; i++) {
		if (c->slot[i].key == key) {
			c->slot[i].used = c->slot_stamp;
			*ret_fresh = false;
			return i;
		}
		if (c->slot[i].used < c->slot[oldest].used)
			oldest = i;
	}
	c->slot[oldest] = (struct client_slot){ key, c->slot_stamp };
	*ret_fresh = true;
	return oldest;
}

void client_slot_forget(struct client *c, uint32_t slot)
{
	assert(slot < PROC_SLOTS);
	c->slot[slot] = (struct client_slot){ 0, 0 };
}

int client_send(struct client *c, const int *fds, const uint32_t *slots, unsigned int count)
{
	return proc_host->client_send(c, fds, slots, count);
}

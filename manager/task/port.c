/*
 *   P1  count <= depth.                    P2  a sender waits only while count == depth.
 *   P3  a receiver waits only while count == 0.   P4  a closed port has no waiter.
 *
 * A message goes straight to the first receiver that waits, and a place that
 * becomes free straight to the first sender that waits: so waiters are served in
 * turn, and the one served need not look at the port again. It could not: the
 * port may have been closed and freed before it runs.
 */
#include "task/port.h"

#include "task/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT_NAME_SIZE 24u

struct port {
	/* always valid */
	char name[PORT_NAME_SIZE];
	unsigned int depth;
	bool closed;
	struct waitq senders;
	struct waitq receivers;
	/* ring[first] is the oldest of `count` messages */
	unsigned int first;
	unsigned int count;
	uint64_t ring[];
};

/* One task's wait for a message, or for a place for one. */
struct port_wait {
	struct waiter waiter;
	uint64_t msg;
	bool done; /* `outcome` is valid, and `msg` passed on */
	enum port_outcome outcome;
};

static void port_check(const struct port *p)
{
	assert(p->count <= p->depth);							/* P1 */
	assert(waitq_empty(&p->senders) || p->count == p->depth);			/* P2 */
	assert(waitq_empty(&p->receivers) || p->count == 0);				/* P3 */
	assert(!p->closed || (waitq_empty(&p->senders) && waitq_empty(&p->receivers))); /* P4 */
}

int port_open(struct port **ret, const char *name, unsigned int depth)
{
	struct port *p;

	assert(depth > 0 && depth <= PORT_DEPTH_MAX);
	p = calloc(1, sizeof(*p) + depth * sizeof(p->ring[0]));
	if (!p)
		return -ENOMEM;
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->depth = depth;
	waitq_init(&p->senders);
	waitq_init(&p->receivers);
	*ret = p;
	return 0;
}

/* The first task in a queue of the port, taken out; NULL: none waits. */
static struct port_wait *pop(struct waitq *q)
{
	struct waiter *w = waitq_pop_taker(q);

	return w ? CONTAINER_OF(w, struct port_wait, waiter) : NULL;
}

static void finish(struct port_wait *wait, enum port_outcome outcome)
{
	wait->done = true;
	wait->outcome = outcome;
	task_wake(wait->waiter.task, 0);
}

void port_close(struct port *p)
{
	struct port_wait *wait;

	p->closed = true;
	while ((wait = pop(&p->receivers)))
		finish(wait, PORT_CLOSED);
	while ((wait = pop(&p->senders)))
		finish(wait, PORT_CLOSED);
	port_check(p);
	TRACE(TRACE_PORT, "%s closed %s", task_actor(), p->name);
}

void port_free(struct port *p)
{
	if (!p)
		return;
	assert(waitq_empty(&p->senders) && waitq_empty(&p->receivers));
	free(p);
}

static void ring_put(struct port *p, uint64_t msg)
{
	unsigned int place = p->first + p->count;

	p->ring[place < p->depth ? place : place - p->depth] = msg;
	p->count++;
}

static uint64_t ring_take(struct port *p)
{
	uint64_t msg = p->ring[p->first];

	p->first = p->first + 1 < p->depth ? p->first + 1 : 0;
	p->count--;
	return msg;
}

int port_try_send(struct port *p, uint64_t msg)
{
	struct port_wait *receiver;

	port_check(p);
	if (p->closed)
		return PORT_CLOSED;
	receiver = pop(&p->receivers);
	if (receiver) {
		assert(p->count == 0); /* P3 */
		receiver->msg = msg;
		finish(receiver, PORT_OK);
	} else if (p->count < p->depth) {
		ring_put(p, msg);
	} else {
		return PORT_FULL;
	}
	TRACE(TRACE_PORT, "%s sent %s %llu", task_actor(), p->name, (unsigned long long)msg);
	return PORT_OK;
}

/* 0 when somebody has finished `wait`, or -ECANCELED: then nothing was sent or received. */
static int wait_until_done(struct port_wait *wait) MAY_YIELD
{
	int r;

	do
		r = task_wait(TASK_FOREVER, WAIT_CANCELLABLE);
	while (r == 0 && !wait->done);
	waitq_remove(&wait->waiter); /* cancelled before it waited: nobody else took it out */
	return r;
}

int port_send(struct port *p, uint64_t msg)
{
	struct port_wait wait = { .msg = msg };
	int r = port_try_send(p, msg);

	if (r != PORT_FULL)
		return r;
	TRACE(TRACE_PORT, "%s waits on %s", task_actor(), p->name);
	waitq_add_taker(&p->senders, &wait.waiter);
	r = wait_until_done(&wait);
	return r < 0 ? r : (int)wait.outcome;
}

int port_recv(struct port *p, uint64_t *ret_msg)
{
	struct port_wait wait = { .done = false };
	struct port_wait *sender;
	int r;

	port_check(p);
	if (p->count > 0) {
		*ret_msg = ring_take(p);
		TRACE(TRACE_PORT, "%s got  %s %llu", task_actor(), p->name,
		      (unsigned long long)*ret_msg);
		sender = pop(&p->senders);
		if (sender) {
			assert(p->count == p->depth - 1); /* P2 */
			ring_put(p, sender->msg);
			TRACE(TRACE_PORT, "%s sent %s %llu", sender->waiter.task->name, p->name,
			      (unsigned long long)sender->msg);
			finish(sender, PORT_OK);
		}
		return PORT_OK;
	}
	if (p->closed)
		return PORT_CLOSED;
	TRACE(TRACE_PORT, "%s waits on %s", task_actor(), p->name);
	waitq_add_taker(&p->receivers, &wait.waiter);
	r = wait_until_done(&wait);
	if (r < 0)
		return r;
	if (wait.outcome == PORT_OK)
		*ret_msg = wait.msg;
	return (int)wait.outcome;
}

unsigned int port_waiting(const struct port *p)
{
	return p->receivers.taker_count;
}

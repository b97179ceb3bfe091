/* SPDX-License-Identifier: MIT */
/*
 * serve.c - server tasks: each takes a thread that has posted from the request port,
 * claims its entry, runs the call in straight-line code and completes the entry.
 *
 *   S1  queued calls and idle servers: if a call is queued, a server is idle or ready, or
 *       serve_grow() makes one. There may be as many servers as threads (proc_options), so
 *       calls that wait for each other never wait for servers.
 *   S2  a thread is in the port exactly while it is QUEUED.
 *
 * With no servers to be kept (front_options.servers is 0) there is a task for each call: it
 * takes one message and ends.
 */
#include "front/inside.h"

#include "call/call.h"
#include "task/port.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PORT_DEPTH 1024u

struct server {
	struct request req;
	struct thread_server current;
	char text[2][REQUEST_STRING_SIZE];
};

static struct {
	struct port *port;
	unsigned int count;  /* servers */
	unsigned int idle;   /* in port_recv */
	unsigned int queued; /* messages in the port */
	unsigned int fresh;  /* servers started that have not run yet */
} serve;

struct front_options front_options;

unsigned int serve_count(void)
{
	return serve.count;
}

bool serve_any_waits(void)
{
	return serve.count > serve.idle + serve.fresh;
}

bool serve_queue(struct thread *t)
{
	if (serve.queued >= PORT_DEPTH ||
	    port_try_send(serve.port, (uint64_t)(uintptr_t)t) != PORT_OK)
		return false;
	serve.queued++;
	thread_queued(t);
	t->cancelled = t->cancel_next;
	t->cancel_next = false;
	return true;
}

static void complete(struct thread *t, const struct request *req, int64_t ret)
{
	struct syscall_info *entry = client_entry(t->client, t->entry);
	bool must_wake;

	if (req->no_reply) {
		area_entry_reset(t->client, t->entry);
		return;
	}
	if (slot_complete(entry, ret, req->reply_flags, &must_wake) < 0) {
		host_process_damage(t->client, "changed an entry that was being served");
		return;
	}
	if (must_wake)
		syscall(SYS_futex, &entry->state, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* The thread copies out what is there while the rest is read. */
static void tell(const struct request *req, size_t done)
{
	slot_tell(client_entry(req->client, req->entry), (int64_t)done);
}

static void serve_claimed(struct server *s, struct thread *t, const struct slot_call *call)
	MAY_YIELD
{
	struct request *req = &s->req;
	uint64_t polls = shm_polls();
	int64_t ret;

	t->state = THREAD_SERVED;
	t->task = task_self();
	t->kick = false;
	s->current.thread = t;
	task_cancel_clear(t->task);
	if (t->cancelled) /* while it was queued */
		task_cancel(t->task);
	*req = (struct request){
		.thread = t,
		.process = t->process,
		.client = t->client,
		.num = call->num,
		.entry = t->entry,
		.bounce = client_bounce(t->client, t->entry),
		.tell = tell,
		.text = { s->text[0], s->text[1] },
	};
	memcpy(req->arg, call->arg, sizeof(req->arg));
	ret = call_serve(req);
	if (t->kick)
		req->reply_flags |= RUN_REPLY_KICK;
	if (shm_polls() != polls)
		req->reply_flags |= RUN_REPLY_WAITED;
	s->current.thread = NULL;
	task_cancel_clear(t->task); /* it was meant for this call */
	complete(t, req, ret);
}

static void serve_thread(struct server *s, struct thread *t) MAY_YIELD
{
	struct slot_call call;
	int r = 0;

	if (!t->ended) {
		r = slot_claim(client_entry(t->client, t->entry), &call);
		if (r == 0)
			serve_claimed(s, t, &call);
		else if (r == -EPROTO)
			host_process_damage(t->client, "posted an entry in no known state");
	}
	thread_idle(t); /* recalled, ended, or done */
}

static void server_main(void *arg) MAY_YIELD
{
	struct server *s = arg;
	uint64_t message;
	int r;

	serve.fresh--;
	thread_server_add(&s->current);
	for (;;) {
		serve.idle++;
		r = port_recv(serve.port, &message);
		serve.idle--;
		if (r != PORT_OK)
			break; /* closed: nobody cancels an idle server */
		serve.queued--;
		serve_thread(s, (struct thread *)(uintptr_t)message);
		if (serve.idle >= front_options.servers)
			break;
	}
	thread_server_remove(&s->current);
	serve.count--;
	free(s);
}

MUST_USE static int server_start(void)
{
	struct server *s = malloc(sizeof(*s));
	struct task *task;
	int r;

	if (!s)
		return -ENOMEM;
	r = task_start(&task, "server", server_main, s);
	if (r < 0) {
		free(s);
		return r;
	}
	serve.count++;
	serve.fresh++;
	return 0;
}

void serve_grow(void)
{
	unsigned int ready = serve.idle + serve.fresh;
	unsigned int wanted = front_options.servers == 0 ? serve.queued : serve.queued > 0;

	for (; ready < wanted && serve.count < front_options.servers_max; ready++)
		if (server_start() < 0)
			return; /* the calls wait until a server is free, or there is memory */
}

int serve_init(void)
{
	int r;

	serve.count = serve.idle = serve.queued = serve.fresh = 0;
	r = port_open(&serve.port, "requests", PORT_DEPTH);
	for (unsigned int i = 0; r == 0 && i < front_options.servers; i++)
		r = server_start();
	return r;
}

void serve_close(void)
{
	port_close(serve.port);
}

void serve_fini(void)
{
	assert(serve.count == 0);
	port_free(serve.port);
	serve.port = NULL;
}

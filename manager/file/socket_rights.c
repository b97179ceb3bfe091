/* SPDX-License-Identifier: MIT */
/*
 * socket_rights.c - descriptors inside messages, and sockets that only such messages
 * still refer to.
 *
 * A program can send a socket to itself (or two to each other) and close its own
 * descriptors: nobody will ever receive the message, and the counts never reach
 * zero. So when the last reference from outside goes, we look:
 *
 *   - candidates: sockets all of whose references are in messages;
 *   - a candidate that is in the queue of a socket that is none is alive, and so is
 *     whatever is in the queue of one that is alive;
 *   - the others' queues are emptied, which releases them.
 *
 * Only sockets can close such a circle: no other kind of file holds files.
 */
#include "file/socket_inside.h"

#include <stdlib.h>
#include <string.h>

static struct list sockets_in_flight = LIST_INIT(sockets_in_flight);
static unsigned int in_flight_count;

unsigned int socket_in_flight(void)
{
	return in_flight_count;
}

static void fly(struct file *f)
{
	file_get(f);
	in_flight_count++;
	if (f->in_flight++ == 0 && f->ops->socket)
		list_push_back(&sockets_in_flight, &socket_of(f)->in_flight);
}

/* The reference stays, the message's claim on it ends. */
static void land(struct file *f)
{
	assert(f->in_flight > 0 && in_flight_count > 0);
	in_flight_count--;
	if (--f->in_flight == 0 && f->ops->socket)
		list_del(&socket_of(f)->in_flight);
}

int rights_attach(struct unix_message *m, struct file *const *rights, unsigned int count)
{
	if (count == 0)
		return 0;
	if (count > SOCKET_RIGHTS_MAX)
		return -EINVAL;
	if (in_flight_count + count > SOCKET_IN_FLIGHT_MAX)
		return -ETOOMANYREFS;
	m->rights = malloc(count * sizeof(m->rights[0]));
	if (!m->rights)
		return -ENOMEM;
	memcpy(m->rights, rights, count * sizeof(m->rights[0]));
	m->rights_count = count;
	for (unsigned int i = 0; i < count; i++)
		fly(rights[i]);
	return 0;
}

void rights_hand_over(struct unix_message *m, struct socket_message *to, bool peek)
{
	unsigned int given = 0;

	while (given < m->rights_count && to->rights_count < to->rights_room) {
		struct file *f = m->rights[given++];

		if (peek)
			file_get(f);
		to->rights[to->rights_count++] = f;
	}
	if (given < m->rights_count)
		to->flags |= MSG_CTRUNC;
	if (peek)
		return;
	for (unsigned int i = 0; i < m->rights_count; i++)
		land(m->rights[i]);
	for (unsigned int i = given; i < m->rights_count; i++)
		file_put(m->rights[i]);
	free(m->rights);
	m->rights = NULL;
	m->rights_count = 0;
}

void rights_drop(struct unix_message *m)
{
	for (unsigned int i = 0; i < m->rights_count; i++) {
		land(m->rights[i]);
		file_put(m->rights[i]);
	}
	free(m->rights);
	m->rights = NULL;
	m->rights_count = 0;
}

typedef void visit_fn(struct unix_socket *s, struct list *ctx);

/* Call `visit` for each candidate that a message in the queue of s carries. */
static void visit_messages(struct unix_socket *s, visit_fn *visit, struct list *ctx)
{
	LIST_EACH(node, &s->messages) {
		struct unix_message *m = LIST_ENTRY(node, struct unix_message, node);

		for (unsigned int i = 0; i < m->rights_count; i++) {
			struct file *f = m->rights[i];

			if (f->ops->socket && socket_of(f)->candidate)
				visit(socket_of(f), ctx);
		}
	}
}

/* The same for s and for the connections that wait for it to accept them. */
static void visit_all(struct unix_socket *s, visit_fn *visit, struct list *ctx)
{
	visit_messages(s, visit, ctx);
	LIST_EACH(node, &s->pending)
		visit_messages(LIST_ENTRY(node, struct unix_socket, in_pending), visit, ctx);
}

static void count_inside(struct unix_socket *s, struct list *ctx)
{
	(void)ctx;
	s->inside_count++;
}

static void found_alive(struct unix_socket *s, struct list *to_visit)
{
	if (s->live)
		return;
	s->live = true;
	list_push_back(to_visit, &s->to_visit);
}

static void mark_candidates(void)
{
	LIST_EACH(node, &sockets_in_flight) {
		struct unix_socket *s = LIST_ENTRY(node, struct unix_socket, in_flight);

		s->candidate = s->file->refs == s->file->in_flight;
		s->inside_count = 0;
		s->live = false;
	}
}

static void mark_live(void)
{
	struct list to_visit = LIST_INIT(to_visit);
	struct list *node;

	LIST_EACH(it, &sockets_in_flight) {
		struct unix_socket *s = LIST_ENTRY(it, struct unix_socket, in_flight);

		if (s->candidate)
			visit_all(s, count_inside, NULL);
	}
	LIST_EACH(it, &sockets_in_flight) {
		struct unix_socket *s = LIST_ENTRY(it, struct unix_socket, in_flight);

		if (s->candidate && s->inside_count < s->file->in_flight)
			found_alive(s, &to_visit);
	}
	while ((node = list_pop_front(&to_visit)))
		visit_all(LIST_ENTRY(node, struct unix_socket, to_visit), found_alive, &to_visit);
}

static bool carries_rights(const struct unix_socket *s)
{
	LIST_EACH(node, &s->messages) {
		if (LIST_ENTRY(node, struct unix_message, node)->rights_count > 0)
			return true;
	}
	LIST_EACH(node, &s->pending) {
		if (carries_rights(LIST_ENTRY(node, struct unix_socket, in_pending)))
			return true;
	}
	return false;
}

void socket_collect_garbage(struct file *f)
{
	struct list garbage = LIST_INIT(garbage);

	/* Who carries nothing is in no circle: the usual case, a connection handed over. */
	if (!carries_rights(socket_of(f)))
		return;
	mark_candidates();
	mark_live();
	LIST_EACH(it, &sockets_in_flight) {
		struct unix_socket *s = LIST_ENTRY(it, struct unix_socket, in_flight);

		if (!s->candidate || s->live)
			continue;
		messages_take(s, &garbage);
		LIST_EACH(node, &s->pending)
			messages_take(LIST_ENTRY(node, struct unix_socket, in_pending), &garbage);
	}
	messages_drop(&garbage);
}

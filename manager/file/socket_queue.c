/* SPDX-License-Identifier: MIT */
/*
 * socket_queue.c - messages in the queues of sockets, and the memory they take.
 */
#include "file/socket_inside.h"

#include <stdlib.h>

static size_t memory_size; /* of all messages */
static struct list dead = LIST_INIT(dead);
static bool burying;

static size_t message_size(const struct unix_message *m)
{
	return sizeof(*m) + m->capacity;
}

int message_alloc(size_t capacity, struct unix_message **ret)
{
	struct unix_message *m;

	if (memory_size + sizeof(*m) + capacity > SOCKET_MEMORY_MAX)
		return -ENOBUFS;
	m = malloc(sizeof(*m) + capacity);
	if (!m)
		return -ENOBUFS;
	*m = (struct unix_message){ .capacity = capacity };
	list_init(&m->node);
	memory_size += message_size(m);
	*ret = m;
	return 0;
}

static void message_free(struct unix_message *m)
{
	rights_drop(m);
	assert(memory_size >= message_size(m));
	memory_size -= message_size(m);
	free(m->from);
	free(m);
}

void message_push(struct unix_socket *s, struct unix_message *m)
{
	list_push_back(&s->messages, &m->node);
	s->queued_size += message_size(m);
}

static struct unix_message *first_of(const struct unix_socket *s)
{
	return LIST_ENTRY(s->messages.next, struct unix_message, node);
}

struct unix_message *message_first(const struct unix_socket *s)
{
	return list_empty(&s->messages) ? NULL : first_of(s);
}

void messages_take(struct unix_socket *s, struct list *to)
{
	struct list *node;

	while ((node = list_pop_front(&s->messages)))
		list_push_back(to, node);
	s->queued_size = 0;
}

/*
 * A message may hold the last reference to a socket with messages that hold ... and
 * so on; a task's stack is small, so whoever is at work below us does ours too.
 */
void messages_drop(struct list *messages)
{
	struct list *node;

	while ((node = list_pop_front(messages)))
		list_push_back(&dead, node);
	if (burying)
		return;
	burying = true;
	while ((node = list_pop_front(&dead)))
		message_free(LIST_ENTRY(node, struct unix_message, node));
	burying = false;
}

void message_drop(struct unix_message *m)
{
	struct list one = LIST_INIT(one);

	if (!m)
		return;
	list_push_back(&one, &m->node);
	messages_drop(&one);
}

void message_pop(struct unix_socket *s)
{
	struct unix_message *m = first_of(s);

	assert(!list_empty(&s->messages));
	s->queued_size -= message_size(m);
	list_del(&m->node);
	message_drop(m);
}

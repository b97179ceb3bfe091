/* SPDX-License-Identifier: MIT */
/*
 * socket_data.c - what goes through AF_UNIX sockets: bytes, packets, descriptors.
 *
 * A sender waits at its receiver's `space`, a receiver at its own `data`. Nothing is
 * kept across a wait but counted sockets; all else is looked at again.
 */
#include "file/socket_inside.h"
#include "task/sched.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_SIZE 32768u      /* of a long write to a stream: one message */
#define PIECE_ROOM_LEAST 2000u /* room in a message, so that small writes share one */
#define SEND_FLAGS \
	(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR | MSG_CMSG_CLOEXEC | MSG_CONFIRM | MSG_MORE)

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* memcpy() wants valid pointers even for no bytes; an empty packet may come without. */
static void copy_bytes(void *to, const void *from, size_t size)
{
	if (size > 0)
		memcpy(to, from, size);
}

static bool no_wait(const struct file *f, int flags)
{
	return (f->flags & O_NONBLOCK) || (flags & MSG_DONTWAIT);
}

static void sender_of(const struct socket_message *m, struct file_caller *ret)
{
	if (m->has_credentials)
		*ret = m->credentials;
	else
		file_caller_now(ret);
}

static bool same_caller(const struct file_caller *a, const struct file_caller *b)
{
	return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

static ssize_t broken(int flags)
{
	if (!(flags & MSG_NOSIGNAL) && file_hooks.sigpipe)
		file_hooks.sigpipe();
	return -EPIPE;
}

/* Wait at `to` for space. to is counted here: it may end while we wait. */
static int wait_for_space(struct unix_socket *s, struct unix_socket *to, uint64_t deadline_ns)
	MAY_YIELD
{
	int r;

	socket_ref(to);
	r = waitq_wait(&to->space, deadline_ns, WAIT_CANCELLABLE);
	socket_unref(to);
	return socket_wait_result(r, s->send_timeout_ns);
}

/* Add to the last message of a stream what fits there. */
static size_t add_to_last(struct unix_socket *to, const uint8_t *data, size_t size,
			  const struct file_caller *sender)
{
	struct unix_message *m;

	if (list_empty(&to->messages))
		return 0;
	m = LIST_ENTRY(to->messages.prev, struct unix_message, node);
	if (m->rights_count > 0 || !same_caller(&m->sender, sender))
		return 0;
	size = smaller(size, m->capacity - m->end);
	memcpy(m->data + m->end, data, size);
	m->end += size;
	return size;
}

/* One message of `size` bytes at the end of the queue of `to`, with `rights` attached. */
static int add_message(struct unix_socket *to, const struct socket_message *from, size_t size,
		       const struct file_caller *sender)
{
	bool stream = socket_is_stream(to);
	struct unix_message *m;
	int r = message_alloc(stream && size < PIECE_ROOM_LEAST ? PIECE_ROOM_LEAST : size, &m);

	if (r < 0)
		return r;
	r = rights_attach(m, from->rights, from->rights_count);
	if (r == 0 && from->address.size > 0) {
		m->from = malloc(sizeof(*m->from));
		if (m->from)
			*m->from = from->address;
		else
			r = -ENOBUFS;
	}
	if (r < 0) {
		message_drop(m);
		return r;
	}
	copy_bytes(m->data, from->data, size);
	m->end = size;
	m->sender = *sender;
	message_push(to, m);
	return 0;
}

static bool stream_has_space(const struct unix_socket *s, const struct unix_socket *to)
{
	return to->queued_size < s->send_size;
}

/* Put some of `rest` in: bytes or -errno. Descriptors go with the first piece. */
static ssize_t stream_put(struct unix_socket *to, struct socket_message *rest)
{
	struct file_caller sender;
	size_t size = 0;
	int r;

	sender_of(rest, &sender);
	if (rest->rights_count == 0)
		size = add_to_last(to, rest->data, rest->size, &sender);
	if (size == 0) {
		size = smaller(rest->size, PIECE_SIZE);
		r = add_message(to, rest, size, &sender);
		if (r < 0)
			return r;
	}
	rest->rights_count = 0;
	rest->data = (uint8_t *)rest->data + size;
	rest->size -= size;
	waitq_wake_one(&to->data);
	poll_queue_wake(&to->changed);
	return (ssize_t)size;
}

static ssize_t stream_send(struct file *f, const struct socket_message *message, int flags)
	MAY_YIELD
{
	struct unix_socket *s = socket_of(f);
	uint64_t deadline_ns = socket_deadline(s->send_timeout_ns);
	struct socket_message rest = *message;
	size_t done = 0;
	ssize_t r = 0;

	if (message->address.size > 0)
		return s->state == SOCKET_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	if (s->state != SOCKET_CONNECTED)
		return -ENOTCONN;
	while (rest.size > 0 && r >= 0) {
		struct unix_socket *to = s->peer;

		if (s->shut_write || to->state == SOCKET_GONE || to->shut_read) {
			r = broken(flags);
		} else if (stream_has_space(s, to)) {
			r = stream_put(to, &rest);
			done += r > 0 ? (size_t)r : 0;
		} else if (no_wait(f, flags)) {
			r = -EAGAIN;
		} else {
			r = wait_for_space(s, to, deadline_ns);
		}
	}
	if (s->peer && stream_has_space(s, s->peer))
		waitq_wake_one(&s->peer->space);
	return done > 0 ? (ssize_t)done : r;
}

/* May a packet go from s to `to` at all? */
static int check_packet(struct unix_socket *s, const struct unix_socket *to, int flags)
{
	if (s->shut_write)
		return (int)broken(flags);
	if (to->state == SOCKET_GONE)
		return socket_is_datagram(s) ? -ECONNREFUSED : (int)broken(flags);
	if (to->shut_read)
		return (int)broken(flags);
	if (to->type != s->type)
		return -EPROTOTYPE;
	if (socket_is_datagram(s) && to->peer && to->peer != s)
		return -EPERM;
	return 0;
}

/* A packet goes in when there is room for it, or alone. */
static bool packet_has_space(const struct unix_socket *s, const struct unix_socket *to, size_t size)
{
	return list_empty(&to->messages) ||
	       to->queued_size + sizeof(struct unix_message) + size <= s->send_size;
}

static ssize_t packet_put(struct unix_socket *s, struct unix_socket *to,
			  const struct socket_message *message)
{
	struct socket_message packet = *message;
	struct file_caller sender;
	int r;

	sender_of(message, &sender);
	packet.address = s->name; /* the receiver learns who sent it, if it has a name */
	r = add_message(to, &packet, packet.size, &sender);
	if (r < 0)
		return r;
	waitq_wake_one(&to->data);
	poll_queue_wake(&to->changed);
	return (ssize_t)packet.size;
}

/* `to` is counted by the caller. */
static ssize_t packet_send_to(struct file *f, struct unix_socket *to,
			      const struct socket_message *message, int flags) MAY_YIELD
{
	struct unix_socket *s = socket_of(f);
	uint64_t deadline_ns = socket_deadline(s->send_timeout_ns);
	int r = 0;

	if (message->size + sizeof(struct unix_message) > s->send_size)
		return -EMSGSIZE;
	for (;;) {
		r = check_packet(s, to, flags);
		if (r < 0)
			return r;
		if (packet_has_space(s, to, message->size))
			return packet_put(s, to, message);
		if (no_wait(f, flags))
			return -EAGAIN;
		r = wait_for_space(s, to, deadline_ns);
		if (r < 0)
			return r;
	}
}

static ssize_t packet_send(struct file *f, const struct vfs *view,
			   const struct socket_message *message, int flags) MAY_YIELD
{
	struct unix_socket *s = socket_of(f);
	struct unix_socket *to;
	ssize_t r;

	if (message->address.size > 0 && socket_is_datagram(s)) {
		r = socket_find(view, &message->address, &to);
		if (r < 0)
			return r;
	} else if (message->address.size > 0) {
		return s->state == SOCKET_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	} else if (s->peer) {
		to = socket_ref(s->peer);
	} else {
		return -ENOTCONN;
	}
	r = packet_send_to(f, to, message, flags);
	if (packet_has_space(s, to, 0))
		waitq_wake_one(&to->space); /* whoever woke us may have had room for more */
	socket_unref(to);
	return r;
}

ssize_t socket_send(struct file *f, const struct vfs *view, struct socket_message *message,
		    int flags)
{
	if (flags & ~SEND_FLAGS)
		return -EOPNOTSUPP;
	if (message->rights_count > SOCKET_RIGHTS_MAX)
		return -EINVAL;
	if (socket_is_stream(socket_of(f)))
		return stream_send(f, message, flags);
	return packet_send(f, view, message, flags);
}

/* What a receiver learns beside the bytes. */
static void tell_about(struct unix_socket *s, struct unix_message *m, struct socket_message *to,
		       bool peek)
{
	if (s->pass_credentials) {
		to->has_credentials = true;
		to->credentials = m->sender;
	}
	rights_hand_over(m, to, peek);
}

/* Space was made in the queue of s: senders wait for it, or poll it at their own end. */
static void made_space(struct unix_socket *s)
{
	waitq_wake_one(&s->space);
	socket_wake_senders(s);
}

/*
 * 0 when s may have something to read, or why a receiver must not wait for it.
 * *ret_end: there will never be anything.
 */
static int wait_for_data(struct file *f, int flags, uint64_t deadline_ns, bool *ret_end) MAY_YIELD
{
	struct unix_socket *s = socket_of(f);
	int r;

	if (s->error) {
		r = -s->error;
		s->error = 0;
		return r;
	}
	if (s->shut_read) {
		*ret_end = true;
		return 0;
	}
	if (no_wait(f, flags))
		return -EAGAIN;
	r = waitq_wait(&s->data, deadline_ns, WAIT_CANCELLABLE);
	return socket_wait_result(r, s->receive_timeout_ns);
}

/*
 * Copy from the queue what is there and fits, up to and with the first message
 * that carries descriptors or, if the receiver asks who, the last of one sender.
 * True: the call has what it may have.
 */
static bool stream_take(struct unix_socket *s, struct socket_message *to, size_t *done, bool peek)
{
	struct list *node = s->messages.next;

	while (node != &s->messages && *done < to->size) {
		struct unix_message *m = LIST_ENTRY(node, struct unix_message, node);
		size_t size = smaller(to->size - *done, m->end - m->begin);
		bool carries = m->rights_count > 0;

		node = node->next;
		if (*done > 0 && to->has_credentials && !same_caller(&to->credentials, &m->sender))
			return true;
		memcpy((uint8_t *)to->data + *done, m->data + m->begin, size);
		*done += size;
		tell_about(s, m, to, peek);
		if (!peek) {
			m->begin += size;
			if (m->begin == m->end)
				message_pop(s);
		}
		if (carries)
			return true;
	}
	return *done == to->size;
}

static ssize_t stream_receive(struct file *f, struct socket_message *to, int flags) MAY_YIELD
{
	struct unix_socket *s = socket_of(f);
	uint64_t deadline_ns = socket_deadline(s->receive_timeout_ns);
	bool peek = flags & MSG_PEEK, end = false;
	size_t done = 0;
	int r = 0;

	if (s->state != SOCKET_CONNECTED)
		return -EINVAL;
	if (to->size == 0)
		return 0;
	while (r == 0 && !end) {
		bool full;

		if (peek)
			done = 0;
		full = stream_take(s, to, &done, peek);
		if (full || (done > 0 && !(flags & MSG_WAITALL)))
			break;
		r = wait_for_data(f, flags, deadline_ns, &end);
	}
	if (!list_empty(&s->messages))
		waitq_wake_one(&s->data);
	if (done > 0 && !peek)
		made_space(s);
	return done > 0 ? (ssize_t)done : r;
}

static ssize_t packet_take(struct unix_socket *s, struct socket_message *to, int flags)
{
	struct unix_message *m = message_first(s);
	size_t whole = m->end, size = smaller(whole, to->size);
	bool peek = flags & MSG_PEEK;

	copy_bytes(to->data, m->data, size);
	if (m->from)
		to->address = *m->from;
	if (size < whole)
		to->flags |= MSG_TRUNC;
	tell_about(s, m, to, peek);
	if (!peek) {
		message_pop(s);
		made_space(s);
	}
	if (!list_empty(&s->messages))
		waitq_wake_one(&s->data);
	return (ssize_t)(flags & MSG_TRUNC ? whole : size);
}

static ssize_t packet_receive(struct file *f, struct socket_message *to, int flags) MAY_YIELD
{
	struct unix_socket *s = socket_of(f);
	uint64_t deadline_ns = socket_deadline(s->receive_timeout_ns);
	bool end = false;
	int r;

	if (!socket_is_datagram(s) && s->state != SOCKET_CONNECTED)
		return -ENOTCONN;
	while (list_empty(&s->messages)) {
		r = wait_for_data(f, flags, deadline_ns, &end);
		if (r < 0 || end)
			return r;
	}
	return packet_take(s, to, flags);
}

ssize_t socket_receive(struct file *f, struct socket_message *message, int flags)
{
	message->rights_count = 0;
	message->address.size = 0;
	message->has_credentials = false;
	message->flags = 0;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (flags & MSG_ERRQUEUE)
		return -EAGAIN;
	if (socket_is_stream(socket_of(f)))
		return stream_receive(f, message, flags);
	return packet_receive(f, message, flags);
}

size_t socket_unread(const struct unix_socket *s)
{
	size_t size = 0;

	LIST_EACH(node, &s->messages) {
		const struct unix_message *m = LIST_ENTRY(node, struct unix_message, node);

		size += m->end - m->begin;
		if (!socket_is_stream(s))
			break;
	}
	return size;
}

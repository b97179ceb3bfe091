/* SPDX-License-Identifier: MIT */
/*
 * socket_connect.c - listen, connect, accept. A connection is made by connect alone:
 * both ends exist at once, and the listener's waits in its backlog until accepted.
 */
#include "file/socket_inside.h"

#include <fcntl.h>
#include <string.h>

int socket_listen(struct file *f, int backlog)
{
	struct unix_socket *s = socket_of(f);

	if (socket_is_datagram(s))
		return -EOPNOTSUPP;
	if (s->name.size == 0 || s->state == SOCKET_CONNECTED)
		return -EINVAL;
	s->state = SOCKET_LISTENING;
	s->backlog = backlog < 0 || backlog > SOCKET_BACKLOG_MAX ? SOCKET_BACKLOG_MAX
								 : (unsigned int)backlog;
	file_caller_now(&s->owner);
	/* More may be let in now. */
	waitq_wake_all(&s->space);
	return 0;
}

/* The listener's end of a new connection. */
static int answer(struct unix_socket *listener, struct unix_socket *client)
{
	struct unix_socket *end;
	int r = socket_alloc(client->type, &end);

	if (r < 0)
		return r;
	end->name = listener->name;
	end->pass_credentials = listener->pass_credentials;
	socket_join(client, end);
	client->peer_owner = listener->owner;
	file_caller_now(&end->peer_owner);
	client->has_peer_owner = true;
	end->has_peer_owner = true;
	list_push_back(&listener->pending, &end->in_pending);
	listener->pending_count++;
	waitq_wake_one(&listener->data);
	poll_queue_wake(&listener->changed);
	return 0;
}

/* 0: connected. 1: the backlog was full and may not be any more; look the name up again. */
static int connect_to(struct file *f, struct unix_socket *to, uint64_t deadline_ns) MAY_YIELD
{
	struct unix_socket *s = socket_of(f);
	int r;

	if (s->state != SOCKET_NEW)
		return s->state == SOCKET_CONNECTED ? -EISCONN : -EINVAL;
	if (to->type != s->type)
		return -EPROTOTYPE;
	if (to->state != SOCKET_LISTENING || to->shut_read)
		return -ECONNREFUSED;
	if (to->pending_count <= to->backlog)
		return answer(to, s);
	if (f->flags & O_NONBLOCK)
		return -EAGAIN;
	r = waitq_wait(&to->space, deadline_ns, WAIT_CANCELLABLE);
	return r < 0 ? socket_wait_result(r, s->send_timeout_ns) : 1;
}

static void leave_peer(struct unix_socket *s)
{
	struct unix_socket *peer = s->peer;

	s->peer = NULL;
	list_del(&s->in_connected);
	socket_unref(peer);
}

static int connect_datagram(struct unix_socket *s, const struct vfs *view,
			    const struct socket_address *address) MAY_YIELD
{
	struct unix_socket *to = NULL;
	int r = 0;

	if (address->name.sun_family != AF_UNSPEC) {
		r = socket_find(view, address, &to);
		if (r < 0)
			return r;
		if (to->type != s->type)
			r = -EPROTOTYPE;
		else if (to->state == SOCKET_GONE)
			r = -ECONNREFUSED;
		else if (to->peer && to->peer != s)
			r = -EPERM;
		if (r < 0) {
			socket_unref(to);
			return r;
		}
	}
	leave_peer(s);
	s->peer = to;
	if (to)
		list_push_back(&to->connected, &s->in_connected);
	socket_wake(s);
	return 0;
}

int socket_connect(struct file *f, const struct vfs *view, const struct socket_address *address)
{
	struct unix_socket *s = socket_of(f);
	uint64_t deadline_ns = socket_deadline(s->send_timeout_ns);
	struct unix_socket *to;
	int r;

	if (address->size < sizeof(sa_family_t))
		return -EINVAL;
	if (socket_is_datagram(s))
		return connect_datagram(s, view, address);
	do {
		r = socket_find(view, address, &to);
		if (r < 0)
			return r;
		r = connect_to(f, to, deadline_ns);
		socket_unref(to);
	} while (r == 1);
	return r;
}

int socket_accept(struct file *f, int flags, struct file **ret)
{
	struct unix_socket *s = socket_of(f), *end;
	uint64_t deadline_ns = socket_deadline(s->receive_timeout_ns);
	int r;

	if (socket_is_datagram(s))
		return -EOPNOTSUPP;
	if (s->state != SOCKET_LISTENING)
		return -EINVAL;
	while (list_empty(&s->pending)) {
		if (s->shut_read)
			return -EINVAL;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		r = waitq_wait(&s->data, deadline_ns, WAIT_CANCELLABLE);
		if (r < 0)
			return socket_wait_result(r, s->receive_timeout_ns);
	}
	end = LIST_ENTRY(s->pending.next, struct unix_socket, in_pending);
	r = socket_make_file(end, flags, ret);
	if (r < 0)
		return r;
	list_del(&end->in_pending);
	s->pending_count--;
	waitq_wake_one(&s->space);
	if (!list_empty(&s->pending))
		waitq_wake_one(&s->data);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * socket.c - AF_UNIX sockets: their life, readiness, options and operations.
 */
#include "file/socket_inside.h"
#include "task/sched.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>

#define SEND_SIZE_MIN 4608u
#define SEND_SIZE_MAX (2u * SOCKET_QUEUE_SIZE)
#define SECOND_NS 1000000000u

int socket_alloc(int type, struct unix_socket **ret)
{
	struct unix_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->refs = 1;
	s->type = type;
	s->send_size = SOCKET_QUEUE_SIZE;
	s->receive_size_option = SOCKET_QUEUE_SIZE;
	list_init(&s->connected);
	list_init(&s->in_connected);
	list_init(&s->in_names);
	list_init(&s->messages);
	list_init(&s->pending);
	list_init(&s->in_pending);
	list_init(&s->in_flight);
	list_init(&s->to_visit);
	waitq_init(&s->data);
	waitq_init(&s->space);
	poll_queue_init(&s->changed);
	*ret = s;
	return 0;
}

struct unix_socket *socket_ref(struct unix_socket *s)
{
	s->refs++;
	return s;
}

void socket_unref(struct unix_socket *s)
{
	if (!s || --s->refs > 0)
		return;
	assert(s->state == SOCKET_GONE);
	assert(!s->peer && list_empty(&s->messages) && list_empty(&s->pending)); /* S4 */
	assert(list_empty(&s->connected) && waitq_empty(&s->space));
	free(s);
}

void socket_join(struct unix_socket *a, struct unix_socket *b)
{
	a->peer = socket_ref(b);
	b->peer = socket_ref(a);
	list_push_back(&b->connected, &a->in_connected);
	list_push_back(&a->connected, &b->in_connected);
	if (!socket_is_datagram(a)) {
		a->state = SOCKET_CONNECTED;
		b->state = SOCKET_CONNECTED;
	}
}

void socket_wake_senders(struct unix_socket *s)
{
	LIST_EACH_SAFE(node, &s->connected)
		poll_queue_wake(&LIST_ENTRY(node, struct unix_socket, in_connected)->changed);
}

void socket_wake(struct unix_socket *s)
{
	waitq_wake_all(&s->data);
	waitq_wake_all(&s->space);
	poll_queue_wake(&s->changed);
	socket_wake_senders(s);
}

uint64_t socket_deadline(uint64_t timeout_ns)
{
	return timeout_ns > 0 ? clock_now_ns() + timeout_ns : TASK_FOREVER;
}

/* signal(7): a call with a timeout is not restarted. */
int socket_wait_result(int r, uint64_t timeout_ns)
{
	if (r == -ETIMEDOUT)
		return -EAGAIN;
	if (r == -ECANCELED)
		return timeout_ns > 0 ? -EINTR : -ERESTARTSYS;
	return r;
}

/* The other end of a connection sees that this one is gone. */
static void hang_up(struct unix_socket *s, bool unread)
{
	struct unix_socket *peer = s->peer;

	if (!peer)
		return;
	s->peer = NULL;
	list_del(&s->in_connected);
	if (!socket_is_datagram(s)) {
		peer->shut_read = true;
		peer->shut_write = true;
		if (unread)
			peer->error = ECONNRESET;
		socket_wake(peer);
	}
	socket_unref(peer);
}

/* Those that had connected to a datagram socket find out when they send. */
static void forget_connected(struct unix_socket *s)
{
	struct list *node;

	while ((node = list_pop_front(&s->connected))) {
		struct unix_socket *other = LIST_ENTRY(node, struct unix_socket, in_connected);

		poll_queue_wake(&other->changed);
	}
}

void socket_end(struct unix_socket *s)
{
	struct list messages = LIST_INIT(messages);
	bool unread = !list_empty(&s->messages) || !s->file;
	struct list *node;

	s->state = SOCKET_GONE;
	s->file = NULL;
	socket_unbind(s);
	while ((node = list_pop_front(&s->pending)))
		socket_end(LIST_ENTRY(node, struct unix_socket, in_pending));
	s->pending_count = 0;
	messages_take(s, &messages);
	socket_wake(s);
	forget_connected(s);
	hang_up(s, unread);
	socket_unref(s);
	messages_drop(&messages);
}

static void socket_release(struct file *f)
{
	socket_end(socket_of(f));
}

static bool may_send(const struct unix_socket *s)
{
	const struct unix_socket *to = s->peer;

	return !to || to->queued_size < s->send_size;
}

static unsigned int socket_poll(struct file *f, struct poll_table *pt)
{
	struct unix_socket *s = socket_of(f);
	unsigned int events = 0;

	poll_table_add(pt, &s->changed);
	if (s->error)
		events |= POLLERR;
	if (s->state == SOCKET_LISTENING)
		return events | (list_empty(&s->pending) ? 0u : FILE_READY_IN);
	if (s->shut_read)
		events |= FILE_READY_IN | POLLRDHUP;
	if (s->shut_read && s->shut_write)
		events |= POLLHUP;
	if (!list_empty(&s->messages))
		events |= FILE_READY_IN;
	if (s->state == SOCKET_NEW && !socket_is_datagram(s))
		events |= POLLHUP;
	if (may_send(s))
		events |= FILE_READY_OUT;
	return events;
}

static ssize_t socket_read(struct file *f, void *buf, size_t size, uint64_t *offset) MAY_YIELD
{
	struct socket_message message = { .data = buf, .size = size };

	(void)offset;
	return socket_receive(f, &message, 0);
}

static ssize_t socket_write(struct file *f, const void *buf, size_t size, uint64_t *offset)
	MAY_YIELD
{
	/* What is sent is only read; the member serves both directions. */
	struct socket_message message = { .data = (void *)(uintptr_t)buf, .size = size };

	(void)offset;
	return socket_send(f, NULL, &message, 0);
}

static int socket_ioctl(struct file *f, unsigned int cmd, void *arg, uint64_t number)
{
	struct unix_socket *s = socket_of(f);
	int size;

	(void)number;
	switch (cmd) {
	case FIONREAD:
		if (s->state == SOCKET_LISTENING)
			return -EINVAL;
		size = (int)socket_unread(s);
		break;
	case SIOCOUTQ:
		size = s->peer ? (int)s->peer->queued_size : 0;
		break;
	default:
		return -ENOTTY;
	}
	memcpy(arg, &size, sizeof(size));
	return 0;
}

static int socket_getattr(struct file *f, struct vfs_attr *ret)
{
	file_nameless_attr(f, S_IFSOCK | 0777, ret);
	return 0;
}

static int socket_shutdown(struct file *f, int how)
{
	struct unix_socket *s = socket_of(f);
	bool reading = how == SHUT_RD || how == SHUT_RDWR;
	bool writing = how == SHUT_WR || how == SHUT_RDWR;

	if (!reading && !writing)
		return -EINVAL;
	if (!s->peer && s->state != SOCKET_LISTENING)
		return -ENOTCONN;
	s->shut_read |= reading;
	s->shut_write |= writing;
	if (s->peer && !socket_is_datagram(s)) {
		s->peer->shut_read |= writing;
		s->peer->shut_write |= reading;
		socket_wake(s->peer);
	}
	socket_wake(s);
	return 0;
}

static int socket_name(struct file *f, bool of_peer, struct socket_address *ret)
{
	const struct unix_socket *s = socket_of(f);

	if (of_peer)
		s = s->peer;
	if (!s)
		return -ENOTCONN;
	*ret = s->name;
	if (ret->size == 0)
		*ret = (struct socket_address){ sizeof(sa_family_t), { .sun_family = AF_UNIX } };
	return 0;
}

static int set_timeout(const void *value, size_t size, uint64_t *ret_ns)
{
	struct timeval tv;

	if (size < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, value, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	/* A negative time is over at once; 0 is no timeout; centuries are none either. */
	*ret_ns = tv.tv_sec < 0 ? 1 : tv.tv_usec * 1000u;
	if (tv.tv_sec > INT32_MAX)
		*ret_ns = 0;
	else if (tv.tv_sec > 0)
		*ret_ns += (uint64_t)tv.tv_sec * SECOND_NS;
	return 0;
}

static size_t send_size_from(int value)
{
	size_t wanted = value < 0 ? SEND_SIZE_MAX : (size_t)value * 2; /* as Linux doubles it */

	if (wanted < SEND_SIZE_MIN)
		return SEND_SIZE_MIN;
	return wanted > SEND_SIZE_MAX ? SEND_SIZE_MAX : wanted;
}

static int socket_set_option(struct file *f, int level, int name, const void *value, size_t size)
{
	struct unix_socket *s = socket_of(f);
	int number;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	if (name == SO_RCVTIMEO)
		return set_timeout(value, size, &s->receive_timeout_ns);
	if (name == SO_SNDTIMEO)
		return set_timeout(value, size, &s->send_timeout_ns);
	if (size < sizeof(number))
		return -EINVAL;
	memcpy(&number, value, sizeof(number));
	switch (name) {
	case SO_PASSCRED:
		s->pass_credentials = number != 0;
		return 0;
	case SO_SNDBUF:
		s->send_size = send_size_from(number);
		waitq_wake_all(s->peer ? &s->peer->space : &s->space);
		poll_queue_wake(&s->changed);
		return 0;
	case SO_RCVBUF:
		s->receive_size_option = (int)send_size_from(number);
		return 0;
	case SO_REUSEADDR:
	case SO_REUSEPORT:
	case SO_KEEPALIVE:
	case SO_BROADCAST:
	case SO_LINGER:
	case SO_PRIORITY:
		return 0; /* mean nothing for AF_UNIX */
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		return -EPERM;
	default:
		return -ENOPROTOOPT;
	}
}

static int give(const void *from, size_t from_size, void *value, size_t *size)
{
	if (*size > from_size)
		*size = from_size;
	memcpy(value, from, *size);
	return 0;
}

static int give_timeout(uint64_t ns, void *value, size_t *size)
{
	struct timeval tv = { (time_t)(ns / SECOND_NS), (suseconds_t)(ns % SECOND_NS / 1000) };

	return give(&tv, sizeof(tv), value, size);
}

static int give_peer_owner(const struct unix_socket *s, void *value, size_t *size)
{
	struct ucred owner = { 0, (uid_t)-1, (gid_t)-1 };

	if (s->has_peer_owner)
		owner = (struct ucred){ s->peer_owner.pid, s->peer_owner.uid, s->peer_owner.gid };
	return give(&owner, sizeof(owner), value, size);
}

/* The options whose value is a number. */
static int number_option(struct unix_socket *s, int name, int *ret)
{
	switch (name) {
	case SO_TYPE:
		*ret = s->type;
		return 0;
	case SO_DOMAIN:
		*ret = AF_UNIX;
		return 0;
	case SO_ERROR:
		*ret = s->error;
		s->error = 0;
		return 0;
	case SO_ACCEPTCONN:
		*ret = s->state == SOCKET_LISTENING;
		return 0;
	case SO_PASSCRED:
		*ret = s->pass_credentials;
		return 0;
	case SO_SNDBUF:
		*ret = (int)s->send_size;
		return 0;
	case SO_RCVBUF:
		*ret = s->receive_size_option;
		return 0;
	case SO_PROTOCOL:
	case SO_REUSEADDR:
	case SO_REUSEPORT:
	case SO_KEEPALIVE:
	case SO_BROADCAST:
	case SO_PRIORITY:
		*ret = 0;
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

static int socket_get_option(struct file *f, int level, int name, void *value, size_t *size)
{
	static const struct linger no_linger;
	struct unix_socket *s = socket_of(f);
	int number, r;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	switch (name) {
	case SO_RCVTIMEO:
		return give_timeout(s->receive_timeout_ns, value, size);
	case SO_SNDTIMEO:
		return give_timeout(s->send_timeout_ns, value, size);
	case SO_PEERCRED:
		return give_peer_owner(s, value, size);
	case SO_LINGER:
		return give(&no_linger, sizeof(no_linger), value, size);
	default:
		r = number_option(s, name, &number);
		return r < 0 ? r : give(&number, sizeof(number), value, size);
	}
}

/* A message is sent as a whole, or not at all; and of a stream Linux takes no such part either. */
static size_t socket_least_write(const struct file *f)
{
	(void)f;
	return SIZE_MAX;
}

static const struct socket_ops unix_ops = {
	.bind = socket_bind,
	.listen = socket_listen,
	.accept = socket_accept,
	.connect = socket_connect,
	.shutdown = socket_shutdown,
	.name = socket_name,
	.set_option = socket_set_option,
	.get_option = socket_get_option,
	.send = socket_send,
	.receive = socket_receive,
};

const struct file_ops socket_file_ops = {
	.read = socket_read,
	.write = socket_write,
	.least_write = socket_least_write,
	.poll = socket_poll,
	.ioctl = socket_ioctl,
	.getattr = socket_getattr,
	.release = socket_release,
	.socket = &unix_ops,
	.kind = "socket",
};

int socket_make_file(struct unix_socket *s, int flags, struct file **ret)
{
	int r = file_new(&socket_file_ops, O_RDWR | (flags & O_NONBLOCK), s, ret);

	if (r == 0)
		s->file = *ret;
	return r;
}

static bool known_type(int type)
{
	return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET;
}

int socket_new(int domain, int type, int protocol, struct file **ret)
{
	int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct unix_socket *s;
	int r;

	type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (domain != AF_UNIX)
		return -EAFNOSUPPORT;
	if (protocol != 0 && protocol != PF_UNIX)
		return -EPROTONOSUPPORT;
	if (type == SOCK_RAW)
		type = SOCK_DGRAM; /* as Linux has it */
	if (!known_type(type))
		return -ESOCKTNOSUPPORT;
	r = socket_alloc(type, &s);
	if (r < 0)
		return r;
	r = socket_make_file(s, flags, ret);
	if (r < 0)
		socket_end(s);
	return r;
}

int socketpair_new(int type, int flags, struct file *ret[2])
{
	struct file *a, *b;
	int r = socket_new(AF_UNIX, type | flags, 0, &a);

	if (r < 0)
		return r;
	r = socket_new(AF_UNIX, type | flags, 0, &b);
	if (r < 0) {
		file_put(a);
		return r;
	}
	socket_join(socket_of(a), socket_of(b));
	file_caller_now(&socket_of(a)->peer_owner);
	file_caller_now(&socket_of(b)->peer_owner);
	socket_of(a)->has_peer_owner = true;
	socket_of(b)->has_peer_owner = true;
	ret[0] = a;
	ret[1] = b;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* socket.c - calls on sockets; messages come as bytes and a struct run_msg (run_calls.def). */
#include "file/socket.h"
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS_ROOM 128u /* behind a u32 size, in the forms that answer an address */
#define TYPE_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)
#define TYPE_MASK 0xf

/* The socket behind argument 0: *ret with a reference. 0, -EBADF, -ENOTSOCK. */
static int request_socket(const struct request *req, struct file **ret)
{
	struct file *f = fd_peek(req->process->fds, request_int(req, 0));

	if (!f || (f->flags & O_PATH))
		return -EBADF;
	if (!f->ops->socket)
		return -ENOTSOCK;
	*ret = file_get(f);
	return 0;
}

static int copy_address(const void *from, size_t size, struct socket_address *ret)
{
	if (size > sizeof(ret->name) || size < sizeof(sa_family_t))
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	memcpy(&ret->name, from, size);
	ret->size = (uint32_t)size;
	return 0;
}

/* Argument i holds an address of the size in argument i + 1. */
static int request_address(const struct request *req, unsigned int i, struct socket_address *ret)
{
	struct sockaddr_un copy;
	uint64_t size = (uint32_t)req->arg[i + 1];
	int r = size > sizeof(copy) ? -EINVAL : request_in(req, i, size, &copy);

	return r < 0 ? r : copy_address(&copy, size, ret);
}

/* u32 size, then the bytes. */
static int put_address(const struct request *req, unsigned int i,
		       const struct socket_address *address)
{
	unsigned char *out;
	int r = request_buffer(req, i, sizeof(uint32_t) + ADDRESS_ROOM, (void **)&out);

	if (r < 0)
		return r;
	assert(address->size <= sizeof(address->name));
	memcpy(out, &address->size, sizeof(address->size));
	memcpy(out + sizeof(uint32_t), &address->name, address->size);
	return 0;
}

/* ---- making, naming, connecting. */

int64_t call_socket(struct request *req)
{
	int type = request_int(req, 1);
	struct file *f;
	int r;

	if (type & ~(TYPE_MASK | TYPE_FLAGS))
		return -EINVAL;
	r = socket_new(request_int(req, 0), type & TYPE_MASK, request_int(req, 2), &f);
	if (r < 0)
		return r;
	if (type & SOCK_NONBLOCK)
		r = file_set_flags(f, f->flags | O_NONBLOCK);
	if (r < 0) {
		file_put(f);
		return r;
	}
	return install_file(req, f, type & SOCK_CLOEXEC);
}

int64_t call_socketpair(struct request *req)
{
	int type = request_int(req, 1);
	struct file *f[2];
	int r;

	if (type & ~(TYPE_MASK | TYPE_FLAGS))
		return -EINVAL;
	if (request_int(req, 0) != AF_UNIX)
		return -EAFNOSUPPORT;
	if (req->arg[2] != 0 && req->arg[2] != AF_UNIX)
		return -EPROTONOSUPPORT;
	r = socketpair_new(type & TYPE_MASK, type & SOCK_NONBLOCK ? O_NONBLOCK : 0, f);
	return r < 0 ? r : install_pair(req, 3, f, type & SOCK_CLOEXEC);
}

int64_t call_bind(struct request *req)
{
	AUTO_FILE f = NULL;
	struct socket_address address;
	int r = request_socket(req, &f);

	if (r == 0)
		r = request_address(req, 1, &address);
	return r < 0 ? r : f->ops->socket->bind(f, &req->process->view, &address);
}

int64_t call_connect(struct request *req)
{
	AUTO_FILE f = NULL;
	struct socket_address address;
	int r = request_socket(req, &f);

	if (r == 0)
		r = request_address(req, 1, &address);
	return r < 0 ? r : f->ops->socket->connect(f, &req->process->view, &address);
}

int64_t call_listen(struct request *req)
{
	AUTO_FILE f = NULL;
	int r = request_socket(req, &f);

	return r < 0 ? r : f->ops->socket->listen(f, request_int(req, 1));
}

int64_t call_accept4(struct request *req)
{
	int flags = request_int(req, 3);
	AUTO_FILE f = NULL;
	struct socket_address address = { 0 };
	struct file *made;
	int r = request_socket(req, &f);

	if (r < 0)
		return r;
	if (flags & ~TYPE_FLAGS)
		return -EINVAL;
	r = f->ops->socket->accept(f, flags & SOCK_NONBLOCK, &made);
	if (r < 0)
		return r;
	if (request_has(req, 1)) {
		r = made->ops->socket->name(made, true, &address);
		if (r == 0)
			r = put_address(req, 1, &address);
	}
	if (r < 0) {
		file_put(made);
		return r;
	}
	return install_file(req, made, flags & SOCK_CLOEXEC);
}

int64_t call_shutdown(struct request *req)
{
	AUTO_FILE f = NULL;
	int how = request_int(req, 1);
	int r = request_socket(req, &f);

	if (r < 0)
		return r;
	return how < SHUT_RD || how > SHUT_RDWR ? -EINVAL : f->ops->socket->shutdown(f, how);
}

static int64_t put_name(struct request *req, bool of_peer)
{
	AUTO_FILE f = NULL;
	struct socket_address address = { 0 };
	int r = request_socket(req, &f);

	if (r == 0)
		r = f->ops->socket->name(f, of_peer, &address);
	return r < 0 ? r : put_address(req, 1, &address);
}

int64_t call_getsockname(struct request *req)
{
	return put_name(req, false);
}

int64_t call_getpeername(struct request *req)
{
	return put_name(req, true);
}

int64_t call_setsockopt(struct request *req)
{
	unsigned char value[ADDRESS_ROOM] __attribute__((aligned(8)));
	uint64_t size = (uint32_t)req->arg[4];
	AUTO_FILE f = NULL;
	int r = request_socket(req, &f);

	if (r == 0 && size > sizeof(value))
		r = -EINVAL;
	if (r == 0)
		r = request_in(req, 3, size, value);
	if (r < 0)
		return r;
	return f->ops->socket->set_option(f, request_int(req, 1), request_int(req, 2), value, size);
}

int64_t call_getsockopt(struct request *req)
{
	unsigned char value[ADDRESS_ROOM] __attribute__((aligned(8))) = { 0 };
	AUTO_FILE f = NULL;
	unsigned char *out;
	uint32_t room;
	size_t size;
	int r = request_socket(req, &f);

	if (r == 0)
		r = request_in(req, 3, sizeof(room), &room);
	if (r == 0)
		r = request_buffer(req, 3, sizeof(room) + ADDRESS_ROOM, (void **)&out);
	if (r < 0)
		return r;
	size = room < ADDRESS_ROOM ? room : ADDRESS_ROOM;
	r = f->ops->socket->get_option(f, request_int(req, 1), request_int(req, 2), value, &size);
	if (r < 0)
		return r;
	room = size < ADDRESS_ROOM ? (uint32_t)size : ADDRESS_ROOM;
	memcpy(out, &room, sizeof(room));
	memcpy(out + sizeof(room), value, room);
	return r;
}

/* ---- data. */

int64_t call_sendto(struct request *req)
{
	struct socket_message m = { .size = req->arg[2] };
	AUTO_FILE f = NULL;
	int r = request_socket(req, &f);

	if (r == 0)
		r = request_buffer(req, 1, m.size, &m.data);
	if (r == 0 && request_has(req, 4))
		r = request_address(req, 4, &m.address);
	if (r < 0)
		return r;
	return f->ops->socket->send(f, &req->process->view, &m, request_int(req, 3));
}

int64_t call_recvfrom(struct request *req)
{
	struct socket_message m = { .size = req->arg[2] };
	AUTO_FILE f = NULL;
	ssize_t got;
	int r = request_socket(req, &f);

	if (r == 0)
		r = request_buffer(req, 1, m.size, &m.data);
	if (r < 0)
		return r;
	got = f->ops->socket->receive(f, &m, request_int(req, 3));
	if (got >= 0 && request_has(req, 4))
		r = put_address(req, 4, &m.address);
	return r < 0 ? r : got;
}

/* ---- messages with control data. */

struct message_room {
	struct run_msg msg; /* the client's, copied once */
	struct socket_message message;
	struct file *rights[SOCKET_RIGHTS_MAX];
};

static void rights_drop(struct message_room *room)
{
	for (unsigned int i = 0; i < room->message.rights_count; i++)
		file_put(room->rights[i]);
	room->message.rights_count = 0;
}

static int take_rights(const struct request *req, struct message_room *room, const void *data,
		       size_t size)
{
	struct socket_message *m = &room->message;
	int32_t fd;

	for (size_t at = 0; at + sizeof(fd) <= size; at += sizeof(fd)) {
		if (m->rights_count == SOCKET_RIGHTS_MAX)
			return -EINVAL;
		memcpy(&fd, (const unsigned char *)data + at, sizeof(fd));
		room->rights[m->rights_count] = fd_get(req->process->fds, fd);
		if (!room->rights[m->rights_count])
			return -EBADF;
		m->rights_count++;
	}
	return 0;
}

/* Others than root may only tell the truth about themselves. */
static int take_credentials(const struct request *req, struct message_room *room, const void *data,
			    size_t size)
{
	const struct process *p = req->process;
	const struct vfs_cred *c = &p->cred;
	struct ucred u;

	if (size != sizeof(u))
		return -EINVAL;
	memcpy(&u, data, sizeof(u));
	if (c->euid != 0 &&
	    (u.pid != p->pid || (u.uid != c->uid && u.uid != c->euid && u.uid != c->suid) ||
	     (u.gid != c->gid && u.gid != c->egid && u.gid != c->sgid)))
		return -EPERM;
	room->message.has_credentials = true;
	room->message.credentials = (struct file_caller){ u.pid, u.uid, u.gid };
	return 0;
}

static int take_control(const struct request *req, struct message_room *room)
{
	const unsigned char *control = room->msg.control;
	size_t size = room->msg.control_size, at = 0;
	struct cmsghdr h;
	int r = 0;

	if (size > sizeof(room->msg.control))
		return -EINVAL;
	while (r == 0 && size - at >= sizeof(h)) {
		memcpy(&h, control + at, sizeof(h));
		if (h.cmsg_len < sizeof(h) || h.cmsg_len > size - at)
			return -EINVAL;
		if (h.cmsg_level != SOL_SOCKET)
			r = 0; /* another protocol's; Linux passes over it too */
		else if (h.cmsg_type == SCM_RIGHTS)
			r = take_rights(req, room, control + at + CMSG_LEN(0),
					h.cmsg_len - CMSG_LEN(0));
		else if (h.cmsg_type == SCM_CREDENTIALS)
			r = take_credentials(req, room, control + at + CMSG_LEN(0),
					     h.cmsg_len - CMSG_LEN(0));
		else
			r = -EINVAL;
		at += CMSG_ALIGN(h.cmsg_len);
		if (at > size)
			break;
	}
	return r;
}

/* Common start: the socket, the room, the client's struct run_msg, the data. */
static int message_begin(const struct request *req, struct file **ret_f, struct message_room **ret)
	MAY_YIELD
{
	struct message_room *room;
	int r = request_socket(req, ret_f);

	if (r < 0)
		return r;
	room = calloc(1, sizeof(*room));
	if (!room)
		return -ENOMEM;
	room->message.size = req->arg[2];
	room->message.rights = room->rights;
	r = request_in(req, 4, sizeof(room->msg), &room->msg);
	if (r == 0)
		r = request_buffer(req, 1, req->arg[2], &room->message.data);
	if (r < 0)
		free(room);
	else
		*ret = room;
	return r;
}

int64_t call_sendmsg(struct request *req)
{
	struct message_room *room;
	AUTO_FILE f = NULL;
	ssize_t r = message_begin(req, &f, &room);

	if (r < 0)
		return r;
	if (room->msg.name_size > 0)
		r = room->msg.name_size > sizeof(room->msg.name)
			    ? -EINVAL
			    : copy_address(room->msg.name, room->msg.name_size,
					   &room->message.address);
	if (r == 0)
		r = take_control(req, room);
	if (r == 0)
		r = f->ops->socket->send(f, &req->process->view, &room->message,
					 request_int(req, 3));
	rights_drop(room);
	free(room);
	return r;
}

/* What control data there is room for: appended to msg.control, of which *at bytes are used. */
static bool put_control(struct message_room *room, size_t *at, size_t room_size, int type,
			const void *data, size_t size)
{
	struct cmsghdr h = { .cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET };
	size_t space = CMSG_SPACE(size);

	h.cmsg_type = type;
	if (room_size - *at < CMSG_LEN(size))
		return false;
	memcpy(room->msg.control + *at, &h, sizeof(h));
	memcpy(room->msg.control + *at + CMSG_LEN(0), data, size);
	*at += space < room_size - *at ? space : room_size - *at;
	return true;
}

/* Received files become descriptors; those that find no room are closed, which MSG_CTRUNC tells. */
static void give_rights(struct request *req, struct message_room *room, size_t *at,
			size_t room_size)
{
	struct socket_message *m = &room->message;
	bool cloexec = request_int(req, 3) & MSG_CMSG_CLOEXEC;
	size_t fit = room_size - *at < CMSG_LEN(0) ? 0
						   : (room_size - *at - CMSG_LEN(0)) / sizeof(int);
	int32_t fd[SOCKET_RIGHTS_MAX];
	unsigned int given = 0;

	while (given < m->rights_count && given < fit) {
		int64_t r = install_file(req, file_get(room->rights[given]), cloexec);

		if (r < 0)
			break;
		fd[given++] = (int32_t)r;
	}
	if (given < m->rights_count)
		m->flags |= MSG_CTRUNC;
	if (given > 0 && !put_control(room, at, room_size, SCM_RIGHTS, fd, given * sizeof(int)))
		assert(false); /* it was measured */
}

static void give_control(struct request *req, struct message_room *room, size_t room_size)
{
	struct socket_message *m = &room->message;
	struct ucred u = { m->credentials.pid, m->credentials.uid, m->credentials.gid };
	size_t at = 0;

	memset(room->msg.control, 0, sizeof(room->msg.control));
	if (m->has_credentials &&
	    !put_control(room, &at, room_size, SCM_CREDENTIALS, &u, sizeof(u)))
		m->flags |= MSG_CTRUNC;
	if (m->rights_count > 0)
		give_rights(req, room, &at, room_size);
	room->msg.control_size = (uint32_t)at;
}

int64_t call_recvmsg(struct request *req)
{
	struct message_room *room;
	AUTO_FILE f = NULL;
	size_t room_size;
	ssize_t r = message_begin(req, &f, &room);

	if (r < 0)
		return r;
	room_size = room->msg.control_size < sizeof(room->msg.control) ? room->msg.control_size
								       : sizeof(room->msg.control);
	room->message.rights_room = SOCKET_RIGHTS_MAX;
	r = f->ops->socket->receive(f, &room->message, request_int(req, 3));
	if (r >= 0) {
		int out;

		give_control(req, room, room_size);
		memset(room->msg.name, 0, sizeof(room->msg.name));
		memcpy(room->msg.name, &room->message.address.name, room->message.address.size);
		room->msg.name_size = room->message.address.size;
		room->msg.flags = (uint32_t)room->message.flags;
		out = request_out(req, 4, &room->msg, sizeof(room->msg));
		r = out < 0 ? out : r;
		rights_drop(room);
	}
	free(room);
	return r;
}

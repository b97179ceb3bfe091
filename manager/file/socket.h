/* SPDX-License-Identifier: MIT */
#ifndef FILE_SOCKET_H
#define FILE_SOCKET_H
/*
 * socket.h - what sockets do beyond reading and writing, for the call layer.
 * AF_UNIX inside the sandbox: stream, seqpacket, datagram. Layer: file.
 *
 * Order    bytes and messages arrive in the order they were sent; descriptors come
 *          with the first byte they were sent with.
 * Limit    SOCKET_QUEUE_SIZE bytes wait at a receiver (SO_SNDBUF of the sender may say
 *          less); SOCKET_BACKLOG_MAX connections at a listener; SOCKET_RIGHTS_MAX
 *          descriptors a message, SOCKET_IN_FLIGHT_MAX in all messages.
 * Owner    a message owns references to the files it carries. Sockets that only such
 *          messages refer to are found and closed.
 * Thread   scheduler thread only.
 *
 * Way down: f->ops->socket->send -> socket_data.c -> the peer's queue.
 */
#include "file/file.h"

#include <sys/socket.h>
#include <sys/un.h>

#define SOCKET_QUEUE_SIZE 212992u
#define SOCKET_BACKLOG_MAX 4096
#define SOCKET_RIGHTS_MAX 253u
#define SOCKET_IN_FLIGHT_MAX 16384u
#define SOCKET_MEMORY_MAX (256u * 1024u * 1024u) /* bytes in all queues: -ENOBUFS */

/* An address as programs give it: size 2 is "no name", sun_path[0] == 0 an abstract one. */
struct socket_address {
	uint32_t size;
	struct sockaddr_un name;
};

/*
 * One sendmsg or recvmsg. For send all is input and borrowed. For receive, data, size,
 * rights and rights_room are input; the rest is what came, and flags has MSG_TRUNC
 * (a packet was longer) and MSG_CTRUNC (descriptors found no room and are closed).
 * The receiver owns the references in rights[].
 */
struct socket_message {
	void *data;
	size_t size;
	struct socket_address address; /* send: size 0 is none. receive: the sender's */
	struct file **rights;
	unsigned int rights_room, rights_count;
	/* receive: SO_PASSCRED is on. send: SCM_CREDENTIALS, which the caller has checked */
	bool has_credentials;
	struct file_caller credentials;
	int flags;
};

struct socket_ops {
	int (*bind)(struct file *f, const struct vfs *view, const struct socket_address *address);
	int (*listen)(struct file *f, int backlog);
	/* flags: SOCK_NONBLOCK. */
	int (*accept)(struct file *f, int flags, struct file **ret);
	int (*connect)(struct file *f, const struct vfs *view,
		       const struct socket_address *address);
	int (*shutdown)(struct file *f, int how);
	int (*name)(struct file *f, bool of_peer, struct socket_address *ret);
	int (*set_option)(struct file *f, int level, int name, const void *value, size_t size);
	/* *size: room, then what was written. */
	int (*get_option)(struct file *f, int level, int name, void *value, size_t *size);
	/* view finds the path in message->address. All may yield. */
	ssize_t (*send)(struct file *f, const struct vfs *view, struct socket_message *message,
			int flags);
	/* Bytes; with MSG_TRUNC in flags, the whole length of a packet. */
	ssize_t (*receive)(struct file *f, struct socket_message *message, int flags);
};

/* Descriptors in messages that nobody has received. Census. */
unsigned int socket_in_flight(void);

#endif /* FILE_SOCKET_H */

/* SPDX-License-Identifier: MIT */
#ifndef FILE_SOCKET_INSIDE_H
#define FILE_SOCKET_INSIDE_H
/*
 * socket_inside.h - what the socket*.c files share. Layer: file, inside only.
 *
 *                listen                 release
 *     NEW ------------------> LISTENING --------> GONE
 *      |  connect, socketpair                      ^
 *      +--------------------> CONNECTED -----------+
 *     (datagram sockets stay NEW until GONE; connect only sets the peer)
 *
 *     state      what holds
 *     NEW        S1 stream, seqpacket: no peer, no messages
 *     LISTENING  S2 no peer; pending are CONNECTED sockets without a file
 *     CONNECTED  S3 has a peer, which may be GONE
 *     GONE       S4 no peer, no messages, no name in use; others may still refer to it
 */
#include "file/inside.h"
#include "file/socket.h"

enum socket_state { SOCKET_NEW, SOCKET_LISTENING, SOCKET_CONNECTED, SOCKET_GONE };

struct unix_socket {
	uint32_t refs;
	int type;
	enum socket_state state;
	struct file *file; /* not counted; NULL in a backlog and when GONE */
	/* the other end: counted. Those whose peer is this one stand in `connected`. */
	struct unix_socket *peer;
	struct list connected, in_connected;
	bool shut_read, shut_write;
	int error; /* for SO_ERROR and the next receive: positive errno or 0 */
	/* its name: abstract ones stand in a table, the others hold their dentry */
	struct socket_address name;
	struct list in_names;
	struct dentry *dentry;
	/* what came and nobody has read */
	struct list messages;
	size_t queued_size;
	/* LISTENING */
	struct list pending, in_pending;
	unsigned int pending_count, backlog;
	/* who waits: to receive or accept; to send or connect to it */
	struct waitq data, space;
	struct poll_queue changed;
	/* options */
	struct file_caller owner, peer_owner;
	bool has_peer_owner, pass_credentials;
	size_t send_size;
	uint64_t receive_timeout_ns, send_timeout_ns; /* 0: none */
	int receive_size_option;
	/* sockets in flight, and the search for garbage among them */
	struct list in_flight;
	uint32_t inside_count;
	bool candidate, live;
	struct list to_visit;
};

/* One write in the queue of its receiver; a stream adds to the last one while it fits. */
struct unix_message {
	struct list node;
	size_t capacity, begin, end; /* of data: what is there is [begin, end) */
	struct file_caller sender;
	struct socket_address *from; /* datagrams of a named sender, else NULL */
	struct file **rights;
	unsigned int rights_count;
	uint8_t data[];
};

extern const struct file_ops socket_file_ops;

MUST_USE int socket_alloc(int type, struct unix_socket **ret);
struct unix_socket *socket_ref(struct unix_socket *s);
void socket_unref(struct unix_socket *s); /* NULL is fine */
MUST_USE int socket_make_file(struct unix_socket *s, int flags, struct file **ret);
/* Both ends at once. */
void socket_join(struct unix_socket *a, struct unix_socket *b);
/* Its own end is over: in release, and for one that was never accepted. */
void socket_end(struct unix_socket *s);
/* Readiness of s and of all that send to it may have changed. */
void socket_wake(struct unix_socket *s);
void socket_wake_senders(struct unix_socket *s);

static inline bool socket_is_stream(const struct unix_socket *s)
{
	return s->type == SOCK_STREAM;
}
static inline bool socket_is_datagram(const struct unix_socket *s)
{
	return s->type == SOCK_DGRAM;
}
static inline struct unix_socket *socket_of(const struct file *f)
{
	return f->private_data;
}

/* The deadline of a call with SO_RCVTIMEO or SO_SNDTIMEO; and what a wait with it answers. */
uint64_t socket_deadline(uint64_t timeout_ns);
int socket_wait_result(int r, uint64_t timeout_ns);

/* socket_name.c */
MUST_USE int socket_bind(struct file *f, const struct vfs *view,
			 const struct socket_address *address) MAY_YIELD;
MUST_USE int socket_check_address(const struct socket_address *address);
/* Whoever is bound to the address now: a new reference. */
MUST_USE int socket_find(const struct vfs *view, const struct socket_address *address,
			 struct unix_socket **ret) MAY_YIELD;
void socket_unbind(struct unix_socket *s);

/* socket_connect.c */
MUST_USE int socket_listen(struct file *f, int backlog);
MUST_USE int socket_accept(struct file *f, int flags, struct file **ret) MAY_YIELD;
MUST_USE int socket_connect(struct file *f, const struct vfs *view,
			    const struct socket_address *address) MAY_YIELD;

/* socket_data.c */
MUST_USE ssize_t socket_send(struct file *f, const struct vfs *view, struct socket_message *message,
			     int flags) MAY_YIELD;
MUST_USE ssize_t socket_receive(struct file *f, struct socket_message *message, int flags)
	MAY_YIELD;
size_t socket_unread(const struct unix_socket *s); /* FIONREAD */

/* socket_queue.c: messages and the memory they take. */
MUST_USE int message_alloc(size_t capacity, struct unix_message **ret);
void message_push(struct unix_socket *s, struct unix_message *m);
struct unix_message *message_first(const struct unix_socket *s); /* NULL: none */
/* Take the first out and free it, with what it still carries. */
void message_pop(struct unix_socket *s);
void messages_take(struct unix_socket *s, struct list *to);
/* Free messages; what they carry is put one after the other, never one inside the other. */
void messages_drop(struct list *messages);
void message_drop(struct unix_message *m);

/* socket_rights.c */
MUST_USE int rights_attach(struct unix_message *m, struct file *const *rights, unsigned int count);
/* Hand over to a receiver, or (peek) give it references of its own. */
void rights_hand_over(struct unix_message *m, struct socket_message *to, bool peek);
void rights_drop(struct unix_message *m);

#endif /* FILE_SOCKET_INSIDE_H */

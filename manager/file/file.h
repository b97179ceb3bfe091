#ifndef FILE_FILE_H
#define FILE_FILE_H
/*
 * file.h - open file descriptions as tables of operations: regular files,
 * directories, pipes, terminals, sockets, eventfds. Layer: file.
 *
 * Owner    counted; descriptors of processes and running calls hold references.
 * Limit    FILE_LIMIT open descriptions in all; FILE_PIPE_SIZE bytes a pipe.
 * Thread   scheduler thread only.
 * Errors   -errno for the client. A wait that was cancelled is -ERESTARTSYS or -EINTR
 *          as signal(7) says for the call.
 *
 * Way down: file_read -> file_ops.read (regular.c -> vfs_read; pipe.c -> waitq_wait; ...).
 */
#include "base/cc.h"
#include "task/task.h"
#include "vfs/vfs.h"

#include <stdint.h>
#include <sys/types.h>

#define FILE_LIMIT 65536u
#define FILE_PIPE_SIZE 65536u
#define ERESTARTSYS 512 /* interrupted; the shim restarts it under SA_RESTART */

struct file;

/* Filled by ops.poll: the queues a poller stands in. Fixed size: file_poll() callers own it. */
struct poll_table {
	struct waiter *waiters; /* capacity entries */
	unsigned int capacity, used;
};
void poll_table_add(struct poll_table *pt, struct waitq *q); /* pt may be NULL */

struct file_ops {
	/* offset NULL: the file's own position (streams ignore it). */
	ssize_t (*read)(struct file *f, void *buf, size_t size, uint64_t *offset);
	ssize_t (*write)(struct file *f, const void *buf, size_t size, uint64_t *offset);
	/* POLLIN... that hold now; and stand in the queues that announce a change. */
	unsigned int (*poll)(struct file *f, struct poll_table *pt);
	/* arg is a manager buffer of the size the command says (see call/ioctl), or a plain number. */
	int (*ioctl)(struct file *f, unsigned int cmd, void *arg, uint64_t number);
	int64_t (*seek)(struct file *f, int64_t offset, int whence);
	int (*getattr)(struct file *f, struct vfs_attr *ret); /* missing: the inode's */
	int (*set_flags)(struct file *f, int flags);	      /* O_NONBLOCK, O_APPEND changed */
	void (*release)(struct file *f);
	const struct socket_ops *socket; /* NULL: not a socket */
	const char *kind;		 /* "pipe", "tty", ...: /proc/PID/fd text "pipe:[N]" */
};

struct file {
	const struct file_ops *ops;
	uint32_t refs;
	int flags; /* O_ACCMODE, O_APPEND, O_NONBLOCK, O_DIRECTORY, O_PATH ... */
	uint64_t position;
	struct task_lock position_lock; /* read/write/seek with the shared position */
	struct dentry *dentry;		/* NULL: no name (pipe, socket, eventfd) */
	uint64_t id;			/* "ino" of nameless ones */
	void *private_data;
	int32_t owner; /* F_SETOWN */
};

MUST_USE int file_new(const struct file_ops *ops, int flags, void *private_data, struct file **ret);
struct file *file_get(struct file *f);
/* Last put releases; may be called anywhere in a task, never yields. NULL is fine. */
void file_put(struct file *f);
struct inode *file_inode(const struct file *f); /* borrowed, NULL for nameless */

/* Open what a dentry names (regular, directory, fifo, device by rdev; O_PATH). A fifo may wait for its other end. */
MUST_USE int file_open(struct dentry *d, int flags, struct file **ret) MAY_YIELD;

MUST_USE ssize_t file_read(struct file *f, void *buf, size_t size) MAY_YIELD;
MUST_USE ssize_t file_write(struct file *f, const void *buf, size_t size) MAY_YIELD;
MUST_USE ssize_t file_pread(struct file *f, void *buf, size_t size, uint64_t offset) MAY_YIELD;
MUST_USE ssize_t file_pwrite(struct file *f, const void *buf, size_t size, uint64_t offset) MAY_YIELD;
MUST_USE int64_t file_seek(struct file *f, int64_t offset, int whence) MAY_YIELD;
MUST_USE int file_getattr(struct file *f, struct vfs_attr *ret) MAY_YIELD;
/* getdents64 records into buf: bytes, 0 at the end, -EINVAL if not even one fits. */
MUST_USE ssize_t file_getdents(struct file *f, void *buf, size_t size) MAY_YIELD;
unsigned int file_poll(struct file *f, struct poll_table *pt);
MUST_USE int file_ioctl(struct file *f, unsigned int cmd, void *arg, uint64_t number) MAY_YIELD;

struct poll_item {
	struct file *file;  /* NULL: ignore (negative fd) */
	unsigned int events, ret_events;
};
/* poll(2) over files: count of items with ret_events, 0 at the deadline, -EINTR. */
MUST_USE int file_poll_many(struct poll_item *items, unsigned int count, uint64_t deadline_ns) MAY_YIELD;

/* pipes: ret[0] reads, ret[1] writes. */
MUST_USE int pipe_new(int flags, struct file *ret[2]);
MUST_USE int pipe_resize(struct file *f, size_t size); /* F_SETPIPE_SZ */
int pipe_size(struct file *f);			     /* F_GETPIPE_SZ, -EBADF */
MUST_USE int eventfd_new(unsigned int value, int flags, struct file **ret);
MUST_USE int timerfd_new(int clock, int flags, struct file **ret);
MUST_USE int epoll_new(int flags, struct file **ret);
/* epoll_ctl / epoll_wait; events in Linux's packed struct epoll_event. */
struct epoll_event;
MUST_USE int epoll_control(struct file *ep, int op, int fd, struct file *target,
			   const struct epoll_event *event);
MUST_USE int epoll_wait_events(struct file *ep, struct epoll_event *events, unsigned int max,
			       uint64_t deadline_ns) MAY_YIELD;
/* AF_UNIX only: */
MUST_USE int socketpair_new(int type, int flags, struct file *ret[2]);
MUST_USE int socket_new(int domain, int type, int protocol, struct file **ret); /* unconnected AF_UNIX */

/*
 * A descriptor of the host that the program was started with (0, 1, 2): a
 * terminal, pipe, file or device outside. Takes over host_fd.
 */
MUST_USE int host_file_new(int host_fd, int flags, struct file **ret);

/* Called once by the manager: what file/ needs from above (signals it may not send itself). */
struct file_hooks {
	void (*sigpipe)(void);	    /* the calling task wrote to a pipe nobody reads */
	struct file *(*open_tty)(void); /* /dev/tty: the session's terminal, new reference or NULL */
};
void file_set_hooks(const struct file_hooks *hooks);
uint64_t file_count(void); /* census */

/* Record locks: fcntl (owner = process) and flock/OFD (owner = description). */
struct flock; /* <fcntl.h> */
MUST_USE int file_lock_posix(struct file *f, const void *owner, int32_t pid, int cmd, struct flock *lock) MAY_YIELD;
MUST_USE int file_lock_flock(struct file *f, int operation) MAY_YIELD;
void file_lock_release_owner(struct file *f, const void *owner); /* close(2) drops the process's record locks */

#endif /* FILE_FILE_H */

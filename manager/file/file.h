/* SPDX-License-Identifier: MIT */
#ifndef FILE_FILE_H
#define FILE_FILE_H
/*
 * file.h - open file descriptions as tables of operations: regular files,
 * directories, pipes, terminals, sockets, eventfds. Layer: file.
 *
 * Owner    counted; descriptors of processes and running calls hold references.
 * Limit    FILE_LIMIT open descriptions in all; FILE_PIPE_SIZE bytes a pipe, one page once
 *          all pipes together have PIPE_MEMORY_SOFT (pipe.c).
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
struct socket_ops;  /* file/socket.h */
struct itimerspec;  /* <time.h> */
struct flock;	    /* <fcntl.h> */
struct epoll_event; /* <sys/epoll.h> */

/*
 * A poll_queue is where those stand who want to know that a file's readiness
 * may have changed: tasks (poll, select) and watches (epoll). Whoever makes a
 * kind of file embeds one, and calls poll_queue_wake() at each change.
 */
struct poll_queue {
	struct waitq tasks;
	struct list watches;
};
struct poll_watch {
	struct list node;
	void (*changed)(
		struct poll_watch *watch); /* must not yield; the watch stays in its queue */
};
void poll_queue_init(struct poll_queue *q);
void poll_queue_wake(struct poll_queue *q);
bool poll_queue_empty(const struct poll_queue *q);
/* A blocking call's wait on the queue: 0, -ETIMEDOUT or -ERESTARTSYS. */
MUST_USE int poll_queue_wait(struct poll_queue *q, uint64_t deadline_ns) MAY_YIELD;

/*
 * Handed to ops.poll by those who want to be told of changes: either tasks
 * (waiters) or one epoll entry (watch). A file stands in one queue only.
 */
struct poll_table {
	struct waiter *waiters; /* capacity entries, the poller's own */
	unsigned int capacity, used;
	struct poll_watch *watch; /* not NULL: used instead of waiters */
};
void poll_table_add(struct poll_table *pt, struct poll_queue *q); /* pt may be NULL */

/*
 * What a kind of file implements; a missing operation answers what Linux would.
 * read, write, ioctl, seek, getattr and sync may yield; poll and release never.
 * A kind with `seek` has a position: it gets a non-NULL offset, which it advances
 * (the file's own position, locked, or the caller's). One without is a stream: offset is NULL.
 */
struct file_ops {
	ssize_t (*read)(struct file *f, void *buf, size_t size, uint64_t *offset);
	ssize_t (*write)(struct file *f, const void *buf, size_t size, uint64_t *offset);
	/* POLLIN... that hold now; and stand in the queues that announce a change. */
	unsigned int (*poll)(struct file *f, struct poll_table *pt);
	/* arg: a manager buffer of the size the command says. number: the argument as it came. */
	int (*ioctl)(struct file *f, unsigned int cmd, void *arg, uint64_t number);
	int64_t (*seek)(struct file *f, int64_t offset, int whence);
	int (*getattr)(struct file *f, struct vfs_attr *ret); /* missing: the inode's */
	int (*set_flags)(struct file *f, int flags); /* may refuse new O_NONBLOCK, O_APPEND, ... */
	int (*map)(struct file *f, bool for_write,
		   struct vfs_mapping *ret); /* missing: the inode's */
	/* Of a write, no part with fewer bytes is taken. Missing: 0. */
	size_t (*least_write)(const struct file *f);
	/* Missing: the inode's. */
	int (*sync)(struct file *f, bool data_only);
	int (*truncate)(struct file *f, uint64_t size);
	/* A second description of the same thing, for /proc/self/fd/N. Missing: -ENXIO. */
	int (*reopen)(struct file *f, int flags, struct file **ret);
	/* The text of /proc/PID/fd/N of a nameless one: length. Missing: made of `kind`. */
	int (*text)(struct file *f, char *buf, size_t size);
	void (*release)(struct file *f);
	const struct socket_ops *socket; /* NULL: not a socket */
	const char *kind;		 /* "pipe", "socket", "anon_inode:[eventfd]" ... */
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
	int32_t owner;	    /* F_SETOWN */
	uint32_t in_flight; /* references held by messages nobody has received: socket_rights.c */
	struct list epoll_items; /* epoll entries that watch it: epoll.c */
	struct list locks;	 /* of a nameless file; others keep them at the inode: lock.c */
};

MUST_USE int file_new(const struct file_ops *ops, int flags, void *private_data, struct file **ret);
struct file *file_get(struct file *f);
/* Last put releases; may be called anywhere in a task, never yields. NULL is fine. */
void file_put(struct file *f);
struct inode *file_inode(const struct file *f); /* borrowed, NULL for nameless */
/* What /proc/PID/fd/N of a nameless file says: "pipe:[12]", "/dev/pts/3". Length, below size. */
int file_text(struct file *f, char *buf, size_t size);
bool file_readable(const struct file *f); /* by its access mode */
bool file_writable(const struct file *f);

/*
 * Open what a dentry names (regular, directory, fifo, device by rdev; O_PATH). A fifo may
 * wait for its other end. vfs_open() has decided on names and permissions.
 */
MUST_USE int file_open(struct dentry *d, int flags, struct file **ret) MAY_YIELD;
/* open("/proc/self/fd/N") of a file without a name: pipes, terminals; others -ENXIO. */
MUST_USE int file_reopen(struct file *f, int flags, struct file **ret) MAY_YIELD;
/* memfd_create(2): a nameless file in memory. The name is for /proc/PID/fd only. */
MUST_USE int memfd_file_new(const char *name, int flags, struct file **ret) MAY_YIELD;

MUST_USE ssize_t file_read(struct file *f, void *buf, size_t size) MAY_YIELD;
MUST_USE ssize_t file_write(struct file *f, const void *buf, size_t size) MAY_YIELD;
MUST_USE ssize_t file_pread(struct file *f, void *buf, size_t size, uint64_t offset) MAY_YIELD;
MUST_USE ssize_t file_pwrite(struct file *f, const void *buf, size_t size, uint64_t offset)
	MAY_YIELD;
MUST_USE int64_t file_seek(struct file *f, int64_t offset, int whence) MAY_YIELD;
MUST_USE int file_getattr(struct file *f, struct vfs_attr *ret) MAY_YIELD;
/* getdents64 records into buf: bytes, 0 at the end, -EINVAL if not even one fits. */
MUST_USE ssize_t file_getdents(struct file *f, void *buf, size_t size) MAY_YIELD;
unsigned int file_poll(struct file *f, struct poll_table *pt);
MUST_USE int file_ioctl(struct file *f, unsigned int cmd, void *arg, uint64_t number) MAY_YIELD;
/* F_SETFL: O_APPEND, O_NONBLOCK, O_DIRECT, O_NOATIME, O_ASYNC of `flags`; no others change. */
MUST_USE int file_set_flags(struct file *f, int flags);
MUST_USE int file_sync(struct file *f, bool data_only) MAY_YIELD;
/* ftruncate(2). */
MUST_USE int file_truncate(struct file *f, const struct vfs_cred *cred, uint64_t size) MAY_YIELD;
MUST_USE int file_fallocate(struct file *f, int mode, uint64_t offset, uint64_t size) MAY_YIELD;
/* The host descriptor for mmap: -EACCES by the access mode, -ENODEV where nothing can be mapped. */
MUST_USE int file_map(struct file *f, bool for_write, struct vfs_mapping *ret) MAY_YIELD;

struct poll_item {
	struct file *file; /* NULL: ignore (negative fd) */
	unsigned int events, ret_events;
};
/*
 * poll(2) over files: count of items with ret_events, 0 at the deadline, -EINTR. No
 * memory is taken for up to 64 items.
 */
MUST_USE int file_poll_many(struct poll_item *items, unsigned int count, uint64_t deadline_ns)
	MAY_YIELD;

/* pipes: ret[0] reads, ret[1] writes. */
MUST_USE int pipe_new(int flags, struct file *ret[2]);
MUST_USE int pipe_resize(struct file *f, size_t size); /* F_SETPIPE_SZ: the size given, or -errno */
int pipe_size(struct file *f);			       /* F_GETPIPE_SZ, -EBADF */
MUST_USE int eventfd_new(unsigned int value, int flags, struct file **ret);
MUST_USE int timerfd_new(int clock, int flags, struct file **ret);
/* timerfd_settime, timerfd_gettime; -EINVAL if f is another kind. ret_old may be NULL. */
MUST_USE int timerfd_set(struct file *f, int flags, const struct itimerspec *value,
			 struct itimerspec *ret_old);
MUST_USE int timerfd_get(struct file *f, struct itimerspec *ret);
MUST_USE int epoll_new(int flags, struct file **ret);
/* epoll_ctl / epoll_wait; events in Linux's packed struct epoll_event. */
MUST_USE int epoll_control(struct file *ep, int op, int fd, struct file *target,
			   const struct epoll_event *event);
MUST_USE int epoll_wait_events(struct file *ep, struct epoll_event *events, unsigned int max,
			       uint64_t deadline_ns) MAY_YIELD;
/* AF_UNIX only: */
MUST_USE int socketpair_new(int type, int flags, struct file *ret[2]);
MUST_USE int socket_new(int domain, int type, int protocol,
			struct file **ret); /* unconnected AF_UNIX */

/*
 * A descriptor of the host that the program was started with (0, 1, 2): a
 * terminal, pipe, file or device outside. Takes over host_fd (also when it fails).
 * flags: what F_GETFL told of it. The descriptor's own flags are never changed: others share
 * them. The process must ignore SIGPIPE.
 */
MUST_USE int host_file_new(int host_fd, int flags, struct file **ret);
bool host_file_is_terminal(const struct file *f);
/*
 * Give a terminal a name inside: a character device with the number that file_getattr()
 * tells, say /dev/pts/3. Then ttyname(3) finds it. Once, before it is opened again.
 */
void host_file_set_name(struct file *f, struct dentry *d);

/* Whose call it is: for peer credentials. */
struct file_caller {
	int32_t pid;
	uint32_t uid, gid;
};

/* Called once by the manager: what file/ needs from above. Any may be NULL. */
struct file_hooks {
	void (*sigpipe)(void); /* the calling task wrote to a pipe nobody reads */
	struct file *(*open_tty)(
		void); /* /dev/tty: the session's terminal, new reference or NULL */
	/* On a terminal: TIOCGPGRP, TIOCSPGRP, TIOCSCTTY, TIOCGSID, TIOCNOTTY. */
	int (*tty_ioctl)(struct file *f, unsigned int cmd, void *arg);
	/*
	 * The caller is about to read, write or configure a terminal: 0, or what the call
	 * answers because it is in the background (-ERESTARTSYS after a signal, -EIO).
	 */
	int (*tty_access)(struct file *f, bool writing);
	void (*caller)(struct file_caller *ret);
	/* What /proc/PID/fd/FD names: new reference or NULL. */
	struct file *(*descriptor)(int32_t pid, int fd);
};
void file_set_hooks(const struct file_hooks *hooks);
uint64_t file_count(void); /* census */
void file_fini(void);	   /* no file may be left: asserted. Before vfs_fini(). */

/*
 * Record locks: fcntl (owner = process) and flock/OFD (owner = description). cmd: F_GETLK, F_SETLK,
 * F_SETLKW and the F_OFD_ ones. F_SETLKW finds circles of up to 16 waiting owners: -EDEADLK.
 */
MUST_USE int file_lock_posix(struct file *f, const void *owner, int32_t pid, int cmd,
			     struct flock *lock) MAY_YIELD;
MUST_USE int file_lock_flock(struct file *f, int operation) MAY_YIELD;
void file_lock_release_owner(struct file *f,
			     const void *owner); /* close(2) drops the process's record locks */

#endif /* FILE_FILE_H */

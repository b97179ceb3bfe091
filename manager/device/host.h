#ifndef DEVICE_HOST_H
#define DEVICE_HOST_H
/*
 * host.h - the host as a device: its system calls, made by tasks. Layer: device.
 *
 * A host call is a message to libhascall's executors; the task that sent it waits
 * for the reply while other tasks run. What cannot block, or blocks so seldom
 * and so shortly that a trip to another thread costs more, is made at once, in
 * the manager's own thread; each function says which.
 *
 *     may it block?                                where
 *     never (fstat, what is in the caches)         here: host_call_now, ..._cached
 *     seldom, for the length of a disk access      here, or not while it is slow: host_call_brief
 *     yes, but it comes to an end                  an executor: host_call
 *     for ever                                     nowhere: device/hostwait.h first
 *
 * Order    calls of different tasks begin and end in no promised order.
 * Limit    calls_max calls at a time; more tasks wait, and are served in turn.
 * Owner    buffers belong to the caller, who waits until the host is done with them:
 *          a task that is cancelled waits all the same, unless said otherwise.
 * Thread   scheduler thread only. Outside any task, and before host_init(), every
 *          call is made at once and blocks the thread.
 * Errors   the host's: a value, or -errno. -ENOMEM and -EAGAIN also when there is no
 *          memory or no thread for the executors.
 *
 * Way down: host_call -> host_post (host.c) -> hascall_post (lib).
 */
#include "base/cc.h"

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define HOST_CALLS_DEFAULT 256u
#define HOST_WORKERS_DEFAULT 64u

struct host_options {
	/* Runs on an executor's thread when a reply has come: end hooks.idle() of the scheduler. */
	void (*notify)(void *ctx);
	void *notify_ctx;
	/* Nobody would notice if the scheduler's thread waited for the host. May be missing. */
	bool (*alone)(void);
	unsigned int calls_max;	  /* 0: HOST_CALLS_DEFAULT */
	unsigned int workers_max; /* 0: HOST_WORKERS_DEFAULT */
};

/* After sched_init(). Threads are made when the first call needs one. 0 or -EINVAL. */
MUST_USE int host_init(const struct host_options *options);
void host_fini(void); /* no call may be in flight and nothing be watched: asserted */

/* From hooks.poll() of the scheduler: take the replies that have come. True if there were any. */
bool host_poll(void);
/* Calls that tasks wait for: who waits in hooks.idle() may ask. */
unsigned int host_calls_in_flight(void);

/* Send the call and wait for the reply, for sure. */
int64_t host_call(uint32_t num, const uint64_t arg[6]) MAY_YIELD;
/*
 * The same; if the task is cancelled before an executor has begun the call, it is
 * taken back and never made: -ECANCELED. Once begun it is waited for.
 */
int64_t host_call_cancellable(uint32_t num, const uint64_t arg[6]) MAY_YIELD;
/* Make the call here and count on its being short; after a slow one some go to executors. */
int64_t host_call_brief(uint32_t num, const uint64_t arg[6]) MAY_YIELD;
/* Make the call here: it must not block. */
int64_t host_call_now(uint32_t num, const uint64_t arg[6]);

/*
 * Is the file system of an open file one that answers from its caches and its
 * disk? Not one that asks a server (network, FUSE), which may never answer. Asked
 * once a file system, by an executor.
 */
bool host_is_quick(int fd) MAY_YIELD;

/*
 * openat2(2) with O_CLOEXEC, and (but for O_PATH) O_NOCTTY | O_NONBLOCK added, so
 * that no open waits for the other end of a fifo. `resolve`: RESOLVE_* bits. Here
 * if the names are in the host's cache, else by an executor. The descriptor, or -errno.
 */
MUST_USE int host_openat(int dir_fd, const char *path, int flags, uint64_t resolve) MAY_YIELD;
/* Only the first half of that: -EAGAIN if it would have to wait. O_CREAT and O_TRUNC always are. */
MUST_USE int host_openat_cached(int dir_fd, const char *path, int flags, uint64_t resolve);
void host_close(int fd); /* here; fd < 0 is fine */

/*
 * Read or write all of it, or up to the end of the file: bytes, or -errno if there
 * are none. Reading: what the host has in its cache here, the rest by an executor.
 */
MUST_USE ssize_t host_pread(int fd, void *buf, size_t size, uint64_t offset) MAY_YIELD;
MUST_USE ssize_t host_pwrite(int fd, const void *buf, size_t size, uint64_t offset) MAY_YIELD;

/* statx(2) of an open file, here: a server is not asked for news. 0 or -errno. */
MUST_USE int host_statx(int fd, unsigned int mask, struct statx *ret_attributes);

/*
 * About a name in a directory, or entries of it. They are made here, as brief
 * calls, if `quick` (host_is_quick() of the directory), else by an executor: a
 * cached answer takes about 1 us, a trip to a sleeping thread 6 to 50.
 */
MUST_USE int host_statx_at(int dir_fd, const char *name, int flags, unsigned int mask, bool quick,
			   struct statx *ret_attributes) MAY_YIELD;
MUST_USE ssize_t host_readlinkat(int dir_fd, const char *name, bool quick, char *buf, size_t size)
	MAY_YIELD;
/* getdents64(2): bytes of struct dirent64 records, 0 at the end. */
MUST_USE ssize_t host_getdents(int fd, bool quick, void *buf, size_t size) MAY_YIELD;

#endif /* DEVICE_HOST_H */

/* SPDX-License-Identifier: MIT */
#ifndef HASCALL_HASCALL_H
#define HASCALL_HASCALL_H
/*
 * hascall.h - libhascall: system calls that other threads execute.
 *
 * Two levels. hascall_*() is the comfortable one: the library keeps an area of
 * entries and a pool of worker threads. async_syscall_*() is the protocol of
 * syscall_info.h itself: your entries, your threads. calls.h has a typed function
 * for each common call.
 *
 * What may be called: any system call but those about the calling thread or
 * about the process as a whole (exit, fork, execve, setuid, sigaltstack, ...),
 * which give -EOPNOTSUPP, and unknown numbers, -ENOSYS: hascall-calls(7).
 *
 * Results are the kernel's: a value, or -errno. errno is not touched. Memory that
 * a call names must stay valid until the call is completed.
 */
#include <stdint.h>

#include <hascall/syscall_info.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hascall;

/*
 * Order    calls begin in no promised order and end in no promised order, but for
 *          those of a chain.
 * Limit    `entries` calls at a time; more give -EAGAIN. `workers_max` threads;
 *          if all are blocked, further calls wait for one of them.
 * Owner    who opened an area closes it.
 * Thread   one thread at a time uses an area; threads that call at the same time
 *          open an area each.
 * Signals  the workers block all of the application's signals but one of the real-time
 *          signals, by which hascall_cancel() and timeouts interrupt them.
 * Fork     a forked child has no workers: there, calls give -ESHUTDOWN, and
 *          hascall_close() frees the memory. The parent goes on as before. A child
 *          of vfork() must not use areas.
 * Kernel   where it has executors (hascall/kernel.h), the workers are lent to it, and
 *          execute there. The promises are the same, but: of those that are idle, `parallel`
 *          and one to spare may stay; hascall_stats.blocked and .wakes stay 0; with
 *          HASCALL_POLLING the workers execute by themselves, as they do from when the kernel
 *          will not have one of them. A seccomp filter must let them make calls 600 and 601.
 *          Environment HASCALL_KERNEL=0: no workers are lent.
 */

#define HASCALL_ENTRIES_MAX 4096u
#define HASCALL_WORKERS_MAX 1024u
#define HASCALL_CHAIN_MAX SYSCALL_CHAIN_MAX

enum hascall_option_flags {
	HASCALL_USE_EVENTFD = 1u << 0, /* `eventfd` below is valid */
	HASCALL_NO_SPIN = 1u << 1,     /* workers and waits sleep at once, not after 10 us */
	/*
	 * A worker looks for calls all the time while it has none to execute, and does not
	 * sleep: that costs a processor. Ignored if there is but one.
	 */
	HASCALL_POLLING = 1u << 2,
};

/* Set size to sizeof(struct hascall_options), and what you do not care for to 0. */
struct hascall_options {
	uint32_t size;
	uint32_t flags;
	uint32_t entries;     /* 0: 64 */
	uint32_t workers_max; /* 0: 64 */
	/* Workers that run at a time while none is blocked. 0: all processors but the caller's. */
	uint32_t parallel;
	uint32_t idle_ms; /* a worker idle that long ends, the last one stays; 0: 5000 */
	/*
	 * Called after each completion, once the result can be reaped, by the thread that
	 * caused it: a worker; the thread that watches deadlines; the caller's where it helps
	 * or cancels, but not if the result is returned at once. So two may be in it at a
	 * time. It must not block and must not use the area: ring your own bell.
	 */
	void (*notify)(void *ctx);
	void *notify_ctx;
	/*
	 * A non-blocking eventfd that becomes readable when there is something to reap.
	 * hascall_reap() reads it; it is written once between two reaps.
	 */
	int32_t eventfd;
	/*
	 * The real-time signal that interrupts running calls, the same for all areas of
	 * a process (-EINVAL if an earlier area has another); 0: as earlier areas, SIGRTMAX.
	 * Its handler is installed by hascall_open(); one of the application's is left alone,
	 * and running calls cannot be cancelled. Nobody else may send this signal.
	 */
	int32_t cancel_signal;
};

/*
 * options NULL: all defaults. 0; -EINVAL (options); -ENOMEM; -EAGAIN: HASCALL_POLLING, and no
 * thread could be started.
 *
 * The other areas start their threads when a call needs one, so that a program whose
 * calls are all executed by who waits for them (HASCALL_HELP) stays single-threaded. Where
 * no thread can be started then, each wait, reap and poll executes calls in the caller's
 * thread, whatever they are, and the next kick tries again.
 */
int hascall_open(struct hascall **ret, const struct hascall_options *options);

/*
 * Calls that nobody has begun are dropped, running ones are waited for (so a call
 * that waits for ever makes this wait for ever: hascall_cancel() it before); their
 * results are lost. Of a chain that runs, what is left is dropped, but for the calls with
 * HASCALL_ALWAYS. NULL is fine.
 */
void hascall_close(struct hascall *h);

/* Posting. */

enum hascall_post_flags {
	/*
	 * More follows: wake nobody yet. hascall_kick(), a post without it, hascall_reap()
	 * or any wait does. A worker that is awake may begin the call all the same.
	 */
	HASCALL_MORE = 1u << 0,
};

/*
 * Post a call; no system call unless a worker must be woken. user_data comes back
 * with the result. *ret_ticket names the call until its result is taken; may be
 * NULL. 0; -EAGAIN: all entries are in use; -EINVAL; -ESHUTDOWN: forked child;
 * -EPROTO: the entries were damaged.
 */
int hascall_post(struct hascall *h, uint32_t num, const uint64_t arg[6], uint64_t user_data,
		 uint32_t flags, uint64_t *ret_ticket);

/* Wake a worker for what was posted with HASCALL_MORE. */
void hascall_kick(struct hascall *h);

enum hascall_call_flags {
	/*
	 * The call after this one in the array begins when this one has succeeded; if
	 * it fails (a result from -4095 to -1), the rest of the chain is -ECANCELED, but
	 * for calls with HASCALL_ALWAYS.
	 */
	HASCALL_CHAIN = 1u << 0,
	/* Begin although a call before it failed: the close() at the end of a chain. */
	HASCALL_ALWAYS = 1u << 1,
};

/* A call to submit. Fill it by the functions of calls.h, or from all zeros by hand. */
struct hascall_call {
	uint32_t num;
	uint32_t flags; /* enum hascall_call_flags */
	uint64_t arg[6];
	uint64_t user_data;
	/*
	 * 0: none. Else the call is cancelled when that long has passed since it was
	 * submitted, as by hascall_cancel(), its result being -ETIMEDOUT instead.
	 */
	uint64_t timeout_ns;
	/* For hascall_wait_all(), hascall_cancel_all(): any number but HASCALL_ALL_GROUPS. */
	uint32_t group;
	/*
	 * For each argument: 0: as given in arg; k: the result of the call k places
	 * before this one in its chain. If that one failed, this one is -ECANCELED.
	 */
	uint8_t from[6];
	uint16_t reserved; /* 0 */
};

/*
 * Post calls, chains among them (at most HASCALL_CHAIN_MAX calls a chain), all or
 * none. ret_tickets: as many as calls, or NULL. 0; -EAGAIN: fewer entries are free, or
 * one has a timeout and no thread could be started to watch it;
 * -EINVAL: count is 0, unknown flags, a chain too long or not ended within the
 * array, a `from` that points before its chain, HASCALL_ALL_GROUPS as a group, reserved
 * is not 0; -ESHUTDOWN; -EPROTO.
 */
int hascall_submit(struct hascall *h, const struct hascall_call *calls, uint32_t count,
		   uint32_t flags, uint64_t *ret_tickets);

/*
 * Results. Each is delivered once: by poll or wait with the ticket, or by reap. A
 * ticket whose result was delivered or whose call was recalled is -ENOENT.
 */
typedef void hascall_done_fn(void *ctx, uint64_t user_data, int64_t ret);

/* Call fn for each completed call and free its entry; how many. fn may post. */
int hascall_reap(struct hascall *h, hascall_done_fn *fn, void *ctx);

/* 0 and the result; -EAGAIN: not completed; -ENOENT. */
int hascall_poll(struct hascall *h, uint64_t ticket, int64_t *ret_result);

enum hascall_wait_flags {
	/*
	 * While waiting, execute calls that nobody has begun in this thread: no waiting
	 * for a worker, and one more processor at work. A wait for one call executes that
	 * call only, or the chain it is in, whatever it is; the others do not take calls
	 * that often wait without bound. Calls with a timeout_ns are left to the workers.
	 * A call executed so is not interrupted by the timeout of the wait.
	 */
	HASCALL_HELP = 1u << 0,
};

#define HASCALL_ALL_GROUPS UINT32_MAX

/*
 * The waits, timeout_ns < 0: for ever. Beside what is listed: -ESHUTDOWN: forked child;
 * -EPROTO: the entries were damaged. 0 and the result; -ETIMEDOUT; -ENOENT; -EINVAL.
 */
int hascall_wait(struct hascall *h, uint64_t ticket, int64_t timeout_ns, uint32_t flags,
		 int64_t *ret_result);

/* Until there is something to reap: 0; -ETIMEDOUT; -ENOENT: no call is in flight; -EINVAL. */
int hascall_wait_any(struct hascall *h, int64_t timeout_ns, uint32_t flags);

/*
 * Until all calls of the group are completed, or of all groups; their results are
 * taken afterwards, by reap or poll. 0 (also if there is none); -ETIMEDOUT; -EINVAL.
 */
int hascall_wait_all(struct hascall *h, uint32_t group, int64_t timeout_ns, uint32_t flags);

/*
 * Take back a call nobody has begun, the first of a chain with all of its chain:
 * 0: no result will come; -EAGAIN: too late, or a later one of a chain: its result
 * will come; -ENOENT.
 */
int hascall_recall(struct hascall *h, uint64_t ticket);

/*
 * Ask that a call end now. Its result still comes: -ECANCELED if it was not begun or
 * was interrupted before it did anything, else what it did. In the kernel, only
 * waits can be interrupted, and not all of them: a call that reads a disk or a
 * dead NFS server goes on, and so does one that computes. 0: asked; -EALREADY: it is
 * completed, or asked before; -EOPNOTSUPP: it runs, and the application has a handler
 * of its own for the signal; -EAGAIN: the kernel can queue no signal now
 * (RLIMIT_SIGPENDING), or the call is just being begun; -ENOENT; -ESHUTDOWN; -EPROTO.
 */
int hascall_cancel(struct hascall *h, uint64_t ticket);

/*
 * The same for all calls of a group, or of all groups, but for those with HASCALL_ALWAYS
 * after the first of a chain: what they are to clean up may exist. How many were asked.
 */
int hascall_cancel_all(struct hascall *h, uint32_t group);

/* Calls posted whose results were not delivered. */
unsigned int hascall_in_flight(const struct hascall *h);

/* Counts since hascall_open(), for tests and for those who tune. */
struct hascall_stats {
	uint32_t workers;      /* threads now */
	uint32_t workers_peak; /* most at a time */
	uint64_t wakes;	       /* sleeping workers woken */
	uint64_t blocked;      /* times a worker was found blocked by watching it */
};
void hascall_get_stats(struct hascall *h, struct hascall_stats *ret_stats);

/*
 * Who executes the area's calls. 1: the kernel, in threads that are lent to it; 0: the workers
 * by themselves, as the kernel has no executors, or they are not wanted, or it would have
 * them no more. See "Kernel" above.
 */
int hascall_in_kernel(const struct hascall *h);

/* What may be posted: 0; -EOPNOTSUPP (*ret_reason says why); -ENOSYS: no such call. */
int hascall_check(uint32_t num, const uint64_t arg[6], const char **ret_reason);

/* Version of the library, "0.1.0". */
const char *hascall_version(void);

/*
 * The protocol's own level, after "asynchronous system calls by shared memory and
 * kernel threads" (Nakajima and Shiba): a process makes an array of entries,
 * announces it, and lends threads that execute what appears there.
 *
 * Order    an executor visits the entries in turn.
 * Owner    the array is the caller's and must outlive async_syscall_exit(): an
 *          executor that finds it unmapped dies of SIGSEGV as any thread would.
 * Thread   any number of threads may be in async_syscall_exec() at a time. Posting
 *          and taking follow syscall_info.h.
 * Fork     a forked child has no areas: its parent's numbers are -EBADF there. It may
 *          announce its own, the array of its parent's too, if that is shared.
 */
#define ASYNC_SYSCALL_AREAS_MAX 64u
#define ASYNC_SYSCALL_ENTRIES_MAX 65535u /* what a link word can name */
#define ASYNC_SYSCALL_LATE_NS 1000000	 /* a post without a ring is seen after this time */

enum async_syscall_flags {
	/* Every post is followed by async_syscall_ring(): idle executors need no timer. */
	ASYNC_SYSCALL_RINGS = 1u << 0,
};

/* Announce an array (64-byte aligned). Number of the area, >= 0; -EINVAL; -ENFILE; -ENOMEM. */
int async_syscall_init(struct syscall_info *array, uint32_t count, uint32_t flags);

/*
 * Execute calls until an entry holds SYSCALL_END: 0. Calls in other entries may then
 * be left unclaimed. -EBADF: no such area; -EPROTO: an entry has an impossible state.
 */
int async_syscall_exec(int area);

/* After posting: wake up to `calls` sleeping executors; cheap if none sleeps. 0 or -EBADF. */
int async_syscall_ring(int area, uint32_t calls);

/* Forget an area. 0; -EBADF; -EBUSY: a thread is in async_syscall_exec(). */
int async_syscall_exit(int area);

#ifdef __cplusplus
}
#endif

#endif /* HASCALL_HASCALL_H */

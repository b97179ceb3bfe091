/* SPDX-License-Identifier: MIT */
#ifndef LIB_POOL_H
#define LIB_POOL_H
/*
 * pool.h - the inside of an area of libhascall: its entries, its workers, and the
 * watcher that adds workers when the others are blocked and keeps the deadlines.
 * Layer: lib.
 *
 * Order    hints are looked at in turn, each worker from where it was last.
 * Limit    workers_max threads; `parallel` of them run while none is blocked.
 * Owner    hascall_open/close (hascall.c) own all of it.
 * Thread   fields say who may touch them.
 *
 * A worker is, at any time:
 *
 *     state      counted in   leaves by
 *     SEARCHING  searching    finding a call (-> RUNNING or BLOCKED), pool.c: worker_begin
 *                             finding nothing (-> ASLEEP), worker_sleep
 *     RUNNING    running      finding nothing more (-> SEARCHING), worker_idle
 *                             a call known to wait (-> BLOCKED), worker_begin
 *                             watcher saw it blocked (-> BLOCKED), watch.c
 *     BLOCKED    nowhere      its call returns (-> RUNNING), worker_end
 *     ASLEEP     nowhere      who wakes it (-> SEARCHING), pool_look; idle too long: ends
 *     LENT       nowhere      the kernel's answers, lent.h
 *
 * Who wakes. A call that waits needs one worker that is SEARCHING; if there is
 * none and fewer than `parallel` are RUNNING, whoever notices wakes or starts one
 * and counts it as SEARCHING at once, so that nobody wakes a second. Noticing is
 * the duty of: the caller after it posted; a worker that stops SEARCHING or
 * RUNNING. Each does: its own write, full fence, then reads the other's word:
 *
 *     caller                            worker
 *     mark hint                         searching - 1
 *     fence                             fence
 *     searching > 0: done               any hint: wake the next one
 *     else wake one                     else go on
 *
 * With HASCALL_POLLING one of those that find nothing stays SEARCHING for ever.
 *
 * If `parallel` workers are RUNNING they will find the call themselves, unless they
 * are blocked in the kernel. User space is not told of that, so the watcher looks
 * at them from time to time while calls wait.
 *
 * Way down: pool_look -> call_one -> futex_wake.
 */
#include "base/cc.h"
#include "base/list.h"
#include "hascall/hascall.h"
#include "lib/kernel.h"
#include "slot/area.h"
#include "slot/slot.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#define POOL_SPIN_NS 10000 /* a longer spin costs more than it saves when calls come seldom */
#define POOL_STACK_SIZE (128u * 1024u)
#define POOL_LINE 64

/* struct hascall.counts: two counts that change together. */
#define POOL_SEARCHING UINT64_C(1)
#define POOL_RUNNING (UINT64_C(1) << 32)

/*
 * worker.phase: the number of the call, and what the worker is doing with it. BUSY is
 * set before the claim, by a plain store: so whoever sees the entry EXECUTING finds its
 * worker (cut.c).
 */
#define PHASE_BUSY 1u
#define PHASE_BLOCKED 2u /* not counted as running: the worker's or the watcher's doing */
#define PHASE_CUT 4u	 /* the call is to end; a signal is on its way */
#define PHASE_NEXT 8u

struct worker {
	/* own; the watcher sets PHASE_BLOCKED in phase, who cancels PHASE_CUT, both by CAS */
	uint32_t phase __attribute__((aligned(POOL_LINE)));
	uint32_t entry; /* the call's, while BUSY */
	bool searching;
	uint32_t cursor;   /* entry to look at next */
	uint32_t kept_off; /* the caller's processor that it left last */
	uint32_t tid;
	clockid_t cpu_clock;
	struct hascall *h;
	/* pool lock */
	bool is_lent;	       /* to the kernel; the worker's own thread ends it */
	bool is_called_back;   /* lent, and on its way out; counted in the area's called_back */
	uint32_t wake;	       /* futex: 1 = taken off the idle list by a waker */
	struct list node;      /* in workers, or in gone */
	struct list idle_node; /* in idle */
	pthread_t thread;
	/* watcher */
	uint32_t seen_phase;
	int64_t seen_cpu_ns;
	/* lent, else not there: the kernel, in this thread's name; the others read `entry` only */
	struct async_syscall_executor record[];
};

enum pool_call_flags {
	POOL_CALL_TIMED = 1u << 0,   /* has a deadline */
	POOL_CALL_CHAINED = 1u << 1, /* part of a chain */
	POOL_CALL_ALWAYS = 1u << 2,
	/* In a chain: this one or one after it has a deadline, is known to wait. */
	POOL_CALL_CHAIN_TIMED = 1u << 3,
	POOL_CALL_CHAIN_WAITS = 1u << 4,
};

#define POOL_NO_ENTRY UINT16_MAX

/* What the caller remembers of an entry. */
struct pool_call {
	uint64_t user_data;
	uint32_t generation;
	uint32_t group;
	uint16_t first; /* CHAINED: the first entry of its chain */
	uint16_t next;	/* CHAINED: the entry after it, or POOL_NO_ENTRY */
	uint16_t flags; /* enum pool_call_flags */
};

/* Memory that a forked child sees as zeros. */
struct pool_board {
	uint32_t alive;
};

enum watch_level {
	WATCH_REST, /* the watcher sleeps, until the next deadline if there is one */
	WATCH_TIME, /* there is an earlier deadline than it knows of */
	WATCH_TICK, /* it looks at the workers from time to time */
	WATCH_NOW,  /* it is to look at once: no idle worker is left */
};

/* struct hascall.attention: what a completion must do beside. Executors in the kernel read it. */
#define ATTENTION_SLEEPER 1u /* the caller sleeps on any_rings */
#define ATTENTION_EVENTFD 2u /* the eventfd was not written since the last reap */
#define ATTENTION_NOTIFY 4u  /* always, where workers are lent: options.notify */
#define ATTENTION_CUT 8u     /* a lent worker is called back: lent.h */

struct hascall {
	/* constant after hascall_open() */
	struct pool_board *board;
	size_t board_size;
	struct syscall_info *entry;
	struct area_hint *hint;
	uint64_t *done; /* completed and not yet reaped; executors set bits */
	uint32_t entry_count;
	uint32_t hint_count;
	uint32_t done_words;
	uint32_t workers_max;
	uint32_t parallel;
	int cut_signal;
	bool spin;
	bool polling;
	bool in_kernel; /* workers are lent to it, at first */
	int64_t idle_ns;
	struct kernel_area kernel; /* in_kernel */
	cpu_set_t processors;	   /* those of the thread that opened the area */
	struct hascall_options options;

	/* the caller's thread */
	struct pool_call *call;
	/* Bits by entry. */
	uint64_t *used;	    /* a call whose result was not delivered */
	uint64_t *unmarked; /* posted with HASCALL_MORE, its hint not marked yet */
	uint64_t *own_done; /* the caller knows that it is completed, and has not delivered it */
	uint32_t *free_entry;
	uint32_t free_count;
	uint32_t unmarked_count;
	bool kick_due; /* hints were marked since the last kick */
	bool started;  /* there are threads */
	bool alone;    /* there are none, as none could be started: waits and reaps execute calls */
	uint32_t lost_looks; /* how often in a row nobody was at any call: wait.c */

	/* atomic, any thread */
	uint64_t counts __attribute__((aligned(POOL_LINE)));
	uint32_t stopping;
	uint32_t broken; /* an entry had an impossible state */
	uint32_t caller_cpu;
	bool caller_sleeps;
	uint32_t polled;       /* a worker is polling */
	int32_t *cut;	       /* by entry: 0, or what an interrupted call results in */
	int64_t next_deadline; /* of all; written under the lock */
	uint32_t attention __attribute__((aligned(POOL_LINE)));
	uint32_t any_rings; /* futex of hascall_wait_any() */
	/*
	 * The eventfd was written since the last reap, ATTENTION_EVENTFD is not set. Neither: it is
	 * being written; a reap must not arm it before that is over.
	 */
	bool rung;
	uint32_t watch __attribute__((aligned(POOL_LINE))); /* enum watch_level; futex */

	/* lent workers: what the kernel sleeps on, how many do */
	struct area_bell bell;
	struct area_server server;
	bool fallen;  /* some are not lent any more, and no further ones will be */
	bool starved; /* one was wanted and could not be started */

	/* lock */
	pthread_mutex_t lock __attribute__((aligned(POOL_LINE)));
	struct list workers; /* all threads but the watcher */
	struct list idle;    /* asleep, the one that slept last first */
	struct list gone;    /* ended, not joined */
	struct list unused;  /* without a thread */
	/* The memory of all of these. In a forked child the lists may be half linked. */
	struct worker **made;
	uint32_t made_count;
	uint32_t coming;      /* started to be lent, and not arrived in the kernel */
	uint32_t called_back; /* lent, and on their way out */
	struct hascall_stats stats;
	int64_t *deadline; /* by entry: INT64_MAX: none, or over */
	pthread_t watcher;
};

static inline struct area_hint *hint_of(const struct hascall *h, uint32_t entry)
{
	return &h->hint[entry / AREA_HINT_ENTRIES];
}

/* The hints of entries 64 * word and on. */
static inline uint64_t posted_bits(const struct hascall *h, uint32_t word)
{
	return area_posted_bits(hint_of(h, 64 * word), word % AREA_HINT_WORDS);
}

/* How many calls nobody has taken, up to `limit`. */
static inline uint32_t pool_pending_count(const struct hascall *h, uint32_t limit)
{
	uint32_t count = 0;

	for (uint32_t word = 0; word < h->done_words && count < limit; word++)
		count += (uint32_t)__builtin_popcountll(posted_bits(h, word));
	return count < limit ? count : limit;
}

/* Is some hint set? Fence first if another thread's write matters. */
static inline bool pool_pending(const struct hascall *h)
{
	for (uint32_t i = 0; i < h->hint_count; i++)
		if (area_any_posted(&h->hint[i]))
			return true;
	return false;
}

/* An entry had an impossible state: -EPROTO, from now on. */
static inline int damaged(struct hascall *h)
{
	__atomic_store_n(&h->broken, 1, __ATOMIC_RELAXED);
	return -EPROTO;
}

/* Is it posted, and its turn in its chain has not come? */
static inline bool is_held(const struct hascall *h, uint32_t entry)
{
	return entry < h->entry_count && (slot_word(&h->entry[entry]) & SYSCALL_HELD);
}

/* Give a result back and tell whoever waits, by the thread that claimed the entry. */
void pool_finish(struct hascall *h, uint32_t entry, int64_t result);

/* A result can be reaped: do what `attention`, read after that was made visible, asks for. */
void pool_tell(struct hascall *h, uint32_t attention);

/* No thread yet: a program whose calls are all executed by who waits for them stays as it is. */
MUST_USE int pool_open(struct hascall *h);

/* The caller: start the first worker and the watcher, unless done. 0, -EAGAIN, -ENOMEM. */
MUST_USE int pool_start(struct hascall *h);

/* Lock held: one more worker. 0, -EAGAIN, -ENOMEM. */
MUST_USE int pool_add(struct hascall *h);

/* All threads end after the calls they run; returns when they have. */
void pool_stop(struct hascall *h);

/* Is no worker at a call, and none told to look for one? For those who wait in vain. */
bool pool_is_idle(struct hascall *h);

/*
 * Who asks for a worker. Starting a thread takes long, so the caller leaves that to the
 * watcher. A worker whose call is known to wait asks for two: calls that wait come in
 * crowds, and each of the two does likewise.
 */
enum pool_asker { POOL_CALLER, POOL_WORKER, POOL_LEAVING };

/* Calls are waiting: see to it that somebody will look at them. After a full fence. */
void pool_look(struct hascall *h, enum pool_asker asker);

/* watch.c. watch_arm: raise the level; cheap if it is there already. */
void watch_arm(struct hascall *h, enum watch_level level);
void *watch_main(void *h);

#endif /* LIB_POOL_H */

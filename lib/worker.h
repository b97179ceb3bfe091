/* SPDX-License-Identifier: MIT */
#ifndef LIB_WORKER_H
#define LIB_WORKER_H
/*
 * worker.h - one thread of a pool: how it finds, executes and completes calls by itself.
 * Those that are lent to the kernel, lent.h, use parts of it when they are out. Layer: lib.
 *
 * Thread   the worker's own; worker_found_damage: any.
 *
 * Way down: worker_enter -> worker_main -> syscall_unless.
 */
#include "lib/chain.h"
#include "lib/pool.h"

static inline uint32_t counts_searching(uint64_t counts)
{
	return (uint32_t)counts;
}

static inline uint32_t counts_running(uint64_t counts)
{
	return (uint32_t)(counts >> 32);
}

static inline uint64_t counts_now(const struct hascall *h)
{
	return __atomic_load_n(&h->counts, __ATOMIC_RELAXED);
}

static inline void counts_add(struct hascall *h, uint64_t change)
{
	__atomic_fetch_add(&h->counts, change, __ATOMIC_RELAXED);
}

static inline bool stopping(const struct hascall *h)
{
	return __atomic_load_n(&h->stopping, __ATOMIC_ACQUIRE) != 0;
}

/*
 * Not to be replaced by others of these names, and so fit to be built into the loop: a call
 * around it costs more than all that is in it.
 */
#pragma GCC visibility push(hidden)

/* What a worker's thread begins with. */
void *worker_enter(void *worker);

/* Before calls are executed: away from the processor of a caller who is awake. */
void worker_keep_off(struct worker *w);

/* The rest is for workers that are counted nowhere: `searching` is set, but not in the counts. */

/* Say which entry this thread is going to execute. */
void worker_announce(struct worker *w, uint32_t entry);
/* No longer: what phase was. If somebody has called this thread back, that is over. */
uint32_t worker_rest(struct worker *w);
/* One call that is posted, with its chain, if there is any. */
void worker_execute_one(struct worker *w);
/* An announced call that this thread has claimed (result: or executed), and what follows it. */
void worker_go_on(struct worker *w, uint32_t entry, struct slot_call *call, struct chain *chain,
		  const int64_t *result);

/* The caller may sleep on this entry, or for any; neither sleep would end by itself. */
void worker_found_damage(struct hascall *h, uint32_t entry);

#pragma GCC visibility pop

#endif /* LIB_WORKER_H */

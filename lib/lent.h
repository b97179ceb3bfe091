/* SPDX-License-Identifier: MIT */
#ifndef LIB_LENT_H
#define LIB_LENT_H
/*
 * lent.h - workers that stay in the kernel and execute there (hascall/kernel.h), where it has
 * executors. They share the area, its lock and its watcher with those of worker.h. Layer: lib.
 *
 * Limit    at most workers_max of them; `parallel` run at a time, which the kernel sees to.
 * Owner    a worker's record is its own: the kernel writes it in the worker's name.
 * Thread   lent_main: the worker's; lent_area_open, lent_area_close: the caller's; the rest: any.
 *
 * A lent worker is counted neither as searching nor as running: the kernel knows how many
 * look for calls, and hands over when one of them sleeps. Areas with HASCALL_POLLING are not
 * lent: the kernel's spin_ns ends after 4 seconds, and all that look would spin. It comes out
 *
 *     answer   because                             what it does out here
 *     GROW     no other would go on if it slept    brings another worker, unless one is on
 *                                                  its way or all are there; meanwhile
 *                                                  executes one call by itself
 *     TELL     `attention` is not 0                pool_tell()
 *     IDLE     it was not needed for idle_ms       ends, unless it is the last
 *     EINTR    it is called back (cut.c)           says what its call results in
 *     ENDED    the area is closed                  ends
 *     other    the kernel will not have it, or     falls: it goes on in worker_main() for
 *              something is damaged                ever, as do all others that come out later
 *
 * and is lent again. While one has fallen, who posts sees to workers of both kinds.
 *
 * Called back. The signal must not hit a later call of the same thread. A worker that is in
 * a call shows its entry in its record; after a call it looks at `attention` before it
 * begins another, and comes out if that is not 0. Each side writes first, then reads:
 *
 *     canceller, under the lock           executor, in the kernel
 *     attention has CUT, full barrier     record.entry = 0, COMPLETED, done bit (full barrier)
 *     record.entry is the entry:          attention has CUT: out
 *       phase has CUT, tgkill             else the next call
 *
 * CUT stays in `attention` until each worker that was called back is out. An executor
 * claims an entry a moment before it shows it: who cancels in between looks again.
 *
 * Way down: lent_main -> kernel_lend -> syscall(601), or ioctl.
 */
#include "lib/pool.h"

/* Announce the area to the kernel, if it has executors and they suit the options. */
void lent_area_open(struct hascall *h);
void lent_area_close(struct hascall *h);
void lent_area_close_in_child(struct hascall *h);

/* A lent worker's life. True: it has fallen, and is counted as searching; false: it ends. */
MUST_USE bool lent_main(struct worker *w);

/* After a full fence: wake executors for calls that are posted. False: look for others, too. */
MUST_USE bool lent_look(struct hascall *h, bool may_add);

/* The area is being closed, no call runs any more: all workers come out. */
void lent_stop(struct hascall *h);

/* The rest: lock held. */

/* Before looking for a worker to call back; and after, when none is left to come out. */
static inline void lent_call_back_begin(struct hascall *h)
{
	__atomic_fetch_or(&h->attention, ATTENTION_CUT, __ATOMIC_SEQ_CST);
}

static inline void lent_call_back_end(struct hascall *h)
{
	if (h->called_back == 0)
		__atomic_fetch_and(&h->attention, ~ATTENTION_CUT, __ATOMIC_SEQ_CST);
}

/* Note that this worker is called back, if it is at the call of this entry. */
static inline bool lent_call_back(struct worker *w, uint32_t entry)
{
	if (!w->is_lent || __atomic_load_n(&w->record->entry, __ATOMIC_SEQ_CST) != entry + 1)
		return false;
	__atomic_fetch_or(&w->phase, PHASE_CUT, __ATOMIC_ACQ_REL);
	w->h->called_back += !w->is_called_back;
	w->is_called_back = true;
	return true;
}

/* This one is out. */
static inline void lent_is_back(struct worker *w)
{
	if (!w->is_called_back)
		return;
	w->is_called_back = false;
	w->h->called_back--;
	lent_call_back_end(w->h);
}

/* Has it begun a call that is not completed? */
static inline bool lent_is_busy(const struct worker *w)
{
	return w->is_lent && __atomic_load_n(&w->record->entry, __ATOMIC_RELAXED) != 0;
}

#endif /* LIB_LENT_H */

/* SPDX-License-Identifier: MIT */
#ifndef LIB_CUT_H
#define LIB_CUT_H
/*
 * cut.h - ends calls early: those that nobody has begun by claiming them, running
 * ones by a signal to their worker; because the caller asks, or at their deadline.
 * Layer: lib.
 *
 * Order    a signal that is sent for a call arrives in that call or between it and the
 *          next of that worker: never in a later one.
 * Owner    the entry stays its caller's; whoever claims it here completes it.
 * Thread   the caller's and the watcher. One at a time: the lock of the pool.
 *
 * How a running call is found and hit:
 *
 *     worker                            canceller, under the lock
 *     entry, phase = n|BUSY
 *     claim: EXECUTING                  sees EXECUTING, so phase and entry too
 *                                       phase n|BUSY -> n|BUSY|CUT, else too late
 *     phase has CUT: do not begin       tgkill
 *     the instruction: interrupted
 *     phase: not BUSY; it had CUT:
 *       lock: the signal was sent       (unlock)
 *       any system call: it arrives
 *
 * The worker looks at CUT for the last time just before the instruction. A signal
 * that comes in between sends it back to that look (do_syscall.h). One that is lent to the
 * kernel shows its entry in its record instead: lent.h.
 *
 * Way down: cut_call -> cut_locked -> interrupt -> tgkill.
 */
#include "lib/pool.h"

/* The signal to cancel by, its handler installed if nobody has one: the number; -EINVAL. */
MUST_USE int cut_open(int wanted_signal);

/*
 * End the call of an entry in use; -ECANCELED or -ETIMEDOUT. 0: asked; -EALREADY: it
 * is completed, or asked before; -EOPNOTSUPP: a handler of the application's;
 * -EAGAIN: the kernel can queue no signal now, or it is not to be seen who executes it; -EPROTO.
 */
int cut_call(struct hascall *h, uint32_t entry, int32_t reason);

/* A call that is held: do not begin it. */
void cut_held(struct hascall *h, uint32_t entry);

/* Deadlines, by CLOCK_MONOTONIC. Set: lock held; true: the watcher must be told (WATCH_TIME). */
MUST_USE bool deadline_set(struct hascall *h, uint32_t entry, int64_t deadline);
void deadline_drop(struct hascall *h, uint32_t entry);

/* Watcher: end the calls whose time is over. Until the next deadline: ns, or FOREVER. */
int64_t deadlines_meet(struct hascall *h);

#endif /* LIB_CUT_H */

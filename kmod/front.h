/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KMOD_FRONT_H
#define KMOD_FRONT_H
/*
 * front.h - what the core asks of the front it is built with. Layer: kmod.
 *
 * Thread   the executor's own, in process context, with nothing locked.
 *
 * Inline, since every posted call passes all of it: front_module.h, front_syscall.h.
 */
#include "core.h"

/*
 * May this thread execute calls for others? A module cannot do what a kernel owes
 * tracers, auditors and seccomp filters, so it says no while there are any.
 */
static inline bool front_may_execute(void);

/*
 * Execute the call whose number and arguments are in regs, the thread's own frame.
 * The result as the kernel's function gave it, -ERESTART* included.
 */
static inline long front_call(struct pt_regs *regs);

/* Likewise, go on with a wait that was interrupted, as restart_syscall(2) does. */
static inline long front_go_on(struct pt_regs *regs);

/*
 * Finish what a return to user mode would have finished (closed files, above all): true
 * if it is done, false if only such a return can.
 */
static inline bool front_finish(struct pt_regs *regs);

/* futex(2) on a word shared between processes: FUTEX_WAIT for ever, FUTEX_WAKE. */
long front_futex(u32 __user *word, int op, u32 value);

#ifdef MODULE
#include "front_module.h"
#else
#include "front_syscall.h"
#endif

#endif /* KMOD_FRONT_H */

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KMOD_CORE_H
#define KMOD_CORE_H
/*
 * core.h - the kernel's executor: what both fronts (module.c: a device of stock
 * kernels; syscall.c: two system calls of a patched kernel) share. Layer: kmod.
 *
 * Order    each executor visits the entries in turn, from where it was last.
 * Limit    `running` executors have a place, that is, look for calls and execute them.
 *          Those that sleep in a call have given theirs back; the rest are parked.
 * Owner    entries and records belong to the process and are touched by user accesses
 *          only: nothing is pinned, nothing is left behind when memory goes away.
 * Thread   threads of the process that made the area. They are its own in everything:
 *          credentials, files, limits, accounting.
 *
 * What an executor does, and whether it has a place:
 *
 *     state      place   leaves by
 *     LOOKING    yes     finding a call (-> CALLING); finding none for spin_ns (-> IDLE)
 *     CALLING    yes     its call sleeps (-> BLOCKED): place_sched_out, by the scheduler
 *                        its call returns (-> LOOKING)
 *     BLOCKED    no      its call returns: with a free place (-> LOOKING) or not (-> PARKED)
 *     IDLE       yes     a ring of the doorbell (-> LOOKING)
 *     PARKED     no      somebody gave a place back (-> LOOKING)
 *
 * An executor is spare from when it parks or has looked in vain until it finds a call, in
 * whatever state it is meanwhile. Who asks to be told of GROW begins a call only if another is
 * spare, and so goes on if the call sleeps. It counts itself out first, with a full
 * barrier: of two that find calls at the same time at least one sees that none is left.
 *
 *     one                     other
 *     finds a call            finds a call
 *     spare - 1               spare - 1
 *     spare == 0: GROW        spare == 0: GROW
 *
 * Way down: hascall_exec -> serve -> call_run -> front_call -> x64_sys_call.
 */
#include <hascall/kernel.h>
#include <linux/atomic.h>
#include <linux/irq_work.h>
#include <linux/mm_types.h>
#include <linux/preempt.h>
#include <linux/ptrace.h>
#include <linux/wait.h>

/* A look for nothing. */
#define HASCALL_NONE (-1)

/* struct area_hint of slot/area.h: four words tell which of 256 entries to visit; then others. */
#define HINT_ENTRIES 256u
#define HINT_SIZE 64u

struct hascall_area {
	/* constant */
	struct mm_struct *mm; /* compared, and kept from being reused */
	struct async_syscall_info __user *array;
	u32 __user *rings; /* NULL: a timer instead */
	u32 __user *sleepers;
	u64 __user *posted; /* NULL, as those below: without */
	u32 __user *done;
	u32 __user *attention;
	s32 __user *cut;
	u32 count;
	u32 running;
	u32 spin_ns;
	u32 idle_ms;
	/* atomic */
	atomic_t places; /* that nobody has */
	atomic_t parked;
	atomic_t spare;
	atomic_t ends; /* times END was met: who was inside then leaves */
	struct irq_work hand_over;
	wait_queue_head_t parking;
};

/* A call as it is executed: a copy, made once after the claim. */
struct hascall_call {
	u32 index;
	u32 num;
	u64 arg[6];
	u64 link;	    /* 0: no chain, or its last */
	unsigned int place; /* in its chain */
	u64 failed;	    /* bit k: call k of the chain did */
	s64 result[SYSCALL_CHAIN_MAX];
};

/* The registers of the thread's own frame that a call's number and arguments go through. */
struct hascall_frame {
	unsigned long orig_ax, ax, di, si, dx, r10, r8, r9;
};

/*
 * One lent thread. Not on its kernel stack, which one that dies of a fault in the kernel begins
 * anew from the top, while the scheduler still calls the notifier.
 */
struct hascall_executor {
	struct preempt_notifier notifier;
	struct hascall_area *area;
	struct async_syscall_executor __user *record;
	bool has_place;
	bool is_spare;	/* counted in the area's */
	bool gives_way; /* a sleep gives the place away: not while it sleeps for want of calls */
	u32 flags;	/* enum async_syscall_lend_flags */
	u32 cursor;
	int ends; /* area's, when it came in */
	u64 look_until_ns;
	bool tells; /* a completion met *attention */
	struct hascall_frame saved;
	struct hascall_call call;
};

/* area.c. Returns NULL or an ERR_PTR; the front sees to it that nobody is inside at the end. */
struct hascall_area *hascall_area_make(const struct async_syscall_setup *setup);
void hascall_area_free(struct hascall_area *area);

/* exec.c. Lend the calling thread: enum async_syscall_why, or an error for user space. */
long hascall_exec(struct hascall_area *area, struct async_syscall_executor __user *record);

/* entry.c: user accesses to entries. All: -EFAULT, -EPROTO. */

/* Is there something to do? 0; -EAGAIN: no; -ESHUTDOWN: an entry holds END. */
int entry_peek(struct hascall_executor *x);
/*
 * Claim the next call in turn into x->call: 0; -EAGAIN: there is none; -EALREADY: somebody was
 * faster, look again; -ESHUTDOWN: an entry holds END.
 */
int entry_take(struct hascall_executor *x);
/*
 * Complete x->call's entry, wake who waits for it, and claim the next call of its chain into
 * x->call: 0; -EAGAIN: there is none; -EBADMSG: the entry is in an impossible state, and so
 * the result was not delivered.
 */
int entry_complete(struct hascall_executor *x, s64 result);

/* place.c: who may run. */
void place_begin(struct hascall_executor *x);
void place_end(struct hascall_executor *x);
/* Get a place if there is one: says whether x has one now. */
bool place_try(struct hascall_executor *x);
/* Sleep for one. 0: x has it; ASYNC_SYSCALL_IDLE; -ESHUTDOWN: END was met; -ERESTARTSYS. */
int place_wait(struct hascall_executor *x);
/* It has looked in vain: it is spare. */
void place_spare(struct hascall_executor *x);
/* It has found something, or leaves: it is not. */
void place_found(struct hascall_executor *x);
/* END was met: all that are inside leave. */
void place_shut(struct hascall_executor *x);
/* The executor that this thread is, if it is inside hascall_exec(); or NULL. */
struct hascall_executor *place_find(void);
void place_setup(void);
void place_teardown(void);

#endif /* KMOD_CORE_H */

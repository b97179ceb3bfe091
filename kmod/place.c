// SPDX-License-Identifier: GPL-2.0-only
/*
 * place.c - hand-over: when an executor sleeps in a call, another goes on.
 *
 * The scheduler tells when a thread is switched out. If it is going to sleep (it is
 * not on the run queue any more; a thread that is merely preempted is), its place is
 * free. Nobody can be woken there, since the run queue is locked, so an irq_work does
 * it a moment later.
 *
 * Giving back against parking: each side writes its own word, then, after a full
 * barrier, reads the other's, so at least one sees the other:
 *
 *     gives back                    parks
 *     places + 1                    parked + 1, on the queue
 *     parked > 0: irq_work          places > 0: takes one
 *       wakes one on the queue        else sleeps
 */
#include "front.h"

#include <linux/futex.h>
#include <linux/limits.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/version.h>

#include <asm/futex.h>

static void place_give(struct hascall_area *area)
{
	atomic_inc(&area->places);
	smp_mb__after_atomic();
	if (atomic_read(&area->parked) > 0)
		irq_work_queue(&area->hand_over);
}

static void place_sched_in(struct preempt_notifier *notifier, int cpu)
{
}

/* Is the calling thread, which is being switched out, going to sleep? */
static bool is_going_to_sleep(void)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	return !current->on_rq;
#else
	return !task_is_runnable(current); /* it may stay queued for a while all the same */
#endif
}

/* With the run queue locked. */
static void place_sched_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	struct hascall_executor *x = container_of(notifier, struct hascall_executor, notifier);

	if (x->gives_way && x->has_place && is_going_to_sleep()) {
		x->has_place = false;
		place_give(x->area);
	}
}

static struct preempt_ops place_ops = {
	.sched_in = place_sched_in,
	.sched_out = place_sched_out,
};

struct hascall_executor *place_find(void)
{
	struct preempt_notifier *notifier;

	hlist_for_each_entry(notifier, &current->preempt_notifiers,
			     link) if (notifier->ops ==
				       &place_ops) return container_of(notifier,
								       struct hascall_executor,
								       notifier);
	return NULL;
}

void place_begin(struct hascall_executor *x)
{
	x->ends = atomic_read(&x->area->ends);
	x->gives_way = true;
	preempt_notifier_init(&x->notifier, &place_ops);
	preempt_disable();
	preempt_notifier_register(&x->notifier);
	preempt_enable();
}

void place_end(struct hascall_executor *x)
{
	preempt_disable();
	preempt_notifier_unregister(&x->notifier);
	preempt_enable();
	place_found(x);
	if (x->has_place) {
		x->has_place = false;
		place_give(x->area);
	}
}

void place_spare(struct hascall_executor *x)
{
	if (!x->is_spare)
		atomic_inc(&x->area->spare);
	x->is_spare = true;
}

void place_found(struct hascall_executor *x)
{
	if (x->is_spare)
		atomic_dec_return(&x->area->spare); /* a full barrier: core.h */
	x->is_spare = false;
}

bool place_try(struct hascall_executor *x)
{
	/* Between taking the place and saying so it must not be switched out. */
	preempt_disable();
	if (!x->has_place)
		x->has_place = atomic_dec_if_positive(&x->area->places) >= 0;
	preempt_enable();
	return READ_ONCE(x->has_place);
}

/* The one that parked last is woken first, so that those not needed stay asleep and can go. */
static void park(struct hascall_area *area, struct wait_queue_entry *wait)
{
	spin_lock_irq(&area->parking.lock);
	if (list_empty(&wait->entry))
		__add_wait_queue_exclusive(&area->parking, wait);
	set_current_state(TASK_INTERRUPTIBLE);
	spin_unlock_irq(&area->parking.lock);
}

/* Does it stop waiting? 0: not yet. *ret_counted: still one of area->parked. */
static int place_look(struct hascall_executor *x, bool patient, bool *ret_counted)
{
	struct hascall_area *area = x->area;

	if (atomic_read(&area->ends) != x->ends)
		return -ESHUTDOWN;
	if (signal_pending(current))
		return -ERESTARTSYS;
	if (!patient && atomic_add_unless(&area->parked, -1, 1)) { /* the last one stays */
		*ret_counted = false;
		return ASYNC_SYSCALL_IDLE;
	}
	return 0;
}

int place_wait(struct hascall_executor *x)
{
	struct hascall_area *area = x->area;
	long all = area->idle_ms ? (long)msecs_to_jiffies(area->idle_ms) : MAX_SCHEDULE_TIMEOUT;
	long left = all;
	bool counted = true;
	DEFINE_WAIT(wait);
	int r = 0;

	if (place_try(x))
		return 0;
	place_spare(x);
	WRITE_ONCE(x->gives_way, false);
	atomic_inc(&area->parked);
	for (;;) {
		park(area, &wait);
		if (place_try(x))
			break;
		r = place_look(x, left > 0, &counted);
		if (r)
			break;
		left = schedule_timeout(left > 0 ? left : all);
	}
	finish_wait(&area->parking, &wait);
	if (counted)
		atomic_dec(&area->parked);
	WRITE_ONCE(x->gives_way, true);
	/* It may have been this one that was woken for a place. */
	if (r && atomic_read(&area->places) > 0)
		wake_up(&area->parking);
	return r;
}

void place_shut(struct hascall_executor *x)
{
	u32 __user *rings = x->area->rings;
	int unused;

	atomic_inc(&x->area->ends);
	wake_up_all(&x->area->parking);
	if (!rings)
		return;
	/* While x had its hint, others may have looked for END in vain, and be about to sleep. */
	if (arch_futex_atomic_op_inuser(FUTEX_OP_ADD, 1, &unused, rings) == 0)
		front_futex(rings, FUTEX_WAKE, INT_MAX);
}

void place_setup(void)
{
	preempt_notifier_inc();
}

void place_teardown(void)
{
	preempt_notifier_dec();
}

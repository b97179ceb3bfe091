// SPDX-License-Identifier: GPL-2.0-only
/*
 * exec.c - a lent thread: it looks for calls, executes them as itself, sleeps while
 * there are none.
 *
 * A call's number and arguments go through the frame of the system call by which the
 * thread was lent, so that seccomp, tracers and auditors see them where they look. The
 * frame is put right before the thread returns to user mode.
 *
 * A thread that must return with a call unfinished (a signal; work that only a return
 * to user mode does) writes down what is left in its record, in its own memory:
 * nothing is kept here. What it reads there when it comes back it could have
 * posted as well, so it is checked like an entry.
 */
#include "front.h"
#include "lib/call_rules.h"

#include <linux/futex.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/thread_info.h>
#include <linux/uaccess.h>

#include <asm/futex.h>

/* Where no ring is promised: how often an idle executor looks. */
#define LATE_NS 1000000
/*
 * How often a busy executor tells tasks-RCU that it holds nothing, which cond_resched() alone
 * does not.
 */
#define ROUNDS_PER_QS 64

/* What an executor looks for in its thread's flags, all at once. */
#define NOTICES (_TIF_SIGPENDING | _TIF_NOTIFY_SIGNAL | _TIF_NEED_RESCHED)

/* Outcomes of a look at the entries, beside errors. */
enum look { LOOK_FOUND_NOTHING, LOOK_EXECUTED };

static void frame_save(struct hascall_frame *f, const struct pt_regs *regs)
{
	f->orig_ax = regs->orig_ax;
	f->ax = regs->ax;
	f->di = regs->di;
	f->si = regs->si;
	f->dx = regs->dx;
	f->r10 = regs->r10;
	f->r8 = regs->r8;
	f->r9 = regs->r9;
}

/* Not ip, sp and flags: a tracer may have set those. */
static void frame_restore(const struct hascall_frame *f, struct pt_regs *regs)
{
	regs->orig_ax = f->orig_ax;
	regs->ax = f->ax;
	regs->di = f->di;
	regs->si = f->si;
	regs->dx = f->dx;
	regs->r10 = f->r10;
	regs->r8 = f->r8;
	regs->r9 = f->r9;
}

static void frame_set(struct pt_regs *regs, const struct hascall_call *call)
{
	regs->orig_ax = call->num;
	regs->ax = (unsigned long)-ENOSYS;
	regs->di = call->arg[0];
	regs->si = call->arg[1];
	regs->dx = call->arg[2];
	regs->r10 = call->arg[3];
	regs->r8 = call->arg[4];
	regs->r9 = call->arg[5];
}

/* As they stand now: a tracer may have changed them, and a call begins again as changed. */
static void frame_get(const struct pt_regs *regs, struct hascall_call *call)
{
	call->num = (u32)regs->orig_ax;
	call->arg[0] = regs->di;
	call->arg[1] = regs->si;
	call->arg[2] = regs->dx;
	call->arg[3] = regs->r10;
	call->arg[4] = regs->r8;
	call->arg[5] = regs->r9;
}

static bool is_interrupted(s64 result)
{
	return result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND ||
	       result == -ERESTART_RESTARTBLOCK;
}

/* Write down what is left of x->call. */
static int leave_record(struct hascall_executor *x, enum async_syscall_left left, s64 ret)
{
	const struct hascall_call *c = &x->call;
	struct async_syscall_executor r = {
		.entry = c->index + 1,
		.left = left,
		.num = c->num,
		.place = c->place,
		.ret = ret,
		.link = c->link,
		.failed = c->failed,
		.flags = x->flags,
	};

	memcpy(r.arg, c->arg, sizeof(r.arg));
	memcpy(r.result, c->result, c->place * sizeof(r.result[0]));
	return copy_to_user(x->record, &r, sizeof(r)) ? -EFAULT : 0;
}

/* Read what was left, if anything was: enum async_syscall_left, or an error. */
static int take_record(struct hascall_executor *x, s64 *ret_result)
{
	struct hascall_call *c = &x->call;
	struct async_syscall_executor r;

	if (get_user(r.left, &x->record->left))
		return -EFAULT;
	if (r.left == ASYNC_SYSCALL_LEFT_NOTHING)
		return 0;
	if (copy_from_user(&r, x->record, sizeof(r)) ||
	    put_user(ASYNC_SYSCALL_LEFT_NOTHING, &x->record->left))
		return -EFAULT;
	if (r.left > ASYNC_SYSCALL_LEFT_RESULT || r.entry == 0 || r.entry > x->area->count ||
	    r.place >= SYSCALL_CHAIN_MAX)
		return -EINVAL;
	c->index = array_index_nospec(r.entry - 1, x->area->count);
	c->num = r.num;
	c->place = array_index_nospec(r.place, SYSCALL_CHAIN_MAX);
	c->link = r.link;
	c->failed = r.failed;
	memcpy(c->arg, r.arg, sizeof(c->arg));
	memcpy(c->result, r.result, sizeof(c->result));
	*ret_result = r.ret;
	return (int)r.left;
}

/* Put results of earlier calls of the chain into the arguments: 0; -ECANCELED. */
static int call_prepare(struct hascall_call *c)
{
	unsigned int i;

	if (c->place == 0 && !(c->link >> 24))
		return 0;
	if (c->failed && !(c->link & SYSCALL_LINK_ALWAYS))
		return -ECANCELED;
	for (i = 0; i < ARRAY_SIZE(c->arg); i++) {
		unsigned int back = c->link >> (24 + 4 * i) & 15;

		if (back == 0)
			continue;
		if (back > c->place || (c->failed >> (c->place - back) & 1))
			return -ECANCELED;
		c->arg[i] = (u64)c->result[array_index_nospec(c->place - back, SYSCALL_CHAIN_MAX)];
	}
	return 0;
}

/* The call gave -ERESTART*, `result`: it is left to go on. What the thread leaves with. */
static int leave_interrupted(struct hascall_executor *x, enum async_syscall_left how, int result)
{
	bool waits = result == -ERESTART_RESTARTBLOCK;
	int r;

	if (how == ASYNC_SYSCALL_LEFT_CALL)
		frame_get(current_pt_regs(), &x->call);
	r = leave_record(x, waits ? ASYNC_SYSCALL_LEFT_WAIT : how, 0);
	return r ?: waits ? -ERESTARTNOHAND : result;
}

/*
 * Execute x->call. 0 and its result; -ERESTART*: it is left in the record and goes on
 * when the thread comes back; -EPERM: likewise, but this thread may not execute it.
 */
static int call_execute(struct hascall_executor *x, enum async_syscall_left how, s64 *ret_result)
{
	struct pt_regs *regs = current_pt_regs();
	s64 result = call_rule(x->call.num, x->call.arg);

	if (result >= 0) {
		if (!front_may_execute())
			return leave_record(x, how, 0) ?: -EPERM;
		frame_set(regs, &x->call);
		result = how == ASYNC_SYSCALL_LEFT_WAIT ? front_go_on(regs) : front_call(regs);
		if (unlikely(is_interrupted(result)))
			return leave_interrupted(x, how, (int)result);
		/* Who is killed in a call leaves it EXECUTING: no handler ran that could tell. */
		if (unlikely(result == -EINTR) && fatal_signal_pending(current))
			return -ERESTARTSYS;
		if (!front_finish(regs))
			return leave_record(x, ASYNC_SYSCALL_LEFT_RESULT, result)
				       ?: -ERESTARTNOINTR;
	}
	*ret_result = result;
	return 0;
}

/*
 * What comes before a call of a chain: *ret_result is what it gives instead of being begun, as the
 * process says or since it cannot be; 0: it is begun.
 */
static noinline int chain_prepare(struct hascall_executor *x, s64 *ret_result)
{
	s32 cut = 0;

	if (x->area->cut && get_user(cut, x->area->cut + x->call.index))
		return -EFAULT;
	*ret_result = cut < 0 ? cut : call_prepare(&x->call);
	return 0;
}

/*
 * As entry_complete(). A result that cannot be delivered is left: what is in the entry now is
 * not of those states, and says nothing of who waits.
 */
static __always_inline int call_complete(struct hascall_executor *x, s64 result)
{
	int r = entry_complete(x, result);

	if (unlikely(r == -EBADMSG))
		r = leave_record(x, ASYNC_SYSCALL_LEFT_RESULT, result) ?: -EPROTO;
	return r;
}

/* Execute x->call, complete it, claim the next one of its chain. 0; -EAGAIN: there is none. */
static __always_inline int call_run(struct hascall_executor *x, enum async_syscall_left how)
{
	s64 result = 0;
	int r = 0;

	if (x->call.link || x->call.place > 0)
		r = chain_prepare(x, &result);
	if (r == 0 && result == 0)
		r = call_execute(x, how, &result);
	return r ?: call_complete(x, result);
}

/* Execute x->call and what follows in its chain. 0, or why the thread must leave. */
static int chain_run(struct hascall_executor *x, enum async_syscall_left how)
{
	int r;

	while ((r = call_run(x, how)) == 0) {
		if (x->tells)
			return leave_record(x, ASYNC_SYSCALL_LEFT_CALL, 0) ?: -ECOMM;
		how = ASYNC_SYSCALL_LEFT_CALL;
	}
	if (r == -EAGAIN)
		return x->tells ? -ECOMM : 0;
	return r;
}

/* Go on with what was left when this thread was here last. 0, or why it must leave. */
static int chain_resume(struct hascall_executor *x)
{
	s64 result = 0;
	int left = take_record(x, &result);
	int r;

	if (left <= 0)
		return left;
	if (left != ASYNC_SYSCALL_LEFT_RESULT)
		return chain_run(x, left);
	r = call_complete(x, result);
	if (r == 0)
		return x->tells ? leave_record(x, ASYNC_SYSCALL_LEFT_CALL, 0) ?: -ECOMM
				: chain_run(x, ASYNC_SYSCALL_LEFT_CALL);
	return r != -EAGAIN ? r : x->tells ? -ECOMM : 0;
}

/* Must another thread be brought before a call is begun? */
static bool must_grow(const struct hascall_executor *x)
{
	return (x->flags & ASYNC_SYSCALL_TELL_GROW) && atomic_read(&x->area->spare) == 0;
}

/* Look once at the entries; execute one call, or its chain. */
static int look(struct hascall_executor *x)
{
	int r;

	if (x->is_spare || must_grow(x)) {
		r = entry_peek(x);
		if (r == -EAGAIN)
			return LOOK_FOUND_NOTHING;
		if (r && r != -ESHUTDOWN)
			return r;
		place_found(x);
		if (r == 0 && must_grow(x))
			return -EXFULL;
	}
	if (!front_may_execute())
		return -EPERM;
	r = entry_take(x);
	if (r == 0)
		r = chain_run(x, ASYNC_SYSCALL_LEFT_CALL);
	else if (r == -EAGAIN)
		return LOOK_FOUND_NOTHING;
	else if (r == -EALREADY)
		r = 0;
	else if (r == -ESHUTDOWN)
		place_shut(x);
	return r ?: LOOK_EXECUTED;
}

/* Sleep until a call is posted: 0: look again; an error. */
static int idle(struct hascall_executor *x)
{
	ktime_t late = ns_to_ktime(LATE_NS);
	struct hascall_area *area = x->area;
	int unused;
	u32 seen;
	int r = 0;

	WRITE_ONCE(x->gives_way, false);
	/* A fault may have taken it; who sleeps here without one uses up a ring for nothing. */
	if (!READ_ONCE(x->has_place))
		goto out;
	if (!area->rings) {
		set_current_state(TASK_INTERRUPTIBLE);
		schedule_hrtimeout(&late, HRTIMER_MODE_REL);
		goto out;
	}
	if (get_user(seen, area->rings) ||
	    arch_futex_atomic_op_inuser(FUTEX_OP_ADD, 1, &unused, area->sleepers)) {
		r = -EFAULT;
		goto out;
	}
	/* The count is up, with a full barrier: posts from now on ring. Is there an older one? */
	if (entry_peek(x) == -EAGAIN)
		front_futex(area->rings, FUTEX_WAIT, seen);
	if (arch_futex_atomic_op_inuser(FUTEX_OP_ADD, -1, &unused, area->sleepers))
		r = -EFAULT;
out:
	WRITE_ONCE(x->gives_way, true);
	return r;
}

/* Nothing was found: spin for a while, then sleep. */
static int rest(struct hascall_executor *x)
{
	u64 now = ktime_get_ns();

	place_spare(x);
	if (x->look_until_ns == 0)
		x->look_until_ns = now + x->area->spin_ns;
	if (now < x->look_until_ns) {
		cpu_relax();
		return 0;
	}
	return idle(x);
}

/* Until there is a reason to leave: the reason. */
static int serve(struct hascall_executor *x)
{
	unsigned int rounds = 0;
	int r = chain_resume(x);

	while (r >= 0) {
		if (read_thread_flags() & NOTICES || ++rounds % ROUNDS_PER_QS == 0) {
			if (signal_pending(current))
				return -ERESTARTSYS;
			/* CPU time limits, for one, wait for the way to user mode. */
			if (!front_finish(current_pt_regs()))
				return -ERESTARTNOINTR;
			cond_resched_tasks_rcu_qs();
		}
		if (!x->has_place) {
			r = place_wait(x);
			if (r)
				return r == ASYNC_SYSCALL_IDLE ? -ETIME : r;
		}
		if (atomic_read(&x->area->ends) != x->ends)
			return -ESHUTDOWN;
		r = look(x);
		if (r == LOOK_EXECUTED)
			x->look_until_ns = 0;
		else if (r == LOOK_FOUND_NOTHING)
			r = rest(x);
	}
	return r;
}

/* What user space is told. */
static long why(int r)
{
	switch (r) {
	case -ESHUTDOWN:
		return ASYNC_SYSCALL_ENDED;
	case -EXFULL:
		return ASYNC_SYSCALL_GROW;
	case -ETIME:
		return ASYNC_SYSCALL_IDLE;
	case -ECOMM:
		return ASYNC_SYSCALL_TELL;
	default:
		return r;
	}
}

long hascall_exec(struct hascall_area *area, struct async_syscall_executor __user *record)
{
	struct hascall_executor *x;
	u32 flags;
	int r;

	if (area->mm != current->mm)
		return -EPERM;
	if ((unsigned long)record % __alignof__(*record) || !access_ok(record, sizeof(*record)))
		return -EFAULT;
	if (place_find())
		return -EDEADLK;
	if (get_user(flags, &record->flags))
		return -EFAULT;
	if (flags & ~ASYNC_SYSCALL_TELL_GROW)
		return -EINVAL;
	x = kzalloc(sizeof(*x), GFP_KERNEL_ACCOUNT);
	if (!x)
		return -ENOMEM;
	x->area = area;
	x->record = record;
	x->flags = flags;
	frame_save(&x->saved, current_pt_regs());
	place_begin(x);
	r = serve(x);
	place_end(x);
	frame_restore(&x->saved, current_pt_regs());
	kfree(x);
	/* A ring may have woken this thread, which did not look: pass it on. */
	if (area->running > 1 && area->rings && r != -ESHUTDOWN && r != -ERESTARTNOINTR)
		front_futex(area->rings, FUTEX_WAKE, 1);
	/*
	 * The handler of a filter's trap may write a result to where a thread that begins its call
	 * again has the number: it would make another call.
	 */
	if (is_interrupted(r) && sigismember(&current->pending.signal, SIGSYS))
		r = -EINTR;
	/* Calls that were cut short begin again by way of the signal code: see that it is taken. */
	if (is_interrupted(r) && !signal_pending(current))
		set_thread_flag(TIF_NOTIFY_SIGNAL);
	return why(r);
}

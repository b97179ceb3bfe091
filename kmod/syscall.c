// SPDX-License-Identifier: GPL-2.0-only
/*
 * syscall.c - the front of a patched kernel: async_syscall_init and async_syscall_exec.
 *
 * Each posted call passes what a call from user mode passes: user dispatch aside, tracer,
 * seccomp, tracepoints, audit before it; audit, tracepoints, tracer after it. So the
 * duties nest in those of async_syscall_exec itself, whose own audit record is
 * closed before the first call and opened again for the return.
 *
 * Areas hang on the address space, not on a descriptor: a thread that a filter kills inside a
 * call would keep a descriptor's reference for ever.
 *
 *     state of an area   leaves by
 *     free               async_syscall_init(setup)
 *     open               async_syscall_init(NULL, area), if no thread is inside;
 *                        the end of the address space
 */
#include "front.h"
#include "lib/call_rules.h"

#include <linux/async_syscall.h>
#include <linux/audit.h>
#include <linux/entry-common.h>
#include <linux/err.h>
#include <linux/futex.h>
#include <linux/init.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/syscalls.h>
#include <linux/thread_info.h>
#include <linux/uaccess.h>

#include <asm/syscall.h>

struct async_syscall_table {
	struct mutex lock; /* all below */
	struct hascall_area *area[ASYNC_SYSCALL_AREAS_MAX];
	u32 inside[ASYNC_SYSCALL_AREAS_MAX]; /* threads in async_syscall_exec */
};

/* Tracers and filters may have changed the number and the arguments: they are checked again. */
static long checked_call(struct pt_regs *regs, long number, bool goes_on)
{
	const u64 arg[6] = { regs->di, regs->si, regs->dx, regs->r10, regs->r8, regs->r9 };
	long r = call_rule((u32)number, arg);

	if (goes_on && number == __NR_restart_syscall)
		return current->restart_block.fn(&current->restart_block);
	if (r < 0)
		return r;
	if (number >= NR_syscalls)
		return -ENOSYS;
	return x64_sys_call(regs, array_index_nospec((unsigned int)number, NR_syscalls));
}

/*
 * Has a filter trapped the call? It has then put the number where the result belongs, for the
 * handler of its signal. A tracer or a supervisor may have put the same value there as a result.
 */
static bool is_trapped(const struct pt_regs *regs)
{
	return regs->ax == regs->orig_ax && sigismember(&current->pending.signal, SIGSYS);
}

/*
 * A call that was not made, and "begins again": a signal may ask for that, but nothing else. As
 * the answer of a filter it would be asked for, and given, for ever.
 */
static bool is_no_answer(const struct pt_regs *regs)
{
	long r = (long)regs->ax;

	return (r == -ERESTARTSYS || r == -ERESTARTNOINTR || r == -ERESTARTNOHAND ||
		r == -ERESTART_RESTARTBLOCK) &&
	       !signal_pending(current);
}

long hascall_front_call(struct pt_regs *regs, bool goes_on)
{
	long number = syscall_enter_from_user_mode_work(regs, (long)regs->orig_ax);

	if (number != -1)
		regs->ax = (unsigned long)checked_call(regs, number, goes_on);
	else if (is_trapped(regs))
		regs->ax = (unsigned long)-ENOSYS;
	else if (is_no_answer(regs))
		regs->ax = (unsigned long)-EINTR;
	syscall_exit_nested(regs);
	return (long)regs->ax;
}

long front_futex(u32 __user *word, int op, u32 value)
{
	return do_futex(word, op, value, NULL, NULL, 0, 0);
}

/* The address space's table, made when there is none; NULL: no memory. */
static struct async_syscall_table *table_get(struct mm_struct *mm)
{
	struct async_syscall_table *table = READ_ONCE(mm->async_syscall);
	struct async_syscall_table *other;

	if (table)
		return table;
	table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return NULL;
	mutex_init(&table->lock);
	other = cmpxchg(&mm->async_syscall, NULL, table);
	if (other) {
		kfree(table);
		table = other;
	}
	return table;
}

static long table_add(struct async_syscall_table *table, struct hascall_area *area)
{
	long r = -ENFILE;

	mutex_lock(&table->lock);
	for (unsigned int i = 0; i < ASYNC_SYSCALL_AREAS_MAX; i++) {
		if (table->area[i])
			continue;
		table->area[i] = area;
		r = i;
		break;
	}
	mutex_unlock(&table->lock);
	return r;
}

static long table_drop(struct async_syscall_table *table, unsigned int number)
{
	struct hascall_area *area = NULL;
	long r = -EBADF;

	mutex_lock(&table->lock);
	if (table->area[number]) {
		r = table->inside[number] > 0 ? -EBUSY : 0;
		if (r == 0)
			swap(area, table->area[number]);
	}
	mutex_unlock(&table->lock);
	hascall_area_free(area);
	return r;
}

/* The area, kept until table_leave(); NULL if there is none. */
static struct hascall_area *table_enter(struct async_syscall_table *table, unsigned int number)
{
	struct hascall_area *area;

	mutex_lock(&table->lock);
	area = table->area[number];
	if (area)
		table->inside[number]++;
	mutex_unlock(&table->lock);
	return area;
}

static void table_leave(struct async_syscall_table *table, const struct hascall_area *area)
{
	mutex_lock(&table->lock);
	for (unsigned int i = 0; i < ASYNC_SYSCALL_AREAS_MAX; i++)
		if (table->area[i] == area)
			table->inside[i]--;
	mutex_unlock(&table->lock);
}

SYSCALL_DEFINE2(async_syscall_init, const struct async_syscall_setup __user *, user_setup, int,
		number)
{
	struct async_syscall_table *table = table_get(current->mm);
	struct async_syscall_setup setup;
	struct hascall_area *area;
	long r;

	if (!table)
		return -ENOMEM;
	if (!user_setup) {
		if (number < 0 || number >= ASYNC_SYSCALL_AREAS_MAX)
			return -EBADF;
		return table_drop(table, array_index_nospec(number, ASYNC_SYSCALL_AREAS_MAX));
	}
	if (copy_from_user(&setup, user_setup, sizeof(setup)))
		return -EFAULT;
	area = hascall_area_make(&setup);
	if (IS_ERR(area))
		return PTR_ERR(area);
	r = table_add(table, area);
	if (r < 0)
		hascall_area_free(area);
	return r;
}

SYSCALL_DEFINE2(async_syscall_exec, int, number, struct async_syscall_executor __user *, record)
{
	struct async_syscall_table *table = READ_ONCE(current->mm->async_syscall);
	struct hascall_area *area;
	long r;

	/* A posted call cannot be this one: its number is on no list. */
	if (!table || number < 0 || number >= ASYNC_SYSCALL_AREAS_MAX)
		return -EBADF;
	area = table_enter(table, array_index_nospec(number, ASYNC_SYSCALL_AREAS_MAX));
	if (!area)
		return -EBADF;
	audit_syscall_exit(current_pt_regs());
	r = hascall_exec(area, record);
	audit_syscall_entry(__NR_async_syscall_exec, (unsigned long)number, (unsigned long)record,
			    0, 0);
	table_leave(table, area);
	return r;
}

void __async_syscall_exit_task(void)
{
	struct hascall_executor *x = place_find();

	if (!x)
		return;
	place_end(x);
	table_leave(current->mm->async_syscall, x->area);
	kfree(x);
}

void __async_syscall_free(struct mm_struct *mm)
{
	struct async_syscall_table *table = mm->async_syscall;

	for (unsigned int i = 0; i < ASYNC_SYSCALL_AREAS_MAX; i++)
		hascall_area_free(table->area[i]);
	kfree(table);
	mm->async_syscall = NULL;
}

static int __init async_syscall_setup(void)
{
	place_setup();
	return 0;
}
late_initcall(async_syscall_setup);

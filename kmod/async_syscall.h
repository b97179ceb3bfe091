/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KMOD_ASYNC_SYSCALL_H
#define KMOD_ASYNC_SYSCALL_H
/*
 * async_syscall.h - what the rest of a patched kernel calls: include/linux/async_syscall.h
 * there. Layer: kmod.
 *
 * Thread   async_syscall_exit_task: the one that ends; async_syscall_free: the last that
 *          knows the address space.
 */
#include <linux/mm_types.h>
#include <linux/sched.h>

#ifdef CONFIG_ASYNC_SYSCALL
void __async_syscall_exit_task(void);
void __async_syscall_free(struct mm_struct *mm);

/* A thread ends while it is lent (a filter has killed it): its place goes to another. */
static inline void async_syscall_exit_task(void)
{
	if (!hlist_empty(&current->preempt_notifiers))
		__async_syscall_exit_task();
}

static inline void async_syscall_free(struct mm_struct *mm)
{
	if (mm->async_syscall)
		__async_syscall_free(mm);
}

/* A new address space has no areas, whatever it was copied from. */
static inline void async_syscall_mm_init(struct mm_struct *mm)
{
	mm->async_syscall = NULL;
}
#else
static inline void async_syscall_exit_task(void)
{
}

static inline void async_syscall_free(struct mm_struct *mm)
{
}

static inline void async_syscall_mm_init(struct mm_struct *mm)
{
}
#endif

#endif /* KMOD_ASYNC_SYSCALL_H */

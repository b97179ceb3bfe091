/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KMOD_FRONT_MODULE_H
#define KMOD_FRONT_MODULE_H
/*
 * front_module.h - front.h for a module. Layer: kmod.
 *
 * Thread   as front.h.
 */
#include <linux/entry-common.h>
#include <linux/restart_block.h>
#include <linux/sched.h>
#include <linux/static_call.h>
#include <linux/task_work.h>
#include <linux/thread_info.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define THROTTLED_BY throttle_queue
#else
#define THROTTLED_BY throttle_disk
#endif

/* x64_sys_call, once the module is loaded. */
long no_sys_call(const struct pt_regs *regs, unsigned int number);
DECLARE_STATIC_CALL(enter_sys_call, no_sys_call);

static inline bool front_may_execute(void)
{
	return !(READ_ONCE(current_thread_info()->syscall_work) &
		 (SYSCALL_WORK_ENTER | SYSCALL_WORK_EXIT));
}

/* call_rule() has seen to the number. */
static inline long front_call(struct pt_regs *regs)
{
	return static_call(enter_sys_call)(regs, (unsigned int)regs->orig_ax);
}

static inline long front_go_on(struct pt_regs *regs)
{
	return current->restart_block.fn(&current->restart_block);
}

/*
 * TIF_NOTIFY_RESUME alone says little: the scheduler sets it at each switch of a thread that
 * has registered restartable sequences, and those do not matter before it returns.
 */
static inline bool front_finish(struct pt_regs *regs)
{
	bool owes = task_work_pending(current);

#ifdef CONFIG_MEMCG
	owes |= current->memcg_nr_pages_over_high != 0; /* to be slowed down for it */
#endif
#ifdef CONFIG_BLK_CGROUP
	owes |= current->THROTTLED_BY != NULL; /* likewise, for what it swaps */
#endif
	return !owes;
}

#endif /* KMOD_FRONT_MODULE_H */

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KMOD_FRONT_SYSCALL_H
#define KMOD_FRONT_SYSCALL_H
/*
 * front_syscall.h - front.h for a patched kernel. Layer: kmod.
 *
 * Thread   as front.h.
 */
#include <linux/resume_user_mode.h>
#include <linux/sched.h>
#include <linux/thread_info.h>

#include <asm/unistd.h>

/* goes_on: restart_syscall(2) is no call that may be posted, but this is one. */
long hascall_front_call(struct pt_regs *regs, bool goes_on);

/* A thread that handles its own calls by a signal: there would be no call to hand back. */
static inline bool front_may_execute(void)
{
	return !(READ_ONCE(current_thread_info()->syscall_work) &
		 SYSCALL_WORK_SYSCALL_USER_DISPATCH);
}

static inline long front_call(struct pt_regs *regs)
{
	return hascall_front_call(regs, false);
}

static inline long front_go_on(struct pt_regs *regs)
{
	regs->orig_ax = __NR_restart_syscall;
	return hascall_front_call(regs, true);
}

static inline bool front_finish(struct pt_regs *regs)
{
	if (test_thread_flag(TIF_NOTIFY_RESUME))
		resume_user_mode_work(regs);
	return true;
}

#endif /* KMOD_FRONT_SYSCALL_H */

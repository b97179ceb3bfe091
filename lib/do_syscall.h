/* SPDX-License-Identifier: MIT */
#ifndef LIB_DO_SYSCALL_H
#define LIB_DO_SYSCALL_H
/*
 * do_syscall.h - the one place that executes a call for somebody. Layer: lib.
 *
 * Always inline: a system call made between a call and its return costs 40 %
 * more than the same instruction in the loop of its caller (getppid: 167 ns against
 * 120 ns; gcc 12, Zen 4, with the kernel's mitigations for return prediction).
 *
 * Thread   any.
 */
#include "lib/calls.h"

/* The instruction, unchecked. The kernel may write any memory the call names. */
static inline __attribute__((always_inline)) int64_t syscall_now(const struct slot_call *call)
{
	register uint64_t arg4 __asm__("r10") = call->arg[3];
	register uint64_t arg5 __asm__("r8") = call->arg[4];
	register uint64_t arg6 __asm__("r9") = call->arg[5];
	int64_t ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"((uint64_t)call->num), "D"(call->arg[0]), "S"(call->arg[1]),
			   "d"(call->arg[2]), "r"(arg4), "r"(arg5), "r"(arg6)
			 : "rcx", "r11", "memory");
	return ret;
}

/* Execute a call if it is allowed: its result, or -EOPNOTSUPP, -ENOSYS. */
static inline __attribute__((always_inline)) int64_t do_syscall(const struct slot_call *call)
{
	int leave = call_check(call);

	return leave < 0 ? leave : syscall_now(call);
}

#endif /* LIB_DO_SYSCALL_H */

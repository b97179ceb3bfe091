/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KMOD_CALLS_H
#define KMOD_CALLS_H
/*
 * calls.h - which calls an executor may execute, as lib/calls.h has it. Layer: kmod.
 *
 * Thread   any: the table is constant.
 */
#include <linux/errno.h>
#include <linux/nospec.h>
#include <linux/types.h>

#define CALL_NUMBERS 512u
#define CALL_X32_BIT 0x40000000u

enum call_class {
	CALL_UNKNOWN,
	CALL_RUN,
	CALL_WAIT,
	CALL_NOT_SELF,
	CALL_FUTEX,
	CALL_FCNTL,
	CALL_CLOCK,
	CALL_USAGE,
	CALL_PRIORITY,
	CALL_IOPRIO,
	CALL_PERF,
	CALL_UNSHARE,
	CALL_WAITPID,
	CALL_WAITID,
	CALL_THREAD,
	CALL_PROCESS,
	CALL_GONE,
};

extern const u8 hascall_call_classes[CALL_NUMBERS];
int hascall_call_check_arg(u32 num, const u64 arg[6]);

/* 0; -EOPNOTSUPP, -ENOSYS: what the executor answers instead of executing it. */
static inline int hascall_call_check(u32 num, const u64 arg[6])
{
	if (likely(num < CALL_NUMBERS) &&
	    hascall_call_classes[array_index_nospec(num, CALL_NUMBERS)] == CALL_RUN)
		return 0;
	return hascall_call_check_arg(num, arg);
}

#endif /* KMOD_CALLS_H */

/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef LIB_CALL_RULES_H
#define LIB_CALL_RULES_H
/*
 * call_rules.h - which calls an executor may execute for another thread. The library and
 * the kernel's executors (kmod/) are built from the same file. Layer: lib.
 *
 * Thread   any: the table is constant.
 *
 * Way down: call_rule -> call_classes[] (calls.def), call_rule_by_arg for the numbers where an
 * argument decides.
 */
#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/nospec.h>
#include <linux/types.h>
#else
#include <errno.h>
#include <stdint.h>
/* Only the kernel's memory needs care for what is read ahead of a comparison. */
#define array_index_nospec(index, size) (index)
#endif

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

#define CALL_NUMBERS 512u
#define CALL_X32_BIT 0x40000000u /* numbers of the x32 ABI: other structures, refused */

extern const uint8_t call_classes[CALL_NUMBERS];

/* Outcomes of a check; refusals are -EOPNOTSUPP or -ENOSYS. */
enum call_leave { CALL_MAY_RUN, CALL_MAY_WAIT };

int call_rule_by_arg(enum call_class class, const uint64_t arg[6]);

/* May it be executed? CALL_MAY_RUN, CALL_MAY_WAIT, -EOPNOTSUPP or -ENOSYS. */
static inline int call_rule(uint32_t num, const uint64_t arg[6])
{
	enum call_class class;

	if (num >= CALL_NUMBERS)
		return num & CALL_X32_BIT ? -EOPNOTSUPP : -ENOSYS;
	class = (enum call_class)call_classes[array_index_nospec(num, CALL_NUMBERS)];
	return class == CALL_RUN ? CALL_MAY_RUN : call_rule_by_arg(class, arg);
}

#endif /* LIB_CALL_RULES_H */

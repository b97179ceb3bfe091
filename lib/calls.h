/* SPDX-License-Identifier: MIT */
#ifndef LIB_CALLS_H
#define LIB_CALLS_H
/*
 * calls.h - which calls an executor may execute for another thread. Layer: lib.
 *
 * Thread   any: the table is constant.
 *
 * Way down: call_check -> call_classes[] (calls.def), call_check_arg for the
 * numbers where an argument decides.
 */
#include "base/cc.h"
#include "slot/slot.h"

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

int call_check_arg(const struct slot_call *call, enum call_class class);

/* May it be executed? CALL_MAY_RUN, CALL_MAY_WAIT, -EOPNOTSUPP or -ENOSYS. */
MUST_USE static inline int call_check(const struct slot_call *call)
{
	enum call_class class;

	if (call->num >= CALL_NUMBERS)
		return call->num & CALL_X32_BIT ? -EOPNOTSUPP : -ENOSYS;
	class = (enum call_class)call_classes[call->num];
	return class == CALL_RUN ? CALL_MAY_RUN : call_check_arg(call, class);
}

#endif /* LIB_CALLS_H */

/* SPDX-License-Identifier: MIT */
#ifndef LIB_CALLS_H
#define LIB_CALLS_H
/*
 * calls.h - call_rules.h for a call of an entry. Layer: lib.
 *
 * Thread   any: the table is constant.
 */
#include "base/cc.h"
#include "lib/call_rules.h"
#include "slot/slot.h"

/* May it be executed? CALL_MAY_RUN, CALL_MAY_WAIT, -EOPNOTSUPP or -ENOSYS. */
MUST_USE static inline int call_check(const struct slot_call *call)
{
	return call_rule(call->num, call->arg);
}

#endif /* LIB_CALLS_H */

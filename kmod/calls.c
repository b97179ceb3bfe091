// SPDX-License-Identifier: GPL-2.0-only
/*
 * calls.c - which calls an executor may execute: the library's table (lib/calls.def),
 * compiled for the kernel. What it says of arguments is what lib/calls.c says.
 */
#include "calls.h"

#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/ioprio.h>
#include <linux/resource.h>
#include <linux/time.h>
#include <uapi/linux/futex.h>
#include <uapi/linux/wait.h>

#define CALL(number, name, class, reason) [number] = CALL_##class,
const u8 hascall_call_classes[CALL_NUMBERS] = {
#include "calls.def"
};
#undef CALL

static bool futex_is_owned(u32 op)
{
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI:
	case FUTEX_UNLOCK_PI:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_CMP_REQUEUE_PI:
		return true;
	default:
		return false;
	}
}

/* Is it about the executor rather than the caller? */
static bool is_about_executor(enum call_class class, const u64 arg[6])
{
	u32 first = (u32)arg[0], second = (u32)arg[1];

	switch (class) {
	case CALL_NOT_SELF:
		return first == 0;
	case CALL_FUTEX:
		return futex_is_owned(second);
	case CALL_CLOCK:
		return first == CLOCK_THREAD_CPUTIME_ID || (first | 3) == U32_MAX;
	case CALL_WAITPID:
		return (u32)arg[2] & __WNOTHREAD;
	case CALL_WAITID:
		return (u32)arg[3] & __WNOTHREAD;
	case CALL_USAGE:
		return first == RUSAGE_THREAD;
	case CALL_PRIORITY:
		return first == PRIO_PROCESS && second == 0;
	case CALL_IOPRIO:
		return first == IOPRIO_WHO_PROCESS && second == 0;
	case CALL_PERF:
		return second == 0;
	case CALL_UNSHARE:
		return (u32)arg[2] & CLOSE_RANGE_UNSHARE;
	case CALL_RUN:
	case CALL_WAIT:
	case CALL_FCNTL:
		return false;
	default:
		return true;
	}
}

int hascall_call_check_arg(u32 num, const u64 arg[6])
{
	enum call_class class;

	if (num >= CALL_NUMBERS)
		return num & CALL_X32_BIT ? -EOPNOTSUPP : -ENOSYS;
	class = hascall_call_classes[array_index_nospec(num, CALL_NUMBERS)];
	if (class == CALL_UNKNOWN || class == CALL_GONE)
		return -ENOSYS;
	if (is_about_executor(class, arg))
		return -EOPNOTSUPP;
	return 0;
}

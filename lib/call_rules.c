/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#include "lib/call_rules.h"

#ifdef __KERNEL__
#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/ioprio.h>
#include <linux/resource.h>
#include <linux/time.h>
#include <uapi/linux/futex.h>
#include <uapi/linux/wait.h>
#else
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/ioprio.h>
#include <linux/wait.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <time.h>
#endif

#define CALL(number, name, class, reason) [number] = CALL_##class,
const uint8_t call_classes[CALL_NUMBERS] = {
#include "lib/calls.def"
};
#undef CALL

static int unless(bool about_caller)
{
	return about_caller ? -EOPNOTSUPP : CALL_MAY_RUN;
}

/* A lock with priority inheritance belongs to the thread that took it. */
static int rule_of_futex(uint32_t op)
{
	switch (op & (uint32_t)FUTEX_CMD_MASK) {
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI:
	case FUTEX_UNLOCK_PI:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_CMP_REQUEUE_PI:
		return -EOPNOTSUPP;
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		return CALL_MAY_WAIT;
	default:
		return CALL_MAY_RUN;
	}
}

static int rule_of_fcntl(uint32_t command)
{
	switch (command) {
	case F_SETLKW:
	case F_OFD_SETLKW:
		return CALL_MAY_WAIT;
	default:
		return CALL_MAY_RUN;
	}
}

/*
 * Clocks of the processor time of the calling thread: by name, and by number, where the
 * complement of the thread's number stands above three bits: 4 for a thread, and which
 * time. Thread 0 is the calling one.
 */
static bool is_own_clock(uint32_t clock)
{
	return clock == CLOCK_THREAD_CPUTIME_ID || (clock | 3) == 0xffffffffu;
}

/* __WNOTHREAD: of the calling thread's own children. */
static int rule_of_wait(uint32_t options)
{
	return options & __WNOTHREAD ? -EOPNOTSUPP : CALL_MAY_WAIT;
}

/* Arguments are compared as the kernel reads them: the low 32 bits of an int. */
int call_rule_by_arg(enum call_class class, const uint64_t arg[6])
{
	uint32_t first = (uint32_t)arg[0];
	uint32_t second = (uint32_t)arg[1];

	switch (class) {
	case CALL_RUN:
		return CALL_MAY_RUN;
	case CALL_WAIT:
		return CALL_MAY_WAIT;
	case CALL_NOT_SELF:
		return unless(first == 0);
	case CALL_FUTEX:
		return rule_of_futex(second);
	case CALL_FCNTL:
		return rule_of_fcntl(second);
	case CALL_CLOCK:
		return unless(is_own_clock(first));
	case CALL_USAGE:
		return unless(first == (uint32_t)RUSAGE_THREAD);
	case CALL_PRIORITY:
		return unless(first == PRIO_PROCESS && second == 0);
	case CALL_IOPRIO:
		return unless(first == IOPRIO_WHO_PROCESS && second == 0);
	case CALL_PERF:
		return unless(second == 0);
	case CALL_UNSHARE:
		return unless(arg[2] & CLOSE_RANGE_UNSHARE);
	case CALL_WAITPID:
		return rule_of_wait((uint32_t)arg[2]);
	case CALL_WAITID:
		return rule_of_wait((uint32_t)arg[3]);
	case CALL_THREAD:
	case CALL_PROCESS:
		return -EOPNOTSUPP;
	case CALL_UNKNOWN:
	case CALL_GONE:
		return -ENOSYS;
	}
	return -ENOSYS;
}

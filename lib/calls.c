/* SPDX-License-Identifier: MIT */
#include "lib/calls.h"

#include "hascall/hascall.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/ioprio.h>
#include <linux/wait.h>
#include <sys/resource.h>
#include <time.h>

#define CALL(number, name, class, reason) [number] = CALL_##class,
const uint8_t call_classes[CALL_NUMBERS] = {
#include "lib/calls.def"
};
#undef CALL

#define CALL(number, name, class, reason) [number] = (reason),
static const char *const call_reasons[CALL_NUMBERS] = {
#include "lib/calls.def"
};
#undef CALL

static int unless(bool about_caller)
{
	return about_caller ? -EOPNOTSUPP : CALL_MAY_RUN;
}

/* A lock with priority inheritance belongs to the thread that took it. */
static int check_futex(uint64_t op)
{
	switch (op & FUTEX_CMD_MASK & UINT32_MAX) {
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

static int check_fcntl(uint64_t command)
{
	switch ((uint32_t)command) {
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
	return clock == CLOCK_THREAD_CPUTIME_ID || (clock | 3) == UINT32_MAX;
}

/* __WNOTHREAD: of the calling thread's own children. */
static int check_wait(uint64_t options)
{
	return (uint32_t)options & __WNOTHREAD ? -EOPNOTSUPP : CALL_MAY_WAIT;
}

/* Arguments are compared as the kernel reads them: the low 32 bits of an int. */
int call_check_arg(const struct slot_call *call, enum call_class class)
{
	uint32_t first = (uint32_t)call->arg[0];
	uint32_t second = (uint32_t)call->arg[1];

	switch (class) {
	case CALL_RUN:
		return CALL_MAY_RUN;
	case CALL_WAIT:
		return CALL_MAY_WAIT;
	case CALL_NOT_SELF:
		return unless(first == 0);
	case CALL_FUTEX:
		return check_futex(call->arg[1]);
	case CALL_FCNTL:
		return check_fcntl(call->arg[1]);
	case CALL_CLOCK:
		return unless(is_own_clock(first));
	case CALL_USAGE:
		return unless(first == RUSAGE_THREAD);
	case CALL_PRIORITY:
		return unless(first == PRIO_PROCESS && second == 0);
	case CALL_IOPRIO:
		return unless(first == IOPRIO_WHO_PROCESS && second == 0);
	case CALL_PERF:
		return unless(second == 0);
	case CALL_UNSHARE:
		return unless(call->arg[2] & CLOSE_RANGE_UNSHARE);
	case CALL_WAITPID:
		return check_wait(call->arg[2]);
	case CALL_WAITID:
		return check_wait(call->arg[3]);
	case CALL_THREAD:
	case CALL_PROCESS:
		return -EOPNOTSUPP;
	case CALL_UNKNOWN:
	case CALL_GONE:
		return -ENOSYS;
	}
	return -ENOSYS;
}

static const char *reason_of(uint32_t num, int check)
{
	if (check == -ENOSYS)
		return "no such system call";
	if (check == 0)
		return "";
	return num & CALL_X32_BIT ? "a number of the x32 ABI" : call_reasons[num];
}

int hascall_check(uint32_t num, const uint64_t arg[6], const char **ret_reason)
{
	struct slot_call call = { .num = num };
	int r;

	for (unsigned int i = 0; arg && i < 6; i++)
		call.arg[i] = arg[i];
	r = call_check(&call);
	if (r > 0)
		r = 0; /* CALL_MAY_WAIT is the workers' matter */
	if (ret_reason)
		*ret_reason = reason_of(num, r);
	return r;
}

/* SPDX-License-Identifier: MIT */
#ifndef HASCALL_SYSCALL_INFO_H
#define HASCALL_SYSCALL_INFO_H
/*
 * syscall_info.h - one system call in shared memory, passed between a caller
 * and an executor (Nakajima and Shiba: asynchronous system calls by shared
 * memory and kernel threads). This is the ABI; every side compiles this file.
 *
 *            post             claim               complete
 *     NONE --------> HASCALL --------> EXECUTING --------> COMPLETED
 *      ^ ^              | recall                               | take
 *      | +--------------+                                      |
 *      +-------------------------------------------------------+
 *     END: put by the caller into an entry it owns; the executor that meets it returns.
 *
 *     state      owner     who moves it, and the ordering that hands over the rest
 *     NONE       caller    caller:   post      release (num, arg before state)
 *     HASCALL    nobody    executor: claim     acquire (state before num, arg)
 *                          caller:   recall    acquire (loses the race to claim)
 *     EXECUTING  executor  executor: complete  release (ret before state)
 *     COMPLETED  caller    caller:   take      acquire (state before ret)
 *
 * The state is the low byte of the word. SYSCALL_WAITED may be set beside it, by
 * the caller only: a thread sleeps on this word, so whoever completes the entry
 * must wake it (futex). Only the owner touches the other fields. The peer is not
 * trusted: copy num and arg once after the claim, never read them twice.
 */
#include <stdint.h>

enum {
	SYSCALL_NONE,
	SYSCALL_HASCALL,
	SYSCALL_EXECUTING,
	SYSCALL_COMPLETED,
	SYSCALL_END,
};

#define SYSCALL_STATE_MASK 0xffu
#define SYSCALL_WAITED 0x100u

struct syscall_info {
	uint32_t state; /* touch with atomic operations only: slot/slot.h */
	uint32_t num;	/* number of the system call; while COMPLETED, flags of the reply */
	int64_t ret;	/* result: a value, or -errno */
	uint64_t arg[6];
} __attribute__((aligned(64)));

#endif /* HASCALL_SYSCALL_INFO_H */

/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
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
 *
 * Chains. An entry posted with SYSCALL_LINKED carries a link word in ret until it is
 * completed: which entry follows, and which arguments are results of earlier ones.
 * Those that follow are posted first, with SYSCALL_HELD: no executor begins one of
 * them but the one that has just completed the entry before it. A chain has at
 * most SYSCALL_CHAIN_MAX calls; a link word that leads nowhere (out of the array, to
 * an entry that is not held, to itself) ends the chain there. Held entries that no chain
 * reaches stay as they are: the caller may recall them once the first of the chain is
 * recalled or the last that was reached is completed. Without these bits ret means
 * nothing until the entry is completed, unless both sides agree on more (run_abi.h does).
 */
#ifdef __KERNEL__
#include <linux/types.h>
#ifndef UINT64_C
#define UINT64_C(value) value##ULL
#endif
#define syscall_info async_syscall_info /* the kernel has a struct of this name */
#else
#include <stdint.h>
#endif

enum {
	SYSCALL_NONE,
	SYSCALL_HASCALL,
	SYSCALL_EXECUTING,
	SYSCALL_COMPLETED,
	SYSCALL_END,
};

#define SYSCALL_STATE_MASK 0xffu
#define SYSCALL_WAITED 0x100u
#define SYSCALL_LINKED 0x200u /* HASCALL, EXECUTING: ret is a link word */
#define SYSCALL_HELD 0x400u   /* HASCALL: begun only by way of the link that leads here */

/*
 * The link word.
 *
 *     bits    meaning
 *     0-15    1 + index of the entry that follows; 0: this is the last
 *     16      begin although the call before failed
 *     24-47   argument i, four bits each from 24 + 4 * i: 0: as posted; k: the
 *             result of the call k places before this one in the chain
 *
 * A call that fails (result -4095 to -1) ends the chain: those after it complete with
 * -ECANCELED, but for those with SYSCALL_LINK_ALWAYS. A call that takes the result
 * of one that failed, or of one before the chain, is completed with -ECANCELED in any
 * case.
 */
#define SYSCALL_CHAIN_MAX 16u
#define SYSCALL_LINK_NEXT(index) ((uint64_t)(index) + 1)
#define SYSCALL_LINK_ALWAYS (UINT64_C(1) << 16)
#define SYSCALL_LINK_FROM(argument, places) ((uint64_t)(places) << (24 + 4 * (argument)))

struct syscall_info {
	uint32_t state; /* touch with atomic operations only: slot/slot.h */
	uint32_t num;	/* number of the system call; while COMPLETED, flags of the reply */
	int64_t ret;	/* result: a value, or -errno */
	uint64_t arg[6];
} __attribute__((aligned(64)));

#ifdef __KERNEL__
#undef syscall_info
#endif

#endif /* HASCALL_SYSCALL_INFO_H */

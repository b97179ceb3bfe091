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

/*
 * The instruction, unchecked. The kernel may write any memory the call names. All is
 * read before the registers are filled: a sanitizer's calls in between would spoil them.
 */
static inline __attribute__((always_inline)) int64_t syscall_now(const struct slot_call *call)
{
	const uint64_t num = call->num;
	const uint64_t a = call->arg[0], b = call->arg[1], c = call->arg[2];
	const uint64_t d = call->arg[3], e = call->arg[4], f = call->arg[5];
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	int64_t ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(num), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/*
 * The same, unless `bit` is set in *word: then -ECANCELED. A signal whose handler
 * calls cut_go_back() (cut.c) cannot fall between the test and the instruction: each
 * copy of this code is listed in the section hascall_cut, and who is interrupted
 * between 1 and 2 begins again at 1. So does a call that the kernel would restart
 * by itself. Nothing but the result register is changed on the way.
 */
#define SYSCALL_UNLESS_CUT                     \
	"1:	testl %[bit], %[word]\n"           \
	"	jnz 3f\n"                            \
	"	syscall\n"                           \
	"2:\n"                                 \
	".pushsection .text.unlikely,\"ax\"\n" \
	"3:	movq %[canceled], %%rax\n"         \
	"	jmp 2b\n"                            \
	".popsection\n"                        \
	".pushsection hascall_cut,\"aR\"\n"    \
	".balign 4\n"                          \
	".long 1b - ., 2b - .\n"               \
	".popsection\n"

static inline __attribute__((always_inline)) int64_t syscall_unless(const struct slot_call *call,
								    const uint32_t *word,
								    uint32_t bit)
{
	const uint64_t num = call->num;
	const uint64_t a = call->arg[0], b = call->arg[1], c = call->arg[2];
	const uint64_t d = call->arg[3], e = call->arg[4], f = call->arg[5];
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	int64_t ret;

	__asm__ volatile(SYSCALL_UNLESS_CUT
			 : "=a"(ret)
			 : "a"(num), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
			   "r"(r9), [word] "m"(*word), [bit] "i"(bit), [canceled] "i"(-ECANCELED)
			 : "rcx", "r11", "cc", "memory");
	return ret;
}

/* Execute a call if it is allowed: its result, or -EOPNOTSUPP, -ENOSYS. */
static inline __attribute__((always_inline)) int64_t do_syscall(const struct slot_call *call)
{
	int leave = call_check(call);

	return leave < 0 ? leave : syscall_now(call);
}

#endif /* LIB_DO_SYSCALL_H */

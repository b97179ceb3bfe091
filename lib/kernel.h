/* SPDX-License-Identifier: MIT */
#ifndef LIB_KERNEL_H
#define LIB_KERNEL_H
/*
 * kernel.h - executors inside the kernel, where it has them: a patched kernel's system calls,
 * or else the module's device (hascall/kernel.h). Layer: lib.
 *
 * Order    kernel_begin, kernel_lend by any number of threads, kernel_forget.
 * Owner    the array and the words named in the setup are the caller's.
 * Thread   any, for kernel_lend; the rest: one at a time.
 * Fork     a child has no area: kernel_forget_in_child() drops what it inherited.
 *
 * How it is found. A system call that a seccomp filter does not know can be deadly, so
 * nothing is tried: the auxiliary vector tells of a patched kernel. The device was looked
 * for when the program was loaded, when openat() was in use anyway; it is opened only where
 * it was seen then, or the program is static and has no loader, and by threads without a filter.
 * Environment HASCALL_KERNEL=0: neither, never.
 *
 * Way down: kernel_lend -> syscall(601), or ioctl.
 */
#include "base/cc.h"
#include "hascall/kernel.h"

struct kernel_area {
	int handle; /* a descriptor, or a patched kernel's number; -1: none */
	bool patched;
	uint64_t device; /* the descriptor's; the application may close it and open another */
};

/*
 * Announce an area. 0; -ENOSYS: there are no executors in this kernel, or they are not wanted;
 * another error: the kernel's answer (kernel.h). Then handle is -1.
 */
MUST_USE int kernel_begin(const struct async_syscall_setup *setup, struct kernel_area *ret);
/* No thread is lent. */
void kernel_forget(struct kernel_area *area);
void kernel_forget_in_child(struct kernel_area *area);

/*
 * Lend the calling thread, unless the bit KERNEL_LEND_NOT is set in *word: enum
 * async_syscall_why, or -errno as kernel.h has it; -EBADF: its descriptor was closed, and is
 * nobody's or another file's by now. -ECANCELED: the bit is set. A thread that is
 * interrupted by the signal of cut.h looks at the bit again before it is lent again.
 */
#define KERNEL_LEND_NOT 4u
MUST_USE long kernel_lend(const struct kernel_area *area, struct async_syscall_executor *record,
			  const uint32_t *word);

#endif /* LIB_KERNEL_H */

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
 *
 * Way down: kernel_lend -> syscall(601), or ioctl.
 */
#include "base/cc.h"
#include "hascall/kernel.h"

struct kernel_area {
	int handle; /* a descriptor, or a patched kernel's number; -1: none */
	bool patched;
};

/*
 * Announce an area. 0; -ENOSYS: there are no executors in this kernel, or the environment lacks
 * HASCALL_KERNEL=1 (a number that a seccomp filter does not know can be deadly, so nobody
 * tries it unasked); another error: the kernel's answer (kernel.h). Then handle is -1.
 */
MUST_USE int kernel_begin(const struct async_syscall_setup *setup, struct kernel_area *ret);
/* No thread is lent. */
void kernel_forget(struct kernel_area *area);

/* Lend the calling thread: enum async_syscall_why, or -errno as kernel.h has it. */
MUST_USE long kernel_lend(const struct kernel_area *area, struct async_syscall_executor *record);

#endif /* LIB_KERNEL_H */

#ifndef TEST_KERNEL_FILTER_H
#define TEST_KERNEL_FILTER_H
/*
 * filter.h - a seccomp filter for tests. Layer: test.
 *
 * Thread   the calling thread gets it; all, with SECCOMP_FILTER_FLAG_TSYNC.
 */
#include "base/cc.h"
#include "test/harness.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Calls of that number meet `action` from now on. */
static inline void forbid(uint32_t num, uint32_t action, uint32_t flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, num, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_COUNT(code), .filter = code };

	CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_INT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program), 0);
}

static inline void forbid_getppid(uint32_t action, uint32_t flags)
{
	forbid(SYS_getppid, action, flags);
}

#endif /* TEST_KERNEL_FILTER_H */

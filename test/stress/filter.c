#include "test/stress/filter.h"

#include "base/cc.h"
#include "test/harness.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

const uint32_t library_calls[] = {
	/* memory, and of threads too */
	SYS_mmap,
	SYS_munmap,
	SYS_mprotect,
	SYS_madvise,
	SYS_brk,
	/* threads: start, name, end */
	SYS_clone3,
	SYS_set_robust_list,
	SYS_rseq,
	SYS_rt_sigprocmask,
	SYS_prctl,
	SYS_gettid,
	SYS_getpid,
	SYS_exit,
	/* sleep and wake, time */
	SYS_futex,
	SYS_clock_gettime,
	/* processors */
	SYS_sched_getaffinity,
	SYS_sched_setaffinity,
	SYS_getcpu,
	/* interrupting a running call */
	SYS_rt_sigaction,
	SYS_rt_sigreturn,
	SYS_tgkill,
	/* the eventfd */
	SYS_fcntl,
	SYS_read,
	SYS_write,
};
const size_t library_calls_count = ARRAY_COUNT(library_calls);

int filter_install(const struct filter *f, unsigned int flags)
{
	struct sock_filter code[FILTER_NUMBERS_MAX + 8];
	struct sock_fprog program = { .filter = code };
	unsigned short n = 0;
	long r;

	CHECK(f->count <= FILTER_NUMBERS_MAX);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, arch));
	code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1,
						 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < f->count; i++)
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, f->number[i],
							 (uint8_t)(f->count - i), 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, f->others);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, f->listed);
	program.len = n;
	CHECK_INT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
	return r < 0 ? -errno : (int)r;
}

int filter_library_only(const uint32_t more[], size_t more_count, uint32_t others)
{
	uint32_t numbers[FILTER_NUMBERS_MAX];
	struct filter f = { .number = numbers, .listed = SECCOMP_RET_ALLOW, .others = others };

	CHECK(library_calls_count + more_count <= FILTER_NUMBERS_MAX);
	for (size_t i = 0; i < library_calls_count; i++)
		numbers[f.count++] = library_calls[i];
	for (size_t i = 0; i < more_count; i++)
		numbers[f.count++] = more[i];
	return filter_install(&f, 0);
}

/*
 * test_filter.c - what filter.h promises: which system calls pass, from where, and
 * what happens to the rest.
 */
#include "hascall/run_abi.h"
#include "run/filter.h"
#include "test/harness.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static jmp_buf back;
static volatile int trapped_number;

static void on_trap(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	trapped_number = info->si_syscall;
	longjmp(back, 1); /* rt_sigreturn would trap too */
}

static void confine(void)
{
	struct sigaction a = { .sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER };

	CHECK(sigaction(SIGSYS, &a, NULL) == 0);
	CHECK_INT(filter_install(), 0);
}

static long raw(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = 0;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static bool traps(long nr, long a, long b, long c, long d)
{
	trapped_number = -1;
	if (setjmp(back) == 0)
		(void)raw(nr, a, b, c, d, -1);
	return trapped_number == (int)nr;
}

/* A child does `job` under the filter and says by its exit status how it went. */
static int confined(bool (*job)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		bool good;

		confine();
		good = job();
		/* exit_group passes from the gate only: end by a signal that tells. */
		if (good)
			__asm__ volatile("ud2");
		__asm__ volatile("hlt");
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status));
	return WTERMSIG(status);
}

static bool direct_calls(void)
{
	static const int numbers[] = {
#define DIRECT(nr, name) nr,
#include "hascall/run_direct.def"
#undef DIRECT
	};

	for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
		/* Bad arguments: they fail, if they like, but they reach the kernel. */
		if (numbers[i] == SYS_pause || numbers[i] == SYS_restart_syscall)
			continue;
		if (traps(numbers[i], -1, -1, -1, -1))
			return false;
	}
	return true;
}

static void the_direct_list_passes_from_anywhere(void)
{
	CHECK_INT(confined(direct_calls), SIGILL);
}

static bool is_direct(long nr)
{
	switch (nr) {
#define DIRECT(nr, name) case nr:
#include "hascall/run_direct.def"
#undef DIRECT
		return true;
	default:
		return false;
	}
}

static bool all_others(void)
{
	for (long nr = 0; nr < 600; nr++)
		if (!is_direct(nr) && !traps(nr, -1, -1, -1, 0))
			return false;
	return traps(0x40000000 + SYS_getpid, 0, 0, 0, 0) &&
	       traps(0x40000000 + SYS_openat, 0, 0, 0, 0);
}

static void every_other_number_traps_from_anywhere(void)
{
	CHECK_INT(confined(all_others), SIGILL);
}

static bool memory_calls(void)
{
	long got = raw(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	return got > 0 && traps(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE) &&
	       traps(SYS_arch_prctl, 0x1001, 0, 0, 0) && !traps(SYS_arch_prctl, 0x1003, 0, 0, 0);
}

static void only_anonymous_memory_is_mapped_directly(void)
{
	CHECK_INT(confined(memory_calls), SIGILL);
}

static bool old_gate(void)
{
	long ret;

	/* int 0x80, getpid of i386 */
	__asm__ volatile("int $0x80" : "=a"(ret) : "a"(20) : "memory");
	return true;
}

static void the_32_bit_way_in_ends_the_process(void)
{
	CHECK_INT(confined(old_gate), SIGSYS);
}

/* ---- the gate: the same instruction, at an address inside the gate page */

static long (*gate)(long nr, long a, long b, long c, long d);

static void make_gate(void)
{
	/* rdi to rax, rsi to rdi, rdx to rsi, rcx to rdx, r8 to r10, 0 to r8; syscall; ret */
	static const unsigned char code[] = { 0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48,
					      0x89, 0xd6, 0x48, 0x89, 0xca, 0x4d, 0x89,
					      0xc2, 0x45, 0x31, 0xc0, 0x0f, 0x05, 0xc3 };
	void *at = mmap((void *)RUN_TEXT, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	CHECK(at == (void *)RUN_TEXT);
	memcpy(at, code, sizeof(code));
	gate = (long (*)(long, long, long, long, long))(uintptr_t)RUN_TEXT;
}

static bool gate_traps(long nr, long a, long b, long c, long d)
{
	trapped_number = -1;
	if (setjmp(back) == 0)
		(void)gate(nr, a, b, c, d);
	return trapped_number == (int)nr;
}

static bool the_gate(void)
{
	static const long never[] = {
		SYS_openat,
		SYS_open,
		SYS_execve,
		SYS_execveat,
		SYS_socket,
		SYS_connect,
		SYS_kill,
		SYS_tgkill,
		SYS_ptrace,
		SYS_fork,
		SYS_vfork,
		SYS_clone3,
		SYS_sendmsg,
		SYS_write,
		SYS_read,
		SYS_ioctl,
		SYS_bpf,
		SYS_unshare,
		SYS_mount,
		SYS_seccomp,
		SYS_setns,
		SYS_dup,
		SYS_fcntl,
		SYS_ftruncate, /* the manager maps what it gave: vfs/mem/map.c */
		SYS_fallocate,
		SYS_pidfd_open,
		SYS_process_vm_readv,
		SYS_io_uring_setup,
		SYS_rt_sigqueueinfo,
		SYS_rt_tgsigqueueinfo,
		SYS_pidfd_getfd,
		SYS_userfaultfd,
		SYS_perf_event_open,
	};

	for (size_t i = 0; i < ARRAY_COUNT(never); i++)
		if (!gate_traps(never[i], 0, 0, 0, 0))
			return false;
	return !gate_traps(SYS_close, -1, 0, 0, 0) &&
	       !gate_traps(SYS_recvmsg, RUN_FD_SOCKET, 0, 0, 0) &&
	       gate_traps(SYS_recvmsg, 0, 0, 0, 0) && gate_traps(SYS_prlimit64, 1, 0, 0, 0) &&
	       gate_traps(SYS_sched_setaffinity, 1, 0, 0, 0) &&
	       gate_traps(SYS_prctl, PR_SET_SECCOMP, 0, 0, 0) &&
	       gate_traps(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0) &&
	       !gate_traps(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0) &&
	       !gate_traps(SYS_prctl, PR_GET_NAME, 0, 0, 0);
}

static void the_gate_passes_its_short_list_and_no_more(void)
{
	make_gate();
	CHECK_INT(confined(the_gate), SIGILL);
	munmap((void *)RUN_TEXT, 4096);
}

static bool odd_clones(void)
{
	static const unsigned int flags[] = {
		SIGCHLD, /* not the manager's child */
		CLONE_PARENT | SIGUSR1,
		CLONE_PARENT | CLONE_VM | SIGCHLD,
		CLONE_PARENT | CLONE_NEWUSER | SIGCHLD,
		CLONE_PARENT | CLONE_NEWPID | SIGCHLD,
		CLONE_PARENT | CLONE_PTRACE | SIGCHLD,
		CLONE_PARENT | CLONE_PIDFD | SIGCHLD,
		CLONE_VM | CLONE_SIGHAND,
		CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNS,
		CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_UNTRACED,
	};

	for (size_t i = 0; i < ARRAY_COUNT(flags); i++)
		if (!gate_traps(SYS_clone, (long)flags[i], 0, 0, 0))
			return false;
	return true;
}

static void the_gate_clones_children_of_the_manager_and_threads_only(void)
{
	make_gate();
	CHECK_INT(confined(odd_clones), SIGILL);
	munmap((void *)RUN_TEXT, 4096);
}

static const struct test tests[] = {
	TEST(the_direct_list_passes_from_anywhere),
	TEST(every_other_number_traps_from_anywhere),
	TEST(only_anonymous_memory_is_mapped_directly),
	TEST(the_32_bit_way_in_ends_the_process),
	TEST(the_gate_passes_its_short_list_and_no_more),
	TEST(the_gate_clones_children_of_the_manager_and_threads_only),
};
TEST_MAIN(tests)

/*
 * filter.c - see filter.h. The program is built instruction by instruction here, so
 * that every rule can be read beside its reason. A rule is self-contained: it tests
 * the number and jumps over its own body if that is another, so order does not matter
 * but for speed.
 */
#include "run/filter.h"

#include "hascall/run_abi.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RULES_MAX 512u
#define X32_BIT 0x40000000u
#define GATE_SIZE 0x1000u

struct program {
	struct sock_filter code[RULES_MAX];
	unsigned short count;
};

static void emit(struct program *p, uint16_t code, uint8_t yes, uint8_t no, uint32_t value)
{
	assert(p->count < RULES_MAX);
	p->code[p->count++] = (struct sock_filter){ code, yes, no, value };
}

static void load(struct program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void verdict(struct program *p, uint32_t what)
{
	emit(p, BPF_RET | BPF_K, 0, 0, what);
}

static void load_number(struct program *p)
{
	load(p, offsetof(struct seccomp_data, nr));
}

static size_t low(unsigned int arg)
{
	return offsetof(struct seccomp_data, args) + (size_t)arg * 8;
}

static size_t high(unsigned int arg)
{
	return low(arg) + 4;
}

/* number == nr: allow. */
static void allow(struct program *p, uint32_t nr)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, nr);
	verdict(p, SECCOMP_RET_ALLOW);
}

/* number == nr and argument == value (all 64 bits): allow; otherwise trap. */
static void allow_if_equal(struct program *p, uint32_t nr, unsigned int arg, uint32_t value)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 6, nr);
	load(p, high(arg));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0);
	load(p, low(arg));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
	verdict(p, SECCOMP_RET_ALLOW);
	verdict(p, SECCOMP_RET_TRAP);
}

/* number == nr and the low word of the argument masked == value: allow, else go on after it. */
static void allow_if_masked(struct program *p, uint32_t nr, unsigned int arg, uint32_t mask,
			    uint32_t value)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 5, nr);
	load(p, low(arg));
	emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
	verdict(p, SECCOMP_RET_ALLOW);
	load_number(p);
}

/* Anonymous memory is the program's own business; files come from the gate. */
static void allow_anonymous(struct program *p)
{
	allow_if_masked(p, SYS_mmap, 3, 0x20 /* MAP_ANONYMOUS */, 0x20);
}

static void rules_from_anywhere(struct program *p)
{
#define DIRECT(nr, name) allow(p, nr);
#include "hascall/run_direct.def"
#undef DIRECT
	allow_anonymous(p);
}

static void rules_with_arguments(struct program *p)
{
	/* The FS base is the thread pointer; GS is the shim's and set from the gate only. */
	allow_if_masked(p, SYS_arch_prctl, 0, UINT32_MAX, 0x1002);
	allow_if_masked(p, SYS_arch_prctl, 0, UINT32_MAX, 0x1003);
}

/* Not from the gate page: trap. */
static void require_gate(struct program *p)
{
	load(p, offsetof(struct seccomp_data, instruction_pointer) + 4);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, (uint32_t)(RUN_TEXT >> 32));
	verdict(p, SECCOMP_RET_TRAP);
	load(p, offsetof(struct seccomp_data, instruction_pointer));
	emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~(GATE_SIZE - 1));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, (uint32_t)RUN_TEXT);
	verdict(p, SECCOMP_RET_TRAP);
	load_number(p);
}

/*
 * A fork makes a child of the manager and shares nothing; a thread shares all that
 * makes it one. No namespaces, no tracing, no other exit signal.
 */
static void allow_clone(struct program *p)
{
	const uint32_t ids = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
	const uint32_t thread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
	const uint32_t thread_may = ids | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SETTLS |
				    CLONE_DETACHED;

	allow_if_masked(p, SYS_clone, 0, ~ids, CLONE_PARENT | SIGCHLD);
	allow_if_masked(p, SYS_clone, 0, ~thread_may, thread);
}

/* number == nr, first argument == which, second == 0 (the caller): allow; otherwise trap. */
static void allow_self(struct program *p, uint32_t nr, uint32_t which)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 6, nr);
	load(p, low(0));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, which);
	load(p, low(1));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	verdict(p, SECCOMP_RET_ALLOW);
	verdict(p, SECCOMP_RET_TRAP);
}

/* A process may ask to die with the manager; it may not take that back. */
static void allow_death_signal(struct program *p)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 6, SYS_prctl);
	load(p, low(0));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, PR_SET_PDEATHSIG);
	load(p, low(1));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SIGKILL);
	verdict(p, SECCOMP_RET_ALLOW);
	load_number(p);
}

static void rules_from_the_gate(struct program *p)
{
	static const uint32_t plain[] = {
		SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigsuspend,
		SYS_sigaltstack,  SYS_mmap,	      SYS_exit,		SYS_exit_group,
		SYS_close,	  SYS_dup3,	      SYS_rseq,		SYS_rt_sigtimedwait,
	};

	for (size_t i = 0; i < ARRAY_COUNT(plain); i++)
		allow(p, plain[i]);
	allow_clone(p);
	allow_if_equal(p, SYS_recvmsg, 0, RUN_FD_SOCKET);
	allow_if_equal(p, SYS_prlimit64, 0, 0);
	allow_if_equal(p, SYS_sched_setaffinity, 0, 0);
	allow_if_equal(p, SYS_sched_setscheduler, 0, 0);
	allow_if_equal(p, SYS_sched_setparam, 0, 0);
	allow_if_equal(p, SYS_sched_setattr, 0, 0);
	allow_self(p, SYS_setpriority, PRIO_PROCESS);
	allow_self(p, SYS_ioprio_set, IOPRIO_WHO_PROCESS);
	allow_if_masked(p, SYS_arch_prctl, 0, UINT32_MAX, 0x1001);
	allow_death_signal(p);
	allow_if_masked(p, SYS_prctl, 0, UINT32_MAX, PR_SET_NAME);
	allow_if_masked(p, SYS_prctl, 0, UINT32_MAX, PR_GET_NAME);
	allow_if_masked(p, SYS_prctl, 0, UINT32_MAX, 0x53564d41 /* PR_SET_VMA */);
}

static void build(struct program *p)
{
	load(p, offsetof(struct seccomp_data, arch));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
	verdict(p, SECCOMP_RET_KILL_PROCESS);
	load_number(p);
	emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT);
	verdict(p, SECCOMP_RET_TRAP);
	rules_from_anywhere(p);
	rules_with_arguments(p);
	require_gate(p);
	rules_from_the_gate(p);
	verdict(p, SECCOMP_RET_TRAP);
}

int filter_install(void)
{
	static struct program p; /* too large for a small stack; a process does this once */
	struct sock_fprog prog;

	p.count = 0;
	build(&p);
	prog.len = p.count;
	prog.filter = p.code;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* Without the speculation penalty: nothing secret of others is in these processes. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog) <
	    0)
		return -errno;
	return 0;
}

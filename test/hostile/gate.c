/*
 * gate.c - the shim's own `syscall` instructions may do what the filter forbids everybody else. Any
 * code can jump there; so every number is tried there, with arguments that the host would show.
 */
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define GATES_MAX 64
#define LAST_NUMBER 470
#define PATIENCE_MS 150

size_t find_gates(uintptr_t *at, size_t room)
{
	size_t count = 0;

	for (uintptr_t page = RUN_TEXT; page < RUN_TEXT + RUN_TEXT_SIZE; page += 4096) {
		const unsigned char *p = (const unsigned char *)page;
		if (!readable(p))
			continue;
		for (size_t i = 0; i + 1 < 4096; i++)
			if (p[i] == 0x0f && p[i + 1] == 0x05 && count < room)
				at[count++] = page + i;
	}
	return count;
}

/*
 * Jump there with the registers of a call. What follows the instruction is the shim's code: a `ret`
 * comes back to us, anything else may end in a fault. Deep stack room and saved registers make most
 * endings come back.
 */
__asm__(".globl jump_to_gate\n"
	"jump_to_gate:\n" /* (rdi = where, rsi = number, rdx = arguments) */
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rdi, %r12\n"
	"	mov %rsi, %rax\n"
	"	mov %rdx, %rbx\n"
	"	mov (%rbx), %rdi\n"
	"	mov 8(%rbx), %rsi\n"
	"	mov 16(%rbx), %rdx\n"
	"	mov 24(%rbx), %r10\n"
	"	mov 32(%rbx), %r8\n"
	"	mov 40(%rbx), %r9\n"
	"	mov %rsp, %r13\n"
	"	sub $4096, %rsp\n"
	"	and $-16, %rsp\n"
	"	call *%r12\n"
	"	mov %r13, %rsp\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");
long jump_to_gate(uintptr_t at, long number, const long arg[6]);

long call_gate(uintptr_t at, long number, const long arg[6])
{
	return jump_to_gate(at, number, arg);
}

struct gate_call {
	uintptr_t at;
	long number;
	long arg[6];
	volatile long *result;
};

static void jump(void *arg)
{
	struct gate_call *c = arg;

	*c->result = -8888; /* died there */
	*c->result = call_gate(c->at, c->number, c->arg);
}

static long try_gate(struct gate_call *c)
{
	*c->result = -7777;
	if (in_child(jump, c, PATIENCE_MS) == -1)
		return -9999; /* still inside, or stuck */
	return *c->result;
}

static volatile long *shared_result(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static size_t gates(uintptr_t *at)
{
	size_t count = find_gates(at, GATES_MAX);

	if (count == 0)
		not_here("there is no shim at its place");
	for (size_t i = 0; i < count; i++)
		note("gate at text + 0x%lx", (unsigned long)(at[i] - RUN_TEXT));
	return count;
}

/* Every number with arguments in several orders: a path, a descriptor and a path, a process. */
static void attack_every_number_at_the_gate(void)
{
	uintptr_t at[GATES_MAX];
	size_t count = gates(at);
	volatile long *result = shared_result();
	static char zeroes[4096];
	const long forms[][6] = {
		{ (long)bait.new, O_CREAT | O_RDWR, 0666, 0, 0, 0 },
		{ AT_FDCWD, (long)bait.new, O_CREAT | O_RDWR, 0666, 0, 0 },
		{ (long)bait.keep, (long)bait.new, 0, 0, 0, 0 },
		{ bait.victim, SIGUSR1, (long)zeroes, 1, (long)zeroes, 1 },
		{ 0, 0, 0, 0, 0, 0 },
	};

	if (count > 2)
		count = 2; /* each costs a process for each number; they are alike for the filter */
	for (long number = 0; number <= LAST_NUMBER; number++)
		for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
			struct gate_call c = { at[number % (long)count], number, { 0 }, result };
			if (is_dangerous(number) && f != 4 && f != 3)
				continue;
			memcpy(c.arg, forms[f], sizeof(c.arg));
			long r = try_gate(&c);
			if (r >= 0 && f != 4)
				note("gate: call %ld form %zu = %ld", number, f, r);
			if (r == 0 && f == 3 && is_dangerous(number) && number != 161)
				escaped("call %ld with the victim's number at the gate", number);
		}
}

/* Clones from the gate: a child that nobody knows must still be confined, and die with the rest. */
static void clone_at_gate(void *arg)
{
	struct gate_call *c = arg;
	long pid = call_gate(c->at, SYS_clone, c->arg);

	*c->result = pid;
	if (pid == 0) {
		(void)call_jit(SYS_open, (long[6]){ (long)bait.new, O_CREAT | O_WRONLY, 0666 });
		(void)call_jit(SYS_kill, (long[6]){ bait.victim, SIGUSR1 });
		for (;;)
			(void)call_jit(SYS_nanosleep, (long[6]){ (long)(long[2]){ 1000, 0 }, 0 });
	}
}

static void attack_clones_at_the_gate(void)
{
	static const long flags[] = { SIGCHLD,
				      CLONE_PARENT | SIGCHLD,
				      CLONE_PARENT,
				      CLONE_NEWUSER | CLONE_PARENT | SIGCHLD,
				      CLONE_PTRACE | CLONE_PARENT | SIGCHLD,
				      CLONE_UNTRACED | CLONE_PARENT | SIGCHLD,
				      CLONE_NEWNS | CLONE_PARENT | SIGCHLD,
				      CLONE_VM | CLONE_PARENT | SIGCHLD,
				      CLONE_PARENT | SIGKILL };
	uintptr_t at[GATES_MAX];

	gates(at);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct gate_call c = { at[0], SYS_clone, { flags[i] }, shared_result() };
		*c.result = -1;
		in_child(clone_at_gate, &c, 300);
		if (*c.result > 0)
			note("clone %lx at the gate: a process", flags[i]);
		if (*c.result > 0 && flags[i] & (CLONE_NEWUSER | CLONE_NEWNS | CLONE_PTRACE))
			escaped("clone %lx at the gate", flags[i]);
	}
}

/* Take the shim's memory away, piece by piece, in every way; then call. */
static void break_and_call(void *arg)
{
	const long *how = arg;
	static const struct {
		uintptr_t at;
		size_t size;
	} parts[] = { { RUN_TEXT, RUN_TEXT_SIZE },
		      { RUN_PROCESS, RUN_PROCESS_SIZE },
		      { RUN_THREADS, RUN_THREAD_SIZE },
		      { RUN_AREA, RUN_BOUNCE_OFFSET },
		      { RUN_SERVER_PAGE, 4096 },
		      { RUN_BELL_PAGE, 4096 },
		      { RUN_AREA + RUN_BOUNCE_OFFSET, 1 << 20 },
		      { RUN_BASE, RUN_END - RUN_BASE } };
	uintptr_t at = parts[how[0]].at;
	size_t size = parts[how[0]].size;
	long r = -1;

	switch (how[1]) {
	case 0:
		r = call_jit(SYS_munmap, (long[6]){ (long)at, (long)size });
		break;
	case 1:
		r = call_jit(SYS_mprotect, (long[6]){ (long)at, (long)size, PROT_NONE });
		break;
	case 2:
		r = call_jit(SYS_mprotect,
			     (long[6]){ (long)at, (long)size, PROT_READ | PROT_WRITE | PROT_EXEC });
		break;
	case 3:
		r = call_jit(SYS_mmap,
			     (long[6]){ (long)at, (long)size, PROT_READ | PROT_WRITE | PROT_EXEC,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0 });
		break;
	case 4:
		r = call_jit(SYS_mremap,
			     (long[6]){ (long)at, (long)size, (long)size,
					MREMAP_MAYMOVE | MREMAP_FIXED, 0x500000000000, 0 });
		break;
	case 5:
		r = call_jit(SYS_madvise, (long[6]){ (long)at, (long)size, MADV_DONTNEED });
		break;
	default:
		if (call_jit(SYS_mprotect, (long[6]){ (long)at, (long)size,
						      PROT_READ | PROT_WRITE | PROT_EXEC }) < 0)
			_exit(0);
		memset((void *)at, 0xcc, size);
	}
	*(volatile long *)how[2] = r;
	/* whatever stands there now: our own instruction at the gate's address */
	if (how[1] == 3 && r == (long)at && how[0] == 0) {
		static const unsigned char code[] = { 0x0f, 0x05, 0xc3 };
		memcpy((void *)at, code, sizeof(code));
		(void)call_gate(at, SYS_open,
				(long[6]){ (long)bait.new, O_CREAT | O_WRONLY, 0666 });
		(void)call_gate(at, SYS_unlink, (long[6]){ (long)bait.keep });
		(void)call_gate(at, SYS_kill, (long[6]){ bait.victim, SIGUSR1 });
	}
	(void)call_jit(SYS_open, (long[6]){ (long)bait.new, O_CREAT | O_WRONLY, 0666 });
	(void)call_jit(SYS_unlink, (long[6]){ (long)bait.keep });
	(void)call_jit(SYS_kill, (long[6]){ bait.victim, SIGUSR1 });
	_exit(0);
}

static void attack_shim_memory_taken_away(void)
{
	uintptr_t at[GATES_MAX];
	volatile long *result = shared_result();

	gates(at);
	for (long part = 0; part < 8; part++)
		for (long how = 0; how < 7; how++) {
			long choice[3] = { part, how, (long)result };
			*result = -1;
			in_child(break_and_call, choice, 1000);
		}
}

/* The gate lets mmap and recvmsg through: no descriptor may give a writable file of the host. */
static void map_descriptor(void *arg)
{
	struct gate_call *c = arg;

	for (long fd = 0; fd < 64; fd++) {
		long r = call_gate(c->at, SYS_mmap,
				   (long[6]){ 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0 });
		if (r > 0 && r < 0x7fffffffffff)
			note("descriptor %ld can be mapped shared and writable", fd);
		(void)call_gate(c->at, SYS_close, (long[6]){ fd });
	}
	(void)call_gate(c->at, SYS_dup3, (long[6]){ 0, 10, 0 });
}

static void attack_descriptors_at_the_gate(void)
{
	uintptr_t at[GATES_MAX];
	struct gate_call c = { 0, 0, { 0 }, shared_result() };

	gates(at);
	c.at = at[0];
	in_child(map_descriptor, &c, 2000);
}

const struct attack gate_attacks[] = {
	ATTACK(every_number_at_the_gate),
	ATTACK(clones_at_the_gate),
	ATTACK(shim_memory_taken_away),
	ATTACK(descriptors_at_the_gate),
	{ NULL, NULL },
};

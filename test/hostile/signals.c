/* signals.c - SIGSYS is how calls are caught: block it, ignore it, catch it, forge it. */
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#define GATES_MAX 64

struct kernel_action {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask;
};

static void reach_out(const char *after)
{
	(void)call_jit(SYS_open, (long[6]){ (long)bait.new, O_CREAT | O_WRONLY, 0666 });
	(void)call_jit(SYS_unlink, (long[6]){ (long)bait.keep });
	if (call_jit(SYS_kill, (long[6]){ bait.victim, SIGUSR1 }) == 0)
		escaped("kill of the victim after %s", after);
}

static route_fn *route;
static uintptr_t gate;

static long by_gate(long number, const long arg[6])
{
	return call_gate(gate, number, arg);
}

static void handler(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)info;
	(void)context;
	reach_out("a handler of SIGSYS");
}

static void block_in_all_ways(void *arg)
{
	const long *how = arg;
	unsigned long sigsys = 1ul << (SIGSYS - 1), all = ~0ul;
	struct kernel_action a = { SIG_IGN, 0x04000000, NULL, 0 };

	switch (*how) {
	case 0:
		route(SYS_rt_sigprocmask, (long[6]){ SIG_BLOCK, (long)&sigsys, 0, 8 });
		break;
	case 1:
		route(SYS_rt_sigprocmask, (long[6]){ SIG_SETMASK, (long)&all, 0, 8 });
		break;
	case 2:
		route(SYS_rt_sigaction, (long[6]){ SIGSYS, (long)&a, 0, 8 });
		break;
	case 3:
		a.handler = SIG_DFL;
		route(SYS_rt_sigaction, (long[6]){ SIGSYS, (long)&a, 0, 8 });
		break;
	case 4:
		a.handler = (void *)handler;
		a.flags = SA_SIGINFO | SA_NODEFER | 0x04000000;
		route(SYS_rt_sigaction, (long[6]){ SIGSYS, (long)&a, 0, 8 });
		break;
	case 5: {
		stack_t s = { .ss_flags = SS_DISABLE };
		route(SYS_sigaltstack, (long[6]){ (long)&s, 0 });
		break;
	}
	case 6: {
		stack_t s = { .ss_sp = (void *)4096, .ss_size = 65536 };
		route(SYS_sigaltstack, (long[6]){ (long)&s, 0 });
		break;
	}
	default:
		a.handler = SIG_DFL;
		route(SYS_rt_sigaction, (long[6]){ SIGSEGV, (long)&a, 0, 8 });
	}
	reach_out("SIGSYS was blocked, ignored or caught");
	reach_out("that, again");
}

static void all_ways(route_fn *by)
{
	route = by;
	for (long how = 0; how < 8; how++)
		in_child(block_in_all_ways, &how, 1000);
}

static void attack_blocking_sigsys(void)
{
	all_ways(call_jit);
}

static void attack_blocking_sigsys_at_the_gate(void)
{
	uintptr_t at[GATES_MAX];

	if (find_gates(at, GATES_MAX) == 0)
		not_here("there is no shim at its place");
	gate = at[0];
	all_ways(by_gate);
}

static void in_handler_mask(int number, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)number;
	(void)info;
	sigfillset(&u->uc_sigmask); /* what returning from here puts in force */
}

static void mask_by_frames(void *arg)
{
	struct sigaction a = { .sa_sigaction = in_handler_mask, .sa_flags = SA_SIGINFO };

	(void)arg;
	sigfillset(&a.sa_mask);
	sigaction(SIGUSR1, &a, NULL);
	raise(SIGUSR1);
	reach_out("a frame that blocks all");
	raise(SIGUSR1);
}

static void attack_masks_in_frames(void)
{
	in_child(mask_by_frames, NULL, 2000);
}

/* A frame of our own making, given to rt_sigreturn. */
static void forge_frame(void *arg)
{
	struct {
		ucontext_t u;
		siginfo_t i;
		char room[4096];
	} frame;

	(void)arg;
	memset(&frame, 0x41, sizeof(frame));
	__asm__ volatile("mov %0, %%rsp; mov $15, %%eax; syscall" ::"r"(&frame) : "memory");
}

static void forge_zero_frame(void *arg)
{
	(void)arg;
	__asm__ volatile("xor %%esp, %%esp; mov $15, %%eax; syscall" ::: "memory");
}

static void attack_forged_frames(void)
{
	in_child(forge_frame, NULL, 1000);
	in_child(forge_zero_frame, NULL, 1000);
}

/* SIGSYS that no filter sent: by kill, by sigqueue, with every code. */
static void forge_sigsys(void *arg)
{
	siginfo_t info;

	(void)arg;
	signal(SIGSYS, SIG_IGN);
	kill(getpid(), SIGSYS);
	for (int code = -70; code < 4; code++) {
		memset(&info, 0, sizeof(info));
		info.si_signo = SIGSYS;
		info.si_code = code;
		info.si_call_addr = (void *)0x41414141;
		info.si_syscall = SYS_open;
		info.si_arch = 0xc000003e;
		syscall(SYS_rt_sigqueueinfo, getpid(), SIGSYS, &info);
		syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGSYS, &info);
	}
	reach_out("forged SIGSYS");
}

static void attack_forged_sigsys(void)
{
	in_child(forge_sigsys, NULL, 2000);
}

static volatile int stop;

static void *sender(void *arg)
{
	pthread_t *target = arg;

	while (!stop) {
		pthread_kill(*target, SIGSYS);
		pthread_kill(*target, SIGUSR1);
		pthread_kill(*target, SIGSEGV);
	}
	return NULL;
}

static void quiet(int number)
{
	(void)number;
}

static void storm(void *arg)
{
	pthread_t me = pthread_self(), t;
	struct itimerval often = { { 0, 100 }, { 0, 100 } };

	(void)arg;
	signal(SIGUSR1, quiet);
	signal(SIGSYS, quiet);
	signal(SIGSEGV, quiet);
	signal(SIGALRM, quiet);
	setitimer(ITIMER_REAL, &often, NULL);
	if (pthread_create(&t, NULL, sender, &me) != 0)
		_exit(1);
	for (int i = 0; i < 20000; i++) {
		int fd = open("/etc/passwd", O_RDONLY);
		char text[100];
		(void)!read(fd, text, sizeof(text));
		close(fd);
		(void)call_jit(SYS_getppid, (long[6]){ 0 });
	}
	stop = 1;
}

static void attack_storm_of_sigsys(void)
{
	note("storm ended with %x", in_child(storm, NULL, 15000));
}

/* The stack pointer points nowhere, into the shim, to read-only memory, when a call is made. */
static void odd_stack(void *arg)
{
	const uintptr_t *at = arg;

	__asm__ volatile("mov %0, %%rsp; mov $110, %%eax; syscall; "
			 "mov $2, %%eax; mov %1, %%rdi; mov $66, %%esi; syscall; "
			 "mov $60, %%eax; xor %%edi, %%edi; syscall"
			 :
			 : "r"(*at), "r"(bait.new)
			 : "memory");
}

static void attack_odd_stacks(void)
{
	static const uintptr_t places[] = { 0,
					    8,
					    4097,
					    0x7fffffffeff8,
					    RUN_TEXT + 64,
					    RUN_PROCESS + 4096,
					    RUN_THREADS + 4096,
					    RUN_AREA + 8192,
					    (uintptr_t)-8,
					    0x8000000000000000 };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		in_child(odd_stack, (void *)(uintptr_t)&places[i], 1000);
}

/* Traps in odd states: flags, a call that straddles two pages, a page that changes under it. */
static void odd_states(void *arg)
{
	unsigned char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	__asm__ volatile("std; mov $110, %%eax; syscall; cld" ::: "rax", "rcx", "r11", "memory");
	static const unsigned char code[] = { 0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xc3 };
	for (int at = 4096 - 8; at < 4096; at++) {
		memcpy(two + at, code, sizeof(code));
		for (int i = 0; i < 3; i++)
			((long (*)(void))(void *)(two + at))();
	}
	/* the site is rewritten by us after it may have been by the shim */
	for (int i = 0; i < 200; i++) {
		memcpy(two, code, sizeof(code));
		((long (*)(void))(void *)two)();
		two[1] = 39;
		((long (*)(void))(void *)two)();
	}
	mprotect(two, 8192, PROT_READ | PROT_EXEC);
	((long (*)(void))(void *)two)();
	__asm__ volatile("pushf; orl $0x40000, (%%rsp); popf; mov $110, %%eax; syscall; "
			 "pushf; andl $~0x40000, (%%rsp); popf"
			 :
			 :
			 : "rax", "rcx", "r11", "memory", "cc");
	reach_out("odd states");
}

static void attack_odd_states(void)
{
	in_child(odd_states, NULL, 3000);
}

const struct attack signal_attacks[] = {
	ATTACK(blocking_sigsys), ATTACK(blocking_sigsys_at_the_gate),
	ATTACK(masks_in_frames), ATTACK(forged_frames),
	ATTACK(forged_sigsys),	 ATTACK(storm_of_sigsys),
	ATTACK(odd_stacks),	 ATTACK(odd_states),
	{ NULL, NULL },
};

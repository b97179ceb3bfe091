/*
 * guest.c - a program that runs under the shim in test_shim.c: one argument names
 * what to do; it prints what it saw. Built static, PIE and not.
 */
#include "hascall/run_abi.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t seen;
static sigjmp_buf back;
static volatile double float_value = 1.5;

static void say(const char *text)
{
	(void)!write(1, text, strlen(text));
}

static void say_number(const char *name, long value)
{
	char line[128];

	snprintf(line, sizeof(line), "%s %ld\n", name, value);
	say(line);
}

static void count(int sig)
{
	(void)sig;
	float_value = float_value * 3.0 + 1.0;
	seen++;
}

static void arguments(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		say(argv[i]);
		say("\n");
	}
	say(getenv("HOME") ? getenv("HOME") : "none");
	say_number("\npage", (long)getauxval(AT_PAGESZ));
	say_number("random", getauxval(AT_RANDOM) != 0);
}

static void own_signal(void)
{
	double sum = 0.25;

	signal(SIGUSR1, count);
	for (int i = 0; i < 100; i++) {
		sum += 0.5;
		kill(getpid(), SIGUSR1);
		if (seen != i + 1) {
			say("late\n");
			return;
		}
	}
	say_number("seen", seen);
	say_number("sum4", (long)(sum * 4));
}

static void jump(int sig)
{
	siglongjmp(back, sig);
}

/* ---- signals that come again and again: one before the call they are for does not count. */

#define OFTEN_US 20000

static volatile sig_atomic_t next_seen; /* what `seen` becomes, however many come */

static void count_one(int sig)
{
	(void)sig;
	float_value = float_value * 3.0 + 1.0;
	seen = next_seen;
}

static void start_alarms(int flags)
{
	const struct itimerval often = { { 0, OFTEN_US }, { 0, OFTEN_US } };
	const struct sigaction a = { .sa_handler = count_one, .sa_flags = flags };

	next_seen = seen + 1;
	sigaction(SIGALRM, &a, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

static void stop_alarms(void)
{
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };

	setitimer(ITIMER_REAL, &never, NULL);
}

static volatile pid_t sender; /* 0: there is none, or its signal was heard */

static void jump_once(int sig)
{
	if (sender == 0 || seen != next_seen)
		return;
	sender = 0;
	siglongjmp(back, sig);
}

static pid_t start_sender(int sig)
{
	pid_t main_pid = getpid();
	pid_t pid = fork();

	while (pid == 0) {
		usleep(OFTEN_US);
		kill(main_pid, sig);
	}
	return pid;
}

/* With SA_RESTART the read goes on after each SIGALRM; the handler of another signal jumps out. */
static void jump_out_of(void (*read_for_ever)(void))
{
	const struct sigaction a = { .sa_handler = jump_once, .sa_flags = SA_RESTART };
	static pid_t child;

	sigaction(SIGVTALRM, &a, NULL);
	start_alarms(SA_RESTART);
	if (sigsetjmp(back, 1) == 0) {
		child = start_sender(SIGVTALRM);
		sender = child;
		read_for_ever();
		say("never\n");
	}
	stop_alarms();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	say_number("seen", seen);
}

static void read_for_ever(void)
{
	char byte;

	(void)!read(0, &byte, 1);
}

/* A blocking call is cut short by a handler without SA_RESTART, and goes on with it. */
static void interrupted(void)
{
	ssize_t size;
	char byte;

	start_alarms(0);
	size = read(0, &byte, 1);
	stop_alarms();
	say_number("read", size);
	say_number("eintr", errno == EINTR);
	say_number("seen", seen);
	jump_out_of(read_for_ever);
}

static void faults(void)
{
	struct sigaction a = { .sa_handler = jump, .sa_flags = SA_NODEFER };
	char *bad = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int sig;

	munmap(bad + 4096, 4096);
	say_number("write", write(1, bad + 4096, 10));
	say_number("efault", errno == EFAULT);
	say_number("pread", pread(3, bad + 4096, 10, 0));
	say_number("efault", errno == EFAULT);
	/* What there is memory for. */
	memcpy(bad + 4090, "parts\n", 6);
	say_number("write", write(1, bad + 4090, 10));
	say_number("pread", pread(3, bad + 4090, 10, 0));
	say_number("last", bad[4095]);
	sigaction(SIGSEGV, &a, NULL);
	sig = sigsetjmp(back, 1);
	if (sig == 0)
		bad[4096] = 1;
	say_number("caught", sig);
	sig = sigsetjmp(back, 1);
	if (sig == 0)
		bad[4097] = 1;
	say_number("again", sig);
}

static void on_stack(int sig)
{
	stack_t s;

	(void)sig;
	sigaltstack(NULL, &s);
	say_number("onstack", s.ss_flags & SS_ONSTACK);
}

static void alternate_stack(void)
{
	stack_t s = { .ss_sp = malloc(65536), .ss_size = 65536 };
	struct sigaction a = { .sa_handler = on_stack, .sa_flags = SA_ONSTACK };

	say_number("set", sigaltstack(&s, NULL));
	sigaction(SIGUSR1, &a, NULL);
	kill(getpid(), SIGUSR1);
	sigaltstack(NULL, &s);
	say_number("after", s.ss_flags & SS_ONSTACK);
}

static void masks(void)
{
	sigset_t all, old, pending;

	signal(SIGUSR1, count);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	kill(getpid(), SIGUSR1);
	say_number("blocked", seen);
	sigpending(&pending);
	say_number("pending", sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_SETMASK, &old, NULL);
	say_number("delivered", seen);
	sigprocmask(SIG_SETMASK, &all, NULL);
	kill(getpid(), SIGUSR1);
	sigsuspend(&old);
	say_number("suspended", seen);
	say_number("eintr", errno == EINTR);
}

/* sigtimedwait takes what is blocked, and is cut short by a handler of something else. */
static void waits_for_signals(void)
{
	struct timespec brief = { .tv_nsec = 1000000 };
	siginfo_t info;
	sigset_t set;
	int taken;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGUSR1);
	say_number("taken", sigwaitinfo(&set, &info));
	say_number("code", info.si_code);
	say_number("timeout", sigtimedwait(&set, &info, &brief));
	say_number("eagain", errno == EAGAIN);
	start_alarms(SA_RESTART);
	taken = sigwaitinfo(&set, NULL);
	stop_alarms();
	say_number("cut short", taken);
	say_number("eintr", errno == EINTR);
	say_number("seen", seen);
	say_number("efault", sigwaitinfo((const sigset_t *)8, NULL));
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long total;

static void *adder(void *arg)
{
	char buffer[64];

	for (int i = 0; i < 200; i++) {
		if (pread(3, buffer, sizeof(buffer), i) != sizeof(buffer) ||
		    buffer[1] != (char)(i + 1))
			return NULL;
		pthread_mutex_lock(&mutex);
		total += (long)(intptr_t)arg;
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}

static void threads(void)
{
	pthread_t t[8];

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 8; i++)
			if (pthread_create(&t[i], NULL, adder, (void *)1) != 0)
				say("no thread\n");
		for (int i = 0; i < 8; i++)
			pthread_join(t[i], NULL);
	}
	say_number("total", total);
}

static void *wait_for_signal(void *arg)
{
	int sig = 0;

	sigwait(arg, &sig);
	seen++;
	return NULL;
}

static void new_threads(void)
{
	sigset_t set;
	pthread_t t;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 200; i++) {
		if (pthread_create(&t, NULL, wait_for_signal, &set) != 0)
			say("no thread\n");
		if (pthread_kill(t, SIGUSR2) != 0) {
			say("not known yet\n");
			_exit(1);
		}
		pthread_join(t, NULL);
	}
	say_number("seen", seen);
}

static void forks(void)
{
	int status = 0, good = 0;

	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(i);
		syscall(SYS_wait4, pid, &status, 0, NULL);
		good += WIFEXITED(status) && WEXITSTATUS(status) == i;
	}
	say_number("good", good);
}

static void spawn_error(void)
{
	char none[] = "none";
	char *const argv[] = { none, NULL };
	pid_t pid;

	say_number("spawn", posix_spawn(&pid, "/none", NULL, NULL, argv, argv));
}

static void memory(void)
{
	char *first = sbrk(0), *big;
	static char page[300000];

	say_number("grow", sbrk(100000) == first);
	first[99999] = 7;
	say_number("shrink", brk(first) == 0);
	big = malloc(50u << 20);
	big[(50u << 20) - 1] = 1;
	memset(page, 1, sizeof(page));
	say_number("big", pread(3, page, sizeof(page), 5));
	say_number("right", page[0] == 5 && page[299999] == (char)(299999 + 5));
}

/* A system call as a call-site stub makes it (run_abi.h): same length, same registers. */
static const uint64_t stub_entry = RUN_STUB_ENTRY;
static long stub_call(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("leaq 1f(%%rip), %%rcx\n\t"
			 "jmp *stub_entry(%%rip)\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "m"(stub_entry)
			 : "rcx", "r11", "memory");
	return ret;
}

static void read_for_ever_by_stub(void)
{
	char byte;

	stub_call(SYS_read, 0, (long)&byte, 1, 0);
}

static void stub_calls(void)
{
	uint64_t mask = 1u << (SIGUSR1 - 1), old = 0;
	double sum = 0.25;
	char byte[8];
	long result;
	int i;

	signal(SIGUSR1, count);
	for (i = 0; i < 1000 && seen == i; i++) {
		sum += 0.5;
		stub_call(SYS_kill, getpid(), SIGUSR1, 0, 0);
	}
	say_number("seen", seen);
	say_number("sum4", (long)(sum * 4));
	stub_call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&mask, (long)&old, 8);
	stub_call(SYS_kill, getpid(), SIGUSR1, 0, 0);
	say_number("blocked", seen);
	stub_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&old, 0, 8);
	say_number("unblocked", seen);
	say_number("pread", stub_call(SYS_pread64, 3, (long)byte, 8, 5));
	say_number("byte", byte[1]);
	say_number("efault", stub_call(SYS_pread64, 3, 8, 8, 5));
	start_alarms(0);
	result = stub_call(SYS_read, 0, (long)byte, 1, 0);
	stop_alarms();
	say_number("eintr", result);
	jump_out_of(read_for_ever_by_stub);
}

/* ---- where a thread runs is its own affair, and that of the program. */

static pid_t watched;
static cpu_set_t watched_mask;
static volatile int seen_elsewhere, watch_ends;

static void *watch_mask(void *arg)
{
	cpu_set_t now;

	while (!watch_ends) {
		CPU_ZERO(&now);
		if (sched_getaffinity(watched, sizeof(now), &now) == 0 &&
		    !CPU_EQUAL(&now, &watched_mask))
			seen_elsewhere = 1;
	}
	return arg;
}

/* So many calls, or until another thread has seen that this one may not run everywhere. */
static void calls_under_watch(unsigned int count)
{
	cpu_set_t now;
	pthread_t thread;

	watched = gettid();
	sched_getaffinity(0, sizeof(watched_mask), &watched_mask);
	pthread_create(&thread, NULL, watch_mask, NULL);
	for (unsigned int i = 0; i < count && !seen_elsewhere; i++)
		(void)!write(1, "", 0);
	watch_ends = 1;
	pthread_join(thread, NULL);
	CPU_ZERO(&now);
	sched_getaffinity(0, sizeof(now), &now);
	say_number("elsewhere", seen_elsewhere);
	say_number("mask kept", CPU_EQUAL(&now, &watched_mask));
}

static void moves(void)
{
	calls_under_watch(2000000);
}

static void stays(void)
{
	calls_under_watch(5000);
}

static void pinned(void)
{
	cpu_set_t one;
	int cpu = 0;

	sched_getaffinity(0, sizeof(one), &one);
	while (!CPU_ISSET(cpu, &one))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	say_number("set", sched_setaffinity(0, sizeof(one), &one));
	calls_under_watch(5000);
}

static void by_fault(void)
{
	volatile int *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*bad = 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} jobs[] = {
		{ "signal", own_signal },
		{ "interrupted", interrupted },
		{ "faults", faults },
		{ "altstack", alternate_stack },
		{ "masks", masks },
		{ "threads", threads },
		{ "forks", forks },
		{ "spawn", spawn_error },
		{ "memory", memory },
		{ "crash", by_fault },
		{ "sigwait", waits_for_signals },
		{ "stub", stub_calls },
		{ "newthread", new_threads },
		{ "moves", moves },
		{ "stays", stays },
		{ "pinned", pinned },
	};

	if (argc < 2 || !strcmp(argv[1], "arguments")) {
		arguments(argc, argv);
		return 7;
	}
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
		if (!strcmp(argv[1], jobs[i].name))
			jobs[i].fn();
	return 0;
}

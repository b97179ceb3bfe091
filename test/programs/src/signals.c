/* signals.c - what programs rely on in signals; prints the same at every run. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "tell.h"

static volatile sig_atomic_t count, depth, deepest;
static volatile int last_number, last_code, last_value, on_stack;
static sigjmp_buf back;
static volatile int *volatile nowhere = (int *)8;
static char other_stack[65536];

static void on_count(int number)
{
	count++;
	last_number = number;
}

static void on_info(int number, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	count++;
	last_number = number;
	last_code = info->si_code;
	last_value = info->si_value.sival_int;
	on_stack = &here >= other_stack && &here < other_stack + sizeof(other_stack);
}

static void on_nested(int number)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (number == SIGUSR1)
		raise(SIGUSR2);
	if (number == SIGUSR2)
		raise(SIGHUP);
	depth--;
}

static void on_jump(int number)
{
	siglongjmp(back, number);
}

static void set(int number, void (*handler)(int), int flags)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = flags };

	sigemptyset(&a.sa_mask);
	sigaction(number, &a, NULL);
}

static void set_info(int number, int flags)
{
	struct sigaction a = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO | flags };

	sigemptyset(&a.sa_mask);
	sigaction(number, &a, NULL);
}

static void pause_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* A child that sends `number` to us after `ms`, `times` times. */
static pid_t send_later(int number, long ms, int times)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < times; i++) {
			pause_ms(ms);
			kill(getppid(), number);
		}
		_exit(0);
	}
	return pid;
}

/* A child that sends `number` again and again: one before the call it is for ends nothing. */
static pid_t send_often(int number)
{
	pid_t pid = fork();

	while (pid == 0) {
		pause_ms(50);
		kill(getppid(), number);
	}
	return pid;
}

static void end_sender(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void simple(void)
{
	set(SIGUSR1, on_count, 0);
	for (int i = 0; i < 1000; i++)
		raise(SIGUSR1);
	for (int i = 0; i < 1000; i++)
		kill(getpid(), SIGUSR1);
	printf("simple: %d of signal %d\n", count, last_number);
	count = 0;
	set_info(SIGUSR1, 0);
	raise(SIGUSR1);
	printf("raise: code %d\n", last_code == SI_TKILL);
	kill(getpid(), SIGUSR1);
	printf("kill: code %d\n", last_code == SI_USER);
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 77 });
	printf("sigqueue: code %d value %d\n", last_code == SI_QUEUE, last_value);
}

static void nested(void)
{
	set(SIGUSR1, on_nested, 0);
	set(SIGUSR2, on_nested, 0);
	set(SIGHUP, on_nested, 0);
	raise(SIGUSR1);
	printf("nested: deepest %d, now %d\n", deepest, depth);
	set(SIGUSR1, on_count, SA_RESETHAND);
	raise(SIGUSR1);
	struct sigaction old;
	sigaction(SIGUSR1, NULL, &old);
	printf("reset: %d\n", old.sa_handler == SIG_DFL);
}

static void masks(void)
{
	sigset_t all, old, pending;

	set(SIGUSR1, on_count, 0);
	set(SIGUSR2, on_count, 0);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	count = 0;
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	sigpending(&pending);
	printf("blocked: %d arrived, pending %d %d %d\n", count, sigismember(&pending, SIGUSR1),
	       sigismember(&pending, SIGUSR2), sigismember(&pending, SIGHUP));
	sigprocmask(SIG_SETMASK, &old, NULL);
	printf("unblocked: %d arrived\n", count);
	sigprocmask(SIG_BLOCK, NULL, &old);
	printf("mask empty: %d\n", !sigismember(&old, SIGUSR1) && !sigismember(&old, SIGSYS));
	sigemptyset(&all);
	sigaddset(&all, SIGUSR1);
	sigprocmask(SIG_BLOCK, &all, NULL);
	kill(getpid(), SIGUSR1);
	sigset_t none;
	sigemptyset(&none);
	errno = 0;
	tell("sigsuspend", sigsuspend(&none));
	printf("arrived %d\n", count);
	siginfo_t info;
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 5 });
	tell("sigwaitinfo", sigwaitinfo(&all, &info));
	printf("value %d\n", info.si_value.sival_int);
	struct timespec brief = { .tv_nsec = 20000000 };
	tell("sigtimedwait", sigtimedwait(&all, &info, &brief));
	sigprocmask(SIG_UNBLOCK, &all, NULL);
}

static void restarts(void)
{
	int p[2];
	char c;
	pid_t child;

	if (pipe(p) < 0)
		exit(1);
	set(SIGUSR1, on_count, SA_RESTART);
	count = 0;
	child = fork();
	if (child == 0) {
		pause_ms(50);
		kill(getppid(), SIGUSR1);
		pause_ms(50);
		_exit(write(p[1], "r", 1) != 1);
	}
	ssize_t n = read(p[0], &c, 1);
	printf("restarted read: %zd, %d signal\n", n, count);
	waitpid(child, NULL, 0);
	set(SIGUSR1, on_count, 0);
	child = send_often(SIGUSR1);
	n = read(p[0], &c, 1);
	printf("interrupted read: %zd errno %d\n", n, errno == EINTR);
	end_sender(child);
	set(SIGUSR1, on_count, SA_RESTART);
	child = send_often(SIGUSR1);
	struct pollfd f = { .fd = p[0], .events = POLLIN };
	n = poll(&f, 1, 100000);
	printf("poll never restarts: %zd errno %d\n", n, errno == EINTR);
	end_sender(child);
	child = send_often(SIGUSR1);
	struct timespec t = { .tv_sec = 1000 };
	n = nanosleep(&t, &t);
	printf("nanosleep: %zd errno %d left %d\n", n, errno == EINTR,
	       t.tv_sec >= 900 && t.tv_sec < 1000);
	end_sender(child);
	child = send_often(SIGUSR1);
	tell("pause", pause());
	end_sender(child);
	child = send_later(SIGUSR1, 30, 5);
	int status = -1;
	pid_t ended = waitpid(child, &status, 0);
	printf("restarted wait: %d status %d\n", ended == child, status);
	close(p[0]);
	close(p[1]);
}

static void stacks(void)
{
	stack_t s = { .ss_sp = other_stack, .ss_size = sizeof(other_stack) }, old;

	printf("sigaltstack: %d\n", sigaltstack(&s, NULL));
	set_info(SIGUSR1, SA_ONSTACK);
	raise(SIGUSR1);
	printf("on the other stack: %d\n", on_stack);
	set_info(SIGUSR1, 0);
	raise(SIGUSR1);
	printf("on the usual one: %d\n", !on_stack);
	sigaltstack(NULL, &old);
	printf("stack kept: %d %zu\n", old.ss_sp == other_stack, old.ss_size);
	s.ss_size = 10;
	errno = 0;
	tell("too small", sigaltstack(&s, NULL));
	s = (stack_t){ .ss_flags = SS_DISABLE };
	printf("disabled: %d\n", sigaltstack(&s, NULL));
}

/* `stop` is never true; the compiler cannot know. */
static volatile int stop;

static int overflow(int n)
{
	volatile char frame[4096];

	if (stop)
		return 0;
	memset((char *)frame, n, sizeof(frame));
	return overflow(n + 1) + frame[n % 4096];
}

static void jumps(void)
{
	stack_t s = { .ss_sp = other_stack, .ss_size = sizeof(other_stack) };
	volatile int jumped = 0;

	set(SIGUSR1, on_jump, 0);
	for (volatile int i = 0; i < 200; i++) {
		if (sigsetjmp(back, 1) == SIGUSR1)
			jumped++;
		else
			raise(SIGUSR1);
	}
	printf("jumped: %d\n", jumped);
	set(SIGSEGV, on_jump, SA_ONSTACK);
	sigaltstack(&s, NULL);
	if (sigsetjmp(back, 1) == 0)
		*nowhere = 1;
	else
		puts("SIGSEGV caught");
	if (sigsetjmp(back, 1) == 0)
		printf("%d\n", overflow(0));
	else
		puts("stack overflow caught");
	set(SIGFPE, on_jump, 0);
	volatile int zero = 0;
	if (sigsetjmp(back, 1) == 0)
		printf("%d\n", last_number / zero);
	else
		puts("SIGFPE caught");
	set(SIGALRM, on_jump, 0);
	for (volatile int i = 0; i < 5; i++) {
		struct itimerval t = { .it_value = { .tv_usec = 20000 } };
		int p[2];
		char c;
		if (pipe(p) < 0)
			exit(1);
		if (sigsetjmp(back, 1) == 0) {
			setitimer(ITIMER_REAL, &t, NULL);
			if (read(p[0], &c, 1) >= 0)
				puts("read something");
		}
		close(p[0]);
		close(p[1]);
	}
	puts("jumped out of read five times");
	set(SIGSEGV, SIG_DFL, 0);
}

static void *wait_in_thread(void *arg)
{
	int number;

	sigwait(arg, &number);
	printf("thread got %d\n", number);
	return NULL;
}

static void *loop_in_thread(void *arg)
{
	while (!*(volatile int *)arg)
		if (getppid() < 0)
			break;
	return NULL;
}

static void threads(void)
{
	sigset_t set1;
	pthread_t t;
	volatile int enough = 0;

	sigemptyset(&set1);
	sigaddset(&set1, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set1, NULL);
	pthread_create(&t, NULL, wait_in_thread, &set1);
	pthread_kill(t, SIGUSR2);
	pthread_join(t, NULL);
	pthread_sigmask(SIG_UNBLOCK, &set1, NULL);
	set(SIGUSR1, on_count, SA_RESTART);
	count = 0;
	pthread_create(&t, NULL, loop_in_thread, (void *)&enough);
	for (int i = 0; i < 300; i++) {
		int before = count;
		pthread_kill(t, SIGUSR1);
		while (count == before)
			;
	}
	enough = 1;
	pthread_join(t, NULL);
	printf("signals amid calls: %d\n", count);
}

static void storm(void)
{
	struct itimerval t = { { 0, 500 }, { 0, 500 } }, off = { { 0, 0 }, { 0, 0 } };
	char text[64];
	int bad = 0;

	set(SIGALRM, on_count, SA_RESTART);
	count = 0;
	setitimer(ITIMER_REAL, &t, NULL);
	for (int i = 0; i < 3000; i++) {
		int fd = open("storm", O_CREAT | O_RDWR | O_TRUNC, 0600);
		int length = snprintf(text, sizeof(text), "turn %d", i);
		char again[64] = "";
		if (fd < 0 || write(fd, text, length) != length || lseek(fd, 0, SEEK_SET) != 0 ||
		    read(fd, again, sizeof(again)) != length || strcmp(text, again) != 0)
			bad++;
		close(fd);
	}
	setitimer(ITIMER_REAL, &off, NULL);
	unlink("storm");
	printf("storm: %d bad, signals came: %d\n", bad, count > 0);
}

static void deaths(void)
{
	const int numbers[] = { SIGTERM, SIGKILL, SIGABRT, SIGSEGV,
				SIGPIPE, SIGUSR1, SIGALRM, SIGRTMIN };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			set(numbers[i], SIG_DFL, 0);
			raise(numbers[i]);
			_exit(99);
		}
		waitpid(pid, &status, 0);
		printf("death by %d: %d %d\n", numbers[i], WIFSIGNALED(status), WTERMSIG(status));
	}
	int p[2], status;
	pid_t pid = fork();
	if (pid == 0) {
		if (pipe(p) == 0 && close(p[0]) == 0 && write(p[1], "x", 1) < 0)
			_exit(1);
		_exit(2);
	}
	waitpid(pid, &status, 0);
	errno = 0;
	printf("broken pipe: %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
	tell("kill of nobody", (long)kill(4194300, 0));
	tell("bad signal", (long)kill(getpid(), 99));
	tell("handler for KILL", (long)signal(SIGKILL, on_count));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	simple();
	nested();
	masks();
	restarts();
	stacks();
	jumps();
	threads();
	storm();
	deaths();
	return 21;
}

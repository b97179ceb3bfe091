/* signals.c - sending, blocking, catching, waiting for signals. */
#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int count;
static volatile int order[16];
static volatile siginfo_t last;

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (count < 16)
		order[count] = number;
	count++;
	last = *info;
}

static void on_slow(int number, siginfo_t *info, void *context)
{
	on_signal(number, info, context);
	if (number == SIGUSR1 && count == 1) {
		raise(SIGUSR1);
		raise(SIGUSR2);
		order[15] = count; /* what ran inside this handler */
	}
}

static void catch (int number, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction a = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	sigemptyset(&a.sa_mask);
	if (sigaction(number, &a, NULL) < 0)
		tell("sigaction", -1);
}

static void block(int how, int number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	sigprocmask(how, &set, NULL);
}

static void case_sending(void)
{
	catch (SIGUSR1, on_signal, 0);
	T(kill(getpid(), SIGUSR1));
	say("count %d code %d pid %d uid %d", count, last.si_code, last.si_pid == getpid(),
	    last.si_uid == getuid());
	T(raise(SIGUSR1));
	say("count %d code %d", count, last.si_code);
	T(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = -5 }));
	say("count %d code %d value %d", count, last.si_code, last.si_value.sival_int);
	T(kill(getpid(), 0));
	T(kill(getpid(), 65));
	T(kill(getpid(), -1));
	T(kill(4194999, 0));
	T(kill(-4194999, SIGTERM));
	T(kill(0, 0));
	T(sigqueue(4194999, SIGUSR1, (union sigval){ 0 }));
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	T(syscall(SYS_pidfd_send_signal, pidfd, SIGUSR1, NULL, 0));
	say("count %d", count);
	T(syscall(SYS_pidfd_open, 4194999, 0));
	T(syscall(SYS_pidfd_open, -1, 0));
}

static void case_actions(void)
{
	struct sigaction a;

	T(sigaction(SIGUSR1, NULL, &a));
	say("default %d flags %x", a.sa_handler == SIG_DFL, a.sa_flags & 0x7fffffff & ~0x04000000);
	catch (SIGUSR1, on_signal, SA_RESTART | SA_NODEFER);
	T(sigaction(SIGUSR1, NULL, &a));
	say("ours %d restart %d nodefer %d", a.sa_sigaction == on_signal,
	    !!(a.sa_flags & SA_RESTART), !!(a.sa_flags & SA_NODEFER));
	T(sigaction(SIGKILL, NULL, &a));
	a.sa_handler = SIG_IGN;
	T(sigaction(SIGKILL, &a, NULL));
	T(sigaction(SIGSTOP, &a, NULL));
	T(sigaction(0, NULL, &a));
	T(sigaction(65, NULL, &a));
	T(sigaction(64, NULL, &a));
	T(sigaction(SIGSYS, NULL, &a));
	say("SIGSYS looks default %d", a.sa_handler == SIG_DFL);
	T(sigaction(SIGSEGV, NULL, &a));
	say("SIGSEGV looks default %d", a.sa_handler == SIG_DFL);
	catch (SIGSYS, on_signal, 0);
	T(raise(SIGSYS));
	say("count %d", count);
	sigset_t set;
	sigfillset(&set);
	T(sigprocmask(SIG_BLOCK, &set, NULL));
	T(sigprocmask(SIG_BLOCK, NULL, &set));
	say("KILL %d STOP %d SYS %d SEGV %d", sigismember(&set, SIGKILL),
	    sigismember(&set, SIGSTOP), sigismember(&set, SIGSYS), sigismember(&set, SIGSEGV));
	T(access("/", F_OK));
	T(sigprocmask(99, &set, NULL));
	T(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4));
}

static void case_blocking(void)
{
	sigset_t pending;

	catch (SIGUSR1, on_signal, 0);
	catch (SIGUSR2, on_signal, 0);
	catch (SIGRTMIN, on_signal, 0);
	block(SIG_BLOCK, SIGUSR1);
	block(SIG_BLOCK, SIGUSR2);
	block(SIG_BLOCK, SIGRTMIN);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	for (int i = 0; i < 3; i++)
		sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i });
	sigpending(&pending);
	say("pending %d %d %d, ran %d", sigismember(&pending, SIGUSR1),
	    sigismember(&pending, SIGUSR2), sigismember(&pending, SIGRTMIN), count);
	block(SIG_UNBLOCK, SIGRTMIN);
	say("real-time ones queue: %d, last value %d", count, last.si_value.sival_int);
	sigset_t all;
	sigemptyset(&all);
	count = 0;
	sigprocmask(SIG_SETMASK, &all, NULL);
	say("%d ran", count);
	count = 0;
	catch (SIGUSR1, on_slow, 0);
	raise(SIGUSR1);
	say("USR1 is blocked in its handler, USR2 is not: %d then %d; order %d %d %d", order[15],
	    count > 2, order[0], order[1], order[2]);
}

static void case_inherited(void)
{
	sigset_t set;
	int status;

	catch (SIGUSR1, on_signal, 0);
	block(SIG_BLOCK, SIGUSR1);
	raise(SIGUSR1);
	fflush(stdout);
	if (fork() == 0) {
		sigpending(&set);
		say("child: pending %d", sigismember(&set, SIGUSR1));
		sigprocmask(SIG_BLOCK, NULL, &set);
		say("child: blocked %d", sigismember(&set, SIGUSR1));
		block(SIG_UNBLOCK, SIGUSR1);
		say("child: ran %d", count);
		raise(SIGUSR1);
		say("child: ran %d", count);
		_exit(0);
	}
	wait(&status);
	print_status(status);
	block(SIG_UNBLOCK, SIGUSR1);
	say("parent: ran %d", count);
}

/* Again and again, until reap(): one that comes before the call it is for ends nothing. */
static pid_t every_50_ms(int number)
{
	pid_t parent = getpid(), pid;

	fflush(stdout);
	pid = fork();
	while (pid == 0) {
		sleep_ms(50);
		kill(parent, number);
	}
	return pid;
}

static void reap(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	errno = 0;
}

static void case_interrupting(void)
{
	int p[2], e = eventfd(0, 0);
	char c;
	struct pollfd f;

	pipe(p);
	for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
		struct timespec t = { 100, 0 };
		pid_t pid;
		say("flags %x", flags);
		catch (SIGUSR1, on_signal, flags);
		if (!flags) {
			pid = every_50_ms(SIGUSR1);
			T(read(p[0], &c, 1));
			reap(pid);
			pid = every_50_ms(SIGUSR1);
			eventfd_t v;
			T(eventfd_read(e, &v));
			reap(pid);
			pid = every_50_ms(SIGUSR1);
			T(open("/dev/null", O_RDONLY) >= 0);
			T(wait(NULL) == pid || errno == EINTR);
			reap(pid);
		}
		f = (struct pollfd){ .fd = p[0], .events = POLLIN };
		pid = every_50_ms(SIGUSR1);
		T(poll(&f, 1, 100000));
		reap(pid);
		pid = every_50_ms(SIGUSR1);
		T(select(0, NULL, NULL, NULL, &(struct timeval){ 100, 0 }));
		reap(pid);
		pid = every_50_ms(SIGUSR1);
		T(nanosleep(&t, &t));
		reap(pid);
		pid = every_50_ms(SIGUSR1);
		T(usleep(100000000));
		reap(pid);
		pid = every_50_ms(SIGUSR1);
		T(pause());
		reap(pid);
	}
	catch (SIGCHLD, on_signal, SA_RESTART);
	count = 0;
	if (fork() == 0) {
		sleep_ms(50);
		_exit(0);
	}
	if (fork() == 0) {
		sleep_ms(150);
		write(p[1], "z", 1);
		_exit(0);
	}
	T(read(p[0], &c, 1));
	while (wait(NULL) > 0 || errno == EINTR)
		;
	while (count == 0)
		sleep_ms(10);
	say("%c, SIGCHLD came %d", c, count >= 1);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGUSR1, SIG_IGN);
	pid_t pid = every_50_ms(SIGUSR1);
	T(nanosleep(&(struct timespec){ 0, 100000000 }, NULL));
	reap(pid);
}

static void case_waiting_for(void)
{
	sigset_t set, none;
	siginfo_t info;
	struct timespec brief = { 0, 10000000 };

	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	T(sigwaitinfo(&set, &info));
	T(sigtimedwait(&set, &info, &brief));
	if (fork() == 0)
		_exit(6);
	T(sigwaitinfo(&set, &info));
	say("code %d status %d", info.si_code, info.si_status);
	T(wait(NULL) > 0);
	catch (SIGUSR1, on_signal, 0);
	pid_t pid = every_50_ms(SIGUSR1);
	T(sigsuspend(&none));
	say("count %d", count);
	reap(pid);
	pid = every_50_ms(SIGUSR1);
	T(ppoll(NULL, 0, NULL, &none));
	say("count %d", count);
	reap(pid);
	T(sigprocmask(SIG_BLOCK, NULL, &none));
	say("still blocked %d", sigismember(&none, SIGUSR1));
	int fd = signalfd(-1, &set, SFD_NONBLOCK);
	struct signalfd_siginfo s;
	if (fd >= 0) {
		while (sigtimedwait(&set, &info, &(struct timespec){ 0, 0 }) > 0)
			;
		errno = 0;
		T(read(fd, &s, sizeof(s)));
		raise(SIGUSR1);
		T(read(fd, &s, sizeof(s)));
		say("%u", s.ssi_signo);
	}
}

static void die_by(int number)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct rlimit none = { 0, 0 };
		setrlimit(RLIMIT_CORE, &none);
		kill(getpid(), number);
		sleep_ms(20);
		_exit(0);
	}
	waitpid(pid, &status, WUNTRACED);
	printf("%d: ", number);
	print_status(status);
	if (WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
}

static void case_default_actions(void)
{
	for (int number = 1; number <= 64; number++)
		if (number != 32 && number != 33)
			die_by(number);
}

static sigjmp_buf back;

static void on_jump(int number, siginfo_t *info, void *context)
{
	(void)context;
	last = *info;
	siglongjmp(back, number);
}

static void case_faults(void)
{
	static volatile int *volatile wild = (int *)64;
	static volatile int zero;

	catch (SIGSEGV, on_jump, 0);
	catch (SIGFPE, on_jump, 0);
	catch (SIGILL, on_jump, 0);
	catch (SIGTRAP, on_jump, 0);
	if (sigsetjmp(back, 1) == 0)
		*wild = 1;
	say("code %d at %ld", last.si_code, (long)last.si_addr);
	if (sigsetjmp(back, 1) == 0)
		zero = count / zero;
	say("number %d code %d", last.si_signo, last.si_code);
	if (sigsetjmp(back, 1) == 0)
		__builtin_trap();
	say("number %d", last.si_signo);
	if (sigsetjmp(back, 1) == 0)
		__asm__ volatile("int3");
	say("number %d", last.si_signo);
	if (sigsetjmp(back, 1) == 0)
		((void (*)(void))(void *)wild)();
	say("number %d code %d", last.si_signo, last.si_code);
}

const struct conform_case signal_cases[] = {
	CASE(sending),	       CASE(actions),	   CASE(blocking),
	CASE(inherited),       CASE(interrupting), CASE(waiting_for),
	CASE(default_actions), CASE(faults),	   { NULL, NULL },
};

/* process.c - forks, waits, groups, sessions, limits, identity, exec. */
#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child_that_exits(int status)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(status);
	return pid;
}

static pid_t child_that_sleeps(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void case_wait_forms(void)
{
	int status = -1;
	pid_t a, b;
	struct rusage usage;
	siginfo_t info;

	T(wait(&status));
	T(waitpid(-1, &status, WNOHANG));
	a = child_that_exits(3);
	T(waitpid(a, &status, 0) == a);
	print_status(status);
	T(waitpid(a, &status, 0));
	a = child_that_sleeps();
	T(waitpid(a, &status, WNOHANG));
	T(waitpid(-1, &status, WNOHANG));
	T(kill(a, SIGTERM));
	T(wait4(a, &status, 0, &usage) == a);
	print_status(status);
	a = child_that_exits(5);
	memset(&info, 0, sizeof(info));
	T(waitid(P_PID, a, &info, WEXITED | WNOWAIT));
	say("signo %d code %d status %d pid %d", info.si_signo, info.si_code, info.si_status,
	    info.si_pid == a);
	T(waitid(P_PID, a, &info, WEXITED));
	T(waitid(P_PID, a, &info, WEXITED));
	T(waitid(P_ALL, 0, &info, WEXITED | WNOHANG));
	T(waitid(P_ALL, 0, &info, 0));
	T(waitid(99, 0, &info, WEXITED));
	T(waitpid(-1, &status, 0x40));
	T(waitpid(1, &status, 0));
	a = child_that_sleeps();
	memset(&info, 'x', sizeof(info));
	T(waitid(P_PID, a, &info, WEXITED | WNOHANG));
	say("nothing: signo %d pid %d", info.si_signo, info.si_pid);
	T(kill(a, SIGSTOP));
	T(waitpid(a, &status, WUNTRACED) == a);
	print_status(status);
	T(waitpid(a, &status, WUNTRACED | WNOHANG));
	T(kill(a, SIGCONT));
	T(waitpid(a, &status, WCONTINUED) == a);
	say("continued %d", WIFCONTINUED(status));
	T(kill(a, SIGSTOP));
	T(waitid(P_PID, a, &info, WSTOPPED));
	say("code %d status %d", info.si_code, info.si_status);
	T(kill(a, SIGKILL));
	T(waitpid(a, &status, 0) == a);
	print_status(status);
	a = child_that_exits(1);
	b = child_that_exits(2);
	T(waitpid(b, &status, 0) == b);
	print_status(status);
	T(waitpid(-1, &status, 0) == a);
	print_status(status);
	T(waitpid(0, &status, 0));
	a = fork();
	if (a == 0) {
		setpgid(0, 0);
		_exit(7);
	}
	setpgid(a, a);
	T(waitpid(0, &status, 0));
	T(waitpid(-a, &status, 0) == a);
	print_status(status);
	T(kill(a, 0));
	a = child_that_exits(256 + 9);
	T(waitpid(a, NULL, 0) == a);
	int pidfd = (int)syscall(SYS_pidfd_open, a = child_that_exits(4), 0);
	T(waitid(P_PIDFD, pidfd, &info, WEXITED));
	say("status %d", info.si_status);
}

static void case_zombies(void)
{
	int status;
	siginfo_t info;
	pid_t a = child_that_exits(1);

	waitid(P_PID, a, &info, WEXITED | WNOWAIT);
	T(kill(a, 0));
	T(kill(a, SIGTERM));
	T(getpgid(a) == getpgrp());
	T(getsid(a) == getsid(0));
	T(setpgid(a, a) == 0 || errno == ESRCH);
	T(waitpid(a, &status, 0) == a);
	print_status(status);
	T(kill(a, 0));
	T(getpgid(a));
	signal(SIGCHLD, SIG_IGN);
	a = child_that_exits(2);
	T(waitpid(a, &status, 0));
	signal(SIGCHLD, SIG_DFL);
	struct sigaction no_wait = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
	sigaction(SIGCHLD, &no_wait, NULL);
	a = child_that_exits(3);
	T(wait(&status));
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigaction(SIGCHLD, &plain, NULL);
	a = child_that_exits(4);
	T(wait(&status) == a);
}

static void groups_of_a_session(void)
{
	T(setsid() == getpid());
	T(setpgid(0, 0));
	T(setsid());
}

static void case_groups_and_sessions(void)
{
	pid_t a, b;
	int status, p[2];
	char c;

	T(getpgrp() == getpid());
	T(getpgid(0) == getpgrp());
	T(getpgid(getpid()) == getpgrp());
	T(getpgid(4194999));
	T(getpgid(-1));
	T(getsid(4194999));
	T(setsid());
	T(setpgid(0, 0));
	T(setpgid(-1, 0));
	T(setpgid(0, -1));
	T(setpgid(4194999, 0));
	a = child_that_sleeps();
	b = child_that_sleeps();
	T(getpgid(a) == getpgrp());
	T(setpgid(a, 0));
	T(getpgid(a) == a);
	T(setpgid(b, a));
	T(getpgid(b) == a);
	T(setpgid(b, 4194999));
	T(kill(-a, 0));
	T(kill(-a, SIGTERM));
	T(waitpid(-a, &status, 0) > 0);
	T(waitpid(-a, &status, 0) > 0);
	T(waitpid(-a, &status, 0));
	T(kill(-a, 0));
	if (pipe(p) < 0)
		exit(1);
	a = fork();
	if (a == 0) {
		c = setsid() == getpid() && getpgrp() == getpid() && getsid(0) == getpid() ? 'y'
											   : 'n';
		write(p[1], &c, 1);
		pause();
	}
	T(read(p[0], &c, 1));
	say("session of its own: %c", c);
	T(getsid(a) == a);
	T(setpgid(a, a));
	T(setpgid(a, getpgrp()));
	kill(a, SIGKILL);
	waitpid(a, &status, 0);
	in_child(groups_of_a_session);
	if (pipe2(p, O_CLOEXEC) < 0)
		exit(1);
	a = fork();
	if (a == 0) {
		close(p[0]);
		execl("/bin/sleep", "sleep", "1000", NULL);
	}
	close(p[1]);
	T(read(p[0], &c, 1)); /* the end of file: it has exec'ed */
	T(setpgid(a, a));     /* too late */
	kill(a, SIGKILL);
	waitpid(a, &status, 0);
}

static void case_orphans(void)
{
	int p[2], status;
	char text[20] = "";
	pid_t a;

	if (pipe(p) < 0)
		exit(1);
	a = fork();
	if (a == 0) {
		pid_t parent = getpid();
		if (fork() == 0) {
			for (int i = 0; i < 2000 && getppid() == parent; i++)
				sleep_ms(1);
			write(p[1], getppid() == parent ? "same" : "other", 5);
			_exit(0);
		}
		_exit(0);
	}
	waitpid(a, &status, 0);
	T(read(p[0], text, sizeof(text)));
	say("%.5s", text);
	T(wait(&status));
	T(prctl(PR_SET_CHILD_SUBREAPER, 1));
	a = fork();
	if (a == 0) {
		if (fork() == 0) {
			sleep_ms(100);
			_exit(9);
		}
		_exit(0);
	}
	waitpid(a, &status, 0);
	T(wait(&status) > 0);
	print_status(status);
	close(p[1]);
	T(prctl(PR_SET_PDEATHSIG, 0));
	T(prctl(PR_SET_PDEATHSIG, 999));
}

static void case_identity(void)
{
	uid_t r, e, s;
	gid_t groups[64];

	T(getresuid(&r, &e, &s));
	say("%d %d", r == getuid(), e == geteuid());
	T(getresgid(&r, &e, &s));
	T(getgroups(0, NULL) >= 0);
	if (geteuid() != 0)
		return;
	T(setgroups(2, (gid_t[]){ 7, 5 }));
	T(getgroups(64, groups));
	say("%u %u", groups[0], groups[1]);
	T(getgroups(1, groups));
	T(getgroups(-1, groups));
	T(setresgid(1, 2, 3));
	say("%u %u", getgid(), getegid());
	T(setresuid(-1, 1000, 0));
	say("%u %u", getuid(), geteuid());
	T(setuid(0));
	say("%u %u", getuid(), geteuid());
	T(setresuid(1000, 1000, 0));
	T(setresuid(-1, 0, -1));
	T(geteuid());
	T(setuid(1001));
	T(setuid(0));
	T(seteuid(0));
	T(setresuid(0, -1, -1));
	T(setreuid(-1, 1001));
	T(setgid(2));
	T(setgid(77));
	T(setgroups(0, NULL));
	T(setfsuid(-1));
	T(prctl(PR_GET_DUMPABLE) >= 0);
}

static void case_limits_of_processes(void)
{
	struct rlimit l;

	T(getrlimit(RLIMIT_NOFILE, &l));
	l.rlim_cur = 20;
	T(setrlimit(RLIMIT_NOFILE, &l));
	close_range(3, ~0u, 0);
	int n = 0;
	while (dup(0) >= 0)
		n++;
	say("%d more descriptors, then %s", n, strerrorname_np(errno));
	T(dup2(0, 20));
	T(fcntl(0, F_DUPFD, 20));
	T(close_range(3, ~0u, 0));
	l.rlim_max = 10;
	T(setrlimit(RLIMIT_NOFILE, &l));
	T(getrlimit(99, &l));
	T(getrlimit(RLIMIT_STACK, &l));
	T(prlimit(getpid(), RLIMIT_CORE, NULL, &l));
	T(prlimit(4194999, RLIMIT_CORE, NULL, &l));
	l = (struct rlimit){ 1000, 1000 };
	T(setrlimit(RLIMIT_FSIZE, &l));
	signal(SIGXFSZ, SIG_IGN);
	int fd = open("f", O_CREAT | O_RDWR, 0600);
	static char text[2000];
	T(write(fd, text, 2000));
	T(write(fd, text, 1));
	T(ftruncate(fd, 2000));
	show("f");
	T(getpriority(PRIO_PROCESS, 0));
	T(setpriority(PRIO_PROCESS, 0, 7));
	T(getpriority(PRIO_PROCESS, 0));
	T(nice(2));
	T(getpriority(PRIO_PROCESS, 4194999));
	T(sched_yield());
	T(sched_getscheduler(0));
	struct rusage usage;
	T(getrusage(RUSAGE_SELF, &usage));
	T(getrusage(RUSAGE_CHILDREN, &usage));
	T(getrusage(55, &usage));
	struct tms t;
	T(times(&t) != -1);
	struct utsname u;
	T(uname(&u));
	say("%s %s", u.sysname, u.machine);
	T(sysconf(_SC_NPROCESSORS_ONLN) > 0);
	T(sysconf(_SC_PHYS_PAGES) > 0);
}

static void exec_one(const char *path, char *const *argv, char *const *envp)
{
	int status;

	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		execve(path, argv, envp);
		tell(path, -1);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	print_status(status);
}

static void case_exec(void)
{
	char *none[] = { NULL }, *env[] = { "A=1", "B=2", NULL };

	make_file("script", "#!/bin/sh\necho script $0 $# $*\nexit 3\n");
	chmod("script", 0755);
	exec_one("script", (char *[]){ "x", "one", "two", NULL }, env);
	exec_one("./script", (char *[]){ "x", NULL }, NULL);
	make_file("args", "#!/bin/echo   several  words here  \nnothing\n");
	chmod("args", 0755);
	exec_one("./args", (char *[]){ "x", "y", NULL }, env);
	make_file("chain", "#!./script\n");
	chmod("chain", 0755);
	exec_one("./chain", (char *[]){ "x", "y", NULL }, env);
	make_file("noline", "exit 4\n");
	chmod("noline", 0755);
	exec_one("./noline", none, env);
	exec_one("missing", none, env);
	exec_one("/", none, env);
	exec_one("/etc/passwd", none, env);
	exec_one("/bin/sh",
		 (char *[]){ "sh", "-c", "echo $A $B $0 $1; exit 6", "zero", "one", NULL }, env);
	exec_one("/usr/bin/env", (char *[]){ "env", NULL }, env);
	exec_one("/bin/sh", (char *[]){ "-sh", "-c", "echo $0", NULL }, env);
	make_file("bad1", "#!\n");
	make_file("bad2", "#!   \nexit 1\n");
	make_file("bad3", "#!/nonexistent\n");
	make_file("bad4", "#!/etc\n");
	make_file("bad5",
		  "\177ELFxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	for (char name[] = "bad1"; name[3] < '6'; name[3]++) {
		chmod(name, 0755);
		exec_one(name, none, env);
	}
	char longline[400] = "#!/bin/";
	memset(longline + 7, 'x', 380);
	make_file("long", longline);
	chmod("long", 0755);
	exec_one("long", none, env);
	int fd = open("/bin/sh", O_RDONLY);
	fflush(stdout);
	if (fork() == 0) {
		fexecve(fd, (char *[]){ "sh", "-c", "echo by descriptor", NULL }, env);
		_exit(1);
	}
	wait(NULL);
	T(syscall(SYS_execveat, fd, "", none, env, 0));
	T(syscall(SYS_execveat, AT_FDCWD, "missing", none, env, 0));
}

static void case_exec_keeps(void)
{
	int kept = open("/etc/passwd", O_RDONLY), gone = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	char text[200];
	sigset_t set;

	dup2(kept, 8);
	dup2(gone, 9);
	fcntl(9, F_SETFD, FD_CLOEXEC);
	umask(031);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, (void (*)(int))abort);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	lseek(8, 5, SEEK_SET);
	snprintf(text, sizeof(text),
		 "umask; [ -e /proc/self/fd/8 ] && echo 8; [ -e /proc/self/fd/9 ] || echo no 9; "
		 "pwd | tail -c 11; "
		 "kill -USR1 $$ && echo USR1 ignored; kill -HUP $$ && echo HUP blocked; "
		 "dd bs=1 count=3 <&8 2>/dev/null | od -c | head -n 1");
	exec_one("/bin/sh", (char *[]){ "sh", "-c", text, NULL },
		 (char *[]){ "PATH=/bin:/usr/bin", NULL });
	T(lseek(8, 0, SEEK_CUR));
}

static void case_fork_copies(void)
{
	static int value = 1;
	int fd = open("f", O_CREAT | O_RDWR, 0600), status;

	fflush(stdout);
	if (fork() == 0) {
		value = 2;
		close(fd);
		chdir("/");
		umask(0);
		_exit(0);
	}
	wait(&status);
	say("%d", value);
	T(write(fd, "x", 1));
	T(access("f", F_OK));
	T(umask(022));
	for (int i = 0; i < 200; i++)
		if (fork() == 0)
			_exit(0);
	int n = 0;
	while (wait(NULL) > 0)
		n++;
	say("%d children", n);
	T(getpid() != getppid());
	T(syscall(SYS_gettid) == getpid());
}

static void *thread_body(void *arg)
{
	*(long *)arg = syscall(SYS_gettid);
	return (void *)77;
}

static void case_threads(void)
{
	pthread_t t[20];
	long tid[20];
	void *result;
	int different = 0;

	for (int i = 0; i < 20; i++)
		pthread_create(&t[i], NULL, thread_body, &tid[i]);
	for (int i = 0; i < 20; i++) {
		pthread_join(t[i], &result);
		different += tid[i] != getpid() && result == (void *)77;
	}
	say("%d threads", different);
	T(syscall(SYS_tgkill, getpid(), 4194999, 0));
	T(syscall(SYS_tgkill, getpid(), getpid(), 0));
	T(syscall(SYS_tkill, getpid(), 0));
	T(syscall(SYS_tgkill, -1, getpid(), 0));
	T(prctl(PR_SET_NAME, "a name that is long"));
	char name[17] = "";
	T(prctl(PR_GET_NAME, name));
	say("%s", name);
	T(prctl(9999));
}

static void case_itimers(void)
{
	struct itimerval t = { { 0, 0 }, { 1000, 0 } }, old;

	T(alarm(0) > 0);
	T(alarm(500));
	T(setitimer(ITIMER_REAL, &t, &old));
	say("%d", old.it_value.tv_sec >= 4);
	T(getitimer(ITIMER_REAL, &old));
	say("%d", old.it_value.tv_sec >= 9);
	T(alarm(CASE_SECONDS) > 9);
	T(setitimer(99, &t, NULL));
	t.it_value.tv_usec = 1000000;
	T(setitimer(ITIMER_REAL, &t, NULL));
	struct timespec bad = { 0, 1000000000 };
	T(nanosleep(&bad, NULL));
	T(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL));
	T(clock_gettime(9999, &bad));
	T(clock_getres(CLOCK_MONOTONIC, &bad));
	T(clock_gettime(CLOCK_REALTIME, &bad));
	T(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &bad));
	timer_t id;
	struct sigevent none = { .sigev_notify = SIGEV_NONE };
	T(timer_create(CLOCK_MONOTONIC, &none, &id));
	T(timer_delete(id));
}

const struct conform_case process_cases[] = {
	CASE(wait_forms), CASE(zombies),    CASE(groups_and_sessions),
	CASE(orphans),	  CASE(identity),   CASE(limits_of_processes),
	CASE(exec),	  CASE(exec_keeps), CASE(fork_copies),
	CASE(threads),	  CASE(itimers),    { NULL, NULL },
};

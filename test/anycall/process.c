/* SPDX-License-Identifier: MIT */
/*
 * process.c - numbers, limits, scheduling, children, signals, clocks and timers.
 */
#include "test/anycall/anycall.h"

#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MASK_SIZE 8u
#define SECOND INT64_C(1000000000)

/* Differs from run to run, and must be what this thread's own C library says. */
static void same_as(struct run *run, const char *what, int64_t seen, int64_t wanted)
{
	if (seen == wanted)
		anycall_note(run, "    %s: as here\n", what);
	else
		anycall_note(run, "    %s: %lld, here %lld\n", what, (long long)seen,
			     (long long)wanted);
}

static void numbers(struct run *run)
{
	unsigned int id[3];
	unsigned int group[64];

	same_as(run, "getpid", CALL_HIDDEN(run, getpid), getpid());
	same_as(run, "getppid", CALL_HIDDEN(run, getppid), getppid());
	same_as(run, "getpgrp", CALL_HIDDEN(run, getpgrp), getpgrp());
	same_as(run, "getpgid", CALL_HIDDEN(run, getpgid, 0), getpgid(0));
	same_as(run, "getsid", CALL_HIDDEN(run, getsid, 0), getsid(0));
	CALL(run, getuid);
	CALL(run, geteuid);
	CALL(run, getgid);
	CALL(run, getegid);
	CALL(run, getresuid, P(&id[0]), P(&id[1]), P(&id[2]));
	anycall_note(run, "    %u %u %u\n", id[0], id[1], id[2]);
	CALL(run, getresgid, P(&id[0]), P(&id[1]), P(&id[2]));
	anycall_note(run, "    %u %u %u\n", id[0], id[1], id[2]);
	CALL(run, getgroups, 64, P(group));
	CALL(run, setpgid, 0, 0);
	CALL(run, setsid);
	CALL(run, getpgid, -1);
	CALL(run, getsid, -1);
	CALL(run, getresuid, P(1), P(1), P(1));
}

static void limits(struct run *run)
{
	struct rlimit limit = { 100, 200 };
	struct rlimit seen = { 0 };
	struct rusage usage;
	struct sysinfo info;
	struct utsname name;
	struct tms ticks;

	CALL(run, setrlimit, RLIMIT_NOFILE, P(&limit));
	CALL(run, getrlimit, RLIMIT_NOFILE, P(&seen));
	anycall_note(run, "    %llu %llu\n", (unsigned long long)seen.rlim_cur,
		     (unsigned long long)seen.rlim_max);
	limit.rlim_cur = 50;
	CALL(run, prlimit64, 0, RLIMIT_NOFILE, P(&limit), P(&seen));
	anycall_note(run, "    %llu\n", (unsigned long long)seen.rlim_cur);
	getrlimit(RLIMIT_NOFILE, &seen);
	anycall_note(run, "    %llu\n", (unsigned long long)seen.rlim_cur);
	CALL(run, getrlimit, 99, P(&seen));
	CALL(run, getrusage, RUSAGE_SELF, P(&usage));
	CALL(run, getrusage, 77, P(&usage));
	CALL(run, sysinfo, P(&info));
	anycall_note(run, "    unit %u\n", info.mem_unit);
	CALL(run, uname, P(&name));
	anycall_note(run, "    %s %s\n", name.sysname, name.machine);
	CALL_HIDDEN(run, times, P(&ticks));
	CALL(run, sysinfo, P(1));
	CALL(run, times, P(1));
}

struct kernel_sched_attr { /* the C library has it not yet */
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static void scheduling(struct run *run)
{
	struct sched_param param = { 0 };
	struct kernel_sched_attr attr = { .size = sizeof(attr) };
	struct timespec slice = { 0, 0 };
	uint64_t us = (uint64_t)getpid();
	cpu_set_t set;

	CALL(run, sched_get_priority_max, SCHED_FIFO);
	CALL(run, sched_get_priority_min, SCHED_FIFO);
	CALL(run, sched_get_priority_max, 99);
	CALL(run, sched_getscheduler, us);
	CALL(run, sched_setscheduler, us, SCHED_BATCH, P(&param));
	CALL(run, sched_getscheduler, us);
	same_as(run, "policy", sched_getscheduler(0), SCHED_BATCH);
	CALL(run, sched_setparam, us, P(&param));
	CALL(run, sched_getparam, us, P(&param));
	anycall_note(run, "    %d\n", param.sched_priority);
	CALL(run, sched_getattr, us, P(&attr), sizeof(attr), 0);
	anycall_note(run, "    policy %u nice %d\n", attr.policy, attr.nice);
	attr.nice = 3;
	CALL(run, sched_setattr, us, P(&attr), 0);
	CALL(run, getpriority, PRIO_PROCESS, us);
	CALL(run, setpriority, PRIO_PROCESS, us, 5);
	CALL(run, getpriority, PRIO_PROCESS, us);
	CALL(run, getpriority, 99, us);
	CALL(run, sched_rr_get_interval, us, P(&slice));
	CALL(run, sched_rr_get_interval, -1, P(&slice));
	CALL(run, sched_getaffinity, us, sizeof(set), P(&set));
	CALL(run, sched_setaffinity, us, sizeof(set), P(&set));
	CALL(run, sched_setaffinity, us, 0, P(&set));
	CALL(run, ioprio_set, IOPRIO_WHO_PROCESS, us, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6));
	CALL(run, ioprio_get, IOPRIO_WHO_PROCESS, us);
	CALL(run, ioprio_get, 99, us);
	CALL(run, get_robust_list, -1, P(&slice), P(&slice));
}

/* A child of this process, made by this thread. */
static int64_t child(int status)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(status);
	return pid;
}

static void children(struct run *run)
{
	siginfo_t info;
	int64_t pid, fd;
	int status = 0;

	CALL(run, wait4, -1, P(&status), 0, 0);
	pid = child(7);
	same_as(run, "wait4", CALL_HIDDEN(run, wait4, pid, P(&status), 0, 0), pid);
	anycall_note(run, "    status %x\n", (unsigned int)status);
	pid = child(8);
	memset(&info, 0, sizeof(info));
	CALL(run, waitid, P_PID, pid, P(&info), WEXITED | WNOWAIT, 0);
	anycall_note(run, "    status %d code %d\n", info.si_status, info.si_code);
	fd = CALL(run, pidfd_open, pid, 0);
	CALL(run, waitid, P_PIDFD, fd, P(&info), WEXITED, 0);
	CALL(run, waitid, P_PIDFD, fd, P(&info), WEXITED, 0);
	CALL(run, pidfd_send_signal, fd, 0, 0, 0);
	CALL(run, pidfd_getfd, fd, 0, 0);
	CALL(run, wait4, pid, P(&status), WNOHANG, 0);
	CALL(run, waitid, 99, 0, 0, WEXITED, 0);
	CALL(run, pidfd_open, -1, 0);
	fd = CALL(run, pidfd_open, (uint64_t)getpid(), 0);
	CALL(run, pidfd_getfd, fd, fd, 0);
	CALL(run, pidfd_getfd, fd, 99, 0);
	CALL(run, pidfd_send_signal, fd, 0, 0, 0);
}

struct kernel_action { /* as rt_sigaction() knows it */
	uintptr_t handler;
	unsigned long flags;
	uintptr_t restorer;
	uint64_t mask;
};

static void signals(struct run *run)
{
	struct kernel_action ignore = { .handler = (uintptr_t)SIG_IGN };
	struct kernel_action seen = { 0 };
	siginfo_t info = { .si_code = SI_QUEUE };
	uint64_t us = (uint64_t)getpid();

	CALL(run, rt_sigaction, SIGUSR2, P(&ignore), P(&seen), MASK_SIZE);
	anycall_note(run, "    default %d\n", seen.handler == (uintptr_t)SIG_DFL);
	CALL(run, rt_sigaction, SIGUSR2, 0, P(&seen), MASK_SIZE);
	anycall_note(run, "    ignored %d\n", seen.handler == (uintptr_t)SIG_IGN);
	CALL(run, rt_sigaction, SIGKILL, P(&ignore), 0, MASK_SIZE);
	CALL(run, rt_sigaction, SIGUSR1, P(&ignore), 0, 3);
	CALL(run, kill, us, SIGUSR2);
	CALL(run, kill, us, 99);
	CALL(run, kill, 0x7ffffff0, 0);
	CALL(run, tkill, us, SIGUSR2);
	CALL(run, tgkill, us, us, SIGUSR2);
	CALL(run, tgkill, us, 1, 0);
	info.si_signo = SIGUSR2;
	CALL(run, rt_sigqueueinfo, us, SIGUSR2, P(&info));
	CALL(run, rt_tgsigqueueinfo, us, us, SIGUSR2, P(&info));
	CALL(run, rt_sigqueueinfo, us, 99, P(&info));
	CALL(run, alarm, 1000);
	CALL_HIDDEN(run, alarm, 0);
}

/* A clock read by a call lies between two readings of this thread. */
static void clock_is_now(struct run *run, clockid_t clock)
{
	struct timespec before, seen = { 0, 0 }, after;

	clock_gettime(clock, &before);
	CALL(run, clock_gettime, clock, P(&seen));
	clock_gettime(clock, &after);
	anycall_note(run, "    now: %d\n",
		     before.tv_sec * SECOND + before.tv_nsec <=
				     seen.tv_sec * SECOND + seen.tv_nsec &&
			     seen.tv_sec * SECOND + seen.tv_nsec <=
				     after.tv_sec * SECOND + after.tv_nsec);
}

static void clocks(struct run *run)
{
	struct timespec soon = { 0, 100000 };
	struct timespec bad = { 0, -1 };
	struct timespec seen;
	struct timeval now = { 0, 0 };
	time_t second = 0;

	clock_is_now(run, CLOCK_REALTIME);
	clock_is_now(run, CLOCK_MONOTONIC);
	clock_is_now(run, CLOCK_PROCESS_CPUTIME_ID);
	CALL(run, clock_getres, CLOCK_MONOTONIC, P(&seen));
	anycall_note(run, "    %ld\n", seen.tv_nsec);
	CALL(run, clock_gettime, 99, P(&seen));
	CALL(run, clock_getres, 99, P(&seen));
	CALL(run, clock_nanosleep, CLOCK_MONOTONIC, 0, P(&soon), 0);
	CALL(run, clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, P(&soon), 0);
	CALL(run, clock_nanosleep, 99, 0, P(&soon), 0);
	CALL(run, nanosleep, P(&soon), 0);
	CALL(run, nanosleep, P(&bad), 0);
	CALL(run, gettimeofday, P(&now), 0);
	anycall_note(run, "    set: %d\n", now.tv_sec > 1000000);
	same_as(run, "time", CALL_HIDDEN(run, time, P(&second)) == second, 1);
	CALL(run, gettimeofday, P(1), 0);
	CALL(run, clock_settime, CLOCK_MONOTONIC, P(&bad));
}

static void timers(struct run *run)
{
	struct sigevent quiet = { .sigev_notify = SIGEV_NONE };
	struct itimerspec hour = { .it_value = { 3600, 0 } };
	struct itimerspec seen = { 0 };
	struct itimerval slow = { .it_value = { 3600, 0 } };
	struct itimerval left = { 0 };
	int timer = -1;

	CALL(run, timer_create, CLOCK_MONOTONIC, P(&quiet), P(&timer));
	CALL(run, timer_settime, timer, 0, P(&hour), 0);
	CALL(run, timer_gettime, timer, P(&seen));
	anycall_note(run, "    in an hour: %d\n", seen.it_value.tv_sec >= 3590);
	CALL(run, timer_getoverrun, timer);
	CALL(run, timer_delete, timer);
	CALL(run, timer_delete, timer);
	CALL(run, timer_create, 99, P(&quiet), P(&timer));
	CALL(run, setitimer, ITIMER_REAL, P(&slow), 0);
	CALL(run, getitimer, ITIMER_REAL, P(&left));
	anycall_note(run, "    in an hour: %d\n", left.it_value.tv_sec >= 3590);
	memset(&slow, 0, sizeof(slow));
	CALL(run, setitimer, ITIMER_REAL, P(&slow), P(&left));
	CALL(run, getitimer, ITIMER_REAL, P(&left));
	anycall_note(run, "    %ld\n", (long)left.it_value.tv_sec);
	CALL(run, getitimer, 99, P(&left));
}

static void random_bytes(struct run *run)
{
	char bytes[16] = { 0 };
	char zero[16] = { 0 };

	CALL(run, getrandom, P(bytes), sizeof(bytes), 0);
	anycall_note(run, "    filled %d\n", memcmp(bytes, zero, sizeof(bytes)) != 0);
	CALL(run, getrandom, P(bytes), sizeof(bytes), 0x1000);
	CALL(run, getrandom, P(1), 1, 0);
}

const struct anycall_case anycall_process[] = {
	{ "numbers", numbers },
	{ "limits", limits },
	{ "scheduling", scheduling },
	{ "children", children },
	{ "signals", signals },
	{ "clocks", clocks },
	{ "timers", timers },
	{ "random_bytes", random_bytes },
	{ NULL, NULL },
};

/* SPDX-License-Identifier: MIT */
/*
 * host.c - host processes: every process inside is a child of ours (CLONE_PARENT), so
 * the host tells us of its end, and its number stays its own until we reap it.
 *
 * SIGCHLD's handler rings the bell. Then pidfds that became readable say who is dead,
 * and waitid(P_ALL) without WEXITED says who was stopped or continued; so neither a
 * lost signal nor a zombie that is kept for its parent hides anything.
 *
 * Who is a child of ours, or of one of ours that ended (we are subreaper), and is no
 * process inside, was made past the shim: it is killed when it is seen twice.
 */
#include "front/inside.h"

#include "call/call.h"
#include "task/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define EVENTS_A_LOOK 32
#define LATE_NS UINT64_C(1000000000) /* between exit and the host process's own end */
#define LOST_NS UINT64_C(2000000000) /* a child whose parent died between grant and clone */
#define STRANGERS_MAX 64u

static struct {
	int epoll_fd;
	volatile sig_atomic_t child_changed;
	struct sigaction old_action;
	int32_t strangers[STRANGERS_MAX]; /* seen by the last sweep */
	unsigned int stranger_count;
	bool ready;
} host = { .epoll_fd = -1 };

static void on_child(int sig)
{
	int saved = errno;

	(void)sig;
	host.child_changed = 1;
	front_ring();
	errno = saved;
}

int host_process_init(void)
{
	struct sigaction action = { .sa_handler = on_child, .sa_flags = SA_RESTART | SA_ONSTACK };

	host.stranger_count = 0;
	host.child_changed = 0;
	host.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (host.epoll_fd < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN); /* a program's broken pipe is the program's: EPIPE tells us */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
	    sigaction(SIGCHLD, &action, &host.old_action) < 0) {
		close(host.epoll_fd);
		return -errno;
	}
	host.ready = true;
	return 0;
}

void host_process_fini(void)
{
	if (!host.ready)
		return;
	sigaction(SIGCHLD, &host.old_action, NULL);
	close(host.epoll_fd);
	host.epoll_fd = -1;
	host.ready = false;
}

static int wait_host(idtype_t type, id_t id, siginfo_t *info, int options, struct rusage *usage)
{
	memset(info, 0, sizeof(*info));
	return syscall(SYS_waitid, type, id, info, options, usage) < 0 ? -errno : 0;
}

/* ---- birth. */

int host_process_adopt(struct process *p, int32_t pid)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };
	siginfo_t info;
	int pidfd;

	if (pid <= 1 || process_number_used(pid))
		return -ECHILD;
	/* Only children of ours can be waited for; and nobody but us reaps them. */
	if (wait_host(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, NULL) < 0)
		return -ECHILD;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return -EAGAIN;
	event.data.fd = pid;
	if (epoll_ctl(host.epoll_fd, EPOLL_CTL_ADD, pidfd, &event) < 0) {
		close(pidfd);
		return -EAGAIN;
	}
	process_started(p, pid, pidfd);
	if (info.si_pid != 0) /* dead already: its SIGCHLD came before we knew it */
		host.child_changed = 1;
	return 0;
}

/* ---- what the host tells. */

static void process_died(struct process *p)
{
	struct rusage usage;
	siginfo_t info;

	if (p->host_dead ||
	    wait_host(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG | WNOWAIT, &usage) < 0 ||
	    info.si_pid == 0)
		return;
	process_host_died(p, (struct process_status){ info.si_code, info.si_status }, &usage);
}

/* In any state, GONE too. */
static struct process *find_host(int32_t pid)
{
	struct process *p = process_find(pid);

	if (p)
		return p;
	for (p = process_next_any(NULL); p && p->pid != pid; p = process_next_any(p))
		;
	return p;
}

static void look_for_dead(void)
{
	struct epoll_event events[EVENTS_A_LOOK];
	int count;

	do {
		count = epoll_wait(host.epoll_fd, events, EVENTS_A_LOOK, 0);
		for (int i = 0; i < count; i++) {
			struct process *p = find_host(events[i].data.fd);

			if (p)
				process_died(p);
		}
	} while (count == EVENTS_A_LOOK);
}

static void look_for_stopped(void)
{
	struct process *p;
	siginfo_t info;

	while (wait_host(P_ALL, 0, &info, WSTOPPED | WCONTINUED | WNOHANG | __WALL, NULL) == 0 &&
	       info.si_pid != 0) {
		p = process_find(info.si_pid);
		if (p)
			process_host_changed(
				p, (struct process_status){ info.si_code, info.si_status });
	}
}

bool host_process_poll(void)
{
	if (!host.child_changed)
		return false;
	host.child_changed = 0;
	look_for_stopped(); /* first: a death hides what was before it */
	look_for_dead();
	return true;
}

/* ---- signals. */

/* What the shim makes the program's own siginfo of: run_abi.h. */
static siginfo_t wire_info(const siginfo_t *info)
{
	siginfo_t wire = *info;

	if (info->si_signo == SIGCHLD && info->si_code > 0 && info->si_code <= CLD_CONTINUED) {
		wire.si_code = RUN_SI_CHILD;
		wire.si_utime = info->si_code;
	} else if (info->si_code >= 0 || info->si_code == SI_TKILL) {
		wire.si_code = RUN_SI_USER;
		wire.si_errno = info->si_code;
	}
	return wire;
}

static int send_signal(struct process *p, const siginfo_t *info)
{
	siginfo_t wire = wire_info(info);

	if (p->pidfd < 0)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, p->pidfd, info->si_signo, &wire, 0) < 0 ? -errno : 0;
}

/* The thread's number is what the client says; the host checks that it is one of this process. */
static int send_to_thread(struct thread *t, const siginfo_t *info)
{
	struct process *p = t->process;
	siginfo_t wire = wire_info(info);
	int32_t tid = area_thread_tid(t);

	if (p->pidfd < 0 || p->host_dead || tid <= 0)
		return -ESRCH;
	return syscall(SYS_rt_tgsigqueueinfo, p->pid, tid, info->si_signo, &wire) < 0 ? -errno : 0;
}

static void end_thread(struct thread *t)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGSYS;
	info.si_code = RUN_SI_END;
	(void)send_to_thread(t, &info);
}

static void kill_host(struct process *p)
{
	if (p->pidfd < 0 || p->host_dead || p->kill_sent)
		return;
	p->kill_sent = true;
	syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
}

static void reap_host(struct process *p)
{
	siginfo_t info;

	if (p->pidfd < 0)
		return;
	(void)wait_host(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG, NULL);
	close(p->pidfd);
	p->pidfd = -1;
}

/* Value of a hexadecimal line like "SigIgn:\t0000000000001000" in a process's status. */
static uint64_t status_mask(const char *status, const char *name)
{
	const char *line = strstr(status, name);

	return line ? strtoull(line + strlen(name), NULL, 16) : 0;
}

/* A thread's status as the host tells it; empty if it is gone. Good until the next call. */
static const char *read_status(int32_t pid, int32_t tid)
{
	static char status[4096]; /* too large for a task's stack; nobody yields here */
	ssize_t size = -1;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		size = read(fd, status, sizeof(status) - 1);
		close(fd);
	}
	status[size > 0 ? size : 0] = '\0';
	return status;
}

static bool signal_ignored(struct thread *t, int sig)
{
	const char *status = read_status(t->process->pid, area_thread_tid(t));
	uint64_t mask = status_mask(status, "SigIgn:") | status_mask(status, "SigBlk:");

	return (mask >> (sig - 1) & 1) != 0;
}

static bool signal_caught(const struct process *p, int sig)
{
	return (status_mask(read_status(p->pid, p->pid), "SigCgt:") >> (sig - 1) & 1) != 0;
}

static int get_nice(struct process *p, int *ret)
{
	int nice;

	errno = 0;
	nice = getpriority(PRIO_PROCESS, (id_t)p->pid);
	if (nice == -1 && errno != 0)
		return -errno;
	*ret = nice;
	return 0;
}

/* Not even root inside takes processor time away from who runs us. */
static int set_nice(struct process *p, int nice)
{
	int old = 0, r = get_nice(p, &old);

	if (r < 0)
		return r;
	if (nice < old)
		return -EACCES;
	return setpriority(PRIO_PROCESS, (id_t)p->pid, nice) < 0 ? -errno : 0;
}

static void client_stop(struct client *c)
{
	c->served = false;
}

static void process_ended(struct process *p)
{
	manager_process_ended(p);
}

const struct proc_host host_process_ops = {
	.signal = send_signal,
	.signal_thread = send_to_thread,
	.end_thread = end_thread,
	.entry_reset = area_entry_reset,
	.entry_is_free = area_entry_is_free,
	.client_new = area_client_new,
	.client_free = area_client_free,
	.client_stop = client_stop,
	.client_send = area_client_send,
	.thread_tid = area_thread_tid,
	.kill = kill_host,
	.adopt = host_process_adopt,
	.get_nice = get_nice,
	.set_nice = set_nice,
	.publish = area_publish,
	.signal_ignored = signal_ignored,
	.signal_caught = signal_caught,
	.reap = reap_host,
	.ended = process_ended,
};

void host_process_damage(struct client *c, const char *what)
{
	struct process *p = c->process;

	if (p->host_dead || p->kill_sent)
		return;
	fprintf(stderr, "hascall: process %d %s: killed\n", p->pid, what);
	client_stop(c);
	kill_host(p);
}

void host_process_kill_all(void)
{
	for (struct process *p = process_next_any(NULL); p; p = process_next_any(p))
		kill_host(p);
}

/* ---- now and then. */

/* A child whose parent died after the grant: it says itself who it is, or it never was. */
static void find_lost(struct process *p, uint64_t now_ns)
{
	bool alone = !p->parent || p->parent->state == PROCESS_ZOMBIE ||
		     p->parent->state == PROCESS_GONE;
	int32_t pid;

	if (!alone)
		return;
	pid = (int32_t)__atomic_load_n(&client_control(p->client)->host_pid, __ATOMIC_ACQUIRE);
	if (pid > 0 && host_process_adopt(p, pid) == 0)
		return;
	if (now_ns - p->start_ns > LOST_NS)
		process_abandon(p);
}

static void sweep_processes(void)
{
	uint64_t now_ns = clock_now_ns();
	struct process *p = process_next_any(NULL);

	while (p) {
		struct process *next;

		process_get(p);
		if (p->state == PROCESS_STARTING)
			find_lost(p, now_ns);
		else if (!p->host_dead &&
			 (p->state == PROCESS_ZOMBIE || p->state == PROCESS_GONE) &&
			 now_ns - p->zombie_ns > LATE_NS)
			kill_host(p);
		/* One at a time may leave the table, and only this one. */
		next = list_empty(&p->node) ? process_next_any(NULL) : process_next_any(p);
		process_put(p);
		p = next;
	}
}

static bool seen_before(int32_t pid)
{
	for (unsigned int i = 0; i < host.stranger_count; i++) {
		if (host.strangers[i] == pid)
			return true;
	}
	return false;
}

static bool one_is_starting(void)
{
	for (struct process *p = process_next_any(NULL); p; p = process_next_any(p)) {
		if (p->state == PROCESS_STARTING)
			return true;
	}
	return false;
}

static void end_stranger(int32_t pid)
{
	siginfo_t info;

	/* Dying takes a moment: the next sweep gives back what this one has killed. */
	if (wait_host(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | __WALL, NULL) == 0 &&
	    info.si_pid == 0) {
		fprintf(stderr, "hascall: process %d was made past the manager: killed\n", pid);
		kill(pid, SIGKILL);
	}
}

/* Children of ours that are no process inside. How many; at most STRANGERS_MAX. */
static unsigned int find_strangers(int32_t *ret)
{
	unsigned int count = 0;
	char path[64];
	FILE *children;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	children = fopen(path, "re");
	if (!children)
		return 0; /* a kernel without it: strangers live until we end */
	while (count < STRANGERS_MAX && fscanf(children, "%d", &pid) == 1) {
		if (!process_number_used(pid))
			ret[count++] = pid;
	}
	fclose(children);
	return count;
}

static void sweep_strangers(void)
{
	int32_t seen[STRANGERS_MAX];
	unsigned int count = find_strangers(seen);

	if (count > 0 && one_is_starting())
		return; /* it may be that one */
	for (unsigned int i = 0; i < count; i++) {
		if (seen_before(seen[i]))
			end_stranger(seen[i]);
	}
	memcpy(host.strangers, seen, count * sizeof(seen[0]));
	host.stranger_count = count;
}

bool host_process_end_strangers(void)
{
	int32_t seen[STRANGERS_MAX];
	unsigned int count = front_options.keep_strangers ? 0 : find_strangers(seen);

	for (unsigned int i = 0; i < count; i++)
		end_stranger(seen[i]);
	return count > 0;
}

void host_process_sweep(void)
{
	sweep_processes();
	if (!front_options.keep_strangers)
		sweep_strangers();
}

/* SPDX-License-Identifier: MIT */
/*
 * test_proc.c - what proc.h promises of processes: birth, death, wait, groups,
 * sessions, signals, identity, limits.
 */
#include "test/proc/proc_test.h"

#include <sched.h>
#include <sys/ioctl.h>

static void a_child_is_told_of_once(void)
{
	struct wait_result w;
	struct process *p, *c;

	begin_processes();
	p = first_process(100);
	CHECK_INT(wait_now(p, WEXITED, &w), -ECHILD);
	c = child_of(p, 101);
	CHECK_INT(process_ppid(c), 100);
	CHECK_INT(wait_now(p, WEXITED, &w), 0);
	ends(c, 3);
	EXPECT_SENT("17 to 100: code 1 of 101 status 3\n");
	CHECK_INT(wait_now(p, WEXITED | WNOWAIT, &w), 101);
	CHECK_INT(wait_now(p, WEXITED, &w), 101);
	CHECK_INT(w.how.code, CLD_EXITED);
	CHECK_INT(w.how.status, 3);
	CHECK_INT(test_reaped, 1);
	CHECK_INT(wait_now(p, WEXITED, &w), -ECHILD);
	end_processes();
}

static void a_number_is_used_until_the_host_process_is_gone(void)
{
	struct wait_result w;
	struct process *p, *c;

	begin_processes();
	p = first_process(100);
	c = child_of(p, 101);
	says_exit(c, 0);
	CHECK(process_find(101) != NULL);
	CHECK_INT(wait_now(p, WEXITED, &w), 101);
	CHECK(process_find(101) == NULL);
	CHECK(process_number_used(101));
	CHECK_INT(test_reaped, 0);
	host_ends(101);
	CHECK(!process_number_used(101));
	CHECK_INT(test_reaped, 1);
	end_processes();
}

static void a_host_process_is_not_reaped_before_its_parent_waited(void)
{
	struct wait_result w;
	struct process *p, *c;

	begin_processes();
	p = first_process(100);
	c = child_of(p, 101);
	dies(c, SIGSEGV);
	EXPECT_SENT("17 to 100: code 2 of 101 status 11\n");
	CHECK_INT(test_reaped, 0);
	CHECK_INT(wait_now(p, WEXITED, &w), 101);
	CHECK_INT(w.how.code, CLD_KILLED);
	CHECK_INT(w.how.status, SIGSEGV);
	CHECK_INT(test_reaped, 1);
	end_processes();
}

static void stop_and_continue_are_told_to_who_asks(void)
{
	struct wait_result w;
	struct process *p, *c;

	begin_processes();
	p = first_process(100);
	c = child_of(p, 101);
	process_host_changed(c, (struct process_status){ CLD_STOPPED, SIGTSTP });
	EXPECT_SENT("17 to 100: code 5 of 101 status 20\n");
	CHECK_INT(wait_now(p, WEXITED, &w), 0);
	CHECK_INT(wait_now(p, WEXITED | WCONTINUED, &w), 0);
	CHECK_INT(wait_now(p, WEXITED | WSTOPPED | WNOWAIT, &w), 101);
	CHECK_INT(wait_now(p, WEXITED | WSTOPPED, &w), 101);
	CHECK_INT(w.how.code, CLD_STOPPED);
	CHECK_INT(w.how.status, SIGTSTP);
	CHECK_INT(wait_now(p, WEXITED | WSTOPPED, &w), 0);
	process_host_changed(c, (struct process_status){ CLD_CONTINUED, SIGCONT });
	CHECK_INT(wait_now(p, WEXITED | WSTOPPED, &w), 0);
	CHECK_INT(wait_now(p, WEXITED | WCONTINUED, &w), 101);
	CHECK_INT(c->state, PROCESS_RUNNING);
	p->sigchld_no_stop = true;
	EXPECT_SENT("17 to 100: code 6 of 101 status 18\n");
	process_host_changed(c, (struct process_status){ CLD_STOPPED, SIGSTOP });
	EXPECT_SENT("");
	end_processes();
}

static struct {
	struct process *p;
	struct wait_result result;
	struct wait_request w;
	int r;
	bool done;
} waiting;

static void wait_in_task(void *arg) MAY_YIELD
{
	(void)arg;
	waiting.done = false;
	waiting.r = process_wait(waiting.p, &waiting.w, &waiting.result);
	waiting.done = true;
}

static void wait_goes_by_number_and_group(void)
{
	struct process *p, *a, *b;

	begin_processes();
	p = first_process(100);
	a = child_of(p, 101);
	b = child_of(p, 102);
	CHECK_INT(process_setpgid(p, 102, 0), 0);
	waiting.p = p;
	waiting.w = (struct wait_request){ .kind = P_PGID, .id = 102, .options = WEXITED };
	run_as(p, wait_in_task, NULL);
	CHECK(!waiting.done);
	ends(a, 1);
	sched_run_until_idle();
	CHECK(!waiting.done);
	ends(b, 2);
	sched_run_until_idle();
	CHECK(waiting.done);
	CHECK_INT(waiting.r, 0);
	CHECK_INT(waiting.result.pid, 102);
	waiting.w = (struct wait_request){ .kind = P_PID, .id = 102, .options = WEXITED };
	run_as(p, wait_in_task, NULL);
	CHECK_INT(waiting.r, -ECHILD);
	waiting.w.id = 101;
	run_as(p, wait_in_task, NULL);
	CHECK_INT(waiting.result.how.status, 1);
	end_processes();
}

static void usage_waits_for_the_host_process(void)
{
	struct process *p, *c;

	begin_processes();
	p = first_process(100);
	c = child_of(p, 101);
	says_exit(c, 5);
	waiting.p = p;
	waiting.w = (struct wait_request){ .kind = P_ALL, .options = WEXITED, .want_usage = true };
	run_as(p, wait_in_task, NULL);
	CHECK(!waiting.done);
	host_ends(101);
	sched_run_until_idle();
	CHECK(waiting.done);
	CHECK_INT(waiting.result.how.status, 5);
	CHECK_INT(waiting.result.usage.ru_minflt, 101);
	end_processes();
}

static void a_signal_cuts_wait_short(void)
{
	struct process *p;

	begin_processes();
	p = first_process(100);
	child_of(p, 101);
	waiting.p = p;
	waiting.w = (struct wait_request){ .kind = P_ALL, .options = WEXITED };
	run_as(p, wait_in_task, NULL);
	thread_cancel(p->client->thread[0]);
	sched_run_until_idle();
	CHECK(waiting.done);
	CHECK_INT(waiting.r, -ERESTARTSYS);
	end_processes();
}

static void an_ignoring_parent_has_no_zombies(void)
{
	struct wait_result w;
	struct process *p, *c;

	begin_processes();
	p = first_process(100);
	p->sigchld_ignored = true;
	c = child_of(p, 101);
	ends(c, 0);
	CHECK(!process_number_used(101));
	CHECK_INT(wait_now(p, WEXITED, &w), -ECHILD);
	end_processes();
}

static void orphans_go_to_the_manager_and_leave_no_zombie(void)
{
	struct process *p, *c, *g;

	begin_processes();
	p = first_process(100);
	c = child_of(p, 101);
	g = child_of(c, 102);
	ends(child_of(c, 103), 0);
	CHECK(process_number_used(103));
	ends(c, 0);
	CHECK_INT(process_ppid(g), PROC_INIT_PID);
	CHECK(!process_number_used(103)); /* the zombie went with its parent */
	ends(g, 0);
	CHECK(!process_number_used(102));
	CHECK(process_number_used(101));
	end_processes();
}

static void forks_have_a_limit(void)
{
	struct process *p, *c;

	begin_processes_limited(3, 0);
	p = first_process(100);
	child_of(p, 101);
	child_of(p, 102);
	CHECK_INT(process_fork(p, SIGCHLD, &c), -EAGAIN);
	CHECK_INT(process_fork(p, CLONE_NEWUSER | SIGCHLD, &c), -EPERM);
	CHECK_INT(process_fork(p, CLONE_THREAD | SIGCHLD, &c), -EINVAL);
	end_processes();
}

static void threads_have_a_limit(void)
{
	struct thread *t;
	struct process *p;

	begin_processes();
	p = first_process(100);
	for (unsigned int i = 1; i < PROC_ENTRIES; i++)
		CHECK_INT(thread_new(p, -1, &t), 0);
	CHECK_INT(thread_new(p, -1, &t), -EAGAIN);
	thread_end(p->client->thread[77]);
	CHECK_INT(thread_new(p, -1, &t), 0);
	CHECK_INT(t->entry, 77);
	end_processes();
	begin_processes_limited(0, 5);
	p = first_process(100);
	for (unsigned int i = 1; i < 5; i++)
		CHECK_INT(thread_new(p, -1, &t), 0);
	CHECK_INT(thread_new(p, -1, &t), -EAGAIN);
	CHECK_INT(process_fork(p, SIGCHLD, &p), -EAGAIN);
	end_processes();
}

static void exec_ends_the_other_threads_and_marked_descriptors(void)
{
	struct process_image image = { .comm = "a-name-longer-than-fifteen",
				       .cmdline = "x\0y",
				       .cmdline_size = 4,
				       .environ = "A=1",
				       .environ_size = 4,
				       .euid = UINT32_MAX,
				       .egid = UINT32_MAX };
	struct process *p;
	struct thread *t;
	struct file *pipe[2];

	begin_processes();
	p = first_process(100);
	CHECK_INT(thread_new(p, -1, &t), 0);
	CHECK_INT(pipe_new(0, pipe), 0);
	CHECK_INT(fd_install(p->fds, pipe[0], true, 0, 10), 0);
	CHECK_INT(fd_install(p->fds, pipe[1], false, 0, 10), 1);
	CHECK_INT(process_fork(p, CLONE_VFORK | SIGCHLD, &(struct process *){ NULL }), 0);
	image.exe = p->view.root;
	CHECK_INT(process_exec(p, &image), 0);
	CHECK_STR(p->comm, "a-name-longer-t");
	CHECK(fd_peek(p->fds, 0) == NULL);
	CHECK(fd_peek(p->fds, 1) != NULL);
	CHECK_INT(p->text->cmdline_size, 4);
	end_processes();
}

static void end_threads(void *arg) MAY_YIELD
{
	struct process *p = arg;

	waiting.r = process_end_threads(p->client->thread[0]);
	waiting.done = true;
}

static void exec_waits_for_calls_of_other_threads(void)
{
	struct process *p;
	struct thread *idle, *busy;

	begin_processes();
	p = first_process(100);
	CHECK_INT(thread_new(p, -1, &idle), 0);
	CHECK_INT(thread_new(p, -1, &busy), 0);
	busy->state = THREAD_QUEUED;
	waiting.done = false;
	run_as(p, end_threads, p);
	EXPECT_SENT("end thread 1 of 100\nend thread 2 of 100\n");
	CHECK(!waiting.done);
	CHECK(busy->cancelled);
	CHECK_INT(thread_new(p, -1, &idle), -EAGAIN);
	thread_idle(busy);
	sched_run_until_idle();
	CHECK(waiting.done);
	CHECK_INT(waiting.r, 0);
	CHECK_INT(p->client->thread_count, 1);
	end_processes();
}

static void vfork_wait(void *arg) MAY_YIELD
{
	waiting.r = process_vfork_wait(arg);
	waiting.done = true;
}

static void a_vfork_parent_waits_for_the_child_only(void)
{
	struct process *p, *c;

	begin_processes();
	p = first_process(100);
	CHECK_INT(process_fork(p, CLONE_VFORK | SIGCHLD, &c), 0);
	process_started(c, 101, -1);
	waiting.done = false;
	run_as(p, vfork_wait, c);
	thread_cancel(p->client->thread[0]); /* a signal has to wait */
	sched_run_until_idle();
	CHECK(!waiting.done);
	ends(c, 0);
	sched_run_until_idle();
	CHECK(waiting.done);
	CHECK_INT(waiting.r, 0);
	end_processes();
}

/* ---- groups and sessions. */

static void groups_follow_posix(void)
{
	struct process *p, *a, *b;

	begin_processes();
	p = first_process(100);
	a = child_of(p, 101);
	b = child_of(p, 102);
	CHECK_INT(process_pgid(a), 100);
	CHECK_INT(process_sid(a), 100);
	CHECK_INT(process_setpgid(p, 100, 0), -EPERM); /* leads the session */
	CHECK_INT(process_setpgid(p, 101, 0), 0);
	CHECK_INT(process_setpgid(p, 102, 101), 0);
	CHECK_INT(process_pgid(b), 101);
	CHECK_INT(process_setpgid(p, 102, 999), -EPERM);
	CHECK_INT(process_setpgid(p, 102, -1), -EINVAL);
	CHECK_INT(process_setpgid(p, 999, 0), -ESRCH);
	CHECK_INT(process_setpgid(a, 102, 0), -ESRCH); /* no child of it */
	b->has_execed = true;
	CHECK_INT(process_setpgid(p, 102, 0), -EACCES);
	CHECK_INT(process_setpgid(b, 0, 0), 0);
	CHECK_INT(process_setsid(p), -EPERM);
	CHECK_INT(process_setsid(b), -EPERM); /* leads a group */
	CHECK_INT(process_setpgid(b, 0, 101), 0);
	CHECK_INT(process_setsid(b), 102);
	CHECK_INT(process_sid(b), 102);
	CHECK_INT(process_setpgid(p, 101, 102), -EPERM); /* another session's */
	end_processes();
}

static void an_orphaned_stopped_group_is_hung_up(void)
{
	struct process *p, *shell, *job;

	begin_processes();
	p = first_process(100);
	shell = child_of(p, 101);
	CHECK_INT(process_setpgid(shell, 0, 0), 0);
	job = child_of(shell, 102);
	CHECK_INT(process_setpgid(job, 0, 0), 0);
	process_host_changed(job, (struct process_status){ CLD_STOPPED, SIGSTOP });
	EXPECT_SENT("17 to 101: code 5 of 102 status 19\n");
	ends(shell, 0);
	EXPECT_SENT("1 to 102: code 128 from 0\n18 to 102: code 128 from 0\n"
		    "17 to 100: code 1 of 101 status 0\n");
	end_processes();
}

/* Nobody outside could continue it before either: it is left alone when others end. */
static void a_group_that_was_orphaned_before_is_left_alone(void)
{
	struct process *p, *job, *other;

	begin_processes();
	p = first_process(100);
	job = child_of(p, 101);
	other = child_of(p, 102);
	process_host_changed(job, (struct process_status){ CLD_STOPPED, SIGSTOP });
	ends(other, 0);
	EXPECT_SENT("17 to 100: code 5 of 101 status 19\n"
		    "17 to 100: code 1 of 102 status 0\n");
	end_processes();
}

static void a_keyboards_stop_is_lost_in_an_orphaned_group(void)
{
	struct process *p, *job;

	begin_processes();
	p = first_process(100);
	job = child_of(p, 101);
	process_signal(job, SIGTSTP, SI_KERNEL);
	process_signal(job, SIGTTIN, SI_KERNEL);
	EXPECT_SENT("");
	process_signal(job, SIGTTOU, SI_KERNEL); /* has a handler */
	process_signal(job, SIGSTOP, SI_KERNEL);
	EXPECT_SENT("22 to 101: code 128 from 0\n19 to 101: code 128 from 0\n");
	CHECK_INT(process_setpgid(job, 0, 0), 0);
	process_signal(job, SIGTSTP, SI_KERNEL);
	EXPECT_SENT("20 to 101: code 128 from 0\n");
	end_processes();
}

/* ---- signals. */

static int try_kill(struct process *from, int32_t pid, int sig)
{
	const struct signal_from f = { .sender = from, .code = SI_USER };
	bool self;

	return process_kill(&f, pid, sig, &self);
}

static void only_processes_inside_are_signalled(void)
{
	struct process *p;
	bool self;

	begin_processes();
	p = first_process(100);
	CHECK_INT(try_kill(p, 4242, SIGKILL), -ESRCH);
	CHECK_INT(try_kill(p, -4242, SIGKILL), -ESRCH);
	CHECK_INT(try_kill(p, INT32_MIN, SIGKILL), -ESRCH);
	CHECK_INT(try_kill(p, -1, SIGKILL), -ESRCH);
	CHECK_INT(try_kill(p, 100, 65), -EINVAL);
	CHECK_INT(try_kill(p, 100, -1), -EINVAL);
	CHECK_INT(try_kill(p, 100, 0), 0);
	EXPECT_SENT("");
	CHECK_INT(process_kill(&(struct signal_from){ .sender = p }, 100, SIGTERM, &self), 0);
	CHECK(self);
	EXPECT_SENT("15 to 100: code 0 from 100\n");
	CHECK_INT(try_kill(p, PROC_INIT_PID, SIGKILL), 0); /* root: and nothing happens */
	EXPECT_SENT("");
	end_processes();
}

static void signals_need_the_right_user(void)
{
	struct process *p, *c;

	begin_processes();
	p = first_process(100);
	c = child_of(p, 101);
	CHECK_INT(cred_set_user(c, CRED_SETRES, (uint32_t[3]){ 1000, 1000, 1000 }), 0);
	CHECK_INT(try_kill(c, 100, SIGTERM), -EPERM);
	CHECK_INT(try_kill(c, 100, 0), -EPERM);
	CHECK_INT(try_kill(c, PROC_INIT_PID, 0), -EPERM);
	CHECK_INT(try_kill(c, 0, SIGTERM), 0); /* the group: itself at least */
	EXPECT_SENT("15 to 101: code 0 from 101\n");
	CHECK_INT(try_kill(c, 100, SIGCONT), 0); /* same session */
	CHECK_INT(try_kill(p, 101, SIGTERM), 0);
	EXPECT_SENT("18 to 100: code 0 from 101\n15 to 101: code 0 from 100\n");
	CHECK_INT(process_setsid(c), 101);
	CHECK_INT(try_kill(c, 100, SIGCONT), -EPERM);
	end_processes();
}

static void a_group_is_signalled_as_one(void)
{
	struct process *p, *a, *b;

	begin_processes();
	p = first_process(100);
	a = child_of(p, 101);
	b = child_of(p, 102);
	CHECK_INT(process_setpgid(a, 0, 0), 0);
	CHECK_INT(process_setpgid(b, 0, 101), 0);
	CHECK_INT(try_kill(p, -101, SIGINT), 0);
	EXPECT_SENT("2 to 101: code 0 from 100\n2 to 102: code 0 from 100\n");
	says_exit(a, 0);
	EXPECT_SENT("17 to 100: code 1 of 101 status 0\n");
	CHECK_INT(try_kill(p, -101, SIGINT), 0); /* the zombie counts, and hears nothing */
	EXPECT_SENT("2 to 102: code 0 from 100\n");
	CHECK_INT(try_kill(p, 101, SIGINT), 0);
	EXPECT_SENT("");
	end_processes();
}

static void a_thread_is_found_by_its_number_and_process(void)
{
	struct process *p, *c;
	struct thread *t;
	const struct signal_from *from;
	bool self;

	begin_processes();
	p = first_process(100);
	c = child_of(p, 101);
	from = &(struct signal_from){ .sender = c, .code = SI_TKILL };
	CHECK_INT(thread_new(p, -1, &t), 0);
	CHECK_INT(process_kill_thread(from, 100, 1100, SIGUSR1, &self), 0);
	CHECK(!self);
	CHECK_INT(process_kill_thread(from, 101, 1100, SIGUSR1, &self), -ESRCH);
	CHECK_INT(process_kill_thread(from, -1, 1100, SIGUSR1, &self), 0);
	CHECK_INT(process_kill_thread(from, 100, 0, SIGUSR1, &self), -EINVAL);
	CHECK_INT(process_kill_thread(from, 100, 1234, SIGUSR1, &self), -ESRCH);
	EXPECT_SENT("10 to thread 1 of 100: code -6\n10 to thread 1 of 100: code -6\n");
	end_processes();
}

static void a_signal_reaches_a_child_that_is_being_made(void)
{
	struct process *p, *c;

	begin_processes();
	p = first_process(100);
	CHECK_INT(process_fork(p, SIGCHLD, &c), 0);
	CHECK_INT(try_kill(p, 0, SIGTERM), 0);
	EXPECT_SENT("15 to 100: code 0 from 100\n");
	process_started(c, 101, -1);
	EXPECT_SENT("15 to 101: code 0 from 0\n");
	end_processes();
}

/* ---- the terminal. */

static void tty_as_caller(void *arg)
{
	struct process *p = arg;
	struct file *tty = p->group->session->tty;
	int32_t id = -1;

	CHECK_INT(proc_tty_ioctl(tty, TIOCGPGRP, &id), 0);
	CHECK_INT(id, 100);
	CHECK_INT(proc_tty_ioctl(tty, TIOCGSID, &id), 0);
	CHECK_INT(id, 100);
	id = 101;
	CHECK_INT(proc_tty_ioctl(tty, TIOCSPGRP, &id), 0);
	id = 4242;
	CHECK_INT(proc_tty_ioctl(tty, TIOCSPGRP, &id), -ESRCH);
	id = -5;
	CHECK_INT(proc_tty_ioctl(tty, TIOCSPGRP, &id), -EINVAL);
	CHECK_INT(proc_tty_ioctl(tty, 0x1234, &id), -ENOTTY);
}

static void read_from_background(void *arg)
{
	struct process *p = arg;

	CHECK_INT(proc_tty_access(p->group->session->tty, true), 0);
	CHECK_INT(proc_tty_access(p->group->session->tty, false), -ERESTARTSYS);
}

static void the_terminal_has_a_group_in_front(void)
{
	struct process *p, *c;
	struct file *pipe[2];

	begin_processes();
	p = first_process(100);
	CHECK_INT(pipe_new(0, pipe), 0); /* any file will do for a terminal */
	proc_tty_first(p, pipe[0]);
	c = child_of(p, 101);
	CHECK_INT(process_setpgid(c, 0, 0), 0);
	run_as(p, tty_as_caller, p);
	CHECK(proc_signal_foreground(SIGINT));
	EXPECT_SENT("2 to 101: code 128 from 0\n");
	{
		struct process *shell = child_of(p,
						 102); /* so that the group has somebody outside */

		CHECK_INT(process_setpgid(shell, 0, 0), 0);
		run_as(shell, read_from_background, shell);
	}
	EXPECT_SENT("21 to 102: code 128 from 0\n");
	ends(p, 0);
	EXPECT_SENT("1 to 101: code 128 from 0\n18 to 101: code 128 from 0\n");
	file_put(pipe[0]);
	file_put(pipe[1]);
	end_processes();
}

/* ---- identity and limits. */

static void users_change_by_linux_rules(void)
{
	struct process *p;
	struct vfs_cred *c;

	begin_processes();
	p = first_process(100);
	c = &p->cred;
	c->privileged = true;
	CHECK_INT(cred_set_user(p, CRED_SETRE, (uint32_t[3]){ 1000, 2000 }), 0);
	CHECK_INT(c->suid, 2000);
	CHECK_INT(c->fsuid, 2000);
	CHECK(!c->privileged);
	CHECK_INT(cred_set_user(p, CRED_SET, (uint32_t[3]){ 0 }), -EPERM);
	CHECK_INT(cred_set_user(p, CRED_SET, (uint32_t[3]){ 1000 }), 0);
	CHECK_INT(c->euid, 1000);
	CHECK_INT(c->suid, 2000);
	CHECK_INT(cred_set_user(p, CRED_SETRES, (uint32_t[3]){ UINT32_MAX, 2000, UINT32_MAX }), 0);
	CHECK_INT(c->euid, 2000);
	CHECK_INT(cred_set_user(p, CRED_SETRES, (uint32_t[3]){ 5, 5, 5 }), -EPERM);
	CHECK_INT(c->euid, 2000);
	CHECK_INT(cred_set_user(p, CRED_SETFS, (uint32_t[3]){ 1000 }), 2000);
	CHECK_INT(cred_set_user(p, CRED_SETFS, (uint32_t[3]){ 7 }), 1000);
	CHECK_INT(c->fsuid, 1000);
	CHECK_INT(cred_set_user(p, CRED_SET, (uint32_t[3]){ UINT32_MAX }), -EINVAL);
	CHECK_INT(cred_set_groups(p, (uint32_t[1]){ 5 }, 1), -EPERM);
	cred_exec(p, 0, UINT32_MAX); /* a set-user-id program */
	CHECK(c->privileged);
	CHECK_INT(c->uid, 1000);
	CHECK_INT(c->suid, 0);
	end_processes();
}

static void limits_only_sink_for_users(void)
{
	struct process *p;

	begin_processes();
	p = first_process(100);
	p->cred.euid = 1000;
	CHECK_INT(process_fd_limit(p), 1024);
	CHECK_INT(limit_set(p, p, RLIMIT_NOFILE, &(struct proc_limit){ 10, 20 }), 0);
	CHECK_INT(limit_set(p, p, RLIMIT_NOFILE, &(struct proc_limit){ 20, 20 }), 0);
	CHECK_INT(limit_set(p, p, RLIMIT_NOFILE, &(struct proc_limit){ 20, 21 }), -EPERM);
	CHECK_INT(limit_set(p, p, RLIMIT_NOFILE, &(struct proc_limit){ 21, 20 }), -EINVAL);
	CHECK_INT(limit_set(p, p, 16, &(struct proc_limit){ 1, 2 }), -EINVAL);
	p->cred.euid = 0;
	CHECK_INT(limit_set(p, p, RLIMIT_NOFILE, &(struct proc_limit){ 20, FD_MAX }), 0);
	CHECK_INT(limit_set(p, p, RLIMIT_NOFILE, &(struct proc_limit){ 20, FD_MAX + 1 }), -EPERM);
	end_processes();
}

static void a_pidfd_is_readable_at_the_end(void)
{
	struct process *p, *c;
	struct file *f;

	begin_processes();
	p = first_process(100);
	c = child_of(p, 101);
	CHECK_INT(pidfd_new(c, 0, &f), 0);
	CHECK(pidfd_process(f) == c);
	CHECK_INT(file_poll(f, NULL), 0);
	ends(c, 0);
	CHECK(file_poll(f, NULL) != 0);
	file_put(f);
	end_processes();
}

static const struct test tests[] = {
	TEST(a_child_is_told_of_once),
	TEST(a_number_is_used_until_the_host_process_is_gone),
	TEST(a_host_process_is_not_reaped_before_its_parent_waited),
	TEST(stop_and_continue_are_told_to_who_asks),
	TEST(wait_goes_by_number_and_group),
	TEST(usage_waits_for_the_host_process),
	TEST(a_signal_cuts_wait_short),
	TEST(an_ignoring_parent_has_no_zombies),
	TEST(orphans_go_to_the_manager_and_leave_no_zombie),
	TEST(forks_have_a_limit),
	TEST(threads_have_a_limit),
	TEST(exec_ends_the_other_threads_and_marked_descriptors),
	TEST(exec_waits_for_calls_of_other_threads),
	TEST(a_vfork_parent_waits_for_the_child_only),
	TEST(groups_follow_posix),
	TEST(an_orphaned_stopped_group_is_hung_up),
	TEST(a_group_that_was_orphaned_before_is_left_alone),
	TEST(a_keyboards_stop_is_lost_in_an_orphaned_group),
	TEST(only_processes_inside_are_signalled),
	TEST(signals_need_the_right_user),
	TEST(a_group_is_signalled_as_one),
	TEST(a_thread_is_found_by_its_number_and_process),
	TEST(a_signal_reaches_a_child_that_is_being_made),
	TEST(the_terminal_has_a_group_in_front),
	TEST(users_change_by_linux_rules),
	TEST(limits_only_sink_for_users),
	TEST(a_pidfd_is_readable_at_the_end),
};
TEST_MAIN(tests)

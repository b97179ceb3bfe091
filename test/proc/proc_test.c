/* SPDX-License-Identifier: MIT */
#include "test/proc/proc_test.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SENT_SIZE 4096u

unsigned int test_reaped;

static char sent[SENT_SIZE];
static unsigned int clients;
static bool ignores; /* what signal_ignored answers */

static void note(const char *format, ...) PRINTF_LIKE(1, 2);
static void note(const char *format, ...)
{
	size_t length = strlen(sent);
	va_list args;

	va_start(args, format);
	vsnprintf(sent + length, SENT_SIZE - length, format, args);
	va_end(args);
}

static int fake_signal(struct process *p, const siginfo_t *info)
{
	if (info->si_signo == SIGCHLD && info->si_code > 0)
		note("%d to %d: code %d of %d status %d\n", info->si_signo, p->pid, info->si_code,
		     info->si_pid, info->si_status);
	else
		note("%d to %d: code %d from %d\n", info->si_signo, p->pid, info->si_code,
		     info->si_pid);
	return 0;
}

static int fake_signal_thread(struct thread *t, const siginfo_t *info)
{
	note("%d to thread %u of %d: code %d\n", info->si_signo, t->entry, t->process->pid,
	     info->si_code);
	return 0;
}

static void fake_end_thread(struct thread *t)
{
	note("end thread %u of %d\n", t->entry, t->process->pid);
}

static void fake_entry_reset(struct client *c, uint32_t entry)
{
	(void)c;
	(void)entry;
}

static bool fake_entry_is_free(const struct client *c, uint32_t entry)
{
	(void)c;
	(void)entry;
	return true;
}

static int fake_client_new(struct client **ret)
{
	struct client *c = calloc(1, sizeof(*c));

	CHECK(c != NULL);
	list_init(&c->node);
	clients++;
	*ret = c;
	return 0;
}

static void fake_client_free(struct client *c)
{
	CHECK_INT(c->thread_count, 0);
	clients--;
	free(c);
}

static void fake_client_stop(struct client *c)
{
	c->served = false;
}

static int fake_client_send(struct client *c, const int *fds, const uint32_t *slots,
			    unsigned int count)
{
	(void)c;
	(void)fds;
	(void)slots;
	(void)count;
	return 0;
}

/* Thread numbers as the host would give them: the first has the process's own. */
static int32_t fake_tid(const struct thread *t)
{
	return t->process->pid + (int32_t)t->entry * 1000;
}

static void fake_kill(struct process *p)
{
	note("kill %d\n", p->pid);
}

static int fake_adopt(struct process *p, int32_t pid)
{
	if (process_number_used(pid))
		return -ECHILD;
	process_started(p, pid, -1);
	return 0;
}

static void fake_nothing(struct process *p)
{
	(void)p;
}

static int fake_get_nice(struct process *p, int *ret)
{
	(void)p;
	*ret = 0;
	return 0;
}

static int fake_set_nice(struct process *p, int nice)
{
	note("%d is nice %d\n", p->pid, nice);
	return 0;
}

static bool fake_ignored(struct thread *t, int sig)
{
	(void)t;
	(void)sig;
	return ignores;
}

static bool fake_caught(const struct process *p, int sig)
{
	(void)p;
	return sig == SIGTTOU;
}

static void fake_reap(struct process *p)
{
	(void)p;
	test_reaped++;
}

static const struct proc_host fake_host = {
	.signal = fake_signal,
	.signal_thread = fake_signal_thread,
	.end_thread = fake_end_thread,
	.entry_reset = fake_entry_reset,
	.entry_is_free = fake_entry_is_free,
	.client_new = fake_client_new,
	.client_free = fake_client_free,
	.client_stop = fake_client_stop,
	.client_send = fake_client_send,
	.thread_tid = fake_tid,
	.kill = fake_kill,
	.adopt = fake_adopt,
	.get_nice = fake_get_nice,
	.set_nice = fake_set_nice,
	.publish = fake_nothing,
	.signal_ignored = fake_ignored,
	.signal_caught = fake_caught, /* SIGTTOU alone */
	.reap = fake_reap,
	.ended = fake_nothing,
};

static struct vfs_cred root_cred = { .privileged = true };
static struct dentry *root;

void begin_processes_limited(uint32_t process_limit, uint32_t thread_limit)
{
	const struct proc_options options = { .process_limit = process_limit,
					      .thread_limit = thread_limit };
	struct inode *inode;

	CHECK_INT(sched_init(&(struct sched_options){ .virtual_clock = true }, NULL), 0);
	CHECK_INT(mem_fs_new("tmpfs", 0, 0755, &inode), 0);
	CHECK_INT(vfs_root(inode, "test", &root), 0);
	proc_init(&options, &fake_host);
	sent[0] = '\0';
	test_reaped = 0;
	ignores = false;
}

void begin_processes(void)
{
	begin_processes_limited(0, 0);
}

void end_processes(void)
{
	struct process *p;

	while ((p = process_next_any(NULL))) {
		process_get(p);
		if (p->state == PROCESS_STARTING)
			process_abandon(p);
		else
			dies(p, SIGKILL);
		process_put(p);
	}
	CHECK_INT(process_count(), 0);
	CHECK_INT(clients, 0);
	CHECK_INT(sched_run_until_idle(), 0);
	proc_fini();
	dentry_put(root);
	file_fini();
	vfs_fini();
	CHECK_INT(file_count(), 0);
	sched_fini();
	(void)root_cred;
}

struct process *first_process(int32_t pid)
{
	struct process *p;

	CHECK_INT(process_first(&p), 0);
	p->view.root = dentry_get(root);
	p->view.cwd = dentry_get(root);
	CHECK_INT(fd_table_new(&p->fds), 0);
	process_started(p, pid, -1);
	return p;
}

struct process *child_of(struct process *parent, int32_t pid)
{
	struct process *p;

	CHECK_INT(process_fork(parent, SIGCHLD, &p), 0);
	process_started(p, pid, -1);
	return p;
}

void says_exit(struct process *p, int status)
{
	process_exit(p, (struct process_status){ CLD_EXITED, status });
}

void host_ends(int32_t pid)
{
	struct rusage usage = { .ru_minflt = pid };
	struct process *p = process_next_any(NULL);

	while (p && p->pid != pid)
		p = process_next_any(p);
	CHECK(p != NULL);
	process_host_died(p, (struct process_status){ CLD_EXITED, 0 }, &usage);
}

void ends(struct process *p, int status)
{
	int32_t pid = p->pid;

	says_exit(p, status);
	host_ends(pid);
}

void dies(struct process *p, int sig)
{
	struct rusage usage = { .ru_minflt = p->pid };

	process_host_died(p, (struct process_status){ CLD_KILLED, sig }, &usage);
}

void expect_sent(const char *file, int line, const char *wanted)
{
	test_check_str(file, line, "what was sent", sent, wanted);
	sent[0] = '\0';
}

struct served {
	struct process *p;
	task_fn *fn;
	void *arg;
};

static void serve(void *arg)
{
	struct served *s = arg;
	struct thread *t = s->p->client->thread[0];
	struct thread_server server;
	struct served copy = *s;

	free(s);
	thread_server_add(&server);
	server.thread = t;
	t->state = THREAD_SERVED;
	t->task = task_self();
	copy.fn(copy.arg);
	server.thread = NULL;
	thread_server_remove(&server);
	thread_idle(t);
}

void run_as(struct process *p, task_fn *fn, void *arg)
{
	struct served *s = malloc(sizeof(*s));
	struct task *task;

	CHECK(s != NULL);
	*s = (struct served){ p, fn, arg };
	CHECK_INT(task_start(&task, "server", serve, s), 0);
	sched_run_until_idle();
}

struct wait_ask {
	struct process *p;
	struct wait_request w;
	struct wait_result *result;
	int r;
};

static void ask(void *arg) MAY_YIELD
{
	struct wait_ask *a = arg;

	a->r = process_wait(a->p, &a->w, a->result);
}

int32_t wait_now(struct process *p, uint32_t options, struct wait_result *ret)
{
	struct wait_ask a = { .p = p, .result = ret };

	a.w = (struct wait_request){ .kind = P_ALL, .options = options | WNOHANG };
	run_as(p, ask, &a);
	return a.r < 0 ? a.r : ret->pid;
}

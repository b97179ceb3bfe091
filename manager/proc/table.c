/* SPDX-License-Identifier: MIT */
#include "proc/inside.h"

#include "task/sched.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define PID_BUCKETS 1024u

#define TO(s) (1u << (s))
static const uint32_t next_states[] = {
	[PROCESS_STARTING] = TO(PROCESS_RUNNING) | TO(PROCESS_ZOMBIE),
	[PROCESS_RUNNING] = TO(PROCESS_STOPPED) | TO(PROCESS_ZOMBIE),
	[PROCESS_STOPPED] = TO(PROCESS_RUNNING) | TO(PROCESS_ZOMBIE),
	[PROCESS_ZOMBIE] = TO(PROCESS_GONE),
	[PROCESS_GONE] = 0,
};

static struct {
	struct list all;     /* process->node: table's reference */
	struct list orphans; /* children of the manager */
	struct process *by_pid[PID_BUCKETS];
	struct proc_options options;
	uint32_t count, thread_count;
} table;
const struct proc_host *proc_host;

void process_move(struct process *p, enum process_state to)
{
	assert(next_states[p->state] & TO(to));
	p->state = to;
}

void proc_init(const struct proc_options *options, const struct proc_host *host)
{
	memset(&table, 0, sizeof(table));
	list_init(&table.all);
	list_init(&table.orphans);
	table.options = *options;
	if (table.options.process_limit == 0)
		table.options.process_limit = 1024;
	if (table.options.thread_limit == 0)
		table.options.thread_limit = PROC_THREADS_DEFAULT;
	if (table.options.descriptor_limit == 0)
		table.options.descriptor_limit = 1024;
	proc_host = host;
}

void proc_fini(void)
{
	assert(list_empty(&table.all));
	assert(table.count == 0);
	assert(table.thread_count == 0);
	proc_host = NULL;
}

bool threads_take(void)
{
	if (table.thread_count >= table.options.thread_limit)
		return false;
	table.thread_count++;
	return true;
}

unsigned int threads_count(void)
{
	return table.thread_count;
}

void threads_give_back(void)
{
	assert(table.thread_count > 0);
	table.thread_count--;
}

/* ---- references and numbers. */

static void text_put(struct process_text *text)
{
	if (text && --text->refs == 0)
		free(text);
}

struct process *process_get(struct process *p)
{
	p->refs++;
	return p;
}

void process_put(struct process *p)
{
	if (!p)
		return;
	assert(p->refs > 0);
	if (--p->refs > 0)
		return;
	assert(p->state == PROCESS_GONE);
	assert(list_empty(&p->threads));
	assert(list_empty(&p->children));
	assert(!p->client);
	assert(poll_queue_empty(&p->ended));
	text_put(p->text);
	free(p->window);
	free(p);
}

static struct process **pid_bucket(int32_t pid)
{
	return &table.by_pid[(uint32_t)pid % PID_BUCKETS];
}

struct process *process_find(int32_t pid)
{
	if (pid <= 0)
		return NULL;
	for (struct process *p = *pid_bucket(pid); p; p = p->pid_next) {
		if (p->pid == pid)
			return p->state == PROCESS_GONE ? NULL : p;
	}
	return NULL;
}

bool process_number_used(int32_t pid)
{
	for (struct process *p = *pid_bucket(pid); p; p = p->pid_next) {
		if (p->pid == pid)
			return true;
	}
	return false;
}

static void pid_forget(struct process *p)
{
	struct process **link = pid_bucket(p->pid);

	if (p->pid == 0)
		return;
	while (*link != p) {
		assert(*link);
		link = &(*link)->pid_next;
	}
	*link = p->pid_next;
}

uint32_t process_count(void)
{
	return table.count;
}

struct process *process_next(const struct process *p)
{
	struct list *node = p ? p->node.next : table.all.next;

	for (; node != &table.all; node = node->next) {
		struct process *found = LIST_ENTRY(node, struct process, node);

		if (found->pid != 0 && found->state != PROCESS_GONE)
			return found;
	}
	return NULL;
}

struct process *process_next_any(const struct process *p)
{
	struct list *node = p ? p->node.next : table.all.next;

	return node == &table.all ? NULL : LIST_ENTRY(node, struct process, node);
}

int32_t process_ppid(const struct process *p)
{
	return p->parent ? p->parent->pid : PROC_INIT_PID;
}

/* ---- birth. */

MUST_USE static int process_new(struct process **ret)
{
	struct process *p;
	struct thread *t;
	int r;

	if (table.count >= table.options.process_limit)
		return -EAGAIN;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->refs = 1;
	p->pidfd = -1;
	list_init(&p->children);
	list_init(&p->child_node);
	list_init(&p->threads);
	list_init(&p->group_node);
	waitq_init(&p->child_wait);
	waitq_init(&p->threads_wait);
	waitq_init(&p->vfork_wait);
	waitq_init(&p->host_wait);
	poll_queue_init(&p->ended);
	p->view.cred = &p->cred;
	p->start_ns = clock_now_ns();
	p->exit_signal = SIGCHLD;
	r = proc_host->client_new(&p->client);
	if (r < 0) {
		free(p);
		return r;
	}
	p->client->process = p;
	r = thread_new(p, 0, &t);
	if (r < 0) {
		proc_host->client_free(p->client);
		free(p);
		return r;
	}
	table.count++;
	list_push_back(&table.all, &p->node);
	*ret = p;
	return 0;
}

static void family_join(struct process *p, struct process *parent)
{
	p->parent = parent;
	list_push_back(parent ? &parent->children : &table.orphans, &p->child_node);
}

static void limits_default(struct process *p)
{
	for (unsigned int i = 0; i < PROC_LIMITS; i++)
		p->limit[i] = (struct proc_limit){ UINT64_MAX, UINT64_MAX };
	p->limit[RLIMIT_NOFILE] = (struct proc_limit){ table.options.descriptor_limit, FD_MAX };
	p->limit[RLIMIT_STACK].soft = UINT64_C(8) << 20;
	p->limit[RLIMIT_CORE].soft = 0;
	p->limit[RLIMIT_NICE] = (struct proc_limit){ 0, 0 };
	p->limit[RLIMIT_RTPRIO] = (struct proc_limit){ 0, 0 };
}

int process_first(struct process **ret)
{
	struct process *p;
	struct group *group;
	int r = process_new(&p);

	if (r < 0)
		return r;
	family_join(p, NULL);
	limits_default(p);
	r = session_new(p, &group);
	if (r < 0) {
		process_abandon(p);
		return r;
	}
	group_join(group, p);
	*ret = p;
	return 0;
}

MUST_USE static int fork_allowed(const struct process *parent, uint64_t flags)
{
	const uint64_t new_worlds = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
				    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	uint64_t same_user = 0;

	if (flags & new_worlds)
		return -EPERM;
	if (flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_FS))
		return -EINVAL;
	if ((flags & CSIGNAL) >= _NSIG)
		return -EINVAL;
	if (parent->limit[RLIMIT_NPROC].soft == UINT64_MAX || parent->cred.uid == 0)
		return 0;
	LIST_EACH(it, &table.all) {
		const struct process *p = LIST_ENTRY(it, struct process, node);

		same_user += p->state != PROCESS_GONE && p->cred.uid == parent->cred.uid;
	}
	return same_user >= parent->limit[RLIMIT_NPROC].soft ? -EAGAIN : 0;
}

static void fork_copy(struct process *p, const struct process *parent)
{
	p->cred = parent->cred;
	p->view = parent->view;
	p->view.cred = &p->cred;
	p->view.pid = 0;
	dentry_get(p->view.root);
	dentry_get(p->view.cwd);
	if (parent->exe)
		p->exe = dentry_get(parent->exe);
	if (parent->text) {
		p->text = parent->text;
		p->text->refs++;
	}
	memcpy(p->comm, parent->comm, sizeof(p->comm));
	memcpy(p->limit, parent->limit, sizeof(p->limit));
	memcpy(p->client->slot, parent->client->slot, sizeof(p->client->slot));
	p->client->slot_stamp = parent->client->slot_stamp;
	p->sigchld_ignored = parent->sigchld_ignored;
	p->sigchld_no_stop = parent->sigchld_no_stop;
}

int process_fork(struct process *parent, uint64_t flags, struct process **ret)
{
	struct fd_table *fds;
	struct process *p;
	int r = fork_allowed(parent, flags);

	if (r < 0)
		return r;
	if (!parent->client || !parent->fds)
		return -EAGAIN; /* it has just ended */
	if (flags & CLONE_FILES)
		fds = fd_table_get(parent->fds);
	else if ((r = fd_table_copy(parent->fds, &fds)) < 0)
		return r;
	r = process_new(&p);
	if (r < 0) {
		fd_table_put(fds);
		return r;
	}
	p->fds = fds;
	fork_copy(p, parent);
	family_join(p, flags & CLONE_PARENT ? parent->parent : parent);
	p->exit_signal = (int32_t)(flags & CSIGNAL);
	p->vforked = (flags & CLONE_VFORK) != 0;
	group_join(parent->group, p);
	proc_host->publish(p); /* the child may look before we know its number */
	*ret = p;
	return 0;
}

void process_started(struct process *p, int32_t pid, int pidfd)
{
	struct process **bucket = pid_bucket(pid);

	assert(p->pid == 0);
	assert(!process_number_used(pid));
	process_move(p, PROCESS_RUNNING);
	p->pid = pid;
	p->pidfd = pidfd;
	p->view.pid = pid;
	p->pid_next = *bucket;
	*bucket = p;
	if (p->group->pgid == 0) { /* the first process: its group and session get their number */
		p->group->pgid = pid;
		p->group->session->sid = pid;
		p->group->session->foreground = pid;
	}
	proc_host->publish(p);
	p->client->served = true;
	signal_early(p);
}

void process_abandon(struct process *p)
{
	assert(p->state == PROCESS_STARTING);
	process_get(p);
	p->host_dead = true; /* it never was */
	p->exit_signal = 0;
	process_exit(p, (struct process_status){ CLD_KILLED, SIGKILL });
	if (p->state == PROCESS_ZOMBIE)
		process_gone(p);
	process_put(p);
}

int process_vfork_wait(struct process *child)
{
	struct thread *waiter = thread_current();
	int r = 0;

	while (child->vforked) {
		r = waitq_wait(&child->vfork_wait, TASK_FOREVER, WAIT_CANCELLABLE);
		if (r != -ECANCELED)
			continue;
		if (!waiter || waiter->ended || waiter->told_to_end)
			return r;
		task_cancel_clear(task_self()); /* a signal waits until the child lets go */
	}
	return 0;
}

/* ---- death. */

static void children_orphan(struct process *p)
{
	LIST_EACH_SAFE(it, &p->children) {
		struct process *child = LIST_ENTRY(it, struct process, child_node);

		list_del(&child->child_node);
		family_join(child, NULL);
		if (child->state == PROCESS_ZOMBIE)
			process_gone(child);
		else if (child->state != PROCESS_STARTING)
			proc_host->publish(child);
	}
}

static void vfork_release(struct process *p)
{
	p->vforked = false;
	waitq_wake_all(&p->vfork_wait);
}

static void threads_end(struct process *p)
{
	LIST_EACH_SAFE(it, &p->threads) {
		struct thread *t = LIST_ENTRY(it, struct thread, node);

		if (t != thread_current())
			thread_cancel(t);
		thread_end(t);
	}
}

void process_exit(struct process *p, struct process_status how)
{
	struct process *parent = p->parent;
	struct fd_table *fds = p->fds;

	if (p->state == PROCESS_ZOMBIE || p->state == PROCESS_GONE)
		return;
	process_get(p);
	process_move(p, PROCESS_ZOMBIE);
	p->exited = how;
	p->changed.code = 0;
	p->zombie_ns = clock_now_ns();
	proc_host->client_stop(p->client);
	threads_end(p);
	p->fds = NULL;
	fd_table_put(fds);
	vfork_release(p);
	poll_queue_wake(&p->ended);
	group_process_ends(p); /* it looks at whose parent this was */
	children_orphan(p);
	signal_parent(p, how);
	if (!parent || (p->exit_signal == SIGCHLD && parent->sigchld_ignored))
		process_gone(p);
	process_settle(p);
	proc_host->ended(p);
	process_put(p);
}

void process_gone(struct process *p)
{
	process_move(p, PROCESS_GONE);
	list_del(&p->child_node);
	p->parent = NULL;
	group_leave(p);
	process_settle(p);
}

void process_settle(struct process *p)
{
	if (p->state != PROCESS_ZOMBIE && p->state != PROCESS_GONE)
		return;
	if (list_empty(&p->threads) && p->view.root) {
		dentry_put(p->view.root);
		dentry_put(p->view.cwd);
		dentry_put(p->exe);
		p->view.root = NULL;
		p->view.cwd = NULL;
		p->exe = NULL;
	}
	if (list_empty(&p->threads) && p->host_dead && p->client) {
		proc_host->client_free(p->client);
		p->client = NULL;
	}
	if (p->state != PROCESS_GONE || !p->host_dead || p->client || list_empty(&p->node))
		return;
	proc_host->reap(p);
	pid_forget(p);
	list_del(&p->node);
	table.count--;
	process_put(p);
}

void process_host_died(struct process *p, struct process_status how, const struct rusage *usage)
{
	process_get(p);
	p->host_dead = true;
	p->host_exited = how;
	p->usage = *usage;
	process_exit(p, how);
	waitq_wake_all(&p->host_wait);
	process_settle(p);
	process_put(p);
}

void process_host_changed(struct process *p, struct process_status how)
{
	if (p->state != PROCESS_RUNNING && p->state != PROCESS_STOPPED)
		return;
	if (how.code == CLD_CONTINUED) {
		if (p->state == PROCESS_STOPPED)
			process_move(p, PROCESS_RUNNING);
	} else if (p->state == PROCESS_RUNNING) {
		process_move(p, PROCESS_STOPPED);
	}
	p->changed = how;
	signal_parent(p, how);
}

/* ---- exec. */

int process_end_threads(struct thread *t)
{
	struct process *p = t->process;
	int r = 0;

	if (p->ending_threads)
		return -ECANCELED; /* another thread was first: this one is about to end */
	p->ending_threads = true;
	LIST_EACH_SAFE(it, &p->threads) {
		struct thread *other = LIST_ENTRY(it, struct thread, node);

		if (other == t)
			continue;
		other->told_to_end = true;
		proc_host->end_thread(other);
		thread_cancel(other);
		thread_end(other);
	}
	/* Calls being served are cut short: what they do must not come after exec. */
	while (r == 0 && p->threads.next != p->threads.prev) {
		r = waitq_wait(&p->threads_wait, TASK_FOREVER, WAIT_CANCELLABLE);
		if (r == -ECANCELED && !t->ended) {
			task_cancel_clear(task_self()); /* a signal has to wait */
			r = 0;
		}
	}
	p->ending_threads = false;
	return r;
}

int process_exec(struct process *p, const struct process_image *image)
{
	size_t size = (size_t)image->cmdline_size + image->environ_size;
	struct process_text *text = malloc(sizeof(*text) + size);
	struct fd_table *fds = NULL;
	size_t comm_size = strnlen(image->comm, PROC_COMM_SIZE - 1);
	int r;

	if (!text)
		return -ENOMEM;
	if (p->fds && p->fds->refs > 1) {
		r = fd_table_copy(p->fds, &fds);
		if (r < 0) {
			free(text);
			return r;
		}
		fd_table_put(p->fds);
		p->fds = fds;
	}
	text->refs = 1;
	text->cmdline_size = image->cmdline_size;
	text->environ_size = image->environ_size;
	memcpy(text->bytes, image->cmdline, image->cmdline_size);
	memcpy(text->bytes + image->cmdline_size, image->environ, image->environ_size);
	text_put(p->text);
	p->text = text;
	memset(p->comm, 0, sizeof(p->comm));
	memcpy(p->comm, image->comm, comm_size);
	dentry_put(p->exe);
	p->exe = dentry_get(image->exe);
	fd_close_on_exec(p->fds);
	p->has_execed = true;
	p->sigchld_no_stop = false; /* a handler's flags go with the handler */
	cred_exec(p, image->euid, image->egid);
	vfork_release(p);
	proc_host->publish(p);
	return 0;
}

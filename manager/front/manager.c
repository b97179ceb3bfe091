/* SPDX-License-Identifier: MIT */
#include "front/manager.h"

#include "call/call.h"
#include "device/host.h"
#include "front/inside.h"
#include "front/proc_source.h"
#include "task/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVERS_DEFAULT 8u
#define SPIN_DEFAULT_NS 100000u
#define SWEEP_NS UINT64_C(1000000000)
#define STRANGER_STEPS 200u	      /* who is not dead by then waits for a disk */
#define CLOSE_STEP_NS UINT64_C(50000) /* the first look; each next one waits twice as long */
#define CLOSE_STEP_MAX_NS UINT64_C(5000000)
#define HEAP_KEPT (16 << 20)
#define HEAP_STEP (1 << 20)
#define FIRST_FDS 3

static struct {
	const struct manager_options *options;
	struct manager_launch launch;
	struct process *first; /* counted */
	struct task *sweeper, *closer;
	struct process_status status; /* of the first */
	bool ended;		      /* the first has */
	bool closing;
	int start_error;	/* of the task that builds */
	uint64_t signals;	/* to forward: bit sig - 1; set by signal handlers */
	uint64_t first_signals; /* for the first process; the same */
} manager;

/* ---- building. */

static void build_identity(const struct manager_options *o, struct process *p)
{
	struct vfs_cred *c = &p->cred;

	c->uid = c->euid = c->suid = c->fsuid = o->uid;
	c->gid = c->egid = c->sgid = c->fsgid = o->gid;
	c->group_count = o->group_count < VFS_GROUPS_MAX ? o->group_count : VFS_GROUPS_MAX;
	if (c->group_count > 0)
		memcpy(c->groups, o->groups, c->group_count * sizeof(c->groups[0]));
	c->privileged = c->fsuid == 0;
	p->view.umask = o->umask & 0777;
}

/*
 * A terminal of the host has the same name and number inside, so that ttyname(3) finds
 * it. One whose name cannot be had goes without: only ttyname(3) misses it.
 */
static void name_terminal(const struct process *p, struct file *f) MAY_YIELD
{
	struct vfs_cred root = { .privileged = true };
	struct vfs view = p->view;
	struct vfs_attr attr;
	struct dentry *d;
	char path[64];
	int r;

	view.cred = &root;
	view.umask = 0;
	if (file_text(f, path, sizeof(path)) < 0 || strncmp(path, "/dev/", 5) != 0 ||
	    file_getattr(f, &attr) < 0)
		return;
	r = vfs_mknod(&view, NULL, path, attr.mode, attr.rdev);
	if ((r < 0 && r != -EEXIST) || vfs_walk(&view, NULL, path, 0, &d) < 0)
		return;
	if (r == 0)
		r = vfs_chown(&root, dentry_inode(d), attr.uid, attr.gid);
	if (dentry_inode(d)->rdev == attr.rdev && (r == 0 || r == -EEXIST))
		host_file_set_name(f, d);
	dentry_put(d);
}

/* Standard input, output and error are the host's; the first terminal among them controls. */
static int build_descriptors(struct process *p) MAY_YIELD
{
	struct file *tty = NULL;
	int r = fd_table_new(&p->fds);

	for (int fd = 0; r == 0 && fd < FIRST_FDS; fd++) {
		int flags = fcntl(fd, F_GETFL);
		struct file *f;
		int copy;

		if (flags < 0 || (flags & O_PATH))
			continue; /* it was closed; so it is inside */
		copy = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FDS);
		if (copy < 0)
			return -errno;
		r = host_file_new(copy, flags, &f);
		if (r < 0)
			return r;
		if (host_file_is_terminal(f))
			name_terminal(p, f);
		if (!tty && host_file_is_terminal(f))
			tty = f;
		r = fd_replace(p->fds, f, (uint32_t)fd, false, FD_MAX);
		r = r < 0 ? r : 0;
	}
	if (tty)
		proc_tty_first(p, tty);
	return r;
}

static int build_first(const struct manager_options *o) MAY_YIELD
{
	struct process *p;
	struct dentry *cwd;
	int r = process_first(&p);

	if (r < 0)
		return r;
	manager.first = process_get(p);
	build_identity(o, p);
	r = root_build(o, &p->view.root);
	if (r < 0)
		return r;
	p->view.cwd = dentry_get(p->view.root);
	{
		/* The mounts are root's work, whoever the program is. */
		struct vfs_cred root = { .privileged = true };
		struct vfs view = p->view;

		view.cred = &root;
		r = root_mounts(o, &view);
	}
	if (r < 0)
		return r;
	if (o->cwd && vfs_walk(&p->view, NULL, o->cwd, VFS_FOLLOW | VFS_DIRECTORY, &cwd) == 0) {
		dentry_put(p->view.cwd);
		p->view.cwd = cwd;
	}
	return build_descriptors(p);
}

static void builder(void *arg) MAY_YIELD
{
	manager.start_error = build_first(arg);
	sched_stop();
}

/* ---- hooks. */

static void caller_now(struct file_caller *ret)
{
	const struct thread *t = thread_current();

	if (t)
		*ret = (struct file_caller){ t->process->pid, t->process->cred.euid,
					     t->process->cred.egid };
}

static void on_host_reply(void *ctx)
{
	(void)ctx;
	front_ring();
}

static const struct file_hooks hooks = {
	.sigpipe = proc_sigpipe,
	.open_tty = proc_open_tty,
	.tty_ioctl = proc_tty_ioctl,
	.tty_access = proc_tty_access,
	.caller = caller_now,
	.descriptor = front_descriptor,
};

/* ---- starting. */

static void front_defaults(const struct manager_options *o)
{
	uint32_t threads = o->threads_max ? o->threads_max : PROC_THREADS_DEFAULT;

	front_options = (struct front_options){
		.spin_ns = o->spin_ns == MANAGER_SPIN_DEFAULT ? SPIN_DEFAULT_NS : o->spin_ns,
		.servers = o->servers == 0			    ? SERVERS_DEFAULT
			   : o->servers == MANAGER_SERVERS_PER_CALL ? 0
								    : o->servers,
		.servers_max = o->servers_max ? o->servers_max : threads,
		.keep_strangers = o->keep_strangers,
	};
}

/* A socket and a pidfd for each process, and what files are open below. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer processes fit then */
	}
}

/*
 * malloc() keeps what it has. To give it back and take it again changes this process's mappings,
 * and who does that waits for the executors that look for the pages of a call's buffers just
 * then: some 100 us each, in which this thread serves nobody.
 */
static void keep_memory(void)
{
	(void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT);
	(void)mallopt(M_TOP_PAD, HEAP_STEP);
	(void)mallopt(M_MMAP_THRESHOLD, HEAP_STEP);
}

static void sweeper(void *arg) MAY_YIELD
{
	(void)arg;
	while (!manager.closing && task_sleep_until(clock_now_ns() + SWEEP_NS) == 0) {
		/* It is not lost while its root is mounted, however long that takes. */
		if (manager.first && manager.first->state != PROCESS_STARTING)
			host_process_sweep();
	}
}

MUST_USE static int start_tasks(const struct manager_options *o)
{
	struct task *t;
	int r = serve_init();

	if (r == 0)
		r = task_start(&manager.sweeper, "sweeper", sweeper, NULL);
	if (r == 0) {
		union {
			const void *from;
			void *to;
		} options = { .from = o };

		r = task_start(&t, "builder", builder, options.to);
	}
	if (r < 0)
		return r;
	sched_run(); /* until the builder stops it */
	return manager.start_error;
}

static int start(const struct manager_options *o)
{
	const struct sched_options sched_options = {
		.task_limit = front_options.servers_max + 64,
	};
	const struct sched_hooks sched_hooks = { .poll = shm_poll, .idle = shm_idle };
	const struct host_options host_options = {
		.notify = on_host_reply,
		.alone = threads_all_wait,
	};
	const struct proc_options proc_options = {
		.process_limit = o->process_limit,
		.thread_limit = o->threads_max ? o->threads_max : PROC_THREADS_DEFAULT,
		.descriptor_limit = o->descriptor_limit,
	};
	int r = shm_init(&manager.launch.server_fd, &manager.launch.bell_fd);

	if (r == 0)
		r = sched_init(&sched_options, &sched_hooks);
	if (r == 0)
		r = host_init(&host_options);
	if (r == 0)
		r = host_process_init();
	if (r < 0)
		return r;
	proc_init(&proc_options, &host_process_ops);
	file_set_hooks(&hooks);
	call_set_trace(o->strace);
	return start_tasks(o);
}

int manager_start(const struct manager_options *options, struct manager_launch *ret)
{
	static struct call_first first;
	int r;

	memset(&manager, 0, sizeof(manager));
	manager.options = options;
	front_defaults(options);
	raise_descriptor_limit();
	keep_memory();
	first = (struct call_first){ .argv = options->argv,
				     .envp = options->envp,
				     .path = options->path };
	call_set_first(&first);
	r = start(options);
	if (r < 0) {
		if (!root_complained())
			fprintf(stderr, "hascall: the manager cannot start: %s\n", strerror(-r));
		return r;
	}
	manager.launch.area_fd = manager.first->client->area_fd;
	manager.launch.socket_fd = manager.first->client->peer;
	*ret = manager.launch;
	return 0;
}

int manager_attach(pid_t pid)
{
	struct client *c = manager.first->client;
	int r = host_process_adopt(manager.first, pid);

	if (r < 0)
		return r;
	close(c->area_fd);
	close(c->peer);
	c->area_fd = c->peer = -1;
	close(manager.launch.server_fd);
	close(manager.launch.bell_fd);
	return 0;
}

/* ---- running. */

/*
 * Ctrl-Z, and the program in front has no parent inside that could continue it: what the
 * user means to stop is all of us, and the shell outside continues us.
 */
static void stop_ourselves(void)
{
	const struct sigaction stop = { .sa_handler = SIG_DFL };
	struct sigaction old;

	if (sigaction(SIGTSTP, &stop, &old) < 0)
		return;
	(void)raise(SIGTSTP);
	(void)sigaction(SIGTSTP, &old, NULL);
}

static void to_foreground(int sig)
{
	if (!proc_signal_foreground(sig) && sig == SIGTSTP)
		stop_ourselves();
}

bool manager_poll(void)
{
	uint64_t signals, first;

	/* Asked often, also in the middle of a copy: an exchange waits until its bytes are out. */
	if (__atomic_load_n(&manager.signals, __ATOMIC_RELAXED) == 0 &&
	    __atomic_load_n(&manager.first_signals, __ATOMIC_RELAXED) == 0)
		return false;
	signals = __atomic_exchange_n(&manager.signals, 0, __ATOMIC_ACQ_REL);
	first = __atomic_exchange_n(&manager.first_signals, 0, __ATOMIC_ACQ_REL);
	for (; first != 0 && manager.first; first &= first - 1)
		process_signal(manager.first, __builtin_ctzll(first) + 1, SI_USER);
	for (; signals != 0; signals &= signals - 1)
		to_foreground(__builtin_ctzll(signals) + 1);
	return true;
}

static void note_signal(uint64_t *set, int sig)
{
	if (sig < 1 || sig > 64)
		return;
	__atomic_fetch_or(set, UINT64_C(1) << (sig - 1), __ATOMIC_ACQ_REL);
	front_ring();
}

void manager_forward_signal(int sig)
{
	note_signal(&manager.signals, sig);
}

void manager_signal_first(int sig)
{
	note_signal(&manager.first_signals, sig);
}

/* The first program has ended: the rest goes too, then the manager's own tasks. */
static void closer(void *arg) MAY_YIELD
{
	uint64_t step_ns = CLOSE_STEP_NS;

	(void)arg;
	while (process_count() > 0) {
		host_process_kill_all();
		/* Nobody cancels this task. */
		if (task_sleep_until(clock_now_ns() + step_ns) == 0)
			host_process_sweep();
		if (step_ns < CLOSE_STEP_MAX_NS)
			step_ns *= 2;
	}
	/* A stranger that is killed may leave children of its own, which are ours then. */
	for (unsigned int i = 0; i < STRANGER_STEPS && host_process_end_strangers(); i++)
		(void)!task_sleep_until(clock_now_ns() + CLOSE_STEP_MAX_NS);
	manager.closing = true;
	task_cancel(manager.sweeper);
	serve_close();
	while (task_foreground_count() > 1) /* those that give back what files held, too */
		task_yield();
	sched_stop();
}

void manager_process_ended(struct process *p)
{
	if (p != manager.first || manager.ended)
		return;
	manager.ended = true;
	manager.status = p->exited;
	if (task_start(&manager.closer, "closer", closer, NULL) < 0)
		sched_stop(); /* no memory: the host processes die with us (PDEATHSIG) */
}

static void unmounter(void *arg) MAY_YIELD
{
	vfs_unmount_all();
	*(int *)arg = root_close();
	vfs_fini();
	sched_stop();
}

/* Everybody is gone: no dentry is held. What the image lacks is written. */
static int unmount(void)
{
	int error = -ENOMEM;

	if (task_start(NULL, "unmounter", unmounter, &error) == 0)
		sched_run();
	return error;
}

int manager_run(int *ret_exit_status)
{
	int r;

	if (!manager.ended || manager.closer)
		sched_run();
	process_put(manager.first);
	manager.first = NULL;
	*ret_exit_status = manager.status.code == CLD_EXITED ? manager.status.status
							     : 128 + manager.status.status;
	if (process_count() > 0)
		return -ENOMEM;
	proc_fini();
	serve_fini();
	area_fini();
	host_process_fini();
	file_fini();
	r = unmount();
	host_fini();
	sched_fini();
	shm_fini();
	return r;
}

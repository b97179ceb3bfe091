/*
 * process.c - fork, threads and exit: real ones of the host, announced to the manager.
 *
 * A fork's child is a child of the manager (CLONE_PARENT), so that the manager sees its
 * end whoever started it. It speaks through an area and a socket of its own, which the
 * manager granted before the fork.
 *
 * vfork is a fork whose parent waits. What its child writes into the parent's stack
 * before it fails to exec (posix_spawn's error) comes back through the manager as a
 * window of bytes; nothing else of the child's memory does.
 */
#include "run/shim/shim.h"

#include <errno.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define VFORK_WINDOW 8192u
#define FORK_FLAGS (CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)
#define THREAD_NEEDS (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)
#define THREAD_FLAGS                                                            \
	(THREAD_NEEDS | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SETTLS | \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | CLONE_DETACHED)
#define K_MAP_SHARED_FIXED 0x11u

void shim_thread_begin(struct shim_thread *t);

/* ---- descriptors from the manager */

struct fd_message { /* a struct cmsghdr and its data */
	uint64_t size;
	int32_t level, type;
	int fd[RUN_FDS_MAX];
};

static int place_of(uint32_t slot)
{
	if (slot == RUN_SLOT_NEW_AREA)
		return RUN_FD_NEW_AREA;
	if (slot == RUN_SLOT_NEW_SOCKET)
		return RUN_FD_NEW_SOCKET;
	return slot < RUN_FD_SLOTS ? (int)(RUN_FD_SLOT0 + slot) : -1;
}

void shim_receive(void)
{
	uint32_t slot[RUN_FDS_MAX] = { 0 };
	struct fd_message control;
	struct iovec io = { slot, sizeof(slot) };
	struct msghdr message = { 0 };
	int64_t got;

	message.msg_iov = &io;
	message.msg_iovlen = 1;
	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	do {
		got = gate_call(SYS_recvmsg, RUN_FD_SOCKET, (uint64_t)&message, 0, 0, 0);
	} while (got == -EINTR);
	if (got < 0 || control.type != SCM_RIGHTS)
		shim_die(SIGNAL_COUNT);
	for (unsigned int i = 0; i < (uint64_t)got / sizeof(slot[0]); i++) {
		int place = place_of(slot[i]);

		if (place >= 0 && place != control.fd[i]) {
			(void)gate_call(SYS_dup3, (uint64_t)control.fd[i], (uint64_t)place, 0, 0,
					0);
			(void)gate_call(SYS_close, (uint64_t)control.fd[i], 0, 0, 0, 0);
		}
	}
}

/* ---- thread blocks */

/* Under fd_lock. */
static struct shim_thread *take_block(void)
{
	struct shim_process *p = shim_process();

	for (unsigned int i = 0; i < RUN_ENTRY_COUNT; i++) {
		uint32_t free = SHIM_FREE;

		if (__atomic_compare_exchange_n(&shim_block(i)->state, &free, SHIM_USED, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
			if (p->blocks <= i)
				p->blocks = i + 1;
			return shim_block(i);
		}
	}
	return NULL;
}

static void fill_block(struct shim_thread *t, unsigned int entry)
{
	memset((char *)t + offsetof(struct shim_thread, exit_rip), 0,
	       sizeof(*t) - offsetof(struct shim_thread, exit_rip));
	t->self = t;
	t->stack_top = (uint64_t)t + RUN_THREAD_SIZE;
	t->deferred = 0;
	t->index = entry;
}

/* The shim's signal stack: between the thread's data and its shim stack. */
static void set_signal_stack(struct shim_thread *t)
{
	struct k_stack s = { .sp = (uint64_t)t + 0x1000, .size = RUN_THREAD_SIZE / 2 };

	(void)gate_call(SYS_sigaltstack, (uint64_t)&s, 0, 0, 0, 0);
}

void shim_first_block(struct shim_thread *t)
{
	fill_block(t, 0);
	t->state = SHIM_USED;
	(void)gate_call(SYS_arch_prctl, 0x1001, (uint64_t)t, 0, 0, 0);
	set_signal_stack(t);
	shim_control()->tid[0] = (uint32_t)gate_call(SYS_gettid, 0, 0, 0, 0, 0);
}

/* ---- fork */

static void child_forget_threads(struct shim_thread *self)
{
	for (unsigned int i = 0; i < shim_process()->blocks; i++)
		if (shim_block(i) != self && shim_block(i)->state != SHIM_FREE)
			shim_block(i)->state = SHIM_FREE;
}

static void child_begin(struct shim_thread *t, uint64_t vfork_window)
{
	const uint64_t area[6] = { RUN_AREA,	       RUN_AREA_SIZE,	3,
				   K_MAP_SHARED_FIXED, RUN_FD_NEW_AREA, 0 };
	struct shim_process *p = shim_process();
	struct run_control *c = shim_control();

	(void)gate_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (gate_call6(SYS_mmap, area) < 0)
		shim_die(SIGNAL_COUNT);
	(void)gate_call(SYS_dup3, RUN_FD_NEW_SOCKET, RUN_FD_SOCKET, 0, 0, 0);
	(void)gate_call(SYS_close, RUN_FD_NEW_SOCKET, 0, 0, 0, 0);
	(void)gate_call(SYS_close, RUN_FD_NEW_AREA, 0, 0, 0, 0);
	child_forget_threads(t);
	p->threads = 1;
	p->fd_lock = 0;
	p->brk_lock = 0;
	p->action_lock = 0;
	p->vfork_child = vfork_window != 0;
	p->vfork_window = vfork_window;
	t->index = 0;
	c->tid[0] = (uint32_t)gate_call(SYS_gettid, 0, 0, 0, 0, 0);
	c->stack_start = p->stack_start;
	c->stack_end = p->stack_end;
	__atomic_store_n(&c->host_pid, (uint32_t)gate_call(SYS_getpid, 0, 0, 0, 0, 0),
			 __ATOMIC_RELEASE);
}

/* Tell the manager how it went; for vfork, wait and take the window back. */
static int64_t parent_goes_on(struct shim_thread *t, int64_t pid, bool vfork, uint64_t stack)
{
	const uint64_t wire[6] = { (uint64_t)pid, vfork, VFORK_WINDOW, 0, 0, 0 };
	int64_t window = shim_post(t, RUN_FORKED, wire, NULL);

	if (pid > 0 && window < 0)
		return window;
	if (pid > 0 && vfork && window > 0 && window <= VFORK_WINDOW)
		(void)copy_user((void *)stack, shim_bounce(t), (uint64_t)window);
	return pid;
}

/* child_stack: clone(2)'s own stack for the child, or 0. */
static int64_t fork_process(struct shim_thread *t, struct k_ucontext *uc, uint64_t flags,
			    uint64_t child_stack)
{
	struct shim_process *p = shim_process();
	struct k_mcontext *m = &uc->mcontext;
	bool vfork = (flags & CLONE_VFORK) != 0;
	uint64_t stack = m->rsp;
	int64_t r;

	shim_lock(&p->fd_lock);
	r = shim_post1(t, RUN_FORK, flags, vfork, 0);
	if (r < 0) {
		shim_unlock(&p->fd_lock);
		return r;
	}
	shim_receive();
	/* Until the frame of this trap is resumed nothing may interrupt parent or child. */
	(void)shim_block_all();
	{
		const uint64_t arg[6] = {
			CLONE_PARENT | SIGCHLD | (flags & FORK_FLAGS), 0, m->rdx, m->r10, 0, 0
		};

		r = gate_call6(SYS_clone, arg);
	}
	if (r == 0) {
		child_begin(t, vfork ? stack : 0);
		if (child_stack)
			m->rsp = child_stack;
		return 0;
	}
	(void)gate_call(SYS_close, RUN_FD_NEW_AREA, 0, 0, 0, 0);
	(void)gate_call(SYS_close, RUN_FD_NEW_SOCKET, 0, 0, 0, 0);
	shim_unlock(&p->fd_lock);
	return parent_goes_on(t, r, vfork, stack);
}

/* ---- threads */

static void save_registers(struct shim_registers *to, const struct k_mcontext *m)
{
	*to = (struct shim_registers){
		.rdi = m->rdi,
		.rsi = m->rsi,
		.rdx = m->rdx,
		.r10 = m->r10,
		.r8 = m->r8,
		.r9 = m->r9,
		.rbx = m->rbx,
		.rbp = m->rbp,
		.r12 = m->r12,
		.r13 = m->r13,
		.r14 = m->r14,
		.r15 = m->r15,
		.rsp = m->rsi ? m->rsi : m->rsp,
		.rip = m->rip,
	};
}

static uint64_t block_everything(void)
{
	uint64_t all = UINT64_MAX, old = 0;

	(void)gate_call(SYS_rt_sigprocmask, SIG_SETMASK, (uint64_t)&all, (uint64_t)&old, 8, 0);
	return old;
}

/* First code of a new thread, on its shim stack, all signals blocked. */
void shim_thread_begin(struct shim_thread *t)
{
	set_signal_stack(t);
	shim_control()->tid[t->index] = (uint32_t)gate_call(SYS_gettid, 0, 0, 0, 0, 0);
	(void)shim_block_all(); /* from here on traps and the manager's word may come */
	gate_load(&t->start);
}

/*
 * The parent may send the thread a signal before the thread's first instruction: the
 * manager must know it by then. If it has come and gone already, its number does harm
 * only to a signal for the entry's next thread, until that one begins.
 */
static void publish_thread(unsigned int entry, uint32_t tid)
{
	uint32_t none = 0;

	(void)__atomic_compare_exchange_n(&shim_control()->tid[entry], &none, tid, false,
					  __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/*
 * Under fd_lock, as execve is: it ends the other threads by their numbers, so none may
 * be half made meanwhile.
 */
static int64_t new_thread(struct shim_thread *t, const struct k_ucontext *uc, uint64_t flags)
{
	const struct k_mcontext *m = &uc->mcontext;
	struct shim_thread *child;
	int64_t index, r;
	uint64_t mask;

	if ((flags & THREAD_NEEDS) != THREAD_NEEDS || (flags & ~(uint64_t)THREAD_FLAGS))
		return -EINVAL;
	index = shim_post1(t, RUN_THREAD, flags, 0, 0);
	if (index < 0)
		return index;
	if (index >= RUN_ENTRY_COUNT)
		return -EAGAIN;
	child = take_block();
	if (!child) {
		(void)shim_post1(t, RUN_THREAD_FAILED, (uint64_t)index, 0, 0);
		return -EAGAIN;
	}
	fill_block(child, (unsigned int)index);
	save_registers(&child->start, m);
	child->exit_rip = m->rip;
	child->exit_rax = 0;
	child->deferred_mask = uc->sigmask;
	__atomic_fetch_add(&shim_process()->threads, 1, __ATOMIC_RELAXED);
	/* Traps too: until the new thread has named its block, %gs leads it to this one's. */
	mask = block_everything();
	r = gate_clone_thread(flags, child->stack_top, m->rdx, m->r10, m->r8, child);
	if (r > 0)
		publish_thread((unsigned int)index, (uint32_t)r);
	if (t->deferred)
		(void)shim_block_all();
	else
		shim_set_mask(mask);
	if (r < 0) {
		__atomic_fetch_sub(&shim_process()->threads, 1, __ATOMIC_RELAXED);
		child->state = SHIM_FREE;
		(void)shim_post1(t, RUN_THREAD_FAILED, (uint64_t)index, 0, 0);
	}
	return r;
}

int64_t shim_clone(struct shim_thread *t, struct k_ucontext *uc, uint64_t nr)
{
	uint64_t flags = uc->mcontext.rdi & UINT32_MAX;

	if (nr == SYS_fork || nr == SYS_vfork)
		return fork_process(t, uc, nr == SYS_vfork ? CLONE_VFORK : 0, 0);
	if (flags & (CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
		     CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_PTRACE | CLONE_PIDFD))
		return flags & CLONE_PIDFD ? -EINVAL : -EPERM;
	if (flags & CLONE_THREAD) {
		int64_t r;

		shim_lock(&shim_process()->fd_lock);
		r = new_thread(t, uc, flags);
		shim_unlock(&shim_process()->fd_lock);
		return r;
	}
	if ((flags & CLONE_VM) && !(flags & CLONE_VFORK))
		return -EINVAL; /* two processes in one memory that both run: not served */
	return fork_process(t, uc, flags, uc->mcontext.rsi);
}

/* ---- exit */

static uint64_t leave_window(struct shim_thread *t)
{
	const struct shim_process *p = shim_process();

	if (!p->vfork_child)
		return 0;
	return VFORK_WINDOW -
	       copy_user(shim_bounce(t), (const void *)p->vfork_window, VFORK_WINDOW);
}

int64_t shim_exit(struct shim_thread *t, uint64_t nr, uint64_t status)
{
	struct shim_process *p = shim_process();

	if (nr == SYS_exit && __atomic_fetch_sub(&p->threads, 1, __ATOMIC_ACQ_REL) > 1) {
		(void)shim_block_all();
		shim_post_last(t, SYS_exit, status);
		gate_exit_thread(&t->state);
	}
	(void)shim_block_all();
	(void)shim_post1(t, SYS_exit_group, status, leave_window(t), 0);
	shim_die((int)status);
}

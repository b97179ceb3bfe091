/*
 * signal.c - the program's signals are the host's signals; its handlers run by our
 * hand. The kernel always enters one of three handlers here, on the shim's own stack:
 *
 *   shim_on_trap    SIGSYS: a system call that the filter caught
 *   shim_on_fault   SIGSEGV, SIGBUS: a bad pointer inside a copy, or the program's own
 *   shim_on_signal  everything for which the program has a handler
 *
 * A handler of the program is entered by copying the kernel's frame to the program's
 * stack and returning into it (deliver), so nothing of ours is left below it: it may
 * return, longjmp or never come back. Its rt_sigreturn traps; we load its frame into
 * the frame of that trap.
 *
 *   where the signal lands           what happens
 *   the program's code               delivered there
 *   a shim's call                    deferred: kept in the thread, all signals blocked, the
 *                                    call cut short; delivered when the call returns
 *   the last steps of a call         sent back to the test for a deferred signal
 *   entry.S stub_window_jump         the program's state is whole: delivered there
 */
#include "hascall/run_stub.h"
#include "run/shim/shim.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#define K_SA_RESTORER 0x04000000u
#define BIT(sig) (UINT64_C(1) << ((sig)-1))
/* Never blocked: traps and faults must reach us wherever they happen. */
#define SYNCHRONOUS (BIT(SIGSYS) | BIT(SIGSEGV) | BIT(SIGBUS))
#define ALL_MASK (~(SYNCHRONOUS | BIT(SIGILL) | BIT(SIGFPE) | BIT(SIGTRAP)))
#define RED_ZONE 128u
#define XSTATE_MAGIC 0x46505853u
#define XSTATE_MAGIC_OFFSET 464u
#define XSTATE_LEGACY 512u
#define XSTATE_MAX 0x4000u
#define DIRECTION_FLAG 0x400u
#define TRAP_FLAG 0x100u

/* What the program's handler finds on its stack; the kernel's layout. */
struct frame {
	uint64_t restorer;
	struct k_ucontext uc;
	struct k_siginfo info;
};

extern const char shim_image_end[];
void shim_on_trap(int sig, struct k_siginfo *info, struct k_ucontext *uc);
void shim_on_fault(int sig, struct k_siginfo *info, struct k_ucontext *uc);
void shim_on_signal(int sig, struct k_siginfo *info, struct k_ucontext *uc);
void shim_boundary(struct k_ucontext *uc);

static bool between(uint64_t rip, const char *from, const char *to)
{
	return rip >= (uint64_t)from && rip < (uint64_t)to;
}

static bool in_shim(uint64_t rip)
{
	return rip >= RUN_TEXT && rip < RUN_TEXT + RUN_TEXT_SIZE;
}

uint64_t shim_clean_mask(uint64_t mask)
{
	return mask & ~(SYNCHRONOUS | BIT(SIGKILL) | BIT(SIGSTOP));
}

uint64_t shim_block_all(void)
{
	uint64_t all = ALL_MASK, old = 0;

	(void)gate_call(SYS_rt_sigprocmask, SIG_SETMASK, (uint64_t)&all, (uint64_t)&old, 8, 0);
	return old;
}

void shim_set_mask(uint64_t mask)
{
	mask = shim_clean_mask(mask);
	(void)gate_call(SYS_rt_sigprocmask, SIG_SETMASK, (uint64_t)&mask, 0, 8, 0);
}

static void install(int sig, uint64_t handler, uint64_t flags, uint64_t mask)
{
	struct k_sigaction action = {
		.handler = handler,
		.flags = flags | K_SA_RESTORER,
		.restorer = (uint64_t)gate_restorer,
		.mask = mask,
	};

	(void)gate_call(SYS_rt_sigaction, (uint64_t)sig, (uint64_t)&action, 0, 8, 0);
}

/* End as the signal would: its default action, met again at the same instruction. */
static void to_default(int sig)
{
	install(sig, (uint64_t)SIG_DFL, 0, 0);
}

/*
 * The host's kernel sends this process a signal whose default action ends it. No kill(2)
 * passes the filter; a timer that runs out at once does the same.
 */
static void end_by(int sig)
{
	struct {
		uint64_t value;
		int32_t signo, notify;
		uint64_t unused[6];
	} event = { .signo = sig };
	const uint64_t soon[4] = { 0, 0, 0, 1 };
	int32_t timer = 0;

	to_default(sig);
	(void)gate_call(SYS_timer_create, 1, (uint64_t)&event, (uint64_t)&timer, 0, 0);
	(void)gate_call(SYS_timer_settime, (uint64_t)timer, 0, (uint64_t)soon, 0, 0);
	for (;;)
		(void)gate_call(SYS_pause, 0, 0, 0, 0, 0);
}

static _Noreturn void crash(void)
{
	to_default(SIGSEGV);
	for (;;)
		__asm__ volatile("hlt");
}

/* ---- entering and leaving the program's handlers */

/* The kernel lets the manager send no siginfo with its own codes: put them right. */
static void translate(struct k_siginfo *info)
{
	if (info->code == RUN_SI_CHILD) {
		info->code = (int32_t)info->child.utime;
		info->child.utime = 0;
		info->child.stime = 0;
	} else if (info->code == RUN_SI_USER) {
		info->code = info->error;
		info->error = 0;
	}
}

static uint64_t xstate_size(uint64_t fpstate)
{
	const uint32_t *magic = (const uint32_t *)(fpstate + XSTATE_MAGIC_OFFSET);

	if (magic[0] == XSTATE_MAGIC && magic[1] >= XSTATE_LEGACY && magic[1] <= XSTATE_MAX)
		return magic[1];
	return XSTATE_LEGACY;
}

static bool on_alt_stack(const struct k_stack *s, uint64_t rsp)
{
	return s->size && rsp > s->sp && rsp - s->sp <= s->size;
}

static uint64_t frame_top(const struct shim_thread *t, const struct k_sigaction *action,
			  uint64_t rsp)
{
	const struct k_stack *s = &t->alt_stack;

	if ((action->flags & SA_ONSTACK) && s->size && !on_alt_stack(s, rsp))
		return s->sp + s->size;
	return rsp - RED_ZONE;
}

/* Put the frame on the program's stack: its address, or 0. */
static uint64_t push_frame(struct shim_thread *t, const struct k_sigaction *action,
			   const struct k_siginfo *info, const struct k_ucontext *uc)
{
	uint64_t sp = frame_top(t, action, uc->mcontext.rsp);
	uint64_t size = uc->mcontext.fpstate ? xstate_size(uc->mcontext.fpstate) : 0;
	uint64_t fpstate = (sp - size) & ~UINT64_C(63);
	uint64_t address = ((fpstate - sizeof(struct frame)) & ~UINT64_C(15)) - 8;
	struct frame f = { .restorer = action->restorer, .uc = *uc, .info = *info };

	f.uc.link = 0;
	f.uc.stack = t->alt_stack;
	f.uc.stack.flags =
		t->alt_stack.size ? (on_alt_stack(&t->alt_stack, uc->mcontext.rsp) ? SS_ONSTACK : 0)
				  : SS_DISABLE;
	if (size) {
		f.uc.mcontext.fpstate = fpstate;
		if (copy_user((void *)fpstate, (const void *)uc->mcontext.fpstate, size))
			return 0;
	}
	if (copy_user((void *)address, &f, sizeof(f)))
		return 0;
	return address;
}

/* Make `uc` enter the program's handler of `sig`; uc is the program's state. */
static void deliver(struct shim_thread *t, int sig, struct k_siginfo *info, struct k_ucontext *uc)
{
	struct k_sigaction *slot = &shim_process()->action[sig];
	struct k_sigaction action = *slot;
	struct k_mcontext *m = &uc->mcontext;
	uint64_t address;

	if (action.handler == (uint64_t)SIG_DFL || action.handler == (uint64_t)SIG_IGN)
		return;
	translate(info);
	address = push_frame(t, &action, info, uc);
	if (!address)
		crash();
	m->rip = action.handler;
	m->rdi = (uint64_t)sig;
	m->rsi = address + offsetof(struct frame, info);
	m->rdx = address + offsetof(struct frame, uc);
	m->rax = 0;
	m->rsp = address;
	m->eflags &= ~(uint64_t)(DIRECTION_FLAG | TRAP_FLAG);
	uc->sigmask |= action.mask;
	if (!(action.flags & SA_NODEFER))
		uc->sigmask |= BIT(sig);
	uc->sigmask = shim_clean_mask(uc->sigmask);
	if (action.flags & (uint32_t)SA_RESETHAND) {
		slot->handler = (uint64_t)SIG_DFL;
		if (!(SYNCHRONOUS & BIT(sig)))
			to_default(sig);
	}
}

/* The program's rt_sigreturn: its frame becomes the frame of this trap. */
static void return_from_handler(struct shim_thread *t, struct k_ucontext *uc)
{
	struct k_mcontext *m = &uc->mcontext;
	uint64_t fpstate = m->fpstate;
	struct k_ucontext from;

	if (copy_user(&from, (const void *)m->rsp, sizeof(from)))
		crash();
	from.mcontext.cs = m->cs;
	from.mcontext.ss = m->ss;
	if (from.mcontext.fpstate && fpstate) {
		uint64_t size = xstate_size(fpstate);

		if (copy_user((void *)fpstate, (const void *)from.mcontext.fpstate, size))
			crash();
	}
	*m = from.mcontext;
	m->fpstate = fpstate;
	uc->sigmask = shim_clean_mask(from.sigmask);
	if (!(from.stack.flags & SS_DISABLE) && from.stack.size) {
		t->alt_stack = from.stack;
		t->alt_stack.flags = 0;
	}
}

static bool handled(int sig)
{
	uint64_t handler = shim_process()->action[sig].handler;

	return handler != (uint64_t)SIG_DFL && handler != (uint64_t)SIG_IGN;
}

/* ---- deferred signals */

static void defer(struct shim_thread *t, const struct k_siginfo *info, struct k_ucontext *uc)
{
	if (!t->deferred) {
		t->deferred_info = *info;
		t->deferred_mask = uc->sigmask;
		__atomic_store_n(&t->deferred, 1, __ATOMIC_RELEASE);
	}
	uc->sigmask = ALL_MASK;
}

/*
 * The program's state behind a call by a stub: show it in the program's own code, which
 * unwinders know. `again`: the call is to be made once more.
 */
static void leave_stub(struct k_mcontext *m, bool again)
{
	unsigned char bytes[RUN_STUB_BACK_SIZE];
	struct run_stub_site site;

	if (copy_user(bytes, (const void *)m->rip, sizeof(bytes)) ||
	    !run_stub_site(bytes, m->rip, &site)) {
		if (again)
			m->rip -= RUN_STUB_RESTART;
		return;
	}
	if (!again)
		m->eflags = run_stub_flags(&site, m->rax, m->eflags);
	m->rip = again ? site.again : site.end;
}

/*
 * The state in `uc` is about to be resumed. If it is the program's and a signal was
 * deferred during the call that ends here, enter its handler instead.
 */
void shim_boundary(struct k_ucontext *uc)
{
	struct shim_thread *t = shim_self();
	struct k_mcontext *m = &uc->mcontext;
	int sig = t->deferred_info.signo;
	uint64_t flags;
	bool again;

	if (in_shim(m->rip))
		return; /* the handler that deferred it returns into the call */
	flags = shim_process()->action[sig].flags;
	again = m->rax == (uint64_t)-ERESTARTNOINTR ||
		(m->rax == (uint64_t)-ERESTARTSYS && (flags & SA_RESTART));
	if (again)
		m->rax = t->call_nr;
	else if (m->rax == (uint64_t)-ERESTARTSYS)
		m->rax = (uint64_t)-EINTR;
	if (t->by_stub)
		leave_stub(m, again);
	else if (again)
		m->rip -= 2; /* the system call's own length */
	t->deferred = 0;
	deliver(t, sig, &t->deferred_info, uc);
}

void shim_on_signal(int sig, struct k_siginfo *info, struct k_ucontext *uc)
{
	struct shim_thread *t = shim_self();
	uint64_t rip = uc->mcontext.rip;

	/* Those that are always ours to catch may have no handler of the program's. */
	if ((SYNCHRONOUS & BIT(sig)) && !handled(sig)) {
		if (shim_process()->action[sig].handler != (uint64_t)SIG_IGN)
			end_by(sig);
		return;
	}
	if (!in_shim(rip)) {
		deliver(t, sig, info, uc);
		return;
	}
	if (rip == (uint64_t)stub_window_jump) {
		uc->mcontext.rip = uc->mcontext.rcx;
		leave_stub(&uc->mcontext, false);
		deliver(t, sig, info, uc);
		return;
	}
	if (between(rip, stub_window_begin, stub_window_jump))
		uc->mcontext.rip = (uint64_t)stub_window_begin;
	else if (between(rip, gate_restorer, gate_restorer_end))
		uc->mcontext.rip = (uint64_t)gate_restorer;
	else if (between(rip, gate_wait_begin, gate_wait_end + 1))
		uc->mcontext.rip = (uint64_t)gate_wait_abandon;
	else if (between(rip, gate_suspend_begin, gate_suspend_end))
		uc->mcontext.rip = (uint64_t)gate_suspend_abandon;
	else if (between(rip, gate_sigwait_begin, gate_sigwait_end))
		uc->mcontext.rip = (uint64_t)gate_sigwait_abandon;
	else if (between(rip, gate_mask_begin, gate_mask_end))
		uc->mcontext.rip = (uint64_t)gate_mask_abandon;
	defer(t, info, uc);
}

/* ---- faults */

static bool fix_copy(struct k_mcontext *m)
{
	if (between(m->rip, copy_begin, copy_end))
		m->rip = (uint64_t)copy_fault;
	else if (between(m->rip, copy_string_begin, copy_string_end))
		m->rip = (uint64_t)copy_string_fault;
	else if (between(m->rip, copy_probe_begin, copy_probe_end))
		m->rip = (uint64_t)copy_probe_fault;
	else
		return false;
	return true;
}

void shim_on_fault(int sig, struct k_siginfo *info, struct k_ucontext *uc)
{
	struct shim_thread *t = shim_self();

	if (info->code <= 0) { /* by kill(2), not by an instruction */
		shim_on_signal(sig, info, uc);
		return;
	}
	if (fix_copy(&uc->mcontext))
		return;
	if (in_shim(uc->mcontext.rip))
		crash();
	if (handled(sig))
		deliver(t, sig, info, uc);
	else
		to_default(sig); /* the instruction is met again */
}

/* ---- trapped system calls */

static void trap_mask_call(struct k_ucontext *uc)
{
	const struct k_mcontext *m = &uc->mcontext;
	uint64_t set, old = uc->sigmask;

	if (m->r10 != 8) {
		uc->mcontext.rax = (uint64_t)-EINVAL;
		return;
	}
	if (m->rsi) {
		if (copy_user(&set, (const void *)m->rsi, 8)) {
			uc->mcontext.rax = (uint64_t)-EFAULT;
			return;
		}
		if (m->rdi == SIG_BLOCK)
			set = old | set;
		else if (m->rdi == SIG_UNBLOCK)
			set = old & ~set;
		else if (m->rdi != SIG_SETMASK) {
			uc->mcontext.rax = (uint64_t)-EINVAL;
			return;
		}
		uc->sigmask = shim_clean_mask(set);
	}
	uc->mcontext.rax = 0;
	if (m->rdx && copy_user((void *)m->rdx, &old, 8))
		uc->mcontext.rax = (uint64_t)-EFAULT;
}

static void serve_trap(struct shim_thread *t, struct k_ucontext *uc, uint64_t nr)
{
	struct k_mcontext *m = &uc->mcontext;
	const uint64_t arg[6] = { m->rdi, m->rsi, m->rdx, m->r10, m->r8, m->r9 };

	switch (nr) {
	case SYS_rt_sigreturn:
		return_from_handler(t, uc);
		return;
	case SYS_rt_sigprocmask:
		trap_mask_call(uc);
		return;
	case SYS_clone:
	case SYS_fork:
	case SYS_vfork:
		m->rax = (uint64_t)shim_clone(t, uc, nr);
		return;
	default:
		m->rax = (uint64_t)shim_serve(t, nr, arg);
	}
}

void shim_on_trap(int sig, struct k_siginfo *info, struct k_ucontext *uc)
{
	struct shim_thread *t = shim_self();
	struct k_mcontext *m = &uc->mcontext;

	if (info->code == RUN_SI_END) {
		(void)shim_block_all();
		gate_exit_thread(&t->state);
	}
	if (info->code <= 0) {
		shim_on_signal(sig, info, uc);
		return;
	}
	if (m->rip == (uint64_t)stub_trap_return) {
		m->rip = t->exit_rip;
		m->rcx = t->exit_rip;
		m->rax = t->exit_rax;
		uc->sigmask = shim_clean_mask(t->deferred_mask);
		return; /* by gate_restorer and shim_boundary */
	}
	if (in_shim(m->rip))
		crash();
	t->by_stub = false;
	t->user_rsp = m->rsp;
	t->call_nr = m->rax;
	serve_trap(t, uc, m->rax);
}

/* ---- the program's own signal calls */

void shim_signals_install(void)
{
	install(SIGSYS, (uint64_t)shim_on_trap, SA_SIGINFO | SA_ONSTACK | SA_NODEFER, 0);
	install(SIGSEGV, (uint64_t)shim_on_fault, SA_SIGINFO | SA_ONSTACK | SA_NODEFER, ALL_MASK);
	install(SIGBUS, (uint64_t)shim_on_fault, SA_SIGINFO | SA_ONSTACK | SA_NODEFER, ALL_MASK);
}

void shim_signals_reset(void)
{
	struct shim_process *p = shim_process();

	for (int sig = 1; sig < SIGNAL_COUNT; sig++) {
		struct k_sigaction *a = &p->action[sig];
		bool handled = a->handler != (uint64_t)SIG_DFL && a->handler != (uint64_t)SIG_IGN;
		bool ignored = a->handler == (uint64_t)SIG_IGN;

		*a = (struct k_sigaction){ .handler = (uint64_t)(ignored ? SIG_IGN : SIG_DFL) };
		if (handled && !(SYNCHRONOUS & BIT(sig)))
			to_default(sig);
	}
}

static void tell_sigchld(struct shim_thread *t, const struct k_sigaction *a)
{
	bool ignored = a->handler == (uint64_t)SIG_IGN || (a->flags & SA_NOCLDWAIT);

	(void)shim_post1(t, RUN_SIGCHLD, ignored, (a->flags & SA_NOCLDSTOP) != 0, 0);
}

static void apply_action(int sig, const struct k_sigaction *a)
{
	if (SYNCHRONOUS & BIT(sig))
		return; /* ours stays; it consults the table */
	if (a->handler == (uint64_t)SIG_DFL || a->handler == (uint64_t)SIG_IGN)
		install(sig, a->handler, 0, 0);
	else
		install(sig, (uint64_t)shim_on_signal,
			SA_SIGINFO | SA_ONSTACK | (a->flags & SA_RESTART), ALL_MASK);
}

int64_t shim_sigaction(struct shim_thread *t, const uint64_t arg[6])
{
	struct shim_process *p = shim_process();
	uint64_t sig = arg[0];
	struct k_sigaction new, old;

	if (arg[3] != 8 || sig < 1 || sig >= SIGNAL_COUNT)
		return -EINVAL;
	if (arg[1] && (sig == SIGKILL || sig == SIGSTOP))
		return -EINVAL;
	if (arg[1] && copy_user(&new, (const void *)arg[1], sizeof(new)))
		return -EFAULT;
	shim_lock(&p->action_lock);
	old = p->action[sig];
	if (arg[1]) {
		p->action[sig] = new;
		apply_action((int)sig, &new);
	}
	shim_unlock(&p->action_lock);
	if (arg[1] && sig == SIGCHLD)
		tell_sigchld(t, &new);
	if (arg[2] && copy_user((void *)arg[2], &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

/* By a stub: the kernel's own mask is the program's, unless a signal is deferred. */
int64_t shim_sigprocmask(const uint64_t arg[6])
{
	uint64_t set = 0, old = 0;
	int64_t r;

	if (arg[3] != 8)
		return -EINVAL;
	if (arg[1]) {
		if (copy_user(&set, (const void *)arg[1], 8))
			return -EFAULT;
		if (arg[0] != SIG_UNBLOCK)
			set = shim_clean_mask(set);
	}
	r = gate_mask(arg[0], arg[1] ? &set : NULL, &old);
	if (r == -EINTR)
		return -ERESTARTNOINTR;
	if (r == 0 && arg[2] && copy_user((void *)arg[2], &old, 8))
		return -EFAULT;
	return r;
}

int64_t shim_sigtimedwait(const uint64_t arg[6])
{
	uint64_t set, timeout[2];
	struct k_siginfo info;
	int64_t r;

	if (arg[3] != 8)
		return -EINVAL;
	if (copy_user(&set, (const void *)arg[0], 8) ||
	    (arg[2] && copy_user(timeout, (const void *)arg[2], sizeof(timeout))))
		return -EFAULT;
	set &= ~BIT(SIGSYS); /* by it the manager ends a thread: never taken from under it */
	r = gate_sigwait(&set, &info, arg[2] ? timeout : NULL);
	if (r <= 0)
		return r;
	translate(&info);
	if (arg[1] && copy_user((void *)arg[1], &info, sizeof(info)))
		return -EFAULT;
	return r;
}

int64_t shim_sigaltstack(struct shim_thread *t, const uint64_t arg[6], uint64_t rsp)
{
	struct k_stack new, old = t->alt_stack;
	bool on = on_alt_stack(&old, rsp);

	old.flags = old.size ? (on ? SS_ONSTACK : 0) : SS_DISABLE;
	if (arg[0]) {
		if (copy_user(&new, (const void *)arg[0], sizeof(new)))
			return -EFAULT;
		if (on)
			return -EPERM;
		if (new.flags & SS_DISABLE)
			new = (struct k_stack){ 0 };
		else if (new.flags & ~SS_ONSTACK)
			return -EINVAL;
		else if (new.size < 2048)
			return -ENOMEM;
		new.flags = 0;
		t->alt_stack = new;
	}
	if (arg[1] && copy_user((void *)arg[1], &old, sizeof(old)))
		return -EFAULT;
	return 0;
}

int64_t shim_mask_begin(struct shim_thread *t, uint64_t address, uint64_t size, struct shim_mask *m)
{
	uint64_t set;

	m->set = false;
	if (!address)
		return 0;
	if (size != 8)
		return -EINVAL;
	if (copy_user(&set, (const void *)address, 8))
		return -EFAULT;
	set = shim_clean_mask(set);
	if (gate_mask(SIG_SETMASK, &set, &m->old) == -EINTR) {
		/* A signal came first; the call ends at once and the program's mask is known. */
		m->old = t->deferred_mask;
		return -EINTR;
	}
	m->set = true;
	return 0;
}

void shim_mask_end(struct shim_thread *t, const struct shim_mask *m)
{
	uint64_t old = m->old;

	if (!m->set)
		return;
	if (gate_mask(SIG_SETMASK, &old, NULL) == -EINTR)
		t->deferred_mask = old; /* what to come back to after the handler */
}

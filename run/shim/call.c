/*
 * call.c - one system call of the program: answered here, made by the host for this
 * process, or marshalled to the manager by the table of run_calls.def.
 */
#include "run/shim/shim.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/fs.h>
#include <linux/prctl.h>
#include <linux/rseq.h>
#include <sys/syscall.h>

#define ALIGN_BUFFER 16u
#define STRING_ROOM 4096u
#define OWN_NUMBERS 512u

/* One argument's form in 32 bits: kind, how the size is found, of which argument, bytes or unit. */
enum size_kind { SIZE_BYTES, SIZE_ARG, SIZE_UNIT, SIZE_RET, SIZE_RET_UNIT };
#define FORM(kind, how, index, bytes) \
	((uint32_t)(kind) | (uint32_t)(how) << 4 | (uint32_t)(index) << 8 | (uint32_t)(bytes) << 12)
#define FORM_KIND(f) ((f)&0xfu)
#define FORM_HOW(f) ((f) >> 4 & 0xfu)
#define FORM_INDEX(f) ((f) >> 8 & 0xfu)
#define FORM_BYTES(f) ((f) >> 12)

#define I FORM(RUN_I, 0, 0, 0)
#define STR FORM(RUN_STR, 0, 0, 0)
/* A size is a number of bytes, or one of these, told apart by its high bits. */
#define ARG(n) (0x100000u + (n))
#define UNIT(n, u) (0x200000u + (n) + ((u) << 4))
#define RET(n) (0x400000u + (n))
#define RET_UNIT(n, u) (0x800000u + (n) + ((u) << 4))
#define SIZED(kind, s)                                                            \
	((s) < 0x100000u   ? FORM(kind, SIZE_BYTES, 0, (s))                       \
	 : (s) < 0x200000u ? FORM(kind, SIZE_ARG, (s)&0xfu, 0)                    \
	 : (s) < 0x400000u ? FORM(kind, SIZE_UNIT, (s)&0xfu, ((s)&0xfffffu) >> 4) \
	 : (s) < 0x800000u ? FORM(kind, SIZE_RET, (s)&0xfu, 0)                    \
			   : FORM(kind, SIZE_RET_UNIT, (s)&0xfu, ((s)&0xfffffu) >> 4))
#define IN(s) SIZED(RUN_IN, (s))
#define OUT(s) SIZED(RUN_OUT, (s))
#define INOUT(s) SIZED(RUN_INOUT, (s))

struct call_form {
	uint32_t arg[6];
};

static const struct call_form forms[OWN_NUMBERS] = {
#define CALL(nr, name, a0, a1, a2, a3, a4, a5) [nr] = { { a0, a1, a2, a3, a4, a5 } },
#define SPECIAL(nr, name)
#include "hascall/run_calls.def"
#undef CALL
#undef SPECIAL
};

/* Where the buffers of the call being marshalled lie. */
struct layout {
	uint64_t offset[6]; /* in the bounce buffer */
	uint64_t size[6];
	uint64_t used;
};

static uint64_t buffer_size(uint32_t form, const uint64_t arg[6])
{
	uint64_t value = arg[FORM_INDEX(form) < 6 ? FORM_INDEX(form) : 0];

	switch (FORM_HOW(form)) {
	case SIZE_ARG:
	case SIZE_RET:
		return value;
	case SIZE_UNIT:
	case SIZE_RET_UNIT:
		return value > RUN_BOUNCE_SIZE ? UINT64_MAX : value * FORM_BYTES(form);
	default:
		return FORM_BYTES(form);
	}
}

static int64_t copy_one_in(struct shim_thread *t, uint32_t form, unsigned int i,
			   const uint64_t arg[6], struct layout *l)
{
	unsigned char *at = shim_bounce(t) + l->used;
	uint64_t room = RUN_BOUNCE_SIZE - l->used, size;
	int64_t r;

	l->offset[i] = l->used;
	if (FORM_KIND(form) == RUN_STR) {
		r = copy_user_string((char *)at, (const char *)arg[i],
				     room < STRING_ROOM ? room : STRING_ROOM);
		if (r < 0)
			return r;
		l->size[i] = (uint64_t)r + 1;
	} else {
		size = buffer_size(form, arg);
		if (size > room) {
			if (FORM_HOW(form) != SIZE_RET)
				return FORM_KIND(form) == RUN_OUT ? -EINVAL : -E2BIG;
			size = room; /* the manager gives no more than fits */
		}
		l->size[i] = size;
		if (FORM_KIND(form) != RUN_OUT && copy_user(at, (const void *)arg[i], size))
			return -EFAULT;
	}
	l->used = (l->used + l->size[i] + ALIGN_BUFFER - 1) & ~(uint64_t)(ALIGN_BUFFER - 1);
	if (l->used > RUN_BOUNCE_SIZE)
		l->used = RUN_BOUNCE_SIZE;
	return 0;
}

static int64_t copy_in(struct shim_thread *t, const struct call_form *form, const uint64_t arg[6],
		       uint64_t wire[6], struct layout *l)
{
	for (unsigned int i = 0; i < 6; i++) {
		uint32_t f = form->arg[i];
		int64_t r;

		wire[i] = arg[i];
		if (FORM_KIND(f) == RUN_I)
			continue;
		if (!arg[i]) {
			wire[i] = RUN_NULL; /* the manager knows where that is allowed */
			continue;
		}
		r = copy_one_in(t, f, i, arg, l);
		if (r < 0)
			return r;
		wire[i] = l->offset[i];
		if (FORM_HOW(f) == SIZE_RET && l->size[i] < wire[FORM_INDEX(f)])
			wire[FORM_INDEX(f)] = l->size[i];
	}
	return 0;
}

static int64_t copy_out(struct shim_thread *t, const struct call_form *form, const uint64_t arg[6],
			const struct layout *l, int64_t ret)
{
	for (unsigned int i = 0; i < 6; i++) {
		uint32_t f = form->arg[i];
		uint64_t size = l->size[i];

		if ((FORM_KIND(f) != RUN_OUT && FORM_KIND(f) != RUN_INOUT) || !arg[i])
			continue;
		if (FORM_HOW(f) == SIZE_RET && size > (uint64_t)ret)
			size = (uint64_t)ret;
		if (FORM_HOW(f) == SIZE_RET_UNIT && size > (uint64_t)ret * FORM_BYTES(f))
			size = (uint64_t)ret * FORM_BYTES(f);
		if (copy_user((void *)arg[i], shim_bounce(t) + l->offset[i], size))
			return -EFAULT;
	}
	return ret;
}

static int64_t marshal_once(struct shim_thread *t, uint64_t nr, const uint64_t arg[6])
{
	const struct call_form *form = &forms[nr];
	struct layout l = { .used = 0 };
	uint64_t wire[6];
	int64_t r;

	r = copy_in(t, form, arg, wire, &l);
	if (r < 0)
		return r;
	r = shim_post(t, (uint32_t)nr, wire, NULL);
	return r < 0 ? r : copy_out(t, form, arg, &l, r);
}

/*
 * Where the program's memory ends, a read ends, as the kernel's does: the file's position goes
 * back to there. What has no position (a pipe) has lost the rest. Another thread that reads by the
 * same position between the two calls moves it too: some bytes are then read by nobody, others
 * twice.
 */
int64_t shim_cut_read(struct shim_thread *t, uint64_t nr, uint64_t fd, uint64_t copied, int64_t r)
{
	if (nr == SYS_read)
		(void)shim_post1(t, SYS_lseek, fd, copied - (uint64_t)r, SEEK_CUR);
	return copied ? (int64_t)copied : -EFAULT;
}

/* The manager is asked to read to nowhere: it takes nothing, and says what is wrong. */
int64_t shim_read_nowhere(struct shim_thread *t, uint64_t fd, uint64_t size)
{
	const uint64_t wire[6] = { fd, RUN_NULL, size, 0, 0, 0 };
	uint32_t flags;
	int64_t r = shim_post(t, SYS_read, wire, &flags);

	/* At the end of a file, 0 bytes are read to anywhere. */
	return flags & RUN_REPLY_REGULAR ? 0 : r;
}

/* One read, of no more than the bounce buffer holds. */
static int64_t read_piece(struct shim_thread *t, uint64_t nr, const uint64_t arg[6],
			  uint32_t *ret_flags)
{
	const uint64_t wire[6] = { arg[0], 0, arg[2], arg[3], 0, 0 };
	struct shim_stream s = {
		.to = (unsigned char *)arg[1],
		.from = shim_bounce(t),
		.size = arg[2],
	};
	int64_t r;

	if (nr == SYS_read && arg[2] && !copy_probe(s.to)) {
		r = shim_read_nowhere(t, arg[0], arg[2]);
		if (r < 0)
			return r;
	}
	r = shim_post_stream(t, (uint32_t)nr, wire, &s, ret_flags);
	return r >= 0 && s.fault ? shim_cut_read(t, nr, arg[0], s.done, r) : r;
}

/* One write; as much of it as the program's memory has. Without any, the manager says why not. */
static int64_t write_piece(struct shim_thread *t, uint64_t nr, const uint64_t arg[6],
			   uint32_t *ret_flags)
{
	uint64_t wire[6] = { arg[0], 0, arg[2], arg[3], 0, 0 };
	uint64_t left = copy_user(shim_bounce(t), (const void *)arg[1], arg[2]);

	if (left && left == arg[2]) {
		wire[1] = RUN_NULL;
	} else if (left) {
		wire[2] -= left;
		wire[4] = RUN_WRITE_CUT;
	}
	return shim_post(t, (uint32_t)nr, wire, ret_flags);
}

/*
 * What is larger than the bounce buffer goes in pieces, until one is short. A signal ends it
 * between two of them, but not where the kernel's transfer would go on: in a regular file.
 */
static int64_t transfer(struct shim_thread *t, uint64_t nr, const uint64_t arg[6])
{
	bool reads = nr == SYS_read || nr == SYS_pread64;
	bool positioned = nr == SYS_pread64 || nr == SYS_pwrite64;
	uint64_t done = 0;

	do {
		uint64_t left = arg[2] - done;
		uint64_t piece[6] = { arg[0], arg[1] + done, left, arg[3], 0, 0 };
		uint32_t flags;
		int64_t r;

		if (left > RUN_BOUNCE_SIZE)
			piece[2] = RUN_BOUNCE_SIZE;
		if (positioned)
			piece[3] += done;
		r = reads ? read_piece(t, nr, piece, &flags) : write_piece(t, nr, piece, &flags);
		if (r < 0)
			return done ? (int64_t)done : r;
		done += (uint64_t)r;
		if ((uint64_t)r < piece[2] || (t->deferred && !(flags & RUN_REPLY_REGULAR)))
			break;
	} while (done < arg[2]);
	return (int64_t)done;
}

static int64_t marshal(struct shim_thread *t, uint64_t nr, const uint64_t arg[6])
{
	switch (nr) {
	case SYS_read:
	case SYS_write:
	case SYS_pread64:
	case SYS_pwrite64:
		return transfer(t, nr, arg);
	default:
		return marshal_once(t, nr, arg);
	}
}

/* ---- answered here */

static int64_t ids(uint64_t nr, const uint64_t arg[6])
{
	const struct run_control *c = shim_control();
	bool user = nr == SYS_getresuid;
	uint32_t id[3] = { user ? c->uid : c->gid, user ? c->euid : c->egid,
			   user ? c->suid : c->sgid };

	for (unsigned int i = 0; i < 3; i++)
		if (copy_user((void *)arg[i], &id[i], sizeof(id[i])))
			return -EFAULT;
	return 0;
}

static int64_t identity(uint64_t nr, const uint64_t arg[6])
{
	const struct run_control *c = shim_control();

	switch (nr) {
	case SYS_getppid:
		return __atomic_load_n(&c->ppid, __ATOMIC_RELAXED);
	case SYS_getuid:
		return c->uid;
	case SYS_geteuid:
		return c->euid;
	case SYS_getgid:
		return c->gid;
	case SYS_getegid:
		return c->egid;
	default:
		return ids(nr, arg);
	}
}

static int64_t process_control(const uint64_t arg[6])
{
	char name[16] = { 0 };

	switch (arg[0]) {
	case PR_SET_NAME:
		if (copy_user_string(name, (const char *)arg[1], sizeof(name) - 1) == -EFAULT)
			return -EFAULT;
		return gate_call(SYS_prctl, PR_SET_NAME, (uint64_t)name, 0, 0, 0);
	case PR_GET_NAME:
		(void)gate_call(SYS_prctl, PR_GET_NAME, (uint64_t)name, 0, 0, 0);
		return copy_user((void *)arg[1], name, sizeof(name)) ? -EFAULT : 0;
	case PR_SET_VMA:
		return gate_call(SYS_prctl, PR_SET_VMA, arg[1], arg[2], arg[3], arg[4]);
	case PR_SET_PDEATHSIG: /* ours already: with the manager, all ends */
	case PR_SET_NO_NEW_PRIVS:
	case PR_SET_DUMPABLE:
	case PR_SET_KEEPCAPS:
	case PR_SET_TIMERSLACK:
	case PR_SET_CHILD_SUBREAPER:
	case PR_GET_SECCOMP:
		return 0;
	case PR_GET_DUMPABLE:
	case PR_GET_NO_NEW_PRIVS:
	case PR_CAPBSET_READ:
		return 1;
	default:
		return -EINVAL;
	}
}

static int64_t restartable_sequence(struct shim_thread *t, const uint64_t arg[6])
{
	int64_t r = gate_call6(SYS_rseq, arg);

	if (r < 0)
		return r;
	if (arg[2] & RSEQ_FLAG_UNREGISTER) {
		t->rseq_address = 0;
	} else {
		t->rseq_address = arg[0];
		t->rseq_size = arg[1];
		t->rseq_signature = arg[3];
	}
	return r;
}

static int64_t suspend(const uint64_t arg[6])
{
	uint64_t mask;

	if (arg[1] != 8)
		return -EINVAL;
	if (copy_user(&mask, (const void *)arg[0], 8))
		return -EFAULT;
	mask = shim_clean_mask(mask);
	return gate_suspend(&mask);
}

/* The host's own limits follow where they bound what the host does for this process. */
static int64_t limits(struct shim_thread *t, uint64_t nr, const uint64_t arg[6])
{
	uint64_t own[6] = { 0, arg[1], arg[2], 0, 0, 0 };
	int64_t r = marshal(t, nr, arg);

	if (r < 0 || !arg[2] || nr != SYS_prlimit64)
		return r;
	switch (arg[1]) {
	case 0: /* RLIMIT_CPU, DATA, CORE, AS */
	case 2:
	case 4:
	case 9:
		(void)gate_call6(SYS_prlimit64, own);
		break;
	default:
		break;
	}
	return r;
}

/* Scheduling of the caller is the host's business; niceness of others, the manager's. */
static int64_t scheduling(uint64_t nr, const uint64_t arg[6])
{
	unsigned int who = nr == SYS_setpriority || nr == SYS_ioprio_set ? 1 : 0;
	uint64_t own[6] = { arg[0], arg[1], arg[2], arg[3], 0, 0 };

	if ((uint32_t)arg[who] != 0 &&
	    (uint32_t)arg[who] != (uint32_t)gate_call(SYS_getpid, 0, 0, 0, 0, 0) &&
	    (uint32_t)arg[who] != (uint32_t)gate_call(SYS_gettid, 0, 0, 0, 0, 0))
		return nr == SYS_setpriority ? SHIM_NOT_SPECIAL : -EPERM;
	if (who == 1 && (uint32_t)arg[0] != (nr == SYS_setpriority ? 0u : 1u))
		return nr == SYS_setpriority ? SHIM_NOT_SPECIAL : -EPERM; /* of a group or a user */
	own[who] = 0;
	if (who == 1)
		own[0] = (uint32_t)arg[0];
	return gate_call6(nr, own);
}

/* Calls about this thread or this process's memory; SHIM_NOT_SPECIAL for any other. */
static int64_t own_call(struct shim_thread *t, uint64_t nr, const uint64_t arg[6])
{
	switch (nr) {
	case SYS_mmap:
		return shim_mmap(t, arg);
	case SYS_brk:
		return shim_brk(arg[0]);
	case SYS_rt_sigaction:
		return shim_sigaction(t, arg);
	case SYS_rt_sigprocmask:
		return shim_sigprocmask(arg);
	case SYS_sigaltstack:
		return shim_sigaltstack(t, arg, t->user_rsp);
	case SYS_rt_sigsuspend:
		return suspend(arg);
	case SYS_rt_sigtimedwait:
		return shim_sigtimedwait(arg);
	case SYS_getppid:
	case SYS_getuid:
	case SYS_geteuid:
	case SYS_getgid:
	case SYS_getegid:
	case SYS_getresuid:
	case SYS_getresgid:
		return identity(nr, arg);
	case SYS_prctl:
		return process_control(arg);
	case SYS_arch_prctl: /* the FS base goes past us; GS is the shim's */
		return arg[0] == ARCH_SET_GS ? -EPERM : -EINVAL;
	case SYS_rseq:
		return restartable_sequence(t, arg);
	case SYS_prlimit64:
		return limits(t, nr, arg);
	case SYS_personality:
		return 0;
	case SYS_setpriority:
	case SYS_ioprio_set:
	case SYS_sched_setaffinity:
	case SYS_sched_setscheduler:
	case SYS_sched_setparam:
	case SYS_sched_setattr:
		return scheduling(nr, arg);
	case SYS_clone3:
		return -ENOSYS; /* its arguments lie in memory: libc then takes clone(2) */
	case SYS_execve:
	case SYS_execveat:
		return shim_execve(t, arg, nr);
	case SYS_exit:
	case SYS_exit_group:
		return shim_exit(t, nr, arg[0]);
	default:
		return SHIM_NOT_SPECIAL;
	}
}

int64_t shim_serve(struct shim_thread *t, uint64_t nr, const uint64_t arg[6])
{
	int64_t r;

	do {
		r = own_call(t, nr, arg);
		if (r == SHIM_NOT_SPECIAL)
			r = shim_special(t, nr, arg);
		if (r == SHIM_NOT_SPECIAL && nr < OWN_NUMBERS)
			r = marshal(t, nr, arg);
		if (r == SHIM_NOT_SPECIAL)
			r = -ENOSYS; /* x32 and numbers that do not exist */
		/* Interrupted, but by no signal of the program's: do it again. */
	} while (r == -ERESTARTSYS && !__atomic_load_n(&t->deferred, __ATOMIC_ACQUIRE));
	return r;
}

/* From entry.S: frame = rax rdi rsi rdx r10 r8 r9, return address. */
int64_t shim_stub_call(uint64_t *frame)
{
	struct shim_thread *t = shim_self();

	t->by_stub = true;
	t->call_nr = frame[0];
	return shim_serve(t, frame[0], frame + 1);
}

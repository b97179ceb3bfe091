#ifndef RUN_SHIM_SHIM_H
#define RUN_SHIM_SHIM_H
/*
 * shim.h - the code that lives inside every program: it catches the program's
 * system calls, posts them to the manager, and does what only the program's own
 * process can do (memory, signals, fork, exec). Layer: run, freestanding.
 *
 * The shim has no libc, uses general registers only (the program's vector registers
 * stay as they are), and keeps no data beside its text: everything lies at RUN_PROCESS
 * (one a process) and in a thread's block (found from %gs).
 *
 * Owner    one process's shim belongs to that process; nothing here is a boundary. The
 *          boundary is the seccomp filter (run/filter.c) and the manager's checks.
 * Thread   every thread of the program, in its own block; shim_process says what is shared.
 *
 * Ways in: shim_on_trap (SIGSYS of the filter, signal.c), shim_stub_call (call-site
 * stubs, entry.S), shim_on_fault and shim_on_signal (signal.c), shim_start (exec.c).
 * Way down: shim_serve (call.c) -> shim_post (wait.c) -> slot_post.
 */
#include "base/cc.h"
#include "hascall/run_abi.h"
#include "slot/slot.h"

#include <stdint.h>
#include <string.h>

#define SIGNAL_COUNT 65
#define ERESTARTSYS 512	   /* restart if the handler says SA_RESTART */
#define ERESTARTNOINTR 513 /* restart always */

/* The kernel's own forms, not libc's. */
struct k_sigaction {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

struct k_stack {
	uint64_t sp;
	int32_t flags;
	int32_t unused;
	uint64_t size;
};

struct k_mcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip,
		eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
};

struct k_ucontext {
	uint64_t flags;
	uint64_t link;
	struct k_stack stack;
	struct k_mcontext mcontext;
	uint64_t sigmask;
};

struct k_siginfo {
	int32_t signo, error, code, unused;
	union {
		struct {
			int32_t pid;
			uint32_t uid;
			int32_t status;
			int32_t unused;
			int64_t utime, stime;
		} child;
		struct {
			uint64_t address;
			int32_t number;
			uint32_t arch;
		} syscall;
		uint64_t words[14];
	};
};
static_assert(sizeof(struct k_siginfo) == 128, "the kernel's siginfo");
static_assert(sizeof(struct k_ucontext) == 304, "the kernel's ucontext");

/* Registers of a thread to start, in the order entry.S loads them. */
struct shim_registers {
	uint64_t rdi, rsi, rdx, r10, r8, r9, rbx, rbp, r12, r13, r14, r15, rsp, rip;
};

enum shim_thread_state { SHIM_FREE, SHIM_USED };

/* At the bottom of a thread's block; entry.S knows the first members by offset. */
struct shim_thread {
	struct shim_thread *self; /* 0: %gs:0 */
	uint64_t stack_top;	  /* 8: the shim's stack of this thread */
	uint64_t user_rsp;	  /* 16: program's, while a stub call runs */
	uint32_t deferred;	  /* 24: a signal waits for the end of the call */
	uint32_t state;	     /* 28: enum shim_thread_state, cleared last when the thread ends */
	uint64_t exit_rip;   /* 32: where a stub call returns to (trap exit) */
	uint64_t exit_rax;   /* 40: and with what */
	uint32_t index;	     /* of its entry */
	uint32_t spin_turns; /* how long a call spins before it sleeps: wait.c learns */
	/* place.c: calls answered without a wait, in a row; calls since it last moved */
	uint32_t prompt_calls, calls_here, patience;
	bool cancel_sent;
	bool by_stub;	  /* the call being served came by a stub, not a trap */
	uint64_t call_nr; /* its number, for a restart */
	/* the deferred signal, valid while deferred */
	struct k_siginfo deferred_info;
	uint64_t deferred_mask;	  /* the program's mask at that time */
	struct k_stack alt_stack; /* the program's sigaltstack */
	uint64_t rseq_address, rseq_size, rseq_signature;
	struct shim_registers start; /* a new thread's */
};
static_assert(offsetof(struct shim_thread, exit_rax) == 40, "entry.S");

/* Newer than some headers. */
#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN 28
#endif

/* One a process, at RUN_PROCESS. Guarded by nothing but what is said. */
struct shim_process {
	/* set by the launcher, constant */
	uint64_t vdso_start, vdso_end; /* with vvar: never unmapped */
	uint64_t vdso_entry;	       /* AT_SYSINFO_EHDR */
	uint64_t hwcap, hwcap2, clock_ticks, min_signal_stack, rseq_feature_size, rseq_align;
	uint64_t scratch_strings; /* first exec: strings of argv and envp in RUN_SCRATCH */
	uint32_t argc, envc;
	/* under fd_lock: the socket, the descriptor slots, reserved ranges */
	uint32_t fd_lock;
	uint32_t reserve_next;
	struct {
		uint64_t start, end;
	} reserve[8];
	uint64_t stack_start, stack_end; /* of the first thread, set by exec */
	/* under brk_lock */
	uint32_t brk_lock;
	uint64_t brk_start, brk_end;
	/* each element written by one rt_sigaction at a time (action_lock) */
	uint32_t action_lock;
	struct k_sigaction action[SIGNAL_COUNT];
	uint32_t threads;      /* how many, atomic */
	uint32_t blocks;       /* the first that was never used; under fd_lock */
	uint32_t vfork_child;  /* this process is a vfork child until exec */
	uint64_t vfork_window; /* program's stack pointer at vfork */
};

static inline struct shim_process *shim_process(void)
{
	return (struct shim_process *)RUN_PROCESS;
}

static inline struct shim_thread *shim_self(void)
{
	struct shim_thread *t;

	__asm__("movq %%gs:0, %0" : "=r"(t));
	return t;
}

static inline struct shim_thread *shim_block(unsigned int index)
{
	return (struct shim_thread *)(RUN_THREADS + (uint64_t)index * RUN_THREAD_SIZE);
}

static inline unsigned char *shim_bounce(const struct shim_thread *t)
{
	return (unsigned char *)(RUN_AREA + RUN_BOUNCE_OFFSET) +
	       (uint64_t)t->index * RUN_BOUNCE_SIZE;
}

static inline struct syscall_info *shim_entry(const struct shim_thread *t)
{
	return (struct syscall_info *)(RUN_AREA + RUN_ENTRIES_OFFSET) + t->index;
}

static inline struct run_control *shim_control(void)
{
	return (struct run_control *)RUN_AREA;
}

/* ---- gate.S: the only instructions whose system calls the filter lets pass on its short list. */
int64_t gate_call(uint64_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4);
int64_t gate_call6(uint64_t nr, const uint64_t arg[6]);
/* Sleep while *word == seen; -EINTR at once or later if a signal was deferred. */
int64_t gate_futex_wait(uint32_t *word, uint32_t seen);
/* rt_sigsuspend that cannot miss a signal deferred before it. */
int64_t gate_suspend(const uint64_t *mask);
struct k_siginfo;
int64_t gate_sigwait(const uint64_t *set, struct k_siginfo *ret, const uint64_t *timeout);
/* rt_sigprocmask for the program; -EINTR, not done, if a signal was deferred. */
int64_t gate_mask(uint64_t how, const uint64_t *set, uint64_t *old);
_Noreturn void gate_exit_thread(uint32_t *state);
_Noreturn void gate_enter(uint64_t rsp, uint64_t rip);
int64_t gate_clone_thread(uint64_t flags, uint64_t stack, uint64_t ptid, uint64_t ctid,
			  uint64_t tls, struct shim_thread *child);
_Noreturn void gate_load(const struct shim_registers *registers);
extern const char gate_restorer[], gate_restorer_end[], gate_wait_begin[], gate_wait_end[],
	gate_wait_abandon[], gate_suspend_begin[], gate_suspend_end[], gate_suspend_abandon[],
	gate_sigwait_begin[], gate_sigwait_end[], gate_sigwait_abandon[], gate_mask_begin[],
	gate_mask_end[], gate_mask_abandon[];
/* ---- entry.S */
extern const char stub_window_begin[], stub_window_jump[], stub_trap_return[];

/* ---- copy.S: program memory, which may not be there. Bytes that could NOT be copied. */
uint64_t copy_user(void *to, const void *from, uint64_t size);
/* Copy a string with its NUL: length without it, -EFAULT, or -ENAMETOOLONG. */
int64_t copy_user_string(char *to, const char *from, uint64_t room);
/* Can a byte be written there? It is not changed, not even for an instant. */
bool copy_probe(void *to);
extern const char copy_begin[], copy_end[], copy_fault[], copy_string_begin[], copy_string_end[],
	copy_string_fault[], copy_probe_begin[], copy_probe_end[], copy_probe_fault[];

/* ---- wait.c */
/* Post a call of this thread's entry and wait for its result. `flags` of the reply may be NULL. */
int64_t shim_post(struct shim_thread *t, uint32_t num, const uint64_t arg[6], uint32_t *ret_flags);
/*
 * Bytes that a call brings, copied from the bounce buffer to the program as they come: while
 * the call is executed, and when it has ended.
 */
struct shim_stream {
	unsigned char *to;
	const unsigned char *from;
	uint64_t size; /* room */
	uint64_t done; /* copied */
	bool fault;    /* the next one cannot be */
};
int64_t shim_post_stream(struct shim_thread *t, uint32_t num, const uint64_t arg[6],
			 struct shim_stream *s, uint32_t *ret_flags);
int64_t shim_post1(struct shim_thread *t, uint32_t num, uint64_t a0, uint64_t a1, uint64_t a2);
/* The thread's last call: the entry is not this thread's from here on, so nobody waits. */
void shim_post_last(struct shim_thread *t, uint32_t num, uint64_t a0);
void shim_lock(uint32_t *lock);
void shim_unlock(uint32_t *lock);
/* Receive one message of descriptors into their places. */
void shim_receive(void);
_Noreturn void shim_die(int status);

/* ---- place.c */
unsigned int shim_cpu(void); /* of this moment */
/* The manager wants to run on this thread's processor, `cpu`: perhaps leave it. */
void shim_make_room(struct shim_thread *t, unsigned int cpu);
void shim_note_reply(struct shim_thread *t, uint32_t flags);

/* ---- call.c: any system call of the program. arg is not changed. */
int64_t shim_serve(struct shim_thread *t, uint64_t nr, const uint64_t arg[6]);
/* A read brought r bytes, of which the program's memory took fewer: what the call answers. */
int64_t shim_cut_read(struct shim_thread *t, uint64_t nr, uint64_t fd, uint64_t copied, int64_t r);
/*
 * A read(2) without memory for its first byte: what it answers; 0: it is to be made, as its file
 * has a position, which shim_cut_read() takes back.
 */
int64_t shim_read_nowhere(struct shim_thread *t, uint64_t fd, uint64_t size);
/* Result of a call that has to be restarted or interrupted by the deferred signal. */
int64_t shim_stub_call(uint64_t *frame);

/* ---- special.c: calls whose arguments travel in a form of their own. */
#define SHIM_NOT_SPECIAL INT64_MIN
int64_t shim_special(struct shim_thread *t, uint64_t nr, const uint64_t arg[6]);
int64_t shim_message(struct shim_thread *t, uint64_t nr,
		     const uint64_t arg[6]); /* message.c: sockets */

/* ---- memory.c: mmap of files, brk. */
int64_t shim_mmap(struct shim_thread *t, const uint64_t arg[6]);
int64_t shim_brk(uint64_t end);

/* ---- process.c: fork, clone, exit. They work on the trapped context. */
int64_t shim_clone(struct shim_thread *t, struct k_ucontext *uc, uint64_t nr);
int64_t shim_exit(struct shim_thread *t, uint64_t nr, uint64_t status);
/* The launcher's thread names its block to %gs and gets its signal stack. */
void shim_first_block(struct shim_thread *t);

/* ---- exec.c */
int64_t shim_execve(struct shim_thread *t, const uint64_t arg[6], uint64_t nr);
_Noreturn void shim_start(void);

/* ---- signal.c */
void shim_signals_install(void);
void shim_signals_reset(void); /* exec: handlers to default, ignored stay */
int64_t shim_sigaction(struct shim_thread *t, const uint64_t arg[6]);
int64_t shim_sigprocmask(const uint64_t arg[6]);
int64_t shim_sigtimedwait(const uint64_t arg[6]);
int64_t shim_sigaltstack(struct shim_thread *t, const uint64_t arg[6], uint64_t rsp);
uint64_t shim_block_all(void); /* returns the mask before */
void shim_set_mask(uint64_t mask);
uint64_t shim_clean_mask(uint64_t mask);
/* A call with a signal mask of its own (ppoll, rt_sigsuspend): set it, and put it back. */
struct shim_mask {
	uint64_t old;
	bool set;
};
int64_t shim_mask_begin(struct shim_thread *t, uint64_t address, uint64_t size,
			struct shim_mask *m);
void shim_mask_end(struct shim_thread *t, const struct shim_mask *m);

/* ---- bytes.c */
/* memcpy and memset, too: declared by <string.h>, ours by definition. */
size_t shim_length(const char *s);

#endif /* RUN_SHIM_SHIM_H */

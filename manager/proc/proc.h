/* SPDX-License-Identifier: MIT */
#ifndef PROC_PROC_H
#define PROC_PROC_H
/*
 * proc.h - processes, their threads, groups and sessions, as the programs inside
 * see them. Layer: proc.
 *
 * Order    children are found by wait in the order in which they were made.
 * Limit    proc_options: processes in all, threads in all; PROC_ENTRIES threads an address space.
 * Owner    the table owns processes; others hold references (process_get). A process
 *          leaves the table when its parent has waited for it and its host process is gone.
 * Thread   scheduler thread only.
 *
 * A process number is the number of its host process. What a host process does
 * (signals, descriptors, memory) is reached through struct proc_host, given at
 * proc_init(); nothing here makes a system call.
 *
 *                process_started        process_exit              waited for, or nobody waits
 *     STARTING ------------------> RUNNING ---------------> ZOMBIE ------------------------> GONE
 *        |  process_abandon        |    ^                      ^                               |
 *        |                 stopped v    | continued            |            host process gone  v
 *        |                        STOPPED ---------------------+                            (freed)
 *        +-----------------------------------------------------------------------------------> ^
 *
 * Way down: process_kill -> signal_permitted (signal.c) -> proc_host.signal (front/watch.c).
 */
#include "base/cc.h"
#include "base/list.h"
#include "file/file.h"
#include "proc/fd.h"
#include "task/task.h"
#include "vfs/vfs.h"

#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>

#define PROC_ENTRIES 256u /* threads an address space: RUN_ENTRY_COUNT */
#define PROC_SLOTS 32u	  /* files a client keeps for mmap: RUN_FD_SLOTS */
#define PROC_THREADS_DEFAULT 4096u
#define PROC_COMM_SIZE 16u /* with the NUL */
#define PROC_LIMITS 16u	   /* RLIM_NLIMITS */
#define PROC_INIT_PID 1	   /* the manager, as parent of orphans */
#define PROC_CMDLINE_MAX 4096u
#define PROC_ENVIRON_MAX 32768u

struct process;
struct thread;
struct client;
struct group;
struct session;

/* ---- one address space and its area. */

/* What the client's descriptor slots hold: key is vfs_mapping.version (0: empty). */
struct client_slot {
	uint64_t key;
	uint64_t used; /* stamp of the last use: the least goes first */
};

struct client {
	struct process *process;
	struct list node; /* front/: among the live clients */
	/* the area, mapped by the manager; hostile memory */
	unsigned char *area;
	int area_fd;
	int socket; /* our end; -1: none */
	int peer;   /* the process's end, until it is sent; -1: none */
	/* front/ marks what it must look at again: calls posted but not yet taken */
	uint64_t pending[PROC_ENTRIES / 64];
	uint64_t stale[PROC_ENTRIES / 64];   /* entries whose thread was ended by exec */
	struct thread *thread[PROC_ENTRIES]; /* by entry; NULL: free */
	uint32_t thread_count;
	struct client_slot slot[PROC_SLOTS];
	uint64_t slot_stamp;
	bool served; /* entries are looked at */
};

/*
 * The slot where the client holds the file `key`. *ret_fresh: it must be sent now
 * (client_send with this slot); whatever was there is forgotten.
 */
uint32_t client_slot(struct client *c, uint64_t key, bool *ret_fresh);
/* The descriptor in that slot could not be sent: forget it. */
void client_slot_forget(struct client *c, uint32_t slot);
/* Send descriptors for these slots in one message (they stay ours). 0 or -errno; never yields. */
MUST_USE int client_send(struct client *c, const int *fds, const uint32_t *slots,
			 unsigned int count);

/* ---- threads. */

/*
 *          posted bit seen      a server takes it       completed
 *   IDLE -----------------> QUEUED ------------> SERVED ----------> IDLE
 */
enum thread_state { THREAD_IDLE, THREAD_QUEUED, THREAD_SERVED };

struct thread {
	struct process *process; /* counted */
	struct client *client;	 /* NULL once the address space is gone */
	struct list node;	 /* process->threads */
	uint32_t entry;
	enum thread_state state;
	/* while SERVED */
	struct task *task;
	/* while not IDLE */
	bool cancelled;		 /* the caller, or its death, wants the call cut short */
	bool cancel_next;	 /* the call that is posted now, not seen yet, shall be cut short */
	bool ended;		 /* exit was called, or the process is gone: freed when IDLE */
	bool told_to_end;	 /* by process_end_threads() */
	struct process *forking; /* counted: granted by RUN_FORK, RUN_FORKED not yet seen */
	bool kick;		 /* the reply shall say that a signal was sent to the caller */
};

/* A thread with a free entry (`entry` or, if negative, any). 0, -EAGAIN, -ENOMEM. */
MUST_USE int thread_new(struct process *p, int entry, struct thread **ret);
/* It will post no more; frees it, at once or when its call is completed. */
void thread_end(struct thread *t);
/* Its call waits for a server. */
void thread_queued(struct thread *t);
/* Completed: the reply has been given, or there is nobody to give it to. */
void thread_idle(struct thread *t);
/*
 * Every thread of every program waits for the manager now: nobody would notice if it
 * waited for the host itself.
 */
bool threads_all_wait(void);
/* Cut its call short, if there is one. */
void thread_cancel(struct thread *t);
/* Whose call the running task serves: NULL in other tasks. */
struct thread *thread_current(void);
/* A server task says whom it serves (NULL: nobody). */
struct thread_server {
	struct list node;
	struct task *task;
	struct thread *thread;
};
void thread_server_add(struct thread_server *s); /* the calling task */
void thread_server_remove(struct thread_server *s);

/* ---- processes. */

enum process_state {
	PROCESS_STARTING,
	PROCESS_RUNNING,
	PROCESS_STOPPED,
	PROCESS_ZOMBIE,
	PROCESS_GONE
};

/* What wait tells: CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_STOPPED, CLD_CONTINUED. */
struct process_status {
	int32_t code;
	int32_t status; /* exit status or signal */
};

struct proc_limit {
	uint64_t soft, hard;
};

/* Arguments and environment as bytes; shared by forks, never changed. */
struct process_text {
	uint32_t refs;
	uint32_t cmdline_size, environ_size;
	char bytes[]; /* cmdline, then environ */
};

struct process {
	/* always */
	int32_t pid; /* 0 while STARTING */
	uint32_t refs;
	enum process_state state;
	struct list node;	  /* table, all */
	struct process *pid_next; /* table, by pid */
	uint64_t start_ns;	  /* CLOCK_BOOTTIME-like: clock_now_ns() at fork */
	/* family */
	struct process *parent; /* NULL: the manager */
	struct list children, child_node;
	struct waitq child_wait; /* a child's state changed */
	int32_t exit_signal;	 /* to the parent; 0: none */
	struct group *group;	 /* NULL once GONE */
	struct list group_node;
	bool has_execed;      /* setpgid by the parent comes too late */
	bool sigchld_ignored; /* children do not become zombies */
	bool sigchld_no_stop; /* SA_NOCLDSTOP */
	/* resources; NULL once ZOMBIE */
	struct client *client;
	struct list threads;
	struct fd_table *fds;
	struct vfs view;
	struct vfs_cred cred;
	struct dentry *exe;
	struct waitq threads_wait; /* a thread ended */
	bool ending_threads;	   /* exec is about to replace the program: no new threads */
	struct proc_limit limit[PROC_LIMITS];
	/* for /proc */
	char comm[PROC_COMM_SIZE];
	struct process_text *text;
	/* vfork: who waits until this child has its own program or is gone */
	bool vforked;		 /* somebody waits */
	struct waitq vfork_wait; /* the child's */
	unsigned char *window;	 /* what the child gives back to its vfork parent */
	uint32_t window_size;
	/* what wait tells */
	struct process_status exited;  /* ZOMBIE, GONE */
	struct process_status changed; /* stopped or continued, not yet waited for; code 0: none */
	struct process_status host_exited; /* host_dead; what the host said */
	struct rusage usage;		   /* host_dead */
	struct waitq host_wait;		   /* host_dead became true */
	struct poll_queue ended;	   /* pidfds: it became ZOMBIE */
	/* host process */
	int pidfd;		/* -1: none yet */
	uint64_t early_signals; /* while STARTING: bit sig - 1, sent once it is known */
	bool host_dead;		/* exited, not reaped */
	bool kill_sent;		/* SIGKILL is on its way */
	uint64_t zombie_ns;	/* when it became ZOMBIE */
};

/* Signals that the manager sends to host processes: what the receiver shall see. */
struct proc_host {
	/* Send to a process, to one thread; info->si_code is the code the program shall see. */
	int (*signal)(struct process *p, const siginfo_t *info);
	int (*signal_thread)(struct thread *t, const siginfo_t *info);
	/* Ask a thread to end natively, without running the program's code. */
	void (*end_thread)(struct thread *t);
	/* The entry is given to a new thread: whatever its last one left there is gone. */
	void (*entry_reset)(struct client *c, uint32_t entry);
	bool (*entry_is_free)(const struct client *c,
			      uint32_t entry); /* nothing is posted or replied there */
	/* A new address space's area; its client starts unserved. */
	int (*client_new)(struct client **ret);
	void (*client_free)(struct client *c); /* the host process is dead, or never was */
	void (*client_stop)(struct client *c); /* no call of it is served any more */
	int (*client_send)(struct client *c, const int *fds, const uint32_t *slots,
			   unsigned int count);
	/* The thread number the host knows, as the client claims it; hostile. */
	int32_t (*thread_tid)(const struct thread *t);
	void (*kill)(struct process *p); /* SIGKILL, now */
	/* STARTING: its host process is `pid`, if that is a child of ours and free. 0, -ECHILD. */
	int (*adopt)(struct process *p, int32_t pid);
	/* The host process's nice value; set only makes it nicer: -EACCES. */
	int (*get_nice)(struct process *p, int *ret);
	int (*set_nice)(struct process *p, int nice);
	/* Tell the shim what getppid, getuid ... answer. */
	void (*publish)(struct process *p);
	/* Does the thread block or ignore the signal? */
	bool (*signal_ignored)(struct thread *t, int sig);
	/* Has the process a handler for it? */
	bool (*signal_caught)(const struct process *p, int sig);
	void (*reap)(struct process *p); /* host_dead, and nobody will ask for the number again */
	/* A process ended that nobody waits for, or the last one did. */
	void (*ended)(struct process *p);
};

struct proc_options {
	uint32_t process_limit;	   /* 0: 1024 */
	uint32_t thread_limit;	   /* 0: PROC_THREADS_DEFAULT */
	uint64_t descriptor_limit; /* soft RLIMIT_NOFILE; 0: 1024 */
};

void proc_init(const struct proc_options *options, const struct proc_host *host);
void proc_fini(void); /* no process may be left: asserted */
extern const struct proc_host *proc_host;

struct process *process_get(struct process *p);
void process_put(struct process *p); /* NULL is fine */
/* A process by number, borrowed: any state but GONE; NULL. */
struct process *process_find(int32_t pid);
bool process_number_used(int32_t pid); /* by one in any state, GONE too */
uint32_t process_count(void);
/* All processes with a number that are not GONE, in order. Next after `p` (NULL: first). */
struct process *process_next(const struct process *p);
struct process *process_next_any(const struct process *p); /* STARTING and GONE too */
int32_t process_ppid(const struct process *p);
int32_t process_pgid(const struct process *p);
int32_t process_sid(const struct process *p);

/*
 * The first process, leader of its own session and group. It has no descriptors, root
 * and directory yet: the caller fills view, cred and fds before it is started. STARTING.
 */
MUST_USE int process_first(struct process **ret);
/*
 * A child of `parent` with a copy of all it has; STARTING. flags: CLONE_*.
 * -EAGAIN, -ENOMEM, -EINVAL, -EPERM.
 */
MUST_USE int process_fork(struct process *parent, uint64_t flags, struct process **ret);
/* Its host process is known: pidfd is taken over. Its entries are served from now on. */
void process_started(struct process *p, int32_t pid, int pidfd);
/* It never came to be. */
void process_abandon(struct process *p);
/* Wait until a vfork child has exec'ed or ended. 0 or -ECANCELED (the waiter is dying). */
MUST_USE int process_vfork_wait(struct process *child) MAY_YIELD;

/* The program ended (exit_group, or the host process died). Everything it holds is given back. */
void process_exit(struct process *p, struct process_status how);
/* What the host tells of it: stopped, continued, dead. */
void process_host_changed(struct process *p, struct process_status how);
void process_host_died(struct process *p, struct process_status how, const struct rusage *usage);

/* ---- exec, in the order in which call/exec.c uses them. */
/* End all threads but `t`. 0, or -ECANCELED (it is dying itself). */
MUST_USE int process_end_threads(struct thread *t) MAY_YIELD;
/*
 * Past the point of no return: descriptors marked close-on-exec are closed, the
 * table is its own, who waits for vfork goes on. exe is borrowed; comm at most 15
 * bytes count. cmdline and environ are copied.
 */
struct process_image {
	struct dentry *exe;
	const char *comm;
	const char *cmdline, *environ;
	uint32_t cmdline_size, environ_size;
	uint32_t euid, egid; /* set-user-id and set-group-id; UINT32_MAX: as they are */
};
MUST_USE int process_exec(struct process *p, const struct process_image *image);

/* ---- wait. */
struct wait_request {
	int kind; /* P_PID, P_PGID, P_ALL */
	int32_t id;
	/* WNOHANG, WEXITED, WSTOPPED, WCONTINUED, WNOWAIT, __WCLONE, __WALL, __WNOTHREAD */
	uint32_t options;
	bool want_usage; /* then the host process's end is waited for */
};
struct wait_result {
	int32_t pid; /* 0: WNOHANG and nothing to tell */
	uint32_t uid;
	struct process_status how;
	struct rusage usage;
};
/* 0, -ECHILD, -ERESTARTSYS. */
MUST_USE int process_wait(struct process *p, const struct wait_request *w, struct wait_result *ret)
	MAY_YIELD;

/* ---- groups and sessions. */
struct session {
	int32_t sid;
	uint32_t refs;		/* its groups */
	struct file *tty;	/* controlling terminal, counted; NULL: none */
	int32_t foreground;	/* group in front of it */
	struct process *leader; /* NULL once ended */
};
struct group {
	int32_t pgid;
	struct session *session;
	struct list members; /* process->group_node */
	struct list node;
};
struct group *group_find(int32_t pgid);
MUST_USE int process_setpgid(struct process *p, int32_t pid, int32_t pgid);
MUST_USE int process_setsid(struct process *p); /* the new session's number */
/* The terminal's own calls, for file_hooks: see file/file.h. */
int proc_tty_ioctl(struct file *f, unsigned int cmd, void *arg);
int proc_tty_access(struct file *f, bool writing);
struct file *proc_open_tty(void);
void proc_tty_first(struct process *p, struct file *tty); /* its session gets the terminal */
/*
 * A signal from the terminal (or from outside) to its foreground group. False: nobody is
 * there, or it is SIGTSTP and the group is an orphan inside: who stops it must be outside.
 */
bool proc_signal_foreground(int sig);

/* ---- signals. */
/* What a kill says about itself. */
struct signal_from {
	struct process *sender;
	int32_t code; /* SI_USER, SI_TKILL, SI_QUEUE ... */
	union sigval value;
};
/* kill(2): pid > 0, 0, -1, < -1. sig 0 only asks. *ret_self: the sender is among the receivers. */
MUST_USE int process_kill(const struct signal_from *from, int32_t pid, int sig, bool *ret_self);
/* tgkill(2); tgid -1: tkill. */
MUST_USE int process_kill_thread(const struct signal_from *from, int32_t tgid, int32_t tid, int sig,
				 bool *ret_self);
/* From the manager itself, without a question of rights. */
void process_signal(struct process *p, int sig, int32_t code);
/* SIGPIPE of the running call, for file_hooks. */
void proc_sigpipe(void);
/* The running call did what brings its own thread a signal: SIGXFSZ. */
void proc_signal_caller(int sig);
void group_signal(struct group *g, int sig, int32_t code);

/* pidfd_open(2): a file that is readable once the process has ended. */
MUST_USE int pidfd_new(struct process *p, int flags, struct file **ret);
struct process *pidfd_process(const struct file *f); /* borrowed; NULL: not a pidfd */

/* ---- identity: Linux's rules; 0 or -EPERM, -EINVAL. UINT32_MAX: leave it. */
enum cred_kind { CRED_SET, CRED_SETRE, CRED_SETRES, CRED_SETFS };
MUST_USE int cred_set_user(struct process *p, enum cred_kind kind, const uint32_t id[3]);
MUST_USE int cred_set_group(struct process *p, enum cred_kind kind, const uint32_t id[3]);
MUST_USE int cred_set_groups(struct process *p, const uint32_t *groups, uint32_t count);

/* exec: saved ids follow the new effective ones. UINT32_MAX: no change by the file. */
void cred_exec(struct process *p, uint32_t euid, uint32_t egid);

/* ---- limits. */
MUST_USE int limit_set(struct process *caller, struct process *p, unsigned int resource,
		       const struct proc_limit *limit);
static inline uint64_t process_fd_limit(const struct process *p)
{
	return p->limit[RLIMIT_NOFILE].soft;
}

#endif /* PROC_PROC_H */

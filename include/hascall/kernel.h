/* SPDX-License-Identifier: (GPL-2.0-only WITH Linux-syscall-note) OR MIT */
#ifndef HASCALL_KERNEL_H
#define HASCALL_KERNEL_H
/*
 * kernel.h - executors inside the kernel: what a process and the kernel say to each
 * other beside the entries of syscall_info.h. Part of the ABI.
 *
 * A process describes an array of entries once and lends threads; each stays in the
 * kernel and executes what is posted. Two forms with the same meaning:
 *
 *              patched kernel                            module hascall.ko
 *     begin    area = syscall(600, &setup, 0)            ioctl(fd, HASCALL_BEGIN, &setup)
 *     lend     syscall(601, area, &executor)             ioctl(fd, HASCALL_EXEC, &executor)
 *     forget   syscall(600, NULL, area)                  close(fd)
 *     where    area: a number, 0 ..                      fd: of /dev/hascall, one an area
 *
 * A patched kernel says so in the auxiliary vector: getauxval(AT_ASYNC_SYSCALL) is 0, or
 * the first of its two numbers. To try them where that is 0 can be deadly: a seccomp filter
 * may kill who makes a call it does not know.
 *
 * Order    an executor visits the entries in turn; of those lent, `running` look for
 *          calls at a time. When one sleeps in a call, another goes on in its place.
 * Spare    those that wait for their turn to look, and those that look in vain, asleep or
 *          awake: they see to what is posted while the others sleep in calls.
 * Limit    ASYNC_SYSCALL_ENTRIES_MAX entries an area; ASYNC_SYSCALL_AREAS_MAX areas
 *          a process (patched kernel; the module: one a descriptor).
 * Owner    all memory is the process's. Unmapped in flight: executors give -EFAULT.
 * Thread   a thread may be lent to one area at a time: -EDEADLK.
 * Fork     a child that lends threads to its parent's area gets -EPERM (module) or
 *          -EBADF (patched kernel).
 */
#include <hascall/syscall_info.h>

#ifdef __KERNEL__
#include <linux/ioctl.h>
#else
#include <sys/ioctl.h>
#endif

#define ASYNC_SYSCALL_AREAS_MAX 64u
#define ASYNC_SYSCALL_ENTRIES_MAX 65535u
#define ASYNC_SYSCALL_RUNNING_MAX 1024u

#define ASYNC_SYSCALL_INIT_NUMBER 600
#define ASYNC_SYSCALL_EXEC_NUMBER 601
#define AT_ASYNC_SYSCALL 600 /* of <sys/auxv.h>; its value is ASYNC_SYSCALL_INIT_NUMBER */

/* Memory, by address. Unused fields and flags are 0. */
struct async_syscall_setup {
	uint32_t size; /* of this struct */
	uint32_t flags;
	uint64_t array;	  /* struct syscall_info, 64-byte aligned */
	uint32_t count;	  /* of entries */
	uint32_t running; /* executors that run at a time, those asleep in calls aside; 0: 1 */
	/*
	 * uint32_t: a futex that posters count up and wake while *sleepers is not 0, as does an
	 * executor that meets END; see slot/area.h. Both 0: executors look every millisecond
	 * instead.
	 */
	uint64_t rings;
	uint64_t sleepers;
	uint32_t spin_ns; /* an executor that finds nothing goes on looking that long */
	uint32_t idle_ms; /* how long a spare one is kept: ASYNC_SYSCALL_IDLE; 0: for ever */
	/*
	 * The rest is for many entries and many results; 0: done without. Bit i % 64 of the
	 * 64-bit word i / 64 stands for entry i.
	 */
	/*
	 * Where calls may have been posted: for each 256 entries 64 bytes, of which the first 32
	 * are these bits (struct area_hint of slot/area.h). Only entries whose bit is set are
	 * visited; who posts sets it, after the entry; so does who puts END there. All bits are
	 * looked at: one that stands for no entry is -EPROTO.
	 */
	uint64_t posted;
	uint64_t done; /* bits set when an entry was completed, before attention is read */
	/* uint32_t: not 0 after a completion: the executor leaves with ASYNC_SYSCALL_TELL. */
	uint64_t attention;
	/* int32_t[]: below 0: what a call of a chain gives instead of being begun. */
	uint64_t cut;
	uint64_t reserved[4];
};

/* What a call that was interrupted left to do. */
enum async_syscall_left {
	ASYNC_SYSCALL_LEFT_NOTHING,
	ASYNC_SYSCALL_LEFT_CALL,   /* execute it again */
	ASYNC_SYSCALL_LEFT_WAIT,   /* go on waiting, for the rest of its time */
	ASYNC_SYSCALL_LEFT_RESULT, /* complete its entry with `ret` */
};

enum async_syscall_lend_flags {
	/* Give ASYNC_SYSCALL_GROW rather than begin a call with no spare executor left. */
	ASYNC_SYSCALL_TELL_GROW = 1u << 0,
};

/*
 * One a lent thread, in memory, 64-byte aligned; all zeros at first, kept for the next
 * time. The kernel writes `entry` when it begins a call, so that others can see what
 * this thread does; the rest only when it leaves a call unfinished.
 *
 * -EPROTO may leave a result that could not be delivered, since its entry was overwritten.
 * When lending returns -EINTR, a signal handler has run. `left` then tells whether a call
 * was cut short: lent again as it is, the thread goes on with it; with `left` set
 * to ASYNC_SYSCALL_LEFT_RESULT and a result in `ret`, it completes it so.
 */
struct async_syscall_executor {
	uint32_t entry; /* 1 + its index; 0: none */
	uint32_t left;	/* enum async_syscall_left */
	uint32_t num;
	uint32_t place; /* of the call in its chain; 0: first */
	int64_t ret;
	uint64_t link;	 /* its link word; 0: no chain */
	uint64_t failed; /* bit k: call k of the chain failed */
	uint32_t flags;	 /* for the process to set: enum async_syscall_lend_flags */
	uint32_t reserved[5];
	uint64_t arg[6];
	int64_t result[SYSCALL_CHAIN_MAX]; /* of the calls before it in the chain */
	uint64_t reserved_too[2];
} __attribute__((aligned(64)));

/*
 * How lending ends: one of these, or -EINTR (see above), -EFAULT (memory), -EPROTO (an
 * entry has an impossible state), -EPERM (another process's area; the module: this
 * thread is traced, audited or filtered by seccomp, where only a patched kernel does
 * its duties), -EDEADLK (a posted call would lend its executor), -EINVAL, -ENOMEM.
 */
enum async_syscall_why {
	ASYNC_SYSCALL_ENDED, /* an entry holds SYSCALL_END */
	ASYNC_SYSCALL_GROW,  /* no other is spare: lend another thread, and this one */
	ASYNC_SYSCALL_IDLE,  /* not needed for idle_ms: the thread may end */
	ASYNC_SYSCALL_TELL,  /* a call was completed and *attention is not 0; lend it again */
};

/* The module's ioctls. BEGIN: 0; -EINVAL, -EFAULT, -EBUSY (begun before), -ENOMEM. */
#define HASCALL_DEVICE "/dev/hascall"
#define HASCALL_BEGIN _IOW('h', 0x60, struct async_syscall_setup)
#define HASCALL_EXEC _IOWR('h', 0x61, struct async_syscall_executor)

#endif /* HASCALL_KERNEL_H */

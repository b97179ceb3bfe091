/* SPDX-License-Identifier: MIT */
#ifndef HASCALL_RUN_ABI_H
#define HASCALL_RUN_ABI_H
/*
 * run_abi.h - what the shim inside a program (run/) and the manager (manager/front,
 * manager/call) say to each other. Both are built from one tree; the version guards
 * against a mix.
 *
 * One area per address space: a control page, entries (one a thread), and for each
 * entry a bounce buffer. The shim copies strings and buffers between the program's
 * memory and the bounce buffer; where the system call has a pointer, the entry's
 * arg holds a byte offset into that buffer, or RUN_NULL. The manager trusts nothing
 * in an area: offsets are checked, strings and structs copied once.
 */
#include <stdint.h>

#include "slot/area.h"

#define RUN_ABI_VERSION 3u

/* Fixed places in every program's address space. Nothing of the program may lie there. */
#define RUN_BASE 0x420000000000ull
#define RUN_TEXT RUN_BASE /* the shim's code and constants; its first page is the gate */
#define RUN_TEXT_SIZE 0x40000ull
#define RUN_SERVER_PAGE (RUN_BASE + 0x100000) /* struct run_server, read-only here */
#define RUN_BELL_PAGE (RUN_BASE + 0x101000)   /* struct area_bell, shared by all */
#define RUN_PROCESS (RUN_BASE + 0x200000)     /* the shim's data of this process, private */
#define RUN_PROCESS_SIZE 0x10000ull
#define RUN_THREADS (RUN_BASE + 0x1000000) /* one block a thread: stacks and data */
#define RUN_THREAD_SIZE 0x10000ull
#define RUN_AREA (RUN_BASE + 0x10000000)    /* the area */
#define RUN_SCRATCH (RUN_BASE + 0x20000000) /* exec's strings */
#define RUN_SCRATCH_SIZE 0x1000000ull
#define RUN_END (RUN_BASE + 0x40000000)

#define RUN_ENTRY_COUNT 256u
#define RUN_BOUNCE_SIZE 0x40000u
#define RUN_ENTRIES_OFFSET 0x1000u
#define RUN_BOUNCE_OFFSET 0x10000u
#define RUN_AREA_SIZE (RUN_BOUNCE_OFFSET + (uint64_t)RUN_ENTRY_COUNT * RUN_BOUNCE_SIZE)
#define RUN_NULL UINT64_MAX

/* Call-site stubs jump here, with the number in rax and the return address in rcx. */
#define RUN_STUB_ENTRY (RUN_TEXT + 0x1000)
/* A call that a stub made is restarted this many bytes before its return address. */
#define RUN_STUB_RESTART 13u

/*
 * si_code of signals that the manager sends, where the kernel does not let it use
 * its own: the shim rebuilds the siginfo the program expects.
 */
#define RUN_SI_CHILD (-60) /* SIGCHLD: si_pid, si_uid, si_status as usual; CLD_* in si_utime */
/* A signal of another process inside: the code the program shall see is in si_errno. */
#define RUN_SI_USER (-61)
/* With SIGSYS: this thread ends now, as another one calls execve. */
#define RUN_SI_END (-62)

/* Host descriptors the shim holds; the program never sees them. */
#define RUN_FD_SOCKET 10   /* where descriptors arrive (SCM_RIGHTS) */
#define RUN_FD_NEW_AREA 11 /* between fork's grant and the child's start */
#define RUN_FD_NEW_SOCKET 12
#define RUN_FD_SLOT0 16 /* cached files for mmap: slot s is descriptor RUN_FD_SLOT0 + s */
#define RUN_FD_SLOTS 32u
#define RUN_SLOT_ZERO 0xffffu	  /* no file: zeroes */
#define RUN_SLOT_NEW_AREA 0xfff0u /* in the message that carries descriptors: */
#define RUN_SLOT_NEW_SOCKET 0xfff1u
#define RUN_FDS_MAX 8u /* descriptors a message */
/* Payload of that message: uint32_t slot[count], in the order of the descriptors. */

/* Written by the manager; every process maps it read-only. */
struct run_server {
	struct area_server server; /* sleepers, cpu */
	uint32_t version;
	/*
	 * Counts how often the manager had nothing to do although calls it had begun were not
	 * completed: each of those waits for something.
	 */
	uint32_t rests __attribute__((aligned(64)));
};

/* First page of an area. */
struct run_control {
	uint32_t version;
	uint32_t entry_count;
	/* written by the manager, read by the shim */
	int32_t ppid;
	uint32_t uid, euid, suid, gid, egid, sgid;
	/* written by the shim */
	struct area_hint hint __attribute__((aligned(64)));
	/* a fork's child says who it is before its first call */
	uint32_t host_pid __attribute__((aligned(64)));
	uint32_t tid[RUN_ENTRY_COUNT];	 /* host thread of each entry */
	uint64_t stack_start, stack_end; /* of the program's first thread; for /proc/PID/maps */
};

/*
 * The first thread of a new area (launcher, fork's child) uses entry 0. A fork's child
 * writes host_pid before its first post.
 *
 * Cutting a call short: the shim marks the entry's cancel bit and rings, while the entry
 * is HASCALL or EXECUTING; it clears that bit itself (atomic and) before it posts again.
 * A call cut short answers -ERESTARTSYS (512) or -EINTR. If the shim then finds that no
 * handler was run, it posts the same call again: a bit may come one call too late.
 */

/*
 * While read or pread64 is EXECUTING, the entry's ret counts the bytes that are in the bounce
 * buffer and stay as they are (slot_tell): the shim, which posts it with 0 there, copies them out
 * while the manager still reads the rest. The manager may well say nothing; where it does, the
 * call's result will be no error, and no less.
 */

/*
 * Argument 4 of write and pwrite64: there are more bytes in the buffer, but no memory behind them.
 * What takes a part takes these.
 */
#define RUN_WRITE_CUT 0x1u

/* Flags of a reply (syscall_info.num while COMPLETED). */
#define RUN_REPLY_KICK 0x1u   /* a signal was sent to you: enter the kernel before you return */
#define RUN_REPLY_FDS 0x2u    /* receive one message of descriptors before you use the reply */
#define RUN_REPLY_WAITED 0x4u /* the call had to wait for something */
/* read, write and their kin: of a regular file, where no signal makes a transfer short */
#define RUN_REPLY_REGULAR 0x8u

/*
 * Calls of the shim itself, beside the system's own numbers.
 *
 * RUN_FORK    arg0 = clone flags, arg1 = 1 if vfork. Reply 0 and descriptors NEW_AREA, NEW_SOCKET.
 *             The shim then clones (CLONE_PARENT) and posts RUN_FORKED.
 * RUN_FORKED  arg0 = pid or -errno, arg1 = vfork. For vfork waits until the child exec'ed or ended;
 *             then arg2 = size of the window the shim wants back, reply: bytes of the window the
 *             child left in this entry's bounce buffer (0: none).
 * RUN_THREAD  reply: index of an entry for a new thread, or -EAGAIN.
 * RUN_THREAD_FAILED  arg0 = index: clone failed, give it back.
 * exit (60)   the thread does not wait for a reply: its entry is the manager's from the post on.
 * exit_group (231)  arg0 = status, arg1 = bytes of vfork window in the bounce buffer.
 * execve (59) arg0 = offset of path, arg1 = dirfd, arg2 = flags (execveat's), arg3
 *             = offset of cmdline
 *             bytes (argv joined by NUL, at most 4096), arg4 = their size, arg5 = offset of
 *             environ bytes
 *             (first 32 KiB) with the size in the upper 32 bits. Reply 0: struct run_plan at
 *             offset 0; past
 *             this the old program is gone. Other threads were told to end before it is completed.
 * RUN_MAP     mmap of a file: arg0 = fd, arg1 = prot, arg2 = flags, arg3 = offset, arg4 = length,
 *             arg5 = 1: without call-site stubs. Reply 0: struct run_map at offset 0.
 * RUN_SIGCHLD arg0 = 1 if SIGCHLD is ignored or has SA_NOCLDWAIT; arg1 = 1 for SA_NOCLDSTOP.
 * RUN_START   the launcher's first call: like execve of what the manager was told to run (found
 *             by PATH); argv and envp are in the shim's hands already. No other arguments.
 */
enum {
	RUN_FORK = 0x1000,
	RUN_FORKED,
	RUN_THREAD,
	RUN_THREAD_FAILED,
	RUN_MAP,
	RUN_SIGCHLD,
	RUN_START,
	RUN_CALL_END,
};

struct run_map {
	uint32_t slot;	    /* descriptor to map, or RUN_SLOT_ZERO */
	uint32_t stub_slot; /* valid if stub_size */
	uint64_t offset;    /* offset in it for the requested range */
	uint64_t file_size;
	uint64_t stub_delta;  /* stubs lie at (address of the range) + stub_delta ... */
	uint64_t stub_size;   /* ... this many bytes (multiple of the page), executable ... */
	uint64_t stub_offset; /* ... from this offset of stub_slot */
	uint64_t reserve; /* keep this many bytes free behind a first mapping, for stubs to come */
};

#define RUN_SEGMENTS_MAX 16u
struct run_segment { /* a PT_LOAD, checked; or stubs */
	uint64_t vaddr, file_size, mem_size, offset;
	uint32_t prot; /* PROT_* */
	uint32_t slot;
};

struct run_image {
	uint64_t span;	    /* bytes from the first page to the last */
	uint64_t min_vaddr; /* page aligned; 0 and relocatable: anywhere */
	uint64_t entry;	    /* vaddr */
	uint64_t phdr;	    /* vaddr of the program headers */
	uint32_t phnum;
	uint32_t relocatable;
	uint32_t segment_count;
	struct run_segment segment[RUN_SEGMENTS_MAX];
};

struct run_plan {
	uint32_t image_count; /* 1 static, 2: [1] is the interpreter */
	uint32_t executable_stack;
	struct run_image image[2];
	uint64_t stack_size; /* bytes */
	uint32_t secure;
	/*
	 * A script's interpreter line: these strings replace argv[0]. NUL-terminated,
	 * one after another, prefix_size bytes from offset prefix_offset of the bounce buffer.
	 */
	uint32_t prefix_count, prefix_offset, prefix_size;
	uint32_t execfn_offset; /* AT_EXECFN, NUL-terminated */
};

/*
 * How the pointer arguments of an ordinary call travel (run_calls.def). The shim
 * lays the buffers one after another, 16-aligned, and replaces each by its offset.
 */
enum run_arg {
	RUN_I,	   /* a number */
	RUN_STR,   /* NUL-terminated, at most 4096 bytes with the NUL (ENAMETOOLONG) */
	RUN_IN,	   /* bytes in */
	RUN_OUT,   /* bytes out; copied back when the result is not an error */
	RUN_INOUT, /* both */
};
/* sendmsg, recvmsg: beside the gathered bytes. */
struct run_msg {
	uint32_t name_size;    /* bytes of name in (send) or out (receive) */
	uint32_t control_size; /* send: bytes of control; receive: in room, out used */
	uint32_t flags;	       /* receive: msg_flags out */
	uint32_t unused;
	unsigned char name[128];
	/* Linux's cmsg form; SCM_RIGHTS holds descriptors of the program */
	unsigned char control[1024];
};

#endif /* HASCALL_RUN_ABI_H */

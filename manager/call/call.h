/* SPDX-License-Identifier: MIT */
#ifndef CALL_CALL_H
#define CALL_CALL_H
/*
 * call.h - the calls that programs make: number -> handler, and how a handler
 * gets at its arguments. Layer: call.
 *
 * Order    one call a thread at a time.
 * Owner    a request lives on its server task's stack while the handler runs; the
 *          thread and its process stay valid that long.
 * Thread   scheduler thread only.
 * Errors   a handler answers a result or -errno. -ERESTARTSYS goes to the shim.
 *
 * A client can change its bounce buffer at any time. So what is decided upon is
 * copied once (request_string, request_in); only bytes whose content decides
 * nothing are used in place (request_buffer). Decide, then act.
 *
 * Way down: call_serve -> table[num] (table.c) -> call_read (io.c) -> file_read.
 */
#include "base/cc.h"
#include "hascall/run_abi.h"
#include "proc/proc.h"

#include <stdint.h>

struct request {
	struct thread *thread;
	struct process *process;
	struct client *client;
	uint32_t num;
	uint32_t entry;
	uint64_t arg[6];       /* copied once */
	unsigned char *bounce; /* RUN_BOUNCE_SIZE bytes; hostile */
	uint32_t reply_flags;  /* RUN_REPLY_* */
	bool no_reply;	       /* exit of a thread whose address space is gone */
};

/* May yield (the checker knows no attribute of function types). */
typedef int64_t call_fn(struct request *req);

/* Serve it: trace, look up, run. The result to give back. */
int64_t call_serve(struct request *req) MAY_YIELD;
const char *call_name(uint32_t num); /* "read", or NULL */
/* --strace: one line a call on the manager's standard error. */
void call_set_trace(bool on);

/* ---- arguments. `i` is the argument's index. */
static inline bool request_has(const struct request *req, unsigned int i)
{
	return req->arg[i] != RUN_NULL;
}
static inline int32_t request_int(const struct request *req, unsigned int i)
{
	return (int32_t)(uint32_t)req->arg[i];
}
#define REQUEST_STRING_SIZE 4096u
/* A string, copied: length, -EFAULT, -ENAMETOOLONG. */
MUST_USE int request_string(const struct request *req, unsigned int i,
			    char buf[REQUEST_STRING_SIZE]);
/* A structure, copied: 0 or -EFAULT (missing too). */
MUST_USE int request_in(const struct request *req, unsigned int i, size_t size, void *copy);
/* Bytes whose content decides nothing. size 0 needs no buffer. 0 or -EFAULT. */
MUST_USE int request_buffer(const struct request *req, unsigned int i, uint64_t size,
			    void **ret_bytes);
/* The same by offset, for forms of their own. */
MUST_USE int request_at(const struct request *req, uint64_t offset, uint64_t size,
			void **ret_bytes);
/* Copy a result out; a missing buffer (NULL) is -EFAULT. */
MUST_USE int request_out(const struct request *req, unsigned int i, const void *from, size_t size);

/* ---- descriptors and places. */
/* The file behind argument i, with a reference: NULL is -EBADF. */
struct file *request_file(const struct request *req, unsigned int i);
/* The directory for a path relative to descriptor `fd` (AT_FDCWD: *ret NULL). 0, -EBADF, -ENOTDIR. */
MUST_USE int request_dir(const struct request *req, int32_t fd, const char *path,
			 struct dentry **ret);

/* References that go back on every way out. */
static inline void file_put_auto(struct file **f)
{
	file_put(*f);
}
static inline void dentry_put_auto(struct dentry **d)
{
	dentry_put(*d);
}
#define AUTO_FILE __attribute__((cleanup(file_put_auto))) struct file *
#define AUTO_DENTRY __attribute__((cleanup(dentry_put_auto))) struct dentry *

/* ---- what the launcher's first call runs (exec.c asks, front/ sets; borrowed). */
struct call_first {
	char *const *argv; /* argv[0] is the program, looked up in PATH by the caller */
	char *const *envp;
	const char *path;
};
void call_set_first(const struct call_first *first);
const struct call_first *call_first(void);

/* ---- handlers that live elsewhere (call/exec.c, call/map.c). */
int64_t call_execve(struct request *req) MAY_YIELD;
int64_t call_run_map(struct request *req) MAY_YIELD;
int64_t call_run_start(struct request *req) MAY_YIELD;

#endif /* CALL_CALL_H */

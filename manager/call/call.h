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
	bool no_reply;	       /* the thread has ended: its entry is ours */
	/* read, pread64: where the bytes go, while the thread takes those that are there. */
	struct vfs_caller caller;
	const unsigned char *room;
	uint64_t room_size;
	void (*tell)(const struct request *req, size_t done); /* NULL: nobody looks */
	/* Room for two strings: a task's stack has none. REQUEST_STRING_SIZE bytes each. */
	char *text[2];
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
/* A string, copied to buf (one of req->text): length, -EFAULT, -ENAMETOOLONG. */
MUST_USE int request_string(const struct request *req, unsigned int i,
			    char buf[REQUEST_STRING_SIZE]);
/*
 * A path, copied to req->text[which], and the directory for it if it is relative to
 * descriptor `dir_fd` (AT_FDCWD: *ret_at NULL). 0, -EFAULT, -ENAMETOOLONG, -EBADF, -ENOTDIR.
 */
struct call_path {
	const char *text;
	struct dentry *at; /* counted: call_path_drop() */
};
MUST_USE int request_path(const struct request *req, unsigned int i, int32_t dir_fd,
			  unsigned int which, struct call_path *ret);
void call_path_drop(struct call_path *path);
#define AUTO_PATH __attribute__((cleanup(call_path_drop))) struct call_path
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
/* The file behind argument i, with a reference: NULL is -EBADF. Not one opened with O_PATH. */
struct file *request_file(const struct request *req, unsigned int i);
/* O_PATH too: for the calls that need no more than the name. */
struct file *request_file_any(const struct request *req, unsigned int i);
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
	char *const *argv;
	char *const *envp;
	const char
		*path; /* the program; NULL: argv[0], looked up in envp's PATH if it has no slash */
};
void call_set_first(const struct call_first *first);
const struct call_first *call_first(void);

/*
 * ---- the handlers: call_read() ... call_execve(), one a row of run_calls.def. Of the
 * shim's own: call_run_fork() ... Those of exec.c and map.c: execve, run_map, run_start.
 */
#define CALL(number, name, ...) int64_t call_##name(struct request *req) MAY_YIELD;
#define SPECIAL(number, name) int64_t call_##name(struct request *req) MAY_YIELD;
#include "hascall/run_calls.def"
#undef CALL
#undef SPECIAL
int64_t call_run_fork(struct request *req) MAY_YIELD;
int64_t call_run_forked(struct request *req) MAY_YIELD;
int64_t call_run_thread(struct request *req) MAY_YIELD;
int64_t call_run_thread_failed(struct request *req) MAY_YIELD;
int64_t call_run_map(struct request *req) MAY_YIELD;
int64_t call_run_sigchld(struct request *req) MAY_YIELD;
int64_t call_run_start(struct request *req) MAY_YIELD;

#endif /* CALL_CALL_H */

/* SPDX-License-Identifier: MIT */
#ifndef CALL_INSIDE_H
#define CALL_INSIDE_H
/*
 * inside.h - what the handlers' files share. Layer: call, inside only.
 *
 * Thread   scheduler thread only.
 */
#include "call/call.h"

#include <time.h>

/* ---- table.c */
struct call_row {
	call_fn *fn;
	const char *name;
	char form[7]; /* of each argument, for the trace: i s p */
};
const struct call_row *call_row(uint32_t num); /* NULL: no such call */

/* ---- trace.c */
struct call_trace;
struct call_trace *call_trace_begin(const struct request *req);
void call_trace_end(struct call_trace *trace, int64_t ret); /* NULL is fine */

/* ---- shared by handlers. */

/* A new file gets a descriptor; f is taken over. The number, or -errno. */
static inline int64_t install_file(struct request *req, struct file *f, bool cloexec)
{
	return fd_install(req->process->fds, f, cloexec, 0, process_fd_limit(req->process));
}

/*
 * io.c: RLIMIT_FSIZE: how much of `size` bytes may be written to f from `offset` on; nothing
 * at all is -EFBIG and SIGXFSZ.
 */
int64_t within_file_limit(const struct request *req, const struct file *f, uint64_t offset,
			  uint64_t size);

/*
 * io.c: before a write: the same, and f loses what makes it run as its owner or group, unless
 * the caller is privileged.
 */
int64_t prepare_write(const struct request *req, const struct file *f, uint64_t offset,
		      uint64_t size) MAY_YIELD;

/* Two new files (taken over) get descriptors, which are written to argument i as int[2]. */
MUST_USE int64_t install_pair(struct request *req, unsigned int i, struct file *f[2], bool cloexec);

/*
 * The object of a call that takes a descriptor, a path and AT_* flags: `*ret_file` if it
 * is a descriptor without a name, else `*ret`. Flags: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH;
 * follow: what no flag means.
 */
struct call_object {
	struct file *file;
	struct dentry *dentry;
};
MUST_USE int request_object(const struct request *req, int32_t dir_fd, unsigned int path, int flags,
			    struct call_object *ret) MAY_YIELD;
/* The same from a descriptor alone. */
MUST_USE int request_object_fd(const struct request *req, unsigned int i, struct call_object *ret);
void call_object_drop(struct call_object *object);
#define AUTO_OBJECT __attribute__((cleanup(call_object_drop))) struct call_object
/* Its inode, or NULL for a file without a name. Borrowed. */
struct inode *call_object_inode(const struct call_object *object);

/* open(2): the descriptor or -errno. */
int64_t open_at(struct request *req, int32_t dir_fd, unsigned int path, int flags, uint32_t mode)
	MAY_YIELD;

/*
 * ---- resolve.c: the path in req->text[0] as RESOLVE_* allow it: the directory (counted)
 * and the last name in it, which is no link to be followed. Flags to add to open's, or -errno.
 */
struct resolve_request {
	struct dentry *at; /* where a relative path starts */
	uint64_t resolve;
	bool follow_last;
};
MUST_USE int resolve_path(struct request *req, const struct resolve_request *ask,
			  struct dentry **ret_dir, char name[VFS_NAME_MAX + 1]) MAY_YIELD;

/* ms < 0: never. */
uint64_t deadline_of_ms(int64_t ms);
uint64_t deadline_of_ns(uint64_t ns); /* RUN_NULL: never */

/* Put what a kill or a sent signal means for the caller's own reply. */
static inline void request_kick(struct request *req, bool self)
{
	if (self)
		req->reply_flags |= RUN_REPLY_KICK;
}

#endif /* CALL_INSIDE_H */

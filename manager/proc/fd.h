/* SPDX-License-Identifier: MIT */
#ifndef PROC_FD_H
#define PROC_FD_H
/*
 * fd.h - a process's table of descriptors: number -> open file. Layer: proc.
 *
 * Order    the lowest free number is given.
 * Limit    numbers below the `limit` given with each call (RLIMIT_NOFILE), FD_MAX at most.
 *          When most of FILE_LIMIT is taken, a fair share of what is left (EMFILE).
 * Owner    the table holds one reference a descriptor. fd_get() gives one to the caller.
 *          The table itself is counted: processes made with CLONE_FILES share one.
 *          It is the owner of record locks (file_lock_posix).
 *          NULL for a table is a table in which nothing is and nothing can be put: the
 *          process has ended while a thread of it was still served.
 * Thread   scheduler thread only; nothing here yields.
 *
 * Way down: fd_install -> fd_grow -> realloc.
 */
#include "base/cc.h"
#include "file/file.h"

#include <stdint.h>

#define FD_MAX 65536u

struct fd_table {
	uint32_t refs;
	uint32_t size;	     /* numbers there is room for; a multiple of 64 */
	uint32_t first_free; /* no free number is below */
	uint32_t count;	     /* descriptors open */
	struct file **files; /* [size] */
	uint64_t *cloexec;   /* [size / 64] */
};

MUST_USE int fd_table_new(struct fd_table **ret);
MUST_USE int fd_table_copy(const struct fd_table *from, struct fd_table **ret);
struct fd_table *fd_table_get(struct fd_table *t);
void fd_table_put(struct fd_table *t); /* the last one closes all; NULL is fine */

/* The file behind fd with a reference, or NULL (EBADF). */
struct file *fd_get(const struct fd_table *t, int64_t fd);
/* The same without a reference: valid until the caller yields. */
struct file *fd_peek(const struct fd_table *t, int64_t fd);
/*
 * Take the file over (also when it fails) into the lowest number >= from: the number,
 * -EMFILE, -ENOMEM.
 */
MUST_USE int fd_install(struct fd_table *t, struct file *f, bool cloexec, uint32_t from,
			uint64_t limit);
/* Put f (taken over) at fd exactly; what was there is closed. fd, -EBADF (limit), -ENOMEM. */
MUST_USE int fd_replace(struct fd_table *t, struct file *f, uint32_t fd, bool cloexec,
			uint64_t limit);
/* close(2): record locks that the table holds on the file are dropped too. 0 or -EBADF. */
MUST_USE int fd_close(struct fd_table *t, int64_t fd);
bool fd_cloexec(const struct fd_table *t, uint32_t fd);
void fd_set_cloexec(struct fd_table *t, uint32_t fd, bool on);
/* The lowest open number >= from, or -1. */
int64_t fd_next(const struct fd_table *t, uint32_t from);
/* exec: drop what is marked. */
void fd_close_on_exec(struct fd_table *t);

#endif /* PROC_FD_H */

/* SPDX-License-Identifier: MIT */
#ifndef FILE_HOST_END_H
#define FILE_HOST_END_H
/*
 * host_end.h - a descriptor of the host behind open files: what host_file.c and
 * host_stream.c share. Layer: file, inside only.
 *
 * Owner    counted: each open file of it has one reference.
 */
#include "device/hostwait.h"
#include "file/inside.h"

enum host_kind {
	HOST_PLAIN, /* regular file, directory, /dev/null: never blocks for long */
	HOST_TERMINAL,
	HOST_STREAM, /* pipe, other character device */
	HOST_SOCKET,
};

struct host_end {
	uint32_t refs;
	enum host_kind kind;
	int fd;
	int mode;	   /* O_ACCMODE of the host's descriptor */
	bool never_blocks; /* fd is a description of our own, with O_NONBLOCK */
	/* HOST_TERMINAL: all of them, and the name inside that stands for it */
	struct list in_terminals;
	uint64_t rdev;
	struct dentry *dentry; /* counted; NULL: none */
	bool quick;	       /* HOST_PLAIN: its calls may be made here */
	bool quick_known;
	uint64_t version; /* for mappings */
	/* streams: readiness, from the first time somebody waits */
	struct hostwait wait;
	bool watched;
	struct poll_queue changed;
};

static inline struct host_end *host_end_of(const struct file *f)
{
	return f->private_data;
}

extern const struct file_ops host_plain_ops, host_stream_ops;

/* Common to both tables. */
MUST_USE int host_end_getattr(struct file *f, struct vfs_attr *ret) MAY_YIELD;
MUST_USE int host_end_text(struct file *f, char *buf, size_t size);
MUST_USE int host_end_reopen(struct file *f, int flags, struct file **ret) MAY_YIELD;
void host_end_release(struct file *f);

#endif /* FILE_HOST_END_H */

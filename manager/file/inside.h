/* SPDX-License-Identifier: MIT */
#ifndef FILE_INSIDE_H
#define FILE_INSIDE_H
/*
 * inside.h - what the files of this folder share. Layer: file, inside only.
 */
#include "file/file.h"

#include <errno.h>
#include <poll.h>

#define FILE_READY_IN (POLLIN | POLLRDNORM)
#define FILE_READY_OUT (POLLOUT | POLLWRNORM)
#define FILE_TRANSFER_MAX 0x7ffff000u /* bytes in one read or write, as in Linux */

extern struct file_hooks file_hooks;

/* What a call answers whose wait was cut short: signal(7)'s restartable ones. */
static inline int file_wait_result(int r)
{
	return r == -ECANCELED ? -ERESTARTSYS : r;
}

/* A description of what `d` names; takes a reference to it. */
MUST_USE int file_new_named(const struct file_ops *ops, int flags, struct dentry *d,
			    void *private_data, struct file **ret);
/* fstat of a nameless file: `mode` has type and permissions. */
void file_nameless_attr(const struct file *f, uint32_t mode, struct vfs_attr *ret);
void file_caller_now(struct file_caller *ret);
uint64_t file_new_id(void);

/* One for each type of inode; file_open() has looked at O_PATH. */
MUST_USE int regular_open(struct dentry *d, int flags, struct file **ret);
extern const struct file_ops regular_ops;
void regular_release(struct file *f);
MUST_USE int dir_open(struct dentry *d, int flags, struct file **ret);
MUST_USE int fifo_open(struct dentry *d, int flags, struct file **ret) MAY_YIELD;
MUST_USE int chardev_open(struct dentry *d, int flags, struct file **ret) MAY_YIELD;
/* One of the terminals that the program was given, by its number. -ENXIO: none of them. */
MUST_USE int host_terminal_open(uint64_t rdev, int flags, struct file **ret);
MUST_USE ssize_t dir_getdents(struct file *f, void *buf, size_t size) MAY_YIELD;
bool dir_is(const struct file *f);

void poll_fini(void);
void epoll_forget(struct file *f); /* its last reference went */
void locks_forget(struct file *f); /* drops what the description itself holds */
/* All references to socket f are in messages now: if that closes a circle, empty it. */
void socket_collect_garbage(struct file *f);

#endif /* FILE_INSIDE_H */

/* SPDX-License-Identifier: MIT */
/*
 * proc_fd.c - /proc/PID/fd and fdinfo; and the inodes that stand for files without
 * a name when such a link is followed (proc_fs.h).
 */
#include "vfs/dentry.h"
#include "vfs/proc/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

struct descriptor_inode {
	struct inode base; /* first: see proc_fs_descriptor() */
	const struct proc_source *source;
	int32_t pid;
	int fd;
};

static struct descriptor_inode *descriptor_of(struct inode *inode)
{
	return CONTAINER_OF(inode, struct descriptor_inode, base);
}

static int descriptor_getattr(struct inode *inode, struct vfs_attr *ret) MAY_YIELD
{
	const struct descriptor_inode *d = descriptor_of(inode);

	return d->source->descriptor_attr(d->pid, d->fd, ret);
}

/* O_TRUNC: file_reopen() sees the flag and does what the kind of file does. */
static int descriptor_setattr(struct inode *inode, const struct vfs_attr *attr, unsigned int set)
{
	(void)inode, (void)attr;
	return set & (VFS_SET_MODE | VFS_SET_UID | VFS_SET_GID) ? -EPERM : 0;
}

static void descriptor_release(struct inode *inode)
{
	free(descriptor_of(inode));
}

static const struct inode_ops descriptor_ops = {
	.getattr = descriptor_getattr,
	.setattr = descriptor_setattr,
	.release = descriptor_release,
};

bool proc_fs_descriptor(const struct inode *inode, int32_t *ret_pid, int *ret_fd)
{
	const struct descriptor_inode *d;

	if (inode->ops != &descriptor_ops)
		return false;
	d = (const struct descriptor_inode *)(const void *)inode;
	*ret_pid = d->pid;
	*ret_fd = d->fd;
	return true;
}

/* Not one of /proc's own inodes: it outlives the link, as the file does. */
static struct vfs_fs nameless_fs = { .type_name = "pipefs" };

static int new_descriptor_inode(const struct proc_inode *p, struct dentry **ret) MAY_YIELD
{
	struct descriptor_inode *d;
	struct vfs_attr attr;
	uint32_t type;
	int r = proc_source_of(p)->descriptor_attr(p->pid, p->fd, &attr);

	if (r < 0)
		return r;
	/* An eventfd has no type of its own; nothing can be done with it by name anyway. */
	type = attr.mode & S_IFMT ? attr.mode & S_IFMT : S_IFCHR;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	inode_init(&d->base, &descriptor_ops, &nameless_fs, type);
	d->base.ino = attr.ino;
	d->source = proc_source_of(p);
	d->pid = p->pid;
	d->fd = p->fd;
	*ret = dentry_new_root(&d->base);
	if (*ret)
		return 0;
	inode_put(&d->base);
	return -ENOMEM;
}

static int get_descriptor(struct proc_inode *p, struct proc_descriptor *ret) MAY_YIELD
{
	*ret = (struct proc_descriptor){ .dentry = NULL };
	return proc_source_of(p)->descriptor(p->pid, p->fd, ret);
}

int proc_object_fd(struct proc_inode *p, struct dentry **ret)
{
	struct proc_descriptor d;
	int r = get_descriptor(p, &d);

	if (r < 0)
		return r == -ESRCH ? -ENOENT : r;
	if (!d.dentry)
		return new_descriptor_inode(p, ret);
	*ret = d.dentry;
	return 0;
}

/* The text of a nameless file's link; others' are made of their dentry. */
int proc_target_fd(struct proc_inode *p, struct proc_text *text)
{
	struct proc_descriptor d;
	int r = get_descriptor(p, &d);

	if (r < 0)
		return r == -ESRCH ? -ENOENT : r;
	if (!d.dentry)
		proc_print(text, "%.255s", d.text);
	dentry_put(d.dentry);
	return 0;
}

uint32_t proc_fd_link_mode(struct proc_inode *p)
{
	struct proc_descriptor d;
	int mode;

	if (get_descriptor(p, &d) < 0)
		return S_IFLNK;
	dentry_put(d.dentry);
	mode = d.flags & O_ACCMODE;
	return S_IFLNK | 0100u | (mode != O_WRONLY ? 0400u : 0u) | (mode != O_RDONLY ? 0200u : 0u);
}

int proc_fill_fdinfo(struct proc_inode *p, struct proc_text *text)
{
	struct proc_descriptor d;
	int r = get_descriptor(p, &d);

	if (r < 0)
		return r;
	dentry_put(d.dentry);
	proc_print(text, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t20\nino:\t%llu\n",
		   (unsigned long long)d.position, (unsigned int)d.flags,
		   (unsigned long long)d.ino);
	return 0;
}

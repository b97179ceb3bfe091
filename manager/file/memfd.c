/* SPDX-License-Identifier: MIT */
/*
 * memfd.c - memfd_create(2): files in a memory file system that is mounted nowhere.
 */
#include "file/inside.h"
#include "vfs/dentry.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MEMFD_NAME_MAX 249u /* as Linux has it: "memfd:" and the name fit in VFS_NAME_MAX */

/*
 * The file system lives while there are such files: each holds the top by its dentry,
 * and we hold it from the first open one to the last.
 */
static struct dentry *top;
static unsigned int open_count;
static struct file_ops memfd_ops; /* a regular file's, with a release of its own */

static int need_top(void)
{
	struct inode *root;
	int r;

	if (top)
		return 0;
	r = mem_fs_new("tmpfs", 0, 0700, &root);
	if (r < 0)
		return r;
	top = dentry_new_root(root);
	if (!top) {
		inode_put(root);
		return -ENOMEM;
	}
	return 0;
}

static void drop_top(void)
{
	if (open_count > 0)
		return;
	dentry_put(top);
	top = NULL;
}

static void memfd_release(struct file *f)
{
	regular_release(f);
	open_count--;
	drop_top();
}

static void count_open(struct file *f)
{
	memfd_ops = regular_ops;
	memfd_ops.release = memfd_release;
	f->ops = &memfd_ops;
	open_count++;
}

static int make_unnamed(struct inode **ret) MAY_YIELD
{
	struct inode *root = dentry_inode(top);
	struct file_caller caller;
	struct vfs_attr attr;

	file_caller_now(&caller);
	attr = (struct vfs_attr){ .mode = S_IFREG | 0777, .uid = caller.uid, .gid = caller.gid };
	attr.atime = vfs_now();
	attr.mtime = attr.atime;
	attr.ctime = attr.atime;
	attr.btime = attr.atime;
	return root->ops->create(root, NULL, 0, &attr, ret);
}

static int open_unnamed(struct file **ret) MAY_YIELD
{
	struct inode *inode;
	struct dentry *d;
	int r = make_unnamed(&inode);

	if (r < 0)
		return r;
	d = dentry_new_tmpfile(top, inode);
	if (!d)
		return -ENOMEM;
	r = regular_open(d, O_RDWR, ret);
	dentry_put(d);
	return r;
}

int memfd_file_new(const char *name, int flags, struct file **ret)
{
	int r;

	/* A file that may be sealed is given, but fcntl refuses to seal it. */
	if ((flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING)) || strlen(name) > MEMFD_NAME_MAX)
		return -EINVAL;
	r = need_top();
	if (r < 0)
		return r;
	/* Counted before the yields below: a file that closes meanwhile leaves the top. */
	open_count++;
	r = open_unnamed(ret);
	if (r == 0)
		count_open(*ret);
	open_count--;
	drop_top();
	return r;
}

/* SPDX-License-Identifier: MIT */
/*
 * regular.c - open regular files: the position, appending, and nothing else; the
 * data is the file system's.
 */
#include "file/inside.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Kept with the inode once somebody appends. Finding the end and writing there may
 * each wait for a device, so appenders take turns:
 *
 *     A: the end is at 10
 *                             B: the end is at 10
 *     A: writes 5 bytes at 10
 *                             B: writes over A's bytes
 */
struct append_state {
	struct task_lock turn;
};

static int append_state_of(struct inode *inode, struct append_state **ret)
{
	struct append_state *state = inode->file_state;

	if (!state) {
		state = malloc(sizeof(*state));
		if (!state)
			return -ENOMEM;
		task_lock_init(&state->turn);
		inode->file_state = state;
		inode->file_state_free = free;
	}
	*ret = state;
	return 0;
}

static ssize_t regular_read(struct file *f, void *buf, size_t size, uint64_t *offset) MAY_YIELD
{
	ssize_t r = vfs_read(file_inode(f), buf, size, *offset);

	if (r > 0)
		*offset += (uint64_t)r;
	return r;
}

static ssize_t append(struct inode *inode, const void *buf, size_t size, uint64_t *offset) MAY_YIELD
{
	struct vfs_attr attr;
	ssize_t r = vfs_getattr(inode, &attr);

	if (r < 0)
		return r;
	r = vfs_write(inode, buf, size, attr.size);
	if (r >= 0)
		*offset = attr.size + (uint64_t)r;
	return r;
}

/* O_APPEND holds for pwrite(2) too, as it does on Linux. */
static ssize_t regular_write(struct file *f, const void *buf, size_t size, uint64_t *offset)
	MAY_YIELD
{
	struct inode *inode = file_inode(f);
	struct append_state *state;
	ssize_t r;

	if (!(f->flags & O_APPEND)) {
		r = vfs_write(inode, buf, size, *offset);
		if (r > 0)
			*offset += (uint64_t)r;
		return r;
	}
	r = append_state_of(inode, &state);
	if (r < 0)
		return r;
	task_lock_take(&state->turn);
	r = append(inode, buf, size, offset);
	task_lock_drop(&state->turn);
	return r;
}

static int64_t regular_seek(struct file *f, int64_t offset, int whence) MAY_YIELD
{
	struct vfs_attr attr;
	int64_t base, target;

	switch (whence) {
	case SEEK_SET:
		base = 0;
		break;
	case SEEK_CUR:
		base = (int64_t)f->position;
		break;
	case SEEK_END:
		base = vfs_getattr(file_inode(f), &attr);
		if (base < 0)
			return base;
		base = (int64_t)attr.size;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (offset < 0)
			return -ENXIO;
		target = vfs_seek_data(file_inode(f), (uint64_t)offset, whence);
		if (target >= 0)
			f->position = (uint64_t)target;
		return target;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, offset, &target))
		return -EOVERFLOW;
	if (target < 0)
		return -EINVAL;
	f->position = (uint64_t)target;
	return target;
}

static int regular_ioctl(struct file *f, unsigned int cmd, void *arg, uint64_t number) MAY_YIELD
{
	struct vfs_attr attr;
	int r, left;

	(void)number;
	if (cmd != FIONREAD)
		return -ENOTTY;
	r = vfs_getattr(file_inode(f), &attr);
	if (r < 0)
		return r;
	left = (int)((int64_t)attr.size - (int64_t)f->position);
	memcpy(arg, &left, sizeof(left));
	return 0;
}

void regular_release(struct file *f)
{
	struct inode *inode = file_inode(f);

	if (!file_writable(f))
		return;
	assert(inode->write_opens > 0);
	inode->write_opens--;
}

const struct file_ops regular_ops = {
	.read = regular_read,
	.write = regular_write,
	.seek = regular_seek,
	.ioctl = regular_ioctl,
	.release = regular_release,
	.kind = "file",
};

/* vfs_open() has decided, and has told the file system that somebody will write. */
int regular_open(struct dentry *d, int flags, struct file **ret)
{
	struct inode *inode = dentry_inode(d);
	bool writes = (flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR;
	int r;

	if (writes && inode->exec_maps > 0)
		return -ETXTBSY;
	r = file_new_named(&regular_ops, flags, d, NULL, ret);
	if (r == 0 && writes)
		inode->write_opens++;
	return r;
}

#include "vfs/perm.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One step of a long fallocate: other tasks run in between. */
#define FALLOCATE_STEP (16u * 1024u * 1024u)

ssize_t vfs_read(struct inode *inode, void *buf, size_t size, uint64_t offset)
{
	if (S_ISDIR(inode->type))
		return -EISDIR;
	if (!inode->ops->read || offset > INT64_MAX)
		return -EINVAL;
	return inode->ops->read(inode, buf, size, offset);
}

ssize_t vfs_write(struct inode *inode, const void *buf, size_t size, uint64_t offset)
{
	if (S_ISDIR(inode->type))
		return -EISDIR;
	if (!inode->ops->write)
		return inode->fs->read_only ? -EROFS : -EINVAL;
	if (offset > INT64_MAX)
		return -EINVAL;
	if (size > 0 && offset == INT64_MAX)
		return -EFBIG; /* not even one byte fits, whatever the file system */
	if (size > INT64_MAX - offset)
		size = INT64_MAX - offset;
	return inode->ops->write(inode, buf, size, offset);
}

int vfs_readlink(struct inode *inode, char *buf, size_t size)
{
	if (!S_ISLNK(inode->type) || !inode->ops->readlink)
		return -EINVAL;
	return inode->ops->readlink(inode, buf, size);
}

int vfs_link_text(struct inode *link, const char **ret, char **ret_copy)
{
	char *copy;
	int r;

	*ret_copy = NULL;
	if (link->ops->link_text) {
		r = link->ops->link_text(link, ret);
		if (r != -EOPNOTSUPP)
			return r;
	}
	if (!link->ops->readlink)
		return -EINVAL;
	copy = malloc(VFS_PATH_MAX);
	if (!copy)
		return -ENOMEM;
	r = link->ops->readlink(link, copy, VFS_PATH_MAX - 1);
	if (r < 0) {
		free(copy);
		return r;
	}
	assert((size_t)r < VFS_PATH_MAX);
	copy[r] = '\0';
	*ret = copy;
	*ret_copy = copy;
	return 0;
}

int vfs_map(struct inode *inode, bool for_write, struct vfs_mapping *ret)
{
	if (!S_ISREG(inode->type))
		return -ENODEV;
	if (!inode->ops->map)
		return -ENODEV;
	return inode->ops->map(inode, for_write, ret);
}

int vfs_readdir(struct inode *dir, uint64_t *cursor, vfs_emit_fn *emit, void *ctx)
{
	if (!S_ISDIR(dir->type) || !dir->ops->readdir)
		return -ENOTDIR;
	return dir->ops->readdir(dir, cursor, emit, ctx);
}

/* Modes that exclude each other; whether KEEP_SIZE goes with them. */
static bool is_mode(int mode)
{
	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case 0:
	case FALLOC_FL_ZERO_RANGE:
		return true;
	case FALLOC_FL_PUNCH_HOLE:
		return mode & FALLOC_FL_KEEP_SIZE;
	case FALLOC_FL_COLLAPSE_RANGE:
	case FALLOC_FL_INSERT_RANGE:
		return !(mode & FALLOC_FL_KEEP_SIZE);
	default:
		return false;
	}
}

static int check_fallocate(const struct inode *inode, int mode, uint64_t offset, uint64_t size)
{
	if (size == 0 || offset > INT64_MAX || size > INT64_MAX)
		return -EINVAL;
	if (!is_mode(mode))
		return -EOPNOTSUPP;
	if (S_ISDIR(inode->type))
		return -EISDIR;
	if (!S_ISREG(inode->type))
		return -ENODEV;
	if (size > INT64_MAX - offset)
		return -EFBIG;
	if (inode->fs->read_only)
		return -EROFS;
	return inode->ops->fallocate ? 0 : -EOPNOTSUPP;
}

int vfs_fallocate(struct inode *inode, int mode, uint64_t offset, uint64_t size)
{
	int r = check_fallocate(inode, mode, offset, size);
	bool allocates = !(
		mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE));

	/* Holes cost nothing, shifts are of the whole; what allocates does so in steps. */
	while (r == 0 && size > FALLOCATE_STEP && allocates) {
		r = inode->ops->fallocate(inode, mode, offset, FALLOCATE_STEP);
		offset += FALLOCATE_STEP;
		size -= FALLOCATE_STEP;
		if (r == 0 && task_cancelled(task_self()))
			r = -EINTR;
		task_yield();
	}
	return r < 0 ? r : inode->ops->fallocate(inode, mode, offset, size);
}

int64_t vfs_seek_data(struct inode *inode, uint64_t offset, int whence)
{
	struct vfs_attr attr;
	int r;

	if (inode->ops->seek_data)
		return inode->ops->seek_data(inode, offset, whence);
	/* Without knowledge of holes a file is all data, and a hole follows its end. */
	r = inode->ops->getattr(inode, &attr);
	if (r < 0)
		return r;
	if (offset >= attr.size)
		return -ENXIO;
	return (int64_t)(whence == SEEK_DATA ? offset : attr.size);
}

int vfs_sync(struct inode *inode, bool data_only)
{
	return inode->ops->sync ? inode->ops->sync(inode, data_only) : 0;
}

int vfs_sync_fs(struct inode *inode)
{
	return inode->fs->sync ? inode->fs->sync(inode->fs, true) : 0;
}

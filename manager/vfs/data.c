#include "vfs/perm.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
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

static int check_fallocate(const struct inode *inode, int mode, uint64_t offset, uint64_t size)
{
	const int known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;

	if (size == 0 || offset > INT64_MAX || size > INT64_MAX)
		return -EINVAL;
	if ((mode & ~known) ||
	    (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) ==
		    (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) ||
	    ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE)))
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

	/* Holes cost nothing; what allocates does so in steps. */
	while (r == 0 && size > FALLOCATE_STEP && !(mode & FALLOC_FL_PUNCH_HOLE)) {
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
	return inode->fs->sync ? inode->fs->sync(inode->fs) : 0;
}

/* ---- extended attributes: whose names are whose. */

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static int check_xattr_name(const char *name)
{
	size_t len = strnlen(name, VFS_XATTR_NAME_MAX + 1);

	if (len == 0 || len > VFS_XATTR_NAME_MAX)
		return -ERANGE;
	if (has_prefix(name, "user.") || has_prefix(name, "trusted.") ||
	    has_prefix(name, "security."))
		return *(strchr(name, '.') + 1) ? 0 : -EINVAL;
	return -EOPNOTSUPP;
}

static int check_xattr(const struct vfs_cred *cred, struct inode *inode, const char *name,
		       bool writing) MAY_YIELD
{
	struct perm perm;
	int r = check_xattr_name(name);

	if (r < 0)
		return r;
	if (writing && inode->fs->read_only)
		return -EROFS;
	if (has_prefix(name, "trusted.") && !cred->privileged)
		return writing ? -EPERM : -ENODATA;
	if (has_prefix(name, "security."))
		return writing && !cred->privileged ? -EPERM : 0;
	if (has_prefix(name, "user.")) {
		if (!S_ISREG(inode->type) && !S_ISDIR(inode->type))
			return writing ? -EPERM : -ENODATA;
		r = inode_perm(inode, &perm);
		if (r < 0)
			return r;
		if (writing && S_ISDIR(inode->type) && (perm.mode & S_ISVTX) &&
		    !cred_owns(cred, perm.uid))
			return -EPERM;
		return vfs_permission(cred, inode, writing ? VFS_MAY_WRITE : VFS_MAY_READ);
	}
	return 0;
}

ssize_t vfs_getxattr(const struct vfs_cred *cred, struct inode *inode, const char *name, void *buf,
		     size_t size)
{
	int r = check_xattr(cred, inode, name, false);

	if (r < 0)
		return r;
	if (!inode->ops->getxattr)
		return -EOPNOTSUPP;
	return inode->ops->getxattr(inode, name, buf, size);
}

int vfs_setxattr(const struct vfs_cred *cred, struct inode *inode, const char *name,
		 const struct vfs_bytes *value, int flags)
{
	int r;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	if (value->size > VFS_XATTR_SIZE_MAX)
		return -E2BIG;
	r = check_xattr(cred, inode, name, true);
	if (r < 0)
		return r;
	if (!inode->ops->setxattr)
		return -EOPNOTSUPP;
	return inode->ops->setxattr(inode, name, value->data, value->size, flags);
}

/* Takes "trusted." names out of a list of terminated names; the new size. */
static ssize_t hide_trusted(char *buf, ssize_t size)
{
	ssize_t kept = 0;

	for (ssize_t at = 0; at < size;) {
		ssize_t len = (ssize_t)strlen(buf + at) + 1;

		if (!has_prefix(buf + at, "trusted.")) {
			memmove(buf + kept, buf + at, (size_t)len);
			kept += len;
		}
		at += len;
	}
	return kept;
}

ssize_t vfs_listxattr(const struct vfs_cred *cred, struct inode *inode, char *buf, size_t size)
{
	ssize_t r;

	if (!inode->ops->listxattr)
		return 0;
	r = inode->ops->listxattr(inode, buf, size);
	return r > 0 && size > 0 && !cred->privileged ? hide_trusted(buf, r) : r;
}

int vfs_removexattr(const struct vfs_cred *cred, struct inode *inode, const char *name)
{
	int r = check_xattr(cred, inode, name, true);

	if (r < 0)
		return r;
	if (!inode->ops->removexattr)
		return -EOPNOTSUPP;
	return inode->ops->removexattr(inode, name);
}

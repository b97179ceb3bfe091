#include "vfs/acl.h"
#include "vfs/overlay/overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_SIZE (256u * 1024u)

/* Where the next data of a sparse file is; `size` if there is none. */
static int next_data(struct inode *lower, uint64_t offset, uint64_t size, uint64_t *ret) MAY_YIELD
{
	int64_t r = lower->ops->seek_data(lower, offset, SEEK_DATA);

	if (r == -ENXIO)
		r = (int64_t)size;
	if (r < 0)
		return (int)r;
	*ret = (uint64_t)r;
	return 0;
}

static int write_all(struct inode *upper, const char *from, size_t size, uint64_t offset) MAY_YIELD
{
	while (size > 0) {
		ssize_t r = upper->ops->write(upper, from, size, offset);

		if (r <= 0)
			return r < 0 ? (int)r : -EIO;
		from += r;
		size -= (size_t)r;
		offset += (uint64_t)r;
	}
	return 0;
}

static bool all_zero(const char *data, size_t size)
{
	return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/*
 * Copy at most `limit` bytes. Read to the end of file, wherever that is: not every
 * lower file knows its size. Zeros in a sparse file stay holes.
 */
static int copy_bytes(struct inode *lower, struct inode *upper, const struct vfs_attr *attr,
		      uint64_t limit) MAY_YIELD
{
	bool sparse = lower->ops->seek_data && attr->blocks * 512 + CHUNK_SIZE < attr->size;
	uint64_t offset = 0;
	char *buf = malloc(CHUNK_SIZE);
	int r = buf ? 0 : -ENOMEM;

	while (r == 0 && offset < limit) {
		size_t part = limit - offset < CHUNK_SIZE ? (size_t)(limit - offset) : CHUNK_SIZE;
		ssize_t got;

		if (sparse) {
			r = next_data(lower, offset, attr->size, &offset);
			if (r < 0 || offset >= limit)
				break;
		}
		got = lower->ops->read(lower, buf, part, offset);
		if (got <= 0) {
			r = (int)got;
			break;
		}
		if (!sparse || !all_zero(buf, (size_t)got))
			r = write_all(upper, buf, (size_t)got, offset);
		offset += (uint64_t)got;
		task_yield(); /* a large file in the host's cache is read without one */
	}
	free(buf);
	return r;
}

/* The copy stands by now; a time stamp that could not be set does not undo it. */
static void set_times(struct inode *inode, const struct vfs_attr *attr) MAY_YIELD
{
	(void)inode->ops->setattr(inode, attr, VFS_SET_ATIME | VFS_SET_MTIME | VFS_SET_CTIME);
}

/* An unnamed copy of a regular file. */
static int copy_file(struct ovl_inode *o, const struct vfs_attr *attr, uint64_t limit,
		     struct inode **ret) MAY_YIELD
{
	struct inode *root = ovl_fs_of(o)->upper;
	struct inode *upper;
	int r = root->ops->create(root, NULL, 0, attr, &upper);

	if (r < 0)
		return r;
	r = copy_bytes(o->lower, upper, attr, limit);
	if (r == 0 && attr->size > 0 && attr->blocks * 512 < attr->size) {
		/* A hole at the end was not written. */
		struct vfs_attr size = { .size = attr->size < limit ? attr->size : limit };

		r = upper->ops->setattr(upper, &size, VFS_SET_SIZE);
	}
	if (r < 0) {
		inode_put(upper);
		return r;
	}
	set_times(upper, attr);
	if (upper->ops->order) {
		/* After a power cut the copy must not have a name and no content. */
		r = upper->ops->order(upper);
		if (r < 0) {
			inode_put(upper);
			return r;
		}
	}
	*ret = upper;
	return 0;
}

/*
 * Give the copy its name, or make what is made by name at once. The parent looks as
 * before: its merged content is the same.
 */
static int enter(struct ovl_inode *o, const struct vfs_attr *attr, const char *target,
		 struct inode **upper) MAY_YIELD
{
	struct inode *dir = o->parent->upper;
	size_t len = strlen(o->name);
	struct vfs_attr dir_attr;
	int r = dir->ops->getattr(dir, &dir_attr);

	if (r < 0)
		return r;
	if (*upper)
		r = dir->ops->link(dir, o->name, len, *upper);
	else if (S_ISLNK(o->inode.type))
		r = dir->ops->symlink(dir, o->name, len, attr, target, upper);
	else
		r = dir->ops->create(dir, o->name, len, attr, upper);
	if (r < 0)
		return r;
	set_times(*upper, attr);
	set_times(dir, &dir_attr);
	return 0;
}

/* What the copy is to be. Its lists are the caller's to free, also on failure. */
static int look_at_lower(struct inode *lower, struct vfs_attr *ret) MAY_YIELD
{
	int r = lower->ops->getattr(lower, ret);

	for (unsigned int kind = 0; kind < VFS_ACL_KINDS && r == 0; kind++) {
		const struct vfs_acl *acl;

		r = inode_acl(lower, kind, &acl);
		if (r == 0)
			r = acl_copy(acl, &ret->acl[kind]);
	}
	return r;
}

static int copy_locked(struct ovl_inode *o, uint64_t limit) MAY_YIELD
{
	struct ovl_fs *fs = ovl_fs_of(o);
	struct inode *upper = NULL;
	const char *target = NULL;
	char *copy = NULL;
	struct vfs_attr attr = { .mode = 0 };
	int r = look_at_lower(o->lower, &attr);

	if (r == 0 && S_ISLNK(o->inode.type))
		r = vfs_link_text(o->lower, &target, &copy);
	if (r == 0)
		r = origin_need(o);
	if (r == 0 && S_ISREG(o->inode.type))
		r = copy_file(o, &attr, limit, &upper);
	if (r < 0) {
		acl_free_lists(&attr);
		free(copy);
		return r;
	}
	/* The name may have changed to another directory's meanwhile. */
	while (r == 0 && o->parent && !o->parent->upper)
		r = ovl_copy_up(o->parent, OVL_ALL);
	fs->entering++;
	if (r == 0) {
		if (o->parent)
			r = enter(o, &attr, target, &upper);
		else if (!upper)
			r = -ENOENT; /* only a file's content outlives its name */
	}
	if (r == 0) {
		o->upper = upper;
		origin_copied(o);
	} else {
		inode_put(upper);
	}
	acl_free_lists(&attr);
	free(copy);
	fs->entering--;
	waitq_wake_all(&fs->entered);
	return r < 0 ? r : ovl_refresh(o);
}

int ovl_copy_up(struct ovl_inode *o, uint64_t limit)
{
	int r = 0;

	while (r == 0 && !o->upper) {
		struct ovl_inode *top = o;

		while (top->parent && !top->parent->upper)
			top = top->parent;
		inode_get(&top->inode);
		task_lock_take(&top->lock);
		if (!top->upper)
			r = copy_locked(top, top == o ? limit : OVL_ALL);
		task_lock_drop(&top->lock);
		inode_put(&top->inode);
	}
	return r;
}

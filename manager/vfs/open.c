#include "vfs/acl.h"
#include "vfs/change.h"
#include "vfs/perm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* What is asked of the file, from open(2)'s flags. */
static unsigned int open_wants(int flags)
{
	unsigned int may = 0;

	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		may = VFS_MAY_READ;
		break;
	case O_WRONLY:
		may = VFS_MAY_WRITE;
		break;
	default: /* O_RDWR, and 3: ioctl only, but both rights are asked */
		may = VFS_MAY_READ | VFS_MAY_WRITE;
		break;
	}
	if (flags & O_TRUNC)
		may |= VFS_MAY_WRITE;
	return may;
}

/* May what was found be opened so? In the order of the kernel's may_open(). */
static int check_access(const struct vfs_cred *cred, struct inode *inode, int flags) MAY_YIELD
{
	unsigned int may = open_wants(flags);
	struct perm perm;
	int r;

	if (S_ISLNK(inode->type))
		return -ELOOP;
	if (S_ISDIR(inode->type) && (may & VFS_MAY_WRITE))
		return -EISDIR;
	r = vfs_permission(cred, inode, may);
	if (r < 0)
		return r;
	if (flags & O_NOATIME) {
		r = inode_perm(inode, &perm);
		if (r < 0)
			return r;
		if (!cred_owns(cred, perm.uid))
			return -EPERM;
	}
	if ((may & VFS_MAY_WRITE) && S_ISREG(inode->type) && inode->exec_maps > 0)
		return -ETXTBSY;
	return 0;
}

/* The file is there and may be opened: truncate it, and let its file system make it writable. */
static int prepare(const struct vfs_cred *cred, struct inode *inode, int flags) MAY_YIELD
{
	int r = 0;

	if (!S_ISREG(inode->type))
		return 0;
	if (flags & O_TRUNC)
		r = vfs_truncate(cred, inode, 0, true);
	if (r == 0 && (flags & O_ACCMODE) != O_RDONLY && inode->ops->open_write)
		r = inode->ops->open_write(inode);
	return r;
}

/*
 * The last name is not there: make it. The directory's lock is taken now, so look
 * again; if somebody else made it meanwhile, `*ret_made` stays false.
 */
static int create_last(struct walk *w, const struct vfs_open *how, struct dentry **ret,
		       bool *ret_made) MAY_YIELD
{
	struct inode *dir = w->dir->inode;
	struct inode *made = NULL;
	struct dentry *d = NULL;
	struct vfs_attr attr;
	int r;

	task_lock_take(&w->dir->lock);
	r = walk_look(w, &d);
	if (r == 0 && dentry_negative(d)) {
		uint32_t mode = S_IFREG | (how->mode & 07777u);

		r = may_change(w->view->cred, w->dir);
		if (r == 0)
			r = dir->ops->create ? new_attr(w->view, dir, mode, &attr) : -EACCES;
		if (r == 0) {
			r = dir->ops->create(dir, d->name, d->name_len, &attr, &made);
			acl_free_lists(&attr);
		}
		if (r == 0) {
			dentry_fill(d, made);
			*ret_made = true;
		}
	}
	task_lock_drop(&w->dir->lock);
	if (r < 0)
		dentry_put(d);
	else
		*ret = d;
	return r;
}

/*
 * Find or make what the path names, following final links. With O_CREAT a link to
 * nothing makes what it points to.
 */
static int find_or_create(struct walk *w, const struct vfs_open *how, struct dentry **ret,
			  bool *ret_made) MAY_YIELD
{
	bool create = how->flags & O_CREAT;
	bool follow = !(how->flags & O_NOFOLLOW) && !(create && (how->flags & O_EXCL));
	struct dentry *d;
	int r;

	for (;;) {
		if (create && w->last_kind != WALK_NAME)
			return how->flags & O_EXCL ? -EEXIST : -EISDIR;
		if (create && w->slash)
			return -EISDIR;
		r = walk_look(w, &d);
		if (r == 0 && dentry_negative(d) && create) {
			dentry_put(d);
			r = create_last(w, how, &d, ret_made);
		}
		if (r < 0)
			return r;
		if (dentry_negative(d)) {
			dentry_put(d);
			return -ENOENT;
		}
		if (!walk_is_link(d) || !(follow || w->slash)) {
			*ret = d;
			return 0;
		}
		r = walk_follow(w, d);
		dentry_put(d);
		if (r == WALK_JUMP) {
			*ret = dentry_get(w->dir);
			return 0;
		}
		if (r == WALK_TEXT)
			r = walk_parent(w);
		if (r < 0)
			return r;
	}
}

static int open_found(struct walk *w, int flags, struct dentry *d) MAY_YIELD
{
	const struct vfs_cred *cred = w->view->cred;
	int r;

	if (flags & O_CREAT) {
		if (flags & O_EXCL)
			return -EEXIST;
		if (dentry_is(d, S_IFDIR))
			return -EISDIR;
		/* After a jump w->dir is the object itself, which is no directory here. */
		if (dentry_is(w->dir, S_IFDIR)) {
			r = may_create_over(cred, w->dir->inode, d->inode);
			if (r < 0)
				return r;
		}
	}
	if (((flags & O_DIRECTORY) || w->slash) && !dentry_is(d, S_IFDIR))
		return -ENOTDIR;
	if (flags & O_PATH)
		return 0;
	r = check_access(cred, d->inode, flags);
	return r < 0 ? r : prepare(cred, d->inode, flags);
}

int vfs_open(const struct vfs *view, struct dentry *at, const char *path,
	     const struct vfs_open *how, struct dentry **ret)
{
	struct vfs_open clean = *how;
	struct dentry *d = NULL;
	bool made = false;
	struct walk w;
	int r;

	if (clean.flags & O_PATH)
		clean.flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
	if ((clean.flags & O_TMPFILE) == O_TMPFILE) {
		if ((clean.flags & O_ACCMODE) == O_RDONLY || (clean.flags & O_CREAT))
			return -EINVAL;
		r = vfs_tmpfile(view, at, path, clean.mode, ret);
		if (r == 0 && (clean.flags & O_EXCL)) /* never to be named */
			(*ret)->flags &= (uint16_t)~DENTRY_TMPFILE;
		return r;
	}
	if ((clean.flags & O_CREAT) && (clean.flags & O_DIRECTORY))
		return -EINVAL;
	r = walk_start(&w, view, at, path);
	if (r < 0)
		return r;
	r = walk_parent(&w);
	if (r == 0)
		r = find_or_create(&w, &clean, &d, &made);
	/* Who makes a file has it open as asked, whatever its mode says. */
	if (r == 0 && !made)
		r = open_found(&w, clean.flags, d);
	walk_end(&w);
	if (r < 0)
		dentry_put(d);
	else
		*ret = d;
	return r;
}

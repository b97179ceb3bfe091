#include "vfs/change.h"

#include "vfs/acl.h"
#include "vfs/perm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define MODE_BITS 07777u

/* The directory's default list in the place of the umask. */
static int inherit(struct inode *dir, uint32_t umask, struct vfs_attr *attr) MAY_YIELD
{
	const struct vfs_acl *lent;
	struct vfs_acl *access, *again = NULL;
	bool plain;
	int r = inode_acl(dir, VFS_ACL_DEFAULT, &lent);

	if (r < 0 || !lent) {
		attr->mode &= ~umask;
		return r;
	}
	r = acl_copy(lent, &access);
	if (r == 0 && S_ISDIR(attr->mode))
		r = acl_copy(lent, &again);
	if (r < 0) {
		free(access);
		return r;
	}
	acl_inherit(access, &attr->mode);
	(void)acl_mode(access, &plain);
	if (plain) {
		free(access);
		access = NULL;
	}
	attr->acl[VFS_ACL_ACCESS] = access;
	attr->acl[VFS_ACL_DEFAULT] = again;
	return 0;
}

int new_attr(const struct vfs *view, struct inode *dir, uint32_t mode, struct vfs_attr *ret)
{
	const uint32_t run_as_group = S_ISGID | S_IXGRP;
	struct perm perm;
	int r = inode_perm(dir, &perm);

	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	ret->uid = view->cred->fsuid;
	ret->gid = view->cred->fsgid;
	if (perm.mode & S_ISGID) {
		ret->gid = perm.gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
		else if ((mode & run_as_group) == run_as_group && !view->cred->privileged &&
			 !cred_in_group(view->cred, perm.gid))
			mode &= ~(uint32_t)S_ISGID;
	}
	ret->mode = mode;
	ret->atime = vfs_now();
	ret->mtime = ret->atime;
	ret->ctime = ret->atime;
	ret->btime = ret->atime;
	return S_ISLNK(mode) ? 0 : inherit(dir, view->umask, ret);
}

/* The directory is locked: is the place free? */
static int check_place(struct place *place, bool make_directory) MAY_YIELD
{
	struct walk *w = &place->walk;
	int r = walk_look(w, &place->name);

	if (r < 0)
		return r;
	if (!dentry_negative(place->name))
		return -EEXIST;
	if (w->slash && !make_directory)
		return -ENOENT;
	return w->dir->inode->fs->read_only ? -EROFS : 0;
}

int change_begin(struct place *place, const struct vfs *view, struct dentry *at, const char *path,
		 bool make_directory)
{
	struct walk *w = &place->walk;
	int r = walk_start(w, view, at, path);

	place->name = NULL;
	if (r < 0)
		return r;
	r = walk_parent(w);
	if (r == 0 && w->last_kind != WALK_NAME)
		r = -EEXIST;
	if (r < 0) {
		walk_end(w);
		return r;
	}
	task_lock_take(&w->dir->lock);
	r = check_place(place, make_directory);
	if (r < 0)
		change_end(place);
	return r;
}

void change_end(struct place *place)
{
	task_lock_drop(&place->walk.dir->lock);
	dentry_put(place->name);
	walk_end(&place->walk);
}

/* may_change() was asked. The umask, or lists, and a setgid directory have their say. */
static int make_inode(struct place *place, uint32_t mode, uint64_t rdev) MAY_YIELD
{
	struct inode *dir = place->walk.dir->inode;
	struct inode *made = NULL;
	struct vfs_attr attr;
	int r;

	if (!dir->ops->create)
		return -EPERM;
	r = new_attr(place->walk.view, dir, mode, &attr);
	if (r < 0)
		return r;
	attr.rdev = rdev;
	r = dir->ops->create(dir, place->name->name, place->name->name_len, &attr, &made);
	acl_free_lists(&attr);
	if (r < 0)
		return r;
	dentry_fill(place->name, made);
	return 0;
}

int vfs_mkdir(const struct vfs *view, struct dentry *at, const char *path, uint32_t mode)
{
	struct place place;
	int r = change_begin(&place, view, at, path, true);

	if (r < 0)
		return r;
	r = may_change(view->cred, place.walk.dir);
	if (r == 0)
		r = make_inode(&place, S_IFDIR | (mode & (0777u | S_ISVTX)), 0);
	change_end(&place);
	return r;
}

static int mknod_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case 0:
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return 0;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
}

int vfs_mknod(const struct vfs *view, struct dentry *at, const char *path, uint32_t mode,
	      uint64_t rdev)
{
	bool device = S_ISCHR(mode) || S_ISBLK(mode);
	struct place place;
	int r = mknod_type(mode);

	if (r < 0)
		return r;
	r = change_begin(&place, view, at, path, false);
	if (r < 0)
		return r;
	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	r = may_change(view->cred, place.walk.dir);
	/* Device 0/0 is how an overlay's upper layer says "there is no such name". */
	if (r == 0 && device &&
	    (!view->cred->privileged || (S_ISCHR(mode) && rdev == makedev(0, 0))))
		r = -EPERM;
	if (r == 0)
		r = make_inode(&place, mode & (S_IFMT | MODE_BITS), device ? rdev : 0);
	change_end(&place);
	return r;
}

int vfs_make_socket(const struct vfs *view, const char *path, uint32_t mode, struct dentry **ret)
{
	struct place place;
	int r = change_begin(&place, view, NULL, path, false);

	if (r == -EEXIST)
		return -EADDRINUSE; /* as bind(2) says it */
	if (r < 0)
		return r;
	r = may_change(view->cred, place.walk.dir);
	/* bind(2) takes the umask off itself, whatever lists there are. */
	if (r == 0)
		r = make_inode(&place, S_IFSOCK | (mode & 0777u & ~view->umask), 0);
	if (r == 0)
		*ret = dentry_get(place.name);
	change_end(&place);
	return r;
}

int vfs_symlink(const struct vfs *view, const char *target, struct dentry *at, const char *path)
{
	struct inode *made = NULL;
	struct inode *dir;
	struct vfs_attr attr;
	struct place place;
	int r;

	if (target[0] == '\0')
		return -ENOENT;
	if (strnlen(target, VFS_PATH_MAX) == VFS_PATH_MAX)
		return -ENAMETOOLONG;
	r = change_begin(&place, view, at, path, false);
	if (r < 0)
		return r;
	dir = place.walk.dir->inode;
	r = may_change(view->cred, place.walk.dir);
	if (r == 0)
		r = dir->ops->symlink ? new_attr(view, dir, S_IFLNK | 0777, &attr) : -EPERM;
	if (r == 0)
		r = dir->ops->symlink(dir, place.name->name, place.name->name_len, &attr, target,
				      &made);
	if (r == 0)
		dentry_fill(place.name, made);
	change_end(&place);
	return r;
}

/* What link(2) refuses once the new place is known to be free. */
static int check_link(const struct vfs *view, struct dentry *from, struct dentry *to) MAY_YIELD
{
	struct inode *dir = to->inode;
	struct vfs_attr attr;
	int r;

	if (from->inode->fs != dir->fs)
		return -EXDEV;
	r = may_hard_link(view->cred, from->inode);
	if (r == 0)
		r = may_change(view->cred, to);
	if (r < 0)
		return r;
	if (!dir->ops->link || S_ISDIR(from->inode->type))
		return -EPERM;
	r = from->inode->ops->getattr(from->inode, &attr);
	if (r < 0)
		return r;
	/* A file that lost its last name gets no new one, unless it was made without one. */
	if (attr.nlink == 0 && !(from->flags & DENTRY_TMPFILE))
		return -ENOENT;
	return 0;
}

int vfs_link(const struct vfs *view, struct dentry *from, struct dentry *at, const char *path)
{
	struct inode *dir;
	struct place place;
	int r = change_begin(&place, view, at, path, false);

	if (r < 0)
		return r;
	dir = place.walk.dir->inode;
	r = check_link(view, from, place.walk.dir);
	if (r == 0)
		r = dir->ops->link(dir, place.name->name, place.name->name_len, from->inode);
	if (r == 0)
		dentry_fill(place.name, inode_get(from->inode));
	change_end(&place);
	return r;
}

int vfs_tmpfile(const struct vfs *view, struct dentry *at, const char *path, uint32_t mode,
		struct dentry **ret)
{
	struct inode *made = NULL;
	struct dentry *dir, *d;
	struct vfs_attr attr;
	int r = vfs_walk(view, at, path, VFS_FOLLOW | VFS_DIRECTORY, &dir);

	if (r < 0)
		return r;
	r = vfs_permission(view->cred, dir->inode, VFS_MAY_WRITE | VFS_MAY_EXEC);
	if (r == 0 && !dir->inode->ops->create)
		r = -EOPNOTSUPP;
	if (r == 0)
		r = new_attr(view, dir->inode, S_IFREG | (mode & MODE_BITS), &attr);
	if (r == 0) {
		r = dir->inode->ops->create(dir->inode, NULL, 0, &attr, &made);
		acl_free_lists(&attr);
	}
	if (r == 0) {
		d = dentry_new_tmpfile(dir, made);
		if (d)
			*ret = d;
		else
			r = -ENOMEM;
	}
	dentry_put(dir);
	return r;
}

/* What unlink(2) says of "name/", decided before any permission. */
static int check_slash(const struct walk *w, const struct dentry *victim)
{
	if (dentry_negative(victim))
		return -ENOENT;
	if (!w->slash)
		return 0;
	return dentry_is(victim, S_IFDIR) ? -EISDIR : -ENOTDIR;
}

int vfs_unlink(const struct vfs *view, struct dentry *at, const char *path)
{
	struct dentry *victim = NULL;
	struct inode *dir;
	struct walk w;
	int r = walk_start(&w, view, at, path);

	if (r < 0)
		return r;
	r = walk_parent(&w);
	if (r == 0 && w.last_kind != WALK_NAME)
		r = -EISDIR;
	if (r < 0) {
		walk_end(&w);
		return r;
	}
	task_lock_take(&w.dir->lock);
	dir = w.dir->inode;
	r = walk_look(&w, &victim);
	if (r == 0)
		r = check_slash(&w, victim);
	if (r == 0)
		r = may_remove(view->cred, w.dir, victim, false);
	if (r == 0 && (victim->covers || victim->mounted))
		r = -EBUSY;
	if (r == 0)
		r = dir->ops->unlink
			    ? dir->ops->unlink(dir, victim->name, victim->name_len, victim->inode)
			    : -EPERM;
	if (r == 0)
		dentry_remove(victim);
	task_lock_drop(&w.dir->lock);
	dentry_put(victim);
	walk_end(&w);
	return r;
}

static int rmdir_last_kind(enum walk_last kind)
{
	switch (kind) {
	case WALK_DOTDOT:
		return -ENOTEMPTY;
	case WALK_DOT:
		return -EINVAL;
	case WALK_ROOT:
		return -EBUSY;
	case WALK_NAME:
	default:
		return 0;
	}
}

/* Both directories are locked. */
static int remove_directory(const struct vfs *view, struct dentry *parent, struct dentry *victim)
	MAY_YIELD
{
	struct inode *dir = parent->inode;
	int r = may_remove(view->cred, parent, victim, true);

	if (r < 0)
		return r;
	if (victim->covers || victim->mounted)
		return -EBUSY;
	if (!dir->ops->rmdir)
		return -EPERM;
	r = dir->ops->rmdir(dir, victim->name, victim->name_len, victim->inode);
	if (r == 0)
		dentry_remove(victim);
	return r;
}

int vfs_rmdir(const struct vfs *view, struct dentry *at, const char *path)
{
	struct dentry *victim = NULL;
	struct walk w;
	int r = walk_start(&w, view, at, path);

	if (r < 0)
		return r;
	r = walk_parent(&w);
	if (r == 0)
		r = rmdir_last_kind(w.last_kind);
	if (r < 0) {
		walk_end(&w);
		return r;
	}
	task_lock_take(&w.dir->lock);
	r = walk_look(&w, &victim);
	if (r == 0 && dentry_negative(victim))
		r = -ENOENT;
	if (r == 0) {
		/* A mounted root is refused inside; its lock is harmless. */
		task_lock_take(&victim->lock);
		r = remove_directory(view, w.dir, victim);
		task_lock_drop(&victim->lock);
	}
	task_lock_drop(&w.dir->lock);
	dentry_put(victim);
	walk_end(&w);
	return r;
}

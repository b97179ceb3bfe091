#include "vfs/perm.h"
#include "vfs/walk.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

/*
 * Order of locks: rename_lock (only if the directories differ), the two
 * directories, ancestor first, then a directory that is replaced. Trees change
 * shape only under rename_lock, so "ancestor" stays true while we hold it.
 */
static struct task_lock rename_lock;
static bool rename_lock_ready;

/* Where one of the two paths led. */
struct side {
	struct dentry *dir;  /* counted */
	struct dentry *name; /* counted; mounts are not crossed */
	const char *last;    /* in the caller's path */
	size_t last_len;
	enum walk_last kind;
	bool slash;
};

static int find_side(struct side *side, const struct vfs *view, struct dentry *at, const char *path)
	MAY_YIELD
{
	struct walk w;
	int r = walk_start(&w, view, at, path);

	if (r < 0)
		return r;
	r = walk_parent(&w);
	if (r == 0) {
		side->dir = dentry_get(w.dir);
		side->kind = w.last_kind;
		/* Final links are not followed: the last name is in the caller's own text. */
		side->last = w.last;
		side->last_len = w.last_len;
		side->slash = w.slash;
	}
	walk_end(&w);
	return r;
}

static void put_side(struct side *side)
{
	dentry_put(side->name);
	dentry_put(side->dir);
}

/* The child of `above` through which `d` hangs below it; NULL if it does not. Not across mounts. */
static struct dentry *branch_towards(const struct dentry *above, struct dentry *d)
{
	for (; d->parent; d = d->parent)
		if (d->parent == above)
			return d;
	return NULL;
}

struct locked {
	struct dentry *first, *second;
	struct dentry *trap_old; /* moving this would put it below itself */
	struct dentry *trap_new; /* replacing this would replace an ancestor */
};

static void lock_directories(struct locked *l, struct dentry *old_dir, struct dentry *new_dir)
	MAY_YIELD
{
	*l = (struct locked){ old_dir, NULL, NULL, NULL };
	if (old_dir != new_dir) {
		if (!rename_lock_ready) {
			task_lock_init(&rename_lock);
			rename_lock_ready = true;
		}
		task_lock_take(&rename_lock);
		l->second = new_dir;
		l->trap_old = branch_towards(old_dir, new_dir);
		l->trap_new = branch_towards(new_dir, old_dir);
		if (l->trap_new) {
			l->first = new_dir;
			l->second = old_dir;
		}
	}
	task_lock_take(&l->first->lock);
	if (l->second)
		task_lock_take(&l->second->lock);
}

static void unlock_directories(struct locked *l)
{
	if (l->second) {
		task_lock_drop(&l->second->lock);
		task_lock_drop(&l->first->lock);
		task_lock_drop(&rename_lock);
	} else {
		task_lock_drop(&l->first->lock);
	}
}

/* Checks that need no permission, in Linux's order. */
static int check_shape(const struct side *old, const struct side *new, const struct locked *l,
		       unsigned int flags)
{
	if (dentry_negative(old->name))
		return -ENOENT;
	if ((flags & RENAME_NOREPLACE) && !dentry_negative(new->name))
		return -EEXIST;
	if (flags & RENAME_EXCHANGE) {
		if (dentry_negative(new->name))
			return -ENOENT;
		if (new->slash && !dentry_is(new->name, S_IFDIR))
			return -ENOTDIR;
	}
	if (!dentry_is(old->name, S_IFDIR) &&
	    (old->slash || (new->slash && !(flags & RENAME_EXCHANGE))))
		return -ENOTDIR;
	if (old->name == l->trap_old)
		return -EINVAL;
	if (new->name == l->trap_new)
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int check_rights(const struct vfs_cred *cred, const struct side *old, const struct side *new,
			unsigned int flags) MAY_YIELD
{
	bool old_is_dir = dentry_is(old->name, S_IFDIR);
	bool new_is_dir = dentry_is(new->name, S_IFDIR);
	int r = may_remove(cred, old->dir, old->name, old_is_dir);

	if (r == 0 && dentry_negative(new->name))
		r = may_change(cred, new->dir);
	else if (r == 0)
		r = may_remove(cred, new->dir, new->name,
			       flags & RENAME_EXCHANGE ? new_is_dir : old_is_dir);
	if (r < 0)
		return r;
	if (!old->dir->inode->ops->rename)
		return -EPERM;
	/* A directory that changes its parent has its ".." written. */
	if (old->dir != new->dir) {
		if (old_is_dir)
			r = vfs_permission(cred, old->name->inode, VFS_MAY_WRITE);
		if (r == 0 && new_is_dir && (flags & RENAME_EXCHANGE))
			r = vfs_permission(cred, new->name->inode, VFS_MAY_WRITE);
	}
	if (r == 0 && (old->name->mounted || new->name->mounted))
		r = -EBUSY;
	return r;
}

/* Everything is decided: let the file system do it, and move the dentries. */
static int act(struct side *old, struct side *new, unsigned int flags) MAY_YIELD
{
	const struct vfs_move what = {
		.old_dir = old->dir->inode,
		.new_dir = new->dir->inode,
		.old_name = old->name->name,
		.new_name = new->name->name,
		.inode = old->name->inode,
		.target = new->name->inode,
		.flags = flags,
	};
	bool lock_target = dentry_is(new->name, S_IFDIR) && !(flags & RENAME_EXCHANGE);
	struct dentry_move move;
	int r = dentry_move_prepare(&move, new->name);

	if (r < 0)
		return r;
	if (lock_target)
		task_lock_take(&new->name->lock);
	r = old->dir->inode->ops->rename(&what);
	if (r == 0 && (flags & RENAME_EXCHANGE))
		dentry_exchange(old->name, new->name);
	else if (r == 0)
		dentry_move_to(&move, old->name, new->name);
	if (lock_target)
		task_lock_drop(&new->name->lock);
	dentry_move_cancel(&move);
	return r;
}

/* Both directories are locked. */
static int rename_locked(const struct vfs *view, struct side *old, struct side *new,
			 const struct locked *l, unsigned int flags) MAY_YIELD
{
	int r = dentry_lookup(old->dir, old->last, old->last_len, &old->name);

	if (r == 0)
		r = dentry_lookup(new->dir, new->last, new->last_len, &new->name);
	if (r == 0)
		r = check_shape(old, new, l, flags);
	/* Two names of one file: nothing to do, says POSIX. */
	if (r == 0 && old->name->inode == new->name->inode)
		return 0;
	if (r == 0)
		r = check_rights(view->cred, old, new, flags);
	if (r == 0)
		r = act(old, new, flags);
	return r;
}

int vfs_rename(const struct vfs *view, struct dentry *old_at, const char *old_path,
	       struct dentry *new_at, const char *new_path, unsigned int flags)
{
	struct side old = { .dir = NULL }, new = { .dir = NULL };
	struct locked locked;
	int r;

	if ((flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	r = find_side(&old, view, old_at, old_path);
	if (r == 0)
		r = find_side(&new, view, new_at, new_path);
	if (r == 0 && old.dir->inode->fs != new.dir->inode->fs)
		r = -EXDEV;
	if (r == 0 && old.kind != WALK_NAME)
		r = -EBUSY;
	if (r == 0 && new.kind != WALK_NAME)
		r = flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (r == 0) {
		lock_directories(&locked, old.dir, new.dir);
		r = rename_locked(view, &old, &new, &locked, flags);
		unlock_directories(&locked);
	}
	put_side(&old);
	put_side(&new);
	return r;
}

#include "vfs/overlay/overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- whiteouts. */

/*
 * All whiteouts are links to one inode: putting one where a name was just removed
 * then costs no more than that name did, so it cannot fail for want of space.
 */
int ovl_whiteout(struct ovl_inode *dir, const char *name, size_t len)
{
	const struct vfs_attr attr = { .mode = S_IFCHR };
	struct ovl_fs *fs = ovl_fs_of(dir);
	struct inode *made;
	int r;

	if (fs->whiteout) {
		struct inode *shared = inode_get(fs->whiteout);

		r = dir->upper->ops->link(dir->upper, name, len, shared);
		if (r == -EMLINK && fs->whiteout == shared) {
			inode_put(shared);
			fs->whiteout = NULL;
		}
		inode_put(shared);
		if (r != -EMLINK)
			return r;
	}
	r = dir->upper->ops->create(dir->upper, name, len, &attr, &made);
	if (r < 0)
		return r;
	if (fs->whiteout) /* another task made the first one meanwhile */
		inode_put(made);
	else
		fs->whiteout = made;
	return 0;
}

/* Make room for a new name: take the whiteout away if there is one. 1: there was, 0, -errno. */
static int take_whiteout(struct ovl_inode *dir, const char *name, size_t len) MAY_YIELD
{
	struct inode *upper;
	int r = ovl_in_upper(dir, name, len, &upper);

	if (r < 0 || !upper)
		return r;
	r = is_whiteout(upper) ? dir->upper->ops->unlink(dir->upper, name, len, upper) : -EEXIST;
	inode_put(upper);
	return r < 0 ? r : 1;
}

/* After a change that failed: `had` is take_whiteout's answer. */
static void put_whiteout_back(struct ovl_inode *dir, const char *name, size_t len, int had)
	MAY_YIELD
{
	if (had > 0)
		(void)!ovl_whiteout(dir, name, len);
}

/* One name from *cursor on. 1, 0 at the end, -errno. */
struct one_name {
	char text[VFS_NAME_MAX];
	size_t len;
};

static int take_one(void *ctx, const struct vfs_dirent *entry)
{
	struct one_name *one = ctx;

	if (one->len > 0)
		return 1;
	memcpy(one->text, entry->name, entry->name_len);
	one->len = entry->name_len;
	return 0;
}

int ovl_clear_whiteouts(struct inode *upper)
{
	struct one_name one;
	uint64_t cursor = 0;
	struct inode *victim;
	int r;

	for (;;) {
		one.len = 0;
		r = upper->ops->readdir(upper, &cursor, take_one, &one);
		if (r < 0 || one.len == 0)
			return r;
		r = upper->ops->lookup(upper, one.text, one.len, &victim);
		if (r < 0)
			return r;
		r = is_whiteout(victim) ? upper->ops->unlink(upper, one.text, one.len, victim)
					: -ENOTEMPTY;
		inode_put(victim);
		if (r < 0)
			return r;
	}
}

static int stop_at_first(void *ctx, const struct vfs_dirent *entry)
{
	(void)entry;
	*(bool *)ctx = true;
	return 1;
}

int ovl_check_empty(struct ovl_inode *dir)
{
	uint64_t cursor = 0;
	bool any = false;
	int r = ovl_readdir(&dir->inode, &cursor, stop_at_first, &any);

	if (r == -EACCES) /* a lower directory that nobody can list is kept */
		return -ENOTEMPTY;
	return r == 0 && any ? -ENOTEMPTY : r;
}

/* ---- which name an inode is known by. */

bool ovl_has_this_name(const struct ovl_inode *o, const struct ovl_inode *dir, const char *name,
		       size_t len)
{
	return o->parent == dir && strlen(o->name) == len && memcmp(o->name, name, len) == 0;
}

void ovl_set_name(struct ovl_inode *o, struct ovl_inode *parent, char *name)
{
	struct ovl_inode *old = o->parent;

	o->parent = parent;
	if (parent)
		inode_get(&parent->inode);
	free(o->name);
	o->name = name;
	if (old)
		inode_put(&old->inode);
}

void ovl_lost_name(struct ovl_inode *o, const struct ovl_inode *dir, const char *name, size_t len)
{
	struct vfs_attr attr;

	if (ovl_has_this_name(o, dir, name, len))
		ovl_set_name(o, NULL, NULL);
	if (ovl_is_dir(o)) {
		o->gone = true;
		return;
	}
	if (o->origin)
		o->origin->names--;
	if (ovl_getattr(&o->inode, &attr) == 0 && attr.nlink == 0) {
		o->gone = true;
		origin_drop(o);
	}
}

/* ---- making names. */

static int set_opaque(struct inode *upper) MAY_YIELD
{
	return upper->ops->setxattr ? upper->ops->setxattr(upper, OVL_OPAQUE, "y", 1, 0) : 0;
}

/* Undo a create whose second half failed. */
static void unmake(struct ovl_inode *dir, const char *name, size_t len, struct inode *made)
	MAY_YIELD
{
	struct inode *upper = dir->upper;

	if (!name)
		return;
	if (S_ISDIR(made->type))
		(void)upper->ops->rmdir(upper, name, len, made);
	else
		(void)upper->ops->unlink(upper, name, len, made);
}

/* Something new is in the upper: its overlay inode. Takes over `made`. */
static int finish_new(struct ovl_inode *dir, const char *name, size_t len, struct inode *made,
		      struct inode **ret) MAY_YIELD
{
	struct ovl_found found = { inode_get(made), NULL, NULL };
	int r = ovl_inode_for(dir, name, len, &found, ret);

	if (r < 0)
		unmake(dir, name, len, made);
	inode_put(made);
	return r;
}

int ovl_create(struct inode *inode, const char *name, size_t len, const struct vfs_attr *attr,
	       struct inode **ret)
{
	struct ovl_inode *dir = ovl_of(inode);
	struct inode *made;
	int had = 0;
	int r = ovl_copy_up(dir, OVL_ALL);

	if (r == 0 && name)
		had = take_whiteout(dir, name, len);
	if (r < 0 || had < 0)
		return r < 0 ? r : had;
	r = dir->upper->ops->create(dir->upper, name, len, attr, &made);
	if (r == 0 && had && S_ISDIR(attr->mode)) {
		/* What it was a whiteout of may be a directory: it must not show through. */
		r = set_opaque(made);
		if (r < 0) {
			unmake(dir, name, len, made);
			inode_put(made);
		}
	}
	if (r == 0)
		r = finish_new(dir, name, len, made, ret);
	if (r < 0)
		put_whiteout_back(dir, name, len, had);
	return r;
}

int ovl_symlink(struct inode *inode, const char *name, size_t len, const struct vfs_attr *attr,
		const char *target, struct inode **ret)
{
	struct ovl_inode *dir = ovl_of(inode);
	struct inode *made;
	int had = 0;
	int r = ovl_copy_up(dir, OVL_ALL);

	if (r == 0)
		had = take_whiteout(dir, name, len);
	if (r < 0 || had < 0)
		return r < 0 ? r : had;
	r = dir->upper->ops->symlink(dir->upper, name, len, attr, target, &made);
	if (r == 0)
		r = finish_new(dir, name, len, made, ret);
	if (r < 0)
		put_whiteout_back(dir, name, len, had);
	return r;
}

int ovl_link(struct inode *dir_inode, const char *name, size_t len, struct inode *inode)
{
	struct ovl_inode *dir = ovl_of(dir_inode);
	struct ovl_inode *o = ovl_of(inode);
	int r = ovl_copy_up(o, OVL_ALL);
	char *text;
	int had;

	if (r == 0)
		r = ovl_copy_up(dir, OVL_ALL);
	if (r < 0)
		return r;
	text = strndup(name, len);
	if (!text)
		return -ENOMEM;
	task_lock_take(&o->lock);
	had = o->gone ? -ENOENT : take_whiteout(dir, name, len);
	r = had < 0 ? had : dir->upper->ops->link(dir->upper, name, len, o->upper);
	if (r < 0) {
		put_whiteout_back(dir, name, len, had);
	} else {
		if (o->origin)
			o->origin->names++;
		if (!o->parent) {
			ovl_set_name(o, dir, text);
			text = NULL;
		}
	}
	task_lock_drop(&o->lock);
	free(text);
	return r;
}

/* ---- removing names. */

/* Both locked: take `name` out of the upper if it is there, and hide the lower one. */
static int remove_name(struct ovl_inode *dir, const char *name, size_t len, bool covered,
		       struct ovl_inode *victim) MAY_YIELD
{
	struct inode *upper;
	int r = ovl_in_upper(dir, name, len, &upper);

	if (r == 0 && upper && ovl_is_dir(victim)) {
		r = ovl_clear_whiteouts(upper);
		if (r == 0)
			r = dir->upper->ops->rmdir(dir->upper, name, len, upper);
	} else if (r == 0 && upper) {
		r = dir->upper->ops->unlink(dir->upper, name, len, upper);
	}
	if (r == 0 && covered) {
		r = ovl_whiteout(dir, name, len);
		if (r < 0 && upper && !ovl_is_dir(victim))
			(void)dir->upper->ops->link(dir->upper, name, len, upper);
	}
	inode_put(upper);
	return r;
}

static int remove_any(struct ovl_inode *dir, const char *name, size_t len, struct ovl_inode *victim)
	MAY_YIELD
{
	int covered = ovl_in_lower(dir, name, len);
	int r = covered < 0 ? covered : origin_need(victim);

	if (r == 0 && covered)
		r = ovl_copy_up(dir, OVL_ALL);
	if (r < 0)
		return r;
	task_lock_take(&victim->lock);
	if (ovl_is_dir(victim))
		r = ovl_check_empty(victim);
	if (r == 0)
		r = remove_name(dir, name, len, covered, victim);
	if (r == 0)
		ovl_lost_name(victim, dir, name, len);
	task_lock_drop(&victim->lock);
	return r;
}

int ovl_unlink(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	return remove_any(ovl_of(dir), name, len, ovl_of(inode));
}

int ovl_rmdir(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	return remove_any(ovl_of(dir), name, len, ovl_of(inode));
}

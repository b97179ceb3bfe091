#include "vfs/overlay/overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- whiteouts. */

/*
 * All whiteouts are links to one inode: putting one where a name was just removed
 * then costs no more than that name did, so it cannot fail for want of space.
 */
int ovl_whiteout_in(struct ovl_fs *fs, struct inode *dir, const char *name, size_t len)
{
	const struct vfs_attr attr = { .mode = S_IFCHR };
	struct inode *made;
	int r;

	if (fs->whiteout) {
		struct inode *shared = inode_get(fs->whiteout);

		r = dir->ops->link(dir, name, len, shared);
		if (r == -EMLINK && fs->whiteout == shared) {
			inode_put(shared);
			fs->whiteout = NULL;
		}
		inode_put(shared);
		if (r != -EMLINK)
			return r;
	}
	r = dir->ops->create(dir, name, len, &attr, &made);
	if (r < 0)
		return r;
	if (fs->whiteout) /* another task made the first one meanwhile */
		inode_put(made);
	else
		fs->whiteout = made;
	return 0;
}

int ovl_whiteout(struct ovl_inode *dir, const char *name, size_t len)
{
	return ovl_whiteout_in(ovl_fs_of(dir), dir->upper, name, len);
}

int ovl_clear_whiteouts(struct inode *upper)
{
	struct ovl_one_name one;
	uint64_t cursor = 0;
	struct inode *victim;
	int r;

	for (;;) {
		r = ovl_first_name(upper, &cursor, &one);
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

/* What is to get a name: something new, or (existing) one more name of an inode. */
struct making {
	const struct vfs_attr *attr;
	const char *target; /* of a symbolic link; NULL: attr->mode says what it is */
	struct inode *existing;
};

static int make_in(struct inode *dir, const char *name, size_t len, const struct making *m,
		   struct inode **ret) MAY_YIELD
{
	int r;

	if (m->existing) {
		r = dir->ops->link(dir, name, len, m->existing);
		if (r == 0)
			*ret = inode_get(m->existing);
		return r;
	}
	if (m->target)
		return dir->ops->symlink(dir, name, len, m->attr, m->target, ret);
	return dir->ops->create(dir, name, len, m->attr, ret);
}

static void unmake_in(struct inode *dir, const char *name, size_t len, struct inode *made) MAY_YIELD
{
	if (S_ISDIR(made->type))
		(void)dir->ops->rmdir(dir, name, len, made);
	else
		(void)dir->ops->unlink(dir, name, len, made);
}

/* Undo a create whose second half failed. `covered`: a whiteout was there. */
static void unmake(struct ovl_inode *dir, const char *name, size_t len, struct inode *made,
		   bool covered) MAY_YIELD
{
	if (!name)
		return;
	if (covered && ovl_has_work(dir) && ovl_work_hide(dir, name, made) == 0)
		return;
	unmake_in(dir->upper, name, len, made);
	if (covered)
		(void)!ovl_whiteout(dir, name, len);
}

/* What it was a whiteout of may be a directory: it must not show through a new one. */
static int make_opaque(struct inode *dir, const char *name, size_t len, const struct making *m,
		       struct inode **ret) MAY_YIELD
{
	int r = make_in(dir, name, len, m, ret);

	if (r == 0 && S_ISDIR((*ret)->type)) {
		r = set_opaque(*ret);
		if (r < 0) {
			unmake_in(dir, name, len, *ret);
			inode_put(*ret);
		}
	}
	return r;
}

/* In place of a whiteout, when nobody could see one without the other. */
static int make_over(struct ovl_inode *dir, const char *name, size_t len, const struct making *m,
		     struct inode **ret) MAY_YIELD
{
	int r = make_opaque(dir->upper, name, len, m, ret);

	if (r < 0)
		(void)!ovl_whiteout(dir, name, len);
	return r;
}

/* In place of a whiteout, at once. `name` is terminated here: a rename wants it so. */
static int make_shown(struct ovl_inode *dir, const char *name, size_t len, const struct making *m,
		      struct inode *whiteout, struct inode **ret) MAY_YIELD
{
	struct ovl_fs *fs = ovl_fs_of(dir);
	char *text = strndup(name, len);
	struct ovl_work work;
	int r;

	if (!text)
		return -ENOMEM;
	ovl_work_name(fs, &work);
	r = make_opaque(fs->work, work.name, work.len, m, ret);
	if (r == 0) {
		r = ovl_work_show(dir, &work, text, *ret, whiteout);
		if (r < 0)
			inode_put(*ret);
	}
	free(text);
	return r;
}

/* Give it the name, of which there may be a whiteout: 1 then, else 0; or -errno. */
static int make_name(struct ovl_inode *dir, const char *name, size_t len, const struct making *m,
		     struct inode **ret) MAY_YIELD
{
	struct inode *there;
	int r = ovl_in_upper(dir, name, len, &there);

	if (r < 0)
		return r;
	if (!there)
		return make_in(dir->upper, name, len, m, ret);
	if (!is_whiteout(there)) {
		r = -EEXIST;
	} else if (ovl_has_work(dir)) {
		r = make_shown(dir, name, len, m, there, ret);
	} else {
		r = dir->upper->ops->unlink(dir->upper, name, len, there);
		if (r == 0)
			r = make_over(dir, name, len, m, ret);
	}
	inode_put(there);
	return r < 0 ? r : 1;
}

/* Something new is in the upper: its overlay inode. Takes over `made`. */
static int finish_new(struct ovl_inode *dir, const char *name, size_t len, struct inode *made,
		      struct inode **ret) MAY_YIELD
{
	struct ovl_found found = { inode_get(made), NULL, NULL };

	return ovl_inode_for(dir, name, len, &found, ret);
}

static int make_new(struct ovl_inode *dir, const char *name, size_t len, const struct making *m,
		    struct inode **ret) MAY_YIELD
{
	struct inode *made;
	int covered;
	int r = ovl_copy_up(dir, OVL_ALL);

	if (r < 0)
		return r;
	covered = name ? make_name(dir, name, len, m, &made)
		       : make_in(dir->upper, NULL, 0, m, &made);
	if (covered < 0)
		return covered;
	r = finish_new(dir, name, len, made, ret);
	if (r < 0)
		unmake(dir, name, len, made, covered);
	inode_put(made);
	return r;
}

int ovl_create(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
	       struct inode **ret)
{
	const struct making m = { .attr = attr };

	return make_new(ovl_of(dir), name, len, &m, ret);
}

int ovl_symlink(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
		const char *target, struct inode **ret)
{
	const struct making m = { .attr = attr, .target = target };

	return make_new(ovl_of(dir), name, len, &m, ret);
}

/* Locked: `text` is the heap's, taken over if it becomes the name. */
static int link_locked(struct ovl_inode *dir, const char *name, size_t len, struct ovl_inode *o,
		       char **text) MAY_YIELD
{
	const struct making m = { .existing = o->upper };
	struct inode *made;
	int r = o->gone ? -ENOENT : make_name(dir, name, len, &m, &made);

	if (r < 0)
		return r;
	inode_put(made);
	if (o->origin)
		o->origin->names++;
	if (!o->parent) {
		ovl_set_name(o, dir, *text);
		*text = NULL;
	}
	return 0;
}

int ovl_link(struct inode *dir_inode, const char *name, size_t len, struct inode *inode)
{
	struct ovl_inode *dir = ovl_of(dir_inode);
	struct ovl_inode *o = ovl_of(inode);
	int r = ovl_copy_up(o, OVL_ALL);
	char *text;

	if (r == 0)
		r = ovl_copy_up(dir, OVL_ALL);
	if (r < 0)
		return r;
	text = strndup(name, len);
	if (!text)
		return -ENOMEM;
	task_lock_take(&o->lock);
	r = link_locked(dir, name, len, o, &text);
	task_lock_drop(&o->lock);
	free(text);
	return r;
}

/* ---- removing names. */

/* Both locked: a whiteout takes the place of what the upper has, at once. */
static int hide_name(struct ovl_inode *dir, const char *name, size_t len, struct inode *upper)
	MAY_YIELD
{
	char *text = strndup(name, len);
	int r = text ? ovl_work_hide(dir, text, upper) : -ENOMEM;

	free(text);
	return r;
}

/*
 * A directory that was moved here goes, step by step: with its first whiteout it would show
 * again what that hid, so it forgets its lower part first. That takes no space.
 */
static int empty_moved(struct ovl_inode *victim, struct inode *upper) MAY_YIELD
{
	int r = 0;

	if (ovl_has_work(victim) && victim->redirect)
		r = upper->ops->removexattr(upper, OVL_REDIRECT);
	return r < 0 && r != -ENODATA ? r : ovl_clear_whiteouts(upper);
}

/* Both locked: take `name` out of the upper if it is there, and hide the lower one. */
static int remove_name(struct ovl_inode *dir, const char *name, size_t len, bool covered,
		       struct ovl_inode *victim) MAY_YIELD
{
	struct inode *upper;
	int r = ovl_in_upper(dir, name, len, &upper);

	if (r == 0 && upper && covered && ovl_has_work(dir)) {
		r = hide_name(dir, name, len, upper);
		covered = false;
	} else if (r == 0 && upper && ovl_is_dir(victim)) {
		r = empty_moved(victim, upper);
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

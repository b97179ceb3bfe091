#include "vfs/overlay/overlay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One rename, decided; names are terminated. */
struct move {
	struct ovl_inode *old_dir, *new_dir;
	const char *old_name, *new_name;
	struct ovl_inode *inode, *target; /* target may be NULL */
	char *inode_text, *target_text;	  /* heap: the names they get */
	bool exchange;
};

/* Everything that will change is in the upper, under the names it has now. */
static int copy_up_all(const struct move *m) MAY_YIELD
{
	int r = ovl_copy_up(m->old_dir, OVL_ALL);

	if (r == 0)
		r = ovl_copy_up(m->new_dir, OVL_ALL);
	if (r == 0)
		r = ovl_copy_up(m->inode, OVL_ALL);
	if (r == 0 && m->exchange)
		r = ovl_copy_up(m->target, OVL_ALL);
	if (r == 0)
		r = origin_need(m->inode);
	if (r == 0 && m->target)
		r = origin_need(m->target);
	return r;
}

/* The copy of a file with several lower names may be in the upper under another one. */
static int have_name(struct ovl_inode *dir, const char *name, struct ovl_inode *o) MAY_YIELD
{
	struct inode *upper;
	int r = ovl_in_upper(dir, name, strlen(name), &upper);

	if (r == 0 && !upper)
		r = dir->upper->ops->link(dir->upper, name, strlen(name), o->upper);
	inode_put(upper);
	return r;
}

/*
 * A directory takes its lower part along by saying where that is; one that has
 * none must not be merged with a lower directory at its new place.
 */
static int prepare_directory(struct ovl_inode *o, const struct ovl_inode *new_dir) MAY_YIELD
{
	char *path;
	int r;

	if (!ovl_is_dir(o) || !o->upper->ops->setxattr)
		return 0;
	if (!o->lower)
		return new_dir->lower ? o->upper->ops->setxattr(o->upper, OVL_OPAQUE, "y", 1, 0)
				      : 0;
	if (o->redirect)
		return 0;
	r = ovl_lower_path(o, &path);
	if (r < 0)
		return r;
	r = o->upper->ops->setxattr(o->upper, OVL_REDIRECT, path, strlen(path), 0);
	if (r < 0)
		free(path);
	else
		o->redirect = path;
	return r;
}

static int upper_rename(const struct move *m, struct inode *target, unsigned int flags) MAY_YIELD
{
	const struct vfs_move what = {
		.old_dir = m->old_dir->upper,
		.new_dir = m->new_dir->upper,
		.old_name = m->old_name,
		.new_name = m->new_name,
		.inode = m->inode->upper,
		.target = target,
		.flags = flags,
	};

	return what.old_dir->ops->rename(&what);
}

/*
 * The old name is one of the lower too: a whiteout must come where it was. So the
 * two places are exchanged: what comes to the old name is a whiteout made before
 * (nothing has changed if that fails), or the victim, which one takes the place of.
 */
static int move_off_lower(const struct move *m, struct inode *there) MAY_YIELD
{
	struct inode *dir = m->old_dir->upper;
	size_t len = strlen(m->old_name);
	struct inode *at_new;
	int r = 0;

	if (ovl_has_work(m->old_dir)) /* the upper is one that does all of it in one step */
		return upper_rename(m, there, RENAME_WHITEOUT);
	at_new = there ? inode_get(there) : NULL;
	if (!at_new) {
		r = ovl_whiteout(m->new_dir, m->new_name, strlen(m->new_name));
		if (r == 0)
			r = ovl_in_upper(m->new_dir, m->new_name, strlen(m->new_name), &at_new);
		if (r < 0)
			return r;
	}
	r = upper_rename(m, at_new, RENAME_EXCHANGE);
	if (r == 0 && !is_whiteout(at_new)) {
		if (S_ISDIR(at_new->type))
			r = dir->ops->rmdir(dir, m->old_name, len, at_new);
		else
			r = dir->ops->unlink(dir, m->old_name, len, at_new);
		if (r == 0)
			r = ovl_whiteout(m->old_dir, m->old_name, len);
	} else if (r < 0 && !there) {
		struct inode *new_dir = m->new_dir->upper;

		(void)new_dir->ops->unlink(new_dir, m->new_name, strlen(m->new_name), at_new);
	}
	inode_put(at_new);
	return r;
}

/* What its whiteouts hide must not come back if the rename never happens. */
static int empty_target(const struct move *m, struct inode *there) MAY_YIELD
{
	int r = 0;

	if (ovl_has_work(m->new_dir) && m->target->lower)
		r = there->ops->setxattr(there, OVL_OPAQUE, "y", 1, 0);
	return r < 0 ? r : ovl_clear_whiteouts(there);
}

/* Locked and prepared: change the upper. */
static int act(const struct move *m) MAY_YIELD
{
	int covered = ovl_in_lower(m->old_dir, m->old_name, strlen(m->old_name));
	struct inode *there = NULL;
	int r = covered < 0 ? covered : 0;

	if (r == 0)
		r = have_name(m->old_dir, m->old_name, m->inode);
	if (r == 0 && m->exchange)
		r = have_name(m->new_dir, m->new_name, m->target);
	if (r == 0)
		r = ovl_in_upper(m->new_dir, m->new_name, strlen(m->new_name), &there);
	/* Who replaces a file wants its bytes or the new: the upper may see nothing replaced. */
	if (r == 0 && m->target && !m->exchange && m->inode->upper->ops->order)
		r = m->inode->upper->ops->order(m->inode->upper);
	if (r == 0 && m->exchange) {
		r = upper_rename(m, there, RENAME_EXCHANGE);
	} else if (r == 0) {
		if (there && S_ISDIR(there->type))
			r = empty_target(m, there);
		if (r == 0)
			r = covered ? move_off_lower(m, there) : upper_rename(m, there, 0);
	}
	inode_put(there);
	return r;
}

/* The upper has changed: so have the names by which we know the inodes. */
static void settle(struct move *m) MAY_YIELD
{
	bool by_old = ovl_has_this_name(m->inode, m->old_dir, m->old_name, strlen(m->old_name));

	if (m->target) {
		bool by_new = ovl_has_this_name(m->target, m->new_dir, m->new_name,
						strlen(m->new_name));

		if (!m->exchange) {
			ovl_lost_name(m->target, m->new_dir, m->new_name, strlen(m->new_name));
		} else if (by_new || !m->target->parent) {
			ovl_set_name(m->target, m->old_dir, m->target_text);
			m->target_text = NULL;
		}
	}
	if (by_old || !m->inode->parent) {
		ovl_set_name(m->inode, m->new_dir, m->inode_text);
		m->inode_text = NULL;
	}
}

static void lock_inodes(const struct move *m) MAY_YIELD
{
	struct ovl_inode *first = m->inode, *second = m->target;

	if (second && (uintptr_t)second < (uintptr_t)first) {
		first = m->target;
		second = m->inode;
	}
	task_lock_take(&first->lock);
	if (second)
		task_lock_take(&second->lock);
}

static void unlock_inodes(const struct move *m)
{
	task_lock_drop(&m->inode->lock);
	if (m->target)
		task_lock_drop(&m->target->lock);
}

int ovl_rename(const struct vfs_move *what)
{
	struct move m = {
		.old_dir = ovl_of(what->old_dir),
		.new_dir = ovl_of(what->new_dir),
		.old_name = what->old_name,
		.new_name = what->new_name,
		.inode = ovl_of(what->inode),
		.target = what->target ? ovl_of(what->target) : NULL,
		.exchange = what->flags & RENAME_EXCHANGE,
	};
	int r = copy_up_all(&m);

	if (r < 0)
		return r;
	m.inode_text = strdup(what->new_name);
	m.target_text = strdup(what->old_name);
	lock_inodes(&m);
	if (!m.inode_text || !m.target_text)
		r = -ENOMEM;
	if (r == 0 && m.target && !m.exchange && ovl_is_dir(m.target))
		r = ovl_check_empty(m.target);
	if (r == 0)
		r = prepare_directory(m.inode, m.new_dir);
	if (r == 0 && m.exchange)
		r = prepare_directory(m.target, m.old_dir);
	if (r == 0)
		r = act(&m);
	if (r == 0)
		settle(&m);
	unlock_inodes(&m);
	free(m.inode_text);
	free(m.target_text);
	return r;
}

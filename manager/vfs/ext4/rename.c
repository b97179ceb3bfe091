#include "vfs/ext4/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct ext4_name parent_name = { "..", 2 };

/* A rename, in this file system's terms. */
struct moving {
	struct ext4_inode *old_dir, *new_dir, *inode, *target;
	struct ext4_name old_name, new_name;
	unsigned int flags;
};

static bool is_dir(const struct ext4_inode *inode)
{
	return inode && S_ISDIR(inode->mode);
}

/* Everything that can be refused, nothing is changed. */
static int check(const struct moving *m) MAY_YIELD
{
	int r = ext4_writable(m->old_dir->fs);

	if (r == 0)
		r = ext4_may_remove(m->old_dir, m->inode);
	if (r == 0 && m->target)
		r = ext4_may_remove(m->new_dir, m->target);
	if (r < 0)
		return r;
	if (m->new_name.len > EXT4_NAME_MAX)
		return -ENAMETOOLONG;
	if (m->new_dir->flags & EXT4_IMMUTABLE_FL)
		return -EPERM;
	if (m->new_dir->nlink == 0)
		return -ENOENT;
	/* Its ".." will be changed when all else is: better to know now that it can be read. */
	if (m->old_dir != m->new_dir && is_dir(m->inode)) {
		uint32_t parent;

		r = ext4_dir_find(m->inode, &parent_name, &parent);
		if (r < 0)
			return r;
	}
	if (m->old_dir != m->new_dir && is_dir(m->inode) && !is_dir(m->target))
		r = ext4_link_full(m->new_dir);
	if (r == 0 && m->flags & RENAME_EXCHANGE && m->old_dir != m->new_dir && is_dir(m->target) &&
	    !is_dir(m->inode))
		r = ext4_link_full(m->old_dir);
	if (r == 0 && !(m->flags & RENAME_EXCHANGE) && is_dir(m->target))
		r = ext4_dir_empty(m->target);
	return r;
}

/* A directory came from one parent to another. */
static int change_parent(struct journal_handle *h, struct ext4_inode *inode,
			 struct ext4_inode *from, struct ext4_inode *to) MAY_YIELD
{
	int r;

	if (!is_dir(inode) || from == to)
		return 0;
	r = ext4_dir_set(h, inode, &parent_name, to);
	if (r < 0)
		return r;
	ext4_link_less(from);
	ext4_link_more(to);
	return 0;
}

static int exchange(struct journal_handle *h, const struct moving *m) MAY_YIELD
{
	int r = ext4_dir_set(h, m->new_dir, &m->new_name, m->inode);

	if (r < 0)
		return r;
	r = ext4_dir_set(h, m->old_dir, &m->old_name, m->target);
	if (r == 0)
		r = change_parent(h, m->inode, m->old_dir, m->new_dir);
	if (r == 0)
		r = change_parent(h, m->target, m->new_dir, m->old_dir);
	return ext4_half_done(m->old_dir->fs, r);
}

static int replace(struct journal_handle *h, const struct moving *m) MAY_YIELD
{
	int r = ext4_dir_set(h, m->new_dir, &m->new_name, m->inode);

	if (r < 0)
		return r;
	if (is_dir(m->target))
		ext4_link_less(m->new_dir);
	if (is_dir(m->target) || m->target->nlink == 1)
		return ext4_half_done(m->old_dir->fs, ext4_lost(h, m->target));
	ext4_link_less(m->target);
	return 0;
}

/* The old name goes, or a whiteout comes to it. */
static int leave(struct journal_handle *h, const struct moving *m, struct ext4_inode *whiteout)
	MAY_YIELD
{
	int r;

	if (!whiteout)
		return ext4_dir_remove(h, m->old_dir, &m->old_name, m->inode->number);
	whiteout->nlink = 1;
	r = ext4_inode_store(h, whiteout);
	return r < 0 ? r : ext4_dir_set(h, m->old_dir, &m->old_name, whiteout);
}

static int move(struct journal_handle *h, const struct moving *m, struct ext4_inode *whiteout)
	MAY_YIELD
{
	int r = m->target ? replace(h, m) : ext4_dir_add(h, m->new_dir, &m->new_name, m->inode);

	if (r < 0)
		return r;
	r = leave(h, m, whiteout);
	if (r == 0)
		r = change_parent(h, m->inode, m->old_dir, m->new_dir);
	return ext4_half_done(m->old_dir->fs, r);
}

static int store_all(struct journal_handle *h, const struct moving *m) MAY_YIELD
{
	int r;

	ext4_touch(m->old_dir);
	ext4_touch(m->new_dir);
	m->inode->ctime = m->new_dir->ctime;
	if (m->target)
		m->target->ctime = m->new_dir->ctime;
	r = ext4_inode_store(h, m->inode);
	if (r == 0 && m->target)
		r = ext4_inode_store(h, m->target);
	if (r == 0)
		r = ext4_inode_store(h, m->old_dir);
	if (r == 0 && m->new_dir != m->old_dir)
		r = ext4_inode_store(h, m->new_dir);
	return r;
}

static uint32_t credits(const struct moving *m)
{
	/* Two names, ".." of two directories, four inodes, one of them an orphan. */
	uint32_t count = ext4_credits_dir(m->new_dir) + ext4_credits_dir(m->old_dir) + 2 + 4 + 2;

	return m->flags & RENAME_WHITEOUT ? count + ext4_credits_make(m->old_dir) : count;
}

static int rename_one(struct journal_handle *h, const struct moving *m) MAY_YIELD
{
	static const struct vfs_attr whiteout_attr = { .mode = S_IFCHR };
	struct ext4_inode *whiteout = NULL;
	int r = 0;

	if (m->flags & RENAME_WHITEOUT)
		r = ext4_make(h, m->old_dir, &whiteout_attr, &whiteout);
	if (r < 0)
		return r;
	r = m->flags & RENAME_EXCHANGE ? exchange(h, m) : move(h, m, whiteout);
	if (r == 0)
		r = ext4_half_done(m->old_dir->fs, store_all(h, m));
	if (whiteout && r < 0)
		ext4_unmake(h, whiteout);
	else if (whiteout)
		inode_put(&whiteout->inode);
	return r;
}

static int rename_locked(const struct moving *m) MAY_YIELD
{
	struct ext4_inode *const inodes[4] = { m->old_dir, m->new_dir, m->inode, m->target };
	struct ext4_pinned pinned;
	struct journal_handle h;
	int r = check(m);

	if (r == 0)
		r = ext4_pin(&pinned, inodes);
	if (r < 0)
		return r;
	r = ext4_begin(m->old_dir->fs, credits(m), &h);
	if (r == 0) {
		r = rename_one(&h, m);
		journal_end(&h);
	}
	ext4_unpin(&pinned);
	return r;
}

int ext4_rename(const struct vfs_move *what)
{
	const struct moving m = {
		.old_dir = ext4_i(what->old_dir),
		.new_dir = ext4_i(what->new_dir),
		.inode = ext4_i(what->inode),
		.target = what->target ? ext4_i(what->target) : NULL,
		.old_name = { what->old_name, (uint32_t)strlen(what->old_name) },
		.new_name = { what->new_name, (uint32_t)strlen(what->new_name) },
		.flags = what->flags,
	};
	struct ext4_inode *const all[4] = { m.old_dir, m.new_dir, m.inode, m.target };
	struct ext4 *fs = m.old_dir->fs;
	struct ext4_locked locked;
	unsigned int tries = 0;
	int r;

	/* Who replaces a file by a new one wants the old bytes or the new, not none. */
	if (m.target && S_ISREG(m.inode->mode) && !(m.flags & RENAME_EXCHANGE)) {
		r = ext4_flush_delayed(m.inode);
		if (r < 0)
			return r;
	}
	do {
		ext4_lock(&locked, all);
		r = rename_locked(&m);
		ext4_unlock(&locked);
	} while (r == -ENOSPC && ext4_another_try(fs, &tries));
	return r;
}

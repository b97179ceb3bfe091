#include "vfs/overlay/overlay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Where the upper is on a disk, a power cut may come between two steps. So what takes
 * more than one is prepared under a name in the work directory, which nobody sees, and
 * shown by one rename. What a cut leaves there is taken away at the next start.
 */

bool ovl_has_work(const struct ovl_inode *o)
{
	return ovl_fs_of(o)->work != NULL;
}

void ovl_work_name(struct ovl_fs *fs, struct ovl_work *ret)
{
	ret->len = (size_t)snprintf(ret->name, sizeof(ret->name), "#%llx",
				    (unsigned long long)fs->work_count++);
}

static int work_rename(struct ovl_inode *dir, const struct ovl_work *work, const char *name,
		       struct inode *made, struct inode *there, unsigned int flags) MAY_YIELD
{
	struct inode *from = ovl_fs_of(dir)->work;
	const struct vfs_move what = {
		.old_dir = from,
		.new_dir = dir->upper,
		.old_name = work->name,
		.new_name = name,
		.inode = made,
		.target = there,
		.flags = flags,
	};

	return from->ops->rename(&what);
}

static int take_one(void *ctx, const struct vfs_dirent *entry)
{
	struct ovl_one_name *one = ctx;

	if (one->len > 0)
		return 1;
	memcpy(one->text, entry->name, entry->name_len);
	one->len = entry->name_len;
	return 0;
}

int ovl_first_name(struct inode *upper, uint64_t *cursor, struct ovl_one_name *ret)
{
	ret->len = 0;
	return upper->ops->readdir(upper, cursor, take_one, ret);
}

/* What gets here are directories of which only whiteouts were left: one level, never two. */
static int remove_tree(struct inode *dir, const char *name, size_t len, struct inode *victim)
	MAY_YIELD
{
	int r;

	if (!S_ISDIR(victim->type))
		return dir->ops->unlink(dir, name, len, victim);
	r = ovl_clear_whiteouts(victim);
	return r < 0 ? r : dir->ops->rmdir(dir, name, len, victim);
}

int ovl_work_clean(struct inode *dir)
{
	struct ovl_one_name one;
	uint64_t cursor = 0;
	struct inode *victim;
	int r;

	for (;;) {
		r = ovl_first_name(dir, &cursor, &one);
		if (r < 0 || one.len == 0)
			return r;
		r = dir->ops->lookup(dir, one.text, one.len, &victim);
		if (r < 0)
			return r;
		r = remove_tree(dir, one.text, one.len, victim);
		inode_put(victim);
		if (r < 0)
			return r;
	}
}

void ovl_work_remove(struct ovl_fs *fs, const struct ovl_work *work, struct inode *victim)
{
	(void)!remove_tree(fs->work, work->name, work->len, victim);
}

int ovl_work_show(struct ovl_inode *dir, const struct ovl_work *work, const char *name,
		  struct inode *made, struct inode *there)
{
	bool exchange = there && S_ISDIR(made->type) != S_ISDIR(there->type);
	int r = work_rename(dir, work, name, made, there, exchange ? RENAME_EXCHANGE : 0);

	if (r < 0)
		ovl_work_remove(ovl_fs_of(dir), work, made);
	else if (exchange)
		ovl_work_remove(ovl_fs_of(dir), work, there);
	return r;
}

int ovl_work_hide(struct ovl_inode *dir, const char *name, struct inode *there)
{
	struct ovl_fs *fs = ovl_fs_of(dir);
	struct ovl_work work;
	struct inode *whiteout;
	int r;

	ovl_work_name(fs, &work);
	r = ovl_whiteout_in(fs, fs->work, work.name, work.len);
	if (r == 0)
		r = fs->work->ops->lookup(fs->work, work.name, work.len, &whiteout);
	if (r < 0)
		return r;
	r = work_rename(dir, &work, name, whiteout, there, RENAME_EXCHANGE);
	ovl_work_remove(fs, &work, r < 0 ? whiteout : there);
	inode_put(whiteout);
	return r;
}

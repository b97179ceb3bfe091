#include "vfs/ext4/names.h"

#include "vfs/ext4/alloc.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define STORES 4u /* inodes stored beside the one that is made: directories, and for orphans */

/* ---- locks and counts. */

void ext4_lock(struct ext4_locked *ret, struct ext4_inode *const inodes[4])
{
	ret->count = 0;
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t at = ret->count;
		bool known = !inodes[i];

		for (uint32_t k = 0; k < ret->count; k++)
			known |= ret->inodes[k] == inodes[i];
		if (known)
			continue;
		for (; at > 0 && ret->inodes[at - 1]->number > inodes[i]->number; at--)
			ret->inodes[at] = ret->inodes[at - 1];
		ret->inodes[at] = inodes[i];
		ret->count++;
	}
	for (uint32_t i = 0; i < ret->count; i++)
		task_lock_take(&ret->inodes[i]->lock);
}

void ext4_unlock(struct ext4_locked *locked)
{
	for (uint32_t i = locked->count; i-- > 0;)
		task_lock_drop(&locked->inodes[i]->lock);
}

int ext4_pin(struct ext4_pinned *ret, struct ext4_inode *const inodes[4])
{
	*ret = (struct ext4_pinned){ .pages = { NULL } };
	for (uint32_t i = 0; i < 4; i++) {
		uint8_t *raw;
		int r = inodes[i] ? ext4_inode_block(inodes[i], &ret->pages[i], &raw) : 0;

		if (r < 0) {
			ret->pages[i] = NULL;
			ext4_unpin(ret);
			return r;
		}
	}
	return 0;
}

void ext4_unpin(struct ext4_pinned *pinned)
{
	for (uint32_t i = 0; i < 4; i++) {
		cache_put(pinned->pages[i]);
		pinned->pages[i] = NULL;
	}
}

/* A directory with dir_nlink whose count is 1 has more subdirectories than it counts. */
void ext4_link_more(struct ext4_inode *inode)
{
	bool directory = S_ISDIR(inode->mode);

	if (directory && inode->nlink == 1)
		return;
	inode->nlink++;
	if (directory && inode->nlink >= EXT4_LINK_MAX)
		inode->nlink = 1;
}

void ext4_link_less(struct ext4_inode *inode)
{
	if (S_ISDIR(inode->mode) && inode->nlink <= 2)
		return;
	inode->nlink--;
}

int ext4_link_full(const struct ext4_inode *inode)
{
	bool counts_on = S_ISDIR(inode->mode) && inode->flags & EXT4_INDEX_FL &&
			 inode->fs->feature_ro_compat & EXT4_RO_COMPAT_DIR_NLINK;

	return inode->nlink >= EXT4_LINK_MAX && !counts_on ? -EMLINK : 0;
}

int ext4_may_remove(const struct ext4_inode *dir, const struct ext4_inode *inode)
{
	const uint32_t fixed = EXT4_IMMUTABLE_FL | EXT4_APPEND_FL;

	if (dir->flags & fixed || inode->flags & fixed)
		return -EPERM;
	if (inode->nlink == 0)
		return ext4_damage(dir->fs, "inode %u has more names than it counts",
				   inode->number);
	return 0;
}

static int may_add(const struct ext4_inode *dir, size_t len)
{
	int r = ext4_writable(dir->fs);

	if (r < 0)
		return r;
	if (len > EXT4_NAME_MAX)
		return -ENAMETOOLONG;
	if (dir->flags & EXT4_IMMUTABLE_FL)
		return -EPERM;
	return dir->nlink == 0 ? -ENOENT : 0;
}

int ext4_lost(struct journal_handle *h, struct ext4_inode *inode)
{
	inode->nlink = 0;
	return ext4_orphan_add(h, inode);
}

bool ext4_another_try(struct ext4 *fs, unsigned int *tries)
{
	if (ext4_writable(fs) < 0 || ++*tries > 1)
		return false;
	if (list_empty(&fs->closing) && list_empty(&fs->closing_now) && !fs->closer &&
	    fs->alloc->freeing == 0)
		return false;
	ext4_make_room(fs);
	return true;
}

/* ---- making. */

uint32_t ext4_credits_make(const struct ext4_inode *dir)
{
	/* The inode's bitmap and descriptor, the inode, a block of its own; the directory. */
	return 3 + ext4_credits_map(dir, 1) + ext4_credits_dir(dir) + STORES;
}

static uint32_t inherited(const struct ext4_inode *dir, uint32_t mode)
{
	uint32_t flags = dir->flags & EXT4_INHERITED_FL;

	if (S_ISREG(mode))
		return flags & ~(EXT4_DIRSYNC_FL | EXT4_PROJINHERIT_FL);
	if (S_ISDIR(mode))
		return flags;
	return flags & (EXT4_NODUMP_FL | EXT4_NOATIME_FL);
}

static void put_device(struct ext4_inode *inode, uint64_t rdev)
{
	uint32_t major = major(rdev), minor = minor(rdev), words[2] = { 0, 0 };

	if (major < 256 && minor < 256)
		words[0] = major << 8 | minor;
	else
		words[1] = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
	memcpy(inode->block, words, sizeof(words));
	inode->inode.rdev = rdev;
}

int ext4_make(struct journal_handle *h, struct ext4_inode *dir, const struct vfs_attr *attr,
	      struct ext4_inode **ret)
{
	const uint32_t mode = attr->mode;
	struct ext4_inode *inode;
	uint32_t number;
	int r = ext4_number_alloc(h, dir, mode, &number);

	if (r == 0)
		r = ext4_inode_new(dir->fs, number, mode, &inode);
	if (r < 0)
		return r;
	inode->uid = attr->uid;
	inode->gid = attr->gid;
	inode->flags = inherited(dir, mode);
	if (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode))
		ext4_extents_init(inode);
	else if (S_ISCHR(mode) || S_ISBLK(mode))
		put_device(inode, attr->rdev);
	ext4_inode_perm(inode);
	*ret = inode;
	return 0;
}

void ext4_unmake(struct journal_handle *h, struct ext4_inode *inode)
{
	/* Blocks are freed in steps of their own: as with any inode that lost its name. */
	(void)!ext4_half_done(inode->fs, ext4_lost(h, inode));
	inode_put(&inode->inode);
}

/* What a new inode is to be. */
struct making {
	struct ext4_inode *dir;
	struct ext4_name name; /* no text: a file without a name */
	const struct vfs_attr *attr;
	const char *target; /* of a link */
};

/* A target that does not fit into the inode. */
static int put_target(struct journal_handle *h, struct ext4_inode *inode, const char *target)
	MAY_YIELD
{
	struct cache_page *page;
	struct ext4_run run;
	int r = ext4_map_create(h, inode, 0, 1, false, &run);

	if (r < 0)
		return r;
	r = cache_get_new(&inode->fs->blocks, run.physical, &page);
	if (r < 0)
		return r;
	r = journal_get_write(h, page);
	if (r == 0) {
		memset(page->data, 0, inode->fs->block_size);
		memcpy(page->data, target, inode->size);
		page->checked = 0;
		journal_dirty(h, page);
	}
	cache_put(page);
	return r;
}

/* The contents that it has from the beginning. */
static int fill(struct journal_handle *h, const struct making *m, struct ext4_inode *inode)
	MAY_YIELD
{
	if (S_ISDIR(inode->mode))
		return ext4_dir_init(h, inode, m->dir);
	if (!S_ISLNK(inode->mode))
		return 0;
	inode->size = strlen(m->target);
	inode->disk_size = inode->size;
	if (inode->size > EXT4_FAST_LINK_MAX)
		return put_target(h, inode, m->target);
	inode->flags &= ~EXT4_EXTENTS_FL;
	memset(inode->block, 0, sizeof(inode->block));
	memcpy(inode->block, m->target, inode->size);
	return 0;
}

static int enter(struct journal_handle *h, const struct making *m, struct ext4_inode *inode)
	MAY_YIELD
{
	struct ext4_inode *dir = m->dir;
	int r;

	if (!m->name.text)
		return ext4_lost(h, inode); /* until link() gives it a name */
	r = ext4_dir_add(h, dir, &m->name, inode);
	if (r < 0)
		return r;
	inode->nlink = S_ISDIR(inode->mode) ? 2 : 1;
	if (S_ISDIR(inode->mode))
		ext4_link_more(dir);
	ext4_touch(dir);
	r = ext4_inode_store(h, inode);
	if (r == 0)
		r = ext4_inode_store(h, dir);
	return ext4_half_done(dir->fs, r);
}

static int make_one(struct journal_handle *h, const struct making *m, struct inode **ret) MAY_YIELD
{
	struct ext4_inode *inode;
	struct cache_page *page;
	uint8_t *raw;
	int r = ext4_make(h, m->dir, m->attr, &inode);

	if (r < 0)
		return r;
	r = ext4_inode_block(inode, &page, &raw);
	if (r == 0) {
		r = fill(h, m, inode);
		if (r == 0)
			r = ext4_acl_begin(h, inode, m->attr);
		if (r == 0)
			r = enter(h, m, inode);
		cache_put(page);
	}
	if (r < 0)
		ext4_unmake(h, inode);
	else
		*ret = &inode->inode;
	return r;
}

static int make_locked(const struct making *m, struct inode **ret) MAY_YIELD
{
	struct ext4_inode *const inodes[4] = { m->dir };
	struct ext4_pinned pinned;
	struct journal_handle h;
	int r = may_add(m->dir, m->name.len);

	if (r == 0 && S_ISDIR(m->attr->mode))
		r = ext4_link_full(m->dir);
	if (r == 0)
		r = ext4_pin(&pinned, inodes);
	if (r < 0)
		return r;
	r = ext4_begin(m->dir->fs,
		       ext4_credits_make(m->dir) + ext4_acl_credits(m->dir->fs, m->attr), &h);
	if (r == 0) {
		r = make_one(&h, m, ret);
		journal_end(&h);
	}
	ext4_unpin(&pinned);
	return r;
}

static int make(const struct making *m, struct inode **ret) MAY_YIELD
{
	unsigned int tries = 0;
	int r;

	do {
		task_lock_take(&m->dir->lock);
		r = make_locked(m, ret);
		task_lock_drop(&m->dir->lock);
	} while (r == -ENOSPC && ext4_another_try(m->dir->fs, &tries));
	return r;
}

int ext4_create(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
		struct inode **ret)
{
	const struct making m = {
		.dir = ext4_i(dir),
		.name = { name, (uint32_t)len },
		.attr = attr,
	};

	if (!name && !S_ISREG(attr->mode))
		return -EINVAL;
	return make(&m, ret);
}

int ext4_symlink(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
		 const char *target, struct inode **ret)
{
	const struct making m = {
		.dir = ext4_i(dir),
		.name = { name, (uint32_t)len },
		.attr = attr,
		.target = target,
	};

	/* With its end in the block, as Linux wants it. */
	if (strlen(target) >= ext4_i(dir)->fs->block_size)
		return -ENAMETOOLONG;
	return make(&m, ret);
}

/* ---- links. */

static int link_one(struct journal_handle *h, struct ext4_inode *dir, const struct ext4_name *name,
		    struct ext4_inode *inode) MAY_YIELD
{
	int r = ext4_dir_add(h, dir, name, inode);

	if (r < 0)
		return r;
	/* Its first name: without it there is no file for the data. */
	if (inode->nlink == 0)
		inode->last_data_transaction = journal_handle_id(h);
	inode->nlink++; /* before a yield: who finds the name wants to find a file */
	r = ext4_orphan_remove(h, inode);
	if (r == 0) {
		ext4_touch(dir);
		inode->ctime = dir->ctime;
		r = ext4_inode_store(h, inode);
	}
	if (r == 0)
		r = ext4_inode_store(h, dir);
	return ext4_half_done(dir->fs, r);
}

static int link_locked(struct ext4_inode *dir, const struct ext4_name *name,
		       struct ext4_inode *inode) MAY_YIELD
{
	struct ext4_inode *const inodes[4] = { dir, inode };
	struct ext4_pinned pinned;
	struct journal_handle h;
	int r = may_add(dir, name->len);

	if (r == 0 && inode->flags & (EXT4_IMMUTABLE_FL | EXT4_APPEND_FL))
		r = -EPERM;
	if (r == 0)
		r = ext4_link_full(inode);
	if (r == 0)
		r = ext4_pin(&pinned, inodes);
	if (r < 0)
		return r;
	r = ext4_begin(dir->fs, ext4_credits_dir(dir) + STORES, &h);
	if (r == 0) {
		r = link_one(&h, dir, name, inode);
		journal_end(&h);
	}
	ext4_unpin(&pinned);
	return r;
}

int ext4_link(struct inode *dir, const char *text, size_t len, struct inode *inode)
{
	struct ext4_inode *const both[4] = { ext4_i(dir), ext4_i(inode) };
	const struct ext4_name name = { text, (uint32_t)len };
	struct ext4_locked locked;
	unsigned int tries = 0;
	int r;

	do {
		ext4_lock(&locked, both);
		r = link_locked(both[0], &name, both[1]);
		ext4_unlock(&locked);
	} while (r == -ENOSPC && ext4_another_try(both[0]->fs, &tries));
	return r;
}

/* ---- removing. */

static int remove_one(struct journal_handle *h, struct ext4_inode *dir,
		      const struct ext4_name *name, struct ext4_inode *inode) MAY_YIELD
{
	bool directory = S_ISDIR(inode->mode);
	int r = ext4_dir_remove(h, dir, name, inode->number);

	if (r < 0)
		return r;
	ext4_touch(dir);
	inode->ctime = dir->ctime;
	if (directory)
		ext4_link_less(dir);
	if (directory || inode->nlink == 1)
		r = ext4_lost(h, inode);
	else
		ext4_link_less(inode);
	if (r == 0)
		r = ext4_inode_store(h, inode);
	if (r == 0)
		r = ext4_inode_store(h, dir);
	return ext4_half_done(dir->fs, r);
}

static int remove_locked(struct ext4_inode *dir, const struct ext4_name *name,
			 struct ext4_inode *inode) MAY_YIELD
{
	struct ext4_inode *const inodes[4] = { dir, inode };
	struct ext4_pinned pinned;
	struct journal_handle h;
	int r = ext4_writable(dir->fs);

	if (r == 0)
		r = ext4_may_remove(dir, inode);
	if (r == 0 && S_ISDIR(inode->mode))
		r = ext4_dir_empty(inode);
	if (r == 0)
		r = ext4_pin(&pinned, inodes);
	if (r < 0)
		return r;
	r = ext4_begin(dir->fs, 1 + STORES, &h);
	if (r == 0) {
		r = remove_one(&h, dir, name, inode);
		journal_end(&h);
	}
	ext4_unpin(&pinned);
	return r;
}

static int remove_name(struct inode *dir, const char *text, size_t len, struct inode *inode)
	MAY_YIELD
{
	struct ext4_inode *const both[4] = { ext4_i(dir), ext4_i(inode) };
	const struct ext4_name name = { text, (uint32_t)len };
	struct ext4_locked locked;
	int r;

	ext4_lock(&locked, both);
	r = remove_locked(both[0], &name, both[1]);
	ext4_unlock(&locked);
	return r;
}

int ext4_unlink(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	return remove_name(dir, name, len, inode);
}

int ext4_rmdir(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	return remove_name(dir, name, len, inode);
}

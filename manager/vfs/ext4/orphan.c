/*
 * orphan.c - inodes without a name, or to be cut: a list on the disk, so that they are found
 * after a power cut.
 *
 *     superblock.last_orphan -> newest -> ... -> oldest -> 0      (by dtime, which is free then)
 *     fs->orphans               the same inodes in the same order: all of them are in memory
 */
#include "vfs/ext4/inside.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* The inode's block is pinned: what could fail has been done. */
static int enter(struct journal_handle *h, struct ext4_inode *inode) MAY_YIELD
{
	struct ext4 *fs = inode->fs;
	int r = ext4_super_get_write(h, fs);

	if (r < 0)
		return r;
	inode->next_orphan = ext4_super(fs)->last_orphan;
	ext4_super(fs)->last_orphan = inode->number;
	ext4_super_store(h, fs);
	list_push_front(&fs->orphans, &inode->orphan_node);
	inode->state |= EXT4_I_ORPHAN;
	return ext4_inode_store(h, inode);
}

static int add(struct journal_handle *h, struct ext4_inode *inode) MAY_YIELD
{
	struct cache_page *page;
	uint8_t *raw;
	int r = ext4_inode_block(inode, &page, &raw);

	if (r < 0)
		return r;
	r = enter(h, inode);
	cache_put(page);
	return r;
}

int ext4_orphan_add(struct journal_handle *h, struct ext4_inode *inode)
{
	int r = 0;

	task_lock_take(&inode->fs->orphan_lock);
	if (!(inode->state & EXT4_I_ORPHAN))
		r = add(h, inode);
	task_lock_drop(&inode->fs->orphan_lock);
	return r;
}

static int take_out(struct journal_handle *h, struct ext4_inode *inode) MAY_YIELD
{
	struct ext4 *fs = inode->fs;
	struct list *before = inode->orphan_node.prev;
	int r;

	if (before == &fs->orphans) {
		r = ext4_super_get_write(h, fs);
		if (r < 0)
			return r;
		ext4_super(fs)->last_orphan = inode->next_orphan;
		ext4_super_store(h, fs);
	} else {
		struct ext4_inode *newer = LIST_ENTRY(before, struct ext4_inode, orphan_node);
		uint32_t kept = newer->next_orphan;

		newer->next_orphan = inode->next_orphan;
		r = ext4_inode_store(h, newer);
		if (r < 0) {
			newer->next_orphan = kept;
			return r;
		}
	}
	list_del(&inode->orphan_node);
	inode->state &= ~(unsigned int)EXT4_I_ORPHAN;
	inode->next_orphan = 0;
	return 0;
}

int ext4_orphan_remove(struct journal_handle *h, struct ext4_inode *inode)
{
	int r = 0;

	task_lock_take(&inode->fs->orphan_lock);
	if (inode->state & EXT4_I_ORPHAN)
		r = take_out(h, inode);
	task_lock_drop(&inode->fs->orphan_lock);
	return r;
}

/* ---- deleting. */

static bool has_map(const struct ext4_inode *inode)
{
	return S_ISREG(inode->mode) || S_ISDIR(inode->mode) ||
	       (S_ISLNK(inode->mode) && !ext4_link_is_fast(inode));
}

/* The blocks are free already: the rest is one step. */
static int delete_inode(struct ext4_inode *inode) MAY_YIELD
{
	struct ext4 *fs = inode->fs;
	struct journal_handle h;
	int r = ext4_begin(fs, 6 + ext4_credits_alloc(fs, 1), &h);

	if (r < 0)
		return r;
	if (inode->xattr_block)
		r = ext4_xattr_free(&h, inode);
	if (r == 0)
		r = ext4_orphan_remove(&h, inode);
	if (r == 0) {
		inode->size = 0;
		inode->disk_size = 0;
		inode->next_orphan = (uint32_t)time(NULL); /* the time of deletion stands there */
		r = ext4_inode_store(&h, inode);
	}
	if (r == 0) {
		/* From here on a new inode may get the number. */
		inode->state |= EXT4_I_DELETED;
		ext4_inode_unhash(inode);
		r = ext4_number_free(&h, inode);
	}
	journal_end(&h);
	return r;
}

int ext4_delete(struct ext4_inode *inode)
{
	int r = 0;

	task_lock_take(&inode->lock);
	ext4_data_free(inode);
	if (has_map(inode))
		r = ext4_unmap(inode, 0, UINT32_MAX);
	if (r == 0)
		r = delete_inode(inode);
	task_lock_drop(&inode->lock);
	return r;
}

/* ---- at mount. */

static int bit_is_set(struct ext4 *fs, uint32_t number) MAY_YIELD
{
	uint32_t bit = (number - 1) % fs->inodes_per_group;
	struct cache_page *page;
	int r = ext4_inode_bitmap(fs, ext4_group_of_inode(fs, number), &page);

	if (r < 0)
		return r;
	r = ((const uint8_t *)page->data)[bit / 8] >> bit % 8 & 1;
	cache_put(page);
	return r;
}

static int cut(struct ext4_inode *inode) MAY_YIELD
{
	struct journal_handle h;
	int r;

	task_lock_take(&inode->lock);
	r = S_ISREG(inode->mode) ? ext4_truncate(inode, inode->size) : 0;
	if (r == 0)
		r = ext4_begin(inode->fs, 4, &h);
	if (r == 0) {
		r = ext4_orphan_remove(&h, inode);
		if (r == 0)
			r = ext4_inode_store(&h, inode);
		journal_end(&h);
	}
	task_lock_drop(&inode->lock);
	return r;
}

/* The newest of the list. */
static int clean_one(struct ext4 *fs, uint32_t number) MAY_YIELD
{
	struct ext4_inode *inode;
	int r;

	if (number < fs->first_inode || number > fs->inode_count)
		return ext4_damage(fs, "the list of orphans has inode %u", number);
	r = bit_is_set(fs, number);
	if (r == 0)
		return ext4_damage(fs, "the list of orphans has the free inode %u", number);
	if (r > 0)
		r = ext4_iget_orphan(fs, number, &inode);
	if (r < 0)
		return r;
	list_push_front(&fs->orphans, &inode->orphan_node);
	inode->state |= EXT4_I_ORPHAN;
	r = inode->nlink == 0 ? ext4_delete(inode) : cut(inode);
	inode_put(&inode->inode);
	return r;
}

int ext4_orphans_clean(struct ext4 *fs, uint32_t *ret_count)
{
	uint32_t number;

	*ret_count = 0;
	while ((number = ext4_super(fs)->last_orphan) != 0) {
		int r = clean_one(fs, number);

		if (r < 0)
			return r;
		/* A list that goes round ends all the same: the next number is taken away. */
		if (++*ret_count > 2 * (uint64_t)fs->inode_count)
			return ext4_damage(fs, "the list of orphans has no end");
	}
	return 0;
}

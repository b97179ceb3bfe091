#include "vfs/ext4/data_promise.h"
#include "vfs/ext4/extent.h"
#include "vfs/ext4/inside.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define CREDITS_ORPHAN 4u /* superblock, inode, and two that stand beside it in the list */

/* The size in memory. What is left of the last page is zero, as it is behind any file's end. */
static int cut_memory(struct ext4_inode *inode, uint64_t size) MAY_YIELD
{
	uint64_t index = size >> DATA_PAGE_SHIFT;
	uint32_t in_page = (uint32_t)(size % DATA_PAGE_SIZE);
	struct cache_page *page;

	if (in_page > 0) {
		int r = cache_get(&inode->pages, index, &page);

		if (r < 0)
			return r;
		cache_modify(page);
		/* From here on write-back takes what is behind for no part of the file. */
		inode->size = size;
		memset((char *)page->data + in_page, 0, DATA_PAGE_SIZE - in_page);
		cache_dirty(page);
		cache_put(page);
		index++;
	}
	inode->size = size;
	cache_drop(&inode->pages, index, UINT64_MAX);
	data_promise_end(inode, data_blocks(inode->fs, size), UINT64_MAX);
	return 0;
}

/*
 * What is left of the last block goes to the disk before the new end does: else a file that is
 * longer again after a power cut would have its old bytes. Who has no block yet has none.
 */
static int write_tail(struct ext4_inode *inode) MAY_YIELD
{
	unsigned int shift = inode->fs->block_shift;
	uint64_t block = inode->size >> shift, index = inode->size >> DATA_PAGE_SHIFT;
	struct ext4_run run;
	int r;

	if ((inode->size & (inode->fs->block_size - 1)) == 0 ||
	    data_promised_next(inode, block) == block)
		return 0;
	r = ext4_map(inode, (uint32_t)block, 1, &run);
	if (r == 0 && run.kind == EXT4_MAPPED) /* one that cannot be written stays dirty */
		(void)!cache_sync(&inode->pages, index, index + 1);
	return r;
}

/* All in one transaction: a root has few extents. *end: where it came to. */
static int cut_small(struct ext4_inode *inode, uint32_t first, uint32_t *end) MAY_YIELD
{
	uint32_t credits = EXT4_EXTENTS_IN_INODE * extent_credits_unmap(inode);
	struct journal_handle h;
	const struct extent_change c = { .h = &h, .inode = inode, .promised = true };
	int r = ext4_begin(inode->fs, credits + CREDITS_ORPHAN, &h);

	if (r < 0)
		return r;
	/* What waits before it may never be written: then nobody else would say so. */
	inode->disk_size = inode->size;
	r = extent_unmap_some(&c, first, end);
	/* Not all: whatever happens, the rest will be cut off. */
	if (r == 0 && *end > first && inode->nlink > 0)
		r = ext4_orphan_add(&h, inode);
	if (r == 0)
		r = ext4_inode_store(&h, inode);
	inode->last_data_transaction = journal_handle_id(&h);
	journal_end(&h);
	return r;
}

/* In steps; the orphan list sees to it that they are all done, even after a crash. */
static int cut_large(struct ext4_inode *inode, uint32_t first) MAY_YIELD
{
	struct journal_handle h;
	int r = ext4_begin(inode->fs, CREDITS_ORPHAN + 1, &h);

	if (r < 0)
		return r;
	inode->disk_size = inode->size;
	r = inode->nlink > 0 ? ext4_orphan_add(&h, inode) : 0;
	if (r == 0)
		r = ext4_inode_store(&h, inode);
	inode->last_data_transaction = journal_handle_id(&h);
	journal_end(&h);
	return r < 0 ? r : ext4_unmap(inode, first, UINT64_MAX);
}

static int leave_orphans(struct ext4_inode *inode) MAY_YIELD
{
	struct journal_handle h;
	int r = ext4_begin(inode->fs, CREDITS_ORPHAN + 1, &h);

	if (r < 0)
		return r;
	r = ext4_orphan_remove(&h, inode);
	if (r == 0)
		r = ext4_inode_store(&h, inode);
	inode->last_data_transaction = journal_handle_id(&h);
	journal_end(&h);
	return r;
}

static int cut_disk(struct ext4_inode *inode) MAY_YIELD
{
	uint32_t first = (uint32_t)data_blocks(inode->fs, inode->size);
	uint32_t end = EXTENT_BLOCKS_END;
	int r;

	if ((inode->flags & EXT4_EXTENTS_FL) && extent_depth(inode) == 0) {
		r = cut_small(inode, first, &end);
		if (r == 0 && end > first)
			r = ext4_unmap(inode, first, end);
	} else {
		r = cut_large(inode, first);
	}
	/* One without a name stays among them; one that an earlier try left there does not. */
	if (r == 0 && inode->nlink > 0 && (inode->state & EXT4_I_ORPHAN))
		r = leave_orphans(inode);
	return r;
}

static int extend(struct ext4_inode *inode, uint64_t size) MAY_YIELD
{
	struct journal_handle h;
	int r = data_zero_tail(inode);

	if (r == 0)
		r = data_map_resize(inode, size);
	if (r == 0)
		r = ext4_begin(inode->fs, 1, &h);
	if (r < 0) { /* clients must not reach behind the end */
		data_map_cut(inode, inode->size);
		return r;
	}
	inode->size = size;
	inode->disk_size = size;
	r = ext4_inode_store(&h, inode);
	inode->last_data_transaction = journal_handle_id(&h);
	journal_end(&h);
	return r;
}

/* Directories and links have no pages here. */
static int truncate_other(struct ext4_inode *inode, uint64_t size) MAY_YIELD
{
	if (size > inode->size)
		return -EINVAL;
	inode->size = size;
	return cut_disk(inode);
}

int ext4_truncate(struct ext4_inode *inode, uint64_t size)
{
	struct ext4_data *d;
	int r = ext4_writable(inode->fs);

	if (r == 0 && size > data_size_max(inode))
		r = -EFBIG;
	if (r == 0 && !S_ISREG(inode->mode))
		return truncate_other(inode, size);
	if (r == 0)
		r = data_of(inode, &d);
	if (r < 0)
		return r;
	if (size > inode->size)
		return extend(inode, size);
	if (size == 0 && inode->size > 0)
		inode->state |= EXT4_I_REPLACED;
	data_change_begin(d);
	r = cut_memory(inode, size);
	if (r == 0) {
		data_map_cut(inode, size);
		r = write_tail(inode);
	}
	if (r == 0)
		r = cut_disk(inode);
	data_change_end(d);
	return r;
}

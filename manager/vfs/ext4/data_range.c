#include "vfs/ext4/data_promise.h"

#include <errno.h>
#include <string.h>

/* Is there anything but zeros in these blocks? 1 or 0, or -errno. */
static int has_data(struct ext4_inode *inode, uint64_t first, uint64_t end) MAY_YIELD
{
	while (first < end) {
		struct ext4_run run;
		int r;

		if (data_promised_next(inode, first) < end)
			return 1;
		r = ext4_map(inode, (uint32_t)first, (uint32_t)(end - first), &run);
		if (r < 0 || run.kind == EXT4_MAPPED)
			return r < 0 ? r : 1;
		first += run.count;
	}
	return 0;
}

int data_zero_part(struct ext4_inode *inode, uint64_t from, uint64_t end)
{
	unsigned int shift = inode->fs->block_shift;
	struct cache_page *page;
	int r;

	assert(from >> DATA_PAGE_SHIFT == (end - 1) >> DATA_PAGE_SHIFT);
	if (from >= inode->size) /* zeros in memory, whatever is there */
		return 0;
	r = has_data(inode, from >> shift, data_blocks(inode->fs, end));
	if (r <= 0)
		return r;
	r = cache_get(&inode->pages, from >> DATA_PAGE_SHIFT, &page);
	if (r < 0)
		return r;
	cache_modify(page);
	memset((char *)page->data + from % DATA_PAGE_SIZE, 0, (size_t)(end - from));
	cache_dirty(page);
	cache_put(page);
	return 0;
}

int data_zero_tail(struct ext4_inode *inode)
{
	uint32_t used = (uint32_t)(inode->size & (inode->fs->block_size - 1));
	struct cache_page *page;
	uint64_t block = inode->size >> inode->fs->block_shift;
	int r;

	if (used == 0)
		return 0;
	r = has_data(inode, block, block + 1);
	if (r <= 0)
		return r;
	r = cache_get(&inode->pages, inode->size >> DATA_PAGE_SHIFT, &page);
	if (r < 0)
		return r;
	cache_modify(page);
	/* Reading it made zeros of what is behind the end, in memory. */
	memset((char *)page->data + inode->size % DATA_PAGE_SIZE, 0,
	       DATA_PAGE_SIZE - inode->size % DATA_PAGE_SIZE);
	cache_dirty(page);
	cache_put(page);
	return 0;
}

/*
 * A page that keeps some of its blocks. The others are zeroed, and it is written before they
 * are unmapped: then it is not dirty, and cannot be on its way to blocks that are another's.
 */
static int drop_part(struct ext4_inode *inode, uint64_t from, uint64_t end) MAY_YIELD
{
	unsigned int shift = inode->fs->block_shift;
	uint64_t index = from >> DATA_PAGE_SHIFT;
	struct cache_page *page;
	int r = has_data(inode, from >> shift, end >> shift);

	if (r <= 0)
		return r;
	r = cache_get(&inode->pages, index, &page);
	if (r < 0)
		return r;
	cache_modify(page);
	memset((char *)page->data + from % DATA_PAGE_SIZE, 0, (size_t)(end - from));
	data_promise_end(inode, from >> shift, end >> shift);
	cache_dirty(page);
	cache_put(page);
	return cache_sync(&inode->pages, index, index + 1);
}

int data_drop_blocks(struct ext4_inode *inode, uint64_t first, uint64_t end)
{
	unsigned int shift = inode->fs->block_shift;
	uint64_t from = first << shift, to = end << shift;
	uint64_t page = (from + DATA_PAGE_SIZE - 1) >> DATA_PAGE_SHIFT;
	uint64_t page_end = to >> DATA_PAGE_SHIFT;
	int r = 0;

	if (first >= end)
		return 0;
	if (page > page_end) /* inside one page */
		return drop_part(inode, from, to);
	if (from < page << DATA_PAGE_SHIFT)
		r = drop_part(inode, from, page << DATA_PAGE_SHIFT);
	if (r == 0 && to > page_end << DATA_PAGE_SHIFT)
		r = drop_part(inode, page_end << DATA_PAGE_SHIFT, to);
	if (r < 0)
		return r;
	cache_drop(&inode->pages, page, page_end);
	data_promise_end(inode, first, end);
	return 0;
}

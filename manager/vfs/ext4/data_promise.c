#include "vfs/ext4/data_promise.h"

#include "vfs/ext4/extent.h"

#include <errno.h>

/*
 * Nodes that a tree may need for so many more entries. On each level, a node is split when it
 * is full: those that are there now once, and then again for each half of a node's entries.
 * And it may become deeper, from its root on.
 */
static uint64_t tree_need(const struct ext4_inode *inode, uint64_t entries)
{
	struct ext4_extent_header root = extent_header_get(inode->block);
	uint64_t half = extent_capacity(inode->fs) / 2 - 1, need = 0, nodes = root.entries;

	if (entries == 0 || (root.depth == 0 && root.entries + entries <= root.entries_max))
		return 0;
	for (unsigned int i = 1; i < root.depth; i++)
		nodes *= extent_capacity(inode->fs);
	/* From the leaves up: each split is one more entry above. */
	for (unsigned int i = root.depth > 0 ? root.depth : 1; i > 0; i--) {
		entries = min(entries, nodes + entries / half + 1);
		need += entries;
		nodes = nodes / extent_capacity(inode->fs) + 1;
	}
	while (entries > 0) { /* levels that are not there yet */
		entries /= half;
		need += entries + 1;
	}
	return need;
}

static uint64_t wanted(const struct ext4_inode *inode)
{
	const struct ext4_data *d = inode->data;

	return d->delayed.count + tree_need(inode, d->delayed.count + 2 * d->converting.count);
}

/* The promise follows the sets. Less is always possible. */
static int settle(struct ext4_inode *inode)
{
	uint64_t want = wanted(inode);

	if (want > inode->delayed)
		return ext4_reserve(inode, want - inode->delayed);
	ext4_unreserve(inode, inode->delayed - want);
	return 0;
}

static bool is_promised(const struct ext4_data *d, uint32_t block)
{
	return block_set_has(&d->delayed, block) || block_set_has(&d->converting, block);
}

static int promise_one(struct ext4_inode *inode, uint32_t block, enum ext4_run_kind kind)
{
	struct ext4_data *d = inode->data;
	struct block_set *set = kind == EXT4_HOLE ? &d->delayed : &d->converting;
	int r = block_set_add(set, block);

	if (r < 0)
		return r;
	r = settle(inode);
	if (r < 0)
		block_set_remove(set, block);
	return r;
}

/*
 * What is in no set changes only by who holds inode->lock; what is in one may get its blocks
 * while we wait for anything, and is then as good.
 */
int data_promise(struct ext4_inode *inode, uint32_t first, uint32_t end, unsigned int *ret_added)
{
	unsigned int added = 0;
	int r = 0;

	for (uint32_t block = first; block < end && r == 0; block++) {
		struct ext4_run run;

		if (is_promised(inode->data, block))
			continue;
		r = ext4_map(inode, block, 1, &run);
		if (r < 0 || run.kind == EXT4_MAPPED)
			continue;
		/* A map of the old kind gets no new blocks. */
		r = inode->flags & EXT4_EXTENTS_FL ? 0 : -EOPNOTSUPP;
		if (r == 0)
			r = promise_one(inode, block, run.kind);
		if (r == 0)
			added |= 1u << (block - first);
	}
	if (r < 0)
		data_promise_undo(inode, first, added);
	else
		*ret_added = added;
	return r;
}

void data_promise_undo(struct ext4_inode *inode, uint32_t first, unsigned int added)
{
	for (unsigned int i = 0; added >> i; i++)
		if (added >> i & 1)
			data_promise_end(inode, (uint64_t)first + i, (uint64_t)first + i + 1);
}

void data_promise_end(struct ext4_inode *inode, uint64_t first, uint64_t end)
{
	struct ext4_data *d = inode->data;
	uint64_t removed = block_set_remove_range(&d->delayed, first, end);
	uint64_t want;

	removed += block_set_remove_range(&d->converting, first, end);
	if (removed == 0)
		return;
	/* The tree may have grown and want more now: then what was promised has to do. */
	want = wanted(inode);
	if (want < inode->delayed)
		ext4_unreserve(inode, inode->delayed - want);
}

uint64_t data_promised_next(const struct ext4_inode *inode, uint64_t block)
{
	const struct ext4_data *d = inode->data;

	if (!d)
		return UINT64_MAX;
	return min(block_set_next(&d->delayed, block), block_set_next(&d->converting, block));
}

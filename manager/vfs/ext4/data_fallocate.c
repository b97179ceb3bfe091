#include "vfs/ext4/data_promise.h"
#include "vfs/ext4/extent.h"
#include "vfs/ext4/inside.h"

#include <errno.h>
#include <linux/falloc.h>
#include <sys/stat.h>

/* A range of bytes, and the whole blocks inside it. */
struct range {
	uint64_t offset, end;
	uint64_t first, last; /* blocks [first, last) */
};

static struct range range_of(const struct ext4 *fs, uint64_t offset, uint64_t size)
{
	return (struct range){
		.offset = offset,
		.end = offset + size,
		.first = data_blocks(fs, offset),
		.last = (offset + size) >> fs->block_shift,
	};
}

static void grow(struct ext4_inode *inode, uint64_t size)
{
	if (size > inode->size)
		inode->size = size;
	if (size > inode->disk_size)
		inode->disk_size = size;
}

/* Unwritten blocks for a hole, as far as one run goes. `size`: the file's, then; 0: as it is. */
static int fill(struct ext4_inode *inode, uint64_t block, struct ext4_run *run, uint64_t size)
	MAY_YIELD
{
	struct journal_handle h;
	const struct extent_change c = { .h = &h, .inode = inode };
	int r = ext4_begin(inode->fs, ext4_credits_map(inode, run->count), &h);

	if (r < 0)
		return r;
	r = extent_create(&c, (uint32_t)block, run->count, true, run);
	if (r == 0) {
		uint64_t reached = (block + run->count) << inode->fs->block_shift;

		grow(inode, reached < size ? reached : size);
		r = ext4_inode_store(&h, inode);
	}
	inode->last_data_transaction = journal_handle_id(&h);
	journal_end(&h);
	return r;
}

/* Each hole from `block` to `end` that no promise is made for gets blocks. */
static int fill_holes(struct ext4_inode *inode, uint64_t block, uint64_t end, uint64_t size)
	MAY_YIELD
{
	const struct ext4_data *d = inode->data;
	bool full = false;
	int r = 0;

	while (r == 0 && block < end) {
		uint64_t stop = block_set_next(&d->delayed, block);
		struct ext4_run run;

		if (stop == block) {
			block = block_set_next_missing(&d->delayed, block);
			continue;
		}
		if (stop > end)
			stop = end;
		r = ext4_map(inode, (uint32_t)block, (uint32_t)(stop - block), &run);
		if (r == 0 && run.kind == EXT4_HOLE)
			r = fill(inode, block, &run, size);
		if (r == -ENOSPC && !full) {
			full = true;
			data_make_room(inode);
			r = 0;
			continue;
		}
		if (r == 0)
			block += run.count;
	}
	return r;
}

static int store_size(struct ext4_inode *inode, uint64_t size) MAY_YIELD
{
	struct journal_handle h;
	int r;

	if (size <= inode->size && size <= inode->disk_size)
		return 0;
	r = ext4_begin(inode->fs, 1, &h);
	if (r < 0)
		return r;
	grow(inode, size);
	r = ext4_inode_store(&h, inode);
	inode->last_data_transaction = journal_handle_id(&h);
	journal_end(&h);
	return r;
}

static int allocate(struct ext4_inode *inode, const struct range *range, bool keep_size) MAY_YIELD
{
	uint64_t size = keep_size || range->end <= inode->size ? 0 : range->end;
	int r = 0;

	if (size > 0)
		r = data_zero_tail(inode);
	if (r == 0 && size > 0)
		r = data_map_resize(inode, size);
	if (r == 0)
		r = fill_holes(inode, range->offset >> inode->fs->block_shift,
			       data_blocks(inode->fs, range->end), size);
	if (r == 0 && size > 0)
		r = store_size(inode, size);
	if (r < 0 && size > 0) /* clients must not reach behind the end */
		data_map_cut(inode, inode->size);
	return r;
}

/* The parts of blocks at both ends. */
static int zero_ends(struct ext4_inode *inode, const struct range *range) MAY_YIELD
{
	unsigned int shift = inode->fs->block_shift;
	uint64_t from = range->first << shift, to = range->last << shift;
	int r = 0;

	if (from > to) /* inside one block */
		return data_zero_part(inode, range->offset, range->end);
	if (range->offset < from)
		r = data_zero_part(inode, range->offset, from);
	if (r == 0 && to < range->end)
		r = data_zero_part(inode, to, range->end);
	return r;
}

/* The first run of [block, end): *ret. */
static int unwrite_run(struct ext4_inode *inode, uint64_t block, uint64_t end, struct ext4_run *ret)
	MAY_YIELD
{
	struct journal_handle h;
	/* The tree may grow, but not by blocks that others' data was promised. */
	const struct extent_change c = { .h = &h, .inode = inode };
	uint32_t count = (uint32_t)(end - block);
	int r = ext4_begin(inode->fs, ext4_credits_map(inode, count), &h);

	if (r < 0)
		return r;
	r = extent_unwrite(&c, (uint32_t)block, count, ret);
	if (r == 0)
		r = ext4_inode_store(&h, inode);
	inode->last_data_transaction = journal_handle_id(&h);
	journal_end(&h);
	return r;
}

/* Written blocks become unwritten: zeros, where they are. */
static int unwrite(struct ext4_inode *inode, uint64_t block, uint64_t end) MAY_YIELD
{
	bool full = false;
	int r = 0;

	while (r == 0 && block < end) {
		struct ext4_run run;

		r = unwrite_run(inode, block, end, &run);
		if (r == 0)
			block += run.count;
		if (r == -ENOSPC && !full) {
			full = true;
			data_make_room(inode);
			r = 0;
		}
	}
	return r;
}

static int make_zero(struct ext4_inode *inode, const struct range *range, bool punch) MAY_YIELD
{
	int r = zero_ends(inode, range);

	/* The page that would have told the disk how long the file is may go now. */
	if (r == 0 && range->end >= inode->size)
		r = store_size(inode, inode->size);
	if (r == 0 && range->first < range->last) {
		data_change_begin(inode->data);
		r = data_drop_blocks(inode, range->first, range->last);
		if (r == 0)
			r = punch ? ext4_unmap(inode, (uint32_t)range->first, range->last)
				  : unwrite(inode, range->first, range->last);
		data_change_end(inode->data);
	}
	if (r == 0)
		data_map_zero(inode, range->offset, range->end - range->offset);
	return r;
}

#define MODES_SHIFT (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)

static int shift(struct ext4_inode *inode, int mode, uint64_t offset, uint64_t size) MAY_YIELD
{
	/* Blocks can be given other places, parts of them cannot. */
	if ((offset | size) & (inode->fs->block_size - 1))
		return -EINVAL;
	return mode == FALLOC_FL_INSERT_RANGE ? data_insert(inode, offset, size)
					      : data_collapse(inode, offset, size);
}

static int fallocate_locked(struct ext4_inode *inode, int mode, uint64_t offset, uint64_t size)
	MAY_YIELD
{
	struct range range = range_of(inode->fs, offset, size);
	struct ext4_data *d;
	int r = data_of(inode, &d);

	if (r == 0 && mode & MODES_SHIFT)
		r = shift(inode, mode, offset, size);
	else if (r == 0 && (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
		r = make_zero(inode, &range, mode & FALLOC_FL_PUNCH_HOLE);
	if (r == 0 && !(mode & (FALLOC_FL_PUNCH_HOLE | MODES_SHIFT)))
		r = allocate(inode, &range, mode & FALLOC_FL_KEEP_SIZE);
	if (r == 0)
		ext4_touch(inode);
	return r;
}

static bool is_known(int mode)
{
	const int others = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;

	/* No block is shared by files: nothing is there to be unshared. As Linux, we do not. */
	return !(mode & ~others) || mode == FALLOC_FL_COLLAPSE_RANGE ||
	       mode == FALLOC_FL_INSERT_RANGE;
}

int ext4_fallocate(struct inode *vfs_inode, int mode, uint64_t offset, uint64_t size)
{
	struct ext4_inode *inode = ext4_i(vfs_inode);
	int r = data_writable(inode);

	if (r < 0)
		return r;
	if (!is_known(mode) || !(inode->flags & EXT4_EXTENTS_FL))
		return -EOPNOTSUPP;
	if (size > data_size_max(inode) || offset > data_size_max(inode) - size)
		return -EFBIG;
	task_lock_take(&inode->lock);
	r = fallocate_locked(inode, mode, offset, size);
	task_lock_drop(&inode->lock);
	return r;
}

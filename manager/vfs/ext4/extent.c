#include "vfs/ext4/extent.h"

#include "vfs/ext4/alloc.h"

#include <errno.h>

void ext4_extents_init(struct ext4_inode *inode)
{
	const struct ext4_extent_header header = {
		.magic = EXT4_EXTENT_MAGIC,
		.entries_max = EXT4_EXTENTS_IN_INODE,
	};

	memset(inode->block, 0, sizeof(inode->block));
	extent_header_put(inode->block, &header);
	inode->flags |= EXT4_EXTENTS_FL;
	extent_runs_forget(inode);
}

/* A node that two damaged files share was checked for one of them only. */
static int check_run(struct ext4_inode *inode, uint32_t logical, const struct extent *run)
{
	if (logical >= run->first && logical < extent_end(run) &&
	    extent_end(run) <= EXTENT_BLOCKS_END &&
	    (run->kind == EXT4_HOLE || extent_blocks_valid(inode, run->physical, run->count)))
		return 0;
	return ext4_damage(inode->fs, "inode %u: extents: no sense around block %u", inode->number,
			   logical);
}

int extent_look(struct ext4_inode *inode, uint32_t logical, struct extent *ret)
{
	struct extent_path path;
	int r;

	if (extent_runs_find(inode, logical, ret))
		return 0;
	if (inode->flags & EXT4_EXTENTS_FL) {
		r = extent_find(inode, logical, &path);
		if (r < 0)
			return r;
		extent_around(&path, logical, ret);
		extent_path_put(&path);
	} else {
		r = indirect_around(inode, logical, ret);
		if (r < 0)
			return r;
	}
	r = check_run(inode, logical, ret);
	if (r == 0)
		extent_runs_add(inode, ret);
	return r;
}

/* The part of `e` from `logical` on, `count` blocks at most. */
static void clip(const struct extent *e, uint32_t logical, uint32_t count, struct ext4_run *ret)
{
	uint32_t skip = logical - e->first;

	ret->kind = e->kind;
	ret->count = e->count - skip < count ? e->count - skip : count;
	ret->physical = e->kind == EXT4_HOLE ? 0 : e->physical + skip;
}

static int check_range(const struct ext4_inode *inode, uint32_t logical, uint32_t count)
{
	if (inode->flags & EXT4_INLINE_DATA_FL)
		return -EOPNOTSUPP;
	if (count == 0)
		return -EINVAL;
	return logical < EXTENT_BLOCKS_END && count <= EXTENT_BLOCKS_END - logical ? 0 : -EFBIG;
}

int ext4_map(struct ext4_inode *inode, uint32_t logical, uint32_t count, struct ext4_run *ret)
{
	struct extent e;
	int r = check_range(inode, logical, count);

	if (r < 0)
		return r;
	if (!extent_runs_find(inode, logical, &e)) {
		task_lock_take(&inode->map_lock);
		r = extent_look(inode, logical, &e);
		task_lock_drop(&inode->map_lock);
		if (r < 0)
			return r;
	}
	clip(&e, logical, count, ret);
	return 0;
}

int ext4_map_seek(struct ext4_inode *inode, uint32_t logical, bool data, uint64_t *ret)
{
	uint64_t at = logical;

	while (at < EXTENT_BLOCKS_END) {
		struct ext4_run run;
		int r = ext4_map(inode, (uint32_t)at, (uint32_t)(EXTENT_BLOCKS_END - at), &run);

		if (r < 0)
			return r;
		if ((run.kind == EXT4_MAPPED) == data) {
			*ret = at;
			return 0;
		}
		at += run.count;
	}
	*ret = UINT64_MAX;
	return 0;
}

int ext4_extents_check(struct ext4_inode *inode)
{
	uint64_t at = 0;
	int r = 0;

	task_lock_take(&inode->map_lock);
	while (r == 0 && at < EXTENT_BLOCKS_END) {
		struct extent_path path;

		r = extent_find(inode, (uint32_t)at, &path);
		if (r < 0)
			break;
		at = path.level[path.depth].end;
		extent_path_put(&path);
	}
	task_lock_drop(&inode->map_lock);
	return r;
}

/* ---- making blocks. */

/* Where block `logical` would lie best: as far from its neighbour's as it is in the file. */
static uint64_t goal_for(struct ext4_inode *inode, uint32_t logical) MAY_YIELD
{
	struct extent before;

	if (logical > 0 && extent_look(inode, logical - 1, &before) == 0) {
		if (before.kind != EXT4_HOLE)
			return before.physical + (logical - before.first);
		if (before.first > 0 && extent_look(inode, before.first - 1, &before) == 0 &&
		    before.kind != EXT4_HOLE)
			return before.physical + before.count;
	}
	return inode->alloc_goal;
}

static int fill_hole(const struct extent_change *c, struct extent *e) MAY_YIELD
{
	struct alloc_wish wish = {
		.goal = goal_for(c->inode, e->first),
		.count = e->count,
		.promised = c->promised,
	};
	int r = alloc_run(c->h, c->inode, &wish, &e->physical);

	if (r < 0)
		return r;
	e->count = wish.count;
	r = extent_set(c, e);
	if (r < 0 && (ext4_blocks_free(c->h, c->inode, e->physical, e->count, false) < 0 ||
		      ext4_inode_store(c->h, c->inode) < 0))
		ext4_damage(c->inode->fs, "inode %u: blocks are lost", c->inode->number);
	return r;
}

static int create(const struct extent_change *c, uint32_t logical, uint32_t count, bool unwritten,
		  struct ext4_run *ret) MAY_YIELD
{
	struct ext4_inode *inode = c->inode;
	struct extent e;
	int r = extent_look(inode, logical, &e);

	if (r < 0)
		return r;
	clip(&e, logical, count, ret);
	if (e.kind == EXT4_MAPPED || (e.kind == EXT4_UNWRITTEN && unwritten))
		return 0;
	e = (struct extent){
		.first = logical,
		.count = ret->count,
		.physical = ret->physical,
		.kind = unwritten ? EXT4_UNWRITTEN : EXT4_MAPPED,
	};
	if (e.count > EXT4_EXTENT_LENGTH_MAX - unwritten)
		e.count = EXT4_EXTENT_LENGTH_MAX - unwritten;
	r = ret->kind == EXT4_HOLE ? fill_hole(c, &e) : extent_set(c, &e);
	if (r < 0)
		return r;
	ret->kind = e.kind;
	ret->count = e.count;
	ret->physical = e.physical;
	return 0;
}

int extent_create(const struct extent_change *c, uint32_t logical, uint32_t count, bool unwritten,
		  struct ext4_run *ret)
{
	int r = check_range(c->inode, logical, count);

	if (r == 0)
		r = ext4_writable(c->inode->fs);
	if (r < 0)
		return r;
	if (!(c->inode->flags & EXT4_EXTENTS_FL))
		return -EOPNOTSUPP;
	task_lock_take(&c->inode->map_lock);
	r = create(c, logical, count, unwritten, ret);
	task_lock_drop(&c->inode->map_lock);
	return r;
}

int ext4_map_create(struct journal_handle *h, struct ext4_inode *inode, uint32_t logical,
		    uint32_t count, bool unwritten, struct ext4_run *ret)
{
	const struct extent_change c = { .h = h, .inode = inode };
	int r = extent_create(&c, logical, count, unwritten, ret);

	return r < 0 ? r : ext4_inode_store(h, inode);
}

static int unwrite(const struct extent_change *c, uint32_t logical, uint32_t count,
		   struct ext4_run *ret) MAY_YIELD
{
	struct extent e;
	int r = extent_look(c->inode, logical, &e);

	if (r < 0)
		return r;
	clip(&e, logical, count, ret);
	if (ret->kind != EXT4_MAPPED)
		return 0;
	if (ret->count > EXT4_EXTENT_LENGTH_MAX - 1)
		ret->count = EXT4_EXTENT_LENGTH_MAX - 1;
	ret->kind = EXT4_UNWRITTEN;
	e = (struct extent){ logical, ret->count, ret->physical, EXT4_UNWRITTEN };
	return extent_set(c, &e);
}

int extent_unwrite(const struct extent_change *c, uint32_t logical, uint32_t count,
		   struct ext4_run *ret)
{
	int r = check_range(c->inode, logical, count);

	if (r < 0)
		return r;
	task_lock_take(&c->inode->map_lock);
	r = unwrite(c, logical, count, ret);
	task_lock_drop(&c->inode->map_lock);
	return r;
}

uint32_t ext4_credits_map(const struct ext4_inode *inode, uint32_t count)
{
	/* One run of one group: its bitmap and descriptor; and the inode. */
	(void)count;
	return extent_credits(inode) + 2 + 1;
}

/*
 * extent_shift.c - what a file has from a block on, to the left or to the right.
 *
 *     left    from the first leaf on:  ..aaa      bbbccc|ddd   ->  ..aaabbbccc      |ddd  -> ...
 *     right   from the last leaf on:   ..aaabbbccc|ddd         ->  ..aaabbbccc|      ddd  -> ...
 *
 * So the order of extents holds at any time, and no node is added or goes: it can neither lack
 * room nor fail half-way for want of blocks.
 */
#include "vfs/ext4/extent.h"

#include <errno.h>

void extent_shift_begin(struct extent_shift *s)
{
	s->at = s->left ? s->first : EXTENT_BLOCKS_END;
}

bool extent_shift_done(const struct extent_shift *s)
{
	return s->left ? s->at >= EXTENT_BLOCKS_END : s->at <= s->first;
}

uint32_t extent_credits_shift(const struct ext4_inode *inode)
{
	return extent_depth(inode) + 1; /* a leaf, and all above it; the inode */
}

int extent_shift_credits(struct ext4_inode *inode, uint32_t first, uint32_t end, uint32_t *ret)
{
	uint64_t at = first, leaves = 0, extents = 0;
	int r = 0;

	task_lock_take(&inode->map_lock);
	while (r == 0 && at < EXTENT_BLOCKS_END && leaves < UINT16_MAX) {
		struct extent_path path;
		const struct extent_level *leaf;

		r = extent_find(inode, (uint32_t)at, &path);
		if (r < 0)
			break;
		leaf = &path.level[path.depth];
		for (uint32_t i = 0; i < leaf->header.entries; i++)
			extents += extent_key(leaf->node, i) < end;
		leaves++;
		at = leaf->end;
		extent_path_put(&path);
	}
	task_lock_drop(&inode->map_lock);
	/* Each leaf, one above it, and if it is freed its bitmap and descriptor; theirs of data. */
	*ret = (uint32_t)(extent_credits_unmap(inode) + 4 * leaves + 2 * extents);
	return r;
}

int extent_shift_check(struct ext4_inode *inode, const struct extent_shift *s)
{
	struct extent last = { .count = 0 };
	struct extent_path path;
	const struct extent_level *leaf;
	int r;

	if (s->left)
		return 0;
	task_lock_take(&inode->map_lock);
	r = extent_find(inode, EXTENT_BLOCKS_END - 1, &path);
	if (r == 0) {
		leaf = &path.level[path.depth];
		if (leaf->at >= 0)
			extent_get(leaf->node, (uint32_t)leaf->at, &last);
		extent_path_put(&path);
		/* An empty file may have none; what is before the place stays. */
		if (extent_end(&last) > s->first &&
		    EXTENT_BLOCKS_END - extent_end(&last) < s->count)
			r = -EINVAL;
	}
	task_lock_drop(&inode->map_lock);
	return r;
}

/* Entries [from, end) of the leaf. */
static int move(const struct extent_change *c, const struct extent_shift *s,
		struct extent_path *path, uint32_t from, uint32_t end) MAY_YIELD
{
	struct extent_level *leaf = &path->level[path->depth];
	bool keys = from == 0 && path->depth > 0;
	int r = extent_node_open(c, leaf);

	if (r == 0 && keys)
		r = extent_keys_open(c, path, path->depth);
	if (r < 0)
		return r;
	for (uint32_t i = from; i < end; i++) {
		uint32_t first = extent_key(leaf->node, i);

		extent_key_put(leaf->node, i, s->left ? first - s->count : first + s->count);
	}
	extent_node_close(c, leaf, leaf->header.entries);
	if (keys)
		extent_keys_set(c, path, path->depth, extent_key(leaf->node, 0));
	extent_runs_forget(c->inode);
	return 0;
}

/* The entries from s->first on of a leaf whose entries before `end` have not been moved. */
static int move_right(const struct extent_change *c, struct extent_shift *s,
		      struct extent_path *path, uint32_t end) MAY_YIELD
{
	const struct extent_level *leaf = &path->level[path->depth];
	uint32_t from = end;
	uint64_t at;
	int r;

	while (from > 0 && extent_key(leaf->node, from - 1) >= s->first)
		from--;
	if (from == end) {
		s->at = s->first;
		return 0;
	}
	at = from > 0 ? s->first : extent_key(leaf->node, 0);
	r = move(c, s, path, from, end);
	if (r == 0)
		s->at = at;
	return r;
}

static int move_left(const struct extent_change *c, struct extent_shift *s,
		     struct extent_path *path) MAY_YIELD
{
	const struct extent_level *leaf = &path->level[path->depth];
	uint32_t from = (uint32_t)(leaf->at + 1), end = leaf->header.entries;
	uint64_t at = leaf->end;
	int r = 0;

	/* `at` is that of the last entry not after s->at. */
	if (from > 0 && extent_key(leaf->node, from - 1) == s->at)
		from--;
	if (from < end)
		r = move(c, s, path, from, end);
	if (r == 0)
		s->at = at;
	return r;
}

static int shift_leaf(const struct extent_change *c, struct extent_shift *s) MAY_YIELD
{
	struct extent_path path;
	int r = extent_find(c->inode, (uint32_t)(s->left ? s->at : s->at - 1), &path);

	if (r < 0)
		return r;
	if (s->left)
		r = move_left(c, s, &path);
	else
		r = move_right(c, s, &path, (uint32_t)(path.level[path.depth].at + 1));
	extent_path_put(&path);
	return r;
}

int extent_shift_some(const struct extent_change *c, struct extent_shift *s)
{
	uint32_t need = extent_credits_shift(c->inode);
	int r = 0;

	task_lock_take(&c->inode->map_lock);
	while (r == 0 && !extent_shift_done(s)) {
		if (c->h->credits < need && journal_extend(c->h, need - c->h->credits) < 0)
			break;
		r = shift_leaf(c, s);
	}
	task_lock_drop(&c->inode->map_lock);
	return r;
}

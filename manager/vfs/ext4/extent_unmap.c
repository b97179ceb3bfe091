#include "vfs/ext4/extent.h"

#include <errno.h>
#include <sys/stat.h>

#define STEP_MAX 256u /* extents that one handle frees, at most */
#define GROUPS_MAX 8u /* whose bitmaps one change of the tree touches */
#define FORGOTTEN_MAX (EXT4_EXTENT_DEPTH_MAX + 1u) /* nodes that go with an extent */

/* Blocks freed at once: groups may be so small that an extent lies in more than a log takes. */
static uint32_t part_max(const struct ext4 *fs)
{
	uint64_t blocks = (uint64_t)GROUPS_MAX * fs->blocks_per_group;

	return blocks < EXT4_EXTENT_LENGTH_MAX ? (uint32_t)blocks : EXT4_EXTENT_LENGTH_MAX;
}

/* Their blocks stand in the journal; data of regular files does not. */
static bool is_metadata(const struct ext4_inode *inode)
{
	return S_ISDIR(inode->mode) || S_ISLNK(inode->mode);
}

/* What lies before the last `max` blocks stays. */
static void shorten(struct extent *part, uint32_t max)
{
	uint32_t skip = part->count > max ? part->count - max : 0;

	part->first += skip;
	part->physical += skip;
	part->count -= skip;
}

/* The last blocks in [first, end) that the file has, `max` of them at most. count 0: none. */
static int last_part(struct ext4_inode *inode, uint32_t first, uint32_t end, uint32_t max,
		     struct extent *ret) MAY_YIELD
{
	struct extent_path path;
	const struct extent_level *leaf;
	struct extent e = { .count = 0 };
	int r = extent_find(inode, end - 1, &path);

	if (r < 0)
		return r;
	leaf = &path.level[path.depth];
	if (leaf->at >= 0)
		extent_get(leaf->node, (uint32_t)leaf->at, &e);
	extent_path_put(&path);
	ret->count = 0;
	if (extent_end(&e) <= first)
		return 0;
	*ret = e;
	if (e.first < first) {
		ret->first = first;
		ret->physical += first - e.first;
	}
	ret->count = (uint32_t)((extent_end(&e) < end ? extent_end(&e) : end) - ret->first);
	shorten(ret, max);
	return 0;
}

static int free_part(const struct extent_change *c, const struct extent *part) MAY_YIELD
{
	const struct extent hole = { .first = part->first, .count = part->count };
	int r = extent_set(c, &hole);

	if (r < 0)
		return r;
	r = ext4_blocks_free(c->h, c->inode, part->physical, part->count, is_metadata(c->inode));
	if (r < 0)
		ext4_damage(c->inode->fs, "inode %u: blocks are lost", c->inode->number);
	return r;
}

uint32_t extent_credits_unmap(const struct ext4_inode *inode)
{
	return extent_credits(inode) + ext4_credits_alloc(inode->fs, part_max(inode->fs)) + 1;
}

/* So many blocks of one extent more, at most. 0: the handle has no room. */
static uint32_t blocks_now(const struct extent_change *c)
{
	uint32_t need = extent_credits_unmap(c->inode), max = part_max(c->inode->fs);
	uint32_t room = journal_forget_room(c->h);

	if (room <= FORGOTTEN_MAX ||
	    (c->h->credits < need && journal_extend(c->h, need - c->h->credits) < 0))
		return 0;
	room -= FORGOTTEN_MAX;
	return is_metadata(c->inode) && room < max ? room : max;
}

int extent_unmap_some(const struct extent_change *c, uint32_t first, uint32_t *end)
{
	struct ext4_inode *inode = c->inode;
	bool changed = false;
	int r = 0;

	task_lock_take(&inode->map_lock);
	for (unsigned int i = 0; i<STEP_MAX && * end> first; i++) {
		uint32_t max = blocks_now(c);
		struct extent part;

		if (max == 0)
			break;
		r = last_part(inode, first, *end, max, &part);
		if (r == 0 && part.count > 0)
			r = free_part(c, &part);
		if (r < 0)
			break;
		changed = changed || part.count > 0;
		*end = part.count > 0 ? part.first : first;
	}
	if (changed) { /* what is free now is the file's no more, whatever came then */
		int stored = ext4_inode_store(c->h, inode);

		if (stored < 0)
			ext4_damage(inode->fs, "inode %u: its extents cannot be stored",
				    inode->number);
		r = r < 0 ? r : stored;
	}
	task_lock_drop(&inode->map_lock);
	return r;
}

int ext4_unmap(struct ext4_inode *inode, uint32_t first, uint64_t end)
{
	uint32_t left = end < EXTENT_BLOCKS_END ? (uint32_t)end : EXTENT_BLOCKS_END;
	int r = ext4_writable(inode->fs);

	if (r == 0 && !(inode->flags & EXT4_EXTENTS_FL))
		return end < inode->size >> inode->fs->block_shift ? -EOPNOTSUPP
								   : indirect_unmap(inode, first);
	while (r == 0 && left > first) {
		struct journal_handle h;
		struct extent_change c = { .h = &h, .inode = inode, .promised = true };

		r = ext4_begin(inode->fs, extent_credits_unmap(inode), &h);
		if (r < 0)
			break;
		r = extent_unmap_some(&c, first, &left);
		inode->last_data_transaction = journal_handle_id(&h);
		journal_end(&h);
		/* Thousands of pieces must not keep the others waiting. */
		if (left > first)
			task_yield();
	}
	return r;
}

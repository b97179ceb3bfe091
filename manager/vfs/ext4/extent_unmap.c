#include "vfs/ext4/extent.h"

#include <errno.h>
#include <sys/stat.h>

#define STEP_MAX 256u /* extents that one handle frees, at most */

/* The last blocks in [first, end) that the file has. count 0: none. */
static int last_part(struct ext4_inode *inode, uint32_t first, uint32_t end, struct extent *ret)
	MAY_YIELD
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
	return 0;
}

static int free_part(const struct extent_change *c, const struct extent *part) MAY_YIELD
{
	const struct extent hole = { .first = part->first, .count = part->count };
	/* Their blocks stand in the journal; data of regular files does not. */
	bool metadata = S_ISDIR(c->inode->mode) || S_ISLNK(c->inode->mode);
	int r = extent_set(c, &hole);

	if (r < 0)
		return r;
	r = ext4_blocks_free(c->h, c->inode, part->physical, part->count, metadata);
	if (r < 0)
		ext4_damage(c->inode->fs, "inode %u: blocks are lost", c->inode->number);
	return r;
}

uint32_t extent_credits_unmap(const struct ext4_inode *inode)
{
	return extent_credits(inode) + ext4_credits_alloc(inode->fs, EXT4_EXTENT_LENGTH_MAX) + 1;
}

int extent_unmap_some(const struct extent_change *c, uint32_t first, uint32_t *end)
{
	struct ext4_inode *inode = c->inode;
	bool changed = false;
	int r = 0;

	task_lock_take(&inode->map_lock);
	for (unsigned int i = 0; i<STEP_MAX && * end> first; i++) {
		uint32_t need = extent_credits_unmap(inode);
		struct extent part;

		if (c->h->credits < need && journal_extend(c->h, need - c->h->credits) < 0)
			break;
		r = last_part(inode, first, *end, &part);
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

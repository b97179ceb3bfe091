/*
 * data_shift.c - ranges that are taken out of a file, or put in.
 *
 * What is dirty from there on is written first, then its pages are dropped: so only numbers of
 * blocks change, in the extent tree, and they do in one transaction if it can take them all.
 */
#include "vfs/ext4/data.h"
#include "vfs/ext4/extent.h"
#include "vfs/ext4/inside.h"

#include <errno.h>

struct shift {
	struct ext4_inode *inode;
	struct extent_shift extents;
	uint32_t first;	    /* block where the range begins */
	uint32_t unmap_end; /* left: blocks [first, unmap_end) are still there */
	uint64_t size;	    /* the file's, afterwards */
	bool split;	    /* right: no extent goes over `first` any more */
	bool moved;	    /* some blocks may have other numbers */
};

static void set_size(const struct shift *s)
{
	s->inode->size = s->size;
	s->inode->disk_size = s->size;
}

/* What meets now may be one extent. */
static int merge(const struct extent_change *c, const struct shift *s) MAY_YIELD
{
	uint32_t need = extent_credits(s->inode);
	struct extent e;
	int r;

	if (c->h->credits < need && journal_extend(c->h, need - c->h->credits) < 0)
		return 0;
	task_lock_take(&s->inode->map_lock);
	r = extent_look(s->inode, s->first, &e);
	if (r == 0 && e.kind != EXT4_HOLE && e.first == s->first)
		r = extent_set(c, &e);
	task_lock_drop(&s->inode->map_lock);
	return r;
}

static int step_left(const struct extent_change *c, struct shift *s) MAY_YIELD
{
	int r = 0;

	while (r == 0 && s->unmap_end > s->first) {
		uint32_t before = s->unmap_end;

		r = extent_unmap_some(c, s->first, &s->unmap_end);
		if (r == 0 && s->unmap_end == before)
			return 0; /* no credits: the next step */
	}
	if (r < 0)
		return r;
	r = extent_shift_some(c, &s->extents);
	if (r < 0 || !extent_shift_done(&s->extents))
		return r;
	set_size(s);
	return merge(c, s);
}

static int step_right(const struct extent_change *c, struct shift *s) MAY_YIELD
{
	int r = 0;

	if (!s->split) {
		task_lock_take(&s->inode->map_lock);
		r = extent_split(c, s->first);
		task_lock_drop(&s->inode->map_lock);
		if (r < 0)
			return r;
		/* Written blocks behind the file's end are damage, to e2fsck. */
		set_size(s);
		s->split = true;
	}
	return extent_shift_some(c, &s->extents);
}

/* All of it in one transaction, if one is large enough; else at least some of it. */
static int begin(const struct shift *s, struct journal_handle *h) MAY_YIELD
{
	uint32_t all;
	int r = extent_shift_credits(s->inode, s->first, s->unmap_end, &all);

	if (r == 0)
		r = ext4_begin(s->inode->fs, all, h);
	return r == -ENOSPC ? ext4_begin(s->inode->fs, extent_credits_unmap(s->inode), h) : r;
}

/* As much as one handle can take. */
static int step(struct shift *s) MAY_YIELD
{
	struct ext4_inode *inode = s->inode;
	struct journal_handle h;
	const struct extent_change c = { .h = &h, .inode = inode };
	int r = begin(s, &h), stored;

	if (r < 0)
		return r;
	r = s->extents.left ? step_left(&c, s) : step_right(&c, s);
	s->moved = s->moved || s->extents.left || s->split;
	/* The tree's root is in the inode; it may have changed even if no more could. */
	stored = ext4_inode_store(&h, inode);
	inode->last_data_transaction = journal_handle_id(&h);
	journal_end(&h);
	return r < 0 ? r : stored;
}

/* Neither pages nor I/O have to do with what is behind `offset`; inode->size is the disk's. */
static int clear_pages(struct ext4_inode *inode, uint64_t offset) MAY_YIELD
{
	uint64_t first = offset >> DATA_PAGE_SHIFT;
	int r = cache_sync(&inode->pages, first, UINT64_MAX);

	if (r == 0)
		cache_drop(&inode->pages, first, UINT64_MAX);
	return r;
}

/* Readers are kept out: what they read of a mapped file has to follow first. */
static int shift(struct shift *s, uint64_t offset) MAY_YIELD
{
	struct ext4_inode *inode = s->inode;
	int r = clear_pages(inode, offset);

	while (r == 0 && !(extent_shift_done(&s->extents) && s->inode->size == s->size)) {
		r = step(s);
		task_yield();
	}
	extent_runs_forget(inode);
	return r;
}

static int make_durable(struct ext4_inode *inode) MAY_YIELD
{
	struct journal *j = inode->fs->journal;

	return j ? journal_commit(j, inode->last_data_transaction) : 0;
}

int data_collapse(struct ext4_inode *inode, uint64_t offset, uint64_t size)
{
	unsigned int shift_bits = inode->fs->block_shift;
	uint32_t first = (uint32_t)(offset >> shift_bits);
	uint32_t end = (uint32_t)((offset + size) >> shift_bits);
	struct shift s = {
		.inode = inode,
		.extents = { .first = end, .count = end - first, .left = true },
		.first = first,
		.unmap_end = end,
		.size = inode->size - size,
	};
	int r;

	if (offset + size >= inode->size)
		return -EINVAL;
	extent_shift_begin(&s.extents);
	r = data_map_push(inode);
	if (r < 0)
		return r;
	data_change_begin(inode->data);
	r = shift(&s, offset);
	if (r == 0) {
		data_map_shift(inode, offset + size, offset);
		data_map_cut(inode, inode->size);
	} else if (s.moved) {
		data_map_reload(inode, offset);
	}
	data_change_end(inode->data);
	return r < 0 ? r : make_durable(inode);
}

static int insert(struct shift *s, uint64_t offset) MAY_YIELD
{
	struct ext4_inode *inode = s->inode;
	uint64_t size = (uint64_t)s->extents.count << inode->fs->block_shift;
	int r;

	data_change_begin(inode->data);
	r = shift(s, offset);
	if (r == 0) {
		data_map_shift(inode, offset, offset + size);
		data_map_zero(inode, offset, size);
	} else if (s->moved) {
		data_map_reload(inode, offset);
	}
	data_change_end(inode->data);
	return r;
}

int data_insert(struct ext4_inode *inode, uint64_t offset, uint64_t size)
{
	unsigned int shift_bits = inode->fs->block_shift;
	struct shift s = {
		.inode = inode,
		.extents = { .first = (uint32_t)(offset >> shift_bits),
			     .count = (uint32_t)(size >> shift_bits) },
		.first = (uint32_t)(offset >> shift_bits),
		.size = inode->size + size,
	};
	int r;

	if (size > data_size_max(inode) - inode->size)
		return -EFBIG;
	if (offset >= inode->size)
		return -EINVAL;
	extent_shift_begin(&s.extents);
	r = data_map_push(inode);
	if (r == 0)
		r = extent_shift_check(inode, &s.extents);
	if (r == 0)
		r = data_map_resize(inode, s.size);
	if (r < 0)
		return r;
	r = insert(&s, offset);
	if (r == -ENOSPC && !s.split) {
		data_make_room(inode);
		r = insert(&s, offset);
	}
	if (r < 0) /* clients must not reach behind the end */
		data_map_cut(inode, inode->size);
	return r < 0 ? r : make_durable(inode);
}

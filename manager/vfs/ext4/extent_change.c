#include "vfs/ext4/extent.h"

#include "vfs/ext4/alloc.h"

#include <errno.h>

/* Tries of one change: each makes room in one node more, from the leaf up to a new root. */
#define TRIES_MAX (4 * (EXT4_EXTENT_DEPTH_MAX + 1))

unsigned int extent_depth(const struct ext4_inode *inode)
{
	return extent_header_get(inode->block).depth;
}

uint32_t extent_credits(const struct ext4_inode *inode)
{
	/* On each level, and one that may be new: a node, its new half, bitmap and descriptor. */
	return 4 * (extent_depth(inode) + 2);
}

/* ---- what a leaf's entries become around a change. */

struct edit {
	struct extent list[5]; /* instead of `old` entries from `at` on */
	uint32_t count, at, old;
};

static uint32_t length_max(const struct extent *e)
{
	return EXT4_EXTENT_LENGTH_MAX - (e->kind == EXT4_UNWRITTEN ? 1 : 0);
}

/* Append, or merge with the last. */
static void edit_add(struct edit *edit, const struct extent *e)
{
	struct extent *last = edit->count > 0 ? &edit->list[edit->count - 1] : NULL;

	if (e->count == 0 || e->kind == EXT4_HOLE)
		return;
	if (last && last->kind == e->kind && extent_end(last) == e->first &&
	    last->physical + last->count == e->physical && last->count + e->count <= length_max(e))
		last->count += e->count;
	else
		edit->list[edit->count++] = *e;
}

/* The extent around the change: what stays before and behind it. */
static void cut(const struct extent *e, const struct extent *want, struct extent *before,
		struct extent *behind)
{
	uint32_t skip = (uint32_t)(extent_end(want) - e->first);

	*before = *e;
	before->count = want->first - e->first;
	*behind = *e;
	behind->first += skip;
	behind->physical += skip;
	behind->count -= skip;
}

static int edit_plan(const struct extent_path *path, const struct extent *want, struct edit *edit)
{
	const struct extent_level *leaf = &path->level[path->depth];
	struct extent around = { .count = 0 }, before = around, behind = around, next = around;
	uint32_t at = (uint32_t)(leaf->at + 1); /* first entry behind the change */
	bool inside = false;

	*edit = (struct edit){ .at = at };
	if (leaf->at >= 0) {
		extent_get(leaf->node, (uint32_t)leaf->at, &around);
		inside = want->first < extent_end(&around);
	}
	if (inside) {
		if (extent_end(want) > extent_end(&around))
			return -EUCLEAN;
		cut(&around, want, &before, &behind);
		edit->at = at - 1;
		edit->old = 1;
	}
	if (edit->at > 0) { /* the neighbour before */
		extent_get(leaf->node, edit->at - 1, &around);
		edit->at--;
		edit->old++;
		edit_add(edit, &around);
	}
	edit_add(edit, &before);
	edit_add(edit, want);
	edit_add(edit, &behind);
	if (at < leaf->header.entries) {
		extent_get(leaf->node, at, &next);
		if (next.first < extent_end(want))
			return -EUCLEAN;
		edit->old++;
		edit_add(edit, &next);
	}
	return 0;
}

/* ---- nodes. */

int extent_node_open(const struct extent_change *c, const struct extent_level *level) MAY_YIELD
{
	struct ext4_extent_header now;
	int r = level->page ? journal_get_write(c->h, level->page) : 0;

	if (r < 0)
		return r;
	now = extent_header_get(level->node);
	if (memcmp(&now, &level->header, sizeof(now)) == 0)
		return 0;
	return ext4_damage(c->inode->fs, "inode %u: another file has a node of its extents",
			   c->inode->number);
}

void extent_node_close(const struct extent_change *c, struct extent_level *level, uint32_t entries)
{
	level->header.entries = (uint16_t)entries;
	extent_header_put(level->node, &level->header);
	if (!level->page)
		return;
	extent_checksum_put(c->inode, level->node);
	journal_dirty(c->h, level->page);
}

static void move_entries(uint8_t *node, uint32_t from, uint32_t to, uint32_t count)
{
	memmove(node + (size_t)EXTENT_SIZE * (to + 1), node + (size_t)EXTENT_SIZE * (from + 1),
		(size_t)EXTENT_SIZE * count);
}

/* The nodes above `level` that say where it begins: from here up, as far as it is the first. */
static unsigned int keys_top(const struct extent_path *path, unsigned int level)
{
	while (level > 0 && path->level[level - 1].at == 0)
		level--;
	return level > 0 ? level - 1 : 0;
}

int extent_keys_open(const struct extent_change *c, const struct extent_path *path,
		     unsigned int level) MAY_YIELD
{
	for (unsigned int i = keys_top(path, level); i < level; i++) {
		int r = extent_node_open(c, &path->level[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

void extent_keys_set(const struct extent_change *c, struct extent_path *path, unsigned int level,
		     uint32_t key)
{
	for (unsigned int i = keys_top(path, level); i < level; i++) {
		struct extent_level *above = &path->level[i];

		extent_key_put(above->node, (uint32_t)above->at, key);
		extent_node_close(c, above, above->header.entries);
	}
}

/* ---- room. */

static int block_for_node(const struct extent_change *c, struct cache_page **ret_page,
			  uint64_t *ret_block) MAY_YIELD
{
	struct alloc_wish wish = { .count = 1, .promised = c->promised };
	uint64_t goal = c->inode->alloc_goal;
	int r = alloc_run(c->h, c->inode, &wish, ret_block);

	c->inode->alloc_goal = goal; /* that is about data */
	if (r < 0)
		return r;
	r = cache_get_new(&c->inode->fs->blocks, *ret_block, ret_page);
	if (r < 0)
		return r;
	cache_modify(*ret_page);
	r = journal_get_write(c->h, *ret_page);
	if (r < 0)
		cache_put(*ret_page);
	return r;
}

/* `from`'s entries [at, ...) begin a node of the same depth in `page`. */
static void node_fill(const struct extent_change *c, struct cache_page *page,
		      const struct extent_level *from, uint32_t at)
{
	struct ext4_extent_header header = {
		.magic = EXT4_EXTENT_MAGIC,
		.entries = (uint16_t)(from->header.entries - at),
		.entries_max = (uint16_t)extent_capacity(c->inode->fs),
		.depth = from->header.depth,
	};
	uint8_t *node = page->data;

	memset(node, 0, c->inode->fs->block_size);
	extent_header_put(node, &header);
	memcpy(node + EXTENT_SIZE, from->node + (size_t)EXTENT_SIZE * (at + 1),
	       (size_t)EXTENT_SIZE * header.entries);
	extent_checksum_put(c->inode, node);
	page->checked = EXT4_IS_EXTENTS;
	journal_dirty(c->h, page);
}

/* The root is full: its entries go to a block, which becomes its only child. */
static int grow(const struct extent_change *c, struct extent_path *path) MAY_YIELD
{
	struct extent_level *root = &path->level[0];
	struct cache_page *page;
	uint64_t block;
	int r;

	if (path->depth == EXT4_EXTENT_DEPTH_MAX)
		return -EFBIG;
	r = block_for_node(c, &page, &block);
	if (r < 0)
		return r;
	node_fill(c, page, root, 0);
	cache_put(page);
	extent_child_put(root->node, 0, extent_key(root->node, 0), block);
	root->header.depth++;
	extent_node_close(c, root, 1);
	return 0;
}

/*
 * Node `level` is full: part of it goes to a new node behind it. Half of it; but at the
 * file's end only the last entry, so that a file that grows leaves full nodes behind.
 */
static int split(const struct extent_change *c, struct extent_path *path, unsigned int level)
	MAY_YIELD
{
	struct extent_level *full = &path->level[level], *above = &path->level[level - 1];
	uint32_t entries = full->header.entries, keep = entries / 2, at = (uint32_t)above->at + 1;
	struct cache_page *page;
	uint64_t block;
	bool last = full->at == (int32_t)entries - 1;
	int r;

	for (unsigned int i = 0; i < level; i++)
		last = last && path->level[i].at == path->level[i].header.entries - 1;
	if (last)
		keep = entries - 1;
	r = block_for_node(c, &page, &block);
	if (r < 0)
		return r;
	r = extent_node_open(c, full);
	if (r == 0)
		r = extent_node_open(c, above);
	if (r < 0) {
		cache_put(page);
		return r;
	}
	node_fill(c, page, full, keep);
	cache_put(page);
	move_entries(above->node, at, at + 1, above->header.entries - at);
	extent_child_put(above->node, at, extent_key(full->node, keep), block);
	extent_node_close(c, full, keep);
	extent_node_close(c, above, above->header.entries + 1u);
	return 0;
}

/* One step towards room for more entries in the leaf. The path is then no longer true. */
static int make_room(const struct extent_change *c, struct extent_path *path) MAY_YIELD
{
	unsigned int level = path->depth;

	/* The lowest node above the leaf that has room takes the new half of its child. */
	while (level > 0 &&
	       path->level[level - 1].header.entries >= path->level[level - 1].header.entries_max)
		level--;
	return level > 0 ? split(c, path, level) : grow(c, path);
}

/* ---- a node without entries. */

/*
 * The leaf becomes empty: it goes, with all above it that have nothing else. An empty root is
 * a leaf. Nothing is freed before the tree is right again.
 */
static int remove_leaf(const struct extent_change *c, struct extent_path *path) MAY_YIELD
{
	uint64_t blocks[EXT4_EXTENT_DEPTH_MAX];
	unsigned int level = path->depth, count = 0;
	struct extent_level *above;
	uint32_t at;
	int r;

	do {
		blocks[count++] = path->level[level].page->index;
		level--;
	} while (level > 0 && path->level[level].header.entries == 1);
	above = &path->level[level];
	at = (uint32_t)above->at;
	r = extent_node_open(c, above);
	if (r == 0 && at == 0)
		r = extent_keys_open(c, path, level);
	if (r < 0)
		return r;
	move_entries(above->node, at + 1, at, above->header.entries - at - 1u);
	if (above->header.entries == 1)
		above->header.depth = 0; /* the root, as the loop has it */
	extent_node_close(c, above, above->header.entries - 1u);
	if (at == 0 && above->header.entries > 0)
		extent_keys_set(c, path, level, extent_key(above->node, 0));
	extent_path_put(path);
	for (unsigned int i = 0; i < count && r == 0; i++)
		r = ext4_blocks_free(c->h, c->inode, blocks[i], 1, true);
	if (r < 0)
		ext4_damage(c->inode->fs, "inode %u: blocks are lost", c->inode->number);
	return r;
}

static int edit_apply(const struct extent_change *c, struct extent_path *path,
		      const struct edit *edit) MAY_YIELD
{
	struct extent_level *leaf = &path->level[path->depth];
	uint32_t entries = leaf->header.entries, rest = entries - edit->at - edit->old;
	bool first = edit->at == 0 && path->depth > 0;
	int r = extent_node_open(c, leaf);

	if (r == 0 && first)
		r = extent_keys_open(c, path, path->depth);
	if (r < 0)
		return r;
	move_entries(leaf->node, edit->at + edit->old, edit->at + edit->count, rest);
	for (uint32_t i = 0; i < edit->count; i++)
		extent_put(leaf->node, edit->at + i, &edit->list[i]);
	extent_node_close(c, leaf, entries - edit->old + edit->count);
	if (first)
		extent_keys_set(c, path, path->depth, edit->list[0].first);
	return 0;
}

/* One try. 1: there is more room now, try again. */
static int set_once(const struct extent_change *c, const struct extent *want) MAY_YIELD
{
	struct extent_path path;
	struct edit edit;
	uint32_t entries, entries_max;
	int r = extent_find(c->inode, want->first, &path);

	if (r < 0)
		return r;
	entries = path.level[path.depth].header.entries;
	entries_max = path.level[path.depth].header.entries_max;
	r = edit_plan(&path, want, &edit);
	if (r < 0) {
		extent_path_put(&path);
		return ext4_damage(c->inode->fs, "inode %u: extents: no place for block %u",
				   c->inode->number, want->first);
	}
	entries += edit.count - edit.old;
	if (entries > entries_max) {
		r = make_room(c, &path);
		r = r < 0 ? r : 1;
	} else if (entries == 0 && path.depth > 0) {
		r = remove_leaf(c, &path);
	} else {
		r = edit_apply(c, &path, &edit);
	}
	extent_path_put(&path);
	return r;
}

/* As set_once(), for extent_split(). */
static int split_once(const struct extent_change *c, uint32_t at) MAY_YIELD
{
	struct edit edit = { .count = 2, .old = 1 };
	struct extent around = { .count = 0 };
	struct extent_path path;
	const struct extent_level *leaf;
	int r = extent_find(c->inode, at, &path);

	if (r < 0)
		return r;
	leaf = &path.level[path.depth];
	if (leaf->at >= 0)
		extent_get(leaf->node, (uint32_t)leaf->at, &around);
	if (around.first < at && at < extent_end(&around)) {
		const struct extent nothing = { .first = at };

		edit.at = (uint32_t)leaf->at;
		cut(&around, &nothing, &edit.list[0], &edit.list[1]);
		if (leaf->header.entries < leaf->header.entries_max) {
			r = edit_apply(c, &path, &edit);
		} else {
			r = make_room(c, &path);
			r = r < 0 ? r : 1;
		}
	}
	extent_path_put(&path);
	return r;
}

int extent_split(const struct extent_change *c, uint32_t at)
{
	int r = 1;

	for (unsigned int i = 0; r == 1 && i < TRIES_MAX; i++)
		r = split_once(c, at);
	extent_runs_forget(c->inode);
	return r == 1 ? -EUCLEAN : r;
}

int extent_set(const struct extent_change *c, const struct extent *want)
{
	bool reshaped = false;
	int r = 1;

	for (unsigned int i = 0; r == 1 && i < TRIES_MAX; i++) {
		r = set_once(c, want);
		reshaped = reshaped || r == 1;
	}
	extent_runs_forget(c->inode);
	/* The nodes that it got so far are the file's: else nobody would have them. */
	if (r < 0 && reshaped && ext4_inode_store(c->h, c->inode) < 0)
		ext4_damage(c->inode->fs, "inode %u: blocks are lost", c->inode->number);
	return r == 1 ? -EUCLEAN : r;
}

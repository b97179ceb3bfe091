/*
 * htree_change.c - the tree of a directory grows.
 *
 * Each change first gets the blocks it needs, with write access, which may yield; then makes
 * its changes without a yield: who reads meanwhile sees the tree before or after.
 */
#include "vfs/ext4/dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 4u /* a split of an index block, one of a leaf, and both once more */

/* A record of a leaf. */
struct part {
	uint32_t hash;
	uint16_t offset, size; /* size: what its name needs */
};

static int compare(const void *a, const void *b)
{
	const struct part *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

static uint32_t parts_max(const struct ext4 *fs)
{
	return fs->block_size / EXT4_DIRENT_SIZE(1);
}

static void take_hashes(const struct ext4 *fs, const struct cache_page *page, uint32_t version,
			struct part *parts, uint32_t count)
{
	struct ext4_name names[DIR_HASHES];
	struct dir_hash hashes[DIR_HASHES];

	for (uint32_t i = 0; i < count; i += DIR_HASHES) {
		uint32_t some = count - i < DIR_HASHES ? count - i : DIR_HASHES;

		for (uint32_t k = 0; k < some; k++) {
			const struct ext4_dirent *record =
				(const void *)((uint8_t *)page->data + parts[i + k].offset);

			names[k] = (struct ext4_name){ record->name, record->name_length };
		}
		dir_hashes(fs, version, names, some, hashes);
		for (uint32_t k = 0; k < some; k++)
			parts[i + k].hash = hashes[k].major;
	}
}

/* The names of a block, by hash. */
static uint32_t take_parts(const struct ext4 *fs, const struct cache_page *page, uint32_t version,
			   struct part *parts)
{
	const struct ext4_dirent *record;
	uint32_t count = 0;

	for (uint32_t offset = 0; (record = dir_record(fs, page, offset)) != NULL;
	     offset += record->size) {
		if (!record->number || dir_is_dots(record) || count == parts_max(fs))
			continue;
		parts[count++] = (struct part){
			.offset = (uint16_t)offset,
			.size = (uint16_t)EXT4_DIRENT_SIZE(record->name_length),
		};
	}
	take_hashes(fs, page, version, parts, count);
	if (count > 1)
		qsort(parts, count, sizeof(*parts), compare);
	return count;
}

/* Names of `from` (a copy of a block) fill `page`, one after the other. */
static void fill_block(struct ext4_inode *dir, struct cache_page *page, const uint8_t *from,
		       const struct part *parts, uint32_t count)
{
	struct ext4_dirent *record = NULL;
	uint32_t offset = 0;

	dir_block_clear(dir->fs, page);
	for (uint32_t i = 0; i < count; i++) {
		record = (struct ext4_dirent *)(void *)((uint8_t *)page->data + offset);
		memcpy(record, from + parts[i].offset, parts[i].size);
		record->size = parts[i].size;
		offset += parts[i].size;
	}
	if (record) /* the last one has what is left */
		record->size = (uint16_t)(record->size + (dir_room(dir->fs) - offset));
}

/* What is in memory about the names follows them to another block. */
static void follow(struct ext4_inode *dir, const uint8_t *from, const struct part *parts,
		   uint32_t count, const uint32_t old_and_new[2])
{
	for (uint32_t i = 0; i < count; i++) {
		const struct ext4_dirent *record =
			(const struct ext4_dirent *)(const void *)(from + parts[i].offset);
		struct ext4_name name = { record->name, record->name_length };

		index_remove(dir, &name, old_and_new[0]);
		index_add(dir, &name, old_and_new[1]);
	}
}

static struct ext4_index_count *count_of(const struct htree_level *level)
{
	return (struct ext4_index_count *)(void *)level->entries;
}

/* After the entry that the path takes. */
static void insert_entry(struct htree_level *level, uint32_t hash, uint32_t block)
{
	struct ext4_index_entry *at = &level->entries[level->at + 1];

	assert(level->count < level->limit);
	memmove(at + 1, at, (level->count - level->at - 1) * sizeof(*at));
	*at = (struct ext4_index_entry){ hash, block };
	level->count++;
	count_of(level)->count = (uint16_t)level->count;
}

/* ---- a leaf becomes two. */

struct split {
	struct ext4_inode *dir;
	struct cache_page *old_leaf, *new_leaf;
	uint32_t old_block, new_block;
	uint8_t *copy; /* of the old leaf */
	struct part *parts;
	uint32_t count, kept; /* the first `kept` parts stay */
};

/* About half of the bytes move, from the highest hash down; at least one name does, not all. */
static uint32_t kept_of(const struct split *s)
{
	uint32_t half = s->dir->fs->block_size / 2, moved = 0, kept = s->count;

	while (kept > 1 && moved + s->parts[kept - 1].size / 2u <= half)
		moved += s->parts[--kept].size;
	return kept == s->count ? s->count - 1 : kept;
}

static void move_names(struct journal_handle *h, struct split *s, struct htree_path *path)
{
	const uint32_t blocks[2] = { s->old_block, s->new_block };
	struct htree_level *level = &path->level[path->depth - 1];
	const struct part *moved = s->parts + s->kept;
	/* Bit 0: names with this hash are in the block before as well. */
	uint32_t goes_on = moved[0].hash == moved[-1].hash;

	fill_block(s->dir, s->new_leaf, s->copy, moved, s->count - s->kept);
	fill_block(s->dir, s->old_leaf, s->copy, s->parts, s->kept);
	insert_entry(level, moved[0].hash + goes_on, s->new_block);
	dir_block_store(h, s->dir, s->new_leaf);
	dir_block_store(h, s->dir, s->old_leaf);
	htree_store(h, s->dir, level->page, path->depth == 1);
	follow(s->dir, s->copy, moved, s->count - s->kept, blocks);
	index_gap(s->dir, s->old_block, dir_block_gap(s->dir->fs, s->old_leaf));
	index_gap(s->dir, s->new_block, dir_block_gap(s->dir->fs, s->new_leaf));
}

static int split_with(struct journal_handle *h, struct split *s, struct htree_path *path) MAY_YIELD
{
	int r = journal_get_write(h, s->old_leaf);

	if (r == 0)
		r = journal_get_write(h, path->level[path->depth - 1].page);
	if (r == 0)
		r = dir_append(h, s->dir, &s->new_block, &s->new_leaf);
	if (r < 0)
		return r;
	memcpy(s->copy, s->old_leaf->data, s->dir->fs->block_size);
	s->count = take_parts(s->dir->fs, s->old_leaf, path->version, s->parts);
	if (s->count < 2) {
		r = ext4_damage(s->dir->fs, "directory %u: a block is full of nothing",
				s->dir->number);
	} else {
		s->kept = kept_of(s);
		move_names(h, s, path);
	}
	cache_put(s->new_leaf);
	return r;
}

static int split_leaf(struct journal_handle *h, struct ext4_inode *dir, struct htree_path *path,
		      struct cache_page *leaf) MAY_YIELD
{
	struct split s = { .dir = dir, .old_leaf = leaf, .old_block = path->leaf };
	int r = -ENOMEM;

	s.copy = malloc(dir->fs->block_size);
	s.parts = malloc(parts_max(dir->fs) * sizeof(*s.parts));
	if (s.copy && s.parts)
		r = split_with(h, &s, path);
	free(s.copy);
	free(s.parts);
	return r;
}

/* ---- an index block becomes two, or the root gets a level below it. */

static struct ext4_index_entry *make_node(const struct ext4 *fs, struct cache_page *page,
					  uint32_t count)
{
	struct ext4_dirent *cover = page->data;
	struct ext4_index_entry *entries =
		(struct ext4_index_entry *)(void *)((uint8_t *)page->data +
						    EXT4_INDEX_NODE_ENTRIES);

	memset(page->data, 0, fs->block_size);
	cover->size = (uint16_t)fs->block_size;
	*(struct ext4_index_count *)(void *)entries = (struct ext4_index_count){
		.limit = (uint16_t)htree_limit(fs, false),
		.count = (uint16_t)count,
	};
	page->checked = ext4_has_checksums(fs) ? EXT4_IS_INDEX_NODE : EXT4_IS_NAMES;
	return entries;
}

/* Entries from..count-1 of `level` become those of a new index block. */
static void move_entries(const struct ext4 *fs, struct htree_level *level, uint32_t from,
			 struct cache_page *page)
{
	uint32_t count = level->count - from;
	struct ext4_index_entry *entries = make_node(fs, page, count);

	entries[0].block = level->entries[from].block;
	memcpy(entries + 1, level->entries + from + 1, (count - 1) * sizeof(*entries));
	level->count = from;
	count_of(level)->count = (uint16_t)from;
}

static int split_node(struct journal_handle *h, struct ext4_inode *dir, struct htree_path *path)
	MAY_YIELD
{
	struct htree_level *node = &path->level[path->depth - 1];
	struct htree_level *above = &path->level[path->depth - 2];
	uint32_t half = node->count / 2, hash = node->entries[half].hash, block;
	struct cache_page *page;
	int r = journal_get_write(h, node->page);

	if (r == 0)
		r = journal_get_write(h, above->page);
	if (r == 0)
		r = dir_append(h, dir, &block, &page);
	if (r < 0)
		return r;
	move_entries(dir->fs, node, half, page);
	insert_entry(above, hash, block);
	htree_store(h, dir, page, false);
	htree_store(h, dir, node->page, false);
	htree_store(h, dir, above->page, path->depth == 2);
	index_gap(dir, block, 0);
	dir->changes++;
	cache_put(page);
	return 0;
}

static int add_level(struct journal_handle *h, struct ext4_inode *dir, struct htree_path *path)
	MAY_YIELD
{
	struct htree_level *root = &path->level[0];
	struct ext4_index_info *info;
	struct cache_page *page;
	uint32_t block;
	int r = journal_get_write(h, root->page);

	if (r == 0)
		r = dir_append(h, dir, &block, &page);
	if (r < 0)
		return r;
	move_entries(dir->fs, root, 0, page);
	count_of(root)->count = 1;
	root->entries[0].block = block;
	info = (struct ext4_index_info *)(void *)((uint8_t *)root->page->data +
						  EXT4_INDEX_ROOT_INFO);
	info->levels++;
	htree_store(h, dir, page, false);
	htree_store(h, dir, root->page, true);
	index_gap(dir, block, 0);
	dir->changes++;
	cache_put(page);
	return 0;
}

/* The lowest index block takes one more entry, now or after another look at the tree. */
static int grow_index(struct journal_handle *h, struct ext4_inode *dir, struct htree_path *path)
	MAY_YIELD
{
	if (path->depth == 1)
		return add_level(h, dir, path);
	/* A third level is another format (large_dir). */
	if (path->level[path->depth - 2].count == path->level[path->depth - 2].limit)
		return -ENOSPC;
	return split_node(h, dir, path);
}

/* One step towards room for the name: 1 when there is. */
static int step(struct journal_handle *h, struct ext4_inode *dir, const struct ext4_name *name,
		struct htree_path *path, struct cache_page **ret) MAY_YIELD
{
	const struct htree_level *lowest = &path->level[path->depth - 1];
	struct cache_page *leaf;
	int r = dir_block(dir, path->leaf, &leaf);

	if (r < 0)
		return r;
	if (leaf->checked != EXT4_IS_NAMES) {
		r = ext4_damage(dir->fs, "directory %u: its index leads to itself", dir->number);
	} else if (dir_block_gap(dir->fs, leaf) >= EXT4_DIRENT_SIZE(name->len)) {
		r = journal_get_write(h, leaf);
		if (r == 0 && dir_block_gap(dir->fs, leaf) < EXT4_DIRENT_SIZE(name->len))
			r = ext4_damage(dir->fs, "directory %u shares a block with another",
					dir->number);
		if (r == 0) {
			*ret = leaf;
			return 1;
		}
	} else if (lowest->count == lowest->limit) {
		r = grow_index(h, dir, path);
	} else {
		r = split_leaf(h, dir, path, leaf);
	}
	cache_put(leaf);
	return r;
}

int htree_make_room(struct journal_handle *h, struct ext4_inode *dir, const struct ext4_name *name,
		    uint32_t *ret_logical, struct cache_page **ret)
{
	struct dir_hash hash;
	uint32_t version;
	int r = htree_version(dir, &version);

	if (r < 0)
		return r;
	dir_hash(dir->fs, version, name, &hash);
	for (uint32_t i = 0; i < TRIES; i++) {
		struct htree_path path;

		r = htree_walk(dir, hash.major, &path);
		if (r < 0)
			return r;
		r = step(h, dir, name, &path, ret);
		*ret_logical = path.leaf;
		htree_path_put(&path);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return ext4_damage(dir->fs, "directory %u: its index cannot be split", dir->number);
}

/* ---- the first tree of a directory. */

static void make_root(struct ext4_inode *dir, struct cache_page *page, uint32_t parent,
		      uint32_t leaf)
{
	const struct ext4 *fs = dir->fs;
	const uint8_t type = fs->feature_incompat & EXT4_INCOMPAT_FILETYPE ? EXT4_TYPE_DIRECTORY
									   : EXT4_TYPE_UNKNOWN;
	uint8_t *raw = page->data;
	struct ext4_dirent *dot = (struct ext4_dirent *)(void *)raw;
	struct ext4_dirent *dotdot = (struct ext4_dirent *)(void *)(raw + 12);
	struct ext4_index_info *info =
		(struct ext4_index_info *)(void *)(raw + EXT4_INDEX_ROOT_INFO);
	struct ext4_index_entry *entries =
		(struct ext4_index_entry *)(void *)(raw + EXT4_INDEX_ROOT_ENTRIES);

	memset(raw, 0, fs->block_size);
	*dot = (struct ext4_dirent){
		.number = dir->number, .size = 12, .name_length = 1, .type = type
	};
	dot->name[0] = '.';
	*dotdot = (struct ext4_dirent){
		.number = parent,
		.size = (uint16_t)(fs->block_size - 12),
		.name_length = 2,
		.type = type,
	};
	memcpy(dotdot->name, "..", 2);
	info->hash_version = (uint8_t)fs->hash_version;
	info->size = sizeof(*info);
	*(struct ext4_index_count *)(void *)entries = (struct ext4_index_count){
		.limit = (uint16_t)htree_limit(fs, true),
		.count = 1,
	};
	entries[0].block = leaf;
	page->checked = EXT4_IS_INDEX_ROOT;
}

static int begin_with(struct journal_handle *h, struct split *s) MAY_YIELD
{
	struct ext4_inode *dir = s->dir;
	const uint32_t blocks[2] = { 0, 1 };
	const struct ext4_dirent *dotdot;
	uint32_t parent;
	int r = journal_get_write(h, s->old_leaf);

	if (r == 0)
		r = dir_append(h, dir, &s->new_block, &s->new_leaf);
	if (r < 0)
		return r;
	memcpy(s->copy, s->old_leaf->data, dir->fs->block_size);
	dotdot = (const struct ext4_dirent
			  *)(const void *)(s->copy + ((struct ext4_dirent *)(void *)s->copy)->size);
	parent = dotdot->number;
	s->count = take_parts(dir->fs, s->old_leaf, dir_hash_version(dir->fs), s->parts);
	fill_block(dir, s->new_leaf, s->copy, s->parts, s->count);
	make_root(dir, s->old_leaf, parent, s->new_block);
	dir->flags |= EXT4_INDEX_FL;
	dir_block_store(h, dir, s->new_leaf);
	htree_store(h, dir, s->old_leaf, true);
	follow(dir, s->copy, s->parts, s->count, blocks);
	dir->changes++;
	index_gap(dir, 0, 0);
	index_gap(dir, 1, dir_block_gap(dir->fs, s->new_leaf));
	cache_put(s->new_leaf);
	return ext4_inode_store(h, dir);
}

int htree_begin(struct journal_handle *h, struct ext4_inode *dir)
{
	struct split s = { .dir = dir };
	int r = dir_block(dir, 0, &s.old_leaf);

	if (r < 0)
		return r;
	r = -ENOMEM;
	s.copy = malloc(dir->fs->block_size);
	s.parts = malloc(parts_max(dir->fs) * sizeof(*s.parts));
	if (s.copy && s.parts)
		r = begin_with(h, &s);
	free(s.copy);
	free(s.parts);
	cache_put(s.old_leaf);
	return r;
}

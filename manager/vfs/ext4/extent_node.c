#include "vfs/ext4/extent.h"

#include <errno.h>

uint32_t extent_capacity(const struct ext4 *fs)
{
	/* What is left over, 4 or 8 bytes, is the place of the checksum. */
	return fs->block_size / EXTENT_SIZE - 1;
}

struct ext4_extent_header extent_header_get(const uint8_t *node)
{
	struct ext4_extent_header header;

	memcpy(&header, node, sizeof(header));
	return header;
}

void extent_header_put(uint8_t *node, const struct ext4_extent_header *header)
{
	memcpy(node, header, sizeof(*header));
}

/* The root stands in the inode at an odd place: entries are copied, not pointed to. */
static size_t offset_of(uint32_t index)
{
	return ((size_t)index + 1) * EXTENT_SIZE;
}

uint32_t extent_key(const uint8_t *node, uint32_t index)
{
	uint32_t key;

	memcpy(&key, node + offset_of(index), sizeof(key));
	return key;
}

void extent_key_put(uint8_t *node, uint32_t index, uint32_t key)
{
	memcpy(node + offset_of(index), &key, sizeof(key));
}

void extent_get(const uint8_t *leaf, uint32_t index, struct extent *ret)
{
	struct ext4_extent e;
	bool unwritten;

	memcpy(&e, leaf + offset_of(index), sizeof(e));
	unwritten = e.length > EXT4_EXTENT_LENGTH_MAX;
	*ret = (struct extent){
		.first = e.logical,
		.count = unwritten ? e.length - EXT4_EXTENT_LENGTH_MAX : e.length,
		.physical = (uint64_t)e.start_high << 32 | e.start_low,
		.kind = unwritten ? EXT4_UNWRITTEN : EXT4_MAPPED,
	};
}

void extent_put(uint8_t *leaf, uint32_t index, const struct extent *e)
{
	uint32_t mark = e->kind == EXT4_UNWRITTEN ? EXT4_EXTENT_LENGTH_MAX : 0;
	struct ext4_extent raw = {
		.logical = e->first,
		.length = (uint16_t)(e->count + mark),
		.start_high = (uint16_t)(e->physical >> 32),
		.start_low = (uint32_t)e->physical,
	};

	memcpy(leaf + offset_of(index), &raw, sizeof(raw));
}

uint64_t extent_child(const uint8_t *node, uint32_t index)
{
	struct ext4_extent_index e;

	memcpy(&e, node + offset_of(index), sizeof(e));
	return (uint64_t)e.child_high << 32 | e.child_low;
}

void extent_child_put(uint8_t *node, uint32_t index, uint32_t key, uint64_t child)
{
	struct ext4_extent_index raw = {
		.logical = key,
		.child_low = (uint32_t)child,
		.child_high = (uint16_t)(child >> 32),
	};

	memcpy(node + offset_of(index), &raw, sizeof(raw));
}

static uint32_t checksum_of(const struct ext4_inode *inode, const uint8_t *node, uint32_t max)
{
	return ext4_crc32c(inode->checksum_seed, node, offset_of(max));
}

void extent_checksum_put(const struct ext4_inode *inode, uint8_t *node)
{
	uint32_t max = extent_header_get(node).entries_max;
	uint32_t sum;

	if (!ext4_has_checksums(inode->fs))
		return;
	sum = checksum_of(inode, node, max);
	memcpy(node + offset_of(max), &sum, sizeof(sum));
}

bool extent_blocks_valid(const struct ext4_inode *inode, uint64_t block, uint64_t count)
{
	const struct ext4 *fs = inode->fs;

	if (inode->number != EXT4_JOURNAL_NUMBER)
		return ext4_block_valid(fs, block, count);
	/* Its blocks are where no other file may have any. */
	return block >= fs->first_block && block < fs->block_count &&
	       count <= fs->block_count - block;
}

/* ---- checks. Each answers NULL, or what is wrong. */

static const char *check_header(const struct ext4_inode *inode, const struct extent_level *level,
				unsigned int depth)
{
	const struct ext4_extent_header *header = &level->header;
	uint32_t max = header->entries_max;

	if (header->magic != EXT4_EXTENT_MAGIC)
		return "no magic number";
	if (header->depth != depth)
		return "wrong depth";
	if (header->entries > max)
		return "more entries than there is room for";
	if (depth > 0 && header->entries == 0)
		return "an empty index";
	if (!level->page)
		return max == EXT4_EXTENTS_IN_INODE ? NULL : "a root of odd size";
	if (max > extent_capacity(inode->fs) || max < EXT4_EXTENTS_IN_INODE)
		return "a node of odd size";
	return NULL;
}

static const char *check_checksum(const struct ext4_inode *inode, const struct extent_level *level)
{
	uint32_t max = level->header.entries_max, sum;

	if (!level->page || !ext4_has_checksums(inode->fs))
		return NULL;
	memcpy(&sum, level->node + offset_of(max), sizeof(sum));
	return sum == checksum_of(inode, level->node, max) ? NULL : "wrong checksum";
}

static const char *check_leaf(const struct ext4_inode *inode, const struct extent_level *level)
{
	uint64_t from = level->first;

	for (uint32_t i = 0; i < level->header.entries; i++) {
		struct extent e;

		extent_get(level->node, i, &e);
		if (e.count == 0 || e.first < from || extent_end(&e) > level->end)
			return "extents out of order";
		if (level->page && i == 0 && e.first != level->first)
			return "a leaf that begins elsewhere than its parent says";
		if (!extent_blocks_valid(inode, e.physical, e.count))
			return "data where none can be";
		from = extent_end(&e);
	}
	return NULL;
}

static const char *check_index(const struct ext4_inode *inode, const struct extent_level *level)
{
	uint64_t from = level->first;

	for (uint32_t i = 0; i < level->header.entries; i++) {
		uint32_t key = extent_key(level->node, i);

		if (key < from || key >= level->end)
			return "entries out of order";
		if (level->page && i == 0 && key != level->first)
			return "an index that begins elsewhere than its parent says";
		if (!extent_blocks_valid(inode, extent_child(level->node, i), 1))
			return "a node where none can be";
		from = (uint64_t)key + 1;
	}
	return NULL;
}

static int check_node(const struct ext4_inode *inode, const struct extent_level *level,
		      unsigned int depth)
{
	const char *wrong = check_header(inode, level, depth);

	/* The rest once, after it was read: our own changes keep it true. */
	if (!wrong && level->page && level->page->checked == EXT4_IS_EXTENTS)
		return 0;
	if (!wrong)
		wrong = check_checksum(inode, level);
	if (!wrong)
		wrong = depth > 0 ? check_index(inode, level) : check_leaf(inode, level);
	if (!wrong) {
		if (level->page)
			level->page->checked = EXT4_IS_EXTENTS;
		return 0;
	}
	return ext4_damage(inode->fs, "inode %u: extents: block %llu: %s", inode->number,
			   level->page ? (unsigned long long)level->page->index : 0, wrong);
}

/* The last entry that does not begin after `logical`; -1: all do. */
static int32_t search(const struct extent_level *level, uint32_t logical)
{
	uint32_t low = 0, high = level->header.entries;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (extent_key(level->node, middle) <= logical)
			low = middle + 1;
		else
			high = middle;
	}
	return (int32_t)low - 1;
}

/* Go from an index to the child its `at` says. */
static int descend(struct ext4_inode *inode, const struct extent_level *from,
		   struct extent_level *to) MAY_YIELD
{
	uint32_t at = (uint32_t)from->at, next = at + 1;
	int r;

	to->first = extent_key(from->node, at);
	to->end = next < from->header.entries ? extent_key(from->node, next) : from->end;
	r = cache_get(&inode->fs->blocks, extent_child(from->node, at), &to->page);
	if (r < 0)
		return r;
	to->node = to->page->data;
	to->header = extent_header_get(to->node);
	return 0;
}

int extent_find(struct ext4_inode *inode, uint32_t logical, struct extent_path *ret)
{
	struct extent_level *level = &ret->level[0];
	unsigned int i = 0;
	int r;

	*level = (struct extent_level){
		.node = inode->block,
		.header = extent_header_get(inode->block),
		.end = EXTENT_BLOCKS_END,
	};
	ret->depth = level->header.depth;
	if (ret->depth > EXT4_EXTENT_DEPTH_MAX) {
		ret->depth = 0;
		return ext4_damage(inode->fs, "inode %u: extents: too deep", inode->number);
	}
	for (;;) {
		r = check_node(inode, level, ret->depth - i);
		if (r < 0)
			break;
		level->at = search(level, logical);
		if (i == ret->depth)
			return 0;
		if (level->at < 0) /* before all: the first leaf is where it would be */
			level->at = 0;
		r = descend(inode, level, level + 1);
		if (r < 0)
			break;
		level++;
		i++;
	}
	ret->depth = i;
	extent_path_put(ret);
	return r;
}

void extent_path_put(struct extent_path *path)
{
	for (unsigned int i = 1; i <= path->depth; i++)
		cache_put(path->level[i].page);
	path->depth = 0;
}

void extent_around(const struct extent_path *path, uint32_t logical, struct extent *ret)
{
	const struct extent_level *leaf = &path->level[path->depth];
	uint32_t next = (uint32_t)(leaf->at + 1);
	uint64_t from = leaf->first, end = leaf->end;

	if (leaf->at >= 0) {
		extent_get(leaf->node, (uint32_t)leaf->at, ret);
		if (logical < extent_end(ret))
			return;
		from = extent_end(ret);
	} else if (logical < from) {
		from = logical; /* before the first leaf: what is before it, nobody looked at */
	}
	if (next < leaf->header.entries)
		end = extent_key(leaf->node, next);
	*ret = (struct extent){
		.first = (uint32_t)from,
		.count = (uint32_t)(end - from),
		.kind = EXT4_HOLE,
	};
}

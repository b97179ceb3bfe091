#include "vfs/ext4/dir.h"

#include <errno.h>
#include <string.h>

#define BLOCK_MASK 0x0fffffffu /* of an entry's block: the rest is not used */
#define DOT_SIZE 12u

static struct ext4_index_info *info_of(const struct cache_page *page)
{
	return (struct ext4_index_info *)(void *)((uint8_t *)page->data + EXT4_INDEX_ROOT_INFO);
}

static uint32_t entries_offset(bool is_root)
{
	return is_root ? EXT4_INDEX_ROOT_ENTRIES : EXT4_INDEX_NODE_ENTRIES;
}

static struct ext4_index_entry *entries_of(const struct cache_page *page, bool is_root)
{
	return (struct ext4_index_entry *)(void *)((uint8_t *)page->data + entries_offset(is_root));
}

static struct ext4_index_count *count_of(const struct cache_page *page, bool is_root)
{
	return (struct ext4_index_count *)(void *)entries_of(page, is_root);
}

uint32_t htree_limit(const struct ext4 *fs, bool is_root)
{
	uint32_t room = fs->block_size - entries_offset(is_root);

	if (ext4_has_checksums(fs))
		room -= (uint32_t)sizeof(struct ext4_index_tail);
	return room / (uint32_t)sizeof(struct ext4_index_entry);
}

static uint32_t checksum_of(const struct ext4_inode *dir, const struct cache_page *page,
			    bool is_root)
{
	const struct ext4_index_count *count = count_of(page, is_root);
	uint32_t used = entries_offset(is_root) +
			count->count * (uint32_t)sizeof(struct ext4_index_entry);
	const struct ext4_index_tail tail = { 0, 0 };
	uint32_t crc = ext4_crc32c(dir->checksum_seed, page->data, used);

	return ext4_crc32c(crc, &tail, sizeof(tail));
}

static struct ext4_index_tail *tail_of(const struct ext4 *fs, const struct cache_page *page,
				       bool is_root)
{
	return (struct ext4_index_tail *)(void *)(entries_of(page, is_root) +
						  htree_limit(fs, is_root));
}

/* As many entries as its count says are inside the block. */
static bool table_fits(const struct ext4 *fs, const struct cache_page *page, bool is_root)
{
	const struct ext4_index_count *count = count_of(page, is_root);

	return count->limit == htree_limit(fs, is_root) && count->count >= 1 &&
	       count->count <= count->limit;
}

static const char *check_table(const struct ext4_inode *dir, const struct cache_page *page,
			       bool is_root)
{
	const struct ext4_index_tail *tail = tail_of(dir->fs, page, is_root);

	if (!table_fits(dir->fs, page, is_root))
		return "an index of impossible size";
	if (ext4_has_checksums(dir->fs) && tail->checksum != checksum_of(dir, page, is_root))
		return "an index with a wrong checksum";
	return NULL;
}

static bool root_fits(const struct ext4_inode *dir, const struct cache_page *page)
{
	const struct ext4_dirent *dot = page->data;
	const struct ext4_dirent *dotdot =
		(const struct ext4_dirent *)(void *)((uint8_t *)page->data + DOT_SIZE);
	const struct ext4_index_info *info = info_of(page);
	uint32_t levels = dir->fs->feature_incompat & EXT4_INCOMPAT_LARGEDIR ? 2 : 1;

	return dot->number == dir->number && dot->size == DOT_SIZE && dot->name_length == 1 &&
	       dot->name[0] == '.' && dotdot->number != 0 &&
	       dotdot->number <= dir->fs->inode_count &&
	       dotdot->size == dir->fs->block_size - DOT_SIZE && dotdot->name_length == 2 &&
	       dotdot->name[0] == '.' && dotdot->name[1] == '.' && info->zero == 0 &&
	       info->size == sizeof(*info) && info->hash_version < 2 * EXT4_HASH_UNSIGNED &&
	       info->levels <= levels;
}

const char *htree_check_root(const struct ext4_inode *dir, const struct cache_page *page)
{
	return root_fits(dir, page) ? check_table(dir, page, true)
				    : "an impossible root of an index";
}

const char *htree_check_node(const struct ext4_inode *dir, const struct cache_page *page)
{
	return check_table(dir, page, false);
}

void htree_store(struct journal_handle *h, const struct ext4_inode *dir, struct cache_page *page,
		 bool is_root)
{
	if (ext4_has_checksums(dir->fs)) {
		struct ext4_index_tail *tail = tail_of(dir->fs, page, is_root);

		tail->zero = 0;
		tail->checksum = checksum_of(dir, page, is_root);
	}
	journal_dirty(h, page);
}

/* ---- ways through the tree. */

void htree_path_put(struct htree_path *path)
{
	for (uint32_t i = 0; i < path->depth; i++)
		cache_put(path->level[i].page);
	path->depth = 0;
}

/* The version that a directory uses: what its root says, signed or not as the superblock says. */
static uint32_t version_of(const struct ext4 *fs, const struct cache_page *root)
{
	uint32_t version = info_of(root)->hash_version;

	return version < EXT4_HASH_UNSIGNED && fs->hash_unsigned ? version + EXT4_HASH_UNSIGNED
								 : version;
}

/* The last entry whose hash is not after `hash`. */
static uint32_t search(const struct htree_level *level, uint32_t hash)
{
	uint32_t low = 1, high = level->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (level->entries[middle].hash > hash)
			high = middle;
		else
			low = middle + 1;
	}
	return low - 1;
}

/* An index block of the path; its page is put on failure. */
static int enter_level(struct ext4_inode *dir, struct htree_path *path, uint32_t hash,
		       struct cache_page *page)
{
	bool is_root = path->depth == 0;
	struct htree_level *level = &path->level[path->depth];
	const struct ext4_dirent *cover = page->data;

	/* What another directory may have done to a shared block is looked for each time. */
	if (is_root ? !root_fits(dir, page) || !table_fits(dir->fs, page, true)
		    : cover->number != 0 || cover->size != dir->fs->block_size ||
			      !table_fits(dir->fs, page, false)) {
		cache_put(page);
		return ext4_damage(dir->fs, "directory %u: its index is broken", dir->number);
	}
	level->page = page;
	level->entries = entries_of(page, is_root);
	level->limit = count_of(page, is_root)->limit;
	level->count = count_of(page, is_root)->count;
	level->at = search(level, hash);
	path->depth++;
	return 0;
}

static uint32_t child_of(const struct htree_level *level)
{
	return level->entries[level->at].block & BLOCK_MASK;
}

int htree_walk(struct ext4_inode *dir, uint32_t hash, struct htree_path *ret)
{
	struct cache_page *page;
	uint32_t levels = 0;
	uint32_t block = 0;
	int r;

	ret->depth = 0;
	do {
		r = dir_block(dir, block, &page);
		if (r == 0)
			r = enter_level(dir, ret, hash, page);
		if (r < 0)
			break;
		if (block == 0) {
			levels = info_of(page)->levels;
			ret->version = version_of(dir->fs, page);
		}
		block = child_of(&ret->level[ret->depth - 1]);
		if (block == 0 || block >= dir_block_count(dir)) {
			r = ext4_damage(dir->fs, "directory %u: its index leads nowhere",
					dir->number);
			break;
		}
	} while (ret->depth <= levels);
	if (r < 0)
		htree_path_put(ret);
	ret->leaf = block;
	return r;
}

int htree_version(struct ext4_inode *dir, uint32_t *ret)
{
	struct cache_page *page;
	int r;

	if (!dir_has_tree(dir)) {
		*ret = dir_hash_version(dir->fs);
		return 0;
	}
	r = dir_block(dir, 0, &page);
	if (r < 0)
		return r;
	*ret = version_of(dir->fs, page);
	cache_put(page);
	return 0;
}

/* Where the block after the leaf begins; 0: there is none. */
static uint32_t next_hash(const struct htree_path *path)
{
	for (uint32_t i = path->depth; i-- > 0;) {
		const struct htree_level *level = &path->level[i];

		if (level->at + 1 < level->count)
			return level->entries[level->at + 1].hash;
	}
	return 0;
}

int htree_leaf(struct ext4_inode *dir, uint32_t hash, uint32_t *ret_logical, uint32_t *ret_next)
{
	struct htree_path path = { .depth = 0 };
	uint32_t changes;
	int r;

	/* While a walk waits for a block, one above may be split: it does not say who is next. */
	do {
		htree_path_put(&path);
		changes = dir->changes;
		r = htree_walk(dir, hash, &path);
		if (r < 0)
			return r;
	} while (changes != dir->changes);
	*ret_logical = path.leaf;
	*ret_next = next_hash(&path);
	/* Whoever goes from leaf to leaf comes forward. */
	if (*ret_next && *ret_next <= hash)
		r = ext4_damage(dir->fs, "directory %u: its index is out of order", dir->number);
	htree_path_put(&path);
	return r;
}

int htree_find(struct ext4_inode *dir, const struct ext4_name *name, uint32_t *ret_number,
	       uint32_t *ret_block)
{
	uint32_t changes = dir->changes, version, next;
	struct dir_hash hash;
	int r = htree_version(dir, &version);

	if (r < 0)
		return r;
	dir_hash(dir->fs, version, name, &hash);
	next = hash.major;
	do {
		const struct ext4_dirent *record = NULL;
		struct cache_page *page;
		uint32_t block;

		r = htree_leaf(dir, next, &block, &next);
		if (r == 0)
			r = dir_block(dir, block, &page);
		if (r < 0)
			return r;
		if (page->checked == EXT4_IS_NAMES)
			record = dir_block_find(dir->fs, page, name, NULL);
		if (record) {
			*ret_number = record->number;
			*ret_block = block;
		}
		cache_put(page);
		if (record)
			return 0;
		if (changes != dir->changes)
			return -EAGAIN;
	} while (next == (hash.major | 1));
	return -ENOENT;
}

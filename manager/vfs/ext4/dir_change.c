#include "vfs/ext4/dir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCKS_CHANGED 6u /* of names and index, the inode, and what splits them */

uint32_t ext4_credits_dir(const struct ext4_inode *dir)
{
	/* At most a leaf and an index block are split. */
	return BLOCKS_CHANGED + 2 * ext4_credits_map(dir, 1);
}

static uint8_t type_of(const struct ext4_inode *inode)
{
	if (!(inode->fs->feature_incompat & EXT4_INCOMPAT_FILETYPE))
		return EXT4_TYPE_UNKNOWN;
	switch (inode->mode & S_IFMT) {
	case S_IFREG:
		return EXT4_TYPE_REGULAR;
	case S_IFDIR:
		return EXT4_TYPE_DIRECTORY;
	case S_IFCHR:
		return EXT4_TYPE_CHARACTER;
	case S_IFBLK:
		return EXT4_TYPE_BLOCK;
	case S_IFIFO:
		return EXT4_TYPE_FIFO;
	case S_IFSOCK:
		return EXT4_TYPE_SOCKET;
	case S_IFLNK:
		return EXT4_TYPE_LINK;
	default:
		return EXT4_TYPE_UNKNOWN;
	}
}

int dir_append(struct journal_handle *h, struct ext4_inode *dir, uint32_t *ret_logical,
	       struct cache_page **ret)
{
	struct ext4 *fs = dir->fs;
	uint32_t logical = dir_block_count(dir);
	struct cache_page *page;
	struct ext4_run run;
	int r = ext4_map_create(h, dir, logical, 1, false, &run);

	if (r < 0)
		return r;
	r = cache_get_new(&fs->blocks, run.physical, &page);
	if (r < 0)
		return ext4_half_done(fs, r);
	r = journal_get_write(h, page);
	if (r == 0) {
		/* Before the directory has it: somebody may be reading the directory. */
		dir_block_clear(fs, page);
		dir_block_store(h, dir, page);
		dir->size += fs->block_size;
		dir->disk_size = dir->size;
		r = ext4_inode_store(h, dir);
	}
	if (r < 0) {
		cache_put(page);
		return ext4_half_done(fs, r);
	}
	*ret_logical = logical;
	*ret = page;
	return 0;
}

/* ---- adding. */

/* Into a block that has room, of which we have write access. */
static void add_here(struct journal_handle *h, struct ext4_inode *dir, const struct ext4_name *name,
		     const struct ext4_inode *inode, struct cache_page *page, uint32_t logical)
{
	const struct ext4_dirent what = { .number = inode->number, .type = type_of(inode) };
	bool added = dir_block_add(dir->fs, page, name, &what);

	assert(added);
	dir_block_store(h, dir, page);
	index_add(dir, name, logical);
	index_gap(dir, logical, dir_block_gap(dir->fs, page));
}

/* A block of a directory without a tree that has a gap; UINT32_MAX: none. */
static int find_gap(struct ext4_inode *dir, uint32_t size, uint32_t *ret) MAY_YIELD
{
	*ret = UINT32_MAX;
	if (dir->names) {
		*ret = index_find_gap(dir, size);
		return 0;
	}
	for (uint32_t block = 0; block < dir_block_count(dir) && *ret == UINT32_MAX; block++) {
		struct cache_page *page;
		int r = dir_block(dir, block, &page);

		if (r < 0)
			return r;
		if (dir_block_gap(dir->fs, page) >= size)
			*ret = block;
		cache_put(page);
	}
	return 0;
}

/* A block with room, with write access; 1: a tree is needed first. */
static int linear_room(struct journal_handle *h, struct ext4_inode *dir,
		       const struct ext4_name *name, uint32_t *ret_logical, struct cache_page **ret)
	MAY_YIELD
{
	uint32_t logical;
	int r = find_gap(dir, EXT4_DIRENT_SIZE(name->len), &logical);

	if (r < 0)
		return r;
	if (logical == UINT32_MAX) {
		if (dir->fs->feature_compat & EXT4_COMPAT_DIR_INDEX && dir_block_count(dir) == 1)
			return 1;
		return dir_append(h, dir, ret_logical, ret);
	}
	*ret_logical = logical;
	r = dir_block(dir, logical, ret);
	if (r < 0)
		return r;
	r = journal_get_write(h, *ret);
	/* Another damaged directory may have taken the room: it shares the block. */
	if (r == 0 && dir_block_gap(dir->fs, *ret) < EXT4_DIRENT_SIZE(name->len))
		r = ext4_damage(dir->fs, "directory %u shares a block with another", dir->number);
	if (r < 0)
		cache_put(*ret);
	return r;
}

int ext4_dir_add(struct journal_handle *h, struct ext4_inode *dir, const struct ext4_name *name,
		 const struct ext4_inode *inode)
{
	struct cache_page *page;
	uint32_t logical;
	int r = 1;

	if (name->len == 0 || name->len > EXT4_NAME_MAX)
		return -ENAMETOOLONG;
	if (!dir_has_tree(dir))
		r = linear_room(h, dir, name, &logical, &page);
	if (r == 1 && !dir_has_tree(dir)) {
		r = htree_begin(h, dir);
		if (r < 0)
			return r;
		r = 1;
	}
	if (r == 1)
		r = htree_make_room(h, dir, name, &logical, &page);
	if (r < 0)
		return r;
	add_here(h, dir, name, inode, page, logical);
	cache_put(page);
	return 0;
}

/* ---- removing and setting. */

/* The record of a name, with write access to its block. */
static int find_record(struct journal_handle *h, struct ext4_inode *dir,
		       const struct ext4_name *name, uint32_t *ret_block, struct cache_page **ret)
	MAY_YIELD
{
	uint32_t number;
	int r = dir_find_where(dir, name, &number, ret_block);

	if (r == -ENOENT)
		return ext4_damage(dir->fs, "directory %u lost a name", dir->number);
	if (r == 0)
		r = dir_block(dir, *ret_block, ret);
	if (r < 0)
		return r;
	r = journal_get_write(h, *ret);
	if (r == 0 &&
	    ((*ret)->checked != EXT4_IS_NAMES || !dir_block_find(dir->fs, *ret, name, NULL)))
		r = ext4_damage(dir->fs, "directory %u lost a name", dir->number);
	if (r < 0)
		cache_put(*ret);
	return r;
}

int ext4_dir_remove(struct journal_handle *h, struct ext4_inode *dir, const struct ext4_name *name,
		    uint32_t number)
{
	struct ext4_dirent *record, *before = NULL;
	struct cache_page *page;
	uint32_t block;
	int r = find_record(h, dir, name, &block, &page);

	if (r < 0)
		return r;
	record = dir_block_find(dir->fs, page, name, &before);
	if (record->number != number) {
		r = ext4_damage(dir->fs, "directory %u has another inode for a name", dir->number);
	} else {
		dir_block_remove(record, before);
		dir_block_store(h, dir, page);
		index_remove(dir, name, block);
		index_gap(dir, block, dir_block_gap(dir->fs, page));
	}
	cache_put(page);
	return r;
}

/* ".." is in the first block, which may be the root of a tree. */
static int set_parent(struct journal_handle *h, struct ext4_inode *dir,
		      const struct ext4_inode *parent) MAY_YIELD
{
	struct ext4_dirent *dot;
	struct cache_page *page;
	int r = dir_block(dir, 0, &page);

	if (r < 0)
		return r;
	r = journal_get_write(h, page);
	if (r == 0) {
		dot = page->data;
		dot = (struct ext4_dirent *)(void *)((uint8_t *)page->data +
						     (dir_has_tree(dir) ? 12 : dot->size));
		dot->number = parent->number;
		if (dir_has_tree(dir))
			htree_store(h, dir, page, true);
		else
			dir_block_store(h, dir, page);
	}
	cache_put(page);
	return r;
}

int ext4_dir_set(struct journal_handle *h, struct ext4_inode *dir, const struct ext4_name *name,
		 const struct ext4_inode *inode)
{
	struct ext4_dirent *record;
	struct cache_page *page;
	uint32_t block;
	int r;

	if (name->len == 2 && name->text[0] == '.' && name->text[1] == '.')
		return set_parent(h, dir, inode);
	r = find_record(h, dir, name, &block, &page);
	if (r < 0)
		return r;
	record = dir_block_find(dir->fs, page, name, NULL);
	record->number = inode->number;
	record->type = type_of(inode);
	dir_block_store(h, dir, page);
	dir->changes++;
	cache_put(page);
	return 0;
}

int ext4_dir_init(struct journal_handle *h, struct ext4_inode *dir, const struct ext4_inode *parent)
{
	const struct ext4_name dot = { ".", 1 }, dotdot = { "..", 2 };
	const struct ext4_dirent self = { .number = dir->number, .type = type_of(dir) };
	const struct ext4_dirent above = { .number = parent->number, .type = type_of(dir) };
	struct cache_page *page;
	uint32_t logical;
	int r = dir_append(h, dir, &logical, &page);

	if (r < 0)
		return r;
	dir_block_add(dir->fs, page, &dot, &self);
	dir_block_add(dir->fs, page, &dotdot, &above);
	dir_block_store(h, dir, page);
	cache_put(page);
	return 0;
}

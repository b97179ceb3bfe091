#include "vfs/ext4/dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DOTS_END 24u /* "." and "..", 12 bytes each */

uint32_t dir_block_count(const struct ext4_inode *dir)
{
	return (uint32_t)(dir->size >> dir->fs->block_shift);
}

uint32_t dir_room(const struct ext4 *fs)
{
	return fs->block_size -
	       (ext4_has_checksums(fs) ? (uint32_t)sizeof(struct ext4_dir_tail) : 0);
}

bool dir_has_tree(const struct ext4_inode *dir)
{
	return dir->flags & EXT4_INDEX_FL && dir->fs->feature_compat & EXT4_COMPAT_DIR_INDEX;
}

/* ---- checking a block. */

static struct ext4_dirent *at(const struct cache_page *page, uint32_t offset)
{
	return (struct ext4_dirent *)(void *)((uint8_t *)page->data + offset);
}

static uint32_t names_checksum(const struct ext4_inode *dir, const struct cache_page *page)
{
	return ext4_crc32c(dir->checksum_seed, page->data, dir_room(dir->fs));
}

static struct ext4_dir_tail *tail_of(const struct ext4 *fs, const struct cache_page *page)
{
	return (struct ext4_dir_tail *)(void *)((uint8_t *)page->data + dir_room(fs));
}

static const char *check_tail(const struct ext4_inode *dir, const struct cache_page *page)
{
	const struct ext4_dir_tail *tail = tail_of(dir->fs, page);

	if (tail->zero || tail->size != sizeof(*tail) || tail->zero_length ||
	    tail->type != EXT4_DIR_TAIL_TYPE)
		return "a block without a checksum";
	return tail->checksum == names_checksum(dir, page) ? NULL : "a block with a wrong checksum";
}

/* The first block begins with the directory itself and its parent. */
static bool has_dots(const struct ext4_inode *dir, const struct cache_page *page)
{
	const struct ext4_dirent *dot = dir_record(dir->fs, page, 0), *dotdot;

	if (!dot || dot->number != dir->number || dot->name_length != 1 || dot->name[0] != '.')
		return false;
	dotdot = dir_record(dir->fs, page, dot->size);
	return dotdot && dotdot->number && dotdot->name_length == 2 && dotdot->name[0] == '.' &&
	       dotdot->name[1] == '.';
}

static const char *check_names(const struct ext4_inode *dir, const struct cache_page *page)
{
	const struct ext4 *fs = dir->fs;
	const struct ext4_dirent *record;

	if (ext4_has_checksums(fs)) {
		const char *what = check_tail(dir, page);

		if (what)
			return what;
	}
	for (uint32_t offset = 0; offset < dir_room(fs); offset += record->size) {
		record = dir_record(fs, page, offset);
		if (!record)
			return "a record of impossible size";
		if (record->number > fs->inode_count)
			return "a name of an impossible inode";
		if (record->number &&
		    (record->name_length == 0 || memchr(record->name, '/', record->name_length) ||
		     memchr(record->name, '\0', record->name_length)))
			return "an impossible name";
	}
	return NULL;
}

/*
 * In a tree an index block looks like one unused record; a block of names has its tail. Without
 * checksums it may be an empty block of names as well: as such it is harmless, and htree.c
 * looks for itself.
 */
static uint8_t kind_of(const struct ext4_inode *dir, uint32_t logical,
		       const struct cache_page *page)
{
	if (!dir_has_tree(dir))
		return EXT4_IS_NAMES;
	if (logical == 0)
		return EXT4_IS_INDEX_ROOT;
	if (ext4_has_checksums(dir->fs) && at(page, 0)->number == 0 &&
	    at(page, 0)->size == dir->fs->block_size)
		return EXT4_IS_INDEX_NODE;
	return EXT4_IS_NAMES;
}

static int check(struct ext4_inode *dir, uint32_t logical, struct cache_page *page)
{
	uint8_t kind = kind_of(dir, logical, page);
	const char *what = NULL;

	if (page->checked != kind) {
		if (kind == EXT4_IS_NAMES)
			what = check_names(dir, page);
		else if (kind == EXT4_IS_INDEX_ROOT)
			what = htree_check_root(dir, page);
		else
			what = htree_check_node(dir, page);
	}
	if (!what && logical == 0 && !has_dots(dir, page) && kind == EXT4_IS_NAMES)
		what = "no . or no ..";
	if (what)
		return ext4_damage(dir->fs, "directory %u, block %u: %s", dir->number, logical,
				   what);
	page->checked = kind;
	return 0;
}

int dir_block(struct ext4_inode *dir, uint32_t logical, struct cache_page **ret)
{
	struct cache_page *page;
	struct ext4_run run;
	int r;

	if (logical >= dir_block_count(dir))
		return ext4_damage(dir->fs, "directory %u has no block %u", dir->number, logical);
	r = ext4_map(dir, logical, 1, &run);
	if (r < 0)
		return r;
	if (run.kind != EXT4_MAPPED)
		return ext4_damage(dir->fs, "directory %u has a hole at block %u", dir->number,
				   logical);
	r = cache_get(&dir->fs->blocks, run.physical, &page);
	if (r < 0)
		return r;
	r = check(dir, logical, page);
	if (r < 0)
		cache_put(page);
	else
		*ret = page;
	return r;
}

void dir_read_ahead(struct ext4_inode *dir, uint32_t logical)
{
	struct cache_map *blocks = &dir->fs->blocks;
	uint32_t first = logical - logical % DIR_AHEAD, count = dir_block_count(dir) - first;
	struct cache_page *page;
	struct ext4_run run;

	if (count > DIR_AHEAD)
		count = DIR_AHEAD;
	if (count < 2 || ext4_map(dir, logical, 1, &run) < 0 || run.kind != EXT4_MAPPED)
		return;
	page = cache_find(blocks, run.physical);
	cache_put(page);
	if (page || ext4_map(dir, first, count, &run) < 0 || run.kind != EXT4_MAPPED)
		return;
	cache_read_ahead(blocks, run.physical, run.count < count ? run.count : count);
}

/* ---- one block of names. */

/* Names of one directory are often equally long, and differ at their ends. */
static bool is_named(const struct ext4_dirent *record, const struct ext4_name *name)
{
	uint32_t len = name->len;

	return record->name_length == len && len > 0 && record->number &&
	       record->name[len - 1] == name->text[len - 1] &&
	       memcmp(record->name, name->text, len) == 0;
}

struct ext4_dirent *dir_block_find(const struct ext4 *fs, const struct cache_page *page,
				   const struct ext4_name *name, struct ext4_dirent **ret_before)
{
	struct ext4_dirent *record, *before = NULL;
	uint32_t end = dir_room(fs);

	for (uint32_t offset = 0; (record = dir_record_in(page->data, end, offset)) != NULL;
	     offset += record->size) {
		if (is_named(record, name)) {
			if (ret_before)
				*ret_before = before;
			return record;
		}
		before = record;
	}
	return NULL;
}

/* Bytes after the name of a record, or all of an unused one. */
static uint32_t gap_of(const struct ext4_dirent *record)
{
	return record->number ? record->size - EXT4_DIRENT_SIZE(record->name_length) : record->size;
}

uint32_t dir_block_gap(const struct ext4 *fs, const struct cache_page *page)
{
	const struct ext4_dirent *record;
	uint32_t gap = 0, end = dir_room(fs);

	for (uint32_t offset = 0; (record = dir_record_in(page->data, end, offset)) != NULL;
	     offset += record->size)
		if (gap_of(record) > gap)
			gap = gap_of(record);
	return gap;
}

bool dir_block_add(const struct ext4 *fs, struct cache_page *page, const struct ext4_name *name,
		   const struct ext4_dirent *what)
{
	uint32_t wanted = EXT4_DIRENT_SIZE(name->len);
	struct ext4_dirent *record;

	for (uint32_t offset = 0; (record = dir_record(fs, page, offset)) != NULL;
	     offset += record->size) {
		if (gap_of(record) < wanted)
			continue;
		if (record->number) {
			uint32_t kept = EXT4_DIRENT_SIZE(record->name_length);
			struct ext4_dirent *rest = at(page, offset + kept);

			rest->size = (uint16_t)(record->size - kept);
			record->size = (uint16_t)kept;
			record = rest;
		}
		record->number = what->number;
		record->type = what->type;
		record->name_length = (uint8_t)name->len;
		memcpy(record->name, name->text, name->len);
		return true;
	}
	return false;
}

void dir_block_remove(struct ext4_dirent *record, struct ext4_dirent *before)
{
	uint16_t size = record->size;

	/* The name does not stay for whoever reads the disk. */
	memset(record, 0, EXT4_DIRENT_SIZE(record->name_length));
	record->size = size;
	if (before)
		before->size = (uint16_t)(before->size + size);
}

void dir_block_clear(const struct ext4 *fs, struct cache_page *page)
{
	memset(page->data, 0, fs->block_size);
	at(page, 0)->size = (uint16_t)dir_room(fs);
	if (ext4_has_checksums(fs)) {
		struct ext4_dir_tail *tail = tail_of(fs, page);

		tail->size = sizeof(*tail);
		tail->type = EXT4_DIR_TAIL_TYPE;
	}
	page->checked = EXT4_IS_NAMES;
}

void dir_block_store(struct journal_handle *h, const struct ext4_inode *dir,
		     struct cache_page *page)
{
	if (ext4_has_checksums(dir->fs))
		tail_of(dir->fs, page)->checksum = names_checksum(dir, page);
	journal_dirty(h, page);
}

/* ---- finding. */

/* Names that do not go through hashes. */
static int find_dots(struct ext4_inode *dir, const struct ext4_name *name, uint32_t *ret_number)
	MAY_YIELD
{
	const struct ext4_dirent *record;
	struct cache_page *page;
	int r = dir_block(dir, 0, &page);

	if (r < 0)
		return r;
	/* In the root of a tree the second one reaches to the block's end: no dir_record(). */
	record = at(page, 0);
	if (name->len == 2)
		record = at(page, page->checked == EXT4_IS_NAMES ? record->size : DOTS_END / 2);
	*ret_number = record->number;
	cache_put(page);
	return *ret_number ? 0 : -ENOENT;
}

static int find_linear(struct ext4_inode *dir, const struct ext4_name *name, uint32_t *ret_number,
		       uint32_t *ret_block) MAY_YIELD
{
	for (uint32_t block = 0; block < dir_block_count(dir); block++) {
		const struct ext4_dirent *record = NULL;
		struct cache_page *page;
		int r = dir_block(dir, block, &page);

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
	}
	return -ENOENT;
}

/* dir->names, if it is worth it. */
static int need_index(struct ext4_inode *dir) MAY_YIELD
{
	bool mine = dir->lock.owner == task_self();
	int r = 0;

	if (dir->names || !index_pays(dir))
		return 0;
	if (!mine)
		task_lock_take(&dir->lock);
	if (!dir->names)
		r = index_build(dir);
	if (!mine)
		task_lock_drop(&dir->lock);
	return r == -ENOMEM ? 0 : r; /* there are slower ways */
}

int dir_find_where(struct ext4_inode *dir, const struct ext4_name *name, uint32_t *ret_number,
		   uint32_t *ret_block)
{
	uint32_t changes;
	int r;

	for (;;) {
		r = need_index(dir);
		if (r < 0)
			return r;
		changes = dir->changes;
		if (dir->names) {
			r = index_find(dir, name, ret_number, ret_block);
		} else {
			dir->finds++;
			r = dir_has_tree(dir) ? htree_find(dir, name, ret_number, ret_block)
					      : find_linear(dir, name, ret_number, ret_block);
		}
		/* A name may have moved from a block not yet seen to one seen already. */
		if (r != -EAGAIN && (r != -ENOENT || changes == dir->changes))
			return r;
	}
}

int ext4_dir_find(struct ext4_inode *dir, const struct ext4_name *name, uint32_t *ret_number)
{
	uint32_t block;

	if (name->len == 0)
		return -ENOENT;
	if (name->len > EXT4_NAME_MAX)
		return -ENAMETOOLONG;
	if (name->text[0] == '.' && (name->len == 1 || (name->len == 2 && name->text[1] == '.')))
		return find_dots(dir, name, ret_number);
	return dir_find_where(dir, name, ret_number, &block);
}

int ext4_dir_empty(struct ext4_inode *dir)
{
	for (uint32_t block = 0; block < dir_block_count(dir); block++) {
		const struct ext4_dirent *record;
		struct cache_page *page;
		bool names = false;
		int r;

		if (dir->names)
			return index_names(dir) == 0 ? 0 : -ENOTEMPTY;
		r = dir_block(dir, block, &page);
		if (r < 0)
			return r;
		for (uint32_t offset = 0; page->checked == EXT4_IS_NAMES &&
					  (record = dir_record(dir->fs, page, offset)) != NULL;
		     offset += record->size)
			names |= record->number && !dir_is_dots(record);
		cache_put(page);
		if (names)
			return -ENOTEMPTY;
	}
	return 0;
}

void ext4_dir_forget(struct ext4_inode *dir)
{
	index_drop(dir);
	listings_forget(dir);
}

#ifndef VFS_EXT4_DIR_H
#define VFS_EXT4_DIR_H
/*
 * dir.h - names in directories: the parts of it, to each other. Layer: vfs/ext4.
 *
 *     dir.c       blocks of records: find, add, remove in one block
 *     readdir.c   listings, in an order that stays; the rest of one waits for its reader
 *     dirhash.c   all names of a directory by hash, in memory: which block has the name
 *     htree.c     the tree on the disk: which block must have a name with this hash
 *     hash.c      the hashes of the tree
 *
 * Hostile  a block is checked when it is read (cache_page.checked says as what), and each
 *          record again when it is used: another damaged directory may share the block.
 * Limit    EXT4_LISTINGS rests of listings a file system; with more readers, and after each change
 *          of the directory, the block is read and put in order again.
 * Thread   scheduler thread only.
 *
 * Way down: ext4_dir_find (dir.c) -> index_find (dirhash.c) -> dir_block -> ext4_map, cache_get.
 */
#include "vfs/ext4/inside.h"

#define DIR_NODE_LEVELS_MAX 2u /* the root, and index blocks below it */

/* ---- dir.c: blocks. */
uint32_t dir_block_count(const struct ext4_inode *dir);
/* Bytes of a block that records fill. */
uint32_t dir_room(const struct ext4 *fs);
/* Is it "." or ".."? */
static inline bool dir_is_dots(const struct ext4_dirent *record)
{
	return record->name[0] == '.' &&
	       (record->name_length == 1 || (record->name_length == 2 && record->name[1] == '.'));
}
bool dir_has_tree(const struct ext4_inode *dir);
/* A block of the directory, checked; pinned. -EUCLEAN if it is none. */
MUST_USE int dir_block(struct ext4_inode *dir, uint32_t logical, struct cache_page **ret) MAY_YIELD;
/* Ask for this block and those around it that lie in a row with it, unless it is there. */
#define DIR_AHEAD 32u
void dir_read_ahead(struct ext4_inode *dir, uint32_t logical) MAY_YIELD;
/* The record at `offset` of a block's first `end` bytes; NULL if none can be there. */
static inline struct ext4_dirent *dir_record_in(void *block, uint32_t end, uint32_t offset)
{
	struct ext4_dirent *record;

	if (offset % 4 || offset + sizeof(*record) > end)
		return NULL;
	record = (struct ext4_dirent *)(void *)((uint8_t *)block + offset);
	if (record->size % 4 || record->size < sizeof(*record) || record->size > end - offset)
		return NULL;
	if (record->number && record->size < EXT4_DIRENT_SIZE(record->name_length))
		return NULL;
	return record;
}
static inline struct ext4_dirent *dir_record(const struct ext4 *fs, const struct cache_page *page,
					     uint32_t offset)
{
	return dir_record_in(page->data, dir_room(fs), offset);
}
/* The record with this name and the one before it (NULL: it is the first). */
struct ext4_dirent *dir_block_find(const struct ext4 *fs, const struct cache_page *page,
				   const struct ext4_name *name, struct ext4_dirent **ret_before);
/* Largest name that fits into a record of the block: bytes free, after a record or in one. */
uint32_t dir_block_gap(const struct ext4 *fs, const struct cache_page *page);
/* Into a gap. False: no room. */
bool dir_block_add(const struct ext4 *fs, struct cache_page *page, const struct ext4_name *name,
		   const struct ext4_dirent *what);
void dir_block_remove(struct ext4_dirent *record, struct ext4_dirent *before);
/* One record, unused, and the tail. */
void dir_block_clear(const struct ext4 *fs, struct cache_page *page);
/* Checksum, then dirty, of a block of names. */
void dir_block_store(struct journal_handle *h, const struct ext4_inode *dir,
		     struct cache_page *page);
/* Any name but "." and "..", and the block that has it. -ENOENT. */
MUST_USE int dir_find_where(struct ext4_inode *dir, const struct ext4_name *name,
			    uint32_t *ret_number, uint32_t *ret_block) MAY_YIELD;
/* A new last block of the directory, with write access and without names. */
MUST_USE int dir_append(struct journal_handle *h, struct ext4_inode *dir, uint32_t *ret_logical,
			struct cache_page **ret) MAY_YIELD;

/* ---- dirhash.c: names in memory. Each may find dir->names gone after a yield. */
/* Is it worth the memory and a look at all blocks? */
bool index_pays(const struct ext4_inode *dir);
void index_drop(struct ext4_inode *dir);
/* Read all names; dir->lock is held. -ENOMEM also if it would be too large. */
MUST_USE int index_build(struct ext4_inode *dir) MAY_YIELD;
/* The block with the name. -EAGAIN: the directory changed meanwhile. */
MUST_USE int index_find(struct ext4_inode *dir, const struct ext4_name *name, uint32_t *ret_number,
			uint32_t *ret_block) MAY_YIELD;
/* A block has another name, one less, another gap. No effect without dir->names. */
void index_add(struct ext4_inode *dir, const struct ext4_name *name, uint32_t block);
void index_remove(struct ext4_inode *dir, const struct ext4_name *name, uint32_t block);
void index_gap(struct ext4_inode *dir, uint32_t block, uint32_t gap);
/* The first block with such a gap; UINT32_MAX: none. dir->names is there. */
uint32_t index_find_gap(const struct ext4_inode *dir, uint32_t size);
uint64_t index_names(const struct ext4_inode *dir); /* tests: how many */

/* ---- readdir.c: names that a reader has not taken yet go with the directory. */
void listings_forget(struct ext4_inode *dir);

/* ---- hash.c. */
struct dir_hash {
	uint32_t major, minor;
};
/* version: EXT4_HASH_*, with EXT4_HASH_UNSIGNED added if so. False: not known. */
bool dir_hash(const struct ext4 *fs, uint32_t version, const struct ext4_name *name,
	      struct dir_hash *ret);
/* The same of up to DIR_HASHES names, in little more time than of one. */
#define DIR_HASHES 8u
void dir_hashes(const struct ext4 *fs, uint32_t version, const struct ext4_name *names,
		unsigned int count, struct dir_hash *ret);
uint32_t dir_hash_version(const struct ext4 *fs); /* for new trees */

/* ---- htree.c. */
const char *htree_check_root(const struct ext4_inode *dir, const struct cache_page *page);
const char *htree_check_node(const struct ext4_inode *dir, const struct cache_page *page);

/* An index block and the entry of it that leads on. */
struct htree_level {
	struct cache_page *page;	  /* pinned */
	struct ext4_index_entry *entries; /* of the page; the first has limit and count */
	uint32_t limit, count, at;
};
struct htree_path {
	uint32_t version; /* of the hash */
	uint32_t depth;	  /* levels in use, the root's too */
	struct htree_level level[1 + DIR_NODE_LEVELS_MAX];
	uint32_t leaf;
};
/* The way to the block for names with this hash. */
MUST_USE int htree_walk(struct ext4_inode *dir, uint32_t hash, struct htree_path *ret) MAY_YIELD;
void htree_path_put(struct htree_path *path);
/* Version that the directory's names are hashed with. */
MUST_USE int htree_version(struct ext4_inode *dir, uint32_t *ret) MAY_YIELD;
/*
 * The block for names with this hash, and the hash from which on the next block has names
 * (bit 0: it goes on with the same hash); 0: there is no next.
 */
MUST_USE int htree_leaf(struct ext4_inode *dir, uint32_t hash, uint32_t *ret_logical,
			uint32_t *ret_next) MAY_YIELD;
/* Look for the name by the tree. -ENOENT, or -EAGAIN: the directory changed meanwhile. */
MUST_USE int htree_find(struct ext4_inode *dir, const struct ext4_name *name, uint32_t *ret_number,
			uint32_t *ret_block) MAY_YIELD;
uint32_t htree_limit(const struct ext4 *fs, bool is_root);
/* Checksum, then dirty, of an index block. */
void htree_store(struct journal_handle *h, const struct ext4_inode *dir, struct cache_page *page,
		 bool is_root);

/* ---- htree_change.c. dir->lock is held. */
/* A block where the name fits, with write access; blocks are split for it. */
MUST_USE int htree_make_room(struct journal_handle *h, struct ext4_inode *dir,
			     const struct ext4_name *name, uint32_t *ret_logical,
			     struct cache_page **ret) MAY_YIELD;
/* The only block of the directory is full: make it a tree. */
MUST_USE int htree_begin(struct journal_handle *h, struct ext4_inode *dir) MAY_YIELD;

#endif /* VFS_EXT4_DIR_H */

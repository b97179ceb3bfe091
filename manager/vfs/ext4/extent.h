#ifndef VFS_EXT4_EXTENT_H
#define VFS_EXT4_EXTENT_H
/*
 * extent.h - the extent tree of one file: its parts, to each other. Layer: vfs/ext4.
 *
 *     level 0       the root, in the inode: at most 4 entries
 *     level 1..     index nodes, one block each
 *     level depth   a leaf: extents in order, none overlapping
 *
 * An entry of an index begins exactly where the first entry of its child does.
 *
 * Owner    the caller holds map_lock; a path pins its blocks until extent_path_put().
 * Hostile  a node is checked when it was read: its checksum, all that is in it, and that it
 *          stays inside what its parent says; each time: its header. What a lookup finds is
 *          checked again, and an edit looks whether its node is still what it was (another
 *          damaged file may share it).
 * Thread   scheduler thread only.
 *
 * Way down: ext4_map, ext4_map_create (extent.c) -> extent_set (extent_change.c) ->
 * extent_find (extent_node.c) -> cache.
 */
#include "vfs/ext4/ext4.h"

#include <string.h>

#define EXTENT_SIZE 12u		     /* of a header and of each kind of entry */
#define EXTENT_BLOCKS_END UINT32_MAX /* no block of a file has this number or a higher one */

/* A run of a file's blocks, holes too. */
struct extent {
	uint32_t first, count;
	uint64_t physical;
	enum ext4_run_kind kind;
};

static inline uint64_t extent_end(const struct extent *e)
{
	return (uint64_t)e->first + e->count;
}

struct extent_level {
	struct cache_page *page; /* pinned; NULL: the root */
	uint8_t *node;
	struct ext4_extent_header header; /* as it was found */
	int32_t at;	     /* the last entry not after the block looked for; -1: none */
	uint64_t first, end; /* the blocks that this node may speak of */
};

struct extent_path {
	unsigned int depth;
	struct extent_level level[EXT4_EXTENT_DEPTH_MAX + 1];
};

/* ---- extent_node.c: nodes and their entries. */
uint32_t extent_capacity(const struct ext4 *fs); /* entries of a block */
void extent_header_put(uint8_t *node, const struct ext4_extent_header *header);
struct ext4_extent_header extent_header_get(const uint8_t *node);
/* First block of an entry of either kind. */
uint32_t extent_key(const uint8_t *node, uint32_t index);
void extent_key_put(uint8_t *node, uint32_t index, uint32_t key);
void extent_get(const uint8_t *leaf, uint32_t index, struct extent *ret);
void extent_put(uint8_t *leaf, uint32_t index, const struct extent *e);
uint64_t extent_child(const uint8_t *node, uint32_t index);
void extent_child_put(uint8_t *node, uint32_t index, uint32_t key, uint64_t child);
/* May the inode have these blocks? */
bool extent_blocks_valid(const struct ext4_inode *inode, uint64_t block, uint64_t count);
void extent_checksum_put(const struct ext4_inode *inode, uint8_t *node);

/* The way to the leaf where `logical` is or would be. 0, -EUCLEAN, -EIO, -ENOMEM. */
MUST_USE int extent_find(struct ext4_inode *inode, uint32_t logical, struct extent_path *ret)
	MAY_YIELD;
void extent_path_put(struct extent_path *path);
/* The extent or hole around `logical`, as far as the leaf knows. */
void extent_around(const struct extent_path *path, uint32_t logical, struct extent *ret);

/* ---- extent_change.c. */
struct extent_change {
	struct journal_handle *h;
	struct ext4_inode *inode;
	bool promised; /* blocks for the tree were promised with the data: ext4_reserve() */
};

/*
 * Make [want->first, +count) what `want` says: a hole, written or unwritten blocks. The range
 * lies inside one extent or one hole. Merges with both neighbours; on error nothing changed
 * but the tree's shape. The caller stores the inode. 0, -ENOSPC, -EUCLEAN, -EIO ...
 */
MUST_USE int extent_set(const struct extent_change *c, const struct extent *want) MAY_YIELD;
/*
 * An extent that goes over block `at` becomes two, which meet there: extent_set() would merge
 * them. As extent_set().
 */
MUST_USE int extent_split(const struct extent_change *c, uint32_t at) MAY_YIELD;
/*
 * A change by hand of what extent_find() has found. Write access to a node, which must still
 * be what was found there; and to those above it that say where it begins.
 */
MUST_USE int extent_node_open(const struct extent_change *c, const struct extent_level *level)
	MAY_YIELD;
MUST_USE int extent_keys_open(const struct extent_change *c, const struct extent_path *path,
			      unsigned int level) MAY_YIELD;
/* It was changed: `entries` now. The root is stored with the inode. */
void extent_node_close(const struct extent_change *c, struct extent_level *level, uint32_t entries);
void extent_keys_set(const struct extent_change *c, struct extent_path *path, unsigned int level,
		     uint32_t key);
/* Blocks that extent_set() may change, without those of the data. */
uint32_t extent_credits(const struct ext4_inode *inode);
unsigned int extent_depth(const struct ext4_inode *inode);

/* ---- extent_unmap.c. One handle's part of ext4_unmap(): *end comes nearer to `first`. */
uint32_t extent_credits_unmap(const struct ext4_inode *inode);
MUST_USE int extent_unmap_some(const struct extent_change *c, uint32_t first, uint32_t *end)
	MAY_YIELD;

/* ---- extent_shift.c. What a file has at or after a block goes to other numbers. */
struct extent_shift {
	uint32_t first; /* left: what begins there or later; right: it was split there */
	uint32_t count; /* blocks it goes to the left, where a hole is, or to the right */
	bool left;
	uint64_t at; /* how far it came; begin with extent_shift_begin() */
};
void extent_shift_begin(struct extent_shift *s);
bool extent_shift_done(const struct extent_shift *s);
/* Is there room, to the right? 0, -EINVAL: no; or what looking gave. */
MUST_USE int extent_shift_check(struct ext4_inode *inode, const struct extent_shift *s) MAY_YIELD;
/* To do it all at once, and to free blocks [first, end) before, or to split there. */
MUST_USE int extent_shift_credits(struct ext4_inode *inode, uint32_t first, uint32_t end,
				  uint32_t *ret) MAY_YIELD;
/* What a leaf more takes. */
uint32_t extent_credits_shift(const struct ext4_inode *inode);
/*
 * Leaf by leaf, as many as the handle can take: each is a change after which the file is whole,
 * if not yet what it will be. On error s->at has not come further than what is done.
 */
MUST_USE int extent_shift_some(const struct extent_change *c, struct extent_shift *s) MAY_YIELD;

/* ---- extent_runs.c: the last runs found in a file. */
bool extent_runs_find(const struct ext4_inode *inode, uint32_t logical, struct extent *ret);
void extent_runs_add(struct ext4_inode *inode, const struct extent *run);
/* What is known of the file is true no more. */
void extent_runs_forget(struct ext4_inode *inode);

/* ---- indirect.c: files of the old kind: nothing is added to them. As extent_around. */
MUST_USE int indirect_around(struct ext4_inode *inode, uint32_t logical, struct extent *ret)
	MAY_YIELD;

/* ---- indirect_free.c. As ext4_unmap(), up to the file's end. */
MUST_USE int indirect_unmap(struct ext4_inode *inode, uint32_t first) MAY_YIELD;

/* ---- extent.c. The extent or hole around `logical`; map_lock is held. */
MUST_USE int extent_look(struct ext4_inode *inode, uint32_t logical, struct extent *ret) MAY_YIELD;
/* ext4_map_create(), with a promise or without; the caller stores the inode. */
MUST_USE int extent_create(const struct extent_change *c, uint32_t logical, uint32_t count,
			   bool unwritten, struct ext4_run *ret) MAY_YIELD;
/* The first run of the range, if it is written, is so no more: zeros. As extent_create(). */
MUST_USE int extent_unwrite(const struct extent_change *c, uint32_t logical, uint32_t count,
			    struct ext4_run *ret) MAY_YIELD;

#endif /* VFS_EXT4_EXTENT_H */

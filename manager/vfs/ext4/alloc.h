#ifndef VFS_EXT4_ALLOC_H
#define VFS_EXT4_ALLOC_H
/*
 * alloc.h - blocks and inode numbers: what only the parts with data need. Layer: vfs/ext4.
 *
 * Blocks   freed by a transaction that is not durable yet stand as free in the bitmap, and
 *          as busy in memory: after a crash they may be their old owner's again.
 * Promise  what delayed data was promised nobody else gets. What is reserved (s_r_blocks_count)
 *          only root and those the superblock names get (vfs_acting_for()), but for a fiftieth of
 *          the disk, at most: the trees of promised data may use that up, nobody else.
 * Owner    blocks given by alloc_run() are the caller's until an extent has them; then the
 *          inode's. inode->blocks is counted here; the caller stores the inode.
 * Thread   scheduler thread only.
 */
#include "vfs/ext4/ext4.h"

/* What is known of a group without its bitmap. */
struct alloc_group {
	uint32_t longest;     /* no free run is longer */
	uint32_t next;	      /* where the last run ended */
	uint32_t next_number; /* no free inode before it */
	uint64_t *busy;	      /* a bitmap of blocks freed but not usable; NULL: none */
};

struct ext4_alloc {
	struct alloc_group *groups;
	struct list freed; /* struct freed, by transaction */
	uint64_t freeing;  /* blocks in it */
	uint32_t last_top; /* group of the last directory of the root */
};

struct alloc_wish {
	uint64_t goal;	/* 0: near the inode */
	uint32_t count; /* becomes what was given */
	bool promised;	/* against a promise: whatever is free may be taken */
};
/* One run, as long as may be. 0, -ENOSPC, -EUCLEAN, -EIO, -EROFS. */
MUST_USE int alloc_run(struct journal_handle *h, struct ext4_inode *inode, struct alloc_wish *wish,
		       uint64_t *ret_first) MAY_YIELD;
/* Blocks that anybody may still ask for. */
uint64_t alloc_available(const struct ext4 *fs);

#endif /* VFS_EXT4_ALLOC_H */

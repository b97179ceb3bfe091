#ifndef VFS_EXT4_ALLOC_H
#define VFS_EXT4_ALLOC_H
/*
 * alloc.h - blocks and inode numbers: what only the parts with data need. Layer: vfs/ext4.
 *
 * Owner    blocks given by alloc_run() are the caller's until an extent has them; then the
 *          inode's. inode->blocks is counted here; the caller stores the inode.
 * Thread   scheduler thread only.
 */
#include "vfs/ext4/ext4.h"

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

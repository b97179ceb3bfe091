#ifndef VFS_EXT4_DATA_PROMISE_H
#define VFS_EXT4_DATA_PROMISE_H
/*
 * data_promise.h - blocks promised to data that is in memory only, so that a full disk is
 * told by write(2) and never later. Layer: vfs/ext4.
 *
 * Promised is one block for each in data->delayed, and for the extent tree what so many new
 * entries (two for each in data->converting) may need at worst: inode->delayed in all.
 *
 * Thread   scheduler thread only. Nothing here yields, but data_promise().
 */
#include "vfs/ext4/data.h"

/*
 * Blocks [first, end) of a file, at most a page's, will be written: promise what is not there
 * yet. `*ret_added`: a bit for each that was, for data_promise_undo(). inode->lock is held. 0,
 * -ENOSPC, -ENOMEM, or what looking it up gave; then nothing is promised.
 */
MUST_USE int data_promise(struct ext4_inode *inode, uint32_t first, uint32_t end,
			  unsigned int *ret_added) MAY_YIELD;
void data_promise_undo(struct ext4_inode *inode, uint32_t first, unsigned int added);
/* They have blocks, or are dropped. */
void data_promise_end(struct ext4_inode *inode, uint64_t first, uint64_t end);
/* The first block at or after `block` that waits for write-back in either set. */
uint64_t data_promised_next(const struct ext4_inode *inode, uint64_t block);

#endif /* VFS_EXT4_DATA_PROMISE_H */

#ifndef VFS_EXT4_DATA_SET_H
#define VFS_EXT4_DATA_SET_H
/*
 * data_set.h - a set of block numbers: a tree of bitmaps. Layer: vfs/ext4.
 *
 * Limit    numbers of 32 bits; memory follows what is in it (a bitmap has 4096 numbers).
 * Owner    who embeds it; block_set_clear() before it goes.
 * Thread   scheduler thread only. Nothing here yields.
 */
#include "base/cc.h"

#include <stdint.h>

struct block_set {
	void *root; /* height 0: a bitmap, or NULL */
	unsigned int height;
	uint64_t count;
};

bool block_set_has(const struct block_set *set, uint32_t block);
MUST_USE int block_set_add(struct block_set *set, uint32_t block); /* 0 or -ENOMEM */
void block_set_remove(struct block_set *set, uint32_t block);	   /* harmless if not in it */
/* Takes out first .. end - 1; how many there were. */
uint64_t block_set_remove_range(struct block_set *set, uint64_t first, uint64_t end);
/* The first at or after `block` that is in it; UINT64_MAX: none. */
uint64_t block_set_next(const struct block_set *set, uint64_t block);
/* The first at or after `block` that is not in it. */
uint64_t block_set_next_missing(const struct block_set *set, uint64_t block);
void block_set_clear(struct block_set *set);

#endif /* VFS_EXT4_DATA_SET_H */

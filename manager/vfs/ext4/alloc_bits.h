#ifndef VFS_EXT4_ALLOC_BITS_H
#define VFS_EXT4_ALLOC_BITS_H
/*
 * alloc_bits.h - bitmaps of a group: 1 is used; 64 bits at a time. Layer: vfs/ext4.
 *
 * Limit    bitmaps are a multiple of 8 bytes, aligned to 8; `end` is at most their bits.
 * Thread   scheduler thread only.
 */
#include "base/cc.h"

#include <stdint.h>

/* A second bitmap, laid over the first: what is 1 there counts as used. NULL: none. */
struct bits {
	const uint64_t *used, *busy;
	uint32_t end;
};

/* First free, or first used, bit at or after `from`; `end` if there is none. */
uint32_t bits_next_free(const struct bits *b, uint32_t from);
uint32_t bits_next_used(const struct bits *b, uint32_t from);
/* First run of `want` free bits in [from, end). The longest run met goes to *longest. */
bool bits_find_run(const struct bits *b, uint32_t from, uint32_t want, uint32_t *ret,
		   uint32_t *longest);

void bits_set(void *bitmap, uint32_t first, uint32_t count, bool value);
/* Are all of them set? */
bool bits_all(const void *bitmap, uint32_t first, uint32_t count);

#endif /* VFS_EXT4_ALLOC_BITS_H */

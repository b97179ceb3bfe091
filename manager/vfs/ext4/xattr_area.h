#ifndef VFS_EXT4_XATTR_AREA_H
#define VFS_EXT4_XATTR_AREA_H
/*
 * xattr_area.h - a place for extended attributes: the end of an inode, or a block.
 * Layer: vfs/ext4, for xattr.c.
 *
 *	first                                                   end
 *	  | entry | entry | ... | 0 |   unused   | value | value |
 *
 * Order    in a block entries ascend by index, length of the name, name; Linux looks there so.
 * Hostile  xattr_area_check() before anything else; nothing below checks again.
 * Owner    the memory is the caller's.
 * Thread   scheduler thread only; nothing yields.
 */
#include "vfs/ext4/format.h"

struct xattr_area {
	uint8_t *base; /* offsets count from here; NULL: there is no such place */
	uint32_t first, end;
	bool hashed; /* a block: its entries have hashes */
};

struct xattr_name {
	uint8_t index; /* EXT4_XATTR_INDEX_* */
	uint8_t len;   /* of text, which is not terminated */
	const char *text;
};

struct xattr_value {
	const void *data;
	uint32_t size;
};

/* 0, or -EUCLEAN: something points where it must not. */
MUST_USE int xattr_area_check(const struct xattr_area *area);
bool xattr_area_empty(const struct xattr_area *area);
/* From one to the next; NULL: there is none. `entry` NULL: the first. */
const struct ext4_xattr_entry *xattr_area_next(const struct xattr_area *area,
					       const struct ext4_xattr_entry *entry);
const struct ext4_xattr_entry *xattr_area_find(const struct xattr_area *area,
					       const struct xattr_name *name); /* NULL: none */
static inline const void *xattr_area_value(const struct xattr_area *area,
					   const struct ext4_xattr_entry *entry)
{
	return area->base + entry->value_offset;
}
/*
 * Write to `to` what `from` has (its base may be NULL: nothing), but for `name`, which gets
 * the value, or goes if that is NULL. 0; -ENOSPC: it does not fit.
 */
MUST_USE int xattr_area_build(const struct xattr_area *to, const struct xattr_area *from,
			      const struct xattr_name *name, const struct xattr_value *value);
/* Of all entries of a block, as its header has it. */
uint32_t xattr_area_hash(const struct xattr_area *area);

#endif /* VFS_EXT4_XATTR_AREA_H */

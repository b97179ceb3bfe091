#ifndef VFS_EXT4_XATTR_H
#define VFS_EXT4_XATTR_H
/*
 * xattr.h - an inode's two places for attributes, and the block among them. Layer: vfs/ext4,
 * for xattr*.c.
 *
 * Order    who changes has the inode's lock. Who reads has none: both places are pinned first,
 *          then looked at with no yield between, and changed likewise.
 * Sharing  Linux lets inodes with the same attributes share a block, counted in its header.
 *          Here a shared block is never changed: who wants other contents gets a new one.
 * Thread   scheduler thread only.
 */
#include "vfs/ext4/inside.h"
#include "vfs/ext4/xattr_area.h"

struct xattr_places {
	struct cache_page *inode_page, *block_page; /* pinned; NULL: no block */
	struct xattr_area body, block;		    /* base NULL: there is none */
	uint8_t *body_start; /* where the body's magic belongs; NULL: no room for one */
	uint32_t body_size;
};

/* Both, pinned and checked. 0, -EUCLEAN, -EIO ... with nothing pinned. */
MUST_USE int xattr_places_get(struct ext4_inode *inode, struct xattr_places *ret) MAY_YIELD;
void xattr_places_put(struct xattr_places *places);

/* What becomes of the places; areas that do not change have no base. */
struct xattr_plan {
	struct xattr_area body, block; /* new contents, in memory of the plan */
	bool new_block;		       /* there was none, or it is shared */
};
/* Within one handle with XATTR_CREDITS; stores the inode. -ENOSPC: nothing was changed. */
MUST_USE int xattr_apply(struct journal_handle *h, struct ext4_inode *inode,
			 struct xattr_places *places, const struct xattr_plan *plan) MAY_YIELD;
uint32_t xattr_credits(const struct ext4 *fs);

#endif /* VFS_EXT4_XATTR_H */

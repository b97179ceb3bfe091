#ifndef VFS_EXT4_NAMES_H
#define VFS_EXT4_NAMES_H
/*
 * names.h - what ext4 does with names: the operations that fs.c lists. Layer: vfs/ext4.
 *
 * Order    each operation is one handle, so after a power cut it has happened or has not.
 * Thread   scheduler thread only.
 *
 * Way down: ext4_create (names.c) -> ext4_number_alloc, ext4_dir_add -> journal.
 */
#include "vfs/ext4/inside.h"

int ext4_create(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
		struct inode **ret) MAY_YIELD;
int ext4_symlink(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
		 const char *target, struct inode **ret) MAY_YIELD;
int ext4_link(struct inode *dir, const char *name, size_t len, struct inode *inode) MAY_YIELD;
int ext4_unlink(struct inode *dir, const char *name, size_t len, struct inode *inode) MAY_YIELD;
int ext4_rmdir(struct inode *dir, const char *name, size_t len, struct inode *inode) MAY_YIELD;
int ext4_rename(const struct vfs_move *move) MAY_YIELD;

/* ---- names.c, for rename.c. */
/* Locks of what an operation changes, by number; NULL and doubles are fine. */
struct ext4_locked {
	struct ext4_inode *inodes[4];
	uint32_t count;
};
void ext4_lock(struct ext4_locked *ret, struct ext4_inode *const inodes[4]) MAY_YIELD;
void ext4_unlock(struct ext4_locked *locked);
/*
 * The blocks of the inodes themselves, read and pinned: what is stored at the end of an
 * operation must not fail for want of them. NULL is fine.
 */
struct ext4_pinned {
	struct cache_page *pages[4];
};
MUST_USE int ext4_pin(struct ext4_pinned *ret, struct ext4_inode *const inodes[4]) MAY_YIELD;
void ext4_unpin(struct ext4_pinned *pinned);
/* One link more or less; a directory with too many counts no further. */
void ext4_link_more(struct ext4_inode *inode);
void ext4_link_less(struct ext4_inode *inode);
MUST_USE int ext4_link_full(const struct ext4_inode *inode); /* 0 or -EMLINK */
/* May a name of `inode` be taken away? 0 or -EPERM. */
MUST_USE int ext4_may_remove(const struct ext4_inode *dir, const struct ext4_inode *inode);
/*
 * After -ENOSPC, with no lock and no handle: is there hope that a second try finds room? Then
 * what room there is was made.
 */
bool ext4_another_try(struct ext4 *fs, unsigned int *tries) MAY_YIELD;
/* An inode that lost its last name: it is freed when nobody has it. */
MUST_USE int ext4_lost(struct journal_handle *h, struct ext4_inode *inode) MAY_YIELD;
/* A new inode, not yet on the disk; `dir` gives the place and what is inherited. */
MUST_USE int ext4_make(struct journal_handle *h, struct ext4_inode *dir,
		       const struct vfs_attr *attr, struct ext4_inode **ret) MAY_YIELD;
/* Undo that: the number is free again, the inode gone. */
void ext4_unmake(struct journal_handle *h, struct ext4_inode *inode) MAY_YIELD;
uint32_t ext4_credits_make(const struct ext4_inode *dir);

#endif /* VFS_EXT4_NAMES_H */

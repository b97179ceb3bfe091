#ifndef VFS_EXT4_INSIDE_H
#define VFS_EXT4_INSIDE_H
/*
 * inside.h - the base of ext4, its files to each other; the rest uses ext4.h. Layer: vfs/ext4.
 *
 * Thread   scheduler thread only.
 *
 * Way down: ext4_mount (mount.c) -> ext4_super_check (super.c), ext4_groups_load (group.c) ->
 * cache.
 */
#include "vfs/ext4/ext4.h"

/* ---- super.c. */
/* Say why in the report, and give `error` back. */
int ext4_refuse(struct ext4_report *report, int error, const char *format, ...) PRINTF_LIKE(3, 4);
/* Checks every number and copies them to `fs`. May be done again after a replay. */
MUST_USE int ext4_super_check(struct ext4 *fs, const struct ext4_super *super,
			      struct ext4_report *report);
/* Why one may not write, as far as the superblock tells: into the report. False: one may. */
bool ext4_super_read_only(const struct ext4 *fs, const struct ext4_super *super,
			  struct ext4_report *report);
/* Of the pinned page. */
struct ext4_super *ext4_super(const struct ext4 *fs);
void ext4_super_checksum(const struct ext4 *fs, struct ext4_super *super);
/* Change of the superblock within a handle: get_write first, then store with no yield between. */
MUST_USE int ext4_super_get_write(struct journal_handle *h, struct ext4 *fs) MAY_YIELD;
void ext4_super_store(struct journal_handle *h, struct ext4 *fs);
uint64_t ext4_block_of_super(const struct ext4 *fs);

/* ---- zone.c: where no file may have blocks. */
MUST_USE int ext4_zones_build(struct ext4 *fs);
void ext4_zones_free(struct ext4 *fs);
/* Blocks of the journal, once it is known. Run for run; then ext4_zones_sort(). */
MUST_USE int ext4_zone_add(struct ext4 *fs, uint64_t first, uint64_t end);
MUST_USE int ext4_zones_sort(struct ext4 *fs); /* -EUCLEAN: two of them overlap */
/* The first zone that ends after `block`; NULL: none. */
const struct ext4_zone *ext4_zone_after(const struct ext4 *fs, uint64_t block);
bool ext4_group_has_super(const struct ext4 *fs, uint32_t group);
uint64_t ext4_group_first_block(const struct ext4 *fs, uint32_t group);
uint32_t ext4_group_block_count(const struct ext4 *fs, uint32_t group);

/* ---- checksum.c */
uint16_t ext4_crc16(uint16_t crc, const void *data, size_t size);
uint16_t ext4_descriptor_checksum(const struct ext4 *fs, uint32_t group,
				  const struct ext4_descriptor *d);
uint32_t ext4_inode_seed(const struct ext4 *fs, uint32_t number, uint32_t generation);
/* Over the whole record, its two checksum fields taken as zero. */
uint32_t ext4_inode_checksum(const struct ext4 *fs, uint32_t seed, const uint8_t *raw);

/* ---- group.c. */
/* The descriptor's block, pinned, and where the descriptor is in it. */
MUST_USE int ext4_descriptor(struct ext4 *fs, uint32_t group, struct cache_page **ret,
			     struct ext4_descriptor **ret_descriptor) MAY_YIELD;
uint64_t ext4_descriptor_block(const struct ext4 *fs, uint32_t group);

/* ---- release.c. */
/* The error with which this file, when it was closed before, lost data; told once. Or 0. */
int ext4_lost_take(struct ext4_inode *inode);
/* The error of the last file that lost data; told once. Or 0. */
int ext4_lost_tell(struct ext4 *fs);

/* ---- inode.c. */
MUST_USE int ext4_inodes_init(struct ext4 *fs);
/* Count one that is in memory, and not LOADING or LEAVING. */
void ext4_inode_hold(struct ext4_inode *inode);
void ext4_inodes_fini(struct ext4 *fs);
/* As ext4_iget, also one without a name. */
MUST_USE int ext4_iget_orphan(struct ext4 *fs, uint32_t number, struct ext4_inode **ret) MAY_YIELD;
/* Its number may be another's now: not found any more. It must be DELETED. */
void ext4_inode_unhash(struct ext4_inode *inode);
/* Away from memory; nobody has it. */
void ext4_inode_drop(struct ext4_inode *inode);
bool ext4_link_is_fast(const struct ext4_inode *inode);
/* What the vfs keeps for its checks follows mode, uid and gid. */
void ext4_inode_perm(struct ext4_inode *inode);
/* The time itself, or the nearest that the inode's fields can hold. */
struct timespec ext4_time_held(const struct ext4_inode *inode, struct timespec t);
/* relatime. */
void ext4_note_access(struct ext4_inode *inode);
/* mtime and ctime are now; marked. */
void ext4_touch(struct ext4_inode *inode);
uint32_t ext4_group_of_inode(const struct ext4 *fs, uint32_t number);

/* Data of files that somebody has, or had, goes to the disk. 0, or the first error. */
MUST_USE int ext4_files_write(struct ext4 *fs) MAY_YIELD;

/* ---- release.c: inodes that nobody has any more. */
/* Wait until what is closing now is closed, or somebody has it again. */
void ext4_closing_wait(struct ext4 *fs) MAY_YIELD;
void ext4_closing_end(struct ext4 *fs) MAY_YIELD; /* of all, for ever */
/* The disk is full, but what was deleted may not be free yet: see to it. */
void ext4_make_room(struct ext4 *fs) MAY_YIELD;
/* Files that were replaced are on their way to the disk no more. */
void ext4_replaced_wait(struct ext4 *fs) MAY_YIELD;
void ext4_storer_start(struct ext4 *fs);
void ext4_storer_stop(struct ext4 *fs) MAY_YIELD;

/* ---- orphan.c: an inode without a name and without a user leaves the disk; takes its lock. */
MUST_USE int ext4_delete(struct ext4_inode *inode) MAY_YIELD;

/* ---- errors.c. */
/* The first error is what the disk will be told of, soon. Does not yield. */
void ext4_error_set(struct ext4 *fs, uint8_t code, const char *function, uint32_t line);
void ext4_error_note(struct ext4 *fs) MAY_YIELD; /* now */
void ext4_error_wait(struct ext4 *fs) MAY_YIELD; /* until nobody is at it */
void ext4_time_put(uint32_t *low, uint8_t *high, uint64_t time_s);
/*
 * An operation failed after its first change: what it has changed so far may not become
 * durable. Gives `error` back.
 */
int ext4_half_done(struct ext4 *fs, int error);

/* ---- fs.c. */
void ext4_vfs_init(struct ext4 *fs);

/* ---- mount.c. */
/* What was written so far is durable. An error concerns everybody: no more changes. */
MUST_USE int ext4_flush(struct ext4 *fs) MAY_YIELD;
/* The inode's last change is durable: fsync of what has no data. */
MUST_USE int ext4_inode_sync(struct ext4_inode *inode) MAY_YIELD;

#endif /* VFS_EXT4_INSIDE_H */

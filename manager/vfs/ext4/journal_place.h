#ifndef VFS_EXT4_JOURNAL_PLACE_H
#define VFS_EXT4_JOURNAL_PLACE_H
/*
 * journal_place.h - where the journal of a file system is, and what is done with it at mount.
 * Layer: vfs/ext4.
 *
 *     the superblock says     the disk may be written     else
 *     needs recovery          replayed                    replayed in memory
 *     nothing of it           opened, must be empty       left alone
 *
 * Hostile  the journal's own blocks may be nobody else's, nor may a replay write there.
 * Thread   scheduler thread only.
 *
 * Way down: ext4_journal_find -> journal_open -> where() -> fs->journal_runs.
 */
#include "vfs/ext4/inside.h"

/* Blocks of the journal's file in a row. */
struct ext4_journal_run {
	uint32_t first, count;
	uint64_t physical;
};

/*
 * fs->journal, not started, if the file system has one and may be written; fs->read_only is
 * set, with a reason in the report, where the journal cannot be used and need not be.
 */
MUST_USE int ext4_journal_find(struct ext4 *fs, struct ext4_report *report) MAY_YIELD;

/* Its blocks, if they are known, are no file's: once more after each ext4_groups_load(). */
MUST_USE int ext4_journal_zones(struct ext4 *fs);

#endif /* VFS_EXT4_JOURNAL_PLACE_H */

#ifndef TEST_EXT4_EXTENT_FAKE_H
#define TEST_EXT4_EXTENT_FAKE_H
/*
 * extent_fake.h - a file on a disk in memory, and a file system that gives and takes blocks
 * and does nothing else: for tests of the extent tree alone. Layer: test.
 *
 *	fake_run(1024, test);	test() runs in a task, with `fake` and `file` ready
 */
#include "test/harness.h"
#include "vfs/ext4/extent.h"

#define FAKE_BLOCKS (UINT32_C(1) << 18)

extern struct ext4 fake;
extern struct ext4_inode file;
extern uint32_t fake_used;	/* blocks that somebody has */
extern uint32_t fake_limit;	/* of them; more is -ENOSPC */
extern uint32_t fake_run_max;	/* blocks given at once, at most */
extern uint32_t fake_damages;	/* times that damage was told */
extern uint8_t fake_stored[60]; /* the file's root, as it was stored last */
extern uint64_t fake_seed;	/* of fake_random() */

void fake_run(uint32_t block_size, void (*fn)(void));
uint32_t fake_random(uint32_t below);
/* Does somebody have it? */
bool fake_has(uint64_t block);

#endif /* TEST_EXT4_EXTENT_FAKE_H */

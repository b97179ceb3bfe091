#ifndef TEST_EXT4_DATA_IMAGE_H
#define TEST_EXT4_DATA_IMAGE_H
/*
 * data_image.h - an ext4 image in memory, made by mke2fs and judged by e2fsck. Layer: test.
 *
 *	image_run("-b 1024", MIB(32), test);	test() runs in a task, `fs` is mounted
 *	image_again();				in it: unmount, judge, mount
 *
 * After the test the image is unmounted and judged. Time is virtual, and the disk takes some.
 */
#include "task/sched.h"
#include "test/disk/test_disk.h"
#include "test/harness.h"
#include "vfs/ext4/ext4.h"

#define MIB(count) ((uint64_t)(count) << 20)

extern struct ext4 *fs;
extern struct test_disk *image_disk;
extern uint64_t image_seed; /* of image_random(); and, before image_run(), of the order of tasks */

extern const char *image_made;	   /* shell commands after mke2fs; the image is $IMAGE; or NULL */
extern uint64_t image_cache_bytes; /* the cache's limit */

void image_run(const char *mke2fs_options, uint64_t size, void (*fn)(void));
void image_again(void) MAY_YIELD;
/* e2fsck -fn on what is on the disk now: it must be unmounted. */
void image_judge(void) MAY_YIELD;
/* A new file in the root; put it with inode_put(). */
struct ext4_inode *image_file(const char *name) MAY_YIELD;
/* The file of this name. */
struct ext4_inode *image_find(const char *name) MAY_YIELD;
void image_unlink(const char *name) MAY_YIELD;
uint32_t image_random(uint32_t below);

/* ---- by hand: another disk with the image's contents, as after a crash. */
void image_mount(struct disk *disk) MAY_YIELD; /* `fs` */
void image_unmount(void) MAY_YIELD;
/* e2fsck -fn of this one. */
void image_judge_replay(const struct replay *replay);

#endif /* TEST_EXT4_DATA_IMAGE_H */

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
extern unsigned int image_tasks;   /* as many there may be; 0: the default */
extern bool image_timeless;	   /* the disk takes no time, and can be held */

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

/*
 * ---- power cuts: what is left is mounted as `fs`, beside what was mounted before.
 *
 *	test_disk_record(image_disk);	then what is to be cut
 *	image_cuts_begin(&cuts);
 *	image_cut(&cuts, k, seed, flags);	as replay_crash(); look, as often as wanted
 *	image_cut_over(&cuts);			unmount and judge
 *	image_cuts_end(&cuts);			the image itself again
 */
struct image_cuts {
	struct replay *replay;
	struct disk *disk;
	struct ext4 *before;
};
void image_cuts_begin(struct image_cuts *cuts);
void image_cut(struct image_cuts *cuts, size_t k, uint64_t seed, unsigned int flags) MAY_YIELD;
void image_cut_over(struct image_cuts *cuts) MAY_YIELD;
void image_cuts_end(struct image_cuts *cuts);
/* begin and cut: now, and what was not flushed is lost. And over and end. */
void image_cut_now(struct image_cuts *cuts) MAY_YIELD;
void image_cut_now_over(struct image_cuts *cuts) MAY_YIELD;

#endif /* TEST_EXT4_DATA_IMAGE_H */

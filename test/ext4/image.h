#ifndef TEST_EXT4_IMAGE_H
#define TEST_EXT4_IMAGE_H
/*
 * image.h - an image made by mke2fs, mounted by our ext4 on a disk in memory, and judged by
 * e2fsck. Layer: test.
 *
 *	EXT4_TEST(name) { ... }   a test in a task, with a cache and a virtual clock
 *	image_make(...)           an image file; image_tool() does things to it with e2fsprogs
 *	image_mount(...)          the file's bytes go to a disk in memory, which is mounted
 *	image_unmount()           and back to the file
 *	image_judge()             e2fsck -fn finds nothing
 *
 * Thread   one.
 */
#include "test/disk/test_disk.h"
#include "test/vfs/vfs_test.h"
#include "vfs/ext4/inside.h"

void ext4_run(void (*fn)(void));
/* The same, with tasks in an order that the seed gives (0: in turn), and a cache of this size. */
void ext4_run_with(void (*fn)(void), uint64_t order, uint64_t cache_bytes);
#define EXT4_TEST(name)                          \
	static void name##_body(void) MAY_YIELD; \
	static void name(void)                   \
	{                                        \
		ext4_run(name##_body);           \
	}                                        \
	static void name##_body(void)

/* What is mounted, and what mounting told. */
extern struct ext4 *image;
extern struct ext4_report image_report;
extern struct disk *image_disk;
extern struct test_disk *image_store; /* what is below image_disk */
/* For what is mounted next: how its disk answers. */
extern struct test_disk_options image_options;

/* A folder for this test's process, removed at its end; "name" in it. */
const char *image_path(const char *name);
/* A command of the shell, in that folder; the image is ./image. Its status must be 0. */
void image_tool(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same, and what it wrote, in a static buffer; any status. */
const char *image_ask(const char *format, ...) PRINTF_LIKE(1, 2);
/* mke2fs -t ext4 with these options; source: a folder in ours, or NULL. */
void image_make(const char *options, const char *size, const char *source);

/* 0 or -errno; the disk is there until image_unmount(). */
int image_try_mount(bool read_only) MAY_YIELD;
/* And look from its root (vfs_test.h); read-only exactly if so asked. */
void image_mount(bool read_only) MAY_YIELD;
/* Everybody has left it; written to the file. 0 or what ext4_unmount() says. */
int image_try_unmount(void) MAY_YIELD;
void image_unmount(void) MAY_YIELD;
/* The file as it is now: nothing to be found by e2fsck. */
void image_judge(void);

/*
 * Everything below the host's folder `name` is below the view's root, and nothing else, but
 * for /lost+found.
 */
void image_compare(const char *name) MAY_YIELD;
/* The same with what debugfs takes out of the image: devices, links and owners it does not. */
void image_compare_dump(void) MAY_YIELD;

/* A tree with something of everything, in the folder `name`. */
void image_sample(const char *name, unsigned int seed);
/* Random numbers of a seed. */
uint32_t image_random(uint64_t *seed, uint32_t below);

#endif /* TEST_EXT4_IMAGE_H */

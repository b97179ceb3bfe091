#ifndef TEST_CRASH_CRASH_H
#define TEST_CRASH_CRASH_H
/*
 * crash.h - tasks that change an ext4 file system on a disk whose writes are recorded; then
 * the power goes, at one place of that log after the other. Layer: test.
 *
 * Each image so made is mounted by us, judged by the model (model.h), unmounted and judged
 * by e2fsck. Of some, the power goes again while they are mounted for the first
 * time. Of others e2fsck replays the journal, or Linux, where it may mount an image; the
 * model judges the tree that Linux shows.
 *
 * Environment
 *     CRASH_IMAGES=n   images of each workload (default: few); all: one for each place of the log,
 *                      and as many of what a cache may leave
 *     CRASH_SEEDS=n    workloads of each kind, from seed 1 on (default 1); CRASH_SEED=n: only
 *                      that one
 *     CRASH_KEEP=FILE  the image that was judged bad, as the power cut left it
 *
 * Thread   one.
 */
#include "test/crash/model.h"
#include "test/disk/test_disk.h"
#include "test/harness.h"
#include "test/vfs/vfs_test.h"
#include "vfs/ext4/ext4.h"

/* What tasks do, and how often in proportion to each other. */
enum deed {
	DEED_CREATE,	   /* and write a little */
	DEED_CREATE_EMPTY, /* a name, nothing else */
	DEED_MKDIR,
	DEED_SYMLINK,
	DEED_LINK,
	DEED_UNLINK,
	DEED_RMDIR,
	DEED_RENAME,
	DEED_REPLACE, /* a new file takes the name of another; sometimes synced before */
	DEED_EXCHANGE,
	DEED_CHMOD,
	DEED_REMOVE_TREE,
	DEED_UNNAMED, /* written, then linked */
	DEED_WRITE,
	DEED_APPEND,
	DEED_TRUNCATE,
	DEED_PUNCH,
	DEED_ZERO,
	DEED_COLLAPSE,
	DEED_INSERT,
	DEED_ALLOCATE,
	DEED_HOLD, /* open a file; its name may go */
	DEED_LET_GO,
	DEED_FSYNC,
	DEED_FDATASYNC,
	DEED_FSYNC_DIR,
	DEED_SYNC,
	DEED_PAUSE,
	DEEDS
};

struct crash_options {
	const char *name; /* for messages */
	const char *mke2fs;
	uint64_t size;
	const uint8_t *weights; /* [DEEDS] */
	unsigned int tasks, steps;
	unsigned int names;   /* different ones in a directory; 0: a few */
	unsigned int images;  /* UINT_MAX: all places */
	uint64_t cache_bytes; /* 0: room for everything */
	bool overlay;	      /* the tree is an overlay's, over another in memory */
	bool big_files;	      /* with windows far from each other */
	bool long_names;
	void (*worked)(void); /* called when the tasks have ended; may be NULL */
};

/* The workload of this seed, and its images. NULL: all well; else what was bad, static. */
const char *crash_run(const struct crash_options *options, uint64_t seed);
/* As the environment asks; a bad image fails the test. */
void crash_test(const struct crash_options *options);

/* How many images were judged; of them, replayed by e2fsck; by Linux; cut twice. */
extern unsigned int crash_images, crash_foreign, crash_linux, crash_twice;
extern uint64_t crash_commits, crash_checkpoints;

/* ---- crash.c to the others. */

struct crash_hold {
	struct dentry *dentry;
	struct model_file *file;
};
#define CRASH_HOLDS 4u

/* A task and its tree. */
struct actor {
	const struct crash_options *options;
	char prefix[16]; /* of its names */
	struct model model;
	uint64_t random;
	struct crash_hold holds[CRASH_HOLDS];
	unsigned int number;
};

struct crash {
	const struct crash_options *options;
	struct test_disk *td;
	struct ext4 *fs;
	struct inode *lower; /* overlay: of all of them */
	struct actor *actors;
	unsigned int running;
	const char *verdict;
	uint64_t random;
};
extern struct crash crash;

size_t crash_place(void); /* of the log, now */
uint32_t crash_random(uint64_t *state, uint32_t below);

/* ---- actor.c */
/* The beginning of its tree: in the image, and the model. */
void actor_begin(struct actor *a) MAY_YIELD;
void actor_work(struct actor *a) MAY_YIELD;

/* ---- seen.c */
/* The tree below `root` is one that may be there at place k: NULL; or what is wrong. */
const char *crash_judge_tree(struct inode *root, size_t k) MAY_YIELD;

#endif /* TEST_CRASH_CRASH_H */

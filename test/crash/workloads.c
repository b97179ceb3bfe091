#include "test/crash/workloads.h"

#define MIB(count) ((uint64_t)(count) << 20)
/* The smallest journals there are: they wrap, and wait for room. */
#define BLOCKS_1K "-b 1024 -J size=1"
#define BLOCKS_4K "-b 4096 -J size=4"
#define IMAGES 40u

static const uint8_t names[DEEDS] = {
	[DEED_CREATE] = 10, [DEED_CREATE_EMPTY] = 5, [DEED_MKDIR] = 8,	   [DEED_SYMLINK] = 4,
	[DEED_LINK] = 6,    [DEED_UNLINK] = 9,	     [DEED_RMDIR] = 4,	   [DEED_RENAME] = 14,
	[DEED_REPLACE] = 4, [DEED_EXCHANGE] = 3,     [DEED_CHMOD] = 4,	   [DEED_REMOVE_TREE] = 2,
	[DEED_UNNAMED] = 2, [DEED_APPEND] = 4,	     [DEED_HOLD] = 2,	   [DEED_LET_GO] = 2,
	[DEED_FSYNC] = 4,   [DEED_FDATASYNC] = 1,    [DEED_FSYNC_DIR] = 3, [DEED_SYNC] = 1,
	[DEED_PAUSE] = 3,
};

static const uint8_t bytes[DEEDS] = {
	[DEED_CREATE] = 4,   [DEED_UNLINK] = 3,	   [DEED_WRITE] = 14, [DEED_APPEND] = 10,
	[DEED_TRUNCATE] = 6, [DEED_PUNCH] = 5,	   [DEED_ZERO] = 3,   [DEED_ALLOCATE] = 4,
	[DEED_FSYNC] = 6,    [DEED_FDATASYNC] = 4, [DEED_SYNC] = 1,   [DEED_PAUSE] = 6,
	[DEED_REPLACE] = 2,  [DEED_HOLD] = 2,	   [DEED_LET_GO] = 2, [DEED_COLLAPSE] = 4,
	[DEED_INSERT] = 4,
};

static const uint8_t replaces[DEEDS] = {
	[DEED_CREATE] = 3, [DEED_REPLACE] = 20, [DEED_APPEND] = 3,
	[DEED_FSYNC] = 1,  [DEED_PAUSE] = 6,	[DEED_UNLINK] = 1,
	[DEED_HOLD] = 1,   [DEED_LET_GO] = 1,	[DEED_TRUNCATE] = 2,
};

static const uint8_t small[DEEDS] = {
	[DEED_CREATE] = 30, [DEED_MKDIR] = 5, [DEED_REMOVE_TREE] = 2, [DEED_UNLINK] = 3,
	[DEED_PAUSE] = 1,   [DEED_SYNC] = 1,  [DEED_FSYNC] = 1,
};

static const uint8_t splits[DEEDS] = {
	[DEED_CREATE_EMPTY] = 40, [DEED_LINK] = 10,	[DEED_UNLINK] = 8,
	[DEED_RENAME] = 6,	  [DEED_FSYNC_DIR] = 1, [DEED_PAUSE] = 1,
};

static const uint8_t orphans[DEEDS] = {
	[DEED_CREATE] = 8,  [DEED_HOLD] = 10,	 [DEED_LET_GO] = 5, [DEED_WRITE] = 5,
	[DEED_APPEND] = 8,  [DEED_TRUNCATE] = 6, [DEED_PUNCH] = 2,  [DEED_UNLINK] = 4,
	[DEED_REPLACE] = 3, [DEED_UNNAMED] = 4,	 [DEED_FSYNC] = 3,  [DEED_SYNC] = 1,
	[DEED_PAUSE] = 3,
};

static const uint8_t syncs[DEEDS] = {
	[DEED_CREATE] = 10,   [DEED_MKDIR] = 4,	      [DEED_RENAME] = 6, [DEED_UNLINK] = 6,
	[DEED_REPLACE] = 6,   [DEED_APPEND] = 10,     [DEED_WRITE] = 6,	 [DEED_TRUNCATE] = 4,
	[DEED_RMDIR] = 3,     [DEED_REMOVE_TREE] = 1, [DEED_FSYNC] = 25, [DEED_FDATASYNC] = 8,
	[DEED_FSYNC_DIR] = 5,
};

static const uint8_t hurried[DEEDS] = {
	[DEED_CREATE] = 10,   [DEED_APPEND] = 20,  [DEED_WRITE] = 10, [DEED_FSYNC] = 4,
	[DEED_FSYNC_DIR] = 2, [DEED_COLLAPSE] = 1, [DEED_INSERT] = 1,
};

const struct crash_options crash_names_1k = {
	.name = "names, blocks of 1 KiB",
	.mke2fs = BLOCKS_1K,
	.size = MIB(8),
	.weights = names,
	.tasks = 1,
	.steps = 250,
	.images = IMAGES,
};

const struct crash_options crash_names_4k = {
	.name = "names, blocks of 4 KiB",
	.mke2fs = BLOCKS_4K,
	.size = MIB(16),
	.weights = names,
	.tasks = 1,
	.steps = 250,
	.images = IMAGES,
};

const struct crash_options crash_bytes_1k = {
	.name = "bytes, blocks of 1 KiB",
	.mke2fs = BLOCKS_1K,
	.size = MIB(12),
	.weights = bytes,
	.tasks = 1,
	.steps = 200,
	.images = IMAGES,
};

const struct crash_options crash_bytes_4k = {
	.name = "bytes, blocks of 4 KiB",
	.mke2fs = BLOCKS_4K,
	.size = MIB(16),
	.weights = bytes,
	.tasks = 1,
	.steps = 200,
	.images = IMAGES,
};

const struct crash_options crash_replace = {
	.name = "replacing by rename",
	.mke2fs = BLOCKS_4K,
	.size = MIB(16),
	.weights = replaces,
	.tasks = 2,
	.steps = 60,
	.images = IMAGES,
};

const struct crash_options crash_big_files = {
	.name = "big files with holes",
	.mke2fs = BLOCKS_1K,
	.size = MIB(16),
	.weights = bytes,
	.tasks = 2,
	.steps = 120,
	.images = IMAGES,
	.big_files = true,
};

const struct crash_options crash_many_small = {
	.name = "many small files, and whole trees removed",
	.mke2fs = BLOCKS_1K " -N 1024",
	.size = MIB(12),
	.weights = small,
	.tasks = 2,
	.steps = 200,
	.names = 200,
	.images = IMAGES,
};

const struct crash_options crash_split = {
	.name = "directories that split",
	.mke2fs = BLOCKS_1K " -N 1024",
	.size = MIB(8),
	.weights = splits,
	.tasks = 1,
	.steps = 350,
	.names = 400,
	.long_names = true,
	.images = IMAGES,
};

const struct crash_options crash_orphans = {
	.name = "files without a name",
	.mke2fs = BLOCKS_1K,
	.size = MIB(12),
	.weights = orphans,
	.tasks = 2,
	.steps = 120,
	.images = IMAGES,
};

const struct crash_options crash_together = {
	.name = "many tasks",
	.mke2fs = BLOCKS_1K,
	.size = MIB(16),
	.weights = names,
	.tasks = 6,
	.steps = 80,
	.names = 6,
	.images = IMAGES,
};

const struct crash_options crash_full_log = {
	.name = "a log that is full again and again",
	.mke2fs = BLOCKS_1K,
	.size = MIB(16),
	.weights = syncs,
	.tasks = 3,
	.steps = 350,
	.images = IMAGES,
};

const struct crash_options crash_small_cache = {
	.name = "more dirty data than the cache bears",
	.mke2fs = BLOCKS_4K,
	.size = MIB(24),
	.weights = hurried,
	.tasks = 6,
	.steps = 60,
	.images = IMAGES,
	.cache_bytes = MIB(2),
};

const struct crash_options crash_overlay = {
	.name = "an overlay",
	.mke2fs = BLOCKS_1K,
	.size = MIB(12),
	.weights = names,
	.tasks = 1,
	.steps = 200,
	.images = IMAGES,
	.overlay = true,
};

const struct crash_options crash_overlay_together = {
	.name = "an overlay, many tasks",
	.mke2fs = BLOCKS_4K,
	.size = MIB(24),
	.weights = names,
	.tasks = 4,
	.steps = 80,
	.images = IMAGES,
	.overlay = true,
};

#ifndef TEST_JOURNAL_JOURNAL_TEST_H
#define TEST_JOURNAL_JOURNAL_TEST_H
/*
 * journal_test.h - a disk with a journal on it and nothing else: a scheduler, a cache, blocks
 * with contents that tell what they are. Layer: test.
 *
 *	world_begin(&w, &(struct world_options){ .block_size = 4096 });
 *	run_task(fn, &w);	journal_open() and so on, in fn
 *	world_end(&w);		the census: no task, no page
 *
 * The disk has WORLD_BLOCKS blocks; the log lies at its end, in order or in pieces.
 */
#include "journal/journal.h"
#include "task/sched.h"
#include "task/task.h"
#include "test/disk/test_disk.h"
#include "test/harness.h"

#include <stdint.h>

#define WORLD_BLOCKS 256u /* before the log: what tests write to */
#define MILLISECOND_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)

/* Features of a superblock, as the format has them. */
enum {
	F_REVOKE = 0x1,
	F_64BIT = 0x2,
	F_ASYNC = 0x4,
	F_V2 = 0x8,
	F_V3 = 0x10,
	F_FAST = 0x20,
};

struct world_options {
	uint32_t block_size; /* 0: 1024 */
	uint32_t log_count;  /* blocks with the superblock; 0: 65 */
	bool in_pieces;
	uint64_t seed; /* 0: in turn; else seeded scheduler and shuffled disk */
	uint64_t cache_limit;
	uint32_t features;
};

struct world {
	struct world_options options;
	struct test_disk *td; /* NULL: the disk is another's */
	struct disk *disk;
	struct cache_map blocks;
	struct journal_setup setup;
	struct journal *j;
	uint32_t block_size, log_count;
	uint64_t disk_blocks;
	/* what its callbacks saw */
	uint32_t committed_calls, last_committed;
	int aborted;
	void (*on_committed)(struct world *w, uint32_t id);
};

void world_begin(struct world *w, const struct world_options *options);
void world_end(struct world *w);
/* In a task: another world on the same scheduler and cache, on this disk. */
void world_on(struct world *w, const struct world *like, struct disk *disk);
void world_off(struct world *w) MAY_YIELD; /* its map is taken down; the disk stays */
/* The superblock of an empty journal, as mke2fs makes it: 1024 bytes. */
void world_format(const struct world *w, char *super);
uint64_t world_log_block(const struct world *w, uint32_t index);
const char *world_block(const struct world *w, uint64_t block); /* on the disk now */
/* The log's block `index`. */
const char *world_log(const struct world *w, uint32_t index);

/* In a task: open it, replay if need be, start. */
void world_open(struct world *w) MAY_YIELD;
int world_close(struct world *w) MAY_YIELD;

/* What a block may hold: `kind` says what for, versions tell one time from another. */
void contents(const struct world *w, uint8_t *to, char kind, uint64_t block, uint32_t version);
/* Does it hold just that? */
bool holds(const struct world *w, const void *data, char kind, uint64_t block, uint32_t version);
/* Its kind and version, if the contents are whole; 0 if not. */
char which(const struct world *w, const void *data, uint64_t block, uint32_t *ret_version);

/* Within a handle: the block gets these contents. */
void put(struct world *w, struct journal_handle *h, uint64_t block, char kind, uint32_t version)
	MAY_YIELD;
/* A handle of its own; its transaction. */
uint32_t change(struct world *w, uint64_t block, char kind, uint32_t version) MAY_YIELD;

struct task *spawn(const char *name, task_fn *fn, void *arg);
void run_all(void); /* until no task is left */
void run_task(task_fn *fn, void *arg);
void sleep_ns(uint64_t ns) MAY_YIELD;

static inline void put_be32(void *at, uint32_t value)
{
	value = __builtin_bswap32(value);
	__builtin_memcpy(at, &value, sizeof(value));
}

static inline uint32_t get_be32(const void *at)
{
	uint32_t value;

	__builtin_memcpy(&value, at, sizeof(value));
	return __builtin_bswap32(value);
}

#endif /* TEST_JOURNAL_JOURNAL_TEST_H */

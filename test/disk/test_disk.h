#ifndef TEST_DISK_TEST_DISK_H
#define TEST_DISK_TEST_DISK_H
/*
 * test_disk.h - a disk in memory that records, fails, tears, loses its power, and takes
 * the time that a real one takes. Layer: test. A library: test_disk_dep.
 *
 *	struct test_disk *td;
 *	struct disk *disk;
 *
 *	disk = test_disk_open(&(struct test_disk_options){ .size = 16 << 20 }, &td);
 *	test_disk_load(td, "image");		what mke2fs made, say
 *	test_disk_record(td);
 *	... run tasks on `disk`; test_disk_mark(td, n) at each fsync that was acknowledged ...
 *	disk_close(disk);
 *
 *	replay = replay_begin(td);
 *	for (size_t k = 0; k <= test_disk_log_length(td); k++) {
 *		replay_prefix(replay, k);	judge it
 *		for (uint64_t seed = 1; seed <= 10; seed++) {
 *			replay_crash(replay, k, seed, REPLAY_TORN);	judge it
 *		}
 *	}
 *	replay_end(replay);
 *	test_disk_free(td);
 *
 * To judge: replay_disk() gives the image as a disk, whose writes are forgotten at the next
 * move; replay_save() writes it to a file for e2fsck; replay_data() is its bytes. A move costs
 * what was written between the two places, not the size of the disk.
 *
 * What is on the platter when the power goes, at place k of the log: every write recorded
 * before a flush began that ended before k; of the writes since, any subset, each
 * of them possibly torn between two sectors. Those that overlap land in the order in
 * which they were done, as every disk's cache sees to.
 *
 * Owner    disk_close() closes the disk; the test_disk with its log lives on until
 *          test_disk_free().
 * Errors   a misuse or lack of memory fails the test.
 * Thread   scheduler thread only; what has to do with the log and replays needs no scheduler,
 *          but for replay_disk().
 */
#include "device/disk.h"

#include <stdint.h>

struct test_disk;

/* ---- time. A call takes call_ns + positioning + bytes; the rest is as stated. */
struct test_disk_model {
	uint64_t call_ns;     /* each call */
	uint64_t write_ns;    /* each call that writes, in addition */
	uint64_t seek_min_ns; /* to the next track; 0: nothing moves */
	uint64_t seek_max_ns; /* over the whole disk; between them as the square root */
	uint64_t turn_ns;     /* one turn of the platter; 0: none turns */
	uint64_t bytes_per_s; /* shared by all channels; 0: no time */
	uint64_t flush_ns;
	uint64_t stroke;       /* bytes that seek_max_ns crosses; 0: the size of the disk */
	unsigned int channels; /* calls positioned at a time; 0: 1 */
	bool nearest;	       /* the call that is reached first is taken first (NCQ) */
};
/* 7200 turns a minute, 150 MB/s; 100 us, 500 MB/s and 8 channels. */
extern const struct test_disk_model test_disk_7200, test_disk_ssd;

enum test_disk_completion {
	TEST_DISK_AT_ONCE,  /* in submit() */
	TEST_DISK_SOON,	    /* one after the other, by an event */
	TEST_DISK_SHUFFLED, /* the same, in an order that the seed gives */
	TEST_DISK_MODEL,    /* when the model says; the clock may be virtual */
};

struct test_disk_options {
	uint64_t size;
	bool read_only, cannot_discard;
	enum test_disk_completion completion;
	uint64_t seed;			     /* SHUFFLED */
	const struct test_disk_model *model; /* MODEL */
};
struct disk *test_disk_open(const struct test_disk_options *options, struct test_disk **ret);
void test_disk_free(struct test_disk *td); /* after disk_close() */

const char *test_disk_data(const struct test_disk *td); /* its contents now */
/* Change them, unrecorded: before test_disk_record(), or to damage what was written. */
void test_disk_put(struct test_disk *td, uint64_t offset, const void *data, uint64_t size);
void test_disk_load(struct test_disk *td, const char *path); /* a file of that size at least */
void test_disk_save(const struct test_disk *td, const char *path);

/* ---- faults. Each call adds one; requests are counted from the call on, the next is 1. */

/* The n-th request of that kind fails with `error`, once. */
void test_disk_fail_nth(struct test_disk *td, enum disk_op op, uint64_t n, int error);
/* Requests of that kind that touch the range fail, `times` of them (0: all). */
void test_disk_fail_range(struct test_disk *td, enum disk_op op, uint64_t offset, uint64_t size,
			  int error, unsigned int times);
/* The n-th write writes its first `sectors` sectors only, and then fails, or (error 0) does not. */
void test_disk_tear_nth(struct test_disk *td, uint64_t n, uint64_t sectors, int error);
/* After n more writes were done everything fails with -EIO. 0: now. */
void test_disk_cut_power(struct test_disk *td, uint64_t n);
void test_disk_mend(struct test_disk *td); /* no more faults; the power is back */

/* From now on nothing is completed, but for what test_disk_let() lets pass, in order. */
void test_disk_hold(struct test_disk *td);
unsigned int test_disk_held(const struct test_disk *td); /* calls that could be let */
void test_disk_let(struct test_disk *td, unsigned int calls);
void test_disk_release(struct test_disk *td); /* all of them, and hold no more */

/* ---- counters. */
struct test_disk_stats {
	uint64_t calls, requests; /* completed */
	uint64_t failed;	  /* calls */
	uint64_t depth_max;	  /* calls that were with the driver at a time */
	uint64_t busy_ns;	  /* MODEL: of all channels */
	uint64_t distance;	  /* bytes between the end of a call and the begin of the next */
};
void test_disk_stats_get(const struct test_disk *td, struct test_disk_stats *ret);

/* ---- the log. */
enum test_record_kind { RECORD_WRITE, RECORD_DISCARD, RECORD_FLUSH, RECORD_MARK };

struct test_record {
	enum test_record_kind kind;
	uint64_t offset, size; /* WRITE, DISCARD */
	const void *data;      /* WRITE */
	uint64_t number;       /* MARK: the test's; FLUSH: length of the log when it began */
};
/* Begin anew: what is on the disk now is durable, and place 0 of the log. */
void test_disk_record(struct test_disk *td);
void test_disk_mark(struct test_disk *td, uint64_t number);
size_t test_disk_log_length(const struct test_disk *td);
const struct test_record *test_disk_log(const struct test_disk *td, size_t index);
/* In the format of dm-log-writes: xfstests' replay-log reads it. */
void test_disk_log_save(const struct test_disk *td, const char *path);

/* ---- replay. Forward moves are cheap, one backward begins anew. */
struct replay;

struct replay *replay_begin(const struct test_disk *td);
void replay_end(struct replay *r);

/* Everything recorded before place k. */
void replay_prefix(struct replay *r, size_t k);

enum replay_flags { REPLAY_TORN = 1 }; /* of a chosen write only some sectors, maybe */
/*
 * The power goes at place k: what is durable then, and what the seed chooses of the rest (seed 0:
 * nothing). How many writes there were to choose from.
 */
size_t replay_crash(struct replay *r, size_t k, uint64_t seed, unsigned int flags);
/* The same, the choice being made here: places of the log, ascending, between the two. */
void replay_chosen(struct replay *r, size_t k, const size_t *records, size_t count);
/* Before this place of the log everything is durable if the power goes at k. */
size_t replay_durable(const struct replay *r, size_t k);

const char *replay_data(const struct replay *r);
void replay_save(const struct replay *r, const char *path);
/* What is written to it is undone by the next move; one at a time, closed before that. */
struct disk *replay_disk(struct replay *r);

/* A row of numbers (splitmix64) for tests that choose: the next, below limit. */
uint64_t test_random(uint64_t *state, uint64_t limit);

#endif /* TEST_DISK_TEST_DISK_H */

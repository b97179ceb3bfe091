#ifndef TEST_JOURNAL_WORKLOAD_H
#define TEST_JOURNAL_WORKLOAD_H
/*
 * workload.h - tasks that use a journal as a file system does, and what must then be on the
 * disk. Layer: test.
 *
 * Each block is metadata ('m'), file data ('d') or free ('f'). A handle changes metadata,
 * frees blocks, makes data of free ones and back; freed blocks are used again when the
 * transaction is durable, or at once as metadata. Every change is an event of a
 * transaction: the state after transaction n is the last event of each block up to n.
 *
 * A disk is good if its blocks are in the state after some one transaction, not older than the
 * last that journal_commit() acknowledged. Of free blocks nothing is asked.
 */
#include "test/journal/journal_test.h"

struct workload_options {
	struct world_options world;
	unsigned int tasks, steps; /* steps of each task */
	uint32_t blocks;	   /* 1 .. blocks are used */
	uint32_t credits;	   /* blocks changed in a handle, at most */
};

struct workload {
	struct world w; /* first */
	struct workload_options options;
	uint64_t random;
	struct block_state *now;
	struct event_of *events;
	size_t event_count, event_room;
	uint32_t version;
	uint32_t last_id;
	unsigned int running;
	struct journal_stats stats;
};

/* Makes the disk, runs the tasks (recorded) and closes the journal. */
void workload_run(struct workload *l, const struct workload_options *options);
void workload_end(struct workload *l); /* the census */
/* NULL: the disk is good; else what is wrong. */
const char *workload_judge(const struct workload *l, const char *disk, uint32_t acknowledged);
/*
 * Cut the power at place k of the log; replay; judge. seed 0: only what is durable. Needs the
 * workload's scheduler.
 */
const char *workload_crash(struct workload *l, struct replay *replay, size_t k, uint64_t seed);

#endif /* TEST_JOURNAL_WORKLOAD_H */

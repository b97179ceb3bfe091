/*
 * test_power.c - what journal.h promises if the power goes: every transaction is there as a
 * whole or not at all, in order; what journal_commit() acknowledged is there; what was freed
 * and used for data is not overwritten. At every place between two writes, with any of the
 * writes lost that no flush made durable, torn between sectors too.
 *
 * The same tests must find each of the mistakes that the journal can be told to make.
 */
#include "test/journal/workload.h"

#include "journal/inside.h"

#include <stdio.h>

/* A small log, that wraps often, and one whose transactions need several descriptors. */
static void options_of(uint64_t seed, struct workload_options *ret)
{
	bool large = seed % 4 == 3;

	*ret = (struct workload_options){
		.world = { .log_count = large ? 801 : 49 + (uint32_t)(seed % 3) * 16,
			   .in_pieces = seed % 2,
			   .seed = seed,
			   .block_size = seed % 5 == 4 ? 4096 : 1024 },
		.tasks = 1 + (unsigned int)(seed % 6),
		.steps = 40,
		.blocks = large ? 240 : 40,
		.credits = large ? 70 : 5,
	};
}

/* The first bad image; NULL: all are good. */
static const char *crash_everywhere(struct workload *l, uint64_t seeds_per_place, uint64_t *count)
{
	struct replay *replay = replay_begin(l->w.td);
	const char *verdict = NULL;

	for (size_t k = 0; !verdict && k <= test_disk_log_length(l->w.td); k++)
		for (uint64_t seed = 0; !verdict && seed <= seeds_per_place; seed++) {
			verdict = workload_crash(l, replay, k, seed * 7919 + (seed ? k : 0));
			(*count)++;
			if (verdict)
				printf("# place %zu of %zu, seed %llu: %s\n", k,
				       test_disk_log_length(l->w.td), (unsigned long long)seed,
				       verdict);
		}
	replay_end(replay);
	return verdict;
}

static void no_power_cut_breaks_or_loses_a_transaction(void)
{
	uint64_t images = 0, frozen = 0, waits = 0, checkpoints = 0, commits = 0;

	journal_mistake = JOURNAL_NO_MISTAKE;
	for (uint64_t seed = 1; seed <= (test_sanitized ? 4 : 12); seed++) {
		struct workload_options options;
		struct workload l;

		options_of(seed, &options);
		workload_run(&l, &options);
		if (crash_everywhere(&l, test_sanitized ? 1 : 3, &images))
			test_fail(__FILE__, __LINE__, "workload %llu", (unsigned long long)seed);
		frozen += l.stats.frozen;
		waits += l.stats.waits_for_room;
		checkpoints += l.stats.checkpoints;
		commits += l.stats.commits;
		workload_end(&l);
	}
	printf("# %llu images; %llu commits, %llu checkpoints, %llu waits for room, %llu frozen\n",
	       (unsigned long long)images, (unsigned long long)commits,
	       (unsigned long long)checkpoints, (unsigned long long)waits,
	       (unsigned long long)frozen);
	CHECK(frozen > 0 && waits > 0 && checkpoints > 0);
}

static void find_mistake(enum journal_mistake mistake)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct workload_options options;
		uint64_t images = 0;
		struct workload l;
		bool found;

		options_of(seed, &options);
		journal_mistake = mistake;
		workload_run(&l, &options);
		journal_mistake = JOURNAL_NO_MISTAKE;
		found = crash_everywhere(&l, 2, &images);
		workload_end(&l);
		if (found)
			return;
	}
	test_fail(__FILE__, __LINE__, "mistake %d was not found", mistake);
}

static void a_commit_record_without_a_flush_before_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_NO_PREFLUSH);
}

static void a_commit_record_that_is_not_durable_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_NO_FUA);
}

static void a_commit_record_before_the_data_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_RECORD_EARLY);
}

static void blocks_written_home_too_early_are_found(void)
{
	find_mistake(JOURNAL_MISTAKE_HOME_EARLY);
}

static void a_committing_block_changed_in_place_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_NO_FREEZE);
}

static void missing_revokes_are_found(void)
{
	find_mistake(JOURNAL_MISTAKE_NO_REVOKE);
}

static void a_tail_that_moves_without_a_flush_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_TAIL_EARLY);
}

static void a_log_used_again_before_the_tail_moved_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_TAIL_LATE);
}

static const struct test tests[] = {
	TEST_LONG(no_power_cut_breaks_or_loses_a_transaction, 60),
	TEST_LONG(a_commit_record_without_a_flush_before_is_found, 60),
	TEST_LONG(a_commit_record_that_is_not_durable_is_found, 60),
	TEST_LONG(a_commit_record_before_the_data_is_found, 60),
	TEST_LONG(blocks_written_home_too_early_are_found, 60),
	TEST_LONG(a_committing_block_changed_in_place_is_found, 60),
	TEST_LONG(missing_revokes_are_found, 60),
	TEST_LONG(a_tail_that_moves_without_a_flush_is_found, 60),
	TEST_LONG(a_log_used_again_before_the_tail_moved_is_found, 60),
};
TEST_MAIN(tests)

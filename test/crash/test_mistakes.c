/*
 * test_mistakes.c - the judge of crash.h finds each of the mistakes that the journal can be told
 * to make: else its verdicts would mean nothing. (Blocks written home too early are found
 * by an assertion of the cache's already.)
 */
#include "journal/inside.h"
#include "test/crash/workloads.h"

#define SEEDS 60u

static void no_more_mistakes(void)
{
	journal_mistake = JOURNAL_NO_MISTAKE;
}

/* From the first seed on: with most of those before it the mistake does no harm. */
static void find_mistake(enum journal_mistake mistake, const struct crash_options *kind,
			 uint64_t first)
{
	struct crash_options o = *kind;
	const char *bad = NULL;

	o.images = 100;
	o.worked = no_more_mistakes;
	for (uint64_t seed = first; seed < first + SEEDS && !bad; seed++) {
		journal_mistake = mistake;
		bad = crash_run(&o, seed);
	}
	if (!bad)
		test_fail(__FILE__, __LINE__, "mistake %d was not found in %u images", mistake,
			  crash_images);
	printf("# after %u images: %s\n", crash_images, bad);
}

static void a_commit_record_without_a_flush_before_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_NO_PREFLUSH, &crash_together, 1);
}

static void a_commit_acknowledged_too_early_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_NO_FUA, &crash_together, 1);
}

static void a_commit_record_before_ordered_data_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_RECORD_EARLY, &crash_small_cache, 9);
}

static void a_committing_block_that_is_changed_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_NO_FREEZE, &crash_together, 36);
}

static void a_missing_revoke_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_NO_REVOKE, &crash_names_1k, 1);
}

static void a_tail_that_moves_too_early_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_TAIL_EARLY, &crash_full_log, 22);
}

static void log_space_used_again_too_early_is_found(void)
{
	find_mistake(JOURNAL_MISTAKE_TAIL_LATE, &crash_full_log, 1);
}

#define LIMIT 600
static const struct test tests[] = {
	TEST_LONG(a_commit_record_without_a_flush_before_is_found, LIMIT),
	TEST_LONG(a_commit_acknowledged_too_early_is_found, LIMIT),
	TEST_LONG(a_commit_record_before_ordered_data_is_found, LIMIT),
	TEST_LONG(a_committing_block_that_is_changed_is_found, LIMIT),
	TEST_LONG(a_missing_revoke_is_found, LIMIT),
	TEST_LONG(a_tail_that_moves_too_early_is_found, LIMIT),
	TEST_LONG(log_space_used_again_too_early_is_found, LIMIT),
};
TEST_MAIN(tests)

/*
 * test_model.c - many tasks with handles of all kinds, in orders that seeds choose, on logs
 * that are full most of the time: nothing hangs, and in the end each block is what its
 * last change made it. With the cache so small that pages come and go.
 */
#include "test/journal/workload.h"

#include "journal/inside.h"

#include <stdio.h>

struct totals {
	uint64_t commits, frozen, waits, checkpoints, logged;
};

static void run_seed(uint64_t seed, struct workload_options *options, struct totals *totals)
{
	const char *verdict;
	struct workload l;

	options->world.seed = seed;
	workload_run(&l, options);
	verdict = workload_judge(&l, test_disk_data(l.w.td), l.last_id);
	if (verdict)
		test_fail(__FILE__, __LINE__, "seed %llu: %s", (unsigned long long)seed, verdict);
	CHECK_INT(l.w.aborted, 0);
	CHECK_INT(l.w.last_committed, l.last_id);
	totals->commits += l.stats.commits;
	totals->frozen += l.stats.frozen;
	totals->waits += l.stats.waits_for_room;
	totals->checkpoints += l.stats.checkpoints;
	totals->logged += l.stats.blocks_logged;
	workload_end(&l);
}

static void say(const struct totals *t)
{
	printf("# %llu commits of %llu blocks, %llu frozen, %llu waits for room, %llu retired\n",
	       (unsigned long long)t->commits, (unsigned long long)t->logged,
	       (unsigned long long)t->frozen, (unsigned long long)t->waits,
	       (unsigned long long)t->checkpoints);
}

static void the_smallest_log_serves_many_tasks(void)
{
	struct totals totals = { 0 };

	for (uint64_t seed = 1; seed <= (test_sanitized ? 20 : 150); seed++) {
		struct workload_options options = {
			.world = { .log_count = JOURNAL_LOG_MIN + 1, .in_pieces = seed % 2 },
			.tasks = 2 + (unsigned int)(seed % 9),
			.steps = 40,
			.blocks = 30,
			.credits = JOURNAL_LOG_MIN / 4,
		};

		run_seed(seed, &options, &totals);
	}
	say(&totals);
	CHECK(totals.waits > 1000 && totals.checkpoints > 1000);
}

static void large_transactions_are_changed_while_they_are_committed(void)
{
	struct totals totals = { 0 };

	for (uint64_t seed = 1; seed <= (test_sanitized ? 3 : 25); seed++) {
		struct workload_options options = {
			.world = { .log_count = 1001, .cache_limit = 512 << 10 },
			.tasks = 8,
			.steps = 40,
			.blocks = 250,
			.credits = 200,
		};

		run_seed(seed, &options, &totals);
	}
	say(&totals);
	CHECK(totals.frozen > 0);
}

static void blocks_of_4096_bytes_behave_the_same(void)
{
	struct totals totals = { 0 };

	for (uint64_t seed = 1; seed <= (test_sanitized ? 4 : 25); seed++) {
		struct workload_options options = {
			.world = { .log_count = 41 + (uint32_t)seed, .block_size = 4096 },
			.tasks = 4,
			.steps = 60,
			.blocks = 60,
			.credits = 6,
		};

		run_seed(seed, &options, &totals);
	}
	say(&totals);
}

static const struct test tests[] = {
	TEST_LONG(the_smallest_log_serves_many_tasks, 60),
	TEST_LONG(large_transactions_are_changed_while_they_are_committed, 60),
	TEST_LONG(blocks_of_4096_bytes_behave_the_same, 60),
};
TEST_MAIN(tests)

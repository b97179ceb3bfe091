/*
 * test_journal.c - what journal.h promises of handles, transactions and commits, one test a
 * promise. What survives a power cut: test_power.c; many tasks at once: test_model.c.
 */
#include "test/journal/journal_test.h"

#include <errno.h>
#include <string.h>

static struct world w;

static bool block_holds(uint64_t block, char kind, uint32_t version)
{
	return holds(&w, world_block(&w, block), kind, block, version);
}

/* ---- */

static void changes_and_closes(void *arg) MAY_YIELD;
static void changes_and_closes(void *arg)
{
	(void)arg;
	world_open(&w);
	CHECK_INT(journal_commit(w.j, change(&w, 3, 'm', 1)), 0);
	CHECK(get_be32(world_log(&w, 0) + 28) != 0);
	CHECK_INT(journal_commit(w.j, change(&w, 4, 'm', 2)), 0);
	change(&w, 5, 'm', 3);
	CHECK_INT(world_close(&w), 0);
}

static void close_leaves_everything_home_and_the_log_empty(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(changes_and_closes, NULL);
	CHECK(block_holds(3, 'm', 1) && block_holds(4, 'm', 2) && block_holds(5, 'm', 3));
	CHECK_INT(get_be32(world_log(&w, 0) + 28), 0);
	CHECK_INT(w.committed_calls, 3);
	world_end(&w);
}

/* ---- */

static void replays_what_was_cut(void *arg) MAY_YIELD;
static void replays_what_was_cut(void *arg)
{
	struct journal_replayed replayed;
	struct replay *replay = arg;
	struct world after;
	struct disk *disk = replay_disk(replay);
	const char *seen = replay_data(replay);

	world_on(&after, &w, disk);
	CHECK_INT(journal_open(&after.setup, &after.j), 0);
	CHECK(journal_needs_replay(after.j));
	CHECK_INT(journal_start(after.j), -EBUSY);
	CHECK_INT(journal_replay(after.j, &replayed), 0);
	CHECK_INT(replayed.transactions, 2);
	CHECK_INT(replayed.blocks, 3);
	CHECK_INT(replayed.revoked, 0);
	CHECK(holds(&w, seen + 3 * w.block_size, 'm', 3, 5));
	CHECK(holds(&w, seen + 4 * w.block_size, 'm', 4, 6));
	CHECK(holds(&w, seen + 5 * w.block_size, 'm', 5, 7));
	CHECK(!journal_needs_replay(after.j));
	CHECK_INT(world_close(&after), 0);
	world_off(&after);
	disk_close(disk);
}

static void commits_and_is_cut(void *arg) MAY_YIELD;
static void commits_and_is_cut(void *arg)
{
	struct journal_handle h;

	(void)arg;
	world_open(&w);
	CHECK_INT(journal_begin(w.j, 2, &h), 0);
	put(&w, &h, 3, 'm', 5);
	put(&w, &h, 4, 'm', 1);
	CHECK_INT(journal_commit(w.j, journal_handle_id(&h) - 1), 0);
	journal_end(&h);
	CHECK_INT(journal_commit_all(w.j), 0);
	change(&w, 4, 'm', 6);
	CHECK_INT(journal_commit(w.j, change(&w, 5, 'm', 7)), 0);
	test_disk_mark(w.td, 1);
	change(&w, 5, 'm', 8);
	CHECK_INT(world_close(&w), 0);
}

static void commits_survive_in_the_log(void)
{
	static const uint32_t sizes[] = { 1024, 2048, 4096 };

	for (size_t i = 0; i < 2 * ARRAY_COUNT(sizes); i++) {
		struct replay *replay;
		size_t k = 0;

		world_begin(&w, &(struct world_options){ .block_size = sizes[i / 2],
							 .in_pieces = i % 2 });
		test_disk_record(w.td);
		run_task(commits_and_is_cut, NULL);
		while (test_disk_log(w.td, k)->kind != RECORD_MARK)
			k++;
		replay = replay_begin(w.td);
		replay_crash(replay, k, 0, 0);
		run_task(replays_what_was_cut, replay);
		replay_end(replay);
		world_end(&w);
	}
}

static const struct test tests[] = {
	TEST(close_leaves_everything_home_and_the_log_empty),
	TEST(commits_survive_in_the_log),
};
TEST_MAIN(tests)

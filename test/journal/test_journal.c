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

/* ---- handles. */

static void takes_credits(void *arg) MAY_YIELD;
static void takes_credits(void *arg)
{
	struct cache_page *pages[4];
	struct journal_handle h;

	(void)arg;
	world_open(&w);
	CHECK_INT(journal_begin(w.j, 17, &h), -ENOSPC); /* more than a quarter of 64 */
	CHECK_INT(journal_begin(w.j, 16, &h), 0);
	journal_end(&h);
	for (unsigned int i = 0; i < 4; i++)
		CHECK_INT(cache_get(&w.blocks, 10 + i, &pages[i]), 0);
	CHECK_INT(journal_begin(w.j, 2, &h), 0);
	CHECK_INT(journal_get_write(&h, pages[0]), 0);
	CHECK_INT(h.credits, 1);
	CHECK_INT(journal_get_write(&h, pages[0]), 0);
	CHECK_INT(h.credits, 1); /* it is in the transaction already */
	CHECK_INT(journal_get_write(&h, pages[1]), 0);
	CHECK_INT(journal_get_write(&h, pages[2]), -ENOSPC);
	CHECK_INT(journal_extend(&h, 1), 0);
	CHECK_INT(journal_get_write(&h, pages[2]), 0);
	CHECK_INT(journal_extend(&h, 14), -EAGAIN);
	CHECK_INT(journal_restart(&h, 14), 0);
	CHECK_INT(h.credits, 14);
	CHECK_INT(journal_restart(&h, 17), -ENOSPC);
	CHECK(!h.transaction); /* and it has ended */
	for (unsigned int i = 0; i < 4; i++)
		cache_put(pages[i]);
	CHECK_INT(world_close(&w), 0);
}

static void a_handle_changes_no_more_blocks_than_it_has_credits(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(takes_credits, NULL);
	world_end(&w);
}

static void lives_without_a_journal(void *arg) MAY_YIELD;
static void lives_without_a_journal(void *arg)
{
	struct cache_page *page;
	struct journal_handle h;

	(void)arg;
	CHECK_INT(journal_begin(NULL, 100000, &h), 0);
	put(&w, &h, 3, 'm', 1);
	put(&w, &h, 4, 'm', 2);
	CHECK_INT(journal_extend(&h, 1), 0);
	CHECK(!journal_data_begin(&h));
	journal_data_end(NULL, 0);
	CHECK_INT(cache_get(&w.blocks, 4, &page), 0);
	CHECK_INT(journal_forget(&h, 4, page), 0);
	cache_put(page);
	CHECK_INT(journal_forget(&h, 5, NULL), 0);
	CHECK_INT(journal_restart(&h, 3), 0);
	journal_end(&h);
	CHECK_INT(journal_commit(NULL, journal_handle_id(&h)), 0);
	CHECK_INT(journal_commit_all(NULL), 0);
	CHECK(journal_committed(NULL, 7));
	CHECK_INT(cache_sync(&w.blocks, 0, UINT64_MAX), 0);
	CHECK_INT(journal_close(NULL), 0);
}

static void without_a_journal_changes_go_to_the_cache(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(lives_without_a_journal, NULL);
	CHECK(block_holds(3, 'm', 1));
	CHECK(!block_holds(4, 'm', 2)); /* it was forgotten before it was written */
	world_end(&w);
}

/* ---- commits. */

static struct journal_stats stats_now(void)
{
	struct journal_stats stats;

	journal_stats_get(w.j, &stats);
	return stats;
}

static void waits_five_seconds(void *arg) MAY_YIELD;
static void waits_five_seconds(void *arg)
{
	(void)arg;
	world_open(&w);
	change(&w, 3, 'm', 1);
	sleep_ns(JOURNAL_COMMIT_NS - SECOND_NS);
	change(&w, 4, 'm', 1);
	CHECK_INT(stats_now().commits, 0);
	CHECK_INT(cache_sync(&w.blocks, 0, UINT64_MAX), 0);
	CHECK(!block_holds(3, 'm', 1)); /* not durable, so not home */
	sleep_ns(2 * SECOND_NS);
	CHECK_INT(stats_now().commits, 1);
	CHECK_INT(w.committed_calls, 1);
	CHECK_INT(cache_sync(&w.blocks, 0, UINT64_MAX), 0);
	CHECK(block_holds(3, 'm', 1) && block_holds(4, 'm', 1));
	sleep_ns(60 * SECOND_NS);
	CHECK_INT(stats_now().commits, 1); /* nothing was changed since */
	CHECK_INT(world_close(&w), 0);
	CHECK_INT(w.committed_calls, 1);
}

static void what_nobody_asks_for_is_committed_after_five_seconds(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(waits_five_seconds, NULL);
	world_end(&w);
}

static void changes_nothing(void *arg) MAY_YIELD;
static void changes_nothing(void *arg)
{
	struct disk_stats before, after;
	struct cache_page *page;
	struct journal_handle h;

	(void)arg;
	world_open(&w);
	CHECK_INT(cache_get(&w.blocks, 3, &page), 0);
	disk_stats_get(w.disk, &before);
	CHECK_INT(journal_begin(w.j, 5, &h), 0);
	CHECK_INT(journal_get_write(&h, page), 0);
	journal_end(&h);
	CHECK_INT(journal_commit_all(w.j), 0);
	CHECK_INT(journal_commit_all(w.j), 0);
	CHECK_INT(stats_now().commits, 0);
	disk_stats_get(w.disk, &after);
	CHECK_INT(after.calls, before.calls);
	cache_put(page);
	CHECK_INT(world_close(&w), 0);
	disk_stats_get(w.disk, &after);
	CHECK_INT(after.writes, before.writes);
}

static void a_transaction_that_changed_nothing_writes_nothing(void)
{
	world_begin(&w, &(struct world_options){ .features = 0 });
	run_task(changes_nothing, NULL);
	world_end(&w);
}

static unsigned int syncers;

static void changes_and_syncs(void *arg) MAY_YIELD;
static void changes_and_syncs(void *arg)
{
	uint64_t block = (uint64_t)(uintptr_t)arg;

	for (uint32_t i = 1; i <= 10; i++)
		CHECK_INT(journal_commit(w.j, change(&w, block, 'm', i)), 0);
	syncers--;
}

static void many_sync(void *arg) MAY_YIELD;
static void many_sync(void *arg)
{
	(void)arg;
	world_open(&w);
	syncers = 16;
	for (uintptr_t i = 1; i <= 16; i++)
		spawn("syncer", changes_and_syncs, (void *)i);
	while (syncers > 0)
		sleep_ns(MILLISECOND_NS);
	CHECK(stats_now().commits <= 22); /* not 160 */
	CHECK_INT(world_close(&w), 0);
}

static void one_commit_serves_all_who_wait(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(many_sync, NULL);
	for (uint64_t b = 1; b <= 16; b++)
		CHECK(block_holds(b, 'm', 10));
	world_end(&w);
}

static bool late_joined, asked_committed;

static void joins_late(void *arg) MAY_YIELD;
static void joins_late(void *arg)
{
	*(uint32_t *)arg = change(&w, 9, 'm', 1);
	late_joined = true;
}

static void asks(void *arg) MAY_YIELD;
static void asks(void *arg)
{
	CHECK_INT(journal_commit(w.j, *(uint32_t *)arg), 0);
	asked_committed = true;
}

static void holds_a_handle(void *arg) MAY_YIELD;
static void holds_a_handle(void *arg)
{
	struct journal_handle h;
	uint32_t id, late_id = 0;

	(void)arg;
	late_joined = false;
	asked_committed = false;
	world_open(&w);
	CHECK_INT(journal_begin(w.j, 2, &h), 0);
	put(&w, &h, 3, 'm', 1);
	id = journal_handle_id(&h);
	spawn("asks", asks, &id);
	sleep_ns(MILLISECOND_NS);
	spawn("joins late", joins_late, &late_id);
	sleep_ns(MILLISECOND_NS);
	CHECK(!late_joined && !asked_committed);
	CHECK_INT(journal_extend(&h, 1), -EAGAIN);
	put(&w, &h, 4, 'm', 1); /* credits it has are good */
	journal_end(&h);
	sleep_ns(MILLISECOND_NS);
	CHECK(late_joined && asked_committed);
	CHECK_INT(late_id, id + 1);
	CHECK(journal_committed(w.j, id) && !journal_committed(w.j, late_id));
	CHECK_INT(world_close(&w), 0);
}

static void a_commit_waits_for_open_handles_and_new_ones_wait_for_it(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(holds_a_handle, NULL);
	world_end(&w);
}

static void counts_data(void *arg) MAY_YIELD;
static void counts_data(void *arg)
{
	struct journal_transaction *t;
	struct journal_handle h;
	uint32_t id;

	(void)arg;
	asked_committed = false;
	world_open(&w);
	CHECK_INT(journal_begin(w.j, 1, &h), 0);
	put(&w, &h, 3, 'm', 1);
	t = journal_data_begin(&h);
	CHECK(t == journal_data_begin(&h));
	id = journal_handle_id(&h);
	journal_end(&h);
	spawn("asks", asks, &id);
	sleep_ns(SECOND_NS);
	journal_data_end(t, 0);
	sleep_ns(SECOND_NS);
	CHECK(!asked_committed);
	/* Others go on meanwhile. */
	CHECK_INT(change(&w, 3, 'm', 2), id + 1);
	journal_data_end(t, -EIO);
	sleep_ns(SECOND_NS);
	CHECK(asked_committed);
	CHECK_INT(world_close(&w), 0);
}

static void a_commit_waits_for_its_data(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(counts_data, NULL);
	CHECK(block_holds(3, 'm', 2));
	world_end(&w);
}

/* ---- what is on the disk. */

static void logs_an_escaped_block(void *arg) MAY_YIELD;
static void logs_an_escaped_block(void *arg)
{
	(void)arg;
	world_open(&w);
	CHECK_INT(get_be32(world_log(&w, 0) + 40), F_REVOKE | F_64BIT | F_V3);
	CHECK_INT(journal_commit(w.j, change(&w, 7, 'm', 5)), 0);
	CHECK_INT(get_be32(world_log(&w, 1) + 4), 1);	   /* a descriptor */
	CHECK_INT(get_be32(world_log(&w, 1) + 12), 7);	   /* of block 7, */
	CHECK_INT(get_be32(world_log(&w, 1) + 16), 1 | 8); /* escaped and last */
	CHECK_INT(get_be32(world_log(&w, 2)), 0);
	CHECK_INT(get_be32(world_log(&w, 3) + 4), 2); /* the commit record */
	CHECK_INT(world_close(&w), 0);
	CHECK_INT(get_be32(world_log(&w, 0) + 40), F_REVOKE | F_64BIT | F_V3);
}

static void the_log_has_linux_features_and_no_block_looks_like_a_header(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(logs_an_escaped_block, NULL);
	CHECK(block_holds(7, 'm', 5));
	world_end(&w);
	world_begin(&w, &(struct world_options){ .features = F_V2 | F_ASYNC });
	run_task(logs_an_escaped_block, NULL);
	world_end(&w);
}

static void refuses_to_start(void *arg) MAY_YIELD;
static void refuses_to_start(void *arg)
{
	int wanted = *(int *)arg;

	CHECK_INT(journal_open(&w.setup, &w.j), 0);
	CHECK_INT(journal_start(w.j), wanted);
	CHECK_INT(world_close(&w), 0);
}

static void a_journal_that_may_not_be_written_does_not_start(void)
{
	char byte = 3;

	world_begin(&w, &(struct world_options){ .log_count = 32 });
	run_task(refuses_to_start, &(int){ -EUCLEAN }); /* 31 blocks of log */
	world_end(&w);
	world_begin(&w, &(struct world_options){ 0 });
	w.setup.read_only = true;
	run_task(refuses_to_start, &(int){ -EROFS });
	w.setup.read_only = false;
	test_disk_put(w.td, world_log_block(&w, 0) * w.block_size + 7, &byte, 1);
	run_task(refuses_to_start, &(int){ -EOPNOTSUPP }); /* version 1 */
	world_end(&w);
}

/* ---- blocks that are freed. */

static void forgets(void *arg) MAY_YIELD;
static void forgets(void *arg)
{
	struct journal_handle h;

	(void)arg;
	world_open(&w);
	change(&w, 3, 'm', 1);
	CHECK_INT(journal_commit(w.j, change(&w, 4, 'm', 1)), 0);
	CHECK_INT(journal_begin(w.j, 1, &h), 0);
	CHECK_INT(journal_forget(&h, 3, NULL), 0);
	CHECK_INT(journal_forget(&h, 3, NULL), 0);
	put(&w, &h, 4, 'm', 2);
	CHECK_INT(journal_forget(&h, 4, NULL), 0);
	put(&w, &h, 4, 'm', 3);
	journal_end(&h);
	CHECK_INT(cache_sync(&w.blocks, 0, UINT64_MAX), 0);
	CHECK(!block_holds(3, 'm', 1)); /* kept, until the freeing is durable */
	CHECK_INT(journal_commit_all(w.j), 0);
	CHECK(!cache_find(&w.blocks, 3));
	CHECK_INT(get_be32(world_log(&w, 5) + 4), 5);	/* a revoke block */
	CHECK_INT(get_be32(world_log(&w, 5) + 12), 24); /* with one number: */
	CHECK_INT(get_be32(world_log(&w, 5) + 20), 3);	/* block 3, and not 4 */
	CHECK_INT(world_close(&w), 0);
}

static void a_freed_block_is_revoked_and_not_written(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(forgets, NULL);
	CHECK(!block_holds(3, 'm', 1));
	CHECK(block_holds(4, 'm', 3));
	world_end(&w);
}

static void forgets_thousands(void *arg) MAY_YIELD;
static void forgets_thousands(void *arg)
{
	struct journal_handle h;
	uint64_t block = 1000;
	int r;

	(void)arg;
	world_open(&w);
	CHECK_INT(journal_begin(w.j, 1, &h), 0);
	while ((r = journal_forget(&h, block, NULL)) == 0)
		block++;
	CHECK_INT(r, -ENOSPC);
	CHECK(block > 1000 + 125); /* more than one revoke block */
	for (unsigned int i = 0; i < 3000; i++) {
		r = journal_forget(&h, block, NULL);
		CHECK(r == 0 || r == -ENOSPC);
		if (r < 0)
			CHECK_INT(journal_restart(&h, 1), 0);
		else
			block++;
	}
	journal_end(&h);
	CHECK_INT(world_close(&w), 0);
}

/* Two of them look, and then free as many as both may; and each what its credit is for. */
static void forgets_as_many_as_it_may(void *arg) MAY_YIELD;
static void forgets_as_many_as_it_may(void *arg)
{
	struct journal_handle h[2];
	uint64_t block = 1000;
	struct journal_stats stats;

	(void)arg;
	world_open(&w);
	for (unsigned int round = 0; round < 300; round++) {
		uint32_t room[2];

		for (unsigned int i = 0; i < 2; i++)
			CHECK_INT(journal_begin(w.j, 1, &h[i]), 0);
		for (unsigned int i = 0; i < 2; i++)
			room[i] = journal_forget_room(&h[i]);
		CHECK(room[0] > 0 && room[1] > 0);
		for (unsigned int i = 0; i < 2; i++) {
			for (uint32_t count = room[i] + 1; count > 0; count--)
				CHECK_INT(journal_forget(&h[i], block++, NULL), 0);
		}
		for (unsigned int i = 0; i < 2; i++)
			journal_end(&h[i]);
	}
	journal_stats_get(w.j, &stats);
	CHECK(stats.commits > 1); /* nobody else asked for one */
	CHECK_INT(world_close(&w), 0);
}

static void a_handle_may_free_as_many_blocks_as_it_is_told(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(forgets_as_many_as_it_may, NULL);
	world_end(&w);
	world_begin(&w, &(struct world_options){ .block_size = 4096, .log_count = 1024 });
	run_task(forgets_as_many_as_it_may, NULL);
	world_end(&w);
}

static void a_handle_that_frees_too_many_blocks_is_told(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(forgets_thousands, NULL);
	world_end(&w);
}

/* ---- numbers of transactions come round. */

static void commits_ten(void *arg) MAY_YIELD;
static void commits_ten(void *arg)
{
	(void)arg;
	world_open(&w);
	for (uint32_t i = 0; i < 10; i++)
		CHECK_INT(journal_commit(w.j, change(&w, 1 + i, 'm', 1)), 0);
	test_disk_mark(w.td, 1);
	CHECK_INT(world_close(&w), 0);
}

static void replays_ten(void *arg) MAY_YIELD;
static void replays_ten(void *arg)
{
	struct journal_replayed replayed;
	struct world after;
	struct disk *disk = replay_disk(arg);

	world_on(&after, &w, disk);
	CHECK_INT(journal_open(&after.setup, &after.j), 0);
	CHECK_INT(journal_replay(after.j, &replayed), 0);
	CHECK_INT(replayed.transactions, 10);
	CHECK_INT(world_close(&after), 0);
	world_off(&after);
	disk_close(disk);
}

static void transactions_are_in_order_when_their_numbers_wrap(void)
{
	struct replay *replay;
	uint32_t sequence;
	size_t k = 0;

	world_begin(&w, &(struct world_options){ 0 });
	put_be32(&sequence, UINT32_MAX - 4);
	test_disk_put(w.td, world_log_block(&w, 0) * w.block_size + 24, &sequence, 4);
	test_disk_record(w.td);
	run_task(commits_ten, NULL);
	while (test_disk_log(w.td, k)->kind != RECORD_MARK)
		k++;
	replay = replay_begin(w.td);
	replay_crash(replay, k, 0, 0);
	run_task(replays_ten, replay);
	replay_end(replay);
	world_end(&w);
}

/* ---- errors. */

static void meets_an_error(void *arg) MAY_YIELD;
static void meets_an_error(void *arg)
{
	struct journal_handle h;
	uint32_t id;

	(void)arg;
	world_open(&w);
	CHECK_INT(journal_commit(w.j, change(&w, 3, 'm', 1)), 0);
	id = change(&w, 3, 'm', 2);
	change(&w, 4, 'm', 2);
	test_disk_fail_range(w.td, DISK_WRITE, world_log_block(&w, 0) * w.block_size,
			     (uint64_t)w.log_count * w.block_size, -EIO, 0);
	CHECK_INT(journal_commit(w.j, id), -EIO);
	CHECK_INT(w.aborted, -EIO);
	CHECK_INT(journal_commit(w.j, id), -EROFS);
	CHECK_INT(journal_commit(w.j, id - 1), 0); /* that one is safe */
	CHECK_INT(journal_commit_all(w.j), -EROFS);
	CHECK_INT(journal_begin(w.j, 1, &h), -EROFS);
	journal_abort(w.j, -EUCLEAN); /* once is enough */
	sleep_ns(60 * SECOND_NS);
	CHECK(!block_holds(4, 'm', 2));
	CHECK_INT(world_close(&w), -EIO);
	test_disk_mend(w.td);
	CHECK(!block_holds(3, 'm', 2) && !block_holds(4, 'm', 2));
	/* What was committed is still there; the error is not, its place could not be written. */
	w.aborted = 0;
	world_open(&w);
	CHECK_INT(journal_noted_error(w.j), 0);
	CHECK(block_holds(3, 'm', 1));
	CHECK_INT(world_close(&w), 0);
}

static void an_error_of_the_log_ends_changes_and_loses_nothing_committed(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(meets_an_error, NULL);
	CHECK(block_holds(3, 'm', 1));
	world_end(&w);
}

static void meets_an_error_at_home(void *arg) MAY_YIELD;
static void meets_an_error_at_home(void *arg)
{
	(void)arg;
	world_open(&w);
	CHECK_INT(journal_commit(w.j, change(&w, 3, 'm', 1)), 0);
	test_disk_fail_range(w.td, DISK_WRITE, (uint64_t)3 * w.block_size, w.block_size, -EIO, 0);
	CHECK_INT(world_close(&w), -EIO);
	CHECK_INT(w.aborted, -EIO);
	test_disk_mend(w.td);
	w.aborted = 0;
	world_off(&w);
	CHECK_INT(cache_map_disk(&w.blocks, w.disk, w.block_size), 0);
	world_open(&w);
	CHECK_INT(journal_noted_error(w.j), -EIO);
	CHECK(block_holds(3, 'm', 1));
	CHECK_INT(world_close(&w), 0);
}

static void a_block_that_cannot_go_home_stays_in_the_log(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(meets_an_error_at_home, NULL);
	world_end(&w);
}

/* One request of the disk fails; what was acknowledged is there all the same. */
struct failure {
	enum disk_op op;
	uint64_t n;
	uint32_t acknowledged;
	bool met;
};

/* The transaction, or why there was none. */
static int try_change(uint64_t block, uint32_t version, uint32_t *ret_id) MAY_YIELD;
static int try_change(uint64_t block, uint32_t version, uint32_t *ret_id)
{
	struct cache_page *page;
	struct journal_handle h;
	int r;

	CHECK_INT(cache_get(&w.blocks, block, &page), 0);
	r = journal_begin(w.j, 1, &h);
	if (r == 0) {
		r = journal_get_write(&h, page);
		if (r == 0) {
			contents(&w, page->data, 'm', block, version);
			journal_dirty(&h, page);
		}
		*ret_id = journal_handle_id(&h);
		journal_end(&h);
	}
	cache_put(page);
	return r;
}

static void fails_once(void *arg) MAY_YIELD;
static void fails_once(void *arg)
{
	struct failure *f = arg;

	world_open(&w);
	test_disk_fail_nth(w.td, f->op, f->n, -EIO);
	for (uint32_t i = 1; i <= 30; i++) {
		uint32_t id = 0;

		if (try_change(i, i, &id) < 0 || journal_commit(w.j, id) < 0)
			break;
		f->acknowledged = i;
		if (i % 10 == 0) /* some go home */
			sleep_ns(10 * SECOND_NS);
	}
	f->met = world_close(&w) < 0 || w.aborted < 0;
	test_disk_mend(w.td);
	world_off(&w);
	w.aborted = 0;
	CHECK_INT(cache_map_disk(&w.blocks, w.disk, w.block_size), 0);
	world_open(&w);
	for (uint32_t i = 1; i <= f->acknowledged; i++)
		CHECK(block_holds(i, 'm', i));
	CHECK_INT(world_close(&w), 0);
}

static void one_error_anywhere_loses_nothing_acknowledged(void)
{
	static const enum disk_op ops[] = { DISK_WRITE, DISK_FLUSH };
	unsigned int met = 0;

	for (size_t i = 0; i < ARRAY_COUNT(ops); i++)
		for (uint64_t n = 1; n < 130; n++) {
			struct failure f = { .op = ops[i], .n = n };

			world_begin(&w, &(struct world_options){ .log_count = 40 });
			run_task(fails_once, &f);
			world_end(&w);
			met += f.met;
		}
	CHECK(met > 50);
}

static void is_aborted(void *arg) MAY_YIELD;
static void is_aborted(void *arg)
{
	struct cache_page *page;
	struct journal_handle h;

	(void)arg;
	asked_committed = false;
	world_open(&w);
	CHECK_INT(cache_get(&w.blocks, 5, &page), 0);
	CHECK_INT(journal_begin(w.j, 3, &h), 0);
	put(&w, &h, 3, 'm', 1);
	journal_abort(w.j, -EUCLEAN);
	CHECK_INT(journal_get_write(&h, page), -EROFS);
	CHECK_INT(journal_forget(&h, 3, NULL), -EROFS);
	CHECK_INT(journal_extend(&h, 1), -EAGAIN);
	CHECK_INT(journal_restart(&h, 1), -EROFS);
	cache_put(page);
	CHECK_INT(world_close(&w), -EUCLEAN);
}

static void an_aborted_journal_takes_no_changes(void)
{
	world_begin(&w, &(struct world_options){ 0 });
	run_task(is_aborted, NULL);
	CHECK(!block_holds(3, 'm', 1));
	CHECK_INT(w.aborted, -EUCLEAN);
	world_end(&w);
}

static const struct test tests[] = {
	TEST(close_leaves_everything_home_and_the_log_empty),
	TEST(commits_survive_in_the_log),
	TEST(a_handle_changes_no_more_blocks_than_it_has_credits),
	TEST(without_a_journal_changes_go_to_the_cache),
	TEST(what_nobody_asks_for_is_committed_after_five_seconds),
	TEST(a_transaction_that_changed_nothing_writes_nothing),
	TEST(one_commit_serves_all_who_wait),
	TEST(a_commit_waits_for_open_handles_and_new_ones_wait_for_it),
	TEST(a_commit_waits_for_its_data),
	TEST(the_log_has_linux_features_and_no_block_looks_like_a_header),
	TEST(a_journal_that_may_not_be_written_does_not_start),
	TEST(a_freed_block_is_revoked_and_not_written),
	TEST(a_handle_that_frees_too_many_blocks_is_told),
	TEST(a_handle_may_free_as_many_blocks_as_it_is_told),
	TEST(transactions_are_in_order_when_their_numbers_wrap),
	TEST(an_error_of_the_log_ends_changes_and_loses_nothing_committed),
	TEST(a_block_that_cannot_go_home_stays_in_the_log),
	TEST(one_error_anywhere_loses_nothing_acknowledged),
	TEST(an_aborted_journal_takes_no_changes),
};
TEST_MAIN(tests)

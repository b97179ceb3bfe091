/*
 * test_replay.c - what journal.h promises of replay, log by log: all formats, wrap-around,
 * revokes, escapes, what is torn and what is damaged; and that hostile logs do no harm.
 */
#include "test/journal/forge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 40u /* the log's blocks belong to 1 .. BLOCKS */

static struct world w;
static struct forge f;

static const uint32_t formats[] = {
	0,
	F_64BIT,
	F_V2,
	F_V2 | F_64BIT,
	F_V3,
	F_V3 | F_64BIT,
	F_V3 | F_64BIT | F_ASYNC,
	F_V2 | F_ASYNC,
};

struct outcome {
	int r;
	struct journal_replayed replayed;
};

static void try_replay(void *arg) MAY_YIELD;
static void try_replay(void *arg)
{
	struct outcome *o = arg;
	struct world again;

	world_on(&again, &w, w.disk);
	*o = (struct outcome){ 0 };
	o->r = journal_open(&again.setup, &again.j);
	if (o->r == 0) {
		o->r = journal_replay(again.j, &o->replayed);
		CHECK_INT(journal_needs_replay(again.j), o->r != 0);
		CHECK_INT(world_close(&again), 0);
	}
	world_off(&again);
}

static int replay_now(struct journal_replayed *ret)
{
	struct outcome o;

	run_task(try_replay, &o);
	*ret = o.replayed;
	return o.r;
}

static uint32_t version_of(uint64_t block)
{
	uint32_t version;

	return which(&w, world_block(&w, block), block, &version) ? version : 0;
}

/* ---- */

static void all_formats_are_read(void)
{
	static const uint32_t sizes[] = { 1024, 2048, 4096 };
	struct journal_replayed seen;

	for (size_t i = 0; i < ARRAY_COUNT(formats) * ARRAY_COUNT(sizes); i++) {
		world_begin(&w, &(struct world_options){
					.block_size = sizes[i / ARRAY_COUNT(formats)] });
		forge_begin(&f, &w, formats[i % ARRAY_COUNT(formats)] | F_REVOKE, 1);
		forge_blocks(&f, (uint64_t[]){ 1, 2, 3, 4 }, 4, 5); /* escaped */
		forge_commit(&f);
		forge_revoke(&f, (uint64_t[]){ 2, 200, 4 }, 3);
		forge_blocks(&f, (uint64_t[]){ 1 }, 1, 7);
		forge_commit(&f);
		forge_blocks(&f, (uint64_t[]){ 4, 9 }, 2, 8);
		forge_commit(&f);
		forge_blocks(&f, (uint64_t[]){ 1 }, 1, 9); /* not committed */
		forge_end(&f);
		CHECK_INT(replay_now(&seen), 0);
		CHECK_INT(seen.transactions, 3);
		CHECK_INT(seen.blocks, 4);
		CHECK_INT(seen.revoked, 2);
		CHECK_INT(version_of(1), 7);
		CHECK_INT(version_of(2), 0);
		CHECK_INT(version_of(3), 5);
		CHECK_INT(version_of(4), 8);
		CHECK_INT(version_of(9), 8);
		/* Empty now, and the torn transaction's number is not used again. */
		CHECK_INT(get_be32(world_log(&w, 0) + 28), 0);
		CHECK_INT(get_be32(world_log(&w, 0) + 24), 5);
		world_end(&w);
	}
}

static void a_log_goes_on_at_its_first_block(void)
{
	struct journal_replayed seen;

	for (uint32_t start = 1; start < 40; start++) {
		world_begin(&w, &(struct world_options){ .log_count = 40, .in_pieces = start % 2 });
		forge_begin(&f, &w, F_V3 | F_64BIT, start);
		for (uint32_t i = 0; i < 9; i++) {
			forge_blocks(&f, (uint64_t[]){ 10 + i, 30 }, 2, 100 + i);
			forge_commit(&f);
		}
		forge_end(&f);
		CHECK_INT(replay_now(&seen), 0);
		CHECK_INT(seen.transactions, 9);
		CHECK_INT(version_of(30), 108);
		for (uint32_t i = 0; i < 9; i++)
			CHECK_INT(version_of(10 + i), 100 + i);
		world_end(&w);
	}
}

static void a_log_full_to_the_last_block_is_read_once(void)
{
	struct journal_replayed seen;

	world_begin(&w, &(struct world_options){ .log_count = 40 });
	forge_begin(&f, &w, F_V3 | F_64BIT, 20);
	for (uint32_t i = 0; i < 13; i++) {
		forge_blocks(&f, (uint64_t[]){ 5 }, 1, 1 + i);
		forge_commit(&f);
	}
	CHECK_INT(f.index, 20);
	forge_end(&f);
	CHECK_INT(replay_now(&seen), 0);
	CHECK_INT(seen.transactions, 13);
	CHECK_INT(version_of(5), 13);
	world_end(&w);
}

/* ---- torn, and damaged. */

enum damaged { DESCRIPTOR, DATA, REVOKE, COMMIT };

/* Transaction 2 of 2 or of 3 has a wrong bit somewhere. */
static int damage(uint32_t features, enum damaged what, bool another)
{
	struct journal_replayed seen;
	uint32_t at;
	char byte;
	int r;

	world_begin(&w, &(struct world_options){ 0 });
	forge_begin(&f, &w, features, 1);
	forge_blocks(&f, (uint64_t[]){ 1, 2 }, 2, 2);
	forge_commit(&f);
	at = f.index + (what == DATA ? 1 : what == REVOKE ? 2 : 0);
	forge_blocks(&f, (uint64_t[]){ 1 }, 1, 3);
	forge_revoke(&f, (uint64_t[]){ 2 }, 1);
	f.damage_next = what == COMMIT;
	forge_commit(&f);
	if (another) {
		forge_blocks(&f, (uint64_t[]){ 2 }, 1, 4);
		forge_commit(&f);
	}
	forge_end(&f);
	if (what != COMMIT) {
		byte = world_log(&w, at)[700] ^ 1;
		test_disk_put(w.td, world_log_block(&w, at) * w.block_size + 700, &byte, 1);
	}
	r = replay_now(&seen);
	CHECK_INT(version_of(1), r < 0 ? 0 : 2); /* nothing, or the first transaction */
	CHECK_INT(version_of(2), r < 0 ? 0 : 2);
	world_end(&w);
	return r;
}

static void a_torn_commit_record_ends_the_replay(void)
{
	CHECK_INT(damage(F_V3 | F_64BIT, COMMIT, false), 0);
	CHECK_INT(damage(F_V2, COMMIT, false), 0);
}

static void a_bad_commit_record_before_another_transaction_is_damage(void)
{
	CHECK_INT(damage(F_V3 | F_64BIT, COMMIT, true), -EUCLEAN);
	CHECK_INT(damage(F_V2, COMMIT, true), -EUCLEAN);
}

static void anything_bad_before_a_good_commit_record_is_damage(void)
{
	for (enum damaged what = DESCRIPTOR; what < COMMIT; what++) {
		CHECK_INT(damage(F_V3 | F_64BIT, what, false), -EUCLEAN);
		CHECK_INT(damage(F_V3 | F_64BIT, what, true), -EUCLEAN);
		CHECK_INT(damage(F_V2, what, false), -EUCLEAN);
	}
}

static void with_async_commit_the_last_transaction_may_be_torn_anywhere(void)
{
	for (enum damaged what = DESCRIPTOR; what <= COMMIT; what++) {
		CHECK_INT(damage(F_V3 | F_64BIT | F_ASYNC, what, false), 0);
		CHECK_INT(damage(F_V3 | F_64BIT | F_ASYNC, what, true), -EUCLEAN);
	}
}

static int replay_to(uint64_t block)
{
	struct journal_replayed seen;
	int r;

	world_begin(&w, &(struct world_options){ 0 });
	forge_begin(&f, &w, F_V3 | F_64BIT, 1);
	forge_blocks(&f, (uint64_t[]){ 1, block }, 2, 2);
	forge_commit(&f);
	forge_end(&f);
	r = replay_now(&seen);
	CHECK_INT(version_of(1), r < 0 ? 0 : 2);
	world_end(&w);
	return r;
}

static void blocks_where_nobody_may_write_are_damage(void)
{
	CHECK_INT(replay_to(17), 0);
	CHECK_INT(replay_to(0), -EUCLEAN);
	CHECK_INT(replay_to(UINT64_MAX), -EUCLEAN);
	CHECK_INT(replay_to(UINT64_C(1) << 32), -EUCLEAN);
	CHECK_INT(replay_to(WORLD_BLOCKS + 3), -EUCLEAN); /* the log itself */
}

/* The file has a block more than the log, which is the journal's all the same. */
static void the_rest_of_the_journals_file_is_nobody_elses(void)
{
	struct journal_replayed seen;
	uint8_t super[1024];

	world_begin(&w, &(struct world_options){ 0 });
	forge_begin(&f, &w, F_V3 | F_64BIT, 1);
	forge_blocks(&f, (uint64_t[]){ 1, world_log_block(&w, w.log_count - 1) }, 2, 2);
	forge_commit(&f);
	forge_end(&f);
	memcpy(super, world_log(&w, 0), sizeof(super));
	put_be32(super + 16, w.log_count - 1);
	forge_mend(&f, super, true);
	test_disk_put(w.td, world_log_block(&w, 0) * w.block_size, super, sizeof(super));
	CHECK_INT(replay_now(&seen), -EUCLEAN);
	CHECK_INT(version_of(1), 0);
	world_end(&w);
}

/* ---- superblocks. */

static int open_with(uint32_t offset, uint32_t value, uint32_t features)
{
	struct journal_replayed seen;
	uint8_t super[1024];
	int r;

	world_begin(&w, &(struct world_options){ 0 });
	forge_begin(&f, &w, features, 1);
	forge_blocks(&f, (uint64_t[]){ 1 }, 1, 2);
	forge_commit(&f);
	forge_end(&f);
	memcpy(super, world_log(&w, 0), sizeof(super));
	put_be32(super + offset, value);
	forge_mend(&f, super, true);
	test_disk_put(w.td, world_log_block(&w, 0) * w.block_size, super, sizeof(super));
	r = replay_now(&seen);
	CHECK(r < 0 || version_of(1) == 2 || seen.transactions == 0);
	world_end(&w);
	return r;
}

static void superblocks_are_checked(void)
{
	CHECK_INT(open_with(0, 0xc03b3998, F_V3), 0);
	CHECK_INT(open_with(0, 1, F_V3), -EUCLEAN);
	CHECK_INT(open_with(4, 1, F_V3), -EUCLEAN);
	CHECK_INT(open_with(12, 4096, F_V3), -EUCLEAN);
	CHECK_INT(open_with(16, 64, F_V3), 0); /* the journal may be smaller than its file */
	CHECK_INT(open_with(16, 66, F_V3), -EUCLEAN);
	CHECK_INT(open_with(16, 0, F_V3), -EUCLEAN);
	CHECK_INT(open_with(20, 0, F_V3), -EUCLEAN);
	CHECK_INT(open_with(20, 65, F_V3), -EUCLEAN);
	CHECK_INT(open_with(28, 65, F_V3), -EUCLEAN);
	CHECK_INT(open_with(28, 64, F_V3), 0); /* nothing there */
	CHECK_INT(open_with(28, UINT32_MAX, F_V3), -EUCLEAN);
	CHECK_INT(open_with(24, 77, F_V3), 0); /* no such transaction */
	CHECK_INT(open_with(0x50, 1u << 24, F_V3), -EUCLEAN);
	CHECK_INT(open_with(4, 3, 0), 0); /* version 1 */
}

static void features_are_checked(void)
{
	CHECK_INT(open_with(40, F_V3 | F_64BIT | F_FAST, F_V3), -EOPNOTSUPP);
	CHECK_INT(open_with(40, 0x80000000, F_V3), -EOPNOTSUPP);
	CHECK_INT(open_with(40, F_V2 | F_V3, F_V3), -EUCLEAN);
	CHECK_INT(open_with(36, 1, F_V3), -EUCLEAN);
	CHECK_INT(open_with(36, 1, 0), 0);
	CHECK_INT(open_with(40, F_ASYNC, 0), -EOPNOTSUPP);
}

/* ---- hostile logs. */

/* Transactions by chance; state[n][b]: version of block b after n of them. */
#define TRANSACTIONS 4u
static uint32_t state[TRANSACTIONS + 1][BLOCKS + 1];

static void forge_by_chance(uint64_t seed)
{
	uint64_t random = seed;
	uint32_t version = 1;

	memset(state, 0, sizeof(state));
	forge_begin(&f, &w, formats[seed % ARRAY_COUNT(formats)] | F_REVOKE,
		    1 + (uint32_t)test_random(&random, 38));
	for (uint32_t n = 1; n <= TRANSACTIONS; n++) {
		uint64_t blocks[4], revoked = 0;
		unsigned int count = 1 + (unsigned int)test_random(&random, 4);

		memcpy(state[n], state[n - 1], sizeof(state[n]));
		if (n > 1 && test_random(&random, 2)) {
			revoked = 1 + test_random(&random, BLOCKS / 2);
			forge_revoke(&f, &revoked, 1);
			state[n][revoked] = 0;
		}
		version++;
		for (unsigned int i = 0; i < count; i++) {
			blocks[i] = BLOCKS / 4 * i + 1 + test_random(&random, BLOCKS / 4);
			if (blocks[i] == revoked)
				blocks[i] = BLOCKS / 4 * i + 1 + revoked % (BLOCKS / 4);
			state[n][blocks[i]] = version;
		}
		forge_blocks(&f, blocks, count, version);
		forge_commit(&f);
	}
	forge_end(&f);
}

/* Of blocks that were revoked nothing is known: an older replay may have left anything. */
static bool is_state(uint32_t n)
{
	for (uint32_t b = 1; b <= BLOCKS; b++)
		if (version_of(b) != state[n][b])
			return false;
	return true;
}

static bool is_some_state(void)
{
	for (uint32_t n = 0; n <= TRANSACTIONS; n++)
		if (is_state(n))
			return true;
	return false;
}

/* Byte `at` of the used part of the log, superblock first. */
static uint64_t place_of(uint64_t at)
{
	uint32_t index = (uint32_t)(at / w.block_size);

	if (index > 0) {
		index = f.start + index - 1;
		index = index >= w.log_count ? index - w.log_count + 1 : index;
	}
	return world_log_block(&w, index) * w.block_size + at % w.block_size;
}

static uint64_t used_bytes(void)
{
	uint32_t blocks = (f.index + w.log_count - 1 - f.start) % (w.log_count - 1);

	return (uint64_t)(1 + blocks) * w.block_size;
}

static uint64_t replayed_count, refused_count;

static void check_hostile(bool honest)
{
	struct disk_stats before, after;
	struct journal_replayed seen;
	int r;

	disk_stats_get(w.disk, &before);
	r = replay_now(&seen);
	disk_stats_get(w.disk, &after);
	CHECK(r == 0 || r == -EUCLEAN || r == -EOPNOTSUPP);
	CHECK(after.reads - before.reads < 4 * w.log_count);
	*(r == 0 ? &replayed_count : &refused_count) += 1;
	if (r < 0)
		CHECK_INT(after.writes, before.writes);
	if (honest && r == 0 && !is_some_state())
		test_fail(__FILE__, __LINE__, "what was never written has become state");
}

struct saved {
	char *bytes;
	size_t size;
};

static void save(struct saved *s)
{
	s->size = (size_t)(w.disk_blocks * w.block_size);
	s->bytes = malloc(s->size);
	CHECK(s->bytes);
	memcpy(s->bytes, test_disk_data(w.td), s->size);
}

static void restore(const struct saved *s)
{
	test_disk_put(w.td, 0, s->bytes, s->size);
}

static void change_byte(uint64_t at, uint64_t *random)
{
	uint8_t byte = (uint8_t)test_disk_data(w.td)[at];

	/* Single bits, small steps, anything. */
	switch (test_random(random, 3)) {
	case 0:
		byte ^= (uint8_t)(1u << test_random(random, 8));
		break;
	case 1:
		byte = (uint8_t)(byte + (test_random(random, 2) ? 1 : 255));
		break;
	default:
		byte = (uint8_t)test_random(random, 256);
	}
	test_disk_put(w.td, at, &byte, 1);
}

static void say_counts(void)
{
	printf("# %llu replayed, %llu refused\n", (unsigned long long)replayed_count,
	       (unsigned long long)refused_count);
	CHECK(replayed_count > 100 && refused_count > 100);
}

/* With checksums: what is replayed is what was written, up to some transaction. */
static void a_wrong_byte_anywhere_is_found_or_ends_the_replay(void)
{
	uint64_t random = 1;

	for (uint64_t seed = 2; seed < ARRAY_COUNT(formats); seed++) {
		uint64_t step = test_sanitized ? 29 : 3;
		struct saved saved;

		world_begin(&w, &(struct world_options){ .log_count = 40 });
		forge_by_chance(seed);
		save(&saved);
		for (uint64_t at = 0; at < used_bytes(); at += 1 + test_random(&random, step)) {
			change_byte(place_of(at), &random);
			check_hostile(true);
			restore(&saved);
		}
		free(saved.bytes);
		world_end(&w);
	}
	say_counts();
}

/* Change some bytes of a block, its beginning most of all, and make its checksum right again. */
static void forge_badly(uint64_t *random)
{
	static uint8_t block[4096];
	uint32_t index = (uint32_t)(test_random(random, used_bytes()) / w.block_size);
	uint64_t at = place_of((uint64_t)index * w.block_size);

	for (uint64_t i = 1 + test_random(random, 3); i > 0; i--)
		change_byte(at + test_random(random, test_random(random, 4) ? 64 : w.block_size),
			    random);
	memcpy(block, test_disk_data(w.td) + at, w.block_size);
	if (test_random(random, 8))
		forge_mend(&f, block, index == 0);
	test_disk_put(w.td, at, block, w.block_size);
}

static void hostile_logs_do_no_harm(void)
{
	uint64_t random = 1;

	for (uint64_t seed = 0; seed < (test_sanitized ? 40 : 200); seed++) {
		struct saved saved;

		world_begin(&w, &(struct world_options){ .log_count = 40 });
		forge_by_chance(seed);
		save(&saved);
		for (unsigned int i = 0; i < (test_sanitized ? 50 : 200); i++) {
			for (uint64_t n = 1 + test_random(&random, 3); n > 0; n--)
				forge_badly(&random);
			check_hostile(false);
			restore(&saved);
		}
		CHECK_INT(replay_now(&(struct journal_replayed){ 0 }), 0);
		CHECK(is_state(TRANSACTIONS));
		free(saved.bytes);
		world_end(&w);
	}
	say_counts();
}

/* ---- the power goes while the log is replayed, and again. */

static void a_replay_can_be_interrupted_anywhere(void)
{
	struct journal_replayed seen;

	for (uint64_t seed = 4; seed < 12; seed++) {
		for (uint64_t n = 0;; n++) {
			int r;

			world_begin(&w, &(struct world_options){ .log_count = 40, .seed = seed });
			forge_by_chance(seed);
			test_disk_cut_power(w.td, n);
			r = replay_now(&seen);
			test_disk_mend(w.td);
			CHECK(r == 0 || r == -EIO);
			if (r < 0)
				CHECK_INT(replay_now(&seen), 0);
			CHECK(is_state(TRANSACTIONS));
			world_end(&w);
			if (r == 0)
				break;
		}
	}
}

static void errors_of_the_disk_are_told(void)
{
	struct journal_replayed seen;

	for (uint64_t n = 1;; n++) {
		int r;

		world_begin(&w, &(struct world_options){ .log_count = 40 });
		forge_by_chance(4);
		test_disk_fail_nth(w.td, DISK_READ, n, -EIO);
		r = replay_now(&seen);
		CHECK(r == 0 || r == -EIO);
		test_disk_mend(w.td);
		CHECK_INT(replay_now(&seen), 0);
		CHECK(is_state(TRANSACTIONS));
		world_end(&w);
		if (r == 0)
			break;
	}
}

static const struct test tests[] = {
	TEST(all_formats_are_read),
	TEST(a_log_goes_on_at_its_first_block),
	TEST(a_log_full_to_the_last_block_is_read_once),
	TEST(a_torn_commit_record_ends_the_replay),
	TEST(a_bad_commit_record_before_another_transaction_is_damage),
	TEST(anything_bad_before_a_good_commit_record_is_damage),
	TEST(with_async_commit_the_last_transaction_may_be_torn_anywhere),
	TEST(blocks_where_nobody_may_write_are_damage),
	TEST(the_rest_of_the_journals_file_is_nobody_elses),
	TEST(superblocks_are_checked),
	TEST(features_are_checked),
	TEST_LONG(a_wrong_byte_anywhere_is_found_or_ends_the_replay, 60),
	TEST_LONG(hostile_logs_do_no_harm, 60),
	TEST(a_replay_can_be_interrupted_anywhere),
	TEST(errors_of_the_disk_are_told),
};
TEST_MAIN(tests)

/*
 * test_extent.c - what ext4.h promises of extent trees: a file's blocks are what they were
 * made, whatever order they were made in; no block is lost; a damaged tree is told, not
 * followed. Over a fake file system; whole images are judged in test_data*.c.
 */
#include "test/ext4/extent_fake.h"

#include <errno.h>
#include <stdlib.h>

#define FILE_BLOCKS 24000u

/* ---- the model: one record a block. */

static struct {
	uint8_t kind;
	uint32_t physical;
} model[FILE_BLOCKS];

static const struct journal_handle no_journal = { .credits = 1000 };

static void model_is_true(void) MAY_YIELD
{
	uint32_t mapped = 0;

	CHECK_INT(ext4_extents_check(&file), 0);
	for (uint32_t at = 0; at < FILE_BLOCKS;) {
		struct ext4_run run;

		CHECK_INT(ext4_map(&file, at, FILE_BLOCKS - at, &run), 0);
		CHECK(run.count > 0 && run.count <= FILE_BLOCKS - at);
		for (uint32_t i = 0; i < run.count; i++) {
			CHECK_INT(run.kind, model[at + i].kind);
			if (run.kind == EXT4_HOLE)
				continue;
			CHECK_INT(run.physical + i, model[at + i].physical);
			CHECK(fake_has(run.physical + i));
			mapped++;
		}
		at += run.count;
	}
	/* What is not the file's data is its tree. */
	CHECK_INT(file.blocks, (uint64_t)fake_used * (fake.block_size / 512));
	CHECK(fake_used >= mapped);
	CHECK_INT(fake_damages, 0);
}

static void create(uint32_t first, uint32_t count, bool unwritten) MAY_YIELD
{
	while (count > 0) {
		struct journal_handle h = no_journal;
		struct ext4_run run;
		int r = ext4_map_create(&h, &file, first, count, unwritten, &run);

		if (r == -ENOSPC)
			return;
		CHECK_INT(r, 0);
		CHECK(run.count > 0 && run.count <= count);
		for (uint32_t i = 0; i < run.count; i++) {
			if (model[first + i].kind == EXT4_HOLE)
				model[first + i].kind = unwritten ? EXT4_UNWRITTEN : EXT4_MAPPED;
			else if (!unwritten)
				model[first + i].kind = EXT4_MAPPED;
			if (model[first + i].physical == 0)
				model[first + i].physical = (uint32_t)run.physical + i;
		}
		first += run.count;
		count -= run.count;
	}
}

static void unmap(uint32_t first, uint32_t end) MAY_YIELD
{
	CHECK_INT(ext4_unmap(&file, first, end), 0);
	memset(&model[first], 0, sizeof(model[0]) * (end - first));
}

static void shift(uint32_t first, uint32_t count, bool left) MAY_YIELD
{
	struct journal_handle h = no_journal;
	const struct extent_change c = { .h = &h, .inode = &file };
	struct extent_shift s = { .first = first, .count = count, .left = left };

	extent_shift_begin(&s);
	CHECK_INT(extent_shift_check(&file, &s), 0);
	CHECK_INT(extent_shift_some(&c, &s), 0);
	CHECK(extent_shift_done(&s));
}

static void take_out(uint32_t first, uint32_t count) MAY_YIELD
{
	uint32_t end = first + count;

	unmap(first, end);
	shift(end, count, true);
	memmove(&model[first], &model[end], sizeof(model[0]) * (FILE_BLOCKS - end));
	memset(&model[FILE_BLOCKS - count], 0, sizeof(model[0]) * count);
}

static void put_in(uint32_t first, uint32_t count) MAY_YIELD
{
	struct journal_handle h = no_journal;
	const struct extent_change c = { .h = &h, .inode = &file };
	uint32_t end = first + count;

	unmap(FILE_BLOCKS - count, FILE_BLOCKS);
	CHECK_INT(extent_split(&c, first), 0);
	model_is_true();
	shift(first, count, false);
	memmove(&model[end], &model[first], sizeof(model[0]) * (FILE_BLOCKS - end));
	memset(&model[first], 0, sizeof(model[0]) * count);
}

static void random_range(uint32_t longest, uint32_t *first, uint32_t *count)
{
	*count = 1 + fake_random(longest);
	*first = fake_random(FILE_BLOCKS - *count + 1);
}

static void begin(uint64_t seed, uint32_t run_max)
{
	fake_seed = seed;
	fake_run_max = run_max;
	memset(model, 0, sizeof(model));
}

static void end_empty(void) MAY_YIELD
{
	CHECK_INT(ext4_unmap(&file, 0, UINT64_MAX), 0);
	CHECK_INT(fake_used, 0);
	CHECK_INT(file.blocks, 0);
	CHECK_INT(extent_depth(&file), 0);
}

/* ---- tests */

static void random_changes(uint32_t longest, uint32_t changes) MAY_YIELD
{
	for (uint32_t i = 0; i < changes; i++) {
		uint32_t first, count;

		random_range(longest, &first, &count);
		switch (fake_random(5)) {
		case 0:
		case 1:
			create(first, count, true);
			break;
		case 2:
		case 3:
			create(first, count, false);
			break;
		default:
			unmap(first, first + count);
		}
		if (i % 500 == 499)
			model_is_true();
	}
	model_is_true();
}

static void mixed(void) MAY_YIELD
{
	begin(fake.block_size, 3);
	random_changes(40, test_sanitized ? 2000 : 10000);
	end_empty();
	begin(fake.block_size + 1, 64);
	random_changes(3, test_sanitized ? 2000 : 10000);
	end_empty();
	begin(fake.block_size + 2, FAKE_BLOCKS);
	random_changes(5000, 2000);
	end_empty();
}

static void any_order_of_changes_gives_the_same_map(void)
{
	fake_run(1024, mixed);
	fake_run(4096, mixed);
}

static void shifted(void) MAY_YIELD
{
	begin(fake.block_size + 3, 3);
	for (uint32_t i = 0; i < (test_sanitized ? 30 : 100); i++) {
		uint32_t first, count;

		random_changes(40, i % 10 ? 5 : 800);
		random_range(i % 3 ? 40 : 9000, &first, &count);
		if (fake_random(2))
			take_out(first, count);
		else
			put_in(first, count);
		model_is_true();
	}
	end_empty();
}

static void what_follows_a_range_taken_out_or_put_in_is_as_it_was(void)
{
	fake_run(1024, shifted);
	fake_run(4096, shifted);
}

/* Where it may be taken, without a block to spare, and where it may not. */
static void shift_ends(void) MAY_YIELD
{
	struct extent_shift s = { .first = 5, .count = 10 };

	begin(4, FAKE_BLOCKS);
	create(0, 10, false);
	create(20, 10, true);
	fake_limit = fake_used;
	take_out(10, 10);
	take_out(2, 3);
	put_in(2, 3);
	put_in(12, 8);
	model_is_true();
	fake_limit = FAKE_BLOCKS;
	CHECK_INT(ext4_unmap(&file, 0, UINT64_MAX), 0);
	memset(model, 0, sizeof(model));
	CHECK_INT(extent_shift_check(&file, &s), 0);
	{
		struct journal_handle h = no_journal;
		struct ext4_run run;

		CHECK_INT(ext4_map_create(&h, &file, UINT32_MAX - 11, 1, false, &run), 0);
		CHECK_INT(extent_shift_check(&file, &s), 0);
		s.count++;
		CHECK_INT(extent_shift_check(&file, &s), -EINVAL);
		s.first = UINT32_MAX - 10; /* what is before it stays */
		CHECK_INT(extent_shift_check(&file, &s), 0);
	}
	end_empty();
}

static void a_shift_takes_no_blocks_and_ends_before_2_32(void)
{
	fake_run(1024, shift_ends);
}

/* Blocks one by one, none beside the other: as deep as it gets. */
static void scattered(void) MAY_YIELD
{
	begin(7, 1);
	for (uint32_t i = FILE_BLOCKS; i > 0; i -= 2)
		create(i - 2, 1, false);
	CHECK(extent_depth(&file) >= (fake.block_size == 1024 ? 3u : 2u));
	model_is_true();
	for (uint32_t i = FILE_BLOCKS - 1; i < FILE_BLOCKS; i -= 2)
		create(i, 1, true);
	model_is_true();
	for (uint32_t i = 0; i < FILE_BLOCKS; i += 3)
		unmap(i, i + 1);
	model_is_true();
	end_empty();
}

static void twelve_thousand_extents_make_a_deep_tree(void)
{
	fake_run(1024, scattered);
	fake_run(4096, scattered);
}

/* fallocate, then single blocks written at random: each write splits an extent in three. */
static void writes_into_unwritten(void) MAY_YIELD
{
	for (uint64_t seed = 0; seed < (test_sanitized ? 2 : 10); seed++) {
		begin(seed, FAKE_BLOCKS);
		create(0, FILE_BLOCKS, true);
		for (uint32_t i = 0; i < 12000; i++)
			create(fake_random(FILE_BLOCKS), 1, false);
		model_is_true();
		create(0, FILE_BLOCKS, false);
		model_is_true();
		end_empty();
	}
}

static void random_writes_into_unwritten_blocks_lose_nothing(void)
{
	fake_run(1024, writes_into_unwritten);
	fake_run(4096, writes_into_unwritten);
}

static void grows(void) MAY_YIELD
{
	begin(3, FAKE_BLOCKS);
	for (uint32_t i = 0; i < FILE_BLOCKS; i++)
		create(i, 1, false);
	/* Neighbours were merged: only as many extents as the allocator made pieces. */
	CHECK_INT(extent_depth(&file), 0);
	model_is_true();
	end_empty();
}

static void a_file_that_grows_block_by_block_has_few_extents(void)
{
	fake_run(4096, grows);
}

/* No block left for the tree: the change fails, and what was there still is. */
static void full_disk(void) MAY_YIELD
{
	begin(5, 1);
	for (uint32_t i = 0; i < 4000; i += 2)
		create(i, 1, true);
	fake_limit = fake_used;
	for (uint32_t i = 0; i < 4000; i++) {
		create(i, 1, false); /* conversions need room in the tree as well */
		if (i % 500 == 0)
			model_is_true();
	}
	model_is_true();
	end_empty();
}

/* A block for a new root may be there, but none for what would come next. */
static void nearly_full_disk(void) MAY_YIELD
{
	begin(6, 1);
	for (uint32_t i = 0; i < FILE_BLOCKS; i += 2) {
		int r = -ENOSPC;

		for (uint32_t room = 0; r == -ENOSPC; room++) {
			struct journal_handle h = no_journal;
			struct ext4_run run;

			fake_limit = fake_used + room;
			r = ext4_map_create(&h, &file, i, 1, true, &run);
			CHECK(memcmp(file.block, fake_stored, sizeof(fake_stored)) == 0);
		}
		CHECK_INT(r, 0);
	}
	CHECK(extent_depth(&file) > 1);
	CHECK_INT(ext4_unmap(&file, 0, UINT32_MAX), 0);
	CHECK_INT(fake_used, 0);
}

static void the_root_is_stored_though_a_change_failed(void)
{
	fake_run(1024, nearly_full_disk);
}

static void a_full_disk_changes_nothing(void)
{
	fake_run(1024, full_disk);
}

static void seek(void) MAY_YIELD
{
	uint64_t found;

	begin(9, FAKE_BLOCKS);
	create(100, 50, false);
	create(150, 50, true);
	CHECK_INT(ext4_map_seek(&file, 0, true, &found), 0);
	CHECK_INT(found, 100);
	CHECK_INT(ext4_map_seek(&file, 120, false, &found), 0);
	CHECK_INT(found, 150);
	CHECK_INT(ext4_map_seek(&file, 150, true, &found), 0);
	CHECK(found == UINT64_MAX);
	CHECK_INT(ext4_map_seek(&file, 0, false, &found), 0);
	CHECK_INT(found, 0);
	end_empty();
}

static void unwritten_blocks_are_a_hole_to_seek(void)
{
	fake_run(4096, seek);
}

/* The last block that a file can have; what is behind it is refused. */
static void limits(void) MAY_YIELD
{
	struct journal_handle h = no_journal;
	struct ext4_run run;

	begin(11, FAKE_BLOCKS);
	CHECK_INT(ext4_map_create(&h, &file, UINT32_MAX - 1, 1, false, &run), 0);
	CHECK_INT(run.count, 1);
	CHECK_INT(ext4_map(&file, UINT32_MAX - 1, 1, &run), 0);
	CHECK_INT(run.kind, EXT4_MAPPED);
	CHECK_INT(ext4_map(&file, 0, UINT32_MAX, &run), 0);
	CHECK_INT(run.kind, EXT4_HOLE);
	CHECK_INT(run.count, UINT32_MAX - 1);
	CHECK_INT(ext4_map(&file, UINT32_MAX, 1, &run), -EFBIG);
	CHECK_INT(ext4_map_create(&h, &file, UINT32_MAX - 1, 2, false, &run), -EFBIG);
	CHECK_INT(ext4_map(&file, 0, 0, &run), -EINVAL);
	end_empty();
}

static void block_numbers_end_before_2_32(void)
{
	fake_run(1024, limits);
}

/* ---- damage: each byte of a tree's nodes, changed, gives an answer and nothing worse. */

static void look_everywhere(void) MAY_YIELD
{
	struct journal_handle h = no_journal;

	for (uint32_t at = 0; at < 4000; at += 1 + fake_random(200)) {
		struct ext4_run run;
		int r = ext4_map(&file, at, 4000, &run);

		CHECK(r == 0 || r == -EUCLEAN);
		CHECK(r < 0 || run.kind == EXT4_HOLE || run.physical + run.count <= FAKE_BLOCKS);
		r = ext4_map_create(&h, &file, at, 1, false, &run);
		CHECK(r == 0 || r == -EUCLEAN || r == -EFBIG || r == -ENOSPC);
		ext4_extents_forget(&file);
	}
}

/* A node as an enemy makes it: with a true checksum, seen for the first time. */
static void spoil(struct cache_page *page, uint32_t offset, uint8_t value)
{
	uint8_t *node = page->data;

	node[offset] = value;
	if (extent_header_get(node).entries_max <= extent_capacity(&fake))
		extent_checksum_put(&file, node);
	page->checked = 0;
}

static void damaged(void) MAY_YIELD
{
	uint8_t root[sizeof(file.block)];
	uint8_t *tree = malloc(fake.block_size);

	CHECK(tree != NULL);
	begin(13, 1);
	for (uint32_t i = 0; i < 4000; i += 2)
		create(i, 1, false);
	CHECK_INT(extent_depth(&file), 2);
	memcpy(root, file.block, sizeof(root));
	for (uint32_t i = 0; i < 600; i++) {
		struct cache_page *page;
		uint64_t node = extent_child(root, 0);

		memcpy(file.block, root, sizeof(root));
		CHECK_INT(cache_get(&fake.blocks, node, &page), 0);
		if (i % 3 == 1) { /* a leaf */
			node = extent_child(page->data, fake_random(5));
			cache_put(page);
			CHECK_INT(cache_get(&fake.blocks, node, &page), 0);
		}
		memcpy(tree, page->data, fake.block_size);
		if (i % 3 == 2)
			file.block[fake_random(sizeof(root))] = (uint8_t)fake_random(256);
		else
			spoil(page, fake_random(i % 2 ? 12 : fake.block_size),
			      (uint8_t)fake_random(256));
		cache_dirty(page);
		look_everywhere();
		memcpy(page->data, tree, fake.block_size);
		page->checked = 0;
		cache_dirty(page);
		cache_put(page);
	}
	CHECK(fake_damages > 100);
	free(tree);
}

static void a_damaged_tree_is_told_and_not_followed(void)
{
	fake_run(1024, damaged);
}

static void wrong_sum(void) MAY_YIELD
{
	struct cache_page *page;
	struct ext4_run run;

	begin(17, 1);
	for (uint32_t i = 0; i < 20; i += 2)
		create(i, 1, false);
	CHECK_INT(extent_depth(&file), 1);
	CHECK_INT(cache_get(&fake.blocks, extent_child(file.block, 0), &page), 0);
	((uint8_t *)page->data)[fake.block_size - 4] ^= 1;
	page->checked = 0;
	ext4_extents_forget(&file);
	CHECK_INT(ext4_map(&file, 0, 1, &run), -EUCLEAN);
	((uint8_t *)page->data)[fake.block_size - 4] ^= 1;
	CHECK_INT(ext4_map(&file, 0, 1, &run), 0);
	CHECK_INT(run.kind, EXT4_MAPPED);
	cache_put(page);
	CHECK_INT(fake_damages, 1);
}

static void a_wrong_checksum_is_damage(void)
{
	fake_run(1024, wrong_sum);
	fake_run(4096, wrong_sum);
}

/* ---- maps of the old kind */

static void put_number(uint64_t block, uint32_t index, uint32_t number) MAY_YIELD
{
	struct cache_page *page;

	CHECK_INT(cache_get(&fake.blocks, block, &page), 0);
	memcpy((uint8_t *)page->data + (size_t)index * 4, &number, 4);
	cache_dirty(page);
	cache_put(page);
}

static void check_old(uint32_t logical, enum ext4_run_kind kind, uint64_t physical, uint32_t count)
	MAY_YIELD
{
	struct ext4_run run;

	CHECK_INT(ext4_map(&file, logical, 1000000, &run), 0);
	CHECK_INT(run.kind, kind);
	CHECK_INT(run.physical, physical);
	CHECK_INT(run.count, count);
}

static void old_map(void) MAY_YIELD
{
	const uint32_t numbers[15] = { 500, 501, 502, 0, 0, 600, 0, 0, 0, 0, 0, 0, 700, 800, 900 };
	struct journal_handle h = no_journal;
	struct ext4_run run;

	file.flags &= ~EXT4_EXTENTS_FL;
	memcpy(file.block, numbers, sizeof(numbers));
	put_number(700, 0, 1000);
	put_number(700, 1, 1001);
	put_number(800, 2, 810);
	put_number(810, 5, 2000);
	put_number(900, 0, 910);
	put_number(910, 1, 920);
	put_number(920, 255, 3000);
	check_old(0, EXT4_MAPPED, 500, 3);
	check_old(1, EXT4_MAPPED, 501, 2);
	check_old(3, EXT4_HOLE, 0, 2);
	check_old(5, EXT4_MAPPED, 600, 1);
	check_old(12, EXT4_MAPPED, 1000, 2);
	check_old(12 + 256, EXT4_HOLE, 0, 256);
	check_old(12 + 256 + 2 * 256, EXT4_HOLE, 0, 5);
	check_old(12 + 256 + 2 * 256 + 5, EXT4_MAPPED, 2000, 1);
	check_old(12 + 256 + 65536, EXT4_HOLE, 0, 256);
	check_old(12 + 256 + 65536 + 256 + 255, EXT4_MAPPED, 3000, 1);
	CHECK_INT(ext4_map(&file, 12 + 256 + 65536 + 16777216, 1, &run), 0);
	CHECK_INT(run.kind, EXT4_HOLE);
	CHECK_INT(ext4_map_create(&h, &file, 0, 1, false, &run), -EOPNOTSUPP);
	put_number(810, 5, FAKE_BLOCKS + 5);
	ext4_extents_forget(&file);
	CHECK_INT(ext4_map(&file, 12 + 256 + 2 * 256 + 5, 1, &run), -EUCLEAN);
}

static void maps_of_the_old_kind_are_read(void)
{
	fake_run(1024, old_map);
}

static const struct test tests[] = {
	TEST_LONG(any_order_of_changes_gives_the_same_map, 60),
	TEST_LONG(what_follows_a_range_taken_out_or_put_in_is_as_it_was, 60),
	TEST(a_shift_takes_no_blocks_and_ends_before_2_32),
	TEST_LONG(twelve_thousand_extents_make_a_deep_tree, 60),
	TEST_LONG(random_writes_into_unwritten_blocks_lose_nothing, 60),
	TEST(a_file_that_grows_block_by_block_has_few_extents),
	TEST(a_full_disk_changes_nothing),
	TEST(the_root_is_stored_though_a_change_failed),
	TEST(unwritten_blocks_are_a_hole_to_seek),
	TEST(block_numbers_end_before_2_32),
	TEST_LONG(a_damaged_tree_is_told_and_not_followed, 60),
	TEST(a_wrong_checksum_is_damage),
	TEST(maps_of_the_old_kind_are_read),
};
TEST_MAIN(tests)

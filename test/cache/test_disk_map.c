/*
 * test_disk_map.c - what cache.h promises of the blocks of a disk: the right bytes, requests
 * joined where they touch, one bad block alone is lost, numbers outside the disk refused.
 */
#include "test/cache/cache_test.h"
#include "test/disk/test_disk.h"

#include <errno.h>
#include <string.h>

#define SIZE (UINT64_C(4) << 20)

static struct test_disk *td;
static struct disk *disk;
static struct cache_map map;

struct work {
	task_fn *fn;
	uint32_t block_size;
};

static void with_map(void *arg) MAY_YIELD;
static void with_map(void *arg)
{
	struct work *w = arg;

	CHECK_INT(cache_map_disk(&map, disk, w->block_size), 0);
	w->fn(NULL);
	cache_map_fini(&map);
}

static void with_disk(uint64_t limit, task_fn *fn, uint32_t block_size,
		      enum test_disk_completion completion)
{
	struct work w = { fn, block_size };
	char block[512];

	begin_cache(limit);
	disk = test_disk_open(&(struct test_disk_options){ .size = SIZE,
							   .completion = completion,
							   .model = &test_disk_ssd,
							   .seed = 1 },
			      &td);
	for (uint64_t at = 0; at < SIZE; at += sizeof(block)) {
		memset(block, (int)(at / 1024 % 251), sizeof(block));
		test_disk_put(td, at, block, sizeof(block));
	}
	run_task(with_map, &w);
	disk_close(disk);
	test_disk_free(td);
	end_cache();
}

static struct cache_page *get(uint64_t index) MAY_YIELD;
static struct cache_page *get(uint64_t index)
{
	struct cache_page *page;

	CHECK_INT(cache_get(&map, index, &page), 0);
	return page;
}

static void change(uint64_t index, uint8_t byte) MAY_YIELD;
static void change(uint64_t index, uint8_t byte)
{
	struct cache_page *page = get(index);

	cache_modify(page);
	memset(page->data, byte, map.page_size);
	cache_dirty(page);
	cache_put(page);
}

static void every_block(void *arg) MAY_YIELD;
static void every_block(void *arg)
{
	uint64_t count = SIZE / map.page_size;

	(void)arg;
	for (uint64_t i = 0; i < count; i++) {
		struct cache_page *page = get(i);

		for (uint32_t k = 0; k < map.page_size; k++)
			CHECK_INT(((const uint8_t *)page->data)[k],
				  (i * map.page_size + k) / 1024 % 251);
		cache_put(page);
	}
	for (uint64_t i = 0; i < count; i++)
		change(i * 37 % count, (uint8_t)(i * 37 % count % 241));
	CHECK_INT(cache_sync(&map, 0, UINT64_MAX), 0);
	for (uint64_t i = 0; i < SIZE; i++)
		CHECK_INT((uint8_t)test_disk_data(td)[i], i / map.page_size % 241);
}

static void every_block_of_every_size_is_where_it_belongs(void)
{
	for (uint32_t size = 1024; size <= 4096; size *= 2) {
		with_disk(SIZE * 2, every_block, size, TEST_DISK_AT_ONCE);
		with_disk(SIZE / 8, every_block, size, TEST_DISK_SHUFFLED);
		with_disk(SIZE / 8, every_block, size, TEST_DISK_MODEL);
	}
}

static void in_a_row(void *arg) MAY_YIELD;
static void in_a_row(void *arg)
{
	struct disk_stats seen;

	(void)arg;
	cache_read_ahead(&map, 10, 200);
	cache_put(get(209));
	disk_stats_get(disk, &seen);
	CHECK(seen.reads <= 4); /* new memory lies in a row: 64 pages a request */
	CHECK_INT(seen.calls, 1);
	CHECK_INT(seen.read_bytes, 200 * 4096);
	for (uint64_t i = 10; i < 210; i++)
		change(i, 7);
	CHECK_INT(cache_sync(&map, 0, UINT64_MAX), 0);
	disk_stats_get(disk, &seen);
	CHECK(seen.writes <= 5);
	CHECK(seen.calls <= 3); /* two batches */
	CHECK_INT(seen.written_bytes, 200 * 4096);
}

static void blocks_in_a_row_are_one_request(void)
{
	with_disk(SIZE * 2, in_a_row, 4096, TEST_DISK_SOON);
}

static void outside(void *arg) MAY_YIELD;
static void outside(void *arg)
{
	struct cache_page *page;

	(void)arg;
	CHECK_INT(cache_get(&map, SIZE / 4096, &page), -EINVAL);
	CHECK_INT(cache_get(&map, UINT64_MAX, &page), -EINVAL);
	/* Times 4096 it is the number 0. */
	CHECK_INT(cache_get(&map, UINT64_C(1) << 52, &page), -EINVAL);
	cache_read_ahead(&map, SIZE / 4096 - 2, 10);
	cache_read_ahead(&map, UINT64_MAX - 2, 10);
	cache_put(get(SIZE / 4096 - 1));
	cache_put(get(SIZE / 4096 - 2));
	CHECK_INT(stats().pages, 2);
	CHECK_INT(cache_get_new(&map, UINT64_C(1) << 52, &page), 0);
	cache_dirty(page);
	cache_put(page);
	CHECK_INT(cache_sync(&map, 0, UINT64_MAX), -EINVAL);
	CHECK_INT(test_disk_data(td)[0], 0);
}

static void blocks_outside_the_disk_are_refused(void)
{
	with_disk(SIZE, outside, 4096, TEST_DISK_SOON);
}

static void one_bad(void *arg) MAY_YIELD;
static void one_bad(void *arg)
{
	struct cache_page *page;

	(void)arg;
	test_disk_fail_range(td, DISK_READ, 20 * 4096, 4096, -EIO, 0);
	cache_read_ahead(&map, 0, 64);
	CHECK_INT(cache_get(&map, 20, &page), -EIO);
	CHECK_INT(cache_get(&map, 20, &page), -EIO);
	for (uint64_t i = 0; i < 64; i++) {
		if (i == 20)
			continue;
		page = get(i);
		CHECK_INT(*(const uint8_t *)page->data, i * 4 % 251);
		cache_put(page);
	}
	test_disk_mend(td);
	for (uint64_t i = 0; i < 64; i++)
		change(i, 200);
	test_disk_fail_range(td, DISK_WRITE, 20 * 4096, 4096, -EIO, 0);
	CHECK_INT(cache_sync(&map, 0, UINT64_MAX), -EIO);
	CHECK_INT(stats().dirty, 1);
	for (uint64_t i = 0; i < 64; i++)
		CHECK_INT((uint8_t)test_disk_data(td)[i * 4096 + 5], i == 20 ? 80 : 200);
	test_disk_mend(td);
	CHECK_INT(cache_sync(&map, 0, UINT64_MAX), 0);
	CHECK_INT((uint8_t)test_disk_data(td)[20 * 4096], 200);
}

static void one_bad_block_is_lost_and_its_neighbours_are_not(void)
{
	with_disk(SIZE, one_bad, 4096, TEST_DISK_SOON);
}

static unsigned int waited_for, in_background;

static void see(struct disk *of, struct list *requests)
{
	LIST_EACH(node, requests) {
		const struct disk_request *r = LIST_ENTRY(node, struct disk_request, node);

		if (r->op == DISK_WRITE && r->flags & DISK_BACKGROUND_IO)
			in_background++;
		else
			waited_for++;
	}
	disk_done(of, requests, 0);
}

static void close_nothing(struct disk *of)
{
	(void)of;
}

static void two_ways(void *arg) MAY_YIELD;
static void two_ways(void *arg)
{
	struct cache_page *page;

	(void)arg;
	CHECK_INT(cache_get_new(&map, 1, &page), 0);
	cache_dirty(page);
	CHECK_INT(cache_sync(&map, 0, UINT64_MAX), 0);
	CHECK_INT(waited_for, 1);
	CHECK_INT(in_background, 0);
	cache_dirty(page);
	cache_put(page);
	sleep_ns(CACHE_AGE_NS + SECOND_NS);
	CHECK_INT(waited_for, 1);
	CHECK_INT(in_background, 1);
}

static void the_disk_is_told_that_nobody_waits_for_a_write(void)
{
	const struct disk_driver driver = { .name = "see", .submit = see, .close = close_nothing };
	struct work w = { two_ways, 4096 };

	begin_cache(SIZE);
	CHECK_INT(disk_new(&driver, &(struct disk_info){ .size = SIZE }, NULL, &disk), 0);
	run_task(with_map, &w);
	disk_close(disk);
	end_cache();
}

static void blocks_of_wrong_sizes_and_disks_too_small_are_refused(void)
{
	static const uint32_t wrong[] = { 0, 1, 512, 1000, 3072, 8192, 65536 };

	begin_cache(SIZE);
	disk = test_disk_open(&(struct test_disk_options){ .size = 2048 }, &td);
	for (unsigned int i = 0; i < ARRAY_COUNT(wrong); i++)
		CHECK_INT(cache_map_disk(&map, disk, wrong[i]), -EINVAL);
	CHECK_INT(cache_map_disk(&map, disk, 4096), -EINVAL);
	disk_close(disk);
	test_disk_free(td);
	end_cache();
}

static const struct test tests[] = {
	TEST_LONG(every_block_of_every_size_is_where_it_belongs, 30),
	TEST(blocks_in_a_row_are_one_request),
	TEST(blocks_outside_the_disk_are_refused),
	TEST(one_bad_block_is_lost_and_its_neighbours_are_not),
	TEST(the_disk_is_told_that_nobody_waits_for_a_write),
	TEST(blocks_of_wrong_sizes_and_disks_too_small_are_refused),
};
TEST_MAIN(tests)

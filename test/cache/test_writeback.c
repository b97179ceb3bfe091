/*
 * test_writeback.c - what cache.h promises of writing: a sync waits for what it must and nothing
 * else, errors are told, pages are written in time, and writers wait while too much is dirty.
 */
#include "test/cache/cache_test.h"

#include <errno.h>
#include <string.h>

static struct backing s;

static void with_cache(uint64_t limit, task_fn *fn)
{
	begin_cache(limit);
	backing_init(&s, 5000, 4096);
	run_task(fn, NULL);
	backing_fini(&s);
	end_cache();
}

/* Room enough that nothing is written but for a reason of the test's. */
static void with_store(task_fn *fn)
{
	with_cache(PAGES(10000), fn);
}

struct sync {
	uint64_t first, end;
	int result;
	uint64_t at_ns; /* when it was done */
	bool done;
};

static void sync_range(void *arg) MAY_YIELD;
static void sync_range(void *arg)
{
	struct sync *y = arg;

	y->result = cache_sync(&s.map, y->first, y->end);
	y->at_ns = clock_now_ns();
	y->done = true;
}

static int sync_all(void) MAY_YIELD;
static int sync_all(void)
{
	return cache_sync(&s.map, 0, UINT64_MAX);
}

static void scattered(void *arg) MAY_YIELD;
static void scattered(void *arg)
{
	uint64_t last = 0;

	(void)arg;
	for (uint64_t i = 0; i < 1000; i++)
		fill(&s, i * 2741 % 4999, (uint8_t)i); /* 4999 is a prime number */
	CHECK_INT(sync_all(), 0);
	CHECK_INT(s.writes, 1000);
	CHECK(s.write_calls >= 1000 / CACHE_BATCH);
	for (uint64_t i = 1; i < 1000; i++) {
		CHECK(s.written[i] > last);
		last = s.written[i];
	}
	for (uint64_t i = 0; i < 1000; i++)
		CHECK_INT(backing_page(&s, i * 2741 % 4999)[4095], (uint8_t)i);
	CHECK_INT(stats().dirty, 0);
	CHECK_INT(sync_all(), 0);
	CHECK_INT(s.writes, 1000);
}

static void a_sync_writes_all_that_is_dirty_once_by_index(void)
{
	with_store(scattered);
}

static void ranges(void *arg) MAY_YIELD;
static void ranges(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < 20; i++)
		fill(&s, i, 200);
	CHECK_INT(cache_sync(&s.map, 5, 8), 0);
	CHECK_INT(s.writes, 3);
	CHECK_INT(stats().dirty, 17);
	CHECK_INT(backing_page(&s, 7)[0], 200);
	CHECK_INT(backing_page(&s, 8)[0], 8);
	CHECK_INT(cache_sync(&s.map, 5, 5), 0);
	CHECK_INT(s.writes, 3);
}

static void a_sync_of_a_range_writes_that_range(void)
{
	with_store(ranges);
}

static void others_are_slow(void *arg) MAY_YIELD;
static void others_are_slow(void *arg)
{
	struct sync slow = { .first = 0, .end = 10 }, quick = { .first = 10, .end = 20 };

	(void)arg;
	for (uint64_t i = 0; i < 20; i++)
		fill(&s, i, 200);
	s.write_ns = SECOND_NS;
	spawn("slow", sync_range, &slow);
	task_yield();
	s.write_ns = MILLISECOND_NS;
	spawn("quick", sync_range, &quick);
	while (!quick.done)
		sleep_ns(MILLISECOND_NS);
	CHECK(!slow.done);
	CHECK_INT(quick.result, 0);
	while (!slow.done)
		sleep_ns(MILLISECOND_NS);
	CHECK(slow.at_ns >= quick.at_ns + SECOND_NS / 2);
	CHECK_INT(slow.result, 0);
}

static void a_sync_does_not_wait_for_writes_outside_its_range(void)
{
	with_store(others_are_slow);
}

/* Pages are made dirty again and again, faster than they are written. */
static void keep_dirtying(void *arg) MAY_YIELD;
static void keep_dirtying(void *arg)
{
	const struct sync *y = arg;

	while (!y->done) {
		for (uint64_t i = 0; i < 10; i++) {
			fill(&s, i, 201);
			task_yield();
		}
		sleep_ns(MILLISECOND_NS / 10);
	}
}

static void dirtied_since(void *arg) MAY_YIELD;
static void dirtied_since(void *arg)
{
	static struct sync y = { .first = 0, .end = UINT64_MAX }; /* outlives this task */

	(void)arg;
	for (uint64_t i = 0; i < 10; i++)
		fill(&s, i, 200);
	spawn("sync", sync_range, &y);
	task_yield();
	spawn("dirty", keep_dirtying, &y);
	while (!y.done)
		sleep_ns(MILLISECOND_NS);
	CHECK_INT(s.writes, 10);
	for (uint64_t i = 0; i < 10; i++)
		CHECK_INT(backing_page(&s, i)[0], 200);
	CHECK(stats().dirty > 0);
}

static void a_sync_ends_although_its_pages_are_changed_all_the_time(void)
{
	with_store(dirtied_since);
}

/* Another page of the range is changed, and written for somebody else, after a sync began. */
static void written_since(void *arg) MAY_YIELD;
static void written_since(void *arg)
{
	struct sync a = { .end = UINT64_MAX }, b = { .first = 2, .end = 3 };

	(void)arg;
	fill(&s, 1, 200);
	CHECK_INT(peek(&s, 2), 2);
	spawn("a", sync_range, &a);
	task_yield();
	fill(&s, 2, 200);
	s.write_ns = SECOND_NS;
	spawn("b", sync_range, &b);
	while (!a.done || !b.done)
		sleep_ns(MILLISECOND_NS);
	CHECK(b.at_ns > a.at_ns + SECOND_NS / 2);
}

static void a_sync_does_not_wait_for_writes_of_later_changes(void)
{
	with_store(written_since);
}

/* A sync has looked through all that is dirty, and writes the first of it. */
static void changed_plans(void *arg) MAY_YIELD;
static void changed_plans(void *arg)
{
	struct sync a = { .end = UINT64_MAX };
	struct cache_page *page;

	(void)arg;
	s.read_ns = 0;
	for (uint64_t i = 0; i < 500; i++)
		fill(&s, i, 200);
	s.yields = true;
	spawn("a", sync_range, &a);
	task_yield();
	CHECK(s.write_calls == 1);
	CHECK_INT(cache_get(&s.map, 450, &page), 0);
	CHECK_INT(page->state, CACHE_DIRTY);
	cache_hold(page);
	cache_drop(&s.map, 460, 470);
	while (!a.done)
		sleep_ns(MILLISECOND_NS);
	CHECK_INT(a.result, 0);
	CHECK_INT(s.writes, 500 - 11);
	CHECK_INT(backing_page(&s, 450)[0], 450 % 251);
	CHECK_INT(backing_page(&s, 460)[0], 460 % 251);
	cache_release(page);
	cache_put(page);
}

static void what_is_held_or_dropped_meanwhile_is_not_written(void)
{
	with_store(changed_plans);
}

static void very_many(void *arg) MAY_YIELD;
static void very_many(void *arg)
{
	(void)arg;
	s.read_ns = 0;
	s.write_ns = SECOND_NS;
	for (uint64_t i = 0; i < 3000; i++)
		fill(&s, i, 200);
	CHECK_INT(s.writes, 0);
	s.most_under_way = 0;
	CHECK_INT(sync_all(), 0);
	CHECK_INT(s.writes, 3000);
	CHECK(s.most_under_way >= 512);
	CHECK(s.most_under_way <= 1024 + CACHE_BATCH);
}

static void a_sync_does_not_flood_the_device(void)
{
	with_cache(PAGES(100000), very_many);
}

static void two_syncs(void *arg) MAY_YIELD;
static void two_syncs(void *arg)
{
	struct sync a = { .end = UINT64_MAX }, b = { .first = 3, .end = 5 };
	struct sync before = { .first = 30, .end = 31 };

	(void)arg;
	for (uint64_t i = 0; i < 10; i++)
		fill(&s, i, 200);
	spawn("a", sync_range, &a);
	task_yield();
	spawn("b", sync_range, &b); /* a writes its pages: it waits for those */
	spawn("before", sync_range, &before);
	task_yield();
	CHECK(before.done); /* nothing to wait for */
	CHECK(!b.done);
	while (!a.done || !b.done)
		sleep_ns(MILLISECOND_NS);
	CHECK_INT(s.writes, 10);
	CHECK_INT(a.at_ns, b.at_ns);
	CHECK_INT(b.result, 0);
}

static void a_sync_waits_for_writes_that_another_began_and_writes_nothing_twice(void)
{
	with_store(two_syncs);
}

static void errors_of_two(void *arg) MAY_YIELD;
static void errors_of_two(void *arg)
{
	struct sync a = { .end = UINT64_MAX }, b = { .end = UINT64_MAX };

	(void)arg;
	for (uint64_t i = 0; i < 10; i++)
		fill(&s, i, 200);
	s.fails = all_writes_fail;
	spawn("a", sync_range, &a);
	spawn("b", sync_range, &b);
	while (!a.done || !b.done)
		sleep_ns(MILLISECOND_NS);
	CHECK_INT(a.result, -EIO);
	CHECK_INT(b.result, -EIO);
	CHECK_INT(stats().dirty, 10);
	CHECK_INT(peek(&s, 3), 200);
	CHECK_INT(sync_all(), -EIO); /* tried again, failed again */
	s.fails = NULL;
	CHECK_INT(sync_all(), 0);
	CHECK_INT(backing_page(&s, 3)[0], 200);
	CHECK_INT(stats().dirty, 0);
}

static void a_failed_write_is_told_to_all_who_wait_and_tried_again(void)
{
	with_store(errors_of_two);
}

static void background_errors(void *arg) MAY_YIELD;
static void background_errors(void *arg)
{
	uint64_t tried;

	(void)arg;
	fill(&s, 3, 200);
	s.fails = all_writes_fail;
	sleep_ns(CACHE_AGE_NS + SECOND_NS);
	CHECK_INT(s.background_writes, 1);
	sleep_ns(CACHE_AGE_NS);
	CHECK_INT(s.background_writes, 2);
	s.fails = NULL;
	tried = s.writes;
	CHECK_INT(sync_all(), -EIO); /* is written now, but there was an error */
	CHECK_INT(s.writes, tried + 1);
	CHECK_INT(backing_page(&s, 3)[0], 200);
	CHECK_INT(sync_all(), 0); /* told once */
	fill(&s, 3, 201);
	CHECK_INT(sync_all(), 0);
}

static void an_error_in_the_background_is_told_to_the_next_sync_once(void)
{
	with_store(background_errors);
}

static void five_seconds(void *arg) MAY_YIELD;
static void five_seconds(void *arg)
{
	uint64_t began_ns;

	(void)arg;
	fill(&s, 1, 200);
	began_ns = clock_now_ns();
	sleep_ns(2 * SECOND_NS);
	fill(&s, 2, 200);
	fill(&s, 1, 201);
	sleep_ns(began_ns + CACHE_AGE_NS - clock_now_ns() - 1);
	CHECK_INT(s.writes, 0);
	CHECK_INT(task_count(), 1);
	sleep_ns(10 * MILLISECOND_NS);
	CHECK_INT(s.background_writes, 2);
	CHECK_INT(backing_page(&s, 1)[0], 201);
	CHECK_INT(task_count(), 1); /* the task has gone */
	fill(&s, 1, 202);
	sleep_ns(2 * CACHE_AGE_NS);
	CHECK_INT(s.background_writes, 3);
}

static void what_is_dirty_for_five_seconds_is_written(void)
{
	with_store(five_seconds);
}

static void many_of_age(void *arg) MAY_YIELD;
static void many_of_age(void *arg)
{
	(void)arg;
	s.read_ns = 0;
	for (uint64_t i = 0; i < 700; i++)
		fill(&s, i, 200);
	sleep_ns(CACHE_AGE_NS + SECOND_NS);
	CHECK_INT(s.writes, 700);
}

static void all_of_a_map_is_written_when_its_time_has_come(void)
{
	with_store(many_of_age);
}

static void pressure(void *arg) MAY_YIELD;
static void pressure(void *arg)
{
	(void)arg;
	/* A third of 30 % of 1000 pages. */
	for (uint64_t i = 0; i < 100; i++) {
		struct cache_page *page;

		CHECK_INT(cache_get_new(&s.map, i, &page), 0);
		cache_dirty(page);
		cache_put(page);
	}
	sleep_ns(MILLISECOND_NS);
	CHECK_INT(s.writes, 0);
	fill(&s, 100, 200);
	sleep_ns(100 * MILLISECOND_NS);
	CHECK(s.background_writes >= 50);
	CHECK_INT(s.background_writes, s.writes);
}

static void a_third_of_what_may_be_dirty_is_written_at_once(void)
{
	with_cache(PAGES(1000), pressure);
}

static void write_many(void *arg) MAY_YIELD;
static void write_many(void *arg)
{
	const uint64_t *from = arg;

	for (uint64_t i = *from; i < *from + 1000; i++) {
		struct cache_page *page;

		cache_throttle();
		CHECK(stats().dirty <= 300 + 4);
		CHECK_INT(cache_get_new(&s.map, i, &page), 0);
		memset(page->data, (int)(i % 100), 4096);
		cache_dirty(page);
		cache_put(page);
	}
}

static void watch_writers(void *arg) MAY_YIELD;
static void watch_writers(void *arg)
{
	(void)arg;
	sleep_ns(SECOND_NS);
	CHECK(s.writes >= 3600); /* all but what may be dirty: 13 times 300 in 10 ms each */
}

static void writers_wait_while_too_much_is_dirty_and_go_on(void)
{
	static uint64_t from[] = { 0, 1000, 2000, 3000 };

	begin_cache(PAGES(1000));
	backing_init(&s, 5000, 4096);
	s.write_ns = 10 * MILLISECOND_NS;
	for (unsigned int i = 0; i < ARRAY_COUNT(from); i++)
		spawn("write", write_many, &from[i]);
	run_task(watch_writers, NULL);
	for (uint64_t i = 0; i < 4000; i++)
		CHECK_INT(backing_page(&s, i)[0], i % 100);
	CHECK_INT(s.writes, 4000);
	backing_fini(&s);
	end_cache();
}

static void dead_device(void *arg) MAY_YIELD;
static void dead_device(void *arg)
{
	uint64_t began_ns;

	(void)arg;
	s.fails = all_writes_fail;
	for (uint64_t i = 0; i < 500; i++) {
		struct cache_page *page;

		CHECK_INT(cache_get_new(&s.map, i, &page), 0);
		cache_dirty(page);
		cache_put(page);
	}
	sleep_ns(SECOND_NS);
	began_ns = clock_now_ns();
	cache_throttle();
	CHECK_INT(clock_now_ns() - began_ns, CACHE_STALL_NS);
	/* And it is not written to all the time. */
	CHECK(s.writes <= 500 * 3);
	s.fails = NULL;
	CHECK_INT(sync_all(), -EIO);
	CHECK_INT(sync_all(), 0);
}

static void nobody_waits_for_ever_for_a_device_that_fails(void)
{
	with_cache(PAGES(1000), dead_device);
}

static void pages_of_the_journal(void *arg) MAY_YIELD;
static void pages_of_the_journal(void *arg)
{
	static struct cache_page *pages[300];

	(void)arg;
	for (uint64_t i = 0; i < ARRAY_COUNT(pages); i++) {
		CHECK_INT(cache_get(&s.map, i * 2, &pages[i]), 0);
		cache_hold(pages[i]);
		memset(pages[i]->data, 200, 4096);
		if (i % 3 != 0)
			cache_dirty(pages[i]);
	}
	CHECK_INT(cache_write_pages(pages, 0), 0);
	CHECK_INT(cache_write_pages(pages, ARRAY_COUNT(pages)), 0);
	CHECK_INT(s.writes, ARRAY_COUNT(pages)); /* clean ones too */
	CHECK_INT(s.background_writes, 0);
	CHECK_INT(stats().held, ARRAY_COUNT(pages));
	CHECK_INT(stats().dirty, 0);
	for (uint64_t i = 0; i < ARRAY_COUNT(pages); i++)
		CHECK_INT(backing_page(&s, i * 2)[7], 200);
	cache_dirty(pages[5]);
	s.fails = all_writes_fail;
	CHECK_INT(cache_write_pages(&pages[4], 3), -EIO);
	CHECK_INT(pages[5]->state, CACHE_DIRTY);
	CHECK(pages[5]->held);
	s.fails = NULL;
	CHECK_INT(cache_write_pages(&pages[4], 3), 0);
	for (uint64_t i = 0; i < ARRAY_COUNT(pages); i++) {
		cache_release(pages[i]);
		cache_put(pages[i]);
	}
	CHECK_INT(sync_all(), -EIO);
}

static void the_journal_writes_the_pages_it_says(void)
{
	with_store(pages_of_the_journal);
}

static void held_are_written(void *arg) MAY_YIELD;
static void held_are_written(void *arg)
{
	struct cache_page *page = arg;

	CHECK_INT(cache_write_pages(&page, 1), 0);
	cache_release(page);
	cache_put(page);
}

static void sync_beside_checkpoint(void *arg) MAY_YIELD;
static void sync_beside_checkpoint(void *arg)
{
	struct cache_page *page;
	uint64_t began_ns;

	(void)arg;
	CHECK_INT(cache_get(&s.map, 3, &page), 0);
	cache_hold(page);
	cache_dirty(page);
	s.write_ns = SECOND_NS;
	spawn("checkpoint", held_are_written, page);
	task_yield();
	began_ns = clock_now_ns();
	CHECK_INT(page->state, CACHE_WRITING);
	s.write_ns = MILLISECOND_NS;
	fill(&s, 4, 200);
	CHECK_INT(sync_all(), 0);
	CHECK(clock_now_ns() - began_ns < SECOND_NS / 2);
	sleep_ns(2 * SECOND_NS);
	CHECK_INT(stats().pinned, 0);
}

static void a_sync_does_not_wait_for_a_checkpoint(void)
{
	with_store(sync_beside_checkpoint);
}

static void several_maps(void *arg) MAY_YIELD;
static void several_maps(void *arg)
{
	static struct backing other;

	(void)arg;
	backing_init(&other, 100, 1024);
	fill(&s, 1, 200);
	sleep_ns(SECOND_NS);
	fill(&other, 1, 201);
	CHECK_INT(cache_sync(&other.map, 0, UINT64_MAX), 0);
	CHECK_INT(s.writes, 0);
	fill(&other, 1, 202);
	sleep_ns(CACHE_AGE_NS - SECOND_NS + 10 * MILLISECOND_NS);
	CHECK_INT(s.writes, 1);
	CHECK_INT(other.writes, 1);
	sleep_ns(2 * SECOND_NS);
	CHECK_INT(other.writes, 2);
	backing_down(&other);
	backing_fini(&other);
}

static void each_map_is_written_by_its_own_age(void)
{
	with_store(several_maps);
}

static const struct test tests[] = {
	TEST(a_sync_writes_all_that_is_dirty_once_by_index),
	TEST(a_sync_of_a_range_writes_that_range),
	TEST(a_sync_does_not_wait_for_writes_outside_its_range),
	TEST(a_sync_ends_although_its_pages_are_changed_all_the_time),
	TEST(a_sync_does_not_wait_for_writes_of_later_changes),
	TEST(what_is_held_or_dropped_meanwhile_is_not_written),
	TEST(a_sync_does_not_flood_the_device),
	TEST(a_sync_waits_for_writes_that_another_began_and_writes_nothing_twice),
	TEST(a_failed_write_is_told_to_all_who_wait_and_tried_again),
	TEST(an_error_in_the_background_is_told_to_the_next_sync_once),
	TEST(what_is_dirty_for_five_seconds_is_written),
	TEST(all_of_a_map_is_written_when_its_time_has_come),
	TEST(a_third_of_what_may_be_dirty_is_written_at_once),
	TEST(writers_wait_while_too_much_is_dirty_and_go_on),
	TEST(nobody_waits_for_ever_for_a_device_that_fails),
	TEST(the_journal_writes_the_pages_it_says),
	TEST(a_sync_does_not_wait_for_a_checkpoint),
	TEST(each_map_is_written_by_its_own_age),
};
TEST_MAIN(tests)

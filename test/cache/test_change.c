/*
 * test_change.c - what cache.h promises of changing pages: a page is not changed while it is
 * written, held pages stay, dropped ones are forgotten without being written.
 */
#include "test/cache/cache_test.h"

#include <errno.h>
#include <string.h>

static struct backing s;

static void with_cache(uint64_t limit, task_fn *fn)
{
	begin_cache(limit);
	backing_init(&s, 1000, 4096);
	run_task(fn, NULL);
	backing_fini(&s);
	end_cache();
}

static void with_store(task_fn *fn)
{
	with_cache(PAGES(64), fn);
}

static struct cache_page *get(uint64_t index) MAY_YIELD;
static struct cache_page *get(uint64_t index)
{
	struct cache_page *page;

	CHECK_INT(cache_get(&s.map, index, &page), 0);
	return page;
}

static void sync_all(void *arg) MAY_YIELD;
static void sync_all(void *arg)
{
	(void)arg;
	CHECK_INT(cache_sync(&s.map, 0, UINT64_MAX), 0);
}

static void modify_during_write(void *arg) MAY_YIELD;
static void modify_during_write(void *arg)
{
	struct cache_page *page;
	uint64_t began_ns;

	(void)arg;
	fill(&s, 1, 11);
	page = get(1);
	began_ns = clock_now_ns();
	cache_modify(page); /* DIRTY: no wait */
	CHECK_INT(clock_now_ns(), began_ns);
	spawn("sync", sync_all, NULL);
	task_yield();
	CHECK_INT(page->state, CACHE_WRITING);
	CHECK_INT(peek(&s, 1), 11); /* reading needs no wait */
	CHECK_INT(clock_now_ns(), began_ns);
	cache_modify(page);
	CHECK_INT(clock_now_ns(), began_ns + MILLISECOND_NS);
	memset(page->data, 12, 4096);
	cache_dirty(page);
	CHECK_INT(backing_page(&s, 1)[0], 11);
	cache_put(page);
	sync_all(NULL);
	CHECK_INT(backing_page(&s, 1)[0], 12);
	CHECK_INT(s.writes, 2);
}

static void a_change_waits_for_the_end_of_a_write(void)
{
	with_store(modify_during_write);
}

static void change_during_write(void *arg) MAY_YIELD;
static void change_during_write(void *arg)
{
	struct cache_page *page;

	(void)arg;
	s.may_change = true;
	fill(&s, 1, 11);
	page = get(1);
	spawn("sync", sync_all, NULL);
	task_yield();
	CHECK_INT(page->state, CACHE_WRITING);
	memset(page->data, 12, 4096);
	cache_dirty(page);
	CHECK_INT(page->state, CACHE_WRITING);
	sync_all(NULL); /* began after the change: has it */
	CHECK_INT(backing_page(&s, 1)[0], 12);
	CHECK_INT(s.writes, 2);
	CHECK_INT(page->state, CACHE_CLEAN);
	memset(page->data, 13, 4096);
	cache_dirty(page);
	spawn("sync", sync_all, NULL);
	task_yield();
	memset(page->data, 14, 4096);
	cache_dirty(page);
	CHECK_INT(cache_write_pages(&page, 1), 0);
	CHECK_INT(backing_page(&s, 1)[0], 14);
	CHECK_INT(s.writes, 4);
	cache_put(page);
}

static void a_change_during_a_write_is_written_too(void)
{
	with_store(change_during_write);
}

static void hold_and_release(void *arg) MAY_YIELD;
static void hold_and_release(void *arg)
{
	struct cache_page *page = get(1);

	(void)arg;
	cache_modify(page);
	cache_hold(page);
	cache_hold(page); /* once is enough */
	memset(page->data, 99, 4096);
	cache_dirty(page);
	cache_put(page);
	CHECK_INT(stats().held, 1);
	CHECK_INT(stats().dirty, 1);
	sync_all(NULL);
	sleep_ns(20 * SECOND_NS);
	CHECK_INT(s.writes, 0);
	for (uint64_t i = 100; i < 800; i++)
		CHECK_INT(peek(&s, i), i % 251);
	CHECK(stats().evictions > 600);
	page = cache_find(&s.map, 1);
	CHECK(page != NULL);
	CHECK_INT(page->state, CACHE_DIRTY);
	cache_release(page);
	cache_release(page);
	cache_put(page);
	CHECK_INT(stats().held, 0);
	sync_all(NULL);
	CHECK_INT(s.writes, 1);
	CHECK_INT(backing_page(&s, 1)[0], 99);
}

static void a_held_page_is_neither_written_nor_evicted(void)
{
	with_store(hold_and_release);
}

static void hold_clean(void *arg) MAY_YIELD;
static void hold_clean(void *arg)
{
	struct cache_page *page = get(1);

	(void)arg;
	cache_hold(page);
	cache_put(page);
	for (uint64_t i = 100; i < 800; i++)
		CHECK_INT(peek(&s, i), i % 251);
	page = cache_find(&s.map, 1);
	CHECK(page != NULL);
	cache_release(page);
	cache_put(page);
	for (uint64_t i = 100; i < 800; i++)
		CHECK_INT(peek(&s, i), i % 251);
	CHECK(cache_find(&s.map, 1) == NULL);
}

static void a_released_page_can_be_evicted_again(void)
{
	with_store(hold_clean);
}

static void hold_dirty(void *arg) MAY_YIELD;
static void hold_dirty(void *arg)
{
	struct cache_page *page;

	(void)arg;
	fill(&s, 1, 50);
	page = get(1);
	cache_hold(page); /* dirty before: is no longer written */
	sync_all(NULL);
	CHECK_INT(s.writes, 0);
	cache_release(page);
	cache_put(page);
	sleep_ns(CACHE_AGE_NS + 10 * MILLISECOND_NS);
	CHECK_INT(s.writes, 1);
}

static void a_dirty_page_that_is_held_waits_for_its_release(void)
{
	with_store(hold_dirty);
}

static void drop_some(void *arg) MAY_YIELD;
static void drop_some(void *arg)
{
	struct cache_page *pinned, *held;

	(void)arg;
	for (uint64_t i = 0; i < 10; i++)
		fill(&s, i, 200);
	pinned = get(4);
	held = get(5);
	cache_hold(held);
	cache_put(held);
	cache_drop(&s.map, 2, 8);
	CHECK_INT(pinned->state, CACHE_CLEAN);
	CHECK_INT(held->state, CACHE_CLEAN);
	CHECK_INT(*(const uint8_t *)pinned->data, 200);
	CHECK_INT(peek(&s, 3), 3); /* as on the disk */
	CHECK_INT(peek(&s, 4), 200);
	CHECK_INT(peek(&s, 1), 200);
	CHECK_INT(peek(&s, 8), 200);
	cache_release(held);
	cache_put(pinned);
	sync_all(NULL);
	CHECK_INT(s.writes, 4); /* 0, 1, 8, 9 */
	CHECK_INT(backing_page(&s, 4)[0], 4);
	cache_drop(&s.map, 0, UINT64_MAX);
	CHECK_INT(stats().pages, 0);
	CHECK_INT(peek(&s, 4), 4);
	cache_drop(&s.map, 5, 5);
	cache_drop(&s.map, 6, 5);
	CHECK_INT(stats().pages, 1);
}

static void dropped_pages_are_forgotten_and_not_written(void)
{
	with_cache(PAGES(640), drop_some); /* too large to be written back before the drop */
}

static void get_three(void *arg) MAY_YIELD;
static void get_three(void *arg)
{
	(void)arg;
	CHECK_INT(peek(&s, 3), 3);
}

static void drop_under_way(void *arg) MAY_YIELD;
static void drop_under_way(void *arg)
{
	uint64_t began_ns;

	(void)arg;
	for (uint64_t i = 10; i < 15; i++)
		fill(&s, i, 200);
	began_ns = clock_now_ns();
	spawn("get", get_three, NULL);
	cache_read_ahead(&s.map, 5, 3);
	spawn("sync", sync_all, NULL);
	task_yield();
	fill(&s, 16, 200);
	began_ns = clock_now_ns();
	cache_drop(&s.map, 0, 100);
	CHECK_INT(s.under_way, 0);
	CHECK(clock_now_ns() > began_ns - 2 * MILLISECOND_NS);
	task_yield();
	for (uint64_t i = 5; i < 20; i++)
		CHECK(cache_find(&s.map, i) == NULL);
	CHECK_INT(backing_page(&s, 16)[0], 16);
	sync_all(NULL);
	CHECK_INT(s.writes, 5);
}

static void a_drop_waits_for_what_is_being_read_and_written(void)
{
	with_store(drop_under_way);
}

/* A large file goes: others have their turns, and may write what is not dropped yet. */
#define MANY 4000u

static unsigned int turns;
static bool dropped;

static void take_turns(void *arg) MAY_YIELD;
static void take_turns(void *arg)
{
	(void)arg;
	while (!dropped && turns < 10) { /* then time has to pass: the drop may wait for I/O */
		turns++;
		task_yield();
	}
}

static void sync_some(void *arg) MAY_YIELD;
static void sync_some(void *arg)
{
	(void)arg;
	CHECK_INT(cache_sync(&s.map, 2000, 3000), 0);
}

static void drop_large_file(void *arg) MAY_YIELD;
static void drop_large_file(void *arg)
{
	uint64_t end = *(uint64_t *)arg;
	struct cache_page *page;

	turns = 0;
	dropped = false;
	for (unsigned int i = 0; i < MANY; i++) {
		CHECK_INT(cache_get_new(&s.map, i, &page), 0);
		if (i % 2)
			cache_dirty(page);
		cache_put(page);
	}
	spawn("turns", take_turns, NULL);
	spawn("sync", sync_some, NULL);
	cache_drop(&s.map, 0, end);
	dropped = true;
	CHECK_INT(turns, 10);
	CHECK_INT(stats().dirty, 0);
	CHECK_INT(stats().pages, MANY - (end < MANY ? end : MANY));
}

static void others_run_while_much_is_dropped(void)
{
	uint64_t end;

	for (unsigned int i = 0; i < 2; i++) {
		begin_cache(PAGES(2 * MANY));
		backing_init(&s, MANY, 4096);
		end = i ? UINT64_MAX : MANY;
		run_task(drop_large_file, &end);
		backing_fini(&s);
		end_cache();
	}
}

static void drop_outside(void *arg) MAY_YIELD;
static void drop_outside(void *arg)
{
	uint64_t began_ns = clock_now_ns();

	(void)arg;
	cache_read_ahead(&s.map, 5, 1);
	task_yield();
	CHECK_INT(s.under_way, 1);
	cache_drop(&s.map, 6, 100);
	CHECK_INT(clock_now_ns(), began_ns);
}

static void a_drop_does_not_wait_for_other_pages(void)
{
	with_store(drop_outside);
}

static void failing_write(void *arg) MAY_YIELD;
static void failing_write(void *arg)
{
	(void)arg;
	CHECK_INT(cache_sync(&s.map, 0, UINT64_MAX), -EIO);
}

static void drop_failing(void *arg) MAY_YIELD;
static void drop_failing(void *arg)
{
	(void)arg;
	fill(&s, 3, 200);
	s.fails = all_writes_fail;
	spawn("sync", failing_write, NULL);
	task_yield();
	CHECK_INT(s.under_way, 1);
	cache_drop(&s.map, 0, 100);
	CHECK(cache_find(&s.map, 3) == NULL);
	CHECK_INT(stats().dirty, 0);
}

static void a_page_whose_write_fails_meanwhile_is_dropped_all_the_same(void)
{
	with_store(drop_failing);
}

static void take_down(void *arg) MAY_YIELD;
static void take_down(void *arg)
{
	struct cache_page *page;

	(void)arg;
	for (uint64_t i = 0; i < 10; i++)
		fill(&s, i, 200);
	page = get(3);
	cache_hold(page);
	cache_put(page);
	cache_read_ahead(&s.map, 20, 5);
	task_yield();
	CHECK_INT(s.under_way, 5);
	backing_down(&s);
	CHECK_INT(s.under_way, 0);
	CHECK_INT(s.writes, 0);
	CHECK_INT(stats().pages, 0);
	CHECK_INT(stats().held, 0);
}

static void a_map_goes_away_with_all_its_pages_and_writes_none(void)
{
	with_cache(PAGES(640), take_down);
}

static void take_down_while_writing(void *arg) MAY_YIELD;
static void take_down_while_writing(void *arg)
{
	(void)arg;
	s.yields = true;
	s.lingers_ns = SECOND_NS;
	s.read_ns = 0;
	for (uint64_t i = 0; i < 600; i++)
		fill(&s, i, 200);
	while (s.background_writes == 0)
		sleep_ns(MILLISECOND_NS / 10);
	backing_down(&s);
	CHECK_INT(s.under_way, 0);
	CHECK_INT(task_count(), 1); /* the write-back task has gone too */
}

static void a_map_that_is_written_back_can_be_taken_down(void)
{
	with_cache(PAGES(3000), take_down_while_writing);
}

/* Many pages: by the list of the map, not by index. */
static void drop_many(void *arg) MAY_YIELD;
static void drop_many(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < 40; i += 2)
		CHECK_INT(peek(&s, i), i);
	cache_drop(&s.map, 11, UINT64_MAX);
	CHECK_INT(stats().pages, 6);
	cache_drop(&s.map, 0, 3);
	CHECK_INT(stats().pages, 4);
	CHECK(cache_find(&s.map, 2) == NULL);
}

static void a_drop_takes_its_range_and_no_more(void)
{
	with_store(drop_many);
}

static const struct test tests[] = {
	TEST(a_change_waits_for_the_end_of_a_write),
	TEST(a_change_during_a_write_is_written_too),
	TEST(a_held_page_is_neither_written_nor_evicted),
	TEST(a_released_page_can_be_evicted_again),
	TEST(a_dirty_page_that_is_held_waits_for_its_release),
	TEST(dropped_pages_are_forgotten_and_not_written),
	TEST(a_drop_waits_for_what_is_being_read_and_written),
	TEST(others_run_while_much_is_dropped),
	TEST(a_drop_does_not_wait_for_other_pages),
	TEST(a_page_whose_write_fails_meanwhile_is_dropped_all_the_same),
	TEST(a_map_goes_away_with_all_its_pages_and_writes_none),
	TEST(a_map_that_is_written_back_can_be_taken_down),
	TEST(a_drop_takes_its_range_and_no_more),
};
TEST_MAIN(tests)

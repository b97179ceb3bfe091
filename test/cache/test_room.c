/*
 * test_room.c - what cache.h promises under Limit and Replacement: what is used stays, a scan
 * passes through, memory stays within its limit, and nobody waits for ever for room.
 */
#include "test/cache/cache_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LIMIT 1000u /* pages */
#define COUNT 30000u
#define RESERVE (LIMIT / 8)

static struct backing s;

static void with_store(task_fn *fn)
{
	begin_cache(PAGES(LIMIT));
	backing_init(&s, COUNT, 4096);
	run_task(fn, NULL);
	CHECK(stats().bytes <= PAGES(LIMIT + RESERVE));
	backing_fini(&s);
	end_cache();
}

/* Plain LRU of LIMIT pages, to compare with: when each was used last, 0 for not there. */
static struct {
	uint64_t used[COUNT], clock, count, hits;
} lru;

static void lru_get(uint64_t index)
{
	uint64_t oldest = COUNT;

	if (lru.used[index]) {
		lru.hits++;
	} else if (lru.count++ == LIMIT) {
		for (uint64_t i = 0; i < COUNT; i++)
			if (lru.used[i] && (oldest == COUNT || lru.used[i] < lru.used[oldest]))
				oldest = i;
		lru.used[oldest] = 0;
		lru.count--;
	}
	lru.used[index] = ++lru.clock;
}

static void both(uint64_t index) MAY_YIELD;
static void both(uint64_t index)
{
	CHECK_INT(peek(&s, index), index % 251);
	lru_get(index);
}

/* A working set of half the cache, and a scan of ten times the cache. */
static void scan(void *arg) MAY_YIELD;
static void scan(void *arg)
{
	uint64_t reads, hits;

	(void)arg;
	s.read_ns = 1;
	for (unsigned int i = 0; i < 5000; i++)
		both(backing_random(&s, LIMIT / 2));
	for (uint64_t i = 0; i < 10 * LIMIT; i++)
		both(LIMIT + i);
	reads = s.reads;
	hits = lru.hits;
	for (uint64_t i = 0; i < LIMIT / 2; i++)
		both(i);
	CHECK(s.reads - reads < LIMIT / 2 / 50); /* 98 of 100 are there still */
	CHECK_INT(lru.hits - hits, 0);
	CHECK(stats().hits > lru.hits);
}

static void a_working_set_survives_a_scan_of_ten_times_the_cache(void)
{
	with_store(scan);
}

static void in_pieces(void *arg) MAY_YIELD;
static void in_pieces(void *arg)
{
	uint64_t reads;

	(void)arg;
	s.read_ns = 1;
	for (unsigned int i = 0; i < 5000; i++)
		peek(&s, backing_random(&s, LIMIT / 2));
	for (uint64_t i = 0; i < 10 * LIMIT; i++) {
		if (i % 32 == 0)
			cache_read_ahead(&s.map, LIMIT + i, 32);
		for (unsigned int piece = 0; piece < 8; piece++)
			peek(&s, LIMIT + i);
		peek(&s, LIMIT + i - (i > 0)); /* what lies over the edge of a page */
	}
	reads = s.reads;
	for (uint64_t i = 0; i < LIMIT / 2; i++)
		peek(&s, i);
	CHECK(s.reads - reads < LIMIT / 2 / 50);
}

static void a_scan_in_small_pieces_with_read_ahead_is_a_scan(void)
{
	with_store(in_pieces);
}

static void come_back(void *arg) MAY_YIELD;
static void come_back(void *arg)
{
	uint64_t reads;

	(void)arg;
	s.read_ns = 1;
	for (uint64_t i = 0; i < 50; i++)
		peek(&s, i);
	for (uint64_t i = 0; i < LIMIT; i++)
		peek(&s, LIMIT + i);
	reads = s.reads;
	for (uint64_t i = 0; i < 50; i++)
		peek(&s, i);
	CHECK_INT(s.reads - reads, 50); /* had gone, */
	for (uint64_t i = 0; i < 10 * LIMIT; i++)
		peek(&s, 2 * LIMIT + i);
	reads = s.reads;
	for (uint64_t i = 0; i < 50; i++)
		peek(&s, i);
	CHECK_INT(s.reads - reads, 0); /* but were remembered: now they stay */
}

static void what_came_back_soon_after_it_went_is_kept(void)
{
	with_store(come_back);
}

static void change_of_interest(void *arg) MAY_YIELD;
static void change_of_interest(void *arg)
{
	uint64_t reads;

	(void)arg;
	s.read_ns = 1;
	for (unsigned int round = 0; round < 10; round++)
		for (uint64_t i = 0; i < LIMIT * 8 / 10; i++)
			peek(&s, i);
	for (unsigned int round = 0; round < 10; round++)
		for (uint64_t i = 0; i < LIMIT * 8 / 10; i++)
			peek(&s, COUNT / 2 + i);
	reads = s.reads;
	for (uint64_t i = 0; i < LIMIT * 8 / 10; i++)
		peek(&s, COUNT / 2 + i);
	CHECK(s.reads - reads < LIMIT / 10);
}

static void a_new_working_set_takes_the_place_of_the_old_one(void)
{
	with_store(change_of_interest);
}

static struct cache_page *pinned[LIMIT + RESERVE];

static void pin_all(void *arg) MAY_YIELD;
static void pin_all(void *arg)
{
	struct cache_page *page;
	uint64_t began_ns = clock_now_ns();

	(void)arg;
	for (uint64_t i = 0; i < LIMIT; i++)
		CHECK_INT(cache_get_new(&s.map, i, &pinned[i]), 0);
	CHECK_INT(stats().bytes, PAGES(LIMIT));
	/* Nothing is on its way: the reserve is given at once. */
	for (uint64_t i = LIMIT; i < LIMIT + RESERVE; i++)
		CHECK_INT(cache_get_new(&s.map, i, &pinned[i]), 0);
	CHECK_INT(clock_now_ns(), began_ns);
	CHECK_INT(stats().pinned, LIMIT + RESERVE);
	CHECK_INT(cache_get_new(&s.map, COUNT - 1, &page), -ENOMEM);
	CHECK_INT(clock_now_ns(), began_ns + CACHE_FULL_NS);
	CHECK_INT(cache_get(&s.map, COUNT - 1, &page), -ENOMEM);
	cache_read_ahead(&s.map, COUNT - 10, 10);
	CHECK_INT(stats().pages, LIMIT + RESERVE);
	for (uint64_t i = 0; i < LIMIT + RESERVE; i++)
		cache_put(pinned[i]);
	CHECK_INT(cache_get(&s.map, COUNT - 1, &page), 0);
	CHECK_INT(stats().bytes, PAGES(LIMIT)); /* within the limit again */
	cache_put(page);
}

static void with_all_pinned_the_reserve_is_used_and_then_there_is_no_memory(void)
{
	with_store(pin_all);
}

static uint64_t got_ns;

static void get_one(void *arg) MAY_YIELD;
static void get_one(void *arg)
{
	(void)arg;
	CHECK_INT(peek(&s, COUNT - 1), (COUNT - 1) % 251);
	got_ns = clock_now_ns();
}

static void put_later(void *arg) MAY_YIELD;
static void put_later(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < LIMIT + RESERVE; i++)
		CHECK_INT(cache_get_new(&s.map, i, &pinned[i]), 0);
	for (unsigned int i = 0; i < 3; i++)
		spawn("get", get_one, NULL);
	sleep_ns(SECOND_NS);
	CHECK_INT(got_ns, 0);
	for (uint64_t i = 0; i < LIMIT + RESERVE; i++)
		cache_put(pinned[i]);
	sleep_ns(10 * MILLISECOND_NS);
	CHECK_INT(got_ns, SECOND_NS + MILLISECOND_NS);
	CHECK_INT(s.reads, 1); /* who waited for room looked again */
}

static void who_waits_for_room_goes_on_when_a_page_is_put_back(void)
{
	with_store(put_later);
}

/* Dirty pages alone: a get waits for write-back, and the limit holds. */
static void all_dirty(void *arg) MAY_YIELD;
static void all_dirty(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < 5 * LIMIT; i++) {
		struct cache_page *page;

		CHECK_INT(cache_get_new(&s.map, i, &page), 0);
		memset(page->data, 77, 4096);
		cache_dirty(page);
		cache_put(page);
		CHECK(stats().bytes <= PAGES(LIMIT));
	}
	CHECK_INT(cache_sync(&s.map, 0, UINT64_MAX), 0);
	for (uint64_t i = 0; i < 5 * LIMIT; i++)
		CHECK_INT(backing_page(&s, i)[4095], 77);
}

static void with_all_dirty_a_get_waits_for_write_back(void)
{
	with_store(all_dirty);
}

/* Too little is dirty to be written for that alone. */
static void pinned_and_dirty(void *arg) MAY_YIELD;
static void pinned_and_dirty(void *arg)
{
	struct cache_page *page;

	(void)arg;
	for (uint64_t i = 0; i < LIMIT; i++) {
		CHECK_INT(cache_get_new(&s.map, i, &pinned[i]), 0);
		if (i >= LIMIT - 50)
			cache_dirty(pinned[i]);
		if (i >= LIMIT - 50)
			cache_put(pinned[i]);
	}
	CHECK_INT(clock_now_ns(), 0);
	for (uint64_t i = LIMIT; i < LIMIT + 50; i++) {
		CHECK_INT(cache_get_new(&s.map, i, &page), 0);
		cache_put(page);
		CHECK_INT(stats().bytes, PAGES(LIMIT));
	}
	CHECK_INT(clock_now_ns(), MILLISECOND_NS); /* one write-back */
	for (uint64_t i = 0; i < LIMIT - 50; i++)
		cache_put(pinned[i]);
}

static void what_little_is_dirty_is_written_when_there_is_no_room(void)
{
	with_store(pinned_and_dirty);
}

static void all_held(void *arg) MAY_YIELD;
static void all_held(void *arg)
{
	uint64_t began_ns = clock_now_ns();

	(void)arg;
	for (uint64_t i = 0; i < LIMIT + RESERVE - 1; i++) {
		struct cache_page *page;

		CHECK_INT(cache_get_new(&s.map, i, &page), 0);
		cache_hold(page);
		cache_dirty(page);
		pinned[i] = page;
		cache_put(page);
	}
	CHECK_INT(clock_now_ns(), began_ns);
	CHECK_INT(stats().held, LIMIT + RESERVE - 1);
	for (uint64_t i = 0; i < 100; i++)
		peek(&s, COUNT / 2 + i); /* one place is left */
	CHECK_INT(s.writes, 0);
	for (uint64_t i = 0; i < LIMIT + RESERVE - 1; i++)
		cache_release(pinned[i]);
	CHECK_INT(cache_sync(&s.map, 0, UINT64_MAX), 0);
}

static void with_all_held_the_reserve_keeps_a_get_going(void)
{
	with_store(all_held);
}

static void a_cache_has_a_size_of_its_own_choice_and_a_smallest(void)
{
	begin_cache(1);
	backing_init(&s, COUNT, 4096);
	for (unsigned int i = 0; i < 300; i++)
		run_task(get_one, NULL);
	cache_read_ahead(&s.map, 0, 5);
	run();
	CHECK_INT(stats().pages, 6);
	backing_fini(&s);
	end_cache();
	begin_cache(0);
	end_cache();
}

/* How many pages the smallest cache keeps. */
static void fill_up(void *arg) MAY_YIELD;
static void fill_up(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < 500; i++)
		peek(&s, i);
	CHECK_INT(stats().bytes, CACHE_LIMIT_MIN);
}

static void the_smallest_cache_keeps_its_limit(void)
{
	begin_cache(1);
	backing_init(&s, COUNT, 4096);
	run_task(fill_up, NULL);
	backing_fini(&s);
	end_cache();
}

/* Is the page behind the last one that was made in memory, before anybody touches it? */
static bool next_is_there(const char *data)
{
	unsigned char there = 0;

	CHECK_INT(mincore((void *)(uintptr_t)(data + CACHE_PAGE_SIZE), CACHE_PAGE_SIZE, &there), 0);
	return there & 1;
}

static bool host_can_populate(void)
{
	void *page = mmap(NULL, CACHE_PAGE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool can = madvise(page, CACHE_PAGE_SIZE, 23) == 0;

	munmap(page, CACHE_PAGE_SIZE);
	return can;
}

struct writer {
	uint64_t count;
	bool takes_down;
	const char *last;
};

static void write_many(void *arg) MAY_YIELD;
static void write_many(void *arg)
{
	struct writer *w = arg;

	for (uint64_t i = 0; i < w->count; i++) {
		struct cache_page *page;

		CHECK_INT(cache_get_new(&s.map, i, &page), 0);
		w->last = page->data;
		cache_put(page);
	}
	if (!w->takes_down)
		return;
	CHECK_INT(task_count(), 2);
	backing_down(&s);
	CHECK_INT(task_count(), 1); /* no task of the cache's is left to use what goes now */
}

static void fresh_memory_is_there_before_it_is_written(void)
{
	struct writer w = { .count = 1200 };

	begin_cache(PAGES(8000));
	backing_init(&s, 2000, 4096);
	run_task(write_many, &w);
	CHECK(next_is_there(w.last) || !host_can_populate());
	backing_fini(&s);
	end_cache();
}

static void write_one(void *arg) MAY_YIELD;
static void write_one(void *arg)
{
	struct cache_page *page;

	CHECK_INT(cache_get_new(&s.map, *(const uint64_t *)arg, &page), 0);
	cache_put(page);
	CHECK_INT(task_count(), 1);
}

static void a_full_cache_makes_no_more_memory(void)
{
	struct writer w = { .count = 2000 };

	begin_cache(PAGES(2000));
	backing_init(&s, 3000, 4096);
	run_task(write_many, &w);
	for (uint64_t index = w.count; index < w.count + 10; index++)
		run_task(write_one, &index);
	CHECK_INT(stats().evictions, 10);
	backing_fini(&s);
	end_cache();
}

static void the_cache_can_end_while_memory_is_made(void)
{
	/* In some order of turns the map is gone before the task has had one. */
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct writer w = { .count = 1200, .takes_down = true };

		begin_seeded_cache(PAGES(2000), seed);
		backing_init(&s, 2000, 4096);
		run_task(write_many, &w);
		backing_fini(&s);
		end_cache();
	}
}

static const struct test tests[] = {
	TEST(a_working_set_survives_a_scan_of_ten_times_the_cache),
	TEST(a_scan_in_small_pieces_with_read_ahead_is_a_scan),
	TEST(what_came_back_soon_after_it_went_is_kept),
	TEST(a_new_working_set_takes_the_place_of_the_old_one),
	TEST(with_all_pinned_the_reserve_is_used_and_then_there_is_no_memory),
	TEST(who_waits_for_room_goes_on_when_a_page_is_put_back),
	TEST(with_all_dirty_a_get_waits_for_write_back),
	TEST(what_little_is_dirty_is_written_when_there_is_no_room),
	TEST(with_all_held_the_reserve_keeps_a_get_going),
	TEST(a_cache_has_a_size_of_its_own_choice_and_a_smallest),
	TEST(the_smallest_cache_keeps_its_limit),
	TEST(fresh_memory_is_there_before_it_is_written),
	TEST(a_full_cache_makes_no_more_memory),
	TEST(the_cache_can_end_while_memory_is_made),
};
TEST_MAIN(tests)

/*
 * test_model.c - many tasks do anything to a cache too small for them, on a backing that is
 * slow and fails now and then, in orders that seeds give; each page has what the model says,
 * after a sync the backing has it, and nothing is left at the end.
 *
 * A change is a new version of the page, counted up for all pages. Each task has some pages of its
 * own, which it drops: nobody else pins those.
 */
#include "test/cache/cache_test.h"

#include <errno.h>
#include <string.h>

#define TASKS 12u
#define SHARED 200u
#define OWN 20u
#define COUNT (SHARED + TASKS * OWN)
#define STEPS 150u
#define SEEDS (test_sanitized ? 15u : 150u)

static struct backing s;
static uint64_t version[COUNT]; /* what the cache must say */
static uint64_t last_version;
static uint64_t failed, synced, no_memory; /* that these happen at all is checked too */
static unsigned int fail_percent;

static uint64_t chance(uint64_t below)
{
	return backing_random(&s, below);
}

static int sometimes(struct backing *of, bool write, uint64_t index)
{
	(void)write, (void)index;
	if (backing_random(of, 100) >= fail_percent)
		return 0;
	failed++;
	return -EIO;
}

static uint64_t version_in(const void *data)
{
	uint64_t first, last;

	memcpy(&first, data, sizeof(first));
	memcpy(&last, (const char *)data + s.map.page_size - sizeof(last), sizeof(last));
	CHECK_INT(first, last);
	return first;
}

static void put_version(void *data, uint64_t number)
{
	uint64_t *words = data;

	for (uint32_t i = 0; i < s.map.page_size / sizeof(number); i++)
		words[i] = number;
}

/* Any page that this task may use. */
static uint64_t any_page(uint64_t self)
{
	return chance(4) ? chance(SHARED) : SHARED + self * OWN + chance(OWN);
}

static struct cache_page *get(uint64_t index) MAY_YIELD;
static struct cache_page *get(uint64_t index)
{
	struct cache_page *page;
	int r = cache_get(&s.map, index, &page);

	if (r < 0) {
		CHECK(r == -EIO || r == -ENOMEM);
		no_memory += r == -ENOMEM;
		return NULL;
	}
	CHECK_INT(page->index, index);
	CHECK_INT(version_in(page->data), version[index]);
	return page;
}

static void change(struct cache_page *page) MAY_YIELD;
static void change(struct cache_page *page)
{
	cache_modify(page);
	CHECK_INT(version_in(page->data), version[page->index]);
	version[page->index] = ++last_version;
	put_version(page->data, last_version);
	cache_dirty(page);
}

static void step_change(uint64_t self) MAY_YIELD;
static void step_change(uint64_t self)
{
	uint64_t index = any_page(self);
	struct cache_page *page;

	if (chance(4)) {
		page = get(index);
	} else if (cache_get_new(&s.map, index, &page) < 0) {
		page = NULL;
	} else if (version_in(page->data) == 0) {
		version[index] = 0; /* a new one: its contents were to be overwritten anyway */
	}
	if (!page)
		return;
	if (version[index] == 0 || chance(8))
		change(page); /* zeros must not be taken for contents */
	for (uint64_t i = chance(3); i > 0; i--) {
		sleep_ns(chance(3 * MILLISECOND_NS)); /* pinned meanwhile */
		change(page);
	}
	cache_put(page);
}

/* As the journal does: nothing of it may reach the backing before it is released. */
static void step_hold(uint64_t self) MAY_YIELD;
static void step_hold(uint64_t self)
{
	uint64_t index = SHARED + self * OWN + chance(OWN);
	struct cache_page *page = get(index);
	uint64_t before;

	if (!page)
		return;
	cache_modify(page);
	before = version_in(backing_page(&s, index));
	cache_hold(page);
	change(page);
	sleep_ns(chance(10 * MILLISECOND_NS));
	change(page);
	CHECK_INT(version_in(backing_page(&s, index)), before);
	if (chance(2) && cache_write_pages(&page, 1) == 0)
		CHECK_INT(version_in(backing_page(&s, index)), version[index]);
	cache_release(page);
	cache_put(page);
}

static void step_sync(uint64_t self) MAY_YIELD;
static void step_sync(uint64_t self)
{
	uint64_t first = chance(2) ? 0 : any_page(self);
	uint64_t end = chance(2) ? COUNT : first + chance(COUNT - first);
	uint64_t was[COUNT / 4];
	uint64_t count = end - first < ARRAY_COUNT(was) ? end - first : ARRAY_COUNT(was);

	memcpy(was, &version[first], count * sizeof(was[0]));
	if (cache_sync(&s.map, first, end) < 0)
		return;
	synced++;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t there = version_in(backing_page(&s, first + i));

		/* Others hold and drop their own pages. */
		if (first + i < SHARED || (first + i - SHARED) / OWN == self)
			CHECK(there >= was[i]);
	}
}

/* As truncation does. What is on the backing counts again. */
static void step_drop(uint64_t self) MAY_YIELD;
static void step_drop(uint64_t self)
{
	uint64_t first = SHARED + self * OWN + chance(OWN);
	uint64_t end = first + chance(SHARED + (self + 1) * OWN - first) + 1;

	cache_drop(&s.map, first, end);
	for (uint64_t i = first; i < end; i++) {
		CHECK(cache_find(&s.map, i) == NULL);
		version[i] = version_in(backing_page(&s, i));
	}
}

static void live(void *arg) MAY_YIELD;
static void live(void *arg)
{
	uint64_t self = (uint64_t)(uintptr_t)arg;

	for (unsigned int i = 0; i < STEPS; i++) {
		switch (chance(12)) {
		case 0:
			step_sync(self);
			break;
		case 1:
			step_drop(self);
			break;
		case 2:
			step_hold(self);
			break;
		case 3:
			cache_read_ahead(&s.map, chance(COUNT - 32), (unsigned int)chance(32));
			break;
		case 4:
			sleep_ns(chance(20 * MILLISECOND_NS));
			break;
		case 5:
		case 6:
		case 7:
			cache_throttle();
			step_change(self);
			break;
		default:
			cache_put(get(any_page(self)));
			break;
		}
	}
}

static void finish(void *arg) MAY_YIELD;
static void finish(void *arg)
{
	(void)arg;
	while (task_count() > 1 && stats().pinned > 0)
		sleep_ns(SECOND_NS);
	fail_percent = 0;
	sleep_ns(100 * SECOND_NS); /* all have ended */
	if (cache_sync(&s.map, 0, UINT64_MAX) < 0)
		CHECK_INT(cache_sync(&s.map, 0, UINT64_MAX), 0);
	CHECK_INT(stats().dirty, 0);
	CHECK_INT(stats().held, 0);
	CHECK_INT(stats().pinned, 0);
	for (uint64_t i = 0; i < COUNT; i++) {
		CHECK_INT(version_in(backing_page(&s, i)), version[i]);
		cache_put(get(i));
	}
}

static void one_life(uint64_t seed, uint32_t page_size, unsigned int percent)
{
	begin_seeded_cache(PAGES(64), seed);
	backing_init(&s, COUNT, page_size);
	s.random = seed * 0x9e3779b97f4a7c15u;
	s.spread_ns = 3 * MILLISECOND_NS;
	s.yields = seed % 2;
	s.fails = sometimes;
	fail_percent = percent;
	last_version = 0;
	for (uint64_t i = 0; i < COUNT; i++) {
		version[i] = ++last_version;
		put_version(backing_page(&s, i), last_version);
	}
	for (uintptr_t i = 0; i < TASKS; i++)
		spawn("live", live, (void *)i);
	run();
	run_task(finish, NULL);
	CHECK(stats().evictions > 0 || page_size < 4096);
	backing_fini(&s);
	end_cache();
}

static void the_cache_agrees_with_the_model(void)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		one_life(seed, 1024u << seed % 3, 0);
	CHECK_INT(failed, 0);
	CHECK(synced > SEEDS);
}

static void the_cache_agrees_with_the_model_while_the_device_fails(void)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		one_life(1000 + seed, 1024u << seed % 3, 5);
	CHECK(failed > SEEDS);
	CHECK(synced > SEEDS);
}

static const struct test tests[] = {
	TEST_LONG(the_cache_agrees_with_the_model, 60),
	TEST_LONG(the_cache_agrees_with_the_model_while_the_device_fails, 60),
};
TEST_MAIN(tests)

/*
 * test_rule.c - the rule of the seed (Naniwa 2002, section IV-2): while a block is read, a second
 * task that wants it waits for that read. Built twice: as it is, and with a cache that can be
 * told to break the rule, which shows what the rule is for.
 */
#include "test/cache/cache_test.h"

#include <string.h>

static struct backing s;

/* Read a counter in a block, add one, put it back. Correct on any cache that has the rule. */
static void count_one(void *arg) MAY_YIELD;
static void count_one(void *arg)
{
	struct cache_page *page;
	uint32_t *counter;

	(void)arg;
	CHECK_INT(cache_get(&s.map, 3, &page), 0);
	cache_modify(page);
	counter = page->data;
	++*counter;
	cache_dirty(page);
	cache_put(page);
}

static void count_at_once(void *arg) MAY_YIELD;
static void count_at_once(void *arg)
{
	const unsigned int *tasks = arg;

	for (unsigned int i = 0; i < *tasks; i++)
		spawn("count", count_one, NULL);
	while (task_count() > 1)
		sleep_ns(MILLISECOND_NS);
	CHECK_INT(cache_sync(&s.map, 0, UINT64_MAX), 0);
	backing_down(&s);
}

/* What the disk says after so many tasks counted at once. */
static uint32_t counted(unsigned int tasks)
{
	uint32_t counter;

	begin_cache(PAGES(640));
	backing_init(&s, 100, 4096);
	memset(backing_page(&s, 3), 0, 4096);
	run_task(count_at_once, &tasks);
	memcpy(&counter, backing_page(&s, 3), sizeof(counter));
	backing_fini(&s);
	end_cache();
	return counter;
}

static void with_the_rule_a_block_is_read_once_and_no_change_is_lost(void)
{
	for (unsigned int tasks = 2; tasks <= 64; tasks *= 2) {
		CHECK_INT(counted(tasks), tasks);
		CHECK_INT(s.reads, 1);
	}
}

#ifdef CACHE_WITHOUT_RULE
static void without_the_rule_each_task_reads_and_changes_are_lost(void)
{
	cache_reads_twice = true;
	for (unsigned int tasks = 2; tasks <= 64; tasks *= 2) {
		CHECK_INT(counted(tasks), 1);
		CHECK_INT(s.reads, tasks);
	}
}
#endif

static const struct test tests[] = {
	TEST(with_the_rule_a_block_is_read_once_and_no_change_is_lost),
#ifdef CACHE_WITHOUT_RULE
	TEST(without_the_rule_each_task_reads_and_changes_are_lost),
#endif
};
TEST_MAIN(tests)

/*
 * test_get.c - what cache.h promises of getting pages: contents, one read for all who want a
 * page (the rule), the same error for all, pages of three sizes, read-ahead.
 */
#include "test/cache/cache_test.h"

#include <errno.h>
#include <string.h>

static struct backing s;

struct getter {
	uint64_t index;
	int result;
	uint8_t byte;
	uint64_t at_ns;
};

static void get(void *arg) MAY_YIELD;
static void get(void *arg)
{
	struct getter *g = arg;
	struct cache_page *page;

	g->result = cache_get(&s.map, g->index, &page);
	g->at_ns = clock_now_ns();
	if (g->result < 0)
		return;
	CHECK(page->pins > 0);
	g->byte = *(const uint8_t *)page->data;
	cache_put(page);
}

static void a_page_is_read_once_and_then_found(void)
{
	struct getter g = { .index = 7 };

	begin_cache(PAGES(64));
	backing_init(&s, 100, 4096);
	run_task(get, &g);
	CHECK_INT(g.result, 0);
	CHECK_INT(g.byte, 7);
	CHECK_INT(g.at_ns, MILLISECOND_NS);
	run_task(get, &g);
	CHECK_INT(g.byte, 7);
	CHECK_INT(g.at_ns, MILLISECOND_NS);
	CHECK_INT(s.reads, 1);
	CHECK_INT(stats().reads, 1);
	CHECK_INT(stats().hits, 1);
	CHECK_INT(stats().joins, 0);
	CHECK_INT(stats().pinned, 0);
	backing_fini(&s);
	end_cache();
}

static void many_tasks_share_one_read(void)
{
	struct getter g[64];

	for (unsigned int count = 2; count <= ARRAY_COUNT(g); count *= 2) {
		begin_cache(PAGES(64));
		backing_init(&s, 100, 4096);
		for (unsigned int i = 0; i < count; i++) {
			g[i] = (struct getter){ .index = 3, .result = 1 };
			spawn("get", get, &g[i]);
		}
		run();
		for (unsigned int i = 0; i < count; i++) {
			CHECK_INT(g[i].result, 0);
			CHECK_INT(g[i].byte, 3);
		}
		CHECK_INT(s.reads, 1);
		CHECK_INT(stats().joins, count - 1);
		backing_fini(&s);
		end_cache();
	}
}

static void a_failed_read_is_the_same_error_for_all_and_is_tried_anew(void)
{
	struct getter g[64];

	begin_cache(PAGES(64));
	backing_init(&s, 100, 4096);
	s.fails = all_reads_fail;
	for (unsigned int i = 0; i < ARRAY_COUNT(g); i++) {
		g[i] = (struct getter){ .index = 3, .result = 1 };
		spawn("get", get, &g[i]);
	}
	run();
	for (unsigned int i = 0; i < ARRAY_COUNT(g); i++)
		CHECK_INT(g[i].result, -EIO);
	CHECK_INT(s.reads, 1);
	CHECK_INT(stats().pages, 0);
	s.fails = NULL;
	run_task(get, &g[0]);
	CHECK_INT(g[0].result, 0);
	CHECK_INT(g[0].byte, 3);
	CHECK_INT(s.reads, 2);
	backing_fini(&s);
	end_cache();
}

/* One of those who waited gets it again before the others have looked at the error. */
static void get_twice(void *arg) MAY_YIELD;
static void get_twice(void *arg)
{
	struct getter *g = arg;

	get(g);
	CHECK_INT(g->result, -EIO);
	s.fails = NULL;
	get(g);
}

static void a_new_read_does_not_wait_for_those_who_saw_the_old_one_fail(void)
{
	struct getter a = { .index = 3 }, b[3];

	begin_cache(PAGES(64));
	backing_init(&s, 100, 4096);
	s.fails = all_reads_fail;
	spawn("a", get_twice, &a);
	for (unsigned int i = 0; i < ARRAY_COUNT(b); i++) {
		b[i] = (struct getter){ .index = 3 };
		spawn("b", get, &b[i]);
	}
	run();
	CHECK_INT(a.result, 0);
	CHECK_INT(a.byte, 3);
	for (unsigned int i = 0; i < ARRAY_COUNT(b); i++)
		CHECK_INT(b[i].result, -EIO);
	CHECK_INT(s.reads, 2);
	backing_fini(&s);
	end_cache();
}

static void get_new(void *arg) MAY_YIELD;
static void get_new(void *arg)
{
	struct getter *g = arg;
	struct cache_page *page;

	g->result = cache_get_new(&s.map, g->index, &page);
	CHECK_INT(g->result, 0);
	g->at_ns = clock_now_ns();
	CHECK_INT(page->state, CACHE_CLEAN);
	g->byte = *(const uint8_t *)page->data;
	for (uint32_t i = 0; i < s.map.page_size; i++)
		CHECK_INT(((const uint8_t *)page->data)[i], g->byte);
	cache_put(page);
}

static void a_new_page_is_zeros_and_reads_nothing(void)
{
	struct getter g = { .index = 9 };

	begin_cache(PAGES(64));
	backing_init(&s, 100, 4096);
	run_task(get_new, &g);
	CHECK_INT(g.byte, 0);
	CHECK_INT(g.at_ns, 0);
	CHECK_INT(s.reads, 0);
	backing_fini(&s);
	end_cache();
}

static void a_new_page_that_is_there_stays_as_it_is(void)
{
	struct getter a = { .index = 9 }, b = { .index = 9 };

	begin_cache(PAGES(64));
	backing_init(&s, 100, 4096);
	spawn("a", get, &a);
	spawn("b", get_new, &b); /* a's read is under way: b waits for it */
	run();
	CHECK_INT(b.byte, 9);
	CHECK_INT(b.at_ns, MILLISECOND_NS);
	CHECK_INT(s.reads, 1);
	backing_fini(&s);
	end_cache();
}

static void a_new_page_is_zeros_where_a_read_fails(void)
{
	struct getter a = { .index = 9 }, b = { .index = 9 };

	begin_cache(PAGES(64));
	backing_init(&s, 100, 4096);
	s.fails = all_reads_fail;
	spawn("a", get, &a);
	spawn("b", get_new, &b);
	run();
	CHECK_INT(a.result, -EIO);
	CHECK_INT(b.byte, 0);
	CHECK_INT(stats().pages, 1);
	backing_fini(&s);
	end_cache();
}

static void look(void *arg) MAY_YIELD;
static void look(void *arg)
{
	struct cache_page *page;

	(void)arg;
	CHECK(cache_find(&s.map, 5) == NULL);
	cache_read_ahead(&s.map, 5, 1);
	CHECK(cache_find(&s.map, 5) == NULL); /* is being read */
	sleep_ns(2 * MILLISECOND_NS);
	page = cache_find(&s.map, 5);
	CHECK(page != NULL);
	CHECK_INT(page->pins, 1);
	CHECK_INT(*(const uint8_t *)page->data, 5);
	CHECK(cache_pin(page) == page);
	cache_put(page);
	CHECK_INT(stats().pinned, 1);
	cache_put(page);
	CHECK_INT(stats().pinned, 0);
	cache_put(NULL);
	CHECK_INT(clock_now_ns(), 2 * MILLISECOND_NS);
}

static void find_gives_what_is_readable_now_and_never_waits(void)
{
	begin_cache(PAGES(64));
	backing_init(&s, 100, 4096);
	run_task(look, NULL);
	backing_fini(&s);
	end_cache();
}

static void read_all(void *arg) MAY_YIELD;
static void read_all(void *arg)
{
	struct backing *of = arg;

	for (uint64_t i = 0; i < of->count; i++)
		CHECK_INT(peek(of, i), i % 251);
	for (uint64_t i = 0; i < of->count; i++)
		fill(of, i, (uint8_t)(i + of->map.page_size / 1024));
	for (uint64_t i = 0; i < of->count; i++)
		CHECK_INT(peek(of, i), (uint8_t)(i + of->map.page_size / 1024));
	CHECK_INT(cache_sync(&of->map, 0, UINT64_MAX), 0);
	for (uint64_t i = 0; i < of->count; i++)
		for (uint32_t k = 0; k < of->map.page_size; k++)
			CHECK_INT(backing_page(of, i)[k], (uint8_t)(i + of->map.page_size / 1024));
}

static void pages_of_three_sizes_live_together(void)
{
	static struct backing stores[3];
	uint32_t sizes[] = { 1024, 2048, 4096 };

	/* Less room than they want together: sizes follow each other in the same memory. */
	begin_cache(PAGES(64));
	for (unsigned int i = 0; i < ARRAY_COUNT(stores); i++)
		backing_init(&stores[i], 200, sizes[i]);
	for (unsigned int i = 0; i < ARRAY_COUNT(stores); i++)
		spawn("read", read_all, &stores[i]);
	run();
	CHECK(stats().bytes <= PAGES(64 + 32));
	CHECK(stats().evictions > 0);
	for (unsigned int i = 0; i < ARRAY_COUNT(stores); i++)
		backing_fini(&stores[i]);
	end_cache();
}

static void one_index_in_two_maps_is_two_pages(void)
{
	static struct backing other;
	struct getter g = { .index = 3 };

	begin_cache(PAGES(64));
	backing_init(&s, 100, 4096);
	backing_init(&other, 100, 4096);
	memset(backing_page(&s, 3), 77, 4096);
	run_task(get, &g);
	CHECK_INT(g.byte, 77);
	spawn("other", read_all, &other);
	run();
	run_task(get, &g);
	CHECK_INT(g.byte, 77);
	backing_fini(&other);
	backing_fini(&s);
	end_cache();
}

static void read_ahead_of_ten(void *arg) MAY_YIELD;
static void read_ahead_of_ten(void *arg)
{
	(void)arg;
	CHECK_INT(peek(&s, 4), 4);
	cache_read_ahead(&s.map, 0, 10);
	cache_read_ahead(&s.map, 0, 10); /* all are being read */
	CHECK_INT(clock_now_ns(), MILLISECOND_NS);
	CHECK_INT(peek(&s, 8), 8); /* joins */
	CHECK_INT(clock_now_ns(), 2 * MILLISECOND_NS);
	CHECK_INT(stats().joins, 1);
	for (uint64_t i = 0; i < 10; i++)
		CHECK_INT(peek(&s, i), i);
	CHECK_INT(clock_now_ns(), 2 * MILLISECOND_NS);
	CHECK_INT(s.reads, 10);
	CHECK_INT(stats().reads, 10);
}

static void read_ahead_reads_what_is_not_there_and_does_not_wait(void)
{
	for (unsigned int yields = 0; yields < 2; yields++) {
		begin_cache(PAGES(640));
		backing_init(&s, 100, 4096);
		s.yields = yields;
		run_task(read_ahead_of_ten, NULL);
		backing_fini(&s);
		end_cache();
	}
}

static void a_failed_read_ahead_leaves_nothing(void)
{
	struct getter g = { .index = 3 };

	begin_cache(PAGES(640));
	backing_init(&s, 100, 4096);
	s.fails = all_reads_fail;
	cache_read_ahead(&s.map, 0, 10);
	run();
	CHECK_INT(stats().pages, 0);
	s.fails = NULL;
	run_task(get, &g);
	CHECK_INT(g.result, 0);
	CHECK_INT(s.reads, 11);
	backing_fini(&s);
	end_cache();
}

static void read_ahead_takes_no_more_than_its_share(void)
{
	begin_cache(PAGES(64));
	backing_init(&s, 1000, 4096);
	cache_read_ahead(&s.map, 0, 1000);
	run();
	CHECK(s.reads >= 8);
	CHECK(s.reads <= 9);
	backing_fini(&s);
	end_cache();
}

static unsigned int turns;

static void count_turns(void *arg) MAY_YIELD;
static void count_turns(void *arg)
{
	for (turns = 0; turns < *(const unsigned int *)arg; turns++)
		task_yield();
}

static void read_far_ahead(void *arg) MAY_YIELD;
static void read_far_ahead(void *arg)
{
	(void)arg;
	cache_read_ahead(&s.map, 0, 100);
	CHECK_INT(turns, 0);
	cache_read_far_ahead(&s.map, 100, 200);
	CHECK(turns >= 5);
	CHECK_INT(stats().pages, 300);
	CHECK_INT(peek(&s, 299), backing_page(&s, 299)[0]);
	CHECK_INT(clock_now_ns(), MILLISECOND_NS);
}

static void others_run_while_many_pages_are_read_ahead(void)
{
	unsigned int until = 20;

	begin_cache(PAGES(16000));
	backing_init(&s, 1000, 4096);
	turns = 0;
	spawn("far", read_far_ahead, NULL);
	spawn("turns", count_turns, &until);
	run();
	CHECK_INT(s.reads, 300);
	backing_fini(&s);
	end_cache();
}

static void far_ahead(void *arg) MAY_YIELD;
static void far_ahead(void *arg)
{
	(void)arg;
	cache_read_far_ahead(&s.map, 0, 200);
}

/* The reader finds pages that the other task is choosing; then no third task can be had. */
static void a_read_ahead_without_a_task_of_its_own_fails_nobody(void)
{
	const struct sched_options two = { .virtual_clock = true, .task_limit = 2 };
	struct getter g = { .index = 3, .result = 1 };

	CHECK_INT(sched_init(&two, NULL), 0);
	CHECK_INT(cache_init(PAGES(16000)), 0);
	backing_init(&s, 1000, 4096);
	spawn("far", far_ahead, NULL);
	spawn("get", get, &g);
	run();
	CHECK_INT(stats().joins, 1);
	CHECK_INT(g.result, 0);
	CHECK_INT(g.byte, 3);
	CHECK_INT(s.reads, 200);
	CHECK_INT(stats().reads, 200);
	backing_fini(&s);
	end_cache();
}

static void take_down_now(void *arg) MAY_YIELD;
static void take_down_now(void *arg)
{
	(void)arg;
	CHECK_INT(s.reads, 0); /* the other task is in the middle */
	CHECK(stats().pages > 0);
	backing_down(&s);
	CHECK_INT(stats().pages, 0);
	CHECK_INT(s.reads, 200);
}

static void a_map_is_not_taken_down_before_all_pages_are_chosen(void)
{
	begin_cache(PAGES(16000));
	backing_init(&s, 1000, 4096);
	spawn("far", far_ahead, NULL);
	spawn("down", take_down_now, NULL);
	run();
	backing_fini(&s);
	end_cache();
}

static void take_down_soon(void *arg) MAY_YIELD;
static void take_down_soon(void *arg)
{
	(void)arg;
	task_yield();
	CHECK_INT(s.inside, 1);
	backing_down(&s); /* waits for what is under way, and for the task */
	CHECK_INT(clock_now_ns(), SECOND_NS);
}

static void a_map_that_is_read_ahead_can_be_taken_down(void)
{
	begin_cache(PAGES(640));
	backing_init(&s, 100, 4096);
	s.yields = true;
	s.lingers_ns = SECOND_NS;
	cache_read_ahead(&s.map, 0, 10);
	run_task(take_down_soon, NULL);
	backing_fini(&s);
	end_cache();
}

static const struct test tests[] = {
	TEST(a_page_is_read_once_and_then_found),
	TEST(many_tasks_share_one_read),
	TEST(a_failed_read_is_the_same_error_for_all_and_is_tried_anew),
	TEST(a_new_read_does_not_wait_for_those_who_saw_the_old_one_fail),
	TEST(a_new_page_is_zeros_and_reads_nothing),
	TEST(a_new_page_that_is_there_stays_as_it_is),
	TEST(a_new_page_is_zeros_where_a_read_fails),
	TEST(find_gives_what_is_readable_now_and_never_waits),
	TEST(pages_of_three_sizes_live_together),
	TEST(one_index_in_two_maps_is_two_pages),
	TEST(read_ahead_reads_what_is_not_there_and_does_not_wait),
	TEST(a_failed_read_ahead_leaves_nothing),
	TEST(read_ahead_takes_no_more_than_its_share),
	TEST(a_map_that_is_read_ahead_can_be_taken_down),
	TEST(others_run_while_many_pages_are_read_ahead),
	TEST(a_read_ahead_without_a_task_of_its_own_fails_nobody),
	TEST(a_map_is_not_taken_down_before_all_pages_are_chosen),
};
TEST_MAIN(tests)

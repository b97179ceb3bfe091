/*
 * bench_cache.c - the block cache: device reads that the rule saves (a second task waits for a
 * read under way), hits beside plain LRU, and what a hit costs.
 *
 * Reads and hits are counted on a disk in memory under the virtual clock: the same numbers in
 * each run. Costs are taken ROUNDS times on the real clock; shown are the fastest, the
 * middle and the slowest. --json prints one object instead of the tables.
 *
 * Linked with the cache that can be told to break its rule; the way of a hit is the same in it.
 */
#include "cache/cache.h"
#include "task/sched.h"
#include "task/task.h"
#include "test/disk/test_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 31u
#define BLOCK 4096u
#define DISK_BLOCKS 65536u

static bool json;
static struct test_disk *td;
static struct disk *disk;
static struct cache_map map;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_cache: %s failed\n", what);
	exit(1);
}

static uint64_t real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Run `fn` as a task with a fresh cache of `pages` pages on a fresh disk, and what it starts. */
static void take_down(void *arg) MAY_YIELD;
static void take_down(void *arg)
{
	(void)arg;
	cache_map_fini(&map);
}

static void begin(uint64_t pages, const struct test_disk_model *model)
{
	const struct test_disk_options options = {
		.size = (uint64_t)DISK_BLOCKS * BLOCK,
		.completion = model ? TEST_DISK_MODEL : TEST_DISK_AT_ONCE,
		.model = model,
	};

	must(sched_init(&(struct sched_options){ .virtual_clock = true }, NULL) == 0, "sched_init");
	must(cache_init(pages * BLOCK) == 0, "cache_init");
	disk = test_disk_open(&options, &td);
	must(cache_map_disk(&map, disk, BLOCK) == 0, "cache_map_disk");
}

static void end(void)
{
	must(task_start(NULL, "end", take_down, NULL) == 0, "task_start");
	must(sched_run_until_idle() == 0, "the end of all tasks");
	disk_close(disk);
	test_disk_free(td);
	cache_fini();
	sched_fini();
}

static void use(uint64_t index) MAY_YIELD;
static void use(uint64_t index)
{
	struct cache_page *page;

	must(cache_get(&map, index, &page) == 0, "cache_get");
	cache_put(page);
}

/* ---- the rule. Tasks read the same files, cold: 200 of 1 to 20 blocks, in the same order. */

#define FILES 200u

static void read_files(void *arg) MAY_YIELD;
static void read_files(void *arg)
{
	(void)arg;
	for (uint64_t file = 0; file < FILES; file++)
		for (uint64_t block = 0; block <= file * 7 % 20; block++)
			use(file * 7919 % 3000 * 20 + block);
}

struct counted {
	uint64_t reads, joins, ns;
};

static struct counted count_reads(unsigned int tasks, bool rule)
{
	struct disk_stats seen;
	struct cache_stats stats;
	struct counted c;

	begin(16384, &test_disk_ssd);
	cache_reads_twice = !rule;
	for (unsigned int i = 0; i < tasks; i++)
		must(task_start(NULL, "read", read_files, NULL) == 0, "task_start");
	must(sched_run_until_idle() == 0, "the end of all readers");
	disk_stats_get(disk, &seen);
	cache_stats_get(&stats);
	c = (struct counted){ seen.reads, stats.joins, clock_now_ns() };
	cache_reads_twice = false;
	end();
	return c;
}

static void show_rule(void)
{
	if (!json)
		printf("%-8s %12s %12s %10s %10s %12s %12s\n", "tasks", "reads", "without rule",
		       "saved", "joins", "ms", "without rule");
	for (unsigned int tasks = 1; tasks <= 64; tasks *= 2) {
		struct counted with = count_reads(tasks, true), without = count_reads(tasks, false);
		double saved = 100.0 * (double)(without.reads - with.reads) / (double)without.reads;

		if (json)
			printf("%s{\"tasks\": %u, \"reads\": %lu, \"reads_without_rule\": %lu, "
			       "\"joins\": %lu, \"ns\": %lu, \"ns_without_rule\": %lu}",
			       tasks == 1 ? "{\"rule\": [\n" : ",\n", tasks, with.reads,
			       without.reads, with.joins, with.ns, without.ns);
		else
			printf("%-8u %12lu %12lu %9.1f%% %10lu %12.2f %12.2f\n", tasks, with.reads,
			       without.reads, saved, with.joins, (double)with.ns / 1e6,
			       (double)without.ns / 1e6);
	}
}

/* ---- replacement. */

#define PAGES 2048u

/* Plain LRU of PAGES pages: a ring from the oldest to the newest. */
struct lru_page {
	struct list node;
	bool there;
};
static struct {
	struct lru_page pages[DISK_BLOCKS];
	struct list ring;
	uint64_t count, hits;
} lru;

static uint64_t uses, random_state;

static uint64_t pick(uint64_t below)
{
	return test_random(&random_state, below);
}

static void lru_reset(void)
{
	list_init(&lru.ring);
	for (unsigned int i = 0; i < DISK_BLOCKS; i++) {
		list_init(&lru.pages[i].node);
		lru.pages[i].there = false;
	}
	lru.count = 0;
	lru.hits = 0;
	uses = 0;
	random_state = 1;
}

static void use_both(uint64_t index) MAY_YIELD;
static void use_both(uint64_t index)
{
	struct lru_page *page = &lru.pages[index];
	struct list *oldest;

	use(index);
	uses++;
	list_del(&page->node);
	list_push_back(&lru.ring, &page->node);
	lru.hits += page->there;
	if (page->there)
		return;
	page->there = true;
	if (lru.count++ < PAGES)
		return;
	lru.count--;
	oldest = list_pop_front(&lru.ring);
	if (oldest)
		LIST_ENTRY(oldest, struct lru_page, node)->there = false;
}

/* Few pages are used much, most little: the k-th of n about 1/k as often as the first. */
static uint64_t skewed(uint64_t n)
{
	uint64_t range = 1;

	while (range < n && pick(12) != 0)
		range *= 2;
	return pick(range < n ? range : n);
}

static void set_and_scans(void *arg) MAY_YIELD;
static void set_and_scans(void *arg)
{
	(void)arg;
	for (unsigned int round = 0; round < 4; round++) {
		for (unsigned int i = 0; i < 4 * PAGES; i++)
			use_both(pick(PAGES * 3 / 4));
		for (uint64_t i = 0; i < 10 * PAGES; i++)
			use_both(PAGES + i);
	}
}

static void set_beside_scan(void *arg) MAY_YIELD;
static void set_beside_scan(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < 20 * PAGES; i++) {
		use_both(pick(PAGES / 2));
		use_both(PAGES + i);
	}
}

static void skewed_uses(void *arg) MAY_YIELD;
static void skewed_uses(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < 50 * PAGES; i++)
		use_both(skewed(DISK_BLOCKS));
}

static void loop_too_large(void *arg) MAY_YIELD;
static void loop_too_large(void *arg)
{
	(void)arg;
	for (unsigned int round = 0; round < 10; round++)
		for (uint64_t i = 0; i < PAGES * 5 / 4; i++)
			use_both(i);
}

static void random_uses(void *arg) MAY_YIELD;
static void random_uses(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < 50 * PAGES; i++)
		use_both(pick(PAGES * 2));
}

static const struct {
	const char *name;
	task_fn *fn; /* may yield */
} traces[] = {
	{ "working set 3/4, then a scan of 10 times the cache, 4 times", set_and_scans },
	{ "working set 1/2, every other use is a scan's", set_beside_scan },
	{ "few pages used much, most little", skewed_uses },
	{ "a loop of 5/4 of the cache", loop_too_large },
	{ "any of twice the cache", random_uses },
};

static void show_traces(void)
{
	if (!json)
		printf("\n%-60s %10s %10s\n", "", "hits", "LRU");
	for (size_t i = 0; i < ARRAY_COUNT(traces); i++) {
		struct cache_stats stats;
		double hits, lru_hits;

		begin(PAGES, NULL);
		lru_reset();
		must(task_start(NULL, "trace", traces[i].fn, NULL) == 0, "task_start");
		must(sched_run_until_idle() == 0, "the end of the trace");
		cache_stats_get(&stats);
		hits = 100.0 * (double)stats.hits / (double)uses;
		lru_hits = 100.0 * (double)lru.hits / (double)uses;
		end();
		if (json)
			printf("%s{\"name\": \"%s\", \"hits\": %.2f, \"lru_hits\": %.2f}",
			       i == 0 ? "\n], \"hit_percent\": [\n" : ",\n", traces[i].name, hits,
			       lru_hits);
		else
			printf("%-60s %9.2f%% %9.2f%%\n", traces[i].name, hits, lru_hits);
	}
}

/* ---- costs. */

static uint64_t place[4096];

static void hit_one(unsigned int count) MAY_YIELD;
static void hit_one(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		use(1);
}

static void hit_many(unsigned int count) MAY_YIELD;
static void hit_many(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		use(place[i % ARRAY_COUNT(place)] % 1000);
}

static void hit_all(unsigned int count) MAY_YIELD;
static void hit_all(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		use(place[i % ARRAY_COUNT(place)] % 32768);
}

static void find_one(unsigned int count) MAY_YIELD;
static void find_one(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		cache_put(cache_find(&map, 1));
}

static void new_and_evict(unsigned int count) MAY_YIELD;
static void new_and_evict(unsigned int count)
{
	static uint64_t next;
	struct cache_page *page;

	for (unsigned int i = 0; i < count; i++) {
		must(cache_get_new(&map, 1000000 + next++, &page) == 0, "cache_get_new");
		cache_put(page);
	}
}

static void write_one(unsigned int count) MAY_YIELD;
static void write_one(unsigned int count)
{
	struct cache_page *page;

	for (unsigned int i = 0; i < count; i++) {
		must(cache_get(&map, 1, &page) == 0, "cache_get");
		cache_modify(page);
		cache_dirty(page);
		cache_put(page);
		must(cache_sync(&map, 1, 2) == 0, "cache_sync");
	}
}

static void miss(unsigned int count) MAY_YIELD;
static void miss(unsigned int count)
{
	static uint64_t next;

	for (unsigned int i = 0; i < count; i++)
		use(next++ % DISK_BLOCKS); /* all have gone by the time they come again */
}

static struct cost {
	const char *name;
	void (*fn)(unsigned int count); /* may yield */
	unsigned int count;
	double ns[ROUNDS];
} costs[] = {
	{ .name = "get and put, one page", .fn = hit_one, .count = 100000 },
	{ .name = "get and put, 1000 pages", .fn = hit_many, .count = 100000 },
	{ .name = "get and put, 4096 pages of 32768", .fn = hit_all, .count = 100000 },
	{ .name = "find and put, one page", .fn = find_one, .count = 100000 },
	{ .name = "new page, another evicted", .fn = new_and_evict, .count = 20000 },
	{ .name = "read, another evicted (memory disk)", .fn = miss, .count = 5000 },
	{ .name = "change and sync (memory disk)", .fn = write_one, .count = 5000 },
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(void *arg) MAY_YIELD;
static void measure(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_COUNT(place); i++)
		place[i] = pick(UINT32_MAX);
	for (uint64_t i = 0; i < 32768; i++)
		use(i);
	for (size_t i = 0; i < ARRAY_COUNT(costs); i++) {
		for (unsigned int round = 0; round < ROUNDS; round++) {
			uint64_t from = real_ns();

			costs[i].fn(costs[i].count);
			costs[i].ns[round] = (double)(real_ns() - from) / costs[i].count;
		}
		qsort(costs[i].ns, ROUNDS, sizeof(costs[i].ns[0]), compare);
	}
}

static void show_costs(void)
{
	begin(40000, NULL);
	must(task_start(NULL, "measure", measure, NULL) == 0, "task_start");
	must(sched_run_until_idle() == 0, "the end of the measurements");
	end();
	if (!json)
		printf("\n%-40s %10s %10s %10s   ns each\n", "", "min", "median", "max");
	for (size_t i = 0; i < ARRAY_COUNT(costs); i++) {
		const double *ns = costs[i].ns;

		if (json)
			printf("%s{\"name\": \"%s\", \"min\": %.1f, \"median\": %.1f, "
			       "\"max\": %.1f}",
			       i == 0 ? "\n], \"unit\": \"ns\", \"figures\": [\n" : ",\n",
			       costs[i].name, ns[0], ns[ROUNDS / 2], ns[ROUNDS - 1]);
		else
			printf("%-40s %10.1f %10.1f %10.1f\n", costs[i].name, ns[0], ns[ROUNDS / 2],
			       ns[ROUNDS - 1]);
	}
	if (json)
		puts("\n]}");
}

int main(int argc, char **argv)
{
	json = argc == 2 && strcmp(argv[1], "--json") == 0;
	if (argc > 1 && !json) {
		fprintf(stderr, "usage: %s [--json]\n", argv[0]);
		return 2;
	}
	show_rule();
	show_traces();
	show_costs();
	return 0;
}

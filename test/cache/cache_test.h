#ifndef TEST_CACHE_CACHE_TEST_H
#define TEST_CACHE_CACHE_TEST_H
/*
 * cache_test.h - a cache on a backing: a map whose ops read and write an array, after a while,
 * by the virtual clock, and can be made to fail. Layer: test.
 *
 *	begin_cache(PAGES(64));
 *	backing_init(&s, 100, 4096);
 *	spawn(...); run();		until no task is left
 *	backing_fini(&s);
 *	end_cache();			the census: nothing pinned, held or kept
 */
#include "cache/cache.h"
#include "task/event.h"
#include "task/sched.h"
#include "task/task.h"
#include "test/harness.h"

#include <stdint.h>

#define PAGES(count) ((uint64_t)(count)*CACHE_PAGE_SIZE)
#define MILLISECOND_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)
#define LOG_MAX 4096u

struct backing {
	struct cache_map map;
	uint8_t *bytes;
	uint64_t count; /* pages */
	/* how it behaves; at first: a millisecond, no errors */
	uint64_t read_ns, write_ns; /* how long one takes; in any number at a time */
	uint64_t spread_ns;	    /* up to so much longer, by chance */
	uint64_t random;
	bool yields;	 /* its ops yield before they do anything */
	bool may_change; /* what is being written: else that is a mistake */
	bool down;
	int (*fails)(struct backing *s, bool write, uint64_t index); /* -errno, or 0; may be NULL */
	uint64_t lingers_ns; /* its ops do not return for so long after they began all I/O */
	/* what it saw */
	uint64_t reads, writes, background_writes, write_calls, under_way, most_under_way;
	unsigned int inside;	   /* its ops */
	uint64_t written[LOG_MAX]; /* indexes, as the writes began; the first LOG_MAX */
};

void begin_cache(uint64_t limit);
void begin_seeded_cache(uint64_t limit, uint64_t seed);
void end_cache(void);

void backing_init(struct backing *s, uint64_t count, uint32_t page_size);
void backing_down(struct backing *s) MAY_YIELD; /* the map is taken down, now */
void backing_fini(struct backing *s);		/* in any case */
/* Page `index` of the backing, as it is there now. */
uint8_t *backing_page(struct backing *s, uint64_t index);
uint64_t backing_random(struct backing *s, uint64_t below);
/* For fails: every read (write) of every page. */
int all_reads_fail(struct backing *s, bool write, uint64_t index);
int all_writes_fail(struct backing *s, bool write, uint64_t index);

struct task *spawn(const char *name, task_fn *fn, void *arg);
void run(void); /* until no task is left */
void run_task(task_fn *fn, void *arg);
void sleep_ns(uint64_t ns) MAY_YIELD;

/* Get, fill with `byte`, dirty, put. */
void fill(struct backing *s, uint64_t index, uint8_t byte) MAY_YIELD;
/* Get and put; its first byte. */
uint8_t peek(struct backing *s, uint64_t index) MAY_YIELD;
struct cache_stats stats(void);

#endif /* TEST_CACHE_CACHE_TEST_H */

#ifndef CACHE_INSIDE_H
#define CACHE_INSIDE_H
/*
 * inside.h - what the parts of the cache say to each other. Layer: cache, inside only.
 *
 *     cache.c      maps, pages and their states
 *     change.c     dirty, hold, drop
 *     table.c      finds a page by map and index
 *     memory.c     memory for pages
 *     replace.c    which page goes (S3-FIFO)
 *     writeback.c  sync, the write-back task, throttle
 *     disk_map.c   the blocks of a disk
 *
 * Thread   scheduler thread only.
 */
#include "cache/cache.h"
#include "task/event.h"
#include "task/sched.h"

struct cache {
	bool started;
	uint64_t limit, reserve; /* bytes */
	uint64_t clock;		 /* counts changes: page->number */
	uint64_t seed;		 /* of the next map */
	unsigned int map_count;
	uint64_t state_count[CACHE_FAILED + 1];
	uint64_t pinned, held;
	uint64_t dirty_bytes;	/* DIRTY and not held: can be written */
	uint64_t writing_bytes; /* WRITING */
	struct waitq room;	/* a page can be evicted, or memory was given back */
	/* write-back */
	struct list dirty_maps; /* by dirty_since_ns */
	struct event wake;	/* starts the task */
	struct task *writer;	/* the task; NULL: none */
	bool wanted;		/* a get found nothing to evict */
	uint64_t written;	/* pages written, ever: has the device stalled? */
	struct waitq throttled;
	struct waitq writer_gone;
	struct cache_stats stats; /* those that count up */
};
extern struct cache cache;

/* ---- cache.c */
void page_move(struct cache_page *page, enum cache_state to);
/* Unpinned, and no I/O: out of everything. */
void page_free(struct cache_page *page);
void page_pin(struct cache_page *page);
void page_unpin(struct cache_page *page);
/* It may have become evictable: bring it back from the park, wake who waits for room. */
void page_settle(struct cache_page *page);
bool page_can_go(const struct cache_page *page);
/* Wait for the end of the page's I/O; do not touch it afterwards unless it is pinned. */
void page_wait(struct cache_page *page) MAY_YIELD;
/* cache_hold() and cache_release(): lists and counts follow. */
void page_set_held(struct cache_page *page, bool held);

/* ---- table.c */
MUST_USE int table_init(uint64_t limit);
void table_fini(void);
void *table_memory(void);
uint64_t table_memory_size(void);
uint64_t table_hash(const struct cache_map *map, uint64_t index);
struct cache_page *table_find(const struct cache_map *map, uint64_t index);
/* Where the search for it begins; NULL: it is not there. */
const struct cache_page *table_first(const struct cache_map *map, uint64_t index);
void table_insert(struct cache_page *page);
void table_remove(struct cache_page *page);

/* ---- memory.c */
MUST_USE int memory_init(uint64_t limit); /* with the reserve */
void memory_fini(void);			  /* all was given back: asserted */
/* A page's record and data, not cleared; NULL if more than limit bytes would be used, or none. */
struct cache_page *memory_take(uint32_t page_size, uint64_t limit);
void memory_give(struct cache_page *page, uint32_t page_size);
uint64_t memory_bytes(void);
/* Pages will be written for the first time: let an executor find memory for them. */
void memory_look_ahead(void);
/* A task has fresh memory made: at its end it wakes cache.writer_gone. */
bool memory_is_made(void);

/* ---- replace.c */
enum { QUEUE_NONE, QUEUE_SMALL, QUEUE_MAIN };
MUST_USE int replace_init(uint64_t limit);
void replace_fini(void);
void *replace_memory(void); /* the ghosts */
uint64_t replace_memory_size(void);
void replace_insert(struct cache_page *page);
void replace_remove(struct cache_page *page); /* harmless if not inserted */
void replace_hit(struct cache_page *page);
void replace_unpark(struct cache_page *page); /* it can go now */
/* The page to be evicted, still in everything; NULL if none can go. */
struct cache_page *replace_victim(void);

/* ---- writeback.c */
MUST_USE int writeback_init(void);
void writeback_fini(void);
void writeback_poke(void);  /* something became dirty, or is wanted clean */
void writeback_eased(void); /* less is dirty */
/* No task is left in the map, nor one of the cache's own if this was the last map. */
void writeback_leave(struct cache_map *map) MAY_YIELD;

#endif /* CACHE_INSIDE_H */

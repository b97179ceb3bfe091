#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H
/*
 * cache.h - blocks of disks and pages of files, kept in memory. Layer: cache.
 *
 * A cache_map is what is cached: the blocks of one disk (cache_map_ops given here), or the
 * pages of one file (a file system's ops, which know where on the disk they are). A
 * page belongs to one map and has an index in it.
 *
 *     state     owner             leaves by
 *     READING   who began it      cache_read_done
 *     CLEAN     the cache         cache_dirty, eviction, cache_drop
 *     DIRTY     the cache         write-back begins, cache_drop
 *     WRITING   write-back        cache_write_done (-> CLEAN, or DIRTY on error)
 *     FAILED    who still has it  the last put; a new get reads again
 *
 * The rule of the seed (Naniwa 2002, section IV-2): a page is put into the table before its
 * read begins; a second task that wants it finds READING and waits for that read.
 *
 * Order    reading several pages at once is up to the map's ops; write-back goes by index.
 * Limit    cache_init() bytes for all maps together, of which dirty pages may take
 *          CACHE_DIRTY_SHARE percent before writers wait (cache_throttle). Pinned, held and
 *          dirty pages cannot be evicted: if nothing can, a get waits for write-back, for
 *          CACHE_ROOM_NS at most. Then, or at once if nothing is on its way, the cache
 *          grows past the limit by a reserve (an eighth). When that is used up too, a get
 *          waits for CACHE_FULL_NS and gives -ENOMEM.
 * Replacement  S3-FIFO (Yang et al., SOSP 2023): a small queue for what was seen once, a
 *          main queue with 2-bit counters, and a ghost of what fell out of the first:
 *          one scan of a large file goes through the small queue alone. Getting one page
 *          several times in a row (a file read in small pieces) counts once.
 * Owner    a pinned page is put back with cache_put(). page->data is valid while pinned; nobody
 *          keeps it across a put. Data is written only between cache_modify() and the
 *          next yield.
 * Errors   -EIO and others of the device, to everyone who waited; a read that failed
 *          leaves no page behind. A failed write-back keeps the page dirty, is tried
 *          again, and is told once to each cache_sync() of the map (map->error).
 * Thread   scheduler thread only.
 *
 * Way down: cache_get -> find or insert (cache.c) -> ops->read -> disk_send -> device.
 */
#include "base/cc.h"
#include "base/list.h"
#include "device/disk.h"
#include "task/task.h"

#include <stdint.h>

#define CACHE_PAGE_SIZE 4096u /* the largest and most usual page; blocks may be 1024 or 2048 */
#define CACHE_DIRTY_SHARE 30u /* percent */
#define CACHE_BATCH 256u      /* pages given to ops at a time, at most */
#define CACHE_LIMIT_MIN (UINT64_C(64) * CACHE_PAGE_SIZE)
#define CACHE_AGE_NS UINT64_C(5000000000) /* a dirty page is written back after */
#define CACHE_ROOM_NS UINT64_C(50000000)
#define CACHE_FULL_NS UINT64_C(5000000000)
#define CACHE_STALL_NS UINT64_C(5000000000) /* cache_throttle(): nothing was written meanwhile */

enum cache_state { CACHE_READING, CACHE_CLEAN, CACHE_DIRTY, CACHE_WRITING, CACHE_FAILED };

struct cache_map;

/* The first line of the processor's cache has all that finding a page and putting it back needs. */
struct cache_page {
	struct cache_map *map;
	uint64_t index;		      /* in the map */
	void *data;		      /* map->page_size bytes */
	struct cache_page *hash_next; /* the cache's own */
	uint32_t pins;
	uint8_t state; /* enum cache_state */
	uint8_t frequency, queue;
	bool held;		/* the journal's: neither written back nor evicted */
	uint8_t checked;	/* the map's owner's: what it was found to be; 0 when new */
	bool parked;		/* met by eviction while it could not go */
	bool ahead;		/* read ahead, not yet asked for */
	bool again;		/* changed while it is being written: it stays dirty */
	struct list queue_node; /* of the replacement; in none while parked */
	/*
	 * Of the map's owner (the journal's record of the block). The cache never looks at it:
	 * what must be there again keeps the page pinned or held. NULL in a new page.
	 */
	void *private_data;
	/* READING, WRITING: of the map's ops, to send; so that I/O needs no memory. */
	struct disk_request request;
	struct cache_page *io_next; /* the same: pages of one request */
	/* the cache's own */
	struct list map_node;	/* of map->pages */
	struct list dirty_node; /* of map->reading, dirty or writing */
	uint64_t number;	/* DIRTY, WRITING: of the change; increases */
	int error;		/* of the last read or write */
	struct waitq waiters;	/* READING, WRITING: for the end of it */
} __attribute__((aligned(64)));
static_assert(offsetof(struct cache_page, queue_node) + sizeof(struct list) <= 64, "one line");

struct cache_map_ops {
	/*
	 * Read pages (all READING, ascending, not necessarily neighbours):
	 * cache_read_done() for each,
	 * now or later, even on error. May yield; called in the task that wants the first.
	 */
	void (*read)(struct cache_map *map, struct cache_page **pages, unsigned int count);
	/*
	 * Write pages (all WRITING, ascending): cache_write_done() for each, now or later. May
	 * yield; called in a write-back task or one that syncs. It must not take the map down.
	 */
	void (*write)(struct cache_map *map, struct cache_page **pages, unsigned int count);
};

struct cache_map {
	const struct cache_map_ops *ops;
	void *owner;
	uint32_t page_size; /* 1024, 2048 or 4096 */
	/* the cache's own */
	uint64_t hash_seed;
	uint64_t last_index; /* got last */
	struct list pages;
	struct list reading, writing;
	struct list dirty; /* pages DIRTY and not held, oldest first */
	uint64_t page_count, dirty_count, writing_count;
	uint64_t again_count;	 /* of those being written */
	struct waitq written;	 /* woken when writing_count or busy falls */
	struct list node;	 /* of the maps that have something dirty */
	uint64_t dirty_since_ns; /* in that list since */
	unsigned int busy;	 /* tasks that read ahead or write back */
	bool failing;		 /* the last write failed: no hurry to try again */
	int error;		 /* of a write-back, not yet told */
	int last_error;		 /* told or not */
	uint64_t error_count;	 /* writes that failed */
	struct disk *disk;	 /* cache_map_disk() only */
};

/*
 * One cache a process, after sched_init(). limit_bytes 0: a quarter of the machine's
 * memory, 1 GiB at most.
 */
MUST_USE int cache_init(uint64_t limit_bytes);
void cache_fini(void);	    /* no map may be left: asserted */
uint64_t cache_limit(void); /* bytes */

void cache_map_init(struct cache_map *map, const struct cache_map_ops *ops, void *owner,
		    uint32_t page_size);
/*
 * Index i is the block at i * block_size of the disk; reads and writes joined where they
 * touch.
 */
MUST_USE int cache_map_disk(struct cache_map *map, struct disk *disk, uint32_t block_size);
/*
 * All pages gone, dirty ones too, without being written. None may be pinned. Waits for I/O
 * under way.
 */
void cache_map_fini(struct cache_map *map) MAY_YIELD;

/* ---- getting pages. All give a pinned page. */

/* With its contents. 0 or -errno. */
MUST_USE int cache_get(struct cache_map *map, uint64_t index, struct cache_page **ret) MAY_YIELD;
/*
 * The caller will fill all of it: zeros if it was not there (CLEAN), else as it is (then
 * cache_modify() before). -ENOMEM.
 */
MUST_USE int cache_get_new(struct cache_map *map, uint64_t index, struct cache_page **ret)
	MAY_YIELD;
/* Only if it is there and readable now: NULL if not. Does not wait. */
struct cache_page *cache_find(struct cache_map *map, uint64_t index);
/* It will be got soon: the processor may fetch what that needs. No reference, and no promise. */
void cache_expect(const struct cache_map *map, uint64_t index);
struct cache_page *cache_pin(struct cache_page *page); /* once more */
void cache_put(struct cache_page *page);	       /* NULL is fine */

/*
 * Begin to read pages first .. first + count - 1 (CACHE_BATCH at most) that are not there, and
 * do not wait: a task of the cache calls ops->read. Gives up quietly where memory is short.
 */
void cache_read_ahead(struct cache_map *map, uint64_t first, unsigned int count);
/*
 * The same of many pages: others run meanwhile, and may wait for them. So if there are too many
 * tasks for one more, ops->read is called here. The disk has them in one piece all the same.
 */
void cache_read_far_ahead(struct cache_map *map, uint64_t first, unsigned int count) MAY_YIELD;
/* Pages that one reader may be ahead: more could be evicted again before he comes to them. */
uint64_t cache_ahead_max(void);

/* ---- changing pages. */

/* Wait until the page is not being written: before each change of data. Pinned. */
void cache_modify(struct cache_page *page) MAY_YIELD;
/*
 * The data was changed. Does not yield. Without a journal who changes several pages may wait for
 * one after cache_modify() of another: then the write under way may have part of the change,
 * and the page is written once more.
 */
void cache_dirty(struct cache_page *page);
/*
 * Journal: keep the page from write-back and eviction (a held page may be dirty); let it go
 * again.
 */
void cache_hold(struct cache_page *page);
void cache_release(struct cache_page *page);
/*
 * Forget pages first .. end-1 without writing; waits for their I/O. Pinned and held ones
 * stay, CLEAN, with their contents: who truncates keeps others from pinning, by its own lock,
 * and from dropping pages of the same file.
 */
void cache_drop(struct cache_map *map, uint64_t first, uint64_t end) MAY_YIELD;
/*
 * Wait while too much is dirty; call it before an operation that will dirty pages, holding
 * nothing. Does not wait for a device that has written nothing for CACHE_STALL_NS.
 */
void cache_throttle(void) MAY_YIELD;

/* ---- write-back. */

/*
 * Write what is dirty now in pages first .. end-1 (0, UINT64_MAX: all), and wait for it: not
 * for pages changed later, not for pages outside. 0 or the map's error.
 */
MUST_USE int cache_sync(struct cache_map *map, uint64_t first, uint64_t end) MAY_YIELD;
/*
 * Write these pages of one map, pinned by the caller, DIRTY or CLEAN, ascending, and wait. Held
 * ones too (checkpoint). 0 or the first error.
 */
MUST_USE int cache_write_pages(struct cache_page **pages, unsigned int count) MAY_YIELD;

/* ---- for ops. */
void cache_read_done(struct cache_page *page, int error);
void cache_write_done(struct cache_page *page, int error);
/* In ops->write: nobody waits for these pages (DISK_BACKGROUND_IO). */
bool cache_in_background(void);

/*
 * Write-back by itself: a task that writes the maps that have been dirty for CACHE_AGE_NS, and
 * sooner when dirty pages take a third of what they may, or nothing else can be evicted. It
 * exists while there is something to do. A map whose write failed waits for its age again.
 */

struct cache_stats {
	uint64_t pages, bytes, dirty, held, pinned; /* now */
	uint64_t hits, reads, joins;		    /* joins: found READING and waited */
	uint64_t evictions, writes;
};
void cache_stats_get(struct cache_stats *ret);

#ifdef CACHE_WITHOUT_RULE
/* Test builds: a task does not look whether a page is being read, and reads it again. */
extern bool cache_reads_twice;
#endif

#endif /* CACHE_CACHE_H */

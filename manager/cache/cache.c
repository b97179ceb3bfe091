#include "cache/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_DEFAULT_MAX (UINT64_C(1) << 30)
#define RESERVE_PART 8u
#define RESERVE_MIN (UINT64_C(32) * CACHE_PAGE_SIZE)
/* Pages read ahead take one in so many bytes at a time, at most. */
#define AHEAD_PART 8u
/* What one reader has ahead, one in so many: a part of the small queue, which is a tenth. */
#define READER_PART 40u
#define AHEAD_STEP 32u /* pages that cache_read_far_ahead() makes without a break: some 25 us */

struct cache cache;

#ifdef CACHE_WITHOUT_RULE
bool cache_reads_twice;
#endif

/* The rule of cache.h; only a test build can break it. */
static bool rule_holds(void)
{
#ifdef CACHE_WITHOUT_RULE
	return !cache_reads_twice;
#else
	return true;
#endif
}

#define TO(state) (1u << (state))
static const uint8_t next[] = {
	[CACHE_READING] = TO(CACHE_CLEAN) | TO(CACHE_FAILED),
	[CACHE_CLEAN] = TO(CACHE_DIRTY) | TO(CACHE_WRITING),
	[CACHE_DIRTY] = TO(CACHE_WRITING) | TO(CACHE_CLEAN),
	[CACHE_WRITING] = TO(CACHE_CLEAN) | TO(CACHE_DIRTY),
	[CACHE_FAILED] = 0,
};

int cache_init(uint64_t limit_bytes)
{
	int r;

	assert(!cache.started);
	if (limit_bytes == 0) {
		limit_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) /
			      4;
		if (limit_bytes > LIMIT_DEFAULT_MAX)
			limit_bytes = LIMIT_DEFAULT_MAX;
	}
	if (limit_bytes < CACHE_LIMIT_MIN)
		limit_bytes = CACHE_LIMIT_MIN;
	cache = (struct cache){ .limit = limit_bytes / CACHE_PAGE_SIZE * CACHE_PAGE_SIZE };
	cache.reserve = cache.limit / RESERVE_PART;
	if (cache.reserve < RESERVE_MIN)
		cache.reserve = RESERVE_MIN;
	waitq_init(&cache.room);
	r = writeback_init();
	if (r < 0)
		return r;
	r = table_init(cache.limit);
	if (r == 0) {
		r = replace_init(cache.limit);
		if (r == 0) {
			r = memory_init(cache.limit + cache.reserve);
			if (r == 0) {
				cache.started = true;
				return 0;
			}
			replace_fini();
		}
		table_fini();
	}
	writeback_fini();
	return r;
}

void cache_fini(void)
{
	assert(cache.started);
	assert(cache.map_count == 0);
	writeback_fini();
	memory_fini();
	replace_fini();
	table_fini();
	cache.started = false;
}

uint64_t cache_limit(void)
{
	return cache.limit;
}

void cache_map_init(struct cache_map *map, const struct cache_map_ops *ops, void *owner,
		    uint32_t page_size)
{
	assert(cache.started);
	assert(page_size == 1024 || page_size == 2048 || page_size == CACHE_PAGE_SIZE);
	*map = (struct cache_map){ .ops = ops, .owner = owner, .page_size = page_size };
	map->hash_seed = ++cache.seed * 0xd1342543de82ef95u;
	map->last_index = UINT64_MAX;
	list_init(&map->pages);
	list_init(&map->reading);
	list_init(&map->writing);
	list_init(&map->dirty);
	list_init(&map->node);
	waitq_init(&map->written);
	cache.map_count++;
}

void cache_map_fini(struct cache_map *map)
{
	LIST_EACH(node, &map->pages) {
		struct cache_page *page = LIST_ENTRY(node, struct cache_page, map_node);

		cache_release(page);
	}
	cache_drop(map, 0, UINT64_MAX);
	cache.map_count--;
	writeback_leave(map);
	assert(map->page_count == 0); /* none was pinned */
}

/* ---- states. What a state means for lists and counts is here alone. */

static void enter(struct cache_page *page)
{
	struct cache_map *map = page->map;

	cache.state_count[page->state]++;
	if (page->state == CACHE_READING) {
		list_push_back(&map->reading, &page->dirty_node);
	} else if (page->state == CACHE_WRITING) {
		list_push_back(&map->writing, &page->dirty_node);
		map->writing_count++;
		cache.writing_bytes += map->page_size;
	} else if (page->state == CACHE_DIRTY && !page->held) {
		page->number = ++cache.clock;
		list_push_back(&map->dirty, &page->dirty_node);
		cache.dirty_bytes += map->page_size;
		if (map->dirty_count++ == 0) {
			map->dirty_since_ns = clock_now_ns();
			list_push_back(&cache.dirty_maps, &map->node);
		}
	}
}

static void leave(struct cache_page *page)
{
	struct cache_map *map = page->map;

	cache.state_count[page->state]--;
	list_del(&page->dirty_node);
	if (page->state == CACHE_WRITING) {
		map->writing_count--;
		cache.writing_bytes -= map->page_size;
	} else if (page->state == CACHE_DIRTY && !page->held) {
		cache.dirty_bytes -= map->page_size;
		if (--map->dirty_count == 0)
			list_del(&map->node);
	}
}

void page_move(struct cache_page *page, enum cache_state to)
{
	assert(next[page->state] & TO(to));
	leave(page);
	page->state = (uint8_t)to;
	enter(page);
}

void page_set_held(struct cache_page *page, bool held)
{
	leave(page);
	page->held = held;
	enter(page);
	cache.held += held ? 1 : UINT64_MAX;
}

bool page_can_go(const struct cache_page *page)
{
	return page->state == CACHE_CLEAN && page->pins == 0 && !page->held;
}

void page_settle(struct cache_page *page)
{
	if (!page_can_go(page))
		return;
	if (page->parked)
		replace_unpark(page);
	waitq_wake_all(&cache.room);
}

static void insert(struct cache_page *page)
{
	table_insert(page);
	replace_insert(page);
}

/* No get finds it any more. */
static void hide(struct cache_page *page)
{
	if (page->queue == QUEUE_NONE)
		return;
	table_remove(page);
	replace_remove(page);
}

void page_free(struct cache_page *page)
{
	struct cache_map *map = page->map;

	assert(page->pins == 0 && waitq_empty(&page->waiters));
	assert(page->state != CACHE_READING && page->state != CACHE_WRITING);
	if (page->held)
		page_set_held(page, false);
	leave(page);
	hide(page);
	list_del(&page->map_node);
	map->page_count--;
	memory_give(page, map->page_size);
	waitq_wake_all(&cache.room);
}

void page_pin(struct cache_page *page)
{
	if (page->pins++ == 0)
		cache.pinned++;
}

void page_unpin(struct cache_page *page)
{
	assert(page->pins > 0);
	if (--page->pins > 0)
		return;
	cache.pinned--;
	if (page->state == CACHE_FAILED)
		page_free(page);
	else
		page_settle(page);
}

void page_wait(struct cache_page *page)
{
	int r = waitq_wait(&page->waiters, TASK_FOREVER, WAIT_SURE);

	assert(r == 0);
}

/* ---- memory for a new page. */

/* How long a get has waited for room. */
struct room {
	uint64_t since_ns; /* 0: not yet */
	bool over;	   /* may use the reserve */
};

/* A page in no table and no queue, READING, pinned; NULL if no room can be made now. */
static struct cache_page *new_page(struct cache_map *map, uint64_t index, bool over)
{
	uint64_t limit = cache.limit + (over ? cache.reserve : 0);
	struct cache_page *page;

	while (!(page = memory_take(map->page_size, limit))) {
		struct cache_page *victim = replace_victim();

		if (!victim)
			return NULL;
		cache.stats.evictions++;
		page_free(victim);
	}
	page->map = map;
	page->index = index;
	page->state = CACHE_READING;
	list_init(&page->queue_node);
	list_init(&page->dirty_node);
	list_init(&page->map_node);
	waitq_init(&page->waiters);
	list_push_back(&map->pages, &page->map_node);
	map->page_count++;
	enter(page);
	page_pin(page);
	return page;
}

/*
 * Nothing could be evicted. Wait for a page, first within the limit, then within the
 * reserve. Who waits may itself hold what the others wait for, so no wait is for ever.
 */
static int wait_for_room(struct room *room) MAY_YIELD;
static int wait_for_room(struct room *room)
{
	bool coming = cache.dirty_bytes + cache.writing_bytes > 0 ||
		      cache.state_count[CACHE_READING] > 0;
	uint64_t deadline_ns;

	if (room->since_ns == 0)
		room->since_ns = clock_now_ns();
	if (!room->over && (!coming || task_self() == cache.writer)) {
		room->over = true;
		return 0;
	}
	cache.wanted = true;
	writeback_poke();
	deadline_ns = room->since_ns + (room->over ? CACHE_FULL_NS : CACHE_ROOM_NS);
	if (waitq_wait(&cache.room, deadline_ns, WAIT_SURE) != -ETIMEDOUT)
		return 0;
	if (room->over)
		return -ENOMEM;
	room->over = true;
	return 0;
}

/* ---- getting pages. */

/* Asked for: counts for the replacement, but not again and again for one page. */
static void touch(struct cache_page *page)
{
	struct cache_map *map = page->map;

	if (page->ahead)
		page->ahead = false;
	else if (map->last_index != page->index)
		replace_hit(page);
	map->last_index = page->index;
}

/* Wait for the end of a read; the page is pinned by the caller, who loses it on error. */
static int finish_read(struct cache_page *page) MAY_YIELD;
static int finish_read(struct cache_page *page)
{
	int r;

	while (page->state == CACHE_READING)
		page_wait(page);
	if (page->state != CACHE_FAILED)
		return 0;
	r = page->error;
	page_unpin(page);
	return r;
}

static int read_page(struct cache_page *page) MAY_YIELD;
static int read_page(struct cache_page *page)
{
	struct cache_map *map = page->map;
	int r;

	if (rule_holds())
		insert(page);
	cache.stats.reads++;
	map->ops->read(map, &page, 1);
	r = finish_read(page);
	if (r == 0 && !rule_holds() && page->queue == QUEUE_NONE)
		insert(page);
	return r;
}

static int found(struct cache_page *page) MAY_YIELD;
static int found(struct cache_page *page)
{
	page_pin(page);
	touch(page);
	if (page->state != CACHE_READING) {
		cache.stats.hits++;
		return 0;
	}
	cache.stats.joins++;
	return finish_read(page);
}

int cache_get(struct cache_map *map, uint64_t index, struct cache_page **ret)
{
	struct room room = { 0 };
	struct cache_page *page;
	int r;

	/* Each wait for room may have let another task put the page there: look again. */
	while (!(page = table_find(map, index))) {
		page = new_page(map, index, room.over);
		if (page) {
			map->last_index = index;
			r = read_page(page);
			if (r == 0)
				*ret = page;
			return r;
		}
		r = wait_for_room(&room);
		if (r < 0)
			return r;
	}
	r = found(page);
	if (r == 0)
		*ret = page;
	return r;
}

int cache_get_new(struct cache_map *map, uint64_t index, struct cache_page **ret)
{
	struct room room = { 0 };
	struct cache_page *page;

	for (;;) {
		page = table_find(map, index);
		/* A read that fails leaves the place empty: then there is a new one. */
		if (page && found(page) == 0)
			break;
		if (page)
			continue;
		page = new_page(map, index, room.over);
		if (page) {
			map->last_index = index;
			memory_look_ahead();
			memset(page->data, 0, map->page_size);
			page_move(page, CACHE_CLEAN);
			insert(page);
			break;
		}
		if (wait_for_room(&room) < 0)
			return -ENOMEM;
	}
	*ret = page;
	return 0;
}

struct cache_page *cache_find(struct cache_map *map, uint64_t index)
{
	struct cache_page *page = table_find(map, index);

	if (!page || page->state == CACHE_READING)
		return NULL;
	page_pin(page);
	touch(page);
	cache.stats.hits++;
	return page;
}

void cache_expect(const struct cache_map *map, uint64_t index)
{
	__builtin_prefetch(table_first(map, index), 1);
}

struct cache_page *cache_pin(struct cache_page *page)
{
	assert(page->pins > 0);
	page->pins++;
	return page;
}

void cache_put(struct cache_page *page)
{
	if (page)
		page_unpin(page);
}

/* ---- read-ahead. */

struct ahead {
	struct cache_map *map;
	unsigned int count;
	struct cache_page *pages[];
};

static void read_ahead(void *arg) MAY_YIELD;
static void read_ahead(void *arg)
{
	struct ahead *a = arg;

	a->map->ops->read(a->map, a->pages, a->count);
	a->map->busy--;
	waitq_wake_all(&a->map->written);
	free(a);
}

/* Nothing has seen these pages since they were made. */
static void give_up(struct ahead *a)
{
	for (unsigned int i = 0; i < a->count; i++)
		cache_read_done(a->pages[i], -EAGAIN);
	free(a);
}

static struct ahead *ahead_new(struct cache_map *map, unsigned int count)
{
	struct ahead *a;

	if (!rule_holds())
		return NULL; /* it lives on the rule */
	a = malloc(sizeof(*a) + count * sizeof(struct cache_page *));
	if (a)
		*a = (struct ahead){ .map = map };
	return a;
}

/* One more page, if it is not there. False: memory is short. */
static bool ahead_add(struct ahead *a, uint64_t index)
{
	struct cache_page *page;

	if (table_find(a->map, index))
		return true;
	if (cache.state_count[CACHE_READING] * CACHE_PAGE_SIZE > cache.limit / AHEAD_PART)
		return false;
	page = new_page(a->map, index, false);
	if (!page)
		return false;
	page->ahead = true;
	insert(page);
	page_unpin(page);
	a->pages[a->count++] = page;
	return true;
}

/* False: a task is needed, and there are too many. The pages are still the caller's. */
static bool ahead_go(struct ahead *a)
{
	struct cache_map *map = a->map;
	unsigned int count = a->count;

	if (count == 0) {
		free(a);
		return true;
	}
	/* A disk's ops never wait; others may have to look up where the pages are. */
	if (map->disk) {
		cache.stats.reads += count;
		map->ops->read(map, a->pages, count);
		free(a);
		return true;
	}
	if (task_start(NULL, "read-ahead", read_ahead, a) < 0)
		return false;
	cache.stats.reads += count;
	map->busy++;
	return true;
}

void cache_read_ahead(struct cache_map *map, uint64_t first, unsigned int count)
{
	struct ahead *a;

	if (count > CACHE_BATCH)
		count = CACHE_BATCH;
	a = ahead_new(map, count);
	if (!a)
		return;
	for (uint64_t index = first; count > 0 && index >= first; count--, index++)
		if (!ahead_add(a, index))
			break;
	if (!ahead_go(a))
		give_up(a);
}

void cache_read_far_ahead(struct cache_map *map, uint64_t first, unsigned int count)
{
	struct ahead *a;

	if (count > CACHE_BATCH)
		count = CACHE_BATCH;
	a = ahead_new(map, count);
	if (!a)
		return;
	map->busy++; /* it is not taken down while others run */
	for (unsigned int i = 0; i < count && first + i >= first; i++) {
		if (!ahead_add(a, first + i))
			break;
		if ((i + 1) % AHEAD_STEP == 0 && i + 1 < count)
			task_yield();
	}
	if (!ahead_go(a)) { /* others may wait for these pages by now: read them here */
		cache.stats.reads += a->count;
		map->busy++;
		read_ahead(a);
	}
	map->busy--;
	waitq_wake_all(&map->written);
}

uint64_t cache_ahead_max(void)
{
	return cache.limit / CACHE_PAGE_SIZE / READER_PART;
}

void cache_read_done(struct cache_page *page, int error)
{
	assert(page->state == CACHE_READING);
	page->error = error;
	if (error == 0) {
		page_move(page, CACHE_CLEAN);
		waitq_wake_all(&page->waiters);
		page_settle(page);
		return;
	}
	page_move(page, CACHE_FAILED);
	hide(page);
	waitq_wake_all(&page->waiters);
	if (page->pins == 0)
		page_free(page);
}

void cache_stats_get(struct cache_stats *ret)
{
	*ret = cache.stats;
	for (unsigned int state = 0; state <= CACHE_FAILED; state++)
		ret->pages += cache.state_count[state];
	ret->bytes = memory_bytes();
	ret->dirty = cache.state_count[CACHE_DIRTY] + cache.state_count[CACHE_WRITING];
	ret->held = cache.held;
	ret->pinned = cache.pinned;
}

#include "cache/inside.h"

#include <errno.h>
#include <stdlib.h>

#define BATCH 128u	    /* pages given to ops->write at a time: on a task's stack */
#define FEW 128u	    /* indexes sorted on the stack; more need memory */
#define WINDOW 2048u	    /* indexes sorted at a time: about 200 us */
#define FLIGHT_MAX 1024u    /* pages of a map being written at a time */
#define RETRY_NS 100000000u /* no task could be started */
static_assert(BATCH <= CACHE_BATCH, "what cache.h says");

/* A third of what may be dirty. */
static uint64_t background_limit(void)
{
	return cache.limit * CACHE_DIRTY_SHARE / 100 / 3;
}

static bool too_dirty(void)
{
	return cache.dirty_bytes + cache.writing_bytes > cache.limit * CACHE_DIRTY_SHARE / 100;
}

bool cache_in_background(void)
{
	return cache.writer && task_self() == cache.writer;
}

/* ---- writing what is dirty in a range. */

struct sweep {
	struct cache_map *map;
	uint64_t first, end;   /* indexes */
	uint64_t after, until; /* changes of these numbers; what was collected is behind `after` */
	bool background;
	/* a batch on its way to ops->write */
	unsigned int count;
	struct cache_page *pages[BATCH];
};

static bool concerns(const struct sweep *s, const struct cache_page *page)
{
	return page->index >= s->first && page->index < s->end && page->number <= s->until &&
	       !page->held; /* that is the journal's business */
}

static void send_batch(struct sweep *s) MAY_YIELD;
static void send_batch(struct sweep *s)
{
	unsigned int count = s->count;

	if (count == 0)
		return;
	s->count = 0;
	if (s->background)
		cache.wanted = false; /* who still finds no room asks again */
	cache.stats.writes += count;
	s->map->ops->write(s->map, s->pages, count);
	task_yield(); /* that may have been much work without a wait */
	while (s->map->writing_count >= FLIGHT_MAX) {
		int r = waitq_wait(&s->map->written, TASK_FOREVER, WAIT_SURE);

		assert(r == 0);
	}
}

/* The oldest pages that concern the sweep. Each one once: so the sweep ends. */
static size_t collect(struct sweep *s, uint64_t *indexes, size_t room)
{
	size_t count = 0;

	LIST_EACH(node, &s->map->dirty) {
		const struct cache_page *page = LIST_ENTRY(node, struct cache_page, dirty_node);

		if (page->number > s->until || count == room)
			break;
		if (page->number <= s->after || !concerns(s, page))
			continue;
		s->after = page->number;
		indexes[count++] = page->index;
	}
	return count;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void sort(uint64_t *indexes, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (indexes[i - 1] <= indexes[i])
			continue;
		qsort(indexes, count, sizeof(*indexes), by_value);
		return;
	}
}

/* The write-back task was called for pressure that is over. */
static bool may_stop(const struct sweep *s)
{
	return s->background && !cache.wanted && cache.dirty_bytes <= background_limit() / 2 &&
	       clock_now_ns() - s->map->dirty_since_ns < CACHE_AGE_NS;
}

/*
 * Each ops->write may yield, and then a page may have been dropped, held or written by
 * another task: so pages are remembered by index, and looked at again.
 */
static bool write_window(struct sweep *s, const uint64_t *indexes, size_t count) MAY_YIELD;
static bool write_window(struct sweep *s, const uint64_t *indexes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct cache_page *page = table_find(s->map, indexes[i]);

		if (!page || page->state != CACHE_DIRTY || page->held)
			continue;
		page_move(page, CACHE_WRITING);
		s->pages[s->count++] = page;
		if (s->count < BATCH)
			continue;
		send_batch(s);
		if (may_stop(s))
			return false;
	}
	send_batch(s);
	return true;
}

static void write_sweep(struct sweep *s) MAY_YIELD;
static void write_sweep(struct sweep *s)
{
	uint64_t few[FEW];
	uint64_t *many = NULL;
	size_t room = FEW, count;

	if (s->map->dirty_count > FEW) {
		room = s->map->dirty_count < WINDOW ? s->map->dirty_count : WINDOW;
		many = malloc(room * sizeof(*many));
		if (!many)
			room = FEW; /* sorted in smaller parts */
	}
	do {
		count = collect(s, many ? many : few, room);
		sort(many ? many : few, count);
	} while (count > 0 && write_window(s, many ? many : few, count));
	free(many);
}

static void wait_sweep(const struct sweep *s) MAY_YIELD;
static void wait_sweep(const struct sweep *s)
{
	bool waited;

	do {
		waited = false;
		LIST_EACH(node, &s->map->writing) {
			struct cache_page *page = LIST_ENTRY(node, struct cache_page, dirty_node);

			if (!concerns(s, page))
				continue;
			page_wait(page); /* the list is another one now */
			waited = true;
			break;
		}
	} while (waited);
}

static void leave_map(struct cache_map *map)
{
	map->busy--;
	waitq_wake_all(&map->written);
}

int cache_sync(struct cache_map *map, uint64_t first, uint64_t end)
{
	struct sweep s = { .map = map, .first = first, .end = end, .until = cache.clock };
	uint64_t error_count = map->error_count;
	bool again = map->again_count > 0;
	int r;

	map->busy++;
	write_sweep(&s);
	wait_sweep(&s);
	if (again) { /* what was changed during a write is dirty now */
		s.after = 0;
		s.until = cache.clock;
		write_sweep(&s);
		wait_sweep(&s);
	}
	r = map->error;
	if (r == 0 && map->error_count != error_count)
		r = map->last_error; /* another sync, that waited too, was told first */
	map->error = 0;
	leave_map(map);
	return r;
}

int cache_write_pages(struct cache_page **pages, unsigned int count)
{
	struct sweep s = { .map = count > 0 ? pages[0]->map : NULL };
	int r = 0;

	for (unsigned int i = 0; i < count; i++) {
		struct cache_page *page = pages[i];

		assert(page->map == s.map && page->pins > 0);
		/* Being written already: with the data of now. */
		if (page->state == CACHE_WRITING && !page->again)
			continue;
		cache_modify(page);
		if (page->state == CACHE_CLEAN)
			page->number = ++cache.clock; /* no sync that began before waits for it */
		page_move(page, CACHE_WRITING);
		s.pages[s.count++] = page;
		if (s.count == BATCH)
			send_batch(&s);
	}
	send_batch(&s);
	for (unsigned int i = 0; i < count; i++) {
		cache_modify(pages[i]);
		if (r == 0)
			r = pages[i]->error;
	}
	return r;
}

void cache_write_done(struct cache_page *page, int error)
{
	struct cache_map *map = page->map;

	assert(page->state == CACHE_WRITING);
	page->error = error;
	map->failing = error != 0;
	if (error != 0) {
		map->error = error;
		map->last_error = error;
		map->error_count++;
	} else {
		cache.written++;
	}
	page_move(page, error || page->again ? CACHE_DIRTY : CACHE_CLEAN);
	map->again_count -= page->again;
	page->again = false;
	waitq_wake_all(&page->waiters);
	waitq_wake_all(&map->written);
	page_settle(page);
	writeback_eased();
	if (page->state == CACHE_DIRTY)
		writeback_poke();
}

/* ---- the write-back task. */

static bool is_due(const struct cache_map *map)
{
	return clock_now_ns() - map->dirty_since_ns >= CACHE_AGE_NS;
}

static bool pressed(void)
{
	return cache.wanted || cache.dirty_bytes > background_limit();
}

/* The list goes by age: if the first is not due, none is. */
static struct cache_map *next_map(void)
{
	LIST_EACH(node, &cache.dirty_maps) {
		struct cache_map *map = LIST_ENTRY(node, struct cache_map, node);

		if (is_due(map) || (pressed() && !map->failing))
			return map;
		if (!pressed())
			break;
	}
	return NULL;
}

static void write_map(struct cache_map *map) MAY_YIELD;
static void write_map(struct cache_map *map)
{
	struct sweep s = {
		.map = map, .end = UINT64_MAX, .until = cache.clock, .background = true
	};

	map->busy++;
	write_sweep(&s);
	cache.wanted = false;
	if (map->dirty_count > 0 && (is_due(map) || map->failing || !pressed())) {
		/* Changed since: young again, behind the others. */
		map->dirty_since_ns = clock_now_ns();
		list_del(&map->node);
		list_push_back(&cache.dirty_maps, &map->node);
	}
	leave_map(map);
}

static void set_alarm(void)
{
	const struct cache_map *oldest;

	if (list_empty(&cache.dirty_maps))
		return;
	oldest = LIST_ENTRY(cache.dirty_maps.next, struct cache_map, node);
	event_at(&cache.wake, oldest->dirty_since_ns + CACHE_AGE_NS);
}

static void write_back(void *arg) MAY_YIELD;
static void write_back(void *arg)
{
	struct cache_map *map;

	task_background();
	(void)arg;
	while ((map = next_map()))
		write_map(map);
	cache.wanted = false;
	cache.writer = NULL;
	set_alarm();
	waitq_wake_all(&cache.writer_gone);
}

static void wake(struct event *e)
{
	if (!cache.writer && next_map() &&
	    task_start(&cache.writer, "write-back", write_back, NULL) < 0)
		event_at(e, clock_now_ns() + RETRY_NS);
	else if (!cache.writer)
		set_alarm();
}

void writeback_poke(void)
{
	if (cache.writer || list_empty(&cache.dirty_maps))
		return;
	if (pressed())
		event_soon(&cache.wake);
	else if (!event_is_set(&cache.wake))
		set_alarm();
}

void writeback_eased(void)
{
	if (!too_dirty())
		waitq_wake_all(&cache.throttled);
}

void cache_throttle(void)
{
	uint64_t written;
	int r = 0;

	while (too_dirty() && r == 0) {
		written = cache.written;
		writeback_poke();
		r = waitq_wait(&cache.throttled, clock_now_ns() + CACHE_STALL_NS, WAIT_SURE);
		if (written != cache.written)
			r = 0;
	}
}

int writeback_init(void)
{
	list_init(&cache.dirty_maps);
	waitq_init(&cache.throttled);
	waitq_init(&cache.writer_gone);
	return event_init(&cache.wake, wake);
}

void writeback_fini(void)
{
	event_fini(&cache.wake);
}

void writeback_leave(struct cache_map *map)
{
	int r = 0;

	while (map->busy > 0 && r == 0)
		r = waitq_wait(&map->written, TASK_FOREVER, WAIT_SURE);
	while (cache.map_count == 0 && (cache.writer || memory_is_made()) && r == 0)
		r = waitq_wait(&cache.writer_gone, TASK_FOREVER, WAIT_SURE);
	assert(r == 0);
}

#include "cache/inside.h"

#define DROP_STEP 256u /* pages dropped without a break */

void cache_modify(struct cache_page *page)
{
	assert(page->pins > 0);
	while (page->state == CACHE_WRITING)
		page_wait(page);
}

void cache_dirty(struct cache_page *page)
{
	assert(page->pins > 0);
	if (page->state == CACHE_DIRTY || page->again)
		return;
	if (page->state == CACHE_WRITING) {
		page->again = true; /* its request is the device's: see cache_write_done() */
		page->map->again_count++;
		return;
	}
	page_move(page, CACHE_DIRTY);
	if (!page->held)
		writeback_poke();
}

void cache_hold(struct cache_page *page)
{
	if (!page->held)
		page_set_held(page, true);
}

void cache_release(struct cache_page *page)
{
	if (!page->held)
		return;
	page_set_held(page, false);
	if (page->state == CACHE_DIRTY)
		writeback_poke();
	else
		page_settle(page);
}

/* True: it has I/O under way, and is to be dropped after that. */
static bool drop_page(struct cache_page *page)
{
	if (page->state == CACHE_READING || page->state == CACHE_WRITING)
		return true;
	if (page->pins == 0 && !page->held)
		page_free(page);
	else if (page->state == CACHE_DIRTY)
		page_move(page, CACHE_CLEAN);
	return false;
}

static bool drop_by_index(struct cache_map *map, uint64_t first, uint64_t end) MAY_YIELD;
static bool drop_by_index(struct cache_map *map, uint64_t first, uint64_t end)
{
	unsigned int count = 0;
	bool busy = false;

	for (uint64_t index = first; index < end; index++) {
		struct cache_page *page = table_find(map, index);

		if (page)
			busy |= drop_page(page);
		if (++count % DROP_STEP == 0)
			task_yield();
	}
	return busy;
}

/*
 * Let others run; `node`, of map->pages, is kept meanwhile. Where to go on. One drop of a map at a
 * time may do so, as another would leave the pinned page: files have a lock for that, disks none.
 */
static struct list *yield_at(struct list *node) MAY_YIELD;
static struct list *yield_at(struct list *node)
{
	struct cache_page *page = LIST_ENTRY(node, struct cache_page, map_node);

	page_pin(page);
	task_yield();
	if (page->state == CACHE_FAILED)
		node = node->next; /* the last put frees it */
	page_unpin(page);
	return node;
}

static bool drop_all(struct cache_map *map, uint64_t first, uint64_t end) MAY_YIELD;
static bool drop_all(struct cache_map *map, uint64_t first, uint64_t end)
{
	struct list *node = map->pages.next, *next;
	unsigned int count = 0;
	bool busy = false;

	for (; node != &map->pages; node = next) {
		struct cache_page *page = LIST_ENTRY(node, struct cache_page, map_node);

		next = node->next;
		if (page->index >= first && page->index < end)
			busy |= drop_page(page);
		if (!map->disk && ++count % DROP_STEP == 0 && next != &map->pages)
			next = yield_at(next);
	}
	return busy;
}

static struct cache_page *in_range(const struct list *l, uint64_t first, uint64_t end)
{
	LIST_EACH(node, l) {
		struct cache_page *page = LIST_ENTRY(node, struct cache_page, dirty_node);

		if (page->index >= first && page->index < end)
			return page;
	}
	return NULL;
}

void cache_drop(struct cache_map *map, uint64_t first, uint64_t end)
{
	struct cache_page *page;
	bool busy = first < end;

	/*
	 * While this waits for I/O, a write of what is dropped must not begin: drop first. By
	 * index where that is less work.
	 */
	while (busy) {
		busy = end - first < map->page_count ? drop_by_index(map, first, end)
						     : drop_all(map, first, end);
		while ((page = in_range(&map->reading, first, end)) ||
		       (page = in_range(&map->writing, first, end))) {
			page_wait(page); /* not pinned: a pinned page would stay */
			busy = true;
		}
	}
	writeback_eased();
}

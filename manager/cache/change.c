#include "cache/inside.h"

void cache_modify(struct cache_page *page)
{
	assert(page->pins > 0);
	while (page->state == CACHE_WRITING)
		page_wait(page);
}

void cache_dirty(struct cache_page *page)
{
	assert(page->pins > 0);
	if (page->state == CACHE_DIRTY)
		return;
	page_move(page, CACHE_DIRTY); /* WRITING: a bug, cache_modify() was not called */
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

static void drop_page(struct cache_page *page)
{
	if (page->state == CACHE_READING || page->state == CACHE_WRITING)
		return;
	if (page->pins == 0 && !page->held)
		page_free(page);
	else if (page->state == CACHE_DIRTY)
		page_move(page, CACHE_CLEAN);
}

/* Drop what is not being read or written. By index where that is less work. */
static void drop_idle(struct cache_map *map, uint64_t first, uint64_t end)
{
	if (end - first < map->page_count) {
		for (uint64_t index = first; index < end; index++) {
			struct cache_page *page = table_find(map, index);

			if (page)
				drop_page(page);
		}
		return;
	}
	LIST_EACH_SAFE(node, &map->pages) {
		struct cache_page *page = LIST_ENTRY(node, struct cache_page, map_node);

		if (page->index >= first && page->index < end)
			drop_page(page);
	}
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
	bool waited = true;

	/* While this waits for I/O, a write of what is dropped must not begin: drop first. */
	while (waited && first < end) {
		drop_idle(map, first, end);
		waited = false;
		while ((page = in_range(&map->reading, first, end)) ||
		       (page = in_range(&map->writing, first, end))) {
			page_wait(page); /* not pinned: a pinned page would stay */
			waited = true;
		}
	}
	writeback_eased();
}

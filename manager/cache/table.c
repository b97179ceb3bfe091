#include "cache/inside.h"

#include <errno.h>
#include <stdlib.h>

/* As many chains as pages of 2 KiB fit: it never grows, so nothing waits for a rehash. */
static struct {
	struct cache_page **chains;
	uint64_t mask;
} table;

int table_init(uint64_t limit)
{
	uint64_t count = 64;

	while (count < limit / 2048)
		count *= 2;
	table.chains = calloc(count, sizeof(struct cache_page *));
	table.mask = count - 1;
	return table.chains ? 0 : -ENOMEM;
}

void table_fini(void)
{
	free(table.chains);
	table.chains = NULL;
}

/* The finish of splitmix64 (Steele, Lea, Flood 2014): neighbours go far apart. */
uint64_t table_hash(const struct cache_map *map, uint64_t index)
{
	uint64_t z = map->hash_seed + index * 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

struct cache_page *table_find(const struct cache_map *map, uint64_t index)
{
	struct cache_page *page = table.chains[table_hash(map, index) & table.mask];

	while (page && (page->index != index || page->map != map))
		page = page->hash_next;
	return page;
}

void table_insert(struct cache_page *page)
{
	struct cache_page **at = &table.chains[table_hash(page->map, page->index) & table.mask];

	page->hash_next = *at;
	*at = page;
}

void table_remove(struct cache_page *page)
{
	struct cache_page **at = &table.chains[table_hash(page->map, page->index) & table.mask];

	while (*at != page)
		at = &(*at)->hash_next;
	*at = page->hash_next;
}

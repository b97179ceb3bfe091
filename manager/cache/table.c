#include "cache/inside.h"

#include <errno.h>
#include <stdlib.h>

/* Chains of neighbours stand in one line of the processor: who reads a row finds them there. */
#define NEIGHBOURS 8u

/* As many chains as pages of 2 KiB fit: it never grows, so nothing waits for a rehash. */
static struct {
	struct cache_page **chains, **allocated;
	uint64_t mask;
} table;

int table_init(uint64_t limit)
{
	uint64_t count = 64;

	while (count < limit / 2048)
		count *= 2;
	/* calloc() of so much costs nothing before it is used. */
	table.allocated = calloc(count + NEIGHBOURS, sizeof(struct cache_page *));
	table.chains = table.allocated;
	while (table.chains && (uintptr_t)table.chains % (NEIGHBOURS * sizeof(*table.chains)))
		table.chains++;
	table.mask = count - 1;
	return table.allocated ? 0 : -ENOMEM;
}

void table_fini(void)
{
	free(table.allocated);
	table.allocated = NULL;
	table.chains = NULL;
}

void *table_memory(void)
{
	return table.allocated;
}

uint64_t table_memory_size(void)
{
	return (table.mask + 1 + NEIGHBOURS) * sizeof(struct cache_page *);
}

/* The finish of splitmix64 (Steele, Lea, Flood 2014): neighbours go far apart. */
uint64_t table_hash(const struct cache_map *map, uint64_t index)
{
	uint64_t z = map->hash_seed + index * 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static struct cache_page **chain_of(const struct cache_map *map, uint64_t index)
{
	uint64_t line = table_hash(map, index / NEIGHBOURS) * NEIGHBOURS;

	return &table.chains[(line + index % NEIGHBOURS) & table.mask];
}

struct cache_page *table_find(const struct cache_map *map, uint64_t index)
{
	struct cache_page *page = *chain_of(map, index);

	while (page && (page->index != index || page->map != map))
		page = page->hash_next;
	return page;
}

const struct cache_page *table_first(const struct cache_map *map, uint64_t index)
{
	return *chain_of(map, index);
}

void table_insert(struct cache_page *page)
{
	struct cache_page **at = chain_of(page->map, page->index);

	page->hash_next = *at;
	*at = page;
}

void table_remove(struct cache_page *page)
{
	struct cache_page **at = chain_of(page->map, page->index);

	while (*at != page)
		at = &(*at)->hash_next;
	*at = page->hash_next;
}

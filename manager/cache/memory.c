#include "cache/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS 1
#endif
#endif
#ifdef POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define RECORDS_AT_ONCE 64u
#define SMALLEST 1024u

/*
 * One range of addresses, as large as the cache may become. It is handed out in chunks of
 * 4 KiB, whole or cut into pages of one size; new ones in a row, so that a file read in a
 * row lies in a row and is read with few requests.
 */
struct chunk {
	struct list node; /* memory.empty, or memory.partial while one of its pages is free */
	uint8_t used;	  /* a bit a page */
	uint8_t page_count;
};

struct record_block {
	struct record_block *next;
	struct cache_page records[RECORDS_AT_ONCE];
};

static struct {
	char *base;
	struct chunk *chunks;
	uint64_t chunk_count, touched, used;
	struct list empty;
	struct list partial[CACHE_PAGE_SIZE / SMALLEST + 1]; /* by pages a chunk */
	struct record_block *blocks;
	struct cache_page *records; /* free, linked by hash_next */
} memory;

int memory_init(uint64_t limit)
{
	memory.chunk_count = limit / CACHE_PAGE_SIZE;
	memory.touched = 0;
	memory.used = 0;
	memory.blocks = NULL;
	memory.records = NULL;
	list_init(&memory.empty);
	for (size_t i = 0; i < ARRAY_COUNT(memory.partial); i++)
		list_init(&memory.partial[i]);
	memory.chunks = calloc(memory.chunk_count, sizeof(struct chunk));
	if (!memory.chunks)
		return -ENOMEM;
	memory.base = mmap(NULL, memory.chunk_count * CACHE_PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory.base != MAP_FAILED)
		return 0;
	free(memory.chunks);
	return -ENOMEM;
}

void memory_fini(void)
{
	struct record_block *next;

	assert(memory.used == 0);
	ASAN_UNPOISON_MEMORY_REGION(memory.base, memory.chunk_count * CACHE_PAGE_SIZE);
	munmap(memory.base, memory.chunk_count * CACHE_PAGE_SIZE);
	free(memory.chunks);
	for (; memory.blocks; memory.blocks = next) {
		ASAN_UNPOISON_MEMORY_REGION(memory.blocks->records, sizeof(memory.blocks->records));
		next = memory.blocks->next;
		free(memory.blocks);
	}
}

static struct chunk *new_chunk(uint32_t page_count)
{
	struct list *node = list_pop_front(&memory.empty);
	struct chunk *c;

	if (node)
		c = LIST_ENTRY(node, struct chunk, node);
	else if (memory.touched < memory.chunk_count)
		c = &memory.chunks[memory.touched++];
	else
		return NULL;
	list_init(&c->node);
	c->used = 0;
	c->page_count = (uint8_t)page_count;
	memory.used++;
	if (page_count > 1)
		list_push_front(&memory.partial[page_count], &c->node);
	return c;
}

static void *take_data(uint32_t page_size, uint64_t limit)
{
	uint32_t page_count = CACHE_PAGE_SIZE / page_size;
	struct list *partial = &memory.partial[page_count];
	uint32_t slot = 0;
	struct chunk *c;
	char *data;

	if (!list_empty(partial))
		c = LIST_ENTRY(partial->next, struct chunk, node);
	else if ((memory.used + 1) * CACHE_PAGE_SIZE > limit)
		return NULL;
	else
		c = new_chunk(page_count);
	if (!c)
		return NULL;
	while (c->used >> slot & 1)
		slot++;
	c->used |= (uint8_t)(1u << slot);
	if (c->used == (1u << page_count) - 1)
		list_del(&c->node);
	data = memory.base + (c - memory.chunks) * CACHE_PAGE_SIZE + slot * page_size;
	ASAN_UNPOISON_MEMORY_REGION(data, page_size);
	return data;
}

static void give_data(char *data, uint32_t page_size)
{
	uint64_t at = (uint64_t)(data - memory.base);
	struct chunk *c = &memory.chunks[at / CACHE_PAGE_SIZE];
	uint8_t bit = (uint8_t)(1u << at % CACHE_PAGE_SIZE / page_size);

	assert(c->used & bit);
	ASAN_POISON_MEMORY_REGION(data, page_size);
	c->used &= (uint8_t)~bit;
	list_del(&c->node);
	if (c->used == 0) {
		memory.used--;
		list_push_front(&memory.empty, &c->node);
	} else {
		list_push_front(&memory.partial[c->page_count], &c->node);
	}
}

static bool more_records(void)
{
	struct record_block *block = aligned_alloc(_Alignof(struct record_block), sizeof(*block));

	if (!block)
		return false;
	block->next = memory.blocks;
	memory.blocks = block;
	for (size_t i = RECORDS_AT_ONCE; i-- > 0;) {
		block->records[i].hash_next = memory.records;
		memory.records = &block->records[i];
	}
	ASAN_POISON_MEMORY_REGION(block->records, sizeof(block->records));
	return true;
}

struct cache_page *memory_take(uint32_t page_size, uint64_t limit)
{
	struct cache_page *page;
	void *data;

	if (!memory.records && !more_records())
		return NULL;
	data = take_data(page_size, limit);
	if (!data)
		return NULL;
	page = memory.records;
	ASAN_UNPOISON_MEMORY_REGION(page, sizeof(*page));
	memory.records = page->hash_next;
	*page = (struct cache_page){ .data = data };
	return page;
}

void memory_give(struct cache_page *page, uint32_t page_size)
{
	give_data(page->data, page_size);
	page->hash_next = memory.records;
	memory.records = page;
	ASAN_POISON_MEMORY_REGION(page, sizeof(*page));
}

uint64_t memory_bytes(void)
{
	return memory.used * CACHE_PAGE_SIZE;
}

#include "cache/inside.h"

#include "device/host.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

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

#define SMALLEST 1024u
#define READY_FROM 1024u		/* chunks in use: for fewer it is not worth a thread */
#define READY_AHEAD (UINT64_C(8) << 20) /* bytes, of pages and of records */
#define READY_STEP (UINT64_C(1) << 20)	/* by one call: meanwhile nobody here can map or unmap */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/*
 * One range of addresses, as large as the cache may become. It is handed out in chunks of
 * 4 KiB, whole or cut into pages of one size; new ones in a row, so that a file read in a
 * row lies in a row and is read with few requests. Records of pages come from another range:
 * malloc() would have the host change this process's mappings now and then, which waits for
 * every executor that looks for its call's buffers in them.
 */
struct chunk {
	struct list node; /* memory.empty, or memory.partial while one of its pages is free */
	uint8_t used;	  /* a bit a page */
	uint8_t page_count;
};

/* Of a range, in bytes: what has memory of the host, and what is to have it. */
struct fresh {
	uint64_t ready, wanted;
};

static struct {
	char *base;
	struct chunk *chunks;
	uint64_t chunk_count, touched, used;
	struct list empty;
	struct list partial[CACHE_PAGE_SIZE / SMALLEST + 1]; /* by pages a chunk */
	struct cache_page *records;
	uint64_t records_touched;
	struct cache_page *free_records; /* linked by hash_next */
	struct fresh fresh_pages, fresh_records;
	bool tables_ready;
	bool making; /* a task is in make_ready() */
	bool cannot; /* the host does not know how, or has no memory: as it comes, then */
} memory;

/* Zeros that cost nothing before they are used. NULL: no addresses are left. */
static void *new_range(uint64_t size)
{
	void *range = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return range == MAP_FAILED ? NULL : range;
}

static void free_range(void *range, uint64_t size)
{
	ASAN_UNPOISON_MEMORY_REGION(range, size);
	if (range)
		munmap(range, size);
}

static uint64_t records_size(void)
{
	return memory.chunk_count * (CACHE_PAGE_SIZE / SMALLEST) * sizeof(struct cache_page);
}

static void free_all(void)
{
	free_range(memory.base, memory.chunk_count * CACHE_PAGE_SIZE);
	free_range(memory.records, records_size());
	free(memory.chunks);
}

int memory_init(uint64_t limit)
{
	memory.chunk_count = limit / CACHE_PAGE_SIZE;
	memory.touched = 0;
	memory.used = 0;
	memory.records_touched = 0;
	memory.free_records = NULL;
	memory.fresh_pages = memory.fresh_records = (struct fresh){ 0, 0 };
	memory.tables_ready = memory.making = memory.cannot = false;
	list_init(&memory.empty);
	for (size_t i = 0; i < ARRAY_COUNT(memory.partial); i++)
		list_init(&memory.partial[i]);
	memory.chunks = calloc(memory.chunk_count, sizeof(struct chunk));
	memory.base = new_range(memory.chunk_count * CACHE_PAGE_SIZE);
	memory.records = new_range(records_size());
	if (memory.chunks && memory.base && memory.records)
		return 0;
	free_all();
	return -ENOMEM;
}

void memory_fini(void)
{
	assert(memory.used == 0 && !memory.making);
	free_all();
}

/*
 * ---- fresh memory. The first touch of each 4 KiB has the host find and clear a page, which
 * takes it a microsecond. A task has executors do that for what this thread will touch next:
 * records; and pages, when they are written. Those that are read are touched by executors anyway.
 */

/* False: this host cannot. */
static bool populate(char *base, uint64_t *ready, const uint64_t *end) MAY_YIELD
{
	while (*ready < *end) {
		uint64_t left = *end - *ready, part = left < READY_STEP ? left : READY_STEP;
		const uint64_t arg[6] = { (uint64_t)(uintptr_t)(base + *ready), part,
					  MADV_POPULATE_WRITE };

		*ready += part;
		if (host_call(SYS_madvise, arg) < 0)
			return false;
	}
	return true;
}

/* A table that was allocated: the whole pages in it. */
static bool populate_table(void *table, uint64_t size) MAY_YIELD
{
	uint64_t begin = -(uint64_t)(uintptr_t)table % CACHE_PAGE_SIZE;
	uint64_t end = begin + (size - begin) / CACHE_PAGE_SIZE * CACHE_PAGE_SIZE;

	return size < begin || populate(table, &begin, &end);
}

static void make_ready(void *arg) MAY_YIELD
{
	struct fresh *pages = &memory.fresh_pages, *records = &memory.fresh_records;

	(void)arg;
	task_background();
	if (!memory.tables_ready) {
		memory.tables_ready = true;
		memory.cannot = !populate_table(table_memory(), table_memory_size()) ||
				!populate_table(replace_memory(), replace_memory_size());
	}
	while (!memory.cannot && (pages->ready < pages->wanted || records->ready < records->wanted))
		memory.cannot = !populate(memory.base, &pages->ready, &pages->wanted) ||
				!populate((char *)memory.records, &records->ready,
					  &records->wanted);
	memory.making = false;
	waitq_wake_all(&cache.writer_gone);
}

/* So many bytes of a range of `size` are in use. */
static void look_ahead(struct fresh *f, uint64_t used, uint64_t size)
{
	if (memory.cannot || memory.touched < READY_FROM || f->ready >= used + READY_AHEAD / 2)
		return;
	if (f->ready < used)
		f->ready = (used + CACHE_PAGE_SIZE - 1) & ~(uint64_t)(CACHE_PAGE_SIZE - 1);
	f->wanted = used + READY_AHEAD < size ? used + READY_AHEAD : size;
	f->wanted &= ~(uint64_t)(CACHE_PAGE_SIZE - 1);
	if (f->ready < f->wanted && !memory.making)
		memory.making = task_start(NULL, "cache memory", make_ready, NULL) == 0;
}

void memory_look_ahead(void)
{
	look_ahead(&memory.fresh_pages, memory.touched * CACHE_PAGE_SIZE,
		   memory.chunk_count * CACHE_PAGE_SIZE);
}

bool memory_is_made(void)
{
	return memory.making;
}

/* ---- handing out. */

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

struct cache_page *memory_take(uint32_t page_size, uint64_t limit)
{
	struct cache_page *page = memory.free_records;
	void *data = take_data(page_size, limit);

	if (!data)
		return NULL;
	/* There are as many records as the smallest pages that fit. */
	if (!page) {
		page = &memory.records[memory.records_touched++];
		look_ahead(&memory.fresh_records, memory.records_touched * sizeof(*page),
			   records_size());
	}
	ASAN_UNPOISON_MEMORY_REGION(page, sizeof(*page));
	if (page == memory.free_records)
		memory.free_records = page->hash_next;
	*page = (struct cache_page){ .data = data };
	return page;
}

void memory_give(struct cache_page *page, uint32_t page_size)
{
	give_data(page->data, page_size);
	page->hash_next = memory.free_records;
	memory.free_records = page;
	ASAN_POISON_MEMORY_REGION(page, sizeof(*page));
}

uint64_t memory_bytes(void)
{
	return memory.used * CACHE_PAGE_SIZE;
}

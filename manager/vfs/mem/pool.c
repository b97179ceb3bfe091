#include "vfs/mem/mem.h"

#include <sys/mman.h>

/*
 * Pages come in slabs of 2 MiB, aligned to their size, so that a page finds its
 * slab by its address. A slab goes back to the host when all its pages are free
 * (but for one, which is kept: a file written and removed again and again should not
 * map and unmap). Page 0 of a slab is its header.
 */
#define SLAB_SIZE (2u * 1024u * 1024u)
#define SLAB_PAGES (SLAB_SIZE / MEM_PAGE_SIZE - 1)
/* Slabs after these may be huge pages: fewer faults, once it is clear that much is stored. */
#define SMALL_SLABS 8u

struct slab {
	struct list node; /* in pool.partial while it has a free page */
	uint32_t free_count;
	uint32_t touched;     /* pages handed out at least once: those above are still zero */
	uint32_t given_count; /* entries of given[] */
	uint16_t given[SLAB_PAGES];
};
static_assert(sizeof(struct slab) <= MEM_PAGE_SIZE, "a slab's header is one page");

static struct {
	struct list partial;
	uint32_t slab_count;
	uint32_t empty_count; /* slabs with no page in use */
	uint64_t pages;
} pool = { LIST_INIT(pool.partial), 0, 0, 0 };

static struct slab *slab_new(void)
{
	char *area = mmap(NULL, 2 * SLAB_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;
	struct slab *s;

	if (area == MAP_FAILED)
		return NULL;
	before = (SLAB_SIZE - (uintptr_t)area % SLAB_SIZE) % SLAB_SIZE;
	if (before > 0)
		munmap(area, before);
	munmap(area + before + SLAB_SIZE, SLAB_SIZE - before);
	s = (void *)(area + before);
	madvise(s, SLAB_SIZE, pool.slab_count < SMALL_SLABS ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	s->free_count = SLAB_PAGES;
	list_init(&s->node);
	list_push_front(&pool.partial, &s->node);
	pool.slab_count++;
	pool.empty_count++;
	return s;
}

char *pool_take(bool *ret_zeroed)
{
	struct slab *s;
	uint32_t number;

	if (list_empty(&pool.partial) && !slab_new())
		return NULL;
	s = LIST_ENTRY(pool.partial.next, struct slab, node);
	if (s->free_count == SLAB_PAGES)
		pool.empty_count--;
	*ret_zeroed = s->given_count == 0;
	if (s->given_count > 0)
		number = s->given[--s->given_count];
	else
		number = s->touched++;
	if (--s->free_count == 0)
		list_del(&s->node);
	pool.pages++;
	return (char *)s + (size_t)(number + 1) * MEM_PAGE_SIZE;
}

void pool_give(char *page)
{
	uintptr_t at = (uintptr_t)page % SLAB_SIZE;
	struct slab *s = (void *)(page - at);

	assert(at >= MEM_PAGE_SIZE && at % MEM_PAGE_SIZE == 0);
	assert(s->free_count < SLAB_PAGES);
	s->given[s->given_count++] = (uint16_t)(at / MEM_PAGE_SIZE - 1);
	if (s->free_count++ == 0)
		list_push_front(&pool.partial, &s->node);
	pool.pages--;
	if (s->free_count < SLAB_PAGES)
		return;
	if (pool.empty_count == 0) {
		pool.empty_count++;
		return;
	}
	list_del(&s->node);
	pool.slab_count--;
	munmap(s, SLAB_SIZE);
}

uint64_t pool_pages(void)
{
	return pool.pages;
}

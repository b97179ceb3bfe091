#include "cache/inside.h"

#include <errno.h>
#include <stdlib.h>

/*
 * S3-FIFO: "FIFO queues are all you need for cache eviction", Yang et al., SOSP 2023.
 *
 *     new page --> small (a tenth) --got again--> main <--.
 *                    | got once                    |      | got since: counter - 1
 *                    v                             v------'
 *                  ghost: remembered,            evicted
 *                  data evicted
 *     new page that the ghost remembers --> main
 *
 * A page that cannot go when it is met (pinned, held, dirty, read or written) is parked:
 * taken out of its queue, and put back as the next to go when it can. So eviction meets it
 * once, not again and again.
 */
#define SMALL_PART 10u /* small: one in so many bytes */
#define FREQUENCY_MAX 3u
#define GHOST_WAYS 4u

/* A ghost is known by part of its hash; it is forgotten by age, or when its set is full. */
struct ghost {
	uint32_t mark; /* 0: none */
	uint32_t since;
};

static struct {
	struct list lists[QUEUE_MAIN + 1];			/* oldest first */
	uint64_t bytes[QUEUE_MAIN + 1], counts[QUEUE_MAIN + 1]; /* with the parked ones */
	struct ghost *ghosts;
	uint64_t ghost_mask; /* of sets */
	uint32_t ghost_clock;
} replace;

int replace_init(uint64_t limit)
{
	uint64_t sets = 16;

	while (sets * GHOST_WAYS < limit / 2048)
		sets *= 2;
	for (unsigned int i = QUEUE_SMALL; i <= QUEUE_MAIN; i++) {
		list_init(&replace.lists[i]);
		replace.bytes[i] = 0;
		replace.counts[i] = 0;
	}
	replace.ghosts = calloc(sets * GHOST_WAYS, sizeof(struct ghost));
	replace.ghost_mask = sets - 1;
	replace.ghost_clock = 0;
	return replace.ghosts ? 0 : -ENOMEM;
}

void replace_fini(void)
{
	free(replace.ghosts);
	replace.ghosts = NULL;
}

void *replace_memory(void)
{
	return replace.ghosts;
}

uint64_t replace_memory_size(void)
{
	return (replace.ghost_mask + 1) * GHOST_WAYS * sizeof(struct ghost);
}

static struct ghost *ghost_set(uint64_t hash)
{
	return &replace.ghosts[(hash & replace.ghost_mask) * GHOST_WAYS];
}

static uint32_t ghost_mark(uint64_t hash)
{
	return (uint32_t)(hash >> 32) | 1;
}

static void ghost_add(const struct cache_page *page)
{
	uint64_t hash = table_hash(page->map, page->index);
	struct ghost *set = ghost_set(hash);
	struct ghost *oldest = set;

	for (unsigned int i = 0; i < GHOST_WAYS && oldest->mark; i++)
		if (!set[i].mark ||
		    replace.ghost_clock - set[i].since > replace.ghost_clock - oldest->since)
			oldest = &set[i];
	*oldest = (struct ghost){ ghost_mark(hash), replace.ghost_clock++ };
}

/* Was it put out of the small queue lately: as many pages ago as the main queue has? */
static bool ghost_take(const struct cache_page *page)
{
	uint64_t hash = table_hash(page->map, page->index);
	struct ghost *set = ghost_set(hash);

	for (unsigned int i = 0; i < GHOST_WAYS; i++) {
		if (set[i].mark != ghost_mark(hash))
			continue;
		set[i].mark = 0;
		return replace.ghost_clock - set[i].since <=
		       replace.counts[QUEUE_MAIN] + replace.counts[QUEUE_SMALL];
	}
	return false;
}

static void enter(struct cache_page *page, uint8_t queue)
{
	page->queue = queue;
	replace.bytes[queue] += page->map->page_size;
	replace.counts[queue]++;
	list_push_back(&replace.lists[queue], &page->queue_node);
}

void replace_insert(struct cache_page *page)
{
	page->frequency = 0;
	enter(page, ghost_take(page) ? QUEUE_MAIN : QUEUE_SMALL);
}

void replace_remove(struct cache_page *page)
{
	if (page->queue == QUEUE_NONE)
		return;
	list_del(&page->queue_node);
	replace.bytes[page->queue] -= page->map->page_size;
	replace.counts[page->queue]--;
	page->queue = QUEUE_NONE;
	page->parked = false;
}

void replace_hit(struct cache_page *page)
{
	if (page->frequency < FREQUENCY_MAX)
		page->frequency++;
}

void replace_unpark(struct cache_page *page)
{
	page->parked = false;
	list_push_front(&replace.lists[page->queue], &page->queue_node);
}

static bool small_is_due(void)
{
	if (list_empty(&replace.lists[QUEUE_MAIN]))
		return true;
	return !list_empty(&replace.lists[QUEUE_SMALL]) &&
	       replace.bytes[QUEUE_SMALL] >= cache.limit / SMALL_PART;
}

/* Ends: each turn parks a page, moves one to main, lowers a counter, or finds the victim. */
struct cache_page *replace_victim(void)
{
	for (;;) {
		bool from_small = small_is_due();
		struct list *l = &replace.lists[from_small ? QUEUE_SMALL : QUEUE_MAIN];
		struct cache_page *page;

		if (list_empty(l))
			return NULL;
		page = LIST_ENTRY(l->next, struct cache_page, queue_node);
		if (!page_can_go(page)) {
			list_del(&page->queue_node);
			page->parked = true;
		} else if (from_small && page->frequency > 1) {
			replace_remove(page);
			page->frequency = 0;
			enter(page, QUEUE_MAIN);
		} else if (!from_small && page->frequency > 0) {
			page->frequency--;
			list_del(&page->queue_node);
			list_push_back(l, &page->queue_node);
		} else {
			if (from_small)
				ghost_add(page);
			return page;
		}
	}
}

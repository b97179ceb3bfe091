#include "vfs/mem/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NODE_SHIFT 6u
#define NODE_SLOTS (1u << NODE_SHIFT)

struct node {
	void *slots[NODE_SLOTS]; /* nodes, or pages at height 1 */
	uint32_t used;
};

/* Pages that a subtree of this height holds. */
static uint64_t span(unsigned int height)
{
	return UINT64_C(1) << (NODE_SHIFT * height);
}

char *pages_find(const struct mem_pages *p, uint64_t index)
{
	void *at = p->root;

	if (index >= span(p->height))
		return NULL;
	for (unsigned int h = p->height; h > 0 && at; h--)
		at = ((struct node *)at)->slots[(index >> (NODE_SHIFT * (h - 1))) % NODE_SLOTS];
	return at;
}

static struct node *node_new(struct mem_fs *fs)
{
	struct node *n;

	if (mem_charge(fs, sizeof(*n)) < 0)
		return NULL;
	n = calloc(1, sizeof(*n));
	if (!n)
		mem_uncharge(fs, sizeof(*n));
	return n;
}

static void node_free(struct mem_fs *fs, struct node *n)
{
	mem_uncharge(fs, sizeof(*n));
	free(n);
}

/* Make the tree high enough for `index`. */
static int raise_tree(struct mem_fs *fs, struct mem_pages *p, uint64_t index)
{
	while (index >= span(p->height)) {
		if (p->root) {
			struct node *n = node_new(fs);

			if (!n)
				return -ENOSPC;
			n->slots[0] = p->root;
			n->used = 1;
			p->root = n;
		}
		p->height++;
	}
	return 0;
}

static char *page_new(struct mem_fs *fs, bool overwrite)
{
	bool zeroed;
	char *page;

	if (mem_charge(fs, MEM_PAGE_SIZE) < 0)
		return NULL;
	page = pool_take(&zeroed);
	if (!page) {
		mem_uncharge(fs, MEM_PAGE_SIZE);
		return NULL;
	}
	if (!zeroed && !overwrite)
		memset(page, 0, MEM_PAGE_SIZE);
	return page;
}

/* The slot of a page, with the nodes to it. 0 or -ENOSPC. */
static int slot_get(struct mem_fs *fs, struct mem_pages *p, uint64_t index, struct node **ret_above,
		    void ***ret)
{
	struct node *above = NULL;
	void **slot;
	int r = raise_tree(fs, p, index);

	if (r < 0)
		return r;
	slot = &p->root;
	for (unsigned int h = p->height; h > 0; h--) {
		/* A node made here and left empty by a failure below is freed with the file. */
		if (!*slot) {
			*slot = node_new(fs);
			if (!*slot)
				return -ENOSPC;
			if (above)
				above->used++;
		}
		above = *slot;
		slot = &above->slots[(index >> (NODE_SHIFT * (h - 1))) % NODE_SLOTS];
	}
	*ret_above = above;
	*ret = slot;
	return 0;
}

/* An empty slot gets its page. */
static void slot_fill(struct mem_pages *p, struct node *above, void **slot, void *page)
{
	*slot = page;
	if (above)
		above->used++;
	p->count++;
}

int pages_get(struct mem_fs *fs, struct mem_pages *p, uint64_t index, bool overwrite, char **ret)
{
	struct node *above;
	void **slot;
	int r = slot_get(fs, p, index, &above, &slot);

	if (r < 0)
		return r;
	if (!*slot) {
		char *page = page_new(fs, overwrite);

		if (!page)
			return -ENOSPC;
		slot_fill(p, above, slot, page);
	}
	*ret = *slot;
	return 0;
}

/* Drop pages first..end-1 of the subtree in *slot, counted from its own start. Depth: height. */
static void drop(struct mem_fs *fs, struct mem_pages *p, void **slot, unsigned int height,
		 const uint64_t range[2])
{
	uint64_t below = span(height) >> NODE_SHIFT;
	struct node *n;

	if (height == 0) {
		pool_give(*slot);
		mem_uncharge(fs, MEM_PAGE_SIZE);
		p->count--;
		*slot = NULL;
		return;
	}
	n = *slot;
	for (uint64_t i = range[0] / below; i < NODE_SLOTS && i * below < range[1]; i++) {
		uint64_t start = i * below;
		uint64_t part[2] = { range[0] > start ? range[0] - start : 0,
				     range[1] - start < below ? range[1] - start : below };

		if (!n->slots[i])
			continue;
		drop(fs, p, &n->slots[i], height - 1, part);
		if (!n->slots[i])
			n->used--;
	}
	if (n->used == 0) {
		node_free(fs, n);
		*slot = NULL;
	}
}

void pages_drop(struct mem_fs *fs, struct mem_pages *p, uint64_t first, uint64_t end)
{
	uint64_t range[2] = { first, end < span(p->height) ? end : span(p->height) };

	if (p->root && range[0] < range[1])
		drop(fs, p, &p->root, p->height, range);
	if (!p->root)
		p->height = 0;
}

/* First page at or after `index` in a subtree; span(height) if there is none. */
static uint64_t next_in(const void *at, unsigned int height, uint64_t index)
{
	uint64_t below = span(height) >> NODE_SHIFT;
	const struct node *n = at;

	if (!at)
		return span(height);
	if (height == 0)
		return index == 0 ? 0 : 1;
	for (uint64_t i = index / below; i < NODE_SLOTS; i++) {
		uint64_t from = index > i * below ? index - i * below : 0;
		uint64_t found = next_in(n->slots[i], height - 1, from);

		if (found < below)
			return i * below + found;
	}
	return span(height);
}

uint64_t pages_next(const struct mem_pages *p, uint64_t index)
{
	uint64_t found;

	if (index >= span(p->height))
		return UINT64_MAX;
	found = next_in(p->root, p->height, index);
	return found < span(p->height) ? found : UINT64_MAX;
}

/* The nodes of a tree whose pages are another's, too. */
static void free_nodes(struct mem_fs *fs, void *at, unsigned int height)
{
	struct node *n = at;

	if (!n || height == 0)
		return;
	for (uint32_t i = 0; i < NODE_SLOTS; i++)
		free_nodes(fs, n->slots[i], height - 1);
	node_free(fs, n);
}

int pages_shift(struct mem_fs *fs, struct mem_pages *p, uint64_t from, uint64_t to)
{
	struct mem_pages shifted = { .root = NULL };
	uint64_t kept = from < to ? from : to;

	/* A tree with the same pages is made beside it: that may fail. */
	for (uint64_t i = pages_next(p, 0); i != UINT64_MAX; i = pages_next(p, i + 1)) {
		struct node *above;
		void **slot;

		if (i >= kept && i < from)
			continue;
		if (slot_get(fs, &shifted, i < from ? i : i - from + to, &above, &slot) < 0) {
			free_nodes(fs, shifted.root, shifted.height);
			return -ENOSPC;
		}
		slot_fill(&shifted, above, slot, pages_find(p, i));
	}
	if (to < from)
		pages_drop(fs, p, to, from);
	free_nodes(fs, p->root, p->height);
	*p = shifted;
	return 0;
}

#include "vfs/ext4/data_set.h"

#include <errno.h>
#include <stdlib.h>

#define SHIFT 6u
#define SLOTS (1u << SHIFT)
#define BITMAP_SHIFT 12u /* SLOTS words of 64 bits */
#define HEIGHT_MAX 4u	 /* 4096 << 24 covers all numbers of 32 bits */

struct bitmap {
	uint64_t words[SLOTS];
	uint32_t used; /* bits set */
};

struct node {
	void *slots[SLOTS]; /* nodes, or bitmaps at height 1 */
	uint32_t used;
};

static_assert(sizeof(struct node) == sizeof(struct bitmap), "calloc() need not know which");

/* Numbers that a subtree of this height covers. */
static uint64_t span(unsigned int height)
{
	return UINT64_C(1) << (BITMAP_SHIFT + SHIFT * height);
}

static uint32_t slot_of(uint64_t block, unsigned int height)
{
	return (uint32_t)(block / span(height - 1)) % SLOTS;
}

/* The bitmap with `block`; NULL: none, and nothing is in [block, *ret_end). */
static struct bitmap *find(const struct block_set *set, uint64_t block, uint64_t *ret_end)
{
	void *at = set->root;
	unsigned int height = set->height;

	if (block >= span(height)) {
		*ret_end = UINT64_MAX;
		return NULL;
	}
	while (at && height > 0) {
		at = ((struct node *)at)->slots[slot_of(block, height)];
		height--;
	}
	*ret_end = (block | (span(height) - 1)) + 1;
	return at;
}

bool block_set_has(const struct block_set *set, uint32_t block)
{
	uint64_t end;
	const struct bitmap *map = find(set, block, &end);

	return map && (map->words[block / 64 % SLOTS] >> block % 64 & 1);
}

/* Make the tree high enough for `block`. */
static int raise_tree(struct block_set *set, uint64_t block)
{
	while (block >= span(set->height)) {
		if (set->root) {
			struct node *n = calloc(1, sizeof(*n));

			if (!n)
				return -ENOMEM;
			n->slots[0] = set->root;
			n->used = 1;
			set->root = n;
		}
		set->height++;
	}
	return 0;
}

int block_set_add(struct block_set *set, uint32_t block)
{
	struct node *above = NULL;
	struct bitmap *map;
	uint64_t bit = UINT64_C(1) << block % 64;
	void **slot = &set->root;

	if (raise_tree(set, block) < 0)
		return -ENOMEM;
	for (unsigned int height = set->height;; height--) {
		if (!*slot) {
			*slot = calloc(1, sizeof(struct node));
			if (!*slot)
				return -ENOMEM; /* what is empty above goes with the set */
			if (above)
				above->used++;
		}
		if (height == 0)
			break;
		above = *slot;
		slot = &above->slots[slot_of(block, height)];
	}
	map = *slot;
	if (!(map->words[block / 64 % SLOTS] & bit)) {
		map->words[block / 64 % SLOTS] |= bit;
		map->used++;
		set->count++;
	}
	return 0;
}

/* Free what is empty on the way to `block`. */
static void prune(struct block_set *set, uint64_t block)
{
	void **way[HEIGHT_MAX + 1];
	unsigned int height = set->height, depth = 0;

	way[0] = &set->root;
	while (height > 0 && *way[depth]) {
		struct node *n = *way[depth];

		way[++depth] = &n->slots[slot_of(block, height)];
		height--;
	}
	for (;;) {
		if (*way[depth]) {
			bool bitmap = height == 0;
			uint32_t used = bitmap ? ((struct bitmap *)*way[depth])->used
					       : ((struct node *)*way[depth])->used;

			if (used > 0)
				return;
			free(*way[depth]);
			*way[depth] = NULL;
			if (depth > 0)
				((struct node *)*way[depth - 1])->used--;
		}
		if (depth == 0)
			break;
		depth--;
		height++;
	}
	set->height = 0;
}

uint64_t block_set_remove_range(struct block_set *set, uint64_t first, uint64_t end)
{
	uint64_t before = set->count;

	for (uint64_t at = block_set_next(set, first); at < end; at = block_set_next(set, at)) {
		uint64_t stop;
		struct bitmap *map = find(set, at, &stop);
		uint64_t last = stop < end ? stop : end;

		for (uint64_t i = at; i < last; i++) {
			uint64_t bit = UINT64_C(1) << i % 64;

			if (!(map->words[i / 64 % SLOTS] & bit))
				continue;
			map->words[i / 64 % SLOTS] &= ~bit;
			map->used--;
			set->count--;
		}
		if (map->used == 0)
			prune(set, at);
	}
	return before - set->count;
}

void block_set_remove(struct block_set *set, uint32_t block)
{
	if (block_set_has(set, block))
		block_set_remove_range(set, block, (uint64_t)block + 1);
}

/* First bit at or after `block`, set or clear, in its bitmap; UINT64_MAX: none. */
static uint64_t scan(const struct bitmap *map, uint64_t block, bool clear)
{
	uint64_t start = block & ~(uint64_t)((1u << BITMAP_SHIFT) - 1);

	for (uint32_t i = (uint32_t)(block - start) / 64; i < SLOTS; i++) {
		uint64_t word = clear ? ~map->words[i] : map->words[i];

		if (start + i * 64u < block)
			word &= ~UINT64_C(0) << block % 64;
		if (word)
			return start + i * 64u + (uint32_t)__builtin_ctzll(word);
	}
	return UINT64_MAX;
}

uint64_t block_set_next(const struct block_set *set, uint64_t block)
{
	while (set->count > 0 && block <= UINT32_MAX) {
		uint64_t end, found = UINT64_MAX;
		const struct bitmap *map = find(set, block, &end);

		if (map)
			found = scan(map, block, false);
		if (found != UINT64_MAX)
			return found;
		block = end;
	}
	return UINT64_MAX;
}

uint64_t block_set_next_missing(const struct block_set *set, uint64_t block)
{
	while (block <= UINT32_MAX) {
		uint64_t end, found;
		const struct bitmap *map = find(set, block, &end);

		if (!map)
			return block;
		found = scan(map, block, true);
		if (found != UINT64_MAX)
			return found;
		block = end;
	}
	return block;
}

void block_set_clear(struct block_set *set)
{
	block_set_remove_range(set, 0, (uint64_t)UINT32_MAX + 1);
	/* An add without memory may have left branches with nothing on them. */
	while (set->root) {
		void **slot = &set->root;
		unsigned int height = set->height;
		struct node *above = NULL;

		while (height > 0 && ((struct node *)*slot)->used > 0) {
			above = *slot;
			slot = above->slots;
			while (!*slot)
				slot++;
			height--;
		}
		free(*slot);
		*slot = NULL;
		if (above)
			above->used--;
	}
	set->height = 0;
}

/* block.c - records of the blocks that are on their way home, found by number. */
#include "journal/inside.h"

#include <stdlib.h>

static size_t bucket_of(const struct journal *j, uint64_t number)
{
	return (number * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (j->bucket_count - 1);
}

struct journal_block *journal_block_find(const struct journal *j, uint64_t number)
{
	struct journal_block *b = j->table[bucket_of(j, number)];

	while (b && b->number != number)
		b = b->hash_next;
	return b;
}

/* More buckets if memory can be had; else the chains get longer. */
static void grow(struct journal *j)
{
	size_t old_count = j->bucket_count;
	struct journal_block **old = j->table;
	struct journal_block **table = calloc(2 * old_count, sizeof(struct journal_block *));

	if (!table)
		return;
	j->table = table;
	j->bucket_count = 2 * old_count;
	for (size_t i = 0; i < old_count; i++) {
		struct journal_block *b = old[i];

		while (b) {
			struct journal_block *next = b->hash_next;
			struct journal_block **bucket = &table[bucket_of(j, b->number)];

			b->hash_next = *bucket;
			*bucket = b;
			b = next;
		}
	}
	free(old);
}

struct journal_block *journal_block_get(struct journal *j, uint64_t number)
{
	struct journal_block *b = journal_block_find(j, number), **bucket;

	if (b)
		return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	if (j->block_count >= j->bucket_count)
		grow(j);
	b->number = number;
	list_init(&b->home_node);
	for (unsigned int slot = 0; slot < 2; slot++)
		list_init(&b->member[slot].node);
	bucket = &j->table[bucket_of(j, number)];
	b->hash_next = *bucket;
	*bucket = b;
	j->block_count++;
	return b;
}

bool journal_block_has_member(const struct journal_block *b)
{
	return b->member[0].transaction || b->member[1].transaction;
}

void journal_block_unuse(struct journal *j, struct journal_block *b)
{
	struct journal_block **link = &j->table[bucket_of(j, b->number)];

	if (b->home || journal_block_has_member(b) || b->going_home)
		return;
	assert(!b->page); /* B1 */
	while (*link != b)
		link = &(*link)->hash_next;
	*link = b->hash_next;
	j->block_count--;
	free(b);
}

void journal_block_hold(struct journal_block *b, struct cache_page *page)
{
	if (b->page) {
		assert(b->page == page); /* pinned, so there is no other */
		return;
	}
	b->page = cache_pin(page);
	cache_hold(page);
}

void journal_block_release(struct journal_block *b)
{
	struct cache_page *page = b->page;

	if (!page || journal_block_has_member(b))
		return;
	b->page = NULL;
	cache_release(page);
	cache_put(page);
}

struct journal_member *journal_member_add(struct journal_transaction *t, struct journal_block *b)
{
	struct journal_member *m = &b->member[t->slot];

	assert(!m->transaction); /* B3 */
	m->transaction = t;
	m->dirty = false;
	m->forgotten = false;
	m->copied = false;
	m->frozen = NULL;
	list_push_back(&t->members, &m->node);
	return m;
}

void journal_member_remove(struct journal_block *b, unsigned int slot)
{
	struct journal_member *m = &b->member[slot];

	list_del(&m->node);
	free(m->frozen);
	m->frozen = NULL;
	m->transaction = NULL;
}

struct journal_block *journal_member_block(struct list *node, unsigned int slot)
{
	struct journal_member *m = LIST_ENTRY(node, struct journal_member, node);

	return CONTAINER_OF(m - slot, struct journal_block, member[0]);
}

void journal_block_set_home(struct journal_block *b, struct journal_transaction *t)
{
	list_del(&b->home_node);
	b->home = t;
	if (t)
		list_push_back(&t->home, &b->home_node);
}

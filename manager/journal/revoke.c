/*
 * revoke.c - blocks that are freed. What the log holds of them must not be replayed over
 * what they are used for next; and until that is durable, the log is all there is of them.
 */
#include "journal/inside.h"

#include <errno.h>

/* Hold the page, if there is one, until the freeing is durable. */
static void keep_page(struct journal *j, struct journal_block *b, struct cache_page *page)
{
	if (page) {
		journal_block_hold(b, page);
		return;
	}
	page = cache_find(j->setup.blocks, b->number);
	if (page)
		journal_block_hold(b, page);
	cache_put(page);
}

static void forget_member(struct journal_transaction *t, struct journal_member *m)
{
	m->dirty = false;
	m->forgotten = true;
	t->revoke_count++;
}

/*
 * Of the room that is kept for revokes, steps may begin while half is left. Who frees many takes
 * an eighth at a time, and leaves a quarter: to another who looked at the same time, and to
 * those who are inside with the few that they free.
 */
bool journal_forgets_much(const struct journal *j, const struct journal_transaction *t)
{
	return t->revoke_count > j->revoke_blocks * j->revokes_per_block / 2;
}

uint32_t journal_forget_room(const struct journal_handle *h)
{
	const struct journal *j = h->journal;
	uint32_t kept, left;

	if (!j)
		return UINT32_MAX;
	kept = j->revoke_blocks * j->revokes_per_block;
	left = kept - kept / 4;
	left = h->transaction->revoke_count < left ? left - h->transaction->revoke_count : 0;
	return left < kept / 8 ? left : kept / 8;
}

int journal_forget(struct journal_handle *h, uint64_t block, struct cache_page *page)
{
	struct journal *j = h->journal;
	struct journal_transaction *t = h->transaction;
	struct journal_block *b;
	struct journal_member *m;

	if (!j) {
		if (page)
			cache_drop(page->map, block, block + 1);
		return 0;
	}
	assert(!page || (page->map == j->setup.blocks && page->index == block));
	if (j->error < 0)
		return -EROFS;
	/* Room for revokes is kept; beyond that it must be there by chance. */
	if (journal_need(j, t, 0, 1) > j->free)
		return -ENOSPC;
	b = journal_block_get(j, block);
	if (!b)
		return -ENOMEM;
	m = &b->member[t->slot];
	if (m->transaction && m->forgotten)
		return 0;
	if (m->transaction) {
		t->block_count--;
		t->reserved++;
		h->credits++;
		forget_member(t, m);
	} else {
		keep_page(j, b, page);
		forget_member(t, journal_member_add(t, b));
		journal_transaction_changed(t);
	}
	/* Many revokes: better a commit soon than the end of the room kept for them. */
	if (t->revoke_count / j->revokes_per_block >= j->revoke_blocks / 2 + 1)
		journal_transaction_ask(t);
	return 0;
}

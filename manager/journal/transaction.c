/* transaction.c - handles: operations join the running transaction and change blocks in it. */
#include "journal/inside.h"

#include "task/sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t round_up(uint32_t count, uint32_t unit)
{
	return count / unit + (count % unit != 0);
}

uint32_t journal_need(const struct journal *j, const struct journal_transaction *t,
		      uint32_t more_blocks, uint32_t more_revokes)
{
	uint32_t blocks = more_blocks, revokes = more_revokes;

	if (t) {
		blocks += t->block_count + t->reserved;
		revokes += t->revoke_count;
	}
	revokes = round_up(revokes, j->revokes_per_block);
	if (revokes < j->revoke_blocks)
		revokes = j->revoke_blocks;
	return blocks + round_up(blocks, j->tags_per_block) + revokes + 1;
}

static struct journal_transaction *transaction_new(struct journal *j)
{
	struct journal_transaction *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->journal = j;
	t->state = JOURNAL_RUNNING;
	t->id = j->next_id++;
	t->slot = j->committing ? !j->committing->slot : 0;
	t->due_ns = TASK_FOREVER;
	list_init(&t->members);
	list_init(&t->node);
	list_init(&t->home);
	j->running = t;
	return t;
}

void journal_transaction_free(struct journal_transaction *t)
{
	assert(list_empty(&t->members) && list_empty(&t->home) && t->data_count == 0);
	list_del(&t->node);
	free(t);
}

void journal_transaction_ask(struct journal_transaction *t)
{
	if (t->state != JOURNAL_RUNNING || t->wanted)
		return;
	t->wanted = true;
	waitq_wake_all(&t->journal->commit_wanted);
}

void journal_transaction_changed(struct journal_transaction *t)
{
	if (t->due_ns != TASK_FOREVER)
		return;
	t->due_ns = clock_now_ns() + JOURNAL_COMMIT_NS;
	waitq_wake_all(&t->journal->commit_wanted);
}

/* ---- handles. */

/* As long as nothing stands in the way, join: 0; -EAGAIN: waited, look again. */
static int try_join(struct journal *j, uint32_t credits) MAY_YIELD
{
	struct journal_transaction *t = j->running;
	uint32_t need;

	if (t && t->state == JOURNAL_LOCKED) {
		journal_wait(&j->unlocked);
		return -EAGAIN;
	}
	if (t && (t->block_count + t->reserved + credits > j->transaction_max ||
		  journal_forgets_much(j, t))) {
		journal_transaction_ask(t);
		journal_wait(&j->unlocked);
		return -EAGAIN;
	}
	need = journal_need(j, t, credits, 0);
	if (need > j->free) {
		int r = journal_make_room(j, need);

		return r < 0 ? r : -EAGAIN;
	}
	return 0;
}

int journal_begin(struct journal *j, uint32_t credits, struct journal_handle *ret)
{
	int r;

	if (!j) {
		*ret = (struct journal_handle){ .credits = credits };
		return 0;
	}
	assert(j->started);
	if (credits > j->transaction_max)
		return -ENOSPC;
	do {
		r = j->error < 0 ? -EROFS : try_join(j, credits);
	} while (r == -EAGAIN);
	if (r < 0)
		return r;
	if (!j->running && !transaction_new(j))
		return -ENOMEM;
	j->running->handles++;
	j->running->reserved += credits;
	j->stats.handles++;
	*ret = (struct journal_handle){ j, j->running, credits };
	return 0;
}

int journal_extend(struct journal_handle *h, uint32_t credits)
{
	struct journal *j = h->journal;
	struct journal_transaction *t = h->transaction;

	if (!j) {
		h->credits += credits;
		return 0;
	}
	if (j->error < 0 || t->state != JOURNAL_RUNNING)
		return -EAGAIN;
	if (credits > j->transaction_max ||
	    t->block_count + t->reserved + credits > j->transaction_max ||
	    journal_need(j, t, credits, 0) > j->free)
		return -EAGAIN;
	h->credits += credits;
	t->reserved += credits;
	return 0;
}

void journal_end(struct journal_handle *h)
{
	struct journal_transaction *t = h->transaction;

	if (!t)
		return;
	assert(t->handles > 0 && t->reserved >= h->credits);
	t->reserved -= h->credits;
	t->handles--;
	h->transaction = NULL;
	h->credits = 0;
	if (t->handles == 0)
		waitq_wake_all(&t->journal->drained);
}

int journal_restart(struct journal_handle *h, uint32_t credits)
{
	struct journal *j = h->journal;

	journal_end(h);
	return journal_begin(j, credits, h);
}

uint32_t journal_handle_id(const struct journal_handle *h)
{
	return h->transaction ? h->transaction->id : 0;
}

/* ---- changing blocks. */

/*
 * The committing transaction has the block as it is now, and its copy in the log is not made
 * yet: keep it for that.
 */
static int freeze(struct journal *j, struct journal_block *b, const struct cache_page *page)
{
	struct journal_member *m;

	if (!j->committing)
		return 0;
	m = &b->member[j->committing->slot];
	if (!m->transaction || !m->dirty || m->copied || m->frozen || MISTAKE(NO_FREEZE))
		return 0;
	m->frozen = malloc(j->setup.block_size);
	if (!m->frozen)
		return -ENOMEM;
	memcpy(m->frozen, page->data, j->setup.block_size);
	j->stats.frozen++;
	return 0;
}

/* The block is neither being written home nor by the cache; `ret` may be new. */
static int settle(struct journal *j, struct cache_page *page, struct journal_block **ret) MAY_YIELD
{
	for (;;) {
		struct journal_block *b;

		cache_modify(page);
		b = journal_block_get(j, page->index);
		if (!b)
			return -ENOMEM;
		if (!b->going_home) {
			*ret = b;
			return 0;
		}
		journal_wait(&j->came_home);
	}
}

static int join(struct journal_handle *h, struct journal_block *b, struct cache_page *page)
{
	struct journal_transaction *t = h->transaction;
	struct journal_member *m = &b->member[t->slot];
	int r;

	if (h->credits == 0)
		return -ENOSPC;
	r = freeze(h->journal, b, page);
	if (r < 0)
		return r;
	if (b->home && page->state == CACHE_CLEAN)
		journal_block_set_home(b, NULL); /* the cache has written it meanwhile */
	if (m->transaction) { /* it was freed in this transaction, and is used again */
		m->forgotten = false;
		t->revoke_count--;
	} else {
		journal_member_add(t, b);
	}
	journal_block_hold(b, page);
	t->block_count++;
	t->reserved--;
	h->credits--;
	journal_transaction_changed(t);
	return 0;
}

static bool is_member(const struct journal_transaction *t, const struct journal_block *b)
{
	const struct journal_member *m = &b->member[t->slot];

	return m->transaction && !m->forgotten;
}

int journal_get_write(struct journal_handle *h, struct cache_page *page)
{
	struct journal *j = h->journal;
	struct journal_block *b;
	int r;

	if (!j) {
		cache_modify(page);
		return 0;
	}
	assert(page->map == j->setup.blocks);
	if (j->error < 0)
		return -EROFS;
	b = journal_block_find(j, page->index);
	if (b && is_member(h->transaction, b))
		return 0; /* held, so nobody writes it */
	r = settle(j, page, &b);
	if (r < 0)
		return r;
	if (is_member(h->transaction, b))
		return 0;
	r = j->error < 0 ? -EROFS : join(h, b, page);
	if (r < 0)
		journal_block_unuse(j, b);
	return r;
}

void journal_dirty(struct journal_handle *h, struct cache_page *page)
{
	struct journal *j = h->journal;

	if (j) {
		struct journal_block *b = journal_block_find(j, page->index);

		assert(b && is_member(h->transaction, b)); /* journal_get_write() came first */
		b->member[h->transaction->slot].dirty = true;
	}
	cache_dirty(page);
}

/* ---- data. */

struct journal_transaction *journal_data_begin(struct journal_handle *h)
{
	if (!h->transaction)
		return NULL;
	h->transaction->data_count++;
	journal_transaction_changed(h->transaction);
	return h->transaction;
}

/*
 * A write that failed does not keep the transaction from being committed: its file's
 * owner is told by the cache, and others' operations are in it too.
 */
void journal_data_end(struct journal_transaction *t, int error)
{
	(void)error;
	if (!t)
		return;
	assert(t->data_count > 0);
	t->data_count--;
	if (t->data_count == 0)
		waitq_wake_all(&t->journal->drained);
}

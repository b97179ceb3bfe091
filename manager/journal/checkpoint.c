/*
 * checkpoint.c - room in the log: the oldest transactions' blocks go home, and the tail
 * moves past them.
 *
 * Mostly the cache has written them long since, and only the tail is to be moved. A
 * block that a later transaction holds is not written: it leaves this one when the
 * later one is committed.
 */
#include "journal/inside.h"

#include <errno.h>
#include <stdlib.h>

static int by_index(const void *a, const void *b)
{
	const struct cache_page *const *left = a, *const *right = b;

	return (*left)->index < (*right)->index ? -1 : (*left)->index > (*right)->index;
}

/*
 * Blocks of the transaction that must be written. Those that are home leave it; true: some
 * others are held by later transactions.
 */
static bool collect(struct journal *j, struct journal_transaction *t, struct journal_homeward *h)
{
	bool held = false;

	h->count = 0;
	LIST_EACH_SAFE(node, &t->home) {
		struct journal_block *b = LIST_ENTRY(node, struct journal_block, home_node);
		struct cache_page *page;

		if (journal_block_has_member(b)) {
			held = true;
			continue;
		}
		/* Not in memory, or being read: it was clean when it left. */
		page = cache_find(j->setup.blocks, b->number);
		if (!page || page->state == CACHE_CLEAN) {
			cache_put(page);
			journal_block_set_home(b, NULL);
			journal_block_unuse(j, b);
			continue;
		}
		if (h->count == CACHE_BATCH) {
			cache_put(page);
			break;
		}
		b->going_home = true;
		h->pages[h->count++] = page;
	}
	return held;
}

/*
 * While pages are going home nobody changes them (settle(), transaction.c): cache_write_pages()
 * may take some of them later than others.
 */
static int write_collected(struct journal *j, struct journal_transaction *t,
			   struct journal_homeward *h) MAY_YIELD
{
	int r;

	qsort(h->pages, h->count, sizeof(struct cache_page *), by_index);
	for (unsigned int i = 0; i < h->count; i++)
		h->numbers[i] = h->pages[i]->index;
	r = cache_write_pages(h->pages, h->count);
	for (unsigned int i = 0; i < h->count; i++) {
		struct journal_block *b = journal_block_find(j, h->numbers[i]);

		b->going_home = false;
		if (r == 0 && b->home == t)
			journal_block_set_home(b, NULL);
		journal_block_unuse(j, b);
		cache_put(h->pages[i]);
	}
	waitq_wake_all(&j->came_home);
	return r;
}

/* 0: all of it is home (not durable); -EAGAIN: later transactions hold some of it; -errno. */
static int bring_home(struct journal *j, struct journal_transaction *t) MAY_YIELD
{
	struct journal_homeward *h = j->homeward;
	bool held;
	int r = 0;

	do {
		held = collect(j, t, h);
		if (h->count > 0)
			r = write_collected(j, t, h);
	} while (r == 0 && h->count > 0);
	if (r < 0)
		return r;
	return held ? -EAGAIN : 0;
}

/* The first transaction that must stay in the log; where it will be if there is none. */
static void find_tail(const struct journal *j, uint32_t *ret_start, uint32_t *ret_id)
{
	const struct journal_transaction *t = j->committing;

	if (!list_empty(&j->checkpoints))
		t = LIST_ENTRY(j->checkpoints.next, struct journal_transaction, node);
	*ret_start = t ? t->log_first : j->head;
	*ret_id = t ? t->id : j->running ? j->running->id : j->next_id;
}

/* The log ends before what went home: after a flush of that, and before its room is used. */
static int move_tail(struct journal *j, uint32_t freed) MAY_YIELD
{
	unsigned int flags = DISK_PREFLUSH | DISK_FUA;
	uint32_t start, id;
	int r;

	find_tail(j, &start, &id);
	if (MISTAKE(TAIL_EARLY))
		flags = DISK_FUA;
	if (MISTAKE(TAIL_LATE)) {
		j->free += freed;
		return 0;
	}
	r = journal_super_store(j, start, id, flags);
	if (r == 0)
		j->free += freed;
	return r;
}

/* Retire transactions until so much is free. -EAGAIN: nothing could be retired now. */
static int retire(struct journal *j, uint32_t wanted) MAY_YIELD
{
	uint32_t freed = 0;
	int r = 0;

	while (j->free + freed < wanted && !list_empty(&j->checkpoints)) {
		struct journal_transaction *t = LIST_ENTRY(j->checkpoints.next,
							   struct journal_transaction, node);

		r = bring_home(j, t);
		if (r < 0)
			break;
		freed += t->log_count;
		journal_transaction_free(t);
		j->stats.checkpoints++;
	}
	if (r < 0 && r != -EAGAIN)
		return r;
	return freed > 0 ? move_tail(j, freed) : -EAGAIN;
}

static bool room_is_short(const struct journal *j)
{
	return j->error == 0 && j->free < j->size / 2 && !list_empty(&j->checkpoints);
}

static void keep_room(struct journal *j) MAY_YIELD;
static void keep_room(struct journal *j)
{
	while (!j->stopping) {
		int r = -EAGAIN;

		if (room_is_short(j)) {
			/* In steps: others may want the lock, for much less. */
			task_lock_take(&j->super_lock);
			r = j->error < 0 ? -EAGAIN : retire(j, j->free + j->size / 16);
			task_lock_drop(&j->super_lock);
		}
		if (r < 0 && r != -EAGAIN)
			journal_abort(j, r);
		if (r < 0 && !j->stopping)
			journal_wait(&j->room_wanted); /* the next commit frees what was held */
	}
}

void journal_room_task(void *arg)
{
	struct journal *j = arg;

	task_background();
	keep_room(j);
	j->room_task = NULL;
	waitq_wake_all(&j->committed);
}

int journal_make_room(struct journal *j, uint32_t need)
{
	uint32_t wanted = need > j->size / 4 ? need : j->size / 4;
	int r;

	j->stats.waits_for_room++;
	task_lock_take(&j->super_lock);
	r = j->error < 0 ? -EROFS : j->free >= need ? 0 : retire(j, wanted);
	task_lock_drop(&j->super_lock);
	if (r == 0 || r == -EROFS)
		return r;
	if (r != -EAGAIN) {
		journal_abort(j, r);
		return -EROFS;
	}
	if (j->free >= need)
		return 0;
	/* What holds the blocks must be committed first. */
	assert(j->running || j->committing || !list_empty(&j->checkpoints)); /* L1 */
	if (j->running)
		journal_transaction_ask(j->running);
	if (j->running || j->committing)
		journal_wait_committed(j);
	return 0;
}

int journal_checkpoint_all(struct journal *j)
{
	int r = 0;

	if (j->marked_empty)
		return 0;
	task_lock_take(&j->super_lock);
	while (r == 0 && !list_empty(&j->checkpoints))
		r = retire(j, UINT32_MAX);
	if (r == 0)
		r = journal_super_store(j, 0, j->next_id, DISK_PREFLUSH | DISK_FUA);
	task_lock_drop(&j->super_lock);
	return r;
}

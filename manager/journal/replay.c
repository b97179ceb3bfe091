/* replay.c - what the log holds goes home: each block once, as its last transaction had it. */
#include "journal/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_block(const void *a, const void *b)
{
	const struct journal_found *left = a, *right = b;

	if (left->block != right->block)
		return left->block < right->block ? -1 : 1;
	return left->distance < right->distance ? -1 : left->distance > right->distance;
}

static int by_distance(const void *a, const void *b)
{
	const struct journal_found *left = a, *right = b;

	return left->distance < right->distance ? -1 : left->distance > right->distance;
}

static int revoked_by_block(const void *a, const void *b)
{
	const struct journal_revoked *left = a, *right = b;

	if (left->block != right->block)
		return left->block < right->block ? -1 : 1;
	return left->turn < right->turn ? -1 : left->turn > right->turn;
}

/* Was the block freed in that transaction or a later one? Its last revoke decides. */
static bool is_revoked(const struct journal_contents *c, const struct journal_found *f)
{
	size_t low = 0, high = c->revoked_count;

	while (low < high) { /* the first that is of a later block */
		size_t middle = low + (high - low) / 2;

		if (c->revoked[middle].block <= f->block)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && c->revoked[low - 1].block == f->block &&
	       c->revoked[low - 1].turn >= f->turn;
}

/* Leaves in `found` what is to be written, in the order of the log. */
static void choose(struct journal_contents *c, struct journal_replayed *counts)
{
	size_t kept = 0;

	if (c->revoked_count > 0)
		qsort(c->revoked, c->revoked_count, sizeof(*c->revoked), revoked_by_block);
	if (c->found_count > 0)
		qsort(c->found, c->found_count, sizeof(*c->found), by_block);
	for (size_t i = 0; i < c->found_count; i++) {
		struct journal_found f = c->found[i];

		if (is_revoked(c, &f))
			counts->revoked++;
		else if (i + 1 == c->found_count || c->found[i + 1].block != f.block)
			c->found[kept++] = f;
	}
	c->found_count = kept;
	if (kept > 0)
		qsort(c->found, kept, sizeof(*c->found), by_distance);
	counts->transactions = c->transactions;
	counts->blocks = (uint32_t)kept;
}

static int bring_home(struct journal *j, const struct journal_found *f,
		      struct journal_reader *reader, bool in_memory) MAY_YIELD
{
	struct be32 magic = to_be32(JOURNAL_MAGIC);
	struct cache_page *page;
	const uint8_t *data;
	int r;

	r = journal_reader_get(reader, journal_index_after(j, be32(j->super.start), f->distance),
			       &data);
	if (r < 0)
		return r;
	r = cache_get_new(j->setup.blocks, f->block, &page);
	if (r < 0)
		return r;
	cache_modify(page);
	memcpy(page->data, data, j->setup.block_size);
	if (f->escaped)
		memcpy(page->data, &magic, sizeof(magic));
	if (in_memory) {
		if (!page->held)
			cache_hold(page);
		j->kept[j->kept_count++] = f->block;
	} else {
		cache_dirty(page);
	}
	cache_put(page);
	return 0;
}

static int bring_all_home(struct journal *j, struct journal_contents *c,
			  struct journal_reader *reader, bool in_memory) MAY_YIELD
{
	int r = 0;

	if (in_memory && c->found_count > 0) {
		j->kept = malloc(c->found_count * sizeof(*j->kept));
		if (!j->kept)
			return -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < c->found_count; i++) {
		if (!in_memory && i % CACHE_BATCH == 0)
			cache_throttle();
		r = bring_home(j, &c->found[i], reader, in_memory);
	}
	return r;
}

static int replay(struct journal *j, struct journal_replayed *ret, bool in_memory) MAY_YIELD
{
	struct journal_replayed counts = { 0 };
	struct journal_contents contents;
	struct journal_reader reader;
	int r;

	r = journal_reader_open(j, &reader);
	if (r < 0)
		return r;
	r = journal_scan(j, &reader, &contents);
	if (r == 0) {
		choose(&contents, &counts);
		r = bring_all_home(j, &contents, &reader, in_memory);
	}
	journal_reader_close(&reader);
	if (r == 0 && !in_memory) {
		r = cache_sync(j->setup.blocks, 0, UINT64_MAX);
		/*
		 * The number of the transaction that was torn is not used again: its blocks
		 * could be taken for the new one's.
		 */
		if (r == 0)
			r = journal_super_store(j, 0, contents.end_id + 1,
						DISK_PREFLUSH | DISK_FUA);
	}
	journal_contents_free(&contents);
	if (r == 0 && ret)
		*ret = counts;
	return r;
}

int journal_replay(struct journal *j, struct journal_replayed *ret)
{
	int r;

	if (j->setup.read_only)
		return -EROFS;
	if (!j->needs_replay) {
		if (ret)
			*ret = (struct journal_replayed){ 0 };
		return 0;
	}
	r = replay(j, ret, false);
	if (r == 0)
		j->needs_replay = false;
	return r;
}

int journal_replay_in_memory(struct journal *j, struct journal_replayed *ret)
{
	if (!j->needs_replay || j->kept) {
		if (ret)
			*ret = (struct journal_replayed){ 0 };
		return 0;
	}
	return replay(j, ret, true);
}

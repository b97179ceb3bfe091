/*
 * open.c - a journal's superblock, and its life from journal_open() to journal_close().
 *
 *     feature         read                                written
 *     revoke, 64bit   yes                                 always
 *     checksum v3     yes                                 always, as Linux does with metadata_csum
 *     checksum v2     yes                                 becomes v3
 *     checksum v1     replayed, the checksum unread;      cleared
 *                     with async_commit: -EOPNOTSUPP
 *     async_commit    yes: the last transaction may be    cleared
 *                     torn behind its commit record
 *     fast_commit     -EOPNOTSUPP: its area may hold      -
 *                     more than the log
 *     version 1       yes                                 -EOPNOTSUPP
 */
#include "journal/inside.h"

#include "base/crc32c.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t super_checksum(const struct journal_super *super)
{
	struct journal_super copy = *super;

	copy.checksum = to_be32(0);
	return crc32c(~0u, &copy, sizeof(copy));
}

static uint32_t incompat(const struct journal_super *super)
{
	return be32(super->header.type) == JOURNAL_SUPER_V2 ? be32(super->feature_incompat) : 0;
}

void journal_format_of(const struct journal_super *super, struct journal_format *ret)
{
	uint32_t features = incompat(super);
	struct journal_format f = {
		.wide = features & JOURNAL_INCOMPAT_64BIT,
		.checksum2 = features & JOURNAL_INCOMPAT_CHECKSUM_V2,
		.checksum3 = features & JOURNAL_INCOMPAT_CHECKSUM_V3,
		.async = features & JOURNAL_INCOMPAT_ASYNC_COMMIT,
	};

	f.revoke_size = f.wide ? 8 : 4;
	f.tail_size = f.checksum2 || f.checksum3 ? sizeof(struct journal_tail) : 0;
	if (f.checksum3)
		f.tag_size = sizeof(struct journal_tag3);
	else
		f.tag_size = 8u + (f.wide ? 4u : 0) + (f.checksum2 ? 2u : 0);
	*ret = f;
}

static int check_features(const struct journal_super *super)
{
	const uint32_t both = JOURNAL_INCOMPAT_CHECKSUM_V2 | JOURNAL_INCOMPAT_CHECKSUM_V3;
	uint32_t features = incompat(super), compat;

	if (be32(super->header.type) == JOURNAL_SUPER_V1)
		return 0;
	compat = be32(super->feature_compat);
	if (features & ~(uint32_t)JOURNAL_INCOMPAT_KNOWN)
		return -EOPNOTSUPP;
	if ((features & both) == both || (features & both && compat & JOURNAL_COMPAT_CHECKSUM))
		return -EUCLEAN;
	if (features & JOURNAL_INCOMPAT_ASYNC_COMMIT && !(features & both) &&
	    be32(super->start) != 0)
		return -EOPNOTSUPP; /* nothing tells whether a transaction is whole */
	if (features & both && (super->checksum_type != JOURNAL_CHECKSUM_CRC32C ||
				be32(super->checksum) != super_checksum(super)))
		return -EUCLEAN;
	return 0;
}

static int check_super(const struct journal *j)
{
	const struct journal_super *s = &j->super;
	uint32_t type = be32(s->header.type), count = be32(s->block_count);
	uint32_t first = be32(s->first), start = be32(s->start);

	if (be32(s->header.magic) != JOURNAL_MAGIC ||
	    (type != JOURNAL_SUPER_V1 && type != JOURNAL_SUPER_V2))
		return -EUCLEAN;
	if (be32(s->block_size) != j->setup.block_size || count > j->setup.block_count ||
	    count < 2 || first == 0 || first >= count)
		return -EUCLEAN;
	if (start != 0 && (start < first || start >= count))
		return -EUCLEAN;
	return check_features(s);
}

static int read_super(struct journal *j) MAY_YIELD
{
	uint64_t block;
	int r;

	if (j->setup.block_count < 2)
		return -EUCLEAN;
	r = j->setup.where(j->setup.context, 0, &block);
	if (r < 0)
		return r;
	r = journal_disk(j, DISK_READ, 0, &j->super, sizeof(j->super), block * j->setup.block_size);
	if (r < 0)
		return r;
	r = check_super(j);
	if (r < 0)
		return r;
	journal_format_of(&j->super, &j->format);
	j->seed = crc32c(~0u, j->super.uuid, sizeof(j->super.uuid));
	j->first = be32(j->super.first);
	j->end = be32(j->super.block_count);
	j->size = j->end - j->first;
	j->needs_replay = be32(j->super.start) != 0;
	/* Of all its file, whatever part of that the log is. */
	return journal_runs_make(j, j->setup.block_count);
}

static void journal_free(struct journal *j)
{
	free(j->runs);
	free(j->runs_by_block);
	free(j->kept);
	free(j->table);
	free(j->record);
	free(j->homeward);
	journal_batches_free(j);
	free(j);
}

int journal_open(const struct journal_setup *setup, struct journal **ret)
{
	struct journal *j;
	int r;

	if (setup->block_size < 1024 || setup->block_size > CACHE_PAGE_SIZE ||
	    setup->block_size & (setup->block_size - 1))
		return -EINVAL;
	j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	j->setup = *setup;
	list_init(&j->checkpoints);
	waitq_init(&j->commit_wanted);
	waitq_init(&j->room_wanted);
	waitq_init(&j->drained);
	waitq_init(&j->written);
	waitq_init(&j->unlocked);
	waitq_init(&j->committed);
	waitq_init(&j->came_home);
	task_lock_init(&j->super_lock);
	r = read_super(j);
	if (r < 0) {
		journal_free(j);
		return r;
	}
	*ret = j;
	return 0;
}

bool journal_needs_replay(const struct journal *j)
{
	return j->needs_replay;
}

/* j->next_super goes to the disk; until it is there, j->super is what the disk has. */
static int store(struct journal *j, unsigned int disk_flags) MAY_YIELD
{
	struct journal_super *next = &j->next_super;
	uint32_t count;
	uint64_t block = journal_where(j, 0, 1, &count);
	int r;

	if (j->format.tail_size > 0)
		next->checksum = to_be32(super_checksum(next));
	r = journal_disk(j, DISK_WRITE, disk_flags, next, sizeof(*next),
			 block * j->setup.block_size);
	if (r == 0)
		j->super = *next;
	return r;
}

int journal_super_store(struct journal *j, uint32_t start, uint32_t sequence,
			unsigned int disk_flags)
{
	j->next_super = j->super;
	j->next_super.start = to_be32(start);
	j->next_super.sequence = to_be32(sequence);
	return store(j, disk_flags);
}

void journal_error_store(struct journal *j)
{
	j->error_noted = true;
	task_lock_take(&j->super_lock);
	j->next_super = j->super;
	j->next_super.error = to_be32((uint32_t)j->error);
	/* A disk that takes nothing cannot be told. */
	(void)!store(j, DISK_FUA);
	task_lock_drop(&j->super_lock);
}

uint32_t journal_log_size(const struct journal *j)
{
	return j->size;
}

int journal_noted_error(const struct journal *j)
{
	return (int)be32(j->super.error);
}

/* The features with which it is written, in memory so far. */
static void choose_features(struct journal *j)
{
	struct journal_super *s = &j->super;
	uint32_t features = incompat(s);

	features &= ~(uint32_t)(JOURNAL_INCOMPAT_CHECKSUM_V2 | JOURNAL_INCOMPAT_ASYNC_COMMIT);
	features |= JOURNAL_INCOMPAT_REVOKE | JOURNAL_INCOMPAT_64BIT | JOURNAL_INCOMPAT_CHECKSUM_V3;
	s->feature_incompat = to_be32(features);
	s->feature_compat = to_be32(be32(s->feature_compat) & ~(uint32_t)JOURNAL_COMPAT_CHECKSUM);
	s->checksum_type = JOURNAL_CHECKSUM_CRC32C;
	journal_format_of(s, &j->format);
}

static int start_memory(struct journal *j)
{
	j->bucket_count = 1024;
	j->table = calloc(j->bucket_count, sizeof(struct journal_block *));
	j->record = aligned_alloc(4096, 4096);
	j->homeward = malloc(sizeof(*j->homeward));
	if (!j->table || !j->record || !j->homeward)
		return -ENOMEM;
	return journal_batches_make(j);
}

/* Two transactions hold their blocks in the cache, which others need as well. */
static uint32_t cache_share(const struct journal *j)
{
	uint64_t share = cache_limit() / j->setup.block_size / 4;

	if (share < JOURNAL_BLOCKS_MIN)
		return JOURNAL_BLOCKS_MIN;
	return share < JOURNAL_BLOCKS_MAX ? (uint32_t)share : JOURNAL_BLOCKS_MAX;
}

/* What fits, of blocks into the log and of tags into a block. */
static void start_numbers(struct journal *j)
{
	uint32_t room = j->setup.block_size - j->format.tail_size;
	uint32_t header_size = sizeof(struct journal_header);

	j->tags_per_block = (room - header_size - JOURNAL_UUID_SIZE) / j->format.tag_size;
	if (j->tags_per_block > JOURNAL_BATCH_BLOCKS - 1)
		j->tags_per_block = JOURNAL_BATCH_BLOCKS - 1;
	j->revokes_per_block = (room - (uint32_t)sizeof(struct journal_revoke_header)) /
			       j->format.revoke_size;
	j->transaction_max = j->size / 4 < cache_share(j) ? j->size / 4 : cache_share(j);
	j->revoke_blocks = j->size / 32;
	j->head = j->first;
	j->free = j->size;
	/* Not the number in the superblock: a torn transaction may have used it. */
	j->next_id = be32(j->super.sequence) + 1;
	j->committed_id = j->next_id - 1;
	j->marked_empty = true;
}

int journal_start(struct journal *j)
{
	struct journal_super before = j->super;
	int r;

	assert(!j->started);
	if (j->setup.read_only)
		return -EROFS;
	if (j->needs_replay)
		return -EBUSY;
	if (be32(j->super.header.type) != JOURNAL_SUPER_V2 || be32(j->super.feature_ro_compat) != 0)
		return -EOPNOTSUPP;
	if (j->size < JOURNAL_LOG_MIN)
		return -EUCLEAN;
	r = start_memory(j);
	if (r < 0)
		return r;
	choose_features(j);
	start_numbers(j);
	if (memcmp(&before, &j->super, sizeof(before)) != 0) {
		r = journal_super_store(j, 0, be32(j->super.sequence), DISK_FUA);
		if (r < 0)
			return r;
	}
	r = task_start(&j->task, "journal", journal_commit_task, j);
	if (r < 0)
		return r;
	j->started = true;
	r = task_start(&j->room_task, "journal room", journal_room_task, j);
	if (r < 0)
		j->room_task = NULL; /* then operations make their own */
	return 0;
}

void journal_abort(struct journal *j, int error)
{
	if (!j || j->error < 0)
		return;
	assert(error < 0);
	j->error = error;
	j->error_noted = error == -ENOSPC; /* there is nothing to note */
	fprintf(stderr, "hascall: journal: %s: no more changes are taken\n",
		error == -ENOSPC ? "no room is left where the image lies" : strerror(-error));
	waitq_wake_all(&j->commit_wanted);
	waitq_wake_all(&j->drained);
	waitq_wake_all(&j->unlocked);
	waitq_wake_all(&j->committed);
	if (j->setup.aborted)
		j->setup.aborted(j->setup.context, error);
}

/* After an abort: what was not committed must not reach the disk by the cache. */
static void drop_transaction(struct journal *j, struct journal_transaction *t) MAY_YIELD
{
	if (!t)
		return;
	assert(t->handles == 0);
	while (t->data_count > 0)
		journal_wait(&j->drained);
	while (!list_empty(&t->members)) {
		struct journal_block *b = journal_member_block(t->members.next, t->slot);
		uint64_t number = b->number;

		journal_member_remove(b, t->slot);
		journal_block_release(b);
		journal_block_unuse(j, b);
		cache_drop(j->setup.blocks, number, number + 1);
	}
	journal_transaction_free(t);
}

static void drop_everything(struct journal *j) MAY_YIELD
{
	struct list *node;

	drop_transaction(j, j->committing);
	drop_transaction(j, j->running);
	while ((node = list_pop_front(&j->checkpoints))) {
		struct journal_transaction *t = LIST_ENTRY(node, struct journal_transaction, node);

		while (!list_empty(&t->home)) {
			struct journal_block *b = LIST_ENTRY(t->home.next, struct journal_block,
							     home_node);

			journal_block_set_home(b, NULL);
			journal_block_unuse(j, b);
		}
		journal_transaction_free(t);
	}
	assert(j->block_count == 0);
}

/* What a replay in memory kept may leave it. */
static void let_go(struct journal *j)
{
	for (size_t i = 0; i < j->kept_count; i++) {
		struct cache_page *page = cache_find(j->setup.blocks, j->kept[i]);

		if (page)
			cache_release(page);
		cache_put(page);
	}
}

static int stop(struct journal *j) MAY_YIELD
{
	int r = journal_commit_all(j);

	(void)r; /* j->error says it too */
	j->stopping = true;
	waitq_wake_all(&j->commit_wanted);
	waitq_wake_all(&j->room_wanted);
	while (j->task || j->room_task)
		journal_wait(&j->committed);
	if (j->error == 0) {
		r = journal_checkpoint_all(j);
		if (r < 0)
			journal_abort(j, r);
	}
	if (j->error < 0 && !j->error_noted)
		journal_error_store(j);
	drop_everything(j);
	return j->error;
}

int journal_close(struct journal *j)
{
	int r = 0;

	if (!j)
		return 0;
	if (j->started)
		r = stop(j);
	let_go(j);
	journal_free(j);
	return r;
}

void journal_stats_get(const struct journal *j, struct journal_stats *ret)
{
	*ret = j->stats;
}

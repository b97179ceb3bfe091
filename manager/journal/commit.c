/*
 * commit.c - the commit task: one transaction after the other becomes durable.
 *
 *     RUNNING --due, or asked for--> LOCKED --handles have ended--> COMMITTING
 *         blocks are copied into the log's batches, checksummed and sent
 *         ordered data and log blocks are waited for
 *         commit record (flush before it, durable when done)
 *     --> CHECKPOINT: pages are released, those who wait are woken
 *
 * A batch is filled without a yield between the copy of a block and its mark `copied`; a
 * handle that changes a block before that freezes it. So nobody ever waits for the log's
 * writes but those who asked for a commit.
 */
#include "journal/inside.h"

#include "task/sched.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#ifdef JOURNAL_MISTAKEN
enum journal_mistake journal_mistake;
#endif

static void put_header(uint8_t *block, enum journal_block_type type, uint32_t sequence)
{
	struct journal_header h = { to_be32(JOURNAL_MAGIC), to_be32(type), to_be32(sequence) };

	memcpy(block, &h, sizeof(h));
}

static void put_checksum(const struct journal *j, uint8_t *block, size_t offset)
{
	struct be32 crc = to_be32(journal_block_checksum(j, block, offset));

	memcpy(block + offset, &crc, sizeof(crc));
}

static size_t tail_offset(const struct journal *j)
{
	return j->setup.block_size - sizeof(struct journal_tail);
}

/* ---- revoke blocks. */

static struct list *next_revoked(struct journal_transaction *t, struct list *at)
{
	for (at = at->next; at != &t->members; at = at->next)
		if (journal_member_block(at, t->slot)->member[t->slot].forgotten)
			break;
	return at;
}

static void log_revokes(struct journal *j, struct journal_transaction *t) MAY_YIELD
{
	struct list *at = next_revoked(t, &t->members);

	while (at != &t->members && !MISTAKE(NO_REVOKE)) {
		uint32_t size = sizeof(struct journal_revoke_header);
		uint8_t *block;

		journal_log_reserve(j, 1);
		block = journal_log_next(j);
		put_header(block, JOURNAL_REVOKE, t->id);
		while (at != &t->members && size + j->format.revoke_size <= tail_offset(j)) {
			struct be64 number = to_be64(journal_member_block(at, t->slot)->number);

			memcpy(block + size, &number, sizeof(number));
			size += (uint32_t)sizeof(number);
			at = next_revoked(t, at);
		}
		((struct journal_revoke_header *)(void *)block)->size = to_be32(size);
		put_checksum(j, block, tail_offset(j));
	}
}

/* ---- descriptors and their blocks. */

/* Into the log, as it was when the transaction was closed. Its tag's flags. */
static uint32_t copy_block(struct journal *j, struct journal_block *b, struct journal_member *m,
			   uint8_t *to)
{
	struct be32 magic = to_be32(JOURNAL_MAGIC);

	memcpy(to, m->frozen ? m->frozen : b->page->data, j->setup.block_size);
	m->copied = true;
	if (memcmp(to, &magic, sizeof(magic)) != 0)
		return 0;
	memset(to, 0, sizeof(magic));
	return JOURNAL_TAG_ESCAPED;
}

static void put_tag(const struct journal *j, uint8_t *at, uint64_t number, uint32_t flags,
		    uint32_t checksum)
{
	struct journal_tag3 tag = {
		.block = to_be32((uint32_t)number),
		.flags = to_be32(flags),
		.block_high = to_be32((uint32_t)(number >> 32)),
		.checksum = to_be32(checksum),
	};

	assert(j->format.checksum3); /* the only format that is written */
	memcpy(at, &tag, sizeof(tag));
}

static struct list *next_dirty(struct journal_transaction *t, struct list *at)
{
	for (at = at->next; at != &t->members; at = at->next)
		if (journal_member_block(at, t->slot)->member[t->slot].dirty)
			break;
	return at;
}

/* One descriptor with its blocks, `left` at most; how many there were. */
static uint32_t log_descriptor(struct journal *j, struct journal_transaction *t, struct list **at,
			       uint32_t left) MAY_YIELD
{
	uint32_t count = left < j->tags_per_block ? left : j->tags_per_block;
	uint8_t *descriptor, *tag;

	journal_log_reserve(j, 1 + count);
	descriptor = journal_log_next(j);
	put_header(descriptor, JOURNAL_DESCRIPTOR, t->id);
	tag = descriptor + sizeof(struct journal_header);
	for (uint32_t i = 0; i < count; i++, *at = next_dirty(t, *at)) {
		struct journal_block *b = journal_member_block(*at, t->slot);
		uint8_t *data = journal_log_next(j);
		uint32_t flags = copy_block(j, b, &b->member[t->slot], data);

		if (i > 0)
			flags |= JOURNAL_TAG_SAME_UUID;
		if (i + 1 == count)
			flags |= JOURNAL_TAG_LAST;
		put_tag(j, tag, b->number, flags, journal_data_checksum(j, t->id, data));
		tag += j->format.tag_size;
		if (i == 0) {
			memcpy(tag, j->super.uuid, JOURNAL_UUID_SIZE);
			tag += JOURNAL_UUID_SIZE;
		}
	}
	put_checksum(j, descriptor, tail_offset(j));
	return count;
}

static uint32_t count_dirty(struct journal_transaction *t)
{
	uint32_t count = 0;

	for (struct list *at = next_dirty(t, &t->members); at != &t->members;
	     at = next_dirty(t, at))
		count++;
	return count;
}

static uint32_t round_up(uint32_t count, uint32_t unit)
{
	return count / unit + (count % unit != 0);
}

static void log_blocks(struct journal *j, struct journal_transaction *t, uint32_t count) MAY_YIELD
{
	struct list *at = next_dirty(t, &t->members);

	while (count > 0 && j->error == 0) {
		count -= log_descriptor(j, t, &at, count);
		task_yield(); /* the copy of a batch is enough for one turn */
	}
}

/* ---- the commit record. */

/*
 * Zeros where the record will be, durable before it. Torn between two sectors it is then whole,
 * as all it says is in the first, or it is none; over an old block of the log it would be one
 * with a wrong checksum, for which Linux refuses the file system.
 */
static void clear_record(struct journal *j) MAY_YIELD
{
	uint32_t at = j->head;

	journal_log_reserve(j, 1);
	(void)journal_log_next(j); /* it is zeros */
	j->head = at;
}

static int write_record(struct journal *j, struct journal_transaction *t) MAY_YIELD
{
	struct journal_commit_block *commit = (void *)j->record;
	unsigned int flags = DISK_PREFLUSH | DISK_FUA;
	struct timespec now;
	uint32_t count;
	uint64_t block = journal_where(j, j->head, 1, &count);

	if (MISTAKE(NO_PREFLUSH))
		flags &= ~(unsigned int)DISK_PREFLUSH;
	if (MISTAKE(NO_FUA))
		flags &= ~(unsigned int)DISK_FUA;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	memset(j->record, 0, j->setup.block_size);
	put_header(j->record, JOURNAL_COMMIT, t->id);
	commit->seconds = to_be64((uint64_t)now.tv_sec);
	commit->nanoseconds = to_be32((uint32_t)now.tv_nsec);
	put_checksum(j, j->record, offsetof(struct journal_commit_block, checksum));
	j->head = journal_index_after(j, j->head, 1);
	return journal_disk(j, DISK_WRITE, flags, j->record, j->setup.block_size,
			    block * j->setup.block_size);
}

/* The log was empty: from now on it begins here. Durable by the commit record's flush. */
static int mark_begun(struct journal *j, const struct journal_transaction *t) MAY_YIELD
{
	int r;

	if (!j->marked_empty)
		return 0;
	task_lock_take(&j->super_lock);
	r = journal_super_store(j, t->log_first, t->id, 0);
	j->marked_empty = false;
	task_lock_drop(&j->super_lock);
	return r;
}

static void wait_data(struct journal *j, struct journal_transaction *t) MAY_YIELD
{
	while (t->data_count > 0)
		journal_wait(&j->drained);
}

#ifdef JOURNAL_MISTAKEN
static void go_home_early(struct journal_transaction *t) MAY_YIELD;
static void go_home_early(struct journal_transaction *t)
{
	for (struct list *at = next_dirty(t, &t->members); at != &t->members;
	     at = next_dirty(t, at)) {
		int r = cache_write_pages(&journal_member_block(at, t->slot)->page, 1);

		assert(r == 0);
	}
}
#else
static void go_home_early(struct journal_transaction *t)
{
	(void)t;
}
#endif

static int log_transaction(struct journal *j, struct journal_transaction *t) MAY_YIELD
{
	uint32_t blocks = count_dirty(t);
	int r, written;

	t->log_first = j->head;
	t->log_count = blocks + round_up(blocks, j->tags_per_block) +
		       round_up(t->revoke_count, j->revokes_per_block) + 1;
	assert(t->log_count <= j->free); /* L2 */
	j->free -= t->log_count;
	r = mark_begun(j, t);
	if (r < 0)
		return r;
	log_revokes(j, t);
	log_blocks(j, t, blocks);
	clear_record(j);
	written = journal_log_wait(j);
	if (!MISTAKE(RECORD_EARLY))
		wait_data(j, t);
	if (j->error < 0)
		return j->error;
	if (MISTAKE(HOME_EARLY))
		go_home_early(t);
	r = written < 0 ? written : write_record(j, t);
	wait_data(j, t);
	j->stats.blocks_logged += blocks;
	return r;
}

/* ---- when the record is durable. */

static void finish_member(struct journal *j, struct journal_transaction *t, struct list *node)
	MAY_YIELD
{
	struct journal_block *b = journal_member_block(node, t->slot);
	bool forgotten = b->member[t->slot].forgotten, dirty = b->member[t->slot].dirty;
	uint64_t number = b->number;

	/* Sent home before it was freed: it must not come there when the place is another's. */
	while (forgotten && b->going_home)
		journal_wait(&j->came_home);
	if (forgotten)
		journal_block_set_home(b, NULL); /* nobody will want it as it was */
	else if (dirty)
		journal_block_set_home(b, t);
	journal_member_remove(b, t->slot);
	journal_block_release(b);
	if (forgotten && !journal_block_has_member(b)) {
		journal_block_unuse(j, b);
		cache_drop(j->setup.blocks, number, number + 1);
		return;
	}
	journal_block_unuse(j, b);
}

static void finish(struct journal *j, struct journal_transaction *t) MAY_YIELD
{
	while (!list_empty(&t->members))
		finish_member(j, t, t->members.next);
	t->state = JOURNAL_CHECKPOINT;
	list_push_back(&j->checkpoints, &t->node);
	j->committing = NULL;
	j->committed_id = t->id;
	j->stats.commits++;
	if (j->setup.committed)
		j->setup.committed(j->setup.context, t->id);
	waitq_wake_all(&j->committed);
	waitq_wake_all(&j->room_wanted);
}

/* Nothing was changed in it, and nobody is in it: as if it had never begun. */
static void forget_transaction(struct journal *j, struct journal_transaction *t)
{
	while (!list_empty(&t->members)) {
		struct journal_block *b = journal_member_block(t->members.next, t->slot);

		journal_member_remove(b, t->slot);
		journal_block_release(b);
		journal_block_unuse(j, b);
	}
	j->running = NULL;
	j->next_id--;
	journal_transaction_free(t);
	waitq_wake_all(&j->unlocked);
	waitq_wake_all(&j->committed);
}

static void commit_running(struct journal *j) MAY_YIELD
{
	struct journal_transaction *t = j->running;
	int r;

	t->state = JOURNAL_LOCKED;
	while (t->handles > 0)
		journal_wait(&j->drained);
	if (j->error < 0)
		return; /* what is in it stays there until the journal is closed */
	if (count_dirty(t) == 0 && t->revoke_count == 0 && t->data_count == 0) {
		forget_transaction(j, t);
		return;
	}
	t->state = JOURNAL_COMMITTING;
	j->committing = t;
	j->running = NULL;
	waitq_wake_all(&j->unlocked);
	r = log_transaction(j, t);
	if (r < 0)
		journal_abort(j, r);
	if (j->error == 0)
		finish(j, t);
}

static bool is_due(const struct journal *j)
{
	const struct journal_transaction *t = j->running;

	return t && j->error == 0 && (t->wanted || j->stopping || t->due_ns <= clock_now_ns());
}

static void run(struct journal *j) MAY_YIELD
{
	for (;;) {
		int r;

		if (j->error < 0 && !j->error_noted) {
			journal_error_store(j);
			continue;
		}
		if (is_due(j)) {
			commit_running(j);
			continue;
		}
		if (j->stopping)
			return;
		r = waitq_wait(&j->commit_wanted,
			       j->running && j->error == 0 ? j->running->due_ns : TASK_FOREVER,
			       WAIT_SURE);
		assert(r == 0 || r == -ETIMEDOUT);
	}
}

void journal_commit_task(void *arg)
{
	struct journal *j = arg;

	task_background();
	run(j);
	j->task = NULL;
	waitq_wake_all(&j->committed);
}

/* ---- waiting for it. */

static struct journal_transaction *find_transaction(const struct journal *j, uint32_t id)
{
	if (j->committing && j->committing->id == id)
		return j->committing;
	return j->running && j->running->id == id ? j->running : NULL;
}

bool journal_committed(const struct journal *j, uint32_t id)
{
	return !j || !find_transaction(j, id);
}

bool journal_recorded(const struct journal *j, uint32_t id)
{
	return !journal_id_before(j->committed_id, id);
}

uint32_t journal_newest(const struct journal *j)
{
	const struct journal_transaction *t = !j ? NULL : j->running ? j->running : j->committing;

	return t ? t->id : 0;
}

void journal_wait_committed(struct journal *j)
{
	if (j->error == 0)
		journal_wait(&j->committed);
}

int journal_commit(struct journal *j, uint32_t id)
{
	struct journal_transaction *t;

	if (!j)
		return 0;
	if (j->error < 0)
		return journal_committed(j, id) ? 0 : -EROFS;
	while ((t = find_transaction(j, id))) {
		if (j->error < 0)
			return j->error == -EIO || j->error == -ENOSPC ? j->error : -EROFS;
		journal_transaction_ask(t);
		journal_wait_committed(j);
	}
	return 0;
}

int journal_commit_all(struct journal *j)
{
	if (!j)
		return 0;
	if (j->running)
		return journal_commit(j, j->running->id);
	if (j->committing)
		return journal_commit(j, j->committing->id);
	return j->error < 0 ? -EROFS : 0;
}

/* log.c - the journal's blocks: where they are, reading ahead, writing in batches. */
#include "journal/inside.h"

#include "base/crc32c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE 4096u

/* ---- one request, waited for. */

struct waited {
	struct disk_request request;
	struct waitq done;
	bool is_done;
	int error;
};

static void waited_done(struct disk_request *request, int error)
{
	struct waited *w = CONTAINER_OF(request, struct waited, request);

	w->is_done = true;
	w->error = error;
	waitq_wake_all(&w->done);
}

int journal_disk(struct journal *j, enum disk_op op, unsigned int flags, void *data, uint64_t size,
		 uint64_t offset)
{
	struct waited w = { .request = { .op = op,
					 .flags = flags,
					 .data = data,
					 .size = size,
					 .offset = offset,
					 .done = waited_done } };

	waitq_init(&w.done);
	disk_send(j->setup.disk, &w.request);
	while (!w.is_done)
		journal_wait(&w.done);
	return w.error;
}

/* ---- where the blocks are. */

static int run_add(struct journal *j, uint32_t index, uint64_t block, uint32_t *room)
{
	struct journal_run *last = j->run_count > 0 ? &j->runs[j->run_count - 1] : NULL;

	if (last && last->block + last->count == block) {
		last->count++;
		return 0;
	}
	if (j->run_count == *room) {
		uint32_t wanted = *room ? 2 * *room : 16;
		struct journal_run *runs = realloc(j->runs, wanted * sizeof(*runs));

		if (!runs)
			return -ENOMEM;
		j->runs = runs;
		*room = wanted;
	}
	j->runs[j->run_count++] = (struct journal_run){ index, 1, block };
	return 0;
}

static int by_block(const void *a, const void *b)
{
	const struct journal_run *left = a, *right = b;

	return left->block < right->block ? -1 : left->block > right->block;
}

int journal_runs_make(struct journal *j, uint32_t block_count)
{
	struct disk_info info;
	uint32_t room = 0;

	disk_info(j->setup.disk, &info);
	for (uint32_t i = 0; i < block_count; i++) {
		uint64_t block;
		int r = j->setup.where(j->setup.context, i, &block);

		if (r == 0 && (block == 0 || block >= info.size / j->setup.block_size))
			r = -EUCLEAN;
		if (r == 0)
			r = run_add(j, i, block, &room);
		if (r < 0)
			return r;
	}
	j->runs_by_block = malloc(j->run_count * sizeof(*j->runs));
	if (!j->runs_by_block)
		return -ENOMEM;
	memcpy(j->runs_by_block, j->runs, j->run_count * sizeof(*j->runs));
	qsort(j->runs_by_block, j->run_count, sizeof(*j->runs), by_block);
	return 0;
}

uint64_t journal_where(const struct journal *j, uint32_t index, uint32_t max, uint32_t *ret_count)
{
	const struct journal_run *run;
	uint32_t low = 0, high = j->run_count, left;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (j->runs[middle].index <= index)
			low = middle;
		else
			high = middle;
	}
	run = &j->runs[low];
	assert(index - run->index < run->count);
	left = run->count - (index - run->index);
	*ret_count = left < max ? left : max;
	return run->block + (index - run->index);
}

bool journal_has_block(const struct journal *j, uint64_t block)
{
	uint32_t low = 0, high = j->run_count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (j->runs_by_block[middle].block <= block)
			low = middle;
		else
			high = middle;
	}
	return block >= j->runs_by_block[low].block &&
	       block - j->runs_by_block[low].block < j->runs_by_block[low].count;
}

/* ---- reading. */

int journal_reader_open(struct journal *j, struct journal_reader *ret)
{
	uint8_t *window = aligned_alloc(PAGE_SIZE,
					(size_t)JOURNAL_BATCH_BLOCKS * j->setup.block_size);

	if (!window)
		return -ENOMEM;
	*ret = (struct journal_reader){ .journal = j, .window = window };
	return 0;
}

void journal_reader_close(struct journal_reader *reader)
{
	free(reader->window);
	reader->window = NULL;
}

int journal_reader_get(struct journal_reader *reader, uint32_t index, const uint8_t **ret_data)
{
	struct journal *j = reader->journal;
	uint32_t size = j->setup.block_size;

	if (reader->count == 0 || index - reader->first >= reader->count) {
		uint32_t max = j->end - index, count;
		uint64_t block = journal_where(
			j, index, max < JOURNAL_BATCH_BLOCKS ? max : JOURNAL_BATCH_BLOCKS, &count);
		int r;

		reader->count = 0;
		r = journal_disk(j, DISK_READ, 0, reader->window, (uint64_t)count * size,
				 block * size);
		if (r < 0)
			return r;
		reader->first = index;
		reader->count = count;
	}
	*ret_data = reader->window + (size_t)(index - reader->first) * size;
	return 0;
}

/* ---- writing. */

static void write_done(struct disk_request *request, int error)
{
	struct journal_write *w = CONTAINER_OF(request, struct journal_write, request);
	struct journal *j = w->batch->journal;

	if (error < 0 && j->write_error == 0)
		j->write_error = error;
	if (--w->batch->under_way == 0)
		waitq_wake_all(&j->written);
}

int journal_batches_make(struct journal *j)
{
	for (unsigned int i = 0; i < JOURNAL_BATCHES; i++) {
		struct journal_batch *b = &j->batch[i];

		b->journal = j;
		b->data = aligned_alloc(PAGE_SIZE,
					(size_t)JOURNAL_BATCH_BLOCKS * j->setup.block_size);
		b->writes = malloc(JOURNAL_BATCH_BLOCKS * sizeof(*b->writes));
		if (!b->data || !b->writes)
			return -ENOMEM;
	}
	return 0;
}

void journal_batches_free(struct journal *j)
{
	for (unsigned int i = 0; i < JOURNAL_BATCHES; i++) {
		assert(j->batch[i].under_way == 0);
		free(j->batch[i].data);
		free(j->batch[i].writes);
	}
}

/* The batch being filled is sent: one write for each piece that is in line on the disk. */
static void send_batch(struct journal *j)
{
	struct journal_batch *b = &j->batch[j->filling];
	uint32_t size = j->setup.block_size, sent = 0, index = b->first;
	unsigned int pieces = 0;

	while (sent < b->used) {
		uint32_t max = j->end - index, count;
		uint64_t block = journal_where(j, index,
					       max < b->used - sent ? max : b->used - sent, &count);

		b->writes[pieces++] =
			(struct journal_write){ .batch = b,
						.request = { .op = DISK_WRITE,
							     .offset = block * size,
							     .data = b->data + (size_t)sent * size,
							     .size = (uint64_t)count * size,
							     .done = write_done } };
		sent += count;
		index = journal_index_after(j, index, count);
	}
	b->under_way = pieces;
	b->used = 0;
	for (unsigned int i = 0; i < pieces; i++)
		disk_send(j->setup.disk, &b->writes[i].request);
	j->filling = (j->filling + 1) % JOURNAL_BATCHES;
}

void journal_log_reserve(struct journal *j, uint32_t count)
{
	assert(count <= JOURNAL_BATCH_BLOCKS);
	if (j->batch[j->filling].used + count > JOURNAL_BATCH_BLOCKS)
		send_batch(j);
	while (j->batch[j->filling].under_way > 0)
		journal_wait(&j->written);
}

uint8_t *journal_log_next(struct journal *j)
{
	struct journal_batch *b = &j->batch[j->filling];
	uint8_t *block = b->data + (size_t)b->used * j->setup.block_size;

	assert(b->under_way == 0 && b->used < JOURNAL_BATCH_BLOCKS);
	if (b->used == 0)
		b->first = j->head;
	b->used++;
	j->head = journal_index_after(j, j->head, 1);
	memset(block, 0, j->setup.block_size);
	return block;
}

int journal_log_wait(struct journal *j)
{
	int r;

	if (j->batch[j->filling].used > 0)
		send_batch(j);
	for (unsigned int i = 0; i < JOURNAL_BATCHES; i++)
		while (j->batch[i].under_way > 0)
			journal_wait(&j->written);
	r = j->write_error;
	j->write_error = 0;
	return r;
}

/* ---- checksums. */

uint32_t journal_block_checksum(const struct journal *j, const uint8_t *block, size_t offset)
{
	static const struct be32 none;
	uint32_t crc;

	if (j->format.tail_size == 0)
		return 0;
	crc = crc32c(j->seed, block, offset);
	crc = crc32c(crc, &none, sizeof(none));
	offset += sizeof(none);
	return crc32c(crc, block + offset, j->setup.block_size - offset);
}

uint32_t journal_data_checksum(const struct journal *j, uint32_t sequence, const uint8_t *data)
{
	struct be32 big = to_be32(sequence);

	if (j->format.tail_size == 0)
		return 0;
	return crc32c(crc32c(j->seed, &big, sizeof(big)), data, j->setup.block_size);
}

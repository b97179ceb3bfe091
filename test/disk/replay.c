/*
 * replay.c - what is on the platter at each place of a log.
 *
 * The image is the durable prefix of the place it was moved to, plus what was chosen of the
 * rest; for the latter the old bytes are kept and put back before the next move.
 */
#include "test/disk/inside.h"
#include "test/harness.h"

#include <stdlib.h>
#include <string.h>

struct undo {
	uint64_t offset, size;
	const void *data;
};

struct replay {
	const struct log *log;
	size_t length;	 /* of the log, when the replay began */
	size_t *durable; /* for each place */
	struct store image;
	size_t base; /* all before it is in the image for good */
	struct undo *undo;
	size_t undo_count, undo_room;
	struct arena old;
	bool open; /* replay_disk() */
};

struct replay *replay_begin(const struct test_disk *td)
{
	struct replay *r = malloc(sizeof(*r));

	CHECK(r);
	*r = (struct replay){ .log = test_disk_log_of(td) };
	CHECK(r->log->recording);
	r->length = r->log->length;
	r->durable = malloc((r->length + 1) * sizeof(*r->durable));
	CHECK(r->durable);
	r->durable[0] = 0;
	for (size_t k = 0; k < r->length; k++) {
		const struct test_record *record = &r->log->record[k];

		r->durable[k + 1] = r->durable[k];
		if (record->kind == RECORD_FLUSH && record->number > r->durable[k])
			r->durable[k + 1] = record->number;
	}
	store_init(&r->image, r->log->before.size);
	store_copy(&r->image, &r->log->before);
	arena_init(&r->old);
	return r;
}

void replay_end(struct replay *r)
{
	CHECK(!r->open);
	arena_fini(&r->old);
	store_fini(&r->image);
	free(r->undo);
	free(r->durable);
	free(r);
}

/* ---- changes that are taken back. */

static void remember(struct replay *r, uint64_t offset, uint64_t size)
{
	if (r->undo_count == r->undo_room) {
		r->undo_room = r->undo_room ? 2 * r->undo_room : 256;
		r->undo = realloc(r->undo, r->undo_room * sizeof(*r->undo));
		CHECK(r->undo);
	}
	r->undo[r->undo_count++] = (struct undo){
		.offset = offset,
		.size = size,
		.data = arena_copy(&r->old, r->image.data + offset, size),
	};
}

static void take_back(struct replay *r)
{
	CHECK(!r->open);
	while (r->undo_count > 0) {
		const struct undo *u = &r->undo[--r->undo_count];

		store_write(&r->image, u->offset, u->data, u->size);
	}
	r->old.used = 0;
}

static void put(struct store *s, const struct test_record *record, uint64_t skip, uint64_t size)
{
	if (record->kind == RECORD_WRITE)
		store_write(s, record->offset + skip, (const char *)record->data + skip, size);
	else
		store_zero(s, record->offset + skip, size);
}

static bool changes(const struct test_record *record)
{
	return record->kind == RECORD_WRITE || record->kind == RECORD_DISCARD;
}

/* ---- moves. */

static void move_base(struct replay *r, size_t k)
{
	CHECK(k <= r->length);
	take_back(r);
	if (k < r->base) {
		store_copy(&r->image, &r->log->before);
		r->base = 0;
	}
	for (; r->base < k; r->base++)
		if (changes(&r->log->record[r->base]))
			put(&r->image, &r->log->record[r->base], 0, r->log->record[r->base].size);
}

static void choose(struct replay *r, const struct test_record *record)
{
	remember(r, record->offset, record->size);
	put(&r->image, record, 0, record->size);
}

size_t replay_durable(const struct replay *r, size_t k)
{
	CHECK(k <= r->length);
	return r->durable[k];
}

void replay_prefix(struct replay *r, size_t k)
{
	move_base(r, replay_durable(r, k));
	for (size_t i = r->base; i < k; i++)
		if (changes(&r->log->record[i]))
			choose(r, &r->log->record[i]);
}

void replay_chosen(struct replay *r, size_t k, const size_t *records, size_t count)
{
	move_base(r, replay_durable(r, k));
	for (size_t i = 0; i < count; i++) {
		CHECK(records[i] >= r->base && records[i] < k);
		CHECK(i == 0 || records[i - 1] < records[i]);
		CHECK(changes(&r->log->record[records[i]]));
		choose(r, &r->log->record[records[i]]);
	}
}

/* Some sectors of it: the first ones, or any. */
static void choose_torn(struct replay *r, const struct test_record *record, uint64_t *random)
{
	uint64_t sectors = record->size / DISK_SECTOR;
	bool any = test_random(random, 2) == 0;
	uint64_t first = any ? sectors : test_random(random, sectors + 1);

	remember(r, record->offset, record->size);
	for (uint64_t i = 0; i < first; i++)
		if (!any || test_random(random, 2) == 0)
			put(&r->image, record, i * DISK_SECTOR, DISK_SECTOR);
}

size_t replay_crash(struct replay *r, size_t k, uint64_t seed, unsigned int flags)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15u + k;
	/* Between few of them and most: a fair coin for each would show only middling choices. */
	uint64_t share = 1 + test_random(&random, 15);
	size_t count = 0;

	move_base(r, replay_durable(r, k));
	for (size_t i = r->base; i < k; i++) {
		const struct test_record *record = &r->log->record[i];

		if (!changes(record))
			continue;
		count++;
		if (seed == 0 || test_random(&random, 16) >= share)
			continue;
		if (flags & REPLAY_TORN && test_random(&random, 4) == 0)
			choose_torn(r, record, &random);
		else
			choose(r, record);
	}
	return count;
}

/* ---- to judge. */

const char *replay_data(const struct replay *r)
{
	return r->image.data;
}

void replay_save(const struct replay *r, const char *path)
{
	store_save(&r->image, path);
}

static void submit(struct disk *disk, struct list *requests)
{
	struct replay *r = disk_context(disk);

	LIST_EACH(node, requests) {
		struct disk_request *q = LIST_ENTRY(node, struct disk_request, node);

		if (q->op == DISK_READ)
			memcpy(q->data, r->image.data + q->offset, q->size);
		if (q->op == DISK_WRITE || q->op == DISK_DISCARD)
			remember(r, q->offset, q->size);
		if (q->op == DISK_WRITE)
			store_write(&r->image, q->offset, q->data, q->size);
		if (q->op == DISK_DISCARD)
			store_zero(&r->image, q->offset, q->size);
	}
	disk_done(disk, requests, 0);
}

static void close_disk(struct disk *disk)
{
	struct replay *r = disk_context(disk);

	r->open = false;
}

static const struct disk_driver driver = {
	.name = "replay",
	.submit = submit,
	.close = close_disk,
};

struct disk *replay_disk(struct replay *r)
{
	const struct disk_info info = { .size = r->image.size, .can_discard = true };
	struct disk *disk;

	CHECK(!r->open);
	CHECK_INT(disk_new(&driver, &info, r, &disk), 0);
	r->open = true;
	return disk;
}

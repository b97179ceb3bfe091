/*
 * disk_log.c - what was done to a test disk, in the order in which it was done.
 */
#include "test/disk/inside.h"
#include "test/harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENA_SIZE (UINT64_C(64) << 30) /* address space only */

/* Documentation/admin-guide/device-mapper/log-writes.rst of Linux. */
#define DM_MAGIC 0x6a736677736872u
#define DM_VERSION 1u
#define DM_FLUSH 1u
#define DM_DISCARD 4u
#define DM_MARK 8u

struct dm_super {
	uint64_t magic, version, entry_count;
	uint32_t sector_size;
};

struct dm_entry {
	uint64_t sector, sector_count, flags, data_size;
};

void arena_init(struct arena *a)
{
	a->used = 0;
	a->data = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(a->data != MAP_FAILED);
}

void arena_fini(struct arena *a)
{
	munmap(a->data, ARENA_SIZE);
}

void *arena_copy(struct arena *a, const void *data, uint64_t size)
{
	char *copy = a->data + a->used;

	CHECK(size <= ARENA_SIZE - a->used);
	a->used += size;
	return memcpy(copy, data, size);
}

static void append(struct log *log, const struct test_record *record)
{
	if (!log->recording)
		return;
	if (log->length == log->room) {
		log->room = log->room ? 2 * log->room : 1024;
		log->record = realloc(log->record, log->room * sizeof(*log->record));
		CHECK(log->record);
	}
	log->record[log->length++] = *record;
}

void log_write(struct log *log, const struct disk_request *r, uint64_t size)
{
	struct test_record record = { .offset = r->offset, .size = size };

	if (!log->recording)
		return;
	record.kind = r->op == DISK_WRITE ? RECORD_WRITE : RECORD_DISCARD;
	if (r->op == DISK_WRITE)
		record.data = arena_copy(&log->data, r->data, size);
	append(log, &record);
}

void log_flush(struct log *log, size_t begun_at)
{
	append(log, &(struct test_record){ .kind = RECORD_FLUSH, .number = begun_at });
}

void log_mark(struct log *log, uint64_t number)
{
	append(log, &(struct test_record){ .kind = RECORD_MARK, .number = number });
}

void log_end(struct log *log)
{
	if (!log->recording)
		return;
	store_fini(&log->before);
	arena_fini(&log->data);
	free(log->record);
	*log = (struct log){ .recording = false };
}

size_t test_disk_log_length(const struct test_disk *td)
{
	return test_disk_log_of(td)->length;
}

const struct test_record *test_disk_log(const struct test_disk *td, size_t index)
{
	CHECK(index < test_disk_log_length(td));
	return &test_disk_log_of(td)->record[index];
}

static void put_sector(FILE *file, const void *data, size_t size)
{
	char sector[DISK_SECTOR] = { 0 };

	memcpy(sector, data, size);
	CHECK_INT(fwrite(sector, sizeof(sector), 1, file), 1);
}

static void put_record(FILE *file, const struct test_record *record)
{
	/* An entry with its mark's text after it, both in one sector. */
	struct {
		struct dm_entry entry;
		char text[32];
	} put = { .entry = { .sector = record->offset / DISK_SECTOR,
			     .sector_count = record->size / DISK_SECTOR } };

	if (record->kind == RECORD_FLUSH)
		put.entry.flags = DM_FLUSH;
	if (record->kind == RECORD_DISCARD)
		put.entry.flags = DM_DISCARD;
	if (record->kind == RECORD_MARK) {
		put.entry.flags = DM_MARK;
		put.entry.data_size = (uint64_t)snprintf(put.text, sizeof(put.text), "%llu",
							 (unsigned long long)record->number);
	}
	put_sector(file, &put, sizeof(put));
	if (record->kind == RECORD_WRITE)
		CHECK_INT(fwrite(record->data, record->size, 1, file), 1);
}

void test_disk_log_save(const struct test_disk *td, const char *path)
{
	const struct log *log = test_disk_log_of(td);
	const struct dm_super super = { .magic = DM_MAGIC,
					.version = DM_VERSION,
					.entry_count = log->length,
					.sector_size = DISK_SECTOR };
	FILE *file = fopen(path, "we");

	CHECK(file);
	put_sector(file, &super, sizeof(super));
	for (size_t i = 0; i < log->length; i++)
		put_record(file, &log->record[i]);
	CHECK_INT(fclose(file), 0);
}

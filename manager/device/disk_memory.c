/*
 * disk_memory.c - a disk in memory: what is not written takes no room.
 */
#include "device/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct memory {
	char *data;
	size_t size;
};

/* Whole pages go back to the host, the rest is cleared: both read as zeros. */
static void discard(const struct memory *m, uint64_t offset, uint64_t size)
{
	const uint64_t page = 4096;
	uint64_t begin = (offset + page - 1) / page * page;
	uint64_t end = (offset + size) / page * page;

	if (begin >= end || madvise(m->data + begin, end - begin, MADV_DONTNEED) < 0) {
		memset(m->data + offset, 0, size);
		return;
	}
	memset(m->data + offset, 0, begin - offset);
	memset(m->data + end, 0, offset + size - end);
}

static void memory_submit(struct disk *disk, struct list *requests)
{
	const struct memory *m = disk_context(disk);

	LIST_EACH(node, requests) {
		const struct disk_request *r = LIST_ENTRY(node, struct disk_request, node);

		if (r->op == DISK_READ)
			memcpy(r->data, m->data + r->offset, r->size);
		else if (r->op == DISK_WRITE)
			memcpy(m->data + r->offset, r->data, r->size);
		else if (r->op == DISK_DISCARD)
			discard(m, r->offset, r->size);
	}
	disk_done(disk, requests, 0);
}

static void memory_close(struct disk *disk)
{
	struct memory *m = disk_context(disk);

	munmap(m->data, m->size);
	free(m);
}

static const struct disk_driver driver = {
	.name = "memory",
	.submit = memory_submit,
	.close = memory_close,
};

int disk_open_memory(uint64_t size, struct disk **ret)
{
	const struct disk_info info = { .size = size, .can_discard = true };
	struct memory *m;
	int r;

	if (size < DISK_SECTOR || size > INT64_MAX)
		return -EINVAL;
	m = malloc(sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->size = size;
	m->data = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->data == MAP_FAILED) {
		free(m);
		return -ENOMEM;
	}
	r = disk_new(&driver, &info, m, ret);
	if (r < 0) {
		munmap(m->data, m->size);
		free(m);
	}
	return r;
}

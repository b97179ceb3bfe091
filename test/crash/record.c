/*
 * record.c - linked into a second `hascall`: what the manager does to an image is written to the
 * file that HASCALL_RECORD names, in the order in which it was done. Layer: test.
 *
 * A record is four little-endian numbers of 8 bytes and, for a write, its bytes:
 *     kind     1 a write, 2 a write that is durable by itself, 3 a discard, 4 a flush
 *     offset   bytes
 *     size     bytes; of a flush 0
 *     begun    of a flush: bytes of this file when it began; what stands before is durable
 *
 * The linker leads the image driver's disk_new() and disk_done() here (--wrap).
 */
#include "device/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum record_kind { RECORD_WRITE = 1, RECORD_DURABLE, RECORD_DISCARD, RECORD_FLUSH };

struct record {
	uint64_t kind, offset, size, begun;
};

static struct {
	const struct disk_driver *driver; /* the image's; NULL: nothing is recorded */
	struct disk *disk;
	int fd;
	uint64_t length;
	uint64_t flush_begun; /* one flush at a time: disk.h, Limit */
} recorder = { .fd = -1 };

int __real_disk_new(const struct disk_driver *driver, const struct disk_info *info, void *context,
		    struct disk **ret);
int __wrap_disk_new(const struct disk_driver *driver, const struct disk_info *info, void *context,
		    struct disk **ret);
void __real_disk_done(struct disk *disk, struct list *requests, int error);
void __wrap_disk_done(struct disk *disk, struct list *requests, int error);

static void put(const void *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(recorder.fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort(); /* a log with a hole proves nothing */
		data = (const char *)data + n;
		size -= (size_t)n;
		recorder.length += (size_t)n;
	}
}

static void put_request(const struct disk_request *r)
{
	struct record record = { .offset = r->offset, .size = r->size };

	if (r->op == DISK_READ)
		return;
	if (r->op == DISK_WRITE)
		record.kind = r->flags & DISK_FUA ? RECORD_DURABLE : RECORD_WRITE;
	else
		record.kind = r->op == DISK_FLUSH ? RECORD_FLUSH : RECORD_DISCARD;
	if (r->op == DISK_FLUSH)
		record.begun = recorder.flush_begun;
	put(&record, sizeof(record));
	if (r->op == DISK_WRITE)
		put(r->data, r->size);
}

static void submit(struct disk *disk, struct list *requests)
{
	const struct disk_request *first = LIST_ENTRY(requests->next, struct disk_request, node);

	if (first->op == DISK_FLUSH)
		recorder.flush_begun = recorder.length;
	recorder.driver->submit(disk, requests);
}

int __wrap_disk_new(const struct disk_driver *driver, const struct disk_info *info, void *context,
		    struct disk **ret)
{
	static struct disk_driver recording;
	const char *path = getenv("HASCALL_RECORD");
	int r;

	if (!path || recorder.driver || info->read_only)
		return __real_disk_new(driver, info, context, ret);
	recorder.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (recorder.fd < 0)
		return -errno;
	recorder.driver = driver;
	recording = *driver;
	recording.submit = submit;
	r = __real_disk_new(&recording, info, context, ret);
	if (r == 0)
		recorder.disk = *ret;
	return r;
}

/* What failed did nothing. A write may have, in part: no test with a recorder may see one fail. */
void __wrap_disk_done(struct disk *disk, struct list *requests, int error)
{
	if (disk == recorder.disk && recorder.driver) {
		LIST_EACH(node, requests) {
			const struct disk_request *r = LIST_ENTRY(node, struct disk_request, node);

			if (error < 0 && r->op == DISK_WRITE)
				abort();
			if (error == 0)
				put_request(r);
		}
	}
	__real_disk_done(disk, requests, error);
}

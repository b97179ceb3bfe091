#ifndef DEVICE_DISK_H
#define DEVICE_DISK_H
/*
 * disk.h - a disk is a port: requests are messages to it. Layer: device.
 *
 * A request goes into the disk's queue; the queue hands it to the disk's driver (an image
 * file, memory, a disk that tests make misbehave), sorted and joined with its neighbours.
 *
 *     new --disk_send--> queued --dispatch--> with the driver --done()--> the sender's again
 *
 * Order    requests under way at one time are carried out in any order: who needs one
 *          before another waits for it. DISK_FLUSH makes durable all writes whose done() ran
 *          before the flush was sent. Reads go before writes that nobody waits for, which
 *          wait DISK_WRITE_DELAY_NS at most; the latter are sorted by offset.
 * Limit    DISK_DEPTH requests with the driver at a time, DISK_BACKGROUND of them
 *          in the background; any number queued.
 * Owner    request and data are the sender's, untouched until done(): device and
 *          executors work on that memory, so nobody may write to data meanwhile.
 * Errors   -EIO and what else the host says; -EINVAL (outside the disk, misaligned);
 *          -EROFS; -ENOSPC (no room for the image's blocks).
 * Thread   scheduler thread only. done() runs outside any task: it must not yield.
 *
 * Way down: disk_send -> queue (disk.c) -> driver (disk_image.c) -> host_post (host.c).
 */
#include "base/cc.h"
#include "base/list.h"

#include <stdint.h>
#include <sys/types.h>

#define DISK_SECTOR 512u /* offsets and sizes are multiples of it */
#define DISK_DEPTH 32u
#define DISK_BACKGROUND 8u
#define DISK_WRITE_DELAY_NS 5000000u
#define DISK_JOIN_MAX 256u /* requests joined into one host call */

struct disk;

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD };

enum disk_flags {
	DISK_BACKGROUND_IO = 1, /* nobody waits for it now: may be delayed, sorted, joined */
	DISK_PREFLUSH = 2,	/* a write: a flush first (commit records) */
	DISK_FUA = 4,		/* a write: durable when done */
};

struct disk_request {
	enum disk_op op;
	unsigned int flags; /* enum disk_flags */
	uint64_t offset;    /* bytes */
	void *data;
	uint64_t size; /* bytes; of a discard too; a flush has none */
	/* May send again; `error`: 0 or -errno, all or nothing is promised of the data. */
	void (*done)(struct disk_request *request, int error);
	struct list node;  /* the disk's while under way */
	uint64_t since_ns; /* the disk's */
};

/* Send it; always answered by done(), never before disk_send() has returned. */
void disk_send(struct disk *disk, struct disk_request *request);

/* Send and wait, for sure. 0 or -errno. */
MUST_USE int disk_read(struct disk *disk, void *data, uint64_t size, uint64_t offset) MAY_YIELD;
MUST_USE int disk_write(struct disk *disk, const void *data, uint64_t size, uint64_t offset)
	MAY_YIELD;
MUST_USE int disk_flush(struct disk *disk) MAY_YIELD;

struct disk_info {
	uint64_t size; /* bytes */
	bool read_only;
	bool can_discard;
};
void disk_info(const struct disk *disk, struct disk_info *ret);

/* What a disk did; tests and benchmarks count with it. */
struct disk_stats {
	uint64_t reads, writes, flushes, discards; /* requests */
	uint64_t read_bytes, written_bytes;
	uint64_t calls;	 /* what the driver was asked: less than requests where they were joined */
	uint64_t queued; /* now */
};
void disk_stats_get(const struct disk *disk, struct disk_stats *ret);

/*
 * An image: a regular file or a block device, locked for as long as it is open, against
 * writers (read_only) or against everybody. `path` must be openable by the user.
 * -EBUSY: another process has it (or it is mounted, as far as the host tells);
 * -EMEDIUMTYPE: neither file nor block device; -errno of open(2).
 */
MUST_USE int disk_open_image(const char *path, bool read_only, struct disk **ret) MAY_YIELD;
/* In memory, zeros at first. */
MUST_USE int disk_open_memory(uint64_t size, struct disk **ret);
/* Nothing may be under way: asserted. The image is closed and its lock given up. NULL is fine. */
void disk_close(struct disk *disk);

/*
 * What a driver gives. `submit` carries the joined requests out (`requests`: linked by node,
 * same op, each beginning where the one before ends) and calls disk_done() once, later.
 * PREFLUSH and FUA are seen to by the queue: a driver sees plain reads, writes, flushes.
 */
struct disk_driver {
	const char *name;
	void (*submit)(struct disk *disk, struct list *requests);
	void (*close)(struct disk *disk);
};
MUST_USE int disk_new(const struct disk_driver *driver, const struct disk_info *info, void *context,
		      struct disk **ret);
void *disk_context(const struct disk *disk);
/* The requests of one submit are done, with this error. */
void disk_done(struct disk *disk, struct list *requests, int error);

#endif /* DEVICE_DISK_H */

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
 *          before another waits for it. DISK_FLUSH makes durable all writes (and discards)
 *          whose done() ran before the flush was sent. What somebody waits for goes before
 *          what is in the background; the latter waits so for DISK_WRITE_DELAY_NS at most.
 *          Both are served by offset, upwards and from the start again; what has waited
 *          for DISK_LATE_NS is served first.
 * Limit    DISK_DEPTH calls (joined requests are one) with the driver at a time,
 *          DISK_BACKGROUND of them in the background, and one flush: those sent while it
 *          is under way share the next. Any number queued.
 * Owner    request and data are the sender's, untouched until done(): device and
 *          executors work on that memory, so nobody may write to data meanwhile.
 * Errors   -EINVAL: outside the disk, misaligned, empty, unknown flags; -EROFS: a write or
 *          discard on a read-only disk (a flush of one is done at once); -EOPNOTSUPP: the
 *          disk cannot discard; -ENOSPC: no room for the image's blocks; -EIO and what
 *          else the host says. Of joined requests only those fail whose own data failed.
 *          After a write failed its range holds the old data, the new, or a mixture by
 *          sectors. After a flush failed, any write since the flush before may be lost, and
 *          the next flush does not bring it back: the host tells once.
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
#define DISK_LATE_NS 100000000u
#define DISK_JOIN_MAX 256u	   /* requests joined into one host call, */
#define DISK_JOIN_BYTES (1u << 20) /* and their bytes, if there is more than one */

struct disk;

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD };

enum disk_flags {
	DISK_BACKGROUND_IO = 1, /* nobody waits for it now: may be delayed, sorted, joined */
	DISK_PREFLUSH = 2,	/* a write: a flush first (commit records) */
	DISK_FUA = 4,		/* a write: durable when done */
	DISK_PAST_CACHE = 8,	/* a read: the sender reads ahead itself, the host need not */
};

/* Set the first five and done; the rest need not even be cleared. */
struct disk_request {
	enum disk_op op;
	unsigned int flags; /* enum disk_flags */
	uint64_t offset;    /* bytes */
	void *data;
	uint64_t size; /* bytes; of a discard too; a flush has none */
	/* May send again, this one too, but not close the disk. `error`: 0 or -errno. */
	void (*done)(struct disk_request *request, int error);
	/* the disk's while under way */
	struct list node;
	struct disk_request *smaller, *larger; /* in the queue, by offset */
	uint64_t sequence, since_ns;
	uint8_t stage;
	bool alone; /* failed together with others: try it by itself */
};

/* Send it; always answered by done(), never before disk_send() has returned. */
void disk_send(struct disk *disk, struct disk_request *request);

/* From a task: send and wait, for sure. 0 or -errno. */
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
	uint64_t reads, writes, flushes, discards; /* requests handed to the driver */
	uint64_t read_bytes, written_bytes;
	uint64_t calls;	 /* what the driver was asked: less than requests where they were joined */
	uint64_t queued; /* now */
};
void disk_stats_get(const struct disk *disk, struct disk_stats *ret);

/*
 * An image: a regular file or a block device, locked (flock) for as long as it is open,
 * against writers (read_only) or against everybody. What does not fill a sector at its
 * end is left alone. 0; -EBUSY: another open has it, in this process or another, or the
 * host has mounted it, as far as it tells; -EMEDIUMTYPE: neither file nor block device;
 * -EINVAL: smaller than a sector; -errno of open(2).
 */
MUST_USE int disk_open_image(const char *path, bool read_only, struct disk **ret) MAY_YIELD;
/* In memory, zeros at first. 0, -EINVAL or -ENOMEM. */
MUST_USE int disk_open_memory(uint64_t size, struct disk **ret);
/* Nothing may be under way: asserted. The image is closed and its lock given up. NULL is fine. */
void disk_close(struct disk *disk);

/*
 * What a driver gives. `submit` carries the joined requests out (`requests`: linked by node,
 * same op, each beginning where the one before ends) and calls disk_done() once, with
 * the same requests, at once or later; the head of the list is gone when it returns.
 * PREFLUSH is seen to by the queue, and FUA too unless the driver does it (if one of the
 * joined requests says it): other drivers may take all for plain reads, writes, flushes.
 */
struct disk_driver {
	const char *name;
	bool writes_through;
	void (*submit)(struct disk *disk, struct list *requests);
	void (*close)(struct disk *disk); /* frees the context */
};
/* 0; -EINVAL: info->size is not at least one sector; -ENOMEM. size is rounded down. */
MUST_USE int disk_new(const struct disk_driver *driver, const struct disk_info *info, void *context,
		      struct disk **ret);
void *disk_context(const struct disk *disk);
/* The requests of one submit are done, with this error. */
void disk_done(struct disk *disk, struct list *requests, int error);
/* For drivers: *to (not initialised before) takes over what hangs on `from`. */
static inline void disk_take(struct list *to, struct list *from)
{
	list_push_front(from, to);
	list_del(from);
}

#endif /* DEVICE_DISK_H */

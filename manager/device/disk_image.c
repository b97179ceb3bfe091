/*
 * disk_image.c - a disk that is a file or a block device of the host.
 *
 * Whoever sends requests has a cache: so writes, and reads that say DISK_PAST_CACHE, go past the
 * host's (O_DIRECT), which saves a copy of everything and half of the memory. What the host has
 * in its cache all the same is read from there. Other reads go through it, for its read-ahead.
 *
 * Writes go all the one way or all the other: a page that is dirty in the host's cache while a
 * direct write of its neighbour ends is an error of the host's, told at the next flush. The
 * first call that the host refuses to make directly (-EINVAL: its file system cannot, or
 * its sectors are larger than ours) sends everything through the cache from then on.
 *
 * What a small read finds in the host's cache is copied in this thread; everything else is an
 * executor's.
 */
#include "device/disk.h"
#include "device/disk_claim.h"
#include "device/host.h"
#include "device/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Copied in this thread: longer ones would hold up the other tasks. */
#define HERE_MAX (128u << 10)
/* What is direct begins and ends on such a place, in memory as on the disk. */
#define DIRECT_ALIGN DISK_SECTOR
#define HOST_PAGE 4096u

struct image;

struct image_call {
	struct host_request host;
	struct image *image;
	struct list node; /* in image->free, or in waiting */
	struct list requests;
	enum disk_op op;
	bool through;	       /* a write that is durable when it is done */
	bool past_cache;       /* wanted: direct if it can be */
	bool direct;	       /* the call under way */
	void *copy;	       /* of a write's data that was not aligned, or NULL */
	uint64_t offset, left; /* what is still to be done */
	unsigned int first, count;
	struct iovec part[DISK_JOIN_MAX];
};

struct image {
	struct disk *disk;
	int fd;
	int direct_fd; /* the same, open with O_DIRECT; -1: not possible */
	bool direct;   /* the host has not refused yet */
	char *map;     /* never touched: to ask what the host has in its cache. NULL: ask not */
	uint64_t map_size;
	int kept; /* keeps the host from mounting a block device; -1: nothing to keep */
	struct list free;
	struct image_call call[DISK_DEPTH + 1]; /* and a flush */
};

/* Of all images together: host.c keeps so many entries for them. */
static struct {
	struct list waiting;
	unsigned int posted;
} room = { .waiting = LIST_INIT(room.waiting) };

static uint64_t word(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

/* ---- one call. */

static void forget_done(struct image_call *call, uint64_t size)
{
	call->offset += size;
	call->left -= size;
	while (size > 0) {
		struct iovec *part = &call->part[call->first];
		size_t taken = size < part->iov_len ? size : part->iov_len;

		part->iov_base = (char *)part->iov_base + taken;
		part->iov_len -= taken;
		size -= taken;
		if (part->iov_len == 0)
			call->first++;
	}
}

/* True when the call has come to its end; then *ret_error is set. */
static bool take_result(struct image_call *call, int64_t result, int *ret_error)
{
	if (result == -EINTR)
		return false;
	if (result == -EINVAL && call->direct) {
		call->image->direct = false;
		return false; /* again, through the cache */
	}
	*ret_error = result == -EDQUOT ? -ENOSPC : result < 0 ? (int)result : 0;
	if (result < 0 || call->op == DISK_FLUSH || call->op == DISK_DISCARD)
		return true;
	if (result == 0 || (uint64_t)result > call->left) {
		*ret_error = -EIO; /* somebody has cut the file */
		return true;
	}
	forget_done(call, (uint64_t)result);
	return call->left == 0;
}

static bool is_aligned(const struct image_call *call)
{
	uint64_t bits = call->offset;

	for (unsigned int i = call->first; i < call->count; i++)
		bits |= word(call->part[i].iov_base) | call->part[i].iov_len;
	return bits % DIRECT_ALIGN == 0;
}

static uint32_t describe(struct image_call *call, uint64_t arg[6])
{
	const struct image *image = call->image;

	call->direct = call->past_cache && image->direct && is_aligned(call);
	arg[0] = (uint64_t)(call->direct ? image->direct_fd : image->fd);
	switch (call->op) {
	case DISK_FLUSH:
		return SYS_fdatasync;
	case DISK_DISCARD:
		arg[1] = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
		arg[2] = call->offset;
		arg[3] = call->left;
		return SYS_fallocate;
	case DISK_READ:
	case DISK_WRITE:
		break;
	}
	arg[1] = word(&call->part[call->first]);
	arg[2] = call->count - call->first;
	arg[3] = call->offset;
	arg[5] = call->through ? RWF_DSYNC : 0;
	return call->op == DISK_READ ? SYS_preadv2 : SYS_pwritev2;
}

static void finish(struct image_call *call, int error)
{
	struct image *image = call->image;
	struct list requests;

	free(call->copy);
	disk_take(&requests, &call->requests);
	list_push_back(&image->free, &call->node);
	disk_done(image->disk, &requests, error);
}

/* Post it, or make it here if there is no executor. True if it has come to its end. */
static bool post(struct image_call *call, int *ret_error)
{
	uint64_t arg[6] = { 0 };
	uint32_t num = describe(call, arg);
	bool ended;

	if (host_running() && host_post(&call->host, num, arg) == 0) {
		room.posted++;
		return false;
	}
	do {
		ended = take_result(call, host_call_now(num, arg), ret_error);
		num = describe(call, arg);
	} while (!ended);
	return true;
}

static void post_or_wait(struct image_call *call)
{
	int error;

	if (room.posted >= HOST_CALLS_DISKS)
		list_push_back(&room.waiting, &call->node);
	else if (post(call, &error))
		finish(call, error);
}

static void replied(struct host_request *host, int64_t result)
{
	struct image_call *call = CONTAINER_OF(host, struct image_call, host);
	struct list *next;
	int error;

	room.posted--;
	if (take_result(call, result, &error))
		finish(call, error);
	else
		post_or_wait(call);
	while (room.posted < HOST_CALLS_DISKS && (next = list_pop_front(&room.waiting)))
		post_or_wait(LIST_ENTRY(next, struct image_call, node));
}

/* ---- from the queue. */

/* What stands in a row in memory is one part: less for the host to look up. */
static void add_part(struct image_call *call, char *data, uint64_t size)
{
	struct iovec *last = call->count > 0 ? &call->part[call->count - 1] : NULL;

	if (last && (char *)last->iov_base + last->iov_len == data)
		last->iov_len += size;
	else
		call->part[call->count++] = (struct iovec){ .iov_base = data, .iov_len = size };
}

static void fill(struct image_call *call, struct list *requests)
{
	struct disk_request *first = LIST_ENTRY(requests->next, struct disk_request, node);

	call->op = first->op;
	call->through = false;
	call->past_cache = false;
	call->direct = false;
	call->copy = NULL;
	call->offset = first->offset;
	call->left = 0;
	call->first = 0;
	call->count = 0;
	LIST_EACH(node, requests) {
		struct disk_request *r = LIST_ENTRY(node, struct disk_request, node);

		add_part(call, r->data, r->size);
		call->left += r->size;
		call->through |= (r->flags & DISK_FUA) != 0;
		call->past_cache |= (r->flags & DISK_PAST_CACHE) != 0;
	}
	disk_take(&call->requests, requests);
}

/* What the host has in memory. True if that was everything. */
static bool read_here(struct image_call *call)
{
	int error;
	ssize_t n = preadv2(call->image->fd, call->part, (int)call->count, (off_t)call->offset,
			    RWF_NOWAIT);

	/* Errors and the end of the file are an executor's to find. */
	return n > 0 && take_result(call, n, &error);
}

/* Its first page tells. To read it would begin I/O. */
static bool host_has(const struct image_call *call)
{
	const struct image *image = call->image;
	unsigned char there = 0;

	return image->map &&
	       mincore(image->map + call->offset / HOST_PAGE * HOST_PAGE, HOST_PAGE, &there) == 0 &&
	       there & 1;
}

/* A write's data where it can be written directly from. Without memory it stays where it is. */
static void align(struct image_call *call)
{
	char *at;

	if (is_aligned(call))
		return;
	at = aligned_alloc(DIRECT_ALIGN, call->left);
	if (!at)
		return;
	call->copy = at;
	for (unsigned int i = 0; i < call->count; i++) {
		memcpy(at, call->part[i].iov_base, call->part[i].iov_len);
		at += call->part[i].iov_len;
	}
	call->part[0] = (struct iovec){ .iov_base = call->copy, .iov_len = call->left };
	call->count = 1;
}

static void choose_way(struct image_call *call)
{
	if (call->op == DISK_WRITE && call->image->direct) {
		call->past_cache = true;
		align(call);
	} else if (call->past_cache) {
		call->past_cache = call->image->direct && !host_has(call);
	}
}

static void image_submit(struct disk *disk, struct list *requests)
{
	struct image *image = disk_context(disk);
	struct list *node = list_pop_front(&image->free);
	struct image_call *call;

	assert(node); /* the queue knows its limits */
	call = LIST_ENTRY(node, struct image_call, node);
	fill(call, requests);
	choose_way(call);
	if (call->op == DISK_READ && call->left <= HERE_MAX && !call->past_cache && read_here(call))
		finish(call, 0);
	else
		post_or_wait(call);
}

static void free_image(struct image *image)
{
	if (image->map)
		munmap(image->map, image->map_size);
	host_close(image->direct_fd);
	free(image);
}

static void image_close(struct disk *disk)
{
	struct image *image = disk_context(disk);
	int fd = image->fd;

	host_close(image->kept);
	free_image(image);
	host_close(fd);
}

static const struct disk_driver driver = {
	.name = "image",
	.writes_through = true,
	.submit = image_submit,
	.close = image_close,
};

/* ---- opening. */

static bool is_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISBLK(st.st_mode);
}

static int size_of(int fd, uint64_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode))
		*ret_size = (uint64_t)st.st_size;
	else if (!S_ISBLK(st.st_mode))
		return -EMEDIUMTYPE;
	else if (ioctl(fd, BLKGETSIZE64, ret_size) < 0)
		return -errno;
	return 0;
}

/* What it takes to go past the host's cache. The lock is that of the first descriptor. */
static void open_direct(struct image *image, const struct disk_info *info)
{
	char path[32];
	void *map;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", image->fd);
	image->direct_fd = open(path, (info->read_only ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC);
	image->direct = image->direct_fd >= 0;
	image->map = NULL;
	image->map_size = info->size;
	if (!image->direct)
		return;
	map = mmap(NULL, info->size, PROT_READ, MAP_SHARED | MAP_NORESERVE, image->fd, 0);
	if (map != MAP_FAILED)
		image->map = map;
}

static int make_disk(int fd, int kept, const struct disk_info *info, struct disk **ret)
{
	struct image *image = malloc(sizeof(*image));
	int r;

	if (!image)
		return -ENOMEM;
	image->fd = fd;
	image->kept = kept;
	open_direct(image, info);
	list_init(&image->free);
	for (size_t i = 0; i < ARRAY_COUNT(image->call); i++) {
		struct image_call *call = &image->call[i];

		call->host = (struct host_request){ .done = replied };
		call->image = image;
		list_init(&call->requests);
		list_push_back(&image->free, &call->node);
	}
	r = disk_new(&driver, info, image, ret);
	if (r < 0)
		free_image(image);
	else
		image->disk = *ret;
	return r;
}

/* What there is to decide about an open file; *ret_kept: see struct image. */
static int examine(int fd, bool read_only, uint64_t *ret_size, int *ret_kept)
{
	int r = size_of(fd, ret_size);

	if (r == 0)
		r = disk_claim(fd, read_only);
	if (r < 0 || read_only || !is_device(fd))
		return r;
	return disk_keep_from_mount(fd, ret_kept);
}

int disk_open_image(const char *path, bool read_only, struct disk **ret)
{
	struct disk_info info = { .read_only = read_only, .can_discard = !read_only };
	int fd = host_openat(AT_FDCWD, path, read_only ? O_RDONLY : O_RDWR, 0);
	int kept = -1;
	int r;

	if (fd < 0)
		return fd == -EISDIR ? -EMEDIUMTYPE : fd;
	r = examine(fd, read_only, &info.size, &kept);
	if (r == 0)
		r = make_disk(fd, kept, &info, ret);
	if (r < 0) {
		host_close(kept);
		host_close(fd);
	}
	return r;
}

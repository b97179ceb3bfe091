#include "vfs/ext4/data_map.h"

#include "device/host.h"
#include "vfs/ext4/data_promise.h"
#include "vfs/small.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <unistd.h>

#define COPY_SIZE (64u * 1024u)
#define CLOSE_HERE (256u * 1024u)      /* bytes of a memfd that this thread closes */
#define SHIFT_SIZE (UINT64_C(4) << 20) /* moved without a break */
#define FILL_PAGES 128u		       /* copied by one call, */
#define FILL_PAGES_HERE 16u	       /* in this thread if they are no more */
#define FILL_AHEAD (8 * FILL_PAGES)    /* read meanwhile */
/* No page has these: compare the page itself; the memfd is older than the page. */
#define HASH_UNKNOWN UINT64_C(1)
#define HASH_BEHIND UINT64_C(2)
/* Odd, as no host file's version is, and more than the files in memory count to. */
#define VERSION_FIRST (UINT64_C(1) << 61 | 1)

static uint32_t map_count, closing_count;
static struct waitq all_closed;
static uint64_t map_bytes; /* charged, of all */
static uint64_t last_version = VERSION_FIRST;

static uint64_t page_up(uint64_t size)
{
	return (size + DATA_PAGE_SIZE - 1) & ~(uint64_t)(DATA_PAGE_SIZE - 1);
}

/* 64 bits of one page; zeros give 0. Not against who seeks two equal ones: it is his file. */
static uint64_t hash_page(const void *page)
{
	static const uint64_t factors[4] = {
		UINT64_C(0x9e3779b97f4a7c15),
		UINT64_C(0xc2b2ae3d27d4eb4f),
		UINT64_C(0x165667b19e3779f9),
		UINT64_C(0xd6e8feb86659fd93),
	};
	const unsigned char *at = page;
	uint64_t lanes[4] = { 0, 0, 0, 0 };

	for (size_t i = 0; i < DATA_PAGE_SIZE; i += sizeof(lanes)) {
		uint64_t words[4];

		memcpy(words, at + i, sizeof(words));
		for (unsigned int k = 0; k < 4; k++) {
			lanes[k] = (lanes[k] ^ words[k]) * factors[k];
			lanes[k] ^= lanes[k] >> 29;
		}
	}
	for (unsigned int k = 1; k < 4; k++)
		lanes[0] = (lanes[0] ^ lanes[k]) * factors[k] ^ lanes[0] >> 32;
	return lanes[0] == HASH_UNKNOWN || lanes[0] == HASH_BEHIND ? HASH_BEHIND + 1 : lanes[0];
}

uint64_t data_map_last_version(void)
{
	return last_version;
}

/* ---- the memfd. */

static int memory_new(void)
{
	char path[32];
	int first = memfd_create("file", MFD_CLOEXEC), fd;

	if (first < 0)
		return -errno;
	/* Opened once more: only what was opened counts when the host looks who has it. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", first);
	fd = open(path, O_RDWR | O_CLOEXEC);
	fd = fd < 0 ? -errno : fd;
	close(first);
	return fd;
}

void data_map_take_back(struct data_map *map)
{
	if (map->read_fd >= 0)
		close(map->read_fd);
	if (map->write_fd >= 0)
		close(map->write_fd);
	map->read_fd = -1;
	map->write_fd = -1;
}

/* Has nobody else the memfd open or mapped? */
bool data_map_is_alone(const struct data_map *map)
{
	if (fcntl(map->fd, F_SETLEASE, F_WRLCK) < 0)
		return false;
	(void)!fcntl(map->fd, F_SETLEASE, F_UNLCK);
	return true;
}

static int write_memory(const struct data_map *map, const char *from, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t r = pwrite(map->fd, from, size, (off_t)offset);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r < 0 ? -errno : -ENOSPC;
		from += r;
		size -= (size_t)r;
		offset += (uint64_t)r;
	}
	return 0;
}

static ssize_t read_memory(const struct data_map *map, void *to, size_t size, uint64_t offset)
{
	ssize_t r;

	do
		r = pread(map->fd, to, size, (off_t)offset);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static int resize_memory(struct data_map *map, uint64_t size)
{
	uint64_t *hashes;

	if (size == map->size)
		return 0;
	if (size > map->size) { /* zeroed memory that costs nothing before it is used */
		hashes = calloc(size >> DATA_PAGE_SHIFT, sizeof(*hashes));
		if (!hashes)
			return -ENOMEM;
		if (map->size > 0)
			memcpy(hashes, map->hashes,
			       (map->size >> DATA_PAGE_SHIFT) * sizeof(*hashes));
	} else {
		hashes = map->hashes;
	}
	if (ftruncate(map->fd, (off_t)size) < 0) {
		if (hashes != map->hashes)
			free(hashes);
		return -errno;
	}
	if (hashes != map->hashes) {
		free(map->hashes);
		map->hashes = hashes;
	}
	map->size = size;
	return 0;
}

static void close_large(void *arg) MAY_YIELD
{
	int fd = (int)(intptr_t)arg;
	const uint64_t args[6] = { (uint64_t)fd };
	int64_t r;

	task_background();
	r = host_call(SYS_close, args);
	if (r == -ENOMEM || r == -EAGAIN) /* no executor could be had */
		close(fd);
	if (--closing_count == 0)
		waitq_wake_all(&all_closed);
}

/* The host takes 0.2 ms for a MiB of memory that nobody has: large ones are an executor's. */
static void close_memory(int fd, uint64_t size)
{
	if (size <= CLOSE_HERE ||
	    task_start(NULL, "ext4 memory", close_large, (void *)(intptr_t)fd) < 0) {
		close(fd);
		return;
	}
	if (closing_count++ == 0)
		waitq_init(&all_closed);
}

void data_maps_wait_closed(void)
{
	while (closing_count > 0)
		(void)!waitq_wait(&all_closed, TASK_FOREVER, WAIT_SURE);
}

void data_map_destroy(struct data_map *map)
{
	data_map_take_back(map);
	if (map->fd >= 0)
		close_memory(map->fd, map->size);
	list_del(&map->node);
	map->inode->data->map = NULL;
	map_bytes -= map->charged;
	map_count--;
	free(map->hashes);
	free(map);
}

/* ---- what the rest of data does with it. */

/* Some pages may be newer than the memfd: those come from the file. */
static int read_part(struct ext4_inode *inode, char *to, size_t size, uint64_t offset) MAY_YIELD
{
	const struct data_map *map = inode->data->map; /* it may go while a page is read */
	uint64_t index = offset >> DATA_PAGE_SHIFT;
	struct cache_page *page;
	ssize_t r;

	if (map && map->hashes[index] != HASH_BEHIND) {
		r = read_memory(map, to, size, offset);
		if (r >= 0)
			memset(to + r, 0, size - (size_t)r);
		return r < 0 ? (int)r : 0;
	}
	r = cache_get(&inode->pages, index, &page);
	if (r < 0)
		return (int)r;
	memcpy(to, (const char *)page->data + offset % DATA_PAGE_SIZE, size);
	cache_put(page);
	return 0;
}

static ssize_t read_parts(struct ext4_inode *inode, char *to, size_t size, uint64_t offset)
	MAY_YIELD
{
	size_t done = 0, part;

	for (; done < size; done += part) {
		uint64_t at = offset + done;
		int r;

		part = min(size - done, DATA_PAGE_SIZE - at % DATA_PAGE_SIZE);
		r = read_part(inode, to + done, part, at);
		if (r < 0)
			return done > 0 ? (ssize_t)done : r;
	}
	return (ssize_t)done;
}

ssize_t data_map_read(struct ext4_inode *inode, void *buf, size_t size, uint64_t offset)
{
	ssize_t r;

	if (inode->data->map->behind)
		return read_parts(inode, buf, size, offset);
	r = read_memory(inode->data->map, buf, size, offset);
	if (r >= 0) /* it ends no sooner than the file, but for an error before */
		memset((char *)buf + r, 0, size - (size_t)r);
	return r < 0 ? r : (ssize_t)size;
}

/*
 * The pages of the file changed here, and so did the memfd (error 0), but clients may be quicker;
 * or it could not follow. It stays behind then until it has caught up with the whole page.
 */
static void changed(struct data_map *map, int error, uint64_t offset, uint64_t end)
{
	map->behind = map->behind || error < 0;
	for (uint64_t i = offset >> DATA_PAGE_SHIFT; i << DATA_PAGE_SHIFT < end; i++)
		if (error < 0 || map->hashes[i] != HASH_BEHIND)
			map->hashes[i] = error < 0 ? HASH_BEHIND : HASH_UNKNOWN;
}

void data_map_written(struct ext4_inode *inode, const void *buf, size_t size, uint64_t offset)
{
	struct data_map *map = inode->data->map;

	/* data_map_resize() made it long enough; without memory, clients see the old bytes. */
	if (map)
		changed(map, write_memory(map, buf, size, offset), offset, offset + size);
}

void data_map_zero(struct ext4_inode *inode, uint64_t offset, uint64_t size)
{
	struct data_map *map = inode->data->map;
	int r;

	if (!map || offset >= map->size)
		return;
	size = min(size, map->size - offset);
	r = fallocate(map->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		      (off_t)size);
	changed(map, size > 0 && r < 0 ? -errno : 0, offset, offset + size);
}

int data_map_resize(struct ext4_inode *inode, uint64_t size)
{
	struct data_map *map = inode->data->map;

	return map && page_up(size) > map->size ? resize_memory(map, page_up(size)) : 0;
}

void data_map_cut(struct ext4_inode *inode, uint64_t size)
{
	struct data_map *map = inode->data->map;
	uint64_t first = page_up(size) >> DATA_PAGE_SHIFT;

	if (!map)
		return;
	data_map_zero(inode, size, page_up(size) - size);
	if (map->size > page_up(size))
		memset(map->hashes + first, 0,
		       ((map->size >> DATA_PAGE_SHIFT) - first) * sizeof(*map->hashes));
	(void)!resize_memory(map, page_up(size));
}

/* Pages that the memfd has not as the file has them: once more. inode->lock is held. */
static void catch_up(struct data_map *map) MAY_YIELD
{
	struct ext4_inode *inode = map->inode;
	uint64_t end = page_up(inode->size) >> DATA_PAGE_SHIFT;
	bool behind = false;

	for (uint64_t i = 0; i < map->size >> DATA_PAGE_SHIFT; i++) {
		struct cache_page *page;
		int r;

		if (map->hashes[i] != HASH_BEHIND)
			continue;
		r = i < end ? cache_get(&inode->pages, i, &page) : -ENOENT;
		if (r == 0) {
			r = write_memory(map, page->data, DATA_PAGE_SIZE, i << DATA_PAGE_SHIFT);
			if (r == 0)
				map->hashes[i] = hash_page(page->data);
			cache_put(page);
			task_yield();
		}
		behind = behind || r < 0;
	}
	map->behind = behind;
}

void data_map_shift(struct ext4_inode *inode, uint64_t from, uint64_t to)
{
	struct data_map *map = inode->data->map;
	uint64_t size, first = min(from, to);
	int r = 0;

	if (!map)
		return;
	size = map->size > max(from, to) ? map->size - max(from, to) : 0;
	/* Which pages are behind would move with their bytes. */
	if (map->behind)
		r = -ENOMEM;
	/*
	 * What clients store meanwhile goes with the bytes it is among, and is found when pages
	 * are compared.
	 */
	changed(map, 0, first, map->size);
	for (uint64_t done = 0, part; r == 0 && done < size; done += part) {
		uint64_t at;

		part = min(SHIFT_SIZE, size - done);
		at = to < from ? done : size - part - done;
		r = memory_move(map->fd, from + at, to + at, part);
		task_yield();
	}
	if (r < 0) {
		changed(map, r, first, map->size);
		catch_up(map);
	}
}

void data_map_reload(struct ext4_inode *inode, uint64_t offset)
{
	struct data_map *map = inode->data->map;

	if (!map)
		return;
	data_map_cut(inode, inode->size);
	changed(map, -EIO, offset, map->size);
	catch_up(map);
}

/* ---- what clients stored. */

static int push_page(struct data_map *map, uint64_t index, char *bytes) MAY_YIELD
{
	struct ext4_inode *inode = map->inode;
	unsigned int shift = inode->fs->block_shift, added;
	uint64_t start = index << DATA_PAGE_SHIFT, hash;
	uint64_t rest = inode->size > start ? inode->size - start : 0;
	struct cache_page *page;
	int r;

	if (rest == 0)
		return 0;
	if (rest < DATA_PAGE_SIZE) /* what is behind the end is nobody's */
		memset(bytes + rest, 0, DATA_PAGE_SIZE - rest);
	hash = hash_page(bytes);
	if (hash == map->hashes[index] || map->hashes[index] == HASH_BEHIND)
		return 0;
	r = cache_get(&inode->pages, index, &page);
	if (r < 0)
		return r;
	if (memcmp(page->data, bytes, DATA_PAGE_SIZE) != 0) {
		r = data_promise(
			inode, (uint32_t)(start >> shift),
			(uint32_t)data_blocks(inode->fs, start + min(rest, DATA_PAGE_SIZE)),
			&added);
		if (r == 0) {
			cache_modify(page);
			memcpy(page->data, bytes, DATA_PAGE_SIZE);
			cache_dirty(page);
		}
	}
	cache_put(page);
	if (r == 0)
		map->hashes[index] = hash;
	return r;
}

/* Bytes [from, end) of the memfd, whole pages. The first error is told; the rest goes on. */
static int push_range(struct data_map *map, uint64_t from, uint64_t end, char *buf) MAY_YIELD
{
	int result = 0;

	while (from < end) {
		ssize_t size = read_memory(map, buf, min(COPY_SIZE, end - from), from);

		if (size <= 0)
			return size < 0 ? (int)size : result;
		for (ssize_t at = 0; at + DATA_PAGE_SIZE <= size; at += DATA_PAGE_SIZE) {
			int r = push_page(map, (from + (uint64_t)at) >> DATA_PAGE_SHIFT, buf + at);

			if (r < 0 && result == 0)
				result = r;
		}
		from += (uint64_t)size;
		task_yield();
	}
	return result;
}

int data_map_push(struct ext4_inode *inode)
{
	struct data_map *map = inode->data ? inode->data->map : NULL;
	uint64_t at = 0;
	char *buf;
	int r = 0;

	if (map && map->behind)
		catch_up(map);
	if (!map || !map->writable || ext4_writable(inode->fs) < 0)
		return 0;
	buf = malloc(COPY_SIZE);
	if (!buf)
		return -ENOMEM;
	while (at < map->size) {
		off_t from = lseek(map->fd, (off_t)at, SEEK_DATA), end;
		int one;

		if (from < 0)
			break;
		end = lseek(map->fd, from, SEEK_HOLE);
		if (end <= from)
			break;
		one = push_range(map, (uint64_t)from & ~(uint64_t)(DATA_PAGE_SIZE - 1),
				 page_up((uint64_t)end), buf);
		if (one < 0 && r == 0)
			r = one;
		at = page_up((uint64_t)end);
	}
	free(buf);
	return r;
}

/* ---- making one. */

/* Pages on their way to the memfd: neighbours, pinned. */
struct filling {
	struct data_map *map;
	bool for_write;
	uint64_t ahead; /* pages before this one are read, or on the way */
	uint64_t first;
	unsigned int count, most;
	struct cache_page *pages[FILL_PAGES];
	struct iovec parts[FILL_PAGES];
};

/* Much is copied by an executor: this thread would keep all others waiting. */
static int64_t copy_filled(const struct filling *f) MAY_YIELD
{
	const uint64_t arg[6] = { (uint64_t)f->map->fd, (uint64_t)(uintptr_t)f->parts, f->count,
				  f->first << DATA_PAGE_SHIFT };

	return f->count > FILL_PAGES_HERE ? host_call(SYS_pwritev, arg)
					  : host_call_now(SYS_pwritev, arg);
}

static int flush_filled(struct filling *f) MAY_YIELD
{
	struct data_map *map = f->map;
	int64_t copied = f->count > 0 ? copy_filled(f) : 0;
	int r = 0;

	for (unsigned int i = 0; i < f->count; i++) {
		const struct cache_page *page = f->pages[i];

		/* What was left out is tried once more, to have the error. */
		if (r == 0 && copied < (int64_t)(i + 1) * DATA_PAGE_SIZE)
			r = write_memory(map, page->data, DATA_PAGE_SIZE,
					 page->index << DATA_PAGE_SHIFT);
		/* Programs and libraries are mapped to be read: nothing will be compared. */
		map->hashes[page->index] = f->for_write ? hash_page(page->data) : HASH_UNKNOWN;
		cache_put(f->pages[i]);
	}
	f->count = 0;
	/* A large program must not keep the others waiting, cached or not. */
	task_yield();
	return r;
}

static void fill_ahead(struct filling *f, uint64_t index) MAY_YIELD
{
	struct cache_map *pages = &f->map->inode->pages;
	uint64_t end = min(f->map->size >> DATA_PAGE_SHIFT,
			   index + min(FILL_AHEAD, max(cache_ahead_max(), 1)));

	f->ahead = max(f->ahead, index);
	while (f->ahead < end && (f->ahead + FILL_PAGES <= end || f->ahead <= index)) {
		unsigned int count = (unsigned int)min(FILL_PAGES, end - f->ahead);

		cache_read_far_ahead(pages, f->ahead, count);
		f->ahead += count;
		task_yield();
	}
}

static int fill_page(struct filling *f, uint64_t index) MAY_YIELD
{
	struct cache_page *page;
	int r = 0;

	if (f->count == f->most || (f->count > 0 && index != f->first + f->count))
		r = flush_filled(f);
	if (r < 0)
		return r;
	fill_ahead(f, index);
	r = cache_get(&f->map->inode->pages, index, &page);
	if (r < 0)
		return r;
	if (f->count == 0)
		f->first = index;
	f->pages[f->count] = page;
	f->parts[f->count++] = (struct iovec){ .iov_base = page->data, .iov_len = DATA_PAGE_SIZE };
	return 0;
}

/* Pages in which there is data; the others stay holes. */
static int fill_all(struct filling *f) MAY_YIELD
{
	const struct data_map *map = f->map;
	struct ext4_inode *inode = map->inode;
	unsigned int shift = inode->fs->block_shift;
	uint64_t pages = map->size >> DATA_PAGE_SHIFT, index = 0;
	int r = 0;

	while (index < pages && r == 0) {
		uint64_t block, first = index << DATA_PAGE_SHIFT >> shift;

		r = ext4_map_seek(inode, (uint32_t)first, true, &block);
		if (r < 0)
			break;
		block = min(block, data_promised_next(inode, first));
		if (block == UINT64_MAX || block << shift >= map->size)
			break;
		index = block << shift >> DATA_PAGE_SHIFT;
		r = fill_page(f, index++);
	}
	return r;
}

static int fill(struct data_map *map, bool for_write) MAY_YIELD
{
	struct filling *f = malloc(sizeof(*f));
	int r, last;

	if (!f)
		return -ENOMEM;
	f->map = map;
	f->for_write = for_write;
	f->ahead = 0;
	f->count = 0;
	/* Pinned pages cannot go: a small cache needs the others. */
	f->most = (unsigned int)max(min(FILL_PAGES, cache_ahead_max() / 2), 1);
	r = fill_all(f);
	last = flush_filled(f);
	free(f);
	return r < 0 ? r : last;
}

static uint64_t memory_limit(void)
{
	static uint64_t limit;
	struct sysinfo info;

	if (limit == 0 && sysinfo(&info) == 0)
		limit = (uint64_t)info.totalram * info.mem_unit / DATA_MAPS_SHARE;
	return limit;
}

int data_map_new(struct ext4_inode *inode, bool for_write)
{
	struct data_map *map;
	uint64_t charge;
	int r;

	if (map_count >= DATA_MAPS_MAX)
		return -ENFILE;
	charge = min(inode->size, (inode->blocks + inode->delayed * 8) * 512);
	if (map_bytes + charge > memory_limit())
		return -ENOMEM;
	map = calloc(1, sizeof(*map));
	if (!map)
		return -ENOMEM;
	map_count++;
	map_bytes += charge;
	map->charged = charge; /* of a sparse file, only what it has */
	list_init(&map->node);
	map->inode = inode;
	map->read_fd = -1;
	map->write_fd = -1;
	map->version = last_version += 2;
	map->fd = memory_new();
	r = map->fd < 0 ? map->fd : resize_memory(map, page_up(inode->size));
	if (r == 0)
		r = fill(map, for_write);
	if (r < 0)
		data_map_destroy(map);
	else
		inode->data->map = map; /* readers come here only now, when all is in it */
	return r;
}

void data_map_free(struct ext4_inode *inode)
{
	if (inode->data->map)
		data_map_destroy(inode->data->map);
}

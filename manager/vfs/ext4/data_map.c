#include "vfs/ext4/data_map.h"

#include "task/sched.h"
#include "vfs/ext4/data_promise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define COPY_SIZE (64u * 1024u)
#define HASH_UNKNOWN UINT64_C(1) /* compare the page itself; no page has this one */
/* Odd, as no host file's version is, and more than the files in memory count to. */
#define VERSION_FIRST (UINT64_C(1) << 61 | 1)

static uint32_t map_count;
static uint64_t map_bytes; /* charged, of all */
static uint64_t last_version = VERSION_FIRST;

static uint64_t page_up(uint64_t size)
{
	return (size + DATA_PAGE_SIZE - 1) & ~(uint64_t)(DATA_PAGE_SIZE - 1);
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
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
	return lanes[0] == HASH_UNKNOWN ? HASH_UNKNOWN + 1 : lanes[0];
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

static int hand_out(const struct data_map *map, int *fd, int flags)
{
	char path[32];

	if (*fd >= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", map->fd);
	*fd = open(path, flags | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

static void take_back(struct data_map *map)
{
	if (map->read_fd >= 0)
		close(map->read_fd);
	if (map->write_fd >= 0)
		close(map->write_fd);
	map->read_fd = -1;
	map->write_fd = -1;
}

/* Has nobody else the memfd open or mapped? */
static bool is_ours_alone(const struct data_map *map)
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

static void map_destroy(struct data_map *map)
{
	take_back(map);
	if (map->fd >= 0)
		close(map->fd);
	list_del(&map->node);
	map->inode->data->map = NULL;
	map_bytes -= map->charged;
	map_count--;
	free(map->hashes);
	free(map);
}

/* ---- what the rest of data does with it. */

ssize_t data_map_read(struct ext4_inode *inode, void *buf, size_t size, uint64_t offset)
{
	ssize_t r = read_memory(inode->data->map, buf, size, offset);

	if (r >= 0) /* it ends no sooner than the file, but for an error before */
		memset((char *)buf + r, 0, size - (size_t)r);
	return r < 0 ? r : (ssize_t)size;
}

/* The pages of the file changed here, and so did the memfd; but clients may be quicker. */
static void forget_hashes(struct data_map *map, uint64_t offset, uint64_t end)
{
	for (uint64_t i = offset >> DATA_PAGE_SHIFT; i << DATA_PAGE_SHIFT < end; i++)
		map->hashes[i] = HASH_UNKNOWN;
}

void data_map_written(struct ext4_inode *inode, const void *buf, size_t size, uint64_t offset)
{
	struct data_map *map = inode->data->map;

	if (!map)
		return;
	/* data_map_resize() made it long enough; without memory, clients see the old bytes. */
	(void)!write_memory(map, buf, size, offset);
	forget_hashes(map, offset, offset + size);
}

void data_map_zero(struct ext4_inode *inode, uint64_t offset, uint64_t size)
{
	struct data_map *map = inode->data->map;

	if (!map || offset >= map->size)
		return;
	size = min(size, map->size - offset);
	(void)!fallocate(map->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			 (off_t)size);
	forget_hashes(map, offset, offset + size);
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
	if (hash == map->hashes[index])
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

static int fill_page(struct data_map *map, uint64_t index) MAY_YIELD
{
	struct cache_page *page;
	int r = cache_get(&map->inode->pages, index, &page);

	if (r < 0)
		return r;
	r = write_memory(map, page->data, DATA_PAGE_SIZE, index << DATA_PAGE_SHIFT);
	map->hashes[index] = hash_page(page->data);
	cache_put(page);
	return r;
}

/* Pages in which there is data; the others stay holes. */
static int fill(struct data_map *map) MAY_YIELD
{
	struct ext4_inode *inode = map->inode;
	unsigned int shift = inode->fs->block_shift;
	uint64_t pages = map->size >> DATA_PAGE_SHIFT, index = 0, ahead = 0;

	while (index < pages) {
		uint64_t block, first = index << DATA_PAGE_SHIFT >> shift;
		int r = ext4_map_seek(inode, (uint32_t)first, true, &block);

		if (r < 0)
			return r;
		block = min(block, data_promised_next(inode, first));
		if (block == UINT64_MAX || block << shift >= map->size)
			break;
		index = block << shift >> DATA_PAGE_SHIFT;
		if (index >= ahead) {
			ahead = index + CACHE_BATCH;
			cache_read_ahead(&inode->pages, index,
					 (unsigned int)min(CACHE_BATCH, pages - index));
		}
		r = fill_page(map, index);
		if (r < 0)
			return r;
		index++;
	}
	return 0;
}

static uint64_t memory_limit(void)
{
	static uint64_t limit;
	struct sysinfo info;

	if (limit == 0 && sysinfo(&info) == 0)
		limit = (uint64_t)info.totalram * info.mem_unit / DATA_MAPS_SHARE;
	return limit;
}

static int map_new(struct ext4_inode *inode) MAY_YIELD
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
		r = fill(map);
	if (r < 0)
		map_destroy(map);
	else
		inode->data->map = map; /* readers come here only now, when all is in it */
	return r;
}

/* ---- all of a file system. */

/* Not in use: keep it for the next one, or not. */
static bool is_kept(const struct data_map *map, uint64_t idle)
{
	return !map->writable && idle <= DATA_MAPS_IDLE;
}

/* Nobody else has it: what was stored is stored for good. The inode is let go. */
static void leave_use(struct data_map *map) MAY_YIELD
{
	struct ext4_inode *inode = map->inode;

	task_lock_take(&inode->lock);
	if (inode->data->map == map && map->in_use && is_ours_alone(map)) {
		int r = data_map_push(inode);

		if (r == 0 || ext4_writable(inode->fs) < 0) {
			map->in_use = false;
			if (map->writable)
				map_destroy(map);
			task_lock_drop(&inode->lock);
			inode_put(&inode->inode);
			return;
		}
	}
	task_lock_drop(&inode->lock);
}

static void look_at(struct data_map *map) MAY_YIELD
{
	struct ext4_inode *inode = map->inode;

	take_back(map);
	if (is_ours_alone(map)) {
		leave_use(map);
		return;
	}
	if (!map->writable)
		return;
	task_lock_take(&inode->lock);
	(void)!data_map_push(inode);
	task_lock_drop(&inode->lock);
}

/* One round: each map in use, once. They are found by version, as they come and go. */
static bool look_at_all(struct ext4_maps *maps) MAY_YIELD
{
	uint64_t idle = 0, end = last_version, at = 0;
	bool any = false;

	for (;;) {
		struct data_map *next = NULL;

		LIST_EACH(node, &maps->maps) {
			struct data_map *map = LIST_ENTRY(node, struct data_map, node);

			if (map->in_use && map->version > at && map->version <= end &&
			    (!next || map->version < next->version))
				next = map;
		}
		if (!next)
			break;
		at = next->version;
		look_at(next);
	}
	LIST_EACH(node, &maps->maps) {
		const struct data_map *map = LIST_ENTRY(node, struct data_map, node);

		any = any || map->in_use;
		idle += map->in_use ? 0 : map->charged;
	}
	LIST_EACH_SAFE(node, &maps->maps) {
		struct data_map *map = LIST_ENTRY(node, struct data_map, node);

		if (map->in_use || is_kept(map, idle))
			continue;
		idle -= map->charged;
		map_destroy(map);
	}
	return any;
}

static void look_task(void *arg) MAY_YIELD
{
	struct ext4 *fs = arg;
	struct ext4_maps *maps = fs->maps;
	bool any = true;

	task_background();
	while (any && !maps->stopping) {
		(void)!waitq_wait(&maps->wake, clock_now_ns() + DATA_MAP_NS, WAIT_SURE);
		any = look_at_all(maps);
	}
	maps->task = NULL;
	waitq_wake_all(&maps->gone);
}

static int maps_of(struct ext4 *fs, struct ext4_maps **ret)
{
	if (!fs->maps) {
		fs->maps = calloc(1, sizeof(*fs->maps));
		if (!fs->maps)
			return -ENOMEM;
		list_init(&fs->maps->maps);
		waitq_init(&fs->maps->wake);
		waitq_init(&fs->maps->gone);
	}
	*ret = fs->maps;
	return 0;
}

void ext4_maps_push(struct ext4 *fs)
{
	/* As the task does it: what has nothing new costs a look. */
	if (fs->maps)
		(void)!look_at_all(fs->maps);
}

/* Clients end before the file system does: nobody has a mapping any more. */
void ext4_maps_close(struct ext4 *fs)
{
	struct ext4_maps *maps = fs->maps;

	if (!maps)
		return;
	maps->stopping = true;
	waitq_wake_all(&maps->wake);
	while (maps->task)
		(void)!waitq_wait(&maps->gone, TASK_FOREVER, WAIT_SURE);
	while (!list_empty(&maps->maps)) {
		struct data_map *map = LIST_ENTRY(maps->maps.next, struct data_map, node);
		struct ext4_inode *inode = map->inode;
		bool in_use = map->in_use;

		task_lock_take(&inode->lock);
		(void)!data_map_push(inode);
		map_destroy(map);
		task_lock_drop(&inode->lock);
		if (in_use)
			inode_put(&inode->inode);
	}
	free(maps);
	fs->maps = NULL;
}

static int map_locked(struct ext4_inode *inode, bool for_write, struct vfs_mapping *ret) MAY_YIELD
{
	struct ext4_maps *maps = NULL;
	struct ext4_data *d;
	struct data_map *map;
	int r = data_of(inode, &d);

	if (r == 0)
		r = maps_of(inode->fs, &maps);
	if (r < 0)
		return r;
	if (!d->map)
		r = map_new(inode);
	if (r < 0)
		return r;
	map = d->map;
	r = for_write ? hand_out(map, &map->write_fd, O_RDWR)
		      : hand_out(map, &map->read_fd, O_RDONLY);
	if (r == 0 && !maps->task)
		r = task_start(&maps->task, "ext4 maps", look_task, inode->fs);
	if (r < 0)
		return r;
	list_del(&map->node);
	list_push_back(&maps->maps, &map->node);
	if (!map->in_use)
		inode_get(&inode->inode);
	map->in_use = true;
	map->writable = map->writable || for_write;
	*ret = (struct vfs_mapping){
		.host_fd = for_write ? map->write_fd : map->read_fd,
		.writable = for_write,
		.version = map->version,
		.file_size = inode->size,
	};
	return 0;
}

int ext4_map_file(struct inode *vfs_inode, bool for_write, struct vfs_mapping *ret)
{
	struct ext4_inode *inode = ext4_i(vfs_inode);
	int r = 0;

	if (!S_ISREG(vfs_inode->type))
		return -ENODEV;
	if (for_write)
		r = ext4_writable(inode->fs);
	if (r < 0)
		return r;
	task_lock_take(&inode->lock);
	r = map_locked(inode, for_write, ret);
	task_lock_drop(&inode->lock);
	return r;
}

void data_map_free(struct ext4_inode *inode)
{
	if (inode->data->map)
		map_destroy(inode->data->map);
}

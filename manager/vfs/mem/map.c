#include "vfs/mem/mem.h"
#include "vfs/small.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Client mappings and our reads and writes are coherent because they are the same
 * pages: those of the memfd. It ends with the page in which the file ends, as a client
 * that touches what is behind must get its SIGBUS. So it is not sealed against shrinking:
 * that no client can shrink it (our mapping would fault) is the filter's doing, which
 * lets none call ftruncate or fallocate (run/filter.c).
 *
 * Plain memory access is used only where pages are known to be there (dense_end):
 * reading a hole through a mapping would make a page, and writing one could end in
 * SIGBUS when the host has no memory; pread and pwrite do neither.
 */

static uint32_t map_count;
static uint64_t last_version;

static uint64_t page_up(uint64_t size)
{
	return (size + MEM_PAGE_SIZE - 1) & ~(uint64_t)(MEM_PAGE_SIZE - 1);
}

static uint64_t page_down(uint64_t size)
{
	return size & ~(uint64_t)(MEM_PAGE_SIZE - 1);
}

void map_free(struct mem_fs *fs, struct mem_map *map)
{
	if (!map)
		return;
	if (map->base)
		munmap(map->base, map->mapped);
	if (map->fd >= 0)
		close(map->fd);
	if (map->read_fd >= 0)
		close(map->read_fd);
	mem_uncharge(fs, map->charged);
	free(map);
	map_count--;
}

int map_read_fd(struct mem_map *map)
{
	char path[32];

	if (map->read_fd >= 0)
		return map->read_fd;
	/* A second open, not a dup: a descriptor that may only read. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", map->fd);
	map->read_fd = open(path, O_RDONLY | O_CLOEXEC);
	return map->read_fd < 0 ? -errno : map->read_fd;
}

/* The charge follows what the host says is allocated; clients make pages too. */
static uint64_t settle(struct mem_fs *fs, struct mem_map *map)
{
	struct stat st;
	uint64_t now = map->charged;

	if (fstat(map->fd, &st) == 0)
		now = (uint64_t)st.st_blocks * 512;
	if (now < map->charged)
		mem_uncharge(fs, map->charged - now);
	else
		fs->used += now - map->charged; /* it is there already, limit or not */
	map->charged = now;
	return now;
}

static int write_all(int fd, const char *from, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t r = pwrite(fd, from, size, (off_t)offset);

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

/*
 * Copy what the file holds; the first hole ends the dense part. What was allocated behind
 * the file's end is lost: it would be inside the memfd.
 */
static int copy_pages(struct mem_map *map, const struct mem_pages *pages, uint64_t size)
{
	bool dense = true;
	uint64_t expected = 0;

	for (uint64_t i = pages_next(pages, 0); i != UINT64_MAX; i = pages_next(pages, i + 1)) {
		uint64_t offset = i << MEM_PAGE_SHIFT;
		int r;

		if (offset >= size)
			break;
		r = write_all(map->fd, pages_find(pages, i), MEM_PAGE_SIZE, offset);

		if (r < 0)
			return r;
		dense = dense && i == expected;
		expected = i + 1;
		if (dense)
			map->dense_end = offset + MEM_PAGE_SIZE;
		map->file_size = offset + MEM_PAGE_SIZE;
	}
	return 0;
}

int map_new(struct mem_inode *m)
{
	struct mem_fs *fs = mem_fs_of(m);
	uint64_t size = page_up(m->size);
	struct mem_map *map;
	int r;

	if (map_count >= MEM_MAPS_MAX)
		return -ENFILE;
	map = calloc(1, sizeof(*map));
	if (!map)
		return -ENOMEM;
	map_count++;
	map->fd = -1;
	map->read_fd = -1;
	map->version = ++last_version << 1 | 1; /* odd: never a host file's */
	map->fd = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	r = map->fd < 0 ? -errno : 0;
	if (r == 0)
		r = copy_pages(map, &m->file.pages, size);
	if (r == 0 && map->file_size < size) {
		r = ftruncate(map->fd, (off_t)size) < 0 ? -errno : 0;
		map->file_size = size;
	}
	if (r == 0 && fcntl(map->fd, F_ADD_SEALS, F_SEAL_SEAL) < 0)
		r = -errno;
	if (r < 0) {
		map_free(fs, map);
		return r;
	}
	pages_drop(fs, &m->file.pages, 0, UINT64_MAX);
	settle(fs, map);
	m->file.map = map;
	return 0;
}

/* Have [0, end) in our mapping; false if the host refuses, then calls do. */
static bool reach(struct mem_map *map, uint64_t end)
{
	uint64_t size;
	void *base;

	if (end <= map->mapped)
		return true;
	/* Not page by page as the file grows: a quarter more, but not beyond the memfd. */
	size = page_up(end + end / 4);
	if (size > page_down(map->file_size))
		size = page_down(map->file_size);
	if (size < end)
		return false;
	if (map->base)
		base = mremap(map->base, map->mapped, size, MREMAP_MAYMOVE);
	else
		base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd, 0);
	if (base == MAP_FAILED)
		return false;
	map->base = base;
	map->mapped = size;
	return true;
}

ssize_t map_read(struct mem_map *map, void *buf, size_t size, uint64_t offset)
{
	ssize_t r;

	if (offset + size <= map->dense_end && reach(map, offset + size)) {
		memcpy(buf, map->base + offset, size);
		return (ssize_t)size;
	}
	do
		r = pread(map->fd, buf, size, (off_t)offset);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	/* The memfd may end before the file does: the rest is a hole. */
	memset((char *)buf + r, 0, size - (size_t)r);
	return (ssize_t)size;
}

ssize_t map_write(struct mem_fs *fs, struct mem_map *map, const void *buf, size_t size,
		  uint64_t offset)
{
	uint64_t end = offset + size;
	ssize_t r;

	if (end <= map->dense_end && reach(map, end)) {
		memcpy(map->base + offset, buf, size);
		return (ssize_t)size;
	}
	if (fs->used + size > fs->limit)
		return -ENOSPC;
	do
		r = pwrite(map->fd, buf, size, (off_t)offset);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	end = offset + (uint64_t)r;
	if (offset <= map->dense_end && page_up(end) > map->dense_end)
		map->dense_end = page_up(end);
	if (page_up(end) > map->file_size) {
		/* Whole pages, so that the last one is inside what may be mapped. */
		map->file_size = page_up(end);
		if (ftruncate(map->fd, (off_t)map->file_size) < 0)
			map->dense_end = page_down(end); /* grown by the write itself; no more */
	}
	settle(fs, map);
	return r;
}

int map_punch(struct mem_fs *fs, struct mem_map *map, uint64_t offset, uint64_t size)
{
	if (offset >= map->file_size || size == 0)
		return 0;
	if (fallocate(map->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
		      (off_t)size) < 0)
		return -errno;
	if (map->dense_end > page_down(offset))
		map->dense_end = page_down(offset);
	settle(fs, map);
	return 0;
}

int map_allocate(struct mem_fs *fs, struct mem_map *map, uint64_t offset, uint64_t size)
{
	uint64_t end = page_up(offset + size);

	if (fs->used + size > fs->limit)
		return -ENOSPC;
	if (fallocate(map->fd, FALLOC_FL_KEEP_SIZE, (off_t)page_down(offset),
		      (off_t)(end - page_down(offset))) < 0)
		return -errno;
	settle(fs, map);
	return 0;
}

int map_shift(struct mem_fs *fs, struct mem_map *map, uint64_t from, uint64_t to)
{
	uint64_t size = map->file_size > from ? map->file_size - from : 0;
	uint64_t kept = from < to ? from : to, before = map->file_size;
	int r;

	if (size == 0)
		return 0;
	if (map->dense_end > kept)
		map->dense_end = kept;
	if (to > from && ftruncate(map->fd, (off_t)(to + size)) < 0)
		return -errno;
	if (to > from)
		map->file_size = to + size;
	r = memory_move(map->fd, from, to, size);
	if (r == 0 && to > from)
		r = map_punch(fs, map, from, to - from);
	/* The file is no longer than it was: clients must not reach behind its end. */
	if (r < 0 && to > from && ftruncate(map->fd, (off_t)before) == 0)
		map->file_size = before;
	settle(fs, map);
	return r;
}

int map_resize(struct mem_fs *fs, struct mem_map *map, uint64_t size)
{
	uint64_t end = page_up(size);
	int r = 0;

	/* What is left of the last page is zero when the file grows again. */
	if (end <= map->file_size)
		r = map_punch(fs, map, size, end - size);
	if (r < 0 || end == map->file_size)
		return r;
	if (ftruncate(map->fd, (off_t)end) < 0)
		return -errno;
	map->file_size = end;
	if (map->dense_end > end)
		map->dense_end = end;
	settle(fs, map);
	return 0;
}

int64_t map_seek(struct mem_map *map, uint64_t offset, int whence)
{
	off_t r;

	if (offset >= map->file_size) /* past the memfd all is a hole */
		return whence == SEEK_DATA ? -ENXIO : (int64_t)offset;
	r = lseek(map->fd, (off_t)offset, whence);
	return r < 0 ? -errno : r;
}

uint64_t map_blocks(struct mem_fs *fs, struct mem_map *map)
{
	return settle(fs, map) / 512;
}

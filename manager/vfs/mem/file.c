#include "vfs/mem/mem.h"

#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t min_size(uint64_t a, uint64_t b)
{
	return (size_t)(a < b ? a : b);
}

void mem_touch(struct mem_inode *m)
{
	m->mtime = vfs_now();
	m->ctime = m->mtime;
}

/* relatime: the access time moves when it is older than the last change, or a day old. */
static void note_access(struct mem_inode *m)
{
	struct timespec now = vfs_now();

	if (m->atime.tv_sec > m->mtime.tv_sec && m->atime.tv_sec > m->ctime.tv_sec &&
	    now.tv_sec - m->atime.tv_sec < 24 * 60 * 60)
		return;
	m->atime = now;
}

static void read_pages(const struct mem_pages *pages, char *to, size_t size, uint64_t offset)
{
	while (size > 0) {
		size_t in_page = offset % MEM_PAGE_SIZE;
		size_t part = min_size(size, MEM_PAGE_SIZE - in_page);
		const char *page = pages_find(pages, offset >> MEM_PAGE_SHIFT);

		if (page)
			memcpy(to, page + in_page, part);
		else
			memset(to, 0, part);
		to += part;
		offset += part;
		size -= part;
	}
}

ssize_t mem_read(struct inode *inode, void *buf, size_t size, uint64_t offset)
{
	struct mem_inode *m = mem_of(inode);

	if (!S_ISREG(inode->type))
		return -EINVAL;
	note_access(m);
	if (offset >= m->size || size == 0)
		return 0;
	size = min_size(size, m->size - offset);
	if (m->file.map)
		return map_read(m->file.map, buf, size, offset);
	read_pages(&m->file.pages, buf, size, offset);
	return (ssize_t)size;
}

static ssize_t write_pages(struct mem_fs *fs, struct mem_pages *pages, const char *from,
			   size_t size, uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		size_t in_page = (offset + done) % MEM_PAGE_SIZE;
		size_t part = min_size(size - done, MEM_PAGE_SIZE - in_page);
		char *page;
		int r = pages_get(fs, pages, (offset + done) >> MEM_PAGE_SHIFT,
				  part == MEM_PAGE_SIZE, &page);

		if (r < 0)
			return done > 0 ? (ssize_t)done : r;
		memcpy(page + in_page, from + done, part);
		done += part;
	}
	return (ssize_t)done;
}

ssize_t mem_write(struct inode *inode, const void *buf, size_t size, uint64_t offset)
{
	struct mem_inode *m = mem_of(inode);
	struct mem_fs *fs = mem_fs_of(m);
	ssize_t r;

	if (!S_ISREG(inode->type))
		return -EINVAL;
	if (size == 0)
		return 0;
	if (offset >= MEM_FILE_MAX)
		return -EFBIG;
	size = min_size(size, MEM_FILE_MAX - offset);
	if (m->file.map)
		r = map_write(fs, m->file.map, buf, size, offset);
	else
		r = write_pages(fs, &m->file.pages, buf, size, offset);
	if (r <= 0)
		return r;
	if (offset + (uint64_t)r > m->size)
		m->size = offset + (uint64_t)r;
	mem_touch(m);
	return r;
}

/* Zero [offset, offset + size); whole pages become holes. */
static void punch_pages(struct mem_fs *fs, struct mem_pages *pages, uint64_t offset, uint64_t size)
{
	uint64_t end = offset + size;
	uint64_t first = (offset + MEM_PAGE_SIZE - 1) >> MEM_PAGE_SHIFT;
	uint64_t last = end >> MEM_PAGE_SHIFT; /* the page that `end` is in */
	char *page;

	if (first > last) { /* all inside one page */
		page = pages_find(pages, last);
		if (page)
			memset(page + offset % MEM_PAGE_SIZE, 0, (size_t)size);
		return;
	}
	if (offset % MEM_PAGE_SIZE) {
		page = pages_find(pages, first - 1);
		if (page)
			memset(page + offset % MEM_PAGE_SIZE, 0,
			       MEM_PAGE_SIZE - offset % MEM_PAGE_SIZE);
	}
	if (end % MEM_PAGE_SIZE) {
		page = pages_find(pages, last);
		if (page)
			memset(page, 0, end % MEM_PAGE_SIZE);
	}
	pages_drop(fs, pages, first, last);
}

int mem_resize(struct mem_inode *m, uint64_t size)
{
	struct mem_fs *fs = mem_fs_of(m);
	int r = 0;

	if (size > MEM_FILE_MAX)
		return -EFBIG;
	if (m->file.map) {
		r = map_resize(fs, m->file.map, size);
	} else if (size < m->size) {
		/* To a page's end: past the end of file all is zero when it grows again. */
		uint64_t end = (m->size + MEM_PAGE_SIZE - 1) & ~(uint64_t)(MEM_PAGE_SIZE - 1);

		punch_pages(fs, &m->file.pages, size, end - size);
	}
	if (r == 0)
		m->size = size;
	return r;
}

static int allocate_pages(struct mem_fs *fs, struct mem_pages *pages, uint64_t offset,
			  uint64_t size)
{
	uint64_t end = (offset + size + MEM_PAGE_SIZE - 1) >> MEM_PAGE_SHIFT;
	char *page;
	int r = 0;

	for (uint64_t i = offset >> MEM_PAGE_SHIFT; i < end && r == 0; i++)
		r = pages_get(fs, pages, i, false, &page);
	return r;
}

/* Whole pages are taken out, or put in as holes. */
static int shift(struct mem_inode *m, bool insert, uint64_t offset, uint64_t size)
{
	struct mem_fs *fs = mem_fs_of(m);
	uint64_t from = insert ? offset : offset + size, to = insert ? offset + size : offset;
	int r;

	if ((offset | size) % MEM_PAGE_SIZE)
		return -EINVAL;
	if (insert && m->size + size > MEM_FILE_MAX)
		return -EFBIG;
	if (from >= m->size)
		return -EINVAL;
	if (m->file.map && map_blocks(fs, m->file.map) * 512 > MEM_SHIFT_MAX)
		return -EOPNOTSUPP;
	if (m->file.map)
		r = map_shift(fs, m->file.map, from, to);
	else
		r = pages_shift(fs, &m->file.pages, from >> MEM_PAGE_SHIFT, to >> MEM_PAGE_SHIFT);
	if (r == 0)
		r = mem_resize(m, insert ? m->size + size : m->size - size);
	if (r == 0)
		mem_touch(m);
	return r;
}

int mem_fallocate(struct inode *inode, int mode, uint64_t offset, uint64_t size)
{
	struct mem_inode *m = mem_of(inode);
	struct mem_fs *fs = mem_fs_of(m);
	int r = 0;

	if (offset + size > MEM_FILE_MAX)
		return -EFBIG;
	if (mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE))
		return shift(m, mode & FALLOC_FL_INSERT_RANGE, offset, size);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
		if (m->file.map)
			r = map_punch(fs, m->file.map, offset, size);
		else
			punch_pages(fs, &m->file.pages, offset, size);
	}
	if (r == 0 && !(mode & FALLOC_FL_PUNCH_HOLE)) {
		if (m->file.map)
			r = map_allocate(fs, m->file.map, offset, size);
		else
			r = allocate_pages(fs, &m->file.pages, offset, size);
	}
	if (r == 0 && !(mode & FALLOC_FL_KEEP_SIZE) && offset + size > m->size)
		r = mem_resize(m, offset + size);
	if (r == 0)
		mem_touch(m);
	return r;
}

/* First hole at or after `offset`: the first page missing from the run that starts there. */
static uint64_t find_hole(const struct mem_pages *pages, uint64_t offset)
{
	uint64_t index = offset >> MEM_PAGE_SHIFT;

	if (!pages_find(pages, index))
		return offset;
	while (pages_find(pages, index))
		index++;
	return index << MEM_PAGE_SHIFT;
}

int64_t mem_seek_data(struct inode *inode, uint64_t offset, int whence)
{
	struct mem_inode *m = mem_of(inode);
	uint64_t found;

	if (!S_ISREG(inode->type))
		return -EINVAL;
	if (offset >= m->size)
		return -ENXIO;
	if (m->file.map) {
		int64_t r = map_seek(m->file.map, offset, whence);

		if (r < 0)
			return r;
		found = (uint64_t)r;
	} else if (whence == SEEK_HOLE) {
		found = find_hole(&m->file.pages, offset);
	} else {
		uint64_t index = pages_next(&m->file.pages, offset >> MEM_PAGE_SHIFT);

		found = index == UINT64_MAX ? UINT64_MAX : index << MEM_PAGE_SHIFT;
		if (found < offset)
			found = offset;
	}
	if (found < m->size)
		return (int64_t)found;
	return whence == SEEK_HOLE ? (int64_t)m->size : -ENXIO;
}

int mem_map(struct inode *inode, bool for_write, struct vfs_mapping *ret)
{
	struct mem_inode *m = mem_of(inode);
	int r;

	if (!m->file.map) {
		r = map_new(m);
		if (r < 0)
			return r;
	}
	r = for_write ? m->file.map->fd : map_read_fd(m->file.map);
	if (r < 0)
		return r;
	ret->host_fd = r;
	ret->writable = for_write;
	ret->version = m->file.map->version;
	ret->file_size = m->size;
	return 0;
}

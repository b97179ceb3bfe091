#include "vfs/ext4/data_io.h"
#include "vfs/ext4/inside.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define WINDOW_FIRST 4u	 /* pages */
#define WINDOW_MAX 2048u /* 8 MiB: enough to keep a disk busy while one is copied */
#define READ_PAGES 16u	 /* copied without a break */
#define TELL_PAGES 2u	 /* copied before the reader is told that they are there */
#define AHEAD_PAGES 128u /* begun at once: half a call to the disk, some 100 us */

/* ---- pages from the disk. */

static int read_blocks(struct ext4_inode *inode, struct data_io *io, struct cache_page *page,
		       uint32_t valid_size) MAY_YIELD
{
	struct ext4 *fs = inode->fs;
	uint32_t count = (uint32_t)data_blocks(fs, valid_size);
	uint64_t first = page->index << DATA_PAGE_SHIFT >> fs->block_shift;

	for (uint32_t at = 0; at < count;) {
		struct ext4_run run;
		int r = ext4_map(inode, (uint32_t)(first + at), count - at, &run);

		if (r < 0)
			return r;
		if (run.kind == EXT4_MAPPED)
			data_io_piece(io, at, run.count, run.physical, NULL);
		else
			memset((char *)page->data + ((size_t)at << fs->block_shift), 0,
			       (size_t)run.count << fs->block_shift);
		at += run.count;
	}
	return 0;
}

static void read_page(struct ext4_inode *inode, struct cache_page *page) MAY_YIELD
{
	uint64_t start = page->index << DATA_PAGE_SHIFT;
	uint64_t rest = inode->size > start ? inode->size - start : 0;
	struct data_io_setup setup = {
		.inode = inode,
		.page = page,
		.op = DISK_READ,
		.flags = DISK_PAST_CACHE,
		.valid_size = rest < DATA_PAGE_SIZE ? (uint32_t)rest : DATA_PAGE_SIZE,
	};
	struct data_io *io;
	int r = data_io_new(&setup, &io);

	if (r < 0)
		cache_read_done(page, r);
	else
		data_io_go(io, read_blocks(inode, io, page, setup.valid_size));
}

void data_pages_read(struct cache_map *map, struct cache_page **pages, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		read_page(data_inode(map), pages[i]);
}

/* ---- reads. */

/* The stream that goes on at `first`; or an old one, to begin anew: window 0. */
static struct data_stream *stream_at(struct ext4_data *d, uint64_t first)
{
	struct data_stream *s;

	for (unsigned int i = 0; i < DATA_STREAMS; i++) {
		s = &d->streams[i];
		/* A page may be read in several parts. */
		if (s->window > 0 && (first == s->next || first + 1 == s->next))
			return s;
	}
	s = &d->streams[d->next_stream];
	d->next_stream = (d->next_stream + 1) % DATA_STREAMS;
	*s = (struct data_stream){ .next = first, .ahead = first };
	return s;
}

static void begin_reads(struct ext4_inode *inode, uint64_t from, uint64_t end) MAY_YIELD
{
	while (from < end) {
		unsigned int part = end - from < AHEAD_PAGES ? (unsigned int)(end - from)
							     : AHEAD_PAGES;

		cache_read_far_ahead(&inode->pages, from, part);
		from += part;
		if (from < end)
			task_yield();
	}
}

/* So much of a window is used up before more is begun. */
static uint32_t used_up(uint32_t window)
{
	return window / 2 < AHEAD_PAGES ? window / 2 : AHEAD_PAGES;
}

static uint32_t window_max(void)
{
	uint64_t most = cache_ahead_max();

	return most < WINDOW_MAX ? (uint32_t)most : WINDOW_MAX;
}

/*
 * [first, end) will be read now. What goes on where a read ended, or begins with the file, is
 * read ahead: a small window when half of the one before is used up, a large one piece by piece.
 */
static void read_ahead(struct ext4_inode *inode, uint64_t first, uint64_t end) MAY_YIELD
{
	struct data_stream *s = stream_at(inode->data, first);
	uint64_t file_end = (inode->size + DATA_PAGE_SIZE - 1) >> DATA_PAGE_SHIFT;
	bool goes_on = s->window > 0 || first == 0;
	uint64_t want, from;

	if (!goes_on) {
		s->window = WINDOW_FIRST / 2; /* from the next read on, if it goes on here */
		want = end > first + 1 ? end : 0;
	} else if (end + s->window - used_up(s->window) >= s->ahead) {
		s->window = s->window ? s->window * 2 : WINDOW_FIRST;
		if (s->window > window_max())
			s->window = window_max();
		want = end + s->window;
	} else {
		want = 0;
	}
	s->next = end;
	if (want > file_end)
		want = file_end;
	if (want <= s->ahead)
		return;
	from = s->ahead > first ? s->ahead : first;
	s->ahead = want;
	begin_reads(inode, from, want); /* then *s may be another one */
}

/*
 * From memory that no cache of the processor has, one string instruction copies faster than libc's
 * memcpy() does page by page: by a tenth to a third.
 */
static void copy_bytes(char *to, const char *from, size_t size)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	memcpy(to, from, size);
#else
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#endif
}

static ssize_t read_pages(struct ext4_inode *inode, char *to, size_t size, uint64_t offset)
	MAY_YIELD
{
	size_t done = 0;
	unsigned int pages = 0;

	while (done < size) {
		size_t in_page = (offset + done) % DATA_PAGE_SIZE;
		size_t part = DATA_PAGE_SIZE - in_page;
		struct cache_page *page;
		int r = cache_get(&inode->pages, (offset + done) >> DATA_PAGE_SHIFT, &page);

		if (r < 0)
			return done > 0 ? (ssize_t)done : r;
		if (part > size - done)
			part = size - done;
		if (part < size - done)
			cache_expect(&inode->pages, page->index + 1);
		copy_bytes(to + done, (const char *)page->data + in_page, part);
		cache_put(page);
		done += part;
		if (++pages % TELL_PAGES == 0)
			vfs_tell_read(to + done);
		if (pages % READ_PAGES == 0 && done < size)
			task_yield();
	}
	return (ssize_t)done;
}

static ssize_t read_inside(struct ext4_inode *inode, char *buf, size_t size, uint64_t offset)
	MAY_YIELD
{
	if (offset >= inode->size)
		return 0;
	if (size > inode->size - offset)
		size = inode->size - offset;
	if (inode->data->map)
		return data_map_read(inode, buf, size, offset);
	read_ahead(inode, offset >> DATA_PAGE_SHIFT,
		   (offset + size + DATA_PAGE_SIZE - 1) >> DATA_PAGE_SHIFT);
	return read_pages(inode, buf, size, offset);
}

ssize_t ext4_read(struct inode *vfs_inode, void *buf, size_t size, uint64_t offset)
{
	struct ext4_inode *inode = ext4_i(vfs_inode);
	struct ext4_data *d;
	ssize_t r;

	if (!S_ISREG(vfs_inode->type))
		return -EINVAL;
	if (size == 0)
		return 0;
	r = data_of(inode, &d);
	if (r < 0)
		return r;
	data_read_begin(d);
	r = read_inside(inode, buf, size, offset);
	data_read_end(d);
	if (r >= 0)
		ext4_note_access(inode);
	return r;
}

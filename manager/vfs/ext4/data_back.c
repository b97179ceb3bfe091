/* data_back.c - pages go to the disk; what has no blocks gets them here. */
#include "vfs/ext4/data_io.h"
#include "vfs/ext4/data_promise.h"
#include "vfs/ext4/extent.h"

#include <errno.h>

/* Dirty pages that follow each other. */
struct segment {
	struct ext4_inode *inode;
	struct cache_page **pages; /* private_data: their struct data_io */
	uint64_t first_page;
	uint64_t end; /* blocks of the file, or of the last page: no more are written */
};

/* Each page's part of a run goes out. `h`: its transaction waits for it; NULL: none does. */
static void send(const struct segment *s, uint64_t block, const struct ext4_run *run,
		 struct journal_handle *h)
{
	uint32_t per_page = DATA_PAGE_SIZE >> s->inode->fs->block_shift;
	uint64_t end = block + run->count, physical = run->physical;

	while (block < end) {
		uint32_t at = (uint32_t)(block % per_page);
		uint32_t count = per_page - at < end - block ? per_page - at
							     : (uint32_t)(end - block);
		struct cache_page *page = s->pages[block / per_page - s->first_page];

		data_io_piece(page->private_data, at, count, physical,
			      h ? journal_data_begin(h) : NULL);
		block += count;
		physical += count;
	}
	if (!h || !h->transaction)
		s->inode->data->loose_writes++;
}

/* The disk's inode reaches as far as data has blocks. True: it has changed. */
static bool grow(struct ext4_inode *inode, uint64_t end)
{
	uint64_t bytes = end << inode->fs->block_shift;
	uint64_t size = bytes < inode->size ? bytes : inode->size;

	if (size <= inode->disk_size)
		return false;
	inode->disk_size = size;
	return true;
}

static int finish(struct ext4_inode *inode, struct journal_handle *h) MAY_YIELD
{
	inode->last_data_transaction = journal_handle_id(h);
	return ext4_inode_store(h, inode);
}

/* Blocks for [block, end), as far as one run goes; *ret: it. */
static int make_blocks(const struct segment *s, uint64_t block, uint64_t end, struct ext4_run *ret)
	MAY_YIELD
{
	struct ext4_inode *inode = s->inode;
	uint32_t count = (uint32_t)(end - block);
	struct journal_handle h;
	const struct extent_change c = { .h = &h, .inode = inode, .promised = true };
	int r = ext4_begin(inode->fs, ext4_credits_map(inode, count), &h);

	if (r < 0)
		return r;
	r = extent_create(&c, (uint32_t)block, count, false, ret);
	if (r == 0) {
		data_promise_end(inode, block, block + ret->count);
		grow(inode, block + ret->count);
		send(s, block, ret, &h);
		r = finish(inode, &h);
	}
	journal_end(&h);
	return r;
}

/* What has its blocks already, or needs none. */
static int write_over(const struct segment *s, uint64_t block, uint64_t end, struct ext4_run *ret)
	MAY_YIELD
{
	struct ext4_inode *inode = s->inode;
	struct journal_handle h;
	int r = ext4_map(inode, (uint32_t)block, (uint32_t)(end - block), ret);

	if (r < 0 || ret->kind != EXT4_MAPPED)
		return r;
	if ((block + ret->count) << inode->fs->block_shift <= inode->disk_size ||
	    inode->size <= inode->disk_size) {
		send(s, block, ret, NULL);
		return 0;
	}
	/* It makes the file longer: not before the data is there. */
	r = ext4_begin(inode->fs, 1, &h);
	if (r < 0)
		return r;
	send(s, block, ret, &h);
	if (grow(inode, block + ret->count))
		r = finish(inode, &h);
	else /* another has made it so long, in a transaction that may not wait for this */
		inode->data->loose_writes++;
	journal_end(&h);
	return r;
}

static int write_segment(const struct segment *s) MAY_YIELD
{
	const struct ext4_data *d = s->inode->data;
	uint32_t per_page = DATA_PAGE_SIZE >> s->inode->fs->block_shift;
	uint64_t block = s->first_page * per_page;
	int r = 0;

	while (r == 0 && block < s->end) {
		struct ext4_run run;
		uint64_t next = data_promised_next(s->inode, block);

		if (next > block) {
			r = write_over(s, block, min(next, s->end), &run);
		} else {
			const struct block_set *set = block_set_has(&d->delayed, (uint32_t)block)
							      ? &d->delayed
							      : &d->converting;

			r = make_blocks(s, block, min(block_set_next_missing(set, block), s->end),
					&run);
		}
		if (r == 0)
			block += run.count;
	}
	return r;
}

static void write_pages(struct ext4_inode *inode, struct cache_page **pages, unsigned int count)
	MAY_YIELD
{
	uint32_t per_page = DATA_PAGE_SIZE >> inode->fs->block_shift;
	struct segment s = { .inode = inode, .pages = pages, .first_page = pages[0]->index };
	int r;

	s.end = min((s.first_page + count) * per_page, data_blocks(inode->fs, inode->size));
	r = write_segment(&s);
	for (unsigned int i = 0; i < count; i++)
		data_io_go(pages[i]->private_data, r);
}

/* Make its struct data_io. False: there is no memory, and the cache was told. */
static bool prepare(struct ext4_inode *inode, struct cache_page *page, unsigned int flags)
{
	const struct data_io_setup setup = {
		.inode = inode,
		.page = page,
		.op = DISK_WRITE,
		.flags = flags,
	};
	struct data_io *io;
	int r = data_io_new(&setup, &io);

	page->private_data = r < 0 ? NULL : io;
	if (r < 0)
		cache_write_done(page, r);
	return r == 0;
}

void data_pages_write(struct cache_map *map, struct cache_page **pages, unsigned int count)
{
	struct ext4_inode *inode = data_inode(map);
	unsigned int flags = cache_in_background() ? DISK_BACKGROUND_IO : 0;
	unsigned int first = 0;

	while (first < count) {
		unsigned int length = 0;
		bool failed = false;

		/* Before any handle: with blocks found for it, data must not lack memory. */
		while (first + length < count && !failed &&
		       pages[first + length]->index == pages[first]->index + length) {
			failed = !prepare(inode, pages[first + length], flags);
			length += !failed;
		}
		if (length > 0)
			write_pages(inode, pages + first, length);
		first += length + failed;
	}
}

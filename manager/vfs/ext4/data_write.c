#include "vfs/ext4/data_promise.h"
#include "vfs/ext4/inside.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define THROTTLE_PAGES 64u
#define WRITE_PAGES 8u /* copied without a break: some 20 us, if all is fresh memory */

/* Part of one page that is written at once. */
struct part {
	uint64_t index;
	uint32_t in_page, size;
	const char *from;
};

/* The page to write to, pinned and not on its way to the disk. */
static int page_for(struct ext4_inode *inode, const struct part *part, struct cache_page **ret)
	MAY_YIELD
{
	uint64_t end = (part->index << DATA_PAGE_SHIFT) + part->in_page + part->size;
	/* Behind the file's end are zeros: nothing to read if all before it is written. */
	bool whole = part->in_page == 0 && (part->size == DATA_PAGE_SIZE || end >= inode->size);
	int r;

	if (whole)
		r = cache_get_new(&inode->pages, part->index, ret);
	else
		r = cache_get(&inode->pages, part->index, ret);
	if (r == 0)
		cache_modify(*ret);
	return r;
}

static int write_part(struct ext4_inode *inode, const struct part *part) MAY_YIELD
{
	unsigned int shift = inode->fs->block_shift;
	uint64_t start = part->index << DATA_PAGE_SHIFT;
	uint32_t first = (uint32_t)((start + part->in_page) >> shift);
	uint32_t end = (uint32_t)((start + part->in_page + part->size - 1) >> shift) + 1;
	struct cache_page *page;
	unsigned int added;
	int r = data_promise(inode, first, end, &added);

	if (r < 0)
		return r;
	r = page_for(inode, part, &page);
	if (r < 0) {
		data_promise_undo(inode, first, added);
		return r;
	}
	memcpy((char *)page->data + part->in_page, part->from, part->size);
	cache_dirty(page);
	cache_put(page);
	data_map_written(inode, part->from, part->size, start + part->in_page);
	if (start + part->in_page + part->size > inode->size)
		inode->size = start + part->in_page + part->size;
	return 0;
}

/* The disk is full: what waits may want less than it was promised, what was freed may come. */
void data_make_room(struct ext4_inode *inode)
{
	(void)!ext4_files_write(inode->fs);
	ext4_make_room(inode->fs);
}

static ssize_t write_parts(struct ext4_inode *inode, const char *from, size_t size, uint64_t offset)
	MAY_YIELD
{
	size_t done = 0, throttled = 0;
	unsigned int parts = 0;
	bool full = false;

	while (done < size) {
		struct part part = {
			.index = (offset + done) >> DATA_PAGE_SHIFT,
			.in_page = (uint32_t)((offset + done) % DATA_PAGE_SIZE),
			.from = from + done,
		};
		int r;

		part.size = DATA_PAGE_SIZE - part.in_page;
		if (part.size > size - done)
			part.size = (uint32_t)(size - done);
		r = write_part(inode, &part);
		if (r == -ENOSPC && !full) {
			full = true;
			data_make_room(inode);
			continue;
		}
		if (r < 0)
			return done > 0 ? (ssize_t)done : r;
		done += part.size;
		if (++parts % WRITE_PAGES == 0 && done < size)
			task_yield();
		/* Write-back takes no lock of the inode, so it goes on while we wait. */
		if (done - throttled >= THROTTLE_PAGES * DATA_PAGE_SIZE) {
			throttled = done;
			cache_throttle();
		}
	}
	return (ssize_t)done;
}

int data_writable(const struct ext4_inode *inode)
{
	int r = ext4_writable(inode->fs);

	return r == 0 && !S_ISREG(inode->mode) ? -EINVAL : r;
}

static ssize_t write_locked(struct ext4_inode *inode, const void *buf, size_t size, uint64_t offset)
	MAY_YIELD
{
	uint64_t limit = data_size_max(inode);
	struct ext4_data *d;
	ssize_t r = data_of(inode, &d);

	if (r < 0)
		return r;
	if (offset >= limit)
		return -EFBIG;
	if (size > limit - offset)
		size = limit - offset;
	if (offset > inode->size)
		r = data_zero_tail(inode);
	if (r == 0)
		r = data_map_resize(inode, offset + size);
	if (r == 0)
		r = write_parts(inode, buf, size, offset);
	if (r < 0 || (size_t)r < size) /* clients must not reach behind the end */
		data_map_cut(inode, inode->size);
	if (r > 0)
		ext4_touch(inode);
	return r;
}

ssize_t ext4_write(struct inode *vfs_inode, const void *buf, size_t size, uint64_t offset)
{
	struct ext4_inode *inode = ext4_i(vfs_inode);
	ssize_t r = data_writable(inode);

	if (r < 0 || size == 0)
		return r;
	cache_throttle();
	task_lock_take(&inode->lock);
	r = write_locked(inode, buf, size, offset);
	task_lock_drop(&inode->lock);
	return r;
}

#include "vfs/ext4/data_promise.h"
#include "vfs/ext4/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what a file has, hole or data. */

static int next_data(struct ext4_inode *inode, uint64_t block, uint64_t *ret) MAY_YIELD
{
	uint64_t mapped;
	int r = ext4_map_seek(inode, (uint32_t)block, true, &mapped);

	if (r == 0)
		*ret = min(mapped, data_promised_next(inode, block));
	return r;
}

static int next_hole(struct ext4_inode *inode, uint64_t block, uint64_t *ret) MAY_YIELD
{
	for (;;) {
		const struct ext4_data *d = inode->data;
		uint64_t waiting = d ? block_set_next_missing(&d->delayed, block) : block;
		int r;

		if (d && waiting == block)
			waiting = block_set_next_missing(&d->converting, block);
		if (waiting == block) {
			r = ext4_map_seek(inode, (uint32_t)block, false, ret);
			if (r < 0 || *ret == block)
				return r;
			waiting = *ret;
		}
		block = waiting;
		if (block >= UINT32_MAX) {
			*ret = UINT64_MAX;
			return 0;
		}
	}
}

static int64_t seek(struct ext4_inode *inode, uint64_t offset, int whence) MAY_YIELD
{
	unsigned int shift = inode->fs->block_shift;
	uint64_t block, found;
	int r;

	if (offset >= inode->size)
		return -ENXIO;
	block = offset >> shift;
	r = whence == SEEK_HOLE ? next_hole(inode, block, &block) : next_data(inode, block, &block);
	if (r < 0)
		return r;
	found = block >= UINT32_MAX ? UINT64_MAX : block << shift;
	if (found < offset)
		found = offset;
	if (found < inode->size)
		return (int64_t)found;
	return whence == SEEK_HOLE ? (int64_t)inode->size : -ENXIO;
}

int64_t ext4_seek_data(struct inode *vfs_inode, uint64_t offset, int whence)
{
	struct ext4_inode *inode = ext4_i(vfs_inode);
	int64_t r;

	if (!S_ISREG(vfs_inode->type))
		return -EINVAL;
	task_lock_take(&inode->lock);
	r = data_map_push(inode);
	if (r == 0)
		r = seek(inode, offset, whence);
	task_lock_drop(&inode->lock);
	return r;
}

/* ---- durability. */

int ext4_flush_delayed(struct ext4_inode *inode)
{
	if (data_promised_next(inode, 0) == UINT64_MAX)
		return 0;
	return cache_sync(&inode->pages, 0, UINT64_MAX);
}

static int push(struct ext4_inode *inode) MAY_YIELD
{
	int r;

	if (!inode->data->map)
		return 0;
	task_lock_take(&inode->lock);
	r = data_map_push(inode);
	task_lock_drop(&inode->lock);
	return r;
}

static int store(struct ext4_inode *inode) MAY_YIELD
{
	struct journal_handle h;
	int r;

	if (!(inode->state & EXT4_I_DIRTY))
		return 0;
	r = ext4_begin(inode->fs, 1, &h);
	if (r < 0)
		return r;
	r = ext4_inode_store(&h, inode);
	journal_end(&h);
	return r;
}

/*
 * Writes over blocks that the file had are in no transaction. A commit that begins its record
 * later flushes them too; so does one that still runs now, if it has a record.
 */
static int commit(struct ext4_inode *inode, uint32_t id, bool *flushed) MAY_YIELD
{
	struct journal *j = inode->fs->journal;
	struct journal_handle h;
	bool runs;
	int r;

	*flushed = false;
	if (journal_committed(j, id))
		return 0;
	r = ext4_begin(inode->fs, 1, &h);
	if (r < 0)
		return r;
	runs = journal_handle_id(&h) == id;
	journal_end(&h);
	r = journal_commit(j, id);
	*flushed = r == 0 && runs && journal_recorded(j, id);
	return r;
}

static int flush_loose(struct ext4_inode *inode, uint64_t upto) MAY_YIELD
{
	struct ext4_data *d = inode->data;
	int r = ext4_flush(inode->fs);

	if (r == 0 && d && d->loose_flushed < upto)
		d->loose_flushed = upto;
	return r;
}

static int make_durable(struct ext4_inode *inode, bool data_only) MAY_YIELD
{
	struct ext4_data *d = inode->data;
	uint64_t loose = d ? d->loose_writes : 0;
	bool flushed = false;
	int r;

	if (!inode->fs->journal) {
		r = cache_sync(&inode->fs->blocks, 0, UINT64_MAX);
		return r < 0 ? r : flush_loose(inode, loose);
	}
	r = commit(inode, data_only ? inode->last_data_transaction : inode->last_transaction,
		   &flushed);
	if (r < 0 || !d || d->loose_flushed >= loose)
		return r;
	if (!flushed)
		return flush_loose(inode, loose);
	d->loose_flushed = loose;
	return 0;
}

int ext4_fsync(struct inode *vfs_inode, bool data_only)
{
	struct ext4_inode *inode = ext4_i(vfs_inode);
	int r = 0, before;

	if (inode->fs->read_only)
		return 0;
	before = ext4_lost_take(inode);
	if (inode->data) {
		r = push(inode);
		if (r == 0)
			r = cache_sync(&inode->pages, 0, UINT64_MAX);
	}
	if (r == 0)
		r = ext4_writable(inode->fs);
	if (r == 0 && !data_only)
		r = store(inode);
	if (r == 0)
		r = make_durable(inode, data_only);
	return r < 0 ? r : before;
}

void ext4_data_free(struct ext4_inode *inode)
{
	struct ext4_data *d = inode->data;

	if (!d)
		return;
	data_map_free(inode);
	cache_map_fini(&inode->pages);
	block_set_clear(&d->delayed);
	block_set_clear(&d->converting);
	ext4_unreserve(inode, inode->delayed);
	inode->data = NULL;
	free(d);
}

#include "vfs/ext4/data.h"

#include <errno.h>
#include <stdlib.h>

const struct cache_map_ops ext4_page_ops = {
	.read = data_pages_read,
	.write = data_pages_write,
};

int data_of(struct ext4_inode *inode, struct ext4_data **ret)
{
	struct ext4_data *d = inode->data;

	if (!d) {
		d = calloc(1, sizeof(*d));
		if (!d)
			return -ENOMEM;
		waitq_init(&d->readers_gone);
		waitq_init(&d->change_done);
		cache_map_init(&inode->pages, &ext4_page_ops, inode, DATA_PAGE_SIZE);
		inode->data = d;
	}
	*ret = d;
	return 0;
}

uint64_t data_blocks(const struct ext4 *fs, uint64_t size)
{
	return (size >> fs->block_shift) + ((size & (fs->block_size - 1)) != 0);
}

uint64_t data_size_max(const struct ext4_inode *inode)
{
	/* Block numbers of a file have 32 bits, and the last one is no block. */
	return (uint64_t)UINT32_MAX << inode->fs->block_shift;
}

void data_read_begin(struct ext4_data *d)
{
	while (d->changing)
		(void)!waitq_wait(&d->change_done, TASK_FOREVER, WAIT_SURE);
	d->readers++;
}

void data_read_end(struct ext4_data *d)
{
	if (--d->readers == 0)
		waitq_wake_all(&d->readers_gone);
}

void data_change_begin(struct ext4_data *d)
{
	assert(!d->changing); /* inode->lock is held */
	d->changing = true;
	while (d->readers > 0)
		(void)!waitq_wait(&d->readers_gone, TASK_FOREVER, WAIT_SURE);
}

void data_change_end(struct ext4_data *d)
{
	d->changing = false;
	waitq_wake_all(&d->change_done);
}

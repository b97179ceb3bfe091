#include "vfs/ext4/ext4.h"

#include <errno.h>

/* So far attributes are only kept, and freed with their inode. */

ssize_t ext4_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	(void)inode;
	(void)name;
	(void)buf;
	(void)size;
	return -EOPNOTSUPP;
}

int ext4_setxattr(struct inode *inode, const char *name, const void *buf, size_t size, int flags)
{
	(void)inode;
	(void)name;
	(void)buf;
	(void)size;
	(void)flags;
	return -EOPNOTSUPP;
}

ssize_t ext4_listxattr(struct inode *inode, char *buf, size_t size)
{
	(void)inode;
	(void)buf;
	(void)size;
	return -EOPNOTSUPP;
}

int ext4_removexattr(struct inode *inode, const char *name)
{
	(void)inode;
	(void)name;
	return -EOPNOTSUPP;
}

static uint32_t checksum_of(const struct ext4 *fs, uint64_t block, const uint8_t *raw)
{
	const size_t at = offsetof(struct ext4_xattr_header, checksum);
	const uint32_t zero = 0;
	uint32_t crc = ext4_crc32c(fs->checksum_seed, &block, sizeof(block));

	crc = ext4_crc32c(crc, raw, at);
	crc = ext4_crc32c(crc, &zero, sizeof(zero));
	return ext4_crc32c(crc, raw + at + 4, fs->block_size - at - 4);
}

/* One inode fewer has the block; the last one frees it. */
static int put_block(struct journal_handle *h, struct ext4_inode *inode, struct cache_page *page)
	MAY_YIELD
{
	struct ext4 *fs = inode->fs;
	struct ext4_xattr_header *header = page->data;
	int r;

	if (header->magic != EXT4_XATTR_MAGIC || header->references == 0 ||
	    (ext4_has_checksums(fs) &&
	     header->checksum != checksum_of(fs, inode->xattr_block, page->data)))
		return ext4_damage(fs, "inode %u: its attributes are damaged", inode->number);
	if (header->references == 1)
		return ext4_blocks_free(h, inode, inode->xattr_block, 1, true);
	r = journal_get_write(h, page);
	if (r < 0)
		return r;
	header->references--;
	if (ext4_has_checksums(fs))
		header->checksum = checksum_of(fs, inode->xattr_block, page->data);
	journal_dirty(h, page);
	inode->blocks -= fs->block_size / 512;
	return 0;
}

int ext4_xattr_free(struct journal_handle *h, struct ext4_inode *inode)
{
	struct cache_page *page;
	int r;

	if (!inode->xattr_block)
		return 0;
	r = cache_get(&inode->fs->blocks, inode->xattr_block, &page);
	if (r < 0)
		return r;
	r = put_block(h, inode, page);
	cache_put(page);
	if (r == 0)
		inode->xattr_block = 0;
	return r;
}

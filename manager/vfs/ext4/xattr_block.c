/* xattr_block.c - where an inode's attributes are, and changing that in one handle. */
#include "vfs/ext4/xattr.h"

#include <errno.h>
#include <string.h>

#define BODY_MAGIC_SIZE 4u

static uint32_t checksum_of(const struct ext4 *fs, uint64_t block, const uint8_t *raw)
{
	const size_t at = offsetof(struct ext4_xattr_header, checksum);
	const uint32_t zero = 0;
	uint32_t crc = ext4_crc32c(fs->checksum_seed, &block, sizeof(block));

	crc = ext4_crc32c(crc, raw, at);
	crc = ext4_crc32c(crc, &zero, sizeof(zero));
	return ext4_crc32c(crc, raw + at + 4, fs->block_size - at - 4);
}

static void store_checksum(const struct ext4 *fs, uint64_t block, uint8_t *raw)
{
	struct ext4_xattr_header *header = (struct ext4_xattr_header *)(void *)raw;

	header->checksum = 0;
	if (ext4_has_checksums(fs))
		header->checksum = checksum_of(fs, block, raw);
}

static uint64_t sectors(const struct ext4 *fs)
{
	return fs->block_size / 512;
}

/* ---- getting at them. */

static void find_body(const struct ext4_inode *inode, uint8_t *raw, struct xattr_places *p)
{
	const uint32_t magic = EXT4_XATTR_MAGIC;
	uint32_t start = EXT4_INODE_SIZE_MIN + inode->extra_size;

	/* Without extra fields nobody looks for attributes behind them. */
	if (inode->extra_size == 0 || inode->state & EXT4_I_NEW ||
	    start + BODY_MAGIC_SIZE + sizeof(struct ext4_xattr_entry) >= inode->fs->inode_size)
		return;
	p->body_start = raw + start;
	p->body_size = inode->fs->inode_size - start - BODY_MAGIC_SIZE;
	if (memcmp(p->body_start, &magic, sizeof(magic)) == 0)
		p->body = (struct xattr_area){ p->body_start + BODY_MAGIC_SIZE, 0, p->body_size,
					       false };
}

static int check_block(const struct ext4_inode *inode, struct xattr_places *p)
{
	const struct ext4 *fs = inode->fs;
	const struct ext4_xattr_header *header = p->block_page->data;

	p->block = (struct xattr_area){ p->block_page->data, sizeof(*header), fs->block_size,
					true };
	if (p->block_page->checked == EXT4_IS_ATTRIBUTES)
		return 0;
	if (header->magic != EXT4_XATTR_MAGIC || header->references == 0 || header->blocks != 1)
		return -EUCLEAN;
	if (ext4_has_checksums(fs) &&
	    header->checksum != checksum_of(fs, p->block_page->index, p->block_page->data))
		return -EUCLEAN;
	if (xattr_area_check(&p->block) < 0)
		return -EUCLEAN;
	p->block_page->checked = EXT4_IS_ATTRIBUTES;
	return 0;
}

/* The block as it is now: it may be another one when it was read. */
static int get_block(struct ext4_inode *inode, struct cache_page **ret) MAY_YIELD
{
	struct cache_page *page;
	uint64_t block;

	while ((block = inode->xattr_block) != 0) {
		int r = cache_get(&inode->fs->blocks, block, &page);

		if (r < 0 && inode->xattr_block == block)
			return r;
		if (r == 0 && inode->xattr_block == block) {
			*ret = page;
			return 0;
		}
		if (r == 0)
			cache_put(page);
	}
	return 0;
}

int xattr_places_get(struct ext4_inode *inode, struct xattr_places *ret)
{
	struct xattr_places p = { .inode_page = NULL };
	uint8_t *raw;
	int r = ext4_inode_block(inode, &p.inode_page, &raw);

	if (r < 0)
		return r;
	r = get_block(inode, &p.block_page);
	if (r == 0) {
		find_body(inode, raw, &p);
		r = xattr_area_check(&p.body);
		if (r == 0 && p.block_page)
			r = check_block(inode, &p);
		if (r < 0)
			r = ext4_damage(inode->fs, "inode %u: its attributes are damaged",
					inode->number);
	}
	if (r < 0)
		xattr_places_put(&p);
	else
		*ret = p;
	return r;
}

void xattr_places_put(struct xattr_places *places)
{
	cache_put(places->inode_page);
	cache_put(places->block_page);
}

/* ---- one inode fewer has the block. */

static int share_less(struct journal_handle *h, struct ext4 *fs, struct cache_page *page) MAY_YIELD
{
	struct ext4_xattr_header *header = page->data;
	int r = journal_get_write(h, page);

	if (r < 0)
		return r;
	if (header->references <= 1)
		return ext4_damage(fs, "block %llu of attributes has more users than it counts",
				   (unsigned long long)page->index);
	header->references--;
	store_checksum(fs, page->index, page->data);
	journal_dirty(h, page);
	return 0;
}

/* The last one frees it. */
static int put_block(struct journal_handle *h, struct ext4_inode *inode, struct cache_page *page)
	MAY_YIELD
{
	const struct ext4_xattr_header *header = page->data;
	int r;

	if (header->references == 1) {
		/* Whoever looks meanwhile finds what was there before. */
		r = ext4_blocks_free(h, inode, inode->xattr_block, 1, true);
	} else {
		r = share_less(h, inode->fs, page);
		if (r == 0)
			inode->blocks -= sectors(inode->fs);
	}
	if (r == 0)
		inode->xattr_block = 0;
	return r;
}

int ext4_xattr_free(struct journal_handle *h, struct ext4_inode *inode)
{
	struct xattr_places p;
	int r;

	if (!inode->xattr_block)
		return 0;
	r = xattr_places_get(inode, &p);
	if (r < 0)
		return r;
	r = put_block(h, inode, p.block_page);
	xattr_places_put(&p);
	return r;
}

/* ---- changing them. */

uint32_t xattr_credits(const struct ext4 *fs)
{
	/* The inode, the superblock, the old block and the new one; one taken, one freed. */
	return 4 + 2 * ext4_credits_alloc(fs, 1);
}

/* The superblock says that there are such blocks. */
static int tell_super(struct journal_handle *h, struct ext4 *fs) MAY_YIELD
{
	int r;

	if (fs->feature_compat & EXT4_COMPAT_EXT_ATTR)
		return 0;
	r = ext4_super_get_write(h, fs);
	if (r < 0)
		return r;
	ext4_super(fs)->feature_compat |= EXT4_COMPAT_EXT_ATTR;
	fs->feature_compat |= EXT4_COMPAT_EXT_ATTR;
	ext4_super_store(h, fs);
	return 0;
}

/* A block to write to, which is nobody's yet. It is not counted: a fast link stays one. */
static int take_block(struct journal_handle *h, struct ext4_inode *inode, struct cache_page **ret)
	MAY_YIELD
{
	struct ext4 *fs = inode->fs;
	uint32_t count = 1;
	uint64_t block;
	int r = tell_super(h, fs);

	if (r == 0)
		r = ext4_blocks_alloc(h, inode, 0, &count, &block);
	if (r < 0)
		return r;
	inode->blocks -= sectors(fs);
	r = cache_get_new(&fs->blocks, block, ret);
	if (r == 0) {
		r = journal_get_write(h, *ret);
		if (r == 0)
			return 0;
		cache_put(*ret);
	}
	inode->blocks += sectors(fs);
	(void)!ext4_blocks_free(h, inode, block, 1, true);
	return r;
}

static void fill_body(struct journal_handle *h, const struct xattr_places *p,
		      const struct xattr_area *from)
{
	const uint32_t magic = EXT4_XATTR_MAGIC;

	memcpy(p->body_start, &magic, sizeof(magic));
	memcpy(p->body_start + BODY_MAGIC_SIZE, from->base, from->end);
	journal_dirty(h, p->inode_page);
}

static void fill_block(struct journal_handle *h, struct ext4 *fs, struct cache_page *page,
		       const struct xattr_area *from)
{
	const struct xattr_area to = { page->data, from->first, from->end, true };
	struct ext4_xattr_header *header = page->data;

	memcpy(to.base + to.first, from->base + from->first, from->end - from->first);
	*header = (struct ext4_xattr_header){
		.magic = EXT4_XATTR_MAGIC,
		.references = 1,
		.blocks = 1,
		.hash = xattr_area_hash(&to),
	};
	store_checksum(fs, page->index, page->data);
	page->checked = EXT4_IS_ATTRIBUTES;
	journal_dirty(h, page);
}

/* Both places get their new contents at once: no yield in here. */
static void fill(struct journal_handle *h, struct ext4_inode *inode, const struct xattr_places *p,
		 const struct xattr_plan *plan, struct cache_page *page)
{
	if (plan->body.base)
		fill_body(h, p, &plan->body);
	if (!page)
		return;
	fill_block(h, inode->fs, page, &plan->block);
	if (inode->xattr_block == 0)
		inode->blocks += sectors(inode->fs);
	inode->xattr_block = page->index;
}

int xattr_apply(struct journal_handle *h, struct ext4_inode *inode, struct xattr_places *places,
		const struct xattr_plan *plan)
{
	struct cache_page *old = places->block_page, *page = NULL;
	bool leave = plan->block.base && xattr_area_empty(&plan->block);
	bool unshare = old && plan->new_block;
	int r = journal_get_write(h, places->inode_page);

	if (r == 0 && plan->new_block) {
		r = take_block(h, inode, &page);
	} else if (r == 0 && plan->block.base && !leave) {
		r = journal_get_write(h, old);
		page = cache_pin(old);
	}
	if (r == 0) {
		fill(h, inode, places, plan, page);
		if (unshare)
			r = share_less(h, inode->fs, old);
		else if (leave)
			r = put_block(h, inode, old);
	}
	cache_put(page);
	if (r < 0)
		return r;
	inode->ctime = vfs_now();
	return ext4_inode_store(h, inode);
}

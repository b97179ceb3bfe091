#include "vfs/ext4/alloc.h"

#include "vfs/ext4/alloc_bits.h"
#include "vfs/ext4/inside.h"

#include <errno.h>
#include <sys/stat.h>

/*
 * Which group an inode goes to. Files: where their directory is, then ever further from
 * it. Directories of the root: apart from each other, into groups with much room (what is
 * below them is found together, and they do not get into each other's way). Other
 * directories: near their parent, unless it is crowded there.
 */

static bool has_numbers(const struct ext4 *fs, uint32_t group)
{
	return !fs->groups[group].damaged && fs->groups[group].free_inodes > 0;
}

static uint32_t group_apart(struct ext4 *fs)
{
	uint64_t inodes = fs->free_inodes / fs->group_count;
	uint64_t blocks = fs->free_blocks / fs->group_count;
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 1; i <= fs->group_count; i++) {
		uint32_t group = (uint32_t)(((uint64_t)fs->alloc->last_top + i) % fs->group_count);
		const struct ext4_group *g = &fs->groups[group];

		if (!has_numbers(fs, group) || g->free_inodes < inodes || g->free_blocks < blocks)
			continue;
		if (best == UINT32_MAX || g->directories < fs->groups[best].directories)
			best = group;
	}
	if (best != UINT32_MAX)
		fs->alloc->last_top = best;
	return best;
}

static uint32_t group_near(const struct ext4 *fs, uint32_t parent)
{
	uint64_t inodes = fs->free_inodes / fs->group_count / 2;
	uint64_t blocks = fs->free_blocks / fs->group_count / 2;

	for (uint32_t i = 0; i < fs->group_count; i++) {
		uint32_t group = (uint32_t)(((uint64_t)parent + i) % fs->group_count);
		const struct ext4_group *g = &fs->groups[group];

		if (has_numbers(fs, group) && g->free_inodes >= inodes && g->free_blocks >= blocks)
			return group;
	}
	return UINT32_MAX;
}

/* For files; and for directories where nothing better was found. */
static uint32_t group_any(const struct ext4 *fs, uint32_t parent)
{
	uint32_t group = parent;

	if (has_numbers(fs, group) && fs->groups[group].free_blocks > 0)
		return group;
	for (uint32_t step = 1; step < fs->group_count; step *= 2) {
		group = (uint32_t)(((uint64_t)group + step) % fs->group_count);
		if (has_numbers(fs, group) && fs->groups[group].free_blocks > 0)
			return group;
	}
	for (uint32_t i = 0; i < fs->group_count; i++) {
		group = (uint32_t)(((uint64_t)parent + i) % fs->group_count);
		if (has_numbers(fs, group))
			return group;
	}
	return UINT32_MAX;
}

static uint32_t group_for(struct ext4 *fs, const struct ext4_inode *dir, uint32_t mode)
{
	uint32_t parent = ext4_group_of_inode(fs, dir->number) % fs->group_count;
	uint32_t group = UINT32_MAX;

	if (S_ISDIR(mode) && (dir->number == EXT4_ROOT_NUMBER || (dir->flags & EXT4_TOPDIR_FL)))
		group = group_apart(fs);
	else if (S_ISDIR(mode))
		group = group_near(fs, parent);
	return group != UINT32_MAX ? group : group_any(fs, parent);
}

/* Numbers of the group that may be given, as bits from `*ret_first` on. */
static struct bits numbers_of(const struct ext4 *fs, uint32_t group, const struct cache_page *page,
			      uint32_t *ret_first)
{
	uint64_t before = (uint64_t)group * fs->inodes_per_group;
	uint64_t left = fs->inode_count > before ? fs->inode_count - before : 0;

	*ret_first = before + 1 < fs->first_inode ? (uint32_t)(fs->first_inode - 1 - before) : 0;
	return (struct bits){
		.used = page->data,
		.end = left < fs->inodes_per_group ? (uint32_t)left : fs->inodes_per_group,
	};
}

/* 1: the group has none, whatever it counted: look elsewhere. */
static int take_number(struct journal_handle *h, struct ext4 *fs, uint32_t group, bool directory,
		       uint32_t *ret) MAY_YIELD
{
	struct ext4_group *g = &fs->groups[group];
	struct cache_page *page;
	struct bits b;
	uint32_t first, bit;
	int r = ext4_inode_bitmap(fs, group, &page);

	if (r < 0)
		return g->damaged ? 1 : r;
	r = journal_get_write(h, page);
	if (r < 0) {
		cache_put(page);
		return r;
	}
	b = numbers_of(fs, group, page, &first);
	if (first < fs->alloc->groups[group].next_number)
		first = fs->alloc->groups[group].next_number;
	bit = bits_next_free(&b, first);
	if (bit >= b.end || g->free_inodes == 0 || fs->free_inodes == 0) {
		cache_put(page);
		if (g->free_inodes > 0 && bit >= b.end) {
			g->damaged = true;
			return ext4_damage(fs, "group %u: fewer inodes are free than it counts",
					   group);
		}
		return 1;
	}
	bits_set(page->data, bit, 1, true);
	journal_dirty(h, page);
	fs->alloc->groups[group].next_number = bit + 1;
	g->free_inodes--;
	fs->free_inodes--;
	g->directories += directory;
	g->flags &= (uint16_t)~EXT4_BG_INODE_UNINIT;
	if (g->unused_inodes > fs->inodes_per_group - bit - 1)
		g->unused_inodes = fs->inodes_per_group - bit - 1;
	*ret = group * fs->inodes_per_group + bit + 1;
	r = ext4_bitmap_store(h, fs, group, page, true);
	cache_put(page);
	return r;
}

int ext4_number_alloc(struct journal_handle *h, struct ext4_inode *dir, uint32_t mode,
		      uint32_t *ret)
{
	struct ext4 *fs = dir->fs;
	int r = ext4_writable(fs);

	if (r < 0)
		return r;
	do {
		uint32_t group = group_for(fs, dir, mode);

		if (group == UINT32_MAX || fs->free_inodes == 0)
			return -ENOSPC;
		r = take_number(h, fs, group, S_ISDIR(mode), ret);
	} while (r > 0);
	return r;
}

int ext4_number_free(struct journal_handle *h, struct ext4_inode *inode)
{
	struct ext4 *fs = inode->fs;
	uint32_t group = ext4_group_of_inode(fs, inode->number);
	uint32_t bit = (inode->number - 1) % fs->inodes_per_group;
	struct ext4_group *g = &fs->groups[group];
	struct cache_page *page;
	int r = ext4_inode_bitmap(fs, group, &page);

	if (r < 0)
		return r;
	r = journal_get_write(h, page);
	if (r == 0 && !bits_all(page->data, bit, 1))
		r = ext4_damage(fs, "inode %u is freed, but was free", inode->number);
	if (r == 0) {
		bits_set(page->data, bit, 1, false);
		journal_dirty(h, page);
		if (bit < fs->alloc->groups[group].next_number)
			fs->alloc->groups[group].next_number = bit;
		g->free_inodes++;
		fs->free_inodes++;
		if (S_ISDIR(inode->mode) && g->directories > 0)
			g->directories--;
		r = ext4_bitmap_store(h, fs, group, page, true);
	}
	cache_put(page);
	return r;
}

#include "vfs/ext4/inside.h"

#include <errno.h>
#include <stdlib.h>

uint64_t ext4_group_first_block(const struct ext4 *fs, uint32_t group)
{
	return fs->first_block + (uint64_t)group * fs->blocks_per_group;
}

uint32_t ext4_group_block_count(const struct ext4 *fs, uint32_t group)
{
	uint64_t left = fs->block_count - ext4_group_first_block(fs, group);

	return left < fs->blocks_per_group ? (uint32_t)left : fs->blocks_per_group;
}

static bool is_power_of(uint32_t value, uint32_t base)
{
	while (value % base == 0)
		value /= base;
	return value == 1;
}

bool ext4_group_has_super(const struct ext4 *fs, uint32_t group)
{
	if (group == 0)
		return true;
	if (fs->feature_compat & EXT4_COMPAT_SPARSE_SUPER2)
		return group == fs->backup_groups[0] || group == fs->backup_groups[1];
	if (group == 1 || !(fs->feature_ro_compat & EXT4_RO_COMPAT_SPARSE_SUPER))
		return true;
	return is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7);
}

int ext4_zone_add(struct ext4 *fs, uint64_t first, uint64_t end)
{
	struct ext4_zone *last = fs->zone_count ? &fs->zones[fs->zone_count - 1] : NULL;

	if (first >= end || end > fs->block_count)
		return -EUCLEAN;
	if (last && last->end == first) { /* the usual case with flex_bg */
		last->end = end;
		return 0;
	}
	if ((fs->zone_count & (fs->zone_count - 1)) == 0) { /* a power of two: it is full */
		size_t count = fs->zone_count ? (size_t)fs->zone_count * 2 : 1;
		struct ext4_zone *longer = realloc(fs->zones, count * sizeof(*longer));

		if (!longer)
			return -ENOMEM;
		fs->zones = longer;
	}
	fs->zones[fs->zone_count++] = (struct ext4_zone){ first, end };
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct ext4_zone *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

int ext4_zones_sort(struct ext4 *fs)
{
	if (fs->zone_count == 0)
		return 0;
	qsort(fs->zones, fs->zone_count, sizeof(*fs->zones), compare);
	for (uint32_t i = 1; i < fs->zone_count; i++)
		if (fs->zones[i].first < fs->zones[i - 1].end)
			return -EUCLEAN;
	return 0;
}

/* Superblock and descriptors of one group. */
static int add_head(struct ext4 *fs, uint32_t group)
{
	uint64_t first = ext4_group_first_block(fs, group);
	uint64_t end = first + (ext4_group_has_super(fs, group) ? 1 : 0);
	uint32_t meta_group = group / fs->descriptors_per_block;

	if (!(fs->feature_incompat & EXT4_INCOMPAT_META_BG) || meta_group < fs->first_meta_group) {
		uint32_t old = fs->feature_incompat & EXT4_INCOMPAT_META_BG ? fs->first_meta_group
									    : fs->descriptor_blocks;

		if (end > first)
			end += old + fs->reserved_descriptor_blocks;
	} else {
		uint32_t in_meta_group = group % fs->descriptors_per_block;

		if (in_meta_group <= 1 || in_meta_group == fs->descriptors_per_block - 1)
			end++;
	}
	/* With blocks of 1024 bytes, block 0 is before the first group. */
	return end > first ? ext4_zone_add(fs, first, end) : 0;
}

int ext4_zones_build(struct ext4 *fs)
{
	uint32_t table =
		(uint32_t)((uint64_t)fs->inodes_per_group * fs->inode_size / fs->block_size);
	int r = 0;

	ext4_zones_free(fs);
	if ((uint64_t)fs->inodes_per_group * fs->inode_size % fs->block_size)
		table++;
	for (uint32_t i = 0; i < fs->group_count && r == 0; i++)
		r = add_head(fs, i);
	for (uint32_t i = 0; i < fs->group_count && r == 0; i++)
		if (!fs->groups[i].damaged)
			r = ext4_zone_add(fs, fs->groups[i].block_bitmap,
					  fs->groups[i].block_bitmap + 1);
	for (uint32_t i = 0; i < fs->group_count && r == 0; i++)
		if (!fs->groups[i].damaged)
			r = ext4_zone_add(fs, fs->groups[i].inode_bitmap,
					  fs->groups[i].inode_bitmap + 1);
	for (uint32_t i = 0; i < fs->group_count && r == 0; i++)
		if (!fs->groups[i].damaged)
			r = ext4_zone_add(fs, fs->groups[i].inode_table,
					  fs->groups[i].inode_table + table);
	return r == 0 ? ext4_zones_sort(fs) : r;
}

void ext4_zones_free(struct ext4 *fs)
{
	free(fs->zones);
	fs->zones = NULL;
	fs->zone_count = 0;
}

const struct ext4_zone *ext4_zone_after(const struct ext4 *fs, uint64_t block)
{
	uint32_t low = 0, high = fs->zone_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (fs->zones[middle].end <= block)
			low = middle + 1;
		else
			high = middle;
	}
	return low < fs->zone_count ? &fs->zones[low] : NULL;
}

bool ext4_block_valid(const struct ext4 *fs, uint64_t block, uint64_t count)
{
	const struct ext4_zone *zone;

	if (block < fs->first_block || block >= fs->block_count || count == 0 ||
	    count > fs->block_count - block)
		return false;
	zone = ext4_zone_after(fs, block);
	return !zone || zone->first >= block + count;
}

#include "vfs/ext4/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t ext4_descriptor_block(const struct ext4 *fs, uint32_t group)
{
	uint32_t index = group / fs->descriptors_per_block;
	uint64_t first;

	if (!(fs->feature_incompat & EXT4_INCOMPAT_META_BG) || index < fs->first_meta_group)
		return (uint64_t)ext4_block_of_super(fs) + 1 + index;
	first = ext4_group_first_block(fs, index * fs->descriptors_per_block);
	return first + (ext4_group_has_super(fs, index * fs->descriptors_per_block) ? 1 : 0);
}

int ext4_descriptor(struct ext4 *fs, uint32_t group, struct cache_page **ret,
		    struct ext4_descriptor **ret_descriptor)
{
	uint64_t block = ext4_descriptor_block(fs, group);
	int r;

	if (block >= fs->block_count)
		return ext4_damage(fs, "group %u has no room for its descriptor", group);
	r = cache_get(&fs->blocks, block, ret);
	if (r < 0)
		return r;
	*ret_descriptor = (struct ext4_descriptor *)(void *)((uint8_t *)(*ret)->data +
							     group % fs->descriptors_per_block *
								     fs->descriptor_size);
	return 0;
}

static bool wide(const struct ext4 *fs)
{
	return fs->descriptor_size >= sizeof(struct ext4_descriptor);
}

static bool has_flags(const struct ext4 *fs)
{
	return fs->feature_ro_compat & (EXT4_RO_COMPAT_GDT_CSUM | EXT4_RO_COMPAT_METADATA_CSUM);
}

static void decode(const struct ext4 *fs, const struct ext4_descriptor *d, struct ext4_group *g)
{
	*g = (struct ext4_group){
		.block_bitmap = d->block_bitmap_low,
		.inode_bitmap = d->inode_bitmap_low,
		.inode_table = d->inode_table_low,
		.free_blocks = d->free_blocks_low,
		.free_inodes = d->free_inodes_low,
		.directories = d->directories_low,
	};
	if (has_flags(fs)) {
		g->flags = d->flags;
		g->unused_inodes = d->unused_inodes_low;
	}
	if (!wide(fs))
		return;
	g->block_bitmap |= (uint64_t)d->block_bitmap_high << 32;
	g->inode_bitmap |= (uint64_t)d->inode_bitmap_high << 32;
	g->inode_table |= (uint64_t)d->inode_table_high << 32;
	g->free_blocks |= (uint32_t)d->free_blocks_high << 16;
	g->free_inodes |= (uint32_t)d->free_inodes_high << 16;
	g->directories |= (uint32_t)d->directories_high << 16;
	if (has_flags(fs))
		g->unused_inodes |= (uint32_t)d->unused_inodes_high << 16;
}

static bool plausible(const struct ext4 *fs, uint32_t group, const struct ext4_group *g)
{
	uint64_t table = ((uint64_t)fs->inodes_per_group * fs->inode_size + fs->block_size - 1) >>
			 fs->block_shift;

	return g->block_bitmap > fs->first_block && g->block_bitmap < fs->block_count &&
	       g->inode_bitmap > fs->first_block && g->inode_bitmap < fs->block_count &&
	       g->inode_table > fs->first_block && g->inode_table < fs->block_count &&
	       table <= fs->block_count - g->inode_table &&
	       g->free_blocks <= ext4_group_block_count(fs, group) &&
	       g->free_inodes <= fs->inodes_per_group && g->unused_inodes <= g->free_inodes &&
	       g->directories <= fs->inodes_per_group;
}

static int load_one(struct ext4 *fs, uint32_t group) MAY_YIELD
{
	struct ext4_group *g = &fs->groups[group];
	struct ext4_descriptor *d;
	struct cache_page *page;
	int r = ext4_descriptor(fs, group, &page, &d);

	if (r < 0)
		return r;
	decode(fs, d, g);
	g->damaged = d->checksum != ext4_descriptor_checksum(fs, group, d) ||
		     !plausible(fs, group, g);
	cache_put(page);
	return 0;
}

int ext4_groups_load(struct ext4 *fs)
{
	ext4_groups_free(fs);
	fs->groups = calloc(fs->group_count, sizeof(*fs->groups));
	if (!fs->groups)
		return -ENOMEM;
	fs->free_blocks = 0;
	fs->free_inodes = 0;
	for (uint32_t i = 0; i < fs->group_count; i++) {
		int r;

		if (i % fs->descriptors_per_block == 0)
			cache_read_ahead(&fs->blocks, ext4_descriptor_block(fs, i), 1);
		r = load_one(fs, i);
		if (r < 0)
			return r;
		if (fs->groups[i].damaged)
			continue;
		fs->free_blocks += fs->groups[i].free_blocks;
		fs->free_inodes += fs->groups[i].free_inodes;
	}
	return ext4_zones_build(fs);
}

void ext4_groups_free(struct ext4 *fs)
{
	free(fs->groups);
	fs->groups = NULL;
	ext4_zones_free(fs);
}

static void encode(const struct ext4 *fs, const struct ext4_group *g, struct ext4_descriptor *d)
{
	d->free_blocks_low = (uint16_t)g->free_blocks;
	d->free_inodes_low = (uint16_t)g->free_inodes;
	d->directories_low = (uint16_t)g->directories;
	if (has_flags(fs)) {
		d->flags = g->flags;
		d->unused_inodes_low = (uint16_t)g->unused_inodes;
	}
	if (!wide(fs))
		return;
	d->free_blocks_high = (uint16_t)(g->free_blocks >> 16);
	d->free_inodes_high = (uint16_t)(g->free_inodes >> 16);
	d->directories_high = (uint16_t)(g->directories >> 16);
	if (has_flags(fs))
		d->unused_inodes_high = (uint16_t)(g->unused_inodes >> 16);
}

int ext4_group_store(struct journal_handle *h, struct ext4 *fs, uint32_t group)
{
	struct ext4_descriptor *d;
	struct cache_page *page;
	int r = ext4_descriptor(fs, group, &page, &d);

	if (r < 0)
		return r;
	r = journal_get_write(h, page);
	if (r == 0) {
		encode(fs, &fs->groups[group], d);
		d->checksum = ext4_descriptor_checksum(fs, group, d);
		journal_dirty(h, page);
	}
	cache_put(page);
	return r;
}

/* ---- bitmaps. */

static uint8_t bitmap_kind(bool of_inodes)
{
	return of_inodes ? EXT4_IS_INODE_BITMAP : EXT4_IS_BLOCK_BITMAP;
}

static uint32_t bitmap_checksum(const struct ext4 *fs, const uint8_t *bits, bool of_inodes)
{
	uint32_t count = of_inodes ? fs->inodes_per_group : fs->blocks_per_group;

	return ext4_crc32c(fs->checksum_seed, bits, count / 8);
}

static uint32_t stored_checksum(const struct ext4 *fs, const struct ext4_descriptor *d,
				bool of_inodes)
{
	uint32_t low = of_inodes ? d->inode_bitmap_checksum_low : d->block_bitmap_checksum_low;
	uint32_t high = of_inodes ? d->inode_bitmap_checksum_high : d->block_bitmap_checksum_high;

	return wide(fs) ? low | high << 16 : low;
}

static void store_checksum(const struct ext4 *fs, struct ext4_descriptor *d, uint32_t checksum,
			   bool of_inodes)
{
	uint16_t low = (uint16_t)checksum, high = (uint16_t)(checksum >> 16);

	if (of_inodes)
		d->inode_bitmap_checksum_low = low;
	else
		d->block_bitmap_checksum_low = low;
	if (!wide(fs))
		return;
	if (of_inodes)
		d->inode_bitmap_checksum_high = high;
	else
		d->block_bitmap_checksum_high = high;
}

/* Bits first .. end - 1. */
static void set_bits(uint8_t *bits, uint32_t first, uint32_t end)
{
	while (first < end && first % 8) {
		bits[first / 8] |= (uint8_t)(1u << first % 8);
		first++;
	}
	if (end - first >= 8)
		memset(bits + first / 8, 0xff, (end - first) / 8);
	first += (end - first) / 8 * 8;
	while (first < end) {
		bits[first / 8] |= (uint8_t)(1u << first % 8);
		first++;
	}
}

static bool are_set(const uint8_t *bits, uint32_t first, uint32_t end)
{
	for (; first < end; first++)
		if (!(bits[first / 8] >> first % 8 & 1))
			return false;
	return true;
}

static uint32_t count_clear(const uint8_t *bits, uint32_t count)
{
	uint32_t clear = 0;
	uint64_t word;

	for (uint32_t i = 0; i + 64 <= count; i += 64) {
		memcpy(&word, bits + i / 8, sizeof(word));
		clear += (uint32_t)__builtin_popcountll(~word);
	}
	for (uint32_t i = count / 64 * 64; i < count; i++)
		clear += !(bits[i / 8] >> i % 8 & 1);
	return clear;
}

/* A bitmap that was never written. False: it is not as the descriptor counts. */
static bool make_bitmap(const struct ext4 *fs, uint32_t group, bool of_inodes, uint8_t *bits)
{
	uint64_t first = ext4_group_first_block(fs, group);
	uint32_t count = of_inodes ? fs->inodes_per_group : ext4_group_block_count(fs, group);

	memset(bits, 0, fs->block_size);
	set_bits(bits, count, fs->block_size * 8);
	if (of_inodes)
		return fs->groups[group].free_inodes == count;
	for (const struct ext4_zone *z = ext4_zone_after(fs, first);
	     z && z < fs->zones + fs->zone_count && z->first < first + count; z++) {
		uint64_t from = z->first > first ? z->first - first : 0;
		uint64_t to = z->end - first < count ? z->end - first : count;

		set_bits(bits, (uint32_t)from, (uint32_t)to);
	}
	return fs->groups[group].free_blocks == count_clear(bits, count);
}

/* Does a bitmap from the disk say what the rest says? */
static bool bitmap_true(const struct ext4 *fs, uint32_t group, bool of_inodes, const uint8_t *bits)
{
	const struct ext4_group *g = &fs->groups[group];
	uint64_t first = ext4_group_first_block(fs, group);
	uint32_t count = of_inodes ? fs->inodes_per_group : ext4_group_block_count(fs, group);

	if (count_clear(bits, count) != (of_inodes ? g->free_inodes : g->free_blocks))
		return false;
	if (of_inodes)
		return group != 0 || are_set(bits, 0, fs->first_inode - 1);
	for (const struct ext4_zone *z = ext4_zone_after(fs, first);
	     z && z < fs->zones + fs->zone_count && z->first < first + count; z++) {
		uint64_t from = z->first > first ? z->first - first : 0;
		uint64_t to = z->end - first < count ? z->end - first : count;

		if (!are_set(bits, (uint32_t)from, (uint32_t)to))
			return false;
	}
	return true;
}

static int check_bitmap(struct ext4 *fs, uint32_t group, bool of_inodes, struct cache_page *page)
	MAY_YIELD
{
	struct ext4_descriptor *d;
	struct cache_page *at;
	bool right = true;
	int r;

	if (ext4_has_checksums(fs)) {
		uint32_t checksum = bitmap_checksum(fs, page->data, of_inodes);

		r = ext4_descriptor(fs, group, &at, &d);
		if (r < 0)
			return r;
		if (!wide(fs))
			checksum &= 0xffff;
		right = checksum == stored_checksum(fs, d, of_inodes);
		cache_put(at);
		if (page->checked ==
		    bitmap_kind(of_inodes)) /* by another task, which may have changed it since */
			return 0;
	}
	if (!right)
		return ext4_damage(fs, "group %u: the %s bitmap's checksum is wrong", group,
				   of_inodes ? "inode" : "block");
	if (!bitmap_true(fs, group, of_inodes, page->data))
		return ext4_damage(fs, "group %u: the %s bitmap does not agree with the rest",
				   group, of_inodes ? "inode" : "block");
	return 0;
}

static int get_bitmap(struct ext4 *fs, uint32_t group, bool of_inodes, struct cache_page **ret)
	MAY_YIELD
{
	struct ext4_group *g = &fs->groups[group];
	uint64_t block = of_inodes ? g->inode_bitmap : g->block_bitmap;
	uint16_t never_written = of_inodes ? EXT4_BG_INODE_UNINIT : EXT4_BG_BLOCK_UNINIT;
	struct cache_page *page;
	int r;

	if (g->damaged)
		return -EUCLEAN;
	if (g->flags & never_written)
		r = cache_get_new(&fs->blocks, block, &page);
	else
		r = cache_get(&fs->blocks, block, &page);
	if (r < 0)
		return r;
	if (page->checked != bitmap_kind(of_inodes)) {
		/* The flag may have gone while we waited: then so has the need to make it up. */
		if (!(g->flags & never_written))
			r = check_bitmap(fs, group, of_inodes, page);
		else if (!make_bitmap(fs, group, of_inodes, page->data))
			r = ext4_damage(fs, "group %u has another number of free %s than it says",
					group, of_inodes ? "inodes" : "blocks");
		if (r == 0)
			page->checked = bitmap_kind(of_inodes);
	}
	if (r == 0)
		*ret = page;
	else
		cache_put(page);
	return r;
}

int ext4_block_bitmap(struct ext4 *fs, uint32_t group, struct cache_page **ret)
{
	return get_bitmap(fs, group, false, ret);
}

int ext4_inode_bitmap(struct ext4 *fs, uint32_t group, struct cache_page **ret)
{
	return get_bitmap(fs, group, true, ret);
}

int ext4_bitmap_store(struct journal_handle *h, struct ext4 *fs, uint32_t group,
		      struct cache_page *bitmap, bool of_inodes)
{
	struct ext4_group *g = &fs->groups[group];
	struct ext4_descriptor *d;
	struct cache_page *page;
	int r;

	/* First of all: from here on the bitmap is what it is. */
	g->flags &= (uint16_t) ~(of_inodes ? EXT4_BG_INODE_UNINIT : EXT4_BG_BLOCK_UNINIT);
	journal_dirty(h, bitmap);
	r = ext4_descriptor(fs, group, &page, &d);
	if (r < 0)
		return ext4_half_done(fs, r);
	r = journal_get_write(h, page);
	if (r == 0) {
		if (ext4_has_checksums(fs))
			store_checksum(fs, d, bitmap_checksum(fs, bitmap->data, of_inodes),
				       of_inodes);
		encode(fs, g, d);
		d->checksum = ext4_descriptor_checksum(fs, group, d);
		journal_dirty(h, page);
	}
	cache_put(page);
	return ext4_half_done(fs, r);
}

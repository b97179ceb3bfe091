#include "vfs/ext4/extent.h"

#include <errno.h>

/*
 * Where a block stands in a map of the old kind: 12 numbers in the inode, then trees of
 * blocks full of numbers, of 1, 2 and 3 levels. 0 is a hole, of all that is below it.
 */
struct place {
	unsigned int levels; /* 0: in the inode */
	uint32_t root;	     /* index in the inode's 15 numbers */
	uint64_t index;	     /* of the block below that root */
};

static uint64_t span(unsigned int shift, unsigned int levels)
{
	return UINT64_C(1) << (shift * levels);
}

static int place_of(const struct ext4 *fs, uint32_t logical, struct place *ret)
{
	unsigned int shift = fs->block_shift - 2;
	uint64_t index = logical;

	if (index < EXT4_DIRECT_BLOCKS) {
		*ret = (struct place){ .root = logical };
		return 0;
	}
	index -= EXT4_DIRECT_BLOCKS;
	for (unsigned int levels = 1; levels <= 3; levels++) {
		if (index < span(shift, levels)) {
			*ret = (struct place){
				.levels = levels,
				.root = EXT4_DIRECT_BLOCKS + levels - 1,
				.index = index,
			};
			return 0;
		}
		index -= span(shift, levels);
	}
	return -EFBIG;
}

static int check_number(struct ext4_inode *inode, uint32_t number)
{
	if (number == 0 || extent_blocks_valid(inode, number, 1))
		return 0;
	return ext4_damage(inode->fs, "inode %u: block %u where none can be", inode->number,
			   number);
}

/* How many numbers from `at` on, of `count`, go on as the first does; with equal kind. */
static uint32_t run_length(const uint32_t *numbers, uint32_t at, uint32_t count)
{
	uint32_t length = 1;

	while (at + length < count &&
	       numbers[at + length] == (numbers[at] ? numbers[at] + length : 0))
		length++;
	return length;
}

static int run_at(struct ext4_inode *inode, const uint32_t *numbers, uint32_t at, uint32_t count,
		  struct extent *ret)
{
	uint32_t length = run_length(numbers, at, count);
	uint32_t number = numbers[at];

	if (number && !extent_blocks_valid(inode, number, length))
		return ext4_damage(inode->fs, "inode %u: data where none can be, at %u",
				   inode->number, number);
	ret->kind = number ? EXT4_MAPPED : EXT4_HOLE;
	ret->physical = number;
	ret->count = length;
	return 0;
}

/* Down from the root `number` to the last level's block of numbers. */
static int walk(struct ext4_inode *inode, const struct place *place, uint32_t number,
		struct extent *ret) MAY_YIELD
{
	struct ext4 *fs = inode->fs;
	unsigned int shift = fs->block_shift - 2;
	uint32_t per_block = 1u << shift;

	for (unsigned int left = place->levels; left > 0; left--) {
		uint64_t below = span(shift, left - 1);
		uint32_t at = (uint32_t)(place->index / below) % per_block;
		struct cache_page *page;
		int r = check_number(inode, number);

		if (r < 0)
			return r;
		if (number == 0) {
			uint64_t rest = below * per_block - place->index % (below * per_block);

			ret->kind = EXT4_HOLE;
			ret->count = rest < EXTENT_BLOCKS_END - ret->first
					     ? (uint32_t)rest
					     : EXTENT_BLOCKS_END - ret->first;
			return 0;
		}
		r = cache_get(&fs->blocks, number, &page);
		if (r < 0)
			return r;
		number = ((const uint32_t *)page->data)[at];
		if (left == 1)
			r = run_at(inode, page->data, at, per_block, ret);
		cache_put(page);
		if (r < 0 || left == 1)
			return r;
	}
	return -EUCLEAN; /* not reached: levels is at least 1 */
}

int indirect_around(struct ext4_inode *inode, uint32_t logical, struct extent *ret)
{
	uint32_t numbers[EXT4_INODE_BLOCKS];
	struct place place;
	int r = place_of(inode->fs, logical, &place);

	if (r == -EFBIG) { /* no such map reaches there */
		*ret = (struct extent){
			.first = logical,
			.count = EXTENT_BLOCKS_END - logical,
			.kind = EXT4_HOLE,
		};
		return 0;
	}
	memcpy(numbers, inode->block, sizeof(numbers));
	*ret = (struct extent){ .first = logical };
	if (place.levels == 0)
		return run_at(inode, numbers, place.root, EXT4_DIRECT_BLOCKS, ret);
	return walk(inode, &place, numbers[place.root], ret);
}

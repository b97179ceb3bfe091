/*
 * test_alloc.c - what alloc_bits.h and data_set.h promise, against a plain array; and of
 * alloc.c: large files go through all groups, directories lie apart, inodes come to an end.
 */
#include "test/ext4/data_image.h"
#include "vfs/ext4/alloc_bits.h"
#include "vfs/ext4/data_set.h"
#include "vfs/ext4/inside.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- bitmaps */

#define BITS 640u

static uint64_t used[BITS / 64], busy[BITS / 64];
static bool naive[BITS]; /* used or busy */

static uint32_t naive_next(uint32_t from, uint32_t end, bool value)
{
	while (from < end && naive[from] != value)
		from++;
	return from < end ? from : end;
}

static bool naive_run(uint32_t from, uint32_t end, uint32_t want, uint32_t *ret)
{
	for (uint32_t at = naive_next(from, end, false); at < end;
	     at = naive_next(at, end, false)) {
		uint32_t stop = naive_next(at, end, true);

		*ret = at;
		if (stop - at >= want)
			return true;
		at = stop;
	}
	return false;
}

static void check_bits(uint32_t end)
{
	const struct bits b = { .used = used, .busy = busy, .end = end };
	uint32_t from = image_random(end), want = 1 + image_random(40);
	uint32_t seen = 0, wanted = 0, longest = 0;

	CHECK_INT(bits_next_free(&b, from), naive_next(from, end, false));
	CHECK_INT(bits_next_used(&b, from), naive_next(from, end, true));
	CHECK_INT(bits_find_run(&b, from, want, &seen, &longest),
		  naive_run(from, end, want, &wanted));
	if (naive_run(from, end, want, &wanted))
		CHECK_INT(seen, wanted);
	else
		CHECK(longest < want);
}

static void runs_of_free_bits_are_found(void)
{
	image_seed = 3;
	for (uint32_t i = 0; i < 30000; i++) {
		uint32_t count = 1 + image_random(100), first = image_random(BITS - count);
		bool value = image_random(2), is_busy = image_random(5) == 0;

		bits_set(is_busy ? busy : used, first, count, value);
		for (uint32_t k = 0; k < BITS; k++)
			naive[k] = (used[k / 64] >> k % 64 & 1) || (busy[k / 64] >> k % 64 & 1);
		CHECK_INT(bits_all(is_busy ? busy : used, first, count), value);
		check_bits(1 + image_random(BITS));
	}
}

/* ---- sets of blocks */

#define NUMBERS 20000u

static bool in_set[NUMBERS];

static uint64_t naive_in_set(uint64_t from, bool value)
{
	while (from < NUMBERS && in_set[from] != value)
		from++;
	return from < NUMBERS ? from : UINT64_MAX;
}

static void change_set(struct block_set *set, uint32_t base)
{
	uint32_t count = 1 + image_random(image_random(4) ? 3 : 6000);
	uint32_t first = image_random(NUMBERS - count);
	uint64_t removed = 0;

	if (image_random(2)) {
		for (uint32_t i = 0; i < count && i < 200; i++) {
			CHECK_INT(block_set_add(set, base + first + i), 0);
			in_set[first + i] = true;
		}
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		removed += in_set[first + i];
		in_set[first + i] = false;
	}
	CHECK_INT(
		block_set_remove_range(set, (uint64_t)base + first, (uint64_t)base + first + count),
		removed);
}

/* `base`: where in all numbers the array lies. */
static void check_set(uint32_t base)
{
	struct block_set set = { .root = NULL };
	uint64_t count = 0;

	memset(in_set, 0, sizeof(in_set));
	for (uint32_t i = 0; i < 4000; i++) {
		uint64_t at, found;

		change_set(&set, base);
		at = image_random(NUMBERS);
		CHECK_INT(block_set_has(&set, base + (uint32_t)at), in_set[at]);
		found = naive_in_set(at, true);
		CHECK_INT(block_set_next(&set, base + at),
			  found == UINT64_MAX ? UINT64_MAX : base + found);
		found = naive_in_set(at, false);
		CHECK_INT(block_set_next_missing(&set, base + at),
			  found == UINT64_MAX ? (uint64_t)base + NUMBERS : base + found);
	}
	for (uint32_t i = 0; i < NUMBERS; i++)
		count += in_set[i];
	CHECK_INT(set.count, count);
	block_set_clear(&set);
	CHECK_INT(set.count, 0);
	CHECK(set.root == NULL);
}

static void a_set_of_blocks_is_a_set(void)
{
	image_seed = 5;
	check_set(0);
	check_set(4090);
	check_set(UINT32_MAX - NUMBERS);
}

/* ---- groups */

static void large_file(void) MAY_YIELD
{
	struct ext4_inode *file = image_file("large");
	uint64_t before, size = fs->free_blocks * fs->block_size / 10 * 9;
	uint32_t runs = 0;

	CHECK(fs->group_count > 8);
	CHECK_INT(ext4_sync_fs(fs), 0);
	before = fs->free_blocks;
	for (uint64_t at = 0; at < size; at += MIB(16))
		CHECK_INT(ext4_fallocate(&file->inode, 0, at,
					 size - at < MIB(16) ? size - at : MIB(16)),
			  0);
	for (uint64_t at = 0; at < file->size / fs->block_size; runs++) {
		struct ext4_run run;

		CHECK_INT(ext4_map(file, (uint32_t)at, UINT32_MAX - (uint32_t)at, &run), 0);
		CHECK_INT(run.kind, EXT4_UNWRITTEN);
		at += run.count;
	}
	/* A few pieces a group: bitmaps and tables lie between. */
	CHECK(runs < fs->group_count * 4);
	inode_put(&file->inode);
	image_again();
	file = image_find("large");
	CHECK_INT(ext4_extents_check(file), 0);
	inode_put(&file->inode);
	image_unlink("large");
	CHECK_INT(ext4_sync_fs(fs), 0);
	CHECK_INT(fs->free_blocks, before);
}

static void a_large_file_goes_through_all_groups(void)
{
	image_run("-b 1024 -m 0", MIB(128), large_file);
	image_run("-b 1024 -m 0 -O ^flex_bg -N 2000", MIB(100), large_file);
	image_run("-b 2048 -g 4096 -m 0", MIB(128), large_file);
}

static struct ext4_inode *make(struct ext4_inode *dir, const char *name, uint32_t mode, int wanted)
	MAY_YIELD
{
	const struct vfs_attr attr = { .mode = mode };
	struct inode *inode = NULL;

	CHECK_INT(dir->inode.ops->create(&dir->inode, name, strlen(name), &attr, &inode), wanted);
	return wanted == 0 ? ext4_i(inode) : NULL;
}

static struct ext4_inode *root(void) MAY_YIELD
{
	struct inode *inode;

	CHECK_INT(ext4_root(fs, &inode), 0);
	return ext4_i(inode);
}

static void directories(void) MAY_YIELD
{
	struct ext4_inode *dir = root();
	uint32_t groups = 0;
	bool seen[64] = { false };
	char name[32];

	CHECK(fs->group_count <= 64);
	for (uint32_t i = 0; i < 32; i++) {
		struct ext4_inode *below, *file;
		uint32_t group;

		snprintf(name, sizeof(name), "dir%u", i);
		below = make(dir, name, S_IFDIR | 0755, 0);
		group = ext4_group_of_inode(fs, below->number);
		groups += !seen[group];
		seen[group] = true;
		file = make(below, "file", S_IFREG | 0644, 0);
		CHECK_INT(ext4_group_of_inode(fs, file->number), group);
		inode_put(&file->inode);
		inode_put(&below->inode);
	}
	CHECK(groups >= fs->group_count / 2);
	inode_put(&dir->inode);
}

static void directories_of_the_root_lie_apart_with_their_files(void)
{
	image_run("-b 1024", MIB(128), directories);
}

static void all_numbers(void) MAY_YIELD
{
	struct ext4_inode *dir = root();
	uint64_t there = fs->free_inodes;
	char name[32];

	for (uint64_t i = 0; i < there; i++) {
		snprintf(name, sizeof(name), "f%llu", (unsigned long long)i);
		inode_put(&make(dir, name, S_IFREG | 0644, 0)->inode);
	}
	CHECK_INT(fs->free_inodes, 0);
	make(dir, "more", S_IFREG | 0644, -ENOSPC);
	make(dir, "more", S_IFDIR | 0755, -ENOSPC);
	inode_put(&dir->inode);
	image_again();
	CHECK_INT(fs->free_inodes, 0);
	image_unlink("f7");
	CHECK_INT(ext4_sync_fs(fs), 0);
	dir = root();
	inode_put(&make(dir, "more", S_IFREG | 0644, 0)->inode);
	make(dir, "again", S_IFREG | 0644, -ENOSPC);
	inode_put(&dir->inode);
}

static void inodes_come_to_an_end_and_are_used_again(void)
{
	image_run("-b 1024 -N 400", MIB(40), all_numbers);
	image_run("-b 4096 -N 256", MIB(32), all_numbers);
}

static const struct test tests[] = {
	TEST(runs_of_free_bits_are_found),
	TEST(a_set_of_blocks_is_a_set),
	TEST_LONG(a_large_file_goes_through_all_groups, 60),
	TEST(directories_of_the_root_lie_apart_with_their_files),
	TEST(inodes_come_to_an_end_and_are_used_again),
};
TEST_MAIN(tests)

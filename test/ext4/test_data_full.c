/*
 * test_data_full.c - what ext4.h promises of a full disk: ENOSPC comes from write(2) and never
 * later, nothing that was acknowledged is lost, and what is freed can be used again.
 */
#include "test/ext4/data_image.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>

#define PAGE 4096u

static void fill(uint8_t *page, uint32_t number)
{
	for (uint32_t i = 0; i < PAGE; i += 4)
		memcpy(page + i, &(uint32_t){ number * 31 + i }, 4);
}

static void has_page(struct ext4_inode *file, uint64_t offset, uint32_t number) MAY_YIELD
{
	static uint8_t wanted[PAGE], page[PAGE];

	fill(wanted, number);
	CHECK_INT(ext4_read(&file->inode, page, PAGE, offset), PAGE);
	CHECK(memcmp(page, wanted, PAGE) == 0);
}

/* Nothing is promised to anybody any more, and all that is free is free. */
static uint64_t free_now(void) MAY_YIELD
{
	CHECK_INT(ext4_sync_fs(fs), 0);
	CHECK_INT(fs->delayed_blocks, 0);
	return fs->free_blocks;
}

/* ---- one file until the disk is full. */

static uint32_t write_until_full(struct ext4_inode *file, uint32_t step) MAY_YIELD
{
	static uint8_t page[PAGE];

	for (uint32_t i = 0;; i++) {
		ssize_t r;

		fill(page, i);
		r = ext4_write(&file->inode, page, PAGE, (uint64_t)i * step * PAGE);
		if (r == PAGE)
			continue;
		/* With blocks smaller than a page, the last part may have fitted. */
		CHECK(r == -ENOSPC || (r > 0 && r < PAGE));
		return i;
	}
}

static void one_file(uint32_t step) MAY_YIELD
{
	struct ext4_inode *file = image_file("file");
	uint64_t before = free_now();
	uint32_t written = write_until_full(file, step);
	uint64_t wanted = before - fs->reserved_blocks;

	/* At most a fiftieth was left for the tree and could not be used. */
	CHECK((uint64_t)written * (PAGE / fs->block_size) >= wanted - wanted / 50);
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	CHECK_INT(ext4_fallocate(&file->inode, FALLOC_FL_KEEP_SIZE, UINT64_C(1) << 35, MIB(40)),
		  -ENOSPC);
	inode_put(&file->inode);
	image_again();
	file = image_find("file");
	for (uint32_t i = 0; i < written; i++)
		has_page(file, (uint64_t)i * step * PAGE, i);
	CHECK_INT(ext4_extents_check(file), 0);
	inode_put(&file->inode);
	image_unlink("file");
	CHECK_INT(free_now(), before);
}

static void in_a_row(void) MAY_YIELD
{
	one_file(1);
	one_file(1); /* all of it can be used again */
}

/* Each page an extent of its own: the tree takes its part. */
static void apart(void) MAY_YIELD
{
	one_file(3);
}

static void a_full_disk_is_told_by_write_and_nothing_is_lost(void)
{
	image_run("-b 4096", MIB(48), in_a_row);
	image_run("-b 1024", MIB(24), in_a_row);
	image_run("-b 4096 -m 0", MIB(48), apart);
	image_run("-b 1024 -m 0", MIB(24), apart);
}

/* ---- the last blocks are not for everybody. */

static struct vfs_cred user_of(uint32_t uid, uint32_t gid)
{
	return (struct vfs_cred){ .fsuid = uid, .fsgid = gid, .privileged = uid == 0 };
}

/* Blocks that are free when this one cannot write any more; they are free again after it. */
static uint64_t left_by(const struct vfs_cred *cred, const char *name) MAY_YIELD
{
	const struct vfs_caller caller = { .cred = cred };
	struct ext4_inode *file = image_file(name);
	uint64_t left;

	vfs_act_for(&caller);
	(void)write_until_full(file, 1);
	vfs_act_for(NULL);
	left = free_now();
	inode_put(&file->inode);
	return left;
}

static void last_blocks(void) MAY_YIELD
{
	const struct vfs_cred root = user_of(0, 0), user = user_of(5, 0), named = user_of(70, 5);
	struct vfs_cred member = user_of(6, 6);
	const struct vfs_cred *const allowed[] = { &named, &member, &root };
	uint64_t reserved = fs->reserved_blocks, slack = fs->block_count / 50, before = free_now();
	struct vfs_statfs st;

	CHECK(reserved > 2 * slack);
	member.groups[member.group_count++] = 80;
	CHECK_INT(fs->fs.statfs(&fs->fs, &st), 0);
	CHECK_INT(st.bfree - st.bavail, reserved);
	for (size_t i = 0; i < ARRAY_COUNT(allowed); i++) {
		uint64_t left = left_by(&user, "user's");

		CHECK(left >= reserved && left < reserved + slack);
		CHECK_INT(fs->fs.statfs(&fs->fs, &st), 0);
		CHECK(st.bavail < slack);
		left = left_by(allowed[i], "root's");
		CHECK(left < 2 * slack);
		CHECK_INT(fs->fs.statfs(&fs->fs, &st), 0);
		CHECK_INT(st.bavail, 0);
		CHECK(st.bfree < 2 * slack);
		CHECK(left_by(&user, "third") == left);
		image_unlink("user's");
		image_unlink("root's");
		image_unlink("third");
		CHECK_INT(free_now(), before);
	}
}

static void nobody(void) MAY_YIELD
{
	const struct vfs_cred user = user_of(5, 0), wheel = user_of(6, 0);
	uint64_t left = left_by(&user, "user's");

	CHECK_INT(left_by(&wheel, "wheel's"), left); /* group 0 is nobody */
}

static void reserved_blocks_are_for_root_and_who_is_named(void)
{
	image_run("-b 4096 -m 10", MIB(48), nobody);
	image_made = "tune2fs -u 70 -g 80 $IMAGE >/dev/null";
	image_run("-b 4096 -m 10", MIB(48), last_blocks);
	image_run("-b 1024 -m 10", MIB(24), last_blocks);
}

/* ---- many small files. */

static void small_files(void) MAY_YIELD
{
	uint64_t before = free_now(), wanted;
	uint32_t count = 0;
	static uint8_t page[PAGE];
	char name[32];

	for (;; count++) {
		struct ext4_inode *file;
		ssize_t r = 0;

		snprintf(name, sizeof(name), "file%u", count);
		file = image_file(name);
		for (uint32_t k = 0; k < 6 && r >= 0; k++) {
			fill(page, count * 6 + k);
			r = ext4_write(&file->inode, page, PAGE, (uint64_t)k * PAGE);
		}
		inode_put(&file->inode);
		if (r < 0) {
			CHECK_INT(r, -ENOSPC);
			break;
		}
	}
	/* All but what directory and inodes took, and a fiftieth. */
	wanted = (before - fs->reserved_blocks) / (6 * PAGE / fs->block_size);
	CHECK(count + 1 >= wanted - wanted / 50 || count + 20 >= fs->inode_count);
	image_again();
	for (uint32_t i = 0; i < count; i++) {
		struct ext4_inode *file;

		snprintf(name, sizeof(name), "file%u", i);
		file = image_find(name);
		for (uint32_t k = 0; k < 6; k++)
			has_page(file, (uint64_t)k * PAGE, i * 6 + k);
		inode_put(&file->inode);
	}
	for (uint32_t i = 0; i <= count; i++) {
		snprintf(name, sizeof(name), "file%u", i);
		image_unlink(name);
	}
	/* The directory may have grown. */
	CHECK(free_now() + 64 >= before);
}

static void many_small_files_fill_the_disk_and_are_all_there(void)
{
	image_run("-b 4096 -N 4096", MIB(32), small_files);
	image_run("-b 1024 -N 4096", MIB(16), small_files);
}

/* ---- what was written over, allocated blocks. */

/* Writes into what was allocated need no blocks of the disk, only of the tree, if at all. */
static void allocated(void) MAY_YIELD
{
	struct ext4_inode *file = image_file("file"), *rest = image_file("rest");
	const uint32_t pages = 2000;
	static uint8_t page[PAGE];

	CHECK_INT(ext4_fallocate(&file->inode, 0, 0, (uint64_t)pages * PAGE), 0);
	write_until_full(rest, 1);
	CHECK_INT(ext4_sync_fs(fs), 0);
	write_until_full(rest, 1);
	for (uint32_t i = 0; i < pages; i += 2) {
		ssize_t r;

		fill(page, i);
		r = ext4_write(&file->inode, page, PAGE, (uint64_t)i * PAGE);
		/* The tree may need what is not there; but then it says so. */
		CHECK(r == PAGE || r == -ENOSPC);
		if (r < 0)
			break;
		CHECK_INT(ext4_fsync(&file->inode, false), 0);
		has_page(file, (uint64_t)i * PAGE, i);
	}
	inode_put(&file->inode);
	inode_put(&rest->inode);
}

static void writes_into_allocated_blocks_fail_at_once_or_not_at_all(void)
{
	image_run("-b 4096", MIB(32), allocated);
	image_run("-b 1024 -m 0", MIB(24), allocated);
}

/* Zeros among data take blocks for the tree, but none that were promised to others. */
static void zeroed(void) MAY_YIELD
{
	const int mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
	struct ext4_inode *file = image_file("file"), *rest = image_file("rest");
	struct ext4_inode *spare = image_file("spare"), *last = image_file("last");
	const uint32_t pages = 6000;
	static uint8_t page[PAGE];
	int r = 0;

	for (uint32_t i = 0; i < pages; i++) {
		fill(page, i);
		CHECK_INT(ext4_write(&file->inode, page, PAGE, (uint64_t)i * PAGE), PAGE);
	}
	CHECK_INT(ext4_fallocate(&spare->inode, 0, 0, 40 * PAGE), 0);
	CHECK_INT(ext4_sync_fs(fs), 0);
	write_until_full(rest, 1);
	inode_put(&spare->inode);
	image_unlink("spare");
	CHECK_INT(ext4_sync_fs(fs), 0);
	/* What is free is promised now. */
	for (uint32_t i = 0; i < 37; i++) {
		fill(page, i);
		CHECK_INT(ext4_write(&last->inode, page, PAGE, (uint64_t)i * PAGE), PAGE);
	}
	for (uint32_t i = 0; r == 0 && i < pages; i += 2)
		r = ext4_fallocate(&file->inode, mode, (uint64_t)i * PAGE, PAGE);
	CHECK(r == 0 || r == -ENOSPC);
	CHECK_INT(ext4_fsync(&last->inode, false), 0);
	for (uint32_t i = 0; i < 37; i++)
		has_page(last, (uint64_t)i * PAGE, i);
	inode_put(&last->inode);
	inode_put(&file->inode);
	inode_put(&rest->inode);
}

static void zeros_take_no_blocks_that_were_promised(void)
{
	image_run("-b 4096 -m 0", MIB(32), zeroed);
}

/* ---- freed blocks. */

static bool overlap(const struct ext4_run *a, const struct ext4_run *b)
{
	return a->physical < b->physical + b->count && b->physical < a->physical + a->count;
}

/* After a crash they may be their old owner's again: nobody gets them before the commit. */
static void freed(void) MAY_YIELD
{
	struct ext4_inode *old = image_file("old"), *new = image_file("new");
	struct ext4_run was, now;
	uint64_t available;

	CHECK_INT(ext4_fallocate(&old->inode, 0, 0, MIB(1)), 0);
	CHECK_INT(ext4_map(old, 0, 1000, &was), 0);
	CHECK_INT(ext4_sync_fs(fs), 0);
	available = fs->free_blocks;
	task_lock_take(&old->lock);
	CHECK_INT(ext4_truncate(old, 0), 0);
	task_lock_drop(&old->lock);
	CHECK_INT(fs->free_blocks, available + MIB(1) / fs->block_size);
	new->alloc_goal = was.physical;
	CHECK_INT(ext4_fallocate(&new->inode, 0, 0, MIB(1)), 0);
	CHECK_INT(ext4_map(new, 0, 1000, &now), 0);
	CHECK(!overlap(&was, &now));
	CHECK_INT(ext4_sync_fs(fs), 0);
	task_lock_take(&new->lock);
	CHECK_INT(ext4_truncate(new, 0), 0);
	task_lock_drop(&new->lock);
	old->alloc_goal = was.physical;
	CHECK_INT(ext4_fallocate(&old->inode, 0, 0, MIB(1)), 0);
	CHECK_INT(ext4_map(old, 0, 1000, &now), 0);
	CHECK_INT(now.physical, was.physical);
	inode_put(&old->inode);
	inode_put(&new->inode);
}

static void freed_blocks_wait_for_their_transaction(void)
{
	image_run("-b 4096", MIB(32), freed);
	image_run("-b 1024", MIB(32), freed);
}

static const struct test tests[] = {
	TEST_LONG(a_full_disk_is_told_by_write_and_nothing_is_lost, 120),
	TEST_LONG(many_small_files_fill_the_disk_and_are_all_there, 120),
	TEST_LONG(writes_into_allocated_blocks_fail_at_once_or_not_at_all, 120),
	TEST(zeros_take_no_blocks_that_were_promised),
	TEST(freed_blocks_wait_for_their_transaction),
	TEST_LONG(reserved_blocks_are_for_root_and_who_is_named, 120),
};
TEST_MAIN(tests)

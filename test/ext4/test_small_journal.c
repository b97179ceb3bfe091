/*
 * test_small_journal.c - what ext4.h and journal.h promise where the journal is small and full:
 * what is too large for one transaction is done in several, and the power may go between them.
 */
#include "test/ext4/data_image.h"

#include "journal/inside.h"
#include "task/sched.h"
#include "vfs/ext4/inside.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SMALL "-b 1024 -J size=1"

static struct waitq done;
static unsigned int running;

static void start(const char *name, task_fn *fn, void *arg)
{
	running++;
	CHECK_INT(task_start(NULL, name, fn, arg), 0);
}

static void ended(void)
{
	running--;
	waitq_wake_all(&done);
}

static void wait_for_all(void) MAY_YIELD
{
	while (running > 0)
		(void)!waitq_wait(&done, TASK_FOREVER, WAIT_SURE);
}

/* ---- a directory with many blocks: names of one file, long ones. */

static void long_name(char name[256], uint32_t number)
{
	memset(name, 'n', 255);
	name[255] = 0;
	snprintf(name, 16, "%u", number);
	name[strlen(name)] = '-';
}

static struct inode *root_of(void) MAY_YIELD
{
	struct inode *root;

	CHECK_INT(ext4_root(fs, &root), 0);
	return root;
}

static struct inode *make_directory(const char *name) MAY_YIELD
{
	const struct vfs_attr attr = { .mode = S_IFDIR | 0755 };
	struct inode *root = root_of(), *dir;

	CHECK_INT(root->ops->create(root, name, strlen(name), &attr, &dir), 0);
	inode_put(root);
	return dir;
}

/* As many blocks as this, and no name any more. */
static struct inode *emptied_directory(const char *name, uint32_t blocks) MAY_YIELD
{
	struct inode *file = &image_file("names")->inode, *dir = make_directory(name);
	uint32_t count = 0;
	char text[256];

	for (; ext4_i(dir)->size < (uint64_t)blocks * fs->block_size; count++) {
		long_name(text, count);
		CHECK_INT(dir->ops->link(dir, text, 255, file), 0);
	}
	while (count-- > 0) {
		long_name(text, count);
		CHECK_INT(dir->ops->unlink(dir, text, 255, file), 0);
	}
	inode_put(file);
	image_unlink("names");
	return dir;
}

static void remove_directory(const char *name, struct inode *dir) MAY_YIELD
{
	struct inode *root = root_of();

	CHECK_INT(root->ops->rmdir(root, name, strlen(name), dir), 0);
	inode_put(root);
}

/* ---- a full log: nothing comes back from the disk, and two transactions take what there is. */

#define OTHERS 2400u /* in 600 blocks of inodes */

static struct inode *others[OTHERS];

static void make_others(void) MAY_YIELD
{
	const struct vfs_attr attr = { .mode = S_IFREG | 0644 };
	struct inode *dir = make_directory("others");

	for (uint32_t i = 0; i < OTHERS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "o%u", i);
		CHECK_INT(dir->ops->create(dir, name, strlen(name), &attr, &others[i]), 0);
	}
	inode_put(dir);
}

static void touch(uint32_t other) MAY_YIELD
{
	const struct vfs_attr attr = { .mode = 0600 };

	CHECK_INT(others[other]->ops->setattr(others[other], &attr, VFS_SET_MODE), 0);
}

static void put_others(void) MAY_YIELD
{
	for (uint32_t i = 0; i < OTHERS; i++)
		inode_put(others[i]);
}

static void committer(void *arg) MAY_YIELD
{
	(void)arg;
	CHECK_INT(journal_commit_all(fs->journal), 0);
	ended();
}

/* As little is free as the journal allows when it is quiet. */
static void little_is_free(void) MAY_YIELD
{
	const struct journal *j = fs->journal;

	CHECK_INT(journal_commit_all(fs->journal), 0);
	CHECK_INT(task_sleep_until(clock_now_ns() + UINT64_C(20000000000)), 0);
	for (uint32_t i = 0; j->free > j->size / 2 + 8; i++) {
		touch(i % OTHERS);
		CHECK_INT(journal_commit_all(fs->journal), 0);
	}
}

/* Change blocks until the running transaction has room for so many more. */
static void fill_transaction(uint32_t *other, uint32_t left) MAY_YIELD
{
	const struct journal *j = fs->journal;

	do {
		CHECK(*other < OTHERS);
		touch(*other);
		*other += 4;
	} while (journal_need(j, j->running, left, 0) < j->free &&
		 j->running->block_count + left < j->transaction_max);
}

static void fill_log(void) MAY_YIELD
{
	uint32_t other = 0;

	little_is_free();
	test_disk_hold(image_disk);
	fill_transaction(&other, 2);
	start("commit", committer, NULL);
	while (!fs->journal->committing)
		task_yield();
	fill_transaction(&other, 40);
}

static void delete_in_a_full_log(struct inode *dir) MAY_YIELD
{
	make_others();
	remove_directory("dir", dir);
	fill_log();
	inode_put(dir); /* its blocks are freed by a task */
	for (unsigned int i = 0; i < 20; i++)
		task_yield();
	test_disk_release(image_disk);
	wait_for_all();
	put_others();
	CHECK_INT(ext4_sync_fs(fs), 0);
	CHECK_INT(ext4_writable(fs), 0);
}

static void delete_huge_in_a_full_log(void) MAY_YIELD
{
	delete_in_a_full_log(emptied_directory("dir", 9000));
}

static void a_huge_directory_is_removed_while_the_log_is_full(void)
{
	waitq_init(&done);
	image_timeless = true;
	image_run(SMALL " -N 4000", MIB(64), delete_huge_in_a_full_log);
}

/* ---- small groups: a run of blocks may touch more of them than a transaction may change. */

static void use_small_groups(void) MAY_YIELD
{
	struct ext4_inode *file = image_file("file");
	static uint8_t bytes[1 << 20];
	struct inode *dir;

	CHECK_INT(ext4_write(&file->inode, bytes, sizeof(bytes), 0), sizeof(bytes));
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	CHECK_INT(ext4_fallocate(&file->inode, FALLOC_FL_KEEP_SIZE, MIB(1), MIB(8)), 0);
	inode_put(&file->inode);
	image_unlink("file");
	dir = emptied_directory("dir", 600);
	remove_directory("dir", dir);
	inode_put(dir);
	CHECK_INT(ext4_sync_fs(fs), 0);
	CHECK_INT(ext4_writable(fs), 0);
}

static void files_are_removed_where_groups_are_as_small_as_can_be(void)
{
	waitq_init(&done);
	image_run(SMALL " -g 256", MIB(24), use_small_groups);
	image_run("-b 4096 -J size=4 -g 256 -O ^resize_inode", MIB(48), use_small_groups);
}

/* ---- files of the old kind: blocks of numbers instead of extents. */

static struct inode *old_directory(void) MAY_YIELD
{
	struct inode *dir = &image_find("dir")->inode;

	CHECK_INT(ext4_i(dir)->flags & EXT4_EXTENTS_FL, 0);
	CHECK(ext4_i(dir)->size > 1000 * fs->block_size);
	return dir;
}

static void delete_old_in_a_full_log(void) MAY_YIELD
{
	delete_in_a_full_log(old_directory());
}

static void delete_old(void) MAY_YIELD
{
	struct inode *dir = old_directory();

	remove_directory("dir", dir);
	inode_put(dir);
	CHECK_INT(ext4_sync_fs(fs), 0);
	CHECK_INT(ext4_writable(fs), 0);
}

static void directories_of_the_old_kind_are_removed_too(void)
{
	waitq_init(&done);
	image_timeless = true;
	image_made =
		"PATH=$PATH:/sbin:/usr/sbin; (echo mkdir dir; yes expand_dir dir | head -8000) | "
		"debugfs -w -f - $IMAGE >/dev/null 2>&1 && tune2fs -O extents $IMAGE 2>&1";
	image_run(SMALL " -N 4000 -O ^extent,^64bit", MIB(64), delete_old_in_a_full_log);
	image_run("-b 4096 -J size=4 -g 256 -O ^extent,^64bit,^resize_inode", MIB(64), delete_old);
}

/* ---- the power goes while it is done. */

static size_t step_of(size_t length)
{
	return length / (test_sanitized ? 15 : 60) + 1;
}

static void cut_between(void) MAY_YIELD
{
	struct inode *dir = emptied_directory("dir", 8000);
	struct ext4_inode *file = image_file("file");
	struct image_cuts cuts;
	size_t length;
	char byte = 'x';

	for (uint64_t i = 0; i < 2000; i++)
		CHECK_INT(ext4_write(&file->inode, &byte, 1, i * 2 * fs->block_size), 1);
	remove_directory("dir", dir);
	CHECK_INT(ext4_sync_fs(fs), 0);
	test_disk_record(image_disk);
	inode_put(dir);
	task_lock_take(&file->lock);
	CHECK_INT(ext4_truncate(file, 1), 0);
	task_lock_drop(&file->lock);
	inode_put(&file->inode);
	CHECK_INT(ext4_sync_fs(fs), 0);
	CHECK_INT(journal_commit_all(fs->journal), 0);
	ext4_closing_wait(fs);
	CHECK_INT(journal_commit_all(fs->journal), 0);
	length = test_disk_log_length(image_disk);
	CHECK(length > 10);
	image_cuts_begin(&cuts);
	for (size_t k = 0; k <= length; k += step_of(length)) {
		image_cut(&cuts, k, k, REPLAY_TORN);
		image_cut_over(&cuts);
	}
	image_cuts_end(&cuts);
}

static void the_power_goes_while_much_is_freed(void)
{
	waitq_init(&done);
	image_run(SMALL, MIB(64), cut_between);
}

/* ---- everybody at once: the log is full all the time, and no operation is more than refused. */

#define CLIENTS 6u
#define ROUNDS 20u

static bool refused(int r)
{
	CHECK(r == 0 || r == -ENOSPC);
	return r < 0;
}

static void many_names(struct inode *root, const char *name) MAY_YIELD
{
	const struct vfs_attr attr = { .mode = S_IFREG | 0600 },
			      folder = { .mode = S_IFDIR | 0700 };
	unsigned int count = 0;
	struct inode *dir, *file;
	char text[256];

	if (refused(root->ops->create(root, name, strlen(name), &folder, &dir)))
		return;
	for (; count < 40; count++) {
		long_name(text, count);
		if (refused(dir->ops->create(dir, text, 255, &attr, &file)))
			break;
		inode_put(file);
	}
	while (count-- > 0) {
		long_name(text, count);
		CHECK_INT(dir->ops->lookup(dir, text, 255, &file), 0);
		CHECK_INT(dir->ops->unlink(dir, text, 255, file), 0);
		inode_put(file);
	}
	CHECK_INT(root->ops->rmdir(root, name, strlen(name), dir), 0);
	inode_put(dir);
}

static void many_extents(struct inode *file) MAY_YIELD
{
	uint64_t block = fs->block_size;

	for (uint64_t i = 0; i < 200; i++) {
		ssize_t r = ext4_write(file, "data", 4, i * 3 * block);

		CHECK(r > 0 || r == -ENOSPC);
	}
	(void)!refused(ext4_fsync(file, false));
	(void)!refused(ext4_fallocate(file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
				      image_random(300) * block, image_random(200) * block + 1));
	if (image_random(3) == 0)
		(void)!refused(ext4_fallocate(file, FALLOC_FL_COLLAPSE_RANGE, 10 * block,
					      (1 + image_random(90)) * block));
	task_lock_take(&ext4_i(file)->lock);
	CHECK_INT(ext4_truncate(ext4_i(file), image_random(400) * block), 0);
	task_lock_drop(&ext4_i(file)->lock);
}

static void large_attributes(struct inode *file) MAY_YIELD
{
	static char value[4096];
	char name[32];

	for (unsigned int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "user.%u", image_random(6));
		(void)!refused(file->ops->setxattr(file, name, value, image_random(230), 0));
	}
}

static void replace(struct inode *root, const char *from, const char *to, struct inode *file)
	MAY_YIELD
{
	struct vfs_move move = {
		.old_dir = root,
		.new_dir = root,
		.old_name = from,
		.new_name = to,
		.inode = file,
	};

	(void)!root->ops->lookup(root, to, strlen(to), &move.target);
	(void)!refused(root->ops->rename(&move));
	inode_put(move.target);
}

static void client(void *arg) MAY_YIELD
{
	const struct vfs_attr attr = { .mode = S_IFREG | 0600 };
	unsigned int who = *(const unsigned int *)arg;
	struct inode *root = root_of(), *file;
	char name[16], other[16];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), "c%u", who);
		snprintf(other, sizeof(other), "t%u", who);
		many_names(root, other);
		if (refused(root->ops->create(root, name, strlen(name), &attr, &file)))
			continue;
		large_attributes(file);
		many_extents(file);
		replace(root, name, other, file);
		inode_put(file);
		if (root->ops->lookup(root, name, strlen(name), &file) == 0) {
			CHECK_INT(root->ops->unlink(root, name, strlen(name), file), 0);
			inode_put(file);
		}
		if (root->ops->lookup(root, other, strlen(other), &file) == 0) {
			CHECK_INT(root->ops->unlink(root, other, strlen(other), file), 0);
			inode_put(file);
		}
	}
	inode_put(root);
	ended();
}

static void everybody(void) MAY_YIELD
{
	static unsigned int numbers[CLIENTS];
	struct journal_stats stats;

	for (unsigned int i = 0; i < CLIENTS; i++) {
		numbers[i] = i;
		start("client", client, &numbers[i]);
	}
	wait_for_all();
	CHECK_INT(ext4_sync_fs(fs), 0);
	CHECK_INT(ext4_writable(fs), 0);
	journal_stats_get(fs->journal, &stats);
	CHECK(stats.checkpoints > 0);
}

static void nobody_is_more_than_refused_where_the_log_is_always_full(void)
{
	static const char *const options[] = {
		SMALL,
		SMALL " -g 256 -I 128",
		"-b 4096 -J size=4",
		"-b 4096 -J size=4 -g 256 -O ^resize_inode",
	};
	const char *more = getenv("DATA_SEEDS");
	unsigned int seeds = more ? (unsigned int)strtoul(more, NULL, 10) : 2;

	waitq_init(&done);
	for (unsigned int seed = 1; seed <= seeds; seed++) {
		for (unsigned int i = 0; i < ARRAY_COUNT(options); i++) {
			image_seed = seed * 100 + i;
			image_run(options[i], MIB(48), everybody);
		}
	}
}

static const struct test tests[] = {
	TEST_LONG(nobody_is_more_than_refused_where_the_log_is_always_full, 120),
	TEST_LONG(the_power_goes_while_much_is_freed, 120),
	TEST_LONG(directories_of_the_old_kind_are_removed_too, 60),
	TEST(files_are_removed_where_groups_are_as_small_as_can_be),
	TEST_LONG(a_huge_directory_is_removed_while_the_log_is_full, 60),
};

TEST_MAIN(tests)

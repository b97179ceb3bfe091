/*
 * test_data_sync.c - what ext4.h promises of fsync, fdatasync and sync: when they answer, what
 * was written before is durable. The power goes just then, and what was not flushed is lost.
 */
#include "test/ext4/data_image.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LARGE MIB(24)
#define LONG (127u * 4096 + 100) /* takes longer to write than a commit record */

static uint8_t bytes[64 << 10];

static void fill(struct ext4_inode *file, int byte, uint64_t size) MAY_YIELD
{
	memset(bytes, byte, sizeof(bytes));
	for (uint64_t at = 0; at < size; at += sizeof(bytes)) {
		size_t part = size - at < sizeof(bytes) ? (size_t)(size - at) : sizeof(bytes);

		CHECK_INT(ext4_write(&file->inode, bytes, part, at), part);
	}
}

/* The power goes now: is it all there, on the mount that follows? */
static void check_durable(const char *name, int byte, uint64_t size) MAY_YIELD
{
	struct ext4_inode *file;
	struct image_cuts cuts;

	image_cut_now(&cuts);
	file = image_find(name);
	CHECK_INT(file->size, size);
	for (uint64_t at = 0; at < size; at += sizeof(bytes)) {
		ssize_t got = ext4_read(&file->inode, bytes, sizeof(bytes), at);

		CHECK(got > 0);
		for (ssize_t i = 0; i < got; i++)
			if (bytes[i] != byte)
				test_fail(__FILE__, __LINE__, "byte %llu is %d",
					  (unsigned long long)at + (unsigned long long)i, bytes[i]);
	}
	inode_put(&file->inode);
	image_cut_now_over(&cuts);
}

/* A transaction in which nothing is changed is not committed: it flushes nothing. */
static void sync_beside_nothing(void) MAY_YIELD
{
	struct ext4_inode *file = image_file("file");
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	fill(file, 'a', 8192);
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	test_disk_record(image_disk);
	CHECK_INT(ext4_fallocate(&file->inode, punch, 40960, 4096), 0);
	fill(file, 'b', 8192);
	CHECK_INT(ext4_fsync(&file->inode, true), 0);
	check_durable("file", 'b', 8192);
	inode_put(&file->inode);
}

static void a_write_is_durable_though_its_transaction_was_none(void)
{
	image_run("", MIB(16), sync_beside_nothing);
}

/* As an overlay copies a file: what has no name after a power cut is no file. */
static void name_after_data(void) MAY_YIELD
{
	const struct vfs_attr attr = { .mode = S_IFREG | 0644 };
	struct inode *root, *made;
	struct ext4_inode *file;

	CHECK_INT(ext4_root(fs, &root), 0);
	CHECK_INT(root->ops->create(root, NULL, 0, &attr, &made), 0);
	file = ext4_i(made);
	fill(file, 'a', 8192);
	CHECK_INT(ext4_sync_fs(fs), 0);
	test_disk_record(image_disk);
	CHECK_INT(root->ops->link(root, "file", 4, made), 0);
	fill(file, 'b', 8192);
	CHECK_INT(ext4_fsync(made, true), 0);
	check_durable("file", 'b', 8192);
	inode_put(made);
	inode_put(root);
}

static void a_first_name_is_durable_with_the_data(void)
{
	image_run("", MIB(16), name_after_data);
}

/* ---- a file that was cut, and is longer again: zeros, though nothing was synced. */

static void cut_and_grow(struct ext4_inode *file, uint64_t size, uint64_t grown) MAY_YIELD
{
	fill(file, 'a', 8192);
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	test_disk_record(image_disk);
	task_lock_take(&file->lock);
	CHECK_INT(ext4_truncate(file, size), 0);
	CHECK_INT(ext4_truncate(file, grown), 0);
	task_lock_drop(&file->lock);
	CHECK_INT(journal_commit_all(fs->journal), 0);
}

static void check_cut(uint64_t size, uint64_t grown) MAY_YIELD
{
	struct ext4_inode *file;
	struct image_cuts cuts;

	image_cut_now(&cuts);
	file = image_find("file");
	CHECK_INT(file->size, grown);
	CHECK_INT(ext4_read(&file->inode, bytes, sizeof(bytes), 0), grown);
	for (uint64_t i = 0; i < grown; i++)
		if (bytes[i] != (i < size ? 'a' : 0))
			test_fail(__FILE__, __LINE__, "byte %llu is %d", (unsigned long long)i,
				  bytes[i]);
	inode_put(&file->inode);
	image_cut_now_over(&cuts);
}

static void cut_inside_a_block(void) MAY_YIELD
{
	struct ext4_inode *file = image_file("file");

	cut_and_grow(file, 5000, 8000);
	check_cut(5000, 8000);
	inode_put(&file->inode);
}

static void what_was_cut_off_does_not_come_back(void)
{
	image_run("", MIB(16), cut_inside_a_block);
}

static bool synced;
static struct waitq done;
static struct ext4_inode *appended;

static void sync_data(void *arg) MAY_YIELD
{
	(void)arg;
	CHECK_INT(ext4_fsync(&appended->inode, true), 0);
	check_durable("file", 'b', LONG + 100);
	synced = true;
	waitq_wake_all(&done);
}

static void commit(void *id) MAY_YIELD
{
	CHECK_INT(journal_commit(fs->journal, *(uint32_t *)id), 0);
}

/* As an operation that makes the file longer does, in its own transaction. */
static void size_beside_append(void) MAY_YIELD
{
	struct journal_handle h;
	uint32_t id;

	waitq_init(&done);
	appended = image_file("file");
	fill(appended, 'a', LONG);
	CHECK_INT(ext4_fsync(&appended->inode, false), 0);
	test_disk_record(image_disk);
	CHECK_INT(ext4_begin(fs, 1, &h), 0);
	id = journal_handle_id(&h);
	CHECK_INT(ext4_inode_store(&h, appended), 0);
	CHECK_INT(task_start(NULL, "commit", commit, &id), 0);
	while (journal_extend(&h, 0) == 0)
		task_yield(); /* until it is closed to others */
	fill(appended, 'b', LONG + 100);
	CHECK_INT(task_start(NULL, "sync", sync_data, NULL), 0);
	for (unsigned int i = 0; i < 100; i++)
		task_yield(); /* it waits for the next transaction */
	appended->disk_size = appended->size;
	CHECK_INT(ext4_inode_store(&h, appended), 0);
	appended->last_data_transaction = id;
	journal_end(&h);
	while (!synced)
		(void)!waitq_wait(&done, TASK_FOREVER, WAIT_SURE);
	inode_put(&appended->inode);
}

static void an_append_is_durable_though_the_size_came_sooner(void)
{
	image_run("", MIB(16), size_beside_append);
}

static void sync_all(void *arg) MAY_YIELD
{
	(void)arg;
	CHECK_INT(ext4_sync_fs(fs), 0);
	check_durable("large", 'l', LARGE);
	synced = true;
	waitq_wake_all(&done);
}

static void close_beside_sync(void) MAY_YIELD
{
	struct ext4_inode *small = image_file("small"), *large = image_file("large");

	waitq_init(&done);
	CHECK_INT(ext4_sync_fs(fs), 0);
	test_disk_record(image_disk);
	fill(small, 's', 8192);
	fill(large, 'l', LARGE);
	CHECK_INT(task_start(NULL, "sync", sync_all, NULL), 0);
	task_yield(); /* it writes the small one */
	inode_put(&large->inode);
	while (!synced)
		(void)!waitq_wait(&done, TASK_FOREVER, WAIT_SURE);
	inode_put(&small->inode);
}

static void sync_waits_for_a_file_that_is_closed_meanwhile(void)
{
	image_cache_bytes = MIB(512); /* nothing is written before somebody asks */
	image_run("-J size=4", MIB(64), close_beside_sync);
}

static const struct test tests[] = {
	TEST(a_write_is_durable_though_its_transaction_was_none),
	TEST(a_first_name_is_durable_with_the_data),
	TEST(what_was_cut_off_does_not_come_back),
	TEST(an_append_is_durable_though_the_size_came_sooner),
	TEST(sync_waits_for_a_file_that_is_closed_meanwhile),
};
TEST_MAIN(tests)

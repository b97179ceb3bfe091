/*
 * test_sync.c - what fsync promises of files that are no longer known as they were when they
 * were changed: who opens them anew, and syncs, waits for what others did. ext4.h.
 */
#include "test/ext4/data_image.h"

#include <string.h>
#include <sys/stat.h>

static void nothing_is_left_to_commit(void)
{
	CHECK_INT(journal_newest(fs->journal), 0);
}

static void sync_again(const char *name, bool data_only) MAY_YIELD
{
	struct inode *inode = &image_find(name)->inode;

	CHECK(journal_newest(fs->journal) != 0);
	CHECK_INT(inode->ops->sync(inode, data_only), 0);
	nothing_is_left_to_commit();
	inode_put(inode);
}

static void sync_after_it_left_memory(void) MAY_YIELD
{
	const struct vfs_attr attr = { .mode = S_IFDIR | 0755 };
	struct inode *root, *dir;

	inode_put(&image_file("file")->inode);
	sync_again("file", false);
	CHECK_INT(ext4_root(fs, &root), 0);
	CHECK_INT(root->ops->create(root, "folder", 6, &attr, &dir), 0);
	inode_put(dir);
	inode_put(root);
	sync_again("folder", false);
	inode_put(&image_file("data")->inode);
	sync_again("data", true);
}

static void an_inode_that_left_memory_is_synced_all_the_same(void)
{
	image_run("-b 1024", MIB(16), sync_after_it_left_memory);
}

static void sync_new_file(void) MAY_YIELD
{
	struct ext4_inode *file = image_file("file");

	CHECK_INT(ext4_fsync(&file->inode, true), 0);
	nothing_is_left_to_commit();
	inode_put(&file->inode);
}

static void fdatasync_of_a_new_file_waits_for_its_name(void)
{
	image_run("-b 1024", MIB(16), sync_new_file);
}

static const struct test tests[] = {
	TEST(an_inode_that_left_memory_is_synced_all_the_same),
	TEST(fdatasync_of_a_new_file_waits_for_its_name),
};
TEST_MAIN(tests)

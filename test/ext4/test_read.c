/*
 * test_read.c - what is in an image made by mke2fs is what we read: ext4.h, mount to readdir,
 * with the features that images have; what cannot be read or written is refused and said.
 */
#include "test/ext4/image.h"

static void reads_all(const char *options, bool read_only) MAY_YIELD
{
	image_sample("tree", 1);
	image_make(options, "24M", "tree");
	image_mount(read_only);
	image_compare("tree");
	/* From memory, and by hash this time. */
	image_compare("tree");
	image_unmount();
	image_judge();
}

#define READS(name, options)              \
	EXT4_TEST(name)                   \
	{                                 \
		reads_all(options, true); \
	}

READS(an_image_with_blocks_of_1024_bytes_is_read, "-b 1024")
READS(an_image_with_blocks_of_2048_bytes_is_read, "-b 2048")
READS(an_image_with_blocks_of_4096_bytes_is_read, "-b 4096")
READS(an_image_without_a_journal_is_read, "-O ^has_journal")
READS(an_image_without_checksums_is_read, "-O ^metadata_csum")
READS(an_image_with_old_checksums_is_read, "-O ^metadata_csum,uninit_bg")
READS(an_image_with_small_inodes_is_read, "-I 128 -b 1024")
READS(an_image_with_large_inodes_is_read, "-I 512 -b 4096")
READS(an_image_without_extents_is_read, "-O ^extent,^64bit -b 1024")
READS(an_image_as_of_ext3_is_read, "-t ext3 -b 1024")
READS(an_image_as_of_ext2_is_read, "-t ext2 -b 4096")
READS(an_image_without_directory_indexes_is_read, "-O ^dir_index")
READS(an_image_with_short_descriptors_is_read, "-O ^64bit,^resize_inode -b 1024")
READS(an_image_with_meta_groups_is_read, "-O meta_bg,^resize_inode -b 1024 -g 1024")
READS(an_image_with_many_groups_is_read, "-b 1024 -g 512 -N 4096")
READS(an_image_without_flexible_groups_is_read, "-O ^flex_bg -b 1024")
READS(an_image_with_two_backups_is_read, "-O sparse_super2 -b 1024 -g 1024")
READS(an_image_with_a_seed_of_its_own_is_read, "-O metadata_csum_seed -U random")
READS(an_image_with_clusters_is_read, "-O bigalloc -C 16k -b 4096")

EXT4_TEST(directories_that_e2fsck_indexed_are_read)
{
	for (unsigned int i = 0; i < 2; i++) {
		image_tool("rm -rf tree");
		image_sample("tree", i);
		image_make(i ? "-b 1024" : "-b 4096", "24M", "tree");
		image_tool("e2fsck -fyD image 2>&1 || [ $? -le 1 ]");
		image_mount(true);
		image_compare("tree");
		image_compare("tree");
		image_unmount();
	}
}

/* ---- names. */

EXT4_TEST(names_that_are_not_there_are_not_found)
{
	struct vfs_attr attr;
	char name[300] = "/";

	image_sample("tree", 1);
	image_make("-b 1024", "24M", "tree");
	image_tool("e2fsck -fyD image 2>&1 || [ $? -le 1 ]");
	image_mount(true);
	for (unsigned int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "/many/no_number_%u", i);
		CHECK_INT(do_lstat(name, &attr), -ENOENT);
	}
	memset(name + 1, 'n', 256);
	name[256] = '\0';
	CHECK_INT(do_lstat(name, &attr), -ENOENT); /* 255 */
	name[256] = 'n';
	name[257] = '\0';
	CHECK_INT(do_lstat(name, &attr), -ENAMETOOLONG);
	image_unmount();
}

struct few {
	unsigned int left;
	char names[4096][64];
	unsigned int count;
};

static int take_few(void *ctx, const struct vfs_dirent *entry)
{
	struct few *few = ctx;

	if (few->left == 0)
		return 1;
	few->left--;
	snprintf(few->names[few->count++], 64, "%.*s", (int)entry->name_len, entry->name);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void read_in_pieces(const char *options, bool indexed) MAY_YIELD
{
	static struct few few;
	uint64_t cursor = 0;
	struct dentry *d;

	few.count = 0;
	image_tool("rm -rf tree");
	image_sample("tree", 1);
	image_make(options, "24M", "tree");
	if (indexed)
		image_tool("e2fsck -fyD image 2>&1 || [ $? -le 1 ]");
	image_mount(true);
	CHECK_INT(vfs_walk(&view, NULL, "/many", 0, &d), 0);
	for (unsigned int before = 1; before != few.count;) {
		before = few.count;
		few.left = 1 + few.count % 7;
		CHECK_INT(vfs_readdir(dentry_inode(d), &cursor, take_few, &few), 0);
		CHECK(few.count <= 700);
	}
	dentry_put(d);
	CHECK_INT(few.count, 700);
	qsort(few.names, 700, 64, by_text);
	for (unsigned int i = 1; i < 700; i++)
		CHECK(strcmp(few.names[i - 1], few.names[i]) != 0);
	image_unmount();
}

EXT4_TEST(a_directory_read_in_pieces_gives_each_name_once)
{
	read_in_pieces("-b 1024", false);
	read_in_pieces("-b 1024", true);
	read_in_pieces("-b 4096 -O ^metadata_csum", true);
	read_in_pieces("-b 1024 -O ^dir_index", false);
}

/* ---- what cannot be done is said. */

static void refused(const char *options, int wanted, const char *text) MAY_YIELD
{
	image_make(options, "16M", NULL);
	CHECK_INT(image_try_mount(false), wanted);
	if (!strstr(image_report.text, text))
		CHECK_STR(image_report.text, text);
}

static void read_only(const char *options, const char *text) MAY_YIELD
{
	image_make(options, "16M", NULL);
	CHECK_INT(image_try_mount(false), 0);
	CHECK(image_report.read_only);
	if (!strstr(image_report.text, text))
		CHECK_STR(image_report.text, text);
	CHECK_INT(ext4_writable(image), -EROFS);
	image_unmount();
	image_judge();
}

EXT4_TEST(what_cannot_be_read_is_refused_by_name)
{
	refused("-O inline_data", -EOPNOTSUPP, "inline_data");
	refused("-O journal_dev", -EOPNOTSUPP, "journal_dev");
	image_tool("truncate -s 16M image; dd if=/dev/zero of=image bs=1M count=16 2>&1");
	CHECK_INT(image_try_mount(false), -EMEDIUMTYPE);
	CHECK_STR(image_report.text, "this is not an ext4 file system");
	image_tool("truncate -s 1536 image");
	CHECK_INT(image_try_mount(false), -EMEDIUMTYPE);
	CHECK_STR(image_report.text, "it is too small for a file system");
}

EXT4_TEST(what_cannot_be_written_is_mounted_read_only_by_name)
{
	read_only("-O ea_inode", "ea_inode");
	read_only("-O large_dir", "large_dir");
	read_only("-O encrypt", "encrypt");
	read_only("-O casefold", "casefold");
	read_only("-O mmp", "mmp");
	read_only("-O quota", "quota");
	read_only("-O project", "project");
	read_only("-O bigalloc", "bigalloc");
	read_only("-O verity", "verity");
	read_only("-O ^extent,^64bit", "extents");
}

EXT4_TEST(an_image_cut_short_is_refused)
{
	image_make("-b 4096", "16M", NULL);
	image_tool("truncate -s 12M image");
	CHECK_INT(image_try_mount(false), -EUCLEAN);
	CHECK(strstr(image_report.text,
		     "it has 4096 blocks of 4096 bytes, but the disk only 3072"));
}

EXT4_TEST(an_image_with_errors_is_mounted_read_only)
{
	image_make("", "16M", NULL);
	image_tool("debugfs -w -R 'ssv state 2' image 2>&1");
	CHECK_INT(image_try_mount(false), 0);
	CHECK(image_report.read_only);
	CHECK(strstr(image_report.text, "errors were found"));
	image_unmount();
}

EXT4_TEST(an_image_without_a_journal_that_was_not_unmounted_is_mounted_read_only)
{
	image_make("-O ^has_journal", "16M", NULL);
	image_tool("debugfs -w -R 'ssv state 0' image 2>&1");
	CHECK_INT(image_try_mount(false), 0);
	CHECK(image_report.read_only);
	CHECK(strstr(image_report.text, "no journal"));
	image_unmount();
}

static const struct test tests[] = {
	TEST(an_image_with_blocks_of_1024_bytes_is_read),
	TEST(an_image_with_blocks_of_2048_bytes_is_read),
	TEST(an_image_with_blocks_of_4096_bytes_is_read),
	TEST(an_image_without_a_journal_is_read),
	TEST(an_image_without_checksums_is_read),
	TEST(an_image_with_old_checksums_is_read),
	TEST(an_image_with_small_inodes_is_read),
	TEST(an_image_with_large_inodes_is_read),
	TEST(an_image_without_extents_is_read),
	TEST(an_image_as_of_ext3_is_read),
	TEST(an_image_as_of_ext2_is_read),
	TEST(an_image_without_directory_indexes_is_read),
	TEST(an_image_with_short_descriptors_is_read),
	TEST(an_image_with_meta_groups_is_read),
	TEST(an_image_with_many_groups_is_read),
	TEST(an_image_without_flexible_groups_is_read),
	TEST(an_image_with_two_backups_is_read),
	TEST(an_image_with_a_seed_of_its_own_is_read),
	TEST(an_image_with_clusters_is_read),
	TEST(directories_that_e2fsck_indexed_are_read),
	TEST(names_that_are_not_there_are_not_found),
	TEST_LONG(a_directory_read_in_pieces_gives_each_name_once, 30),
	TEST(what_cannot_be_read_is_refused_by_name),
	TEST_LONG(what_cannot_be_written_is_mounted_read_only_by_name, 30),
	TEST(an_image_cut_short_is_refused),
	TEST(an_image_with_errors_is_mounted_read_only),
	TEST(an_image_without_a_journal_that_was_not_unmounted_is_mounted_read_only),
};
TEST_MAIN(tests)

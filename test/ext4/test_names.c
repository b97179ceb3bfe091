/*
 * test_names.c - changes of names in an image: ext4.h, names.c to orphan.c. After each test
 * e2fsck finds nothing, debugfs reads the same tree, and so do we after another mount.
 */
#include "test/ext4/image.h"

#include <linux/falloc.h>
#include <sys/sysmacros.h>

#define WITH_NAMES 3000u
#define WITH_TWO_LEVELS 8000u

/* Unmount, judge, and compare with what debugfs takes out. */
static void judge_tree(void) MAY_YIELD
{
	image_unmount();
	image_judge();
	image_mount(true);
	image_compare_dump();
	image_unmount();
}

static const char *const kinds[] = {
	"-b 1024",
	"-b 4096",
	"-b 4096 -O ^has_journal",
	"-b 1024 -O ^metadata_csum",
	"-b 1024 -O ^metadata_csum,uninit_bg",
	"-b 1024 -I 128",
	"-b 1024 -O ^dir_index",
	"-b 2048 -O ^64bit,^resize_inode",
	"-b 1024 -O meta_bg,^resize_inode -g 1024",
	"-b 4096 -O metadata_csum_seed",
	"-b 4096 -O orphan_file",
	"-b 1024 -O ^filetype",
};

static void make_some(void) MAY_YIELD
{
	static char target[512];

	CHECK_INT(do_mkdir("/dir"), 0);
	CHECK_INT(do_mkdir("/dir/below"), 0);
	CHECK_INT(do_create("/dir/file", 0640), 0);
	CHECK_INT(do_write("/dir/file", "hello", 0), 5);
	CHECK_INT(do_link("/dir/file", "/dir/below/same"), 0);
	CHECK_INT(do_symlink("file", "/dir/link"), 0);
	memset(target, 't', 59);
	CHECK_INT(do_symlink(target, "/dir/link59"), 0);
	memset(target, 'u', 60);
	CHECK_INT(do_symlink(target, "/dir/link60"), 0);
	memset(target, 'v', 500);
	CHECK_INT(do_symlink(target, "/dir/link500"), 0);
	CHECK_INT(vfs_mknod(&view, NULL, "/dir/pipe", S_IFIFO | 0600, 0), 0);
	CHECK_INT(do_chmod("/dir/file", 04711), 0);
	CHECK_INT(do_chown("/dir/file", 70000, 80000), 0);
	CHECK_INT(do_chmod("/dir/below", 01777), 0);
}

EXT4_TEST(what_is_made_is_there)
{
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		struct vfs_attr a, b;

		image_make(kinds[i], "16M", NULL);
		image_mount(false);
		make_some();
		CHECK_INT(do_stat("/dir", &a), 0);
		CHECK_INT(a.nlink, 3);
		CHECK_STR(names_of("/dir", 3), "below file link link500 link59 link60 pipe ");
		CHECK_STR(text_of("/dir/link"), "hello");
		CHECK_INT(do_stat("/dir/file", &a), 0);
		judge_tree();
		image_mount(true);
		CHECK_INT(do_stat("/dir/below/same", &b), 0);
		CHECK_INT(a.ino, b.ino);
		CHECK_INT(b.nlink, 2);
		CHECK_INT(b.uid, 70000);
		CHECK_INT(b.mtime.tv_sec, a.mtime.tv_sec);
		if (!strstr(kinds[i], "-I 128"))
			CHECK_INT(b.mtime.tv_nsec, a.mtime.tv_nsec);
		image_unmount();
	}
}

EXT4_TEST(devices_keep_their_numbers)
{
	const uint64_t devices[] = {
		makedev(0, 0),	 makedev(5, 7),	      makedev(255, 255),
		makedev(256, 1), makedev(259, 70000),
	};
	struct vfs_attr a;
	char path[32];

	image_make("", "16M", NULL);
	image_mount(false);
	for (unsigned int i = 0; i < ARRAY_COUNT(devices); i++) {
		snprintf(path, sizeof(path), "/device%u", i);
		CHECK_INT(vfs_mknod(&view, NULL, path, S_IFBLK | 0600, devices[i]), 0);
	}
	judge_tree();
	image_mount(true);
	for (unsigned int i = 0; i < ARRAY_COUNT(devices); i++) {
		snprintf(path, sizeof(path), "/device%u", i);
		CHECK_INT(do_stat(path, &a), 0);
		CHECK_INT(a.rdev, devices[i]);
	}
	image_unmount();
}

EXT4_TEST(times_of_four_centuries_are_kept)
{
	static const int64_t seconds[] = { -2147483648, -1,	    0,		2147483647,
					   2147483648,	4294967296, 15032385535 };
	struct vfs_attr a;
	char path[32];

	image_make("", "16M", NULL);
	image_mount(false);
	for (unsigned int i = 0; i < ARRAY_COUNT(seconds); i++) {
		const struct timespec times[2] = { { seconds[i], 1 }, { seconds[i], 999999999 } };
		struct dentry *d;

		snprintf(path, sizeof(path), "/file%u", i);
		CHECK_INT(do_open(path, O_CREAT | O_WRONLY, 0644, &d), 0);
		CHECK_INT(vfs_utimens(&cred, dentry_inode(d), times), 0);
		dentry_put(d);
	}
	image_unmount();
	image_judge();
	image_mount(true);
	for (unsigned int i = 0; i < ARRAY_COUNT(seconds); i++) {
		snprintf(path, sizeof(path), "/file%u", i);
		CHECK_INT(do_stat(path, &a), 0);
		CHECK_INT(a.atime.tv_sec, seconds[i]);
		CHECK_INT(a.atime.tv_nsec, 1);
		CHECK_INT(a.mtime.tv_sec, seconds[i]);
		CHECK_INT(a.mtime.tv_nsec, 999999999);
	}
	image_unmount();
}

EXT4_TEST(what_is_removed_is_gone)
{
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		struct vfs_statfs before, after;

		image_make(kinds[i], "16M", NULL);
		image_mount(false);
		CHECK_INT(vfs_statfs(dentry_inode(view.root), &before), 0);
		make_some();
		CHECK_INT(do_rmdir("/dir"), -ENOTEMPTY);
		CHECK_INT(do_unlink("/dir/file"), 0);
		CHECK_STR(text_of("/dir/below/same"), "hello");
		CHECK_INT(do_unlink("/dir/below/same"), 0);
		CHECK_INT(do_rmdir("/dir/below"), 0);
		CHECK_INT(do_unlink("/dir/link"), 0);
		CHECK_INT(do_unlink("/dir/link59"), 0);
		CHECK_INT(do_unlink("/dir/link60"), 0);
		CHECK_INT(do_unlink("/dir/link500"), 0);
		CHECK_INT(do_unlink("/dir/pipe"), 0);
		CHECK_INT(do_rmdir("/dir"), 0);
		ext4_make_room(image);
		CHECK_INT(vfs_statfs(dentry_inode(view.root), &after), 0);
		CHECK_INT(after.bfree, before.bfree);
		CHECK_INT(after.ffree, before.ffree);
		judge_tree();
	}
}

/* ---- directories that grow. */

static void name_number(char *path, unsigned int number, unsigned int length)
{
	/* Of different lengths, and in no order. */
	int len = sprintf(path, "/d/%u_", number * 2654435761u);

	memset(path + len, 'n', length);
	path[(unsigned int)len + length] = '\0';
}

static void many_names(const char *options, unsigned int count) MAY_YIELD
{
	static char path[512];
	struct vfs_attr a;

	image_make(options, "64M -N 16384", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/d"), 0);
	for (unsigned int i = 0; i < count; i++) {
		name_number(path, i, i * 7 % 60);
		CHECK_INT(do_create(path, 0644), 0);
	}
	image_unmount();
	image_judge();
	image_mount(false);
	for (unsigned int i = 0; i < count; i++) {
		name_number(path, i, i * 7 % 60);
		CHECK_INT(do_stat(path, &a), 0);
	}
	for (unsigned int i = 0; i < count; i += 2) {
		name_number(path, i, i * 7 % 60);
		CHECK_INT(do_unlink(path), 0);
		CHECK_INT(do_stat(path, &a), -ENOENT);
	}
	for (unsigned int i = count; i < count + count / 2; i++) {
		name_number(path, i, 190 + i % 40);
		CHECK_INT(do_create(path, 0644), 0);
	}
	judge_tree();
}

EXT4_TEST(directories_grow_in_blocks_of_1024)
{
	many_names("-b 1024", WITH_NAMES);
}

EXT4_TEST(directories_grow_in_blocks_of_4096)
{
	many_names("-b 4096", WITH_NAMES);
}

EXT4_TEST(directories_grow_without_a_journal_and_checksums)
{
	many_names("-b 1024 -O ^metadata_csum,^has_journal", WITH_NAMES);
}

EXT4_TEST(directories_grow_without_indexes)
{
	many_names("-b 1024 -O ^dir_index", WITH_NAMES / 2);
}

EXT4_TEST(directories_that_e2fsck_indexed_grow_on)
{
	static char path[64];

	image_sample("tree", 1);
	image_make("-b 1024", "24M", "tree");
	image_tool("e2fsck -fyD image 2>&1 || [ $? -le 1 ]");
	image_mount(false);
	for (unsigned int i = 0; i < 700; i++) {
		snprintf(path, sizeof(path), "/many/another_%u", i);
		CHECK_INT(do_create(path, 0644), 0);
	}
	judge_tree();
}

static void hashed_as(const char *hash, const char *flags) MAY_YIELD
{
	static char path[512];
	struct vfs_attr a;

	image_make("-b 1024", "32M", NULL);
	image_tool("debugfs -w -R 'ssv def_hash_version %s' image 2>&1; "
		   "debugfs -w -R 'ssv flags %s' image 2>&1",
		   hash, flags);
	image_mount(false);
	CHECK_INT(do_mkdir("/d"), 0);
	for (unsigned int i = 0; i < 300; i++) {
		name_number(path, i, i % 9);
		strcat(path, i % 2 ? "\xc3\xa4" : "\xff");
		CHECK_INT(do_create(path, 0644), 0);
	}
	judge_tree();
	/* By the tree on the disk alone. */
	image_mount(true);
	for (unsigned int i = 0; i < 300; i++) {
		name_number(path, i, i % 9);
		strcat(path, i % 2 ? "\xc3\xa4" : "\xff");
		CHECK_INT(do_stat(path, &a), 0);
	}
	image_unmount();
}

EXT4_TEST(all_hashes_of_trees_are_as_e2fsck_wants_them)
{
	static const char *const hashes[] = { "legacy", "half_md4", "tea" };

	for (unsigned int i = 0; i < ARRAY_COUNT(hashes); i++) {
		hashed_as(hashes[i], "1");
		hashed_as(hashes[i], "2");
	}
}

/* What Linux does with a name that our memory of the directory does not know. */
EXT4_TEST(the_tree_on_the_disk_leads_to_each_name)
{
	static char path[512];

	image_make("-b 1024", "64M -N 16384", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/d"), 0);
	for (unsigned int i = 0; i < WITH_TWO_LEVELS; i++) {
		name_number(path, i, i % 30);
		CHECK_INT(do_create(path, 0644), 0);
	}
	image_unmount();
	image_mount(true);
	{
		struct dentry *d;
		struct ext4_inode *dir;
		uint32_t blocks;

		CHECK_INT(vfs_walk(&view, NULL, "/d", 0, &d), 0);
		dir = ext4_i(dentry_inode(d));
		blocks = (uint32_t)(dir->size >> 10);
		CHECK(blocks > 200); /* a tree of two levels */
		for (unsigned int i = 0; i < 20; i++) {
			struct ext4_name name = { path + 3, 0 };
			uint32_t number;

			name_number(path, i, i % 30);
			name.len = (uint32_t)strlen(name.text);
			CHECK_INT(ext4_dir_find(dir, &name, &number), 0);
			CHECK(!dir->names); /* it did not read all of it */
		}
		dentry_put(d);
	}
	image_unmount();
}

EXT4_TEST(changes_of_large_directories_go_by_the_tree_alone)
{
	static char path[512], to[512];
	struct ext4_inode *dir;
	struct dentry *d;

	image_make("-b 1024", "64M -N 16384", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/d"), 0);
	for (unsigned int i = 0; i < WITH_TWO_LEVELS; i++) {
		name_number(path, i, i % 30);
		CHECK_INT(do_create(path, 0644), 0);
	}
	/* A few each time it is mounted: more would make us read all of it. */
	for (unsigned int round = 0; round < 30; round++) {
		image_unmount();
		image_mount(false);
		CHECK_INT(vfs_walk(&view, NULL, "/d", 0, &d), 0);
		dir = ext4_i(dentry_inode(d));
		for (unsigned int i = round * 5; i < round * 5 + 5; i++) {
			name_number(path, i, i % 30);
			name_number(to, i + WITH_TWO_LEVELS, 200 + i % 40);
			CHECK_INT(do_rename(path, to, 0), 0);
			CHECK_INT(do_create(path, 0644), 0);
			if (i % 2)
				CHECK_INT(do_unlink(to), 0);
		}
		CHECK(!dir->names);
		dentry_put(d);
	}
	judge_tree();
}

EXT4_TEST(names_have_255_bytes_and_no_more)
{
	char name[300] = "/";

	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	memset(name + 1, 'n', 256);
	name[257] = '\0';
	CHECK_INT(do_create(name, 0644), -ENAMETOOLONG);
	CHECK_INT(do_mkdir(name), -ENAMETOOLONG);
	CHECK_INT(do_symlink("x", name), -ENAMETOOLONG);
	for (char c = 'a'; c < 'o'; c++) {
		name[255] = c;
		name[256] = '\0';
		CHECK_INT(do_create(name, 0644), 0);
	}
	name[256] = 'n';
	CHECK_INT(do_link("/lost+found", name), -ENAMETOOLONG);
	judge_tree();
}

/* ---- renames. */

EXT4_TEST(renames_move_replace_and_exchange)
{
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		struct vfs_attr a;

		image_make(kinds[i], "16M", NULL);
		image_mount(false);
		make_some();
		CHECK_INT(do_mkdir("/other"), 0);
		CHECK_INT(do_rename("/dir/below", "/other/moved", 0), 0);
		CHECK_INT(do_stat("/dir", &a), 0);
		CHECK_INT(a.nlink, 2);
		CHECK_INT(do_stat("/other", &a), 0);
		CHECK_INT(a.nlink, 3);
		CHECK_INT(do_stat("/other/moved/../moved/same", &a), 0);
		CHECK_INT(do_create("/other/plain", 0644), 0);
		CHECK_INT(do_rename("/dir/pipe", "/other/plain", RENAME_NOREPLACE), -EEXIST);
		CHECK_INT(do_rename("/dir/pipe", "/other/plain", 0), 0);
		CHECK_INT(do_mkdir("/other/empty"), 0);
		CHECK_INT(do_rename("/dir", "/other/moved", 0), -ENOTEMPTY);
		CHECK_INT(do_rename("/dir", "/other/empty", 0), 0);
		CHECK_INT(do_rename("/other/empty/file", "/other/moved", RENAME_EXCHANGE), 0);
		CHECK_STR(text_of("/other/moved"), "hello");
		CHECK_INT(do_stat("/other/empty", &a), 0);
		CHECK_INT(a.nlink, 3);
		CHECK_INT(do_stat("/other", &a), 0);
		CHECK_INT(a.nlink, 3);
		CHECK_STR(names_of("/other", 9), "empty moved plain ");
		CHECK_STR(names_of("/other/empty", 9), "file link link500 link59 link60 ");
		judge_tree();
	}
}

EXT4_TEST(whiteouts_come_to_old_names)
{
	struct dentry *d;
	struct vfs_attr a;

	image_make("", "16M", NULL);
	image_mount(false);
	CHECK_INT(do_create("/old", 0644), 0);
	CHECK_INT(vfs_walk(&view, NULL, "/old", 0, &d), 0);
	{
		const struct vfs_move move = {
			.old_dir = dentry_inode(view.root),
			.new_dir = dentry_inode(view.root),
			.old_name = "old",
			.new_name = "new",
			.inode = dentry_inode(d),
			.flags = RENAME_WHITEOUT,
		};

		CHECK_INT(move.old_dir->ops->rename(&move), 0);
	}
	dentry_put(d);
	judge_tree();
	image_mount(true);
	CHECK_INT(do_stat("/old", &a), 0);
	CHECK_INT(a.mode & S_IFMT, S_IFCHR);
	CHECK_INT(a.rdev, 0);
	CHECK_INT(do_stat("/new", &a), 0);
	CHECK_INT(a.mode & S_IFMT, S_IFREG);
	image_unmount();
}

/* ---- inodes without names. */

EXT4_TEST(a_file_without_a_name_is_there_while_it_is_open)
{
	struct vfs_statfs before, after;
	struct dentry *d;
	char buf[8] = "";

	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	CHECK_INT(vfs_statfs(dentry_inode(view.root), &before), 0);
	CHECK_INT(do_open("/f", O_CREAT | O_RDWR, 0644, &d), 0);
	CHECK_INT(vfs_write(dentry_inode(d), "bytes", 5, 0), 5);
	CHECK_INT(do_unlink("/f"), 0);
	CHECK_INT(ext4_sync_fs(image), 0);
	CHECK_INT(vfs_read(dentry_inode(d), buf, 8, 0), 5);
	CHECK_STR(buf, "bytes");
	CHECK_INT(ext4_super(image)->last_orphan, dentry_inode(d)->ino);
	dentry_put(d);
	ext4_make_room(image);
	CHECK_INT(ext4_super(image)->last_orphan, 0);
	CHECK_INT(vfs_statfs(dentry_inode(view.root), &after), 0);
	CHECK_INT(after.bfree, before.bfree);
	CHECK_INT(after.ffree, before.ffree);
	judge_tree();
}

EXT4_TEST(a_file_made_without_a_name_may_get_one)
{
	struct dentry *d, *gone;

	image_make("", "16M", NULL);
	image_mount(false);
	CHECK_INT(vfs_tmpfile(&view, NULL, "/", 0644, &d), 0);
	CHECK_INT(vfs_tmpfile(&view, NULL, "/", 0644, &gone), 0);
	CHECK_INT(vfs_write(dentry_inode(d), "late", 4, 0), 4);
	CHECK_INT(vfs_link(&view, d, NULL, "/named"), 0);
	dentry_put(d);
	dentry_put(gone);
	CHECK_STR(text_of("/named"), "late");
	judge_tree();
}

/* Many at once, which leave the list in another order than they came. */
EXT4_TEST(the_list_of_orphans_is_right_in_any_order)
{
	struct dentry *files[50];
	uint64_t seed = 5;
	char path[32];

	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	for (unsigned int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "/f%u", i);
		CHECK_INT(do_open(path, O_CREAT | O_RDWR, 0644, &files[i]), 0);
		CHECK_INT(vfs_write(dentry_inode(files[i]), "bytes", 5, 100000), 5);
		CHECK_INT(do_unlink(path), 0);
	}
	for (unsigned int left = 50; left > 0; left--) {
		unsigned int i = image_random(&seed, left);

		dentry_put(files[i]);
		files[i] = files[left - 1];
		if (left % 10 == 0)
			ext4_closing_wait(image);
	}
	judge_tree();
}

EXT4_TEST(orphans_of_a_crash_are_deleted_or_cut_at_mount)
{
	image_sample("tree", 1);
	image_make("-b 1024", "24M", "tree");
	/* As Linux leaves them: one without a name, one with blocks behind its end. */
	image_tool("debugfs -w -R 'unlink data_0' image 2>&1; n=$(debugfs -R 'stat data_1' image "
		   "2>/dev/null | sed -n 's/^Inode: \\([0-9]*\\).*/\\1/p'); "
		   "debugfs -w -R 'sif data_1 size 1' image 2>&1; "
		   "debugfs -w -R \"ssv last_orphan $n\" image 2>&1");
	image_mount(false);
	CHECK_INT(image_report.orphans, 1);
	image_unmount();
	image_tool("e2fsck -fy image >/dev/null 2>&1; true"); /* data_0, which nobody listed */
	image_mount(false);
	CHECK_INT(image_report.orphans, 0);
	image_unmount();
	image_judge();
}

/* ---- limits. */

EXT4_TEST(links_of_a_file_end_at_65000)
{
	char path[32];
	struct vfs_attr a;

	image_make("-b 4096", "64M", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/d"), 0);
	CHECK_INT(do_create("/d/0", 0644), 0);
	for (unsigned int i = 1; i < 65000; i++) {
		snprintf(path, sizeof(path), "/d/%u", i);
		CHECK_INT(do_link("/d/0", path), 0);
	}
	CHECK_INT(do_link("/d/0", "/d/more"), -EMLINK);
	CHECK_INT(do_unlink("/d/5"), 0);
	CHECK_INT(do_link("/d/0", "/d/more"), 0);
	CHECK_INT(do_stat("/d/0", &a), 0);
	CHECK_INT(a.nlink, 65000);
	image_unmount();
	image_judge();
}

EXT4_TEST(a_directory_has_more_than_65000_directories)
{
	char path[32];
	struct vfs_attr a;

	image_make("-b 1024 -N 70000", "200M", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/d"), 0);
	for (unsigned int i = 0; i < 65010; i++) {
		snprintf(path, sizeof(path), "/d/%u", i);
		CHECK_INT(do_mkdir(path), 0);
	}
	CHECK_INT(do_stat("/d", &a), 0);
	CHECK_INT(a.nlink, 1);
	image_unmount();
	image_judge();
	image_mount(false);
	for (unsigned int i = 0; i < 65010; i += 5) {
		snprintf(path, sizeof(path), "/d/%u", i);
		CHECK_INT(do_rmdir(path), 0);
	}
	CHECK_INT(do_stat("/d", &a), 0);
	CHECK_INT(a.nlink, 1);
	image_unmount();
	image_judge();
}

EXT4_TEST(without_inodes_nothing_is_lost)
{
	struct vfs_statfs st;
	unsigned int made = 0;
	char path[32];
	int r;

	image_make("-b 1024 -N 128", "16M", NULL);
	image_mount(false);
	for (;; made++) {
		snprintf(path, sizeof(path), "/f%u", made);
		r = do_create(path, 0644);
		if (r < 0)
			break;
		CHECK(made < 128 * 8);
	}
	CHECK_INT(r, -ENOSPC);
	CHECK_INT(do_mkdir("/d"), -ENOSPC);
	CHECK_INT(do_symlink("x", "/l"), -ENOSPC);
	CHECK_INT(vfs_statfs(dentry_inode(view.root), &st), 0);
	CHECK_INT(st.ffree, 0);
	CHECK_INT(do_unlink("/f0"), 0);
	/* The number is free as soon as the file is. */
	CHECK_INT(do_mkdir("/d"), 0);
	CHECK_INT(do_link("/f1", "/f0"), 0);
	judge_tree();
}

EXT4_TEST(on_a_full_disk_nothing_is_lost)
{
	static char block[65536];
	unsigned int made = 0;
	uint64_t at = 0;
	struct dentry *d;
	char path[300];
	ssize_t w;
	int r;

	image_make("-b 1024 -m 0 -N 8192", "16M", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/d"), 0);
	CHECK_INT(do_open("/big", O_CREAT | O_RDWR, 0644, &d), 0);
	memset(block, 'x', sizeof(block));
	while ((w = vfs_write(dentry_inode(d), block, sizeof(block), at)) > 0)
		at += (uint64_t)w;
	CHECK_INT(w, -ENOSPC);
	/* What was kept back for the file's own tree. */
	for (;; made++) {
		snprintf(path, sizeof(path), "/d/%u", made);
		r = do_mkdir(path);
		if (r < 0)
			break;
		CHECK(made < 100);
	}
	CHECK_INT(r, -ENOSPC);
	made = 0;
	/* A name needs a block when those there are are full. */
	for (;; made++) {
		snprintf(path, sizeof(path), "/d/%0200u_", made);
		r = do_create(path, 0644);
		if (r < 0)
			break;
		CHECK(made < 8192);
	}
	CHECK_INT(r, -ENOSPC);
	CHECK(made > 0);
	memset(block, 't', 100);
	block[100] = '\0';
	CHECK_INT(do_symlink(block, "/slow"), -ENOSPC);
	CHECK_INT(vfs_sync(dentry_inode(d), false), 0);
	dentry_put(d);
	CHECK_INT(do_unlink("/big"), 0);
	/* Its blocks may be had at once: what waits for the journal is not waited for by us. */
	CHECK_INT(do_mkdir("/d/new"), 0);
	CHECK_INT(do_symlink(block, "/slow"), 0);
	judge_tree();
}

EXT4_TEST(links_to_names_end_with_the_block)
{
	static char target[4096];

	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	memset(target, 't', sizeof(target) - 1);
	CHECK_INT(do_symlink(target, "/l"), -ENAMETOOLONG);
	target[1024] = '\0';
	CHECK_INT(do_symlink(target, "/l"), -ENAMETOOLONG);
	target[1023] = '\0';
	CHECK_INT(do_symlink(target, "/l"), 0);
	judge_tree();
}

EXT4_TEST(what_may_not_be_changed_is_not)
{
	image_make("", "16M", NULL);
	image_mount(false);
	CHECK_INT(do_create("/fixed", 0644), 0);
	CHECK_INT(do_create("/free", 0644), 0);
	CHECK_INT(do_mkdir("/dir"), 0);
	CHECK_INT(do_create("/dir/file", 0644), 0);
	image_unmount();
	image_tool("debugfs -w -R 'sif fixed flags 0x80010' image 2>&1; "
		   "debugfs -w -R 'sif dir flags 0x80010' image 2>&1");
	image_mount(false);
	CHECK_INT(do_unlink("/fixed"), -EPERM);
	CHECK_INT(do_link("/fixed", "/other"), -EPERM);
	CHECK_INT(do_rename("/fixed", "/other", 0), -EPERM);
	CHECK_INT(do_rename("/free", "/fixed", 0), -EPERM);
	CHECK_INT(do_chmod("/fixed", 0600), -EPERM);
	CHECK_INT(do_unlink("/dir/file"), -EPERM);
	CHECK_INT(do_create("/dir/more", 0600), -EPERM);
	CHECK_INT(do_rename("/free", "/dir/free", 0), -EPERM);
	image_unmount();
	image_judge();
}

/* What an inode cannot hold becomes the first or the last time that it can, at once. */
static void times_are_kept(const char *options, int64_t last_s) MAY_YIELD
{
	const int64_t wanted[] = { -1,	   INT32_MIN,  INT64_C(-3000000000),
				   last_s, last_s + 1, INT64_C(1) << 40 };
	const int64_t kept[] = { -1, INT32_MIN, INT32_MIN, last_s, last_s, last_s };
	struct vfs_attr attr = { .mode = 0 };
	struct dentry *d;
	char path[8];

	image_make(options, "16M", NULL);
	image_mount(false);
	for (unsigned int i = 0; i < ARRAY_COUNT(wanted); i++) {
		sprintf(path, "/f%u", i);
		CHECK_INT(do_create(path, 0644), 0);
		CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
		attr.mtime.tv_sec = wanted[i];
		CHECK_INT(dentry_inode(d)->ops->setattr(dentry_inode(d), &attr, VFS_SET_MTIME), 0);
		dentry_put(d);
		CHECK_INT(do_stat(path, &attr), 0);
		CHECK_INT(attr.mtime.tv_sec, kept[i]);
	}
	image_unmount();
	image_mount(true);
	for (unsigned int i = 0; i < ARRAY_COUNT(wanted); i++) {
		sprintf(path, "/f%u", i);
		CHECK_INT(do_stat(path, &attr), 0);
		CHECK_INT(attr.mtime.tv_sec, kept[i]);
	}
	image_unmount();
}

EXT4_TEST(times_beyond_the_format_are_the_nearest_it_has)
{
	times_are_kept("-I 256", (INT64_C(1) << 34) - 1 + INT32_MIN);
	times_are_kept("-I 128", INT32_MAX);
}

static const struct test tests[] = {
	TEST(times_beyond_the_format_are_the_nearest_it_has),
	TEST_LONG(what_is_made_is_there, 60),
	TEST(devices_keep_their_numbers),
	TEST(times_of_four_centuries_are_kept),
	TEST_LONG(what_is_removed_is_gone, 60),
	TEST_LONG(directories_grow_in_blocks_of_1024, 60),
	TEST_LONG(directories_grow_in_blocks_of_4096, 60),
	TEST_LONG(directories_grow_without_a_journal_and_checksums, 60),
	TEST_LONG(directories_grow_without_indexes, 60),
	TEST_LONG(directories_that_e2fsck_indexed_grow_on, 60),
	TEST_LONG(all_hashes_of_trees_are_as_e2fsck_wants_them, 60),
	TEST(the_tree_on_the_disk_leads_to_each_name),
	TEST_LONG(changes_of_large_directories_go_by_the_tree_alone, 60),
	TEST(names_have_255_bytes_and_no_more),
	TEST_LONG(renames_move_replace_and_exchange, 60),
	TEST(whiteouts_come_to_old_names),
	TEST(a_file_without_a_name_is_there_while_it_is_open),
	TEST(a_file_made_without_a_name_may_get_one),
	TEST(the_list_of_orphans_is_right_in_any_order),
	TEST(orphans_of_a_crash_are_deleted_or_cut_at_mount),
	TEST_LONG(links_of_a_file_end_at_65000, 60),
	TEST_LONG(a_directory_has_more_than_65000_directories, 60),
	TEST(without_inodes_nothing_is_lost),
	TEST(on_a_full_disk_nothing_is_lost),
	TEST(links_to_names_end_with_the_block),
	TEST(what_may_not_be_changed_is_not),
};
TEST_MAIN(tests)

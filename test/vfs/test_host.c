/*
 * test_host.c - what host/host_fs.h promises: the host's tree is seen as it is, asked
 * once, with few descriptors, and never changed.
 */
#include "test/vfs/vfs_test.h"
#include "vfs/host/host_fs.h"
#include "vfs/host/io.h"

#include <dirent.h>

static void use_host(const char *path) MAY_YIELD
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct inode *root;

	CHECK(fd >= 0);
	CHECK_INT(host_fs_new(fd, &root), 0);
	use_root(root);
}

static const char *in(const char *name)
{
	static char path[2][512];
	static unsigned int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", host_folder(), name);
	return path[turn];
}

static unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	CHECK(dir != NULL);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 3;
}

VFS_TEST(the_tree_of_the_host_is_seen_as_it_is)
{
	struct vfs_attr a;
	struct stat st;
	struct dentry *d;
	char buf[16];

	host_mkdir("d");
	host_file("d/f", "text");
	CHECK_INT(symlink("d/f", in("l")), 0);
	CHECK_INT(link(in("d/f"), in("hard")), 0);
	CHECK_INT(mkfifo(in("fifo"), 0600), 0);
	use_host(host_folder());
	CHECK_STR(names_of("/", 2), "d fifo hard l ");
	CHECK_STR(text_of("/l"), "text");
	CHECK_INT(do_stat("/l", &a), 0);
	CHECK_INT(stat(in("d/f"), &st), 0);
	CHECK_INT(a.dev, st.st_dev);
	CHECK_INT(a.ino, st.st_ino);
	CHECK_INT(a.nlink, 2);
	CHECK_INT(a.size, 4);
	CHECK_INT(a.mtime.tv_nsec, st.st_mtim.tv_nsec);
	CHECK_INT(do_lstat("/l", &a), 0);
	CHECK(S_ISLNK(a.mode));
	CHECK_INT(do_stat("/fifo", &a), 0);
	CHECK_INT(a.mode, S_IFIFO | 0600);
	CHECK_INT(vfs_walk(&view, NULL, "/l", 0, &d), 0);
	CHECK_INT(vfs_readlink(dentry_inode(d), buf, 2), 2);
	CHECK(memcmp(buf, "d/", 2) == 0);
	dentry_put(d);
	CHECK_INT(vfs_walk(&view, NULL, "/hard", 0, &d), 0);
	CHECK(dentry_inode(d)->ino == ino_of("/d/f"));
	dentry_put(d);
}

VFS_TEST(nothing_can_be_changed)
{
	struct dentry *d;
	uint64_t before;

	host_mkdir("d");
	host_file("f", "text");
	before = host_hash(host_folder());
	use_host(host_folder());
	CHECK_INT(do_create("new", 0644), -EROFS);
	CHECK_INT(do_mkdir("new"), -EROFS);
	CHECK_INT(do_mkdir("d"), -EEXIST);
	CHECK_INT(do_unlink("f"), -EROFS);
	CHECK_INT(do_rmdir("d"), -EROFS);
	CHECK_INT(do_rename("f", "g", 0), -EROFS);
	CHECK_INT(do_symlink("x", "l"), -EROFS);
	CHECK_INT(do_link("f", "h"), -EROFS);
	CHECK_INT(do_chmod("f", 0600), -EROFS);
	CHECK_INT(do_chown("f", 1, 1), -EROFS);
	CHECK_INT(do_truncate("f", 0), -EROFS);
	CHECK_INT(do_open("f", O_RDWR, 0, &d), -EROFS);
	CHECK_INT(do_open("f", O_RDONLY | O_TRUNC, 0, &d), -EROFS);
	CHECK_STR(text_of("f"), "text");
	CHECK_INT(host_hash(host_folder()) == before, true);
}

VFS_TEST(known_names_and_missing_ones_cost_no_call)
{
	struct vfs_attr a;
	uint64_t calls;

	host_mkdir("d");
	host_file("d/f", "text");
	CHECK_INT(symlink("d", in("l")), 0);
	use_host(host_folder());
	CHECK_INT(do_stat("/l/f", &a), 0);
	CHECK_STR(text_of("/d/f"), "text");
	calls = io_calls();
	for (int i = 0; i < 100; i++) {
		char name[32];

		CHECK_INT(do_stat("/l/f", &a), 0);
		snprintf(name, sizeof(name), "/d/none-%d", i);
		CHECK_INT(do_stat(name, &a), -ENOENT);
	}
	CHECK_INT(io_calls(), calls);
	CHECK_STR(text_of("/d/f"), "text");
	CHECK_INT(io_calls(), calls + 1); /* the read; the file was still open */
}

VFS_TEST(a_forgotten_directory_is_read_again)
{
	int fd = open(host_folder(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct inode *root;
	struct dentry *d;

	CHECK(fd >= 0);
	host_mkdir("d");
	host_file("d/f", "text");
	host_file("d/g", "text");
	CHECK_INT(host_fs_new(fd, &root), 0);
	use_root(root);
	for (int i = 0; i < 3; i++) {
		CHECK_STR(names_of("/", 1), "d ");
		CHECK_STR(names_of("/d", 1), "f g ");
		names_forget(host_of(dentry_inode(view.root)));
		CHECK_INT(vfs_walk(&view, NULL, "/d", 0, &d), 0);
		names_forget(host_of(dentry_inode(d)));
		dentry_put(d);
	}
}

VFS_TEST(few_descriptors_are_held)
{
	enum { FILES = 2 * HOST_FDS_MAX };
	unsigned int before;
	char name[64];

	for (unsigned int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		host_mkdir(name);
		snprintf(name, sizeof(name), "d%u/f", i);
		host_file(name, name);
	}
	use_host(host_folder());
	before = descriptors();
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < FILES; i++) {
			snprintf(name, sizeof(name), "d%u/f", i);
			CHECK_STR(text_of(name), name);
		}
		CHECK(descriptors() <= before + HOST_FDS_MAX);
	}
}

/* A path longer than one call may have, with all its descriptors closed in between. */
VFS_TEST(a_tree_deeper_than_a_path_is_reached)
{
	enum { DEPTH = 60 };
	static char part[201];
	struct dentry *d, *next;
	int fd;
	char name[64];

	memset(part, 'd', sizeof(part) - 1);
	fd = open(host_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < DEPTH; i++) {
		int below;

		CHECK_INT(mkdirat(fd, part, 0755), 0);
		below = openat(fd, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = below;
	}
	CHECK_INT(mkdirat(fd, "end", 0755), 0);
	CHECK_INT(symlinkat("here", fd, "link"), 0);
	close(fd);
	for (unsigned int i = 0; i < HOST_FDS_MAX + 10; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		host_file(name, "x");
	}
	use_host(host_folder());
	d = dentry_get(view.root);
	for (int i = 0; i < DEPTH; i++) {
		CHECK_INT(vfs_walk(&view, d, part, 0, &next), 0);
		dentry_put(d);
		d = next;
	}
	for (unsigned int i = 0; i < HOST_FDS_MAX + 10; i++) {
		snprintf(name, sizeof(name), "/f%u", i);
		CHECK_STR(text_of(name), "x");
	}
	CHECK_INT(vfs_walk(&view, d, "end", VFS_DIRECTORY, &next), 0);
	dentry_put(next);
	for (unsigned int i = 0; i < HOST_FDS_MAX + 10; i++) {
		snprintf(name, sizeof(name), "/f%u", i);
		CHECK_STR(text_of(name), "x");
	}
	CHECK_INT(vfs_walk(&view, d, "link", 0, &next), 0);
	CHECK_INT(vfs_readlink(dentry_inode(next), name, sizeof(name)), 4);
	dentry_put(next);
	dentry_put(d);
}

VFS_TEST(a_file_that_was_replaced_is_not_taken_for_the_old_one)
{
	struct vfs_attr a;
	struct dentry *d;
	char text[8];

	host_file("f", "old");
	host_file("g", "new one");
	use_host(host_folder());
	CHECK_INT(do_stat("f", &a), 0);
	CHECK_INT(rename(in("g"), in("f")), 0);
	CHECK_INT(do_open("f", O_RDONLY, 0, &d), 0);
	CHECK_INT(vfs_read(dentry_inode(d), text, sizeof(text), 0), -ESTALE);
	dentry_put(d);
}

VFS_TEST(a_mapping_is_the_file_of_the_host)
{
	struct vfs_mapping m, other;
	struct dentry *d;
	char text[8] = "";

	host_file("f", "text");
	host_file("g", "text");
	use_host(host_folder());
	CHECK_INT(vfs_walk(&view, NULL, "f", 0, &d), 0);
	CHECK_INT(vfs_map(dentry_inode(d), true, &m), -EROFS);
	CHECK_INT(vfs_map(dentry_inode(d), false, &m), 0);
	CHECK(!m.writable);
	CHECK_INT(m.file_size, 4);
	CHECK_INT(pread(m.host_fd, text, sizeof(text), 0), 4);
	CHECK_INT(pwrite(m.host_fd, "x", 1, 0), -1);
	CHECK_INT(vfs_map(dentry_inode(d), false, &other), 0);
	CHECK(m.version == other.version);
	dentry_put(d);
	CHECK_INT(vfs_walk(&view, NULL, "g", 0, &d), 0);
	CHECK_INT(vfs_map(dentry_inode(d), false, &other), 0);
	CHECK(m.version != other.version);
	dentry_put(d);
}

VFS_TEST(proc_and_dev_of_the_host_are_not_shown_and_sys_is_read_to_its_end)
{
	struct vfs_attr a;

	use_host("/");
	CHECK_INT(do_stat("/proc", &a), 0);
	CHECK(S_ISDIR(a.mode));
	CHECK_STR(names_of("/proc", 10), "");
	CHECK_STR(names_of("/dev", 10), "");
	CHECK_INT(do_stat("/proc/1", &a), -ENOENT);
	if (access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) != 0)
		SKIP("no /sys here");
	CHECK(strstr(text_of("/sys/kernel/mm/transparent_hugepage/enabled"), "never") != NULL);
}

VFS_TEST(a_directory_that_may_not_be_listed_can_be_searched)
{
	struct vfs_attr a;

	if (getuid() == 0) { /* the rest of this test's process is an ordinary user */
		CHECK_INT(chmod(host_folder(), 0755), 0);
		host_mkdir("d");
		host_file("d/f", "text");
		CHECK_INT(chmod(in("d"), 0711), 0);
		host_mkdir("closed");
		CHECK_INT(chmod(in("closed"), 0700), 0);
		CHECK_INT(setegid(1000), 0);
		CHECK_INT(seteuid(1000), 0);
	} else {
		host_mkdir("d");
		host_file("d/f", "text");
		CHECK_INT(chmod(in("d"), 0311), 0);
		host_mkdir("closed");
		CHECK_INT(chmod(in("closed"), 0), 0);
	}
	use_host(host_folder());
	CHECK_STR(text_of("d/f"), "text");
	CHECK_INT(do_stat("d/none", &a), -ENOENT);
	CHECK_INT(do_stat("closed/f", &a), -EACCES);
	if (geteuid() != getuid()) {
		CHECK_INT(seteuid(0), 0);
		CHECK_INT(setegid(0), 0);
	}
	CHECK_INT(chmod(in("d"), 0755), 0);
	CHECK_INT(chmod(in("closed"), 0755), 0);
}

static const struct test tests[] = {
	TEST(the_tree_of_the_host_is_seen_as_it_is),
	TEST(nothing_can_be_changed),
	TEST(known_names_and_missing_ones_cost_no_call),
	TEST(a_forgotten_directory_is_read_again),
	TEST(few_descriptors_are_held),
	TEST(a_tree_deeper_than_a_path_is_reached),
	TEST(a_file_that_was_replaced_is_not_taken_for_the_old_one),
	TEST(a_mapping_is_the_file_of_the_host),
	TEST(proc_and_dev_of_the_host_are_not_shown_and_sys_is_read_to_its_end),
	TEST(a_directory_that_may_not_be_listed_can_be_searched),
};
TEST_MAIN(tests)

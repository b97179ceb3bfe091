/*
 * test_walk.c - what vfs.h promises of paths: walking, links, limits, roots, mounts,
 * the cache of names.
 */
#include "test/vfs/vfs_test.h"

static int walk(const char *path, unsigned int flags) MAY_YIELD
{
	struct dentry *d;
	int r = vfs_walk(&view, NULL, path, flags, &d);

	if (r == 0)
		dentry_put(d);
	return r;
}

static void make_tree(void) MAY_YIELD
{
	use_mem(0);
	CHECK_INT(do_mkdir("/a"), 0);
	CHECK_INT(do_mkdir("/a/b"), 0);
	CHECK_INT(do_create("/a/file", 0644), 0);
	CHECK_INT(do_symlink("b", "/a/link"), 0);
	CHECK_INT(do_symlink("/a/file", "/a/absolute"), 0);
	CHECK_INT(do_symlink("nothing", "/a/dangling"), 0);
}

VFS_TEST(a_path_answers_as_on_Linux)
{
	static const struct {
		const char *path;
		unsigned int flags;
		int answer;
	} cases[] = {
		{ "", 0, -ENOENT },
		{ "/", 0, 0 },
		{ "///", 0, 0 },
		{ "/..", 0, 0 },
		{ "/../../a/./b/..", 0, 0 },
		{ ".", 0, 0 },
		{ "a/b", 0, 0 },
		{ "a//b///", 0, 0 },
		{ "/a/none", 0, -ENOENT },
		{ "/a/none/x", 0, -ENOENT },
		{ "/a/none/..", 0, -ENOENT },
		{ "/a/file/", 0, -ENOTDIR },
		{ "/a/file/.", 0, -ENOTDIR },
		{ "/a/file/..", 0, -ENOTDIR },
		{ "/a/file/x", 0, -ENOTDIR },
		{ "/a/file", VFS_DIRECTORY, -ENOTDIR },
		{ "/a/link", VFS_DIRECTORY, -ENOTDIR },
		{ "/a/link/", 0, 0 },
		{ "/a/link", VFS_DIRECTORY | VFS_FOLLOW, 0 },
		{ "/a/link/..", 0, 0 },
		{ "/a/absolute", VFS_FOLLOW, 0 },
		{ "/a/absolute/", 0, -ENOTDIR },
		{ "/a/dangling", 0, 0 },
		{ "/a/dangling", VFS_FOLLOW, -ENOENT },
		{ "/a/dangling/", 0, -ENOENT },
	};

	make_tree();
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int r = walk(cases[i].path, cases[i].flags);

		if (r != cases[i].answer)
			test_fail(__FILE__, __LINE__, "\"%s\" is %d, wanted %d", cases[i].path, r,
				  cases[i].answer);
	}
}

VFS_TEST(an_empty_path_is_the_directory_itself_if_that_is_allowed)
{
	struct dentry *d, *file;

	make_tree();
	CHECK_INT(vfs_walk(&view, NULL, "", VFS_EMPTY_OK, &d), 0);
	CHECK(d == view.cwd);
	dentry_put(d);
	CHECK_INT(vfs_walk(&view, NULL, "/a/file", 0, &file), 0);
	CHECK_INT(vfs_walk(&view, file, "", VFS_EMPTY_OK, &d), 0);
	CHECK(d == file);
	dentry_put(d);
	CHECK_INT(vfs_walk(&view, file, "x", 0, &d), -ENOTDIR);
	CHECK_INT(vfs_walk(&view, file, "/a", 0, &d), 0);
	dentry_put(d);
	dentry_put(file);
}

VFS_TEST(names_and_paths_have_their_limits)
{
	static char name[VFS_PATH_MAX + 8];

	use_mem(0);
	memset(name, 'n', sizeof(name));
	name[VFS_NAME_MAX] = '\0';
	CHECK_INT(do_create(name, 0644), 0);
	CHECK_INT(walk(name, 0), 0);
	name[VFS_NAME_MAX] = 'n';
	name[VFS_NAME_MAX + 1] = '\0';
	CHECK_INT(walk(name, 0), -ENAMETOOLONG);
	CHECK_INT(do_create(name, 0644), -ENAMETOOLONG);
	CHECK_INT(do_mkdir(name), -ENAMETOOLONG);
	memset(name, '/', sizeof(name));
	name[VFS_PATH_MAX - 1] = '\0';
	CHECK_INT(walk(name, 0), 0);
	name[VFS_PATH_MAX - 1] = '/';
	name[VFS_PATH_MAX] = '\0';
	CHECK_INT(walk(name, 0), -ENAMETOOLONG);
}

VFS_TEST(forty_links_are_followed_and_the_next_is_a_loop)
{
	char from[32], to[32];

	use_mem(0);
	CHECK_INT(do_create("l0", 0644), 0);
	for (unsigned int i = 1; i <= VFS_LINK_DEPTH + 1; i++) {
		snprintf(from, sizeof(from), "l%u", i - 1);
		snprintf(to, sizeof(to), "l%u", i);
		CHECK_INT(do_symlink(from, to), 0);
	}
	CHECK_INT(walk("l40", VFS_FOLLOW), 0);
	CHECK_INT(walk("l41", VFS_FOLLOW), -ELOOP);
	CHECK_INT(walk("l41", 0), 0);
	CHECK_INT(do_symlink("self", "self"), 0);
	CHECK_INT(walk("self", VFS_FOLLOW), -ELOOP);
	CHECK_INT(walk("self/x", 0), -ELOOP);
	/* Links in the middle, one inside the other's text. */
	CHECK_INT(do_mkdir("d0"), 0);
	CHECK_INT(do_create("d0/x", 0644), 0);
	for (unsigned int i = 1; i <= VFS_LINK_DEPTH + 1; i++) {
		snprintf(from, sizeof(from), "d%u/../d0", i - 1);
		snprintf(to, sizeof(to), "d%u", i);
		CHECK_INT(do_symlink(from, to), 0);
	}
	CHECK_INT(walk("d40/x", 0), 0);
	CHECK_INT(walk("d41/x", 0), -ELOOP);
}

VFS_TEST(a_link_to_slash_or_with_slashes_is_followed)
{
	make_tree();
	CHECK_INT(do_symlink("/", "/a/root"), 0);
	CHECK_INT(do_symlink("///a///b///", "/slashes"), 0);
	CHECK_INT(do_symlink("a/file/", "/notdir"), 0);
	CHECK_INT(walk("/a/root/a/b", 0), 0);
	CHECK_INT(walk("/a/root", VFS_FOLLOW | VFS_DIRECTORY), 0);
	CHECK_INT(walk("/slashes/../file", 0), 0);
	CHECK_INT(walk("/slashes", VFS_FOLLOW), 0);
	CHECK_INT(walk("/notdir", VFS_FOLLOW), -ENOTDIR);
}

VFS_TEST(a_view_cannot_leave_its_root)
{
	struct dentry *outer, *inner;
	struct vfs jail;

	make_tree();
	CHECK_INT(do_symlink("/file", "/a/b/out"), 0);
	CHECK_INT(do_symlink("../../..", "/a/up"), 0);
	CHECK_INT(vfs_walk(&view, NULL, "/a", 0, &inner), 0);
	jail = view;
	jail.root = inner;
	jail.cwd = inner;
	CHECK_INT(vfs_walk(&jail, NULL, "/../../file", 0, &outer), 0);
	CHECK_STR(path_of(outer), "/a/file");
	dentry_put(outer);
	CHECK_INT(vfs_walk(&jail, NULL, "b/out", VFS_FOLLOW, &outer), 0);
	CHECK_STR(path_of(outer), "/a/file");
	dentry_put(outer);
	CHECK_INT(vfs_walk(&jail, NULL, "up", VFS_FOLLOW, &outer), 0);
	CHECK(outer == inner);
	dentry_put(outer);
	dentry_put(inner);
}

VFS_TEST(searching_needs_permission_on_every_directory)
{
	make_tree();
	CHECK_INT(do_chmod("/a", 0700), 0);
	be_user(1000, 1000);
	CHECK_INT(walk("/a", 0), 0);
	CHECK_INT(walk("/a/file", 0), -EACCES);
	CHECK_INT(walk("/a/none", 0), -EACCES);
	CHECK_INT(walk("/a/.", 0), -EACCES);
	CHECK_INT(walk("/a/..", 0), -EACCES);
	be_root();
	CHECK_INT(do_chmod("/a", 0711), 0);
	be_user(1000, 1000);
	CHECK_INT(walk("/a/file", 0), 0);
	CHECK_INT(walk("/a/none", 0), -ENOENT);
}

VFS_TEST(a_group_decides_before_others_do)
{
	make_tree();
	CHECK_INT(do_chown("/a", 1, 50), 0);
	CHECK_INT(do_chmod("/a", 0701), 0);
	be_user(1000, 50);
	CHECK_INT(walk("/a/b", 0), -EACCES);
	be_user(1000, 60);
	CHECK_INT(walk("/a/b", 0), 0);
	cred.groups[0] = 50;
	cred.group_count = 1;
	CHECK_INT(walk("/a/b", 0), -EACCES);
}

VFS_TEST(mounts_hide_and_are_crossed_both_ways)
{
	static struct vfs_mount_info info;
	struct inode *root;
	struct dentry *d;

	make_tree();
	CHECK_INT(mem_fs_new("tmpfs", 0, 0755, &root), 0);
	CHECK_INT(vfs_walk(&view, NULL, "/a/b", 0, &d), 0);
	CHECK_INT(vfs_mount(d, root, "inner"), 0);
	dentry_put(d);
	CHECK_INT(do_create("/a/b/inside", 0644), 0);
	CHECK_INT(walk("/a/link/inside", 0), 0);
	CHECK_INT(walk("/a/b/../file", 0), 0);
	CHECK_INT(vfs_walk(&view, NULL, "/a/b/inside", 0, &d), 0);
	CHECK_STR(path_of(d), "/a/b/inside");
	dentry_put(d);
	CHECK_INT(do_rmdir("/a/b"), -EBUSY);
	CHECK_INT(do_rename("/a/b", "/c", 0), -EBUSY);
	CHECK_INT(do_rename("/a/file", "/a/b/file", 0), -EXDEV);
	CHECK_INT(do_link("/a/file", "/a/b/file"), -EXDEV);
	CHECK_INT(vfs_mount_list(0, &info), 0);
	CHECK_STR(info.path, "/");
	CHECK_INT(vfs_mount_list(1, &info), 0);
	CHECK_STR(info.path, "/a/b");
	CHECK_STR(info.source, "inner");
	CHECK_STR(info.type_name, "tmpfs");
	CHECK_INT(vfs_mount_list(2, &info), -ENOENT);
}

VFS_TEST(there_are_only_so_many_mounts)
{
	static struct vfs_mount_info info;
	struct inode *root;
	struct dentry *d;
	unsigned int count = 1;
	int r;

	use_mem(0);
	CHECK_INT(do_mkdir("m"), 0);
	CHECK_INT(vfs_walk(&view, NULL, "m", 0, &d), 0);
	do {
		CHECK_INT(mem_fs_new("tmpfs", 0, 0755, &root), 0);
		r = vfs_mount(d, root, "many");
	} while (r == 0 && ++count < 1000);
	CHECK_INT(r, -ENOSPC);
	CHECK_INT(count, 64);
	CHECK_INT(vfs_mount_list(count - 1, &info), 0);
	CHECK_STR(info.path, "/m");
	dentry_put(d);
}

VFS_TEST(the_path_of_a_removed_name_says_so)
{
	struct dentry *d;
	char small[8];

	make_tree();
	CHECK_INT(vfs_walk(&view, NULL, "/a/file", 0, &d), 0);
	CHECK_STR(path_of(d), "/a/file");
	CHECK_INT(dentry_path(&view, d, small, sizeof(small)), 7);
	CHECK_INT(dentry_path(&view, d, small, 7), -ERANGE);
	CHECK_INT(do_rename("/a/file", "/a/b/moved", 0), 0);
	CHECK_STR(path_of(d), "/a/b/moved");
	CHECK_INT(do_unlink("/a/b/moved"), 0);
	CHECK(dentry_unlinked(d));
	CHECK_STR(path_of(d), "/a/b/moved (deleted)");
	dentry_put(d);
}

VFS_TEST(a_removed_directory_takes_no_names)
{
	struct dentry *d, *child;

	make_tree();
	CHECK_INT(vfs_walk(&view, NULL, "/a/b", 0, &d), 0);
	CHECK_INT(do_rmdir("/a/b"), 0);
	CHECK_INT(vfs_mkdir(&view, d, "x", 0755), -ENOENT);
	CHECK_INT(vfs_walk(&view, d, "x", 0, &child), -ENOENT);
	CHECK_INT(vfs_walk(&view, d, ".", 0, &child), 0);
	dentry_put(child);
	CHECK_INT(vfs_walk(&view, d, "..", 0, &child), 0);
	CHECK_STR(path_of(child), "/a");
	dentry_put(child);
	dentry_put(d);
}

VFS_TEST(a_known_name_is_not_asked_for_again)
{
	struct dentry_stats before, after;

	make_tree();
	CHECK_INT(walk("/a/link/../file", 0), 0);
	CHECK_INT(walk("/a/none", 0), -ENOENT);
	dentry_stats_get(&before);
	for (int i = 0; i < 100; i++) {
		CHECK_INT(walk("/a/link/../file", 0), 0);
		CHECK_INT(walk("/a/none", 0), -ENOENT);
	}
	dentry_stats_get(&after);
	CHECK_INT(after.lookups, before.lookups);
	CHECK(after.probes - before.probes < 2000);
}

/* Well past the limit: what nobody holds is forgotten, and found again. */
VFS_TEST(the_cache_of_names_is_bounded)
{
	struct dentry_stats stats;
	struct dentry *held;
	char name[32];

	use_mem(0);
	CHECK_INT(do_create("first", 0644), 0);
	CHECK_INT(vfs_walk(&view, NULL, "first", 0, &held), 0);
	for (unsigned int i = 0; i < DENTRY_UNUSED_MAX + 1000; i++) {
		snprintf(name, sizeof(name), "name-%u", i);
		CHECK_INT(walk(name, 0), -ENOENT);
	}
	dentry_stats_get(&stats);
	CHECK(stats.unused <= DENTRY_UNUSED_MAX);
	CHECK(stats.dentries <= DENTRY_UNUSED_MAX + 4);
	CHECK(stats.evicted >= 1000);
	CHECK_STR(path_of(held), "/first");
	CHECK_INT(walk("first", 0), 0);
	dentry_put(held);
}

VFS_TEST(a_very_deep_tree_is_walked_and_taken_apart)
{
	enum { DEPTH = 3000 };
	struct dentry *d, *next;

	use_mem(0);
	d = dentry_get(view.root);
	for (int i = 0; i < DEPTH; i++) {
		CHECK_INT(vfs_mkdir(&view, d, "d", 0755), 0);
		CHECK_INT(vfs_walk(&view, d, "d", 0, &next), 0);
		dentry_put(d);
		d = next;
	}
	for (int i = 0; i < DEPTH; i++) {
		CHECK_INT(vfs_walk(&view, d, "..", 0, &next), 0);
		dentry_put(d);
		d = next;
	}
	CHECK(d == view.root);
	dentry_put(d);
}

static const struct test tests[] = {
	TEST(a_path_answers_as_on_Linux),
	TEST(an_empty_path_is_the_directory_itself_if_that_is_allowed),
	TEST(names_and_paths_have_their_limits),
	TEST(forty_links_are_followed_and_the_next_is_a_loop),
	TEST(a_link_to_slash_or_with_slashes_is_followed),
	TEST(a_view_cannot_leave_its_root),
	TEST(searching_needs_permission_on_every_directory),
	TEST(a_group_decides_before_others_do),
	TEST(mounts_hide_and_are_crossed_both_ways),
	TEST(there_are_only_so_many_mounts),
	TEST(the_path_of_a_removed_name_says_so),
	TEST(a_removed_directory_takes_no_names),
	TEST(a_known_name_is_not_asked_for_again),
	TEST(the_cache_of_names_is_bounded),
	TEST(a_very_deep_tree_is_walked_and_taken_apart),
};
TEST_MAIN(tests)

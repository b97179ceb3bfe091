/*
 * test_overlay.c - what overlay/overlay.h promises: the lower is never changed, copies
 * keep their identity, whiteouts and opaque directories are as overlayfs writes them.
 */
#include "test/vfs/slow_fs.h"
#include "test/vfs/vfs_test.h"
#include "vfs/host/io.h"
#include "vfs/overlay/overlay.h"

static const char *in(const char *name)
{
	static char path[2][512];
	static unsigned int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", host_folder(), name);
	return path[turn];
}

/* d/{f,g}, d/sub/deep, hard links a and b, link -> d/f */
static uint64_t make_lower(void)
{
	host_mkdir("d");
	host_mkdir("d/sub");
	host_file("d/f", "lower f");
	host_file("d/g", "lower g");
	host_file("d/sub/deep", "lower deep");
	host_file("a", "linked");
	CHECK_INT(link(in("a"), in("b")), 0);
	CHECK_INT(symlink("d/f", in("link")), 0);
	return host_hash(host_folder());
}

#define END_UNCHANGED(before) CHECK_INT(host_hash(host_folder()) == (before), true)

static struct dentry *opened(const char *path, int flags) MAY_YIELD
{
	struct dentry *d;

	CHECK_INT(do_open(path, flags, 0, &d), 0);
	return d;
}

/* The upper's inode of a directory or file. */
static struct inode *upper_of(const char *path) MAY_YIELD
{
	struct dentry *d;
	struct inode *upper;

	CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
	upper = ovl_of(dentry_inode(d))->upper;
	dentry_put(d);
	return upper;
}

VFS_TEST(a_change_leaves_the_lower_as_it_was)
{
	uint64_t before = make_lower();

	use_overlay(host_folder());
	CHECK_INT(do_write("d/f", "UPPER", 0), 5);
	CHECK_STR(text_of("d/f"), "UPPER f");
	CHECK_STR(text_of("link"), "UPPER f");
	CHECK_INT(do_unlink("d/g"), 0);
	CHECK_INT(do_create("d/new", 0644), 0);
	CHECK_INT(do_chmod("d/sub/deep", 0600), 0);
	CHECK_STR(names_of("d", 1), "f new sub ");
	CHECK_STR(names_of("/", 2), "a b d link ");
	END_UNCHANGED(before);
}

VFS_TEST(who_has_a_file_open_sees_later_changes)
{
	uint64_t before = make_lower();
	struct dentry *d, *gone;
	struct vfs_attr a;
	char text[32];

	use_overlay(host_folder());
	d = opened("d/f", O_RDONLY);
	gone = opened("d/g", O_RDONLY);
	CHECK_INT(vfs_read(dentry_inode(d), text, sizeof(text), 0), 7);
	CHECK_INT(do_write("d/f", "UPPER", 0), 5);
	CHECK_INT(vfs_read(dentry_inode(d), text, sizeof(text), 0), 7);
	CHECK(memcmp(text, "UPPER f", 7) == 0);
	/* A file whose only name was removed is still read, written and counted. */
	CHECK_INT(do_unlink("d/g"), 0);
	CHECK_INT(vfs_read(dentry_inode(gone), text, sizeof(text), 0), 7);
	CHECK_INT(vfs_getattr(dentry_inode(gone), &a), 0);
	CHECK_INT(a.nlink, 0);
	CHECK_INT(vfs_write(dentry_inode(gone), "still", 5, 0), 5);
	CHECK_INT(vfs_read(dentry_inode(gone), text, sizeof(text), 0), 7);
	CHECK(memcmp(text, "still g", 7) == 0);
	CHECK_STR(names_of("d", 5), "f sub ");
	dentry_put(gone);
	dentry_put(d);
	END_UNCHANGED(before);
}

VFS_TEST(numbers_stay_across_copy_up_rename_and_a_cold_cache)
{
	uint64_t before = make_lower();
	uint64_t f, d, sub;

	use_overlay(host_folder());
	f = ino_of("d/f");
	d = ino_of("d");
	sub = ino_of("d/sub");
	CHECK_INT(do_write("d/f", "x", 0), 1);
	CHECK_INT(ino_of("d/f"), f);
	CHECK_INT(ino_of("d"), d);
	CHECK_INT(do_rename("d/f", "d/sub/moved", 0), 0);
	CHECK_INT(do_rename("d", "e", 0), 0);
	dentry_shrink(0);
	CHECK_INT(ino_of("e/sub/moved"), f);
	CHECK_INT(ino_of("e"), d);
	CHECK_INT(ino_of("e/sub"), sub);
	END_UNCHANGED(before);
}

VFS_TEST(hard_links_stay_linked_after_copy_up)
{
	uint64_t before = make_lower();
	struct vfs_attr a;

	use_overlay(host_folder());
	CHECK_INT(do_write("a", "LINK", 0), 4);
	CHECK_STR(text_of("b"), "LINKed");
	dentry_shrink(0);
	CHECK_STR(text_of("b"), "LINKed");
	CHECK(ino_of("a") == ino_of("b"));
	CHECK_INT(do_stat("b", &a), 0);
	CHECK_INT(a.nlink, 2);
	CHECK_INT(do_link("b", "c"), 0);
	CHECK_INT(do_unlink("a"), 0);
	dentry_shrink(0);
	CHECK_INT(do_stat("b", &a), 0);
	CHECK_INT(a.nlink, 2);
	CHECK(ino_of("b") == ino_of("c"));
	CHECK_INT(do_write("c", "MORE", 4), 4);
	CHECK_STR(text_of("b"), "LINKMORE");
	CHECK_INT(do_unlink("b"), 0);
	CHECK_INT(do_stat("c", &a), 0);
	CHECK_INT(a.nlink, 1);
	END_UNCHANGED(before);
}

VFS_TEST(a_name_removed_before_the_copy_up_stays_removed)
{
	uint64_t before = make_lower();
	struct vfs_attr a;

	use_overlay(host_folder());
	CHECK_INT(do_unlink("a"), 0);
	dentry_shrink(0);
	CHECK_INT(do_stat("b", &a), 0);
	CHECK_INT(a.nlink, 1);
	CHECK_INT(do_write("b", "LINK", 0), 4);
	CHECK_STR(names_of("/", 9), "b d link ");
	CHECK_STR(text_of("b"), "LINKed");
	END_UNCHANGED(before);
}

VFS_TEST(removed_names_are_whiteouts_and_new_directories_there_opaque)
{
	uint64_t before = make_lower();
	struct inode *upper, *w;
	char value[4];

	use_overlay(host_folder());
	CHECK_INT(do_unlink("d/g"), 0);
	upper = upper_of("d");
	CHECK_INT(upper->ops->lookup(upper, "g", 1, &w), 0);
	CHECK(S_ISCHR(w->type) && w->rdev == 0);
	inode_put(w);
	CHECK_INT(do_unlink("d/f"), 0);
	CHECK_INT(do_rmdir("d"), -ENOTEMPTY);
	CHECK_INT(do_unlink("d/sub/deep"), 0);
	CHECK_INT(do_rmdir("d/sub"), 0);
	CHECK_INT(do_rmdir("d"), 0);
	CHECK_STR(names_of("/", 9), "a b link ");
	CHECK_INT(do_mkdir("d"), 0);
	CHECK_STR(names_of("d", 9), "");
	upper = upper_of("d");
	CHECK_INT(upper->ops->getxattr(upper, OVL_OPAQUE, value, sizeof(value)), 1);
	CHECK_INT(value[0], 'y');
	dentry_shrink(0);
	CHECK_STR(names_of("d", 9), "");
	CHECK_INT(do_create("d/f", 0644), 0);
	CHECK_STR(text_of("d/f"), "");
	/* Nobody inside sees or makes any of this. */
	CHECK_INT(vfs_mknod(&view, NULL, "white", S_IFCHR, 0), -EPERM);
	END_UNCHANGED(before);
}

VFS_TEST(marks_of_the_overlay_are_not_shown)
{
	uint64_t before = make_lower();
	const struct vfs_bytes y = { "y", 1 };
	struct dentry *d;
	char buf[64];

	use_overlay(host_folder());
	CHECK_INT(do_rename("d", "e", 0), 0);
	d = opened("e", O_RDONLY);
	CHECK_INT(vfs_getxattr(&cred, dentry_inode(d), OVL_REDIRECT, buf, sizeof(buf)), -ENODATA);
	CHECK_INT(vfs_setxattr(&cred, dentry_inode(d), OVL_OPAQUE, &y, 0), -EPERM);
	CHECK_INT(vfs_setxattr(&cred, dentry_inode(d), "user.u", &y, 0), 0);
	CHECK_INT(vfs_listxattr(&cred, dentry_inode(d), buf, sizeof(buf)), 7);
	CHECK_STR(buf, "user.u");
	dentry_put(d);
	END_UNCHANGED(before);
}

VFS_TEST(a_directory_is_moved_without_copying_what_is_in_it)
{
	uint64_t before = make_lower();
	struct inode *upper, *child;
	char value[32];

	use_overlay(host_folder());
	CHECK_INT(do_rename("d", "e", 0), 0);
	CHECK_STR(names_of("/", 9), "a b e link ");
	CHECK_STR(names_of("e", 9), "f g sub ");
	CHECK_STR(text_of("e/sub/deep"), "lower deep");
	upper = upper_of("e");
	CHECK_INT(upper->ops->lookup(upper, "f", 1, &child), -ENOENT);
	CHECK_INT(upper->ops->getxattr(upper, OVL_REDIRECT, value, sizeof(value)), 2);
	CHECK(memcmp(value, "/d", 2) == 0);
	/* A new one at the old place is another. */
	CHECK_INT(do_mkdir("d"), 0);
	CHECK_STR(names_of("d", 9), "");
	CHECK_INT(do_rename("e/sub", "d/sub", 0), 0);
	CHECK_STR(text_of("d/sub/deep"), "lower deep");
	CHECK_STR(names_of("e", 9), "f g ");
	CHECK_INT(do_rename("d", "e/d", 0), 0);
	dentry_shrink(0);
	CHECK_STR(text_of("e/d/sub/deep"), "lower deep");
	CHECK_INT(do_write("e/d/sub/deep", "UPPER", 0), 5);
	CHECK_STR(text_of("e/d/sub/deep"), "UPPER deep");
	CHECK_INT(do_rename("e", "e/d/x", 0), -EINVAL);
	END_UNCHANGED(before);
}

VFS_TEST(a_directory_moved_over_a_lower_name_is_not_merged_with_it)
{
	uint64_t before = make_lower();

	use_overlay(host_folder());
	CHECK_INT(do_mkdir("new"), 0);
	CHECK_INT(do_create("new/mine", 0644), 0);
	CHECK_INT(do_rename("d", "gone", 0), 0);
	CHECK_INT(do_rename("new", "d", 0), 0);
	dentry_shrink(0);
	CHECK_STR(names_of("d", 9), "mine ");
	CHECK_INT(do_rename("d", "gone", RENAME_EXCHANGE), 0);
	dentry_shrink(0);
	CHECK_STR(names_of("gone", 9), "mine ");
	CHECK_STR(names_of("d", 9), "f g sub ");
	END_UNCHANGED(before);
}

VFS_TEST(truncating_at_open_copies_no_data)
{
	uint64_t before = make_lower();
	uint64_t calls;
	struct dentry *d;
	struct vfs_attr a;

	use_overlay(host_folder());
	CHECK_INT(do_stat("d/f", &a), 0);
	CHECK_INT(do_write("d/g", "x", 0), 1); /* d is in the upper now */
	calls = io_calls();
	d = opened("d/f", O_WRONLY | O_TRUNC);
	CHECK_INT(vfs_getattr(dentry_inode(d), &a), 0);
	CHECK_INT(a.size, 0);
	CHECK_INT(io_calls(), calls);
	dentry_put(d);
	CHECK_INT(do_truncate("d/sub/deep", 5), 0);
	CHECK_STR(text_of("d/sub/deep"), "lower");
	END_UNCHANGED(before);
}

VFS_TEST(holes_of_a_large_lower_file_stay_holes)
{
	const off_t size = (off_t)1 << 32;
	struct vfs_attr a;
	struct dentry *d;
	char text[8];
	int fd = open(in("sparse"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK_INT(ftruncate(fd, size), 0);
	CHECK_INT(pwrite(fd, "data", 4, size / 2), 4);
	close(fd);
	use_overlay(host_folder());
	d = opened("sparse", O_RDWR);
	CHECK_INT(vfs_getattr(dentry_inode(d), &a), 0);
	CHECK_INT(a.size, size);
	CHECK(a.blocks < 1024);
	CHECK_INT(vfs_read(dentry_inode(d), text, 8, (uint64_t)size / 2 - 2), 8);
	CHECK(memcmp(text, "\0\0data\0\0", 8) == 0);
	CHECK_INT(vfs_seek_data(dentry_inode(d), 0, SEEK_DATA) / 4096, size / 2 / 4096);
	dentry_put(d);
}

/* Removes, makes and copies up while somebody lists in small parts. */
struct seen {
	unsigned int count[300];
	unsigned int left;
	bool any;
};

static int see(void *ctx, const struct vfs_dirent *entry)
{
	struct seen *s = ctx;
	char name[32];
	unsigned int number;

	if (s->left == 0)
		return 1;
	s->left--;
	s->any = true;
	snprintf(name, sizeof(name), "%.*s", (int)entry->name_len, entry->name);
	CHECK_INT(sscanf(name, "f%u", &number), 1);
	s->count[number]++;
	return 0;
}

VFS_TEST(names_that_stay_are_listed_once_whatever_is_copied_up)
{
	static struct seen s;
	uint64_t cursor = 0, before;
	struct dentry *d;
	char name[32];

	host_mkdir("d");
	for (unsigned int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "d/f%u", i);
		host_file(name, "x");
	}
	before = host_hash(host_folder());
	use_overlay(host_folder());
	for (unsigned int i = 100; i < 200; i++) {
		snprintf(name, sizeof(name), "d/f%u", i);
		CHECK_INT(do_create(name, 0644), 0);
	}
	CHECK_INT(vfs_walk(&view, NULL, "d", 0, &d), 0);
	memset(&s, 0, sizeof(s));
	for (unsigned int i = 0;; i++) {
		s.any = false;
		s.left = 3;
		CHECK_INT(vfs_readdir(dentry_inode(d), &cursor, see, &s), 0);
		if (!s.any)
			break;
		if (i >= 40)
			continue;
		snprintf(name, sizeof(name), "d/f%u", i * 2); /* 0, 2, .. 78: changed, replaced */
		CHECK_INT(do_write(name, "y", 0), 1);
		if (i % 2) {
			CHECK_INT(do_create("d/f299", 0644), 0);
			CHECK_INT(do_rename("d/f299", name, 0), 0);
		}
		snprintf(name, sizeof(name), "d/f%u", 80 + i / 2); /* 80..99: go */
		(void)!do_unlink(name);
		snprintf(name, sizeof(name), "d/f%u", 180 + i / 2); /* 180..199 go */
		(void)!do_unlink(name);
		snprintf(name, sizeof(name), "d/f%u", 200 + i); /* come */
		CHECK_INT(do_create(name, 0644), 0);
	}
	for (unsigned int i = 0; i < ARRAY_COUNT(s.count); i++) {
		bool stays = i < 80 || (i >= 100 && i < 180);

		CHECK(stays ? s.count[i] == 1 : s.count[i] <= 1);
	}
	dentry_put(d);
	END_UNCHANGED(before);
}

VFS_TEST(a_full_upper_refuses_and_nothing_is_lost)
{
	uint64_t before = make_lower();
	struct inode *lower, *upper, *work, *root;
	static char page[4096];
	struct dentry *d;
	uint64_t at = 0;
	int fd = open(host_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_INT(host_fs_new(fd, &lower), 0);
	make_upper(64 * 1024, false, &upper, &work);
	CHECK_INT(overlay_fs_new(lower, upper, work, &root), 0);
	use_root(root);
	CHECK_INT(do_create("fill", 0644), 0);
	d = opened("fill", O_WRONLY);
	while (vfs_write(dentry_inode(d), page, sizeof(page), at) > 0)
		at += sizeof(page);
	dentry_put(d);
	/* What is left is less than a page: smaller things take it. */
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		(void)!do_create(name, 0644);
	}
	CHECK_INT(do_open("d/f", O_RDWR, 0, &d) == 0, false);
	CHECK_STR(text_of("d/f"), "lower f");
	CHECK(do_rename("d/f", "d/h", 0) < 0);
	CHECK(do_chmod("d/f", 0600) < 0);
	CHECK_STR(names_of("d", 9), "f g sub ");
	CHECK_STR(text_of("d/f"), "lower f");
	END_UNCHANGED(before);
}

VFS_TEST(it_works_without_a_lower)
{
	use_overlay(NULL);
	CHECK_INT(do_mkdir("d"), 0);
	CHECK_INT(do_create("d/f", 0644), 0);
	CHECK_INT(do_rename("d", "e", 0), 0);
	CHECK_INT(do_unlink("e/f"), 0);
	CHECK_STR(names_of("/", 1), "e ");
	CHECK_INT(do_rmdir("e"), 0);
}

VFS_TEST(new_files_show_the_device_of_their_directory)
{
	uint64_t before = make_lower();
	struct vfs_attr a, dir;

	use_overlay(host_folder());
	CHECK_INT(do_mkdir("d/new"), 0);
	CHECK_INT(do_create("d/new/f", 0644), 0);
	CHECK_INT(do_stat("d", &dir), 0);
	CHECK_INT(do_stat("d/new/f", &a), 0);
	CHECK_INT(a.dev, dir.dev);
	CHECK(a.ino >= OVL_INO_BASE);
	END_UNCHANGED(before);
}

VFS_TEST(links_are_followed_and_copied_up_where_no_text_is_lent)
{
	struct inode *lower, *upper, *work, *root, *kept;
	struct vfs_attr a;

	CHECK_INT(mem_fs_new("lower", 0, 0755, &lower), 0);
	kept = inode_get(lower);
	use_root(lower);
	CHECK_INT(do_create("f", 0644), 0);
	CHECK_INT(do_write("f", "text", 0), 4);
	CHECK_INT(do_symlink("f", "below"), 0);
	leave_root();
	make_upper(0, false, &upper, &work);
	make_slow(kept);
	make_slow(upper);
	if (work)
		make_slow(work);
	CHECK_INT(overlay_fs_new(kept, upper, work, &root), 0);
	use_root(root);
	CHECK_INT(do_symlink("f", "above"), 0);
	CHECK_STR(text_of("above"), "text");
	CHECK_STR(text_of("below"), "text");
	CHECK_INT(do_rename("below", "moved", 0), 0);
	CHECK_INT(do_lstat("moved", &a), 0);
	CHECK(S_ISLNK(a.mode));
	CHECK_STR(text_of("moved"), "text");
}

VFS_TEST(an_upper_that_was_used_before_keeps_its_root_as_it_was_left)
{
	struct inode *lower, *upper, *work, *root;
	struct vfs_attr attr;

	CHECK_INT(mem_fs_new("lower", 0, 0755, &lower), 0);
	make_upper(0, true, &upper, &work);
	CHECK_INT(overlay_fs_new(inode_get(lower), inode_get(upper), inode_get(work), &root), 0);
	use_root(root);
	CHECK_INT(do_chmod("/", 01770), 0);
	CHECK_INT(do_create("/f", 0644), 0);
	leave_root();
	CHECK_INT(overlay_fs_new(lower, upper, work, &root), 0);
	use_root(root);
	CHECK_INT(do_stat("/", &attr), 0);
	CHECK_INT(attr.mode & 07777, 01770);
}

VFS_TEST(a_root_of_which_only_the_attributes_were_changed_stays_as_it_was_left)
{
	struct inode *lower, *upper, *work, *root;
	struct vfs_attr adopted, left, attr;

	CHECK_INT(mem_fs_new("lower", 0, 0755, &lower), 0);
	CHECK_INT(lower->ops->setattr(lower,
				      &(struct vfs_attr){ .mode = 01711,
							  .uid = 3,
							  .gid = 4,
							  .atime = { .tv_sec = 5 },
							  .mtime = { .tv_sec = 6 },
							  .ctime = { .tv_sec = 7 } },
				      VFS_SET_MODE | VFS_SET_UID | VFS_SET_GID | VFS_SET_ATIME |
					      VFS_SET_MTIME | VFS_SET_CTIME),
		  0);
	make_upper(0, true, &upper, &work);
	CHECK_INT(overlay_fs_new(inode_get(lower), inode_get(upper), inode_get(work), &root), 0);
	use_root(root);
	CHECK_INT(do_stat("/", &adopted), 0);
	CHECK_INT(adopted.mode & 07777, 01711);
	CHECK_INT(adopted.uid, 3);
	CHECK_INT(adopted.gid, 4);
	CHECK_INT(adopted.atime.tv_sec, 5);
	CHECK_INT(adopted.mtime.tv_sec, 6);
	CHECK_INT(adopted.ctime.tv_sec, 7);
	CHECK_INT(do_chmod("/", 0750), 0);
	CHECK_INT(do_chown("/", 1, 2), 0);
	CHECK_INT(do_stat("/", &left), 0);
	leave_root();
	CHECK_INT(overlay_fs_new(lower, upper, work, &root), 0);
	use_root(root);
	CHECK_INT(do_stat("/", &attr), 0);
	CHECK_INT(attr.mode & 07777, 0750);
	CHECK_INT(attr.uid, 1);
	CHECK_INT(attr.gid, 2);
	CHECK_INT(attr.ctime.tv_sec, left.ctime.tv_sec);
	/* What the layer keeps there to know it is nobody's business. */
	CHECK_INT(root->ops->listxattr(root, (char[256]){ 0 }, 256), 0);
}

/* Entries of a listing: copies, as asking about one may change the directory's cache. */
struct listed {
	struct {
		char name[32];
		uint64_t ino;
		uint32_t type;
	} entries[32];
	unsigned int count;
};

static int list_one(void *ctx, const struct vfs_dirent *entry)
{
	struct listed *l = ctx;

	CHECK(l->count < ARRAY_COUNT(l->entries));
	snprintf(l->entries[l->count].name, sizeof(l->entries[0].name), "%.*s",
		 (int)entry->name_len, entry->name);
	l->entries[l->count].ino = entry->ino;
	l->entries[l->count++].type = entry->type;
	return 0;
}

static void check_listing(const char *path) MAY_YIELD
{
	struct inode *dir = inode_at(path);
	struct listed l = { .count = 0 };
	uint64_t cursor = 0;

	CHECK_INT(vfs_readdir(dir, &cursor, list_one, &l), 0);
	inode_put(dir);
	for (unsigned int i = 0; i < l.count; i++) {
		struct vfs_attr attr;
		char name[64];

		snprintf(name, sizeof(name), "%s/%s", path, l.entries[i].name);
		CHECK_INT(do_lstat(name, &attr), 0);
		CHECK_INT(l.entries[i].ino, attr.ino);
		CHECK_INT(l.entries[i].type, attr.mode >> 12);
	}
}

/* In the upper alone, and beside names of the lower. */
static void make_one_of_each(const char *folder) MAY_YIELD
{
	static const struct {
		const char *name;
		uint32_t mode;
		uint64_t rdev;
	} nodes[] = {
		{ "file", S_IFREG | 0644, 0 },	   { "fifo", S_IFIFO | 0644, 0 },
		{ "socket", S_IFSOCK | 0644, 0 },  { "null", S_IFCHR | 0666, 0x103 },
		{ "disk", S_IFBLK | 0600, 0x800 },
	};
	char name[64], from[64];

	for (unsigned int i = 0; i < ARRAY_COUNT(nodes); i++) {
		snprintf(name, sizeof(name), "%s/%s", folder, nodes[i].name);
		CHECK_INT(vfs_mknod(&view, NULL, name, nodes[i].mode, nodes[i].rdev), 0);
	}
	snprintf(name, sizeof(name), "%s/link", folder);
	CHECK_INT(do_symlink("nowhere", name), 0);
	snprintf(name, sizeof(name), "%s/folder", folder);
	CHECK_INT(do_mkdir(name), 0);
	/* From the lower, changed and moved: they keep their numbers. */
	snprintf(from, sizeof(from), "/from/%c", folder[1]);
	CHECK_INT(do_write(from, "x", 0), 1);
	snprintf(name, sizeof(name), "%s/moved", folder);
	CHECK_INT(do_rename(from, name, 0), 0);
	snprintf(from, sizeof(from), "/from/sub%c", folder[1]);
	snprintf(name, sizeof(name), "%s/moved folder", folder);
	CHECK_INT(do_rename(from, name, 0), 0);
}

VFS_TEST(a_listing_tells_the_number_and_the_kind_that_stat_tells)
{
	struct inode *lower, *upper, *work, *root;
	static const char names[] = "changed disk fifo file folder link lower moved moved folder "
				    "null socket ";

	CHECK_INT(mem_fs_new("lower", 0, 0755, &lower), 0);
	use_root(inode_get(lower));
	CHECK_INT(do_mkdir("/from"), 0);
	CHECK_INT(do_mkdir("/from/subo"), 0);
	CHECK_INT(do_mkdir("/from/subn"), 0);
	CHECK_INT(do_create("/from/o", 0644), 0);
	CHECK_INT(do_create("/from/n", 0644), 0);
	CHECK_INT(do_mkdir("/old"), 0);
	CHECK_INT(do_create("/old/lower", 0644), 0);
	CHECK_INT(do_create("/old/changed", 0644), 0);
	CHECK_INT(do_create("/old/gone", 0644), 0);
	leave_root();
	make_upper(0, true, &upper, &work);
	CHECK_INT(overlay_fs_new(inode_get(lower), inode_get(upper), inode_get(work), &root), 0);
	use_root(root);
	CHECK_INT(do_mkdir("/new"), 0);
	make_one_of_each("/new");
	make_one_of_each("/old");
	CHECK_INT(do_write("/old/changed", "x", 0), 1);
	CHECK_INT(do_unlink("/old/gone"), 0);
	CHECK_STR(names_of("/old", 3), names);
	check_listing("/old");
	check_listing("/new");
	leave_root();
	/* Later: nobody knows any more which whiteouts are links to one inode. */
	CHECK_INT(overlay_fs_new(lower, upper, work, &root), 0);
	use_root(root);
	CHECK_STR(names_of("/old", 3), names);
	CHECK_STR(names_of("/from", 3), "");
	check_listing("/old");
	check_listing("/new");
}

/* A whiteout of nothing: a lower that lost the name since; or somebody else's. */
VFS_TEST(a_whiteout_is_not_listed_whatever_the_lower_has)
{
	struct inode *lower, *upper, *work, *root;
	struct vfs_attr white = { .mode = S_IFCHR | 0600 };
	struct inode *made;

	CHECK_INT(mem_fs_new("lower", 0, 0755, &lower), 0);
	make_upper(0, true, &upper, &work);
	CHECK_INT(upper->ops->create(upper, "gone", 4, &white, &made), 0);
	inode_put(made);
	CHECK_INT(overlay_fs_new(lower, upper, work, &root), 0);
	use_root(root);
	CHECK_INT(do_create("/f", 0644), 0);
	CHECK_STR(names_of("/", 9), "f ");
}

static unsigned int turns;
static bool over;

static void take_turns(void *arg) MAY_YIELD
{
	(void)arg;
	for (; !over; turns++)
		task_yield();
}

static int ignore(void *count, const struct vfs_dirent *entry)
{
	(void)entry;
	++*(unsigned int *)count;
	return 0;
}

VFS_TEST(a_long_listing_lets_others_have_their_turn)
{
	struct inode *lower, *upper, *work, *root;
	unsigned int count = 0;
	uint64_t cursor = 0;
	char name[32];

	CHECK_INT(mem_fs_new("lower", 0, 0755, &lower), 0);
	use_root(inode_get(lower));
	for (unsigned int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "/f%u", i);
		CHECK_INT(do_create(name, 0644), 0);
	}
	leave_root();
	make_upper(0, true, &upper, &work);
	CHECK_INT(overlay_fs_new(lower, upper, work, &root), 0);
	use_root(root);
	CHECK_INT(do_create("/new", 0644), 0);
	over = false;
	turns = 0;
	CHECK_INT(task_start(NULL, "other", take_turns, NULL), 0);
	CHECK_INT(root->ops->readdir(root, &cursor, ignore, &count), 0);
	CHECK_INT(count, 2001);
	CHECK(turns >= 5);
	over = true;
	task_yield();
}

static const struct test tests[] = {
	TEST(a_long_listing_lets_others_have_their_turn),
	TEST(a_listing_tells_the_number_and_the_kind_that_stat_tells),
	TEST(a_whiteout_is_not_listed_whatever_the_lower_has),
	TEST(a_root_of_which_only_the_attributes_were_changed_stays_as_it_was_left),
	TEST(an_upper_that_was_used_before_keeps_its_root_as_it_was_left),
	TEST(a_change_leaves_the_lower_as_it_was),
	TEST(who_has_a_file_open_sees_later_changes),
	TEST(numbers_stay_across_copy_up_rename_and_a_cold_cache),
	TEST(hard_links_stay_linked_after_copy_up),
	TEST(a_name_removed_before_the_copy_up_stays_removed),
	TEST(removed_names_are_whiteouts_and_new_directories_there_opaque),
	TEST(marks_of_the_overlay_are_not_shown),
	TEST(a_directory_is_moved_without_copying_what_is_in_it),
	TEST(a_directory_moved_over_a_lower_name_is_not_merged_with_it),
	TEST(truncating_at_open_copies_no_data),
	TEST(holes_of_a_large_lower_file_stay_holes),
	TEST(names_that_stay_are_listed_once_whatever_is_copied_up),
	TEST(a_full_upper_refuses_and_nothing_is_lost),
	TEST(it_works_without_a_lower),
	TEST(new_files_show_the_device_of_their_directory),
	TEST(links_are_followed_and_copied_up_where_no_text_is_lent),
};
TEST_MAIN(tests)

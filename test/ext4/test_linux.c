/*
 * test_linux.c - Linux finds in an image what we wrote, by its own way through the trees of
 * directories, and we find what Linux wrote. Needs a machine where an image can be mounted.
 */
#include "test/ext4/image.h"

#include "vfs/acl.h"

#define NAMES 20000u

static void need_mounts(void)
{
	image_make("", "16M", NULL);
	if (strstr(image_ask("mkdir -p m && mount -o loop image m 2>&1 && umount m && echo fine"),
		   "fine") == NULL)
		SKIP("images cannot be mounted here: %s", image_ask("mount -o loop image m 2>&1"));
}

static void in_linux(const char *script)
{
	image_tool("mount -o loop image m 2>&1 && cd m && { ( set -e; %s ) 2>&1; r=$?; cd ..; "
		   "umount m && exit $r; }",
		   script);
}

static void together(const char *options) MAY_YIELD
{
	char path[64];
	struct vfs_attr a;

	need_mounts();
	image_make(options, "64M", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/d"), 0);
	for (unsigned int i = 0; i < NAMES; i++) {
		snprintf(path, sizeof(path), "/d/name_of_number_%u", i);
		CHECK_INT(do_create(path, 0644), 0);
	}
	CHECK_INT(do_write("/d/name_of_number_7", "from us", 0), 7);
	CHECK_INT(do_symlink("name_of_number_7", "/d/link"), 0);
	image_unmount();
	image_judge();
	/* Each name is looked up, and there are not more. */
	in_linux("[ \"$(cat d/link)\" = 'from us' ]; "
		 "[ $(ls -U d | wc -l) = 20001 ]; cd d; "
		 "seq -f name_of_number_%.0f 0 19999 | xargs stat -c %n | wc -l | grep -qx 20000; "
		 "seq -f name_of_number_%.0f 0 2 19999 | xargs rm; "
		 "seq -f another_name_%.0f 0 4999 | xargs touch; "
		 "echo from Linux > name_of_number_9; mkdir ../e; mv another_name_5 ../e; "
		 "chown 7:8 ../e; ln name_of_number_9 ../e/nine");
	image_judge();
	image_mount(false);
	for (unsigned int i = 0; i < NAMES; i++) {
		snprintf(path, sizeof(path), "/d/name_of_number_%u", i);
		CHECK_INT(do_lstat(path, &a), i % 2 ? 0 : -ENOENT);
	}
	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(path, sizeof(path), "/d/another_name_%u", i);
		CHECK_INT(do_unlink(path), i != 5 ? 0 : -ENOENT);
	}
	CHECK_STR(text_of("/d/name_of_number_9"), "from Linux\n");
	CHECK_INT(do_stat("/e/nine", &a), 0);
	CHECK_INT(a.nlink, 2);
	CHECK_INT(do_stat("/e", &a), 0);
	CHECK_INT(a.uid, 7);
	CHECK_STR(names_of("/e", 5), "another_name_5 nine ");
	image_unmount();
	image_judge();
	in_linux("[ $(ls -U d | wc -l) = 10001 ]");
}

EXT4_TEST(linux_and_we_take_turns_in_blocks_of_1024)
{
	together("-b 1024 -N 40000");
}

EXT4_TEST(linux_and_we_take_turns_in_blocks_of_4096)
{
	together("-b 4096 -N 40000");
}

EXT4_TEST(linux_and_we_take_turns_without_checksums)
{
	together("-b 1024 -N 40000 -O ^metadata_csum,^64bit");
}

/* A crash of ours is repaired by Linux, and one of Linux' by us. */
EXT4_TEST(journals_are_replayed_by_the_other)
{
	struct vfs_attr a;

	need_mounts();
	image_make("-b 1024", "32M", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/ours"), 0);
	CHECK_INT(do_create("/ours/file", 0644), 0);
	CHECK_INT(ext4_sync_fs(image), 0);
	test_disk_save(image_store, image_path("crashed"));
	image_unmount();
	image_tool("cp crashed image");
	in_linux("[ -f ours/file ]; mkdir theirs; echo x > theirs/file; sync; "
		 "cp ../image ../crashed");
	image_judge();
	image_tool("cp crashed image; dumpe2fs -h image 2>/dev/null | grep -q needs_recovery");
	image_mount(true); /* in memory only */
	CHECK_INT(image_report.was_replayed, true);
	CHECK_INT(do_stat("/theirs/file", &a), 0);
	image_unmount();
	image_tool("cmp crashed image");
	image_mount(false);
	CHECK_INT(image_report.was_replayed, true);
	CHECK_STR(text_of("/theirs/file"), "x\n");
	image_unmount();
	image_judge();
}

/* ---- access lists, by setfacl and getfacl there. */

static int set_list(const char *path, const char *name, const void *bytes, size_t size) MAY_YIELD
{
	const struct vfs_bytes value = { bytes, size };
	struct dentry *d;
	int r;

	CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
	r = vfs_setxattr(&cred, dentry_inode(d), name, &value, 0);
	dentry_put(d);
	return r;
}

static int may_read(const char *path) MAY_YIELD
{
	struct dentry *d;
	int r = do_open(path, O_RDONLY, 0, &d);

	if (r == 0)
		dentry_put(d);
	return r;
}

EXT4_TEST(access_lists_mean_the_same_to_linux)
{
	const struct {
		uint32_t version;
		struct acl_entry entries[6];
	} list = { 2,
		   { { ACL_OWNER, 7, ACL_NO_ID },
		     { ACL_USER, 6, 1005 },
		     { ACL_OWNING_GROUP, 5, ACL_NO_ID },
		     { ACL_GROUP, 4, 1009 },
		     { ACL_MASK, 7, ACL_NO_ID },
		     { ACL_OTHER, 0, ACL_NO_ID } } };
	static const char *const kinds[] = { "-b 1024", "-b 4096", "-b 4096 -I 128" };

	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		need_mounts();
		if (strstr(image_ask("getfacl --version 2>&1"), "getfacl ") == NULL)
			SKIP("there is no getfacl");
		image_make(kinds[i], "16M", NULL);
		image_mount(false);
		CHECK_INT(do_mkdir("/d"), 0);
		CHECK_INT(set_list("/d", VFS_XATTR_ACL_ACCESS, &list, sizeof(list)), 0);
		CHECK_INT(set_list("/d", VFS_XATTR_ACL_DEFAULT, &list, sizeof(list)), 0);
		CHECK_INT(do_create("/d/f", 0640), 0);
		CHECK_INT(do_mkdir("/d/sub"), 0);
		CHECK_INT(do_chmod("/d/sub", 0770), 0);
		image_unmount();
		image_judge();
		in_linux("set -e; q='getfacl -cEn'; "
			 "[ \"$($q d | paste -sd,)\" = user::rwx,user:1005:rw-,group::r-x,"
			 "group:1009:r--,mask::rwx,other::---,default:user::rwx,"
			 "default:user:1005:rw-,default:group::r-x,default:group:1009:r--,"
			 "default:mask::rwx,default:other::---, ]; "
			 "[ \"$($q d/f | paste -sd,)\" = user::rw-,user:1005:rw-,group::r-x,"
			 "group:1009:r--,mask::r--,other::---, ]; "
			 "[ $(stat -c %a d/f) = 640 ]; [ $(stat -c %a d/sub) = 770 ]; "
			 "setfacl -m u:1006:r,m::r d/f; setfacl -d -m u:1006:rw d; "
			 "setfacl -m u:1006:x d; touch d/theirs; setfacl -b d/sub");
		image_judge();
		image_mount(false);
		be_user(1006, 5);
		CHECK_INT(may_read("/d/f"), 0);
		CHECK_INT(may_read("/d/theirs"), 0);
		CHECK_INT(may_read("/d"), -EACCES);
		be_user(1007, 5);
		CHECK_INT(may_read("/d/f"), -EACCES);
		be_root();
		CHECK_INT(do_create("/d/ours", 0666), 0);
		image_unmount();
		image_judge();
		in_linux("set -e; [ \"$(getfacl -cEn d/ours)\" = \"$(getfacl -cEn d/theirs)\" ]; "
			 "[ $(stat -c %a d/ours) = $(stat -c %a d/theirs) ]; "
			 "getfacl -cEn d/ours | grep -qx user:1006:rw-; "
			 "[ -z \"$(getfacl -cEns d/sub)\" ]");
	}
}

static const struct test tests[] = {
	TEST_LONG(linux_and_we_take_turns_in_blocks_of_1024, 60),
	TEST_LONG(linux_and_we_take_turns_in_blocks_of_4096, 60),
	TEST_LONG(linux_and_we_take_turns_without_checksums, 60),
	TEST_LONG(journals_are_replayed_by_the_other, 30),
	TEST_LONG(access_lists_mean_the_same_to_linux, 60),
};
TEST_MAIN(tests)

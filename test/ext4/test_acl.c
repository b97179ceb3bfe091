/*
 * test_acl.c - access lists in an image: ext4.h (xattr.c), acl.h. After each test e2fsck finds
 * nothing, and after another mount they are the same.
 */
#include "test/ext4/attributes.h"

#include "vfs/ext4/acl.h"

#include <sys/xattr.h>

#define HOSTILE_LISTS 150u

/* ---- access lists. */

#define TAGGED(tag, permissions, id) (tag), (permissions), (id)&0xffff, (id) >> 16
#define NO_ID 0xffffffffu

static ssize_t get_acl(const char *path, const char *name) MAY_YIELD
{
	return attr_get(path, name, sizeof(attr_got) - 1);
}

static int set_acl(const char *path, const char *name, const void *value, size_t size) MAY_YIELD
{
	static char odd[1 + sizeof(attr_got)]; /* a caller's memory begins anywhere */

	if (size > 0)
		memcpy(odd + 1, value, size);
	return attr_set(path, name, odd + 1, size, 0);
}

static uint32_t mode_of(const char *path) MAY_YIELD
{
	struct vfs_attr a;

	CHECK_INT(do_lstat(path, &a), 0);
	return a.mode & 07777;
}

static const uint16_t plain[] = {
	2, 0, TAGGED(1, 7, NO_ID), TAGGED(4, 4, NO_ID), TAGGED(32, 0, NO_ID),
};

EXT4_TEST(access_lists_are_translated)
{
	const char *access = "system.posix_acl_access", *inherit = "system.posix_acl_default";
	uint16_t wrong[sizeof(attr_list) / 2];

	attr_start("-b 4096");
	CHECK_INT(set_acl("/file", access, &attr_list, sizeof(attr_list)), 0);
	CHECK_INT(mode_of("/file"), 0651);
	CHECK_INT(set_acl("/dir", inherit, &attr_list, sizeof(attr_list)), 0);
	CHECK_INT(mode_of("/dir"), 0755);
	CHECK_INT(set_acl("/file", inherit, &attr_list, sizeof(attr_list)), -EACCES);
	CHECK_INT(set_acl("/link", access, &attr_list, sizeof(attr_list)), -EOPNOTSUPP);
	for (size_t i = 1; i < sizeof(attr_list) / 2; i++) {
		memcpy(wrong, &attr_list, sizeof(attr_list));
		wrong[i] ^= 0x40; /* ids may be anything, but what is no id's is checked */
		if (i < 2 || (i - 2) % 4 < 2)
			CHECK(set_acl("/dir", access, wrong, sizeof(wrong)) < 0);
	}
	CHECK_INT(set_acl("/dir", access, &attr_list, sizeof(attr_list) - 8), -EINVAL);
	CHECK_INT(set_acl("/dir", access, &attr_list, sizeof(attr_list) - 1), -EINVAL);
	attr_again();
	CHECK_INT(get_acl("/file", access), sizeof(attr_list));
	CHECK(memcmp(attr_got, &attr_list, sizeof(attr_list)) == 0);
	CHECK_INT(get_acl("/dir", inherit), sizeof(attr_list));
	CHECK(memcmp(attr_got, &attr_list, sizeof(attr_list)) == 0);
	CHECK_INT(do_chmod("/file", 04740), 0);
	CHECK_INT(get_acl("/file", access), sizeof(attr_list));
	CHECK(attr_got[4 + 2] == 7 && attr_got[4 + 8 * 4 + 2] == 4 && attr_got[4 + 8 * 5 + 2] == 0);
	CHECK_INT(attr_got[4 + 8 * 2 + 2], 0); /* the mask is the group's class now */
	attr_judge();
	image_tool("debugfs -R 'ea_get -f acl /dir system.posix_acl_default' image 2>&1");
	CHECK_INT(atoi(image_ask("stat -c %%s acl")), sizeof(attr_list));
	image_mount(false);
	CHECK_INT(set_acl("/file", access, plain, sizeof(plain)), 0);
	CHECK_INT(mode_of("/file"), 04740);
	CHECK_STR(attr_list_of("/file"), "");
	CHECK_INT(set_acl("/dir", inherit, NULL, 0), 0);
	CHECK_INT(set_acl("/dir", inherit, NULL, 0), 0);
	CHECK_STR(attr_list_of("/dir"), "");
	attr_judge();
}

EXT4_TEST(access_lists_of_linux_are_read)
{
	ssize_t wanted;
	char theirs[256];

	host_mkdir("acl");
	host_file("acl/file", "x");
	if (setxattr(image_path("acl/file"), "system.posix_acl_access", &attr_list,
		     sizeof(attr_list), 0))
		SKIP("no access lists in the folder for temporary files: %s", strerror(errno));
	wanted = getxattr(image_path("acl/file"), "system.posix_acl_access", theirs,
			  sizeof(theirs));
	CHECK_INT(wanted, sizeof(attr_list));
	image_make("-b 1024", "16M", "acl");
	image_mount(true);
	CHECK_INT(get_acl("/file", "system.posix_acl_access"), wanted);
	CHECK(memcmp(attr_got, theirs, (size_t)wanted) == 0);
	image_unmount();
}

/* ---- what is made begins with its directory's default list, in one step. */

EXT4_TEST(default_lists_are_inherited)
{
	const char *access = "system.posix_acl_access", *inherit = "system.posix_acl_default";
	struct dentry *d;

	for (size_t i = 0; i < ATTR_KINDS; i++) {
		attr_start(attr_kinds[i]);
		view.umask = 0777;
		CHECK_INT(set_acl("/dir", inherit, &attr_list, sizeof(attr_list)), 0);
		CHECK_INT(do_create("/dir/f", 0666), 0);
		CHECK_INT(do_mkdir("/dir/sub"), 0);
		CHECK_INT(do_symlink("f", "/dir/link"), 0);
		CHECK_INT(vfs_mknod(&view, NULL, "/dir/fifo", S_IFIFO | 0777, 0), 0);
		CHECK_INT(vfs_tmpfile(&view, NULL, "/dir", 0600, &d), 0);
		CHECK_INT(vfs_link(&view, d, NULL, "/dir/named later"), 0);
		dentry_put(d);
		CHECK_INT(do_mkdir("/plain"), 0);
		CHECK_INT(set_acl("/plain", inherit, plain, sizeof(plain)), 0);
		CHECK_INT(do_create("/plain/f", 0777), 0);
		for (unsigned int mounts = 0; mounts < 2; mounts++) {
			CHECK_INT(mode_of("/dir/f"), 0640);
			CHECK_INT(get_acl("/dir/f", access), sizeof(attr_list));
			CHECK_INT(attr_got[4 + 8 * 4 + 2], 4); /* the mask */
			CHECK_INT(mode_of("/dir/sub"), 0651);
			CHECK_INT(get_acl("/dir/sub", inherit), sizeof(attr_list));
			CHECK(memcmp(attr_got, &attr_list, sizeof(attr_list)) == 0);
			CHECK_INT(mode_of("/dir/fifo"), 0651);
			CHECK_INT(get_acl("/dir/fifo", access), sizeof(attr_list));
			CHECK_INT(mode_of("/dir/named later"), 0600);
			CHECK_INT(get_acl("/dir/named later", access), sizeof(attr_list));
			CHECK_STR(attr_list_of("/dir/link"), "");
			CHECK_INT(mode_of("/plain/f"), 0740);
			CHECK_STR(attr_list_of("/plain/f"), "");
			if (mounts == 0)
				attr_again();
		}
		be_user(70000, 5);
		CHECK_INT(do_chmod("/dir/f", 0600), -EPERM);
		CHECK_INT(do_open("/dir/f", O_RDONLY, 0, &d), 0);
		dentry_put(d);
		CHECK_INT(do_open("/dir/f", O_WRONLY, 0, &d), -EACCES);
		be_root();
		CHECK_INT(do_unlink("/dir/f"), 0);
		attr_judge();
	}
}

static uint64_t handles(void)
{
	struct journal_stats stats;

	journal_stats_get(image->journal, &stats);
	return stats.handles;
}

/* So no power cut comes between a mode and its list. */
EXT4_TEST(a_list_and_what_goes_with_it_are_one_handle)
{
	const char *access = "system.posix_acl_access", *inherit = "system.posix_acl_default";
	uint64_t before;

	attr_start("-b 1024");
	before = handles();
	CHECK_INT(set_acl("/file", access, &attr_list, sizeof(attr_list)), 0);
	CHECK_INT(handles(), before + 1);
	CHECK_INT(mode_of("/file"), 0651);
	CHECK_INT(do_chmod("/file", 04640), 0);
	CHECK_INT(handles(), before + 2);
	CHECK_INT(mode_of("/file"), 04640);
	CHECK_INT(get_acl("/file", access), sizeof(attr_list));
	CHECK_INT(attr_got[4 + 8 * 4 + 2], 4);
	CHECK_INT(do_chmod("/file", 0640), 0); /* only the mode changes */
	CHECK_INT(mode_of("/file"), 0640);
	CHECK_INT(handles(), before + 3);
	CHECK_INT(set_acl("/file", access, plain, sizeof(plain)), 0);
	CHECK_INT(handles(), before + 4);
	CHECK_INT(set_acl("/dir", inherit, &attr_list, sizeof(attr_list)), 0);
	before = handles();
	CHECK_INT(do_create("/dir/f", 0666), 0);
	CHECK_INT(handles(), before + 1);
	CHECK_INT(do_mkdir("/dir/sub"), 0);
	CHECK_INT(handles(), before + 2);
	CHECK_INT(get_acl("/dir/sub", access), sizeof(attr_list));
	CHECK_INT(get_acl("/dir/sub", inherit), sizeof(attr_list));
	attr_judge();
}

EXT4_TEST(a_file_without_room_for_its_lists_is_not_made)
{
	static uint8_t many[4 + 8 * 110];
	static char large[4096];
	unsigned int made = 0;
	uint64_t before;
	char path[32];
	int r = 0;

	memcpy(many, &attr_list, 4);
	for (uint32_t i = 0; i < 110; i++) {
		static const uint16_t tags[3] = { ACL_OWNING_GROUP, ACL_MASK, ACL_OTHER };
		struct acl_entry e = { ACL_USER, 7, i };

		if (i == 0 || i >= 107) {
			e.tag = i == 0 ? ACL_OWNER : tags[i - 107];
			e.id = ACL_NO_ID;
		}
		memcpy(many + 4 + i * sizeof(e), &e, sizeof(e));
	}
	image_make("-b 1024 -m 0 -N 512 -O ^has_journal", "400", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/dir"), 0);
	CHECK_INT(set_acl("/dir", "system.posix_acl_default", many, sizeof(many)), 0);
	CHECK_INT(do_create("/filler", 0644), 0);
	while (do_write("/filler", memset(large, 'x', 4095), 4095u * made) == 4095)
		made++;
	before = image->free_inodes;
	for (made = 0; made < 50 && r == 0; made++) {
		snprintf(path, sizeof(path), "/dir/f%u", made);
		r = do_create(path, 0666);
	}
	CHECK_INT(r, -ENOSPC);
	snprintf(path, sizeof(path), "/dir/f%u", made - 1);
	CHECK_INT(do_lstat(path, &(struct vfs_attr){ .mode = 0 }), -ENOENT);
	ext4_closing_wait(image);
	CHECK_INT(image->free_inodes, before - (made - 1));
	attr_judge();
}

/* ---- hostile lists. */

static void fill_list(uint64_t *seed, uint8_t *blob, uint32_t *size)
{
	static const uint8_t good[] = { 1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 6,  0, 5, 0, 0,  0, 4, 0,
					4, 0, 8, 0, 4, 0, 9, 0, 0, 0, 16, 0, 6, 0, 32, 0, 0, 0 };

	memcpy(blob, good, sizeof(good));
	*size = sizeof(good);
	for (uint32_t k = image_random(seed, 3); k > 0; k--)
		blob[image_random(seed, sizeof(good))] = (uint8_t)(1u << image_random(seed, 8));
	if (image_random(seed, 4) == 0)
		*size = image_random(seed, sizeof(good));
}

static void any_bytes_of_a_disk_are_a_list_or_damage(void)
{
	uint64_t seed = 1;
	unsigned int lists = 0;

	for (unsigned int round = 0; round < 300000; round++) {
		uint8_t blob[64];
		uint32_t size;
		struct vfs_acl *acl;
		uint8_t *exact;
		int r;

		fill_list(&seed, blob, &size);
		exact = malloc(size + !size); /* for a sanitizer: nothing behind it is read */
		CHECK(exact != NULL);
		memcpy(exact, blob, size);
		r = acl_from_disk(exact, size, &acl);
		CHECK(r == 0 || r == -EUCLEAN);
		if (r == 0 && acl) {
			lists++;
			CHECK(acl_valid(acl));
			CHECK_INT(acl_disk_size(acl), size);
			acl_to_disk(acl, blob);
			CHECK(memcmp(blob, exact, size) == 0);
			free(acl);
		}
		free(exact);
	}
	CHECK(lists > 1000);
}

EXT4_TEST(damaged_lists_let_nobody_in_but_who_needs_no_list)
{
	unsigned int damaged = 0;
	uint64_t seed = 7;
	char path[32];
	FILE *script;

	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	for (unsigned int i = 0; i < HOSTILE_LISTS; i++) {
		snprintf(path, sizeof(path), "/f%u", i);
		CHECK_INT(do_create(path, 0660), 0);
		CHECK_INT(do_chown(path, 1, 2), 0);
	}
	attr_judge();
	script = fopen(image_path("script"), "we");
	CHECK(script != NULL);
	for (unsigned int i = 0; i < HOSTILE_LISTS; i++) {
		uint8_t blob[64];
		uint32_t size;
		FILE *f;

		fill_list(&seed, blob, &size);
		snprintf(path, sizeof(path), "blob%u", i);
		f = fopen(image_path(path), "we");
		CHECK(f && fwrite(blob, 1, size, f) == size && fclose(f) == 0);
		fprintf(script, "ea_set -r -f blob%u /f%u system.posix_acl_access\n", i, i);
	}
	CHECK_INT(fclose(script), 0);
	image_tool("debugfs -w -f script image >told 2>&1; ! grep -i error told");
	image_mount(false);
	for (unsigned int i = 0; i < HOSTILE_LISTS; i++) {
		struct dentry *d;
		int r;

		snprintf(path, sizeof(path), "/f%u", i);
		d = attr_walk(path);
		be_user(5, 5);
		r = vfs_permission(&cred, dentry_inode(d), VFS_MAY_READ);
		CHECK(r == 0 || r == -EACCES || r == -EUCLEAN);
		damaged += r == -EUCLEAN;
		be_user(1, 1);
		CHECK_INT(vfs_permission(&cred, dentry_inode(d), VFS_MAY_READ), 0);
		be_root();
		CHECK_INT(vfs_permission(&cred, dentry_inode(d), VFS_MAY_WRITE), 0);
		if (r == -EUCLEAN) {
			CHECK_INT(get_acl(path, "system.posix_acl_access"), -EUCLEAN);
			CHECK_INT(do_chmod(path, 0640), -EUCLEAN);
			CHECK_INT(attr_take_away(path, "system.posix_acl_access"), 0);
		}
		CHECK_INT(do_chmod(path, 0640), 0);
		dentry_put(d);
	}
	CHECK(damaged > HOSTILE_LISTS / 10 && damaged < HOSTILE_LISTS);
	CHECK_INT(image->damage, 0);
	attr_judge();
}

static const struct test tests[] = {
	TEST(access_lists_are_translated),
	TEST(access_lists_of_linux_are_read),
	TEST_LONG(default_lists_are_inherited, 60),
	TEST(a_list_and_what_goes_with_it_are_one_handle),
	TEST(a_file_without_room_for_its_lists_is_not_made),
	TEST(any_bytes_of_a_disk_are_a_list_or_damage),
	TEST_LONG(damaged_lists_let_nobody_in_but_who_needs_no_list, 60),
};
TEST_MAIN(tests)

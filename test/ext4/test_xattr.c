/*
 * test_xattr.c - extended attributes in an image: ext4.h (xattr.c), xattr_area.h, acl.h. After
 * each test e2fsck finds nothing, debugfs sees the same, and so do we after another mount.
 */
#include "test/ext4/image.h"

#include "vfs/ext4/acl.h"
#include "vfs/ext4/xattr.h"

#include <sys/xattr.h>

#define VALUE_MAX 4096u
#define MODEL_FILES 4u
#define MODEL_NAMES 14u
#define MODEL_STEPS 1500u
#define HOSTILE_LISTS 150u
#define HOSTILE_SEEDS (test_sanitized ? 150u : 600u)

static const char *const kinds[] = {
	"-b 1024",
	"-b 4096",
	"-b 1024 -I 128",
	"-b 1024 -I 1024",
	"-b 4096 -O ^has_journal",
	"-b 1024 -O ^metadata_csum",
	"-b 1024 -O ^ext_attr",
	"-b 2048 -O ^64bit,^resize_inode",
};

static struct dentry *walk(const char *path) MAY_YIELD
{
	struct dentry *d;

	CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
	return d;
}

static int set(const char *path, const char *name, const void *value, size_t size, int flags)
	MAY_YIELD
{
	const struct vfs_bytes bytes = { value, size };
	struct dentry *d = walk(path);
	int r = vfs_setxattr(&cred, dentry_inode(d), name, &bytes, flags);

	dentry_put(d);
	return r;
}

static int set_text(const char *path, const char *name, const char *value) MAY_YIELD
{
	return set(path, name, value, strlen(value), 0);
}

static char got[VFS_XATTR_SIZE_MAX + 1];

static ssize_t get(const char *path, const char *name, size_t size) MAY_YIELD
{
	struct dentry *d = walk(path);
	ssize_t n = vfs_getxattr(&cred, dentry_inode(d), name, got, size);

	dentry_put(d);
	if (n >= 0 && size > 0)
		got[n] = '\0';
	return n;
}

static const char *text(const char *path, const char *name) MAY_YIELD
{
	ssize_t n = get(path, name, sizeof(got) - 1);

	return n < 0 ? strerrorname_np((int)-n) : got;
}

static int take_away(const char *path, const char *name) MAY_YIELD
{
	struct dentry *d = walk(path);
	int r = vfs_removexattr(&cred, dentry_inode(d), name);

	dentry_put(d);
	return r;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names, sorted, a space after each; static buffer. */
static const char *list(const char *path) MAY_YIELD
{
	static char names[4096], all[8192];
	static char *sorted[256];
	char *at = all;
	struct dentry *d = walk(path);
	ssize_t n = vfs_listxattr(&cred, dentry_inode(d), names, sizeof(names));
	size_t count = 0;

	dentry_put(d);
	CHECK(n >= 0);
	for (char *name = names; name < names + n; name += strlen(name) + 1)
		sorted[count++] = name;
	qsort(sorted, count, sizeof(*sorted), by_text);
	*at = '\0';
	for (size_t i = 0; i < count; i++)
		at = stpcpy(stpcpy(at, sorted[i]), " ");
	return all;
}

static void start(const char *kind) MAY_YIELD
{
	image_make(kind, "16M", NULL);
	image_mount(false);
	CHECK_INT(do_create("/file", 0644), 0);
	CHECK_INT(do_mkdir("/dir"), 0);
	CHECK_INT(do_symlink("file", "/link"), 0);
}

static void judge(void) MAY_YIELD
{
	image_unmount();
	image_judge();
}

static void again(void) MAY_YIELD
{
	judge();
	image_mount(false);
}

/* ---- plain use. */

static void fill_value(char *value, size_t size, unsigned int number)
{
	for (size_t i = 0; i < size; i++)
		value[i] = (char)('a' + (i * 7 + number) % 26);
	value[size] = '\0';
}

EXT4_TEST(what_is_set_is_there)
{
	static char large[601];

	fill_value(large, 600, 1);
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		start(kinds[i]);
		CHECK_INT(set_text("/file", "user.short", "one"), 0);
		CHECK_INT(set_text("/file", "user.large", large), 0);
		CHECK_INT(set_text("/file", "trusted.t", "two"), 0);
		CHECK_INT(set_text("/file", "security.s", ""), 0);
		CHECK_INT(set_text("/file", "user.\303\244\377", "letters"), 0);
		CHECK_INT(set_text("/dir", "user.of dir", "three"), 0);
		CHECK_INT(set_text("/link", "trusted.of link", large), 0);
		again();
		CHECK_STR(list("/file"),
			  "security.s trusted.t user.large user.short user.\303\244\377 ");
		CHECK_STR(text("/file", "user.short"), "one");
		CHECK_STR(text("/file", "user.large"), large);
		CHECK_STR(text("/file", "trusted.t"), "two");
		CHECK_STR(text("/file", "security.s"), "");
		CHECK_STR(text("/file", "user.\303\244\377"), "letters");
		CHECK_STR(text("/dir", "user.of dir"), "three");
		CHECK_STR(text("/link", "trusted.of link"), large);
		CHECK_STR(text_of("/link"), "");
		CHECK_INT(set_text("/file", "user.large", "small now"), 0);
		CHECK_INT(set_text("/file", "user.short", large), 0);
		CHECK_INT(take_away("/file", "user.\303\244\377"), 0);
		again();
		CHECK_STR(text("/file", "user.large"), "small now");
		CHECK_STR(text("/file", "user.short"), large);
		CHECK_INT(take_away("/file", "user.large"), 0);
		CHECK_INT(take_away("/file", "user.short"), 0);
		CHECK_INT(take_away("/file", "trusted.t"), 0);
		CHECK_INT(take_away("/file", "security.s"), 0);
		CHECK_STR(list("/file"), "");
		judge();
	}
}

EXT4_TEST(debugfs_sees_the_same_and_we_see_its)
{
	static char large[501];

	fill_value(large, 500, 3);
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		start(kinds[i]);
		CHECK_INT(set_text("/file", "user.a", "in the inode?"), 0);
		CHECK_INT(set_text("/file", "user.b", large), 0);
		judge();
		CHECK(strstr(image_ask("debugfs -R 'ea_list /file' image 2>&1"),
			     "user.a (13) = \"in the inode?\""));
		image_tool("debugfs -R 'ea_get -f value /file user.b' image 2>&1");
		CHECK_STR(image_ask("cat value"), large);
		image_tool("printf '%%400s' other > value; debugfs -w -R 'ea_set -f value /dir "
			   "user.theirs' image 2>&1");
		image_mount(false);
		CHECK_INT(get("/dir", "user.theirs", 0), 400);
		CHECK_INT(set_text("/dir", "user.ours", "beside it"), 0);
		CHECK_INT(get("/dir", "user.theirs", 400), 400);
		judge();
		CHECK(strstr(image_ask("debugfs -R 'ea_list /dir' image 2>&1"),
			     "user.ours (9) = \"beside it\""));
	}
}

EXT4_TEST(errors_are_those_of_xattr_7)
{
	static char huge[VFS_XATTR_SIZE_MAX + 2], name[300];
	struct vfs_attr before, after;

	start("-b 4096");
	CHECK_INT(get("/file", "user.none", 10), -ENODATA);
	CHECK_INT(take_away("/file", "user.none"), -ENODATA);
	CHECK_INT(set("/file", "user.x", "1", 1, XATTR_REPLACE), -ENODATA);
	CHECK_INT(set("/file", "user.x", "12", 2, XATTR_CREATE), 0);
	CHECK_INT(set("/file", "user.x", "1", 1, XATTR_CREATE), -EEXIST);
	CHECK_INT(get("/file", "user.x", 1), -ERANGE);
	CHECK_INT(get("/file", "user.x", 0), 2);
	CHECK_INT(set("/file", "user.huge", huge, VFS_XATTR_SIZE_MAX + 1, 0), -E2BIG);
	CHECK_INT(set("/file", "user.huge", huge, 5000, 0), -ENOSPC);
	CHECK_STR(list("/file"), "user.x ");
	CHECK_INT(get("/file", "system.none", 10), -EOPNOTSUPP);
	memset(name, 'n', sizeof(name) - 1);
	memcpy(name, "user.", 5);
	CHECK_INT(set("/file", name, "1", 1, 0), -ERANGE);
	name[255] = '\0';
	CHECK_INT(set("/file", name, "long", 4, 0), 0);
	CHECK_STR(text("/file", name), "long");
	CHECK_INT(do_lstat("/file", &before), 0);
	CHECK_INT(take_away("/file", name), 0);
	CHECK_INT(do_lstat("/file", &after), 0);
	CHECK(before.blocks == 8 && after.blocks == 0);
	{
		struct dentry *d = walk("/file");

		CHECK_INT(vfs_listxattr(&cred, dentry_inode(d), got, 6), -ERANGE);
		CHECK_INT(vfs_listxattr(&cred, dentry_inode(d), got, 0), 7);
		ext4_i(dentry_inode(d))->flags |= EXT4_IMMUTABLE_FL;
		dentry_put(d);
		CHECK_INT(set_text("/file", "user.x", "no"), -EPERM);
		CHECK_INT(take_away("/file", "user.x"), -EPERM);
		d = walk("/file");
		ext4_i(dentry_inode(d))->flags &= ~EXT4_IMMUTABLE_FL;
		dentry_put(d);
	}
	judge();
	image_mount(true);
	CHECK_STR(text("/file", "user.x"), "12");
	CHECK_INT(set_text("/file", "user.x", "no"), -EROFS);
	image_unmount();
}

EXT4_TEST(a_full_disk_changes_nothing)
{
	static char large[801];
	char path[32];
	unsigned int made = 0, written = 0;

	fill_value(large, 800, 2);
	image_make("-b 1024 -m 0 -N 64 -O ^has_journal", "300", NULL);
	image_mount(false);
	for (; made < 12; made++) {
		snprintf(path, sizeof(path), "/f%u", made);
		if (do_create(path, 0644) < 0)
			break;
		CHECK_INT(set_text(path, "user.small", "s"), 0);
	}
	CHECK_INT(do_create("/filler", 0644), 0);
	while (do_write("/filler", large, 800u * written) == 800)
		written++;
	CHECK(written > 10);
	for (unsigned int i = 0; i < made; i++) {
		int r;

		snprintf(path, sizeof(path), "/f%u", i);
		r = set_text(path, "user.large", large);
		CHECK(r == 0 || r == -ENOSPC);
		if (r == 0)
			continue;
		CHECK_STR(list(path), "user.small ");
		CHECK_STR(text(path, "user.small"), "s");
	}
	CHECK_STR(list(path), "user.small "); /* the last one found none */
	judge();
}

/* ---- against a model. */

static struct {
	int size; /* -1: not there */
	unsigned int number;
} model[MODEL_FILES][MODEL_NAMES];

static const char *model_path(uint32_t file)
{
	static char path[32];

	snprintf(path, sizeof(path), file == 0 ? "/model" : "/model%u", file);
	return path;
}

static const char *model_name(uint32_t name)
{
	static char text_of_name[64];
	static const char *const begins[] = { "user.", "trusted.", "security." };

	snprintf(text_of_name, sizeof(text_of_name), "%s%.*s%u", begins[name % 3],
		 (int)(name * 3 % 40), "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
		 name);
	return text_of_name;
}

static void check_model(void) MAY_YIELD
{
	static char wanted[VALUE_MAX + 1];

	for (uint32_t f = 0; f < MODEL_FILES; f++) {
		for (uint32_t n = 0; n < MODEL_NAMES; n++) {
			int size = model[f][n].size;

			CHECK_INT(get(model_path(f), model_name(n), sizeof(got) - 1),
				  size < 0 ? -ENODATA : size);
			if (size < 0)
				continue;
			fill_value(wanted, (size_t)size, model[f][n].number);
			CHECK_STR(got, wanted);
		}
	}
}

static void model_step(uint64_t *seed) MAY_YIELD
{
	static char value[VALUE_MAX + 1];
	uint32_t f = image_random(seed, MODEL_FILES), n = image_random(seed, MODEL_NAMES);
	uint32_t limit = image_random(seed, 8) == 0 ? VALUE_MAX : 60;
	unsigned int number = image_random(seed, 26);
	int size = (int)image_random(seed, limit + 1), r;

	if (image_random(seed, 3) == 0) {
		CHECK_INT(take_away(model_path(f), model_name(n)),
			  model[f][n].size < 0 ? -ENODATA : 0);
		model[f][n].size = -1;
		return;
	}
	fill_value(value, (size_t)size, number);
	r = set(model_path(f), model_name(n), value, (size_t)size, 0);
	CHECK(r == 0 || r == -ENOSPC);
	if (r == 0) {
		model[f][n].size = size;
		model[f][n].number = number;
	}
}

EXT4_TEST(random_changes_are_those_of_a_model)
{
	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		uint64_t seed = 100 + i;

		image_make(kinds[i], "16M", NULL);
		image_mount(false);
		memset(model, 0xff, sizeof(model));
		for (uint32_t f = 0; f < MODEL_FILES; f++)
			CHECK_INT(do_create(model_path(f), 0644), 0);
		for (unsigned int step = 0; step < MODEL_STEPS; step++) {
			model_step(&seed);
			if (step % 500 == 499) {
				check_model();
				again();
			}
		}
		check_model();
		for (uint32_t f = 0; f < MODEL_FILES; f++)
			CHECK_INT(do_unlink(model_path(f)), 0);
		judge();
	}
}

/* ---- blocks that inodes share. */

static uint32_t references(const char *path, uint64_t *ret_block) MAY_YIELD
{
	struct dentry *d = walk(path);
	struct xattr_places p;
	uint32_t count = 0;

	CHECK_INT(xattr_places_get(ext4_i(dentry_inode(d)), &p), 0);
	*ret_block = ext4_i(dentry_inode(d))->xattr_block;
	if (p.block_page)
		count = ((const struct ext4_xattr_header *)p.block_page->data)->references;
	xattr_places_put(&p);
	dentry_put(d);
	return count;
}

/* As Linux makes it: `path` has the block of /file, too. */
static void share(const char *path) MAY_YIELD
{
	struct dentry *from = walk("/file"), *to = walk(path);
	struct ext4_inode *a = ext4_i(dentry_inode(from)), *b = ext4_i(dentry_inode(to));
	struct ext4_xattr_header *header;
	struct journal_handle h;
	struct xattr_places p;
	const uint64_t block = a->xattr_block;

	CHECK_INT(xattr_places_get(a, &p), 0);
	CHECK_INT(ext4_begin(image, 4, &h), 0);
	CHECK_INT(journal_get_write(&h, p.block_page), 0);
	header = p.block_page->data;
	header->references++;
	header->checksum = 0;
	header->checksum = ext4_crc32c(ext4_crc32c(image->checksum_seed, &block, sizeof(block)),
				       header, image->block_size);
	journal_dirty(&h, p.block_page);
	b->xattr_block = block;
	b->blocks += image->block_size / 512;
	CHECK_INT(ext4_inode_store(&h, b), 0);
	journal_end(&h);
	xattr_places_put(&p);
	dentry_put(from);
	dentry_put(to);
}

EXT4_TEST(a_shared_block_is_not_changed)
{
	static char large[701];
	uint64_t block, other;

	fill_value(large, 700, 5);
	start("-b 1024");
	CHECK_INT(do_create("/second", 0644), 0);
	CHECK_INT(do_create("/third", 0644), 0);
	CHECK_INT(set_text("/file", "user.large", large), 0);
	share("/second");
	share("/third");
	again();
	CHECK_INT(references("/file", &block), 3);
	CHECK_STR(text("/third", "user.large"), large);
	CHECK_INT(set_text("/second",
			   "trusted.not in the inode, as there is little room left "
			   "in there when names are long, and so are values",
			   "x"),
		  0);
	CHECK_INT(references("/second", &other), 1);
	CHECK(other != block);
	CHECK_STR(text("/second", "user.large"), large);
	CHECK_INT(references("/file", &block), 2);
	again();
	CHECK_INT(do_unlink("/third"), 0);
	again();
	CHECK_INT(references("/file", &block), 1);
	CHECK_INT(do_symlink("x", "/third link"), 0);
	share("/third link");
	CHECK_INT(take_away("/file", "user.large"), 0);
	CHECK_INT(references("/third link", &other), 1);
	CHECK(other == block);
	CHECK_INT(references("/file", &other), 0);
	again();
	CHECK_INT(do_unlink("/third link"), 0);
	judge();
}

/* ---- access lists. */

#define TAGGED(tag, permissions, id) (tag), (permissions), (id)&0xffff, (id) >> 16
#define NO_ID 0xffffffffu

static ssize_t get_acl(const char *path, const char *name) MAY_YIELD
{
	return get(path, name, sizeof(got) - 1);
}

static int set_acl(const char *path, const char *name, const void *value, size_t size) MAY_YIELD
{
	static char odd[1 + sizeof(got)]; /* a caller's memory begins anywhere */

	if (size > 0)
		memcpy(odd + 1, value, size);
	return set(path, name, odd + 1, size, 0);
}

static uint32_t mode_of(const char *path) MAY_YIELD
{
	struct vfs_attr a;

	CHECK_INT(do_lstat(path, &a), 0);
	return a.mode & 07777;
}

static const uint16_t named[] = {
	2,
	0, /* the version */
	TAGGED(1, 6, NO_ID),
	TAGGED(2, 7, 70000u),
	TAGGED(4, 0, NO_ID),
	TAGGED(8, 5, 100u),
	TAGGED(16, 5, NO_ID),
	TAGGED(32, 1, NO_ID),
};
static const uint16_t plain[] = {
	2, 0, TAGGED(1, 7, NO_ID), TAGGED(4, 4, NO_ID), TAGGED(32, 0, NO_ID),
};

EXT4_TEST(access_lists_are_translated)
{
	const char *access = "system.posix_acl_access", *inherit = "system.posix_acl_default";
	uint16_t wrong[ARRAY_COUNT(named)];

	start("-b 4096");
	CHECK_INT(set_acl("/file", access, named, sizeof(named)), 0);
	CHECK_INT(mode_of("/file"), 0651);
	CHECK_INT(set_acl("/dir", inherit, named, sizeof(named)), 0);
	CHECK_INT(mode_of("/dir"), 0755);
	CHECK_INT(set_acl("/file", inherit, named, sizeof(named)), -EACCES);
	CHECK_INT(set_acl("/link", access, named, sizeof(named)), -EOPNOTSUPP);
	for (size_t i = 1; i < ARRAY_COUNT(named); i++) {
		memcpy(wrong, named, sizeof(named));
		wrong[i] ^= 0x40; /* ids may be anything, but what is no id's is checked */
		if (i < 2 || (i - 2) % 4 < 2)
			CHECK(set_acl("/dir", access, wrong, sizeof(wrong)) < 0);
	}
	CHECK_INT(set_acl("/dir", access, named, sizeof(named) - 8), -EINVAL);
	CHECK_INT(set_acl("/dir", access, named, sizeof(named) - 1), -EINVAL);
	again();
	CHECK_INT(get_acl("/file", access), sizeof(named));
	CHECK(memcmp(got, named, sizeof(named)) == 0);
	CHECK_INT(get_acl("/dir", inherit), sizeof(named));
	CHECK(memcmp(got, named, sizeof(named)) == 0);
	CHECK_INT(do_chmod("/file", 04740), 0);
	CHECK_INT(get_acl("/file", access), sizeof(named));
	CHECK(got[4 + 2] == 7 && got[4 + 8 * 4 + 2] == 4 && got[4 + 8 * 5 + 2] == 0);
	CHECK_INT(got[4 + 8 * 2 + 2], 0); /* the mask is the group's class now */
	judge();
	image_tool("debugfs -R 'ea_get -f acl /dir system.posix_acl_default' image 2>&1");
	CHECK_INT(atoi(image_ask("stat -c %%s acl")), sizeof(named));
	image_mount(false);
	CHECK_INT(set_acl("/file", access, plain, sizeof(plain)), 0);
	CHECK_INT(mode_of("/file"), 04740);
	CHECK_STR(list("/file"), "");
	CHECK_INT(set_acl("/dir", inherit, NULL, 0), 0);
	CHECK_INT(set_acl("/dir", inherit, NULL, 0), 0);
	CHECK_STR(list("/dir"), "");
	judge();
}

EXT4_TEST(access_lists_of_linux_are_read)
{
	ssize_t wanted;
	char theirs[256];

	host_mkdir("acl");
	host_file("acl/file", "x");
	if (setxattr(image_path("acl/file"), "system.posix_acl_access", named, sizeof(named), 0))
		SKIP("no access lists in the folder for temporary files: %s", strerror(errno));
	wanted = getxattr(image_path("acl/file"), "system.posix_acl_access", theirs,
			  sizeof(theirs));
	CHECK_INT(wanted, sizeof(named));
	image_make("-b 1024", "16M", "acl");
	image_mount(true);
	CHECK_INT(get_acl("/file", "system.posix_acl_access"), wanted);
	CHECK(memcmp(got, theirs, (size_t)wanted) == 0);
	image_unmount();
}

/* ---- what is made begins with its directory's default list, in one step. */

EXT4_TEST(default_lists_are_inherited)
{
	const char *access = "system.posix_acl_access", *inherit = "system.posix_acl_default";
	struct dentry *d;

	for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
		start(kinds[i]);
		view.umask = 0777;
		CHECK_INT(set_acl("/dir", inherit, named, sizeof(named)), 0);
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
			CHECK_INT(get_acl("/dir/f", access), sizeof(named));
			CHECK_INT(got[4 + 8 * 4 + 2], 4); /* the mask */
			CHECK_INT(mode_of("/dir/sub"), 0651);
			CHECK_INT(get_acl("/dir/sub", inherit), sizeof(named));
			CHECK(memcmp(got, named, sizeof(named)) == 0);
			CHECK_INT(mode_of("/dir/fifo"), 0651);
			CHECK_INT(get_acl("/dir/fifo", access), sizeof(named));
			CHECK_INT(mode_of("/dir/named later"), 0600);
			CHECK_INT(get_acl("/dir/named later", access), sizeof(named));
			CHECK_STR(list("/dir/link"), "");
			CHECK_INT(mode_of("/plain/f"), 0740);
			CHECK_STR(list("/plain/f"), "");
			if (mounts == 0)
				again();
		}
		be_user(70000, 5);
		CHECK_INT(do_chmod("/dir/f", 0600), -EPERM);
		CHECK_INT(do_open("/dir/f", O_RDONLY, 0, &d), 0);
		dentry_put(d);
		CHECK_INT(do_open("/dir/f", O_WRONLY, 0, &d), -EACCES);
		be_root();
		CHECK_INT(do_unlink("/dir/f"), 0);
		judge();
	}
}

EXT4_TEST(a_file_without_room_for_its_lists_is_not_made)
{
	static uint8_t many[4 + 8 * 110];
	static char large[4096];
	unsigned int made = 0;
	uint64_t before;
	char path[32];
	int r = 0;

	memcpy(many, named, 4);
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
	judge();
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
	judge();
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
		d = walk(path);
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
			CHECK_INT(take_away(path, "system.posix_acl_access"), 0);
		}
		CHECK_INT(do_chmod(path, 0640), 0);
		dentry_put(d);
	}
	CHECK(damaged > HOSTILE_LISTS / 10 && damaged < HOSTILE_LISTS);
	CHECK_INT(image->damage, 0);
	judge();
}

/* ---- a layer. */

static struct inode *part(struct inode *root, const char *name) MAY_YIELD
{
	const struct vfs_attr attr = { .mode = S_IFDIR | 0755 };
	struct inode *inode;
	int r = root->ops->lookup(root, name, strlen(name), &inode);

	if (r == -ENOENT)
		r = root->ops->create(root, name, strlen(name), &attr, &inode);
	CHECK_INT(r, 0);
	return inode;
}

static void mount_layer(void) MAY_YIELD
{
	struct inode *root, *lower, *upper, *work, *all;
	int fd = open(image_path("lower"), O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_INT(image_try_mount(false), 0);
	CHECK_INT(ext4_root(image, &root), 0);
	upper = part(root, "upper");
	work = part(root, "work");
	inode_put(root);
	CHECK_INT(host_fs_new(fd, &lower), 0);
	CHECK_INT(overlay_fs_new(lower, upper, work, &all), 0);
	use_root(all);
}

EXT4_TEST(a_layer_is_the_same_after_another_mount)
{
	host_mkdir("lower");
	host_mkdir("lower/dir");
	host_mkdir("lower/moved");
	host_file("lower/dir/below", "hidden");
	host_file("lower/moved/inside", "text");
	host_file("lower/gone", "x");
	host_file("lower/kept", "y");
	image_make("-b 4096", "16M", NULL);
	mount_layer();
	CHECK_INT(do_unlink("/dir/below"), 0);
	CHECK_INT(do_rmdir("/dir"), 0);
	CHECK_INT(do_mkdir("/dir"), 0);
	CHECK_INT(do_create("/dir/new", 0644), 0);
	CHECK_INT(do_unlink("/gone"), 0);
	CHECK_INT(set_text("/kept", "user.x", "of the layer"), 0);
	CHECK_INT(do_chmod("/moved/inside", 0600), 0);
	for (unsigned int mounts = 0; mounts < 3; mounts++) {
		if (mounts > 0)
			mount_layer();
		CHECK_STR(names_of("/dir", 10), "new ");
		CHECK_STR(names_of("/", 10), "dir kept moved ");
		CHECK_STR(text("/kept", "user.x"), "of the layer");
		CHECK_STR(list("/dir"), "");
		CHECK_STR(text_of("/moved/inside"), "text");
		judge();
		CHECK(strstr(image_ask("debugfs -R 'ea_list /upper/dir' image 2>&1"),
			     "trusted.overlay.opaque (1) = \"y\""));
	}
}

/* ---- damage. */

/* Anything may be the answer; there must be one. */
static void use_all(uint64_t *seed) MAY_YIELD
{
	static const char *const paths[] = { "/file", "/dir", "/link" };
	static char names[4096], value[VALUE_MAX];

	for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
		struct dentry *d;
		ssize_t n;

		if (vfs_walk(&view, NULL, paths[i], 0, &d) < 0)
			continue;
		n = vfs_listxattr(&cred, dentry_inode(d), names, sizeof(names));
		CHECK(n <= (ssize_t)sizeof(names));
		for (char *name = names; n > 0 && name < names + n; name += strlen(name) + 1)
			(void)!vfs_getxattr(&cred, dentry_inode(d), name, value, sizeof(value));
		(void)!ext4_setxattr(dentry_inode(d), "user.new", value, image_random(seed, 900),
				     0);
		(void)!ext4_removexattr(dentry_inode(d), "user.a");
		dentry_put(d);
	}
	(void)!do_chmod("/file", 0600);
	(void)!do_unlink("/file");
}

EXT4_TEST(damaged_places_give_answers)
{
	static char large[601];
	unsigned int refused = 0;
	uint64_t block, inode_block;
	uint32_t at_inode;

	CHECK(freopen("/dev/null", "we", stderr) != NULL); /* each damage is told */
	fill_value(large, 600, 4);
	start("-b 1024 -O ^metadata_csum");
	CHECK_INT(set_text("/file", "user.a", "in the inode"), 0);
	CHECK_INT(set_text("/file", "user.b", large), 0);
	CHECK_INT(set_acl("/file", "system.posix_acl_access", named, sizeof(named)), 0);
	references("/file", &block);
	{
		struct dentry *d = walk("/file");
		struct cache_page *page;
		uint8_t *raw;

		CHECK_INT(ext4_inode_block(ext4_i(dentry_inode(d)), &page, &raw), 0);
		inode_block = page->index;
		at_inode = (uint32_t)(raw - (uint8_t *)page->data);
		cache_put(page);
		dentry_put(d);
	}
	judge();
	image_tool("cp image pristine");
	for (uint64_t n = 1; n <= HOSTILE_SEEDS; n++) {
		uint64_t seed = n;
		uint64_t places[] = { block * 1024, inode_block * 1024 + at_inode + 160 };
		uint32_t sizes[] = { 1024, 96 };
		int fd = open(image_path("image"), O_RDWR | O_CLOEXEC);

		for (uint32_t k = image_random(&seed, 4) + 1; k > 0; k--) {
			uint32_t where = image_random(&seed, 2);
			uint32_t at = image_random(&seed,
						   image_random(&seed, 2) ? sizes[where] : 48);
			uint8_t byte = (uint8_t)image_random(&seed, 256);

			CHECK_INT(pwrite(fd, &byte, 1, (off_t)(places[where] + at)), 1);
		}
		CHECK_INT(close(fd), 0);
		image_mount(false);
		use_all(&seed);
		refused += image->damage != 0;
		(void)!image_try_unmount();
		image_tool("cp pristine image");
	}
	CHECK(refused > HOSTILE_SEEDS / 20 && refused < HOSTILE_SEEDS);
}

static const struct test tests[] = {
	TEST_LONG(what_is_set_is_there, 60),
	TEST_LONG(debugfs_sees_the_same_and_we_see_its, 60),
	TEST(errors_are_those_of_xattr_7),
	TEST(a_full_disk_changes_nothing),
	TEST_LONG(random_changes_are_those_of_a_model, 60),
	TEST(a_shared_block_is_not_changed),
	TEST(access_lists_are_translated),
	TEST(access_lists_of_linux_are_read),
	TEST_LONG(default_lists_are_inherited, 60),
	TEST(a_file_without_room_for_its_lists_is_not_made),
	TEST(any_bytes_of_a_disk_are_a_list_or_damage),
	TEST_LONG(damaged_lists_let_nobody_in_but_who_needs_no_list, 60),
	TEST_LONG(a_layer_is_the_same_after_another_mount, 30),
	TEST_LONG(damaged_places_give_answers, 120),
};
TEST_MAIN(tests)

/*
 * test_xattr.c - extended attributes in an image: ext4.h (xattr.c), xattr_area.h. After
 * each test e2fsck finds nothing, debugfs sees the same, and so do we after another mount.
 */
#include "test/ext4/attributes.h"

#include "vfs/ext4/xattr.h"

#include <sys/xattr.h>

#define VALUE_MAX 4096u
#define MODEL_FILES 4u
#define MODEL_NAMES 14u
#define MODEL_STEPS 1500u
#define HOSTILE_SEEDS (test_sanitized ? 150u : 600u)

/* ---- plain use. */

EXT4_TEST(what_is_set_is_there)
{
	static char large[601];

	attr_fill(large, 600, 1);
	for (size_t i = 0; i < ATTR_KINDS; i++) {
		attr_start(attr_kinds[i]);
		CHECK_INT(attr_set_text("/file", "user.short", "one"), 0);
		CHECK_INT(attr_set_text("/file", "user.large", large), 0);
		CHECK_INT(attr_set_text("/file", "trusted.t", "two"), 0);
		CHECK_INT(attr_set_text("/file", "security.s", ""), 0);
		CHECK_INT(attr_set_text("/file", "user.\303\244\377", "letters"), 0);
		CHECK_INT(attr_set_text("/dir", "user.of dir", "three"), 0);
		CHECK_INT(attr_set_text("/link", "trusted.of link", large), 0);
		attr_again();
		CHECK_STR(attr_list_of("/file"),
			  "security.s trusted.t user.large user.short user.\303\244\377 ");
		CHECK_STR(attr_text("/file", "user.short"), "one");
		CHECK_STR(attr_text("/file", "user.large"), large);
		CHECK_STR(attr_text("/file", "trusted.t"), "two");
		CHECK_STR(attr_text("/file", "security.s"), "");
		CHECK_STR(attr_text("/file", "user.\303\244\377"), "letters");
		CHECK_STR(attr_text("/dir", "user.of dir"), "three");
		CHECK_STR(attr_text("/link", "trusted.of link"), large);
		CHECK_STR(text_of("/link"), "");
		CHECK_INT(attr_set_text("/file", "user.large", "small now"), 0);
		CHECK_INT(attr_set_text("/file", "user.short", large), 0);
		CHECK_INT(attr_take_away("/file", "user.\303\244\377"), 0);
		attr_again();
		CHECK_STR(attr_text("/file", "user.large"), "small now");
		CHECK_STR(attr_text("/file", "user.short"), large);
		CHECK_INT(attr_take_away("/file", "user.large"), 0);
		CHECK_INT(attr_take_away("/file", "user.short"), 0);
		CHECK_INT(attr_take_away("/file", "trusted.t"), 0);
		CHECK_INT(attr_take_away("/file", "security.s"), 0);
		CHECK_STR(attr_list_of("/file"), "");
		attr_judge();
	}
}

EXT4_TEST(debugfs_sees_the_same_and_we_see_its)
{
	static char large[501];

	attr_fill(large, 500, 3);
	for (size_t i = 0; i < ATTR_KINDS; i++) {
		attr_start(attr_kinds[i]);
		CHECK_INT(attr_set_text("/file", "user.a", "in the inode?"), 0);
		CHECK_INT(attr_set_text("/file", "user.b", large), 0);
		attr_judge();
		CHECK(strstr(image_ask("debugfs -R 'ea_list /file' image 2>&1"),
			     "user.a (13) = \"in the inode?\""));
		image_tool("debugfs -R 'ea_get -f value /file user.b' image 2>&1");
		CHECK_STR(image_ask("cat value"), large);
		image_tool("printf '%%400s' other > value; debugfs -w -R 'ea_set -f value /dir "
			   "user.theirs' image 2>&1");
		image_mount(false);
		CHECK_INT(attr_get("/dir", "user.theirs", 0), 400);
		CHECK_INT(attr_set_text("/dir", "user.ours", "beside it"), 0);
		CHECK_INT(attr_get("/dir", "user.theirs", 400), 400);
		attr_judge();
		CHECK(strstr(image_ask("debugfs -R 'ea_list /dir' image 2>&1"),
			     "user.ours (9) = \"beside it\""));
	}
}

EXT4_TEST(errors_are_those_of_xattr_7)
{
	static char huge[VFS_XATTR_SIZE_MAX + 2], name[300];
	struct vfs_attr before, after;

	attr_start("-b 4096");
	CHECK_INT(attr_get("/file", "user.none", 10), -ENODATA);
	CHECK_INT(attr_take_away("/file", "user.none"), -ENODATA);
	CHECK_INT(attr_set("/file", "user.x", "1", 1, XATTR_REPLACE), -ENODATA);
	CHECK_INT(attr_set("/file", "user.x", "12", 2, XATTR_CREATE), 0);
	CHECK_INT(attr_set("/file", "user.x", "1", 1, XATTR_CREATE), -EEXIST);
	CHECK_INT(attr_get("/file", "user.x", 1), -ERANGE);
	CHECK_INT(attr_get("/file", "user.x", 0), 2);
	CHECK_INT(attr_set("/file", "user.huge", huge, VFS_XATTR_SIZE_MAX + 1, 0), -E2BIG);
	CHECK_INT(attr_set("/file", "user.huge", huge, 5000, 0), -ENOSPC);
	CHECK_STR(attr_list_of("/file"), "user.x ");
	CHECK_INT(attr_get("/file", "system.none", 10), -EOPNOTSUPP);
	memset(name, 'n', sizeof(name) - 1);
	memcpy(name, "user.", 5);
	CHECK_INT(attr_set("/file", name, "1", 1, 0), -ERANGE);
	name[255] = '\0';
	CHECK_INT(attr_set("/file", name, "long", 4, 0), 0);
	CHECK_STR(attr_text("/file", name), "long");
	CHECK_INT(do_lstat("/file", &before), 0);
	CHECK_INT(attr_take_away("/file", name), 0);
	CHECK_INT(do_lstat("/file", &after), 0);
	CHECK(before.blocks == 8 && after.blocks == 0);
	{
		struct dentry *d = attr_walk("/file");

		CHECK_INT(vfs_listxattr(&cred, dentry_inode(d), attr_got, 6), -ERANGE);
		CHECK_INT(vfs_listxattr(&cred, dentry_inode(d), attr_got, 0), 7);
		ext4_i(dentry_inode(d))->flags |= EXT4_IMMUTABLE_FL;
		dentry_put(d);
		CHECK_INT(attr_set_text("/file", "user.x", "no"), -EPERM);
		CHECK_INT(attr_take_away("/file", "user.x"), -EPERM);
		d = attr_walk("/file");
		ext4_i(dentry_inode(d))->flags &= ~EXT4_IMMUTABLE_FL;
		dentry_put(d);
	}
	attr_judge();
	image_mount(true);
	CHECK_STR(attr_text("/file", "user.x"), "12");
	CHECK_INT(attr_set_text("/file", "user.x", "no"), -EROFS);
	image_unmount();
}

EXT4_TEST(a_full_disk_changes_nothing)
{
	static char large[801];
	char path[32];
	unsigned int made = 0, written = 0;

	attr_fill(large, 800, 2);
	image_make("-b 1024 -m 0 -N 64 -O ^has_journal", "300", NULL);
	image_mount(false);
	for (; made < 12; made++) {
		snprintf(path, sizeof(path), "/f%u", made);
		if (do_create(path, 0644) < 0)
			break;
		CHECK_INT(attr_set_text(path, "user.small", "s"), 0);
	}
	CHECK_INT(do_create("/filler", 0644), 0);
	while (do_write("/filler", large, 800u * written) == 800)
		written++;
	CHECK(written > 10);
	for (unsigned int i = 0; i < made; i++) {
		int r;

		snprintf(path, sizeof(path), "/f%u", i);
		r = attr_set_text(path, "user.large", large);
		CHECK(r == 0 || r == -ENOSPC);
		if (r == 0)
			continue;
		CHECK_STR(attr_list_of(path), "user.small ");
		CHECK_STR(attr_text(path, "user.small"), "s");
	}
	CHECK_STR(attr_list_of(path), "user.small "); /* the last one found none */
	attr_judge();
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

			CHECK_INT(attr_get(model_path(f), model_name(n), sizeof(attr_got) - 1),
				  size < 0 ? -ENODATA : size);
			if (size < 0)
				continue;
			attr_fill(wanted, (size_t)size, model[f][n].number);
			CHECK_STR(attr_got, wanted);
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
		CHECK_INT(attr_take_away(model_path(f), model_name(n)),
			  model[f][n].size < 0 ? -ENODATA : 0);
		model[f][n].size = -1;
		return;
	}
	attr_fill(value, (size_t)size, number);
	r = attr_set(model_path(f), model_name(n), value, (size_t)size, 0);
	CHECK(r == 0 || r == -ENOSPC);
	if (r == 0) {
		model[f][n].size = size;
		model[f][n].number = number;
	}
}

EXT4_TEST(random_changes_are_those_of_a_model)
{
	for (size_t i = 0; i < ATTR_KINDS; i++) {
		uint64_t seed = 100 + i;

		image_make(attr_kinds[i], "16M", NULL);
		image_mount(false);
		memset(model, 0xff, sizeof(model));
		for (uint32_t f = 0; f < MODEL_FILES; f++)
			CHECK_INT(do_create(model_path(f), 0644), 0);
		for (unsigned int step = 0; step < MODEL_STEPS; step++) {
			model_step(&seed);
			if (step % 500 == 499) {
				check_model();
				attr_again();
			}
		}
		check_model();
		for (uint32_t f = 0; f < MODEL_FILES; f++)
			CHECK_INT(do_unlink(model_path(f)), 0);
		attr_judge();
	}
}

/* ---- blocks that inodes share. */

static uint32_t references(const char *path, uint64_t *ret_block) MAY_YIELD
{
	struct dentry *d = attr_walk(path);
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
	struct dentry *from = attr_walk("/file"), *to = attr_walk(path);
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

	attr_fill(large, 700, 5);
	attr_start("-b 1024");
	CHECK_INT(do_create("/second", 0644), 0);
	CHECK_INT(do_create("/third", 0644), 0);
	CHECK_INT(attr_set_text("/file", "user.large", large), 0);
	share("/second");
	share("/third");
	attr_again();
	CHECK_INT(references("/file", &block), 3);
	CHECK_STR(attr_text("/third", "user.large"), large);
	CHECK_INT(attr_set_text("/second",
				"trusted.not in the inode, as there is little room left "
				"in there when names are long, and so are values",
				"x"),
		  0);
	CHECK_INT(references("/second", &other), 1);
	CHECK(other != block);
	CHECK_STR(attr_text("/second", "user.large"), large);
	CHECK_INT(references("/file", &block), 2);
	attr_again();
	CHECK_INT(do_unlink("/third"), 0);
	attr_again();
	CHECK_INT(references("/file", &block), 1);
	CHECK_INT(do_symlink("x", "/third link"), 0);
	share("/third link");
	CHECK_INT(attr_take_away("/file", "user.large"), 0);
	CHECK_INT(references("/third link", &other), 1);
	CHECK(other == block);
	CHECK_INT(references("/file", &other), 0);
	attr_again();
	CHECK_INT(do_unlink("/third link"), 0);
	attr_judge();
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
	CHECK_INT(attr_set_text("/kept", "user.x", "of the layer"), 0);
	CHECK_INT(do_chmod("/moved/inside", 0600), 0);
	for (unsigned int mounts = 0; mounts < 3; mounts++) {
		if (mounts > 0)
			mount_layer();
		CHECK_STR(names_of("/dir", 10), "new ");
		CHECK_STR(names_of("/", 10), "dir kept moved ");
		CHECK_STR(attr_text("/kept", "user.x"), "of the layer");
		CHECK_STR(attr_list_of("/dir"), "");
		CHECK_STR(text_of("/moved/inside"), "text");
		attr_judge();
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
	attr_fill(large, 600, 4);
	attr_start("-b 1024 -O ^metadata_csum");
	CHECK_INT(attr_set_text("/file", "user.a", "in the inode"), 0);
	CHECK_INT(attr_set_text("/file", "user.b", large), 0);
	CHECK_INT(attr_set("/file", VFS_XATTR_ACL_ACCESS, &attr_list, sizeof(attr_list), 0), 0);
	references("/file", &block);
	{
		struct dentry *d = attr_walk("/file");
		struct cache_page *page;
		uint8_t *raw;

		CHECK_INT(ext4_inode_block(ext4_i(dentry_inode(d)), &page, &raw), 0);
		inode_block = page->index;
		at_inode = (uint32_t)(raw - (uint8_t *)page->data);
		cache_put(page);
		dentry_put(d);
	}
	attr_judge();
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
	TEST_LONG(a_layer_is_the_same_after_another_mount, 30),
	TEST_LONG(damaged_places_give_answers, 120),
};
TEST_MAIN(tests)

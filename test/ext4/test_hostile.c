/*
 * test_hostile.c - an image is input like any other (ext4.h, Hostile): whatever its metadata
 * says, mounting it and using it ends, with an answer, and touches nothing outside.
 *
 * A small image has a few of its numbers changed, in the superblock, descriptors, bitmaps,
 * inodes, directories and their trees, extent trees and the journal; half of the time with
 * checksums made right again, as who attacks would. Then it is mounted, walked, read,
 * written and unmounted. The sanitizers judge.
 *
 * EXT4_SEED=n repeats one seed and tells what it does; EXT4_SEEDS=n does n of them.
 */
#include "test/ext4/image.h"

#include "device/disk.h"
#include "vfs/ext4/dir.h"
#include "vfs/ext4/extent.h"

#include <linux/falloc.h>

#define SEEDS (test_sanitized ? 150u : 400u)
#define TARGETS_MAX 4096u
#define VISITS_MAX 400u
#define READS_MAX 12u

enum kind { SUPER, DESCRIPTOR, BITMAP, INODE, NAMES, EXTENTS, JOURNAL, KINDS };

/* A piece of metadata. */
struct target {
	enum kind kind;
	uint64_t at; /* bytes */
	uint32_t size;
	uint32_t owner; /* inode, or group */
	bool of_inodes;
};

static uint64_t seed;
static struct target targets[TARGETS_MAX];
static uint32_t target_count;
static uint8_t *pristine, *bytes;
static size_t image_size;
static struct ext4 constants; /* what checksums need, of the pristine image */
static bool verbose;

static uint32_t pick(uint32_t below)
{
	return image_random(&seed, below);
}

/* ---- what there is to change. */

static void add_target(enum kind kind, uint64_t at, uint32_t size, uint32_t owner)
{
	if (target_count < TARGETS_MAX)
		targets[target_count++] =
			(struct target){ .kind = kind, .at = at, .size = size, .owner = owner };
}

static void add_extents(const struct ext4_inode *inode)
{
	uint64_t child;

	if (!(inode->flags & EXT4_EXTENTS_FL) || inode->block[6] == 0)
		return;
	child = extent_child(inode->block, 0);
	add_target(EXTENTS, child << inode->fs->block_shift, inode->fs->block_size, inode->number);
}

static void add_inode(struct ext4_inode *inode) MAY_YIELD
{
	const struct ext4 *fs = inode->fs;
	uint32_t group = ext4_group_of_inode(fs, inode->number);
	uint64_t table = fs->groups[group].inode_table << fs->block_shift;

	add_target(INODE,
		   table + (uint64_t)((inode->number - 1) % fs->inodes_per_group) * fs->inode_size,
		   fs->inode_size, inode->number);
	add_extents(inode);
	if (!S_ISDIR(inode->mode))
		return;
	for (uint32_t i = 0; i < dir_block_count(inode); i++) {
		struct ext4_run run;

		CHECK_INT(ext4_map(inode, i, 1, &run), 0);
		add_target(NAMES, run.physical << fs->block_shift, fs->block_size, inode->number);
	}
}

static bool is_used(uint32_t number) MAY_YIELD
{
	uint32_t bit = (number - 1) % image->inodes_per_group;
	struct cache_page *page;
	bool used;

	if (number < image->first_inode && number != EXT4_ROOT_NUMBER &&
	    number != EXT4_RESIZE_NUMBER && number != EXT4_JOURNAL_NUMBER)
		return false;
	CHECK_INT(ext4_inode_bitmap(image, ext4_group_of_inode(image, number), &page), 0);
	used = ((const uint8_t *)page->data)[bit / 8] >> bit % 8 & 1;
	cache_put(page);
	return used;
}

static void find_targets(void) MAY_YIELD
{
	struct ext4 *fs = image;

	target_count = 0;
	for (unsigned int i = 0; i < 8; i++)
		add_target(SUPER, EXT4_SUPER_OFFSET, EXT4_SUPER_SIZE, 0);
	for (uint32_t g = 0; g < fs->group_count; g++) {
		uint64_t block = ext4_descriptor_block(fs, g) << fs->block_shift;

		add_target(DESCRIPTOR, block + g % fs->descriptors_per_block * fs->descriptor_size,
			   fs->descriptor_size, g);
		add_target(BITMAP, fs->groups[g].block_bitmap << fs->block_shift, fs->block_size,
			   g);
		add_target(BITMAP, fs->groups[g].inode_bitmap << fs->block_shift, fs->block_size,
			   g);
		targets[target_count - 1].of_inodes = true;
	}
	for (uint32_t n = EXT4_ROOT_NUMBER; n < fs->inode_count; n++) {
		struct ext4_inode *inode;

		if (!is_used(n) || ext4_iget(fs, n, &inode) < 0)
			continue;
		add_inode(inode);
		if (n == EXT4_JOURNAL_NUMBER) {
			struct ext4_run run;

			for (uint32_t i = 0; i < 60; i++)
				if (ext4_map(inode, i < 20 ? 0 : i - 20, 1, &run) == 0)
					add_target(JOURNAL, run.physical << fs->block_shift,
						   fs->block_size, 0);
		}
		inode_put(&inode->inode);
	}
	constants = *fs;
}

/* ---- checksums made right. */

static uint32_t get32(uint64_t at)
{
	uint32_t value;

	memcpy(&value, bytes + at, sizeof(value));
	return value;
}

static uint64_t inode_offset(uint32_t number)
{
	for (uint32_t i = 0; i < target_count; i++)
		if (targets[i].kind == INODE && targets[i].owner == number)
			return targets[i].at;
	return 0;
}

static uint32_t seed_of(uint32_t number)
{
	return ext4_inode_seed(
		&constants, number,
		get32(inode_offset(number) + offsetof(struct ext4_disk_inode, generation)));
}

static void fix_descriptor(uint32_t group)
{
	for (uint32_t i = 0; i < target_count; i++) {
		struct ext4_descriptor *d =
			(struct ext4_descriptor *)(void *)(bytes + targets[i].at);

		if (targets[i].kind == DESCRIPTOR && targets[i].owner == group)
			d->checksum = ext4_descriptor_checksum(&constants, group, d);
	}
}

static void fix_bitmap(const struct target *t)
{
	uint32_t count = t->of_inodes ? constants.inodes_per_group : constants.blocks_per_group;
	uint32_t crc = ext4_crc32c(constants.checksum_seed, bytes + t->at, count / 8);

	for (uint32_t i = 0; i < target_count; i++) {
		struct ext4_descriptor *d =
			(struct ext4_descriptor *)(void *)(bytes + targets[i].at);

		if (targets[i].kind != DESCRIPTOR || targets[i].owner != t->owner)
			continue;
		if (t->of_inodes) {
			d->inode_bitmap_checksum_low = (uint16_t)crc;
			d->inode_bitmap_checksum_high = (uint16_t)(crc >> 16);
		} else {
			d->block_bitmap_checksum_low = (uint16_t)crc;
			d->block_bitmap_checksum_high = (uint16_t)(crc >> 16);
		}
	}
	fix_descriptor(t->owner);
}

static void fix_names(const struct target *t)
{
	uint32_t size = constants.block_size, crc = seed_of(t->owner);
	struct ext4_dir_tail *tail =
		(struct ext4_dir_tail *)(void *)(bytes + t->at + size - sizeof(*tail));
	bool root = get32(t->at + 12) != 0 && bytes[t->at + 0x1d] == 8;
	const struct ext4_index_count *count =
		(const struct ext4_index_count *)(void *)(bytes + t->at + (root ? 32 : 8));
	uint32_t offset = root ? 32 : 8;
	const uint32_t zero[2] = { 0, 0 };

	if (tail->type == EXT4_DIR_TAIL_TYPE && tail->size == 12) {
		tail->checksum = ext4_crc32c(crc, bytes + t->at, size - (uint32_t)sizeof(*tail));
	} else if (offset + count->limit * 8u + 8 <= size && count->count <= count->limit) {
		crc = ext4_crc32c(crc, bytes + t->at, offset + count->count * 8u);
		crc = ext4_crc32c(crc, zero, sizeof(zero));
		memcpy(bytes + t->at + offset + count->limit * 8u + 4, &crc, sizeof(crc));
	}
}

static void fix_inode(const struct target *t)
{
	struct ext4_disk_inode *d = (struct ext4_disk_inode *)(void *)(bytes + t->at);
	uint32_t crc = ext4_inode_checksum(&constants, seed_of(t->owner), bytes + t->at);

	d->checksum_low = (uint16_t)crc;
	if (d->extra_size >= 4)
		d->checksum_high = (uint16_t)(crc >> 16);
}

static void fix(const struct target *t)
{
	struct ext4_super *super = (struct ext4_super *)(void *)(bytes + EXT4_SUPER_OFFSET);
	uint32_t crc;

	switch (t->kind) {
	case SUPER:
		super->checksum = ext4_crc32c(~0u, super, offsetof(struct ext4_super, checksum));
		break;
	case DESCRIPTOR:
		fix_descriptor(t->owner);
		break;
	case BITMAP:
		fix_bitmap(t);
		break;
	case INODE:
		fix_inode(t);
		break;
	case NAMES:
		fix_names(t);
		break;
	case EXTENTS:
		crc = ext4_crc32c(seed_of(t->owner), bytes + t->at,
				  12 + 12 * (constants.block_size / 12 - 1));
		memcpy(bytes + t->at + 12 + 12 * (constants.block_size / 12 - 1), &crc, 4);
		break;
	case JOURNAL:
	case KINDS:
		break;
	}
}

/* ---- changes. */

static uint32_t interesting(void)
{
	const uint32_t values[] = {
		0,
		1,
		2,
		7,
		8,
		0xff,
		0x100,
		0x7fff,
		0x8000,
		0xffff,
		0x10000,
		0x7fffffff,
		0x80000000,
		0xffffffff,
		(uint32_t)constants.block_count,
		(uint32_t)constants.block_count - 1,
		constants.inode_count,
		constants.inode_count + 1,
		constants.first_inode,
		constants.block_size,
		constants.block_size - 12,
		constants.inodes_per_group,
	};
	uint32_t which = pick(ARRAY_COUNT(values) + 3);

	if (which < ARRAY_COUNT(values))
		return values[which];
	/* Another block of metadata, another inode, any small number. */
	if (which == ARRAY_COUNT(values))
		return (uint32_t)(targets[pick(target_count)].at / constants.block_size);
	return which == ARRAY_COUNT(values) + 1 ? pick(constants.inode_count) : pick(300);
}

static uint32_t pick_offset(const struct target *t)
{
	/* What is at the beginning matters most. */
	uint32_t within = t->size;

	if (t->kind == NAMES || t->kind == EXTENTS || t->kind == JOURNAL)
		within = pick(2) ? 64 : t->size;
	if (t->kind == SUPER && pick(2))
		within = 0x170;
	if (t->kind == INODE && pick(3))
		within = 0xa0;
	return pick(within);
}

static void change(void)
{
	const struct target *t = &targets[pick(target_count)];
	uint32_t offset = pick_offset(t), value = interesting();
	uint32_t width = 1u << pick(3);

	/* Every kind as often as the others. */
	for (enum kind wanted = pick(KINDS); t->kind != wanted && pick(50);)
		t = &targets[pick(target_count)];
	offset = pick_offset(t) / width * width;
	if (offset + width > t->size)
		offset = 0;
	if (pick(4) == 0)
		value = get32(t->at + offset / 4 * 4) ^ 1u << pick(32);
	if (t->kind == JOURNAL) /* which has its numbers the other way round */
		value = __builtin_bswap32(value) >> (32 - 8 * width);
	memcpy(bytes + t->at + offset, &value, width);
	if (pick(5) == 0) { /* a copy of other metadata */
		const struct target *from = &targets[pick(target_count)];

		memmove(bytes + t->at, bytes + from->at,
			from->size < t->size ? from->size : t->size);
	}
	if (pick(4))
		fix(t);
	if (verbose)
		fprintf(stderr, "# kind %d at %llu + %u: %#x\n", t->kind, (unsigned long long)t->at,
			offset, value);
}

/* ---- use. */

struct listing {
	char names[64][EXT4_NAME_MAX + 1];
	unsigned int count;
};

static int take_name(void *ctx, const struct vfs_dirent *entry)
{
	struct listing *l = ctx;

	if (l->count == ARRAY_COUNT(l->names))
		return 1;
	/* Of long directories, not always the first. */
	if (l->count > 8 && pick(3))
		return 0;
	CHECK(entry->name_len >= 1 && entry->name_len <= EXT4_NAME_MAX);
	memcpy(l->names[l->count], entry->name, entry->name_len);
	l->names[l->count++][entry->name_len] = '\0';
	return 0;
}

static char *buffer;

static void read_some(struct dentry *d, uint64_t size) MAY_YIELD
{
	for (unsigned int i = 0; i < READS_MAX; i++) {
		uint64_t at = size > 4096 && i > 4 ? (uint64_t)pick(UINT32_MAX) * 65599 % size
						   : i * 4000u;

		(void)!vfs_read(dentry_inode(d), buffer, 5000, at);
	}
	(void)!vfs_seek_data(dentry_inode(d), pick(100000), pick(2) ? SEEK_HOLE : SEEK_DATA);
}

static void change_file(struct dentry *d) MAY_YIELD
{
	struct inode *inode = dentry_inode(d);

	if (pick(2))
		(void)!vfs_write(inode, buffer, pick(9000), pick(200000));
	if (pick(4) == 0)
		(void)!vfs_truncate(&cred, inode, pick(2) ? pick(300000) : 0, true);
	if (pick(4) == 0)
		(void)!vfs_fallocate(inode,
				     pick(2) ? FALLOC_FL_KEEP_SIZE
					     : FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
				     pick(100000), 1 + pick(50000));
	if (pick(4) == 0)
		(void)!vfs_fallocate(inode,
				     pick(2) ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE,
				     pick(24) * 4096, (1 + pick(12)) * 4096);
	if (pick(4) == 0)
		(void)!vfs_sync(inode, pick(2));
}

static void change_names(const char *dir, const char *name) MAY_YIELD
{
	char *path, *other;

	CHECK(asprintf(&path, "%s/%s", dir, name) > 0);
	CHECK(asprintf(&other, "%s/new_%u%0*u", dir, pick(40), (int)pick(200), 1) > 0);
	switch (pick(9)) {
	case 0:
		(void)!do_unlink(path);
		break;
	case 1:
		(void)!do_rmdir(path);
		break;
	case 2:
		(void)!do_rename(path, other, 0);
		break;
	case 3:
		(void)!do_link(path, other);
		break;
	case 4:
		(void)!do_symlink(dir, other);
		break;
	case 5:
		(void)!do_mkdir(other);
		break;
	case 6:
		(void)!do_rename(other, path, 0);
		break;
	case 7:
		(void)!do_chmod(path, pick(01000));
		break;
	default:
		(void)!do_create(other, 0644);
		break;
	}
	free(path);
	free(other);
}

static void use_dir(const char *path, struct dentry *d, unsigned int *visits) MAY_YIELD;

static void use_one(const char *dir, const char *name, unsigned int *visits) MAY_YIELD
{
	struct vfs_attr attr;
	struct dentry *d;
	char *path;

	CHECK(asprintf(&path, "%s/%s", dir, name) > 0);
	if (strlen(path) < 3000 && vfs_walk(&view, NULL, path, 0, &d) == 0) {
		if (vfs_getattr(dentry_inode(d), &attr) == 0 && S_ISREG(attr.mode)) {
			read_some(d, attr.size);
			change_file(d);
		} else if (S_ISLNK(dentry_inode(d)->type)) {
			(void)!vfs_readlink(dentry_inode(d), buffer, 5000);
		} else if (S_ISDIR(dentry_inode(d)->type)) {
			use_dir(path, d, visits);
		}
		dentry_put(d);
	}
	free(path);
}

static void use_dir(const char *path, struct dentry *d, unsigned int *visits)
{
	struct listing *l = calloc(1, sizeof(*l));
	uint64_t cursor = 0;

	CHECK(l != NULL);
	(void)!vfs_readdir(dentry_inode(d), &cursor, take_name, l);
	for (unsigned int i = 0; i < l->count && ++*visits < VISITS_MAX; i++) {
		use_one(path, l->names[i], visits);
		if (pick(3) == 0)
			change_names(path, l->names[i]);
	}
	free(l);
}

static void use_image(bool read_only) MAY_YIELD
{
	const struct ext4_mount_options options = { .read_only = read_only };
	unsigned int visits = 0;
	struct inode *root;
	int r;

	CHECK_INT(disk_open_memory(image_size, &image_disk), 0);
	CHECK_INT(disk_write(image_disk, bytes, image_size, 0), 0);
	r = ext4_mount(image_disk, &options, &image, &image_report);
	if (verbose)
		fprintf(stderr, "# mount: %s: %s\n", strerror(-r), image_report.text);
	if (r < 0) {
		CHECK(image_report.text[0] != '\0'); /* it says why */
	} else {
		CHECK(image_report.read_only == read_only || image_report.text[0] != '\0');
		if (ext4_root(image, &root) == 0) {
			use_root(root);
			use_dir("", view.root, &visits);
			(void)!ext4_sync_fs(image);
			drop_root();
		}
		(void)!ext4_unmount(image);
	}
	image = NULL;
	disk_close(image_disk);
	image_disk = NULL;
}

static uint64_t number_in(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void run_seeds(void) MAY_YIELD
{
	uint64_t first = number_in("EXT4_SEED", 1);
	uint64_t last = number_in("EXT4_SEED", number_in("EXT4_SEEDS", SEEDS));

	verbose = getenv("EXT4_SEED") != NULL;
	buffer = calloc(1, 10000);
	bytes = malloc(image_size);
	CHECK(buffer && bytes);
	/* Each image says once that it is damaged: nobody wants to read that a thousand times. */
	if (!verbose)
		CHECK(freopen("/dev/null", "we", stderr) != NULL);
	for (uint64_t number = first; number <= last; number++) {
		seed = number * 2654435761u + 99;
		memcpy(bytes, pristine, image_size);
		for (unsigned int i = 1 + pick(6); i > 0; i--)
			change();
		use_image(pick(4) == 0);
	}
	free(buffer);
	free(bytes);
	free(pristine);
}

static void take_pristine(void) MAY_YIELD
{
	struct disk_info info;

	disk_info(image_disk, &info);
	image_size = info.size;
	pristine = malloc(image_size);
	CHECK(pristine != NULL);
	CHECK_INT(disk_read(image_disk, pristine, image_size, 0), 0);
}

static void make_base(const char *options, const char *size) MAY_YIELD
{
	char path[64];

	image_sample("tree", 1);
	image_tool("rm -f tree/data_[3-9] tree/many/*");
	image_make(options, size, "tree");
	image_mount(false);
	for (unsigned int i = 0; i < 150; i++) {
		snprintf(path, sizeof(path), "/many/some_name_%u", i);
		CHECK_INT(do_create(path, 0644), 0);
	}
	/* With so many holes that its extents need a block. */
	CHECK_INT(do_create("/holes", 0644), 0);
	for (unsigned int i = 0; i < 20; i++)
		CHECK_INT(do_write("/holes", "x", i * 20000), 1);
	CHECK_INT(ext4_sync_fs(image), 0);
}

EXT4_TEST(damaged_images_in_blocks_of_1024_do_no_harm)
{
	make_base("-b 1024 -N 512 -g 1024 -J size=1", "4M");
	image_unmount();
	image_mount(true);
	find_targets();
	take_pristine();
	image_unmount();
	run_seeds();
}

EXT4_TEST(damaged_images_in_blocks_of_4096_do_no_harm)
{
	make_base("-b 4096 -N 512 -O ^has_journal", "4M");
	image_unmount();
	image_mount(true);
	find_targets();
	take_pristine();
	image_unmount();
	run_seeds();
}

EXT4_TEST(damaged_images_without_checksums_do_no_harm)
{
	make_base("-b 1024 -N 512 -g 1024 -J size=1 -O ^metadata_csum", "4M");
	image_unmount();
	image_mount(true);
	find_targets();
	take_pristine();
	image_unmount();
	run_seeds();
}

/* As after a crash: the journal is to be replayed. */
EXT4_TEST(damaged_images_with_a_full_journal_do_no_harm)
{
	make_base("-b 1024 -N 512 -g 1024 -J size=1", "4M");
	find_targets();
	take_pristine();
	image_unmount();
	run_seeds();
}

static const struct test tests[] = {
	TEST_LONG(damaged_images_in_blocks_of_1024_do_no_harm, 120),
	TEST_LONG(damaged_images_in_blocks_of_4096_do_no_harm, 120),
	TEST_LONG(damaged_images_without_checksums_do_no_harm, 120),
	TEST_LONG(damaged_images_with_a_full_journal_do_no_harm, 120),
};
TEST_MAIN(tests)

/*
 * test_names_crash.c - when the power goes, what is found is the tree as it was after one of
 * the operations: after the last that was synced, or a later one; never something between
 * two (names.h, Order). Files that were open without a name are gone, blocks and all. The
 * journal is replayed by us and by e2fsck, and e2fsck finds nothing after either.
 *
 * EXT4_CRASHES=n judges about n images a test; EXT4_SEED=n begins with another seed.
 */
#include "test/ext4/image.h"

#include "task/sched.h"
#include "vfs/acl.h"

#define STEPS 250u
#define NAMES 30u
#define OPEN 4u
#define NAMED 90u /* users in the longest list: more than fit into an inode */
#define CRASHES (test_sanitized ? 40u : 120u)
#define COMMIT_NS UINT64_C(6000000000)

static uint64_t seed;
static uint64_t states[STEPS + 1]; /* the tree after each step, as a number */
static struct dentry *open_files[OPEN];

static uint32_t pick(uint32_t below)
{
	return image_random(&seed, below);
}

static uint64_t mix(uint64_t hash, const void *from, size_t size)
{
	const uint8_t *bytes = from;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	return hash;
}

/* ---- a tree as a number: names, kinds, links, what links lead to, and access lists. */

struct listing {
	char *names[256];
	unsigned int count;
};

static int take_name(void *ctx, const struct vfs_dirent *entry)
{
	struct listing *l = ctx;

	CHECK(l->count < ARRAY_COUNT(l->names));
	l->names[l->count++] = strndup(entry->name, entry->name_len);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static uint64_t lists_of(const char *path, uint64_t hash) MAY_YIELD
{
	static const char *const names[] = { VFS_XATTR_ACL_ACCESS, VFS_XATTR_ACL_DEFAULT };
	static char value[4096];
	struct dentry *d;

	CHECK_INT(vfs_walk(&view, NULL, path, 0, &d), 0);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		ssize_t n = vfs_getxattr(&cred, dentry_inode(d), names[i], value, sizeof(value));

		CHECK(n >= 0 || n == -ENODATA || n == -EOPNOTSUPP);
		hash = mix(hash, value, n < 0 ? 0 : (size_t)n);
	}
	dentry_put(d);
	return hash;
}

static uint64_t tree_of(const char *path, uint64_t hash) MAY_YIELD
{
	struct listing *l = calloc(1, sizeof(*l));
	uint64_t cursor = 0;
	struct dentry *d;

	CHECK(l != NULL);
	CHECK_INT(vfs_walk(&view, NULL, *path ? path : "/", 0, &d), 0);
	CHECK_INT(vfs_readdir(dentry_inode(d), &cursor, take_name, l), 0);
	dentry_put(d);
	qsort(l->names, l->count, sizeof(l->names[0]), by_text);
	for (unsigned int i = 0; i < l->count; i++) {
		struct vfs_attr a;
		char *child, text[1024];
		int len;

		CHECK(asprintf(&child, "%s/%s", path, l->names[i]) > 0);
		CHECK_INT(do_lstat(child, &a), 0);
		len = snprintf(text, sizeof(text), "%s %o %u\n", child, a.mode, a.nlink);
		hash = lists_of(child, mix(hash, text, (size_t)len));
		if (S_ISLNK(a.mode)) {
			CHECK_INT(vfs_walk(&view, NULL, child, 0, &d), 0);
			len = vfs_readlink(dentry_inode(d), text, sizeof(text));
			CHECK(len > 0);
			hash = mix(hash, text, (size_t)len);
			dentry_put(d);
		}
		if (S_ISDIR(a.mode))
			hash = tree_of(child, hash);
		free(child);
		free(l->names[i]);
	}
	free(l);
	return hash;
}

/* ---- what is done. */

static void pick_path(char *path)
{
	uint32_t number = pick(NAMES);

	if (pick(3) == 0)
		path += sprintf(path, "/dir%u", pick(2));
	if (number < 2)
		sprintf(path, "/dir%u", number);
	else
		sprintf(path, "/name%u_%0*u", number, (int)(number * 7 % 150 + 1), number);
}

/* An access list, or a default one for what is made below. */
static void set_list(const char *path) MAY_YIELD
{
	struct {
		uint32_t version;
		struct acl_entry entries[NAMED + 4];
	} list = { .version = 2 };
	const struct vfs_bytes nothing = { NULL, 0 };
	struct vfs_bytes value = { &list, 0 };
	struct acl_entry *e = list.entries;
	uint32_t named = pick(4) ? 1 + pick(3) : NAMED;
	struct dentry *d;

	if (vfs_walk(&view, NULL, path, 0, &d) < 0)
		return;
	*e++ = (struct acl_entry){ ACL_OWNER, 7, ACL_NO_ID };
	for (uint32_t i = 0; i < named; i++)
		*e++ = (struct acl_entry){ ACL_USER, (uint16_t)pick(8), pick(100000) };
	*e++ = (struct acl_entry){ ACL_OWNING_GROUP, (uint16_t)pick(8), ACL_NO_ID };
	*e++ = (struct acl_entry){ ACL_MASK, (uint16_t)pick(8), ACL_NO_ID };
	*e++ = (struct acl_entry){ ACL_OTHER, (uint16_t)pick(8), ACL_NO_ID };
	value.size = sizeof(list.version) + (size_t)(e - list.entries) * sizeof(*e);
	(void)!vfs_setxattr(&cred, dentry_inode(d),
			    pick(2) ? VFS_XATTR_ACL_ACCESS : VFS_XATTR_ACL_DEFAULT,
			    pick(5) ? &value : &nothing, 0);
	dentry_put(d);
}

static void one_step(void) MAY_YIELD
{
	char a[300], b[300], target[200];
	unsigned int file = pick(OPEN);

	pick_path(a);
	pick_path(b);
	switch (pick(12)) {
	case 0:
	case 1:
		(void)!do_create(a, 0664);
		break;
	case 2:
		(void)!do_mkdir(a);
		break;
	case 3:
		memset(target, 't', sizeof(target));
		target[1 + pick(190)] = '\0';
		(void)!do_symlink(target, a);
		break;
	case 4:
		(void)!do_link(a, b);
		break;
	case 5:
		(void)!do_unlink(a);
		break;
	case 6:
		(void)!do_rmdir(a);
		break;
	case 7:
		(void)!do_rename(a, b, pick(4) ? 0 : RENAME_EXCHANGE);
		break;
	case 8: /* it may lose its name while it is open */
		if (!open_files[file])
			(void)!do_open(a, O_RDWR | O_NOFOLLOW, 0, &open_files[file]);
		break;
	case 9:
		set_list(pick(3) ? "/dir0" : a);
		break;
	case 10:
		(void)!do_chmod(a, pick(01000));
		break;
	default:
		dentry_put(open_files[file]);
		open_files[file] = NULL;
		break;
	}
}

static void do_steps(void) MAY_YIELD
{
	states[0] = tree_of("", 1);
	test_disk_record(image_store);
	test_disk_mark(image_store, 1);
	for (unsigned int i = 1; i <= STEPS; i++) {
		one_step();
		states[i] = tree_of("", 1);
		test_disk_mark(image_store, 2 * i);
		if (pick(25) == 0) {
			CHECK_INT(ext4_sync_fs(image), 0);
			test_disk_mark(image_store, 2 * i + 1);
		} else if (pick(25) == 0) { /* the journal commits by itself */
			CHECK_INT(task_sleep_until(clock_now_ns() + COMMIT_NS), 0);
		}
	}
	for (unsigned int i = 0; i < OPEN; i++) {
		dentry_put(open_files[i]);
		open_files[i] = NULL;
	}
}

/* ---- what is left of it. */

/* The steps that may be the last one found if the power goes at place k. */
static void range_of(const struct test_disk *td, size_t k, unsigned int *first, unsigned int *last)
{
	*first = 0;
	*last = 0;
	for (size_t i = 0; i < k; i++) {
		const struct test_record *record = test_disk_log(td, i);

		if (record->kind != RECORD_MARK)
			continue;
		*last = (unsigned int)(record->number / 2);
		if (record->number & 1)
			*first = *last;
	}
	if (*last < STEPS)
		++*last; /* it was under way */
}

static void save(struct disk *disk) MAY_YIELD
{
	char *bytes = malloc(image_options.size);
	FILE *f = fopen(image_path("image"), "we");

	CHECK(f && bytes);
	CHECK_INT(disk_read(disk, bytes, image_options.size, 0), 0);
	CHECK_INT(fwrite(bytes, 1, image_options.size, f), image_options.size);
	CHECK_INT(fclose(f), 0);
	free(bytes);
}

/*
 * The superblock has two sectors. If a power cut lets only one of them come through, nobody gets
 * as far as the journal, neither Linux nor e2fsck: disks of today write 4096 bytes at a time.
 */
static bool super_is_torn(const struct replay *replay)
{
	const struct ext4_super *super = (const void *)(replay_data(replay) + EXT4_SUPER_OFFSET);

	return super->checksum != ext4_crc32c(~0u, super, offsetof(struct ext4_super, checksum));
}

static void judge_crash(struct test_disk *td, struct replay *replay, size_t k, uint64_t choice)
	MAY_YIELD
{
	const struct ext4_mount_options options = { .read_only = false };
	unsigned int first, last, found;
	struct inode *root;
	struct disk *disk;
	uint64_t tree;
	int r;

	if (choice == 0)
		replay_prefix(replay, k);
	else
		(void)replay_crash(replay, k, choice, REPLAY_TORN);
	if (choice != 0 && super_is_torn(replay))
		(void)replay_crash(replay, k, choice, 0);
	range_of(td, k, &first, &last);
	/* By e2fsck. */
	replay_save(replay, image_path("image"));
	/* Journal and orphans, and nothing else: the image says that it is clean otherwise. */
	image_tool("e2fsck -p image 2>&1 || [ $? = 1 ] && e2fsck -fn image 2>&1");
	/* By us. */
	disk = replay_disk(replay);
	r = ext4_mount(disk, &options, &image, &image_report);
	if (r < 0 || image_report.read_only)
		test_fail(__FILE__, __LINE__, "place %zu, choice %llu: %s: %s", k,
			  (unsigned long long)choice, strerror(-r), image_report.text);
	CHECK_INT(ext4_root(image, &root), 0);
	use_root(root);
	tree = tree_of("", 1);
	for (found = first; found <= last && states[found] != tree; found++)
		;
	if (found > last)
		test_fail(__FILE__, __LINE__,
			  "place %zu, choice %llu: the tree of no step %u to %u", k,
			  (unsigned long long)choice, first, last);
	drop_root();
	CHECK_INT(ext4_unmount(image), 0);
	image = NULL;
	save(disk);
	disk_close(disk);
	image_judge();
}

static const char *image_kind;

static void crash_everywhere(void) MAY_YIELD
{
	const char *told = getenv("EXT4_CRASHES");
	unsigned int crashes = told ? (unsigned int)strtoul(told, NULL, 10) : CRASHES;
	struct test_disk *td;
	struct replay *replay;
	size_t length;

	image_make(image_kind, "16M", NULL);
	image_options = (struct test_disk_options){ .completion = TEST_DISK_SHUFFLED,
						    .seed = seed };
	image_mount(false);
	do_steps();
	drop_root();
	CHECK_INT(ext4_unmount(image), 0);
	image = NULL;
	td = image_store;
	disk_close(image_disk);
	image_disk = NULL;
	image_store = NULL;
	replay = replay_begin(td);
	length = test_disk_log_length(td);
	for (unsigned int i = 0; i < crashes; i++)
		judge_crash(td, replay, length * i / crashes, i % 3 == 0 ? 0 : 1 + pick(1000000));
	judge_crash(td, replay, length, 0);
	replay_end(replay);
	test_disk_free(td);
}

static void run(const char *kind)
{
	const char *told = getenv("EXT4_SEED");

	image_kind = kind;
	seed = (told ? strtoull(told, NULL, 10) : 1) * 7919 + 3;
	ext4_run(crash_everywhere);
}

static void a_power_cut_leaves_whole_operations_in_blocks_of_1024(void)
{
	run("-b 1024 -J size=1");
}

static void a_power_cut_leaves_whole_operations_in_blocks_of_4096(void)
{
	run("-b 4096 -J size=4");
}

static const struct test tests[] = {
	TEST_LONG(a_power_cut_leaves_whole_operations_in_blocks_of_1024, 300),
	TEST_LONG(a_power_cut_leaves_whole_operations_in_blocks_of_4096, 300),
};
TEST_MAIN(tests)

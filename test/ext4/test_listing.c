/*
 * test_listing.c - what dir.h promises of hashes and of readers that come back: a hash is that of
 * e2fsprogs, whatever is hashed beside it; who goes on sees what is there, not what was.
 */
#include "test/ext4/image.h"
#include "vfs/ext4/dir.h"

/* ---- hashes. */

static const char *const some_names[] = {
	"a",
	"abc",
	"abcd",
	"a name of fifteen",
	"exactly thirty-one bytes long, y",
	"this one has thirty-two bytes, it",
	"this one has thirty-three bytes, x",
	"\303\251t\303\251",
	"a name that needs a third piece, as it has more than sixty-four bytes in all",
	"f000001",
	"f000002",
};

static const char *const hash_names[] = { "legacy", "half_md4", "tea" };

/* Of debugfs, which knows the signed ones; the seed is the usual one. */
static void hash_of_others(unsigned int version, const char *name, struct dir_hash *ret)
{
	const char *said = image_ask("debugfs -R 'dx_hash -h %s \"%s\"' 2>&1", hash_names[version],
				     name);
	const char *at = strstr(said, " is 0x");

	if (!at || sscanf(at, " is 0x%x (minor 0x%x)", &ret->major, &ret->minor) != 2)
		CHECK_STR(said, "a hash");
}

static void each_hash_is_that_of_e2fsprogs(void)
{
	static struct ext4 fs;

	for (unsigned int version = 0; version < EXT4_HASH_UNSIGNED; version++) {
		for (unsigned int i = 0; i < ARRAY_COUNT(some_names); i++) {
			struct ext4_name name = { some_names[i], (uint32_t)strlen(some_names[i]) };
			struct dir_hash ours, theirs;

			CHECK(dir_hash(&fs, version, &name, &ours));
			hash_of_others(version, some_names[i], &theirs);
			CHECK_INT(ours.major, theirs.major);
			CHECK_INT(ours.minor, theirs.minor);
			if (strchr(some_names[i], '\303'))
				continue;
			CHECK(dir_hash(&fs, version + EXT4_HASH_UNSIGNED, &name, &ours));
			CHECK_INT(ours.major, theirs.major);
			CHECK_INT(ours.minor, theirs.minor);
		}
	}
}

static void a_hash_does_not_depend_on_what_is_hashed_beside_it(void)
{
	static char text[DIR_HASHES][256];
	static struct ext4 fs;
	uint64_t seed = 7;

	for (unsigned int turn = 0; turn < 4000; turn++) {
		uint32_t count = 1 + image_random(&seed, DIR_HASHES);
		uint32_t version = image_random(&seed, 2 * EXT4_HASH_UNSIGNED);
		struct ext4_name names[DIR_HASHES];
		struct dir_hash many[DIR_HASHES], one;

		fs.hash_seed[turn % 4] = turn & 16 ? turn : 0;
		for (uint32_t i = 0; i < count; i++) {
			uint32_t len = image_random(&seed, 3) ? 1 + image_random(&seed, 40)
							      : 1 + image_random(&seed, 255);

			for (uint32_t k = 0; k < len; k++)
				text[i][k] = (char)(1 + image_random(&seed, 255));
			names[i] = (struct ext4_name){ text[i], len };
		}
		dir_hashes(&fs, version, names, count, many);
		for (uint32_t i = 0; i < count; i++) {
			dir_hash(&fs, version, &names[i], &one);
			CHECK_INT(many[i].major, one.major);
			CHECK_INT(many[i].minor, one.minor);
		}
	}
}

/* ---- readers that come back. */

#define NAMES 600u

struct reader {
	struct inode *dir;
	uint64_t cursor;
	unsigned int left; /* of this call */
	bool any;
	unsigned int count[NAMES]; /* of "fN" */
	uint64_t number[NAMES];
};

static int see(void *ctx, const struct vfs_dirent *entry)
{
	struct reader *r = ctx;
	unsigned int number;
	char text[256];

	if (r->left == 0)
		return 1;
	r->left--;
	r->any = true;
	snprintf(text, sizeof(text), "%.*s", (int)entry->name_len, entry->name);
	CHECK_INT(sscanf(text, "f%u", &number), 1);
	CHECK(number < NAMES);
	r->count[number]++;
	r->number[number] = entry->ino;
	return 0;
}

/* False: there was nothing more. */
static bool read_some(struct reader *r, unsigned int some) MAY_YIELD
{
	r->left = some;
	r->any = false;
	CHECK_INT(vfs_readdir(r->dir, &r->cursor, see, r), 0);
	return r->any;
}

static const char *name_of(unsigned int number)
{
	static char text[32];

	snprintf(text, sizeof(text), "/d/f%u", number);
	return text;
}

static void begin_reading(struct reader *r) MAY_YIELD
{
	*r = (struct reader){ .dir = inode_at("/d") };
}

static void make_names(const char *options, unsigned int count) MAY_YIELD
{
	image_make(options, "24M", NULL);
	image_tool("tune2fs -E hash_alg=%s image", hash_names[count % EXT4_HASH_UNSIGNED]);
	image_mount(false);
	CHECK_INT(do_mkdir("/d"), 0);
	for (unsigned int i = 0; i < count; i++)
		CHECK_INT(do_create(name_of(i), 0644), 0);
}

/* Names go, come, and get another inode, all where the reader has not been. */
static void read_while_it_changes(const char *options) MAY_YIELD
{
	static struct reader r;

	make_names(options, 400);
	begin_reading(&r);
	for (unsigned int i = 0; read_some(&r, 3); i++) {
		unsigned int gone = 2 * i + 1, other = 2 * i;
		bool was_seen;

		if (i >= 60)
			continue;
		was_seen = r.count[gone] > 0;
		CHECK_INT(do_unlink(name_of(gone)), 0);
		r.count[gone] = was_seen ? 0 : 1000; /* and is not seen from now on */
		CHECK_INT(do_create("/new", 0644), 0);
		CHECK_INT(do_rename("/new", name_of(other), 0), 0);
		if (r.count[other] == 0)
			r.number[other] = ino_of(name_of(other));
		CHECK_INT(do_create(name_of(400 + i), 0644), 0);
	}
	for (unsigned int i = 0; i < NAMES; i++) {
		bool goes = i < 120 && i % 2;

		if (goes)
			CHECK(r.count[i] == 0 || r.count[i] == 1000);
		else if (i < 400)
			CHECK_INT(r.count[i], 1);
		else
			CHECK(r.count[i] <= 1);
	}
	inode_put(r.dir);
	image_unmount();
	image_judge();
}

EXT4_TEST(who_goes_on_does_not_see_names_that_are_gone)
{
	read_while_it_changes("-b 1024");
	read_while_it_changes("-b 4096");
	read_while_it_changes("-b 1024 -O ^dir_index");
}

EXT4_TEST(who_goes_on_sees_the_inode_that_a_name_has_now)
{
	static struct reader r;

	make_names("-b 4096", 30);
	begin_reading(&r);
	CHECK(read_some(&r, 10));
	for (unsigned int i = 0; i < 30; i++) {
		CHECK_INT(do_create("/new", 0644), 0);
		CHECK_INT(do_rename("/new", name_of(i), 0), 0);
		if (r.count[i])
			r.number[i] = 0;
	}
	CHECK(read_some(&r, 30));
	for (unsigned int i = 0; i < 30; i++) {
		CHECK_INT(r.count[i], 1);
		if (r.number[i])
			CHECK_INT(r.number[i], ino_of(name_of(i)));
	}
	inode_put(r.dir);
	image_unmount();
	image_judge();
}

/* More than are remembered, each somewhere else. */
EXT4_TEST(many_readers_of_one_directory_each_get_each_name_once)
{
	static struct reader readers[EXT4_LISTINGS + 3];
	unsigned int going;

	make_names("-b 4096", NAMES);
	for (unsigned int i = 0; i < ARRAY_COUNT(readers); i++)
		begin_reading(&readers[i]);
	do {
		going = 0;
		for (unsigned int i = 0; i < ARRAY_COUNT(readers); i++)
			going += read_some(&readers[i], 5 + 7 * i);
	} while (going > 0);
	for (unsigned int i = 0; i < ARRAY_COUNT(readers); i++) {
		for (unsigned int k = 0; k < NAMES; k++)
			CHECK_INT(readers[i].count[k], 1);
		inode_put(readers[i].dir);
	}
	image_unmount();
	image_judge();
}

/* What was kept of it goes with it: else it would be told of the directory that comes after. */
EXT4_TEST(a_directory_that_was_half_read_can_go)
{
	static struct reader r;

	for (unsigned int turn = 0; turn < 3; turn++) {
		if (turn == 0)
			make_names("-b 4096", 20);
		else
			CHECK_INT(do_mkdir("/d"), 0);
		CHECK_INT(do_create(name_of(100 + turn), 0644), 0);
		CHECK_INT(do_create(name_of(200 + turn), 0644), 0);
		begin_reading(&r);
		CHECK(read_some(&r, 1));
		inode_put(r.dir);
		for (unsigned int i = 0; i < NAMES; i++)
			(void)!do_unlink(name_of(i));
		CHECK_INT(do_rmdir("/d"), 0);
		CHECK_INT(ext4_sync_fs(image), 0);
		for (unsigned int i = 0; i < EXT4_LISTINGS; i++)
			CHECK(!image->listings[i]);
	}
	image_unmount();
	image_judge();
}

EXT4_TEST(names_are_listed_in_the_order_of_their_hashes_all_of_them)
{
	static struct reader r;

	for (unsigned int i = 0; i < EXT4_HASH_UNSIGNED; i++) {
		uint64_t last = 0;

		make_names("-b 4096", 300 + i);
		begin_reading(&r);
		while (read_some(&r, 1)) {
			CHECK(r.cursor > last);
			last = r.cursor;
		}
		for (unsigned int k = 0; k < NAMES; k++)
			CHECK_INT(r.count[k], k < 300 + i);
		inode_put(r.dir);
		image_unmount();
		image_judge();
	}
}

/* ---- others have their turn. */

static unsigned int turns;
static bool over;

static void take_turns(void *arg) MAY_YIELD
{
	(void)arg;
	for (; !over; turns++)
		task_yield();
}

EXT4_TEST(a_long_listing_lets_others_have_their_turn)
{
	static struct reader r;
	unsigned int before;

	make_names("-b 1024", NAMES);
	turns = 0;
	over = false;
	CHECK_INT(task_start(NULL, "other", take_turns, NULL), 0);
	task_yield();
	for (unsigned int i = 0; i < 2; i++) { /* the second time all is in memory */
		begin_reading(&r);
		before = turns;
		CHECK(read_some(&r, NAMES));
		inode_put(r.dir);
	}
	CHECK(turns - before >= 1);
	over = true;
	task_yield();
	image_unmount();
	image_judge();
}

/* ---- reading ahead. */

#define MANY 480u

static void look_at_all(unsigned int *ret_failed) MAY_YIELD
{
	struct vfs_attr attr;

	*ret_failed = 0;
	for (unsigned int i = 0; i < MANY; i++) {
		int r = do_stat(name_of(i), &attr);

		CHECK(r == 0 || r == -EIO);
		*ret_failed += r == -EIO;
	}
}

/* MANY names, and nothing of the file system in memory. */
static void make_and_forget(void) MAY_YIELD
{
	make_names("-b 1024 -I 256", MANY);
	image_unmount();
	image_mount(false);
}

EXT4_TEST(inodes_and_names_that_lie_together_are_read_together)
{
	struct disk_stats before, listed, looked;
	static struct reader r;
	unsigned int failed;

	make_and_forget();
	begin_reading(&r);
	disk_stats_get(image_disk, &before);
	CHECK(read_some(&r, NAMES));
	disk_stats_get(image_disk, &listed);
	look_at_all(&failed);
	disk_stats_get(image_disk, &looked);
	CHECK_INT(failed, 0);
	CHECK(ext4_i(r.dir)->size >= UINT64_C(7) * 1024);
	inode_put(r.dir);
	CHECK(listed.calls - before.calls <= 3);
	/* 120 blocks, of 4 inodes each, by 32. */
	CHECK(looked.calls - listed.calls <= 8);
	image_unmount();
	image_judge();
}

EXT4_TEST(a_block_of_inodes_that_cannot_be_read_leaves_those_beside_it_readable)
{
	static struct reader r;
	unsigned int failed;
	uint64_t index;

	make_and_forget();
	begin_reading(&r);
	CHECK(read_some(&r, NAMES));
	inode_put(r.dir);
	index = r.number[MANY / 2] - 1;
	test_disk_fail_range(image_store, DISK_READ,
			     image->groups[index / image->inodes_per_group].inode_table * 1024 +
				     index % image->inodes_per_group * 256 / 1024 * 1024,
			     1024, -EIO, 0);
	look_at_all(&failed);
	CHECK_INT(failed, 4);
	image_unmount();
	image_judge();
}

static const struct test tests[] = {
	TEST(a_long_listing_lets_others_have_their_turn),
	TEST(inodes_and_names_that_lie_together_are_read_together),
	TEST(a_block_of_inodes_that_cannot_be_read_leaves_those_beside_it_readable),
	TEST(each_hash_is_that_of_e2fsprogs),
	TEST(a_hash_does_not_depend_on_what_is_hashed_beside_it),
	TEST(who_goes_on_does_not_see_names_that_are_gone),
	TEST(who_goes_on_sees_the_inode_that_a_name_has_now),
	TEST(many_readers_of_one_directory_each_get_each_name_once),
	TEST(a_directory_that_was_half_read_can_go),
	TEST(names_are_listed_in_the_order_of_their_hashes_all_of_them),
};
TEST_MAIN(tests)

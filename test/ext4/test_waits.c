/*
 * test_waits.c - what ext4.h promises of names when a task is made to wait just where another
 * looks: it finds what was before or what is after, and nobody takes that for damage.
 */
#include "test/ext4/image.h"

#include "task/sched.h"
#include "vfs/ext4/dir.h"

static unsigned int left;
static struct waitq all_done;

static void ended(void)
{
	if (--left == 0)
		waitq_wake_all(&all_done);
}

static void begin(const char *name, task_fn *fn, void *arg)
{
	left++;
	CHECK_INT(task_start(NULL, name, fn, arg), 0);
}

static void wait_all(void) MAY_YIELD
{
	while (left > 0)
		(void)!waitq_wait(&all_done, TASK_FOREVER, WAIT_SURE);
}

/* The others come as far as they can. */
static void let_others(void) MAY_YIELD
{
	for (unsigned int i = 0; i < 100; i++)
		task_yield();
}

/* Past the cache of names, as an overlay asks. */
static int look_up(const char *name) MAY_YIELD
{
	struct inode *root, *inode;
	int r;

	CHECK_INT(ext4_root(image, &root), 0);
	r = root->ops->lookup(root, name, strlen(name), &inode);
	if (r == 0)
		inode_put(inode);
	inode_put(root);
	return r;
}

static void make_and_mount(const char *options) MAY_YIELD
{
	waitq_init(&all_done);
	image_make(options, "16M", NULL);
	image_mount(false);
}

static void unmount_and_judge(void) MAY_YIELD
{
	CHECK_INT(image->damage, 0);
	image_unmount();
	image_judge();
}

static void give_name(void *file) MAY_YIELD
{
	CHECK_INT(vfs_link(&view, file, NULL, "/named"), 0);
	ended();
}

EXT4_TEST(a_file_that_just_gets_its_first_name_is_no_damage)
{
	struct dentry *file;
	int r;

	make_and_mount("");
	CHECK_INT(vfs_tmpfile(&view, NULL, "/", 0644, &file), 0);
	task_lock_take(&image->orphan_lock); /* it leaves the list after it has the name */
	begin("link", give_name, file);
	let_others();
	r = look_up("named");
	CHECK(r == 0 || r == -ENOENT);
	task_lock_drop(&image->orphan_lock);
	wait_all();
	CHECK_INT(look_up("named"), 0);
	dentry_put(file);
	unmount_and_judge();
}

/* The inode of the file is not in memory, all else is. */
static void forget_inode(const char *path) MAY_YIELD
{
	uint64_t number = ino_of(path);
	uint64_t block = image->groups[0].inode_table +
			 (number - 1) * image->inode_size / image->block_size;

	dentry_shrink(0);
	CHECK_INT(ext4_sync_fs(image), 0);
	CHECK_INT(cache_sync(&image->blocks, 0, UINT64_MAX), 0);
	cache_drop(&image->blocks, block, block + 1);
}

static void unlink_file(void *path) MAY_YIELD
{
	CHECK_INT(do_unlink(path), 0);
	ended();
}

static void look_for_file(void *name) MAY_YIELD
{
	int r = look_up(name);

	CHECK(r == 0 || r == -ENOENT);
	ended();
}

EXT4_TEST(a_name_that_goes_while_its_inode_is_read_is_no_damage)
{
	static char path[] = "/gone", name[] = "gone";

	make_and_mount("");
	CHECK_INT(do_create(path, 0644), 0);
	forget_inode(path);
	begin("unlink", unlink_file, path);
	begin("look", look_for_file, name);
	wait_all();
	unmount_and_judge();
}

/* ---- a directory that grows under somebody who reads it. */

static struct inode *grown;

static char *long_name(unsigned int number)
{
	static char name[240];

	sprintf(name, "/d/%0200u", number);
	return name;
}

static int count_one(void *count, const struct vfs_dirent *entry)
{
	(void)entry;
	++*(unsigned int *)count;
	return 0;
}

static unsigned int count_names(uint64_t cursor) MAY_YIELD
{
	unsigned int count = 0;

	CHECK_INT(vfs_readdir(grown, &cursor, count_one, &count), 0);
	return count;
}

/*
 * What the next name splits, by the levels of index blocks it goes through: 0: nothing, 1: a
 * leaf, 2: a block of the index. *ret_block: it; *ret_hash: where its upper half begins.
 */
static unsigned int will_split(const char *text, uint32_t *ret_hash, uint32_t *ret_block) MAY_YIELD
{
	const struct ext4_name name = { text, (uint32_t)strlen(text) };
	struct ext4_inode *dir = ext4_i(grown);
	const struct htree_level *lowest;
	struct cache_page *leaf;
	struct htree_path path;
	struct dir_hash hash;
	uint32_t version;
	unsigned int what = 0;

	if (!dir_has_tree(dir))
		return 0;
	CHECK_INT(htree_version(dir, &version), 0);
	dir_hash(image, version, &name, &hash);
	CHECK_INT(htree_walk(dir, hash.major, &path), 0);
	CHECK_INT(dir_block(dir, path.leaf, &leaf), 0);
	lowest = &path.level[path.depth - 1];
	*ret_hash = 0;
	*ret_block = (uint32_t)leaf->index;
	if (dir_block_gap(image, leaf) < EXT4_DIRENT_SIZE(name.len))
		what = 1;
	if (what && path.depth == 2 && lowest->count == lowest->limit) {
		*ret_hash = lowest->entries[lowest->count / 2].hash;
		*ret_block = (uint32_t)lowest->page->index;
		what = 2;
	}
	cache_put(leaf);
	htree_path_put(&path);
	return what;
}

static void add_name(void *name) MAY_YIELD
{
	CHECK_INT(do_create(name, 0644), 0);
	ended();
}

static struct {
	uint64_t cursor;
	unsigned int count;
} reading;

static void read_names(void *arg) MAY_YIELD
{
	(void)arg;
	reading.count = count_names(reading.cursor);
	ended();
}

static void find_directory(void) MAY_YIELD
{
	struct dentry *d;

	CHECK_INT(vfs_walk(&view, NULL, "/d", 0, &d), 0);
	grown = inode_get(dentry_inode(d));
	dentry_put(d);
}

/* The one who adds a name waits for this block, and so does the one who reads. */
static void read_while_adding(uint64_t block, uint64_t cursor, char *name) MAY_YIELD
{
	unsigned int before = count_names(cursor);

	CHECK_INT(ext4_sync_fs(image), 0);
	CHECK_INT(cache_sync(&image->blocks, 0, UINT64_MAX), 0);
	cache_drop(&image->blocks, block, block + 1);
	reading.cursor = cursor;
	begin("add", add_name, name);
	begin("read", read_names, NULL);
	wait_all();
	CHECK_INT(image->damage, 0);
	CHECK(reading.count == before || reading.count == before + 1);
}

static void split_under_a_reader(unsigned int what) MAY_YIELD
{
	uint32_t hash, block;
	unsigned int number = 0;

	make_and_mount("-b 1024 -N 4096");
	CHECK_INT(do_mkdir("/d"), 0);
	find_directory();
	while (will_split(long_name(number) + 3, &hash, &block) != what) {
		CHECK_INT(do_create(long_name(number++), 0644), 0);
		CHECK(number < 4000);
	}
	read_while_adding(block, (uint64_t)(hash >> 1) << 31, long_name(number));
	inode_put(grown);
	unmount_and_judge();
}

EXT4_TEST(a_leaf_that_is_split_under_a_reader_shows_all_names)
{
	split_under_a_reader(1);
}

EXT4_TEST(an_index_that_is_split_under_a_reader_shows_all_names)
{
	split_under_a_reader(2);
}

EXT4_TEST(a_directory_that_gets_a_tree_under_a_reader_shows_all_names)
{
	struct ext4_run run;
	unsigned int number = 0;

	make_and_mount("-b 1024");
	CHECK_INT(do_mkdir("/d"), 0);
	find_directory();
	while (number < 4) /* the next one does not fit */
		CHECK_INT(do_create(long_name(number++), 0644), 0);
	CHECK_INT(ext4_map(ext4_i(grown), 0, 1, &run), 0);
	read_while_adding(run.physical, 0, long_name(number));
	CHECK(dir_has_tree(ext4_i(grown)));
	inode_put(grown);
	unmount_and_judge();
}

/* ---- a cache that is smaller than what the journal could keep in it. */

static void make_many(void) MAY_YIELD
{
	char path[16];

	waitq_init(&all_done);
	image_make("-b 4096 -J size=16", "64M", NULL);
	image_mount(false);
	for (unsigned int i = 0; i < 1000; i++) {
		sprintf(path, "/d%u", i);
		CHECK_INT(do_mkdir(path), 0);
	}
	unmount_and_judge();
}

static void changes_need_no_more_memory_than_a_small_cache_has(void)
{
	ext4_run_with(make_many, 0, 2 << 20);
}

static const struct test tests[] = {
	TEST(changes_need_no_more_memory_than_a_small_cache_has),
	TEST(a_leaf_that_is_split_under_a_reader_shows_all_names),
	TEST(an_index_that_is_split_under_a_reader_shows_all_names),
	TEST(a_directory_that_gets_a_tree_under_a_reader_shows_all_names),
	TEST(a_name_that_goes_while_its_inode_is_read_is_no_damage),
	TEST(a_file_that_just_gets_its_first_name_is_no_damage),
};
TEST_MAIN(tests)

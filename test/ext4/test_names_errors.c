/*
 * test_names_errors.c - what a disk with errors does to names: who asks gets -EIO, or -EROFS
 * once a change could not be completed; what is on the disk is whole, all the same. And
 * damage is told: on the disk, and at the next mount.
 */
#include "test/ext4/image.h"

#include "task/sched.h"

#define STEPS 400u
#define NAMES 60u
#define SEEDS (test_sanitized ? 10u : 30u)
#define CACHE_SMALL (UINT64_C(256) << 10)

static uint64_t seed;
static enum disk_op failing;
static const char *image_kind;
static unsigned int errors;

static uint32_t pick(uint32_t below)
{
	return image_random(&seed, below);
}

static void pick_path(char *path)
{
	uint32_t number = pick(NAMES);

	path += sprintf(path, "/dir%u", pick(4));
	sprintf(path, "/name%u_%0*u", number, (int)(number * 7 % 150 + 1), number);
}

static int one_step(void) MAY_YIELD
{
	char a[300], b[300];
	int r;

	pick_path(a);
	pick_path(b);
	switch (pick(8)) {
	case 0:
	case 1:
		return do_create(a, 0644);
	case 2:
		return do_mkdir(a);
	case 3:
		return do_symlink(a, b);
	case 4:
		return do_unlink(a);
	case 5:
		return do_rmdir(a);
	case 6:
		return do_rename(a, b, 0);
	default:
		r = (int)do_write(a, "some bytes that make a block", pick(3000));
		return r > 0 ? 0 : r;
	}
}

/* Errors come now and then; other blocks push out those that are needed. */
static void steps_with_errors(void) MAY_YIELD
{
	for (unsigned int i = 0; i < STEPS; i++) {
		struct cache_page *page;
		int r;

		for (unsigned int k = 0; k < 20; k++)
			if (cache_get(&image->blocks, pick((uint32_t)image->block_count), &page) ==
			    0)
				cache_put(page);
		if (pick(10) == 0)
			test_disk_fail_nth(image_store, failing, 1 + pick(3), -EIO);
		r = one_step();
		errors += r == -EIO || r == -EROFS;
		if (pick(20) == 0 && ext4_sync_fs(image) < 0)
			errors++;
		test_disk_mend(image_store);
	}
}

static void play(void) MAY_YIELD
{
	bool damaged;
	char path[16];
	int r;

	image_make(image_kind, "16M", NULL);
	image_mount(false);
	for (unsigned int i = 0; i < 4; i++) {
		sprintf(path, "/dir%u", i);
		CHECK_INT(do_mkdir(path), 0);
	}
	CHECK_INT(ext4_sync_fs(image), 0);
	steps_with_errors();
	damaged = image->damage != 0;
	r = image_try_unmount();
	if (!damaged)
		CHECK_INT(r, 0);
	/* The journal, if it stopped in the middle; and a look at all, as errors were noted. */
	image_tool("e2fsck -p image 2>&1 || [ $? = 1 ] && e2fsck -fn image 2>&1");
	image_mount(false);
	image_unmount();
	image_judge();
}

static void with_errors(const char *kind, enum disk_op op)
{
	const char *told = getenv("EXT4_SEED");
	uint64_t first = told ? strtoull(told, NULL, 10) : 1;
	uint64_t last = told ? first : SEEDS;

	image_kind = kind;
	failing = op;
	for (uint64_t number = first; number <= last; number++) {
		seed = number * 7919 + 5;
		fprintf(stderr, "# seed %llu\n", (unsigned long long)number);
		ext4_run_with(play, 0, CACHE_SMALL);
	}
	CHECK(told || errors > 0);
}

static void errors_of_reading_leave_a_whole_image(void)
{
	with_errors("-b 1024 -N 1024", DISK_READ);
}

static void errors_of_writing_leave_a_whole_image(void)
{
	with_errors("-b 1024 -N 1024", DISK_WRITE);
}

static void errors_of_flushes_leave_a_whole_image(void)
{
	with_errors("-b 4096 -N 1024", DISK_FLUSH);
}

EXT4_TEST(damage_is_noted_on_the_disk)
{
	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/dir"), 0);
	ext4_damage(image, "a test");
	CHECK_INT(do_mkdir("/other"), -EROFS);
	CHECK_INT(do_unlink("/dir"), -EISDIR);
	CHECK_INT(do_rmdir("/dir"), -EROFS);
	CHECK_STR(names_of("/", 5), "dir lost+found ");
	CHECK_INT(image_try_unmount(), -EUCLEAN);
	CHECK(strstr(image_ask("dumpe2fs -h image 2>/dev/null"), "clean with errors"));
	CHECK(strstr(image_ask("dumpe2fs -h image 2>/dev/null | tr -s ' '"), "FS Error count: 1"));
	CHECK(strstr(image_ask("dumpe2fs -h image 2>/dev/null | tr -s ' '"),
		     "First error function: damage_is_noted_on_the_disk"));
	CHECK_INT(image_try_mount(false), 0);
	CHECK(image_report.read_only);
	CHECK(strstr(image_report.text, "errors were found"));
	image_unmount();
	image_tool("e2fsck -fy image >/dev/null 2>&1; [ $? -le 1 ]");
	image_mount(false);
	image_unmount();
	image_judge();
}

/* As the disk is now, with no unmount. */
static void crash_to(const char *name) MAY_YIELD
{
	(void)!task_sleep_until(clock_now_ns() + 1000000000);
	test_disk_save(image_store, image_path(name));
}

static bool told_by_dumpe2fs(const char *name, const char *text)
{
	return strstr(image_ask("dumpe2fs -h %s 2>/dev/null | tr -s ' '", name), text) != NULL;
}

EXT4_TEST(an_error_of_the_journal_is_told_and_noted)
{
	struct dentry *d;

	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/before"), 0);
	CHECK_INT(ext4_sync_fs(image), 0);
	CHECK_INT(do_mkdir("/lost"), 0);
	CHECK_INT(do_open("/lost", O_RDONLY | O_DIRECTORY, 0, &d), 0);
	test_disk_fail_nth(image_store, DISK_WRITE, 1, -EIO);
	CHECK_INT(vfs_sync(dentry_inode(d), false), -EIO);
	test_disk_mend(image_store);
	CHECK_INT(vfs_sync(dentry_inode(d), false), -EROFS);
	CHECK_INT(do_mkdir("/after"), -EROFS);
	dentry_put(d);
	crash_to("crashed");
	CHECK(image_try_unmount() < 0);
	CHECK(told_by_dumpe2fs("crashed", "FS Error count: 1"));
	CHECK(told_by_dumpe2fs("crashed", "First error function: journal"));
	CHECK(told_by_dumpe2fs("crashed", "Journal errno: -5"));
	/* A replay may have brought back an older superblock: the journal's own says it, too. */
	image_tool("cp crashed image && debugfs -w -R 'set_super_value state 1' image 2>&1");
	CHECK(!told_by_dumpe2fs("image", "with errors"));
	CHECK_INT(image_try_mount(false), 0);
	CHECK(image_report.read_only);
	CHECK(strstr(image_report.text, "an error ended"));
	image_unmount();
	image_mount(true);
	CHECK_STR(names_of("/", 5), "before lost+found ");
	image_unmount();
	image_tool("cp crashed image");
	CHECK_INT(image_try_mount(false), 0);
	CHECK(image_report.read_only);
	image_unmount();
	image_tool("e2fsck -fy image >/dev/null 2>&1; [ $? -le 1 ]");
	CHECK(!told_by_dumpe2fs("image", "Journal errno"));
	image_mount(false);
	CHECK_STR(names_of("/", 5), "before lost+found ");
	CHECK_INT(do_mkdir("/again"), 0);
	image_unmount();
	image_judge();
}

/* ---- no room on the host: the image is a file with holes. */

static bool needs_no_repair(const char *name)
{
	return told_by_dumpe2fs(name, "Filesystem state: clean\n") &&
	       !told_by_dumpe2fs(name, "FS Error count") &&
	       !told_by_dumpe2fs(name, "Journal errno");
}

static void no_room_from_now_on(void)
{
	test_disk_fail_range(image_store, DISK_WRITE, 0, 16 << 20, -ENOSPC, 0);
}

EXT4_TEST(a_host_without_room_is_told_and_leaves_an_image_that_needs_no_repair)
{
	struct dentry *d;

	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/before"), 0);
	CHECK_INT(ext4_sync_fs(image), 0);
	CHECK_INT(do_mkdir("/lost"), 0);
	CHECK_INT(do_open("/lost", O_RDONLY | O_DIRECTORY, 0, &d), 0);
	no_room_from_now_on();
	CHECK_INT(vfs_sync(dentry_inode(d), false), -ENOSPC);
	CHECK_INT(vfs_sync(dentry_inode(d), false), -EROFS);
	CHECK_INT(do_mkdir("/after"), -EROFS);
	CHECK_STR(names_of("/", 5), "before lost lost+found ");
	dentry_put(d);
	crash_to("crashed");
	/* Room that is there again comes too late for what was refused. */
	test_disk_mend(image_store);
	CHECK_INT(do_mkdir("/after"), -EROFS);
	CHECK_INT(image_try_unmount(), -ENOSPC);
	for (unsigned int i = 0; i < 2; i++) {
		CHECK(needs_no_repair("image"));
		image_mount(false);
		CHECK(image_report.was_replayed);
		CHECK_STR(names_of("/", 5), "before lost+found ");
		CHECK_INT(do_mkdir("/again"), 0);
		image_unmount();
		image_judge();
		image_tool("cp crashed image");
	}
}

EXT4_TEST(a_replay_without_room_is_told_and_may_be_tried_again)
{
	const struct ext4_mount_options options = { .read_only = false };
	struct ext4_report report;
	struct test_disk *store;
	struct disk *disk;
	struct ext4 *fs;

	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/before"), 0);
	CHECK_INT(ext4_sync_fs(image), 0);
	crash_to("crashed");
	image_unmount();
	disk = test_disk_open(&(struct test_disk_options){ .size = 16 << 20 }, &store);
	test_disk_load(store, image_path("crashed"));
	test_disk_fail_range(store, DISK_WRITE, 0, 16 << 20, -ENOSPC, 0);
	CHECK_INT(ext4_mount(disk, &options, &fs, &report), -ENOSPC);
	CHECK(strstr(report.text, "no room is left"));
	test_disk_mend(store);
	CHECK_INT(ext4_mount(disk, &options, &fs, &report), 0);
	CHECK(report.was_replayed && !report.read_only);
	CHECK_INT(ext4_unmount(fs), 0);
	test_disk_save(store, image_path("image"));
	image_judge();
	disk_close(disk);
	test_disk_free(store);
}

/* ---- files that lose data when they are closed. */

/* "/file" has "bytes"; its block is told to the disk as one that fails, when it is "BYTES". */
static void close_with_error(int error, unsigned int times) MAY_YIELD
{
	struct inode *file;
	struct ext4_run run;

	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	CHECK_INT(do_create("/file", 0644), 0);
	CHECK_INT(do_create("/other", 0644), 0);
	CHECK_INT(do_write("/file", "bytes", 0), 5);
	CHECK_INT(ext4_sync_fs(image), 0);
	file = inode_at("/file");
	CHECK_INT(ext4_map(ext4_i(file), 0, 1, &run), 0);
	inode_put(file);
	CHECK_INT(do_write("/file", "BYTES", 0), 5);
	CHECK_INT(do_mkdir("/dir"), 0);
	test_disk_fail_range(image_store, DISK_WRITE, run.physical * 1024, 1024, error, times);
	dentry_shrink(0);
	ext4_closing_wait(image);
	test_disk_mend(image_store);
}

EXT4_TEST(what_is_lost_at_close_is_told_to_who_asks_next_and_at_the_end)
{
	struct inode *file, *other;

	close_with_error(-EIO, 0);
	file = inode_at("/file");
	other = inode_at("/other");
	CHECK_STR(text_of("/file"), "bytes");
	CHECK_INT(vfs_sync(other, false), 0);
	CHECK_INT(vfs_sync(file, true), -EIO);
	CHECK_INT(vfs_sync(file, true), 0);
	vfs_sync_all(); /* sync(2) tells nobody */
	CHECK_INT(vfs_sync_fs(other), -EIO);
	CHECK_INT(vfs_sync_fs(other), 0);
	inode_put(file);
	inode_put(other);
	CHECK_INT(image_try_unmount(), -EIO);
	/* It is the file's bytes that are lost, and nothing that e2fsck would miss. */
	CHECK(needs_no_repair("image"));
	image_judge();
	image_mount(false);
	CHECK_STR(names_of("/", 5), "dir file lost+found other ");
	image_unmount();
}

EXT4_TEST(what_is_written_at_the_second_try_is_not_lost)
{
	close_with_error(-EIO, 1);
	CHECK_STR(text_of("/file"), "BYTES");
	image_unmount();
	image_judge();
}

EXT4_TEST(of_a_file_in_the_place_of_one_that_lost_data_nothing_is_told)
{
	struct inode *file;
	uint64_t number;

	close_with_error(-EIO, 0);
	number = ino_of("/file");
	CHECK_INT(do_unlink("/file"), 0);
	CHECK_INT(vfs_sync_fs(dentry_inode(view.root)), -EIO);
	CHECK_INT(do_create("/new", 0644), 0);
	CHECK_INT(ino_of("/new"), number);
	file = inode_at("/new");
	CHECK_INT(vfs_sync(file, false), 0);
	inode_put(file);
	CHECK_INT(image_try_unmount(), -EIO);
}

/* What the log holds and what is home has room; a file's data has none. */
EXT4_TEST(data_without_room_at_the_end_is_told_and_all_else_is_whole)
{
	struct inode *file;
	struct ext4_run run;

	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	CHECK_INT(do_create("/file", 0644), 0);
	CHECK_INT(do_write("/file", "bytes", 0), 5);
	CHECK_INT(ext4_sync_fs(image), 0);
	file = inode_at("/file");
	CHECK_INT(ext4_map(ext4_i(file), 0, 1, &run), 0);
	CHECK_INT(do_write("/file", "BYTES", 0), 5);
	CHECK_INT(do_mkdir("/dir"), 0);
	test_disk_fail_range(image_store, DISK_WRITE, run.physical * 1024, 1024, -ENOSPC, 0);
	CHECK_INT(vfs_sync(file, false), -ENOSPC);
	inode_put(file);
	CHECK_INT(image_try_unmount(), -ENOSPC);
	image_judge();
	CHECK(needs_no_repair("image"));
	image_mount(false);
	CHECK(!image_report.was_replayed);
	CHECK_STR(names_of("/", 5), "dir file lost+found ");
	CHECK_STR(text_of("/file"), "bytes");
	image_unmount();
}

/* The same without a journal; the place of nothing else is missing. */
EXT4_TEST(data_without_room_is_told_without_a_journal_too_and_all_else_is_whole)
{
	struct inode *file;
	struct ext4_run run;

	image_make("-b 1024 -O ^has_journal", "16M", NULL);
	image_mount(false);
	CHECK_INT(do_create("/file", 0644), 0);
	CHECK_INT(do_write("/file", "bytes", 0), 5);
	CHECK_INT(ext4_sync_fs(image), 0);
	file = inode_at("/file");
	CHECK_INT(ext4_map(ext4_i(file), 0, 1, &run), 0);
	CHECK_INT(do_write("/file", "BYTES", 0), 5);
	test_disk_fail_range(image_store, DISK_WRITE, run.physical * 1024, 1024, -ENOSPC, 0);
	inode_put(file);
	CHECK_INT(image_try_unmount(), -ENOSPC);
	CHECK(strstr(ext4_loss_text(-ENOSPC), "needs no repair"));
	image_judge();
	CHECK(needs_no_repair("image"));
}

/* Without a journal, what is left out makes a hole in what is not. */
EXT4_TEST(without_a_journal_a_host_without_room_leaves_what_needs_a_repair)
{
	image_make("-b 1024 -O ^has_journal", "16M", NULL);
	image_mount(false);
	CHECK_INT(do_mkdir("/before"), 0);
	CHECK_INT(ext4_sync_fs(image), 0);
	CHECK_INT(do_mkdir("/lost"), 0);
	no_room_from_now_on();
	CHECK_INT(ext4_sync_fs(image), -ENOSPC);
	CHECK_INT(image_try_unmount(), -EUCLEAN);
	CHECK(strstr(ext4_loss_text(-EUCLEAN), "run e2fsck"));
}

/* A file that is deleted takes no place among those that lost data. */
EXT4_TEST(however_many_files_lost_data_and_were_deleted_the_next_one_is_told)
{
	struct inode *file;

	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	for (unsigned int i = 0; i < 300; i++) {
		struct ext4_run run;

		CHECK_INT(do_create("/file", 0644), 0);
		CHECK_INT(do_write("/file", "bytes", 0), 5);
		file = inode_at("/file");
		CHECK_INT(vfs_sync(file, false), 0);
		CHECK_INT(ext4_map(ext4_i(file), 0, 1, &run), 0);
		inode_put(file);
		CHECK_INT(do_write("/file", "BYTES", 0), 5);
		test_disk_fail_range(image_store, DISK_WRITE, run.physical * 1024, 1024, -EIO, 0);
		dentry_shrink(0);
		ext4_closing_wait(image);
		test_disk_mend(image_store);
		if (i == 299)
			break;
		CHECK_INT(do_unlink("/file"), 0);
		ext4_closing_wait(image);
	}
	file = inode_at("/file");
	CHECK_INT(vfs_sync(file, false), -EIO);
	inode_put(file);
	CHECK_INT(image_try_unmount(), -EIO);
	image_judge();
}

EXT4_TEST(a_journal_of_more_blocks_than_any_tool_makes_is_refused)
{
	image_make("-b 1024", "16M", NULL);
	image_tool("debugfs -w -R 'set_inode_field <8> size 17179870208' image 2>&1");
	CHECK_INT(image_try_mount(false), 0);
	CHECK(image_report.read_only);
	CHECK(strstr(image_report.text, "its journal is too large"));
	image_unmount();
	image_tool("debugfs -w -R 'feature needs_recovery' image 2>&1");
	CHECK_INT(image_try_mount(false), -EOPNOTSUPP);
	CHECK(strstr(image_report.text, "its journal is too large"));
}

EXT4_TEST(a_journal_too_small_for_an_operation_makes_it_read_only)
{
	image_make("-b 1024", "16M", NULL);
	image_tool(
		"debugfs -w -R 'set_inode_field <8> size 65536' image 2>/dev/null && "
		"at=$(debugfs -R 'bmap <8> 0' image 2>/dev/null) && "
		"printf '\\0\\0\\0\\100' | dd of=image bs=1 seek=$((at * 1024 + 16)) conv=notrunc "
		"2>/dev/null");
	CHECK_INT(image_try_mount(false), 0);
	CHECK(image_report.read_only);
	CHECK(strstr(image_report.text, "its journal is too small"));
	image_unmount();
}

/* The host tells of what it lost once, to whoever asks first; the loss may be another's. */
EXT4_TEST(who_asks_after_a_flush_that_failed_is_told_too)
{
	struct inode *first, *second;

	image_make("", "16M", NULL);
	image_mount(false);
	CHECK_INT(do_create("/first", 0644), 0);
	CHECK_INT(do_create("/second", 0644), 0);
	CHECK_INT(do_write("/first", "old", 0), 3);
	CHECK_INT(do_write("/second", "old", 0), 3);
	CHECK_INT(ext4_sync_fs(image), 0);
	first = inode_at("/first");
	second = inode_at("/second");
	CHECK_INT(do_write("/first", "new", 0), 3);
	CHECK_INT(do_write("/second", "new", 0), 3);
	CHECK_INT(cache_sync(&ext4_i(second)->pages, 0, UINT64_MAX), 0);
	test_disk_fail_nth(image_store, DISK_FLUSH, 1, -EIO);
	CHECK_INT(vfs_sync(first, true), -EIO);
	CHECK(vfs_sync(second, true) < 0);
	inode_put(first);
	inode_put(second);
	CHECK(image_try_unmount() < 0);
}

/* The block of the inode table that has the root's inode cannot be written any more. */
static void unmount_without_a_block(const char *options) MAY_YIELD
{
	uint64_t block_size;

	image_make(options, "16M", NULL);
	image_mount(false);
	block_size = image->block_size;
	CHECK_INT(do_mkdir("/dir"), 0);
	test_disk_fail_range(image_store, DISK_WRITE, image->groups[0].inode_table * block_size,
			     block_size, -EIO, 0);
	CHECK_INT(image_try_unmount(), -EIO);
	CHECK(told_by_dumpe2fs("image", "FS Error count: 1"));
	CHECK(told_by_dumpe2fs("image", "with errors"));
}

static void unmount_without_a_block_each_way(void) MAY_YIELD
{
	unmount_without_a_block("-b 1024");
	unmount_without_a_block("-b 1024 -O ^has_journal");
}

/* Nothing but unmount finds it, when nobody may begin anything any more. */
static void an_error_that_unmount_finds_is_noted_before_it_ends(void)
{
	image_options.completion = TEST_DISK_AT_ONCE;
	ext4_run(unmount_without_a_block_each_way);
	image_options.completion = TEST_DISK_MODEL;
	image_options.model = &test_disk_ssd;
	ext4_run(unmount_without_a_block_each_way);
	image_options = (struct test_disk_options){ .size = 0 };
}

EXT4_TEST(a_time_that_could_not_be_stored_is_stored_later)
{
	struct vfs_attr attr = { .mtime = { .tv_sec = 1000 } };
	struct ext4_inode *dir;
	struct inode *root;
	uint64_t block;

	image_make("-b 1024", "16M", NULL);
	image_mount(false);
	CHECK_INT(ext4_root(image, &root), 0);
	dir = ext4_i(root);
	CHECK_INT(ext4_sync_fs(image), 0);
	block = image->groups[0].inode_table + (dir->number - 1) * image->inode_size / 1024;
	cache_drop(&image->blocks, block, block + 1);
	test_disk_fail_range(image_store, DISK_READ, block * 1024, 1024, -EIO, 0);
	CHECK_INT(root->ops->setattr(root, &attr, VFS_SET_MTIME), 0);
	(void)!task_sleep_until(clock_now_ns() + UINT64_C(6000000000));
	CHECK(dir->state & EXT4_I_DIRTY);
	test_disk_mend(image_store);
	(void)!task_sleep_until(clock_now_ns() + UINT64_C(6000000000));
	CHECK_INT(dir->state & EXT4_I_DIRTY, 0);
	inode_put(root);
	image_unmount();
	image_judge();
}

static const struct test tests[] = {
	TEST(who_asks_after_a_flush_that_failed_is_told_too),
	TEST(an_error_that_unmount_finds_is_noted_before_it_ends),
	TEST(a_time_that_could_not_be_stored_is_stored_later),
	TEST(an_error_of_the_journal_is_told_and_noted),
	TEST(a_host_without_room_is_told_and_leaves_an_image_that_needs_no_repair),
	TEST(what_is_lost_at_close_is_told_to_who_asks_next_and_at_the_end),
	TEST(what_is_written_at_the_second_try_is_not_lost),
	TEST(of_a_file_in_the_place_of_one_that_lost_data_nothing_is_told),
	TEST(a_replay_without_room_is_told_and_may_be_tried_again),
	TEST(data_without_room_at_the_end_is_told_and_all_else_is_whole),
	TEST(data_without_room_is_told_without_a_journal_too_and_all_else_is_whole),
	TEST(without_a_journal_a_host_without_room_leaves_what_needs_a_repair),
	TEST(however_many_files_lost_data_and_were_deleted_the_next_one_is_told),
	TEST(a_journal_of_more_blocks_than_any_tool_makes_is_refused),
	TEST(a_journal_too_small_for_an_operation_makes_it_read_only),
	TEST_LONG(errors_of_reading_leave_a_whole_image, 120),
	TEST_LONG(errors_of_writing_leave_a_whole_image, 120),
	TEST_LONG(errors_of_flushes_leave_a_whole_image, 120),
	TEST(damage_is_noted_on_the_disk),
};
TEST_MAIN(tests)

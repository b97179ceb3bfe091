/*
 * test_data.c - what ext4.h promises of files' bytes: a file has what was written, where it was
 * written, whatever else was done to it; on the disk as well, and e2fsck finds nothing wrong.
 * The model is an array of bytes.
 */
#include "test/ext4/data_image.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODEL_SIZE (3u << 20)

static uint8_t *model, *seen;
static uint64_t model_end;
static struct ext4_inode *file;

static void begin(uint64_t seed) MAY_YIELD
{
	image_seed = seed;
	model = calloc(1, MODEL_SIZE);
	seen = malloc(MODEL_SIZE);
	CHECK(model && seen);
	model_end = 0;
	file = image_file("file");
}

static void end(void)
{
	inode_put(&file->inode);
	free(model);
	free(seen);
}

static void file_is_model(void) MAY_YIELD
{
	CHECK_INT(file->size, model_end);
	memset(seen, 0xee, MODEL_SIZE);
	CHECK_INT(ext4_read(&file->inode, seen, MODEL_SIZE, 0), model_end);
	for (uint64_t i = 0; i < model_end; i++)
		if (seen[i] != model[i])
			test_fail(__FILE__, __LINE__, "byte %llu is %u, wanted %u",
				  (unsigned long long)i, seen[i], model[i]);
}

/* The same from the disk. */
static void disk_is_model(void) MAY_YIELD
{
	file_is_model();
	inode_put(&file->inode);
	image_again();
	file = image_find("file");
	CHECK_INT(ext4_extents_check(file), 0);
	file_is_model();
}

static void write_at(uint64_t offset, uint32_t size) MAY_YIELD
{
	static uint8_t next;
	ssize_t r;

	for (uint32_t i = 0; i < size; i++)
		seen[i] = (uint8_t)(next + i * 7);
	next++;
	r = ext4_write(&file->inode, seen, size, offset);
	CHECK_INT(r, size);
	memcpy(model + offset, seen, size);
	if (offset + size > model_end)
		model_end = offset + size;
}

static void truncate_to(uint64_t size) MAY_YIELD
{
	task_lock_take(&file->lock);
	CHECK_INT(ext4_truncate(file, size), 0);
	task_lock_drop(&file->lock);
	if (size < model_end)
		memset(model + size, 0, model_end - size);
	model_end = size;
}

static void fallocate_at(int mode, uint64_t offset, uint64_t size) MAY_YIELD
{
	CHECK_INT(ext4_fallocate(&file->inode, mode, offset, size), 0);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		memset(model + offset, 0, size);
	if (!(mode & FALLOC_FL_KEEP_SIZE) && offset + size > model_end)
		model_end = offset + size;
}

/* ---- tests */

/* In blocks; nothing if Linux would refuse it, or the model has no room. */
static void shift_at(bool insert, uint64_t offset, uint64_t size) MAY_YIELD
{
	int mode = insert ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE;
	uint64_t rest;

	offset &= ~(uint64_t)(fs->block_size - 1);
	size = (size & ~(uint64_t)(fs->block_size - 1)) + fs->block_size;
	if (offset >= model_end ||
	    (insert ? model_end + size > MODEL_SIZE : offset + size >= model_end))
		return;
	CHECK_INT(ext4_fallocate(&file->inode, mode, offset, size), 0);
	if (insert) {
		memmove(model + offset + size, model + offset, model_end - offset);
		memset(model + offset, 0, size);
		model_end += size;
		return;
	}
	rest = model_end - offset - size;
	memmove(model + offset, model + offset + size, rest);
	memset(model + offset + rest, 0, size);
	model_end -= size;
}

static void one_write(void) MAY_YIELD
{
	begin(1);
	write_at(0, 5);
	CHECK(file->delayed > 0);
	CHECK_INT(file->disk_size, 0);
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	CHECK_INT(file->delayed, 0);
	CHECK_INT(file->disk_size, 5);
	disk_is_model();
	end();
}

static void a_write_gets_blocks_when_it_goes_to_the_disk(void)
{
	image_run("-b 4096", MIB(32), one_write);
	image_run("-b 1024", MIB(32), one_write);
	image_run("-b 1024 -O ^has_journal", MIB(16), one_write);
}

static void random_operation(void) MAY_YIELD
{
	uint32_t size = image_random(4) ? 1 + image_random(9000) : 1 + image_random(300000);
	uint32_t offset = image_random(MODEL_SIZE - size);

	switch (image_random(18)) {
	case 16:
	case 17:
		shift_at(image_random(2), model_end ? image_random((uint32_t)model_end) : 0, size);
		break;
	case 0:
		truncate_to(image_random(2) ? offset : model_end / 2);
		break;
	case 1:
		fallocate_at(0, offset, size);
		break;
	case 2:
		fallocate_at(FALLOC_FL_KEEP_SIZE, offset, size);
		break;
	case 3:
	case 4:
		fallocate_at(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
		break;
	case 5:
		fallocate_at(FALLOC_FL_ZERO_RANGE | (image_random(2) ? FALLOC_FL_KEEP_SIZE : 0),
			     offset, size);
		break;
	case 6:
		CHECK_INT(ext4_fsync(&file->inode, image_random(2)), 0);
		break;
	case 7:
		file_is_model();
		break;
	case 8:
		write_at(model_end < MODEL_SIZE - size ? model_end : offset, size);
		break;
	case 9:
		CHECK_INT(ext4_flush_delayed(file), 0);
		break;
	default:
		write_at(offset, size);
	}
}

static void mixed(void) MAY_YIELD
{
	begin(fs->block_size + fs->group_count);
	for (uint32_t i = 0; i < (test_sanitized ? 300 : 1500); i++) {
		random_operation();
		if (i % 300 == 299)
			disk_is_model();
	}
	disk_is_model();
	end();
}

static void any_mix_of_operations_gives_the_models_bytes(void)
{
	image_run("-b 4096", MIB(64), mixed);
	image_run("-b 1024", MIB(32), mixed);
	image_run("-b 2048", MIB(40), mixed);
	image_run("-b 1024 -O ^has_journal", MIB(24), mixed);
	image_run("-b 4096 -O ^metadata_csum,^64bit,^flex_bg", MIB(48), mixed);
}

/* ---- fallocate, then 4 KiB at a time, at random. */

#define WRITES 12000u
#define AREA_PAGES 12288u
#define PAGE 4096u

static uint16_t versions[AREA_PAGES];

static void fill(uint8_t *page, uint32_t index, uint16_t version)
{
	memset(page, 0, PAGE);
	for (uint32_t i = 0; version && i < PAGE; i += 4)
		memcpy(page + i, &(uint32_t){ index * 65536 + version + i }, 4);
}

static void area_is_right(void) MAY_YIELD
{
	static uint8_t wanted[PAGE], page[PAGE];

	for (uint32_t i = 0; i < AREA_PAGES; i++) {
		fill(wanted, i, versions[i]);
		CHECK_INT(ext4_read(&file->inode, page, PAGE, (uint64_t)i * PAGE), PAGE);
		if (memcmp(page, wanted, PAGE) != 0)
			test_fail(__FILE__, __LINE__, "page %u is wrong", i);
	}
}

static void random_writes(void) MAY_YIELD
{
	uint64_t seed = image_seed;
	static uint8_t page[PAGE];

	memset(versions, 0, sizeof(versions));
	file = image_file("file");
	image_seed = seed;
	CHECK_INT(ext4_fallocate(&file->inode, 0, 0, AREA_PAGES * (uint64_t)PAGE), 0);
	for (uint32_t i = 0; i < WRITES; i++) {
		uint32_t index = image_random(AREA_PAGES);

		fill(page, index, ++versions[index]);
		CHECK_INT(ext4_write(&file->inode, page, PAGE, (uint64_t)index * PAGE), PAGE);
		if (image_random(3000) == 0)
			CHECK_INT(ext4_fsync(&file->inode, true), 0);
	}
	inode_put(&file->inode);
	image_again();
	file = image_find("file");
	CHECK_INT(ext4_extents_check(file), 0);
	area_is_right();
	inode_put(&file->inode);
	image_unlink("file");
}

/* DATA_SEEDS in the environment: more of them, from 1 on. */
static void random_writes_into_allocated_blocks_are_all_there(void)
{
	const char *more = getenv("DATA_SEEDS");
	unsigned int seeds = more ? (unsigned int)strtoul(more, NULL, 10) : 2;

	for (unsigned int seed = 1; seed <= seeds; seed++) {
		image_seed = seed;
		image_run("-b 4096", MIB(80), random_writes);
		image_seed = seed;
		image_run("-b 1024", MIB(80), random_writes);
	}
}

/* ---- holes. */

static void check_seek(uint64_t offset, int whence, int64_t wanted) MAY_YIELD
{
	CHECK_INT(ext4_seek_data(&file->inode, offset, whence), wanted);
}

static void holes(void) MAY_YIELD
{
	begin(5);
	write_at(20480, 4096);
	write_at(40960, 10);
	truncate_to(100000);
	for (int i = 0; i < 2; i++) { /* before the pages are on the disk, and after */
		check_seek(0, SEEK_DATA, 20480);
		check_seek(0, SEEK_HOLE, 0);
		check_seek(20481, SEEK_DATA, 20481);
		check_seek(20481, SEEK_HOLE, 24576);
		check_seek(24576, SEEK_DATA, 40960);
		check_seek(40960, SEEK_HOLE, 40960 + fs->block_size);
		check_seek(50000, SEEK_DATA, -ENXIO);
		check_seek(99999, SEEK_HOLE, 99999);
		check_seek(100000, SEEK_HOLE, -ENXIO);
		CHECK_INT(ext4_fsync(&file->inode, false), 0);
	}
	/* Allocated and not written is a hole; written there, data. */
	fallocate_at(0, 0, 20480);
	check_seek(0, SEEK_DATA, 20480);
	write_at(8192, 1);
	check_seek(0, SEEK_DATA, 8192);
	check_seek(8192, SEEK_HOLE, 8192 + fs->block_size);
	fallocate_at(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 30000);
	check_seek(0, SEEK_DATA, 40960);
	disk_is_model();
	end();
}

static void holes_are_found_in_memory_and_on_the_disk(void)
{
	image_run("-b 4096", MIB(32), holes);
	image_run("-b 1024", MIB(32), holes);
}

/* ---- large files. */

static void write_far(uint64_t offset, char byte) MAY_YIELD
{
	char got = 0;

	CHECK_INT(ext4_write(&file->inode, &byte, 1, offset), 1);
	CHECK_INT(ext4_read(&file->inode, &got, 1, offset), 1);
	CHECK_INT(got, byte);
}

static void large(void) MAY_YIELD
{
	const uint64_t tera = UINT64_C(1) << 40, limit = (uint64_t)UINT32_MAX * fs->block_size;
	char byte = 'x';

	begin(6);
	write_far(0, 'a');
	write_far((UINT64_C(1) << 31) + 5, 'b');
	write_far(tera, 'c');
	write_far(limit - 1, 'd');
	CHECK_INT(ext4_write(&file->inode, &byte, 1, limit), -EFBIG);
	CHECK_INT(ext4_write(&file->inode, seen, 10, limit - 4), 4);
	CHECK_INT(ext4_fallocate(&file->inode, 0, limit - 10, 11), -EFBIG);
	CHECK_INT(file->size, limit);
	task_lock_take(&file->lock);
	CHECK_INT(ext4_truncate(file, limit + 1), -EFBIG);
	task_lock_drop(&file->lock);
	inode_put(&file->inode);
	image_again();
	file = image_find("file");
	CHECK_INT(file->size, limit);
	CHECK_INT(ext4_read(&file->inode, &byte, 1, tera), 1);
	CHECK_INT(byte, 'c');
	CHECK_INT(ext4_read(&file->inode, &byte, 1, tera + 1), 1);
	CHECK_INT(byte, 0);
	CHECK_INT(ext4_seek_data(&file->inode, 5000, SEEK_DATA), (1 << 30) * INT64_C(2));
	truncate_to(1);
	CHECK_INT(ext4_read(&file->inode, &byte, 1, 0), 1);
	CHECK_INT(byte, 'a');
	end();
}

static void files_may_be_as_long_as_block_numbers_reach(void)
{
	image_run("-b 4096", MIB(32), large);
	image_run("-b 1024", MIB(32), large);
}

/* ---- ranges taken out and put in. */

static void check_shift(int mode, uint64_t offset, uint64_t size, int wanted) MAY_YIELD
{
	CHECK_INT(ext4_fallocate(&file->inode, mode, offset, size), wanted);
}

static void shift_rules(void) MAY_YIELD
{
	const int out = FALLOC_FL_COLLAPSE_RANGE, in = FALLOC_FL_INSERT_RANGE;
	const uint64_t block = fs->block_size, limit = (uint64_t)UINT32_MAX * block;

	begin(10);
	write_at(0, (uint32_t)(10 * block + 1));
	check_shift(out, 1, block, -EINVAL);
	check_shift(out, block, block + 512, -EINVAL);
	check_shift(in, 512, block, -EINVAL);
	check_shift(in, block, 1, -EINVAL);
	/* The end of the file: truncate does that. */
	check_shift(out, 10 * block, block, -EINVAL);
	check_shift(out, 0, 11 * block, -EINVAL);
	check_shift(in, 11 * block, block, -EINVAL);
	check_shift(in, 0, limit - 10 * block, -EFBIG);
	check_shift(out | FALLOC_FL_KEEP_SIZE, 0, block, -EOPNOTSUPP);
	check_shift(in | FALLOC_FL_KEEP_SIZE, 0, block, -EOPNOTSUPP);
	check_shift(in | out, 0, block, -EOPNOTSUPP);
	check_shift(FALLOC_FL_UNSHARE_RANGE, 0, block, -EOPNOTSUPP);
	file_is_model();
	shift_at(true, 10 * block, block);
	shift_at(false, 9 * block, block);
	file_is_model();
	/* Blocks behind the file's end come along, but no further than there are numbers. */
	fallocate_at(FALLOC_FL_KEEP_SIZE, limit - 2 * block, block);
	shift_at(true, 0, 0);
	check_shift(in, 0, block, -EINVAL);
	disk_is_model();
	end();
}

static void ranges_are_taken_out_and_put_in_where_linux_does(void)
{
	image_run("-b 4096", MIB(32), shift_rules);
	image_run("-b 1024", MIB(32), shift_rules);
}

/* ---- the device fails. */

static void read_error(void) MAY_YIELD
{
	struct ext4_run run;

	begin(7);
	write_at(0, 100000);
	inode_put(&file->inode);
	image_again();
	file = image_find("file");
	CHECK_INT(ext4_map(file, 12, 1, &run), 0);
	CHECK_INT(run.kind, EXT4_MAPPED);
	test_disk_fail_range(image_disk, DISK_READ, run.physical * 4096, 4096, -EIO, 0);
	CHECK_INT(ext4_read(&file->inode, seen, 4096, 12 * 4096), -EIO);
	CHECK_INT(ext4_read(&file->inode, seen, 4096, 12 * 4096), -EIO);
	/* What is before it is told first. */
	CHECK_INT(ext4_read(&file->inode, seen, 65536, 8 * 4096), 4 * 4096);
	test_disk_mend(image_disk);
	file_is_model();
	end();
}

static void an_error_of_the_device_is_told_to_who_reads(void)
{
	image_run("-b 4096", MIB(32), read_error);
}

static void write_error(void) MAY_YIELD
{
	struct ext4_run run;

	begin(8);
	write_at(0, 8192);
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	CHECK_INT(ext4_map(file, 0, 2, &run), 0);
	test_disk_fail_range(image_disk, DISK_WRITE, run.physical * 4096, 8192, -EIO, 0);
	write_at(0, 8192);
	CHECK_INT(ext4_fsync(&file->inode, false), -EIO);
	test_disk_mend(image_disk);
	file_is_model();
	/* It was kept, and goes there now. */
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	disk_is_model();
	end();
}

static void data_that_could_not_be_written_is_kept_and_told(void)
{
	image_run("-b 4096", MIB(32), write_error);
}

/* ---- files of the old kind: blocks in lists of numbers. */

#define OLD_SIZE 2000000u

/* The bytes that `seq` prints. */
static void old_model(void)
{
	uint32_t at = 0;

	for (unsigned int i = 1; at < OLD_SIZE; i++) {
		char text[16];
		int length = snprintf(text, sizeof(text), "%u\n", i);

		memcpy(model + at, text, (size_t)length);
		at += (uint32_t)length;
	}
	memset(model + OLD_SIZE, 0, MODEL_SIZE - OLD_SIZE);
	model_end = OLD_SIZE;
}

static void old_kind(void) MAY_YIELD
{
	uint64_t before;

	begin(9);
	inode_put(&file->inode);
	image_unlink("file");
	CHECK_INT(ext4_sync_fs(fs), 0);
	before = fs->free_blocks;
	file = image_find("old");
	CHECK_INT(file->flags & EXT4_EXTENTS_FL, 0);
	old_model();
	file_is_model();
	/* Over its blocks one may write; it gets no new ones. */
	write_at(5000, 300000);
	CHECK_INT(ext4_write(&file->inode, seen, 10, OLD_SIZE + 100000), -EOPNOTSUPP);
	CHECK_INT(ext4_fallocate(&file->inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5000),
		  -EOPNOTSUPP);
	file_is_model();
	truncate_to(1500001);
	file_is_model();
	truncate_to(9000);
	inode_put(&file->inode);
	image_again();
	file = image_find("old");
	file_is_model();
	inode_put(&file->inode);
	image_unlink("old");
	CHECK_INT(ext4_sync_fs(fs), 0);
	CHECK(fs->free_blocks > before + OLD_SIZE / fs->block_size);
	file = image_file("file");
	end();
}

static void files_of_the_old_kind_are_read_written_over_and_freed(void)
{
	image_made = "PATH=$PATH:/sbin:/usr/sbin; (seq 1 1000000 | head -c 2000000 >/tmp/old.$$ && "
		     "debugfs -w -R \"write /tmp/old.$$ old\" $IMAGE && "
		     "tune2fs -O extents $IMAGE; e=$?; rm /tmp/old.$$; exit $e) 2>&1";
	image_run("-b 1024 -O ^extents,^64bit", MIB(16), old_kind);
	image_run("-b 4096 -O ^extents,^64bit", MIB(32), old_kind);
}

/* ---- a reader that looks while it is read. */

static struct {
	uint64_t offset, size; /* of the read */
	uint64_t told;	       /* bytes */
	unsigned int times;
} reader;

static void look_at_what_is_there(const struct vfs_caller *caller, const void *end)
{
	uint64_t told = (uint64_t)((const uint8_t *)end - seen);

	(void)caller;
	CHECK(told > reader.told && told <= reader.size);
	CHECK(memcmp(seen, model + reader.offset, told) == 0);
	reader.told = told;
	reader.times++;
}

static void read_and_look(uint64_t offset, uint64_t size) MAY_YIELD
{
	const struct vfs_caller caller = { .tell_read = look_at_what_is_there };
	ssize_t r;

	reader.offset = offset;
	reader.size = size;
	reader.told = 0;
	reader.times = 0;
	memset(seen, 0xee, MODEL_SIZE);
	vfs_act_for(&caller);
	r = ext4_read(&file->inode, seen, size, offset);
	vfs_act_for(NULL);
	CHECK(r >= (ssize_t)reader.told);
	CHECK(memcmp(seen, model + offset, (size_t)r) == 0);
}

static void large_read_told(void) MAY_YIELD
{
	begin(7);
	write_at(0, 400000);
	write_at(600000, 100000); /* behind a hole */
	read_and_look(0, 262144);
	CHECK(reader.times >= 4);
	read_and_look(5, 262144); /* no page in one piece */
	CHECK(reader.times >= 4);
	read_and_look(300000, 400000);
	CHECK(reader.times >= 4);
	read_and_look(699999, 262144); /* at the end of the file */
	read_and_look(0, 4096);
	CHECK_INT(reader.times, 0);
	CHECK_INT(ext4_sync_fs(fs), 0);
	inode_put(&file->inode);
	image_again();
	file = image_find("file");
	read_and_look(0, 262144); /* from the disk */
	CHECK(reader.times >= 4);
	end();
}

static void a_large_read_tells_what_is_there_already(void)
{
	image_run("-b 4096", MIB(16), large_read_told);
	image_run("-b 1024", MIB(16), large_read_told);
}

static const struct test tests[] = {
	TEST(a_write_gets_blocks_when_it_goes_to_the_disk),
	TEST_LONG(any_mix_of_operations_gives_the_models_bytes, 120),
	TEST_LONG(random_writes_into_allocated_blocks_are_all_there, 900),
	TEST(holes_are_found_in_memory_and_on_the_disk),
	TEST(ranges_are_taken_out_and_put_in_where_linux_does),
	TEST(files_may_be_as_long_as_block_numbers_reach),
	TEST(an_error_of_the_device_is_told_to_who_reads),
	TEST(files_of_the_old_kind_are_read_written_over_and_freed),
	TEST(data_that_could_not_be_written_is_kept_and_told),
	TEST(a_large_read_tells_what_is_there_already),
};
TEST_MAIN(tests)

/*
 * test_data.c - what ext4.h promises of files' bytes: a file has what was written, where it was
 * written, whatever else was done to it; on the disk as well, and e2fsck finds nothing wrong.
 * The model is an array of bytes.
 */
#include "test/ext4/data_image.h"

#include <errno.h>
#include <linux/falloc.h>
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

	switch (image_random(16)) {
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

static const struct test tests[] = {
	TEST(a_write_gets_blocks_when_it_goes_to_the_disk),
	TEST_LONG(any_mix_of_operations_gives_the_models_bytes, 120),
};
TEST_MAIN(tests)

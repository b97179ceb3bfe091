/*
 * test_open.c - what disk.h promises of image files and of the disk in memory: data, sizes,
 * locks, errors.
 */
#include "device/disk.h"
#include "test/device/device_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB UINT64_C(1024)
#define GIB (KIB * KIB * KIB)

static char path[64];

static void make_image(uint64_t size)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/hascall-disk-XXXXXX");
	fd = mkstemp(path);
	CHECK(fd >= 0);
	CHECK_INT(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static void remove_image(void)
{
	CHECK_INT(unlink(path), 0);
}

static bool is_zero(const char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (data[i])
			return false;
	return true;
}

/* ---- data. */

static char in[16384], out[16384];

static void write_and_read(struct disk *disk) MAY_YIELD;
static void write_and_read(struct disk *disk)
{
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 251 + 1);
	CHECK_INT(disk_read(disk, in, sizeof(in), 4096), 0);
	CHECK(is_zero(in, sizeof(in)));
	CHECK_INT(disk_write(disk, out, sizeof(out), 4096), 0);
	CHECK_INT(disk_flush(disk), 0);
	CHECK_INT(disk_read(disk, in, sizeof(in), 4096), 0);
	CHECK(!memcmp(in, out, sizeof(in)));
	CHECK_INT(disk_read(disk, in, 512, 4096 + 1536), 0);
	CHECK(!memcmp(in, out + 1536, 512));
}

static void memory_gives_back_what_was_written_(void *arg) MAY_YIELD;
static void memory_gives_back_what_was_written_(void *arg)
{
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_memory(64 * KIB, &disk), 0);
	write_and_read(disk);
	disk_close(disk);
}

static void memory_gives_back_what_was_written(void)
{
	begin_device(NULL);
	run_task(memory_gives_back_what_was_written_, NULL);
	end_device();
}

static void image_gives_back_what_was_written_(void *arg) MAY_YIELD;
static void image_gives_back_what_was_written_(void *arg)
{
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	write_and_read(disk);
	disk_close(disk);
	CHECK_INT(disk_open_image(path, true, &disk), 0);
	memset(in, 0, sizeof(in));
	CHECK_INT(disk_read(disk, in, sizeof(in), 4096), 0);
	CHECK(!memcmp(in, out, sizeof(in)));
	disk_close(disk);
}

static void image_gives_back_what_was_written(void)
{
	make_image(64 * KIB);
	begin_device(NULL);
	run_task(image_gives_back_what_was_written_, NULL);
	end_device();
	remove_image();
}

static const struct test tests[] = {
	TEST(memory_gives_back_what_was_written),
	TEST(image_gives_back_what_was_written),
};
TEST_MAIN(tests)

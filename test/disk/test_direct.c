/*
 * test_direct.c - what disk_image.c says about the host's cache: writes, and reads that ask for
 * it, go past it, and nobody can tell by the data.
 */
#include "device/disk.h"
#include "test/device/device_test.h"
#include "test/disk/image_file.h"
#include "test/disk/test_disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE (UINT64_C(1) << 20)
#define PAGE UINT64_C(4096)

static char loop[64];
static char *data, *seen; /* SIZE bytes each, aligned */

static void begin_image(void)
{
	make_image("/var/tmp", 2 * SIZE);
	data = aligned_alloc(PAGE, SIZE);
	seen = aligned_alloc(PAGE, SIZE);
	CHECK(data && seen);
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (char)(i * 7 + i / 251 + 1);
}

static void end_image(void)
{
	remove_image();
	free(data);
	free(seen);
}

/* As another program of the host does it. */
static void host_writes(const char *from, uint64_t offset)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK_INT(pwrite(fd, from, SIZE, (off_t)offset), SIZE);
	close(fd);
}

static void host_reads(char *to, uint64_t offset)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK_INT(pread(fd, to, SIZE, (off_t)offset), SIZE);
	close(fd);
}

/* Pages of the image in the host's cache; what can be dropped is dropped before, if asked for. */
static unsigned int host_has(bool drop)
{
	unsigned char pages[2 * SIZE / PAGE];
	unsigned int count = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *at;

	if (drop) {
		CHECK_INT(fsync(fd), 0);
		CHECK_INT(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	}
	at = mmap(NULL, 2 * SIZE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED);
	CHECK_INT(mincore(at, 2 * SIZE, pages), 0);
	for (size_t i = 0; i < sizeof(pages); i++)
		count += pages[i] & 1;
	munmap(at, 2 * SIZE);
	close(fd);
	return count;
}

/* Some file systems have nothing but the cache, or no way past it. */
static bool cache_can_be_passed(void)
{
	int fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
	bool passed = fd >= 0 && pwrite(fd, data, SIZE, 0) == (ssize_t)SIZE;

	if (fd >= 0)
		close(fd);
	return passed && host_has(true) == 0;
}

static int read_past(struct disk *disk, void *to, uint64_t size, uint64_t offset) MAY_YIELD;
static int read_past(struct disk *disk, void *to, uint64_t size, uint64_t offset)
{
	const struct disk_request request = { .op = DISK_READ,
					      .flags = DISK_PAST_CACHE,
					      .data = to,
					      .size = size,
					      .offset = offset };

	return send_and_wait(disk, &request);
}

static void what_is_written_and_read_is_not_kept_twice_(void *arg) MAY_YIELD;
static void what_is_written_and_read_is_not_kept_twice_(void *arg)
{
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	CHECK_INT(disk_write(disk, data, SIZE, 0), 0);
	CHECK_INT(disk_write(disk, data + PAGE, PAGE, SIZE), 0);
	CHECK_INT(disk_flush(disk), 0);
	CHECK_INT(host_has(false), 0);
	CHECK_INT(read_past(disk, seen, SIZE, 0), 0);
	CHECK(!memcmp(seen, data, SIZE));
	CHECK_INT(read_past(disk, seen, PAGE, SIZE), 0);
	CHECK(!memcmp(seen, data + PAGE, PAGE));
	CHECK_INT(host_has(false), 0);
	disk_close(disk);
}

static void what_is_written_and_read_is_not_kept_twice(void)
{
	bool can;

	begin_image();
	can = cache_can_be_passed();
	if (can) {
		begin_device(NULL);
		run_task(what_is_written_and_read_is_not_kept_twice_, NULL);
		end_device();
	}
	end_image();
	if (!can)
		SKIP("the file system of /var/tmp has no way past its cache");
}

/* Dirty, clean, half of it or nothing: what others wrote is there. */
static void what_the_host_has_in_its_cache_is_seen_(void *arg) MAY_YIELD;
static void what_the_host_has_in_its_cache_is_seen_(void *arg)
{
	struct disk *disk;

	(void)arg;
	host_writes(data, 0);
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	CHECK_INT(read_past(disk, seen, SIZE, 0), 0);
	CHECK(!memcmp(seen, data, SIZE));
	memset(seen, 0, SIZE);
	CHECK_INT(read_past(disk, seen, SIZE, SIZE / 2), 0);
	CHECK(!memcmp(seen, data + SIZE / 2, SIZE / 2));
	CHECK(seen[SIZE / 2] == 0 && !memcmp(seen + SIZE / 2, seen + SIZE / 2 + 1, SIZE / 2 - 1));
	(void)host_has(true);
	memset(seen, 0, SIZE);
	CHECK_INT(read_past(disk, seen, SIZE, 0), 0);
	CHECK(!memcmp(seen, data, SIZE));
	/* And the other way round: the host has the old bytes in its cache. */
	memset(data, 'n', SIZE);
	host_reads(seen, 0);
	CHECK_INT(disk_write(disk, data, SIZE, 0), 0);
	host_reads(seen, 0);
	CHECK(!memcmp(seen, data, SIZE));
	disk_close(disk);
}

static void what_the_host_has_in_its_cache_is_seen(void)
{
	begin_image();
	begin_device(NULL);
	run_task(what_the_host_has_in_its_cache_is_seen_, NULL);
	end_device();
	end_image();
}

static void data_may_lie_anywhere_in_memory_(void *arg) MAY_YIELD;
static void data_may_lie_anywhere_in_memory_(void *arg)
{
	static const size_t sizes[] = { DISK_SECTOR, PAGE, SIZE - PAGE };
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
		CHECK_INT(disk_write(disk, data + 1 + i, sizes[i], DISK_SECTOR), 0);
		memset(seen, 0, SIZE);
		CHECK_INT(read_past(disk, seen + 3, sizes[i], DISK_SECTOR), 0);
		CHECK(!memcmp(seen + 3, data + 1 + i, sizes[i]));
		CHECK_INT(seen[3 + sizes[i]], 0);
	}
	disk_close(disk);
}

static void data_may_lie_anywhere_in_memory(void)
{
	begin_image();
	begin_device(NULL);
	run_task(data_may_lie_anywhere_in_memory_, NULL);
	end_device();
	end_image();
}

/* The host refuses to write half a sector directly; nobody is to notice. */
static void sectors_of_the_host_may_be_larger_(void *arg) MAY_YIELD;
static void sectors_of_the_host_may_be_larger_(void *arg)
{
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_image(loop, false, &disk), 0);
	CHECK_INT(disk_write(disk, data, SIZE, 0), 0);
	CHECK_INT(disk_write(disk, data, 1024, 1024), 0);
	CHECK_INT(disk_write(disk, data, SIZE, SIZE), 0);
	CHECK_INT(disk_flush(disk), 0);
	CHECK_INT(read_past(disk, seen, SIZE, SIZE), 0);
	CHECK(!memcmp(seen, data, SIZE));
	CHECK_INT(read_past(disk, seen, SIZE, 0), 0);
	CHECK(!memcmp(seen, data, 1024));
	CHECK(!memcmp(seen + 1024, data, 1024));
	CHECK(!memcmp(seen + 2048, data + 2048, SIZE - 2048));
	disk_close(disk);
}

static bool ask(const char *command, char *line, size_t size)
{
	FILE *pipe = popen(command, "r");
	bool any;

	CHECK(pipe);
	any = fgets(line, (int)size, pipe) != NULL;
	line[strcspn(line, "\n")] = '\0';
	return pclose(pipe) == 0 && any;
}

static void sectors_of_the_host_may_be_larger(void)
{
	char command[160];
	bool looped;

	begin_image();
	snprintf(command, sizeof(command), "losetup -b 4096 -f --show %s 2>/dev/null", path);
	looped = ask(command, loop, sizeof(loop));
	if (looped) {
		begin_device(NULL);
		run_task(sectors_of_the_host_may_be_larger_, NULL);
		end_device();
		snprintf(command, sizeof(command), "losetup -d %s && echo", loop);
		CHECK(ask(command, loop, sizeof(loop)));
	}
	end_image();
	if (!looped)
		SKIP("no loop device with sectors of 4096 bytes can be made here");
}

static const struct test tests[] = {
	TEST(what_is_written_and_read_is_not_kept_twice),
	TEST(what_the_host_has_in_its_cache_is_seen),
	TEST(data_may_lie_anywhere_in_memory),
	TEST(sectors_of_the_host_may_be_larger),
};
TEST_MAIN(tests)

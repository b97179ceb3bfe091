/*
 * test_image.c - the cache on an image file, whose blocks executors in other threads read and
 * write: the file has what a sync said it has. Under the thread sanitizer: nobody touches a
 * page meanwhile.
 */
#include "test/device/device_test.h"

#include "cache/cache.h"
#include "device/disk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCKS 1500u
#define TASKS 6u
#define STEPS (test_sanitized ? 500u : 3000u)

static char path[] = "/tmp/hascall-cache-XXXXXX";
static struct cache_map map;
static uint32_t version[BLOCKS]; /* what each block says; 0 at first */
static unsigned int running;

static void step(unsigned int *seed) MAY_YIELD;
static void step(unsigned int *seed)
{
	uint64_t index = (uint64_t)rand_r(seed) % BLOCKS;
	struct cache_page *page;
	uint32_t *words;

	if (rand_r(seed) % 50 == 0) {
		CHECK_INT(cache_sync(&map, index, index + 100), 0);
		return;
	}
	if (rand_r(seed) % 8 == 0) {
		cache_read_ahead(&map, index, 16);
		return;
	}
	CHECK_INT(cache_get(&map, index, &page), 0);
	words = page->data;
	CHECK_INT(words[0], version[index]);
	CHECK_INT(words[1023], version[index]);
	if (rand_r(seed) % 2) {
		cache_modify(page);
		version[index]++;
		for (unsigned int i = 0; i < 1024; i++)
			words[i] = version[index];
		cache_dirty(page);
	}
	cache_put(page);
}

static void work(void *arg) MAY_YIELD;
static void work(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;

	for (unsigned int i = 0; i < STEPS; i++) {
		cache_throttle();
		step(&seed);
	}
	running--;
}

static void all(void *arg) MAY_YIELD;
static void all(void *arg)
{
	struct disk *disk;

	(void)arg;
	CHECK_INT(disk_open_image(path, false, &disk), 0);
	CHECK_INT(cache_init(UINT64_C(300) * CACHE_PAGE_SIZE), 0);
	CHECK_INT(cache_map_disk(&map, disk, 4096), 0);
	running = TASKS;
	for (uintptr_t i = 1; i <= TASKS; i++)
		CHECK_INT(task_start(NULL, "work", work, (void *)i), 0);
	while (running > 0)
		sleep_ms(1);
	CHECK_INT(cache_sync(&map, 0, UINT64_MAX), 0);
	cache_map_fini(&map);
	cache_fini();
	disk_close(disk);
}

static void an_image_file_has_what_a_sync_wrote(void)
{
	static uint32_t words[1024];
	int fd = mkostemp(path, O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_INT(ftruncate(fd, (off_t)BLOCKS * 4096), 0);
	begin_device(NULL);
	run_task(all, NULL);
	end_device();
	for (unsigned int i = 0; i < BLOCKS; i++) {
		CHECK_INT(pread(fd, words, sizeof(words), (off_t)i * 4096), sizeof(words));
		for (unsigned int k = 0; k < 1024; k++)
			CHECK_INT(words[k], version[i]);
	}
	CHECK_INT(unlink(path), 0);
	close(fd);
}

static const struct test tests[] = {
	TEST_LONG(an_image_file_has_what_a_sync_wrote, 30),
};
TEST_MAIN(tests)

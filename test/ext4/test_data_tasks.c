/*
 * test_data_tasks.c - what ext4.h promises when many tasks are at it: each finds what it
 * wrote, whoever writes, punches, syncs, reads and deletes beside it, in any order of tasks; the
 * cache is small, so that pages come and go all the time.
 */
#include "test/ext4/data_image.h"

#include "task/sched.h"

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TASKS 6u
#define FILES 2u
#define CHUNK 3000u /* neighbours share pages and blocks */
#define CHUNKS 240u /* of a file */

static struct ext4_inode *files[FILES];
static uint8_t model[FILES][CHUNKS * CHUNK];
static struct client {
	uint32_t who;
	uint8_t bytes[CHUNK], got[CHUNK];
} clients[TASKS];
static unsigned int running, operations;
static struct waitq all_done;

static void check_chunk(struct client *c, uint32_t f, uint32_t chunk) MAY_YIELD
{
	uint8_t *bytes = c->bytes;
	uint64_t offset = (uint64_t)chunk * CHUNK;
	ssize_t r = ext4_read(&files[f]->inode, bytes, CHUNK, offset);

	CHECK(r >= 0);
	memset(bytes + r, 0, CHUNK - (size_t)r);
	if (memcmp(bytes, &model[f][offset], CHUNK) != 0)
		test_fail(__FILE__, __LINE__, "file %u: chunk %u is wrong", f, chunk);
}

static void write_chunk(struct client *c, uint32_t f, uint32_t chunk) MAY_YIELD
{
	uint32_t in_chunk = image_random(CHUNK), size = 1 + image_random(CHUNK - in_chunk);
	uint64_t offset = (uint64_t)chunk * CHUNK + in_chunk;

	memset(c->bytes, (int)image_random(256), size);
	CHECK_INT(ext4_write(&files[f]->inode, c->bytes, size, offset), size);
	memcpy(&model[f][offset], c->bytes, size);
}

static void punch_chunk(uint32_t f, uint32_t chunk, int mode) MAY_YIELD
{
	uint64_t offset = (uint64_t)chunk * CHUNK;

	CHECK_INT(ext4_fallocate(&files[f]->inode, mode | FALLOC_FL_KEEP_SIZE, offset, CHUNK), 0);
	memset(&model[f][offset], 0, CHUNK);
}

/* Files that come and go: their blocks are others' soon. */
static void short_life(struct client *c) MAY_YIELD
{
	struct ext4_inode *file;
	char name[16];

	snprintf(name, sizeof(name), "life%u", c->who);
	memset(c->bytes, (int)(c->who + 'a'), CHUNK);
	file = image_file(name);
	for (uint32_t i = 0; i < 8; i++)
		CHECK_INT(ext4_write(&file->inode, c->bytes, CHUNK, (uint64_t)i * CHUNK), CHUNK);
	if (image_random(2))
		CHECK_INT(ext4_fsync(&file->inode, false), 0);
	for (uint32_t i = 0; i < 8; i++) {
		CHECK_INT(ext4_read(&file->inode, c->got, CHUNK, (uint64_t)i * CHUNK), CHUNK);
		CHECK(memcmp(c->bytes, c->got, CHUNK) == 0);
	}
	inode_put(&file->inode);
	image_unlink(name);
}

static void one_of_many(void *arg) MAY_YIELD
{
	struct client *c = arg;

	for (uint32_t i = 0; i < operations; i++) {
		uint32_t f = image_random(FILES);
		uint32_t chunk = image_random(CHUNKS / TASKS) * TASKS + c->who;

		switch (image_random(12)) {
		case 0:
			punch_chunk(f, chunk, FALLOC_FL_PUNCH_HOLE);
			break;
		case 1:
			punch_chunk(f, chunk, FALLOC_FL_ZERO_RANGE);
			break;
		case 2:
			CHECK_INT(ext4_fsync(&files[f]->inode, image_random(2)), 0);
			break;
		case 3:
			short_life(c);
			break;
		case 4:
		case 5:
		case 6:
			check_chunk(c, f, chunk);
			break;
		default:
			write_chunk(c, f, chunk);
		}
	}
	running--;
	waitq_wake_all(&all_done);
}

static void many(void) MAY_YIELD
{
	operations = test_sanitized ? 100 : 400;
	memset(model, 0, sizeof(model));
	waitq_init(&all_done);
	files[0] = image_file("one");
	files[1] = image_file("two");
	for (running = 0; running < TASKS; running++) {
		clients[running].who = running;
		CHECK_INT(task_start(NULL, "client", one_of_many, &clients[running]), 0);
	}
	while (running > 0)
		(void)!waitq_wait(&all_done, TASK_FOREVER, WAIT_SURE);
	for (uint32_t f = 0; f < FILES; f++) {
		for (uint32_t i = 0; i < CHUNKS; i++)
			check_chunk(clients, f, i);
		inode_put(&files[f]->inode);
	}
	image_again();
	files[0] = image_find("one");
	files[1] = image_find("two");
	for (uint32_t f = 0; f < FILES; f++) {
		for (uint32_t i = 0; i < CHUNKS; i++)
			check_chunk(clients, f, i);
		CHECK_INT(ext4_extents_check(files[f]), 0);
		inode_put(&files[f]->inode);
	}
}

/* DATA_SEEDS in the environment: more orders of tasks, from 1 on. */
static void each_finds_its_own_bytes_in_any_order_of_tasks(void)
{
	const char *more = getenv("DATA_SEEDS");
	unsigned int seeds = more ? (unsigned int)strtoul(more, NULL, 10) : 4;

	image_cache_bytes = UINT64_C(512) << 10;
	for (unsigned int seed = 1; seed <= seeds; seed++) {
		image_seed = seed;
		image_run("-b 4096", MIB(32), many);
		image_seed = seed;
		image_run("-b 1024", MIB(24), many);
		image_seed = seed;
		image_run("-b 1024 -O ^has_journal", MIB(16), many);
	}
}

/* ---- more inodes than the table of them begins with, while all are synced. */

#define MANY 10000u

static struct ext4_inode *made[MANY];
static bool syncing;

static void sync_all(void *arg) MAY_YIELD
{
	(void)arg;
	CHECK_INT(ext4_sync_fs(fs), 0);
	syncing = false;
	waitq_wake_all(&all_done);
}

static void make_until(uint32_t *count, uint32_t end) MAY_YIELD
{
	char name[16], byte = 'b';

	for (; *count < end; ++*count) {
		snprintf(name, sizeof(name), "many%u", *count);
		made[*count] = image_file(name);
		CHECK_INT(ext4_write(&made[*count]->inode, &byte, 1, 0), 1);
	}
}

/* Those that leave memory make way for others whose numbers stand in the same places. */
static void leave(uint32_t first, uint32_t end) MAY_YIELD
{
	for (uint32_t i = first; i < end; i++) {
		inode_put(&made[i]->inode);
		made[i] = NULL;
	}
	CHECK_INT(ext4_sync_fs(fs), 0);
}

static void grows_under_a_sync(void) MAY_YIELD
{
	uint32_t count = 0, buckets = fs->inode_buckets, before;

	waitq_init(&all_done);
	make_until(&count, buckets - 50);
	leave(buckets / 2, count);
	make_until(&count, count + buckets / 2 - 50);
	for (uint32_t i = 0; i < buckets / 2; i++)
		CHECK_INT(ext4_write(&made[i]->inode, "more", 4, 4096), 4);
	CHECK_INT(fs->inode_buckets, buckets);
	before = count;
	syncing = true;
	CHECK_INT(task_start(NULL, "sync", sync_all, NULL), 0);
	while (syncing && made[100]->delayed > 0) /* it is somewhere among the first */
		(void)!task_sleep_until(clock_now_ns() + 10000);
	CHECK(syncing);
	make_until(&count, MANY);
	while (syncing)
		(void)!waitq_wait(&all_done, TASK_FOREVER, WAIT_SURE);
	CHECK(fs->inode_buckets > buckets);
	/* What was there when it began is not promised any more. */
	for (uint32_t i = 0; i < before; i++)
		CHECK_INT(made[i] ? made[i]->delayed : 0, 0);
	for (uint32_t i = 0; i < MANY; i++) {
		struct ext4_inode *found;

		if (!made[i])
			continue;
		CHECK_INT(ext4_iget(fs, made[i]->number, &found), 0);
		CHECK(found == made[i]);
		inode_put(&found->inode);
		inode_put(&found->inode);
	}
}

static void a_sync_finds_all_files_while_there_are_more_and_more(void)
{
	image_cache_bytes = UINT64_C(512) << 20; /* nothing is written for want of room */
	for (image_seed = 1; image_seed < 4; image_seed++)
		image_run("-b 4096 -N 20000", MIB(128), grows_under_a_sync);
}

static const struct test tests[] = {
	TEST_LONG(a_sync_finds_all_files_while_there_are_more_and_more, 120),
	TEST_LONG(each_finds_its_own_bytes_in_any_order_of_tasks, 900),
};
TEST_MAIN(tests)

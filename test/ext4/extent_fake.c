#include "test/ext4/extent_fake.h"

#include "base/crc32c.h"
#include "device/disk.h"
#include "device/host.h"
#include "task/sched.h"
#include "vfs/ext4/alloc.h"

#include <errno.h>
#include <stdlib.h>

struct ext4 fake;
struct ext4_inode file;
uint32_t fake_used, fake_limit, fake_run_max, fake_damages;
uint64_t fake_seed;
uint8_t fake_stored[60];

static uint8_t used[FAKE_BLOCKS];
static uint32_t next_block;

uint32_t fake_random(uint32_t below)
{
	fake_seed = fake_seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((fake_seed >> 33) % below);
}

bool fake_has(uint64_t block)
{
	return used[block];
}

/* ---- what the extent tree asks of the file system. */

int alloc_run(struct journal_handle *h, struct ext4_inode *inode, struct alloc_wish *wish,
	      uint64_t *ret_first)
{
	uint32_t first = wish->goal > 0 && wish->goal < FAKE_BLOCKS && !used[wish->goal]
				 ? (uint32_t)wish->goal
				 : next_block;
	uint32_t count = 0;

	(void)h;
	if (fake_used >= fake_limit)
		return -ENOSPC;
	while (used[first])
		first = first + 1 < FAKE_BLOCKS ? first + 1 : 1;
	while (count < wish->count && count < fake_run_max && first + count < FAKE_BLOCKS &&
	       !used[first + count] && fake_used < fake_limit) {
		used[first + count++] = 1;
		fake_used++;
	}
	/* Blocks lie here and there, as on a disk that is in use. */
	next_block = 1 + fake_random(FAKE_BLOCKS - 1);
	inode->blocks += (uint64_t)count * (inode->fs->block_size / 512);
	wish->count = count;
	*ret_first = first;
	return 0;
}

int ext4_blocks_free(struct journal_handle *h, struct ext4_inode *inode, uint64_t first,
		     uint32_t count, bool metadata)
{
	(void)h;
	for (uint32_t i = 0; i < count; i++) {
		CHECK(used[first + i]);
		used[first + i] = 0;
	}
	fake_used -= count;
	inode->blocks -= (uint64_t)count * (inode->fs->block_size / 512);
	if (metadata)
		cache_drop(&inode->fs->blocks, first, first + count);
	return 0;
}

uint32_t ext4_credits_alloc(const struct ext4 *fs, uint32_t count)
{
	(void)fs;
	(void)count;
	return 4;
}

int ext4_begin(struct ext4 *fs, uint32_t credits, struct journal_handle *ret)
{
	(void)fs;
	*ret = (struct journal_handle){ .credits = credits };
	return 0;
}

int ext4_damage_at(struct ext4 *fs, const char *function, uint32_t line, const char *format, ...)
{
	(void)fs;
	(void)function;
	(void)line;
	(void)format;
	fake_damages++;
	return -EUCLEAN;
}

int ext4_writable(const struct ext4 *fs)
{
	(void)fs;
	return 0;
}

int ext4_inode_store(struct journal_handle *h, struct ext4_inode *inode)
{
	(void)h;
	memcpy(fake_stored, inode->block, sizeof(fake_stored));
	return 0;
}

bool ext4_block_valid(const struct ext4 *fs, uint64_t block, uint64_t count)
{
	(void)fs;
	return block > 0 && block < FAKE_BLOCKS && count <= FAKE_BLOCKS - block;
}

bool ext4_has_checksums(const struct ext4 *fs)
{
	(void)fs;
	return true;
}

uint32_t ext4_crc32c(uint32_t crc, const void *data, size_t size)
{
	return crc32c(crc, data, size);
}

/* ---- the frame. */

struct job {
	uint32_t block_size;
	void (*fn)(void);
};

static void body(void *arg) MAY_YIELD
{
	const struct job *job = arg;
	struct disk *disk;

	fake = (struct ext4){
		.block_size = job->block_size,
		.block_shift = (uint32_t)__builtin_ctz(job->block_size),
		.blocks_per_group = 64, /* so small that an extent is freed in parts */
		.block_count = FAKE_BLOCKS,
	};
	memset(used, 0, sizeof(used));
	fake_used = 0;
	fake_limit = FAKE_BLOCKS / 2;
	fake_run_max = FAKE_BLOCKS;
	fake_damages = 0;
	next_block = 1;
	CHECK_INT(disk_open_memory((uint64_t)FAKE_BLOCKS * job->block_size, &disk), 0);
	CHECK_INT(cache_map_disk(&fake.blocks, disk, job->block_size), 0);
	file = (struct ext4_inode){
		.fs = &fake, .number = 12, .mode = 0100644, .checksum_seed = 7
	};
	task_lock_init(&file.map_lock);
	ext4_extents_init(&file);
	memcpy(fake_stored, file.block, sizeof(fake_stored));
	job->fn();
	ext4_extents_forget(&file);
	cache_map_fini(&fake.blocks);
	disk_close(disk);
}

void fake_run(uint32_t block_size, void (*fn)(void))
{
	struct job job = { block_size, fn };

	CHECK_INT(sched_init(&(struct sched_options){ .virtual_clock = true }, NULL), 0);
	CHECK_INT(cache_init(UINT64_C(64) << 20), 0);
	CHECK_INT(task_start(NULL, "test", body, &job), 0);
	CHECK_INT(sched_run_until_idle(), 0);
	cache_fini();
	sched_fini();
}

/* indirect_free.c - blocks of files of the old kind are freed, from the end on. */
#include "vfs/ext4/extent.h"

#include <errno.h>
#include <sys/stat.h>

#define LEVELS_MAX 4u /* the inode, and 3 of blocks */

/* Three blocks of numbers; a run; those three freed; the inode. */
static uint32_t credits_step(const struct ext4 *fs)
{
	return 3 + ext4_credits_alloc(fs, fs->block_size / 4) + 3 * 2 + 1;
}

/* Numbers on one level, and the last that is not 0. */
struct level {
	struct cache_page *page; /* pinned; NULL: the inode */
	uint8_t *numbers;
	uint32_t at;
	uint64_t first; /* block of the file that number 0 begins with */
	uint64_t span;	/* blocks of one number */
};

struct way {
	unsigned int depth; /* levels below the inode's */
	struct level level[LEVELS_MAX];
};

static uint32_t number_at(const struct level *level, uint32_t index)
{
	uint32_t number;

	memcpy(&number, level->numbers + (size_t)index * 4, 4);
	return number;
}

/* The last of `count` numbers that is not 0. False: all are. */
static bool find_last(struct level *level, uint32_t count)
{
	while (count > 0 && number_at(level, count - 1) == 0)
		count--;
	level->at = count - 1;
	return count > 0;
}

static void way_put(struct way *way)
{
	for (unsigned int i = 1; i <= way->depth; i++)
		cache_put(way->level[i].page);
	way->depth = 0;
}

/* The inode's slot: what it begins with, and how many levels are below. */
static unsigned int slot_place(const struct ext4 *fs, struct level *level)
{
	unsigned int shift = fs->block_shift - 2, levels = 0;

	level->first = 0;
	level->span = 1;
	for (uint32_t slot = EXT4_DIRECT_BLOCKS; slot <= level->at; slot++) {
		/* As if all numbers of the inode had this span: `first` is of number 0. */
		uint64_t begin = level->first + level->span * slot;

		levels++;
		level->span = UINT64_C(1) << (shift * levels);
		level->first = begin - level->span * slot;
	}
	return levels;
}

/* The way to the last block. 1: found; 0: the file has none; or -errno. */
static int way_find(struct ext4_inode *inode, struct way *way) MAY_YIELD
{
	struct ext4 *fs = inode->fs;
	struct level *level = &way->level[0];
	unsigned int levels;

	way->depth = 0;
	*level = (struct level){ .numbers = inode->block };
	if (!find_last(level, EXT4_INODE_BLOCKS))
		return 0;
	levels = slot_place(fs, level);
	while (way->depth < levels) {
		uint32_t number = number_at(level, level->at);
		struct level *next = level + 1;
		int r = ext4_block_valid(fs, number, 1)
				? cache_get(&fs->blocks, number, &next->page)
				: ext4_damage(fs, "inode %u: block %u where none can be",
					      inode->number, number);

		if (r < 0) {
			way_put(way);
			return r;
		}
		way->depth++;
		next->numbers = next->page->data;
		next->first = level->first + level->span * level->at;
		next->span = level->span >> (fs->block_shift - 2);
		if (!find_last(next, fs->block_size / 4)) {
			/* A block of holes: as good as gone. */
			next->at = 0;
			return 1;
		}
		level = next;
	}
	return 1;
}

static int clear_numbers(struct journal_handle *h, struct level *level, uint32_t first) MAY_YIELD
{
	int r = level->page ? journal_get_write(h, level->page) : 0;

	if (r < 0)
		return r;
	memset(level->numbers + (size_t)first * 4, 0, ((size_t)level->at - first + 1) * 4);
	if (level->page)
		journal_dirty(h, level->page);
	return 0;
}

/* The last run of blocks at or after `first`, `max` at most. 0: freed, or there is none: *done. */
static int free_run(struct journal_handle *h, struct ext4_inode *inode, struct level *level,
		    uint32_t first, uint32_t max, bool *done) MAY_YIELD
{
	bool metadata = S_ISDIR(inode->mode) || S_ISLNK(inode->mode);
	uint32_t last = number_at(level, level->at), from = level->at;
	int r;

	if (level->first + level->at < first) {
		*done = true;
		return 0;
	}
	while (from > 0 && level->first + from > first && level->at - from + 1 < max &&
	       number_at(level, from - 1) == number_at(level, from) - 1)
		from--;
	r = clear_numbers(h, level, from);
	if (r == 0)
		r = ext4_blocks_free(h, inode, last - (level->at - from), level->at - from + 1,
				     metadata);
	return r;
}

/* Blocks of numbers that are all 0 now go too, upwards. */
static int free_empty(struct journal_handle *h, struct ext4_inode *inode, struct way *way) MAY_YIELD
{
	while (way->depth > 0) {
		struct level *level = &way->level[way->depth], *above = level - 1;
		uint64_t block = level->page->index;
		int r;

		if (find_last(level, inode->fs->block_size / 4))
			return 0;
		cache_put(level->page);
		way->depth--;
		r = clear_numbers(h, above, above->at);
		if (r == 0)
			r = ext4_blocks_free(h, inode, block, 1, true);
		if (r < 0)
			return r;
	}
	return 0;
}

static int step(struct journal_handle *h, struct ext4_inode *inode, uint32_t first, bool *done)
	MAY_YIELD
{
	uint32_t room = journal_forget_room(h);
	struct way way;
	const struct level *level;
	int r;

	if (room <= LEVELS_MAX)
		return 0; /* the next step */
	r = way_find(inode, &way);
	if (r <= 0) {
		*done = true;
		return r;
	}
	level = &way.level[way.depth];
	r = 0;
	if (number_at(level, level->at) != 0)
		r = free_run(h, inode, &way.level[way.depth], first, room - LEVELS_MAX, done);
	if (r == 0 && !*done)
		r = free_empty(h, inode, &way);
	way_put(&way);
	return r;
}

int indirect_unmap(struct ext4_inode *inode, uint32_t first)
{
	bool done = false;
	int r = 0;

	while (r == 0 && !done) {
		struct journal_handle h;

		r = ext4_begin(inode->fs, credits_step(inode->fs), &h);
		if (r < 0)
			break;
		task_lock_take(&inode->map_lock);
		r = step(&h, inode, first, &done);
		extent_runs_forget(inode);
		if (r == 0)
			r = ext4_inode_store(&h, inode);
		inode->last_data_transaction = journal_handle_id(&h);
		task_lock_drop(&inode->map_lock);
		journal_end(&h);
	}
	return r;
}

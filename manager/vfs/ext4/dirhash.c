#include "vfs/ext4/dir.h"

#include "vfs/small.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MIN 32u
#define BYTES_MAX (UINT64_C(64) << 20) /* of all directories of a file system */
#define NO_BLOCK UINT32_MAX
#define SMALL_TREE 32u	   /* blocks: so many are read at once */
#define FINDS_PER_BLOCK 8u /* of a larger tree: so many finds make it pay */

/* A name is in this block. The name itself is not kept: it is looked for there. */
struct place {
	uint32_t hash, block;
};

struct ext4_dir_index {
	struct ext4_inode *dir;
	struct list node;     /* fs->indexes */
	struct place *places; /* open addressing; a power of two */
	uint32_t place_count, used;
	uint16_t *gaps; /* by block */
	uint32_t block_count;
};

static uint32_t hash_of(const struct ext4_name *name)
{
	return (uint32_t)name_hash(name->text, name->len);
}

static uint64_t bytes_of(const struct ext4_dir_index *x)
{
	return sizeof(*x) + (uint64_t)x->place_count * sizeof(struct place) +
	       (uint64_t)x->block_count * sizeof(uint16_t);
}

static void free_index(struct ext4_dir_index *x)
{
	free(x->places);
	free(x->gaps);
	free(x);
}

void index_drop(struct ext4_inode *dir)
{
	struct ext4_dir_index *x = dir->names;

	if (!x)
		return;
	dir->names = NULL;
	dir->changes++; /* who is between two looks at it begins anew */
	dir->fs->index_bytes -= bytes_of(x);
	list_del(&x->node);
	free_index(x);
}

/* Those not used for longest go until there is room for `bytes`. */
static bool make_room(struct ext4 *fs, const struct ext4_dir_index *keep, uint64_t bytes)
{
	while (fs->index_bytes + bytes > BYTES_MAX && !list_empty(&fs->indexes)) {
		struct ext4_dir_index *x = LIST_ENTRY(fs->indexes.next, struct ext4_dir_index,
						      node);

		if (x == keep)
			return false;
		index_drop(x->dir);
	}
	return fs->index_bytes + bytes <= BYTES_MAX;
}

static void use(struct ext4_dir_index *x)
{
	list_del(&x->node);
	list_push_back(&x->dir->fs->indexes, &x->node);
}

/* ---- places. */

static void put_place(struct place *places, uint32_t count, struct place place)
{
	uint32_t i = place.hash & (count - 1);

	while (places[i].block != NO_BLOCK)
		i = (i + 1) & (count - 1);
	places[i] = place;
}

static struct place *new_places(uint32_t count)
{
	struct place *places = malloc((size_t)count * sizeof(*places));

	for (uint32_t i = 0; places && i < count; i++)
		places[i] = (struct place){ 0, NO_BLOCK };
	return places;
}

static bool grow(struct ext4_dir_index *x)
{
	uint32_t count = x->place_count * 2;
	struct place *wider;

	if (x->place_count > UINT32_MAX / 4 / sizeof(struct place))
		return false;
	wider = new_places(count);
	if (!wider)
		return false;
	for (uint32_t i = 0; i < x->place_count; i++)
		if (x->places[i].block != NO_BLOCK)
			put_place(wider, count, x->places[i]);
	free(x->places);
	x->places = wider;
	x->place_count = count;
	return true;
}

static bool add_place(struct ext4_dir_index *x, const struct ext4_name *name, uint32_t block)
{
	if (x->used >= x->place_count / 4 * 3 && !grow(x))
		return false;
	put_place(x->places, x->place_count, (struct place){ hash_of(name), block });
	x->used++;
	return true;
}

/* Close the gap at `hole`: those behind it that could stand there move up. */
static void remove_place(struct ext4_dir_index *x, uint32_t hole)
{
	uint32_t mask = x->place_count - 1;

	for (uint32_t i = (hole + 1) & mask; x->places[i].block != NO_BLOCK; i = (i + 1) & mask) {
		uint32_t home = x->places[i].hash & mask;

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			x->places[hole] = x->places[i];
			hole = i;
		}
	}
	x->places[hole].block = NO_BLOCK;
	x->used--;
}

static bool set_gap(struct ext4_dir_index *x, uint32_t block, uint32_t gap)
{
	if (block >= x->block_count) {
		uint32_t count = block < UINT32_MAX / 4 ? (block + 1) * 2 : block + 1;
		uint16_t *longer = realloc(x->gaps, (size_t)count * sizeof(*longer));

		if (!longer)
			return false;
		memset(longer + x->block_count, 0,
		       (size_t)(count - x->block_count) * sizeof(*longer));
		x->gaps = longer;
		x->block_count = count;
	}
	x->gaps[block] = (uint16_t)gap;
	return true;
}

/* ---- building. */

bool index_pays(const struct ext4_inode *dir)
{
	uint32_t blocks = dir_block_count(dir);

	/* A name takes 12 bytes at least on the disk, and 22 at most here. */
	if (dir->size > BYTES_MAX / 4)
		return false;
	return !dir_has_tree(dir) || blocks <= SMALL_TREE || dir->finds >= blocks / FINDS_PER_BLOCK;
}

static bool add_block(struct ext4_dir_index *x, const struct cache_page *page, uint32_t block)
{
	const struct ext4 *fs = x->dir->fs;
	const struct ext4_dirent *record;

	if (page->checked != EXT4_IS_NAMES)
		return set_gap(x, block, 0);
	for (uint32_t offset = 0; (record = dir_record(fs, page, offset)) != NULL;
	     offset += record->size) {
		struct ext4_name name = { record->name, record->name_length };

		if (record->number && !dir_is_dots(record) && !add_place(x, &name, block))
			return false;
	}
	return set_gap(x, block, dir_block_gap(fs, page));
}

static int read_names(struct ext4_dir_index *x) MAY_YIELD
{
	for (uint32_t block = 0; block < dir_block_count(x->dir); block++) {
		struct cache_page *page;
		int r;

		if (block % DIR_AHEAD == 0) {
			dir_read_ahead(x->dir, block);
			task_yield(); /* all of them may be in memory */
		}
		r = dir_block(x->dir, block, &page);
		if (r < 0)
			return r;
		r = add_block(x, page, block) ? 0 : -ENOMEM;
		cache_put(page);
		if (r < 0)
			return r;
	}
	return 0;
}

int index_build(struct ext4_inode *dir)
{
	struct ext4_dir_index *x = calloc(1, sizeof(*x));
	int r = -ENOMEM;

	assert(!dir->names);
	assert(dir->lock.owner == task_self());
	if (!x)
		return -ENOMEM;
	list_init(&x->node);
	x->dir = dir;
	x->place_count = PLACES_MIN;
	x->places = new_places(PLACES_MIN);
	if (x->places)
		r = read_names(x);
	if (r == 0 && !make_room(dir->fs, NULL, bytes_of(x)))
		r = -ENOMEM;
	if (r < 0) {
		free_index(x);
		return r;
	}
	dir->names = x;
	dir->fs->index_bytes += bytes_of(x);
	use(x);
	return 0;
}

/* ---- using it. */

/* The name in one block it may be in: 0, -ENOENT, or -EAGAIN: too much happened meanwhile. */
static int look(struct ext4_inode *dir, uint32_t block, const struct ext4_name *name,
		uint32_t *ret_number) MAY_YIELD
{
	const struct ext4_dirent *record = NULL;
	uint32_t changes = dir->changes;
	struct cache_page *page;
	int r = dir_block(dir, block, &page);

	if (r < 0)
		return r;
	if (page->checked == EXT4_IS_NAMES)
		record = dir_block_find(dir->fs, page, name, NULL);
	if (record)
		*ret_number = record->number;
	cache_put(page);
	if (record)
		return 0;
	return changes == dir->changes ? -ENOENT : -EAGAIN;
}

int index_find(struct ext4_inode *dir, const struct ext4_name *name, uint32_t *ret_number,
	       uint32_t *ret_block)
{
	uint32_t hash = hash_of(name), mask = dir->names->place_count - 1;
	uint32_t looked = NO_BLOCK;

	use(dir->names);
	for (uint32_t i = hash & mask; dir->names->places[i].block != NO_BLOCK;
	     i = (i + 1) & mask) {
		uint32_t block = dir->names->places[i].block;
		int r;

		if (dir->names->places[i].hash != hash || block == looked)
			continue;
		r = look(dir, block, name, ret_number);
		if (r == 0)
			*ret_block = block;
		if (r != -ENOENT)
			return r;
		looked = block;
	}
	return -ENOENT;
}

/* It is another size now; too large, or no memory: it goes. */
static void account(struct ext4_inode *dir, uint64_t before, bool fine)
{
	struct ext4_dir_index *x = dir->names;

	dir->fs->index_bytes += bytes_of(x) - before;
	use(x);
	if (!fine || !make_room(dir->fs, x, 0))
		index_drop(dir);
}

void index_add(struct ext4_inode *dir, const struct ext4_name *name, uint32_t block)
{
	uint64_t before;

	dir->changes++;
	if (!dir->names)
		return;
	before = bytes_of(dir->names);
	account(dir, before, add_place(dir->names, name, block));
}

void index_remove(struct ext4_inode *dir, const struct ext4_name *name, uint32_t block)
{
	uint32_t hash = hash_of(name), mask;

	dir->changes++;
	if (!dir->names)
		return;
	mask = dir->names->place_count - 1;
	for (uint32_t i = hash & mask; dir->names->places[i].block != NO_BLOCK;
	     i = (i + 1) & mask) {
		if (dir->names->places[i].hash == hash && dir->names->places[i].block == block) {
			remove_place(dir->names, i);
			return;
		}
	}
	/* It knows less than there is: another directory shares the block. */
	index_drop(dir);
}

void index_gap(struct ext4_inode *dir, uint32_t block, uint32_t gap)
{
	uint64_t before;

	if (!dir->names)
		return;
	before = bytes_of(dir->names);
	account(dir, before, set_gap(dir->names, block, gap));
}

uint32_t index_find_gap(const struct ext4_inode *dir, uint32_t size)
{
	const struct ext4_dir_index *x = dir->names;

	for (uint32_t i = 0; i < x->block_count && i < dir_block_count(dir); i++)
		if (x->gaps[i] >= size)
			return i;
	return UINT32_MAX;
}

uint64_t index_names(const struct ext4_inode *dir)
{
	return dir->names->used;
}

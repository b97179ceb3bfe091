#include "vfs/ext4/dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Order of names: by hash where the directory has, or may get, a tree; names then keep their
 * places when blocks are split. A cursor is the hash above the minor hash, each without its
 * bit 0; two names of one hash are told apart by adding 1. In other directories names never
 * move, and a cursor is a byte's number.
 */
#define CURSOR_END (VFS_CURSOR_END - 2) /* who comes back with it has seen all */
#define MINOR_BITS 31u
#define LEAVES_MAX 64u /* blocks that go on with one hash, read at once */

struct entry {
	uint64_t cursor;
	uint32_t offset; /* in the copy */
};

struct listing {
	struct ext4_inode *dir;
	bool hashed;
	uint32_t version;
	uint8_t *copy; /* of blocks: emit may yield, and names come and go meanwhile */
	uint32_t copy_size;
	struct entry *entries;
	uint32_t count, capacity;
	uint64_t next; /* cursor of what comes after the blocks copied */
};

static uint32_t type_of(const struct ext4_dirent *record)
{
	static const uint8_t types[EXT4_TYPE_COUNT] = {
		[EXT4_TYPE_UNKNOWN] = DT_UNKNOWN, [EXT4_TYPE_REGULAR] = DT_REG,
		[EXT4_TYPE_DIRECTORY] = DT_DIR,	  [EXT4_TYPE_CHARACTER] = DT_CHR,
		[EXT4_TYPE_BLOCK] = DT_BLK,	  [EXT4_TYPE_FIFO] = DT_FIFO,
		[EXT4_TYPE_SOCKET] = DT_SOCK,	  [EXT4_TYPE_LINK] = DT_LNK,
	};

	return record->type < EXT4_TYPE_COUNT ? types[record->type] : DT_UNKNOWN;
}

static uint64_t cursor_of(const struct dir_hash *hash)
{
	return (uint64_t)(hash->major >> 1) << MINOR_BITS | hash->minor >> 1;
}

static struct ext4_dirent *record_at(const struct listing *l, uint32_t offset)
{
	return (struct ext4_dirent *)(void *)(l->copy + offset);
}

static int add_entry(struct listing *l, const struct entry *entry)
{
	if (l->count == l->capacity) {
		uint32_t capacity = l->capacity ? l->capacity * 2 : 256;
		struct entry *longer = realloc(l->entries, capacity * sizeof(*longer));

		if (!longer)
			return -ENOMEM;
		l->entries = longer;
		l->capacity = capacity;
	}
	l->entries[l->count++] = *entry;
	return 0;
}

static bool is_dots(const struct ext4_dirent *record)
{
	return record->name[0] == '.' &&
	       (record->name_length == 1 || (record->name_length == 2 && record->name[1] == '.'));
}

/* The names of one block, from the copy at its end on. */
static int take_names(struct listing *l, const struct cache_page *page, uint32_t logical)
{
	const struct ext4 *fs = l->dir->fs;
	const struct ext4_dirent *record;
	int r = 0;

	for (uint32_t offset = 0; r == 0 && (record = dir_record(fs, page, offset)) != NULL;
	     offset += record->size) {
		struct ext4_name name = { record->name, record->name_length };
		struct entry entry = { .offset = l->copy_size + offset };
		struct dir_hash hash;

		if (!record->number || is_dots(record))
			continue;
		entry.cursor = ((uint64_t)logical << fs->block_shift) + offset;
		if (l->hashed) {
			dir_hash(fs, l->version, &name, &hash);
			entry.cursor = cursor_of(&hash);
		}
		r = add_entry(l, &entry);
	}
	return r;
}

static int take_block(struct listing *l, uint32_t logical) MAY_YIELD
{
	uint32_t block_size = l->dir->fs->block_size;
	uint8_t *longer = realloc(l->copy, l->copy_size + block_size);
	struct cache_page *page;
	int r;

	if (!longer)
		return -ENOMEM;
	l->copy = longer;
	r = dir_block(l->dir, logical, &page);
	if (r < 0)
		return r;
	memcpy(l->copy + l->copy_size, page->data, block_size);
	if (page->checked == EXT4_IS_NAMES)
		r = take_names(l, page, logical);
	l->copy_size += block_size;
	cache_put(page);
	return r;
}

/* The leaf for a hash; again, if names went from it to another while we waited for it. */
static int take_leaf(struct listing *l, uint32_t hash, uint32_t *ret_next) MAY_YIELD
{
	uint32_t count = l->count, copy_size = l->copy_size, changes, logical;
	int r;

	do {
		l->count = count;
		l->copy_size = copy_size;
		changes = l->dir->changes;
		r = htree_leaf(l->dir, hash, &logical, ret_next);
		if (r == 0)
			r = take_block(l, logical);
	} while (r == 0 && changes != l->dir->changes);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->cursor != y->cursor)
		return x->cursor < y->cursor ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* The names from `cursor` on that stand together, in order. */
static int fill_hashed(struct listing *l, uint64_t cursor) MAY_YIELD
{
	uint32_t hash = (uint32_t)(cursor >> MINOR_BITS) << 1, next = 0;
	int r = 0;

	if (!dir_has_tree(l->dir))
		r = take_block(l, 0);
	/* While we waited for the block, its names may have gone to others. */
	if (r == 0 && dir_has_tree(l->dir)) {
		l->count = 0;
		next = hash;
		for (uint32_t i = 0; r == 0 && i < LEAVES_MAX; i++) {
			r = take_leaf(l, next, &next);
			if (!(next & 1)) /* the next block does not go on with our last hash */
				break;
		}
	}
	if (l->count > 1)
		qsort(l->entries, l->count, sizeof(*l->entries), compare);
	for (uint32_t i = 1; i < l->count; i++)
		if (l->entries[i].cursor <= l->entries[i - 1].cursor)
			l->entries[i].cursor = l->entries[i - 1].cursor + 1;
	/* Of more blocks with one hash than were read, the rest is passed over. */
	l->next = next ? (uint64_t)((next >> 1) + (next & 1)) << MINOR_BITS : CURSOR_END;
	return r;
}

static int fill_linear(struct listing *l, uint64_t cursor) MAY_YIELD
{
	uint32_t shift = l->dir->fs->block_shift;
	uint32_t logical = (uint32_t)(cursor >> shift);

	l->next = logical + 1 < dir_block_count(l->dir) ? (uint64_t)(logical + 1) << shift
							: (uint64_t)CURSOR_END;
	return take_block(l, logical);
}

/* 1: emit wants no more. */
static int emit_names(struct listing *l, uint64_t *cursor, vfs_emit_fn *emit, void *ctx)
{
	for (uint32_t i = 0; i < l->count; i++) {
		const struct ext4_dirent *record = record_at(l, l->entries[i].offset);
		const struct vfs_dirent entry = {
			.name = record->name,
			.name_len = record->name_length,
			.ino = record->number,
			.type = type_of(record),
			.next = l->entries[i].cursor + 1,
		};

		if (l->entries[i].cursor < *cursor)
			continue;
		if (emit(ctx, &entry))
			return 1;
		*cursor = entry.next;
	}
	return 0;
}

int ext4_readdir(struct inode *inode, uint64_t *cursor, vfs_emit_fn *emit, void *ctx)
{
	struct ext4_inode *dir = ext4_i(inode);
	bool indexes = dir->fs->feature_compat & EXT4_COMPAT_DIR_INDEX;
	struct listing l = { .dir = dir };
	int r = htree_version(dir, &l.version);

	l.hashed = dir_has_tree(dir) || (indexes && dir_block_count(dir) == 1);
	while (r == 0 && *cursor < CURSOR_END &&
	       (l.hashed || *cursor >> dir->fs->block_shift < dir_block_count(dir))) {
		l.count = 0;
		l.copy_size = 0;
		r = l.hashed ? fill_hashed(&l, *cursor) : fill_linear(&l, *cursor);
		if (r == 0)
			r = emit_names(&l, cursor, emit, ctx);
		if (r == 0 && *cursor < l.next)
			*cursor = l.next;
	}
	free(l.copy);
	free(l.entries);
	if (r < 0)
		return r;
	ext4_note_access(dir);
	return 0;
}

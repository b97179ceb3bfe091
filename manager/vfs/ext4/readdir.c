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
#define CURSOR_END (VFS_CURSOR_END - 8) /* who comes back with it has seen all */
#define MINOR_BITS 31u
#define LEAVES_MAX 64u		/* blocks that go on with one hash, read at once */
#define PARTS 256u		/* of the hashes of a block, when they are put in order */
#define BLOCKS_AT_ONCE 8u	/* before others have their turn */
#define FEW 16u			/* entries are put in order one by one */
#define KEPT_SIZE (64u * 1024u) /* bytes of blocks in a listing that is kept, at most */

struct entry {
	uint64_t cursor;
	uint32_t offset; /* in the copy */
};

/* Names that stand together. Whoever stops among them comes back for the rest: they are kept. */
struct ext4_listing {
	struct ext4_inode *dir;
	uint32_t changes; /* of the directory, when they were read */
	bool hashed;
	uint32_t version;
	uint64_t first; /* cursor from which on they are all there is, up to `next` */
	uint8_t *copy;	/* of blocks: emit may yield, and names come and go meanwhile */
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

static struct ext4_dirent *record_at(const struct ext4_listing *l, uint32_t offset)
{
	return (struct ext4_dirent *)(void *)(l->copy + offset);
}

/* Room for `more` entries, and twice: order() moves them. */
static int make_room(struct ext4_listing *l, uint32_t more)
{
	uint32_t capacity = l->count * 2 + more;
	struct entry *longer;

	if (l->count + more <= l->capacity)
		return 0;
	longer = realloc(l->entries, 2 * (size_t)capacity * sizeof(*longer));
	if (!longer)
		return -ENOMEM;
	l->entries = longer;
	l->capacity = capacity;
	return 0;
}

static void take_hashes(struct ext4_listing *l, uint32_t from)
{
	struct ext4_name names[DIR_HASHES];
	struct dir_hash hashes[DIR_HASHES];

	for (uint32_t i = from; i < l->count; i += DIR_HASHES) {
		uint32_t count = l->count - i < DIR_HASHES ? l->count - i : DIR_HASHES;

		for (uint32_t k = 0; k < count; k++) {
			const struct ext4_dirent *record = record_at(l, l->entries[i + k].offset);

			names[k] = (struct ext4_name){ record->name, record->name_length };
		}
		dir_hashes(l->dir->fs, l->version, names, count, hashes);
		for (uint32_t k = 0; k < count; k++)
			l->entries[i + k].cursor = cursor_of(&hashes[k]);
	}
}

/* The names of one block: the copy's last. */
static int take_names(struct ext4_listing *l, uint32_t logical)
{
	const struct ext4 *fs = l->dir->fs;
	uint32_t begin = l->copy_size - fs->block_size, end = dir_room(fs), from = l->count;
	const struct ext4_dirent *record;
	int r = make_room(l, end / (uint32_t)sizeof(*record));

	if (r < 0)
		return r;
	for (uint32_t offset = 0; (record = dir_record_in(l->copy + begin, end, offset)) != NULL;
	     offset += record->size)
		if (record->number && !dir_is_dots(record))
			l->entries[l->count++] = (struct entry){
				.cursor = ((uint64_t)logical << fs->block_shift) + offset,
				.offset = begin + offset,
			};
	if (l->hashed)
		take_hashes(l, from);
	return 0;
}

static int take_block(struct ext4_listing *l, uint32_t logical) MAY_YIELD
{
	uint32_t block_size = l->dir->fs->block_size;
	uint8_t *longer = realloc(l->copy, l->copy_size + block_size);
	struct cache_page *page;
	int r;

	if (!longer)
		return -ENOMEM;
	l->copy = longer;
	dir_read_ahead(l->dir, logical);
	r = dir_block(l->dir, logical, &page);
	if (r < 0)
		return r;
	memcpy(l->copy + l->copy_size, page->data, block_size);
	l->copy_size += block_size;
	if (page->checked == EXT4_IS_NAMES)
		r = take_names(l, logical);
	cache_put(page);
	return r;
}

/* The leaf for a hash; again, if names went from it to another while we waited for it. */
static int take_leaf(struct ext4_listing *l, uint32_t hash, uint32_t *ret_next) MAY_YIELD
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

static bool is_after(const struct entry *x, const struct entry *y)
{
	return x->cursor != y->cursor ? x->cursor > y->cursor : x->offset > y->offset;
}

static int compare(const void *a, const void *b)
{
	return is_after(a, b) ? 1 : is_after(b, a) ? -1 : 0;
}

static void order_few(struct entry *entries, uint32_t count)
{
	if (count > FEW) {
		qsort(entries, count, sizeof(*entries), compare);
		return;
	}
	for (uint32_t i = 1; i < count; i++) {
		struct entry entry = entries[i];
		uint32_t at = i;

		for (; at > 0 && is_after(&entries[at - 1], &entry); at--)
			entries[at] = entries[at - 1];
		entries[at] = entry;
	}
}

/*
 * By cursor. Hashes lie evenly between the block's first and last: each finds its place nearly
 * by itself; where they do not, they are compared.
 */
static void order(struct ext4_listing *l)
{
	struct entry *from = l->entries + l->capacity;
	uint64_t low = UINT64_MAX, high = 0;
	uint32_t ends[PARTS] = { 0 }, at = 0;
	unsigned int shift = 0;

	if (l->count < 2)
		return;
	memcpy(from, l->entries, l->count * sizeof(*from));
	for (uint32_t i = 0; i < l->count; i++) {
		low = from[i].cursor < low ? from[i].cursor : low;
		high = from[i].cursor > high ? from[i].cursor : high;
	}
	while ((high - low) >> shift >= PARTS)
		shift++;
	for (uint32_t i = 0; i < l->count; i++)
		ends[(from[i].cursor - low) >> shift]++;
	for (uint32_t i = 0; i < PARTS; i++) {
		at += ends[i];
		ends[i] = at - ends[i]; /* where its first one comes */
	}
	for (uint32_t i = 0; i < l->count; i++)
		l->entries[ends[(from[i].cursor - low) >> shift]++] = from[i];
	at = 0;
	for (uint32_t i = 0; i < PARTS; at = ends[i++])
		order_few(l->entries + at, ends[i] - at);
}

/* The names from `cursor` on that stand together, in order. */
static int fill_hashed(struct ext4_listing *l, uint64_t cursor) MAY_YIELD
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
	order(l);
	for (uint32_t i = 1; i < l->count; i++)
		if (l->entries[i].cursor <= l->entries[i - 1].cursor)
			l->entries[i].cursor = l->entries[i - 1].cursor + 1;
	/* Of more blocks with one hash than were read, the rest is passed over. */
	l->next = next ? (uint64_t)((next >> 1) + (next & 1)) << MINOR_BITS : CURSOR_END;
	return r;
}

static int fill_linear(struct ext4_listing *l, uint64_t cursor) MAY_YIELD
{
	uint32_t shift = l->dir->fs->block_shift;
	uint32_t logical = (uint32_t)(cursor >> shift);

	l->next = logical + 1 < dir_block_count(l->dir) ? (uint64_t)(logical + 1) << shift
							: (uint64_t)CURSOR_END;
	return take_block(l, logical);
}

/* After the last of these names the next block begins: who comes back need not look at this one. */
static uint64_t cursor_after(const struct ext4_listing *l, uint32_t i)
{
	uint64_t next = l->entries[i].cursor + 1;

	return i + 1 == l->count && next < l->next ? l->next : next;
}

/* 1: emit wants no more. */
static int emit_names(struct ext4_listing *l, uint64_t *cursor, vfs_emit_fn *emit, void *ctx)
{
	for (uint32_t i = 0; i < l->count; i++) {
		const struct ext4_dirent *record = record_at(l, l->entries[i].offset);
		const struct vfs_dirent entry = {
			.name = record->name,
			.name_len = record->name_length,
			.ino = record->number,
			.type = type_of(record),
			.next = cursor_after(l, i),
		};

		if (l->entries[i].cursor < *cursor)
			continue;
		if (emit(ctx, &entry))
			return 1;
		*cursor = entry.next;
	}
	return 0;
}

/* ---- those that are kept, between two calls of one reader. */

static void listing_free(struct ext4_listing *l)
{
	if (!l)
		return;
	free(l->copy);
	free(l->entries);
	free(l);
}

static struct ext4_listing *take(struct ext4_listing **slot)
{
	struct ext4_listing *l = *slot;

	*slot = NULL;
	return l;
}

void listings_forget(struct ext4_inode *dir)
{
	for (uint32_t i = 0; i < EXT4_LISTINGS; i++) {
		struct ext4_listing **slot = &dir->fs->listings[i];

		if (*slot && (*slot)->dir == dir)
			listing_free(take(slot));
	}
}

/* The one that has what comes at `cursor`, the caller's from now on; NULL: none. */
static struct ext4_listing *find_kept(const struct ext4_inode *dir, uint64_t cursor)
{
	for (uint32_t i = 0; i < EXT4_LISTINGS; i++) {
		struct ext4_listing **slot = &dir->fs->listings[i];
		const struct ext4_listing *l = *slot;

		if (l && l->dir == dir && l->changes == dir->changes && cursor >= l->first &&
		    cursor < l->next)
			return take(slot);
	}
	return NULL;
}

/* Takes it over. */
static void keep(struct ext4_listing *l)
{
	struct ext4 *fs = l->dir->fs;
	struct ext4_listing **slot = &fs->listings[fs->next_listing];

	if (l->changes != l->dir->changes || l->copy_size > KEPT_SIZE) {
		listing_free(l);
		return;
	}
	listing_free(*slot);
	*slot = l;
	fs->next_listing = (fs->next_listing + 1) % EXT4_LISTINGS;
}

static struct ext4_listing *listing_new(struct ext4_inode *dir)
{
	struct ext4_listing *l = calloc(1, sizeof(*l));

	if (l)
		l->dir = dir;
	return l;
}

/* The names from `cursor` on that stand together. */
static int fill(struct ext4_listing *l, uint64_t cursor) MAY_YIELD
{
	const struct ext4_inode *dir = l->dir;
	bool indexes = dir->fs->feature_compat & EXT4_COMPAT_DIR_INDEX;
	int r = htree_version(l->dir, &l->version);

	if (r < 0)
		return r;
	l->hashed = dir_has_tree(dir) || (indexes && dir_block_count(dir) == 1);
	l->changes = dir->changes;
	l->first = cursor;
	l->count = 0;
	l->copy_size = 0;
	if (l->hashed)
		return fill_hashed(l, cursor);
	if (cursor >> dir->fs->block_shift < dir_block_count(dir))
		return fill_linear(l, cursor);
	l->next = CURSOR_END;
	return 0;
}

int ext4_readdir(struct inode *inode, uint64_t *cursor, vfs_emit_fn *emit, void *ctx)
{
	struct ext4_inode *dir = ext4_i(inode);
	struct ext4_listing *kept = find_kept(dir, *cursor);
	struct ext4_listing *l = kept ? kept : listing_new(dir);
	int r = l ? 0 : -ENOMEM;

	for (unsigned int turn = 1; r == 0 && *cursor < CURSOR_END; turn++) {
		if (turn % BLOCKS_AT_ONCE == 0) /* all of them may be in memory */
			task_yield();
		if (!kept)
			r = fill(l, *cursor);
		kept = NULL;
		if (r == 0)
			r = emit_names(l, cursor, emit, ctx);
		if (r == 0 && *cursor < l->next)
			*cursor = l->next;
	}
	if (r > 0)
		keep(l);
	else
		listing_free(l);
	if (r < 0)
		return r;
	ext4_note_access(dir);
	return 0;
}

#include "vfs/ext4/alloc.h"

#include "vfs/ext4/alloc_bits.h"
#include "vfs/ext4/inside.h"
#include "vfs/perm.h"

#include <errno.h>
#include <stdlib.h>

#define FEW_MAX 4096u  /* blocks */
#define RUN_AT_GOAL 8u /* a shorter one at the goal is taken only if no longer one is needed */

/* Blocks of one group that become usable when a transaction is durable. */
struct freed {
	struct list node;
	uint32_t group, first, count, transaction;
};

int ext4_alloc_init(struct ext4 *fs)
{
	struct ext4_alloc *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->groups = calloc(fs->group_count, sizeof(*a->groups));
	if (!a->groups) {
		free(a);
		return -ENOMEM;
	}
	list_init(&a->freed);
	for (uint32_t i = 0; i < fs->group_count; i++)
		a->groups[i].longest = fs->groups[i].free_blocks;
	fs->alloc = a;
	return 0;
}

void ext4_alloc_fini(struct ext4 *fs)
{
	struct ext4_alloc *a = fs->alloc;
	struct list *node;

	if (!a)
		return;
	while ((node = list_pop_front(&a->freed)))
		free(LIST_ENTRY(node, struct freed, node));
	for (uint32_t i = 0; i < fs->group_count; i++)
		free(a->groups[i].busy);
	free(a->groups);
	free(a);
	fs->alloc = NULL;
}

/* ---- what there is. */

/*
 * Blocks that the caller may not have, though they are free. The file system itself may have
 * all; whom they are reserved for, all but a few, as the trees of promised data may need some.
 */
static uint64_t kept_back(const struct ext4 *fs)
{
	const struct vfs_cred *cred = vfs_acting_for();
	uint64_t few = fs->block_count / 50 < FEW_MAX ? fs->block_count / 50 : FEW_MAX;

	if (fs->reserved_blocks == 0 || !cred)
		return 0;
	/* Group 0 is what mke2fs writes, and means nobody. */
	if (!cred->privileged && cred->fsuid != fs->reserved_uid &&
	    (fs->reserved_gid == 0 || !cred_in_group(cred, fs->reserved_gid)))
		return fs->reserved_blocks;
	return few < fs->reserved_blocks ? few : fs->reserved_blocks;
}

uint64_t alloc_available(const struct ext4 *fs)
{
	uint64_t taken = fs->alloc->freeing + fs->delayed_blocks + kept_back(fs);

	return fs->free_blocks > taken ? fs->free_blocks - taken : 0;
}

int ext4_reserve(struct ext4_inode *inode, uint64_t count)
{
	if (count > alloc_available(inode->fs))
		return -ENOSPC;
	inode->fs->delayed_blocks += count;
	inode->delayed += count;
	return 0;
}

void ext4_unreserve(struct ext4_inode *inode, uint64_t count)
{
	assert(count <= inode->delayed && count <= inode->fs->delayed_blocks);
	inode->fs->delayed_blocks -= count;
	inode->delayed -= count;
}

uint32_t ext4_credits_alloc(const struct ext4 *fs, uint32_t count)
{
	/* Of each group: bitmap and descriptor. A run may begin and end inside a group. */
	return 2 * (count / fs->blocks_per_group + 2);
}

/* ---- taking. */

static struct bits bits_of(const struct ext4 *fs, uint32_t group, const struct cache_page *page)
{
	return (struct bits){
		.used = page->data,
		.busy = fs->alloc->groups[group].busy,
		.end = ext4_group_block_count(fs, group),
	};
}

struct found {
	uint32_t group, first, count;
	struct cache_page *bitmap; /* pinned */
};

/* The free run at the goal itself, if it is long enough. */
static bool look_at(const struct bits *b, uint32_t at, uint32_t count, struct found *ret)
{
	uint32_t end = bits_next_used(b, at);

	if (at >= b->end || end - at < (count < RUN_AT_GOAL ? count : RUN_AT_GOAL))
		return false;
	ret->first = at;
	ret->count = end - at < count ? end - at : count;
	return true;
}

/* A run of `want` at least in the group, at or after `from` if possible. */
static bool look_in(struct alloc_group *hints, const struct bits *b, uint32_t from, uint32_t want,
		    struct found *ret)
{
	uint32_t longest = 0, first;

	if (!bits_find_run(b, from, want, &first, &longest) &&
	    !bits_find_run(b, 0, want, &first, &longest)) {
		hints->longest = longest; /* the whole group was seen */
		return false;
	}
	ret->first = first;
	ret->count = bits_next_used(b, first) - first;
	return true;
}

struct search {
	uint32_t group, bit; /* of the goal */
	bool exact;	     /* the goal is the block after another one of the file */
	uint32_t count;
};

/* 1: found, in ret; 0: not in this group; or -errno. */
static int search_group(struct ext4 *fs, const struct search *s, uint32_t group, uint32_t want,
			struct found *ret) MAY_YIELD
{
	struct alloc_group *hints = &fs->alloc->groups[group];
	bool goal = group == s->group;
	struct bits b;
	int r;

	if (fs->groups[group].damaged || fs->groups[group].free_blocks == 0)
		return 0;
	if (hints->longest < want && !(goal && s->exact))
		return 0;
	r = ext4_block_bitmap(fs, group, &ret->bitmap);
	if (r < 0)
		return fs->groups[group].damaged ? 0 : r;
	b = bits_of(fs, group, ret->bitmap);
	ret->group = group;
	if (goal && s->exact && look_at(&b, s->bit, s->count, ret))
		return 1;
	if (look_in(hints, &b, goal && s->exact ? s->bit : hints->next, want, ret)) {
		if (ret->count > s->count)
			ret->count = s->count;
		return 1;
	}
	cache_put(ret->bitmap);
	return 0;
}

/* The longest run that can be had, halving what is wanted; all groups for each length. */
static int search(struct ext4 *fs, const struct search *s, struct found *ret) MAY_YIELD
{
	for (uint32_t want = s->count; want > 0; want /= 2) {
		for (uint32_t i = 0; i < fs->group_count; i++) {
			uint32_t group = (s->group + i) % fs->group_count;
			int r = search_group(fs, s, group, want, ret);

			if (r < 0)
				return r;
			if (r > 0)
				return 0;
		}
	}
	return -ENOSPC;
}

static void begin_search(const struct ext4_inode *inode, const struct alloc_wish *wish,
			 struct search *ret)
{
	const struct ext4 *fs = inode->fs;

	ret->exact = wish->goal >= fs->first_block && wish->goal < fs->block_count;
	if (ret->exact) {
		uint64_t at = wish->goal - fs->first_block;

		ret->group = (uint32_t)(at / fs->blocks_per_group);
		ret->bit = (uint32_t)(at % fs->blocks_per_group);
	} else {
		ret->group = ext4_group_of_inode(fs, inode->number) % fs->group_count;
		ret->bit = 0;
	}
}

static void count_blocks(struct ext4_inode *inode, int64_t count)
{
	uint64_t sectors = inode->fs->block_size / 512;

	if (count < 0 && inode->blocks < (uint64_t)-count * sectors)
		inode->blocks = 0; /* a damaged count; e2fsck puts it right */
	else
		inode->blocks += (uint64_t)count * sectors;
}

/* Mark what was found. 1: somebody was quicker, look again. */
static int take(struct journal_handle *h, struct ext4 *fs, const struct found *f) MAY_YIELD
{
	struct ext4_group *group = &fs->groups[f->group];
	struct alloc_group *hints = &fs->alloc->groups[f->group];
	uint64_t first = ext4_group_first_block(fs, f->group) + f->first;
	int r = journal_get_write(h, f->bitmap);
	struct bits b;

	if (r < 0)
		return r;
	b = bits_of(fs, f->group, f->bitmap);
	if (bits_next_used(&b, f->first) - f->first < f->count)
		return 1;
	if (group->free_blocks < f->count || fs->free_blocks < f->count ||
	    !ext4_block_valid(fs, first, f->count)) {
		group->damaged = true;
		return ext4_damage(fs, "group %u: its bitmap gives away what is not free",
				   f->group);
	}
	bits_set(f->bitmap->data, f->first, f->count, true);
	journal_dirty(h, f->bitmap);
	group->free_blocks -= f->count;
	group->flags &= (uint16_t)~EXT4_BG_BLOCK_UNINIT;
	fs->free_blocks -= f->count;
	hints->next = f->first + f->count;
	return ext4_bitmap_store(h, fs, f->group, f->bitmap, false);
}

int alloc_run(struct journal_handle *h, struct ext4_inode *inode, struct alloc_wish *wish,
	      uint64_t *ret_first)
{
	struct ext4 *fs = inode->fs;
	struct search s = { .count = wish->count };
	struct found f;
	int r = ext4_writable(fs);

	if (r < 0)
		return r;
	begin_search(inode, wish, &s);
	do {
		if (!wish->promised) {
			uint64_t available = alloc_available(fs);

			if (available < s.count)
				s.count = (uint32_t)available;
		}
		if (s.count == 0)
			return -ENOSPC;
		r = search(fs, &s, &f);
		if (r < 0)
			return r;
		r = take(h, fs, &f);
		cache_put(f.bitmap);
	} while (r > 0);
	if (r < 0)
		return r;
	count_blocks(inode, f.count);
	wish->count = f.count;
	*ret_first = ext4_group_first_block(fs, f.group) + f.first;
	inode->alloc_goal = *ret_first + f.count;
	return 0;
}

int ext4_blocks_alloc(struct journal_handle *h, struct ext4_inode *inode, uint64_t goal,
		      uint32_t *count, uint64_t *ret_first)
{
	struct alloc_wish wish = { .goal = goal, .count = *count };
	int r = alloc_run(h, inode, &wish, ret_first);

	if (r == 0)
		*count = wish.count;
	return r;
}

/* ---- giving back. */

/* Nobody may have these blocks before the handle's transaction is durable. */
static int keep_busy(struct journal_handle *h, struct ext4 *fs, const struct found *f)
{
	struct alloc_group *hints = &fs->alloc->groups[f->group];
	struct freed *record = malloc(sizeof(*record));

	if (record && !hints->busy)
		hints->busy = calloc(1, fs->block_size);
	if (!record || !hints->busy) {
		free(record);
		return -ENOMEM;
	}
	bits_set(hints->busy, f->first, f->count, true);
	record->group = f->group;
	record->first = f->first;
	record->count = f->count;
	record->transaction = journal_handle_id(h);
	list_push_back(&fs->alloc->freed, &record->node);
	fs->groups[f->group].freeing += f->count;
	fs->alloc->freeing += f->count;
	return 0;
}

/* No longer as metadata: not in the log, not in the cache. */
static int forget(struct journal_handle *h, struct ext4 *fs, uint64_t first, uint32_t count)
	MAY_YIELD
{
	if (!h->journal)
		cache_drop(&fs->blocks, first, first + count);
	for (uint32_t i = 0; h->journal && i < count; i++) {
		struct cache_page *page = cache_find(&fs->blocks, first + i);
		int r = journal_forget(h, first + i, page);

		cache_put(page);
		if (r < 0)
			return r;
	}
	return 0;
}

static int give_back(struct journal_handle *h, struct ext4 *fs, struct found *f) MAY_YIELD
{
	struct ext4_group *group = &fs->groups[f->group];
	int r = journal_get_write(h, f->bitmap);

	if (r < 0)
		return r;
	if (!bits_all(f->bitmap->data, f->first, f->count)) {
		group->damaged = true;
		return ext4_damage(fs, "group %u: blocks from %u on are freed, but were free",
				   f->group, f->first);
	}
	r = h->journal ? keep_busy(h, fs, f) : 0;
	if (r < 0)
		return r;
	bits_set(f->bitmap->data, f->first, f->count, false);
	journal_dirty(h, f->bitmap);
	group->free_blocks += f->count;
	fs->free_blocks += f->count;
	fs->alloc->groups[f->group].longest = group->free_blocks;
	return ext4_bitmap_store(h, fs, f->group, f->bitmap, false);
}

int ext4_blocks_free(struct journal_handle *h, struct ext4_inode *inode, uint64_t first,
		     uint32_t count, bool metadata)
{
	struct ext4 *fs = inode->fs;
	int r;

	if (!ext4_block_valid(fs, first, count))
		return ext4_damage(fs, "inode %u: blocks that no file can have", inode->number);
	r = metadata ? forget(h, fs, first, count) : 0;
	while (r == 0 && count > 0) {
		uint64_t at = first - fs->first_block;
		struct found f = {
			.group = (uint32_t)(at / fs->blocks_per_group),
			.first = (uint32_t)(at % fs->blocks_per_group),
		};

		f.count = fs->blocks_per_group - f.first;
		if (f.count > count)
			f.count = count;
		r = ext4_block_bitmap(fs, f.group, &f.bitmap);
		if (r < 0)
			return r;
		r = give_back(h, fs, &f);
		cache_put(f.bitmap);
		if (r < 0)
			return r;
		count_blocks(inode, -(int64_t)f.count);
		first += f.count;
		count -= f.count;
	}
	return r;
}

void ext4_alloc_committed(struct ext4 *fs, uint32_t transaction_id)
{
	struct ext4_alloc *a = fs->alloc;

	while (a && !list_empty(&a->freed)) {
		struct freed *record = LIST_ENTRY(a->freed.next, struct freed, node);
		struct alloc_group *hints = &a->groups[record->group];
		struct ext4_group *group = &fs->groups[record->group];

		if ((int32_t)(transaction_id - record->transaction) < 0)
			break;
		bits_set(hints->busy, record->first, record->count, false);
		group->freeing -= record->count;
		a->freeing -= record->count;
		hints->longest = group->free_blocks;
		if (group->freeing == 0) {
			free(hints->busy);
			hints->busy = NULL;
		}
		list_del(&record->node);
		free(record);
	}
}

#include "vfs/dentry.h"

#include "vfs/small.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 1024u
#define BUCKETS_MAX 131072u
#define SHRINK_BATCH 128u /* evicted at once when the limit is passed */

static struct {
	struct dentry **buckets; /* power of two */
	size_t bucket_count;
	size_t hashed;
	struct list lru;     /* oldest first; may hold dentries that are in use again */
	struct waitq looked; /* somebody's DENTRY_LOOKING ended */
	bool ready, shrinking;
	struct dentry_stats stats;
} cache;

static int cache_ready(void)
{
	if (cache.ready)
		return 0;
	cache.buckets = calloc(BUCKETS_MIN, sizeof(*cache.buckets));
	if (!cache.buckets)
		return -ENOMEM;
	cache.bucket_count = BUCKETS_MIN;
	list_init(&cache.lru);
	waitq_init(&cache.looked);
	cache.ready = true;
	return 0;
}

static uint32_t hash_of(const struct dentry *parent, const char *name, size_t len)
{
	return (uint32_t)(name_hash(name, len) ^ ((uintptr_t)parent >> 4) * 0x9e3779b1u);
}

static struct dentry **bucket_of(uint32_t hash)
{
	return &cache.buckets[hash & (cache.bucket_count - 1)];
}

/* Twice the buckets. Without memory the chains just stay longer. */
static void grow(void)
{
	size_t count = cache.bucket_count * 2;
	struct dentry **wider = calloc(count, sizeof(*wider));

	if (!wider)
		return;
	for (size_t i = 0; i < cache.bucket_count; i++) {
		struct dentry *next;

		for (struct dentry *d = cache.buckets[i]; d; d = next) {
			next = d->hash_next;
			d->hash_next = wider[d->hash & (count - 1)];
			wider[d->hash & (count - 1)] = d;
		}
	}
	free(cache.buckets);
	cache.buckets = wider;
	cache.bucket_count = count;
}

static void hash_in(struct dentry *d)
{
	struct dentry **bucket;

	assert(!(d->flags & DENTRY_HASHED));
	assert(d->parent);
	if (cache.hashed >= cache.bucket_count && cache.bucket_count < BUCKETS_MAX)
		grow();
	d->hash = hash_of(d->parent, d->name, d->name_len);
	bucket = bucket_of(d->hash);
	d->hash_next = *bucket;
	*bucket = d;
	d->flags |= DENTRY_HASHED;
	list_push_back(&d->parent->children, &d->sibling);
	cache.hashed++;
}

static void hash_out(struct dentry *d)
{
	struct dentry **link;

	if (!(d->flags & DENTRY_HASHED))
		return;
	for (link = bucket_of(d->hash); *link != d; link = &(*link)->hash_next)
		assert(*link);
	*link = d->hash_next;
	d->hash_next = NULL;
	d->flags &= (uint16_t)~DENTRY_HASHED;
	list_del(&d->sibling);
	cache.hashed--;
}

/* Borrowed; NULL if the cache does not know. */
static struct dentry *find(const struct dentry *dir, const char *name, size_t len)
{
	uint32_t hash = hash_of(dir, name, len);

	cache.stats.finds++;
	for (struct dentry *d = *bucket_of(hash); d; d = d->hash_next) {
		cache.stats.probes++;
		if (d->hash == hash && d->parent == dir && d->name_len == len &&
		    memcmp(d->name, name, len) == 0)
			return d;
	}
	return NULL;
}

static void lru_out(struct dentry *d)
{
	if (!d->on_lru)
		return;
	list_del(&d->lru);
	d->on_lru = false;
	cache.stats.unused--;
}

/* Free the dentry and what it holds. Returns its parent: that reference passes to the caller. */
static struct dentry *destroy(struct dentry *d)
{
	struct dentry *parent = d->parent;

	assert(d->refs == 0);
	assert(list_empty(&d->children));
	assert(!d->mounted);
	hash_out(d);
	lru_out(d);
	inode_put(d->inode);
	if (d->name != d->short_name)
		free((void *)(uintptr_t)d->name);
	free(d);
	cache.stats.dentries--;
	return parent;
}

struct dentry *dentry_get(struct dentry *d)
{
	d->refs++;
	return d;
}

void dentry_put(struct dentry *d)
{
	while (d) {
		assert(d->refs > 0);
		if (--d->refs > 0)
			return;
		if (d->flags & DENTRY_HASHED) {
			d->flags |= DENTRY_RECENT;
			if (!d->on_lru) {
				list_push_back(&cache.lru, &d->lru);
				d->on_lru = true;
				cache.stats.unused++;
				if (cache.stats.unused > DENTRY_UNUSED_MAX)
					dentry_shrink(DENTRY_UNUSED_MAX - SHRINK_BATCH);
			}
			return;
		}
		d = destroy(d);
	}
}

void dentry_shrink(size_t keep)
{
	/* A put below may come back here: the loop that runs already sees what it adds. */
	if (!cache.ready || cache.shrinking)
		return;
	cache.shrinking = true;
	while (cache.stats.unused > keep) {
		struct dentry *d = LIST_ENTRY(cache.lru.next, struct dentry, lru);

		if (d->refs > 0) {
			lru_out(d); /* comes back with its last put */
		} else if ((d->flags & DENTRY_RECENT) && keep > 0) {
			d->flags &= (uint16_t)~DENTRY_RECENT;
			list_del(&d->lru);
			list_push_back(&cache.lru, &d->lru);
		} else {
			cache.stats.evicted++;
			dentry_put(destroy(d));
		}
	}
	cache.shrinking = false;
}

/* refs 1, not hashed, no inode. */
static struct dentry *dentry_new(struct dentry *parent, const char *name, size_t len)
{
	struct dentry *d = calloc(1, sizeof(*d));
	char *text;

	if (!d)
		return NULL;
	text = d->short_name;
	if (len >= sizeof(d->short_name)) {
		text = malloc(len + 1);
		if (!text) {
			free(d);
			return NULL;
		}
	}
	memcpy(text, name, len);
	text[len] = '\0';
	d->name = text;
	d->name_len = (uint16_t)len;
	d->refs = 1;
	d->parent = parent ? dentry_get(parent) : NULL;
	list_init(&d->lru);
	list_init(&d->children);
	list_init(&d->sibling);
	task_lock_init(&d->lock);
	cache.stats.dentries++;
	return d;
}

struct dentry *dentry_new_root(struct inode *inode)
{
	struct dentry *d = cache_ready() < 0 ? NULL : dentry_new(NULL, "", 0);

	if (d)
		d->inode = inode;
	return d;
}

struct dentry *dentry_new_tmpfile(struct dentry *dir, struct inode *inode)
{
	char name[24];
	uint64_t number = inode->ino;
	size_t at = sizeof(name);
	struct dentry *d;

	do {
		name[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	name[--at] = '#';
	d = dentry_new(dir, name + at, sizeof(name) - at);
	if (!d) {
		inode_put(inode);
		return NULL;
	}
	d->inode = inode;
	d->flags = DENTRY_UNLINKED | DENTRY_TMPFILE;
	return d;
}

/* Names that are not to be remembered (/proc): a dentry for this caller alone. */
static int lookup_volatile(struct dentry *dir, const char *name, size_t len, struct dentry **ret)
	MAY_YIELD
{
	struct inode *inode = NULL;
	struct dentry *d;
	int r;

	cache.stats.lookups++;
	r = dir->inode->ops->lookup(dir->inode, name, len, &inode);
	if (r < 0)
		return r;
	d = dentry_new(dir, name, len);
	if (!d) {
		inode_put(inode);
		return -ENOMEM;
	}
	d->inode = inode;
	*ret = d;
	return 0;
}

/* Nobody has asked for this name yet: ask the file system, and let others wait for the answer. */
static int lookup_first(struct dentry *dir, const char *name, size_t len, struct dentry **ret)
	MAY_YIELD
{
	struct inode *inode = NULL;
	struct dentry *d = dentry_new(dir, name, len);
	int r;

	if (!d)
		return -ENOMEM;
	d->flags |= DENTRY_LOOKING;
	hash_in(d);
	cache.stats.lookups++;
	/* d->name, not name: the caller's text may be in a buffer that moves across the yield. */
	r = dir->inode->ops->lookup(dir->inode, d->name, len, &inode);
	d->flags &= (uint16_t)~DENTRY_LOOKING;
	waitq_wake_all(&cache.looked);
	if (r == -ENOENT)
		r = 0;
	if (r == 0 && (dir->flags & DENTRY_UNLINKED))
		r = -ENOENT;
	if (r < 0) {
		hash_out(d);
		inode_put(inode);
		dentry_put(d);
		return r;
	}
	d->inode = inode;
	*ret = d;
	return 0;
}

/* Another task asks for the same name: wait for its answer. */
static void wait_for_answer(struct dentry *d) MAY_YIELD
{
	while (d->flags & DENTRY_LOOKING) {
		/* WAIT_SURE with no deadline has one outcome. */
		int r = waitq_wait(&cache.looked, TASK_FOREVER, WAIT_SURE);

		assert(r == 0);
		(void)r;
	}
}

int dentry_lookup(struct dentry *dir, const char *name, size_t len, struct dentry **ret)
{
	struct dentry *d;

	if (len > VFS_NAME_MAX)
		return -ENAMETOOLONG;
	if (dir->flags & DENTRY_UNLINKED)
		return -ENOENT;
	if (dir->inode->ops->volatile_names)
		return lookup_volatile(dir, name, len, ret);
	for (;;) {
		d = find(dir, name, len);
		if (!d)
			return lookup_first(dir, name, len, ret);
		dentry_get(d);
		if (!(d->flags & DENTRY_LOOKING))
			break;
		wait_for_answer(d);
		if (d->flags & DENTRY_HASHED)
			break;
		dentry_put(d); /* the first asker failed; its error need not be ours */
	}
	*ret = d;
	return 0;
}

void dentry_fill(struct dentry *d, struct inode *inode)
{
	assert(!d->inode);
	d->inode = inode;
}

/* A directory that is gone answers ENOENT by itself: its negative names need no memory. */
static void forget_children(struct dentry *dir)
{
	LIST_EACH_SAFE(node, &dir->children) {
		struct dentry *child = LIST_ENTRY(node, struct dentry, sibling);

		if (child->refs == 0)
			dentry_put(destroy(child));
	}
}

void dentry_remove(struct dentry *d)
{
	hash_out(d);
	d->flags |= DENTRY_UNLINKED;
	dentry_get(d); /* its children's references may be the last but the caller's */
	forget_children(d);
	dentry_put(d);
}

int dentry_move_prepare(struct dentry_move *move, const struct dentry *target)
{
	move->long_name = NULL;
	if (target->name_len < DENTRY_SHORT_NAME)
		return 0;
	move->long_name = malloc((size_t)target->name_len + 1);
	if (!move->long_name)
		return -ENOMEM;
	memcpy(move->long_name, target->name, (size_t)target->name_len + 1);
	return 0;
}

void dentry_move_cancel(struct dentry_move *move)
{
	free(move->long_name);
	move->long_name = NULL;
}

void dentry_move_to(struct dentry_move *move, struct dentry *d, struct dentry *target)
{
	struct dentry *old_parent = d->parent;

	hash_out(d);
	if (d->name != d->short_name)
		free((void *)(uintptr_t)d->name);
	if (move->long_name) {
		d->name = move->long_name;
		move->long_name = NULL;
	} else {
		memcpy(d->short_name, target->name, (size_t)target->name_len + 1);
		d->name = d->short_name;
	}
	d->name_len = target->name_len;
	d->parent = dentry_get(target->parent);
	dentry_remove(target);
	hash_in(d);
	dentry_put(old_parent);
}

void dentry_exchange(struct dentry *a, struct dentry *b)
{
	struct dentry *parent = a->parent;
	bool a_long = a->name != a->short_name;
	bool b_long = b->name != b->short_name;
	const char *a_text = a->name;
	const char *b_text = b->name;
	char short_name[DENTRY_SHORT_NAME];
	uint16_t len = a->name_len;

	hash_out(a);
	hash_out(b);
	memcpy(short_name, a->short_name, sizeof(short_name));
	memcpy(a->short_name, b->short_name, sizeof(short_name));
	memcpy(b->short_name, short_name, sizeof(short_name));
	a->name = b_long ? b_text : a->short_name;
	b->name = a_long ? a_text : b->short_name;
	a->name_len = b->name_len;
	b->name_len = len;
	a->parent = b->parent;
	b->parent = parent;
	hash_in(a);
	hash_in(b);
}

struct inode *dentry_inode(const struct dentry *d)
{
	return d->inode;
}

bool dentry_unlinked(const struct dentry *d)
{
	return d->flags & DENTRY_UNLINKED;
}

const char *dentry_name(const struct dentry *d, size_t *ret_len)
{
	while (!d->parent && d->covers)
		d = d->covers;
	*ret_len = d->parent ? d->name_len : 1;
	return d->parent ? d->name : "/";
}

void dentry_stats_get(struct dentry_stats *ret)
{
	*ret = cache.stats;
}

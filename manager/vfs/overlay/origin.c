#include "vfs/overlay/overlay.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS_MIN 64u

static size_t bucket(const struct ovl_fs *fs, uint64_t key)
{
	return key * 0x9e3779b97f4a7c15u >> 32 & (fs->origin_buckets - 1);
}

/* The lower may be of several file systems; the upper is one, its numbers tell its inodes apart. */
static struct ovl_origin **lower_bucket(const struct ovl_fs *fs, const struct inode *lower)
{
	return &fs->by_lower[bucket(fs, (uintptr_t)lower >> 4)];
}

static struct ovl_origin **upper_bucket(const struct ovl_fs *fs, uint64_t number)
{
	return &fs->by_upper[bucket(fs, number)];
}

struct ovl_origin *origin_by_lower(const struct ovl_fs *fs, const struct inode *lower)
{
	struct ovl_origin *g = fs->origin_count ? *lower_bucket(fs, lower) : NULL;

	while (g && g->lower != lower)
		g = g->lower_next;
	return g;
}

struct ovl_origin *origin_by_upper(const struct ovl_fs *fs, uint64_t number)
{
	struct ovl_origin *g = fs->origin_count ? *upper_bucket(fs, number) : NULL;

	while (g && g->upper->ino != number)
		g = g->upper_next;
	return g;
}

static void enter_lower(struct ovl_fs *fs, struct ovl_origin *g)
{
	struct ovl_origin **head = lower_bucket(fs, g->lower);

	g->lower_next = *head;
	*head = g;
}

static void enter_upper(struct ovl_fs *fs, struct ovl_origin *g)
{
	struct ovl_origin **head = upper_bucket(fs, g->upper->ino);

	g->upper_next = *head;
	*head = g;
}

/* Room for one more; the two tables grow together. */
static int make_room(struct ovl_fs *fs)
{
	size_t old_count = fs->origin_buckets;
	size_t count = old_count ? old_count * 2 : BUCKETS_MIN;
	struct ovl_origin **old = fs->by_lower;
	struct ovl_origin **lower, **upper;

	if (fs->origin_count < old_count)
		return 0;
	lower = calloc(count, sizeof(struct ovl_origin *));
	upper = calloc(count, sizeof(struct ovl_origin *));
	if (!lower || !upper) {
		free(lower);
		free(upper);
		return old_count ? 0 : -ENOMEM; /* long chains are better than none */
	}
	free(fs->by_upper);
	fs->by_lower = lower;
	fs->by_upper = upper;
	fs->origin_buckets = count;
	for (size_t i = 0; i < old_count; i++) {
		struct ovl_origin *next;

		for (struct ovl_origin *g = old[i]; g; g = next) {
			next = g->lower_next;
			enter_lower(fs, g);
			if (g->upper)
				enter_upper(fs, g);
		}
	}
	free(old);
	return 0;
}

int origin_need(struct ovl_inode *o)
{
	struct ovl_fs *fs = ovl_fs_of(o);
	struct ovl_origin *g;
	int r;

	if (o->origin || !o->lower || ovl_is_dir(o) || o->gone)
		return 0;
	r = make_room(fs);
	if (r < 0)
		return r;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	g->lower = inode_get(o->lower);
	enter_lower(fs, g);
	fs->origin_count++;
	o->origin = g;
	return 0;
}

void origin_copied(struct ovl_inode *o)
{
	struct ovl_origin *g = o->origin;

	if (!g)
		return;
	assert(!g->upper);
	g->upper = inode_get(o->upper);
	enter_upper(ovl_fs_of(o), g);
}

void origin_drop(struct ovl_inode *o)
{
	struct ovl_fs *fs = ovl_fs_of(o);
	struct ovl_origin *g = o->origin;
	struct ovl_origin **link;

	if (!g)
		return;
	for (link = lower_bucket(fs, g->lower); *link != g; link = &(*link)->lower_next)
		assert(*link);
	*link = g->lower_next;
	if (g->upper) {
		for (link = upper_bucket(fs, g->upper->ino); *link != g;
		     link = &(*link)->upper_next)
			assert(*link);
		*link = g->upper_next;
	}
	fs->origin_count--;
	o->origin = NULL;
	inode_put(g->lower);
	inode_put(g->upper);
	free(g);
}

void origin_free_all(struct ovl_fs *fs)
{
	for (size_t i = 0; i < fs->origin_buckets; i++) {
		struct ovl_origin *next;

		for (struct ovl_origin *g = fs->by_lower[i]; g; g = next) {
			next = g->lower_next;
			inode_put(g->lower);
			inode_put(g->upper);
			free(g);
		}
	}
	free(fs->by_lower);
	free(fs->by_upper);
}

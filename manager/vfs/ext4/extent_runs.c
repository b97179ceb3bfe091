#include "vfs/ext4/extent.h"

#include <errno.h>
#include <stdlib.h>

#define RUNS 8u

struct ext4_extent_cache {
	struct extent runs[RUNS]; /* count 0: unused */
	uint32_t next;		  /* the one to go */
	uint32_t last;		  /* the one found last */
};

static bool holds(const struct extent *run, uint32_t logical)
{
	return logical >= run->first && logical < extent_end(run);
}

bool extent_runs_find(const struct ext4_inode *inode, uint32_t logical, struct extent *ret)
{
	struct ext4_extent_cache *cache = inode->extents;

	if (!cache)
		return false;
	if (holds(&cache->runs[cache->last], logical)) {
		*ret = cache->runs[cache->last];
		return true;
	}
	for (uint32_t i = 0; i < RUNS; i++) {
		if (!holds(&cache->runs[i], logical))
			continue;
		cache->last = i;
		*ret = cache->runs[i];
		return true;
	}
	return false;
}

void extent_runs_add(struct ext4_inode *inode, const struct extent *run)
{
	struct ext4_extent_cache *cache = inode->extents;

	if (!cache) {
		cache = calloc(1, sizeof(*cache));
		if (!cache)
			return; /* slower, not wrong */
		inode->extents = cache;
	}
	cache->last = cache->next;
	cache->runs[cache->next] = *run;
	cache->next = (cache->next + 1) % RUNS;
}

void extent_runs_forget(struct ext4_inode *inode)
{
	if (inode->extents)
		*inode->extents = (struct ext4_extent_cache){ .next = 0 };
}

void ext4_extents_forget(struct ext4_inode *inode)
{
	free(inode->extents);
	inode->extents = NULL;
}

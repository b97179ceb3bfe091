#ifndef VFS_DENTRY_H
#define VFS_DENTRY_H
/*
 * dentry.h - the cache of names: what walk.c and the operations know of a dentry.
 * Layer: vfs, inside the folder only.
 *
 * Order    a dentry is found by (parent, name). Negative ones (inode NULL) remember
 *          that there is no such name.
 * Limit    DENTRY_UNUSED_MAX dentries that nobody holds; the least recently used go first.
 * Owner    counted. A dentry holds its parent and its inode; the cache holds nobody:
 *          a hashed dentry with no references waits in the LRU for its next user.
 * Thread   scheduler thread only.
 *
 * What guards a directory across a yield
 *
 *     what                                     guarded by
 *     names of a directory (make, remove)      dentry.lock of the directory, taken by every change
 *     the first lookup of one name             DENTRY_LOOKING: later ones wait for the first
 *     a name between check and change          a counted dentry: it stays hashed, so every other
 *                                              lookup answers from it as it was before the change
 *     a directory being removed or replaced    its own lock too, after its parent's; who gets the
 *                                              lock later finds DENTRY_UNLINKED and answers ENOENT
 *     the shape of the tree                    rename_lock (rename.c), taken by renames that move
 *                                              a name from one directory to another
 *     lock order                               rename_lock, then ancestors before descendants
 *
 * Way down: dentry_lookup -> inode_ops.lookup.
 */
#include "vfs/vfs.h"

#define DENTRY_UNUSED_MAX 131072u
#define DENTRY_SHORT_NAME 32u

enum dentry_flag {
	DENTRY_HASHED = 1,   /* can be found by name */
	DENTRY_LOOKING = 2,  /* the file system is being asked; inode is not known yet */
	DENTRY_UNLINKED = 4, /* the name was removed; a directory so marked takes no names */
	DENTRY_RECENT = 8,   /* used since the LRU last met it */
	DENTRY_TMPFILE = 16, /* never had a name, and may be given one by link(2) */
};

struct dentry {
	/* what a find reads: one cache line */
	struct dentry *hash_next;
	struct dentry *parent; /* NULL: root of a file system */
	uint32_t hash;
	uint16_t name_len;
	uint16_t flags;
	const char *name; /* short_name or the heap; NUL-terminated */
	struct inode *inode;
	uint32_t refs;
	uint32_t on_lru;
	struct dentry *mounted; /* root of what is mounted here */
	struct dentry *covers;	/* of such a root: where it is mounted */

	char short_name[DENTRY_SHORT_NAME];
	struct list lru;
	struct list children, sibling; /* hashed dentries only */
	struct task_lock lock;
};

/*
 * The dentry of a name, asking the file system if it is not known. The answer may
 * be negative (inode NULL). -ENOENT only where names are not cached or the
 * directory was removed; other errors are the file system's.
 */
MUST_USE int dentry_lookup(struct dentry *dir, const char *name, size_t len, struct dentry **ret)
	MAY_YIELD;

/* A root: no parent, no name. Takes over the inode's reference. NULL: no memory. */
MUST_USE struct dentry *dentry_new_root(struct inode *inode);
/* A file without a name in `dir` (O_TMPFILE). Takes over the inode's reference, also on failure. */
MUST_USE struct dentry *dentry_new_tmpfile(struct dentry *dir, struct inode *inode);

/* A negative dentry gets the inode that was just made; takes over the reference. */
void dentry_fill(struct dentry *d, struct inode *inode);
/* The name is gone: not found any more, known as unlinked to those who hold it. */
void dentry_remove(struct dentry *d);
/*
 * Names moved. `target` was the dentry of the new name: it is removed and `d` takes
 * its place. -ENOMEM changes nothing: dentry_move_prepare() beforehand makes it impossible.
 */
struct dentry_move {
	char *long_name; /* heap copy of the new name, NULL if it is short */
};
MUST_USE int dentry_move_prepare(struct dentry_move *move, const struct dentry *target);
void dentry_move_cancel(struct dentry_move *move);
void dentry_move_to(struct dentry_move *move, struct dentry *d, struct dentry *target);
/* Two names change places. */
void dentry_exchange(struct dentry *a, struct dentry *b);

/* Evict unused dentries until at most `keep` are left. */
void dentry_shrink(size_t keep);

static inline bool dentry_negative(const struct dentry *d)
{
	return !d->inode;
}

static inline bool dentry_is(const struct dentry *d, uint32_t type)
{
	return d->inode && d->inode->type == type;
}

#endif /* VFS_DENTRY_H */

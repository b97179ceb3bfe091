#ifndef VFS_WALK_H
#define VFS_WALK_H
/*
 * walk.h - a path being walked, for operations that need the parent and the last
 * name (open, create, rename). Layer: vfs, inside the folder only.
 *
 *	walk_start(&w, view, at, path)
 *	walk_parent(&w)		 to the directory of the last name: w.dir, w.last...
 *	... dentry_lookup(w.dir, w.last, ...), walk_follow() and walk_parent() again ...
 *	walk_end(&w)
 *
 * Owner    the walk holds w.dir and the symbolic links whose text it reads.
 * Limit    VFS_LINK_DEPTH symbolic links in all. No allocation, except for links
 *          whose file system cannot lend its text (link_text).
 *
 * Way down: vfs_walk -> walk_parent -> dentry_lookup.
 */
#include "vfs/dentry.h"

enum walk_last {
	WALK_NAME,
	WALK_DOT,
	WALK_DOTDOT,
	WALK_ROOT, /* no name at all: "/" */
};

/* A text that is read: the caller's path at the bottom, then symbolic links. */
struct walk_text {
	struct inode *link; /* counted: owner of the text; NULL: the caller's path */
	char *copy;	    /* heap: the text of a link that could not lend it */
	const char *resume; /* where the text below goes on: never at its end */
};

struct walk {
	const struct vfs *view;
	struct dentry *dir; /* counted */
	const char *rest;
	/* valid after walk_parent() */
	enum walk_last last_kind;
	const char *last; /* not terminated */
	size_t last_len;
	bool slash; /* something said that the end must be a directory: "name/" */
	unsigned int link_count;
	unsigned int depth;
	struct walk_text texts[VFS_LINK_DEPTH + 1];
};

/* ENOENT for an empty path, ENAMETOOLONG, ENOTDIR if `at` is none. On failure nothing is held. */
MUST_USE int walk_start(struct walk *w, const struct vfs *view, struct dentry *at,
			const char *path);
/* Checks search permission on every directory, that of the last name too. */
MUST_USE int walk_parent(struct walk *w) MAY_YIELD;
/* The dentry of the last name, counted; mounts are crossed. May be negative. */
MUST_USE int walk_look(struct walk *w, struct dentry **ret) MAY_YIELD;

enum walk_step { WALK_TEXT, WALK_JUMP };
/*
 * Follow the symbolic link `d`. WALK_TEXT: walk_parent() goes on. WALK_JUMP: it was a
 * link to an object itself, which is now w->dir, of whatever type.
 */
MUST_USE int walk_follow(struct walk *w, struct dentry *d) MAY_YIELD;
/* walk_look and follow until something that is no link, or not to be followed, is found. */
MUST_USE int walk_final(struct walk *w, bool follow, struct dentry **ret) MAY_YIELD;
void walk_end(struct walk *w);

static inline bool walk_is_link(const struct dentry *d)
{
	return dentry_is(d, 0120000);
}

#endif /* VFS_WALK_H */

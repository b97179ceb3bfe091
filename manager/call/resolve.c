/* SPDX-License-Identifier: MIT */
/*
 * resolve.c - openat2(2)'s restricted walks, one name at a time: RESOLVE_BENEATH,
 * RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV.
 *
 * The walk holds the directory it is in. With RESOLVE_BENEATH it never leaves the
 * directory it started from: ".." there, an absolute path or link, and a link to an object
 * itself (/proc/PID/cwd) are -EXDEV.
 */
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>

struct resolve_walk {
	struct request *req;
	const struct resolve_request *ask;
	struct dentry *start; /* borrowed */
	struct dentry *dir;   /* counted */
	char *rest;	      /* req->text[0]: what is still to be walked */
	unsigned int link_count;
};

/* To another directory (taken over), on the same file system if that is asked. */
static int go_to(struct resolve_walk *w, struct dentry *d)
{
	dentry_put(w->dir);
	w->dir = d;
	if ((w->ask->resolve & RESOLVE_NO_XDEV) &&
	    dentry_inode(d)->fs->dev != dentry_inode(w->start)->fs->dev)
		return -EXDEV;
	return 0;
}

/* The path, or a link's text, begins with a slash. */
static int go_to_root(struct resolve_walk *w)
{
	if (w->rest[0] != '/')
		return 0;
	if (w->ask->resolve & RESOLVE_BENEATH)
		return -EXDEV;
	return go_to(w, dentry_get(w->req->process->view.root));
}

static int go_up(struct resolve_walk *w)
{
	if ((w->ask->resolve & RESOLVE_BENEATH) && w->dir == w->start)
		return -EXDEV;
	return go_to(w, dentry_get(dentry_parent(&w->req->process->view, w->dir)));
}

/* The first name of the rest, which is moved past it. 0 bytes: there is none left. */
static int take_name(struct resolve_walk *w, char name[VFS_NAME_MAX + 1], bool *ret_slash)
{
	char *from = w->rest + strspn(w->rest, "/");
	size_t size = strcspn(from, "/");
	char *after = from + size;

	if (size > VFS_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, from, size);
	name[size] = '\0';
	*ret_slash = *after == '/';
	memmove(w->rest, after + strspn(after, "/"), strlen(after + strspn(after, "/")) + 1);
	return (int)size;
}

/* `d` is a symbolic link on the way: its text goes before the rest. */
static int expand(struct resolve_walk *w, struct dentry *d) MAY_YIELD
{
	struct inode *inode = dentry_inode(d);
	size_t rest_size = strlen(w->rest);
	char *text = w->req->text[1];
	int size;

	if (w->ask->resolve & RESOLVE_NO_SYMLINKS)
		return -ELOOP;
	if (inode->ops->follow) {
		if (w->ask->resolve & RESOLVE_NO_MAGICLINKS)
			return -ELOOP;
		return -EXDEV; /* it may lead anywhere */
	}
	if (++w->link_count > VFS_LINK_DEPTH)
		return -ELOOP;
	size = vfs_readlink(inode, text, REQUEST_STRING_SIZE - 1);
	if (size < 0)
		return size;
	if ((size_t)size + 1 + rest_size >= REQUEST_STRING_SIZE)
		return -ENAMETOOLONG;
	memmove(w->rest + size + 1, w->rest, rest_size + 1);
	memcpy(w->rest, text, (size_t)size);
	w->rest[size] = rest_size > 0 ? '/' : '\0';
	return go_to_root(w);
}

enum step { STEP_ON, STEP_END };

/* One name. STEP_END: `name` in w->dir is what to open. */
static int step(struct resolve_walk *w, char name[VFS_NAME_MAX + 1], bool *ret_slash) MAY_YIELD
{
	AUTO_DENTRY d = NULL;
	bool last;
	int r = take_name(w, name, ret_slash);

	if (r < 0)
		return r;
	last = w->rest[0] == '\0';
	if (r == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		r = strcmp(name, "..") == 0 ? go_up(w) : 0;
		memcpy(name, ".", sizeof("."));
		return r < 0 ? r : last ? STEP_END : STEP_ON;
	}
	r = vfs_walk(&w->req->process->view, w->dir, name, 0, &d);
	if (r == -ENOENT && last)
		return STEP_END; /* to be made, or open(2) says so */
	if (r < 0)
		return r;
	if (dentry_inode(d)->type == S_IFLNK && (!last || *ret_slash || w->ask->follow_last)) {
		r = expand(w, d);
		return r < 0 ? r : STEP_ON;
	}
	if ((w->ask->resolve & RESOLVE_NO_XDEV) &&
	    dentry_inode(d)->fs->dev != dentry_inode(w->start)->fs->dev)
		return -EXDEV;
	if (last)
		return STEP_END;
	r = go_to(w, dentry_get(d));
	return r < 0 ? r : STEP_ON;
}

int resolve_path(struct request *req, const struct resolve_request *ask, struct dentry **ret_dir,
		 char name[VFS_NAME_MAX + 1])
{
	struct resolve_walk w = { .req = req, .ask = ask, .rest = req->text[0] };
	bool slash = false;
	int r;

	if (w.rest[0] == '\0')
		return -ENOENT;
	w.start = ask->at;
	w.dir = dentry_get(ask->at);
	r = go_to_root(&w);
	if (r == 0) {
		do
			r = step(&w, name, &slash);
		while (r == STEP_ON);
	}
	if (r < 0) {
		dentry_put(w.dir);
		return r;
	}
	*ret_dir = w.dir;
	return slash ? O_DIRECTORY : 0;
}

#include "vfs/walk.h"

#include "vfs/perm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Put `d`, counted, in the place of w->dir. */
static void move_to(struct walk *w, struct dentry *d)
{
	struct dentry *old = w->dir;

	w->dir = d;
	dentry_put(old);
}

int walk_start(struct walk *w, const struct vfs *view, struct dentry *at, const char *path)
{
	struct dentry *from = at ? at : view->cwd;

	if (path[0] == '\0')
		return -ENOENT;
	if (strnlen(path, VFS_PATH_MAX) == VFS_PATH_MAX)
		return -ENAMETOOLONG;
	if (path[0] == '/')
		from = view->root;
	else if (!dentry_is(from, S_IFDIR))
		return -ENOTDIR;
	w->view = view;
	w->dir = dentry_get(from);
	w->rest = path;
	w->last_kind = WALK_ROOT;
	w->last = path;
	w->last_len = 0;
	w->slash = false;
	w->link_count = 0;
	w->depth = 0;
	w->texts[0] = (struct walk_text){ NULL, NULL, NULL };
	return 0;
}

static void release_text(struct walk_text *text)
{
	inode_put(text->link);
	free(text->copy);
	*text = (struct walk_text){ NULL, NULL, NULL };
}

void walk_end(struct walk *w)
{
	for (unsigned int i = 0; i <= w->depth; i++)
		release_text(&w->texts[i]);
	dentry_put(w->dir);
	w->dir = NULL;
	w->depth = 0;
}

struct dentry *dentry_parent(const struct vfs *view, struct dentry *d)
{
	while (d != view->root) {
		if (d->parent) {
			d = d->parent;
			break;
		}
		if (!d->covers)
			break;
		d = d->covers;
	}
	while (d->mounted)
		d = d->mounted;
	return d;
}

/*
 * Go on in a link's text. What is left of the present text is kept to resume;
 * with nothing left the new text takes its place, so a chain of final links does
 * not deepen and every kept text has something left.
 */
static void push_text(struct walk *w, struct inode *link, const char *text, char *copy)
{
	const char *resume = NULL;

	if (*w->rest) {
		assert(w->depth < VFS_LINK_DEPTH);
		resume = w->rest;
		w->depth++;
		w->texts[w->depth] = (struct walk_text){ NULL, NULL, NULL };
	} else {
		resume = w->texts[w->depth].resume;
		release_text(&w->texts[w->depth]);
	}
	w->texts[w->depth] = (struct walk_text){ inode_get(link), copy, resume };
	w->rest = text;
}

static void pop_text(struct walk *w)
{
	w->rest = w->texts[w->depth].resume;
	release_text(&w->texts[w->depth]);
	w->depth--;
}

int walk_follow(struct walk *w, struct dentry *d)
{
	struct inode *link = d->inode;
	struct dentry *object;
	const char *text;
	char *copy;
	int r;

	if (++w->link_count > VFS_LINK_DEPTH)
		return -ELOOP;
	if (link->ops->follow) {
		r = link->ops->follow(link, w->view, &object);
		if (r < 0)
			return r;
		move_to(w, object);
		return WALK_JUMP;
	}
	if (w->dir->inode->has_perm) {
		r = may_follow_link(w->view->cred, w->dir->inode, link);
		if (r < 0)
			return r;
	}
	r = vfs_link_text(link, &text, &copy);
	if (r < 0)
		return r;
	if (text[0] == '\0') {
		free(copy);
		return -ENOENT;
	}
	push_text(w, link, text, copy);
	if (text[0] == '/')
		move_to(w, dentry_get(w->view->root));
	return WALK_TEXT;
}

int walk_look(struct walk *w, struct dentry **ret)
{
	struct dentry *d;
	int r;

	switch (w->last_kind) {
	case WALK_NAME:
		r = dentry_lookup(w->dir, w->last, w->last_len, &d);
		if (r < 0)
			return r;
		while (d->mounted) {
			struct dentry *root = dentry_get(d->mounted);

			dentry_put(d);
			d = root;
		}
		*ret = d;
		return 0;
	case WALK_DOTDOT:
		*ret = dentry_get(dentry_parent(w->view, w->dir));
		return 0;
	case WALK_DOT:
	case WALK_ROOT:
	default:
		*ret = dentry_get(w->dir);
		return 0;
	}
}

/* The component just read is not the last: it must lead to a directory. */
static int step_into(struct walk *w) MAY_YIELD
{
	struct dentry *d;
	int r = walk_look(w, &d);

	if (r < 0)
		return r;
	if (dentry_negative(d)) {
		dentry_put(d);
		return -ENOENT;
	}
	if (walk_is_link(d)) {
		r = walk_follow(w, d);
		dentry_put(d);
		if (r != WALK_JUMP)
			return r < 0 ? r : 0;
	} else {
		move_to(w, d);
	}
	return dentry_is(w->dir, S_IFDIR) ? 0 : -ENOTDIR;
}

/* Read one component of w->rest into w->last, and the slashes after it. */
static void read_component(struct walk *w)
{
	const char *name = w->rest;
	const char *end = strchrnul(name, '/');

	w->last = name;
	w->last_len = (size_t)(end - name);
	if (name[0] == '.' && w->last_len == 1)
		w->last_kind = WALK_DOT;
	else if (name[0] == '.' && name[1] == '.' && w->last_len == 2)
		w->last_kind = WALK_DOTDOT;
	else
		w->last_kind = WALK_NAME;
	while (*end == '/')
		end++;
	w->rest = end;
}

int walk_parent(struct walk *w)
{
	int r;

	w->last_kind = WALK_ROOT;
	for (;;) {
		while (*w->rest == '/')
			w->rest++;
		if (*w->rest == '\0') {
			if (w->depth == 0)
				return 0; /* a text of slashes alone */
			pop_text(w);
			continue;
		}
		r = may_search(w->view->cred, w->dir->inode);
		if (r < 0)
			return r;
		read_component(w);
		if (*w->rest == '\0' && w->depth == 0) {
			w->slash = w->slash || w->last[w->last_len] == '/';
			return 0;
		}
		r = step_into(w);
		if (r < 0)
			return r;
		w->last_kind = WALK_ROOT;
	}
}

int walk_final(struct walk *w, bool follow, struct dentry **ret)
{
	struct dentry *d;
	int r;

	for (;;) {
		r = walk_look(w, &d);
		if (r < 0)
			return r;
		if (!walk_is_link(d) || !(follow || w->slash))
			break;
		r = walk_follow(w, d);
		dentry_put(d);
		if (r == WALK_JUMP) {
			d = dentry_get(w->dir);
			break;
		}
		if (r == WALK_TEXT)
			r = walk_parent(w);
		if (r < 0)
			return r;
	}
	*ret = d;
	return 0;
}

int vfs_walk(const struct vfs *view, struct dentry *at, const char *path, unsigned int flags,
	     struct dentry **ret)
{
	struct dentry *d = NULL;
	struct walk w;
	int r;

	if (path[0] == '\0' && (flags & VFS_EMPTY_OK)) {
		*ret = dentry_get(at ? at : view->cwd);
		return 0;
	}
	r = walk_start(&w, view, at, path);
	if (r < 0)
		return r;
	r = walk_parent(&w);
	if (r == 0)
		r = walk_final(&w, flags & VFS_FOLLOW, &d);
	if (r == 0 && dentry_negative(d))
		r = -ENOENT;
	if (r == 0 && (w.slash || (flags & VFS_DIRECTORY)) && !dentry_is(d, S_IFDIR))
		r = -ENOTDIR;
	walk_end(&w);
	if (r < 0)
		dentry_put(d);
	else
		*ret = d;
	return r;
}

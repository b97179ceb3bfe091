#include "vfs/overlay/overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ovl_in_lower(const struct ovl_inode *dir, const char *name, size_t len)
{
	struct inode *lower = dir->lower;
	struct inode *found;
	int r;

	if (!lower)
		return 0;
	if (lower->ops->has_name)
		return lower->ops->has_name(lower, name, len);
	r = lower->ops->lookup(lower, name, len, &found);
	if (r == 0)
		inode_put(found);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int ovl_in_upper(const struct ovl_inode *dir, const char *name, size_t len, struct inode **ret)
{
	int r;

	*ret = NULL;
	if (!dir->upper)
		return 0;
	r = dir->upper->ops->lookup(dir->upper, name, len, ret);
	return r == -ENOENT ? 0 : r;
}

int ovl_has_name(struct inode *inode, const char *name, size_t len)
{
	struct ovl_inode *dir = ovl_of(inode);
	struct inode *upper;
	int r = ovl_in_upper(dir, name, len, &upper);

	if (r < 0)
		return r;
	if (!upper)
		return ovl_in_lower(dir, name, len);
	r = !is_whiteout(upper);
	inode_put(upper);
	return r;
}

int ovl_has_mark(struct inode *upper, const char *name)
{
	char value[4];
	ssize_t r;

	if (!upper->ops->getxattr)
		return 0;
	r = upper->ops->getxattr(upper, name, value, sizeof(value));
	if (r == -ENODATA || r == -EOPNOTSUPP || r == -ERANGE)
		return 0;
	return r < 0 ? (int)r : r >= 1 && value[0] == 'y';
}

int ovl_is_opaque(struct inode *upper)
{
	return ovl_has_mark(upper, OVL_OPAQUE);
}

int ovl_get_redirect(struct inode *upper, char **ret)
{
	char *text;
	ssize_t r;

	*ret = NULL;
	if (!upper->ops->getxattr)
		return 0;
	r = upper->ops->getxattr(upper, OVL_REDIRECT, NULL, 0);
	if (r == -ENODATA || r == -EOPNOTSUPP)
		return 0;
	if (r < 0)
		return (int)r;
	text = malloc((size_t)r + 1);
	if (!text)
		return -ENOMEM;
	r = upper->ops->getxattr(upper, OVL_REDIRECT, text, (size_t)r);
	/* The upper may have been written by others: only an absolute path means anything. */
	if (r <= 0 || text[0] != '/') {
		free(text);
		return r < 0 ? (int)r : -EUCLEAN;
	}
	text[r] = '\0';
	*ret = text;
	return 0;
}

int ovl_lower_path(const struct ovl_inode *o, char **ret)
{
	size_t len = 0;
	const struct ovl_inode *top;
	char *text, *at;

	for (top = o; !top->redirect && top->parent; top = top->parent)
		len += strlen(top->name) + 1;
	if (top->redirect)
		len += strlen(top->redirect);
	text = malloc(len + 1);
	if (!text)
		return -ENOMEM;
	at = text + len;
	*at = '\0';
	for (; o != top; o = o->parent) {
		size_t part = strlen(o->name);

		at -= part;
		memcpy(at, o->name, part);
		*--at = '/';
	}
	if (top->redirect)
		memcpy(text, top->redirect, strlen(top->redirect));
	*ret = text;
	return 0;
}

/* The directory at an absolute path of the lower; NULL if there is none (any more). */
static int walk_lower(const struct ovl_fs *fs, const char *path, struct inode **ret) MAY_YIELD
{
	struct inode *at = fs->lower ? inode_get(fs->lower) : NULL;

	while (at && *path) {
		struct inode *next = NULL;
		size_t len;
		int r;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0)
			break;
		r = at->ops->lookup(at, path, len, &next);
		inode_put(at);
		if (r < 0 && r != -ENOENT && r != -ENAMETOOLONG)
			return r;
		at = next;
		if (at && !S_ISDIR(at->type)) {
			inode_put(at);
			at = NULL;
		}
		path += len;
	}
	*ret = at;
	return 0;
}

/* The lower directory that an upper directory `upper`, found in `dir` as `name`, is merged with. */
static int find_lower(struct ovl_inode *dir, const char *name, size_t len, struct ovl_found *found)
	MAY_YIELD
{
	struct inode *lower = NULL;
	int r = ovl_is_opaque(found->upper); /* it counts more than where its lower part was */

	if (r != 0)
		return r < 0 ? r : 0;
	r = ovl_get_redirect(found->upper, &found->redirect);
	if (r < 0)
		return r;
	if (found->redirect)
		return walk_lower(ovl_fs_of(dir), found->redirect, &found->lower);
	if (!dir->lower)
		return 0;
	r = dir->lower->ops->lookup(dir->lower, name, len, &lower);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (S_ISDIR(lower->type))
		found->lower = lower;
	else
		inode_put(lower);
	return 0;
}

/*
 * What the upper has; but while copies are being given their names, a file of which
 * nobody knows yet that it is a copy is looked up again when they have them.
 */
static int look_in_upper(struct ovl_inode *dir, const char *name, size_t len, struct inode **ret)
	MAY_YIELD
{
	struct ovl_fs *fs = ovl_fs_of(dir);
	int r;

	for (;;) {
		r = ovl_in_upper(dir, name, len, ret);
		if (r < 0 || fs->entering == 0 || !*ret || S_ISDIR((*ret)->type) ||
		    origin_by_upper(fs, (*ret)->ino))
			return r;
		inode_put(*ret);
		r = waitq_wait(&fs->entered, TASK_FOREVER, WAIT_SURE);
		assert(r == 0);
	}
}

int ovl_lookup(struct inode *inode, const char *name, size_t len, struct inode **ret)
{
	struct ovl_inode *dir = ovl_of(inode);
	struct ovl_found found = { NULL, NULL, NULL };
	int r = look_in_upper(dir, name, len, &found.upper);

	if (r < 0)
		return r;
	if (!found.upper) {
		if (!dir->lower)
			return -ENOENT;
		r = dir->lower->ops->lookup(dir->lower, name, len, &found.lower);
	} else if (is_whiteout(found.upper)) {
		r = -ENOENT;
	} else if (S_ISDIR(found.upper->type)) {
		r = find_lower(dir, name, len, &found);
	}
	if (r < 0) {
		inode_put(found.upper);
		free(found.redirect);
		return r;
	}
	return ovl_inode_for(dir, name, len, &found, ret);
}

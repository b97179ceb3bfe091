#include "vfs/dentry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define MOUNTS_MAX 64u
#define FIRST_MINOR 0x300u /* of major 0, above what the host is likely to use */

struct mount {
	char *source;
	struct dentry *root; /* counted */
	struct dentry *on;   /* counted; NULL: the root of a tree */
};

/* In order of mounting: a mount stands after the one it is mounted on. */
static struct mount mounts[MOUNTS_MAX];
static unsigned int mount_count;
static uint32_t next_minor = FIRST_MINOR;

uint64_t vfs_new_dev(void)
{
	return makedev(0, next_minor++);
}

/* Takes over `root_of_fs`, also on failure. */
static int add_mount(struct dentry *on, struct inode *root_of_fs, const char *source,
		     struct dentry **ret)
{
	struct mount *m = &mounts[mount_count];
	int r = -ENOMEM;

	if (mount_count == MOUNTS_MAX) {
		inode_put(root_of_fs);
		return -ENOSPC;
	}
	m->source = strdup(source);
	m->root = m->source ? dentry_new_root(root_of_fs) : NULL;
	if (!m->root) {
		free(m->source);
		inode_put(root_of_fs);
		return r;
	}
	m->on = NULL;
	if (on) {
		m->on = dentry_get(on);
		m->root->covers = on;
		on->mounted = m->root;
	}
	mount_count++;
	*ret = m->root;
	return 0;
}

int vfs_mount(struct dentry *on, struct inode *root_of_fs, const char *source)
{
	struct dentry *root;
	int r = 0;

	while (on->mounted)
		on = on->mounted;
	if (!dentry_is(on, S_IFDIR) || !S_ISDIR(root_of_fs->type))
		r = -ENOTDIR;
	else if (dentry_unlinked(on))
		r = -ENOENT;
	if (r < 0) {
		inode_put(root_of_fs);
		return r;
	}
	return add_mount(on, root_of_fs, source, &root);
}

int vfs_root(struct inode *root_of_fs, const char *source, struct dentry **ret)
{
	struct dentry *root;
	int r = add_mount(NULL, root_of_fs, source, &root);

	if (r == 0)
		*ret = dentry_get(root);
	return r;
}

/* ---- the text of a path, written from its end. */

struct path_text {
	char *start, *at;
};

static bool prepend(struct path_text *t, const char *text, size_t len)
{
	if ((size_t)(t->at - t->start) < len)
		return false;
	t->at -= len;
	memcpy(t->at, text, len);
	return true;
}

/* From `d` up to `root`, or to the top of all if `root` is not above. */
static bool prepend_path(struct path_text *t, const struct dentry *root, const struct dentry *d)
{
	bool any = false;

	while (d != root) {
		if (!d->parent) {
			if (!d->covers)
				break;
			d = d->covers;
			continue;
		}
		if (!prepend(t, d->name, d->name_len) || !prepend(t, "/", 1))
			return false;
		any = true;
		d = d->parent;
	}
	return any || prepend(t, "/", 1);
}

static int path_text(const struct dentry *root, const struct dentry *d, char *buf, size_t size)
{
	static const char deleted[] = " (deleted)";
	struct path_text t = { buf, buf + size };
	size_t len;

	/* The terminator comes first, being last. */
	if (size == 0 || !prepend(&t, "", 1))
		return -ERANGE;
	if (dentry_unlinked(d) && !prepend(&t, deleted, sizeof(deleted) - 1))
		return -ERANGE;
	if (!prepend_path(&t, root, d))
		return size >= VFS_PATH_MAX ? -ENAMETOOLONG : -ERANGE;
	len = (size_t)(buf + size - t.at) - 1;
	memmove(buf, t.at, len + 1);
	return (int)len;
}

int dentry_path(const struct vfs *view, struct dentry *d, char *buf, size_t size)
{
	return path_text(view->root, d, buf, size);
}

int vfs_mount_list(unsigned int index, struct vfs_mount_info *ret)
{
	const struct mount *m;
	int r;

	if (index >= mount_count)
		return -ENOENT;
	m = &mounts[index];
	r = path_text(NULL, m->root, ret->path, sizeof(ret->path));
	if (r < 0)
		return r;
	ret->source = m->source;
	ret->type_name = m->root->inode->fs->type_name;
	ret->read_only = m->root->inode->fs->read_only;
	return 0;
}

/* Those that are mounted meanwhile have nothing to write; none goes away. */
void vfs_sync_all(void)
{
	for (unsigned int i = 0; i < mount_count; i++) {
		struct vfs_fs *fs = mounts[i].root->inode->fs;

		if (fs->sync)
			(void)!fs->sync(fs, false);
	}
}

void vfs_unmount_all(void)
{
	while (mount_count > 0) {
		struct mount *m = &mounts[--mount_count];

		if (m->on)
			m->on->mounted = NULL;
		m->root->covers = NULL;
		/* What is not held by anybody goes now, so that the root is held by us alone. */
		dentry_shrink(0);
		dentry_put(m->root);
		dentry_put(m->on);
		free(m->source);
		*m = (struct mount){ NULL, NULL, NULL };
	}
	dentry_shrink(0);
}

void vfs_fini(void)
{
	struct dentry_stats stats;

	vfs_unmount_all();
	dentry_stats_get(&stats);
	if (stats.dentries > 0 || inode_count() > 0)
		fprintf(stderr, "vfs: %llu dentries and %llu inodes are still held\n",
			(unsigned long long)stats.dentries, (unsigned long long)inode_count());
	assert(stats.dentries == 0);
	assert(inode_count() == 0);
}

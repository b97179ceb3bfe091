/* SPDX-License-Identifier: MIT */
#include "front/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct seen {
	bool upper, work;
	bool places; /* directories on which something is mounted inside */
	bool other;
};

static bool is(const struct vfs_dirent *entry, const char *name)
{
	return entry->name_len == strlen(name) && memcmp(entry->name, name, entry->name_len) == 0;
}

static int look(void *ctx, const struct vfs_dirent *entry)
{
	struct seen *seen = ctx;

	if (is(entry, "upper"))
		seen->upper = true;
	else if (is(entry, "work"))
		seen->work = true;
	else if (is(entry, "dev") || is(entry, "proc"))
		seen->places = true;
	else if (!is(entry, "lost+found"))
		seen->other = true;
	return 0;
}

int layer_look(struct inode *image_root, enum layer_kind *ret)
{
	struct seen seen = { .other = false };
	bool layer;
	uint64_t cursor = 0;
	int r = vfs_readdir(image_root, &cursor, look, &seen);

	/* Who looks at a layer as a whole tree, once, has made those places in it. */
	layer = seen.upper && seen.work && !seen.other;
	*ret = layer						      ? LAYER_LAYER
	       : seen.other || seen.places || seen.upper || seen.work ? LAYER_TREE
								      : LAYER_EMPTY;
	return r;
}

static int part(struct inode *root, const char *name, struct inode **ret) MAY_YIELD
{
	const struct vfs_attr attr = { .mode = S_IFDIR | 0755 };
	size_t len = strlen(name);
	int r = root->ops->lookup(root, name, len, ret);

	if (r == -ENOENT)
		r = root->ops->create(root, name, len, &attr, ret);
	if (r == 0 && !S_ISDIR((*ret)->type)) {
		inode_put(*ret);
		r = -ENOTDIR;
	}
	return r;
}

int layer_parts(struct inode *image_root, struct inode **ret_upper, struct inode **ret_work)
{
	int r = part(image_root, "upper", ret_upper);

	if (r < 0)
		return r;
	r = part(image_root, "work", ret_work);
	if (r < 0)
		inode_put(*ret_upper);
	return r;
}

int layer_over_host(int host_fd, struct inode *upper, struct inode *work, struct inode **ret_root)
{
	int fd = host_fd >= 0 ? host_fd : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct inode *lower;
	int r = fd < 0 ? -errno : host_fs_new(fd, &lower);

	if (r < 0) {
		inode_put(upper);
		inode_put(work);
		return r;
	}
	return overlay_fs_new(lower, upper, work, ret_root);
}

/* SPDX-License-Identifier: MIT */
#include "front/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

struct seen {
	bool upper, work, other;
};

static int look(void *ctx, const struct vfs_dirent *entry)
{
	struct seen *seen = ctx;

	if (entry->name_len == 5 && memcmp(entry->name, "upper", 5) == 0)
		seen->upper = true;
	else if (entry->name_len == 4 && memcmp(entry->name, "work", 4) == 0)
		seen->work = true;
	else if (entry->name_len != 10 || memcmp(entry->name, "lost+found", 10) != 0)
		seen->other = true;
	return 0;
}

int layer_look(struct inode *image_root, enum layer_kind *ret)
{
	struct seen seen = { false, false, false };
	uint64_t cursor = 0;
	int r = vfs_readdir(image_root, &cursor, look, &seen);

	*ret = seen.other || seen.upper != seen.work ? LAYER_TREE
	       : seen.upper			     ? LAYER_LAYER
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

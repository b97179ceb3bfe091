/* SPDX-License-Identifier: MIT */
/*
 * root.c - what programs find at "/": the host's tree below, changes above, in memory or in
 * an image; or an image alone.
 */
#include "front/inside.h"

#include "cache/cache.h"
#include "device/disk.h"
#include "front/layer.h"
#include "front/manager.h"
#include "front/proc_source.h"
#include "vfs/ext4/ext4.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Less is not enough for what a journal keeps in memory, and what else is looked at. */
#define CACHE_MIN (UINT64_C(4) << 20)

static struct {
	const char *path; /* of the image, for messages */
	struct disk *disk;
	struct ext4 *ext4;
	bool cached;
	bool complained;
} image;

/* ---- the image. */

static int complain(int error, const char *why)
{
	fprintf(stderr, "hascall run: %s: %s\n", image.path, why);
	image.complained = true;
	return error;
}

bool root_complained(void)
{
	return image.complained;
}

/* ---- mounts. */

/* Put a file system on a directory of the root, which is made if it is missing. */
static int mount_at(const struct vfs *view, const char *path, struct inode *root,
		    const char *source) MAY_YIELD
{
	struct dentry *d;
	int r = vfs_walk(view, NULL, path, VFS_FOLLOW | VFS_DIRECTORY, &d);

	if (r == -ENOENT) {
		r = vfs_mkdir(view, NULL, path, 0755);
		if (r == 0)
			r = vfs_walk(view, NULL, path, VFS_FOLLOW | VFS_DIRECTORY, &d);
	}
	if (r < 0) {
		inode_put(root);
		if (image.path && r == -EROFS)
			fprintf(stderr, "hascall run: %s: %s is missing, and cannot be made\n",
				image.path, path);
		image.complained |= image.path && r == -EROFS;
		return r;
	}
	r = vfs_mount(d, root, source);
	dentry_put(d);
	return r;
}

/* The program of process 1 is no file of the tree's, so it stands among the devices. */
static int put_init(struct inode *dev, const struct manager_options *o) MAY_YIELD
{
	const struct vfs_attr attr = { .mode = S_IFREG | 0555 };
	const char *name = strrchr(MANAGER_INIT_PATH, '/') + 1;
	struct inode *file;
	size_t done = 0;
	int r = dev->ops->create(dev, name, strlen(name), &attr, &file);

	if (r < 0)
		return r;
	while (r == 0 && done < o->init_size) {
		ssize_t n = vfs_write(file, (const char *)o->init_data + done, o->init_size - done,
				      done);

		if (n > 0)
			done += (size_t)n;
		else
			r = n < 0 ? (int)n : -EIO;
	}
	inode_put(file);
	return r;
}

int root_mounts(const struct manager_options *o, const struct vfs *view)
{
	struct inode *dev, *proc;
	int r = dev_fs_new(&dev);

	if (r == 0 && o->init_data) {
		r = put_init(dev, o);
		if (r < 0)
			inode_put(dev);
	}
	if (r == 0)
		r = mount_at(view, "/dev", dev, "dev");
	if (r == 0)
		r = proc_fs_new(&front_proc_source, &proc);
	if (r == 0)
		r = mount_at(view, "/proc", proc, "proc");
	return r;
}

static int open_disk(bool read_only) MAY_YIELD
{
	int r = disk_open_image(image.path, read_only, &image.disk);

	switch (r) {
	case 0:
		return 0;
	case -EBUSY:
		return complain(r, "is in use by another process");
	case -EMEDIUMTYPE:
		return complain(r, "is neither a regular file nor a block device");
	case -ENOENT:
		return complain(r, "no such file; 'hascall mkfs FILE SIZE' makes an image");
	case -EINVAL:
		return complain(r, "it is too small for a file system");
	default:
		return complain(r, strerror(-r));
	}
}

static int open_image(const struct manager_options *o) MAY_YIELD
{
	const struct ext4_mount_options how = { .read_only = o->image_read_only };
	struct ext4_report report;
	int r;

	image.path = o->image;
	r = open_disk(o->image_read_only);
	if (r < 0)
		return r;
	r = cache_init(o->cache_limit && o->cache_limit < CACHE_MIN ? CACHE_MIN : o->cache_limit);
	if (r < 0)
		return complain(r, "there is no memory for its cache");
	image.cached = true;
	r = ext4_mount(image.disk, &how, &image.ext4, &report);
	if (r < 0)
		return complain(r, report.text[0] ? report.text : strerror(-r));
	if (report.read_only && !o->image_read_only) {
		char why[sizeof(report.text) + 64];

		snprintf(why, sizeof(why), "%s; with --read-only it can be looked at", report.text);
		return complain(-EROFS, why);
	}
	return 0;
}

/* As asked; else a layer if it is one already, or is empty and so can become one. */
static int is_layer(const struct manager_options *o, struct inode *root, bool *ret) MAY_YIELD
{
	enum layer_kind kind;
	int r;

	if (o->image_use != MANAGER_IMAGE_AUTO) {
		*ret = o->image_use == MANAGER_IMAGE_LAYER;
		return 0;
	}
	r = layer_look(root, &kind);
	*ret = r == 0 && kind != LAYER_TREE;
	return r;
}

/* ---- the root. */

static int over_host(const struct manager_options *o, struct inode *upper, struct dentry **ret)
	MAY_YIELD
{
	struct inode *root;
	int r = layer_over_host(o->root_fd, upper, NULL, &root);

	return r < 0 ? r : vfs_root(root, "overlay", ret);
}

static int layer_root(const struct manager_options *o, struct inode *image_root,
		      struct dentry **ret) MAY_YIELD
{
	struct inode *root, *upper, *work;
	int r = layer_parts(image_root, &upper, &work);

	if (r < 0)
		return complain(r, "its directories 'upper' and 'work' cannot be had");
	r = layer_over_host(o->root_fd, upper, work, &root);
	return r < 0 ? r : vfs_root(root, "overlay", ret);
}

static int image_root(const struct manager_options *o, struct dentry **ret) MAY_YIELD
{
	struct inode *root;
	bool layer;
	int r = open_image(o);

	if (r == 0)
		r = ext4_root(image.ext4, &root);
	if (r < 0)
		return r;
	r = is_layer(o, root, &layer);
	if (r == 0 && !layer)
		return vfs_root(root, o->image, ret);
	if (r == 0 && o->image_read_only)
		r = complain(-EROFS, "a layer must be writable; --read-only is for whole trees");
	if (r == 0)
		r = layer_root(o, root, ret);
	inode_put(root);
	return r;
}

int root_build(const struct manager_options *o, struct dentry **ret)
{
	struct inode *upper;
	int r;

	if (o->image)
		return image_root(o, ret);
	r = mem_fs_new("tmpfs", o->memory_limit, 0755, &upper);
	return r < 0 ? r : over_host(o, upper, ret);
}

int root_close(void)
{
	int r = image.ext4 ? ext4_unmount(image.ext4) : 0;

	if (r < 0)
		fprintf(stderr, "hascall run: %s: changes may be lost: %s\n", image.path,
			ext4_loss_text(r));
	if (image.cached)
		cache_fini();
	disk_close(image.disk);
	memset(&image, 0, sizeof(image));
	return r;
}

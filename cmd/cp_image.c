/* cp_image.c - hascall cp: files in an image, as root there. */
#include "cmd/cp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The inode, with what keeps it. */
static int walk(const struct cp_side *s, const char *path, struct dentry **ret) MAY_YIELD
{
	return vfs_walk(&s->image->view, NULL, path, 0, ret);
}

static int image_stat(const struct cp_side *s, const char *path, bool follow, struct vfs_attr *ret)
	MAY_YIELD
{
	struct dentry *d;
	int r = vfs_walk(&s->image->view, NULL, path, follow ? VFS_FOLLOW : 0, &d);

	if (r < 0)
		return r;
	r = vfs_getattr(dentry_inode(d), ret);
	dentry_put(d);
	return r;
}

struct listing {
	struct cp_names *names;
	int error;
};

/* What an image says may be anything: such a name would lead elsewhere. */
static bool is_name(const struct vfs_dirent *e)
{
	return e->name_len > 0 && !memchr(e->name, '/', e->name_len) &&
	       !memchr(e->name, '\0', e->name_len) &&
	       (e->name_len > 2 || memcmp(e->name, "..", e->name_len) != 0);
}

static int take_name(void *ctx, const struct vfs_dirent *e)
{
	struct listing *l = ctx;

	l->error = is_name(e) ? cp_names_add(l->names, e->name, e->name_len) : -EUCLEAN;
	return l->error;
}

static int image_list(const struct cp_side *s, const char *path, struct cp_names *names) MAY_YIELD
{
	struct listing l = { names, 0 };
	uint64_t cursor = 0;
	struct dentry *d;
	size_t before;
	int r = walk(s, path, &d);

	if (r < 0)
		return r;
	do {
		before = names->size;
		r = vfs_readdir(dentry_inode(d), &cursor, take_name, &l);
	} while (r == 0 && l.error == 0 && names->size > before);
	dentry_put(d);
	return r < 0 ? r : l.error;
}

static ssize_t image_readlink(const struct cp_side *s, const char *path, char *buf, size_t size)
	MAY_YIELD
{
	struct dentry *d;
	int r = walk(s, path, &d);

	if (r < 0)
		return r;
	r = vfs_readlink(dentry_inode(d), buf, size);
	dentry_put(d);
	return r;
}

static int image_open(const struct cp_side *s, const char *path, struct cp_file *ret) MAY_YIELD
{
	*ret = (struct cp_file){ .side = s, .fd = -1 };
	return walk(s, path, &ret->d);
}

static int image_create(const struct cp_side *s, const char *path, struct cp_file *ret) MAY_YIELD
{
	const struct vfs_open how = { .flags = O_WRONLY | O_CREAT | O_EXCL, .mode = 0600 };

	*ret = (struct cp_file){ .side = s, .fd = -1 };
	return vfs_open(&s->image->view, NULL, path, &how, &ret->d);
}

static ssize_t image_read(const struct cp_file *f, void *buf, size_t size, uint64_t offset)
	MAY_YIELD
{
	return vfs_read(dentry_inode(f->d), buf, size, offset);
}

static ssize_t image_write(const struct cp_file *f, const void *buf, size_t size, uint64_t offset)
	MAY_YIELD
{
	return vfs_write(dentry_inode(f->d), buf, size, offset);
}

static int image_data(const struct cp_file *f, uint64_t *begin, uint64_t *ret_end) MAY_YIELD
{
	int64_t at = vfs_seek_data(dentry_inode(f->d), *begin, SEEK_DATA), end;

	if (at < 0)
		return (int)at;
	end = vfs_seek_data(dentry_inode(f->d), (uint64_t)at, SEEK_HOLE);
	*begin = (uint64_t)at;
	*ret_end = end > at ? (uint64_t)end : INT64_MAX;
	return 0;
}

static int image_finish(const struct cp_file *f, uint64_t size) MAY_YIELD
{
	struct inode *inode = dentry_inode(f->d);
	int r = vfs_truncate(f->side->image->view.cred, inode, size, true);

	return r == 0 && inode->ops->order ? inode->ops->order(inode) : r;
}

static void image_close(struct cp_file *f)
{
	dentry_put(f->d);
}

static int image_mkdir(const struct cp_side *s, const char *path) MAY_YIELD
{
	return vfs_mkdir(&s->image->view, NULL, path, 0700);
}

static int image_symlink(const struct cp_side *s, const char *target, const char *path) MAY_YIELD
{
	return vfs_symlink(&s->image->view, target, NULL, path);
}

static int image_mknod(const struct cp_side *s, const char *path, uint32_t mode, uint64_t rdev)
	MAY_YIELD
{
	return vfs_mknod(&s->image->view, NULL, path, mode, rdev);
}

static int image_link(const struct cp_side *s, const char *from, const char *path) MAY_YIELD
{
	struct dentry *d;
	int r = walk(s, from, &d);

	if (r < 0)
		return r;
	r = vfs_link(&s->image->view, d, NULL, path);
	dentry_put(d);
	return r;
}

static int image_rename(const struct cp_side *s, const char *from, const char *to) MAY_YIELD
{
	return vfs_rename(&s->image->view, NULL, from, NULL, to, 0);
}

static int image_unlink(const struct cp_side *s, const char *path) MAY_YIELD
{
	return vfs_unlink(&s->image->view, NULL, path);
}

static int image_chown(const struct cp_side *s, const char *path, uint32_t uid, uint32_t gid)
	MAY_YIELD
{
	struct dentry *d;
	int r = walk(s, path, &d);

	if (r < 0)
		return r;
	r = vfs_chown(s->image->view.cred, dentry_inode(d), uid, gid);
	dentry_put(d);
	return r;
}

static int image_chmod(const struct cp_side *s, const char *path, uint32_t mode) MAY_YIELD
{
	struct dentry *d;
	int r = walk(s, path, &d);

	if (r < 0)
		return r;
	r = vfs_chmod(s->image->view.cred, dentry_inode(d), mode);
	dentry_put(d);
	return r;
}

static int image_times(const struct cp_side *s, const char *path, const struct timespec times[2])
	MAY_YIELD
{
	struct dentry *d;
	int r = walk(s, path, &d);

	if (r < 0)
		return r;
	r = vfs_utimens(s->image->view.cred, dentry_inode(d), times);
	dentry_put(d);
	return r;
}

static ssize_t image_listxattr(const struct cp_side *s, const char *path, char *buf, size_t size)
	MAY_YIELD
{
	struct dentry *d;
	struct inode *inode;
	ssize_t n = walk(s, path, &d);

	if (n < 0)
		return n;
	inode = dentry_inode(d);
	n = vfs_listxattr(s->image->view.cred, inode, buf, size);
	dentry_put(d);
	return n;
}

static ssize_t image_getxattr(const struct cp_side *s, const char *path, const char *name,
			      void *buf, size_t size) MAY_YIELD
{
	struct dentry *d;
	struct inode *inode;
	ssize_t n = walk(s, path, &d);

	if (n < 0)
		return n;
	inode = dentry_inode(d);
	n = vfs_getxattr(s->image->view.cred, inode, name, buf, size);
	dentry_put(d);
	return n;
}

static int image_setxattr(const struct cp_side *s, const char *path, const char *name,
			  const void *value, size_t size) MAY_YIELD
{
	const struct vfs_bytes bytes = { value, size };
	struct dentry *d;
	struct inode *inode;
	int r = walk(s, path, &d);

	if (r < 0)
		return r;
	inode = dentry_inode(d);
	r = vfs_setxattr(s->image->view.cred, inode, name, &bytes, 0);
	dentry_put(d);
	return r;
}

const struct cp_tree cp_image = {
	.stat = image_stat,
	.list = image_list,
	.readlink = image_readlink,
	.open = image_open,
	.create = image_create,
	.read = image_read,
	.write = image_write,
	.data = image_data,
	.finish = image_finish,
	.close = image_close,
	.mkdir = image_mkdir,
	.symlink = image_symlink,
	.mknod = image_mknod,
	.link = image_link,
	.rename = image_rename,
	.unlink = image_unlink,
	.chown = image_chown,
	.chmod = image_chmod,
	.times = image_times,
	.listxattr = image_listxattr,
	.getxattr = image_getxattr,
	.setxattr = image_setxattr,
};

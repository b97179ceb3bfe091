#include "vfs/host/host_fs.h"

#include "vfs/host/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define BUCKETS_MIN 256u
#define BLOCK_SIZE 4096u

static const struct inode_ops host_ops;

/*
 * ---- inodes by (dev, ino): hard links are one inode. Directories are told apart by
 * their names too: one that the host mounted in two places has two paths.
 */

static struct host_inode **bucket_of(const struct host_fs *fs, uint64_t dev, uint64_t ino)
{
	uint64_t h = (ino ^ dev << 40) * 0x9e3779b97f4a7c15u;

	return &fs->by_number[(h >> 32) & (fs->bucket_count - 1)];
}

static struct host_inode *find_number(const struct host_inode *dir, const char *name,
				      const struct vfs_attr *attr)
{
	struct host_inode *h = *bucket_of(host_fs_of(dir), attr->dev, attr->ino);

	for (; h; h = h->number_next)
		if (h->attr.dev == attr->dev && h->attr.ino == attr->ino &&
		    h->inode.type == (attr->mode & S_IFMT) &&
		    (!S_ISDIR(attr->mode) || (h->parent == dir && strcmp(h->name, name) == 0)))
			return h;
	return NULL;
}

/* Without memory for more buckets the chains grow longer; that is all. */
static void grow_buckets(struct host_fs *fs)
{
	size_t old_count = fs->bucket_count;
	struct host_inode **old = fs->by_number;
	struct host_inode **wider = calloc(old_count * 2, sizeof(struct host_inode *));

	if (!wider)
		return;
	fs->by_number = wider;
	fs->bucket_count = old_count * 2;
	for (size_t i = 0; i < old_count; i++) {
		struct host_inode *next;

		for (struct host_inode *h = old[i]; h; h = next) {
			struct host_inode **bucket = bucket_of(fs, h->attr.dev, h->attr.ino);

			next = h->number_next;
			h->number_next = *bucket;
			*bucket = h;
		}
	}
	free(old);
}

static void number_in(struct host_fs *fs, struct host_inode *h)
{
	struct host_inode **bucket;

	if (fs->numbered >= fs->bucket_count)
		grow_buckets(fs);
	bucket = bucket_of(fs, h->attr.dev, h->attr.ino);
	h->number_next = *bucket;
	*bucket = h;
	fs->numbered++;
}

static void number_out(struct host_fs *fs, struct host_inode *h)
{
	struct host_inode **link;

	for (link = bucket_of(fs, h->attr.dev, h->attr.ino); *link != h;
	     link = &(*link)->number_next)
		assert(*link);
	*link = h->number_next;
	fs->numbered--;
}

/* ---- making and freeing. */

static struct timespec time_of(const struct statx_timestamp *t)
{
	return (struct timespec){ .tv_sec = t->tv_sec, .tv_nsec = t->tv_nsec };
}

static struct vfs_attr attr_of(const struct statx *st)
{
	return (struct vfs_attr){
		.dev = makedev(st->stx_dev_major, st->stx_dev_minor),
		.ino = st->stx_ino,
		.rdev = makedev(st->stx_rdev_major, st->stx_rdev_minor),
		.size = st->stx_size,
		.blocks = st->stx_blocks,
		.mode = st->stx_mode,
		.nlink = st->stx_nlink,
		.uid = st->stx_uid,
		.gid = st->stx_gid,
		.blksize = st->stx_blksize ? st->stx_blksize : BLOCK_SIZE,
		.atime = time_of(&st->stx_atime),
		.mtime = time_of(&st->stx_mtime),
		.ctime = time_of(&st->stx_ctime),
		.btime = time_of(&st->stx_btime),
	};
}

static void inode_destroy(struct list *node)
{
	struct host_inode *h = LIST_ENTRY(node, struct host_inode, dead);
	struct host_fs *fs = host_fs_of(h);

	if (h->parent)
		number_out(fs, h);
	else
		h->fd_users--; /* the root's descriptor was kept in use */
	fds_forget(h);
	names_forget(h);
	free(h->name);
	free(h->target);
	if (h->parent)
		inode_put(&h->parent->inode);
	free(h);
	if (--fs->inode_count == 0) {
		free(fs->by_number);
		free(fs);
	}
}

static void host_release(struct inode *inode)
{
	static struct reaper reaper = REAPER_INIT(reaper);

	reap(&reaper, &host_of(inode)->dead, inode_destroy);
}

static struct host_inode *inode_new(struct host_fs *fs, struct host_inode *parent, const char *name,
				    size_t len, const struct vfs_attr *attr)
{
	struct host_inode *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->name = strndup(name, len);
	if (!h->name) {
		free(h);
		return NULL;
	}
	inode_init(&h->inode, &host_ops, &fs->fs, attr->mode & S_IFMT);
	h->inode.ino = attr->ino;
	h->inode.rdev = attr->rdev;
	h->inode.mode = attr->mode;
	h->inode.uid = attr->uid;
	h->inode.gid = attr->gid;
	h->inode.has_perm = true;
	h->attr = *attr;
	h->fd = -1;
	list_init(&h->fd_lru);
	list_init(&h->dead);
	task_lock_init(&h->loading);
	if (parent) {
		h->parent = parent;
		inode_get(&parent->inode);
		h->flags = parent->flags & (HOST_UNSIZED | HOST_QUICK);
		number_in(fs, h);
	}
	fs->inode_count++;
	return h;
}

/* ---- what is not shown, and what has no size. */

static uint32_t flags_of_type(uint64_t type)
{
	switch (type) {
	case PROC_SUPER_MAGIC:
	case DEVPTS_SUPER_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
		return HOST_HIDDEN;
	case SYSFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case SECURITYFS_MAGIC:
	case BPF_FS_MAGIC:
	case EFIVARFS_MAGIC:
	case PSTOREFS_MAGIC:
		return HOST_UNSIZED;
	default:
		return 0;
	}
}

/* A directory where another file system of the host begins. */
static int look_at_mount(struct host_inode *h) MAY_YIELD
{
	struct host_fs *fs = host_fs_of(h);
	uint64_t type = 0;
	bool quick;
	int fd, r;

	for (size_t i = 0; i < ARRAY_COUNT(fs->hidden); i++)
		if (fs->hidden[i].dev == h->attr.dev && fs->hidden[i].ino == h->attr.ino) {
			h->flags = HOST_HIDDEN;
			return 0;
		}
	fd = fds_use(h);
	if (fd < 0) {
		h->flags = HOST_HIDDEN; /* a mount that cannot even be stood on */
		return 0;
	}
	quick = io_quick(fd);
	r = io_fs_type(fd, quick, &type);
	if (r == 0)
		h->flags = flags_of_type(type) | (quick ? HOST_QUICK : 0);
	fds_done(h);
	return r;
}

static int host_has_name(struct inode *dir, const char *name, size_t len) MAY_YIELD;

static int stat_child(struct host_inode *dir, const char *name, struct vfs_attr *ret) MAY_YIELD
{
	struct statx st;
	int fd = fds_use(dir);
	int r;

	if (fd < 0)
		return fd;
	r = io_statx(fd, name, host_quick(dir), &st);
	fds_done(dir);
	if (r == 0)
		*ret = attr_of(&st);
	return r;
}

static int host_lookup(struct inode *dir_inode, const char *name, size_t len, struct inode **ret)
	MAY_YIELD
{
	struct host_inode *dir = host_of(dir_inode);
	struct host_fs *fs = host_fs_of(dir);
	char text[VFS_NAME_MAX + 1];
	struct vfs_attr attr;
	struct host_inode *h;
	int r = host_has_name(dir_inode, name, len);

	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	memcpy(text, name, len);
	text[len] = '\0';
	r = stat_child(dir, text, &attr);
	if (r < 0)
		return r;
	h = find_number(dir, text, &attr);
	if (h) {
		*ret = inode_get(&h->inode);
		return 0;
	}
	h = inode_new(fs, dir, name, len, &attr);
	if (!h)
		return -ENOMEM;
	if (S_ISDIR(attr.mode) && attr.dev != dir->attr.dev) {
		r = look_at_mount(h);
		if (r < 0) {
			inode_put(&h->inode);
			return r;
		}
	}
	*ret = &h->inode;
	return 0;
}

static int host_has_name(struct inode *dir_inode, const char *name, size_t len)
{
	struct host_inode *dir = host_of(dir_inode);
	char text[VFS_NAME_MAX + 1];
	struct host_names *names;
	struct vfs_attr attr;
	int r;

	if (len > VFS_NAME_MAX)
		return -ENAMETOOLONG;
	r = names_use(dir, &names);
	if (r == 0) {
		r = names_find(names, name, len) ? 1 : 0;
		names_done(names);
		return r;
	}
	if (r != -EACCES)
		return r;
	/* Not to be listed: ask for this name. */
	memcpy(text, name, len);
	text[len] = '\0';
	r = stat_child(dir, text, &attr);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : 1;
}

static int host_getattr(struct inode *inode, struct vfs_attr *ret)
{
	*ret = host_of(inode)->attr;
	return 0;
}

static int host_readdir(struct inode *inode, uint64_t *cursor, vfs_emit_fn *emit, void *ctx)
	MAY_YIELD
{
	struct host_names *names;
	int r = names_use(host_of(inode), &names);

	if (r < 0)
		return r;
	while (*cursor < names->count) {
		const struct host_name *e = &names->entries[*cursor];
		struct vfs_dirent entry = {
			.name = names->texts + e->text,
			.name_len = e->len,
			.ino = e->ino,
			.type = e->type,
			.next = *cursor + 1,
		};

		if (emit(ctx, &entry))
			break;
		*cursor = entry.next;
	}
	names_done(names);
	return 0;
}

static int host_link_text(struct inode *inode, const char **ret) MAY_YIELD
{
	struct host_inode *h = host_of(inode);
	char *text;
	int fd, r;

	if (h->target) {
		*ret = h->target;
		return 0;
	}
	fd = fds_use(h->parent);
	if (fd < 0)
		return fd;
	text = malloc(VFS_PATH_MAX);
	r = text ? (int)io_readlink(fd, h->name, host_quick(h), text, VFS_PATH_MAX - 1) : -ENOMEM;
	fds_done(h->parent);
	if (r < 0) {
		free(text);
		return r;
	}
	text[r] = '\0';
	if (!h->target) /* nobody was faster */
		h->target = strdup(text);
	free(text);
	if (!h->target)
		return -ENOMEM;
	*ret = h->target;
	return 0;
}

static int host_readlink(struct inode *inode, char *buf, size_t size) MAY_YIELD
{
	const char *text;
	int r = host_link_text(inode, &text);

	if (r < 0)
		return r;
	size = strnlen(text, size);
	memcpy(buf, text, size);
	return (int)size;
}

static ssize_t host_read(struct inode *inode, void *buf, size_t size, uint64_t offset) MAY_YIELD
{
	struct host_inode *h = host_of(inode);
	ssize_t r;
	int fd;

	if (!S_ISREG(inode->type))
		return -EINVAL;
	if (!(h->flags & HOST_UNSIZED)) {
		if (offset >= h->attr.size)
			return 0;
		if (size > h->attr.size - offset)
			size = h->attr.size - offset;
	}
	fd = fds_use(h);
	if (fd < 0)
		return fd;
	r = io_pread(fd, buf, size, offset);
	fds_done(h);
	return r;
}

static int64_t host_seek_data(struct inode *inode, uint64_t offset, int whence) MAY_YIELD
{
	struct host_inode *h = host_of(inode);
	int64_t r;
	int fd;

	if (offset >= h->attr.size)
		return -ENXIO;
	fd = fds_use(h);
	if (fd < 0)
		return fd;
	r = io_seek(fd, offset, whence);
	fds_done(h);
	return r;
}

static int host_map(struct inode *inode, bool for_write, struct vfs_mapping *ret) MAY_YIELD
{
	struct host_inode *h = host_of(inode);
	const struct vfs_attr *a = &h->attr;
	uint64_t version;
	int fd;

	if (for_write)
		return -EROFS;
	if (h->flags & HOST_UNSIZED)
		return -ENODEV;
	fd = fds_use(h);
	if (fd < 0)
		return fd;
	fds_done(h); /* stays open until HOST_FDS_MAX others were used */
	version = (a->ino ^ a->dev << 32) * 0x9e3779b97f4a7c15u;
	version ^= (uint64_t)a->mtime.tv_sec * 1000000007u + (uint64_t)a->mtime.tv_nsec;
	version = (version ^ version >> 29) * 0xbf58476d1ce4e5b9u;
	version ^= (uint64_t)a->ctime.tv_sec * 1000000007u + (uint64_t)a->ctime.tv_nsec;
	ret->host_fd = fd;
	ret->writable = false;
	ret->version = (version ^ version >> 32) << 1; /* even: never a memory file's */
	ret->file_size = a->size;
	return 0;
}

static int host_statfs(struct vfs_fs *fs, struct vfs_statfs *ret)
{
	(void)fs;
	*ret = (struct vfs_statfs){ .type = TMPFS_MAGIC,
				    .bsize = BLOCK_SIZE,
				    .namelen = VFS_NAME_MAX };
	return 0;
}

static const struct inode_ops host_ops = {
	.lookup = host_lookup,
	.has_name = host_has_name,
	.getattr = host_getattr,
	.readdir = host_readdir,
	.readlink = host_readlink,
	.link_text = host_link_text,
	.read = host_read,
	.seek_data = host_seek_data,
	.map = host_map,
	.release = host_release,
};

static void find_hidden(struct host_fs *fs) MAY_YIELD
{
	static const char *const paths[] = { "/proc", "/dev" };
	struct statx st;

	for (size_t i = 0; i < ARRAY_COUNT(paths); i++) {
		if (io_statx(AT_FDCWD, paths[i], true, &st) < 0)
			continue;
		fs->hidden[i].dev = makedev(st.stx_dev_major, st.stx_dev_minor);
		fs->hidden[i].ino = st.stx_ino;
	}
}

int host_fs_new(int dir_fd, struct inode **ret_root)
{
	struct host_inode *root = NULL;
	struct vfs_attr attr;
	struct host_fs *fs;
	struct statx st;
	int r = io_statx_fd(dir_fd, &st);

	if (r == 0 && !S_ISDIR(st.stx_mode))
		r = -ENOTDIR;
	fs = r == 0 ? calloc(1, sizeof(*fs)) : NULL;
	if (fs) {
		fs->by_number = calloc(BUCKETS_MIN, sizeof(struct host_inode *));
		fs->bucket_count = BUCKETS_MIN;
		fs->fs.type_name = "host";
		fs->fs.statfs = host_statfs;
		fs->fs.private_data = fs;
		fs->fs.dev = makedev(st.stx_dev_major, st.stx_dev_minor);
		fs->fs.read_only = true;
		fs->euid = geteuid();
		list_init(&fs->fds);
		list_init(&fs->names);
		attr = attr_of(&st);
		root = fs->by_number ? inode_new(fs, NULL, "", 0, &attr) : NULL;
	}
	if (!root) {
		if (fs)
			free(fs->by_number);
		free(fs);
		io_close(dir_fd);
		return r < 0 ? r : -ENOMEM;
	}
	find_hidden(fs);
	root->flags = io_quick(dir_fd) ? HOST_QUICK : 0;
	root->fd = dir_fd;
	root->fd_users = 1; /* never closed before the end */
	list_push_back(&fs->fds, &root->fd_lru);
	fs->fd_count = 1;
	*ret_root = &root->inode;
	return 0;
}

#include "vfs/host/host_fs.h"

#include "vfs/host/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static void touch(struct host_fs *fs, struct host_inode *h)
{
	list_del(&h->fd_lru);
	list_push_back(&fs->fds, &h->fd_lru);
}

void fds_forget(struct host_inode *h)
{
	if (h->fd < 0)
		return;
	assert(h->fd_users == 0);
	io_close(h->fd);
	h->fd = -1;
	list_del(&h->fd_lru);
	host_fs_of(h)->fd_count--;
}

/* Close the least recently used ones that nobody is using. */
static void make_room(struct host_fs *fs)
{
	LIST_EACH_SAFE(node, &fs->fds) {
		struct host_inode *h = LIST_ENTRY(node, struct host_inode, fd_lru);

		if (fs->fd_count < HOST_FDS_MAX)
			return;
		if (h->fd_users == 0)
			fds_forget(h);
	}
}

/* Reading must leave no trace where the host lets us say so: in what is ours. */
static bool owned(const struct host_inode *h)
{
	uint32_t euid = host_fs_of(h)->euid;

	return euid == 0 || euid == h->attr.uid;
}

static int open_flags(const struct host_inode *h)
{
	int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

	if (S_ISDIR(h->inode.type))
		flags |= O_DIRECTORY;
	else if (!S_ISREG(h->inode.type))
		return flags | O_PATH;
	if (owned(h))
		flags |= O_NOATIME;
	return flags;
}

/* Is what was opened still the file whose attributes we show? */
static bool is_same(const struct host_inode *h, int fd)
{
	struct statx st;

	return io_statx_fd(fd, &st) == 0 && st.stx_ino == h->attr.ino &&
	       makedev(st.stx_dev_major, st.stx_dev_minor) == h->attr.dev;
}

static int open_at(const struct host_inode *h, int dir_fd, const char *path) MAY_YIELD
{
	int flags = open_flags(h);
	int fd = io_open(dir_fd, path, flags);

	if (fd == -EPERM && (flags & O_NOATIME))
		fd = io_open(dir_fd, path, flags & ~O_NOATIME);
	/* A directory that may be searched but not read is still good to stand on. */
	if (fd == -EACCES && S_ISDIR(h->inode.type))
		fd = io_open(dir_fd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
	if (fd >= 0 && S_ISREG(h->inode.type) && !is_same(h, fd)) {
		io_close(fd);
		return -ESTALE;
	}
	return fd;
}

/*
 * The path to `h` from the nearest directory above it that is open. If it is too
 * long for one call, `*ret_target` is a directory on the way for which it is not.
 */
static void path_from_open(struct host_inode *h, char *path, struct host_inode **ret_from,
			   struct host_inode **ret_target)
{
	struct host_inode *from = h->parent;
	struct host_inode *target = h;
	size_t len = strlen(h->name);
	char *at;

	for (; from->fd < 0; from = from->parent)
		len += strlen(from->name) + 1;
	while (len >= VFS_PATH_MAX) {
		len -= strlen(target->name) + 1;
		target = target->parent;
	}
	at = path + len;
	*at = '\0';
	for (struct host_inode *h2 = target; h2 != from; h2 = h2->parent) {
		size_t part = strlen(h2->name);

		at -= part;
		memcpy(at, h2->name, part);
		if (h2->parent != from)
			*--at = '/';
	}
	assert(at == path);
	*ret_from = from;
	*ret_target = target;
}

/* Store a descriptor that was opened for `h`; somebody may have been faster. */
static void keep(struct host_inode *h, int fd)
{
	struct host_fs *fs = host_fs_of(h);

	if (h->fd >= 0) {
		io_close(fd);
		return;
	}
	make_room(fs);
	h->fd = fd;
	list_push_back(&fs->fds, &h->fd_lru);
	fs->fd_count++;
}

/* Open `h`, and before it what stands between it and an open directory if that is far. */
static int open_inode(struct host_inode *h) MAY_YIELD
{
	struct host_inode *from, *target;
	char *path = NULL;
	int fd = -1;

	if (h->parent->fd >= 0) { /* the usual case needs no text of its own */
		h->parent->fd_users++;
		fd = open_at(h, h->parent->fd, h->name);
		h->parent->fd_users--;
		if (fd >= 0)
			keep(h, fd);
		return fd < 0 ? fd : 0;
	}
	path = malloc(VFS_PATH_MAX);
	if (!path)
		return -ENOMEM;
	do {
		path_from_open(h, path, &from, &target);
		from->fd_users++;
		fd = open_at(target, from->fd, path);
		from->fd_users--;
		if (fd < 0)
			break;
		keep(target, fd);
	} while (target != h && h->fd < 0);
	free(path);
	return fd < 0 ? fd : 0;
}

int fds_use(struct host_inode *h)
{
	while (h->fd < 0) {
		int r = open_inode(h);

		if (r < 0)
			return r;
	}
	touch(host_fs_of(h), h);
	h->fd_users++;
	return h->fd;
}

void fds_done(struct host_inode *h)
{
	assert(h->fd_users > 0);
	h->fd_users--;
}

int fds_open_listing(struct host_inode *dir, int fd)
{
	int flags = O_RDONLY | O_DIRECTORY;
	int listing = io_open(fd, ".", owned(dir) ? flags | O_NOATIME : flags);

	return listing == -EPERM ? io_open(fd, ".", flags) : listing;
}

/* SPDX-License-Identifier: MIT */
/*
 * file.c - open file descriptions: making, counting, and the calls that are the
 * same for every kind.
 *
 *   F1  a file has references while it exists.   F2  a file in the count has not been released.
 */
#include "file/inside.h"
#include "file/pipe.h"
#include "vfs/proc/proc_fs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#define FLAGS_CHANGEABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_ASYNC)
#define FLAGS_OF_OPEN_ONLY (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)

struct file_hooks file_hooks;

static struct {
	uint64_t count;
	uint64_t last_id;
	uint64_t nameless_dev; /* st_dev of what has no name */
} files;

void file_set_hooks(const struct file_hooks *hooks)
{
	file_hooks = *hooks;
}

uint64_t file_count(void)
{
	return files.count;
}

void file_fini(void)
{
	if (files.count > 0)
		fprintf(stderr, "file: %llu files are still open\n",
			(unsigned long long)files.count);
	assert(files.count == 0);
	poll_fini();
	file_hooks = (struct file_hooks){ 0 };
}

uint64_t file_new_id(void)
{
	return ++files.last_id;
}

void file_caller_now(struct file_caller *ret)
{
	*ret = (struct file_caller){ 0 };
	if (file_hooks.caller)
		file_hooks.caller(ret);
}

int file_new(const struct file_ops *ops, int flags, void *private_data, struct file **ret)
{
	struct file *f;

	if (files.count >= FILE_LIMIT)
		return -ENFILE;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->ops = ops;
	f->refs = 1;
	f->flags = flags & ~FLAGS_OF_OPEN_ONLY;
	f->private_data = private_data;
	f->id = file_new_id();
	task_lock_init(&f->position_lock);
	list_init(&f->epoll_items);
	list_init(&f->locks);
	files.count++;
	*ret = f;
	return 0;
}

int file_new_named(const struct file_ops *ops, int flags, struct dentry *d, void *private_data,
		   struct file **ret)
{
	int r = file_new(ops, flags, private_data, ret);

	if (r == 0)
		(*ret)->dentry = dentry_get(d);
	return r;
}

struct file *file_get(struct file *f)
{
	assert(f->refs > 0); /* F1 */
	f->refs++;
	return f;
}

void file_put(struct file *f)
{
	if (!f)
		return;
	assert(f->refs > 0); /* F1 */
	if (--f->refs > 0) {
		if (f->refs == f->in_flight && f->ops->socket)
			socket_collect_garbage(f);
		return;
	}
	epoll_forget(f);
	locks_forget(f);
	if (f->ops->release)
		f->ops->release(f);
	assert(list_empty(&f->locks));
	assert(files.count > 0); /* F2 */
	files.count--;
	if (f->dentry && file_writable(f) && file_inode(f)->ops->close_write)
		file_inode(f)->ops->close_write(file_inode(f));
	dentry_put(f->dentry);
	free(f);
}

struct inode *file_inode(const struct file *f)
{
	return f->dentry ? dentry_inode(f->dentry) : NULL;
}

int file_text(struct file *f, char *buf, size_t size)
{
	int length;

	if (f->ops->text)
		return f->ops->text(f, buf, size);
	if (strchr(f->ops->kind, ':'))
		length = snprintf(buf, size, "%s", f->ops->kind);
	else
		length = snprintf(buf, size, "%s:[%llu]", f->ops->kind, (unsigned long long)f->id);
	return length < (int)size ? length : (int)size - 1;
}

bool file_readable(const struct file *f)
{
	int mode = f->flags & O_ACCMODE;

	return !(f->flags & O_PATH) && (mode == O_RDONLY || mode == O_RDWR);
}

bool file_writable(const struct file *f)
{
	int mode = f->flags & O_ACCMODE;

	return !(f->flags & O_PATH) && (mode == O_WRONLY || mode == O_RDWR);
}

/* O_PATH: a name held open, nothing else. */
static const struct file_ops path_ops = { .kind = "path" };

/* /proc/PID/fd/N of a file without a name. */
static int open_descriptor(int32_t pid, int fd, int flags, struct file **ret) MAY_YIELD
{
	struct file *f = file_hooks.descriptor ? file_hooks.descriptor(pid, fd) : NULL;
	int r;

	if (!f)
		return -ENXIO;
	r = file_reopen(f, flags, ret);
	file_put(f);
	return r;
}

int file_open(struct dentry *d, int flags, struct file **ret)
{
	struct inode *inode = dentry_inode(d);
	int32_t pid;
	int fd;

	if (flags & O_PATH)
		return file_new_named(&path_ops, flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW), d,
				      NULL, ret);
	if (proc_fs_descriptor(inode, &pid, &fd))
		return open_descriptor(pid, fd, flags, ret);
	switch (inode->type) {
	case S_IFREG:
		return regular_open(d, flags, ret);
	case S_IFDIR:
		return dir_open(d, flags, ret);
	case S_IFIFO:
		return fifo_open(d, flags, ret);
	case S_IFCHR:
		return chardev_open(d, flags, ret);
	case S_IFLNK:
		return -ELOOP;
	default:
		return -ENXIO; /* sockets and block devices */
	}
}

int file_reopen(struct file *f, int flags, struct file **ret)
{
	if (f->dentry)
		return file_open(f->dentry, flags, ret);
	if (!f->ops->reopen)
		return -ENXIO;
	return f->ops->reopen(f, flags, ret);
}

static size_t transfer_size(size_t size)
{
	return size < FILE_TRANSFER_MAX ? size : FILE_TRANSFER_MAX;
}

ssize_t file_read(struct file *f, void *buf, size_t size)
{
	ssize_t r;

	if (!file_readable(f))
		return -EBADF;
	if (!f->ops->read)
		return -EINVAL;
	size = transfer_size(size);
	if (!f->ops->seek)
		return f->ops->read(f, buf, size, NULL);
	task_lock_take(&f->position_lock);
	r = f->ops->read(f, buf, size, &f->position);
	task_lock_drop(&f->position_lock);
	return r;
}

ssize_t file_write(struct file *f, const void *buf, size_t size)
{
	ssize_t r;

	if (!file_writable(f))
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	size = transfer_size(size);
	if (!f->ops->seek)
		return f->ops->write(f, buf, size, NULL);
	task_lock_take(&f->position_lock);
	r = f->ops->write(f, buf, size, &f->position);
	task_lock_drop(&f->position_lock);
	return r;
}

ssize_t file_pread(struct file *f, void *buf, size_t size, uint64_t offset)
{
	if (offset > INT64_MAX)
		return -EINVAL;
	if (!f->ops->seek && !(f->flags & O_PATH))
		return -ESPIPE;
	if (!file_readable(f))
		return -EBADF;
	if (!f->ops->read)
		return -EINVAL;
	return f->ops->read(f, buf, transfer_size(size), &offset);
}

ssize_t file_pwrite(struct file *f, const void *buf, size_t size, uint64_t offset)
{
	if (offset > INT64_MAX)
		return -EINVAL;
	if (!f->ops->seek && !(f->flags & O_PATH))
		return -ESPIPE;
	if (!file_writable(f))
		return -EBADF;
	if (!f->ops->write)
		return -EINVAL;
	return f->ops->write(f, buf, transfer_size(size), &offset);
}

int64_t file_seek(struct file *f, int64_t offset, int whence)
{
	int64_t r;

	if (f->flags & O_PATH)
		return -EBADF;
	if (!f->ops->seek)
		return -ESPIPE;
	task_lock_take(&f->position_lock);
	r = f->ops->seek(f, offset, whence);
	task_lock_drop(&f->position_lock);
	return r;
}

void file_nameless_attr(const struct file *f, uint32_t mode, struct vfs_attr *ret)
{
	struct file_caller caller;

	if (files.nameless_dev == 0)
		files.nameless_dev = vfs_new_dev();
	file_caller_now(&caller);
	*ret = (struct vfs_attr){
		.dev = files.nameless_dev,
		.ino = f->id,
		.mode = mode,
		.nlink = 1,
		.uid = caller.uid,
		.gid = caller.gid,
		.blksize = 4096,
	};
	clock_gettime(CLOCK_REALTIME_COARSE, &ret->mtime);
	ret->atime = ret->mtime;
	ret->ctime = ret->mtime;
	ret->btime = ret->mtime;
}

int file_getattr(struct file *f, struct vfs_attr *ret)
{
	struct inode *inode = file_inode(f);

	if (f->ops->getattr && !(f->flags & O_PATH))
		return f->ops->getattr(f, ret);
	if (inode)
		return vfs_getattr(inode, ret);
	/* eventfd, timerfd, epoll: the kernel's anonymous inode has no type either. */
	file_nameless_attr(f, S_IRUSR | S_IWUSR, ret);
	return 0;
}

ssize_t file_getdents(struct file *f, void *buf, size_t size)
{
	ssize_t r;

	if (f->flags & O_PATH)
		return -EBADF;
	if (!dir_is(f))
		return -ENOTDIR;
	task_lock_take(&f->position_lock);
	r = dir_getdents(f, buf, size);
	task_lock_drop(&f->position_lock);
	return r;
}

unsigned int file_poll(struct file *f, struct poll_table *pt)
{
	if (f->flags & O_PATH)
		return POLLNVAL;
	if (!f->ops->poll)
		return FILE_READY_IN | FILE_READY_OUT;
	return f->ops->poll(f, pt);
}

int file_set_flags(struct file *f, int flags)
{
	int changed = (f->flags & ~FLAGS_CHANGEABLE) | (flags & FLAGS_CHANGEABLE);
	int r = 0;

	if (f->flags & O_PATH)
		return -EBADF;
	if (f->ops->set_flags)
		r = f->ops->set_flags(f, changed);
	if (r == 0)
		f->flags = changed;
	return r;
}

int file_ioctl(struct file *f, unsigned int cmd, void *arg, uint64_t number)
{
	if (f->flags & O_PATH)
		return -EBADF;
	if (cmd == FIONBIO) {
		int on;

		memcpy(&on, arg, sizeof(on));
		return file_set_flags(f, on ? f->flags | O_NONBLOCK : f->flags & ~O_NONBLOCK);
	}
	if (!f->ops->ioctl)
		return -ENOTTY;
	return f->ops->ioctl(f, cmd, arg, number);
}

int file_sync(struct file *f, bool data_only)
{
	struct inode *inode = file_inode(f);

	if (f->flags & O_PATH)
		return -EBADF;
	if (f->ops->sync)
		return f->ops->sync(f, data_only);
	if (!inode || (inode->type != S_IFREG && inode->type != S_IFDIR))
		return -EINVAL;
	return vfs_sync(inode, data_only);
}

int file_truncate(struct file *f, const struct vfs_cred *cred, uint64_t size)
{
	struct inode *inode = file_inode(f);

	if (f->flags & O_PATH)
		return -EBADF;
	if (size > INT64_MAX || !file_writable(f))
		return -EINVAL;
	if (f->ops->truncate)
		return f->ops->truncate(f, size);
	if (!inode || inode->type != S_IFREG)
		return -EINVAL;
	return vfs_truncate(cred, inode, size, true);
}

int file_fallocate(struct file *f, int mode, uint64_t offset, uint64_t size)
{
	struct inode *inode = file_inode(f);

	if (offset > INT64_MAX || size == 0 || size > INT64_MAX)
		return -EINVAL;
	if (!file_writable(f))
		return -EBADF;
	if (f->ops == &pipe_ops)
		return -ESPIPE;
	if (!inode || inode->type != S_IFREG)
		return -ENODEV; /* a directory is never open for writing */
	if (offset > INT64_MAX - size)
		return -EFBIG;
	return vfs_fallocate(inode, mode, offset, size);
}

int file_map(struct file *f, bool for_write, struct vfs_mapping *ret)
{
	struct inode *inode = file_inode(f);

	if (f->flags & O_PATH)
		return -EBADF;
	if (!file_readable(f) || (for_write && !file_writable(f)))
		return -EACCES;
	if (f->ops->map)
		return f->ops->map(f, for_write, ret);
	if (!inode || inode->type != S_IFREG)
		return -ENODEV;
	return vfs_map(inode, for_write, ret);
}

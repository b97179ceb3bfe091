/* SPDX-License-Identifier: MIT */
/*
 * host_file.c - the descriptors of the host that the program starts with: what
 * they are, and those that never block (regular files, /dev/null).
 *
 * The host's description is shared with whoever started us. Its position moves as
 * the program reads and writes, as it would without us; its flags are never touched.
 */
#include "file/host_end.h"

#include "device/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#define MAJOR_MEMORY 1u /* /dev/null and its kin */

static struct list terminals = LIST_INIT(terminals);

static uint64_t word(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

static struct timespec time_of(struct statx_timestamp t)
{
	return (struct timespec){ t.tv_sec, t.tv_nsec };
}

static int host_attr(const struct host_end *end, struct vfs_attr *ret)
{
	struct statx sx;
	int r = host_statx(end->fd, STATX_BASIC_STATS | STATX_BTIME, &sx);

	if (r < 0)
		return r;
	*ret = (struct vfs_attr){
		.dev = makedev(sx.stx_dev_major, sx.stx_dev_minor),
		.ino = sx.stx_ino,
		.rdev = makedev(sx.stx_rdev_major, sx.stx_rdev_minor),
		.size = sx.stx_size,
		.blocks = sx.stx_blocks,
		.mode = sx.stx_mode,
		.nlink = sx.stx_nlink,
		.uid = sx.stx_uid,
		.gid = sx.stx_gid,
		.blksize = sx.stx_blksize,
		.atime = time_of(sx.stx_atime),
		.mtime = time_of(sx.stx_mtime),
		.ctime = time_of(sx.stx_ctime),
		.btime = time_of(sx.stx_btime),
	};
	return 0;
}

static bool is_quick(struct host_end *end) MAY_YIELD
{
	if (!end->quick_known) {
		end->quick = host_is_quick(end->fd);
		end->quick_known = true;
	}
	return end->quick;
}

static int64_t call_plain(struct host_end *end, uint32_t num, const uint64_t arg[6]) MAY_YIELD
{
	return is_quick(end) ? host_call_brief(num, arg) : host_call(num, arg);
}

/* The file's own position is the host's; another one is pread(2)'s. */
static ssize_t plain_read(struct file *f, void *buf, size_t size, uint64_t *offset) MAY_YIELD
{
	struct host_end *end = host_end_of(f);
	const uint64_t arg[6] = { (uint64_t)end->fd, word(buf), size, *offset };

	return call_plain(end, offset == &f->position ? SYS_read : SYS_pread64, arg);
}

static ssize_t plain_write(struct file *f, const void *buf, size_t size, uint64_t *offset) MAY_YIELD
{
	struct host_end *end = host_end_of(f);
	const uint64_t arg[6] = { (uint64_t)end->fd, word(buf), size, *offset };

	return call_plain(end, offset == &f->position ? SYS_write : SYS_pwrite64, arg);
}

static int64_t plain_seek(struct file *f, int64_t offset, int whence) MAY_YIELD
{
	struct host_end *end = host_end_of(f);
	const uint64_t arg[6] = { (uint64_t)end->fd, (uint64_t)offset, (uint64_t)whence };

	return call_plain(end, SYS_lseek, arg);
}

static int plain_sync(struct file *f, bool data_only) MAY_YIELD
{
	const uint64_t arg[6] = { (uint64_t)host_end_of(f)->fd };

	return (int)host_call(data_only ? SYS_fdatasync : SYS_fsync, arg);
}

static int plain_truncate(struct file *f, uint64_t size) MAY_YIELD
{
	struct host_end *end = host_end_of(f);

	return (int)call_plain(end, SYS_ftruncate, (uint64_t[6]){ (uint64_t)end->fd, size });
}

static int plain_ioctl(struct file *f, unsigned int cmd, void *arg, uint64_t number)
{
	int left;

	(void)number;
	if (cmd != FIONREAD || ioctl(host_end_of(f)->fd, FIONREAD, &left) < 0)
		return -ENOTTY;
	memcpy(arg, &left, sizeof(left));
	return 0;
}

/* O_APPEND is the description's, which we do not change. */
static int plain_set_flags(struct file *f, int flags)
{
	return (f->flags ^ flags) & O_APPEND ? -EPERM : 0;
}

static int plain_map(struct file *f, bool for_write, struct vfs_mapping *ret)
{
	const struct host_end *end = host_end_of(f);
	struct vfs_attr attr;
	int r = host_attr(end, &attr);

	if (r < 0)
		return r;
	if (!S_ISREG(attr.mode))
		return -ENODEV;
	if (for_write && end->mode != O_RDWR)
		return -EACCES;
	*ret = (struct vfs_mapping){
		.host_fd = end->fd,
		.writable = end->mode == O_RDWR,
		.version = end->version,
		.file_size = attr.size,
	};
	return 0;
}

const struct file_ops host_plain_ops = {
	.read = plain_read,
	.write = plain_write,
	.ioctl = plain_ioctl,
	.seek = plain_seek,
	.getattr = host_end_getattr,
	.set_flags = plain_set_flags,
	.map = plain_map,
	.sync = plain_sync,
	.truncate = plain_truncate,
	.reopen = host_end_reopen,
	.text = host_end_text,
	.release = host_end_release,
	.kind = "host",
};

/* What has a name inside must answer as stat() of that name does: ttyname(3) compares. */
int host_end_getattr(struct file *f, struct vfs_attr *ret)
{
	return f->dentry ? vfs_getattr(file_inode(f), ret) : host_attr(host_end_of(f), ret);
}

/* Where the host shows the descriptor: opening that makes a description of our own. */
static void host_path(int fd, char path[32])
{
	snprintf(path, 32, "/proc/self/fd/%d", fd);
}

int host_end_text(struct file *f, char *buf, size_t size)
{
	char path[32];
	ssize_t length;

	host_path(host_end_of(f)->fd, path);
	length = readlink(path, buf, size - 1);
	if (length < 0)
		return -errno;
	buf[length] = '\0';
	return (int)length;
}

static void end_free(struct host_end *end)
{
	list_del(&end->in_terminals);
	dentry_put(end->dentry);
	host_close(end->fd);
	free(end);
}

void host_end_release(struct file *f)
{
	struct host_end *end = host_end_of(f);

	if (--end->refs > 0)
		return;
	assert(poll_queue_empty(&end->changed));
	if (end->watched)
		hostwait_remove(&end->wait);
	end_free(end);
}

static enum host_kind kind_of(int fd, const struct stat *st)
{
	struct termios settings;

	if (S_ISSOCK(st->st_mode))
		return HOST_SOCKET;
	if (S_ISFIFO(st->st_mode))
		return HOST_STREAM;
	if (!S_ISCHR(st->st_mode) || major(st->st_rdev) == MAJOR_MEMORY)
		return HOST_PLAIN;
	return ioctl(fd, TCGETS, &settings) == 0 ? HOST_TERMINAL : HOST_STREAM;
}

/*
 * A pipe or terminal opened again gives a description that is ours alone: it can
 * be O_NONBLOCK, so that no call on it ever blocks our thread, whoever else reads
 * there. It is asked for the very rights that the descriptor has. A socket cannot
 * be opened so, and a terminal of another user may not: then *fd stays what it is.
 */
static bool own_description(int *fd, int mode)
{
	char path[32];
	int own;

	host_path(*fd, path);
	own = open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return false;
	close(*fd);
	*fd = own;
	return true;
}

/* NULL: see errno. */
static struct host_end *end_new(int fd)
{
	struct host_end *end;
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fstat(fd, &st) < 0)
		return NULL;
	end = calloc(1, sizeof(*end));
	if (!end)
		return NULL;
	end->kind = kind_of(fd, &st);
	end->mode = flags & O_ACCMODE;
	if (end->kind == HOST_TERMINAL || end->kind == HOST_STREAM)
		end->never_blocks = own_description(&fd, end->mode);
	end->fd = fd;
	list_init(&end->in_terminals);
	if (end->kind == HOST_TERMINAL) {
		end->rdev = st.st_rdev;
		list_push_back(&terminals, &end->in_terminals);
	}
	/* Not a number that a file system gives: mapping versions start at 1 there. */
	end->version = UINT64_MAX - file_new_id();
	poll_queue_init(&end->changed);
	return end;
}

/* A file more on this end. */
static int file_on(struct host_end *end, int flags, struct file **ret)
{
	const struct file_ops *ops = end->kind == HOST_PLAIN ? &host_plain_ops : &host_stream_ops;
	int r = file_new(ops, flags, end, ret);

	if (r < 0)
		return r;
	end->refs++;
	if (end->dentry)
		(*ret)->dentry = dentry_get(end->dentry);
	return r;
}

int host_file_new(int host_fd, int flags, struct file **ret)
{
	struct host_end *end = end_new(host_fd);
	int r = -errno;

	if (!end) {
		host_close(host_fd);
		return r;
	}
	r = file_on(end, (flags & ~O_ACCMODE) | end->mode, ret);
	if (r < 0)
		end_free(end);
	return r;
}

static bool mode_allows(int mode, int wanted)
{
	return mode == O_RDWR || mode == wanted;
}

/* A regular file gets a position of its own, as it would on the host. */
static int reopen_regular(struct file *f, int flags, struct file **ret) MAY_YIELD
{
	char path[32];
	int fd;

	host_path(host_end_of(f)->fd, path);
	fd = host_openat(AT_FDCWD, path, flags & (O_ACCMODE | O_APPEND | O_TRUNC), 0);
	return fd < 0 ? fd : host_file_new(fd, flags, ret);
}

/* Never more rights than the program was given with the descriptor. */
int host_end_reopen(struct file *f, int flags, struct file **ret)
{
	struct host_end *end = host_end_of(f);
	struct vfs_attr attr;
	int r;

	if (!mode_allows(end->mode, flags & O_ACCMODE))
		return -EACCES;
	if ((flags & O_TRUNC) && !mode_allows(end->mode, O_WRONLY))
		return -EACCES;
	if (end->kind == HOST_SOCKET)
		return -ENXIO;
	r = host_attr(end, &attr);
	if (r == 0 && end->kind == HOST_PLAIN && S_ISREG(attr.mode))
		return reopen_regular(f, flags, ret);
	return r < 0 ? r : file_on(end, flags, ret);
}

int host_terminal_open(uint64_t rdev, int flags, struct file **ret)
{
	LIST_EACH(node, &terminals) {
		struct host_end *end = LIST_ENTRY(node, struct host_end, in_terminals);

		if (end->rdev == rdev && mode_allows(end->mode, flags & O_ACCMODE))
			return file_on(end, flags, ret);
	}
	return -ENXIO;
}

void host_file_set_name(struct file *f, struct dentry *d)
{
	struct host_end *end = host_end_of(f);

	assert(host_file_is_terminal(f));
	assert(!f->dentry && !end->dentry);
	end->dentry = dentry_get(d);
	f->dentry = dentry_get(d);
}

bool host_file_is_terminal(const struct file *f)
{
	return f->ops == &host_stream_ops && host_end_of(f)->kind == HOST_TERMINAL;
}

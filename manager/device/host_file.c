/*
 * host_file.c - the calls about files, each in the form that suits it best.
 */
#include "device/host.h"
#include "device/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#define KNOWN_MAX 64u /* file systems whose speed is remembered; the oldest is forgotten */
#define XFS_MAGIC 0x58465342
#define ZFS_MAGIC 0x2fc12fc1

static struct {
	uint64_t dev;
	bool quick;
} known[KNOWN_MAX];
static unsigned int known_count;

static uint64_t word(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

/* A file system not listed is taken for one that may ask a server. */
static bool magic_is_quick(uint32_t magic)
{
	static const uint32_t quick[] = {
		BTRFS_SUPER_MAGIC,
		CRAMFS_MAGIC,
		EROFS_SUPER_MAGIC_V1,
		EXT4_SUPER_MAGIC,
		F2FS_SUPER_MAGIC,
		ISOFS_SUPER_MAGIC,
		MSDOS_SUPER_MAGIC,
		OVERLAYFS_SUPER_MAGIC,
		PROC_SUPER_MAGIC,
		RAMFS_MAGIC,
		SQUASHFS_MAGIC,
		SYSFS_MAGIC,
		TMPFS_MAGIC,
		XFS_MAGIC,
		ZFS_MAGIC,
	};

	for (size_t i = 0; i < ARRAY_COUNT(quick); i++)
		if (magic == quick[i])
			return true;
	return false;
}

bool host_is_quick(int fd)
{
	struct statx attributes;
	struct statfs fs;
	bool quick;
	uint64_t dev;

	if (host_statx(fd, 0, &attributes) < 0)
		return false;
	dev = makedev(attributes.stx_dev_major, attributes.stx_dev_minor);
	for (unsigned int i = 0; i < known_count && i < KNOWN_MAX; i++)
		if (known[i].dev == dev)
			return known[i].quick;
	if (host_call(SYS_fstatfs, (uint64_t[6]){ (uint64_t)fd, word(&fs) }) < 0)
		return false;
	quick = magic_is_quick((uint32_t)fs.f_type);
	/* Another task may have asked at the same time: then it stands there twice. */
	known[known_count % KNOWN_MAX].dev = dev;
	known[known_count % KNOWN_MAX].quick = quick;
	known_count++;
	return quick;
}

static struct open_how how_to_open(int flags, uint64_t resolve)
{
	unsigned int added = flags & O_PATH ? O_CLOEXEC : O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

	return (struct open_how){ .flags = (uint32_t)flags | added, .resolve = resolve };
}

int host_openat_cached(int dir_fd, const char *path, int flags, uint64_t resolve)
{
	const struct open_how how = how_to_open(flags, resolve | RESOLVE_CACHED);

	return (int)host_call_now(SYS_openat2, (uint64_t[6]){ (uint64_t)dir_fd, word(path),
							      word(&how), sizeof(how) });
}

int host_openat(int dir_fd, const char *path, int flags, uint64_t resolve)
{
	const struct open_how how = how_to_open(flags, resolve);
	int r = host_openat_cached(dir_fd, path, flags, resolve);

	if (r != -EAGAIN && r != -EINTR)
		return r;
	return (int)host_call(SYS_openat2, (uint64_t[6]){ (uint64_t)dir_fd, word(path), word(&how),
							  sizeof(how) });
}

void host_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* What the host has in memory: bytes, 0 at the end, -EAGAIN, or -EOPNOTSUPP: it cannot tell. */
static ssize_t read_cached(int fd, void *buf, size_t size, uint64_t offset)
{
	const struct iovec part = { .iov_base = buf, .iov_len = size };
	ssize_t r = preadv2(fd, &part, 1, (off_t)offset, RWF_NOWAIT);

	return r < 0 ? -errno : r;
}

static ssize_t read_uncached(int fd, const uint64_t arg[6], bool can_tell) MAY_YIELD
{
	/* Memory file systems cannot tell, but are quick. */
	if (host_is_quick(fd) && (!can_tell || host_alone()))
		return host_call_brief(SYS_pread64, arg);
	return host_call(SYS_pread64, arg);
}

ssize_t host_pread(int fd, void *buf, size_t size, uint64_t offset)
{
	bool can_tell = true;
	size_t done = 0;

	if (offset > INT64_MAX)
		return -EINVAL;
	while (done < size) {
		char *to = (char *)buf + done;
		uint64_t arg[6] = { (uint64_t)fd, word(to), size - done, offset + done };
		ssize_t r = can_tell ? read_cached(fd, to, size - done, offset + done) : -EAGAIN;

		if (r == -EOPNOTSUPP)
			can_tell = false;
		if (r == -EAGAIN || r == -EOPNOTSUPP || r == -EINTR)
			r = read_uncached(fd, arg, can_tell);
		if (r < 0)
			return done > 0 ? (ssize_t)done : r;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

ssize_t host_pwrite(int fd, const void *buf, size_t size, uint64_t offset)
{
	bool quick = host_is_quick(fd);
	size_t done = 0;

	if (offset > INT64_MAX)
		return -EINVAL;
	while (done < size) {
		const char *from = (const char *)buf + done;
		uint64_t arg[6] = { (uint64_t)fd, word(from), size - done, offset + done };
		int64_t r = quick ? host_call_brief(SYS_pwrite64, arg)
				  : host_call(SYS_pwrite64, arg);

		if (r < 0)
			return done > 0 ? (ssize_t)done : r;
		if (r == 0)
			break;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

int host_statx(int fd, unsigned int mask, struct statx *ret_attributes)
{
	const uint64_t arg[6] = { (uint64_t)fd, word(""), AT_EMPTY_PATH | AT_STATX_DONT_SYNC, mask,
				  word(ret_attributes) };
	int64_t r;

	do
		r = host_call_now(SYS_statx, arg);
	while (r == -EINTR);
	return (int)r;
}

static int64_t call_quick(bool quick, uint32_t num, const uint64_t arg[6]) MAY_YIELD
{
	return quick ? host_call_brief(num, arg) : host_call(num, arg);
}

int host_statx_at(int dir_fd, const char *name, int flags, unsigned int mask, bool quick,
		  struct statx *ret_attributes)
{
	const uint64_t arg[6] = { (uint64_t)dir_fd, word(name), (uint64_t)flags, mask,
				  word(ret_attributes) };

	return (int)call_quick(quick, SYS_statx, arg);
}

ssize_t host_readlinkat(int dir_fd, const char *name, bool quick, char *buf, size_t size)
{
	const uint64_t arg[6] = { (uint64_t)dir_fd, word(name), word(buf), size };

	return call_quick(quick, SYS_readlinkat, arg);
}

ssize_t host_getdents(int fd, bool quick, void *buf, size_t size)
{
	const uint64_t arg[6] = { (uint64_t)fd, word(buf), size };

	return call_quick(quick, SYS_getdents64, arg);
}

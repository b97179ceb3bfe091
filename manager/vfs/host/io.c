#include "vfs/host/io.h"

#include "device/host.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

static uint64_t calls;

uint64_t io_calls(void)
{
	return calls;
}

bool io_quick(int fd)
{
	return host_is_quick(fd);
}

int io_open(int dir_fd, const char *path, int flags)
{
	calls++;
	return host_openat(dir_fd, path, flags, 0);
}

int io_statx(int dir_fd, const char *path, bool quick, struct statx *ret)
{
	calls++;
	return host_statx_at(dir_fd, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
			     STATX_BASIC_STATS | STATX_BTIME, quick, ret);
}

int io_statx_fd(int fd, struct statx *ret)
{
	calls++;
	return host_statx(fd, STATX_BASIC_STATS | STATX_BTIME, ret);
}

ssize_t io_getdents(int fd, bool quick, void *buf, size_t size)
{
	calls++;
	return host_getdents(fd, quick, buf, size);
}

ssize_t io_readlink(int dir_fd, const char *path, bool quick, char *buf, size_t size)
{
	calls++;
	return host_readlinkat(dir_fd, path, quick, buf, size);
}

ssize_t io_pread(int fd, void *buf, size_t size, uint64_t offset)
{
	calls++;
	return host_pread(fd, buf, size, offset);
}

int io_fs_type(int fd, bool quick, uint64_t *ret)
{
	struct statfs st;
	uint64_t arg[6] = { (uint64_t)fd, (uintptr_t)&st };
	int64_t r;

	calls++;
	/* A server (network, FUSE) is asked, and may take its time. */
	r = quick ? host_call_now(SYS_fstatfs, arg) : host_call(SYS_fstatfs, arg);
	if (r == 0)
		*ret = (uint64_t)st.f_type;
	return (int)r;
}

int64_t io_seek(int fd, uint64_t offset, int whence)
{
	uint64_t arg[6] = { (uint64_t)fd, offset, (uint64_t)whence };

	calls++;
	return host_call_brief(SYS_lseek, arg); /* SEEK_DATA may read the disk's map */
}

void io_close(int fd)
{
	host_close(fd);
}

#ifndef VFS_HOST_IO_H
#define VFS_HOST_IO_H
/*
 * io.h - the calls that the host file system makes of the host: the only place in
 * vfs/ that knows how they travel, and where they are counted. Layer: vfs/host.
 *
 * `quick`: what io_quick() said of the file system that the name is in.
 *
 * Errors   -errno of the host's call.
 * Thread   scheduler thread only; others run while a call is under way.
 *
 * Way down: io_* -> device/host.h.
 */
#include "base/cc.h"

#include <stdint.h>
#include <sys/types.h>

struct statx;

/* Does the file system answer at once, from caches and disk? (device/host.h) */
bool io_quick(int fd) MAY_YIELD;
/* The new descriptor, closed on exec. */
MUST_USE int io_open(int dir_fd, const char *path, int flags) MAY_YIELD;
/* Does not follow a final link, does not mount anything. */
MUST_USE int io_statx(int dir_fd, const char *path, bool quick, struct statx *ret) MAY_YIELD;
MUST_USE int io_statx_fd(int fd, struct statx *ret);
MUST_USE ssize_t io_getdents(int fd, bool quick, void *buf, size_t size) MAY_YIELD;
MUST_USE ssize_t io_readlink(int dir_fd, const char *path, bool quick, char *buf, size_t size)
	MAY_YIELD;
MUST_USE ssize_t io_pread(int fd, void *buf, size_t size, uint64_t offset) MAY_YIELD;
MUST_USE int io_fs_type(int fd, bool quick, uint64_t *ret) MAY_YIELD;
MUST_USE int64_t io_seek(int fd, uint64_t offset, int whence) MAY_YIELD;
void io_close(int fd);

/* Calls made so far; tests count with it. */
uint64_t io_calls(void);

#endif /* VFS_HOST_IO_H */

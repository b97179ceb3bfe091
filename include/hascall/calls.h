/* SPDX-License-Identifier: MIT */
#ifndef HASCALL_CALLS_H
#define HASCALL_CALLS_H
/*
 * calls.h - a typed function for each common call, for hascall_submit().
 *
 * hascall_call_NAME() has the arguments of the system call NAME and returns a struct
 * hascall_call; nothing is executed. hascall_call_raw() does so for every number.
 * Results are the kernel's, -errno included: hascall_call_mmap()'s is an address.
 *
 *	struct hascall_call calls[] = {
 *		hascall_call_open(path, O_RDONLY, 0),
 *		hascall_call_read(0, buffer, size),
 *		hascall_call_close(0),
 *	};
 *	hascall_chain_all(calls, 3);
 *	hascall_from(&calls[1], 0, 1); // its argument 0: the result of the call before
 *	hascall_from(&calls[2], 0, 2); // and here of the one before that
 *	hascall_always(&calls[2]);     // close, whatever the read gave
 *	r = hascall_submit(h, calls, 3, 0, NULL);
 *
 * Owner    memory behind pointers is the caller's and stays valid until the call is
 *          completed; what the kernel writes is there then.
 * Thread   any: these functions touch nothing but their arguments.
 *
 * This header needs no other: types of other headers are only named here, and
 * constants (O_RDONLY, ...) come from where they always come from. C11 and C++11.
 */
#include <stddef.h>
#include <stdint.h>

#include <linux/futex.h>
#include <sys/syscall.h>

#include <hascall/hascall.h>

struct epoll_event;
struct iovec;
struct msghdr;
struct open_how;
struct pollfd;
struct rusage;
struct sockaddr;
struct stat;
struct statfs;
struct statx;
struct timespec;

/* Arguments as the kernel gets them. */

static inline uint64_t hascall_arg_int(int64_t value)
{
#ifdef __cplusplus
	return static_cast<uint64_t>(value);
#else
	return (uint64_t)value;
#endif
}

static inline uint64_t hascall_arg_pointer(const volatile void *pointer)
{
#ifdef __cplusplus
	return reinterpret_cast<uintptr_t>(pointer);
#else
	return (uintptr_t)pointer;
#endif
}

/* hascall_call_raw() in two halves. */

static inline struct hascall_call hascall_call_begin(uint32_t num, uint64_t a0, uint64_t a1,
						     uint64_t a2)
{
	struct hascall_call call = { num, 0, { a0, a1, a2, 0, 0, 0 }, 0,
				     0,	  0, { 0, 0, 0, 0, 0, 0 },    0 };

	return call;
}

static inline struct hascall_call hascall_call_end(struct hascall_call call, uint64_t a3,
						   uint64_t a4, uint64_t a5)
{
	call.arg[3] = a3;
	call.arg[4] = a4;
	call.arg[5] = a5;
	return call;
}

/* Any call: its number (SYS_...) and six arguments; those it does not have are 0. */
#define hascall_call_raw(num, a0, a1, a2, a3, a4, a5) \
	hascall_call_end(hascall_call_begin(num, a0, a1, a2), a3, a4, a5)

/*
 * What else a call may have; see struct hascall_call. Each returns its first
 * argument. They check nothing: hascall_submit() does.
 */

/* The call after this one in the array waits for its success. */
static inline struct hascall_call *hascall_chain(struct hascall_call *call)
{
	call->flags |= HASCALL_CHAIN;
	return call;
}

/* calls[0] to calls[count - 1] are one chain. */
static inline struct hascall_call *hascall_chain_all(struct hascall_call *calls, uint32_t count)
{
	for (uint32_t i = 0; i + 1 < count; i++)
		calls[i].flags |= HASCALL_CHAIN;
	return calls;
}

/* It begins although the call before it failed. */
static inline struct hascall_call *hascall_always(struct hascall_call *call)
{
	call->flags |= HASCALL_ALWAYS;
	return call;
}

/*
 * Argument 0 to 5 is the result of the call that many places before in the chain. What
 * cannot be so becomes a `from` that hascall_submit() refuses with -EINVAL.
 */
static inline struct hascall_call *hascall_from(struct hascall_call *call, unsigned int argument,
						unsigned int places)
{
	if (argument > 5 || places > UINT8_MAX) {
		argument = 0;
		places = UINT8_MAX;
	}
	call->from[argument] = places & UINT8_MAX;
	return call;
}

/* Comes back with the result in hascall_reap(). */
static inline struct hascall_call *hascall_user_data(struct hascall_call *call, uint64_t user_data)
{
	call->user_data = user_data;
	return call;
}

/* For hascall_wait_all() and hascall_cancel_all(). */
static inline struct hascall_call *hascall_group(struct hascall_call *call, uint32_t group)
{
	call->group = group;
	return call;
}

/* Cancelled when that long has passed since it was submitted; 0: never. */
static inline struct hascall_call *hascall_timeout(struct hascall_call *call, uint64_t timeout_ns)
{
	call->timeout_ns = timeout_ns;
	return call;
}

/* Opening and closing. */

static inline struct hascall_call hascall_call_open(const char *path, int flags, unsigned int mode)
{
	return hascall_call_raw(SYS_openat, hascall_arg_int(-100 /* AT_FDCWD */),
				hascall_arg_pointer(path), hascall_arg_int(flags), mode, 0, 0);
}

static inline struct hascall_call hascall_call_openat(int dir, const char *path, int flags,
						      unsigned int mode)
{
	return hascall_call_raw(SYS_openat, hascall_arg_int(dir), hascall_arg_pointer(path),
				hascall_arg_int(flags), mode, 0, 0);
}

static inline struct hascall_call hascall_call_openat2(int dir, const char *path,
						       const struct open_how *how, size_t how_size)
{
	return hascall_call_raw(SYS_openat2, hascall_arg_int(dir), hascall_arg_pointer(path),
				hascall_arg_pointer(how), how_size, 0, 0);
}

static inline struct hascall_call hascall_call_close(int fd)
{
	return hascall_call_raw(SYS_close, hascall_arg_int(fd), 0, 0, 0, 0, 0);
}

static inline struct hascall_call hascall_call_memfd_create(const char *name, unsigned int flags)
{
	return hascall_call_raw(SYS_memfd_create, hascall_arg_pointer(name), flags, 0, 0, 0, 0);
}

static inline struct hascall_call hascall_call_pipe2(int *fds, int flags)
{
	return hascall_call_raw(SYS_pipe2, hascall_arg_pointer(fds), hascall_arg_int(flags), 0, 0,
				0, 0);
}

/* Reading and writing. */

static inline struct hascall_call hascall_call_read(int fd, void *buffer, size_t size)
{
	return hascall_call_raw(SYS_read, hascall_arg_int(fd), hascall_arg_pointer(buffer), size, 0,
				0, 0);
}

static inline struct hascall_call hascall_call_write(int fd, const void *buffer, size_t size)
{
	return hascall_call_raw(SYS_write, hascall_arg_int(fd), hascall_arg_pointer(buffer), size,
				0, 0, 0);
}

static inline struct hascall_call hascall_call_pread(int fd, void *buffer, size_t size,
						     int64_t offset)
{
	return hascall_call_raw(SYS_pread64, hascall_arg_int(fd), hascall_arg_pointer(buffer), size,
				hascall_arg_int(offset), 0, 0);
}

static inline struct hascall_call hascall_call_pwrite(int fd, const void *buffer, size_t size,
						      int64_t offset)
{
	return hascall_call_raw(SYS_pwrite64, hascall_arg_int(fd), hascall_arg_pointer(buffer),
				size, hascall_arg_int(offset), 0, 0);
}

static inline struct hascall_call hascall_call_readv(int fd, const struct iovec *vector, int count)
{
	return hascall_call_raw(SYS_readv, hascall_arg_int(fd), hascall_arg_pointer(vector),
				hascall_arg_int(count), 0, 0, 0);
}

static inline struct hascall_call hascall_call_writev(int fd, const struct iovec *vector, int count)
{
	return hascall_call_raw(SYS_writev, hascall_arg_int(fd), hascall_arg_pointer(vector),
				hascall_arg_int(count), 0, 0, 0);
}

static inline struct hascall_call hascall_call_preadv(int fd, const struct iovec *vector, int count,
						      int64_t offset)
{
	return hascall_call_raw(SYS_preadv, hascall_arg_int(fd), hascall_arg_pointer(vector),
				hascall_arg_int(count), hascall_arg_int(offset), 0, 0);
}

static inline struct hascall_call hascall_call_pwritev(int fd, const struct iovec *vector,
						       int count, int64_t offset)
{
	return hascall_call_raw(SYS_pwritev, hascall_arg_int(fd), hascall_arg_pointer(vector),
				hascall_arg_int(count), hascall_arg_int(offset), 0, 0);
}

static inline struct hascall_call hascall_call_preadv2(int fd, const struct iovec *vector,
						       int count, int64_t offset, int flags)
{
	return hascall_call_raw(SYS_preadv2, hascall_arg_int(fd), hascall_arg_pointer(vector),
				hascall_arg_int(count), hascall_arg_int(offset), 0,
				hascall_arg_int(flags));
}

static inline struct hascall_call hascall_call_pwritev2(int fd, const struct iovec *vector,
							int count, int64_t offset, int flags)
{
	return hascall_call_raw(SYS_pwritev2, hascall_arg_int(fd), hascall_arg_pointer(vector),
				hascall_arg_int(count), hascall_arg_int(offset), 0,
				hascall_arg_int(flags));
}

static inline struct hascall_call hascall_call_lseek(int fd, int64_t offset, int whence)
{
	return hascall_call_raw(SYS_lseek, hascall_arg_int(fd), hascall_arg_int(offset),
				hascall_arg_int(whence), 0, 0, 0);
}

static inline struct hascall_call hascall_call_copy_file_range(int from, int64_t *from_offset,
							       int to, int64_t *to_offset,
							       size_t size, unsigned int flags)
{
	return hascall_call_raw(SYS_copy_file_range, hascall_arg_int(from),
				hascall_arg_pointer(from_offset), hascall_arg_int(to),
				hascall_arg_pointer(to_offset), size, flags);
}

static inline struct hascall_call hascall_call_sendfile(int to, int from, int64_t *from_offset,
							size_t size)
{
	return hascall_call_raw(SYS_sendfile, hascall_arg_int(to), hascall_arg_int(from),
				hascall_arg_pointer(from_offset), size, 0, 0);
}

static inline struct hascall_call hascall_call_splice(int from, int64_t *from_offset, int to,
						      int64_t *to_offset, size_t size,
						      unsigned int flags)
{
	return hascall_call_raw(SYS_splice, hascall_arg_int(from), hascall_arg_pointer(from_offset),
				hascall_arg_int(to), hascall_arg_pointer(to_offset), size, flags);
}

static inline struct hascall_call hascall_call_readahead(int fd, int64_t offset, size_t size)
{
	return hascall_call_raw(SYS_readahead, hascall_arg_int(fd), hascall_arg_int(offset), size,
				0, 0, 0);
}

static inline struct hascall_call hascall_call_fadvise64(int fd, int64_t offset, int64_t size,
							 int advice)
{
	return hascall_call_raw(SYS_fadvise64, hascall_arg_int(fd), hascall_arg_int(offset),
				hascall_arg_int(size), hascall_arg_int(advice), 0, 0);
}

/* Size and storage. */

static inline struct hascall_call hascall_call_fsync(int fd)
{
	return hascall_call_raw(SYS_fsync, hascall_arg_int(fd), 0, 0, 0, 0, 0);
}

static inline struct hascall_call hascall_call_fdatasync(int fd)
{
	return hascall_call_raw(SYS_fdatasync, hascall_arg_int(fd), 0, 0, 0, 0, 0);
}

static inline struct hascall_call hascall_call_sync_file_range(int fd, int64_t offset, int64_t size,
							       unsigned int flags)
{
	return hascall_call_raw(SYS_sync_file_range, hascall_arg_int(fd), hascall_arg_int(offset),
				hascall_arg_int(size), flags, 0, 0);
}

static inline struct hascall_call hascall_call_syncfs(int fd)
{
	return hascall_call_raw(SYS_syncfs, hascall_arg_int(fd), 0, 0, 0, 0, 0);
}

static inline struct hascall_call hascall_call_truncate(const char *path, int64_t size)
{
	return hascall_call_raw(SYS_truncate, hascall_arg_pointer(path), hascall_arg_int(size), 0,
				0, 0, 0);
}

static inline struct hascall_call hascall_call_ftruncate(int fd, int64_t size)
{
	return hascall_call_raw(SYS_ftruncate, hascall_arg_int(fd), hascall_arg_int(size), 0, 0, 0,
				0);
}

static inline struct hascall_call hascall_call_fallocate(int fd, int mode, int64_t offset,
							 int64_t size)
{
	return hascall_call_raw(SYS_fallocate, hascall_arg_int(fd), hascall_arg_int(mode),
				hascall_arg_int(offset), hascall_arg_int(size), 0, 0);
}

static inline struct hascall_call hascall_call_flock(int fd, int operation)
{
	return hascall_call_raw(SYS_flock, hascall_arg_int(fd), hascall_arg_int(operation), 0, 0, 0,
				0);
}

/* What is known of a file. struct stat and struct statfs are those of the C library. */

static inline struct hascall_call hascall_call_fstat(int fd, struct stat *buffer)
{
	return hascall_call_raw(SYS_fstat, hascall_arg_int(fd), hascall_arg_pointer(buffer), 0, 0,
				0, 0);
}

static inline struct hascall_call hascall_call_newfstatat(int dir, const char *path,
							  struct stat *buffer, int flags)
{
	return hascall_call_raw(SYS_newfstatat, hascall_arg_int(dir), hascall_arg_pointer(path),
				hascall_arg_pointer(buffer), hascall_arg_int(flags), 0, 0);
}

static inline struct hascall_call hascall_call_statx(int dir, const char *path, int flags,
						     unsigned int mask, struct statx *buffer)
{
	return hascall_call_raw(SYS_statx, hascall_arg_int(dir), hascall_arg_pointer(path),
				hascall_arg_int(flags), mask, hascall_arg_pointer(buffer), 0);
}

static inline struct hascall_call hascall_call_statfs(const char *path, struct statfs *buffer)
{
	return hascall_call_raw(SYS_statfs, hascall_arg_pointer(path), hascall_arg_pointer(buffer),
				0, 0, 0, 0);
}

static inline struct hascall_call hascall_call_fstatfs(int fd, struct statfs *buffer)
{
	return hascall_call_raw(SYS_fstatfs, hascall_arg_int(fd), hascall_arg_pointer(buffer), 0, 0,
				0, 0);
}

static inline struct hascall_call hascall_call_faccessat(int dir, const char *path, int mode)
{
	return hascall_call_raw(SYS_faccessat, hascall_arg_int(dir), hascall_arg_pointer(path),
				hascall_arg_int(mode), 0, 0, 0);
}

static inline struct hascall_call hascall_call_faccessat2(int dir, const char *path, int mode,
							  int flags)
{
	return hascall_call_raw(SYS_faccessat2, hascall_arg_int(dir), hascall_arg_pointer(path),
				hascall_arg_int(mode), hascall_arg_int(flags), 0, 0);
}

static inline struct hascall_call hascall_call_fchmod(int fd, unsigned int mode)
{
	return hascall_call_raw(SYS_fchmod, hascall_arg_int(fd), mode, 0, 0, 0, 0);
}

static inline struct hascall_call hascall_call_fchmodat(int dir, const char *path,
							unsigned int mode)
{
	return hascall_call_raw(SYS_fchmodat, hascall_arg_int(dir), hascall_arg_pointer(path), mode,
				0, 0, 0);
}

static inline struct hascall_call hascall_call_fchown(int fd, unsigned int owner,
						      unsigned int group)
{
	return hascall_call_raw(SYS_fchown, hascall_arg_int(fd), owner, group, 0, 0, 0);
}

static inline struct hascall_call hascall_call_fchownat(int dir, const char *path,
							unsigned int owner, unsigned int group,
							int flags)
{
	return hascall_call_raw(SYS_fchownat, hascall_arg_int(dir), hascall_arg_pointer(path),
				owner, group, hascall_arg_int(flags), 0);
}

static inline struct hascall_call hascall_call_utimensat(int dir, const char *path,
							 const struct timespec *times, int flags)
{
	return hascall_call_raw(SYS_utimensat, hascall_arg_int(dir), hascall_arg_pointer(path),
				hascall_arg_pointer(times), hascall_arg_int(flags), 0, 0);
}

static inline struct hascall_call hascall_call_getxattr(const char *path, const char *name,
							void *value, size_t size)
{
	return hascall_call_raw(SYS_getxattr, hascall_arg_pointer(path), hascall_arg_pointer(name),
				hascall_arg_pointer(value), size, 0, 0);
}

static inline struct hascall_call hascall_call_fgetxattr(int fd, const char *name, void *value,
							 size_t size)
{
	return hascall_call_raw(SYS_fgetxattr, hascall_arg_int(fd), hascall_arg_pointer(name),
				hascall_arg_pointer(value), size, 0, 0);
}

static inline struct hascall_call hascall_call_setxattr(const char *path, const char *name,
							const void *value, size_t size, int flags)
{
	return hascall_call_raw(SYS_setxattr, hascall_arg_pointer(path), hascall_arg_pointer(name),
				hascall_arg_pointer(value), size, hascall_arg_int(flags), 0);
}

static inline struct hascall_call hascall_call_fsetxattr(int fd, const char *name,
							 const void *value, size_t size, int flags)
{
	return hascall_call_raw(SYS_fsetxattr, hascall_arg_int(fd), hascall_arg_pointer(name),
				hascall_arg_pointer(value), size, hascall_arg_int(flags), 0);
}

static inline struct hascall_call hascall_call_listxattr(const char *path, char *names, size_t size)
{
	return hascall_call_raw(SYS_listxattr, hascall_arg_pointer(path),
				hascall_arg_pointer(names), size, 0, 0, 0);
}

static inline struct hascall_call hascall_call_flistxattr(int fd, char *names, size_t size)
{
	return hascall_call_raw(SYS_flistxattr, hascall_arg_int(fd), hascall_arg_pointer(names),
				size, 0, 0, 0);
}

static inline struct hascall_call hascall_call_removexattr(const char *path, const char *name)
{
	return hascall_call_raw(SYS_removexattr, hascall_arg_pointer(path),
				hascall_arg_pointer(name), 0, 0, 0, 0);
}

static inline struct hascall_call hascall_call_fremovexattr(int fd, const char *name)
{
	return hascall_call_raw(SYS_fremovexattr, hascall_arg_int(fd), hascall_arg_pointer(name), 0,
				0, 0, 0);
}

/* Names. */

/* Entries of struct linux_dirent64: u64 inode, s64 offset, u16 size, u8 type, name. */
static inline struct hascall_call hascall_call_getdents64(int fd, void *entries, size_t size)
{
	return hascall_call_raw(SYS_getdents64, hascall_arg_int(fd), hascall_arg_pointer(entries),
				size, 0, 0, 0);
}

static inline struct hascall_call hascall_call_mkdirat(int dir, const char *path, unsigned int mode)
{
	return hascall_call_raw(SYS_mkdirat, hascall_arg_int(dir), hascall_arg_pointer(path), mode,
				0, 0, 0);
}

static inline struct hascall_call hascall_call_mknodat(int dir, const char *path, unsigned int mode,
						       unsigned int device)
{
	return hascall_call_raw(SYS_mknodat, hascall_arg_int(dir), hascall_arg_pointer(path), mode,
				device, 0, 0);
}

static inline struct hascall_call hascall_call_unlinkat(int dir, const char *path, int flags)
{
	return hascall_call_raw(SYS_unlinkat, hascall_arg_int(dir), hascall_arg_pointer(path),
				hascall_arg_int(flags), 0, 0, 0);
}

static inline struct hascall_call hascall_call_renameat2(int from_dir, const char *from, int to_dir,
							 const char *to, unsigned int flags)
{
	return hascall_call_raw(SYS_renameat2, hascall_arg_int(from_dir), hascall_arg_pointer(from),
				hascall_arg_int(to_dir), hascall_arg_pointer(to), flags, 0);
}

static inline struct hascall_call hascall_call_linkat(int from_dir, const char *from, int to_dir,
						      const char *to, int flags)
{
	return hascall_call_raw(SYS_linkat, hascall_arg_int(from_dir), hascall_arg_pointer(from),
				hascall_arg_int(to_dir), hascall_arg_pointer(to),
				hascall_arg_int(flags), 0);
}

static inline struct hascall_call hascall_call_symlinkat(const char *target, int dir,
							 const char *path)
{
	return hascall_call_raw(SYS_symlinkat, hascall_arg_pointer(target), hascall_arg_int(dir),
				hascall_arg_pointer(path), 0, 0, 0);
}

static inline struct hascall_call hascall_call_readlinkat(int dir, const char *path, char *buffer,
							  size_t size)
{
	return hascall_call_raw(SYS_readlinkat, hascall_arg_int(dir), hascall_arg_pointer(path),
				hascall_arg_pointer(buffer), size, 0, 0);
}

/* Control. */

static inline struct hascall_call hascall_call_fcntl(int fd, int command, int argument)
{
	return hascall_call_raw(SYS_fcntl, hascall_arg_int(fd), hascall_arg_int(command),
				hascall_arg_int(argument), 0, 0, 0);
}

static inline struct hascall_call hascall_call_fcntl_pointer(int fd, int command, void *argument)
{
	return hascall_call_raw(SYS_fcntl, hascall_arg_int(fd), hascall_arg_int(command),
				hascall_arg_pointer(argument), 0, 0, 0);
}

static inline struct hascall_call hascall_call_ioctl(int fd, unsigned long request, void *argument)
{
	return hascall_call_raw(SYS_ioctl, hascall_arg_int(fd), request,
				hascall_arg_pointer(argument), 0, 0, 0);
}

static inline struct hascall_call hascall_call_ioctl_int(int fd, unsigned long request,
							 long argument)
{
	return hascall_call_raw(SYS_ioctl, hascall_arg_int(fd), request, hascall_arg_int(argument),
				0, 0, 0);
}

/* Sockets. A socklen_t is an unsigned int. */

static inline struct hascall_call hascall_call_socket(int domain, int type, int protocol)
{
	return hascall_call_raw(SYS_socket, hascall_arg_int(domain), hascall_arg_int(type),
				hascall_arg_int(protocol), 0, 0, 0);
}

static inline struct hascall_call hascall_call_bind(int fd, const struct sockaddr *address,
						    unsigned int size)
{
	return hascall_call_raw(SYS_bind, hascall_arg_int(fd), hascall_arg_pointer(address), size,
				0, 0, 0);
}

static inline struct hascall_call hascall_call_listen(int fd, int backlog)
{
	return hascall_call_raw(SYS_listen, hascall_arg_int(fd), hascall_arg_int(backlog), 0, 0, 0,
				0);
}

static inline struct hascall_call hascall_call_accept4(int fd, struct sockaddr *address,
						       unsigned int *size, int flags)
{
	return hascall_call_raw(SYS_accept4, hascall_arg_int(fd), hascall_arg_pointer(address),
				hascall_arg_pointer(size), hascall_arg_int(flags), 0, 0);
}

static inline struct hascall_call hascall_call_connect(int fd, const struct sockaddr *address,
						       unsigned int size)
{
	return hascall_call_raw(SYS_connect, hascall_arg_int(fd), hascall_arg_pointer(address),
				size, 0, 0, 0);
}

static inline struct hascall_call hascall_call_shutdown(int fd, int how)
{
	return hascall_call_raw(SYS_shutdown, hascall_arg_int(fd), hascall_arg_int(how), 0, 0, 0,
				0);
}

static inline struct hascall_call hascall_call_send(int fd, const void *buffer, size_t size,
						    int flags)
{
	return hascall_call_raw(SYS_sendto, hascall_arg_int(fd), hascall_arg_pointer(buffer), size,
				hascall_arg_int(flags), 0, 0);
}

static inline struct hascall_call hascall_call_sendto(int fd, const void *buffer, size_t size,
						      int flags, const struct sockaddr *to,
						      unsigned int to_size)
{
	return hascall_call_raw(SYS_sendto, hascall_arg_int(fd), hascall_arg_pointer(buffer), size,
				hascall_arg_int(flags), hascall_arg_pointer(to), to_size);
}

static inline struct hascall_call hascall_call_sendmsg(int fd, const struct msghdr *message,
						       int flags)
{
	return hascall_call_raw(SYS_sendmsg, hascall_arg_int(fd), hascall_arg_pointer(message),
				hascall_arg_int(flags), 0, 0, 0);
}

static inline struct hascall_call hascall_call_recv(int fd, void *buffer, size_t size, int flags)
{
	return hascall_call_raw(SYS_recvfrom, hascall_arg_int(fd), hascall_arg_pointer(buffer),
				size, hascall_arg_int(flags), 0, 0);
}

static inline struct hascall_call hascall_call_recvfrom(int fd, void *buffer, size_t size,
							int flags, struct sockaddr *from,
							unsigned int *from_size)
{
	return hascall_call_raw(SYS_recvfrom, hascall_arg_int(fd), hascall_arg_pointer(buffer),
				size, hascall_arg_int(flags), hascall_arg_pointer(from),
				hascall_arg_pointer(from_size));
}

static inline struct hascall_call hascall_call_recvmsg(int fd, struct msghdr *message, int flags)
{
	return hascall_call_raw(SYS_recvmsg, hascall_arg_int(fd), hascall_arg_pointer(message),
				hascall_arg_int(flags), 0, 0, 0);
}

static inline struct hascall_call hascall_call_setsockopt(int fd, int level, int option,
							  const void *value, unsigned int size)
{
	return hascall_call_raw(SYS_setsockopt, hascall_arg_int(fd), hascall_arg_int(level),
				hascall_arg_int(option), hascall_arg_pointer(value), size, 0);
}

static inline struct hascall_call hascall_call_getsockopt(int fd, int level, int option,
							  void *value, unsigned int *size)
{
	return hascall_call_raw(SYS_getsockopt, hascall_arg_int(fd), hascall_arg_int(level),
				hascall_arg_int(option), hascall_arg_pointer(value),
				hascall_arg_pointer(size), 0);
}

/* Waiting. Signal masks are left out: a worker's are its own. */

static inline struct hascall_call hascall_call_poll(struct pollfd *fds, unsigned long count,
						    int timeout_ms)
{
	return hascall_call_raw(SYS_poll, hascall_arg_pointer(fds), count,
				hascall_arg_int(timeout_ms), 0, 0, 0);
}

/* The kernel writes the rest of the time into *timeout. */
static inline struct hascall_call hascall_call_ppoll(struct pollfd *fds, unsigned long count,
						     struct timespec *timeout)
{
	return hascall_call_raw(SYS_ppoll, hascall_arg_pointer(fds), count,
				hascall_arg_pointer(timeout), 0, 0, 0);
}

static inline struct hascall_call hascall_call_epoll_wait(int epoll, struct epoll_event *events,
							  int count, int timeout_ms)
{
	return hascall_call_raw(SYS_epoll_wait, hascall_arg_int(epoll), hascall_arg_pointer(events),
				hascall_arg_int(count), hascall_arg_int(timeout_ms), 0, 0);
}

static inline struct hascall_call hascall_call_epoll_ctl(int epoll, int operation, int fd,
							 struct epoll_event *event)
{
	return hascall_call_raw(SYS_epoll_ctl, hascall_arg_int(epoll), hascall_arg_int(operation),
				hascall_arg_int(fd), hascall_arg_pointer(event), 0, 0);
}

static inline struct hascall_call hascall_call_nanosleep(const struct timespec *time,
							 struct timespec *ret_left)
{
	return hascall_call_raw(SYS_nanosleep, hascall_arg_pointer(time),
				hascall_arg_pointer(ret_left), 0, 0, 0, 0);
}

static inline struct hascall_call hascall_call_clock_nanosleep(int clock, int flags,
							       const struct timespec *time,
							       struct timespec *ret_left)
{
	return hascall_call_raw(SYS_clock_nanosleep, hascall_arg_int(clock), hascall_arg_int(flags),
				hascall_arg_pointer(time), hascall_arg_pointer(ret_left), 0, 0);
}

/* flags is 0 or FUTEX_PRIVATE_FLAG, the same for those who wait and those who wake. */
static inline struct hascall_call hascall_call_futex_wait(uint32_t *word, int flags,
							  unsigned int value,
							  const struct timespec *timeout)
{
	return hascall_call_raw(SYS_futex, hascall_arg_pointer(word),
				hascall_arg_int(FUTEX_WAIT | flags), value,
				hascall_arg_pointer(timeout), 0, 0);
}

static inline struct hascall_call hascall_call_futex_wake(uint32_t *word, int flags,
							  unsigned int count)
{
	return hascall_call_raw(SYS_futex, hascall_arg_pointer(word),
				hascall_arg_int(FUTEX_WAKE | flags), count, 0, 0, 0);
}

static inline struct hascall_call hascall_call_wait4(int pid, int *ret_status, int options,
						     struct rusage *ret_usage)
{
	return hascall_call_raw(SYS_wait4, hascall_arg_int(pid), hascall_arg_pointer(ret_status),
				hascall_arg_int(options), hascall_arg_pointer(ret_usage), 0, 0);
}

/* Memory. */

static inline struct hascall_call hascall_call_mmap(void *address, size_t size, int protection,
						    int flags, int fd, int64_t offset)
{
	return hascall_call_raw(SYS_mmap, hascall_arg_pointer(address), size,
				hascall_arg_int(protection), hascall_arg_int(flags),
				hascall_arg_int(fd), hascall_arg_int(offset));
}

static inline struct hascall_call hascall_call_munmap(void *address, size_t size)
{
	return hascall_call_raw(SYS_munmap, hascall_arg_pointer(address), size, 0, 0, 0, 0);
}

static inline struct hascall_call hascall_call_mprotect(void *address, size_t size, int protection)
{
	return hascall_call_raw(SYS_mprotect, hascall_arg_pointer(address), size,
				hascall_arg_int(protection), 0, 0, 0);
}

static inline struct hascall_call hascall_call_madvise(void *address, size_t size, int advice)
{
	return hascall_call_raw(SYS_madvise, hascall_arg_pointer(address), size,
				hascall_arg_int(advice), 0, 0, 0);
}

static inline struct hascall_call hascall_call_msync(void *address, size_t size, int flags)
{
	return hascall_call_raw(SYS_msync, hascall_arg_pointer(address), size,
				hascall_arg_int(flags), 0, 0, 0);
}

/* Others. */

static inline struct hascall_call hascall_call_getrandom(void *buffer, size_t size,
							 unsigned int flags)
{
	return hascall_call_raw(SYS_getrandom, hascall_arg_pointer(buffer), size, flags, 0, 0, 0);
}

static inline struct hascall_call hascall_call_kill(int pid, int signal)
{
	return hascall_call_raw(SYS_kill, hascall_arg_int(pid), hascall_arg_int(signal), 0, 0, 0,
				0);
}

static inline struct hascall_call hascall_call_getppid(void)
{
	return hascall_call_raw(SYS_getppid, 0, 0, 0, 0, 0, 0);
}
#endif /* HASCALL_CALLS_H */

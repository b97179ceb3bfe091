/* SPDX-License-Identifier: MIT */
/*
 * test_call.c - calls in the forms of run_calls.def, made by a program that is played
 * by hand: what each answers, and where in the bounce buffer.
 */
#include "test/front/client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#define CWD ((uint64_t)AT_FDCWD)
#define IN 0x8000u /* places in the bounce buffer */
#define OUT 0x9000u
#define OUT2 0xa000u

static void put(uint64_t offset, const void *from, size_t size)
{
	memcpy(bounce() + offset, from, size);
}

static void get(uint64_t offset, void *to, size_t size)
{
	memcpy(to, bounce() + offset, size);
}

static int get_int(uint64_t offset)
{
	int value;

	get(offset, &value, sizeof(value));
	return value;
}

static int64_t open_file(const char *path, int flags)
{
	return call(SYS_openat, CWD, TEXT(path), (uint64_t)flags, 0644);
}

/* ---- names and attributes. */

static int names(void)
{
	struct stat st;
	struct statx stx;

	CHECK_INT(call(SYS_mkdir, TEXT("/tmp/d"), 0777), 0);
	CHECK_INT(call(SYS_mkdir, TEXT("/tmp/d"), 0777), -EEXIST);
	CHECK_INT(call(SYS_chdir, TEXT("/tmp/d")), 0);
	CHECK_INT(open_file("f", O_RDWR | O_CREAT), 3);
	CHECK_INT(call(SYS_symlink, TEXT("f"), TEXT2("l")), 0);
	CHECK_INT(call(SYS_symlink, TEXT(""), TEXT2("l2")), -ENOENT);
	CHECK_INT(call(SYS_readlink, TEXT("l"), OUT, 100), 1);
	CHECK_INT(call(SYS_readlink, TEXT("l"), OUT, 0), -EINVAL);
	CHECK_INT(call(SYS_readlink, TEXT(""), OUT, 10), -ENOENT);
	CHECK_INT(call(SYS_link, TEXT("f"), TEXT2("g")), 0);
	CHECK_INT(call(SYS_lstat, TEXT("l"), OUT), 0);
	get(OUT, &st, sizeof(st));
	CHECK(S_ISLNK(st.st_mode));
	CHECK_INT(call(SYS_newfstatat, CWD, TEXT("l"), OUT, 0), 0);
	get(OUT, &st, sizeof(st));
	CHECK(S_ISREG(st.st_mode));
	CHECK_INT(st.st_nlink, 2);
	CHECK_INT(st.st_mode & 07777, 0644);
	CHECK_INT(call(SYS_newfstatat, 3, TEXT(""), OUT, AT_EMPTY_PATH), 0);
	CHECK_INT(call(SYS_newfstatat, 3, TEXT(""), OUT, 0), -ENOENT);
	CHECK_INT(call(SYS_newfstatat, 3, TEXT("f"), OUT, 0), -ENOTDIR);
	CHECK_INT(call(SYS_newfstatat, 77, TEXT("f"), OUT, 0), -EBADF);
	CHECK_INT(call(SYS_newfstatat, 77, TEXT("/tmp/d/f"), OUT, 0), 0);
	CHECK_INT(call(SYS_statx, CWD, TEXT("f"), 0, STATX_ALL, OUT), 0);
	get(OUT, &stx, sizeof(stx));
	CHECK_INT(stx.stx_ino, st.st_ino);
	CHECK_INT(call(SYS_rename, TEXT("g"), TEXT2("h")), 0);
	CHECK_INT(call(SYS_renameat2, CWD, TEXT("f"), CWD, TEXT2("h"), 1), -EEXIST);
	CHECK_INT(call(SYS_unlinkat, CWD, TEXT("h"), 99), -EINVAL);
	CHECK_INT(call(SYS_unlink, TEXT("h")), 0);
	CHECK_INT(call(SYS_rmdir, TEXT("/tmp/d")), -ENOTEMPTY);
	CHECK_INT(call(SYS_access, TEXT("f"), X_OK), -EACCES);
	CHECK_INT(call(SYS_chmod, TEXT("f"), 04755), 0);
	CHECK_INT(call(SYS_access, TEXT("f"), X_OK), 0);
	CHECK_INT(call(SYS_access, TEXT("f"), 8), -EINVAL);
	CHECK_INT(call(SYS_truncate, TEXT("f"), 100), 0);
	CHECK_INT(call(SYS_truncate, TEXT("f"), (uint64_t)-1), -EINVAL);
	CHECK_INT(call(SYS_truncate, TEXT("."), 1), -EISDIR);
	CHECK_INT(call(SYS_lseek, 3, 0, SEEK_END), 100);
	CHECK_INT(call(SYS_statfs, TEXT("."), OUT), 0);
	CHECK_INT(call(SYS_mknod, TEXT("p"), S_IFIFO | 0600, 0), 0);
	CHECK_INT(call(SYS_mknod, TEXT("x"), S_IFDIR | 0600, 0), -EPERM);
	CHECK_INT(call(SYS_getcwd, OUT, 100), 7);
	CHECK_STR((char *)bounce() + OUT, "/tmp/d");
	return 0;
}

/* A file without a name may be given one, unless O_EXCL says never. */
static int nameless(void)
{
	CHECK_INT(open_file("/tmp", O_TMPFILE | O_RDWR), 3);
	CHECK_INT(open_file("/tmp", O_TMPFILE | O_RDWR | O_EXCL), 4);
	CHECK_INT(open_file("/tmp", O_TMPFILE), -EINVAL);
	CHECK_INT(call(SYS_linkat, CWD, TEXT("/proc/self/fd/3"), CWD, TEXT2("/tmp/named"),
		       AT_SYMLINK_FOLLOW),
		  0);
	CHECK_INT(call(SYS_linkat, CWD, TEXT("/proc/self/fd/4"), CWD, TEXT2("/tmp/never"),
		       AT_SYMLINK_FOLLOW),
		  -ENOENT);
	return 0;
}

static void a_nameless_file_gets_a_name(void)
{
	CHECK_INT(run_inside(nameless, NULL), 0);
}

static void names_and_attributes(void)
{
	CHECK_INT(run_inside(names, NULL), 0);
}

static int times(void)
{
	const struct timespec t[2] = { { .tv_sec = 100 }, { .tv_nsec = UTIME_OMIT } };
	const struct timespec bad[2] = { { .tv_nsec = 1000000000 }, { 0 } };
	const struct timeval old[2] = { { .tv_sec = 7, .tv_usec = 5 }, { .tv_sec = 8 } };
	struct stat st;

	CHECK_INT(open_file("/tmp/t", O_RDWR | O_CREAT), 3);
	put(IN, t, sizeof(t));
	CHECK_INT(call(SYS_utimensat, 3, RUN_NULL, IN, 0), 0);
	CHECK_INT(call(SYS_fstat, 3, OUT), 0);
	get(OUT, &st, sizeof(st));
	CHECK_INT(st.st_atime, 100);
	CHECK(st.st_mtime > 1000);
	put(IN, bad, sizeof(bad));
	CHECK_INT(call(SYS_utimensat, 3, RUN_NULL, IN, 0), -EINVAL);
	CHECK_INT(call(SYS_utimensat, CWD, RUN_NULL, RUN_NULL, 0), -EBADF);
	put(IN, old, sizeof(old));
	CHECK_INT(call(SYS_utimes, TEXT("/tmp/t"), IN), 0);
	CHECK_INT(call(SYS_fstat, 3, OUT), 0);
	get(OUT, &st, sizeof(st));
	CHECK_INT(st.st_mtime, 8);
	CHECK_INT(st.st_atim.tv_nsec, 5000);
	CHECK_INT(call(SYS_utime, TEXT("/tmp/t"), RUN_NULL), 0);
	return 0;
}

static void times_in_all_their_forms(void)
{
	CHECK_INT(run_inside(times, NULL), 0);
}

static int opens_below(void)
{
	struct open_how how = { .flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT };

	CHECK_INT(call(SYS_mkdir, TEXT("/tmp/r"), 0700), 0);
	CHECK_INT(call(SYS_mkdir, TEXT("/tmp/r/etc"), 0700), 0);
	CHECK_INT(open_file("/tmp/r/etc/only-here", O_RDWR | O_CREAT), 3);
	CHECK_INT(open_file("/tmp/r", O_RDONLY | O_DIRECTORY), 4);
	put(IN, &how, sizeof(how));
	CHECK_INT(call(SYS_openat2, 4, TEXT("/etc/only-here"), IN, sizeof(how)), 5);
	CHECK_INT(call(SYS_openat2, 4, TEXT("../../etc/only-here"), IN, sizeof(how)), 6);
	CHECK_INT(call(SYS_openat2, 4, TEXT("/etc/passwd"), IN, sizeof(how)), -ENOENT);
	CHECK_INT(call(SYS_openat2, 4, TEXT("x"), IN, 8), -EINVAL);
	how.resolve = 1u << 20;
	put(IN, &how, sizeof(how));
	CHECK_INT(call(SYS_openat2, 4, TEXT("x"), IN, sizeof(how)), -EINVAL);
	how = (struct open_how){ .mode = 0600 };
	put(IN, &how, sizeof(how));
	CHECK_INT(call(SYS_openat2, 4, TEXT("x"), IN, sizeof(how)), -EINVAL);
	CHECK_INT(call(SYS_memfd_create, TEXT("m"), MFD_CLOEXEC), 7);
	CHECK_INT(call(SYS_fcntl, 7, F_GETFD), FD_CLOEXEC);
	CHECK_INT(call(SYS_memfd_create, TEXT("m"), 0x8000), -EINVAL);
	return 0;
}

static int64_t open_as(const char *path, uint64_t resolve, uint64_t flags)
{
	const struct open_how how = { .flags = flags, .resolve = resolve };

	put(IN, &how, sizeof(how));
	return call(SYS_openat2, 3, TEXT(path), IN, sizeof(how));
}

static int opens_restricted(void)
{
	int64_t fd;

	CHECK_INT(call(SYS_mkdir, TEXT("/tmp/r"), 0700), 0);
	CHECK_INT(call(SYS_mkdir, TEXT("/tmp/r/d"), 0700), 0);
	CHECK_INT(open_file("/tmp/r", O_RDONLY | O_DIRECTORY), 3);
	CHECK_INT(open_file("/tmp/r/d/f", O_RDWR | O_CREAT), 4);
	CHECK_INT(call(SYS_symlink, TEXT("../d/f"), TEXT2("/tmp/r/d/inner")), 0);
	CHECK_INT(call(SYS_symlink, TEXT("../../r/d/f"), TEXT2("/tmp/r/d/outer")), 0);
	CHECK_INT(call(SYS_symlink, TEXT("/tmp/r/d/f"), TEXT2("/tmp/r/absolute")), 0);
	CHECK_INT(call(SYS_symlink, TEXT("d"), TEXT2("/tmp/r/dir")), 0);
	CHECK_INT(call(SYS_symlink, TEXT("loop"), TEXT2("/tmp/r/loop")), 0);
	fd = open_as("d/../dir/./inner", RESOLVE_BENEATH, O_RDONLY);
	CHECK_INT(fd, 5);
	CHECK_INT(open_as("d/outer", RESOLVE_BENEATH, O_RDONLY), -EXDEV);
	CHECK_INT(open_as("absolute", RESOLVE_BENEATH, O_RDONLY), -EXDEV);
	CHECK_INT(open_as("/tmp/r/d/f", RESOLVE_BENEATH, O_RDONLY), -EXDEV);
	CHECK_INT(open_as("..", RESOLVE_BENEATH, O_RDONLY), -EXDEV);
	CHECK_INT(open_as("d/..", RESOLVE_BENEATH, O_RDONLY), 6);
	CHECK_INT(open_as("loop", RESOLVE_BENEATH, O_RDONLY), -ELOOP);
	CHECK_INT(open_as("dir/f", RESOLVE_NO_SYMLINKS, O_RDONLY), -ELOOP);
	CHECK_INT(open_as("d/f", RESOLVE_NO_SYMLINKS, O_RDONLY), 7);
	CHECK_INT(open_as("d/f/", RESOLVE_NO_SYMLINKS, O_RDONLY), -ENOTDIR);
	CHECK_INT(open_as("d/none", RESOLVE_BENEATH, O_RDONLY), -ENOENT);
	CHECK_INT(open_as("d/new", RESOLVE_BENEATH, O_RDWR | O_CREAT), 8);
	CHECK_INT(open_as("d/inner", RESOLVE_BENEATH, O_RDONLY | O_NOFOLLOW), -ELOOP);
	CHECK_INT(open_as("", RESOLVE_BENEATH, O_RDONLY), -ENOENT);
	CHECK_INT(open_as("/dev/null", RESOLVE_NO_XDEV, O_RDONLY), -EXDEV);
	CHECK_INT(open_as("/proc/self/cwd", RESOLVE_NO_MAGICLINKS, O_RDONLY), -ELOOP);
	return 0;
}

static void a_restricted_walk_stays_where_it_may(void)
{
	CHECK_INT(run_inside(opens_restricted, NULL), 0);
}

static void openat2_and_memfd(void)
{
	CHECK_INT(run_inside(opens_below, NULL), 0);
}

/* ---- descriptors. */

static int descriptors(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 10 };

	CHECK_INT(open_file("/tmp/f", O_RDWR | O_CREAT | O_APPEND), 3);
	CHECK_INT(call(SYS_dup, 3), 4);
	CHECK_INT(call(SYS_dup2, 3, 10), 10);
	CHECK_INT(call(SYS_dup2, 10, 10), 10);
	CHECK_INT(call(SYS_dup2, 77, 77), -EBADF);
	CHECK_INT(call(SYS_dup3, 3, 3, 0), -EINVAL);
	CHECK_INT(call(SYS_dup3, 3, 11, O_CLOEXEC), 11);
	CHECK_INT(call(SYS_dup2, 3, 5000), -EBADF);
	CHECK_INT(call(SYS_fcntl, 11, F_GETFD), FD_CLOEXEC);
	CHECK_INT(call(SYS_fcntl, 3, F_DUPFD, 20), 20);
	CHECK_INT(call(SYS_fcntl, 3, F_DUPFD, 1024), -EINVAL);
	CHECK_INT(call(SYS_fcntl, 3, F_GETFL), O_RDWR | O_APPEND | 0100000);
	CHECK_INT(call(SYS_fcntl, 3, F_SETFL, O_NONBLOCK), 0);
	CHECK_INT(call(SYS_fcntl, 4, F_GETFL), O_RDWR | O_NONBLOCK | 0100000);
	CHECK_INT(call(SYS_fcntl, 3, 999), -EINVAL);
	put(IN, &lock, sizeof(lock));
	CHECK_INT(call(SYS_fcntl, 3, F_SETLK, 0, IN), 0);
	CHECK_INT(call(SYS_fcntl, 3, F_GETLK, 0, IN), 0);
	get(IN, &lock, sizeof(lock));
	CHECK_INT(lock.l_type, F_UNLCK); /* it is one's own */
	CHECK_INT(call(SYS_close_range, 4, 15, 0), 0);
	CHECK_INT(call(SYS_close, 10), -EBADF);
	CHECK_INT(call(SYS_close_range, 16, 10, 0), -EINVAL);
	CHECK_INT(call(SYS_close_range, 0, UINT32_MAX, 4), 0); /* CLOSE_RANGE_CLOEXEC */
	CHECK_INT(call(SYS_fcntl, 20, F_GETFD), FD_CLOEXEC);
	CHECK_INT(open_file("/tmp/f", O_PATH), 4);
	CHECK_INT(call(SYS_read, 4, OUT, 1), -EBADF);
	CHECK_INT(call(SYS_fstat, 4, OUT), 0);
	CHECK_INT(call(SYS_fcntl, 4, F_SETFL, 0), -EBADF);
	return 0;
}

static void descriptors_and_their_flags(void)
{
	CHECK_INT(run_inside(descriptors, NULL), 0);
}

static int limits(void)
{
	struct rlimit few = { .rlim_cur = 5, .rlim_max = 100 };
	const uint64_t zero = 0;

	put(IN, &few, sizeof(few));
	CHECK_INT(call(SYS_prlimit64, 0, RLIMIT_NOFILE, IN, OUT), 0);
	get(OUT, &few, sizeof(few));
	CHECK_INT(few.rlim_cur, 1024);
	CHECK_INT(open_file("/tmp/a", O_RDWR | O_CREAT), 3);
	CHECK_INT(call(SYS_pipe, OUT), -EMFILE);
	CHECK_INT(call(SYS_dup, 3), 4); /* the pipe's first end was given back */
	CHECK_INT(call(SYS_dup, 3), -EMFILE);
	few = (struct rlimit){ .rlim_cur = 10, .rlim_max = 10 };
	put(IN, &few, sizeof(few));
	CHECK_INT(call(SYS_setrlimit, RLIMIT_FSIZE, IN), 0);
	signal(SIGXFSZ, SIG_IGN);
	CHECK_INT(call(SYS_write, 3, 0, 20), 10);
	CHECK_INT(call(SYS_write, 3, 0, 20), -EFBIG);
	CHECK_INT(call(SYS_close, 4), 0);
	CHECK_INT(open_file("/tmp/b", O_RDWR | O_CREAT), 4);
	CHECK_INT(call(SYS_pwrite64, 4, 0, 4, 0), 4);
	CHECK_INT(call(SYS_lseek, 4, 4, SEEK_SET), 4);
	put(IN, &zero, sizeof(zero));
	CHECK_INT(call(SYS_sendfile, 4, 3, IN, 10), 6);
	CHECK_INT(call(SYS_sendfile, 4, 3, IN, 4), -EFBIG);
	put(IN, &zero, sizeof(zero));
	CHECK_INT(call(SYS_copy_file_range, 3, IN, 4, RUN_NULL, 4, 0), -EFBIG);
	CHECK_INT(call(SYS_getrlimit, 99, OUT), -EINVAL);
	return 0;
}

static void limits_hold(void)
{
	CHECK_INT(run_inside(limits, NULL), 0);
}

static int copies(void)
{
	uint64_t at = 2;

	CHECK_INT(open_file("/tmp/a", O_RDWR | O_CREAT), 3);
	CHECK_INT(open_file("/tmp/b", O_RDWR | O_CREAT), 4);
	put(0, "0123456789", 10);
	CHECK_INT(call(SYS_write, 3, 0, 10), 10);
	put(IN, &at, sizeof(at));
	CHECK_INT(call(SYS_sendfile, 4, 3, IN, 100), 8);
	get(IN, &at, sizeof(at));
	CHECK_INT(at, 10);
	CHECK_INT(call(SYS_sendfile, 4, 3, RUN_NULL, 100), 0); /* the position is at the end */
	at = 0;
	put(IN, &at, sizeof(at));
	CHECK_INT(call(SYS_copy_file_range, 3, IN, 4, RUN_NULL, 4, 0), 4);
	CHECK_INT(call(SYS_copy_file_range, 3, IN, 3, IN, 4, 0), -EINVAL); /* onto itself */
	CHECK_INT(call(SYS_pread64, 4, OUT, 100, 0), 12);
	CHECK_INT(memcmp(bounce() + OUT, "234567890123", 12), 0);
	CHECK_INT(call(SYS_pipe2, OUT, O_NONBLOCK), 0);
	CHECK_INT(call(SYS_sendfile, 4, 5, RUN_NULL, 10), -EINVAL);
	CHECK_INT(call(SYS_sendfile, 6, 3, IN, 100), 6); /* from offset 4 on */
	CHECK_INT(call(SYS_fcntl, 5, F_GETPIPE_SZ), 65536);
	CHECK_INT(call(SYS_eventfd2, 0, 0), 7);
	CHECK_INT(call(SYS_fallocate, 7, 0, 0, 10), -ENODEV);
	return 0;
}

static void copies_between_descriptors(void)
{
	CHECK_INT(run_inside(copies, NULL), 0);
}

/* ---- waiting. */

static int waits(void)
{
	struct pollfd fds[3] = { { .fd = 3, .events = POLLIN }, { .fd = -1 }, { .fd = 99 } };
	const struct itimerspec soon = { .it_value = { .tv_nsec = 5000000 } };
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 77 };

	CHECK_INT(call(SYS_pipe, OUT), 0); /* 3, 4 */
	put(0, fds, sizeof(fds));
	CHECK_INT(call(SYS_poll, 0, 2, 0), 0);
	CHECK_INT(call(SYS_poll, 0, 2, 10), 0);
	CHECK_INT(call(SYS_ppoll, 0, 2, 1000000), 0);
	CHECK_INT(call(SYS_poll, 0, 3, (uint64_t)-1), 1);
	get(0, fds, sizeof(fds));
	CHECK_INT(fds[2].revents, POLLNVAL);
	CHECK_INT(call(SYS_poll, 0, 2000, 0), -EINVAL);
	/* select: fd 3 to read, 4 to write. */
	memset(bounce(), 0, 384);
	bounce()[0] = 1 << 3;
	bounce()[128] = 1 << 4;
	CHECK_INT(call(SYS_select, 5, 0, 3, RUN_NULL), 1);
	CHECK_INT(bounce()[0], 0);
	CHECK_INT(bounce()[128], 1 << 4);
	bounce()[0] = 1 << 5;
	CHECK_INT(call(SYS_select, 6, 0, 3, 0), -EBADF);
	CHECK_INT(call(SYS_select, 1025, 0, 3, 0), -EINVAL);
	/* A timer wakes an epoll. */
	CHECK_INT(call(SYS_timerfd_create, CLOCK_MONOTONIC, 0), 5);
	put(IN, &soon, sizeof(soon));
	CHECK_INT(call(SYS_timerfd_settime, 5, 0, IN, RUN_NULL), 0);
	CHECK_INT(call(SYS_epoll_create1, EPOLL_CLOEXEC), 6);
	put(IN, &event, sizeof(event));
	CHECK_INT(call(SYS_epoll_ctl, 6, EPOLL_CTL_ADD, 5, IN), 0);
	CHECK_INT(call(SYS_epoll_ctl, 6, EPOLL_CTL_ADD, 5, IN), -EEXIST);
	CHECK_INT(call(SYS_epoll_wait, 6, OUT, 4, 1000), 1);
	get(OUT, &event, sizeof(event));
	CHECK_INT(event.data.u64, 77);
	CHECK_INT(call(SYS_epoll_wait, 6, OUT, 0, 0), -EINVAL);
	CHECK_INT(call(SYS_epoll_pwait, 6, OUT, 1u << 20, 0), -EFAULT);
	CHECK_INT(open_file("/tmp/x", O_RDWR | O_CREAT), 7);
	CHECK_INT(call(SYS_epoll_ctl, 6, EPOLL_CTL_ADD, 7, IN), -EPERM);
	CHECK_INT(call(SYS_eventfd2, 3, EFD_NONBLOCK), 8);
	CHECK_INT(call(SYS_read, 8, OUT, 8), 8);
	CHECK_INT(get_int(OUT), 3);
	CHECK_INT(call(SYS_read, 8, OUT, 8), -EAGAIN);
	return 0;
}

static void waiting_for_descriptors(void)
{
	CHECK_INT(run_inside(waits, NULL), 0);
}

/* ---- sockets. */

static uint64_t put_address(const char *path, uint64_t *ret_size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, path);
	put(IN, &address, sizeof(address));
	*ret_size = offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
	return IN;
}

static int sockets(void)
{
	struct sockaddr_un name;
	uint64_t size;

	CHECK_INT(call(SYS_socket, AF_INET, SOCK_STREAM, 0), -EAFNOSUPPORT);
	CHECK_INT(call(SYS_socket, AF_UNIX, 99, 0), -EINVAL);
	CHECK_INT(call(SYS_socket, AF_UNIX, SOCK_STREAM, 0), 3);
	CHECK_INT(call(SYS_bind, 3, put_address("/tmp/s", &size), 1), -EINVAL);
	CHECK_INT(call(SYS_bind, 3, IN, size), 0);
	CHECK_INT(call(SYS_listen, 3, 5), 0);
	CHECK_INT(call(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 4);
	CHECK_INT(call(SYS_connect, 4, IN, size), 0);
	CHECK_INT(call(SYS_accept, 3, OUT, 0, SOCK_NONBLOCK), 5);
	CHECK_INT(get_int(OUT), 2); /* the peer has no name */
	CHECK_INT(call(SYS_getpeername, 4, OUT), 0);
	CHECK_INT(get_int(OUT), (int)size);
	get(OUT + 4, &name, sizeof(name));
	CHECK_STR(name.sun_path, "/tmp/s");
	put(0, "hello", 5);
	CHECK_INT(call(SYS_sendto, 4, 0, 5, 0, RUN_NULL, 0), 5);
	CHECK_INT(call(SYS_recvfrom, 5, 0x100, 100, 0, RUN_NULL), 5);
	CHECK_INT(call(SYS_recvfrom, 5, 0x100, 100, 0, RUN_NULL), -EAGAIN);
	put(OUT, &(uint32_t){ 4 }, 4);
	CHECK_INT(call(SYS_getsockopt, 4, SOL_SOCKET, SO_TYPE, OUT), 0);
	CHECK_INT(get_int(OUT), 4);
	CHECK_INT(get_int(OUT + 4), SOCK_STREAM);
	CHECK_INT(call(SYS_shutdown, 4, 9), -EINVAL);
	CHECK_INT(call(SYS_shutdown, 4, SHUT_WR), 0);
	CHECK_INT(call(SYS_recvfrom, 5, 0x100, 100, 0, RUN_NULL), 0);
	CHECK_INT(call(SYS_listen, 0, 1), -ENOTSOCK);
	CHECK_INT(call(SYS_listen, 99, 1), -EBADF);
	return 0;
}

static void sockets_with_names(void)
{
	CHECK_INT(run_inside(sockets, NULL), 0);
}

static void put_message(const int *fds, unsigned int count)
{
	struct run_msg m = { .control_size = (uint32_t)CMSG_SPACE(count * sizeof(int)) };
	const struct cmsghdr h = { .cmsg_len = CMSG_LEN(count * sizeof(int)),
				   .cmsg_level = SOL_SOCKET,
				   .cmsg_type = SCM_RIGHTS };

	memcpy(m.control, &h, sizeof(h));
	memcpy(m.control + CMSG_LEN(0), fds, count * sizeof(int));
	put(IN, &m, sizeof(m));
}

static int sends_descriptors(void)
{
	struct run_msg m = { .control_size = 100 };
	struct cmsghdr h;
	int fd;

	CHECK_INT(call(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, OUT), 0); /* 3, 4 */
	CHECK_INT(call(SYS_pipe, OUT), 0);				  /* 5, 6 */
	put_message((int[1]){ 99 }, 1);
	CHECK_INT(call(SYS_sendmsg, 3, 0, 1, 0, IN), -EBADF);
	put_message((int[2]){ 5, 6 }, 2);
	CHECK_INT(call(SYS_sendmsg, 3, 0, 1, 0, IN), 1);
	CHECK_INT(call(SYS_close, 5), 0);
	CHECK_INT(call(SYS_close, 6), 0);
	put(IN, &m, sizeof(m));
	CHECK_INT(call(SYS_recvmsg, 4, OUT, 10, MSG_CMSG_CLOEXEC, IN), 1);
	get(IN, &m, sizeof(m));
	memcpy(&h, m.control, sizeof(h));
	CHECK_INT(h.cmsg_len, CMSG_LEN(2 * sizeof(int)));
	memcpy(&fd, m.control + CMSG_LEN(0), sizeof(fd));
	CHECK_INT(fd, 5);
	CHECK_INT(m.flags & MSG_CTRUNC, 0);
	CHECK_INT(call(SYS_fcntl, 6, F_GETFD), FD_CLOEXEC);
	CHECK_INT(call(SYS_write, 6, 0, 3), 3);
	CHECK_INT(call(SYS_read, 5, 0, 3), 3);
	/* Room for one only: the other is closed, and the message says so. */
	put_message((int[2]){ 5, 6 }, 2);
	CHECK_INT(call(SYS_sendmsg, 3, 0, 1, 0, IN), 1);
	m = (struct run_msg){ .control_size = CMSG_LEN(sizeof(int)) };
	put(IN, &m, sizeof(m));
	CHECK_INT(call(SYS_recvmsg, 4, OUT, 10, 0, IN), 1);
	get(IN, &m, sizeof(m));
	CHECK(m.flags & MSG_CTRUNC);
	CHECK_INT(m.control_size, CMSG_LEN(sizeof(int)));
	CHECK_INT(call(SYS_close, 7), 0);
	CHECK_INT(call(SYS_close, 8), -EBADF);
	/* A control block that lies about its length. */
	put_message((int[1]){ 5 }, 1);
	put(IN + offsetof(struct run_msg, control), &(uint64_t){ 1 }, 8);
	CHECK_INT(call(SYS_sendmsg, 3, 0, 1, 0, IN), -EINVAL);
	put(IN + offsetof(struct run_msg, control), &(uint64_t){ UINT64_MAX }, 8);
	CHECK_INT(call(SYS_sendmsg, 3, 0, 1, 0, IN), -EINVAL);
	put(IN + offsetof(struct run_msg, control_size), &(uint32_t){ UINT32_MAX }, 4);
	CHECK_INT(call(SYS_sendmsg, 3, 0, 1, 0, IN), -EINVAL);
	return 0;
}

static void descriptors_travel_in_messages(void)
{
	CHECK_INT(run_inside(sends_descriptors, NULL), 0);
}

/* ---- who and what. */

static int identity(void)
{
	const uint32_t groups[3] = { 30, 10, 20 };

	CHECK_INT(call(SYS_getgroups, 0, RUN_NULL), 0);
	CHECK_INT(call(SYS_getgroups, 10, RUN_NULL), 0);
	put(IN, groups, sizeof(groups));
	CHECK_INT(call(SYS_setgroups, 3, IN), 0);
	CHECK_INT(call(SYS_getgroups, 2, OUT), -EINVAL);
	CHECK_INT(call(SYS_getgroups, 3, OUT), 3);
	CHECK_INT(get_int(OUT), 10);
	CHECK_INT(call(SYS_setgroups, 65, IN), -EINVAL);
	CHECK_INT(call(SYS_setresuid, 1000, 1000, 1000), 0);
	CHECK_INT(client_control->euid, 1000);
	CHECK_INT(call(SYS_setuid, 0), -EPERM);
	CHECK_INT(call(SYS_setgroups, 3, IN), -EPERM);
	CHECK_INT(call(SYS_chroot, TEXT("/tmp")), -EPERM);
	CHECK_INT(open_file("/etc/new", O_RDWR | O_CREAT), -EACCES);
	CHECK_INT(call(SYS_setpriority, PRIO_PROCESS, 0, 19), 0);
	CHECK_INT(getpriority(PRIO_PROCESS, 0), 19);
	CHECK_INT(call(SYS_setpriority, PRIO_PROCESS, 0, (uint64_t)-5), -EACCES);
	CHECK_INT(call(SYS_setpriority, PRIO_PROCESS, 4194999, 3), -ESRCH);
	CHECK_INT(call(SYS_pidfd_open, (uint64_t)getpid(), 0), 3);
	CHECK_INT(call(SYS_pidfd_send_signal, 3, 0, RUN_NULL, 0), 0);
	CHECK_INT(call(SYS_pidfd_open, 4194999, 0), -ESRCH);
	return 0;
}

static void identity_is_kept_inside(void)
{
	CHECK_INT(run_inside(identity, NULL), 0);
}

static int mode_of(const char *path)
{
	struct stat st;

	CHECK_INT(call(SYS_stat, TEXT(path), OUT), 0);
	get(OUT, &st, sizeof(st));
	return st.st_mode & 07777;
}

/* Four descriptors of one file, opened by its owner, used by somebody else. */
static int privileges(void)
{
	const char *const path = "/tmp/run-as";
	const uint64_t nowhere = 0;

	CHECK_INT(open_file(path, O_RDWR | O_CREAT), 3);
	CHECK_INT(open_file("/tmp/source", O_RDWR | O_CREAT), 4);
	CHECK_INT(call(SYS_fchmod, 3, 06777), 0);
	put(IN, "text", 4);
	CHECK_INT(call(SYS_write, 4, IN, 4), 4);
	CHECK_INT(call(SYS_write, 3, IN, 4), 4);
	CHECK_INT(mode_of(path), 06777); /* root may */
	CHECK_INT(call(SYS_chmod, TEXT(path), 06777), 0);
	CHECK_INT(open_file(path, O_RDONLY), 5);
	for (int way = 0; way < 5; way++) {
		CHECK_INT(call(SYS_setresuid, -1, 0, -1), 0);
		CHECK_INT(call(SYS_chmod, TEXT(path), 06777), 0);
		CHECK_INT(call(SYS_setresuid, -1, 1000, -1), 0);
		put(IN, "text", 4);
		CHECK_INT(call(SYS_write, 5, IN, 4), -EBADF);
		CHECK_INT(call(SYS_write, 3, IN, 0), 0);
		CHECK_INT(mode_of(path), 06777); /* nothing was written */
		put(IN, "text", 4);
		put(OUT2, &nowhere, sizeof(nowhere));
		if (way == 0)
			CHECK_INT(call(SYS_write, 3, IN, 4), 4);
		else if (way == 1)
			CHECK_INT(call(SYS_pwrite64, 3, IN, 4, 0), 4);
		else if (way == 2)
			CHECK_INT(call(SYS_fallocate, 3, 0, 0, 100), 0);
		else if (way == 3)
			CHECK_INT(call(SYS_copy_file_range, 4, OUT2, 3, RUN_NULL, 4, 0), 4);
		else
			CHECK_INT(call(SYS_sendfile, 3, 4, OUT2, 4), 4);
		CHECK_INT(mode_of(path), 0777);
	}
	return 0;
}

static void writes_by_others_end_set_user_id(void)
{
	CHECK_INT(run_inside(privileges, NULL), 0);
}

static int attributes(void)
{
	CHECK_INT(open_file("/tmp/f", O_RDWR | O_CREAT), 3);
	put(IN, "value", 5);
	CHECK_INT(call(SYS_fsetxattr, 3, TEXT("user.name"), IN, 5, 0), 0);
	CHECK_INT(call(SYS_getxattr, TEXT2("/tmp/f"), TEXT("user.name"), OUT, 100), 5);
	CHECK_INT(memcmp(bounce() + OUT, "value", 5), 0);
	CHECK_INT(call(SYS_getxattr, TEXT2("/tmp/f"), TEXT("user.name"), RUN_NULL, 0), 5);
	CHECK_INT(call(SYS_getxattr, TEXT2("/tmp/f"), TEXT("user.none"), OUT, 100), -ENODATA);
	CHECK_INT(call(SYS_getxattr, TEXT2("/tmp/f"), TEXT(""), OUT, 100), -ERANGE);
	CHECK_INT(call(SYS_flistxattr, 3, OUT, 100), 10);
	CHECK_INT(call(SYS_fsetxattr, 3, TEXT("user.name"), IN, 70000, 0), -E2BIG);
	CHECK_INT(call(SYS_fremovexattr, 3, TEXT("user.name")), 0);
	CHECK_INT(call(SYS_pipe, OUT), 0);
	CHECK_INT(call(SYS_flistxattr, 4, OUT, 100), 0);
	CHECK_INT(call(SYS_fgetxattr, 4, TEXT("user.a"), OUT, 100), -EOPNOTSUPP);
	return 0;
}

static void extended_attributes(void)
{
	CHECK_INT(run_inside(attributes, NULL), 0);
}

static int controls(void)
{
	CHECK_INT(call(SYS_pipe, OUT), 0); /* 3, 4 */
	CHECK_INT(call(SYS_write, 4, 0, 7), 7);
	CHECK_INT(call(SYS_ioctl, 3, FIONREAD, 0, OUT, 4), 0);
	CHECK_INT(get_int(OUT), 7);
	CHECK_INT(call(SYS_ioctl, 3, FIONREAD, 0, RUN_NULL, 0), -EFAULT);
	put(IN, &(int){ 1 }, 4);
	CHECK_INT(call(SYS_ioctl, 3, FIONBIO, 0, IN, 4), 0);
	CHECK_INT(call(SYS_fcntl, 3, F_GETFL), O_NONBLOCK);
	CHECK_INT(call(SYS_ioctl, 3, FIOCLEX, 0, RUN_NULL, 0), 0);
	CHECK_INT(call(SYS_fcntl, 3, F_GETFD), FD_CLOEXEC);
	CHECK_INT(call(SYS_ioctl, 3, TCGETS, 0, OUT, 36), -ENOTTY);
	CHECK_INT(call(SYS_ioctl, 3, 0xdeadbeef, 0, RUN_NULL, 0), -ENOTTY);
	return 0;
}

static void ioctls_by_their_table(void)
{
	CHECK_INT(run_inside(controls, NULL), 0);
}

/* ---- the trace. */

static int is_traced(void)
{
	CHECK_INT(open_file("/tmp/\"x", O_RDWR | O_CREAT), 3);
	CHECK_INT(call(SYS_close, 77), -EBADF);
	CHECK_INT(call(450, 1, 2), -ENOSYS);
	return 5;
}

static void each_call_is_a_line_of_the_trace(void)
{
	const struct manager_options traced = { .root_fd = -1, .strace = true };
	char text[4096], wanted[512];
	ssize_t size;
	int fd = memfd_create("trace", MFD_CLOEXEC), old = dup(STDERR_FILENO);

	CHECK(dup2(fd, STDERR_FILENO) >= 0);
	CHECK_INT(run_inside(is_traced, &traced), 5);
	CHECK(dup2(old, STDERR_FILENO) >= 0);
	size = pread(fd, text, sizeof(text) - 1, 0);
	CHECK(size > 0);
	text[size] = '\0';
	close(fd);
	close(old);
	snprintf(wanted, sizeof(wanted),
		 "[%1$d] openat(AT_FDCWD, \"/tmp/\\042x\", 66, 420) = 3\n"
		 "[%1$d] close(77) = -1 EBADF (Bad file descriptor)\n"
		 "[%1$d] call_450(1, 2) = -1 ENOSYS (Function not implemented)\n"
		 "[%1$d] exit_group(5) = ?\n",
		 atoi(text + 1));
	CHECK_STR(text, wanted);
}

static const struct test tests[] = {
	TEST(names_and_attributes),	   TEST(times_in_all_their_forms),
	TEST(openat2_and_memfd),	   TEST(a_restricted_walk_stays_where_it_may),
	TEST(descriptors_and_their_flags), TEST(limits_hold),
	TEST(copies_between_descriptors),  TEST(waiting_for_descriptors),
	TEST(sockets_with_names),	   TEST(descriptors_travel_in_messages),
	TEST(identity_is_kept_inside),	   TEST(extended_attributes),
	TEST(ioctls_by_their_table),	   TEST(each_call_is_a_line_of_the_trace),
	TEST(a_nameless_file_gets_a_name), TEST(writes_by_others_end_set_user_id),
};
TEST_MAIN(tests)

/* SPDX-License-Identifier: MIT */
/*
 * files.c - calls on open files.
 */
#include "test/anycall/anycall.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* What of a file's attributes does not differ from run to run. */
static void note_stat(struct run *run, const struct stat *st)
{
	anycall_note(run, "    mode %o links %llu size %lld owner %u:%u\n", st->st_mode,
		     (unsigned long long)st->st_nlink, (long long)st->st_size, st->st_uid,
		     st->st_gid);
}

static void opened(struct run *run)
{
	struct open_how how = { .flags = O_RDWR | O_CREAT, .mode = 0640 };
	struct open_how beneath = { .flags = O_RDONLY, .resolve = RESOLVE_BENEATH };

	CALL(run, open, P("a"), O_RDWR | O_CREAT | O_EXCL, 0600);
	CALL(run, open, P("a"), O_RDWR | O_CREAT | O_EXCL, 0600);
	CALL(run, open, P("none"), O_RDONLY);
	CALL(run, open, P("a/b"), O_RDONLY);
	CALL(run, open, P(NULL), O_RDONLY);
	CALL(run, creat, P("b"), 0644);
	CALL(run, openat, AT_FDCWD, P("a"), O_WRONLY | O_APPEND);
	CALL(run, openat, AT_FDCWD, P("."), O_WRONLY);
	CALL(run, openat, 99, P("a"), O_RDONLY);
	CALL(run, openat2, AT_FDCWD, P("c"), P(&how), sizeof(how));
	CALL(run, openat2, AT_FDCWD, P("/etc"), P(&beneath), sizeof(beneath));
	CALL(run, openat2, AT_FDCWD, P("c"), P(&how), 3);
}

static void moved_bytes(struct run *run)
{
	char in[32] = { 0 };
	struct iovec out_vec[2] = { { (char[]){ "vector" }, 6 }, { (char[]){ "ial" }, 3 } };
	struct iovec in_vec[2] = { { in, 4 }, { in + 8, 20 } };
	int64_t fd = CALL(run, open, P("a"), O_RDWR | O_CREAT, 0600);

	CALL(run, write, fd, P("0123456789"), 10);
	CALL(run, pwrite64, fd, P("abc"), 3, 4);
	CALL(run, pread64, fd, P(in), sizeof(in), 2);
	anycall_note_bytes(run, "pread64", in, sizeof(in));
	CALL(run, lseek, fd, 1, SEEK_SET);
	CALL(run, read, fd, P(in), 5);
	anycall_note_bytes(run, "read", in, sizeof(in));
	CALL(run, writev, fd, P(out_vec), 2);
	CALL(run, lseek, fd, 0, SEEK_SET);
	CALL(run, readv, fd, P(in_vec), 2);
	anycall_note_bytes(run, "readv", in, sizeof(in));
	CALL(run, pwritev, fd, P(out_vec), 2, 20, 0);
	CALL(run, preadv, fd, P(in_vec), 2, 18, 0);
	anycall_note_bytes(run, "preadv", in, sizeof(in));
	CALL(run, pwritev2, fd, P(out_vec), 2, -1, -1, RWF_APPEND);
	CALL(run, preadv2, fd, P(in_vec), 2, 0, 0, RWF_HIPRI);
	anycall_note_bytes(run, "preadv2", in, sizeof(in));
	CALL(run, lseek, fd, 0, SEEK_END);
	CALL(run, lseek, fd, -1, SEEK_SET);
	CALL(run, read, 99, P(in), 1);
	CALL(run, read, fd, P(1), 1);
	CALL(run, write, fd, P(1), 1);
	CALL(run, pread64, fd, P(in), 1, -1);
	CALL(run, readv, fd, P(in_vec), -1);
}

static void sizes(struct run *run)
{
	int64_t fd = CALL(run, open, P("a"), O_RDWR | O_CREAT, 0600);
	struct stat st;

	CALL(run, ftruncate, fd, 5000);
	CALL(run, fstat, fd, P(&st));
	note_stat(run, &st);
	CALL(run, truncate, P("a"), 300);
	CALL(run, stat, P("a"), P(&st));
	note_stat(run, &st);
	CALL(run, fallocate, fd, 0, 0, 8192);
	CALL(run, lstat, P("a"), P(&st));
	note_stat(run, &st);
	CALL(run, fallocate, fd, 0x4000, 0, 1);
	CALL(run, ftruncate, fd, -1);
	CALL(run, truncate, P("none"), 1);
	CALL(run, stat, P("none"), P(&st));
	CALL(run, fstat, 99, P(&st));
	CALL(run, fstat, fd, P(1));
	CALL(run, lseek, fd, 0, SEEK_DATA);
}

static void attributes(struct run *run)
{
	struct statx x;
	struct stat st;

	CALL(run, symlink, P("none"), P("l"));
	CALL(run, newfstatat, AT_FDCWD, P("l"), P(&st), AT_SYMLINK_NOFOLLOW);
	note_stat(run, &st);
	CALL(run, newfstatat, AT_FDCWD, P("l"), P(&st), 0);
	memset(&x, 0, sizeof(x));
	CALL(run, statx, AT_FDCWD, P("l"), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, P(&x));
	anycall_note(run, "    mode %o size %llu\n", x.stx_mode, (unsigned long long)x.stx_size);
	CALL(run, statx, AT_FDCWD, P(""), AT_EMPTY_PATH, STATX_MODE, P(&x));
	anycall_note(run, "    mode %o\n", x.stx_mode);
	CALL(run, statx, AT_FDCWD, P("l"), 0x80000000, 0, P(&x));
	CALL(run, statx, AT_FDCWD, P("l"), AT_SYMLINK_NOFOLLOW, 0, P(1));
}

static void written_to_disk(struct run *run)
{
	int64_t fd = CALL(run, open, P("a"), O_RDWR | O_CREAT, 0600);
	uint64_t range[2] = { 0, 4096 };
	uint64_t cached[5] = { 0 };

	CALL(run, write, fd, P("x"), 1);
	CALL(run, fsync, fd);
	CALL(run, fdatasync, fd);
	CALL(run, sync_file_range, fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	CALL(run, sync_file_range, fd, -1, 0, 0);
	CALL(run, fadvise64, fd, 0, 0, POSIX_FADV_WILLNEED);
	CALL(run, fadvise64, fd, 0, 0, 77);
	CALL(run, readahead, fd, 0, 4096);
	CALL(run, cachestat, fd, P(range), P(cached), 0);
	CALL(run, fsync, 99);
	CALL(run, fdatasync, 99);
	CALL(run, syncfs, 99);
}

static void copied(struct run *run)
{
	int64_t from = CALL(run, open, P("a"), O_RDWR | O_CREAT, 0600);
	int64_t to = CALL(run, open, P("b"), O_RDWR | O_CREAT, 0600);
	char in[32] = { 0 };
	int64_t offset = 3;

	CALL(run, write, from, P("0123456789"), 10);
	CALL(run, copy_file_range, from, P(&offset), to, 0, 4, 0);
	anycall_note(run, "    offset %lld\n", (long long)offset);
	CALL(run, sendfile, to, from, P(&offset), 100);
	anycall_note(run, "    offset %lld\n", (long long)offset);
	CALL(run, pread64, to, P(in), sizeof(in), 0);
	anycall_note_bytes(run, "copied", in, sizeof(in));
	CALL(run, copy_file_range, from, 0, 99, 0, 4, 0);
	CALL(run, copy_file_range, from, 0, to, 0, 4, 7);
	CALL(run, sendfile, 99, from, 0, 1);
}

static void descriptors(struct run *run)
{
	int64_t fd = CALL(run, open, P("a"), O_RDWR | O_CREAT, 0600);
	int64_t second = CALL(run, dup, fd);

	CALL(run, dup2, fd, 40);
	CALL(run, dup3, fd, 41, O_CLOEXEC);
	CALL(run, dup3, fd, fd, 0);
	CALL(run, fcntl, fd, F_DUPFD, 50);
	CALL(run, fcntl, 41, F_GETFD);
	CALL(run, fcntl, fd, F_GETFL);
	CALL(run, fcntl, fd, F_SETFL, O_APPEND | O_NONBLOCK);
	CALL(run, fcntl, second, F_GETFL);
	CALL(run, fcntl, fd, 9999, 0);
	CALL(run, fcntl, 99, F_GETFL);
	CALL(run, ioctl, fd, FIOCLEX);
	CALL(run, fcntl, fd, F_GETFD);
	CALL(run, ioctl, fd, 0x5401, P(1));
	CALL(run, close, second);
	CALL(run, close, second);
	CALL(run, close_range, 40, 49, 0);
	CALL(run, fcntl, 41, F_GETFD);
	CALL(run, fcntl, 50, F_GETFD);
	CALL(run, close_range, 9, 8, 0);
	CALL(run, dup, 99);
}

static void locks(struct run *run)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5 };
	struct flock open_lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int64_t a = CALL(run, open, P("a"), O_RDWR | O_CREAT, 0600);
	int64_t b = CALL(run, open, P("a"), O_RDWR);

	CALL(run, flock, a, LOCK_EX);
	CALL(run, flock, b, LOCK_SH | LOCK_NB);
	CALL(run, flock, a, LOCK_UN);
	CALL(run, flock, b, LOCK_SH | LOCK_NB);
	CALL(run, flock, b, 77);
	CALL(run, fcntl, a, F_SETLK, P(&lock));
	CALL(run, fcntl, b, F_GETLK, P(&lock));
	anycall_note(run, "    type %d\n", lock.l_type);
	lock.l_type = F_WRLCK;
	CALL(run, fcntl, b, F_OFD_SETLK, P(&open_lock));
	CALL(run, fcntl, b, F_OFD_GETLK, P(&lock));
	CALL(run, fcntl, a, F_SETLKW, P(&open_lock));
	CALL(run, fcntl, a, F_SETLK, P(1));
}

const struct anycall_case anycall_files[] = {
	{ "opened", opened },
	{ "moved_bytes", moved_bytes },
	{ "sizes", sizes },
	{ "attributes", attributes },
	{ "written_to_disk", written_to_disk },
	{ "copied", copied },
	{ "descriptors", descriptors },
	{ "locks", locks },
	{ NULL, NULL },
};

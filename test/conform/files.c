/* files.c - open, read, write, seek, truncate, times, locks: one open file at a time. */
#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void case_open_flags(void)
{
	int fd;

	T(open("f", O_RDONLY));
	T(fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0751));
	T(open("f", O_RDWR | O_CREAT | O_EXCL, 0600));
	show("f");
	T(write(fd, "hello", 5));
	T(close(fd));
	T(close(fd));
	T(fd = open("f", O_WRONLY | O_CREAT, 0600));
	show("f");
	T(read(fd, &fd, 1));
	close(3);
	T(fd = open("f", O_RDONLY));
	T(write(fd, "x", 1));
	T(ftruncate(fd, 0));
	close(fd);
	T(fd = open("f", O_RDONLY | O_TRUNC));
	show("f");
	close(fd);
	T(open("f", O_RDONLY | O_DIRECTORY));
	T(open("f/", O_RDONLY));
	T(open("new/", O_WRONLY | O_CREAT, 0600));
	T(open(".", O_WRONLY));
	T(open(".", O_RDWR));
	T(open(".", O_RDONLY | O_CREAT, 0600));
	T(open("..", O_WRONLY | O_TRUNC));
	T(fd = open(".", O_RDONLY | O_DIRECTORY));
	T(read(fd, &fd, 1));
	T(close(3));
	symlink("target", "dangling");
	T(open("dangling", O_RDONLY));
	T(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0600));
	T(open("dangling", O_RDONLY | O_NOFOLLOW));
	T(fd = open("dangling", O_WRONLY | O_CREAT, 0604));
	show("target");
	close(fd);
	T(fd = open("dangling", O_RDONLY | O_NOFOLLOW | O_PATH));
	T(read(fd, &fd, 1));
	T(fcntl(3, F_GETFL) & O_PATH ? 1 : 0);
	close(3);
	T(fd = open("f", O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC));
	T(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_CREAT | O_TRUNC));
	T(fcntl(fd, F_GETFD));
	T(fcntl(fd, F_SETFL, O_RDONLY));
	T(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK));
	T(open("f", 3) >= 0);
	T(open("f", O_TMPFILE | O_RDWR, 0600));
}

static void case_lseek(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	char text[16];

	T(write(fd, "0123456789", 10));
	T(lseek(fd, 0, SEEK_CUR));
	T(lseek(fd, 3, SEEK_SET));
	T(read(fd, text, 2));
	say("%.2s", text);
	T(lseek(fd, -2, SEEK_CUR));
	T(lseek(fd, -4, SEEK_CUR));
	T(lseek(fd, 0, SEEK_CUR));
	T(lseek(fd, -1, SEEK_END));
	T(read(fd, text, 16));
	T(read(fd, text, 16));
	T(lseek(fd, 100, SEEK_END));
	T(read(fd, text, 16));
	T(write(fd, "x", 1));
	show("f");
	T(lseek(fd, -1, SEEK_SET));
	T(lseek(fd, 0, 99));
	T(lseek(fd, 0, SEEK_DATA));
	T(lseek(fd, 111, SEEK_DATA));
	T(lseek(fd, 111, SEEK_HOLE));
	T(lseek(fd, 110, SEEK_HOLE));
	T(lseek(999, 0, SEEK_SET));
	T(lseek(open("/dev/null", O_RDONLY), 5, SEEK_SET));
	T(lseek(open(".", O_RDONLY), 0, SEEK_SET));
}

static void case_append_and_positions(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_APPEND, 0600), other = open("f", O_RDWR);
	char text[32];

	T(write(fd, "aaa", 3));
	T(lseek(fd, 0, SEEK_SET));
	T(write(fd, "bbb", 3));
	T(lseek(fd, 0, SEEK_CUR));
	T(pwrite(other, "CC", 2, 1));
	T(lseek(other, 0, SEEK_CUR));
	T(pwrite(fd, "dd", 2, 0)); /* Linux appends all the same */
	show_text("f");
	T(pread(fd, text, 3, 4));
	T(lseek(fd, 0, SEEK_CUR));
	T(pread(fd, text, 3, -1));
	T(pread(fd, text, 10, 100));
	T(pwrite(other, "far", 3, 20));
	show_text("f");
	struct iovec v[3] = { { "1", 1 }, { "", 0 }, { "23", 2 } };
	T(writev(fd, v, 3));
	T(writev(fd, v, 0));
	T(writev(fd, v, -1));
	T(writev(fd, v, 2000));
	T(pwritev(other, v, 3, 0));
	char a[2], b[3];
	struct iovec r[2] = { { a, 2 }, { b, 3 } };
	T(preadv(other, r, 2, 0));
	say("%.2s %.3s", a, b);
	T(pwritev2(other, v, 3, -1, 0));
	T(pwritev2(other, v, 3, 0, RWF_APPEND));
	T(lseek(other, 0, SEEK_CUR));
	show_text("f");
	T(write(fd, "", 0));
	T(read(fd, text, 0));
}

static void case_shared_offsets(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600), copy = dup(fd), status;
	char c = 0;

	T(write(fd, "abcdef", 6));
	T(lseek(copy, 1, SEEK_SET));
	T(read(fd, &c, 1));
	say("%c", c);
	fflush(stdout);
	if (fork() == 0) {
		read(fd, &c, 1);
		_exit(c);
	}
	wait(&status);
	print_status(status);
	T(lseek(fd, 0, SEEK_CUR));
	T(close(fd));
	T(read(copy, &c, 1));
	say("%c", c);
	T(dup(fd));
	T(dup2(copy, 20));
	T(dup2(copy, copy));
	T(dup2(99, 99));
	T(dup2(99, 5));
	T(dup2(copy, -1));
	T(dup2(copy, 1 << 20));
	T(dup3(copy, 21, O_CLOEXEC));
	T(fcntl(21, F_GETFD));
	T(fcntl(20, F_GETFD));
	T(dup3(copy, copy, 0));
	T(dup3(copy, 22, O_APPEND));
	T(fcntl(copy, F_DUPFD, 30));
	T(fcntl(copy, F_DUPFD_CLOEXEC, 30));
	T(fcntl(31, F_GETFD));
	T(fcntl(copy, F_DUPFD, -1));
	T(fcntl(copy, F_DUPFD, 1 << 24));
	T(fcntl(30, F_SETFD, 1));
	T(fcntl(30, F_GETFD));
	T(fcntl(30, F_SETFD, 0));
	T(fcntl(copy, 9999));
	T(fcntl(77, F_GETFL));
	T(close_range(20, 31, 0));
	T(fcntl(20, F_GETFD));
	T(close_range(5, 4, 0));
	T(lseek(copy, 0, SEEK_CUR));
}

static void case_truncate(void)
{
	int fd;

	make_file("f", "0123456789");
	T(truncate("f", 4));
	show_text("f");
	T(truncate("f", 8));
	show_text("f");
	T(truncate("f", -1));
	T(truncate("missing", 0));
	T(truncate(".", 0));
	T(fd = open("f", O_RDWR));
	T(lseek(fd, 6, SEEK_SET));
	T(ftruncate(fd, 2));
	T(write(fd, "end", 3));
	show_text("f");
	T(ftruncate(fd, 1ll << 40));
	show("f");
	T(ftruncate(fd, 0));
	T(ftruncate(999, 0));
	T(ftruncate(open("/dev/null", O_RDWR), 0));
	int p[2];
	T(pipe(p));
	T(ftruncate(p[1], 0));
	T(fallocate(fd, 0, 0, 100));
	show("f");
	T(fallocate(fd, FALLOC_FL_KEEP_SIZE, 100, 5000));
	show("f");
	T(write(fd, "x", 1));
	T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 50));
	T(fallocate(fd, 0, 0, 0));
	T(fallocate(fd, 0, -1, 10));
	T(fallocate(p[1], 0, 0, 10));
	T(posix_fallocate(fd, 0, 300));
	show("f");
}

static void case_sparse(void)
{
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	static char page[4096], back[4096];
	struct stat st;

	memset(page, 'p', sizeof(page));
	T(pwrite(fd, page, 4096, 1 << 30));
	T(pread(fd, back, 4096, (1 << 30) - 2048));
	say("%d %d", back[2047], back[2048]);
	T(pread(fd, back, 4096, 12345));
	say("%d", back[0] | back[4095]);
	fstat(fd, &st);
	say("blocks fewer than size: %d", st.st_blocks * 512 < st.st_size);
	T(lseek(fd, 0, SEEK_DATA) == 1 << 30);
	T(lseek(fd, 0, SEEK_HOLE));
	T(lseek(fd, 1 << 30, SEEK_HOLE) == (1 << 30) + 4096);
	T(ftruncate(fd, (1 << 30) + 10));
	T(ftruncate(fd, (1 << 30) + 4096));
	T(pread(fd, back, 4096, 1 << 30));
	say("%d %d", back[9], back[10]);
	T(pwrite(fd, page, 1, LONG_MAX) < 0);
	T(pwrite(fd, page, 1, 1ll << 50) == 1 || errno == EFBIG);
}

static void print_times(const char *path)
{
	struct stat st;

	stat(path, &st);
	say("%s: atime %jd.%09ld mtime %jd.%09ld", path, (intmax_t)st.st_atim.tv_sec,
	    st.st_atim.tv_nsec, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static int newer(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static void case_times(void)
{
	struct timespec t[2] = { { 100, 5 }, { 200, 7 } };
	struct timeval v[2] = { { 300, 9 }, { 400, 11 } };
	struct stat before, after;
	int fd;

	make_file("f", "x");
	symlink("f", "l");
	T(utimensat(AT_FDCWD, "f", t, 0));
	print_times("f");
	t[0].tv_nsec = UTIME_OMIT;
	t[1].tv_sec = 250;
	T(utimensat(AT_FDCWD, "l", t, 0));
	print_times("f");
	T(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW));
	print_times("f");
	T(utimes("f", v));
	print_times("f");
	T(fd = open("f", O_RDWR));
	T(futimens(fd, t));
	print_times("f");
	t[1].tv_nsec = UTIME_NOW;
	T(futimens(fd, t));
	stat("f", &before);
	say("now: %d", before.st_mtim.tv_sec > 1500000000);
	t[1].tv_nsec = 1000000000;
	T(futimens(fd, t));
	T(utimensat(AT_FDCWD, "missing", NULL, 0));
	T(utimensat(AT_FDCWD, "f", NULL, 0x4000));
	sleep_ms(20);
	T(write(fd, "y", 1));
	stat("f", &after);
	say("write moves mtime %d ctime %d", newer(&after.st_mtim, &before.st_mtim),
	    newer(&after.st_ctim, &before.st_ctim));
	before = after;
	sleep_ms(20);
	T(chmod("f", 0600));
	stat("f", &after);
	say("chmod moves mtime %d ctime %d", newer(&after.st_mtim, &before.st_mtim),
	    newer(&after.st_ctim, &before.st_ctim));
	stat(".", &before);
	sleep_ms(20);
	make_file("g", "");
	stat(".", &after);
	say("a new name moves the folder's mtime %d", newer(&after.st_mtim, &before.st_mtim));
	before = after;
	sleep_ms(20);
	T(rename("g", "h"));
	stat(".", &after);
	say("rename moves the folder's mtime %d", newer(&after.st_mtim, &before.st_mtim));
	stat("h", &before);
	sleep_ms(20);
	T(link("h", "i"));
	stat("h", &after);
	say("link moves ctime %d mtime %d", newer(&after.st_ctim, &before.st_ctim),
	    newer(&after.st_mtim, &before.st_mtim));
}

static void case_stat_fields(void)
{
	struct stat a, b;
	struct statx x;
	struct statvfs v;

	make_file("f", "12345");
	T(stat("f", &a));
	T(link("f", "g"));
	T(stat("g", &b));
	say("same inode %d same device %d links %ju size %jd", a.st_ino == b.st_ino,
	    a.st_dev == b.st_dev, (uintmax_t)b.st_nlink, (intmax_t)b.st_size);
	T(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
	say("statx size %ju mode %o links %u ino %d", (uintmax_t)x.stx_size, x.stx_mode,
	    x.stx_nlink, x.stx_ino == b.st_ino);
	T(statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x));
	T(statx(AT_FDCWD, "", 0, STATX_BASIC_STATS, &x));
	T(statx(open("f", O_RDONLY), "", AT_EMPTY_PATH, STATX_SIZE, &x));
	T(fstatat(AT_FDCWD, "f", &a, 0x40000));
	T(statvfs(".", &v));
	say("block size %d names %ju", v.f_bsize >= 512, (uintmax_t)v.f_namemax);
	T(fstatvfs(0, &v));
	T(statvfs("missing", &v));
	T(stat("/dev/null", &a));
	say("null is %d:%d", (int)(a.st_rdev >> 8), (int)(a.st_rdev & 255));
	T(lstat("/proc/self", &a));
	say("/proc/self is a link %d", S_ISLNK(a.st_mode));
	T(fstat(999, &a));
}

static void case_temporary_files(void)
{
	int fd;
	char path[40];
	struct stat st;

	T(fd = open(".", O_TMPFILE | O_RDWR, 0640));
	T(write(fd, "temporary", 9));
	T(fstat(fd, &st));
	say("links %ju size %jd mode %o", (uintmax_t)st.st_nlink, (intmax_t)st.st_size, st.st_mode);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	T(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	show("named");
	show_text("named");
	T(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	T(close(fd));
	T(open(".", O_TMPFILE | O_RDONLY, 0600));
	T(fd = open(".", O_TMPFILE | O_WRONLY | O_EXCL, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	T(linkat(AT_FDCWD, path, AT_FDCWD, "refused", AT_SYMLINK_FOLLOW));
	T(open("missing", O_TMPFILE | O_RDWR, 0600));
	T(fd = memfd_create("m", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	T(ftruncate(fd, 10));
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	T(ftruncate(fd, 5));
	T(fcntl(fd, F_GET_SEALS));
}

static void case_copying(void)
{
	make_file("from", "0123456789");
	int in = open("from", O_RDONLY), out = open("to", O_RDWR | O_CREAT, 0600), p[2];
	off_t at = 2, to = 5;
	char text[20];

	T(pipe(p));
	T(sendfile(out, in, NULL, 4));
	T(sendfile(out, in, &at, 100));
	say("offset %ld", (long)at);
	T(lseek(in, 0, SEEK_CUR));
	show_text("to");
	T(sendfile(p[1], in, NULL, 3));
	T(read(p[0], text, 20));
	T(sendfile(out, p[0], NULL, 3));
	T(sendfile(in, out, NULL, 3));
	at = 0;
	T(copy_file_range(in, &at, out, &to, 5, 0));
	say("offsets %ld %ld", (long)at, (long)to);
	show_text("to");
	T(copy_file_range(in, NULL, out, NULL, 5, 1));
	T(copy_file_range(out, NULL, in, NULL, 5, 0));
	T(copy_file_range(in, NULL, p[1], NULL, 5, 0));
	T(fsync(out));
	T(fdatasync(out));
	T(fsync(p[0]));
	T(fsync(999));
	T(posix_fadvise(in, 0, 0, POSIX_FADV_SEQUENTIAL));
	T(posix_fadvise(p[0], 0, 0, POSIX_FADV_SEQUENTIAL));
	T(syncfs(out));
}

static void case_attributes(void)
{
	char text[100];
	ssize_t n;

	make_file("f", "x");
	T(setxattr("f", "user.a", "value", 5, 0));
	T(setxattr("f", "user.a", "other", 5, XATTR_CREATE));
	T(setxattr("f", "user.b", "other", 5, XATTR_REPLACE));
	T(n = getxattr("f", "user.a", text, sizeof(text)));
	say("%.*s", (int)n, text);
	T(getxattr("f", "user.a", text, 0));
	T(getxattr("f", "user.a", text, 2));
	T(getxattr("f", "user.none", text, 2));
	T(setxattr("f", "user.a", "", 0, 0));
	T(getxattr("f", "user.a", text, 10));
	T(removexattr("f", "user.a"));
	T(removexattr("f", "user.a"));
	T(setxattr("f", "other.x", "", 0, 0));
	T(setxattr("f", "user.", "", 0, 0));
	T(setxattr("missing", "user.a", "", 0, 0));
	symlink("f", "l");
	T(lsetxattr("l", "user.a", "", 0, 0));
	T(fsetxattr(open("f", O_RDONLY), "user.fd", "1", 1, 0));
	T(getxattr("l", "user.fd", text, 10));
	T(listxattr("f", text, 0) > 0);
}

static int try_lock(int fd, int command, short type, off_t start, off_t length)
{
	struct flock l = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};

	return fcntl(fd, command, &l);
}

static int lock_fd;

static void lock_in_child(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0 };

	T(try_lock(lock_fd, F_SETLK, F_RDLCK, 5, 1));
	T(try_lock(lock_fd, F_SETLK, F_WRLCK, 5, 1));
	T(try_lock(lock_fd, F_SETLK, F_WRLCK, 50, 1));
	T(fcntl(lock_fd, F_GETLK, &l));
	say("type %d start %ld length %ld by parent %d", l.l_type, (long)l.l_start, (long)l.l_len,
	    l.l_pid == getppid());
}

static void case_record_locks(void)
{
	T(lock_fd = open("f", O_RDWR | O_CREAT, 0600));
	T(try_lock(lock_fd, F_SETLK, F_RDLCK, 0, 10));
	in_child(lock_in_child);
	T(try_lock(lock_fd, F_SETLK, F_WRLCK, 5, 10));
	in_child(lock_in_child);
	T(try_lock(lock_fd, F_SETLK, F_UNLCK, 5, 3));
	in_child(lock_in_child);
	T(try_lock(lock_fd, F_SETLK, 99, 0, 1));
	T(try_lock(lock_fd, F_SETLK, F_WRLCK, -5, 1));
	T(try_lock(open("f", O_RDONLY), F_SETLK, F_WRLCK, 0, 1));
	T(try_lock(open("f", O_WRONLY), F_SETLK, F_RDLCK, 0, 1));
	T(try_lock(lock_fd, F_OFD_SETLK, F_WRLCK, 100, 1));
	T(try_lock(open("f", O_RDWR), F_OFD_SETLK, F_WRLCK, 100, 1));
	int a = open("f", O_RDWR), b = open("f", O_RDWR);
	T(flock(a, LOCK_SH));
	T(flock(b, LOCK_SH | LOCK_NB));
	T(flock(b, LOCK_EX | LOCK_NB));
	T(flock(a, LOCK_UN));
	T(flock(b, LOCK_EX | LOCK_NB));
	T(flock(dup(b), LOCK_UN));
	T(flock(a, LOCK_EX | LOCK_NB));
	T(flock(a, 77));
}

static void case_limits(void)
{
	int fd, count = 0;

	T(fd = open("/dev/full", O_RDWR));
	T(write(fd, "x", 1));
	T(read(fd, &count, 4));
	say("%d", count);
	T(ioctl(fd, 0x5401, &count));
	T(ioctl(open(".", O_RDONLY), FIONREAD, &count));
	make_file("f", "12345");
	T(ioctl(fd = open("f", O_RDONLY), FIONREAD, &count));
	say("%d", count);
	count = 1;
	T(ioctl(fd, FIONBIO, &count));
	T(fcntl(fd, F_GETFL) & O_NONBLOCK ? 1 : 0);
	T(ioctl(fd, FIOCLEX, 0));
	T(fcntl(fd, F_GETFD));
	T(ioctl(999, FIONREAD, &count));
	T(isatty(fd));
	for (count = 0; open("f", O_RDONLY) >= 0; count++)
		;
	say("out of descriptors after some: %d %s", count > 50, strerrorname_np(errno));
	T(dup(0));
	int p[2];
	T(pipe(p));
	T(close_range(3, ~0u, 0));
	T(open("f", O_RDONLY));
}

const struct conform_case file_cases[] = {
	CASE(open_flags),     CASE(lseek),	 CASE(append_and_positions),
	CASE(shared_offsets), CASE(truncate),	 CASE(sparse),
	CASE(times),	      CASE(stat_fields), CASE(temporary_files),
	CASE(copying),	      CASE(attributes),	 CASE(record_locks),
	CASE(limits),	      { NULL, NULL },
};

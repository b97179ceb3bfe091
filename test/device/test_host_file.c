/*
 * test_host_file.c - what host.h promises of files: the same answers as the host's
 * own calls, and no trip to an executor where none is needed.
 */
#include "test/device/device_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_SIZE ((size_t)300 * 1024 + 123)
#define TRIPS "calls host"

static char dir_path[] = "/tmp/hascall-device-XXXXXX";
static int dir_fd;
static unsigned char content[FILE_SIZE], seen[FILE_SIZE + 4096];

static void make_file(const char *name, const void *bytes, size_t size)
{
	int fd = openat(dir_fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, bytes, size), size);
	CHECK_INT(fsync(fd), 0);
	close(fd);
}

static void begin_files(void)
{
	CHECK(mkdtemp(dir_path) != NULL);
	dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dir_fd >= 0);
	for (size_t i = 0; i < FILE_SIZE; i++)
		content[i] = (unsigned char)(i * 2654435761u >> 13);
	make_file("large", content, FILE_SIZE);
	make_file("small", "0123456789", 10);
	CHECK_INT(symlinkat("small", dir_fd, "link"), 0);
	CHECK_INT(mkfifoat(dir_fd, "fifo", 0600), 0);
	begin_device(NULL);
}

static void end_files(void)
{
	static const char *const names[] = { "large", "small", "link", "fifo", "new" };

	end_device();
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		unlinkat(dir_fd, names[i], 0);
	close(dir_fd);
	CHECK_INT(rmdir(dir_path), 0);
}

/* Opening. */

static void open_things(void *arg) MAY_YIELD;
static void open_things(void *arg)
{
	struct stat st;
	int fd;

	(void)arg;
	fd = host_openat(dir_fd, "small", O_RDONLY, 0);
	CHECK(fd >= 0);
	CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
	host_close(fd);
	host_close(-1);
	CHECK_INT(host_openat(dir_fd, "nothing", O_RDONLY, 0), -ENOENT);
	CHECK_INT(host_openat(dir_fd, "link", O_RDONLY, RESOLVE_NO_SYMLINKS), -ELOOP);
	CHECK_INT(host_openat(dir_fd, "../x", O_RDONLY, RESOLVE_BENEATH), -EXDEV);
	CHECK_INT(host_openat(9999, "x", O_RDONLY, 0), -EBADF);

	fd = host_openat(dir_fd, "small", O_PATH | O_NOFOLLOW, 0);
	CHECK(fd >= 0);
	CHECK_INT(fstat(fd, &st), 0);
	host_close(fd);

	fd = host_openat(dir_fd, "fifo", O_RDONLY, 0); /* nobody writes: would wait */
	CHECK(fd >= 0);
	host_close(fd);
}

static void opening_answers_as_the_host_does(void)
{
	begin_files();
	run_task(open_things, NULL);
	end_files();
}

static void open_cached(void *arg) MAY_YIELD;
static void open_cached(void *arg)
{
	int fd;

	(void)arg;
	fd = host_openat_cached(dir_fd, "small", O_RDONLY, 0);
	CHECK(fd >= 0);
	host_close(fd);
	fd = host_openat(dir_fd, "small", O_RDONLY, 0);
	CHECK(fd >= 0);
	host_close(fd);
	CHECK_INT(count_in(seen_trace(), TRIPS), 0);
	/* To create is never cached. */
	CHECK_INT(host_openat_cached(dir_fd, "new", O_RDONLY | O_CREAT, 0), -EAGAIN);
	fd = host_openat(dir_fd, "small", O_RDWR | O_TRUNC, 0);
	CHECK(fd >= 0);
	host_close(fd);
	CHECK_INT(count_in(seen_trace(), TRIPS), 1);
}

static void cached_names_are_opened_without_a_trip(void)
{
	begin_files();
	run_task(open_cached, NULL);
	end_files();
}

/* Reading and writing. */

static void check_read(int fd, size_t size, size_t offset) MAY_YIELD;
static void check_read(int fd, size_t size, size_t offset)
{
	size_t left = offset < FILE_SIZE ? FILE_SIZE - offset : 0;
	size_t wanted = size < left ? size : left;

	memset(seen, 0xa5, sizeof(seen));
	CHECK_INT(host_pread(fd, seen, size, offset), wanted);
	CHECK(memcmp(seen, content + (offset < FILE_SIZE ? offset : 0), wanted) == 0);
	CHECK_INT(seen[wanted], 0xa5);
}

static void read_in_many_ways(int fd) MAY_YIELD;
static void read_in_many_ways(int fd)
{
	check_read(fd, FILE_SIZE, 0);
	check_read(fd, FILE_SIZE + 1000, 0);
	check_read(fd, 1, 4095);
	check_read(fd, 8192, FILE_SIZE - 10);
	check_read(fd, 10, FILE_SIZE);
	check_read(fd, 10, FILE_SIZE + 5000);
	check_read(fd, 0, 0);
}

static void read_cached_and_uncached(void *arg) MAY_YIELD;
static void read_cached_and_uncached(void *arg)
{
	int fd = host_openat(dir_fd, "large", O_RDONLY, 0);

	(void)arg;
	CHECK(fd >= 0);
	check_read(fd, FILE_SIZE, 0); /* now it is in the host's cache */
	read_in_many_ways(fd);
	/* Cached in parts: the reads go back and forth between here and an executor. */
	for (int i = 0; i < 5; i++) {
		CHECK_INT(posix_fadvise(fd, i * 65536, 40000, POSIX_FADV_DONTNEED), 0);
		read_in_many_ways(fd);
	}
	CHECK_INT(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	read_in_many_ways(fd);
	CHECK_INT(host_pread(fd, seen, 1, UINT64_MAX), -EINVAL);
	host_close(fd);
	CHECK_INT(host_pread(fd, seen, 1, 0), -EBADF);
}

static void reading_gives_the_files_bytes_cached_or_not(void)
{
	begin_files();
	run_task(read_cached_and_uncached, NULL);
	end_files();
}

static void read_warm(void *arg) MAY_YIELD;
static void read_warm(void *arg)
{
	int fd = host_openat(dir_fd, "large", O_RDONLY, 0);

	(void)arg;
	CHECK(fd >= 0);
	check_read(fd, FILE_SIZE, 0);
	seen_trace();
	check_read(fd, FILE_SIZE, 0);
	if (count_in(seen_trace(), TRIPS) > 0)
		SKIP("the file system of /tmp cannot tell what it has cached");
	host_close(fd);
}

static void cached_bytes_are_read_without_a_trip(void)
{
	begin_files();
	run_task(read_warm, NULL);
	end_files();
}

static void write_and_read(void *arg) MAY_YIELD;
static void write_and_read(void *arg)
{
	int fd = *(int *)arg;

	CHECK_INT(host_pwrite(fd, content, FILE_SIZE, 0), FILE_SIZE);
	read_in_many_ways(fd);
	content[70000]++;
	CHECK_INT(host_pwrite(fd, content + 70000, 1, 70000), 1);
	read_in_many_ways(fd);
	CHECK_INT(host_pwrite(fd, content, 0, 0), 0);
	CHECK_INT(host_pwrite(fd, content, 1, UINT64_MAX), -EINVAL);
	CHECK_INT(host_pwrite(9999, content, 1, 0), -EBADF);
}

static void what_was_written_is_read(void)
{
	int fd;

	begin_files();
	fd = openat(dir_fd, "new", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	run_task(write_and_read, &fd);
	close(fd);
	fd = memfd_create("memory", MFD_CLOEXEC);
	CHECK(fd >= 0);
	run_task(write_and_read, &fd);
	close(fd);
	end_files();
}

/* Attributes, links, entries. */

static void look_around(bool quick) MAY_YIELD;
static void look_around(bool quick)
{
	char target[64];
	struct statx a;

	CHECK_INT(host_statx_at(dir_fd, "large", 0, STATX_BASIC_STATS, quick, &a), 0);
	CHECK_INT(a.stx_size, FILE_SIZE);
	CHECK_INT(host_statx_at(dir_fd, "link", AT_SYMLINK_NOFOLLOW, STATX_TYPE, quick, &a), 0);
	CHECK(S_ISLNK(a.stx_mode));
	CHECK_INT(host_statx_at(dir_fd, "nothing", 0, STATX_TYPE, quick, &a), -ENOENT);
	CHECK_INT(host_readlinkat(dir_fd, "link", quick, target, sizeof(target)), 5);
	CHECK(memcmp(target, "small", 5) == 0);
	CHECK_INT(host_readlinkat(dir_fd, "small", quick, target, sizeof(target)), -EINVAL);
}

struct entry {
	uint64_t ino;
	int64_t offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

static unsigned int list(bool quick) MAY_YIELD;
static unsigned int list(bool quick)
{
	int fd = host_openat(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	static _Alignas(8) char buf[128]; /* several calls are needed */
	unsigned int count = 0;
	ssize_t size;

	CHECK(fd >= 0);
	while ((size = host_getdents(fd, quick, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < size; count++)
			at += ((struct entry *)(void *)(buf + at))->size;
	CHECK_INT(size, 0);
	host_close(fd);
	return count;
}

static void look_here_and_there(void *arg) MAY_YIELD;
static void look_here_and_there(void *arg)
{
	struct statx a;

	(void)arg;
	look_around(true);
	CHECK_INT(list(true), 6);
	CHECK_INT(count_in(seen_trace(), TRIPS), 0);
	look_around(false);
	CHECK_INT(list(false), 6);
	CHECK(count_in(seen_trace(), TRIPS) >= 7);
	CHECK_INT(host_statx(dir_fd, STATX_TYPE, &a), 0);
	CHECK(S_ISDIR(a.stx_mode));
	CHECK_INT(host_statx(9999, STATX_TYPE, &a), -EBADF);
	CHECK_INT(host_getdents(9999, true, &a, sizeof(a)), -EBADF);
	CHECK_INT(count_in(seen_trace(), TRIPS), 0);
}

static void names_and_entries_are_the_same_made_here_or_there(void)
{
	begin_files();
	run_task(look_here_and_there, NULL);
	end_files();
}

static void ask_for_speed(void *arg) MAY_YIELD;
static void ask_for_speed(void *arg)
{
	int proc = open("/proc", O_RDONLY | O_CLOEXEC);
	int pipe_fds[2];

	(void)arg;
	CHECK_INT(pipe(pipe_fds), 0);
	CHECK(proc >= 0);
	CHECK(host_is_quick(proc));
	CHECK_INT(count_in(seen_trace(), TRIPS), 1);
	CHECK(host_is_quick(proc));
	CHECK_INT(count_in(seen_trace(), TRIPS), 0);
	CHECK(!host_is_quick(pipe_fds[0])); /* not listed */
	CHECK(!host_is_quick(9999));
	close(proc);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void the_speed_of_a_file_system_is_asked_once(void)
{
	begin_device(NULL);
	run_task(ask_for_speed, NULL);
	end_device();
}

static const struct test tests[] = {
	TEST(opening_answers_as_the_host_does),
	TEST(cached_names_are_opened_without_a_trip),
	TEST(reading_gives_the_files_bytes_cached_or_not),
	TEST(cached_bytes_are_read_without_a_trip),
	TEST(what_was_written_is_read),
	TEST(names_and_entries_are_the_same_made_here_or_there),
	TEST(the_speed_of_a_file_system_is_asked_once),
};
TEST_MAIN(tests)

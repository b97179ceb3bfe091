/* SPDX-License-Identifier: MIT */
/*
 * test_file.c - what file.h promises of open files in general: positions, appending,
 * directories, devices by number, O_PATH, memfd, limits.
 */
#include "test/file/file_test.h"

#include <dirent.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void positions(void *arg) MAY_YIELD;
static void positions(void *arg)
{
	struct file *f = open_path("/a", O_RDWR | O_CREAT);
	struct vfs_attr attr;
	int left = 0;
	char buf[16];

	(void)arg;
	CHECK_INT(file_write(f, "0123456789", 10), 10);
	CHECK_INT(file_seek(f, 0, SEEK_CUR), 10);
	CHECK_INT(file_seek(f, -4, SEEK_END), 6);
	CHECK_INT(file_ioctl(f, FIONREAD, &left, 0), 0);
	CHECK_INT(left, 4);
	CHECK_INT(file_read(f, buf, 16), 4);
	CHECK(memcmp(buf, "6789", 4) == 0);
	CHECK_INT(file_pread(f, buf, 2, 3), 2);
	CHECK(memcmp(buf, "34", 2) == 0);
	CHECK_INT(file_seek(f, 0, SEEK_CUR), 10); /* pread leaves it */
	CHECK_INT(file_pwrite(f, "xy", 2, 1), 2);
	CHECK_INT(file_seek(f, -11, SEEK_CUR), -EINVAL);
	CHECK_INT(file_seek(f, 0, 99), -EINVAL);
	CHECK_INT(file_seek(f, 100, SEEK_SET), 100);
	CHECK_INT(file_read(f, buf, 1), 0);
	CHECK_INT(file_seek(f, 100, SEEK_DATA), -ENXIO);
	CHECK_INT(file_pread(f, buf, 1, UINT64_MAX), -EINVAL);
	CHECK_INT(file_getattr(f, &attr), 0);
	CHECK_INT(attr.size, 10);
	CHECK_INT(file_sync(f, false), 0);
	CHECK_INT(file_inode(f)->write_opens, 1);
	CHECK_INT(file_poll(f, NULL) & (POLLIN | POLLOUT), POLLIN | POLLOUT);
	file_put(f);
	f = open_path("/a", O_RDONLY);
	CHECK_INT(file_inode(f)->write_opens, 0);
	CHECK_INT(file_write(f, "x", 1), -EBADF);
	CHECK_INT(file_fallocate(f, 0, 0, 100), -EBADF);
	file_put(f);
	f = open_path("/a", O_WRONLY);
	CHECK_INT(file_read(f, buf, 1), -EBADF);
	file_put(f);
}

static void a_regular_file_has_a_position(void)
{
	begin_files();
	run_task(positions, NULL);
	end_files();
}

static void append_lines(void *arg) MAY_YIELD;
static void append_lines(void *arg)
{
	struct file *f = open_path("/log", O_WRONLY | O_CREAT | O_APPEND);

	for (unsigned int i = 0; i < 50; i++) {
		CHECK_INT(file_write(f, arg, 4), 4);
		task_yield();
	}
	CHECK_INT(file_pwrite(f, arg, 4, 0), 4); /* at the end all the same, as on Linux */
	file_put(f);
}

static void check_log(void *arg) MAY_YIELD;
static void check_log(void *arg)
{
	struct file *f = open_path("/log", O_RDONLY);
	char line[4];
	unsigned int count = 0;

	(void)arg;
	while (file_read(f, line, 4) == 4) {
		CHECK(memcmp(line, "aaa\n", 4) == 0 || memcmp(line, "bbb\n", 4) == 0);
		count++;
	}
	CHECK_INT(count, 102);
	file_put(f);
}

static void appenders_do_not_overwrite_each_other(void)
{
	char a[] = "aaa\n", b[] = "bbb\n";

	begin_files();
	spawn("a", append_lines, a);
	spawn("b", append_lines, b);
	CHECK_INT(sched_run_until_idle(), 0);
	run_task(check_log, NULL);
	end_files();
}

static unsigned int count_names(const char *buf, ssize_t size, char *last, size_t last_size)
{
	unsigned int count = 0;

	for (ssize_t at = 0; at < size;) {
		struct dirent64 d;

		memcpy(&d, buf + at, offsetof(struct dirent64, d_name));
		CHECK(d.d_reclen % 8 == 0 && d.d_reclen <= size - at);
		strncpy(last, buf + at + offsetof(struct dirent64, d_name), last_size - 1);
		at += d.d_reclen;
		count++;
	}
	return count;
}

static void directory(void *arg) MAY_YIELD;
static void directory(void *arg)
{
	static char buf[4096], last[300], first[300], again[300];
	unsigned int count = 0;
	struct file *f;
	int64_t middle;
	ssize_t r;

	(void)arg;
	CHECK_INT(vfs_mkdir(&test_view, NULL, "/d", 0755), 0);
	for (unsigned int i = 0; i < 40; i++) {
		char name[] = "/d/nnnnnnnnnnnnnnnnnn00";

		name[sizeof(name) - 3] = (char)('0' + i / 10);
		name[sizeof(name) - 2] = (char)('0' + i % 10);
		file_put(open_path(name, O_WRONLY | O_CREAT));
	}
	f = open_path("/d", O_RDONLY | O_DIRECTORY);
	CHECK_INT(file_read(f, buf, 1), -EISDIR);
	CHECK_INT(file_getdents(f, buf, 23), -EINVAL); /* not even "." fits */
	memset(buf, 0x55, sizeof(buf));
	CHECK_INT(file_getdents(f, buf, 48), 48); /* "." and ".." */
	CHECK_INT(memcmp(buf + 19, ".\0\0\0\0", 5), 0);
	CHECK_INT(memcmp(buf + 24 + 19, "..\0\0\0", 5), 0);
	CHECK_INT(buf[48], 0x55);
	CHECK_INT(count_names(buf, 48, last, sizeof(last)), 2);
	CHECK_STR(last, "..");
	CHECK_INT(file_getdents(f, buf, 39), -EINVAL);
	CHECK_INT(file_getdents(f, buf, 79), 40); /* one, the second does not fit */
	count_names(buf, 40, first, sizeof(first));
	count = 1;
	middle = file_seek(f, 0, SEEK_CUR);
	while ((r = file_getdents(f, buf, 200)) > 0)
		count += count_names(buf, r, last, sizeof(last));
	CHECK_INT(r, 0);
	CHECK_INT(count, 40);
	CHECK_INT(file_seek(f, middle, SEEK_SET), middle); /* seekdir */
	CHECK(file_getdents(f, buf, sizeof(buf)) > 0);
	CHECK_INT(file_seek(f, 0, SEEK_SET), 0); /* rewinddir */
	r = file_getdents(f, buf, sizeof(buf));
	CHECK_INT(count_names(buf, r, again, sizeof(again)), 42);
	CHECK_STR(again, last);
	CHECK_INT(vfs_mkdir(&test_view, NULL, "/e", 0755), 0);
	file_put(f);
	f = open_path("/e", O_RDONLY);
	CHECK_INT(vfs_rmdir(&test_view, NULL, "/e"), 0);
	CHECK_INT(file_getdents(f, buf, sizeof(buf)), -ENOENT);
	file_put(f);
	f = open_path("/a", O_RDWR | O_CREAT);
	CHECK_INT(file_getdents(f, buf, sizeof(buf)), -ENOTDIR);
	file_put(f);
}

static void a_directory_is_read_in_pieces_and_again(void)
{
	begin_files();
	run_task(directory, NULL);
	end_files();
}

static int open_device(unsigned int device_major, unsigned int device_minor, struct file **ret)
	MAY_YIELD
{
	int r;

	CHECK_INT(vfs_mknod(&test_view, NULL, "/device", S_IFCHR | 0666,
			    makedev(device_major, device_minor)),
		  0);
	r = try_open("/device", O_RDWR, ret);
	CHECK_INT(vfs_unlink(&test_view, NULL, "/device"), 0);
	return r;
}

static void devices(void *arg) MAY_YIELD;
static void devices(void *arg)
{
	uint64_t a = 1, b = 1;
	struct file *f;

	(void)arg;
	CHECK_INT(open_device(1, 3, &f), 0);
	CHECK_INT(file_read(f, &a, 8), 0);
	CHECK_INT(file_write(f, &a, 8), 8);
	CHECK_INT(file_seek(f, 1000, SEEK_END), 0);
	file_put(f);
	CHECK_INT(open_device(1, 5, &f), 0);
	CHECK_INT(file_read(f, &a, 8), 8);
	CHECK_INT(a, 0);
	file_put(f);
	CHECK_INT(open_device(1, 7, &f), 0);
	CHECK_INT(file_write(f, &a, 8), -ENOSPC);
	file_put(f);
	CHECK_INT(open_device(1, 9, &f), 0);
	CHECK_INT(file_read(f, &a, 8), 8);
	CHECK_INT(file_pread(f, &b, 8, 4), 8);
	CHECK(a != b);
	file_put(f);
	CHECK_INT(open_device(1, 1, &f), -ENXIO); /* memory of the machine */
	CHECK_INT(open_device(8, 0, &f), -ENXIO);
	CHECK_INT(open_device(5, 0, &f), -ENXIO); /* no terminal here */
}

static void devices_are_known_by_number(void)
{
	begin_files();
	run_task(devices, NULL);
	end_files();
}

static void names_only(void *arg) MAY_YIELD;
static void names_only(void *arg)
{
	struct vfs_attr attr;
	struct file *f, *again;
	char buf[4];

	(void)arg;
	file_put(open_path("/a", O_RDWR | O_CREAT));
	f = open_path("/a", O_PATH | O_RDWR);
	CHECK_INT(file_getattr(f, &attr), 0);
	CHECK_INT(file_read(f, buf, 1), -EBADF);
	CHECK_INT(file_write(f, buf, 1), -EBADF);
	CHECK_INT(file_seek(f, 0, SEEK_SET), -EBADF);
	CHECK_INT(file_ioctl(f, FIONREAD, buf, 0), -EBADF);
	CHECK_INT(file_sync(f, false), -EBADF);
	CHECK_INT(file_set_flags(f, 0), -EBADF);
	CHECK_INT(file_lock_flock(f, 1), -EBADF);
	CHECK_INT(file_poll(f, NULL), POLLNVAL);
	CHECK_INT(file_reopen(f, O_RDWR, &again), 0);
	CHECK_INT(file_write(again, "ok", 2), 2);
	file_put(again);
	file_put(f);
}

static void o_path_is_a_name_and_nothing_else(void)
{
	begin_files();
	run_task(names_only, NULL);
	end_files();
}

static void unnamed(void *arg) MAY_YIELD;
static void unnamed(void *arg)
{
	struct vfs_mapping map;
	struct vfs_attr attr;
	struct file *f;
	char byte = 0;

	(void)arg;
	CHECK_INT(memfd_file_new("name", 077777, &f), -EINVAL);
	CHECK_INT(memfd_file_new("name", MFD_CLOEXEC, &f), 0);
	CHECK_INT(file_pwrite(f, "z", 1, 99999), 1);
	CHECK_INT(file_getattr(f, &attr), 0);
	CHECK_INT(attr.size, 100000);
	CHECK_INT(attr.uid, 1000);
	CHECK_INT(attr.nlink, 0);
	CHECK_INT(file_map(f, true, &map), 0);
	CHECK_INT(pread(map.host_fd, &byte, 1, 99999), 1);
	CHECK_INT(byte, 'z');
	file_put(f);
}

static void a_memfd_is_a_file_that_can_be_mapped(void)
{
	begin_files();
	run_task(unnamed, NULL);
	end_files();
}

static void fill_up(void *arg) MAY_YIELD;
static void fill_up(void *arg)
{
	static struct file *all[FILE_LIMIT];
	struct file *one, *two[2];

	(void)arg;
	for (unsigned int i = 0; i < FILE_LIMIT - 1; i++)
		CHECK_INT(eventfd_new(0, 0, &all[i]), 0);
	CHECK_INT(pipe_new(0, two), -ENFILE);
	CHECK_INT(socketpair_new(1, 0, two), -ENFILE);
	CHECK_INT(epoll_new(0, &one), 0);
	CHECK_INT(try_open("/a", O_RDWR | O_CREAT, &two[0]), -ENFILE);
	CHECK_INT(timerfd_new(1, 0, &two[0]), -ENFILE);
	file_put(one);
	for (unsigned int i = 0; i < FILE_LIMIT - 1; i++)
		file_put(all[i]);
}

static void the_limit_of_open_files_is_enfile(void)
{
	begin_files();
	run_task(fill_up, NULL);
	end_files();
}

static const struct test tests[] = {
	TEST(a_regular_file_has_a_position),	       TEST(appenders_do_not_overwrite_each_other),
	TEST(a_directory_is_read_in_pieces_and_again), TEST(devices_are_known_by_number),
	TEST(o_path_is_a_name_and_nothing_else),       TEST(a_memfd_is_a_file_that_can_be_mapped),
	TEST(the_limit_of_open_files_is_enfile),
};
TEST_MAIN(tests)

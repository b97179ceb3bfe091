#include "test/ext4/data_image.h"

#include "device/disk.h"
#include "task/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (1u << 20)
#define NOW_S UINT64_C(1700000000)

struct ext4 *fs;
struct disk *image_disk;
uint64_t image_seed;

static char path[64];
static uint64_t image_size;

uint32_t image_random(uint32_t below)
{
	image_seed = image_seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((image_seed >> 33) % below);
}

/* ---- between the disk in memory and a file. */

static bool is_zero(const char *bytes, size_t size)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static void load(void) MAY_YIELD
{
	char *buf = malloc(CHUNK);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(buf && fd >= 0);
	for (uint64_t at = 0; at < image_size; at += CHUNK) {
		size_t part = image_size - at < CHUNK ? image_size - at : CHUNK;

		CHECK_INT(pread(fd, buf, part, (off_t)at), part);
		if (!is_zero(buf, part))
			CHECK_INT(disk_write(image_disk, buf, part, at), 0);
	}
	close(fd);
	free(buf);
}

static void save(void) MAY_YIELD
{
	char *buf = malloc(CHUNK);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	CHECK(buf && fd >= 0);
	for (uint64_t at = 0; at < image_size; at += CHUNK) {
		size_t part = image_size - at < CHUNK ? image_size - at : CHUNK;

		CHECK_INT(disk_read(image_disk, buf, part, at), 0);
		if (!is_zero(buf, part))
			CHECK_INT(pwrite(fd, buf, part, (off_t)at), part);
	}
	CHECK_INT(ftruncate(fd, (off_t)image_size), 0);
	close(fd);
	free(buf);
}

static void command(const char *format, const char *options) PRINTF_LIKE(1, 0);
static void command(const char *format, const char *options)
{
	char text[256];

	snprintf(text, sizeof(text), format, options, path);
	if (system(text) != 0) /* NOLINT */
		test_fail(__FILE__, __LINE__, "%s", text);
}

void image_judge(void)
{
	save();
	command("PATH=$PATH:/sbin:/usr/sbin; e2fsck -fn %s %s >/tmp/e2fsck.$$ 2>&1 && rm /tmp/e2fsck.$$ || "
		"{ sed 's/^/# /' /tmp/e2fsck.$$ >&2; rm /tmp/e2fsck.$$; false; }",
		"");
}

/* ---- mounting. */

static void mount(void) MAY_YIELD
{
	const struct ext4_mount_options options = { .now_s = NOW_S };
	struct ext4_report report;
	int r = ext4_mount(image_disk, &options, &fs, &report);

	if (r < 0 || report.text[0])
		test_fail(__FILE__, __LINE__, "mount: %d: %s", r, report.text);
	CHECK(!report.read_only);
}

static void unmount(void) MAY_YIELD
{
	CHECK_INT(ext4_unmount(fs), 0);
	fs = NULL;
}

void image_again(void)
{
	unmount();
	image_judge();
	mount();
}

static struct inode *root(void) MAY_YIELD
{
	struct inode *inode;

	CHECK_INT(ext4_root(fs, &inode), 0);
	return inode;
}

struct ext4_inode *image_file(const char *name)
{
	const struct vfs_attr attr = { .mode = S_IFREG | 0644 };
	struct inode *dir = root(), *inode;

	CHECK_INT(dir->ops->create(dir, name, strlen(name), &attr, &inode), 0);
	inode_put(dir);
	return ext4_i(inode);
}

struct ext4_inode *image_find(const char *name)
{
	struct inode *dir = root(), *inode;

	CHECK_INT(dir->ops->lookup(dir, name, strlen(name), &inode), 0);
	inode_put(dir);
	return ext4_i(inode);
}

void image_unlink(const char *name)
{
	struct inode *dir = root(), *inode = &image_find(name)->inode;

	CHECK_INT(dir->ops->unlink(dir, name, strlen(name), inode), 0);
	inode_put(inode);
	inode_put(dir);
}

/* ---- the frame. */

static void body(void *arg) MAY_YIELD
{
	void (*fn)(void);

	memcpy(&fn, arg, sizeof(fn));
	CHECK_INT(disk_open_memory(image_size, &image_disk), 0);
	load();
	mount();
	fn();
	unmount();
	image_judge();
	disk_close(image_disk);
}

void image_run(const char *mke2fs_options, uint64_t size, void (*fn)(void))
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/ext4-test.XXXXXX");
	fd = mkstemp(path);
	CHECK(fd >= 0);
	CHECK_INT(ftruncate(fd, (off_t)size), 0);
	close(fd);
	image_size = size;
	command("PATH=$PATH:/sbin:/usr/sbin; mke2fs -q -F -t ext4 %s %s", mke2fs_options);
	CHECK_INT(sched_init(&(struct sched_options){ .virtual_clock = true }, NULL), 0);
	CHECK_INT(cache_init(UINT64_C(64) << 20), 0);
	CHECK_INT(task_start(NULL, "test", body, &fn), 0);
	CHECK_INT(sched_run_until_idle(), 0);
	cache_fini();
	sched_fini();
	unlink(path);
}

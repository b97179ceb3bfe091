#include "test/ext4/data_image.h"

#include "device/disk.h"
#include "task/sched.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_S UINT64_C(1700000000)

struct ext4 *fs;
struct test_disk *image_disk;
uint64_t image_seed, image_cache_bytes = UINT64_C(64) << 20;

const char *image_made;
bool image_timeless;
unsigned int image_tasks;

static struct disk *disk;
static char path[64];
static uint64_t image_size;

uint32_t image_random(uint32_t below)
{
	image_seed = image_seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((image_seed >> 33) % below);
}

/* Run e2fsprogs; what it says is shown if it is not content. */
static void command(const char *text)
{
	char line[256];
	char *said = NULL;
	size_t size = 0;
	FILE *from, *to = open_memstream(&said, &size);

	from = popen(text, "r"); /* NOLINT */
	CHECK(from && to);
	while (fgets(line, sizeof(line), from))
		fprintf(to, "\n# %s", line);
	fclose(to);
	if (pclose(from) != 0)
		test_fail(__FILE__, __LINE__, "%s:%s", text, said);
	free(said);
}

static void judge(void)
{
	char text[128];

	snprintf(text, sizeof(text), "PATH=$PATH:/sbin:/usr/sbin; e2fsck -fn %s 2>&1", path);
	command(text);
}

void image_judge(void)
{
	test_disk_save(image_disk, path);
	judge();
}

/* ---- mounting. */

static void image_mount(struct disk *on) MAY_YIELD;
static void image_mount(struct disk *on)
{
	const struct ext4_mount_options options = { .now_s = NOW_S };
	struct ext4_report report;
	int r = ext4_mount(on, &options, &fs, &report);

	if (r < 0 || report.text[0])
		test_fail(__FILE__, __LINE__, "mount: %d: %s", r, report.text);
	CHECK(!report.read_only);
}

static void image_unmount(void) MAY_YIELD;
static void image_unmount(void)
{
	CHECK_INT(ext4_unmount(fs), 0);
	fs = NULL;
}

void image_again(void)
{
	image_unmount();
	image_judge();
	image_mount(disk);
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

/* ---- power cuts. */

void image_cuts_begin(struct image_cuts *cuts)
{
	cuts->replay = replay_begin(image_disk);
	cuts->before = fs;
}

void image_cut(struct image_cuts *cuts, size_t k, uint64_t seed, unsigned int flags)
{
	replay_crash(cuts->replay, k, seed, flags);
	cuts->disk = replay_disk(cuts->replay);
	image_mount(cuts->disk);
}

void image_cut_over(struct image_cuts *cuts)
{
	image_unmount();
	replay_save(cuts->replay, path);
	judge();
	disk_close(cuts->disk);
}

void image_cuts_end(struct image_cuts *cuts)
{
	fs = cuts->before;
	replay_end(cuts->replay);
}

void image_cut_now(struct image_cuts *cuts)
{
	image_cuts_begin(cuts);
	image_cut(cuts, test_disk_log_length(image_disk), 0, 0);
}

void image_cut_now_over(struct image_cuts *cuts)
{
	image_cut_over(cuts);
	image_cuts_end(cuts);
}

/* ---- the frame. */

static void body(void *arg) MAY_YIELD
{
	void (*fn)(void);

	memcpy(&fn, arg, sizeof(fn));
	disk = test_disk_open(&(struct test_disk_options){ .size = image_size,
							   .completion = image_timeless
										 ? TEST_DISK_SOON
										 : TEST_DISK_MODEL,
							   .model = &test_disk_ssd },
			      &image_disk);
	test_disk_load(image_disk, path);
	image_mount(disk);
	fn();
	image_unmount();
	image_judge();
	disk_close(disk);
	test_disk_free(image_disk);
}

void image_run(const char *mke2fs_options, uint64_t size, void (*fn)(void))
{
	char text[256];
	int fd;

	/* A file that is gone with us; who is told the name opens it anew. */
	fd = memfd_create("image", MFD_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_INT(ftruncate(fd, (off_t)size), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
	image_size = size;
	snprintf(text, sizeof(text), "PATH=$PATH:/sbin:/usr/sbin; mke2fs -q -F -t ext4 %s %s 2>&1",
		 mke2fs_options, path);
	command(text);
	if (image_made) {
		CHECK_INT(setenv("IMAGE", path, 1), 0);
		command(image_made);
	}
	CHECK_INT(sched_init(&(struct sched_options){ .virtual_clock = true,
						      .seeded = image_seed != 0,
						      .seed = image_seed,
						      .task_limit = image_tasks },
			     NULL),
		  0);
	CHECK_INT(cache_init(image_cache_bytes), 0);
	CHECK_INT(task_start(NULL, "test", body, &fn), 0);
	CHECK_INT(sched_run_until_idle(), 0);
	cache_fini();
	sched_fini();
	close(fd);
}

/*
 * test_data_map_errors.c - what ext4.h and data_map.h promise of mapped files where the host gives
 * no memory, the disk is full, or a change stops half way: reads and clients have what the file
 * has, and no mapping is longer than it.
 */
#include "test/ext4/map_client.h"

#include "journal/journal.h"
#include "vfs/ext4/data_map.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static void limit_files(rlim_t size)
{
	struct rlimit limit;

	CHECK_INT(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Byte `i` of the file that begin() made, when page 2 is gone. */
static char collapsed(uint64_t i)
{
	return (char)((i < 2 * PAGE ? i : i + PAGE) % 251);
}

static void check_collapsed(void) MAY_YIELD
{
	CHECK_INT(file->size, SIZE - PAGE);
	for (uint32_t i = 0; i < SIZE - PAGE; i++)
		CHECK_INT(byte_at(i), collapsed(i));
}

/* The host takes no more bytes for the memfd, from page 20 on. */
static void refused(void) MAY_YIELD
{
	bool sync_late = image_random(2);
	char *at;

	begin();
	at = client_map(true);
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	limit_files(20 * PAGE);
	CHECK_INT(ext4_fallocate(&file->inode, FALLOC_FL_COLLAPSE_RANGE, 2 * PAGE, PAGE), 0);
	check_collapsed();
	if (!sync_late)
		CHECK_INT(ext4_fsync(&file->inode, false), 0);
	limit_files(RLIM_INFINITY);
	check_collapsed();
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	check_collapsed();
	for (uint32_t i = 0; i < SIZE - PAGE; i++)
		CHECK_INT(at[i], collapsed(i));
	at[30 * PAGE] = 'c';
	munmap(at, MAPPED);
	remount();
	CHECK_INT(byte_at(30 * PAGE), 'c');
	task_lock_take(&file->lock);
	CHECK_INT(ext4_truncate(file, SIZE), 0);
	task_lock_drop(&file->lock);
	CHECK_INT(byte_at(SIZE - 1), 0);
	inode_put(&file->inode);
}

static void a_move_that_the_host_refuses_loses_nothing(void)
{
	CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	for (image_seed = 1; image_seed < 9; image_seed++)
		image_run("-b 4096", MIB(32), refused);
	image_seed = 0;
}

/* The same for what is written, and what is cut. */
static void written_unseen(void) MAY_YIELD
{
	char *at;

	begin();
	at = client_map(true);
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	at[39 * PAGE] = 'c';
	limit_files(20 * PAGE);
	CHECK_INT(ext4_write(&file->inode, "w", 1, 30 * PAGE), 1);
	CHECK_INT(byte_at(30 * PAGE), 'w');
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	CHECK_INT(byte_at(30 * PAGE), 'w');
	wait_s(10);
	CHECK_INT(byte_at(30 * PAGE + 1), (char)((30 * PAGE + 1) % 251));
	CHECK_INT(byte_at(39 * PAGE), 'c');
	limit_files(RLIM_INFINITY);
	wait_s(10);
	CHECK_INT(at[30 * PAGE], 'w');
	munmap(at, MAPPED);
	remount();
	CHECK_INT(byte_at(30 * PAGE), 'w');
	CHECK_INT(byte_at(39 * PAGE), 'c');
	inode_put(&file->inode);
}

static void a_write_that_the_host_refuses_loses_nothing(void)
{
	CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	image_run("-b 4096", MIB(32), written_unseen);
}

static void not_inserted(void) MAY_YIELD
{
	int fd;

	begin();
	fd = client_fd(true);
	test_disk_fail_nth(image_disk, DISK_WRITE, 1, -EIO);
	CHECK_INT(ext4_fallocate(&file->inode, FALLOC_FL_INSERT_RANGE, 2 * PAGE, 10 * PAGE), -EIO);
	CHECK_INT(file->size, SIZE);
	CHECK_INT(lseek(fd, 0, SEEK_END), MAPPED);
	close(fd);
	inode_put(&file->inode);
}

/* Who touches what is behind the file's end gets a SIGBUS, not zeros. */
static void an_insert_that_fails_leaves_the_mapping_as_long_as_the_file(void)
{
	image_run("-b 4096", MIB(32), not_inserted);
}

/* The host refused bytes of a write: who maps the file anew gets them, or no mapping. */
static void behind(void) MAY_YIELD
{
	struct vfs_mapping mapping;
	char *at, *more;

	begin();
	at = client_map(false);
	limit_files(20 * PAGE);
	CHECK_INT(ext4_write(&file->inode, "w", 1, 30 * PAGE), 1);
	CHECK_INT(ext4_map_file(&file->inode, false, &mapping), -ENOMEM);
	limit_files(RLIM_INFINITY);
	more = client_map(false);
	CHECK_INT(more[30 * PAGE], 'w');
	munmap(more, MAPPED);

	limit_files(20 * PAGE);
	CHECK_INT(ext4_write(&file->inode, "x", 1, 30 * PAGE), 1);
	limit_files(RLIM_INFINITY);
	wait_s(10); /* nobody asks: the task that looks brings it up */
	CHECK_INT(at[30 * PAGE], 'x');
	munmap(at, MAPPED);

	ext4_maps_push(fs); /* now it is idle */
	limit_files(20 * PAGE);
	CHECK_INT(ext4_write(&file->inode, "y", 1, 30 * PAGE), 1);
	CHECK(ext4_map_file(&file->inode, false, &mapping) < 0);
	limit_files(RLIM_INFINITY);
	at = client_map(false);
	CHECK_INT(at[30 * PAGE], 'y');
	munmap(at, MAPPED);
	inode_put(&file->inode);
}

static void a_mapping_that_is_handed_out_has_all_bytes(void)
{
	CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	image_run("-b 4096", MIB(32), behind);
}

/* ---- a move that one transaction cannot take, and after the first no other begins. */

#define PIECES 30000u /* extents, 84 of which are a block of the tree */
#define PIECE 2048u

static void make_pieces(void) MAY_YIELD
{
	file = image_file("pieces");
	CHECK_INT(ext4_fallocate(&file->inode, 0, 0, PIECES * PIECE), 0);
	for (uint32_t i = 0; i < PIECES; i++)
		CHECK_INT(ext4_fallocate(&file->inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 i * PIECE + PIECE / 2, PIECE / 2),
			  0);
	for (uint32_t i = 0; i < PIECES; i += 500)
		CHECK_INT(ext4_write(&file->inode, &i, sizeof(i), i * PIECE), sizeof(i));
	CHECK_INT(ext4_sync_fs(fs), 0);
}

static void stop_after_a_step(void *arg) MAY_YIELD
{
	struct journal_stats stats;

	do {
		task_yield();
		journal_stats_get(fs->journal, &stats);
	} while (stats.handles == *(const uint64_t *)arg);
	fs->read_only = true;
}

/* What reads and clients find is what the pages have. In how many is that not what `was`? */
static uint32_t as_the_pages(const char *was, const char *at) MAY_YIELD
{
	static char bytes[PAGE];
	struct cache_page *page;
	uint32_t count = 0;

	for (uint64_t i = 0; i < PIECES * PIECE / PAGE && i < file->size / PAGE; i++) {
		CHECK_INT(ext4_read(&file->inode, bytes, PAGE, i * PAGE), PAGE);
		CHECK_INT(cache_get(&file->pages, i, &page), 0);
		CHECK(memcmp(page->data, bytes, PAGE) == 0);
		CHECK(memcmp(page->data, at + i * PAGE, PAGE) == 0);
		count += memcmp(page->data, was + i * PAGE, PAGE) != 0;
		cache_put(page);
	}
	return count;
}

static void move_stops(int mode) MAY_YIELD
{
	static char was[PIECES * PIECE];
	struct journal_stats stats;
	char *at;
	int fd;

	fd = client_fd(false);
	at = mmap(NULL, PIECES * PIECE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED);
	close(fd);
	CHECK_INT(ext4_read(&file->inode, was, sizeof(was), 0), sizeof(was));
	journal_stats_get(fs->journal, &stats);
	CHECK_INT(task_start(NULL, "stop", stop_after_a_step, &stats.handles), 0);
	CHECK_INT(ext4_fallocate(&file->inode, mode, 100 * PAGE, 1500 * PAGE), -EROFS);
	CHECK(as_the_pages(was, at) > 0);
	fs->read_only = false;
	munmap(at, PIECES * PIECE);
}

static void stops_half_way(void) MAY_YIELD
{
	make_pieces();
	move_stops(FALLOC_FL_COLLAPSE_RANGE);
	move_stops(FALLOC_FL_INSERT_RANGE);
	inode_put(&file->inode);
}

static void a_move_that_stops_half_way_is_seen_by_all(void)
{
	image_run("-b 1024 -J size=1", MIB(96), stops_half_way);
}

static void as_long_as_the_file(int fd)
{
	CHECK_INT(lseek(fd, 0, SEEK_END), (file->size + PAGE - 1) / PAGE * PAGE);
}

static void too_much(void) MAY_YIELD
{
	static char bytes[MIB(16)];
	ssize_t r;
	int fd;

	begin();
	fd = client_fd(true);
	CHECK_INT(ext4_fallocate(&file->inode, 0, SIZE, MIB(16)), -ENOSPC);
	as_long_as_the_file(fd);
	CHECK_INT(ext4_fallocate(&file->inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, SIZE,
				 MIB(16)),
		  0);
	do {
		r = ext4_write(&file->inode, bytes, MIB(16), file->size);
		CHECK(r < (ssize_t)MIB(16));
		as_long_as_the_file(fd);
	} while (r > 0);
	CHECK_INT(r, -ENOSPC);
	close(fd);
	inode_put(&file->inode);
}

static void a_write_that_fails_leaves_the_mapping_as_long_as_the_file(void)
{
	image_run("-b 4096", MIB(16), too_much);
}

static void stop(void *arg) MAY_YIELD
{
	(void)arg;
	fs->read_only = true;
}

/* While the last page is read the file system comes to take no more changes. */
static void not_extended(void) MAY_YIELD
{
	int fd;

	begin();
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	fd = client_fd(true);
	task_lock_take(&file->lock);
	cache_drop(&file->pages, 0, UINT64_MAX);
	CHECK_INT(task_start(NULL, "stop", stop, NULL), 0);
	CHECK_INT(ext4_truncate(file, 2 * SIZE), -EROFS);
	task_lock_drop(&file->lock);
	CHECK_INT(file->size, SIZE);
	as_long_as_the_file(fd);
	fs->read_only = false;
	close(fd);
	inode_put(&file->inode);
}

static void a_file_that_cannot_be_extended_leaves_the_mapping_as_it_was(void)
{
	image_run("-b 4096", MIB(32), not_extended);
}

/* Two idle ones are more than is kept, but a task that has the older one's lock may use it. */
static void worked_on(void) MAY_YIELD
{
	struct ext4_inode *files[2];
	struct vfs_mapping mapping;

	for (unsigned int i = 0; i < 2; i++) {
		files[i] = image_file(i ? "new" : "old");
		CHECK_INT(ext4_fallocate(&files[i]->inode, 0, 0, DATA_MAPS_IDLE / 2 + PAGE), 0);
	}
	CHECK_INT(ext4_map_file(&files[0]->inode, false, &mapping), 0);
	ext4_maps_push(fs);
	CHECK(files[0]->data->map && !files[0]->data->map->in_use);
	CHECK_INT(ext4_map_file(&files[1]->inode, false, &mapping), 0);
	task_lock_take(&files[0]->lock);
	ext4_maps_push(fs);
	CHECK(files[0]->data->map);
	task_lock_drop(&files[0]->lock);
	CHECK_INT(ext4_map_file(&files[1]->inode, false, &mapping), 0);
	ext4_maps_push(fs);
	CHECK(!files[0]->data->map);
	CHECK(files[1]->data->map);
	for (unsigned int i = 0; i < 2; i++)
		inode_put(&files[i]->inode);
}

static void what_a_task_works_on_does_not_go(void)
{
	image_run("-b 4096", MIB(160), worked_on);
}

static const struct test tests[] = {
	TEST(a_move_that_the_host_refuses_loses_nothing),
	TEST(a_write_that_the_host_refuses_loses_nothing),
	TEST(an_insert_that_fails_leaves_the_mapping_as_long_as_the_file),
	TEST(a_mapping_that_is_handed_out_has_all_bytes),
	TEST(a_write_that_fails_leaves_the_mapping_as_long_as_the_file),
	TEST(a_file_that_cannot_be_extended_leaves_the_mapping_as_it_was),
	TEST(a_move_that_stops_half_way_is_seen_by_all),
	TEST(what_a_task_works_on_does_not_go),
};
TEST_MAIN(tests)

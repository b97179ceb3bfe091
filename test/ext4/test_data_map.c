/*
 * test_data_map.c - what ext4.h promises of mapped files: what clients store is seen by
 * reads at once, is on the disk after fsync, and is not lost when they let go of the file; what
 * is written is seen by clients.
 */
#include "test/ext4/map_client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void both_ways(void) MAY_YIELD
{
	char *at;

	begin();
	at = client_map(true);
	for (uint32_t i = 0; i < SIZE; i++)
		CHECK_INT(at[i], (char)(i % 251));
	at[5000] = 'c';
	CHECK_INT(byte_at(5000), 'c');
	CHECK_INT(ext4_write(&file->inode, "w", 1, 5001), 1);
	CHECK_INT(at[5001], 'w');
	at[SIZE + 1] = 'x'; /* behind the end: nobody's */
	CHECK_INT(ext4_fsync(&file->inode, true), 0);
	munmap(at, MAPPED);
	remount();
	CHECK_INT(byte_at(5000), 'c');
	CHECK_INT(byte_at(5001), 'w');
	CHECK_INT(byte_at(5002), (char)(5002 % 251));
	task_lock_take(&file->lock);
	CHECK_INT(ext4_truncate(file, MAPPED), 0);
	task_lock_drop(&file->lock);
	CHECK_INT(byte_at(SIZE + 1), 0);
	inode_put(&file->inode);
}

static void clients_and_writes_see_each_other(void)
{
	image_run("-b 4096", MIB(32), both_ways);
	image_run("-b 1024", MIB(32), both_ways);
}

/* Nobody but the mapping has the file: its inode must wait for the last store. */
static void let_go(void) MAY_YIELD
{
	char *at;

	begin();
	at = client_map(true);
	inode_put(&file->inode);
	wait_s(30);
	at[7 * PAGE] = 'z';
	munmap(at, MAPPED);
	wait_s(30);
	image_again();
	file = image_find("file");
	CHECK_INT(byte_at(7 * PAGE), 'z');
	inode_put(&file->inode);
}

static void stores_after_the_last_close_are_kept(void)
{
	image_run("-b 4096", MIB(32), let_go);
}

/* The same file, mapped anew after all let go of it: clients must not take the old memfd. */
static void anew(void) MAY_YIELD
{
	struct vfs_mapping first, second;
	char *at;

	begin();
	CHECK_INT(ext4_map_file(&file->inode, true, &first), 0);
	CHECK_INT(ext4_map_file(&file->inode, false, &second), 0);
	CHECK(first.version == second.version);
	wait_s(30);
	CHECK_INT(ext4_write(&file->inode, "n", 1, 0), 1);
	CHECK_INT(ext4_map_file(&file->inode, true, &second), 0);
	CHECK(first.version != second.version);
	at = client_map(true);
	CHECK_INT(at[0], 'n');
	munmap(at, MAPPED);
	inode_put(&file->inode);
}

static void a_new_mapping_is_a_new_version(void)
{
	image_run("-b 4096", MIB(32), anew);
}

static void sizes(void) MAY_YIELD
{
	char *at, *more;
	int fd;

	begin();
	at = client_map(true);
	task_lock_take(&file->lock);
	CHECK_INT(ext4_truncate(file, 3 * PAGE + 10), 0);
	task_lock_drop(&file->lock);
	CHECK_INT(at[3 * PAGE + 9], (char)((3 * PAGE + 9) % 251));
	CHECK_INT(at[3 * PAGE + 10], 0);
	CHECK_INT(ext4_write(&file->inode, "end", 3, 20 * PAGE), 3);
	CHECK(memcmp(at + 20 * PAGE, "end", 3) == 0);
	CHECK_INT(at[10 * PAGE], 0);
	at[10 * PAGE] = 'h'; /* into a hole */
	CHECK_INT(ext4_fallocate(&file->inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE + 1,
				 PAGE),
		  0);
	CHECK_INT(at[PAGE], (char)(PAGE % 251));
	CHECK_INT(at[PAGE + 1], 0);
	CHECK_INT(at[2 * PAGE], 0);
	CHECK_INT(at[2 * PAGE + 1], (char)((2 * PAGE + 1) % 251));
	CHECK_INT(ext4_seek_data(&file->inode, 5 * PAGE, SEEK_DATA), 10 * PAGE);
	fd = client_fd(true);
	more = mmap(NULL, 21 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(more != MAP_FAILED);
	CHECK_INT(more[10 * PAGE], 'h');
	CHECK_INT(lseek(fd, 0, SEEK_END), 21 * PAGE);
	close(fd);
	munmap(more, 21 * PAGE);
	munmap(at, MAPPED);
	remount();
	CHECK_INT(file->size, 20 * PAGE + 3);
	CHECK_INT(byte_at(10 * PAGE), 'h');
	CHECK_INT(byte_at(PAGE), (char)(PAGE % 251));
	CHECK_INT(byte_at(PAGE + 1), 0);
	CHECK_INT(byte_at(20 * PAGE + 2), 'd');
	inode_put(&file->inode);
}

static void sizes_and_holes_change_under_a_mapping(void)
{
	image_run("-b 4096", MIB(32), sizes);
	image_run("-b 1024", MIB(32), sizes);
}

/* A store of what was there before something else was written. */
static void back_again(void) MAY_YIELD
{
	char *at;

	begin();
	at = client_map(true);
	CHECK_INT(ext4_fsync(&file->inode, false), 0);
	CHECK_INT(ext4_write(&file->inode, "other", 5, 0), 5);
	for (uint32_t i = 0; i < 5; i++)
		at[i] = (char)i;
	CHECK_INT(ext4_fallocate(&file->inode, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE,
				 PAGE),
		  0);
	for (uint32_t i = PAGE; i < 2 * PAGE; i++)
		at[i] = (char)(i % 251);
	munmap(at, MAPPED);
	remount();
	for (uint32_t i = 0; i < 2 * PAGE; i++)
		CHECK_INT(byte_at(i), (char)(i % 251));
	inode_put(&file->inode);
}

static void old_bytes_stored_anew_are_a_change(void)
{
	image_run("-b 4096", MIB(32), back_again);
}

static void read_only(void) MAY_YIELD
{
	char *at, *shared;
	int fd;

	begin();
	fd = client_fd(false);
	CHECK(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	close(fd);
	at = client_map(false);
	shared = client_map(false);
	for (uint32_t i = 0; i < 20; i++) {
		char byte = (char)i;

		CHECK_INT(ext4_write(&file->inode, &byte, 1, 100), 1);
		CHECK_INT(at[100], byte);
		CHECK_INT(shared[100], byte);
		wait_s(3);
	}
	munmap(at, MAPPED);
	munmap(shared, MAPPED);
	wait_s(10);
	CHECK_INT(byte_at(100), 19);
	inode_put(&file->inode);
}

static void who_maps_for_reading_sees_writes(void)
{
	image_run("-b 4096", MIB(32), read_only);
}

/* ---- ranges are taken out and put in, while others read. */

#define LARGE_PAGES 1300u /* moved in two steps */
#define LARGE ((LARGE_PAGES + 1) * PAGE)

static char before[LARGE], after[LARGE];
static uint64_t size_before, size_after;
static unsigned int reads_before, reads_after;
static bool reader_gone;
static struct waitq gone;

static bool is_part(const char *bytes, ssize_t count, const char *of, uint64_t size,
		    uint64_t offset)
{
	uint64_t wanted = size - offset < PAGE ? size - offset : PAGE;

	return count == (ssize_t)wanted && memcmp(bytes, of + offset, wanted) == 0;
}

/* Each part is as it was, until one is as it is afterwards: then all are, and time may go on. */
static void reader(void *arg) MAY_YIELD
{
	static const uint32_t pages[] = { 0, 3, 4, 5, 200, 1100, 1290, LARGE_PAGES - 2 };
	static char bytes[PAGE];
	unsigned int new_reads = 0;

	(void)arg;
	for (unsigned int i = 0; new_reads < 4 * ARRAY_COUNT(pages); i++) {
		uint64_t offset = (uint64_t)pages[i % ARRAY_COUNT(pages)] * PAGE;
		ssize_t r = ext4_read(&file->inode, bytes, PAGE, offset);
		bool is_old = is_part(bytes, r, before, size_before, offset);
		bool is_new = is_part(bytes, r, after, size_after, offset);

		CHECK(is_old || is_new);
		CHECK(is_new || new_reads == 0);
		reads_before += is_old && !is_new;
		new_reads += new_reads > 0 || !is_old;
		if (i % ARRAY_COUNT(pages) == 0) /* all of them while others wait */
			task_yield();
	}
	reads_after += new_reads;
	reader_gone = true;
	waitq_wake_all(&gone);
}

/* One page is put in, or taken out, at `offset`. */
static void shift_page(bool insert, uint64_t offset) MAY_YIELD
{
	int mode = insert ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE;
	uint64_t from = insert ? offset : offset + PAGE, to = insert ? offset + PAGE : offset;

	size_before = file->size;
	size_after = insert ? size_before + PAGE : size_before - PAGE;
	CHECK_INT(ext4_read(&file->inode, before, LARGE, 0), size_before);
	memcpy(after, before, size_before);
	memcpy(after + to, before + from, size_before - from);
	if (insert)
		memset(after + offset, 0, PAGE);
	waitq_init(&gone);
	reader_gone = false;
	CHECK_INT(task_start(NULL, "reader", reader, NULL), 0);
	CHECK_INT(ext4_fallocate(&file->inode, mode, offset, PAGE), 0);
	while (!reader_gone)
		(void)!waitq_wait(&gone, TASK_FOREVER, WAIT_SURE);
}

static void read_meanwhile(void) MAY_YIELD
{
	static char bytes[PAGE];
	int fd;

	file = image_file("file");
	for (uint32_t i = 0; i < LARGE_PAGES; i++) {
		memset(bytes, 1 + (int)(i % 250), PAGE);
		CHECK_INT(ext4_write(&file->inode, bytes, PAGE, (uint64_t)i * PAGE), PAGE);
	}
	fd = client_fd(true);
	reads_before = 0;
	reads_after = 0;
	shift_page(false, 3 * PAGE);
	shift_page(true, 3 * PAGE);
	shift_page(true, 1290 * PAGE);
	CHECK(reads_before > 0 && reads_after > 0);
	close(fd);
	inode_put(&file->inode);
}

static void reads_see_ranges_move_at_once(void)
{
	image_timeless = true;
	image_run("-b 4096", MIB(32), read_meanwhile);
	image_timeless = false;
}

static unsigned int descriptors(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* A file of so many pages that a client has mapped, and nobody any more. */
static void map_once(uint32_t pages) MAY_YIELD
{
	struct vfs_mapping mapping;

	file = image_file("file");
	CHECK_INT(ext4_write(&file->inode, "end", 3, (uint64_t)pages * PAGE - 3), 3);
	CHECK_INT(ext4_map_file(&file->inode, true, &mapping), 0);
}

static void slowly(void) MAY_YIELD
{
	unsigned int without = descriptors();

	map_once(32);
	ext4_maps_push(file->fs);
	CHECK_INT(descriptors(), without);
	inode_put(&file->inode);

	image_unlink("file");
	map_once(2000);
	ext4_maps_push(file->fs);
	CHECK_INT(descriptors(), without + 1); /* somebody else closes it */
	for (unsigned int turns = 0; turns < 100 && descriptors() > without; turns++)
		task_yield();
	CHECK_INT(descriptors(), without);
	inode_put(&file->inode);
	image_unlink("file");

	map_once(2000);
	ext4_maps_push(file->fs);
	CHECK_INT(descriptors(), without + 1);
	remount(); /* it waits for that */
	CHECK_INT(descriptors(), without);
	inode_put(&file->inode);
}

static void the_memory_of_a_large_file_goes_in_a_task_of_its_own(void)
{
	image_run("-b 4096", MIB(32), slowly);
}

/* ---- everything, in any order. */

#define AREA (64u * PAGE)

static uint8_t model[AREA], seen[AREA];
static uint32_t model_end;
static char *mapped; /* AREA, or NULL */

/* Runs of pages of several lengths, of which some are copied at once and some by many calls. */
#define LONG_PAGES 1500u

static char long_byte(uint32_t page)
{
	return (char)(page % 400 < 300 && page % 7 ? 1 + page % 250 : 0);
}

static void large(void) MAY_YIELD
{
	static char bytes[PAGE];
	uint64_t data = 0;
	char *at;
	int fd;

	file = image_file("file");
	for (uint32_t i = 0; i < LONG_PAGES; i++) {
		if (!long_byte(i) && i % 400 >= 300)
			continue; /* a hole */
		memset(bytes, long_byte(i), PAGE);
		CHECK_INT(ext4_write(&file->inode, bytes, PAGE, (uint64_t)i * PAGE), PAGE);
	}
	task_lock_take(&file->lock);
	CHECK_INT(ext4_truncate(file, LONG_PAGES * PAGE), 0);
	task_lock_drop(&file->lock);
	remount();
	fd = client_fd(false);
	at = mmap(NULL, LONG_PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED);
	/* Holes stay holes: before they are looked at. */
	for (off_t from = 0; (from = lseek(fd, from, SEEK_DATA)) >= 0;) {
		off_t end = lseek(fd, from, SEEK_HOLE);

		data += (uint64_t)(end - from) / PAGE;
		from = end;
	}
	CHECK_INT(data, 3 * 300 + 300);
	for (uint32_t i = 0; i < LONG_PAGES * PAGE; i += 1021)
		CHECK_INT(at[i], long_byte(i / PAGE));
	munmap(at, LONG_PAGES * PAGE);
	close(fd);
	inode_put(&file->inode);
}

static void a_large_file_is_mapped_whole(void)
{
	image_run("-b 4096", MIB(32), large);
	image_run("-b 1024", MIB(32), large);
}

static void map_or_let_go(void) MAY_YIELD
{
	int fd;

	if (mapped) {
		munmap(mapped, AREA);
		mapped = NULL;
		return;
	}
	fd = client_fd(true);
	mapped = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(mapped != MAP_FAILED);
	close(fd);
}

static void is_model(void) MAY_YIELD
{
	CHECK_INT(file->size, model_end);
	CHECK_INT(ext4_read(&file->inode, seen, AREA, 0), model_end);
	CHECK(memcmp(seen, model, model_end) == 0);
	if (mapped)
		CHECK(memcmp(mapped, model, model_end) == 0);
}

static void store(uint32_t offset, uint32_t size)
{
	if (!mapped || offset + size > model_end)
		return;
	memset(mapped + offset, (int)image_random(256), size);
	memcpy(model + offset, mapped + offset, size);
}

static void shift(bool insert, uint32_t offset, uint32_t size) MAY_YIELD
{
	uint32_t block = fs->block_size, from, to;

	offset -= offset % block;
	size += block - size % block;
	from = insert ? offset : offset + size;
	to = insert ? offset + size : offset;
	if (from >= model_end || (insert && model_end + size > AREA))
		return;
	CHECK_INT(ext4_fallocate(&file->inode,
				 insert ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE, offset,
				 size),
		  0);
	memmove(model + to, model + from, model_end - from);
	if (insert)
		memset(model + from, 0, size);
	else
		memset(model + model_end - size, 0, size);
	model_end += to - from;
}

static void change(void) MAY_YIELD
{
	uint32_t size = 1 + image_random(2 * PAGE), offset = image_random(AREA - size);

	switch (image_random(16)) {
	case 14:
	case 15:
		shift(image_random(2), model_end ? image_random(model_end) : 0, size);
		break;
	case 0:
		map_or_let_go();
		break;
	case 1:
		task_lock_take(&file->lock);
		CHECK_INT(ext4_truncate(file, offset), 0);
		task_lock_drop(&file->lock);
		if (offset < model_end)
			memset(model + offset, 0, model_end - offset);
		model_end = offset;
		break;
	case 2:
	case 3:
		CHECK_INT(ext4_fallocate(&file->inode,
					 FALLOC_FL_KEEP_SIZE |
						 (image_random(2) ? FALLOC_FL_PUNCH_HOLE
								  : FALLOC_FL_ZERO_RANGE),
					 offset, size),
			  0);
		memset(model + offset, 0, size);
		break;
	case 4:
		CHECK_INT(ext4_fsync(&file->inode, image_random(2)), 0);
		break;
	case 5:
		wait_s(1 + image_random(9));
		break;
	case 6:
	case 7:
	case 8:
		memset(seen, (int)image_random(256), size);
		CHECK_INT(ext4_write(&file->inode, seen, size, offset), size);
		memcpy(model + offset, seen, size);
		if (offset + size > model_end)
			model_end = offset + size;
		break;
	default:
		store(offset, size);
	}
}

static void mixed(void) MAY_YIELD
{
	memset(model, 0, AREA);
	model_end = 0;
	mapped = NULL;
	file = image_file("file");
	for (uint32_t i = 0; i < 3000; i++) {
		change();
		if (i % 10 == 0)
			is_model();
		if (i % 500 != 499)
			continue;
		if (mapped) {
			munmap(mapped, AREA);
			mapped = NULL;
		}
		remount();
		is_model();
	}
	inode_put(&file->inode);
}

static void any_mix_of_stores_and_calls_gives_the_models_bytes(void)
{
	for (uint64_t seed = 1; seed < 4; seed++) {
		image_seed = seed;
		image_run("-b 4096", MIB(32), mixed);
		image_seed = seed;
		image_run("-b 1024", MIB(32), mixed);
	}
}

static const struct test tests[] = {
	TEST(clients_and_writes_see_each_other),
	TEST(stores_after_the_last_close_are_kept),
	TEST(a_new_mapping_is_a_new_version),
	TEST(sizes_and_holes_change_under_a_mapping),
	TEST(old_bytes_stored_anew_are_a_change),
	TEST(who_maps_for_reading_sees_writes),
	TEST(a_large_file_is_mapped_whole),
	TEST(the_memory_of_a_large_file_goes_in_a_task_of_its_own),
	TEST(reads_see_ranges_move_at_once),
	TEST_LONG(any_mix_of_stores_and_calls_gives_the_models_bytes, 60),
};
TEST_MAIN(tests)

/*
 * test_closing.c - what ext4.h promises of files that nobody has any more: a sync waits for those
 * that were closed before it, whatever is closed meanwhile, and misses none that is opened again.
 */
#include "test/ext4/data_image.h"

#include "task/sched.h"
#include "vfs/ext4/inside.h"

#include <stdio.h>
#include <string.h>

#define WRITERS 4u
#define SECOND_NS UINT64_C(1000000000)

static struct waitq done;
static unsigned int running;
static uint64_t until_ns;
static bool one_file; /* each writer has one, and opens it anew all the time */
static unsigned int numbers[WRITERS];

static void start(const char *name, task_fn *fn, void *arg)
{
	running++;
	CHECK_INT(task_start(NULL, name, fn, arg), 0);
}

static void ended(void)
{
	running--;
	waitq_wake_all(&done);
}

static void wait_for_all(void) MAY_YIELD
{
	while (running > 0)
		(void)!waitq_wait(&done, TASK_FOREVER, WAIT_SURE);
}

static void writer(void *arg) MAY_YIELD
{
	unsigned int who = *(const unsigned int *)arg;
	static const char page[4096] = "bytes";

	for (unsigned int i = 0; clock_now_ns() < until_ns; i++) {
		struct ext4_inode *file;
		char name[32];

		snprintf(name, sizeof(name), "w%u-%u", who, one_file ? 0 : i);
		file = one_file && i > 0 ? image_find(name) : image_file(name);
		CHECK_INT(ext4_write(&file->inode, page, sizeof(page), 0), sizeof(page));
		inode_put(&file->inode);
		(void)!task_sleep_until(clock_now_ns() + SECOND_NS / 20000);
	}
	ended();
}

static void sync_meanwhile(void) MAY_YIELD
{
	until_ns = clock_now_ns() + SECOND_NS / 2;
	for (unsigned int i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		start("writer", writer, &numbers[i]);
	}
	CHECK_INT(task_sleep_until(clock_now_ns() + SECOND_NS / 100), 0);
	CHECK_INT(ext4_sync_fs(fs), 0);
	CHECK(clock_now_ns() < until_ns);
	wait_for_all();
}

static void a_sync_ends_though_files_are_closed_all_the_time(void)
{
	waitq_init(&done);
	one_file = false;
	image_run("-b 4096 -N 50000", MIB(256), sync_meanwhile);
}

static void a_sync_ends_though_files_are_opened_again_all_the_time(void)
{
	waitq_init(&done);
	one_file = true;
	image_run("-b 4096", MIB(32), sync_meanwhile);
}

/* ---- closed before a sync, opened again before it ends. */

static void syncer(void *arg) MAY_YIELD
{
	(void)arg;
	CHECK_INT(ext4_sync_fs(fs), 0);
	ended();
}

static void open_again(void) MAY_YIELD
{
	static const char large[1 << 20] = "large";
	struct ext4_inode *first = image_file("first"), *file = image_file("file");
	struct image_cuts cuts;
	char text[8] = "";

	CHECK_INT(ext4_write(&first->inode, large, sizeof(large), 0), sizeof(large));
	CHECK_INT(ext4_write(&file->inode, "bytes", 5, 0), 5);
	test_disk_record(image_disk);
	/* The task is long at the first; the second waits. */
	inode_put(&first->inode);
	inode_put(&file->inode);
	task_yield();
	start("sync", syncer, NULL);
	CHECK_INT(task_sleep_until(clock_now_ns() + SECOND_NS / 10000), 0);
	CHECK_INT(running, 1);
	file = image_find("file");
	wait_for_all();
	image_cut_now(&cuts);
	first = image_find("file");
	CHECK_INT(ext4_read(&first->inode, text, sizeof(text), 0), 5);
	CHECK_STR(text, "bytes");
	inode_put(&first->inode);
	image_cut_now_over(&cuts);
	inode_put(&file->inode);
}

static void what_was_written_before_a_sync_is_durable_though_it_is_opened_again(void)
{
	waitq_init(&done);
	image_run("-b 4096", MIB(32), open_again);
}

/* ---- no memory, or no room, for the task that closes. */

static struct waitq room;

static void stander(void *arg) MAY_YIELD
{
	(void)arg;
	(void)!waitq_wait(&room, TASK_FOREVER, WAIT_SURE);
	ended();
}

static void waiter(void *arg) MAY_YIELD
{
	(void)arg;
	ext4_closing_wait(fs);
	ended();
}

static void close_again_without_a_task(void) MAY_YIELD
{
	static const char large[1 << 20] = "large";
	struct ext4_inode *file = image_file("file");

	CHECK_INT(ext4_write(&file->inode, large, sizeof(large), 0), sizeof(large));
	start("waiter", waiter, NULL); /* runs when this one yields, and closes it by itself */
	while (task_start(NULL, "stander", stander, NULL) == 0)
		running++;
	inode_put(&file->inode);
	CHECK(fs->closer == NULL);
	CHECK(!list_empty(&fs->closing));
	CHECK_INT(task_sleep_until(clock_now_ns() + SECOND_NS / 10000), 0);
	CHECK(!list_empty(&fs->closing_now));
	/* While it is at it, somebody has the file again, and lets go; then there is room. */
	file = image_find("file");
	inode_put(&file->inode);
	waitq_wake_all(&room);
	wait_for_all();
	CHECK_INT(task_sleep_until(clock_now_ns() + SECOND_NS), 0);
	CHECK(list_empty(&fs->closing));
}

static void what_is_released_while_it_is_closed_is_closed_without_the_next_release(void)
{
	waitq_init(&done);
	waitq_init(&room);
	image_tasks = 64;
	image_run("-b 4096", MIB(32), close_again_without_a_task);
	image_tasks = 0;
}

static const struct test tests[] = {
	TEST(what_is_released_while_it_is_closed_is_closed_without_the_next_release),
	TEST(what_was_written_before_a_sync_is_durable_though_it_is_opened_again),
	TEST(a_sync_ends_though_files_are_closed_all_the_time),
	TEST(a_sync_ends_though_files_are_opened_again_all_the_time),
};

TEST_MAIN(tests)

/* SPDX-License-Identifier: MIT */
/*
 * test_lock.c - what file.h promises of locks: ranges that split and join, conflicts,
 * waiting in turn, circles, and who drops what at a close.
 */
#include "test/file/file_test.h"

#include <string.h>
#include <sys/file.h>

static const char p1, p2;  /* two processes */
static struct file *f, *g; /* two descriptions of one file */

static void open_both(void *arg) MAY_YIELD;
static void open_both(void *arg)
{
	(void)arg;
	f = open_path("/locked", O_RDWR | O_CREAT);
	g = open_path("/locked", O_RDWR);
}

static void close_both(void *arg)
{
	(void)arg;
	file_put(f);
	file_put(g);
}

static void with_files(task_fn *fn)
{
	begin_files();
	run_task(open_both, NULL);
	run_task(fn, NULL);
	run_task(close_both, NULL);
	end_files();
}

static int lock(const void *owner, int cmd, int type, off_t start, off_t len) MAY_YIELD
{
	struct flock l = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = len
	};

	return file_lock_posix(owner == &p2 ? g : f, owner, owner == &p1 ? 1 : 2, cmd, &l);
}

/* "R10-19 " for what stands in the way of a write by somebody else in [start, ...]. */
static void expect_in_the_way(off_t start, int type, off_t first, off_t len) MAY_YIELD
{
	static const char nobody;
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = 1 };

	CHECK_INT(file_lock_posix(f, &nobody, 9, F_GETLK, &l), 0);
	CHECK_INT(l.l_type, type);
	if (type == F_UNLCK)
		return;
	CHECK_INT(l.l_start, first);
	CHECK_INT(l.l_len, len);
}

static void ranges(void *arg) MAY_YIELD;
static void ranges(void *arg)
{
	(void)arg;
	CHECK_INT(lock(&p1, F_SETLK, F_WRLCK, 10, 20), 0);
	CHECK_INT(lock(&p1, F_SETLK, F_UNLCK, 15, 5), 0); /* two pieces */
	expect_in_the_way(12, F_WRLCK, 10, 5);
	expect_in_the_way(17, F_UNLCK, 0, 0);
	expect_in_the_way(25, F_WRLCK, 20, 10);
	CHECK_INT(lock(&p1, F_SETLK, F_RDLCK, 22, 2), 0); /* another type in the middle */
	expect_in_the_way(21, F_WRLCK, 20, 2);
	expect_in_the_way(23, F_RDLCK, 22, 2);
	expect_in_the_way(28, F_WRLCK, 24, 6);
	CHECK_INT(lock(&p1, F_SETLK, F_WRLCK, 15, 9), 0); /* all in one again */
	expect_in_the_way(17, F_WRLCK, 10, 20);
	CHECK_INT(lock(&p1, F_SETLK, F_WRLCK, 100, 0), 0); /* to the end, however far */
	expect_in_the_way(1000000, F_WRLCK, 100, 0);
	CHECK_INT(lock(&p1, F_SETLK, F_UNLCK, 0, 0), 0);
	expect_in_the_way(17, F_UNLCK, 0, 0);
	CHECK_INT(lock(&p1, F_SETLK, F_WRLCK, 20, -5), 0); /* backwards: 15 to 19 */
	expect_in_the_way(15, F_WRLCK, 15, 5);
	CHECK_INT(lock(&p1, F_SETLK, F_WRLCK, 2, -5), -EINVAL);
	CHECK_INT(lock(&p1, F_SETLK, F_WRLCK, -1, 5), -EINVAL);
	CHECK_INT(lock(&p1, F_SETLK, 17, 0, 5), -EINVAL);
	file_lock_release_owner(f, &p1);
	expect_in_the_way(17, F_UNLCK, 0, 0);
}

static void ranges_split_and_join(void)
{
	with_files(ranges);
}

static void conflicts(void *arg) MAY_YIELD;
static void conflicts(void *arg)
{
	struct file *reader;
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	(void)arg;
	CHECK_INT(lock(&p1, F_SETLK, F_RDLCK, 0, 10), 0);
	CHECK_INT(lock(&p2, F_SETLK, F_RDLCK, 5, 10), 0); /* readers share */
	CHECK_INT(lock(&p2, F_SETLK, F_WRLCK, 0, 1), -EAGAIN);
	CHECK_INT(lock(&p1, F_SETLK, F_WRLCK, 0, 5), 0);
	CHECK_INT(lock(&p1, F_SETLK, F_WRLCK, 0, 6), -EAGAIN);
	/* A lock of the description is another owner, even for the same process. */
	CHECK_INT(file_lock_posix(f, &p1, 1, F_OFD_SETLK, &l), -EAGAIN);
	file_lock_release_owner(f, &p1);
	CHECK_INT(file_lock_posix(f, &p1, 1, F_OFD_SETLK, &l), 0);
	CHECK_INT(lock(&p1, F_SETLK, F_RDLCK, 0, 1), -EAGAIN);
	l.l_pid = 4;
	CHECK_INT(file_lock_posix(f, &p1, 1, F_OFD_SETLK, &l), -EINVAL);
	reader = open_path("/locked", O_RDONLY);
	l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 50, .l_len = 1 };
	CHECK_INT(file_lock_posix(reader, &p1, 1, F_SETLK, &l), -EBADF);
	file_put(reader);
	file_lock_release_owner(g, &p2);
}

static void writers_exclude_and_readers_share(void)
{
	with_files(conflicts);
}

static void wait_for_lock(void *arg) MAY_YIELD;
static void wait_for_lock(void *arg)
{
	int r = lock(arg, F_SETLKW, F_WRLCK, 0, 10);

	SAY("%s: %d", task_name(task_self()), r);
}

static void take_first(void *arg) MAY_YIELD;
static void take_first(void *arg)
{
	(void)arg;
	CHECK_INT(lock(&p1, F_SETLK, F_WRLCK, 5, 100), 0);
}

static void unlock_a_part(void *arg) MAY_YIELD;
static void unlock_a_part(void *arg)
{
	(void)arg;
	CHECK_INT(lock(&p1, F_SETLK, F_UNLCK, 5, 3), 0);
	SAY("three bytes free");
	let_others_run();
	CHECK_INT(lock(&p1, F_SETLK, F_UNLCK, 5, 5), 0);
	SAY("five bytes free");
}

static void release_second(void *arg)
{
	(void)arg;
	file_lock_release_owner(g, &p2);
	file_lock_release_owner(f, &p1);
}

static void a_waiter_gets_the_lock_when_its_whole_range_is_free(void)
{
	struct task *t;
	static const char p3;

	begin_files();
	run_task(open_both, NULL);
	run_task(take_first, NULL);
	spawn("p2", wait_for_lock, (void *)(uintptr_t)&p2);
	t = spawn("p3", wait_for_lock, (void *)(uintptr_t)&p3);
	CHECK_INT(sched_run_until_idle(), 2);
	task_cancel(t);
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("p3: -512\n");
	spawn("p1", unlock_a_part, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("three bytes free\nfive bytes free\np2: 0\n");
	run_task(release_second, NULL);
	run_task(close_both, NULL);
	end_files();
}

static void first_of_two(void *arg) MAY_YIELD;
static void first_of_two(void *arg)
{
	(void)arg;
	CHECK_INT(lock(&p1, F_SETLK, F_WRLCK, 0, 1), 0);
	let_others_run();
	SAY("p1: %d", lock(&p1, F_SETLKW, F_WRLCK, 10, 1));
}

static void second_of_two(void *arg) MAY_YIELD;
static void second_of_two(void *arg)
{
	(void)arg;
	CHECK_INT(lock(&p2, F_SETLK, F_WRLCK, 10, 1), 0);
	let_others_run();
	let_others_run();
	SAY("p2: %d", lock(&p2, F_SETLKW, F_WRLCK, 0, 1));
	file_lock_release_owner(g, &p2);
}

static void a_circle_of_waiters_is_edeadlk_for_the_last(void)
{
	begin_files();
	run_task(open_both, NULL);
	spawn("p1", first_of_two, NULL);
	spawn("p2", second_of_two, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("p2: -35\np1: 0\n");
	run_task(release_second, NULL);
	run_task(close_both, NULL);
	end_files();
}

static void whole(void *arg) MAY_YIELD;
static void whole(void *arg)
{
	struct file *h;

	(void)arg;
	CHECK_INT(file_lock_flock(f, LOCK_SH), 0);
	CHECK_INT(file_lock_flock(g, LOCK_SH), 0);
	CHECK_INT(file_lock_flock(f, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
	CHECK_INT(file_lock_flock(g, LOCK_EX), 0); /* f has lost its own by trying, as on Linux */
	CHECK_INT(lock(&p1, F_SETLK, F_WRLCK, 0, 0), 0); /* the other kind does not mind */
	CHECK_INT(file_lock_flock(g, LOCK_UN), 0);
	h = open_path("/locked", O_RDONLY);
	CHECK_INT(file_lock_flock(h, LOCK_EX), 0);
	CHECK_INT(file_lock_flock(f, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
	file_put(h); /* the description's end drops it */
	CHECK_INT(file_lock_flock(f, LOCK_EX | LOCK_NB), 0);
	CHECK_INT(file_lock_flock(f, 77), -EINVAL);
	file_lock_release_owner(f, &p1);
}

static void flock_belongs_to_the_description(void)
{
	with_files(whole);
}

static void wait_whole(void *arg) MAY_YIELD;
static void wait_whole(void *arg)
{
	(void)arg;
	SAY("flock: %d", file_lock_flock(g, LOCK_EX));
}

static void hold_whole(void *arg) MAY_YIELD;
static void hold_whole(void *arg)
{
	(void)arg;
	CHECK_INT(file_lock_flock(f, LOCK_EX), 0);
	let_others_run();
	SAY("unlock");
	CHECK_INT(file_lock_flock(f, LOCK_UN), 0);
}

static void flock_waits_for_its_turn(void)
{
	begin_files();
	run_task(open_both, NULL);
	spawn("f", hold_whole, NULL);
	spawn("g", wait_whole, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("unlock\nflock: 0\n");
	run_task(close_both, NULL);
	end_files();
}

static void very_many(void *arg) MAY_YIELD;
static void very_many(void *arg)
{
	unsigned int taken = 0;
	int r;

	(void)arg;
	while ((r = lock(&p1, F_SETLK, F_WRLCK, 2 * (off_t)taken, 1)) == 0 && taken < 200000)
		taken += 97; /* far apart, so that the list is not walked for ever */
	CHECK_INT(r, 0);
	CHECK_INT(lock(&p1, F_SETLK, F_UNLCK, 0, 0), 0);
}

static void many_locks_of_one_owner_are_dropped_by_one_unlock(void)
{
	with_files(very_many);
}

static const struct test tests[] = {
	TEST(ranges_split_and_join),
	TEST(writers_exclude_and_readers_share),
	TEST(a_waiter_gets_the_lock_when_its_whole_range_is_free),
	TEST(a_circle_of_waiters_is_edeadlk_for_the_last),
	TEST(flock_belongs_to_the_description),
	TEST(flock_waits_for_its_turn),
	TEST(many_locks_of_one_owner_are_dropped_by_one_unlock),
};
TEST_MAIN(tests)

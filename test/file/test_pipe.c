/* SPDX-License-Identifier: MIT */
/*
 * test_pipe.c - what file.h promises of pipes and fifos: order of bytes, atomic small
 * writes, who wakes whom, ends that go, sizes, and the opens of a fifo.
 */
#include "test/file/file_test.h"

#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static struct file *ends[2];

static unsigned int revents(struct file *f)
{
	return file_poll(f, NULL) & (POLLIN | POLLOUT | POLLHUP | POLLERR);
}

static void close_both(void)
{
	file_put(ends[0]);
	file_put(ends[1]);
}

static void write_then_read(void *arg) MAY_YIELD;
static void write_then_read(void *arg)
{
	char buf[16];
	int unread = 0;

	(void)arg;
	CHECK_INT(pipe_new(0, ends), 0);
	CHECK_INT(file_write(ends[1], "hello", 5), 5);
	CHECK_INT(file_ioctl(ends[0], FIONREAD, &unread, 0), 0);
	CHECK_INT(unread, 5);
	CHECK_INT(file_read(ends[0], buf, 3), 3);
	CHECK(memcmp(buf, "hel", 3) == 0);
	CHECK_INT(file_read(ends[0], buf, sizeof(buf)), 2);
	CHECK(memcmp(buf, "lo", 2) == 0);
	CHECK_INT(file_read(ends[1], buf, 1), -EBADF);
	CHECK_INT(file_write(ends[0], buf, 1), -EBADF);
	CHECK_INT(file_pread(ends[0], buf, 1, 0), -ESPIPE);
	CHECK_INT(file_pread(ends[1], buf, 1, 0), -ESPIPE);
	CHECK_INT(file_pwrite(ends[0], buf, 1, 0), -ESPIPE);
	CHECK_INT(file_fallocate(ends[0], 0, 0, 1), -EBADF);
	CHECK_INT(file_fallocate(ends[1], 0, 0, 1), -ESPIPE);
	CHECK_INT(file_seek(ends[0], 0, SEEK_SET), -ESPIPE);
	close_both();
}

static void bytes_come_out_as_they_went_in(void)
{
	begin_files();
	run_task(write_then_read, NULL);
	end_files();
}

static void read_and_say(void *arg) MAY_YIELD;
static void read_and_say(void *arg)
{
	char buf[64];
	ssize_t r;

	while ((r = file_read(ends[0], buf, *(size_t *)arg)) > 0) {
		SAY("%s got %d", task_name(task_self()), (int)r);
		task_yield();
	}
	SAY("%s ends with %d", task_name(task_self()), (int)r);
}

static void write_and_close(void *arg) MAY_YIELD;
static void write_and_close(void *arg)
{
	(void)arg;
	SAY("writes");
	CHECK_INT(file_write(ends[1], "abcd", 4), 4);
	let_others_run();
	SAY("closes");
	file_put(ends[1]);
}

static void a_reader_waits_for_bytes_and_then_for_the_end(void)
{
	begin_files();
	CHECK_INT(pipe_new(0, ends), 0);
	spawn("reader", read_and_say, &(size_t){ 64 });
	spawn("writer", write_and_close, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("writes\nreader got 4\ncloses\nreader ends with 0\n");
	file_put(ends[0]);
	end_files();
}

static void every_reader_gets_its_turn_from_one_write(void)
{
	begin_files();
	CHECK_INT(pipe_new(0, ends), 0);
	spawn("r1", read_and_say, &(size_t){ 2 });
	spawn("r2", read_and_say, &(size_t){ 2 });
	spawn("writer", write_and_close, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("writes\nr1 got 2\nr2 got 2\ncloses\nr1 ends with 0\nr2 ends with 0\n");
	file_put(ends[0]);
	end_files();
}

struct letter {
	char letter;
	size_t size;
	unsigned int count;
};

static void write_letters(void *arg) MAY_YIELD;
static void write_letters(void *arg)
{
	const struct letter *l = arg;
	static char letters[2][PIPE_BUF];
	char *buf = letters[l->letter - 'a'];

	memset(buf, l->letter, PIPE_BUF);
	for (unsigned int i = 0; i < l->count; i++) {
		CHECK_INT(file_write(ends[1], buf, l->size), l->size);
		task_yield();
	}
}

static void read_runs(void *arg) MAY_YIELD;
static void read_runs(void *arg)
{
	size_t total = 0, wanted = *(size_t *)arg;
	unsigned int run = 0;
	char last = 0;

	while (total < wanted) {
		char buf[1000];
		ssize_t r = file_read(ends[0], buf, sizeof(buf));

		CHECK(r > 0);
		for (ssize_t i = 0; i < r; i++) {
			unsigned int whole = last == 'a' ? 4096 : 3000;

			if (last && buf[i] != last) {
				CHECK_INT(run % whole, 0);
				run = 0;
			}
			last = buf[i];
			run++;
		}
		total += (size_t)r;
		task_yield();
	}
}

static void writes_of_up_to_pipe_buf_are_not_torn(void)
{
	struct letter a = { 'a', 4096, 64 }, b = { 'b', 3000, 64 };
	size_t total = 64 * (4096 + 3000);

	begin_files();
	CHECK_INT(pipe_new(0, ends), 0);
	spawn("a", write_letters, &a);
	spawn("b", write_letters, &b);
	spawn("reader", read_runs, &total);
	CHECK_INT(sched_run_until_idle(), 0);
	close_both();
	end_files();
}

static char big[1024 * 1024];

static void write_big(void *arg) MAY_YIELD;
static void write_big(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 251);
	CHECK_INT(file_write(ends[1], big, sizeof(big)), sizeof(big));
	file_put(ends[1]);
}

static void read_big(void *arg) MAY_YIELD;
static void read_big(void *arg)
{
	static char part[5000];
	size_t at = 0;
	ssize_t r;

	(void)arg;
	while ((r = file_read(ends[0], part, sizeof(part))) > 0) {
		CHECK(memcmp(part, big + at, (size_t)r) == 0);
		at += (size_t)r;
	}
	CHECK_INT(at, sizeof(big));
	file_put(ends[0]);
}

static void a_write_larger_than_the_pipe_goes_through(void)
{
	begin_files();
	CHECK_INT(pipe_new(0, ends), 0);
	spawn("writer", write_big, NULL);
	spawn("reader", read_big, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	end_files();
}

static void nonblocking(void *arg) MAY_YIELD;
static void nonblocking(void *arg)
{
	char buf[200];

	(void)arg;
	memset(buf, 'x', sizeof(buf));
	CHECK_INT(pipe_new(O_NONBLOCK, ends), 0);
	CHECK_INT(revents(ends[0]), 0);
	CHECK_INT(revents(ends[1]), POLLOUT);
	CHECK_INT(file_read(ends[0], buf, 1), -EAGAIN);
	CHECK_INT(file_write(ends[1], big, FILE_PIPE_SIZE - 100), FILE_PIPE_SIZE - 100);
	CHECK_INT(revents(ends[0]), POLLIN);
	CHECK_INT(revents(ends[1]), 0);
	CHECK_INT(file_write(ends[1], buf, 101), -EAGAIN); /* in whole or not at all */
	CHECK_INT(file_write(ends[1], big, 5000), 100);
	CHECK_INT(file_write(ends[1], big, 5000), -EAGAIN);
	CHECK_INT(file_set_flags(ends[0], 0), 0);
	CHECK_INT(file_read(ends[0], big, sizeof(big)), FILE_PIPE_SIZE);
	close_both();
}

static void without_waiting_it_is_eagain_or_what_fits(void)
{
	begin_files();
	run_task(nonblocking, NULL);
	end_files();
}

static void ends_go(void *arg) MAY_YIELD;
static void ends_go(void *arg)
{
	char buf[4];

	(void)arg;
	CHECK_INT(pipe_new(0, ends), 0);
	file_put(ends[0]);
	CHECK_INT(revents(ends[1]), POLLOUT | POLLERR);
	CHECK_INT(file_write(ends[1], "x", 0), 0);
	CHECK_INT(test_sigpipe_count, 0);
	CHECK_INT(file_write(ends[1], "x", 1), -EPIPE);
	CHECK_INT(test_sigpipe_count, 1);
	file_put(ends[1]);

	CHECK_INT(pipe_new(0, ends), 0);
	CHECK_INT(file_write(ends[1], "xy", 2), 2);
	file_put(ends[1]);
	CHECK_INT(revents(ends[0]), POLLIN | POLLHUP);
	CHECK_INT(file_read(ends[0], buf, 4), 2);
	CHECK_INT(revents(ends[0]), POLLHUP);
	CHECK_INT(file_read(ends[0], buf, 4), 0);
	file_put(ends[0]);
}

static void an_end_that_is_gone_is_eof_or_epipe_with_a_signal(void)
{
	begin_files();
	run_task(ends_go, NULL);
	end_files();
}

static void fill_and_wait(void *arg) MAY_YIELD;
static void fill_and_wait(void *arg)
{
	ssize_t r;

	(void)arg;
	r = file_write(ends[1], big, FILE_PIPE_SIZE + 1000);
	SAY("wrote %d", (int)r);
	r = file_write(ends[1], big, 1000);
	SAY("wrote %d", (int)r);
}

static void a_waiting_write_that_is_cancelled_tells_what_it_has_done(void)
{
	struct task *t;

	begin_files();
	CHECK_INT(pipe_new(0, ends), 0);
	t = spawn("writer", fill_and_wait, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	task_cancel(t);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("wrote 65536\nwrote -512\n");
	close_both();
	end_files();
}

static void a_reader_going_away_ends_the_wait_of_a_writer(void)
{
	begin_files();
	CHECK_INT(pipe_new(0, ends), 0);
	spawn("writer", fill_and_wait, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	file_put(ends[0]);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("wrote 65536\nwrote -32\n");
	CHECK_INT(test_sigpipe_count, 2);
	file_put(ends[1]);
	end_files();
}

static void sizes(void *arg) MAY_YIELD;
static void sizes(void *arg)
{
	static char buf[200000];

	(void)arg;
	CHECK_INT(pipe_new(O_NONBLOCK, ends), 0);
	CHECK_INT(pipe_size(ends[1]), FILE_PIPE_SIZE);
	/* Turn the ring, so that growing must put it straight. */
	CHECK_INT(file_write(ends[1], big, 40000), 40000);
	CHECK_INT(file_read(ends[0], buf, 30000), 30000);
	CHECK_INT(file_write(ends[1], big + 40000, 50000), 50000);
	CHECK_INT(pipe_resize(ends[0], 100000), 131072);
	CHECK_INT(file_write(ends[1], big + 90000, 60000), 60000);
	CHECK_INT(pipe_resize(ends[0], 4096), -EBUSY);
	CHECK_INT(file_read(ends[0], buf, sizeof(buf)), 120000);
	CHECK(memcmp(buf, big + 30000, 120000) == 0);
	CHECK_INT(pipe_resize(ends[0], 1), 4096);
	CHECK_INT(file_write(ends[1], big, 5000), 4096);
	CHECK_INT(pipe_resize(ends[0], 1024 * 1024), 1024 * 1024);
	CHECK_INT(pipe_resize(ends[0], 1024 * 1024 + 1), -EPERM);
	close_both();
}

static void a_pipe_changes_its_size_and_keeps_its_bytes(void)
{
	begin_files();
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i / 3);
	run_task(sizes, NULL);
	end_files();
}

static void too_many_pipes(void *arg) MAY_YIELD;
static void too_many_pipes(void *arg)
{
	static struct file *many[1100][2];

	(void)arg;
	for (unsigned int i = 0; i < ARRAY_COUNT(many); i++)
		CHECK_INT(pipe_new(0, many[i]), 0);
	CHECK_INT(pipe_size(many[0][0]), FILE_PIPE_SIZE);
	CHECK_INT(pipe_size(many[1099][0]), 4096);
	CHECK_INT(pipe_resize(many[1099][0], 1024 * 1024), -EPERM);
	CHECK_INT(file_write(many[1099][1], big, 4096), 4096);
	for (unsigned int i = 0; i < 10; i++)
		CHECK_INT(pipe_resize(many[i][0], 4096), 4096);
	CHECK_INT(pipe_resize(many[1099][0], 32768), 32768);
	for (unsigned int i = 0; i < ARRAY_COUNT(many); i++) {
		file_put(many[i][0]);
		file_put(many[i][1]);
	}
}

static void very_many_pipes_are_small_pipes(void)
{
	begin_files();
	run_task(too_many_pipes, NULL);
	end_files();
}

static void open_to_read(void *arg) MAY_YIELD;
static void open_to_read(void *arg)
{
	char buf[8];
	struct file *f;

	(void)arg;
	SAY("reader opens");
	f = open_path("/fifo", O_RDONLY);
	SAY("reader has it");
	CHECK_INT(file_read(f, buf, sizeof(buf)), 3);
	CHECK_INT(file_read(f, buf, sizeof(buf)), 0);
	SAY("reader read all");
	file_put(f);
}

static void open_to_write(void *arg) MAY_YIELD;
static void open_to_write(void *arg)
{
	struct file *f;

	(void)arg;
	SAY("writer opens");
	f = open_path("/fifo", O_WRONLY);
	SAY("writer has it");
	CHECK_INT(file_write(f, "abc", 3), 3);
	file_put(f);
}

static void make_fifo(void *arg) MAY_YIELD;
static void make_fifo(void *arg)
{
	(void)arg;
	CHECK_INT(vfs_mknod(&test_view, NULL, "/fifo", S_IFIFO | 0644, 0), 0);
}

static void opening_a_fifo_waits_for_the_other_end(void)
{
	begin_files();
	run_task(make_fifo, NULL);
	spawn("reader", open_to_read, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("reader opens\n");
	spawn("writer", open_to_write, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("writer opens\nwriter has it\nreader has it\nreader read all\n");
	spawn("writer", open_to_write, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("writer opens\n");
	spawn("reader", open_to_read, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	end_files();
}

static void open_fifo_without_waiting(void *arg) MAY_YIELD;
static void open_fifo_without_waiting(void *arg)
{
	struct file *r, *w, *both;
	struct vfs_attr attr;
	char buf[4];

	make_fifo(arg);
	CHECK_INT(try_open("/fifo", O_WRONLY | O_NONBLOCK, &w), -ENXIO);
	r = open_path("/fifo", O_RDONLY | O_NONBLOCK);
	CHECK_INT(revents(r), 0); /* no writer yet is not a hang-up */
	CHECK_INT(file_read(r, buf, 1), 0);
	w = open_path("/fifo", O_WRONLY | O_NONBLOCK);
	CHECK_INT(file_read(r, buf, 1), -EAGAIN);
	CHECK_INT(file_write(w, "ab", 2), 2);
	file_put(w);
	CHECK_INT(revents(r), POLLIN | POLLHUP);
	CHECK_INT(file_getattr(r, &attr), 0);
	CHECK(S_ISFIFO(attr.mode));
	file_put(r); /* what nobody read is gone with the last end */
	both = open_path("/fifo", O_RDWR);
	CHECK_INT(file_write(both, "c", 1), 1);
	CHECK_INT(file_read(both, buf, 4), 1);
	CHECK_INT(buf[0], 'c');
	file_put(both);
}

static void a_fifo_opened_without_waiting_follows_linux(void)
{
	begin_files();
	run_task(open_fifo_without_waiting, NULL);
	end_files();
}

static void open_and_give_up(void *arg) MAY_YIELD;
static void open_and_give_up(void *arg)
{
	struct file *f;

	(void)arg;
	SAY("open: %d", try_open("/fifo", O_RDONLY, &f));
}

static void a_fifo_open_that_is_cancelled_leaves_no_end_behind(void)
{
	struct task *t;

	begin_files();
	run_task(make_fifo, NULL);
	t = spawn("reader", open_and_give_up, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	task_cancel(t);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("open: -512\n");
	end_files();
}

static void open_close_at_once(void *arg) MAY_YIELD;
static void open_close_at_once(void *arg)
{
	(void)arg;
	file_put(open_path("/fifo", O_WRONLY));
	SAY("writer came and went");
}

static void open_and_say(void *arg) MAY_YIELD;
static void open_and_say(void *arg)
{
	(void)arg;
	file_put(open_path("/fifo", O_RDONLY));
	SAY("reader was let in");
}

static void a_writer_that_has_gone_again_still_lets_the_reader_in(void)
{
	begin_files();
	run_task(make_fifo, NULL);
	spawn("reader", open_and_say, NULL);
	spawn("writer", open_close_at_once, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("writer came and went\nreader was let in\n");
	end_files();
}

static void reopen_pipe(void *arg) MAY_YIELD;
static void reopen_pipe(void *arg)
{
	struct file *again;
	char buf[4], text[32];

	(void)arg;
	CHECK_INT(pipe_new(0, ends), 0);
	CHECK_INT(file_reopen(ends[0], O_WRONLY, &again), 0);
	file_put(ends[1]);
	CHECK_INT(file_write(again, "z", 1), 1);
	CHECK_INT(file_read(ends[0], buf, 4), 1);
	CHECK(file_text(ends[0], text, sizeof(text)) > 0);
	CHECK(strncmp(text, "pipe:[", 6) == 0);
	file_put(again);
	CHECK_INT(file_read(ends[0], buf, 4), 0);
	file_put(ends[0]);
}

static void a_pipe_opened_again_has_one_end_more(void)
{
	begin_files();
	run_task(reopen_pipe, NULL);
	end_files();
}

static const struct test tests[] = {
	TEST(bytes_come_out_as_they_went_in),
	TEST(a_reader_waits_for_bytes_and_then_for_the_end),
	TEST(every_reader_gets_its_turn_from_one_write),
	TEST(writes_of_up_to_pipe_buf_are_not_torn),
	TEST(a_write_larger_than_the_pipe_goes_through),
	TEST(without_waiting_it_is_eagain_or_what_fits),
	TEST(an_end_that_is_gone_is_eof_or_epipe_with_a_signal),
	TEST(a_waiting_write_that_is_cancelled_tells_what_it_has_done),
	TEST(a_reader_going_away_ends_the_wait_of_a_writer),
	TEST(a_pipe_changes_its_size_and_keeps_its_bytes),
	TEST(very_many_pipes_are_small_pipes),
	TEST(opening_a_fifo_waits_for_the_other_end),
	TEST(a_fifo_opened_without_waiting_follows_linux),
	TEST(a_fifo_open_that_is_cancelled_leaves_no_end_behind),
	TEST(a_writer_that_has_gone_again_still_lets_the_reader_in),
	TEST(a_pipe_opened_again_has_one_end_more),
};
TEST_MAIN(tests)

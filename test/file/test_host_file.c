/* SPDX-License-Identifier: MIT */
/*
 * test_host_file.c - what file.h promises of host_file_new(): terminals, pipes, sockets
 * and files of the host. Waits never block the thread, and the host's flags stay.
 */
#include "test/file/file_test.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static struct file *f;
static int other; /* the host's end of it */
static unsigned int access_asked;
static int access_answer;

static int tty_access(struct file *file, bool writing)
{
	(void)file, (void)writing;
	access_asked++;
	return access_answer;
}

static int tty_ioctl(struct file *file, unsigned int cmd, void *arg)
{
	(void)file;
	CHECK_INT(cmd, TIOCGPGRP);
	memcpy(arg, &(int){ 4711 }, sizeof(int));
	return 0;
}

static struct file *open_tty(void)
{
	return file_get(f);
}

static void begin(void)
{
	static const struct file_hooks hooks = {
		.tty_access = tty_access,
		.tty_ioctl = tty_ioctl,
		.open_tty = open_tty,
	};

	signal(SIGPIPE, SIG_IGN);
	begin_host_files();
	file_set_hooks(&hooks);
	access_asked = 0;
	access_answer = 0;
}

static void end(void)
{
	close(other);
	end_host_files();
}

static void take_pty(void)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	int slave;

	CHECK_INT(openpty(&other, &slave, NULL, NULL, &size), 0);
	CHECK_INT(host_file_new(slave, O_RDWR, &f), 0);
}

static void read_and_say(void *arg) MAY_YIELD;
static void read_and_say(void *arg)
{
	char buf[64];
	ssize_t r = file_read(f, buf, sizeof(buf));

	(void)arg;
	SAY("read %d", (int)r);
}

static void write_from_outside(void *arg) MAY_YIELD;
static void write_from_outside(void *arg)
{
	(void)arg;
	sleep_ms(5);
	SAY("others ran meanwhile");
	CHECK_INT(write(other, "line\n", 5), 5);
}

static void read_terminal(void *arg) MAY_YIELD;
static void read_terminal(void *arg)
{
	struct task *t;

	(void)arg;
	spawn("reader", read_and_say, NULL);
	spawn("typist", write_from_outside, NULL);
	while (task_count() > 2)
		sleep_ms(1);
	t = spawn("reader", read_and_say, NULL);
	sleep_ms(3);
	task_cancel(t);
	while (task_count() > 2)
		sleep_ms(1);
	f->flags |= O_NONBLOCK;
	CHECK_INT(file_read(f, (char[8]){ 0 }, 8), -EAGAIN);
	CHECK(access_asked > 0);
	access_answer = -ERESTARTSYS; /* in the background */
	CHECK_INT(file_read(f, (char[8]){ 0 }, 8), -ERESTARTSYS);
	file_put(f);
}

static void a_terminal_is_read_by_a_task_that_waits(void)
{
	begin();
	take_pty();
	run_device(read_terminal);
	EXPECT_TRACE("others ran meanwhile\nread 5\nread -512\n");
	end();
}

/* The settings of System V, and those with free speeds. */
static void check_old_and_new_forms(void) MAY_YIELD;
static void check_old_and_new_forms(void)
{
	static const unsigned int get_set[][2] = {
		{ TCGETA, TCSETA },
		{ TCGETA, TCSETAW },
		{ TCGETA, TCSETAF },
		/* TCGETS2, TCSETS2...: <asm/termbits.h> and <termios.h> exclude each other. */
		{ 0x802c542a, 0x402c542b },
		{ 0x802c542a, 0x402c542c },
		{ 0x802c542a, 0x402c542d },
	};

	for (size_t i = 0; i < ARRAY_COUNT(get_set); i++) {
		unsigned char was[64] = { 0 }, is[64] = { 0 };

		CHECK_INT(file_ioctl(f, get_set[i][0], was, 0), 0);
		CHECK_INT(file_ioctl(f, get_set[i][1], was, 0), 0);
		CHECK_INT(file_ioctl(f, get_set[i][0], is, 0), 0);
		CHECK_INT(memcmp(was, is, sizeof(was)), 0);
	}
}

static void use_terminal(void *arg) MAY_YIELD;
static void use_terminal(void *arg)
{
	struct winsize size;
	struct termios settings;
	struct vfs_attr attr, named;
	struct file *again;
	struct dentry *d;
	char text[64], buf[8];
	int group = 0;

	(void)arg;
	CHECK(host_file_is_terminal(f));
	CHECK_INT(file_ioctl(f, TIOCGWINSZ, &size, 0), 0);
	CHECK_INT(size.ws_col, 80);
	CHECK_INT(file_ioctl(f, TCGETS, &settings, 0), 0);
	settings.c_oflag &= ~(tcflag_t)OPOST;
	CHECK_INT(file_ioctl(f, TCSETSW, &settings, 0), 0);
	check_old_and_new_forms();
	CHECK_INT(file_ioctl(f, TIOCGPGRP, &group, 0), 0);
	CHECK_INT(group, 4711);
	CHECK_INT(file_ioctl(f, TCSBRK, NULL, 1), 0); /* tcdrain */
	CHECK_INT(file_ioctl(f, TCFLSH, NULL, TCIOFLUSH), 0);
	CHECK_INT(file_ioctl(f, TIOCSTI, (char[]){ "x" }, 0), -ENOTTY);
	CHECK_INT(file_getattr(f, &attr), 0);
	CHECK(S_ISCHR(attr.mode));
	CHECK(file_text(f, text, sizeof(text)) > 0);
	CHECK(strncmp(text, "/dev/pts/", 9) == 0);
	CHECK_INT(file_write(f, "out\n", 4), 4);
	CHECK_INT(read(other, buf, 8), 4);
	/* /dev/tty, and the terminal by its own number: the same terminal, a new description. */
	CHECK_INT(vfs_mknod(&test_view, NULL, "/tty", S_IFCHR | 0666, 5 << 8), 0);
	again = open_path("/tty", O_WRONLY);
	CHECK_INT(file_read(again, buf, 1), -EBADF);
	CHECK_INT(file_write(again, "tty", 3), 3);
	CHECK_INT(read(other, buf, 8), 3);
	file_put(again);
	CHECK_INT(vfs_mknod(&test_view, NULL, "/pts", S_IFCHR | 0666, attr.rdev), 0);
	file_put(open_path("/pts", O_RDWR));
	CHECK_INT(vfs_mknod(&test_view, NULL, "/not", S_IFCHR | 0666, attr.rdev + 1), 0);
	CHECK_INT(try_open("/not", O_RDWR, &again), -ENXIO);
	/* With a name inside it is that file: ttyname(3). */
	CHECK_INT(vfs_walk(&test_view, NULL, "/pts", 0, &d), 0);
	host_file_set_name(f, d);
	CHECK_INT(vfs_getattr(dentry_inode(d), &named), 0);
	dentry_put(d);
	CHECK_INT(file_getattr(f, &attr), 0);
	CHECK_INT(attr.ino, named.ino);
	CHECK_INT(attr.dev, named.dev);
	again = open_path("/tty", O_RDWR);
	CHECK(again->dentry == f->dentry);
	file_put(again);
	file_put(open_path("/pts", O_RDWR));
	/* A read that the terminal's own timer ends. */
	settings.c_lflag &= ~(tcflag_t)ICANON;
	settings.c_cc[VMIN] = 0;
	settings.c_cc[VTIME] = 1;
	CHECK_INT(file_ioctl(f, TCSETS, &settings, 0), 0);
	CHECK_INT(file_read(f, buf, 8), 0);
	file_put(f);
}

static void a_terminal_answers_what_programs_ask(void)
{
	begin();
	take_pty();
	run_device(use_terminal);
	end();
}

static void poll_terminal(void *arg) MAY_YIELD;
static void poll_terminal(void *arg)
{
	struct poll_item item = { .file = f, .events = POLLIN };
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	struct file *ep;
	char buf[8];

	(void)arg;
	CHECK_INT(file_poll(f, NULL) & (POLLIN | POLLOUT), POLLOUT);
	CHECK_INT(file_poll_many(&item, 1, clock_now_ns() + 3 * MILLISECOND_NS), 0);
	spawn("typist", write_from_outside, NULL);
	CHECK_INT(file_poll_many(&item, 1, TASK_FOREVER), 1);
	CHECK_INT(epoll_new(0, &ep), 0);
	CHECK_INT(epoll_control(ep, EPOLL_CTL_ADD, 0, f, &e), 0);
	CHECK_INT(epoll_wait_events(ep, &e, 1, TASK_FOREVER), 1);
	CHECK_INT(epoll_wait_events(ep, &e, 1, clock_now_ns() + 3 * MILLISECOND_NS), 0);
	spawn("typist", write_from_outside, NULL);
	CHECK_INT(epoll_wait_events(ep, &e, 1, TASK_FOREVER), 1);
	CHECK_INT(file_read(f, buf, 8), 5);
	close(other);
	other = -1;
	CHECK_INT(file_poll_many(&item, 1, TASK_FOREVER), 1);
	CHECK(item.ret_events & POLLHUP);
	file_put(ep);
	file_put(f);
}

static void a_terminal_is_polled(void)
{
	begin();
	take_pty();
	run_device(poll_terminal);
	end();
}

static void fill_pipe(void *arg) MAY_YIELD;
static void fill_pipe(void *arg)
{
	static char buf[300000];

	(void)arg;
	SAY("wrote %d", (int)file_write(f, buf, sizeof(buf)));
	while (other >= 0)
		sleep_ms(1);
	SAY("wrote %d", (int)file_write(f, buf, 10));
	file_put(f);
}

static void empty_pipe(void *arg) MAY_YIELD;
static void empty_pipe(void *arg)
{
	static char buf[4096];
	size_t total = 0;

	(void)arg;
	while (total < 300000) {
		ssize_t r = read(other, buf, sizeof(buf));

		/* Never wait here: this is the thread that the writer needs too. */
		CHECK(r > 0 || (r < 0 && errno == EAGAIN));
		total += r > 0 ? (size_t)r : 0;
		if (r < 0 || total % 7 == 0)
			sleep_ms(1);
		else
			task_yield();
	}
	close(other);
	other = -1;
	SAY("closed");
}

static void write_pipe(void *arg) MAY_YIELD;
static void write_pipe(void *arg)
{
	(void)arg;
	CHECK_INT(fcntl(other, F_SETFL, O_NONBLOCK), 0);
	spawn("writer", fill_pipe, NULL);
	sleep_ms(2);
	spawn("reader", empty_pipe, NULL);
}

static void a_full_host_pipe_makes_the_writer_wait(void)
{
	int fds[2];

	begin();
	CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
	other = fds[0];
	CHECK_INT(host_file_new(fds[1], O_WRONLY, &f), 0);
	run_device(write_pipe);
	EXPECT_TRACE("wrote 300000\nclosed\nwrote -32\n");
	end();
}

static void socket_both_ways(void *arg) MAY_YIELD;
static void socket_both_ways(void *arg)
{
	char buf[8];

	(void)arg;
	spawn("typist", write_from_outside, NULL);
	CHECK_INT(file_read(f, buf, 8), 5);
	CHECK_INT(file_write(f, "abc", 3), 3);
	CHECK_INT(read(other, buf, 8), 3);
	CHECK_INT(fcntl(other, F_GETFL) & O_NONBLOCK, 0);
	close(other);
	other = -1;
	CHECK_INT(file_read(f, buf, 8), 0);
	CHECK_INT(file_write(f, "abc", 3), -EPIPE);
	file_put(f);
}

static void a_host_socket_is_used_without_changing_its_flags(void)
{
	int fds[2], shared;

	begin();
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	other = fds[0];
	shared = dup(fds[1]);
	CHECK_INT(host_file_new(fds[1], O_RDWR, &f), 0);
	CHECK_INT(fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
	close(shared);
	run_device(socket_both_ways);
	end();
}

static void regular(void *arg) MAY_YIELD;
static void regular(void *arg)
{
	struct vfs_mapping map;
	struct vfs_attr attr;
	struct file *again;
	char buf[16];

	(void)arg;
	CHECK(!host_file_is_terminal(f));
	CHECK_INT(file_read(f, buf, 4), 4);
	CHECK_INT(lseek(other, 0, SEEK_CUR), 4); /* the position is shared with the host */
	CHECK_INT(file_pread(f, buf, 3, 1), 3);
	CHECK(memcmp(buf, "123", 3) == 0);
	CHECK_INT(file_seek(f, 0, SEEK_CUR), 4);
	CHECK_INT(file_write(f, "xy", 2), 2);
	CHECK_INT(file_pwrite(f, "z", 1, 0), 1);
	CHECK_INT(pread(other, buf, 16, 0), 10);
	CHECK(memcmp(buf, "z123xy6789", 10) == 0);
	CHECK_INT(file_getattr(f, &attr), 0);
	CHECK_INT(attr.size, 10);
	CHECK(S_ISREG(attr.mode));
	CHECK_INT(file_map(f, true, &map), 0);
	CHECK(map.writable);
	CHECK_INT(map.file_size, 10);
	CHECK_INT(file_reopen(f, O_RDONLY, &again), 0); /* a position of its own */
	CHECK_INT(file_read(again, buf, 16), 10);
	CHECK_INT(file_seek(f, 0, SEEK_CUR), 6);
	file_put(again);
	CHECK_INT(file_reopen(f, O_WRONLY | O_TRUNC, &again), 0);
	file_put(again);
	CHECK_INT(file_getattr(f, &attr), 0);
	CHECK_INT(attr.size, 0);
	CHECK_INT(file_truncate(f, test_view.cred, 77), 0);
	CHECK_INT(file_sync(f, true), 0);
	CHECK_INT(lseek(other, 0, SEEK_END), 77);
	file_put(f);
	/* What was given for reading is never opened for writing. */
	CHECK_INT(host_file_new(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), O_RDONLY, &f), 0);
	CHECK_INT(file_reopen(f, O_WRONLY, &again), -EACCES);
	CHECK_INT(file_reopen(f, O_RDONLY | O_TRUNC, &again), -EACCES);
	CHECK_INT(file_map(f, true, &map), -EACCES);
	CHECK_INT(file_map(f, false, &map), 0);
	file_put(f);
	CHECK_INT(host_file_new(open("/dev/null", O_RDWR | O_CLOEXEC), O_RDWR, &f), 0);
	CHECK_INT(file_write(f, "xy", 2), 2);
	CHECK_INT(file_read(f, buf, 2), 0);
	CHECK_INT(file_seek(f, 5, SEEK_SET), 0);
	CHECK_INT(file_map(f, false, &map), -ENODEV);
	file_put(f);
	CHECK_INT(host_file_new(-1, O_RDWR, &f), -EBADF);
}

static void a_regular_host_file_keeps_the_hosts_position(void)
{
	char name[] = "/tmp/test_host_file_XXXXXX";
	int fd;

	begin();
	fd = mkostemp(name, O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_INT(unlink(name), 0);
	CHECK_INT(write(fd, "0123456789", 10), 10);
	CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
	other = dup(fd);
	CHECK_INT(host_file_new(fd, O_RDWR, &f), 0);
	run_device(regular);
	end();
}

static const struct test tests[] = {
	TEST(a_terminal_is_read_by_a_task_that_waits),
	TEST(a_terminal_answers_what_programs_ask),
	TEST(a_terminal_is_polled),
	TEST(a_full_host_pipe_makes_the_writer_wait),
	TEST(a_host_socket_is_used_without_changing_its_flags),
	TEST(a_regular_host_file_keeps_the_hosts_position),
};
TEST_MAIN(tests)

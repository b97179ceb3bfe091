/* waits.c - poll, select, epoll, eventfd, timerfd, full pipes, locks; the same at every run. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tell.h"

static short polled(int fd, short events, int timeout)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, timeout) > 0 ? p.revents : 0;
}

static void polls(void)
{
	int p[2], file = open("/etc/passwd", O_RDONLY), null = open("/dev/null", O_RDWR), s[2];
	char c;

	if (pipe(p) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0)
		exit(1);
	printf("empty pipe: %x %x\n", polled(p[0], POLLIN, 0), polled(p[1], POLLOUT, 0));
	printf("file: %x null: %x\n", polled(file, POLLIN | POLLOUT, 0),
	       polled(null, POLLIN | POLLOUT, 0));
	tell("write", write(p[1], "x", 1));
	printf("full pipe: %x\n", polled(p[0], POLLIN, 0));
	printf("read: %zd\n", read(p[0], &c, 1));
	printf("bad: %x negative: %x\n", polled(777, POLLIN, 0), polled(-1, POLLIN, 0));
	printf("socket: %x %x\n", polled(s[0], POLLIN | POLLOUT, 0), polled(s[1], POLLIN, 0));
	if (fork() == 0) {
		usleep(50000);
		_exit(write(p[1], "late", 4) != 4);
	}
	printf("woken: %x\n", polled(p[0], POLLIN, 5000));
	wait(NULL);
	close(p[1]);
	printf("writer gone: %x\n", polled(p[0], POLLIN, 0));
	char text[10];
	printf("rest: %zd", read(p[0], text, 10));
	printf(" end: %zd", read(p[0], text, 10));
	printf(" %x\n", polled(p[0], POLLIN, 0));
	close(p[0]);
	if (pipe(p) < 0)
		exit(1);
	close(p[0]);
	printf("reader gone: %x\n", polled(p[1], POLLOUT, 0));
	close(p[1]);
	close(s[1]);
	printf("peer gone: %x\n", polled(s[0], POLLIN | POLLOUT | POLLRDHUP, 0));
	close(s[0]);
	close(file);
	close(null);
}

static void selects(void)
{
	int p[2];
	fd_set r, w;
	struct timeval t = { .tv_usec = 20000 };

	if (pipe(p) < 0)
		exit(1);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	printf("select: %d", select(p[1] + 1, &r, &w, NULL, &t));
	printf(" %d %d\n", FD_ISSET(p[0], &r), FD_ISSET(p[1], &w));
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	t = (struct timeval){ .tv_usec = 20000 };
	printf("timeout: %d %ld\n", select(p[0] + 1, &r, NULL, NULL, &t), (long)t.tv_usec);
	FD_SET(60, &r);
	tell("bad", select(61, &r, NULL, NULL, &t));
	struct timespec brief = { .tv_nsec = 1000000 };
	printf("pselect: %d\n", pselect(0, NULL, NULL, NULL, &brief, NULL));
	close(p[0]);
	close(p[1]);
}

static void epolls(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), p[2];
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 42 }, out[4];
	char c;

	if (pipe(p) < 0)
		exit(1);
	tell("add", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	tell("again", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	printf("nothing: %d\n", epoll_wait(ep, out, 4, 10));
	printf("write: %zd", write(p[1], "ab", 2));
	printf(" level: %d %d", epoll_wait(ep, out, 4, 1000), epoll_wait(ep, out, 4, 1000));
	printf(" data %d events %x\n", (int)out[0].data.u64, out[0].events);
	e.events = EPOLLIN | EPOLLET;
	epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e);
	printf("edge: %d", epoll_wait(ep, out, 4, 1000));
	printf(" %d\n", epoll_wait(ep, out, 4, 10));
	e.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e);
	printf("once: %d", epoll_wait(ep, out, 4, 1000));
	printf(" %d\n", epoll_wait(ep, out, 4, 10));
	int file = open("/etc/passwd", O_RDONLY);
	tell("file", epoll_ctl(ep, EPOLL_CTL_ADD, file, &e));
	tell("delete", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	tell("again", epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	e.events = EPOLLIN;
	epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e);
	printf("read: %zd %zd\n", read(p[0], &c, 1), read(p[0], &c, 1));
	if (fork() == 0) {
		usleep(50000);
		_exit(write(p[1], "x", 1) != 1);
	}
	printf("woken: %d\n", epoll_wait(ep, out, 4, 5000));
	wait(NULL);
	close(file);
	close(p[0]);
	close(p[1]);
	printf("closed ones are gone: %d\n", epoll_wait(ep, out, 4, 0));
	close(ep);
}

static void counters(void)
{
	int e = eventfd(3, EFD_NONBLOCK), t = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec when = { .it_value = { .tv_nsec = 30000000 },
				   .it_interval = { .tv_nsec = 10000000 } };
	eventfd_t value = 0;
	uint64_t expired;

	printf("eventfd: %d", eventfd_read(e, &value));
	printf(" %d\n", (int)value);
	tell("empty", eventfd_read(e, &value));
	eventfd_write(e, 5);
	eventfd_write(e, 6);
	eventfd_read(e, &value);
	printf("sum: %d poll: %x\n", (int)value, polled(e, POLLIN | POLLOUT, 0));
	printf("timerfd: %d %x", timerfd_settime(t, 0, &when, NULL), polled(t, POLLIN, 0));
	printf(" %x", polled(t, POLLIN, 5000));
	printf(" read %zd", read(t, &expired, 8));
	printf(" %d\n", expired >= 1);
	close(e);
	close(t);
}

static void pipes(void)
{
	int p[2], n = 0, ready = 0;
	char page[4096] = "";

	if (pipe2(p, O_NONBLOCK) < 0)
		exit(1);
	while (write(p[1], page, 4096) == 4096)
		n++;
	printf("filled: %d pages, %d\n", n, errno == EAGAIN);
	tell("FIONREAD", ioctl(p[0], FIONREAD, &ready));
	printf("ready %d\n", ready);
	printf("poll: %x\n", polled(p[1], POLLOUT, 0));
	tell("full", write(p[1], page, 4096));
	tell("read", read(p[0], page, 4096));
	tell("write", write(p[1], page, 4096));
	printf("F_GETPIPE_SZ: %d\n", fcntl(p[1], F_GETPIPE_SZ));
	tell("read of the write end", (long)read(p[1], page, 1));
	tell("seek", (long)lseek(p[0], 0, SEEK_SET));
	while (read(p[0], page, 4096) > 0)
		;
	fcntl(p[0], F_SETFL, 0);
	fcntl(p[1], F_SETFL, 0);
	struct iovec v[3] = { { "one ", 4 }, { "two ", 4 }, { "three", 5 } };
	printf("writev: %zd", writev(p[1], v, 3));
	printf(" read: %zd", read(p[0], page, 100));
	printf(" %.13s\n", page);
	/* Writers of less than PIPE_BUF are never mixed. */
	for (int k = 0; k < 4; k++)
		if (fork() == 0) {
			memset(page, 'a' + k, 100);
			for (int i = 0; i < 2000; i++)
				if (write(p[1], page, 100) != 100)
					_exit(1);
			_exit(0);
		}
	close(p[1]);
	int mixed = 0, total = 0, got = 0;
	char block[100];
	ssize_t r;
	while ((r = read(p[0], block + got, sizeof(block) - got)) > 0) {
		got += r;
		total += r;
		if (got == 100) {
			for (int i = 1; i < 100; i++)
				mixed += block[i] != block[0];
			got = 0;
		}
	}
	printf("four writers: %d bytes, %d mixed\n", total, mixed);
	while (wait(NULL) > 0)
		;
	close(p[0]);
}

static int lock(int fd, int command, short type, off_t start, off_t length)
{
	struct flock l = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};
	int r = fcntl(fd, command, &l);

	return command == F_GETLK ? l.l_type : r < 0 ? -errno : r;
}

static int in_child(int (*fn)(int), int fd)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(fd));
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static int try_record(int fd)
{
	return (lock(fd, F_SETLK, F_WRLCK, 0, 10) == -EAGAIN) +
	       2 * (lock(fd, F_SETLK, F_WRLCK, 20, 10) == 0) +
	       4 * (lock(fd, F_GETLK, F_RDLCK, 0, 1) == F_WRLCK);
}

static int wait_record(int fd)
{
	return lock(fd, F_SETLKW, F_WRLCK, 0, 10) == 0;
}

static int try_flock(int fd)
{
	int mine = open("locked", O_RDWR);

	(void)fd;
	return flock(mine, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

static void locks(void)
{
	int fd = open("locked", O_CREAT | O_RDWR, 0600);

	printf("record: %d", lock(fd, F_SETLK, F_WRLCK, 0, 10));
	printf(" child: %d\n", in_child(try_record, fd));
	pid_t pid = fork();
	if (pid == 0)
		_exit(wait_record(fd));
	usleep(50000);
	lock(fd, F_SETLK, F_UNLCK, 0, 10);
	int status;
	waitpid(pid, &status, 0);
	printf("waited for: %d\n", WEXITSTATUS(status));
	printf("flock: %d", flock(fd, LOCK_EX));
	printf(" child: %d\n", in_child(try_flock, fd));
	printf("unlock: %d", flock(fd, LOCK_UN));
	printf(" child: %d\n", in_child(try_flock, fd));
	lock(fd, F_SETLK, F_WRLCK, 0, 10);
	printf("held: %d\n", in_child(try_record, fd));
	int other = open("locked", O_RDONLY);
	close(other); /* drops every record lock of this process on the file */
	printf("lost by close: %d\n", in_child(try_record, fd));
	close(fd);
	unlink("locked");
}

static void sockets(void)
{
	int s[2];
	char text[20];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, s) < 0)
		exit(1);
	printf("datagrams: %zd", send(s[0], "one", 3, 0));
	printf(" %zd", send(s[0], "three", 5, 0));
	printf(" %zd", recv(s[1], text, 20, 0));
	printf(" %zd", recv(s[1], text, 2, MSG_TRUNC));
	tell(" empty", recv(s[1], text, 20, MSG_DONTWAIT));
	close(s[0]);
	close(s[1]);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0)
		exit(1);
	printf("stream: %zd", send(s[0], "abcdef", 6, 0));
	printf(" peek %zd", recv(s[1], text, 3, MSG_PEEK));
	printf(" %zd", recv(s[1], text, 20, 0));
	printf(" shutdown %d", shutdown(s[0], SHUT_WR));
	printf(" %zd\n", recv(s[1], text, 20, 0));
	signal(SIGPIPE, SIG_IGN);
	close(s[1]);
	tell("broken", (long)send(s[0], "x", 1, MSG_NOSIGNAL));
	close(s[0]);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	polls();
	selects();
	epolls();
	counters();
	pipes();
	locks();
	sockets();
	return 13;
}

/* waits.c - pipes, poll, select, epoll, eventfd, timerfd, terminals. */
#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int revents(int fd, short events)
{
	struct pollfd f = { .fd = fd, .events = events };

	return poll(&f, 1, 0) < 0 ? -1 : f.revents;
}

static void case_pipes(void)
{
	int p[2], n = 0, ready;
	static char block[70000];
	struct stat st;

	T(pipe2(p, O_NONBLOCK));
	T(pipe2(p, 077777));
	T(read(p[0], block, 10));
	T(write(p[1], "hello", 5));
	T(ioctl(p[0], FIONREAD, &ready));
	say("%d", ready);
	T(read(p[0], block, 2));
	T(read(p[0], block, 100));
	T(read(p[0], block, 100));
	T(write(p[1], block, sizeof(block)));
	T(write(p[1], block, 1));
	T(read(p[0], block, 4095));
	while (read(p[0], block, 4096) > 0)
		n++;
	while (write(p[1], block, 4096) == 4096)
		n++;
	errno = 0;
	T(write(p[1], block, 4097));
	T(read(p[0], block, 5000));
	T(write(p[1], block, 4097) > 0);
	T(fstat(p[0], &st));
	say("fifo %d mode %o", S_ISFIFO(st.st_mode), st.st_mode & 0777);
	T(lseek(p[0], 0, SEEK_CUR));
	T(pread(p[0], block, 1, 0));
	T(pwrite(p[1], block, 1, 0));
	T(read(p[1], block, 1));
	T(write(p[0], block, 1));
	T(fcntl(p[0], F_GETPIPE_SZ));
	T(fcntl(p[0], F_GETFL));
	T(fcntl(p[1], F_GETFL));
	T(fcntl(p[0], F_GETFD));
	T(close(p[0]));
	signal(SIGPIPE, SIG_IGN);
	T(write(p[1], block, 1));
	T(close(p[1]));
	T(pipe(p));
	T(write(p[1], "rest", 4));
	T(close(p[1]));
	T(read(p[0], block, 10));
	T(read(p[0], block, 10));
	T(write(p[1], "", 0));
}

static void case_fifos(void)
{
	int r, w;
	char text[10];

	T(mkfifo("p", 0600));
	T(mkfifo("p", 0600));
	T(open("p", O_WRONLY | O_NONBLOCK));
	T(r = open("p", O_RDONLY | O_NONBLOCK));
	T(read(r, text, 10));
	say("%x", revents(r, POLLIN));
	T(w = open("p", O_WRONLY | O_NONBLOCK));
	T(read(r, text, 10));
	T(write(w, "abc", 3));
	say("%x", revents(r, POLLIN));
	T(read(r, text, 10));
	T(close(w));
	T(read(r, text, 10));
	say("%x", revents(r, POLLIN));
	T(close(r));
	T(w = open("p", O_RDWR));
	T(write(w, "kept", 4));
	T(unlink("p"));
	T(read(w, text, 10));
}

static void case_polls(void)
{
	int p[2], s[2], e = eventfd(0, 0), f = open("f", O_CREAT | O_RDWR, 0600);

	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	static const short all = POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDNORM | POLLWRNORM;
	say("file %x", revents(f, all));
	say("file, nothing asked %x", revents(f, 0));
	say("null %x", revents(open("/dev/null", O_RDWR), all));
	say("zero %x", revents(open("/dev/zero", O_RDWR), all));
	say("folder %x", revents(open(".", O_RDONLY), all));
	say("pipe %x %x", revents(p[0], all), revents(p[1], all));
	write(p[1], "x", 1);
	say("pipe with a byte %x %x", revents(p[0], all), revents(p[1], all));
	say("socket %x", revents(s[0], all));
	write(s[1], "x", 1);
	say("socket with a byte %x", revents(s[0], all));
	shutdown(s[1], SHUT_WR);
	say("half closed %x", revents(s[0], all));
	close(s[1]);
	say("closed %x", revents(s[0], all));
	say("eventfd %x", revents(e, all));
	eventfd_write(e, 1);
	say("eventfd 1 %x", revents(e, all));
	eventfd_write(e, 0xfffffffffffffffdull);
	say("eventfd full %x", revents(e, all));
	say("closed fd %x", revents(777, all));
	say("negative %x", revents(-5, all));
	close(p[1]);
	say("pipe, writer gone %x", revents(p[0], all));
	pipe(p);
	close(p[0]);
	say("pipe, reader gone %x", revents(p[1], all));
	T(poll(NULL, 0, 10));
	T(poll(NULL, 1, 0));
	T(poll(NULL, 10000000, 0));
	struct pollfd many[3] = { { f, POLLIN, 0 }, { -1, POLLIN, 99 }, { 777, POLLIN, 0 } };
	T(poll(many, 3, 0));
	say("%x %x %x", many[0].revents, many[1].revents, many[2].revents);
	struct timespec bad = { 0, -1 };
	T(ppoll(many, 3, &bad, NULL));
}

static void case_selects(void)
{
	int p[2], f = open("f", O_CREAT | O_RDWR, 0600);
	fd_set r, w, x;
	struct timeval t = { 0, 0 };

	pipe(p);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(p[0], &r);
	FD_SET(f, &r);
	FD_SET(p[1], &w);
	FD_SET(f, &w);
	FD_SET(f, &x);
	T(select(20, &r, &w, &x, &t));
	say("%d %d %d %d %d", FD_ISSET(p[0], &r), FD_ISSET(f, &r), FD_ISSET(p[1], &w),
	    FD_ISSET(f, &w), FD_ISSET(f, &x));
	T(select(-1, NULL, NULL, NULL, &t));
	T(select(p[0], &r, NULL, NULL, &t));
	FD_SET(60, &r);
	T(select(61, &r, NULL, NULL, &t));
	t.tv_usec = -1;
	T(select(0, NULL, NULL, NULL, &t));
	t.tv_usec = 20000;
	T(select(0, NULL, NULL, NULL, &t));
	close(p[1]);
	FD_ZERO(&r);
	FD_ZERO(&x);
	FD_SET(p[0], &r);
	FD_SET(p[0], &x);
	T(select(20, &r, NULL, &x, NULL));
	say("%d %d", FD_ISSET(p[0], &r), FD_ISSET(p[0], &x));
}

static void case_epolls(void)
{
	int ep, p[2], other;
	struct epoll_event e = { .events = EPOLLIN }, out[5];

	T(epoll_create(0));
	T(epoll_create1(99));
	T(ep = epoll_create1(0));
	pipe(p);
	T(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	T(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	T(epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &e));
	T(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], &e));
	T(epoll_ctl(ep, EPOLL_CTL_ADD, 777, &e));
	T(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e));
	T(epoll_ctl(ep, 99, p[0], &e));
	T(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &e));
	T(epoll_ctl(ep, EPOLL_CTL_ADD, open(".", O_RDONLY), &e));
	T(epoll_wait(ep, out, 0, 0));
	T(epoll_wait(p[0], out, 5, 0));
	T(epoll_wait(ep, out, 5, 0));
	write(p[1], "ab", 2);
	T(epoll_wait(ep, out, 5, 0));
	e.events = EPOLLOUT;
	e.data.u32 = 7;
	T(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &e));
	T(epoll_wait(ep, out, 5, 0));
	T(epoll_wait(ep, out, 1, 0));
	say("poll of it %x", revents(ep, POLLIN));
	T(other = epoll_create1(0));
	e.events = EPOLLIN;
	T(epoll_ctl(other, EPOLL_CTL_ADD, ep, &e));
	T(epoll_wait(other, out, 5, 0));
	int copy = dup(p[0]);
	T(close(p[0]));
	T(epoll_wait(ep, out, 5, 0));
	T(close(copy));
	T(epoll_wait(ep, out, 5, 0));
	say("%x", out[0].events);
	T(close(p[1]));
	T(epoll_wait(ep, out, 5, 0));
	pipe(p);
	e.events = EPOLLIN | EPOLLONESHOT;
	T(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
	write(p[1], "a", 1);
	T(epoll_wait(ep, out, 5, 0));
	T(epoll_wait(ep, out, 5, 0));
	T(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
	T(epoll_wait(ep, out, 5, 0));
	e.events = EPOLLIN | EPOLLET;
	T(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
	T(epoll_wait(ep, out, 5, 0));
	T(epoll_wait(ep, out, 5, 0));
	write(p[1], "b", 1);
	T(epoll_wait(ep, out, 5, 0));
	T(epoll_wait(ep, out, 5, 10));
}

static void case_eventfds_and_timers(void)
{
	int e, t;
	uint64_t v = 0;
	struct itimerspec when = { .it_value = { 0, 20000000 } }, old;

	T(e = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE));
	T(read(e, &v, 8));
	say("%ju", (uintmax_t)v);
	T(read(e, &v, 8));
	T(read(e, &v, 8));
	T(read(e, &v, 7));
	v = ~0ull;
	T(write(e, &v, 8));
	v = ~1ull;
	T(write(e, &v, 8));
	v = 1;
	T(write(e, &v, 8));
	T(write(e, &v, 4));
	T(eventfd(0, 99));
	T(t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	T(timerfd_create(77, 0));
	T(read(t, &v, 8));
	T(timerfd_settime(t, 0, &when, &old));
	T(read(t, &v, 8));
	sleep_ms(40);
	T(read(t, &v, 8));
	say("%ju", (uintmax_t)v);
	T(timerfd_gettime(t, &old));
	say("%ld %ld", (long)old.it_value.tv_sec, old.it_value.tv_nsec);
	when.it_value.tv_nsec = 1000000000;
	T(timerfd_settime(t, 0, &when, NULL));
	T(timerfd_settime(e, 0, &when, NULL));
}

static void case_terminals(void)
{
	int master, slave;
	char text[100];
	struct termios t;
	struct winsize w = { 11, 22, 0, 0 };

	T(isatty(open("/dev/null", O_RDWR)));
	T(tcgetattr(open("f", O_CREAT | O_RDWR, 0600), &t));
	T(openpty(&master, &slave, NULL, NULL, &w));
	T(isatty(slave));
	T(isatty(master));
	T(tcgetattr(slave, &t));
	say("canonical %d echo %d signals %d", !!(t.c_lflag & ICANON), !!(t.c_lflag & ECHO),
	    !!(t.c_lflag & ISIG));
	T(ioctl(slave, TIOCGWINSZ, &w));
	say("%u %u", w.ws_row, w.ws_col);
	T(write(master, "line\nrest", 9));
	T(read(slave, text, 100));
	T(ioctl(slave, FIONREAD, &master) == 0);
	T(openpty(&master, &slave, NULL, NULL, &w));
	cfmakeraw(&t);
	T(tcsetattr(slave, TCSANOW, &t));
	T(write(master, "raw", 3));
	T(read(slave, text, 100));
	T(write(slave, "out\n", 4));
	T(read(master, text, 100));
	w.ws_row = 40;
	T(ioctl(master, TIOCSWINSZ, &w));
	T(ioctl(slave, TIOCGWINSZ, &w));
	say("%u %u", w.ws_row, w.ws_col);
	T(tcgetpgrp(slave));
	T(ttyname_r(slave, text, sizeof(text)));
	say("%.9s", text);
	T(close(master));
	T(read(slave, text, 100));
	T(write(slave, "x", 1));
}

static void case_terminal_of_a_session(void)
{
	int master, status;
	char text[1000];
	size_t got = 0;
	ssize_t n;
	pid_t pid;

	fflush(stdout);
	pid = forkpty(&master, NULL, NULL, NULL);
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		printf("%d %d\n", tcgetpgrp(0) == getpgrp(), getsid(0) == getpid());
		fflush(stdout);
		execl("/bin/sh", "sh", "-c", "test -t 0 && echo tty; echo go; sleep 10", NULL);
		_exit(1);
	}
	while (got < sizeof(text) && (n = read(master, text + got, sizeof(text) - got)) > 0) {
		got += (size_t)n;
		if (got > 4 && memmem(text, got, "go\r\n", 4))
			break;
	}
	say("%d", memmem(text, got, "1 1\r\ntty\r\n", 10) != NULL);
	sleep_ms(50);
	T(write(master, "\3", 1));
	T(waitpid(pid, &status, 0) == pid);
	print_status(status);
	T(read(master, text, 1000) >= -1);
}

const struct conform_case wait_cases[] = {
	CASE(pipes),	 CASE(fifos),
	CASE(polls),	 CASE(selects),
	CASE(epolls),	 CASE(eventfds_and_timers),
	CASE(terminals), CASE(terminal_of_a_session),
	{ NULL, NULL },
};

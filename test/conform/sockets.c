/* sockets.c - pairs of AF_UNIX sockets: kinds, messages, descriptors that travel in them. */
#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static ssize_t send_fds(int s, const char *text, const int *fds, int count)
{
	char control[CMSG_SPACE(sizeof(int) * 8)] = "";
	struct iovec v = { (void *)(uintptr_t)text, strlen(text) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control };

	m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
	return sendmsg(s, &m, 0);
}

static ssize_t receive_fds(int s, char *text, size_t size, int *fds, int room, int *ret_count)
{
	char control[CMSG_SPACE(sizeof(int) * 8)] = "";
	struct iovec v = { text, size };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control };

	m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)room);
	ssize_t n = recvmsg(s, &m, MSG_CMSG_CLOEXEC);
	*ret_count = 0;
	if (n < 0)
		return n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_type == SCM_RIGHTS) {
			*ret_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
		}
	say("flags %x", m.msg_flags & ~MSG_CMSG_CLOEXEC);
	return n;
}

static void case_socketpairs(void)
{
	int s[2];

	T(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	T(socketpair(AF_UNIX, SOCK_RAW, 0, s) == -1 ? -1 : 0);
	T(socketpair(AF_UNIX, 99, 0, s));
	T(socketpair(99, SOCK_STREAM, 0, s));
	T(socketpair(AF_UNIX, SOCK_STREAM, 5, s));
	T(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s));
	T(fcntl(s[0], F_GETFD));
	T(fcntl(s[0], F_GETFL));
	int type;
	socklen_t size = sizeof(type);
	T(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &type, &size));
	say("%d", type);
	T(getsockopt(s[0], SOL_SOCKET, SO_DOMAIN, &type, &size));
	say("%d", type);
	T(getsockopt(s[0], SOL_SOCKET, 9999, &type, &size));
	T(getsockopt(0, SOL_SOCKET, SO_TYPE, &type, &size));
	struct sockaddr_un name;
	size = sizeof(name);
	T(getsockname(s[0], (struct sockaddr *)&name, &size));
	say("%u %u", name.sun_family, size);
	size = sizeof(name);
	T(getpeername(s[0], (struct sockaddr *)&name, &size));
	T(listen(s[0], 1));
	T(lseek(s[0], 0, SEEK_SET));
	struct ucred who;
	size = sizeof(who);
	T(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &who, &size));
	say("%d %d", who.pid == getpid(), who.uid == getuid());
}

static void case_streams(void)
{
	int s[2], n;
	char text[100];

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	T(send(s[0], "hello", 5, 0));
	T(write(s[0], " world", 6));
	T(ioctl(s[1], FIONREAD, &n));
	say("%d", n);
	T(recv(s[1], text, 3, MSG_PEEK));
	T(recv(s[1], text, 3, 0));
	T(recv(s[1], text, 100, MSG_DONTWAIT));
	T(recv(s[1], text, 100, MSG_DONTWAIT));
	T(send(s[0], "", 0, 0));
	T(recv(s[1], text, 100, MSG_DONTWAIT));
	if (fork() == 0) {
		send(s[0], "ab", 2, 0);
		sleep_ms(50);
		send(s[0], "cd", 2, 0);
		_exit(0);
	}
	T(recv(s[1], text, 4, MSG_WAITALL));
	wait(NULL);
	T(shutdown(s[0], SHUT_WR));
	T(send(s[0], "x", 1, MSG_NOSIGNAL));
	T(recv(s[1], text, 10, 0));
	T(send(s[1], "back", 4, 0));
	T(recv(s[0], text, 10, 0));
	T(shutdown(s[0], 99));
	T(close(s[1]));
	T(recv(s[0], text, 10, 0));
	signal(SIGPIPE, SIG_IGN);
	T(send(s[0], "x", 1, 0));
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
	T(send(s[0], "unread", 6, 0));
	T(send(s[1], "unread", 6, 0));
	T(close(s[1]));
	T(recv(s[0], text, 3, 0));
	T(recv(s[0], text, 10, 0) >= -1);
	T(sendto(s[0], "x", 1, 0, NULL, 0));
	T(recvfrom(0, text, 1, 0, NULL, NULL));
}

static void case_datagrams(void)
{
	static const int kinds[] = { SOCK_DGRAM, SOCK_SEQPACKET };
	char text[100];

	for (int k = 0; k < 2; k++) {
		int s[2];
		socketpair(AF_UNIX, kinds[k] | SOCK_NONBLOCK, 0, s);
		T(send(s[0], "one", 3, 0));
		T(send(s[0], "second", 6, 0));
		T(recv(s[1], text, 2, MSG_PEEK));
		T(recv(s[1], text, 100, 0));
		T(recv(s[1], text, 2, MSG_TRUNC));
		T(recv(s[1], text, 100, 0));
		T(write(s[0], "by write", 8));
		T(read(s[1], text, 3));
		T(read(s[1], text, 3));
		T(send(s[0], "", 0, 0));
		T(recv(s[1], text, 3, 0));
		struct iovec v[2] = { { "a", 1 }, { "bc", 2 } };
		struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
		T(sendmsg(s[0], &m, 0));
		char x[1], y[10];
		struct iovec r[2] = { { x, 1 }, { y, 10 } };
		m.msg_iov = r;
		T(recvmsg(s[1], &m, 0));
		say("%c %.2s flags %x", x[0], y, m.msg_flags);
		send(s[0], "long message", 12, 0);
		T(recvmsg(s[1], &m, 0));
		say("flags %x", m.msg_flags);
		T(close(s[1]));
		T(send(s[0], "x", 1, MSG_NOSIGNAL));
		T(recv(s[0], text, 1, 0));
	}
}

static void case_descriptors(void)
{
	int s[2], p[2], got[8], count;
	char text[100];

	close_range(3, ~0u, 0);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	pipe(p);
	make_file("f", "content");
	int file = open("f", O_RDONLY);
	T(send_fds(s[0], "two", (int[]){ file, p[1] }, 2));
	T(close(file));
	T(close(p[1]));
	T(receive_fds(s[1], text, 100, got, 4, &count));
	say("%d descriptors", count);
	T(got[0]);
	T(fcntl(got[0], F_GETFD));
	T(read(got[0], text, 100));
	T(write(got[1], "through", 7));
	T(read(p[0], text, 100));
	T(close(got[0]));
	T(close(got[1]));
	T(read(p[0], text, 100));
	T(send_fds(s[0], "bad", (int[]){ 777 }, 1));
	T(send_fds(s[0], "lost", (int[]){ p[0], p[0], p[0] }, 3));
	T(receive_fds(s[1], text, 100, got, 1, &count));
	say("%d descriptors", count);
	T(send_fds(s[0], "none taken", (int[]){ p[0] }, 1));
	T(read(s[1], text, 100));
	T(open("f", O_RDONLY));
	T(send_fds(s[0], "itself", (int[]){ s[1] }, 1));
	fflush(stdout);
	if (fork() == 0) {
		file = open("f", O_RDWR | O_APPEND);
		send_fds(s[0], "from a child", (int[]){ file }, 1);
		_exit(0);
	}
	wait(NULL);
	T(receive_fds(s[1], text, 6, got, 4, &count));
	T(receive_fds(s[1], text, 100, got, 4, &count));
	T(write(got[0], "!", 1));
	show_text("f");
}

const struct conform_case socket_cases[] = {
	CASE(socketpairs), CASE(streams), CASE(datagrams), CASE(descriptors), { NULL, NULL },
};

/* SPDX-License-Identifier: MIT */
/*
 * sockets.c - calls on sockets.
 */
#include "test/anycall/anycall.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static void pairs(struct run *run)
{
	char in[64] = { 0 };
	struct iovec out_vec = { (char[]){ "message" }, 7 };
	struct iovec in_vec = { in, sizeof(in) };
	struct msghdr out = { .msg_iov = &out_vec, .msg_iovlen = 1 };
	struct msghdr got = { .msg_iov = &in_vec, .msg_iovlen = 1 };
	int end[2] = { -1, -1 };

	CALL(run, socketpair, AF_UNIX, SOCK_SEQPACKET, 0, P(end));
	CALL(run, sendto, end[0], P("datagram"), 8, 0, 0, 0);
	CALL(run, recvfrom, end[1], P(in), sizeof(in), 0, 0, 0);
	anycall_note_bytes(run, "recvfrom", in, sizeof(in));
	CALL(run, sendmsg, end[1], P(&out), 0);
	CALL(run, recvmsg, end[0], P(&got), 0);
	anycall_note_bytes(run, "recvmsg", in, sizeof(in));
	CALL(run, recvfrom, end[0], P(in), sizeof(in), MSG_DONTWAIT, 0, 0);
	CALL(run, shutdown, end[0], SHUT_WR);
	CALL(run, recvfrom, end[1], P(in), sizeof(in), 0, 0, 0);
	CALL(run, sendto, end[0], P("x"), 1, MSG_NOSIGNAL, 0, 0);
	CALL(run, shutdown, end[0], 77);
	CALL(run, sendmsg, end[1], P(1), 0);
	CALL(run, socketpair, AF_INET, SOCK_STREAM, 0, P(end));
}

static void many_messages(struct run *run)
{
	char in[2][16] = { { 0 }, { 0 } };
	struct iovec out_vec[2] = { { (char[]){ "one" }, 3 }, { (char[]){ "other" }, 5 } };
	struct iovec in_vec[2] = { { in[0], 16 }, { in[1], 16 } };
	struct mmsghdr out[2] = { 0 };
	struct mmsghdr got[2] = { 0 };
	struct timespec soon = { 5, 0 };
	int end[2] = { -1, -1 };

	for (int i = 0; i < 2; i++) {
		out[i].msg_hdr = (struct msghdr){ .msg_iov = &out_vec[i], .msg_iovlen = 1 };
		got[i].msg_hdr = (struct msghdr){ .msg_iov = &in_vec[i], .msg_iovlen = 1 };
	}
	CALL(run, socketpair, AF_UNIX, SOCK_DGRAM, 0, P(end));
	CALL(run, sendmmsg, end[0], P(out), 2, 0);
	CALL(run, recvmmsg, end[1], P(got), 2, 0, P(&soon));
	anycall_note_bytes(run, "recvmmsg", in, sizeof(in));
	anycall_note(run, "    %u %u\n", got[0].msg_len, got[1].msg_len);
	CALL(run, recvmmsg, end[1], P(got), 2, MSG_DONTWAIT, 0);
	CALL(run, sendmmsg, 99, P(out), 2, 0);
}

static void listeners(struct run *run)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "socket" };
	struct sockaddr_un none = { .sun_family = AF_UNIX, .sun_path = "none" };
	struct sockaddr_un seen = { 0 };
	socklen_t size = sizeof(seen);
	int64_t listener = CALL(run, socket, AF_UNIX, SOCK_STREAM, 0);
	int64_t client = CALL(run, socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int64_t second = CALL(run, socket, AF_UNIX, SOCK_STREAM, 0);
	int64_t server;
	char in[8] = { 0 };

	CALL(run, bind, listener, P(&name), sizeof(name));
	CALL(run, bind, second, P(&name), sizeof(name));
	CALL(run, connect, client, P(&name), sizeof(name));
	CALL(run, listen, listener, 4);
	CALL(run, connect, client, P(&none), sizeof(none));
	CALL(run, connect, client, P(&name), sizeof(name));
	CALL(run, connect, second, P(&name), sizeof(name));
	server = CALL(run, accept, listener, P(&seen), P(&size));
	anycall_note(run, "    %u\n", size);
	CALL(run, accept4, listener, 0, 0, SOCK_NONBLOCK);
	CALL(run, accept4, listener, 0, 0, 77);
	CALL(run, accept, client, 0, 0);
	CALL(run, write, client, P("hello"), 5);
	CALL(run, read, server, P(in), sizeof(in));
	anycall_note_bytes(run, "read", in, sizeof(in));
	size = sizeof(seen);
	CALL(run, getpeername, client, P(&seen), P(&size));
	anycall_note(run, "    %s\n", seen.sun_path);
	size = sizeof(seen);
	CALL(run, getsockname, listener, P(&seen), P(&size));
	anycall_note(run, "    %s\n", seen.sun_path);
	CALL(run, getpeername, listener, P(&seen), P(&size));
}

static void options(struct run *run)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = 0x0100007f };
	int value = 1;
	socklen_t size = sizeof(value);
	int64_t fd = CALL(run, socket, AF_INET, SOCK_STREAM, 0);

	CALL(run, socket, AF_INET, 99, 0);
	CALL(run, socket, 999, SOCK_STREAM, 0);
	CALL(run, setsockopt, fd, SOL_SOCKET, SO_REUSEADDR, P(&value), sizeof(value));
	value = 0;
	CALL(run, getsockopt, fd, SOL_SOCKET, SO_REUSEADDR, P(&value), P(&size));
	anycall_note(run, "    %d %u\n", value, size);
	CALL(run, getsockopt, fd, SOL_SOCKET, SO_TYPE, P(&value), P(&size));
	anycall_note(run, "    %d\n", value);
	CALL(run, setsockopt, fd, SOL_SOCKET, 9999, P(&value), sizeof(value));
	CALL(run, bind, fd, P(&any), sizeof(any));
	CALL(run, bind, fd, P(&any), sizeof(any));
	CALL(run, listen, fd, 1);
	CALL(run, getpeername, fd, P(&any), P(&size));
	CALL(run, getsockname, 0, P(&any), P(&size));
}

const struct anycall_case anycall_sockets[] = {
	{ "pairs", pairs },
	{ "many_messages", many_messages },
	{ "listeners", listeners },
	{ "options", options },
	{ NULL, NULL },
};

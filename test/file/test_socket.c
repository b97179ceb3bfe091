/* SPDX-License-Identifier: MIT */
/*
 * test_socket.c - what socket.h promises: order, limits, names, connections, and
 * descriptors in messages (also those that nobody can ever receive).
 */
#include "test/file/file_test.h"

#include "file/socket.h"

#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static struct file *pair[2];
static struct file *got[4];	  /* descriptors received */
static unsigned int got_room = 4; /* for so many */

static void make_pair(int type)
{
	CHECK_INT(socketpair_new(type, 0, pair), 0);
}

static void close_pair(void)
{
	file_put(pair[0]);
	file_put(pair[1]);
}

static unsigned int revents(struct file *f)
{
	return file_poll(f, NULL) & (POLLIN | POLLOUT | POLLHUP | POLLRDHUP | POLLERR);
}

/* send and receive with descriptors. */
static ssize_t send_with(struct file *f, const char *text, struct file **rights, unsigned int count)
	MAY_YIELD
{
	struct socket_message m = { .data = (void *)(uintptr_t)text,
				    .size = strlen(text),
				    .rights = rights,
				    .rights_count = count };

	return f->ops->socket->send(f, &test_view, &m, MSG_DONTWAIT);
}

static ssize_t receive_with(struct file *f, char *buf, size_t size, struct socket_message *m,
			    int flags) MAY_YIELD
{
	*m = (struct socket_message){
		.data = buf, .size = size, .rights = got, .rights_room = got_room
	};
	return f->ops->socket->receive(f, m, flags);
}

static struct socket_address address_of(const char *path)
{
	struct socket_address a = { .name.sun_family = AF_UNIX };
	size_t size = strlen(path);

	memcpy(a.name.sun_path, path, size);
	if (path[0] == '@')
		a.name.sun_path[0] = '\0';
	a.size = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + size + (path[0] != '@'));
	return a;
}

static int bind_to(struct file *f, const char *path) MAY_YIELD
{
	struct socket_address a = address_of(path);

	return f->ops->socket->bind(f, &test_view, &a);
}

static int connect_to(struct file *f, const char *path) MAY_YIELD
{
	struct socket_address a = address_of(path);

	return f->ops->socket->connect(f, &test_view, &a);
}

static struct file *new_socket(int type)
{
	struct file *f;

	CHECK_INT(socket_new(AF_UNIX, type, 0, &f), 0);
	return f;
}

static void stream(void *arg) MAY_YIELD;
static void stream(void *arg)
{
	char buf[16];
	int unread;

	(void)arg;
	make_pair(SOCK_STREAM);
	CHECK_INT(revents(pair[0]), POLLOUT);
	CHECK_INT(file_write(pair[0], "abc", 3), 3);
	CHECK_INT(file_write(pair[0], "def", 3), 3);
	CHECK_INT(revents(pair[1]), POLLIN | POLLOUT);
	CHECK_INT(file_ioctl(pair[1], SIOCINQ, &unread, 0), 0);
	CHECK_INT(unread, 6);
	CHECK_INT(file_read(pair[1], buf, 4), 4);
	CHECK(memcmp(buf, "abcd", 4) == 0); /* no message boundaries */
	CHECK_INT(file_write(pair[1], "xy", 2), 2);
	CHECK_INT(file_read(pair[0], buf, 16), 2);
	file_put(pair[0]);
	CHECK_INT(revents(pair[1]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	CHECK_INT(file_read(pair[1], buf, 16), 2);
	CHECK_INT(file_read(pair[1], buf, 16), 0);
	CHECK_INT(file_write(pair[1], "x", 1), -EPIPE);
	CHECK_INT(test_sigpipe_count, 1);
	file_put(pair[1]);

	make_pair(SOCK_STREAM);
	CHECK_INT(file_write(pair[0], "lost", 4), 4);
	file_put(pair[1]); /* with something unread */
	CHECK_INT(file_read(pair[0], buf, 16), -ECONNRESET);
	CHECK_INT(file_read(pair[0], buf, 16), 0);
	file_put(pair[0]);
}

static void a_stream_carries_bytes_both_ways_until_an_end_closes(void)
{
	begin_files();
	run_task(stream, NULL);
	end_files();
}

static char big[1024 * 1024];

static void send_big(void *arg) MAY_YIELD;
static void send_big(void *arg)
{
	(void)arg;
	CHECK_INT(file_write(pair[0], big, sizeof(big)), sizeof(big));
	SAY("sent");
	file_put(pair[0]);
}

static void receive_big(void *arg) MAY_YIELD;
static void receive_big(void *arg)
{
	static char part[70000];
	size_t at = 0;
	ssize_t r;

	(void)arg;
	while ((r = file_read(pair[1], part, sizeof(part))) > 0) {
		CHECK(memcmp(part, big + at, (size_t)r) == 0);
		at += (size_t)r;
		task_yield();
	}
	CHECK_INT(at, sizeof(big));
	file_put(pair[1]);
}

static void a_sender_waits_for_its_receiver(void)
{
	begin_files();
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 13 + i / 509);
	make_pair(SOCK_STREAM);
	spawn("send", send_big, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("");
	CHECK_INT(revents(pair[0]), 0);
	spawn("receive", receive_big, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("sent\n");
	end_files();
}

static void packets(void *arg) MAY_YIELD;
static void packets(void *arg)
{
	struct socket_message m;
	char buf[16];

	make_pair(*(int *)arg);
	CHECK_INT(file_write(pair[0], "abcdef", 6), 6);
	CHECK_INT(file_write(pair[0], "", 0), 0);
	CHECK_INT(file_write(pair[0], "gh", 2), 2);
	CHECK_INT(receive_with(pair[1], buf, 3, &m, MSG_PEEK), 3);
	CHECK_INT(m.flags, MSG_TRUNC);
	CHECK_INT(receive_with(pair[1], buf, 3, &m, MSG_TRUNC), 6);
	CHECK_INT(receive_with(pair[1], buf, 16, &m, 0), 0);
	CHECK_INT(m.flags, 0);
	CHECK_INT(receive_with(pair[1], buf, 16, &m, 0), 2);
	CHECK_INT(receive_with(pair[1], buf, 16, &m, MSG_DONTWAIT), -EAGAIN);
	CHECK_INT(file_write(pair[0], big, 220000), -EMSGSIZE);
	close_pair();
}

static void packets_keep_their_boundaries(void)
{
	begin_files();
	run_task(packets, &(int){ SOCK_SEQPACKET });
	run_task(packets, &(int){ SOCK_DGRAM });
	end_files();
}

static void serve(void *arg) MAY_YIELD;
static void serve(void *arg)
{
	struct file *listener = arg, *c;
	char buf[8];

	for (unsigned int i = 0; i < 2; i++) {
		CHECK_INT(listener->ops->socket->accept(listener, 0, &c), 0);
		SAY("accepted");
		CHECK_INT(file_read(c, buf, 8), 2);
		CHECK_INT(file_write(c, buf, 2), 2);
		file_put(c);
	}
}

static void ask(void *arg) MAY_YIELD;
static void ask(void *arg)
{
	struct file *f = new_socket(SOCK_STREAM);
	struct socket_address a;
	struct ucred peer;
	size_t size = sizeof(peer);
	char buf[8];

	CHECK_INT(file_read(f, buf, 1), -EINVAL);
	CHECK_INT(file_write(f, "x", 1), -ENOTCONN);
	CHECK_INT(f->ops->socket->name(f, true, &a), -ENOTCONN);
	CHECK_INT(connect_to(f, arg), 0);
	CHECK_INT(connect_to(f, arg), -EISCONN);
	CHECK_INT(f->ops->socket->name(f, true, &a), 0);
	CHECK_STR(a.name.sun_path + (a.name.sun_path[0] == '\0'),
		  (const char *)arg + (*(char *)arg == '@'));
	CHECK_INT(f->ops->socket->get_option(f, SOL_SOCKET, SO_PEERCRED, &peer, &size), 0);
	CHECK_INT(peer.pid, 100);
	CHECK_INT(peer.uid, 1000);
	CHECK_INT(file_write(f, "hi", 2), 2);
	CHECK_INT(file_read(f, buf, 8), 2);
	SAY("answered");
	file_put(f);
}

static void listen_at(void *arg) MAY_YIELD;
static void listen_at(void *arg)
{
	struct file *f = new_socket(SOCK_STREAM), *other = new_socket(SOCK_STREAM);
	int value;
	size_t size = sizeof(value);

	CHECK_INT(f->ops->socket->listen(f, 5), -EINVAL); /* without a name */
	CHECK_INT(connect_to(other, arg), *(char *)arg == '@' ? -ECONNREFUSED : -ENOENT);
	CHECK_INT(bind_to(f, arg), 0);
	CHECK_INT(bind_to(f, arg), -EINVAL);
	CHECK_INT(bind_to(other, arg), -EADDRINUSE);
	CHECK_INT(connect_to(other, arg), -ECONNREFUSED);
	CHECK_INT(f->ops->socket->listen(f, 5), 0);
	CHECK_INT(f->ops->socket->get_option(f, SOL_SOCKET, SO_ACCEPTCONN, &value, &size), 0);
	CHECK_INT(value, 1);
	file_put(other);
	spawn("serve", serve, f);
	spawn("ask", ask, arg);
	spawn("ask", ask, arg);
	let_others_run();
	while (task_count() > 1)
		task_yield();
	file_put(f);
	other = new_socket(SOCK_STREAM);
	CHECK_INT(connect_to(other, arg), -ECONNREFUSED);
	file_put(other);
}

static void a_listener_is_found_by_path_and_by_abstract_name(void)
{
	char path[] = "/socket", abstract[] = "@name";

	begin_files();
	run_task(listen_at, path);
	run_task(listen_at, abstract);
	end_files();
}

static void connect_many(void *arg) MAY_YIELD;
static void connect_many(void *arg)
{
	struct file *f;

	(void)arg;
	for (unsigned int i = 0; i < 4; i++) {
		int r;

		f = new_socket(SOCK_STREAM | SOCK_NONBLOCK);
		r = connect_to(f, "@small");
		SAY("connect %u: %d", i, r);
		file_put(f);
	}
	f = new_socket(SOCK_STREAM);
	CHECK_INT(connect_to(f, "@small"), 0);
	SAY("let in after a wait");
	file_put(f);
}

static void take_one(void *arg) MAY_YIELD;
static void take_one(void *arg)
{
	struct file *listener = arg, *c;

	CHECK_INT(listener->ops->socket->accept(listener, 0, &c), 0);
	file_put(c);
}

static void prepare_small(void *arg) MAY_YIELD;
static void prepare_small(void *arg)
{
	struct file *f = arg;

	CHECK_INT(bind_to(f, "@small"), 0);
	CHECK_INT(f->ops->socket->listen(f, 1), 0);
}

static void a_full_backlog_makes_connect_wait(void)
{
	struct file *f;

	begin_files();
	f = new_socket(SOCK_STREAM);
	run_task(prepare_small, f);
	spawn("connect", connect_many, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	EXPECT_TRACE("connect 0: 0\nconnect 1: 0\nconnect 2: -11\nconnect 3: -11\n");
	CHECK_INT(revents(f), POLLIN);
	run_task(take_one, f);
	EXPECT_TRACE("let in after a wait\n");
	file_put(f); /* two are still in the backlog */
	end_files();
}

static void datagrams(void *arg) MAY_YIELD;
static void datagrams(void *arg)
{
	struct file *server = new_socket(SOCK_DGRAM), *client = new_socket(SOCK_DGRAM);
	struct socket_message m = { .data = (char[]){ "hi" },
				    .size = 2,
				    .address = address_of("/dgram") };
	struct vfs_attr attr;
	struct dentry *d;
	char buf[8];

	(void)arg;
	CHECK_INT(bind_to(server, "/dgram"), 0);
	CHECK_INT(vfs_walk(&test_view, NULL, "/dgram", 0, &d), 0);
	CHECK_INT(vfs_getattr(dentry_inode(d), &attr), 0);
	CHECK(S_ISSOCK(attr.mode));
	dentry_put(d);
	CHECK_INT(bind_to(client, "@client"), 0);
	CHECK_INT(client->ops->socket->send(client, &test_view, &m, 0), 2);
	CHECK_INT(receive_with(server, buf, 8, &m, 0), 2);
	CHECK(memcmp(m.address.name.sun_path, "\0client", 7) == 0); /* who sent it */
	CHECK_INT(connect_to(client, "/dgram"), 0);
	CHECK_INT(file_write(client, "x", 1), 1);
	CHECK_INT(file_read(server, buf, 8), 1);
	m.address = address_of("@client");
	m.data = buf;
	m.size = 1;
	CHECK_INT(server->ops->socket->send(server, &test_view, &m, 0), 1);
	CHECK_INT(file_read(client, buf, 8), 1);
	file_put(server);
	CHECK_INT(file_write(client, "x", 1), -ECONNREFUSED);
	file_put(client);
}

static void datagrams_go_to_names_and_tell_the_senders(void)
{
	begin_files();
	run_task(datagrams, NULL);
	end_files();
}

static void rights(void *arg) MAY_YIELD;
static void rights(void *arg)
{
	struct file *p[2];
	struct socket_message m;
	char buf[16];

	(void)arg;
	make_pair(SOCK_STREAM);
	CHECK_INT(pipe_new(0, p), 0);
	CHECK_INT(file_write(pair[0], "before", 6), 6);
	CHECK_INT(send_with(pair[0], "with", p, 2), 4);
	CHECK_INT(file_write(pair[0], "after", 5), 5);
	CHECK_INT(socket_in_flight(), 2);
	file_put(p[1]);
	file_put(p[0]);
	CHECK_INT(receive_with(pair[1], buf, 16, &m, 0), 10); /* not beyond the message */
	CHECK_INT(m.rights_count, 2);
	CHECK_INT(socket_in_flight(), 0);
	CHECK_INT(file_write(got[1], "!", 1), 1);
	CHECK_INT(file_read(got[0], buf, 1), 1);
	CHECK_INT(receive_with(pair[1], buf, 16, &m, 0), 5);

	/* Peeked: references of one's own; too little room: closed and told. */
	CHECK_INT(send_with(pair[0], "x", got, 2), 1);
	file_put(got[0]);
	file_put(got[1]);
	CHECK_INT(receive_with(pair[1], buf, 16, &m, MSG_PEEK), 1);
	CHECK_INT(m.rights_count, 2);
	file_put(got[0]);
	file_put(got[1]);
	got_room = 1;
	CHECK_INT(receive_with(pair[1], buf, 16, &m, 0), 1);
	CHECK_INT(m.rights_count, 1);
	CHECK_INT(m.flags, MSG_CTRUNC);
	file_put(got[0]);

	/* Not asked for: a plain read closes them. Never received: close closes them. */
	CHECK_INT(pipe_new(0, p), 0);
	CHECK_INT(send_with(pair[0], "x", p, 2), 1);
	CHECK_INT(send_with(pair[0], "y", p, 2), 1);
	file_put(p[0]);
	file_put(p[1]);
	CHECK_INT(file_read(pair[1], buf, 16), 1);
	close_pair();
}

static void descriptors_travel_with_their_bytes(void)
{
	begin_files();
	run_task(rights, NULL);
	end_files();
}

static void send_itself(void *arg) MAY_YIELD;
static void send_itself(void *arg)
{
	(void)arg;
	make_pair(SOCK_STREAM);
	CHECK_INT(send_with(pair[0], "x", &pair[1], 1), 1); /* in the queue of pair[1] */
	file_put(pair[1]);
	CHECK_INT(file_count(), 1); /* nobody can receive from it any more */
	file_put(pair[0]);
	CHECK_INT(file_count(), 0);

	make_pair(SOCK_DGRAM);
	CHECK_INT(send_with(pair[0], "x", &pair[1], 1), 1);
	CHECK_INT(send_with(pair[1], "x", &pair[0], 1), 1);
	file_put(pair[1]);
	file_put(pair[0]);
	CHECK_INT(file_count(), 0);
}

static void sockets_that_hold_each_other_are_found(void)
{
	begin_files();
	run_task(send_itself, NULL);
	end_files();
}

static void held_from_outside(void *arg) MAY_YIELD;
static void held_from_outside(void *arg)
{
	struct file *outer[2];
	struct socket_message m;
	char buf[4];

	(void)arg;
	CHECK_INT(socketpair_new(SOCK_STREAM, 0, outer), 0);
	make_pair(SOCK_STREAM);
	CHECK_INT(send_with(pair[0], "in", &pair[1], 1), 2);   /* itself */
	CHECK_INT(send_with(outer[0], "out", &pair[1], 1), 3); /* and to somebody who lives */
	close_pair();
	CHECK_INT(file_count(), 3);
	CHECK_INT(receive_with(outer[1], buf, 4, &m, 0), 3);
	pair[1] = got[0];
	CHECK_INT(receive_with(pair[1], buf, 4, &m, 0), 2);
	CHECK_INT(m.rights_count, 1);
	file_put(got[0]);
	file_put(pair[1]);
	file_put(outer[0]);
	file_put(outer[1]);
}

static void a_circle_that_somebody_can_still_reach_is_left_alone(void)
{
	begin_files();
	run_task(held_from_outside, NULL);
	end_files();
}

static void in_a_backlog(void *arg) MAY_YIELD;
static void in_a_backlog(void *arg)
{
	struct file *l = new_socket(SOCK_STREAM), *c = new_socket(SOCK_STREAM);

	(void)arg;
	CHECK_INT(bind_to(l, "@l"), 0);
	CHECK_INT(l->ops->socket->listen(l, 1), 0);
	CHECK_INT(connect_to(c, "@l"), 0);
	CHECK_INT(send_with(c, "x", &l, 1), 1); /* the listener, in its own backlog */
	file_put(c);
	file_put(l);
	CHECK_INT(file_count(), 0);
}

static void a_listener_in_its_own_backlog_is_found(void)
{
	begin_files();
	run_task(in_a_backlog, NULL);
	end_files();
}

static void chain(void *arg) MAY_YIELD;
static void chain(void *arg)
{
	struct file *held[2] = { NULL, NULL };

	(void)arg;
	/* Each pair's queue holds the pair before: the last close releases all. */
	for (unsigned int i = 0; i < 5000; i++) {
		make_pair(SOCK_STREAM);
		if (held[0])
			CHECK_INT(send_with(pair[0], "x", held, 2), 1);
		file_put(held[0]);
		file_put(held[1]);
		held[0] = pair[0];
		held[1] = pair[1];
	}
	CHECK_INT(file_count(), 10000);
	file_put(held[0]);
	file_put(held[1]);
	CHECK_INT(file_count(), 0);
}

static void a_long_chain_of_sockets_in_messages_ends_on_a_small_stack(void)
{
	begin_files();
	run_task(chain, NULL);
	end_files();
}

static void too_many(void *arg) MAY_YIELD;
static void too_many(void *arg)
{
	static struct file *many[SOCKET_RIGHTS_MAX + 1];
	unsigned int sent = 0;
	struct file *e;
	ssize_t r;

	(void)arg;
	make_pair(SOCK_DGRAM);
	CHECK_INT(eventfd_new(0, 0, &e), 0);
	for (unsigned int i = 0; i <= SOCKET_RIGHTS_MAX; i++)
		many[i] = e;
	CHECK_INT(send_with(pair[0], "x", many, SOCKET_RIGHTS_MAX + 1), -EINVAL);
	while ((r = send_with(pair[0], "x", many, SOCKET_RIGHTS_MAX)) == 1)
		sent++;
	CHECK_INT(r, -ETOOMANYREFS);
	CHECK_INT(sent, SOCKET_IN_FLIGHT_MAX / SOCKET_RIGHTS_MAX);
	close_pair();
	file_put(e);
}

static void descriptors_in_flight_have_a_limit(void)
{
	begin_files();
	run_task(too_many, NULL);
	end_files();
}

static void options(void *arg) MAY_YIELD;
static void options(void *arg)
{
	struct timeval soon = { 0, 20000 };
	struct socket_message m;
	int value = 1;
	size_t size = sizeof(value);
	char buf[8];

	(void)arg;
	make_pair(SOCK_STREAM);
	CHECK_INT(pair[0]->ops->socket->get_option(pair[0], SOL_SOCKET, SO_TYPE, &value, &size), 0);
	CHECK_INT(value, SOCK_STREAM);
	CHECK_INT(pair[0]->ops->socket->set_option(pair[0], SOL_SOCKET, SO_RCVTIMEO, &soon,
						   sizeof(soon)),
		  0);
	CHECK_INT(file_read(pair[0], buf, 8), -EAGAIN);
	CHECK_INT(clock_now_ns(), 20 * MILLISECOND_NS);
	value = 1;
	CHECK_INT(pair[1]->ops->socket->set_option(pair[1], SOL_SOCKET, SO_PASSCRED, &value,
						   sizeof(value)),
		  0);
	test_caller.pid = 7;
	CHECK_INT(file_write(pair[0], "a", 1), 1);
	test_caller.pid = 8;
	CHECK_INT(file_write(pair[0], "b", 1), 1);
	CHECK_INT(receive_with(pair[1], buf, 8, &m, 0), 1); /* senders are not mixed */
	CHECK(m.has_credentials);
	CHECK_INT(m.credentials.pid, 7);
	CHECK_INT(receive_with(pair[1], buf, 8, &m, 0), 1);
	CHECK_INT(m.credentials.pid, 8);
	CHECK_INT(pair[0]->ops->socket->shutdown(pair[0], SHUT_WR), 0);
	CHECK_INT(file_read(pair[1], buf, 8), 0);
	CHECK_INT(file_write(pair[1], "c", 1), 1);
	CHECK_INT(file_read(pair[0], buf, 8), 1);
	CHECK_INT(file_write(pair[0], "c", 1), -EPIPE);
	CHECK_INT(socket_new(AF_INET, SOCK_STREAM, 0, &pair[0]), -EAFNOSUPPORT);
	CHECK_INT(socket_new(AF_UNIX, 77, 0, &pair[0]), -ESOCKTNOSUPPORT);
	close_pair();
}

static void options_and_shutdown_do_what_they_say(void)
{
	begin_files();
	run_task(options, NULL);
	end_files();
}

static void receive_and_say(void *arg) MAY_YIELD;
static void receive_and_say(void *arg)
{
	char buf[8];

	(void)arg;
	SAY("read: %d", (int)file_read(pair[1], buf, 8));
}

static void a_receive_that_is_cancelled_may_be_restarted(void)
{
	struct task *t;

	begin_files();
	make_pair(SOCK_STREAM);
	t = spawn("receive", receive_and_say, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	task_cancel(t);
	CHECK_INT(sched_run_until_idle(), 0);
	EXPECT_TRACE("read: -512\n");
	close_pair();
	end_files();
}

static const struct test tests[] = {
	TEST(a_stream_carries_bytes_both_ways_until_an_end_closes),
	TEST(a_sender_waits_for_its_receiver),
	TEST(packets_keep_their_boundaries),
	TEST(a_listener_is_found_by_path_and_by_abstract_name),
	TEST(a_full_backlog_makes_connect_wait),
	TEST(datagrams_go_to_names_and_tell_the_senders),
	TEST(descriptors_travel_with_their_bytes),
	TEST(sockets_that_hold_each_other_are_found),
	TEST(a_circle_that_somebody_can_still_reach_is_left_alone),
	TEST(a_listener_in_its_own_backlog_is_found),
	TEST(a_long_chain_of_sockets_in_messages_ends_on_a_small_stack),
	TEST(descriptors_in_flight_have_a_limit),
	TEST(options_and_shutdown_do_what_they_say),
	TEST(a_receive_that_is_cancelled_may_be_restarted),
};
TEST_MAIN(tests)

/* SPDX-License-Identifier: MIT */
/*
 * httpd.c - serves the files of a folder by HTTP/1.1: the loop and the command line.
 * Layer: examples. httpd.h has the picture.
 */
#include "examples/httpd.h"
#include "examples/option.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 64
#define ACCEPT_RETRY_MS 500 /* after accept found no descriptor free */

struct options {
	const char *root;
	const char *address;
	unsigned int port;
	unsigned int clients;
	unsigned int idle_s;
	unsigned int disk_s;
	unsigned int workers;
	bool verbose;
};

static void watch(struct server *s, int fd, void *tag)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = tag };

	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

/* While there are too many clients, others wait in the kernel's queue. */
static void set_accepting(struct server *s, bool accepting)
{
	struct epoll_event event = {
		.events = accepting ? EPOLLIN : 0,
		.data.ptr = &s->listener,
	};

	if (s->accepting == accepting)
		return;
	s->accepting = accepting;
	if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, s->listener, &event) < 0)
		err(1, "epoll_ctl");
}

static void accept_clients(struct server *s)
{
	while (s->clients < s->clients_max) {
		int socket = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (socket >= 0) {
			client_new(s, socket);
			continue;
		}
		if (errno == ECONNABORTED || errno == EINTR)
			continue;
		if (errno != EAGAIN)
			set_accepting(s, false); /* no descriptor, no memory: later */
		return;
	}
	set_accepting(s, false);
}

/* One round. False: a signal asked for the end. */
static bool turn(struct server *s)
{
	struct epoll_event events[EVENTS_MAX];
	int timeout = clients_expire(s);
	bool go_on = true;
	int count;

	if (!s->accepting && (timeout < 0 || timeout > ACCEPT_RETRY_MS))
		timeout = ACCEPT_RETRY_MS;
	count = epoll_wait(s->epoll, events, EVENTS_MAX, timeout);
	if (count < 0 && errno != EINTR)
		err(1, "epoll_wait");
	for (int i = 0; i < count; i++) {
		void *tag = events[i].data.ptr;

		if (tag == &s->listener)
			accept_clients(s);
		else if (tag == &s->completions)
			job_reap(s->h); /* it reads the eventfd, too */
		else if (tag == &s->signals)
			go_on = false;
		else
			client_event(tag, events[i].events);
	}
	clients_bury(s);
	hascall_kick(s->h); /* once for all that this round has posted */
	if (s->clients < s->clients_max)
		set_accepting(s, true);
	return go_on;
}

static void end_clients(struct server *s)
{
	struct client *next;

	for (struct client *c = s->oldest; c; c = next) {
		next = c->newer;
		client_end(c);
	}
	clients_bury(s);
}

/* All clients go; calls that wait for a fifo are interrupted, others come to their end. */
static void stop(struct server *s)
{
	end_clients(s);
	while (s->clients > 0) {
		job_run(s->h, -1, 0);
		clients_bury(s);
	}
	hascall_close(s->h);
	close(s->listener);
	close(s->completions);
	close(s->signals);
	close(s->epoll);
	close(s->root);
}

static int listen_on(const struct options *o)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)o->port) };
	socklen_t size = sizeof(address);
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (inet_pton(AF_INET, o->address, &address.sin_addr) != 1)
		errx(1, "--address takes an IPv4 address, not '%s'", o->address);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		err(1, "socket");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		err(1, "%s port %u", o->address, o->port);
	printf("http://%s:%u/\n", o->address, ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

/* A client has a socket and a file: no more of them than the process has descriptors for. */
static unsigned int clients_possible(unsigned int clients)
{
	struct rlimit files = { .rlim_cur = 1024 };

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur < 2 * clients + 16)
		clients = files.rlim_cur > 18 ? (unsigned int)(files.rlim_cur - 16) / 2 : 1;
	return clients;
}

/* Ctrl-C comes through a descriptor like everything else. */
static int block_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		err(1, "signalfd");
	return fd;
}

static void start(struct server *s, const struct options *o)
{
	struct hascall_options library = {
		.size = sizeof(library),
		.flags = HASCALL_USE_EVENTFD,
		.workers_max = o->workers,
	};
	int r;

	s->root = open(o->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0)
		err(1, "--root '%s'", o->root);
	s->signals = block_signals();
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->completions = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (s->epoll < 0 || s->completions < 0)
		err(1, "epoll or eventfd");
	s->clients_max = clients_possible(o->clients);
	s->idle_ms = o->idle_s * INT64_C(1000);
	s->disk_timeout_ns = o->disk_s * UINT64_C(1000000000);
	s->verbose = o->verbose;
	s->accepting = true;
	s->next_group = 1;
	library.entries = s->clients_max * CLIENT_CALLS;
	library.eventfd = s->completions;
	r = hascall_open(&s->h, &library);
	if (r < 0)
		errx(1, "hascall_open: %s", strerror(-r));
	s->listener = listen_on(o);
	watch(s, s->listener, &s->listener);
	watch(s, s->completions, &s->completions);
	watch(s, s->signals, &s->signals);
}

static const char help[] =
	"usage: httpd [OPTION]...\n"
	"Serve the files of a folder by HTTP/1.1, GET and HEAD. Folders show their index.html.\n"
	"Prints the URL it listens at. A slow disk, or a fifo, keeps only those who ask for it\n"
	"waiting. Ctrl-C ends it.\n"
	"\n"
	"  --root=FOLDER      what is served; nothing outside it is (.)\n"
	"  --port=N           0: any that is free (8080)\n"
	"  --address=ADDRESS  IPv4; 0.0.0.0: all (127.0.0.1)\n"
	"  --clients=N        connections at a time, the others wait (256; 1 to 1000)\n"
	"  --idle=SECONDS     how long a client may do nothing (10)\n"
	"  --disk=SECONDS     how long a disk may do nothing; then 503 (10)\n"
	"  --workers=N        threads for disks that do nothing (64; 1 to 1000)\n"
	"  --verbose          a line for each answer on standard error\n"
	"  --help             print this and leave\n";

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "root", required_argument, NULL, 'r' },
		{ "port", required_argument, NULL, 'p' },
		{ "address", required_argument, NULL, 'a' },
		{ "clients", required_argument, NULL, 'c' },
		{ "idle", required_argument, NULL, 'i' },
		{ "disk", required_argument, NULL, 'd' },
		{ "workers", required_argument, NULL, 'w' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (letter) {
		case 'r':
			o->root = optarg;
			break;
		case 'p':
			o->port = option_number(optarg, "--port", 0, 65535);
			break;
		case 'a':
			o->address = optarg;
			break;
		case 'c':
			o->clients = option_number(optarg, "--clients", 1, CLIENTS_MAX);
			break;
		case 'i':
			o->idle_s = option_number(optarg, "--idle", 1, 86400);
			break;
		case 'd':
			o->disk_s = option_number(optarg, "--disk", 1, 86400);
			break;
		case 'w':
			o->workers = option_number(optarg, "--workers", 1, 1000);
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			fputs("Try 'httpd --help'.\n", stderr);
			exit(1);
		}
	}
	if (optind < argc)
		errx(1, "what is '%s'? try 'httpd --help'", argv[optind]);
}

int main(int argc, char **argv)
{
	struct options options = {
		.root = ".",
		.address = "127.0.0.1",
		.port = 8080,
		.clients = 256,
		.idle_s = 10,
		.disk_s = 10,
		.workers = 64,
	};
	struct server server = { 0 };

	parse(&options, argc, argv);
	start(&server, &options);
	while (turn(&server))
		;
	stop(&server);
	return 0;
}

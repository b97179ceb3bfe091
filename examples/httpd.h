/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_HTTPD_H
#define EXAMPLES_HTTPD_H
/*
 * httpd.h - what the parts of httpd share: the loop and the command line are in httpd.c,
 * what one client gets is in httpd_client.c. Layer: examples.
 *
 * One thread, one epoll. Sockets never make it wait, as they are non-blocking. Files
 * cannot be so: whatever asks the disk is posted to libhascall, whose eventfd stands
 * in the same epoll as the sockets.
 *
 *	state   waits for                       leaves by
 *	HEAD    the head of a request           client_request: an error, or posts a chain
 *	DISK    completion of what was posted   file_opened, file_closed
 *	SEND    room in the socket              send_head
 *	BODY    room in the socket, or that     send_body: sendfile is posted, too, for the
 *	        sendfile is completed           page it sends may have to be read
 *	DRAIN   the client's end                nothing more is said; what comes is dropped
 *	GONE    completion of what was posted   client_free
 *
 * Way down: main -> loop -> client_event -> client_go; job_reap -> file_opened -> client_go.
 */
#include "examples/http.h"
#include "examples/job.h"

#include <sys/stat.h>

#define HEAD_MAX 8192u	 /* of a request */
#define SMALL_MAX 16384u /* a file up to that size is read by the chain that opens it */
#define CLIENTS_MAX 1000u
#define CLIENT_CALLS 3u /* in flight for one client */

enum client_state { STATE_HEAD, STATE_DISK, STATE_SEND, STATE_BODY, STATE_DRAIN, STATE_GONE };

struct server;

struct client {
	struct job job; /* at most one step at a time */
	struct server *server;
	struct client *older, *newer; /* all clients, the one longest without progress first */
	int64_t deadline_ms;
	uint32_t group; /* of its calls */
	int socket;
	enum client_state state;
	bool keep;     /* another request may follow the answer */
	bool blocked;  /* the socket was full; epoll will tell */
	bool writable; /* epoll told, while sendfile was running */
	/* the request */
	size_t input_size;
	size_t input_scanned;
	size_t request_size; /* of its head, the beginning of input */
	struct http_request request;
	/* the file */
	int file; /* or -1 */
	struct statx stat;
	int64_t offset; /* of what is to be sent by sendfile, */
	int64_t left;	/* and how much that is */
	/* the answer: its head, and a body if it is small */
	size_t sent;
	size_t head_size;
	const char *body;
	size_t body_size;
	char input[HEAD_MAX];
	char head[HTTP_ANSWER_MAX];
	char small[SMALL_MAX];
};

struct server {
	struct hascall *h;
	int root; /* directory */
	int epoll, listener, signals, completions;
	struct client *oldest, *newest;
	struct client *dead; /* to be freed when the events at hand are dealt with */
	unsigned int clients;
	uint32_t next_group;
	bool accepting;
	bool verbose;
	unsigned int clients_max;
	int64_t idle_ms;
	uint64_t disk_timeout_ns;
};

/* Monotonic. */
int64_t now_ms(void);

/* A client for a new socket, which it owns from now on; it is in the epoll already. */
void client_new(struct server *server, int socket);

/* epoll says: events. */
void client_event(struct client *c, uint32_t events);

/* Finish with it, now or when its calls are completed. */
void client_end(struct client *c);

/* End those whose deadline is over. Milliseconds to the next deadline, or -1. */
int clients_expire(struct server *server);

/* Free those that ended. */
void clients_bury(struct server *server);

#endif /* EXAMPLES_HTTPD_H */

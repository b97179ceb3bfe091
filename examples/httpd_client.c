/* SPDX-License-Identifier: MIT */
#include "examples/httpd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SENDFILE_SIZE (1 << 20) /* a call of that size is over soon */
#define DRAIN_MS 2000

enum { OPEN, STAT, READ };

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

/* The list of clients, in the order of their deadlines. */

static void list_remove(struct client *c)
{
	struct server *s = c->server;

	if (c->older)
		c->older->newer = c->newer;
	else
		s->oldest = c->newer;
	if (c->newer)
		c->newer->older = c->older;
	else
		s->newest = c->older;
}

static void list_add(struct client *c)
{
	struct server *s = c->server;

	c->older = s->newest;
	c->newer = NULL;
	if (s->newest)
		s->newest->newer = c;
	else
		s->oldest = c;
	s->newest = c;
}

/* It has made progress: all clients have the same time for the next bit, so it is last now. */
static void touch(struct client *c)
{
	list_remove(c);
	list_add(c);
	c->deadline_ms = now_ms() + c->server->idle_ms;
}

/* The end of a client. */

static void client_free(struct client *c)
{
	struct server *s = c->server;

	list_remove(c);
	close(c->socket); /* epoll forgets it, too */
	s->clients--;
	c->newer = s->dead; /* an event for it may be at hand */
	s->dead = c;
}

void clients_bury(struct server *s)
{
	while (s->dead) {
		struct client *c = s->dead;

		s->dead = c->newer;
		free(c);
	}
}

static void file_closed(struct job *job);

/* The disk may let even a close wait. */
static void close_file(struct client *c)
{
	struct hascall_call call = hascall_call_close(c->file);

	c->file = -1;
	job_start(c->server->h, &c->job, &call, 1, file_closed);
}

void client_end(struct client *c)
{
	if (c->state == STATE_GONE)
		return;
	c->state = STATE_GONE;
	if (c->job.missing > 0)
		hascall_cancel_all(c->server->h, c->group); /* what they open is closed then */
	else if (c->file >= 0)
		close_file(c);
	else
		client_free(c);
}

int clients_expire(struct server *s)
{
	int64_t now = now_ms();

	while (s->oldest) {
		struct client *c = s->oldest;

		if (c->deadline_ms > now)
			return (int)(c->deadline_ms - now);
		if (c->job.missing > 0) /* the disk's time is measured by the library */
			touch(c);
		else
			client_end(c);
	}
	return -1;
}

/* Answers. */

static void answer(struct client *c, struct http_answer *a)
{
	a->keep = c->keep;
	c->head_size = http_answer(c->head, a);
	c->sent = 0;
	c->state = STATE_SEND;
	touch(c);
	if (c->server->verbose)
		fprintf(stderr, "%d %s /%s\n", (int)a->status, c->request.head ? "HEAD" : "GET",
			c->request.path);
}

/* An answer without a file: it says its status in words. */
static void answer_status(struct client *c, struct http_answer *a)
{
	c->body = http_reason(a->status);
	c->body_size = strlen(c->body);
	a->type = "text/plain";
	a->length = (int64_t)c->body_size;
	if (c->request.head)
		c->body_size = 0;
	answer(c, a);
}

static enum http_status status_of(int64_t error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
	case -ENAMETOOLONG:
	case -EXDEV: /* the way leads out of the root: there is nothing, as far as we say */
	case -ELOOP:
		return HTTP_NOT_FOUND;
	case -EACCES:
	case -EPERM:
	case -ENXIO: /* a socket */
		return HTTP_FORBIDDEN;
	case -ETIMEDOUT:
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return HTTP_UNAVAILABLE;
	default:
		return HTTP_ERROR;
	}
}

static int64_t min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The file is open, and its first bytes are in c->small: got many, or an error. */
static void answer_file(struct client *c, int64_t got)
{
	struct http_answer a = { .modified = c->stat.stx_mtime.tv_sec };
	int64_t size = (int64_t)c->stat.stx_size;
	int64_t end;

	a.all = size;
	a.status = http_range(&c->request, size);
	if (a.status == HTTP_BAD_RANGE) {
		answer_status(c, &a);
		return;
	}
	if (got < 0) {
		a.status = status_of(got);
		answer_status(c, &a);
		return;
	}
	a.first = c->request.first;
	a.last = c->request.last;
	a.length = a.last - a.first + 1;
	a.type = http_type(c->request.path);
	end = min(a.last + 1, got);
	c->body = c->small + a.first;
	c->body_size = a.first < end && !c->request.head ? (size_t)(end - a.first) : 0;
	c->offset = a.first + (int64_t)c->body_size;
	c->left = c->request.head ? 0 : a.length - (int64_t)c->body_size;
	answer(c, &a);
}

static void client_go(struct client *c);

static void file_opened(struct job *job)
{
	struct client *c = CONTAINER_OF(job, struct client, job);
	struct http_answer a = { .status = HTTP_OK };
	const int64_t *result = job->result;

	c->file = result[OPEN] >= 0 ? (int)result[OPEN] : -1;
	if (c->state == STATE_GONE) {
		if (c->file >= 0)
			close_file(c);
		else
			client_free(c);
		return;
	}
	if (c->file < 0) {
		a.status = status_of(result[OPEN]);
	} else if (result[STAT] < 0) {
		a.status = status_of(result[STAT]);
	} else if (S_ISDIR(c->stat.stx_mode)) {
		a.status = HTTP_MOVED;
		a.location = c->request.path;
	} else if (!S_ISREG(c->stat.stx_mode)) {
		a.status = HTTP_FORBIDDEN;
	}
	c->left = 0;
	if (a.status == HTTP_OK)
		answer_file(c, result[READ]);
	else
		answer_status(c, &a);
	if (c->file >= 0 && c->left == 0)
		close_file(c); /* while the answer is sent */
	client_go(c);
}

/* One chain does all that most requests need: openat2 -> statx -> pread. */
static void open_file(struct client *c)
{
	/*
	 * No way leads out of the root. O_NONBLOCK is missing: it means nothing to files and
	 * disks. A fifo without a writer lets the call wait like a disk that does not answer.
	 */
	static const struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	struct hascall_call calls[] = {
		hascall_call_openat2(c->server->root, c->request.path, &how, sizeof(how)),
		hascall_call_statx(0, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE | STATX_MTIME,
				   &c->stat),
		hascall_call_pread(0, c->small, SMALL_MAX, 0),
	};

	hascall_chain_all(calls, 3);
	hascall_from(&calls[STAT], 0, 1); /* the descriptor that openat2 gives */
	hascall_from(&calls[READ], 0, 2);
	for (unsigned int i = 0; i < 3; i++) {
		hascall_group(&calls[i], c->group);
		hascall_timeout(&calls[i], c->server->disk_timeout_ns);
	}
	c->state = STATE_DISK;
	job_start(c->server->h, &c->job, calls, 3, file_opened);
}

/* Requests. */

static void next_request(struct client *c)
{
	if (!c->keep) {
		shutdown(c->socket, SHUT_WR);
		c->state = STATE_DRAIN;
		c->deadline_ms = min(c->deadline_ms, now_ms() + DRAIN_MS);
		return;
	}
	c->input_size -= c->request_size;
	memmove(c->input, c->input + c->request_size, c->input_size);
	c->input_scanned = 0;
	c->state = STATE_HEAD;
	touch(c);
}

static void refuse(struct client *c, enum http_status status)
{
	struct http_answer a = { .status = status };

	c->keep = false; /* where the next request would begin is not known */
	answer_status(c, &a);
}

/* A request is there, or a part of one, and more is not coming before we go on. False: wait. */
static bool take_request(struct client *c)
{
	long size = http_head_size(c->input, c->input_size, &c->input_scanned);
	enum http_status status;

	if (size == 0 && c->input_size < HEAD_MAX)
		return false;
	c->request = (struct http_request){ 0 };
	c->left = 0;
	if (size <= 0) {
		refuse(c, size < 0 ? HTTP_BAD_REQUEST : HTTP_HEAD_TOO_LARGE);
		return true;
	}
	c->request_size = (size_t)size;
	status = http_parse(c->input, c->request_size, &c->request);
	c->keep = c->request.keep;
	if (status == HTTP_OK)
		open_file(c);
	else
		refuse(c, status);
	return true;
}

/* The parts of client_go(), one for each state. True: go on; false: wait, or it is over. */

static bool go_head(struct client *c)
{
	ssize_t size;

	if (take_request(c))
		return true;
	size = recv(c->socket, c->input + c->input_size, HEAD_MAX - c->input_size, 0);
	if (size <= 0) {
		if (size == 0 || errno != EAGAIN)
			client_end(c);
		return false;
	}
	c->input_size += (size_t)size;
	return true;
}

/* The answer is sent. */
static bool go_on(struct client *c)
{
	if (c->job.missing > 0) {
		c->state = STATE_DISK; /* until the file is closed */
		return false;
	}
	next_request(c);
	return true;
}

static bool go_send(struct client *c)
{
	struct iovec part[2] = {
		{ c->head, c->head_size },
		{ (void *)(uintptr_t)c->body, c->body_size },
	};
	struct msghdr message = { .msg_iov = part, .msg_iovlen = 2 };
	size_t skip = min((int64_t)c->sent, (int64_t)c->head_size);
	ssize_t size;

	part[0].iov_base = c->head + skip;
	part[0].iov_len -= skip;
	skip = c->sent - skip;
	part[1].iov_base = (char *)part[1].iov_base + skip;
	part[1].iov_len -= skip;
	size = sendmsg(c->socket, &message, MSG_NOSIGNAL | (c->left > 0 ? MSG_MORE : 0));
	if (size < 0) {
		if (errno != EAGAIN)
			client_end(c);
		return false;
	}
	touch(c);
	c->sent += (size_t)size;
	if (c->sent < c->head_size + c->body_size)
		return true;
	if (c->left == 0)
		return go_on(c);
	c->blocked = false;
	c->state = STATE_BODY;
	return true;
}

static void file_closed(struct job *job)
{
	struct client *c = CONTAINER_OF(job, struct client, job);

	if (c->state == STATE_GONE) {
		client_free(c);
	} else if (c->state == STATE_DISK) {
		next_request(c);
		client_go(c);
	}
}

static void file_sent(struct job *job)
{
	struct client *c = CONTAINER_OF(job, struct client, job);
	int64_t size = job->result[0];

	if (c->state == STATE_GONE) {
		close_file(c);
		return;
	}
	if (size == -EAGAIN) {
		c->blocked = !c->writable;
	} else if (size <= 0) {
		client_end(c); /* it left, or the file has become shorter than we said */
		return;
	} else {
		c->left -= size;
		touch(c);
	}
	client_go(c);
}

static bool go_body(struct client *c)
{
	struct hascall_call call;

	if (c->job.missing > 0 || c->blocked)
		return false;
	if (c->left == 0) {
		close_file(c);
		return go_on(c);
	}
	call = hascall_call_sendfile(c->socket, c->file, &c->offset,
				     (size_t)min(c->left, SENDFILE_SIZE));
	hascall_group(&call, c->group);
	hascall_timeout(&call, c->server->disk_timeout_ns);
	c->writable = false;
	job_start(c->server->h, &c->job, &call, 1, file_sent);
	return false;
}

/* What the client still sends is read, as an answer would be lost if it were not. */
static bool go_drain(struct client *c)
{
	ssize_t size = recv(c->socket, c->input, HEAD_MAX, 0);

	if (size > 0)
		return true;
	if (size == 0 || errno != EAGAIN)
		client_end(c);
	return false;
}

/* Go as far as sockets and disks let it. */
static void client_go(struct client *c)
{
	bool on = true;

	while (on) {
		switch (c->state) {
		case STATE_HEAD:
			on = go_head(c);
			break;
		case STATE_SEND:
			on = go_send(c);
			break;
		case STATE_BODY:
			on = go_body(c);
			break;
		case STATE_DRAIN:
			on = go_drain(c);
			break;
		case STATE_DISK:
		case STATE_GONE:
			on = false;
			break;
		}
	}
}

void client_event(struct client *c, uint32_t events)
{
	if (c->state == STATE_GONE)
		return;
	if (events & (EPOLLHUP | EPOLLERR)) {
		client_end(c);
		return;
	}
	if (events & EPOLLOUT) {
		c->writable = true;
		c->blocked = false;
	}
	client_go(c);
}

void client_new(struct server *s, int socket)
{
	struct client *c = job_allocate(sizeof(*c));
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = c,
	};

	c->server = s;
	c->socket = socket;
	c->file = -1;
	c->group = s->next_group;
	s->next_group = s->next_group % 0x7fffffff + 1;
	s->clients++;
	list_add(c);
	touch(c);
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, socket, &event) < 0)
		client_end(c);
}

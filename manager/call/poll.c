/* SPDX-License-Identifier: MIT */
/* poll.c - waiting for descriptors: poll, ppoll, select, epoll. */
#include "call/inside.h"
#include "task/sched.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define ITEMS_SMALL 16u
#define SELECT_FDS 1024u
#define SELECT_WORDS (SELECT_FDS / 64)

static_assert(sizeof(struct epoll_event) == 12, "run_calls.def");

uint64_t deadline_of_ns(uint64_t ns)
{
	uint64_t now;

	if (ns == RUN_NULL)
		return TASK_FOREVER;
	if (ns == 0)
		return 0;
	now = clock_now_ns();
	return ns < TASK_FOREVER - now ? now + ns : TASK_FOREVER;
}

uint64_t deadline_of_ms(int64_t ms)
{
	return ms < 0 ? TASK_FOREVER : deadline_of_ns((uint64_t)ms * 1000000);
}

static void items_drop(struct poll_item *items, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		file_put(items[i].file);
}

/* ---- poll. */

/* The client's pollfds, copied once; answers go into its buffer. */
static int64_t poll_with(struct request *req, struct pollfd *fds, struct poll_item *items,
			 uint32_t count, uint64_t deadline_ns) MAY_YIELD
{
	unsigned char *out;
	int bad = 0, r;

	r = request_in(req, 0, count * sizeof(*fds), fds);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < count; i++) {
		items[i].file = fd_get(req->process->fds, fds[i].fd);
		items[i].events = (unsigned short)fds[i].events;
		items[i].ret_events = 0;
		bad += fds[i].fd >= 0 && !items[i].file;
	}
	r = file_poll_many(items, count, bad > 0 ? 0 : deadline_ns);
	if (request_at(req, req->arg[0], count * sizeof(*fds), (void **)&out) < 0)
		assert(false); /* it was there before */
	for (uint32_t i = 0; r >= 0 && i < count; i++) {
		fds[i].revents = (short)items[i].ret_events;
		if (fds[i].fd >= 0 && !items[i].file)
			fds[i].revents = POLLNVAL;
		memcpy(out + i * sizeof(*fds) + offsetof(struct pollfd, revents), &fds[i].revents,
		       sizeof(fds[i].revents));
	}
	items_drop(items, count);
	return r < 0 ? r : r + bad;
}

static int64_t poll_descriptors(struct request *req, uint64_t deadline_ns) MAY_YIELD
{
	struct poll_item small_items[ITEMS_SMALL];
	struct pollfd small_fds[ITEMS_SMALL];
	uint64_t count = req->arg[1];
	struct poll_item *items;
	struct pollfd *fds;
	int64_t r = -ENOMEM;

	if (count <= ITEMS_SMALL)
		return poll_with(req, small_fds, small_items, (uint32_t)count, deadline_ns);
	if (count > process_fd_limit(req->process) || count > RUN_BOUNCE_SIZE / sizeof(*fds))
		return -EINVAL;
	items = malloc(count * sizeof(*items));
	fds = malloc(count * sizeof(*fds));
	if (items && fds)
		r = poll_with(req, fds, items, (uint32_t)count, deadline_ns);
	free(items);
	free(fds);
	return r;
}

int64_t call_poll(struct request *req)
{
	return poll_descriptors(req, deadline_of_ms(request_int(req, 2)));
}

int64_t call_ppoll(struct request *req)
{
	return poll_descriptors(req, deadline_of_ns(req->arg[2]));
}

/* ---- select: sets of descriptors to read, to write, with exceptions. */

#define READ_EVENTS (POLLIN | POLLRDNORM | POLLRDBAND)
#define WRITE_EVENTS (POLLOUT | POLLWRNORM | POLLWRBAND)

struct select_sets {
	uint64_t word[3][SELECT_WORDS];
};

static bool in_set(const struct select_sets *sets, unsigned int set, uint32_t fd)
{
	return sets->word[set][fd / 64] >> (fd % 64) & 1;
}

static unsigned int select_events(const struct select_sets *sets, uint32_t fd)
{
	return (in_set(sets, 0, fd) ? READ_EVENTS : 0u) |
	       (in_set(sets, 1, fd) ? WRITE_EVENTS : 0u) | (in_set(sets, 2, fd) ? POLLPRI : 0u);
}

/* Take the bits that are not so away; how many are left. */
static int select_answer(struct select_sets *sets, uint32_t fd, unsigned int events)
{
	const unsigned int means[3] = { READ_EVENTS | POLLHUP | POLLERR, WRITE_EVENTS | POLLERR,
					POLLPRI };
	int count = 0;

	for (unsigned int set = 0; set < 3; set++) {
		if (!in_set(sets, set, fd))
			continue;
		if (events & means[set])
			count++;
		else
			sets->word[set][fd / 64] &= ~(UINT64_C(1) << (fd % 64));
	}
	return count;
}

/* `fd_of` remembers which descriptor an item is. The sets become the answer. */
static int64_t select_with(struct request *req, struct select_sets *sets, struct poll_item *items,
			   uint16_t *fd_of, uint64_t deadline_ns) MAY_YIELD
{
	uint32_t nfds = (uint32_t)req->arg[0], count = 0;
	int64_t r = 0;

	for (uint32_t fd = 0; fd < nfds && r == 0; fd++) {
		unsigned int events = select_events(sets, fd);

		if (events == 0)
			continue;
		fd_of[count] = (uint16_t)fd;
		items[count] = (struct poll_item){ .events = events };
		items[count].file = fd_get(req->process->fds, fd);
		if (items[count].file)
			count++;
		else
			r = -EBADF;
	}
	if (r == 0)
		r = file_poll_many(items, count, deadline_ns);
	if (r >= 0) {
		r = 0;
		for (uint32_t i = 0; i < count; i++)
			r += select_answer(sets, fd_of[i], items[i].ret_events);
	}
	items_drop(items, count);
	return r;
}

struct select_room {
	struct select_sets sets;
	struct poll_item items[SELECT_FDS];
	uint16_t fd_of[SELECT_FDS];
};

int64_t call_select(struct request *req)
{
	struct select_room *room;
	uint64_t nfds = req->arg[0];
	int64_t r;

	if (nfds > SELECT_FDS)
		return -EINVAL;
	room = malloc(sizeof(*room));
	if (!room)
		return -ENOMEM;
	r = request_in(req, 1, sizeof(room->sets), &room->sets);
	for (unsigned int set = 0; r == 0 && set < 3; set++) {
		if (!(req->arg[2] >> set & 1))
			memset(room->sets.word[set], 0, sizeof(room->sets.word[set]));
		/* Bits from nfds on are not looked at and come back as they are. */
	}
	if (r == 0)
		r = select_with(req, &room->sets, room->items, room->fd_of,
				deadline_of_ns(req->arg[3]));
	if (r >= 0) {
		int out = request_out(req, 1, &room->sets, sizeof(room->sets));

		r = out < 0 ? out : r;
	}
	free(room);
	return r;
}

/* ---- epoll. */

int64_t call_epoll_create(struct request *req)
{
	struct file *f;
	int r;

	if (request_int(req, 0) <= 0)
		return -EINVAL;
	r = epoll_new(O_RDWR, &f);
	return r < 0 ? r : install_file(req, f, false);
}

int64_t call_epoll_create1(struct request *req)
{
	uint32_t flags = (uint32_t)req->arg[0];
	struct file *f;
	int r;

	if (flags & ~(uint32_t)EPOLL_CLOEXEC)
		return -EINVAL;
	r = epoll_new(O_RDWR, &f);
	return r < 0 ? r : install_file(req, f, flags & EPOLL_CLOEXEC);
}

int64_t call_epoll_ctl(struct request *req)
{
	AUTO_FILE ep = request_file(req, 0);
	AUTO_FILE target = request_file(req, 2);
	struct epoll_event event = { 0 };
	int op = request_int(req, 1);
	int r = op == EPOLL_CTL_DEL ? 0 : request_in(req, 3, sizeof(event), &event);

	if (r < 0)
		return r;
	if (!ep || !target)
		return -EBADF;
	if (!target->ops->poll)
		return -EPERM;
	return epoll_control(ep, op, request_int(req, 2), target, &event);
}

static int64_t wait_events(struct request *req, uint64_t deadline_ns) MAY_YIELD
{
	AUTO_FILE ep = request_file(req, 0);
	int32_t max = request_int(req, 2);
	void *events;
	int r;

	if (max <= 0)
		return -EINVAL;
	if (!ep)
		return -EBADF;
	r = request_buffer(req, 1, (uint64_t)max * sizeof(struct epoll_event), &events);
	return r < 0 ? r : epoll_wait_events(ep, events, (unsigned int)max, deadline_ns);
}

int64_t call_epoll_wait(struct request *req)
{
	return wait_events(req, deadline_of_ms(request_int(req, 3)));
}

int64_t call_epoll_pwait(struct request *req)
{
	return wait_events(req, deadline_of_ms(request_int(req, 3)));
}

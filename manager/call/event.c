/* SPDX-License-Identifier: MIT */
/* event.c - descriptors without a name: pipes, eventfd, timerfd. */
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

static int64_t make_pipe(struct request *req, uint32_t flags) MAY_YIELD
{
	struct file *f[2];
	int r;

	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	r = pipe_new((int)flags & ~O_CLOEXEC, f);
	return r < 0 ? r : install_pair(req, 0, f, flags & O_CLOEXEC);
}

int64_t call_pipe(struct request *req)
{
	return make_pipe(req, 0);
}

int64_t call_pipe2(struct request *req)
{
	return make_pipe(req, (uint32_t)req->arg[1]);
}

static int64_t make_eventfd(struct request *req, uint32_t flags)
{
	struct file *f;
	int r;

	if (flags & ~(uint32_t)(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE))
		return -EINVAL;
	r = eventfd_new((unsigned int)req->arg[0], (int)flags & ~EFD_CLOEXEC, &f);
	return r < 0 ? r : install_file(req, f, flags & EFD_CLOEXEC);
}

int64_t call_eventfd(struct request *req)
{
	return make_eventfd(req, 0);
}

int64_t call_eventfd2(struct request *req)
{
	return make_eventfd(req, (uint32_t)req->arg[1]);
}

int64_t call_timerfd_create(struct request *req)
{
	uint32_t flags = (uint32_t)req->arg[1];
	struct file *f;
	int r;

	if (flags & ~(uint32_t)(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	r = timerfd_new(request_int(req, 0), (int)flags & ~TFD_CLOEXEC, &f);
	return r < 0 ? r : install_file(req, f, flags & TFD_CLOEXEC);
}

int64_t call_timerfd_settime(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);
	struct itimerspec value, old;
	int r = request_in(req, 2, sizeof(value), &value);

	if (r < 0)
		return r;
	if (!f)
		return -EBADF;
	r = timerfd_set(f, request_int(req, 1), &value, &old);
	if (r == 0 && request_has(req, 3))
		r = request_out(req, 3, &old, sizeof(old));
	return r;
}

int64_t call_timerfd_gettime(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);
	struct itimerspec value;
	int r;

	if (!f)
		return -EBADF;
	r = timerfd_get(f, &value);
	return r < 0 ? r : request_out(req, 1, &value, sizeof(value));
}

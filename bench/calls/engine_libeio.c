/* SPDX-License-Identifier: MIT */
/*
 * engine_libeio.c - peer: libeio's thread pool, as it is by default (4 threads), its
 * completions announced by an eventfd as in its documentation's event loop.
 */
#include "bench/calls/engines.h"

#ifdef HAVE_LIBEIO
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <eio.h>

/* libeio has one pool a process, and its callbacks no context. */
static int bell = -1;
static struct run *running;

static bool libeio_can(enum step step)
{
	(void)step;
	return true;
}

static void want_poll(void)
{
	uint64_t one = 1;

	if (write(bell, &one, sizeof(one)) < 0)
		die("eventfd: %s", strerror(errno));
}

static void done_poll(void)
{
	uint64_t count;

	if (read(bell, &count, sizeof(count)) < 0 && errno != EAGAIN)
		die("eventfd: %s", strerror(errno));
}

static void libeio_open(struct run *run)
{
	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (bell < 0 || eio_init(want_poll, done_poll) < 0)
		die("libeio does not start");
	running = run;
}

static int done(eio_req *request)
{
	struct job *job = request->data;
	int64_t ret = request->result;

	if (request->type == EIO_STAT && ret == 0) {
		struct statx *status = (void *)job->buffer;

		status->stx_size = (uint64_t)EIO_STAT_BUF(request)->st_size;
	}
	run_step_done(running, job, ret < 0 ? -request->errorno : ret);
	return 0;
}

static void custom(eio_req *request)
{
	int64_t ret = job_call(request->data);

	request->result = ret < 0 ? -1 : ret;
	request->errorno = ret < 0 ? (int)-ret : 0;
}

static void libeio_submit(struct run *run, struct job *job)
{
	eio_req *r;

	(void)run;
	switch (job_step(job)) {
	case STEP_STATX:
		r = eio_stat(job->path, 0, done, job);
		break;
	case STEP_PREAD:
		r = eio_read(job->fd, job->buffer, READ_SIZE, 0, 0, done, job);
		break;
	case STEP_OPEN:
		r = eio_open(job->path, O_RDONLY | O_CLOEXEC, 0, 0, done, job);
		break;
	case STEP_CLOSE:
		r = eio_close(job->fd, 0, done, job);
		break;
	case STEP_FSYNC:
		r = eio_fsync(job->fd, 0, done, job);
		break;
	case STEP_MKDIR:
		r = eio_mkdir(job->new_path, 0755, 0, done, job);
		break;
	case STEP_RMDIR:
		r = eio_rmdir(job->new_path, 0, done, job);
		break;
	case STEP_RENAME:
		r = eio_rename(job->path, job->new_path, 0, done, job);
		break;
	case STEP_LINK:
		r = eio_link(job->path, job->new_path, 0, done, job);
		break;
	case STEP_UNLINK:
		r = eio_unlink(job->new_path, 0, done, job);
		break;
	default:
		r = eio_custom(custom, 0, done, job);
		break;
	}
	if (!r)
		die("libeio: no request");
}

static void libeio_wait(struct run *run)
{
	struct pollfd fd = { .fd = bell, .events = POLLIN };

	(void)run;
	if (poll(&fd, 1, -1) < 0 && errno != EINTR)
		die("poll: %s", strerror(errno));
	eio_poll();
}

static void libeio_close(struct run *run)
{
	(void)run;
	close(bell); /* the threads stay until the process ends: libeio has no way to end them */
}

const struct engine engine_libeio = {
	.name = "libeio",
	.can = libeio_can,
	.open = libeio_open,
	.submit = libeio_submit,
	.wait = libeio_wait,
	.close = libeio_close,
};
#else
const struct engine engine_libeio = {
	.name = "libeio",
	.missing = "tools/peers had not built it when this was built",
};
#endif

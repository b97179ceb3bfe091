/* SPDX-License-Identifier: MIT */
/*
 * engine_aio.c - peer: POSIX AIO of the C library. It can read, write and fsync.
 * Waiting is aio_suspend() over all that is under way, as the standard offers.
 */
#include "bench/calls/engines.h"

#include <aio.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct requests {
	struct aiocb control[JOBS_MAX];
	const struct aiocb *list[JOBS_MAX]; /* NULL: not under way */
};

static bool aio_can(enum step step)
{
	return step == STEP_PREAD || step == STEP_FSYNC;
}

static void aio_open(struct run *run)
{
	run->state = calloc(1, sizeof(struct requests));
	if (!run->state)
		die("no memory");
}

static void aio_submit(struct run *run, struct job *job)
{
	struct requests *q = run->state;
	struct aiocb *control = &q->control[job->index];
	int r;

	memset(control, 0, sizeof(*control));
	control->aio_fildes = job->fd;
	control->aio_buf = job->buffer;
	control->aio_nbytes = READ_SIZE;
	control->aio_sigevent.sigev_notify = SIGEV_NONE;
	r = job_step(job) == STEP_FSYNC ? aio_fsync(O_SYNC, control) : aio_read(control);
	if (r < 0)
		die("aio: %s", strerror(errno));
	q->list[job->index] = control;
}

static void aio_wait(struct run *run)
{
	struct requests *q = run->state;

	if (aio_suspend(q->list, (int)run->depth, NULL) < 0 && errno != EINTR)
		die("aio_suspend: %s", strerror(errno));
	for (uint32_t i = 0; i < run->depth; i++) {
		int error;

		if (!q->list[i])
			continue;
		error = aio_error(&q->control[i]);
		if (error == EINPROGRESS)
			continue;
		q->list[i] = NULL;
		run_step_done(run, &run->jobs[i], error ? -error : aio_return(&q->control[i]));
	}
}

static void aio_close(struct run *run)
{
	free(run->state);
}

const struct engine engine_aio = {
	.name = "aio",
	.can = aio_can,
	.open = aio_open,
	.submit = aio_submit,
	.wait = aio_wait,
	.close = aio_close,
};

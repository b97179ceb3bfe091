/* SPDX-License-Identifier: MIT */
/*
 * engine_libuv.c - peer: the thread pool of libuv, as it is by default. Calls that
 * libuv has no function for are work items, as its documentation advises.
 */
#include "bench/calls/engines.h"

#ifdef HAVE_LIBUV
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>

struct request {
	union {
		uv_fs_t fs;
		uv_work_t work;
	};
	uv_buf_t buffer;
	struct run *run;
	struct job *job;
	int64_t ret; /* of a work item */
};

struct loop {
	uv_loop_t uv;
	struct request *request;
};

static bool libuv_can(enum step step)
{
	(void)step;
	return true;
}

static void libuv_open(struct run *run)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop || uv_loop_init(&loop->uv) < 0)
		die("libuv: no loop");
	loop->request = calloc(run->depth, sizeof(*loop->request));
	if (!loop->request)
		die("no memory");
	for (uint32_t i = 0; i < run->depth; i++) {
		struct request *q = &loop->request[i];

		q->run = run;
		q->job = &run->jobs[i];
		q->buffer = uv_buf_init(q->job->buffer, READ_SIZE);
		q->job->engine = q;
	}
	run->state = loop;
}

static void fs_done(uv_fs_t *fs)
{
	struct request *q = CONTAINER_OF(fs, struct request, fs);
	ssize_t ret = fs->result;

	if (fs->fs_type == UV_FS_STAT)
		((struct statx *)(void *)q->job->buffer)->stx_size = fs->statbuf.st_size;
	uv_fs_req_cleanup(fs);
	run_step_done(q->run, q->job, ret);
}

static void work(uv_work_t *item)
{
	struct request *q = CONTAINER_OF(item, struct request, work);

	q->ret = job_call(q->job);
}

static void work_done(uv_work_t *item, int status)
{
	struct request *q = CONTAINER_OF(item, struct request, work);

	run_step_done(q->run, q->job, status < 0 ? status : q->ret);
}

static void libuv_submit(struct run *run, struct job *job)
{
	struct loop *loop = run->state;
	struct request *q = job->engine;
	int r;

	switch (job_step(job)) {
	case STEP_STATX:
		r = uv_fs_stat(&loop->uv, &q->fs, job->path, fs_done);
		break;
	case STEP_PREAD:
		r = uv_fs_read(&loop->uv, &q->fs, job->fd, &q->buffer, 1, 0, fs_done);
		break;
	case STEP_OPEN:
		r = uv_fs_open(&loop->uv, &q->fs, job->path, O_RDONLY, 0, fs_done);
		break;
	case STEP_CLOSE:
		r = uv_fs_close(&loop->uv, &q->fs, job->fd, fs_done);
		break;
	case STEP_FSYNC:
		r = uv_fs_fsync(&loop->uv, &q->fs, job->fd, fs_done);
		break;
	case STEP_MKDIR:
		r = uv_fs_mkdir(&loop->uv, &q->fs, job->new_path, 0755, fs_done);
		break;
	case STEP_RMDIR:
		r = uv_fs_rmdir(&loop->uv, &q->fs, job->new_path, fs_done);
		break;
	case STEP_RENAME:
		r = uv_fs_rename(&loop->uv, &q->fs, job->path, job->new_path, fs_done);
		break;
	case STEP_LINK:
		r = uv_fs_link(&loop->uv, &q->fs, job->path, job->new_path, fs_done);
		break;
	case STEP_UNLINK:
		r = uv_fs_unlink(&loop->uv, &q->fs, job->new_path, fs_done);
		break;
	default:
		r = uv_queue_work(&loop->uv, &q->work, work, work_done);
		break;
	}
	if (r < 0)
		die("libuv: %s", uv_strerror(r));
}

static void libuv_wait(struct run *run)
{
	struct loop *loop = run->state;

	uv_run(&loop->uv, UV_RUN_ONCE);
}

static void libuv_close(struct run *run)
{
	struct loop *loop = run->state;

	uv_loop_close(&loop->uv);
	free(loop->request);
	free(loop);
}

const struct engine engine_libuv = {
	.name = "libuv",
	.can = libuv_can,
	.open = libuv_open,
	.submit = libuv_submit,
	.wait = libuv_wait,
	.close = libuv_close,
};
#else
const struct engine engine_libuv = {
	.name = "libuv",
	.missing = "libuv1-dev was not installed when this was built",
};
#endif

/* SPDX-License-Identifier: MIT */
/*
 * engine.c - fio's input and output, executed by libhascall: an external engine for
 * fio. Layer: fio.
 *
 *	fio --ioengine=external:build/fio/libhascall-fio.so --iodepth=8 ...
 *
 * Order    queue() posts a call, commit() sees to it that a worker looks, getevents()
 *          reaps. Calls in flight have no order among them: an fsync covers the
 *          writes that were completed when it was queued, as with fio's io_uring.
 * Limit    iodepth calls at a time, HASCALL_ENTRIES_MAX of them in the library; fio keeps
 *          the rest.
 * Owner    each job has an area of its own, from init() to cleanup().
 * Thread   the job's own; the workers see calls, never structures of fio.
 *
 * fio has no stable interface: this file is compiled against the headers of the very
 * fio that loads it (tools/fio-engine). fio compares FIO_IOOPS_VERSION; init() checks
 * by a field late in fio's largest structure that both agree on the layout.
 *
 * Way down: engine_queue -> engine_call -> hascall_post; engine_getevents ->
 * hascall_reap, hascall_wait_any.
 */
#include <hascall/hascall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <fio.h>
#include <optgroup.h>

/* What belongs to one of the job's io_u, found by the index that fio gives each. */
struct request {
	uint64_t ticket; /* valid while in flight */
	bool in_flight;
	uint64_t discard[2]; /* of a trim: the kernel reads it while the call runs */
};

struct engine {
	struct hascall *area;
	unsigned int depth;
	struct request *request;
	/* queued since the last commit() */
	struct io_u **queued;
	unsigned int queued_count;
	/* completed: the first given_count of them fio has been told of */
	struct io_u **done;
	unsigned int done_count;
	unsigned int given_count;
};

struct engine_options {
	void *unused; /* fio takes an option at offset 0 for one that has no place */
	unsigned int workers_max;
	unsigned int workers_parallel;
	unsigned int polling;
	unsigned int spin;
	unsigned int caller_helps;
};

static struct fio_option options[] = {
	{
		.name = "workers_max",
		.lname = "Most worker threads",
		.type = FIO_OPT_INT,
		.off1 = offsetof(struct engine_options, workers_max),
		.maxval = HASCALL_WORKERS_MAX,
		.help = "Most worker threads of a job; 0: the library's default",
		.def = "0",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "workers_parallel",
		.lname = "Workers that run at a time",
		.type = FIO_OPT_INT,
		.off1 = offsetof(struct engine_options, workers_parallel),
		.maxval = HASCALL_WORKERS_MAX,
		.help = "Workers that run while none is blocked; 0: all processors but one",
		.def = "0",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "polling",
		.lname = "A worker that never sleeps",
		.type = FIO_OPT_BOOL,
		.off1 = offsetof(struct engine_options, polling),
		.help = "Keep one worker looking for calls all the time",
		.def = "0",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "spin",
		.lname = "Spin before sleeping",
		.type = FIO_OPT_BOOL,
		.off1 = offsetof(struct engine_options, spin),
		.help = "Look for some microseconds before going to sleep",
		.def = "1",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "caller_helps",
		.lname = "The waiting job executes calls",
		.type = FIO_OPT_BOOL,
		.off1 = offsetof(struct engine_options, caller_helps),
		.help = "While it waits, the job executes calls that no worker has begun",
		.def = "1",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{ .name = NULL },
};

/* The end of this file: what fio looks up. */
extern struct ioengine_ops ioengine;

static void engine_free(struct engine *e)
{
	free(e->request);
	free(e->queued);
	free(e->done);
	free(e);
}

static int engine_open(struct engine *e, const struct engine_options *o)
{
	struct hascall_options wanted = {
		.size = sizeof(wanted),
		.entries = e->depth < HASCALL_ENTRIES_MAX ? e->depth : HASCALL_ENTRIES_MAX,
		.workers_max = o->workers_max,
		.parallel = o->workers_parallel,
	};

	if (o->polling)
		wanted.flags |= HASCALL_POLLING;
	if (!o->spin)
		wanted.flags |= HASCALL_NO_SPIN;
	return hascall_open(&e->area, &wanted);
}

static int engine_start(struct thread_data *td, struct engine *e)
{
	e->request = calloc(e->depth, sizeof(*e->request));
	e->queued = calloc(e->depth, sizeof(struct io_u *));
	e->done = calloc(e->depth, sizeof(struct io_u *));
	if (!e->request || !e->queued || !e->done)
		return -ENOMEM;
	return engine_open(e, td->eo);
}

/* Called by each job, in its own process or thread. */
static int engine_init(struct thread_data *td)
{
	struct engine *e;
	int r;

	if (td->io_ops != &ioengine) {
		log_err("hascall: this engine was made for another build of fio\n");
		return 1;
	}
	if (td_trim(td) && td->o.zone_mode == ZONE_MODE_ZBD) {
		log_err("hascall: trim of zoned devices is not served\n");
		td_verror(td, EOPNOTSUPP, "hascall engine");
		return 1;
	}
	e = calloc(1, sizeof(*e));
	if (!e) {
		td_verror(td, ENOMEM, "hascall engine");
		return 1;
	}
	e->depth = td->o.iodepth;
	r = engine_start(td, e);
	if (r < 0) {
		engine_free(e);
		td_verror(td, -r, "hascall_open");
		return 1;
	}
	td->io_ops_data = e;
	return 0;
}

static void engine_cleanup(struct thread_data *td)
{
	struct engine *e = td->io_ops_data;

	if (!e)
		return;
	hascall_cancel_all(e->area, HASCALL_ALL_GROUPS);
	hascall_close(e->area);
	engine_free(e);
}

/* A discard of a block device, a hole in a file. */
static int trim_call(const struct io_u *io_u, struct request *request, uint64_t arg[6])
{
	arg[0] = (uint64_t)io_u->file->fd;
	if (io_u->file->filetype == FIO_TYPE_BLOCK) {
		request->discard[0] = io_u->offset;
		request->discard[1] = io_u->xfer_buflen;
		arg[1] = BLKDISCARD;
		arg[2] = (uintptr_t)request->discard;
		return SYS_ioctl;
	}
	arg[1] = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	arg[2] = io_u->offset;
	arg[3] = io_u->xfer_buflen;
	return SYS_fallocate;
}

static void transfer_args(const struct io_u *io_u, uint64_t arg[6])
{
	arg[0] = (uint64_t)io_u->file->fd;
	arg[1] = (uintptr_t)io_u->xfer_buf;
	arg[2] = io_u->xfer_buflen;
	arg[3] = io_u->offset;
}

/* The number of the system call that does what io_u asks, or -EINVAL. */
static int engine_call(const struct thread_data *td, const struct io_u *io_u,
		       struct request *request, uint64_t arg[6])
{
	const struct fio_file *f = io_u->file;

	switch (io_u->ddir) {
	case DDIR_READ:
		transfer_args(io_u, arg);
		return SYS_pread64;
	case DDIR_WRITE:
		transfer_args(io_u, arg);
		return SYS_pwrite64;
	case DDIR_TRIM:
		return trim_call(io_u, request, arg);
	case DDIR_SYNC:
		arg[0] = (uint64_t)f->fd;
		return SYS_fsync;
	case DDIR_DATASYNC:
		arg[0] = (uint64_t)f->fd;
		return SYS_fdatasync;
	case DDIR_SYNC_FILE_RANGE:
		arg[0] = (uint64_t)f->fd;
		arg[1] = f->first_write;
		arg[2] = f->last_write - f->first_write;
		arg[3] = td->o.sync_file_range;
		return SYS_sync_file_range;
	case DDIR_WAIT:
	case DDIR_LAST:
	case DDIR_INVAL:
	default:
		return -EINVAL;
	}
}

/* At depth 1 fio waits next, and a wait that helps executes the call: no worker is woken. */
static bool waits_at_once(const struct thread_data *td)
{
	const struct engine_options *o = td->eo;

	return td->o.iodepth == 1 && o->caller_helps;
}

/* It ends without a call, for a reason or because there is nothing to do. */
static enum fio_q_status complete_here(struct io_u *io_u, int error)
{
	io_u->error = (unsigned int)error;
	fio_gettime(&io_u->issue_time, NULL);
	return FIO_Q_COMPLETED;
}

static enum fio_q_status engine_queue(struct thread_data *td, struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;
	struct request *request = &e->request[io_u->index];
	uint64_t arg[6] = { 0 };
	int num, r;

	fio_ro_check(td, io_u);
	num = engine_call(td, io_u, request, arg);
	if (num < 0)
		return complete_here(io_u, -num);
	if (num == SYS_sync_file_range && arg[2] == 0)
		return complete_here(io_u, 0); /* for the kernel, 0 bytes are all of the file */
	r = hascall_post(e->area, (uint32_t)num, arg, (uintptr_t)io_u, HASCALL_MORE,
			 &request->ticket);
	if (r == -EAGAIN)
		return FIO_Q_BUSY;
	if (r < 0)
		return complete_here(io_u, -r);
	request->in_flight = true;
	e->queued[e->queued_count++] = io_u;
	return FIO_Q_QUEUED;
}

/* Wake a worker for what was queued, and tell fio that it has begun. */
static int engine_commit(struct thread_data *td)
{
	struct engine *e = td->io_ops_data;
	struct timespec now;

	if (e->queued_count == 0)
		return 0;
	if (!waits_at_once(td))
		hascall_kick(e->area);
	if (fio_fill_issue_time(td)) {
		fio_gettime(&now, NULL);
		for (unsigned int i = 0; i < e->queued_count; i++) {
			e->queued[i]->issue_time = now;
			io_u_queued(td, e->queued[i]);
		}
		if (td->o.read_iolog_file)
			td->last_issue = now;
	}
	io_u_mark_submit(td, e->queued_count);
	e->queued_count = 0;
	return 0;
}

/* A hascall_done_fn. */
static void engine_done(void *ctx, uint64_t user_data, int64_t ret)
{
	struct io_u *io_u = (struct io_u *)(uintptr_t)user_data;
	struct engine *e = ctx;

	e->request[io_u->index].in_flight = false;
	if (ret < 0)
		io_u->error = (unsigned int)-ret;
	else if (io_u->ddir == DDIR_READ || io_u->ddir == DDIR_WRITE)
		io_u->resid = io_u->xfer_buflen - (uint64_t)ret;
	e->done[e->done_count++] = io_u;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* Wait until `min` are done or the time is over (NULL: never). 0 or -errno. */
static int wait_done(struct thread_data *td, unsigned int min, const struct timespec *limit)
{
	const struct engine_options *o = td->eo;
	struct engine *e = td->io_ops_data;
	uint32_t flags = o->caller_helps ? HASCALL_HELP : 0;
	int64_t left = -1;
	int64_t end = 0;
	int r = 0;

	if (limit)
		end = now_ns() + limit->tv_sec * INT64_C(1000000000) + limit->tv_nsec;
	/* A reap would wake a worker for what the wait is about to execute. */
	if (min == 0 || !waits_at_once(td))
		hascall_reap(e->area, engine_done, e);
	while (e->done_count < min && r == 0) {
		if (limit)
			left = end > now_ns() ? end - now_ns() : 0;
		r = hascall_wait_any(e->area, left, flags);
		hascall_reap(e->area, engine_done, e);
	}
	/* Late, or fio asked for more than it queued: what there is. */
	return r == -ETIMEDOUT || r == -ENOENT ? 0 : r;
}

static int engine_getevents(struct thread_data *td, unsigned int min, unsigned int max,
			    const struct timespec *limit)
{
	struct engine *e = td->io_ops_data;
	int r;

	e->done_count -= e->given_count;
	memmove(e->done, e->done + e->given_count, e->done_count * sizeof(struct io_u *));
	e->given_count = 0;
	if (e->done_count < max) {
		r = wait_done(td, min, limit);
		if (r < 0)
			return r;
	}
	e->given_count = e->done_count < max ? e->done_count : max;
	return (int)e->given_count;
}

static struct io_u *engine_event(struct thread_data *td, int event)
{
	const struct engine *e = td->io_ops_data;
	struct io_u *io_u = e->done[event];

	/* fio itself forgets what became of an fsync that did not end at once. */
	if (io_u->error && ddir_sync(io_u->ddir))
		td_verror(td, (int)io_u->error, io_ddir_name(io_u->ddir));
	return io_u;
}

/* 0: it will not be an event any more. Else it will, perhaps soon. */
static int engine_cancel(struct thread_data *td, struct io_u *io_u)
{
	struct engine *e = td->io_ops_data;
	struct request *request = &e->request[io_u->index];
	int r;

	engine_commit(td); /* no list may name it any more */
	if (!request->in_flight)
		return -ENOENT;
	r = hascall_recall(e->area, request->ticket);
	if (r == 0)
		request->in_flight = false;
	else
		hascall_cancel(e->area, request->ticket);
	return r;
}

__attribute__((visibility("default"))) struct ioengine_ops ioengine = {
	.name = "hascall",
	.version = FIO_IOOPS_VERSION,
	/* io_submit_mode=offload would hand the io_u of one job to the areas of others. */
	.flags = FIO_ASYNCIO_SETS_ISSUE_TIME | FIO_NO_OFFLOAD,
	.init = engine_init,
	.cleanup = engine_cleanup,
	.queue = engine_queue,
	.commit = engine_commit,
	.getevents = engine_getevents,
	.event = engine_event,
	.cancel = engine_cancel,
	.open_file = generic_open_file,
	.close_file = generic_close_file,
	.get_file_size = generic_get_file_size,
	.options = options,
	.option_struct_size = sizeof(struct engine_options),
};

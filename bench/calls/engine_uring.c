/* SPDX-License-Identifier: MIT */
/*
 * engine_uring.c - peers: io_uring as liburing offers it. Plain: one submitter, whose
 * waits run completions (the cheapest way it has); and with a kernel thread that
 * polls for submissions, where the submitter looks for completions a while before it
 * sleeps.
 *
 * It has no getppid and no getdents64: for the first, its nop stands; a sleep is
 * its timeout, which is no thread's work at all.
 */
#include "bench/calls/engines.h"

#ifdef HAVE_LIBURING
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SQPOLL_IDLE_MS 1000
#define SQPOLL_LOOKS 2000 /* for completions, before it sleeps: some 20 us */

struct ring {
	struct io_uring uring;
	struct __kernel_timespec timeout;
	bool polling;
};

static bool uring_can(enum step step)
{
	return step != STEP_GETDENTS;
}

static uint32_t power_of_two(uint32_t least)
{
	uint32_t size = 8;

	while (size < least)
		size *= 2;
	return size;
}

static void open_ring(struct run *run, unsigned int flags)
{
	struct io_uring_params params = { .flags = flags, .sq_thread_idle = SQPOLL_IDLE_MS };
	struct ring *ring = calloc(1, sizeof(*ring));
	int r;

	if (!ring)
		die("no memory");
	ring->timeout.tv_nsec = SLEEP_NS;
	ring->polling = flags & IORING_SETUP_SQPOLL;
	r = io_uring_queue_init_params(power_of_two(run->depth * run->what->step_count),
				       &ring->uring, &params);
	if (r < 0)
		die("io_uring_setup: %s", strerror(-r));
	if (run_is_chained(run)) {
		r = io_uring_register_files_sparse(&ring->uring, run->depth);
		if (r < 0)
			die("io_uring_register: %s", strerror(-r));
	}
	run->state = ring;
}

static void uring_open(struct run *run)
{
	open_ring(run, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
}

static void sqpoll_open(struct run *run)
{
	open_ring(run, IORING_SETUP_SQPOLL);
}

static struct io_uring_sqe *next_sqe(struct ring *ring)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring->uring))) {
		io_uring_submit(&ring->uring);
		if (ring->polling)
			io_uring_sqring_wait(&ring->uring);
	}
	return sqe;
}

static void prepare(struct ring *ring, struct io_uring_sqe *sqe, const struct job *job)
{
	switch (job_step(job)) {
	case STEP_STATX:
		io_uring_prep_statx(sqe, AT_FDCWD, job->path, 0, STATX_BASIC_STATS,
				    (void *)job->buffer);
		break;
	case STEP_PREAD:
		io_uring_prep_read(sqe, job->fd, job->buffer, READ_SIZE, 0);
		break;
	case STEP_OPEN:
		io_uring_prep_openat(sqe, AT_FDCWD, job->path, O_RDONLY | O_CLOEXEC, 0);
		break;
	case STEP_CLOSE:
		io_uring_prep_close(sqe, job->fd);
		break;
	case STEP_FSYNC:
		io_uring_prep_fsync(sqe, job->fd, 0);
		break;
	case STEP_MKDIR:
		io_uring_prep_mkdirat(sqe, AT_FDCWD, job->new_path, 0755);
		break;
	case STEP_RMDIR:
		io_uring_prep_unlinkat(sqe, AT_FDCWD, job->new_path, AT_REMOVEDIR);
		break;
	case STEP_UNLINK:
		io_uring_prep_unlinkat(sqe, AT_FDCWD, job->new_path, 0);
		break;
	case STEP_RENAME:
		io_uring_prep_renameat(sqe, AT_FDCWD, job->path, AT_FDCWD, job->new_path, 0);
		break;
	case STEP_LINK:
		io_uring_prep_linkat(sqe, AT_FDCWD, job->path, AT_FDCWD, job->new_path, 0);
		break;
	case STEP_SLEEP:
		io_uring_prep_timeout(sqe, &ring->timeout, 0, 0);
		break;
	default:
		io_uring_prep_nop(sqe);
		break;
	}
	io_uring_sqe_set_data(sqe, (void *)(uintptr_t)job);
}

/* open into the ring's own table of files, read, close: linked. */
static void prepare_chain(struct ring *ring, struct job *job)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	io_uring_prep_openat_direct(sqe, AT_FDCWD, job->path, O_RDONLY, 0, job->index);
	io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK);
	io_uring_sqe_set_data(sqe, job);
	sqe = next_sqe(ring);
	io_uring_prep_read(sqe, (int)job->index, job->buffer, READ_SIZE, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_IO_LINK | IOSQE_FIXED_FILE);
	io_uring_sqe_set_data(sqe, job);
	sqe = next_sqe(ring);
	io_uring_prep_close_direct(sqe, job->index);
	io_uring_sqe_set_data(sqe, job);
}

static void uring_submit(struct run *run, struct job *job)
{
	struct ring *ring = run->state;

	if (run_is_chained(run))
		prepare_chain(ring, job);
	else
		prepare(ring, next_sqe(ring), job);
}

static void uring_flush(struct run *run)
{
	struct ring *ring = run->state;
	int r = io_uring_submit(&ring->uring);

	if (r < 0)
		die("io_uring_submit: %s", strerror(-r));
}

/* A timeout that has passed says -ETIME: it slept. */
static int64_t result(const struct io_uring_cqe *cqe, const struct job *job)
{
	return job_step(job) == STEP_SLEEP && cqe->res == -ETIME ? 0 : cqe->res;
}

static uint32_t take_results(struct run *run)
{
	struct ring *ring = run->state;
	struct io_uring_cqe *cqe;
	uint32_t head, count = 0;

	io_uring_for_each_cqe(&ring->uring, head, cqe)
	{
		struct job *job = io_uring_cqe_get_data(cqe);

		run_step_done(run, job, result(cqe, job));
		count++;
	}
	io_uring_cq_advance(&ring->uring, count);
	return count;
}

static void uring_wait(struct run *run)
{
	struct ring *ring = run->state;
	int r = io_uring_submit_and_wait(&ring->uring, 1);

	if (r < 0 && r != -EINTR)
		die("io_uring_submit_and_wait: %s", strerror(-r));
	take_results(run);
}

static void uring_wait_all(struct run *run)
{
	struct ring *ring = run->state;
	int r = io_uring_submit_and_wait(&ring->uring, run->in_flight);

	if (r < 0 && r != -EINTR)
		die("io_uring_submit_and_wait: %s", strerror(-r));
	take_results(run);
}

static void sqpoll_wait(struct run *run)
{
	struct ring *ring = run->state;
	struct io_uring_cqe *cqe;

	uring_flush(run);
	for (uint32_t i = 0; i < SQPOLL_LOOKS; i++) {
		if (take_results(run) > 0)
			return;
		__builtin_ia32_pause();
	}
	io_uring_wait_cqe(&ring->uring, &cqe);
	take_results(run);
}

static void uring_close(struct run *run)
{
	struct ring *ring = run->state;

	io_uring_queue_exit(&ring->uring);
	free(ring);
}

const struct engine engine_io_uring = {
	.name = "io_uring",
	.chains = true,
	.can = uring_can,
	.open = uring_open,
	.submit = uring_submit,
	.flush = uring_flush,
	.wait = uring_wait,
	.wait_all = uring_wait_all,
	.close = uring_close,
};
const struct engine engine_sqpoll = {
	.name = "io_uring SQPOLL",
	.chains = true,
	.can = uring_can,
	.open = sqpoll_open,
	.submit = uring_submit,
	.flush = uring_flush,
	.wait = sqpoll_wait,
	.close = uring_close,
};
#else
#define MISSING "liburing-dev was not installed when this was built"
const struct engine engine_io_uring = { .name = "io_uring", .missing = MISSING };
const struct engine engine_sqpoll = { .name = "io_uring SQPOLL", .missing = MISSING };
#endif

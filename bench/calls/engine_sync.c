/* SPDX-License-Identifier: MIT */
/*
 * engine_sync.c - the peer everybody has: the C library's functions, one after
 * the other, in the thread that wants the results.
 *
 * Once as a process of one thread; and once with a second thread that sleeps, as a
 * program that would use any of the other engines has: the kernel then counts who uses
 * a file at each call.
 */
#include "bench/calls/engines.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

struct queue {
	struct job *job[JOBS_MAX];
	uint32_t begin, count;
	sem_t end; /* of the second thread */
	pthread_t second;
};

static bool sync_can(enum step step)
{
	(void)step;
	return true;
}

static void sync_open(struct run *run)
{
	run->state = calloc(1, sizeof(struct queue));
	if (!run->state)
		die("no memory");
}

static void *second(void *end)
{
	sem_wait(end);
	return NULL;
}

static void threads_open(struct run *run)
{
	struct queue *q;

	sync_open(run);
	q = run->state;
	if (sem_init(&q->end, 0, 0) < 0 || pthread_create(&q->second, NULL, second, &q->end) != 0)
		die("no thread");
}

static void sync_submit(struct run *run, struct job *job)
{
	struct queue *q = run->state;

	/* A job that has begun goes on: nobody opens all files before closing the first. */
	if (job->step > 0)
		q->job[q->begin = (q->begin + JOBS_MAX - 1) % JOBS_MAX] = job;
	else
		q->job[(q->begin + q->count) % JOBS_MAX] = job;
	q->count++;
}

static void sync_wait(struct run *run)
{
	struct queue *q = run->state;
	struct job *job = q->job[q->begin];

	q->begin = (q->begin + 1) % JOBS_MAX;
	q->count--;
	run_step_done(run, job, job_call(job));
}

/* Who calls synchronously has all results before it goes on. */
static void sync_flush(struct run *run)
{
	const struct queue *q = run->state;

	while (q->count > 0 && !run->again)
		sync_wait(run);
}

static void sync_close(struct run *run)
{
	free(run->state);
}

static void threads_close(struct run *run)
{
	struct queue *q = run->state;

	sem_post(&q->end);
	pthread_join(q->second, NULL);
	sync_close(run);
}

#define OPERATIONS .can = sync_can, .submit = sync_submit, .flush = sync_flush, .wait = sync_wait

const struct engine engine_sync = {
	.name = "sync",
	.open = sync_open,
	.close = sync_close,
	OPERATIONS,
};
const struct engine engine_sync_threads = {
	.name = "sync, 2 threads",
	.open = threads_open,
	.close = threads_close,
	OPERATIONS,
};

/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_JOB_H
#define EXAMPLES_JOB_H
/*
 * job.h - work in steps, each a chain of asynchronous calls. Layer: examples.
 *
 *	static void opened(struct job *job)
 *	{
 *		printf("%lld\n", (long long)job->result[0]); // a descriptor, or -errno
 *	}
 *	struct hascall_call call = hascall_call_open(path, O_RDONLY, 0);
 *	job_start(h, job, &call, 1, opened);
 *	while (hascall_in_flight(h) > 0)
 *		job_run(h, -1, HASCALL_HELP);
 *
 * hascall_reap() delivers the result of one call. What a program wants to know is when
 * a whole chain is through, and what to do then: a job remembers that.
 *
 * Order    `next` is called when the last result of the step is there, by job_run().
 *          It may start the next step, of this job or of another one.
 * Limit    JOB_CALLS calls a step. Give hascall_open() room for all the calls that
 *          can be in flight at a time: a job that cannot be started ends the program.
 * Owner    who made the job; it must not go away while a step runs.
 *
 * Way down: job_run -> hascall_reap -> job_done -> job.next.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hascall/calls.h>
#include <hascall/hascall.h>

#define JOB_CALLS 9u

struct job;
typedef void job_step(struct job *job);

struct job {
	int64_t result[JOB_CALLS]; /* of the last step, in the order of its calls */
	job_step *next;
	uint32_t missing;	/* results to come; 0: no step runs */
} __attribute__((aligned(16))); /* so that an index fits into the low bits of its address */

/* The object of which a job is the first or any other member. */
#define CONTAINER_OF(job, type, member) ((type *)(void *)((char *)(job)-offsetof(type, member)))

/*
 * Post calls; next(job) is called when all of them are completed. Workers are woken by
 * job_run(); who waits otherwise, in epoll_wait() say, calls hascall_kick() before that.
 */
void job_start(struct hascall *h, struct job *job, struct hascall_call *calls, uint32_t count,
	       job_step *next);

/* Call `next` of each job whose step is through. Does not wait. */
void job_reap(struct hascall *h);

/* Wait until a call is completed, for ever if timeout_ns < 0; then job_reap(). */
void job_run(struct hascall *h, int64_t timeout_ns, uint32_t flags);

/* Memory set to zeros, aligned for a job; or the program ends. free() it. */
void *job_allocate(size_t size);

#endif /* EXAMPLES_JOB_H */

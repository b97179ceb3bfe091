/* SPDX-License-Identifier: MIT */
#include "examples/job.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define JOB_INDEX_MASK (_Alignof(struct job) - 1)

_Static_assert(JOB_CALLS <= _Alignof(struct job), "user_data is an address and an index");
_Static_assert(JOB_CALLS <= HASCALL_CHAIN_MAX, "a step may be one chain");

void job_start(struct hascall *h, struct job *job, struct hascall_call *calls, uint32_t count,
	       job_step *next)
{
	int r;

	for (uint32_t i = 0; i < count; i++)
		calls[i].user_data = (uintptr_t)job | i;
	job->next = next;
	job->missing = count;
	/* Not a wake-up for each step: job_run(), or hascall_kick(), does it for all. */
	r = hascall_submit(h, calls, count, HASCALL_MORE, NULL);
	if (r < 0)
		errx(1, "hascall_submit: %s", strerror(-r));
}

static void job_done(void *unused, uint64_t user_data, int64_t ret)
{
	struct job *job = (struct job *)(uintptr_t)(user_data & ~(uint64_t)JOB_INDEX_MASK);

	(void)unused;
	job->result[user_data & JOB_INDEX_MASK] = ret;
	job->missing--;
	if (job->missing == 0)
		job->next(job);
}

void job_reap(struct hascall *h)
{
	hascall_reap(h, job_done, NULL);
}

void job_run(struct hascall *h, int64_t timeout_ns, uint32_t flags)
{
	int r = hascall_wait_any(h, timeout_ns, flags);

	if (r < 0 && r != -ETIMEDOUT && r != -ENOENT)
		errx(1, "hascall_wait_any: %s", strerror(-r));
	job_reap(h);
}

void *job_allocate(size_t size)
{
	size_t rounded = (size + JOB_INDEX_MASK) & ~JOB_INDEX_MASK;
	void *memory = aligned_alloc(_Alignof(struct job), rounded);

	if (!memory)
		errx(1, "out of memory");
	memset(memory, 0, rounded);
	return memory;
}

/* SPDX-License-Identifier: MIT */
/*
 * engine_hascall.c - us: libhascall with all options at their defaults, but for the
 * number of entries, and the loop a user would write. One call at a time is a
 * hascall_wait(); more are hascall_wait_any() and hascall_reap(), which posts again; all
 * of a burst are hascall_wait_all().
 *
 * Two more, apart from the comparison's one configuration: waits that do not help, so
 * that another thread executes every call; and one worker that polls.
 */
#include "bench/calls/engines.h"

#include <hascall/calls.h>
#include <hascall/hascall.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct area {
	struct hascall *h;
	struct run *run;
	uint32_t wait_flags;
	uint64_t ticket; /* of the one call, at depth 1 */
	struct chain {
		int64_t ret[STEPS_MAX];
		uint32_t missing;
	} * chain;
};

static bool hascall_can(enum step step)
{
	(void)step;
	return true;
}

static void open_area(struct run *run, uint32_t flags, uint32_t wait_flags)
{
	struct hascall_options options = { .size = sizeof(options), .flags = flags };
	uint32_t entries = run->depth * (run_is_chained(run) ? run->what->step_count : 1);
	struct area *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		die("no memory");
	if (entries > 64)
		options.entries = entries;
	r = hascall_open(&a->h, &options);
	if (r < 0)
		die("hascall_open: %s", strerror(-r));
	a->chain = calloc(run->depth, sizeof(*a->chain));
	if (!a->chain)
		die("no memory");
	a->run = run;
	a->wait_flags = wait_flags;
	run->state = a;
}

static void hascall_engine_open(struct run *run)
{
	open_area(run, 0, HASCALL_HELP);
}

static void no_help_open(struct run *run)
{
	open_area(run, 0, 0);
}

static void polling_open(struct run *run)
{
	open_area(run, HASCALL_POLLING, HASCALL_HELP);
}

static void submit_chain(struct area *a, struct job *job)
{
	struct hascall_call calls[] = {
		hascall_call_openat(AT_FDCWD, job->path, O_RDONLY | O_CLOEXEC, 0),
		hascall_call_pread(0, job->buffer, READ_SIZE, 0),
		hascall_call_close(0),
	};
	int r;

	hascall_chain_all(calls, ARRAY_COUNT(calls));
	hascall_from(&calls[1], 0, 1);
	hascall_from(&calls[2], 0, 2);
	hascall_always(&calls[2]);
	for (uint32_t i = 0; i < ARRAY_COUNT(calls); i++)
		calls[i].user_data = (uint64_t)job->index * STEPS_MAX + i;
	a->chain[job->index].missing = ARRAY_COUNT(calls);
	r = hascall_submit(a->h, calls, ARRAY_COUNT(calls), HASCALL_MORE, NULL);
	if (r < 0)
		die("hascall_submit: %s", strerror(-r));
}

static void hascall_engine_submit(struct run *run, struct job *job)
{
	struct area *a = run->state;
	uint64_t arg[6];
	int r;

	if (run_is_chained(run)) {
		submit_chain(a, job);
		return;
	}
	job_arguments(job, arg);
	r = hascall_post(a->h, job_number(job), arg, job->index, HASCALL_MORE, &a->ticket);
	if (r < 0)
		die("hascall_post: %s", strerror(-r));
}

static void done(void *ctx, uint64_t user_data, int64_t ret)
{
	struct area *a = ctx;

	run_step_done(a->run, &a->run->jobs[user_data], ret);
}

/* The results of a chain may be reaped in any order. */
static void chain_done(void *ctx, uint64_t user_data, int64_t ret)
{
	struct area *a = ctx;
	struct job *job = &a->run->jobs[user_data / STEPS_MAX];
	struct chain *chain = &a->chain[job->index];
	int64_t all[STEPS_MAX];

	chain->ret[user_data % STEPS_MAX] = ret;
	if (--chain->missing > 0)
		return;
	memcpy(all, chain->ret, sizeof(all)); /* the last of these begins the job anew */
	for (uint32_t i = 0; i < job->what->step_count; i++)
		run_step_done(a->run, job, all[i]);
}

static void hascall_engine_flush(struct run *run)
{
	struct area *a = run->state;

	hascall_kick(a->h);
}

static void wait_one(struct run *run)
{
	struct area *a = run->state;
	int64_t ret;
	int r = hascall_wait(a->h, a->ticket, -1, a->wait_flags, &ret);

	if (r < 0)
		die("hascall_wait: %s", strerror(-r));
	run_step_done(run, &run->jobs[0], ret);
}

static void hascall_engine_wait(struct run *run)
{
	struct area *a = run->state;
	int r;

	if (run->depth == 1 && !run_is_chained(run)) {
		wait_one(run);
		return;
	}
	r = hascall_wait_any(a->h, -1, a->wait_flags);
	if (r < 0)
		die("hascall_wait_any: %s", strerror(-r));
	hascall_reap(a->h, run_is_chained(run) ? chain_done : done, a);
}

static void hascall_engine_wait_all(struct run *run)
{
	struct area *a = run->state;
	int r = hascall_wait_all(a->h, HASCALL_ALL_GROUPS, -1, a->wait_flags);

	if (r < 0)
		die("hascall_wait_all: %s", strerror(-r));
	hascall_reap(a->h, done, a);
}

static void hascall_engine_close(struct run *run)
{
	struct area *a = run->state;

	hascall_close(a->h);
	free(a->chain);
	free(a);
}

#define OPERATIONS                                                           \
	.chains = true, .can = hascall_can, .submit = hascall_engine_submit, \
	.flush = hascall_engine_flush, .wait = hascall_engine_wait,          \
	.wait_all = hascall_engine_wait_all, .close = hascall_engine_close

const struct engine engine_hascall = {
	.name = "hascall",
	.open = hascall_engine_open,
	OPERATIONS,
};
const struct engine engine_hascall_no_help = {
	.name = "hascall, no help",
	.open = no_help_open,
	OPERATIONS,
};
const struct engine engine_hascall_polling = {
	.name = "hascall polling",
	.open = polling_open,
	OPERATIONS,
};

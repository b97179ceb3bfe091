/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CALLS_ENGINE_H
#define BENCH_CALLS_ENGINE_H
/*
 * engine.h - one way to have system calls done: operations that each peer
 * implements in a file of its own. Layer: bench.
 *
 * Order    submit a step (or a chain) of a job, flush or wait; while it waits the
 *          engine calls run_step_done(), which may submit again.
 * Limit    run->depth jobs are under way at a time.
 * Owner    run->state is the engine's, from open to close.
 * Thread   one: the one that measures.
 */
#include "bench/calls/job.h"

struct run;

struct engine {
	const char *name;
	const char *missing; /* why it is not in this build, or NULL */
	bool chains;	     /* takes all steps of a CASE_CHAIN job at once */
	bool (*can)(enum step step);
	void (*open)(struct run *run); /* ends the program on failure */
	void (*submit)(struct run *run, struct job *job);
	/* What was submitted is on its way without this thread. NULL: it is after submit. */
	void (*flush)(struct run *run);
	void (*wait)(struct run *run); /* flush; until at least one step is done */
	/* Until all jobs are done, of one step each, none of which begins anew. NULL: by wait. */
	void (*wait_all)(struct run *run);
	void (*close)(struct run *run);
};

struct run {
	const struct engine *engine;
	void *state;
	const struct bench_case *what;
	struct job *jobs;
	uint32_t depth;
	/* the measuring thread */
	bool again;  /* a completed job is submitted at once */
	bool verify; /* judge everything, not only results */
	uint32_t in_flight;
	uint64_t jobs_done;
	uint64_t wrong; /* results that were not what they must be */
	int64_t wrong_ret;
	const char *wrong_step;
};

extern const struct engine *const engines[];
extern const uint32_t engine_count;

/* Does the engine get all steps of this run's jobs at once? */
static inline bool run_is_chained(const struct run *run)
{
	return run->engine->chains && (run->what->flags & CASE_CHAIN);
}

/* Until no job is under way; none begins anew. */
void run_wait_all(struct run *run);

/* An engine tells that the current step of a job (of a chain: the next one) is done. */
void run_step_done(struct run *run, struct job *job, int64_t ret);

const char *step_name(uint32_t step);

#endif /* BENCH_CALLS_ENGINE_H */

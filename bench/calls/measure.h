/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CALLS_MEASURE_H
#define BENCH_CALLS_MEASURE_H
/*
 * measure.h - what is measured of a run, and how. Layer: bench.
 *
 * Limit    LAPS_MAX laps; a longer run stops taking them.
 * Thread   the measuring thread.
 *
 * Way down: measure_window -> run.engine->wait -> run_step_done.
 */
#include "bench/calls/engine.h"

#define LAP_NS 200000 /* at least, and at least `depth` jobs */
#define LAPS_MAX 100000u

struct figures {
	uint64_t jobs;
	double p10, p50, mean; /* ns a job; of laps */
	double first;	       /* ns a job of the first burst */
	double cpu;	  /* ns of all processors a job, the process's kernel threads included */
	double switches;  /* the caller's context switches a job: it waited, or was put aside */
	uint32_t threads; /* of the process, the caller and kernel threads included */
	double calls;	  /* system calls of the caller a job */
};

uint64_t now_ns(void);

/* `depth` jobs under way; each that is done begins at once anew; for about so long. */
void measure_window(struct run *run, uint64_t ns, struct figures *ret);

/* All jobs at once, until all are done, again and again. */
void measure_bursts(struct run *run, uint64_t ns, struct figures *ret);

/* All jobs at once, 200 us of computing, then wait for all: what a job costs the caller. */
void measure_offload(struct run *run, uint64_t ns, struct figures *ret);

/* How many system calls the caller makes. False: the kernel does not let us count. */
bool measure_calls(struct run *run, uint64_t jobs, struct figures *ret);

/* Round trip of a cache line between the first two processors, ns; < 0: there is one. */
double measure_round_trip(void);

#endif /* BENCH_CALLS_MEASURE_H */

/* SPDX-License-Identifier: MIT */
#include "bench/calls/measure.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define WARM_UP_NS 10000000u
#define BURSTS_MIN 3u
#define COMPUTE_NS 200000u
#define COMPUTE_LAPS 150u

struct laps {
	double *ns; /* a job */
	uint32_t count;
};

static uint64_t read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static void laps_open(struct laps *laps)
{
	laps->ns = calloc(LAPS_MAX, sizeof(*laps->ns));
	laps->count = 0;
	if (!laps->ns)
		die("no memory");
}

static void laps_add(struct laps *laps, double ns)
{
	if (laps->count < LAPS_MAX)
		laps->ns[laps->count++] = ns;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double percentile(struct laps *laps, double part)
{
	if (laps->count == 0)
		return 0;
	qsort(laps->ns, laps->count, sizeof(*laps->ns), compare);
	return laps->ns[(uint32_t)(part * (laps->count - 1) + 0.5)];
}

static uint32_t thread_count(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *entry;
	uint32_t count = 0;

	while (tasks && (entry = readdir(tasks)))
		count += entry->d_name[0] != '.';
	if (tasks)
		closedir(tasks);
	return count;
}

static double switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return (double)(usage.ru_nvcsw + usage.ru_nivcsw);
}

/* What a run has used so far; twice taken, the difference is of what lies between. */
struct used {
	uint64_t ns, cpu_ns, jobs;
	double switches;
};

static struct used used_now(const struct run *run)
{
	return (struct used){
		.ns = now_ns(),
		.cpu_ns = read_clock(CLOCK_PROCESS_CPUTIME_ID),
		.jobs = run->jobs_done,
		.switches = switches(),
	};
}

static void conclude(const struct run *run, const struct used *from, struct laps *laps,
		     struct figures *ret)
{
	struct used to = used_now(run);
	double jobs = (double)(to.jobs - from->jobs);

	ret->jobs = to.jobs - from->jobs;
	ret->mean = (double)(to.ns - from->ns) / jobs;
	ret->cpu = (double)(to.cpu_ns - from->cpu_ns) / jobs;
	ret->switches = (to.switches - from->switches) / jobs;
	ret->threads = thread_count();
	ret->first = laps->count > 0 ? laps->ns[0] : 0;
	ret->p10 = percentile(laps, 0.1);
	ret->p50 = percentile(laps, 0.5);
	free(laps->ns);
}

static void begin_all(struct run *run)
{
	run->in_flight = run->depth;
	for (uint32_t i = 0; i < run->depth; i++)
		run->engine->submit(run, &run->jobs[i]);
}

static void wait_for(struct run *run, uint64_t jobs)
{
	uint64_t end = run->jobs_done + jobs;

	while (run->jobs_done < end)
		run->engine->wait(run);
}

/* How many jobs between two looks at the clock, so that looking costs nearly nothing. */
static uint64_t warm_up(struct run *run)
{
	uint64_t from = now_ns(), ns;

	do {
		wait_for(run, 1);
		ns = now_ns() - from;
	} while (ns < WARM_UP_NS);
	return run->jobs_done * LAP_NS / 10 / ns + 1;
}

void measure_window(struct run *run, uint64_t ns, struct figures *ret)
{
	uint64_t stride, end, lap_from, lap_jobs, now;
	struct used from;
	struct laps laps;

	laps_open(&laps);
	run->again = true;
	begin_all(run);
	stride = warm_up(run);
	from = used_now(run);
	end = from.ns + ns;
	lap_from = from.ns;
	lap_jobs = run->jobs_done;
	do {
		wait_for(run, stride);
		now = now_ns();
		/* Jobs may go through their steps all together: a lap has all of them. */
		if (now - lap_from < LAP_NS || run->jobs_done - lap_jobs < run->depth)
			continue;
		laps_add(&laps, (double)(now - lap_from) / (double)(run->jobs_done - lap_jobs));
		lap_from = now;
		lap_jobs = run->jobs_done;
	} while (now < end || laps.count == 0);
	conclude(run, &from, &laps, ret);
	run->again = false;
	run_wait_all(run);
}

void measure_bursts(struct run *run, uint64_t ns, struct figures *ret)
{
	uint64_t end = now_ns() + ns, wall = 0, cpu = 0;
	struct used from = used_now(run);
	struct laps laps;

	laps_open(&laps);
	do {
		uint64_t began, cpu_began;

		if (run->what->flags & CASE_DIRTY)
			jobs_dirty(run->jobs, run->depth);
		cpu_began = read_clock(CLOCK_PROCESS_CPUTIME_ID);
		began = now_ns();
		begin_all(run);
		run_wait_all(run);
		laps_add(&laps, (double)(now_ns() - began) / run->depth);
		wall += now_ns() - began;
		cpu += read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu_began;
	} while (now_ns() < end || laps.count < BURSTS_MIN);
	conclude(run, &from, &laps, ret);
	/* The writing between the bursts does not count. */
	ret->mean = (double)wall / (double)ret->jobs;
	ret->cpu = (double)cpu / (double)ret->jobs;
}

/* Computing that touches no memory. */
static void compute(uint64_t turns)
{
	uint64_t x = 88172645463325252u;

	for (uint64_t i = 0; i < turns; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	__asm__ volatile("" : : "r"(x));
}

/* What so much computing takes while nothing else is done: the middle of some laps. */
static double compute_alone(uint64_t turns)
{
	struct laps laps;
	double middle;

	laps_open(&laps);
	for (uint32_t i = 0; i < COMPUTE_LAPS; i++) {
		uint64_t from = now_ns();

		compute(turns);
		laps_add(&laps, (double)(now_ns() - from));
	}
	middle = percentile(&laps, 0.5);
	free(laps.ns);
	return middle;
}

void measure_offload(struct run *run, uint64_t ns, struct figures *ret)
{
	uint64_t turns = 100000, end;
	double alone, after;
	struct used from;
	struct laps laps;

	turns = (uint64_t)((double)turns * COMPUTE_NS / compute_alone(turns));
	alone = compute_alone(turns);
	run->engine->open(run);
	laps_open(&laps);
	from = used_now(run);
	end = from.ns + ns;
	do {
		uint64_t began = now_ns();

		begin_all(run);
		if (run->engine->flush)
			run->engine->flush(run);
		compute(turns);
		run_wait_all(run);
		laps_add(&laps, (double)(now_ns() - began));
	} while (now_ns() < end);
	conclude(run, &from, &laps, ret);
	run->engine->close(run);
	/* Whatever disturbs computing makes it longer: the shorter one is nearer to the truth. */
	after = compute_alone(turns);
	alone = after < alone ? after : alone;
	ret->first = (ret->first - alone) / run->depth;
	ret->p10 = (ret->p10 - alone) / run->depth;
	ret->p50 = (ret->p50 - alone) / run->depth;
	ret->mean -= alone / run->depth;
	ret->cpu -= alone / run->depth;
}

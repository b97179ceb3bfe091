/* SPDX-License-Identifier: MIT */
/*
 * cell.c - one cell of the table: one engine, one case, one depth, in a process of
 * its own, so that no engine's threads disturb another. Prints one line of JSON.
 * bench/calls/run starts it for all cells, in rounds, and makes the table.
 *
 *     cell files, cell names                make what the cases need, in the current folder
 *     cell list                             engines and cases of this build
 *     cell pair                             round trip between two processors
 *     cell HOW ENGINE CASE DEPTH [MS]       HOW: window, bursts, offload, calls, check
 */
#include "bench/calls/measure.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MS_DEFAULT 60u
#define NICE_BEST (-20)
#define COUNTED_JOBS 10000u
#define CHECKED_JOBS 100u
#define DESCRIPTORS_OF_ENGINES 8 /* opened at the first call */

enum how { HOW_WINDOW, HOW_BURSTS, HOW_OFFLOAD, HOW_CALLS, HOW_CHECK, HOW_NR };
static const char *const how_name[HOW_NR] = { "window", "bursts", "offload", "calls", "check" };

static int usage(void)
{
	fputs("usage: cell files|names|list|pair\n"
	      "       cell window|bursts|offload|calls|check ENGINE CASE DEPTH [MS]\n",
	      stderr);
	return 2;
}

static bool can_all(const struct engine *engine, const struct bench_case *what)
{
	for (uint32_t i = 0; i < what->step_count; i++)
		if (!engine->can(what->step[i]))
			return false;
	return true;
}

static void list_engine(const struct engine *engine)
{
	const char *comma = "";

	printf("{\"name\": \"%s\", ", engine->name);
	if (engine->missing) {
		printf("\"missing\": \"%s\", \"cases\": []}", engine->missing);
		return;
	}
	printf("\"cases\": [");
	for (uint32_t i = 0; i < bench_case_count; i++) {
		if (!can_all(engine, &bench_cases[i]))
			continue;
		printf("%s\"%s\"", comma, bench_cases[i].name);
		comma = ", ";
	}
	printf("]}");
}

static void list(void)
{
	puts("{\"engines\": [");
	for (uint32_t i = 0; i < engine_count; i++) {
		list_engine(engines[i]);
		puts(i + 1 < engine_count ? "," : "],");
	}
	printf("\"cases\": [");
	for (uint32_t i = 0; i < bench_case_count; i++)
		printf("%s\"%s\"", i > 0 ? ", " : "", bench_cases[i].name);
	puts("]}");
}

static const struct engine *engine_find(const char *name)
{
	for (uint32_t i = 0; i < engine_count; i++)
		if (strcmp(engines[i]->name, name) == 0)
			return engines[i];
	return NULL;
}

static int lowest_free_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

/* Every result judged, for some jobs; what was opened must have been closed. */
static void check(struct run *run, struct figures *ret)
{
	uint64_t jobs = run->depth * 2 > CHECKED_JOBS ? run->depth * 2 : CHECKED_JOBS;
	int descriptor = lowest_free_descriptor();

	run->verify = true;
	run->again = true;
	run->in_flight = run->depth;
	for (uint32_t i = 0; i < run->depth; i++) {
		job_wipe(&run->jobs[i]);
		run->engine->submit(run, &run->jobs[i]);
	}
	while (run->jobs_done < jobs)
		run->engine->wait(run);
	run->again = false;
	run_wait_all(run);
	ret->jobs = run->jobs_done;
	if (lowest_free_descriptor() > descriptor + DESCRIPTORS_OF_ENGINES)
		die("descriptors were left open");
}

static int measure(struct run *run, enum how how, uint64_t ns)
{
	struct figures f = { 0 };
	bool counted = true;

	run->jobs = jobs_open(run->what, run->depth);
	if (how != HOW_OFFLOAD)
		run->engine->open(run);
	if (how == HOW_WINDOW)
		measure_window(run, ns, &f);
	else if (how == HOW_BURSTS)
		measure_bursts(run, ns, &f);
	else if (how == HOW_OFFLOAD)
		measure_offload(run, ns, &f);
	else if (how == HOW_CALLS)
		counted = measure_calls(run, COUNTED_JOBS, &f);
	else
		check(run, &f);
	if (how != HOW_OFFLOAD)
		run->engine->close(run);
	jobs_close(run->jobs, run->depth);
	if (!counted)
		die("the kernel does not let us count system calls");
	if (run->wrong > 0)
		die("%llu of %llu results are wrong; the last: %s gave %lld",
		    (unsigned long long)run->wrong, (unsigned long long)f.jobs, run->wrong_step,
		    (long long)run->wrong_ret);
	printf("{\"jobs\": %llu, \"p10\": %.1f, \"p50\": %.1f, \"mean\": %.1f, \"first\": %.1f, "
	       "\"cpu\": %.1f, \"threads\": %u, \"switches\": %.4f, \"calls\": %.4f}\n",
	       (unsigned long long)f.jobs, f.p10, f.p50, f.mean, f.first, f.cpu, f.threads,
	       f.switches, f.calls);
	return 0;
}

/*
 * Before all others, if we may: whatever else this machine does would be measured
 * too. Sessions share the processors evenly, so a session needs it as well.
 */
static void come_first(void)
{
	int fd;

	setpriority(PRIO_PROCESS, 0, NICE_BEST);
	if (setsid() < 0)
		return;
	fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (dprintf(fd, "%d", NICE_BEST) < 0)
		fputs("cell: its session does not come first\n", stderr);
	close(fd);
}

static void pair(void)
{
	come_first();
	printf("%.0f\n", measure_round_trip());
}

/* The words that stand alone. False: it is none of them. */
static bool run_word(const char *word)
{
	if (strcmp(word, "files") == 0)
		files_make();
	else if (strcmp(word, "names") == 0)
		names_make();
	else if (strcmp(word, "list") == 0)
		list();
	else if (strcmp(word, "pair") == 0)
		pair();
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct run run = { 0 };
	uint64_t ms = argc == 6 ? strtoul(argv[5], NULL, 10) : MS_DEFAULT;
	uint32_t how = 0;

	if (argc == 2 && run_word(argv[1]))
		return 0;
	if (argc != 5 && argc != 6)
		return usage();
	while (how < HOW_NR && strcmp(argv[1], how_name[how]) != 0)
		how++;
	run.engine = engine_find(argv[2]);
	run.what = case_find(argv[3]);
	run.depth = (uint32_t)strtoul(argv[4], NULL, 10);
	if (how == HOW_NR || !run.engine || !run.what || run.depth == 0 || run.depth > JOBS_MAX)
		return usage();
	if (run.engine->missing || !can_all(run.engine, run.what))
		die("%s cannot do %s: %s", run.engine->name, run.what->name,
		    run.engine->missing ? run.engine->missing : "it has no such call");
	come_first();
	return measure(&run, (enum how)how, ms * 1000000);
}

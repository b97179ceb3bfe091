/* SPDX-License-Identifier: MIT */
#ifndef BENCH_CALLS_JOB_H
#define BENCH_CALLS_JOB_H
/*
 * job.h - what is measured: cases, made of steps, each step one system call.
 * Layer: bench.
 *
 * Order    the steps of a job follow each other; jobs are independent.
 * Limit    JOBS_MAX jobs at a time, each with files of its own, so that no two
 *          calls meet at one file.
 * Owner    jobs_open() makes buffers and descriptors, jobs_close() ends them.
 * Thread   the measuring thread; engines touch only a job's buffer elsewhere.
 */
#include "base/cc.h"

#include <stdint.h>

#define JOBS_MAX 1024u
#define STEPS_MAX 3u
#define READ_SIZE 4096u
#define SLEEP_NS 1000000

enum step {
	STEP_GETPPID,
	STEP_STATX,
	STEP_PREAD,
	STEP_OPEN, /* its result becomes the job's descriptor */
	STEP_CLOSE,
	STEP_GETDENTS,
	STEP_FSYNC,
	STEP_MKDIR,
	STEP_RMDIR,
	STEP_RENAME,
	STEP_LINK,
	STEP_UNLINK,
	STEP_SLEEP,
	STEP_NR,
};

enum case_flags {
	CASE_CHAIN = 1u << 0, /* engines that can take all steps at once do so */
	CASE_DIRTY = 1u << 1, /* each job's file is written to before */
	CASE_NAMES = 1u << 2, /* each job has a folder of its own */
};

struct bench_case {
	const char *name;
	enum step step[STEPS_MAX];
	uint32_t step_count;
	uint32_t flags;
};

struct job {
	/* constant after jobs_open() */
	const struct bench_case *what;
	uint32_t index;
	char *buffer; /* READ_SIZE bytes */
	void *engine; /* the engine's own */
	/* measuring thread */
	uint32_t step;
	int fd;
	const char *path, *new_path; /* a rename swaps them */
	char name[2][24];
};

extern const struct bench_case bench_cases[];
extern const uint32_t bench_case_count;

const struct bench_case *case_find(const char *name); /* NULL: there is none */

/* Of enum step: as a number, since most of who looks knows some of them only. */
static inline uint32_t job_step(const struct job *job)
{
	return job->what->step[job->step];
}

/* In the current folder, once: the files of all cases but CASE_NAMES; those of CASE_NAMES. */
void files_make(void);
void names_make(void);

/* `count` jobs of a case, ready for their first step. Ends the program on failure. */
struct job *jobs_open(const struct bench_case *what, uint32_t count);
void jobs_close(struct job *jobs, uint32_t count);

/* Write to the files of these jobs, so that fsync has something to do. */
void jobs_dirty(struct job *jobs, uint32_t count);

/* Before a step whose result will be judged by job_check(): wipe what it is to write. */
void job_wipe(struct job *job);

/* Is this what the step must give? Only the result; for use while the clock runs. */
bool job_plausible(const struct job *job, int64_t ret);

/* Is this what the step must give, in memory and on disk? After job_wipe(). */
bool job_check(const struct job *job, int64_t ret);

/* Take the result of a step in. True: the job is complete and begins anew. */
bool job_advance(struct job *job, int64_t ret);

/* The same call as the kernel takes it. */
uint32_t job_number(const struct job *job);
void job_arguments(const struct job *job, uint64_t ret_arg[6]);

/* One step by the C library, in this thread: result or -errno. */
int64_t job_call(const struct job *job);

_Noreturn void die(const char *format, ...) PRINTF_LIKE(1, 2);

#endif /* BENCH_CALLS_JOB_H */

/* SPDX-License-Identifier: MIT */
#include "bench/calls/engine.h"
#include "bench/calls/engines.h"

const struct engine *const engines[] = {
	&engine_sync,	      &engine_libuv,	       &engine_libeio,
	&engine_aio,	      &engine_io_uring,	       &engine_sqpoll,
	&engine_hascall,      &engine_hascall_no_help, &engine_hascall_polling,
	&engine_sync_threads,
};
const uint32_t engine_count = ARRAY_COUNT(engines);

const char *step_name(uint32_t step)
{
	static const char *const name[STEP_NR] = {
		[STEP_GETPPID] = "getppid", [STEP_STATX] = "statx", [STEP_PREAD] = "pread",
		[STEP_OPEN] = "open",	    [STEP_CLOSE] = "close", [STEP_GETDENTS] = "getdents64",
		[STEP_FSYNC] = "fsync",	    [STEP_MKDIR] = "mkdir", [STEP_RMDIR] = "rmdir",
		[STEP_RENAME] = "rename",   [STEP_LINK] = "link",   [STEP_UNLINK] = "unlink",
		[STEP_SLEEP] = "sleep",
	};

	return name[step];
}

static void judge(struct run *run, struct job *job, int64_t ret)
{
	if (run->verify ? job_check(job, ret) : job_plausible(job, ret))
		return;
	run->wrong++;
	run->wrong_ret = ret;
	run->wrong_step = step_name(job_step(job));
}

void run_step_done(struct run *run, struct job *job, int64_t ret)
{
	judge(run, job, ret);
	if (!job_advance(job, ret)) {
		if (!run_is_chained(run))
			run->engine->submit(run, job);
		return;
	}
	run->jobs_done++;
	if (run->verify)
		job_wipe(job);
	if (run->again)
		run->engine->submit(run, job);
	else
		run->in_flight--;
}

void run_wait_all(struct run *run)
{
	if (run->engine->wait_all && run->what->step_count == 1)
		run->engine->wait_all(run);
	while (run->in_flight > 0)
		run->engine->wait(run);
}

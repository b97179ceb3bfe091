#ifndef TEST_TASK_TASK_TEST_H
#define TEST_TASK_TASK_TEST_H
/*
 * task_test.h - a scheduler for one test, and a look at what its tasks did.
 * Layer: test.
 *
 *	begin_world();			virtual clock, tasks in turn, trace on
 *	task_start(...);
 *	CHECK_INT(sched_run_until_idle(), 0);
 *	EXPECT_TRACE("a did this\n");	the lines since the last EXPECT_TRACE
 *	end_world();			the census: no task is left
 */
#include "task/sched.h"
#include "task/task.h"
#include "task/trace.h"
#include "test/harness.h"

#define SEEDS 20u
#define SAY(...) TRACE(TRACE_USER, __VA_ARGS__)

void begin_world(void); /* traces ports and what tests SAY */
void begin_seeded_world(uint64_t seed);
void begin_world_with(const struct sched_options *options, const struct sched_hooks *hooks);
void end_world(void);

/* Start a task that must start. */
struct task *spawn(const char *name, task_fn *fn, void *arg);

void expect_trace(const char *file, int line, const char *wanted);
#define EXPECT_TRACE(wanted) expect_trace(__FILE__, __LINE__, wanted)
/* The trace since the last look, up to 64 KiB; valid until the next call. */
const char *seen_trace(void);

#endif /* TEST_TASK_TASK_TEST_H */

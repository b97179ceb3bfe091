#include "test/task/task_test.h"

#include <string.h>

#define TRACE_SIZE ((size_t)64 * 1024)

void begin_world_with(const struct sched_options *options, const struct sched_hooks *hooks)
{
	CHECK_INT(sched_init(options, hooks), 0);
	CHECK_INT(trace_start(TRACE_PORT | TRACE_LOCK | TRACE_USER, TRACE_SIZE), 0);
}

void begin_world(void)
{
	begin_world_with(&(struct sched_options){ .virtual_clock = true }, NULL);
}

void begin_seeded_world(uint64_t seed)
{
	begin_world_with(
		&(struct sched_options){ .virtual_clock = true, .seeded = true, .seed = seed },
		NULL);
}

void end_world(void)
{
	CHECK_INT(task_count(), 0);
	trace_stop();
	sched_fini();
}

struct task *spawn(const char *name, task_fn *fn, void *arg)
{
	struct task *t;

	CHECK_INT(task_start(&t, name, fn, arg), 0);
	return t;
}

const char *seen_trace(void)
{
	static char text[TRACE_SIZE + 1];

	trace_take(text, sizeof(text));
	return text;
}

void expect_trace(const char *file, int line, const char *wanted)
{
	const char *seen = seen_trace();

	if (strcmp(seen, wanted) != 0)
		test_fail(file, line, "trace is\n%s\nwanted\n%s", seen, wanted);
}

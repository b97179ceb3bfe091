#ifndef TEST_DEVICE_DEVICE_TEST_H
#define TEST_DEVICE_DEVICE_TEST_H
/*
 * device_test.h - a scheduler whose idle hook sleeps until a host call has come back.
 * Layer: test.
 *
 *	begin_device(NULL);
 *	run_task(fn, arg);	run fn as a task, and everything it started, to the end
 *	end_device();		the census: no task, no call, nothing watched
 */
#include "device/host.h"
#include "task/sched.h"
#include "task/task.h"
#include "task/trace.h"
#include "test/harness.h"

#define SEEDS 20u
#define MILLISECOND_NS UINT64_C(1000000)
#define SAY(...) TRACE(TRACE_USER, __VA_ARGS__)

/* options NULL: all defaults. notify is set here. */
void begin_device(const struct host_options *options);
void begin_seeded_device(uint64_t seed);
void end_device(void);

struct task *spawn(const char *name, task_fn *fn, void *arg);
void run_all(void); /* until no task is left */
void run_task(task_fn *fn, void *arg);
void sleep_ms(unsigned int ms) MAY_YIELD;

unsigned int threads(void); /* of this process */
unsigned int replies(void); /* of the host that have come, taken or not */
/* The trace since the last look; valid until the next call. */
const char *seen_trace(void);
unsigned int count_in(const char *text, const char *part);

#endif /* TEST_DEVICE_DEVICE_TEST_H */

#include "test/device/device_test.h"

#include <dirent.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TRACE_SIZE ((size_t)64 * 1024)
#define SECOND_NS 1000000000u

static uint32_t bell; /* counts replies; the idle hook sleeps on it */
static uint32_t heard;

static void ring(void *ctx)
{
	CHECK(ctx == &bell);
	__atomic_fetch_add(&bell, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool poll_device(void *ctx)
{
	(void)ctx;
	heard = __atomic_load_n(&bell, __ATOMIC_ACQUIRE);
	return host_poll();
}

static void idle(void *ctx, uint64_t deadline_ns)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	struct timespec t = { .tv_sec = (time_t)(left_ns / SECOND_NS),
			      .tv_nsec = (long)(left_ns % SECOND_NS) };

	(void)ctx;
	syscall(SYS_futex, &bell, FUTEX_WAIT_PRIVATE, heard,
		deadline_ns == TASK_FOREVER ? NULL : &t, NULL, 0);
}

static void begin(const struct sched_options *sched_options, const struct host_options *options)
{
	const struct sched_hooks hooks = { .poll = poll_device, .idle = idle };
	struct host_options own = options ? *options : (struct host_options){ 0 };

	own.notify = ring;
	own.notify_ctx = &bell;
	CHECK_INT(sched_init(sched_options, &hooks), 0);
	CHECK_INT(trace_start(TRACE_DEVICE | TRACE_USER, TRACE_SIZE), 0);
	CHECK_INT(host_init(&own), 0);
}

void begin_device(const struct host_options *options)
{
	begin(&(struct sched_options){ .virtual_clock = false }, options);
}

void begin_seeded_device(uint64_t seed)
{
	begin(&(struct sched_options){ .seeded = true, .seed = seed }, NULL);
}

void end_device(void)
{
	CHECK_INT(task_count(), 0);
	CHECK_INT(host_calls_in_flight(), 0);
	host_fini();
	trace_stop();
	sched_fini();
}

struct task *spawn(const char *name, task_fn *fn, void *arg)
{
	struct task *t;

	CHECK_INT(task_start(&t, name, fn, arg), 0);
	return t;
}

static void stop_after_the_others(void *arg) MAY_YIELD;
static void stop_after_the_others(void *arg)
{
	(void)arg;
	while (task_count() > 1)
		sleep_ms(1);
	sched_stop();
}

void run_all(void)
{
	spawn("stop", stop_after_the_others, NULL);
	sched_run();
}

void run_task(task_fn *fn, void *arg)
{
	spawn("test", fn, arg);
	run_all();
}

void sleep_ms(unsigned int ms)
{
	CHECK_INT(task_sleep_until(clock_now_ns() + ms * MILLISECOND_NS), 0);
}

unsigned int threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	unsigned int count = 0;

	CHECK(dir != NULL);
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

unsigned int replies(void)
{
	return __atomic_load_n(&bell, __ATOMIC_ACQUIRE);
}

const char *seen_trace(void)
{
	static char text[TRACE_SIZE + 1];

	trace_take(text, sizeof(text));
	return text;
}

unsigned int count_in(const char *text, const char *part)
{
	unsigned int count = 0;

	for (text = strstr(text, part); text; text = strstr(text + 1, part))
		count++;
	return count;
}

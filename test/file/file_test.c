/* SPDX-License-Identifier: MIT */
#include "test/file/file_test.h"

#include "device/host.h"
#include "file/socket.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define TRACE_SIZE ((size_t)64 * 1024)

struct vfs test_view;
struct file_caller test_caller;
unsigned int test_sigpipe_count;

static struct vfs_cred cred = { .privileged = true };

static void count_sigpipe(void)
{
	test_sigpipe_count++;
}

static void tell_caller(struct file_caller *ret)
{
	*ret = test_caller;
}

static void begin_world(void)
{
	static const struct file_hooks hooks = { .sigpipe = count_sigpipe, .caller = tell_caller };
	struct inode *root;

	CHECK_INT(mem_fs_new("tmpfs", 0, 0755, &root), 0);
	CHECK_INT(vfs_root(root, "test", &test_view.root), 0);
	test_view.cwd = test_view.root;
	test_view.cred = &cred;
	test_view.umask = 022;
	test_caller = (struct file_caller){ .pid = 100, .uid = 1000, .gid = 1000 };
	test_sigpipe_count = 0;
	file_set_hooks(&hooks);
	CHECK_INT(file_count(), 0);
}

static void end_world(void)
{
	CHECK_INT(file_count(), 0);
	CHECK_INT(socket_in_flight(), 0);
	dentry_put(test_view.root);
	file_fini();
	vfs_fini();
}

void begin_files(void)
{
	CHECK_INT(sched_init(&(struct sched_options){ .virtual_clock = true }, NULL), 0);
	CHECK_INT(trace_start(TRACE_USER, TRACE_SIZE), 0);
	begin_world();
}

void end_files(void)
{
	CHECK_INT(task_count(), 0);
	end_world();
	trace_stop();
	sched_fini();
}

/* An executor rings the bell, and the idle scheduler sleeps on it. */
static int bell = -1;

static void ring(void *ctx)
{
	ssize_t written = write(*(int *)ctx, &(uint64_t){ 1 }, sizeof(uint64_t));

	CHECK_INT(written, sizeof(uint64_t));
}

static bool poll_device(void *ctx)
{
	(void)ctx;
	return host_poll();
}

static void idle(void *ctx, uint64_t deadline_ns)
{
	uint64_t now_ns = clock_now_ns(), count;
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	struct pollfd p = { .fd = *(int *)ctx, .events = POLLIN };
	struct timespec t = { .tv_sec = (time_t)(left_ns / 1000000000u),
			      .tv_nsec = (long)(left_ns % 1000000000u) };

	if (ppoll(&p, 1, deadline_ns == TASK_FOREVER ? NULL : &t, NULL) > 0)
		CHECK_INT(read(bell, &count, sizeof(count)), sizeof(count));
}

void begin_host_files(void)
{
	const struct sched_hooks hooks = { .poll = poll_device, .idle = idle, .ctx = &bell };
	const struct host_options options = { .notify = ring, .notify_ctx = &bell };

	bell = eventfd(0, EFD_CLOEXEC);
	CHECK(bell >= 0);
	CHECK_INT(sched_init(&(struct sched_options){ .virtual_clock = false }, &hooks), 0);
	CHECK_INT(trace_start(TRACE_USER, TRACE_SIZE), 0);
	CHECK_INT(host_init(&options), 0);
	begin_world();
}

void end_host_files(void)
{
	CHECK_INT(task_count(), 0);
	CHECK_INT(host_calls_in_flight(), 0);
	end_world();
	host_fini();
	trace_stop();
	sched_fini();
	close(bell);
}

static void stop_after_the_others(void *arg) MAY_YIELD;
static void stop_after_the_others(void *arg)
{
	(void)arg;
	while (task_count() > 1)
		sleep_ms(1);
	sched_stop();
}

void run_device(task_fn *fn)
{
	spawn("test", fn, NULL);
	spawn("stop", stop_after_the_others, NULL);
	sched_run();
}

void sleep_ms(unsigned int ms)
{
	CHECK_INT(task_sleep_until(clock_now_ns() + ms * MILLISECOND_NS), 0);
}

struct task *spawn(const char *name, task_fn *fn, void *arg)
{
	struct task *t;

	CHECK_INT(task_start(&t, name, fn, arg), 0);
	return t;
}

void run_task(task_fn *fn, void *arg)
{
	spawn("test", fn, arg);
	CHECK_INT(sched_run_until_idle(), 0);
}

void let_others_run(void)
{
	for (unsigned int i = 0; i < 8; i++)
		task_yield();
}

int try_open(const char *path, int flags, struct file **ret)
{
	struct vfs_open how = { .flags = flags, .mode = 0644 };
	struct dentry *d;
	int r = vfs_open(&test_view, NULL, path, &how, &d);

	if (r < 0)
		return r;
	r = file_open(d, flags, ret);
	dentry_put(d);
	return r;
}

struct file *open_path(const char *path, int flags)
{
	struct file *f;

	CHECK_INT(try_open(path, flags, &f), 0);
	return f;
}

void expect_trace(const char *file, int line, const char *wanted)
{
	static char seen[TRACE_SIZE + 1];

	trace_take(seen, sizeof(seen));
	if (strcmp(seen, wanted) != 0)
		test_fail(file, line, "trace is\n%s\nwanted\n%s", seen, wanted);
}

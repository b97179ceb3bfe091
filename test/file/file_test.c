/* SPDX-License-Identifier: MIT */
#include "test/file/file_test.h"

#include "file/socket.h"

#include <string.h>

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

void begin_file_world(void)
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

void end_file_world(void)
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
	begin_file_world();
}

void end_files(void)
{
	CHECK_INT(task_count(), 0);
	end_file_world();
	trace_stop();
	sched_fini();
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

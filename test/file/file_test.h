/* SPDX-License-Identifier: MIT */
#ifndef TEST_FILE_FILE_TEST_H
#define TEST_FILE_FILE_TEST_H
/*
 * file_test.h - a world for files: tasks on a virtual clock, a file system in memory,
 * hooks that count. Layer: test.
 *
 *	begin_files();
 *	spawn("a", fn, arg);
 *	CHECK_INT(sched_run_until_idle(), 0);
 *	EXPECT_TRACE("a did this\n");
 *	end_files();			the census: no task, no file, no inode is left
 */
#include "file/file.h"
#include "task/sched.h"
#include "task/task.h"
#include "task/trace.h"
#include "test/harness.h"

#include <errno.h>
#include <fcntl.h>

#define SAY(...) TRACE(TRACE_USER, __VA_ARGS__)
#define MILLISECOND_NS UINT64_C(1000000)

extern struct vfs test_view;		/* root of the memory file system, as root */
extern struct file_caller test_caller;	/* who calls, says the hook */
extern unsigned int test_sigpipe_count; /* since begin_files() */

void begin_files(void);
void end_files(void);
/* The same on the real clock, with the host as a device: for what waits for the host. */
void begin_host_files(void);
void end_host_files(void);

struct task *spawn(const char *name, task_fn *fn, void *arg);
/* Run fn as a task, and all it starts, to the end. */
void run_task(task_fn *fn, void *arg);
/* The same between begin_host_files() and end_host_files(). */
void run_device(task_fn *fn);
void sleep_ms(unsigned int ms) MAY_YIELD;
/* As many other tasks as there are get their turn. */
void let_others_run(void) MAY_YIELD;

/* vfs_open and file_open, both of which must succeed. */
struct file *open_path(const char *path, int flags) MAY_YIELD;
/* The same, giving what failed. */
int try_open(const char *path, int flags, struct file **ret) MAY_YIELD;

void expect_trace(const char *file, int line, const char *wanted);
#define EXPECT_TRACE(wanted) expect_trace(__FILE__, __LINE__, wanted)

#endif /* TEST_FILE_FILE_TEST_H */

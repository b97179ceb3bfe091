/* SPDX-License-Identifier: MIT */
#ifndef TEST_PROC_PROC_TEST_H
#define TEST_PROC_PROC_TEST_H
/*
 * proc_test.h - processes without a host: what would be sent to host processes is
 * written down as text. Layer: test.
 *
 *	begin_processes();
 *	p = first_process(100);
 *	c = child_of(p, 101);
 *	EXPECT_SENT("17 to 100: code 1 of 101 status 3\n");
 *	end_processes();	ends and reaps all; the census: nothing is left
 */
#include "proc/proc.h"
#include "task/sched.h"
#include "test/harness.h"

#include <errno.h>
#include <sys/wait.h>

void begin_processes(void);
void begin_processes_limited(uint32_t process_limit, uint32_t thread_limit); /* 0: default */
void end_processes(void);

struct process *first_process(int32_t pid);
struct process *child_of(struct process *parent, int32_t pid);
/* exit_group with a status; then the host process ends too. */
void ends(struct process *p, int status);
/* The host process is killed by a signal, without a word to the manager. */
void dies(struct process *p, int sig);
/* exit_group alone: the host process lingers. */
void says_exit(struct process *p, int status);
void host_ends(int32_t pid);

/* What was sent since the last look. */
void expect_sent(const char *file, int line, const char *wanted);
#define EXPECT_SENT(wanted) expect_sent(__FILE__, __LINE__, wanted)

/* Run fn as a task of its own, serving the process's first thread, until all wait. */
void run_as(struct process *p, task_fn *fn, void *arg);
/* wait for anything, without waiting: pid, 0, -ECHILD. */
int32_t wait_now(struct process *p, uint32_t options, struct wait_result *ret);

extern unsigned int test_reaped; /* host processes given back */

#endif /* TEST_PROC_PROC_TEST_H */

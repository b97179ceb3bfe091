/* SPDX-License-Identifier: MIT */
/*
 * bench_front.c - what one served call costs the manager, in ns: the client's half is
 * played in the same thread, so there is no other processor, no sleep and no spinning.
 *
 *	umask	the way through entry, port, server task and table alone
 *	read	the same, and 8 bytes of an eventfd that is a semaphore and never empty
 *	idle	a look at the hints of so many clients that have nothing to say
 */
#include "call/call.h"
#include "front/inside.h"
#include "slot/slot.h"
#include "task/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 15u
#define CALLS 50000u

static struct process *process;
static unsigned int calls_left;
static uint32_t call_number;
static uint64_t call_arg[6];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_front: %s failed\n", what);
	exit(1);
}

/* The client: takes its reply and posts the next call, whenever the manager looks. */
static bool poll_with_client(void *ctx)
{
	struct syscall_info *e = client_entry(process->client, 0);
	uint32_t flags;
	int64_t ret;

	if (slot_state(e) == SYSCALL_COMPLETED)
		must(slot_take(e, &ret, &flags) == 0 && ret >= 0, "call");
	if (slot_state(e) == SYSCALL_NONE) {
		if (calls_left == 0) {
			sched_stop();
			return true;
		}
		calls_left--;
		must(slot_post(e, call_number, call_arg) == 0, "post");
		area_mark_posted(&client_control(process->client)->hint, 0);
	}
	return shm_poll(ctx);
}

static double time_calls(uint32_t number, uint64_t a0, uint64_t a1, uint64_t a2)
{
	double best = 1e9;

	call_number = number;
	call_arg[0] = a0;
	call_arg[1] = a1;
	call_arg[2] = a2;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t from = now_ns();
		double ns;

		calls_left = CALLS;
		sched_run();
		ns = (double)(now_ns() - from) / CALLS;
		best = ns < best ? ns : best;
	}
	return best;
}

static double time_looks(unsigned int clients)
{
	double best = 1e9;

	for (unsigned int i = 1; i < clients; i++) {
		struct client *c;

		must(area_client_new(&c) == 0, "area");
		c->served = true;
	}
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t from = now_ns();
		double ns;

		for (unsigned int k = 0; k < 1000; k++)
			(void)shm_poll(NULL);
		ns = (double)(now_ns() - from) / 1000;
		best = ns < best ? ns : best;
	}
	return best;
}

static int ignore_signal(struct process *p, const siginfo_t *info)
{
	(void)p;
	(void)info;
	return 0;
}

static void begin(void)
{
	static struct proc_host host;
	const struct sched_hooks hooks = { .poll = poll_with_client, .idle = shm_idle };
	struct inode *inode;
	int server_fd, bell_fd;

	front_options = (struct front_options){ .servers = 8, .servers_max = 64, .spin_ns = 1000 };
	must(shm_init(&server_fd, &bell_fd) == 0, "pages");
	must(sched_init(&(struct sched_options){ 0 }, &hooks) == 0, "scheduler");
	host = host_process_ops;
	host.signal = ignore_signal;
	proc_init(&(struct proc_options){ 0 }, &host);
	must(process_first(&process) == 0, "process");
	must(mem_fs_new("tmpfs", 0, 0755, &inode) == 0, "file system");
	must(vfs_root(inode, "bench", &process->view.root) == 0, "root");
	process->view.cwd = dentry_get(process->view.root);
	must(fd_table_new(&process->fds) == 0, "descriptors");
	must(serve_init() == 0, "servers");
	process_started(process, getpid(), -1);
}

int main(void)
{
	begin();
	printf("%-32s %8.0f ns\n", "umask", time_calls(SYS_umask, 022, 0, 0));
	call_number = SYS_eventfd2;
	call_arg[0] = 0x7fffffff;
	call_arg[1] = EFD_SEMAPHORE;
	calls_left = 1;
	sched_run();
	printf("%-32s %8.0f ns\n", "read 8 bytes of an eventfd", time_calls(SYS_read, 0, 0, 8));
	printf("%-32s %8.0f ns\n", "a look at 1 idle client", time_looks(1));
	printf("%-32s %8.0f ns\n", "a look at 100 idle clients", time_looks(100));
	return 0;
}

/* SPDX-License-Identifier: MIT */
#ifndef FRONT_MANAGER_H
#define FRONT_MANAGER_H
/*
 * manager.h - the whole POSIX manager: built, run until the first program has ended,
 * and taken down. Layer: front.
 *
 *	manager_start(&options, &launch);
 *	launch_start(... launch.area_fd ...) -> pid	(run/launch.h)
 *	manager_attach(pid);
 *	manager_run(&status);
 *
 * Order    when the first program has ended, what is left is killed (SIGKILL).
 * Owner    options are borrowed until manager_run() returns. The descriptors in struct
 *          manager_launch are the manager's; manager_attach() closes them.
 * Thread   one manager a process, used by one thread; manager_forward_signal() by any, and
 *          by signal handlers. SIGCHLD belongs to the manager meanwhile.
 *
 * Way down: manager_run -> sched_run -> shm_poll -> serve_queue -> call_serve.
 */
#include "base/cc.h"

#include <stdint.h>
#include <sys/types.h>

enum manager_image_use {
	MANAGER_IMAGE_AUTO,  /* a layer if it is one or is empty, else the root */
	MANAGER_IMAGE_LAYER, /* changes above the host's tree */
	MANAGER_IMAGE_ROOT,  /* the whole tree */
};

struct manager_options {
	int root_fd;	  /* the host directory that becomes "/", or -1: the host's own */
	const char *path; /* program; NULL: argv[0], looked up in PATH inside */
	char *const *argv, *const *envp;
	const char *cwd;   /* inside; NULL or not there: "/" */
	uint32_t uid, gid; /* of the first process */
	const uint32_t *groups;
	uint32_t group_count;
	uint32_t umask;
	bool strace;
	uint32_t process_limit;	   /* 0: a default */
	uint64_t descriptor_limit; /* 0: a default */
	uint64_t memory_limit;	   /* bytes of changed files; 0: a default */
	const char *image; /* a file with an ext4 file system; NULL: changes are in memory */
	enum manager_image_use image_use;
	bool image_read_only; /* MANAGER_IMAGE_ROOT only */
	uint64_t cache_limit; /* bytes of blocks kept in memory; 0: a default */
	uint64_t spin_ns;     /* MANAGER_SPIN_DEFAULT: a default */
	/* Tasks kept for calls; 0: a default; MANAGER_SERVERS_PER_CALL: one a call. */
	unsigned int servers;
	/* Tasks for calls at all; 0: as many as threads. With fewer, calls may wait. */
	unsigned int servers_max;
	uint32_t threads_max; /* in all programs, each may wait in a call; 0: a default */
	/* A program file that is shown as MANAGER_INIT_PATH; NULL: none. */
	const void *init_data;
	size_t init_size;
	bool keep_strangers; /* leave children alone that are no process inside (tests) */
};
#define MANAGER_SPIN_DEFAULT UINT64_MAX
#define MANAGER_SERVERS_PER_CALL UINT32_MAX
#define MANAGER_INIT_PATH "/dev/.hascall-init"

/* For the launcher. */
struct manager_launch {
	int area_fd, socket_fd, server_fd, bell_fd;
};

/* Build everything. 0, or -errno with a line on standard error. */
MUST_USE int manager_start(const struct manager_options *options, struct manager_launch *ret);
/* The first process's host process is this child of ours. 0 or -errno. */
MUST_USE int manager_attach(pid_t pid);
/*
 * Until the first program has ended and all is gone. Exit status; 128 + signal if it was
 * killed. 0, or -errno if changes of the image may be lost (said on standard error).
 */
MUST_USE int manager_run(int *ret_exit_status);
/* To the group in front of the terminal (SIGINT, SIGTERM, SIGWINCH ...). */
void manager_forward_signal(int sig);
/* To the first process. */
void manager_signal_first(int sig);

#endif /* FRONT_MANAGER_H */

#ifndef RUN_LAUNCH_H
#define RUN_LAUNCH_H
/*
 * launch.h - make the first program process: an address space with nothing but the
 * shim, an area and the filter. Layer: run.
 *
 * Owner    descriptors stay the caller's; the new process has its own copies.
 * Thread   the caller's main thread: the programs end when that thread ends (PDEATHSIG).
 *
 * Way down: launch_start -> fork -> prepare (launch.c) -> gate_start (shim/gate.S) ->
 * shim_start (shim/exec.c) -> RUN_START.
 */
#include "base/cc.h"

#include <sys/types.h>

struct launch_options {
	int area_fd;   /* the first area, RUN_AREA_SIZE bytes */
	int socket_fd; /* the process's end of its socket */
	int server_fd; /* struct run_server, open for reading only */
	int bell_fd;   /* struct area_bell */
	char *const *argv;
	char *const *envp;
};

/* 0 and the new process's number, or -errno: -E2BIG for arguments that do not fit. */
MUST_USE int launch_start(const struct launch_options *options, pid_t *ret_pid);

#endif /* RUN_LAUNCH_H */

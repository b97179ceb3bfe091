/*
 * inside.c - hascall run --image with one task for all calls, as a manager that is a single task
 * has it: while a call waits for the disk, every other one waits. Bench: see bench/image/run.
 *
 *     inside IMAGE -- PROGRAM [ARGUMENT...]
 *
 * A call that waits for another's (a pipe, wait(2) without WNOHANG) would wait for ever.
 */
#include "front/manager.h"
#include "run/launch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *what, int error)
{
	fprintf(stderr, "inside: %s: %s\n", what, strerror(error));
	_exit(125);
}

int main(int argc, char **argv)
{
	struct manager_options options = {
		.root_fd = -1,
		.cwd = "/",
		.envp = environ,
		.umask = 022,
		.image_use = MANAGER_IMAGE_ROOT,
		.spin_ns = MANAGER_SPIN_DEFAULT,
		.servers = 1,
		.servers_max = 1,
	};
	struct manager_launch places;
	struct launch_options launch;
	int r, status;
	pid_t pid;

	if (argc < 4 || strcmp(argv[2], "--") != 0) {
		fprintf(stderr, "usage: inside IMAGE -- PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	options.image = argv[1];
	options.argv = argv + 3;
	r = manager_start(&options, &places);
	if (r < 0)
		return 125; /* it has said why */
	launch = (struct launch_options){
		.area_fd = places.area_fd,
		.socket_fd = places.socket_fd,
		.server_fd = places.server_fd,
		.bell_fd = places.bell_fd,
		.argv = options.argv,
		.envp = environ,
	};
	r = launch_start(&launch, &pid);
	if (r < 0)
		fail("the program", -r);
	r = manager_attach(pid);
	if (r < 0)
		fail("the program", -r);
	if (manager_run(&status) < 0)
		return 125;
	return status;
}

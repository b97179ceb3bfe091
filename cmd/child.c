#include "cmd/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ADMINISTRATORS "/usr/local/sbin:/usr/sbin:/sbin"

static volatile sig_atomic_t running; /* pid */
static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static void pass_on(int sig)
{
	if (running > 0)
		kill(running, sig);
}

static void pass_signals_on(void)
{
	static bool done;
	struct sigaction action = { .sa_handler = pass_on, .sa_flags = SA_RESTART };

	if (done)
		return;
	done = true;
	for (size_t i = 0; i < ARRAY_COUNT(ending); i++) {
		struct sigaction old;

		if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaction(ending[i], &action, NULL);
	}
}

/* Once: what makes and checks file systems often stands where no user's PATH leads. */
static int extend_path(void)
{
	static bool done;
	const char *old = getenv("PATH");
	char *path;
	int r;

	if (done)
		return 0;
	done = true;
	if (asprintf(&path, "%s:" ADMINISTRATORS, old && *old ? old : "/usr/bin:/bin") < 0)
		return -ENOMEM;
	r = setenv("PATH", path, 1) < 0 ? -errno : 0;
	free(path);
	return r;
}

static int add_files(posix_spawn_file_actions_t *actions, const struct child_files *files)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC;
	int r = 0;

	if (files->out)
		r = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, files->out, flags,
						     0600);
	if (r == 0 && files->err)
		r = posix_spawn_file_actions_addopen(actions, STDERR_FILENO, files->err, flags,
						     0600);
	/* A copy onto itself is a copy without close-on-exec. */
	if (r == 0 && files->keep_fd >= 0)
		r = posix_spawn_file_actions_adddup2(actions, files->keep_fd, files->keep_fd);
	return -r;
}

static int spawn(const char *const argv[], const posix_spawn_file_actions_t *actions, pid_t *ret)
{
	posix_spawnattr_t attributes;
	sigset_t set;
	int r = posix_spawnattr_init(&attributes);

	if (r)
		return -r;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_COUNT(ending); i++) {
		struct sigaction old;

		if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaddset(&set, ending[i]);
	}
	posix_spawnattr_setsigdefault(&attributes, &set);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	/* posix_spawnp() does not write to the words. */
	r = posix_spawnp(ret, argv[0], actions, &attributes, (char *const *)(uintptr_t)argv,
			 environ);
	posix_spawnattr_destroy(&attributes);
	return -r;
}

int child_run(const char *const argv[], const struct child_files *files)
{
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;
	int r = extend_path();

	if (r < 0)
		return r;
	pass_signals_on();
	r = -posix_spawn_file_actions_init(&actions);
	if (r < 0)
		return r;
	r = add_files(&actions, files);
	if (r == 0)
		r = spawn(argv, &actions, &pid);
	posix_spawn_file_actions_destroy(&actions);
	if (r < 0)
		return r;
	running = pid;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	running = 0;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int child_folder_make(char ret_path[CHILD_PATH_MAX])
{
	const char *parent = getenv("TMPDIR");

	if (snprintf(ret_path, CHILD_PATH_MAX, "%s/hascall-XXXXXX",
		     parent && *parent ? parent : "/var/tmp") >= (int)CHILD_PATH_MAX)
		return -ENAMETOOLONG;
	return mkdtemp(ret_path) ? 0 : -errno;
}

void child_folder_remove(const char *path)
{
	const struct child_files own = { .keep_fd = -1 };

	/* What is left is left: there is nothing more to be done about it. */
	(void)!child_run((const char *const[]){ "rm", "-rf", "--", path, NULL }, &own);
}

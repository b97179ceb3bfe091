/*
 * init.c - process 1 of a world that was booted: starts what its script says, takes in
 * orphans, and ends when all it started has ended.
 *
 *	init [-v] SCRIPT
 *
 * After Naniwa 2002, section IV-3: `daemon` returns at once, so that the daemons' reads of
 * their programs mix; `sleep` between them gives each its time. `notify` and `ready` give it
 * no more time than it needs.
 *
 * Exit status: 0; 1 if a program could not be started or a wait was in vain (the rest is
 * started all the same); 2: the script is wrong, nothing was started.
 */
#include "run/init/script.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 10000000u /* between two looks for a path */
#define STOP_NS UINT64_C(5000000000)
#define MESSAGE_SIZE 4096u

static const char *script_name;
static bool verbose;
static bool failed;
static volatile sig_atomic_t stop_signal;
/* The mask of a wait. Else signals are blocked: none comes between a look and the wait after it. */
static sigset_t nothing;

static void on_stop(int sig)
{
	stop_signal = sig;
}

static void on_child(int sig)
{
	(void)sig; /* it ends a wait */
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void say(const struct script_step *step, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(const struct script_step *step, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "init: %s:%u: ", script_name, step->line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

/* False if a signal says that all is to end. */
static bool sleep_until(uint64_t deadline_ns)
{
	uint64_t now;

	while (!stop_signal && (now = now_ns()) < deadline_ns) {
		uint64_t left_ns = deadline_ns - now;
		const struct timespec t = { .tv_sec = (time_t)(left_ns / 1000000000u),
					    .tv_nsec = (long)(left_ns % 1000000000u) };

		(void)ppoll(NULL, 0, &t, &nothing);
	}
	return !stop_signal;
}

static void tell_end(const struct script_step *step, pid_t pid, int status)
{
	const char *name = step ? step->words[0] : "process";

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	failed |= step != NULL;
	if (!step && !verbose)
		return;
	if (WIFSIGNALED(status))
		fprintf(stderr, "init: %s (%d) was ended by signal %d\n", name, pid,
			WTERMSIG(status));
	else
		fprintf(stderr, "init: %s (%d) ended with status %d\n", name, pid,
			WEXITSTATUS(status));
}

/* Take in who has ended, meanwhile or (block) next. The pid, 0: nobody yet, -1: nobody is left. */
static pid_t take_in(bool block, pid_t wanted, const struct script_step *step)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) == 0 && block && !stop_signal)
		sigsuspend(&nothing);
	if (pid > 0)
		tell_end(pid == wanted ? step : NULL, pid, status);
	return pid;
}

/* What init hears. */
static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };

/* In the child: what init does with signals is not its programs' affair. */
static void plain_signals(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(signals); i++)
		signal(signals[i], SIG_DFL);
	sigprocmask(SIG_SETMASK, &nothing, NULL);
}

/* In the child: does not return. */
static void become(const struct script_step *step)
{
	plain_signals();
	execvp(step->words[0], step->words);
	say(step, "%s: %s", step->words[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static pid_t start(const struct script_step *step, const char *notify_path)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (notify_path)
			setenv("NOTIFY_SOCKET", notify_path, 1);
		if (step->verb != SCRIPT_WAIT)
			setsid();
		become(step);
	}
	if (pid < 0) {
		say(step, "%s: %s", step->words[0], strerror(errno));
		failed = true;
	} else if (verbose) {
		say(step, "%s is process %d", step->words[0], pid);
	}
	return pid;
}

static void run_to_end(const struct script_step *step)
{
	pid_t pid = start(step, NULL);

	while (pid > 0 && !stop_signal) {
		pid_t ended = take_in(true, pid, step);

		if (ended == pid || ended < 0)
			return;
	}
}

/* ---- sd_notify(3): datagrams with lines; "READY=1" is what counts. */

static bool says_ready(char *message)
{
	char *rest = NULL;

	for (char *line = strtok_r(message, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (strcmp(line, "READY=1") == 0)
			return true;
	return false;
}

static int notify_socket(struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "/dev/shm/.init-%d-notify",
		 getpid());
	unlink(address->sun_path);
	if (fd >= 0 && bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* True once a message says so; false if there is none now. */
static bool is_ready(int fd)
{
	static char message[MESSAGE_SIZE + 1];
	ssize_t size;

	while ((size = recv(fd, message, MESSAGE_SIZE, 0)) >= 0) {
		message[size] = '\0';
		if (says_ready(message))
			return true;
	}
	return false;
}

static void start_and_hear(const struct script_step *step)
{
	const struct timespec look = { .tv_nsec = LOOK_NS };
	uint64_t deadline_ns = now_ns() + step->ns;
	struct sockaddr_un address;
	int fd = notify_socket(&address);
	pid_t pid;

	if (fd < 0) {
		say(step, "a socket cannot be made: %s", strerror(errno));
		failed = true;
		return;
	}
	pid = start(step, address.sun_path);
	while (pid > 0 && !stop_signal) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		if (is_ready(fd) || take_in(false, pid, step) == pid)
			break;
		if (now_ns() >= deadline_ns) {
			say(step, "%s has not said that it is ready", step->words[0]);
			failed = true;
			break;
		}
		(void)ppoll(&wait, 1, &look, &nothing);
	}
	close(fd);
	unlink(address.sun_path);
}

static void look_for(const struct script_step *step)
{
	uint64_t deadline_ns = now_ns() + step->ns;
	struct stat st;

	while (stat(step->words[0], &st) < 0) {
		(void)take_in(false, 0, NULL);
		if (now_ns() >= deadline_ns) {
			say(step, "%s has not come", step->words[0]);
			failed = true;
			return;
		}
		if (!sleep_until(now_ns() + LOOK_NS))
			return;
	}
}

static void take_step(const struct script_step *step)
{
	switch (step->verb) {
	case SCRIPT_DAEMON:
		(void)start(step, NULL);
		break;
	case SCRIPT_NOTIFY:
		start_and_hear(step);
		break;
	case SCRIPT_READY:
		look_for(step);
		break;
	case SCRIPT_WAIT:
		run_to_end(step);
		break;
	case SCRIPT_SLEEP:
		(void)sleep_until(now_ns() + step->ns);
		break;
	case SCRIPT_EXEC:
		become(step);
	}
	while (take_in(false, 0, NULL) > 0)
		;
}

/* Everybody is asked to end, and given some time. Who is left goes with us. */
static void stop_all(void)
{
	uint64_t deadline_ns = now_ns() + STOP_NS;

	kill(-1, SIGTERM);
	while (now_ns() < deadline_ns) {
		const struct timespec pause = { .tv_nsec = LOOK_NS };

		if (take_in(false, 0, NULL) < 0)
			return;
		nanosleep(&pause, NULL);
	}
}

static char *read_script(size_t *ret_size)
{
	int fd = open(script_name, O_RDONLY | O_CLOEXEC);
	char *text = malloc(SCRIPT_SIZE_MAX + 1);
	size_t size = 0;
	ssize_t r = fd < 0 || !text ? -1 : 1;

	while (r > 0 && size <= SCRIPT_SIZE_MAX) {
		r = read(fd, text + size, SCRIPT_SIZE_MAX + 1 - size);
		size += r > 0 ? (size_t)r : 0;
	}
	if (r < 0) {
		fprintf(stderr, "init: %s: %s\n", script_name, strerror(errno));
		exit(2);
	}
	close(fd);
	*ret_size = size;
	return text;
}

static void hear_signals(void)
{
	sigset_t awaited;

	sigemptyset(&nothing);
	sigemptyset(&awaited);
	for (size_t i = 0; i < ARRAY_COUNT(signals); i++) {
		const struct sigaction action = { .sa_handler = signals[i] == SIGCHLD ? on_child
										      : on_stop };

		sigaddset(&awaited, signals[i]);
		sigaction(signals[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &awaited, NULL);
}

int main(int argc, char **argv)
{
	struct script script;
	size_t size;
	char *text;

	verbose = argc == 3 && strcmp(argv[1], "-v") == 0;
	if (argc != 2 + verbose) {
		fprintf(stderr, "usage: init [-v] SCRIPT\n");
		return 2;
	}
	script_name = argv[1 + verbose];
	text = read_script(&size);
	if (script_parse(text, size, script_name, stderr, &script) < 0)
		return 2;
	free(text);
	hear_signals();
	for (unsigned int i = 0; i < script.count && !stop_signal; i++)
		take_step(&script.steps[i]);
	while (!stop_signal && take_in(true, 0, NULL) >= 0)
		;
	if (stop_signal)
		stop_all();
	script_free(&script);
	return stop_signal ? 128 + (int)stop_signal : failed;
}

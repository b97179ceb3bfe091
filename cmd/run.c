/*
 * run.c - hascall run: a program inside the POSIX manager, which is this process.
 */
#include "call/exec.h"
#include "cmd/boot.h"
#include "cmd/cmd.h"
#include "front/manager.h"
#include "proc/proc.h"
#include "run/init_image.h"
#include "run/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "run"
#define GROUPS_MAX 64
#define BOOT_SCRIPT "/etc/hascall/init"
#define BOOT_WORDS 4u

static const char help[] =
	"usage: hascall run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
	"       hascall run [OPTION...] --boot[=SCRIPT]\n"
	"\n"
	"Run PROGRAM inside a POSIX manager: it sees this machine's files and may change\n"
	"them, but every change stays in memory and is gone when PROGRAM ends; with --image,\n"
	"changes are kept in that file for the next time.\n"
	"\n"
	"options:\n"
	"      --image FILE    keep changes in an ext4 image ('hascall mkfs' makes one), or use\n"
	"                      the tree in it instead of this machine's files\n"
	"      --image-as USE  layer: changes above this machine's files (default if the image\n"
	"                      is empty or a layer); root: the whole tree (default else)\n"
	"      --read-only     do not change the image; only as root\n"
	"      --cache SIZE    keep at most SIZE bytes of the image in memory\n"
	"      --boot[=SCRIPT] start what a script inside says (hascall-init(5)), and end when\n"
	"                      all that has ended; default: " BOOT_SCRIPT "\n"
	"      --verbose       with --boot: tell what is started and how it ends\n"
	"      --servers N     keep N tasks to serve calls (default 8); 0: a task for each call\n"
	"      --strace        print each call the manager serves, on standard error\n"
	"      --processes N   at most N processes at a time (default 1024)\n"
	"      --memory SIZE   at most SIZE bytes of changed files (K, M, G; default: half\n"
	"                      of the machine's memory)\n"
	"  -h, --help          print this and exit\n"
	"  -V, --version       print the version and exit\n"
	"\n"
	"The exit status is PROGRAM's, or 128 plus the signal that ended it; 125 if hascall\n"
	"itself failed, 126 if PROGRAM cannot be executed, 127 if it was not found.\n";

struct run_options {
	struct manager_options manager;
	const char *boot; /* the script; NULL: a program is run */
	bool verbose;
	bool done;  /* --help or --version: nothing to run */
	int status; /* then, or for a wrong option */
};

/* ---- options */

static void take_number(struct run_options *o, int option, const char *text)
{
	const char *name = option == 'm' ? "memory" : option == 'c' ? "cache" : "processes";
	uint64_t value;

	if (!cmd_read_number(text, option != 'p', &value) || (option == 'p' && value > INT_MAX)) {
		cmd_complain(NAME, "'%s' is not a number for --%s", text, name);
		o->status = CMD_USAGE;
	} else if (option == 'm') {
		o->manager.memory_limit = value;
	} else if (option == 'c') {
		o->manager.cache_limit = value;
	} else {
		o->manager.process_limit = (uint32_t)value;
	}
}

static void take_servers(struct run_options *o, const char *text)
{
	if (boot_read_servers(text, &o->manager.servers))
		return;
	cmd_complain(NAME, "--servers takes a number from 0 to %u, not '%s'", PROC_THREADS_DEFAULT,
		     text);
	o->status = CMD_USAGE;
}

static void take_use(struct run_options *o, const char *text)
{
	if (strcmp(text, "layer") == 0) {
		o->manager.image_use = MANAGER_IMAGE_LAYER;
	} else if (strcmp(text, "root") == 0) {
		o->manager.image_use = MANAGER_IMAGE_ROOT;
	} else {
		cmd_complain(NAME, "--image-as takes 'layer' or 'root', not '%s'", text);
		o->status = CMD_USAGE;
	}
}

/* Options that mean nothing without another one, or exclude it. */
static void check_options(struct run_options *o, const char *program)
{
	const struct manager_options *m = &o->manager;
	const char *alone = m->image_read_only			 ? "read-only"
			    : m->image_use != MANAGER_IMAGE_AUTO ? "image-as"
			    : m->cache_limit != 0		 ? "cache"
								 : NULL;

	if (o->boot && program)
		cmd_complain(NAME, "--boot starts what its script says; no program is named then");
	else if (o->boot && o->boot[0] != '/')
		cmd_complain(NAME, "--boot: '%s' is no path from the root inside", o->boot);
	else if (!o->boot && !program)
		cmd_complain(NAME, "no program is named; 'hascall run --help' tells the usage");
	else if (o->verbose && !o->boot)
		cmd_complain(NAME, "--verbose is about --boot");
	else if (!m->image && alone)
		cmd_complain(NAME, "--%s is about an image: --image FILE names it", alone);
	else if (m->image && m->memory_limit)
		cmd_complain(NAME,
			     "--memory limits changes kept in memory; with --image they go there");
	else
		return;
	o->status = CMD_USAGE;
}

static void take_option(struct run_options *o, int option)
{
	switch (option) {
	case 's':
		o->manager.strace = true;
		break;
	case 'i':
		o->manager.image = optarg;
		break;
	case 'a':
		take_use(o, optarg);
		break;
	case 'r':
		o->manager.image_read_only = true;
		break;
	case 'b':
		o->boot = optarg ? optarg : BOOT_SCRIPT;
		break;
	case 'v':
		o->verbose = true;
		break;
	case 'n':
		take_servers(o, optarg);
		break;
	case 'p':
	case 'm':
	case 'c':
		take_number(o, option, optarg);
		break;
	case 'h':
		fputs(help, stdout);
		o->done = true;
		break;
	case 'V':
		printf("hascall %s\n", CMD_VERSION);
		o->done = true;
		break;
	default:
		fprintf(stderr, "'hascall run --help' lists the options.\n");
		o->status = CMD_USAGE;
	}
}

static void read_options(int argc, char **argv, struct run_options *o)
{
	static const struct option longs[] = {
		{ "image", required_argument, NULL, 'i' },
		{ "image-as", required_argument, NULL, 'a' },
		{ "read-only", no_argument, NULL, 'r' },
		{ "cache", required_argument, NULL, 'c' },
		{ "boot", optional_argument, NULL, 'b' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "servers", required_argument, NULL, 'n' },
		{ "strace", no_argument, NULL, 's' },
		{ "processes", required_argument, NULL, 'p' },
		{ "memory", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	static char name[] = "hascall run";
	int option;

	argv[0] = name; /* getopt's own messages begin with it */
	while (!o->done && !o->status &&
	       (option = getopt_long(argc, argv, "+hV", longs, NULL)) != -1)
		take_option(o, option);
	if (o->done || o->status)
		return;
	check_options(o, argv[optind]);
}

static int complain_of(const char *program, int error, const char *why)
{
	if (why)
		cmd_complain(NAME, "%s: %s", program, why);
	else if (error == ENOENT && !strchr(program, '/'))
		cmd_complain(NAME, "%s: no such program in PATH", program);
	else
		cmd_complain(NAME, "%s: %s", program, strerror(error));
	return error == ENOENT || error == ENOTDIR ? CMD_NOT_FOUND : CMD_NOT_EXECUTABLE;
}

/* ---- running */

/* A key at the terminal is for the group in front of it; what a process sent, for the program. */
static void forward(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code == SI_KERNEL)
		manager_forward_signal(sig);
	else
		manager_signal_first(sig);
}

/* What a user or the terminal sends to hascall is meant for the program. */
static void forward_signals(void)
{
	static const int signals[] = { SIGINT,	SIGTERM, SIGHUP,   SIGQUIT,
				       SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP };
	struct sigaction action = { .sa_sigaction = forward, .sa_flags = SA_RESTART | SA_SIGINFO };

	for (size_t i = 0; i < ARRAY_COUNT(signals); i++) {
		struct sigaction old;

		/* What we were told to ignore (nohup) stays ignored. */
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &action, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
}

/*
 * A standard descriptor that was closed stays closed inside; here something harmless
 * takes its number, so that none of the manager's own files gets it.
 */
static void hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/", O_PATH | O_CLOEXEC);
}

static void describe_user(struct manager_options *m, gid_t groups[GROUPS_MAX],
			  char directory[PATH_MAX])
{
	int count = getgroups(GROUPS_MAX, groups);
	mode_t mask = umask(0);

	umask(mask);
	m->umask = mask;
	m->uid = geteuid();
	m->gid = getegid();
	m->groups = groups;
	m->group_count = count > 0 ? (uint32_t)count : 0;
	m->cwd = getcwd(directory, PATH_MAX);
}

/* Process 1 is our own: it comes with us. */
static void describe_boot(struct run_options *o, const char *argv[BOOT_WORDS])
{
	union {
		const char **words;
		char *const *argv; /* nobody writes to them */
	} as = { argv };
	unsigned int count = 0;

	argv[count++] = "init";
	if (o->verbose)
		argv[count++] = "-v";
	argv[count++] = o->boot;
	argv[count] = NULL;
	o->manager.argv = as.argv;
	o->manager.path = MANAGER_INIT_PATH;
	o->manager.cwd = "/";
	o->manager.init_data = init_image;
	o->manager.init_size = (size_t)(init_image_tail - init_image);
}

static int start(const struct manager_options *m)
{
	struct manager_launch places;
	struct launch_options launch;
	pid_t pid;
	int r = manager_start(m, &places);

	if (r < 0)
		return CMD_FAILED; /* it has said why */
	launch = (struct launch_options){
		.area_fd = places.area_fd,
		.socket_fd = places.socket_fd,
		.server_fd = places.server_fd,
		.bell_fd = places.bell_fd,
		.argv = m->argv,
		.envp = m->envp,
	};
	r = launch_start(&launch, &pid);
	if (r == 0)
		r = manager_attach(pid);
	if (r < 0) {
		cmd_complain(NAME, "the program cannot be started: %s", strerror(-r));
		return CMD_FAILED;
	}
	return 0;
}

int cmd_run(int argc, char **argv)
{
	static char directory[PATH_MAX];
	gid_t groups[GROUPS_MAX];
	struct run_options o = {
		.manager = { .root_fd = -1, .spin_ns = MANAGER_SPIN_DEFAULT, .envp = environ },
	};
	const char *boot_argv[BOOT_WORDS];
	int status;

	read_options(argc, argv, &o);
	if (o.done || o.status)
		return o.status;
	hold_standard_descriptors();
	describe_user(&o.manager, groups, directory);
	o.manager.argv = argv + optind;
	if (o.boot) {
		describe_boot(&o, boot_argv);
		status = boot_configure(NAME, &o.manager);
		if (status)
			return status;
	}
	forward_signals();
	status = start(&o.manager);
	if (status)
		return status;
	if (manager_run(&status) < 0)
		return CMD_FAILED;
	if (exec_start_error())
		return complain_of(o.manager.argv[0], exec_start_error(), exec_start_why());
	return status;
}

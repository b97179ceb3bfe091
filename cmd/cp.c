/*
 * cp.c - hascall cp: files into images, out of them, and between them.
 */
#include "cmd/cp_copy.h"

#include "cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NAME "cp"
#define SOME_FAILED 1

static const char help[] =
	"usage: hascall cp [OPTION...] SOURCE... DEST\n"
	"\n"
	"Copy files and keep what they are: modes, owners, times, links, holes, devices,\n"
	"extended attributes. IMAGE:/PATH names a file in an image that nobody is using; at\n"
	"least one of SOURCE and DEST must be such. Symbolic links are copied as links.\n"
	"In an image that is a layer, PATH is what a program inside sees.\n"
	"\n"
	"options:\n"
	"  -r, --recursive       copy directories, with all that is in them\n"
	"      --raw             a layer's own tree: /upper and /work\n"
	"  -q, --quiet           show no progress\n"
	"  -h, --help            print this and exit\n"
	"  -V, --version         print the version and exit\n"
	"\n"
	"The exit status is 0; 1 if some files could not be copied, each of which is told; or\n"
	"125 if nothing was, as an image cannot be used.\n";

/* SOURCE or DEST. */
struct place {
	char *image;	  /* its path; NULL: the host */
	const char *path; /* in it */
	struct cp_side side;
};

static struct {
	struct cp_copy_options options;
	bool raw, done;
	int status;
	struct place *places; /* the last is DEST */
	unsigned int count;
	struct cp_copy *copy;
	char to[PATH_MAX];
} cp;

static volatile int stop;

static void on_signal(int sig)
{
	stop = sig;
}

/* ---- arguments. */

/* "IMAGE:/PATH" if IMAGE is something that can be one; else it is a path of the host. */
static int parse_place(char *text, struct place *ret)
{
	const char *colon = strstr(text, ":/");
	struct stat st;

	*ret = (struct place){ .path = text, .side = { .tree = &cp_host } };
	if (!colon || colon == text)
		return 0;
	ret->image = strndup(text, (size_t)(colon - text));
	if (!ret->image)
		return -ENOMEM;
	if (stat(ret->image, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))) {
		ret->path = colon + 1;
		ret->side.tree = &cp_image;
		return 0;
	}
	if (lstat(text, &st) < 0 && stat(ret->image, &st) < 0)
		cmd_complain(NAME, "there is no image %s, so '%s' is taken for a file of the host",
			     ret->image, text);
	free(ret->image);
	ret->image = NULL;
	return 0;
}

static void read_places(int argc, char **argv)
{
	bool any = false;

	cp.places = calloc((size_t)argc, sizeof(*cp.places));
	for (int i = 0; i < argc; i++) {
		if (!cp.places || parse_place(argv[i], &cp.places[i]) < 0) {
			cmd_complain(NAME, "%s", strerror(ENOMEM));
			cp.status = CMD_FAILED;
			return;
		}
		cp.count++;
		any |= cp.places[i].image != NULL;
	}
	if (any)
		return;
	cmd_complain(NAME, "none of these is in an image, as IMAGE:/PATH; cp(1) copies others");
	cp.status = CMD_USAGE;
}

static void read_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "recursive", no_argument, NULL, 'r' }, { "raw", no_argument, NULL, 'R' },
		{ "quiet", no_argument, NULL, 'q' },	 { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },	 { NULL, 0, NULL, 0 },
	};
	static char name[] = "hascall cp";
	int option;

	argv[0] = name;
	while ((option = getopt_long(argc, argv, "rqhV", longs, NULL)) != -1) {
		switch (option) {
		case 'r':
			cp.options.recursive = true;
			break;
		case 'R':
			cp.raw = true;
			break;
		case 'q':
			cp.options.quiet = true;
			break;
		case 'h':
			fputs(help, stdout);
			cp.done = true;
			return;
		case 'V':
			printf("hascall %s\n", CMD_VERSION);
			cp.done = true;
			return;
		default:
			fprintf(stderr, "'hascall cp --help' lists the options.\n");
			cp.status = CMD_USAGE;
			return;
		}
	}
	if (argc - optind < 2) {
		cmd_complain(NAME, "a source and a destination are wanted; 'hascall cp --help' "
				   "tells the usage");
		cp.status = CMD_USAGE;
		return;
	}
	read_places(argc - optind, argv + optind);
}

/* ---- copying. */

/* The last name of a path; "": all of a directory is meant, not the directory. */
static int last_name(const char *path, char ret[VFS_NAME_MAX + 1])
{
	size_t end = strlen(path), start;

	while (end > 0 && path[end - 1] == '/')
		end--;
	start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	if (end - start > VFS_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(ret, path + start, end - start);
	ret[end - start] = '\0';
	if (strcmp(ret, ".") == 0 || strcmp(ret, "..") == 0)
		ret[0] = '\0';
	return 0;
}

static bool ends_with_slash(const char *path)
{
	size_t len = strlen(path);

	return len > 0 && path[len - 1] == '/';
}

/* Where a source goes: into DEST if that is a directory, else it becomes DEST. */
static int choose_target(const struct place *from, const struct place *dest, bool into)
{
	const char *slash = into && !ends_with_slash(dest->path) ? "/" : "";
	char name[VFS_NAME_MAX + 1] = "";
	int r = into ? last_name(from->path, name) : 0;

	if (r < 0)
		return r;
	if (into && !name[0])
		strcpy(name, "."); /* DEST may be a link to the directory that is meant */
	r = snprintf(cp.to, sizeof(cp.to), "%s%s%s", dest->path, slash, name);
	return r >= (int)sizeof(cp.to) ? -ENAMETOOLONG : 0;
}

/* A source is looked up as it is written; a slash at its end would follow a link. */
static bool copy_all(void) MAY_YIELD
{
	const struct place *dest = &cp.places[cp.count - 1];
	struct vfs_attr attr;
	int there = dest->side.tree->stat(&dest->side, dest->path, true, &attr);
	bool into = there == 0 && S_ISDIR(attr.mode);

	if (!into && cp.count > 2) {
		cp_copy_complain(cp.copy, &dest->side, dest->path, there < 0 ? there : -ENOTDIR);
		return false;
	}
	for (unsigned int i = 0; i + 1 < cp.count; i++) {
		const struct place *from = &cp.places[i];
		int r = choose_target(from, dest, into);

		if (r < 0)
			cp_copy_complain(cp.copy, &from->side, from->path, r);
		else if (!cp_copy_one(cp.copy, &from->side, from->path, &dest->side, cp.to))
			break;
	}
	return cp_copy_finish(cp.copy);
}

static int open_images(void) MAY_YIELD
{
	int status = 0;

	/* DEST first: a source in the same image is then written to as well. */
	for (unsigned int i = cp.count; i-- > 0 && status == 0;) {
		const struct world_how how = { .write = i == cp.count - 1, .raw = cp.raw };
		struct place *place = &cp.places[i];

		if (place->image)
			status = world_open(place->image, &how, &place->side.image);
	}
	return status;
}

static int run(void *context) MAY_YIELD
{
	int status = open_images(), closed;

	(void)context;
	if (status == 0)
		status = copy_all() ? 0 : SOME_FAILED;
	closed = world_close_all();
	return closed ? closed : status;
}

static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	for (size_t i = 0; i < ARRAY_COUNT(signals); i++) {
		struct sigaction old;

		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &action, NULL);
	}
}

int cmd_cp(int argc, char **argv)
{
	read_options(argc, argv);
	if (!cp.done && !cp.status) {
		catch_signals();
		cp.copy = cp_copy_new(&cp.options, &stop);
		if (cp.copy)
			cp.status = world_run(NAME, run, NULL);
		else
			cp.status = CMD_FAILED;
	}
	cp_copy_free(cp.copy);
	for (unsigned int i = 0; i < cp.count; i++)
		free(cp.places[i].image);
	free(cp.places);
	return stop ? 128 + stop : cp.status;
}

/* SPDX-License-Identifier: MIT */
/*
 * acp.c - copies trees as cp -r does, many files at a time. Layer: examples.
 *
 * Here are the command line and the folders: made before what is in them is copied, and
 * given their attributes after that, since a folder without w could not be filled, and
 * one that is filled gets new times.
 *
 * Way down: main -> copy_argument -> walk_run -> found -> copy_file, copy_special;
 * folder_enter -> folder_made; folder_leave -> folder_finished.
 */
#include "examples/acp.h"
#include "examples/option.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ENTRIES_DEFAULT 64u
#define ENTRIES_MAX 256u
#define COPY_CALLS 9u /* of the longest step: a small file with its attributes */

struct copy_options copy_options;

static struct walk walk;
static struct folder working_directory; /* in which the user names targets */
static const char *target_path;		/* of the argument that is being copied */
static struct statx target_stat;	/* its folder, once it is made */
static bool target_made;
static int status;

/* Errors. */

static void complain(const char *what, char *path, int64_t result)
{
	errno = (int)-result;
	warn("%s '%s'", what, path);
	free(path);
	status = 1;
}

void copy_source_failed(const struct copy *copy, const char *what, int64_t result)
{
	complain(what, walk_path(&copy->entry), result);
}

void copy_target_failed(const struct copy *copy, const char *what, int64_t result)
{
	complain(what, folder_path(copy->target, copy->target_name), result);
}

void copy_check_attributes(const struct copy *copy, uint32_t first, uint32_t end)
{
	for (uint32_t i = first; i < end; i++) {
		int64_t result = copy->entry.job.result[i];

		if (result < 0 && result != -ECANCELED) {
			copy_target_failed(copy, "cannot preserve attributes of", result);
			return;
		}
	}
}

/* Chains. */

struct copy_chain *chain_new(struct copy *copy)
{
	copy->chain.count = 0;
	return &copy->chain;
}

struct hascall_call *chain_add(struct copy_chain *chain, struct hascall_call call)
{
	if (chain->count > 0)
		hascall_chain(&chain->call[chain->count - 1]);
	chain->call[chain->count] = call;
	chain->count++;
	return &chain->call[chain->count - 1];
}

void chain_take(struct copy_chain *chain, unsigned int argument, uint32_t index)
{
	uint32_t last = chain->count - 1;

	hascall_from(&chain->call[last], argument, last - index);
}

void chain_start(struct copy *copy, job_step *next)
{
	job_start(walk.h, &copy->entry.job, copy->chain.call, copy->chain.count, next);
}

/* Entries. */

unsigned int copy_mode(const struct statx *stat)
{
	unsigned int mode = stat->stx_mode & 07777;

	if (copy_options.uid != 0 &&
	    (stat->stx_uid != copy_options.uid || stat->stx_gid != copy_options.gid))
		mode &= 01777;
	return mode;
}

char *copy_buffer(struct copy *copy)
{
	if (!copy->buffer)
		copy->buffer = job_allocate(COPY_BUFFER);
	return copy->buffer;
}

static void set_times(struct timespec times[2], const struct statx *stat)
{
	times[0].tv_sec = stat->stx_atime.tv_sec;
	times[0].tv_nsec = stat->stx_atime.tv_nsec;
	times[1].tv_sec = stat->stx_mtime.tv_sec;
	times[1].tv_nsec = stat->stx_mtime.tv_nsec;
}

static struct copy_folder *copy_folder_of(struct walk_folder *folder)
{
	return CONTAINER_OF(folder, struct copy_folder, walk);
}

static bool is_argument(const struct copy *copy)
{
	return copy->entry.in == &walk.top;
}

void copy_done(struct copy *copy)
{
	copy->target->pins--;
	walk_done(&copy->entry);
}

static void copy_folder(struct copy *copy)
{
	const struct statx *stat = &copy->entry.stat;
	struct copy_folder *f;

	if (!copy_options.recursive) {
		copy_source_failed(copy, "without -r, not copying", -EISDIR);
	} else if (target_made && stat->stx_ino == target_stat.stx_ino &&
		   stat->stx_dev_major == target_stat.stx_dev_major &&
		   stat->stx_dev_minor == target_stat.stx_dev_minor) {
		copy_source_failed(copy, "not copying a folder into itself:", -ELOOP);
	} else {
		f = copy_folder_of(walk_descend(&copy->entry));
		f->stat = *stat;
		set_times(f->times, stat);
		folder_init(&f->target, copy->target,
			    is_argument(copy) ? target_path : f->walk.folder.name);
	}
	copy_done(copy);
}

static void found(struct walk_entry *entry)
{
	struct copy *copy = CONTAINER_OF(entry, struct copy, entry);
	int r;

	copy->target = is_argument(copy) ? &working_directory : &copy_folder_of(entry->in)->target;
	copy->target_name = is_argument(copy) ? target_path : entry->name;
	r = folder_open_again(&walk.folders, copy->target);
	copy->target->pins++;
	if (entry->error || r < 0) {
		if (entry->error)
			copy_source_failed(copy, "cannot stat", -entry->error);
		else
			copy_target_failed(copy, "cannot open the folder of", r);
		copy_done(copy);
		return;
	}
	set_times(copy->times, &entry->stat);
	if (copy_options.verbose) {
		char *from = walk_path(entry);
		char *to = folder_path(copy->target, copy->target_name);

		printf("'%s' -> '%s'\n", from, to);
		free(from);
		free(to);
	}
	if (S_ISDIR(entry->stat.stx_mode))
		copy_folder(copy);
	else if (S_ISREG(entry->stat.stx_mode))
		copy_file(copy);
	else
		copy_special(copy);
}

/* Folders. */

static void folder_failed(struct walk_folder *folder, int error)
{
	complain("cannot read directory", folder_path(&folder->folder, NULL), -error);
}

static void folder_made(struct job *job)
{
	struct copy_folder *f = CONTAINER_OF(job, struct copy_folder, walk.job);
	int64_t made = job->result[0];
	int64_t opened = job->result[1];

	f->target.parent->pins--;
	if (opened < 0) {
		int64_t why = made < 0 && made != -EEXIST ? made : opened;

		complain("cannot create directory", folder_path(&f->target, NULL), why);
		walk_skip(&f->walk);
		return;
	}
	f->made = true;
	f->created = made == 0;
	folder_opened(&walk.folders, &f->target, (int)opened);
	if (f->walk.depth == 0)
		target_made = job->result[2] == 0;
	walk_read(&f->walk);
}

/* Make it and open it. It may be there already: so openat follows in any case. */
static void folder_enter(struct walk_folder *folder)
{
	struct copy_folder *f = copy_folder_of(folder);
	struct folder *parent = f->target.parent;
	int r = folder_open_again(&walk.folders, parent);
	struct copy_chain chain = { .count = 0 };

	if (r < 0) {
		complain("cannot open the folder of", folder_path(&f->target, NULL), r);
		walk_skip(folder);
		return;
	}
	parent->pins++;
	chain_add(&chain, hascall_call_mkdirat(parent->fd, f->target.name,
					       (f->stat.stx_mode & 01777) | 0700));
	hascall_always(chain_add(
		&chain, hascall_call_openat(parent->fd, f->target.name,
					    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)));
	if (folder->depth == 0) {
		chain_add(&chain,
			  hascall_call_statx(0, "", AT_EMPTY_PATH, STATX_INO, &target_stat));
		chain_take(&chain, 0, 1);
	}
	job_start(walk.h, &f->walk.job, chain.call, chain.count, folder_made);
}

static void folder_left(struct copy_folder *f)
{
	folder_close(&walk.folders, &f->target);
	walk_left(&f->walk);
}

static void folder_finished(struct job *job)
{
	struct copy_folder *f = CONTAINER_OF(job, struct copy_folder, walk.job);
	/* Results of the calls that were not posted are 0. */
	int64_t worst = 0;

	for (unsigned int i = 0; i < 3; i++)
		if (job->result[i] < 0)
			worst = job->result[i];
	if (worst < 0)
		complain("cannot preserve attributes of", folder_path(&f->target, NULL), worst);
	f->target.pins--;
	folder_left(f);
}

/* What mkdirat could not give yet, and with -p the rest. */
static void add_attributes(const struct copy_folder *f, struct copy_chain *chain)
{
	unsigned int mode = f->stat.stx_mode & 01777;
	int fd = f->target.fd;

	if (copy_options.preserve) {
		if (copy_options.uid == 0)
			chain_add(chain, hascall_call_fchown(fd, f->stat.stx_uid, f->stat.stx_gid));
		hascall_always(chain_add(chain, hascall_call_fchmod(fd, copy_mode(&f->stat))));
		hascall_always(chain_add(chain, hascall_call_utimensat(fd, NULL, f->times, 0)));
	} else if (f->created && (mode & 0700) != 0700) {
		chain_add(chain, hascall_call_fchmod(fd, mode & ~copy_options.umask));
	}
}

static void folder_leave(struct walk_folder *folder)
{
	struct copy_folder *f = copy_folder_of(folder);
	struct copy_chain chain = { .count = 0 };
	int r = f->made ? folder_open_again(&walk.folders, &f->target) : 0;

	if (r < 0)
		complain("cannot open", folder_path(&f->target, NULL), r);
	else if (f->made)
		add_attributes(f, &chain);
	if (chain.count == 0) {
		folder_left(f);
		return;
	}
	f->target.pins++;
	memset(f->walk.job.result, 0, sizeof(f->walk.job.result));
	job_start(walk.h, &f->walk.job, chain.call, chain.count, folder_finished);
}

/* The command line. */

static const char help[] =
	"usage: acp [OPTION]... SOURCE TARGET\n"
	"       acp [OPTION]... SOURCE... FOLDER\n"
	"Copy SOURCE to TARGET, or all SOURCEs into FOLDER, like cp, many files at a time.\n"
	"Symbolic links are copied as links, and nothing is written through one.\n"
	"\n"
	"  -r, -R, --recursive   copy folders with all that is in them\n"
	"  -p, --preserve        keep modes and times, and owners if run by root\n"
	"  -v, --verbose         name what is copied\n"
	"  -j, --jobs=N          copy N files at a time (1 to 256; 64)\n"
	"      --help            print this and leave\n"
	"\n"
	"The exit status is 0, or 1 if something could not be copied.\n";

static unsigned int parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "recursive", no_argument, NULL, 'r' }, { "preserve", no_argument, NULL, 'p' },
		{ "verbose", no_argument, NULL, 'v' },	 { "jobs", required_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },	 { NULL, 0, NULL, 0 },
	};
	unsigned int jobs = ENTRIES_DEFAULT;
	int letter;

	while ((letter = getopt_long(argc, argv, "rRpvj:", names, NULL)) != -1) {
		switch (letter) {
		case 'r':
		case 'R':
			copy_options.recursive = true;
			break;
		case 'p':
			copy_options.preserve = true;
			break;
		case 'v':
			copy_options.verbose = true;
			break;
		case 'j':
			jobs = option_number(optarg, "--jobs", 1, ENTRIES_MAX);
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			fputs("Try 'acp --help'.\n", stderr);
			exit(1);
		}
	}
	if (argc - optind < 2)
		errx(1, "a SOURCE and a TARGET are needed; try 'acp --help'");
	copy_options.uid = geteuid();
	copy_options.gid = getegid();
	copy_options.umask = umask(0);
	umask((mode_t)copy_options.umask);
	return jobs;
}

/* Each copy has two files open: no more copies than a quarter of the descriptors serve. */
static unsigned int jobs_possible(unsigned int jobs)
{
	struct rlimit files = { 0 };

	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur / 8 < jobs)
		jobs = (unsigned int)(files.rlim_cur / 8);
	return jobs > 0 ? jobs : 1;
}

/* FOLDER/last name of source; free() it. */
static char *path_in(const char *folder, const char *source)
{
	size_t end = strlen(source);
	size_t start;
	char *path;

	while (end > 1 && source[end - 1] == '/')
		end--;
	start = end;
	while (start > 0 && source[start - 1] != '/')
		start--;
	if (asprintf(&path, "%s/%.*s", folder, (int)(end - start), source + start) < 0)
		errx(1, "out of memory");
	return path;
}

static void copy_argument(const char *source, const char *target, bool into)
{
	char *inside = into ? path_in(target, source) : NULL;

	target_path = inside ? inside : target;
	target_made = false;
	walk_run(&walk, source);
	free(inside);
}

static void free_buffers(void)
{
	for (struct walk_entry *entry = walk.free; entry; entry = entry->next)
		free(CONTAINER_OF(entry, struct copy, entry)->buffer);
}

int main(int argc, char **argv)
{
	struct walk_program program = {
		.folder_size = sizeof(struct copy_folder),
		.entry_size = sizeof(struct copy),
		.entry_calls = COPY_CALLS,
		.descriptors = 2,
		.entries_max = jobs_possible(parse(argc, argv)),
		.statx_mask = STATX_BASIC_STATS,
		.found = found,
		.enter = folder_enter,
		.leave = folder_leave,
		.failed = folder_failed,
	};
	const char *target = argv[argc - 1];
	struct stat stat_target;
	bool into = stat(target, &stat_target) == 0 && S_ISDIR(stat_target.st_mode);
	int r;

	if (argc - optind > 2 && !into)
		errx(1, "several SOURCEs, but '%s' is not a folder", target);
	r = walk_open(&walk, &program);
	if (r < 0)
		errx(1, "hascall_open: %s", strerror(-r));
	folder_init(&working_directory, NULL, "");
	for (int i = optind; i < argc - 1; i++)
		copy_argument(argv[i], target, into);
	free_buffers();
	walk_close(&walk);
	if (fflush(stdout) != 0 || ferror(stdout))
		err(1, "standard output");
	return status;
}

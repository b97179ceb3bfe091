/* SPDX-License-Identifier: MIT */
/*
 * adu.c - how much space trees take, as du says it, by asynchronous calls. Layer: examples.
 *
 * A tree is read as fast as the kernel answers, not one answer after the other: up to
 * ENTRIES_MAX names and WALK_FOLDERS folders are being asked for at a time.
 *
 * Way down: main -> walk_run -> found -> count -> folder_left.
 */
#include "examples/option.h"
#include "examples/walk.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_DEFAULT 256u
#define ENTRIES_MAX 2048u

struct adu_folder {
	struct walk_folder walk;
	uint64_t bytes; /* of it and all beneath it */
};

/* Files that were counted: an open hash table, at most half full. */
struct seen {
	struct seen_file {
		uint64_t inode;
		uint64_t device;
	} * file;
	size_t size; /* a power of two, or 0 */
	size_t count;
};

static struct {
	bool all;
	bool apparent;
	bool count_links;
	bool human;
	bool one_file_system;
	bool total;
	unsigned int depth_max;
	uint64_t block_size;
} options = { .depth_max = UINT_MAX, .block_size = 1024 };

static struct seen seen;
static uint64_t start_device; /* of the argument that is being walked */
static uint64_t total_bytes;
static bool many_arguments;
static int status;

static struct adu_folder *adu_folder(struct walk_folder *f)
{
	return CONTAINER_OF(f, struct adu_folder, walk);
}

static uint64_t device_of(const struct statx *stat)
{
	return (uint64_t)stat->stx_dev_major << 32 | stat->stx_dev_minor;
}

/* Where a file is in the table, or would be. An inode number of 0 marks what is free. */
static struct seen_file *seen_find(const struct seen *s, uint64_t inode, uint64_t device)
{
	size_t at = (inode * UINT64_C(0x9e3779b97f4a7c15) ^ device) & (s->size - 1);

	while (s->file[at].inode != 0 &&
	       (s->file[at].inode != inode || s->file[at].device != device))
		at = (at + 1) & (s->size - 1);
	return &s->file[at];
}

static void seen_grow(struct seen *s)
{
	struct seen old = *s;

	s->size = old.size ? old.size * 2 : 1024;
	s->file = job_allocate(s->size * sizeof(*s->file));
	for (size_t i = 0; i < old.size; i++)
		if (old.file[i].inode != 0)
			*seen_find(s, old.file[i].inode, old.file[i].device) = old.file[i];
	free(old.file);
}

/* True the first time. */
static bool seen_add(struct seen *s, const struct statx *stat)
{
	struct seen_file *f;

	if (stat->stx_ino == 0)
		return true; /* not a number by which to know a file again */
	if (s->count * 2 >= s->size)
		seen_grow(s);
	f = seen_find(s, stat->stx_ino, device_of(stat));
	if (f->inode != 0)
		return false;
	*f = (struct seen_file){ .inode = stat->stx_ino, .device = device_of(stat) };
	s->count++;
	return true;
}

/* As people read it: three digits at most, rounded up: 1023, 9.9K, 10K, 1.0M. */
static void print_human(uint64_t bytes)
{
	static const char units[] = " KMGTPE";
	const char *letter = units;
	uint64_t unit = 1;
	uint64_t whole, tenths;

	for (; bytes / unit >= 1024; letter++)
		unit *= 1024;
	tenths = bytes / unit * 10 + (bytes % unit * 10 + unit - 1) / unit;
	whole = bytes / unit + (bytes % unit != 0);
	if (whole == 1024) {
		whole = 1;
		tenths = 10;
		letter++;
	}
	if (letter == units)
		printf("%llu", (unsigned long long)bytes);
	else if (tenths < 100)
		printf("%llu.%llu%c", (unsigned long long)tenths / 10,
		       (unsigned long long)tenths % 10, *letter);
	else
		printf("%llu%c", (unsigned long long)whole, *letter);
}

static void print_line(uint64_t bytes, const char *path)
{
	if (options.human)
		print_human(bytes);
	else
		printf("%llu", (unsigned long long)(bytes / options.block_size +
						    (bytes % options.block_size != 0)));
	printf("\t%s\n", path);
}

static void complain(const char *what, char *path, int error)
{
	errno = error;
	warn("%s '%s'", what, path);
	free(path);
	status = 1;
}

static uint64_t bytes_of(const struct statx *stat)
{
	return options.apparent ? stat->stx_size : stat->stx_blocks * 512;
}

/* A file, or the first word on a folder. */
static void count(struct walk_entry *entry)
{
	uint64_t bytes = bytes_of(&entry->stat);
	bool argument = entry->in == &entry->walk->top;
	unsigned int depth = argument ? 0 : entry->in->depth + 1;

	if (S_ISDIR(entry->stat.stx_mode)) {
		adu_folder(walk_descend(entry))->bytes = bytes;
		return;
	}
	if (argument)
		total_bytes += bytes;
	else
		adu_folder(entry->in)->bytes += bytes;
	if ((options.all || argument) && depth <= options.depth_max) {
		char *path = walk_path(entry);

		print_line(bytes, path);
		free(path);
	}
}

/* Each file counts once, whatever the number of its names. */
static bool is_new(const struct statx *stat)
{
	if (options.count_links)
		return true;
	if (!many_arguments && (S_ISDIR(stat->stx_mode) || stat->stx_nlink < 2))
		return true;
	return seen_add(&seen, stat);
}

static void found(struct walk_entry *entry)
{
	const struct statx *stat = &entry->stat;

	if (entry->error) {
		complain("cannot access", walk_path(entry), entry->error);
	} else {
		if (entry->in == &entry->walk->top)
			start_device = device_of(stat);
		if ((!options.one_file_system || device_of(stat) == start_device) && is_new(stat))
			count(entry);
	}
	walk_done(entry);
}

static void folder_failed(struct walk_folder *f, int error)
{
	complain("cannot read directory", folder_path(&f->folder, NULL), error);
}

static void folder_left(struct walk_folder *f)
{
	uint64_t bytes = adu_folder(f)->bytes;

	if (f->depth <= options.depth_max) {
		char *path = folder_path(&f->folder, NULL);

		print_line(bytes, path);
		free(path);
	}
	if (f->depth == 0)
		total_bytes += bytes;
	else
		CONTAINER_OF(f->folder.parent, struct adu_folder, walk.folder)->bytes += bytes;
	walk_left(f);
}

static const char help[] =
	"usage: adu [OPTION]... [FILE]...\n"
	"Print the space that each FILE takes, folders with all that is beneath them, like du.\n"
	"Without FILE, the working directory. A file with several names is counted once.\n"
	"A folder's line comes after those of what is in it; else lines are in no fixed order.\n"
	"\n"
	"  -a, --all               a line for files, too, not only for folders\n"
	"      --apparent-size     how much could be read, not what the disk holds\n"
	"  -b, --bytes             --apparent-size, counted in bytes\n"
	"  -c, --total             the sum of all FILEs at the end\n"
	"  -d, --max-depth=N       lines only for what is at most N levels below a FILE\n"
	"  -h, --human-readable    sizes like 1.5K, 20M, 3G\n"
	"  -k                      sizes in KiB (that is how it is without -b or -h)\n"
	"  -l, --count-links       count a file once for each of its names\n"
	"  -s, --summarize         one line for each FILE: --max-depth=0\n"
	"  -x, --one-file-system   leave out what is on another file system than FILE\n"
	"  -j, --jobs=N            ask for N files at a time (1 to 2048; 256)\n"
	"      --help              print this and leave\n"
	"\n"
	"The exit status is 0, or 1 if something could not be read.\n";

enum { OPTION_APPARENT = 256, OPTION_HELP };

static void option(int letter, unsigned int *jobs)
{
	switch (letter) {
	case 'a':
		options.all = true;
		break;
	case OPTION_APPARENT:
		options.apparent = true;
		break;
	case 'b':
		options.apparent = true;
		options.human = false;
		options.block_size = 1;
		break;
	case 'c':
		options.total = true;
		break;
	case 'd':
		options.depth_max = option_number(optarg, "--max-depth", 0, UINT_MAX);
		break;
	case 'h':
		options.human = true;
		break;
	case 'k':
		options.human = false;
		options.block_size = 1024;
		break;
	case 'l':
		options.count_links = true;
		break;
	case 's':
		options.depth_max = 0;
		break;
	case 'x':
		options.one_file_system = true;
		break;
	case 'j':
		*jobs = option_number(optarg, "--jobs", 1, ENTRIES_MAX);
		break;
	case OPTION_HELP:
		fputs(help, stdout);
		exit(0);
	default:
		fputs("Try 'adu --help'.\n", stderr);
		exit(1);
	}
}

static unsigned int parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "apparent-size", no_argument, NULL, OPTION_APPARENT },
		{ "bytes", no_argument, NULL, 'b' },
		{ "total", no_argument, NULL, 'c' },
		{ "max-depth", required_argument, NULL, 'd' },
		{ "human-readable", no_argument, NULL, 'h' },
		{ "count-links", no_argument, NULL, 'l' },
		{ "summarize", no_argument, NULL, 's' },
		{ "one-file-system", no_argument, NULL, 'x' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "help", no_argument, NULL, OPTION_HELP },
		{ NULL, 0, NULL, 0 },
	};
	unsigned int jobs = ENTRIES_DEFAULT;
	int letter;

	while ((letter = getopt_long(argc, argv, "abcd:hklsxj:", names, NULL)) != -1)
		option(letter, &jobs);
	if (options.all && options.depth_max == 0)
		errx(1, "either all files or a summary: -a and -s exclude each other");
	return jobs;
}

int main(int argc, char **argv)
{
	static char dot[] = ".";
	static char *here[] = { dot, NULL };
	struct walk_program program = {
		.folder_size = sizeof(struct adu_folder),
		.entry_size = sizeof(struct walk_entry),
		.entry_calls = 1,
		.descriptors = 1,
		.entries_max = parse(argc, argv),
		.statx_mask = STATX_TYPE | STATX_INO | STATX_NLINK | STATX_SIZE | STATX_BLOCKS,
		.found = found,
		.enter = walk_read,
		.leave = folder_left,
		.failed = folder_failed,
	};
	char **file = optind < argc ? argv + optind : here;
	struct walk walk;
	int r;

	many_arguments = file[0] && file[1];
	r = walk_open(&walk, &program);
	if (r < 0)
		errx(1, "hascall_open: %s", strerror(-r));
	for (; *file; file++)
		walk_run(&walk, *file);
	walk_close(&walk);
	free(seen.file);
	if (options.total)
		print_line(total_bytes, "total");
	if (fflush(stdout) != 0 || ferror(stdout))
		err(1, "standard output");
	return status;
}

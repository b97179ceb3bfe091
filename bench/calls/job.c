/* SPDX-License-Identifier: MIT */
#include "bench/calls/job.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FOLDERS 8u
#define FOLDER_FILES 300u
#define LIST_SIZE 1024u /* bytes a getdents64 asks for: some 30 names */

const struct bench_case bench_cases[] = {
	{ "getppid", { STEP_GETPPID }, 1, 0 },
	{ "statx", { STEP_STATX }, 1, 0 },
	{ "pread", { STEP_PREAD }, 1, 0 },
	{ "open+close", { STEP_OPEN, STEP_CLOSE }, 2, 0 },
	{ "getdents64", { STEP_GETDENTS }, 1, 0 },
	{ "open+read+close", { STEP_OPEN, STEP_PREAD, STEP_CLOSE }, 3, CASE_CHAIN },
	{ "link+unlink", { STEP_LINK, STEP_UNLINK }, 2, CASE_NAMES },
	{ "mkdir+rmdir", { STEP_MKDIR, STEP_RMDIR }, 2, CASE_NAMES },
	{ "rename", { STEP_RENAME }, 1, CASE_NAMES },
	{ "fsync", { STEP_FSYNC }, 1, CASE_DIRTY },
	{ "sleep 1 ms", { STEP_SLEEP }, 1, 0 },
};
const uint32_t bench_case_count = ARRAY_COUNT(bench_cases);

static const struct timespec sleep_time = { .tv_nsec = SLEEP_NS };

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("cell: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

const struct bench_case *case_find(const char *name)
{
	for (uint32_t i = 0; i < bench_case_count; i++)
		if (strcmp(bench_cases[i].name, name) == 0)
			return &bench_cases[i];
	return NULL;
}

/* Files differ in size, so that a result that belongs to another job is seen. */
static off_t file_size(uint32_t index)
{
	return (off_t)READ_SIZE + index;
}

static void file_make(const char *path, uint32_t index)
{
	static char block[READ_SIZE];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	snprintf(block, sizeof(block), "file %u", index);
	if (fd < 0 || write(fd, block, sizeof(block)) != READ_SIZE ||
	    ftruncate(fd, file_size(index)) < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

static void folder_make(const char *path)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		die("%s: %s", path, strerror(errno));
}

static void empty_make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		die("%s: %s", path, strerror(errno));
	close(fd);
}

void files_make(void)
{
	char path[64];

	for (uint32_t i = 0; i < JOBS_MAX; i++) {
		snprintf(path, sizeof(path), "f%04u", i);
		file_make(path, i);
	}
	for (uint32_t i = 0; i < FOLDERS; i++) {
		snprintf(path, sizeof(path), "d%02u", i);
		folder_make(path);
		for (uint32_t k = 0; k < FOLDER_FILES; k++) {
			snprintf(path, sizeof(path), "d%02u/name%04u", i, k);
			empty_make(path);
		}
	}
}

void names_make(void)
{
	char path[64];

	for (uint32_t i = 0; i < JOBS_MAX; i++) {
		snprintf(path, sizeof(path), "n%04u", i);
		folder_make(path);
		snprintf(path, sizeof(path), "n%04u/a", i);
		empty_make(path);
	}
}

static bool uses(const struct bench_case *what, enum step step)
{
	for (uint32_t i = 0; i < what->step_count; i++)
		if (what->step[i] == step)
			return true;
	return false;
}

static void job_names(struct job *job)
{
	bool names = job->what->flags & CASE_NAMES;

	snprintf(job->name[0], sizeof(job->name[0]), names ? "n%04u/a" : "f%04u", job->index);
	snprintf(job->name[1], sizeof(job->name[1]), "n%04u/b", job->index);
	job->path = job->name[0];
	job->new_path = job->name[1];
	if (!names)
		return;
	/* A run before this one may have been stopped halfway. */
	if (access(job->path, F_OK) < 0)
		rename(job->new_path, job->path);
	unlink(job->new_path);
	rmdir(job->new_path);
}

static void job_open(struct job *job)
{
	char folder[16];

	job_names(job);
	job->fd = -1;
	if (uses(job->what, STEP_OPEN))
		return;
	if (uses(job->what, STEP_GETDENTS)) {
		snprintf(folder, sizeof(folder), "d%02u", job->index % FOLDERS);
		job->fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else if (uses(job->what, STEP_PREAD) || uses(job->what, STEP_FSYNC)) {
		job->fd = open(job->path, O_RDWR | O_CLOEXEC);
	} else {
		return;
	}
	if (job->fd < 0)
		die("%s: %s", job->path, strerror(errno));
}

struct job *jobs_open(const struct bench_case *what, uint32_t count)
{
	struct job *jobs = calloc(count, sizeof(*jobs));
	char *buffers = aligned_alloc(READ_SIZE, (size_t)count * READ_SIZE);
	struct rlimit limit;

	if (!jobs || !buffers)
		die("no memory");
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	memset(buffers, 0, (size_t)count * READ_SIZE);
	for (uint32_t i = 0; i < count; i++) {
		jobs[i].what = what;
		jobs[i].index = i;
		jobs[i].buffer = buffers + (size_t)i * READ_SIZE;
		job_open(&jobs[i]);
		if (what->step_count == 1 && (uses(what, STEP_STATX) || uses(what, STEP_PREAD)))
			job_call(&jobs[i]); /* into the caches */
	}
	return jobs;
}

void jobs_close(struct job *jobs, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (jobs[i].fd >= 0)
			close(jobs[i].fd);
	free(jobs[0].buffer);
	free(jobs);
}

void jobs_dirty(struct job *jobs, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (pwrite(jobs[i].fd, "f", 1, 0) != 1)
			die("%s: %s", jobs[i].path, strerror(errno));
}

void job_wipe(struct job *job)
{
	memset(job->buffer, 0, READ_SIZE);
}

bool job_plausible(const struct job *job, int64_t ret)
{
	switch (job_step(job)) {
	case STEP_GETPPID:
	case STEP_OPEN:
	case STEP_GETDENTS:
		return ret >= 0;
	case STEP_PREAD:
		return ret == READ_SIZE;
	default:
		return ret == 0;
	}
}

static bool check_list(const char *buffer, int64_t size)
{
	const struct dirent64 *first = (const void *)buffer;

	/* An end of the folder lists nothing. */
	return size == 0 || (size <= LIST_SIZE && first->d_reclen >= 24 && first->d_name[0] != 0);
}

static bool check_open(const struct job *job, int fd)
{
	struct stat by_fd, by_name;

	return fstat(fd, &by_fd) == 0 && stat(job->path, &by_name) == 0 &&
	       by_fd.st_ino == by_name.st_ino;
}

static bool check_data(const struct job *job)
{
	char wanted[32];

	snprintf(wanted, sizeof(wanted), "file %u", job->index);
	return strcmp(job->buffer, wanted) == 0;
}

bool job_check(const struct job *job, int64_t ret)
{
	const struct statx *status = (const void *)job->buffer;

	if (!job_plausible(job, ret))
		return false;
	switch (job_step(job)) {
	case STEP_GETPPID:
		return ret == 0 || ret == getppid(); /* io_uring's nop gives 0 */
	case STEP_STATX:
		return status->stx_size == (uint64_t)file_size(job->index);
	case STEP_PREAD:
		return check_data(job);
	case STEP_OPEN:
		return job->what->flags & CASE_CHAIN || check_open(job, (int)ret);
	case STEP_GETDENTS:
		return check_list(job->buffer, ret);
	case STEP_MKDIR:
	case STEP_LINK:
		return access(job->new_path, F_OK) == 0;
	case STEP_RMDIR:
	case STEP_UNLINK:
		return access(job->new_path, F_OK) < 0;
	case STEP_RENAME:
		return access(job->new_path, F_OK) == 0 && access(job->path, F_OK) < 0;
	default:
		return true;
	}
}

bool job_advance(struct job *job, int64_t ret)
{
	const char *path = job->path;

	switch (job_step(job)) {
	case STEP_OPEN:
		job->fd = (int)ret;
		break;
	case STEP_CLOSE:
		job->fd = -1;
		break;
	case STEP_RENAME:
		job->path = job->new_path;
		job->new_path = path;
		break;
	case STEP_GETDENTS:
		if (ret == 0)
			lseek(job->fd, 0, SEEK_SET);
		break;
	default:
		break;
	}
	if (++job->step < job->what->step_count)
		return false;
	job->step = 0;
	return true;
}

uint32_t job_number(const struct job *job)
{
	static const uint32_t number[STEP_NR] = {
		[STEP_GETPPID] = SYS_getppid,	    [STEP_STATX] = SYS_statx,
		[STEP_PREAD] = SYS_pread64,	    [STEP_OPEN] = SYS_openat,
		[STEP_CLOSE] = SYS_close,	    [STEP_GETDENTS] = SYS_getdents64,
		[STEP_FSYNC] = SYS_fsync,	    [STEP_MKDIR] = SYS_mkdirat,
		[STEP_RMDIR] = SYS_unlinkat,	    [STEP_RENAME] = SYS_renameat,
		[STEP_LINK] = SYS_linkat,	    [STEP_UNLINK] = SYS_unlinkat,
		[STEP_SLEEP] = SYS_clock_nanosleep,
	};

	return number[job_step(job)];
}

static uint64_t address(const volatile void *pointer)
{
	return (uintptr_t)pointer;
}

static void set(uint64_t *arg, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	arg[0] = a0;
	arg[1] = a1;
	arg[2] = a2;
	arg[3] = a3;
}

void job_arguments(const struct job *job, uint64_t ret_arg[6])
{
	const uint64_t here = (uint64_t)AT_FDCWD, path = address(job->path);
	const uint64_t buffer = address(job->buffer);

	ret_arg[4] = ret_arg[5] = 0;
	switch (job_step(job)) {
	case STEP_STATX:
		set(ret_arg, here, path, 0, STATX_BASIC_STATS);
		ret_arg[4] = buffer;
		break;
	case STEP_PREAD:
		set(ret_arg, (uint64_t)job->fd, buffer, READ_SIZE, 0);
		break;
	case STEP_OPEN:
		set(ret_arg, here, path, O_RDONLY | O_CLOEXEC, 0);
		break;
	case STEP_GETDENTS:
		set(ret_arg, (uint64_t)job->fd, buffer, LIST_SIZE, 0);
		break;
	case STEP_MKDIR:
		set(ret_arg, here, address(job->new_path), 0755, 0);
		break;
	case STEP_RMDIR:
		set(ret_arg, here, address(job->new_path), AT_REMOVEDIR, 0);
		break;
	case STEP_UNLINK:
		set(ret_arg, here, address(job->new_path), 0, 0);
		break;
	case STEP_RENAME:
	case STEP_LINK:
		set(ret_arg, here, path, here, address(job->new_path));
		break;
	case STEP_SLEEP:
		set(ret_arg, CLOCK_MONOTONIC, 0, address(&sleep_time), 0);
		break;
	default: /* close, fsync; getppid looks at nothing */
		set(ret_arg, (uint64_t)job->fd, 0, 0, 0);
		break;
	}
}

int64_t job_call(const struct job *job)
{
	int64_t r;

	switch (job_step(job)) {
	case STEP_GETPPID:
		r = getppid();
		break;
	case STEP_STATX:
		r = statx(AT_FDCWD, job->path, 0, STATX_BASIC_STATS, (void *)job->buffer);
		break;
	case STEP_PREAD:
		r = pread(job->fd, job->buffer, READ_SIZE, 0);
		break;
	case STEP_OPEN:
		r = open(job->path, O_RDONLY | O_CLOEXEC);
		break;
	case STEP_CLOSE:
		r = close(job->fd);
		break;
	case STEP_GETDENTS:
		r = getdents64(job->fd, job->buffer, LIST_SIZE);
		break;
	case STEP_FSYNC:
		r = fsync(job->fd);
		break;
	case STEP_MKDIR:
		r = mkdir(job->new_path, 0755);
		break;
	case STEP_RMDIR:
		r = rmdir(job->new_path);
		break;
	case STEP_RENAME:
		r = rename(job->path, job->new_path);
		break;
	case STEP_LINK:
		r = link(job->path, job->new_path);
		break;
	case STEP_UNLINK:
		r = unlink(job->new_path);
		break;
	case STEP_SLEEP:
		r = nanosleep(&sleep_time, NULL);
		break;
	default:
		r = -1;
		errno = ENOSYS;
		break;
	}
	return r < 0 ? -errno : r;
}

/* SPDX-License-Identifier: MIT */
/*
 * acp_file.c - copies of regular files. Layer: examples.
 *
 * A small file is one chain, posted at once:
 *
 *	openat(source) -> openat(new target) -> read -> write [-> attributes] -> close -> close
 *
 * What is too big for that, or exists already, or turns out to have another size than
 * its folder said, goes the long way, a step at a time:
 *
 *	openat -> openat -> statx   both files, and that they are not the same one
 *	ftruncate                   what was there before
 *	lseek -> lseek              where data begin and end, in a file with holes
 *	copy_file_range             or pread -> pwrite where the kernel cannot do that
 *	[attributes ->] close -> close
 *
 * Way down: copy_file -> small -> small_done; long_way -> long_opened -> copy_on -> finish.
 */
#include "examples/acp.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RANGE_SIZE (8 << 20) /* of one copy_file_range */

static struct copy *copy_of(struct job *job)
{
	return CONTAINER_OF(job, struct copy, entry.job);
}

static const struct statx *stat_of(const struct copy *copy)
{
	return &copy->entry.stat;
}

static struct hascall_call open_source(const struct copy *copy)
{
	return hascall_call_openat(copy->entry.in->folder.fd, copy->entry.name,
				   O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
}

static struct hascall_call open_target(const struct copy *copy, int flags)
{
	return hascall_call_openat(copy->target->fd, copy->target_name,
				   O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags,
				   stat_of(copy)->stx_mode & 0777);
}

/* The descriptor is that of the target; a chain that opens it itself gave it in result TARGET. */
enum { SOURCE, TARGET, READ, WRITE, SMALL_END };

static struct hascall_call *add_for_target(struct copy *copy, struct copy_chain *chain,
					   struct hascall_call call)
{
	struct hascall_call *last = chain_add(chain, call);

	if (copy->target_fd < 0)
		chain_take(chain, 0, TARGET);
	return last;
}

/* Each of these begins whatever became of those before. */
static void add_attributes(struct copy *copy, struct copy_chain *chain)
{
	const struct statx *stat = stat_of(copy);
	int fd = copy->target_fd;

	if (copy_options.uid == 0)
		hascall_always(add_for_target(
			copy, chain, hascall_call_fchown(fd, stat->stx_uid, stat->stx_gid)));
	hascall_always(add_for_target(copy, chain, hascall_call_fchmod(fd, copy_mode(stat))));
	hascall_always(
		add_for_target(copy, chain, hascall_call_utimensat(fd, NULL, copy->times, 0)));
}

static void add_close(struct copy *copy, struct copy_chain *chain)
{
	hascall_always(chain_add(chain, hascall_call_close(copy->source_fd)));
	if (copy->source_fd < 0)
		chain_take(chain, 0, SOURCE);
	hascall_always(add_for_target(copy, chain, hascall_call_close(copy->target_fd)));
}

/* The last results of a chain: those of the attributes from index first on, and of close. */
static void check_end(const struct copy *copy, uint32_t first)
{
	int64_t closed = copy->entry.job.result[copy->chain.count - 1];

	copy_check_attributes(copy, first, copy->chain.count - 2);
	if (closed < 0 && closed != -ECANCELED)
		copy_target_failed(copy, "error closing", closed);
}

/* The long way. */

static void closed(struct job *job)
{
	struct copy *copy = copy_of(job);

	check_end(copy, 0);
	copy_done(copy);
}

static void finish(struct copy *copy)
{
	struct copy_chain *chain = chain_new(copy);

	if (copy_options.preserve && !copy->failed)
		add_attributes(copy, chain);
	add_close(copy, chain);
	chain_start(copy, closed);
}

static void failed(struct copy *copy, bool is_source, const char *what, int64_t result)
{
	if (is_source)
		copy_source_failed(copy, what, result);
	else
		copy_target_failed(copy, what, result);
	copy->failed = true;
	finish(copy);
}

static void resized(struct job *job)
{
	struct copy *copy = copy_of(job);

	if (job->result[0] < 0)
		failed(copy, false, "cannot extend", job->result[0]);
	else
		finish(copy);
}

/* All data are there; what remains is a hole, or nothing. */
static void reached_end(struct copy *copy)
{
	int64_t size = (int64_t)stat_of(copy)->stx_size;
	struct copy_chain *chain = chain_new(copy);

	if (copy->at >= size || copy->data_end == INT64_MAX) {
		finish(copy);
		return;
	}
	chain_add(chain, hascall_call_ftruncate(copy->target_fd, size));
	chain_start(copy, resized);
}

static void copy_on(struct copy *copy);

static void written(struct job *job)
{
	struct copy *copy = copy_of(job);

	if (job->result[0] < 0) {
		failed(copy, true, "error reading", job->result[0]);
	} else if (job->result[0] == 0) {
		reached_end(copy);
	} else if (job->result[1] < 0) {
		failed(copy, false, "error writing", job->result[1]);
	} else {
		copy->at += job->result[1]; /* what a short write left is read again */
		copy_on(copy);
	}
}

static bool cannot_copy_ranges(int64_t result)
{
	return result == -EXDEV || result == -EINVAL || result == -ENOSYS ||
	       result == -EOPNOTSUPP || result == -EPERM || result == -EBADF;
}

static void range_copied(struct job *job)
{
	struct copy *copy = copy_of(job);
	int64_t result = job->result[0];

	/* Files of /proc and the like have nothing to copy, and yet something to read. */
	if (cannot_copy_ranges(result) || (result == 0 && copy->at == 0)) {
		copy->plain = true;
		copy_on(copy);
	} else if (result < 0) {
		failed(copy, false, "error copying to", result);
	} else if (result == 0) {
		reached_end(copy);
	} else {
		copy->at += result;
		copy_on(copy);
	}
}

static void data_found(struct job *job)
{
	struct copy *copy = copy_of(job);

	if (job->result[0] == -ENXIO) { /* a hole up to the end */
		copy->data_end = copy->at;
		reached_end(copy);
		return;
	}
	if (job->result[0] < 0 || job->result[1] <= job->result[0]) {
		copy->data_end = INT64_MAX; /* the file system cannot tell */
	} else {
		copy->at = job->result[0];
		copy->data_end = job->result[1];
	}
	copy_on(copy);
}

/* The next step towards the end of the file. */
static void copy_on(struct copy *copy)
{
	struct copy_chain *chain = chain_new(copy);
	int64_t left = copy->data_end - copy->at;
	size_t size = left < RANGE_SIZE ? (size_t)left : RANGE_SIZE;

	if (left <= 0) {
		chain_add(chain, hascall_call_lseek(copy->source_fd, copy->at, SEEK_DATA));
		chain_add(chain, hascall_call_lseek(copy->source_fd, 0, SEEK_HOLE));
		chain_take(chain, 1, 0);
		chain_start(copy, data_found);
	} else if (copy->plain) {
		char *buffer = copy_buffer(copy);

		size = size < COPY_BUFFER ? size : COPY_BUFFER;
		chain_add(chain, hascall_call_pread(copy->source_fd, buffer, size, copy->at));
		chain_add(chain, hascall_call_pwrite(copy->target_fd, buffer, 0, copy->at));
		chain_take(chain, 2, 0); /* as much as was read */
		chain_start(copy, written);
	} else {
		copy->source_at = copy->at;
		copy->target_at = copy->at;
		chain_add(chain,
			  hascall_call_copy_file_range(copy->source_fd, &copy->source_at,
						       copy->target_fd, &copy->target_at, size, 0));
		chain_start(copy, range_copied);
	}
}

static void emptied(struct job *job)
{
	struct copy *copy = copy_of(job);
	const struct statx *stat = stat_of(copy);
	bool holes = stat->stx_blocks * 512 < stat->stx_size;

	if (job->result[0] < 0) {
		failed(copy, false, "cannot truncate", job->result[0]);
		return;
	}
	copy->at = 0;
	copy->data_end = holes ? 0 : INT64_MAX;
	copy_on(copy);
}

static bool same_file(const struct statx *a, const struct statx *b)
{
	return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major &&
	       a->stx_dev_minor == b->stx_dev_minor;
}

static void long_opened(struct job *job)
{
	struct copy *copy = copy_of(job);
	struct copy_chain *chain = chain_new(copy);

	copy->source_fd = (int)job->result[0];
	copy->target_fd = (int)job->result[1];
	if (copy->source_fd < 0) {
		copy_source_failed(copy, "cannot open", job->result[0]);
		copy_done(copy);
	} else if (copy->target_fd < 0) {
		copy_target_failed(copy, "cannot create regular file", job->result[1]);
		close(copy->source_fd);
		copy_done(copy);
	} else if (job->result[2] < 0) {
		failed(copy, false, "cannot stat", job->result[2]);
	} else if (same_file(stat_of(copy), &copy->target_stat)) {
		failed(copy, false, "it is the source itself:", -EEXIST);
	} else if (!S_ISREG(copy->target_stat.stx_mode)) {
		failed(copy, false, "not a regular file:", -EEXIST);
	} else {
		chain_add(chain, hascall_call_ftruncate(copy->target_fd, 0));
		chain_start(copy, emptied);
	}
}

static void long_way(struct copy *copy, bool plain)
{
	struct copy_chain *chain = chain_new(copy);

	copy->plain = plain;
	copy->failed = false;
	chain_add(chain, open_source(copy));
	chain_add(chain, open_target(copy, 0));
	chain_add(chain, hascall_call_statx(0, "", AT_EMPTY_PATH, STATX_TYPE | STATX_INO,
					    &copy->target_stat));
	chain_take(chain, 0, TARGET);
	chain_start(copy, long_opened);
}

/* A small file. */

static void small_unlinked(struct job *job)
{
	long_way(copy_of(job), true); /* if it is there still, that will tell why */
}

/* The copy is not complete, and its mode may keep us from opening it once more. */
static void start_again(struct copy *copy)
{
	struct copy_chain *chain = chain_new(copy);

	chain_add(chain, hascall_call_unlinkat(copy->target->fd, copy->target_name, 0));
	chain_start(copy, small_unlinked);
}

static void small_done(struct job *job)
{
	struct copy *copy = copy_of(job);
	const int64_t *result = job->result;

	if (result[SOURCE] < 0) {
		copy_source_failed(copy, "cannot open", result[SOURCE]);
	} else if (result[TARGET] == -EEXIST) {
		long_way(copy, false);
		return;
	} else if (result[TARGET] < 0) {
		copy_target_failed(copy, "cannot create regular file", result[TARGET]);
	} else if (result[READ] < 0) {
		copy_source_failed(copy, "error reading", result[READ]);
	} else if (result[WRITE] < 0) {
		copy_target_failed(copy, "error writing", result[WRITE]);
	} else if ((uint64_t)result[READ] != stat_of(copy)->stx_size ||
		   result[WRITE] != result[READ]) {
		start_again(copy); /* it grows, or its folder does not know its size */
		return;
	} else {
		check_end(copy, SMALL_END);
	}
	copy_done(copy);
}

static void small(struct copy *copy)
{
	struct copy_chain *chain = chain_new(copy);
	char *buffer = copy_buffer(copy);

	copy->source_fd = -1; /* not known here: taken from the chain's results */
	copy->target_fd = -1;
	chain_add(chain, open_source(copy));
	chain_add(chain, open_target(copy, O_EXCL));
	chain_add(chain, hascall_call_read(-1, buffer, COPY_BUFFER));
	chain_take(chain, 0, SOURCE);
	chain_add(chain, hascall_call_write(-1, buffer, 0));
	chain_take(chain, 0, TARGET);
	chain_take(chain, 2, READ); /* as much as was read */
	if (copy_options.preserve)
		add_attributes(copy, chain);
	add_close(copy, chain);
	chain_start(copy, small_done);
}

void copy_file(struct copy *copy)
{
	if (stat_of(copy)->stx_size < COPY_BUFFER)
		small(copy);
	else
		long_way(copy, false);
}

/* SPDX-License-Identifier: MIT */
/*
 * acp_special.c - copies of what is no file and no folder: symbolic links, fifos, sockets,
 * devices. Layer: examples.
 *
 * A link is one chain, readlinkat -> symlinkat: the buffer that goes from one to the
 * other is zeros before, so what is read into it ends with one.
 *
 * Way down: copy_special -> create -> created.
 */
#include "examples/acp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

static bool is_link(const struct copy *copy)
{
	return S_ISLNK(copy->entry.stat.stx_mode);
}

/* What -p adds to the chain: by name, as a link cannot be opened. */
static void add_attributes(struct copy *copy, struct copy_chain *chain)
{
	const struct statx *stat = &copy->entry.stat;
	const char *name = copy->target_name;
	int dir = copy->target->fd;

	if (!copy_options.preserve)
		return;
	if (copy_options.uid == 0)
		chain_add(chain, hascall_call_fchownat(dir, name, stat->stx_uid, stat->stx_gid,
						       AT_SYMLINK_NOFOLLOW));
	if (!is_link(copy))
		chain_add(chain, hascall_call_fchmodat(dir, name, copy_mode(stat)));
	chain_add(chain, hascall_call_utimensat(dir, name, copy->times, AT_SYMLINK_NOFOLLOW));
}

static struct hascall_call make_node(const struct copy *copy)
{
	const struct statx *stat = &copy->entry.stat;
	dev_t device = makedev(stat->stx_rdev_major, stat->stx_rdev_minor);

	return hascall_call_mknodat(copy->target->fd, copy->target_name,
				    stat->stx_mode & (S_IFMT | 0777), (unsigned int)device);
}

static void created(struct job *job)
{
	struct copy *copy = CONTAINER_OF(job, struct copy, entry.job);
	uint32_t create = is_link(copy) ? 1 : 0;

	if (is_link(copy) && job->result[0] < 0)
		copy_source_failed(copy, "cannot read symbolic link", job->result[0]);
	else if (job->result[create] < 0)
		copy_target_failed(copy, "cannot create", job->result[create]);
	else
		copy_check_attributes(copy, create + 1, copy->chain.count);
	copy_done(copy);
}

static void create(struct copy *copy, job_step *next)
{
	struct copy_chain *chain = chain_new(copy);

	if (is_link(copy)) {
		char *buffer = memset(copy_buffer(copy), 0, PATH_MAX);

		chain_add(chain, hascall_call_readlinkat(copy->entry.in->folder.fd,
							 copy->entry.name, buffer, PATH_MAX - 1));
		chain_add(chain,
			  hascall_call_symlinkat(buffer, copy->target->fd, copy->target_name));
	} else {
		chain_add(chain, make_node(copy));
	}
	add_attributes(copy, chain);
	chain_start(copy, next);
}

static void unlinked(struct job *job)
{
	struct copy *copy = CONTAINER_OF(job, struct copy, entry.job);

	if (job->result[0] < 0) {
		copy_target_failed(copy, "cannot replace", job->result[0]);
		copy_done(copy);
		return;
	}
	create(copy, created);
}

/* Something of that name is there: as cp does, it makes way, if it is no folder. */
static void created_first(struct job *job)
{
	struct copy *copy = CONTAINER_OF(job, struct copy, entry.job);
	struct copy_chain *chain = chain_new(copy);

	if (job->result[is_link(copy) ? 1 : 0] != -EEXIST) {
		created(job);
		return;
	}
	chain_add(chain, hascall_call_unlinkat(copy->target->fd, copy->target_name, 0));
	chain_start(copy, unlinked);
}

void copy_special(struct copy *copy)
{
	create(copy, created_first);
}

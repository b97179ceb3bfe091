/* SPDX-License-Identifier: MIT */
#ifndef FILE_PIPE_H
#define FILE_PIPE_H
/*
 * pipe.h - the ring that pipes and fifos share. Layer: file, inside only.
 *
 *   P1  used <= capacity, head < capacity.   P2  an anonymous pipe has a reader or a writer.
 *
 * Owner    an anonymous pipe goes with its last end; a fifo's belongs to the inode.
 */
#include "file/file.h"

struct pipe {
	/* the ring */
	uint8_t *ring;
	size_t capacity, head, used;
	/* open ends */
	unsigned int readers, writers;
	/* fifo: opens so far, so that an opener sees an end that has already gone again */
	uint64_t reader_opens, writer_opens;
	bool named;
	/* who waits for what */
	struct waitq data, space, ends;
	struct poll_queue changed;
};

extern const struct file_ops pipe_ops;
MUST_USE int pipe_alloc(bool named, struct pipe **ret);
void pipe_free(void *pipe);
/* An end more; the file's release takes it off. */
void pipe_add_end(struct pipe *p, const struct file *f);

#endif /* FILE_PIPE_H */

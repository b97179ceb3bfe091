/* SPDX-License-Identifier: MIT */
/*
 * fifo.c - open(2) of a fifo: who opens one end waits for the other. What flows
 * is pipe.c's; the ring belongs to the inode.
 */
#include "file/inside.h"
#include "file/pipe.h"

#include <fcntl.h>

static int pipe_of(struct inode *inode, struct pipe **ret)
{
	struct pipe *p = inode->file_state;
	int r = 0;

	if (!p) {
		r = pipe_alloc(true, &p);
		if (r < 0)
			return r;
		inode->file_state = p;
		inode->file_state_free = pipe_free;
	}
	*ret = p;
	return 0;
}

/* Wait until *opens moves on: a count, as the other end may come and go before we run. */
static int wait_for_end(struct pipe *p, const uint64_t *opens) MAY_YIELD
{
	uint64_t before = *opens;
	int r = 0;

	while (r == 0 && *opens == before)
		r = waitq_wait(&p->ends, TASK_FOREVER, WAIT_CANCELLABLE);
	return *opens != before ? 0 : file_wait_result(r);
}

int fifo_open(struct dentry *d, int flags, struct file **ret)
{
	struct pipe *p;
	struct file *f;
	int r;

	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	r = pipe_of(dentry_inode(d), &p);
	if (r < 0)
		return r;
	if ((flags & O_ACCMODE) == O_WRONLY && (flags & O_NONBLOCK) && p->readers == 0)
		return -ENXIO;
	r = file_new_named(&pipe_ops, flags, d, p, &f);
	if (r < 0)
		return r;
	f->position = p->writer_opens; /* for pipe_poll(): writers before it */
	pipe_add_end(p, f);
	waitq_wake_all(&p->ends);
	poll_queue_wake(&p->changed);
	if (!(flags & O_NONBLOCK)) {
		if ((flags & O_ACCMODE) == O_RDONLY && p->writers == 0)
			r = wait_for_end(p, &p->writer_opens);
		else if ((flags & O_ACCMODE) == O_WRONLY && p->readers == 0)
			r = wait_for_end(p, &p->reader_opens);
	}
	if (r < 0) {
		file_put(f);
		return r;
	}
	*ret = f;
	return 0;
}

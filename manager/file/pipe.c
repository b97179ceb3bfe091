/* SPDX-License-Identifier: MIT */
/*
 * pipe.c - a ring of bytes between those who write and those who read.
 *
 * A write of up to PIPE_BUF bytes goes in whole. A wake is passed on: who was
 * woken and leaves something over wakes the next of its kind, so one wake a
 * change is enough however many wait.
 */
#include "file/pipe.h"

#include "file/inside.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define PIPE_SIZE_MAX (1024u * 1024u)
#define PIPE_SIZE_MIN 4096u
#define PIPE_MEMORY_SOFT (64u * 1024u * 1024u) /* of all rings; then only small ones are made */

static size_t memory_size; /* of all rings */

static void pipe_check(const struct pipe *p)
{
	assert(p->used <= p->capacity); /* P1 */
	assert(p->head < p->capacity);	/* P1 */
}

int pipe_alloc(bool named, struct pipe **ret)
{
	bool scarce = memory_size + FILE_PIPE_SIZE > PIPE_MEMORY_SOFT;
	struct pipe *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->capacity = scarce ? PIPE_SIZE_MIN : FILE_PIPE_SIZE;
	p->ring = malloc(p->capacity);
	if (!p->ring) {
		free(p);
		return -ENOMEM;
	}
	memory_size += p->capacity;
	p->named = named;
	waitq_init(&p->data);
	waitq_init(&p->space);
	waitq_init(&p->ends);
	poll_queue_init(&p->changed);
	*ret = p;
	return 0;
}

void pipe_free(void *pipe)
{
	struct pipe *p = pipe;

	assert(p->readers == 0 && p->writers == 0);
	assert(poll_queue_empty(&p->changed));
	assert(memory_size >= p->capacity);
	memory_size -= p->capacity;
	free(p->ring);
	free(p);
}

void pipe_add_end(struct pipe *p, const struct file *f)
{
	if (file_readable(f)) {
		p->readers++;
		p->reader_opens++;
	}
	if (file_writable(f)) {
		p->writers++;
		p->writer_opens++;
	}
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t ring_take(struct pipe *p, uint8_t *buf, size_t size)
{
	size_t count = smaller(size, p->used);
	size_t first = smaller(count, p->capacity - p->head);

	memcpy(buf, p->ring + p->head, first);
	memcpy(buf + first, p->ring, count - first);
	p->used -= count;
	/* An empty ring starts again at the front: short messages stay in warm memory. */
	p->head = p->used == 0 ? 0 : (p->head + count) % p->capacity;
	pipe_check(p);
	return count;
}

static void ring_add(struct pipe *p, const uint8_t *buf, size_t size)
{
	size_t tail = (p->head + p->used) % p->capacity;
	size_t first = smaller(size, p->capacity - tail);

	memcpy(p->ring + tail, buf, first);
	memcpy(p->ring, buf + first, size - first);
	p->used += size;
	pipe_check(p);
}

static bool has_space(const struct pipe *p)
{
	return p->capacity - p->used >= PIPE_BUF;
}

static ssize_t pipe_read(struct file *f, void *buf, size_t size, uint64_t *offset) MAY_YIELD
{
	struct pipe *p = f->private_data;
	size_t count;
	int r;

	(void)offset;
	if (size == 0)
		return 0;
	while (p->used == 0) {
		if (p->writers == 0)
			return 0;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		r = waitq_wait(&p->data, TASK_FOREVER, WAIT_CANCELLABLE);
		if (r < 0)
			return file_wait_result(r);
	}
	count = ring_take(p, buf, size);
	if (p->used > 0)
		waitq_wake_one(&p->data);
	if (has_space(p))
		waitq_wake_one(&p->space);
	poll_queue_wake(&p->changed);
	return (ssize_t)count;
}

/* Put in what goes in now: bytes, 0 if it must wait. */
static size_t write_some(struct pipe *p, const uint8_t *buf, size_t size)
{
	size_t space = p->capacity - p->used;

	if (space == 0 || (size <= PIPE_BUF && space < size))
		return 0;
	size = smaller(size, space);
	ring_add(p, buf, size);
	waitq_wake_one(&p->data);
	poll_queue_wake(&p->changed);
	return size;
}

/*
 * A long write whose rest is PIPE_BUF or less puts that rest in whole too; POSIX
 * allows it, and the last wait is the same as the first.
 */
static ssize_t pipe_write(struct file *f, const void *buf, size_t size, uint64_t *offset) MAY_YIELD
{
	struct pipe *p = f->private_data;
	size_t done = 0;
	int r = 0;

	(void)offset;
	while (done < size && r == 0) {
		size_t count;

		if (p->readers == 0) {
			if (file_hooks.sigpipe)
				file_hooks.sigpipe();
			r = -EPIPE;
			break;
		}
		count = write_some(p, (const uint8_t *)buf + done, size - done);
		done += count;
		if (count > 0)
			continue;
		if (f->flags & O_NONBLOCK)
			r = -EAGAIN;
		else
			r = waitq_wait(&p->space, TASK_FOREVER, WAIT_CANCELLABLE);
	}
	if (has_space(p))
		waitq_wake_one(&p->space);
	return done > 0 ? (ssize_t)done : file_wait_result(r);
}

static unsigned int pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->private_data;
	unsigned int events = 0;

	poll_table_add(pt, &p->changed);
	if (file_readable(f)) {
		if (p->used > 0)
			events |= FILE_READY_IN;
		/* A fifo's reader that never met a writer is not hung up. */
		if (p->writers == 0 && !(p->named && f->position == p->writer_opens))
			events |= POLLHUP;
	}
	if (file_writable(f)) {
		if (has_space(p))
			events |= FILE_READY_OUT;
		if (p->readers == 0)
			events |= POLLERR;
	}
	return events;
}

static int pipe_ioctl(struct file *f, unsigned int cmd, void *arg, uint64_t number)
{
	struct pipe *p = f->private_data;
	int used = (int)p->used;

	(void)number;
	if (cmd != FIONREAD)
		return -ENOTTY;
	memcpy(arg, &used, sizeof(used));
	return 0;
}

static int pipe_getattr(struct file *f, struct vfs_attr *ret) MAY_YIELD
{
	if (f->dentry)
		return vfs_getattr(file_inode(f), ret);
	file_nameless_attr(f, S_IFIFO | S_IRUSR | S_IWUSR, ret);
	return 0;
}

static int pipe_set_flags(struct file *f, int flags)
{
	(void)f;
	return flags & O_DIRECT ? -EINVAL : 0; /* no packets */
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->private_data;

	p->readers -= file_readable(f);
	p->writers -= file_writable(f);
	if (p->readers == 0 && p->writers == 0) {
		if (!p->named) {
			pipe_free(p); /* P2 */
			return;
		}
		p->used = 0; /* what nobody read goes with the last end */
		p->head = 0;
	}
	waitq_wake_all(&p->data);
	waitq_wake_all(&p->space);
	poll_queue_wake(&p->changed);
}

/* Opened again through /proc/PID/fd: one end more of the kind asked for. */
static int pipe_reopen(struct file *f, int flags, struct file **ret)
{
	int r;

	if ((flags & O_ACCMODE) == O_ACCMODE || (flags & O_DIRECT))
		return -EINVAL;
	r = file_new(&pipe_ops, flags, f->private_data, ret);
	if (r < 0)
		return r;
	(*ret)->id = f->id;
	pipe_add_end(f->private_data, *ret);
	return 0;
}

const struct file_ops pipe_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.getattr = pipe_getattr,
	.set_flags = pipe_set_flags,
	.reopen = pipe_reopen,
	.release = pipe_release,
	.kind = "pipe",
};

int pipe_new(int flags, struct file *ret[2])
{
	struct file *reader, *writer;
	struct pipe *p;
	int r;

	if (flags & ~(O_NONBLOCK | O_CLOEXEC))
		return -EINVAL;
	r = pipe_alloc(false, &p);
	if (r < 0)
		return r;
	r = file_new(&pipe_ops, O_RDONLY | flags, p, &reader);
	if (r < 0) {
		pipe_free(p);
		return r;
	}
	pipe_add_end(p, reader);
	r = file_new(&pipe_ops, O_WRONLY | flags, p, &writer);
	if (r < 0) {
		file_put(reader);
		return r;
	}
	pipe_add_end(p, writer);
	writer->id = reader->id;
	ret[0] = reader;
	ret[1] = writer;
	return 0;
}

static size_t rounded_size(size_t size)
{
	size_t rounded = PIPE_SIZE_MIN;

	while (rounded < size)
		rounded *= 2;
	return rounded;
}

int pipe_resize(struct file *f, size_t size)
{
	struct pipe *p = f->private_data;
	uint8_t *ring;
	size_t used;

	if (f->ops != &pipe_ops)
		return -EBADF;
	if (size > INT32_MAX)
		return -EINVAL;
	if (size > PIPE_SIZE_MAX)
		return -EPERM;
	size = rounded_size(size);
	if (p->used > size)
		return -EBUSY;
	if (size > p->capacity && memory_size + size - p->capacity > PIPE_MEMORY_SOFT)
		return -EPERM;
	ring = malloc(size);
	if (!ring)
		return -ENOMEM;
	used = ring_take(p, ring, p->used);
	free(p->ring);
	p->ring = ring;
	memory_size = memory_size - p->capacity + size;
	p->capacity = size;
	p->head = 0;
	p->used = used;
	if (has_space(p))
		waitq_wake_one(&p->space);
	poll_queue_wake(&p->changed);
	return (int)size;
}

int pipe_size(struct file *f)
{
	const struct pipe *p = f->private_data;

	return f->ops == &pipe_ops ? (int)p->capacity : -EBADF;
}

/* SPDX-License-Identifier: MIT */
/*
 * eventfd.c - a counter that can be read, written and polled (eventfd(2)).
 */
#include "file/inside.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#define EVENTFD_MAX (UINT64_MAX - 1)

struct eventfd {
	uint64_t value;
	bool semaphore;
	struct poll_queue changed;
};

static ssize_t eventfd_read_value(struct file *f, void *buf, size_t size, uint64_t *offset)
	MAY_YIELD
{
	struct eventfd *e = f->private_data;
	uint64_t taken;
	int r;

	(void)offset;
	if (size < sizeof(taken))
		return -EINVAL;
	while (e->value == 0) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		r = poll_queue_wait(&e->changed, TASK_FOREVER);
		if (r < 0)
			return r;
	}
	taken = e->semaphore ? 1 : e->value;
	e->value -= taken;
	memcpy(buf, &taken, sizeof(taken));
	poll_queue_wake(&e->changed);
	return sizeof(taken);
}

static ssize_t eventfd_write_value(struct file *f, const void *buf, size_t size, uint64_t *offset)
	MAY_YIELD
{
	struct eventfd *e = f->private_data;
	uint64_t added;
	int r;

	(void)offset;
	if (size < sizeof(added))
		return -EINVAL;
	memcpy(&added, buf, sizeof(added));
	if (added == UINT64_MAX)
		return -EINVAL;
	while (EVENTFD_MAX - e->value < added) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		r = poll_queue_wait(&e->changed, TASK_FOREVER);
		if (r < 0)
			return r;
	}
	e->value += added;
	poll_queue_wake(&e->changed);
	return sizeof(added);
}

static size_t eventfd_least_write(const struct file *f)
{
	(void)f;
	return sizeof(uint64_t);
}

static unsigned int eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->private_data;

	poll_table_add(pt, &e->changed);
	/* Without the NORM bits, as Linux tells it. */
	return (e->value > 0 ? POLLIN : 0u) | (e->value < EVENTFD_MAX ? POLLOUT : 0u);
}

static void eventfd_release(struct file *f)
{
	struct eventfd *e = f->private_data;

	assert(poll_queue_empty(&e->changed));
	free(e);
}

static const struct file_ops eventfd_ops = {
	.read = eventfd_read_value,
	.write = eventfd_write_value,
	.least_write = eventfd_least_write,
	.poll = eventfd_poll,
	.release = eventfd_release,
	.kind = "anon_inode:[eventfd]",
};

int eventfd_new(unsigned int value, int flags, struct file **ret)
{
	struct eventfd *e;
	int r;

	if (flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC))
		return -EINVAL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->value = value;
	e->semaphore = flags & EFD_SEMAPHORE;
	poll_queue_init(&e->changed);
	r = file_new(&eventfd_ops, O_RDWR | (flags & EFD_NONBLOCK), e, ret);
	if (r < 0)
		free(e);
	return r;
}

/* SPDX-License-Identifier: MIT */
#include "proc/inside.h"

#include <fcntl.h>
#include <poll.h>

static unsigned int pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct process *p = f->private_data;

	if (p->state == PROCESS_ZOMBIE || p->state == PROCESS_GONE)
		return POLLIN | POLLRDNORM;
	poll_table_add(pt, &p->ended);
	return 0;
}

static void pidfd_release(struct file *f)
{
	process_put(f->private_data);
}

static const struct file_ops pidfd_ops = {
	.poll = pidfd_poll,
	.release = pidfd_release,
	.kind = "anon_inode:[pidfd]",
};

int pidfd_new(struct process *p, int flags, struct file **ret)
{
	int r = file_new(&pidfd_ops, O_RDWR | flags, process_get(p), ret);

	if (r < 0)
		process_put(p);
	return r;
}

struct process *pidfd_process(const struct file *f)
{
	return f->ops == &pidfd_ops ? f->private_data : NULL;
}

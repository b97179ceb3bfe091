/* SPDX-License-Identifier: MIT */
/*
 * chardev.c - character devices by number: null, zero, full, random, urandom, and
 * the session's terminal. All others have no driver here: -ENXIO.
 */
#include "file/inside.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum {
	MAJOR_MEMORY = 1,
	MAJOR_TTY_SPECIAL = 5,
};

static ssize_t null_read(struct file *f, void *buf, size_t size, uint64_t *offset)
{
	(void)f, (void)buf, (void)size, (void)offset;
	return 0;
}

static ssize_t sink_write(struct file *f, const void *buf, size_t size, uint64_t *offset)
{
	(void)f, (void)buf, (void)offset;
	return (ssize_t)size;
}

static ssize_t zero_read(struct file *f, void *buf, size_t size, uint64_t *offset)
{
	(void)f, (void)offset;
	memset(buf, 0, size);
	return (ssize_t)size;
}

static ssize_t full_write(struct file *f, const void *buf, size_t size, uint64_t *offset)
{
	(void)f, (void)buf, (void)offset;
	return size > 0 ? -ENOSPC : 0;
}

static ssize_t random_read(struct file *f, void *buf, size_t size, uint64_t *offset)
{
	size_t done = 0;

	(void)f, (void)offset;
	while (done < size) {
		/* Never blocks: the host's pool is ready before anything of ours runs. */
		ssize_t r = getrandom((uint8_t *)buf + done, size - done, GRND_NONBLOCK);

		if (r < 0)
			return done > 0 ? (ssize_t)done : -errno;
		done += (size_t)r;
	}
	return (ssize_t)done;
}

/* Linux lets these seek, and stay where they are. */
static int64_t memory_seek(struct file *f, int64_t offset, int whence)
{
	(void)f, (void)offset, (void)whence;
	return 0;
}

static const struct file_ops memory_devices[] = {
	[3] = { .read = null_read, .write = sink_write, .seek = memory_seek, .kind = "null" },
	[5] = { .read = zero_read, .write = sink_write, .seek = memory_seek, .kind = "zero" },
	[7] = { .read = zero_read, .write = full_write, .seek = memory_seek, .kind = "full" },
	[8] = { .read = random_read, .write = sink_write, .seek = memory_seek, .kind = "random" },
	[9] = { .read = random_read, .write = sink_write, .seek = memory_seek, .kind = "urandom" },
};

/* /dev/tty and /dev/console are the session's terminal. */
static int session_terminal_open(int flags, struct file **ret) MAY_YIELD
{
	struct file *tty = file_hooks.open_tty ? file_hooks.open_tty() : NULL;
	int r;

	if (!tty)
		return -ENXIO;
	r = tty->ops->reopen ? tty->ops->reopen(tty, flags, ret) : -ENXIO;
	file_put(tty);
	return r;
}

int chardev_open(struct dentry *d, int flags, struct file **ret)
{
	uint64_t rdev = dentry_inode(d)->rdev;
	unsigned int device_major = major(rdev), device_minor = minor(rdev);

	if (device_major == MAJOR_MEMORY && device_minor < ARRAY_COUNT(memory_devices) &&
	    memory_devices[device_minor].read)
		return file_new_named(&memory_devices[device_minor], flags, d, NULL, ret);
	if (rdev == makedev(MAJOR_TTY_SPECIAL, 0) || rdev == makedev(MAJOR_TTY_SPECIAL, 1))
		return session_terminal_open(flags, ret);
	return host_terminal_open(rdev, flags, ret);
}

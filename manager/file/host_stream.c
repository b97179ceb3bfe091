/* SPDX-License-Identifier: MIT */
/*
 * host_stream.c - terminals, pipes and sockets of the host: reading and writing that
 * waits in our own queues, never in the host.
 *
 *     the descriptor                   how we read and write
 *     a description of our own         at once, O_NONBLOCK; -EAGAIN: device/hostwait.h
 *     a socket                         at once, MSG_DONTWAIT; the same
 *     a terminal we could not open     hostwait first, then by an executor: another
 *     again                            reader may be faster, and then the executor waits
 */
#include "file/host_end.h"

#include "device/host.h"
#include "task/sched.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define TENTH_NS UINT64_C(100000000)
#define DRAIN_STEP_NS 5000000u /* how often we look whether output has gone */

static uint64_t word(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

static void ready_changed(struct hostwait *wait)
{
	poll_queue_wake(&CONTAINER_OF(wait, struct host_end, wait)->changed);
}

/* Watch from now on. The first time costs an executor's thread, so not before it is needed. */
static int watch(struct host_end *end)
{
	int r;

	if (end->watched)
		return 0;
	end->wait.changed = ready_changed;
	r = hostwait_add(&end->wait, end->fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP);
	end->watched = r == 0;
	return r;
}

/* A terminal's caller may be in the background. */
static int may_access(struct file *f, bool writing)
{
	if (host_end_of(f)->kind != HOST_TERMINAL || !file_hooks.tty_access)
		return 0;
	return file_hooks.tty_access(f, writing);
}

/* An attempt: bytes, -EAGAIN if it would wait, other -errno. */
static int64_t attempt(struct host_end *end, bool writing, const void *buf, size_t size) MAY_YIELD
{
	const uint64_t arg[6] = { (uint64_t)end->fd, word(buf), size, MSG_DONTWAIT | MSG_NOSIGNAL };
	uint32_t num = writing ? SYS_write : SYS_read;
	unsigned int events = writing ? POLLOUT : POLLIN;
	int r;

	if (end->kind == HOST_SOCKET)
		return host_call_now(writing ? SYS_sendto : SYS_recvfrom, arg);
	if (end->never_blocks)
		return host_call_now(num, arg);
	r = watch(end);
	if (r < 0)
		return r;
	if (!(hostwait_look(&end->wait) & (events | POLLERR | POLLHUP)))
		return -EAGAIN;
	return host_call_cancellable(num, arg);
}

/* Wait until another attempt is worth while: 0, -ETIMEDOUT, -ERESTARTSYS. */
static int wait_ready(struct host_end *end, unsigned int events, uint64_t deadline_ns) MAY_YIELD
{
	int r = watch(end);

	if (r < 0)
		return r;
	hostwait_spent(&end->wait, events);
	/* Asked once more: the watch may have begun after the change. */
	if (hostwait_look(&end->wait) & (events | POLLERR | POLLHUP))
		return 0;
	return file_wait_result(hostwait_wait(&end->wait, events, deadline_ns, WAIT_CANCELLABLE));
}

/*
 * A terminal's own limit to a read (termios: VMIN 0, VTIME > 0), which the host does
 * not apply to our description, as that never waits.
 */
static uint64_t read_deadline(const struct host_end *end)
{
	struct termios settings;

	if (end->kind != HOST_TERMINAL || ioctl(end->fd, TCGETS, &settings) < 0)
		return TASK_FOREVER;
	if ((settings.c_lflag & ICANON) || settings.c_cc[VMIN] > 0)
		return TASK_FOREVER;
	return clock_now_ns() + settings.c_cc[VTIME] * TENTH_NS;
}

static ssize_t stream_read(struct file *f, void *buf, size_t size, uint64_t *offset) MAY_YIELD
{
	struct host_end *end = host_end_of(f);
	uint64_t deadline_ns = 0; /* not asked for yet */
	int64_t r;

	(void)offset;
	for (;;) {
		r = may_access(f, false);
		if (r < 0)
			return r;
		r = attempt(end, false, buf, size);
		if (r == -ECANCELED)
			return -ERESTARTSYS;
		if (r == -EINTR)
			continue;
		if (r != -EAGAIN || (f->flags & O_NONBLOCK))
			return r;
		if (deadline_ns == 0)
			deadline_ns = read_deadline(end);
		r = wait_ready(end, POLLIN, deadline_ns);
		if (r < 0)
			return r == -ETIMEDOUT ? 0 : r;
	}
}

static ssize_t broken(struct host_end *end)
{
	if (end->kind != HOST_TERMINAL && file_hooks.sigpipe)
		file_hooks.sigpipe();
	return -EPIPE;
}

static ssize_t stream_write(struct file *f, const void *buf, size_t size, uint64_t *offset)
	MAY_YIELD
{
	struct host_end *end = host_end_of(f);
	size_t done = 0;
	int64_t r = may_access(f, true);

	(void)offset;
	if (r == 0 && size == 0)
		return 0;
	while (r >= 0 && done < size) {
		r = attempt(end, true, (const uint8_t *)buf + done, size - done);
		if (r > 0)
			done += (size_t)r;
		else if (r == -EPIPE)
			r = broken(end);
		else if (r == -EINTR)
			r = 0;
		else if (r == -EAGAIN && !(f->flags & O_NONBLOCK))
			r = wait_ready(end, POLLOUT, TASK_FOREVER);
	}
	return done > 0 ? (ssize_t)done : file_wait_result((int)r);
}

/* Without a watch nobody has waited yet: ask the host directly. */
static unsigned int look_once(const struct host_end *end)
{
	struct pollfd p = { .fd = end->fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };
	const uint64_t arg[6] = { word(&p), 1, 0 };

	return host_call_now(SYS_poll, arg) < 0 ? POLLERR : (unsigned int)p.revents;
}

static unsigned int stream_poll(struct file *f, struct poll_table *pt)
{
	struct host_end *end = host_end_of(f);
	unsigned int events = pt && watch(end) < 0 ? POLLERR : 0;

	poll_table_add(pt, &end->changed);
	if (!end->watched)
		events |= look_once(end);
	else if (end->wait.ready)
		events |= hostwait_look(&end->wait); /* what is known is never too little */
	if (events & POLLIN)
		events |= POLLRDNORM;
	if (events & POLLOUT)
		events |= POLLWRNORM;
	return events;
}

/* Wait until the host has sent what was written (tcdrain). */
static int drain(struct host_end *end) MAY_YIELD
{
	int left, r = 0;

	while (r == 0 && ioctl(end->fd, TIOCOUTQ, &left) == 0 && left > 0)
		r = file_wait_result(task_sleep_until(clock_now_ns() + DRAIN_STEP_NS));
	return r;
}

static int host_ioctl(struct host_end *end, unsigned int cmd, uint64_t arg)
{
	const uint64_t args[6] = { (uint64_t)end->fd, cmd, arg };

	return (int)host_call_now(SYS_ioctl, args);
}

/* Changes the terminal for all: a caller in the background is stopped first. */
static int set_terminal(struct file *f, unsigned int cmd, void *arg) MAY_YIELD
{
	struct host_end *end = host_end_of(f);
	int r = may_access(f, true);

	if (r < 0)
		return r;
	switch (cmd) {
	case TCSETSW:
	case TCSETSF:
	case TCSETAW:
	case TCSETAF:
	case TCSETSW2:
	case TCSETSF2:
		r = drain(end); /* so that the host does not wait in the call itself */
		break;
	default:
		break;
	}
	return r < 0 ? r : host_ioctl(end, cmd, word(arg));
}

static int terminal_ioctl(struct file *f, unsigned int cmd, void *arg, uint64_t number) MAY_YIELD
{
	struct host_end *end = host_end_of(f);
	int r;

	switch (cmd) {
	case TCGETS:
	case TCGETA:
	case TCGETS2:
	case TIOCGWINSZ:
	case TIOCOUTQ:
	case FIONREAD:
		return host_ioctl(end, cmd, word(arg));
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
	case TIOCSWINSZ:
		return set_terminal(f, cmd, arg);
	case TCSBRK:
	case TCSBRKP:
		r = may_access(f, true);
		if (r == 0)
			r = drain(end);
		/* A break (number 0) takes a quarter of a second or more: not here. */
		if (r == 0 && (number == 0 || cmd == TCSBRKP))
			r = (int)host_call(SYS_ioctl,
					   (uint64_t[6]){ (uint64_t)end->fd, cmd, number });
		return r;
	case TCFLSH:
	case TCXONC:
		r = may_access(f, true);
		return r < 0 ? r : host_ioctl(end, cmd, number);
	case TIOCGPGRP:
	case TIOCSPGRP:
	case TIOCSCTTY:
	case TIOCNOTTY:
	case TIOCGSID:
		return file_hooks.tty_ioctl ? file_hooks.tty_ioctl(f, cmd, arg) : -ENOTTY;
	default:
		/*
		 * Above all TIOCSTI: what it puts in, the host's shell would read. And whatever
		 * hascall/run_ioctls.def does not carry the bytes of.
		 */
		return -ENOTTY;
	}
}

static int stream_ioctl(struct file *f, unsigned int cmd, void *arg, uint64_t number) MAY_YIELD
{
	struct host_end *end = host_end_of(f);

	if (end->kind == HOST_TERMINAL)
		return terminal_ioctl(f, cmd, arg, number);
	if (cmd == FIONREAD || (cmd == SIOCOUTQ && end->kind == HOST_SOCKET))
		return host_ioctl(end, cmd, word(arg));
	return -ENOTTY;
}

const struct file_ops host_stream_ops = {
	.read = stream_read,
	.write = stream_write,
	.poll = stream_poll,
	.ioctl = stream_ioctl,
	.getattr = host_end_getattr,
	.reopen = host_end_reopen,
	.text = host_end_text,
	.release = host_end_release,
	.kind = "host",
};

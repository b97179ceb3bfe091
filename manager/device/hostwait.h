#ifndef DEVICE_HOSTWAIT_H
#define DEVICE_HOSTWAIT_H
/*
 * hostwait.h - wait until a descriptor of the host is ready: the console, pipes
 * and sockets of the host, pidfds. Layer: device.
 *
 * One executor waits in epoll_wait(2) for all of them; so a wait takes no thread
 * of its own, and ends at once when its task is cancelled.
 *
 *	while ((r = read(fd, ...)) == -EAGAIN) {
 *		hostwait_spent(w, EPOLLIN);
 *		r = hostwait_wait(w, EPOLLIN, TASK_FOREVER, WAIT_CANCELLABLE);
 *	}
 *
 * Order    tasks that wait for one descriptor are woken together.
 * Limit    HOSTWAIT_MAX descriptors at a time.
 * Owner    who adds a descriptor removes it, before it closes the descriptor and when no
 *          task waits any more.
 * Thread   scheduler thread only, inside or outside a task.
 *
 * Way down: hostwait_wait -> waitq_wait; back: host_poll -> events_came -> waitq_wake_all.
 */
#include "base/cc.h"
#include "task/task.h"

#include <stdint.h>

#define HOSTWAIT_MAX 1024u

/* Embed it; zeroed, it watches nothing. */
struct hostwait {
	/* set by the owner before hostwait_add() */
	void (*changed)(struct hostwait *w); /* `ready` has new bits; must not yield; may be NULL */
	/* to be read by anybody */
	uint32_t ready; /* EPOLLIN ...: what holds, as far as is known. Never too little. */
	int fd;
	struct waitq waiters;
	/* hostwait.c's */
	uint32_t place; /* in its table, from 1; 0: watches nothing */
	bool always;	/* of a kind that never blocks: regular file, directory */
};

/*
 * Watch fd for `events` (EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP; EPOLLERR and
 * EPOLLHUP are always included). `ready` is right when it returns. 0; -ENOSPC:
 * HOSTWAIT_MAX; -EEXIST: this descriptor is being watched; -EBADF; -ENOMEM,
 * -EAGAIN: no memory or thread.
 */
MUST_USE int hostwait_add(struct hostwait *w, int fd, uint32_t events);
void hostwait_remove(struct hostwait *w); /* harmless when it watches nothing */

/* An attempt has just found the descriptor not ready for `events`: wait for news. */
void hostwait_spent(struct hostwait *w, uint32_t events);
/* Ask the host now, with poll(2): the exact answer, which is also put into `ready`. */
uint32_t hostwait_look(struct hostwait *w);

/*
 * Until one of `events`, EPOLLERR or EPOLLHUP is in `ready`: 0, -ETIMEDOUT, or
 * -ECANCELED. 0 is a hint, as another task may be faster.
 */
MUST_USE int hostwait_wait(struct hostwait *w, uint32_t events, uint64_t deadline_ns,
			   enum wait_kind kind) MAY_YIELD;

#endif /* DEVICE_HOSTWAIT_H */

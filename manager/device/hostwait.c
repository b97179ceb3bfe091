#include "device/hostwait.h"

#include "device/host.h"
#include "device/inside.h"
#include "task/trace.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EVENTS_AT_A_TIME 64
#define ALWAYS (EPOLLERR | EPOLLHUP)
#define END_MARK 0u /* epoll data of the eventfd that ends the watcher; places start at 1 */

static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
		      EPOLLHUP == POLLHUP && EPOLLPRI == POLLPRI && EPOLLRDHUP == POLLRDHUP,
	      "poll and epoll use the same bits");

/*
 * Readiness is edge-triggered: epoll tells of each change once, and `ready` keeps
 * it until somebody finds the descriptor not ready. In that order nothing is lost:
 *
 *     the task                       host, executor
 *     read(): -EAGAIN
 *                                    data comes, epoll_wait() returns
 *     hostwait_spent(): bit off
 *     hostwait_wait()
 *     ... host_poll(): bit on, woken
 *
 * for replies are taken by the scheduler's thread only, never in the middle of this.
 *
 * An event may be on its way when its descriptor is removed. So epoll knows places
 * of a table and their generations, not addresses.
 */
static struct {
	struct hostwait *place[HOSTWAIT_MAX + 1]; /* from 1 */
	uint32_t generation[HOSTWAIT_MAX + 1];
	uint32_t last_place; /* taken: the search for a free one begins after it */
	unsigned int count;
	int epoll_fd, end_fd; /* valid while open */
	bool open;
	/* the watcher's call: `events` is the executor's while waiting */
	struct host_request request;
	struct epoll_event events[EVENTS_AT_A_TIME];
	bool waiting;
	bool ending;
} watch;

static int post_watcher(void);

static void report(const struct epoll_event *e)
{
	uint32_t place = (uint32_t)e->data.u64;
	struct hostwait *w = place <= HOSTWAIT_MAX ? watch.place[place] : NULL;

	if (!w || watch.generation[place] != (uint32_t)(e->data.u64 >> 32))
		return;
	w->ready |= e->events;
	TRACE(TRACE_DEVICE, "host descriptor ready: 0x%x", e->events);
	waitq_wake_all(&w->waiters);
	if (w->changed)
		w->changed(w);
}

static void events_came(struct host_request *request, int64_t ret)
{
	(void)request;
	watch.waiting = false;
	for (int64_t i = 0; i < ret; i++)
		report(&watch.events[i]);
	/* Any other error would come again at once, for ever: then waits end by cancel only. */
	if (watch.ending || (ret < 0 && ret != -EINTR))
		return;
	/* Its entry has just become free, so it can be posted unless the area is damaged. */
	(void)!post_watcher();
}

static int post_watcher(void)
{
	const uint64_t arg[6] = { (uint64_t)watch.epoll_fd, (uint64_t)(uintptr_t)watch.events,
				  EVENTS_AT_A_TIME, (uint64_t)-1 };
	int r = 0;

	if (!watch.waiting) {
		watch.request.done = events_came;
		r = host_post(&watch.request, SYS_epoll_wait, arg);
		watch.waiting = r == 0;
	}
	return r;
}

static int open_watch(void)
{
	struct epoll_event end = { .events = EPOLLIN, .data.u64 = END_MARK };

	if (watch.open)
		return 0;
	watch.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (watch.epoll_fd < 0)
		return -errno;
	watch.end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (watch.end_fd < 0 || epoll_ctl(watch.epoll_fd, EPOLL_CTL_ADD, watch.end_fd, &end) < 0) {
		int r = -errno;

		host_close(watch.end_fd);
		host_close(watch.epoll_fd);
		return r;
	}
	watch.open = true;
	watch.ending = false;
	return 0;
}

void hostwait_fini(void)
{
	ssize_t written;

	assert(watch.count == 0);
	if (!watch.open)
		return;
	watch.ending = true;
	written = write(watch.end_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
	assert(written == sizeof(uint64_t));
	while (watch.waiting)
		host_wait_outside();
	host_close(watch.end_fd);
	host_close(watch.epoll_fd);
	watch.open = false;
}

/* A free place, from 1; 0: there is none. */
static uint32_t free_place(void)
{
	if (watch.count == HOSTWAIT_MAX)
		return 0;
	do
		watch.last_place = watch.last_place % HOSTWAIT_MAX + 1;
	while (watch.place[watch.last_place]);
	return watch.last_place;
}

static int add_to_epoll(struct hostwait *w, uint32_t place, uint32_t events)
{
	struct epoll_event e = { .events = events | EPOLLET };

	e.data.u64 = (uint64_t)++watch.generation[place] << 32 | place;
	if (epoll_ctl(watch.epoll_fd, EPOLL_CTL_ADD, w->fd, &e) == 0)
		return post_watcher();
	if (errno != EPERM)
		return -errno;
	w->always = true;
	w->ready = events;
	return 0;
}

int hostwait_add(struct hostwait *w, int fd, uint32_t events)
{
	uint32_t place;
	int r;

	assert(w->place == 0 && host_running());
	r = open_watch();
	if (r < 0)
		return r;
	place = free_place();
	if (place == 0)
		return -ENOSPC;
	w->fd = fd;
	w->ready = 0;
	w->always = false;
	waitq_init(&w->waiters);
	r = add_to_epoll(w, place, events);
	if (r < 0) {
		epoll_ctl(watch.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		return r;
	}
	w->place = place;
	watch.place[place] = w;
	watch.count++;
	(void)hostwait_look(w);
	return 0;
}

void hostwait_remove(struct hostwait *w)
{
	if (w->place == 0)
		return;
	assert(waitq_empty(&w->waiters));
	if (!w->always)
		epoll_ctl(watch.epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	watch.place[w->place] = NULL;
	watch.count--;
	w->place = 0;
}

void hostwait_spent(struct hostwait *w, uint32_t events)
{
	if (!w->always)
		w->ready &= ~(events | ALWAYS);
}

uint32_t hostwait_look(struct hostwait *w)
{
	struct pollfd p = { .fd = w->fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };

	if (!w->always && poll(&p, 1, 0) >= 0)
		w->ready = (uint32_t)p.revents;
	return w->ready;
}

int hostwait_wait(struct hostwait *w, uint32_t events, uint64_t deadline_ns, enum wait_kind kind)
{
	int r = 0;

	assert(task_self() && w->place != 0);
	while (r == 0 && !(w->ready & (events | ALWAYS)))
		r = waitq_wait(&w->waiters, deadline_ns, kind);
	return r;
}

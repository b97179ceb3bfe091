/* SPDX-License-Identifier: MIT */
/*
 * timerfd.c - timers that are read and polled (timerfd_create(2)).
 *
 * One task serves them all: it sleeps until the earliest armed timer is due, marks
 * it and wakes who looks at it. It lives only while some timer is armed. A timer that
 * has come due stays out of the list until it is read or set again: what it has
 * missed meanwhile is counted from the clock, so nobody wakes for ticks nobody reads.
 *
 *     state    in the list   due     leaves by
 *     IDLE     no            no      timerfd_set
 *     ARMED    yes           no      its time comes, timerfd_set
 *     DUE      no            yes     read (to ARMED if periodic, else IDLE), timerfd_set
 */
#include "file/inside.h"
#include "task/sched.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

#define SECOND_NS 1000000000u

struct timerfd {
	struct list armed; /* in timers.armed, by due_ns */
	int clock;
	bool due;
	uint64_t due_ns;      /* ARMED, DUE: on clock_now_ns() */
	uint64_t interval_ns; /* 0: once */
	struct poll_queue changed;
};

static struct {
	struct list armed;
	struct waitq earlier; /* the service: the first of the list is another one now */
	bool serving;
	bool made; /* the two above are set up */
} timers;

static struct timerfd *first_armed(void)
{
	return LIST_ENTRY(timers.armed.next, struct timerfd, armed);
}

static void serve(void *arg) MAY_YIELD
{
	(void)arg;
	while (!list_empty(&timers.armed)) {
		struct timerfd *t = first_armed();

		if (t->due_ns > clock_now_ns()) {
			/* Woken or timed out: look again either way. */
			int r = waitq_wait(&timers.earlier, t->due_ns, WAIT_SURE);

			(void)r;
			continue;
		}
		list_del(&t->armed);
		t->due = true;
		poll_queue_wake(&t->changed);
	}
	timers.serving = false;
}

static int need_service(void)
{
	int r = 0;

	if (!timers.serving)
		r = task_start(NULL, "timerfd", serve, NULL);
	timers.serving = r == 0;
	return r;
}

static void disarm(struct timerfd *t)
{
	list_del(&t->armed);
	t->due = false;
	waitq_wake_all(&timers.earlier);
}

/* The service is running already. */
static void arm(struct timerfd *t, uint64_t due_ns)
{
	struct list *place = timers.armed.prev;

	t->due_ns = due_ns;
	while (place != &timers.armed && LIST_ENTRY(place, struct timerfd, armed)->due_ns > due_ns)
		place = place->prev;
	list_push_front(place, &t->armed);
	waitq_wake_all(&timers.earlier);
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	uint64_t sum;

	/* TASK_FOREVER is no time: stay below. */
	return __builtin_add_overflow(a, b, &sum) || sum == TASK_FOREVER ? TASK_FOREVER - 1 : sum;
}

static int to_ns(const struct timespec *ts, uint64_t *ret)
{
	if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= (long)SECOND_NS)
		return -EINVAL;
	if (__builtin_mul_overflow((uint64_t)ts->tv_sec, SECOND_NS, ret))
		*ret = TASK_FOREVER - 1;
	*ret = add_saturated(*ret, (uint64_t)ts->tv_nsec);
	return 0;
}

static struct timespec from_ns(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / SECOND_NS), (long)(ns % SECOND_NS) };
}

/* How far `clock` is from now to `at_ns` on it. */
static uint64_t time_until(int clock, uint64_t at_ns)
{
	struct timespec ts;
	uint64_t now = 0;

	if (clock == CLOCK_MONOTONIC) {
		now = clock_now_ns();
	} else {
		int r = clock_gettime(clock, &ts);

		assert(r == 0);
		now = (uint64_t)ts.tv_sec * SECOND_NS + (uint64_t)ts.tv_nsec;
	}
	return at_ns > now ? at_ns - now : 0;
}

/* Ticks since it came due, and on to the next. A timer that is not due has none. */
static uint64_t take_ticks(struct timerfd *t)
{
	uint64_t ticks = 1;

	if (!t->due)
		return 0;
	if (t->interval_ns == 0) {
		t->due = false;
		return ticks;
	}
	/* If the service cannot start the timer stays due: late, not lost. */
	if (need_service() < 0)
		return ticks;
	ticks += (clock_now_ns() - t->due_ns) / t->interval_ns;
	t->due = false;
	arm(t, add_saturated(t->due_ns, ticks * t->interval_ns));
	return ticks;
}

static ssize_t timerfd_read(struct file *f, void *buf, size_t size, uint64_t *offset) MAY_YIELD
{
	struct timerfd *t = f->private_data;
	uint64_t ticks;
	int r;

	(void)offset;
	if (size < sizeof(ticks))
		return -EINVAL;
	while ((ticks = take_ticks(t)) == 0) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		r = poll_queue_wait(&t->changed, TASK_FOREVER);
		if (r < 0)
			return r;
	}
	memcpy(buf, &ticks, sizeof(ticks));
	return sizeof(ticks);
}

static unsigned int timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->private_data;

	poll_table_add(pt, &t->changed);
	return t->due ? POLLIN : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->private_data;

	disarm(t);
	assert(poll_queue_empty(&t->changed));
	free(t);
}

static const struct file_ops timerfd_ops = {
	.read = timerfd_read,
	.poll = timerfd_poll,
	.release = timerfd_release,
	.kind = "anon_inode:[timerfd]",
};

int timerfd_new(int clock, int flags, struct file **ret)
{
	struct timerfd *t;
	int r;

	if (flags & ~(TFD_NONBLOCK | TFD_CLOEXEC))
		return -EINVAL;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	if (!timers.made) {
		list_init(&timers.armed);
		waitq_init(&timers.earlier);
		timers.made = true;
	}
	t->clock = clock;
	list_init(&t->armed);
	poll_queue_init(&t->changed);
	r = file_new(&timerfd_ops, O_RDWR | (flags & TFD_NONBLOCK), t, ret);
	if (r < 0)
		free(t);
	return r;
}

int timerfd_get(struct file *f, struct itimerspec *ret)
{
	const struct timerfd *t = f->private_data;
	uint64_t now = clock_now_ns(), left = 0;

	if (f->ops != &timerfd_ops)
		return -EINVAL;
	if (!list_empty(&t->armed))
		left = t->due_ns > now ? t->due_ns - now : 1; /* 0 would say: not armed */
	else if (t->due && t->interval_ns > 0)
		left = t->interval_ns - (now - t->due_ns) % t->interval_ns;
	*ret = (struct itimerspec){ from_ns(t->interval_ns), from_ns(left) };
	return 0;
}

int timerfd_set(struct file *f, int flags, const struct itimerspec *value,
		struct itimerspec *ret_old)
{
	struct timerfd *t = f->private_data;
	struct itimerspec old;
	uint64_t first = 0, interval = 0;
	int r = timerfd_get(f, &old);

	/* Nobody sets the host's clock for us: cancel-on-set never cancels. */
	if (r == 0 && (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)))
		r = -EINVAL;
	if (r == 0)
		r = to_ns(&value->it_value, &first);
	if (r == 0)
		r = to_ns(&value->it_interval, &interval);
	if (r == 0 && first > 0)
		r = need_service();
	if (r < 0)
		return r;
	disarm(t);
	t->interval_ns = interval;
	if (first > 0 && (flags & TFD_TIMER_ABSTIME))
		arm(t, add_saturated(clock_now_ns(), time_until(t->clock, first)));
	else if (first > 0)
		arm(t, add_saturated(clock_now_ns(), first));
	if (ret_old)
		*ret_old = old;
	return 0;
}

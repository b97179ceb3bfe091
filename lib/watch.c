/* SPDX-License-Identifier: MIT */
/*
 * watch.c - finds workers that are blocked in the kernel while calls wait; and sees to
 * the deadlines (cut.c) when they come.
 *
 * Evidence: the worker is in the same call as at the last look, and its clock of
 * processor time stood still. A worker that only waits for a processor looks alike;
 * then one thread too many is started, which does no harm beyond its own cost.
 */
#include "lib/cut.h"
#include "lib/futex.h"
#include "lib/pool.h"

#include <sys/prctl.h>

#define TICK_MIN_NS 50000
#define TICK_MAX_NS 1000000
#define QUIET_TICKS 32 /* looks with nothing to be done before the watcher rests */

void watch_arm(struct hascall *h, enum watch_level level)
{
	uint32_t seen = __atomic_load_n(&h->watch, __ATOMIC_RELAXED);

	while (seen < (uint32_t)level)
		if (__atomic_compare_exchange_n(&h->watch, &seen, (uint32_t)level, false,
						__ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
			futex_wake(&h->watch, 1);
			return;
		}
}

static int64_t cpu_ns(const struct worker *w)
{
	struct timespec t;

	if (clock_gettime(w->cpu_clock, &t) < 0)
		return 0;
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

/* Note what each worker is doing. */
static void look_first(struct hascall *h)
{
	pthread_mutex_lock(&h->lock);
	LIST_EACH(node, &h->workers) {
		struct worker *w = LIST_ENTRY(node, struct worker, node);

		w->seen_phase = __atomic_load_n(&w->phase, __ATOMIC_RELAXED);
		if ((w->seen_phase & (PHASE_BUSY | PHASE_BLOCKED)) == PHASE_BUSY)
			w->seen_cpu_ns = cpu_ns(w);
	}
	pthread_mutex_unlock(&h->lock);
}

/* Mark those that stood still for most of `passed_ns`; how many. */
static unsigned int look_again(struct hascall *h, int64_t passed_ns)
{
	unsigned int found = 0;

	pthread_mutex_lock(&h->lock);
	LIST_EACH(node, &h->workers) {
		struct worker *w = LIST_ENTRY(node, struct worker, node);
		uint32_t phase = w->seen_phase;

		if ((phase & (PHASE_BUSY | PHASE_BLOCKED)) != PHASE_BUSY)
			continue;
		if (__atomic_load_n(&w->phase, __ATOMIC_RELAXED) != phase ||
		    cpu_ns(w) - w->seen_cpu_ns > passed_ns / 4)
			continue;
		if (!__atomic_compare_exchange_n(&w->phase, &phase, phase | PHASE_BLOCKED, false,
						 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue; /* it has just returned */
		__atomic_fetch_sub(&h->counts, POOL_RUNNING, __ATOMIC_RELAXED);
		found++;
	}
	h->stats.blocked += found;
	pthread_mutex_unlock(&h->lock);
	return found;
}

/*
 * Calls wait, and there is a worker to be had for them. If there is none, one that ends
 * its call finds them by itself, and one that goes to sleep looks for them before.
 */
static bool can_do_something(struct hascall *h)
{
	bool can;

	if (!pool_pending(h))
		return false;
	pthread_mutex_lock(&h->lock);
	can = h->stats.workers < h->workers_max || !list_empty(&h->idle);
	pthread_mutex_unlock(&h->lock);
	return can;
}

/*
 * Go to rest, unless a call was posted by somebody who saw us awake:
 *
 *     caller                     watcher
 *     mark hint                  watch = REST
 *     fence                      fence
 *     watch == TICK: no arm      any hint, and a worker to be had: TICK again
 *
 * A worker that fell asleep did so before that hint was marked, else it would have seen it.
 */
static void rest(struct hascall *h)
{
	uint32_t tick = WATCH_TICK;

	if (!__atomic_compare_exchange_n(&h->watch, &tick, WATCH_REST, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return;
	area_fence();
	if (can_do_something(h))
		watch_arm(h, WATCH_TICK);
}

/* One look at the workers, over `tick_ns`, or less if a deadline comes. The length of the next. */
static int64_t tick(struct hascall *h, int64_t tick_ns, int64_t due_ns)
{
	int64_t begin = now_ns();
	int64_t passed;

	look_first(h);
	futex_wait(&h->watch, WATCH_TICK, due_ns >= 0 && due_ns < tick_ns ? due_ns : tick_ns);
	if (!pool_pending(h))
		return tick_ns * 2;
	passed = now_ns() - begin;
	if (passed < tick_ns / 2)
		return tick_ns; /* too short to judge anybody */
	if (look_again(h, passed) > 0)
		tick_ns = TICK_MIN_NS / 2;
	area_fence();
	if (pool_pending(h))
		pool_look(h, POOL_WORKER);
	return tick_ns * 2;
}

void *watch_main(void *arg)
{
	struct hascall *h = arg;
	int64_t tick_ns = TICK_MIN_NS;
	unsigned int quiet = 0;

	pthread_setname_np(pthread_self(), "hascall-watch");
	prctl(PR_SET_TIMERSLACK, 1);
	while (!__atomic_load_n(&h->stopping, __ATOMIC_ACQUIRE)) {
		uint32_t level = __atomic_load_n(&h->watch, __ATOMIC_ACQUIRE);
		int64_t due_ns;

		if (level == WATCH_TIME)
			__atomic_compare_exchange_n(&h->watch, &level, WATCH_REST, false,
						    __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
		due_ns = deadlines_meet(h);
		if (level <= WATCH_TIME) {
			futex_wait(&h->watch, WATCH_REST, due_ns);
			tick_ns = TICK_MIN_NS;
			quiet = 0;
			continue;
		}
		if (level == WATCH_NOW) {
			__atomic_store_n(&h->watch, WATCH_TICK, __ATOMIC_RELAXED);
			area_fence();
			if (pool_pending(h))
				pool_look(h, POOL_WORKER);
			tick_ns = TICK_MIN_NS;
		}
		tick_ns = tick(h, tick_ns, due_ns);
		if (tick_ns > TICK_MAX_NS)
			tick_ns = TICK_MAX_NS;
		quiet = can_do_something(h) ? 0 : quiet + 1;
		if (quiet >= QUIET_TICKS)
			rest(h);
	}
	return NULL;
}

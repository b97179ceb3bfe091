/* SPDX-License-Identifier: MIT */
#include "lib/pool.h"

#include "lib/futex.h"
#include "lib/lent.h"
#include "lib/worker.h"

#include <signal.h>
#include <stdlib.h>

/*
 * A thread with a small stack that takes none of the application's signals, but the
 * one to cancel by (0: not that either). The C library's own (setuid in all threads,
 * cancellation) cannot be blocked this way, and those a fault causes must reach their handler.
 */
static int thread_start(pthread_t *ret_thread, void *(*fn)(void *), void *arg, int cut_signal)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT };
	pthread_attr_t attr;
	sigset_t set;
	int r;

	sigfillset(&set);
	for (size_t i = 0; i < ARRAY_COUNT(faults); i++)
		sigdelset(&set, faults[i]);
	if (cut_signal)
		sigdelset(&set, cut_signal);
	r = pthread_attr_init(&attr);
	if (r != 0)
		return -r;
	r = pthread_attr_setstacksize(&attr, POOL_STACK_SIZE);
	if (r == 0)
		r = pthread_attr_setsigmask_np(&attr, &set);
	if (r == 0)
		r = pthread_create(ret_thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return -r;
}

/* Memory for one more, or that of one whose thread ended by itself. Lock held. */
static struct worker *worker_memory(struct hascall *h)
{
	struct list *node = list_pop_front(&h->unused);
	struct worker *w;

	if (node)
		return LIST_ENTRY(node, struct worker, node);
	node = list_pop_front(&h->gone);
	if (node) {
		w = LIST_ENTRY(node, struct worker, node);
		pthread_join(w->thread, NULL); /* it needs no lock any more: it is returning */
		return w;
	}
	/* At most workers_max times. */
	w = aligned_alloc(POOL_LINE, sizeof(*w) + (h->in_kernel ? sizeof(w->record[0]) : 0));
	if (w)
		__atomic_store_n(&h->made[h->made_count++], w, __ATOMIC_RELAXED);
	return w;
}

/* Lock held. A worker that is to be (1), or is not to be after all (-1). */
static void count_new(struct worker *w, int change)
{
	struct hascall *h = w->h;

	if (w->is_lent)
		h->coming += (uint32_t)change;
	else
		counts_add(h, (uint64_t)change * POOL_SEARCHING);
}

int pool_add(struct hascall *h)
{
	struct worker *w = worker_memory(h);
	int r;

	if (!w)
		return -ENOMEM;
	*w = (struct worker){ .h = h, .searching = true, .kept_off = UINT32_MAX };
	list_init(&w->node);
	list_init(&w->idle_node);
	w->is_lent = h->in_kernel && !__atomic_load_n(&h->fallen, __ATOMIC_RELAXED);
	if (w->is_lent)
		w->record[0] = (struct async_syscall_executor){ .flags = ASYNC_SYSCALL_TELL_GROW };
	count_new(w, 1);
	r = thread_start(&w->thread, worker_enter, w, h->cut_signal);
	if (r == 0 && pthread_getcpuclockid(w->thread, &w->cpu_clock) != 0)
		w->cpu_clock = CLOCK_MONOTONIC; /* always advances: never seen as blocked */
	if (r < 0) {
		count_new(w, -1);
		list_push_back(&h->unused, &w->node);
		return r;
	}
	list_push_back(&h->workers, &w->node);
	h->stats.workers++;
	if (h->stats.workers > h->stats.workers_peak)
		h->stats.workers_peak = h->stats.workers;
	return 0;
}

/* Lock held: the worker that slept last, its memory is still in the caches. */
static struct worker *pop_idle(struct hascall *h)
{
	struct list *node = list_pop_front(&h->idle);
	struct worker *w;

	if (!node)
		return NULL;
	w = LIST_ENTRY(node, struct worker, idle_node);
	counts_add(h, POOL_SEARCHING);
	__atomic_store_n(&w->wake, 1, __ATOMIC_RELEASE);
	return w;
}

#define LEAVING_WANTS 2u

/* True if somebody must be told to search, and the number running allows it. */
static bool wanted(const struct hascall *h, uint32_t searchers)
{
	uint64_t counts = counts_now(h);

	return counts_searching(counts) < searchers && counts_running(counts) < h->parallel;
}

/* See to it that so many search. False: enough do, or there is nobody to be had. */
static bool call_one(struct hascall *h, enum pool_asker asker, uint32_t searchers)
{
	struct worker *w = NULL;
	enum watch_level level = WATCH_REST;
	bool called = false;

	pthread_mutex_lock(&h->lock);
	if (wanted(h, searchers) && !stopping(h)) {
		w = pop_idle(h);
		if (w)
			h->stats.wakes++;
		else if (h->stats.workers >= h->workers_max)
			level = WATCH_REST; /* a worker that is done will look */
		else if (asker == POOL_CALLER)
			level = WATCH_NOW;
		else if (pool_add(h) < 0)
			level = WATCH_TICK; /* try again later */
		else
			called = true;
	}
	pthread_mutex_unlock(&h->lock);
	if (w)
		futex_wake(&w->wake, 1); /* an address only: w itself may be ending already */
	watch_arm(h, level);
	return called || w;
}

void pool_look(struct hascall *h, enum pool_asker asker)
{
	uint64_t counts;
	uint32_t searchers = 1;

	if (h->in_kernel && lent_look(h, asker == POOL_WORKER))
		return;
	counts = counts_now(h);
	if (asker == POOL_LEAVING)
		searchers = pool_pending_count(h, LEAVING_WANTS);
	if (counts_searching(counts) >= searchers)
		return;
	if (counts_running(counts) >= h->parallel) {
		watch_arm(h, WATCH_TICK);
		return;
	}
	while (call_one(h, asker, searchers))
		;
}

static void end_watcher(struct hascall *h)
{
	__atomic_store_n(&h->stopping, 1, __ATOMIC_RELEASE);
	watch_arm(h, WATCH_NOW);
	pthread_join(h->watcher, NULL);
	__atomic_store_n(&h->stopping, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&h->watch, WATCH_REST, __ATOMIC_RELAXED);
}

int pool_open(struct hascall *h)
{
	list_init(&h->workers);
	list_init(&h->idle);
	list_init(&h->gone);
	list_init(&h->unused);
	return -pthread_mutex_init(&h->lock, NULL);
}

int pool_start(struct hascall *h)
{
	int r;

	if (h->started)
		return 0;
	r = thread_start(&h->watcher, watch_main, h, 0);
	if (r == 0) {
		pthread_mutex_lock(&h->lock);
		r = pool_add(h);
		pthread_mutex_unlock(&h->lock);
		if (r < 0)
			end_watcher(h);
	}
	h->started = r == 0;
	h->alone = r < 0;
	return r;
}

bool pool_is_idle(struct hascall *h)
{
	bool idle = !pool_pending(h);

	pthread_mutex_lock(&h->lock);
	LIST_EACH(node, &h->workers) {
		const struct worker *w = LIST_ENTRY(node, struct worker, node);

		if ((__atomic_load_n(&w->phase, __ATOMIC_RELAXED) & PHASE_BUSY) || lent_is_busy(w))
			idle = false;
	}
	pthread_mutex_unlock(&h->lock);
	return idle;
}

static void join_all(struct list *workers)
{
	struct list *node;

	while ((node = list_pop_front(workers)))
		pthread_join(LIST_ENTRY(node, struct worker, node)->thread, NULL);
}

void pool_stop(struct hascall *h)
{
	struct worker *w;

	pthread_mutex_lock(&h->lock);
	__atomic_store_n(&h->stopping, 1, __ATOMIC_RELEASE);
	while ((w = pop_idle(h)))
		futex_wake(&w->wake, 1);
	pthread_mutex_unlock(&h->lock);
	if (h->in_kernel)
		lent_stop(h);
	if (h->started) {
		watch_arm(h, WATCH_NOW);
		pthread_join(h->watcher, NULL);
	}
	join_all(&h->workers); /* nobody starts or retires a thread any more */
	join_all(&h->gone);
	pthread_mutex_destroy(&h->lock);
}

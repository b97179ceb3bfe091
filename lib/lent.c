/* SPDX-License-Identifier: MIT */
#include "lib/lent.h"

#include "lib/do_syscall.h"
#include "lib/futex.h"
#include "lib/worker.h"

#include <assert.h>
#include <string.h>

static_assert(KERNEL_LEND_NOT == PHASE_CUT, "the bit that kernel_lend() looks at");

/* A worker that looks for calls all the time is to be one, and to do so for ever. */
void lent_area_open(struct hascall *h)
{
	const struct async_syscall_setup setup = {
		.size = sizeof(setup),
		.array = (uintptr_t)h->entry,
		.count = h->entry_count,
		.running = h->parallel < ASYNC_SYSCALL_RUNNING_MAX ? h->parallel
								   : ASYNC_SYSCALL_RUNNING_MAX,
		.rings = (uintptr_t)&h->bell.rings,
		.sleepers = (uintptr_t)&h->server.sleepers,
		.spin_ns = h->spin ? POOL_SPIN_NS : 0,
		.idle_ms = h->options.idle_ms,
		.posted = (uintptr_t)h->hint,
		.done = (uintptr_t)h->done,
		.attention = (uintptr_t)&h->attention,
		.cut = (uintptr_t)h->cut,
	};

	h->kernel.handle = -1;
	h->in_kernel = !h->polling && kernel_begin(&setup, &h->kernel) == 0;
	if (h->in_kernel && h->options.notify)
		h->attention |= ATTENTION_NOTIFY;
}

void lent_area_close(struct hascall *h)
{
	if (h->in_kernel)
		kernel_forget(&h->kernel);
}

void lent_area_close_in_child(struct hascall *h)
{
	if (h->in_kernel)
		kernel_forget_in_child(&h->kernel);
}

/*
 * A ring too many costs a system call; a poster that rings again before those it has woken are
 * awake could do without. "A call that was posted before the last ring still waits, so the woken
 * one is still to look" would be such a sign, but is none: hints are more than one word, which a
 * look reads one after the other.
 *
 *     caller                          executor Y, about to sleep    executor X, woken
 *                                     looks at b's word: nothing
 *     marks b, fence
 *     a's hint is still set: no ring
 *                                                                   takes a, sleeps in it
 *                                     looks at a's word: nothing
 *                                     sleeps; nobody looks after b
 */
bool lent_look(struct hascall *h, bool may_add)
{
	uint32_t sleepers = __atomic_load_n(&h->server.sleepers, __ATOMIC_RELAXED);

	if (sleepers) {
		area_ring(&h->bell);
		futex_wake(&h->bell.rings, pool_pending_count(h, sleepers));
	}
	if (may_add && __atomic_load_n(&h->starved, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&h->lock);
		if (h->stats.workers >= h->workers_max || stopping(h) || pool_add(h) == 0)
			__atomic_store_n(&h->starved, false, __ATOMIC_RELAXED);
		pthread_mutex_unlock(&h->lock);
	}
	return !__atomic_load_n(&h->fallen, __ATOMIC_SEQ_CST);
}

void lent_stop(struct hascall *h)
{
	for (uint32_t i = 0; i < h->entry_count; i++) {
		__atomic_store_n(&h->entry[i].state, SYSCALL_END, __ATOMIC_RELEASE);
		area_mark_posted(hint_of(h, i), i % AREA_HINT_ENTRIES);
	}
	area_fence();
	area_ring(&h->bell);
	futex_wake(&h->bell.rings, INT32_MAX);
}

/* It is about to be lent for the first time. */
static void arrive(struct worker *w)
{
	pthread_mutex_lock(&w->h->lock);
	w->h->coming--;
	pthread_mutex_unlock(&w->h->lock);
}

/*
 * The kernel would begin a call now, and has nobody left to go on if that sleeps. If there
 * can be no more than may run at a time, nobody is ever left, and it need not ask again.
 */
static void grow(struct worker *w)
{
	struct hascall *h = w->h;
	bool is_starved = false;

	pthread_mutex_lock(&h->lock);
	if (h->stats.workers < h->workers_max) {
		is_starved = h->coming == 0 && !stopping(h) && pool_add(h) < 0;
		if (is_starved)
			__atomic_store_n(&h->starved, true, __ATOMIC_RELAXED);
	} else if (h->workers_max <= h->parallel) {
		w->record->flags = 0;
	}
	pthread_mutex_unlock(&h->lock);
	if (is_starved)
		watch_arm(h, WATCH_TICK); /* try again later */
	if (w->record->flags)
		worker_execute_one(w);
}

/* Leave, unless it is the last. */
static bool retire(struct worker *w)
{
	struct hascall *h = w->h;
	bool leave;

	pthread_mutex_lock(&h->lock);
	leave = h->stats.workers > 1;
	if (leave) {
		h->stats.workers--;
		list_del(&w->node);
		list_push_back(&h->gone, &w->node);
	}
	pthread_mutex_unlock(&h->lock);
	return leave;
}

/* Is there a call in the record that was begun, or is to be? */
static bool has_left(const struct worker *w)
{
	return w->record->left != ASYNC_SYSCALL_LEFT_NOTHING;
}

/* It was called back, and is: if its call is not over, this is its end. */
static void end_what_is_left(struct worker *w)
{
	struct async_syscall_executor *r = w->record;
	int32_t cut;

	if ((r->left != ASYNC_SYSCALL_LEFT_CALL && r->left != ASYNC_SYSCALL_LEFT_WAIT) ||
	    r->entry == 0 || r->entry > w->h->entry_count)
		return;
	cut = __atomic_load_n(&w->h->cut[r->entry - 1], __ATOMIC_SEQ_CST);
	if (cut < 0) {
		r->left = ASYNC_SYSCALL_LEFT_RESULT;
		r->ret = cut;
	}
}

/* An entry is in an impossible state, the kernel does not say which: wake who sleeps on any. */
static void found_damage_somewhere(struct hascall *h)
{
	for (uint32_t i = 0; i < h->entry_count; i++)
		worker_found_damage(h, i);
}

/* For the rest of its time: the kernel knows how long that is, as of any wait that a stop cut. */
static int64_t go_on_waiting(const struct worker *w)
{
	const struct slot_call rest = { .num = SYS_restart_syscall };

	return syscall_unless(&rest, &w->phase, PHASE_CUT);
}

/* Do what the kernel has left of a call, and of its chain. */
static void finish_left(struct worker *w)
{
	struct async_syscall_executor *r = w->record;
	struct hascall *h = w->h;
	uint32_t entry = r->entry - 1;
	struct slot_call call = { .num = r->num, .link = r->link };
	struct chain chain = { .length = r->place, .failed = (uint32_t)r->failed };
	bool waits = r->left == ASYNC_SYSCALL_LEFT_WAIT;
	bool has_result = waits || r->left == ASYNC_SYSCALL_LEFT_RESULT;

	if (entry >= h->entry_count || r->place >= SYSCALL_CHAIN_MAX) {
		found_damage_somewhere(h); /* a stray write of the application's */
		return;
	}
	memcpy(call.arg, r->arg, sizeof(call.arg));
	memcpy(chain.result, r->result, sizeof(chain.result));
	call.linked = r->link != 0 || r->place > 0;
	chain.next = r->place > 0 ? entry + 1 : 0; /* on its way, or at its beginning */
	pthread_mutex_lock(&h->lock);
	worker_announce(w, entry);
	__atomic_store_n(&r->entry, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&h->lock);
	if (waits)
		r->ret = go_on_waiting(w);
	worker_go_on(w, entry, &call, &chain, has_result ? &r->ret : NULL);
}

/* The kernel uses up a hint before it looks at the entry, where it may have found no memory. */
static void mark_again(struct hascall *h)
{
	for (uint32_t i = 0; i < h->entry_count; i++) {
		uint32_t word = slot_word(&h->entry[i]);

		if (slot_word_state(word) == SYSCALL_HASCALL && !(word & SYSCALL_HELD))
			area_mark_posted(hint_of(h, i), i % AREA_HINT_ENTRIES);
	}
}

static bool any_result(const struct hascall *h)
{
	for (uint32_t word = 0; word < h->done_words; word++)
		if (__atomic_load_n(&h->done[word], __ATOMIC_SEQ_CST))
			return true;
	return false;
}

/* The kernel will not have this thread: it goes on by itself. */
static void fall(struct worker *w, long why)
{
	struct hascall *h = w->h;

	__atomic_store_n(&h->fallen, true, __ATOMIC_SEQ_CST);
	if (why == -EPROTO)
		found_damage_somewhere(h);
	if (has_left(w))
		finish_left(w);
	pthread_mutex_lock(&h->lock);
	w->is_lent = false;
	pthread_mutex_unlock(&h->lock);
	counts_add(h, POOL_SEARCHING);
	if (why == -EFAULT)
		mark_again(h);
	if (any_result(h)) /* it may be of this worker, which has not told */
		pool_tell(h, __atomic_load_n(&h->attention, __ATOMIC_SEQ_CST));
	area_fence();
}

static bool has_fallen(const struct hascall *h)
{
	return __atomic_load_n(&h->fallen, __ATOMIC_RELAXED);
}

/* What an answer asks for. False: the worker is not to be lent again. */
static bool obey(struct worker *w, long why)
{
	struct hascall *h = w->h;

	switch (why) {
	case ASYNC_SYSCALL_GROW:
		if (has_fallen(h))
			return false;
		grow(w);
		return true;
	case ASYNC_SYSCALL_TELL:
		pool_tell(h, __atomic_load_n(&h->attention, __ATOMIC_SEQ_CST));
		return !has_fallen(h);
	case ASYNC_SYSCALL_IDLE:
	case -EINTR:
	case -ECANCELED: /* it was called back before */
		return !has_fallen(h);
	default:
		return false;
	}
}

bool lent_main(struct worker *w)
{
	struct hascall *h = w->h;
	long why;

	arrive(w);
	do {
		if (stopping(h) && !has_left(w))
			return false;
		worker_keep_off(w);
		why = kernel_lend(&h->kernel, w->record, &w->phase);
		if (__atomic_load_n(&w->phase, __ATOMIC_ACQUIRE) & PHASE_CUT) {
			worker_rest(w);
			end_what_is_left(w);
		}
		if (why == ASYNC_SYSCALL_IDLE && retire(w))
			return false;
	} while (obey(w, why));
	if (why == ASYNC_SYSCALL_ENDED && stopping(h))
		return false;
	fall(w, why);
	return true;
}

/* SPDX-License-Identifier: MIT */
#include "lib/worker.h"

#include "lib/cut.h"
#include "lib/do_syscall.h"
#include "lib/futex.h"
#include "lib/lent.h"

#include <sched.h>

/*
 * Before a claim: say which entry this worker is going to execute. Nobody else writes
 * phase while it is not busy. One that is searching is not counted as running, so the
 * watcher must not find it blocked.
 */
void worker_announce(struct worker *w, uint32_t entry)
{
	uint32_t busy = PHASE_BUSY | (w->searching ? PHASE_BLOCKED : 0);

	__atomic_store_n(&w->entry, entry, __ATOMIC_RELAXED);
	__atomic_store_n(&w->phase,
			 __atomic_load_n(&w->phase, __ATOMIC_RELAXED) + PHASE_NEXT + busy,
			 __ATOMIC_RELEASE);
}

/*
 * Somebody saw this worker busy and sends it a signal, under the lock. Let the signal
 * come now, so that it does not hit the next call.
 */
static __attribute__((noinline, cold)) void await_signal(struct worker *w)
{
	pthread_mutex_lock(&w->h->lock);
	lent_is_back(w);
	pthread_mutex_unlock(&w->h->lock);
	syscall(SYS_getppid);
}

/* No longer busy. What phase was. */
uint32_t worker_rest(struct worker *w)
{
	uint32_t phase = __atomic_fetch_and(&w->phase, ~(PHASE_NEXT - 1), __ATOMIC_ACQ_REL);

	if (phase & PHASE_CUT)
		await_signal(w);
	return phase;
}

/* The claim failed: somebody was faster, or the call was recalled. */
static void worker_retreat(struct worker *w)
{
	uint32_t phase = worker_rest(w);

	if ((phase & PHASE_BLOCKED) && !w->searching)
		counts_add(w->h, POOL_RUNNING);
}

/*
 * This worker was seen busy with the entry while another call was in it: the signal was
 * for that one. Lock: who cancels this one has done both, cut[] and PHASE_CUT, or neither.
 */
static __attribute__((noinline, cold)) void forget_cut(struct worker *w, uint32_t entry)
{
	pthread_mutex_lock(&w->h->lock);
	if (__atomic_load_n(&w->h->cut[entry], __ATOMIC_RELAXED) == 0)
		__atomic_fetch_and(&w->phase, ~PHASE_CUT, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&w->h->lock);
	syscall(SYS_getppid);
}

/* Claim an entry whose hint this worker has taken, as slot_claim(). */
static int claim(struct worker *w, uint32_t entry, struct slot_call *ret_call)
{
	struct hascall *h = w->h;
	int r;

	/* A stray write of the application's can set any bit, any state. */
	if (entry >= h->entry_count)
		return -EPROTO;
	worker_announce(w, entry);
	r = slot_claim(&h->entry[entry], ret_call);
	if (r < 0)
		worker_retreat(w);
	else if (__atomic_load_n(&w->phase, __ATOMIC_RELAXED) & PHASE_CUT)
		forget_cut(w, entry);
	return r;
}

__attribute__((noinline, cold)) void worker_found_damage(struct hascall *h, uint32_t entry)
{
	__atomic_store_n(&h->broken, 1, __ATOMIC_SEQ_CST);
	if (entry < h->entry_count)
		futex_wake(&h->entry[entry].state, 1);
	__atomic_fetch_add(&h->any_rings, 1, __ATOMIC_SEQ_CST);
	futex_wake(&h->any_rings, 1);
}

/*
 * Take and claim the next posted call. 0; -EAGAIN: there is none; -ESHUTDOWN: END.
 * Hints of recalled calls are used up on the way.
 */
static int pick(struct worker *w, uint32_t *ret_entry, struct slot_call *ret_call)
{
	struct hascall *h = w->h;

	for (uint32_t i = 0; i < h->hint_count;) {
		uint32_t block = (w->cursor / AREA_HINT_ENTRIES + i) % h->hint_count;
		uint32_t from = i == 0 ? w->cursor % AREA_HINT_ENTRIES : 0;
		int found = area_take_one(&h->hint[block], from);
		uint32_t entry;
		int r;

		if (found < 0) {
			i++;
			continue;
		}
		entry = block * AREA_HINT_ENTRIES + (uint32_t)found;
		r = claim(w, entry, ret_call);
		if (r == -ESHUTDOWN && !stopping(h))
			r = -EPROTO; /* nobody but hascall_close() puts END */
		if (r == -ESHUTDOWN)
			area_mark_posted(&h->hint[block], (uint32_t)found); /* for the others */
		if (r == -EPROTO)
			worker_found_damage(h, entry);
		if (r == -EPROTO || r == -EAGAIN)
			continue;
		w->cursor = (entry + 1) % (h->hint_count * AREA_HINT_ENTRIES);
		*ret_entry = entry;
		return r;
	}
	return -EAGAIN;
}

/* On along the chain. 0; -EAGAIN: it ends here, damaged. */
static int follow(struct worker *w, struct chain *c, uint32_t *ret_entry,
		  struct slot_call *ret_call)
{
	struct hascall *h = w->h;
	uint32_t entry = c->next - 1;

	if (entry < h->entry_count) {
		worker_announce(w, entry);
		if (slot_claim_held(&h->entry[entry], ret_call) == 0) {
			*ret_entry = entry;
			return 0;
		}
		worker_retreat(w);
	}
	c->next = 0;
	worker_found_damage(h, entry);
	return -EAGAIN;
}

/* call_check() of a call of a chain, its arguments filled in. Also -ECANCELED, -ETIMEDOUT. */
static int check_linked(struct hascall *h, uint32_t entry, struct chain *c, struct slot_call *call)
{
	int32_t cut = __atomic_load_n(&h->cut[entry], __ATOMIC_SEQ_CST);
	int r;

	if (c->next == 0)
		chain_reset(c);
	if (cut < 0)
		return cut;
	r = chain_prepare(c, call);
	return r < 0 ? r : call_check(call);
}

/*
 * A worker on the processor of a caller who is awake keeps the caller from working, and
 * the scheduler leaves it there while others keep the rest of the machine busy: then both
 * sleep and wake by turns, once a batch. So it moves, once for each processor it meets
 * the caller on; within those the area was opened with.
 */
static __attribute__((noinline, cold)) void keep_off(struct worker *w, uint32_t cpu)
{
	cpu_set_t set = w->h->processors;

	w->kept_off = cpu;
	if (cpu >= CPU_SETSIZE)
		return;
	CPU_CLR(cpu, &set);
	if (CPU_COUNT(&set) > 0)
		sched_setaffinity(0, sizeof(set), &set);
}

void worker_keep_off(struct worker *w)
{
	const struct hascall *h = w->h;
	uint32_t cpu = (uint32_t)sched_getcpu();

	if (cpu == __atomic_load_n(&h->caller_cpu, __ATOMIC_RELAXED) && cpu != w->kept_off &&
	    !__atomic_load_n(&h->caller_sleeps, __ATOMIC_RELAXED))
		keep_off(w, cpu);
}

/* Before a call: say what this worker becomes, and leave the other calls to somebody. */
static void worker_begin(struct worker *w, int leave)
{
	struct hascall *h = w->h;

	worker_keep_off(w);
	if (w->searching || leave == CALL_MAY_WAIT) {
		uint64_t was = w->searching ? POOL_SEARCHING : POOL_RUNNING;
		uint64_t is = leave == CALL_MAY_WAIT ? 0 : POOL_RUNNING;

		w->searching = false;
		if (is)
			__atomic_fetch_and(&w->phase, ~PHASE_BLOCKED, __ATOMIC_RELAXED);
		else if (was == POOL_RUNNING &&
			 (__atomic_fetch_or(&w->phase, PHASE_BLOCKED, __ATOMIC_RELAXED) &
			  PHASE_BLOCKED))
			was = 0; /* the watcher was first */
		counts_add(h, is - was);
		area_fence();
	}
	if (pool_pending(h))
		pool_look(h, leave == CALL_MAY_WAIT ? POOL_LEAVING : POOL_WORKER);
}

/* What the call gives if somebody has called its thread back in the middle of it. */
static int64_t cut_result(const struct worker *w, uint32_t entry, uint32_t phase, int64_t result)
{
	if ((phase & PHASE_CUT) && (result == -EINTR || result == -ECANCELED)) {
		result = __atomic_load_n(&w->h->cut[entry], __ATOMIC_RELAXED);
		if (result == 0)
			result = -ECANCELED; /* the signal was not sent after all */
	}
	return result;
}

/* After a call. The result; of a call that a signal cut short, what its canceller wants. */
static int64_t worker_end(struct worker *w, uint32_t entry, int64_t result)
{
	uint32_t phase = worker_rest(w);

	if (phase & PHASE_BLOCKED)
		counts_add(w->h, POOL_RUNNING);
	return cut_result(w, entry, phase, result);
}

/*
 * Give the result back and tell whoever waits. The order of the done bit and
 * `attention` against hascall_wait_any() and hascall_reap() is sequentially
 * consistent: one side sees the other.
 */
void pool_finish(struct hascall *h, uint32_t entry, int64_t result)
{
	struct syscall_info *e = &h->entry[entry];
	bool must_wake = false;

	if (slot_complete(e, result, 0, &must_wake) < 0) {
		damaged(h);
		must_wake = true; /* WAITED may have been overwritten */
	}
	if (must_wake)
		futex_wake(&e->state, 1);
	__atomic_fetch_or(&h->done[entry / 64], UINT64_C(1) << (entry % 64), __ATOMIC_SEQ_CST);
	pool_tell(h, __atomic_load_n(&h->attention, __ATOMIC_SEQ_CST));
}

void pool_tell(struct hascall *h, uint32_t attention)
{
	if (attention & ATTENTION_SLEEPER) {
		__atomic_fetch_add(&h->any_rings, 1, __ATOMIC_RELEASE);
		futex_wake(&h->any_rings, 1);
	}
	if (h->options.notify)
		h->options.notify(h->options.notify_ctx);
	if ((attention & ATTENTION_EVENTFD) &&
	    (__atomic_fetch_and(&h->attention, ~ATTENTION_EVENTFD, __ATOMIC_SEQ_CST) &
	     ATTENTION_EVENTFD)) {
		uint64_t one = 1;
		/* By a caller that helps, too: write() is a cancellation point. */
		const struct slot_call call = {
			.num = SYS_write,
			.arg = { (uint64_t)h->options.eventfd, (uintptr_t)&one, sizeof(one) },
		};

		(void)syscall_now(&call); /* full: it is readable, which is all we want */
		__atomic_store_n(&h->rung, true, __ATOMIC_SEQ_CST);
	}
}

/*
 * HASCALL_POLLING: one worker goes on looking. True: there is something.
 * False: it is not to, or all are to end.
 */
static bool poll_on(const struct worker *w)
{
	struct hascall *h = w->h;

	if (!h->polling || __atomic_exchange_n(&h->polled, 1, __ATOMIC_ACQUIRE))
		return false;
	while (!pool_pending(h) && !stopping(h))
		__builtin_ia32_pause();
	__atomic_store_n(&h->polled, 0, __ATOMIC_RELEASE);
	return !stopping(h);
}

/*
 * One searching worker may spin a little, since the next call often comes soon;
 * not on the caller's own processor, where it would only keep the caller away.
 */
static bool spin(const struct worker *w)
{
	const struct hascall *h = w->h;
	int64_t end;

	if (!h->spin || counts_searching(counts_now(h)) > 1 ||
	    __atomic_load_n(&h->caller_cpu, __ATOMIC_RELAXED) == (uint32_t)sched_getcpu())
		return false;
	end = now_ns() + POOL_SPIN_NS;
	do {
		for (unsigned int i = 0; i < 16; i++) {
			if (pool_pending(h))
				return true;
			__builtin_ia32_pause();
		}
	} while (!stopping(h) && now_ns() < end);
	return false;
}

/* Off the idle list if no waker was first. Searching in either case. */
static void worker_rise(struct worker *w)
{
	pthread_mutex_lock(&w->h->lock);
	if (!w->wake) {
		list_del(&w->idle_node);
		counts_add(w->h, POOL_SEARCHING);
	}
	pthread_mutex_unlock(&w->h->lock);
}

/* Idle for long: leave, unless it is the last or somebody has just chosen it. */
static bool worker_retire(struct worker *w)
{
	struct hascall *h = w->h;
	bool leave;

	pthread_mutex_lock(&h->lock);
	leave = !w->wake && h->stats.workers > 1;
	if (leave) {
		h->stats.workers--;
		list_del(&w->idle_node);
		list_del(&w->node);
		list_push_back(&h->gone, &w->node);
	}
	pthread_mutex_unlock(&h->lock);
	return leave;
}

/* True: woken, and searching again. False: this thread ends. */
static bool worker_sleep(struct worker *w)
{
	struct hascall *h = w->h;

	pthread_mutex_lock(&h->lock);
	counts_add(h, -POOL_SEARCHING);
	if (stopping(h)) {
		pthread_mutex_unlock(&h->lock);
		return false;
	}
	w->wake = 0;
	list_push_front(&h->idle, &w->idle_node);
	pthread_mutex_unlock(&h->lock);

	area_fence();
	if (pool_pending(h)) {
		worker_rise(w);
		return true;
	}
	while (!__atomic_load_n(&w->wake, __ATOMIC_ACQUIRE))
		if (futex_wait(&w->wake, 0, h->idle_ns) == -ETIMEDOUT && worker_retire(w))
			return false;
	return true;
}

/* Nothing was found. True: look again. False: this thread ends. */
static bool worker_idle(struct worker *w)
{
	if (!w->searching) {
		w->searching = true;
		counts_add(w->h, POOL_SEARCHING - POOL_RUNNING);
		area_fence();
		return true;
	}
	return poll_on(w) || spin(w) || worker_sleep(w);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct hascall *h = w->h;
	struct slot_call call;
	struct chain chain;
	uint32_t entry;

	chain_reset(&chain);
	for (;;) {
		int r = chain.next ? follow(w, &chain, &entry, &call) : pick(w, &entry, &call);
		int64_t result;
		int leave;

		if (r == -EAGAIN && worker_idle(w))
			continue;
		if (r < 0)
			break;
		leave = call.linked ? check_linked(h, entry, &chain, &call) : call_check(&call);
		worker_begin(w, leave);
		result = leave < 0 ? leave : syscall_unless(&call, &w->phase, PHASE_CUT);
		result = worker_end(w, entry, result);
		pool_finish(h, entry, result);
		if (call.linked)
			chain_note(&chain, &call, result);
	}
	return NULL;
}

void worker_go_on(struct worker *w, uint32_t entry, struct slot_call *call, struct chain *chain,
		  const int64_t *known)
{
	struct hascall *h = w->h;

	do {
		int64_t result;
		int leave;

		leave = call->linked ? check_linked(h, entry, chain, call) : call_check(call);
		if (known)
			result = *known;
		else
			result = leave < 0 ? leave : syscall_unless(call, &w->phase, PHASE_CUT);
		known = NULL;
		result = cut_result(w, entry, worker_rest(w), result);
		pool_finish(h, entry, result);
		if (!call->linked)
			return;
		chain_note(chain, call, result);
	} while (chain->next && follow(w, chain, &entry, call) == 0);
}

void worker_execute_one(struct worker *w)
{
	struct slot_call call;
	struct chain chain;
	uint32_t entry;

	chain_reset(&chain);
	if (pick(w, &entry, &call) < 0)
		return;
	area_fence();
	if (pool_pending(w->h))
		pool_look(w->h, POOL_WORKER);
	worker_go_on(w, entry, &call, &chain, NULL);
}

/* The first instructions of a worker; apart, so that its loop has no call around it. */
void *worker_enter(void *arg)
{
	struct worker *w = arg;

	__atomic_store_n(&w->tid, (uint32_t)gettid(), __ATOMIC_RELAXED);
	pthread_setname_np(pthread_self(), "hascall");
	if (w->is_lent && !lent_main(w))
		return NULL;
	return worker_main(w);
}

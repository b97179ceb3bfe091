/* SPDX-License-Identifier: MIT */
/*
 * wait.c - hascall.h: waiting, and helping meanwhile.
 */
#include "lib/chain.h"
#include "lib/do_syscall.h"
#include "lib/futex.h"
#include "lib/handle.h"

#define HELD_LOOK_NS 100000000 /* who waits for a held call looks so often whether it is lost */
#define LOST_LOOKS 10u	       /* so often in a row nobody is at any call: it is lost */

static int64_t deadline_of(int64_t timeout_ns)
{
	int64_t now;

	if (timeout_ns < 0)
		return FOREVER;
	now = now_ns();
	return timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

/* FOREVER, or what is left; 0 if the time is over. */
static int64_t time_left(int64_t deadline)
{
	int64_t left;

	if (deadline == FOREVER)
		return FOREVER;
	left = deadline - now_ns();
	return left > 0 ? left : 0;
}

/*
 * Execute the call of an entry here if nobody has begun it. 0, -EAGAIN, -EPROTO.
 * Inline up to the function that the application calls: see do_syscall.h.
 */
static inline __attribute__((always_inline)) int help_alone(struct hascall *h, uint32_t entry,
							    int64_t *ret_result)
{
	const struct syscall_info *e = &h->entry[entry];
	struct slot_call call;
	int r = recall_for_oneself(h, entry);

	if (r < 0)
		return r;
	call.num = e->num; /* the entry is this thread's own again */
	for (unsigned int i = 0; i < 6; i++)
		call.arg[i] = e->arg[i];
	kick_if_due(h); /* the others need a worker while this thread is busy */
	*ret_result = do_syscall(&call);
	free_entry(h, entry);
	return 0;
}

/*
 * This thread has executed a call that it claimed. Nobody but itself takes notice of the
 * result, unless somebody wants to be told.
 */
static inline void finish_here(struct hascall *h, uint32_t entry, int64_t result)
{
	uint32_t attention;
	bool must_wake; /* it is this thread who would sleep */

	if (slot_complete(&h->entry[entry], result, 0, &must_wake) < 0)
		damaged(h);
	h->own_done[entry / 64] |= UINT64_C(1) << (entry % 64);
	attention = __atomic_load_n(&h->attention, __ATOMIC_RELAXED);
	if (attention || h->options.notify)
		pool_tell(h, attention);
}

/* A call this thread has claimed, and the rest of its chain. */
static inline void execute(struct hascall *h, uint32_t entry, struct slot_call *call)
{
	struct chain chain;
	int r;

	chain_reset(&chain);
	do {
		int32_t cut = __atomic_load_n(&h->cut[entry], __ATOMIC_RELAXED);
		int64_t result;

		result = cut < 0 ? cut : chain_prepare(&chain, call);
		if (result == 0)
			result = do_syscall(call);
		finish_here(h, entry, result);
		if (!call->linked)
			return;
		chain_note(&chain, call, result);
		if (chain.next == 0)
			return;
		entry = chain.next - 1;
		r = entry < h->entry_count ? slot_claim_held(&h->entry[entry], call) : -EPROTO;
	} while (r == 0);
	damaged(h);
}

/* 0: executed here, with its chain; -EAGAIN: somebody was faster; -EPROTO. */
static int help_entry(struct hascall *h, uint32_t entry)
{
	struct slot_call call;
	int r = slot_claim(&h->entry[entry], &call);

	if (r < 0)
		return r == -EAGAIN ? r : damaged(h);
	unmark(h, entry);
	kick_if_due(h); /* the others need a worker while this thread is busy */
	execute(h, entry, &call);
	return 0;
}

/*
 * A call that nobody has begun: is it fit for a thread that waits for others? Only its
 * caller, this thread, posts it, so while it is HASCALL its fields stand still.
 */
static bool fit_to_help(const struct hascall *h, uint32_t entry)
{
	const struct syscall_info *e = &h->entry[entry];
	uint16_t flags = h->call[entry].flags;
	struct slot_call call;
	uint32_t word;

	if (!in_use(h, entry))
		return false;
	if (h->alone)
		return true; /* nobody else will */
	if (flags & POOL_CALL_CHAINED)
		return !(flags & (POOL_CALL_CHAIN_TIMED | POOL_CALL_CHAIN_WAITS));
	if (flags & POOL_CALL_TIMED)
		return false;
	call.num = __atomic_load_n(&e->num, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < 6; i++)
		call.arg[i] = __atomic_load_n(&e->arg[i], __ATOMIC_RELAXED);
	word = slot_word(e);
	return slot_word_state(word) == SYSCALL_HASCALL && call_check(&call) != CALL_MAY_WAIT;
}

/*
 * Execute one of these calls of a word. Workers go upwards through the entries, so this
 * goes downwards, and meets them late. False: none is left, or fit.
 */
static bool help_word(struct hascall *h, uint32_t word, uint64_t bits)
{
	while (bits) {
		uint32_t bit = 63 - (uint32_t)__builtin_clzll(bits);
		uint32_t entry = word * 64 + bit;

		bits &= ~(UINT64_C(1) << bit);
		if (entry < h->entry_count && fit_to_help(h, entry) && help_entry(h, entry) == 0)
			return true;
	}
	return false;
}

/* Best one that no worker knows of. */
bool help_any(struct hascall *h)
{
	if (h->unmarked_count > 0)
		for (uint32_t word = h->done_words; word-- > 0;)
			if (help_word(h, word, h->unmarked[word]))
				return true;
	for (uint32_t word = h->done_words; word-- > 0;)
		if (help_word(h, word, posted_bits(h, word)))
			return true;
	return false;
}

/*
 * Of a call of a chain: the first, if nobody has begun it for all we know, else
 * POOL_NO_ENTRY. A first call that was delivered may have left its entry to another
 * chain; that one does not lead here.
 */
static uint32_t first_unbegun(const struct hascall *h, uint32_t entry)
{
	uint32_t first = h->call[entry].first;
	uint32_t on_the_way = first;

	if (first != entry && !(slot_word(&h->entry[entry]) & SYSCALL_HELD))
		return POOL_NO_ENTRY;
	while (on_the_way != entry) {
		const struct pool_call *call = &h->call[on_the_way];

		if (!in_use(h, on_the_way) || !(call->flags & POOL_CALL_CHAINED) ||
		    call->first != first || call->next == POOL_NO_ENTRY)
			return POOL_NO_ENTRY;
		on_the_way = call->next;
	}
	return h->call[first].flags & POOL_CALL_CHAIN_TIMED ? POOL_NO_ENTRY : first;
}

/* A wait for one call of a chain executes the chain. 0, -EAGAIN, -EPROTO. */
static int help_chain(struct hascall *h, uint32_t entry, int64_t *ret_result)
{
	uint32_t first;
	int r;

	if (!(h->call[entry].flags & POOL_CALL_CHAINED))
		return -EAGAIN;
	first = first_unbegun(h, entry);
	if (first == POOL_NO_ENTRY)
		return -EAGAIN;
	r = help_entry(h, first);
	return r < 0 ? r : take(h, entry, ret_result);
}

/* There are no threads: nobody else has begun it. 0, -EAGAIN, -EPROTO. */
static __attribute__((noinline)) int help_lonely(struct hascall *h, uint32_t entry,
						 int64_t *ret_result)
{
	int r;

	if (!(h->call[entry].flags & POOL_CALL_CHAINED))
		return help_alone(h, entry, ret_result);
	r = help_chain(h, entry, ret_result);
	if (r != -EAGAIN)
		return r;
	/* Its chain was cut: what is left of it begins with another call than its first. */
	while (help_any(h))
		;
	return take(h, entry, ret_result);
}

/* The result often comes soon; not worth it on one processor. */
static void wait_spin(const struct hascall *h, bool (*there)(const struct hascall *, uint32_t),
		      uint32_t entry)
{
	int64_t end;

	if (!h->spin)
		return;
	end = now_ns() + POOL_SPIN_NS;
	do {
		for (unsigned int i = 0; i < 16; i++) {
			if (there(h, entry))
				return;
			__builtin_ia32_pause();
		}
	} while (now_ns() < end);
}

static bool any_done_bit(const struct hascall *h, uint32_t unused)
{
	(void)unused;
	for (uint32_t word = 0; word < h->done_words; word++)
		if (__atomic_load_n(&h->done[word], __ATOMIC_RELAXED))
			return true;
	return false;
}

/*
 * The kernel does not say where a chain ends because an entry of it was overwritten, nor
 * whose result it could not deliver: those who wait for what nobody is at find out. Called
 * after a sleep: `is_over`, if nothing came for HELD_LOOK_NS. 0, -EPROTO.
 */
static int look_whether_lost(struct hascall *h, bool is_over)
{
	if (!is_over || !h->in_kernel || !pool_is_idle(h))
		h->lost_looks = 0;
	else
		h->lost_looks++;
	return h->lost_looks < LOST_LOOKS ? 0 : damaged(h);
}

/* Sleep until the entry is completed, or for a while: look again. 0, -ETIMEDOUT, -EPROTO. */
static int entry_sleep(struct hascall *h, uint32_t entry, int64_t deadline)
{
	int64_t left = time_left(deadline);
	uint32_t word;
	int r;

	if (left == 0)
		return -ETIMEDOUT;
	if (broken(h) && (slot_word(&h->entry[entry]) & SYSCALL_HELD))
		return -EPROTO; /* nobody leads to it any more */
	if (slot_wait_begin(&h->entry[entry], &word) < 0)
		return 0;
	/* If its chain breaks, nobody is left who knows of it and could wake us. */
	if (((word & SYSCALL_HELD) || broken(h)) && (left == FOREVER || left > HELD_LOOK_NS))
		left = HELD_LOOK_NS;
	__atomic_store_n(&h->caller_sleeps, true, __ATOMIC_RELAXED);
	r = futex_wait(&h->entry[entry].state, word, left);
	__atomic_store_n(&h->caller_sleeps, false, __ATOMIC_RELAXED);
	return look_whether_lost(h, r == -ETIMEDOUT && left == HELD_LOOK_NS);
}

int hascall_wait(struct hascall *h, uint64_t ticket, int64_t timeout_ns, uint32_t flags,
		 int64_t *ret_result)
{
	int64_t deadline = deadline_of(timeout_ns);
	int entry = find(h, ticket);
	int r;

	if (entry < 0)
		return entry;
	if (!alive(h))
		return -ESHUTDOWN;
	if (flags & ~HASCALL_HELP)
		return -EINVAL;
	if ((flags & HASCALL_HELP) &&
	    !(h->call[entry].flags & (POOL_CALL_CHAINED | POOL_CALL_TIMED))) {
		r = help_alone(h, (uint32_t)entry, ret_result);
		if (r != -EAGAIN)
			return r;
	}
	r = take(h, (uint32_t)entry, ret_result);
	if (r == -EAGAIN && (flags & HASCALL_HELP))
		r = help_chain(h, (uint32_t)entry, ret_result);
	kick_if_due(h);
	if (r != -EAGAIN)
		return r;
	if (h->alone) {
		r = help_lonely(h, (uint32_t)entry, ret_result);
		if (r != -EAGAIN)
			return r;
	}
	if (timeout_ns != 0)
		wait_spin(h, completed, (uint32_t)entry);
	while ((r = take(h, (uint32_t)entry, ret_result)) == -EAGAIN) {
		r = entry_sleep(h, (uint32_t)entry, deadline);
		if (r < 0)
			return r;
	}
	return r;
}

/*
 * Is one of these calls of a word completed and not yet delivered? One that was, and is
 * in no possible state any more, is damage.
 */
static bool any_of(struct hascall *h, uint32_t word, uint64_t bits)
{
	for (; bits; bits &= bits - 1) {
		uint32_t entry = word * 64 + (uint32_t)__builtin_ctzll(bits);
		int state = in_use(h, entry) ? slot_state(&h->entry[entry]) : SYSCALL_HASCALL;

		if (state == SYSCALL_COMPLETED)
			return true;
		if (state != SYSCALL_HASCALL && state != SYSCALL_EXECUTING)
			damaged(h);
	}
	return false;
}

/*
 * Is there something to reap? Bits of results that hascall_wait() took are cleared on
 * the way, with a second look, as one of them may have come anew in between.
 */
static bool any_completed(struct hascall *h)
{
	for (uint32_t word = 0; word < h->done_words; word++) {
		uint64_t bits = h->own_done[word];

		if (any_of(h, word, bits))
			return true;
		h->own_done[word] = 0;
		bits = __atomic_load_n(&h->done[word], __ATOMIC_SEQ_CST);
		if (bits == 0)
			continue;
		if (any_of(h, word, bits))
			return true;
		__atomic_fetch_and(&h->done[word], ~bits, __ATOMIC_SEQ_CST);
		if (any_of(h, word, bits)) {
			__atomic_fetch_or(&h->done[word], bits, __ATOMIC_SEQ_CST);
			return true;
		}
	}
	return false;
}

/* Is a call in flight whose turn in its chain has not come? */
static bool any_held(const struct hascall *h)
{
	for (uint32_t i = next_used(h, 0); i < h->entry_count; i = next_used(h, i + 1))
		if (is_held(h, i))
			return true;
	return false;
}

/* Sleep until any_rings moves or something is there, or for a while. */
static void any_sleep(struct hascall *h, int64_t left_ns)
{
	uint32_t seen = __atomic_load_n(&h->any_rings, __ATOMIC_ACQUIRE);
	int r = 0;

	if (h->in_kernel && (left_ns == FOREVER || left_ns > HELD_LOOK_NS) && any_held(h))
		left_ns = HELD_LOOK_NS;
	__atomic_fetch_or(&h->attention, ATTENTION_SLEEPER, __ATOMIC_SEQ_CST);
	__atomic_store_n(&h->caller_sleeps, true, __ATOMIC_RELAXED);
	if (!any_completed(h))
		r = futex_wait(&h->any_rings, seen, left_ns);
	__atomic_store_n(&h->caller_sleeps, false, __ATOMIC_RELAXED);
	__atomic_fetch_and(&h->attention, ~ATTENTION_SLEEPER, __ATOMIC_SEQ_CST);
	(void)look_whether_lost(h, r == -ETIMEDOUT && left_ns == HELD_LOOK_NS); /* damage stays */
}

int hascall_wait_any(struct hascall *h, int64_t timeout_ns, uint32_t flags)
{
	int64_t deadline = deadline_of(timeout_ns);

	if (!alive(h))
		return -ESHUTDOWN;
	if (flags & ~HASCALL_HELP)
		return -EINVAL;
	if (hascall_in_flight(h) == 0)
		return -ENOENT;
	if (flags & HASCALL_HELP)
		while (!any_completed(h) && help_any(h))
			;
	kick_if_due(h);
	while (h->alone && !any_completed(h) && help_any(h))
		;
	if (any_completed(h))
		return 0;
	if (timeout_ns != 0)
		wait_spin(h, any_done_bit, 0);
	while (!any_completed(h)) {
		int64_t left = time_left(deadline);

		if (broken(h))
			return -EPROTO;
		if (left == 0)
			return -ETIMEDOUT;
		any_sleep(h, left);
	}
	return 0;
}

/* In use and not completed; or damaged, which nobody will complete. */
static bool is_open(const struct hascall *h, uint32_t entry)
{
	int state = slot_state(&h->entry[entry]);

	return state == SYSCALL_HASCALL || state == SYSCALL_EXECUTING;
}

static bool is_over(const struct hascall *h, uint32_t entry)
{
	return !is_open(h, entry);
}

/* The next call of the group, from this entry on, that is not completed. */
static uint32_t next_open(const struct hascall *h, uint32_t group, uint32_t from)
{
	uint32_t i = next_used(h, from);

	while (i < h->entry_count &&
	       ((group != HASCALL_ALL_GROUPS && h->call[i].group != group) || !is_open(h, i)))
		i = next_used(h, i + 1);
	return i;
}

/* The last one in the table ends last, as a rule: after it, the others need no sleep. */
int hascall_wait_all(struct hascall *h, uint32_t group, int64_t timeout_ns, uint32_t flags)
{
	int64_t deadline = deadline_of(timeout_ns);

	if (!alive(h))
		return -ESHUTDOWN;
	if (flags & ~HASCALL_HELP)
		return -EINVAL;
	if (flags & HASCALL_HELP)
		for (uint32_t i = 0; (i = next_open(h, group, i)) < h->entry_count;)
			if (time_left(deadline) == 0 || !help_any(h))
				break;
	kick_if_due(h);
	while (h->alone && help_any(h))
		;
	for (uint32_t word = h->done_words; word-- > 0;)
		for (uint64_t bits = h->used[word]; bits;) {
			uint32_t bit = 63 - (uint32_t)__builtin_clzll(bits);
			uint32_t entry = word * 64 + bit;

			bits &= ~(UINT64_C(1) << bit);
			if (group != HASCALL_ALL_GROUPS && h->call[entry].group != group)
				continue;
			if (timeout_ns != 0 && is_open(h, entry))
				wait_spin(h, is_over, entry);
			while (is_open(h, entry)) {
				int r = entry_sleep(h, entry, deadline);

				if (r < 0)
					return r;
			}
			if (!completed(h, entry))
				return damaged(h);
			/* Its done bit may be on its way: a reap after this must find it. */
			h->own_done[word] |= UINT64_C(1) << bit;
		}
	return 0;
}

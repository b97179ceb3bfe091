/* SPDX-License-Identifier: MIT */
/*
 * wait.c - hascall.h: waiting, and helping meanwhile.
 */
#include "lib/chain.h"
#include "lib/do_syscall.h"
#include "lib/futex.h"
#include "lib/handle.h"

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

/* Execute the call of an entry here if nobody has begun it. 0, -EAGAIN, -EPROTO. */
static int help_alone(struct hascall *h, uint32_t entry, int64_t *ret_result)
{
	const struct syscall_info *e = &h->entry[entry];
	struct slot_call call;
	int r = recall(h, entry);

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

/* A call this thread has claimed, and the rest of its chain. */
static void execute(struct hascall *h, uint32_t entry, struct slot_call *call)
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
		pool_finish(h, entry, result);
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
	area_unmark_posted(hint_of(h, entry), entry % AREA_HINT_ENTRIES);
	kick_if_due(h);
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
 * Execute one call that nobody has begun. Workers go upwards through the entries, so
 * this goes downwards, and meets them late. False: there is none.
 */
static bool help_any(struct hascall *h)
{
	for (uint32_t block = h->hint_count; block-- > 0;)
		for (uint32_t word = AREA_HINT_WORDS; word-- > 0;) {
			uint64_t bits = __atomic_load_n(&h->hint[block].posted[word],
							__ATOMIC_RELAXED);

			while (bits) {
				uint32_t bit = 63 - (uint32_t)__builtin_clzll(bits);
				uint32_t entry = block * AREA_HINT_ENTRIES + word * 64 + bit;

				bits &= ~(UINT64_C(1) << bit);
				if (entry < h->entry_count && fit_to_help(h, entry) &&
				    help_entry(h, entry) == 0)
					return true;
			}
		}
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

/* A wait for one call executes that call, or the chain it is in. 0, -EAGAIN, -EPROTO. */
static int help_one(struct hascall *h, uint32_t entry, int64_t *ret_result)
{
	uint16_t flags = h->call[entry].flags;
	uint32_t first;
	int r;

	if (!(flags & POOL_CALL_CHAINED))
		return flags & POOL_CALL_TIMED ? -EAGAIN : help_alone(h, entry, ret_result);
	first = first_unbegun(h, entry);
	if (first == POOL_NO_ENTRY)
		return -EAGAIN;
	r = help_entry(h, first);
	return r < 0 ? r : take(h, entry, ret_result);
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

/* Sleep until the entry is completed, or for a while: look again. 0, -ETIMEDOUT, -EPROTO. */
static int entry_sleep(struct hascall *h, uint32_t entry, int64_t deadline)
{
	int64_t left = time_left(deadline);
	uint32_t word;

	if (left == 0)
		return -ETIMEDOUT;
	if (broken(h) && (slot_word(&h->entry[entry]) & SYSCALL_HELD))
		return -EPROTO; /* nobody leads to it any more */
	if (slot_wait_begin(&h->entry[entry], &word) == 0)
		futex_wait(&h->entry[entry].state, word, left);
	return 0;
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
	r = take(h, (uint32_t)entry, ret_result);
	if (r == -EAGAIN && (flags & HASCALL_HELP))
		r = help_one(h, (uint32_t)entry, ret_result);
	if (r != -EAGAIN)
		return r;
	kick_if_due(h);
	if (timeout_ns != 0)
		wait_spin(h, completed, (uint32_t)entry);
	while ((r = take(h, (uint32_t)entry, ret_result)) == -EAGAIN) {
		r = entry_sleep(h, (uint32_t)entry, deadline);
		if (r < 0)
			return r;
	}
	return r;
}

/* Is there something to reap? Its bits are put back. */
static bool any_completed(struct hascall *h)
{
	bool any = false;

	for (uint32_t word = 0; word < h->done_words; word++) {
		uint64_t bits = done_take(h, word);
		uint64_t keep = 0;

		for (; bits; bits &= bits - 1)
			if (completed(h, word * 64 + (uint32_t)__builtin_ctzll(bits)))
				keep |= bits & -bits;
		if (keep) {
			__atomic_fetch_or(&h->done[word], keep, __ATOMIC_SEQ_CST);
			any = true;
		}
	}
	return any;
}

/* Sleep until any_rings moves or something is there: 0 or -ETIMEDOUT. */
static int any_sleep(struct hascall *h, int64_t left_ns)
{
	uint32_t seen = __atomic_load_n(&h->any_rings, __ATOMIC_ACQUIRE);
	int r = 0;

	__atomic_fetch_or(&h->attention, ATTENTION_SLEEPER, __ATOMIC_SEQ_CST);
	if (!any_completed(h))
		r = futex_wait(&h->any_rings, seen, left_ns);
	__atomic_fetch_and(&h->attention, ~ATTENTION_SLEEPER, __ATOMIC_SEQ_CST);
	return r;
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

/* The last one in the table ends last, as a rule: after it, the others need no sleep. */
int hascall_wait_all(struct hascall *h, uint32_t group, int64_t timeout_ns, uint32_t flags)
{
	int64_t deadline = deadline_of(timeout_ns);

	if (!alive(h))
		return -ESHUTDOWN;
	if (flags & ~HASCALL_HELP)
		return -EINVAL;
	if (flags & HASCALL_HELP)
		while (help_any(h))
			;
	kick_if_due(h);
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
		}
	return 0;
}

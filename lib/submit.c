/* SPDX-License-Identifier: MIT */
/*
 * submit.c - hascall.h: posting, one call or many, chains among them.
 */
#include "lib/calls.h"
#include "lib/futex.h"
#include "lib/handle.h"

#include <sched.h>

/*
 * Calls posted with HASCALL_MORE get their hints together: one write a word, to a line
 * that the workers read all the time. If nobody kicks for so long, they get them anyway.
 */
#define UNMARKED_MAX 8u

static void mark_all(struct hascall *h)
{
	for (uint32_t word = 0; word < h->done_words; word++) {
		uint64_t bits = h->unmarked[word];

		if (bits == 0)
			continue;
		h->unmarked[word] = 0;
		area_mark_posted_bits(hint_of(h, 64 * word), word % AREA_HINT_WORDS, bits);
	}
	h->unmarked_count = 0;
}

/* The entry was posted: let it be found, at once or at the next kick. */
static void mark(struct hascall *h, uint32_t entry, uint32_t flags)
{
	if (!(flags & HASCALL_MORE)) {
		area_mark_posted(hint_of(h, entry), entry % AREA_HINT_ENTRIES);
		return;
	}
	h->unmarked[entry / 64] |= UINT64_C(1) << (entry % 64);
	if (++h->unmarked_count < UNMARKED_MAX)
		return;
	mark_all(h);
	h->kick_due = true;
}

void hascall_kick(struct hascall *h)
{
	uint32_t cpu = (uint32_t)sched_getcpu();

	h->kick_due = false;
	if (!alive(h))
		return;
	if (h->unmarked_count > 0)
		mark_all(h);
	if (__atomic_load_n(&h->caller_cpu, __ATOMIC_RELAXED) != cpu)
		__atomic_store_n(&h->caller_cpu, cpu, __ATOMIC_RELAXED);
	area_fence();
	if (!pool_pending(h))
		return;
	if (!h->started && pool_start(h) < 0)
		h->kick_due = true; /* the next one tries again; who waits executes it */
	else
		pool_look(h, POOL_CALLER);
}

/* The entry of the i-th call that is posted next. */
static uint32_t entry_ahead(const struct hascall *h, uint32_t i)
{
	return h->free_entry[h->free_count - 1 - i];
}

/* The entry is off the free list: it is in use. Its ticket. */
static uint64_t use_entry(struct hascall *h, uint32_t entry)
{
	h->used[entry / 64] |= UINT64_C(1) << (entry % 64);
	return TICKET(++h->call[entry].generation, entry);
}

int hascall_post(struct hascall *h, uint32_t num, const uint64_t arg[6], uint64_t user_data,
		 uint32_t flags, uint64_t *ret_ticket)
{
	uint64_t ticket;
	uint32_t entry;

	if (!alive(h))
		return -ESHUTDOWN;
	if (broken(h))
		return -EPROTO;
	if (flags & ~HASCALL_MORE)
		return -EINVAL;
	if (h->free_count == 0) {
		kick_if_due(h);
		return -EAGAIN;
	}
	entry = entry_ahead(h, 0);
	if (slot_post(&h->entry[entry], num, arg) < 0)
		return damaged(h);
	h->free_count--;
	h->call[entry].user_data = user_data;
	h->call[entry].group = 0;
	h->call[entry].flags = 0;
	ticket = use_entry(h, entry);
	mark(h, entry, flags);
	if (ret_ticket)
		*ret_ticket = ticket;
	if (!(flags & HASCALL_MORE))
		hascall_kick(h);
	return 0;
}

/* Is the call well-formed at this place of its chain? */
static bool is_valid(const struct hascall_call *call, uint32_t place)
{
	if ((call->flags & ~(HASCALL_CHAIN | HASCALL_ALWAYS)) || call->reserved ||
	    call->group == HASCALL_ALL_GROUPS)
		return false;
	for (unsigned int i = 0; i < 6; i++)
		if (call->from[i] > place)
			return false;
	return true;
}

/* 0 or -EINVAL. */
static int validate(const struct hascall_call *calls, uint32_t count)
{
	uint32_t place = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (place >= HASCALL_CHAIN_MAX || !is_valid(&calls[i], place))
			return -EINVAL;
		place = calls[i].flags & HASCALL_CHAIN ? place + 1 : 0;
	}
	return place == 0 ? 0 : -EINVAL; /* the last one wants another after it */
}

static bool any_timed(const struct hascall_call *calls, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (calls[i].timeout_ns)
			return true;
	return false;
}

/* How many calls from here on make one chain, or one call alone. */
static uint32_t chain_length(const struct hascall_call *calls)
{
	uint32_t length = 1;

	while (calls[length - 1].flags & HASCALL_CHAIN)
		length++;
	return length;
}

/* As far as it can be told before the arguments are known. */
static bool may_wait(const struct hascall_call *c)
{
	struct slot_call call = { .num = c->num };

	for (unsigned int i = 0; i < 6; i++)
		call.arg[i] = c->arg[i];
	return call_check(&call) == CALL_MAY_WAIT;
}

static uint64_t link_word(const struct hascall_call *call, uint32_t next_entry)
{
	uint64_t link = next_entry == POOL_NO_ENTRY ? 0 : SYSCALL_LINK_NEXT(next_entry);

	if (call->flags & HASCALL_ALWAYS)
		link |= SYSCALL_LINK_ALWAYS;
	for (unsigned int i = 0; i < 6; i++)
		link |= SYSCALL_LINK_FROM(i, call->from[i]);
	return link;
}

/* Write what the caller remembers of it. */
static void remember(struct hascall *h, uint32_t entry, const struct hascall_call *from)
{
	struct pool_call *call = &h->call[entry];

	call->user_data = from->user_data;
	call->group = from->group;
	call->flags = 0;
	if (from->timeout_ns)
		call->flags |= POOL_CALL_TIMED;
	if (from->flags & HASCALL_ALWAYS)
		call->flags |= POOL_CALL_ALWAYS;
}

/*
 * Post a chain whose calls get the entries `ahead` and on: the last first, so that all
 * are there when an executor meets the first. 0 or -EPROTO.
 */
static int post_chain(struct hascall *h, const struct hascall_call *calls, uint32_t length,
		      uint32_t ahead)
{
	uint32_t first = entry_ahead(h, ahead);
	uint16_t of_chain = POOL_CALL_CHAINED;
	uint32_t next = POOL_NO_ENTRY;

	for (uint32_t i = length; i-- > 0;) {
		uint32_t entry = entry_ahead(h, ahead + i);
		const struct hascall_call *call = &calls[i];
		uint64_t link = link_word(call, next);
		int r;

		remember(h, entry, call);
		if (call->timeout_ns)
			of_chain |= POOL_CALL_CHAIN_TIMED;
		if (may_wait(call))
			of_chain |= POOL_CALL_CHAIN_WAITS;
		h->call[entry].flags |= of_chain;
		h->call[entry].first = (uint16_t)first;
		h->call[entry].next = (uint16_t)next;
		if (i > 0)
			r = slot_post_held(&h->entry[entry], call->num, call->arg, link);
		else
			r = slot_post_first(&h->entry[entry], call->num, call->arg, link);
		if (r < 0)
			return damaged(h);
		next = entry;
	}
	return 0;
}

static int post_alone(struct hascall *h, const struct hascall_call *call, uint32_t ahead)
{
	uint32_t entry = entry_ahead(h, ahead);

	remember(h, entry, call);
	return slot_post(&h->entry[entry], call->num, call->arg) < 0 ? damaged(h) : 0;
}

/* Calls that are posted already: when they must end. */
static void set_deadlines(struct hascall *h, const struct hascall_call *calls, uint32_t count)
{
	int64_t now = now_ns();
	bool tell = false;

	pthread_mutex_lock(&h->lock);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t ns = calls[i].timeout_ns;

		/* So long that it is for ever: no deadline. */
		if (ns && ns < (uint64_t)(INT64_MAX - now))
			tell |= deadline_set(h, entry_ahead(h, i), now + (int64_t)ns);
	}
	pthread_mutex_unlock(&h->lock);
	if (tell)
		watch_arm(h, WATCH_TIME);
}

/* Post all of them into entries that are free. 0 or -EPROTO: then some are posted. */
static int post_all(struct hascall *h, const struct hascall_call *calls, uint32_t count,
		    uint32_t flags)
{
	bool timed = false;

	for (uint32_t i = 0; i < count;) {
		uint32_t length = chain_length(&calls[i]);
		uint32_t first = entry_ahead(h, i);
		int r = length > 1 ? post_chain(h, &calls[i], length, i)
				   : post_alone(h, &calls[i], i);

		if (r < 0)
			return r;
		for (; length > 0; length--)
			timed |= calls[i++].timeout_ns != 0;
		mark(h, first, flags);
	}
	if (timed)
		set_deadlines(h, calls, count);
	return 0;
}

int hascall_submit(struct hascall *h, const struct hascall_call *calls, uint32_t count,
		   uint32_t flags, uint64_t *ret_tickets)
{
	int r;

	if (!alive(h))
		return -ESHUTDOWN;
	if (broken(h))
		return -EPROTO;
	if (count == 0 || (flags & ~HASCALL_MORE) || validate(calls, count) < 0)
		return -EINVAL;
	if (h->free_count < count) {
		kick_if_due(h);
		return -EAGAIN;
	}
	/* Deadlines are the watcher's. */
	if (!h->started && any_timed(calls, count) && pool_start(h) < 0)
		return -EAGAIN;
	r = post_all(h, calls, count, flags);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t ticket = use_entry(h, entry_ahead(h, i));

		if (ret_tickets)
			ret_tickets[i] = ticket;
	}
	h->free_count -= count;
	if (!(flags & HASCALL_MORE))
		hascall_kick(h);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#ifndef LIB_HANDLE_H
#define LIB_HANDLE_H
/*
 * handle.h - what the functions of hascall.h share: a caller's view of an area.
 * Layer: lib.
 *
 * Thread   the caller's.
 */
#include "lib/cut.h"
#include "lib/pool.h"

#define TICKET(generation, entry) ((uint64_t)(generation) << 32 | (entry))

/* False in a forked child: it has no workers. */
static inline bool alive(const struct hascall *h)
{
	return __atomic_load_n(&h->board->alive, __ATOMIC_RELAXED) != 0;
}

static inline bool broken(const struct hascall *h)
{
	return __atomic_load_n(&h->broken, __ATOMIC_RELAXED) != 0;
}

static inline bool in_use(const struct hascall *h, uint32_t entry)
{
	return h->used[entry / 64] >> (entry % 64) & 1;
}

/* Each entry in use, in turn: for (it = next_used(h, 0); it < count; it = next_used(h, it + 1)) */
static inline uint32_t next_used(const struct hascall *h, uint32_t from)
{
	while (from < h->entry_count) {
		uint64_t bits = h->used[from / 64] >> (from % 64);

		if (bits)
			return from + (uint32_t)__builtin_ctzll(bits);
		from = (from / 64 + 1) * 64;
	}
	return h->entry_count;
}

/* The entry of a ticket, or -ENOENT. */
static inline int find(const struct hascall *h, uint64_t ticket)
{
	uint32_t entry = (uint32_t)ticket;

	if (entry >= h->entry_count || !in_use(h, entry) ||
	    h->call[entry].generation != (uint32_t)(ticket >> 32))
		return -ENOENT;
	return (int)entry;
}

static inline void free_entry(struct hascall *h, uint32_t entry)
{
	if (h->call[entry].flags & POOL_CALL_TIMED)
		deadline_drop(h, entry);
	if (__atomic_load_n(&h->cut[entry], __ATOMIC_RELAXED))
		__atomic_store_n(&h->cut[entry], 0, __ATOMIC_RELAXED);
	h->used[entry / 64] &= ~(UINT64_C(1) << (entry % 64));
	h->own_done[entry / 64] &= ~(UINT64_C(1) << (entry % 64));
	h->free_entry[h->free_count++] = entry;
}

/* What a call gives that was cut short, if it was asked to end. */
static inline int64_t if_cut(const struct hascall *h, uint32_t entry, int64_t result)
{
	int32_t cut = __atomic_load_n(&h->cut[entry], __ATOMIC_RELAXED);

	return cut < 0 ? cut : result;
}

/* Take the result of an entry in use: 0, -EAGAIN, -EPROTO. */
static inline int take(struct hascall *h, uint32_t entry, int64_t *ret_result)
{
	uint32_t flags;
	int r = slot_take(&h->entry[entry], ret_result, &flags);

	if (r == -EPROTO)
		return damaged(h);
	if (r == 0) {
		/* A lent worker that was called back does not always come to say so. */
		if (*ret_result == -EINTR)
			*ret_result = if_cut(h, entry, -EINTR);
		free_entry(h, entry);
	}
	return r;
}

static inline bool completed(const struct hascall *h, uint32_t entry)
{
	return in_use(h, entry) && slot_state(&h->entry[entry]) == SYSCALL_COMPLETED;
}

/* There is nothing to see in this entry any more, whether its hint was marked or not. */
static inline void unmark(struct hascall *h, uint32_t entry)
{
	uint64_t bit = UINT64_C(1) << (entry % 64);

	if (h->unmarked[entry / 64] & bit) {
		h->unmarked[entry / 64] &= ~bit;
		h->unmarked_count--;
	} else {
		area_unmark_posted(hint_of(h, entry), entry % AREA_HINT_ENTRIES);
	}
}

/* 0: nobody will execute it; the entry is still counted as used. -EAGAIN, -EPROTO. */
static inline int recall(struct hascall *h, uint32_t entry)
{
	int r = slot_recall(&h->entry[entry]);

	if (r == -EPROTO)
		return damaged(h);
	if (r == 0)
		unmark(h, entry);
	return r;
}

/* The same; cheaper while there are no threads, who alone could be faster. */
static inline int recall_for_oneself(struct hascall *h, uint32_t entry)
{
	struct syscall_info *e = &h->entry[entry];

	if (h->started || slot_word(e) != SYSCALL_HASCALL)
		return recall(h, entry);
	__atomic_store_n(&e->state, SYSCALL_NONE, __ATOMIC_RELAXED);
	unmark(h, entry);
	return 0;
}

static inline void kick_if_due(struct hascall *h)
{
	if (h->kick_due || h->unmarked_count > 0)
		hascall_kick(h);
}

/* wait.c: execute one call that nobody has begun. False: there is none. */
bool help_any(struct hascall *h);

/* Is it the first of its chain, or of none? */
static inline bool is_first(const struct hascall *h, uint32_t entry)
{
	const struct pool_call *call = &h->call[entry];

	return !(call->flags & POOL_CALL_CHAINED) || call->first == entry;
}

/* Take all set bits of a done word. A bit says: look there; it may be out of date. */
static inline uint64_t done_take(struct hascall *h, uint32_t word)
{
	if (__atomic_load_n(&h->done[word], __ATOMIC_SEQ_CST) == 0)
		return 0;
	return __atomic_exchange_n(&h->done[word], 0, __ATOMIC_SEQ_CST);
}

#endif /* LIB_HANDLE_H */

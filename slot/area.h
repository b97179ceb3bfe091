/* SPDX-License-Identifier: MIT */
#ifndef SLOT_AREA_H
#define SLOT_AREA_H
/*
 * area.h - finding work among many entries, and going to sleep without losing a
 * call that is posted meanwhile. Layer: slot.
 *
 * Order    what a caller wrote before area_mark_posted(i), whoever takes the
 *          bit i can read.
 * Limit    AREA_HINT_ENTRIES entries a hint. More entries: more hints.
 * Owner    struct area_hint and struct area_bell: callers and server write.
 *          struct area_server: the server writes; callers may map it read-only.
 * Thread   any; several callers and several servers may share all three.
 *
 * Hints only say where to look: the entry's own state decides (slot_claim), so a
 * hint that lies costs its writer's server one look and nothing else. A server
 * that must serve callers who know only the entries scans them all before it sleeps.
 *
 * Sleep against post. Each side writes its own word, then reads the other's. A
 * processor may let the read overtake the write, so both sides put a full fence
 * between; then at least one sees the other:
 *
 *     caller                              server
 *     slot_post, area_mark_posted         area_sleep_prepare: reads rings,
 *     area_must_ring: full fence            sleepers = 1, full fence
 *       reads sleepers == 1               looks at all hints: nothing
 *     area_ring: rings + 1                futex_wait(rings == seen)
 *     futex_wake(rings)                     returns at once, or is woken
 *   or
 *     slot_post, area_mark_posted
 *     area_must_ring: full fence
 *       reads sleepers == 0: no ring
 *                                         area_sleep_prepare: sleepers = 1, fence
 *                                         looks at all hints: finds the call,
 *                                         area_sleep_finish
 *
 * `rings` is read before the look, so a ring after the look changes it and the
 * futex does not sleep. The futex calls are the users' own: there is no system
 * call here.
 *
 * Way down: area_must_ring -> area_fence -> one locked instruction.
 */
#include "base/cc.h"

#define AREA_HINT_WORDS 4u
#define AREA_HINT_ENTRIES (64u * AREA_HINT_WORDS)

/* Where there may be something to do; bit i % 64 of word i / 64 is entry i. */
struct area_hint {
	uint64_t posted[AREA_HINT_WORDS]; /* a call was posted */
	uint64_t cancel[AREA_HINT_WORDS]; /* the caller wants its call cut short */
} __attribute__((aligned(64)));

struct area_bell {
	uint32_t rings; /* futex: counts rings, wraps */
} __attribute__((aligned(64)));

struct area_server {
	uint32_t sleepers; /* not 0: someone sleeps, or is about to */
	uint32_t cpu;	   /* processor the server last ran on; callers do not spin for it there */
} __attribute__((aligned(64)));

/* Every write before it, in program order, is seen before any read after it. */
static inline void area_fence(void)
{
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan" /* the hand-over itself uses release and acquire */
#endif
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

static inline void area_mark(uint64_t word[AREA_HINT_WORDS], unsigned int entry)
{
	if (entry < AREA_HINT_ENTRIES)
		__atomic_fetch_or(&word[entry / 64], UINT64_C(1) << (entry % 64), __ATOMIC_RELEASE);
}

/* Looking costs a read; only a word that is not 0 is written. */
static inline uint64_t area_take(uint64_t *word)
{
	if (__atomic_load_n(word, __ATOMIC_RELAXED) == 0)
		return 0;
	return __atomic_exchange_n(word, 0, __ATOMIC_ACQUIRE);
}

/* Caller: say that entry has a call (after slot_post), or that its call should be cut short. */
static inline void area_mark_posted(struct area_hint *hint, unsigned int entry)
{
	area_mark(hint->posted, entry);
}

static inline void area_mark_cancel(struct area_hint *hint, unsigned int entry)
{
	area_mark(hint->cancel, entry);
}

/* Caller: the same for several entries of one word at once, of which each was posted. */
static inline void area_mark_posted_bits(struct area_hint *hint, unsigned int word, uint64_t bits)
{
	if (word < AREA_HINT_WORDS)
		__atomic_fetch_or(&hint->posted[word], bits, __ATOMIC_RELEASE);
}

/* Any side: the bits of one word. Says nothing about memory: take a bit to read its entry. */
static inline uint64_t area_posted_bits(const struct area_hint *hint, unsigned int word)
{
	return word < AREA_HINT_WORDS ? __atomic_load_n(&hint->posted[word], __ATOMIC_RELAXED) : 0;
}

/* Server: take all bits of one word; who takes a bit must look at that entry. */
static inline uint64_t area_take_posted(struct area_hint *hint, unsigned int word)
{
	return word < AREA_HINT_WORDS ? area_take(&hint->posted[word]) : 0;
}

static inline uint64_t area_take_cancel(struct area_hint *hint, unsigned int word)
{
	return word < AREA_HINT_WORDS ? area_take(&hint->cancel[word]) : 0;
}

/* Caller: there is nothing to see any more (after slot_recall). */
static inline void area_unmark_posted(struct area_hint *hint, unsigned int entry)
{
	if (entry < AREA_HINT_ENTRIES)
		__atomic_fetch_and(&hint->posted[entry / 64], ~(UINT64_C(1) << (entry % 64)),
				   __ATOMIC_RELAXED);
}

/* Any side: is there a bit? Says nothing about memory: take the bit to read the entry. */
static inline bool area_any_posted(const struct area_hint *hint)
{
	uint64_t bits = 0;

	for (unsigned int i = 0; i < AREA_HINT_WORDS; i++)
		bits |= __atomic_load_n(&hint->posted[i], __ATOMIC_RELAXED);
	return bits != 0;
}

/* Take one bit of a word, the lowest of those in `among`: its number, or -1. */
static inline int area_take_bit(uint64_t *word, uint64_t among)
{
	uint64_t bits = __atomic_load_n(word, __ATOMIC_RELAXED) & among;

	while (bits) {
		uint64_t bit = bits & -bits;

		if (__atomic_fetch_and(word, ~bit, __ATOMIC_ACQUIRE) & bit)
			return __builtin_ctzll(bit);
		bits &= ~bit; /* another server was faster */
	}
	return -1;
}

/*
 * One of several servers: take one posted bit and leave the rest to the others.
 * Looks from entry `from` on and around, so that a server that passes the number
 * after its last one visits all entries in turn. The entry, or -1.
 */
static inline int area_take_one(struct area_hint *hint, unsigned int from)
{
	unsigned int first = from / 64 % AREA_HINT_WORDS;
	uint64_t upper = ~UINT64_C(0) << (from % 64);

	for (unsigned int i = 0; i <= AREA_HINT_WORDS; i++) {
		unsigned int word = (first + i) % AREA_HINT_WORDS;
		uint64_t among = i == 0 ? upper : i == AREA_HINT_WORDS ? ~upper : ~UINT64_C(0);
		int bit = area_take_bit(&hint->posted[word], among);

		if (bit >= 0)
			return (int)(word * 64) + bit;
	}
	return -1;
}

/* Caller: after its posts, once a batch: true if area_ring() and a futex wake are due. */
MUST_USE static inline bool area_must_ring(const struct area_server *server)
{
	area_fence();
	return __atomic_load_n(&server->sleepers, __ATOMIC_RELAXED) != 0;
}

/* Caller: ring; then wake whoever sleeps on &bell->rings. */
static inline void area_ring(struct area_bell *bell)
{
	__atomic_fetch_add(&bell->rings, 1, __ATOMIC_RELEASE);
}

/*
 * Server: before it sleeps. Then it must look at all hints once more; if there is
 * nothing, sleep while bell->rings == *ret_seen. area_sleep_finish() in any case.
 */
static inline void area_sleep_prepare(struct area_server *server, const struct area_bell *bell,
				      uint32_t *ret_seen)
{
	*ret_seen = __atomic_load_n(&bell->rings, __ATOMIC_ACQUIRE);
	__atomic_fetch_add(&server->sleepers, 1, __ATOMIC_RELAXED);
	area_fence();
}

static inline void area_sleep_finish(struct area_server *server)
{
	__atomic_fetch_sub(&server->sleepers, 1, __ATOMIC_RELAXED);
}

/* Where the server last ran: a hint for who considers spinning. */
static inline void area_set_cpu(struct area_server *server, uint32_t cpu)
{
	__atomic_store_n(&server->cpu, cpu, __ATOMIC_RELAXED);
}

static inline uint32_t area_cpu(const struct area_server *server)
{
	return __atomic_load_n(&server->cpu, __ATOMIC_RELAXED);
}

#endif /* SLOT_AREA_H */

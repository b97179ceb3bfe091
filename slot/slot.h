/* SPDX-License-Identifier: MIT */
#ifndef SLOT_SLOT_H
#define SLOT_SLOT_H
/*
 * slot.h - moves of one entry (struct syscall_info), both halves: the caller's
 * and the executor's. Layer: slot.
 *
 * Order    what a side wrote before it gave the entry away, the side that gets
 *          it can read: post/claim, complete/take, recall/post.
 * Limit    every function ends after a few instructions, whatever the peer does.
 * Owner    an entry belongs to the caller (NONE, COMPLETED, END), to nobody
 *          (HASCALL) or to one executor (EXECUTING): table in syscall_info.h.
 * Thread   each half may live in any thread or process. Two threads of the
 *          caller must not post, take or recall the same entry at a time.
 *
 * The peer is not trusted: it may write any value at any time. A state that an
 * honest peer cannot have caused is -EPROTO; the caller of these functions ends
 * the session. Fields are read once. No system call, no libc: code without a C
 * library includes this too. Who sleeps or wakes (futex on &e->state) is told
 * by results; the sleeping is done elsewhere.
 *
 * Claim against recall: both compare-and-swap the word from HASCALL, so one
 * of them sees the other's value and leaves with -EAGAIN:
 *
 *     caller                            executor
 *     recall: HASCALL -> NONE   ok
 *                                       claim: sees NONE        -EAGAIN
 *   or
 *                                       claim: HASCALL -> EXECUTING  ok
 *     recall: sees EXECUTING -EAGAIN
 *     (now it must wait for COMPLETED)
 *
 * A caller that wants to sleep sets WAITED in the same word; complete exchanges
 * the whole word, so it cannot miss the bit, and the futex compares the whole
 * word, so the sleeper cannot miss COMPLETED:
 *
 *     caller                            executor
 *     wait_begin: EXECUTING|WAITED
 *                                       complete: old word has WAITED
 *     futex_wait(word): differs,        futex_wake
 *       returns at once
 *   or
 *                                       complete: old word without WAITED
 *     wait_begin: sees COMPLETED        (no wake, and none is needed)
 *       -EAGAIN: take it
 *
 * WAITED may appear between an executor's look at the word and its swap. The
 * claim then tries again: leaving would strand the call, for its hint is used up.
 *
 * Chains. A held entry is claimed by slot_claim_held() alone, by the executor that
 * has just completed the entry before it: so each has one executor at a time,
 * though no lock says so. Executors that serve no chains (the manager's) ignore the
 * link word: they execute the first call, the held ones stay with who posted them,
 * who can recall them.
 *
 * Way down: slot_claim -> slot_swap -> one lock cmpxchg.
 */
#include "base/cc.h"
#include "hascall/syscall_info.h"

#include <errno.h>

static_assert(sizeof(struct syscall_info) == 64, "an entry is one cache line");
static_assert(offsetof(struct syscall_info, state) == 0, "the futex word comes first");

/*
 * An honest peer changes the word at most twice while one function runs without
 * starting a new call (WAITED set, state moved), so the fourth try either wins
 * or meets a new call, which comes with a new hint.
 */
#define SLOT_TRIES 4

/* A call as the executor works on it: its own copy. */
struct slot_call {
	uint32_t num;
	bool linked;   /* part of a chain */
	uint64_t link; /* its link word; 0: the last, without wishes */
	uint64_t arg[6];
};

static inline uint32_t slot_word(const struct syscall_info *e)
{
	return __atomic_load_n(&e->state, __ATOMIC_ACQUIRE);
}

/* May these bits stand beside this state? WAITED always may. */
static inline bool slot_beside_is_legal(uint32_t state, uint32_t beside)
{
	if (state == SYSCALL_HASCALL)
		return !(beside & ~(SYSCALL_LINKED | SYSCALL_HELD));
	return state == SYSCALL_EXECUTING && beside == SYSCALL_LINKED;
}

/* The state in a word, or -EPROTO: never use a peer's number unchecked. */
static inline int slot_word_state(uint32_t word)
{
	uint32_t state = word & SYSCALL_STATE_MASK;
	uint32_t beside = word & ~(SYSCALL_STATE_MASK | SYSCALL_WAITED);

	if (state > SYSCALL_END || (beside && !slot_beside_is_legal(state, beside)))
		return -EPROTO;
	return (int)state;
}

/* What an entry is now: SYSCALL_NONE .. SYSCALL_END, or -EPROTO. */
static inline int slot_state(const struct syscall_info *e)
{
	return slot_word_state(slot_word(e));
}

/* Compare and swap; on failure *word becomes what is there. */
static inline bool slot_swap(struct syscall_info *e, uint32_t *word, uint32_t to)
{
	return __atomic_compare_exchange_n(&e->state, word, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

/* The posts below; word: HASCALL and the bits beside it. */
MUST_USE static inline int slot_post_as(struct syscall_info *e, uint32_t num, const uint64_t arg[6],
					uint32_t word, uint64_t link)
{
	switch (slot_state(e)) {
	case SYSCALL_NONE:
		break;
	case SYSCALL_HASCALL:
	case SYSCALL_EXECUTING:
	case SYSCALL_COMPLETED:
		return -EAGAIN;
	case SYSCALL_END:
		return -ESHUTDOWN;
	default:
		return -EPROTO;
	}
	__atomic_store_n(&e->num, num, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < 6; i++)
		__atomic_store_n(&e->arg[i], arg[i], __ATOMIC_RELAXED);
	if (word & SYSCALL_LINKED)
		__atomic_store_n(&e->ret, (int64_t)link, __ATOMIC_RELAXED);
	__atomic_store_n(&e->state, word, __ATOMIC_RELEASE);
	return 0;
}

/*
 * Caller: put a call into an entry it owns. 0; -EAGAIN if the entry is in use;
 * -ESHUTDOWN if it holds END; -EPROTO.
 */
MUST_USE static inline int slot_post(struct syscall_info *e, uint32_t num, const uint64_t arg[6])
{
	return slot_post_as(e, num, arg, SYSCALL_HASCALL, 0);
}

/* Caller: the first call of a chain, after the others were posted. Outcomes as slot_post(). */
MUST_USE static inline int slot_post_first(struct syscall_info *e, uint32_t num,
					   const uint64_t arg[6], uint64_t link)
{
	return slot_post_as(e, num, arg, SYSCALL_HASCALL | SYSCALL_LINKED, link);
}

/* Caller: a later call of a chain: nobody begins it but by the link that leads here. */
MUST_USE static inline int slot_post_held(struct syscall_info *e, uint32_t num,
					  const uint64_t arg[6], uint64_t link)
{
	return slot_post_as(e, num, arg, SYSCALL_HASCALL | SYSCALL_LINKED | SYSCALL_HELD, link);
}

/* The claims below; held: SYSCALL_HELD or 0, as the entry must be. */
MUST_USE static inline int slot_claim_as(struct syscall_info *e, uint32_t held,
					 struct slot_call *ret_call)
{
	uint32_t word = slot_word(e);

	for (unsigned int i = 0; i < SLOT_TRIES; i++) {
		switch (slot_word_state(word)) {
		case SYSCALL_HASCALL:
			break;
		case SYSCALL_NONE:
		case SYSCALL_EXECUTING:
		case SYSCALL_COMPLETED:
			return -EAGAIN;
		case SYSCALL_END:
			return -ESHUTDOWN;
		default:
			return -EPROTO;
		}
		if ((word & SYSCALL_HELD) != held)
			return -EAGAIN;
		if (!slot_swap(e, &word,
			       (word & (SYSCALL_WAITED | SYSCALL_LINKED)) | SYSCALL_EXECUTING))
			continue;
		ret_call->linked = (word & (SYSCALL_LINKED | SYSCALL_HELD)) != 0;
		ret_call->link = word & SYSCALL_LINKED
					 ? (uint64_t)__atomic_load_n(&e->ret, __ATOMIC_RELAXED)
					 : 0;
		ret_call->num = __atomic_load_n(&e->num, __ATOMIC_RELAXED);
		for (unsigned int k = 0; k < 6; k++)
			ret_call->arg[k] = __atomic_load_n(&e->arg[k], __ATOMIC_RELAXED);
		return 0;
	}
	return -EAGAIN;
}

/*
 * Executor: take a posted call and copy it out. 0; -EAGAIN if there is none, or it
 * is held, or another executor or a recall was first; -ESHUTDOWN if the entry
 * holds END (it stays, for the next executor to meet); -EPROTO.
 */
MUST_USE static inline int slot_claim(struct syscall_info *e, struct slot_call *ret_call)
{
	return slot_claim_as(e, 0, ret_call);
}

/*
 * Executor that has just completed the entry before it: take a held call. 0; -EAGAIN
 * if this entry is not held: the chain ends there; -ESHUTDOWN, -EPROTO.
 */
MUST_USE static inline int slot_claim_held(struct syscall_info *e, struct slot_call *ret_call)
{
	return slot_claim_as(e, SYSCALL_HELD, ret_call);
}

/*
 * Executor that has just completed the entry before it: let any executor begin this
 * one, as the first of what is left of the chain. 0; -EAGAIN if it is not held; -EPROTO.
 */
MUST_USE static inline int slot_unhold(struct syscall_info *e)
{
	uint32_t word = slot_word(e);

	for (unsigned int i = 0; i < SLOT_TRIES; i++) {
		int state = slot_word_state(word);

		if (state < 0)
			return state;
		if (!(word & SYSCALL_HELD))
			return -EAGAIN;
		if (slot_swap(e, &word, word & ~SYSCALL_HELD))
			return 0;
	}
	return -EPROTO;
}

/*
 * Executor: give back an entry it claimed. 0, and *ret_must_wake tells whether a
 * thread sleeps on e->state; -EPROTO if the caller changed the entry meanwhile.
 */
MUST_USE static inline int slot_complete(struct syscall_info *e, int64_t ret, uint32_t reply_flags,
					 bool *ret_must_wake)
{
	uint32_t word;

	__atomic_store_n(&e->ret, ret, __ATOMIC_RELEASE); /* slot_told() may see it first */
	__atomic_store_n(&e->num, reply_flags, __ATOMIC_RELAXED);
	word = __atomic_exchange_n(&e->state, SYSCALL_COMPLETED, __ATOMIC_ACQ_REL);
	if (slot_word_state(word) != SYSCALL_EXECUTING)
		return -EPROTO;
	*ret_must_wake = (word & SYSCALL_WAITED) != 0;
	return 0;
}

/*
 * Who owns the entry, if both sides agree on it and the call is in no chain: so much of what the
 * call is to bring is there already. The caller tells 0 before its post; the executor no
 * more than slot_complete() will.
 */
static inline void slot_tell(struct syscall_info *e, int64_t so_far)
{
	__atomic_store_n(&e->ret, so_far, __ATOMIC_RELEASE);
}

/* Caller, while the call is executed: what was told last, or the result already. */
static inline int64_t slot_told(const struct syscall_info *e)
{
	return __atomic_load_n(&e->ret, __ATOMIC_ACQUIRE);
}

/*
 * Caller: take the result and the entry back. 0; -EAGAIN while the call is not
 * completed; -EPROTO.
 */
MUST_USE static inline int slot_take(struct syscall_info *e, int64_t *ret_value,
				     uint32_t *ret_reply_flags)
{
	switch (slot_state(e)) {
	case SYSCALL_COMPLETED:
		break;
	case SYSCALL_HASCALL:
	case SYSCALL_EXECUTING:
		return -EAGAIN;
	default:
		return -EPROTO;
	}
	*ret_value = __atomic_load_n(&e->ret, __ATOMIC_RELAXED);
	*ret_reply_flags = __atomic_load_n(&e->num, __ATOMIC_RELAXED);
	__atomic_store_n(&e->state, SYSCALL_NONE, __ATOMIC_RELEASE);
	return 0;
}

/*
 * Caller: take back a call that nobody has begun. 0: it will not be executed and
 * the entry is NONE; -EAGAIN: too late, wait for its completion; -EPROTO. Of a chain,
 * recall the first; only if that succeeded, the others.
 */
MUST_USE static inline int slot_recall(struct syscall_info *e)
{
	uint32_t word = slot_word(e);

	for (unsigned int i = 0; i < SLOT_TRIES; i++) {
		switch (slot_word_state(word)) {
		case SYSCALL_HASCALL:
			break;
		case SYSCALL_EXECUTING:
		case SYSCALL_COMPLETED:
			return -EAGAIN;
		default:
			return -EPROTO;
		}
		if (slot_swap(e, &word, SYSCALL_NONE))
			return 0;
	}
	return -EPROTO; /* only the executor moves it now, and it moves it twice at most */
}

/*
 * Caller: announce that it will sleep. 0: sleep while e->state is *ret_word, then
 * look again with slot_take() (waking for no reason is possible); -EAGAIN: do
 * not sleep, take it; -EPROTO.
 */
MUST_USE static inline int slot_wait_begin(struct syscall_info *e, uint32_t *ret_word)
{
	uint32_t word = slot_word(e);

	for (unsigned int i = 0; i < SLOT_TRIES; i++) {
		switch (slot_word_state(word)) {
		case SYSCALL_HASCALL:
		case SYSCALL_EXECUTING:
			break;
		case SYSCALL_COMPLETED:
			return -EAGAIN;
		default:
			return -EPROTO;
		}
		if ((word & SYSCALL_WAITED) || slot_swap(e, &word, word | SYSCALL_WAITED)) {
			*ret_word = word | SYSCALL_WAITED;
			return 0;
		}
	}
	return -EPROTO;
}

/*
 * Caller: tell executors to return. Only into an entry it owns (NONE): 0, -EAGAIN
 * if the entry is in use, -EPROTO. Twice is harmless.
 */
MUST_USE static inline int slot_end(struct syscall_info *e)
{
	switch (slot_state(e)) {
	case SYSCALL_NONE:
	case SYSCALL_END:
		break;
	case SYSCALL_HASCALL:
	case SYSCALL_EXECUTING:
	case SYSCALL_COMPLETED:
		return -EAGAIN;
	default:
		return -EPROTO;
	}
	__atomic_store_n(&e->state, SYSCALL_END, __ATOMIC_RELEASE);
	return 0;
}

#endif /* SLOT_SLOT_H */

/* SPDX-License-Identifier: MIT */
#ifndef LIB_CHAIN_H
#define LIB_CHAIN_H
/*
 * chain.h - one executor's way along a chain: results so far, where it goes on.
 * Layer: lib.
 *
 * Order    chain_reset, then for each call chain_prepare before and chain_note after it.
 * Limit    SYSCALL_CHAIN_MAX calls; then it ends, wherever the link words lead.
 * Owner    the executor, on its stack.
 * Thread   the executor's.
 *
 * The link words are the peer's: `next` is only a number until the executor has
 * compared it with the count of entries and has claimed the entry as a held one.
 *
 * Way down: chain_prepare -> link_place.
 */
#include "base/cc.h"
#include "slot/slot.h"

struct chain {
	uint32_t next;	 /* 1 + the entry to follow; 0: not on the way along a chain */
	uint32_t length; /* calls noted */
	uint32_t failed; /* bit i: call i failed */
	int64_t result[SYSCALL_CHAIN_MAX];
};

static inline bool chain_is_failure(int64_t result)
{
	return result < 0 && result >= -4095;
}

/* At the start, and when the first call of a chain was claimed. */
static inline void chain_reset(struct chain *c)
{
	c->next = 0;
	c->length = 0;
	c->failed = 0;
}

static inline uint32_t link_next(uint64_t link)
{
	return (uint32_t)(link & UINT16_MAX);
}

/* How many places before: 0 to 15. */
static inline uint32_t link_place(uint64_t link, unsigned int argument)
{
	return (uint32_t)(link >> (24 + 4 * argument)) & 15u;
}

/* Does the call take results of earlier ones? */
static inline bool link_takes_results(uint64_t link)
{
	return link >> 24 & ((UINT64_C(1) << 24) - 1);
}

/*
 * Put results into the arguments. 0; -ECANCELED: the call is to be completed so and not
 * begun: an earlier one failed, or one whose result it takes, or it takes a result of a
 * call before the chain.
 */
MUST_USE static inline int chain_prepare(const struct chain *c, struct slot_call *call)
{
	if (c->failed && !(call->link & SYSCALL_LINK_ALWAYS))
		return -ECANCELED;
	for (unsigned int i = 0; i < 6; i++) {
		uint32_t place = link_place(call->link, i);

		if (place == 0)
			continue;
		if (place > c->length || (c->failed >> (c->length - place) & 1))
			return -ECANCELED;
		call->arg[i] = (uint64_t)c->result[c->length - place];
	}
	return 0;
}

/* The call was completed: note its result, and where to go on (c->next). */
static inline void chain_note(struct chain *c, const struct slot_call *call, int64_t result)
{
	c->result[c->length] = result;
	if (chain_is_failure(result))
		c->failed |= 1u << c->length;
	c->length++;
	c->next = c->length < SYSCALL_CHAIN_MAX ? link_next(call->link) : 0;
}

#endif /* LIB_CHAIN_H */

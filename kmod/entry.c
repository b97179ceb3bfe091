// SPDX-License-Identifier: GPL-2.0-only
/*
 * entry.c - the executor's half of syscall_info.h, on memory of a process that may
 * write, unmap or protect it at any moment.
 *
 * Each function opens one window for user accesses. An access that faults brings its
 * page in and goes on, or leaves by the label `fault`. The addresses were checked
 * when the area was made. Inside a window nothing may be called.
 */
#include "front.h"

#include <linux/futex.h>
#include <linux/limits.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include <asm/futex.h>

/* As SLOT_TRIES of slot/slot.h: an honest peer moves the word at most twice meanwhile. */
#define ENTRY_TRIES 4
/* Others clear and set bits of the same word: honest ones do so 64 times in a row at most. */
#define HINT_TRIES 256
#define HINT_WORDS (HINT_ENTRIES / 64)
/* How many entries one window of a search visits. */
#define ENTRIES_AT_ONCE 64u

#define ENTRY_KEPT (SYSCALL_WAITED | SYSCALL_LINKED) /* from the claim to the completion */

/* The state in a word, or -EPROTO. */
static __always_inline int word_state(u32 word)
{
	u32 state = word & SYSCALL_STATE_MASK;
	u32 may_be = SYSCALL_STATE_MASK | SYSCALL_WAITED;

	if (state == SYSCALL_HASCALL)
		may_be |= SYSCALL_LINKED | SYSCALL_HELD;
	if (state == SYSCALL_EXECUTING)
		may_be |= SYSCALL_LINKED;
	return (word & ~may_be) || state > SYSCALL_END ? -EPROTO : (int)state;
}

/* What an executor that seeks work makes of a word: 0: nothing, 1: a call, -ESHUTDOWN, -EPROTO. */
static __always_inline int word_offers(u32 word)
{
	switch (word_state(word)) {
	case SYSCALL_HASCALL:
		return !(word & SYSCALL_HELD);
	case SYSCALL_NONE:
	case SYSCALL_EXECUTING:
	case SYSCALL_COMPLETED:
		return 0;
	case SYSCALL_END:
		return -ESHUTDOWN;
	default:
		return -EPROTO;
	}
}

/* Search `count` entries from `first` on: the first that offers something, END included. */
static long find_among(struct async_syscall_info __user *array, u32 first, u32 count)
{
	struct async_syscall_info __user *e = array + first;
	int offers = 0;
	u32 word;
	u32 i;

	if (!user_access_begin(e, count * sizeof(*e)))
		return -EFAULT;
	for (i = 0; i < count; i++) {
		unsafe_get_user(word, &e[i].state, fault);
		if (word == SYSCALL_NONE) /* by far the most often */
			continue;
		offers = word_offers(word);
		if (offers)
			break;
	}
	user_access_end();
	if (offers == -EPROTO)
		return -EPROTO;
	return offers ? (long)(first + i) : HASCALL_NONE;

fault:
	user_access_end();
	return -EFAULT;
}

/* Visit all entries, from the cursor on and around. */
static long find_by_visit(struct hascall_executor *x)
{
	u32 count = x->area->count;
	u32 from = x->cursor;
	u32 left = count;

	while (left > 0) {
		u32 some = min3(left, count - from, ENTRIES_AT_ONCE);
		long found = find_among(x->area->array, from, some);

		if (found != HASCALL_NONE)
			return found;
		from = from + some < count ? from + some : 0;
		left -= some;
		cond_resched();
	}
	return HASCALL_NONE;
}

/* One bit of those in `among` of a word of hints; with `take`, it is cleared. Its number. */
static long find_bit_among(u64 __user *word, u64 among, bool take)
{
	unsigned int tries = HINT_TRIES;
	long bit = HASCALL_NONE;
	u64 bits;

	if (!user_access_begin(word, sizeof(*word)))
		return -EFAULT;
	unsafe_get_user(bits, word, fault);
	while (bits & among) {
		bit = __builtin_ctzll(bits & among);
		if (!take || unsafe_try_cmpxchg_user(word, &bits, bits & ~(1ull << bit), fault))
			break;
		if (--tries == 0) { /* who changes it so often does it on purpose */
			user_access_end();
			return -EPROTO;
		}
		bit = HASCALL_NONE;
	}
	user_access_end();
	return bit;

fault:
	user_access_end();
	return -EFAULT;
}

/* The word of hints for entries from 64 * i on. */
static u64 __user *hint_word(const struct hascall_area *area, u32 i)
{
	return area->posted + i / HINT_WORDS * (HINT_SIZE / sizeof(u64)) + i % HINT_WORDS;
}

/* Visit those entries only whose hint is set, from the cursor on and around. */
static long find_by_hint(struct hascall_executor *x, bool take)
{
	u32 words = DIV_ROUND_UP(x->area->count, 64);
	u32 first = x->cursor / 64;
	u64 upper = ~0ull << x->cursor % 64;

	for (u32 i = 0; i <= words; i++) {
		u32 at = (first + i) % words;
		u64 among = i == 0 ? upper : i == words ? ~upper : ~0ull;
		long bit = find_bit_among(hint_word(x->area, at), among, take);

		if (bit >= 0 && at * 64 + bit >= x->area->count)
			return -EPROTO;
		if (bit != HASCALL_NONE)
			return bit < 0 ? bit : (long)(at * 64 + bit);
	}
	return HASCALL_NONE;
}

long entry_peek(struct hascall_executor *x)
{
	return x->area->posted ? find_by_hint(x, false) : find_by_visit(x);
}

long entry_find(struct hascall_executor *x)
{
	long found = x->area->posted ? find_by_hint(x, true) : find_by_visit(x);

	if (found >= 0)
		x->cursor = (u32)found + 1 < x->area->count ? (u32)found + 1 : 0;
	return found;
}

/*
 * Take an entry whose word has HASCALL and of `held` exactly that, and copy it out. A
 * call that is not LINKED has no link word, whatever ret holds.
 */
static int claim(struct hascall_executor *x, u32 index, u32 held, struct hascall_call *call)
{
	struct async_syscall_info __user *e = x->area->array + index;
	unsigned int tries = ENTRY_TRIES;
	int r = -EAGAIN;
	u32 word;
	s64 ret;

	if (!user_access_begin(e, sizeof(*e)))
		return -EFAULT;
	unsafe_get_user(word, &e->state, fault);
	do {
		int state = word_state(word);

		if (state == SYSCALL_END)
			r = -ESHUTDOWN;
		else if (state < 0)
			r = state;
		if (state != SYSCALL_HASCALL || (word & SYSCALL_HELD) != held)
			goto out;
		r = unsafe_try_cmpxchg_user(&e->state, &word,
					    (word & ENTRY_KEPT) | SYSCALL_EXECUTING, fault)
			    ? 0
			    : -EAGAIN;
	} while (r && --tries);
	if (r)
		goto out;
	unsafe_put_user(index + 1, &x->record->entry, fault);
	unsafe_get_user(call->num, &e->num, fault);
	unsafe_get_user(call->arg[0], &e->arg[0], fault);
	unsafe_get_user(call->arg[1], &e->arg[1], fault);
	unsafe_get_user(call->arg[2], &e->arg[2], fault);
	unsafe_get_user(call->arg[3], &e->arg[3], fault);
	unsafe_get_user(call->arg[4], &e->arg[4], fault);
	unsafe_get_user(call->arg[5], &e->arg[5], fault);
	ret = 0;
	if (word & SYSCALL_LINKED)
		unsafe_get_user(ret, &e->ret, fault);
	call->link = (u64)ret;
	call->index = index;
out:
	user_access_end();
	return r;

fault:
	user_access_end();
	return -EFAULT;
}

int entry_claim(struct hascall_executor *x, u32 index)
{
	int r = claim(x, index, 0, &x->call);

	int unused;

	if (r == 0) {
		x->call.place = 0;
		x->call.failed = 0;
	}
	/* For those who come later. */
	if (r == -ESHUTDOWN && x->area->posted &&
	    arch_futex_atomic_op_inuser(FUTEX_OP_OR, 1 << index % 32, &unused,
					(u32 __user *)hint_word(x->area, index / 64) +
						index / 32 % 2))
		return -EFAULT;
	return r;
}

int entry_claim_next(struct hascall_executor *x)
{
	u64 next = x->call.link & 0xffff;
	int r;

	if (next == 0 || next > x->area->count || x->call.place + 1 >= SYSCALL_CHAIN_MAX)
		return -EAGAIN;
	r = claim(x, array_index_nospec((u32)next - 1, x->area->count), SYSCALL_HELD, &x->call);
	if (r == 0)
		x->call.place++;
	return r == -ESHUTDOWN ? -EAGAIN : r; /* whoever visits that entry returns */
}

/* Set the bit of a completed entry, then see whether anybody wants to be told. */
static int mark_done(struct hascall_executor *x)
{
	u32 index = x->call.index;
	u32 attention = 0;
	int unused;

	/* Words of 32 bits, that of lower entries first, make the same bits. A full barrier. */
	if (arch_futex_atomic_op_inuser(FUTEX_OP_OR, 1 << index % 32, &unused,
					x->area->done + index / 32))
		return -EFAULT;
	if (x->area->attention && get_user(attention, x->area->attention))
		return -EFAULT;
	x->tells |= attention != 0;
	return 0;
}

int entry_complete(struct hascall_executor *x, s64 ret)
{
	struct async_syscall_info __user *e = x->area->array + x->call.index;
	unsigned int tries = ENTRY_TRIES;
	bool done = false;
	u32 word;

	if (!user_access_begin(e, sizeof(*e)))
		return -EFAULT;
	unsafe_put_user(ret, &e->ret, fault);
	unsafe_put_user(0, &e->num, fault);
	unsafe_put_user(0, &x->record->entry, fault);
	unsafe_get_user(word, &e->state, fault);
	/* The swap is a full barrier: the result is there before the state says so. */
	while (!done && tries-- && word_state(word) == SYSCALL_EXECUTING)
		done = unsafe_try_cmpxchg_user(&e->state, &word, SYSCALL_COMPLETED, fault);
	user_access_end();
	if (!done)
		return -EPROTO;
	if (word & SYSCALL_WAITED)
		front_futex(&e->state, FUTEX_WAKE, INT_MAX);
	return x->area->done ? mark_done(x) : 0;

fault:
	user_access_end();
	return -EFAULT;
}

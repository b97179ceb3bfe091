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

#include <linux/err.h>
#include <linux/futex.h>
#include <linux/limits.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include <asm/futex.h>

/* As SLOT_TRIES of slot/slot.h: an honest peer moves the word at most twice meanwhile. */
#define ENTRY_TRIES 4
/* Others clear and set bits of the same word: after so many losses in a row, others come first. */
#define HINT_TRIES 4
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

/*
 * The window is open and `word` was read from the entry: claim it and copy the call out, if
 * the word has HASCALL and of SYSCALL_HELD exactly `held`. 0; -EAGAIN: it has not;
 * -ESHUTDOWN: it holds END; -EPROTO; -EFAULT. A call that is not LINKED has no link word,
 * whatever ret holds.
 */
static __always_inline int claim_open(struct hascall_executor *x, u32 index, u32 word, u32 held)
{
	struct async_syscall_info __user *e = x->area->array + index;
	struct hascall_call *call = &x->call;
	unsigned int tries = ENTRY_TRIES;
	s64 ret = 0;

	do {
		int state = word_state(word);

		if (state < 0)
			return state;
		if (state == SYSCALL_END)
			return -ESHUTDOWN;
		if (state != SYSCALL_HASCALL || (word & SYSCALL_HELD) != held || tries-- == 0)
			return -EAGAIN;
	} while (!unsafe_try_cmpxchg_user(&e->state, &word, (word & ENTRY_KEPT) | SYSCALL_EXECUTING,
					  fault));
	unsafe_put_user(index + 1, &x->record->entry, fault);
	unsafe_get_user(call->num, &e->num, fault);
	unsafe_get_user(call->arg[0], &e->arg[0], fault);
	unsafe_get_user(call->arg[1], &e->arg[1], fault);
	unsafe_get_user(call->arg[2], &e->arg[2], fault);
	unsafe_get_user(call->arg[3], &e->arg[3], fault);
	unsafe_get_user(call->arg[4], &e->arg[4], fault);
	unsafe_get_user(call->arg[5], &e->arg[5], fault);
	if (word & SYSCALL_LINKED)
		unsafe_get_user(ret, &e->ret, fault);
	call->link = (u64)ret;
	call->index = index;
	return 0;

fault:
	return -EFAULT;
}

/* What claim_open() would find, without the claim. */
static __always_inline int peek_open(u32 word)
{
	int state = word_state(word);

	if (state < 0)
		return state;
	if (state == SYSCALL_END)
		return -ESHUTDOWN;
	return state == SYSCALL_HASCALL && !(word & SYSCALL_HELD) ? 0 : -EAGAIN;
}

/* Claim the entry with this index, as claim_open(). */
static __always_inline int claim(struct hascall_executor *x, u32 index, u32 held)
{
	struct async_syscall_info __user *e = x->area->array + index;
	u32 word;
	int r;

	if (!user_access_begin(e, sizeof(*e)))
		return -EFAULT;
	unsafe_get_user(word, &e->state, fault);
	r = claim_open(x, index, word, held);
	user_access_end();
	return r;

fault:
	user_access_end();
	return -EFAULT;
}

/*
 * Visit `count` entries from `first` on, in one window. With `take`, claim the first that
 * can be: 0. Without, 0 tells that there is one, or END. -EAGAIN: there is none.
 */
static __always_inline int visit(struct hascall_executor *x, u32 first, u32 count, bool take)
{
	struct async_syscall_info __user *e = x->area->array + first;
	int r = -EAGAIN;
	u32 word;
	u32 i;

	if (!user_access_begin(e, count * sizeof(*e)))
		return -EFAULT;
	for (i = 0; i < count && r == -EAGAIN; i++) {
		unsafe_get_user(word, &e[i].state, fault);
		if (word == SYSCALL_NONE) /* by far the most often */
			continue;
		r = take ? claim_open(x, first + i, word, 0) : peek_open(word);
	}
	user_access_end();
	return r;

fault:
	user_access_end();
	return -EFAULT;
}

/* Visit all entries, from the cursor on and around; outcomes as visit(). */
static __always_inline int visit_all(struct hascall_executor *x, bool take)
{
	u32 count = x->area->count;
	u32 from = x->cursor;
	u32 left = count;

	for (;;) {
		u32 some = min3(left, count - from, ENTRIES_AT_ONCE);
		int r = visit(x, from, some, take);

		left -= some;
		if (r != -EAGAIN || left == 0)
			return r;
		from = from + some < count ? from + some : 0;
		cond_resched();
	}
}

/*
 * One bit of those from `from` on and below `to` in a block of hints; with `take`, it is
 * cleared. Its number; -EALREADY: others were faster. Words that stand for no entry are looked
 * at, too.
 */
static __always_inline long find_in_block(u64 __user *word, u32 from, u32 to, bool take)
{
	if (!user_access_begin(word, HINT_WORDS * sizeof(*word)))
		return -EFAULT;
	for (u32 i = from / 64; i * 64 < to; i++) {
		unsigned int tries = HINT_TRIES;
		u64 among = ~0ull;
		u64 bits;

		if (i == from / 64)
			among <<= from % 64;
		if (i == to / 64)
			among &= ~(~0ull << to % 64);
		unsafe_get_user(bits, word + i, fault);
		while (bits & among) {
			u64 bit = bits & among & -(bits & among);

			if (!take || unsafe_try_cmpxchg_user(word + i, &bits, bits & ~bit, fault)) {
				user_access_end();
				return i * 64 + __builtin_ctzll(bit);
			}
			if (--tries == 0) {
				user_access_end();
				return -EALREADY;
			}
		}
	}
	user_access_end();
	return HASCALL_NONE;

fault:
	user_access_end();
	return -EFAULT;
}

/* The hints of entries from HINT_ENTRIES * block on. */
static u64 __user *hint_block(const struct hascall_area *area, u32 block)
{
	return area->posted + block * (HINT_SIZE / sizeof(u64));
}

/* Visit those entries only whose hint is set, from the cursor on and around. */
static long find_by_hint(struct hascall_executor *x, bool take)
{
	u32 blocks = DIV_ROUND_UP(x->area->count, HINT_ENTRIES);
	u32 first = x->cursor / HINT_ENTRIES;
	u32 middle = x->cursor % HINT_ENTRIES;

	for (u32 i = 0; i <= blocks; i++) {
		u32 at = (first + i) % blocks;
		long bit = find_in_block(hint_block(x->area, at), i == 0 ? middle : 0,
					 i == blocks ? middle : HINT_ENTRIES, take);

		if (bit >= 0 && at * HINT_ENTRIES + bit >= x->area->count)
			return -EPROTO;
		if (bit != HASCALL_NONE)
			return bit < 0 ? bit : (long)(at * HINT_ENTRIES + bit);
	}
	return HASCALL_NONE;
}

/* END was met by way of a hint: leave one for those who come later. */
static int mark_again(struct hascall_executor *x, u32 index)
{
	u32 __user *half = (u32 __user *)hint_block(x->area, index / HINT_ENTRIES) +
			   index % HINT_ENTRIES / 32;
	int unused;

	return arch_futex_atomic_op_inuser(FUTEX_OP_OR, 1 << index % 32, &unused, half)
		       ? -EFAULT
		       : -ESHUTDOWN;
}

/* The hint is used up when the claim fails: somebody was faster, or there was no call. */
static noinline int take_by_hint(struct hascall_executor *x)
{
	long index = find_by_hint(x, true);
	int r;

	if (index < 0)
		return index == HASCALL_NONE ? -EAGAIN : (int)index;
	x->call.index = (u32)index;
	r = claim(x, (u32)index, 0);
	if (r == -ESHUTDOWN)
		return mark_again(x, (u32)index);
	return r == -EAGAIN ? -EALREADY : r;
}

static noinline int take_by_search(struct hascall_executor *x)
{
	return visit_all(x, true);
}

/* Where many calls wait, the next entry in turn has one: that need not cost a search. */
static __always_inline int take_by_visit(struct hascall_executor *x)
{
	int r = claim(x, x->cursor, 0);

	return r == -EAGAIN ? take_by_search(x) : r;
}

int entry_peek(struct hascall_executor *x)
{
	long index;
	u32 word;

	if (!x->area->posted)
		return visit_all(x, false);
	index = find_by_hint(x, false);
	if (index < 0)
		return index == HASCALL_NONE ? -EAGAIN : (int)index;
	if (get_user(word, &x->area->array[index].state))
		return -EFAULT;
	return word == SYSCALL_END ? -ESHUTDOWN : 0;
}

int entry_take(struct hascall_executor *x)
{
	int r = x->area->posted ? take_by_hint(x) : take_by_visit(x);

	if (r == 0) {
		x->cursor = x->call.index + 1 < x->area->count ? x->call.index + 1 : 0;
		x->call.place = 0;
		x->call.failed = 0;
	}
	return r;
}

/* The entry that x->call's link leads to, if it is held: 0; -EAGAIN: it leads nowhere. */
static int claim_next(struct hascall_executor *x)
{
	u64 next = x->call.link & 0xffff;
	int r;

	if (next == 0 || next > x->area->count || x->call.place + 1 >= SYSCALL_CHAIN_MAX)
		return -EAGAIN;
	r = claim(x, array_index_nospec((u32)next - 1, x->area->count), SYSCALL_HELD);
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

/* Completed: note the result for the rest of the chain, and go on there. */
static noinline int follow(struct hascall_executor *x, s64 result)
{
	struct hascall_call *c = &x->call;

	c->result[c->place] = result;
	if (result < 0 && result >= -MAX_ERRNO)
		c->failed |= 1ull << c->place;
	return claim_next(x);
}

int entry_complete(struct hascall_executor *x, s64 result)
{
	struct async_syscall_info __user *e = x->area->array + x->call.index;
	unsigned int tries = ENTRY_TRIES;
	bool done = false;
	u32 word;
	int r;

	if (!user_access_begin(e, sizeof(*e)))
		return -EFAULT;
	unsafe_put_user(result, &e->ret, fault);
	unsafe_put_user(0, &e->num, fault);
	unsafe_put_user(0, &x->record->entry, fault);
	unsafe_get_user(word, &e->state, fault);
	/* The swap is a full barrier: the result is there before the state says so. */
	while (!done && tries-- && word_state(word) == SYSCALL_EXECUTING)
		done = unsafe_try_cmpxchg_user(&e->state, &word, SYSCALL_COMPLETED, fault);
	user_access_end();
	if (!done)
		return -EBADMSG;
	if (word & SYSCALL_WAITED)
		front_futex(&e->state, FUTEX_WAKE, INT_MAX);
	if (x->area->done) {
		r = mark_done(x);
		if (r)
			return r;
	}
	return x->call.link ? follow(x, result) : -EAGAIN;

fault:
	user_access_end();
	return -EFAULT;
}

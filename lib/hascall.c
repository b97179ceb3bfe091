/* SPDX-License-Identifier: MIT */
#include "hascall/hascall.h"

#include "lib/cut.h"
#include "lib/do_syscall.h"
#include "lib/futex.h"
#include "lib/handle.h"
#include "lib/lent.h"
#include "lib/pool.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ENTRIES_DEFAULT 64u
#define WORKERS_DEFAULT 64u
#define IDLE_MS_DEFAULT 5000u
#define OUTLAST_LOOK_NS 100000000

/* One, if the kernel does not tell. */
static cpu_set_t processors_now(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		CPU_SET(0, &set);
	return set;
}

#define FLAGS_KNOWN (HASCALL_USE_EVENTFD | HASCALL_NO_SPIN | HASCALL_POLLING)

/* Fill in defaults. 0 or -EINVAL. */
static int options_complete(struct hascall_options *o, uint32_t processors)
{
	if (o->size != sizeof(*o) || (o->flags & ~FLAGS_KNOWN))
		return -EINVAL;
	if (o->entries > HASCALL_ENTRIES_MAX || o->workers_max > HASCALL_WORKERS_MAX)
		return -EINVAL;
	if (o->flags & HASCALL_USE_EVENTFD) {
		int flags = fcntl(o->eventfd, F_GETFL);

		if (flags < 0 || !(flags & O_NONBLOCK))
			return -EINVAL;
	}
	if (o->entries == 0)
		o->entries = ENTRIES_DEFAULT;
	if (o->workers_max == 0)
		o->workers_max = WORKERS_DEFAULT;
	if (o->parallel == 0)
		o->parallel = processors > 1 ? processors - 1 : 1;
	if (o->idle_ms == 0)
		o->idle_ms = IDLE_MS_DEFAULT;
	return 0;
}

/*
 * The memory that executors and caller share: board, hints, done words, entries. A
 * forked child sees zeros: no executor of its own, no calls of its own.
 */
static int map_board(struct hascall *h)
{
	size_t hints = h->hint_count * sizeof(struct area_hint);
	size_t done = h->hint_count * sizeof(struct area_hint); /* rounded up to lines */
	size_t size = POOL_LINE + hints + done + h->entry_count * sizeof(struct syscall_info);
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -ENOMEM;
	if (madvise(memory, size, MADV_WIPEONFORK) < 0) {
		munmap(memory, size);
		return -ENOMEM;
	}
	h->board = (void *)memory;
	h->board_size = size;
	h->hint = (void *)(memory + POOL_LINE);
	h->done = (void *)(memory + POOL_LINE + hints);
	h->entry = (void *)(memory + POOL_LINE + hints + done);
	return 0;
}

static void release(struct hascall *h)
{
	if (h->board)
		munmap(h->board, h->board_size);
	free(h->call);
	free(h->used); /* unmarked and own_done are in the same memory */
	free(h->free_entry);
	free(h->cut);
	free(h->deadline);
	for (uint32_t i = 0; h->made && i < h->workers_max; i++)
		free(h->made[i]);
	free(h->made);
	free(h);
}

/* By entry: what the caller and those who cancel remember of it. By worker: its memory. */
static int prepare_tables(struct hascall *h)
{
	h->call = calloc(h->entry_count, sizeof(*h->call));
	h->used = calloc(3 * (size_t)h->done_words, sizeof(*h->used));
	h->free_entry = calloc(h->entry_count, sizeof(*h->free_entry));
	h->cut = calloc(h->entry_count, sizeof(*h->cut));
	h->deadline = calloc(h->entry_count, sizeof(*h->deadline));
	h->made = calloc(h->workers_max, sizeof(struct worker *));
	if (!h->call || !h->used || !h->free_entry || !h->cut || !h->deadline || !h->made)
		return -ENOMEM;
	h->unmarked = h->used + h->done_words;
	h->own_done = h->unmarked + h->done_words;
	while (h->free_count < h->entry_count) {
		h->deadline[h->free_count] = INT64_MAX;
		h->free_entry[h->free_count] = h->entry_count - 1 - h->free_count;
		h->free_count++;
	}
	h->next_deadline = INT64_MAX;
	return 0;
}

static int prepare(struct hascall *h)
{
	int r;

	h->entry_count = h->options.entries;
	h->hint_count = (h->entry_count + AREA_HINT_ENTRIES - 1) / AREA_HINT_ENTRIES;
	h->done_words = (h->entry_count + 63) / 64;
	h->workers_max = h->options.workers_max;
	h->parallel = h->options.parallel;
	h->idle_ns = h->options.idle_ms * INT64_C(1000000);
	h->spin = !(h->options.flags & HASCALL_NO_SPIN) && CPU_COUNT(&h->processors) > 1;
	h->caller_cpu = (uint32_t)sched_getcpu();
	h->attention = h->options.flags & HASCALL_USE_EVENTFD ? ATTENTION_EVENTFD : 0;
	h->polling = h->options.flags & HASCALL_POLLING && CPU_COUNT(&h->processors) > 1;
	r = cut_open(h->options.cancel_signal);
	if (r < 0)
		return r;
	h->cut_signal = r;
	r = prepare_tables(h);
	if (r == 0)
		r = map_board(h);
	if (r == 0)
		lent_area_open(h);
	return r;
}

int hascall_open(struct hascall **ret, const struct hascall_options *options)
{
	struct hascall *h = aligned_alloc(POOL_LINE, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	memset(h, 0, sizeof(*h));
	if (options)
		h->options = *options;
	else
		h->options.size = sizeof(h->options);
	h->processors = processors_now();
	r = options_complete(&h->options, (uint32_t)CPU_COUNT(&h->processors));
	if (r == 0)
		r = prepare(h);
	if (r == 0)
		r = pool_open(h);
	if (r < 0) {
		lent_area_close(h);
		release(h);
		return r;
	}
	h->board->alive = 1;
	/* One that polls is to be there at once; others come when a call needs them. */
	if (h->polling) {
		r = pool_start(h);
		if (r < 0) {
			hascall_close(h);
			return r;
		}
	}
	*ret = h;
	return 0;
}

static int reap_word(struct hascall *h, uint32_t word, hascall_done_fn *fn, void *ctx)
{
	uint64_t bits = h->own_done[word] | done_take(h, word);
	int count = 0;

	for (; bits; bits &= bits - 1) {
		uint32_t entry = word * 64 + (uint32_t)__builtin_ctzll(bits);
		uint64_t user_data;
		int64_t result;

		if (!completed(h, entry))
			continue; /* hascall_wait() was first */
		user_data = h->call[entry].user_data;
		if (take(h, entry, &result) < 0)
			continue;
		fn(ctx, user_data, result);
		count++;
	}
	return count;
}

static int reap_all(struct hascall *h, hascall_done_fn *fn, void *ctx)
{
	int count = 0;

	for (uint32_t word = 0; word < h->done_words; word++)
		count += reap_word(h, word, fn, ctx);
	return count;
}

int hascall_reap(struct hascall *h, hascall_done_fn *fn, void *ctx)
{
	uint64_t rung;
	int count;

	if (!alive(h))
		return 0;
	kick_if_due(h);
	if (h->alone)
		help_any(h);
	if (!(h->options.flags & HASCALL_USE_EVENTFD))
		return reap_all(h, fn, ctx);
	if (__atomic_load_n(&h->rung, __ATOMIC_SEQ_CST)) {
		/* Not read(): that is a cancellation point, and changes errno. */
		const struct slot_call call = {
			.num = SYS_read,
			.arg = { (uint64_t)h->options.eventfd, (uintptr_t)&rung, sizeof(rung) },
		};

		(void)syscall_now(&call);
		__atomic_store_n(&h->rung, false, __ATOMIC_SEQ_CST);
		__atomic_fetch_or(&h->attention, ATTENTION_EVENTFD, __ATOMIC_SEQ_CST);
	}
	/* Armed first, or being written: what completes after this look is told of. */
	count = reap_all(h, fn, ctx);
	return count;
}

int hascall_poll(struct hascall *h, uint64_t ticket, int64_t *ret_result)
{
	int entry = find(h, ticket);

	if (entry < 0)
		return entry;
	if (!alive(h))
		return -ESHUTDOWN;
	if (h->alone)
		help_any(h);
	return take(h, (uint32_t)entry, ret_result);
}

/* The first of a chain was taken back: the others are nobody's but ours. */
static void recall_rest(struct hascall *h, uint32_t first)
{
	uint32_t next = h->call[first].flags & POOL_CALL_CHAINED ? h->call[first].next
								 : POOL_NO_ENTRY;

	while (next != POOL_NO_ENTRY) {
		uint32_t entry = next;

		next = h->call[entry].next;
		/* In a damaged area it may have been delivered, and be part of another chain. */
		if (in_use(h, entry) && h->call[entry].first == first && recall(h, entry) == 0)
			free_entry(h, entry);
	}
}

int hascall_recall(struct hascall *h, uint64_t ticket)
{
	int entry = find(h, ticket);
	int r;

	if (entry < 0)
		return entry;
	if (!alive(h))
		return -ESHUTDOWN;
	if (!is_first(h, (uint32_t)entry))
		return -EAGAIN;
	r = recall(h, (uint32_t)entry);
	if (r < 0)
		return r;
	recall_rest(h, (uint32_t)entry);
	free_entry(h, (uint32_t)entry);
	return 0;
}

int hascall_cancel(struct hascall *h, uint64_t ticket)
{
	int entry = find(h, ticket);

	if (entry < 0)
		return entry;
	if (!alive(h))
		return -ESHUTDOWN;
	h->kick_due = true; /* what is left of a chain may be waiting for a worker */
	return cut_call(h, (uint32_t)entry, -ECANCELED);
}

/*
 * Held calls first: so each is asked before the end of the one before it drops it. Then
 * those not begun: a worker that is called back finds none of them to go on with.
 */
static bool cancel_in_pass(const struct hascall *h, uint32_t entry, unsigned int pass)
{
	switch (pass) {
	case 0:
		return is_held(h, entry);
	case 1:
		return slot_state(&h->entry[entry]) == SYSCALL_HASCALL;
	default:
		return true; /* asked twice says so, and is not counted */
	}
}

int hascall_cancel_all(struct hascall *h, uint32_t group)
{
	int asked = 0;

	if (!alive(h))
		return 0;
	h->kick_due = true;
	for (unsigned int pass = 0; pass < 3; pass++)
		for (uint32_t i = next_used(h, 0); i < h->entry_count; i = next_used(h, i + 1)) {
			if (group != HASCALL_ALL_GROUPS && h->call[i].group != group)
				continue;
			if (!cancel_in_pass(h, i, pass))
				continue;
			/* The close() at the end, begun or not. */
			if (!is_first(h, i) && (h->call[i].flags & POOL_CALL_ALWAYS))
				continue;
			if (cut_call(h, i, -ECANCELED) == 0)
				asked++;
		}
	return asked;
}

const char *hascall_version(void)
{
	return HASCALL_VERSION;
}

unsigned int hascall_in_flight(const struct hascall *h)
{
	return h->entry_count - h->free_count;
}

int hascall_in_kernel(const struct hascall *h)
{
	return alive(h) && h->in_kernel && !__atomic_load_n(&h->fallen, __ATOMIC_RELAXED);
}

void hascall_get_stats(struct hascall *h, struct hascall_stats *ret_stats)
{
	if (!alive(h)) {
		*ret_stats = (struct hascall_stats){ 0 };
		return;
	}
	pthread_mutex_lock(&h->lock);
	*ret_stats = h->stats;
	pthread_mutex_unlock(&h->lock);
}

/* Wait for a call that somebody has begun, without taking an interest in its result. */
static void outlast(struct hascall *h, uint32_t entry)
{
	int64_t result;
	uint32_t word;

	while (take(h, entry, &result) == -EAGAIN) {
		if (broken(h) && is_held(h, entry))
			return; /* nobody leads to it any more */
		if (slot_wait_begin(&h->entry[entry], &word) == 0 &&
		    futex_wait(&h->entry[entry].state, word, OUTLAST_LOOK_NS) == -ETIMEDOUT &&
		    pool_is_idle(h)) {
			damaged(h); /* the entry lies: nobody is at its call */
			return;
		}
	}
}

/*
 * A call that is not begun: take it back. Of a chain that runs, what is left runs only
 * where it was posted to run in any case: the close() at its end.
 */
static void drop(struct hascall *h, uint32_t entry)
{
	if (!is_first(h, entry)) {
		if (is_held(h, entry) && !(h->call[entry].flags & POOL_CALL_ALWAYS))
			cut_held(h, entry);
	} else if (recall(h, entry) == 0) {
		recall_rest(h, entry);
		free_entry(h, entry);
	}
}

void hascall_close(struct hascall *h)
{
	int cancel_state;

	if (!h)
		return;
	if (!alive(h)) {
		lent_area_close_in_child(h);
		release(h); /* the threads are the parent's */
		return;
	}
	/* pthread_join() is a cancellation point, half a close is worth nothing. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	for (uint32_t i = next_used(h, 0); i < h->entry_count; i = next_used(h, i + 1))
		drop(h, i);
	kick_if_due(h); /* a cancelled chain may have left a call that is to run in any case */
	while (h->alone && help_any(h))
		;
	for (uint32_t i = next_used(h, 0); i < h->entry_count; i = next_used(h, i + 1))
		outlast(h, i);
	__atomic_store_n(&h->stopping, 1, __ATOMIC_RELEASE); /* an END before this is damage */
	for (uint32_t i = 0; i < h->entry_count; i++)
		if (slot_end(&h->entry[i]) == 0)
			area_mark_posted(hint_of(h, i), i % AREA_HINT_ENTRIES);
	pool_stop(h);
	lent_area_close(h);
	release(h);
	pthread_setcancelstate(cancel_state, &cancel_state);
}

/* SPDX-License-Identifier: MIT */
#include "hascall/hascall.h"

#include "lib/do_syscall.h"
#include "lib/futex.h"
#include "lib/pool.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ENTRIES_DEFAULT 64u
#define WORKERS_DEFAULT 64u
#define IDLE_MS_DEFAULT 5000u

static bool alive(const struct hascall *h)
{
	return __atomic_load_n(&h->board->alive, __ATOMIC_RELAXED) != 0;
}

static bool broken(const struct hascall *h)
{
	return __atomic_load_n(&h->broken, __ATOMIC_RELAXED) != 0;
}

static int damaged(struct hascall *h)
{
	__atomic_store_n(&h->broken, 1, __ATOMIC_RELAXED);
	return -EPROTO;
}

/* A processor count of 1 if the kernel does not tell. */
static uint32_t processors(void)
{
	cpu_set_t set;
	int count;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	count = CPU_COUNT(&set);
	return count > 0 ? (uint32_t)count : 1;
}

/* Fill in defaults. 0 or -EINVAL. */
static int options_complete(struct hascall_options *o)
{
	if (o->size != sizeof(*o) || (o->flags & ~(HASCALL_USE_EVENTFD | HASCALL_NO_SPIN)))
		return -EINVAL;
	if (o->entries > HASCALL_ENTRIES_MAX || o->workers_max > HASCALL_WORKERS_MAX || o->reserved)
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
		o->parallel = processors() > 1 ? processors() - 1 : 1;
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
	free(h->free_entry);
	free(h);
}

static int prepare(struct hascall *h)
{
	h->entry_count = h->options.entries;
	h->hint_count = (h->entry_count + AREA_HINT_ENTRIES - 1) / AREA_HINT_ENTRIES;
	h->done_words = (h->entry_count + 63) / 64;
	h->workers_max = h->options.workers_max;
	h->parallel = h->options.parallel;
	h->idle_ns = h->options.idle_ms * INT64_C(1000000);
	h->spin = !(h->options.flags & HASCALL_NO_SPIN) && processors() > 1;
	h->caller_cpu = (uint32_t)sched_getcpu();
	h->attention = h->options.flags & HASCALL_USE_EVENTFD ? ATTENTION_EVENTFD : 0;
	h->call = calloc(h->entry_count, sizeof(*h->call));
	h->free_entry = calloc(h->entry_count, sizeof(*h->free_entry));
	if (!h->call || !h->free_entry)
		return -ENOMEM;
	while (h->free_count < h->entry_count) {
		h->free_entry[h->free_count] = h->entry_count - 1 - h->free_count;
		h->free_count++;
	}
	return map_board(h);
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
	r = options_complete(&h->options);
	if (r == 0)
		r = prepare(h);
	if (r == 0) {
		h->board->alive = 1;
		r = pool_start(h);
	}
	if (r < 0) {
		release(h);
		return r;
	}
	*ret = h;
	return 0;
}

/* The entry of a ticket, or -ENOENT. */
static int find(const struct hascall *h, uint64_t ticket)
{
	uint32_t entry = (uint32_t)ticket;

	if (entry >= h->entry_count || !h->call[entry].used ||
	    h->call[entry].generation != (uint32_t)(ticket >> 32))
		return -ENOENT;
	return (int)entry;
}

static void free_entry(struct hascall *h, uint32_t entry)
{
	h->call[entry].used = false;
	h->free_entry[h->free_count++] = entry;
}

/* Take the result of an entry in use: 0, -EAGAIN, -EPROTO. */
static int take(struct hascall *h, uint32_t entry, int64_t *ret_result)
{
	uint32_t flags;
	int r = slot_take(&h->entry[entry], ret_result, &flags);

	if (r == -EPROTO)
		return damaged(h);
	if (r == 0)
		free_entry(h, entry);
	return r;
}

static struct area_hint *hint_of(const struct hascall *h, uint32_t entry)
{
	return &h->hint[entry / AREA_HINT_ENTRIES];
}

/* 0: nobody will execute it; the entry is still counted as used. -EAGAIN, -EPROTO. */
static int recall(struct hascall *h, uint32_t entry)
{
	int r = slot_recall(&h->entry[entry]);

	if (r == -EPROTO)
		return damaged(h);
	if (r == 0)
		area_unmark_posted(hint_of(h, entry), entry % AREA_HINT_ENTRIES);
	return r;
}

void hascall_kick(struct hascall *h)
{
	uint32_t cpu = (uint32_t)sched_getcpu();

	h->kick_due = false;
	if (!alive(h))
		return;
	if (__atomic_load_n(&h->caller_cpu, __ATOMIC_RELAXED) != cpu)
		__atomic_store_n(&h->caller_cpu, cpu, __ATOMIC_RELAXED);
	area_fence();
	if (pool_pending(h))
		pool_look(h, POOL_CALLER);
}

static void kick_if_due(struct hascall *h)
{
	if (h->kick_due)
		hascall_kick(h);
}

int hascall_post(struct hascall *h, uint32_t num, const uint64_t arg[6], uint64_t user_data,
		 uint32_t flags, uint64_t *ret_ticket)
{
	struct pool_call *call;
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
	entry = h->free_entry[h->free_count - 1];
	if (slot_post(&h->entry[entry], num, arg) < 0)
		return damaged(h);
	h->free_count--;
	call = &h->call[entry];
	call->user_data = user_data;
	call->generation++;
	call->used = true;
	area_mark_posted(hint_of(h, entry), entry % AREA_HINT_ENTRIES);
	if (ret_ticket)
		*ret_ticket = (uint64_t)call->generation << 32 | entry;
	if (flags & HASCALL_MORE)
		h->kick_due = true;
	else
		hascall_kick(h);
	return 0;
}

/* Take all set bits of a done word. A bit says: look there; it may be out of date. */
static uint64_t done_take(struct hascall *h, uint32_t word)
{
	if (__atomic_load_n(&h->done[word], __ATOMIC_SEQ_CST) == 0)
		return 0;
	return __atomic_exchange_n(&h->done[word], 0, __ATOMIC_SEQ_CST);
}

static bool completed(const struct hascall *h, uint32_t entry)
{
	return h->call[entry].used && slot_state(&h->entry[entry]) == SYSCALL_COMPLETED;
}

static int reap_word(struct hascall *h, uint32_t word, hascall_done_fn *fn, void *ctx)
{
	uint64_t bits = done_take(h, word);
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
	if (!(h->options.flags & HASCALL_USE_EVENTFD))
		return reap_all(h, fn, ctx);
	if (!(__atomic_load_n(&h->attention, __ATOMIC_SEQ_CST) & ATTENTION_EVENTFD)) {
		ssize_t size = read(h->options.eventfd, &rung, sizeof(rung));

		(void)size; /* not written yet: a later reap will find nothing, no harm */
		__atomic_fetch_or(&h->attention, ATTENTION_EVENTFD, __ATOMIC_SEQ_CST);
	}
	/* Armed first: what completes after this look makes the eventfd readable. */
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
	return take(h, (uint32_t)entry, ret_result);
}

int hascall_recall(struct hascall *h, uint64_t ticket)
{
	int entry = find(h, ticket);
	int r;

	if (entry < 0)
		return entry;
	if (!alive(h))
		return -ESHUTDOWN;
	r = recall(h, (uint32_t)entry);
	if (r == 0)
		free_entry(h, (uint32_t)entry);
	return r;
}

/* Execute the call of an entry here if nobody has begun it. 0, -EAGAIN, -EPROTO. */
static int help(struct hascall *h, uint32_t entry, int64_t *ret_result)
{
	const struct syscall_info *e = &h->entry[entry];
	struct slot_call call;
	int r = recall(h, entry);

	if (r < 0)
		return r;
	call.num = e->num; /* the entry is this thread's own again */
	memcpy(call.arg, e->arg, sizeof(call.arg));
	kick_if_due(h); /* the others need a worker while this thread is busy */
	*ret_result = do_syscall(&call);
	free_entry(h, entry);
	return 0;
}

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
	r = take(h, (uint32_t)entry, ret_result);
	if (r == -EAGAIN && (flags & HASCALL_HELP))
		r = help(h, (uint32_t)entry, ret_result);
	if (r != -EAGAIN)
		return r;
	kick_if_due(h);
	if (timeout_ns != 0)
		wait_spin(h, completed, (uint32_t)entry);
	while ((r = take(h, (uint32_t)entry, ret_result)) == -EAGAIN) {
		int64_t left = time_left(deadline);
		uint32_t word;

		if (left == 0)
			return -ETIMEDOUT;
		if (slot_wait_begin(&h->entry[entry], &word) == 0)
			futex_wait(&h->entry[entry].state, word, left);
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

int hascall_wait_any(struct hascall *h, int64_t timeout_ns)
{
	int64_t deadline = deadline_of(timeout_ns);

	if (!alive(h))
		return -ESHUTDOWN;
	if (hascall_in_flight(h) == 0)
		return -ENOENT;
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

unsigned int hascall_in_flight(const struct hascall *h)
{
	return h->entry_count - h->free_count;
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

	while (take(h, entry, &result) == -EAGAIN)
		if (slot_wait_begin(&h->entry[entry], &word) == 0)
			futex_wait(&h->entry[entry].state, word, FOREVER);
}

void hascall_close(struct hascall *h)
{
	if (!h)
		return;
	if (!alive(h)) {
		release(h); /* the threads are the parent's */
		return;
	}
	for (uint32_t i = 0; i < h->entry_count; i++)
		if (h->call[i].used && recall(h, i) == 0)
			free_entry(h, i);
	for (uint32_t i = 0; i < h->entry_count; i++)
		if (h->call[i].used)
			outlast(h, i);
	for (uint32_t i = 0; i < h->entry_count; i++)
		if (slot_end(&h->entry[i]) == 0)
			area_mark_posted(hint_of(h, i), i % AREA_HINT_ENTRIES);
	pool_stop(h);
	release(h);
}

#include "test/lib/fake_kernel.h"

#include "lib/chain.h"
#include "lib/do_syscall.h"
#include "lib/futex.h"
#include "lib/kernel.h"
#include "slot/area.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Reasons to come out, beside enum async_syscall_why and errors. */
#define GO_ON 100
#define CLAIMED 101

struct fake_kernel fake_kernel;

struct fake_area {
	struct async_syscall_setup setup;
	pthread_mutex_t lock;
	pthread_cond_t parking;
	/* lock */
	unsigned int places, parked, ends;
	unsigned int spare; /* parked, or they have looked in vain */
};

/* By handle. */
static struct fake_area *areas[4096];
static unsigned int area_count;

/* One lent thread. */
struct executor {
	struct fake_area *area;
	struct async_syscall_executor *record;
	const uint32_t *word;
	bool has_place;
	bool tells;
	bool is_spare; /* counted */
	unsigned int ends;
	uint32_t cursor;
	uint32_t index;
	struct slot_call call;
	struct chain chain; /* next: not used */
};

static void count(long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* What is answered instead of what is asked for, with a call begun or not; 0: nothing. */
static long refusal(bool is_begun)
{
	return fake_get(&fake_kernel.refuse_begun) == is_begun ? fake_get(&fake_kernel.refuse) : 0;
}

int kernel_begin(const struct async_syscall_setup *setup, struct kernel_area *ret)
{
	struct fake_area *a;

	*ret = (struct kernel_area){ .handle = -1 };
	if (fake_get(&fake_kernel.is_missing))
		return -ENOSYS;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->setup = *setup;
	a->places = setup->running;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->parking, NULL);
	ret->handle = (int)__atomic_fetch_add(&area_count, 1, __ATOMIC_RELAXED);
	areas[ret->handle] = a;
	count(&fake_kernel.begun);
	return 0;
}

void kernel_forget(struct kernel_area *area)
{
	free(areas[area->handle]);
	areas[area->handle] = NULL;
	area->handle = -1;
}

void kernel_forget_in_child(struct kernel_area *area)
{
	kernel_forget(area);
}

static void *at(uint64_t address)
{
	return (void *)(uintptr_t)address; // NOLINT(performance-no-int-to-ptr)
}

static struct syscall_info *entry_at(const struct executor *x, uint32_t index)
{
	return (struct syscall_info *)at(x->area->setup.array) + index;
}

static bool is_called_back(const struct executor *x)
{
	return __atomic_load_n(x->word, __ATOMIC_ACQUIRE) & KERNEL_LEND_NOT;
}

/* Lock held. */
static void count_spare(struct executor *x, bool is_spare)
{
	if (x->is_spare != is_spare)
		x->area->spare += is_spare ? 1u : -1u;
	x->is_spare = is_spare;
}

static void place_give(struct executor *x)
{
	struct fake_area *a = x->area;

	pthread_mutex_lock(&a->lock);
	count_spare(x, false);
	if (x->has_place) {
		a->places++;
		x->has_place = false;
		pthread_cond_signal(&a->parking);
	}
	pthread_mutex_unlock(&a->lock);
}

/* Without a place: wait for one. GO_ON: there is; a reason to come out. Lock held. */
static long park(struct executor *x)
{
	struct fake_area *a = x->area;
	struct timespec until;
	int r;

	/* A signal does not end a wait for a condition: look every now and then. */
	for (uint32_t waited_ms = 0; a->places == 0; waited_ms++) {
		if (a->ends != x->ends)
			return ASYNC_SYSCALL_ENDED;
		if (is_called_back(x))
			return -EINTR;
		if (a->setup.idle_ms && waited_ms > a->setup.idle_ms && a->parked > 1)
			return ASYNC_SYSCALL_IDLE;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 1000000;
		if (until.tv_nsec >= NS_PER_SECOND) {
			until.tv_nsec -= NS_PER_SECOND;
			until.tv_sec++;
		}
		r = pthread_cond_timedwait(&a->parking, &a->lock, &until);
		if (r == 0)
			waited_ms = 0;
	}
	a->places--;
	x->has_place = true;
	return GO_ON;
}

static long place_get(struct executor *x)
{
	struct fake_area *a = x->area;
	long r;

	if (x->has_place)
		return GO_ON;
	pthread_mutex_lock(&a->lock);
	count_spare(x, true);
	a->parked++;
	r = park(x);
	a->parked--;
	pthread_mutex_unlock(&a->lock);
	return r;
}

/* It has found a call, and is spare no longer: is any other? */
static bool is_another_spare(struct executor *x)
{
	bool is;

	pthread_mutex_lock(&x->area->lock);
	count_spare(x, false);
	is = x->area->spare > 0;
	pthread_mutex_unlock(&x->area->lock);
	return is;
}

static void shut(struct executor *x)
{
	struct fake_area *a = x->area;

	pthread_mutex_lock(&a->lock);
	__atomic_fetch_add(&a->ends, 1, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&a->parking);
	pthread_mutex_unlock(&a->lock);
	futex_wake(at(a->setup.rings), INT32_MAX);
}

/* Where a hint is set, from the cursor on: its entry, or -1. */
static int64_t find(const struct executor *x)
{
	struct area_hint *hint = at(x->area->setup.posted);
	uint32_t blocks = (x->area->setup.count + AREA_HINT_ENTRIES - 1) / AREA_HINT_ENTRIES;

	for (uint32_t i = 0; i < blocks * AREA_HINT_ENTRIES; i++) {
		uint32_t entry = (x->cursor + i) % (blocks * AREA_HINT_ENTRIES);
		uint64_t bits = area_posted_bits(&hint[entry / AREA_HINT_ENTRIES],
						 entry % AREA_HINT_ENTRIES / 64);

		if (bits >> (entry % 64) & 1)
			return entry;
	}
	return -1;
}

/* CLAIMED; GO_ON: look again; -EAGAIN: there is none; a reason to come out. */
static long take(struct executor *x)
{
	int64_t found = find(x);
	struct area_hint *hint;
	long r;

	if (found < 0)
		return -EAGAIN;
	hint = (struct area_hint *)at(x->area->setup.posted) + found / AREA_HINT_ENTRIES;
	if (area_take_bit(&hint->posted[found % AREA_HINT_ENTRIES / 64],
			  UINT64_C(1) << (found % 64)) < 0)
		return GO_ON;
	if ((uint64_t)found >= x->area->setup.count)
		return -EPROTO;
	x->index = (uint32_t)found;
	x->cursor = x->index + 1;
	r = slot_claim(entry_at(x, x->index), &x->call);
	if (r == -ESHUTDOWN) {
		area_mark_posted(hint, (unsigned int)found % AREA_HINT_ENTRIES);
		shut(x);
		return ASYNC_SYSCALL_ENDED;
	}
	chain_reset(&x->chain);
	if (r == 0 && fake_get(&fake_kernel.late_ms))
		usleep((useconds_t)fake_get(&fake_kernel.late_ms) * 1000);
	if (r == 0)
		__atomic_store_n(&x->record->entry, x->index + 1, __ATOMIC_SEQ_CST);
	return r == 0 ? CLAIMED : r == -EAGAIN ? GO_ON : r;
}

static long leave(const struct executor *x, enum async_syscall_left left, int64_t ret, long why)
{
	struct async_syscall_executor *r = x->record;

	r->left = left;
	r->num = x->call.num;
	r->place = x->chain.length;
	r->ret = ret;
	r->link = x->call.link;
	r->failed = x->chain.failed;
	memcpy(r->arg, x->call.arg, sizeof(r->arg));
	memcpy(r->result, x->chain.result, sizeof(r->result));
	return why;
}

/* The claimed call. 0 and its result, or why to come out. */
static long execute(struct executor *x, int64_t *ret_result)
{
	static unsigned int turn;
	const int32_t *cuts = at(x->area->setup.cut);
	int32_t cut = x->call.linked ? __atomic_load_n(&cuts[x->index], __ATOMIC_SEQ_CST) : 0;
	int check;

	*ret_result = cut < 0 ? cut : chain_prepare(&x->chain, &x->call);
	check = call_check(&x->call);
	if (*ret_result == 0 && check < 0)
		*ret_result = check;
	if (*ret_result < 0)
		return 0;
	if (refusal(true))
		return leave(x, ASYNC_SYSCALL_LEFT_CALL, 0, refusal(true));
	place_give(x);
	*ret_result = syscall_unless(&x->call, x->word, KERNEL_LEND_NOT);
	if (*ret_result == -ECANCELED ||
	    (*ret_result == -EINTR && __atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) % 2))
		return leave(x, ASYNC_SYSCALL_LEFT_CALL, 0, -EINTR);
	return 0;
}

/* 0: the next one of the chain is claimed; -EAGAIN: there is none; -EPROTO. */
static long complete(struct executor *x, int64_t result)
{
	struct syscall_info *e = entry_at(x, x->index);
	uint64_t *done = at(x->area->setup.done);
	bool must_wake = false;
	uint32_t next;
	long r;

	__atomic_store_n(&x->record->entry, 0, __ATOMIC_SEQ_CST);
	if (slot_state(e) != SYSCALL_EXECUTING || slot_complete(e, result, 0, &must_wake) < 0) {
		__atomic_store_n(&x->record->entry, x->index + 1, __ATOMIC_SEQ_CST);
		return leave(x, ASYNC_SYSCALL_LEFT_RESULT, result, -EPROTO);
	}
	count(&fake_kernel.executed);
	if (must_wake)
		futex_wake(&e->state, INT32_MAX);
	__atomic_fetch_or(&done[x->index / 64], UINT64_C(1) << (x->index % 64), __ATOMIC_SEQ_CST);
	if (__atomic_load_n((uint32_t *)at(x->area->setup.attention), __ATOMIC_SEQ_CST))
		x->tells = true;
	if (!x->call.linked)
		return -EAGAIN;
	chain_note(&x->chain, &x->call, result);
	next = x->chain.next;
	if (next == 0 || next > x->area->setup.count)
		return -EAGAIN;
	r = slot_claim_held(entry_at(x, next - 1), &x->call);
	if (r == 0) {
		x->index = next - 1;
		__atomic_store_n(&x->record->entry, next, __ATOMIC_SEQ_CST);
	}
	return r == -ESHUTDOWN ? -EAGAIN : r;
}

/* The claimed call and its chain; has_result: it was executed before. GO_ON, or why to come out. */
static long run(struct executor *x, bool has_result, int64_t result)
{
	long r;

	for (;;) {
		r = has_result ? 0 : execute(x, &result);
		if (r == 0)
			r = complete(x, result);
		has_result = false;
		if (r != 0)
			break;
		if (x->tells)
			return leave(x, ASYNC_SYSCALL_LEFT_CALL, 0, ASYNC_SYSCALL_TELL);
	}
	if (r == -EAGAIN && x->tells && fake_get(&fake_kernel.refuse_told))
		return fake_get(&fake_kernel.refuse_told);
	if (r == -EAGAIN)
		return x->tells ? ASYNC_SYSCALL_TELL : GO_ON;
	return r;
}

/* What was left when this thread was here last. */
static long resume(struct executor *x)
{
	struct async_syscall_executor *r = x->record;
	bool has_result = r->left == ASYNC_SYSCALL_LEFT_RESULT;

	if (r->left == ASYNC_SYSCALL_LEFT_NOTHING)
		return GO_ON;
	if (r->entry == 0 || r->entry > x->area->setup.count || r->place >= SYSCALL_CHAIN_MAX)
		return -EINVAL;
	r->left = ASYNC_SYSCALL_LEFT_NOTHING;
	x->index = r->entry - 1;
	x->call = (struct slot_call){ .num = r->num, .link = r->link };
	x->call.linked = r->link != 0 || r->place > 0;
	memcpy(x->call.arg, r->arg, sizeof(r->arg));
	chain_reset(&x->chain);
	x->chain.length = r->place;
	x->chain.failed = (uint32_t)r->failed;
	memcpy(x->chain.result, r->result, sizeof(r->result));
	return run(x, has_result, r->ret);
}

static void idle(struct executor *x)
{
	uint32_t *rings = at(x->area->setup.rings);
	uint32_t *sleepers = at(x->area->setup.sleepers);
	uint32_t seen = __atomic_load_n(rings, __ATOMIC_ACQUIRE);

	pthread_mutex_lock(&x->area->lock);
	count_spare(x, true);
	pthread_mutex_unlock(&x->area->lock);
	__atomic_fetch_add(sleepers, 1, __ATOMIC_SEQ_CST);
	if (find(x) < 0)
		futex_wait(rings, seen, FOREVER);
	__atomic_fetch_sub(sleepers, 1, __ATOMIC_SEQ_CST);
}

static long serve(struct executor *x)
{
	long r = resume(x);
	bool found;

	while (r == GO_ON) {
		if (is_called_back(x))
			return -EINTR;
		r = place_get(x);
		if (r != GO_ON)
			break;
		if (__atomic_load_n(&x->area->ends, __ATOMIC_RELAXED) != x->ends)
			return ASYNC_SYSCALL_ENDED;
		/* What is posted after this look is not taken before another. */
		found = find(x) >= 0;
		if (found && !is_another_spare(x) && (x->record->flags & ASYNC_SYSCALL_TELL_GROW))
			return ASYNC_SYSCALL_GROW;
		if (refusal(false))
			return refusal(false);
		r = found ? take(x) : -EAGAIN;
		if (r == CLAIMED)
			r = run(x, false, 0);
		if (r == -EAGAIN) {
			idle(x);
			r = GO_ON;
		}
	}
	return r;
}

static void note(long why)
{
	switch (why) {
	case ASYNC_SYSCALL_GROW:
		count(&fake_kernel.grow);
		break;
	case ASYNC_SYSCALL_IDLE:
		count(&fake_kernel.idle);
		break;
	case ASYNC_SYSCALL_TELL:
		count(&fake_kernel.tell);
		break;
	case -EINTR:
		count(&fake_kernel.interrupted);
		break;
	case ASYNC_SYSCALL_ENDED:
		break;
	default:
		count(&fake_kernel.refused);
		break;
	}
}

long kernel_lend(const struct kernel_area *area, struct async_syscall_executor *record,
		 const uint32_t *word)
{
	struct executor x = { .area = areas[area->handle], .record = record, .word = word };
	long r;

	if (is_called_back(&x))
		return -ECANCELED;
	x.ends = __atomic_load_n(&x.area->ends, __ATOMIC_RELAXED);
	r = serve(&x);
	place_give(&x);
	if (r != ASYNC_SYSCALL_ENDED)
		futex_wake(at(x.area->setup.rings), 1); /* for one that did not look */
	note(r);
	return r;
}

/* SPDX-License-Identifier: MIT */
/*
 * async.c - the protocol's own level: entries and threads of the caller's.
 *
 *     state of an area   leaves by
 *     free               async_syscall_init
 *     open               async_syscall_exit, if no thread is inside
 *
 * A forked child has none of the threads that are inside, nor the one that may hold the
 * lock: it sees all of this as zeros, that is no area, and the lock free.
 */
#include "hascall/hascall.h"
#include "lib/chain.h"
#include "lib/do_syscall.h"
#include "lib/futex.h"
#include "lib/kernel.h"
#include "slot/area.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define IDLE_SPIN_NS 10000

struct async_area {
	struct area_bell bell;
	struct area_server server;
	/* lock; async_syscall_ring() only reads `open`, without it */
	bool open;
	uint32_t inside; /* threads in async_syscall_exec */
	/* constant while open */
	struct kernel_area kernel; /* handle < 0: the threads execute by themselves */
	struct syscall_info *array;
	uint32_t count;
	uint32_t flags;
};

/* All zeros: no area. Whole pages, as they are wiped in a child. */
static struct {
	pthread_mutex_t lock;
	struct async_area area[ASYNC_SYSCALL_AREAS_MAX];
} __attribute__((aligned(4096))) of_process;

/*
 * Not wiped: descriptors of the module's device, which a child inherits, that has no use for
 * them. Lock; and the child, which is one thread.
 */
static struct {
	bool watched; /* forget_in_child() is called in children */
	bool open[ASYNC_SYSCALL_AREAS_MAX];
	struct kernel_area kernel[ASYNC_SYSCALL_AREAS_MAX];
} devices;

static void forget_in_child(void)
{
	for (unsigned int i = 0; i < ASYNC_SYSCALL_AREAS_MAX; i++) {
		if (devices.open[i])
			kernel_forget_in_child(&devices.kernel[i]);
		devices.open[i] = false;
	}
}

/* Each time anew: cheap, and two threads may do it at once. 0 or -ENOMEM. */
static int wipe_in_children(void)
{
	int saved_errno = errno;
	int r = madvise(&of_process, sizeof(of_process), MADV_WIPEONFORK);

	errno = saved_errno;
	return r < 0 ? -ENOMEM : 0;
}

/* The area, held open until area_leave(); NULL if there is none. */
static struct async_area *area_enter(int number)
{
	struct async_area *a = NULL;

	if (number < 0 || (unsigned int)number >= ASYNC_SYSCALL_AREAS_MAX)
		return NULL;
	pthread_mutex_lock(&of_process.lock);
	if (of_process.area[number].open) {
		a = &of_process.area[number];
		a->inside++;
	}
	pthread_mutex_unlock(&of_process.lock);
	return a;
}

static void area_leave(struct async_area *a)
{
	pthread_mutex_lock(&of_process.lock);
	a->inside--;
	pthread_mutex_unlock(&of_process.lock);
}

/* Let the kernel execute, if it can: every lent thread runs at once, as without it. */
static void begin_kernel(struct async_area *a)
{
	bool rings = a->flags & ASYNC_SYSCALL_RINGS;
	const struct async_syscall_setup setup = {
		.size = sizeof(setup),
		.array = (uintptr_t)a->array,
		.count = a->count,
		.running = ASYNC_SYSCALL_RUNNING_MAX,
		.rings = rings ? (uintptr_t)&a->bell.rings : 0,
		.sleepers = rings ? (uintptr_t)&a->server.sleepers : 0,
		.spin_ns = IDLE_SPIN_NS,
	};

	if (kernel_begin(&setup, &a->kernel) < 0)
		a->kernel.handle = -1;
	if (a->kernel.handle < 0 || a->kernel.patched)
		return;
	if (!devices.watched)
		devices.watched = pthread_atfork(NULL, NULL, forget_in_child) == 0;
	devices.kernel[a - of_process.area] = a->kernel;
	devices.open[a - of_process.area] = true;
}

int async_syscall_init(struct syscall_info *array, uint32_t count, uint32_t flags)
{
	int r;

	if (!array || (uintptr_t)array % 64 != 0 || count == 0 ||
	    count > ASYNC_SYSCALL_ENTRIES_MAX || (flags & ~ASYNC_SYSCALL_RINGS))
		return -EINVAL;
	r = wipe_in_children();
	if (r < 0)
		return r;
	r = -ENFILE;
	pthread_mutex_lock(&of_process.lock);
	for (unsigned int i = 0; i < ASYNC_SYSCALL_AREAS_MAX && r < 0; i++) {
		struct async_area *a = &of_process.area[i];

		if (a->open)
			continue;
		a->array = array;
		a->count = count;
		a->flags = flags;
		begin_kernel(a);
		__atomic_store_n(&a->open, true, __ATOMIC_RELAXED);
		r = (int)i;
	}
	pthread_mutex_unlock(&of_process.lock);
	return r;
}

int async_syscall_exit(int number)
{
	int r = -EBADF;

	if (number < 0 || (unsigned int)number >= ASYNC_SYSCALL_AREAS_MAX)
		return -EBADF;
	pthread_mutex_lock(&of_process.lock);
	if (of_process.area[number].open) {
		r = of_process.area[number].inside > 0 ? -EBUSY : 0;
		if (r == 0) {
			__atomic_store_n(&of_process.area[number].open, false, __ATOMIC_RELAXED);
			devices.open[number] = false;
			kernel_forget(&of_process.area[number].kernel);
		}
	}
	pthread_mutex_unlock(&of_process.lock);
	return r;
}

int async_syscall_ring(int number, uint32_t calls)
{
	struct async_area *a;

	if (number < 0 || (unsigned int)number >= ASYNC_SYSCALL_AREAS_MAX)
		return -EBADF;
	a = &of_process.area[number];
	if (!__atomic_load_n(&a->open, __ATOMIC_RELAXED))
		return -EBADF;
	if (area_must_ring(&a->server)) {
		area_ring(&a->bell);
		futex_wake(&a->bell.rings, calls > INT32_MAX ? INT32_MAX : calls);
	}
	return 0;
}

/* An executor's place in an area. */
struct async_place {
	uint32_t cursor; /* entry to look at next */
	struct chain chain;
};

/* The arguments of a call of a chain, then call_check(). Also -ECANCELED. */
static int check_linked(struct chain *c, struct slot_call *call)
{
	int r;

	if (c->next == 0)
		chain_reset(c);
	r = chain_prepare(c, call);
	return r < 0 ? r : call_check(call);
}

/*
 * Claim the entry that follows in the chain, else the one under the cursor, which
 * moves on. As slot_claim(); a link that leads nowhere ends its chain: -EAGAIN.
 */
static inline __attribute__((always_inline)) int claim_next(const struct async_area *a,
							    struct async_place *p,
							    struct syscall_info **ret_entry,
							    struct slot_call *ret_call)
{
	uint32_t index = p->cursor;
	int r;

	if (p->chain.next) {
		index = p->chain.next - 1;
		r = index < a->count ? slot_claim_held(&a->array[index], ret_call) : -EAGAIN;
		if (r == -ESHUTDOWN)
			r = -EAGAIN; /* whoever visits that entry returns */
		if (r < 0)
			p->chain.next = 0;
	} else {
		p->cursor = index + 1 < a->count ? index + 1 : 0;
		r = slot_claim(&a->array[index], ret_call);
	}
	*ret_entry = &a->array[index];
	return r;
}

/* Give the result back and wake who sleeps on it: 0, -EPROTO. */
static int complete(struct syscall_info *e, int64_t result)
{
	bool must_wake = false;
	int r = slot_complete(e, result, 0, &must_wake);

	if (r == 0 && must_wake)
		futex_wake(&e->state, INT32_MAX);
	return r;
}

/* Visit every entry once. How many were executed, -ESHUTDOWN (END), -EPROTO. */
static inline __attribute__((always_inline)) int64_t visit_all(const struct async_area *a,
							       struct async_place *p)
{
	int64_t executed = 0;

	for (uint32_t visited = 0; visited < a->count || p->chain.next;) {
		struct syscall_info *e;
		struct slot_call call;
		int64_t result;
		int leave;
		int r;

		visited += p->chain.next == 0;
		r = claim_next(a, p, &e, &call);
		if (r == -EAGAIN)
			continue;
		if (r < 0)
			return r;
		leave = call.linked ? check_linked(&p->chain, &call) : call_check(&call);
		result = leave < 0 ? leave : syscall_now(&call);
		if (call.linked)
			chain_note(&p->chain, &call, result);
		r = complete(e, result);
		if (r < 0)
			return r;
		executed++;
	}
	return executed;
}

/* As visit_all; sleeps until a ring, or for ASYNC_SYSCALL_LATE_NS if none is promised. */
static int64_t sleep_and_visit(struct async_area *a, struct async_place *p)
{
	int64_t executed;
	uint32_t seen;

	area_sleep_prepare(&a->server, &a->bell, &seen);
	executed = visit_all(a, p);
	if (executed == 0)
		futex_wait(&a->bell.rings, seen,
			   a->flags & ASYNC_SYSCALL_RINGS ? FOREVER : ASYNC_SYSCALL_LATE_NS);
	area_sleep_finish(&a->server);
	return executed;
}

/* Complete the call that the kernel left in the record, and go on along its chain here. */
static int finish_left(struct async_area *a, struct async_place *p,
		       const struct async_syscall_executor *left)
{
	struct slot_call call = { .num = left->num, .linked = true, .link = left->link };
	const struct slot_call rest_of_wait = { .num = SYS_restart_syscall };
	int64_t result = left->ret;
	struct syscall_info *e;
	int leave;

	if (left->entry == 0 || left->entry > a->count || left->place >= SYSCALL_CHAIN_MAX)
		return -EPROTO; /* a stray write of the application's */
	e = &a->array[left->entry - 1];
	memcpy(call.arg, left->arg, sizeof(call.arg));
	p->chain.length = left->place;
	p->chain.failed = (uint32_t)left->failed;
	memcpy(p->chain.result, left->result, sizeof(p->chain.result));
	if (left->left == ASYNC_SYSCALL_LEFT_WAIT) {
		result = syscall_now(&rest_of_wait);
	} else if (left->left != ASYNC_SYSCALL_LEFT_RESULT) {
		leave = chain_prepare(&p->chain, &call);
		if (leave == 0)
			leave = call_check(&call);
		result = leave < 0 ? leave : syscall_now(&call);
	}
	chain_note(&p->chain, &call, result);
	return complete(e, result);
}

/*
 * Lend this thread to the kernel until END: 0; -EPROTO. -EPERM: the kernel does not want
 * it (it is filtered or traced, the process was forked), or the array cannot be accessed:
 * it is to go on by itself, and the result is as without the kernel.
 */
static int lend(struct async_area *a, struct async_place *p)
{
	struct async_syscall_executor record = { 0 };
	const uint32_t never = 0;

	for (;;) {
		long r = kernel_lend(&a->kernel, &record, &never);

		if (r == ASYNC_SYSCALL_ENDED || r == -EPROTO)
			return (int)r;
		/* A handler of the application's without SA_RESTART has cut a call short. */
		if (r == -EINTR && (record.left == ASYNC_SYSCALL_LEFT_CALL ||
				    record.left == ASYNC_SYSCALL_LEFT_WAIT)) {
			record.left = ASYNC_SYSCALL_LEFT_RESULT;
			record.ret = -EINTR;
		}
		if (r >= 0 || r == -EINTR)
			continue;
		r = record.left ? finish_left(a, p, &record) : 0;
		return r < 0 ? (int)r : -EPERM;
	}
}

/* Execute in this thread until END: 0; -EPROTO. */
static int execute(struct async_area *a, struct async_place *p)
{
	int64_t busy_until = 0;
	int64_t r;

	do {
		r = visit_all(a, p);
		if (r > 0)
			busy_until = now_ns() + IDLE_SPIN_NS;
		else if (r == 0 && now_ns() >= busy_until)
			r = sleep_and_visit(a, p);
	} while (r >= 0);
	return r == -ESHUTDOWN ? 0 : (int)r;
}

int async_syscall_exec(int number)
{
	struct async_area *a = area_enter(number);
	struct async_place place = { 0 };
	int r = -EPERM;

	if (!a)
		return -EBADF;
	chain_reset(&place.chain);
	if (a->kernel.handle >= 0)
		r = lend(a, &place);
	if (r == -EPERM)
		r = execute(a, &place);
	area_leave(a);
	return r;
}

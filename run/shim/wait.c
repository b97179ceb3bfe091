/*
 * wait.c - post a call to the manager and wait: spin while it runs on another processor
 * and works on the call, then sleep on the entry. A signal that was deferred meanwhile
 * asks the manager to cut the call short, once; the call still ends by its reply.
 */
#include "run/shim/shim.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>

/* In turns of a pause each, some 25 ns. */
#define CLAIM_TURNS 1200u    /* until the manager takes the call: where a thread begins */
#define CLAIM_TURNS_MIN 600u /* it may be at another's call: one that makes a file takes 15 us */
#define CLAIM_TURNS_MAX 2500u
#define SERVED_TURNS 3000u	 /* while it works on the call */
#define SERVED_TURNS_WAITING 64u /* the same, for calls that wait for others as a rule */
#define LOOK_EVERY 64u		 /* turns between looks at who runs where */
#define REST_LOOK_EVERY 16u	 /* turns between looks at whether the manager rests */
#define RESTED_TURNS 64u	 /* what is still worth spinning for when it does */

/* What a thread waits for. */
struct waiting {
	const struct syscall_info *entry;
	uint32_t rested;	    /* rests() before the post */
	struct shim_stream *stream; /* NULL: the call has none */
};

static const struct run_server *server(void)
{
	return (const struct run_server *)RUN_SERVER_PAGE;
}

static void ring(void)
{
	struct area_bell *bell = (struct area_bell *)RUN_BELL_PAGE;

	area_ring(bell);
	(void)gate_call(SYS_futex, (uint64_t)&bell->rings, FUTEX_WAKE, 1, 0, 0);
}

static unsigned int served_turns(uint32_t num)
{
	switch (num) {
	case SYS_wait4:
	case SYS_waitid:
	case SYS_poll:
	case SYS_ppoll:
	case SYS_select:
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case RUN_FORKED:
		return SERVED_TURNS_WAITING;
	default:
		return SERVED_TURNS;
	}
}

/* Waiting for the claim that helped may take longer next time; in vain, it is in the way. */
static void learn(struct shim_thread *t, unsigned int turns, bool helped)
{
	turns = helped ? turns * 2 : turns / 2;
	t->spin_turns = turns < CLAIM_TURNS_MIN	  ? CLAIM_TURNS_MIN
			: turns > CLAIM_TURNS_MAX ? CLAIM_TURNS_MAX
						  : turns;
}

static void send_cancel(struct shim_thread *t)
{
	t->cancel_sent = true;
	area_mark_cancel(&shim_control()->hint, t->index);
	if (area_must_ring(&server()->server))
		ring();
}

static uint32_t rests(void)
{
	return __atomic_load_n(&server()->rests, __ATOMIC_RELAXED);
}

/* Copy what has come: the manager's word for how much that is, but no more than there is room. */
static void take_bytes(struct shim_stream *s, int64_t there)
{
	uint64_t end = there < 0 ? 0 : (uint64_t)there, left;

	if (end > s->size)
		end = s->size;
	if (end <= s->done || s->fault)
		return;
	left = copy_user(s->to + s->done, s->from + s->done, end - s->done);
	s->done = end - left;
	s->fault = left > 0;
}

/*
 * Spin while the entry is in `state`, at most so many turns. What it is in then. If rests()
 * changes and the call was begun, then the manager has nothing to do and the call waits for
 * something: by spinning we may be in the way of just that.
 */
static int spin_in(struct shim_thread *t, const struct waiting *w, int state, unsigned int turns)
{
	const struct syscall_info *e = w->entry;
	int now = slot_state(e);

	for (unsigned int i = 0; i < turns && now == state; i++) {
		if (__atomic_load_n(&t->deferred, __ATOMIC_RELAXED) && !t->cancel_sent)
			send_cancel(t);
		if (i % LOOK_EVERY == 0 && area_cpu(&server()->server) == shim_cpu())
			return now;
		if (state == SYSCALL_EXECUTING && i % REST_LOOK_EVERY == 0 &&
		    i + RESTED_TURNS < turns && rests() != w->rested)
			turns = i + RESTED_TURNS;
		if (w->stream && state == SYSCALL_EXECUTING)
			take_bytes(w->stream, slot_told(e));
		__builtin_ia32_pause();
		now = slot_state(e);
	}
	return now;
}

/*
 * An entry that is not claimed soon tells that the manager does not run now; once it is
 * claimed, the manager runs on another processor, and the reply is worth waiting for.
 */
static bool spin(struct shim_thread *t, const struct waiting *w, uint32_t num)
{
	unsigned int turns = t->spin_turns ? t->spin_turns : CLAIM_TURNS;
	int state = spin_in(t, w, SYSCALL_HASCALL, turns);

	learn(t, turns, state != SYSCALL_HASCALL);
	if (state == SYSCALL_EXECUTING)
		state = spin_in(t, w, SYSCALL_EXECUTING, served_turns(num));
	return state == SYSCALL_COMPLETED;
}

static void sleep_on(struct shim_thread *t, struct syscall_info *e)
{
	uint32_t word;
	int r = slot_wait_begin(e, &word);

	if (r == -EAGAIN)
		return;
	if (r < 0)
		shim_die(SIGNAL_COUNT);
	if (t->cancel_sent) {
		/* The deferred signal is known; sleep through. Signals are blocked. */
		(void)gate_call(SYS_futex, (uint64_t)&e->state, FUTEX_WAIT, word, 0, 0);
		return;
	}
	if (gate_futex_wait(&e->state, word) == -EINTR &&
	    __atomic_load_n(&t->deferred, __ATOMIC_RELAXED))
		send_cancel(t);
}

int64_t shim_post_stream(struct shim_thread *t, uint32_t num, const uint64_t arg[6],
			 struct shim_stream *s, uint32_t *ret_flags)
{
	struct syscall_info *e = shim_entry(t);
	const struct waiting w = { .entry = e, .rested = rests(), .stream = s };
	uint32_t flags = 0;
	unsigned int cpu;
	int64_t ret = 0;

	t->cancel_sent = false;
	if (s)
		slot_tell(e, 0);
	if (slot_post(e, num, arg) < 0)
		shim_die(SIGNAL_COUNT); /* somebody wrote into the area */
	area_mark_posted(&shim_control()->hint, t->index);
	cpu = shim_cpu();
	if (area_must_ring(&server()->server))
		ring();
	else if (area_cpu(&server()->server) == cpu)
		shim_make_room(t, cpu);
	if (!spin(t, &w, num))
		while (slot_state(e) != SYSCALL_COMPLETED)
			sleep_on(t, e);
	if (slot_take(e, &ret, &flags) < 0)
		shim_die(SIGNAL_COUNT);
	shim_note_reply(t, flags);
	if (t->cancel_sent)
		__atomic_fetch_and(&shim_control()->hint.cancel[t->index / 64],
				   ~(UINT64_C(1) << (t->index % 64)), __ATOMIC_ACQ_REL);
	/* The manager sent this thread a signal: enter the kernel, so that it is here. */
	if (flags & RUN_REPLY_KICK)
		(void)gate_call(SYS_getpid, 0, 0, 0, 0, 0);
	if (ret_flags)
		*ret_flags = flags;
	if (s)
		take_bytes(s, ret);
	return ret;
}

int64_t shim_post(struct shim_thread *t, uint32_t num, const uint64_t arg[6], uint32_t *ret_flags)
{
	return shim_post_stream(t, num, arg, NULL, ret_flags);
}

void shim_post_last(struct shim_thread *t, uint32_t num, uint64_t a0)
{
	const uint64_t arg[6] = { a0, 0, 0, 0, 0, 0 };
	uint32_t index = t->index;

	if (slot_post(shim_entry(t), num, arg) < 0)
		shim_die(SIGNAL_COUNT);
	area_mark_posted(&shim_control()->hint, index);
	if (area_must_ring(&server()->server))
		ring();
}

int64_t shim_post1(struct shim_thread *t, uint32_t num, uint64_t a0, uint64_t a1, uint64_t a2)
{
	const uint64_t arg[6] = { a0, a1, a2, 0, 0, 0 };

	return shim_post(t, num, arg, NULL);
}

/* 0 free, 1 taken, 2 taken and somebody may sleep. */
void shim_lock(uint32_t *lock)
{
	uint32_t seen = 0;

	if (__atomic_compare_exchange_n(lock, &seen, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE) != 0)
		(void)gate_call(SYS_futex, (uint64_t)lock, FUTEX_WAIT_PRIVATE, 2, 0, 0);
}

void shim_unlock(uint32_t *lock)
{
	if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) == 2)
		(void)gate_call(SYS_futex, (uint64_t)lock, FUTEX_WAKE_PRIVATE, 1, 0, 0);
}

_Noreturn void shim_die(int status)
{
	for (;;)
		(void)gate_call(SYS_exit_group, (uint64_t)status, 0, 0, 0, 0);
}

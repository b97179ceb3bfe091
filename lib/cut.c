/* SPDX-License-Identifier: MIT */
#include "lib/cut.h"

#include "lib/chain.h"
#include "lib/futex.h"
#include "lib/lent.h"

#include <signal.h>
#include <ucontext.h>

#define DEADLINES_AT_ONCE 16u /* claimed under the lock, completed without it */
#define RETRY_NS 1000000
/* Looks at who executes an entry, before that is asked for another time. */
#define SHOWN_LOOKS 1000u
#define SHOWN_LATE_LOOKS 10000u /* the same, if its processor is taken away from it just now */
#define SHOWN_LATE_NS 100000

/* Outcome of cut_locked() beside 0 and errors: the entry was claimed, complete it. */
#define CUT_CLAIMED 1

/* One copy of SYSCALL_UNLESS_CUT, relative to the words themselves. */
struct cut_range {
	int32_t begin, end;
};

/* Made by the linker. */
extern const struct cut_range __start_hascall_cut[] __attribute__((visibility("hidden")));
extern const struct cut_range __stop_hascall_cut[] __attribute__((visibility("hidden")));

/* The kernel's struct sigaction: the C library's may be replaced by one that delays signals. */
struct kernel_action {
	void (*handler)(int number, siginfo_t *info, void *context);
	uint64_t flags;
	void (*restorer)(void);
	uint64_t mask;
};

#define KERNEL_SA_RESTORER 0x04000000u

/* Debuggers and unwinders know these bytes as the end of a handler. */
void hascall_cut_return(void) __attribute__((visibility("hidden")));
__asm__(".pushsection .text\n"
	"	nop\n"
	"	.hidden hascall_cut_return\n"
	"	.globl hascall_cut_return\n"
	"	.type hascall_cut_return, @function\n"
	"hascall_cut_return:\n"
	"	movq $15, %rax\n" /* rt_sigreturn */
	"	syscall\n"
	"	.size hascall_cut_return, . - hascall_cut_return\n"
	".popsection\n");

/* Of the process; 0: no area was opened yet. No lock: a forked child would inherit it. */
static int signal_of_process;

/*
 * The handler. Nobody's state is touched: a signal that somebody else sent makes the
 * worker look once more and go on.
 */
static __attribute__((no_sanitize("thread", "address"))) void cut_go_back(int number,
									  siginfo_t *info,
									  void *context)
{
	greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)number;
	(void)info;
	for (const struct cut_range *r = __start_hascall_cut; r < __stop_hascall_cut; r++) {
		greg_t begin = (greg_t)(uintptr_t)&r->begin + r->begin;
		greg_t end = (greg_t)(uintptr_t)&r->end + r->end;

		if (*rip >= begin && *rip < end)
			*rip = begin;
	}
}

static struct kernel_action action_now(int number)
{
	struct kernel_action now = { 0 };

	syscall(SYS_rt_sigaction, number, NULL, &now, sizeof(now.mask));
	return now;
}

static bool handler_is_ours(int number)
{
	return action_now(number).handler == cut_go_back;
}

static void install(int number)
{
	const struct kernel_action ours = {
		.handler = cut_go_back,
		.flags = SA_SIGINFO | KERNEL_SA_RESTORER, /* no SA_RESTART: calls shall end */
		.restorer = hascall_cut_return,
		.mask = UINT64_MAX,
	};

	if (!action_now(number).handler) /* SIG_DFL */
		syscall(SYS_rt_sigaction, number, &ours, NULL, sizeof(ours.mask));
}

int cut_open(int wanted_signal)
{
	int number = wanted_signal ? wanted_signal : SIGRTMAX;
	int earlier = 0;

	if (number < SIGRTMIN || number > SIGRTMAX)
		return -EINVAL;
	if (!__atomic_compare_exchange_n(&signal_of_process, &earlier, number, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		if (wanted_signal && wanted_signal != earlier)
			return -EINVAL;
		number = earlier;
	}
	install(number);
	return number;
}

/* Lock held. Set PHASE_CUT if this worker is busy with the entry. */
static bool mark(struct worker *w, uint32_t entry)
{
	uint32_t phase = __atomic_load_n(&w->phase, __ATOMIC_ACQUIRE);

	while ((phase & PHASE_BUSY) && __atomic_load_n(&w->entry, __ATOMIC_RELAXED) == entry)
		if (__atomic_compare_exchange_n(&w->phase, &phase, phase | PHASE_CUT, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

/* Lock held: call back whoever is busy with the entry. How many; *ret_error: 0, -EAGAIN. */
static unsigned int call_back(struct hascall *h, uint32_t entry, int *ret_error)
{
	int saved_errno = errno;
	unsigned int count = 0;

	*ret_error = 0;
	LIST_EACH(node, &h->workers) {
		struct worker *w = LIST_ENTRY(node, struct worker, node);

		if (!mark(w, entry) && !lent_call_back(w, entry))
			continue;
		count++;
		if (syscall(SYS_tgkill, getpid(), __atomic_load_n(&w->tid, __ATOMIC_RELAXED),
			    h->cut_signal) < 0 &&
		    errno == EAGAIN)
			*ret_error = -EAGAIN; /* RLIMIT_SIGPENDING */
	}
	errno = saved_errno;
	return count;
}

/* An executor in the kernel shows what it executes a moment after its entry shows it. */
static int call_back_lent(struct hascall *h, uint32_t entry)
{
	struct syscall_info *e = &h->entry[entry];
	int r = -EAGAIN;

	lent_call_back_begin(h);
	for (unsigned int i = 0; i < SHOWN_LOOKS + SHOWN_LATE_LOOKS; i++) {
		uint32_t word = slot_word(e);

		if (call_back(h, entry, &r) > 0 || slot_word_state(word) != SYSCALL_EXECUTING)
			break;
		r = -EAGAIN;
		if (i < SHOWN_LOOKS)
			sched_yield();
		else
			futex_wait(&e->state, word, SHOWN_LATE_NS);
	}
	lent_call_back_end(h);
	return r;
}

/*
 * Lock held; the entry was seen EXECUTING. Two workers may be busy with it, one of
 * them only to find that the other was faster. None: its call has just ended. 0, -EAGAIN.
 */
static int interrupt(struct hascall *h, uint32_t entry)
{
	int r;

	if (h->in_kernel)
		return call_back_lent(h, entry);
	call_back(h, entry, &r);
	return r;
}

static bool cut_note(struct hascall *h, uint32_t entry, int32_t reason)
{
	int32_t none = 0;

	return __atomic_compare_exchange_n(&h->cut[entry], &none, reason, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

void cut_held(struct hascall *h, uint32_t entry)
{
	(void)cut_note(h, entry, -ECANCELED);
}

/*
 * Lock held. As cut_call(), or CUT_CLAIMED. A held call is claimed by nobody but its
 * chain's executor, who looks at cut[] after the claim; here cut[] is written first and
 * the state is read after it: one side sees the other.
 */
static int cut_locked(struct hascall *h, uint32_t entry, int32_t reason, struct slot_call *ret_call)
{
	struct syscall_info *e = &h->entry[entry];
	int r = slot_claim(e, ret_call);
	uint32_t word;

	if (r == 0) {
		area_unmark_posted(hint_of(h, entry), entry % AREA_HINT_ENTRIES);
		return CUT_CLAIMED;
	}
	word = slot_word(e);
	switch (slot_word_state(word)) {
	case SYSCALL_HASCALL:
	case SYSCALL_EXECUTING:
		break;
	case SYSCALL_NONE: /* the caller has just taken it; its deadline it drops next */
	case SYSCALL_COMPLETED:
		return -EALREADY;
	default:
		return damaged(h);
	}
	if (!(word & SYSCALL_HELD) && !handler_is_ours(h->cut_signal))
		return -EOPNOTSUPP;
	if (!cut_note(h, entry, reason))
		return -EALREADY;
	if (__atomic_load_n(&e->state, __ATOMIC_SEQ_CST) & SYSCALL_HELD)
		return 0;
	r = interrupt(h, entry);
	if (r < 0)
		__atomic_store_n(&h->cut[entry], 0, __ATOMIC_RELAXED);
	return r;
}

static uint64_t link_of(const struct syscall_info *e)
{
	return (uint64_t)__atomic_load_n(&e->ret, __ATOMIC_RELAXED);
}

/*
 * A call that is to run although those before it failed becomes the first of its own
 * chain, for the workers. Those after it have not forgotten the failure.
 */
static void hand_over(struct hascall *h, uint32_t entry, uint64_t link)
{
	for (unsigned int i = 0; i < SYSCALL_CHAIN_MAX && link_next(link); i++) {
		uint32_t next = link_next(link) - 1;

		if (!is_held(h, next))
			break;
		link = link_of(&h->entry[next]);
		if (!(link & SYSCALL_LINK_ALWAYS))
			cut_held(h, next);
	}
	if (slot_unhold(&h->entry[entry]) < 0) {
		damaged(h);
		return;
	}
	area_mark_posted(hint_of(h, entry), entry % AREA_HINT_ENTRIES);
	area_fence();
	pool_look(h, POOL_CALLER);
}

/* The first call of a chain was not begun, and will not be: what becomes of the others. */
static void drop_rest(struct hascall *h, uint64_t link)
{
	for (unsigned int i = 0; i < SYSCALL_CHAIN_MAX && link_next(link); i++) {
		uint32_t entry = link_next(link) - 1;
		struct slot_call call;
		int32_t cut;

		if (!is_held(h, entry)) {
			damaged(h);
			return;
		}
		link = link_of(&h->entry[entry]);
		cut = __atomic_load_n(&h->cut[entry], __ATOMIC_RELAXED);
		if (!cut && (link & SYSCALL_LINK_ALWAYS) && !link_takes_results(link)) {
			hand_over(h, entry, link);
			return;
		}
		if (slot_claim_held(&h->entry[entry], &call) < 0) {
			damaged(h);
			return;
		}
		pool_finish(h, entry, cut ? cut : -ECANCELED);
	}
}

/* A call that was claimed instead of begun. No lock: others are told of it. */
static void finish_claimed(struct hascall *h, uint32_t entry, int32_t reason,
			   const struct slot_call *call)
{
	pool_finish(h, entry, reason);
	if (call->linked)
		drop_rest(h, call->link);
}

int cut_call(struct hascall *h, uint32_t entry, int32_t reason)
{
	struct slot_call call;
	int r;

	pthread_mutex_lock(&h->lock);
	r = cut_locked(h, entry, reason, &call);
	pthread_mutex_unlock(&h->lock);
	if (r != CUT_CLAIMED)
		return r;
	finish_claimed(h, entry, reason, &call);
	return 0;
}

bool deadline_set(struct hascall *h, uint32_t entry, int64_t deadline)
{
	h->deadline[entry] = deadline;
	if (deadline >= h->next_deadline)
		return false;
	__atomic_store_n(&h->next_deadline, deadline, __ATOMIC_RELAXED);
	return true;
}

/* The watcher may wake for it all the same: cheaper than telling it. */
void deadline_drop(struct hascall *h, uint32_t entry)
{
	pthread_mutex_lock(&h->lock);
	h->deadline[entry] = INT64_MAX;
	pthread_mutex_unlock(&h->lock);
}

/*
 * One round: some of those that are over; notes the next deadline. While the lock is
 * held, a call with a deadline keeps its entry: deadline_drop() comes first.
 */
static void meet_some(struct hascall *h)
{
	struct slot_call call[DEADLINES_AT_ONCE];
	uint32_t claimed[DEADLINES_AT_ONCE];
	int64_t next = INT64_MAX;
	int64_t now = now_ns();
	unsigned int count = 0;

	pthread_mutex_lock(&h->lock);
	for (uint32_t i = 0; i < h->entry_count && count < DEADLINES_AT_ONCE; i++) {
		if (h->deadline[i] <= now) {
			int r = cut_locked(h, i, -ETIMEDOUT, &call[count]);

			h->deadline[i] = r == -EAGAIN ? now + RETRY_NS : INT64_MAX;
			if (r == CUT_CLAIMED)
				claimed[count++] = i;
		}
		if (h->deadline[i] < next)
			next = h->deadline[i];
	}
	if (count == DEADLINES_AT_ONCE)
		next = now;
	__atomic_store_n(&h->next_deadline, next, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&h->lock);
	for (unsigned int i = 0; i < count; i++)
		finish_claimed(h, claimed[i], -ETIMEDOUT, &call[i]);
}

int64_t deadlines_meet(struct hascall *h)
{
	int64_t left;

	for (;;) {
		int64_t next = __atomic_load_n(&h->next_deadline, __ATOMIC_RELAXED);

		if (next == INT64_MAX)
			return FOREVER;
		left = next - now_ns();
		if (left > 0)
			return left;
		meet_some(h);
	}
}

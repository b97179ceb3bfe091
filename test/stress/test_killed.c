/*
 * test_killed.c - an array shared by processes, one of which is killed at any moment:
 * the others go on, no call of theirs is lost, and none is executed twice.
 *
 * An entry that was EXECUTING when its executor died stays so: nobody can know
 * whether the call was made. Its owner takes the entry back when it knows of the death.
 */
#include "slot/slot.h"
#include "test/harness.h"
#include "test/stress/stress.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 24
#define OWN (ENTRIES / 2) /* entries of one poster */
#define CHAIN 3
#define EXECUTORS 2
#define CALLS 2000000
#define NO_NUMBER UINT32_MAX /* a call that is not in the journal */

/* What is known of a call. */
enum fate {
	FATE_NONE,  /* not posted, or known not to be executed */
	FATE_MAYBE, /* posted; its result was not seen */
	FATE_EXECUTED,
};

struct shared {
	struct syscall_info entry[ENTRIES];
	uint32_t number; /* of the next call */
	uint32_t ready;
	uint8_t fate[CALLS];
};

struct poster {
	struct shared *s;
	struct journal *journal;
	uint32_t first; /* its part of the entries */
	uint64_t random;
	uint32_t number[OWN];
	bool used[OWN];
	uint32_t chain[OWN]; /* calls that follow in the same chain */
	uint64_t taken;
};

static uint32_t next_number(struct shared *s)
{
	uint32_t number = __atomic_fetch_add(&s->number, 1, __ATOMIC_RELAXED);

	CHECK(number < CALLS);
	return number;
}

/* At the head of a chain: makes it likely that an executor is met in the midst of it. */
static const struct timespec short_sleep = { .tv_nsec = 100000 };

static void post_sleep(struct poster *p, uint32_t at, uint64_t link)
{
	p->number[at] = NO_NUMBER;
	p->used[at] = true;
	entry_post(&p->s->entry[p->first + at], SYS_nanosleep,
		   (uint64_t[6]){ (uintptr_t)&short_sleep }, SYSCALL_LINKED, link);
}

static void post_one(struct poster *p, uint32_t at, uint32_t bits, uint64_t link)
{
	uint32_t number = next_number(p->s);
	uint64_t arg[6];

	journal_call(p->journal, number, arg);
	p->number[at] = number;
	p->used[at] = true;
	__atomic_store_n(&p->s->fate[number], FATE_MAYBE, __ATOMIC_SEQ_CST);
	entry_post(&p->s->entry[p->first + at], SYS_write, arg, bits, link);
}

/* A single call into a free entry, or a chain into three in a row. */
static void post_some(struct poster *p)
{
	uint32_t at = stress_below(&p->random, OWN - CHAIN + 1);

	if (p->used[at])
		return;
	if (p->used[at + 1] || p->used[at + 2] || stress_chance(&p->random, 2)) {
		p->chain[at] = 0;
		post_one(p, at, 0, 0);
		return;
	}
	for (uint32_t i = CHAIN; i-- > 0;) {
		uint64_t link = i + 1 < CHAIN ? SYSCALL_LINK_NEXT(p->first + at + i + 1) : 0;

		p->chain[at + i] = CHAIN - 1 - i;
		if (i == 0 && stress_chance(&p->random, 2))
			post_sleep(p, at, link);
		else
			post_one(p, at + i, SYSCALL_LINKED | (i > 0 ? SYSCALL_HELD : 0), link);
	}
}

static void settle(struct poster *p, uint32_t at, enum fate fate)
{
	if (p->number[at] != NO_NUMBER)
		__atomic_store_n(&p->s->fate[p->number[at]], (uint8_t)fate, __ATOMIC_SEQ_CST);
	p->used[at] = false;
}

static void take_some(struct poster *p, int64_t timeout_ns)
{
	for (uint32_t i = 0; i < OWN; i++) {
		int64_t ret;

		if (!p->used[i])
			continue;
		if (entry_wait(&p->s->entry[p->first + i], timeout_ns, &ret) < 0)
			continue;
		CHECK_INT(ret, p->number[i] == NO_NUMBER ? 0 : JOURNAL_RESULT);
		settle(p, i, FATE_EXECUTED);
		p->taken++;
	}
}

static void drive(struct poster *p)
{
	post_some(p);
	if (stress_chance(&p->random, 4))
		take_some(p, stress_chance(&p->random, 8) ? 100000 : 0);
}

static pid_t executor_start(struct shared *s)
{
	pid_t pid = fork();
	struct executors executors;

	CHECK(pid >= 0);
	if (pid > 0)
		return pid;
	executors_start(&executors, async_syscall_init(s->entry, ENTRIES, 0), EXECUTORS);
	__atomic_store_n(&s->ready, 1, __ATOMIC_RELAXED);
	executors_join(&executors, 0);
	_exit(0);
}

static void process_kill(pid_t pid)
{
	int status;

	CHECK_INT(kill(pid, SIGKILL), 0);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* END into one free entry; the executor leaves with 0. */
static void executor_end(struct shared *s, pid_t pid)
{
	int status;

	CHECK_INT(slot_end(&s->entry[0]), 0);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 0);
}

static void check_fates(const struct shared *s, const struct journal *journal)
{
	uint8_t *seen = journal_read(journal);
	unsigned int unknown = 0;

	for (uint32_t i = 0; i < s->number; i++) {
		unknown += s->fate[i] == FATE_MAYBE;
		if (s->fate[i] == FATE_MAYBE ? seen[i] > 1 : seen[i] != (s->fate[i] != FATE_NONE))
			test_fail(__FILE__, __LINE__, "call %u: fate %d, executed %u times", i,
				  (int)s->fate[i], seen[i]);
	}
	fprintf(stderr, "# %u calls, %u of unknown fate\n", s->number, unknown);
	free(seen);
}

/*
 * The entries of a poster that is dead, taken over: what runs will complete, what waits
 * is taken back, and so is what waits for a chain to come by.
 */
static void take_over(struct shared *s, uint32_t first)
{
	for (uint32_t i = first; i < first + OWN; i++) {
		int64_t ret;

		if (entry_state(&s->entry[i]) == SYSCALL_NONE || entry_recall(&s->entry[i]))
			continue;
		CHECK_INT(entry_wait(&s->entry[i], -1, &ret), 0);
	}
}

static void killed_poster_harms_no_other(void)
{
	const unsigned int rounds = STRESS_COUNT(1000, 100);
	struct shared *s = stress_share(sizeof(*s));
	struct journal journal;
	struct poster own = { .s = s, .journal = &journal };
	pid_t executor;

	own.random = stress_seed();
	journal_open(&journal, CALLS);
	executor = executor_start(s);
	for (unsigned int round = 0; round < rounds; round++) {
		uint64_t moment = stress_next(&own.random) | 1;
		int64_t end = stress_now_ns() + stress_below(&own.random, 4000000);
		struct poster victim = { .s = s, .journal = &journal, .first = OWN };
		pid_t pid = fork();

		CHECK(pid >= 0);
		victim.random = moment;
		while (pid == 0)
			drive(&victim);
		while (stress_now_ns() < end || own.taken <= round)
			drive(&own); /* it is served, one call a round at least */
		process_kill(pid);
		take_over(s, OWN);
	}
	take_some(&own, -1);
	executor_end(s, executor);
	check_fates(s, &journal);
	journal_close(&journal);
}

/* The executors are dead: what they were at is lost, and the rest of its chain with it. */
static unsigned int bury(struct poster *p)
{
	unsigned int lost = 0;

	for (uint32_t i = 0; i < OWN; i++) {
		struct syscall_info *e = &p->s->entry[p->first + i];
		uint32_t word = __atomic_load_n(&e->state, __ATOMIC_ACQUIRE);

		if (!p->used[i])
			continue;
		if ((word & SYSCALL_STATE_MASK) == SYSCALL_EXECUTING) {
			__atomic_store_n(&e->state, SYSCALL_NONE, __ATOMIC_RELEASE);
			p->used[i] = false; /* FATE_MAYBE */
			lost++;
		}
	}
	return lost;
}

/* Held calls to which no executor will come: the one before in the chain is gone. */
static void bury_held(struct poster *p)
{
	for (uint32_t i = 1; i < OWN; i++) {
		struct syscall_info *e = &p->s->entry[p->first + i];

		if (!p->used[i] || !(__atomic_load_n(&e->state, __ATOMIC_ACQUIRE) & SYSCALL_HELD))
			continue;
		if (p->used[i - 1] && p->chain[i - 1] == p->chain[i] + 1 &&
		    entry_state(e - 1) == SYSCALL_HASCALL)
			continue;
		CHECK(entry_recall(e));
		settle(p, i, FATE_NONE);
	}
}

static void killed_executor_is_replaced(void)
{
	const unsigned int rounds = STRESS_COUNT(1000, 100);
	struct shared *s = stress_share(sizeof(*s));
	struct journal journal;
	struct poster own = { .s = s, .journal = &journal };
	unsigned int lost = 0;
	pid_t last;

	own.random = stress_seed();
	journal_open(&journal, CALLS);
	for (unsigned int round = 0; round < rounds; round++) {
		pid_t pid;
		int64_t end;

		s->ready = 0;
		pid = executor_start(s);
		while (!__atomic_load_n(&s->ready, __ATOMIC_RELAXED))
			drive(&own);
		end = stress_now_ns() + stress_below(&own.random, 2000000);
		while (stress_now_ns() < end || own.taken < round / 2)
			drive(&own);
		process_kill(pid);
		take_some(&own, 0);
		lost += bury(&own);
		bury_held(&own);
	}
	fprintf(stderr, "# %u calls were running when their executor died\n", lost);
	last = executor_start(s);
	take_some(&own, -1);
	executor_end(s, last);
	check_fates(s, &journal);
	journal_close(&journal);
}

/* The wait for a dead executor's call ends by its time limit only, and others are served. */
static void call_of_a_dead_executor_stays_executing(void)
{
	struct shared *s = stress_share(sizeof(*s));
	int64_t ret = 0;
	pid_t pid = executor_start(s);
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	entry_post(&s->entry[3], SYS_poll, (uint64_t[6]){ 0, 0, UINT64_MAX }, SYSCALL_LINKED,
		   SYSCALL_LINK_NEXT(4));
	CHECK_INT(entry_wait(&s->entry[3], 2 * NS_PER_MS, &ret), -ETIMEDOUT);
	while (entry_state(&s->entry[3]) == SYSCALL_HASCALL)
		stress_sleep_us(100);
	process_kill(pid);
	CHECK_INT(entry_wait(&s->entry[3], 2 * NS_PER_MS, &ret), -ETIMEDOUT);
	CHECK_INT(entry_state(&s->entry[3]), SYSCALL_EXECUTING);
	pid = executor_start(s);
	for (unsigned int i = 4; i < ENTRIES; i++)
		entry_post(&s->entry[i], SYS_getpid, (uint64_t[6]){ 0 }, 0, 0);
	for (unsigned int i = 4; i < ENTRIES; i++) {
		CHECK_INT(entry_wait(&s->entry[i], -1, &ret), 0);
		CHECK_INT(ret, pid);
	}
	CHECK_INT(entry_state(&s->entry[3]), SYSCALL_EXECUTING);
	executor_end(s, pid);
	close(fds[0]);
	close(fds[1]);
}

static const struct test tests[] = {
	TEST_LONG(killed_poster_harms_no_other, 40),
	TEST_LONG(killed_executor_is_replaced, 40),
	TEST(call_of_a_dead_executor_stays_executing),
};
TEST_MAIN(tests)

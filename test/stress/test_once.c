/*
 * test_once.c - the protocol's own level under load: whatever posters, executors and
 * recalls do at the same time, each call is executed once or, recalled, never, and
 * each result is the one its chain says.
 *
 * Every call appends its own number to a file: what was executed is counted there.
 */
#include "slot/slot.h"
#include "test/harness.h"
#include "test/stress/stress.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POSTERS 4
#define EXECUTORS 3
#define OWN 16 /* entries of one poster */
#define CHAIN_LONGEST 6

struct posted {
	bool used;
	uint32_t chain; /* calls of the chain that begins here, often 1; 0: inside a chain */
	uint32_t next;	/* the entry that follows in the chain */
	uint32_t number;
	int64_t wanted;
};

struct poster {
	pthread_t thread;
	struct syscall_info *entry; /* its own part of the array */
	uint32_t first;		    /* place of that part in the array */
	int area;
	bool rings;
	uint32_t number, last; /* of its calls: from, to (not included) */
	uint64_t random;
	const struct journal *journal;
	uint8_t *executed; /* by number: how often it must be found */
	struct posted posted[OWN];
	uint32_t used;
};

/* Up to `wanted` free entries. */
static uint32_t find_free(const struct poster *p, uint32_t wanted, uint32_t found[])
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < OWN && count < wanted; i++)
		if (!p->posted[i].used)
			found[count++] = i;
	return count;
}

/*
 * Decide what the calls of a chain are and what each must give: link words in link[],
 * whether it is one that fails in fails[].
 */
static void plan_chain(struct poster *p, const uint32_t at[], uint32_t count, uint64_t link[],
		       bool fails[])
{
	bool broken = false;

	for (uint32_t i = 0; i < count; i++) {
		struct posted *call = &p->posted[at[i]];
		bool always = i > 0 && stress_chance(&p->random, 5);
		uint32_t from = i > 0 && stress_chance(&p->random, 3)
					? 1 + stress_below(&p->random, i)
					: 0;
		bool cancelled = (broken && !always) ||
				 (from && p->posted[at[i - from]].wanted < 0);

		fails[i] = stress_chance(&p->random, 8);
		link[i] = i + 1 < count ? SYSCALL_LINK_NEXT(p->first + at[i + 1]) : 0;
		link[i] |= (always ? SYSCALL_LINK_ALWAYS : 0) | SYSCALL_LINK_FROM(2, from);
		call->used = true;
		call->chain = i == 0 ? count : 0;
		call->next = i + 1 < count ? at[i + 1] : OWN;
		call->number = p->number++;
		call->wanted = cancelled ? -ECANCELED : fails[i] ? -EBADF : JOURNAL_RESULT;
		p->executed[call->number] = call->wanted == JOURNAL_RESULT;
		broken = broken || call->wanted < 0;
	}
	p->used += count;
}

static void post(struct poster *p, uint32_t wanted)
{
	uint32_t at[CHAIN_LONGEST];
	uint64_t link[CHAIN_LONGEST];
	bool fails[CHAIN_LONGEST];
	uint32_t count = find_free(p, wanted, at);

	if (count == 0 || p->number + count > p->last)
		return;
	plan_chain(p, at, count, link, fails);
	for (uint32_t i = count; i-- > 0;) { /* the first comes last */
		uint64_t arg[6];
		uint32_t bits = count == 1 ? 0 : SYSCALL_LINKED | (i > 0 ? SYSCALL_HELD : 0);

		journal_call(p->journal, p->posted[at[i]].number, arg);
		if (link[i] >> 24)
			arg[2] = 3; /* the result of an earlier one replaces it by 8 */
		if (fails[i])
			arg[0] = UINT64_MAX;
		entry_post(&p->entry[at[i]], SYS_write, arg, bits, link[i]);
	}
	/* This once: no later ring shall hide that an executor missed it. */
	if (p->rings)
		CHECK_INT(async_syscall_ring(p->area, count), 0);
}

static void taken(struct poster *p, uint32_t at, int64_t ret)
{
	CHECK_INT(ret, p->posted[at].wanted);
	p->posted[at].used = false;
	p->used--;
}

/* The first of a chain is recalled: nobody will come to the others. */
static void recall(struct poster *p, uint32_t at)
{
	if (!p->posted[at].used || !p->posted[at].chain || !entry_recall(&p->entry[at]))
		return;
	for (uint32_t i = at; i < OWN; i = p->posted[i].next) {
		CHECK(i == at || entry_recall(&p->entry[i]));
		p->executed[p->posted[i].number] = 0;
		p->posted[i].used = false;
		p->used--;
	}
}

static void take_what_is_there(struct poster *p)
{
	for (uint32_t i = 0; i < OWN; i++) {
		uint32_t flags;
		int64_t ret;
		int r;

		if (!p->posted[i].used)
			continue;
		r = slot_take(&p->entry[i], &ret, &flags);
		if (r == 0)
			taken(p, i, ret);
		else
			CHECK_INT(r, -EAGAIN);
	}
}

static void wait_for(struct poster *p, uint32_t at)
{
	int64_t ret;

	if (!p->posted[at].used)
		return;
	CHECK_INT(entry_wait(&p->entry[at], -1, &ret), 0);
	taken(p, at, ret);
}

static void *post_all(void *arg)
{
	struct poster *p = arg;

	while (p->number + CHAIN_LONGEST <= p->last || p->used > 0) {
		uint32_t at = stress_below(&p->random, OWN);

		if (p->number + CHAIN_LONGEST > p->last) {
			wait_for(p, at);
			continue;
		}
		switch (stress_below(&p->random, 16)) {
		case 0:
			wait_for(p, at);
			break;
		case 1:
		case 2:
			recall(p, at);
			break;
		case 3:
		case 4:
		case 5:
			take_what_is_there(p);
			break;
		case 6:
		case 7:
			post(p, 2 + stress_below(&p->random, CHAIN_LONGEST - 1));
			break;
		default:
			post(p, 1);
			break;
		}
		if (p->used == OWN)
			wait_for(p, at);
	}
	return NULL;
}

static void poster_start(struct poster *p, uint32_t index, uint32_t calls, uint64_t *random)
{
	p->first = index * OWN;
	p->entry += p->first;
	p->number = index * calls;
	p->last = p->number + calls;
	p->random = stress_next(random) | 1;
	CHECK_INT(pthread_create(&p->thread, NULL, post_all, p), 0);
}

static void every_call_once(uint32_t flags, uint32_t calls)
{
	static struct syscall_info array[POSTERS * OWN];
	static struct poster poster[POSTERS];
	uint8_t *wanted = calloc(POSTERS, calls);
	struct census before = census_take();
	uint64_t random = stress_seed();
	struct executors executors;
	struct journal journal;
	uint8_t *seen;
	int area = async_syscall_init(array, POSTERS * OWN, flags);

	CHECK(wanted);
	journal_open(&journal, POSTERS * calls);
	executors_start(&executors, area, EXECUTORS);
	for (uint32_t i = 0; i < POSTERS; i++) {
		poster[i] = (struct poster){ .entry = array,
					     .area = area,
					     .rings = flags != 0,
					     .journal = &journal,
					     .executed = wanted };
		poster_start(&poster[i], i, calls, &random);
	}
	for (uint32_t i = 0; i < POSTERS; i++)
		CHECK_INT(pthread_join(poster[i].thread, NULL), 0);
	CHECK_INT(slot_end(&array[stress_below(&random, POSTERS * OWN)]), 0);
	CHECK_INT(async_syscall_ring(area, EXECUTORS), 0);
	executors_join(&executors, 0);
	CHECK_INT(async_syscall_exit(area), 0);
	seen = journal_read(&journal);
	for (uint32_t i = 0; i < POSTERS * calls; i++)
		if (seen[i] != wanted[i])
			test_fail(__FILE__, __LINE__, "call %u was executed %u times, wanted %u", i,
				  seen[i], wanted[i]);
	free(seen);
	free(wanted);
	journal_close(&journal);
	census_check(&before);
}

static void each_call_is_executed_once_with_rings(void)
{
	every_call_once(ASYNC_SYSCALL_RINGS, STRESS_COUNT(500000, 200000));
}

static void each_call_is_executed_once_without_rings(void)
{
	every_call_once(0, STRESS_COUNT(100000, 30000));
}

/*
 * END goes into one entry while the others are posted and claimed: a call is either
 * executed once and completed, or still there to be recalled.
 */
static void end_at_any_moment_loses_no_call(void)
{
	enum { ENTRIES = 8 };
	const uint32_t rounds = STRESS_COUNT(3000, 300);
	static struct syscall_info array[ENTRIES];
	uint64_t random = stress_seed();
	struct journal journal;
	uint32_t number = 0;
	uint8_t *seen;
	uint8_t *wanted = calloc(rounds, ENTRIES);

	CHECK(wanted);
	journal_open(&journal, rounds * ENTRIES);
	for (uint32_t round = 0; round < rounds; round++) {
		int area = async_syscall_init(array, ENTRIES, ASYNC_SYSCALL_RINGS);
		uint32_t end = stress_below(&random, ENTRIES);
		struct executors executors;
		uint64_t arg[6];

		executors_start(&executors, area, 2);
		for (uint32_t i = 0; i < ENTRIES; i++) {
			journal_call(&journal, number + i, arg);
			if (i == end)
				CHECK_INT(slot_end(&array[i]), 0);
			else
				entry_post(&array[i], SYS_write, arg, 0, 0);
			CHECK_INT(async_syscall_ring(area, 2), 0);
		}
		executors_join(&executors, 0);
		for (uint32_t i = 0; i < ENTRIES; i++, number++) {
			int64_t ret = 0;

			if (i == end || entry_recall(&array[i]))
				continue;
			CHECK_INT(entry_wait(&array[i], 0, &ret), 0);
			CHECK_INT(ret, JOURNAL_RESULT);
			wanted[number] = 1;
		}
		__atomic_store_n(&array[end].state, SYSCALL_NONE, __ATOMIC_RELAXED);
		CHECK_INT(async_syscall_exit(area), 0);
	}
	seen = journal_read(&journal);
	for (uint32_t i = 0; i < number; i++)
		CHECK_INT(seen[i], wanted[i]);
	free(seen);
	free(wanted);
	journal_close(&journal);
}

static const struct test tests[] = {
	TEST_LONG(each_call_is_executed_once_with_rings, 60),
	TEST_LONG(each_call_is_executed_once_without_rings, 60),
	TEST_LONG(end_at_any_moment_loses_no_call, 30),
};
TEST_MAIN(tests)

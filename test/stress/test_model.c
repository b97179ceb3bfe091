/*
 * test_model.c - the comfortable level against a model: threads use areas at random in
 * every way hascall.h offers, and every answer must be one that the model allows.
 *
 * The model is a list of the calls in flight. Of each it knows what was asked for
 * (chain, group, time limit, cancelling), so it knows which results may come; those
 * of a chain are judged together. What was executed is counted in a journal.
 */
#include "test/harness.h"
#include "test/stress/stress.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALLS 64 /* of one area */
#define GROUPS 4
#define THREADS 3

enum kind { KIND_NUMBER, KIND_SLEEP, KIND_BLOCK, KIND_FAIL, KIND_REFUSED, KIND_UNKNOWN };

enum call_state {
	CALL_FREE,
	CALL_IN_FLIGHT,
	CALL_DELIVERED /* kept until the whole chain is */
};

struct call {
	enum call_state state;
	enum kind kind;
	bool always;
	bool asked;	    /* to be cancelled, for certain */
	bool perhaps_asked; /* by hascall_cancel_all() */
	bool limited;
	uint8_t from;
	uint8_t place, length; /* in its chain */
	uint32_t first;	       /* call[] of the first of its chain */
	uint32_t group;
	uint32_t number; /* in the journal */
	uint64_t ticket;
	int64_t result;
};

struct model {
	pthread_mutex_t lock; /* of a shared area */
	struct hascall *h;
	struct hascall_options options;
	bool helps;
	uint64_t random;
	struct journal *journal;
	uint32_t number, last;
	uint8_t *executed; /* 0, 1, or MAYBE */
	uint32_t entries;
	uint32_t in_flight;
	struct call call[CALLS];
};

#define MAYBE 2

static const struct timespec short_sleep = { .tv_nsec = 50000 };

/* Places in call[] for `wanted` calls in a row; CALLS if there are none. */
static uint32_t find_places(const struct model *m, uint32_t wanted)
{
	for (uint32_t i = 0, count = 0; i < CALLS; i++) {
		count = m->call[i].state == CALL_FREE ? count + 1 : 0;
		if (count == wanted)
			return i + 1 - wanted;
	}
	return CALLS;
}

static enum kind random_kind(uint64_t *random)
{
	static const enum kind seldom[] = { KIND_SLEEP, KIND_SLEEP,   KIND_BLOCK,
					    KIND_FAIL,	KIND_REFUSED, KIND_UNKNOWN };

	if (!stress_chance(random, 6))
		return KIND_NUMBER;
	return seldom[stress_below(random, ARRAY_COUNT(seldom))];
}

/* What the library is asked to do, and what the model remembers of it. */
static void make_call(struct model *m, uint32_t at, struct hascall_call *ret_call)
{
	struct call *c = &m->call[at];

	*ret_call = (struct hascall_call){ .user_data = at, .num = SYS_write };
	*c = (struct call){ .kind = random_kind(&m->random), .first = at, .length = 1 };
	c->number = m->number++;
	journal_call(m->journal, c->number, ret_call->arg);
	switch (c->kind) {
	case KIND_NUMBER:
		break;
	case KIND_SLEEP:
		ret_call->num = SYS_nanosleep;
		ret_call->arg[0] = (uintptr_t)&short_sleep;
		ret_call->arg[1] = 0;
		break;
	case KIND_BLOCK: /* no files, no end: only the time limit or cancelling ends it */
		ret_call->num = SYS_poll;
		ret_call->arg[0] = ret_call->arg[1] = 0;
		ret_call->arg[2] = UINT64_MAX;
		break;
	case KIND_FAIL:
		ret_call->arg[0] = UINT64_MAX;
		break;
	case KIND_REFUSED:
		ret_call->num = SYS_fork;
		break;
	case KIND_UNKNOWN:
		ret_call->num = 5000;
		break;
	}
}

static int64_t result_if_begun(enum kind kind)
{
	switch (kind) {
	case KIND_NUMBER:
		return JOURNAL_RESULT;
	case KIND_SLEEP:
		return 0;
	case KIND_BLOCK:
		return 1; /* never */
	case KIND_FAIL:
		return -EBADF;
	case KIND_REFUSED:
		return -EOPNOTSUPP;
	case KIND_UNKNOWN:
		return -ENOSYS;
	}
	return 1;
}

static void fail_call(const struct model *m, const struct call *c, const char *what)
{
	fprintf(stderr, "# chain of %u:", c->length);
	for (uint32_t i = 0; i < c->length; i++) {
		const struct call *k = &m->call[c->first + i];

		fprintf(stderr, " kind %d%s%s%s from %u: %" PRId64 ";", (int)k->kind,
			k->always ? " always" : "",
			k->asked || k->perhaps_asked ? " cancelled" : "",
			k->limited ? " limited" : "", k->from, k->result);
	}
	fprintf(stderr, "\n");
	test_fail(__FILE__, __LINE__, "place %u: %s", c->place, what);
}

/* All results of a chain are there: is each one that may be? */
static void judge_chain(struct model *m, uint32_t first)
{
	uint32_t length = m->call[first].length;
	bool broken = false;

	for (uint32_t i = 0; i < length; i++) {
		struct call *c = &m->call[first + i];
		bool skipped = (broken && !c->always) ||
			       (c->from && m->call[first + i - c->from].result < 0);
		bool fine = c->result == (skipped ? -ECANCELED : result_if_begun(c->kind)) ||
			    (c->result == -ECANCELED && (c->asked || c->perhaps_asked)) ||
			    (c->result == -ETIMEDOUT && c->limited);

		if (!fine)
			fail_call(m, c, "an impossible result");
		m->executed[c->number] = c->result == JOURNAL_RESULT && c->kind == KIND_NUMBER;
		broken = broken || c->result < 0;
	}
	for (uint32_t i = 0; i < length; i++)
		m->call[first + i].state = CALL_FREE;
}

static void delivered(struct model *m, uint32_t at, int64_t result)
{
	struct call *c = &m->call[at];

	CHECK_INT(c->state, CALL_IN_FLIGHT);
	c->state = CALL_DELIVERED;
	c->result = result;
	m->in_flight--;
	for (uint32_t i = 0; i < c->length; i++)
		if (m->call[c->first + i].state != CALL_DELIVERED)
			return;
	judge_chain(m, c->first);
}

static void on_result(void *ctx, uint64_t user_data, int64_t ret)
{
	CHECK(user_data < CALLS);
	delivered(ctx, (uint32_t)user_data, ret);
}

static void do_post(struct model *m)
{
	uint32_t at = find_places(m, 1);
	struct hascall_call call;
	uint32_t flags = stress_chance(&m->random, 3) ? HASCALL_MORE : 0;
	int r;

	if (at == CALLS)
		return;
	make_call(m, at, &call);
	if (m->call[at].kind == KIND_BLOCK)
		return; /* it needs a time limit */
	r = hascall_post(m->h, call.num, call.arg, at, flags, &m->call[at].ticket);
	if (m->in_flight == m->entries) {
		CHECK_INT(r, -EAGAIN);
		return;
	}
	CHECK_INT(r, 0);
	m->call[at].state = CALL_IN_FLIGHT;
	m->in_flight++;
}

/* A call of a batch: how it is chained to those before it. */
static void chain_call(struct model *m, uint32_t at, uint32_t first, struct hascall_call *call)
{
	struct call *c = &m->call[at];

	c->first = first;
	c->place = (uint8_t)(at - first);
	c->group = stress_below(&m->random, GROUPS);
	call->group = c->group;
	if (c->place > 0 && stress_chance(&m->random, 5)) {
		c->always = true;
		call->flags |= HASCALL_ALWAYS;
	}
	if (c->place > 0 && c->kind == KIND_NUMBER && stress_chance(&m->random, 3)) {
		uint8_t from = (uint8_t)(1 + stress_below(&m->random, c->place));

		if (m->call[at - from].kind == KIND_NUMBER) {
			c->from = from; /* its result is the size of this one's write */
			call->from[2] = from;
			call->arg[2] = 3;
		}
	}
	if (c->kind == KIND_BLOCK || stress_chance(&m->random, 12)) {
		c->limited = true;
		call->timeout_ns = 1 + stress_below(&m->random, 3000000);
	}
}

static void do_submit(struct model *m)
{
	struct hascall_call calls[8];
	uint64_t tickets[8];
	uint32_t count = 1 + stress_below(&m->random, ARRAY_COUNT(calls));
	uint32_t at = find_places(m, count);
	int r;

	if (at == CALLS)
		return;
	for (uint32_t i = 0, first = at; i < count; i++) {
		bool last = i + 1 == count || stress_chance(&m->random, 3);

		make_call(m, at + i, &calls[i]);
		chain_call(m, at + i, first, &calls[i]);
		if (!last) {
			calls[i].flags |= HASCALL_CHAIN;
			continue;
		}
		for (uint32_t k = first; k <= at + i; k++)
			m->call[k].length = (uint8_t)(at + i + 1 - first);
		first = at + i + 1;
	}
	r = hascall_submit(m->h, calls, count, stress_chance(&m->random, 3) ? HASCALL_MORE : 0,
			   tickets);
	if (m->in_flight + count > m->entries) {
		CHECK_INT(r, -EAGAIN);
		return;
	}
	CHECK_INT(r, 0);
	for (uint32_t i = 0; i < count; i++) {
		m->call[at + i].state = CALL_IN_FLIGHT;
		m->call[at + i].ticket = tickets[i];
	}
	m->in_flight += count;
}

/* A call in flight, or at times any: then its ticket may be an old one. */
static uint32_t random_call(struct model *m)
{
	uint32_t at = stress_below(&m->random, CALLS);

	if (stress_chance(&m->random, 8))
		return at;
	for (uint32_t i = 0; i < CALLS; i++, at = (at + 1) % CALLS)
		if (m->call[at].state == CALL_IN_FLIGHT)
			break;
	return at;
}

/* For ever, or not longer than `most`. */
static int64_t random_timeout(struct model *m, uint32_t most_ns)
{
	return stress_chance(&m->random, 2) ? INT64_C(-1) : stress_below(&m->random, most_ns);
}

static void do_poll(struct model *m)
{
	uint32_t at = random_call(m);
	struct call *c = &m->call[at];
	int64_t ret = 0;
	int r = hascall_poll(m->h, c->ticket, &ret);

	if (c->state != CALL_IN_FLIGHT)
		CHECK_INT(r, -ENOENT);
	else if (r == 0)
		delivered(m, at, ret);
	else
		CHECK_INT(r, -EAGAIN);
}

static void do_wait(struct model *m)
{
	uint32_t at = random_call(m);
	struct call *c = &m->call[at];
	bool helps = m->helps && c->kind != KIND_BLOCK && stress_chance(&m->random, 2);
	int64_t timeout = random_timeout(m, 2000000);
	int64_t ret = 0;
	int r = hascall_wait(m->h, c->ticket, timeout, helps ? HASCALL_HELP : 0, &ret);

	if (c->state != CALL_IN_FLIGHT)
		CHECK_INT(r, -ENOENT);
	else if (r == 0)
		delivered(m, at, ret);
	else
		CHECK(r == -ETIMEDOUT && timeout >= 0);
}

static void reap(struct model *m, bool must_find)
{
	uint32_t before = m->in_flight;
	int count = hascall_reap(m->h, on_result, m);

	CHECK_INT(count, before - m->in_flight);
	CHECK(count > 0 || !must_find);
}

/* The way of an event loop. */
static void wait_by_eventfd(struct model *m)
{
	struct pollfd p = { .fd = m->options.eventfd, .events = POLLIN };
	uint32_t before = m->in_flight;

	hascall_kick(m->h);
	while (m->in_flight == before && m->in_flight > 0) {
		CHECK_INT(poll(&p, 1, -1), 1);
		reap(m, false);
	}
}

static void do_wait_any(struct model *m)
{
	uint32_t flags = m->helps && stress_chance(&m->random, 2) ? HASCALL_HELP : 0;
	int64_t timeout = random_timeout(m, 2000000);
	int r;

	if ((m->options.flags & HASCALL_USE_EVENTFD) && stress_chance(&m->random, 2)) {
		wait_by_eventfd(m);
		return;
	}
	r = hascall_wait_any(m->h, timeout, flags);
	if (m->in_flight == 0)
		CHECK_INT(r, -ENOENT);
	else if (r == 0)
		reap(m, true);
	else
		CHECK(r == -ETIMEDOUT && timeout >= 0);
}

static void do_wait_all(struct model *m)
{
	uint32_t flags = m->helps && stress_chance(&m->random, 2) ? HASCALL_HELP : 0;
	int64_t timeout = random_timeout(m, 4000000);
	uint32_t group = stress_chance(&m->random, 3) ? HASCALL_ALL_GROUPS
						      : stress_below(&m->random, GROUPS + 1);
	int r = hascall_wait_all(m->h, group, timeout, flags);

	if (r != 0) {
		CHECK(r == -ETIMEDOUT && timeout >= 0);
		return;
	}
	for (uint32_t at = 0; at < CALLS; at++) {
		int64_t ret = 0;

		if (m->call[at].state != CALL_IN_FLIGHT ||
		    (group != HASCALL_ALL_GROUPS && m->call[at].group != group))
			continue;
		CHECK_INT(hascall_poll(m->h, m->call[at].ticket, &ret), 0);
		delivered(m, at, ret);
	}
}

static void do_recall(struct model *m)
{
	struct call *c = &m->call[random_call(m)];
	int r = hascall_recall(m->h, c->ticket);

	if (c->state != CALL_IN_FLIGHT) {
		CHECK_INT(r, -ENOENT);
		return;
	}
	if (r != 0) {
		CHECK_INT(r, -EAGAIN);
		return;
	}
	CHECK_INT(c->place, 0);
	CHECK(!c->asked); /* the result of a cancelled call comes */
	for (uint32_t i = 0; i < c->length; i++) {
		CHECK_INT(c[i].state, CALL_IN_FLIGHT);
		CHECK_INT(hascall_recall(m->h, c[i].ticket), -ENOENT);
		c[i].state = CALL_FREE;
		m->in_flight--;
	}
}

static void do_cancel(struct model *m)
{
	struct call *c = &m->call[random_call(m)];
	int r = hascall_cancel(m->h, c->ticket);

	if (c->state != CALL_IN_FLIGHT)
		CHECK_INT(r, -ENOENT);
	else if (r != 0 || c->asked)
		CHECK_INT(r, -EALREADY);
	c->asked = c->asked || r == 0;
}

static void do_cancel_all(struct model *m)
{
	uint32_t group = stress_chance(&m->random, 2) ? HASCALL_ALL_GROUPS
						      : stress_below(&m->random, GROUPS + 1);
	int asked = hascall_cancel_all(m->h, group);
	int most = 0;

	for (uint32_t i = 0; i < CALLS; i++) {
		struct call *c = &m->call[i];

		if (c->state != CALL_IN_FLIGHT || c->always ||
		    (group != HASCALL_ALL_GROUPS && c->group != group))
			continue; /* what cleans up after a chain is spared */
		most += !c->asked;
		c->perhaps_asked = true;
	}
	CHECK(asked >= 0 && asked <= most);
}

static void step(struct model *m)
{
	static void (*const ways[])(struct model *) = { do_poll,     do_wait,	  do_wait_any,
							do_wait_all, do_recall,	  do_cancel,
							do_wait,     do_wait_any, do_cancel_all };

	if (m->number + 8 <= m->last && !stress_chance(&m->random, 3) &&
	    (m->in_flight < m->entries || stress_chance(&m->random, 8))) {
		if (stress_chance(&m->random, 2))
			do_post(m);
		else
			do_submit(m);
	} else {
		uint32_t way = stress_below(&m->random, ARRAY_COUNT(ways));

		/* Cancelling everything all the time would leave nothing else to see. */
		if (ways[way] != do_cancel_all || stress_chance(&m->random, 4))
			ways[way](m);
	}
	CHECK_INT(hascall_in_flight(m->h), m->in_flight);
}

static void count_note(void *ctx)
{
	__atomic_fetch_add((uint32_t *)ctx, 1, __ATOMIC_RELAXED);
}

static uint32_t notes;

static void model_open(struct model *m, struct journal *journal, uint8_t *executed,
		       uint64_t *random)
{
	m->random = stress_next(random) | 1;
	m->journal = journal;
	m->executed = executed;
	m->entries = 1 + stress_below(random, stress_chance(random, 2) ? 8 : CALLS);
	m->helps = stress_chance(random, 2);
	m->options = (struct hascall_options){
		.entries = m->entries,
		.workers_max = 1 + stress_below(random, 8),
		.parallel = stress_below(random, 3),
		.idle_ms = stress_below(random, 3),
		.flags = stress_chance(random, 4) ? HASCALL_NO_SPIN : 0,
		.eventfd = -1,
	};
	if (stress_chance(random, 8))
		m->options.flags |= HASCALL_POLLING;
	if (stress_chance(random, 3)) {
		m->options.flags |= HASCALL_USE_EVENTFD;
		m->options.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		CHECK(m->options.eventfd >= 0);
	}
	if (stress_chance(random, 3)) {
		m->options.notify = count_note;
		m->options.notify_ctx = &notes;
	}
	m->h = stress_open(&m->options);
}

/* Half of the areas are closed while calls run; those were executed or not. */
static void model_close(struct model *m)
{
	if (stress_chance(&m->random, 2)) {
		CHECK_INT(hascall_wait_all(m->h, HASCALL_ALL_GROUPS, -1, 0), 0);
		if (m->in_flight > 0)
			reap(m, true);
		CHECK_INT(m->in_flight, 0);
		CHECK_INT(hascall_wait_any(m->h, -1, 0), -ENOENT);
	}
	hascall_close(m->h);
	for (uint32_t i = 0; i < CALLS; i++)
		if (m->call[i].state != CALL_FREE && m->call[i].kind == KIND_NUMBER)
			m->executed[m->call[i].number] = MAYBE;
	if (m->options.flags & HASCALL_USE_EVENTFD)
		close(m->options.eventfd);
}

static void check_journal(struct journal *journal, const uint8_t *executed)
{
	uint8_t *seen = journal_read(journal);

	for (uint32_t i = 0; i < journal->count; i++)
		if (executed[i] == MAYBE ? seen[i] > 1 : seen[i] != executed[i])
			test_fail(__FILE__, __LINE__, "call %u was executed %u times, wanted %u", i,
				  seen[i], executed[i]);
	free(seen);
}

/* A thread that has some areas for itself, opens and closes them. */
struct user {
	pthread_t thread;
	uint64_t random;
	struct journal *journal;
	uint8_t *executed;
	uint32_t number, last;
	struct model *shared; /* or areas that all threads use, under their locks */
	uint32_t shared_count;
};

#define AREAS 3
#define CALLS_OF_AREA 2000

static void *use_own_areas(void *arg)
{
	struct user *u = arg;
	struct model *areas = calloc(AREAS, sizeof(*areas));

	CHECK(areas);
	while (u->number < u->last) {
		struct model *m = &areas[stress_below(&u->random, AREAS)];

		if (!m->h) {
			memset(m, 0, sizeof(*m));
			model_open(m, u->journal, u->executed, &u->random);
			m->number = u->number;
			u->number += 1 + stress_below(&u->random, CALLS_OF_AREA);
			m->last = u->number < u->last ? u->number : u->last;
		}
		for (uint32_t steps = stress_below(&u->random, 200); steps > 0; steps--)
			step(m);
		if (m->number + 8 > m->last) {
			model_close(m);
			m->h = NULL;
		}
	}
	for (uint32_t i = 0; i < AREAS; i++)
		if (areas[i].h)
			model_close(&areas[i]);
	free(areas);
	return NULL;
}

static void *use_shared_areas(void *arg)
{
	struct user *u = arg;

	for (;;) {
		uint32_t done = 0;

		for (uint32_t i = 0; i < u->shared_count; i++) {
			struct model *m = &u->shared[i];

			pthread_mutex_lock(&m->lock);
			for (uint32_t steps = stress_below(&u->random, 20); steps > 0; steps--)
				step(m);
			done += m->number + 8 > m->last;
			pthread_mutex_unlock(&m->lock);
		}
		if (done == u->shared_count)
			return NULL;
	}
}

static void run_users(void *(*fn)(void *), struct user *users)
{
	for (uint32_t i = 0; i < THREADS; i++)
		CHECK_INT(pthread_create(&users[i].thread, NULL, fn, &users[i]), 0);
	for (uint32_t i = 0; i < THREADS; i++)
		CHECK_INT(pthread_join(users[i].thread, NULL), 0);
}

static void every_answer_is_one_the_model_allows(void)
{
	const uint32_t calls = STRESS_COUNT(150000, 60000);
	struct census before = census_take();
	uint64_t random = stress_seed();
	struct user users[THREADS];
	struct journal journal;
	uint8_t *executed = calloc(THREADS, calls);

	CHECK(executed);
	journal_open(&journal, THREADS * calls);
	for (uint32_t i = 0; i < THREADS; i++)
		users[i] = (struct user){ .random = stress_next(&random) | 1,
					  .journal = &journal,
					  .executed = executed,
					  .number = i * calls,
					  .last = (i + 1) * calls };
	run_users(use_own_areas, users);
	CHECK(notes > 0);
	check_journal(&journal, executed);
	journal_close(&journal);
	free(executed);
	census_check(&before);
}

static void areas_that_threads_use_in_turn_keep_to_the_model(void)
{
	const uint32_t calls = STRESS_COUNT(60000, 20000);
	struct census before = census_take();
	uint64_t random = stress_seed();
	struct model *shared = calloc(AREAS, sizeof(*shared));
	struct user users[THREADS];
	struct journal journal;
	uint8_t *executed = calloc(AREAS, calls);

	CHECK(shared && executed);
	journal_open(&journal, AREAS * calls);
	for (uint32_t i = 0; i < AREAS; i++) {
		pthread_mutex_init(&shared[i].lock, NULL);
		model_open(&shared[i], &journal, executed, &random);
		shared[i].number = i * calls;
		shared[i].last = (i + 1) * calls;
	}
	for (uint32_t i = 0; i < THREADS; i++)
		users[i] = (struct user){ .random = stress_next(&random) | 1,
					  .shared = shared,
					  .shared_count = AREAS };
	run_users(use_shared_areas, users);
	for (uint32_t i = 0; i < AREAS; i++)
		model_close(&shared[i]);
	check_journal(&journal, executed);
	journal_close(&journal);
	free(executed);
	free(shared);
	census_check(&before);
}

static const struct test tests[] = {
	TEST_LONG(every_answer_is_one_the_model_allows, 60),
	TEST_LONG(areas_that_threads_use_in_turn_keep_to_the_model, 60),
};
TEST_MAIN(tests)

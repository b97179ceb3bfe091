/* SPDX-License-Identifier: MIT */
/*
 * test_damage.c - what hascall.h promises of -EPROTO: a stray write into the entries ends
 * the area, and nobody sleeps for ever on what it hit. Looks inside: there is no other way
 * to damage an area on purpose.
 */
#include "test/lib/area.h"

#include "lib/pool.h"

#include <pthread.h>

#define IMPOSSIBLE 0x77u

static void write_stray(struct hascall *h, uint64_t ticket, uint32_t word)
{
	__atomic_store_n(&h->entry[(uint32_t)ticket].state, word, __ATOMIC_RELAXED);
}

/* The caller sleeps; then one of its entries changes, and the worker comes upon it. */
struct stray {
	struct hascall *h;
	const struct test_pipe *pipe;
	uint64_t hit;
	uint32_t word;
};

static void *write_while_the_caller_sleeps(void *arg)
{
	const struct stray *s = arg;

	while (!__atomic_load_n(&s->h->caller_sleeps, __ATOMIC_RELAXED))
		usleep(100);
	usleep(20000);
	write_stray(s->h, s->hit, s->word);
	pipe_feed(s->pipe); /* the worker's call ends, and it looks for the next */
	return NULL;
}

enum way { WAIT, WAIT_ANY, WAIT_ALL };

/* Until the results say so, as an application would: what the last wait said. */
static int wait_for_all_ways(struct hascall *h, enum way way, uint64_t ticket)
{
	int64_t result;
	int r;

	switch (way) {
	case WAIT:
		return hascall_wait(h, ticket, -1, 0, &result);
	case WAIT_ALL:
		return hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0);
	case WAIT_ANY:
		break;
	}
	while ((r = hascall_wait_any(h, -1, 0)) == 0)
		hascall_reap(h, ignore_result, NULL);
	return r;
}

static void damage_met_by_a_worker(enum way way, uint32_t word)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	const struct hascall_call call = { .num = SYS_getppid };
	struct test_pipe p = pipe_open();
	struct stray stray = { .h = h, .pipe = &p, .word = word };
	pthread_t thread;
	char byte = 0;

	occupy(h, &p, &byte);
	stray.hit = submit_one(h, &call);
	CHECK_INT(pthread_create(&thread, NULL, write_while_the_caller_sleeps, &stray), 0);
	CHECK_INT(wait_for_all_ways(h, way, stray.hit), -EPROTO);
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(hascall_submit(h, &call, 1, 0, NULL), -EPROTO);
	hascall_close(h);
	pipe_close(&p);
}

static void who_waits_is_told_when_a_worker_meets_an_impossible_state(void)
{
	damage_met_by_a_worker(WAIT, IMPOSSIBLE);
	damage_met_by_a_worker(WAIT_ANY, IMPOSSIBLE);
	damage_met_by_a_worker(WAIT_ALL, IMPOSSIBLE);
}

/* It would be the end of the workers, and of nobody else. */
static void end_that_close_has_not_put_is_damage(void)
{
	damage_met_by_a_worker(WAIT, SYSCALL_END);
	damage_met_by_a_worker(WAIT_ANY, SYSCALL_END);
	damage_met_by_a_worker(WAIT_ALL, SYSCALL_END);
}

/* The bit that says that the caller sleeps on the entry is lost with it. */
static void result_of_an_overwritten_entry_wakes_who_waits_for_it(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	const struct hascall_call call = { .num = SYS_getppid };
	struct test_pipe p = pipe_open();
	struct stray stray = { .h = h, .pipe = &p, .word = SYSCALL_HASCALL };
	pthread_t thread;
	char byte = 0;
	int64_t result;

	stray.hit = occupy(h, &p, &byte);
	CHECK_INT(pthread_create(&thread, NULL, write_while_the_caller_sleeps, &stray), 0);
	CHECK_INT(hascall_wait(h, stray.hit, -1, 0, &result), 0);
	CHECK_INT(result, 1);
	CHECK_INT(pthread_join(thread, NULL), 0);
	CHECK_INT(hascall_submit(h, &call, 1, 0, NULL), -EPROTO);
	hascall_close(h);
	pipe_close(&p);
}

/* Neither a completion nor a reason for the next wait to say that there is one. */
static void wait_for_all_does_not_take_damage_for_an_end(void)
{
	const uint32_t words[] = { IMPOSSIBLE, SYSCALL_END, SYSCALL_NONE };

	for (unsigned int i = 0; i < ARRAY_COUNT(words); i++) {
		struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
		struct test_pipe p = pipe_open();
		char byte = 0;

		write_stray(h, occupy(h, &p, &byte), words[i]);
		CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), -EPROTO);
		CHECK_INT(hascall_wait_any(h, -1, 0), -EPROTO);
		CHECK_INT(hascall_reap(h, ignore_result, NULL), 0);
		pipe_feed(&p);
		hascall_close(h);
		pipe_close(&p);
	}
}

static void result_that_is_overwritten_is_nothing_to_reap(void)
{
	struct hascall *h = area_open(NULL);
	const struct hascall_call call = { .num = SYS_getppid };
	uint64_t ticket = submit_one(h, &call);
	int64_t result;

	CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
	CHECK_INT(hascall_wait_any(h, -1, 0), 0);
	write_stray(h, ticket, IMPOSSIBLE);
	CHECK_INT(hascall_wait_any(h, -1, 0), -EPROTO);
	CHECK_INT(hascall_reap(h, ignore_result, NULL), 0);
	CHECK_INT(hascall_poll(h, ticket, &result), -EPROTO);
	hascall_close(h);
}

static const struct test tests[] = {
	TEST(who_waits_is_told_when_a_worker_meets_an_impossible_state),
	TEST(end_that_close_has_not_put_is_damage),
	TEST(result_of_an_overwritten_entry_wakes_who_waits_for_it),
	TEST(wait_for_all_does_not_take_damage_for_an_end),
	TEST(result_that_is_overwritten_is_nothing_to_reap),
};
TEST_MAIN(tests)

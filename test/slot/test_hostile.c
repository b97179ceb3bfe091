/*
 * test_hostile.c - a peer that writes anything, anywhere, at any time: every
 * function of slot.h and area.h ends with one of its listed answers.
 */
#include "slot/area.h"
#include "slot/slot.h"
#include "test/harness.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES 4

struct shared {
	struct area_hint hint;
	struct area_bell bell;
	struct area_server server;
	struct syscall_info entry[ENTRIES];
	uint32_t stop;
};

static struct shared *share(void)
{
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(s != MAP_FAILED);
	return s;
}

/* Repeats, so that a failure does (xorshift64). */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Likely words (so that moves succeed and are then disturbed), and any word. */
static uint32_t nasty_word(uint64_t random)
{
	switch (random % 4) {
	case 0:
		return (uint32_t)(random >> 8);
	case 1:
		return (uint32_t)(random >> 8) % (SYSCALL_END + 2) | (uint32_t)(random >> 4 & 7)
									     << 8;
	default:
		return (uint32_t)(random >> 8) % (SYSCALL_END + 1);
	}
}

static void *scribble(void *arg)
{
	struct shared *s = arg;
	uint64_t seed = 88172645463325252u;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		uint64_t random = next_random(&seed);
		struct syscall_info *e = &s->entry[random % ENTRIES];
		uint64_t value = next_random(&seed);

		__atomic_store_n(&e->state, nasty_word(value), __ATOMIC_RELAXED);
		__atomic_store_n(&e->num, (uint32_t)value, __ATOMIC_RELAXED);
		__atomic_store_n(&e->ret, (int64_t)value, __ATOMIC_RELAXED);
		__atomic_store_n(&e->arg[random / 8 % 6], value, __ATOMIC_RELAXED);
		__atomic_store_n(&s->hint.posted[random / 64 % AREA_HINT_WORDS], value,
				 __ATOMIC_RELAXED);
		__atomic_store_n(&s->hint.cancel[random / 64 % AREA_HINT_WORDS], ~value,
				 __ATOMIC_RELAXED);
		__atomic_store_n(&s->bell.rings, (uint32_t)value, __ATOMIC_RELAXED);
		__atomic_store_n(&s->server.sleepers, (uint32_t)(value >> 32), __ATOMIC_RELAXED);
	}
	return NULL;
}

/* How often each answer came. */
struct tally {
	uint64_t fine, again, end, protocol;
};

static void count(struct tally *t, int r)
{
	switch (r) {
	case 0:
		t->fine++;
		return;
	case -EAGAIN:
		t->again++;
		return;
	case -ESHUTDOWN:
		t->end++;
		return;
	case -EPROTO:
		t->protocol++;
		return;
	default:
		test_fail(__FILE__, __LINE__, "answer %d", r);
	}
}

static void all_moves(struct syscall_info *e, struct tally *t)
{
	static const uint64_t args[6] = { 1, 2, 3, 4, 5, 6 };
	struct slot_call call = { 0 };
	bool must_wake = false;
	uint32_t word = 0;
	int64_t ret;
	int r;

	r = slot_claim(e, &call);
	count(t, r);
	if (r == 0)
		count(t, slot_complete(e, 1, 0, &must_wake));
	r = slot_claim_held(e, &call);
	count(t, r);
	if (r == 0)
		count(t, slot_complete(e, 1, 0, &must_wake));
	count(t, slot_unhold(e));
	count(t, slot_take(e, &ret, &word));
	count(t, slot_post_held(e, 1, args, UINT64_MAX));
	count(t, slot_recall(e));
	count(t, slot_post(e, 1, args));
	r = slot_wait_begin(e, &word);
	count(t, r);
	if (r == 0) {
		int state = slot_word_state(word);

		CHECK(word & SYSCALL_WAITED);
		CHECK(state == SYSCALL_HASCALL || state == SYSCALL_EXECUTING);
	}
	count(t, slot_recall(e));
	count(t, slot_end(e));
	r = slot_state(e);
	CHECK(r == -EPROTO || (r >= SYSCALL_NONE && r <= SYSCALL_END));
}

static void all_hints(struct shared *s)
{
	uint32_t seen = __atomic_load_n(&s->bell.rings, __ATOMIC_RELAXED);
	int entry = area_take_one(&s->hint, seen);

	CHECK(entry >= -1 && entry < (int)AREA_HINT_ENTRIES);
	for (unsigned int word = 0; word < AREA_HINT_WORDS; word++) {
		(void)area_take_posted(&s->hint, word);
		(void)area_take_cancel(&s->hint, word);
	}
	area_sleep_prepare(&s->server, &s->bell, &seen);
	area_sleep_finish(&s->server);
	if (area_must_ring(&s->server))
		area_ring(&s->bell);
}

static void suffer(struct shared *s)
{
	uint32_t rounds = test_sanitized ? 100000 : 1000000;
	struct tally t = { 0 };

	for (uint32_t i = 0; i < rounds; i++) {
		all_moves(&s->entry[i % ENTRIES], &t);
		if (i % 8 == 0)
			all_hints(s);
	}
	fprintf(stderr, "# 0: %llu, -EAGAIN: %llu, -ESHUTDOWN: %llu, -EPROTO: %llu\n",
		(unsigned long long)t.fine, (unsigned long long)t.again, (unsigned long long)t.end,
		(unsigned long long)t.protocol);
	CHECK(t.fine > 0 && t.again > 0 && t.end > 0 && t.protocol > 0);
}

static void scribbling_thread_is_survived(void)
{
	struct shared *s = share();
	pthread_t thread;

	CHECK_INT(pthread_create(&thread, NULL, scribble, s), 0);
	suffer(s);
	__atomic_store_n(&s->stop, 1, __ATOMIC_RELAXED);
	CHECK_INT(pthread_join(thread, NULL), 0);
	munmap(s, sizeof(*s));
}

static void scribbling_process_is_survived(void)
{
	struct shared *s = share();
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		scribble(s);
		_exit(0);
	}
	suffer(s);
	__atomic_store_n(&s->stop, 1, __ATOMIC_RELAXED);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	munmap(s, sizeof(*s));
}

/* The executor's copy is what the caller wrote last, never two different reads. */
static void claimed_call_does_not_change_under_the_executor(void)
{
	struct syscall_info e = { 0 };
	const uint64_t args[6] = { 1, 2, 3, 4, 5, 6 };
	struct slot_call call = { 0 };

	CHECK_INT(slot_post(&e, 7, args), 0);
	CHECK_INT(slot_claim(&e, &call), 0);
	e.num = 8;
	for (unsigned int i = 0; i < 6; i++)
		e.arg[i] = 99;
	CHECK_INT(call.num, 7);
	for (unsigned int i = 0; i < 6; i++)
		CHECK_INT(call.arg[i], i + 1);
}

static void entry_changed_during_the_call_is_a_protocol_error(void)
{
	static const uint32_t words[] = {
		SYSCALL_NONE, SYSCALL_HASCALL, SYSCALL_COMPLETED, SYSCALL_END, 0xff, 0xdeadbeef
	};
	const uint64_t args[6] = { 0 };

	for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
		struct syscall_info e = { 0 };
		struct slot_call call = { 0 };
		bool must_wake = false;

		CHECK_INT(slot_post(&e, 7, args), 0);
		CHECK_INT(slot_claim(&e, &call), 0);
		e.state = words[i];
		CHECK_INT(slot_complete(&e, 0, 0, &must_wake), -EPROTO);
	}
}

static const struct test tests[] = {
	TEST_LONG(scribbling_thread_is_survived, 30),
	TEST_LONG(scribbling_process_is_survived, 30),
	TEST(claimed_call_does_not_change_under_the_executor),
	TEST(entry_changed_during_the_call_is_a_protocol_error),
};
TEST_MAIN(tests)

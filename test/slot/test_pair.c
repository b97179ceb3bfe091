/*
 * test_pair.c - caller and executors at the same time, in threads and in
 * processes: every call is executed once or recalled once, no result is lost, and
 * nobody sleeps through a wake-up (a lost one ends in the test's time limit).
 */
#include "lib/futex.h"
#include "slot/area.h"
#include "slot/slot.h"
#include "test/harness.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define ENTRIES 16
#define EXECUTORS 2

/*
 * The memory both sides have. `in` and `out` are plain words that go from side to
 * side with their entry: TSan reports a race as soon as a move of the state hands
 * over less than it promises (the entry's own fields are atomic and tell it nothing).
 */
struct shared {
	uint64_t in[ENTRIES];
	uint64_t out[ENTRIES];
	struct area_hint hint;
	struct area_bell bell;
	struct area_server server;
	struct syscall_info entry[ENTRIES];
	uint8_t executed[]; /* by number of the call: how often */
};

static struct shared *share(uint32_t calls)
{
	struct shared *s = mmap(NULL, sizeof(*s) + calls, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(s != MAP_FAILED);
	return s;
}

static int64_t answer(uint64_t number)
{
	return (int64_t)(number * 3 + 1);
}

/* Execute the call of an entry if there is one. 0 or the answer of slot_claim(). */
static int execute(struct shared *s, unsigned int entry)
{
	struct syscall_info *e = &s->entry[entry];
	struct slot_call call = { 0 };
	bool must_wake = false;
	int r = slot_claim(e, &call);

	CHECK(r == 0 || r == -EAGAIN || r == -ESHUTDOWN);
	if (r < 0)
		return r;
	CHECK(call.arg[0] == call.arg[5]);
	CHECK(s->in[entry] == call.arg[0]);
	s->out[entry] = ~call.arg[0];
	__atomic_fetch_add(&s->executed[call.arg[0]], 1, __ATOMIC_RELAXED);
	CHECK_INT(slot_complete(e, answer(call.arg[0]), call.num, &must_wake), 0);
	if (must_wake)
		futex_wake(&e->state, 1);
	return 0;
}

/* One look at all hints. True if there was one; *ret_ended once END was met. */
static bool serve(struct shared *s, bool *ret_ended)
{
	bool any = false;

	for (unsigned int word = 0; word < AREA_HINT_WORDS; word++) {
		int bit;

		while ((bit = area_take_bit(&s->hint.posted[word], ~UINT64_C(0))) >= 0) {
			any = true;
			if (execute(s, word * 64 + (unsigned int)bit) == -ESHUTDOWN)
				*ret_ended = true;
		}
	}
	return any;
}

static void *executor(void *arg)
{
	struct shared *s = arg;
	bool ended = false;

	while (!ended) {
		uint32_t seen;

		if (serve(s, &ended))
			continue;
		area_sleep_prepare(&s->server, &s->bell, &seen);
		if (!serve(s, &ended))
			futex_wait(&s->bell.rings, seen, FOREVER);
		area_sleep_finish(&s->server);
	}
	/* pass END on */
	area_mark_posted(&s->hint, 0);
	area_ring(&s->bell);
	futex_wake(&s->bell.rings, 1);
	return NULL;
}

/* Knows nothing but the entries. */
static void *scanning_executor(void *arg)
{
	struct shared *s = arg;

	for (unsigned int entry = 0;; entry = (entry + 1) % ENTRIES) {
		int r = execute(s, entry);

		if (r == -ESHUTDOWN)
			return NULL;
		if (r == -EAGAIN)
			sched_yield();
	}
}

static void post(struct shared *s, unsigned int entry, uint32_t number)
{
	const uint64_t arg[6] = { number, 0, 0, 0, 0, number };

	s->in[entry] = number;
	CHECK_INT(slot_post(&s->entry[entry], number & 0xffff, arg), 0);
	area_mark_posted(&s->hint, entry);
	if (area_must_ring(&s->server)) {
		area_ring(&s->bell);
		futex_wake(&s->bell.rings, 1);
	}
}

static void take(struct shared *s, unsigned int entry, uint32_t number)
{
	struct syscall_info *e = &s->entry[entry];
	uint32_t flags = 0;
	int64_t ret = 0;
	int r;

	while ((r = slot_take(e, &ret, &flags)) == -EAGAIN) {
		uint32_t word;

		if (slot_wait_begin(e, &word) == 0)
			futex_wait(&e->state, word, FOREVER);
	}
	CHECK_INT(r, 0);
	CHECK_INT(ret, answer(number));
	CHECK_INT(flags, number & 0xffff);
	CHECK(s->out[entry] == ~(uint64_t)number);
	CHECK_INT(__atomic_load_n(&s->executed[number], __ATOMIC_RELAXED), 1);
}

static void end(struct shared *s)
{
	CHECK_INT(slot_end(&s->entry[0]), 0);
	area_mark_posted(&s->hint, 0);
	area_ring(&s->bell);
	futex_wake(&s->bell.rings, 1);
}

/* Post `calls` calls, up to `depth` at a time; recall every third if still possible. */
static void drive(struct shared *s, uint32_t calls, unsigned int depth, bool recalls)
{
	uint32_t recalled = 0;

	for (uint32_t first = 0; first < calls; first += depth) {
		for (unsigned int i = 0; i < depth; i++)
			post(s, i, first + i);
		for (unsigned int i = 0; i < depth; i++) {
			uint32_t number = first + i;

			if (recalls && number % 3 == 0) {
				int r = slot_recall(&s->entry[i]);

				CHECK(r == 0 || r == -EAGAIN);
				if (r == 0) {
					s->executed[number] |= 0x80;
					recalled++;
					continue;
				}
			}
			take(s, i, number);
		}
	}
	end(s);
	for (uint32_t i = 0; i < calls; i++)
		CHECK((s->executed[i] == 1) != (s->executed[i] == 0x80));
	if (recalls)
		fprintf(stderr, "# %u of %u calls recalled\n", recalled, calls);
}

static uint32_t calls_of(uint32_t calls)
{
	return test_sanitized ? calls / 10 : calls;
}

typedef void *thread_fn(void *arg);

static void with_threads(thread_fn *fn, uint32_t calls, unsigned int depth, bool recalls)
{
	struct shared *s = share(calls);
	pthread_t thread[EXECUTORS];

	for (unsigned int i = 0; i < EXECUTORS; i++)
		CHECK_INT(pthread_create(&thread[i], NULL, fn, s), 0);
	drive(s, calls, depth, recalls);
	for (unsigned int i = 0; i < EXECUTORS; i++)
		CHECK_INT(pthread_join(thread[i], NULL), 0);
	munmap(s, sizeof(*s) + calls);
}

static void with_processes(uint32_t calls, unsigned int depth, bool recalls)
{
	struct shared *s = share(calls);
	pid_t pid[EXECUTORS];

	for (unsigned int i = 0; i < EXECUTORS; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i] == 0) {
			executor(s);
			_exit(0);
		}
	}
	drive(s, calls, depth, recalls);
	for (unsigned int i = 0; i < EXECUTORS; i++) {
		int status = -1;

		CHECK_INT(waitpid(pid[i], &status, 0), pid[i]);
		CHECK_INT(status, 0);
	}
	munmap(s, sizeof(*s) + calls);
}

static void threads_pass_calls_one_at_a_time(void)
{
	with_threads(executor, calls_of(40000), 1, false);
}

static void threads_pass_calls_in_batches(void)
{
	with_threads(executor, calls_of(320000), ENTRIES, false);
}

static void threads_recall_each_call_or_find_it_executed(void)
{
	with_threads(executor, calls_of(120000), 3, true);
}

static void entries_alone_hand_over_what_was_written(void)
{
	with_threads(scanning_executor, calls_of(40000), ENTRIES, true);
}

static void processes_pass_calls_one_at_a_time(void)
{
	with_processes(calls_of(40000), 1, false);
}

static void processes_pass_calls_in_batches(void)
{
	with_processes(calls_of(320000), ENTRIES, false);
}

static void processes_recall_each_call_or_find_it_executed(void)
{
	with_processes(calls_of(120000), 3, true);
}

static const struct test tests[] = {
	TEST_LONG(threads_pass_calls_one_at_a_time, 30),
	TEST_LONG(threads_pass_calls_in_batches, 30),
	TEST_LONG(threads_recall_each_call_or_find_it_executed, 30),
	TEST_LONG(entries_alone_hand_over_what_was_written, 30),
	TEST_LONG(processes_pass_calls_one_at_a_time, 30),
	TEST_LONG(processes_pass_calls_in_batches, 30),
	TEST_LONG(processes_recall_each_call_or_find_it_executed, 30),
};
TEST_MAIN(tests)

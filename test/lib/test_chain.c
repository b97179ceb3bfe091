/*
 * test_chain.c - what hascall.h promises of chains: order, results as arguments, what a
 * failure does, hascall_submit() all or none, recall, help, close.
 */
#include "test/lib/area.h"

#include "lib/pool.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text = "0123456789";

/* A file with `text` in it; its name in the caller's buffer. */
static void make_file(char name[static 32])
{
	int fd;

	snprintf(name, 32, "/tmp/hascall-chain-XXXXXX");
	fd = mkstemp(name);
	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), (int64_t)strlen(text));
	close(fd);
}

#define FILE_CALLS 3u

/* open, read, close of what open gave. */
static void file_chain(struct hascall_call call[FILE_CALLS], const char *name, char *buffer)
{
	call[0] = (struct hascall_call){
		.num = SYS_openat,
		.flags = HASCALL_CHAIN,
		.arg = { (uint64_t)AT_FDCWD, ADDRESS(name), O_RDONLY | O_CLOEXEC },
		.user_data = 1,
	};
	call[1] = read_call(-1, buffer, 10);
	call[1].flags = HASCALL_CHAIN;
	call[1].from[0] = 1;
	call[1].user_data = 2;
	call[2] = (struct hascall_call){
		.num = SYS_close,
		.flags = HASCALL_ALWAYS,
		.from = { 2 },
		.user_data = 3,
	};
}

static struct hascall_call getpid_call(uint32_t flags)
{
	return (struct hascall_call){ .num = SYS_getpid, .flags = flags };
}

/* A call that fails with -EBADF. */
static struct hascall_call bad_call(uint32_t flags)
{
	return (struct hascall_call){ .num = SYS_close, .flags = flags, .arg = { UINT_MAX } };
}

static void open_read_close_posted_at_once(void)
{
	struct hascall *h = area_open(NULL);
	struct hascall_call call[FILE_CALLS];
	uint64_t ticket[FILE_CALLS];
	char buffer[16] = "";
	char name[32];

	make_file(name);
	file_chain(call, name, buffer);
	CHECK_INT(hascall_submit(h, call, FILE_CALLS, 0, ticket), 0);
	CHECK_INT(hascall_in_flight(h), FILE_CALLS);
	CHECK_INT(result_of(h, ticket[2]), 0);
	CHECK(result_of(h, ticket[0]) > 2);
	CHECK_INT(result_of(h, ticket[1]), 10);
	CHECK_STR(buffer, text);
	CHECK_INT(hascall_in_flight(h), 0);
	hascall_close(h);
	unlink(name);
}

static void failed_call_cancels_the_rest_of_its_chain(void)
{
	struct hascall *h = area_open(NULL);
	struct hascall_call call[FILE_CALLS];
	uint64_t ticket[FILE_CALLS];
	char buffer[16] = "";

	file_chain(call, "/nowhere/at/all", buffer);
	CHECK_INT(hascall_submit(h, call, FILE_CALLS, 0, ticket), 0);
	CHECK_INT(result_of(h, ticket[0]), -ENOENT);
	CHECK_INT(result_of(h, ticket[1]), -ECANCELED);
	/* HASCALL_ALWAYS, but it takes the result of what failed. */
	CHECK_INT(result_of(h, ticket[2]), -ECANCELED);
	hascall_close(h);
}

static void always_runs_after_a_failure_and_does_not_mend_it(void)
{
	struct hascall *h = area_open(NULL);
	const struct hascall_call call[] = {
		bad_call(HASCALL_CHAIN),
		getpid_call(HASCALL_CHAIN | HASCALL_ALWAYS),
		getpid_call(HASCALL_CHAIN),
		getpid_call(HASCALL_ALWAYS),
	};
	uint64_t ticket[ARRAY_COUNT(call)];

	CHECK_INT(hascall_submit(h, call, ARRAY_COUNT(call), 0, ticket), 0);
	CHECK_INT(result_of(h, ticket[0]), -EBADF);
	CHECK_INT(result_of(h, ticket[1]), getpid());
	CHECK_INT(result_of(h, ticket[2]), -ECANCELED);
	CHECK_INT(result_of(h, ticket[3]), getpid());
	hascall_close(h);
}

/* dup2(a, b) returns b: so the places show which result came where. */
static void each_argument_may_be_another_result(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	struct hascall_call call[] = {
		{ .num = SYS_dup, .flags = HASCALL_CHAIN, .arg = { (uint64_t)p.in } },
		{ .num = SYS_dup, .flags = HASCALL_CHAIN, .arg = { (uint64_t)p.out } },
		/* write(first, text, 5), read(second, buffer, what write gave) */
		{ .num = SYS_write, .flags = HASCALL_CHAIN, .arg = { 0, ADDRESS(text), 5 } },
		{ .num = SYS_read, .flags = HASCALL_CHAIN },
		{ .num = SYS_close, .flags = HASCALL_CHAIN, .from = { 3 } },
		{ .num = SYS_close, .from = { 5 } },
	};
	uint64_t ticket[ARRAY_COUNT(call)];
	char buffer[8] = "";

	call[2].from[0] = 2;
	call[3].from[0] = 2;
	call[3].arg[1] = ADDRESS(buffer);
	call[3].from[2] = 1;
	CHECK_INT(hascall_submit(h, call, ARRAY_COUNT(call), 0, ticket), 0);
	CHECK_INT(result_of(h, ticket[5]), 0);
	CHECK_INT(result_of(h, ticket[4]), 0);
	CHECK_INT(result_of(h, ticket[3]), 5);
	CHECK_STR(buffer, "01234");
	hascall_close(h);
	pipe_close(&p);
}

static void longest_chain_runs_in_order(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe p = pipe_open();
	struct hascall_call call[HASCALL_CHAIN_MAX];
	char got[HASCALL_CHAIN_MAX + 1] = "";

	for (unsigned int round = 0; round < 200; round++) {
		for (unsigned int i = 0; i < HASCALL_CHAIN_MAX; i++) {
			call[i] = write_call(p.in, &"abcdefghijklmnop"[i], 1);
			call[i].flags = i + 1 < HASCALL_CHAIN_MAX ? HASCALL_CHAIN : 0;
			call[i].group = round;
		}
		CHECK_INT(hascall_submit(h, call, HASCALL_CHAIN_MAX, 0, NULL), 0);
		CHECK_INT(hascall_wait_all(h, round, -1, 0), 0);
		CHECK_INT(hascall_reap(h, ignore_result, NULL), HASCALL_CHAIN_MAX);
		CHECK_INT(read(p.out, got, HASCALL_CHAIN_MAX), HASCALL_CHAIN_MAX);
		CHECK_STR(got, "abcdefghijklmnop");
	}
	hascall_close(h);
	pipe_close(&p);
}

static void bad_submissions_are_refused_and_post_nothing(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .entries = 32 });
	struct hascall_call call[HASCALL_CHAIN_MAX + 1];

	for (unsigned int i = 0; i <= HASCALL_CHAIN_MAX; i++)
		call[i] = getpid_call(i < HASCALL_CHAIN_MAX ? HASCALL_CHAIN : 0);
	CHECK_INT(hascall_submit(h, call, 0, 0, NULL), -EINVAL);
	CHECK_INT(hascall_submit(h, call, HASCALL_CHAIN_MAX + 1, 0, NULL), -EINVAL);
	CHECK_INT(hascall_submit(h, call, 2, 0, NULL), -EINVAL); /* not ended */
	call[0] = getpid_call(0);
	CHECK_INT(hascall_submit(h, call, 1, 1u << 31, NULL), -EINVAL);
	call[0].flags = 1u << 31;
	CHECK_INT(hascall_submit(h, call, 1, 0, NULL), -EINVAL);
	call[0] = getpid_call(0);
	call[0].reserved = 1;
	CHECK_INT(hascall_submit(h, call, 1, 0, NULL), -EINVAL);
	call[0] = getpid_call(0);
	call[0].group = HASCALL_ALL_GROUPS;
	CHECK_INT(hascall_submit(h, call, 1, 0, NULL), -EINVAL);
	call[0] = getpid_call(0);
	call[0].from[5] = 1;
	CHECK_INT(hascall_submit(h, call, 1, 0, NULL), -EINVAL);
	call[0] = getpid_call(HASCALL_CHAIN);
	call[1] = getpid_call(0);
	call[1].from[0] = 2; /* before its chain */
	CHECK_INT(hascall_submit(h, call, 2, 0, NULL), -EINVAL);
	/* The first chain is fine, the second one not: neither is posted. */
	call[1].from[0] = 1;
	call[2] = getpid_call(0);
	call[2].from[0] = 1;
	CHECK_INT(hascall_submit(h, call, 3, 0, NULL), -EINVAL);
	CHECK_INT(hascall_in_flight(h), 0);
	CHECK_INT(hascall_reap(h, ignore_result, NULL), 0);
	hascall_close(h);
}

static void submission_that_does_not_fit_posts_nothing(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .entries = 4 });
	const struct hascall_call call[] = {
		getpid_call(HASCALL_CHAIN),
		getpid_call(0),
		getpid_call(0),
		getpid_call(0),
		getpid_call(0),
	};

	CHECK_INT(hascall_submit(h, call, 5, 0, NULL), -EAGAIN);
	CHECK_INT(hascall_in_flight(h), 0);
	CHECK_INT(hascall_submit(h, call, 2, 0, NULL), 0);
	CHECK_INT(hascall_submit(h, call, 3, 0, NULL), -EAGAIN);
	CHECK_INT(hascall_submit(h, call, 2, 0, NULL), 0);
	CHECK_INT(hascall_wait_all(h, 0, -1, 0), 0);
	CHECK_INT(hascall_reap(h, ignore_result, NULL), 4);
	hascall_close(h);
}

static void recalling_the_first_takes_back_the_whole_chain(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	struct test_pipe p = pipe_open();
	struct hascall_call call[3];
	uint64_t ticket[3];
	char byte = 0;
	uint64_t running = occupy(h, &p, &byte);

	for (unsigned int i = 0; i < 3; i++) {
		call[i] = write_call(p.in, "y", 1);
		call[i].flags = i < 2 ? HASCALL_CHAIN : 0;
	}
	CHECK_INT(hascall_submit(h, call, 3, 0, ticket), 0);
	CHECK_INT(hascall_recall(h, ticket[1]), -EAGAIN);
	CHECK_INT(hascall_recall(h, ticket[2]), -EAGAIN);
	CHECK_INT(hascall_recall(h, ticket[0]), 0);
	for (unsigned int i = 0; i < 3; i++)
		CHECK_INT(hascall_recall(h, ticket[i]), -ENOENT);
	CHECK_INT(hascall_in_flight(h), 1);
	pipe_feed(&p);
	CHECK_INT(result_of(h, running), 1);
	CHECK_INT(byte, 'x'); /* no 'y' was written before */
	CHECK_INT(hascall_in_flight(h), 0);
	hascall_close(h);
	pipe_close(&p);
}

/* Nobody else can have begun it: the only worker is in the pipe. */
static void helping_wait_for_any_of_a_chain_executes_the_chain(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	struct test_pipe p = pipe_open();
	struct hascall_call call[FILE_CALLS];
	uint64_t ticket[FILE_CALLS];
	char buffer[16] = "";
	char name[32];
	char byte = 0;
	uint64_t running;

	make_file(name);
	running = occupy(h, &p, &byte);
	file_chain(call, name, buffer);
	for (unsigned int waited = 0; waited < FILE_CALLS; waited++) {
		int64_t result = -1;

		memset(buffer, 0, sizeof(buffer));
		CHECK_INT(hascall_submit(h, call, FILE_CALLS, 0, ticket), 0);
		CHECK_INT(hascall_wait(h, ticket[waited], -1, HASCALL_HELP, &result), 0);
		CHECK(result >= 0);
		CHECK_STR(buffer, text);
		CHECK_INT(hascall_reap(h, ignore_result, NULL), FILE_CALLS - 1);
	}
	pipe_feed(&p);
	CHECK_INT(result_of(h, running), 1);
	hascall_close(h);
	pipe_close(&p);
	unlink(name);
}

static void chain_that_waits_in_the_middle_holds_nobody_up(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .parallel = 1 });
	struct test_pipe p = pipe_open();
	char byte = 0;
	struct hascall_call call[3] = {
		getpid_call(HASCALL_CHAIN),
		read_call(p.out, &byte, 1),
		getpid_call(0),
	};
	uint64_t ticket[3];

	call[1].flags = HASCALL_CHAIN;
	CHECK_INT(hascall_submit(h, call, 3, 0, ticket), 0);
	CHECK_INT(result_of(h, ticket[0]), getpid());
	for (unsigned int i = 0; i < 10; i++)
		CHECK_INT(result_of(h, submit_one(h, &call[2])), getpid());
	CHECK_INT(hascall_poll(h, ticket[1], &(int64_t){ 0 }), -EAGAIN);
	CHECK_INT(hascall_poll(h, ticket[2], &(int64_t){ 0 }), -EAGAIN);
	pipe_feed(&p);
	CHECK_INT(result_of(h, ticket[2]), getpid());
	CHECK_INT(result_of(h, ticket[1]), 1);
	hascall_close(h);
	pipe_close(&p);
}

struct feeder {
	const struct test_pipe *pipe;
	const struct hascall *h;
	uint32_t waiting; /* entry of a call nobody has begun */
	uint32_t held;	  /* entry of a call whose turn in its chain has not come */
	pthread_t thread;
};

/* The pipe orders this before the free() of close; ThreadSanitizer does not see that it does. */
static __attribute__((no_sanitize("thread"))) void *feed_when_both_are_dropped(void *arg)
{
	const struct feeder *f = arg;
	const volatile uint32_t *word = &f->h->entry[f->waiting].state;
	const volatile int32_t *cut = &f->h->cut[f->held];

	while ((*word & SYSCALL_STATE_MASK) == SYSCALL_HASCALL || *cut == 0)
		usleep(100);
	pipe_feed(f->pipe);
	return NULL;
}

/* Two chains: one runs, waiting in its first call; one is not begun. */
static void close_drops_what_is_left_of_chains_but_always(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
	struct test_pipe p = pipe_open();
	struct test_pipe out = pipe_open();
	struct feeder feeder = { .pipe = &p, .h = h };
	char bytes[4] = "";
	struct hascall_call call[3] = {
		read_call(p.out, bytes, 1),
		write_call(out.in, "n", 1),
		write_call(out.in, "a", 1),
	};
	uint64_t ticket[3];

	call[0].flags = HASCALL_CHAIN;
	call[1].flags = HASCALL_CHAIN;
	call[2].flags = HASCALL_ALWAYS;
	do {
		CHECK_INT(hascall_submit(h, call, 3, 0, ticket), 0);
		usleep(1000);
	} while (hascall_recall(h, ticket[0]) == 0);
	feeder.held = (uint32_t)ticket[1];
	CHECK_INT(hascall_submit(h, call, 3, 0, ticket), 0); /* never begun */
	feeder.waiting = (uint32_t)ticket[0];
	CHECK_INT(pthread_create(&feeder.thread, NULL, feed_when_both_are_dropped, &feeder), 0);
	hascall_close(h);
	CHECK_INT(pthread_join(feeder.thread, NULL), 0);
	close(out.in);
	CHECK_INT(read(out.out, bytes, sizeof(bytes)), 1);
	CHECK_INT(bytes[0], 'a');
	close(out.out);
	pipe_close(&p);
}

/* No worker was started yet: close must do it for the call that is to run in any case. */
static void close_runs_what_a_cancelled_chain_left(void)
{
	struct hascall *h = area_open(NULL);
	struct test_pipe out = pipe_open();
	struct hascall_call call[2] = {
		{ .num = SYS_getppid, .flags = HASCALL_CHAIN },
		write_call(out.in, "a", 1),
	};
	uint64_t ticket[2];
	char bytes[2];

	call[1].flags = HASCALL_ALWAYS;
	CHECK_INT(hascall_submit(h, call, 2, HASCALL_MORE, ticket), 0);
	CHECK_INT(hascall_cancel(h, ticket[0]), 0);
	hascall_close(h);
	close(out.in);
	CHECK_INT(read(out.out, bytes, sizeof(bytes)), 1);
	close(out.out);
}

/* The entries of chains come back: many chains of all lengths through a small area. */
static void entries_of_chains_are_used_again(void)
{
	struct hascall *h = area_open(&(struct hascall_options){ .entries = 24 });
	unsigned int rounds = test_sanitized ? 2000 : 20000;
	struct hascall_call call[HASCALL_CHAIN_MAX];

	for (unsigned int i = 0; i < rounds; i++) {
		uint32_t length = 1 + i % HASCALL_CHAIN_MAX;
		uint64_t ticket[HASCALL_CHAIN_MAX];
		uint32_t bad = i / 7 % (2 * HASCALL_CHAIN_MAX);

		for (uint32_t k = 0; k < length; k++) {
			uint32_t flags = k + 1 < length ? HASCALL_CHAIN : 0;

			call[k] = k == bad ? bad_call(flags) : getpid_call(flags);
		}
		CHECK_INT(hascall_submit(h, call, length, 0, ticket), 0);
		if (i % 3 == 0)
			CHECK_INT(hascall_wait_all(h, 0, -1, i % 2 ? HASCALL_HELP : 0), 0);
		for (uint32_t k = length; k-- > 0;) {
			int64_t result = 0;
			int64_t wanted = k < bad ? getpid() : k == bad ? -EBADF : -ECANCELED;

			CHECK_INT(hascall_wait(h, ticket[k], -1, i & HASCALL_HELP, &result), 0);
			CHECK_INT(result, wanted);
		}
		CHECK_INT(hascall_in_flight(h), 0);
	}
	hascall_close(h);
}

/* Out of the area; to itself; to one that is not held. */
static int64_t damaged_link(unsigned int kind, uint64_t first, uint64_t running)
{
	if (kind == 0)
		return UINT16_MAX;
	return (int64_t)SYSCALL_LINK_NEXT((uint32_t)(kind == 1 ? first : running));
}

/* Looks inside: there is no other way to damage a chain on purpose. */
static void damaged_links_end_the_area_and_not_the_process(void)
{
	for (unsigned int kind = 0; kind < 3; kind++) {
		struct hascall *h = area_open(&(struct hascall_options){ .workers_max = 1 });
		struct test_pipe p = pipe_open();
		const struct hascall_call call[2] = { getpid_call(HASCALL_CHAIN), getpid_call(0) };
		uint64_t ticket[2];
		int64_t result = 0;
		char byte;
		uint64_t running = occupy(h, &p, &byte);
		CHECK_INT(hascall_submit(h, call, 2, HASCALL_MORE, ticket), 0);
		__atomic_store_n(&h->entry[(uint32_t)ticket[0]].ret,
				 damaged_link(kind, ticket[0], running), __ATOMIC_RELAXED);
		pipe_feed(&p);
		CHECK_INT(result_of(h, running), 1);
		CHECK_INT(result_of(h, ticket[0]), getpid());
		CHECK_INT(hascall_wait(h, ticket[1], -1, 0, &result), -EPROTO);
		CHECK_INT(hascall_wait_all(h, 0, -1, 0), -EPROTO);
		CHECK_INT(hascall_submit(h, call, 2, 0, NULL), -EPROTO);
		hascall_close(h);
		pipe_close(&p);
	}
}

static const struct test tests[] = {
	TEST(open_read_close_posted_at_once),
	TEST(failed_call_cancels_the_rest_of_its_chain),
	TEST(always_runs_after_a_failure_and_does_not_mend_it),
	TEST(each_argument_may_be_another_result),
	TEST(longest_chain_runs_in_order),
	TEST(bad_submissions_are_refused_and_post_nothing),
	TEST(submission_that_does_not_fit_posts_nothing),
	TEST(recalling_the_first_takes_back_the_whole_chain),
	TEST(helping_wait_for_any_of_a_chain_executes_the_chain),
	TEST(chain_that_waits_in_the_middle_holds_nobody_up),
	TEST(close_drops_what_is_left_of_chains_but_always),
	TEST(close_runs_what_a_cancelled_chain_left),
	TEST(entries_of_chains_are_used_again),
	TEST(damaged_links_end_the_area_and_not_the_process),
};
TEST_MAIN(tests)

/*
 * test_hascall.c - what hascall.h promises to one caller: post, poll, wait, reap,
 * recall, close, options, eventfd, notify, fork.
 */
#include "hascall/hascall.h"
#include "lib/pool.h"
#include "test/harness.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const uint64_t none[6];

static struct hascall *open_with(uint32_t entries, uint32_t workers_max)
{
	const struct hascall_options options = {
		.size = sizeof(options),
		.entries = entries,
		.workers_max = workers_max,
	};
	struct hascall *h = NULL;

	CHECK_INT(hascall_open(&h, &options), 0);
	return h;
}

static uint64_t post(struct hascall *h, uint32_t num, uint64_t first, uint32_t flags)
{
	const uint64_t arg[6] = { first };
	uint64_t ticket = 0;

	CHECK_INT(hascall_post(h, num, arg, first, flags, &ticket), 0);
	return ticket;
}

/* A pipe and a posted read from it: a call that runs until let_go(). */
struct held {
	int fds[2];
	char byte;
	uint64_t ticket;
};

static void hold(struct hascall *h, struct held *held)
{
	CHECK_INT(pipe(held->fds), 0);
	held->byte = 0;
	CHECK_INT(hascall_post(h, SYS_read,
			       (uint64_t[6]){ (uint64_t)held->fds[0], (uintptr_t)&held->byte, 1 },
			       0, 0, &held->ticket),
		  0);
}

/* Until somebody has begun it. */
static void until_begun(const struct hascall *h, const struct held *held)
{
	while (slot_state(&h->entry[(uint32_t)held->ticket]) == SYSCALL_HASCALL)
		usleep(100);
}

static void let_go(struct held *held)
{
	CHECK_INT(write(held->fds[1], "x", 1), 1);
}

static void drop(struct held *held)
{
	close(held->fds[0]);
	close(held->fds[1]);
}

struct seen {
	unsigned int count;
	uint64_t data_sum;
	int64_t last;
};

static void note(void *ctx, uint64_t user_data, int64_t ret)
{
	struct seen *seen = ctx;

	seen->count++;
	seen->data_sum += user_data;
	seen->last = ret;
}

static void wait_returns_the_result_of_the_call(void)
{
	struct hascall *h = open_with(0, 0);
	int64_t ret = 0;
	uint64_t ticket = post(h, SYS_getppid, 0, 0);

	CHECK_INT(hascall_in_flight(h), 1);
	CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
	CHECK_INT(ret, getppid());
	CHECK_INT(hascall_in_flight(h), 0);
	CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), -ENOENT);
	CHECK_INT(hascall_poll(h, ticket, &ret), -ENOENT);
	hascall_close(h);
}

static void errors_come_as_results_and_errno_stays(void)
{
	struct hascall *h = open_with(0, 0);
	int64_t ret = 0;

	errno = 0;
	CHECK_INT(hascall_wait(h, post(h, SYS_close, UINT32_MAX, 0), -1, 0, &ret), 0);
	CHECK_INT(ret, -EBADF);
	CHECK_INT(hascall_wait(h, post(h, SYS_exit_group, 1, 0), -1, 0, &ret), 0);
	CHECK_INT(ret, -EOPNOTSUPP);
	CHECK_INT(hascall_wait(h, post(h, 400, 1, 0), -1, 0, &ret), 0);
	CHECK_INT(ret, -ENOSYS);
	CHECK_INT(errno, 0);
	hascall_close(h);
}

static void helping_wait_runs_the_call_in_this_thread(void)
{
	struct hascall *h = open_with(0, 0);

	for (unsigned int i = 0; i < 1000; i++) {
		int64_t ret = 0;
		uint64_t ticket = post(h, SYS_getpid, 0, HASCALL_MORE);

		CHECK_INT(hascall_wait(h, ticket, -1, HASCALL_HELP, &ret), 0);
		CHECK_INT(ret, getpid());
	}
	CHECK_INT(hascall_in_flight(h), 0);
	hascall_close(h);
}

/* hascall.h: any wait wakes for what was posted with HASCALL_MORE, one that need not wait too. */
static void wait_for_a_completed_call_wakes_a_worker_for_the_others(void)
{
	struct hascall *h = open_with(0, 0);
	uint64_t first = post(h, SYS_getpid, 0, 0);
	uint64_t second;
	int64_t ret = 0;
	int r;

	CHECK_INT(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, 0), 0);
	second = post(h, SYS_getppid, 0, HASCALL_MORE);
	CHECK_INT(hascall_wait(h, first, -1, 0, &ret), 0);
	while ((r = hascall_poll(h, second, &ret)) == -EAGAIN)
		sched_yield();
	CHECK_INT(r, 0);
	CHECK_INT(ret, getppid());
	hascall_close(h);
}

static void full_area_is_eagain_and_loses_nothing(void)
{
	struct hascall *h = open_with(3, 1);
	struct seen seen = { 0 };
	struct held held;

	hold(h, &held);
	post(h, SYS_getpid, 10, 0);
	post(h, SYS_getpid, 20, 0);
	CHECK_INT(hascall_post(h, SYS_getpid, none, 40, 0, NULL), -EAGAIN);
	let_go(&held);
	while (hascall_in_flight(h) > 0) {
		CHECK_INT(hascall_wait_any(h, -1, 0), 0);
		hascall_reap(h, note, &seen);
	}
	CHECK_INT(seen.count, 3);
	CHECK_INT(seen.data_sum, 30);
	drop(&held);
	hascall_close(h);
}

static void reap_gives_each_result_once_with_its_user_data(void)
{
	const uint32_t entries = 600; /* more than one block of hints */
	struct hascall *h = open_with(entries, 0);
	struct seen seen = { 0 };

	for (unsigned int round = 0; round < 3; round++) {
		uint64_t sum = 0;

		seen = (struct seen){ 0 };
		for (uint32_t i = 0; i < entries; i++) {
			CHECK_INT(hascall_post(h, SYS_getpid, none, i, HASCALL_MORE, NULL), 0);
			sum += i;
		}
		while (seen.count < entries) {
			CHECK_INT(hascall_wait_any(h, -1, 0), 0);
			CHECK(hascall_reap(h, note, &seen) > 0);
		}
		CHECK_INT(seen.data_sum, sum);
		CHECK_INT(seen.last, getpid());
		CHECK_INT(hascall_in_flight(h), 0);
		CHECK_INT(hascall_reap(h, note, &seen), 0);
		CHECK_INT(hascall_wait_any(h, -1, 0), -ENOENT);
	}
	hascall_close(h);
}

static void waited_result_is_not_reaped_again(void)
{
	struct hascall *h = open_with(8, 0);
	struct seen seen = { 0 };
	int64_t ret;

	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t first = post(h, SYS_getpid, 1, 0);

		post(h, SYS_getpid, 1, 0);
		CHECK_INT(hascall_wait(h, first, -1, 0, &ret), 0);
		CHECK_INT(hascall_wait_any(h, -1, 0), 0);
		CHECK_INT(hascall_reap(h, note, &seen), 1);
	}
	CHECK_INT(seen.count, 1000);
	hascall_close(h);
}

static struct hascall *posting;

static void note_and_post(void *ctx, uint64_t user_data, int64_t ret)
{
	note(ctx, user_data, ret);
	if (user_data > 0)
		CHECK_INT(hascall_post(posting, SYS_getpid, none, user_data - 1, 0, NULL), 0);
}

static void posting_from_reap_is_possible(void)
{
	struct seen seen = { 0 };

	posting = open_with(1, 0);
	CHECK_INT(hascall_post(posting, SYS_getpid, none, 99, 0, NULL), 0);
	while (hascall_in_flight(posting) > 0) {
		CHECK_INT(hascall_wait_any(posting, -1, 0), 0);
		hascall_reap(posting, note_and_post, &seen);
	}
	CHECK_INT(seen.count, 100);
	hascall_close(posting);
}

static void wait_ends_at_its_time(void)
{
	struct hascall *h = open_with(4, 1);
	struct held held;
	int64_t ret;

	hold(h, &held);
	CHECK_INT(hascall_poll(h, held.ticket, &ret), -EAGAIN);
	CHECK_INT(hascall_wait(h, held.ticket, 0, 0, &ret), -ETIMEDOUT);
	CHECK_INT(hascall_wait(h, held.ticket, 2000000, 0, &ret), -ETIMEDOUT);
	CHECK_INT(hascall_wait_any(h, 0, 0), -ETIMEDOUT);
	CHECK_INT(hascall_wait_any(h, 2000000, 0), -ETIMEDOUT);
	let_go(&held);
	CHECK_INT(hascall_wait(h, held.ticket, INT64_MAX, 0, &ret), 0);
	CHECK_INT(ret, 1);
	drop(&held);
	hascall_close(h);
}

static void only_a_call_nobody_has_begun_is_recalled(void)
{
	struct hascall *h = open_with(4, 1);
	uint64_t waiting;
	struct held held;
	int64_t ret = 0;

	hold(h, &held);
	until_begun(h, &held);
	waiting = post(h, SYS_write, (uint64_t)held.fds[1], 0); /* would write from address 0 */
	CHECK_INT(hascall_recall(h, held.ticket), -EAGAIN);
	CHECK_INT(hascall_recall(h, waiting), 0);
	CHECK_INT(hascall_recall(h, waiting), -ENOENT);
	CHECK_INT(hascall_wait(h, waiting, -1, 0, &ret), -ENOENT);
	CHECK_INT(hascall_in_flight(h), 1);
	let_go(&held);
	CHECK_INT(hascall_wait(h, held.ticket, -1, 0, &ret), 0);
	CHECK_INT(hascall_recall(h, held.ticket), -ENOENT);
	drop(&held);
	hascall_close(h);
}

#define WAITING 10u

/* A running call, and those that are to be dropped while it runs. */
struct closing {
	const struct hascall *h;
	struct held held;
	uint64_t waiting[WAITING];
};

/* The pipe orders this before the free() of close; ThreadSanitizer does not see that it does. */
static __attribute__((no_sanitize("thread"))) void *let_go_when_the_others_are_dropped(void *arg)
{
	struct closing *c = arg;

	for (unsigned int i = 0; i < WAITING; i++) {
		const volatile uint32_t *word = &c->h->entry[(uint32_t)c->waiting[i]].state;

		while ((*word & SYSCALL_STATE_MASK) == SYSCALL_HASCALL)
			usleep(100);
	}
	usleep(20000); /* for a close that does not wait to show it */
	let_go(&c->held);
	return NULL;
}

static void close_drops_waiting_calls_and_outlasts_running_ones(void)
{
	struct hascall *h = open_with(64, 1);
	struct closing c = { .h = h };
	pthread_t thread;
	char left;

	hold(h, &c.held);
	until_begun(h, &c.held);
	for (unsigned int i = 0; i < WAITING; i++)
		CHECK_INT(hascall_post(h, SYS_write,
				       (uint64_t[6]){ (uint64_t)c.held.fds[1], (uintptr_t) "y", 1 },
				       0, 0, &c.waiting[i]),
			  0);
	CHECK_INT(pthread_create(&thread, NULL, let_go_when_the_others_are_dropped, &c), 0);
	hascall_close(h);
	CHECK_INT(c.held.byte, 'x'); /* the running one ended before close did */
	CHECK_INT(pthread_join(thread, NULL), 0);
	close(c.held.fds[1]);
	CHECK_INT(read(c.held.fds[0], &left, 1), 0); /* no write happened */
	close(c.held.fds[0]);
}

static void close_with_results_nobody_took_is_clean(void)
{
	struct hascall *h = open_with(0, 0);

	for (unsigned int i = 0; i < 64; i++)
		post(h, SYS_getpid, i, 0);
	hascall_close(h);
	h = open_with(0, 0);
	hascall_close(h);
	hascall_close(NULL);
}

static void bad_options_are_refused(void)
{
	const struct hascall_options bad[] = {
		{ .size = 0 },
		{ .size = sizeof(bad[0]) + 8 },
		{ .size = sizeof(bad[0]), .flags = 1u << 31 },
		{ .size = sizeof(bad[0]), .entries = HASCALL_ENTRIES_MAX + 1 },
		{ .size = sizeof(bad[0]), .workers_max = HASCALL_WORKERS_MAX + 1 },
		{ .size = sizeof(bad[0]), .cancel_signal = 9 },
		{ .size = sizeof(bad[0]), .flags = HASCALL_USE_EVENTFD, .eventfd = -1 },
		{ .size = sizeof(bad[0]), .flags = HASCALL_USE_EVENTFD, .eventfd = 2 },
	};
	struct hascall *h = NULL;

	for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
		CHECK_INT(hascall_open(&h, &bad[i]), -EINVAL);
	CHECK(h == NULL);
}

static void wrong_flags_and_tickets_are_refused(void)
{
	struct hascall *h = open_with(2, 0);
	int64_t ret;

	CHECK_INT(hascall_post(h, SYS_getpid, none, 0, 1u << 31, NULL), -EINVAL);
	CHECK_INT(hascall_poll(h, 0, &ret), -ENOENT);
	CHECK_INT(hascall_poll(h, UINT64_MAX, &ret), -ENOENT);
	CHECK_INT(hascall_wait(h, 2, -1, 0, &ret), -ENOENT);
	CHECK_INT(hascall_recall(h, 1), -ENOENT);
	hascall_close(h);
}

/* Looks inside: there is no other way to damage an area on purpose. */
static void damaged_entries_end_the_area_and_not_the_process(void)
{
	struct hascall *h = open_with(70, 0);
	int64_t ret = 0;
	uint64_t ticket;

	/* Entries that do not exist. */
	__atomic_store_n(&h->hint[0].posted[1], UINT64_MAX << (70 - 64), __ATOMIC_RELAXED);
	ticket = post(h, SYS_getpid, 0, 0);
	CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
	while (!__atomic_load_n(&h->broken, __ATOMIC_RELAXED))
		sched_yield();
	CHECK_INT(hascall_post(h, SYS_getpid, none, 0, 0, NULL), -EPROTO);
	hascall_close(h);

	h = open_with(2, 0);
	ticket = post(h, SYS_pause, 0, 0);
	CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
	for (unsigned int i = 0; i < 2; i++)
		__atomic_store_n(&h->entry[i].state, 0xbad, __ATOMIC_RELAXED);
	CHECK_INT(hascall_post(h, SYS_getpid, none, 0, 0, NULL), -EPROTO);
	CHECK_INT(hascall_wait_any(h, -1, 0), -ENOENT);
	hascall_close(h);
}

static void eventfd_is_readable_while_there_is_something_to_reap(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	const struct hascall_options options = {
		.size = sizeof(options),
		.flags = HASCALL_USE_EVENTFD,
		.eventfd = fd,
	};
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct seen seen = { 0 };
	struct hascall *h;
	unsigned int posted = 0;

	CHECK(fd >= 0);
	CHECK_INT(hascall_open(&h, &options), 0);
	CHECK_INT(poll(&p, 1, 0), 0);
	while (seen.count < 2000) {
		while (posted < 2000 && hascall_post(h, SYS_getpid, none, 0, 0, NULL) == 0)
			posted++;
		CHECK_INT(poll(&p, 1, -1), 1);
		hascall_reap(h, note, &seen);
	}
	CHECK_INT(seen.count, 2000);
	hascall_close(h);
	close(fd);
}

static void count_one(void *ctx)
{
	__atomic_fetch_add((unsigned int *)ctx, 1, __ATOMIC_RELEASE);
}

static void notify_comes_once_for_each_completion(void)
{
	unsigned int rung = 0;
	const struct hascall_options options = {
		.size = sizeof(options),
		.notify = count_one,
		.notify_ctx = &rung,
	};
	struct seen seen = { 0 };
	struct hascall *h;

	CHECK_INT(hascall_open(&h, &options), 0);
	for (unsigned int i = 0; i < 1000; i++) {
		unsigned int before = seen.count;

		post(h, SYS_getpid, 0, 0);
		while (__atomic_load_n(&rung, __ATOMIC_ACQUIRE) == i)
			sched_yield();
		hascall_reap(h, note, &seen); /* what was notified can be reaped */
		CHECK_INT(seen.count, before + 1);
	}
	hascall_close(h);
	CHECK_INT(rung, 1000);
}

static void child_has_no_calls(struct hascall *h, const struct held *held)
{
	int64_t ret;

	CHECK_INT(hascall_post(h, SYS_getpid, none, 0, 0, NULL), -ESHUTDOWN);
	CHECK_INT(hascall_poll(h, held->ticket, &ret), -ESHUTDOWN);
	CHECK_INT(hascall_wait(h, held->ticket, -1, 0, &ret), -ESHUTDOWN);
	CHECK_INT(hascall_recall(h, held->ticket), -ESHUTDOWN);
	CHECK_INT(hascall_wait_any(h, -1, 0), -ESHUTDOWN);
	CHECK_INT(hascall_reap(h, note, NULL), 0);
}

static void child_uses_an_area_of_its_own(struct hascall *h, const struct held *held)
{
	struct hascall *own = open_with(4, 0);
	int64_t ret = 0;

	(void)held;
	CHECK_INT(hascall_wait(own, post(own, SYS_getpid, 0, 0), -1, 0, &ret), 0);
	CHECK_INT(ret, getpid());
	hascall_close(own);
	hascall_close(h);
}

typedef void child_fn(struct hascall *h, const struct held *held);

/* Fork while a call runs; afterwards the parent gets its result. */
static void with_child(child_fn *fn)
{
	struct hascall *h = open_with(4, 0);
	struct held held;
	int64_t ret = 0;
	int status = -1;
	pid_t pid;

	hold(h, &held);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		fn(h, &held);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	let_go(&held);
	CHECK_INT(hascall_wait(h, held.ticket, -1, 0, &ret), 0);
	CHECK_INT(ret, 1);
	drop(&held);
	hascall_close(h);
}

static void forked_child_has_no_calls_and_the_parent_goes_on(void)
{
	with_child(child_has_no_calls);
}

static void forked_child_can_open_an_area_of_its_own(void)
{
	if (test_sanitized)
		SKIP("a sanitizer's locks do not survive a fork beside other threads");
	with_child(child_uses_an_area_of_its_own);
}

#define MANY 64u

/* Its workers' memory too: a server that forks for each client would grow. */
static void close_in_a_forked_child_frees_the_memory_of_the_workers(void)
{
	struct hascall *h = open_with(MANY, MANY);
	struct hascall_stats stats;
	struct held held;
	int status = -1;
	pid_t pid;

	if (test_sanitized)
		SKIP("a sanitizer's malloc does not say how much is in use");
	hold(h, &held);
	for (unsigned int i = 1; i < MANY; i++)
		CHECK_INT(hascall_post(
				  h, SYS_read,
				  (uint64_t[6]){ (uint64_t)held.fds[0], (uintptr_t)&held.byte, 1 },
				  0, 0, NULL),
			  0);
	do {
		usleep(1000);
		hascall_get_stats(h, &stats);
	} while (stats.workers < MANY);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		size_t before = mallinfo2().uordblks;

		/* Without them, it frees less than half of this. */
		hascall_close(h);
		CHECK(mallinfo2().uordblks + MANY * sizeof(struct worker) <= before);
		_exit(0);
	}
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK_INT(status, 0);
	CHECK_INT(hascall_cancel_all(h, HASCALL_ALL_GROUPS), MANY);
	hascall_close(h);
	drop(&held);
}

static const struct test tests[] = {
	TEST(wait_returns_the_result_of_the_call),
	TEST(errors_come_as_results_and_errno_stays),
	TEST(helping_wait_runs_the_call_in_this_thread),
	TEST(wait_for_a_completed_call_wakes_a_worker_for_the_others),
	TEST(full_area_is_eagain_and_loses_nothing),
	TEST(reap_gives_each_result_once_with_its_user_data),
	TEST(waited_result_is_not_reaped_again),
	TEST(posting_from_reap_is_possible),
	TEST(wait_ends_at_its_time),
	TEST(only_a_call_nobody_has_begun_is_recalled),
	TEST(close_drops_waiting_calls_and_outlasts_running_ones),
	TEST(close_with_results_nobody_took_is_clean),
	TEST(bad_options_are_refused),
	TEST(wrong_flags_and_tickets_are_refused),
	TEST(damaged_entries_end_the_area_and_not_the_process),
	TEST(eventfd_is_readable_while_there_is_something_to_reap),
	TEST(notify_comes_once_for_each_completion),
	TEST(forked_child_has_no_calls_and_the_parent_goes_on),
	TEST(forked_child_can_open_an_area_of_its_own),
	TEST(close_in_a_forked_child_frees_the_memory_of_the_workers),
};
TEST_MAIN(tests)

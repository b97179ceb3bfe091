/*
 * test_bad.c - bad input at the protocol's own level and above: what is refused, what is
 * answered, and what is the program's own end.
 */
#include "slot/slot.h"
#include "test/harness.h"
#include "test/stress/stress.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES 40u
#define LINK(index) SYSCALL_LINK_NEXT(index)
#define HEAD SYSCALL_LINKED
#define MEMBER (SYSCALL_LINKED | SYSCALL_HELD)

static struct syscall_info entry[ENTRIES];

/* getppid() into an entry, with any bits and any link word. */
static void post_at(uint32_t at, uint32_t bits, uint64_t link)
{
	entry_post(&entry[at], SYS_getppid, (uint64_t[6]){ 0 }, bits, link);
}

static void must_give(uint32_t at, int64_t wanted)
{
	int64_t ret = 0;

	CHECK_INT(entry_wait(&entry[at], -1, &ret), 0);
	if (ret != wanted)
		test_fail(__FILE__, __LINE__, "entry %u gives %lld, wanted %lld", at,
			  (long long)ret, (long long)wanted);
}

/* Nobody begins it, and it can be taken back. */
static void must_be_held(uint32_t at)
{
	CHECK_INT(entry_state(&entry[at]), SYSCALL_HASCALL);
	CHECK(entry_recall(&entry[at]));
}

/* After all posts: run two executors until entry `last` is done and they had time for more. */
static void with_executors(void (*fn)(void))
{
	struct executors executors;
	int area = async_syscall_init(entry, ENTRIES, 0);

	executors_start(&executors, area, 2);
	fn();
	CHECK_INT(slot_end(&entry[ENTRIES - 1]), 0);
	executors_join(&executors, 0);
	CHECK_INT(async_syscall_exit(area), 0);
}

/* An executor has certainly looked at all entries since. */
static void let_executors_look(void)
{
	for (unsigned int i = 0; i < 6; i++) {
		post_at(ENTRIES - 1, 0, 0);
		must_give(ENTRIES - 1, getppid());
	}
	stress_sleep_us(3000);
}

static void arrays_that_cannot_be_are_refused(void)
{
	uintptr_t place = (uintptr_t)entry;

	for (uintptr_t off = 1; off < 64; off++)
		CHECK_INT(async_syscall_init((struct syscall_info *)(place + off), 1, 0), -EINVAL);
	CHECK_INT(async_syscall_init(NULL, 1, 0), -EINVAL);
	CHECK_INT(async_syscall_init(entry, 0, 0), -EINVAL);
	CHECK_INT(async_syscall_init(entry, ASYNC_SYSCALL_ENTRIES_MAX + 1, 0), -EINVAL);
	CHECK_INT(async_syscall_init(entry, UINT32_MAX, 0), -EINVAL);
	CHECK_INT(async_syscall_init(entry, 1, ~0u), -EINVAL);
	CHECK_INT(async_syscall_init(entry, ASYNC_SYSCALL_ENTRIES_MAX, 0), 0);
	CHECK_INT(async_syscall_exit(0), 0);
}

static void try_options(struct hascall_options options, int wanted)
{
	struct hascall *h = NULL;

	options.size = sizeof(options);
	CHECK_INT(hascall_open(&h, &options), wanted);
	CHECK(h == NULL);
}

static void options_that_cannot_be_are_refused(void)
{
	struct hascall_options options = { .size = sizeof(options) - 4 };
	struct hascall *h = NULL;

	CHECK_INT(hascall_open(&h, &options), -EINVAL);
	options.size = 0;
	CHECK_INT(hascall_open(&h, &options), -EINVAL);
	try_options((struct hascall_options){ .entries = HASCALL_ENTRIES_MAX + 1 }, -EINVAL);
	try_options((struct hascall_options){ .entries = UINT32_MAX }, -EINVAL);
	try_options((struct hascall_options){ .workers_max = HASCALL_WORKERS_MAX + 1 }, -EINVAL);
	try_options((struct hascall_options){ .flags = 1u << 31 }, -EINVAL);
	try_options((struct hascall_options){ .flags = HASCALL_USE_EVENTFD, .eventfd = -1 },
		    -EINVAL);
	try_options((struct hascall_options){ .cancel_signal = -1 }, -EINVAL);
	try_options((struct hascall_options){ .cancel_signal = SIGTERM }, -EINVAL);
	try_options((struct hascall_options){ .cancel_signal = SIGRTMAX + 1 }, -EINVAL);
}

static void refuse_numbers(void)
{
	static const struct {
		uint32_t num;
		int64_t wanted;
	} cases[] = {
		{ 471, -ENOSYS },
		{ 511, -ENOSYS },
		{ 512, -ENOSYS },
		{ 65536 + SYS_getppid, -ENOSYS },
		{ 0x3fffffff, -ENOSYS },
		{ 0x80000000u | SYS_getppid, -ENOSYS },
		{ UINT32_MAX, -EOPNOTSUPP }, /* this one and the next have the bit of x32 */
		{ 0x40000000u | SYS_getppid, -EOPNOTSUPP },
		{ 0x40000000u | 520, -EOPNOTSUPP }, /* its execve */
		{ SYS_fork, -EOPNOTSUPP },
		{ SYS_exit_group, -EOPNOTSUPP },
		{ SYS_rt_sigreturn, -EOPNOTSUPP },
	};
	struct hascall *h = stress_open(&(struct hascall_options){ 0 });

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		int64_t wanted = cases[i].wanted;

		CHECK_INT(stress_call(h, cases[i].num, (uint64_t[6]){ 0 }, 0), wanted);
		CHECK_INT(stress_call(h, cases[i].num, (uint64_t[6]){ 0 }, HASCALL_HELP), wanted);
		entry_post(&entry[0], cases[i].num, (uint64_t[6]){ 0 }, 0, 0);
		must_give(0, wanted);
	}
	hascall_close(h);
}

static void numbers_that_are_no_calls_have_an_answer(void)
{
	with_executors(refuse_numbers);
}

static void link_to_oneself(void)
{
	post_at(0, HEAD, LINK(0));
	must_give(0, getppid());
	post_at(1, MEMBER, LINK(1)); /* held by nothing but itself */
	post_at(0, HEAD, LINK(1));
	must_give(0, getppid());
	must_give(1, getppid());
	let_executors_look();
}

static void chain_that_leads_to_itself_ends(void)
{
	with_executors(link_to_oneself);
}

static void link_backwards(void)
{
	post_at(2, MEMBER, LINK(0)); /* to the first, which is begun already */
	post_at(1, MEMBER, LINK(2));
	post_at(0, HEAD, LINK(1));
	for (uint32_t i = 0; i < 3; i++)
		must_give(i, getppid());
	post_at(2, MEMBER, LINK(1)); /* to the second, which is held no more */
	post_at(1, MEMBER, LINK(2));
	post_at(0, HEAD, LINK(1));
	for (uint32_t i = 0; i < 3; i++)
		must_give(i, getppid());
	let_executors_look();
}

static void chain_that_leads_back_ends(void)
{
	with_executors(link_backwards);
}

static void link_out(void)
{
	static const uint64_t links[] = { LINK(ENTRIES), LINK(ENTRIES + 1), 0xffff, 0xfff0,
					  LINK(5) /* a free entry */ };

	for (size_t i = 0; i < ARRAY_COUNT(links); i++) {
		post_at(0, HEAD, links[i]);
		must_give(0, getppid());
	}
	post_at(0, HEAD, LINK(1));
	post_at(1, 0, 0); /* not held: it is a call of its own, executed once */
	must_give(0, getppid());
	must_give(1, getppid());
	let_executors_look();
}

static void link_out_of_the_array_ends_the_chain(void)
{
	with_executors(link_out);
}

/* The held entry appends a number to a file: it must be there once a round. */
static void share_one(void)
{
	const uint32_t rounds = STRESS_COUNT(3000, 300);
	struct journal journal;
	uint8_t *seen;

	journal_open(&journal, rounds);
	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t arg[6];

		journal_call(&journal, i, arg);
		entry_post(&entry[2], SYS_write, arg, MEMBER, 0);
		post_at(0, HEAD, LINK(2));
		post_at(1, HEAD, LINK(2));
		must_give(0, getppid());
		must_give(1, getppid());
		must_give(2, JOURNAL_RESULT);
	}
	seen = journal_read(&journal);
	for (uint32_t i = 0; i < rounds; i++)
		CHECK_INT(seen[i], 1);
	free(seen);
	journal_close(&journal);
}

static void entry_that_two_chains_lead_to_is_executed_once(void)
{
	with_executors(share_one);
}

static void chain_too_long(void)
{
	for (uint32_t i = SYSCALL_CHAIN_MAX + 2; i-- > 0;)
		post_at(i, i > 0 ? MEMBER : HEAD, LINK(i + 1));
	for (uint32_t i = 0; i < SYSCALL_CHAIN_MAX; i++)
		must_give(i, getppid());
	let_executors_look();
	must_be_held(SYSCALL_CHAIN_MAX);
	must_be_held(SYSCALL_CHAIN_MAX + 1);
}

static void chain_ends_after_its_longest_length(void)
{
	with_executors(chain_too_long);
}

static void hold_without_a_head(void)
{
	post_at(0, SYSCALL_HELD, 0);
	post_at(1, MEMBER, LINK(2));
	post_at(2, MEMBER, LINK(1));
	let_executors_look();
	for (uint32_t i = 0; i < 3; i++)
		must_be_held(i);
}

static void held_entry_without_a_head_is_never_begun(void)
{
	with_executors(hold_without_a_head);
}

/* Arguments from before the chain began, from calls that are none, from arguments 6 and 7. */
static void take_from_nowhere(void)
{
	for (uint32_t places = 1; places <= 15; places++) {
		for (unsigned int argument = 0; argument < 10; argument++) {
			int64_t ret = 0;

			post_at(1, MEMBER, SYSCALL_LINK_FROM(argument, places));
			post_at(0, HEAD, LINK(1) | SYSCALL_LINK_FROM(argument, places));
			CHECK_INT(entry_wait(&entry[0], -1, &ret), 0);
			CHECK(ret == getppid() || ret == -ECANCELED);
			CHECK_INT(entry_wait(&entry[1], -1, &ret), 0);
			CHECK(ret == getppid() || ret == -ECANCELED);
		}
	}
}

static void argument_from_before_the_chain_has_an_answer(void)
{
	with_executors(take_from_nowhere);
}

static void try_submit(struct hascall *h, const struct hascall_call *calls, uint32_t count,
		       uint32_t flags)
{
	CHECK_INT(hascall_submit(h, calls, count, flags, NULL), -EINVAL);
	CHECK_INT(hascall_in_flight(h), 0);
}

static void submissions_that_cannot_be_are_refused(void)
{
	struct hascall *h = stress_open(&(struct hascall_options){ 0 });
	struct hascall_call calls[HASCALL_CHAIN_MAX + 1];

	for (size_t i = 0; i < ARRAY_COUNT(calls); i++)
		calls[i] = (struct hascall_call){ .num = SYS_getppid };
	try_submit(h, calls, 0, 0);
	try_submit(h, calls, 1, 1u << 31);
	calls[0].flags = 1u << 31;
	try_submit(h, calls, 1, 0);
	calls[0].flags = HASCALL_CHAIN; /* its end is outside */
	try_submit(h, calls, 1, 0);
	calls[0].flags = 0;
	calls[0].from[3] = 1;
	try_submit(h, calls, 1, 0);
	calls[0].from[3] = 0;
	calls[0].flags = HASCALL_CHAIN;
	calls[1].from[0] = 2;
	try_submit(h, calls, 2, 0);
	calls[1].from[0] = 255;
	try_submit(h, calls, 2, 0);
	calls[1].from[0] = 0;
	calls[2].from[0] = 1; /* not of this chain */
	try_submit(h, calls, 3, 0);
	calls[2].from[0] = 0;
	for (size_t i = 0; i < ARRAY_COUNT(calls) - 1; i++)
		calls[i].flags = HASCALL_CHAIN;
	try_submit(h, calls, ARRAY_COUNT(calls), 0);
	CHECK_INT(hascall_submit(h, calls + 1, HASCALL_CHAIN_MAX, 0, NULL), 0);
	CHECK_INT(hascall_wait_all(h, 0, -1, 0), 0);
	CHECK_INT(hascall_reap(h, stress_drop_result, NULL), HASCALL_CHAIN_MAX);
	hascall_close(h);
}

static void waits_with_wrong_flags_or_tickets_are_refused(void)
{
	struct hascall *h = stress_open(&(struct hascall_options){ 0 });
	static const uint64_t tickets[] = {
		0, 1, 63, 64, UINT32_MAX, UINT64_MAX, UINT64_C(1) << 32
	};
	uint64_t ticket;
	int64_t ret;

	CHECK_INT(hascall_post(h, SYS_getppid, (uint64_t[6]){ 0 }, 0, 1u << 31, NULL), -EINVAL);
	for (size_t i = 0; i < ARRAY_COUNT(tickets); i++) {
		CHECK_INT(hascall_wait(h, tickets[i], -1, 0, &ret), -ENOENT);
		CHECK_INT(hascall_poll(h, tickets[i], &ret), -ENOENT);
		CHECK_INT(hascall_recall(h, tickets[i]), -ENOENT);
		CHECK_INT(hascall_cancel(h, tickets[i]), -ENOENT);
	}
	CHECK_INT(hascall_post(h, SYS_getppid, (uint64_t[6]){ 0 }, 0, 0, &ticket), 0);
	CHECK_INT(hascall_wait(h, ticket, -1, 1u << 31, &ret), -EINVAL);
	CHECK_INT(hascall_wait_any(h, -1, 1u << 31), -EINVAL);
	CHECK_INT(hascall_wait_all(h, 0, -1, 1u << 31), -EINVAL);
	CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
	CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), -ENOENT);
	hascall_close(h);
	hascall_close(NULL);
}

#define PAGE 4096

/* A page between two that nobody can use: once unmapped, no other mapping fits there. */
static void *page_apart(void)
{
	char *pages = stress_share((size_t)3 * PAGE);

	CHECK_INT(mprotect(pages, PAGE, PROT_NONE), 0);
	CHECK_INT(mprotect(pages + (size_t)2 * PAGE, PAGE, PROT_NONE), 0);
	return pages + PAGE;
}

/* Times that are longer than any, or before all. */
static void extreme_times_are_for_ever_or_now(void)
{
	static const uint64_t limits[] = { INT64_MAX, UINT64_MAX, UINT64_MAX - 1,
					   UINT64_C(1) << 63 };
	static const int64_t timeouts[] = { INT64_MAX, INT64_MAX - 1, -1, INT64_MIN };
	struct hascall *h = stress_open(&(struct hascall_options){ 0 });
	struct hascall_call call = { .num = SYS_getppid };
	uint64_t ticket;
	int64_t ret = 0;

	for (size_t i = 0; i < ARRAY_COUNT(limits); i++) {
		call.timeout_ns = limits[i];
		CHECK_INT(hascall_submit(h, &call, 1, 0, &ticket), 0);
		CHECK_INT(hascall_wait(h, ticket, timeouts[i], 0, &ret), 0);
		CHECK_INT(ret, getppid());
		CHECK_INT(hascall_submit(h, &call, 1, 0, &ticket), 0);
		CHECK_INT(hascall_wait_all(h, 0, timeouts[i], 0), 0);
		CHECK_INT(hascall_wait_any(h, timeouts[i], 0), 0);
		CHECK_INT(hascall_reap(h, stress_drop_result, NULL), 1);
	}
	call = (struct hascall_call){ .num = SYS_poll, .arg = { 0, 0, UINT64_MAX } };
	call.timeout_ns = 1;
	CHECK_INT(hascall_submit(h, &call, 1, 0, &ticket), 0);
	CHECK_INT(hascall_wait(h, ticket, -1, 0, &ret), 0);
	CHECK_INT(ret, -ETIMEDOUT);
	call.timeout_ns = 0;
	CHECK_INT(hascall_submit(h, &call, 1, 0, &ticket), 0);
	CHECK_INT(hascall_wait(h, ticket, 0, 0, &ret), -ETIMEDOUT);
	CHECK_INT(hascall_wait_any(h, 0, 0), -ETIMEDOUT);
	CHECK_INT(hascall_wait_all(h, 0, 0, 0), -ETIMEDOUT);
	CHECK_INT(hascall_cancel(h, ticket), 0);
	hascall_close(h);
}

static void *execute_area(void *arg)
{
	async_syscall_exec(*(int *)arg);
	return NULL;
}

/* The array goes away under its executors, who sleep, spin or run a call of it. */
static void unmap_array(void *arg)
{
	const struct rlimit no_core = { 0 };
	struct syscall_info *e = page_apart();
	unsigned int us = *(unsigned int *)arg;
	pthread_t thread;
	int area = async_syscall_init(e, 8, 0);

	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGSEGV, SIG_DFL); /* a sanitizer would report it, and exit */
	CHECK_INT(pthread_create(&thread, NULL, execute_area, &area), 0);
	if (us % 2) {
		static const struct timespec t = { .tv_nsec = 3000000 };

		entry_post(&e[1], SYS_nanosleep, (uint64_t[6]){ (uintptr_t)&t }, 0, 0);
	}
	stress_sleep_us(us);
	CHECK_INT(munmap(e, PAGE), 0);
	for (;;)
		pause();
}

static void executor_of_an_array_that_is_unmapped_dies_of_sigsegv(void)
{
	for (unsigned int us = 0; us < 3000; us += 301) {
		int status = stress_in_child(unmap_array, &us);

		CHECK(WIFSIGNALED(status));
		CHECK_INT(WTERMSIG(status), SIGSEGV);
	}
}

/* A call's memory may go: that is -EFAULT, no matter to the executor. */
static void use_memory_that_is_gone(void)
{
	void *gone = page_apart();

	CHECK_INT(munmap(gone, PAGE), 0);
	entry_post(&entry[0], SYS_nanosleep, (uint64_t[6]){ (uintptr_t)gone }, 0, 0);
	must_give(0, -EFAULT);
	entry_post(&entry[0], SYS_pipe2, (uint64_t[6]){ 8, 0 }, 0, 0);
	must_give(0, -EFAULT);
}

static void arguments_that_point_nowhere_are_efault(void)
{
	with_executors(use_memory_that_is_gone);
}

/* END while calls run: they complete, and executors leave after them. */
static void end_lets_running_calls_and_their_chains_complete(void)
{
	struct executors executors;
	int area = async_syscall_init(entry, ENTRIES, 0);
	char bytes[2] = { 0 };
	int fds[2];

	CHECK_INT(pipe(fds), 0);
	executors_start(&executors, area, 2);
	post_at(3, MEMBER, 0);
	post_at(2, MEMBER, LINK(3));
	for (uint32_t i = 0; i < 2; i++)
		entry_post(&entry[i], SYS_read,
			   (uint64_t[6]){ (uint64_t)fds[0], (uintptr_t)&bytes[i], 1 }, i ? 0 : HEAD,
			   i ? 0 : LINK(2));
	while (entry_state(&entry[0]) == SYSCALL_HASCALL ||
	       entry_state(&entry[1]) == SYSCALL_HASCALL)
		stress_sleep_us(100);
	CHECK_INT(slot_end(&entry[9]), 0);
	stress_sleep_us(2000);
	CHECK_INT(async_syscall_exit(area), -EBUSY);
	CHECK_INT(write(fds[1], "xx", 2), 2);
	executors_join(&executors, 0);
	must_give(0, 1);
	must_give(1, 1);
	must_give(2, getppid());
	must_give(3, getppid());
	CHECK_INT(async_syscall_exit(area), 0);
	close(fds[0]);
	close(fds[1]);
}

static const struct test tests[] = {
	TEST(arrays_that_cannot_be_are_refused),
	TEST(options_that_cannot_be_are_refused),
	TEST(numbers_that_are_no_calls_have_an_answer),
	TEST(chain_that_leads_to_itself_ends),
	TEST(chain_that_leads_back_ends),
	TEST(link_out_of_the_array_ends_the_chain),
	TEST(entry_that_two_chains_lead_to_is_executed_once),
	TEST(chain_ends_after_its_longest_length),
	TEST(held_entry_without_a_head_is_never_begun),
	TEST(argument_from_before_the_chain_has_an_answer),
	TEST(submissions_that_cannot_be_are_refused),
	TEST(waits_with_wrong_flags_or_tickets_are_refused),
	TEST(extreme_times_are_for_ever_or_now),
	TEST(executor_of_an_array_that_is_unmapped_dies_of_sigsegv),
	TEST(arguments_that_point_nowhere_are_efault),
	TEST(end_lets_running_calls_and_their_chains_complete),
};
TEST_MAIN(tests)

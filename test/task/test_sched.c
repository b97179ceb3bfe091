/*
 * test_sched.c - what sched.h and trace.h promise: hooks, stop, both clocks, seeds,
 * the ring. And of task.h: the limit of tasks, stacks, their overflow.
 */
#include "test/task/task_test.h"

#include <errno.h>
#include <fenv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MILLISECOND_NS 1000000u

static const struct sched_options real_clock = { .virtual_clock = false };
static struct waitq queue;

/* Hooks. */

static unsigned int polls, idles;
static uint64_t idle_deadline;

static void wait_here(void *arg) MAY_YIELD;
static void wait_here(void *arg)
{
	unsigned int count = *(unsigned int *)arg;

	while (count-- > 0)
		CHECK_INT(waitq_wait(&queue, TASK_FOREVER, WAIT_CANCELLABLE), 0);
	sched_stop();
}

static bool poll_wakes(void *ctx)
{
	CHECK(task_self() == NULL);
	CHECK(ctx == &queue);
	polls++;
	if (idles == 0)
		return false;
	waitq_wake_one(&queue);
	return true;
}

static void idle_counts(void *ctx, uint64_t deadline_ns)
{
	CHECK(ctx == &queue);
	idles++;
	idle_deadline = deadline_ns;
}

static void poll_is_asked_before_the_loop_idles(void)
{
	const struct sched_hooks hooks = { poll_wakes, idle_counts, &queue };

	begin_world_with(&real_clock, &hooks);
	waitq_init(&queue);
	spawn("a", wait_here, &(unsigned int){ 10 });
	sched_run();
	CHECK_INT(task_count(), 0);
	CHECK(polls >= 10 && idles >= 1);
	CHECK(idle_deadline == TASK_FOREVER);
	end_world();
}

static bool seen_by_poll;

static bool poll_sees(void *ctx)
{
	(void)ctx;
	seen_by_poll = true;
	return false;
}

static void yield_until_polled(void *arg) MAY_YIELD;
static void yield_until_polled(void *arg)
{
	unsigned int runs = 0;

	(void)arg;
	while (!seen_by_poll) {
		CHECK(runs++ < 100);
		task_yield();
	}
}

static unsigned int poll_count;

static bool poll_counts(void *ctx)
{
	(void)ctx;
	poll_count++;
	return false;
}

static void work_and_yield(void *arg) MAY_YIELD;
static void work_and_yield(void *arg)
{
	const unsigned int *others = arg;
	unsigned int before = poll_count;

	for (unsigned int i = 0; i < 10; i++)
		task_yield();
	/* Each of the others, and then a look: not for every yield of every one. */
	CHECK(poll_count - before >= 9);
	CHECK(poll_count - before <= 11 + *others);
}

static void who_yields_lets_poll_look(void)
{
	const struct sched_hooks hooks = { .poll = poll_counts };
	unsigned int others;

	begin_world_with(&real_clock, &hooks);
	for (others = 0; others < 4; others += 3) {
		for (unsigned int i = 0; i <= others; i++)
			spawn("works", work_and_yield, &others);
		CHECK_INT(sched_run_until_idle(), 0);
	}
	end_world();
}

static void a_busy_system_still_polls(void)
{
	const struct sched_hooks hooks = { .poll = poll_sees };

	begin_world_with(&real_clock, &hooks);
	for (int i = 0; i < 3; i++) {
		seen_by_poll = false;
		for (int tasks = 0; tasks <= i; tasks++)
			spawn("busy", yield_until_polled, NULL);
		CHECK_INT(sched_run_until_idle(), 0);
	}
	end_world();
}

static void sleep_real(void *arg) MAY_YIELD;
static void sleep_real(void *arg)
{
	uint64_t until = clock_now_ns() + *(uint64_t *)arg;

	CHECK_INT(task_sleep_until(until), 0);
	CHECK(clock_now_ns() >= until);
	sched_stop();
}

static void without_an_idle_hook_the_loop_sleeps_until_the_deadline(void)
{
	uint64_t length = 5 * MILLISECOND_NS;
	struct rusage before, after;

	begin_world_with(&real_clock, NULL);
	spawn("sleeper", sleep_real, &length);
	getrusage(RUSAGE_SELF, &before);
	sched_run();
	getrusage(RUSAGE_SELF, &after);
	CHECK(after.ru_nvcsw > before.ru_nvcsw); /* it did sleep, and did not spin */
	end_world();
}

static void idle_checks_deadline(void *ctx, uint64_t deadline_ns)
{
	(void)ctx;
	idles++;
	CHECK(deadline_ns != TASK_FOREVER);
}

static void the_idle_hook_may_return_early(void)
{
	const struct sched_hooks hooks = { .idle = idle_checks_deadline };
	uint64_t length = MILLISECOND_NS;

	begin_world_with(&real_clock, &hooks);
	spawn("sleeper", sleep_real, &length);
	sched_run();
	CHECK(idles > 1);
	end_world();
}

static void yield_while_sleeper_sleeps(void *arg) MAY_YIELD;
static void yield_while_sleeper_sleeps(void *arg)
{
	(void)arg;
	while (task_count() > 1)
		task_yield();
}

static void timers_pass_in_a_busy_system(void)
{
	uint64_t length = MILLISECOND_NS;

	begin_world_with(&real_clock, NULL);
	spawn("sleeper", sleep_real, &length);
	spawn("busy", yield_while_sleeper_sleeps, NULL);
	sched_run();
	CHECK_INT(sched_run_until_idle(), 0);
	end_world();
}

static void run_until_idle_does_not_wait_for_real_time(void)
{
	uint64_t length = 20 * MILLISECOND_NS;

	begin_world_with(&real_clock, NULL);
	spawn("sleeper", sleep_real, &length);
	CHECK_INT(sched_run_until_idle(), 1);
	sched_run();
	end_world();
}

static void stop_only(void *arg)
{
	(void)arg;
	sched_stop();
}

static void a_stop_before_run_counts_for_that_run(void)
{
	begin_world();
	sched_stop();
	sched_run();
	spawn("stopper", stop_only, NULL);
	sched_run();
	end_world();
}

/* The virtual clock, seeds. */

static void work_and_sleep(void *arg) MAY_YIELD;
static void work_and_sleep(void *arg)
{
	uint64_t number = (uint64_t)(uintptr_t)arg;

	for (uint64_t i = 0; i < 4; i++) {
		uint64_t before = clock_now_ns();

		task_yield();
		CHECK_INT(clock_now_ns(), before); /* it stands still while a task is ready */
		SAY("%llu at %llu", (unsigned long long)number, (unsigned long long)before);
		CHECK_INT(task_sleep_until(before + 1 + number % 3), 0);
	}
}

static void run_seeded(uint64_t seed, char *ret_text, size_t size)
{
	begin_seeded_world(seed);
	for (uintptr_t i = 0; i < 6; i++)
		spawn("w", work_and_sleep, (void *)i);
	CHECK_INT(sched_run_until_idle(), 0);
	snprintf(ret_text, size, "%s", seen_trace());
	end_world();
}

static void the_same_seed_gives_the_same_run_and_seeds_differ(void)
{
	static char first[4096], again[4096], other[4096];
	unsigned int different = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		run_seeded(seed, first, sizeof(first));
		run_seeded(seed, again, sizeof(again));
		CHECK_STR(again, first);
		run_seeded(seed + 1000, other, sizeof(other));
		different += strcmp(first, other) != 0;
	}
	CHECK(different > SEEDS / 2);
}

static void sleep_in_virtual_time(void *arg) MAY_YIELD;
static void sleep_in_virtual_time(void *arg)
{
	(void)arg;
	CHECK_INT(task_sleep_until(3600u * 1000u * (uint64_t)MILLISECOND_NS), 0);
	sched_stop();
}

static void virtual_time_passes_when_all_wait(void)
{
	begin_world();
	spawn("sleeper", sleep_in_virtual_time, NULL);
	sched_run();
	CHECK_INT(clock_now_ns(), 3600u * 1000u * (uint64_t)MILLISECOND_NS);
	end_world();
}

/* The ring of the trace. */

static void a_full_ring_loses_its_oldest_lines(void)
{
	char text[2 * TRACE_LINE_MAX];

	CHECK_INT(trace_start(TRACE_USER, TRACE_LINE_MAX), 0);
	for (int i = 0; i < 1000; i++)
		SAY("%-30d|", i);
	CHECK_INT(trace_take(text, sizeof(text)), 256 / 32 * 32);
	for (int i = 0; i < 8; i++)
		CHECK_INT(atoi(text + (size_t)32 * i), 992 + i);
	CHECK_INT(trace_take(text, sizeof(text)), 0);
	trace_stop();
}

static void a_long_line_is_cut_and_an_unwanted_kind_not_kept(void)
{
	char text[2 * TRACE_LINE_MAX];

	CHECK_INT(trace_start(TRACE_USER, 4 * (size_t)TRACE_LINE_MAX), 0);
	TRACE(TRACE_PORT, "not wanted");
	SAY("%500d", 1);
	CHECK_INT(trace_take(text, sizeof(text)), TRACE_LINE_MAX - 1);
	CHECK_INT(text[TRACE_LINE_MAX - 2], '\n');
	trace_stop();
	SAY("off");
}

/* Tasks and stacks. */

static void wait_for_all(void *arg) MAY_YIELD;
static void wait_for_all(void *arg)
{
	(void)arg;
	CHECK_INT(waitq_wait(&queue, TASK_FOREVER, WAIT_CANCELLABLE), 0);
}

static void the_limit_of_tasks_is_an_answer(void)
{
	const struct sched_options options = { .virtual_clock = true, .task_limit = 100 };

	begin_world_with(&options, NULL);
	waitq_init(&queue);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 100; i++)
			spawn("t", wait_for_all, NULL);
		CHECK_INT(task_start(NULL, "one more", wait_for_all, NULL), -EAGAIN);
		CHECK_INT(sched_run_until_idle(), 100);
		waitq_wake_all(&queue);
		CHECK_INT(sched_run_until_idle(), 0);
	}
	end_world();
}

static void so_many_tasks_as_the_default_allows(void)
{
	unsigned int count = 0;

	if (test_sanitized)
		SKIP("a sanitizer has fewer fibers and larger stacks");
	begin_world();
	waitq_init(&queue);
	while (task_start(NULL, "t", wait_for_all, NULL) == 0)
		count++;
	CHECK_INT(count, 16384);
	CHECK_INT(sched_run_until_idle(), 16384);
	waitq_wake_all(&queue);
	CHECK_INT(sched_run_until_idle(), 0);
	end_world();
}

static void without_memory_starting_is_an_answer(void)
{
	struct rlimit little = { 64u << 20, 64u << 20 };
	unsigned int count = 0;
	int r;

	if (test_sanitized)
		SKIP("a sanitizer reserves more address space than can be limited");
	begin_world();
	waitq_init(&queue);
	CHECK_INT(setrlimit(RLIMIT_AS, &little), 0);
	while ((r = task_start(NULL, "t", wait_for_all, NULL)) == 0)
		count++;
	CHECK_INT(r, -ENOMEM);
	CHECK(count > 100);
	CHECK_INT(sched_run_until_idle(), count);
	waitq_wake_all(&queue);
	CHECK_INT(sched_run_until_idle(), 0);
	spawn("again", wait_for_all, NULL);
	CHECK_INT(sched_run_until_idle(), 1);
	waitq_wake_all(&queue);
	CHECK_INT(sched_run_until_idle(), 0);
	end_world();
}

static unsigned int mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned int count = 0;
	int c;

	CHECK(maps != NULL);
	while ((c = getc(maps)) != EOF)
		count += c == '\n';
	fclose(maps);
	return count;
}

static void unused_stacks_go_back_to_the_host(void)
{
	unsigned int at_first;

	begin_world();
	waitq_init(&queue);
	at_first = mappings();
	for (int i = 0; i < 1000; i++)
		spawn("t", wait_for_all, NULL);
	CHECK_INT(sched_run_until_idle(), 1000);
	if (!test_sanitized)
		CHECK(mappings() > at_first + 1000);
	waitq_wake_all(&queue);
	CHECK_INT(sched_run_until_idle(), 0);
	CHECK(mappings() < at_first + 300 || test_sanitized); /* 64 are kept */
	end_world();
}

/* A sum that needs its frames: each is used again after the call below returns. */
__attribute__((noinline)) static unsigned int use_stack(unsigned int depth)
{
	volatile char frame[1024];

	memset((char *)(uintptr_t)frame, (int)depth, sizeof(frame));
	if (depth == 0)
		return 0;
	return use_stack(depth - 1) + (unsigned char)frame[depth % sizeof(frame)];
}

static void use_most_of_the_stack(void *arg)
{
	unsigned int *ret_sum = arg;

	*ret_sum = use_stack(TASK_STACK_SIZE / 1400);
}

static void a_task_may_use_the_stack_it_was_promised(void)
{
	unsigned int sum = 0;

	begin_world();
	spawn("deep", use_most_of_the_stack, &sum);
	CHECK_INT(sched_run_until_idle(), 0);
	CHECK(sum > 0);
	end_world();
}

static void use_too_much(void *arg)
{
	*(unsigned int *)arg = use_stack(100000);
}

/* Run `fn` as a task of a child process. Returns its wait status and what it wrote to stderr. */
static int run_in_child(task_fn *fn, char *ret_text, size_t size)
{
	int pipe_fds[2], status;
	size_t length = 0;
	ssize_t got;
	pid_t pid;

	CHECK_INT(pipe(pipe_fds), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		static unsigned int sum;
		struct rlimit no_core = { 0, 0 };

		dup2(pipe_fds[1], STDERR_FILENO);
		setrlimit(RLIMIT_CORE, &no_core);
		begin_world();
		spawn("deep diver", fn, &sum);
		(void)sched_run_until_idle();
		_exit(0);
	}
	close(pipe_fds[1]);
	while ((got = read(pipe_fds[0], ret_text + length, size - 1 - length)) > 0)
		length += (size_t)got;
	ret_text[length] = '\0';
	close(pipe_fds[0]);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	return status;
}

static void overflow_ends_the_process_with_a_message(void)
{
	static char text[4096];
	int status = run_in_child(use_too_much, text, sizeof(text));

	CHECK(WIFSIGNALED(status));
	CHECK_INT(WTERMSIG(status), SIGSEGV);
	CHECK(strstr(text, "hascall: stack overflow: task \"deep diver\" needs more than its "));
	if (!test_sanitized)
		CHECK_STR(text, "hascall: stack overflow: task \"deep diver\" needs more than its "
				"65536 bytes of stack\n");
}

static void touch_nowhere(void *arg)
{
	static volatile uintptr_t nowhere = 64;

	(void)arg;
	*(volatile int *)nowhere = 1;
}

static void another_fault_is_not_called_an_overflow(void)
{
	static char text[4096];
	int status = run_in_child(touch_nowhere, text, sizeof(text));

	CHECK(status != 0);
	CHECK(!strstr(text, "hascall: stack overflow"));
}

/* A switch keeps what the ABI says a call keeps: here, the rounding mode. */

static void round_up(void *arg) MAY_YIELD;
static void round_up(void *arg)
{
	(void)arg;
	CHECK_INT(fegetround(), FE_TONEAREST);
	fesetround(FE_UPWARD);
	for (int i = 0; i < 3; i++) {
		task_yield();
		CHECK_INT(fegetround(), FE_UPWARD);
	}
}

static void rounding_belongs_to_the_task(void)
{
	begin_world();
	for (int i = 0; i < 3; i++)
		spawn("t", round_up, NULL);
	CHECK_INT(sched_run_until_idle(), 0);
	CHECK_INT(fegetround(), FE_TONEAREST);
	end_world();
}

static const struct test tests[] = {
	TEST(poll_is_asked_before_the_loop_idles),
	TEST(a_busy_system_still_polls),
	TEST(who_yields_lets_poll_look),
	TEST(without_an_idle_hook_the_loop_sleeps_until_the_deadline),
	TEST(the_idle_hook_may_return_early),
	TEST(timers_pass_in_a_busy_system),
	TEST(run_until_idle_does_not_wait_for_real_time),
	TEST(a_stop_before_run_counts_for_that_run),
	TEST(the_same_seed_gives_the_same_run_and_seeds_differ),
	TEST(virtual_time_passes_when_all_wait),
	TEST(a_full_ring_loses_its_oldest_lines),
	TEST(a_long_line_is_cut_and_an_unwanted_kind_not_kept),
	TEST(the_limit_of_tasks_is_an_answer),
	TEST(so_many_tasks_as_the_default_allows),
	TEST(without_memory_starting_is_an_answer),
	TEST(unused_stacks_go_back_to_the_host),
	TEST(a_task_may_use_the_stack_it_was_promised),
	TEST(overflow_ends_the_process_with_a_message),
	TEST(another_fault_is_not_called_an_overflow),
	TEST(rounding_belongs_to_the_task),
};
TEST_MAIN(tests)

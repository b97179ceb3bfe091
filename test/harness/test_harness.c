/*
 * test_harness.c - what harness.h promises: a failing, hanging, crashing or
 * leaking test is reported as such, and the others still run.
 *
 * Each test runs a second harness inside, over a table of bad tests, and reads
 * its exit status.
 */
#include "test/harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void passes(void)
{
}

static void fails(void)
{
	CHECK_INT(1 + 1, 3);
}

static void fails_in_a_string(void)
{
	CHECK_STR("seen", "wanted");
}

static void fails_in_a_forked_process(void)
{
	if (fork() == 0)
		CHECK(false);
	CHECK(wait(NULL) > 0);
}

static void *fail_in_thread(void *arg)
{
	CHECK(arg != NULL);
	return NULL;
}

static void fails_in_a_thread(void)
{
	pthread_t thread;

	CHECK_INT(pthread_create(&thread, NULL, fail_in_thread, NULL), 0);
	pthread_join(thread, NULL);
}

static void is_killed(void)
{
	raise(SIGKILL);
}

static void hangs(void)
{
	for (;;)
		pause();
}

static void leaves_a_descriptor(void)
{
	CHECK(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

static void leaves_a_process(void)
{
	if (fork() == 0) {
		setsid(); /* out of the test's process group */
		for (;;)
			pause();
	}
}

static void is_skipped(void)
{
	SKIP("nothing is %s", "missing");
}

static const struct test inner[] = {
	TEST(passes),
	TEST(fails),
	TEST(fails_in_a_string),
	TEST(fails_in_a_forked_process),
	TEST(fails_in_a_thread),
	TEST(is_killed),
	TEST_LONG(hangs, 1),
	TEST(leaves_a_descriptor),
	TEST(leaves_a_process),
	TEST(is_skipped),
};

/* Run one inner test as its program would; its TAP goes to `out`. Returns the exit status. */
static int run_inner(const char *name, char *out, size_t size)
{
	char program[] = "inner", copy[64];
	char *argv[] = { program, copy, NULL };
	int pipes[2], status;
	size_t used = 0;
	ssize_t got;
	pid_t pid;

	CHECK_INT(pipe(pipes), 0);
	strncpy(copy, name, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = '\0';
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		exit(test_main(2, argv, inner, ARRAY_COUNT(inner)));
	}
	close(pipes[1]);
	while (used < size - 1 && (got = read(pipes[0], out + used, size - 1 - used)) > 0)
		used += (size_t)got;
	out[used] = '\0';
	close(pipes[0]);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_test_that_returns_has_passed(void)
{
	char out[256];

	CHECK_INT(run_inner("passes", out, sizeof(out)), 0);
	CHECK_STR(out, "1..1\nok 1 - passes\n");
}

static void a_skipped_test_says_why(void)
{
	char out[256];

	CHECK_INT(run_inner("is_skipped", out, sizeof(out)), 0);
	CHECK_STR(out, "1..1\nok 1 - is skipped # SKIP nothing is missing\n");
}

static void a_failed_check_is_reported(void)
{
	char out[256];

	CHECK_INT(run_inner("fails", out, sizeof(out)), 1);
	CHECK_STR(out, "1..1\nnot ok 1 - fails\n");
	CHECK_INT(run_inner("fails_in_a_string", out, sizeof(out)), 1);
	CHECK_INT(run_inner("fails_in_a_thread", out, sizeof(out)), 1);
}

static void a_check_in_a_forked_process_counts(void)
{
	char out[256];

	CHECK_INT(run_inner("fails_in_a_forked_process", out, sizeof(out)), 1);
}

static void a_test_killed_by_a_signal_has_failed(void)
{
	char out[256];

	CHECK_INT(run_inner("is_killed", out, sizeof(out)), 1);
}

static void a_test_that_hangs_is_ended(void)
{
	char out[256];

	CHECK_INT(run_inner("hangs", out, sizeof(out)), 1);
	CHECK_STR(out, "1..1\nnot ok 1 - hangs\n");
}

static void a_descriptor_left_open_is_a_failure(void)
{
	char out[256];

	CHECK_INT(run_inner("leaves_a_descriptor", out, sizeof(out)), 1);
}

static void a_process_left_alive_is_a_failure(void)
{
	char out[256];

	CHECK_INT(run_inner("leaves_a_process", out, sizeof(out)), 1);
}

static void an_unknown_name_is_wrong_usage(void)
{
	char out[256];

	CHECK_INT(run_inner("no_such_test", out, sizeof(out)), 2);
}

static const struct test tests[] = {
	TEST(a_test_that_returns_has_passed),	    TEST(a_skipped_test_says_why),
	TEST(a_failed_check_is_reported),	    TEST(a_check_in_a_forked_process_counts),
	TEST(a_test_killed_by_a_signal_has_failed), TEST(a_test_that_hangs_is_ended),
	TEST(a_descriptor_left_open_is_a_failure),  TEST(a_process_left_alive_is_a_failure),
	TEST(an_unknown_name_is_wrong_usage),
};
TEST_MAIN(tests)

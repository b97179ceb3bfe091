/*
 * test_shim.c - what the shim promises a program (run/shim/shim.h), with the fake
 * manager in the manager's place: registers, memory, signals, threads and forks behave
 * as under the kernel.
 */
#include "hascall/run_abi.h"
#include "test/harness.h"
#include "test/run/fake_manager.h"

#include <sched.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

static char out[65536];

static void runs(const char *guest, const char *job, const char *wanted)
{
	char *const argv[] = { (char *)(uintptr_t) "guest", (char *)(uintptr_t)job, NULL };
	int status = fake_run(guest, argv, out, sizeof(out));

	CHECK_STR(out, wanted);
	CHECK_INT(status, 0);
}

static void a_program_finds_its_arguments_on_the_stack(void)
{
	char *const argv[] = { (char *)(uintptr_t) "guest", (char *)(uintptr_t) "arguments",
			       (char *)(uintptr_t) "", NULL };

	CHECK_INT(WEXITSTATUS(fake_run(GUEST, argv, out, sizeof(out))), 7);
	CHECK_STR(out, "guest\narguments\n\n/\npage 4096\nrandom 1\n");
}

static void a_relocatable_program_runs_too(void)
{
	runs(GUEST_PIE, "memory", "grow 1\nshrink 1\nbig 300000\nright 1\n");
}

static void a_signal_to_oneself_arrives_before_kill_returns(void)
{
	runs(GUEST, "signal", "seen 100\nsum4 201\n");
}

static void a_handler_cuts_a_call_short_or_lets_it_restart(void)
{
	runs(GUEST, "interrupted", "read -1\neintr 1\nseen 1\nseen 2\n");
}

static void a_bad_pointer_is_efault_and_a_bad_access_a_signal(void)
{
	runs(GUEST, "faults",
	     "write -1\nefault 1\npread -1\nefault 1\nparts\nwrite 6\npread 6\nlast 5\n"
	     "caught 11\nagain 11\n");
}

static void handlers_run_on_the_programs_own_alternate_stack(void)
{
	runs(GUEST, "altstack", "set 0\nonstack 1\nafter 0\n");
}

static void blocked_signals_wait_and_sigsuspend_lets_them_in(void)
{
	runs(GUEST, "masks", "blocked 0\npending 1\ndelivered 1\nsuspended 2\neintr 1\n");
}

static void a_wait_for_signals_takes_them_or_is_cut_short(void)
{
	runs(GUEST, "sigwait",
	     "taken 10\ncode 0\ntimeout -1\neagain 1\ncut short -1\neintr 1\nseen 1\nefault -1\n");
}

static void threads_make_calls_side_by_side(void)
{
	runs(GUEST, "threads", "total 32000\n");
}

static void a_thread_is_known_as_soon_as_its_maker_goes_on(void)
{
	runs(GUEST, "newthread", "seen 200\n");
}

static void forked_children_speak_for_themselves(void)
{
	runs(GUEST, "forks", "good 50\n");
}

static void a_spawn_that_cannot_exec_tells_its_parent(void)
{
	runs(GUEST, "spawn", "spawn 38\n");
}

static void memory_grows_and_large_reads_come_whole(void)
{
	runs(GUEST, "memory", "grow 1\nshrink 1\nbig 300000\nright 1\n");
}

static void calls_by_stub_take_signals_and_restart_like_trapped_ones(void)
{
	runs(GUEST, "stub",
	     "seen 1000\nsum4 2001\nblocked 1000\nunblocked 1001\npread 8\nbyte 6\nefault -14\n"
	     "eintr -4\nseen 1003\n");
}

/* A manager that is awake, and on each processor by turns. */
static void runs_beside(const char *job, uint32_t flags, const char *wanted)
{
	cpu_set_t allowed;

	CHECK_INT(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	if (CPU_COUNT(&allowed) < 2)
		SKIP("one processor");
	fake_manner.passes = (unsigned int)get_nprocs_conf();
	fake_manner.flags = flags;
	runs(GUEST, job, wanted);
}

static void a_thread_leaves_the_managers_processor_and_keeps_its_mask(void)
{
	runs_beside("moves", 0, "elsewhere 1\nmask kept 1\n");
}

static void a_thread_whose_calls_wait_stays_where_it_is(void)
{
	runs_beside("stays", RUN_REPLY_WAITED, "elsewhere 0\nmask kept 1\n");
}

static void a_thread_that_may_run_on_one_processor_stays_there(void)
{
	runs_beside("pinned", 0, "set 0\nelsewhere 0\nmask kept 1\n");
}

static void a_crash_has_the_status_of_its_signal(void)
{
	char *const argv[] = { (char *)(uintptr_t) "guest", (char *)(uintptr_t) "crash", NULL };
	int status = fake_run(GUEST, argv, out, sizeof(out));

	CHECK(WIFSIGNALED(status));
	CHECK_INT(WTERMSIG(status), 11);
}

static const struct test tests[] = {
	TEST(a_program_finds_its_arguments_on_the_stack),
	TEST(a_relocatable_program_runs_too),
	TEST(a_signal_to_oneself_arrives_before_kill_returns),
	TEST(a_handler_cuts_a_call_short_or_lets_it_restart),
	TEST(a_bad_pointer_is_efault_and_a_bad_access_a_signal),
	TEST(handlers_run_on_the_programs_own_alternate_stack),
	TEST(blocked_signals_wait_and_sigsuspend_lets_them_in),
	TEST(a_wait_for_signals_takes_them_or_is_cut_short),
	TEST(threads_make_calls_side_by_side),
	TEST(a_thread_is_known_as_soon_as_its_maker_goes_on),
	TEST(forked_children_speak_for_themselves),
	TEST(a_spawn_that_cannot_exec_tells_its_parent),
	TEST(memory_grows_and_large_reads_come_whole),
	TEST(calls_by_stub_take_signals_and_restart_like_trapped_ones),
	TEST(a_thread_leaves_the_managers_processor_and_keeps_its_mask),
	TEST(a_thread_whose_calls_wait_stays_where_it_is),
	TEST(a_thread_that_may_run_on_one_processor_stays_there),
	TEST(a_crash_has_the_status_of_its_signal),
};
TEST_MAIN(tests)

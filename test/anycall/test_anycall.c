/* SPDX-License-Identifier: MIT */
/*
 * test_anycall.c - what hascall.h promises at its top: any system call may be called, the
 * results being the kernel's, but for those that are refused, which do nothing.
 */
#include "hascall/hascall.h"
#include "test/anycall/anycall.h"
#include "test/anycall/refused.h"
#include "test/harness.h"

#include <stdio.h>

#define NUMBERS_WANTED 150u

static void alike(const struct anycall_case *list)
{
	for (const struct anycall_case *c = list; c->name; c++)
		anycall_alike(c);
}

static void calls_on_open_files_are_the_kernels(void)
{
	alike(anycall_files);
}

static void calls_on_names_are_the_kernels(void)
{
	alike(anycall_names);
}

static void calls_that_wait_for_events_are_the_kernels(void)
{
	alike(anycall_events);
}

static void calls_on_sockets_are_the_kernels(void)
{
	alike(anycall_sockets);
}

static void calls_on_memory_are_the_kernels(void)
{
	alike(anycall_memory);
}

static void calls_between_processes_are_the_kernels(void)
{
	alike(anycall_ipc);
}

static void calls_about_the_process_are_the_kernels(void)
{
	alike(anycall_process);
}

static void calls_of_the_administrator_are_the_kernels(void)
{
	alike(anycall_admin);
}

/* Whatever their arguments are, vhangup and sync act on the machine; msgget makes a queue there. */
static bool has_side_effects(uint32_t num)
{
	return num == SYS_vhangup || num == SYS_sync || num == SYS_msgget;
}

static void call_with_bad_arguments(struct run *run)
{
	static const uint64_t bad[6] = { -1, -1, -1, -1, -1, -1 };
	char name[16];

	for (uint32_t num = 0; num < ANYCALL_NUMBERS; num++) {
		if (hascall_check(num, bad, NULL) != 0 || has_side_effects(num))
			continue;
		snprintf(name, sizeof(name), "%u", num);
		anycall_call(run, name, num, bad, ANYCALL_HIDE);
	}
}

static void every_call_with_bad_arguments_has_the_kernels_error(void)
{
	static const struct anycall_case bad = { "bad arguments", call_with_bad_arguments };

	anycall_alike(&bad);
}

static void a_hundred_and_fifty_calls_are_compared(void)
{
	static const struct anycall_case *const lists[] = {
		anycall_files,	anycall_names, anycall_events,	anycall_sockets,
		anycall_memory, anycall_ipc,   anycall_process, anycall_admin,
	};
	uint8_t called[ANYCALL_NUMBERS] = { 0 };
	uint32_t count = 0;

	for (size_t i = 0; i < ARRAY_COUNT(lists); i++)
		for (const struct anycall_case *c = lists[i]; c->name; c++)
			anycall_count(c, called);
	for (uint32_t num = 0; num < ANYCALL_NUMBERS; num++)
		count += called[num];
	printf("# %u system calls compared\n", count);
	CHECK(count >= NUMBERS_WANTED);
}

static void a_refused_call_changes_nothing_in_a_worker(void)
{
	refused_changes_nothing(0);
}

static void a_refused_call_changes_nothing_in_a_wait(void)
{
	refused_changes_nothing(HASCALL_HELP);
}

static void what_is_no_call_is_refused(void)
{
	refused_all_numbers();
}

static const struct test tests[] = {
	TEST_LONG(calls_on_open_files_are_the_kernels, 30),
	TEST(calls_on_names_are_the_kernels),
	TEST(calls_that_wait_for_events_are_the_kernels),
	TEST(calls_on_sockets_are_the_kernels),
	TEST(calls_on_memory_are_the_kernels),
	TEST(calls_between_processes_are_the_kernels),
	TEST(calls_about_the_process_are_the_kernels),
	TEST(calls_of_the_administrator_are_the_kernels),
	TEST(every_call_with_bad_arguments_has_the_kernels_error),
	TEST_LONG(a_hundred_and_fifty_calls_are_compared, 60),
	TEST(a_refused_call_changes_nothing_in_a_worker),
	TEST(a_refused_call_changes_nothing_in_a_wait),
	TEST(what_is_no_call_is_refused),
};
TEST_MAIN(tests)

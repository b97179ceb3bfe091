/*
 * test_crash.c - after a power cut at any place, with any of the writes since the last flush
 * on the disk or not, whole or torn: an image mounts, e2fsck finds nothing, what was synced is
 * there, each change of names is there or not, and no file has bytes that nobody wrote
 * to it.
 */
#include "test/crash/workloads.h"

static void a_power_cut_among_changes_of_names(void)
{
	crash_test(&crash_names_1k);
	crash_test(&crash_names_4k);
}

static void a_power_cut_among_writes(void)
{
	crash_test(&crash_bytes_1k);
	crash_test(&crash_bytes_4k);
}

static void who_replaces_a_file_has_all_of_the_new_or_the_old(void)
{
	crash_test(&crash_replace);
}

static void a_power_cut_among_big_files_with_holes(void)
{
	crash_test(&crash_big_files);
}

static void a_power_cut_while_trees_come_and_go(void)
{
	crash_test(&crash_many_small);
}

static void a_power_cut_while_directories_split(void)
{
	crash_test(&crash_split);
}

static void files_without_a_name_are_gone_after_a_power_cut(void)
{
	crash_test(&crash_orphans);
}

static void a_power_cut_while_many_tasks_work(void)
{
	crash_test(&crash_together);
}

static void a_power_cut_while_the_log_is_full(void)
{
	crash_test(&crash_full_log);
	CHECK(crash_checkpoints > 0);
}

static void a_power_cut_while_the_cache_is_full(void)
{
	crash_test(&crash_small_cache);
}

static void an_overlay_shows_each_change_done_or_not_begun(void)
{
	crash_test(&crash_overlay);
	crash_test(&crash_overlay_together);
}

#define LIMIT 3600
static const struct test tests[] = {
	TEST_LONG(a_power_cut_among_changes_of_names, LIMIT),
	TEST_LONG(a_power_cut_among_writes, LIMIT),
	TEST_LONG(who_replaces_a_file_has_all_of_the_new_or_the_old, LIMIT),
	TEST_LONG(a_power_cut_among_big_files_with_holes, LIMIT),
	TEST_LONG(a_power_cut_while_trees_come_and_go, LIMIT),
	TEST_LONG(a_power_cut_while_directories_split, LIMIT),
	TEST_LONG(files_without_a_name_are_gone_after_a_power_cut, LIMIT),
	TEST_LONG(a_power_cut_while_many_tasks_work, LIMIT),
	TEST_LONG(a_power_cut_while_the_log_is_full, LIMIT),
	TEST_LONG(a_power_cut_while_the_cache_is_full, LIMIT),
	TEST_LONG(an_overlay_shows_each_change_done_or_not_begun, LIMIT),
};
TEST_MAIN(tests)

#ifndef TEST_CRASH_WORKLOADS_H
#define TEST_CRASH_WORKLOADS_H
/*
 * workloads.h - the kinds of work after which the power goes. Layer: test.
 */
#include "test/crash/crash.h"

extern const struct crash_options crash_names_1k, crash_names_4k, crash_bytes_1k, crash_bytes_4k,
	crash_replace, crash_big_files, crash_many_small, crash_split, crash_orphans,
	crash_together, crash_full_log, crash_small_cache, crash_overlay, crash_overlay_together;

#endif /* TEST_CRASH_WORKLOADS_H */

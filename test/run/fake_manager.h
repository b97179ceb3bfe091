#ifndef TEST_RUN_FAKE_MANAGER_H
#define TEST_RUN_FAKE_MANAGER_H
/*
 * fake_manager.h - just enough of a manager to test the shim alone: it serves the
 * shim's own calls (start, fork, threads) for a few processes and passes a handful of
 * plain calls on to the host. Layer: test.
 *
 * Limit    FAKE_CLIENTS address spaces.
 * Thread   one; fake_run() serves until the first process ended.
 */
#include "base/cc.h"

#define FAKE_CLIENTS 16u

/* Run a static program under the shim. Its wait status; its output in `out` (NUL-terminated). */
int fake_run(const char *program, char *const argv[], char *out, size_t out_size);

#endif /* TEST_RUN_FAKE_MANAGER_H */

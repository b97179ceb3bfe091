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

#include <stdint.h>

#define FAKE_CLIENTS 16u

/*
 * What the fake manager says of itself. passes: the processor it is on, another one with each
 * call, of so many (0: none). flags: of every plain reply.
 */
extern struct fake_manner {
	unsigned int passes;
	uint32_t flags;
} fake_manner;

/* Run a static program under the shim. Its wait status; its output in `out` (NUL-terminated). */
int fake_run(const char *program, char *const argv[], char *out, size_t out_size);

#endif /* TEST_RUN_FAKE_MANAGER_H */

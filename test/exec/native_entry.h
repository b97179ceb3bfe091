#ifndef TEST_EXEC_NATIVE_ENTRY_H
#define TEST_EXEC_NATIVE_ENTRY_H
/*
 * native_entry.h - stands at RUN_STUB_ENTRY in place of the shim: makes the call of the
 * stub itself, and counts it. Layer: test.
 *
 * Thread   any number; also processes forked after native_entry_map() count here.
 */
#include "base/cc.h"

void native_entry_map(void);
unsigned int native_entry_calls(void);

#endif /* TEST_EXEC_NATIVE_ENTRY_H */

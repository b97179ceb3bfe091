#ifndef TASK_TRACE_H
#define TASK_TRACE_H
/*
 * trace.h - what happened, one line an event, in a ring. Layer: task.
 *
 * Tests compare the text: it fixes the order of events and who waited. A line
 * has no time and no address in it, so that the same seed gives the same text.
 *
 * Order    lines stand in the order in which they were written.
 * Limit    a line has TRACE_LINE_MAX bytes, longer ones are cut; a full ring loses
 *          its oldest lines.
 * Thread   scheduler thread only. Off: one load and one branch an event.
 */
#include "base/cc.h"

#define TRACE_LINE_MAX 256u

enum trace_kind {
	TRACE_TASK = 1 << 0, /* every change of a task's state */
	TRACE_PORT = 1 << 1,
	TRACE_LOCK = 1 << 2, /* sleep-locks and semaphores */
	TRACE_DEVICE = 1 << 3,
	TRACE_USER = 1 << 4, /* what a test itself says */
};

/* Keep lines of these kinds (bits of enum trace_kind) in a ring of `size` bytes. 0 or -ENOMEM. */
MUST_USE int trace_start(unsigned int kinds, size_t size);
void trace_stop(void); /* and forget what was kept */

/* Take the text kept so far, at most size - 1 bytes and a NUL, out of the ring. Its length. */
size_t trace_take(char *ret_text, size_t size);

#define TRACE(kind, ...)                                       \
	do {                                                   \
		if (__builtin_expect(trace_kinds & (kind), 0)) \
			trace_line(__VA_ARGS__);               \
	} while (0)

/* For the macro. */
extern unsigned int trace_kinds;
void trace_line(const char *format, ...) PRINTF_LIKE(1, 2);

#endif /* TASK_TRACE_H */

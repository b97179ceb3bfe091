#ifndef BASE_CC_H
#define BASE_CC_H
/*
 * cc.h - the few words this project adds to C. Layer: base.
 *
 * Thread: none of these has state.
 */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/*
 * A function that may give up the processor says MAY_YIELD. Clang's thread
 * safety analysis then refuses a call to it from a function that does not say
 * so too, or from between no_yield_begin() and no_yield_end(). The "role" is a
 * lock that exists only for that checker; gcc sees nothing.
 */
#if defined(__clang__)
#define TSA(x) __attribute__((x))
#else
#define TSA(x)
#endif
struct TSA(capability("role")) role {
	int unused;
};
extern struct role in_task; /* held by every task body; defined in task/task.c */
#define MAY_YIELD TSA(requires_capability(in_task))
static inline void no_yield_begin(void) TSA(release_capability(in_task))
	TSA(no_thread_safety_analysis)
{
}
static inline void no_yield_end(void) TSA(acquire_capability(in_task))
	TSA(no_thread_safety_analysis)
{
}

#endif /* BASE_CC_H */

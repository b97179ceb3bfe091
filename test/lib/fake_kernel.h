#ifndef TEST_LIB_FAKE_KERNEL_H
#define TEST_LIB_FAKE_KERNEL_H
/*
 * fake_kernel.h - executors as those of the kernel, without one: lib/kernel.h again, for tests
 * of what the library does with its answers. Layer: test.
 *
 * Order    as kmod/: an executor looks for calls while it has a place, gives the place away for
 *          the time of a call, and is parked when there is none.
 * Limit    one area at a time has the words below; more areas work, and share the counts.
 * Thread   any.
 *
 * Where it is not as the kernel: it does not know whether a call sleeps, and so gives the
 * place away for each; and an interrupted call leaves by turns the call itself, to be
 * begun again, and -EINTR as its result, as calls do that cannot be begun again.
 */
#include "base/cc.h"

/* All atomic: fake_set(), fake_get(). */
struct fake_kernel {
	long is_missing;   /* kernel_begin() gives -ENOSYS */
	long refuse;	   /* an answer below 0 that all get from now on; 0: none */
	long refuse_begun; /* after a call was claimed: it is left */
	long refuse_told;  /* an answer below 0 instead of TELL */
	long late_ms;	   /* until a call that was claimed is shown in the record */
	/* How often each was answered. */
	long begun, grow, idle, tell, interrupted, refused;
	long executed; /* calls */
};
extern struct fake_kernel fake_kernel;

static inline void fake_set(long *word, long value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static inline long fake_get(const long *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

#endif /* TEST_LIB_FAKE_KERNEL_H */

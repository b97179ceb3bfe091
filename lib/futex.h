/* SPDX-License-Identifier: MIT */
#ifndef LIB_FUTEX_H
#define LIB_FUTEX_H
/*
 * futex.h - sleep while a word has a value; wake sleepers. Layer: lib.
 *
 * Not FUTEX_PRIVATE: an entry may lie in memory shared with another process,
 * and a private wake does not reach a shared sleeper.
 */
#include "base/cc.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define FOREVER INT64_C(-1)

static inline int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

/* 0: woken, or the word differs, or a signal came: look again. -ETIMEDOUT. */
static inline int futex_wait(uint32_t *word, uint32_t value, int64_t timeout_ns)
{
	struct timespec t = { .tv_sec = timeout_ns / NS_PER_SECOND,
			      .tv_nsec = timeout_ns % NS_PER_SECOND };
	int saved_errno = errno;
	int r = 0;

	if (syscall(SYS_futex, word, FUTEX_WAIT, value, timeout_ns < 0 ? NULL : &t, NULL, 0) < 0 &&
	    errno == ETIMEDOUT)
		r = -ETIMEDOUT;
	errno = saved_errno;
	return r;
}

static inline void futex_wake(uint32_t *word, unsigned int count)
{
	int saved_errno = errno;

	syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
	errno = saved_errno;
}

#endif /* LIB_FUTEX_H */

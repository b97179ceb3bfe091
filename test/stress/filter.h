#ifndef FILTER_H
#define FILTER_H
/*
 * filter.h - seccomp filters made of lists of call numbers. Layer: test.
 */
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_NUMBERS_MAX 200

/* Listed calls get one action, all others another. */
struct filter {
	const uint32_t *number;
	size_t count;
	uint32_t listed; /* SECCOMP_RET_... */
	uint32_t others;
};

/* For the calling thread, or with SECCOMP_FILTER_FLAG_TSYNC for all. A descriptor, 0, -errno. */
int filter_install(const struct filter *f, unsigned int flags);

/* What libhascall itself calls, with the C library below it. */
extern const uint32_t library_calls[];
extern const size_t library_calls_count;

/* Only these and `more` are allowed, all others get the action. 0 or -errno. */
int filter_library_only(const uint32_t more[], size_t more_count, uint32_t others);

#endif /* FILTER_H */

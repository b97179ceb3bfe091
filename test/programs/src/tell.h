#ifndef TELL_H
#define TELL_H
/*
 * tell.h - one line for one call: its result, and the name of its error. The error is read after
 * the call, which an argument list of printf() would not promise.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

static inline void tell(const char *what, long result)
{
	if (result == -1)
		printf("%s: -1 %s\n", what, errno ? strerrorname_np(errno) : "(no error)");
	else
		printf("%s: %ld\n", what, result);
	errno = 0;
}

#endif /* TELL_H */

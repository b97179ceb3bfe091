#ifndef CMD_CP_COPY_H
#define CMD_CP_COPY_H
/*
 * cp_copy.h - copies files and trees between two sides. Layer: cmd.
 *
 * Order    a file gets its name when it is complete: until then it has one of its own,
 *          beginning with CP_TEMPORARY. A directory gets its attributes when all is in it.
 * Errors   each is told; what can be copied is. When the other side is full, or a signal
 *          says so, nothing more is begun.
 * Thread   one task.
 */
#include "cmd/cp.h"

#include <limits.h>

#define CP_TEMPORARY ".hascall-cp-"

struct cp_copy;

struct cp_copy_options {
	bool recursive;
	bool quiet; /* no progress, not even to a terminal */
};

/* NULL: no memory. `stop` is looked at now and then: a signal's number ends it all. */
struct cp_copy *cp_copy_new(const struct cp_copy_options *options, const volatile int *stop);
void cp_copy_free(struct cp_copy *c); /* NULL is fine */
/* `from` becomes `to`, whose directory is there. True: go on with the next. */
bool cp_copy_one(struct cp_copy *c, const struct cp_side *from_side, const char *from,
		 const struct cp_side *to_side, const char *to) MAY_YIELD;
/* "PATH: why", and count it. */
void cp_copy_complain(struct cp_copy *c, const struct cp_side *side, const char *path, int error);
/* What could not be kept is told; true if all was copied. */
bool cp_copy_finish(struct cp_copy *c);

#endif /* CMD_CP_COPY_H */

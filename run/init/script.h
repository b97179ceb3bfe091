#ifndef RUN_INIT_SCRIPT_H
#define RUN_INIT_SCRIPT_H
/*
 * script.h - what process 1 is told to start, line by line. Layer: run/init.
 *
 *	daemon PROGRAM [ARGUMENT...]	start it and go on at once
 *	notify PROGRAM [ARGUMENT...]	start it; go on when it says that it is ready (sd_notify(3))
 *	ready PATH [SECONDS]		go on when PATH exists; 30 seconds at most, unless told
 *	wait PROGRAM [ARGUMENT...]	run it to its end
 *	sleep SECONDS
 *	exec PROGRAM [ARGUMENT...]	become it
 *
 * Words are separated by blanks; '...', "..." and \ quote; # begins a comment.
 *
 * Limit    SCRIPT_SIZE_MAX bytes, SCRIPT_WORDS_MAX words a line.
 * Owner    the script, and with it all its words, is the caller's: script_free().
 * Errors   checked as a whole before anything is started: a message, and -EINVAL.
 */
#include "base/cc.h"

#include <stdint.h>
#include <stdio.h>

#define SCRIPT_SIZE_MAX (1u << 20)
#define SCRIPT_WORDS_MAX 128u
#define SCRIPT_READY_NS UINT64_C(30000000000)

enum script_verb {
	SCRIPT_DAEMON,
	SCRIPT_NOTIFY,
	SCRIPT_READY,
	SCRIPT_WAIT,
	SCRIPT_SLEEP,
	SCRIPT_EXEC,
};

struct script_step {
	enum script_verb verb;
	unsigned int line; /* from 1 */
	char **words;	   /* after the verb; ends with NULL */
	uint64_t ns;	   /* of sleep, and of ready */
};

struct script {
	struct script_step *steps;
	unsigned int count;
};

/* `text` has `size` bytes; `name` is for messages to `complaints`. 0, -EINVAL, -ENOMEM. */
MUST_USE int script_parse(const char *text, size_t size, const char *name, FILE *complaints,
			  struct script *ret);
void script_free(struct script *s);

#endif /* RUN_INIT_SCRIPT_H */

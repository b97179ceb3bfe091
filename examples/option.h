/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_OPTION_H
#define EXAMPLES_OPTION_H
/* option.h - numbers on a command line. */
#include <err.h>
#include <errno.h>
#include <stdlib.h>

/* The number that is the value of option `name`; else the program ends and says what may be. */
static inline unsigned int option_number(const char *text, const char *name, unsigned int min,
					 unsigned int max)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || value < min || value > max)
		errx(1, "%s is a number from %u to %u, not '%s'", name, min, max, text);
	return (unsigned int)value;
}

#endif /* EXAMPLES_OPTION_H */

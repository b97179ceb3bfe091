#include "call/exec.h"

#include <errno.h>
#include <string.h>

/*
 * Linux's rules, to the letter (test_script.c compares): a newline counts only before the
 * first NUL; without one all bytes that were read are the line, so that what follows the
 * end of a short file, a NUL, can be an empty argument.
 */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The first byte from `at` to `last` that is no blank, or NULL. */
static char *find_word(char *at, char *last)
{
	for (; at <= last; at++)
		if (!is_blank(*at))
			return at;
	return NULL;
}

/* The first byte from `at` to `last` that ends a word, or NULL. */
static char *find_word_end(char *at, char *last)
{
	for (; at <= last; at++)
		if (is_blank(*at) || *at == '\0')
			return at;
	return NULL;
}

/* Where the line ends; NULL: the interpreter's name is missing or cut off. */
static char *find_line_end(char *line, char *last)
{
	char *end = memchr(line, '\n', strnlen(line, EXEC_LINE_SIZE)), *name;

	if (end)
		return end;
	name = find_word(line + 2, last);
	return name && find_word_end(name, last) ? last : NULL;
}

int exec_script_parse(char line[EXEC_LINE_SIZE], struct exec_script *ret)
{
	char *last = line + EXEC_LINE_SIZE - 1;
	char *end, *name, *name_end, *argument = NULL;

	if (line[0] != '#' || line[1] != '!')
		return -ENOEXEC;
	end = find_line_end(line, last);
	if (!end)
		return -ENOEXEC;
	while (is_blank(end[-1])) /* stops at the '!' */
		end--;
	name = find_word(line + 2, end);
	if (!name || name == end)
		return -ENOEXEC;
	name_end = find_word_end(name, end);
	if (name_end && *name_end != '\0')
		argument = find_word(name_end, end);
	*end = '\0';
	if (argument)
		*name_end = '\0';
	ret->interpreter = name;
	ret->argument = argument;
	return 0;
}

#include "call/exec.h"

#include <errno.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The first place from `at` on that is no blank; `end` if there is none. */
static char *skip_blanks(char *at, char *end)
{
	while (at < end && is_blank(*at))
		at++;
	return at;
}

/* The end of a word: a blank, a NUL or `end`. */
static char *skip_word(char *at, char *end)
{
	while (at < end && !is_blank(*at) && *at != '\0')
		at++;
	return at;
}

int exec_script_parse(char line[EXEC_LINE_SIZE], struct exec_script *ret)
{
	char *limit = line + EXEC_LINE_SIZE - 1; /* the last byte is for a NUL */
	char *start = line + 2, *end = memchr(start, '\n', (size_t)(limit - start)), *word_end;

	if (line[0] != '#' || line[1] != '!')
		return -ENOEXEC;
	if (!end) {
		/* Cut off: that is harmless in the argument, but not in the interpreter's name. */
		start = skip_blanks(start, limit);
		if (start == limit || skip_word(start, limit) == limit)
			return -ENOEXEC;
		end = limit;
	}
	while (end > start && is_blank(end[-1]))
		end--;
	*end = '\0';
	start = skip_blanks(start, end);
	if (*start == '\0')
		return -ENOEXEC;
	word_end = skip_word(start, end);
	ret->interpreter = start;
	ret->argument = NULL;
	if (*word_end == '\0')
		return 0;
	*word_end++ = '\0';
	word_end = skip_blanks(word_end, end);
	if (*word_end != '\0')
		ret->argument = word_end;
	return 0;
}

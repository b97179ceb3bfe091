/* SPDX-License-Identifier: MIT */
#include "call/inside.h"

#include <sys/syscall.h>

/* The form of an argument, as a letter. The words of run_calls.def. */
#define I 'i'
#define STR 's'
#define IN(size) 'p'
#define OUT(size) 'p'
#define INOUT(size) 'p'

/* Of the forms of their own, one begins with a path. */
#define SPECIAL_FORM(number)                                        \
	{                                                           \
		number == SYS_execve ? STR : I, I, I, I, I, I, '\0' \
	}

#define CALL(number, call, a, b, c, d, e, f) \
	[number] = { .fn = call_##call, .name = #call, .form = { a, b, c, d, e, f, '\0' } },
#define SPECIAL(number, call) \
	[number] = { .fn = call_##call, .name = #call, .form = SPECIAL_FORM(number) },
static const struct call_row rows[] = {
#include "hascall/run_calls.def"
};
#undef CALL
#undef SPECIAL

#define ROW(number, call, text) \
	[number - RUN_FORK] = { .fn = call_##call, .name = text, .form = "iiiiii" }
static const struct call_row own_rows[RUN_CALL_END - RUN_FORK] = {
	ROW(RUN_FORK, run_fork, "fork"),
	ROW(RUN_FORKED, run_forked, "forked"),
	ROW(RUN_THREAD, run_thread, "thread"),
	ROW(RUN_THREAD_FAILED, run_thread_failed, "thread_failed"),
	ROW(RUN_MAP, run_map, "mmap"),
	ROW(RUN_SIGCHLD, run_sigchld, "sigchld"),
	ROW(RUN_START, run_start, "start"),
};

const struct call_row *call_row(uint32_t num)
{
	const struct call_row *row = NULL;

	if (num < ARRAY_COUNT(rows))
		row = &rows[num];
	else if (num >= RUN_FORK && num < RUN_CALL_END)
		row = &own_rows[num - RUN_FORK];
	return row && row->fn ? row : NULL;
}

const char *call_name(uint32_t num)
{
	const struct call_row *row = call_row(num);

	return row ? row->name : NULL;
}

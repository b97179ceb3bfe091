/* SPDX-License-Identifier: MIT */
/*
 * trace.c - --strace: one line a call served, written when it is completed. Its head is
 * read from the client's memory by itself: a hostile client may show other strings here
 * than the handler copied.
 */
#include "call/inside.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINE_SIZE 1024u
#define STRING_SHOWN 64u

struct call_trace {
	char text[LINE_SIZE];
	size_t length;
};

static void add(struct call_trace *line, const char *format, ...) PRINTF_LIKE(2, 3);
static void add(struct call_trace *line, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = vsnprintf(line->text + line->length, LINE_SIZE - line->length, format, args);
	va_end(args);
	if (r > 0)
		line->length += (size_t)r;
	if (line->length >= LINE_SIZE)
		line->length = LINE_SIZE - 1;
}

static void add_string(struct call_trace *line, const struct request *req, uint64_t offset)
{
	if (offset >= RUN_BOUNCE_SIZE) {
		add(line, "NULL");
		return;
	}
	add(line, "\"");
	for (size_t i = 0; offset + i < RUN_BOUNCE_SIZE; i++) {
		unsigned char c = req->bounce[offset + i];

		if (c == '\0')
			break;
		if (i == STRING_SHOWN) {
			add(line, "\"...");
			return;
		}
		if (c < ' ' || c >= 0x7f || c == '"' || c == '\\')
			add(line, "\\%03o", c);
		else
			add(line, "%c", c);
	}
	add(line, "\"");
}

static void add_argument(struct call_trace *line, const struct request *req, unsigned int i,
			 char form)
{
	uint64_t value = req->arg[i];

	if (form == 's')
		add_string(line, req, value);
	else if (value == RUN_NULL)
		add(line, form == 'p' ? "NULL" : "-1");
	else if (form == 'p')
		add(line, "{+%#jx}", (uintmax_t)value);
	else if ((int32_t)value == -100)
		add(line, "AT_FDCWD");
	else if (value < 65536 || (int64_t)(int32_t)value == (int64_t)value)
		add(line, "%jd", (intmax_t)(int32_t)value);
	else
		add(line, "%#jx", (uintmax_t)value);
}

static void add_head(struct call_trace *line, const struct request *req)
{
	const struct call_row *row = call_row(req->num);
	unsigned int count = 6;

	line->length = 0;
	add(line, "[%d] ", req->process->pid);
	if (row)
		add(line, "%s(", row->name);
	else
		add(line, "call_%u(", req->num);
	/* Arguments past the last that is set tell nothing. */
	while (count > 0 && req->arg[count - 1] == 0)
		count--;
	for (unsigned int i = 0; i < count; i++) {
		if (i > 0)
			add(line, ", ");
		add_argument(line, req, i, row ? row->form[i] : 'i');
	}
	add(line, ")");
}

static void emit(struct call_trace *line)
{
	add(line, "\n");
	line->text[line->length - 1] = '\n'; /* also where the line was cut */
	if (write(STDERR_FILENO, line->text, line->length) < 0)
		return; /* nobody listens; the programs go on */
}

struct call_trace *call_trace_begin(const struct request *req)
{
	struct call_trace *line = malloc(sizeof(*line));

	if (!line)
		return NULL;
	add_head(line, req);
	if (req->num != SYS_exit && req->num != SYS_exit_group)
		return line;
	add(line, " = ?"); /* nobody is there to get an answer */
	emit(line);
	free(line);
	return NULL;
}

void call_trace_end(struct call_trace *line, int64_t ret)
{
	const char *name = ret < 0 && ret > -4096 ? strerrorname_np((int)-ret) : NULL;

	if (!line)
		return;
	if (ret == -ERESTARTSYS)
		add(line, " = ? ERESTARTSYS");
	else if (name)
		add(line, " = -1 %s (%s)", name, strerrordesc_np((int)-ret));
	else if (ret > 65536 || ret < -4096)
		add(line, " = %#jx", (uintmax_t)ret);
	else
		add(line, " = %jd", (intmax_t)ret);
	emit(line);
	free(line);
}

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

/* clang-format off */
/* How many arguments a call has. */
static const uint8_t argument_count[] = {
	[0] = 3, [1] = 3, [2] = 3, [3] = 1, [4] = 2, [5] = 2, [6] = 2, [7] = 3, [8] = 3,
	[16] = 3, [17] = 4, [18] = 4, [21] = 2, [22] = 1, [23] = 4, [32] = 1, [33] = 2, [40] = 4,
	[41] = 3, [42] = 3, [43] = 4, [44] = 6, [45] = 5, [46] = 5, [47] = 5, [48] = 2, [49] = 3,
	[50] = 2, [51] = 2, [52] = 2, [53] = 4, [54] = 5, [55] = 4, [59] = 3, [60] = 1, [61] = 4,
	[62] = 2, [72] = 3, [73] = 2, [74] = 1, [75] = 1, [76] = 2, [77] = 2, [79] = 2, [80] = 1,
	[81] = 1, [82] = 2, [83] = 2, [84] = 1, [85] = 2, [86] = 2, [87] = 1, [88] = 2, [89] = 3,
	[90] = 2, [91] = 2, [92] = 3, [93] = 3, [94] = 3, [95] = 1, [97] = 2, [105] = 1,
	[106] = 1, [109] = 2, [111] = 0, [112] = 0, [113] = 2, [114] = 2, [115] = 2, [116] = 2,
	[117] = 3, [119] = 3, [121] = 1, [122] = 1, [123] = 1, [124] = 1, [129] = 3, [132] = 2,
	[133] = 3, [137] = 2, [138] = 2, [141] = 3, [160] = 2, [161] = 1, [162] = 0, [187] = 3,
	[188] = 5, [189] = 5, [190] = 5, [191] = 4, [192] = 4, [193] = 4, [194] = 3, [195] = 3,
	[196] = 3, [197] = 2, [198] = 2, [199] = 2, [200] = 2, [213] = 1, [217] = 3, [221] = 4,
	[231] = 1, [232] = 4, [233] = 4, [234] = 3, [235] = 2, [247] = 5, [257] = 4, [258] = 3,
	[259] = 4, [260] = 5, [261] = 3, [262] = 4, [263] = 3, [264] = 4, [265] = 5, [266] = 3,
	[267] = 4, [268] = 3, [269] = 3, [271] = 3, [277] = 4, [280] = 4, [281] = 4, [283] = 2,
	[284] = 1, [285] = 4, [286] = 4, [287] = 2, [290] = 2, [291] = 1, [292] = 3, [293] = 2,
	[297] = 4, [302] = 4, [306] = 1, [316] = 5, [319] = 2, [326] = 6, [332] = 5, [424] = 4,
	[434] = 2, [436] = 3, [437] = 4, [439] = 4, [452] = 4,
};
/* clang-format on */

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

static unsigned int arguments_shown(const struct request *req)
{
	unsigned int count = 6;

	if (call_row(req->num) && req->num < ARRAY_COUNT(argument_count))
		return argument_count[req->num];
	/* The shim's own calls, and unknown ones: those past the last that is set tell nothing. */
	while (count > 0 && req->arg[count - 1] == 0)
		count--;
	return count;
}

static void add_head(struct call_trace *line, const struct request *req)
{
	const struct call_row *row = call_row(req->num);

	line->length = 0;
	add(line, "[%d] ", req->process->pid);
	if (row)
		add(line, "%s(", row->name);
	else
		add(line, "call_%u(", req->num);
	for (unsigned int i = 0; i < arguments_shown(req); i++) {
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

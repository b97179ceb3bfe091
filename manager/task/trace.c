#include "task/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

unsigned int trace_kinds;

/* used bytes from `first` on, wrapping round; whole lines always */
static char *ring;
static size_t ring_size, first, used;

int trace_start(unsigned int kinds, size_t size)
{
	char *fresh = malloc(size);

	assert(size >= TRACE_LINE_MAX);
	if (!fresh)
		return -ENOMEM;
	trace_stop();
	ring = fresh;
	ring_size = size;
	trace_kinds = kinds;
	return 0;
}

void trace_stop(void)
{
	trace_kinds = 0;
	free(ring);
	ring = NULL;
	ring_size = first = used = 0;
}

static char take_byte(void)
{
	char c = ring[first];

	first = (first + 1) % ring_size;
	used--;
	return c;
}

void trace_line(const char *format, ...)
{
	char line[TRACE_LINE_MAX];
	size_t length;
	va_list args;
	int r;

	va_start(args, format);
	r = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (r < 0)
		return;
	length = (size_t)r < sizeof(line) - 1 ? (size_t)r : sizeof(line) - 2;
	line[length++] = '\n';
	while (ring_size - used < length)
		while (take_byte() != '\n')
			;
	for (size_t i = 0; i < length; i++)
		ring[(first + used++) % ring_size] = line[i];
}

size_t trace_take(char *ret_text, size_t size)
{
	size_t length = 0;

	while (used > 0 && length + 1 < size)
		ret_text[length++] = take_byte();
	ret_text[length] = '\0';
	return length;
}

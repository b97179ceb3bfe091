/* SPDX-License-Identifier: MIT */
#include "vfs/proc/inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 512u

/* Room for `size` bytes more. */
static bool reserve(struct proc_text *text, size_t size)
{
	size_t wanted = text->capacity > 0 ? text->capacity : FIRST_CAPACITY;
	char *data;

	if (text->failed || size > PROC_TEXT_MAX - text->size) {
		text->failed = true;
		return false;
	}
	while (wanted < text->size + size)
		wanted *= 2;
	if (wanted == text->capacity)
		return true;
	data = realloc(text->data, wanted);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->capacity = wanted;
	return true;
}

void proc_add(struct proc_text *text, const void *data, size_t size)
{
	if (size == 0 || !reserve(text, size))
		return;
	memcpy(text->data + text->size, data, size);
	text->size += size;
}

void proc_print(struct proc_text *text, const char *format, ...)
{
	char line[512];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	assert(length >= 0 && (size_t)length < sizeof(line));
	proc_add(text, line, (size_t)length);
}

int32_t proc_parse_number(const char *name, size_t len)
{
	int32_t number = 0;

	if (len == 0 || (len > 1 && name[0] == '0'))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, name[i] - '0', &number))
			return -1;
	}
	return number;
}

/*
 * bytes.c - the few byte routines that a compiler or the shim asks for.
 */
#include "run/shim/shim.h"

void *memcpy(void *to, const void *from, size_t size)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
	return start;
}

void *memset(void *to, int byte, size_t size)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
	return start;
}

size_t shim_length(const char *s)
{
	size_t length = 0;

	while (s[length])
		length++;
	return length;
}

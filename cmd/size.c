/*
 * size.c - numbers on the command line.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool cmd_read_number(const char *text, bool with_unit, uint64_t *ret)
{
	char *end;
	unsigned long long value;
	unsigned int shift = 0;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (end == text || *text == '-' || errno || value == 0)
		return false;
	if (with_unit && *end) {
		static const char units[] = "KMGT";
		const char *unit = memchr(units, *end & ~0x20, sizeof(units) - 1);

		if (!unit)
			return false;
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
	}
	if (*end || value > UINT64_MAX >> shift)
		return false;
	*ret = (uint64_t)value << shift;
	return true;
}

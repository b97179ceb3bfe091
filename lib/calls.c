/* SPDX-License-Identifier: MIT */
#include "lib/calls.h"

#include "hascall/hascall.h"

#define CALL(number, name, class, reason) [number] = (reason),
static const char *const call_reasons[CALL_NUMBERS] = {
#include "lib/calls.def"
};
#undef CALL

static const char *reason_of(uint32_t num, int check)
{
	if (check == -ENOSYS)
		return "no such system call";
	if (check == 0)
		return "";
	return num & CALL_X32_BIT ? "a number of the x32 ABI" : call_reasons[num];
}

int hascall_check(uint32_t num, const uint64_t arg[6], const char **ret_reason)
{
	static const uint64_t none[6];
	int r = call_rule(num, arg ? arg : none);

	if (r > 0)
		r = 0; /* CALL_MAY_WAIT is the workers' matter */
	if (ret_reason)
		*ret_reason = reason_of(num, r);
	return r;
}

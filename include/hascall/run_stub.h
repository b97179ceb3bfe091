/* SPDX-License-Identifier: MIT */
#ifndef HASCALL_RUN_STUB_H
#define HASCALL_RUN_STUB_H
/*
 * run_stub.h - from a call-site stub back to the program's own code. manager/call/stub.c
 * writes the stubs, test/exec compares; the shim asks when it shows a program counter.
 *
 * Unwinders (pthread_cancel, exceptions, debuggers) know no stub. So the frame of a signal
 * that came during a call by a stub should show where the program is, not the stub:
 *
 *	the call is over        rip = end,   eflags = run_stub_flags(...)
 *	it is to be made again  rip = again, rax = the number
 *
 * Both go on exactly as the stub would have.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Bytes to look at, from a stub's return address on. They are the program's: copy with care. */
#define RUN_STUB_BACK_SIZE 11u

struct run_stub_site {
	uint64_t end;	/* behind the call and, if the stub checks, behind the check */
	uint64_t again; /* where the call is made again */
	uint32_t bits;	/* the check compares rax (64) or eax (32) with `immediate`; 0: no check */
	int32_t immediate; /* -4096 or -4095 */
};

/* Read the end of a stub whose return address is `back`. False if that is none. */
static inline bool run_stub_site(const unsigned char bytes[RUN_STUB_BACK_SIZE], uint64_t back,
				 struct run_stub_site *ret)
{
	struct run_stub_site site = { 0 };
	unsigned int at = 0;
	int32_t jump;

	if (bytes[0] == 0x48 && bytes[1] == 0x3d) {
		site.bits = 64;
		at = 6;
	} else if (bytes[0] == 0x3d) {
		site.bits = 32;
		at = 5;
	}
	if (bytes[at] != 0xe9)
		return false;
	if (at != 0)
		memcpy(&site.immediate, bytes + at - 4, 4);
	memcpy(&jump, bytes + at + 1, 4);
	site.end = back + at + 5 + (uint64_t)(int64_t)jump;
	site.again = site.end - at - 2;
	*ret = site;
	return true;
}

/* The flags after the check of the result `rax`; without a check, as they were. */
static inline uint64_t run_stub_flags(const struct run_stub_site *site, uint64_t rax,
				      uint64_t eflags)
{
	uint64_t b = (uint64_t)(int64_t)site->immediate, difference, sign = 1ull << 63;

	if (site->bits == 0)
		return eflags;
	if (site->bits == 32) { /* the upper half decides alike, the lower reads as zero */
		rax <<= 32;
		b <<= 32;
	}
	difference = rax - b;
	eflags &= ~(uint64_t)(0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x800);
	eflags |= rax < b ? 0x1 : 0;				     /* carry */
	eflags |= difference == 0 ? 0x40 : 0;			     /* zero */
	eflags |= difference & sign ? 0x80 : 0;			     /* sign */
	eflags |= (rax ^ b) & (rax ^ difference) & sign ? 0x800 : 0; /* overflow */
	if (site->bits == 32) {
		rax >>= 32;
		b >>= 32;
		difference >>= 32;
	}
	eflags |= (rax ^ b ^ difference) & 0x10;		   /* half carry */
	eflags |= __builtin_parityll(difference & 0xff) ? 0 : 0x4; /* parity */
	return eflags;
}

#endif /* HASCALL_RUN_STUB_H */

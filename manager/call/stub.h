#ifndef CALL_STUB_H
#define CALL_STUB_H
/*
 * stub.h - finds the system calls in a program's text and leads them past the trap.
 * Layer: call.
 *
 * A system call of a program is caught by seccomp: a signal and its return, about 2 us.
 * In a copy of the text, the usual forms of a call are overwritten by a jump to a stub,
 * a few instructions behind the program's or library's last page, which goes to the shim:
 *
 *	form     was                             becomes
 *	NUMBER   b8 nr; 0f 05                    e9 stub; 0f 05
 *	         mov $nr,%eax; syscall           jmp stub; syscall
 *	CHECK    0f 05; 48 3d XX f0 ff ff        e9 stub; 0f 1f 00
 *	         syscall; cmp $-409X,%rax        jmp stub; nop
 *	         0f 05; 3d XX f0 ff ff           e9 stub; 66 90
 *	         syscall; cmp $-409X,%eax        jmp stub; nop
 *
 *	stub     NUMBER only:  b8 nr             mov $nr,%eax
 *	         restart:      48 8d 0d rel32    lea back(%rip),%rcx
 *	                       ff 25 rel32       jmp *entry(%rip)      entry: RUN_STUB_ENTRY
 *	         back:         CHECK only:       the cmp
 *	                       e9 rel32          jmp behind what was overwritten and the syscall
 *
 * rcx is free, because the syscall instruction destroys it. Nothing is pushed: what lies
 * below the stack pointer is the program's. A call is restarted at back - RUN_STUB_RESTART
 * with its number in rax. Unwinders know no stub: who shows a program counter to the
 * program shows the site's instead, which hascall/run_stub.h finds from `back`.
 *
 * What is left alone, and traps as before:
 *   - numbers that the filter lets through (run_direct.def), those that need the caller's
 *     own frame (rt_sigreturn, fork, vfork, clone, clone3), and those that are not known
 *     for sure, because the instructions before a CHECK form do not show them;
 *   - a form that may not be at the beginning of an instruction (stub_decode.h);
 *   - a CHECK form to whose cmp, or between whose number and call, a direct branch or an
 *     address taken anywhere in the text leads. The middle of a NUMBER form is no
 *     instruction, so nothing leads there.
 *
 * Limit    STUB_TEXT_MAX bytes of text, STUB_SITES_MAX sites a text; the rest traps.
 *          STUB_TEXT_MAX also keeps false forms away: the bytes 0f 05 at the end of a
 *          displacement mean 80 MiB or more.
 * Thread   any; no state.
 */
#include "base/cc.h"

#include <stdint.h>

#define STUB_TEXT_MAX (64ull << 20)
#define STUB_SITES_MAX 4096u
#define STUB_SIZE 32u /* bytes of a stub; the first place holds the entry's address */

enum stub_form { STUB_NUMBER, STUB_CHECK };

struct stub_site {
	uint32_t at;	    /* offset in the text of the first byte overwritten */
	uint32_t number_at; /* of the instruction that loads the number */
	uint16_t number;
	uint8_t form;
	uint8_t size; /* bytes overwritten: 5, 7 or 8 */
};

struct stub_sites {
	struct stub_site *site; /* rising */
	uint32_t count;
	/* what is left alone */
	uint32_t by_number; /* by the number, or because it is not known */
	uint32_t by_doubt;  /* a form, but not surely one, or led into; or over STUB_SITES_MAX */
	uint32_t by_form;   /* 0f 05 without a form: other calls, and bytes that are no call */
};

/* Is there anything that looks like a form? To be asked first: it is much quicker. */
bool stub_may_have_sites(const uint8_t *text, size_t size);
/* Find the sites. 0 or -ENOMEM. stub_sites_free() what was found. */
MUST_USE int stub_find(const uint8_t *text, size_t size, struct stub_sites *ret);
void stub_sites_free(struct stub_sites *sites); /* zeroed is fine */

/* Bytes the stubs take: whole pages, 0 without sites. */
size_t stub_bytes(const struct stub_sites *sites);
/*
 * Overwrite the sites in `text` and write the stubs, stub_bytes() many, that will lie
 * `distance` bytes behind the first byte of the text (less than 2 GiB - STUB_TEXT_MAX).
 */
void stub_write(const struct stub_sites *sites, uint8_t *text, uint8_t *stubs, uint64_t distance);

#endif /* CALL_STUB_H */

#ifndef CALL_ELF_H
#define CALL_ELF_H
/*
 * elf.h - what a program file says about its place in memory, read from a file
 * that may say anything. Layer: call.
 *
 * Limit    ELF_HEADERS_MAX program headers, ELF_LOADS_MAX of them PT_LOAD, an
 *          interpreter's path of ELF_INTERP_MAX bytes with its NUL, a span of
 *          ELF_SPAN_MAX bytes.
 * Owner    nothing is kept: the file is seen through the source's read function only.
 * Thread   any; no state. May yield where the source's read function does.
 *
 * What it accepts is narrower than what Linux accepts: segments in rising order on
 * pages of their own, every byte they name inside the file. Linkers produce nothing else.
 *
 * Way down: elf_parse -> elf_source.read (exec.c: vfs_read).
 */
#include "base/cc.h"

#include <hascall/run_abi.h>
#include <stdint.h>
#include <sys/types.h>

#define ELF_PAGE 4096ull
#define ELF_HEADERS_MAX 256u
#define ELF_LOADS_MAX (RUN_SEGMENTS_MAX - 1) /* one is kept for stubs */
#define ELF_INTERP_MAX 256u
#define ELF_SPAN_MAX (1ull << 40)
/* Where a program that is not relocatable may lie: not at the null page, not where the stack is. */
#define ELF_ADDRESS_MIN 0x10000ull
#define ELF_ADDRESS_MAX 0x700000000000ull

/* The file. `head` are its first bytes, read already (may be empty). */
struct elf_source {
	const uint8_t *head;
	size_t head_size;
	uint64_t size; /* of the file */
	/* Exactly like vfs_read: bytes, fewer only at the end of the file, or -errno. */
	ssize_t (*read)(void *ctx, void *buf, size_t size, uint64_t offset);
	void *ctx;
};

struct elf_image {
	struct run_image run;	     /* slots are 0 */
	char interp[ELF_INTERP_MAX]; /* "" if there is none */
	bool executable_stack;
};

/* Why a file is refused. Outcomes of elf_parse: a fault, and for ELF_MACHINE its number << 8. */
enum elf_fault {
	ELF_FINE,
	ELF_NOT_ELF,
	ELF_TRUNCATED,
	ELF_MACHINE,
	ELF_CLASS,
	ELF_TYPE,
	ELF_HEADERS,
	ELF_INTERP,
	ELF_NO_SEGMENTS,
	ELF_MANY_SEGMENTS,
	ELF_SEGMENT_SIZE,
	ELF_SEGMENT_ORDER,
	ELF_SEGMENT_PAGE,
	ELF_SEGMENT_PLACE,
	ELF_FAULT_COUNT,
};

/* Read and check. 0 with *ret filled, a fault (> 0), or what the source's read answered (< 0). */
MUST_USE int elf_parse(const struct elf_source *source, struct elf_image *ret) MAY_YIELD;

/* The answer of execve for a fault: -ENOEXEC or -EINVAL; -ELIBBAD for an interpreter's. */
int elf_errno(int fault, bool interpreter);
/* How a sentence about the file goes on: "is truncated", "is for another machine (aarch64)". */
const char *elf_why(int fault);

/* First address past the last page of the image, as a vaddr. */
uint64_t elf_end(const struct run_image *image);

#endif /* CALL_ELF_H */

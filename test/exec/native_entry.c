#include "test/exec/native_entry.h"

#include "test/harness.h"

#include <hascall/run_abi.h>
#include <string.h>
#include <sys/mman.h>

/* The return address goes below the red zone. */
__asm__(".pushsection .text\n"
	"entry_begin:\n"
	"	lea -128(%rsp), %rsp\n"
	"	push %rcx\n"
	"	syscall\n"
	"	lock incl entry_count(%rip)\n"
	"	pop %rcx\n"
	"	lea 128(%rsp), %rsp\n"
	"	jmp *%rcx\n"
	"entry_count:\n"
	"	.long 0\n"
	"entry_end:\n"
	".popsection\n");
extern const uint8_t entry_begin[], entry_count[], entry_end[];

void native_entry_map(void)
{
	void *page = mmap((void *)RUN_STUB_ENTRY, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	CHECK(page == (void *)RUN_STUB_ENTRY);
	memcpy(page, entry_begin, (size_t)(entry_end - entry_begin));
}

unsigned int native_entry_calls(void)
{
	return *(volatile unsigned int *)(RUN_STUB_ENTRY + (uintptr_t)(entry_count - entry_begin));
}

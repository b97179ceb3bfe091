/* SPDX-License-Identifier: MIT */
/*
 * memory.c - calls on memory. Addresses differ from run to run; what is there does not.
 */
#include "test/anycall/anycall.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096u

static int64_t pages(struct run *run, uint64_t count)
{
	return CALL_HIDDEN(run, mmap, 0, count * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void mapped(struct run *run)
{
	int64_t fd = CALL(run, open, P("a"), O_RDWR | O_CREAT, 0600);
	int64_t at, moved;

	CALL(run, ftruncate, fd, 2 * PAGE);
	CALL(run, pwrite64, fd, P("content"), 7, PAGE);
	at = CALL_HIDDEN(run, mmap, 0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	anycall_note_bytes(run, "mapped", (void *)(at + PAGE), 8);
	strcpy((char *)at, "written");
	CALL(run, msync, at, PAGE, MS_SYNC);
	CALL(run, msync, at + 1, PAGE, MS_SYNC);
	CALL(run, mprotect, at, PAGE, PROT_READ);
	CALL(run, mprotect, 1, PAGE, PROT_READ);
	CALL(run, remap_file_pages, at + PAGE, PAGE, 0, 0, 0);
	anycall_note_bytes(run, "remapped", (void *)(at + PAGE), 8);
	moved = CALL_HIDDEN(run, mremap, at, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
	anycall_note_bytes(run, "moved", (void *)moved, 8);
	CALL(run, mremap, 1, PAGE, PAGE, 0);
	CALL(run, munmap, moved, 3 * PAGE);
	CALL(run, munmap, moved + 1, PAGE);
	CALL(run, mmap, 0, 0, PROT_READ, MAP_PRIVATE, fd, 0);
	CALL(run, mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, 99, 0);
}

static void advised(struct run *run)
{
	int64_t at = pages(run, 4);
	unsigned char present[4] = { 0 };

	memset((void *)at, 7, 2 * PAGE);
	CALL(run, mincore, at, 4 * PAGE, P(present));
	anycall_note_bytes(run, "present", present, sizeof(present));
	CALL(run, madvise, at, PAGE, MADV_DONTNEED);
	anycall_note_bytes(run, "forgotten", (void *)at, 4);
	anycall_note_bytes(run, "kept", (void *)(at + PAGE), 4);
	CALL(run, madvise, at, PAGE, 9999);
	CALL(run, mlock, at, PAGE);
	CALL(run, mlock2, at + PAGE, PAGE, 1);
	CALL(run, mlock2, at, PAGE, 99);
	CALL(run, munlock, at, 2 * PAGE);
	CALL(run, munlock, 1, 1);
	CALL(run, mlockall, 0);
	CALL(run, munlockall);
	CALL(run, mincore, at + 1, PAGE, P(present));
	CALL(run, pkey_mprotect, at, PAGE, PROT_READ, -1);
	CALL(run, pkey_mprotect, at, PAGE, PROT_READ, 14);
	CALL(run, map_shadow_stack, at + 1, 0, 99);
	CALL(run, mseal, at, PAGE, 1);
	CALL(run, mseal, at, 4 * PAGE, 0);
	CALL(run, munmap, at, PAGE);
}

static void heap_end(struct run *run)
{
	int64_t end = CALL_HIDDEN(run, brk, 0);
	int64_t moved = CALL_HIDDEN(run, brk, end + 5 * PAGE);

	anycall_note(run, "    moved by %lld\n", (long long)(moved - end));
	if (moved == end + 5 * PAGE)
		memset((void *)end, 1, 5 * PAGE);
	moved = CALL_HIDDEN(run, brk, end);
	anycall_note(run, "    back by %lld\n", (long long)(end - moved));
}

static void policies(struct run *run)
{
	int64_t at = pages(run, 2);
	uint64_t node = 1;
	void *page = (void *)at;
	int status = 77;

	memset(page, 1, PAGE);
	CALL(run, mbind, at, PAGE, MPOL_BIND, P(&node), 64, 0);
	CALL(run, mbind, at, PAGE, 99, P(&node), 64, 0);
	CALL(run, move_pages, 0, 1, P(&page), 0, P(&status), 0);
	anycall_note(run, "    on node %d\n", status);
	CALL(run, migrate_pages, 0, 64, P(&node), P(&node));
	CALL(run, set_mempolicy_home_node, at, PAGE, 0, 0);
	CALL(run, set_mempolicy_home_node, at, PAGE, 0, 1);
}

static void files_in_memory(struct run *run)
{
	int64_t fd = CALL(run, memfd_create, P("name"), MFD_ALLOW_SEALING);
	char in[16] = { 0 };

	CALL(run, memfd_create, P("name"), 0x1000);
	CALL(run, write, fd, P("sealed"), 6);
	CALL(run, fcntl, fd, F_ADD_SEALS, F_SEAL_WRITE);
	CALL(run, fcntl, fd, F_GET_SEALS);
	CALL(run, write, fd, P("x"), 1);
	CALL(run, pread64, fd, P(in), sizeof(in), 0);
	anycall_note_bytes(run, "memfd", in, sizeof(in));
	CALL(run, memfd_secret, 0x1234);
}

static void other_processes(struct run *run)
{
	char from[8] = "copied";
	char to[8] = { 0 };
	struct iovec local = { to, sizeof(to) };
	struct iovec remote = { from, sizeof(from) };
	uint64_t us = (uint64_t)getpid();
	int64_t self;

	CALL(run, process_vm_readv, us, P(&local), 1, P(&remote), 1, 0);
	anycall_note_bytes(run, "read", to, sizeof(to));
	strcpy(to, "back");
	CALL(run, process_vm_writev, us, P(&local), 1, P(&remote), 1, 0);
	anycall_note_bytes(run, "written", from, sizeof(from));
	CALL(run, process_vm_readv, us, P(&local), 1, P(&remote), 1, 9);
	CALL(run, process_vm_writev, 0x7ffffff0, P(&local), 1, P(&remote), 1, 0);
	self = CALL(run, pidfd_open, us, 0);
	CALL(run, process_madvise, self, P(&remote), 1, MADV_COLD, 0);
	CALL(run, process_madvise, 99, P(&remote), 1, MADV_COLD, 0);
	CALL(run, process_mrelease, self, 0);
	CALL(run, kcmp, us, us, 0, 0, 0);
	CALL(run, kcmp, us, us, 99, 0, 0);
	CALL(run, userfaultfd, 0x1234);
	CALL(run, membarrier, 16, 0);
	CALL(run, membarrier, 8, 0);
	CALL(run, membarrier, 1 << 20, 0);
}

const struct anycall_case anycall_memory[] = {
	{ "mapped", mapped },
	{ "advised", advised },
	{ "heap_end", heap_end },
	{ "policies", policies },
	{ "files_in_memory", files_in_memory },
	{ "other_processes", other_processes },
	{ NULL, NULL },
};

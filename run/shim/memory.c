/*
 * memory.c - mmap of files by descriptors that the manager hands over, and brk, which
 * is a range of anonymous memory behind the program (the host's own brk area belongs
 * to the image that started all this).
 */
#include "run/shim/shim.h"

#include <errno.h>
#include <linux/mman.h>
#include <sys/syscall.h>

#ifndef PROT_NONE
#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#endif
#define K_MAP_ANONYMOUS 0x20u
#define K_MAP_FIXED 0x10u
#define K_MAP_PRIVATE 0x02u
#define K_MAP_NORESERVE 0x4000u
#define K_MAP_FIXED_NOREPLACE 0x100000u
#define PAGE 4096u

static uint64_t page_up(uint64_t v)
{
	return (v + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static bool touches_shim(uint64_t address, uint64_t size)
{
	return address < RUN_END && address + size > RUN_BASE;
}

static int64_t map(uint64_t address, uint64_t size, uint64_t prot, uint64_t flags, uint64_t fd,
		   uint64_t offset)
{
	const uint64_t arg[6] = { address, size, prot, flags, fd, offset };

	return gate_call6(SYS_mmap, arg);
}

/* Room behind a library for stubs that its text will want; remembered as ours to map over. */
static uint64_t map_with_reserve(struct shim_process *p, const uint64_t arg[6], uint64_t reserve)
{
	uint64_t size = page_up(arg[1]);
	int64_t at = map(0, size + reserve, PROT_NONE,
			 K_MAP_PRIVATE | K_MAP_ANONYMOUS | K_MAP_NORESERVE, UINT64_MAX, 0);

	if (at < 0)
		return 0;
	p->reserve[p->reserve_next].start = (uint64_t)at + size;
	p->reserve[p->reserve_next].end = (uint64_t)at + size + reserve;
	p->reserve_next = (p->reserve_next + 1) % ARRAY_COUNT(p->reserve);
	return (uint64_t)at;
}

static bool in_reserve(const struct shim_process *p, uint64_t start, uint64_t size)
{
	for (unsigned int i = 0; i < ARRAY_COUNT(p->reserve); i++)
		if (start >= p->reserve[i].start && start + size <= p->reserve[i].end)
			return true;
	return false;
}

static bool map_stubs(const struct shim_process *p, const struct run_map *m, uint64_t address)
{
	uint64_t at = address + m->stub_delta;
	uint64_t fixed = in_reserve(p, at, m->stub_size) ? K_MAP_FIXED : K_MAP_FIXED_NOREPLACE;

	return map(at, m->stub_size, PROT_READ | PROT_EXEC, K_MAP_PRIVATE | fixed,
		   RUN_FD_SLOT0 + m->stub_slot, m->stub_offset) == (int64_t)at;
}

static int64_t ask(struct shim_thread *t, const uint64_t arg[6], bool plain, struct run_map *ret)
{
	const uint64_t wire[6] = { arg[4], arg[2], arg[3], arg[5], arg[1], plain };
	uint32_t flags = 0;
	int64_t r = shim_post(t, RUN_MAP, wire, &flags);

	if (r < 0)
		return r;
	if (flags & RUN_REPLY_FDS)
		shim_receive();
	memcpy(ret, shim_bounce(t), sizeof(*ret));
	return 0;
}

static int64_t map_as_told(struct shim_process *p, const uint64_t arg[6], const struct run_map *m)
{
	uint64_t address = arg[0], flags = arg[3];

	if (m->slot == RUN_SLOT_ZERO)
		return map(address, arg[1], arg[2], flags | K_MAP_ANONYMOUS, UINT64_MAX, 0);
	if (m->reserve && !(flags & (K_MAP_FIXED | K_MAP_FIXED_NOREPLACE))) {
		uint64_t at = map_with_reserve(p, arg, m->reserve);

		if (at) {
			address = at;
			flags |= K_MAP_FIXED;
		}
	}
	return map(address, arg[1], arg[2], flags, RUN_FD_SLOT0 + m->slot, m->offset);
}

static int64_t map_file(struct shim_thread *t, const uint64_t arg[6])
{
	struct shim_process *p = shim_process();
	struct run_map m;
	int64_t r = ask(t, arg, false, &m);

	if (r < 0)
		return r;
	r = map_as_told(p, arg, &m);
	if (r < 0 || !m.stub_size || map_stubs(p, &m, (uint64_t)r))
		return r;
	/* No room for the stubs: the same place without them. */
	{
		uint64_t flags = (arg[3] & ~(uint64_t)K_MAP_FIXED_NOREPLACE) | K_MAP_FIXED;
		uint64_t again[6] = { (uint64_t)r, arg[1], arg[2], flags, arg[4], arg[5] };
		int64_t asked = ask(t, again, true, &m);

		return asked < 0 ? asked : map_as_told(p, again, &m);
	}
}

int64_t shim_mmap(struct shim_thread *t, const uint64_t arg[6])
{
	struct shim_process *p = shim_process();
	int64_t r;

	if (!arg[1])
		return -EINVAL;
	if ((arg[3] & (K_MAP_FIXED | K_MAP_FIXED_NOREPLACE)) && touches_shim(arg[0], arg[1]))
		return -ENOMEM;
	if (arg[3] & K_MAP_ANONYMOUS)
		return gate_call6(SYS_mmap, arg);
	if (arg[5] % PAGE)
		return -EINVAL;
	shim_lock(&p->fd_lock);
	r = map_file(t, arg);
	shim_unlock(&p->fd_lock);
	return r;
}

int64_t shim_brk(uint64_t end)
{
	struct shim_process *p = shim_process();
	uint64_t have, want;

	shim_lock(&p->brk_lock);
	have = page_up(p->brk_end);
	want = page_up(end);
	if (end >= p->brk_start && want >= end &&
	    !touches_shim(p->brk_start, want - p->brk_start)) {
		bool done = true;

		if (want > have)
			done = map(have, want - have, PROT_READ | PROT_WRITE,
				   K_MAP_PRIVATE | K_MAP_ANONYMOUS | K_MAP_FIXED_NOREPLACE,
				   UINT64_MAX, 0) == (int64_t)have;
		else if (want < have)
			(void)gate_call(SYS_munmap, want, have - want, 0, 0, 0);
		if (done)
			p->brk_end = end;
	}
	end = p->brk_end;
	shim_unlock(&p->brk_lock);
	return (int64_t)end;
}

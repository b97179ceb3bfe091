/*
 * exec.c - a new program in this process: the manager has found and checked it and
 * says what to map (struct run_plan); we empty the address space, map, build the
 * stack as the System V ABI wants it, and enter. The host's execve is never used.
 */
#include "run/shim/shim.h"

#include <errno.h>
#include <linux/auxvec.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/rseq.h>
#include <sys/syscall.h>

#define PAGE 4096u
#define PROT_RW 3u
#define MAP_ANON_PRIVATE 0x22u
#define MAP_AT 0x10u /* MAP_FIXED */
#define MAP_NO_RESERVE 0x4000u
#define MAP_FOR_STACK 0x20000u
#define ADDRESS_END 0x7ffffffff000ull
#define PLACE_START 0x555500000000ull
#define PLACE_PAGES 0xfffffffull
#define ARGUMENTS_MAX 0x600000u /* bytes of strings and pointers */
#define STRING_MAX 0x20000u	/* one of them, as Linux has it */
#define COMMAND_LINE_MAX 4096u
#define ENVIRON_MAX 32768u
#define PATH_ROOM 4096u

/* Strings of argv, then of envp, NUL-terminated, at the bottom of RUN_SCRATCH. */
struct strings {
	char *start;
	uint64_t size;
	uint32_t argc, envc;
	uint64_t argv_size;  /* bytes of the argv part */
	uint64_t first_size; /* bytes of argv[0] */
};

static uint64_t page_down(uint64_t v)
{
	return v & ~(uint64_t)(PAGE - 1);
}

static uint64_t page_up(uint64_t v)
{
	return page_down(v + PAGE - 1);
}

static int64_t map(uint64_t address, uint64_t size, uint64_t prot, uint64_t flags, uint64_t fd,
		   uint64_t offset)
{
	const uint64_t arg[6] = { address, size, prot, flags, fd, offset };

	return gate_call6(SYS_mmap, arg);
}

static void unmap(uint64_t from, uint64_t to)
{
	if (to > from)
		(void)gate_call(SYS_munmap, from, to - from, 0, 0, 0);
}

/* ---- 1. copy what the program passed, before anything changes */

static int64_t copy_vector(uint64_t vector, struct strings *s, uint32_t *ret_count)
{
	*ret_count = 0;
	for (; vector; vector += sizeof(uint64_t)) {
		uint64_t string, room;
		int64_t length;

		if (copy_user(&string, (const void *)vector, sizeof(string)))
			return -EFAULT;
		if (!string)
			break;
		room = ARGUMENTS_MAX - s->size;
		length = copy_user_string(s->start + s->size, (const char *)string,
					  room < STRING_MAX ? room : STRING_MAX);
		if (length < 0)
			return length == -ENAMETOOLONG ? -E2BIG : length;
		s->size += (uint64_t)length + 1;
		(*ret_count)++;
	}
	return 0;
}

static int64_t copy_arguments(uint64_t argv, uint64_t envp, struct strings *s)
{
	int64_t r;

	s->start = (char *)RUN_SCRATCH;
	s->size = 0;
	r = map(RUN_SCRATCH, RUN_SCRATCH_SIZE, PROT_RW, MAP_ANON_PRIVATE | MAP_AT | MAP_NO_RESERVE,
		UINT64_MAX, 0);
	if (r < 0)
		return r;
	r = copy_vector(argv, s, &s->argc);
	if (r < 0)
		return r;
	if (!s->argc) { /* Linux gives an empty argv one empty string */
		s->start[s->size++] = 0;
		s->argc = 1;
	}
	s->argv_size = s->size;
	s->first_size = shim_length(s->start) + 1;
	return copy_vector(envp, s, &s->envc);
}

/* ---- 2. ask the manager */

static uint64_t put_bytes(struct shim_thread *t, uint64_t *at, const char *from, uint64_t size,
			  uint64_t most)
{
	uint64_t offset = *at;

	if (size > most)
		size = most;
	memcpy(shim_bounce(t) + offset, from, size);
	*at += (size + 15) & ~UINT64_C(15);
	return size;
}

static int64_t ask(struct shim_thread *t, uint64_t path, uint64_t dirfd, uint64_t flags,
		   const struct strings *s)
{
	uint64_t wire[6] = { 0, dirfd, flags, 0, 0, 0 };
	uint64_t at = PATH_ROOM, size;
	uint32_t reply = 0;
	int64_t r = copy_user_string((char *)shim_bounce(t), (const char *)path, PATH_ROOM);

	if (r < 0)
		return r;
	wire[3] = at;
	wire[4] = put_bytes(t, &at, s->start, s->argv_size, COMMAND_LINE_MAX);
	size = at;
	wire[5] = size |
		  put_bytes(t, &at, s->start + s->argv_size, s->size - s->argv_size, ENVIRON_MAX)
			  << 32;
	r = shim_post(t, SYS_execve, wire, &reply);
	if (r >= 0 && (reply & RUN_REPLY_FDS))
		shim_receive();
	return r;
}

/* ---- 3. the old program goes */

static void wait_for_threads(const struct shim_thread *self)
{
	for (unsigned int i = 0; i < shim_process()->blocks; i++) {
		const struct shim_thread *t = shim_block(i);

		if (t == self)
			continue;
		while (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) != SHIM_FREE)
			(void)gate_call(SYS_sched_yield, 0, 0, 0, 0, 0);
	}
}

static void drop_kernel_state(struct shim_thread *t)
{
	if (t->rseq_address)
		(void)gate_call(SYS_rseq, t->rseq_address, t->rseq_size, RSEQ_FLAG_UNREGISTER,
				t->rseq_signature, 0);
	t->rseq_address = 0;
	t->alt_stack = (struct k_stack){ 0 };
	(void)gate_call(SYS_set_robust_list, 0, 24, 0, 0, 0);
	(void)gate_call(SYS_set_tid_address, 0, 0, 0, 0, 0);
	(void)gate_call(SYS_arch_prctl, 0x1002, 0, 0, 0, 0);
}

static void empty_memory(struct shim_process *p)
{
	unmap(0, RUN_BASE);
	unmap(RUN_END, p->vdso_start);
	unmap(p->vdso_end, ADDRESS_END);
	memset(p->reserve, 0, sizeof(p->reserve));
	p->vfork_child = 0;
}

/* ---- 4. the new one comes */

/*
 * All bytes behind the file's part, up to the page's end, read as zero: the dynamic
 * linker allocates from there. Further pages are anonymous.
 */
static int64_t map_bss(uint64_t at, const struct run_segment *s)
{
	uint64_t file_end = at + s->file_size, end = at + s->mem_size;
	uint64_t page_end = page_up(file_end);

	if (s->file_size && (s->prot & 2) && page_end > file_end)
		memset((void *)file_end, 0, page_end - file_end);
	if (!s->file_size)
		page_end = page_down(at);
	if (page_up(end) <= page_end)
		return 0;
	return map(page_end, page_up(end) - page_end, s->prot, MAP_ANON_PRIVATE | MAP_AT,
		   UINT64_MAX, 0);
}

static int64_t map_segment(uint64_t bias, const struct run_segment *s)
{
	uint64_t at = bias + s->vaddr, start = page_down(at);
	int64_t r;

	if (s->file_size && s->slot != RUN_SLOT_ZERO) {
		r = map(start, page_up(at + s->file_size) - start, s->prot, 0x2 | MAP_AT,
			RUN_FD_SLOT0 + s->slot, s->offset - (at - start));
		if (r < 0)
			return r;
	}
	return map_bss(at, s);
}

/* Where a relocatable program goes: low, as Linux does it, so that brk has room above. */
static uint64_t program_place(void)
{
	uint64_t pages = 0;

	(void)gate_call(SYS_getrandom, (uint64_t)&pages, 4, 0, 0, 0);
	return PLACE_START + (pages & PLACE_PAGES) * PAGE;
}

/* Map an image at `place` (0: anywhere); ret_bias: what to add to its addresses. */
static int64_t map_image(const struct run_image *image, uint64_t place, uint64_t *ret_bias)
{
	int64_t base;

	if (!image->relocatable)
		place = image->min_vaddr;
	base = map(place, image->span, 0,
		   MAP_ANON_PRIVATE | MAP_NO_RESERVE | (image->relocatable ? 0 : MAP_AT),
		   UINT64_MAX, 0);
	if (base < 0)
		return base;
	*ret_bias = (uint64_t)base - image->min_vaddr;
	for (uint32_t i = 0; i < image->segment_count && i < RUN_SEGMENTS_MAX; i++) {
		int64_t r = map_segment(*ret_bias, &image->segment[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static void set_brk(struct shim_process *p, const struct run_image *image, uint64_t bias)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < image->segment_count; i++) {
		const struct run_segment *s = &image->segment[i];

		if ((s->prot & 2) && bias + s->vaddr + s->mem_size > end)
			end = bias + s->vaddr + s->mem_size;
	}
	/* Behind the whole span: stubs may lie above the data. */
	if (end < bias + image->min_vaddr + image->span)
		end = bias + image->min_vaddr + image->span;
	p->brk_start = page_up(end);
	p->brk_end = p->brk_start;
}

/* ---- 5. the stack: argc, argv, envp, auxiliary vector; strings above */

struct stack {
	uint64_t top;	/* strings grow down from here */
	uint64_t *word; /* the next word of the vectors */
};

static uint64_t push_bytes(struct stack *s, const char *from, uint64_t size)
{
	s->top -= size;
	memcpy((void *)s->top, from, size);
	return s->top;
}

static void put_word(struct stack *s, uint64_t value)
{
	*s->word++ = value;
}

static void put_pair(struct stack *s, uint64_t tag, uint64_t value)
{
	put_word(s, tag);
	put_word(s, value);
}

static const char *put_strings(struct stack *s, const char *at, uint64_t address, uint32_t count)
{
	const char *first = at;

	while (count--) {
		put_word(s, address + (uint64_t)(at - first));
		at += shim_length(at) + 1;
	}
	return at;
}

static void put_auxiliary(struct stack *s, const struct run_plan *plan, const uint64_t bias[2],
			  uint64_t random, uint64_t name)
{
	const struct shim_process *p = shim_process();
	const struct run_control *c = shim_control();
	const struct run_image *image = &plan->image[0];

	if (p->vdso_entry)
		put_pair(s, AT_SYSINFO_EHDR, p->vdso_entry);
	put_pair(s, AT_HWCAP, p->hwcap);
	put_pair(s, AT_PAGESZ, PAGE);
	put_pair(s, AT_CLKTCK, p->clock_ticks);
	put_pair(s, AT_PHDR, bias[0] + image->phdr);
	put_pair(s, AT_PHENT, 56);
	put_pair(s, AT_PHNUM, image->phnum);
	put_pair(s, AT_BASE, plan->image_count > 1 ? bias[1] + plan->image[1].min_vaddr : 0);
	put_pair(s, AT_FLAGS, 0);
	put_pair(s, AT_ENTRY, bias[0] + image->entry);
	put_pair(s, AT_UID, c->uid);
	put_pair(s, AT_EUID, c->euid);
	put_pair(s, AT_GID, c->gid);
	put_pair(s, AT_EGID, c->egid);
	put_pair(s, AT_SECURE, plan->secure);
	put_pair(s, AT_RANDOM, random);
	put_pair(s, AT_HWCAP2, p->hwcap2);
	put_pair(s, AT_EXECFN, name);
	put_pair(s, AT_MINSIGSTKSZ, p->min_signal_stack);
	if (p->rseq_feature_size) {
		put_pair(s, AT_RSEQ_FEATURE_SIZE, p->rseq_feature_size);
		put_pair(s, AT_RSEQ_ALIGN, p->rseq_align);
	}
	put_pair(s, AT_NULL, 0);
}

#define AUXILIARY_WORDS 48u

static int64_t build_stack(struct shim_thread *t, const struct run_plan *plan,
			   const struct strings *given, const uint64_t bias[2], uint64_t *ret_rsp)
{
	struct shim_process *p = shim_process();
	const char *bounce = (const char *)shim_bounce(t);
	uint64_t size = plan->stack_size ? plan->stack_size : 8u << 20;
	uint64_t skip = plan->prefix_count ? given->first_size : 0;
	uint64_t args = given->argc - (skip ? 1 : 0) + plan->prefix_count;
	uint64_t random, name, prefix, rest, platform;
	struct stack s;
	int64_t base;

	base = map(0, size, PROT_RW | (plan->executable_stack ? 4 : 0),
		   MAP_ANON_PRIVATE | MAP_NO_RESERVE | MAP_FOR_STACK, UINT64_MAX, 0);
	if (base < 0)
		return base;
	(void)gate_call(SYS_madvise, (uint64_t)base, size, 15 /* MADV_NOHUGEPAGE */, 0, 0);
	p->stack_start = shim_control()->stack_start = (uint64_t)base;
	p->stack_end = shim_control()->stack_end = (uint64_t)base + size;
	s.top = (uint64_t)base + size - 16;
	name = push_bytes(&s, bounce + plan->execfn_offset,
			  shim_length(bounce + plan->execfn_offset) + 1);
	rest = push_bytes(&s, given->start + skip, given->size - skip);
	prefix = push_bytes(&s, bounce + plan->prefix_offset, plan->prefix_size);
	platform = push_bytes(&s, "x86_64", 7);
	s.top = (s.top - 16) & ~UINT64_C(15);
	random = s.top;
	(void)gate_call(SYS_getrandom, random, 16, 0, 0, 0);
	s.top -= (args + given->envc + 3 + AUXILIARY_WORDS + 2) * 8;
	s.top &= ~UINT64_C(15);
	*ret_rsp = s.top;
	s.word = (uint64_t *)s.top;
	put_word(&s, args);
	put_strings(&s, (const char *)prefix, prefix, plan->prefix_count);
	{
		const char *env = put_strings(&s, (const char *)rest, rest,
					      given->argc - (skip ? 1 : 0));

		put_word(&s, 0);
		put_strings(&s, env, (uint64_t)env, given->envc);
	}
	put_word(&s, 0);
	put_pair(&s, AT_PLATFORM, platform);
	put_auxiliary(&s, plan, bias, random, name);
	return 0;
}

static void show_name(const struct run_plan *plan, const struct shim_thread *t)
{
	const char *path = (const char *)shim_bounce(t) + plan->execfn_offset, *base = path;
	char name[16] = { 0 };

	for (; *path; path++)
		if (*path == '/')
			base = path + 1;
	for (unsigned int i = 0; i < sizeof(name) - 1 && base[i]; i++)
		name[i] = base[i];
	(void)gate_call(SYS_prctl, 15 /* PR_SET_NAME */, (uint64_t)name, 0, 0, 0);
}

/* Past the point of no return: what fails here ends the process. */
static _Noreturn void become(struct shim_thread *t, const struct strings *given, uint64_t mask)
{
	const struct run_plan *plan = (const struct run_plan *)(void *)shim_bounce(t);
	struct shim_process *p = shim_process();
	uint64_t bias[2] = { 0, 0 }, rsp = 0, entry;
	int64_t r;

	wait_for_threads(t);
	p->threads = 1;
	p->fd_lock = 0;
	p->brk_lock = 0;
	p->action_lock = 0;
	drop_kernel_state(t);
	empty_memory(p);
	r = map_image(&plan->image[0], program_place(), &bias[0]);
	if (r >= 0 && plan->image_count > 1)
		r = map_image(&plan->image[1], 0, &bias[1]);
	if (r >= 0) {
		set_brk(p, &plan->image[0], bias[0]);
		r = build_stack(t, plan, given, bias, &rsp);
	}
	if (r < 0) {
		(void)shim_post1(t, SYS_exit_group, 127, 0, 0);
		shim_die(127);
	}
	show_name(plan, t);
	unmap(RUN_SCRATCH, RUN_SCRATCH + RUN_SCRATCH_SIZE);
	entry = plan->image_count > 1 ? bias[1] + plan->image[1].entry
				      : bias[0] + plan->image[0].entry;
	shim_signals_reset();
	t->deferred = 0;
	shim_set_mask(mask);
	gate_enter(rsp, entry);
}

int64_t shim_execve(struct shim_thread *t, const uint64_t arg[6], uint64_t nr)
{
	bool at = nr == SYS_execveat;
	struct shim_process *p = shim_process();
	struct strings given;
	uint64_t mask;
	int64_t r;

	r = copy_arguments(arg[at ? 2 : 1], arg[at ? 3 : 2], &given);
	if (r < 0)
		return r;
	shim_lock(&p->fd_lock);
	mask = shim_block_all();
	r = t->deferred ? -ERESTARTNOINTR
			: ask(t, arg[at ? 1 : 0], at ? arg[0] : (uint64_t)AT_FDCWD, at ? arg[4] : 0,
			      &given);
	if (r >= 0)
		become(t, &given, mask);
	shim_unlock(&p->fd_lock);
	unmap(RUN_SCRATCH, RUN_SCRATCH + RUN_SCRATCH_SIZE);
	if (!t->deferred)
		shim_set_mask(mask);
	return r;
}

/* The launcher's last jump: its strings lie in RUN_SCRATCH already. */
_Noreturn void shim_start(void)
{
	struct shim_thread *t = shim_block(0);
	struct shim_process *p = shim_process();
	const uint64_t wire[6] = { 0 };
	uint32_t reply = 0;
	struct strings given = {
		.start = (char *)RUN_SCRATCH,
		.size = p->scratch_strings,
		.argc = p->argc,
		.envc = p->envc,
	};
	int64_t r;

	shim_first_block(t);
	shim_signals_install();
	shim_control()->host_pid = (uint32_t)gate_call(SYS_getpid, 0, 0, 0, 0, 0);
	given.first_size = shim_length(given.start) + 1;
	p->threads = 1;
	p->blocks = 1;
	r = shim_post(t, RUN_START, wire, &reply);
	if (r < 0)
		shim_die(r == -ENOENT ? 127 : 126);
	if (reply & RUN_REPLY_FDS)
		shim_receive();
	become(t, &given, 0);
}

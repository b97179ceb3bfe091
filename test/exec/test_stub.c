/*
 * test_stub.c - what stub.h promises: the forms become what its table says and still
 * make their call; what is no call, or may be led into, is left alone; and in the
 * machine's own libraries every site is where the disassembler sees one.
 */
#include "call/elf.h"
#include "call/stub.h"
#include "call/stub_decode.h"
#include "test/harness.h"

#include <fcntl.h>
#include <hascall/run_stub.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEXT_SIZE 4096u
/* Code before and behind what a test is about, so that decoding falls into step. */
#define MARGIN 256u

static uint8_t text[TEXT_SIZE];

/* mov %rsp,%rbp, three bytes, all over; then the bytes in question, at MARGIN (a beginning). */
static void text_make(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < TEXT_SIZE; i++)
		text[i] = (const uint8_t[]){ 0x48, 0x89, 0xe5 }[(i + 2) % 3];
	memcpy(text + MARGIN, bytes, size);
	memset(text + MARGIN + size, 0x90, 64);
}

#define TEXT(...) \
	text_make((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
/* Bytes of the tables */
#define LOW(number) (uint8_t)((number)&0xff)
#define HIGH(number) (uint8_t)((number) >> 8)
#define MOV(number) 0xb8, LOW(number), HIGH(number), 0, 0
#define SYSCALL 0x0f, 0x05
#define CHECK_RAX 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff
#define CHECK_RAX_1 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff
#define CHECK_EAX 0x3d, 0x00, 0xf0, 0xff, 0xff

static struct stub_sites find(void)
{
	struct stub_sites sites;

	CHECK_INT(stub_find(text, sizeof(text), &sites), 0);
	return sites;
}

/* One site of this form at MARGIN + at, or none at all. */
static void check_site(enum stub_form form, unsigned int at, unsigned int size)
{
	struct stub_sites sites = find();

	CHECK_INT(sites.count, 1);
	CHECK_INT(sites.site[0].form, form);
	CHECK_INT(sites.site[0].at, MARGIN + at);
	CHECK_INT(sites.site[0].size, size);
	stub_sites_free(&sites);
}

static void check_none(uint32_t by_number, uint32_t by_doubt, uint32_t by_form)
{
	struct stub_sites sites = find();

	CHECK_INT(sites.count, 0);
	CHECK_INT(stub_bytes(&sites), 0);
	CHECK_INT(sites.by_number, by_number);
	CHECK_INT(sites.by_doubt, by_doubt);
	CHECK_INT(sites.by_form, by_form);
	stub_sites_free(&sites);
}

static void the_forms_are_found(void)
{
	TEXT(MOV(110), SYSCALL, 0xc3);
	check_site(STUB_NUMBER, 0, 5);
	TEXT(MOV(257), SYSCALL, CHECK_RAX);
	check_site(STUB_NUMBER, 0, 5);
	TEXT(0x31, 0xc0, SYSCALL, CHECK_RAX);
	check_site(STUB_CHECK, 2, 8);
	TEXT(0x31, 0xc0, SYSCALL, CHECK_RAX_1);
	check_site(STUB_CHECK, 2, 8);
	TEXT(0x31, 0xc0, SYSCALL, CHECK_EAX);
	check_site(STUB_CHECK, 2, 7);
	TEXT(MOV(257), 0x89, 0xd6, SYSCALL, CHECK_RAX);
	check_site(STUB_CHECK, 7, 8);
}

static void other_forms_are_left_alone(void)
{
	TEXT(0x89, 0xd0, SYSCALL, 0xc3);
	check_none(0, 0, 1);
	TEXT(0x89, 0xd0, SYSCALL, 0x48, 0x3d, 0x02, 0xf0, 0xff, 0xff);
	check_none(0, 0, 1);
	TEXT(MOV(1024), SYSCALL, 0xc3);
	check_none(0, 0, 1);
	TEXT(0xc3);
	check_none(0, 0, 0);
}

static void numbers_that_stay_are_left_alone(void)
{
	static const uint16_t stay[] = { 15, 56, 57, 58, 435, 202, 39, 228, 10 };

	for (unsigned int i = 0; i < ARRAY_COUNT(stay); i++) {
		TEXT(MOV(stay[i]), SYSCALL, CHECK_RAX);
		check_none(1, 0, 0);
		TEXT(MOV(stay[i]), 0x89, 0xd6, SYSCALL, CHECK_RAX);
		check_none(1, 0, 0);
		TEXT(0x48, 0xc7, 0xc0, LOW(stay[i]), HIGH(stay[i]), 0, 0, SYSCALL, CHECK_RAX);
		check_none(1, 0, 0);
	}
}

static void numbers_that_are_not_known_are_left_alone(void)
{
	/* mov %r12d,%eax */
	TEXT(0x44, 0x89, 0xe0, SYSCALL, CHECK_RAX);
	check_none(1, 0, 0);
	/* mov $257,%eax; mov (%rdi),%eax */
	TEXT(MOV(257), 0x8b, 0x07, SYSCALL, CHECK_RAX);
	check_none(1, 0, 0);
	/* mov $257,%eax; call; */
	TEXT(MOV(257), 0xe8, 1, 2, 3, 4, SYSCALL, CHECK_RAX);
	check_none(1, 0, 0);
	/* mov $257,%eax; mov $1,%ah */
	TEXT(MOV(257), 0xc6, 0xc4, 0x01, SYSCALL, CHECK_RAX);
	check_none(1, 0, 0);
	/* mov $257,%eax; pop %rax */
	TEXT(MOV(257), 0x58, SYSCALL, CHECK_RAX);
	check_none(1, 0, 0);
	/* mov $257,%eax; pop %r8; mov $1,%r8d; lea 8(%rsp),%rsi */
	TEXT(MOV(257), 0x41, 0x58, 0x41, 0xb8, 1, 0, 0, 0, 0x48, 0x8d, 0x74, 0x24, 0x08, SYSCALL,
	     CHECK_RAX);
	check_site(STUB_CHECK, 18, 8);
}

static void bytes_inside_other_instructions_are_left_alone(void)
{
	/* mov $110,%r8d; syscall */
	TEXT(0x41, MOV(110), SYSCALL, 0xc3);
	check_none(0, 1, 0);
	/* the same with a check, and with a number: only that form fits */
	TEXT(0x31, 0xc0, 0x41, MOV(110), SYSCALL, CHECK_RAX);
	check_site(STUB_CHECK, 8, 8);
	/* lea 0x2d0(%r8),%rdi; syscall */
	TEXT(0x49, 0x8d, 0xb8, 0xd0, 0x02, 0, 0, SYSCALL, 0xc3);
	check_none(0, 1, 0);
	/* movl $16,-0x48(%rbp); syscall */
	TEXT(0xc7, 0x45, 0xb8, 0x10, 0, 0, 0, SYSCALL, 0xc3);
	check_none(0, 1, 0);
	/* mov 0x50f1234(%rip),%rbx; cmp $-4096,%rax */
	TEXT(0x48, 0x8b, 0x1d, 0x34, 0x12, SYSCALL, CHECK_RAX);
	check_none(0, 1, 0);
	/* movabs $0x...050f...,%rcx */
	TEXT(0x48, 0xb9, MOV(110), SYSCALL, 0x11, 0xc3);
	check_none(0, 1, 0);
}

static void sites_that_are_led_into_are_left_alone(void)
{
	/* jmp to the cmp; 4 bytes further on the form */
	TEXT(0xeb, 0x04, 0x31, 0xc0, SYSCALL, CHECK_RAX);
	check_none(0, 1, 0);
	/* to the syscall itself, with what number? */
	TEXT(0xeb, 0x02, 0x31, 0xc0, SYSCALL, CHECK_RAX);
	check_none(0, 1, 0);
	/* between its number and the syscall */
	TEXT(0xeb, 0x05, MOV(257), 0x89, 0xd6, SYSCALL, CHECK_RAX);
	check_none(0, 1, 0);
	/* to the load of the number */
	TEXT(0xeb, 0x00, 0x31, 0xc0, SYSCALL, CHECK_RAX);
	check_site(STUB_CHECK, 4, 8);
	/* a long jcc from behind */
	TEXT(0x31, 0xc0, SYSCALL, CHECK_RAX, 0x0f, 0x87, 0xf4, 0xff, 0xff, 0xff);
	check_none(0, 1, 0);
	/* a long jmp from before */
	TEXT(0xe9, 0x04, 0, 0, 0, 0x31, 0xc0, SYSCALL, CHECK_RAX);
	check_none(0, 1, 0);
	/* lea cmp(%rip),%rdx */
	TEXT(0x48, 0x8d, 0x15, 0x04, 0, 0, 0, 0x31, 0xc0, SYSCALL, CHECK_RAX);
	check_none(0, 1, 0);
	/* to the syscall behind a number: it stays where it was */
	TEXT(0xeb, 0x05, MOV(110), SYSCALL, CHECK_RAX);
	check_site(STUB_NUMBER, 2, 5);
}

/* A branch in the last bytes of the text counts too. */
static void the_last_bytes_are_looked_at(void)
{
	int32_t back = (int32_t)(MARGIN + 4) - (int32_t)TEXT_SIZE;

	TEXT(0x31, 0xc0, SYSCALL, CHECK_RAX);
	check_site(STUB_CHECK, 2, 8);
	text[TEXT_SIZE - 5] = 0xe9;
	memcpy(text + TEXT_SIZE - 4, &back, 4);
	text[TEXT_SIZE - 6] = 0x90;
	check_none(0, 1, 0);
}

static void more_sites_than_the_limit_trap(void)
{
	static const uint8_t form[] = { MOV(110), SYSCALL, 0xc3 };
	size_t size = (STUB_SITES_MAX + 10) * sizeof(form);
	uint8_t *many = malloc(MARGIN + size);
	struct stub_sites sites;

	CHECK(many);
	memset(many, 0x90, MARGIN);
	for (size_t i = 0; i < STUB_SITES_MAX + 10; i++)
		memcpy(many + MARGIN + i * sizeof(form), form, sizeof(form));
	CHECK_INT(stub_find(many, MARGIN + size, &sites), 0);
	CHECK_INT(sites.count, STUB_SITES_MAX);
	CHECK_INT(sites.by_doubt, 10);
	CHECK_INT(stub_bytes(&sites), 4096 * (1 + STUB_SITES_MAX * STUB_SIZE / 4096));
	stub_sites_free(&sites);
	free(many);
}

static void any_bytes_are_read_without_harm(void)
{
	uint64_t state = 12345;

	for (unsigned int round = 0; round < 200; round++) {
		size_t size = 1 + round * 7;
		uint8_t *bytes = malloc(size);
		struct stub_sites sites;

		CHECK(bytes);
		for (size_t i = 0; i < size; i++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			/* many of the bytes that matter */
			bytes[i] =
				state >> 60 < 8
					? (const uint8_t[]){ 0x0f, 0x05, 0xb8, 0x48,
							     0x3d, 0xe8, 0xff, 0xeb }[state >> 60]
					: (uint8_t)(state >> 40);
		}
		CHECK_INT(stub_find(bytes, size, &sites), 0);
		for (uint32_t i = 0; i < sites.count; i++)
			CHECK(sites.site[i].at + sites.site[i].size <= size);
		stub_sites_free(&sites);
		free(bytes);
	}
}

/* ---- patched code runs */

/*
 * What stands at RUN_STUB_ENTRY in this test: makes the call, counts it and goes back.
 *	mov %rcx,back(%rip); syscall; incl count(%rip); jmp *back(%rip)
 */
static const uint8_t entry_code[] = { 0x48, 0x89, 0x0d, 0xf9, 0x00, 0x00, 0x00,
				      0x0f, 0x05, 0xff, 0x05, 0xf9, 0x00, 0x00,
				      0x00, 0xff, 0x25, 0xeb, 0x00, 0x00, 0x00 };
#define ENTRY_BACK 0x100u
#define ENTRY_COUNT 0x108u

static unsigned int *map_entry(void)
{
	uint8_t *page = mmap((void *)RUN_STUB_ENTRY, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	CHECK(page == (void *)RUN_STUB_ENTRY);
	memcpy(page, entry_code, sizeof(entry_code));
	return (void *)(page + ENTRY_COUNT);
}

/* The text with its stubs `distance` bytes behind, executable. */
static uint8_t *map_patched(const struct stub_sites *sites, size_t distance)
{
	size_t stubs = stub_bytes(sites);
	uint8_t *at = mmap(NULL, distance + stubs, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(at != MAP_FAILED);
	memcpy(at, text, sizeof(text));
	stub_write(sites, at, at + distance, distance);
	return at;
}

static long run_at(const uint8_t *code)
{
	long (*function)(void);

	memcpy(&function, &code, sizeof(function));
	return function();
}

static void check_runs(size_t distance, long wanted)
{
	struct stub_sites sites = find();
	unsigned int *count = map_entry();
	uint8_t *at;

	CHECK_INT(sites.count, 1);
	at = map_patched(&sites, distance);
	CHECK_INT(run_at(text + MARGIN), wanted);
	CHECK_INT(*count, 0);
	CHECK_INT(run_at(at + MARGIN), wanted);
	CHECK_INT(*count, 1);
	munmap(at, distance + stub_bytes(&sites));
	munmap((void *)RUN_STUB_ENTRY, 4096);
	stub_sites_free(&sites);
}

static void patched_code_makes_the_same_calls(void)
{
	static const size_t distances[] = { TEXT_SIZE, 1 << 20, 0x70000000 };

	CHECK_INT(mprotect(text - (uintptr_t)text % 4096, 2 * 4096,
			   PROT_READ | PROT_WRITE | PROT_EXEC),
		  0);
	for (unsigned int i = 0; i < ARRAY_COUNT(distances); i++) {
		TEXT(MOV(110), SYSCALL, 0xc3);
		check_runs(distances[i], getppid());
		/* mov $-9,%edi; mov $3,%eax; nop; syscall; cmp; ja over; mov $1,%eax; over: ret */
		TEXT(0xbf, 0xf7, 0xff, 0xff, 0xff, MOV(3), 0x90, SYSCALL, CHECK_RAX, 0x77, 0x05,
		     MOV(1), 0xc3);
		check_runs(distances[i], -9);
		TEXT(MOV(110), 0x90, SYSCALL, CHECK_RAX, 0x77, 0x05, MOV(1), 0xc3);
		check_runs(distances[i], 1);
		TEXT(MOV(110), 0x90, SYSCALL, CHECK_EAX, 0x77, 0x05, MOV(1), 0xc3);
		check_runs(distances[i], 1);
	}
}

/* The layout that the shim relies on. */
static void a_stub_looks_as_the_table_says(void)
{
	static uint8_t stubs[4096], patched[TEXT_SIZE];
	uint64_t entry = RUN_STUB_ENTRY;
	struct stub_sites sites;

	TEXT(MOV(110), SYSCALL, 0xc3);
	sites = find();
	memcpy(patched, text, sizeof(patched));
	stub_write(&sites, patched, stubs, TEXT_SIZE);
	CHECK(memcmp(stubs, &entry, 8) == 0);
	CHECK(memcmp(stubs + 32, (const uint8_t[]){ 0xb8, 110, 0, 0, 0 }, 5) == 0);
	CHECK(memcmp(stubs + 37, (const uint8_t[]){ 0x48, 0x8d, 0x0d, 6, 0, 0, 0 }, 7) == 0);
	CHECK(memcmp(stubs + 44, (const uint8_t[]){ 0xff, 0x25 }, 2) == 0);
	CHECK_INT(stubs[37 + RUN_STUB_RESTART], 0xe9);
	CHECK_INT(patched[MARGIN], 0xe9);
	CHECK(memcmp(patched + MARGIN + 5, text + MARGIN + 5, TEXT_SIZE - MARGIN - 5) == 0);
	CHECK(memcmp(patched, text, MARGIN) == 0);
	stub_sites_free(&sites);

	TEXT(0x31, 0xc0, SYSCALL, CHECK_RAX, 0xc3);
	sites = find();
	memcpy(patched, text, sizeof(patched));
	stub_write(&sites, patched, stubs, TEXT_SIZE);
	CHECK(memcmp(stubs + 32, (const uint8_t[]){ 0x48, 0x8d, 0x0d, 6, 0, 0, 0 }, 7) == 0);
	CHECK(memcmp(stubs + 32 + RUN_STUB_RESTART, text + MARGIN + 4, 6) == 0);
	CHECK_INT(stubs[32 + RUN_STUB_RESTART + 6], 0xe9);
	CHECK(memcmp(patched + MARGIN + 10, text + MARGIN + 10, TEXT_SIZE - MARGIN - 10) == 0);
	stub_sites_free(&sites);
}

/* ---- the machine's own files, against objdump */

struct file_text {
	uint8_t *bytes;
	size_t size;
	uint64_t vaddr;
	uint8_t *starts;  /* 1: an instruction begins here */
	uint8_t *targets; /* 1: a branch leads here */
	uint8_t *writes;  /* 1: it may change eax */
};

static ssize_t read_fd(void *ctx, void *buf, size_t size, uint64_t offset)
{
	return pread(*(const int *)ctx, buf, size, (off_t)offset);
}

/* False if there is no such file. */
static bool text_load(const char *path, struct file_text *t) TSA(no_thread_safety_analysis)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf_source source = { .read = read_fd, .ctx = &fd };
	struct elf_image image;
	struct stat st;

	if (fd < 0)
		return false;
	CHECK_INT(fstat(fd, &st), 0);
	source.size = (uint64_t)st.st_size;
	CHECK_INT(elf_parse(&source, &image), ELF_FINE);
	for (unsigned int i = 0; i < image.run.segment_count; i++) {
		const struct run_segment *g = &image.run.segment[i];

		if (!(g->prot & PROT_EXEC))
			continue;
		t->size = g->file_size;
		t->vaddr = g->vaddr;
		t->bytes = malloc(t->size);
		t->starts = calloc(t->size, 1);
		t->targets = calloc(t->size, 1);
		t->writes = calloc(t->size, 1);
		CHECK(t->bytes && t->starts && t->targets && t->writes);
		CHECK_INT(pread(fd, t->bytes, t->size, (off_t)g->offset), t->size);
		break;
	}
	close(fd);
	return t->bytes != NULL;
}

static void text_free(struct file_text *t)
{
	free(t->bytes);
	free(t->starts);
	free(t->targets);
	free(t->writes);
}

static void mark(uint8_t *places, const struct file_text *t, uint64_t vaddr)
{
	if (vaddr >= t->vaddr && vaddr - t->vaddr < t->size)
		places[vaddr - t->vaddr] = 1;
}

/* By an instruction's words: is eax, or a part of it, its last operand, or hidden in it? */
static bool changes_eax(const char *words)
{
	static const char *const names[] = { "%rax", "%eax", "%ax", "%al", "%ah" };
	static const char *const hidden[] = { "mul",  "imul",  "div",	"idiv", "cltq",
					      "cltd", "cqto",  "call",	"xchg", "cmpxchg",
					      "lods", "cpuid", "rdtsc", "in" };
	size_t end = strcspn(words, "#<\n");

	while (end > 0 && words[end - 1] == ' ')
		end--;
	for (unsigned int i = 0; i < ARRAY_COUNT(hidden); i++)
		if (strncmp(words, hidden[i], strlen(hidden[i])) == 0)
			return true;
	if (strncmp(words, "cmp", 3) == 0 || strncmp(words, "test", 4) == 0 ||
	    strncmp(words, "push", 4) == 0 || words[0] == 'j')
		return false;
	for (unsigned int i = 0; i < ARRAY_COUNT(names); i++)
		if (end >= strlen(names[i]) &&
		    memcmp(words + end - strlen(names[i]), names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Lines like "   d5540:\tb8 73 00 00 00 \tmov    $0x73,%eax" and "...\tja     f6450 <name>". */
static void take_line(struct file_text *t, const char *line)
{
	char *rest;
	uint64_t at = strtoull(line, &rest, 16);
	const char *words;

	if (line[0] != ' ' || rest[0] != ':' || rest[1] != '\t')
		return;
	mark(t->starts, t, at);
	words = strchr(rest + 2, '\t');
	if (!words)
		return;
	words++;
	if (changes_eax(words))
		mark(t->writes, t, at);
	/* Operands of branches are plain addresses; so is what lea's comment tells. */
	if (words[0] == 'j' || strncmp(words, "call", 4) == 0 || strncmp(words, "loop", 4) == 0 ||
	    strncmp(words, "xbegin", 6) == 0 || strncmp(words, "bnd j", 5) == 0) {
		const char *operand = strrchr(words, ' ');
		const char *name = strchr(words, '<');

		if (name)
			for (operand = name - 1; operand > words && operand[-1] != ' '; operand--)
				;
		if (operand)
			mark(t->targets, t, strtoull(operand, NULL, 16));
	} else if (strncmp(words, "lea ", 4) == 0 && strchr(words, '#')) {
		mark(t->targets, t, strtoull(strchr(words, '#') + 1, NULL, 16));
	}
}

static bool disassemble(const char *path, struct file_text *t)
{
	char command[300], line[1024];
	FILE *out;

	/* --insn-width: an instruction never takes two lines. */
	snprintf(command, sizeof(command), "objdump -d -w --insn-width=16 %s 2>/dev/null", path);
	out = popen(command, "r");
	CHECK(out);
	while (fgets(line, sizeof(line), out))
		take_line(t, line);
	return pclose(out) == 0;
}

/* Every instruction boundary that matters, and no branch into what is overwritten. */
static void check_site_in_file(const struct file_text *t, const struct stub_site *site)
{
	size_t syscall_at = site->form == STUB_NUMBER ? site->at + 5 : site->at;

	CHECK_INT(t->starts[site->at], 1);
	CHECK_INT(t->starts[syscall_at], 1);
	CHECK_INT(t->bytes[syscall_at], 0x0f);
	CHECK_INT(t->bytes[syscall_at + 1], 0x05);
	CHECK_INT(t->starts[syscall_at + 2], 1);
	if (site->form == STUB_CHECK)
		CHECK_INT(t->starts[site->at + site->size], 1);
	/* The number is loaded where we think it is, and nothing leads between or changes it. */
	CHECK_INT(t->starts[site->number_at], 1);
	CHECK_INT(t->writes[site->number_at], 1);
	for (size_t i = site->number_at + 1; i < syscall_at; i++)
		CHECK(!t->writes[i] && (!t->targets[i] || site->form == STUB_NUMBER));
	for (size_t i = 1; i < site->size; i++)
		CHECK_INT(t->targets[site->at + i], 0);
}

/* run_stub.h finds from the stub, lying at `at`, to its site. */
static void check_way_back(uint64_t at, const uint8_t *stub, const struct stub_site *site)
{
	unsigned int skip = (site->form == STUB_NUMBER ? 5 : 0) + RUN_STUB_RESTART;
	struct run_stub_site found;

	CHECK(run_stub_site(stub + skip, at + skip, &found));
	if (site->form == STUB_NUMBER) {
		CHECK_INT(found.bits, 0);
		CHECK_INT(found.end, site->at + 7);
		CHECK_INT(found.again, site->at + 5);
	} else {
		CHECK_INT(found.bits, site->size == 8 ? 64 : 32);
		CHECK(found.immediate == -4096 || found.immediate == -4095);
		CHECK_INT(found.end, site->at + site->size);
		CHECK_INT(found.again, site->at);
	}
}

/* Each stub comes back to where the program would have gone on; nothing else is changed. */
static void check_patch(const struct file_text *t, const struct stub_sites *sites)
{
	uint64_t distance = (t->size + 4095) & ~4095ull;
	uint8_t *stubs = malloc(stub_bytes(sites)), *patched = malloc(t->size);
	size_t at = 0;

	CHECK(stubs && patched);
	memcpy(patched, t->bytes, t->size);
	stub_write(sites, patched, stubs, distance);
	for (uint32_t i = 0; i < sites->count; i++) {
		const struct stub_site *s = &sites->site[i];
		const uint8_t *stub = stubs + (i + 1) * (size_t)STUB_SIZE;
		size_t back = s->form == STUB_NUMBER ? 18 : 13u + s->size - 2;
		int32_t jump;

		CHECK(s->at >= at);
		CHECK(memcmp(patched + at, t->bytes + at, s->at - at) == 0);
		at = s->at + s->size;
		memcpy(&jump, patched + s->at + 1, 4);
		CHECK_INT(s->at + 5 + (int64_t)jump, distance + (i + 1) * STUB_SIZE);
		check_way_back(distance + (uint64_t)(stub - stubs), stub, s);
		memcpy(&jump, stub + back + 1, 4);
		CHECK_INT(distance + (uint64_t)(stub - stubs) + back + 5 + (uint64_t)(int64_t)jump,
			  at + (s->form == STUB_NUMBER ? 2 : 0));
	}
	CHECK(memcmp(patched + at, t->bytes + at, t->size - at) == 0);
	free(stubs);
	free(patched);
}

static void check_file(const char *path)
{
	struct file_text t = { 0 };
	struct stub_sites sites;
	struct timespec before, after;
	uint32_t number = 0;

	if (!text_load(path, &t))
		return;
	if (!disassemble(path, &t))
		SKIP("no objdump");
	clock_gettime(CLOCK_MONOTONIC, &before);
	CHECK_INT(stub_find(t.bytes, t.size, &sites), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	for (uint32_t i = 0; i < sites.count; i++) {
		check_site_in_file(&t, &sites.site[i]);
		number += sites.site[i].form == STUB_NUMBER;
	}
	if (sites.count)
		check_patch(&t, &sites);
	printf("# %s: %u by number, %u by check; left: %u by number, %u by doubt, "
	       "%u by form; %lld us\n",
	       path, number, sites.count - number, sites.by_number, sites.by_doubt, sites.by_form,
	       (long long)(after.tv_sec - before.tv_sec) * 1000000 +
		       (after.tv_nsec - before.tv_nsec) / 1000);
	stub_sites_free(&sites);
	text_free(&t);
}

static void sites_in_libc_are_what_objdump_sees(void)
{
	check_file("/lib/x86_64-linux-gnu/libc.so.6");
}

static void sites_in_other_files_are_what_objdump_sees(void)
{
	static const char *const paths[] = {
		"/lib64/ld-linux-x86-64.so.2",
		"/bin/busybox",
		"/sbin/ldconfig",
		"/lib/x86_64-linux-gnu/libpthread.so.0",
		"/lib/x86_64-linux-gnu/librt.so.1",
		"/lib/x86_64-linux-gnu/libm.so.6",
		"/lib/x86_64-linux-gnu/libcrypto.so.3",
		"/usr/lib/x86_64-linux-gnu/libasan.so.8",
		"/usr/lib/x86_64-linux-gnu/libtsan.so.2",
		"/usr/lib/musl/lib/libc.so",
	};

	for (unsigned int i = 0; i < ARRAY_COUNT(paths); i++)
		check_file(paths[i]);
}

/* Hot calls of libc are not left behind: most of its sites become jumps. */
static void few_calls_of_libc_are_left(void)
{
	struct file_text t = { 0 };
	struct stub_sites sites;

	if (!text_load("/lib/x86_64-linux-gnu/libc.so.6", &t))
		SKIP("no libc.so.6");
	CHECK_INT(stub_find(t.bytes, t.size, &sites), 0);
	CHECK(sites.count > 300);
	CHECK(sites.count > 10 * (sites.by_form + sites.by_doubt));
	stub_sites_free(&sites);
	text_free(&t);
}

/* What the processor says of a comparison. */
static uint64_t flags_of(uint64_t a, int32_t b, unsigned int bits)
{
	uint64_t flags;

	if (bits == 64)
		__asm__ volatile(
			"lea -128(%%rsp), %%rsp; cmp %2, %1; pushfq; pop %0; lea 128(%%rsp), %%rsp"
			: "=r"(flags)
			: "r"(a), "r"((int64_t)b)
			: "cc", "memory");
	else
		__asm__ volatile(
			"lea -128(%%rsp), %%rsp; cmp %2, %1; pushfq; pop %0; lea 128(%%rsp), %%rsp"
			: "=r"(flags)
			: "r"((uint32_t)a), "r"(b)
			: "cc", "memory");
	return flags & 0x8d5;
}

static void flags_are_those_of_the_processor(void)
{
	static const uint64_t values[] = { 0,
					   1,
					   15,
					   16,
					   4095,
					   4096,
					   0x7fffffff,
					   0x80000000,
					   0xfffff000,
					   0xfffff001,
					   0x123456789abcdef0,
					   INT64_MAX,
					   1ull << 63,
					   (uint64_t)-4097,
					   (uint64_t)-4096,
					   (uint64_t)-4095,
					   (uint64_t)-4,
					   UINT64_MAX };

	for (unsigned int i = 0; i < ARRAY_COUNT(values); i++) {
		for (unsigned int k = 0; k < 4; k++) {
			struct run_stub_site site = { .bits = k % 2 ? 32 : 64,
						      .immediate = k < 2 ? -4096 : -4095 };

			CHECK_INT(run_stub_flags(&site, values[i], 0x8d5) & 0x8d5,
				  flags_of(values[i], site.immediate, site.bits));
			CHECK_INT(run_stub_flags(&site, values[i], 0) & 0x8d5,
				  flags_of(values[i], site.immediate, site.bits));
		}
	}
	CHECK_INT(run_stub_flags(&(struct run_stub_site){ 0 }, 0, 0x246), 0x246);
}

static void lengths_are_what_objdump_sees(void)
{
	struct file_text t = { 0 };
	const char *path = "/lib/x86_64-linux-gnu/libc.so.6";
	size_t instructions = 0, wrong = 0;

	if (!text_load(path, &t))
		SKIP("no libc.so.6");
	if (!disassemble(path, &t))
		SKIP("no objdump");
	for (size_t at = 0, next; at < t.size; at = next) {
		for (next = at + 1; next < t.size && !t.starts[next]; next++)
			;
		if (!t.starts[at] || next - at > 15)
			continue;
		instructions++;
		/* sections are filled up between: zeroes, of no length that is known */
		wrong += stub_instruction_length(t.bytes + at, t.size - at) != next - at;
	}
	CHECK(instructions > 100000);
	CHECK(wrong < instructions / 10000);
	text_free(&t);
}

static const struct test tests[] = {
	TEST(the_forms_are_found),
	TEST(other_forms_are_left_alone),
	TEST(numbers_that_stay_are_left_alone),
	TEST(numbers_that_are_not_known_are_left_alone),
	TEST(bytes_inside_other_instructions_are_left_alone),
	TEST(sites_that_are_led_into_are_left_alone),
	TEST(the_last_bytes_are_looked_at),
	TEST(more_sites_than_the_limit_trap),
	TEST(any_bytes_are_read_without_harm),
	TEST(patched_code_makes_the_same_calls),
	TEST(a_stub_looks_as_the_table_says),
	TEST_LONG(sites_in_libc_are_what_objdump_sees, 60),
	TEST_LONG(sites_in_other_files_are_what_objdump_sees, 120),
	TEST(few_calls_of_libc_are_left),
	TEST(flags_are_those_of_the_processor),
	TEST_LONG(lengths_are_what_objdump_sees, 60),
};
TEST_MAIN(tests)

/*
 * test_elf.c - what elf.h promises: real programs are accepted, each limit has its
 * fault, and whatever bytes a file holds, what is accepted keeps the rules.
 */
#include "call/elf.h"
#include "test/harness.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct bytes {
	uint8_t *data;
	size_t size;
};

static ssize_t read_bytes(void *ctx, void *buf, size_t size, uint64_t offset)
{
	const struct bytes *b = ctx;

	if (offset >= b->size)
		return 0;
	if (size > b->size - offset)
		size = b->size - offset;
	memcpy(buf, b->data + offset, size);
	return (ssize_t)size;
}

/* Nothing here yields. */
static int parse(struct bytes *b, size_t head_size, struct elf_image *image)
	TSA(no_thread_safety_analysis)
{
	struct elf_source source = {
		.head = b->data,
		.head_size = head_size,
		.size = b->size,
		.read = read_bytes,
		.ctx = b,
	};

	return elf_parse(&source, image);
}

static struct bytes load(const char *path, size_t limit)
{
	struct bytes b = { 0 };
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return b;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		b.size = (size_t)st.st_size < limit ? (size_t)st.st_size : limit;
		b.data = malloc(b.size + 1);
		CHECK(b.data);
		CHECK_INT(pread(fd, b.data, b.size, 0), b.size);
	}
	close(fd);
	return b;
}

/* A small program: headers and text in one page, data in the next. */
#define SMALL_SIZE 0x3000u
struct small {
	struct bytes bytes;
	Elf64_Ehdr *file;
	Elf64_Phdr *header; /* [0] text, [1] data, [2] interpreter, [3] stack */
	char *interp;
};

static void small_make(struct small *s)
{
	_Alignas(8) static uint8_t data[SMALL_SIZE];

	memset(data, 0, sizeof(data));
	s->bytes = (struct bytes){ data, sizeof(data) };
	s->file = (void *)data;
	s->header = (void *)(data + sizeof(Elf64_Ehdr));
	s->interp = (char *)data + 0x800;
	memcpy(s->file->e_ident, ELFMAG, SELFMAG);
	s->file->e_ident[EI_CLASS] = ELFCLASS64;
	s->file->e_ident[EI_DATA] = ELFDATA2LSB;
	s->file->e_type = ET_DYN;
	s->file->e_machine = EM_X86_64;
	s->file->e_entry = 0x900;
	s->file->e_phoff = sizeof(Elf64_Ehdr);
	s->file->e_phentsize = sizeof(Elf64_Phdr);
	s->file->e_phnum = 4;
	s->header[0] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = 0x1000, .p_memsz = 0x1000
	};
	s->header[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
				     .p_flags = PF_R | PF_W,
				     .p_offset = 0x1100,
				     .p_vaddr = 0x2100,
				     .p_filesz = 0x200,
				     .p_memsz = 0x3000 };
	s->header[2] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = 0x800, .p_filesz = 7 };
	s->header[3] = (Elf64_Phdr){ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W };
	memcpy(s->interp, "/ld.so", 7);
}

static int parse_only(struct bytes *b)
{
	struct elf_image image;

	return parse(b, 0, &image);
}

static int small_parse(struct small *s)
{
	return parse_only(&s->bytes);
}

static void an_image_says_what_the_headers_say(void)
{
	struct small s;
	struct elf_image image;

	small_make(&s);
	CHECK_INT(parse(&s.bytes, 64, &image), ELF_FINE);
	CHECK_INT(image.run.segment_count, 2);
	CHECK_INT(image.run.min_vaddr, 0);
	CHECK_INT(image.run.span, 0x6000);
	CHECK_INT(image.run.entry, 0x900);
	CHECK_INT(image.run.phdr, 0x40);
	CHECK_INT(image.run.phnum, 4);
	CHECK_INT(image.run.relocatable, 1);
	CHECK_INT(image.run.segment[0].prot, PROT_READ | PROT_EXEC);
	CHECK_INT(image.run.segment[1].prot, PROT_READ | PROT_WRITE);
	CHECK_INT(image.run.segment[1].vaddr, 0x2100);
	CHECK_INT(image.run.segment[1].offset, 0x1100);
	CHECK_INT(image.run.segment[1].file_size, 0x200);
	CHECK_INT(image.run.segment[1].mem_size, 0x3000);
	CHECK_STR(image.interp, "/ld.so");
	CHECK(!image.executable_stack);
	s.header[3].p_flags |= PF_X;
	CHECK_INT(parse(&s.bytes, 0, &image), ELF_FINE);
	CHECK(image.executable_stack);
}

static void headers_that_no_segment_maps_have_no_address(void)
{
	struct small s;
	struct elf_image image;

	small_make(&s);
	s.file->e_phoff = 0x2800;
	memcpy(s.bytes.data + 0x2800, s.header, 4 * sizeof(Elf64_Phdr));
	CHECK_INT(parse(&s.bytes, 0, &image), ELF_FINE);
	CHECK_INT(image.run.phdr, 0);
}

static void files_that_are_no_program_are_named(void)
{
	struct small s;
	struct bytes script = { (uint8_t *)(uintptr_t) "#!/bin/sh\n", 10 };
	struct bytes nothing = { (uint8_t *)(uintptr_t) "", 0 };

	CHECK_INT(parse_only(&script), ELF_NOT_ELF);
	CHECK_INT(parse_only(&nothing), ELF_NOT_ELF);
	small_make(&s);
	s.file->e_type = ET_REL;
	CHECK_INT(small_parse(&s), ELF_TYPE);
	s.file->e_type = ET_DYN;
	s.file->e_ident[EI_CLASS] = ELFCLASS32;
	CHECK_INT(small_parse(&s), ELF_CLASS);
	s.file->e_machine = EM_386;
	CHECK_STR(elf_why(small_parse(&s)), "is for another machine (i386)");
	s.file->e_machine = EM_AARCH64;
	CHECK_STR(elf_why(small_parse(&s)), "is for another machine (aarch64)");
	s.file->e_machine = 0x1234;
	CHECK_STR(elf_why(small_parse(&s)), "is for another machine");
	s.file->e_ident[EI_DATA] = ELFDATA2MSB;
	s.file->e_machine = EM_S390 << 8;
	CHECK_STR(elf_why(small_parse(&s)), "is for another machine (s390x)");
	s.file->e_machine = EM_X86_64 << 8;
	CHECK_INT(small_parse(&s), ELF_CLASS);
}

static void answers_are_those_of_execve(void)
{
	CHECK_INT(elf_errno(ELF_NOT_ELF, false), -ENOEXEC);
	CHECK_INT(elf_errno(ELF_TRUNCATED, false), -ENOEXEC);
	CHECK_INT(elf_errno(ELF_MACHINE | EM_AARCH64 << 8, false), -ENOEXEC);
	CHECK_INT(elf_errno(ELF_SEGMENT_PLACE, false), -EINVAL);
	CHECK_INT(elf_errno(ELF_NOT_ELF, true), -ELIBBAD);
	for (int fault = 0; fault < ELF_FAULT_COUNT; fault++)
		CHECK(elf_why(fault) != NULL);
	CHECK_STR(elf_why(-EIO), "cannot be read");
	CHECK_STR(elf_why(200), "cannot be read");
}

static void header_table_has_limits(void)
{
	struct small s;

	small_make(&s);
	s.file->e_phnum = 0;
	CHECK_INT(small_parse(&s), ELF_HEADERS);
	s.file->e_phnum = ELF_HEADERS_MAX + 1;
	CHECK_INT(small_parse(&s), ELF_HEADERS);
	s.file->e_phnum = 4;
	s.file->e_phentsize = 32;
	CHECK_INT(small_parse(&s), ELF_HEADERS);
	s.file->e_phentsize = sizeof(Elf64_Phdr);
	s.file->e_phoff = SMALL_SIZE - 4 * sizeof(Elf64_Phdr) + 1;
	CHECK_INT(small_parse(&s), ELF_TRUNCATED);
	s.file->e_phoff = UINT64_MAX - 8;
	CHECK_INT(small_parse(&s), ELF_TRUNCATED);
	s.file->e_phoff = SMALL_SIZE - 4 * sizeof(Elf64_Phdr); /* nulls: nothing to load */
	CHECK_INT(small_parse(&s), ELF_NO_SEGMENTS);
}

static void as_many_segments_as_fit_are_taken(void)
{
	struct small s;
	struct elf_image image;

	small_make(&s);
	s.file->e_phnum = ELF_LOADS_MAX + 1;
	for (unsigned int i = 0; i <= ELF_LOADS_MAX; i++)
		s.header[i] =
			(Elf64_Phdr){ .p_type = PT_LOAD, .p_vaddr = i * 0x1000, .p_memsz = 0x1000 };
	CHECK_INT(small_parse(&s), ELF_MANY_SEGMENTS);
	s.file->e_phnum = ELF_LOADS_MAX;
	CHECK_INT(parse(&s.bytes, 0, &image), ELF_FINE);
	CHECK_INT(image.run.segment_count, ELF_LOADS_MAX);
}

static void interpreter_has_255_bytes_and_an_end(void)
{
	struct small s;
	struct elf_image image;

	small_make(&s);
	s.header[2].p_filesz = 6; /* its NUL is cut off */
	CHECK_INT(small_parse(&s), ELF_INTERP);
	s.header[2].p_filesz = 1;
	CHECK_INT(small_parse(&s), ELF_INTERP);
	s.header[2].p_filesz = 7;
	s.interp[0] = '\0';
	CHECK_INT(small_parse(&s), ELF_INTERP);
	memset(s.interp, 'x', 300);
	s.interp[255] = '\0';
	s.header[2].p_filesz = 256;
	CHECK_INT(parse(&s.bytes, 0, &image), ELF_FINE);
	CHECK_INT(strlen(image.interp), 255);
	s.interp[256] = '\0';
	s.header[2].p_filesz = 257;
	CHECK_INT(small_parse(&s), ELF_INTERP);
	s.header[2].p_filesz = 7;
	s.header[2].p_offset = SMALL_SIZE - 6;
	CHECK_INT(small_parse(&s), ELF_TRUNCATED);
}

static void segments_stay_inside_file_and_limits(void)
{
	struct small s;

	small_make(&s);
	s.header[1].p_filesz = SMALL_SIZE - 0x1100 + 1;
	s.header[1].p_memsz = SMALL_SIZE;
	CHECK_INT(small_parse(&s), ELF_TRUNCATED);
	s.header[1].p_filesz = s.header[1].p_memsz + 1;
	CHECK_INT(small_parse(&s), ELF_SEGMENT_SIZE);
	s.header[1].p_filesz = UINT64_MAX;
	s.header[1].p_memsz = UINT64_MAX;
	CHECK_INT(small_parse(&s), ELF_SEGMENT_SIZE);
	s.header[1].p_filesz = 0x200;
	s.header[1].p_memsz = 0x3000;
	s.header[1].p_vaddr = UINT64_MAX - 0xeff;
	CHECK_INT(small_parse(&s), ELF_SEGMENT_PLACE);
	s.header[1].p_vaddr = ELF_ADDRESS_MAX - 0xf00;
	CHECK_INT(small_parse(&s), ELF_SEGMENT_PLACE);
	s.header[1].p_vaddr = (1ull << 40) + 0x100;
	CHECK_INT(small_parse(&s), ELF_SEGMENT_SIZE); /* the span */
	s.header[1].p_vaddr = 0x2200;
	CHECK_INT(small_parse(&s), ELF_SEGMENT_PAGE);
}

static void segments_rise_on_pages_of_their_own(void)
{
	struct small s;

	small_make(&s);
	s.header[1].p_vaddr = 0x100;
	CHECK_INT(small_parse(&s), ELF_SEGMENT_ORDER);
	s.header[1].p_vaddr = 0x1100;
	CHECK_INT(small_parse(&s), ELF_FINE);
	s.header[0].p_memsz = 0x1001;
	CHECK_INT(small_parse(&s), ELF_SEGMENT_ORDER);
}

static void fixed_programs_keep_off_our_places(void)
{
	struct small s;

	small_make(&s);
	s.file->e_type = ET_EXEC;
	CHECK_INT(small_parse(&s), ELF_SEGMENT_PLACE); /* at 0 */
	for (unsigned int i = 0; i < 2; i++)
		s.header[i].p_vaddr += 0x400000;
	CHECK_INT(small_parse(&s), ELF_FINE);
	for (unsigned int i = 0; i < 2; i++)
		s.header[i].p_vaddr += RUN_BASE - 0x406000;
	CHECK_INT(small_parse(&s), ELF_FINE); /* ends where the shim's begins */
	for (unsigned int i = 0; i < 2; i++)
		s.header[i].p_vaddr += 0x1000;
	CHECK_INT(small_parse(&s), ELF_SEGMENT_PLACE);
	for (unsigned int i = 0; i < 2; i++)
		s.header[i].p_vaddr += RUN_END - RUN_BASE;
	CHECK_INT(small_parse(&s), ELF_SEGMENT_PLACE);
	for (unsigned int i = 0; i < 2; i++)
		s.header[i].p_vaddr += 0x5000;
	CHECK_INT(small_parse(&s), ELF_FINE); /* begins where they end */
}

static ssize_t read_error(void *ctx, void *buf, size_t size, uint64_t offset)
{
	(void)ctx, (void)buf, (void)size, (void)offset;
	return -EIO;
}

static ssize_t read_shorter(void *ctx, void *buf, size_t size, uint64_t offset)
{
	return read_bytes(ctx, buf, size - 1, offset);
}

static void errors_and_files_that_shrink_are_answered(void) TSA(no_thread_safety_analysis)
{
	struct small s;
	struct elf_image image;
	struct elf_source source = { .size = SMALL_SIZE, .read = read_error };

	small_make(&s);
	source.ctx = &s.bytes;
	CHECK_INT(elf_parse(&source, &image), -EIO);
	source.read = read_shorter;
	CHECK_INT(elf_parse(&source, &image), ELF_TRUNCATED);
}

/* What a caller relies on in an accepted image of a file of `size` bytes. */
static void check_rules(const struct elf_image *image, uint64_t size)
{
	uint64_t end = 0;

	CHECK(image->run.segment_count >= 1 && image->run.segment_count <= ELF_LOADS_MAX);
	CHECK(image->run.min_vaddr % ELF_PAGE == 0 && image->run.span % ELF_PAGE == 0);
	CHECK(image->run.span > 0 && image->run.span <= ELF_SPAN_MAX);
	CHECK(memchr(image->interp, '\0', sizeof(image->interp)) != NULL);
	for (unsigned int i = 0; i < image->run.segment_count; i++) {
		const struct run_segment *g = &image->run.segment[i];

		CHECK(g->mem_size > 0 && g->file_size <= g->mem_size);
		CHECK((g->vaddr & ~(ELF_PAGE - 1)) >= end);
		CHECK(g->vaddr >= image->run.min_vaddr);
		CHECK(g->vaddr + g->mem_size > g->vaddr);
		CHECK(g->vaddr + g->mem_size <= image->run.min_vaddr + image->run.span);
		end = (g->vaddr + g->mem_size + ELF_PAGE - 1) & ~(ELF_PAGE - 1);
		if (g->file_size == 0)
			continue;
		CHECK(g->offset <= size && g->file_size <= size - g->offset);
		CHECK(g->offset % ELF_PAGE == g->vaddr % ELF_PAGE);
	}
	if (image->run.relocatable)
		return;
	CHECK(image->run.min_vaddr >= ELF_ADDRESS_MIN);
	CHECK(end <= RUN_BASE || image->run.min_vaddr >= RUN_END);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Change some bytes of the headers: anything, or values at the edges. */
static void mutate(uint8_t *head, size_t size, uint64_t *state)
{
	static const uint64_t edges[] = {
		0,	    1,	      0xfff,	   0x1000,	    0x7fffffffffffffff,
		UINT64_MAX, RUN_BASE, RUN_END - 1, ELF_ADDRESS_MAX, UINT32_MAX
	};
	unsigned int count = 1 + (unsigned int)(next_random(state) % 6);

	for (unsigned int i = 0; i < count; i++) {
		uint64_t r = next_random(state);
		size_t at = (r >> 32) % size;

		if (r & 1)
			head[at] = (uint8_t)(r >> 8);
		else if ((at & ~7ull) + 8 <= size)
			memcpy(head + (at & ~7ull), &edges[(r >> 8) % ARRAY_COUNT(edges)], 8);
	}
}

static const char *const programs[] = { "/bin/busybox",
					"/bin/true",
					"/lib64/ld-linux-x86-64.so.2",
					"/lib/x86_64-linux-gnu/libc.so.6",
					"/usr/bin/python3",
					"/sbin/ldconfig" };

static void damaged_programs_are_refused_or_keep_the_rules(void)
{
	uint64_t state = 88172645463325252u;
	unsigned int rounds = test_sanitized ? 4000 : 20000, accepted = 0, seen = 0;

	for (unsigned int p = 0; p < ARRAY_COUNT(programs); p++) {
		static uint8_t head[64 + 16 * sizeof(Elf64_Phdr)];
		struct bytes b = load(programs[p], SIZE_MAX);

		if (b.size < sizeof(head)) {
			free(b.data);
			continue;
		}
		seen++;
		memcpy(head, b.data, sizeof(head));
		for (unsigned int i = 0; i < rounds; i++) {
			struct elf_image image;

			mutate(b.data, sizeof(head), &state);
			if (parse(&b, i % 2 ? sizeof(head) : 0, &image) == ELF_FINE) {
				check_rules(&image, b.size);
				accepted++;
			}
			memcpy(b.data, head, sizeof(head));
		}
		free(b.data);
	}
	CHECK(seen > 0);
	CHECK(accepted > 0);
}

static void truncated_programs_are_truncated(void)
{
	for (unsigned int p = 0; p < ARRAY_COUNT(programs); p++) {
		struct bytes b = load(programs[p], SIZE_MAX);
		struct elf_image image;
		size_t size = b.size;
		uint64_t needed = 0;

		if (size == 0)
			continue;
		CHECK_INT(parse(&b, 0, &image), ELF_FINE);
		for (unsigned int i = 0; i < image.run.segment_count; i++)
			needed = image.run.segment[i].offset + image.run.segment[i].file_size;
		for (b.size = 4; b.size < needed; b.size += b.size < 2000 ? 1 : 997)
			CHECK_INT(parse(&b, b.size < 128 ? b.size : 128, &image), ELF_TRUNCATED);
		b.size = needed;
		CHECK_INT(parse(&b, 0, &image), ELF_FINE);
		free(b.data);
	}
}

static void programs_of_this_machine_are_accepted(void)
{
	static const char *const dirs[] = { "/usr/bin", "/usr/sbin", "/usr/lib/x86_64-linux-gnu" };
	unsigned int accepted = 0;

	for (unsigned int d = 0; d < ARRAY_COUNT(dirs); d++) {
		DIR *dir = opendir(dirs[d]);

		for (struct dirent *e; dir && (e = readdir(dir));) {
			static char path[600];
			struct elf_image image;
			struct bytes b;
			int fault;

			snprintf(path, sizeof(path), "%s/%s", dirs[d], e->d_name);
			if (d == 2 && !strstr(e->d_name, ".so"))
				continue;
			b = load(path, SIZE_MAX);
			if (!b.data)
				continue;
			fault = parse(&b, b.size < 4096 ? b.size : 4096, &image);
			if (fault != ELF_FINE && fault != ELF_NOT_ELF &&
			    (fault & 0xff) != ELF_MACHINE && fault != ELF_CLASS)
				test_fail(__FILE__, __LINE__, "%s %s", path, elf_why(fault));
			if (fault == ELF_FINE)
				check_rules(&image, b.size);
			accepted += fault == ELF_FINE;
			free(b.data);
		}
		if (dir)
			closedir(dir);
	}
	CHECK(accepted > 50);
}

static const struct test tests[] = {
	TEST(an_image_says_what_the_headers_say),
	TEST(headers_that_no_segment_maps_have_no_address),
	TEST(files_that_are_no_program_are_named),
	TEST(answers_are_those_of_execve),
	TEST(header_table_has_limits),
	TEST(as_many_segments_as_fit_are_taken),
	TEST(interpreter_has_255_bytes_and_an_end),
	TEST(segments_stay_inside_file_and_limits),
	TEST(segments_rise_on_pages_of_their_own),
	TEST(fixed_programs_keep_off_our_places),
	TEST(errors_and_files_that_shrink_are_answered),
	TEST(damaged_programs_are_refused_or_keep_the_rules),
	TEST(truncated_programs_are_truncated),
	TEST_LONG(programs_of_this_machine_are_accepted, 60),
};
TEST_MAIN(tests)

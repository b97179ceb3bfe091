#include "call/elf.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define HEADERS_AT_ONCE 16u

static_assert(ELF_HEADERS_MAX % HEADERS_AT_ONCE == 0, "headers are read in whole groups");

static uint64_t page_down(uint64_t at)
{
	return at & ~(ELF_PAGE - 1);
}

static uint64_t page_up(uint64_t at) /* at is far from the end of numbers: checked before */
{
	return page_down(at + ELF_PAGE - 1);
}

/* Is [offset, offset + size) inside the file? */
static bool inside_file(const struct elf_source *source, uint64_t offset, uint64_t size)
{
	return offset <= source->size && size <= source->size - offset;
}

/* All the bytes, or a fault or error. */
static int read_exactly(const struct elf_source *source, void *buf, size_t size, uint64_t offset)
	MAY_YIELD
{
	ssize_t got;

	if (!inside_file(source, offset, size))
		return ELF_TRUNCATED;
	if (offset <= source->head_size && size <= source->head_size - offset) {
		memcpy(buf, source->head + offset, size);
		return ELF_FINE;
	}
	got = source->read(source->ctx, buf, size, offset);
	if (got < 0)
		return (int)got;
	return (size_t)got == size ? ELF_FINE : ELF_TRUNCATED;
}

static int machine_fault(const Elf64_Ehdr *header)
{
	uint16_t machine = header->e_machine;

	/* The word lies at the same place in files of both classes, in the file's byte order. */
	if (header->e_ident[EI_DATA] == ELFDATA2MSB)
		machine = (uint16_t)(machine << 8 | machine >> 8);
	return machine == EM_X86_64 ? ELF_FINE : ELF_MACHINE | machine << 8;
}

static int check_header(const Elf64_Ehdr *header)
{
	int fault;

	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return ELF_NOT_ELF;
	fault = machine_fault(header);
	if (fault)
		return fault;
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB)
		return ELF_CLASS;
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return ELF_TYPE;
	if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
	    header->e_phnum > ELF_HEADERS_MAX)
		return ELF_HEADERS;
	return ELF_FINE;
}

static int check_load(const struct elf_source *source, const Elf64_Phdr *header)
{
	if (header->p_filesz > header->p_memsz || header->p_memsz > ELF_SPAN_MAX)
		return ELF_SEGMENT_SIZE;
	if (header->p_vaddr >= ELF_ADDRESS_MAX ||
	    header->p_memsz > ELF_ADDRESS_MAX - header->p_vaddr)
		return ELF_SEGMENT_PLACE;
	if (header->p_filesz == 0)
		return ELF_FINE;
	if (!inside_file(source, header->p_offset, header->p_filesz))
		return ELF_TRUNCATED;
	if ((header->p_vaddr - header->p_offset) % ELF_PAGE != 0)
		return ELF_SEGMENT_PAGE;
	return ELF_FINE;
}

static int add_load(const struct elf_source *source, const Elf64_Phdr *header,
		    struct run_image *image)
{
	struct run_segment *segment;
	int fault;

	if (header->p_memsz == 0)
		return header->p_filesz == 0 ? ELF_FINE : ELF_SEGMENT_SIZE;
	fault = check_load(source, header);
	if (fault)
		return fault;
	if (image->segment_count == ELF_LOADS_MAX)
		return ELF_MANY_SEGMENTS;
	if (image->segment_count != 0 && page_down(header->p_vaddr) < elf_end(image))
		return ELF_SEGMENT_ORDER;
	segment = &image->segment[image->segment_count++];
	*segment = (struct run_segment){
		.vaddr = header->p_vaddr,
		.file_size = header->p_filesz,
		.mem_size = header->p_memsz,
		.offset = header->p_offset,
		.prot = (header->p_flags & PF_R ? PROT_READ : 0u) |
			(header->p_flags & PF_W ? PROT_WRITE : 0u) |
			(header->p_flags & PF_X ? PROT_EXEC : 0u),
	};
	return ELF_FINE;
}

static int read_interp(const struct elf_source *source, const Elf64_Phdr *header,
		       struct elf_image *image) MAY_YIELD
{
	int fault;

	if (header->p_filesz < 2 || header->p_filesz > ELF_INTERP_MAX)
		return ELF_INTERP;
	fault = read_exactly(source, image->interp, header->p_filesz, header->p_offset);
	if (fault)
		return fault;
	/* An empty name would read as "none". */
	if (image->interp[header->p_filesz - 1] != '\0' || image->interp[0] == '\0')
		return ELF_INTERP;
	return ELF_FINE;
}

static int take_header(const struct elf_source *source, const Elf64_Phdr *header,
		       struct elf_image *image) MAY_YIELD
{
	switch (header->p_type) {
	case PT_LOAD:
		return add_load(source, header, &image->run);
	case PT_INTERP: /* the first counts, as on Linux */
		return image->interp[0] == '\0' ? read_interp(source, header, image) : ELF_FINE;
	case PT_GNU_STACK:
		image->executable_stack = header->p_flags & PF_X;
		return ELF_FINE;
	default:
		return ELF_FINE;
	}
}

static int take_headers(const struct elf_source *source, const Elf64_Ehdr *file,
			struct elf_image *image) MAY_YIELD
{
	Elf64_Phdr headers[HEADERS_AT_ONCE];

	if (!inside_file(source, file->e_phoff, file->e_phnum * sizeof(Elf64_Phdr)))
		return ELF_TRUNCATED;
	for (unsigned int done = 0; done < file->e_phnum; done += HEADERS_AT_ONCE) {
		unsigned int count = file->e_phnum - done;
		int fault;

		if (count > HEADERS_AT_ONCE)
			count = HEADERS_AT_ONCE;
		fault = read_exactly(source, headers, count * sizeof(Elf64_Phdr),
				     file->e_phoff + done * sizeof(Elf64_Phdr));
		for (unsigned int i = 0; !fault && i < count; i++)
			fault = take_header(source, &headers[i], image);
		if (fault)
			return fault;
	}
	return ELF_FINE;
}

/* Where the program will find its own headers: in the segment that maps them, if one does. */
static uint64_t headers_address(const struct run_image *image, const Elf64_Ehdr *file)
{
	uint64_t size = file->e_phnum * sizeof(Elf64_Phdr);

	for (unsigned int i = 0; i < image->segment_count; i++) {
		const struct run_segment *s = &image->segment[i];

		if (file->e_phoff >= s->offset && file->e_phoff - s->offset <= s->file_size &&
		    size <= s->file_size - (file->e_phoff - s->offset))
			return s->vaddr + (file->e_phoff - s->offset);
	}
	return 0;
}

static int place_image(struct run_image *image)
{
	uint64_t end;

	if (image->segment_count == 0)
		return ELF_NO_SEGMENTS;
	end = elf_end(image);
	image->min_vaddr = page_down(image->segment[0].vaddr);
	image->span = end - image->min_vaddr;
	if (image->span > ELF_SPAN_MAX)
		return ELF_SEGMENT_SIZE;
	if (image->relocatable)
		return ELF_FINE;
	if (image->min_vaddr < ELF_ADDRESS_MIN)
		return ELF_SEGMENT_PLACE;
	if (image->min_vaddr < RUN_END && end > RUN_BASE)
		return ELF_SEGMENT_PLACE;
	return ELF_FINE;
}

uint64_t elf_end(const struct run_image *image)
{
	const struct run_segment *last = &image->segment[image->segment_count - 1];

	return page_up(last->vaddr + last->mem_size);
}

int elf_parse(const struct elf_source *source, struct elf_image *ret)
{
	Elf64_Ehdr header;
	int fault;

	memset(ret, 0, sizeof(*ret));
	if (source->size < SELFMAG)
		return ELF_NOT_ELF;
	memset(&header, 0, sizeof(header));
	fault = read_exactly(source, &header, SELFMAG, 0);
	if (fault)
		return fault;
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return ELF_NOT_ELF;
	fault = read_exactly(source, &header, sizeof(header), 0);
	if (!fault)
		fault = check_header(&header);
	if (fault)
		return fault;

	ret->run.entry = header.e_entry;
	ret->run.phnum = header.e_phnum;
	ret->run.relocatable = header.e_type == ET_DYN;
	fault = take_headers(source, &header, ret);
	if (!fault)
		fault = place_image(&ret->run);
	if (!fault)
		ret->run.phdr = headers_address(&ret->run, &header);
	return fault;
}

int elf_errno(int fault, bool interpreter)
{
	if (interpreter)
		return -ELIBBAD;
	switch (fault & 0xff) {
	case ELF_SEGMENT_SIZE:
	case ELF_SEGMENT_ORDER:
	case ELF_SEGMENT_PAGE:
	case ELF_SEGMENT_PLACE:
		return -EINVAL;
	default:
		return -ENOEXEC;
	}
}

static const char *machine_why(int machine)
{
	switch (machine) {
	case EM_386:
		return "is for another machine (i386)";
	case EM_ARM:
		return "is for another machine (arm)";
	case EM_AARCH64:
		return "is for another machine (aarch64)";
	case EM_RISCV:
		return "is for another machine (riscv)";
	case EM_PPC64:
		return "is for another machine (ppc64)";
	case EM_S390:
		return "is for another machine (s390x)";
	case EM_MIPS:
		return "is for another machine (mips)";
	case EM_LOONGARCH:
		return "is for another machine (loongarch)";
	default:
		return "is for another machine";
	}
}

const char *elf_why(int fault)
{
	static const char *const why[ELF_FAULT_COUNT] = {
		[ELF_FINE] = "is a program",
		[ELF_NOT_ELF] = "is not a program (no ELF header)",
		[ELF_TRUNCATED] = "is truncated",
		[ELF_CLASS] = "is not a 64-bit program",
		[ELF_TYPE] = "is an object or core file, not a program",
		[ELF_HEADERS] = "has damaged program headers",
		[ELF_INTERP] = "names its interpreter in a damaged way",
		[ELF_NO_SEGMENTS] = "has nothing to load",
		[ELF_MANY_SEGMENTS] = "has too many segments",
		[ELF_SEGMENT_SIZE] = "has a segment of an impossible size",
		[ELF_SEGMENT_ORDER] = "has segments that overlap or are out of order",
		[ELF_SEGMENT_PAGE] = "has a segment that does not start on a page",
		[ELF_SEGMENT_PLACE] = "wants memory at an address it cannot have",
	};
	int kind = fault & 0xff;

	if (fault < 0 || kind >= ELF_FAULT_COUNT)
		return "cannot be read";
	return kind == ELF_MACHINE ? machine_why(fault >> 8) : why[kind];
}

/*
 * test_map.c - mmap of files (call/map.c) and the copies of stub_cache.h: what is refused,
 * which slot holds what, and when a text comes patched.
 */
#include "call/elf.h"
#include "call/stub_cache.h"
#include "test/exec/exec_test.h"

#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <time.h>

#define LIBC "/usr/lib/x86_64-linux-gnu/libc.so.6"
#define OTHER_LIBRARY "/usr/lib/x86_64-linux-gnu/libtsan.so.2" /* makes calls of its own */

/* Ask for what can be asked of a descriptor, in one word: the answer. */
static int64_t ask(int fd, uint64_t prot, uint64_t flags) MAY_YIELD
{
	const struct mmap_request m = { .fd = fd, .prot = prot, .flags = flags, .length = 4096 };
	struct run_map answer;

	return map_fd(&m, &answer);
}

EXEC_TEST(requests_are_refused_as_linux_does)
{
	int read_only, both, write_only, directory, pathname;

	use_machine();
	put_text("/t", "text", 0644);
	read_only = open_fd("/t", O_RDONLY);
	both = open_fd("/t", O_RDWR);
	write_only = open_fd("/t", O_WRONLY);
	directory = open_fd("/usr", O_RDONLY);
	pathname = open_fd("/t", O_PATH);
	CHECK(read_only >= 0 && both > 0 && write_only > 0 && directory > 0 && pathname > 0);

	CHECK_INT(ask(99, PROT_READ, MAP_PRIVATE), -EBADF);
	CHECK_INT(ask(pathname, PROT_READ, MAP_PRIVATE), -EBADF);
	CHECK_INT(ask(write_only, PROT_READ, MAP_PRIVATE), -EACCES);
	CHECK_INT(ask(write_only, PROT_WRITE, MAP_SHARED), -EACCES);
	CHECK_INT(ask(directory, PROT_READ, MAP_PRIVATE), -ENODEV);
	CHECK_INT(ask(read_only, PROT_READ, 0), -EINVAL);
	CHECK_INT(ask(read_only, PROT_READ | PROT_WRITE, MAP_SHARED), -EACCES);
	CHECK_INT(ask(read_only, PROT_READ | PROT_WRITE, MAP_PRIVATE), 0);
	CHECK_INT(ask(read_only, PROT_READ, MAP_SHARED), 0);
	CHECK_INT(ask(both, PROT_READ | PROT_WRITE, MAP_SHARED), 0);
}

EXEC_TEST(numbers_out_of_range_are_refused)
{
	struct mmap_request m = { .prot = PROT_READ, .flags = MAP_PRIVATE, .length = 4096 };
	struct run_map answer;

	use_machine();
	put_text("/t", "text", 0644);
	m.fd = open_fd("/t", O_RDONLY);
	m.offset = 1;
	CHECK_INT(map_fd(&m, &answer), -EINVAL);
	m.offset = 1ull << 63;
	CHECK_INT(map_fd(&m, &answer), -EOVERFLOW);
	m.offset = (1ull << 63) - 4096;
	m.length = 8192;
	CHECK_INT(map_fd(&m, &answer), -EOVERFLOW);
	m.length = UINT64_MAX;
	m.offset = 0;
	CHECK_INT(map_fd(&m, &answer), -ENOMEM);
	m.length = 0;
	CHECK_INT(map_fd(&m, &answer), -EINVAL);
}

EXEC_TEST(a_slot_holds_the_file_until_it_changes_hands)
{
	struct mmap_request m = { .prot = PROT_READ, .flags = MAP_PRIVATE, .length = 4096 };
	struct run_map first, again, writable;
	char bytes[4];

	use_machine();
	put_text("/t", "text", 0644);
	m.fd = open_fd("/t", O_RDWR);
	CHECK_INT(map_fd(&m, &first), 0);
	CHECK_INT(request.reply_flags, RUN_REPLY_FDS);
	CHECK_INT(first.file_size, 4);
	CHECK_INT(first.stub_size, 0);
	CHECK_INT(first.reserve, 0);
	CHECK_INT(pread(client_fd[first.slot], bytes, 4, 0), 4);
	CHECK(memcmp(bytes, "text", 4) == 0);
	CHECK_INT(pwrite(client_fd[first.slot], "x", 1, 0), -1);

	CHECK_INT(map_fd(&m, &again), 0);
	CHECK_INT(request.reply_flags, 0);
	CHECK_INT(again.slot, first.slot);
	CHECK_INT(sent_count, 1);

	m.flags = MAP_SHARED; /* of a file that may be written: mprotect may come */
	CHECK_INT(map_fd(&m, &writable), 0);
	CHECK(writable.slot != first.slot);
	CHECK_INT(sent_count, 2);
	CHECK_INT(pwrite(client_fd[writable.slot], "T", 1, 0), 1);
	CHECK_INT(pread(client_fd[first.slot], bytes, 1, 0), 1);
	CHECK_INT(bytes[0], 'T');
}

EXEC_TEST(slots_are_used_again_when_all_are_full)
{
	struct mmap_request m = { .prot = PROT_READ, .flags = MAP_PRIVATE, .length = 4096 };
	struct run_map answer;
	char name[16];

	use_machine();
	for (unsigned int i = 0; i < PROC_SLOTS + 8; i++) {
		char byte;

		snprintf(name, sizeof(name), "/t%u", i);
		put_file(name, &(char){ (char)i }, 1, 0644);
		m.fd = open_fd(name, O_RDONLY);
		CHECK_INT(map_fd(&m, &answer), 0);
		CHECK_INT(pread(client_fd[answer.slot], &byte, 1, 0), 1);
		CHECK_INT(byte, i);
	}
	CHECK_INT(sent_count, PROC_SLOTS + 8);
}

EXEC_TEST(a_descriptor_that_cannot_be_sent_is_not_remembered)
{
	struct mmap_request m = { .prot = PROT_READ, .flags = MAP_PRIVATE, .length = 4096 };
	struct run_map answer;

	use_machine();
	put_text("/t", "text", 0644);
	m.fd = open_fd("/t", O_RDONLY);
	send_fails = true;
	CHECK_INT(map_fd(&m, &answer), -EIO);
	CHECK_INT(request.reply_flags, 0);
	send_fails = false;
	CHECK_INT(map_fd(&m, &answer), 0);
	CHECK_INT(sent_count, 1);
}

EXEC_TEST(the_zero_device_is_memory)
{
	struct mmap_request m = { .prot = PROT_READ, .flags = MAP_PRIVATE, .length = 4096 };
	struct run_map answer;

	use_machine();
	CHECK_INT(vfs_mknod(&view, NULL, "/zero", S_IFCHR | 0666, makedev(1, 5)), 0);
	CHECK_INT(vfs_mknod(&view, NULL, "/null", S_IFCHR | 0666, makedev(1, 3)), 0);
	m.fd = open_fd("/zero", O_RDWR);
	CHECK(m.fd >= 0);
	CHECK_INT(map_fd(&m, &answer), 0);
	CHECK_INT(answer.slot, RUN_SLOT_ZERO);
	m.fd = open_fd("/null", O_RDWR);
	CHECK_INT(map_fd(&m, &answer), -ENODEV);
}

/* ---- patched texts: the requests of a dynamic linker */

static ssize_t read_fd(void *ctx, void *buf, size_t size, uint64_t offset)
{
	return pread(*(const int *)ctx, buf, size, (off_t)offset);
}

/* A library of the machine's: its layout and its text's segment. */
static struct run_image layout_of(const char *path, struct run_segment *ret_text) MAY_YIELD
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elf_source source = { .read = read_fd, .ctx = &fd };
	struct elf_image image;
	struct stat st;

	if (fd < 0)
		SKIP("no %s", path);
	CHECK_INT(fstat(fd, &st), 0);
	source.size = (uint64_t)st.st_size;
	CHECK_INT(elf_parse(&source, &image), 0);
	close(fd);
	for (uint32_t i = 0; i < image.run.segment_count; i++)
		if (image.run.segment[i].prot & PROT_EXEC)
			*ret_text = image.run.segment[i];
	return image.run;
}

/* What ld.so asks for: the whole span, then the text over it. */
static void load_library(const char *path, struct run_map *ret_span, struct run_map *ret_text)
	MAY_YIELD
{
	struct run_segment text;
	struct run_image image = layout_of(path, &text);
	struct mmap_request m = { .prot = PROT_READ, .flags = MAP_PRIVATE };

	m.fd = open_fd(path, O_RDONLY);
	CHECK(m.fd >= 0);
	m.length = image.span;
	CHECK_INT(map_fd(&m, ret_span), 0);
	m.prot = PROT_READ | PROT_EXEC;
	m.flags = MAP_PRIVATE | MAP_FIXED;
	m.offset = text.offset & ~(ELF_PAGE - 1);
	m.length = (text.offset % ELF_PAGE + text.file_size + ELF_PAGE - 1) & ~(ELF_PAGE - 1);
	CHECK_INT(map_fd(&m, ret_text), 0);
}

/* A patched text: jumps where calls were, stubs where the answer says, all sealed. */
static void check_patched(const char *path, const struct run_map *span, const struct run_map *text)
	MAY_YIELD
{
	struct run_segment segment;
	struct run_image image = layout_of(path, &segment);
	uint64_t size = (segment.file_size + ELF_PAGE - 1) & ~(ELF_PAGE - 1);
	uint64_t vaddr = segment.vaddr & ~(ELF_PAGE - 1);
	unsigned int changed = 0;
	uint8_t *was = malloc(size), *is = malloc(size);
	uint64_t entry;
	int fd = open(path, O_RDONLY | O_CLOEXEC), slot = client_fd[text->slot];

	CHECK(was && is && fd >= 0);
	CHECK_INT(text->offset, 0);
	CHECK(text->stub_size > 0);
	CHECK_INT(span->reserve, text->stub_size);
	CHECK_INT(text->stub_delta, image.span - vaddr);
	CHECK_INT(pread(slot, &entry, 8, (off_t)text->stub_offset), 8);
	CHECK_INT(entry, RUN_STUB_ENTRY);
	CHECK_INT(pread(fd, was, size, (off_t)segment.offset), size);
	CHECK_INT(pread(slot, is, size, 0), size);
	for (uint64_t i = 0; i < size; i++)
		if (is[i] != was[i] && is[i] == 0xe9)
			changed++;
	CHECK(changed > 10);
	/* Nobody writes to what all share. */
	CHECK_INT(pwrite(slot, "x", 1, 0), -1);
	CHECK_INT(ftruncate(slot, 0), -1);
	CHECK(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, slot, 0) == MAP_FAILED);
	close(fd);
	free(was);
	free(is);
}

EXEC_TEST(a_c_library_comes_patched_at_once)
{
	struct run_map span, text;

	struct timespec before, after;

	use_machine();
	clock_gettime(CLOCK_MONOTONIC, &before);
	load_library(LIBC, &span, &text);
	clock_gettime(CLOCK_MONOTONIC, &after);
	printf("# read, patched and sealed in %lld us\n",
	       (long long)(after.tv_sec - before.tv_sec) * 1000000 +
		       (after.tv_nsec - before.tv_nsec) / 1000);
	check_patched(LIBC, &span, &text);
	CHECK(stub_cache_bytes() > 1000000);
}

EXEC_TEST(other_libraries_come_patched_from_the_second_use)
{
	struct run_map span, text;

	use_machine();
	load_library(OTHER_LIBRARY, &span, &text);
	CHECK_INT(span.reserve, 0);
	CHECK_INT(text.stub_size, 0);
	CHECK(text.offset != 0);
	CHECK_INT(stub_cache_bytes(), 0);
	load_library(OTHER_LIBRARY, &span, &text);
	check_patched(OTHER_LIBRARY, &span, &text);
}

EXEC_TEST(the_text_as_it_is_can_be_had)
{
	struct run_segment segment;
	struct run_map span, text, plain;
	struct mmap_request m = { .prot = PROT_READ | PROT_EXEC,
				  .flags = MAP_PRIVATE,
				  .plain = true };

	use_machine();
	(void)layout_of(LIBC, &segment);
	load_library(LIBC, &span, &text);
	m.fd = open_fd(LIBC, O_RDONLY);
	m.offset = segment.offset;
	m.length = segment.file_size;
	CHECK_INT(map_fd(&m, &plain), 0);
	CHECK_INT(plain.stub_size, 0);
	CHECK_INT(plain.offset, segment.offset);
	CHECK_INT(plain.slot, span.slot);
}

EXEC_TEST(unusual_requests_are_answered_unpatched)
{
	struct run_segment segment;
	struct run_map span, text;
	struct mmap_request m = { .prot = PROT_READ | PROT_EXEC, .flags = MAP_PRIVATE };

	use_machine();
	(void)layout_of(LIBC, &segment);
	load_library(LIBC, &span, &text);
	m.fd = open_fd(LIBC, O_RDONLY);
	m.offset = segment.offset;
	m.length = segment.file_size + 4096; /* more */
	CHECK_INT(map_fd(&m, &text), 0);
	CHECK_INT(text.stub_size, 0);
	m.length = 4096; /* less */
	CHECK_INT(map_fd(&m, &text), 0);
	CHECK_INT(text.stub_size, 0);
	m.length = segment.file_size;
	m.offset += 4096; /* elsewhere */
	CHECK_INT(map_fd(&m, &text), 0);
	CHECK_INT(text.stub_size, 0);
	m.offset -= 4096;
	m.prot |= PROT_WRITE; /* to be changed */
	CHECK_INT(map_fd(&m, &text), 0);
	CHECK_INT(text.stub_size, 0);
	m.prot = PROT_READ | PROT_EXEC;
	m.flags = MAP_SHARED;
	CHECK_INT(map_fd(&m, &text), 0);
	CHECK_INT(text.stub_size, 0);
	m.flags = MAP_PRIVATE; /* and as it should be */
	CHECK_INT(map_fd(&m, &text), 0);
	CHECK(text.stub_size > 0);
	m.offset = 0;
	m.prot = PROT_READ;
	m.length = 4096; /* not the span */
	CHECK_INT(map_fd(&m, &text), 0);
	CHECK_INT(text.reserve, 0);
}

EXEC_TEST(a_file_that_a_client_may_write_is_never_patched)
{
	struct run_map span, text;
	struct mmap_request m = { .prot = PROT_READ, .flags = MAP_SHARED, .length = 4096 };

	use_machine();
	put_copy("/libc.so", LIBC, 0755);
	m.fd = open_fd("/libc.so", O_RDWR);
	CHECK_INT(map_fd(&m, &text), 0);
	load_library(LIBC, &span, &text); /* another file */
	CHECK(text.stub_size > 0);
	m.fd = open_fd("/libc.so", O_RDONLY);
	m.flags = MAP_PRIVATE;
	m.length = text.stub_delta;
	CHECK_INT(map_fd(&m, &span), 0);
	CHECK_INT(span.reserve, 0);
}

EXEC_TEST(a_changed_file_is_patched_anew)
{
	struct run_segment segment;
	struct run_map first, second;
	struct mmap_request m = { .prot = PROT_READ, .flags = MAP_PRIVATE };
	struct run_image image;
	struct dentry *d;

	use_machine();
	image = layout_of(LIBC, &segment);
	put_copy("/libc.so", LIBC, 0755);
	m.fd = open_fd("/libc.so", O_RDONLY);
	m.length = image.span;
	CHECK_INT(map_fd(&m, &first), 0);
	CHECK(first.reserve > 0);
	CHECK_INT(do_open("/libc.so", O_WRONLY, 0, &d), 0);
	/* its first call is none any more: whatever is there, it traps */
	CHECK_INT(vfs_write(dentry_inode(d), "\xc3", 1, segment.offset), 1);
	dentry_put(d);
	m.prot = PROT_READ | PROT_EXEC;
	m.offset = segment.offset;
	m.length = segment.file_size;
	CHECK_INT(map_fd(&m, &second), 0);
	CHECK_INT(second.stub_size, 0); /* not that of the old version */
}

EXEC_TEST(copies_beyond_the_limit_are_forgotten)
{
	struct stub_cache_options options = { .uses = 0, .bytes = 3u << 19 };
	struct run_map span, text;
	unsigned int keys;

	use_machine();
	stub_cache_set(&options);
	load_library(LIBC, &span, &text);
	CHECK(text.stub_size > 0);
	keys = sent_count;
	load_library(OTHER_LIBRARY, &span, &text); /* uses 0: at once; libc's copy goes */
	CHECK(text.stub_size > 0);
	CHECK(stub_cache_bytes() > 0);
	CHECK(stub_cache_bytes() <= options.bytes);
	load_library(LIBC, &span, &text); /* a new one: it is sent */
	CHECK(text.stub_size > 0);
	CHECK(sent_count > keys + 2);
	options.bytes = 4096; /* no copy fits */
	stub_cache_set(&options);
	CHECK_INT(stub_cache_bytes(), 0);
	load_library(LIBC, &span, &text);
	CHECK_INT(text.stub_size, 0);
}

EXEC_TEST(no_copies_are_made_when_told_so)
{
	const struct stub_cache_options options = { .uses = UINT32_MAX, .bytes = 1 << 24 };
	struct run_map span, text;

	use_machine();
	stub_cache_set(&options);
	for (unsigned int i = 0; i < 3; i++) {
		load_library(LIBC, &span, &text);
		CHECK_INT(text.stub_size, 0);
	}
}

EXEC_TEST(more_files_than_the_limit_are_forgotten)
{
	struct mmap_request m = { .prot = PROT_READ | PROT_EXEC,
				  .flags = MAP_PRIVATE,
				  .length = 4096 };
	struct run_map answer;
	char name[16];

	use_machine();
	for (unsigned int i = 0; i < STUB_CACHE_ENTRIES + 50; i++) {
		snprintf(name, sizeof(name), "/t%u", i);
		put_text(name, "no program", 0755);
		m.fd = open_fd(name, O_RDONLY);
		CHECK_INT(map_fd(&m, &answer), 0);
		CHECK_INT(fd_close(process->fds, m.fd), 0);
	}
}

static const struct test tests[] = {
	TEST(requests_are_refused_as_linux_does),
	TEST(numbers_out_of_range_are_refused),
	TEST(a_slot_holds_the_file_until_it_changes_hands),
	TEST(slots_are_used_again_when_all_are_full),
	TEST(a_descriptor_that_cannot_be_sent_is_not_remembered),
	TEST(the_zero_device_is_memory),
	TEST(a_c_library_comes_patched_at_once),
	TEST(other_libraries_come_patched_from_the_second_use),
	TEST(the_text_as_it_is_can_be_had),
	TEST(unusual_requests_are_answered_unpatched),
	TEST(a_file_that_a_client_may_write_is_never_patched),
	TEST(a_changed_file_is_patched_anew),
	TEST(copies_beyond_the_limit_are_forgotten),
	TEST(no_copies_are_made_when_told_so),
	TEST(more_files_than_the_limit_are_forgotten),
};
TEST_MAIN(tests)

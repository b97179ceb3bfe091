/*
 * test_plan_run.c - what exec.h promises about a plan: mapped as it says, a static program
 * of the machine runs, its calls by stubs.
 */
#include "call/elf.h"
#include "test/exec/exec_test.h"
#include "test/exec/native_entry.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define BUSYBOX "/usr/bin/busybox"
#define STACK_SIZE (1u << 20)

static uint64_t page_up(uint64_t at)
{
	return (at + ELF_PAGE - 1) & ~(ELF_PAGE - 1);
}

static void map_at(uint64_t at, uint64_t size, int prot, int fd, uint64_t offset)
{
	int flags = MAP_PRIVATE | MAP_FIXED | (fd < 0 ? MAP_ANONYMOUS : 0);

	if (mmap((void *)at, size, prot, flags, fd, (off_t)offset) != (void *)at)
		_exit(101);
}

static void map_segment(const struct run_segment *s)
{
	uint64_t skip = s->vaddr % ELF_PAGE, start = s->vaddr - skip;
	uint64_t file_end = s->vaddr + s->file_size, end = page_up(s->vaddr + s->mem_size);

	if (s->file_size)
		map_at(start, page_up(file_end) - start, (int)s->prot, client_fd[s->slot],
		       s->offset - skip);
	if (s->mem_size > s->file_size && file_end % ELF_PAGE)
		memset((void *)file_end, 0, page_up(file_end) - file_end);
	if (end > page_up(file_end))
		map_at(page_up(file_end), end - page_up(file_end), (int)s->prot, -1, 0);
}

/* argc, argv, envp, auxiliary vector: where the stack pointer goes. */
static uint64_t make_stack(const struct run_image *image, char *const *argv)
{
	static uint64_t random[2] = { 1, 2 };
	const uint64_t auxiliary[] = { AT_PHDR,	  image->phdr,
				       AT_PHENT,  56,
				       AT_PHNUM,  image->phnum,
				       AT_PAGESZ, ELF_PAGE,
				       AT_ENTRY,  image->entry,
				       AT_RANDOM, (uint64_t)random,
				       AT_SECURE, 0,
				       AT_NULL,	  0 };
	uint64_t *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *word = stack + STACK_SIZE / 8 - 64, *first = word;

	if (stack == MAP_FAILED)
		_exit(102);
	for (word++; *argv; argv++)
		*word++ = (uint64_t)*argv;
	*first = (uint64_t)(word - first - 1);
	*word++ = 0;
	*word++ = (uint64_t)(char[]){ "PATH=/usr/bin:/bin" };
	*word++ = 0;
	memcpy(word, auxiliary, sizeof(auxiliary));
	return (uint64_t)first;
}

static _Noreturn void become(const struct run_image *image, char *const *argv)
{
	uint64_t rsp;

	for (uint32_t i = 0; i < image->segment_count; i++)
		map_segment(&image->segment[i]);
	rsp = make_stack(image, argv);
	__asm__ volatile("mov %0, %%rsp\n\txor %%edx, %%edx\n\tjmp *%1"
			 :
			 : "r"(rsp), "r"(image->entry)
			 : "memory");
	__builtin_unreachable();
}

/* Run the program that was planned; what it writes, and its exit status. */
static int run_plan(char *const *argv, char *ret_text, size_t size)
{
	const struct run_plan *plan = plan_of();
	ssize_t got, used = 0;
	int ends[2], status;
	pid_t pid;

	CHECK_INT(plan->image_count, 1);
	CHECK_INT(plan->image[0].relocatable, 0);
	CHECK_INT(pipe(ends), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], 1);
		close(ends[0]);
		close(ends[1]);
		become(&plan->image[0], argv);
	}
	close(ends[1]);
	while ((got = read(ends[0], ret_text + used, size - 1 - (size_t)used)) > 0)
		used += got;
	ret_text[used] = '\0';
	close(ends[0]);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

EXEC_TEST(a_static_program_runs_by_its_stubs)
{
	char *const echo[] = { (char[]){ "busybox" }, (char[]){ "echo" }, (char[]){ "hello" },
			       NULL };
	/* Built-in words only: for others the shell runs /proc/self/exe, which is this test. */
	char *const shell[] = { (char[]){ "busybox" }, (char[]){ "sh" }, (char[]){ "-c" },
				(char[]){ "echo one | { read x; echo got $x; }; for i in 1 2 3;"
					  "do (exit $i); echo $?; done; trap 'echo trapped' USR1;"
					  "kill -USR1 $$; echo $(echo sub $(echo shell));"
					  "cd / && pwd; exit 7" },
				NULL };
	char *const find[] = { (char[]){ "busybox" }, (char[]){ "find" },
			       (char[]){ "/etc/alternatives" }, NULL };
	static char text[1 << 20];

	if (test_sanitized)
		SKIP("a sanitizer's memory may lie where the program wants to");
	native_entry_map();
	use_machine();
	CHECK_INT(exec_path(BUSYBOX), 0);
	CHECK_INT(run_plan(echo, text, sizeof(text)), 0);
	CHECK_STR(text, "hello\n");
	CHECK(native_entry_calls() > 0);
	CHECK_INT(run_plan(shell, text, sizeof(text)), 7);
	CHECK_STR(text, "got one\n1\n2\n3\ntrapped\nsub shell\n/\n");
	CHECK(native_entry_calls() > 20);
	CHECK_INT(run_plan(find, text, sizeof(text)), 0);
	CHECK(strlen(text) > 100);
	printf("# %u calls by stubs\n", native_entry_calls());
	munmap((void *)RUN_STUB_ENTRY, 4096);
}

static const struct test tests[] = {
	TEST(a_static_program_runs_by_its_stubs),
};
TEST_MAIN(tests)

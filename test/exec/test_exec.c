/*
 * test_exec.c - execve and the launcher's start (call/exec.h): what is refused and leaves
 * everything as it was, what the plan says, and what becomes of the process.
 */
#include "call/elf.h"
#include "call/exec.h"
#include "test/exec/exec_test.h"

#include <signal.h>
#include <sys/mman.h>

#define TRUE "/usr/bin/true"
#define BUSYBOX "/usr/bin/busybox"
#define LINKER "/lib64/ld-linux-x86-64.so.2"

/* A copy of a program of the machine's, with `size` bytes at `at` replaced. */
static void put_damaged(const char *path, size_t at, const void *bytes, size_t size) MAY_YIELD
{
	struct dentry *d;

	put_copy(path, TRUE, 0755);
	CHECK_INT(do_open(path, O_WRONLY, 0, &d), 0);
	CHECK_INT(vfs_write(dentry_inode(d), bytes, size, at), size);
	dentry_put(d);
}

/* Where in TRUE its interpreter's name is. */
static size_t name_of_linker(void)
{
	static char program[65536];
	int fd = open(TRUE, O_RDONLY | O_CLOEXEC);
	ssize_t size = read(fd, program, sizeof(program));
	const char *name = size > 0 ? memmem(program, (size_t)size, LINKER, sizeof(LINKER)) : NULL;

	close(fd);
	if (!name)
		SKIP(TRUE " is not linked as expected");
	return (size_t)(name - program);
}

/* ---- refused */

EXEC_TEST(what_cannot_be_run_is_refused_as_linux_does)
{
	use_machine();
	CHECK_INT(do_mkdir("/d"), 0);
	put_text("/text", "hello\n", 0755);
	put_text("/not-executable", "#!/bin/sh\n", 0644);
	put_text("/empty", "", 0755);
	put_text("/half", "#!/usr/bin/nothing\n", 0755);
	put_text("/no-name", "#!  \n", 0755);
	put_text("/directory", "#!/d\n", 0755);
	CHECK_INT(do_symlink("/loop", "/loop"), 0);
	CHECK_INT(exec_path("/nothing"), -ENOENT);
	CHECK_INT(exec_path(""), -ENOENT);
	CHECK_INT(exec_path("/text/below"), -ENOTDIR);
	CHECK_INT(exec_path("/d"), -EACCES);
	CHECK_INT(exec_path("/not-executable"), -EACCES);
	CHECK_INT(exec_path("/text"), -ENOEXEC);
	CHECK_INT(exec_path("/empty"), -ENOEXEC);
	CHECK_INT(exec_path("/half"), -ENOENT);
	CHECK_INT(exec_path("/no-name"), -ENOEXEC);
	CHECK_INT(exec_path("/directory"), -EACCES);
	CHECK_INT(exec_path("/loop"), -ELOOP);
	CHECK_INT(killed, 0);
}

EXEC_TEST(permissions_are_those_of_the_process)
{
	use_machine();
	put_copy("/mine", TRUE, 0700);
	CHECK_INT(exec_path("/mine"), 0);
	process->cred = (struct vfs_cred){ .uid = 5, .euid = 5, .suid = 5, .fsuid = 5 };
	CHECK_INT(exec_path("/mine"), -EACCES);
	CHECK_INT(exec_path(TRUE), 0);
}

EXEC_TEST(set_user_id_bits_do_not_count)
{
	use_machine();
	put_copy("/set-user-id", TRUE, 0755);
	CHECK_INT(do_chmod("/set-user-id", 06755), 0);
	process->cred = (struct vfs_cred){ .uid = 5, .euid = 5, .suid = 5, .fsuid = 5 };
	CHECK_INT(exec_path("/set-user-id"), 0);
	CHECK_INT(process->cred.euid, 5);
	CHECK_INT(process->cred.suid, 5);
	CHECK(!process->cred.privileged);
	CHECK_INT(plan_of()->secure, 0);
}

EXEC_TEST(damaged_programs_are_refused)
{
	const uint64_t huge = UINT64_MAX;

	use_machine();
	put_file("/cut", "\177ELF", 4, 0755);
	CHECK_INT(exec_path("/cut"), -ENOEXEC);
	put_damaged("/machine", 18, "\xb7", 1);
	CHECK_INT(exec_path("/machine"), -ENOEXEC);
	put_damaged("/headers", 32, &huge, 8);
	CHECK_INT(exec_path("/headers"), -ENOEXEC);
}

EXEC_TEST(a_dynamic_linker_must_be_one)
{
	size_t at = name_of_linker();

	use_machine();
	put_damaged("/prog", at, "/////////////////////////ld", sizeof(LINKER) - 1);
	CHECK_INT(exec_path("/prog"), -ENOENT);
	put_text("/ld", "no linker", 0644);
	CHECK_INT(exec_path("/prog"), -EACCES);
	CHECK_INT(do_chmod("/ld", 0755), 0);
	CHECK_INT(exec_path("/prog"), -ELIBBAD);
	CHECK_INT(do_unlink("/ld"), 0);
	put_copy("/ld", BUSYBOX, 0755); /* not relocatable */
	CHECK_INT(exec_path("/prog"), -ELIBBAD);
	CHECK_INT(do_unlink("/ld"), 0);
	put_copy("/ld", LINKER, 0755);
	CHECK_INT(exec_path("/prog"), 0);
}

EXEC_TEST(a_file_open_for_writing_is_busy)
{
	int fd;

	use_machine();
	put_copy("/prog", TRUE, 0755);
	fd = open_fd("/prog", O_WRONLY);
	CHECK(fd >= 0);
	CHECK_INT(exec_path("/prog"), -ETXTBSY);
	CHECK_INT(fd_close(process->fds, fd), 0);
	CHECK_INT(exec_path("/prog"), 0);
}

EXEC_TEST(a_failed_execve_leaves_everything)
{
	struct dentry *exe;
	int fd;

	use_machine();
	CHECK_INT(exec_path(TRUE), 0);
	exe = process->exe;
	fd = open_fd(TRUE, O_RDONLY | O_CLOEXEC);
	add_thread();
	CHECK_INT(exec_path("/nothing"), -ENOENT);
	CHECK_INT(exec_path("/etc/passwd"), -EACCES);
	CHECK(fd_peek(process->fds, fd) != NULL);
	CHECK_INT(process->client->thread_count, 2);
	CHECK_STR(process->comm, "true");
	CHECK(process->exe == exe);
	CHECK_INT(request.reply_flags, 0);
}

EXEC_TEST(offsets_out_of_the_buffer_are_refused)
{
	uint64_t arg[6] = { 0, (uint64_t)AT_FDCWD, 0, 8192, 5, 8200 };

	use_machine();
	memcpy(request_bytes(0), TRUE, sizeof(TRUE));
	CHECK_INT(exec_arguments(arg), 0);
	for (unsigned int i = 0; i < 5; i++) {
		static const struct {
			unsigned int index;
			uint64_t value;
			int64_t answer;
		} bad[] = { { 0, RUN_NULL, -EFAULT },
			    { 0, RUN_BOUNCE_SIZE, -EFAULT },
			    { 3, RUN_BOUNCE_SIZE - 4, -EFAULT },
			    { 4, PROC_CMDLINE_MAX + 1, -E2BIG },
			    { 5, (PROC_ENVIRON_MAX + 1ull) << 32, -E2BIG } };
		uint64_t was = arg[bad[i].index];

		arg[bad[i].index] = bad[i].value;
		memcpy(request_bytes(0), TRUE, sizeof(TRUE));
		CHECK_INT(exec_arguments(arg), bad[i].answer);
		arg[bad[i].index] = was;
	}
}

/* ---- the plan */

/* The bytes of a segment as the client gets them. */
static void check_segment(const struct run_segment *s, int fd)
{
	char *wanted = malloc(s->file_size + 1), *seen = malloc(s->file_size + 1);

	CHECK(wanted && seen);
	CHECK_INT(pread(fd, wanted, s->file_size, (off_t)s->offset), s->file_size);
	CHECK(s->slot < PROC_SLOTS);
	CHECK_INT(pread(client_fd[s->slot], seen, s->file_size, (off_t)s->offset), s->file_size);
	CHECK(memcmp(seen, wanted, s->file_size) == 0);
	free(wanted);
	free(seen);
}

static const struct run_segment *last_segment(const struct run_image *image)
{
	CHECK(image->segment_count > 0 && image->segment_count <= RUN_SEGMENTS_MAX);
	return &image->segment[image->segment_count - 1];
}

/* The image ends with stubs, to which its text belongs. */
static void check_stubs(const struct run_image *image)
{
	const struct run_segment *stubs = last_segment(image);
	uint64_t entry;
	bool found = false;

	CHECK_INT(stubs->prot, PROT_READ | PROT_EXEC);
	CHECK_INT(stubs->vaddr + stubs->mem_size, image->min_vaddr + image->span);
	CHECK_INT(stubs->file_size, stubs->mem_size);
	CHECK_INT(pread(client_fd[stubs->slot], &entry, 8, (off_t)stubs->offset), 8);
	CHECK_INT(entry, RUN_STUB_ENTRY);
	for (const struct run_segment *s = image->segment; s < stubs; s++) {
		CHECK(s->vaddr + s->mem_size <= stubs->vaddr);
		if (s->prot & PROT_EXEC) {
			CHECK_INT(s->slot, stubs->slot);
			CHECK(s->offset < ELF_PAGE);
			found = true;
		} else {
			CHECK(s->slot != stubs->slot);
		}
	}
	CHECK(found);
}

EXEC_TEST(a_dynamic_program_comes_with_its_linker)
{
	const struct run_plan *plan;
	int fd = open(TRUE, O_RDONLY | O_CLOEXEC), linker = open(LINKER, O_RDONLY | O_CLOEXEC);

	use_machine();
	CHECK_INT(exec_path(TRUE), 0);
	plan = plan_of();
	CHECK_INT(plan->image_count, 2);
	CHECK_INT(plan->executable_stack, 0);
	CHECK_INT(plan->stack_size, 8u << 20);
	CHECK_INT(plan->prefix_count, 0);
	CHECK_STR((const char *)request_bytes(plan->execfn_offset), TRUE);
	CHECK_INT(plan->image[0].relocatable, 1);
	CHECK(plan->image[0].phdr != 0);
	for (uint32_t i = 0; i < plan->image[0].segment_count; i++)
		check_segment(&plan->image[0].segment[i], fd);
	CHECK_INT(plan->image[1].relocatable, 1);
	check_segment(&plan->image[1].segment[0], linker);
	check_stubs(&plan->image[1]);
	close(fd);
	close(linker);
}

EXEC_TEST(a_static_program_has_its_stubs_at_once)
{
	const struct run_plan *plan;

	use_machine();
	CHECK_INT(exec_path(BUSYBOX), 0);
	plan = plan_of();
	CHECK_INT(plan->image_count, 1);
	CHECK_INT(plan->image[0].relocatable, 0);
	check_stubs(&plan->image[0]);
}

EXEC_TEST(descriptors_are_sent_once)
{
	use_machine();
	CHECK_INT(exec_path(TRUE), 0);
	CHECK_INT(request.reply_flags, RUN_REPLY_FDS);
	CHECK_INT(sent_count, 3); /* the program, its linker, the linker's patched text */
	CHECK_INT(exec_path(TRUE), 0);
	CHECK_INT(request.reply_flags, 0);
	CHECK_INT(sent_count, 3);
	CHECK_INT(exec_path(BUSYBOX), 0);
	CHECK_INT(sent_count, 5);
	CHECK_INT(exec_path(TRUE), 0);
	CHECK_INT(sent_count, 5);
}

EXEC_TEST(the_stack_has_the_limit_as_size)
{
	use_machine();
	process->limit[RLIMIT_STACK].soft = 1 << 20;
	CHECK_INT(exec_path(TRUE), 0);
	CHECK_INT(plan_of()->stack_size, 1 << 20);
	process->limit[RLIMIT_STACK].soft = 100;
	CHECK_INT(exec_path(TRUE), 0);
	CHECK_INT(plan_of()->stack_size, EXEC_STACK_MIN);
	process->limit[RLIMIT_STACK].soft = UINT64_MAX;
	CHECK_INT(exec_path(TRUE), 0);
	CHECK_INT(plan_of()->stack_size, EXEC_STACK_MAX);
}

/* ---- the process */

static void check_text(const char *cmdline, size_t cmdline_size)
{
	CHECK_INT(process->text->cmdline_size, cmdline_size);
	CHECK(memcmp(process->text->bytes, cmdline, cmdline_size) == 0);
	CHECK_INT(process->text->environ_size, 8);
	CHECK(memcmp(process->text->bytes + cmdline_size, "A=1\0B=2", 8) == 0);
}

EXEC_TEST(the_process_shows_its_new_program)
{
	static const char words[] = "zero\0one\0two";

	use_machine();
	put_copy("/a-name-longer-than-fifteen", TRUE, 0755);
	CHECK_INT(exec_words("/a-name-longer-than-fifteen", words, sizeof(words)), 0);
	CHECK_STR(process->comm, "a-name-longer-t");
	check_text(words, sizeof(words));
	CHECK_STR(path_of(process->exe), "/a-name-longer-than-fifteen");
	CHECK(process->has_execed);
}

EXEC_TEST(a_script_shows_its_interpreter)
{
	static const char words[] = "zero\0one", shown[] = "/usr/bin/true\0-x y\0/script\0one";

	use_machine();
	put_text("/script", "#! /usr/bin/true -x y \n", 0755);
	CHECK_INT(exec_words("/script", words, sizeof(words)), 0);
	CHECK_STR(process->comm, "script");
	check_text(shown, sizeof(shown));
	CHECK_STR(path_of(process->exe), "/usr/bin/true");
	CHECK_INT(plan_of()->prefix_count, 3);
	CHECK_STR(prefix_of(), "/usr/bin/true|-x y|/script|");
	CHECK_STR((const char *)request_bytes(plan_of()->execfn_offset), "/script");
}

EXEC_TEST(no_words_at_all_are_fine)
{
	use_machine();
	put_text("/script", "#!/usr/bin/true\n", 0755);
	CHECK_INT(exec_words("/script", "", 0), 0);
	check_text("/usr/bin/true\0/script", 22);
	CHECK_INT(exec_words(TRUE, "", 0), 0);
	check_text("", 0);
}

EXEC_TEST(marked_descriptors_are_closed)
{
	int kept, closed;

	use_machine();
	kept = open_fd(TRUE, O_RDONLY);
	closed = open_fd(TRUE, O_RDONLY | O_CLOEXEC);
	CHECK(kept >= 0 && closed >= 0);
	CHECK_INT(exec_path(TRUE), 0);
	CHECK(fd_peek(process->fds, kept) != NULL);
	CHECK(fd_peek(process->fds, closed) == NULL);
}

EXEC_TEST(other_threads_are_ended)
{
	use_machine();
	add_thread();
	add_thread();
	CHECK_INT(process->client->thread_count, 3);
	CHECK_INT(exec_path(TRUE), 0);
	CHECK_INT(process->client->thread_count, 1);
}

EXEC_TEST(a_process_without_descriptors_is_ended)
{
	use_machine();
	send_fails = true;
	CHECK_INT(exec_path(TRUE), -EIO);
	CHECK_INT(killed, 1);
}

/* ---- execveat */

EXEC_TEST(a_program_is_found_by_descriptor)
{
	int directory, program, script, closing;

	use_machine();
	put_text("/script", "#!/usr/bin/true\n", 0755);
	CHECK_INT(do_symlink(TRUE, "/link"), 0);
	directory = open_fd("/usr/bin", O_RDONLY);
	program = open_fd(TRUE, O_PATH);
	script = open_fd("/script", O_RDONLY);

	CHECK_INT(exec_at(directory, "true", 0), 0);
	CHECK_STR(process->comm, "true");
	CHECK_INT(exec_at(program, "", 0), -ENOENT);
	CHECK_INT(exec_at(program, "", AT_EMPTY_PATH), 0);
	CHECK_STR((const char *)request_bytes(plan_of()->execfn_offset), "/dev/fd/1");
	CHECK_INT(exec_at(AT_FDCWD, "/link", AT_SYMLINK_NOFOLLOW), -ELOOP);
	CHECK_INT(exec_at(AT_FDCWD, "/link", 0), 0);
	CHECK_INT(exec_at(99, "true", 0), -EBADF);
	CHECK_INT(exec_at(program, "true", 0), -ENOTDIR);
	CHECK_INT(exec_at(program, "", AT_EMPTY_PATH | 1), -EINVAL);
	closing = open_fd("/script", O_RDONLY | O_CLOEXEC);
	CHECK_INT(exec_at(closing, "", AT_EMPTY_PATH), -ENOENT); /* it could not be opened */
	CHECK_INT(exec_at(script, "", AT_EMPTY_PATH), 0);
	CHECK_STR(prefix_of(), "/usr/bin/true|/dev/fd/2|");
}

/* ---- the launcher's start */

static int64_t start(const char *path, char *const *argv) MAY_YIELD
{
	char *const environment[] = { (char[]){ "A=1" }, (char[]){ "B=2" }, NULL };
	struct call_first first = { .argv = argv, .envp = environment, .path = path };
	int64_t r;

	call_set_first(&first);
	r = run_start();
	call_set_first(NULL);
	return r;
}

EXEC_TEST(the_first_program_is_started_once)
{
	char *const argv[] = { (char[]){ "zero" }, (char[]){ "one" }, NULL };

	use_machine();
	CHECK_INT(run_start(), -EPERM);
	CHECK_INT(start(TRUE, argv), 0);
	check_text("zero\0one", 9);
	CHECK_INT(plan_of()->image_count, 2);
	CHECK_INT(start(TRUE, argv), -EPERM);
}

EXEC_TEST(a_start_that_fails_says_why)
{
	char *const argv[] = { (char[]){ "zero" }, NULL };
	size_t at = name_of_linker();

	use_machine();
	put_damaged("/machine", 18, "\xb7", 1);
	put_text("/text", "hello\n", 0755);
	put_text("/script", "#!/nothing\n", 0755);
	put_damaged("/linker", at, "/none", 5);
	CHECK_INT(start("/nothing", argv), -ENOENT);
	CHECK(exec_start_why() == NULL);
	CHECK_INT(start("/machine", argv), -ENOEXEC);
	CHECK_STR(exec_start_why(), "is for another machine (aarch64)");
	CHECK_INT(start("/text", argv), -ENOEXEC);
	CHECK_STR(exec_start_why(), "is not a program (no ELF header)");
	CHECK_INT(start("/usr", argv), -EACCES);
	CHECK_STR(exec_start_why(), "is a directory");
	CHECK_INT(start("/script", argv), -ENOENT);
	CHECK_STR(exec_start_why(), "is a script whose interpreter is missing");
	CHECK_INT(start("/linker", argv), -ENOENT);
	CHECK_STR(exec_start_why(), "needs a dynamic linker that is missing");
	CHECK_INT(start("/etc/passwd", argv), -EACCES);
	CHECK(exec_start_why() == NULL);
}

/* ---- a program on a disk that takes its time */

static const struct inode_ops *quick;
static struct inode_ops waiting;
static struct waitq the_disk;
static unsigned int waits, served;
static bool others_go_on;

/* As long as it takes until the other task has made calls. */
static ssize_t wait_and_read(struct inode *inode, void *buf, size_t size, uint64_t offset) MAY_YIELD
{
	unsigned int before = served;

	waits++;
	while (served < before + 3)
		CHECK_INT(waitq_wait(&the_disk, TASK_FOREVER, WAIT_SURE), 0);
	return quick->read(inode, buf, size, offset);
}

static void make_calls(void *arg) MAY_YIELD
{
	struct vfs_attr attr;

	(void)arg;
	while (others_go_on) {
		CHECK_INT(do_stat("/other", &attr), 0);
		served++;
		waitq_wake_all(&the_disk);
		task_yield();
	}
}

EXEC_TEST(others_are_served_while_a_program_is_read)
{
	struct dentry *d;

	use_machine();
	put_text("/other", "text", 0644);
	put_copy("/prog", BUSYBOX, 0755);
	CHECK_INT(do_open("/prog", O_RDONLY, 0, &d), 0);
	quick = dentry_inode(d)->ops;
	waiting = *quick;
	waiting.read = wait_and_read;
	dentry_inode(d)->ops = &waiting;
	waitq_init(&the_disk);
	others_go_on = true;
	CHECK_INT(task_start(NULL, "other", make_calls, NULL), 0);
	CHECK_INT(exec_path("/prog"), 0);
	CHECK(waits > 0);
	CHECK(served >= 3 * waits);
	others_go_on = false;
	dentry_inode(d)->ops = quick;
	dentry_put(d);
	task_yield();
}

static const struct test tests[] = {
	TEST(what_cannot_be_run_is_refused_as_linux_does),
	TEST(permissions_are_those_of_the_process),
	TEST(set_user_id_bits_do_not_count),
	TEST(damaged_programs_are_refused),
	TEST(a_dynamic_linker_must_be_one),
	TEST(a_file_open_for_writing_is_busy),
	TEST(a_failed_execve_leaves_everything),
	TEST(offsets_out_of_the_buffer_are_refused),
	TEST(a_dynamic_program_comes_with_its_linker),
	TEST(a_static_program_has_its_stubs_at_once),
	TEST(descriptors_are_sent_once),
	TEST(the_stack_has_the_limit_as_size),
	TEST(the_process_shows_its_new_program),
	TEST(a_script_shows_its_interpreter),
	TEST(no_words_at_all_are_fine),
	TEST(marked_descriptors_are_closed),
	TEST(other_threads_are_ended),
	TEST(a_process_without_descriptors_is_ended),
	TEST(a_program_is_found_by_descriptor),
	TEST(the_first_program_is_started_once),
	TEST(a_start_that_fails_says_why),
	TEST(others_are_served_while_a_program_is_read),
};
TEST_MAIN(tests)

/*
 * test_script.c - first lines of scripts (call/exec.h): for each, the host's kernel and
 * call_execve() must agree on the answer and on the words the interpreter gets.
 */
#include "call/exec.h"
#include "test/exec/exec_test.h"

#include <spawn.h>
#include <sys/wait.h>

#define ECHO "/usr/bin/echo" /* as interpreter it tells its words */
#define LINE(text)                       \
	{                                \
		(text), sizeof(text) - 1 \
	}

static const struct {
	const char *text;
	size_t size;
} lines[] = {
	LINE("#!" ECHO "\n"),
	LINE("#!" ECHO " a\n"),
	LINE("#!" ECHO " a b\n"),
	LINE("#!" ECHO "  a  b  \n"),
	LINE("#! \t" ECHO " \t a \t b \t\n"),
	LINE("#!" ECHO),
	LINE("#!" ECHO " a"),
	LINE("#!" ECHO " \n"),
	LINE("#!\n"),
	LINE("#! \t \n"),
	LINE("#!"),
	LINE("#"),
	LINE("# !" ECHO "\n"),
	LINE("#!" ECHO "\0 a\n"),
	LINE("#!" ECHO " a\0b\n"),
	LINE("#!\0" ECHO "\n"),
	LINE("#!" ECHO "\r\n"),
	LINE("#!" ECHO " a\r\n"),
	LINE("#!echo\n"),
	LINE("#!/usr/bin\n"),
	LINE("#!/usr/bin/nothing\n"),
	LINE("#!" ECHO "\n#!" ECHO " b\n"),
};

static char folder[] = "/tmp/script-XXXXXX";

static void make_folder(void)
{
	CHECK(mkdtemp(folder) != NULL);
}

static void put_script(const char *path, const char *text, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, size), size);
	close(fd);
}

/* What the kernel does with it: its answer, and what the interpreter printed. */
static int run_natively(const char *path, char *ret_words, size_t size)
{
	char *const argv[] = { (char[]){ "zero" }, (char[]){ "one" }, NULL };
	posix_spawn_file_actions_t actions;
	ssize_t got = 0;
	int ends[2], r;
	pid_t pid;

	CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
	CHECK_INT(posix_spawn_file_actions_init(&actions), 0);
	CHECK_INT(posix_spawn_file_actions_adddup2(&actions, ends[1], 1), 0);
	r = posix_spawn(&pid, path, &actions, NULL, argv, argv + 2);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (r == 0) {
		got = read(ends[0], ret_words, size - 1);
		CHECK(got >= 0);
		CHECK_INT(waitpid(pid, NULL, 0), pid);
	}
	ret_words[got] = '\0';
	close(ends[0]);
	return -r;
}

/* The same words from a plan: all but the interpreter's own name. */
static void words_of_plan(char *ret_words, size_t size)
{
	const struct run_plan *plan = plan_of();
	const char *at = (const char *)request_bytes(plan->prefix_offset);
	size_t used = 0;

	for (uint32_t i = 0; i < plan->prefix_count; i++, at += strlen(at) + 1)
		if (i > 0)
			used += (size_t)snprintf(ret_words + used, size - used, "%s ", at);
	snprintf(ret_words + used, size - used, "one\n");
}

static void compare(const char *path) MAY_YIELD
{
	static char native[16384], ours[16384];
	static const char words[] = "zero\0one";
	int wanted = run_natively(path, native, sizeof(native));

	CHECK_INT(exec_words(path, words, sizeof(words)), wanted);
	if (wanted != 0)
		return;
	words_of_plan(ours, sizeof(ours));
	CHECK_STR(ours, native);
}

static const char *script_path(unsigned int i)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%u", folder, i);
	return path;
}

/* The tree is told of the folder only now: it takes the host's directories as they are. */
static void compare_all(unsigned int count) MAY_YIELD
{
	use_machine();
	for (unsigned int i = 0; i < count; i++)
		compare(script_path(i));
	for (unsigned int i = 0; i < count; i++)
		unlink(script_path(i));
	rmdir(folder);
}

EXEC_TEST(lines_are_read_as_the_kernel_does)
{
	make_folder();
	for (unsigned int i = 0; i < ARRAY_COUNT(lines); i++)
		put_script(script_path(i), lines[i].text, lines[i].size);
	compare_all(ARRAY_COUNT(lines));
}

/* Around the limit: the line ends just before, at, behind it; in the name, blanks, argument. */
EXEC_TEST(long_lines_are_cut_as_the_kernel_does)
{
	static const char *const beginnings[] = { ("#!" ECHO " "), ("#!" ECHO " a "), "#!/usr/bin/",
						  "#! ", ("#!" ECHO) };
	static const char fills[] = { 'x', ' ' };
	unsigned int count = 0;
	char text[400];

	make_folder();
	for (unsigned int b = 0; b < ARRAY_COUNT(beginnings); b++) {
		for (size_t size = 250; size < 262; size++) {
			for (unsigned int f = 0; f < 4; f++) {
				memset(text, fills[f % 2], sizeof(text));
				memcpy(text, beginnings[b], strlen(beginnings[b]));
				text[size] = '\n';
				put_script(script_path(count++), text, f < 2 ? size + 1 : size);
			}
		}
	}
	compare_all(count);
}

/* Scripts whose interpreters are scripts. */
EXEC_TEST(chains_end_where_the_kernel_ends_them)
{
	char before[64] = ECHO, text[128];

	make_folder();
	for (unsigned int i = 0; i < EXEC_SCRIPTS_MAX + 2; i++) {
		int size = snprintf(text, sizeof(text), "#!%s arg%u\n", before, i);

		put_script(script_path(i), text, (size_t)size);
		strcpy(before, script_path(i));
	}
	compare_all(EXEC_SCRIPTS_MAX + 2);
	CHECK_INT(exec_path(before), -ELOOP);
}

static const struct test tests[] = {
	TEST(lines_are_read_as_the_kernel_does),
	TEST_LONG(long_lines_are_cut_as_the_kernel_does, 30),
	TEST(chains_end_where_the_kernel_ends_them),
};
TEST_MAIN(tests)

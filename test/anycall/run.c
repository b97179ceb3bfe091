/* SPDX-License-Identifier: MIT */
#include "test/anycall/anycall.h"

#include "hascall/hascall.h"
#include "test/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_SIZE 65536u
#define BYTES_SHOWN 48u

/* Shared with the process that runs the case. */
struct notes {
	char text[TEXT_SIZE];
	uint32_t size;
	uint8_t called[ANYCALL_NUMBERS];
};

struct run {
	int64_t (*way)(struct run *run, uint32_t num, const uint64_t arg[6]);
	struct hascall *area;
	struct notes *notes;
};

/* By this thread, as any program does. */
static int64_t way_direct(struct run *run, uint32_t num, const uint64_t arg[6])
{
	long r;

	(void)run;
	r = syscall((long)num, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
	return r == -1 ? -errno : r;
}

static int64_t way_posted(struct run *run, uint32_t num, const uint64_t arg[6], uint32_t flags)
{
	uint64_t ticket;
	int64_t result;

	CHECK_INT(hascall_post(run->area, num, arg, 0, flags ? HASCALL_MORE : 0, &ticket), 0);
	CHECK_INT(hascall_wait(run->area, ticket, -1, flags, &result), 0);
	return result;
}

static int64_t way_worker(struct run *run, uint32_t num, const uint64_t arg[6])
{
	return way_posted(run, num, arg, 0);
}

static int64_t way_helped(struct run *run, uint32_t num, const uint64_t arg[6])
{
	return way_posted(run, num, arg, HASCALL_HELP);
}

static const struct {
	const char *name;
	int64_t (*way)(struct run *run, uint32_t num, const uint64_t arg[6]);
} ways[] = {
	{ "direct", way_direct },
	{ "worker", way_worker },
	{ "helped", way_helped },
};

void anycall_note(struct run *run, const char *format, ...)
{
	struct notes *n = run->notes;
	va_list list;
	int size;

	va_start(list, format);
	size = vsnprintf(n->text + n->size, TEXT_SIZE - n->size, format, list);
	va_end(list);
	CHECK(size >= 0 && (uint32_t)size < TEXT_SIZE - n->size);
	n->size += (uint32_t)size;
}

void anycall_note_bytes(struct run *run, const char *what, const void *data, size_t size)
{
	const unsigned char *byte = data;
	uint32_t sum = 0;

	anycall_note(run, "    %s:", what);
	for (size_t i = 0; i < size; i++) {
		sum = sum * 31 + byte[i];
		if (i < BYTES_SHOWN)
			anycall_note(run, " %02x", byte[i]);
	}
	anycall_note(run, " (%zu, sum %x)\n", size, sum);
}

int64_t anycall_call(struct run *run, const char *name, uint32_t num, const uint64_t arg[6],
		     enum anycall_show show)
{
	int64_t r = run->way(run, num, arg);

	CHECK(num < ANYCALL_NUMBERS);
	run->notes->called[num] = 1;
	if (show == ANYCALL_HIDE && (r >= 0 || r < -4095))
		anycall_note(run, "%s: done\n", name);
	else
		anycall_note(run, "%s: %lld\n", name, (long long)r);
	return r;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
	(void)st;
	(void)flag;
	(void)walk;
	return remove(path);
}

/* In a process of its own, in a new folder: never returns. */
static _Noreturn void case_process(const struct anycall_case *c, struct run *run,
				   const char *folder)
{
	sigset_t set;

	if (setsid() < 0 || chdir(folder) < 0)
		_exit(1);
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL); /* for whoever reads it from a descriptor */
	/* Opened in each way, so that descriptors and memory are alike. */
	CHECK_INT(hascall_open(&run->area, NULL), 0);
	c->fn(run);
	hascall_close(run->area);
	_exit(0);
}

static void run_case(const struct anycall_case *c, size_t way, struct notes *notes)
{
	char folder[] = "/tmp/hascall-anycall.XXXXXX";
	struct run run = { .way = ways[way].way, .notes = notes };
	int status;
	pid_t pid;

	memset(notes, 0, sizeof(*notes));
	CHECK(mkdtemp(folder));
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		case_process(c, &run, folder);
	CHECK_INT(waitpid(pid, &status, 0), pid);
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (status != 0)
		test_fail(__FILE__, __LINE__, "%s, %s: status %x after\n%s", c->name,
			  ways[way].name, (unsigned int)status, notes->text);
}

/* Both texts from the first line that differs. */
static void check_alike(const struct anycall_case *c, const char *way, const char *seen,
			const char *wanted)
{
	size_t same = 0;
	size_t line = 0;

	for (; seen[same] && seen[same] == wanted[same]; same++)
		if (seen[same] == '\n')
			line = same + 1;
	if (seen[same] != wanted[same])
		test_fail(__FILE__, __LINE__, "%s: by a %s call\n%.400s\ndirectly\n%.400s", c->name,
			  way, seen + line, wanted + line);
}

void anycall_count(const struct anycall_case *c, uint8_t *called)
{
	size_t size = sizeof(struct notes) * ARRAY_COUNT(ways);
	struct notes *notes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				   -1, 0);

	CHECK(notes != MAP_FAILED);
	for (size_t way = 0; way < ARRAY_COUNT(ways); way++) {
		run_case(c, way, &notes[way]);
		CHECK(notes[way].size > 0);
		check_alike(c, ways[way].name, notes[way].text, notes[0].text);
	}
	for (uint32_t i = 0; called && i < ANYCALL_NUMBERS; i++)
		called[i] |= notes[0].called[i];
	munmap(notes, size);
}

void anycall_alike(const struct anycall_case *c)
{
	anycall_count(c, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "test/anycall/refused.h"

#include "hascall/hascall.h"
#include "test/anycall/anycall.h"
#include "test/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATE_SIZE 65536u
#define THREADS_MAX 128u
#define PATTERN 0x5a

/* What the calls below may point to: filled with a pattern that must stay. */
static _Alignas(64) unsigned char target[4096];

/* Arguments with which each call would do something, were it not refused. */
static const struct refused {
	uint32_t num;
	uint64_t arg[6];
} refused[] = {
	{ SYS_rt_sigprocmask, { SIG_BLOCK, P(target), 0, 8 } },
	{ SYS_rt_sigreturn, { 0 } },
	{ SYS_sched_yield, { 0 } },
	{ SYS_pause, { 0 } },
	{ SYS_clone, { SIGCHLD } },
	{ SYS_fork, { 0 } },
	{ SYS_vfork, { 0 } },
	{ SYS_execve, { P("/bin/false"), 0, 0 } },
	{ SYS_exit, { 3 } },
	{ SYS_ptrace, { 0 } },
	{ SYS_setuid, { 12345 } },
	{ SYS_setgid, { 12345 } },
	{ SYS_setreuid, { 12345, 12345 } },
	{ SYS_setregid, { 12345, 12345 } },
	{ SYS_setgroups, { 0 } },
	{ SYS_setresuid, { 12345, 12345, 12345 } },
	{ SYS_setresgid, { 12345, 12345, 12345 } },
	{ SYS_setfsuid, { 12345 } },
	{ SYS_setfsgid, { 12345 } },
	{ SYS_capget, { P(target), P(target + 64) } },
	{ SYS_capset, { P((uint32_t[2]){ _LINUX_CAPABILITY_VERSION_3 }), P((uint32_t[6]){ 0 }) } },
	{ SYS_rt_sigpending, { P(target), 8 } },
	{ SYS_rt_sigtimedwait, { P(target), 0, 0, 8 } },
	{ SYS_rt_sigsuspend, { P((uint64_t[1]){ 0 }), 8 } },
	{ SYS_sigaltstack, { P((stack_t[1]){ { target, 0, sizeof(target) } }), 0 } },
	{ SYS_personality, { 0x0040000 } },
	{ SYS_sched_setparam, { 0, P((struct sched_param[1]){ { 0 } }) } },
	{ SYS_sched_getparam, { 0, P(target) } },
	{ SYS_sched_setscheduler, { 0, SCHED_BATCH, P((struct sched_param[1]){ { 0 } }) } },
	{ SYS_sched_getscheduler, { 0 } },
	{ SYS_sched_rr_get_interval, { 0, P(target) } },
	{ SYS_getpriority, { PRIO_PROCESS, 0 } },
	{ SYS_setpriority, { PRIO_PROCESS, 0, 7 } },
	{ SYS_prctl, { PR_SET_NAME, P("changed") } },
	{ SYS_prctl, { PR_SET_NO_NEW_PRIVS, 1 } },
	{ SYS_prctl, { PR_SET_TIMERSLACK, 12345 } },
	{ SYS_arch_prctl, { 0x1001, P(target) } }, /* ARCH_SET_GS */
	{ SYS_arch_prctl, { 0x1002, P(target) } }, /* ARCH_SET_FS: would crash */
	{ SYS_iopl, { 3 } },
	{ SYS_ioperm, { 0x80, 1, 1 } },
	{ SYS_gettid, { 0 } },
	{ SYS_futex, { P(target), FUTEX_LOCK_PI } },
	{ SYS_futex, { P(target), FUTEX_TRYLOCK_PI } },
	{ SYS_futex, { P(target), FUTEX_UNLOCK_PI } },
	{ SYS_futex, { P(target), FUTEX_LOCK_PI2 | FUTEX_PRIVATE_FLAG } },
	{ SYS_sched_setaffinity, { 0, 8, P((uint64_t[1]){ 1 }) } },
	{ SYS_sched_getaffinity, { 0, 128, P(target) } },
	{ SYS_set_tid_address, { P(target) } },
	{ SYS_restart_syscall, { 0 } },
	{ SYS_clock_gettime, { CLOCK_THREAD_CPUTIME_ID, P(target) } },
	{ SYS_getrusage, { RUSAGE_THREAD, P(target) } },
	{ SYS_exit_group, { 3 } },
	{ SYS_set_mempolicy, { 2, P((uint64_t[1]){ 1 }), 64 } },
	{ SYS_get_mempolicy, { P(target), 0, 0, 0, 0 } },
	{ SYS_add_key, { P("user"), P("hascall"), P("x"), 1, -1 } },
	{ SYS_request_key, { P("user"), P("hascall"), 0, -1 } },
	{ SYS_keyctl, { 1, 0 } }, /* a new session keyring */
	{ SYS_ioprio_set, { 1, 0, IOPRIO_PRIO_VALUE(3, 0) } },
	{ SYS_ioprio_get, { 1, 0 } },
	{ SYS_unshare, { CLONE_FS | CLONE_FILES } },
	{ SYS_set_robust_list, { P(target), 24 } },
	{ SYS_get_robust_list, { 0, P(target), P(target + 64) } },
	{ SYS_perf_event_open, { P(target), 0, -1, -1, 0 } },
	{ SYS_setns, { 0, CLONE_NEWUTS } },
	{ SYS_getcpu, { P(target), P(target + 64) } },
	{ SYS_sched_setattr, { 0, P((uint32_t[12]){ 48, SCHED_BATCH }), 0 } },
	{ SYS_sched_getattr, { 0, P(target), 48, 0 } },
	{ SYS_seccomp, { 0, 0, 0 } }, /* only read, write and exit from now on */
	{ SYS_execveat, { AT_FDCWD, P("/bin/false"), 0, 0, 0 } },
	{ SYS_pkey_alloc, { 0, 0 } },
	{ SYS_pkey_free, { 1 } },
	{ SYS_rseq, { P(target), 32, 0, 0 } },
	{ SYS_clone3, { P((uint64_t[11]){ [4] = SIGCHLD }), 88 } },
	{ SYS_landlock_restrict_self, { 0, 0 } },
	{ 459, { 100, P(target), P(target + 64), 0 } }, /* lsm_get_self_attr */
	{ 460, { 100, P(target), 64, 0 } },
};

static void add(char *text, const char *more)
{
	size_t size = strlen(text);

	CHECK(strlen(more) < STATE_SIZE - size);
	strcpy(text + size, more);
}

/*
 * What of /proc/PID/status is the thread's own state, and stands still while it does
 * nothing. Not its processors: a worker keeps off the caller's.
 */
static bool is_state(const char *line)
{
	static const char *const names[] = {
		"Name:",    "TracerPid:",	"Uid:",		"Gid:",	   "Groups:",
		"NStgid:",  "SigBlk:",		"SigIgn:",	"SigCgt:", "CapInh:",
		"CapPrm:",  "CapEff:",		"CapBnd:",	"CapAmb:", "NoNewPrivs",
		"Seccomp:", "Seccomp_filters:", "Mems_allowed:"
	};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (strncmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void add_file(char *text, const char *path, bool (*wanted)(const char *line))
{
	FILE *f = fopen(path, "re");
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (!wanted || wanted(line))
			add(text, line);
	if (f)
		fclose(f);
}

static void add_link(char *text, const char *path)
{
	char to[256] = { 0 };

	if (readlink(path, to, sizeof(to) - 1) > 0)
		add(text, to);
	add(text, "\n");
}

/* One thread, without its number. */
static void thread_state(char *text, const char *number)
{
	static const char *const spaces[] = { "mnt", "uts", "ipc", "net", "pid", "cgroup", "user" };
	pid_t tid = (pid_t)atoi(number);
	char path[300];

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", number);
	add_file(text, path, is_state);
	snprintf(path, sizeof(path), "/proc/self/task/%s/personality", number);
	add_file(text, path, NULL);
	for (size_t i = 0; i < ARRAY_COUNT(spaces); i++) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/ns/%s", number, spaces[i]);
		add_link(text, path);
	}
	snprintf(path, sizeof(path), "policy %d nice %d io %ld\n", sched_getscheduler(tid),
		 getpriority(PRIO_PROCESS, (id_t)tid), syscall(SYS_ioprio_get, 1, (long)tid));
	add(text, path);
}

/*
 * Each distinct state of a thread, in sorted order: workers may come and go, but none of
 * them may be unlike the others.
 */
static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* On a busy machine, one may be started at any time: until it has its name, it is left out. */
static bool is_new(const char *number)
{
	char path[64], own[32] = "", its[32] = "";
	FILE *f;

	if (atoi(number) == getpid())
		return false;
	CHECK_INT(prctl(PR_GET_NAME, own), 0);
	snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", number);
	f = fopen(path, "re");
	if (f && fgets(its, sizeof(its), f))
		its[strcspn(its, "\n")] = '\0';
	if (f)
		fclose(f);
	return strcmp(its, own) == 0;
}

static void process_state(char *text)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *entry;
	char *state[THREADS_MAX];
	size_t count = 0;

	CHECK(tasks);
	while ((entry = readdir(tasks)) && count < THREADS_MAX) {
		if (entry->d_name[0] == '.' || is_new(entry->d_name))
			continue;
		state[count] = calloc(1, STATE_SIZE);
		CHECK(state[count]);
		thread_state(state[count++], entry->d_name);
	}
	closedir(tasks);
	qsort(state, count, sizeof(state[0]), by_text);
	text[0] = 0;
	for (size_t i = 0; i < count; i++)
		if (i == 0 || strcmp(state[i], state[i - 1]) != 0)
			add(text, state[i]);
	for (size_t i = 0; i < count; i++)
		free(state[i]);
	add_link(text, "/proc/self/cwd");
	add_link(text, "/proc/self/root");
}

static int64_t execute(struct hascall *h, uint32_t num, const uint64_t arg[6], uint32_t flags)
{
	uint64_t ticket;
	int64_t result;

	CHECK_INT(hascall_post(h, num, arg, 0, flags ? HASCALL_MORE : 0, &ticket), 0);
	CHECK_INT(hascall_wait(h, ticket, -1, flags, &result), 0);
	return result;
}

static _Noreturn void fail_changed(uint32_t num, const char *before, const char *after)
{
	size_t same = 0;
	size_t line = 0;

	for (; before[same] == after[same]; same++)
		if (before[same] == '\n')
			line = same + 1;
	test_fail(__FILE__, __LINE__, "call %u changed\n%.300s\nto\n%.300s", num, before + line,
		  after + line);
}

/* The answer, and what is after the call as it was before. */
static void check_refused(struct hascall *h, const struct refused *c, uint32_t flags)
{
	static char before[STATE_SIZE], after[STATE_SIZE];
	const char *reason = NULL;
	int wanted = hascall_check(c->num, c->arg, &reason);

	if (wanted != -EOPNOTSUPP && wanted != -ENOSYS)
		test_fail(__FILE__, __LINE__, "call %u is not refused: %d", c->num, wanted);
	CHECK(reason && *reason);
	memset(target, c->num == SYS_futex ? 0 : PATTERN, sizeof(target));
	process_state(before);
	if (execute(h, c->num, c->arg, flags) != wanted)
		test_fail(__FILE__, __LINE__, "call %u is executed", c->num);
	process_state(after);
	if (strcmp(before, after) != 0)
		fail_changed(c->num, before, after);
	for (size_t i = 0; i < sizeof(target); i++)
		if (target[i] != (c->num == SYS_futex ? 0 : PATTERN))
			test_fail(__FILE__, __LINE__, "call %u wrote at %zu", c->num, i);
	CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
	CHECK_INT(errno, ECHILD);
}

/* An area whose threads have all begun, and have their names and masks. */
static struct hascall *open_settled(void)
{
	static char seen[STATE_SIZE], again[STATE_SIZE];
	struct timespec little = { 0, 5000000 };
	const uint64_t sleep_a_little[6] = { P(&little) };
	struct hascall *h;

	CHECK_INT(hascall_open(&h, NULL), 0);
	do {
		process_state(seen);
		CHECK_INT(execute(h, SYS_nanosleep, sleep_a_little, 0), 0);
		usleep(20000);
		process_state(again);
	} while (strcmp(seen, again) != 0 || !strstr(again, "Name:\thascall-watch\n"));
	return h;
}

void refused_changes_nothing(uint32_t flags)
{
	struct hascall *h = open_settled();

	for (size_t i = 0; i < ARRAY_COUNT(refused); i++)
		check_refused(h, &refused[i], flags);
	hascall_close(h);
}

static bool has_arguments_here(uint32_t num)
{
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++)
		if (refused[i].num == num)
			return true;
	return false;
}

/* Numbers that no kernel of x86-64 has any more, or not yet, and those of other ABIs. */
void refused_all_numbers(void)
{
	static const uint64_t none[6];
	static const uint32_t beyond[] = { 470,	 511,	     512,	 547,
					   1000, 0x40000000, 0x40000027, UINT32_MAX };
	struct hascall *h = open_settled();

	for (uint32_t num = 0; num < ANYCALL_NUMBERS; num++) {
		int r = hascall_check(num, none, NULL);
		struct refused c = { .num = num };

		if (r == -ENOSYS)
			check_refused(h, &c, 0);
		/* uretprobe and uprobe have no arguments that would do anything elsewhere. */
		else if (r == -EOPNOTSUPP && num != 335 && num != 336 && !has_arguments_here(num))
			test_fail(__FILE__, __LINE__, "call %u is refused: say here with what",
				  num);
	}
	for (size_t i = 0; i < ARRAY_COUNT(beyond); i++)
		check_refused(h, &(struct refused){ .num = beyond[i] }, 0);
	hascall_close(h);
}

#include "test/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

#define SLOWER_WHEN_SANITIZED 5u
#define STRAY_GRACE_MS 1000u

const bool test_sanitized = SANITIZED;

/* What the processes of one test tell the harness; in memory they all share. */
struct verdict {
	int failed; /* set by whichever process failed first */
	int skipped;
	char reason[256];
};
static struct verdict *verdict;

_Noreturn void test_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	__atomic_store_n(&verdict->failed, 1, __ATOMIC_RELAXED);
	va_start(args, format);
	flockfile(stderr); /* threads may fail together */
	fprintf(stderr, "# %s:%d: ", file, line);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	funlockfile(stderr);
	va_end(args);
	fflush(NULL);
	_exit(1);
}

_Noreturn void test_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(verdict->reason, sizeof(verdict->reason), format, args);
	va_end(args);
	__atomic_store_n(&verdict->skipped, 1, __ATOMIC_RELAXED);
	_exit(0);
}

void test_check_int(const char *file, int line, const char *text, int64_t seen, int64_t wanted)
{
	if (seen != wanted)
		test_fail(file, line, "%s is %lld, wanted %lld", text, (long long)seen,
			  (long long)wanted);
}

void test_check_str(const char *file, int line, const char *text, const char *seen,
		    const char *wanted)
{
	if (!seen || strcmp(seen, wanted) != 0)
		test_fail(file, line, "%s is\n%s\nwanted\n%s", text, seen ? seen : "(null)",
			  wanted);
}

static unsigned int open_descriptors(void)
{
	unsigned int count = 0;
	DIR *dir = opendir("/proc/self/fd");

	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* In the test's own process. Returns only if the test did. */
static void run_here(const struct test *t)
{
	unsigned int before = open_descriptors();
	unsigned int after;

	t->fn();
	after = open_descriptors();
	if (after > before)
		test_fail(t->name, 0, "left %u descriptors open", after - before);
}

/* Processes the test left behind are our children now: name them, end them. */
static unsigned int end_strays(void)
{
	const struct timespec tick = { .tv_nsec = 10 * 1000 * 1000 };
	unsigned int strays = 0;

	for (unsigned int ms = 0; ms < STRAY_GRACE_MS; ms += 10) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			return 0; /* ECHILD: nobody is left */
		if (pid == 0)
			nanosleep(&tick, NULL);
	}
	for (;;) {
		FILE *list = fopen("/proc/thread-self/children", "re");
		int pid = 0;

		if (!list || fscanf(list, "%d", &pid) != 1)
			pid = 0;
		if (list)
			fclose(list);
		if (pid <= 0)
			return strays;
		fprintf(stderr, "# process %d was left behind\n", pid);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		strays++;
	}
}

/* Wait for the test's first process. -1 if its time is over. */
static int wait_with_limit(pid_t pid, unsigned int seconds, int *ret_status)
{
	struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int ready = poll(&p, 1, (int)(seconds * 1000));

	if (p.fd >= 0)
		close(p.fd);
	if (ready == 0) {
		fprintf(stderr, "# no end after %u seconds\n", seconds);
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
	}
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	return ready == 0 ? -1 : 0;
}

static void print_result(bool passed, size_t number, const char *name)
{
	printf("%s %zu - ", passed ? "ok" : "not ok", number);
	for (; *name; name++)
		putchar(*name == '_' ? ' ' : *name);
	if (passed && verdict->skipped)
		printf(" # SKIP %s", verdict->reason);
	putchar('\n');
	fflush(stdout);
}

/* How much longer than usual a test may take: under a sanitizer, or as the environment says. */
static unsigned int slower(void)
{
	const char *told = getenv("HASCALL_TEST_SLOWER"); /* in an emulated guest */
	int times = told ? atoi(told) : 0;

	return (SANITIZED ? SLOWER_WHEN_SANITIZED : 1) * (times > 0 && times < 100 ? times : 1);
}

static bool run_one(const struct test *t, size_t number)
{
	unsigned int seconds = t->seconds * slower();
	int status = 0;
	bool passed;
	pid_t pid;

	memset(verdict, 0, sizeof(*verdict));
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("# fork");
		exit(2);
	}
	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(STDERR_FILENO, STDOUT_FILENO); /* stdout carries TAP only */
		/* A terminal would stop it: it is not in the foreground process group. */
		if (isatty(STDIN_FILENO) && !freopen("/dev/null", "r", stdin))
			_exit(1);
		run_here(t);
		exit(0);
	}
	passed = wait_with_limit(pid, seconds, &status) == 0;
	if (WIFSIGNALED(status))
		fprintf(stderr, "# ended by signal %d (%s)\n", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	passed = passed && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (end_strays() > 0 || __atomic_load_n(&verdict->failed, __ATOMIC_RELAXED))
		passed = false;
	print_result(passed, number, t->name);
	return passed;
}

static const struct test *find(const struct test *tests, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(tests[i].name, name) == 0)
			return &tests[i];
	fprintf(stderr, "no test is named %s; -l lists them\n", name);
	exit(2);
}

/*
 * Whoever started them, tests begin with descriptors 0, 1 and 2 open, since they count
 * them, and with no signal ignored (nohup, a job in the background).
 */
static void begin_as_usual(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD };
	int fd;

	for (size_t i = 0; i < ARRAY_COUNT(signals); i++)
		signal(signals[i], SIG_DFL);
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int test_main(int argc, char **argv, const struct test *tests, size_t count)
{
	size_t wanted = argc > 1 ? (size_t)argc - 1 : count;
	size_t failed = 0;

	begin_as_usual();
	verdict = mmap(NULL, sizeof(*verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (verdict == MAP_FAILED) {
		perror("# mmap");
		return 2;
	}
	if (argc == 2 && strcmp(argv[1], "-l") == 0) {
		for (size_t i = 0; i < count; i++)
			puts(tests[i].name);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "-n") == 0) {
		run_here(find(tests, count, argv[2]));
		return 0;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	printf("1..%zu\n", wanted);
	for (size_t i = 0; i < wanted; i++) {
		const struct test *t = argc > 1 ? find(tests, count, argv[i + 1]) : &tests[i];

		failed += !run_one(t, i + 1);
	}
	return failed > 0;
}

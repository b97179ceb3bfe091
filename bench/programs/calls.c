/*
 * calls.c - two measures, taken inside whatever sandbox it is started in. Bench: see
 * bench/programs/run.
 *
 *     calls time COMMAND...   run it once; nanoseconds from before fork to the end of wait
 *     calls micro             one getppid, stat of a cached file, read of 4 KiB, round trip of a
 *                             byte through two pipes: median of rounds
 *
 * Results go to standard error, one line "calls: NAME VALUE" each; the output of COMMAND is
 * left alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 15
#define BLOCK 4096

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "calls: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int time_command(char **argv)
{
	int64_t start = now_ns();
	pid_t pid = fork();
	int status;

	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		execvp(argv[0], argv);
		fail(argv[0]);
	}
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	fprintf(stderr, "calls: time %lld\n", (long long)(now_ns() - start));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int descriptor, ping[2], pong[2];
static char block[BLOCK];

static void one_getppid(void)
{
	syscall(SYS_getppid);
}

static void one_stat(void)
{
	struct stat st;

	if (stat("/usr/include/stdio.h", &st) < 0)
		fail("stat");
}

static void one_read(void)
{
	if (pread(descriptor, block, BLOCK, 0) != BLOCK)
		fail("pread");
}

static void one_round_trip(void)
{
	char c = 'x';

	if (write(ping[1], &c, 1) != 1 || read(pong[0], &c, 1) != 1)
		fail("round trip");
}

static void measure(const char *name, void (*fn)(void), int count)
{
	double each[ROUNDS];

	for (int i = 0; i < count / 10; i++)
		fn();
	for (int r = 0; r < ROUNDS; r++) {
		int64_t start = now_ns();
		for (int i = 0; i < count; i++)
			fn();
		each[r] = (double)(now_ns() - start) / count;
	}
	qsort(each, ROUNDS, sizeof(each[0]), compare);
	fprintf(stderr, "calls: %s %.0f\n", name, each[ROUNDS / 2]);
}

static void answer(void)
{
	char c;

	close(ping[1]);
	while (read(ping[0], &c, 1) == 1)
		if (write(pong[1], &c, 1) != 1)
			break;
	_exit(0);
}

static int micro(void)
{
	descriptor = open("/usr/include/stdio.h", O_RDONLY);
	if (descriptor < 0 || pipe(ping) < 0 || pipe(pong) < 0)
		fail("open or pipe");
	measure("getppid", one_getppid, 2000);
	measure("stat", one_stat, 1000);
	measure("read", one_read, 1000);
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0)
		answer();
	measure("pipe", one_round_trip, 300);
	close(ping[1]);
	waitpid(pid, NULL, 0);
	puts("measured");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "time") == 0)
		return time_command(argv + 2);
	if (argc == 2 && strcmp(argv[1], "micro") == 0)
		return micro();
	fprintf(stderr, "usage: calls time COMMAND... | calls micro\n");
	return 2;
}

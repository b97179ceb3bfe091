#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WITNESS_ROUNDS 20 /* so many after the attack: it goes on */
#define WITNESS_SECONDS 20

static const struct attack *const tables[] = { call_attacks,	 gate_attacks,	 area_attacks,
					       resource_attacks, signal_attacks, fuzz_attacks };
struct bait bait;

static void print_line(const char *kind, const char *format, va_list args)
{
	char text[400];
	int n = snprintf(text, sizeof(text), "%s ", kind);

	n += vsnprintf(text + n, sizeof(text) - (size_t)n - 1, format, args);
	if (n > (int)sizeof(text) - 2)
		n = (int)sizeof(text) - 2;
	text[n++] = '\n';
	if (write(STDOUT_FILENO, text, (size_t)n) < 0) /* one write: children print too */
		_exit(3);
}

void escaped(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("ESCAPED", format, args);
	va_end(args);
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("note", format, args);
	va_end(args);
}

void not_here(const char *why)
{
	note("SKIP %s", why);
	exit(0);
}

void sleep_ms(long ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static int wait_ms(pid_t pid, long ms)
{
	struct timespec start, now;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (long tick = 0;; tick++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 >
		    ms)
			break;
		if (tick > 200)
			sleep_ms(1);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

int in_child(void (*fn)(void *), void *arg, long ms)
{
	pid_t pid = fork();

	if (pid == 0) {
		fn(arg);
		_exit(0);
	}
	return pid < 0 ? -1 : wait_ms(pid, ms);
}

static sigjmp_buf back;

static void on_fault(int number)
{
	siglongjmp(back, number);
}

int readable(const volatile void *p)
{
	struct sigaction fault = { .sa_handler = on_fault }, old_segv, old_bus;
	int good = 0;

	sigaction(SIGSEGV, &fault, &old_segv);
	sigaction(SIGBUS, &fault, &old_bus);
	if (sigsetjmp(back, 1) == 0) {
		(void)*(const volatile char *)p;
		good = 1;
	}
	sigaction(SIGSEGV, &old_segv, NULL);
	sigaction(SIGBUS, &old_bus, NULL);
	return good;
}

unsigned char *code_page(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		_exit(4);
	return p;
}

int is_dangerous(long number)
{
	/* signals, clocks, names of the machine, power, swap, modules, terminals, kernel images */
	static const short numbers[] = { 62,  129, 200, 234, 297, 424, 153, 159, 161, 163,
					 164, 167, 168, 169, 170, 171, 175, 176, 227, 246,
					 305, 313, 320, 165, 166, 155, 172, 173, 116, 448 };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i] == number)
			return 1;
	return 0;
}

/* Ordinary life: files, a pipe, a child now and then. Counts its rounds. */
static void witness(volatile unsigned int *rounds)
{
	char text[64];
	int p[2];

	for (;;) {
		int fd = open("/etc/passwd", O_RDONLY);
		if (fd < 0 || read(fd, text, sizeof(text)) <= 0) {
			note("witness: open or read: %s", strerror(errno));
			_exit(1);
		}
		close(fd);
		if (pipe(p) < 0 || write(p[1], "ping", 4) != 4 || read(p[0], text, 4) != 4) {
			note("witness: pipe: %s", strerror(errno));
			_exit(2);
		}
		close(p[0]);
		close(p[1]);
		++*rounds;
		sleep_ms(2);
	}
}

static int goes_on(volatile unsigned int *rounds, pid_t pid)
{
	unsigned int before = *rounds;

	for (int ms = 0; ms < WITNESS_SECONDS * 1000; ms += 10) {
		int status;
		if (*rounds >= before + WITNESS_ROUNDS)
			return 1;
		if (waitpid(pid, &status, WNOHANG) == pid) {
			note("the witness ended with status %x", status);
			return 0;
		}
		sleep_ms(10);
	}
	return 0;
}

static void read_bait(void)
{
	const char *victim = getenv("VICTIM"), *port = getenv("PORT");

	bait.folder = getenv("BAIT");
	bait.socket = getenv("SOCKET");
	if (!bait.folder || !victim || !port || !bait.socket) {
		fputs("hostile: to be started by test/hostile/run\n", stderr);
		exit(2);
	}
	snprintf(bait.keep, sizeof(bait.keep), "%s/keep", bait.folder);
	snprintf(bait.new, sizeof(bait.new), "%s/new", bait.folder);
	bait.victim = atoi(victim);
	bait.port = atoi(port);
}

static int run_attack(const struct attack *a)
{
	volatile unsigned int *rounds = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t beside = fork(), pid;
	int status;

	if (beside == 0)
		witness(rounds);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		a->fn();
		_exit(0);
	}
	status = wait_ms(pid, ATTACK_SECONDS * 1000);
	kill(-pid, SIGKILL);
	note("%s ended with status %x", a->name, status);
	if (status == -1)
		note("no end after %d seconds", ATTACK_SECONDS);
	if (!goes_on(rounds, beside)) {
		note("the witness did not go on: %u rounds", *rounds);
		return 1;
	}
	kill(beside, SIGKILL);
	waitpid(beside, NULL, 0);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	note("DONE after %u rounds of the witness", *rounds);
	return 0;
}

int main(int argc, char **argv)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct attack *a = tables[t]; a->name; a++) {
			if (argc == 2 && strcmp(argv[1], "-l") == 0) {
				puts(a->name);
			} else if (argc == 2 && strcmp(argv[1], a->name) == 0) {
				read_bait();
				return run_attack(a);
			}
		}
	return !(argc == 2 && strcmp(argv[1], "-l") == 0);
}

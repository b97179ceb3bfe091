/* transfers.c - reads and writes larger than any buffer on their way: ends, bad memory, signals. */
#include "conform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define MIB (1 << 20)
#define WORDS_A_PAGE (PAGE / sizeof(uint32_t))

/* Memory without anything behind it. */
static char *memory(size_t size)
{
	char *at = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	if (at == MAP_FAILED)
		exit(1);
	munmap(at + size, PAGE);
	return at;
}

/* Word i of a patterned file is i. */
static int patterned(const char *name, size_t size)
{
	char *bytes = memory((size + PAGE - 1) / PAGE * PAGE);
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (uint32_t i = 0; i < size / sizeof(i); i++)
		memcpy(bytes + i * sizeof(i), &i, sizeof(i));
	if (fd < 0 || pwrite(fd, bytes, size, 0) != (ssize_t)size)
		exit(1);
	munmap(bytes, (size + PAGE - 1) / PAGE * PAGE);
	return fd;
}

/* Are these the file's bytes from `offset` on? */
static bool right(const char *bytes, size_t size, uint64_t offset)
{
	for (size_t at = (4 - offset % 4) % 4; at + 4 <= size; at += 4) {
		uint32_t word;

		memcpy(&word, bytes + at, sizeof(word));
		if (word != (offset + at) / 4)
			return false;
	}
	return true;
}

static void case_large_reads(void)
{
	size_t size = 3 * MIB + 1000;
	char *bytes = memory(4 * MIB);
	struct iovec v[3] = { { bytes, 100 },
			      { bytes + 100, 2 * MIB },
			      { bytes + 100 + 2 * MIB, MIB } };
	int fd = patterned("f", size);

	T(read(fd, bytes, 4 * MIB));
	say("right: %d", right(bytes, size, 0));
	T(lseek(fd, 0, SEEK_CUR));
	T(read(fd, bytes, 4 * MIB));
	T(lseek(fd, 7, SEEK_SET));
	T(read(fd, bytes, 700000));
	say("right: %d", right(bytes, 700000, 7));
	T(read(fd, bytes + 1, 300001));
	say("right: %d", right(bytes + 1, 300001, 700007));
	T(lseek(fd, 0, SEEK_CUR));
	T(pread(fd, bytes, 2 * MIB, 2 * MIB));
	say("right: %d", right(bytes, MIB + 1000, 2 * MIB));
	T(pread(fd, bytes, 2 * MIB, 3 * MIB + 999));
	T(pread(fd, bytes, 2 * MIB, 4 * MIB));
	T(lseek(fd, 0, SEEK_CUR));
	memset(bytes, 0, 4 * MIB);
	T(preadv(fd, v, 3, 8));
	say("right: %d", right(bytes, 3 * MIB, 8));
	T(lseek(fd, MIB, SEEK_SET));
	T(readv(fd, v, 3));
	say("right: %d", right(bytes, 2 * MIB, MIB));
	T(lseek(fd, 0, SEEK_CUR));
	/* A hole, and what was never read before. */
	T(ftruncate(fd, 6 * MIB));
	T(pread(fd, bytes, 4 * MIB, MIB));
	say("right: %d zero: %d", right(bytes, 2 * MIB + 1000, MIB),
	    bytes[2 * MIB + 1000] | bytes[4 * MIB - 1]);
}

static void case_large_writes(void)
{
	char *bytes = memory(3 * MIB), *back = memory(4 * MIB);
	struct iovec v[2] = { { bytes, 5 }, { bytes + 5, 2 * MIB } };
	int fd = patterned("f", 3 * MIB);

	T(pread(fd, bytes, 3 * MIB, 0));
	T(ftruncate(fd, 0));
	T(write(fd, bytes, 3 * MIB - 3));
	T(lseek(fd, 0, SEEK_CUR));
	show("f");
	T(pread(fd, back, 4 * MIB, 0));
	say("right: %d", right(back, 3 * MIB - 3, 0));
	T(pwrite(fd, bytes + MIB, 2 * MIB, MIB));
	T(pread(fd, back, 4 * MIB, 0));
	say("right: %d", right(back, 3 * MIB, 0));
	T(lseek(fd, 0, SEEK_SET));
	T(writev(fd, v, 2));
	T(pread(fd, back, 4 * MIB, 0));
	say("right: %d", right(back, 3 * MIB, 0));
	show("f");
}

/* The transfer ends where memory does; so does the position. */
static void read_into(int fd, char *bytes, size_t there, off_t offset)
{
	ssize_t n;

	say("%zu bytes of memory, from %ld", there, (long)offset);
	T(lseek(fd, offset, SEEK_SET));
	memset(bytes, 0, there);
	n = read(fd, bytes, MIB);
	tell("read", n);
	T(lseek(fd, 0, SEEK_CUR));
	if (n > 0)
		say("right: %d", right(bytes, (size_t)n, (uint64_t)offset));
	memset(bytes, 0, there);
	n = pread(fd, bytes, MIB, offset);
	tell("pread", n);
	T(lseek(fd, 0, SEEK_CUR));
	if (n > 0)
		say("right: %d", right(bytes, (size_t)n, (uint64_t)offset));
}

static const size_t pages[] = { 0, 1, 2, 7, 8, 9, 63, 64, 65, 100, 128, 200, 255 };

static void case_reads_where_memory_ends(void)
{
	int fd = patterned("f", MIB);

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		char *bytes = memory(MIB);

		munmap(bytes + pages[i] * PAGE, MIB - pages[i] * PAGE);
		read_into(fd, bytes, pages[i] * PAGE, 0);
		read_into(fd, bytes, pages[i] * PAGE, 6 * PAGE);
		read_into(fd, bytes, pages[i] * PAGE, MIB - PAGE);
		read_into(fd, bytes, pages[i] * PAGE, MIB);
	}
}

static void case_vectors_where_memory_ends(void)
{
	char *bytes = memory(3 * PAGE), *nowhere = memory(PAGE);
	struct iovec end[2] = { { bytes, 2 * PAGE }, { nowhere, PAGE } };
	struct iovec begin[2] = { { nowhere, PAGE }, { bytes, 2 * PAGE } };
	int fd = patterned("f", MIB);

	munmap(nowhere, PAGE);
	munmap(bytes + PAGE, PAGE);
	munmap(bytes + 2 * PAGE, PAGE);
	T(lseek(fd, 3 * PAGE, SEEK_SET));
	T(readv(fd, end, 2));
	say("right: %d", right(bytes, PAGE, 3 * PAGE));
	T(lseek(fd, 0, SEEK_CUR));
	T(readv(fd, begin, 2));
	T(lseek(fd, 0, SEEK_CUR));
	T(preadv(fd, end, 2, 0));
	say("right: %d", right(bytes, PAGE, 0));
	T(preadv(fd, begin, 2, 0));
	T(lseek(fd, 0, SEEK_CUR));
	T(ftruncate(fd, 0));
	T(pwritev(fd, end, 2, 0));
	show("f");
	T(pwritev(fd, begin, 2, 0));
	show("f");
	T(lseek(fd, 0, SEEK_SET));
	T(writev(fd, end, 2));
	T(writev(99, begin, 2));
	T(lseek(fd, 0, SEEK_CUR));
	show("f");
}

static void case_writes_where_memory_ends(void)
{
	char *bytes = memory(2 * PAGE);
	int ends[2];

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		char *some = memory(MIB);
		int fd = patterned("f", MIB);

		T(pread(fd, some, MIB, 0));
		munmap(some + pages[i] * PAGE, MIB - pages[i] * PAGE);
		say("%zu pages", pages[i]);
		T(ftruncate(fd, 0));
		T(write(fd, some, MIB));
		T(lseek(fd, 0, SEEK_CUR));
		show("f");
		T(pwrite(fd, some, MIB, 0));
		T(lseek(fd, 0, SEEK_CUR));
		show("f");
		close(fd);
	}
	munmap(bytes + PAGE, PAGE);
	T(pipe(ends));
	T(write(ends[1], bytes, 2 * PAGE));
	T(write(ends[1], bytes + PAGE, PAGE));
	T(write(99, bytes + PAGE, PAGE));
}

/* Nothing is taken from where it would be lost, and 7 bytes come after what fails. */
static void reads_to_nowhere(int in, int out, char *nowhere)
{
	struct iovec v[2] = { { nowhere, 0 }, { nowhere, 9 } };
	char text[8] = "";

	T(write(out, "1234567", 7));
	T(read(in, NULL, 100));
	T(read(in, nowhere, 100));
	T(read(in, (void *)-1, 3));
	T(read(in, nowhere, 0));
	T(readv(in, v, 2));
	/* There is memory, but not to be written. */
	T(mprotect(nowhere - PAGE, PAGE, PROT_READ));
	T(read(in, nowhere - 10, 10));
	T(mprotect(nowhere - PAGE, PAGE, PROT_READ | PROT_WRITE));
	T(read(in, text, 2));
	T(read(in, text + 2, 6));
	say("%s", text);
}

static void case_reads_to_nowhere(void)
{
	char *nowhere = memory(PAGE) + PAGE;
	int ends[2];

	T(pipe2(ends, O_NONBLOCK));
	reads_to_nowhere(ends[0], ends[1], nowhere);
	T(read(ends[1], nowhere, 1));
	T(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends));
	reads_to_nowhere(ends[0], ends[1], nowhere);
	T(mkfifo("fifo", 0600));
	ends[0] = open("fifo", O_RDWR | O_NONBLOCK);
	reads_to_nowhere(ends[0], ends[0], nowhere);
	ends[0] = patterned("f", PAGE);
	T(read(ends[0], nowhere, 10));
	T(lseek(ends[0], 0, SEEK_CUR));
	T(lseek(ends[0], PAGE, SEEK_SET));
	T(read(ends[0], nowhere, 10));
	T(read(ends[0], NULL, 10));
}

/* Of what is sent as a whole, no part is sent. */
static void case_messages_where_memory_ends(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	char *bytes = memory(PAGE), *end = bytes + PAGE, text[100] = "";
	struct iovec v[2] = { { bytes, 3 }, { end, 3 } };
	const uint64_t one = 1;
	uint64_t sum = 0;
	int ends[2];

	memset(bytes, 'x', PAGE);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		T(socketpair(AF_UNIX, types[i] | SOCK_NONBLOCK, 0, ends));
		T(write(ends[0], end - 10, 20));
		T(read(ends[1], text, sizeof(text)));
		T(writev(ends[0], v, 2));
		T(read(ends[1], text, sizeof(text)));
		T(write(ends[0], end - 10, 10));
		T(read(ends[1], text, sizeof(text)));
	}
	ends[0] = eventfd(0, EFD_NONBLOCK);
	memcpy(end - 4, &one, 4);
	T(write(ends[0], end - 4, 8));
	T(write(ends[0], end - 4, 4));
	T(read(ends[0], &sum, 8));
	say("%d", (int)sum);
}

static volatile int alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static void tick(long us, int flags)
{
	const struct sigaction action = { .sa_handler = on_alarm, .sa_flags = flags };
	const struct itimerval often = { { 0, us }, { 0, us } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

/* A file's transfer is whole, however many signals come; a pipe's ends when it waits. */
static void case_signals_in_large_transfers(void)
{
	unsigned int reads = 0, writes = 0, wrong = 0;
	char *bytes = memory(2 * MIB);
	int fd = patterned("f", 2 * MIB), ends[2];

	tick(300, 0);
	for (unsigned int i = 0; i < 300; i++) {
		reads += pread(fd, bytes, 2 * MIB, 0) != 2 * MIB;
		wrong += !right(bytes, 2 * MIB, 0);
	}
	for (unsigned int i = 0; i < 50; i++)
		writes += pwrite(fd, bytes, 2 * MIB, 0) != 2 * MIB;
	say("short reads %u, wrong %u, short writes %u, signals: %d", reads, wrong, writes,
	    alarms > 0);
	T(pipe(ends));
	tick(20000, 0);
	T(write(ends[1], bytes, 2 * MIB));
	tick(0, 0);
	T(read(ends[0], bytes, 2 * MIB));
	tick(20000, 0);
	T(read(ends[0], bytes, 2 * MIB));
	tick(0, 0);
}

/* Several who share a position: each byte is read once. */
static void case_large_reads_shared(void)
{
	const unsigned int mib = 16;
	uint32_t *seen = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			      0);
	unsigned int missing = 0, twice = 0;
	int fd = patterned("f", mib * MIB);
	unsigned char *count = mmap(NULL, mib * MIB / PAGE, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	for (unsigned int child = 0; child < 3; child++) {
		if (fork() != 0)
			continue;
		char *bytes = memory(MIB);
		ssize_t n;

		while ((n = read(fd, bytes, MIB)) > 0)
			for (ssize_t at = 0; at < n; at += PAGE) {
				uint32_t word;

				memcpy(&word, bytes + at, sizeof(word));
				__atomic_add_fetch(&count[word / WORDS_A_PAGE], 1,
						   __ATOMIC_RELAXED);
				if (n % PAGE == 0)
					__atomic_add_fetch(seen, 1, __ATOMIC_RELAXED);
			}
		_exit(n == 0 ? 0 : 1);
	}
	for (unsigned int child = 0; child < 3; child++) {
		int status;

		wait(&status);
		print_status(status);
	}
	for (unsigned int i = 0; i < mib * MIB / PAGE; i++) {
		missing += count[i] == 0;
		twice += count[i] > 1;
	}
	say("pages %u, missing %u, twice %u", *seen, missing, twice);
	T(lseek(fd, 0, SEEK_CUR));
}

const struct conform_case transfer_cases[] = {
	CASE(large_reads),
	CASE(large_writes),
	CASE(reads_where_memory_ends),
	CASE(vectors_where_memory_ends),
	CASE(writes_where_memory_ends),
	CASE(reads_to_nowhere),
	CASE(messages_where_memory_ends),
	CASE(signals_in_large_transfers),
	CASE(large_reads_shared),
	{ NULL, NULL },
};

/*
 * model.c - one file against a model of it in memory: random operations, each answer and all
 * bytes compared. Runs inside and outside.
 *
 *	model run KIND FILE SEED COUNT		make FILE, do COUNT operations, compare at the end
 *	model check KIND FILE SEED COUNT	FILE is what that run must have left
 *
 * KIND     mixed      read, write, mapped reads and stores, truncate, fallocate, zero, punch,
 *                     copy_file_range, SEEK_DATA and SEEK_HOLE, append, fsync, open again
 *          shifting   the same, and collapse and insert
 *          allocated  fallocate(2), then random writes of 4 KiB
 * Exit     0; 1: a difference, told on standard error; 2: wrong use; 77: not supported here
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KIB 1024u
#define MIXED_MAX (512u * KIB)
#define ALLOCATED_SIZE (48u * KIB * KIB)
#define PIECE_MAX (64u * KIB)
#define PAGE 4096u
#define BLOCK 4096u /* what collapse and insert move, a multiple of all sizes of blocks */
#define SKIPPED 77

enum operation {
	READ,
	WRITE,
	APPEND,
	MAP_READ,
	MAP_WRITE,
	TRUNCATE,
	ALLOCATE,
	ALLOCATE_KEEP,
	ZERO,
	ZERO_KEEP,
	PUNCH,
	COPY,
	SEEK,
	SYNC,
	AGAIN,
	MIXED_END,
	COLLAPSE = MIXED_END,
	INSERT,
	SHIFTING_END,
};
static const char *const operation_names[] = {
	"read",		"write",	  "append",	"mapped read",
	"mapped store", "truncate",	  "fallocate",	"fallocate KEEP_SIZE",
	"zero",		"zero KEEP_SIZE", "punch",	"copy_file_range",
	"seek",		"fsync",	  "open again", "collapse",
	"insert",
};

static uint8_t model[ALLOCATED_SIZE];
static uint8_t bytes[PIECE_MAX];
static uint32_t size; /* of the file, by the model */
static int fd = -1;   /* -1: only the model is moved on */
static const char *file;
static uint64_t state;
static unsigned long step;
static enum operation now;

static void wrong(const char *what, ...)
{
	va_list list;

	fprintf(stderr, "operation %lu (%s), size %u: ", step, operation_names[now], size);
	va_start(list, what);
	vfprintf(stderr, what, list);
	va_end(list);
	fprintf(stderr, "\n");
	exit(1);
}

static uint32_t pick(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

static void answer(int64_t is, int64_t wanted)
{
	if (is != wanted)
		wrong("%lld, %lld expected: %s", (long long)is, (long long)wanted,
		      is < 0 ? strerror(errno) : "no error");
}

static void same(const uint8_t *seen, uint32_t offset, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (seen[i] != model[offset + i])
			wrong("byte %u is %u, not %u", offset + i, seen[i], model[offset + i]);
}

static void fill(uint32_t count)
{
	uint8_t from = (uint8_t)(1 + pick(255));

	for (uint32_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)(from + i * 7 + i / 256);
}

/* Bytes beyond the model's end are always zero: growing shows them. */
static void resize(uint32_t to)
{
	if (to < size)
		memset(model + to, 0, size - to);
	size = to;
}

static void store(uint32_t offset, uint32_t count)
{
	if (offset + count > size)
		size = offset + count;
	memcpy(model + offset, bytes, count);
}

static void open_file(int flags)
{
	if (fd >= 0)
		answer(close(fd), 0);
	fd = open(file, O_RDWR | flags, 0644);
	if (fd < 0)
		wrong("open: %s", strerror(errno));
}

static void compare_all(void)
{
	static uint8_t piece[PIECE_MAX];

	answer(lseek(fd, 0, SEEK_END), size);
	for (uint32_t at = 0; at < size;) {
		ssize_t got = pread(fd, piece, sizeof(piece), at);

		if (got <= 0)
			wrong("read at %u: %zd", at, got);
		same(piece, at, (uint32_t)got);
		at += (uint32_t)got;
	}
}

/* ---- operations: the model always, the file if there is one. */

static void do_read(uint32_t offset, uint32_t count)
{
	uint32_t there = offset >= size ? 0 : size - offset;

	if (fd < 0)
		return;
	memset(bytes, 0xee, count);
	answer(pread(fd, bytes, count, offset), count < there ? count : there);
	same(bytes, offset, count < there ? count : there);
}

static void do_write(uint32_t offset, uint32_t count)
{
	fill(count);
	if (fd >= 0)
		answer(pwrite(fd, bytes, count, offset), count);
	if (count > 0)
		store(offset, count);
}

static void do_append(uint32_t count)
{
	if (count > MIXED_MAX - size)
		count = MIXED_MAX - size;
	fill(count);
	if (fd >= 0) {
		answer(fcntl(fd, F_SETFL, O_APPEND), 0);
		answer(write(fd, bytes, count), count);
		answer(fcntl(fd, F_SETFL, 0), 0);
	}
	store(size, count);
}

static void do_map(uint32_t offset, uint32_t count, bool writes)
{
	uint32_t start = offset / PAGE * PAGE, length;
	uint8_t *map;

	if (offset >= size)
		return;
	if (count > size - offset)
		count = size - offset;
	length = offset - start + count;
	if (writes)
		fill(count);
	if (fd >= 0 && length > 0) {
		map = mmap(NULL, length, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, fd,
			   start);
		if (map == MAP_FAILED)
			wrong("mmap: %s", strerror(errno));
		if (writes)
			memcpy(map + (offset - start), bytes, count);
		else
			same(map + (offset - start), offset, count);
		if (writes && offset % 3 == 0)
			answer(msync(map, length, MS_SYNC), 0);
		answer(munmap(map, length), 0);
	}
	if (writes)
		store(offset, count);
}

static void do_allocate(int mode, uint32_t offset, uint32_t count)
{
	uint32_t within = offset >= size ? 0 : size - offset;

	if (count == 0)
		return;
	if (fd >= 0)
		answer(fallocate(fd, mode, offset, count), 0);
	if (mode & (FALLOC_FL_ZERO_RANGE | FALLOC_FL_PUNCH_HOLE))
		memset(model + offset, 0, count < within ? count : within);
	if (!(mode & FALLOC_FL_KEEP_SIZE) && count > within)
		resize(offset + count);
}

static void do_copy(uint32_t offset, uint32_t count, uint32_t to)
{
	off_t from_at = offset, to_at = to;

	if (offset >= size)
		return;
	if (count > size - offset)
		count = size - offset;
	if (to + count > MIXED_MAX)
		count = MIXED_MAX - to;
	if (count == 0 || (offset < to + count && to < offset + count))
		return;
	for (uint32_t left = count; fd >= 0 && left > 0;) {
		ssize_t done = copy_file_range(fd, &from_at, fd, &to_at, left, 0);

		if (done <= 0 || done > left)
			wrong("%zd of %u: %s", done, left, strerror(errno));
		left -= (uint32_t)done;
	}
	memcpy(bytes, model + offset, count);
	store(to, count);
}

/* Where holes are is the file system's affair; that what is not zero is data is not. */
static void do_seek(uint32_t offset)
{
	off_t data, hole;

	if (fd < 0)
		return;
	data = lseek(fd, offset, SEEK_DATA);
	if (data < 0 && errno != ENXIO)
		wrong("SEEK_DATA: %s", strerror(errno));
	if (data >= 0 && (data < offset || data >= size))
		wrong("data at %lld, looked for from %u on", (long long)data, offset);
	for (uint32_t i = offset; i < (data < 0 ? size : (uint32_t)data); i++)
		if (model[i] != 0)
			wrong("byte %u is in a hole that ends at %lld", i, (long long)data);
	hole = lseek(fd, offset, SEEK_HOLE);
	if (offset >= size ? hole != -1 || errno != ENXIO : hole < offset || hole > size)
		wrong("hole at %lld, looked for from %u on", (long long)hole, offset);
}

static void do_shift(bool insert, uint32_t offset, uint32_t count)
{
	offset = offset / BLOCK * BLOCK;
	count = count / BLOCK * BLOCK;
	if (count == 0 || offset >= size ||
	    (insert ? size + count > MIXED_MAX : offset + count >= size))
		return;
	if (fd >= 0)
		answer(fallocate(fd, insert ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE,
				 offset, count),
		       0);
	if (insert) {
		memmove(model + offset + count, model + offset, size - offset);
		memset(model + offset, 0, count);
		size += count;
	} else {
		memmove(model + offset, model + offset + count, size - offset - count);
		resize(size - count);
	}
}

static void do_truncate(uint32_t to)
{
	if (fd >= 0)
		answer(ftruncate(fd, to), 0);
	resize(to);
}

static void do_one(uint32_t offset, uint32_t count, uint32_t other)
{
	static const int modes[SHIFTING_END] = {
		[ALLOCATE_KEEP] = FALLOC_FL_KEEP_SIZE,
		[ZERO] = FALLOC_FL_ZERO_RANGE,
		[ZERO_KEEP] = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		[PUNCH] = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	};

	if (now == READ)
		do_read(offset, count);
	else if (now == WRITE)
		do_write(offset, count);
	else if (now == APPEND)
		do_append(count);
	else if (now == MAP_READ || now == MAP_WRITE)
		do_map(offset, count, now == MAP_WRITE);
	else if (now == TRUNCATE)
		do_truncate(other);
	else if (now <= PUNCH)
		do_allocate(modes[now], offset, count);
	else if (now == COPY)
		do_copy(offset, count, other);
	else if (now == SEEK)
		do_seek(offset);
	else if (now == SYNC && fd >= 0)
		answer(other % 2 ? fsync(fd) : fdatasync(fd), 0);
	else if (now == AGAIN && fd >= 0)
		open_file(0);
	else if (now >= COLLAPSE)
		do_shift(now == INSERT, offset, count);
}

static void run_mixed(unsigned long count, bool shifting)
{
	for (step = 1; step <= count; step++) {
		uint32_t offset = pick(MIXED_MAX), length, other = pick(MIXED_MAX);

		/* Mostly near what is there, often at the ends of pages. */
		if (size > 0 && pick(3))
			offset = pick(size);
		if (pick(4) == 0)
			offset = offset / PAGE * PAGE;
		length = pick(pick(4) ? 3 * PAGE : PIECE_MAX);
		if (length > MIXED_MAX - offset)
			length = MIXED_MAX - offset;
		now = pick(shifting ? SHIFTING_END : MIXED_END);
		do_one(offset, length, other);
		if (fd >= 0 && (step % 1000 == 0 || step == count))
			compare_all();
	}
}

static void run_allocated(unsigned long count)
{
	now = ALLOCATE;
	do_allocate(0, 0, ALLOCATED_SIZE);
	now = WRITE;
	for (step = 1; step <= count; step++) {
		do_write(pick(ALLOCATED_SIZE / PAGE) * PAGE, PAGE);
		if (pick(2000) == 0 && fd >= 0)
			answer(fsync(fd), 0);
	}
	if (fd >= 0)
		compare_all();
}

static bool can_shift(void)
{
	bool can;

	answer(ftruncate(fd, 2 * (off_t)BLOCK), 0);
	can = fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, BLOCK) == 0;
	answer(ftruncate(fd, 0), 0);
	return can;
}

int main(int argc, char **argv)
{
	const char *kind = argc == 6 ? argv[2] : "";
	bool runs = argc == 6 && strcmp(argv[1], "run") == 0;
	bool shifting = strcmp(kind, "shifting") == 0;
	unsigned long count;

	if (!runs && (argc != 6 || strcmp(argv[1], "check") != 0)) {
		fprintf(stderr,
			"usage: model run|check mixed|shifting|allocated FILE SEED COUNT\n");
		return 2;
	}
	file = argv[3];
	state = strtoul(argv[4], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
	count = strtoul(argv[5], NULL, 10);
	if (runs)
		open_file(O_CREAT | O_TRUNC);
	if (runs && shifting && !can_shift())
		return SKIPPED;
	if (strcmp(kind, "allocated") == 0)
		run_allocated(count);
	else
		run_mixed(count, shifting);
	if (!runs) {
		open_file(0);
		compare_all();
	}
	answer(close(fd), 0);
	return 0;
}

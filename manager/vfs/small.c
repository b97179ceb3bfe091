#include "vfs/small.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MOVE_PAGE 4096u
#define MOVE_SIZE (64u * 1024u) /* at a time */

uint64_t name_hash(const char *name, size_t len)
{
	const uint64_t prime = 0x9e3779b97f4a7c15u;
	static uint64_t seed;
	uint64_t h, word;

	if (seed == 0) {
		if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
			seed = (uintptr_t)&seed;
		seed |= 1;
	}
	h = seed ^ ((uint64_t)len << 56);
	for (; len >= sizeof(word); len -= sizeof(word), name += sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		h = (h ^ word) * prime;
		h ^= h >> 29;
	}
	word = 0;
	memcpy(&word, name, len);
	h = (h ^ word) * prime;
	h ^= h >> 32;
	h *= prime;
	return h ^ (h >> 32);
}

void reap(struct reaper *r, struct list *node, void (*destroy)(struct list *node))
{
	list_push_back(&r->queue, node);
	if (r->running)
		return;
	r->running = true;
	while ((node = list_pop_front(&r->queue)))
		destroy(node);
	r->running = false;
}

/* ---- bytes of a memfd. */

static int copy_data(int fd, uint64_t from, uint64_t to, size_t size)
{
	static char buf[MOVE_SIZE];
	ssize_t r = pread(fd, buf, size, (off_t)from);

	if (r < 0)
		return -errno;
	memset(buf + r, 0, size - (size_t)r); /* behind its end */
	for (size_t done = 0; done < size; done += (size_t)r) {
		r = pwrite(fd, buf + done, size - done, (off_t)(to + done));
		if (r <= 0)
			return r < 0 ? -errno : -ENOSPC;
	}
	return 0;
}

static int make_hole(int fd, uint64_t at, uint64_t size)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	if (size == 0)
		return 0;
	return fallocate(fd, mode, (off_t)at, (off_t)size) < 0 ? -errno : 0;
}

static uint64_t found(int fd, uint64_t from, int whence)
{
	off_t at = lseek(fd, (off_t)from, whence);

	return at < 0 ? UINT64_MAX : (uint64_t)at;
}

int memory_move(int fd, uint64_t from, uint64_t to, uint64_t size)
{
	uint64_t unit = (size / 16 + MOVE_PAGE - 1) & ~(uint64_t)(MOVE_PAGE - 1);

	if (size == 0 || found(fd, from, SEEK_DATA) >= from + size)
		return make_hole(fd, to, size);
	if (size <= MOVE_PAGE || (size <= MOVE_SIZE && found(fd, from, SEEK_HOLE) >= from + size))
		return copy_data(fd, from, to, (size_t)size);
	/* Data and holes, or much: its parts, in the order in which none overwrites another. */
	for (uint64_t done = 0, part; done < size; done += part) {
		uint64_t at;
		int r;

		part = size - done < unit ? size - done : unit;
		at = to > from ? size - part - done : done;
		r = memory_move(fd, from + at, to + at, part);
		if (r < 0)
			return r;
	}
	return 0;
}

#include "test/disk/store.h"

#include "test/harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t page_count(const struct store *s)
{
	return (s->size + STORE_PAGE - 1) / STORE_PAGE;
}

static size_t page_length(const struct store *s, uint64_t page)
{
	uint64_t left = s->size - page * STORE_PAGE;

	return left < STORE_PAGE ? left : STORE_PAGE;
}

/* Both are mapped: what nobody touches takes no memory. */
static void *map(uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static uint64_t word_count(const struct store *s)
{
	return (page_count(s) + 63) / 64;
}

void store_init(struct store *s, uint64_t size)
{
	*s = (struct store){ .size = size };
	s->data = map(size);
	s->touched = map(word_count(s) * sizeof(uint64_t));
}

void store_fini(struct store *s)
{
	munmap(s->touched, word_count(s) * sizeof(uint64_t));
	munmap(s->data, s->size);
}

static void touch(struct store *s, uint64_t offset, uint64_t size)
{
	CHECK(size > 0 && offset <= s->size && size <= s->size - offset);
	for (uint64_t p = offset / STORE_PAGE; p <= (offset + size - 1) / STORE_PAGE; p++)
		s->touched[p / 64] |= UINT64_C(1) << (p % 64);
}

void store_write(struct store *s, uint64_t offset, const void *data, uint64_t size)
{
	touch(s, offset, size);
	memcpy(s->data + offset, data, size);
}

void store_zero(struct store *s, uint64_t offset, uint64_t size)
{
	static const char zeros[STORE_PAGE];

	/* A page nobody has touched stays so. */
	while (size > 0) {
		uint64_t page = offset / STORE_PAGE;
		uint64_t part = STORE_PAGE - offset % STORE_PAGE;

		if (part > size)
			part = size;
		if (s->touched[page / 64] & UINT64_C(1) << (page % 64))
			store_write(s, offset, zeros, part);
		offset += part;
		size -= part;
	}
}

/* The first touched page from `page` on; page_count() if there is none. */
static uint64_t next_touched(const struct store *s, uint64_t page)
{
	while (page < page_count(s)) {
		uint64_t word = s->touched[page / 64] >> (page % 64);

		if (word)
			return page + (uint64_t)__builtin_ctzll(word);
		page = (page / 64 + 1) * 64;
	}
	return page_count(s);
}

void store_copy(struct store *to, const struct store *from)
{
	CHECK_INT(to->size, from->size);
	for (uint64_t p = next_touched(to, 0); p < page_count(to); p = next_touched(to, p + 1))
		memset(to->data + p * STORE_PAGE, 0, page_length(to, p));
	for (uint64_t p = next_touched(from, 0); p < page_count(from);
	     p = next_touched(from, p + 1))
		store_write(to, p * STORE_PAGE, from->data + p * STORE_PAGE, page_length(from, p));
}

void store_load(struct store *s, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t at = 0, end;

	CHECK(fd >= 0);
	CHECK(lseek(fd, 0, SEEK_END) >= (off_t)s->size);
	store_zero(s, 0, s->size);
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && at < (off_t)s->size) {
		end = lseek(fd, at, SEEK_HOLE);
		if (end > (off_t)s->size)
			end = (off_t)s->size;
		touch(s, (uint64_t)at, (uint64_t)(end - at));
		while (at < end) {
			ssize_t n = pread(fd, s->data + at, (size_t)(end - at), at);

			CHECK(n > 0);
			at += n;
		}
	}
	close(fd);
}

static bool is_zero(const char *data, size_t size)
{
	return data[0] == 0 && !memcmp(data, data + 1, size - 1);
}

static void save_range(int fd, const struct store *s, uint64_t offset, uint64_t end)
{
	while (offset < end) {
		ssize_t n = pwrite(fd, s->data + offset, end - offset, (off_t)offset);

		CHECK(n > 0);
		offset += (uint64_t)n;
	}
}

void store_save(const struct store *s, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t p = next_touched(s, 0);

	CHECK(fd >= 0);
	CHECK_INT(ftruncate(fd, (off_t)s->size), 0);
	while (p < page_count(s)) {
		uint64_t begin = p;

		/* As long a range as there is: a call costs more than a page. */
		while (p < page_count(s) && next_touched(s, p) == p &&
		       !is_zero(s->data + p * STORE_PAGE, page_length(s, p)))
			p++;
		if (p > begin)
			save_range(fd, s, begin * STORE_PAGE,
				   p < page_count(s) ? p * STORE_PAGE : s->size);
		else
			p++;
		p = next_touched(s, p);
	}
	close(fd);
}

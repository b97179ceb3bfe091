/* SPDX-License-Identifier: MIT */
#include "proc/fd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FD_FIRST_SIZE 64u
#define FD_SHARE 8u /* parts of the room that is left */

MUST_USE static int fd_grow(struct fd_table *t, uint32_t wanted)
{
	uint32_t size = t->size > 0 ? t->size : FD_FIRST_SIZE;
	struct file **files;
	uint64_t *cloexec;

	while (size < wanted)
		size *= 2;
	if (size == t->size)
		return 0;
	files = realloc(t->files, size * sizeof(struct file *));
	if (!files)
		return -ENOMEM;
	t->files = files;
	cloexec = realloc(t->cloexec, size / 8);
	if (!cloexec)
		return -ENOMEM; /* files is larger than size says: harmless */
	t->cloexec = cloexec;
	memset(&t->files[t->size], 0, (size - t->size) * sizeof(struct file *));
	memset(&t->cloexec[t->size / 64], 0, (size - t->size) / 8);
	t->size = size;
	return 0;
}

int fd_table_new(struct fd_table **ret)
{
	struct fd_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->refs = 1;
	*ret = t;
	return 0;
}

int fd_table_copy(const struct fd_table *from, struct fd_table **ret)
{
	struct fd_table *t;
	int r = fd_table_new(&t);

	if (r < 0)
		return r;
	if (from && from->size > 0) {
		r = fd_grow(t, from->size);
		if (r < 0) {
			fd_table_put(t);
			return r;
		}
		memcpy(t->cloexec, from->cloexec, from->size / 8);
		for (uint32_t fd = 0, left = from->count; left > 0; fd++) {
			if (!from->files[fd])
				continue;
			t->files[fd] = file_get(from->files[fd]);
			left--;
		}
		t->count = from->count;
		t->first_free = from->first_free;
	}
	*ret = t;
	return 0;
}

struct fd_table *fd_table_get(struct fd_table *t)
{
	t->refs++;
	return t;
}

static void fd_drop(struct fd_table *t, uint32_t fd)
{
	struct file *f = t->files[fd];

	t->files[fd] = NULL;
	t->cloexec[fd / 64] &= ~(UINT64_C(1) << (fd % 64));
	t->count--;
	if (fd < t->first_free)
		t->first_free = fd;
	file_lock_release_owner(f, t);
	file_put(f);
}

void fd_table_put(struct fd_table *t)
{
	if (!t)
		return;
	assert(t->refs > 0);
	if (--t->refs > 0)
		return;
	for (uint32_t fd = 0; t->count > 0; fd++) {
		assert(fd < t->size);
		if (t->files[fd])
			fd_drop(t, fd);
	}
	free(t->files);
	free(t->cloexec);
	free(t);
}

struct file *fd_peek(const struct fd_table *t, int64_t fd)
{
	if (!t || fd < 0 || fd >= t->size)
		return NULL;
	return t->files[fd];
}

struct file *fd_get(const struct fd_table *t, int64_t fd)
{
	struct file *f = fd_peek(t, fd);

	return f ? file_get(f) : NULL;
}

static void fd_put_in(struct fd_table *t, uint32_t fd, struct file *f, bool cloexec)
{
	uint64_t bit = UINT64_C(1) << (fd % 64);

	assert(!t->files[fd]);
	t->files[fd] = f;
	t->count++;
	if (cloexec)
		t->cloexec[fd / 64] |= bit;
	else
		t->cloexec[fd / 64] &= ~bit;
}

/*
 * Once three quarters of all open files are taken, a table may hold an eighth of what is
 * left: n of them that take without end come to rest at FILE_LIMIT / (n + 8) each, and
 * eight times that remains for the others.
 */
static bool fd_share_taken(const struct fd_table *t)
{
	uint64_t taken = file_count();

	return taken >= FILE_LIMIT / 4 * 3 && t->count >= (FILE_LIMIT - taken) / FD_SHARE;
}

int fd_install(struct fd_table *t, struct file *f, bool cloexec, uint32_t from, uint64_t limit)
{
	uint32_t fd;
	int r;

	if (limit > FD_MAX)
		limit = FD_MAX;
	if (!t || fd_share_taken(t)) {
		file_put(f);
		return -EMFILE;
	}
	fd = from > t->first_free ? from : t->first_free;
	while (fd < t->size && t->files[fd])
		fd++;
	r = fd < limit ? fd_grow(t, fd + 1) : -EMFILE;
	if (r < 0) {
		file_put(f);
		return r;
	}
	if (from <= t->first_free)
		t->first_free = fd + 1;
	fd_put_in(t, fd, f, cloexec);
	return (int)fd;
}

int fd_replace(struct fd_table *t, struct file *f, uint32_t fd, bool cloexec, uint64_t limit)
{
	int r;

	if (limit > FD_MAX)
		limit = FD_MAX;
	r = t && fd < limit ? fd_grow(t, fd + 1) : -EBADF;
	if (r < 0) {
		file_put(f);
		return r;
	}
	if (t->files[fd])
		fd_drop(t, fd);
	fd_put_in(t, fd, f, cloexec);
	return (int)fd;
}

int fd_close(struct fd_table *t, int64_t fd)
{
	if (!fd_peek(t, fd))
		return -EBADF;
	fd_drop(t, (uint32_t)fd);
	return 0;
}

bool fd_cloexec(const struct fd_table *t, uint32_t fd)
{
	return t && fd < t->size && (t->cloexec[fd / 64] >> (fd % 64) & 1);
}

void fd_set_cloexec(struct fd_table *t, uint32_t fd, bool on)
{
	uint64_t bit = UINT64_C(1) << (fd % 64);

	if (!fd_peek(t, fd))
		return;
	if (on)
		t->cloexec[fd / 64] |= bit;
	else
		t->cloexec[fd / 64] &= ~bit;
}

int64_t fd_next(const struct fd_table *t, uint32_t from)
{
	if (!t)
		return -1;
	for (uint32_t fd = from; fd < t->size; fd++) {
		if (t->files[fd])
			return fd;
	}
	return -1;
}

void fd_close_on_exec(struct fd_table *t)
{
	for (uint32_t word = 0; t && word < t->size / 64; word++) {
		while (t->cloexec[word] != 0)
			fd_drop(t, word * 64 + (uint32_t)__builtin_ctzll(t->cloexec[word]));
	}
}

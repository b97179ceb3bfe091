/* SPDX-License-Identifier: MIT */
#include "examples/folder.h"

#include "examples/job.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIMIT_MIN 8u
#define LIMIT_MAX 256u

void folder_table_init(struct folder_table *t)
{
	struct rlimit files = { 0 };

	*t = (struct folder_table){ .limit = LIMIT_MAX };
	getrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_cur / 4 < LIMIT_MAX)
		t->limit = (unsigned int)(files.rlim_cur / 4);
	if (t->limit < LIMIT_MIN)
		t->limit = LIMIT_MIN;
}

void folder_init(struct folder *f, struct folder *parent, const char *name)
{
	*f = (struct folder){ .parent = parent,
			      .name = name,
			      .fd = parent ? FOLDER_CLOSED : AT_FDCWD };
}

/* Named by the user, perhaps by way of symbolic links: this one is not closed and found again. */
static bool is_first(const struct folder *f)
{
	return !f->parent->parent;
}

bool folder_room(struct folder_table *t, unsigned int count)
{
	struct folder *f = t->oldest;

	while (f && t->open + count > t->limit) {
		struct folder *newer = f->newer;

		if (f->pins == 0 && !is_first(f))
			folder_close(t, f);
		f = newer;
	}
	return t->open + count <= t->limit;
}

void folder_opened(struct folder_table *t, struct folder *f, int fd)
{
	f->fd = fd;
	f->older = t->newest;
	f->newer = NULL;
	if (t->newest)
		t->newest->newer = f;
	else
		t->oldest = f;
	t->newest = f;
	t->open++;
}

void folder_close(struct folder_table *t, struct folder *f)
{
	if (f->fd < 0)
		return;
	close(f->fd);
	f->fd = FOLDER_CLOSED;
	if (f->older)
		f->older->newer = f->newer;
	else
		t->oldest = f->newer;
	if (f->newer)
		f->newer->older = f->older;
	else
		t->newest = f->older;
	t->open--;
}

/* A name that has become a symbolic link meanwhile is not followed out of the tree. */
static int open_piece(int at, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	long fd = syscall(SYS_openat2, at, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Where to cut so that what is before is not too long for one call: at a slash, or the end. */
static char *cut(char *path)
{
	char *end = path + strlen(path);

	if (end - path < PATH_MAX)
		return end;
	end = path + PATH_MAX - 1;
	while (end > path && *end != '/')
		end--;
	return end;
}

/* Open path beneath at, as many names at a time as a call takes. Writes into path. */
static int open_below(int at, char *path)
{
	int fd = at;

	while (*path) {
		char *end = cut(path);
		bool more = *end == '/';
		int next;

		*end = '\0';
		next = open_piece(fd, path);
		if (fd != at)
			close(fd);
		if (next < 0)
			return next;
		fd = next;
		path = end + more;
	}
	return fd;
}

static char *put_before(char *at, const char *part, size_t length)
{
	at -= length;
	memcpy(at, part, length);
	return at;
}

/* The names from below `base` down to f, and perhaps another name below that. */
static char *path_below(const struct folder *base, const struct folder *f, const char *name)
{
	size_t size = 1 + (name ? strlen(name) + 1 : 0);
	char *path, *at;

	for (const struct folder *i = f; i != base; i = i->parent)
		size += strlen(i->name) + 1;
	path = job_allocate(size);
	at = path + size - 1;
	while (name || f != base) {
		const char *part = name ? name : f->name;
		size_t length = strlen(part);

		/* "/" or "usr/" as the first name bring the slash along. */
		if (*at && (length == 0 || part[length - 1] != '/'))
			*--at = '/';
		at = put_before(at, part, length);
		if (name)
			name = NULL;
		else
			f = f->parent;
	}
	memmove(path, at, strlen(at) + 1);
	return path;
}

static struct folder *nearest_open(struct folder *f)
{
	while (f->fd == FOLDER_CLOSED)
		f = f->parent;
	return f;
}

int folder_open_again(struct folder_table *t, struct folder *f)
{
	struct folder *base;
	char *path;
	int fd;

	if (f->fd != FOLDER_CLOSED)
		return 0;
	if (!folder_room(t, 2)) /* f, and one on the way */
		return -EMFILE;
	base = nearest_open(f);
	path = path_below(base, f, NULL);
	fd = open_below(base->fd, path);
	free(path);
	if (fd < 0)
		return fd;
	folder_opened(t, f, fd);
	return 0;
}

char *folder_path(const struct folder *f, const char *name)
{
	const struct folder *top = f;

	while (top->parent)
		top = top->parent;
	return path_below(top, f, name);
}

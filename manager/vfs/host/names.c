#include "vfs/host/host_fs.h"

#include "vfs/host/io.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LISTING_SIZE (32u * 1024u) /* one getdents64 */
#define TURNS_AT_ONCE 16u
#define NAMES_COUNT_MAX (64u * 1024u * 1024u) /* of one directory; ENOMEM beyond */

struct raw_dirent { /* getdents64(2) */
	uint64_t ino;
	int64_t next;
	uint16_t size;
	uint8_t type;
	char name[];
};

static size_t size_of(const struct host_names *n)
{
	return sizeof(*n) + n->capacity * sizeof(*n->entries) + n->texts_capacity +
	       n->index_size * sizeof(*n->index);
}

static void names_free(struct host_names *n)
{
	if (!n)
		return;
	free(n->entries);
	free(n->texts);
	free(n->index);
	free(n);
}

void names_forget(struct host_inode *dir)
{
	struct host_names *n = dir->names;

	if (!n)
		return;
	assert(n->users == 0);
	host_fs_of(dir)->names_size -= size_of(n);
	list_del(&n->lru);
	dir->names = NULL;
	names_free(n);
}

static int reserve(struct host_names *n, size_t len)
{
	if (n->count == n->capacity) {
		uint32_t capacity = n->capacity ? n->capacity * 2 : 16;
		struct host_name *more = realloc(n->entries, capacity * sizeof(*more));

		if (!more)
			return -ENOMEM;
		n->entries = more;
		n->capacity = capacity;
	}
	if (n->texts_size + len > n->texts_capacity) {
		uint32_t capacity = n->texts_capacity ? n->texts_capacity * 2 : 512;
		char *more = realloc(n->texts, capacity);

		if (!more)
			return -ENOMEM;
		n->texts = more;
		n->texts_capacity = capacity;
	}
	return n->count < NAMES_COUNT_MAX / 16 ? 0 : -ENOMEM;
}

static int add(struct host_names *n, const struct raw_dirent *raw)
{
	size_t len = strlen(raw->name);
	int r;

	if (len == 0 || len > VFS_NAME_MAX || strcmp(raw->name, ".") == 0 ||
	    strcmp(raw->name, "..") == 0)
		return 0;
	r = reserve(n, len);
	if (r < 0)
		return r;
	memcpy(n->texts + n->texts_size, raw->name, len);
	n->entries[n->count++] = (struct host_name){
		.ino = raw->ino,
		.text = n->texts_size,
		.len = (uint16_t)len,
		.type = raw->type,
	};
	n->texts_size += (uint32_t)len;
	return 0;
}

static int make_index(struct host_names *n)
{
	uint32_t size = 8;

	while (size < n->count * 2)
		size *= 2;
	n->index = calloc(size, sizeof(*n->index));
	if (!n->index)
		return -ENOMEM;
	n->index_size = size;
	for (uint32_t i = 0; i < n->count; i++) {
		const struct host_name *e = &n->entries[i];
		uint32_t at = (uint32_t)name_hash(n->texts + e->text, e->len) & (size - 1);

		while (n->index[at])
			at = (at + 1) & (size - 1);
		n->index[at] = i + 1;
	}
	return 0;
}

const struct host_name *names_find(const struct host_names *n, const char *name, size_t len)
{
	uint32_t mask = n->index_size - 1;

	for (uint32_t at = (uint32_t)name_hash(name, len) & mask; n->index[at];
	     at = (at + 1) & mask) {
		const struct host_name *e = &n->entries[n->index[at] - 1];

		if (e->len == len && memcmp(n->texts + e->text, name, len) == 0)
			return e;
	}
	return NULL;
}

static int read_listing(struct host_names *n, int fd, bool quick, char *buf) MAY_YIELD
{
	for (unsigned int turn = 1;; turn++) {
		ssize_t got = io_getdents(fd, quick, buf, LISTING_SIZE);

		if (got <= 0)
			return (int)got;
		for (ssize_t at = 0; at < got;) {
			const struct raw_dirent *raw = (const void *)(buf + at);
			int r = add(n, raw);

			if (r < 0)
				return r;
			at += raw->size;
		}
		if (turn % TURNS_AT_ONCE == 0) /* a huge directory is not everybody's business */
			task_yield();
	}
}

/* From the start: the names may have been read, and forgotten, before. */
static int list(struct host_inode *dir, struct host_names *n, char *buf) MAY_YIELD
{
	int fd = fds_use(dir);
	int64_t r;

	if (fd < 0)
		return fd;
	r = io_seek(fd, 0, SEEK_SET);
	if (r == 0)
		r = read_listing(n, fd, host_quick(dir), buf);
	if (r == -EBADF) { /* opened with O_PATH: by our caller, or because it may not be read */
		int listing = fds_open_listing(dir, fd);

		r = listing < 0 ? listing : read_listing(n, listing, host_quick(dir), buf);
		io_close(listing); /* an error is fine */
	}
	fds_done(dir);
	return (int)r;
}

/* dir->loading is held. */
static int load(struct host_inode *dir, struct host_names **ret) MAY_YIELD
{
	struct host_names *n = calloc(1, sizeof(*n));
	char *buf = malloc(LISTING_SIZE);
	int r = n && buf ? 0 : -ENOMEM;

	if (r == 0 && !(dir->flags & HOST_HIDDEN))
		r = list(dir, n, buf);
	if (r == 0)
		r = make_index(n);
	free(buf);
	if (r < 0) {
		names_free(n);
		return r;
	}
	list_init(&n->lru);
	n->owner = dir;
	*ret = n;
	return 0;
}

/* Forget directories that were not used for longest, never `newest`. */
static void make_room(struct host_fs *fs, const struct host_names *newest)
{
	LIST_EACH_SAFE(node, &fs->names) {
		struct host_names *n = LIST_ENTRY(node, struct host_names, lru);

		if (fs->names_size <= HOST_NAMES_MAX)
			return;
		if (n != newest && n->users == 0)
			names_forget(n->owner);
	}
}

int names_use(struct host_inode *dir, struct host_names **ret)
{
	struct host_fs *fs = host_fs_of(dir);
	struct host_names *n;
	int r = 0;

	if (dir->flags & HOST_UNLISTABLE)
		return -EACCES;
	if (!dir->names) {
		task_lock_take(&dir->loading);
		if (!dir->names) {
			r = load(dir, &n);
			if (r == -EACCES)
				dir->flags |= HOST_UNLISTABLE;
			if (r == 0) {
				dir->names = n;
				list_push_back(&fs->names, &n->lru);
				fs->names_size += size_of(n);
				make_room(fs, n);
			}
		}
		task_lock_drop(&dir->loading);
		if (r < 0)
			return r;
	}
	n = dir->names;
	n->users++;
	list_del(&n->lru);
	list_push_back(&fs->names, &n->lru);
	*ret = n;
	return 0;
}

void names_done(struct host_names *names)
{
	assert(names->users > 0);
	names->users--;
}

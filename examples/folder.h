/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_FOLDER_H
#define EXAMPLES_FOLDER_H
/*
 * folder.h - a directory of a tree that may be deeper than a path name can be long
 * and have more directories than a process can have open. Layer: examples.
 *
 * A folder is known by its parent and its name there; its descriptor serves as the
 * first argument of openat(), statx() and the like. When too many are open, the one
 * opened first is closed, and opened again if somebody wants it: in a walk that goes
 * deep first, that one is wanted last.
 *
 * Limit    folder_table.limit descriptors.
 * Owner    who made a folder; it outlives the folders beneath it.
 *
 * Way down: folder_open_again -> folder_room -> close; openat2.
 */
#include <stdbool.h>

struct folder {
	struct folder *parent; /* NULL: the working directory */
	const char *name;      /* in parent; the first one may be any path */
	int fd;		       /* FOLDER_CLOSED, or AT_FDCWD for the working directory */
	unsigned int pins;     /* > 0: calls use fd, it stays open */
	struct folder *older;  /* while it is open: opened before, and after, this one */
	struct folder *newer;
};

#define FOLDER_CLOSED (-1)

struct folder_table {
	struct folder *oldest;
	struct folder *newest;
	unsigned int open;
	unsigned int limit;
};

/* The limit: a part of what the process may open. */
void folder_table_init(struct folder_table *t);

/* A folder that is not open yet; parent NULL: the working directory itself. */
void folder_init(struct folder *f, struct folder *parent, const char *name);

/* Close others until `count` more may be opened; false: too many are in use now. */
bool folder_room(struct folder_table *t, unsigned int count);

/* See to it that fd is open, waiting for that if it was closed: 0 or -errno. */
int folder_open_again(struct folder_table *t, struct folder *f);

/* The caller has opened it: fd. */
void folder_opened(struct folder_table *t, struct folder *f, int fd);

/* Close it if it is open. */
void folder_close(struct folder_table *t, struct folder *f);

/* The path of name in f, for people to read, of any length: free() it. name may be NULL. */
char *folder_path(const struct folder *f, const char *name);

#endif /* EXAMPLES_FOLDER_H */

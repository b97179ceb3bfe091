/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_WALK_H
#define EXAMPLES_WALK_H
/*
 * walk.h - visit all that is in a tree, many calls at a time. Layer: examples.
 *
 * Reading a folder is one chain, posted at once: openat -> getdents64 -> getdents64.
 * Each name found there gets a statx. The program that walks says what to do with
 * what is found (struct walk_program) and may post calls of its own.
 *
 *	found(entry)      its statx is there: ... walk_descend(entry) ... walk_done(entry)
 *	enter(folder)     before it is read:  ... walk_read(folder), or walk_skip(folder)
 *	leave(folder)     all beneath is done: ... walk_left(folder)
 *
 * Each "..." may take any number of steps of entry->job or folder->job.
 *
 * Order    a folder is left after all that is beneath it; else none is promised.
 * Limit    entries_max names and WALK_FOLDERS folders are worked at at a time, with
 *          WALK_BUFFER bytes of names each. Folders not yet read wait in memory.
 * Owner    the walk makes entries and folders, and frees them after done and left.
 *
 * Way down: walk_run -> walk_fill -> entry_begin, folder_enter; job_run -> found.
 */
#include "examples/folder.h"
#include "examples/job.h"

#include <sys/stat.h>

#define WALK_FOLDERS 32u
#define WALK_BUFFER 32768u

struct walk;

struct walk_folder {
	struct folder folder;
	struct job job;
	struct walk *walk;
	struct walk_folder *next; /* in one of the walk's lists */
	unsigned int depth;	  /* 0: named by the user */
	unsigned int references;  /* one while it is read, and one each folder in it */
	/* while it is read */
	char *buffer;	   /* two parts, for the two getdents64 of a step */
	size_t size[2];	   /* filled */
	unsigned int part; /* looked at now */
	size_t offset;	   /* in part, of the next name */
	unsigned int busy; /* names of the buffer that are being worked at */
	bool unread;	   /* the buffer has more names */
	bool end;	   /* nothing follows what is in the buffer */
};

/* Something found. Its program's own data may follow: walk_program.entry_size. */
struct walk_entry {
	struct job job;
	struct walk *walk;
	struct walk_folder *in;
	const char *name; /* in folder `in`; valid until walk_done() */
	struct walk_entry *next;
	int error; /* of statx; 0: stat is valid */
	struct statx stat;
};

struct walk_program {
	size_t folder_size;	  /* of a struct that begins with struct walk_folder */
	size_t entry_size;	  /* and with struct walk_entry */
	unsigned int entry_calls; /* the longest step of an entry */
	unsigned int descriptors; /* a folder needs, its own included */
	unsigned int entries_max;
	unsigned int statx_mask;
	void (*found)(struct walk_entry *entry);
	void (*enter)(struct walk_folder *folder);
	void (*leave)(struct walk_folder *folder);
	/* It cannot be read, or not to its end; it is left in turn. */
	void (*failed)(struct walk_folder *folder, int error);
};

struct walk {
	const struct walk_program *program;
	struct hascall *h;
	struct folder_table folders;
	struct walk_folder top;	     /* the working directory */
	struct walk_entry *free;     /* entries */
	struct walk_folder *waiting; /* to be entered, the one found last first */
	struct walk_folder *ready;   /* have names in their buffer */
	struct walk_folder *more;    /* their buffer is used up, more is to be read */
	struct walk_folder *leaving; /* to be left */
	unsigned int waiting_count;
	unsigned int folder_jobs;  /* steps of folders that run */
	unsigned int entering;	   /* folders between enter and the end of their first chain */
	unsigned int reading;	   /* and between enter and the end of their names */
	unsigned int live_entries; /* begun and not done */
	unsigned int live_folders; /* and not left */
};

/* 0, or what hascall_open() gave. */
int walk_open(struct walk *w, const struct walk_program *program);
void walk_close(struct walk *w);

/* Visit the tree at path, which may be a file, too; returns when all of it is done. */
void walk_run(struct walk *w, const char *path);

/* The entry is a folder: it will be read. Its program's own data are zeros. */
struct walk_folder *walk_descend(struct walk_entry *entry);

void walk_done(struct walk_entry *entry);
void walk_read(struct walk_folder *folder);
void walk_skip(struct walk_folder *folder);
void walk_left(struct walk_folder *folder);

/* What a program asks of the walk's folders: the path of an entry, for people. free() it. */
char *walk_path(const struct walk_entry *entry);

#endif /* EXAMPLES_WALK_H */

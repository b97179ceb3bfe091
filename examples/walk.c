/* SPDX-License-Identifier: MIT */
#include "examples/walk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define PART (WALK_BUFFER / 2)
#define FOLDER_CALLS 6u	   /* the longest step of a folder: acp's leave */
#define WAITING_MANY 1000u /* rather enter some than find more */

/* Lists are stacks: who came last goes first, so that the walk goes deep first. */
static void push(struct walk_folder **list, struct walk_folder *f)
{
	f->next = *list;
	*list = f;
}

static struct walk_folder *pop(struct walk_folder **list)
{
	struct walk_folder *f = *list;

	*list = f->next;
	return f;
}

static struct walk_folder *parent_of(const struct walk_folder *f)
{
	return CONTAINER_OF(f->folder.parent, struct walk_folder, folder);
}

int walk_open(struct walk *w, const struct walk_program *program)
{
	struct hascall_options options = { .size = sizeof(options) };
	int r;

	memset(w, 0, sizeof(*w));
	w->program = program;
	options.entries = program->entries_max * program->entry_calls + WALK_FOLDERS * FOLDER_CALLS;
	r = hascall_open(&w->h, &options);
	if (r < 0)
		return r;
	folder_table_init(&w->folders);
	folder_init(&w->top.folder, NULL, "");
	w->top.walk = w;
	for (unsigned int i = 0; i < program->entries_max; i++) {
		struct walk_entry *entry = job_allocate(program->entry_size);

		entry->walk = w;
		entry->next = w->free;
		w->free = entry;
	}
	return 0;
}

void walk_close(struct walk *w)
{
	hascall_close(w->h);
	while (w->free) {
		struct walk_entry *entry = w->free;

		w->free = entry->next;
		free(entry);
	}
}

char *walk_path(const struct walk_entry *entry)
{
	return folder_path(&entry->in->folder, entry->name);
}

/* Entries. */

static void entry_stated(struct job *job)
{
	struct walk_entry *entry = CONTAINER_OF(job, struct walk_entry, job);

	entry->error = (int)-job->result[0];
	entry->walk->program->found(entry);
}

static void entry_begin(struct walk *w, struct walk_folder *in, const char *name)
{
	struct walk_entry *entry = w->free;
	struct hascall_call call;

	w->free = entry->next;
	w->live_entries++;
	entry->in = in;
	entry->name = name;
	in->busy++;
	call = hascall_call_statx(in->folder.fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
				  w->program->statx_mask, &entry->stat);
	job_start(w->h, &entry->job, &call, 1, entry_stated);
}

/* The next name in the buffer, or NULL. */
static const char *next_name(struct walk_folder *f)
{
	while (f->part < 2) {
		const struct dirent64 *d;

		if (f->offset >= f->size[f->part]) {
			f->part++;
			f->offset = 0;
			continue;
		}
		d = (const void *)(f->buffer + f->part * PART + f->offset);
		f->offset += d->d_reclen;
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			return d->d_name;
	}
	return NULL;
}

static void release(struct walk_folder *f)
{
	f->references--;
	if (f->references == 0)
		push(&f->walk->leaving, f);
}

/* Its names are all done, or it has none. */
static void folder_is_read(struct walk_folder *f)
{
	f->folder.pins--;
	free(f->buffer);
	f->buffer = NULL;
	f->walk->reading--;
	release(f);
}

/* What is in the buffer is done. */
static void buffer_done(struct walk_folder *f)
{
	if (f->end)
		folder_is_read(f);
	else
		push(&f->walk->more, f);
}

void walk_done(struct walk_entry *entry)
{
	struct walk *w = entry->walk;
	struct walk_folder *in = entry->in;

	entry->next = w->free;
	w->free = entry;
	w->live_entries--;
	in->busy--;
	if (in != &w->top && in->busy == 0 && !in->unread)
		buffer_done(in);
}

/* Folders. */

struct walk_folder *walk_descend(struct walk_entry *entry)
{
	struct walk *w = entry->walk;
	size_t size = w->program->folder_size;
	size_t name_size = strlen(entry->name) + 1;
	struct walk_folder *f = job_allocate(size + name_size);
	char *name = (char *)f + size;

	memcpy(name, entry->name, name_size);
	folder_init(&f->folder, &entry->in->folder, name);
	f->walk = w;
	f->depth = entry->in == &w->top ? 0 : entry->in->depth + 1;
	f->references = 1;
	entry->in->references++;
	push(&w->waiting, f);
	w->waiting_count++;
	w->live_folders++;
	return f;
}

/* Two results of getdents64, the second after the first. */
static void folder_filled(struct walk_folder *f, const int64_t result[2])
{
	f->walk->folder_jobs--;
	f->part = 0;
	f->offset = 0;
	f->busy = 0;
	f->end = false;
	for (unsigned int i = 0; i < 2; i++) {
		f->size[i] = result[i] > 0 ? (size_t)result[i] : 0;
		f->end = f->end || result[i] <= 0;
		if (result[i] < 0 && result[i] != -ECANCELED)
			f->walk->program->failed(f, (int)-result[i]);
	}
	f->unread = true;
	push(&f->walk->ready, f);
}

static void folder_more(struct job *job)
{
	folder_filled(CONTAINER_OF(job, struct walk_folder, job), job->result);
}

static void folder_read_more(struct walk_folder *f)
{
	struct hascall_call calls[] = {
		hascall_call_getdents64(f->folder.fd, f->buffer, PART),
		hascall_call_getdents64(f->folder.fd, f->buffer + PART, PART),
	};

	f->walk->folder_jobs++;
	hascall_chain_all(calls, 2);
	job_start(f->walk->h, &f->job, calls, 2, folder_more);
}

void walk_skip(struct walk_folder *f)
{
	f->walk->entering--;
	f->walk->folder_jobs--;
	folder_is_read(f);
}

static void folder_failed(struct walk_folder *f, int error)
{
	f->walk->program->failed(f, error);
	walk_skip(f);
}

static void folder_is_open(struct job *job)
{
	struct walk_folder *f = CONTAINER_OF(job, struct walk_folder, job);

	f->folder.parent->pins--;
	if (job->result[0] < 0) {
		folder_failed(f, (int)-job->result[0]);
		return;
	}
	f->walk->entering--;
	folder_opened(&f->walk->folders, &f->folder, (int)job->result[0]);
	folder_filled(f, &job->result[1]);
}

void walk_read(struct walk_folder *f)
{
	struct folder *parent = f->folder.parent;
	int r = folder_open_again(&f->walk->folders, parent);
	struct hascall_call calls[3];

	if (r < 0) {
		folder_failed(f, -r);
		return;
	}
	parent->pins++;
	f->buffer = job_allocate(WALK_BUFFER);
	calls[0] = hascall_call_openat(parent->fd, f->folder.name,
				       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	calls[1] = hascall_call_getdents64(0, f->buffer, PART);
	calls[2] = hascall_call_getdents64(0, f->buffer + PART, PART);
	hascall_chain_all(calls, 3);
	hascall_from(&calls[1], 0, 1); /* the descriptor that openat gives */
	hascall_from(&calls[2], 0, 2);
	job_start(f->walk->h, &f->job, calls, 3, folder_is_open);
}

static void folder_enter(struct walk_folder *f)
{
	struct walk *w = f->walk;

	w->waiting_count--;
	w->folder_jobs++;
	w->entering++;
	w->reading++;
	f->folder.pins++; /* until all its names are done */
	w->program->enter(f);
}

void walk_left(struct walk_folder *f)
{
	struct walk_folder *parent = parent_of(f);
	struct walk *w = f->walk;

	folder_close(&w->folders, &f->folder);
	w->folder_jobs--;
	w->live_folders--;
	if (parent == &w->top)
		parent->references--;
	else
		release(parent);
	free(f);
}

static void folder_leave(struct walk_folder *f)
{
	f->walk->folder_jobs++;
	f->walk->program->leave(f);
}

/* The next name of a folder that has some. */
static void take_name(struct walk *w)
{
	struct walk_folder *f = w->ready;
	const char *name = next_name(f);

	if (name) {
		entry_begin(w, f, name);
		return;
	}
	f->unread = false;
	pop(&w->ready);
	if (f->busy == 0)
		buffer_done(f);
}

static bool may_enter(struct walk *w)
{
	/* Its own and others' that will be; its parent's, opened again, with one on the way. */
	unsigned int descriptors = (w->entering + 2) * w->program->descriptors + 1;

	if (!w->waiting || w->reading >= WALK_FOLDERS)
		return false;
	if (w->ready && w->waiting_count < WAITING_MANY)
		return false;
	return folder_room(&w->folders, descriptors);
}

/* Post all there is to do and room for. */
static void walk_fill(struct walk *w)
{
	for (;;) {
		bool room = w->folder_jobs < WALK_FOLDERS;

		if (room && w->leaving)
			folder_leave(pop(&w->leaving));
		else if (room && w->more)
			folder_read_more(pop(&w->more));
		else if (room && may_enter(w))
			folder_enter(pop(&w->waiting));
		else if (w->free && w->ready)
			take_name(w);
		else
			return;
	}
}

void walk_run(struct walk *w, const char *path)
{
	entry_begin(w, &w->top, path);
	while (w->live_entries > 0 || w->live_folders > 0) {
		walk_fill(w);
		assert(hascall_in_flight(w->h) > 0 || w->live_folders == 0);
		job_run(w->h, -1, HASCALL_HELP);
	}
}

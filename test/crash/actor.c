/*
 * actor.c - a task that changes its tree through the vfs, and tells the model each time.
 */
#include "test/crash/actor.h"

#include "task/sched.h"
#include "test/crash/crash.h"

#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>

#define SHARED "/shared"
#define SHIFT_UNIT 4096u /* a multiple of all sizes of blocks */
#define SMALL 9000u

uint32_t actor_pick(struct actor *a, uint32_t below)
{
	return crash_random(&a->random, below);
}

/* What is asked for can be done. */
void actor_done(const struct actor *a, int64_t r, const char *what, const char *path)
{
	if (getenv("CRASH_TELL"))
		printf("# place %zu, step %u: %s %s: %lld\n", crash_place(), model_step(&a->model),
		       what, path, (long long)r);
	if (r >= 0)
		return;
	test_fail(__FILE__, __LINE__, "%s: %s %s: %s", a->options->name, what, path,
		  strerror((int)-r));
}

void actor_step(struct actor *a)
{
	model_begin(&a->model, crash_place());
}

/* ---- what there is. */

static bool fits(const struct model_name *name, uint32_t type)
{
	return (name->file->mode & S_IFMT) == type || type == 0;
}

/* A name of this type (0: no directory), or NULL. */
const struct model_name *actor_any(struct actor *a, uint32_t type)
{
	uint32_t start = actor_pick(a, a->model.name_count);

	for (uint32_t i = 0; i < a->model.name_count; i++) {
		struct model_name *name = &a->model.names[(start + i) % a->model.name_count];

		if (fits(name, type) && (type != 0 || !S_ISDIR(name->file->mode)) &&
		    name != a->model.names)
			return name;
	}
	return NULL;
}

const char *actor_text(const struct model_name *name)
{
	return name ? model_path_of(name->path)->text : NULL;
}

static uint32_t depth_of(const char *path)
{
	uint32_t depth = 0;

	for (; *path; path++)
		depth += *path == '/';
	return depth;
}

static const char *any_dir(struct actor *a)
{
	uint32_t start = actor_pick(a, a->model.name_count + 1);

	for (uint32_t i = start; i < a->model.name_count; i++) {
		const char *text = actor_text(&a->model.names[i]);

		if (S_ISDIR(a->model.names[i].file->mode) && depth_of(text) < 5)
			return text;
	}
	return actor_pick(a, 3) ? actor_text(&a->model.names[0]) : SHARED;
}

/* A path that nothing has; NULL: none was found. */
const char *actor_new_path(struct actor *a)
{
	uint32_t names = a->options->names ? a->options->names : 12;
	const char *found = NULL;

	for (unsigned int tries = 0; tries < 4 && !found; tries++) {
		uint32_t number = actor_pick(a, names);
		char *path, tail[256] = "";

		if (a->options->long_names)
			memset(tail, 'a' + (int)(number % 26), 60 + number % 140);
		CHECK(asprintf(&path, "%s/%s%u%s", any_dir(a), a->prefix, number, tail) > 0);
		if (!model_find(&a->model, path))
			found = model_path_of(model_path(path, &a->model))->text;
		free(path);
	}
	return found;
}

/* ---- bytes. */

static void write_bytes(struct actor *a, struct dentry *d, struct model_file *file, uint32_t from,
			uint32_t to) MAY_YIELD
{
	uint8_t *bytes = malloc(to - from + 1);
	uint32_t tag = model_edit(file, MODEL_WRITE, from, to, crash_place());
	ssize_t r;

	CHECK(bytes);
	for (uint32_t i = from; i < to; i++)
		bytes[i - from] = model_byte(tag, i);
	r = vfs_write(dentry_inode(d), bytes, to - from, model_offset(file, from));
	if (r != (ssize_t)(to - from))
		test_fail(__FILE__, __LINE__, "%s: write: %zd", a->options->name, r);
	file->edits_done = file->edit_count;
	free(bytes);
}

/* A range of the file, in one window if there are such. */
static bool range(struct actor *a, const struct model_file *file, uint32_t from, uint32_t size,
		  uint32_t *ret_to)
{
	uint32_t to = from + size;

	(void)a;
	if (file->big && to / MODEL_WINDOW != from / MODEL_WINDOW)
		to = (from / MODEL_WINDOW + 1) * MODEL_WINDOW - 1;
	if (to > MODEL_SIZE - 1)
		to = MODEL_SIZE - 1;
	*ret_to = to;
	return to > from;
}

static uint32_t some_size(struct actor *a)
{
	return 1 + actor_pick(a, actor_pick(a, 4) ? SMALL : 5 * SMALL);
}

static uint32_t some_place(struct actor *a, const struct model_file *file)
{
	if (file->big)
		return actor_pick(a, MODEL_SIZE);
	return actor_pick(a, actor_pick(a, 6) ? file->size + 3000 : 100000) % MODEL_SIZE;
}

void actor_write(struct actor *a, struct dentry *d, struct model_file *file)
{
	uint32_t from = some_place(a, file), to;

	if (range(a, file, from, some_size(a), &to))
		write_bytes(a, d, file, from, to);
}

void actor_append(struct actor *a, struct dentry *d, struct model_file *file)
{
	uint32_t to;

	if (range(a, file, file->size, some_size(a), &to))
		write_bytes(a, d, file, file->size, to);
}

void actor_fill(struct actor *a, struct dentry *d, struct model_file *file)
{
	uint32_t to;

	if (range(a, file, 0, 1 + actor_pick(a, actor_pick(a, 3) ? 3000 : 3 * SMALL), &to))
		write_bytes(a, d, file, 0, to);
}

void actor_truncate(struct actor *a, struct dentry *d, struct model_file *file)
{
	uint32_t size = actor_pick(a, 3) ? actor_pick(a, file->size + 2000) : 0;

	size = size < MODEL_SIZE ? size : 0;
	model_edit(file, MODEL_CUT, 0, size, crash_place());
	actor_done(a, vfs_truncate(&cred, dentry_inode(d), model_offset(file, size), true),
		   "truncate", "");
	file->edits_done = file->edit_count;
}

void actor_allocate(struct actor *a, struct dentry *d, struct model_file *file, int mode)
{
	uint32_t from = some_place(a, file), to;
	uint64_t begin, size;
	bool keeps = actor_pick(a, 2);

	if (!range(a, file, from, some_size(a), &to))
		return;
	/* Holes over several windows, too. */
	if (mode == FALLOC_FL_PUNCH_HOLE && file->big && actor_pick(a, 3) == 0)
		to = from + actor_pick(a, MODEL_SIZE - from) + 1;
	begin = model_offset(file, from);
	size = model_offset(file, to) - begin;
	if (mode)
		model_edit(file, MODEL_ZERO, from, to, crash_place());
	else if (!keeps)
		model_edit(file, MODEL_GROW, from, to, crash_place());
	mode |= mode || keeps ? FALLOC_FL_KEEP_SIZE : 0;
	actor_done(a, vfs_fallocate(dentry_inode(d), mode, begin, size), "fallocate", "");
	file->edits_done = file->edit_count;
}

/* Not of big files: what goes or comes in the real one is not what it is in the model's. */
void actor_shift(struct actor *a, struct dentry *d, struct model_file *file, bool insert)
{
	uint32_t count = (1 + actor_pick(a, 4)) * SHIFT_UNIT;
	uint32_t from = actor_pick(a, file->size / SHIFT_UNIT + 1) * SHIFT_UNIT;

	if (file->big || (insert ? from >= file->size || file->size + count > MODEL_SIZE
				 : from + count >= file->size))
		return;
	model_edit(file, insert ? MODEL_INSERT : MODEL_COLLAPSE, from, from + count, crash_place());
	actor_done(a,
		   vfs_fallocate(dentry_inode(d),
				 insert ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE, from,
				 count),
		   "fallocate", "");
	file->edits_done = file->edit_count;
}

/* ---- syncing. */

void actor_fsync(struct actor *a, struct dentry *d, struct model_file *file, bool data_only)
{
	struct model_floor floor = { .edits = file->edits_done };
	/* With the data comes the name that it was made with, but no later one. */
	uint32_t step = data_only ? file->born_step : file->last_step;
	bool named = file->names > 0 && !(data_only && file->unnamed);

	actor_done(a, vfs_sync(dentry_inode(d), data_only), "fsync", "");
	floor.acknowledged = crash_place();
	model_floor(file, &floor);
	if (named)
		model_synced(&a->model, step, floor.acknowledged);
}

void actor_fsync_dir(struct actor *a)
{
	const char *path = actor_text(actor_any(a, S_IFDIR));
	struct model_file *file;
	struct dentry *d;
	uint32_t step;

	if (!path)
		return;
	file = model_find(&a->model, path);
	step = file->last_step;
	actor_done(a, do_open(path, O_RDONLY | O_DIRECTORY, 0, &d), "open", path);
	actor_done(a, vfs_sync(dentry_inode(d), false), "fsync", path);
	model_synced(&a->model, step, crash_place());
	dentry_put(d);
}

/* What all tasks did so far. */
struct promise {
	struct model_file *file;
	uint32_t edits;
};

void actor_sync(struct actor *a)
{
	struct promise *files = calloc(model_file_count() + 1, sizeof(*files));
	uint32_t *steps = calloc(a->options->tasks, sizeof(*steps)), count = 0;
	size_t place;

	CHECK(files && steps);
	for (unsigned int i = 0; i < a->options->tasks; i++) {
		struct model *m = &crash.actors[i].model;

		steps[i] = m->steps_done - 1;
		for (uint32_t n = 0; n < m->name_count; n++) {
			struct model_file *file = m->names[n].file;

			if (count < model_file_count())
				files[count++] = (struct promise){ file, file->edits_done };
		}
	}
	actor_done(a, vfs_sync_fs(dentry_inode(view.root)), "sync", "");
	place = crash_place();
	for (uint32_t i = 0; i < count; i++)
		model_floor(files[i].file, &(struct model_floor){ .acknowledged = place,
								  .edits = files[i].edits });
	for (unsigned int i = 0; i < a->options->tasks; i++)
		model_synced(&crash.actors[i].model, steps[i], place);
	free(files);
	free(steps);
}

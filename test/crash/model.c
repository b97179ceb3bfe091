#include "test/crash/model.h"

#include "test/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Room for one more at the end of a list. */
static void *grow(void *list, uint32_t count, uint32_t *room, size_t size)
{
	if (count < *room)
		return list;
	*room = *room ? 2 * *room : 16;
	list = realloc(list, *room * size);
	CHECK(list);
	return list;
}

/* ---- paths. */

static struct model_path *paths;
static struct model_file **files;
static uint32_t path_count, path_room, file_count, file_room;

uint32_t model_path_find(const char *text)
{
	for (uint32_t i = path_count; i-- > 0;)
		if (strcmp(paths[i].text, text) == 0)
			return i;
	return UINT32_MAX;
}

uint32_t model_path(const char *text, struct model *owner)
{
	uint32_t found = model_path_find(text);

	if (found != UINT32_MAX)
		return found;
	paths = grow(paths, path_count, &path_room, sizeof(*paths));
	paths[path_count] = (struct model_path){ .text = strdup(text), .model = owner };
	CHECK(paths[path_count].text);
	return path_count++;
}

const struct model_path *model_path_of(uint32_t path)
{
	CHECK(path < path_count);
	return &paths[path];
}

uint32_t model_path_count(void)
{
	return path_count;
}

uint32_t model_file_count(void)
{
	return file_count;
}

/* ---- names. */

struct model_file *model_file_new(uint32_t mode)
{
	struct model_file *file = calloc(1, sizeof(*file));

	CHECK(file);
	files = grow(files, file_count, &file_room, sizeof(*files));
	files[file_count] = file;
	file->id = file_count++;
	file->mode = mode;
	return file;
}

static uint32_t index_of(const struct model *m, uint32_t path)
{
	for (uint32_t i = 0; i < m->name_count; i++)
		if (m->names[i].path == path)
			return i;
	return UINT32_MAX;
}

struct model_file *model_find(const struct model *m, const char *text)
{
	uint32_t path = model_path_find(text);
	uint32_t i = path == UINT32_MAX ? path : index_of(m, path);

	return i == UINT32_MAX ? NULL : m->names[i].file;
}

struct model_file *model_parent(const struct model *m, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *text = strndup(path, (size_t)(slash - path));
	struct model_file *found;

	CHECK(text);
	found = model_find(m, text);
	free(text);
	return found;
}

static void touch(struct model *m, uint32_t path, struct model_file *file)
{
	struct model_file *parent = model_parent(m, paths[path].text);

	file->last_step = model_step(m);
	if (parent)
		parent->last_step = model_step(m);
}

void model_add(struct model *m, uint32_t path, struct model_file *file)
{
	CHECK(index_of(m, path) == UINT32_MAX);
	m->names = grow(m->names, m->name_count, &m->name_room, sizeof(*m->names));
	m->names[m->name_count++] = (struct model_name){ .path = path, .file = file };
	file->names++;
	if (!file->born)
		file->born_step = model_step(m);
	file->born = true;
	touch(m, path, file);
}

void model_remove(struct model *m, uint32_t path)
{
	uint32_t i = index_of(m, path);

	CHECK(i != UINT32_MAX);
	m->names[i].file->names--;
	touch(m, path, m->names[i].file);
	m->names[i] = m->names[--m->name_count];
}

bool model_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

void model_move(struct model *m, const char *from, const char *to)
{
	for (uint32_t i = 0; i < m->name_count; i++) {
		const char *path = paths[m->names[i].path].text;
		char *moved;

		if (!model_is_below(path, from))
			continue;
		CHECK(asprintf(&moved, "%s%s", to, path + strlen(from)) > 0);
		m->names[i].path = model_path(moved, m);
		free(moved);
	}
}

void model_forget(struct model *m)
{
	for (uint32_t i = 0; i < m->steps_done; i++)
		free(m->steps[i].entries);
	free(m->steps);
	free(m->names);
	free(m->syncs);
}

void model_forget_all(void)
{
	for (uint32_t i = 0; i < path_count; i++)
		free((void *)(uintptr_t)paths[i].text);
	for (uint32_t i = 0; i < file_count; i++) {
		free(files[i]->target);
		free(files[i]->edits);
		free(files[i]->floors);
		free(files[i]);
	}
	path_count = file_count = 0;
}

/* ---- steps. */

void model_restart(struct model *m)
{
	for (uint32_t i = 0; i < m->steps_done; i++)
		free(m->steps[i].entries);
	m->step_count = m->steps_done = 0;
	model_begin(m, 0);
	model_end(m);
	for (uint32_t i = 0; i < m->name_count; i++) {
		struct model_file *file = m->names[i].file;

		for (uint32_t e = 0; e < file->edit_count; e++)
			file->edits[e].begun = 0;
		model_floor(file, &(struct model_floor){ .edits = file->edit_count });
		file->last_step = file->born_step = 0;
	}
}

uint32_t model_step(const struct model *m)
{
	return m->step_count > 0 ? m->step_count - 1 : 0;
}

void model_begin(struct model *m, size_t place)
{
	CHECK(m->steps_done == m->step_count);
	m->steps = grow(m->steps, m->step_count, &m->step_room, sizeof(*m->steps));
	m->steps[m->step_count++] = (struct model_step){ .begun = place };
}

void model_end(struct model *m)
{
	struct model_step *step = &m->steps[m->step_count - 1];

	CHECK(m->steps_done == m->step_count - 1);
	step->entries = calloc(m->name_count + 1, sizeof(*step->entries));
	CHECK(step->entries);
	step->count = m->name_count;
	for (uint32_t i = 0; i < m->name_count; i++)
		step->entries[i] = (struct model_entry){
			.path = m->names[i].path,
			.file = m->names[i].file,
			.mode = m->names[i].file->mode,
			.names = m->names[i].file->names,
		};
	m->steps_done++;
}

/* ---- bytes. */

uint8_t model_byte(uint32_t tag, uint32_t at)
{
	uint64_t x = ((uint64_t)tag << 32 | at) * UINT64_C(0x9e3779b97f4a7c15);

	x ^= x >> 29;
	return (uint8_t)(1 + (x * UINT64_C(0xbf58476d1ce4e5b9) >> 40) % 255);
}

uint64_t model_offset(const struct model_file *file, uint32_t at)
{
	if (!file->big)
		return at;
	return at / MODEL_WINDOW * MODEL_STRIDE + at % MODEL_WINDOW;
}

static uint32_t size_after(const struct model_edit *e, uint32_t size)
{
	switch (e->kind) {
	case MODEL_CUT:
		return e->to;
	case MODEL_WRITE:
	case MODEL_GROW:
		return e->to > size ? e->to : size;
	case MODEL_COLLAPSE:
		return size - (e->to - e->from);
	case MODEL_INSERT:
		return size + (e->to - e->from);
	case MODEL_ZERO:
	default:
		return size;
	}
}

uint32_t model_edit(struct model_file *file, enum model_edit_kind kind, uint32_t from, uint32_t to,
		    size_t place)
{
	static uint32_t tags;
	struct model_edit e = {
		.kind = kind, .from = from, .to = to, .tag = ++tags, .begun = place
	};

	CHECK(to <= MODEL_SIZE && file->edits_done == file->edit_count);
	file->edits = grow(file->edits, file->edit_count, &file->edit_room, sizeof(e));
	file->edits[file->edit_count++] = e;
	file->size = size_after(&e, file->size);
	return e.tag;
}

void model_floor(struct model_file *file, const struct model_floor *floor)
{
	file->floors = grow(file->floors, file->floor_count, &file->floor_room,
			    sizeof(*file->floors));
	file->floors[file->floor_count++] = *floor;
}

void model_synced(struct model *m, uint32_t step, size_t acknowledged)
{
	m->syncs = grow(m->syncs, m->sync_count, &m->sync_room, sizeof(*m->syncs));
	m->syncs[m->sync_count++] = (struct model_sync){ acknowledged, step };
}

/* ---- judging. */

void model_range(const struct model *m, size_t k, uint32_t *ret_first, uint32_t *ret_last)
{
	*ret_first = 0;
	for (uint32_t i = 0; i < m->sync_count; i++)
		if (m->syncs[i].acknowledged <= k && m->syncs[i].step > *ret_first)
			*ret_first = m->syncs[i].step;
	*ret_last = *ret_first;
	while (*ret_last + 1 < m->step_count && m->steps[*ret_last + 1].begun <= k)
		++*ret_last;
}

struct expected {
	uint8_t now[MODEL_SIZE];
	bool good[MODEL_SIZE];
	uint32_t size;
	uint64_t least, most; /* sizes, of the real file */
};

/* The bytes from e->from on follow those that go or come. */
static void apply_shift(struct expected *x, const struct model_edit *e)
{
	uint8_t *at = x->now + e->from, *end = x->now + e->to;

	if (e->kind == MODEL_COLLAPSE) {
		memmove(at, end, x->size - e->to);
		memset(x->now + x->size - (e->to - e->from), 0, e->to - e->from);
	} else {
		memmove(end, at, x->size - e->from);
		memset(at, 0, e->to - e->from);
	}
}

/* Do the edit to `now`; which bytes it may have changed. */
static void apply(struct expected *x, const struct model_edit *e, uint32_t *ret_from,
		  uint32_t *ret_to)
{
	uint32_t from = e->from, to = e->to;

	if (e->kind == MODEL_WRITE) {
		for (uint32_t i = from; i < to; i++)
			x->now[i] = model_byte(e->tag, i);
	} else if (e->kind == MODEL_ZERO) {
		memset(x->now + from, 0, to - from);
	} else if (e->kind == MODEL_CUT && e->to < x->size) {
		from = e->to;
		to = x->size;
		memset(x->now + from, 0, to - from);
	} else if (e->kind == MODEL_COLLAPSE || e->kind == MODEL_INSERT) {
		apply_shift(x, e);
		/* Zeros where it ended before, as after a cut. */
		to = e->kind == MODEL_INSERT ? size_after(e, x->size) : x->size;
	} else {
		from = to = 0;
	}
	x->size = size_after(e, x->size);
	*ret_from = from;
	*ret_to = to;
}

static uint32_t edits_there(const struct model_file *file, size_t k, uint32_t step)
{
	uint32_t edits = 0;

	for (uint32_t i = 0; i < file->floor_count; i++) {
		const struct model_floor *f = &file->floors[i];

		if (f->acknowledged <= k && f->step <= step && f->edits > edits)
			edits = f->edits;
	}
	return edits;
}

static void note_size(struct expected *x, const struct model_file *file)
{
	uint64_t size = model_offset(file, x->size);

	x->least = size < x->least ? size : x->least;
	x->most = size > x->most ? size : x->most;
}

/* The model's bytes that a file of this size has; those after it are not asked about. */
static uint32_t bytes_of(const struct model_file *file, uint64_t size)
{
	if (!file->big)
		return (uint32_t)size;
	return (uint32_t)(size / MODEL_STRIDE * MODEL_WINDOW + (size % MODEL_STRIDE < MODEL_WINDOW
									? size % MODEL_STRIDE
									: MODEL_WINDOW));
}

const char *model_judge_bytes(const struct model_file *file, size_t k, uint32_t step,
			      const uint8_t *bytes, uint64_t size)
{
	static struct expected x;
	static char text[200];
	uint32_t floor = edits_there(file, k, step), from, to, last = floor, count;

	memset(&x, 0, sizeof(x));
	x.least = UINT64_MAX;
	for (uint32_t e = 0; e < floor; e++)
		apply(&x, &file->edits[e], &from, &to);
	note_size(&x, file);
	count = bytes_of(file, size);
	if (count > MODEL_SIZE) {
		snprintf(text, sizeof(text), "size %llu", (unsigned long long)size);
		return text;
	}
	for (uint32_t i = 0; i < count; i++)
		x.good[i] = bytes[i] == x.now[i];
	for (; last < file->edit_count && file->edits[last].begun <= k; last++) {
		apply(&x, &file->edits[last], &from, &to);
		note_size(&x, file);
		for (uint32_t i = from; i < to && i < count; i++)
			x.good[i] |= bytes[i] == x.now[i];
	}
	if (size < x.least || size > x.most) {
		snprintf(text, sizeof(text), "size %llu, wanted %llu to %llu; edits %u to %u",
			 (unsigned long long)size, (unsigned long long)x.least,
			 (unsigned long long)x.most, floor, last);
		return text;
	}
	for (uint32_t i = 0; i < count; i++)
		if (!x.good[i]) {
			snprintf(text, sizeof(text),
				 "byte %u of %u is %u, in the end %u; edits %u to %u", i, count,
				 bytes[i], x.now[i], floor, last);
			return text;
		}
	return NULL;
}

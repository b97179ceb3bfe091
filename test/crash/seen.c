/*
 * seen.c - what is in the tree that was found after a power cut, and whether that may be.
 */
#include "test/crash/crash.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What a name leads to; inode NULL: there is none. */
struct seen {
	struct inode *inode;
	struct vfs_attr attr;
	char *target;
};

static struct seen *seen;
static uint32_t seen_count; /* paths: the model's, when the power went */
static char wrong[512];

static const char *tell(const char *format, ...) PRINTF_LIKE(1, 2);
static const char *tell(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(wrong, sizeof(wrong), format, args);
	va_end(args);
	return wrong;
}

/* ---- looking. */

struct names {
	char **texts;
	uint32_t count, room;
};

static int take(void *ctx, const struct vfs_dirent *entry)
{
	struct names *names = ctx;

	if (names->count == names->room) {
		names->room = names->room ? 2 * names->room : 64;
		names->texts = realloc(names->texts, names->room * sizeof(*names->texts));
		CHECK(names->texts);
	}
	names->texts[names->count] = strndup(entry->name, entry->name_len);
	CHECK(names->texts[names->count]);
	names->count++;
	return 0;
}

static const char *look_in(struct inode *dir, const char *above) MAY_YIELD;

static const char *look_at(struct inode *dir, const char *path, const char *name) MAY_YIELD
{
	uint32_t number = model_path_find(path);
	struct seen *s;
	char target[1024];
	int r;

	if (number >= seen_count)
		return tell("%s: nobody made it", path);
	s = &seen[number];
	if (s->inode)
		return tell("%s: twice in its directory", path);
	r = dir->ops->lookup(dir, name, strlen(name), &s->inode);
	if (r == 0)
		r = s->inode->ops->getattr(s->inode, &s->attr);
	if (r == 0 && S_ISLNK(s->attr.mode)) {
		r = s->inode->ops->readlink(s->inode, target, sizeof(target));
		s->target = r >= 0 ? strndup(target, (size_t)r) : NULL;
		r = r > 0 ? 0 : r;
	}
	if (r < 0)
		return tell("%s: %s", path, strerror(-r));
	return S_ISDIR(s->attr.mode) ? look_in(s->inode, path) : NULL;
}

static const char *look_in(struct inode *dir, const char *above)
{
	struct names names = { NULL, 0, 0 };
	uint64_t cursor = 0;
	const char *bad = NULL;
	int r = dir->ops->readdir(dir, &cursor, take, &names);

	if (r < 0)
		bad = tell("%s/: %s", above, strerror(-r));
	for (uint32_t i = 0; i < names.count; i++) {
		char *path;

		CHECK(asprintf(&path, "%s/%s", above, names.texts[i]) > 0);
		if (!bad && strcmp(path, "/lost+found") != 0)
			bad = look_at(dir, path, names.texts[i]);
		free(path);
		free(names.texts[i]);
	}
	free(names.texts);
	return bad;
}

static void forget(void)
{
	for (uint32_t i = 0; i < seen_count; i++) {
		inode_put(seen[i].inode);
		free(seen[i].target);
	}
	free(seen);
	seen = NULL;
}

/* ---- names. */

static uint32_t seen_of(const struct model *m)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < seen_count; i++)
		count += seen[i].inode && model_path_of(i)->model == m;
	return count;
}

static const char *judge_entry(const struct model_entry *e, uint64_t *numbers)
{
	const char *path = model_path_of(e->path)->text;
	const struct seen *s = &seen[e->path];
	uint64_t *number = &numbers[e->file->id];

	if (!s->inode)
		return tell("%s is missing", path);
	if (s->attr.mode != e->mode)
		return tell("%s has mode %o, not %o", path, s->attr.mode, e->mode);
	if (e->file->target && (!s->target || strcmp(s->target, e->file->target) != 0))
		return tell("%s leads to '%s'", path, s->target);
	if (!S_ISDIR(e->mode) && s->attr.nlink != e->names)
		return tell("%s has %u names, not %u", path, s->attr.nlink, e->names);
	if (*number != 0 && *number != s->attr.ino)
		return tell("%s is another file", path);
	*number = s->attr.ino;
	return NULL;
}

/* The names are those after this step. */
static const char *judge_names(const struct model *m, uint32_t step)
{
	const struct model_step *state = &m->steps[step];
	uint64_t *numbers = calloc(model_file_count() + 1, sizeof(*numbers));
	const char *bad = NULL;

	CHECK(numbers);
	for (uint32_t i = 0; i < state->count && !bad; i++)
		bad = judge_entry(&state->entries[i], numbers);
	if (!bad && state->count != seen_of(m))
		bad = tell("%u names, not %u", seen_of(m), state->count);
	for (uint32_t i = 0; i < state->count && !bad; i++)
		for (uint32_t k = 0; k < i && !bad; k++)
			if (state->entries[i].file != state->entries[k].file &&
			    seen[state->entries[i].path].attr.ino ==
				    seen[state->entries[k].path].attr.ino)
				bad = tell("%s and %s are one file",
					   model_path_of(state->entries[i].path)->text,
					   model_path_of(state->entries[k].path)->text);
	free(numbers);
	return bad;
}

/* ---- bytes. */

static int64_t read_at(struct inode *inode, void *to, size_t size, uint64_t offset) MAY_YIELD
{
	return inode->ops->read(inode, to, size, offset);
}

static const char *read_windows(const struct seen *s, uint8_t *bytes) MAY_YIELD
{
	static uint8_t gap[4096];
	uint64_t size = s->attr.size;

	for (uint64_t at = 0, to = 0; at < size && to < MODEL_SIZE;
	     at += MODEL_STRIDE, to += MODEL_WINDOW) {
		int64_t wanted = size - at < MODEL_WINDOW ? (int64_t)(size - at) : MODEL_WINDOW;
		int64_t got = read_at(s->inode, bytes + to, MODEL_WINDOW, at);

		if (got != wanted)
			return tell("%lld bytes read at %llu", (long long)got,
				    (unsigned long long)at);
		got = read_at(s->inode, gap, sizeof(gap), at + MODEL_WINDOW);
		for (int64_t i = 0; i < got; i++)
			if (gap[i] != 0)
				return tell("byte %llu, in a gap, is %u",
					    (unsigned long long)(at + MODEL_WINDOW) +
						    (unsigned long long)i,
					    gap[i]);
	}
	return NULL;
}

static const char *judge_file(const struct model_file *file, const struct seen *s, size_t k,
			      uint32_t step) MAY_YIELD
{
	static uint8_t bytes[MODEL_SIZE + MODEL_WINDOW];
	const char *bad;

	if (file->big) {
		bad = read_windows(s, bytes);
		if (bad)
			return bad;
	} else if (s->attr.size <= MODEL_SIZE) {
		int64_t got = read_at(s->inode, bytes, sizeof(bytes), 0);

		if (got != (int64_t)s->attr.size)
			return tell("%lld bytes read", (long long)got);
	}
	return model_judge_bytes(file, k, step, bytes, s->attr.size);
}

static const char *judge_bytes(const struct model *m, size_t k, uint32_t step) MAY_YIELD
{
	const struct model_step *state = &m->steps[step];

	for (uint32_t i = 0; i < state->count; i++) {
		const struct model_entry *e = &state->entries[i];
		const char *bad;

		if (!S_ISREG(e->mode))
			continue;
		bad = judge_file(e->file, &seen[e->path], k, step);
		if (bad) {
			char *copy = strdup(bad);

			bad = tell("%s: %s", model_path_of(e->path)->text, copy);
			free(copy);
			return bad;
		}
	}
	return NULL;
}

/* ---- all of it. */

static const char *judge_model(const struct model *m, size_t k) MAY_YIELD
{
	uint32_t first, last, at, bytes_of = 0;
	char *names = NULL, *bytes = NULL;
	const char *bad = NULL;

	model_range(m, k, &first, &last);
	for (at = first; at <= last; at++) {
		bad = judge_names(m, at);
		if (bad) {
			if (getenv("CRASH_TELL"))
				printf("# not step %u: %s\n", at, bad);
			free(names);
			names = strdup(bad);
			continue;
		}
		bad = judge_bytes(m, k, at);
		if (!bad)
			break;
		if (!bytes) {
			bytes = strdup(bad);
			bytes_of = at;
		}
	}
	if (bytes && bad)
		bad = tell("after step %u of %u to %u: %s", bytes_of, first, last, bytes);
	else if (bad)
		bad = tell("as after no step of %u to %u; of the last: %s", first, last, names);
	free(names);
	free(bytes);
	return bad;
}

const char *crash_judge_tree(struct inode *root, size_t k)
{
	const char *bad;

	seen_count = model_path_count();
	seen = calloc(seen_count + 1, sizeof(*seen));
	CHECK(seen);
	bad = look_in(root, "");
	for (unsigned int i = 0; i < crash.options->tasks && !bad; i++)
		bad = judge_model(&crash.actors[i].model, k);
	forget();
	return bad;
}

/*
 * deeds.c - what a task does to names, and how it chooses.
 */
#include "test/crash/actor.h"
#include "test/crash/crash.h"

#include "task/sched.h"

#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

static uint32_t some_mode(struct actor *a)
{
	return 0600 | actor_pick(a, 0200);
}

/* A file with a name, open for writing. */
static struct model_file *make(struct actor *a, const char *path, struct dentry **ret) MAY_YIELD
{
	uint32_t mode = some_mode(a);
	struct model_file *file = model_file_new(S_IFREG | (mode & ~view.umask));

	actor_step(a);
	actor_done(a, do_open(path, O_CREAT | O_EXCL | O_RDWR, mode, ret), "create", path);
	file->big = a->options->big_files;
	model_add(&a->model, model_path(path, &a->model), file);
	model_end(&a->model);
	return file;
}

static void create(struct actor *a, bool empty) MAY_YIELD
{
	const char *path = actor_new_path(a);
	struct model_file *file;
	struct dentry *d;

	if (!path)
		return;
	file = make(a, path, &d);
	if (!empty && actor_pick(a, 8))
		actor_fill(a, d, file);
	dentry_put(d);
}

static void make_dir(struct actor *a) MAY_YIELD
{
	const char *path = actor_new_path(a);

	if (!path)
		return;
	actor_step(a);
	actor_done(a, do_mkdir(path), "mkdir", path);
	model_add(&a->model, model_path(path, &a->model), model_file_new(S_IFDIR | 0755));
	model_end(&a->model);
}

static void make_link(struct actor *a) MAY_YIELD
{
	const char *path = actor_new_path(a);
	struct model_file *file;
	char target[200];

	if (!path)
		return;
	memset(target, 't', sizeof(target));
	target[actor_pick(a, 2) ? 1 + actor_pick(a, 59) : 60 + actor_pick(a, 130)] = '\0';
	actor_step(a);
	actor_done(a, do_symlink(target, path), "symlink", path);
	file = model_file_new(S_IFLNK | 0777);
	file->target = strdup(target);
	CHECK(file->target);
	model_add(&a->model, model_path(path, &a->model), file);
	model_end(&a->model);
}

static void link_again(struct actor *a) MAY_YIELD
{
	const char *from = actor_text(actor_any(a, 0)), *path = actor_new_path(a);

	if (!from || !path)
		return;
	actor_step(a);
	actor_done(a, do_link(from, path), "link", path);
	model_add(&a->model, model_path(path, &a->model), model_find(&a->model, from));
	model_end(&a->model);
}

static void remove_name(struct actor *a, const char *path) MAY_YIELD
{
	bool dir = S_ISDIR(model_find(&a->model, path)->mode);

	actor_step(a);
	actor_done(a, dir ? do_rmdir(path) : do_unlink(path), "remove", path);
	model_remove(&a->model, model_path_find(path));
	model_end(&a->model);
}

static void unlink_some(struct actor *a) MAY_YIELD
{
	const char *path = actor_text(actor_any(a, 0));

	if (path)
		remove_name(a, path);
}

static bool is_empty(const struct actor *a, const char *dir)
{
	for (uint32_t i = 0; i < a->model.name_count; i++)
		if (model_is_below(actor_text(&a->model.names[i]), dir))
			return false;
	return true;
}

static void remove_dir(struct actor *a) MAY_YIELD
{
	const char *path = actor_text(actor_any(a, S_IFDIR));

	if (path && is_empty(a, path))
		remove_name(a, path);
}

/* With all that is below it, from below. */
static void remove_tree(struct actor *a) MAY_YIELD
{
	const char *dir = actor_text(actor_any(a, S_IFDIR));

	if (!dir)
		return;
	while (!is_empty(a, dir)) {
		const char *longest = dir;

		for (uint32_t i = 0; i < a->model.name_count; i++) {
			const char *path = actor_text(&a->model.names[i]);

			if (model_is_below(path, longest))
				longest = path;
		}
		remove_name(a, longest);
	}
	remove_name(a, dir);
}

/* ---- renames. */

static void move(struct actor *a, const char *from, const char *to)
{
	struct model_file *file = model_find(&a->model, from);

	if (model_find(&a->model, to))
		model_remove(&a->model, model_path_find(to));
	model_remove(&a->model, model_path_find(from));
	model_add(&a->model, model_path(to, &a->model), file);
	if (S_ISDIR(file->mode))
		model_move(&a->model, from, to);
}

static void rename_some(struct actor *a) MAY_YIELD
{
	const char *from = actor_text(actor_any(a, actor_pick(a, 3) ? 0 : S_IFDIR));
	const char *to = actor_new_path(a);

	if (!from || !to || model_is_below(to, from))
		return;
	actor_step(a);
	actor_done(a, do_rename(from, to, 0), "rename", from);
	move(a, from, to);
	model_end(&a->model);
}

static void replace(struct actor *a) MAY_YIELD
{
	const char *to = actor_text(actor_any(a, S_IFREG)), *path = actor_new_path(a);
	struct model_file *file;
	struct dentry *d;

	if (!to || !path)
		return;
	file = make(a, path, &d);
	for (uint32_t i = 1 + actor_pick(a, 3); i > 0; i--)
		actor_append(a, d, file);
	if (actor_pick(a, 3) == 0)
		actor_fsync(a, d, file, actor_pick(a, 2));
	if (actor_pick(a, 2)) {
		dentry_put(d);
		d = NULL;
	}
	actor_step(a);
	actor_done(a, do_rename(path, to, 0), "rename", path);
	model_floor(file, &(struct model_floor){ .step = model_step(&a->model),
						 .edits = file->edits_done });
	move(a, path, to);
	model_end(&a->model);
	if (d && actor_pick(a, 3) == 0)
		actor_append(a, d, file);
	dentry_put(d);
}

static void exchange(struct actor *a) MAY_YIELD
{
	const char *one = actor_text(actor_any(a, 0)), *other = actor_text(actor_any(a, 0));
	struct model_file *first, *second;

	if (!one || one == other)
		return;
	first = model_find(&a->model, one);
	second = model_find(&a->model, other);
	actor_step(a);
	actor_done(a, do_rename(one, other, RENAME_EXCHANGE), "exchange", one);
	model_remove(&a->model, model_path_find(one));
	model_remove(&a->model, model_path_find(other));
	model_add(&a->model, model_path_find(one), second);
	model_add(&a->model, model_path_find(other), first);
	model_end(&a->model);
}

static void change_mode(struct actor *a) MAY_YIELD
{
	const char *path = actor_text(actor_any(a, S_IFREG));
	uint32_t mode = some_mode(a);
	struct model_file *file;

	if (!path)
		return;
	file = model_find(&a->model, path);
	actor_step(a);
	actor_done(a, do_chmod(path, mode), "chmod", path);
	file->mode = S_IFREG | mode;
	file->last_step = model_step(&a->model);
	model_end(&a->model);
}

static void unnamed(struct actor *a) MAY_YIELD
{
	const char *path = actor_new_path(a);
	struct model_file *file = model_file_new(S_IFREG | 0644);
	struct dentry *d;

	if (!path)
		return;
	actor_done(a, vfs_tmpfile(&view, NULL, actor_text(&a->model.names[0]), 0644, &d), "tmpfile",
		   path);
	file->big = a->options->big_files;
	file->unnamed = true;
	actor_fill(a, d, file);
	if (actor_pick(a, 2))
		actor_fsync(a, d, file, false);
	if (actor_pick(a, 4)) {
		actor_step(a);
		actor_done(a, vfs_link(&view, d, NULL, path), "link", path);
		model_add(&a->model, model_path(path, &a->model), file);
		model_end(&a->model);
	}
	dentry_put(d);
}

/* ---- files that are open. */

static void hold(struct actor *a) MAY_YIELD
{
	struct crash_hold *h = &a->holds[actor_pick(a, CRASH_HOLDS)];
	const char *path = actor_text(actor_any(a, S_IFREG));

	if (h->dentry || !path)
		return;
	actor_done(a, do_open(path, O_RDWR, 0, &h->dentry), "open", path);
	h->file = model_find(&a->model, path);
	if (actor_pick(a, 2))
		remove_name(a, path);
}

static void let_go(struct actor *a)
{
	struct crash_hold *h = &a->holds[actor_pick(a, CRASH_HOLDS)];

	dentry_put(h->dentry);
	h->dentry = NULL;
}

static void with_file(struct actor *a, enum deed deed, struct dentry *d, struct model_file *file)
	MAY_YIELD
{
	switch ((int)deed) {
	case DEED_WRITE:
		actor_write(a, d, file);
		break;
	case DEED_APPEND:
		actor_append(a, d, file);
		break;
	case DEED_TRUNCATE:
		actor_truncate(a, d, file);
		break;
	case DEED_PUNCH:
		actor_allocate(a, d, file, FALLOC_FL_PUNCH_HOLE);
		break;
	case DEED_ZERO:
		actor_allocate(a, d, file, FALLOC_FL_ZERO_RANGE);
		break;
	case DEED_COLLAPSE:
	case DEED_INSERT:
		actor_shift(a, d, file, deed == DEED_INSERT);
		break;
	case DEED_ALLOCATE:
		actor_allocate(a, d, file, 0);
		break;
	default:
		actor_fsync(a, d, file, deed == DEED_FDATASYNC);
	}
}

static void to_file(struct actor *a, enum deed deed) MAY_YIELD
{
	struct crash_hold *h = &a->holds[actor_pick(a, CRASH_HOLDS)];
	const char *path = actor_text(actor_any(a, S_IFREG));
	struct dentry *d;

	if (h->dentry && actor_pick(a, 2)) {
		with_file(a, deed, h->dentry, h->file);
		return;
	}
	if (!path)
		return;
	actor_done(a, do_open(path, O_RDWR, 0, &d), "open", path);
	with_file(a, deed, d, model_find(&a->model, path));
	dentry_put(d);
}

/* ---- one after the other. */

static void pause_a_while(struct actor *a) MAY_YIELD
{
	(void)!task_sleep_until(clock_now_ns() + 1 + actor_pick(a, 7) * SECOND_NS +
				actor_pick(a, SECOND_NS));
}

static void name_deed(struct actor *a, enum deed deed) MAY_YIELD
{
	switch ((int)deed) {
	case DEED_LINK:
		link_again(a);
		break;
	case DEED_UNLINK:
		unlink_some(a);
		break;
	case DEED_RMDIR:
		remove_dir(a);
		break;
	case DEED_RENAME:
		rename_some(a);
		break;
	case DEED_REPLACE:
		replace(a);
		break;
	case DEED_EXCHANGE:
		exchange(a);
		break;
	case DEED_CHMOD:
		change_mode(a);
		break;
	case DEED_REMOVE_TREE:
		remove_tree(a);
		break;
	default:
		unnamed(a);
	}
}

static void act(struct actor *a, enum deed deed) MAY_YIELD
{
	switch ((int)deed) {
	case DEED_CREATE:
	case DEED_CREATE_EMPTY:
		create(a, deed == DEED_CREATE_EMPTY);
		break;
	case DEED_MKDIR:
		make_dir(a);
		break;
	case DEED_SYMLINK:
		make_link(a);
		break;
	case DEED_HOLD:
		hold(a);
		break;
	case DEED_LET_GO:
		let_go(a);
		break;
	case DEED_FSYNC_DIR:
		actor_fsync_dir(a);
		break;
	case DEED_SYNC:
		actor_sync(a);
		break;
	case DEED_PAUSE:
		pause_a_while(a);
		break;
	default:
		if (deed <= DEED_UNNAMED)
			name_deed(a, deed);
		else
			to_file(a, deed);
	}
}

static enum deed any_deed(struct actor *a)
{
	uint32_t sum = 0, at;
	unsigned int deed = 0;

	for (unsigned int i = 0; i < DEEDS; i++)
		sum += a->options->weights[i];
	for (at = actor_pick(a, sum); at >= a->options->weights[deed]; deed++)
		at -= a->options->weights[deed];
	return deed;
}

void actor_work(struct actor *a)
{
	for (unsigned int i = 0; i < a->options->steps; i++) {
		act(a, any_deed(a));
		if (actor_pick(a, 4) == 0)
			task_yield();
	}
	for (unsigned int i = 0; i < CRASH_HOLDS; i++)
		dentry_put(a->holds[i].dentry);
}

/* ---- the beginning. */

void actor_begin(struct actor *a)
{
	static const enum deed first[] = { DEED_MKDIR, DEED_CREATE, DEED_CREATE, DEED_SYMLINK };
	char *top;

	CHECK(asprintf(&top, "/%s", a->prefix) > 0);
	model_begin(&a->model, 0);
	CHECK_INT(do_mkdir(top), 0);
	model_add(&a->model, model_path(top, &a->model), model_file_new(S_IFDIR | 0755));
	model_end(&a->model);
	free(top);
	for (unsigned int i = 0; i < 20; i++)
		act(a, first[i % ARRAY_COUNT(first)]);
	model_restart(&a->model);
}

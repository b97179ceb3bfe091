#ifndef TEST_CRASH_MODEL_H
#define TEST_CRASH_MODEL_H
/*
 * model.h - what tasks did to a tree, and what of it must be there after a power cut.
 * Layer: test.
 *
 * A tree belongs to one task. Each change of its names is a step: the model keeps what the
 * tree looks like after every one. Each change of a file's bytes is an edit: of those the
 * file's list is kept, in order. Both know the place in the disk's log at which they began.
 *
 * Promised, when the power goes at place k of the log
 *     names    the tree is as it was after some one step: not before the last that was
 *              synced (a sync acknowledged before k), nor after the last that had begun
 *     bytes    each is what the synced edits made of it, or what a later edit did;
 *              never anything else. The same of a file's size.
 *     rename   who took another file's name has at least the bytes it then had, if the
 *              rename is there at all
 *
 * Offsets of big files are the model's: MODEL_WINDOW bytes at the start of each
 * MODEL_STRIDE of the file; nothing is written between the windows.
 */
#include "base/cc.h"

#include <stddef.h>
#include <stdint.h>

#define MODEL_SIZE (192u << 10) /* of a file, at most */
#define MODEL_WINDOW (24u << 10)
#define MODEL_STRIDE (UINT64_C(3) << 20)

enum model_edit_kind {
	MODEL_WRITE,
	MODEL_ZERO,
	MODEL_CUT,
	MODEL_GROW,
	MODEL_COLLAPSE,
	MODEL_INSERT
};

struct model_edit {
	enum model_edit_kind kind;
	uint32_t from, to; /* CUT, GROW: to is the size */
	uint32_t tag;	   /* of the bytes: whose they are */
	size_t begun;	   /* place of the log */
};

/* So many edits are there, if the sync is acknowledged and the names are those of `step`. */
struct model_floor {
	size_t acknowledged;
	uint32_t step;
	uint32_t edits;
};

struct model_file {
	uint32_t id;
	uint32_t mode;
	char *target; /* of a symbolic link */
	bool big;
	bool unnamed; /* it was made without a name */
	struct model_edit *edits;
	uint32_t edit_count, edit_room;
	uint32_t edits_done;
	struct model_floor *floors;
	uint32_t floor_count, floor_room;
	uint32_t size; /* now */
	bool born;
	uint32_t born_step; /* that gave it its first name */
	uint32_t last_step; /* that touched it, or for a directory what is in it */
	uint32_t names;
};

struct model_path {
	const char *text;
	struct model *model; /* whose; NULL: not a task's */
};

struct model_name {
	uint32_t path;
	struct model_file *file;
};

/* What a name was after a step. */
struct model_entry {
	struct model_file *file;
	uint32_t path, mode, names;
};

struct model_step {
	size_t begun;
	struct model_entry *entries;
	uint32_t count;
};

struct model_sync {
	size_t acknowledged;
	uint32_t step;
};

struct model {
	struct model_name *names;
	uint32_t name_count, name_room;
	struct model_step *steps; /* [0]: at the beginning */
	uint32_t step_count, step_room;
	uint32_t steps_done;
	struct model_sync *syncs;
	uint32_t sync_count, sync_room;
};

/* All paths and files are forgotten, and what these models keep. */
void model_forget(struct model *m);
void model_forget_all(void);

/* ---- paths: a number for each text. */
uint32_t model_path(const char *text, struct model *owner);
/* Its number, or UINT32_MAX. */
uint32_t model_path_find(const char *text);
const struct model_path *model_path_of(uint32_t path);
uint32_t model_path_count(void);
uint32_t model_file_count(void);

/* ---- names. */
struct model_file *model_file_new(uint32_t mode);
void model_add(struct model *m, uint32_t path, struct model_file *file);
void model_remove(struct model *m, uint32_t path);
struct model_file *model_find(const struct model *m, const char *path);
/* The directory that a path is in; NULL: not of this model. */
struct model_file *model_parent(const struct model *m, const char *path);
/* Names below a directory follow it. */
void model_move(struct model *m, const char *from, const char *to);
bool model_is_below(const char *path, const char *dir);

/* What is there now was there from the start, synced. */
void model_restart(struct model *m);
/* A step begins at a place of the log; changes follow; it ends. */
void model_begin(struct model *m, size_t place);
void model_end(struct model *m);
uint32_t model_step(const struct model *m); /* that is under way, or was the last */

/* ---- bytes. */
uint8_t model_byte(uint32_t tag, uint32_t at);
uint64_t model_offset(const struct model_file *file, uint32_t at); /* in the real file */
/* Begins; file->edits_done is the caller's, when it is done. Gives the tag of its bytes. */
uint32_t model_edit(struct model_file *file, enum model_edit_kind kind, uint32_t from, uint32_t to,
		    size_t place);
void model_floor(struct model_file *file, const struct model_floor *floor);
void model_synced(struct model *m, uint32_t step, size_t acknowledged);

/* ---- judging, at place k. */
/* The first and last step that may be there. */
void model_range(const struct model *m, size_t k, uint32_t *ret_first, uint32_t *ret_last);
/*
 * `bytes`: the file's first `size` bytes, in the model's offsets. NULL if they are well; else what
 * is wrong, in a static buffer.
 */
const char *model_judge_bytes(const struct model_file *file, size_t k, uint32_t step,
			      const uint8_t *bytes, uint64_t size);

#endif /* TEST_CRASH_MODEL_H */

#ifndef TEST_CRASH_ACTOR_H
#define TEST_CRASH_ACTOR_H
/*
 * actor.h - the parts of a task that changes its tree, to each other: actor.c has what it
 * does to a file's bytes, deeds.c what it does to names. Layer: test.
 */
#include "test/crash/crash.h"

uint32_t actor_pick(struct actor *a, uint32_t below);
void actor_done(const struct actor *a, int64_t r, const char *what, const char *path);
/* A step of its model begins. */
void actor_step(struct actor *a);
/* A name of that type, not the top; 0: of any type but directories. NULL: none. */
const struct model_name *actor_any(struct actor *a, uint32_t type);
const char *actor_text(const struct model_name *name); /* its path; NULL for NULL */
const char *actor_new_path(struct actor *a);

/* To an open file. */
void actor_write(struct actor *a, struct dentry *d, struct model_file *file) MAY_YIELD;
void actor_append(struct actor *a, struct dentry *d, struct model_file *file) MAY_YIELD;
void actor_fill(struct actor *a, struct dentry *d, struct model_file *file) MAY_YIELD;
void actor_truncate(struct actor *a, struct dentry *d, struct model_file *file) MAY_YIELD;
void actor_allocate(struct actor *a, struct dentry *d, struct model_file *file, int mode) MAY_YIELD;
void actor_shift(struct actor *a, struct dentry *d, struct model_file *file, bool insert) MAY_YIELD;
void actor_fsync(struct actor *a, struct dentry *d, struct model_file *file, bool data_only)
	MAY_YIELD;
void actor_fsync_dir(struct actor *a) MAY_YIELD;
void actor_sync(struct actor *a) MAY_YIELD;

#endif /* TEST_CRASH_ACTOR_H */

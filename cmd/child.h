#ifndef CMD_CHILD_H
#define CMD_CHILD_H
/*
 * child.h - other programs that a command needs, and a place for their files. Layer: cmd.
 *
 * Signals  what would end the command goes to the program that runs; the command
 *          sees it fail, and can clean up.
 * Thread   one at a time; not while a manager runs in this process.
 */
#include "base/cc.h"

#define CHILD_PATH_MAX 512u

struct child_files {
	const char *out, *err; /* files that take its output; NULL: the command's own */
	int keep_fd;	       /* a descriptor that it inherits; -1: none */
};

/*
 * Run a program of PATH, or of the administrators' folders, and wait for it: its exit status,
 * 128 plus the signal that ended it, or -errno if it cannot be run (-ENOENT: there is none).
 */
MUST_USE int child_run(const char *const argv[], const struct child_files *files);

/* A new folder for temporary files; its path. 0 or -errno. */
MUST_USE int child_folder_make(char ret_path[CHILD_PATH_MAX]);
void child_folder_remove(const char *path); /* and all that is in it */

#endif /* CMD_CHILD_H */

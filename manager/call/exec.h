#ifndef CALL_EXEC_H
#define CALL_EXEC_H
/*
 * exec.h - from the name of a program to what the shim must map. Layer: call.
 *
 *	exec_script.c   the line "#!interpreter argument"
 *	exec_load.c     opens and checks the program and its interpreter; changes nothing
 *	exec_first.c    the first program: found by PATH, as seen inside
 *	exec.c          the calls: load, end the other threads, replace, answer the plan
 *
 * Order    every check comes before the first change, so that a failed execve leaves
 *          the process as it was.
 * Limit    EXEC_SCRIPTS_MAX scripts that lead to one another; EXEC_LINE_SIZE bytes of a
 *          script's first line count.
 * Owner    a struct exec owns what it refers to: exec_free().
 * Thread   scheduler thread only; a server task loads while others go on.
 *
 * Way down: call_execve -> exec_load -> elf_parse, stub_text_find; then process_exec.
 */
#include "call/call.h"
#include "call/elf.h"
#include "call/stub_cache.h"

#define EXEC_SCRIPTS_MAX 5u
#define EXEC_LINE_SIZE 256u
#define EXEC_HEAD_SIZE 4096u
#define EXEC_NAME_SIZE (REQUEST_STRING_SIZE + 32u) /* a path, or one behind "/dev/fd/N/" */
#define EXEC_PREFIX_SIZE (EXEC_NAME_SIZE + EXEC_SCRIPTS_MAX * EXEC_LINE_SIZE)
#define EXEC_STACK_MIN (128u * 1024u)
#define EXEC_STACK_MAX (1u << 30)

/* ---- exec_script.c */
struct exec_script {
	const char *interpreter;
	const char *argument; /* NULL: none */
};
/*
 * Read a script's first line. `line` holds the file's first EXEC_LINE_SIZE bytes, zeroes
 * behind its end; it is cut up, and *ret points into it. 0 or -ENOEXEC.
 */
MUST_USE int exec_script_parse(char line[EXEC_LINE_SIZE], struct exec_script *ret);

/* ---- exec_load.c */
struct exec_file {
	struct dentry *dentry; /* NULL: not there */
	struct elf_image elf;
	struct stub_text *text;	    /* patched copy; NULL: none */
	struct vfs_mapping mapping; /* host_fd: a duplicate of ours; -1: none yet */
};

struct exec {
	char name[EXEC_NAME_SIZE]; /* what was asked for: AT_EXECFN, and a script's own name */
	bool name_closes;	   /* the name is by a descriptor that exec closes */
	struct exec_file program, interpreter;
	/* A script: strings, NUL-terminated, that replace argv[0]. */
	uint32_t prefix_count, prefix_size;
	char prefix[EXEC_PREFIX_SIZE];
	int fault; /* elf_why(), after -ENOEXEC, -EINVAL or -ELIBBAD; 0: none */
	uint8_t head[EXEC_HEAD_SIZE];
};

MUST_USE int exec_new(struct exec **ret); /* 0 or -ENOMEM */
void exec_free(struct exec *e);		  /* NULL is fine */
/*
 * Check and read all that running `d` (taken over; name and name_closes are set) takes.
 * 0 or what execve answers.
 */
MUST_USE int exec_load(struct exec *e, const struct vfs *view, struct dentry *d) MAY_YIELD;

/* ---- exec_first.c */
/* The program that the manager was started for, found by PATH if it has to be. As exec_load(). */
MUST_USE int exec_load_first(struct exec *e, const struct vfs *view, const struct call_first *first)
	MAY_YIELD;
/* Why that failed: how a sentence about the program goes on; NULL: its errno says it all. */
const char *exec_start_why(void);
int exec_start_error(void); /* its errno; 0: it did not fail */

#endif /* CALL_EXEC_H */

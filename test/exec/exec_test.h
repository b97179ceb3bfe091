#ifndef TEST_EXEC_EXEC_TEST_H
#define TEST_EXEC_EXEC_TEST_H
/*
 * exec_test.h - one process with one thread in a tree, and a client that is only its
 * memory: calls are made by call_serve(), descriptors sent are kept as the shim would.
 * Layer: test.
 *
 *	EXEC_TEST(name) { ... }    a body in a task, with the process there
 *
 * Thread   one.
 */
#include "call/call.h"
#include "test/vfs/vfs_test.h"

void run_with_process(void (*fn)(void));
#define EXEC_TEST(name)                          \
	static void name##_body(void) MAY_YIELD; \
	static void name(void)                   \
	{                                        \
		run_with_process(name##_body);   \
	}                                        \
	static void name##_body(void)

extern struct process *process;
extern struct thread *thread;
extern struct request request;	  /* of the call made last */
extern int client_fd[PROC_SLOTS]; /* what the shim would hold; -1: nothing */
extern unsigned int sent_count;	  /* descriptors sent since the process was made */
extern bool send_fails;		  /* from now on */
extern unsigned int killed;	  /* times the process was sent SIGKILL */

/* The tree: the machine's own, read-only, under memory. Call it first. */
void use_machine(void) MAY_YIELD;
/* A file in the tree, with these bytes. */
void put_file(const char *path, const void *bytes, size_t size, uint32_t mode) MAY_YIELD;
void put_text(const char *path, const char *text, uint32_t mode) MAY_YIELD;
/* Copy a file of the machine's into the tree. */
void put_copy(const char *path, const char *host_path, uint32_t mode) MAY_YIELD;
/* open(2) by a call: the descriptor or -errno. */
int open_fd(const char *path, int flags) MAY_YIELD;

/* execve(2) with argv = { words..., } NUL-separated, `size` bytes with the last NUL. */
int64_t exec_words(const char *path, const char *words, size_t size) MAY_YIELD;
int64_t exec_path(const char *path) MAY_YIELD; /* argv[0] = path */
int64_t exec_at(int dir_fd, const char *path, int flags) MAY_YIELD;
/* The same with arguments of one's own; the strings are put with request_bytes(). */
int64_t exec_arguments(const uint64_t arg[6]) MAY_YIELD;
unsigned char *request_bytes(uint64_t offset); /* of the bounce buffer */
int64_t run_start(void) MAY_YIELD;
/* The plan it answered, copied: until the next one. */
const struct run_plan *plan_of(void);
/* The strings of the plan's prefix, '|' behind each. */
const char *prefix_of(void);

/* mmap of a file. The answer is copied to *ret. */
struct mmap_request {
	int fd;
	uint64_t prot, flags, offset, length;
	bool plain;
};
int64_t map_fd(const struct mmap_request *m, struct run_map *ret) MAY_YIELD;

/* Another thread of the process that ends as soon as it is told to. */
void add_thread(void);

#endif /* TEST_EXEC_EXEC_TEST_H */

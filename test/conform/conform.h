#ifndef CONFORM_H
#define CONFORM_H
/*
 * conform.h - small POSIX cases that print what they see. Layer: test.
 *
 * The same program runs on the host's kernel and inside hascall; test/conform/run compares what
 * each case printed. So a case prints nothing that may differ between two good systems: no numbers
 * of processes or inodes, no device numbers, no sizes of directories, no times.
 *
 * Order    cases run one after the other, each in a process and an empty folder of its own.
 * Limit    CASE_SECONDS for each.
 *
 * Way down: main -> run_case -> fork -> conform_case.fn.
 */
#include <stddef.h>
#include <stdint.h>

#define CASE_SECONDS 80 /* rename_matrix takes 8 on a busy machine; less than the limit of `run` */

struct conform_case {
	const char *name;
	void (*fn)(void);
};

#define CASE(fn)               \
	{                      \
#fn, case_##fn \
	}

/* Tables of cases, one a file; each ends with a case without a name. */
extern const struct conform_case file_cases[], path_cases[], folder_cases[], process_cases[],
	signal_cases[], wait_cases[], socket_cases[], memory_cases[], error_cases[],
	transfer_cases[];

/* Print the text of a call and its result: a number, or the name of the error. */
#define T(call) tell(#call, (long)(call))
void tell(const char *what, long result);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What the path is now: kind, mode, links, size (of files), target (of links). */
void show(const char *path);
/* The bytes of a small file, unprintable ones as \ooo. */
void show_text(const char *path);
/* A file of that text; ends the case if it cannot be made. */
void make_file(const char *path, const char *text);
/* Run fn in a child; print how it ended. */
void in_child(void (*fn)(void));
void print_status(int status);
void sleep_ms(long ms);

#endif /* CONFORM_H */

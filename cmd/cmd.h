#ifndef CMD_CMD_H
#define CMD_CMD_H
/*
 * cmd.h - the sub-commands of hascall: one file each. Layer: cmd.
 */
#include "base/cc.h"

/* Exit statuses of hascall itself; a program's own pass through. */
enum {
	CMD_USAGE = 2,
	CMD_FAILED = 125, /* hascall itself failed */
	CMD_NOT_EXECUTABLE = 126,
	CMD_NOT_FOUND = 127,
};

#define CMD_VERSION "0.1.0"

/* argv[0] is the sub-command's name. Returns the exit status. */
int cmd_run(int argc, char **argv);
int cmd_mkfs(int argc, char **argv);
int cmd_fsck(int argc, char **argv);
int cmd_cp(int argc, char **argv);
int cmd_stat(int argc, char **argv);

/* A number that is not 0, with K, M, G or T after it if `with_unit`. */
bool cmd_read_number(const char *text, bool with_unit, uint64_t *ret);

/* "hascall run: MESSAGE" on standard error. */
void cmd_complain(const char *command, const char *format, ...) PRINTF_LIKE(2, 3);

#endif /* CMD_CMD_H */

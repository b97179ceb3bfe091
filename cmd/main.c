/*
 * main.c - the hascall command: hands the arguments to a sub-command.
 */
#include "cmd/cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{ "run", cmd_run, "run a program inside the POSIX manager" },
	{ "mkfs", cmd_mkfs, "make an image file with a file system in it" },
	{ "fsck", cmd_fsck, "check an image file, or repair it" },
	{ "cp", cmd_cp, "copy files into an image file, or out of it" },
	{ "stat", cmd_stat, "describe an image file, or a file in it" },
};

static void usage(FILE *to)
{
	fprintf(to, "usage: hascall COMMAND [ARGUMENT...]\n\ncommands:\n");
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fprintf(to, "\n'hascall COMMAND --help' tells more about one of them.\n");
}

void cmd_complain(const char *command, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "hascall%s%s: ", command ? " " : "", command ? command : "");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return CMD_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("hascall %s\n", CMD_VERSION);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	cmd_complain(NULL, "there is no command '%s'; 'hascall --help' lists them", argv[1]);
	return CMD_USAGE;
}

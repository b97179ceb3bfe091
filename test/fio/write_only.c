/* SPDX-License-Identifier: MIT */
/*
 * write_only.c - loaded before the C library: open() of the file that the variable
 * WRITE_ONLY names gives a descriptor that cannot be read. So fio's reads get -EBADF.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int open64(const char *path, int flags, ...)
{
	const char *name = getenv("WRITE_ONLY");
	va_list more;
	mode_t mode;

	va_start(more, flags);
	mode = va_arg(more, mode_t);
	va_end(more);
	if (name && strcmp(path, name) == 0)
		flags = (flags & ~O_ACCMODE) | O_WRONLY;
	return openat(AT_FDCWD, path, flags, mode);
}

#ifndef TEST_KERNEL_TRACE_H
#define TEST_KERNEL_TRACE_H
/*
 * trace.h - the kernel's own tracing of system calls, for tests. Layer: test.
 *
 * Owner    the tracing is the whole guest's: trace_begin switches it on, trace_end off.
 * Thread   one.
 */
#include "base/cc.h"
#include "test/harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRACE_AT "/tmp/tracing"
#define TRACE_EVENT TRACE_AT "/events/raw_syscalls/sys_enter/"

static inline void trace_write(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_TRUNC);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Trace calls of one number. Skips the test where the kernel cannot. */
static inline void trace_begin(unsigned int number)
{
	char filter[32];

	mkdir(TRACE_AT, 0700);
	if (mount("tracefs", TRACE_AT, "tracefs", 0, NULL) < 0)
		SKIP("this kernel has no tracefs");
	if (access(TRACE_EVENT "enable", W_OK) < 0) {
		umount(TRACE_AT);
		SKIP("this kernel does not trace system calls");
	}
	snprintf(filter, sizeof(filter), "id == %u", number);
	trace_write(TRACE_EVENT "filter", filter);
	trace_write(TRACE_EVENT "enable", "1");
}

/* How many calls were traced. */
static inline unsigned int trace_end(void)
{
	FILE *trace = fopen(TRACE_AT "/trace", "re");
	unsigned int count = 0;
	char line[256];

	CHECK(trace);
	while (fgets(line, sizeof(line), trace))
		count += strstr(line, "sys_enter: NR ") != NULL;
	fclose(trace);
	trace_write(TRACE_EVENT "enable", "0");
	trace_write(TRACE_EVENT "filter", "0");
	CHECK_INT(umount(TRACE_AT), 0);
	return count;
}

#endif /* TEST_KERNEL_TRACE_H */

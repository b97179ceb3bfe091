/* SPDX-License-Identifier: MIT */
#include "lib/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a call of the C library gave, as the kernel said it; errno as it was. */
static long answer(long r, int saved_errno)
{
	long said = r < 0 ? -errno : r;

	errno = saved_errno;
	return said;
}

static long begin_patched(const struct async_syscall_setup *setup)
{
	int saved_errno = errno;

	return answer(syscall(ASYNC_SYSCALL_INIT_NUMBER, setup, 0), saved_errno);
}

static long begin_device(const struct async_syscall_setup *setup)
{
	int saved_errno = errno;
	/* open() and close() are cancellation points: the lock of the areas is held. */
	int fd = (int)syscall(SYS_openat, AT_FDCWD, HASCALL_DEVICE, O_RDONLY | O_CLOEXEC);
	long r;

	if (fd < 0) {
		errno = saved_errno;
		return -ENOSYS;
	}
	r = answer(ioctl(fd, HASCALL_BEGIN, setup), saved_errno);
	if (r < 0)
		syscall(SYS_close, fd);
	return r < 0 ? r : fd;
}

int kernel_begin(const struct async_syscall_setup *setup, struct kernel_area *ret)
{
	const char *wanted = secure_getenv("HASCALL_KERNEL");
	long handle = -ENOSYS;
	bool patched = true;

	if (wanted && strcmp(wanted, "1") == 0) {
		handle = begin_patched(setup);
		if (handle == -ENOSYS) {
			patched = false;
			handle = begin_device(setup);
		}
	}
	*ret = (struct kernel_area){ .handle = handle < 0 ? -1 : (int)handle, .patched = patched };
	return handle < 0 ? (int)handle : 0;
}

void kernel_forget(struct kernel_area *area)
{
	int saved_errno = errno;

	if (area->handle >= 0 && area->patched)
		syscall(ASYNC_SYSCALL_INIT_NUMBER, NULL, area->handle);
	else if (area->handle >= 0)
		syscall(SYS_close, area->handle);
	area->handle = -1;
	errno = saved_errno;
}

long kernel_lend(const struct kernel_area *area, struct async_syscall_executor *record)
{
	int saved_errno = errno;

	if (area->patched)
		return answer(syscall(ASYNC_SYSCALL_EXEC_NUMBER, area->handle, record),
			      saved_errno);
	return answer(ioctl(area->handle, HASCALL_EXEC, record), saved_errno);
}

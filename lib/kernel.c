/* SPDX-License-Identifier: MIT */
#include "lib/kernel.h"

#include "lib/do_syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_wanted(void)
{
	const char *wanted = secure_getenv("HASCALL_KERNEL");

	return !wanted || strcmp(wanted, "0") != 0;
}

/*
 * Not open(): that is a cancellation point, as close() is, and locks may be held. Whatever bears
 * that name, to open it takes no time and makes it nobody's terminal.
 */
static int open_device(void)
{
	return (int)syscall(SYS_openat, AT_FDCWD, HASCALL_DEVICE,
			    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* Written before main(). */
static bool device_was_seen;

/*
 * The loader has just made calls like these. A program without a loader has not, and a filter
 * may kill it for them: there, it is looked for when it is wanted, by a thread without a filter.
 */
static __attribute__((constructor)) void look_for_device(void)
{
	int saved_errno = errno;
	bool has_loader = getauxval(AT_BASE) != 0;
	int fd = -1;

	if (is_wanted() && has_loader && getauxval(AT_ASYNC_SYSCALL) == 0)
		fd = open_device();
	device_was_seen = !has_loader;
	if (fd >= 0) {
		device_was_seen = true;
		syscall(SYS_close, fd);
	}
	errno = saved_errno;
}

static int begin_patched(const struct async_syscall_setup *setup, struct kernel_area *ret)
{
	long number = syscall(ASYNC_SYSCALL_INIT_NUMBER, setup, 0);

	if (number < 0)
		return -errno;
	*ret = (struct kernel_area){ .handle = (int)number, .patched = true };
	return 0;
}

static int begin_device(const struct async_syscall_setup *setup, struct kernel_area *ret)
{
	struct stat status;
	int fd = open_device();
	int r;

	if (fd < 0)
		return -ENOSYS;
	r = ioctl(fd, HASCALL_BEGIN, setup) < 0 || fstat(fd, &status) < 0 ? -errno : 0;
	if (r < 0) {
		syscall(SYS_close, fd);
		return r;
	}
	*ret = (struct kernel_area){ .handle = fd, .device = status.st_rdev };
	return 0;
}

/* The module will not have its workers; and to look for the device could be deadly by now. */
static bool is_filtered(void)
{
	return syscall(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) != 0;
}

int kernel_begin(const struct async_syscall_setup *setup, struct kernel_area *ret)
{
	int saved_errno = errno;
	int r = -ENOSYS;

	*ret = (struct kernel_area){ .handle = -1 };
	if (is_wanted() && getauxval(AT_ASYNC_SYSCALL) == ASYNC_SYSCALL_INIT_NUMBER)
		r = begin_patched(setup, ret);
	else if (is_wanted() && device_was_seen && !is_filtered())
		r = begin_device(setup, ret);
	errno = saved_errno;
	return r;
}

/* If the application has closed it, its number may be that of another file by now. */
static bool has_device(const struct kernel_area *area)
{
	struct stat status;

	return fstat(area->handle, &status) == 0 && S_ISCHR(status.st_mode) &&
	       status.st_rdev == area->device;
}

void kernel_forget(struct kernel_area *area)
{
	int saved_errno = errno;

	if (area->handle >= 0 && area->patched)
		syscall(ASYNC_SYSCALL_INIT_NUMBER, NULL, area->handle);
	else if (area->handle >= 0 && has_device(area))
		syscall(SYS_close, area->handle);
	area->handle = -1;
	errno = saved_errno;
}

/* A patched kernel gives a child none of them; its number may be that of an area of the child's. */
void kernel_forget_in_child(struct kernel_area *area)
{
	if (area->patched)
		area->handle = -1;
	else
		kernel_forget(area);
}

long kernel_lend(const struct kernel_area *area, struct async_syscall_executor *record,
		 const uint32_t *word)
{
	uint64_t handle = (uint64_t)area->handle;
	uint64_t address = (uintptr_t)record;
	int saved_errno = errno;
	bool may_lend = area->patched || has_device(area);
	const struct slot_call patched = {
		.num = ASYNC_SYSCALL_EXEC_NUMBER,
		.arg = { handle, address },
	};
	const struct slot_call device = { .num = SYS_ioctl,
					  .arg = { handle, HASCALL_EXEC, address } };

	errno = saved_errno;
	if (!may_lend)
		return -EBADF;
	return syscall_unless(area->patched ? &patched : &device, word, KERNEL_LEND_NOT);
}

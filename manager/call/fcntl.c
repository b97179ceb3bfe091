/* SPDX-License-Identifier: MIT */
/* fcntl.c - fcntl(2) and ioctl(2): what a descriptor is told by a command. */
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#define LARGEFILE 0100000 /* what Linux shows of every file a 64-bit program opened */

static int64_t dup_from(struct request *req, struct file *f, bool cloexec)
{
	uint64_t limit = process_fd_limit(req->process);

	if (req->arg[2] >= limit || req->arg[2] >= FD_MAX)
		return -EINVAL;
	return fd_install(req->process->fds, file_get(f), cloexec, (uint32_t)req->arg[2], limit);
}

static int64_t lock_record(struct request *req, struct file *f, int cmd) MAY_YIELD
{
	struct fd_table *owner = req->process->fds;
	struct flock lock;
	int r = request_in(req, 3, sizeof(lock), &lock);

	if (r < 0)
		return r;
	r = file_lock_posix(f, owner, req->process->pid, cmd, &lock);
	/* Closed while it waited for the lock, or the process ended: nobody will release it. */
	if (fd_peek(req->process->fds, request_int(req, 0)) != f) {
		file_lock_release_owner(f, owner);
		return r < 0 ? r : -EBADF;
	}
	if (r == 0 && (cmd == F_GETLK || cmd == F_OFD_GETLK))
		r = request_out(req, 3, &lock, sizeof(lock));
	return r;
}

static bool works_on_path(int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC || cmd == F_GETFD || cmd == F_SETFD ||
	       cmd == F_GETFL;
}

int64_t call_fcntl(struct request *req)
{
	AUTO_FILE f = request_file_any(req, 0);
	uint32_t fd = (uint32_t)req->arg[0];
	int cmd = request_int(req, 1);

	if (!f || ((f->flags & O_PATH) && !works_on_path(cmd)))
		return -EBADF;
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return dup_from(req, f, cmd == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return fd_cloexec(req->process->fds, fd) ? FD_CLOEXEC : 0;
	case F_SETFD:
		fd_set_cloexec(req->process->fds, fd, req->arg[2] & FD_CLOEXEC);
		return 0;
	case F_GETFL:
		return f->flags | (f->dentry && !(f->flags & O_PATH) ? LARGEFILE : 0);
	case F_SETFL:
		return file_set_flags(f, request_int(req, 2));
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return lock_record(req, f, cmd);
	case F_SETOWN:
		f->owner = request_int(req, 2);
		return 0;
	case F_GETOWN:
		return f->owner;
	case F_SETPIPE_SZ:
		return req->arg[2] > INT32_MAX ? -EINVAL : pipe_resize(f, req->arg[2]);
	case F_GETPIPE_SZ:
		return pipe_size(f);
	default:
		return -EINVAL;
	}
}

/* ---- ioctl. */

#define IN 1u
#define OUT 2u
#define INOUT 3u
struct ioctl_form {
	uint32_t command, way, size;
};
static const struct ioctl_form forms[] = {
#define IOCTL(command, name, way, size) { command, way, size },
#include "hascall/run_ioctls.def"
#undef IOCTL
};
#define IOCTL_SIZE_MAX 64u /* every command's bytes fit, and a handler always gets room */

static const struct ioctl_form *find_form(uint32_t command)
{
	for (unsigned int i = 0; i < ARRAY_COUNT(forms); i++) {
		if (forms[i].command == command)
			return &forms[i];
	}
	return NULL;
}

int64_t call_ioctl(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);
	uint32_t command = (uint32_t)req->arg[1];
	const struct ioctl_form *form = find_form(command);
	unsigned char bytes[IOCTL_SIZE_MAX] __attribute__((aligned(8))) = { 0 };
	int r = 0;

	if (!f)
		return -EBADF;
	if (command == FIOCLEX || command == FIONCLEX) {
		fd_set_cloexec(req->process->fds, (uint32_t)req->arg[0], command == FIOCLEX);
		return 0;
	}
	assert(!form || form->size <= IOCTL_SIZE_MAX);
	if (form && (form->way & IN))
		r = request_in(req, 3, form->size, bytes);
	if (r == 0)
		r = file_ioctl(f, command, bytes, req->arg[2]);
	if (r >= 0 && form && (form->way & OUT)) {
		int out = request_out(req, 3, bytes, form->size);

		r = out < 0 ? out : r;
	}
	return r;
}

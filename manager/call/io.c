/* SPDX-License-Identifier: MIT */
/* io.c - calls on open descriptors: data, position, descriptors themselves. */
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

int64_t within_file_limit(const struct request *req, const struct file *f, uint64_t offset,
			  uint64_t size)
{
	uint64_t limit = req->process->limit[RLIMIT_FSIZE].soft;
	const struct inode *inode = file_inode(f);

	if (limit == UINT64_MAX || size == 0 || !inode || inode->type != S_IFREG)
		return (int64_t)size;
	if (offset >= limit) {
		proc_signal_caller(SIGXFSZ);
		return -EFBIG;
	}
	return (int64_t)(size < limit - offset ? size : limit - offset);
}

int64_t prepare_write(const struct request *req, const struct file *f, uint64_t offset,
		      uint64_t size)
{
	int64_t allowed = within_file_limit(req, f, offset, size);
	struct inode *inode = file_inode(f);
	int r;

	if (allowed <= 0 || !inode || !file_writable(f))
		return allowed;
	r = vfs_remove_privs(&req->process->cred, inode);
	return r < 0 ? r : allowed;
}

/* A transfer that is made in pieces goes on there, whatever signal comes. */
static void note_regular(struct request *req, const struct file *f)
{
	const struct inode *inode = file_inode(f);

	if (inode && inode->type == S_IFREG)
		req->reply_flags |= RUN_REPLY_REGULAR;
}

/* Where a write goes: only looked up if somebody cares. */
static int write_place(const struct request *req, struct file *f, uint64_t *offset) MAY_YIELD
{
	struct vfs_attr attr;
	int r;

	if (req->process->limit[RLIMIT_FSIZE].soft == UINT64_MAX || !(f->flags & O_APPEND))
		return 0;
	r = file_getattr(f, &attr);
	if (r == 0)
		*offset = attr.size;
	return r;
}

static void tell_read(const struct vfs_caller *caller, const void *end)
{
	const char *at = (const char *)caller - offsetof(struct request, caller);
	const struct request *req = (const void *)at;
	uintptr_t done = (uintptr_t)end - (uintptr_t)req->room;

	/* What is read into some other buffer meanwhile is not the caller's. */
	if (done <= req->room_size)
		req->tell(req, done);
}

/* Where a read puts its bytes: in the caller's sight, which may take them one after the other. */
static int read_room(struct request *req, const struct file *f, void **ret)
{
	int r = request_buffer(req, 1, req->arg[2], ret);

	note_regular(req, f);
	if (r < 0)
		return file_readable(f) ? r : -EBADF;
	req->room = *ret;
	req->room_size = req->arg[2];
	if (req->tell)
		req->caller.tell_read = tell_read;
	return 0;
}

int64_t call_read(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);
	void *bytes;
	int r;

	if (!f)
		return -EBADF;
	r = read_room(req, f, &bytes);
	return r < 0 ? r : file_read(f, bytes, req->arg[2]);
}

/* The buffer went on where no memory is, and of this write no such part is taken. */
static bool needs_the_rest(const struct request *req, const struct file *f)
{
	return req->arg[4] & RUN_WRITE_CUT && f->ops->least_write &&
	       req->arg[2] < f->ops->least_write(f);
}

int64_t call_write(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);
	uint64_t offset;
	void *bytes;
	int64_t r;

	if (!f)
		return -EBADF;
	offset = f->position;
	note_regular(req, f);
	r = request_buffer(req, 1, req->arg[2], &bytes);
	if (r == 0 && needs_the_rest(req, f))
		r = -EFAULT;
	if (r == 0)
		r = write_place(req, f, &offset);
	if (r == 0)
		r = prepare_write(req, f, offset, req->arg[2]);
	return r < 0 ? r : file_write(f, bytes, (size_t)r);
}

int64_t call_pread64(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);
	void *bytes;
	int r;

	if (!f)
		return -EBADF;
	r = read_room(req, f, &bytes);
	return r < 0 ? r : file_pread(f, bytes, req->arg[2], req->arg[3]);
}

int64_t call_pwrite64(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);
	uint64_t offset = req->arg[3];
	void *bytes;
	int64_t r;

	if (!f)
		return -EBADF;
	note_regular(req, f);
	r = request_buffer(req, 1, req->arg[2], &bytes);
	if (r == 0)
		r = write_place(req, f, &offset);
	if (r == 0)
		r = prepare_write(req, f, offset, req->arg[2]);
	return r < 0 ? r : file_pwrite(f, bytes, (size_t)r, req->arg[3]);
}

int64_t call_getdents64(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);
	uint64_t size = (uint32_t)req->arg[2];
	void *bytes;
	int r;

	if (!f)
		return -EBADF;
	r = request_buffer(req, 1, size, &bytes);
	return r < 0 ? r : file_getdents(f, bytes, size);
}

int64_t call_lseek(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);

	return f ? file_seek(f, (int64_t)req->arg[1], request_int(req, 2)) : -EBADF;
}

int64_t call_fsync(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);

	return f ? file_sync(f, false) : -EBADF;
}

int64_t call_fdatasync(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);

	return f ? file_sync(f, true) : -EBADF;
}

/* What is above the host's files is in memory: there is nothing to wait for. */
int64_t call_sync(struct request *req)
{
	(void)req;
	vfs_sync_all();
	return 0;
}

int64_t call_syncfs(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);

	if (!f)
		return -EBADF;
	return file_inode(f) ? vfs_sync_fs(file_inode(f)) : 0;
}

/* ---- advice about data that lies in memory already: only the descriptor is checked. */

static uint32_t file_type(const struct file *f)
{
	const struct inode *inode = file_inode(f);

	if (inode)
		return inode->type;
	return strcmp(f->ops->kind, "pipe") == 0 ? S_IFIFO : 0;
}

int64_t call_sync_file_range(struct request *req)
{
	const uint32_t known = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
			       SYNC_FILE_RANGE_WAIT_AFTER;
	AUTO_FILE f = request_file(req, 0);

	if (!f)
		return -EBADF;
	if ((req->arg[3] & ~(uint64_t)known) || (int64_t)req->arg[1] < 0 ||
	    (int64_t)req->arg[2] < 0)
		return -EINVAL;
	return file_type(f) == S_IFREG || file_type(f) == S_IFDIR ? 0 : -ESPIPE;
}

int64_t call_fadvise64(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);

	if (!f)
		return -EBADF;
	if (file_type(f) == S_IFIFO)
		return -ESPIPE;
	return (uint32_t)req->arg[3] > POSIX_FADV_NOREUSE || (int64_t)req->arg[2] < 0 ? -EINVAL : 0;
}

int64_t call_readahead(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);

	if (!f || !file_readable(f))
		return -EBADF;
	return file_type(f) == S_IFREG ? 0 : -EINVAL;
}

int64_t call_ftruncate(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);

	if (!f)
		return -EBADF;
	if ((int64_t)req->arg[1] < 0 || !file_writable(f))
		return -EINVAL;
	if (within_file_limit(req, f, 0, req->arg[1]) != (int64_t)req->arg[1]) {
		proc_signal_caller(SIGXFSZ);
		return -EFBIG;
	}
	return file_truncate(f, &req->process->cred, req->arg[1]);
}

int64_t call_fallocate(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);
	int r;

	if (!f)
		return -EBADF;
	if (within_file_limit(req, f, req->arg[2], req->arg[3]) != (int64_t)req->arg[3])
		return -EFBIG;
	r = file_fallocate(f, request_int(req, 1), req->arg[2], req->arg[3]);
	return r < 0 ? r : vfs_remove_privs(&req->process->cred, file_inode(f));
}

int64_t call_flock(struct request *req)
{
	AUTO_FILE f = request_file(req, 0);

	if (!f)
		return -EBADF;
	return file_lock_flock(f, request_int(req, 1));
}

/* ---- descriptors. */

int64_t call_close(struct request *req)
{
	return fd_close(req->process->fds, request_int(req, 0));
}

int64_t call_dup(struct request *req)
{
	struct file *f = request_file_any(req, 0);

	return f ? install_file(req, f, false) : -EBADF;
}

static int64_t dup_to(struct request *req, bool cloexec)
{
	uint32_t to = (uint32_t)req->arg[1];
	struct file *f;

	if (to >= process_fd_limit(req->process))
		return -EBADF;
	f = request_file_any(req, 0);
	if (!f)
		return -EBADF;
	return fd_replace(req->process->fds, f, to, cloexec, process_fd_limit(req->process));
}

int64_t call_dup2(struct request *req)
{
	if (req->arg[0] == req->arg[1])
		return fd_peek(req->process->fds, request_int(req, 0)) ? request_int(req, 0)
								       : -EBADF;
	return dup_to(req, false);
}

int64_t call_dup3(struct request *req)
{
	uint32_t flags = (uint32_t)req->arg[2];

	if ((flags & ~(uint32_t)O_CLOEXEC) || req->arg[0] == req->arg[1])
		return -EINVAL;
	return dup_to(req, flags & O_CLOEXEC);
}

int64_t call_close_range(struct request *req)
{
	uint32_t first = (uint32_t)req->arg[0], last = (uint32_t)req->arg[1];
	uint32_t flags = (uint32_t)req->arg[2];
	struct process *p = req->process;
	struct fd_table *own;
	int64_t fd;
	int r;

	if (first > last || (flags & ~(uint32_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)))
		return -EINVAL;
	if ((flags & CLOSE_RANGE_UNSHARE) && p->fds && p->fds->refs > 1) {
		r = fd_table_copy(p->fds, &own);
		if (r < 0)
			return r;
		fd_table_put(p->fds);
		p->fds = own;
	}
	for (fd = fd_next(p->fds, first); fd >= 0 && fd <= last;
	     fd = fd_next(p->fds, (uint32_t)fd + 1)) {
		if (flags & CLOSE_RANGE_CLOEXEC)
			fd_set_cloexec(p->fds, (uint32_t)fd, true);
		else if (fd_close(p->fds, fd) < 0)
			break;
	}
	return 0;
}

int64_t install_pair(struct request *req, unsigned int i, struct file *f[2], bool cloexec)
{
	struct fd_table *fds = req->process->fds;
	int32_t number[2];
	void *out;
	int64_t r = request_buffer(req, i, sizeof(number), &out);

	if (r == 0)
		r = install_file(req, file_get(f[0]), cloexec);
	if (r >= 0) {
		number[0] = (int32_t)r;
		r = install_file(req, file_get(f[1]), cloexec);
		if (r < 0 && fd_close(fds, number[0]) < 0)
			assert(false); /* it was put there a moment ago */
	}
	if (r >= 0) {
		number[1] = (int32_t)r;
		r = request_out(req, i, number, sizeof(number));
	}
	file_put(f[0]);
	file_put(f[1]);
	return r;
}

/* SPDX-License-Identifier: MIT */
/* open.c - calls that make a descriptor from a name. */
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>

#define OPEN_FLAGS                                                                             \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | \
	 O_ASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | \
	 O_SYNC | O_PATH | O_TMPFILE)
#define LARGEFILE 0100000 /* O_LARGEFILE, which the C library calls 0 here */

/* A view of its own for RESOLVE_IN_ROOT, else the process's. */
struct open_request {
	const struct vfs *view;
	struct dentry *at;
	const char *path;
	int flags;
	uint32_t mode;
};

static int open_dentry(const struct open_request *o, struct dentry **ret) MAY_YIELD
{
	const struct vfs_open how = { .flags = o->flags, .mode = o->mode };

	if ((o->flags & O_TMPFILE) == O_TMPFILE) {
		if (!(o->flags & (O_WRONLY | O_RDWR)))
			return -EINVAL;
		return vfs_tmpfile(o->view, o->at, o->path, o->mode, ret);
	}
	if ((o->flags & O_CREAT) && (o->flags & O_DIRECTORY))
		return -EINVAL;
	return vfs_open(o->view, o->at, o->path, &how, ret);
}

static int64_t open_install(struct request *req, const struct open_request *o) MAY_YIELD
{
	AUTO_DENTRY d = NULL;
	struct file *f;
	int r = open_dentry(o, &d);

	if (r == 0)
		r = file_open(d, o->flags, &f);
	if (r < 0)
		return r;
	return install_file(req, f, o->flags & O_CLOEXEC);
}

int64_t open_at(struct request *req, int32_t dir_fd, unsigned int path, int flags, uint32_t mode)
{
	AUTO_PATH p = { 0 };
	struct open_request o = { .view = &req->process->view, .mode = mode & 07777 };
	int r = request_path(req, path, dir_fd, 0, &p);

	if (r < 0)
		return r;
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	o.at = p.at;
	o.path = p.text;
	o.flags = flags & OPEN_FLAGS;
	return open_install(req, &o);
}

int64_t call_open(struct request *req)
{
	return open_at(req, AT_FDCWD, 0, request_int(req, 1), (uint32_t)req->arg[2]);
}

int64_t call_creat(struct request *req)
{
	return open_at(req, AT_FDCWD, 0, O_CREAT | O_WRONLY | O_TRUNC, (uint32_t)req->arg[1]);
}

int64_t call_openat(struct request *req)
{
	return open_at(req, request_int(req, 0), 1, request_int(req, 2), (uint32_t)req->arg[3]);
}

MUST_USE static int openat2_check(const struct open_how *how)
{
	const uint64_t resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
				 RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;
	bool creates = (how->flags & O_CREAT) || (how->flags & O_TMPFILE) == O_TMPFILE;

	if ((how->flags & ~(uint64_t)(OPEN_FLAGS | LARGEFILE)) || (how->resolve & ~resolve))
		return -EINVAL;
	if (how->mode > 07777 || (how->mode != 0 && !creates))
		return -EINVAL;
	if ((how->resolve & RESOLVE_BENEATH) && (how->resolve & RESOLVE_IN_ROOT))
		return -EINVAL;
	if (how->resolve & RESOLVE_CACHED)
		return -EAGAIN; /* nothing is promised to be cached */
	if (how->resolve & ~(uint64_t)RESOLVE_IN_ROOT)
		return -EOPNOTSUPP;
	return 0;
}

int64_t call_openat2(struct request *req)
{
	struct vfs view = req->process->view;
	struct open_request o = { .view = &view };
	AUTO_PATH p = { 0 };
	struct open_how how;
	int64_t r;

	if (req->arg[3] < sizeof(how))
		return -EINVAL;
	r = request_in(req, 2, sizeof(how), &how);
	if (r == 0)
		r = openat2_check(&how);
	if (r < 0)
		return r;
	if (how.resolve == 0)
		return open_at(req, request_int(req, 0), 1, (int)how.flags, (uint32_t)how.mode);
	/* RESOLVE_IN_ROOT: the directory is the root of the whole walk, for absolute paths too. */
	r = request_path(req, 1, AT_FDCWD, 0, &p);
	if (r == 0 && request_int(req, 0) != AT_FDCWD) {
		const struct file *dir = fd_peek(req->process->fds, request_int(req, 0));

		if (!dir)
			return -EBADF;
		if (!dir->dentry)
			return -ENOTDIR;
		p.at = dentry_get(dir->dentry);
	} else if (r == 0) {
		p.at = dentry_get(view.cwd);
	}
	if (r < 0)
		return r;
	view.root = p.at;
	view.cwd = p.at;
	o.path = p.text;
	o.flags = (int)how.flags & OPEN_FLAGS;
	o.mode = (uint32_t)how.mode;
	return open_install(req, &o);
}

int64_t call_memfd_create(struct request *req)
{
	const uint32_t known = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	uint32_t flags = (uint32_t)req->arg[1];
	struct file *f;
	int r = request_string(req, 0, req->text[0]);

	if (r < 0)
		return r == -ENAMETOOLONG ? -EINVAL : r;
	if ((flags & ~known) || r > 249) /* the kernel's own limit of the name */
		return -EINVAL;
	r = memfd_file_new(req->text[0], O_RDWR, &f);
	return r < 0 ? r : install_file(req, f, flags & MFD_CLOEXEC);
}

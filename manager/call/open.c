/* SPDX-License-Identifier: MIT */
/* open.c - calls that make a descriptor from a name. */
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* O_TMPFILE has O_DIRECTORY in it. */
#define OPEN_FLAGS                                                                                 \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC |     \
	 O_ASYNC | O_DIRECT | O_LARGEFILE | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_SYNC | O_PATH | \
	 O_TMPFILE)
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
	if ((how->resolve & RESOLVE_IN_ROOT) && how->resolve != RESOLVE_IN_ROOT)
		return -EOPNOTSUPP;
	return 0;
}

/* RESOLVE_IN_ROOT: the directory is the root of the whole walk, for absolute paths too. */
static int64_t open_in_root(struct request *req, struct dentry *at, const struct open_how *how)
	MAY_YIELD
{
	struct vfs view = req->process->view;
	const struct open_request o = {
		.view = &view,
		.at = at,
		.path = req->text[0],
		.flags = (int)how->flags & OPEN_FLAGS,
		.mode = (uint32_t)how->mode,
	};

	view.root = at;
	view.cwd = at;
	return open_install(req, &o);
}

static int64_t open_restricted(struct request *req, struct dentry *at, const struct open_how *how)
	MAY_YIELD
{
	const int flags = (int)how->flags & OPEN_FLAGS;
	const struct resolve_request ask = {
		.at = at,
		.resolve = how->resolve,
		.follow_last = !(flags & O_NOFOLLOW) &&
			       (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL),
	};
	struct open_request o = { .view = &req->process->view, .mode = (uint32_t)how->mode };
	AUTO_DENTRY dir = NULL;
	char name[VFS_NAME_MAX + 1];
	int r = resolve_path(req, &ask, &dir, name);

	if (r < 0)
		return r;
	/* A link that takes the name's place meanwhile is not followed. */
	o.flags = flags | r | O_NOFOLLOW;
	o.at = dir;
	o.path = name;
	return open_install(req, &o);
}

/* Where a relative path starts, whatever the path: a directory. */
static int start_dir(const struct request *req, int32_t fd, struct dentry **ret)
{
	const struct file *f = fd == AT_FDCWD ? NULL : fd_peek(req->process->fds, fd);

	if (fd != AT_FDCWD && !f)
		return -EBADF;
	if (f && (!f->dentry || dentry_inode(f->dentry)->type != S_IFDIR))
		return -ENOTDIR;
	*ret = dentry_get(f ? f->dentry : req->process->view.cwd);
	return 0;
}

int64_t call_openat2(struct request *req)
{
	AUTO_DENTRY at = NULL;
	struct open_how how;
	int r;

	if (req->arg[3] < sizeof(how))
		return -EINVAL;
	r = request_in(req, 2, sizeof(how), &how);
	if (r == 0)
		r = openat2_check(&how);
	if (r < 0)
		return r;
	if (how.resolve == 0)
		return open_at(req, request_int(req, 0), 1, (int)how.flags, (uint32_t)how.mode);
	r = request_string(req, 1, req->text[0]);
	if (r >= 0)
		r = start_dir(req, request_int(req, 0), &at);
	if (r < 0)
		return r;
	if (how.resolve & RESOLVE_IN_ROOT)
		return open_in_root(req, at, &how);
	return open_restricted(req, at, &how);
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

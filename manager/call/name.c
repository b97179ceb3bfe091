/* SPDX-License-Identifier: MIT */
/* name.c - calls that make, remove and move names, and places to look from. */
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static int64_t make_directory(struct request *req, int32_t dir_fd, unsigned int path, uint32_t mode)
	MAY_YIELD
{
	AUTO_PATH p = { 0 };
	int r = request_path(req, path, dir_fd, 0, &p);

	return r < 0 ? r : vfs_mkdir(&req->process->view, p.at, p.text, mode & 07777);
}

int64_t call_mkdir(struct request *req)
{
	return make_directory(req, AT_FDCWD, 0, (uint32_t)req->arg[1]);
}

int64_t call_mkdirat(struct request *req)
{
	return make_directory(req, request_int(req, 0), 1, (uint32_t)req->arg[2]);
}

/* path, mode and device are the arguments from index `path` on. */
static int64_t make_node(struct request *req, int32_t dir_fd, unsigned int path) MAY_YIELD
{
	uint32_t mode = (uint32_t)req->arg[path + 1];
	uint64_t device = (uint32_t)req->arg[path + 2];
	AUTO_PATH p = { 0 };
	int r;

	if ((mode & S_IFMT) == 0)
		mode |= S_IFREG;
	switch (mode & S_IFMT) {
	case S_IFCHR:
	case S_IFBLK:
		if (!req->process->cred.privileged)
			return -EPERM;
		break;
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		device = 0;
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	r = request_path(req, path, dir_fd, 0, &p);
	return r < 0 ? r : vfs_mknod(&req->process->view, p.at, p.text, mode, device);
}

int64_t call_mknod(struct request *req)
{
	return make_node(req, AT_FDCWD, 0);
}

int64_t call_mknodat(struct request *req)
{
	return make_node(req, request_int(req, 0), 1);
}

static int64_t remove_name(struct request *req, int32_t dir_fd, unsigned int path, bool directory)
	MAY_YIELD
{
	const struct vfs *view = &req->process->view;
	AUTO_PATH p = { 0 };
	int r = request_path(req, path, dir_fd, 0, &p);

	if (r < 0)
		return r;
	return directory ? vfs_rmdir(view, p.at, p.text) : vfs_unlink(view, p.at, p.text);
}

int64_t call_unlink(struct request *req)
{
	return remove_name(req, AT_FDCWD, 0, false);
}

int64_t call_rmdir(struct request *req)
{
	return remove_name(req, AT_FDCWD, 0, true);
}

int64_t call_unlinkat(struct request *req)
{
	uint32_t flags = (uint32_t)req->arg[2];

	if (flags & ~(uint32_t)AT_REMOVEDIR)
		return -EINVAL;
	return remove_name(req, request_int(req, 0), 1, flags & AT_REMOVEDIR);
}

/* Directory descriptors and argument indexes of the two paths of a call. */
struct two_paths {
	int32_t old_fd, new_fd;
	unsigned int old_path, new_path;
};
static const struct two_paths plain_paths = { AT_FDCWD, AT_FDCWD, 0, 1 };

static struct two_paths paths_at(const struct request *req)
{
	return (struct two_paths){ request_int(req, 0), request_int(req, 2), 1, 3 };
}

static int64_t rename_name(struct request *req, const struct two_paths *t, unsigned int flags)
	MAY_YIELD
{
	AUTO_PATH from = { 0 };
	AUTO_PATH to = { 0 };
	int r;

	if (flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL; /* RENAME_WHITEOUT is the overlay's own */
	if ((flags & RENAME_NOREPLACE) && (flags & RENAME_EXCHANGE))
		return -EINVAL;
	r = request_path(req, t->old_path, t->old_fd, 0, &from);
	if (r == 0)
		r = request_path(req, t->new_path, t->new_fd, 1, &to);
	if (r < 0)
		return r;
	return vfs_rename(&req->process->view, from.at, from.text, to.at, to.text, flags);
}

int64_t call_rename(struct request *req)
{
	return rename_name(req, &plain_paths, 0);
}

int64_t call_renameat(struct request *req)
{
	const struct two_paths t = paths_at(req);

	return rename_name(req, &t, 0);
}

int64_t call_renameat2(struct request *req)
{
	const struct two_paths t = paths_at(req);

	return rename_name(req, &t, (unsigned int)req->arg[4]);
}

static int64_t link_name(struct request *req, const struct two_paths *t, int flags) MAY_YIELD
{
	AUTO_OBJECT from = { 0 };
	AUTO_PATH to = { 0 };
	struct dentry *d;
	int walk_flags = flags & AT_EMPTY_PATH;
	int r;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!(flags & AT_SYMLINK_FOLLOW))
		walk_flags |= AT_SYMLINK_NOFOLLOW;
	r = request_object(req, t->old_fd, t->old_path, walk_flags, &from);
	if (r == 0 && from.file && !req->process->cred.privileged)
		r = -ENOENT; /* a name for a descriptor is root's right */
	if (r == 0)
		r = request_path(req, t->new_path, t->new_fd, 1, &to);
	if (r < 0)
		return r;
	d = from.file ? from.file->dentry : from.dentry;
	return d ? vfs_link(&req->process->view, d, to.at, to.text) : -EXDEV;
}

int64_t call_link(struct request *req)
{
	return link_name(req, &plain_paths, 0);
}

int64_t call_linkat(struct request *req)
{
	const struct two_paths t = paths_at(req);

	return link_name(req, &t, request_int(req, 4));
}

static int64_t make_symlink(struct request *req, int32_t dir_fd, unsigned int path) MAY_YIELD
{
	AUTO_PATH p = { 0 };
	int r = request_string(req, 0, req->text[1]);

	if (r == 0)
		return -ENOENT;
	if (r > 0)
		r = request_path(req, path, dir_fd, 0, &p);
	return r < 0 ? r : vfs_symlink(&req->process->view, req->text[1], p.at, p.text);
}

int64_t call_symlink(struct request *req)
{
	return make_symlink(req, AT_FDCWD, 1);
}

int64_t call_symlinkat(struct request *req)
{
	return make_symlink(req, request_int(req, 1), 2);
}

/* Room and its size are the arguments after the path. */
static int64_t read_link(struct request *req, int32_t dir_fd, unsigned int path) MAY_YIELD
{
	int32_t size = request_int(req, path + 2);
	AUTO_OBJECT object = { 0 };
	struct inode *inode;
	int r;

	if (size <= 0)
		return -EINVAL;
	if ((uint32_t)size > REQUEST_STRING_SIZE)
		size = REQUEST_STRING_SIZE;
	/* The empty path means a link held open (O_PATH | O_NOFOLLOW), and nothing else. */
	r = request_object(req, dir_fd, path,
			   AT_SYMLINK_NOFOLLOW | (dir_fd == AT_FDCWD ? 0 : AT_EMPTY_PATH), &object);
	if (r < 0)
		return r;
	inode = call_object_inode(&object);
	if (object.file && (!inode || inode->type != S_IFLNK))
		return -ENOENT;
	if (inode->type != S_IFLNK)
		return -EINVAL;
	r = vfs_readlink(inode, req->text[1], (size_t)size);
	if (r > 0) {
		int out = request_out(req, path + 1, req->text[1], (size_t)r);

		r = out < 0 ? out : r;
	}
	return r;
}

int64_t call_readlink(struct request *req)
{
	return read_link(req, AT_FDCWD, 0);
}

int64_t call_readlinkat(struct request *req)
{
	return read_link(req, request_int(req, 0), 1);
}

/* ---- where the process looks from. */

/* The directory that argument 0 names, if the process may enter it. */
static int find_place(struct request *req, struct dentry **ret) MAY_YIELD
{
	struct process *p = req->process;
	AUTO_PATH path = { 0 };
	AUTO_DENTRY d = NULL;
	int r = request_path(req, 0, AT_FDCWD, 0, &path);

	if (r == 0)
		r = vfs_walk(&p->view, NULL, path.text, VFS_FOLLOW | VFS_DIRECTORY, &d);
	if (r == 0)
		r = vfs_permission(&p->cred, dentry_inode(d), VFS_MAY_EXEC);
	if (r < 0)
		return r;
	*ret = dentry_get(d);
	return 0;
}

int64_t call_chdir(struct request *req)
{
	struct dentry *d, *old;
	int r = find_place(req, &d);

	if (r < 0)
		return r;
	old = req->process->view.cwd;
	req->process->view.cwd = d;
	dentry_put(old);
	return 0;
}

int64_t call_fchdir(struct request *req)
{
	struct process *p = req->process;
	AUTO_FILE f = request_file_any(req, 0);
	struct dentry *old;
	int r;

	if (!f)
		return -EBADF;
	if (!f->dentry || file_inode(f)->type != S_IFDIR)
		return -ENOTDIR;
	r = vfs_permission(&p->cred, file_inode(f), VFS_MAY_EXEC);
	if (r < 0)
		return r;
	old = p->view.cwd;
	p->view.cwd = dentry_get(f->dentry);
	dentry_put(old);
	return 0;
}

int64_t call_chroot(struct request *req)
{
	struct dentry *d, *old;
	int r = find_place(req, &d);

	if (r < 0)
		return r;
	if (req->process->cred.euid != 0) {
		dentry_put(d);
		return -EPERM;
	}
	old = req->process->view.root;
	req->process->view.root = d;
	dentry_put(old);
	return 0;
}

int64_t call_getcwd(struct request *req)
{
	const struct vfs *view = &req->process->view;
	int r;

	if (dentry_unlinked(view->cwd))
		return -ENOENT;
	r = dentry_path(view, view->cwd, req->text[0], REQUEST_STRING_SIZE);
	if (r < 0)
		return r;
	if ((uint64_t)r + 1 > req->arg[1])
		return -ERANGE;
	return request_out(req, 0, req->text[0], (size_t)r + 1) < 0 ? -EFAULT : r + 1;
}

int64_t call_umask(struct request *req)
{
	uint32_t old = req->process->view.umask;

	req->process->view.umask = (uint32_t)req->arg[0] & 0777;
	return old;
}

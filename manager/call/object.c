/* SPDX-License-Identifier: MIT */
/* object.c - what a call is about: the thing that a descriptor, a path or both name. */
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>

int request_object(const struct request *req, int32_t dir_fd, unsigned int path, int flags,
		   struct call_object *ret)
{
	const struct vfs *view = &req->process->view;
	AUTO_PATH p = { 0 };
	bool is_null = !request_has(req, path) && (flags & AT_EMPTY_PATH);
	int r = is_null ? 0 : request_path(req, path, AT_FDCWD, 0, &p);

	if (r < 0)
		return r;
	*ret = (struct call_object){ 0 };
	if (is_null || p.text[0] == '\0') {
		if (!(flags & AT_EMPTY_PATH))
			return -ENOENT;
		if (dir_fd == AT_FDCWD)
			ret->dentry = dentry_get(view->cwd);
		else
			ret->file = fd_get(req->process->fds, dir_fd);
		return ret->dentry || ret->file ? 0 : -EBADF;
	}
	r = request_path(req, path, dir_fd, 0, &p);
	if (r < 0)
		return r;
	return vfs_walk(view, p.at, p.text, flags & AT_SYMLINK_NOFOLLOW ? 0 : VFS_FOLLOW,
			&ret->dentry);
}

int request_object_fd(const struct request *req, unsigned int i, struct call_object *ret)
{
	*ret = (struct call_object){ .file = request_file_any(req, i) };
	return ret->file ? 0 : -EBADF;
}

void call_object_drop(struct call_object *object)
{
	file_put(object->file);
	dentry_put(object->dentry);
}

struct inode *call_object_inode(const struct call_object *object)
{
	return object->file ? file_inode(object->file) : dentry_inode(object->dentry);
}

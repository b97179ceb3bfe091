/* SPDX-License-Identifier: MIT */
/* xattr.c - extended attributes. The name is the argument after the object, then value and size. */
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>

/* The object of the call is argument 0: a path (followed or not) or a descriptor. */
enum xattr_by { BY_PATH, BY_LINK, BY_FD };

static int xattr_object(const struct request *req, enum xattr_by by, struct call_object *ret)
	MAY_YIELD
{
	int r;

	if (by == BY_FD) {
		r = request_object_fd(req, 0, ret);
		return r == 0 && (ret->file->flags & O_PATH) ? -EBADF : r;
	}
	return request_object(req, AT_FDCWD, 0, by == BY_LINK ? AT_SYMLINK_NOFOLLOW : 0, ret);
}

/* Object and, in req->text[1], the name. Files without a name have no attributes: -EOPNOTSUPP. */
static int xattr_begin(const struct request *req, enum xattr_by by, bool with_name,
		       struct call_object *ret) MAY_YIELD
{
	int r = with_name ? request_string(req, 1, req->text[1]) : 0;

	if (r == -ENAMETOOLONG || r > (int)VFS_XATTR_NAME_MAX || (with_name && r == 0))
		return -ERANGE;
	if (r >= 0)
		r = xattr_object(req, by, ret);
	if (r == 0 && !call_object_inode(ret))
		r = -EOPNOTSUPP;
	return r;
}

static int64_t set_xattr(struct request *req, enum xattr_by by) MAY_YIELD
{
	AUTO_OBJECT object = { 0 };
	struct vfs_bytes value = { .size = req->arg[3] };
	void *copy;
	int r;

	if (req->arg[4] & ~UINT64_C(3)) /* XATTR_CREATE, XATTR_REPLACE */
		return -EINVAL;
	if (value.size > VFS_XATTR_SIZE_MAX)
		return -E2BIG;
	r = xattr_begin(req, by, true, &object);
	if (r < 0)
		return r;
	copy = malloc(value.size > 0 ? value.size : 1);
	if (!copy)
		return -ENOMEM;
	value.data = copy;
	r = request_in(req, 2, value.size, copy);
	if (r == 0)
		r = vfs_setxattr(&req->process->cred, call_object_inode(&object), req->text[1],
				 &value, request_int(req, 4));
	free(copy);
	return r;
}

static int64_t get_xattr(struct request *req, enum xattr_by by) MAY_YIELD
{
	uint64_t size = req->arg[3] < VFS_XATTR_SIZE_MAX ? req->arg[3] : VFS_XATTR_SIZE_MAX;
	AUTO_OBJECT object = { 0 };
	void *bytes = NULL;
	int r = xattr_begin(req, by, true, &object);

	if (r == 0)
		r = request_buffer(req, 2, size, &bytes);
	if (r < 0)
		return r;
	return vfs_getxattr(&req->process->cred, call_object_inode(&object), req->text[1], bytes,
			    size);
}

static int64_t list_xattr(struct request *req, enum xattr_by by) MAY_YIELD
{
	uint64_t size = req->arg[2] < VFS_XATTR_SIZE_MAX ? req->arg[2] : VFS_XATTR_SIZE_MAX;
	AUTO_OBJECT object = { 0 };
	void *bytes = NULL;
	int r = xattr_begin(req, by, false, &object);

	if (r == -EOPNOTSUPP && object.file)
		return 0; /* it has no name, and so it has none */

	if (r == 0)
		r = request_buffer(req, 1, size, &bytes);
	if (r < 0)
		return r;
	return vfs_listxattr(&req->process->cred, call_object_inode(&object), bytes, size);
}

static int64_t remove_xattr(struct request *req, enum xattr_by by) MAY_YIELD
{
	AUTO_OBJECT object = { 0 };
	int r = xattr_begin(req, by, true, &object);

	if (r < 0)
		return r;
	return vfs_removexattr(&req->process->cred, call_object_inode(&object), req->text[1]);
}

int64_t call_setxattr(struct request *req)
{
	return set_xattr(req, BY_PATH);
}

int64_t call_lsetxattr(struct request *req)
{
	return set_xattr(req, BY_LINK);
}

int64_t call_fsetxattr(struct request *req)
{
	return set_xattr(req, BY_FD);
}

int64_t call_getxattr(struct request *req)
{
	return get_xattr(req, BY_PATH);
}

int64_t call_lgetxattr(struct request *req)
{
	return get_xattr(req, BY_LINK);
}

int64_t call_fgetxattr(struct request *req)
{
	return get_xattr(req, BY_FD);
}

int64_t call_listxattr(struct request *req)
{
	return list_xattr(req, BY_PATH);
}

int64_t call_llistxattr(struct request *req)
{
	return list_xattr(req, BY_LINK);
}

int64_t call_flistxattr(struct request *req)
{
	return list_xattr(req, BY_FD);
}

int64_t call_removexattr(struct request *req)
{
	return remove_xattr(req, BY_PATH);
}

int64_t call_lremovexattr(struct request *req)
{
	return remove_xattr(req, BY_LINK);
}

int64_t call_fremovexattr(struct request *req)
{
	return remove_xattr(req, BY_FD);
}

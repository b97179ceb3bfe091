/* SPDX-License-Identifier: MIT */
/* attribute.c - what a file is: stat and its family, rights, owners, times, sizes. */
#include "call/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static_assert(sizeof(struct stat) == 144, "run_calls.def");
static_assert(sizeof(struct statx) == 256, "run_calls.def");
static_assert(sizeof(struct statfs) == 120, "run_calls.def");

static int object_attr(const struct call_object *object, struct vfs_attr *ret) MAY_YIELD
{
	return object->file ? file_getattr(object->file, ret)
			    : vfs_getattr(dentry_inode(object->dentry), ret);
}

static int64_t put_stat(struct request *req, unsigned int out, const struct call_object *object)
	MAY_YIELD
{
	struct vfs_attr a;
	struct stat st;
	int r = object_attr(object, &a);

	if (r < 0)
		return r;
	memset(&st, 0, sizeof(st));
	st.st_dev = a.dev;
	st.st_ino = a.ino;
	st.st_nlink = a.nlink;
	st.st_mode = a.mode;
	st.st_uid = a.uid;
	st.st_gid = a.gid;
	st.st_rdev = a.rdev;
	st.st_size = (int64_t)a.size;
	st.st_blksize = (int64_t)a.blksize;
	st.st_blocks = (int64_t)a.blocks;
	st.st_atim = a.atime;
	st.st_mtim = a.mtime;
	st.st_ctim = a.ctime;
	return request_out(req, out, &st, sizeof(st));
}

static int64_t stat_path(struct request *req, int32_t dir_fd, unsigned int path, int flags)
	MAY_YIELD
{
	AUTO_OBJECT object = { 0 };
	int r = request_object(req, dir_fd, path, flags, &object);

	return r < 0 ? r : put_stat(req, path + 1, &object);
}

int64_t call_stat(struct request *req)
{
	return stat_path(req, AT_FDCWD, 0, 0);
}

int64_t call_lstat(struct request *req)
{
	return stat_path(req, AT_FDCWD, 0, AT_SYMLINK_NOFOLLOW);
}

int64_t call_newfstatat(struct request *req)
{
	int flags = request_int(req, 3);

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
		return -EINVAL;
	return stat_path(req, request_int(req, 0), 1, flags);
}

int64_t call_fstat(struct request *req)
{
	AUTO_OBJECT object = { 0 };
	int r = request_object_fd(req, 0, &object);

	return r < 0 ? r : put_stat(req, 1, &object);
}

static struct statx_timestamp statx_time(const struct timespec *t)
{
	return (struct statx_timestamp){ .tv_sec = t->tv_sec, .tv_nsec = (uint32_t)t->tv_nsec };
}

int64_t call_statx(struct request *req)
{
	const int known = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT |
			  AT_STATX_SYNC_TYPE;
	int flags = request_int(req, 2);
	AUTO_OBJECT object = { 0 };
	struct vfs_attr a;
	struct statx st;
	int r;

	if ((flags & ~known) || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE ||
	    (req->arg[3] & STATX__RESERVED))
		return -EINVAL;
	r = request_object(req, request_int(req, 0), 1, flags, &object);
	if (r == 0)
		r = object_attr(&object, &a);
	if (r < 0)
		return r;
	memset(&st, 0, sizeof(st));
	st.stx_mask = STATX_BASIC_STATS;
	if (a.btime.tv_sec != 0 || a.btime.tv_nsec != 0)
		st.stx_mask |= STATX_BTIME;
	st.stx_blksize = a.blksize;
	st.stx_nlink = a.nlink;
	st.stx_uid = a.uid;
	st.stx_gid = a.gid;
	st.stx_mode = (uint16_t)a.mode;
	st.stx_ino = a.ino;
	st.stx_size = a.size;
	st.stx_blocks = a.blocks;
	st.stx_atime = statx_time(&a.atime);
	st.stx_btime = statx_time(&a.btime);
	st.stx_ctime = statx_time(&a.ctime);
	st.stx_mtime = statx_time(&a.mtime);
	st.stx_rdev_major = major(a.rdev);
	st.stx_rdev_minor = minor(a.rdev);
	st.stx_dev_major = major(a.dev);
	st.stx_dev_minor = minor(a.dev);
	return request_out(req, 4, &st, sizeof(st));
}

/* ---- may I? */

static int64_t may_access(struct request *req, int32_t dir_fd, unsigned int path, int flags)
	MAY_YIELD
{
	struct process *p = req->process;
	uint32_t mode = (uint32_t)req->arg[path + 1];
	struct vfs_cred cred = p->cred;
	struct vfs view = p->view;
	AUTO_PATH where = { 0 };
	AUTO_OBJECT object = { 0 };
	int r;

	if ((mode & ~7u) || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	if (!(flags & AT_EACCESS)) { /* asked for the real user, names on the way too */
		cred.fsuid = cred.uid;
		cred.fsgid = cred.gid;
		cred.privileged = cred.uid == 0;
	}
	view.cred = &cred;
	r = request_path(req, path, dir_fd, 0, &where);
	if (r == 0 && where.text[0] != '\0')
		r = vfs_walk(&view, where.at, where.text,
			     flags & AT_SYMLINK_NOFOLLOW ? 0 : VFS_FOLLOW, &object.dentry);
	else if (r == 0 || (r == -ENOTDIR && (flags & AT_EMPTY_PATH)))
		r = request_object(req, dir_fd, path, flags, &object);
	if (r < 0)
		return r;
	if (mode == F_OK || !call_object_inode(&object))
		return 0;
	/* access(2)'s R_OK, W_OK and X_OK are the bits of VFS_MAY_. */
	return vfs_permission(&cred, call_object_inode(&object), mode);
}

int64_t call_access(struct request *req)
{
	return may_access(req, AT_FDCWD, 0, 0);
}

int64_t call_faccessat(struct request *req)
{
	return may_access(req, request_int(req, 0), 1, 0);
}

int64_t call_faccessat2(struct request *req)
{
	return may_access(req, request_int(req, 0), 1, request_int(req, 3));
}

/* ---- changes. */

static bool held_by_name_only(const struct call_object *object)
{
	return object->file && (object->file->flags & O_PATH);
}

static int64_t change_mode(struct request *req, const struct call_object *object, uint32_t mode)
	MAY_YIELD
{
	struct inode *inode = call_object_inode(object);

	return inode ? vfs_chmod(&req->process->cred, inode, mode & 07777) : 0;
}

static int64_t change_mode_at(struct request *req, int32_t dir_fd, unsigned int path, int flags)
	MAY_YIELD
{
	AUTO_OBJECT object = { 0 };
	int r;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	r = request_object(req, dir_fd, path, flags, &object);
	if (r == 0 && object.dentry && dentry_inode(object.dentry)->type == S_IFLNK)
		r = -EOPNOTSUPP;
	return r < 0 ? r : change_mode(req, &object, (uint32_t)req->arg[path + 1]);
}

int64_t call_chmod(struct request *req)
{
	return change_mode_at(req, AT_FDCWD, 0, 0);
}

int64_t call_fchmodat(struct request *req)
{
	return change_mode_at(req, request_int(req, 0), 1, 0);
}

int64_t call_fchmodat2(struct request *req)
{
	return change_mode_at(req, request_int(req, 0), 1, request_int(req, 3));
}

int64_t call_fchmod(struct request *req)
{
	AUTO_OBJECT object = { 0 };
	int r = request_object_fd(req, 0, &object);

	if (r < 0 || held_by_name_only(&object))
		return -EBADF;
	return change_mode(req, &object, (uint32_t)req->arg[1]);
}

/* Owner and group are the arguments from index `ids` on. */
static int64_t change_owner(struct request *req, const struct call_object *object, unsigned int ids)
	MAY_YIELD
{
	struct inode *inode = call_object_inode(object);

	return inode ? vfs_chown(&req->process->cred, inode, (uint32_t)req->arg[ids],
				 (uint32_t)req->arg[ids + 1])
		     : 0;
}

static int64_t change_owner_at(struct request *req, int32_t dir_fd, unsigned int path, int flags)
	MAY_YIELD
{
	AUTO_OBJECT object = { 0 };
	int r;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	r = request_object(req, dir_fd, path, flags, &object);
	return r < 0 ? r : change_owner(req, &object, path + 1);
}

int64_t call_chown(struct request *req)
{
	return change_owner_at(req, AT_FDCWD, 0, 0);
}

int64_t call_lchown(struct request *req)
{
	return change_owner_at(req, AT_FDCWD, 0, AT_SYMLINK_NOFOLLOW);
}

int64_t call_fchownat(struct request *req)
{
	return change_owner_at(req, request_int(req, 0), 1, request_int(req, 4));
}

int64_t call_fchown(struct request *req)
{
	AUTO_OBJECT object = { 0 };
	int r = request_object_fd(req, 0, &object);

	if (r < 0 || held_by_name_only(&object))
		return -EBADF;
	return change_owner(req, &object, 1);
}

int64_t call_truncate(struct request *req)
{
	AUTO_OBJECT object = { 0 };
	struct inode *inode;
	int r;

	if ((int64_t)req->arg[1] < 0)
		return -EINVAL;
	r = request_object(req, AT_FDCWD, 0, 0, &object);
	if (r < 0)
		return r;
	inode = call_object_inode(&object);
	if (inode->type != S_IFREG)
		return inode->type == S_IFDIR ? -EISDIR : -EINVAL;
	return vfs_truncate(&req->process->cred, inode, req->arg[1], false);
}

/* ---- times. */

static int64_t change_times(struct request *req, const struct call_object *object,
			    const struct timespec *times) MAY_YIELD
{
	struct inode *inode = call_object_inode(object);

	return inode ? vfs_utimens(&req->process->cred, inode, times) : 0;
}

static int64_t change_times_at(struct request *req, int32_t dir_fd, unsigned int path,
			       const struct timespec *times) MAY_YIELD
{
	AUTO_OBJECT object = { 0 };
	int r = request_object(req, dir_fd, path, 0, &object);

	return r < 0 ? r : change_times(req, &object, times);
}

static bool nanoseconds_valid(const struct timespec *t)
{
	return t->tv_nsec == UTIME_NOW || t->tv_nsec == UTIME_OMIT ||
	       (t->tv_nsec >= 0 && t->tv_nsec < 1000000000);
}

int64_t call_utimensat(struct request *req)
{
	int flags = request_int(req, 3);
	bool has_times = request_has(req, 2);
	AUTO_OBJECT object = { 0 };
	struct timespec times[2];
	int r = has_times ? request_in(req, 2, sizeof(times), times) : 0;

	if (r < 0)
		return r;
	if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) ||
	    (has_times && !(nanoseconds_valid(&times[0]) && nanoseconds_valid(&times[1]))))
		return -EINVAL;
	if (has_times && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (request_has(req, 1))
		r = request_object(req, request_int(req, 0), 1, flags, &object);
	else if (flags != 0)
		r = -EINVAL;
	else
		r = request_object_fd(req, 0, &object);
	if (r == 0 && !request_has(req, 1) && held_by_name_only(&object))
		r = -EBADF;
	return r < 0 ? r : change_times(req, &object, has_times ? times : NULL);
}

/* struct timeval [2] at argument `times`. */
static int64_t change_times_micro(struct request *req, int32_t dir_fd, unsigned int path) MAY_YIELD
{
	struct timeval old[2];
	struct timespec times[2];
	int r;

	if (!request_has(req, path + 1))
		return change_times_at(req, dir_fd, path, NULL);
	r = request_in(req, path + 1, sizeof(old), old);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < 2; i++) {
		if (old[i].tv_usec < 0 || old[i].tv_usec >= 1000000)
			return -EINVAL;
		times[i] = (struct timespec){ old[i].tv_sec, old[i].tv_usec * 1000 };
	}
	return change_times_at(req, dir_fd, path, times);
}

int64_t call_utimes(struct request *req)
{
	return change_times_micro(req, AT_FDCWD, 0);
}

int64_t call_futimesat(struct request *req)
{
	return change_times_micro(req, request_int(req, 0), 1);
}

int64_t call_utime(struct request *req)
{
	int64_t old[2];
	struct timespec times[2] = { { 0 } };
	int r;

	if (!request_has(req, 1))
		return change_times_at(req, AT_FDCWD, 0, NULL);
	r = request_in(req, 1, sizeof(old), old);
	if (r < 0)
		return r;
	times[0].tv_sec = old[0];
	times[1].tv_sec = old[1];
	return change_times_at(req, AT_FDCWD, 0, times);
}

/* ---- file systems. */

static int64_t put_statfs(struct request *req, struct inode *inode) MAY_YIELD
{
	struct vfs_statfs v;
	struct statfs st;
	int r = vfs_statfs(inode, &v);

	if (r < 0)
		return r;
	memset(&st, 0, sizeof(st));
	st.f_type = (int64_t)v.type;
	st.f_bsize = (int64_t)v.bsize;
	st.f_frsize = (int64_t)v.bsize;
	st.f_blocks = v.blocks;
	st.f_bfree = v.bfree;
	st.f_bavail = v.bavail;
	st.f_files = v.files;
	st.f_ffree = v.ffree;
	st.f_namelen = (int64_t)v.namelen;
	st.f_flags = 0x20 | (inode->fs->read_only ? 1 : 0); /* ST_VALID, ST_RDONLY */
	return request_out(req, 1, &st, sizeof(st));
}

int64_t call_statfs(struct request *req)
{
	AUTO_OBJECT object = { 0 };
	int r = request_object(req, AT_FDCWD, 0, 0, &object);

	return r < 0 ? r : put_statfs(req, call_object_inode(&object));
}

int64_t call_fstatfs(struct request *req)
{
	AUTO_FILE f = request_file_any(req, 0);
	struct statfs st = { .f_type = 0x50495045 }; /* what pipes and sockets say */

	if (!f)
		return -EBADF;
	if (file_inode(f))
		return put_statfs(req, file_inode(f));
	st.f_bsize = 4096;
	st.f_frsize = 4096;
	st.f_namelen = VFS_NAME_MAX;
	return request_out(req, 1, &st, sizeof(st));
}

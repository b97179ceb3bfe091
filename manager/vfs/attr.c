#include "vfs/perm.h"

#include <errno.h>
#include <sys/stat.h>

#define MODE_BITS 07777u
#define NO_ID UINT32_MAX /* chown: leave as it is */

int vfs_getattr(struct inode *inode, struct vfs_attr *ret)
{
	return inode->ops->getattr(inode, ret);
}

/* May attributes of this inode change at all? */
static int check_settable(const struct inode *inode)
{
	if (inode->fs->read_only)
		return -EROFS;
	return inode->ops->setattr ? 0 : -EPERM;
}

int vfs_chmod(const struct vfs_cred *cred, struct inode *inode, uint32_t mode)
{
	struct vfs_attr attr = { .ctime = vfs_now() };
	struct perm perm;
	int r = check_settable(inode);

	if (r == 0)
		r = inode_perm(inode, &perm);
	if (r < 0)
		return r;
	if (!cred_owns(cred, perm.uid))
		return -EPERM;
	if (S_ISLNK(inode->type))
		return -EOPNOTSUPP;
	attr.mode = inode->type | (mode & MODE_BITS);
	if (!cred->privileged && !cred_in_group(cred, perm.gid))
		attr.mode &= ~(uint32_t)S_ISGID;
	return inode->ops->setattr(inode, &attr, VFS_SET_MODE | VFS_SET_CTIME);
}

/* The mode without the bits that would let others run it as its owner. */
static uint32_t without_privileges(const struct vfs_cred *cred, const struct perm *perm)
{
	uint32_t mode = perm->mode & ~(uint32_t)S_ISUID;

	/* Without group execution the bit means nothing, and its group may keep it. */
	if ((mode & S_IXGRP) || !(cred->privileged || cred_in_group(cred, perm->gid)))
		mode &= ~(uint32_t)S_ISGID;
	return mode;
}

int vfs_chown(const struct vfs_cred *cred, struct inode *inode, uint32_t uid, uint32_t gid)
{
	struct vfs_attr attr = { .uid = uid, .gid = gid, .ctime = vfs_now() };
	unsigned int set = VFS_SET_CTIME;
	struct perm perm;
	int r = check_settable(inode);

	if (r == 0)
		r = inode_perm(inode, &perm);
	if (r < 0)
		return r;
	if (!cred->privileged) {
		bool owner = cred->fsuid == perm.uid;

		if (uid != NO_ID && !(owner && uid == perm.uid))
			return -EPERM;
		if (gid != NO_ID && !(owner && (gid == perm.gid || cred_in_group(cred, gid))))
			return -EPERM;
	}
	if (uid != NO_ID)
		set |= VFS_SET_UID;
	if (gid != NO_ID)
		set |= VFS_SET_GID;
	attr.mode = S_ISDIR(inode->type) ? perm.mode : without_privileges(cred, &perm);
	if (attr.mode != perm.mode) {
		if (!cred_owns(cred, perm.uid)) /* a chown that changes nothing still does this */
			return -EPERM;
		set |= VFS_SET_MODE;
	}
	return inode->ops->setattr(inode, &attr, set);
}

int vfs_remove_privs(const struct vfs_cred *cred, struct inode *inode)
{
	struct vfs_attr attr = { .ctime = vfs_now() };
	struct perm perm;
	int r;

	if (cred->privileged || !S_ISREG(inode->type))
		return 0;
	r = inode_perm(inode, &perm);
	if (r < 0)
		return r;
	attr.mode = without_privileges(cred, &perm);
	if (attr.mode == perm.mode || !inode->ops->setattr)
		return 0;
	return inode->ops->setattr(inode, &attr, VFS_SET_MODE | VFS_SET_CTIME);
}

int vfs_truncate(const struct vfs_cred *cred, struct inode *inode, uint64_t size,
		 bool by_descriptor)
{
	struct vfs_attr attr, now;
	unsigned int set = VFS_SET_SIZE;
	struct perm perm;
	int r;

	if (S_ISDIR(inode->type))
		return -EISDIR;
	if (!S_ISREG(inode->type) || size > INT64_MAX)
		return -EINVAL;
	if (!by_descriptor) {
		r = vfs_permission(cred, inode, VFS_MAY_WRITE);
		if (r < 0)
			return r;
		if (inode->exec_maps > 0)
			return -ETXTBSY;
	}
	r = check_settable(inode);
	if (r == 0)
		r = inode->ops->getattr(inode, &attr);
	if (r < 0)
		return r;
	now = (struct vfs_attr){ .size = size, .mode = attr.mode, .mtime = vfs_now() };
	now.ctime = now.mtime;
	/* truncate(2) to the same size is no change; ftruncate(2) and O_TRUNC always are one. */
	if (by_descriptor || size != attr.size)
		set |= VFS_SET_MTIME | VFS_SET_CTIME;
	perm = (struct perm){ attr.mode, attr.uid, attr.gid };
	if (!cred->privileged)
		now.mode = without_privileges(cred, &perm);
	if (now.mode != attr.mode)
		set |= VFS_SET_MODE;
	return inode->ops->setattr(inode, &now, set);
}

static bool time_valid(const struct timespec *t)
{
	return t->tv_nsec == UTIME_NOW || t->tv_nsec == UTIME_OMIT ||
	       (t->tv_nsec >= 0 && t->tv_nsec < 1000000000);
}

static void choose_time(const struct timespec *wanted, const struct timespec *now, unsigned int bit,
			struct timespec *ret, unsigned int *set)
{
	if (wanted->tv_nsec == UTIME_OMIT)
		return;
	*ret = wanted->tv_nsec == UTIME_NOW ? *now : *wanted;
	*set |= bit;
}

int vfs_utimens(const struct vfs_cred *cred, struct inode *inode, const struct timespec times[2])
{
	struct vfs_attr attr = { .ctime = vfs_now() };
	unsigned int set = VFS_SET_CTIME;
	struct perm perm;
	int r;

	if (times && (!time_valid(&times[0]) || !time_valid(&times[1])))
		return -EINVAL;
	if (times && times[0].tv_nsec == UTIME_OMIT && times[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (times && times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW)
		times = NULL;
	r = check_settable(inode);
	if (r == 0)
		r = inode_perm(inode, &perm);
	if (r < 0)
		return r;
	/* "Now" is for whoever may write the file; any other time is for its owner. */
	if (!cred_owns(cred, perm.uid)) {
		if (times)
			return -EPERM;
		r = vfs_permission(cred, inode, VFS_MAY_WRITE);
		if (r < 0)
			return r;
	}
	if (times) {
		choose_time(&times[0], &attr.ctime, VFS_SET_ATIME, &attr.atime, &set);
		choose_time(&times[1], &attr.ctime, VFS_SET_MTIME, &attr.mtime, &set);
	} else {
		attr.atime = attr.ctime;
		attr.mtime = attr.ctime;
		set |= VFS_SET_ATIME | VFS_SET_MTIME;
	}
	return inode->ops->setattr(inode, &attr, set);
}

int vfs_statfs(struct inode *inode, struct vfs_statfs *ret)
{
	if (!inode->fs->statfs)
		return -ENOSYS;
	return inode->fs->statfs(inode->fs, ret);
}

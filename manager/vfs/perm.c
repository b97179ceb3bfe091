#include "vfs/perm.h"

#include "vfs/acl.h"
#include "vfs/dentry.h"

#include <errno.h>
#include <sys/stat.h>

/* What Debian sets. */
static struct vfs_protect protect = { .symlinks = 1, .hardlinks = 1, .regular = 2, .fifos = 1 };

void vfs_set_protect(const struct vfs_protect *p)
{
	protect = *p;
}

int inode_perm(struct inode *inode, struct perm *ret)
{
	struct vfs_attr attr;
	int r;

	if (inode->has_perm) {
		*ret = (struct perm){ inode->mode, inode->uid, inode->gid };
		return 0;
	}
	r = inode->ops->getattr(inode, &attr);
	if (r < 0)
		return r;
	*ret = (struct perm){ attr.mode, attr.uid, attr.gid };
	return 0;
}

void vfs_act_for(const struct vfs_caller *caller)
{
	task_carry(caller);
}

const struct vfs_cred *vfs_acting_for(void)
{
	const struct vfs_caller *caller = task_carried();

	return caller ? caller->cred : NULL;
}

void vfs_tell_read(const void *end)
{
	const struct vfs_caller *caller = task_carried();

	if (caller && caller->tell_read)
		caller->tell_read(caller, end);
}

bool cred_in_group(const struct vfs_cred *cred, uint32_t gid)
{
	if (cred->fsgid == gid)
		return true;
	for (uint32_t i = 0; i < cred->group_count; i++)
		if (cred->groups[i] == gid)
			return true;
	return false;
}

/* What the access list or, without one, the mode says of somebody who is not the owner. */
static int check_others(const struct vfs_cred *cred, struct inode *inode, const struct perm *perm,
			unsigned int may) MAY_YIELD
{
	const struct vfs_acl *acl = NULL;
	uint32_t granted = perm->mode;
	int r;

	/* With a mask that allows nothing Linux does not ask the list: the mode decides. */
	if (perm->mode & S_IRWXG && inode->acl[VFS_ACL_ACCESS]) {
		r = inode_acl(inode, VFS_ACL_ACCESS, &acl);
		if (r < 0)
			return r;
	}
	if (acl)
		return acl_permits(acl, cred, perm->gid, may) ? 0 : -EACCES;
	if (cred_in_group(cred, perm->gid))
		granted >>= 3;
	return may & ~(granted & 7u) ? -EACCES : 0;
}

int vfs_permission(const struct vfs_cred *cred, struct inode *inode, unsigned int may)
{
	struct perm perm;
	int r;

	if ((may & VFS_MAY_WRITE) && inode->fs->read_only &&
	    (S_ISREG(inode->type) || S_ISDIR(inode->type) || S_ISLNK(inode->type)))
		return -EROFS;
	if (cred->privileged && (!(may & VFS_MAY_EXEC) || S_ISDIR(inode->type)))
		return 0;
	r = inode_perm(inode, &perm);
	if (r < 0)
		return r;
	if (cred->privileged) /* even root runs only what somebody may run */
		return perm.mode & 0111 ? 0 : -EACCES;
	if (cred->fsuid == perm.uid)
		return may & ~(perm.mode >> 6 & 7u) ? -EACCES : 0;
	return check_others(cred, inode, &perm, may);
}

int may_change(const struct vfs_cred *cred, struct dentry *dir)
{
	if (dentry_unlinked(dir))
		return -ENOENT;
	return vfs_permission(cred, dir->inode, VFS_MAY_WRITE | VFS_MAY_EXEC);
}

/* In a sticky directory only the owner of the file or of the directory removes a name. */
static int check_sticky(const struct vfs_cred *cred, struct inode *dir, struct inode *victim)
	MAY_YIELD
{
	struct perm dir_perm, perm;
	int r;

	if (cred->privileged)
		return 0;
	r = inode_perm(dir, &dir_perm);
	if (r < 0 || !(dir_perm.mode & S_ISVTX) || dir_perm.uid == cred->fsuid)
		return r;
	r = inode_perm(victim, &perm);
	if (r < 0)
		return r;
	return perm.uid == cred->fsuid ? 0 : -EPERM;
}

int may_remove(const struct vfs_cred *cred, struct dentry *dir, struct dentry *victim,
	       bool as_directory)
{
	int r = vfs_permission(cred, dir->inode, VFS_MAY_WRITE | VFS_MAY_EXEC);

	if (r < 0)
		return r;
	r = check_sticky(cred, dir->inode, victim->inode);
	if (r < 0)
		return r;
	if (as_directory && !dentry_is(victim, S_IFDIR))
		return -ENOTDIR;
	if (!as_directory && dentry_is(victim, S_IFDIR))
		return -EISDIR;
	return dentry_unlinked(dir) ? -ENOENT : 0;
}

int may_follow_link(const struct vfs_cred *cred, struct inode *dir, struct inode *link)
{
	const uint32_t shared = S_ISVTX | S_IWOTH;
	struct perm dir_perm, perm;
	int r;

	if (!protect.symlinks)
		return 0;
	r = inode_perm(dir, &dir_perm);
	if (r < 0 || (dir_perm.mode & shared) != shared)
		return r;
	r = inode_perm(link, &perm);
	if (r < 0)
		return r;
	return perm.uid == cred->fsuid || perm.uid == dir_perm.uid ? 0 : -EACCES;
}

int may_hard_link(const struct vfs_cred *cred, struct inode *inode)
{
	struct perm perm;
	int r;

	if (!protect.hardlinks)
		return 0;
	r = inode_perm(inode, &perm);
	if (r < 0 || cred_owns(cred, perm.uid))
		return r;
	if (!S_ISREG(inode->type) || (perm.mode & S_ISUID) ||
	    (perm.mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return -EPERM;
	return vfs_permission(cred, inode, VFS_MAY_READ | VFS_MAY_WRITE) < 0 ? -EPERM : 0;
}

/* Level 1 protects in directories that all may write, level 2 in those of a group too. */
int may_create_over(const struct vfs_cred *cred, struct inode *dir, struct inode *inode)
{
	unsigned int level = S_ISREG(inode->type)    ? protect.regular
			     : S_ISFIFO(inode->type) ? protect.fifos
						     : 0;
	struct perm dir_perm, perm;
	int r;

	if (level == 0)
		return 0;
	r = inode_perm(dir, &dir_perm);
	if (r < 0 || !(dir_perm.mode & S_ISVTX))
		return r;
	r = inode_perm(inode, &perm);
	if (r < 0 || perm.uid == dir_perm.uid || perm.uid == cred->fsuid)
		return r;
	if (dir_perm.mode & S_IWOTH)
		return -EACCES;
	return (dir_perm.mode & S_IWGRP) && level >= 2 ? -EACCES : 0;
}

#ifndef VFS_PERM_H
#define VFS_PERM_H
/*
 * perm.h - who may do what. Layer: vfs, inside the folder only.
 *
 * The order of the checks is Linux's: it decides which errno a program sees. The owner has what
 * the mode says; for others an access list stands in the place of the mode (acl.h). Sticky
 * directories and protected links look at modes and owners alone.
 *
 * Way down: vfs_permission -> inode_perm -> inode_ops.getattr (where has_perm is not set).
 */
#include "vfs/vfs.h"

struct perm {
	uint32_t mode, uid, gid;
};

/* Mode and owner, without a call where the inode carries them. */
MUST_USE int inode_perm(struct inode *inode, struct perm *ret) MAY_YIELD;

bool cred_in_group(const struct vfs_cred *cred, uint32_t gid);
static inline bool cred_owns(const struct vfs_cred *cred, uint32_t uid)
{
	return cred->privileged || cred->fsuid == uid;
}

/* vfs_permission of a directory for searching: what a walk asks for each component. */
static inline int may_search(const struct vfs_cred *cred, struct inode *dir) MAY_YIELD
{
	return cred->privileged ? 0 : vfs_permission(cred, dir, VFS_MAY_EXEC);
}

/* Names may be made in or removed from `dir`: ENOENT if it is gone, EROFS, EACCES. */
MUST_USE int may_change(const struct vfs_cred *cred, struct dentry *dir) MAY_YIELD;
/* `victim` (positive) may be removed from `dir`: may_change, sticky bit, type. */
MUST_USE int may_remove(const struct vfs_cred *cred, struct dentry *dir, struct dentry *victim,
			bool as_directory) MAY_YIELD;
/* fs.protected_symlinks, _hardlinks, and _regular with _fifos (O_CREAT in a sticky directory). */
MUST_USE int may_follow_link(const struct vfs_cred *cred, struct inode *dir, struct inode *link)
	MAY_YIELD;
MUST_USE int may_hard_link(const struct vfs_cred *cred, struct inode *inode) MAY_YIELD;
MUST_USE int may_create_over(const struct vfs_cred *cred, struct inode *dir, struct inode *inode)
	MAY_YIELD;

#endif /* VFS_PERM_H */

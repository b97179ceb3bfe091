#ifndef VFS_EXT4_ACL_H
#define VFS_EXT4_ACL_H
/*
 * acl.h - access control lists (vfs/acl.h) as ext4 stores them, where entries that name nobody
 * are short. Layer: vfs/ext4, for xattr.c.
 *
 * Hostile  the disk: what is not a valid list is damage, of this list alone.
 * Owner    memory is the caller's.
 * Thread   scheduler thread only; nothing yields.
 */
#include "vfs/acl.h"

/* Of the disk's form. */
size_t acl_disk_size(const struct vfs_acl *acl);
void acl_to_disk(const struct vfs_acl *acl, void *disk);
/* A heap copy; without entries: NULL. 0, -EUCLEAN or -ENOMEM. */
MUST_USE int acl_from_disk(const void *disk, size_t size, struct vfs_acl **ret);

#endif /* VFS_EXT4_ACL_H */

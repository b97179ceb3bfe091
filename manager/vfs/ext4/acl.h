#ifndef VFS_EXT4_ACL_H
#define VFS_EXT4_ACL_H
/*
 * acl.h - access control lists: as calls give them (acl(5): system.posix_acl_*), and as
 * ext4 stores them, where entries without a user or group are short. Layer: vfs/ext4.
 *
 * Limit    what is here keeps them, and keeps the mode in step; nobody checks permissions by
 *          them, nor do new files inherit the default ones of their directory.
 * Owner    memory is the caller's.
 * Thread   scheduler thread only; nothing yields.
 */
#include "base/cc.h"

#include <stdint.h>
#include <sys/types.h>

#define ACL_ENTRIES_MAX 1024u
#define ACL_DISK_SIZE_MAX (4 + 8 * ACL_ENTRIES_MAX)

/*
 * The call's form, checked as Linux does, becomes the disk's in a buffer of ACL_DISK_SIZE_MAX
 * bytes; its size. *mode gets the permissions of the classes (its other bits are kept), and
 * *ret_plain says that these say all. -EINVAL, -EOPNOTSUPP (another version).
 */
MUST_USE ssize_t acl_to_disk(const void *value, size_t size, void *disk, uint32_t *mode,
			     bool *ret_plain);
/* Back; the size, or if `size` is not 0 and too small -ERANGE; -EUCLEAN. */
MUST_USE ssize_t acl_from_disk(const void *disk, size_t disk_size, void *value, size_t size);
/* chmod: the entries of the classes get these permissions. 0 or -EUCLEAN. */
MUST_USE int acl_chmod(void *disk, size_t disk_size, uint32_t mode);

#endif /* VFS_EXT4_ACL_H */

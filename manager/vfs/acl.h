#ifndef VFS_ACL_H
#define VFS_ACL_H
/*
 * acl.h - access control lists, as acl(5) has them: in memory, in the form in which getxattr(2)
 * gives system.posix_acl_*, and what they say. Layer: vfs; file systems keep them.
 *
 * Order    entries stand by rising tags; among named ones any order, as they were set.
 * Limit    ACL_ENTRIES_MAX entries: what fits into an attribute. A file system may hold fewer.
 * Owner    a list is the caller's, freed by free(). An inode remembers its own, and that it has
 *          none: what inode_acl() lends is valid until the next yield.
 * Thread   scheduler thread only.
 *
 * Way down: vfs_permission -> inode_acl -> inode_ops.get_acl (ext4/acl.c, overlay/data.c), once.
 */
#include "vfs/vfs.h"

enum acl_tag {
	ACL_OWNER = 1,
	ACL_USER = 2,
	ACL_OWNING_GROUP = 4,
	ACL_GROUP = 8,
	ACL_MASK = 16,
	ACL_OTHER = 32,
};
#define ACL_NO_ID UINT32_MAX

/* As calls give it. */
struct acl_entry {
	uint16_t tag;
	uint16_t permissions;
	uint32_t id; /* of ACL_USER and ACL_GROUP; else ACL_NO_ID */
};
static_assert(sizeof(struct acl_entry) == 8, "as calls give it");
#define ACL_ENTRIES_MAX ((VFS_XATTR_SIZE_MAX - 4) / sizeof(struct acl_entry))

struct vfs_acl {
	uint32_t count;
	struct acl_entry entries[];
};

static inline bool acl_is_named(unsigned int tag)
{
	return tag == ACL_USER || tag == ACL_GROUP;
}
/* With room for so many entries; NULL: no memory. */
struct vfs_acl *acl_new(uint32_t count);
/* NULL gives NULL. 0 or -ENOMEM. */
MUST_USE int acl_copy(const struct vfs_acl *from, struct vfs_acl **ret);
/* Frees the lists that something new was to have. */
void acl_free_lists(const struct vfs_attr *attr);
bool acl_same(const struct vfs_acl *a, const struct vfs_acl *b);
/* Has it what a list must have, in its order, and nothing else? */
bool acl_valid(const struct vfs_acl *acl);

/*
 * From the call's form; without entries: NULL. -EINVAL: another size, tag or no id;
 * -EOPNOTSUPP: another version; -ENOMEM. acl_valid() is for the caller to ask.
 */
MUST_USE int acl_parse(const void *value, size_t size, struct vfs_acl **ret);
/* The size, if `size` is 0 nothing is written; -ERANGE. */
MUST_USE ssize_t acl_print(const struct vfs_acl *acl, void *buf, size_t size);

/* The nine permission bits that go with a list; plain: these say all that it says. */
uint32_t acl_mode(const struct vfs_acl *acl, bool *ret_plain);
/* chmod(2): owner, mask (or owning group) and others get these. */
void acl_chmod(struct vfs_acl *acl, uint32_t mode);
/*
 * A copy of a directory's default list becomes the list of something new: neither it nor *mode
 * grants what the other does not.
 */
void acl_inherit(struct vfs_acl *acl, uint32_t *mode);
/* May somebody who does not own the file? `gid`: the file's. The list is valid. */
bool acl_permits(const struct vfs_acl *acl, const struct vfs_cred *cred, uint32_t gid,
		 unsigned int may);

/*
 * ---- what an inode remembers. With inode_ops.get_acl nothing is known at first; without it
 * there is none until inode_acl_set() (a file system in memory needs no other place).
 */
/* Lent; NULL: none. 0, or what the file system says of a damaged one. */
MUST_USE int inode_acl(struct inode *inode, enum vfs_acl_kind kind, const struct vfs_acl **ret)
	MAY_YIELD;
/* Takes over the list; NULL: there is none. */
void inode_acl_set(struct inode *inode, enum vfs_acl_kind kind, struct vfs_acl *acl);
void inode_acl_forget(struct inode *inode, enum vfs_acl_kind kind);
/* inode.c: a new inode; one that nobody has. */
void inode_acl_init(struct inode *inode);
void inode_acl_drop(struct inode *inode);

#endif /* VFS_ACL_H */

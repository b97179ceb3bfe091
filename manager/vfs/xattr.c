/* xattr.c - extended attributes: whose names are whose; access lists are told under two of them. */
#include "vfs/acl.h"
#include "vfs/perm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* ---- access lists. */

static bool is_acl(const char *name, enum vfs_acl_kind *ret)
{
	if (strcmp(name, VFS_XATTR_ACL_ACCESS) == 0)
		*ret = VFS_ACL_ACCESS;
	else if (strcmp(name, VFS_XATTR_ACL_DEFAULT) == 0)
		*ret = VFS_ACL_DEFAULT;
	else
		return false;
	return true;
}

static bool has_acls(const struct inode *inode)
{
	return inode->ops->set_acl && !S_ISLNK(inode->type);
}

static ssize_t get_acl(struct inode *inode, enum vfs_acl_kind kind, void *buf, size_t size)
	MAY_YIELD
{
	const struct vfs_acl *acl;
	int r;

	if (!has_acls(inode))
		return -EOPNOTSUPP;
	r = inode_acl(inode, kind, &acl);
	if (r < 0)
		return r;
	return acl ? acl_print(acl, buf, size) : -ENODATA;
}

/* NULL: it goes. In Linux's order of checks. */
static int set_acl(const struct vfs_cred *cred, struct inode *inode, enum vfs_acl_kind kind,
		   const struct vfs_acl *acl) MAY_YIELD
{
	struct vfs_acl_change change = { .kind = kind, .acl = acl };
	struct perm perm;
	bool plain;
	int r;

	if (!has_acls(inode))
		return -EOPNOTSUPP;
	if (kind == VFS_ACL_DEFAULT && !S_ISDIR(inode->type))
		return acl ? -EACCES : 0;
	r = inode_perm(inode, &perm);
	if (r < 0)
		return r;
	if (!cred_owns(cred, perm.uid))
		return -EPERM;
	if (acl && !acl_valid(acl))
		return -EINVAL;
	if (acl && kind == VFS_ACL_ACCESS) {
		change.set_mode = acl_mode(acl, &plain);
		change.clear_mode = 0777;
		if (!cred->privileged && !cred_in_group(cred, perm.gid))
			change.clear_mode |= S_ISGID;
		if (plain) /* what says no more than the mode is not kept */
			change.acl = NULL;
	}
	return inode->ops->set_acl(inode, &change);
}

static int set_acl_value(const struct vfs_cred *cred, struct inode *inode, enum vfs_acl_kind kind,
			 const struct vfs_bytes *value) MAY_YIELD
{
	struct vfs_acl *acl;
	int r;

	if (inode->fs->read_only)
		return -EROFS;
	r = acl_parse(value->data, value->size, &acl);
	if (r < 0)
		return r;
	r = set_acl(cred, inode, kind, acl);
	free(acl);
	return r;
}

/* ---- names. */

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static int check_xattr_name(const char *name)
{
	size_t len = strnlen(name, VFS_XATTR_NAME_MAX + 1);

	if (len == 0 || len > VFS_XATTR_NAME_MAX)
		return -ERANGE;
	if (has_prefix(name, "user.") || has_prefix(name, "trusted.") ||
	    has_prefix(name, "security."))
		return *(strchr(name, '.') + 1) ? 0 : -EINVAL;
	return -EOPNOTSUPP;
}

static int check_xattr(const struct vfs_cred *cred, struct inode *inode, const char *name,
		       bool writing) MAY_YIELD
{
	struct perm perm;
	int r = check_xattr_name(name);

	if (r < 0)
		return r;
	if (writing && inode->fs->read_only)
		return -EROFS;
	if (has_prefix(name, "trusted.") && !cred->privileged)
		return writing ? -EPERM : -ENODATA;
	if (has_prefix(name, "security."))
		return writing && !cred->privileged ? -EPERM : 0;
	if (has_prefix(name, "user.")) {
		if (!S_ISREG(inode->type) && !S_ISDIR(inode->type))
			return writing ? -EPERM : -ENODATA;
		r = inode_perm(inode, &perm);
		if (r < 0)
			return r;
		if (writing && S_ISDIR(inode->type) && (perm.mode & S_ISVTX) &&
		    !cred_owns(cred, perm.uid))
			return -EPERM;
		return vfs_permission(cred, inode, writing ? VFS_MAY_WRITE : VFS_MAY_READ);
	}
	return 0;
}

ssize_t vfs_getxattr(const struct vfs_cred *cred, struct inode *inode, const char *name, void *buf,
		     size_t size)
{
	enum vfs_acl_kind kind;
	int r;

	if (is_acl(name, &kind))
		return get_acl(inode, kind, buf, size);
	r = check_xattr(cred, inode, name, false);
	if (r < 0)
		return r;
	if (!inode->ops->getxattr)
		return -EOPNOTSUPP;
	return inode->ops->getxattr(inode, name, buf, size);
}

int vfs_setxattr(const struct vfs_cred *cred, struct inode *inode, const char *name,
		 const struct vfs_bytes *value, int flags)
{
	enum vfs_acl_kind kind;
	int r;

	if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	if (value->size > VFS_XATTR_SIZE_MAX)
		return -E2BIG;
	if (is_acl(name, &kind)) /* the flags say nothing here */
		return set_acl_value(cred, inode, kind, value);
	r = check_xattr(cred, inode, name, true);
	if (r < 0)
		return r;
	if (!inode->ops->setxattr)
		return -EOPNOTSUPP;
	return inode->ops->setxattr(inode, name, value->data, value->size, flags);
}

/* Takes "trusted." names out of a list of terminated names; the new size. */
static ssize_t hide_trusted(char *buf, ssize_t size)
{
	ssize_t kept = 0;

	for (ssize_t at = 0; at < size;) {
		ssize_t len = (ssize_t)strlen(buf + at) + 1;

		if (!has_prefix(buf + at, "trusted.")) {
			memmove(buf + kept, buf + at, (size_t)len);
			kept += len;
		}
		at += len;
	}
	return kept;
}

ssize_t vfs_listxattr(const struct vfs_cred *cred, struct inode *inode, char *buf, size_t size)
{
	ssize_t r;

	if (!inode->ops->listxattr)
		return 0;
	r = inode->ops->listxattr(inode, buf, size);
	return r > 0 && size > 0 && !cred->privileged ? hide_trusted(buf, r) : r;
}

int vfs_removexattr(const struct vfs_cred *cred, struct inode *inode, const char *name)
{
	const struct vfs_bytes nothing = { NULL, 0 };
	enum vfs_acl_kind kind;
	int r;

	if (is_acl(name, &kind))
		return set_acl_value(cred, inode, kind, &nothing);
	r = check_xattr(cred, inode, name, true);
	if (r < 0)
		return r;
	if (!inode->ops->removexattr)
		return -EOPNOTSUPP;
	return inode->ops->removexattr(inode, name);
}

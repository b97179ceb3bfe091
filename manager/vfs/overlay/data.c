#include "vfs/acl.h"
#include "vfs/overlay/overlay.h"

#include <errno.h>
#include <string.h>

int ovl_getattr(struct inode *inode, struct vfs_attr *ret)
{
	struct ovl_inode *o = ovl_of(inode);
	struct inode *real = ovl_real(o);
	struct vfs_attr lower = { .nlink = 0 };
	int r = real->ops->getattr(real, ret);

	if (r == 0 && o->origin)
		r = o->lower->ops->getattr(o->lower, &lower);
	if (r < 0)
		return r;
	/* No yield from here on: an origin that was there may be gone by now, with the file. */
	ret->dev = o->dev;
	ret->ino = inode->ino;
	if (o->gone) {
		ret->nlink = 0;
	} else if (o->origin) {
		ret->nlink = lower.nlink + (uint32_t)o->origin->names;
	} else if (o->lower && o->upper && ovl_is_dir(o)) {
		ret->nlink = 1; /* as overlayfs says it: not known, do not count with it */
	}
	return 0;
}

int ovl_setattr(struct inode *inode, const struct vfs_attr *attr, unsigned int set)
{
	struct ovl_inode *o = ovl_of(inode);
	int r = ovl_copy_up(o, set & VFS_SET_SIZE ? attr->size : OVL_ALL);

	if (r == 0)
		r = o->upper->ops->setattr(o->upper, attr, set);
	if (set & VFS_SET_MODE)
		inode_acl_forget(inode, VFS_ACL_ACCESS);
	return r < 0 ? r : ovl_refresh(o);
}

int ovl_readlink(struct inode *inode, char *buf, size_t size)
{
	struct inode *real = ovl_real(ovl_of(inode));

	return real->ops->readlink(real, buf, size);
}

int ovl_link_text(struct inode *inode, const char **ret)
{
	struct inode *real = ovl_real(ovl_of(inode));

	return real->ops->link_text ? real->ops->link_text(real, ret) : -EOPNOTSUPP;
}

ssize_t ovl_read(struct inode *inode, void *buf, size_t size, uint64_t offset)
{
	struct inode *real = ovl_real(ovl_of(inode));

	return real->ops->read ? real->ops->read(real, buf, size, offset) : -EINVAL;
}

ssize_t ovl_write(struct inode *inode, const void *buf, size_t size, uint64_t offset)
{
	struct ovl_inode *o = ovl_of(inode);
	int r = ovl_copy_up(o, OVL_ALL);

	return r < 0 ? r : o->upper->ops->write(o->upper, buf, size, offset);
}

int ovl_fallocate(struct inode *inode, int mode, uint64_t offset, uint64_t size)
{
	struct ovl_inode *o = ovl_of(inode);
	int r = ovl_copy_up(o, OVL_ALL);

	if (r < 0)
		return r;
	if (!o->upper->ops->fallocate)
		return -EOPNOTSUPP;
	return o->upper->ops->fallocate(o->upper, mode, offset, size);
}

int64_t ovl_seek_data(struct inode *inode, uint64_t offset, int whence)
{
	return vfs_seek_data(ovl_real(ovl_of(inode)), offset, whence);
}

int ovl_map(struct inode *inode, bool for_write, struct vfs_mapping *ret)
{
	struct ovl_inode *o = ovl_of(inode);
	int r = for_write ? ovl_copy_up(o, OVL_ALL) : 0;

	return r < 0 ? r : vfs_map(ovl_real(o), for_write, ret);
}

void ovl_close_write(struct inode *inode)
{
	struct ovl_inode *o = ovl_of(inode);

	if (o->upper && o->upper->ops->close_write)
		o->upper->ops->close_write(o->upper);
}

int ovl_sync(struct inode *inode, bool data_only)
{
	struct ovl_inode *o = ovl_of(inode);

	return o->upper ? vfs_sync(o->upper, data_only) : 0;
}

int ovl_open_write(struct inode *inode)
{
	struct ovl_inode *o = ovl_of(inode);
	int r = ovl_copy_up(o, OVL_ALL);

	if (r == 0 && o->upper->ops->open_write)
		r = o->upper->ops->open_write(o->upper);
	return r;
}

/* ---- xattrs: what the overlay itself keeps there is nobody else's business. */

static bool is_ours(const char *name)
{
	return strncmp(name, OVL_XATTR_PREFIX, strlen(OVL_XATTR_PREFIX)) == 0;
}

ssize_t ovl_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct inode *real = ovl_real(ovl_of(inode));

	if (is_ours(name) || !real->ops->getxattr)
		return -ENODATA;
	return real->ops->getxattr(real, name, buf, size);
}

int ovl_setxattr(struct inode *inode, const char *name, const void *buf, size_t size, int flags)
{
	struct ovl_inode *o = ovl_of(inode);
	int r;

	if (is_ours(name))
		return -EPERM;
	r = ovl_copy_up(o, OVL_ALL);
	if (r < 0)
		return r;
	if (!o->upper->ops->setxattr)
		return -EOPNOTSUPP;
	return o->upper->ops->setxattr(o->upper, name, buf, size, flags);
}

/* Takes our names out of a list of terminated names; the new size. */
static ssize_t hide_ours(char *buf, ssize_t size)
{
	ssize_t kept = 0;

	for (ssize_t at = 0; at < size;) {
		ssize_t len = (ssize_t)strlen(buf + at) + 1;

		if (!is_ours(buf + at)) {
			memmove(buf + kept, buf + at, (size_t)len);
			kept += len;
		}
		at += len;
	}
	return kept;
}

ssize_t ovl_listxattr(struct inode *inode, char *buf, size_t size)
{
	struct inode *real = ovl_real(ovl_of(inode));
	ssize_t r;

	if (!real->ops->listxattr)
		return 0;
	/* The size that is told without a buffer may be more than will come: xattr(7) allows it. */
	r = real->ops->listxattr(real, buf, size);
	return r > 0 && size > 0 ? hide_ours(buf, r) : r;
}

int ovl_removexattr(struct inode *inode, const char *name)
{
	struct ovl_inode *o = ovl_of(inode);
	ssize_t r = is_ours(name) ? -EPERM : ovl_getxattr(inode, name, NULL, 0);

	if (r < 0)
		return (int)r;
	r = ovl_copy_up(o, OVL_ALL);
	return r < 0 ? (int)r : o->upper->ops->removexattr(o->upper, name);
}

/* ---- access lists: what the real inode has is remembered here too. */

int ovl_get_acl(struct inode *inode, enum vfs_acl_kind kind, struct vfs_acl **ret)
{
	const struct vfs_acl *acl;
	int r = inode_acl(ovl_real(ovl_of(inode)), kind, &acl);

	return r < 0 ? r : acl_copy(acl, ret);
}

int ovl_set_acl(struct inode *inode, const struct vfs_acl_change *change)
{
	struct ovl_inode *o = ovl_of(inode);
	const struct vfs_acl *now;
	int r = 0;

	if (!change->acl && !change->clear_mode && inode_acl(inode, change->kind, &now) == 0 &&
	    !now)
		return 0; /* nothing is to go: that needs no copy */
	r = ovl_copy_up(o, OVL_ALL);
	if (r < 0)
		return r;
	if (!o->upper->ops->set_acl)
		return -EOPNOTSUPP;
	r = o->upper->ops->set_acl(o->upper, change);
	inode_acl_forget(inode, change->kind);
	return r < 0 ? r : ovl_refresh(o);
}

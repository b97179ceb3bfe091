#include "vfs/acl.h"

#include "vfs/perm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 2u
#define PERMISSIONS 7u

/* An inode's list that nobody has asked for yet. */
static struct vfs_acl unknown;

struct vfs_acl *acl_new(uint32_t count)
{
	struct vfs_acl *acl = calloc(1, sizeof(*acl) + count * sizeof(acl->entries[0]));

	if (acl)
		acl->count = count;
	return acl;
}

int acl_copy(const struct vfs_acl *from, struct vfs_acl **ret)
{
	*ret = NULL;
	if (!from)
		return 0;
	*ret = acl_new(from->count);
	if (!*ret)
		return -ENOMEM;
	memcpy((*ret)->entries, from->entries, from->count * sizeof(from->entries[0]));
	return 0;
}

void acl_free_lists(const struct vfs_attr *attr)
{
	for (unsigned int kind = 0; kind < VFS_ACL_KINDS; kind++)
		free(attr->acl[kind]);
}

bool acl_same(const struct vfs_acl *a, const struct vfs_acl *b)
{
	return a->count == b->count &&
	       memcmp(a->entries, b->entries, a->count * sizeof(a->entries[0])) == 0;
}

static bool is_known(unsigned int tag)
{
	return tag != 0 && (tag & (tag - 1)) == 0 && tag <= ACL_OTHER;
}

bool acl_valid(const struct vfs_acl *acl)
{
	const unsigned int needed = ACL_OWNER | ACL_OWNING_GROUP | ACL_OTHER;
	unsigned int seen = 0, last = 0;

	for (uint32_t i = 0; i < acl->count; i++) {
		const struct acl_entry *e = &acl->entries[i];

		if (!is_known(e->tag) || e->tag < last || e->permissions > PERMISSIONS ||
		    (e->tag == last && !acl_is_named(e->tag)) ||
		    (acl_is_named(e->tag) && e->id == ACL_NO_ID))
			return false;
		seen |= e->tag;
		last = e->tag;
	}
	if ((seen & needed) != needed)
		return false;
	return !(seen & (ACL_USER | ACL_GROUP)) || seen & ACL_MASK;
}

/* ---- the form of calls: a version, then entries. */

int acl_parse(const void *value, size_t size, struct vfs_acl **ret)
{
	struct vfs_acl *acl;
	uint32_t version;

	*ret = NULL;
	if (size == 0)
		return 0;
	if (size < sizeof(version))
		return -EINVAL;
	memcpy(&version, value, sizeof(version));
	if (version != VERSION)
		return -EOPNOTSUPP;
	size -= sizeof(version);
	if (size % sizeof(acl->entries[0]) || size / sizeof(acl->entries[0]) > ACL_ENTRIES_MAX)
		return -EINVAL;
	if (size == 0)
		return 0;
	acl = acl_new((uint32_t)(size / sizeof(acl->entries[0])));
	if (!acl)
		return -ENOMEM;
	memcpy(acl->entries, (const uint8_t *)value + sizeof(version), size);
	for (uint32_t i = 0; i < acl->count; i++) {
		struct acl_entry *e = &acl->entries[i];

		if (!is_known(e->tag) || (acl_is_named(e->tag) && e->id == ACL_NO_ID)) {
			free(acl);
			return -EINVAL;
		}
		if (!acl_is_named(e->tag))
			e->id = ACL_NO_ID;
	}
	*ret = acl;
	return 0;
}

ssize_t acl_print(const struct vfs_acl *acl, void *buf, size_t size)
{
	const uint32_t version = VERSION;
	size_t all = sizeof(version) + acl->count * sizeof(acl->entries[0]);

	if (size == 0)
		return (ssize_t)all;
	if (size < all)
		return -ERANGE;
	memcpy(buf, &version, sizeof(version));
	memcpy((uint8_t *)buf + sizeof(version), acl->entries, all - sizeof(version));
	return (ssize_t)all;
}

/* ---- the list and the mode. */

/* Where the permissions of this entry stand in the mode; `masked`: the list has a mask. */
static int shift_of(unsigned int tag, bool masked)
{
	switch (tag) {
	case ACL_OWNER:
		return 6;
	case ACL_OWNING_GROUP:
		return masked ? -1 : 3;
	case ACL_MASK:
		return 3;
	case ACL_OTHER:
		return 0;
	default:
		return -1;
	}
}

static const struct acl_entry *mask_of(const struct vfs_acl *acl)
{
	for (uint32_t i = 0; i < acl->count; i++)
		if (acl->entries[i].tag == ACL_MASK)
			return &acl->entries[i];
	return NULL;
}

uint32_t acl_mode(const struct vfs_acl *acl, bool *ret_plain)
{
	bool masked = mask_of(acl) != NULL, plain = !masked;
	uint32_t mode = 0;

	for (uint32_t i = 0; i < acl->count; i++) {
		int shift = shift_of(acl->entries[i].tag, masked);

		if (shift >= 0)
			mode |= (uint32_t)acl->entries[i].permissions << shift;
		plain &= !acl_is_named(acl->entries[i].tag);
	}
	*ret_plain = plain;
	return mode;
}

void acl_chmod(struct vfs_acl *acl, uint32_t mode)
{
	bool masked = mask_of(acl) != NULL;

	for (uint32_t i = 0; i < acl->count; i++) {
		int shift = shift_of(acl->entries[i].tag, masked);

		if (shift >= 0)
			acl->entries[i].permissions = mode >> shift & PERMISSIONS;
	}
}

void acl_inherit(struct vfs_acl *acl, uint32_t *mode)
{
	bool masked = mask_of(acl) != NULL;

	for (uint32_t i = 0; i < acl->count; i++) {
		struct acl_entry *e = &acl->entries[i];
		int shift = shift_of(e->tag, masked);

		if (shift < 0)
			continue;
		e->permissions &= (uint16_t)(*mode >> shift & PERMISSIONS);
		*mode &= ~(PERMISSIONS << shift) | (uint32_t)e->permissions << shift;
	}
}

/* ---- the question. */

static bool is_about(const struct acl_entry *e, const struct vfs_cred *cred, uint32_t gid)
{
	switch (e->tag) {
	case ACL_USER:
		return e->id == cred->fsuid;
	case ACL_OWNING_GROUP:
		return cred_in_group(cred, gid);
	case ACL_GROUP:
		return cred_in_group(cred, e->id);
	default:
		return false;
	}
}

bool acl_permits(const struct vfs_acl *acl, const struct vfs_cred *cred, uint32_t gid,
		 unsigned int may)
{
	const struct acl_entry *mask = mask_of(acl);
	unsigned int limit = mask ? mask->permissions : PERMISSIONS;
	bool in_group = false;

	for (uint32_t i = 0; i < acl->count; i++) {
		const struct acl_entry *e = &acl->entries[i];

		if (e->tag == ACL_OTHER)
			return !in_group && !(may & ~(unsigned int)e->permissions);
		if (!is_about(e, cred, gid))
			continue;
		/* The first entry for a user decides; of groups, any one that grants all. */
		if (e->tag == ACL_USER || !(may & ~(unsigned int)e->permissions))
			return !(may & ~(e->permissions & limit));
		in_group = true;
	}
	return false;
}

/* ---- of inodes. */

int inode_acl(struct inode *inode, enum vfs_acl_kind kind, const struct vfs_acl **ret)
{
	struct vfs_acl *acl;
	int r;

	if (inode->acl[kind] == &unknown) {
		r = inode->ops->get_acl(inode, kind, &acl);
		if (r < 0)
			return r;
		inode_acl_set(inode, kind, acl);
	}
	*ret = inode->acl[kind];
	return 0;
}

void inode_acl_set(struct inode *inode, enum vfs_acl_kind kind, struct vfs_acl *acl)
{
	if (inode->acl[kind] != &unknown)
		free(inode->acl[kind]);
	inode->acl[kind] = acl;
}

void inode_acl_forget(struct inode *inode, enum vfs_acl_kind kind)
{
	inode_acl_set(inode, kind, inode->ops->get_acl ? &unknown : NULL);
}

void inode_acl_init(struct inode *inode)
{
	for (unsigned int kind = 0; kind < VFS_ACL_KINDS; kind++)
		inode->acl[kind] = inode->ops->get_acl ? &unknown : NULL;
}

void inode_acl_drop(struct inode *inode)
{
	for (unsigned int kind = 0; kind < VFS_ACL_KINDS; kind++)
		inode_acl_set(inode, kind, NULL);
}

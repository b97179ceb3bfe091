#include "vfs/acl.h"
#include "vfs/mem/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

static struct mem_xattr **find(struct mem_inode *m, const char *name)
{
	struct mem_xattr **link = &m->xattrs;

	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

static uint32_t cost(const char *name, size_t size)
{
	return (uint32_t)(strlen(name) + 1 + size);
}

static void free_one(struct mem_inode *m, struct mem_xattr *x)
{
	uint32_t size = cost(x->name, x->size);

	m->xattr_size -= size;
	mem_uncharge(mem_fs_of(m), size);
	free(x->name);
	free(x->value);
	free(x);
}

ssize_t mem_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	const struct mem_xattr *x = *find(mem_of(inode), name);

	if (!x)
		return -ENODATA;
	if (size == 0)
		return (ssize_t)x->size;
	if (size < x->size)
		return -ERANGE;
	memcpy(buf, x->value, x->size);
	return (ssize_t)x->size;
}

int mem_setxattr(struct inode *inode, const char *name, const void *buf, size_t size, int flags)
{
	struct mem_inode *m = mem_of(inode);
	struct mem_xattr **link = find(m, name);
	struct mem_xattr *old = *link;
	uint32_t old_cost = old ? cost(name, old->size) : 0;
	struct mem_xattr *x;

	if (old && (flags & XATTR_CREATE))
		return -EEXIST;
	if (!old && (flags & XATTR_REPLACE))
		return -ENODATA;
	if (size > MEM_XATTR_TOTAL || m->xattr_size - old_cost + cost(name, size) > MEM_XATTR_TOTAL)
		return -ENOSPC;
	if (mem_charge(mem_fs_of(m), cost(name, size)) < 0)
		return -ENOSPC;
	x = calloc(1, sizeof(*x));
	if (x) {
		x->name = strdup(name);
		x->value = malloc(size ? size : 1);
	}
	if (!x || !x->name || !x->value) {
		mem_uncharge(mem_fs_of(m), cost(name, size));
		if (x) {
			free(x->name);
			free(x->value);
		}
		free(x);
		return -ENOMEM;
	}
	memcpy(x->value, buf, size);
	x->size = size;
	m->xattr_size += cost(name, size);
	x->next = old ? old->next : NULL;
	*link = x;
	if (old)
		free_one(m, old);
	m->ctime = vfs_now();
	return 0;
}

/* Adds one name to those that take `*total` bytes. 0 or -ERANGE. */
static int list_one(const char *name, char *buf, size_t size, size_t *total)
{
	size_t len = strlen(name) + 1;

	if (size > 0 && *total + len > size)
		return -ERANGE;
	if (size > 0)
		memcpy(buf + *total, name, len);
	*total += len;
	return 0;
}

ssize_t mem_listxattr(struct inode *inode, char *buf, size_t size)
{
	size_t total = 0;
	int r = 0;

	if (inode->acl[VFS_ACL_ACCESS])
		r = list_one(VFS_XATTR_ACL_ACCESS, buf, size, &total);
	if (r == 0 && inode->acl[VFS_ACL_DEFAULT])
		r = list_one(VFS_XATTR_ACL_DEFAULT, buf, size, &total);
	for (const struct mem_xattr *x = mem_of(inode)->xattrs; x && r == 0; x = x->next)
		r = list_one(x->name, buf, size, &total);
	return r < 0 ? r : (ssize_t)total;
}

int mem_removexattr(struct inode *inode, const char *name)
{
	struct mem_inode *m = mem_of(inode);
	struct mem_xattr **link = find(m, name);
	struct mem_xattr *x = *link;

	if (!x)
		return -ENODATA;
	*link = x->next;
	free_one(m, x);
	m->ctime = vfs_now();
	return 0;
}

/* ---- access lists: the inode's own memory of them is where they are. */

static int put_acl(struct mem_inode *m, enum vfs_acl_kind kind, const struct vfs_acl *acl)
{
	uint32_t size = 0;
	struct vfs_acl *copy;
	int r;

	if (acl)
		size = (uint32_t)(sizeof(*acl) + acl->count * sizeof(acl->entries[0]));
	if (mem_charge(mem_fs_of(m), size) < 0)
		return -ENOSPC;
	r = acl_copy(acl, &copy);
	if (r < 0) {
		mem_uncharge(mem_fs_of(m), size);
		return r;
	}
	mem_uncharge(mem_fs_of(m), m->acl_size[kind]);
	m->acl_size[kind] = size;
	inode_acl_set(&m->inode, kind, copy);
	return 0;
}

int mem_set_acl(struct inode *inode, const struct vfs_acl_change *change)
{
	struct mem_inode *m = mem_of(inode);
	int r = put_acl(m, change->kind, change->acl);

	if (r < 0)
		return r;
	inode->mode = (inode->mode & ~change->clear_mode) | change->set_mode;
	m->ctime = vfs_now();
	return 0;
}

int mem_acls_begin(struct mem_inode *m, const struct vfs_attr *attr)
{
	int r = 0;

	for (unsigned int kind = 0; kind < VFS_ACL_KINDS && r == 0; kind++)
		if (attr->acl[kind])
			r = put_acl(m, kind, attr->acl[kind]);
	return r;
}

void mem_xattrs_free(struct mem_inode *m)
{
	/* The lists themselves went with the last reference. */
	for (unsigned int kind = 0; kind < VFS_ACL_KINDS; kind++)
		mem_uncharge(mem_fs_of(m), m->acl_size[kind]);
	while (m->xattrs) {
		struct mem_xattr *x = m->xattrs;

		m->xattrs = x->next;
		free_one(m, x);
	}
}

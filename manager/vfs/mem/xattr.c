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

ssize_t mem_listxattr(struct inode *inode, char *buf, size_t size)
{
	size_t total = 0;

	for (const struct mem_xattr *x = mem_of(inode)->xattrs; x; x = x->next) {
		size_t len = strlen(x->name) + 1;

		if (size > 0 && total + len > size)
			return -ERANGE;
		if (size > 0)
			memcpy(buf + total, x->name, len);
		total += len;
	}
	return (ssize_t)total;
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

void mem_xattrs_free(struct mem_inode *m)
{
	while (m->xattrs) {
		struct mem_xattr *x = m->xattrs;

		m->xattrs = x->next;
		free_one(m, x);
	}
}

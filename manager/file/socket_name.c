/* SPDX-License-Identifier: MIT */
/*
 * socket_name.c - addresses of AF_UNIX: paths and abstract names.
 *
 * A socket bound to a path holds its dentry, and the inode points back without
 * counting: file_state is the socket that is bound there now, or NULL.
 */
#include "file/socket_inside.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ADDRESS_HEAD offsetof(struct sockaddr_un, sun_path)
#define ABSTRACT_BUCKETS 64u
#define AUTO_NAMES 0x100000u /* five hexadecimal digits */

static struct list abstract_names[ABSTRACT_BUCKETS];

static bool is_abstract(const struct socket_address *a)
{
	return a->size > ADDRESS_HEAD && a->name.sun_path[0] == '\0';
}

static struct list *bucket_of(const struct socket_address *a)
{
	const uint8_t *bytes = (const uint8_t *)&a->name;
	uint32_t hash = 2166136261u;
	struct list *bucket;

	for (uint32_t i = ADDRESS_HEAD; i < a->size; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	bucket = &abstract_names[hash % ABSTRACT_BUCKETS];
	if (!bucket->next)
		list_init(bucket);
	return bucket;
}

static struct unix_socket *find_abstract(const struct socket_address *a)
{
	LIST_EACH(node, bucket_of(a)) {
		struct unix_socket *s = LIST_ENTRY(node, struct unix_socket, in_names);

		if (s->name.size == a->size && memcmp(&s->name.name, &a->name, a->size) == 0)
			return s;
	}
	return NULL;
}

int socket_check_address(const struct socket_address *a)
{
	if (a->size < ADDRESS_HEAD || a->size > sizeof(a->name) || a->name.sun_family != AF_UNIX)
		return -EINVAL;
	return 0;
}

/* The path as a string: an address need not end with a NUL. */
static void path_of(const struct socket_address *a, char path[sizeof(a->name.sun_path) + 1])
{
	size_t size = a->size - ADDRESS_HEAD;

	memcpy(path, a->name.sun_path, size);
	path[size] = '\0';
}

static int find_path(const struct vfs *view, const struct socket_address *address,
		     struct unix_socket **ret) MAY_YIELD
{
	char path[sizeof(address->name.sun_path) + 1];
	struct inode *inode;
	struct dentry *d;
	int r;

	path_of(address, path);
	r = vfs_walk(view, NULL, path, VFS_FOLLOW, &d);
	if (r < 0)
		return r;
	inode = dentry_inode(d);
	r = vfs_permission(view->cred, inode, VFS_MAY_WRITE);
	if (r == 0 && (inode->type != S_IFSOCK || !inode->file_state))
		r = -ECONNREFUSED;
	if (r == 0)
		*ret = socket_ref(inode->file_state);
	dentry_put(d);
	return r;
}

int socket_find(const struct vfs *view, const struct socket_address *address,
		struct unix_socket **ret)
{
	struct unix_socket *s;
	int r = socket_check_address(address);

	if (r < 0)
		return r;
	if (address->size == ADDRESS_HEAD)
		return -EINVAL;
	if (!is_abstract(address))
		return find_path(view, address, ret);
	s = find_abstract(address);
	if (!s)
		return -ECONNREFUSED;
	*ret = socket_ref(s);
	return 0;
}

static int bind_abstract(struct unix_socket *s, const struct socket_address *address)
{
	if (find_abstract(address))
		return -EADDRINUSE;
	s->name = *address;
	list_push_back(bucket_of(address), &s->in_names);
	return 0;
}

/* bind() with no name: any free one. */
static int bind_auto(struct unix_socket *s)
{
	static unsigned int last;
	struct socket_address a = { .name.sun_family = AF_UNIX };

	for (unsigned int i = 0; i < AUTO_NAMES; i++) {
		char digits[8];

		last = (last + 1) % AUTO_NAMES;
		snprintf(digits, sizeof(digits), "%05x", last);
		memcpy(a.name.sun_path + 1, digits, 5);
		a.size = ADDRESS_HEAD + 6;
		if (!find_abstract(&a))
			return bind_abstract(s, &a);
	}
	return -ENOSPC;
}

static void forget_state(void *state)
{
	(void)state; /* the socket is not the inode's */
}

static int bind_path(struct unix_socket *s, const struct vfs *view,
		     const struct socket_address *address) MAY_YIELD
{
	char path[sizeof(address->name.sun_path) + 1];
	struct inode *inode;
	struct dentry *d;
	int r;

	path_of(address, path);
	r = vfs_make_socket(view, path, 0777, &d);
	if (r < 0)
		return r == -EEXIST ? -EADDRINUSE : r;
	inode = dentry_inode(d);
	/* Another thread may have bound s meanwhile. */
	if (s->name.size > 0 || inode->file_state) {
		dentry_put(d);
		return -EINVAL;
	}
	inode->file_state = s;
	inode->file_state_free = forget_state;
	s->dentry = d;
	s->name.name = address->name;
	s->name.size = (uint32_t)(ADDRESS_HEAD + strlen(path) + 1);
	if (s->name.size > sizeof(s->name.name))
		s->name.size = sizeof(s->name.name);
	return 0;
}

int socket_bind(struct file *f, const struct vfs *view, const struct socket_address *address)
{
	struct unix_socket *s = socket_of(f);
	int r = socket_check_address(address);

	if (r < 0)
		return r;
	if (s->name.size > 0)
		return address->size == ADDRESS_HEAD ? 0 : -EINVAL;
	if (address->size == ADDRESS_HEAD)
		return bind_auto(s);
	if (is_abstract(address))
		return bind_abstract(s, address);
	return bind_path(s, view, address);
}

void socket_unbind(struct unix_socket *s)
{
	list_del(&s->in_names);
	if (s->dentry) {
		dentry_inode(s->dentry)->file_state = NULL;
		dentry_put(s->dentry);
		s->dentry = NULL;
	}
}

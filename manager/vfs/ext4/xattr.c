/* xattr.c - extended attributes by name: in the inode if there is room, else in the block. */
#include "vfs/ext4/xattr.h"

#include "vfs/ext4/acl.h"
#include "vfs/ext4/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define MODE_BITS 07777u

/*
 * Each prefix is a number on the disk. Access lists are listed here, but not asked for by name:
 * they are the whole name.
 */
static const struct prefix {
	const char *text;
	uint8_t index;
	bool whole;
} prefixes[] = {
	{ "user.", EXT4_XATTR_INDEX_USER, false },
	{ "trusted.", EXT4_XATTR_INDEX_TRUSTED, false },
	{ "security.", EXT4_XATTR_INDEX_SECURITY, false },
	{ VFS_XATTR_ACL_ACCESS, EXT4_XATTR_INDEX_ACL_ACCESS, true },
	{ VFS_XATTR_ACL_DEFAULT, EXT4_XATTR_INDEX_ACL_DEFAULT, true },
};

/* 0; -EOPNOTSUPP: no such attributes are kept; -ERANGE: too long. */
static int parse(const char *text, struct xattr_name *ret)
{
	for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
		size_t len = strlen(prefixes[i].text), rest;

		if (prefixes[i].whole || strncmp(text, prefixes[i].text, len) != 0)
			continue;
		rest = strlen(text + len);
		if (rest == 0)
			continue;
		if (rest > UINT8_MAX)
			return -ERANGE;
		*ret = (struct xattr_name){ prefixes[i].index, (uint8_t)rest, text + len };
		return 0;
	}
	return -EOPNOTSUPP;
}

/* ---- reading. */

/* The entry and the place it is in; NULL: none. */
static const struct ext4_xattr_entry *find(const struct xattr_places *p,
					   const struct xattr_name *name,
					   const struct xattr_area **ret_area)
{
	const struct ext4_xattr_entry *e = xattr_area_find(&p->body, name);

	*ret_area = &p->body;
	if (!e) {
		e = xattr_area_find(&p->block, name);
		*ret_area = &p->block;
	}
	return e;
}

static ssize_t copy_value(const struct xattr_places *p, const struct xattr_name *name, void *buf,
			  size_t size)
{
	const struct xattr_area *area;
	const struct ext4_xattr_entry *e = find(p, name, &area);

	if (!e)
		return -ENODATA;
	if (e->value_inode)
		return -EOPNOTSUPP; /* a value that is an inode of its own */
	if (size == 0)
		return (ssize_t)e->value_size;
	if (size < e->value_size)
		return -ERANGE;
	memcpy(buf, xattr_area_value(area, e), e->value_size);
	return (ssize_t)e->value_size;
}

/*
 * Without a journal a block that was freed may be another's at once, before its inode knows:
 * then readers take the lock.
 */
static int get_to_read(struct ext4_inode *inode, struct xattr_places *ret) MAY_YIELD
{
	int r;

	if (inode->fs->journal || inode->fs->read_only)
		return xattr_places_get(inode, ret);
	task_lock_take(&inode->lock);
	r = xattr_places_get(inode, ret);
	task_lock_drop(&inode->lock);
	return r;
}

ssize_t ext4_getxattr(struct inode *inode, const char *text, void *buf, size_t size)
{
	struct xattr_name name;
	struct xattr_places p;
	ssize_t n = parse(text, &name);

	if (n == 0)
		n = get_to_read(ext4_i(inode), &p);
	if (n < 0)
		return n;
	n = copy_value(&p, &name, buf, size);
	xattr_places_put(&p);
	return n;
}

static const char *prefix_of(const struct ext4_xattr_entry *e)
{
	for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++)
		if (prefixes[i].index == e->name_index)
			return prefixes[i].text;
	return NULL;
}

/* Adds the names of one place; the new total. Names of unknown kinds have no text. */
static ssize_t list_area(const struct xattr_area *area, char *buf, size_t size, ssize_t total)
{
	const struct ext4_xattr_entry *e = NULL;

	while (area->base && (e = xattr_area_next(area, e)) != NULL) {
		const char *prefix = prefix_of(e);
		size_t len;

		if (!prefix)
			continue;
		len = strlen(prefix);
		if (size > 0 && (size_t)total + len + e->name_length + 1 > size)
			return -ERANGE;
		if (size > 0) {
			memcpy(buf + total, prefix, len);
			memcpy(buf + total + len, e->name, e->name_length);
			buf[(size_t)total + len + e->name_length] = '\0';
		}
		total += (ssize_t)(len + e->name_length + 1);
	}
	return total;
}

ssize_t ext4_listxattr(struct inode *inode, char *buf, size_t size)
{
	struct xattr_places p;
	ssize_t n = get_to_read(ext4_i(inode), &p);

	if (n < 0)
		return n;
	n = list_area(&p.body, buf, size, 0);
	if (n >= 0)
		n = list_area(&p.block, buf, size, n);
	xattr_places_put(&p);
	return n;
}

/* ---- changing. */

struct change {
	struct xattr_name name;
	const struct xattr_value *value; /* NULL: it goes */
	int flags;			 /* XATTR_CREATE, XATTR_REPLACE */
	bool may_miss;			 /* to remove what is not there is fine */
	bool locked;			 /* inode->lock is held: there is no second try */
	struct journal_handle *handle;	 /* it is done within; NULL: in one of its own */
	uint32_t clear_mode, set_mode;	 /* of an access list: the inode's mode */
};

/* Room for the new contents of both places. */
static int plan_memory(const struct ext4_inode *inode, const struct xattr_places *p,
		       struct xattr_area *ret_body, struct xattr_area *ret_block)
{
	uint32_t block_size = inode->fs->block_size;
	uint8_t *memory = malloc(block_size + inode->fs->inode_size);

	if (!memory)
		return -ENOMEM;
	*ret_block = (struct xattr_area){ memory, sizeof(struct ext4_xattr_header), block_size,
					  true };
	*ret_body = (struct xattr_area){ memory + block_size, 0, p->body_size, false };
	return 0;
}

/* Where does it go, and what is left where it was? `body` and `block` become the plan's. */
static int make_plan(const struct xattr_places *p, const struct change *c,
		     const struct xattr_area *body, const struct xattr_area *block,
		     struct xattr_plan *ret)
{
	bool in_body = xattr_area_find(&p->body, &c->name) != NULL;
	bool in_block = xattr_area_find(&p->block, &c->name) != NULL;
	bool to_body = c->value && p->body_start &&
		       xattr_area_build(body, &p->body, &c->name, c->value) == 0;
	bool to_block = c->value && !to_body;
	const struct ext4_xattr_header *header = p->block_page ? p->block_page->data : NULL;

	*ret = (struct xattr_plan){ .new_block = false };
	if (to_body || in_body)
		ret->body = *body;
	if (to_block || in_block)
		ret->block = *block;
	/* Less than there was: damaged places whose values overlap do not even hold that. */
	if (in_body && !to_body && xattr_area_build(body, &p->body, &c->name, NULL) < 0)
		return -EUCLEAN;
	if (to_block && xattr_area_build(block, &p->block, &c->name, c->value) < 0)
		return -ENOSPC;
	if (in_block && !to_block && xattr_area_build(block, &p->block, &c->name, NULL) < 0)
		return -EUCLEAN;
	if (ret->block.base && !xattr_area_empty(block))
		ret->new_block = !header || header->references > 1;
	return 0;
}

static int check_presence(const struct xattr_places *p, const struct change *c)
{
	const struct xattr_area *area;
	bool there = find(p, &c->name, &area) != NULL;

	if (there)
		return c->flags & XATTR_CREATE ? -EEXIST : 0;
	return c->flags & XATTR_REPLACE ? -ENODATA : 0;
}

static int apply(struct ext4_inode *inode, struct xattr_places *p, const struct change *c,
		 const struct xattr_plan *plan) MAY_YIELD
{
	struct journal_handle *h = c->handle, own;
	uint32_t mode = inode->mode;
	int r = h ? 0 : ext4_begin(inode->fs, xattr_credits(inode->fs), &own);

	if (r < 0)
		return r;
	inode->mode = (mode & ~c->clear_mode) | c->set_mode;
	r = xattr_apply(h ? h : &own, inode, p, plan);
	if (!h)
		journal_end(&own);
	if (r < 0)
		inode->mode = mode;
	ext4_inode_perm(inode);
	return r;
}

static int change_locked(struct ext4_inode *inode, const struct change *c) MAY_YIELD
{
	struct xattr_area body, block;
	struct xattr_places p;
	struct xattr_plan plan;
	int r = ext4_writable(inode->fs);

	if (r == 0 && inode->flags & (EXT4_IMMUTABLE_FL | EXT4_APPEND_FL))
		r = -EPERM;
	if (r == 0)
		r = xattr_places_get(inode, &p);
	if (r < 0)
		return r;
	r = check_presence(&p, c);
	if (r == -ENODATA && c->may_miss)
		r = 0;
	if (r == 0)
		r = plan_memory(inode, &p, &body, &block);
	if (r == 0) {
		r = make_plan(&p, c, &body, &block, &plan);
		if (r == -EUCLEAN)
			r = ext4_damage(inode->fs, "inode %u: its attributes overlap",
					inode->number);
		if (r == 0)
			r = apply(inode, &p, c, &plan);
		free(block.base); /* the body's is behind it */
	}
	xattr_places_put(&p);
	return r;
}

static int change(struct ext4_inode *inode, const struct change *c) MAY_YIELD
{
	unsigned int tries = 0;
	int r;

	if (c->locked)
		return change_locked(inode, c);
	do {
		task_lock_take(&inode->lock);
		r = change_locked(inode, c);
		task_lock_drop(&inode->lock);
	} while (r == -ENOSPC && ext4_another_try(inode->fs, &tries));
	return r;
}

/* ---- access lists. */

static const struct xattr_name acl_names[VFS_ACL_KINDS] = {
	[VFS_ACL_ACCESS] = { EXT4_XATTR_INDEX_ACL_ACCESS, 0, "" },
	[VFS_ACL_DEFAULT] = { EXT4_XATTR_INDEX_ACL_DEFAULT, 0, "" },
};

static int find_acl(const struct xattr_places *p, enum vfs_acl_kind kind, struct vfs_acl **ret)
{
	const struct xattr_area *area;
	const struct ext4_xattr_entry *e = find(p, &acl_names[kind], &area);

	*ret = NULL;
	if (!e)
		return 0;
	if (e->value_inode)
		return -EOPNOTSUPP;
	return acl_from_disk(xattr_area_value(area, e), e->value_size, ret);
}

int ext4_get_acl(struct inode *inode, enum vfs_acl_kind kind, struct vfs_acl **ret)
{
	struct xattr_places p;
	int r = get_to_read(ext4_i(inode), &p);

	if (r < 0)
		return r;
	r = find_acl(&p, kind, ret);
	xattr_places_put(&p);
	return r;
}

/* The list; NULL: none. The inode asks for it anew when somebody needs it. */
static int store_list(struct ext4_inode *inode, enum vfs_acl_kind kind, struct change *c,
		      const struct vfs_acl *acl) MAY_YIELD
{
	size_t size = acl ? acl_disk_size(acl) : 0;
	void *memory = acl ? malloc(size) : NULL;
	const struct xattr_value value = { memory, (uint32_t)size };
	int r;

	if (acl && !memory)
		return -ENOMEM;
	if (acl)
		acl_to_disk(acl, memory);
	c->name = acl_names[kind];
	c->value = acl ? &value : NULL;
	r = change(inode, c);
	c->value = NULL; /* it was ours */
	inode_acl_forget(&inode->inode, kind);
	free(memory);
	return r;
}

int ext4_set_acl(struct inode *inode, const struct vfs_acl_change *wanted)
{
	struct change c = {
		.may_miss = true,
		.clear_mode = wanted->clear_mode,
		.set_mode = wanted->set_mode,
	};

	return store_list(ext4_i(inode), wanted->kind, &c, wanted->acl);
}

/* The list as it was read gets the mode, and both are stored together: 1; 0: it has it already. */
static int chmod_with(struct ext4_inode *inode, const struct vfs_acl *old, uint32_t mode) MAY_YIELD
{
	struct change c = {
		.may_miss = true,
		.locked = true,
		.clear_mode = MODE_BITS,
		.set_mode = mode & MODE_BITS,
	};
	struct vfs_acl *acl;
	bool plain;
	int r = acl_copy(old, &acl);

	if (r < 0)
		return r;
	acl_chmod(acl, mode);
	(void)acl_mode(acl, &plain);
	if (plain || !acl_same(acl, old)) {
		r = store_list(inode, VFS_ACL_ACCESS, &c, plain ? NULL : acl);
		if (r == 0)
			r = 1;
	}
	free(acl);
	return r;
}

int ext4_acl_chmod(struct ext4_inode *inode, uint32_t mode)
{
	struct xattr_places p;
	struct vfs_acl *acl = NULL;
	int r;

	if (S_ISLNK(inode->mode) || !inode->inode.acl[VFS_ACL_ACCESS])
		return 0;
	r = xattr_places_get(inode, &p);
	if (r < 0)
		return r;
	r = find_acl(&p, VFS_ACL_ACCESS, &acl);
	xattr_places_put(&p);
	if (r == 0 && !acl)
		inode_acl_set(&inode->inode, VFS_ACL_ACCESS, NULL);
	if (r == 0 && acl)
		r = chmod_with(inode, acl, mode);
	free(acl);
	return r;
}

uint32_t ext4_acl_credits(const struct ext4 *fs, const struct vfs_attr *attr)
{
	uint32_t credits = 0;

	for (unsigned int kind = 0; kind < VFS_ACL_KINDS; kind++)
		credits += attr->acl[kind] ? 1 + xattr_credits(fs) : 0;
	return credits;
}

int ext4_acl_begin(struct journal_handle *h, struct ext4_inode *inode, const struct vfs_attr *attr)
{
	int r = 0;

	for (unsigned int kind = 0; kind < VFS_ACL_KINDS && r == 0; kind++) {
		struct change c = { .locked = true, .handle = h };

		if (!attr->acl[kind])
			continue;
		if (inode->state & EXT4_I_NEW) /* there must be a place for them */
			r = ext4_inode_store(h, inode);
		if (r == 0)
			r = store_list(inode, kind, &c, attr->acl[kind]);
	}
	return r;
}

/* ---- by name. */

int ext4_setxattr(struct inode *inode, const char *text, const void *buf, size_t size, int flags)
{
	const struct xattr_value value = { buf, (uint32_t)size };
	struct change c = { .flags = flags };
	int r = parse(text, &c.name);

	if (r < 0)
		return r;
	if (size > VFS_XATTR_SIZE_MAX)
		return -E2BIG;
	c.value = &value;
	return change(ext4_i(inode), &c);
}

int ext4_removexattr(struct inode *inode, const char *text)
{
	struct change c = { .flags = XATTR_REPLACE };
	int r = parse(text, &c.name);

	return r < 0 ? r : change(ext4_i(inode), &c);
}

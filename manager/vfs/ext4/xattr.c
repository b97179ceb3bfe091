/* xattr.c - extended attributes by name: in the inode if there is room, else in the block. */
#include "vfs/ext4/xattr.h"

#include "vfs/ext4/acl.h"
#include "vfs/ext4/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* Each prefix is a number on the disk; those without a rest are the whole name. */
static const struct prefix {
	const char *text;
	uint8_t index;
	bool whole;
} prefixes[] = {
	{ "user.", EXT4_XATTR_INDEX_USER, false },
	{ "trusted.", EXT4_XATTR_INDEX_TRUSTED, false },
	{ "security.", EXT4_XATTR_INDEX_SECURITY, false },
	{ "system.posix_acl_access", EXT4_XATTR_INDEX_ACL_ACCESS, true },
	{ "system.posix_acl_default", EXT4_XATTR_INDEX_ACL_DEFAULT, true },
};

/* 0; -EOPNOTSUPP: no such attributes are kept; -ERANGE: too long. */
static int parse(const char *text, struct xattr_name *ret)
{
	for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
		size_t len = strlen(prefixes[i].text), rest;

		if (strncmp(text, prefixes[i].text, len) != 0)
			continue;
		rest = strlen(text + len);
		if (prefixes[i].whole != (rest == 0))
			continue;
		if (rest > UINT8_MAX)
			return -ERANGE;
		*ret = (struct xattr_name){ prefixes[i].index, (uint8_t)rest, text + len };
		return 0;
	}
	return -EOPNOTSUPP;
}

static bool is_acl(const struct xattr_name *name)
{
	return name->index == EXT4_XATTR_INDEX_ACL_ACCESS ||
	       name->index == EXT4_XATTR_INDEX_ACL_DEFAULT;
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
	if (is_acl(name))
		return acl_from_disk(xattr_area_value(area, e), e->value_size, buf, size);
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
	uint32_t mode;			 /* of an access list: the inode's */
	bool set_mode;
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
	uint32_t mode = inode->mode;
	struct journal_handle h;
	int r = ext4_begin(inode->fs, xattr_credits(inode->fs), &h);

	if (r < 0)
		return r;
	if (c->set_mode)
		inode->mode = (mode & ~0777u) | (c->mode & 0777);
	r = xattr_apply(&h, inode, p, plan);
	journal_end(&h);
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

	do {
		task_lock_take(&inode->lock);
		r = change_locked(inode, c);
		task_lock_drop(&inode->lock);
	} while (r == -ENOSPC && ext4_another_try(inode->fs, &tries));
	return r;
}

/* ---- access lists. */

/* It is checked already that the inode may have one. */
static int change_acl(struct ext4_inode *inode, struct change *c, const void *buf, size_t size)
	MAY_YIELD
{
	bool plain = false;
	void *disk = malloc(ACL_DISK_SIZE_MAX);
	struct xattr_value value = { disk, 0 };
	ssize_t n;
	int r;

	if (!disk)
		return -ENOMEM;
	c->mode = inode->mode;
	n = acl_to_disk(buf, size, disk, &c->mode, &plain);
	if (n < 0) {
		free(disk);
		return (int)n;
	}
	value.size = (uint32_t)n;
	/* Such a list and the mode are one: what says no more than the mode is not kept. */
	c->set_mode = c->name.index == EXT4_XATTR_INDEX_ACL_ACCESS;
	if (c->set_mode && plain)
		c->may_miss = true;
	else
		c->value = &value;
	r = change(inode, c);
	c->value = NULL; /* it was ours */
	free(disk);
	return r;
}

static int set_acl(struct ext4_inode *inode, struct change *c, const void *buf, size_t size)
	MAY_YIELD
{
	if (S_ISLNK(inode->mode))
		return -EOPNOTSUPP;
	if (c->name.index == EXT4_XATTR_INDEX_ACL_DEFAULT && !S_ISDIR(inode->mode))
		return size == 0 ? 0 : -EACCES;
	if (size > 0)
		return change_acl(inode, c, buf, size);
	c->may_miss = true;
	return change(inode, c);
}

/* The list as it is, with the mode's permissions. */
static int follow_mode(struct ext4_inode *inode, const struct xattr_value *old) MAY_YIELD
{
	const struct change none = { .flags = XATTR_REPLACE };
	struct xattr_value value = { NULL, old->size };
	void *disk = malloc(old->size + 1);
	struct change c = none;
	int r;

	if (!disk)
		return -ENOMEM;
	memcpy(disk, old->data, old->size);
	value.data = disk;
	c.name = (struct xattr_name){ EXT4_XATTR_INDEX_ACL_ACCESS, 0, "" };
	c.value = &value;
	r = acl_chmod(disk, old->size, inode->mode);
	if (r == 0)
		r = change_locked(inode, &c);
	free(disk);
	return r;
}

int ext4_acl_follow_mode(struct ext4_inode *inode)
{
	const struct xattr_name name = { EXT4_XATTR_INDEX_ACL_ACCESS, 0, "" };
	const struct xattr_area *area;
	const struct ext4_xattr_entry *e;
	struct xattr_places p;
	int r = xattr_places_get(inode, &p);

	if (r < 0)
		return r;
	e = find(&p, &name, &area);
	if (e && e->value_inode == 0) {
		const struct xattr_value old = { xattr_area_value(area, e), e->value_size };

		r = follow_mode(inode, &old);
	}
	xattr_places_put(&p);
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
	if (is_acl(&c.name))
		return set_acl(ext4_i(inode), &c, buf, size);
	c.value = &value;
	return change(ext4_i(inode), &c);
}

int ext4_removexattr(struct inode *inode, const char *text)
{
	struct change c = { .flags = XATTR_REPLACE };
	int r = parse(text, &c.name);

	return r < 0 ? r : change(ext4_i(inode), &c);
}

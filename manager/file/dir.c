/* SPDX-License-Identifier: MIT */
/*
 * dir.c - open directories. The position is 0 at ".", 1 at "..", and from 2 on the
 * file system's own cursor plus 2; d_off carries the same numbers, so seekdir works.
 */
#include "file/inside.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define DIR_OWN_NAMES 2u /* "." and ".." */

/* The record of getdents64(2). */
struct dir_record {
	uint64_t ino;
	int64_t next;
	uint16_t record_size;
	uint8_t type;
	char name[];
};
#define DIR_NAME_OFFSET offsetof(struct dir_record, name)

struct dir_fill {
	uint8_t *buf;
	size_t size, used;
	uint64_t position; /* after the last record taken */
	bool full;	   /* a record found no room */
};

/* One record: 0, or -EINVAL if there is no room. */
static int fill_one(struct dir_fill *fill, const struct vfs_dirent *entry, uint64_t next)
{
	size_t record_size = (DIR_NAME_OFFSET + entry->name_len + 1 + 7) & ~(size_t)7;
	struct dir_record head = {
		.ino = entry->ino,
		.next = (int64_t)next,
		.record_size = (uint16_t)record_size,
		.type = (uint8_t)entry->type,
	};
	uint8_t *at = fill->buf + fill->used;

	assert(entry->name_len <= VFS_NAME_MAX);
	if (record_size > fill->size - fill->used) {
		fill->full = true;
		return -EINVAL;
	}
	/* The name's end and what rounds it up: within the last eight bytes. */
	memset(at + record_size - sizeof(uint64_t), 0, sizeof(uint64_t));
	memcpy(at, &head, DIR_NAME_OFFSET);
	memcpy(at + DIR_NAME_OFFSET, entry->name, entry->name_len);
	fill->used += record_size;
	fill->position = next;
	return 0;
}

static int emit_name(void *ctx, const struct vfs_dirent *entry)
{
	return fill_one(ctx, entry, entry->next + DIR_OWN_NAMES);
}

/* "." and "..". A parent's number is not worth a walk: nobody trusts it across mounts either. */
static int fill_own_names(struct dir_fill *fill, struct inode *inode)
{
	static const char *const names[DIR_OWN_NAMES] = { ".", ".." };

	while (fill->position < DIR_OWN_NAMES) {
		uint64_t i = fill->position;
		struct vfs_dirent entry = {
			.name = names[i],
			.name_len = i + 1,
			.ino = inode->ino,
			.type = DT_DIR,
		};
		int r = fill_one(fill, &entry, i + 1);

		if (r < 0)
			return r;
	}
	return 0;
}

ssize_t dir_getdents(struct file *f, void *buf, size_t size)
{
	struct inode *inode = file_inode(f);
	struct dir_fill fill = { .buf = buf, .size = size, .position = f->position };
	uint64_t cursor;
	int r;

	if (dentry_unlinked(f->dentry))
		return -ENOENT;
	r = fill_own_names(&fill, inode);
	if (r == 0) {
		cursor = fill.position - DIR_OWN_NAMES;
		r = vfs_readdir(inode, &cursor, emit_name, &fill);
	}
	/* What was taken is told; an error that came after it comes again at the next call. */
	if (fill.used == 0 && fill.full)
		return -EINVAL;
	if (fill.used == 0 && r < 0)
		return r;
	f->position = fill.position;
	return (ssize_t)fill.used;
}

static ssize_t dir_read(struct file *f, void *buf, size_t size, uint64_t *offset)
{
	(void)f, (void)buf, (void)size, (void)offset;
	return -EISDIR;
}

static int64_t dir_seek(struct file *f, int64_t offset, int whence)
{
	int64_t base = 0;

	if (whence == SEEK_CUR)
		base = (int64_t)f->position;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (__builtin_add_overflow(base, offset, &base) || base < 0)
		return -EINVAL;
	f->position = (uint64_t)base;
	return base;
}

static const struct file_ops dir_ops = {
	.read = dir_read,
	.seek = dir_seek,
	.kind = "dir",
};

bool dir_is(const struct file *f)
{
	return f->ops == &dir_ops;
}

int dir_open(struct dentry *d, int flags, struct file **ret)
{
	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EISDIR;
	return file_new_named(&dir_ops, flags, d, NULL, ret);
}

/* SPDX-License-Identifier: MIT */
/*
 * proc_fs.c - inodes of /proc: each lookup makes a new one from the tables of
 * proc_table.c, so what it remembers (the text of a file) is one open's own.
 */
#include "vfs/proc/inside.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Cursors of readdir: an entry's index, and NUMBERS + n for "all numbers from n on". */
#define NUMBERS 0x10000u
#define WRITE_MAX 4096u

static const struct inode_ops proc_dir_ops, proc_file_ops, proc_link_ops, proc_object_ops;

static const struct inode_ops *ops_of(const struct proc_entry *entry)
{
	switch (entry->mode & S_IFMT) {
	case S_IFDIR:
		return &proc_dir_ops;
	case S_IFLNK:
		return entry->object ? &proc_object_ops : &proc_link_ops;
	default:
		return &proc_file_ops;
	}
}

/* The same name has the same number each time: a hash of what identifies it. */
static uint64_t number_of(const struct proc_inode *p)
{
	const uint32_t words[3] = { (uint32_t)p->pid, (uint32_t)p->tid, (uint32_t)p->fd };
	uint64_t hash = 0xcbf29ce484222325u;

	for (unsigned int i = 0; i < ARRAY_COUNT(words); i++)
		hash = (hash ^ words[i]) * 0x100000001b3u;
	for (const char *name = p->entry->name; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	return (hash >> 16) | 1u;
}

static int new_inode(struct proc_fs *fs, const struct proc_entry *entry,
		     const struct proc_inode *parent, struct proc_inode **ret)
{
	struct proc_inode *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	inode_init(&p->base, ops_of(entry), &fs->fs, entry->mode & S_IFMT);
	p->entry = entry;
	if (parent) {
		p->pid = parent->pid;
		p->tid = parent->tid;
	}
	p->fd = -1;
	task_lock_init(&p->lock);
	fs->inode_count++;
	*ret = p;
	return 0;
}

static void proc_release(struct inode *inode)
{
	struct proc_inode *p = proc_inode_of(inode);
	struct proc_fs *fs = CONTAINER_OF(inode->fs, struct proc_fs, fs);

	free(p->text.data);
	free(p);
	if (--fs->inode_count == 0)
		free(fs);
}

static bool process_exists(const struct proc_inode *p, int32_t pid, int32_t tid) MAY_YIELD
{
	struct proc_info info;

	return proc_source_of(p)->info(pid, tid, &info) == 0;
}

/* Is there such a number in this directory? Then `child` is told what it stands for. */
static bool set_number(const struct proc_inode *dir, int32_t number, struct proc_inode *child)
	MAY_YIELD
{
	switch (dir->entry->numbered) {
	case PROC_PROCESSES:
		child->pid = number;
		child->tid = number;
		return number > 0 && process_exists(dir, number, number);
	case PROC_THREADS:
		child->tid = number;
		return number > 0 && process_exists(dir, dir->pid, number);
	case PROC_DESCRIPTORS:
		child->fd = number;
		return proc_source_of(dir)->next_descriptor(dir->pid, number) == number;
	case PROC_NO_NUMBERS:
	default:
		return false;
	}
}

static const struct proc_entry *find_entry(const struct proc_entry *dir, const char *name,
					   size_t len)
{
	for (unsigned int i = 0; i < dir->child_count; i++) {
		const struct proc_entry *entry = &dir->children[i];

		if (strlen(entry->name) == len && memcmp(entry->name, name, len) == 0)
			return entry;
	}
	return NULL;
}

static int proc_lookup(struct inode *inode, const char *name, size_t len, struct inode **ret)
	MAY_YIELD
{
	struct proc_inode *dir = proc_inode_of(inode), *p;
	const struct proc_entry *entry = find_entry(dir->entry, name, len);
	int32_t number = entry ? -1 : proc_parse_number(name, len);
	int r;

	if (!entry && (number < 0 || dir->entry->numbered == PROC_NO_NUMBERS))
		return -ENOENT;
	/* A process may have ended since its directory was opened. */
	if (dir->pid > 0 && !process_exists(dir, dir->pid, dir->tid))
		return -ENOENT;
	r = new_inode(CONTAINER_OF(inode->fs, struct proc_fs, fs),
		      entry ? entry : dir->entry->number, dir, &p);
	if (r < 0)
		return r;
	if (!entry && !set_number(dir, number, p)) {
		inode_put(&p->base);
		return -ENOENT;
	}
	p->base.ino = number_of(p);
	*ret = &p->base;
	return 0;
}

/* The next number of the directory that is >= from; -1: there is none. */
static int32_t next_number(const struct proc_inode *dir, int32_t from)
{
	const struct proc_source *source = proc_source_of(dir);
	int32_t next = 0;

	switch (dir->entry->numbered) {
	case PROC_PROCESSES:
		next = source->next_process(from > 0 ? from - 1 : 0);
		break;
	case PROC_THREADS:
		next = source->next_thread(dir->pid, from > 0 ? from - 1 : 0);
		break;
	case PROC_DESCRIPTORS:
		return source->next_descriptor(dir->pid, from);
	case PROC_NO_NUMBERS:
	default:
		break;
	}
	return next > 0 ? next : -1;
}

static uint32_t dirent_type(const struct proc_entry *entry)
{
	return (entry->mode & S_IFMT) >> 12;
}

static int emit_numbers(const struct proc_inode *dir, uint64_t *cursor, vfs_emit_fn *emit,
			void *ctx)
{
	int32_t number = -1;

	while (*cursor - NUMBERS <= INT32_MAX &&
	       (number = next_number(dir, (int32_t)(*cursor - NUMBERS))) >= 0) {
		struct proc_inode child = {
			.entry = dir->entry->number, .pid = dir->pid, .tid = dir->tid, .fd = number
		};
		char name[16];
		struct vfs_dirent entry = { .name = name, .type = dirent_type(child.entry) };
		int r;

		if (dir->entry->numbered != PROC_DESCRIPTORS) {
			child.fd = -1;
			child.tid = number;
			if (dir->entry->numbered == PROC_PROCESSES)
				child.pid = number;
		}
		entry.name_len = (size_t)snprintf(name, sizeof(name), "%d", number);
		entry.ino = number_of(&child);
		entry.next = NUMBERS + (uint64_t)number + 1;
		r = emit(ctx, &entry);
		if (r != 0)
			return r;
		*cursor = entry.next;
	}
	return 0;
}

static int proc_readdir(struct inode *inode, uint64_t *cursor, vfs_emit_fn *emit, void *ctx)
{
	const struct proc_inode *dir = proc_inode_of(inode);

	while (*cursor < dir->entry->child_count) {
		struct proc_inode child = { .entry = &dir->entry->children[*cursor],
					    .pid = dir->pid,
					    .tid = dir->tid,
					    .fd = -1 };
		struct vfs_dirent entry = {
			.name = child.entry->name,
			.name_len = strlen(child.entry->name),
			.ino = number_of(&child),
			.type = dirent_type(child.entry),
			.next = *cursor + 1,
		};
		int r = emit(ctx, &entry);

		if (r != 0)
			return r;
		*cursor = entry.next;
	}
	if (dir->entry->numbered == PROC_NO_NUMBERS)
		return 0;
	if (*cursor < NUMBERS)
		*cursor = NUMBERS;
	return emit_numbers(dir, cursor, emit, ctx);
}

static int proc_getattr(struct inode *inode, struct vfs_attr *ret) MAY_YIELD
{
	struct proc_inode *p = proc_inode_of(inode);
	struct proc_info info;
	int r;

	*ret = (struct vfs_attr){
		.dev = inode->fs->dev,
		.ino = inode->ino,
		.mode = p->entry->mode,
		.nlink = inode->type == S_IFDIR ? 2 : 1,
		.blksize = 1024,
	};
	ret->atime = vfs_now();
	ret->mtime = ret->atime;
	ret->ctime = ret->atime;
	ret->btime = ret->atime;
	if (p->pid == 0)
		return 0;
	r = proc_get_info(p, &info);
	if (r < 0)
		return r;
	ret->uid = info.uid[1];
	ret->gid = info.gid[1];
	if (p->fd >= 0 && inode->type == S_IFLNK) {
		ret->mode = proc_fd_link_mode(p);
		ret->size = 64; /* as Linux has it */
	}
	return 0;
}

/* open(2) with O_TRUNC, and utimes: nothing to do. */
static int proc_setattr(struct inode *inode, const struct vfs_attr *attr, unsigned int set)
{
	(void)attr;
	if (set & (VFS_SET_MODE | VFS_SET_UID | VFS_SET_GID))
		return -EPERM;
	return (set & VFS_SET_SIZE) && !proc_inode_of(inode)->entry->store ? -EACCES : 0;
}

static int fill(struct proc_inode *p) MAY_YIELD
{
	struct proc_text text = { .data = NULL };
	int r;

	if (p->entry->host_path)
		r = proc_copy_host(p->entry->host_path, &text);
	else
		r = p->entry->fill(p, &text);
	if (r < 0) {
		free(text.data);
		return r;
	}
	free(p->text.data);
	p->text = text;
	p->filled = true;
	return 0;
}

static ssize_t proc_read(struct inode *inode, void *buf, size_t size, uint64_t offset) MAY_YIELD
{
	struct proc_inode *p = proc_inode_of(inode);
	int r = 0;

	task_lock_take(&p->lock);
	if (offset == 0 || !p->filled)
		r = fill(p);
	if (r < 0 || offset >= p->text.size)
		size = 0;
	else if (size > p->text.size - offset)
		size = p->text.size - offset;
	if (size > 0)
		memcpy(buf, p->text.data + offset, size);
	task_lock_drop(&p->lock);
	return r < 0 ? r : (ssize_t)size;
}

static ssize_t proc_write(struct inode *inode, const void *buf, size_t size, uint64_t offset)
	MAY_YIELD
{
	struct proc_inode *p = proc_inode_of(inode);
	int r;

	(void)offset;
	if (!p->entry->store)
		return -EIO;
	r = p->entry->store(p, buf, size < WRITE_MAX ? size : WRITE_MAX);
	return r < 0 ? r : (ssize_t)size;
}

static int give_text(const struct proc_text *text, char *buf, size_t size)
{
	size = text->size < size ? text->size : size;
	memcpy(buf, text->data, size);
	return (int)size;
}

static int proc_readlink(struct inode *inode, char *buf, size_t size) MAY_YIELD
{
	struct proc_inode *p = proc_inode_of(inode);
	struct proc_text text = { .data = NULL };
	int r = p->entry->target(p, &text);

	if (r == 0)
		r = text.data ? give_text(&text, buf, size) : -ENOMEM;
	free(text.data);
	return r;
}

static int dentry_text(struct proc_inode *p, struct dentry *d, char *buf, size_t size)
{
	const struct vfs *view = proc_source_of(p)->view();
	char *path = view ? malloc(VFS_PATH_MAX) : NULL;
	int r;

	if (!path)
		return view ? -ENOMEM : -ENOENT;
	r = dentry_path(view, d, path, VFS_PATH_MAX);
	if (r > 0) {
		r = (size_t)r < size ? r : (int)size;
		memcpy(buf, path, (size_t)r);
	}
	free(path);
	return r;
}

/* A link to a thing: its path; a nameless thing says itself what it is. */
static int object_readlink(struct inode *inode, char *buf, size_t size) MAY_YIELD
{
	struct proc_inode *p = proc_inode_of(inode);
	struct proc_text text = { .data = NULL };
	struct dentry *d;
	int r;

	if (p->entry->target) {
		r = p->entry->target(p, &text);
		if (r == 0 && text.data)
			r = give_text(&text, buf, size);
		free(text.data);
		if (r != 0)
			return r;
	}
	r = p->entry->object(p, &d);
	if (r < 0)
		return r == -ESRCH ? -ENOENT : r;
	r = dentry_text(p, d, buf, size);
	dentry_put(d);
	return r;
}

static int object_follow(struct inode *inode, const struct vfs *view, struct dentry **ret) MAY_YIELD
{
	struct proc_inode *p = proc_inode_of(inode);
	int r = p->entry->object(p, ret);

	(void)view;
	return r == -ESRCH ? -ENOENT : r;
}

static const struct inode_ops proc_dir_ops = {
	.lookup = proc_lookup,
	.getattr = proc_getattr,
	.setattr = proc_setattr,
	.readdir = proc_readdir,
	.release = proc_release,
	.volatile_names = true,
};

static const struct inode_ops proc_file_ops = {
	.getattr = proc_getattr,
	.setattr = proc_setattr,
	.read = proc_read,
	.write = proc_write,
	.release = proc_release,
};

static const struct inode_ops proc_link_ops = {
	.getattr = proc_getattr,
	.readlink = proc_readlink,
	.release = proc_release,
};

static const struct inode_ops proc_object_ops = {
	.getattr = proc_getattr,
	.readlink = object_readlink,
	.follow = object_follow,
	.release = proc_release,
};

static int proc_statfs(struct vfs_fs *fs, struct vfs_statfs *ret)
{
	(void)fs;
	*ret = (struct vfs_statfs){ .type = PROC_SUPER_MAGIC,
				    .bsize = 4096,
				    .namelen = VFS_NAME_MAX };
	return 0;
}

int proc_fs_new(const struct proc_source *source, struct inode **ret_root)
{
	struct proc_fs *fs = calloc(1, sizeof(*fs));
	struct proc_inode *root;
	int r;

	if (!fs)
		return -ENOMEM;
	fs->fs.type_name = "proc";
	fs->fs.statfs = proc_statfs;
	fs->fs.dev = vfs_new_dev();
	fs->source = source;
	r = new_inode(fs, &proc_root_entry, NULL, &root);
	if (r < 0) {
		free(fs);
		return r;
	}
	root->base.ino = 1;
	*ret_root = &root->base;
	return 0;
}

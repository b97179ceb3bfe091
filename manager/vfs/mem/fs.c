#include "vfs/acl.h"
#include "vfs/mem/mem.h"
#include "vfs/small.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#define TMPFS_MAGIC 0x01021994u
#define DIR_ENTRY_SIZE 20u /* what a directory's st_size counts for a name, as tmpfs does */
#define MODE_BITS 07777u

static const struct inode_ops mem_ops;

int mem_charge(struct mem_fs *fs, uint64_t size)
{
	if (size > fs->limit || fs->used > fs->limit - size)
		return -ENOSPC;
	fs->used += size;
	return 0;
}

void mem_uncharge(struct mem_fs *fs, uint64_t size)
{
	assert(fs->used >= size);
	fs->used -= size;
}

/* nlink 0, one reference. */
static int inode_new(struct mem_fs *fs, const struct vfs_attr *attr, struct mem_inode **ret)
{
	struct mem_inode *m;
	int r = mem_charge(fs, MEM_INODE_COST);

	if (r < 0)
		return r;
	m = calloc(1, sizeof(*m));
	if (!m) {
		mem_uncharge(fs, MEM_INODE_COST);
		return -ENOMEM;
	}
	inode_init(&m->inode, &mem_ops, &fs->fs, attr->mode & S_IFMT);
	m->inode.ino = ++fs->next_ino;
	m->inode.rdev = attr->rdev;
	m->inode.mode = attr->mode;
	m->inode.uid = attr->uid;
	m->inode.gid = attr->gid;
	m->inode.has_perm = true;
	m->btime = vfs_now();
	m->atime = m->btime;
	m->mtime = m->btime;
	m->ctime = m->btime;
	list_init(&m->dead);
	fs->inode_count++;
	*ret = m;
	return 0;
}

/* The last reference is gone: free what the inode holds, and the file system with its last. */
static void inode_free(struct list *node)
{
	struct mem_inode *m = LIST_ENTRY(node, struct mem_inode, dead);
	struct mem_fs *fs = mem_fs_of(m);

	mem_xattrs_free(m);
	if (S_ISREG(m->inode.type)) {
		pages_drop(fs, &m->file.pages, 0, UINT64_MAX);
		map_free(fs, m->file.map);
	} else if (S_ISDIR(m->inode.type)) {
		dir_clear(fs, &m->dir);
	} else if (S_ISLNK(m->inode.type)) {
		mem_uncharge(fs, m->size);
		free(m->target);
	}
	mem_uncharge(fs, MEM_INODE_COST);
	free(m);
	if (--fs->inode_count == 0) {
		assert(fs->used == 0);
		free(fs);
	}
}

static void mem_release(struct inode *inode)
{
	static struct reaper reaper = REAPER_INIT(reaper);

	reap(&reaper, &mem_of(inode)->dead, inode_free);
}

static int mem_lookup(struct inode *dir, const char *name, size_t len, struct inode **ret)
{
	struct mem_name *n;

	if (len > VFS_NAME_MAX)
		return -ENAMETOOLONG;
	n = dir_find(&mem_of(dir)->dir, name, len);
	if (!n)
		return -ENOENT;
	*ret = inode_get(&n->inode->inode);
	return 0;
}

static int mem_has_name(struct inode *dir, const char *name, size_t len)
{
	return dir_find(&mem_of(dir)->dir, name, len) ? 1 : 0;
}

static int mem_getattr(struct inode *inode, struct vfs_attr *ret)
{
	struct mem_inode *m = mem_of(inode);

	*ret = (struct vfs_attr){
		.dev = inode->fs->dev,
		.ino = inode->ino,
		.rdev = inode->rdev,
		.size = m->size,
		.mode = inode->mode,
		.nlink = m->nlink,
		.uid = inode->uid,
		.gid = inode->gid,
		.blksize = MEM_PAGE_SIZE,
		.atime = m->atime,
		.mtime = m->mtime,
		.ctime = m->ctime,
		.btime = m->btime,
	};
	if (S_ISREG(inode->type))
		ret->blocks = m->file.map ? map_blocks(mem_fs_of(m), m->file.map)
					  : m->file.pages.count * (MEM_PAGE_SIZE / 512);
	else if (S_ISDIR(inode->type))
		ret->size = (uint64_t)(2 + m->dir.count) * DIR_ENTRY_SIZE;
	return 0;
}

static int mem_setattr(struct inode *inode, const struct vfs_attr *attr, unsigned int set)
{
	struct mem_inode *m = mem_of(inode);

	if (set & VFS_SET_SIZE) {
		int r = S_ISREG(inode->type) ? mem_resize(m, attr->size) : -EINVAL;

		if (r < 0)
			return r;
	}
	if (set & VFS_SET_MODE) {
		inode->mode = inode->type | (attr->mode & MODE_BITS);
		if (inode->acl[VFS_ACL_ACCESS])
			acl_chmod(inode->acl[VFS_ACL_ACCESS], attr->mode);
	}
	if (set & VFS_SET_UID)
		inode->uid = attr->uid;
	if (set & VFS_SET_GID)
		inode->gid = attr->gid;
	if (set & VFS_SET_ATIME)
		m->atime = attr->atime;
	if (set & VFS_SET_MTIME)
		m->mtime = attr->mtime;
	if (set & VFS_SET_CTIME)
		m->ctime = attr->ctime;
	return 0;
}

/* Give `child` its name in `dir` (none if name is NULL). Puts it again on failure. */
static int enter(struct inode *dir, const char *name, size_t len, struct mem_inode *child,
		 struct inode **ret)
{
	struct mem_inode *d = mem_of(dir);
	int r = 0;

	if (name) {
		r = dir_add(mem_fs_of(d), &d->dir, name, len, child);
		if (r < 0) {
			inode_put(&child->inode);
			return r;
		}
		child->nlink = 1;
		mem_touch(d);
	}
	if (S_ISDIR(child->inode.type)) {
		child->nlink = 2;
		d->nlink++;
	}
	*ret = &child->inode;
	return 0;
}

static int mem_create(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
		      struct inode **ret)
{
	struct mem_inode *child;
	int r;

	if (!name && !S_ISREG(attr->mode))
		return -EINVAL;
	r = inode_new(mem_fs_of(mem_of(dir)), attr, &child);
	if (r < 0)
		return r;
	r = mem_acls_begin(child, attr);
	if (r < 0) {
		inode_put(&child->inode);
		return r;
	}
	return enter(dir, name, len, child, ret);
}

static int mem_symlink(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
		       const char *target, struct inode **ret)
{
	struct mem_fs *fs = mem_fs_of(mem_of(dir));
	size_t size = strlen(target);
	struct mem_inode *child;
	int r = inode_new(fs, attr, &child);

	if (r < 0)
		return r;
	r = mem_charge(fs, size);
	if (r == 0) {
		child->size = size;
		child->target = strdup(target);
		if (!child->target)
			r = -ENOMEM;
	}
	if (r < 0) {
		inode_put(&child->inode);
		return r;
	}
	return enter(dir, name, len, child, ret);
}

static int mem_link(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	struct mem_inode *d = mem_of(dir), *m = mem_of(inode);
	int r = dir_add(mem_fs_of(d), &d->dir, name, len, m);

	if (r < 0)
		return r;
	m->nlink++;
	mem_touch(d);
	m->ctime = d->ctime;
	return 0;
}

static struct mem_name *must_find(struct inode *dir, const char *name, size_t len)
{
	struct mem_name *n = dir_find(&mem_of(dir)->dir, name, len);

	assert(n); /* the vfs looked it up, and holds the directory's lock */
	return n;
}

static int mem_unlink(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	struct mem_inode *d = mem_of(dir), *m = mem_of(inode);

	mem_touch(d);
	m->nlink--;
	m->ctime = d->ctime;
	dir_remove(mem_fs_of(d), &d->dir, must_find(dir, name, len));
	return 0;
}

static int mem_rmdir(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	struct mem_inode *d = mem_of(dir), *m = mem_of(inode);

	if (m->dir.count > 0)
		return -ENOTEMPTY;
	mem_touch(d);
	m->nlink = 0;
	m->ctime = d->ctime;
	d->nlink--;
	dir_remove(mem_fs_of(d), &d->dir, must_find(dir, name, len));
	return 0;
}

static void exchange(struct mem_inode *old_dir, struct mem_name *old_name,
		     struct mem_inode *new_dir, struct mem_name *new_name)
{
	struct mem_inode *m = old_name->inode;
	bool old_is_dir = S_ISDIR(m->inode.type);
	bool new_is_dir = S_ISDIR(new_name->inode->inode.type);

	old_name->inode = new_name->inode;
	new_name->inode = m;
	if (old_is_dir != new_is_dir) {
		old_dir->nlink += new_is_dir ? 1 : -1u;
		new_dir->nlink += old_is_dir ? 1 : -1u;
	}
}

/* The name `n` gets `m` in the place of what it had; a reader of the directory sees it once. */
static void replace(struct mem_inode *dir, struct mem_name *n, struct mem_inode *m)
{
	struct mem_inode *victim = n->inode;

	inode_get(&m->inode);
	n->inode = m;
	if (S_ISDIR(victim->inode.type)) {
		victim->nlink = 0;
		dir->nlink--;
	} else {
		victim->nlink--;
	}
	victim->ctime = vfs_now();
	inode_put(&victim->inode);
}

/* The name `n` of `m` goes, or a whiteout comes to it (takes the reference). */
static void leave(struct mem_inode *dir, struct mem_name *n, struct mem_inode *whiteout)
{
	struct mem_inode *m = n->inode;

	if (!whiteout) {
		dir_remove(mem_fs_of(dir), &dir->dir, n);
		return;
	}
	whiteout->nlink = 1;
	n->inode = whiteout;
	inode_put(&m->inode);
}

static int move(const struct vfs_move *v, struct mem_name *n, struct mem_inode *whiteout)
{
	struct mem_inode *from = mem_of(v->old_dir), *to = mem_of(v->new_dir);
	struct mem_inode *m = mem_of(v->inode);
	size_t len = strlen(v->new_name);
	int r = 0;

	if (v->target && S_ISDIR(v->target->type) && mem_of(v->target)->dir.count > 0)
		return -ENOTEMPTY;
	if (v->target)
		replace(to, must_find(v->new_dir, v->new_name, len), m);
	else
		r = dir_add(mem_fs_of(to), &to->dir, v->new_name, len, m);
	if (r < 0)
		return r;
	leave(from, n, whiteout);
	if (S_ISDIR(m->inode.type)) {
		from->nlink--;
		to->nlink++;
	}
	return 0;
}

static int mem_rename(const struct vfs_move *v)
{
	static const struct vfs_attr attr = { .mode = S_IFCHR };
	struct mem_inode *from = mem_of(v->old_dir), *to = mem_of(v->new_dir);
	struct mem_inode *m = mem_of(v->inode);
	struct mem_name *n = must_find(v->old_dir, v->old_name, strlen(v->old_name));
	struct mem_inode *whiteout = NULL;
	int r = 0;

	if (v->flags & RENAME_WHITEOUT)
		r = inode_new(mem_fs_of(from), &attr, &whiteout);
	if (r == 0 && v->flags & RENAME_EXCHANGE) {
		exchange(from, n, to, must_find(v->new_dir, v->new_name, strlen(v->new_name)));
		mem_of(v->target)->ctime = vfs_now();
	} else if (r == 0) {
		r = move(v, n, whiteout);
		if (r < 0 && whiteout)
			inode_put(&whiteout->inode);
	}
	if (r < 0)
		return r;
	mem_touch(from);
	mem_touch(to);
	m->ctime = to->ctime;
	return 0;
}

static int mem_readdir(struct inode *dir, uint64_t *cursor, vfs_emit_fn *emit, void *ctx)
{
	return dir_read(&mem_of(dir)->dir, cursor, emit, ctx);
}

static int mem_readlink(struct inode *inode, char *buf, size_t size)
{
	struct mem_inode *m = mem_of(inode);

	if (size > m->size)
		size = m->size;
	memcpy(buf, m->target, size);
	return (int)size;
}

static int mem_link_text(struct inode *inode, const char **ret)
{
	*ret = mem_of(inode)->target;
	return 0;
}

static int mem_statfs(struct vfs_fs *vfs_fs, struct vfs_statfs *ret)
{
	const struct mem_fs *fs = vfs_fs->private_data;
	uint64_t unused = fs->limit > fs->used ? fs->limit - fs->used : 0;

	*ret = (struct vfs_statfs){
		.type = TMPFS_MAGIC,
		.bsize = MEM_PAGE_SIZE,
		.blocks = fs->limit / MEM_PAGE_SIZE,
		.bfree = unused / MEM_PAGE_SIZE,
		.bavail = unused / MEM_PAGE_SIZE,
		.files = fs->inode_count + unused / MEM_INODE_COST,
		.ffree = unused / MEM_INODE_COST,
		.namelen = VFS_NAME_MAX,
	};
	return 0;
}

static const struct inode_ops mem_ops = {
	.lookup = mem_lookup,
	.has_name = mem_has_name,
	.getattr = mem_getattr,
	.setattr = mem_setattr,
	.create = mem_create,
	.symlink = mem_symlink,
	.link = mem_link,
	.unlink = mem_unlink,
	.rmdir = mem_rmdir,
	.rename = mem_rename,
	.readdir = mem_readdir,
	.readlink = mem_readlink,
	.link_text = mem_link_text,
	.read = mem_read,
	.write = mem_write,
	.fallocate = mem_fallocate,
	.seek_data = mem_seek_data,
	.map = mem_map,
	.getxattr = mem_getxattr,
	.setxattr = mem_setxattr,
	.listxattr = mem_listxattr,
	.removexattr = mem_removexattr,
	.set_acl = mem_set_acl,
	.release = mem_release,
};

static uint64_t default_limit(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return UINT64_C(1) << 30;
	return (uint64_t)info.totalram * info.mem_unit / 2;
}

int mem_fs_new(const char *type_name, uint64_t limit_bytes, uint32_t root_mode,
	       struct inode **ret_root)
{
	struct vfs_attr attr = { .mode = S_IFDIR | (root_mode & MODE_BITS) };
	struct mem_fs *fs = calloc(1, sizeof(*fs));
	struct mem_inode *root;
	int r;

	if (!fs)
		return -ENOMEM;
	fs->fs.type_name = type_name;
	fs->fs.statfs = mem_statfs;
	fs->fs.private_data = fs;
	fs->fs.dev = vfs_new_dev();
	fs->limit = limit_bytes ? limit_bytes : default_limit();
	r = inode_new(fs, &attr, &root);
	if (r < 0) {
		free(fs);
		return r;
	}
	root->nlink = 2;
	*ret_root = &root->inode;
	return 0;
}

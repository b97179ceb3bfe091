#include "vfs/ext4/names.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define MODE_BITS 07777u

static int lookup(struct inode *dir, const char *text, size_t len, struct inode **ret) MAY_YIELD
{
	struct ext4_name name = { text, (uint32_t)len };
	struct ext4_inode *d = ext4_i(dir), *inode;
	uint32_t number, changes;
	int r;

	if (len > EXT4_NAME_MAX)
		return -ENAMETOOLONG;
	do {
		changes = d->changes;
		r = ext4_dir_find(d, &name, &number);
		if (r < 0)
			return r;
		/* What the file system keeps for itself has no name; but the root may be. */
		if (number < d->fs->first_inode && number != EXT4_ROOT_NUMBER)
			return ext4_damage(d->fs, "directory %u has a name for inode %u", d->number,
					   number);
		r = ext4_iget(d->fs, number, &inode);
		/* While we waited for the inode the name may have gone, and the inode too. */
	} while (r == -ESTALE && changes != d->changes);
	if (r == -ESTALE)
		return ext4_damage(d->fs, "directory %u has a name for the deleted inode %u",
				   d->number, number);
	if (r == 0)
		*ret = &inode->inode;
	return r;
}

static int has_name(struct inode *dir, const char *text, size_t len) MAY_YIELD
{
	struct ext4_name name = { text, (uint32_t)len };
	uint32_t number;
	int r;

	if (len > EXT4_NAME_MAX)
		return -ENAMETOOLONG;
	r = ext4_dir_find(ext4_i(dir), &name, &number);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : 1;
}

static int getattr(struct inode *inode, struct vfs_attr *ret)
{
	const struct ext4_inode *i = ext4_i(inode);

	*ret = (struct vfs_attr){
		.dev = inode->fs->dev,
		.ino = inode->ino,
		.rdev = inode->rdev,
		.size = i->size,
		/* What is promised counts as if it were there: it will be. */
		.blocks = i->blocks + (i->delayed << (i->fs->block_shift - 9)),
		.mode = i->mode,
		.nlink = i->nlink,
		.uid = i->uid,
		.gid = i->gid,
		.blksize = i->fs->block_size,
		.atime = i->atime,
		.mtime = i->mtime,
		.ctime = i->ctime,
		.btime = i->btime,
	};
	return 0;
}

static int readlink(struct inode *inode, char *buf, size_t size) MAY_YIELD
{
	struct ext4_inode *i = ext4_i(inode);
	struct cache_page *page;
	struct ext4_run run;
	size_t len = i->size < size ? i->size : size;
	int r;

	ext4_note_access(i);
	if (ext4_link_is_fast(i)) {
		memcpy(buf, i->block, len);
		return (int)len;
	}
	r = ext4_map(i, 0, 1, &run);
	if (r < 0)
		return r;
	if (run.kind != EXT4_MAPPED)
		return ext4_damage(i->fs, "link %u has no target", i->number);
	r = cache_get(&i->fs->blocks, run.physical, &page);
	if (r < 0)
		return r;
	memcpy(buf, page->data, len);
	cache_put(page);
	return (int)len;
}

static int sync_all(struct vfs_fs *vfs_fs, bool tell) MAY_YIELD
{
	struct ext4 *fs = vfs_fs->private_data;
	int r = ext4_sync_fs(fs);

	return r == 0 && tell ? ext4_lost_tell(fs) : r;
}

static int statfs(struct vfs_fs *vfs_fs, struct vfs_statfs *ret)
{
	const struct ext4 *fs = CONTAINER_OF(vfs_fs, struct ext4, fs);
	uint64_t taken = fs->delayed_blocks, unused = 0, available = 0;

	if (fs->free_blocks > taken)
		unused = fs->free_blocks - taken;
	if (unused > fs->reserved_blocks)
		available = unused - fs->reserved_blocks;
	*ret = (struct vfs_statfs){
		.type = EXT4_SUPER_MAGIC,
		.bsize = fs->block_size,
		.blocks = fs->block_count - fs->overhead_blocks,
		.bfree = unused,
		.bavail = available,
		.files = fs->inode_count,
		.ffree = fs->free_inodes,
		.namelen = EXT4_NAME_MAX,
	};
	return 0;
}

void ext4_vfs_init(struct ext4 *fs)
{
	fs->fs = (struct vfs_fs){
		.type_name = "ext4",
		.statfs = statfs,
		.sync = sync_all,
		.private_data = fs,
		.dev = vfs_new_dev(),
	};
}

/* ---- attributes. */

static void set_attributes(struct ext4_inode *i, const struct vfs_attr *attr, unsigned int set)
{
	if (set & VFS_SET_MODE)
		i->mode = (i->mode & S_IFMT) | (attr->mode & MODE_BITS);
	if (set & VFS_SET_UID)
		i->uid = attr->uid;
	if (set & VFS_SET_GID)
		i->gid = attr->gid;
	if (set & VFS_SET_ATIME)
		i->atime = ext4_time_held(i, attr->atime);
	if (set & VFS_SET_MTIME)
		i->mtime = ext4_time_held(i, attr->mtime);
	if (set & VFS_SET_CTIME)
		i->ctime = ext4_time_held(i, attr->ctime);
	ext4_inode_perm(i);
}

static int setattr_locked(struct ext4_inode *i, const struct vfs_attr *attr, unsigned int set)
	MAY_YIELD
{
	const unsigned int lasting = VFS_SET_MODE | VFS_SET_UID | VFS_SET_GID;
	struct journal_handle h;
	int r;

	if (set & VFS_SET_SIZE) {
		if (!S_ISREG(i->mode))
			return -EINVAL;
		r = ext4_truncate(i, attr->size);
		if (r < 0)
			return r;
	}
	if (!(set & lasting)) {
		set_attributes(i, attr, set);
		ext4_inode_mark(i);
		return 0;
	}
	r = ext4_begin(i->fs, 1, &h);
	if (r < 0)
		return r;
	set_attributes(i, attr, set);
	r = ext4_inode_store(&h, i);
	journal_end(&h);
	return r;
}

static int setattr(struct inode *inode, const struct vfs_attr *attr, unsigned int set) MAY_YIELD
{
	struct ext4_inode *i = ext4_i(inode);
	int r = ext4_writable(i->fs);

	if (r < 0)
		return r;
	if (i->flags & EXT4_IMMUTABLE_FL ||
	    (i->flags & EXT4_APPEND_FL &&
	     set & (VFS_SET_SIZE | VFS_SET_MODE | VFS_SET_UID | VFS_SET_GID)))
		return -EPERM;
	task_lock_take(&i->lock);
	if (set & VFS_SET_MODE)
		r = ext4_acl_chmod(i, attr->mode);
	if (r > 0)
		set &= ~(unsigned int)VFS_SET_MODE; /* it has it already */
	if (r >= 0)
		r = setattr_locked(i, attr, set);
	task_lock_drop(&i->lock);
	return r;
}

static int sync_names(struct inode *inode, bool data_only) MAY_YIELD
{
	(void)data_only;
	return ext4_inode_sync(ext4_i(inode));
}

/* Ordered data: it is on the disk before the transaction that gives it blocks. */
static int order(struct inode *inode) MAY_YIELD
{
	return ext4_i(inode)->data ? ext4_flush_delayed(ext4_i(inode)) : 0;
}

const struct inode_ops ext4_file_ops = {
	.getattr = getattr,
	.setattr = setattr,
	.read = ext4_read,
	.write = ext4_write,
	.fallocate = ext4_fallocate,
	.seek_data = ext4_seek_data,
	.map = ext4_map_file,
	.sync = ext4_fsync,
	.order = order,
	.close_write = ext4_close_write,
	.getxattr = ext4_getxattr,
	.setxattr = ext4_setxattr,
	.listxattr = ext4_listxattr,
	.removexattr = ext4_removexattr,
	.get_acl = ext4_get_acl,
	.set_acl = ext4_set_acl,
	.release = ext4_release,
};

const struct inode_ops ext4_dir_ops = {
	.lookup = lookup,
	.has_name = has_name,
	.getattr = getattr,
	.setattr = setattr,
	.create = ext4_create,
	.symlink = ext4_symlink,
	.link = ext4_link,
	.unlink = ext4_unlink,
	.rmdir = ext4_rmdir,
	.rename = ext4_rename,
	.readdir = ext4_readdir,
	.sync = sync_names,
	.getxattr = ext4_getxattr,
	.setxattr = ext4_setxattr,
	.listxattr = ext4_listxattr,
	.removexattr = ext4_removexattr,
	.get_acl = ext4_get_acl,
	.set_acl = ext4_set_acl,
	.release = ext4_release,
};

const struct inode_ops ext4_link_ops = {
	.getattr = getattr,
	.setattr = setattr,
	.readlink = readlink,
	.sync = sync_names,
	.getxattr = ext4_getxattr,
	.setxattr = ext4_setxattr,
	.listxattr = ext4_listxattr,
	.removexattr = ext4_removexattr,
	.release = ext4_release,
};

const struct inode_ops ext4_special_ops = {
	.getattr = getattr,
	.setattr = setattr,
	.sync = sync_names,
	.getxattr = ext4_getxattr,
	.setxattr = ext4_setxattr,
	.listxattr = ext4_listxattr,
	.removexattr = ext4_removexattr,
	.get_acl = ext4_get_acl,
	.set_acl = ext4_set_acl,
	.release = ext4_release,
};

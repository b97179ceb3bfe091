#include "vfs/overlay/overlay.h"

#include "vfs/small.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OVERLAYFS_SUPER_MAGIC 0x794c7630u
#define BUCKETS_MIN 256u

static const struct inode_ops ovl_ops;

/*
 * ---- the table: one overlay inode for one thing of the layers. Its key is the
 * lower inode if there is one: that never changes, copy-up or not.
 */

static const struct inode *key_of(const struct ovl_inode *o)
{
	return o->lower ? o->lower : o->upper;
}

static struct ovl_inode **bucket_of(const struct ovl_fs *fs, const struct inode *key)
{
	uint64_t h = ((uintptr_t)key >> 4) * 0x9e3779b97f4a7c15u;

	return &fs->inodes[(h >> 32) & (fs->bucket_count - 1)];
}

static struct ovl_inode *find_inode(const struct ovl_fs *fs, const struct inode *key)
{
	struct ovl_inode *o = *bucket_of(fs, key);

	while (o && key_of(o) != key)
		o = o->hash_next;
	return o;
}

static void grow_buckets(struct ovl_fs *fs)
{
	size_t old_count = fs->bucket_count;
	struct ovl_inode **old = fs->inodes;
	struct ovl_inode **wider = calloc(old_count * 2, sizeof(struct ovl_inode *));

	if (!wider)
		return;
	fs->inodes = wider;
	fs->bucket_count = old_count * 2;
	for (size_t i = 0; i < old_count; i++) {
		struct ovl_inode *next;

		for (struct ovl_inode *o = old[i]; o; o = next) {
			struct ovl_inode **bucket = bucket_of(fs, key_of(o));

			next = o->hash_next;
			o->hash_next = *bucket;
			*bucket = o;
		}
	}
	free(old);
}

static void hash_in(struct ovl_fs *fs, struct ovl_inode *o)
{
	struct ovl_inode **bucket;

	if (fs->hashed >= fs->bucket_count)
		grow_buckets(fs);
	bucket = bucket_of(fs, key_of(o));
	o->hash_next = *bucket;
	*bucket = o;
	fs->hashed++;
}

static void hash_out(struct ovl_fs *fs, struct ovl_inode *o)
{
	struct ovl_inode **link;

	for (link = bucket_of(fs, key_of(o)); *link != o; link = &(*link)->hash_next)
		assert(*link);
	*link = o->hash_next;
	fs->hashed--;
}

/* ---- making and freeing. */

static void fs_free(struct ovl_fs *fs)
{
	origin_free_all(fs);
	inode_put(fs->whiteout);
	inode_put(fs->lower);
	inode_put(fs->work);
	inode_put(fs->upper);
	free(fs->inodes);
	free(fs);
}

static void inode_destroy(struct list *node)
{
	struct ovl_inode *o = LIST_ENTRY(node, struct ovl_inode, dead);
	struct ovl_fs *fs = ovl_fs_of(o);

	hash_out(fs, o);
	/* An origin that says nothing (a name was to go, and stayed) need not be kept. */
	if (o->origin && !o->origin->upper && o->origin->names == 0)
		origin_drop(o);
	inode_put(o->lower);
	inode_put(o->upper);
	if (o->parent)
		inode_put(&o->parent->inode);
	free(o->name);
	free(o->redirect);
	free(o);
	if (--fs->inode_count == 0)
		fs_free(fs);
}

static void ovl_release(struct inode *inode)
{
	static struct reaper reaper = REAPER_INIT(reaper);

	reap(&reaper, &ovl_of(inode)->dead, inode_destroy);
}

int ovl_refresh(struct ovl_inode *o)
{
	struct inode *real = ovl_real(o);
	struct vfs_attr attr;
	int r;

	if (real->has_perm) {
		o->inode.mode = real->mode;
		o->inode.uid = real->uid;
		o->inode.gid = real->gid;
	} else {
		r = real->ops->getattr(real, &attr);
		if (r < 0)
			return r;
		o->inode.mode = attr.mode;
		o->inode.uid = attr.uid;
		o->inode.gid = attr.gid;
	}
	o->inode.has_perm = true;
	return 0;
}

uint64_t ovl_number(const struct ovl_fs *fs, uint64_t number)
{
	const struct ovl_origin *g = origin_by_upper(fs, number);

	return g ? g->lower->ino : OVL_INO_BASE | number;
}

static void drop_found(struct ovl_found *found)
{
	inode_put(found->upper);
	inode_put(found->lower);
	free(found->redirect);
}

/* The device that something shows: its lower's, or that of its directory. */
static int find_dev(const struct ovl_fs *fs, const struct ovl_found *found, uint64_t *dev) MAY_YIELD
{
	const struct ovl_origin *g = found->upper ? origin_by_upper(fs, found->upper->ino) : NULL;
	struct inode *lower = found->lower ? found->lower : g ? g->lower : NULL;
	struct vfs_attr attr;
	int r;

	if (!lower)
		return 0;
	inode_get(lower); /* the origin may go while we ask */
	r = lower->ops->getattr(lower, &attr);
	inode_put(lower);
	if (r == 0)
		*dev = attr.dev;
	return r;
}

/* Takes over what was found, also on failure. Not in the table yet. */
static int inode_new(struct ovl_fs *fs, uint64_t dev, struct ovl_found *found,
		     struct ovl_inode **ret)
{
	struct inode *real = found->upper ? found->upper : found->lower;
	struct ovl_inode *o = calloc(1, sizeof(*o));

	if (!o) {
		drop_found(found);
		return -ENOMEM;
	}
	inode_init(&o->inode, &ovl_ops, &fs->fs, real->type);
	o->inode.rdev = real->rdev;
	o->upper = found->upper;
	o->lower = found->lower;
	o->redirect = found->redirect;
	o->dev = dev;
	o->inode.ino = o->lower ? o->lower->ino : OVL_INO_BASE | o->upper->ino;
	list_init(&o->dead);
	task_lock_init(&o->lock);
	fs->inode_count++;
	hash_in(fs, o);
	*ret = o;
	return 0;
}

/* A non-directory may have an origin: then what was found is one half of it. */
static struct ovl_origin *complete(const struct ovl_fs *fs, struct ovl_found *found)
{
	struct ovl_origin *g;

	if (found->upper) {
		g = origin_by_upper(fs, found->upper->ino);
		if (g)
			found->lower = inode_get(g->lower);
	} else {
		g = origin_by_lower(fs, found->lower);
		if (g && g->upper)
			found->upper = inode_get(g->upper);
	}
	return g;
}

int ovl_inode_for(struct ovl_inode *parent, const char *name, size_t len, struct ovl_found *found,
		  struct inode **ret)
{
	struct ovl_fs *fs = ovl_fs_of(parent);
	struct inode *real = found->upper ? found->upper : found->lower;
	struct ovl_origin *origin = NULL;
	uint64_t dev = parent->dev;
	struct ovl_inode *o;
	char *text;
	int r = find_dev(fs, found, &dev);

	if (r < 0) {
		drop_found(found);
		return r;
	}
	/* No yield from here until it is in the table: else there would be two of it. */
	if (!S_ISDIR(real->type))
		origin = complete(fs, found);
	o = find_inode(fs, found->lower ? found->lower : found->upper);
	if (o) {
		inode_get(&o->inode);
		drop_found(found);
	} else {
		r = inode_new(fs, dev, found, &o);
		if (r < 0)
			return r;
		o->origin = origin;
		r = ovl_refresh(o);
		if (r < 0) {
			inode_put(&o->inode);
			return r;
		}
	}
	if (!o->parent && name && !o->gone) {
		text = strndup(name, len);
		if (!text) {
			inode_put(&o->inode);
			return -ENOMEM;
		}
		ovl_set_name(o, parent, text);
	}
	*ret = &o->inode;
	return 0;
}

static int ovl_statfs(struct vfs_fs *vfs_fs, struct vfs_statfs *ret)
{
	const struct ovl_fs *fs = vfs_fs->private_data;
	int r = fs->upper->fs->statfs(fs->upper->fs, ret);

	ret->type = OVERLAYFS_SUPER_MAGIC;
	return r;
}

static int ovl_sync_fs(struct vfs_fs *vfs_fs, bool tell) MAY_YIELD
{
	const struct ovl_fs *fs = vfs_fs->private_data;
	struct vfs_fs *upper = fs->upper->fs;

	return upper->sync ? upper->sync(upper, tell) : 0;
}

static const struct inode_ops ovl_ops = {
	.lookup = ovl_lookup,
	.has_name = ovl_has_name,
	.getattr = ovl_getattr,
	.setattr = ovl_setattr,
	.create = ovl_create,
	.symlink = ovl_symlink,
	.link = ovl_link,
	.unlink = ovl_unlink,
	.rmdir = ovl_rmdir,
	.rename = ovl_rename,
	.readdir = ovl_readdir,
	.readlink = ovl_readlink,
	.link_text = ovl_link_text,
	.read = ovl_read,
	.write = ovl_write,
	.fallocate = ovl_fallocate,
	.seek_data = ovl_seek_data,
	.map = ovl_map,
	.sync = ovl_sync,
	.open_write = ovl_open_write,
	.close_write = ovl_close_write,
	.getxattr = ovl_getxattr,
	.setxattr = ovl_setxattr,
	.listxattr = ovl_listxattr,
	.removexattr = ovl_removexattr,
	.get_acl = ovl_get_acl,
	.set_acl = ovl_set_acl,
	.release = ovl_release,
};

/* Has the upper's root been given attributes already? Layers made before the mark have none. */
static int is_adopted(struct inode *upper) MAY_YIELD
{
	struct ovl_one_name one;
	uint64_t cursor = 0;
	int r = ovl_first_name(upper, &cursor, &one);

	if (r < 0 || one.len > 0)
		return r < 0 ? r : 1;
	return ovl_has_mark(upper, OVL_ADOPTED);
}

/* A new upper's root looks like the lower's; later, as it was left. */
static int adopt_root_attr(struct inode *lower, struct inode *upper, bool outlives_us) MAY_YIELD
{
	struct vfs_attr attr;
	int r = is_adopted(upper);

	if (r != 0)
		return r < 0 ? r : 0;
	r = lower->ops->getattr(lower, &attr);
	if (r == 0)
		r = upper->ops->setattr(upper, &attr,
					VFS_SET_MODE | VFS_SET_UID | VFS_SET_GID | VFS_SET_ATIME |
						VFS_SET_MTIME | VFS_SET_CTIME);
	if (r < 0 || !outlives_us)
		return r;
	/* The mark comes after what it stands for; without room the next start tries again. */
	r = upper->ops->setxattr(upper, OVL_ADOPTED, "y", 1, 0);
	if (r < 0)
		return r == -ENOSPC || r == -EOPNOTSUPP ? 0 : r;
	return upper->ops->setattr(upper, &attr, VFS_SET_CTIME);
}

int overlay_fs_new(struct inode *lower, struct inode *upper, struct inode *work,
		   struct inode **ret_root)
{
	struct ovl_found found = { upper, lower, NULL };
	struct ovl_fs *fs = calloc(1, sizeof(*fs));
	struct ovl_inode *root = NULL;
	uint64_t dev = upper->fs->dev;
	int r = fs ? 0 : -ENOMEM;

	if (r == 0) {
		fs->inodes = calloc(BUCKETS_MIN, sizeof(struct ovl_inode *));
		fs->bucket_count = BUCKETS_MIN;
		r = fs->inodes ? 0 : -ENOMEM;
	}
	if (r == 0 && work)
		r = ovl_work_clean(work);
	if (r == 0 && lower && !upper->fs->read_only)
		r = adopt_root_attr(lower, upper, work != NULL);
	if (r < 0) {
		if (fs)
			free(fs->inodes);
		free(fs);
		inode_put(lower);
		inode_put(upper);
		inode_put(work);
		return r;
	}
	fs->fs.type_name = "overlay";
	fs->fs.statfs = ovl_statfs;
	fs->fs.sync = ovl_sync_fs;
	fs->fs.private_data = fs;
	fs->fs.dev = vfs_new_dev();
	fs->fs.read_only = upper->fs->read_only;
	fs->work = work;
	fs->upper = inode_get(upper);
	fs->lower = lower ? inode_get(lower) : NULL;
	waitq_init(&fs->entered);
	r = find_dev(fs, &found, &dev);
	if (r < 0)
		drop_found(&found);
	else
		r = inode_new(fs, dev, &found, &root);
	if (r < 0) {
		fs_free(fs);
		return r;
	}
	r = ovl_refresh(root);
	if (r < 0)
		inode_put(&root->inode);
	else
		*ret_root = &root->inode;
	return r;
}

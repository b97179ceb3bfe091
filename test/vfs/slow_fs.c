#include "test/vfs/slow_fs.h"

static const struct inode_ops *fast;
static struct inode_ops slow;
static uint64_t lookups;
void (*slow_changed)(void);

static void changed(void) MAY_YIELD
{
	if (slow_changed)
		slow_changed();
	else
		task_yield();
}

uint64_t slow_lookups(void)
{
	return lookups;
}

static int slow_lookup(struct inode *dir, const char *name, size_t len, struct inode **ret)
	MAY_YIELD
{
	int r;

	lookups++;
	task_yield();
	r = fast->lookup(dir, name, len, ret);
	if (r == 0)
		make_slow(*ret);
	task_yield();
	return r;
}

static int slow_getattr(struct inode *inode, struct vfs_attr *ret) MAY_YIELD
{
	task_yield();
	return fast->getattr(inode, ret);
}

static int slow_setattr(struct inode *inode, const struct vfs_attr *attr, unsigned int set)
	MAY_YIELD
{
	int r;

	task_yield();
	r = fast->setattr(inode, attr, set);
	changed();
	return r;
}

static int slow_create(struct inode *dir, const char *name, size_t len, const struct vfs_attr *attr,
		       struct inode **ret) MAY_YIELD
{
	int r;

	task_yield();
	r = fast->create(dir, name, len, attr, ret);
	if (r == 0)
		make_slow(*ret);
	changed();
	return r;
}

static int slow_symlink(struct inode *dir, const char *name, size_t len,
			const struct vfs_attr *attr, const char *target, struct inode **ret)
	MAY_YIELD
{
	int r;

	task_yield();
	r = fast->symlink(dir, name, len, attr, target, ret);
	if (r == 0)
		make_slow(*ret);
	changed();
	return r;
}

static int slow_link(struct inode *dir, const char *name, size_t len, struct inode *inode) MAY_YIELD
{
	int r;

	task_yield();
	r = fast->link(dir, name, len, inode);
	changed();
	return r;
}

static int slow_unlink(struct inode *dir, const char *name, size_t len, struct inode *inode)
	MAY_YIELD
{
	int r;

	task_yield();
	r = fast->unlink(dir, name, len, inode);
	changed();
	return r;
}

static int slow_rmdir(struct inode *dir, const char *name, size_t len, struct inode *inode)
	MAY_YIELD
{
	int r;

	task_yield();
	r = fast->rmdir(dir, name, len, inode);
	changed();
	return r;
}

static int slow_rename(const struct vfs_move *move) MAY_YIELD
{
	int r;

	task_yield();
	r = fast->rename(move);
	changed();
	return r;
}

static ssize_t slow_read(struct inode *inode, void *buf, size_t size, uint64_t offset) MAY_YIELD
{
	task_yield();
	return fast->read(inode, buf, size, offset);
}

static ssize_t slow_write(struct inode *inode, const void *buf, size_t size, uint64_t offset)
	MAY_YIELD
{
	ssize_t r = fast->write(inode, buf, size, offset);

	task_yield();
	return r;
}

static int slow_setxattr(struct inode *inode, const char *name, const void *buf, size_t size,
			 int flags) MAY_YIELD
{
	int r;

	task_yield();
	r = fast->setxattr(inode, name, buf, size, flags);
	changed();
	return r;
}

void make_slow(struct inode *inode)
{
	if (inode->ops == &slow)
		return;
	if (!fast) {
		fast = inode->ops;
		slow = *fast;
		slow.has_name = NULL;  /* the way over lookup, too */
		slow.link_text = NULL; /* a device would have to be asked */
		slow.lookup = slow_lookup;
		slow.getattr = slow_getattr;
		slow.setattr = slow_setattr;
		slow.create = slow_create;
		slow.symlink = slow_symlink;
		slow.link = slow_link;
		slow.unlink = slow_unlink;
		slow.rmdir = slow_rmdir;
		slow.rename = slow_rename;
		slow.setxattr = slow_setxattr;
		slow.read = slow_read;
		slow.write = slow_write;
	}
	inode->ops = &slow;
	inode->has_perm = false; /* asked of getattr: one more place to yield */
}

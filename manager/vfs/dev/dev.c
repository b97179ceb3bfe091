#include "vfs/vfs.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

struct node {
	const char *name;
	uint32_t mode;
	unsigned int major, minor;
	const char *target; /* a symbolic link's */
};

/* The numbers are Documentation/admin-guide/devices.txt's; file/ opens by them. */
static const struct node nodes[] = {
	{ "null", S_IFCHR | 0666, 1, 3, NULL },
	{ "zero", S_IFCHR | 0666, 1, 5, NULL },
	{ "full", S_IFCHR | 0666, 1, 7, NULL },
	{ "random", S_IFCHR | 0666, 1, 8, NULL },
	{ "urandom", S_IFCHR | 0666, 1, 9, NULL },
	{ "tty", S_IFCHR | 0666, 5, 0, NULL },
	{ "console", S_IFCHR | 0600, 5, 1, NULL },
	{ "fd", S_IFLNK | 0777, 0, 0, "/proc/self/fd" },
	{ "stdin", S_IFLNK | 0777, 0, 0, "/proc/self/fd/0" },
	{ "stdout", S_IFLNK | 0777, 0, 0, "/proc/self/fd/1" },
	{ "stderr", S_IFLNK | 0777, 0, 0, "/proc/self/fd/2" },
	{ "shm", S_IFDIR | S_ISVTX | 0777, 0, 0, NULL },
	{ "pts", S_IFDIR | 0755, 0, 0, NULL },
};

static int make(struct inode *root, const struct node *n)
{
	const struct vfs_attr attr = { .mode = n->mode, .rdev = makedev(n->major, n->minor) };
	struct inode *made;
	int r;

	if (n->target)
		r = root->ops->symlink(root, n->name, strlen(n->name), &attr, n->target, &made);
	else
		r = root->ops->create(root, n->name, strlen(n->name), &attr, &made);
	if (r == 0)
		inode_put(made);
	return r;
}

int dev_fs_new(struct inode **ret_root)
{
	struct inode *root;
	int r = mem_fs_new("devtmpfs", 0, 0755, &root);

	for (size_t i = 0; r == 0 && i < ARRAY_COUNT(nodes); i++) {
		r = make(root, &nodes[i]);
		if (r < 0)
			inode_put(root);
	}
	if (r == 0)
		*ret_root = root;
	return r;
}
